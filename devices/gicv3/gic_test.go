package gicv3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// TestSignals is the table of IHI 0069, 4.6.2, for an EL3 that uses AArch64.
func TestSignals(t *testing.T) {
	for _, tc := range []struct {
		group Group
		want  map[world]string
	}{
		{Group0, map[world]string{nsel1: "fiq", nsel2: "fiq", sel1: "fiq", el3s: "fiq", el3ns: "fiq"}},
		{Group1S, map[world]string{nsel1: "fiq", nsel2: "fiq", sel1: "irq", el3s: "fiq", el3ns: "fiq"}},
		{Group1NS, map[world]string{nsel1: "irq", nsel2: "irq", sel1: "fiq", el3s: "fiq", el3ns: "fiq"}},
	} {
		m := open(t, 1)
		m.setGroup(60, tc.group)
		m.SetSPI(60, true)
		for w, in := range tc.want {
			want(t, fmt.Sprintf("%v in %v", tc.group, w), m.inputs(0, w), in)
		}
	}
	// With a single security state Group 0 is FIQ and Group 1 is IRQ.
	m := linuxBoot(t, 1, false)
	linuxUnmask(m, 60)
	m.SetSPI(60, true)
	want(t, "Group 1 of a single security state", m.inputs(0, nsel1), "irq")
	m.msr(0, nsel1, ICC_IGRPEN0_EL1, 1)
	m.w32(nsel1, gicdBase+gicdCTLR, 3)
	m.w32(nsel1, gicdBase+gicdIGROUPR+4, 0)
	want(t, "Group 0 of a single security state", m.inputs(0, nsel1), "fiq")
	want(t, "IAR0", m.mrs(0, nsel1, ICC_IAR0_EL1), 60)
	m.msr(0, nsel1, ICC_EOIR0_EL1, 60)
	want(t, "RPR", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)
}

// TestSpecialIdentifiers is about who may acknowledge what (IHI 0069, 2.2.1).
func TestSpecialIdentifiers(t *testing.T) {
	const id = 60
	for _, tc := range []struct {
		group      Group
		w          world
		iar0, iar1 uint64
	}{
		{Group0, el3s, id, 1023}, {Group0, el3ns, id, 1023}, {Group0, sel1, id, 1023},
		{Group0, nsel1, 1023, 1023}, {Group0, nsel2, 1023, 1023},
		{Group1S, el3s, 1020, id}, {Group1S, el3ns, 1020, id}, {Group1S, sel1, 1023, id},
		{Group1S, nsel1, 1023, 1023}, {Group1S, nsel2, 1023, 1023},
		{Group1NS, el3s, 1021, id}, {Group1NS, el3ns, 1021, id}, {Group1NS, sel1, 1023, 1023},
		{Group1NS, nsel1, 1023, id}, {Group1NS, nsel2, 1023, id},
	} {
		what := fmt.Sprintf("%v from %v: ", tc.group, tc.w)
		m := open(t, 1)
		m.setGroup(id, tc.group)
		m.SetSPI(id, true)
		want(t, what+"HPPIR0", m.mrs(0, tc.w, ICC_HPPIR0_EL1), tc.iar0)
		want(t, what+"HPPIR1", m.mrs(0, tc.w, ICC_HPPIR1_EL1), tc.iar1)
		m.msr(0, el3s, ICC_PMR_EL1, 0)
		want(t, what+"HPPIR0 below the mask", m.mrs(0, tc.w, ICC_HPPIR0_EL1), tc.iar0)
		want(t, what+"IAR0 below the mask", m.mrs(0, tc.w, ICC_IAR0_EL1), 1023)
		m.msr(0, el3s, ICC_PMR_EL1, 0xff)
		// The one that does not acknowledge first.
		if tc.iar0 != id {
			want(t, what+"IAR0", m.mrs(0, tc.w, ICC_IAR0_EL1), tc.iar0)
			want(t, what+"IAR1", m.mrs(0, tc.w, ICC_IAR1_EL1), tc.iar1)
		} else {
			want(t, what+"IAR1", m.mrs(0, tc.w, ICC_IAR1_EL1), tc.iar1)
			want(t, what+"IAR0", m.mrs(0, tc.w, ICC_IAR0_EL1), tc.iar0)
		}
	}
}

// TestBinaryPoint checks for each binary point whether an interrupt preempts a running one, against the tables of IHI 0069,
// 4.8: the group priority of Group 0 and secure Group 1 is bits 7 to BPR + 1, that of non-secure Group 1 bits 7 to BPR.
func TestBinaryPoint(t *testing.T) {
	for _, g := range []Group{Group0, Group1S, Group1NS} {
		for bpr := range uint64(8) {
			for run := 0x80; run < 0x100; run += 8 {
				m := open(t, 1)
				reg, w, low := ICC_BPR0_EL1, el3s, uint64(2)
				iar, iarWorld := ICC_IAR0_EL1, el3s
				switch g {
				case Group1S:
					reg, iar, iarWorld = ICC_BPR1_EL1, ICC_IAR1_EL1, sel1
				case Group1NS:
					reg, w, low = ICC_BPR1_EL1, el3ns, 3
					iar, iarWorld = ICC_IAR1_EL1, nsel1
				}
				m.msr(0, w, reg, bpr)
				eff := max(bpr, low)
				want(t, fmt.Sprintf("%v: BPR after writing %d", g, bpr), m.mrs(0, w, reg), eff)
				lowest := eff + 1 // lowest bit of the group priority
				if g == Group1NS {
					lowest = eff
				}
				for id := uint32(60); id < 62; id++ {
					m.setGroup(id, g)
				}
				m.setPriority(60, uint8(run))
				m.SetSPI(60, true)
				if run == 0xf8 { // the mask itself
					want(t, "IAR at the lowest priority", m.mrs(0, iarWorld, iar), 1023)
					continue
				}
				want(t, "IAR", m.mrs(0, iarWorld, iar), 60)
				groupPrio := uint64(run) >> lowest << lowest
				want(t, fmt.Sprintf("%v: RPR at %#x with BPR %d", g, run, eff), m.mrs(0, el3s, ICC_RPR_EL1), groupPrio)
				for pend := 0x80; pend < 0xf8; pend += 8 {
					m.setPriority(61, uint8(pend))
					m.SetSPI(61, true)
					irq, fiq := m.enter(0, iarWorld).Lines()
					if got, exp := irq || fiq, uint64(pend)>>lowest < uint64(run)>>lowest; got != exp {
						t.Errorf("%v: BPR %d: %#x preempts %#x: %v, want %v", g, eff, pend, run, got, exp)
					}
					m.SetSPI(61, false)
				}
			}
		}
	}
}

