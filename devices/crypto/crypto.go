package crypto

import (
	"encoding/binary"
	"math"

	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Ports are the engine's ways to the bus, one for each identity: see the package comment.
type Ports struct{ Normal, Protected, Ordinary, Secure *bus.Port }

// Engine is one crypto engine. Its registers are a bus.Device.
type Engine struct {
	// IRQ is the interrupt. It may be nil.
	IRQ devices.Line

	ports  [4]*bus.Port // by identity
	clock  *vtime.Clock
	events *event.Stream
	timer  *vtime.Timer

	slots   [Slots]slot
	keys    uint32 // loaded so far
	lock    bool
	keySlot uint32
	keyAttr uint32
	status  uint32 // of the last key command
	staged  [32]byte

	banks [2]bank
	busy  int // the bank whose step is under way until the timer expires, or -1
}

// Numbers of the banks.
const (
	normalBank = iota
	secureBank
)

// slot is one key slot.
type slot struct {
	serial uint32 // tells keys apart that were in the slot one after the other; 0 for an empty one
	attr   uint32
	key    [32]byte
}

// buffer are the registers of a source or destination.
type buffer struct{ addrLo, addrHi, kind, offset, limit uint32 }

// bank is one of the programming interfaces.
type bank struct {
	// Parameters of the next job.
	mode, slot, length, identity uint32
	iv                           [16]byte
	buffers                      [2]buffer

	raw, mask     uint32
	last          Result
	fault         uint64
	info          uint32
	read, written uint32
	jobs          uint32
	elapsed       uint32

	chain chain // where the last job ended
	job   *job  // nil while there is none
}

// New makes an engine in its reset state.
func New(p Ports, clock *vtime.Clock, events *event.Stream) *Engine {
	e := &Engine{ports: [4]*bus.Port{AsNormal: p.Normal, AsProtected: p.Protected, AsOrdinary: p.Ordinary, AsSecure: p.Secure},
		clock: clock, events: events}
	e.timer = clock.NewTimer("crypto", e)
	e.Reset()
	return e
}

// Reset is power-on: all slots are empty.
func (e *Engine) Reset() {
	e.slots, e.keys, e.lock = [Slots]slot{}, 0, false
	e.keySlot, e.keyAttr, e.status, e.staged = 0, 0, 0, [32]byte{}
	e.banks = [2]bank{}
	e.busy = -1
	e.timer.Stop()
	e.interrupt()
}

// interrupt drives the line, which is the normal bank's.
func (e *Engine) interrupt() {
	if b := &e.banks[normalBank]; e.IRQ != nil {
		e.IRQ.Set(b.raw&b.mask != 0)
	}
}

// bank finds the bank of an access.
func (e *Engine) bank(off uint64, a bus.Attr) (n int, reg uint64, resp bus.Response) {
	n = int(off / SecureBank)
	if n == secureBank && !a.Secure {
		return 0, 0, bus.DECERR
	}
	return n, off % SecureBank, bus.OKAY
}

// Read gives a register.
func (e *Engine) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	n, reg, resp := e.bank(off, a)
	switch {
	case resp != bus.OKAY:
		return 0, resp
	case size > 4:
		return 0, bus.SLVERR
	}
	v := uint64(e.get(n, reg&^3)) >> (8 * (reg & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func flag(set bool, bit uint32) uint32 {
	if set {
		return bit
	}
	return 0
}

func (e *Engine) get(n int, reg uint64) uint32 {
	b := &e.banks[n]
	switch {
	case reg >= IV && reg < IV+16:
		return binary.LittleEndian.Uint32(b.iv[reg-IV:])
	case reg >= Source && reg < Destination+0x20:
		if p := b.buffers[(reg-Source)/0x20].register(reg & 0x1F); p != nil {
			return *p
		}
		return 0
	case reg >= SlotAttr && reg < SlotAttr+4*Slots:
		s := &e.slots[(reg-SlotAttr)/4]
		if s.serial == 0 || n == normalBank && s.attr&AttrNormal == 0 {
			return 0
		}
		return s.attr | AttrValid
	}
	switch reg {
	case ID:
		return idValue
	case Version:
		return versionValue
	case Status:
		return flag(b.job != nil, Busy) | flag(e.lock, Locked) | uint32(b.last)<<ResultShift
	case IntRaw:
		return b.raw
	case IntMask:
		return b.mask
	case IntStatus:
		return b.raw & b.mask
	case FaultAddrLo:
		return uint32(b.fault)
	case FaultAddrHi:
		return uint32(b.fault >> 32)
	case FaultInfo:
		return b.info
	case BytesRead:
		return b.read
	case BytesWritten:
		return b.written
	case Jobs:
		return b.jobs
	case Elapsed:
		return b.elapsed
	case Mode:
		return b.mode
	case Slot:
		return b.slot
	case Length:
		return b.length
	}
	if n != secureBank {
		return 0
	}
	switch reg {
	case Identity:
		return b.identity
	case Lock:
		return flag(e.lock, 1)
	case KeySlot:
		return e.keySlot
	case KeyAttr:
		return e.keyAttr
	case KeyStatus:
		return e.status
	}
	return 0
}

// register gives a register of the block, or nil.
func (b *buffer) register(off uint64) *uint32 {
	switch off {
	case AddrLo:
		return &b.addrLo
	case AddrHi:
		return &b.addrHi
	case Kind:
		return &b.kind
	case Offset:
		return &b.offset
	case LengthLimit:
		return &b.limit
	}
	return nil
}

// Write sets a register.
func (e *Engine) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	n, reg, resp := e.bank(off, a)
	switch {
	case resp != bus.OKAY:
		return resp
	case size != 4:
		return bus.SLVERR
	}
	e.set(n, reg, uint32(v))
	e.interrupt()
	e.schedule()
	return bus.OKAY
}

func (e *Engine) set(n int, reg uint64, w uint32) {
	b := &e.banks[n]
	switch {
	case reg >= IV && reg < IV+16:
		binary.LittleEndian.PutUint32(b.iv[reg-IV:], w)
		return
	case reg >= Source && reg < Destination+0x20:
		if p := b.buffers[(reg-Source)/0x20].register(reg & 0x1F); p != nil {
			*p = w
		}
		return
	}
	switch reg {
	case Control:
		e.control(n, w)
		return
	case IntRaw:
		b.raw &^= w
		return
	case IntMask:
		b.mask = w & interrupts
		return
	case Mode:
		b.mode = w
		return
	case Slot:
		b.slot = w
		return
	case Length:
		b.length = w
		return
	}
	if n != secureBank {
		return
	}
	switch {
	case reg == Identity:
		b.identity = w & identityBits
	case reg == Lock:
		e.lock = w&1 != 0
		if e.lock && e.banks[normalBank].job != nil {
			e.end(normalBank, WasAborted)
		}
	case reg == KeySlot:
		e.keySlot = w
	case reg == KeyAttr:
		e.keyAttr = w
	case reg == KeyCommand:
		e.command(w)
	case reg >= Key && reg < Key+32:
		binary.LittleEndian.PutUint32(e.staged[reg-Key:], w)
	}
}

func (e *Engine) control(n int, w uint32) {
	b := &e.banks[n]
	switch {
	case w&Reset != 0:
		if b.job != nil {
			e.report(n, event.End, "ABORT")
		}
		e.leave(n)
		*b = bank{}
	case w&Abort != 0:
		if b.job != nil {
			e.end(n, WasAborted)
		}
	case w&Start == 0:
	case b.job != nil, n == normalBank && e.lock:
		b.raw |= Refused
	default:
		e.start(n)
	}
}

// command is KEY_COMMAND.
func (e *Engine) command(w uint32) {
	e.status = 1
	switch {
	case w == ClearAll:
		for i := range e.slots {
			e.change(i, slot{})
		}
	case e.keySlot >= Slots:
		return
	case w == Clear:
		e.change(int(e.keySlot), slot{})
	case w == Load && e.keyAttr&^attrBits == 0 && e.keyAttr&sizeMask <= Size256 &&
		e.keyAttr>>AttrSource&3 <= normalAllowed && e.keyAttr>>AttrDest&3 <= normalAllowed:
		e.keys++
		s := slot{serial: e.keys, attr: e.keyAttr, key: e.staged}
		clear(s.key[s.size():])
		e.staged = [32]byte{}
		e.change(int(e.keySlot), s)
	default:
		return
	}
	e.status = 0
}

// change gives a slot other contents. A job that uses it ends, and none goes on where it was.
func (e *Engine) change(i int, s slot) {
	for n := range e.banks {
		b := &e.banks[n]
		if b.job != nil && b.job.slot == i {
			e.end(n, WasAborted)
		}
		if b.chain.slot == i {
			b.chain = chain{}
		}
	}
	e.slots[i] = s
}

// size is the size of the key in octets.
func (s *slot) size() int { return 16 + 8*int(s.attr&sizeMask) }

// leave takes the job of a bank away, and the step that is under way with it.
func (e *Engine) leave(n int) {
	e.banks[n].job = nil
	if e.busy == n {
		e.busy = -1
		e.timer.Stop()
	}
}

// end ends the job of a bank.
func (e *Engine) end(n int, r Result) {
	b := &e.banks[n]
	b.last, b.chain = r, chain{}
	b.elapsed = uint32(min(e.clock.Now()-b.job.began, math.MaxUint32))
	switch r {
	case OK:
		b.raw |= Done
		b.chain = b.job.ended()
	case WasAborted:
		b.raw |= Aborted
	default:
		b.raw |= Error
	}
	e.report(n, event.End, "END", event.Str("result", r.String()), event.Dec("read", uint64(b.read)), event.Dec("written", uint64(b.written)))
	e.leave(n)
	e.interrupt()
}

func (e *Engine) report(n int, phase event.Phase, name string, fields ...event.Field) {
	if !e.events.On(event.DMA) {
		return
	}
	e.events.Emit(&event.Event{Time: e.clock.Now(), Category: event.DMA, Phase: phase, Secure: n == secureBank, Lane: uint8(n), Source: "crypto", Name: name,
		Fields: append([]event.Field{event.Dec("nsaid", bus.NSAIDCrypto)}, fields...)})
}
