package gicv3

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gatehouse/platform/bus"
)

// reference recomputes from the register contents, by going through all interrupts of all PEs one after another, what each
// PE should see. It knows nothing of the bitmaps and caches of the implementation.
type reference struct {
	m *machine
}

type expected struct {
	id     uint64 // as EL3 reads ICC_HPPIR*_EL1, 1023 for none
	group  Group
	prio   uint64
	signal bool
}

// bitOf reads an interrupt's bit from the secure view of a register, on PE cpu if it is private.
func (r *reference) bitOf(cpu int, base uint64, id uint32) bool {
	addr := bitmapAddr(base, id)
	if id < FirstSPI {
		addr += uint64(cpu) * RedistributorSize
	}
	return r.m.r32(el3s, addr)>>(id%32)&1 != 0
}

func (r *reference) group(cpu int, id uint32) Group {
	switch {
	case r.bitOf(cpu, gicdIGROUPR, id):
		return Group1NS
	case r.bitOf(cpu, gicdIGRPMODR, id):
		return Group1S
	}
	return Group0
}

// participates says whether a PE may be given 1 of N interrupts of a group.
func (r *reference) participates(cpu int, g Group) bool {
	dpg := r.m.r32(el3s, gicr(cpu)+gicrCTLR) >> map[Group]int{Group0: 24, Group1NS: 25, Group1S: 26}[g] & 1
	return dpg == 0 && r.enabled(cpu, g) && r.m.r32(el3s, gicr(cpu)+gicrWAKER) == 0
}

// enabled says whether the CPU interface has a group on.
func (r *reference) enabled(cpu int, g Group) bool {
	switch g {
	case Group0:
		return r.m.mrs(cpu, el3s, ICC_IGRPEN0_EL1) != 0
	case Group1S:
		return r.m.mrs(cpu, el3s, ICC_IGRPEN1_EL3)&2 != 0
	}
	return r.m.mrs(cpu, el3s, ICC_IGRPEN1_EL3)&1 != 0
}

// routed says whether an SPI goes to a PE.
func (r *reference) routed(cpu int, id uint32, g Group) bool {
	v := r.m.read(el3s, gicdBase+gicdIROUTER+uint64(id)*8, 8)
	if v>>31&1 == 0 {
		return v == r.m.cfg.MPIDR(cpu)
	}
	for i := range cpu {
		if r.participates(i, g) {
			return false
		}
	}
	return r.participates(cpu, g)
}

func (r *reference) expect(cpu int) expected {
	m := r.m
	best := expected{id: 1023, prio: 256}
	if m.r32(el3s, gicr(cpu)+gicrWAKER) != 0 {
		return best
	}
	ctlr := m.r32(el3s, gicdBase+gicdCTLR)
	on := map[Group]bool{Group0: ctlr&1 != 0, Group1NS: ctlr&2 != 0, Group1S: ctlr&4 != 0}
	for id := uint32(0); id < 288; id++ {
		if id >= 64 && id < 256 {
			continue // the test leaves these alone
		}
		if !r.bitOf(cpu, gicdISPENDR, id) || !r.bitOf(cpu, gicdISENABLER, id) || r.bitOf(cpu, gicdISACTIVER, id) {
			continue
		}
		g := r.group(cpu, id)
		if !on[g] || !r.enabled(cpu, g) || id >= FirstSPI && !r.routed(cpu, id, g) {
			continue
		}
		addr := gicdBase + gicdIPRIORITYR + uint64(id)
		if id < FirstSPI {
			addr = gicr(cpu) + gicrIPRIORITYR + uint64(id)
		}
		if p := m.read(el3s, addr, 1); p < best.prio {
			best = expected{id: uint64(id), group: g, prio: p}
		}
	}
	if best.id == 1023 || best.prio >= m.mrs(cpu, el3s, ICC_PMR_EL1) {
		return best
	}
	// The lowest bit of the group priority, by the binary point of the group.
	bpr0 := m.mrs(cpu, el3s, ICC_BPR0_EL1)
	cbpr := m.mrs(cpu, el3s, ICC_CTLR_EL3)
	low := bpr0 + 1
	switch {
	case best.group == Group1S && cbpr&1 == 0:
		low = m.mrs(cpu, el3s, ICC_BPR1_EL1) + 1
	case best.group == Group1NS && cbpr&2 == 0:
		low = m.mrs(cpu, el3ns, ICC_BPR1_EL1)
	}
	run := uint64(256)
	active := m.mrs(cpu, el3s, ICC_AP0R0_EL1) | m.mrs(cpu, el3s, ICC_AP1R0_EL1) | m.mrs(cpu, el3ns, ICC_AP1R0_EL1)
	for b := 31; b >= 0; b-- {
		if active>>b&1 != 0 {
			run = uint64(b) * 8
		}
	}
	best.signal = best.prio>>low < run>>low
	return best
}

