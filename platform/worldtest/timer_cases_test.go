package worldtest

import "fmt"

// timerCases are the generic timers: conditions, interrupts and the virtual offset (DDI 0487, D11.2).
func timerCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	pending := "ldr x0, =0x080b0200; ldr w1, [x0]; adr x0, 1f; bl show; b 2f; 1: .asciz \"pending\"; .balign 4; 2:"
	for _, timer := range []struct {
		name, ctl, cval, tval string
		el2                   bool
	}{
		{"physical", "cntp_ctl_el0", "cntp_cval_el0", "cntp_tval_el0", false},
		{"virtual", "cntv_ctl_el0", "cntv_cval_el0", "cntv_tval_el0", false},
		{"hypervisor", "cnthp_ctl_el2", "cnthp_cval_el2", "cnthp_tval_el2", true},
		{"secure", "cntps_ctl_el1", "cntps_cval_el1", "cntps_tval_el1", false},
	} {
		// Values of CVAL and CTL, and what CTL and the interrupt controller say then.
		for _, cval := range []uint64{0, 1 << 62, 1 << 63, ^uint64(0)} {
			for ctl := range uint64(8) {
				add(testCase{name: fmt.Sprintf("timer/%s/cval%x/ctl%x", timer.name, cval, ctl), in: el3, el2: timer.el2,
					body: msr(timer.cval, cval) + msr(timer.ctl, ctl) + "isb; mrs x0, " + timer.ctl + "; show; mrs x0, " + timer.cval +
						"; show; mrs x0, isr_el1; show", after: pending})
			}
		}
		for _, tval := range []uint64{0, 0x7fffffff, 0x80000000, 0xffffffff, 0x1_0000_0000, 0xffffffff_7fffffff} {
			add(testCase{name: fmt.Sprintf("timer/%s/tval%x", timer.name, tval), in: el3, el2: timer.el2,
				body: msr(timer.ctl, 1) + msr(timer.tval, tval) + "isb; mrs x0, " + timer.ctl + "; show; mrs x0, " + timer.tval +
					"; asr x0, x0, #24; show", after: pending})
		}
		// The interrupt at each level, and one that is enabled while it is not masked.
		for w := ns0; w <= el3; w++ {
			for _, scr := range []uint64{0, scrIRQ, scrFIQ} {
				for _, hcr := range []uint64{0, hcrIMO, hcrFMO} {
					c := testCase{name: fmt.Sprintf("timer/%s/interrupt/%s/scr%x/hcr%x", timer.name, w, scr, hcr), in: w, scr: scr,
						hcr: hcr, el2: timer.el2, pstate: psI | psF, resume: 1,
						setup: msr(timer.cval, 0) + msr(timer.ctl, 1), body: "nop"}
					add(c)
				}
			}
		}
		add(testCase{name: fmt.Sprintf("timer/%s/enabled", timer.name), in: el3, scr: scrIRQ | scrFIQ, el2: timer.el2, pstate: psI | psF,
			resume: 1, body: msr(timer.cval, 0) + msr(timer.ctl, 1) + "nop; nop"})
		add(testCase{name: fmt.Sprintf("timer/%s/unmasked", timer.name), in: el3, scr: scrIRQ | scrFIQ, el2: timer.el2, pstate: psI | psF,
			resume: 1, body: msr(timer.cval, 0) + msr(timer.ctl, 3) + "nop; nop; " + msr(timer.ctl, 1) + "nop; nop"})
	}
	// CNTVOFF_EL2 moves the virtual counter and its timer at every level, and is zero where there is no EL2.
	for w := ns0; w <= el3; w++ {
		for _, voff := range []uint64{0, 1 << 40, 0xffff_0000_0000_0000} {
			add(testCase{name: fmt.Sprintf("timer/offset/%s/%x", w, voff), in: w, el2: true,
				setup: msr("cntvoff_el2", voff) + msr("cntkctl_el1", 0x303),
				body: fmt.Sprintf(`
					mrs	x0, cntpct_el0
					isb
					mrs	x1, cntvct_el0
					ldr	x2, =%#x
					add	x0, x0, #0xfff, lsl #12
					sub	x0, x0, x2
					sub	x0, x0, x1		// below 1 << 24, as far as no time passes
					lsr	x0, x0, #25
					show
					mov	x0, #1
					msr	cntv_ctl_el0, x0
					ldr	x0, =0x100000000000
					msr	cntv_cval_el0, x0
					isb
					mrs	x0, cntv_ctl_el0
					show
					msr	cntp_ctl_el0, xzr
					msr	cntp_cval_el0, xzr
					mov	x0, #3
					msr	cntp_ctl_el0, x0
					isb
					mrs	x0, cntp_ctl_el0
					show`, voff)})
		}
	}
	// Frequency: a register of the highest level.
	for w := ns0; w <= el3; w++ {
		add(testCase{name: fmt.Sprintf("timer/frequency/%s", w), in: w, resume: 1, setup: msr("cntkctl_el1", 3),
			body: "mrs x0, cntfrq_el0; show; msr cntfrq_el0, x0; mrs x0, cntfrq_el0; show"})
	}
	return cases
}
