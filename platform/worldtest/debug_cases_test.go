package worldtest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// Self-hosted debug (DDI 0487, D2).
const (
	mdscrSS  = 1 << 0
	mdscrKDE = 1 << 13
	mdscrMDE = 1 << 15
	psSS     = 1 << 21

	mdcrTDE = 1 << 8  // MDCR_EL2
	mdcrSDD = 1 << 16 // MDCR_EL3

	everyBAS = 0xf << 5
)

// noDebug forgets what the case before has set.
func noDebug() (s string) {
	for n := range 6 {
		s += fmt.Sprintf("msr dbgbcr%d_el1, xzr; msr dbgbvr%d_el1, xzr\n", n, n)
	}
	for n := range 4 {
		s += fmt.Sprintf("msr dbgwcr%d_el1, xzr; msr dbgwvr%d_el1, xzr\n", n, n)
	}
	return s + "msr osdlr_el1, xzr\n"
}

// atLabel gives the instructions that set a system register to a place in the code.
func atLabel(reg, label string) string { return fmt.Sprintf("ldr x0, =%s; msr %s, x0\n", label, reg) }

var debugLine = regexp.MustCompile(` EL\d\+\d+ esr=(c[26abef]|d[26])[0-9a-f]{6} .*\n`)

// withoutDebug takes the debug exceptions away: OSLSR_EL1.OSLK disables them, while QEMU 7.2 tests another bit.
func withoutDebug(text string) string {
	return strings.ReplaceAll(debugLine.ReplaceAllString(text, ""), "spsr=200", "spsr=")
}

