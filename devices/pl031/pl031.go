package pl031

import (
	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// Offsets of the registers (DDI 0224, table 3-1).
const (
	DR   = 0x000 // RO, the counter
	MR   = 0x004 // match
	LR   = 0x008 // load
	CR   = 0x00C
	IMSC = 0x010
	RIS  = 0x014 // RO
	MIS  = 0x018 // RO
	ICR  = 0x01C // WO

	PeriphID0 = 0xFE0 // RO, four registers
	PCellID0  = 0xFF0 // RO, four registers
)

// id is PeriphID0 to 3, revision r1p3, and PCellID0 to 3 (DDI 0224, 3.3.9 and 3.3.10).
var id = [8]uint8{0x31, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1}

const (
	second = 1_000_000_000 // ns
	cycle  = second << 32  // ns until the counter has the same value again
)

// PL031 is one clock.
type PL031 struct {
	// IRQ is RTCINTR. It may be nil.
	IRQ devices.Line

	clock *vtime.Clock
	timer *vtime.Timer // set while the alarm is unmasked
	epoch uint32

	offset uint32 // what the counter shows at time 0
	mr, lr uint32
	imsc   bool
	ris    bool
	match  uint64 // ns, when the counter reaches mr next
}

// New makes a clock that shows epochSeconds (seconds since 1970-01-01 00:00:00 UTC, by convention) at time 0.
func New(clock *vtime.Clock, epochSeconds uint32) *PL031 {
	r := &PL031{clock: clock, epoch: epochSeconds}
	r.timer = clock.NewTimer("pl031", r)
	r.Reset()
	return r
}

// Reset shows the epoch again, counted from the clock's time 0, and masks the alarm.
func (r *PL031) Reset() {
	r.offset = r.epoch
	r.mr, r.lr = 0, 0
	r.imsc, r.ris = false, false
	r.match = r.next()
	r.update()
}

func (r *PL031) count() uint32 { return r.offset + uint32(r.clock.Now()/second) }

// next is the next time, later than now, at which the counter changes to mr.
func (r *PL031) next() uint64 {
	now := r.clock.Now()
	ticks := uint64(r.mr - r.count())
	if ticks == 0 {
		ticks = 1 << 32
	}
	return now - now%second + ticks*second
}

// alarm computes the next match after mr or the counter was written. Writing what makes them equal is a match.
func (r *PL031) alarm() {
	if r.mr == r.count() {
		r.ris = true
	}
	r.match = r.next()
}

// update notices matches that have passed and drives the interrupt. The timer runs only while the alarm is unmasked: a masked
// one, which nobody may ever look at, is no event that an idle machine's time could jump to.
func (r *PL031) update() {
	if r.match <= r.clock.Now() {
		r.ris = true
		r.match = r.next()
	}
	if r.imsc && !r.ris {
		r.timer.Set(r.match)
	} else {
		r.timer.Stop()
	}
	if r.IRQ != nil {
		r.IRQ.Set(r.ris && r.imsc)
	}
}

// Expire is called by the timer when the counter reaches the match value.
func (r *PL031) Expire(*vtime.Timer, uint64) { r.update() }

// Read gives a register.
func (r *PL031) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	v := uint64(r.read(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (r *PL031) read(off uint64) uint32 {
	switch off {
	case DR:
		return r.count()
	case MR:
		return r.mr
	case LR:
		return r.lr
	case CR:
		return 1
	case IMSC:
		return bit(r.imsc)
	case RIS:
		r.update()
		return bit(r.ris)
	case MIS:
		r.update()
		return bit(r.ris && r.imsc)
	}
	if off >= PeriphID0 && off < PeriphID0+32 {
		return uint32(id[(off-PeriphID0)/4])
	}
	return 0
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// Write sets a register.
func (r *PL031) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size != 4 {
		return bus.SLVERR
	}
	r.update()
	switch off {
	case MR:
		r.mr = uint32(v)
		r.alarm()
	case LR:
		r.lr = uint32(v)
		r.offset += r.lr - r.count()
		r.alarm()
	case IMSC:
		r.imsc = v&1 != 0
	case ICR:
		if v&1 != 0 {
			r.ris = false
		}
	}
	r.update()
	return bus.OKAY
}