// check compares everything with the implementation.
func (r *reference) check(what string) {
	r.m.t.Helper()
	m := r.m
	for cpu := range m.cpus {
		e := r.expect(cpu)
		h0, h1 := m.mrs(cpu, el3s, ICC_HPPIR0_EL1), m.mrs(cpu, el3s, ICC_HPPIR1_EL1)
		w0, w1 := e.id, uint64(1023)
		if e.id != 1023 && e.group != Group0 {
			w1, w0 = e.id, 1020
			if e.group == Group1NS {
				w0 = 1021
			}
		}
		if h0 != w0 || h1 != w1 {
			m.t.Fatalf("%s: PE %d: HPPIR0 %d, HPPIR1 %d, want %d, %d", what, cpu, h0, h1, w0, w1)
		}
		for _, w := range []world{el3s, sel1, nsel1} {
			in := ""
			if e.signal {
				in = "fiq"
				if w == sel1 && e.group == Group1S || w == nsel1 && e.group == Group1NS {
					in = "irq"
				}
			}
			if got := m.inputs(cpu, w); got != in {
				m.t.Fatalf("%s: PE %d in %v: inputs %q, want %q (INTID %d of %v)", what, cpu, w, got, in, e.id, e.group)
			}
		}
	}
}

// chaos is a source of random operations.
type chaos struct {
	*rand.Rand
	m *machine
}

func (c *chaos) intid() uint32 {
	switch c.IntN(3) {
	case 0:
		return uint32(c.IntN(32))
	case 1:
		return 32 + uint32(c.IntN(32))
	}
	return 256 + uint32(c.IntN(32))
}

