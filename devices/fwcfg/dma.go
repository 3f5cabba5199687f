package fwcfg

import (
	"encoding/binary"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// command is a DMA command under way.
type command struct {
	descriptor uint64 // its address
	name       string // for events, as is the item's key
	key        uint16
	addr       uint64 // where the next byte goes
	data       []byte // what goes there first
	zeros      uint32 // how many zeros follow
	moved      uint32
	failed     bool
}

// start takes the command whose descriptor is at f.addr.
func (f *FWCfg) start() {
	at := f.addr
	f.addr = 0
	if f.busy {
		f.answer(at, ControlError)
		return
	}
	c := command{descriptor: at, name: "SELECT"}
	var d [descriptorBytes]byte
	if f.transfer(func() bus.Response { return f.port.Read(at, d[:]) }) != bus.OKAY {
		c.failed = true
		f.finish(&c)
		return
	}
	control, length := binary.BigEndian.Uint32(d[:]), binary.BigEndian.Uint32(d[4:])
	c.addr = binary.BigEndian.Uint64(d[8:])
	if control&ControlSelect != 0 {
		f.choose(uint16(control >> keyShift))
	}
	c.key = f.key
	n := min(uint64(length), uint64(len(f.rest())))
	switch {
	case control&ControlRead != 0:
		c.name = "READ"
		c.data, c.zeros = f.rest()[:n], length-uint32(n)
		f.off += int(n)
	case control&ControlWrite != 0:
		// As on QEMU, the position moves though nothing is written.
		c.name = "WRITE"
		c.failed = length > 0
		f.off += int(n)
	case control&ControlSkip != 0:
		c.name = "SKIP"
		f.off += int(n)
	}
	f.move(&c)
}

// Expire is called by the timer: the next chunk moves.
func (f *FWCfg) Expire(*vtime.Timer, uint64) {
	c := f.command
	f.move(&c)
}

// move moves a chunk of c, and sees to what is left.
func (f *FWCfg) move(c *command) {
	if !c.failed {
		var buf [Chunk]byte
		n := copy(buf[:], c.data)
		z := min(uint32(Chunk-n), c.zeros)
		c.failed = f.transfer(func() bus.Response { return f.port.Write(c.addr, buf[:n+int(z)]) }) != bus.OKAY
		if !c.failed {
			c.data, c.zeros = c.data[n:], c.zeros-z
			c.addr += uint64(n) + uint64(z)
			c.moved += uint32(n) + z
		}
	}
	if left := uint64(len(c.data)) + uint64(c.zeros); left > 0 && !c.failed {
		f.busy, f.command = true, *c
		f.timer.Set(f.clock.Now() + min(left, Chunk)*ByteTime)
		return
	}
	f.busy, f.command = false, command{}
	f.finish(c)
}

// finish tells software, and whoever listens, that a command is over.
func (f *FWCfg) finish(c *command) {
	control, result := uint32(0), "ok"
	if c.failed {
		control, result = ControlError, "error"
	}
	f.answer(c.descriptor, control)
	if f.events.On(event.DMA) {
		f.events.Emit(&event.Event{Time: f.clock.Now(), Category: event.DMA, Secure: f.port.Attr().Secure, Source: "fw_cfg", Name: c.name,
			Fields: []event.Field{event.Hex("key", uint64(c.key)), event.Hex("descriptor", c.descriptor), event.Dec("bytes", uint64(c.moved)),
				event.Str("result", result)}})
	}
}

// answer writes the control word of a descriptor. Software that keeps it where the device may not write learns nothing.
func (f *FWCfg) answer(descriptor uint64, control uint32) {
	f.transfer(func() bus.Response {
		return f.port.Write(descriptor, binary.BigEndian.AppendUint32(nil, control))
	})
}

// transfer goes on the bus. What reaches the device's own registers meanwhile is refused.
func (f *FWCfg) transfer(do func() bus.Response) bus.Response {
	f.onBus = true
	resp := do()
	f.onBus = false
	return resp
}
