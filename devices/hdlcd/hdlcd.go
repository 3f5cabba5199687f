package hdlcd

import (
	"image"
	"slices"

	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Sink takes what the display shows.
type Sink interface {
	// Frame is called at the end of each frame's visible part. n counts the frames from 1 on. m must not be kept or changed.
	Frame(n uint64, m *image.RGBA)
}

// HDLCD is one controller. Its registers are a bus.Device.
type HDLCD struct {
	// IRQ is the interrupt. It may be nil.
	IRQ devices.Line
	// Display gets the frames. It may be nil.
	Display Sink
	// PixelClock is the frequency of the pixel clock in hertz, from 1 kHz on.
	PixelClock uint64

	port   *bus.Port
	clock  *vtime.Clock
	events *event.Stream
	timer  *vtime.Timer

	regs    [len(plain)]uint32
	raw     uint32
	enabled bool

	scan   scan
	shown  *image.RGBA // the last whole frame, or nil
	spare  *image.RGBA // memory for the next one, or nil
	frames uint64      // since reset
}

// New makes a controller in its reset state. Its transactions go through port.
func New(port *bus.Port, clock *vtime.Clock, events *event.Stream) *HDLCD {
	d := &HDLCD{PixelClock: PixelClock, port: port, clock: clock, events: events}
	d.timer = clock.NewTimer("hdlcd", d)
	d.Reset()
	return d
}

// Reset disables the controller; the display has shown nothing yet.
func (d *HDLCD) Reset() {
	d.stop()
	d.regs = [len(plain)]uint32{}
	d.regs[index(BusOptions)] = busOptionsAfterReset
	d.raw, d.enabled, d.shown, d.spare, d.frames = 0, false, nil, nil, 0
	d.interrupt()
}

// Frame gives a copy of the last frame that was shown to its end, or nil, and how many there were since reset.
func (d *HDLCD) Frame() (*image.RGBA, uint64) {
	if d.shown == nil {
		return nil, d.frames
	}
	m := *d.shown
	m.Pix = slices.Clone(m.Pix)
	return &m, d.frames
}

func index(off uint64) int {
	return slices.IndexFunc(plain[:], func(r register) bool { return r.off == off })
}

// get gives a register that only holds what was written.
func (d *HDLCD) get(off uint64) uint32 { return d.regs[index(off)] }

func (d *HDLCD) raise(bits uint32) {
	d.raw |= bits
	d.interrupt()
}

func (d *HDLCD) interrupt() {
	if d.IRQ != nil {
		d.IRQ.Set(d.raw&d.get(IntMask) != 0)
	}
}

// Read gives a register.
func (d *HDLCD) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	v := uint64(d.register(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (d *HDLCD) register(off uint64) uint32 {
	switch off {
	case Version:
		return version
	case IntRawStat:
		return d.raw
	case IntStatus:
		return d.raw & d.get(IntMask)
	case Command:
		if d.enabled {
			return Enable
		}
		return 0
	}
	if i := index(off); i >= 0 {
		return d.regs[i]
	}
	return 0
}

// Write sets a register.
func (d *HDLCD) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size != 4 {
		return bus.SLVERR
	}
	w := uint32(v)
	switch off {
	case IntRawStat:
		d.raw |= w & interrupts
	case IntClear:
		d.raw &^= w
	case Command:
		switch on := w&Enable != 0; {
		case on && !d.enabled:
			d.enabled = true
			d.begin()
		case !on && d.enabled:
			d.enabled = false
			if d.scan.running {
				d.report("ABORT", event.End, event.Dec("bytes", d.scan.bytes))
			}
			d.stop()
		}
	default:
		if i := index(off); i >= 0 {
			d.regs[i] = w & plain[i].mask
		}
	}
	d.interrupt()
	return bus.OKAY
}

func (d *HDLCD) report(name string, p event.Phase, fields ...event.Field) {
	if !d.events.On(event.DMA) {
		return
	}
	d.events.Emit(&event.Event{Time: d.clock.Now(), Category: event.DMA, Phase: p, Secure: d.port.Attr().Secure, Source: "hdlcd",
		Name: name, Fields: append([]event.Field{event.Dec("nsaid", uint64(d.port.Attr().NSAID))}, fields...)})
}
