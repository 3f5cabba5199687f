package worldtest

import "fmt"

// vectorCases are the choice of the vector, the process state at its entry, and the stack pointers (DDI 0487, D1.3 and D1.2).
func vectorCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	for w := ns0; w <= el3; w++ {
		// The saved and the new masks, from every combination of masks; the stack pointer of EL0 and of the level itself.
		for daif := range uint64(16) {
			for sp := range uint64(2) {
				if sp == 1 && w.el() == 0 {
					continue
				}
				body := "mrs x0, daif; show; mrs x0, currentel; show; mrs x0, spsel; show; mov x0, sp; show; mrs x0, nzcv; show; udf #0"
				if w.el() == 0 {
					body = "mov x0, sp; show; mrs x0, nzcv; show; udf #0"
				}
				add(testCase{name: fmt.Sprintf("vector/%s/daif%x/sp%d", w, daif, sp), in: w, body: body,
					pstate: daif<<6 | daif<<28 | sp})
			}
		}
		if w.el() > 0 {
			add(testCase{name: fmt.Sprintf("sp/select/%s", w), in: w, body: `
				mov	x0, sp; show
				msr	spsel, #0
				mov	x0, sp; show
				add	sp, sp, #16
				udf	#0			// goes to the vectors of SP_EL0
				msr	spsel, #1
				mov	x0, sp; show
				mrs	x0, sp_el0; show
				mrs	x0, spsel; show
				mov	x0, #0
				msr	spsel, x0
				mrs	x0, spsel; show
				mov	x0, #~0
				msr	spsel, x0
				mrs	x0, spsel; show`, resume: 1})
		}
		for n, reg := range []string{"sp_el0", "sp_el1", "sp_el2", "s3_7_c4_c1_0"} {
			for sp := range uint64(2) {
				if sp == 1 && w.el() == 0 {
					continue
				}
				add(testCase{name: fmt.Sprintf("sp/access/%s/sp_el%d/sp%d", w, n, sp), in: w, pstate: sp, resume: 2,
					body: "mrs x0, " + reg + "; show; ldr x0, =0x40255550; msr " + reg + ", x0; mov x0, sp; show"})
			}
		}
		c := testCase{name: fmt.Sprintf("msr-immediate/%s", w), in: w, resume: 12, body: `
				msr	daifset, #15
				msr	daifclr, #4
				msr	spsel, #1
				.word	0xd500405f | 3 << 5		// no such field
				.word	0xd500405f | 7 << 16 | 6 << 5
				mrs	x0, daif
				show`}
		if w.el() == 0 {
			// The syndrome holds op1 = 3 and op2 = 6 or 7 of MSR DAIFSet and DAIFClr, with CRn = 4 and CRm = the immediate
			// (D19.2.37, EC 0x18). QEMU exchanges op1 and op2.
			c.arch = " EL1+400 esr=620cd3fe elr=body+0 spsr=3c0 at=3c5\n EL1+400 esr=620ed3e8 elr=body+4 spsr=3c0 at=3c5\n" +
				" EL1+400 esr=2000000 elr=body+8 spsr=3c0 at=3c5\n EL1+400 esr=2000000 elr=body+c spsr=3c0 at=3c5\n" +
				" EL1+400 esr=2000000 elr=body+10 spsr=3c0 at=3c5\n EL1+400 esr=6232d005 elr=body+14 spsr=3c0 at=3c5\n x0=10000\n done\n"
		}
		add(c)
		if w.el() > 0 {
			add(testCase{name: fmt.Sprintf("elr-spsr/%s", w), in: w, resume: 20, body: `
				ldr	x1, =0x123456789abcdef3
				msr	elr_el1, x1
				mrs	x0, elr_el1; show
				msr	elr_el2, x1
				mrs	x0, elr_el2; show
				msr	elr_el3, x1
				mrs	x0, elr_el3; show
				mov	x1, #0x3c5
				msr	spsr_el1, x1
				mrs	x0, spsr_el1; show
				msr	spsr_el2, x1
				mrs	x0, spsr_el2; show
				msr	spsr_el3, x1
				mrs	x0, spsr_el3; show`})
		}
	}
	// The top bits of a vector base are kept.
	for _, reg := range []string{"vbar_el1", "vbar_el2", "vbar_el3"} {
		add(testCase{name: "vbar/" + reg, in: el3, el2: reg == "vbar_el2", body: fmt.Sprintf(`
				mrs	x1, vbar_el3
				ldr	x0, =0xffff800012345800
				msr	%[1]s, x0
				mrs	x0, %[1]s
				msr	vbar_el3, x1
				show`, reg)})
	}
	// Bits 10 to 0 of VBAR_ELx are RES0: an exception never takes them into the address. QEMU clears bits 4 to 0 only.
	add(testCase{name: "vbar/unaligned", in: ns1, setup: "ldr x0, =vectors_el1 + 0x280; msr vbar_el1, x0", body: "svc #5",
		arch: " EL1+200 esr=56000005 elr=body+4 spsr=3c5 at=3c5\n"})
	return cases
}