// TestCommonBinaryPoint follows the description of ICC_CTLR_EL3.CBPR_* and ICC_BPR1_EL1 (IHI 0069, 12.2).
func TestCommonBinaryPoint(t *testing.T) {
	m := open(t, 1)
	m.msr(0, el3s, ICC_BPR0_EL1, 5)
	m.msr(0, el3s, ICC_BPR1_EL1, 4)
	m.msr(0, el3ns, ICC_BPR1_EL1, 6)
	m.msr(0, el3s, ICC_CTLR_EL3, ctlr3CBPRS|ctlr3CBPRNS)
	want(t, "ICC_CTLR_EL1.CBPR", m.mrs(0, nsel1, ICC_CTLR_EL1)&1, 1)
	m.msr(0, nsel1, ICC_CTLR_EL1, 0)
	m.msr(0, sel1, ICC_CTLR_EL1, 0)
	want(t, "ICC_CTLR_EL1.CBPR is not for EL1", m.mrs(0, el3s, ICC_CTLR_EL3)&3, 3)
	want(t, "EL3 sees its own", m.mrs(0, el3s, ICC_BPR1_EL1), 4)
	want(t, "EL3 sees the non-secure one", m.mrs(0, el3ns, ICC_BPR1_EL1), 6)
	want(t, "S-EL1 sees BPR0", m.mrs(0, sel1, ICC_BPR1_EL1), 5)
	want(t, "NS-EL1 sees BPR0 + 1", m.mrs(0, nsel1, ICC_BPR1_EL1), 6)
	m.msr(0, nsel1, ICC_BPR1_EL1, 3)
	want(t, "a write from NS-EL1 is ignored", m.mrs(0, el3ns, ICC_BPR1_EL1), 6)
	m.msr(0, sel1, ICC_BPR1_EL1, 7)
	want(t, "a write from S-EL1 goes to BPR0", m.mrs(0, el3s, ICC_BPR0_EL1), 7)
	want(t, "NS-EL1 sees at most 7", m.mrs(0, nsel1, ICC_BPR1_EL1), 7)
	// BPR0 of 7 leaves no group priority: nothing preempts.
	m.setGroup(60, Group1NS)
	m.setGroup(61, Group1NS)
	m.setPriority(60, 0xc0)
	m.setPriority(61, 0x80)
	m.SetSPI(60, true)
	m.mrs(0, nsel1, ICC_IAR1_EL1)
	m.SetSPI(61, true)
	want(t, "inputs", m.inputs(0, nsel1), "")
	m.msr(0, el3s, ICC_CTLR_EL3, 0)
	m.msr(0, el3ns, ICC_BPR1_EL1, 0)
	want(t, "inputs without the common binary point: the active level stays", m.inputs(0, nsel1), "")
	want(t, "RPR", m.mrs(0, el3s, ICC_RPR_EL1), 0)
}

func TestNesting(t *testing.T) {
	m := open(t, 1)
	prio := []uint8{0xd0, 0xb0, 0x90}
	for i, p := range prio {
		id := uint32(60 + i)
		m.setGroup(id, Group1NS)
		m.setPriority(id, p)
		m.SetSPI(id, true)
		want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), uint64(id))
	}
	want(t, "AP1R", m.mrs(0, el3ns, ICC_AP1R0_EL1), 1<<(0xd0>>3)|1<<(0xb0>>3)|1<<(0x90>>3))
	want(t, "secure AP1R", m.mrs(0, el3s, ICC_AP1R0_EL1), 0)
	for i := 2; i >= 0; i-- {
		want(t, "RPR", m.mrs(0, el3s, ICC_RPR_EL1), uint64(prio[i]))
		m.SetSPI(uint32(60+i), false)
		m.msr(0, nsel1, ICC_EOIR1_EL1, uint64(60+i))
	}
	want(t, "RPR", m.mrs(0, el3s, ICC_RPR_EL1), 0xff)
	want(t, "active", m.r32(el3s, gicdBase+gicdISACTIVER+4), 0)
	// Equal priorities: the lower identifier first, and no preemption.
	for id := uint32(70); id > 65; id-- {
		m.setGroup(id, Group1NS)
		m.setPriority(id, 0xa0)
		m.SetSPI(id, true)
	}
	for id := uint32(66); id <= 70; id++ {
		want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), uint64(id))
		want(t, "nested IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 1023)
		m.SetSPI(id, false)
		m.msr(0, nsel1, ICC_EOIR1_EL1, uint64(id))
	}
}

