package pl080

import (
	"encoding/binary"
	"math"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// abandon takes the step that is on the bus back.
func (d *PL080) abandon() {
	d.busy, d.step = -1, step{}
	d.timer.Stop()
}

// schedule puts the next step on the bus when that is free: one of the first channel that can go on.
func (d *PL080) schedule() {
	if d.busy >= 0 || d.moving || d.config&Enable == 0 {
		return
	}
	for i := range d.channels {
		c := &d.channels[i]
		if c.config&(ChannelEnable|Halt) != ChannelEnable {
			continue
		}
		if c.fetch {
			d.start(i, step{}, FetchTime)
			return
		}
		d.grant(c)
		if s, ok := c.next(); ok {
			d.start(i, s, c.duration(s))
			return
		}
	}
}

func (d *PL080) start(n int, s step, ns uint64) {
	d.busy, d.step = n, s
	d.timer.Set(d.clock.Now() + ns)
}

// Expire is called by the timer: the step that was on the bus takes effect.
func (d *PL080) Expire(*vtime.Timer, uint64) {
	n, planned := d.busy, d.step
	if n < 0 {
		panic("BUG: the timer of the DMA controller runs without a step")
	}
	d.busy, d.step = -1, step{}
	d.moving, d.written = true, 0
	if c := &d.channels[n]; c.fetch {
		d.fetchItem(n)
	} else {
		c.started = true
		// Where software wrote the channel's registers meanwhile, the step may have become another. That one starts anew.
		if s, ok := c.next(); ok && s == planned {
			d.move(n, s)
		}
	}
	d.moving = false
	d.interrupt()
	d.schedule()
}

// width gives the bytes of one unit for a width field in Control; ok is false where it is reserved.
func width(field uint32) (bytes uint32, ok bool) {
	field &= 7
	return 1 << field, field <= Width32
}

// widths gives the units of source and destination in bytes.
func (c *channel) widths() (src, dst uint32, ok bool) {
	src, ok1 := width(c.control >> SrcWidthShift)
	dst, ok2 := width(c.control >> DstWidthShift)
	return src, dst, ok1 && ok2
}

func (c *channel) flow() uint32 { return c.config >> FlowShift & 7 }

// peripherals tells which sides wait for requests.
func (c *channel) peripherals() (src, dst bool) {
	switch c.flow() {
	case FlowMemToMem:
		return false, false
	case FlowMemToPeriph, FlowMemToPeriphPeriph:
		return false, true
	case FlowPeriphToMem, FlowPeriphToMemPeriph:
		return true, false
	}
	return true, true
}

// controller is the side that ends the transfer, or nil where the DMAC does.
func (c *channel) controller() *side {
	switch c.flow() {
	case FlowPeriphToPeriphDst, FlowMemToPeriphPeriph:
		return &c.to
	case FlowPeriphToMemPeriph, FlowPeriphToPeriphSrc:
		return &c.from
	}
	return nil
}

// left is how many bytes of the item are still to be read, as far as it is known.
func (c *channel) left() uint32 {
	if s := c.controller(); s != nil {
		return math.MaxUint32
	}
	w, _ := width(c.control >> SrcWidthShift)
	return c.control & SizeMask * w
}

// sourceDone tells whether all bytes of the item are read.
func (c *channel) sourceDone() bool {
	return c.left() == 0 || c.controller() == &c.from && c.from.last && c.from.credit == 0
}

// grant serves requests until each peripheral side may move a unit.
func (d *PL080) grant(c *channel) {
	src, dst, ok := c.widths()
	if !ok {
		return
	}
	from, to := c.peripherals()
	if from && !c.sourceDone() {
		d.requests.serve(&c.from, c.config>>SrcPeripheralShift&0xF, src, bursts[c.control>>SrcBurstShift&7], c.controller())
	}
	if to && !(c.sourceDone() && c.fill == 0) {
		d.requests.serve(&c.to, c.config>>DstPeripheralShift&0xF, dst, bursts[c.control>>DstBurstShift&7], c.controller())
	}
}

// serve turns requests of a peripheral into credit until that reaches a unit. The last requests count only where the peripheral
// is the flow controller (DDI 0196, 2.2 and 3.4.9 to 3.4.12).
func (r *requestBits) serve(s *side, peripheral, unit, burst uint32, controller *side) {
	bit := uint32(1) << peripheral
	for s.credit < unit {
		switch {
		case r.burst&bit != 0:
			r.burst &^= bit
			s.credit += unit * burst
		case r.single&bit != 0:
			r.single &^= bit
			s.credit += unit
		case s == controller && r.lastBurst&bit != 0:
			r.lastBurst &^= bit
			s.credit += unit * burst
			s.last = true
		case s == controller && r.lastSingle&bit != 0:
			r.lastSingle &^= bit
			s.credit += unit
			s.last = true
		default:
			return
		}
	}
}

// step is how many bytes are read and written at one moment. What is read and not written stays in the channel's FIFO; that is
// less than a unit of either side.
type step struct{ read, write uint32 }

// next is the channel's next step; ok is false while it has to wait for a request. A step of nothing ends the item, or fails.
func (c *channel) next() (s step, ok bool) {
	src, dst, ok := c.widths()
	if !ok || c.sourceDone() && c.fill == 0 {
		return step{}, true
	}
	read := min(c.left(), Chunk)
	write := uint32(Chunk)
	from, to := c.peripherals()
	if from {
		read = min(read, c.from.credit)
	}
	if to {
		write = min(write, c.to.credit)
	}
	if c.control&SrcIncrement != 0 {
		read = min(read, toPageEnd(c.src&^(src-1)))
	}
	if c.control&DstIncrement != 0 {
		write = min(write, toPageEnd(c.dst&^(dst-1)))
	}
	read -= read % src
	if write <= c.fill {
		read = 0
	} else {
		read = min(read, units(write-c.fill, src)*src)
	}
	write = min(write, c.fill+read)
	if tail := read == c.left() || c.controller() == &c.from && c.from.last && read == c.from.credit; !tail || write < c.fill+read {
		write -= write % dst
	}
	return step{read, write}, read+write > 0
}

func toPageEnd(addr uint32) uint32 { return bus.PageSize - addr%bus.PageSize }

func units(n, width uint32) uint32 { return (n + width - 1) / width }

// duration is how long the bus is taken by a step.
func (c *channel) duration(s step) (ns uint64) {
	src, dst, _ := c.widths()
	ns = BeatTime * uint64(units(s.read, src)+units(s.write, dst))
	if !c.started {
		ns += ItemLatency
	}
	return max(ns, BeatTime)
}

// move makes a step of channel i and does what follows from it.
func (d *PL080) move(i int, s step) {
	c := &d.channels[i]
	src, dst, ok := c.widths()
	if !ok {
		d.fail(i, event.Hex("control", uint64(c.control)), event.Str("cause", "reserved width"))
		return
	}
	from := access{c.src &^ (src - 1), src, c.control&SrcIncrement != 0, d.bigEndian(c.control & SrcMaster2)}
	to := access{c.dst &^ (dst - 1), dst, c.control&DstIncrement != 0, d.bigEndian(c.control & DstMaster2)}
	apart := s.read == s.write && c.fill == 0 && d.bulk(from, s.read) && d.bulk(to, s.write) &&
		from.addr-to.addr >= s.read && to.addr-from.addr >= s.read
	var buf [Chunk + fifoBytes]byte
	fill := copy(buf[:], c.fifo[:c.fill])
	for s.read+s.write > 0 {
		r := int(s.read)
		if !apart {
			r = min(r, (fifoBytes-fill)&^3)
		}
		if resp := d.load(&from, buf[fill:fill+r]); resp != bus.OKAY {
			d.fail(i, event.Hex("addr", uint64(from.addr)), event.Str("access", "read"), event.Str("response", resp.String()))
			return
		}
		fill += r
		s.read -= uint32(r)
		c.src = from.addr
		c.account(&c.from, uint32(r), src)
		w := min(int(s.write), fill)
		if s.read > 0 {
			w -= w % int(dst)
		}
		if resp := d.store(&to, buf[:w]); resp != bus.OKAY {
			d.fail(i, event.Hex("addr", uint64(to.addr)), event.Str("access", "write"), event.Str("response", resp.String()))
			return
		}
		if d.written>>i&1 != 0 {
			return
		}
		fill = copy(buf[:], buf[w:fill])
		s.write -= uint32(w)
		c.dst = to.addr
		c.moved += uint64(w)
		c.account(&c.to, uint32(w), dst)
		c.fill = uint32(copy(c.fifo[:], buf[:fill]))
	}
	if c.sourceDone() && c.fill == 0 || c.controller() == &c.to && c.to.last && c.to.credit == 0 {
		d.endItem(i)
	}
}

// account counts n bytes as moved by one side.
func (c *channel) account(s *side, n, width uint32) {
	if s == &c.from && c.controller() == nil {
		c.control -= n / width
	}
	from, to := c.peripherals()
	if s == &c.from && from || s == &c.to && to {
		s.credit -= n
	}
}

// endItem is the terminal count: the next item, if there is one.
func (d *PL080) endItem(i int) {
	c := &d.channels[i]
	if c.control&TCInterrupt != 0 {
		d.tc |= 1 << i
	}
	c.from, c.to, c.fill = side{}, side{}, 0
	c.started = false
	if c.lli&lliMask != 0 {
		c.fetch = true
		return
	}
	c.config &^= ChannelEnable
	d.report(i, "DONE", event.Dec("bytes", c.moved))
}

// fetchItem reads the next item of the linked list (DDI 0196, 3.4.17): source, destination, next, control.
func (d *PL080) fetchItem(i int) {
	c := &d.channels[i]
	a := access{c.lli & lliMask, 4, true, d.bigEndian(c.lli & LLIMaster2)}
	var item [itemBytes]byte
	if r := d.load(&a, item[:]); r != bus.OKAY {
		d.fail(i, event.Hex("addr", uint64(c.lli&lliMask)), event.Str("access", "item"), event.Str("response", r.String()))
		return
	}
	c.fetch = false
	c.src = binary.LittleEndian.Uint32(item[0:])
	c.dst = binary.LittleEndian.Uint32(item[4:])
	c.lli = binary.LittleEndian.Uint32(item[8:]) & (lliMask | LLIMaster2)
	c.control = binary.LittleEndian.Uint32(item[12:])
	d.report(i, "ITEM", event.Hex("src", uint64(c.src)), event.Hex("dst", uint64(c.dst)), event.Hex("lli", uint64(c.lli)),
		event.Hex("control", uint64(c.control)))
}

// fail stops a channel with the error interrupt (DDI 0196, 2.2.5: the channel is disabled).
func (d *PL080) fail(i int, fields ...event.Field) {
	c := &d.channels[i]
	d.failed |= 1 << i
	c.config &^= ChannelEnable
	d.report(i, "ERROR", append(fields, event.Dec("bytes", c.moved))...)
}

// bigEndian tells whether a master swaps: master 1 where the selecting bit is clear, else master 2.
func (d *PL080) bigEndian(master2 uint32) bool {
	if master2 != 0 {
		return d.config&BigEndianM2 != 0
	}
	return d.config&BigEndianM1 != 0
}

// access is a run of bus accesses of one side.
type access struct {
	addr      uint32
	width     uint32
	increment bool
	swap      bool
}

// bulk reports whether the next n bytes may be one transaction of the model: plain memory in address order.
func (d *PL080) bulk(a access, n uint32) bool {
	return a.increment && !a.swap && n <= toPageEnd(a.addr) && d.port.IsRAM(uint64(a.addr))
}

// load reads the next bytes, whole units, and moves the address behind them. After an error the address is the one that failed, or
// the first of a bulk transaction.
func (d *PL080) load(a *access, p []byte) bus.Response {
	if d.bulk(*a, uint32(len(p))) {
		r := d.port.Read(uint64(a.addr), p)
		if r == bus.OKAY {
			a.addr += uint32(len(p))
		}
		return r
	}
	for len(p) > 0 {
		v, r := d.port.Load(uint64(a.addr), int(a.width))
		if r != bus.OKAY {
			return r
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], a.order(v))
		p = p[copy(p, b[:a.width]):]
		a.advance(a.width)
	}
	return bus.OKAY
}