// step does one operation and says which.
func (c *chaos) step() string {
	m := c.m
	cpu := c.IntN(len(m.cpus))
	w := c.world()
	id := c.intid()
	bit := uint64(1) << (id % 32)
	wide := c.Uint64()
	store := func(base uint64, v uint64) string {
		addr := bitmapAddr(base, id)
		if id < FirstSPI {
			addr += uint64(cpu) * RedistributorSize
		}
		m.w32(w, addr, uint32(v))
		return fmt.Sprintf("%v: %#x = %#x", w, addr, uint32(v))
	}
	sys := func(r Reg, v uint64) string {
		m.msr(cpu, w, r, v)
		return fmt.Sprintf("%v: PE %d: msr %#x = %#x", w, cpu, r, v)
	}
	switch c.IntN(28) {
	case 0, 1:
		return store(gicdISPENDR, bit)
	case 2:
		return store(gicdICPENDR, wide)
	case 3, 4:
		return store(gicdISENABLER, wide)
	case 5:
		return store(gicdICENABLER, bit)
	case 6:
		return store(gicdISACTIVER, bit)
	case 7:
		return store(gicdICACTIVER, wide)
	case 8:
		return store(gicdIGROUPR, wide)
	case 9:
		return store(gicdIGRPMODR, wide)
	case 10, 11, 12:
		level := c.IntN(2) == 0
		switch {
		case id >= FirstSPI:
			m.SetSPI(id, level)
		case id >= FirstPPI:
			m.SetPPI(cpu, id, level)
		default:
			m.RaiseSGI(cpu, id)
		}
		return fmt.Sprintf("PE %d: INTID %d: %v", cpu, id, level)
	case 13:
		addr := uint64(gicdBase + gicdICFGR + uint64(id/16*4))
		if id < FirstSPI {
			addr = gicr(cpu) + sgiBase + gicdICFGR + uint64(id/16*4)
		}
		m.w32(w, addr, uint32(wide))
		return fmt.Sprintf("%v: %#x = %#x", w, addr, uint32(wide))
	case 14, 15:
		addr := gicdBase + gicdIPRIORITYR + uint64(id)
		if id < FirstSPI {
			addr = gicr(cpu) + gicrIPRIORITYR + uint64(id)
		}
		m.write(w, addr, 1, wide&0xff)
		return fmt.Sprintf("%v: %#x = %#x", w, addr, wide&0xff)
	case 16, 17:
		if id >= FirstSPI {
			v := []uint64{0, 1, 2, 3, 1 << 31, 1<<31 | 1, 9}[c.IntN(7)]
			m.write(w, gicdBase+gicdIROUTER+uint64(id)*8, 8, v)
			return fmt.Sprintf("%v: IROUTER%d = %#x", w, id, v)
		}
	case 18:
		v := uint32(c.IntN(8))
		if c.IntN(2) == 0 {
			v = 7
		}
		m.w32(w, gicdBase+gicdCTLR, v)
		return fmt.Sprintf("%v: GICD_CTLR = %#x", w, v)
	case 19:
		v := uint32(c.IntN(8)) << 24
		m.w32(w, gicr(cpu)+gicrCTLR, v)
		return fmt.Sprintf("%v: PE %d: GICR_CTLR = %#x", w, cpu, v)
	case 20:
		v := uint32(0)
		if c.IntN(4) == 0 {
			v = wakerProcessorSleep
		}
		m.w32(w, gicr(cpu)+gicrWAKER, v)
		return fmt.Sprintf("%v: PE %d: GICR_WAKER = %#x", w, cpu, v)
	case 21:
		if w.el() == 3 && c.IntN(2) == 0 {
			return sys(ICC_IGRPEN1_EL3, wide|uint64(c.IntN(2)*3))
		}
		return sys([]Reg{ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1}[c.IntN(2)], 1&^(wide&(wide>>1)))
	case 22:
		return sys(ICC_PMR_EL1, wide|wide>>8)
	case 23:
		r := []Reg{ICC_BPR0_EL1, ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_CTLR_EL3}[c.IntN(4)]
		if w.el() < 3 && r == ICC_CTLR_EL3 {
			r = ICC_CTLR_EL1
		}
		return sys(r, wide)
	case 24:
		r := []Reg{ICC_IAR0_EL1, ICC_IAR1_EL1}[c.IntN(2)]
		return fmt.Sprintf("%v: PE %d: mrs %#x: %d", w, cpu, r, m.mrs(cpu, w, r))
	case 25, 26:
		return sys([]Reg{ICC_EOIR0_EL1, ICC_EOIR1_EL1, ICC_DIR_EL1}[c.IntN(3)], uint64(id))
	case 27:
		return sys([]Reg{ICC_AP0R0_EL1, ICC_AP1R0_EL1}[c.IntN(2)], wide&(wide>>32)*uint64(c.IntN(2)))
	}
	return "nothing"
}

func (c *chaos) world() world { return world(c.IntN(5)) }

// TestReference does random register accesses and line changes and compares what the PEs see with the reference after each.
func TestReference(t *testing.T) {
	for seed := range uint64(4) {
		m := open(t, 4)
		m.scr = []uint64{0, scrFIQ, scrIRQ, scrFIQ | scrIRQ}[seed]
		c := &chaos{Rand: rand.New(rand.NewPCG(seed, 1)), m: m}
		r := &reference{m: m}
		for i := range 1500 {
			what := c.step()
			r.check(fmt.Sprintf("seed %d, step %d: %s", seed, i, what))
		}
	}
}

