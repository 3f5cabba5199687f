package tzc400

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// model is a second implementation of the decision and of the failure registers, written from the manual's text without
// regard to speed: it keeps what software wrote and derives everything else at each question.
type model struct {
	written map[uint64]uint32
	latched [4]*transaction
	overrun [4]bool
	overlap [4]bool
}

type transaction struct {
	addr  uint64
	write bool
	a     bus.Attr
}

func (m *model) get(off uint64, reset uint32) uint32 {
	if v, ok := m.written[off]; ok {
		return v
	}
	return reset
}

// verdict is: "allow", "permission", "overlap" or "gate".
func (m *model) verdict(filter int, addr uint64, write bool, a bus.Attr) string {
	if m.get(0x008, 0)&(1<<filter) == 0 {
		return "gate"
	}
	page := addr / 4096
	var holders []int
	for n := 1; n <= 8; n++ {
		at := 0x100 + 0x20*uint64(n)
		first := uint64(m.get(at+4, 0)&0xFFFF)<<20 | uint64(m.get(at, 0))/4096
		last := uint64(m.get(at+12, 0)&0xFFFF)<<20 | uint64(m.get(at+8, 0))/4096
		if m.get(at+0x10, 0)&(1<<filter) != 0 && page >= first && page <= last {
			holders = append(holders, n)
		}
	}
	holder := 0
	switch len(holders) {
	case 0:
		if page >= 1<<36 {
			return "permission"
		}
	case 1:
		holder = holders[0]
	default:
		return "overlap"
	}
	at := 0x100 + 0x20*uint64(holder)
	var secureReset uint32
	if holder == 0 {
		secureReset = 0xC000_0000
	}
	var bit uint32
	var word uint32
	switch {
	case a.Secure && write:
		word, bit = m.get(at+0x10, secureReset), 31
	case a.Secure:
		word, bit = m.get(at+0x10, secureReset), 30
	case a.NSAID > 15:
		return "permission"
	case write:
		word, bit = m.get(at+0x14, 0), 16+uint32(a.NSAID)
	default:
		word, bit = m.get(at+0x14, 0), uint32(a.NSAID)
	}
	if word&(1<<bit) == 0 {
		return "permission"
	}
	return "allow"
}

func (m *model) check(filter int, addr uint64, write bool, a bus.Attr) bus.Verdict {
	v := m.verdict(filter, addr, write, a)
	switch v {
	case "allow":
		return bus.Allow
	case "gate":
		return bus.DenyDECERR
	}
	if m.latched[filter] == nil {
		m.latched[filter] = &transaction{addr, write, a}
	} else {
		m.overrun[filter] = true
	}
	if v == "overlap" {
		m.overlap[filter] = true
		return bus.DenyDECERR
	}
	if a := m.get(0x004, 0) & 3; a == 0 || a == 2 {
		return bus.DenyOKAY
	}
	return bus.DenyDECERR
}

func (m *model) write(off uint64, v uint32) {
	m.written[off] = v
	if off == 0x014 {
		for f := range 4 {
			if v&(1<<f) != 0 {
				m.latched[f], m.overrun[f], m.overlap[f] = nil, false, false
			}
		}
	}
}

func (m *model) intStatus() (v uint32) {
	for f := range 4 {
		if m.latched[f] != nil {
			v |= 1 << f
		}
		if m.overrun[f] {
			v |= 1 << (8 + f)
		}
		if m.overlap[f] {
			v |= 1 << (16 + f)
		}
	}
	return v
}

// pair runs both implementations and keeps, like a TLB, decisions that only Changed invalidates.
type pair struct {
	t     *testing.T
	dut   *TZC400
	ref   model
	irq   line
	cache map[question]bool
}

type question struct {
	filter int
	page   uint64
	write  bool
	a      bus.Attr
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, dut: New("tzc400", nil, new(vtime.Clock)), cache: map[question]bool{}}
	p.ref.written = map[uint64]uint32{}
	p.dut.IRQ = &p.irq
	p.dut.Changed = func() { clear(p.cache) }
	return p
}

func (p *pair) write(off uint64, v uint32) {
	p.ref.write(off, v)
	if r := p.dut.Write(off, 4, uint64(v), secure); r != bus.OKAY {
		p.t.Fatalf("write of %#x: %v", off, r)
	}
	p.status()
}

func (p *pair) status() {
	p.t.Helper()
	if got, want := p.dut.register(IntStatus), p.ref.intStatus(); got != want {
		p.t.Fatalf("INT_STATUS %#x, want %#x", got, want)
	}
	if want := p.ref.intStatus()&0xF != 0 && p.ref.get(4, 0)&2 != 0; p.irq.level != want {
		p.t.Fatalf("interrupt %v, want %v", p.irq.level, want)
	}
	for f, l := range p.ref.latched {
		if l == nil {
			continue
		}
		o := uint64(f) * 0x10
		addr := uint64(p.dut.register(0x024+o))<<32 | uint64(p.dut.register(0x020+o))
		c := p.dut.register(0x028 + o)
		id := p.dut.register(0x02C + o)
		if addr != l.addr&(1<<48-1) || c>>24&1 != 0 != l.write || c>>21&1 != 0 == l.a.Secure ||
			c>>20&1 != 0 != l.a.Privileged || id != uint32(l.a.ID) {
			p.t.Fatalf("filter %d: latched %#x %#x %#x, want %+v", f, addr, c, id, *l)
		}
	}
}

