package secureworld

import (
	"fmt"

	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
)

// World owns EL3 of one machine. It implements [firmware.Firmware] and is used from the machine's goroutine only.
type World struct {
	cfg    Config
	host   firmware.Host
	events *event.Stream
	trng   trng
}

var _ firmware.Firmware = (*World)(nil)

// New makes a secure world. Reset reports what is wrong with cfg: only then the machine is known.
func New(cfg Config) *World { return &World{cfg: cfg} }

// Reset forgets everything the normal world ever asked for and programs the firewall (see [firmware.Firmware]).
func (w *World) Reset(h firmware.Host) error {
	if err := w.cfg.validate(); err != nil {
		return fmt.Errorf("secure world: %w", err)
	}
	w.host = h
	w.events = h.Events()
	w.trng.reset(w.cfg.Seed)
	return nil
}

// SMC answers one call.
func (w *World) SMC(c firmware.Call, r *firmware.Registers) {
	if w.events.On(event.SMC) {
		w.traced(c, r)
		return
	}
	w.dispatch(c, r)
}

// traced answers a call and tells the event stream of it.
func (w *World) traced(c firmware.Call, r *firmware.Registers) {
	in := *r
	w.dispatch(c, r)
	w.events.Emit(&event.Event{
		Time: w.host.Clock().Now(), Category: event.SMC, Source: fmt.Sprintf("cpu%d", c.CPU), Name: "SMC",
		Fields: []event.Field{event.Hex("fid", uint64(uint32(in[0]))), event.Hex("x1", in[1]), event.Hex("x2", in[2]),
			event.Hex("x3", in[3]), event.Hex("ret", r[0])},
	})
}

// Function numbers of the standard secure service calls (DEN0028, table 6-4).
const (
	psciLast  = 0x1F
	trngFirst = 0x50
	trngLast  = 0x5F
)

// dispatch takes a call to its owner by the function identifier in w0. Bits that must be zero make it unknown.
func (w *World) dispatch(c firmware.Call, r *firmware.Registers) {
	fid := uint32(r[0]) &^ fidSVEHint
	number := fid & 0xFFFF
	switch {
	case fid&fidFast == 0 || fid>>16&0xFF != 0:
		r[0] = unknownFunction
	case fid>>ownerShift&ownerMask == ownerArch:
		w.smccc(fid, r)
	case fid>>ownerShift&ownerMask == ownerStandardSecure && number <= psciLast:
		w.psci(c, fid, r)
	case c.HVC:
		r[0] = unknownFunction
	case fid>>ownerShift&ownerMask == ownerStandardSecure && number >= trngFirst && number <= trngLast:
		w.trngCall(fid, r)
	default:
		r[0] = unknownFunction
	}
}