// TestNonSecureCannot collects what non-secure software must not be able to do to secure interrupts through the CPU interface.
func TestNonSecureCannot(t *testing.T) {
	m := open(t, 1)
	m.scr = scrFIQ
	m.setGroup(60, Group1S)
	m.setPriority(60, 0x40)
	m.setGroup(61, Group1NS)
	m.setPriority(61, 0x80)
	m.SetSPI(60, true)
	want(t, "IAR1 at S-EL1", m.mrs(0, sel1, ICC_IAR1_EL1), 60)
	active := func() uint32 { return m.r32(el3s, gicdBase+gicdISACTIVER+4) }

	// End or deactivate the secure interrupt, with any register, mode and identifier.
	for _, mode := range []uint64{0, ctlrEOImode} {
		m.msr(0, nsel1, ICC_CTLR_EL1, mode)
		for _, r := range []Reg{ICC_EOIR0_EL1, ICC_EOIR1_EL1, ICC_DIR_EL1} {
			for _, id := range []uint64{60, 61, 1023, 288, 1019, 8192, 0xffffff, ^uint64(0)} {
				m.msr(0, nsel1, r, id)
				m.msr(0, nsel2, r, id)
			}
		}
	}
	want(t, "active", active(), 1<<28)
	want(t, "RPR", m.mrs(0, el3s, ICC_RPR_EL1), 0x40)
	want(t, "RPR in the non-secure view", m.mrs(0, nsel1, ICC_RPR_EL1), 0)

	// End a non-secure interrupt, but name the secure one.
	m.msr(0, el3s, ICC_AP1R0_EL1, 0) // the trusted OS was interrupted in the middle of its handler
	m.msr(0, nsel1, ICC_CTLR_EL1, 0)
	m.SetSPI(61, true)
	want(t, "IAR1", m.mrs(0, nsel1, ICC_IAR1_EL1), 61)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 60)
	want(t, "active", active(), 1<<28|1<<29)
	m.w32(el3s, gicdBase+gicdICACTIVER+4, 0xffff_ffff)
	m.SetSPI(61, false)

	// Hide secure interrupts behind a made-up running priority or the mask.
	m.msr(0, nsel1, ICC_AP1R0_EL1, 0xffff_ffff)
	want(t, "AP1R", m.mrs(0, el3ns, ICC_AP1R0_EL1), 0xffff_0000)
	want(t, "inputs", m.inputs(0, sel1), "irq")
	m.msr(0, nsel1, ICC_AP1R0_EL1, 0)
	m.msr(0, nsel1, ICC_PMR_EL1, 0)
	want(t, "PMR", m.mrs(0, el3s, ICC_PMR_EL1), 0x80)
	want(t, "inputs", m.inputs(0, sel1), "irq")
	// A secure mask stays.
	m.msr(0, sel1, ICC_PMR_EL1, 0x30)
	m.msr(0, nsel1, ICC_PMR_EL1, 0xff)
	want(t, "PMR", m.mrs(0, el3s, ICC_PMR_EL1), 0x30)
	want(t, "PMR in the non-secure view", m.mrs(0, nsel1, ICC_PMR_EL1), 0)

	// Where Group 0 is not routed to EL3, non-secure software sees all priorities.
	m.scr = 0
	want(t, "PMR without SCR_EL3.FIQ", m.mrs(0, nsel1, ICC_PMR_EL1), 0x30)
}

// TestSGIForwarding is the table of IHI 0069, "Forwarding an SGI to a target PE".
func TestSGIForwarding(t *testing.T) {
	for _, tc := range []struct {
		secure bool
		reg    Reg
		group  Group
		nsacr  uint32 // lowest GICR_NSACR field with which it is forwarded; 0 always, 4 never
	}{
		{true, ICC_SGI0R_EL1, Group0, 0}, {true, ICC_SGI0R_EL1, Group1S, 4}, {true, ICC_SGI0R_EL1, Group1NS, 4},
		{true, ICC_SGI1R_EL1, Group0, 0}, {true, ICC_SGI1R_EL1, Group1S, 0}, {true, ICC_SGI1R_EL1, Group1NS, 4},
		{true, ICC_ASGI1R_EL1, Group0, 4}, {true, ICC_ASGI1R_EL1, Group1S, 4}, {true, ICC_ASGI1R_EL1, Group1NS, 0},
		{false, ICC_SGI0R_EL1, Group0, 1}, {false, ICC_SGI0R_EL1, Group1S, 4}, {false, ICC_SGI0R_EL1, Group1NS, 4},
		{false, ICC_SGI1R_EL1, Group0, 4}, {false, ICC_SGI1R_EL1, Group1S, 4}, {false, ICC_SGI1R_EL1, Group1NS, 0},
		{false, ICC_ASGI1R_EL1, Group0, 1}, {false, ICC_ASGI1R_EL1, Group1S, 2}, {false, ICC_ASGI1R_EL1, Group1NS, 4},
	} {
		for nsacr := range uint32(4) {
			m := open(t, 1)
			m.setGroup(3, tc.group)
			m.w32(el3s, gicrBase+gicrNSACR, nsacr<<6)
			w := nsel1
			if tc.secure {
				w = sel1
			}
			m.msr(0, w, tc.reg, 3<<24|1)
			exp := uint32(0)
			if nsacr >= tc.nsacr {
				exp = 1 << 3
			}
			want(t, fmt.Sprintf("%v: %#x of %v with NSACR %d", w, tc.reg, tc.group, nsacr), m.r32(el3s, gicrBase+gicrISPENDR0), exp)
		}
	}
	// One security state: ICC_SGI1R_EL1 may generate both groups, the others Group 0.
	for _, tc := range []struct {
		reg  Reg
		want uint32
	}{{ICC_SGI0R_EL1, 1 << 3}, {ICC_ASGI1R_EL1, 1 << 3}, {ICC_SGI1R_EL1, 1<<3 | 1<<4}} {
		m := newMachine(t, Config{NumCPUs: 1})
		m.w32(nsel1, gicrBase+gicrIGROUPR0, 1<<4)
		m.msr(0, nsel1, tc.reg, 3<<24|1)
		m.msr(0, nsel1, tc.reg, 4<<24|1)
		want(t, fmt.Sprintf("pending after %#x", tc.reg), m.r32(nsel1, gicrBase+gicrISPENDR0), tc.want)
	}
}

