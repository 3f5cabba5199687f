package worldtest

import (
	"fmt"
	"strings"
)

// single are loads and stores of one general register, and others, at x1, for the syndrome of stage 2 faults.
var single = []string{
	"ldr x2, [x1]", "ldr w3, [x1]", "ldrh w4, [x1]", "ldrb w5, [x1]", "ldrsb w6, [x1]", "ldrsb x7, [x1]", "ldrsh w8, [x1]",
	"ldrsh x9, [x1]", "ldrsw x10, [x1]",
	"str x11, [x1]", "str w12, [x1]", "strh w13, [x1]", "strb w14, [x1]", "str xzr, [x1]", "str wzr, [x1]", "ldr xzr, [x1]",
	"ldr x30, [x1]",
	"ldur x2, [x1, #8]", "ldur w2, [x1, #-4]", "ldursb x2, [x1, #1]", "ldursh w2, [x1, #2]", "ldursw x2, [x1, #4]", "stur x2, [x1, #8]",
	"sturh w2, [x1, #2]", "sturb w2, [x1, #1]",
	"ldr x2, [x1, #32]", "str w2, [x1, #32]", "ldrsw x2, [x1, #32]",
	"ldr x2, [x1, x30, lsl #3]", "ldr w2, [x1, w30, uxtw #2]", "ldrb w2, [x1, x30]", "ldrsh x2, [x1, w30, sxtw]", "str x2, [x1, x30]",
	"strh w2, [x1, x30, lsl #1]",
	"ldr x2, [x1], #8", "ldr w2, [x1, #8]!", "ldrb w2, [x1], #1", "ldrsw x2, [x1], #4", "str x2, [x1], #8", "strb w2, [x1, #1]!",
	"strh w2, [x1], #2",
	"ldp x2, x3, [x1]", "ldp w2, w3, [x1]", "ldpsw x2, x3, [x1]", "stp x2, x3, [x1]", "ldp x2, x3, [x1], #16", "stp w2, w3, [x1, #8]!",
	"ldnp x2, x3, [x1]", "stnp x2, x3, [x1]",
	"ldxr x2, [x1]", "ldxr w2, [x1]", "ldaxrb w2, [x1]", "ldaxr x2, [x1]", "ldxp x2, x3, [x1]",
	"ldar x2, [x1]", "ldar w2, [x1]", "ldarh w2, [x1]", "ldarb w2, [x1]", "stlr x2, [x1]", "stlr w2, [x1]", "stlrh w2, [x1]",
	"stlrb w2, [x1]",
	"ldtr x2, [x1]", "ldtr w2, [x1]", "ldtrb w2, [x1]", "ldtrh w2, [x1]", "ldtrsb x2, [x1]", "ldtrsb w2, [x1]", "ldtrsh x2, [x1]",
	"ldtrsw x2, [x1]", "sttr x2, [x1]", "sttrb w2, [x1]",
	"ldr d0, [x1]", "ldr q0, [x1]", "str s0, [x1]", "ldp q0, q1, [x1]", "ld1 {v0.4s}, [x1]", "st1 {v0.b}[3], [x1]", "ldr b0, [x1, #1]",
	"stur h0, [x1, #2]",
	"dc zva, x1", "prfm pldl1keep, [x1]",
}

// atomics are those of FEAT_LSE and FEAT_LRCPC2, which Cortex-A57 does not have.
var atomics = []string{
	"ldadd x2, x3, [x1]", "ldaddal w2, w3, [x1]", "swpb w2, w3, [x1]", "cas x2, x3, [x1]", "casalh w2, w3, [x1]",
	"casp x2, x3, x4, x5, [x1]", "stadd x2, [x1]", "ldsmax x2, x3, [x1]",
	"ldapr x2, [x1]", "ldapr w2, [x1]", "ldaprb w2, [x1]", "ldapur x2, [x1, #8]", "ldapursb x2, [x1, #1]", "ldapursb w2, [x1, #1]",
	"ldapursw x2, [x1, #4]", "stlur x2, [x1, #8]", "stlurh w2, [x1, #2]",
}

// atInstructions are the address translation instructions of Armv8.0.
var atInstructions = []string{"s1e1r", "s1e1w", "s1e0r", "s1e0w", "s1e2r", "s1e2w", "s12e1r", "s12e1w", "s12e0r", "s12e0w", "s1e3r",
	"s1e3w"}

