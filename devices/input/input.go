package input

import (
	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// identity is the value of the ID register: "GINP".
const identity = 0x4749_4E50

const version = 0x0001_0000

// Offsets of the registers.
const (
	ID        = 0x000 // RO
	Version   = 0x004 // RO
	Lock      = 0x008
	Status    = 0x00C // RO
	IntRaw    = 0x010 // W1C
	IntMask   = 0x014
	IntStatus = 0x018 // RO
	Type      = 0x020 // RO
	Value     = 0x024 // RO
	TimeLo    = 0x028 // RO
	TimeHi    = 0x02C // RO
	Pop       = 0x030 // WO
	Dropped   = 0x034 // RO
	Flush     = 0x038 // WO
)

// Secure is the bit in Lock.
const Secure = 1 << 0

// Interrupts.
const (
	Arrived = 1 << 0
	Overrun = 1 << 1
)

// Fields of Type.
const (
	Touch       = 1
	Key         = 2
	Pressed     = 1 << 8
	NumberShift = 16
)

// Depth is how many events the FIFO holds.
const Depth = 64

// Event is one event of a script.
type Event struct {
	// At is when it comes, in ns of virtual time since reset.
	At uint64
	// Key makes it a key with this code, which is not 0; else it is a touch.
	Key  uint16
	X, Y uint16 // of a touch
	// Pressed says that the key or the finger goes down; else it goes up.
	Pressed bool
}

// Input is the device. Its registers are a bus.Device.
type Input struct {
	// IRQ is the interrupt. It may be nil.
	IRQ devices.Line

	clock *vtime.Clock
	timer *vtime.Timer

	script []Event // in the order of their times
	played int     // of the script

	locked    bool
	raw, mask uint32
	fifo      [Depth]entry
	first, n  int
	dropped   uint32
	number    uint16
}

// entry is one event of the FIFO.
type entry struct {
	kind, value uint32
	time        uint64
}

// New makes a device in its reset state. The script plays after each reset; it is in the order of its times.
func New(clock *vtime.Clock, script []Event) *Input {
	d := &Input{clock: clock, script: script}
	d.timer = clock.NewTimer("input", d)
	d.Reset()
	return d
}

// Reset empties the FIFO, takes the lock away, and starts the script anew.
func (d *Input) Reset() {
	d.played = 0
	d.set(false)
	d.schedule()
}

// set changes the lock.
func (d *Input) set(locked bool) {
	d.locked = locked
	d.raw, d.mask, d.dropped, d.number = 0, 0, 0, 0
	d.flush()
	d.interrupt()
}

func (d *Input) flush() { d.fifo, d.first, d.n = [Depth]entry{}, 0, 0 }

func (d *Input) interrupt() {
	if d.IRQ != nil {
		d.IRQ.Set(d.raw&d.mask != 0)
	}
}

func (d *Input) schedule() {
	d.timer.Stop()
	if d.played < len(d.script) {
		d.timer.Set(d.script[d.played].At)
	}
}

// Expire is called by the timer: events of the script are due.
func (d *Input) Expire(_ *vtime.Timer, now uint64) {
	for d.played < len(d.script) && d.script[d.played].At <= now {
		e := d.script[d.played]
		d.played++
		if e.Key != 0 {
			d.Key(e.Key, e.Pressed)
		} else {
			d.Touch(e.X, e.Y, e.Pressed)
		}
	}
	d.schedule()
}

// Touch enters a finger that goes down or up at a place.
func (d *Input) Touch(x, y uint16, pressed bool) {
	d.enter(Touch, uint32(x)|uint32(y)<<16, pressed)
}

// Key enters a key that goes down or up.
func (d *Input) Key(code uint16, pressed bool) { d.enter(Key, uint32(code), pressed) }

func (d *Input) enter(kind, value uint32, pressed bool) {
	if pressed {
		kind |= Pressed
	}
	kind |= uint32(d.number) << NumberShift
	d.number++
	if d.n == Depth {
		d.dropped++
		d.raw |= Overrun
	} else {
		d.fifo[(d.first+d.n)%Depth] = entry{kind, value, d.clock.Now()}
		d.n++
		d.raw |= Arrived
	}
	d.interrupt()
}

// refused reports whether the lock keeps a transaction away from a register.
func (d *Input) refused(off uint64, write bool, a bus.Attr) bool {
	switch {
	case a.Secure:
		return false
	case off == Lock:
		return write
	case off == ID || off == Version:
		return false
	}
	return d.locked
}

// Read gives a register.
func (d *Input) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	if size > 4 || d.refused(off&^3, false, a) {
		return 0, bus.SLVERR
	}
	v := uint64(d.register(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (d *Input) register(off uint64) uint32 {
	var oldest entry
	if d.n > 0 {
		oldest = d.fifo[d.first]
	}
	switch off {
	case ID:
		return identity
	case Version:
		return version
	case Lock:
		if d.locked {
			return Secure
		}
	case Status:
		return uint32(d.n)
	case IntRaw:
		return d.raw
	case IntMask:
		return d.mask
	case IntStatus:
		return d.raw & d.mask
	case Type:
		return oldest.kind
	case Value:
		return oldest.value
	case TimeLo:
		return uint32(oldest.time)
	case TimeHi:
		return uint32(oldest.time >> 32)
	case Dropped:
		return d.dropped
	}
	return 0
}

// Write sets a register.
func (d *Input) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	if size != 4 || d.refused(off, true, a) {
		return bus.SLVERR
	}
	w := uint32(v)
	switch off {
	case Lock:
		if on := w&Secure != 0; on != d.locked {
			d.set(on)
		}
	case IntRaw:
		d.raw &^= w
	case IntMask:
		d.mask = w & (Arrived | Overrun)
	case Pop:
		if d.n > 0 {
			d.fifo[d.first] = entry{}
			d.first = (d.first + 1) % Depth
			d.n--
		}
	case Flush:
		d.flush()
	}
	d.interrupt()
	return bus.OKAY
}