func TestSGIAffinity(t *testing.T) {
	aff := []uint64{0x0, 0xf, 0x1_00, 0x2_01_03, 0x04_0002_0103, 0x10, 0x8000_0005}
	m := newMachine(t, Config{NumCPUs: len(aff), MPIDR: func(i int) uint64 { return aff[i] }})
	for i := range aff {
		m.w32(nsel1, gicr(i)+gicrIGROUPR0, 0xffff)
		v := m.read(nsel1, gicr(i)+gicrTYPER, 8)
		a := aff[i] & 0xff_00ff_ffff
		want(t, "GICR_TYPER affinity", v>>32, a>>32<<24|a&0xff_ffff)
		want(t, "GICR_TYPER number", v>>8&0xffff, uint64(i))
		want(t, "GICR_TYPER.Last", v>>4&1 == 1, i == len(aff)-1)
	}
	for _, tc := range []struct {
		v    uint64
		want string
	}{
		{0x0001, "0"}, {0x8000, "1"}, {0xffff, "0 1 6"}, {1<<16 | 1, "2"}, {2<<32 | 1<<16 | 8, "3"},
		{4<<48 | 2<<32 | 1<<16 | 0xffff, "4"}, {5<<48 | 2<<32 | 1<<16 | 0xffff, ""}, {1 << 40, "1 2 3 4 5 6"},
		{1<<40 | 7<<48, "1 2 3 4 5 6"}, {0x20, "6"}, {0, ""},
	} {
		m.msr(0, nsel1, ICC_SGI1R_EL1, 6<<24|tc.v)
		var got []string
		for i := range aff {
			if m.r32(nsel1, gicr(i)+gicrISPENDR0) == 1<<6 {
				got = append(got, fmt.Sprint(i))
			}
			m.w32(nsel1, gicr(i)+gicrICPENDR0, 0xffff)
		}
		want(t, fmt.Sprintf("targets of %#x", tc.v), strings.Join(got, " "), tc.want)
	}
}

// TestOneOfN routes interrupts to any PE that takes part (IHI 0069, 2.3).
func TestOneOfN(t *testing.T) {
	m := open(t, 4)
	m.setGroup(60, Group1NS)
	m.setGroup(61, Group1S)
	m.setGroup(62, Group0)
	m.write(el3s, gicdBase+gicdIROUTER+8*60, 8, 1<<31|3)
	m.write(el3s, gicdBase+gicdIROUTER+8*61, 8, 1<<31)
	m.w32(el3s, gicdBase+gicdIROUTER+8*62, 1<<31)
	want(t, "IROUTER", m.read(el3s, gicdBase+gicdIROUTER+8*60, 8), 1<<31|3)
	who := func(w world) string {
		var s []string
		for i := range 4 {
			s = append(s, m.inputs(i, w))
		}
		return strings.Join(s, ",")
	}
	m.SetSPI(60, true)
	want(t, "first", who(nsel1), "irq,,,")
	m.msr(0, nsel1, ICC_IGRPEN1_EL1, 0)
	want(t, "PE 0 has the group off", who(nsel1), ",irq,,")
	m.w32(nsel1, gicr(1)+gicrCTLR, gicrDPG1N)
	want(t, "GICR_CTLR", m.r32(nsel1, gicr(1)+gicrCTLR), gicrDPG1N)
	want(t, "PE 1 refuses", who(nsel1), ",,irq,")
	m.w32(el3s, gicr(2)+gicrWAKER, wakerProcessorSleep)
	want(t, "PE 2 sleeps", who(nsel1), ",,,irq")
	want(t, "IAR", m.mrs(3, nsel1, ICC_IAR1_EL1), 60)
	m.msr(0, nsel1, ICC_IGRPEN1_EL1, 1)
	want(t, "an active interrupt goes nowhere", who(nsel1), ",,,")
	m.msr(3, nsel1, ICC_EOIR1_EL1, 60)
	want(t, "PE 0 is back", who(nsel1), "irq,,,")
	m.SetSPI(60, false)

	// Each group has its own choice; the DPG bits of secure groups are not for non-secure software.
	m.w32(nsel1, gicr(0)+gicrCTLR, gicrDPG0|gicrDPG1S)
	want(t, "GICR_CTLR", m.r32(el3s, gicr(0)+gicrCTLR), 0)
	m.w32(el3s, gicr(0)+gicrCTLR, gicrDPG1S)
	want(t, "GICR_CTLR in the non-secure view", m.r32(nsel1, gicr(0)+gicrCTLR), 0)
	m.w32(el3s, gicr(1)+gicrCTLR, gicrDPG0|gicrDPG1S|gicrDPG1N)
	want(t, "GICR_CTLR", m.r32(el3s, gicr(1)+gicrCTLR), gicrDPG0|gicrDPG1S|gicrDPG1N)
	m.SetSPI(61, true)
	want(t, "secure Group 1", who(sel1), ",,,irq")
	m.SetSPI(62, true)
	want(t, "both", who(sel1), "fiq,,,irq")
	// A fixed route does not care for DPG.
	m.write(el3s, gicdBase+gicdIROUTER+8*62, 8, 1)
	want(t, "fixed route", who(sel1), ",fiq,,irq")
}

func TestSleep(t *testing.T) {
	m := open(t, 1)
	m.setGroup(27, Group1NS)
	m.SetPPI(0, 27, true)
	want(t, "awake", m.inputs(0, nsel1), "irq")
	want(t, "WakeRequest", m.CPU(0).WakeRequest(), false)
	m.w32(nsel1, gicrBase+gicrWAKER, wakerProcessorSleep)
	want(t, "GICR_WAKER is secure", m.r32(el3s, gicrBase+gicrWAKER), 0)
	m.w32(el3s, gicrBase+gicrWAKER, wakerProcessorSleep)
	want(t, "GICR_WAKER", m.r32(el3s, gicrBase+gicrWAKER), wakerProcessorSleep|wakerChildrenAsleep)
	want(t, "GICR_WAKER in the non-secure view", m.r32(nsel1, gicrBase+gicrWAKER), 0)
	want(t, "asleep", m.inputs(0, nsel1), "")
	want(t, "WakeRequest", m.CPU(0).WakeRequest(), true)
	m.SetPPI(0, 27, false)
	want(t, "WakeRequest", m.CPU(0).WakeRequest(), false)

	m = newMachine(t, Config{NumCPUs: 1, AlwaysAwake: true})
	linuxDist(m, nsel1, 0)
	m.w32(nsel1, gicrBase+gicrIGROUPR0, 1<<27)
	m.w32(nsel1, gicrBase+gicrISENABLER0, 1<<27)
	m.msr(0, nsel1, ICC_PMR_EL1, 0xff)
	m.msr(0, nsel1, ICC_IGRPEN1_EL1, 1)
	m.SetPPI(0, 27, true)
	want(t, "AlwaysAwake", m.inputs(0, nsel1), "irq")
	want(t, "GICR_WAKER", m.r32(nsel1, gicrBase+gicrWAKER), wakerProcessorSleep|wakerChildrenAsleep)
}

