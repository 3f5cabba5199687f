package worldtest

import "fmt"

// returnCases are exception returns, legal and not (DDI 0487, D1.4.4, AArch64.ExceptionReturn).
func returnCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	eret := func(w world, spsr uint64) string {
		return fmt.Sprintf("adr x0, 1f\nmsr elr_el%d, x0\nldr x0, =%#x\nmsr spsr_el%d, x0\neret\nudf #0\n1: mov x0, sp\n", w.el(), spsr, w.el())
	}
	for _, w := range []world{ns1, ns2, s1, el3} {
		for _, ns := range []bool{false, true} {
			if ns && w != el3 {
				continue
			}
			for m := range uint64(32) {
				name := fmt.Sprintf("eret/%s/m%02x", w, m)
				if ns {
					name = fmt.Sprintf("eret/el3-ns/m%02x", m)
				}
				c := testCase{name: name, in: w, body: eret(w, m|0xa0000000|psA|psI)}
				if ns {
					c.scr = scrNS
				}
				el2 := m&^1 == 8
				c.el2 = w == ns2
				if m == 0x10 {
					// EL0 in AArch32 state: QEMU's Cortex-A57 and max have it, this machine's processors do not
					// (ID_AA64PFR0_EL1.EL0 is 1), which makes the return illegal.
					c.alone = true
					c.arch = fmt.Sprintf(" EL%[1]d+200 esr=3a000000 elr=body+18 spsr=a01001%02[2]x at=3c%[3]x\n", w.el(), 0x80|w.el()<<2|1, w.el()<<2|1)
				}
				add(c)
				if el2 && w == el3 {
					cases[len(cases)-1].name += "/el2"
				}
			}
		}
		add(testCase{name: fmt.Sprintf("eret/%s/il", w), in: w, body: eret(w, uint64(w.el())<<2|1|0x3c0|psIL)})
		add(testCase{name: fmt.Sprintf("eret/%s/il-el0", w), in: w, body: eret(w, 0x3c0|psIL)})
		add(testCase{name: fmt.Sprintf("eret/%s/illegal-twice", w), in: w, body: eret(w, 0xe) + "svc #1"})
		// Other bits of SPSR_ELx do not matter.
		add(testCase{name: fmt.Sprintf("eret/%s/all-ones", w), in: w, body: eret(w, 0x0f0fec00|uint64(w.el())<<2|1|0x3c0)})
	}
	for _, to := range []uint64{0, 4, 5, 8, 9} {
		add(testCase{name: fmt.Sprintf("eret/tge/el2-to-%x", to), in: ns2, hcr: hcrTGE, body: eret(ns2, to|0x3c0)})
		add(testCase{name: fmt.Sprintf("eret/tge/el3-to-%x", to), in: el3, scr: scrNS, hcr: hcrTGE, body: eret(el3, to|0x3c0)})
		add(testCase{name: fmt.Sprintf("eret/tge/el3-secure-to-%x", to), in: el3, hcr: hcrTGE, body: eret(el3, to|0x3c0)})
	}
	// The illegal state comes before the instruction, but after its fetch.
	for w := ns0; w <= el3; w++ {
		for _, insn := range []string{"nop", "svc #1", "smc #1", "hvc #1", "udf #0", "ldr x0, [x1]", "wfi", "mrs x0, s3_7_c1_c0_1"} {
			add(testCase{name: fmt.Sprintf("il/%s/%s", w, insn), in: w, pstate: psIL, body: insn, resume: 1})
		}
	}
	// A return to an address that is not a multiple of 4.
	for _, to := range []struct {
		from world
		spsr uint64
	}{{ns1, 0x3c5}, {ns1, 0x3c0}, {ns2, 0x3c9}, {ns2, 0x3c5}, {el3, 0x3cd}, {el3, 0x3c5}, {el3, 0x3c0}} {
		for low := range 3 {
			add(testCase{name: fmt.Sprintf("eret/%s/pc-alignment/%x/%d", to.from, to.spsr, low+1), in: to.from, body: fmt.Sprintf(`
				adr	x0, 1f + %[1]d
				msr	elr_el%[2]d, x0
				mov	x0, #%[3]d
				msr	spsr_el%[2]d, x0
				eret
			1:	nop`, low+1, to.from.el(), to.spsr)})
		}
	}
	for w := ns0; w <= el3; w++ {
		add(testCase{name: fmt.Sprintf("pc-alignment/%s", w), in: w, body: "adr x0, 1f + 2; ret x0; 1: nop"})
	}
	add(testCase{name: "pc-alignment/tge", in: ns0, hcr: hcrTGE, body: "adr x0, 1f + 2; ret x0; 1: nop"})
	// An exception to EL1 or EL2 does not touch the other levels' registers.
	for _, w := range []world{ns0, ns1} {
		add(testCase{name: fmt.Sprintf("banked/%s", w), in: w, el2: true, body: "svc #3",
			setup: msr("elr_el2", 0x1234) + msr("spsr_el2", 0x3c9) + msr("esr_el2", 0x5678),
			after: print("elr_el2") + print("spsr_el2") + print("esr_el2")})
	}
	return cases
}
