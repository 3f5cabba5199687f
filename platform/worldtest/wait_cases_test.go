package worldtest

import "fmt"

// waitCases are traps of WFI and WFE (DDI 0487, D1.3.8, "Traps of WFE and WFI"). A trap needs an instruction that would wait; one
// that does not is made to go on by a pending interrupt.
func waitCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	const nTWI, nTWE = 1 << 16, 1 << 18
	for w := ns0; w <= el3; w++ {
		for _, scr := range []uint64{0, scrTWI | scrTWE} {
			for _, hcr := range []uint64{0, hcrTWI | hcrTWE, hcrTGE, hcrTGE | hcrTWI | hcrTWE} {
				for _, sctlr := range []uint64{0, nTWI | nTWE} {
					if hcr&hcrTGE != 0 && w == ns1 {
						continue
					}
					// Who takes it, by priority: EL1 (or EL2 for it), EL2, EL3.
					target := 0
					switch {
					case w.el() == 0 && sctlr == 0:
						target = 1
						if w == ns0 && hcr&hcrTGE != 0 {
							target = 2
						}
					case w <= ns1 && hcr&hcrTWI != 0:
						target = 2
					case w != el3 && scr != 0:
						target = 3
					}
					name := fmt.Sprintf("%s/scr%x/hcr%x/sctlr%x", w, scr, hcr, sctlr)
					c := testCase{in: w, scr: scr, hcr: hcr, setup: msr("sctlr_el1", 0x30d00800|sctlr)}
					if target != 0 {
						c.name, c.body, c.resume = "wfi/trapped/"+name, "wfi", 1
						add(c)
						// QEMU never traps WFE: to it, it is a hint that does nothing.
						offset := 0x400
						if target == w.el() {
							offset = 0x200
						}
						spsr := 0x3c0 | w.el()<<2
						if w.el() > 0 {
							spsr |= 1
						}
						c.name, c.body, c.alone = "wfe/trapped/"+name, "sevl; wfe; wfe", true
						c.arch = fmt.Sprintf(" EL%d+%x esr=7e00001 elr=body+8 spsr=%x at=%x\n done\n", target, offset, spsr, 0x3c1|target<<2)
						add(c)
						c.alone, c.arch = false, ""
					}
					c.name, c.setup, c.body = "wfi/pending/"+name, c.setup+pend(1), "wfi"
					add(c)
					c.name, c.body = "wfe/event/"+name, "sevl; wfe; sev; wfe"
					add(c)
				}
			}
		}
		// An interrupt ends the wait, whether or not it is masked; so does a virtual one.
		add(testCase{name: fmt.Sprintf("wfi/timer/%s", w), in: w, body: "wfi; nop", resume: 1,
			setup: "mrs x0, cntpct_el0; add x0, x0, #4095; msr cntp_cval_el0, x0; mov x0, #1; msr cntp_ctl_el0, x0\n" +
				msr("sctlr_el1", 0x30d00800|nTWI|nTWE)})
	}
	for _, w := range []world{ns0, ns1} {
		add(testCase{name: fmt.Sprintf("wfi/virtual/%s", w), in: w, hcr: hcrVI | hcrIMO, body: "wfi; nop",
			setup: msr("sctlr_el1", 0x30d00800|nTWI|nTWE)})
		add(testCase{name: fmt.Sprintf("wfi/virtual-taken/%s", w), in: w, hcr: hcrVI | hcrIMO, pstate: psI, body: "wfi; nop",
			setup: msr("sctlr_el1", 0x30d00800|nTWI|nTWE)})
	}
	return cases
}