// TestGroupEnables turns a group off in the distributor and in the CPU interface. An interrupt that may not be signalled does not
// stand in the way of others.
func TestGroupEnables(t *testing.T) {
	m := open(t, 1)
	m.setGroup(60, Group1S)
	m.setPriority(60, 0x10)
	m.setGroup(61, Group1NS)
	m.setPriority(61, 0xa0)
	m.SetSPI(60, true)
	m.SetSPI(61, true)
	want(t, "both on", m.inputs(0, nsel1), "fiq")
	m.msr(0, sel1, ICC_IGRPEN1_EL1, 0)
	want(t, "off in the CPU interface", m.inputs(0, nsel1), "irq")
	want(t, "HPPIR1", m.mrs(0, nsel1, ICC_HPPIR1_EL1), 61)
	want(t, "IGRPEN1_EL3", m.mrs(0, el3s, ICC_IGRPEN1_EL3), 1)
	m.msr(0, el3s, ICC_IGRPEN1_EL3, 3)
	want(t, "on again", m.inputs(0, nsel1), "fiq")
	m.w32(el3s, gicdBase+gicdCTLR, ctlrEnableGrp1NS)
	want(t, "off in the distributor", m.inputs(0, nsel1), "irq")
	m.w32(nsel1, gicdBase+gicdCTLR, 0)
	want(t, "all off", m.inputs(0, nsel1), "")
	m.w32(el3s, gicdBase+gicdCTLR, 0xffff_ffff&^ctlrDS)
	want(t, "GICD_CTLR", m.r32(el3s, gicdBase+gicdCTLR), 0x37)
	want(t, "GICD_CTLR in the non-secure view", m.r32(nsel1, gicdBase+gicdCTLR), 0x12)
}

// TestDisableSecurity sets GICD_CTLR.DS, after which there is one security state until reset.
func TestDisableSecurity(t *testing.T) {
	m := open(t, 1)
	m.w32(nsel1, gicdBase+gicdCTLR, ctlrDS)
	want(t, "SecurityExtn", m.r32(nsel1, gicdBase+gicdTYPER)>>10&1, 1)
	m.setGroup(60, Group1S)
	m.w32(el3s, gicdBase+gicdNSACR+4*3, 0xffff_ffff)
	m.w32(el3s, gicdBase+gicdCTLR, ctlrDS|7)
	for _, w := range []world{el3s, nsel1} {
		want(t, "GICD_CTLR", m.r32(w, gicdBase+gicdCTLR), 0x53)
		want(t, "SecurityExtn", m.r32(w, gicdBase+gicdTYPER)>>10&1, 0)
		want(t, "IGRPMODR", m.r32(w, gicdBase+gicdIGRPMODR+4), 0)
		want(t, "NSACR", m.r32(w, gicdBase+gicdNSACR+4*3), 0)
		want(t, "enables", m.r32(w, gicdBase+gicdISENABLER+4), 0xffff_ffff)
		m.w32(w, gicdBase+gicdCTLR, 3)
	}
	want(t, "DS stays", m.r32(el3s, gicdBase+gicdCTLR), 0x53)
	m.SetSPI(60, true)
	want(t, "the interrupt is in Group 0", m.inputs(0, nsel1), "fiq")
	want(t, "IAR0", m.mrs(0, nsel1, ICC_IAR0_EL1), 60)
	m.msr(0, nsel1, ICC_EOIR0_EL1, 60)
	want(t, "RPR", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)
	m.write(nsel1, gicdBase+gicdIPRIORITYR+60, 1, 0x48)
	want(t, "priority", m.read(el3s, gicdBase+gicdIPRIORITYR+60, 1), 0x48)
	m.w32(nsel1, gicrBase+gicrCTLR, gicrDPG0|gicrDPG1S|gicrDPG1N)
	want(t, "GICR_CTLR", m.r32(nsel1, gicrBase+gicrCTLR), gicrDPG0|gicrDPG1N)
	m.msr(0, nsel1, ICC_CTLR_EL1, ctlrCBPR)
	want(t, "CBPR", m.mrs(0, nsel1, ICC_CTLR_EL1)&1, 1)
	m.Reset()
	want(t, "GICD_CTLR after reset", m.r32(el3s, gicdBase+gicdCTLR), 0x30)
}