// translationCases are faults of both stages: where they go and what they say (DDI 0487, D8.15 and D19.2.37).
func translationCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	ldr := func(reg string, v uint64) string { return fmt.Sprintf("ldr %s, =%#x\n", reg, v) }
	each := func(list []string, va uint64) (body string) {
		for _, insn := range list {
			body += ldr("x1", va) + "mov x30, #0\n" + insn + "\n"
		}
		return body
	}

	// The syndrome of stage 2 faults: nothing is mapped at page, and nothing may be read, or written, at the pages behind it.
	s2 := identity(tablesS2, 1) + mapPage(tablesS2, page, 0) + mapPage(tablesS2, page+0x1000, scratch|s2Page&^0x80) +
		mapPage(tablesS2, page+0x2000, scratch|s2Page&^0x40) +
		mapPage(tablesS2, page+0x3000, scratch|s2Page&^descAF) + mapPage(tablesS2, page+0x4000, scratch|s2Page) +
		mapPage(tablesS2, page+0x5000, 1<<44|s2Page) + stage2(tablesS2)
	for _, w := range []world{ns0, ns1} {
		for _, scr := range []uint64{0, scrEA} {
			add(testCase{name: fmt.Sprintf("stage2/single/%s/scr%x", w, scr), in: w, hcr: hcrVM, scr: scr,
				setup: s2 + msr("sctlr_el1", 0x30d00800|1<<14), resume: 100, body: each(single, page+0x40)})
		}
		add(testCase{name: fmt.Sprintf("stage2/atomics/%s", w), in: w, hcr: hcrVM, setup: s2, resume: 100, body: each(atomics, page+0x40),
			only: "max"})
		for i := range uint64(6) {
			va := page + i<<12
			add(testCase{name: fmt.Sprintf("stage2/page%d/%s", i, w), in: w, hcr: hcrVM, setup: s2, resume: 4,
				body: ldr("x1", va+8) + "ldr x0, [x1]; show; str x0, [x1]; ldr x0, [x1]; show; and x1, x1, #~0xfff; ret x1"})
			// With stage 1 in between, which maps another address.
			add(testCase{name: fmt.Sprintf("stage2/page%d/%s/stage1", i, w), in: w, hcr: hcrVM, resume: 4,
				setup: s2 + identity(tables1, 0) + mapPage(tables1, 0x20_0000_0000, va|descPage|descUser) + mmu1(tables1),
				body:  ldr("x1", 0x20_0000_0008) + "ldr x0, [x1]; show; str x0, [x1]; ldr x0, [x1]; show; and x1, x1, #~0xfff; ret x1"})
		}
		// Unaligned accesses that end in a page that faults.
		add(testCase{name: fmt.Sprintf("stage2/across/%s", w), in: w, hcr: hcrVM,
			setup: s2 + identity(tables1, 0) + mapPage(tables1, page+0x4000, page|0x4000|descPage|descUser) +
				mapPage(tables1, page+0x5000, page|descPage|descUser) + mmu1(tables1), resume: 3,
			body: ldr("x1", page+0x4ffc) + "ldr x0, [x1]; str x0, [x1]"})
		// Default cacheability: stage 1 off, stage 2 on without HCR_EL2.VM.
		add(testCase{name: fmt.Sprintf("stage2/dc/%s", w), in: w, hcr: hcrVM | hcrDC, setup: s2 + identity(tables1, 0) + mmu1(tables1),
			resume: 3, body: ldr("x1", page+0x4008) + "ldr x0, [x1]; show"})
		// Stage 2 faults on the walk of stage 1, and HCR_EL2.PTW.
		for name, level1 := range []uint64{page, page + 0x1000, page + 0x2000, page + 0x3000} {
			for _, on := range []string{"", "ptw"} {
				hcr := uint64(hcrVM)
				if on != "" {
					hcr |= hcrPTW
				}
				add(testCase{name: fmt.Sprintf("stage2/walk%d%s/%s", name, on, w), in: w, hcr: hcr, resume: 4, adapt: stage2Level(3),
					setup: s2 + identity(tables1, 0) + setEntry(tables1, 3<<30, 1, level1|3) + mmu1(tables1),
					body:  ldr("x1", 3<<30|0x123458) + "ldr x0, [x1]; str x0, [x1]; ret x1"})
			}
		}
		add(testCase{name: fmt.Sprintf("stage2/walk-ttbr/%s", w), in: w, hcr: hcrVM, setup: s2 + mmu1(page), body: "nop",
			adapt: stage2Level(3)})
		add(testCase{name: fmt.Sprintf("stage2/walk-device/%s", w), in: w, hcr: hcrVM | hcrPTW,
			setup: s2 + mapPage(tablesS2, tables1, tables1|s2Page&^0x3c|4) + identity(tables1, 0) + mmu1(tables1), body: "nop",
			adapt: stage2Level(3)})
	}
	// Secure state has no stage 2.
	add(testCase{name: "stage2/secure", in: s1, hcr: hcrVM, setup: s2, body: ldr("x1", scratch+8) + "ldr x0, [x1]; show"})

	// External aborts on walks, at each level, of both stages; SCR_EL3.EA.
	for w := ns0; w <= el3; w++ {
		base, on := regime(w)
		for _, scr := range []uint64{0, scrEA} {
			for level := 0; level < 3; level++ {
				setup := identity(base, 0)
				va := uint64(3<<30 | 0x123458)
				switch level {
				case 1:
					setup += setEntry(base, va, 1, nowhere|3)
				case 2:
					setup += mapPage(base, va, descPage) + setEntry(base, va, 2, nowhere|3)
				}
				c := testCase{name: fmt.Sprintf("walk/external%d/%s/scr%x", level, w, scr), in: w, scr: scr, setup: setup + on, resume: 4,
					body: ldr("x1", va) + "ldr x0, [x1]; str x0, [x1]; ret x1", adapt: externalAborts(scr)}
				if level == 0 {
					// The upper range, so that code and vectors stay where they are.
					if w == ns2 || w == el3 {
						continue
					}
					c.setup += msr("ttbr1_el1", nowhere) + msr("tcr_el1", 2<<32|2<<30|0x35<<24|25<<16|0x3500|25)
					c.body = ldr("x1", 0xffff_ffff_c012_3458) + "ldr x0, [x1]; str x0, [x1]; ret x1"
				}
				add(c)
			}
			// Tables in Secure memory are out of reach for Non-secure walks.
			add(testCase{name: fmt.Sprintf("walk/secure-table/%s/scr%x", w, scr), in: w, scr: scr, resume: 2, adapt: externalAborts(scr),
				setup: identity(base, 0) + setEntry(base, 3<<30, 1, secureRAM|3) + on,
				body:  ldr("x1", 3<<30|0x123458) + "ldr x0, [x1]; str x0, [x1]; ret x1"})
			if w <= ns1 {
				s2ext := identity(tablesS2, 1) + setEntry(tablesS2, 3<<30, 1, nowhere|3) + stage2(tablesS2)
				add(testCase{name: fmt.Sprintf("walk/external-stage2/%s/scr%x", w, scr), in: w, scr: scr, hcr: hcrVM, setup: s2ext,
					resume: 4,
					body:   ldr("x1", 3<<30|0x123458) + "ldr x0, [x1]; str x0, [x1]; ret x1", adapt: externalAborts(scr)})
				add(testCase{name: fmt.Sprintf("walk/external-stage2-of-stage1/%s/scr%x", w, scr), in: w, scr: scr, hcr: hcrVM, resume: 4,
					adapt: externalAborts(scr),
					setup: s2ext + identity(tables1, 0) + setEntry(tables1, 2<<30, 1, 3<<30|3) + mmu1(tables1),
					body:  ldr("x1", 2<<30|0x123458) + "ldr x0, [x1]; str x0, [x1]; ret x1"})
			}
		}
		// Faults of stage 1 by kind and level.
		faults := identity(base, 0) + setEntry(base, 3<<30, 1, 0) + mapPage(base, page, 0) +
			mapPage(base, page+0x1000, scratch|descPage&^descAF|descUser) +
			mapPage(base, page+0x2000, scratch|descPage|descRO|descUser) + mapPage(base, page+0x3000, scratch|descPage) +
			mapPage(base, page+0x4000, scratch|descPage|descUser|descXN|descPXN) +
			mapPage(base, page+0x5000, 1<<44|descPage|descUser) + mapPage(base, page+0x6000, scratch|1) +
			mapPage(base, page+0x7000, scratch|descPage|descRO|descUser|descPXN) +
			mapPage(base, page+0x8000, scratch|descPage|descRO|descUser|descXN) +
			setEntry(base, 0x41_0000_0000, 1, scratch|descUser|0x301) + setEntry(base, page+0x20_0000, 2, 0)
		for _, va := range []uint64{3 << 30, page, page + 0x1000, page + 0x2000, page + 0x3000, page + 0x4000, page + 0x5000, page +
			0x6000, page + 0x7000, page + 0x8000, page + 0x20_0000,
			0x41_0000_0000, 0x80_0000_0000, 1 << 48, 0xffff_ffff_ffff_0000, 1<<63 | page} {
			for _, extra := range []string{"", "/wxn"} {
				c := testCase{name: fmt.Sprintf("stage1/%s/%x%s", w, va, extra), in: w, setup: faults + on, resume: 3,
					body: ldr("x1", va) + "ldr x0, [x1, #8]; str x0, [x1, #16]; ret x1"}
				if extra != "" {
					reg := fmt.Sprintf("sctlr_el%d", max(w.el(), 1))
					c.setup += "mrs x0, " + reg + "; orr x0, x0, #1 << 19; msr " + reg + ", x0\n"
				}
				add(c)
			}
		}
	}
	// HCR_EL2.TGE turns stage 1 of EL1&0 off (AArch64.S1Enabled): the page that is mapped is not, and its address is nowhere. QEMU
	// translates where there is an EL2.
	add(testCase{name: "stage1/tge", in: ns0, hcr: hcrTGE, setup: identity(tables1, 0) + mapPage(tables1, page, scratch|descPage|descUser) +
		mmu1(tables1),
		body: ldr("x1", page+8) + "ldr x0, [x1]", alone: true, arch: " EL2+400 esr=92000010 elr=body+4 spsr=3c0 far=60000008 at=3c9\n"})

	// Address tags: TCR_ELx.TBI lets loads, branches and exception returns ignore the top byte.
	for w := ns0; w <= el3; w++ {
		base, on := regime(w)
		tcr, tbi, epd1 := fmt.Sprintf("tcr_el%d", max(w.el(), 1)), uint64(3<<37), "; bic x0, x0, #1 << 23"
		if w == ns2 || w == el3 {
			tbi, epd1 = 1<<20, ""
		}
		for _, v := range []uint64{0, tbi} {
			for _, mmu := range []string{"off", "on"} {
				setup := ""
				if mmu == "on" {
					setup = identity(base, 0) + on
				}
				setup += fmt.Sprintf("mrs x0, %s%s; ldr x1, =%#x; orr x0, x0, x1; msr %s, x0\n", tcr, epd1, v, tcr)
				c := testCase{in: w, setup: setup, resume: 3}
				c.name = fmt.Sprintf("tag/load/%s/mmu-%s/tbi%x", w, mmu, v>>20)
				c.body = ldr("x1", 0x5a<<56|scratch|8) + "ldr x0, [x1]; show; str x0, [x1]; " + ldr("x1", 0x5a<<56|nowhere) +
					"ldr x0, [x1]; " + ldr("x1", 0xa5<<56|uint64(page)) + "ldr x0, [x1]"
				add(c)
				for _, branch := range []string{"ret x1", "msr elr_elN, x1; mrs x2, currentel; mov x3, #0x3c1; orr x2, x2, x3; msr spsr_elN, x2; eret"} {
					if w.el() == 0 && branch != "ret x1" {
						continue
					}
					for _, tag := range []uint64{0x5a << 56, 0x80 << 48, 1 << 52} {
						b := strings.ReplaceAll(branch, "elN", fmt.Sprintf("el%d", w.el()))
						c.name = fmt.Sprintf("tag/%.3s/%s/mmu-%s/tbi%x/%x", b, w, mmu, v>>20, tag>>48)
						c.body = "adr x1, 1f; " + ldr("x2", tag) + "orr x1, x1, x2\n" + b + "\n1: adr x0, .; lsr x0, x0, #48; show; udf #0"
						c.resume = 0
						add(c)
					}
				}
			}
		}
	}

	// Every regime has its own tables.
	different := ""
	for i, base := range []uint64{tables1, tables2, tables3, tablesS1} {
		different += identity(base, 0) + mapPage(base, page, scratch+0x1000*uint64(i+1)|descPage|descUser|descNS) +
			ldr("x0", scratch+0x1000*uint64(i+1)) + fmt.Sprintf("mov x1, #%d; str x1, [x0]\n", 100+i)
	}
	for w := ns0; w <= el3; w++ {
		_, on := regime(w)
		add(testCase{name: fmt.Sprintf("regimes/%s", w), in: w, setup: different + on, body: ldr("x1", page) + "ldr x0, [x1]; show"})
	}
	add(testCase{name: "regimes/all", in: el3, scr: scrNS, el2: true, setup: different + mmu2(tables2) + mmu1(tables1) + mmu3(tables3), body: ldr("x1", page) + `
		ldr	x0, [x1]; show
		adr	x0, 1f
		msr	elr_el3, x0
		mov	x0, #0x3c9
		msr	spsr_el3, x0
		eret
	1:	ldr	x0, [x1]; show
		adr	x0, 2f
		msr	elr_el2, x0
		mov	x0, #0x3c5
		msr	spsr_el2, x0
		eret
	2:	ldr	x0, [x1]; show
		adr	x0, 3f
		msr	elr_el1, x0
		mov	x0, #0x3c0
		msr	spsr_el1, x0
		eret
	3:	ldr	x0, [x1]
		svc	#0xff01`})

	// Address translation instructions: the result of each in each regime, and PAR_EL1 where they fault.
	par := func(list []string) (body string) {
		for _, at := range list {
			body += "msr par_el1, xzr; mov x0, #0\n at " + at + ", x1; isb; mrs x0, par_el1; show\n"
		}
		return body
	}
	atTables := different + identity(tablesS2, 1) + mapPage(tablesS2, scratch+0x1000, scratch+0x5000|s2Page) +
		mapPage(tablesS2, page+0x7000, 0) +
		mapPage(tables1, page+0x1000, page+0x7000|descPage) + mapPage(tables2, page+0x1000, 0) + mapPage(tables3, page+0x1000, 0) +
		mapPage(tablesS1, page+0x1000, scratch|descPage|descRO) + stage2(tablesS2)
	for _, w := range []world{ns1, ns2, s1, el3} {
		for _, ns := range []bool{false, true} {
			if ns && w != el3 {
				continue
			}
			for _, hcr := range []uint64{0, hcrVM, hcrVM | hcrDC, hcrTGE, hcrVM | hcrPTW} {
				if hcr&hcrTGE != 0 && (w == ns1 || w == ns2 || ns) {
					continue // stage1/tge
				}
				for i, va := range []uint64{page + 0x123, page + 0x1234, scratch + 0x1008, nowhere, 5 << 36} {
					stage1 := tables1
					if w == s1 || w == el3 && !ns {
						stage1 = tablesS1
					}
					c := testCase{name: fmt.Sprintf("at/%s/hcr%x/%d", w, hcr, i), in: w, hcr: hcr, resume: 20, el2: true,
						body:  ldr("x1", va) + par(atInstructions),
						setup: atTables + mmu1(uint64(stage1)) + mmu2(tables2) + mmu3(tables3)}
					if ns {
						c.name, c.scr = fmt.Sprintf("at/el3-ns/hcr%x/%d", hcr, i), scrNS
					}
					add(c)
				}
			}
			// A walk that ends in an external abort, and one that stage 2 stops.
			for _, scr := range []uint64{0, scrEA} {
				c := testCase{name: fmt.Sprintf("at/%s/external/scr%x", w, scr), in: w, scr: scr, el2: true, resume: 20,
					body: ldr("x1", 3<<30) + par(atInstructions), adapt: externalAborts(scr)}
				for _, t := range []uint64{tables1, tables2, tables3, tablesS1} {
					c.setup += identity(t, 0) + setEntry(t, 3<<30, 1, nowhere|3)
				}
				stage1 := tables1
				if w == s1 || w == el3 && !ns {
					stage1 = tablesS1
				}
				c.setup += mmu1(uint64(stage1)) + mmu2(tables2) + mmu3(tables3)
				if ns {
					c.name, c.scr = fmt.Sprintf("at/el3-ns/external/scr%x", scr), scr|scrNS
				}
				add(c)
				c.name += "/stage2"
				c.hcr = hcrVM
				c.setup += identity(tablesS2, 1) + stage2(tablesS2) + setEntry(tablesS2, 3<<30, 1, nowhere|3) +
					setEntry(tables1, 3<<30, 1, 3<<30|3)
				add(c)
				c.name += "/fault"
				c.adapt = func(text string) string {
					if scr&scrEA != 0 {
						text = externalAborts(scr)(text)
					}
					return parLevel(1)(stage2Level(1)(text))
				}
				c.setup += setEntry(tablesS2, 3<<30, 1, 0)
				add(c)
			}
		}
	}
	return cases
}