func (p *pair) allows(filter int, addr uint64, write bool, a bus.Attr) {
	p.t.Helper()
	want := p.ref.verdict(filter, addr, write, a) == "allow"
	if got := p.dut.Unit(filter).Allows(addr, write, a); got != want {
		p.t.Fatalf("filter %d, %#x, write %v, %+v: allowed %v, want %v", filter, addr, write, a, got, want)
	}
	q := question{filter, addr / 4096, write, a}
	if cached, ok := p.cache[q]; ok && cached != want {
		p.t.Fatalf("filter %d, %#x, write %v, %+v: changed to %v without notice", filter, addr, write, a, want)
	}
	p.cache[q] = want
}

func (p *pair) check(filter int, addr uint64, write bool, a bus.Attr) {
	p.t.Helper()
	want := p.ref.check(filter, addr, write, a)
	if got := p.dut.Unit(filter).Check(addr, write, a); got != want {
		p.t.Fatalf("filter %d, %#x, write %v, %+v: verdict %v, want %v", filter, addr, write, a, got, want)
	}
	p.status()
}

// everywhere compares all decisions about one address.
func (p *pair) everywhere(addr uint64) {
	for f := range 4 {
		for _, write := range []bool{false, true} {
			p.allows(f, addr, write, bus.Attr{Secure: true})
			for id := range uint8(16) {
				p.allows(f, addr, write, bus.Attr{NSAID: id})
			}
		}
	}
}

func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 400))
		p := newPair(t)
		// Few pages, so that regions meet: 16 in low memory and 16 around 4 GiB.
		address := func() uint64 {
			a := uint64(r.IntN(16)) * 4096
			if r.IntN(2) == 0 {
				a += 0xFFFF_8000
			}
			return a
		}
		for range 400 {
			n := uint64(r.IntN(9)) * 0x20
			addr := address()
			switch r.IntN(12) {
			case 0:
				p.write(0x004, r.Uint32())
			case 1:
				p.write(0x008, r.Uint32()|r.Uint32())
			case 2:
				p.write(0x014, r.Uint32())
			case 3, 4:
				if n != 0 {
					p.write(0x100+n, uint32(addr)|uint32(r.IntN(4096)))
					p.write(0x104+n, uint32(addr>>32)|r.Uint32()<<16)
				}
			case 5, 6:
				if n != 0 {
					p.write(0x108+n, uint32(addr)|uint32(r.IntN(4096)))
					p.write(0x10C+n, uint32(addr>>32)|r.Uint32()<<16)
				}
			case 7, 8:
				p.write(0x110+n, r.Uint32())
			case 9, 10:
				p.write(0x114+n, r.Uint32())
			case 11:
				p.write(uint64(r.IntN(0x400))*4, 0) // read-only registers and holes among them
			}
			p.everywhere(address() + uint64(r.IntN(4096)))
			for range 4 {
				a := bus.Attr{Secure: r.IntN(4) == 0, Privileged: r.IntN(2) == 0, NSAID: uint8(r.IntN(18)), ID: uint16(r.Uint32())}
				p.check(r.IntN(4), address()+uint64(r.IntN(4096)), r.IntN(2) == 0, a)
			}
		}
	}
}

// FuzzTransactions runs a program of register writes and transactions, eight bytes each, on both implementations.
func FuzzTransactions(f *testing.F) {
	f.Add([]byte{0x80, 0x08, 0, 0, 0x0F, 0, 0, 0, 0x01, 0x10, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x80, 0x04, 0, 0, 3, 0, 0, 0, 0x80, 0x08, 0, 0, 1, 0, 0, 0, 0x45, 9, 1, 0, 0, 0x40, 0, 0})
	f.Fuzz(func(t *testing.T, prog []byte) {
		p := newPair(t)
		for ; len(prog) >= 8; prog = prog[8:] {
			op := binary.LittleEndian.Uint64(prog)
			v := uint32(op >> 32)
			if op&0x80 != 0 {
				off := op >> 8 & 0xFFC
				p.write(off, v)
				continue
			}
			a := bus.Attr{Secure: op&0x40 != 0, Privileged: op&0x20 != 0, NSAID: uint8(op >> 8), ID: uint16(op >> 16)}
			p.check(int(op&3), uint64(v)<<(op>>2&7*3), op&0x10 != 0, a)
			p.allows(int(op&3), uint64(v), op&0x10 != 0, a)
		}
	})
}

// frame is the contents of all registers.
func frame(d *TZC400) (f [1024]uint32) {
	for i := range f {
		f[i] = d.register(uint64(i) * 4)
	}
	return f
}

// FuzzRegisters makes accesses of every kind: none may panic, and those that may have no effect have none.
func FuzzRegisters(f *testing.F) {
	f.Add(uint64(0x110), uint8(2), uint64(0xC000000F), true)
	f.Add(uint64(0x008), uint8(2), uint64(0xF), false)
	f.Fuzz(func(t *testing.T, off uint64, log uint8, v uint64, sec bool) {
		size := 1 << (log & 3)
		off = off % 0x10000 &^ uint64(size-1)
		a := bus.Attr{Secure: sec}
		d := New("tzc400", nil, new(vtime.Clock))
		reset := frame(d)
		resp := d.Write(off, size, v, a)
		written := frame(d)
		if resp != bus.OKAY && written != reset {
			t.Errorf("a write that was answered with %v had an effect", resp)
		}
		if (resp == bus.OKAY) != (sec && size == 4) {
			t.Errorf("write of %d bytes, secure %v: %v", size, sec, resp)
		}
		got, resp := d.Read(off, size, a)
		if frame(d) != written {
			t.Error("a read changed the registers")
		}
		if resp != bus.OKAY && got != 0 || size < 8 && got>>(8*size) != 0 {
			t.Errorf("read of %d bytes at %#x: %#x, %v", size, off, got, resp)
		}
	})
}
