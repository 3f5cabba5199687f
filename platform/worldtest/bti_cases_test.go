package worldtest

import (
	"fmt"
	"strings"
)

// btiCases are FEAT_BTI (DDI 0487, D8.4.5), which max has: every kind of indirect branch to every kind of instruction, in guarded pages and
// from them, with SCTLR_ELx.BT, and PSTATE.BTYPE in saved states.
func btiCases() (cases []testCase) {
	const (
		guarded = 1 << 50
		code    = 0x40000000 | 0x7c1 // the block that holds the cases, as identity has it
	)
	for w := ns0; w <= el3; w++ {
		base, on := regime(w)
		for _, gp := range []uint64{0, guarded} {
			for _, bt := range []uint64{0, 1 << 35, 1 << 36, 3 << 35} {
				if bt != 0 && gp == 0 {
					continue
				}
				sctlr := fmt.Sprintf("sctlr_el%d", max(w.el(), 1))
				setup := identity(base, 0) + setEntry(base, 0x40100000, 2, code|gp) + on +
					fmt.Sprintf("mrs x0, %s; ldr x1, =%#x; orr x0, x0, x1; msr %[1]s, x0; isb\n", sctlr, bt)
				for i, target := range []string{"nop", "bti", "bti c", "bti j", "bti jc", "paciasp", "pacibsp", "brk #3", "autiasp", "ldr x9, [x1]"} {
					c := testCase{name: fmt.Sprintf("bti/%s/%d/%x/%d", w, gp>>50, bt>>35, i), in: w, only: "max", resume: 30, setup: setup,
						scr: scrAPK | scrAPI, el2: w == ns2, noEL2: w == ns0 || w == ns1}
					c.body = fmt.Sprintf("ldr x1, =%#x\n", uint64(scratch))
					// A target that is refused is resumed at the nop behind it, with the same BTYPE, and refused again; then the branch that follows
					// it is tried.
					for _, branch := range []string{"br x0", "br x16", "br x17", "blr x0", "blr x16", "ret x0"} {
						_, reg, _ := strings.Cut(branch, " ")
						c.body += fmt.Sprintf("adr %s, 1f; %s; nop\n1: %s; nop\n", reg, branch, target)
					}
					cases = append(cases, c)
				}
			}
		}
		// What a saved state holds: a branch to where nothing is, and a return with each BTYPE.
		for btype := range uint64(4) {
			for _, gp := range []uint64{0, guarded} {
				cases = append(cases, testCase{name: fmt.Sprintf("bti/return/%s/%d/%x", w, gp>>50, btype), in: w, only: "max", resume: 4, pstate: btype << 10,
					setup: identity(base, 0) + setEntry(base, 0x40100000, 2, code|gp) + on,
					body:  "bti jc; nop; adr x0, 1f; br x0; nop\n1: bti j; mov x0, #0x70000000; br x0"})
			}
		}
	}
	return cases
}