// TestDistributorViews checks what non-secure software sees of an interrupt, by group and GICD_NSACR<n> (IHI 0069, 12.9).
func TestDistributorViews(t *testing.T) {
	const id, n, bit = 77, 2, 1 << 13
	const own = 4 // the interrupt is non-secure
	for _, access := range []uint32{0, 1, 2, 3, own} {
		m := open(t, 2)
		if access == own {
			m.setGroup(id, Group1NS)
		} else {
			m.w32(el3s, gicdBase+gicdNSACR+4*(id/16), access<<(2*(id%16)))
			want(t, "NSACR", m.r32(el3s, gicdBase+gicdNSACR+4*(id/16)), access<<(2*(id%16)))
		}
		m.setPriority(id, 0x90)
		what := fmt.Sprintf("NS_access %d: ", access)
		for _, tc := range []struct {
			name        string
			base        uint64
			set         uint64 // register that sets the bit, or 0
			read, write uint32 // lowest level at which it can be read and written
			clear       bool
		}{
			{"ISENABLER", gicdISENABLER, 0, own, own, false},
			{"ICENABLER", gicdICENABLER, gicdISENABLER, own, own, true},
			{"ISPENDR", gicdISPENDR, 0, 1, 1, false},
			{"ICPENDR", gicdICPENDR, gicdISPENDR, 2, 2, true},
			{"ISACTIVER", gicdISACTIVER, 0, 2, own, false},
			{"ICACTIVER", gicdICACTIVER, gicdISACTIVER, 2, own, true},
		} {
			addr := gicdBase + tc.base + 4*n
			off := map[bool]uint64{false: tc.base + 0x80, true: tc.base}[tc.clear]
			on := off - 0x80
			m.w32(el3s, gicdBase+on+4*n, bit)
			want(t, what+tc.name+" read", m.r32(nsel1, addr), map[bool]uint32{true: bit}[access >= tc.read])
			m.w32(el3s, gicdBase+off+4*n, bit)
			if tc.clear {
				m.w32(el3s, gicdBase+on+4*n, bit)
			}
			m.w32(nsel1, addr, 0xffff_ffff)
			got := m.r32(el3s, gicdBase+on+4*n)&bit != 0
			want(t, what+tc.name+" written", got, (access >= tc.write) != tc.clear)
			m.w32(el3s, gicdBase+off+4*n, bit)
		}
		ns := access == own
		want(t, what+"IGROUPR", m.r32(nsel1, gicdBase+gicdIGROUPR+4*n), 0)
		want(t, what+"IGRPMODR", m.r32(nsel1, gicdBase+gicdIGRPMODR+4*n), 0)
		want(t, what+"NSACR", m.r32(nsel1, gicdBase+gicdNSACR+4*(id/16)), 0)
		m.w32(nsel1, gicdBase+gicdIGROUPR+4*n, 0xffff_ffff)
		m.w32(nsel1, gicdBase+gicdIGRPMODR+4*n, 0xffff_ffff)
		m.w32(nsel1, gicdBase+gicdNSACR+4*(id/16), 0xffff_ffff)
		want(t, what+"group", m.groupOf(&m.spi[n], id%32) == Group1NS, ns)
		want(t, what+"IGRPMODR", m.r32(el3s, gicdBase+gicdIGRPMODR+4*n), 0)

		want(t, what+"priority", m.read(nsel1, gicdBase+gicdIPRIORITYR+id, 1), map[bool]uint64{true: 0x20}[ns])
		m.w32(nsel1, gicdBase+gicdIPRIORITYR+id&^3, 0x4444_4444)
		want(t, what+"priority", m.read(el3s, gicdBase+gicdIPRIORITYR+id, 1), map[bool]uint64{true: 0xa0, false: 0x90}[ns])

		cfg := uint64(gicdBase + gicdICFGR + 4*(id/16))
		m.w32(nsel1, cfg, 0xffff_ffff)
		field := uint32(2 << (2 * (id % 16)))
		want(t, what+"ICFGR", m.r32(el3s, cfg), map[bool]uint32{true: field}[ns])
		m.w32(el3s, cfg, 0xffff_ffff)
		want(t, what+"ICFGR", m.r32(el3s, cfg), 0xaaaa_aaaa)
		want(t, what+"ICFGR in the non-secure view", m.r32(nsel1, cfg), map[bool]uint32{true: field}[ns])

		route := uint64(gicdBase + gicdIROUTER + 8*id)
		m.write(nsel1, route, 8, 1)
		want(t, what+"IROUTER", m.read(el3s, route, 8), map[bool]uint64{true: 1}[access >= 3])
		m.write(el3s, route, 8, 0xffff_ffff_ffff_ffff)
		want(t, what+"IROUTER", m.read(el3s, route, 8), 0xff_80ff_ffff)
		want(t, what+"IROUTER in the non-secure view", m.read(nsel1, route, 8), map[bool]uint64{true: 0xff_80ff_ffff}[access >= 3])
		want(t, what+"upper half", m.r32(el3s, route+4), 0xff)
	}
}