// store writes the next bytes, and moves the address likewise. Bytes that do not fill a unit are written singly.
func (d *PL080) store(a *access, p []byte) bus.Response {
	if d.bulk(*a, uint32(len(p))) {
		r := d.port.Write(uint64(a.addr), p)
		if r == bus.OKAY {
			a.addr += uint32(len(p))
		}
		return r
	}
	for len(p) >= int(a.width) {
		var b [8]byte
		copy(b[:a.width], p)
		if r := d.port.Store(uint64(a.addr), int(a.width), a.order(binary.LittleEndian.Uint64(b[:]))); r != bus.OKAY {
			return r
		}
		p = p[a.width:]
		a.advance(a.width)
	}
	for _, b := range p {
		if r := d.port.Store(uint64(a.addr), 1, uint64(b)); r != bus.OKAY {
			return r
		}
		a.advance(1)
	}
	return bus.OKAY
}

func (a *access) advance(n uint32) {
	if a.increment {
		a.addr += n
	}
}

// order swaps the bytes of one unit where the master is big-endian.
func (a *access) order(v uint64) uint64 {
	if !a.swap {
		return v
	}
	switch a.width {
	case 2:
		return v>>8&0xFF | v&0xFF<<8
	case 4:
		return v>>24&0xFF | v>>8&0xFF00 | v&0xFF00<<8 | v&0xFF<<24
	}
	return v
}
