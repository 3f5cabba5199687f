package pl080

import (
	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// PL080 is one controller. Its registers are a bus.Device.
type PL080 struct {
	// IRQ is DMACINTR, the combined interrupt. It may be nil.
	IRQ devices.Line

	port   *bus.Port
	clock  *vtime.Clock
	events *event.Stream
	timer  *vtime.Timer

	config, sync uint32
	tc, failed   uint32      // raw interrupts, one bit a channel
	requests     requestBits // not served yet
	channels     [Channels]channel

	busy int  // the channel whose step is on the bus until the timer expires, or -1
	step step // that step

	// A controller can be made to write its own registers. While data moves no step is scheduled, and a channel that was
	// written does not go on with the step that it makes.
	moving  bool
	written uint32 // one bit a channel
}

// requestBits are the request registers, one bit for each peripheral.
type requestBits struct{ burst, single, lastBurst, lastSingle uint32 }

type channel struct {
	src, dst, lli, control uint32
	config                 uint32 // without the Active bit

	started bool   // the first step of the item has been on the bus
	fetch   bool   // the next step reads the item at lli
	from    side   // the source, where it is a peripheral
	to      side   // the destination, likewise
	moved   uint64 // bytes since the channel was enabled
	fifo    [fifoBytes]byte
	fill    uint32 // bytes in fifo, between steps
}

// side is what a peripheral has requested.
type side struct {
	credit uint32 // bytes that may still move
	last   bool   // they are the last ones
}

// New makes a controller in its reset state. Its transactions go through port.
func New(port *bus.Port, clock *vtime.Clock, events *event.Stream) *PL080 {
	d := &PL080{port: port, clock: clock, events: events}
	d.timer = clock.NewTimer("pl080", d)
	d.Reset()
	return d
}

// Reset disables the controller and all channels. What was on the bus does not move.
func (d *PL080) Reset() {
	d.config, d.sync, d.tc, d.failed = 0, 0, 0, 0
	d.requests = requestBits{}
	d.channels = [Channels]channel{}
	d.abandon()
	d.interrupt()
}

// interrupt drives the combined line.
func (d *PL080) interrupt() {
	if d.IRQ != nil {
		d.IRQ.Set(d.tc&d.unmasked(TCMask)|d.failed&d.unmasked(ErrorMask) != 0)
	}
}

// unmasked gives one bit for each channel with the given bit in its configuration.
func (d *PL080) unmasked(bit uint32) (m uint32) {
	for i := range d.channels {
		if d.channels[i].config&bit != 0 {
			m |= 1 << i
		}
	}
	return m
}

// Read gives a register.
func (d *PL080) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	v := uint64(d.read(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (d *PL080) read(off uint64) uint32 {
	if off >= SrcAddr && off < SrcAddr+Channels*ChannelStride {
		n := (off - SrcAddr) / ChannelStride
		c := &d.channels[n]
		switch off - n*ChannelStride {
		case SrcAddr:
			return c.src
		case DestAddr:
			return c.dst
		case LLI:
			return c.lli
		case Control:
			return c.control
		case ChannelConfig:
			if d.busy == int(n) {
				return c.config | Active
			}
			return c.config
		}
		return 0
	}
	switch off {
	case IntStatus:
		return d.tc&d.unmasked(TCMask) | d.failed&d.unmasked(ErrorMask)
	case IntTCStatus:
		return d.tc & d.unmasked(TCMask)
	case IntErrorStatus:
		return d.failed & d.unmasked(ErrorMask)
	case RawIntTCStatus:
		return d.tc
	case RawIntErrorStatus:
		return d.failed
	case EnbldChns:
		return d.unmasked(ChannelEnable)
	case SoftBReq:
		return d.requests.burst
	case SoftSReq:
		return d.requests.single
	case SoftLBReq:
		return d.requests.lastBurst
	case SoftLSReq:
		return d.requests.lastSingle
	case Configuration:
		return d.config
	case Sync:
		return d.sync
	}
	if off >= PeriphID0 && off < PeriphID0+32 {
		return uint32(id[(off-PeriphID0)/4])
	}
	return 0
}

// Write sets a register.
func (d *PL080) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size != 4 {
		return bus.SLVERR
	}
	w := uint32(v)
	switch off {
	case IntTCClear:
		d.tc &^= w
	case IntErrClr:
		d.failed &^= w
	case SoftBReq:
		d.requests.burst |= w & requestsMask
	case SoftSReq:
		d.requests.single |= w & requestsMask
	case SoftLBReq:
		d.requests.lastBurst |= w & requestsMask
	case SoftLSReq:
		d.requests.lastSingle |= w & requestsMask
	case Configuration:
		d.config = w & configMask
		d.written = 1<<Channels - 1
		if d.config&Enable == 0 {
			d.abandon()
		}
	case Sync:
		d.sync = w & requestsMask
	default:
		if off >= SrcAddr && off < SrcAddr+Channels*ChannelStride {
			n := (off - SrcAddr) / ChannelStride
			d.writeChannel(int(n), off-n*ChannelStride, w)
		}
	}
	d.interrupt()
	d.schedule()
	return bus.OKAY
}

// writeChannel sets the register of channel n that has offset off in channel 0.
func (d *PL080) writeChannel(n int, off uint64, w uint32) {
	c := &d.channels[n]
	d.written |= 1 << n
	switch off {
	case SrcAddr:
		c.src = w
	case DestAddr:
		c.dst = w
	case LLI:
		c.lli = w & (lliMask | LLIMaster2)
	case Control:
		c.control = w
	case ChannelConfig:
		was := c.config & ChannelEnable
		c.config = w & channelMask
		switch is := c.config & ChannelEnable; {
		case is > was:
			c.started, c.fetch, c.from, c.to, c.moved, c.fill = false, false, side{}, side{}, 0, 0
			d.report(n, "START", event.Hex("src", uint64(c.src)), event.Hex("dst", uint64(c.dst)),
				event.Hex("lli", uint64(c.lli)), event.Hex("control", uint64(c.control)), event.Hex("config", uint64(c.config)))
		case is < was:
			d.report(n, "STOP", event.Dec("bytes", c.moved))
			if d.busy == n {
				d.abandon()
			}
		}
	}
}

func (d *PL080) report(n int, name string, fields ...event.Field) {
	if !d.events.On(event.DMA) {
		return
	}
	phase := event.End
	switch name {
	case "START":
		phase = event.Begin
	case "ITEM":
		phase = event.Instant
	}
	d.events.Emit(&event.Event{Time: d.clock.Now(), Category: event.DMA, Phase: phase, Secure: d.port.Attr().Secure, Lane: uint8(n),
		Source: "pl080", Name: name, Fields: append([]event.Field{event.Dec("channel", uint64(n)), event.Dec("nsaid", uint64(d.port.Attr().NSAID))}, fields...)})
}