func TestRedistributorViews(t *testing.T) {
	m := open(t, 2)
	base := gicr(1)
	m.w32(el3s, base+gicrIGROUPR0, 0x00ff_00ff)
	m.w32(el3s, base+gicrIGRPMODR0, 0x0f0f_0f0f)
	m.w32(el3s, base+gicrISPENDR0, 0xffff_ffff)
	m.w32(el3s, base+gicrISACTIVER0, 0xffff_ffff)
	m.w32(el3s, base+gicrICFGR1, 0xffff_ffff)
	for i := uint64(0); i < 32; i += 4 {
		m.w32(el3s, base+gicrIPRIORITYR+i, 0xffff_ffff)
	}
	m.w32(el3s, base+gicrNSACR, 0xffff_ffff)
	for _, tc := range []struct {
		off        uint64
		secure, ns uint32
	}{
		{gicrIGROUPR0, 0x00ff_00ff, 0}, {gicrIGRPMODR0, 0x0f0f_0f0f, 0}, {gicrNSACR, 0xffff_ffff, 0},
		{gicrISENABLER0, 0xffff_ffff, 0x00ff_00ff}, {gicrICENABLER0, 0xffff_ffff, 0x00ff_00ff},
		{gicrISPENDR0, 0xffff_ffff, 0x00ff_00ff}, {gicrICPENDR0, 0xffff_ffff, 0x00ff_00ff},
		{gicrISACTIVER0, 0xffff_ffff, 0x00ff_00ff}, {gicrICACTIVER0, 0xffff_ffff, 0x00ff_00ff},
		{gicrICFGR0, 0xaaaa_aaaa, 0x0000_aaaa}, {gicrICFGR1, 0xaaaa_aaaa, 0x0000_aaaa},
		{gicrIPRIORITYR, 0xf8f8_f8f8, 0xf0f0_f0f0}, {gicrIPRIORITYR + 8, 0xf8f8_f8f8, 0},
		{gicrSTATUSR, 0, 0}, {gicrIIDR, 0x43b, 0x43b},
	} {
		want(t, fmt.Sprintf("secure view of %#x", tc.off), m.r32(el3s, base+tc.off), tc.secure)
		want(t, fmt.Sprintf("non-secure view of %#x", tc.off), m.r32(nsel1, base+tc.off), tc.ns)
	}
	// Writes reach the visible interrupts only.
	for _, off := range []uint64{gicrICENABLER0, gicrICPENDR0, gicrICACTIVER0} {
		m.w32(nsel1, base+off, 0xffff_ffff)
		want(t, fmt.Sprintf("%#x after a non-secure write", off), m.r32(el3s, base+off), 0xff00_ff00)
	}
	m.w32(nsel1, base+gicrICFGR0, 0)
	m.w32(nsel1, base+gicrICFGR1, 0)
	want(t, "ICFGR0", m.r32(el3s, base+gicrICFGR0), 0xaaaa_aaaa)
	want(t, "ICFGR1", m.r32(el3s, base+gicrICFGR1), 0xaaaa_0000)
	m.write(nsel1, base+gicrIPRIORITYR+1, 1, 0)
	m.write(nsel1, base+gicrIPRIORITYR+9, 1, 0)
	want(t, "IPRIORITYR", m.r32(el3s, base+gicrIPRIORITYR), 0xf8f8_80f8)
	want(t, "IPRIORITYR", m.r32(el3s, base+gicrIPRIORITYR+8), 0xf8f8_f8f8)
	want(t, "the other PE", m.r32(el3s, gicr(0)+gicrISPENDR0), 0)
}

func TestAccessSizes(t *testing.T) {
	m := open(t, 1)
	dist, redist := m.Distributor(), m.Redistributors()
	s := bus.Attr{Secure: true}
	m.write(el3s, gicdBase+gicdIROUTER+8*40+4, 4, 0x12)
	m.write(el3s, gicdBase+gicdIROUTER+8*40, 4, 0x34)
	want(t, "IROUTER by halves", m.read(el3s, gicdBase+gicdIROUTER+8*40, 8), 0x12_0000_0034)
	want(t, "GICR_TYPER by halves", uint64(m.r32(el3s, gicrBase+gicrTYPER+4))<<32|uint64(m.r32(el3s, gicrBase+gicrTYPER)),
		m.read(el3s, gicrBase+gicrTYPER, 8))
	// Sizes that a register does not support read as zero and write nothing.
	before := m.spi
	for _, size := range []int{1, 2, 8} {
		for off := uint64(gicdIGROUPR); off < gicdIPRIORITYR; off += 8 {
			dist.Write(off, size, 0, s)
			if v, r := dist.Read(off, size, s); v != 0 || r != bus.OKAY {
				t.Fatalf("read%d of %#x: %#x, %v", 8*size, off, v, r)
			}
		}
	}
	if m.spi != before {
		t.Error("writes of other sizes changed something")
	}
	for _, d := range []bus.Device{dist, redist} {
		if v, r := d.Read(gicdIPRIORITYR+0x20, 2, s); v != 0 || r != bus.OKAY {
			t.Errorf("halfword read: %#x, %v", v, r)
		}
	}
	// There is nothing behind the frames.
	for _, size := range []int{1, 2, 4, 8} {
		if _, r := redist.Read(RedistributorSize, size, s); r != bus.DECERR {
			t.Errorf("read behind the last redistributor: %v", r)
		}
		if r := redist.Write(RedistributorSize, size, 0, s); r != bus.DECERR {
			t.Errorf("write behind the last redistributor: %v", r)
		}
		if _, r := dist.Read(DistributorSize, size, s); r != bus.DECERR {
			t.Errorf("read behind the distributor: %v", r)
		}
		if r := dist.Write(^uint64(7), size, 0, s); r != bus.DECERR {
			t.Errorf("write behind the distributor: %v", r)
		}
	}
	// Registers of interrupts that do not exist read as zero: words 0 and 9 of a GIC with 288 interrupts.
	for _, base := range []uint64{gicdIGROUPR, gicdISENABLER, gicdISPENDR, gicdISACTIVER, gicdIGRPMODR} {
		for _, n := range []uint64{0, 9, 31} {
			m.w32(el3s, gicdBase+base+4*n, 0xffff_ffff)
			want(t, fmt.Sprintf("%#x", base+4*n), m.r32(el3s, gicdBase+base+4*n), 0)
		}
	}
	for _, id := range []uint64{0, 31, 288, 1019} {
		m.write(el3s, gicdBase+gicdIPRIORITYR+id, 1, 0xff)
		want(t, "priority", m.read(el3s, gicdBase+gicdIPRIORITYR+id, 1), 0)
		m.write(el3s, gicdBase+gicdIROUTER+8*id, 8, 1)
		want(t, "route", m.read(el3s, gicdBase+gicdIROUTER+8*id, 8), 0)
	}
}