// FuzzAccesses makes the GIC take any sequence of accesses. It must not panic, answer all of them, and in the end still see
// what the reference sees.
func FuzzAccesses(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte("\x01\x00\x00\x00\x02\x00\x01\x00\x00\x00\x03\x60\x06\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := open(t, 2)
		next := func() uint64 {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return uint64(b)
		}
		m.scr, m.hcr = next()&(scrFIQ|scrIRQ), next()&(hcrFMO|hcrIMO)
		word := func() uint64 { return next() | next()<<8 | next()<<16 | next()<<24 }
		for len(data) > 0 {
			k := next()
			w := world(k >> 5 % 5)
			cpu := int(k >> 4 & 1)
			attr := bus.Attr{Secure: w.secureState()}
			switch k & 7 {
			case 0, 1: // frames, with any offset and size
				size := 1 << (k >> 3 & 3)
				off := word() & 0xf_ffff &^ uint64(size-1)
				d := m.Distributor()
				if off >= DistributorSize {
					d, off = m.Redistributors(), off-DistributorSize
				}
				if k&1 == 0 {
					d.Read(off, size, attr)
				} else {
					v := word() | word()<<32
					// The reference is about two security states.
					if size == 4 && off == gicdCTLR {
						v &^= ctlrDS
					}
					d.Write(off, size, v, attr)
				}
			case 2:
				m.enter(cpu, w).ReadSys(Reg(next()|next()<<8), w.el(), w.secureState())
			case 3:
				r := Reg(next() | next()<<8)
				m.enter(cpu, w).WriteSys(r, word()|word()<<32, w.el(), w.secureState())
			case 4: // a register of the interfaces, more likely than by chance
				r := 3<<14 | Reg(next()&4)<<11 | 12<<7 | Reg(8+next()%6)<<3 | Reg(next()&7)
				m.enter(cpu, w).ReadSys(r, w.el(), w.secureState())
			case 5:
				r := 3<<14 | Reg(next()&4)<<11 | 12<<7 | Reg(8+next()%6)<<3 | Reg(next()&7)
				m.enter(cpu, w).WriteSys(r, word()|word()<<32, w.el(), w.secureState())
			case 6:
				m.SetSPI(FirstSPI+uint32(next()), k&8 != 0)
			case 7:
				m.SetPPI(cpu, FirstPPI+uint32(next()&15), k&8 != 0)
			}
		}
		m.hcr = 0
		for id := uint32(64); id < 256; id++ { // these the reference leaves out
			m.w32(el3s, bitmapAddr(gicdICENABLER, id), 1<<(id%32))
		}
		(&reference{m: m}).check("at the end")
	})
}

// BenchmarkInterrupt is one timer interrupt: line up, acknowledge, line down, end.
func BenchmarkInterrupt(b *testing.B) {
	m := open(b, 4)
	c := m.CPU(1)
	m.w32(el3s, gicr(1)+gicrIGROUPR0, 0xffff_ffff)
	c.SetRouting(scrNS|scrFIQ, 0)
	c.SetState(1, false)
	b.ReportAllocs()
	for b.Loop() {
		c.SetPPI(27, true)
		if v, _ := c.ReadSys(ICC_IAR1_EL1, 1, false); v != 27 {
			b.Fatal(v)
		}
		c.SetPPI(27, false)
		c.WriteSys(ICC_EOIR1_EL1, 27, 1, false)
	}
}

// BenchmarkSetState is an exception and its return while nothing is pending.
func BenchmarkSetState(b *testing.B) {
	m := open(b, 1)
	c := m.CPU(0)
	b.ReportAllocs()
	for b.Loop() {
		c.SetState(1, false)
		c.SetState(3, true)
	}
}

// BenchmarkManyPending changes a line while all other SPIs are pending: the worst case of the search.
func BenchmarkManyPending(b *testing.B) {
	m := open(b, 1)
	for id := uint32(32); id < 287; id++ {
		m.setPriority(id, 0xf0)
		m.SetSPI(id, true)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.SetSPI(287, true)
		m.SetSPI(287, false)
	}
}
