package tzc400

import (
	"strings"

	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// TZC400 is one controller. Its registers are a bus.Device.
type TZC400 struct {
	// IRQ is TZCINT. It may be nil.
	IRQ devices.Line
	// Changed is called after each register write after which a decision differs. It may be nil.
	Changed func()

	name   string
	events *event.Stream
	clock  *vtime.Clock
	units  [Filters]unit

	action      uint32
	open        uint32 // one bit a filter: the open request, and at once the open status
	speculation uint32
	status      uint32 // one bit a filter, as are the next two
	overrun     uint32
	overlap     uint32
	fail        [Filters]failure
	regions     [Regions]region
	level       bool // of IRQ

	plans [Filters]plan // compiled from open and regions
}

// failure is the first refused transaction since the filter's status was cleared.
type failure struct {
	addr    uint64
	control uint32
	id      uint32
}

type region struct {
	base, top  uint64 // the first and the last byte
	attributes uint32
	idAccess   uint32
}

// New makes a controller in its reset state. name is the source of its events.
func New(name string, events *event.Stream, clock *vtime.Clock) *TZC400 {
	t := &TZC400{name: name, events: events, clock: clock}
	for i := range t.units {
		t.units[i] = unit{t, i}
	}
	t.Reset()
	return t
}

// Reset closes all gates and disables regions 1 to 8. Region 0 lets secure transactions through once a gate is open.
func (t *TZC400) Reset() {
	t.action, t.open, t.speculation = 0, 0, 0
	t.status, t.overrun, t.overlap = 0, 0, 0
	t.fail = [Filters]failure{}
	t.regions = [Regions]region{}
	for i := range t.regions {
		t.regions[i].top = pageMask
	}
	t.regions[0].top = lastByte
	t.regions[0].attributes = AttrSecureWrite | AttrSecureRead | filterMask
	if t.compile() && t.Changed != nil {
		t.Changed()
	}
	t.level = false
	if t.IRQ != nil {
		t.IRQ.Set(false)
	}
}

// Read gives a register.
func (t *TZC400) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	if !a.Secure {
		return 0, bus.DECERR
	}
	if size > 4 {
		return 0, bus.SLVERR
	}
	v := uint64(t.register(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (t *TZC400) register(off uint64) uint32 {
	switch {
	case off == BuildConfig:
		return buildConfig
	case off == Action:
		return t.action
	case off == GateKeeper:
		return t.open<<openStatusShift | t.open
	case off == SpeculationCtrl:
		return t.speculation
	case off == IntStatus:
		return t.overlap<<overlapShift | t.overrun<<overrunShift | t.status
	case off >= FailAddressLow && off < FailAddressLow+Filters*FailStride:
		n := (off - FailAddressLow) / FailStride
		f := &t.fail[n]
		switch off - n*FailStride {
		case FailAddressLow:
			return uint32(f.addr)
		case FailAddressHigh:
			return uint32(f.addr >> 32)
		case FailControl:
			return f.control
		case FailID:
			return f.id
		}
	case off >= RegionBaseLow && off < RegionBaseLow+Regions*RegionStride:
		n := (off - RegionBaseLow) / RegionStride
		r := &t.regions[n]
		switch off - n*RegionStride {
		case RegionBaseLow:
			return uint32(r.base)
		case RegionBaseHigh:
			return uint32(r.base >> 32)
		case RegionTopLow:
			return uint32(r.top)
		case RegionTopHigh:
			return uint32(r.top >> 32)
		case RegionAttributes:
			return r.attributes
		case RegionIDAccess:
			return r.idAccess
		}
	case off >= PID4 && off < PID4+16:
		return uint32(pid4[(off-PID4)/4])
	case off >= PID0 && off < PID0+16:
		return uint32(pid0[(off-PID0)/4])
	case off >= CID0 && off < CID0+16:
		return uint32(cid0[(off-CID0)/4])
	}
	return 0
}

// Write sets a register. A new decision holds from the next transaction on.
func (t *TZC400) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	if !a.Secure {
		return bus.DECERR
	}
	if size != 4 {
		return bus.SLVERR
	}
	w := uint32(v)
	switch {
	case off == Action:
		t.action = w & 3
		t.interrupt()
	case off == GateKeeper:
		t.open = w & filterMask
	case off == SpeculationCtrl:
		t.speculation = w & 3
	case off == IntClear:
		t.status &^= w & filterMask
		t.overrun &^= w & filterMask
		t.overlap &^= w & filterMask
		t.interrupt()
	case off >= RegionBaseLow && off < RegionBaseLow+Regions*RegionStride:
		n := (off - RegionBaseLow) / RegionStride
		t.regions[n].write(off-n*RegionStride, w, n == 0)
	}
	if t.events.On(event.TZC) {
		t.report(off, w)
	}
	if t.compile() && t.Changed != nil {
		t.Changed()
	}
	return bus.OKAY
}

// write sets the register that has offset off in region 0.
func (r *region) write(off uint64, w uint32, background bool) {
	switch off {
	case RegionAttributes:
		r.attributes = w & (AttrSecureWrite | AttrSecureRead | filterMask)
		if background {
			r.attributes |= filterMask
		}
	case RegionIDAccess:
		r.idAccess = w
	}
	if background {
		return
	}
	switch off {
	case RegionBaseLow:
		r.base = r.base&^0xFFFF_FFFF | uint64(w&^pageMask)
	case RegionBaseHigh:
		r.base = uint64(w&highMask)<<32 | r.base&0xFFFF_FFFF
	case RegionTopLow:
		r.top = r.top&^0xFFFF_FFFF | uint64(w|pageMask)
	case RegionTopHigh:
		r.top = uint64(w&highMask)<<32 | r.top&0xFFFF_FFFF
	}
}

// report emits the event of a register write.
func (t *TZC400) report(off uint64, w uint32) {
	name := registerName(off)
	if name == "" {
		return
	}
	e := event.Event{Time: t.clock.Now(), Category: event.TZC, Secure: true, Source: t.name, Name: name,
		Fields: []event.Field{event.Hex("value", uint64(w))}}
	switch {
	case off == Action:
		e.Fields = append(e.Fields, event.Str("action", actions[t.action]))
	case off == GateKeeper, off == IntClear:
		e.Fields = append(e.Fields, event.Field{Key: "filters", Num: uint64(w & filterMask), Text: filterSet(w)})
	case off >= RegionBaseLow:
		n := (off - RegionBaseLow) / RegionStride
		r := &t.regions[n]
		e.Fields = append(e.Fields, event.Dec("region", n), event.Hex("base", r.base), event.Hex("top", r.top),
			event.Field{Key: "filters", Num: uint64(r.attributes & filterMask), Text: filterSet(r.attributes)},
			event.Field{Key: "secure", Num: uint64(r.attributes >> 30), Text: secureRights[r.attributes>>30]},
			event.Field{Key: "read", Num: uint64(uint16(r.idAccess)), Text: bus.NSAIDSet(uint16(r.idAccess))},
			event.Field{Key: "write", Num: uint64(r.idAccess >> 16), Text: bus.NSAIDSet(uint16(r.idAccess >> 16))})
	}
	t.events.Emit(&e)
}

// Values of registers as events show them.
var (
	actions      = [...]string{ActionOKAY: "OKAY", ActionDECERR: "DECERR", ActionOKAYIRQ: "OKAY|IRQ", ActionDECERRIRQ: "DECERR|IRQ"}
	secureRights = [...]string{0: "none", AttrSecureRead >> 30: "r", AttrSecureWrite >> 30: "w", (AttrSecureRead | AttrSecureWrite) >> 30: "rw"}
)

// filterSet lists filter units, one bit each.
func filterSet(mask uint32) string {
	var s []string
	for i := range Filters {
		if mask>>i&1 != 0 {
			s = append(s, string(rune('0'+i)))
		}
	}
	if s == nil {
		return "none"
	}
	return strings.Join(s, "|")
}

// interrupt drives the line: the status of any filter, where ACTION enables the interrupt (DDI 0504, 3.3.2 and 3.3.5).
func (t *TZC400) interrupt() {
	level := t.status != 0 && t.action&ActionOKAYIRQ != 0
	if level == t.level {
		return
	}
	t.level = level
	if t.IRQ != nil {
		t.IRQ.Set(level)
	}
}