func TestUndefined(t *testing.T) {
	m := open(t, 1)
	c := m.CPU(0)
	all := map[Reg][2]bool{ // readable, writable
		ICC_IAR0_EL1: {true, false}, ICC_IAR1_EL1: {true, false}, ICC_HPPIR0_EL1: {true, false}, ICC_HPPIR1_EL1: {true, false},
		ICC_RPR_EL1: {true, false}, ICC_EOIR0_EL1: {false, true}, ICC_EOIR1_EL1: {false, true}, ICC_DIR_EL1: {false, true},
		ICC_SGI0R_EL1: {false, true}, ICC_SGI1R_EL1: {false, true}, ICC_ASGI1R_EL1: {false, true}, ICC_PMR_EL1: {true, true},
		ICC_BPR0_EL1: {true, true}, ICC_BPR1_EL1: {true, true}, ICC_AP0R0_EL1: {true, true}, ICC_AP1R0_EL1: {true, true},
		ICC_CTLR_EL1: {true, true}, ICC_SRE_EL1: {true, true}, ICC_IGRPEN0_EL1: {true, true}, ICC_IGRPEN1_EL1: {true, true},
		ICH_AP0R0_EL2: {true, true}, ICH_AP1R0_EL2: {true, true}, ICH_HCR_EL2: {true, true}, ICH_VTR_EL2: {true, false},
		ICH_MISR_EL2: {true, false}, ICH_EISR_EL2: {true, false}, ICH_ELRSR_EL2: {true, false}, ICH_VMCR_EL2: {true, true},
		ICH_LR0_EL2: {true, true}, ICH_LR0_EL2 + 1: {true, true}, ICH_LR0_EL2 + 2: {true, true}, ICH_LR0_EL2 + 3: {true, true},
		ICC_SRE_EL2: {true, true}, ICC_CTLR_EL3: {true, true}, ICC_SRE_EL3: {true, true}, ICC_IGRPEN1_EL3: {true, true},
	}
	for reg := range 1 << 16 {
		r := Reg(reg)
		low := 1
		switch r >> 11 & 7 { // op1
		case 4:
			low = 2
		case 6:
			low = 3
		}
		for el := 1; el <= 3; el++ {
			if _, ok := c.ReadSys(r, el, el == 3); ok != (all[r][0] && el >= low) {
				t.Errorf("read of %#x at EL%d: %v", r, el, ok)
			}
			if ok := c.WriteSys(r, 0, el, el == 3); ok != (all[r][1] && el >= low) {
				t.Errorf("write of %#x at EL%d: %v", r, el, ok)
			}
		}
	}
}

// recorder counts what a PE is told.
type recorder struct{ calls []string }

func (r *recorder) SetLines(irq, fiq bool) { r.calls = append(r.calls, fmt.Sprint(irq, fiq)) }

func TestOutputs(t *testing.T) {
	m := open(t, 1)
	m.setGroup(60, Group1NS)
	m.setGroup(61, Group1S)
	m.setPriority(60, 0xa0)
	var r recorder
	c := m.CPU(0)
	c.SetState(1, false)
	c.Bind(&r)
	m.SPI(60).Set(true)
	m.SPI(60).Set(true)
	c.SetState(2, false)
	c.SetState(1, true)
	c.SetState(3, true)
	m.SPI(61).Set(true) // also a FIQ at EL3
	c.SetState(1, true)
	c.SetState(0, true)
	m.PPI(0, 27).Set(true) // Group 0, of the same priority: the lower identifier is signalled
	m.PPI(0, 27).Set(false)
	m.SPI(61).Set(false)
	m.SPI(60).Set(false)
	want(t, "calls", strings.Join(r.calls, ", "),
		"true false, false true, true false, false true, true false, false true, false false")
	m.SPI(60).Set(true)
	r.calls = nil
	c.Bind(&r)
	want(t, "calls of Bind", strings.Join(r.calls, ", "), "false true")
	m.Reset()
	want(t, "calls after reset", strings.Join(r.calls, ", "), "false true, false false")
	want(t, "lines stay over a reset", m.r32(el3s, gicdBase+gicdISPENDR+4), 1<<28)
}

func TestRaiseSGI(t *testing.T) {
	m := open(t, 2)
	m.w32(el3s, gicr(1)+gicrIGROUPR0, 0xff00)
	for _, id := range []uint32{7, 8, 15, 16, 31, 32, 0xffff_ffff} {
		for _, cpu := range []int{-1, 1, 2} {
			m.RaiseSGI(cpu, id)
		}
	}
	want(t, "pending", m.r32(el3s, gicr(1)+gicrISPENDR0), 1<<8|1<<15)
	want(t, "pending at PE 0", m.r32(el3s, gicr(0)+gicrISPENDR0), 0)
}

func TestEvents(t *testing.T) {
	var log bytes.Buffer
	var s event.Stream
	s.Attach(event.Int|event.Guest, event.NewText(&log))
	var clock vtime.Clock
	clock.Advance(1500)
	m := newMachine(t, Config{NumCPUs: 1, Events: &s, Clock: &clock})
	linuxDist(m, nsel1, 0)
	linuxCPU(m, 0, nsel1, false)
	linuxUnmask(m, 33)
	m.SetSPI(33, true)
	m.mrs(0, nsel1, ICC_IAR1_EL1)
	m.SetSPI(33, false)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 33)
	m.read(nsel1, gicdBase+0x44, 2)
	m.write(nsel1, gicrBase+gicrIIDR, 4, 0)
	want(t, "log", log.String(), `[0.000001500] int cpu0: ACKNOWLEDGE intid=33 group=Group1NS
[0.000001500] int cpu0: END intid=33 group=Group1NS
[0.000001500] int cpu0: DEACTIVATE intid=33 group=Group1NS
[0.000001500] guest gicd: READ offset=0x44 size=2
[0.000001500] guest gicr: WRITE offset=0x4 size=4
`)
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {NumCPUs: -1}, {NumCPUs: MaxCPUs + 1}, {NumCPUs: 1, SPIs: 31}, {NumCPUs: 1, SPIs: 992},
		{NumCPUs: 1, SPIs: -32}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%+v) did not panic", cfg)
				}
			}()
			New(cfg)
		}()
	}
	g := New(Config{NumCPUs: MaxCPUs, SPIs: MaxSPIs})
	g.SetSPI(FirstSPI+MaxSPIs-1, true)
	for _, f := range []func(){func() { g.SetSPI(31, true) }, func() { g.SetSPI(FirstSPI+MaxSPIs, true) },
		func() { g.SetPPI(0, 15, true) }, func() { g.SetPPI(0, 32, true) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a line that does not exist was driven")
				}
			}()
			f()
		}()
	}
}