// debugCases set breakpoints and watchpoints and step.
func debugCases() (cases []testCase) {
	// stop stands for a label of the case's own.
	const stop = "@stop"
	labels := 0
	add := func(c testCase) {
		labels++
		own := fmt.Sprintf("stop%d", labels)
		c.setup, c.body = strings.ReplaceAll(c.setup, stop, own), strings.ReplaceAll(c.body, stop, own)
		c.resume = 60
		if c.only == "" && !strings.HasPrefix(c.name, "debug/stepping") {
			c.only = "cortex-a57" // both have the same debug registers
		}
		c.after += msr("mdscr_el1", 0) + "msr oslar_el1, xzr; msr osdlr_el1, xzr\n"
		cases = append(cases, c)
	}
	at := func(reg string, v uint64) string { return msr(reg, v) }
	wcr := func(pac, lsc, bas, mask uint64) uint64 { return 1 | pac<<1 | lsc<<3 | bas<<5 | mask<<24 }
	const any = 3<<1 | 1<<13 // PMC or PAC, and HMC: every exception level in both states

	// What enables debug exceptions (AArch64.GenerateDebugExceptionsFrom): a breakpoint, a watchpoint and a step.
	for w := ns0; w <= el3; w++ {
		for bits := range uint64(1 << 6) {
			on := func(bit int) uint64 { return bits >> bit & 1 }
			mdscr := on(0)*mdscrMDE | on(1)*mdscrKDE
			setup := noDebug() + atLabel("dbgbvr0_el1", stop) + at("dbgbcr0_el1", 1|any|everyBAS) +
				at("dbgwvr3_el1", scratch) + at("dbgwcr3_el1", wcr(3, 3, 0xff, 0)|1<<13)
			c := testCase{in: w, pstate: on(2) * psD}
			if on(3) != 0 {
				setup += msr("mdcr_el2", mdcrTDE)
				c.el2 = true
			}
			switch on(4) | on(5)<<1 {
			case 1:
				setup += msr("oslar_el1", 1)
				c.adapt = withoutDebug
			case 2:
				setup += msr("mdcr_el3", mdcrSDD)
			case 3:
				if w > ns2 {
					continue
				}
				if w == ns0 {
					c.hcr = hcrTGE
				}
				setup += msr("osdlr_el1", 1-uint64(w)&1)
			}
			c.name = fmt.Sprintf("debug/enable/%s/%x", w, bits)
			c.setup = setup + msr("mdscr_el1", mdscr)
			c.body = fmt.Sprintf("ldr x1, =%#x; nop; %s: nop; ldr x2, [x1]; str x2, [x1]; brk #7; ldr x2, [x1, #8]; mov x0, #1; show", uint64(scratch), stop)
			add(c)
			if bits&1 == 0 {
				c.name = fmt.Sprintf("debug/step/%s/%x", w, bits)
				c.setup = setup + msr("mdscr_el1", mdscr|mdscrSS)
				add(c)
				c.name += "/ss"
				c.pstate |= psSS
				add(c)
			}
		}
	}

	// Which exception levels and states a breakpoint and a watchpoint match.
	for w := ns0; w <= el3; w++ {
		for _, f := range []struct{ hmc, ssc, pxc uint64 }{
			{0, 0, 1}, {0, 0, 2}, {0, 0, 3}, {0, 1, 1}, {0, 1, 2}, {0, 1, 3}, {0, 2, 1}, {0, 2, 2}, {0, 2, 3}, {1, 0, 1}, {1, 0, 3}, {1, 1, 1},
			{1, 1, 3}, {1, 2, 1}, {1, 2, 3}, {1, 1, 0},
		} {
			field := f.pxc<<1 | f.hmc<<13 | f.ssc<<14
			c := testCase{name: fmt.Sprintf("debug/match/%s/%d%d%d", w, f.hmc, f.ssc, f.pxc), in: w, pstate: psD, el2: w == ns2}
			c.setup = noDebug() + atLabel("dbgbvr2_el1", stop) + at("dbgbcr2_el1", 1|everyBAS|field) +
				at("dbgwvr0_el1", scratch) + at("dbgwcr0_el1", wcr(0, 3, 0xff, 0)|field) + msr("mdscr_el1", mdscrMDE|mdscrKDE)
			if w == ns2 {
				c.setup += msr("mdcr_el2", mdcrTDE)
			}
			c.body = fmt.Sprintf("ldr x1, =%#x; %s: nop; ldr x2, [x1]; ldtr x2, [x1]; sttr x2, [x1]; str x2, [x1]", uint64(scratch), stop)
			add(c)
		}
	}

	// Breakpoints: several, disabled ones, byte selects, one at a branch's target and at an instruction that faults by itself.
	for i, f := range []struct{ bvr, bcr, mdscr string }{
		{"%s", "0x1e7", "0x8000"}, {"%s", "0x1e6", "0x8000"}, {"%s", "0x1e7", "0"}, {"%s", "0x7", "0x8000"}, {"%s+4", "0x1e7", "0x8000"},
		{"%s-4", "0x1e7", "0x8000"}, {"%s+8", "0x1e7", "0x8000"}, {"%s+12", "0x1e7", "0x8000"}, {"%s+0x10000", "0x1e7", "0x8000"},
	} {
		for _, w := range []world{ns0, s0} {
			add(testCase{name: fmt.Sprintf("debug/breakpoint/%s/%d", w, i), in: w,
				setup: noDebug() + fmt.Sprintf("ldr x0, ="+f.bvr+"; msr dbgbvr5_el1, x0; ldr x0, =%s; msr dbgbcr5_el1, x0; ldr x0, =%s; msr mdscr_el1, x0\n", stop, f.bcr, f.mdscr),
				body:  "mov x0, #2; nop\n" + stop + ": nop; .inst 0; svc #9; b 1f; nop\n1: subs x0, x0, #1; b.ne " + stop})
		}
	}

	// Linked breakpoints and watchpoints: the context ID, and links to what is not one.
	for _, w := range []world{ns0, ns1, s1, ns2} {
		for i, f := range []struct {
			context uint64
			lbn     uint64
			bcr     uint64
		}{
			{7, 4, 1 | 3<<20 | any | everyBAS}, {8, 4, 1 | 3<<20 | any | everyBAS}, {7, 5, 1 | 3<<20 | any | everyBAS}, {7, 4, 3<<20 | any | everyBAS},
			{7, 4, 1 | 2<<20 | any | everyBAS}, {7, 4, 1 | any | everyBAS}, {7, 0, 1 | 3<<20 | any | everyBAS}, {7, 9, 1 | 3<<20 | any | everyBAS},
			{7, 4, 1 | 3<<20 | everyBAS},
		} {
			if w == ns2 && i > 1 {
				break
			}
			if f.bcr>>20&15 == 2 {
				continue // by itself it matches in all the code
			}
			c := testCase{name: fmt.Sprintf("debug/linked/%s/%d", w, i), in: w, pstate: psD, el2: w == ns2}
			c.setup = noDebug() + msr("contextidr_el1", f.context) + atLabel("dbgbvr1_el1", stop) + at("dbgbcr1_el1", 1|any|everyBAS|1<<20|f.lbn<<16) +
				at("dbgwvr1_el1", scratch+16) + at("dbgwcr1_el1", wcr(3, 3, 0xf0, 0)|1<<13|1<<20|f.lbn<<16) +
				at("dbgbvr4_el1", 7) + at("dbgbcr4_el1", f.bcr) + msr("mdscr_el1", mdscrMDE|mdscrKDE)
			if w == ns2 {
				c.setup += msr("mdcr_el2", mdcrTDE)
			}
			c.body = fmt.Sprintf("ldr x1, =%#x; %s: nop; ldr x2, [x1, #16]; ldrb w2, [x1, #19]", uint64(scratch), stop)
			add(c)
		}
	}

	// Watchpoints of every kind against accesses of every kind. QEMU 7.2 takes an unaligned access for one of more bytes than it has, and
	// reports a read as a write when the same watchpoint was hit by a write before: package cpu tests that.
	r := rand.New(rand.NewPCG(3, 4))
	access := func() string {
		ops := []string{
			"ldrb w2, [x1, #%d]", "ldrh w2, [x1, #%d]", "ldr w2, [x1, #%d]", "ldur x2, [x1, #%d]", "strb w2, [x1, #%d]", "strh w2, [x1, #%d]",
			"str w2, [x1, #%d]", "stur x2, [x1, #%d]", "ldrsw x2, [x1, #%d]", "ldtr w2, [x1, #%d]", "sttr w2, [x1, #%d]",
		}
		wide := []string{
			"ldp x2, x3, [x1, #%d]", "stp x2, x3, [x1, #%d]", "ldp x2, x3, [x4], #%d", "stp x2, x3, [x5, #%d]!", "ldr q2, [x1, #%[1]d]", "str q2, [x1, #%d]",
			"ldp d2, d3, [x1, #%d]", "stp d2, d3, [x1, #%d]", "add x6, x1, #%d; ld2 {v2.16b, v3.16b}, [x6]", "add x6, x1, #%d; st1 {v2.8b}, [x6]",
			"add x6, x1, #%d; ldar x2, [x6]", "add x6, x1, #%d; stlr w2, [x6]", "add x6, x1, #%d; ldxr x2, [x6]",
		}
		if r.IntN(3) == 0 {
			off := 16 * r.IntN(4)
			return fmt.Sprintf(wide[r.IntN(len(wide))], off) + "\n"
		}
		i := r.IntN(len(ops))
		align := []int{1, 2, 4, 8, 1, 2, 4, 8, 4, 4, 4}[i]
		return fmt.Sprintf(ops[i], r.IntN(64)/align*align) + "\n"
	}
	for i := range 150 {
		w := []world{ns0, ns1, s0, s1}[r.IntN(4)]
		c := testCase{name: fmt.Sprintf("debug/watchpoint/%s/%d", w, i), in: w, pstate: psD}
		c.setup = noDebug()
		for n := range 1 + r.IntN(2) {
			wvr, lsc := uint64(scratch)+8*uint64(r.IntN(8)), uint64(r.IntN(3))
			start := r.IntN(8)
			bas, mask := uint64(0xff)>>start<<r.IntN(start+1), uint64(0)
			switch r.IntN(4) {
			case 0:
				bas, mask = 0xff, 3+uint64(r.IntN(4))
				wvr &^= 1<<mask - 1
			case 1:
				wvr |= 4
				bas &= 15
			}
			c.setup += at(fmt.Sprintf("dbgwvr%d_el1", n), wvr) + at(fmt.Sprintf("dbgwcr%d_el1", n), wcr(3, lsc, bas, mask))
		}
		c.setup += msr("mdscr_el1", mdscrMDE|mdscrKDE)
		c.body = fmt.Sprintf("ldr x1, =%#x; mov x4, x1; mov x5, x1; mov x2, #0; mov x3, #0\n", uint64(scratch))
		for range 12 {
			c.body += access()
		}
		add(c)
	}
	for _, mdscr := range []uint64{mdscrMDE | mdscrKDE, mdscrKDE} {
		// Through translation, where the TLB is warm, in two pages, with DC ZVA and with a fault that comes first.
		for _, w := range []world{ns0, ns1, s1} {
			base, on := regime(w)
			add(testCase{name: fmt.Sprintf("debug/translated/%s/%x", w, mdscr), in: w, pstate: psD,
				setup: noDebug() + identity(base, 0) + mapPage(base, page, scratch|descPage|descUser) + on +
					at("dbgwvr0_el1", page+0x80) + at("dbgwcr0_el1", wcr(3, 3, 0xff, 0)) + at("dbgwvr1_el1", page+0x1000) + at("dbgwcr1_el1", wcr(3, 3, 1, 0)) +
					atLabel("dbgbvr0_el1", stop) + at("dbgbcr0_el1", 1|any|everyBAS) + msr("mdscr_el1", mdscr) + "msr sp_el0, xzr\n",
				body: fmt.Sprintf("mov x1, #%#x; ldr x2, [x1]; str x2, [x1, #8]; mov x3, #3\n%s: ldr x2, [x1, #0x80]; strb w2, [x1, #0x87]; ldr x2, [x1, #0x78]; ldr x2, [x1, #0x88]; "+
					"subs x3, x3, #1; b.ne %[2]s; add x6, x1, #0x90; add x7, x1, #0x1000; ldrb w2, [x7]; sub x8, x7, #4; ldr w2, [x8]; str x2, [x8]", uint64(page), stop)})
		}
	}

	// Software step through instructions of every kind: exceptions of their own, exclusives, waits, branches, returns.
	for w := ns0; w <= el3; w++ {
		for _, state := range []uint64{0, psSS, psD, psD | psSS} {
			c := testCase{name: fmt.Sprintf("debug/stepping/%s/%x", w, state), in: w, pstate: state, el2: w == ns2}
			c.setup = noDebug() + msr("mdscr_el1", mdscrSS|mdscrKDE)
			if w == ns2 {
				c.setup += msr("mdcr_el2", mdcrTDE)
			}
			c.body = fmt.Sprintf("ldr x1, =%#x; mov x0, #5; ldxr x2, [x1]; stxr w3, x2, [x1]; ldxp x2, x3, [x1]; ldar x2, [x1]; show; brk #1; .inst 0; nop\n"+
				"b 1f; nop\n1: cbnz x0, 2f; nop\n2: adr x4, 3f; br x4; nop\n3: sev; wfe; isb; dsb sy; mrs x5, tpidr_el0; ldr q0, [x1]; fmov d0, #1.0; yield; ldr x2, [x1]", uint64(scratch))
			add(c)
		}
	}
	for _, w := range []world{ns1, s1, ns2} {
		// The process stops its own stepping, and MSR starts it.
		c := testCase{name: fmt.Sprintf("debug/stepping/self/%s", w), in: w, pstate: psD | psSS, el2: w == ns2}
		c.setup = noDebug()
		if w == ns2 {
			c.setup += msr("mdcr_el2", mdcrTDE)
		}
		c.body = fmt.Sprintf("nop; ldr x0, =%#x; msr mdscr_el1, x0; isb; nop; msr daifclr, #8; nop",
			uint64(mdscrSS|mdscrKDE))
		add(c)
		// Setting PSTATE.D ends it at once; QEMU takes one exception more.
		c.name, c.alone = fmt.Sprintf("debug/stepping/mask/%s", w), true
		c.setup += msr("mdscr_el1", mdscrSS|mdscrKDE)
		c.body = "nop; msr daifset, #8; nop; msr daifclr, #8; nop; msr daifset, #8"
		line := func(esr uint64, elr string) string {
			return fmt.Sprintf(" EL%d+200 esr=%x elr=body+%s spsr=%x at=%x\n", w.el(), esr, elr, 0x1c1|w.el()<<2, 0x3c1|w.el()<<2)
		}
		c.arch = line(0xcf000022, "4") + line(0xce000022, "10") + line(0xcf000022, "14") + " done\n"
		add(c)
	}
	return cases
}
