package worldtest

import (
	"fmt"
	"strings"
)

// pend makes interrupts pending in the redistributor: SGI 1 is in Group 0, SGI 2 in Secure Group 1, SGI 3 in Non-secure
// Group 1 (runtime.c).
func pend(intids ...int) string {
	mask := 0
	for _, n := range intids {
		mask |= 1 << n
	}
	return fmt.Sprintf("ldr x0, =0x080b0200; mov w1, #%#x; str w1, [x0]\n", mask)
}

// interruptCases are the routing and masking of interrupts (DDI 0487, D1.3.6; IHI 0069, 4.6.2).
func interruptCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	type bits struct {
		name string
		v    uint64
	}
	scrs := []bits{{"", 0}, {"-scr.irq", scrIRQ}, {"-scr.fiq", scrFIQ}, {"-scr.irq.fiq", scrIRQ | scrFIQ}}
	hcrs := []bits{{"", 0}, {"-imo", hcrIMO}, {"-fmo", hcrFMO}, {"-imo.fmo", hcrIMO | hcrFMO}, {"-tge", hcrTGE}}
	for i, group := range []string{"g0", "g1s", "g1ns"} {
		intid := i + 1
		for w := ns0; w <= el3; w++ {
			for _, scr := range scrs {
				for _, hcr := range hcrs {
					if hcr.v&hcrTGE != 0 && w == ns1 {
						continue // there is no return to EL1
					}
					for _, masked := range []uint64{0, psI, psF, psI | psF} {
						name := fmt.Sprintf("interrupt/%s/%s%s%s/masked%x", group, w, scr.name, hcr.name, masked>>6)
						body := "nop\nnop\n"
						if w.el() > 0 {
							body += "mrs x0, isr_el1; show\n"
						}
						add(testCase{name: name, in: w, scr: scr.v, hcr: hcr.v, el2: hcr.v != 0, pstate: masked ^ (psI | psF),
							setup: pend(intid), body: body, resume: 1})
					}
				}
			}
		}
		// EL3 with SCR_EL3.NS set is in Secure state.
		add(testCase{name: fmt.Sprintf("interrupt/%s/el3-ns", group), in: el3, scr: scrNS | scrIRQ | scrFIQ, pstate: psI | psF,
			setup: pend(intid), body: "nop\nmrs x0, isr_el1; show", resume: 1})
	}
	// Masks that are lifted in the body, one after the other; FIQ and IRQ pending together.
	for w := ns1; w <= el3; w++ {
		if w == s0 {
			continue
		}
		add(testCase{name: fmt.Sprintf("interrupt/unmask/%s", w), in: w, scr: scrFIQ, setup: pend(1, 3), resume: 3,
			body: "mrs x0, isr_el1; show; nop; msr daifclr, #1; nop; msr daifclr, #2; nop; mrs x0, daif; show"})
		add(testCase{name: fmt.Sprintf("interrupt/both/%s", w), in: w, setup: pend(1, 2, 3), resume: 3, pstate: psI | psF,
			body: "mrs x0, isr_el1; show; nop; msr daifclr, #3; nop; mrs x0, daif; show"})
		for _, src := range []string{"msr daif, x0", "msr daifclr, #3"} {
			add(testCase{name: fmt.Sprintf("interrupt/%s/%s", src, w), in: w, scr: scrIRQ, setup: pend(2), resume: 1,
				body: "mov x0, #0\n" + src + "\nnop\nmrs x0, daif; show"})
		}
	}
	// Pending when an exception return unmasks it or lowers the exception level.
	for _, w := range []world{ns1, ns2, s1, el3} {
		for _, to := range []uint64{0, 4, 5, 9, 0xd} {
			if to>>2 > uint64(w.el()) || to == 9 && w == el3 {
				continue
			}
			for n := 1; n <= 3; n++ {
				add(testCase{name: fmt.Sprintf("interrupt/eret/%s-to-%x/sgi%d", w, to, n), in: w, setup: pend(n), resume: 1, body: fmt.Sprintf(`
				adr	x0, 1f
				msr	elr_el%[1]d, x0
				mov	x0, #%[2]d
				msr	spsr_el%[1]d, x0
				eret
			1:	nop`, w.el(), to)})
			}
		}
	}
	// Virtual interrupts, which HCR_EL2 makes pending (D1.3.6.5).
	for w := ns0; w <= el3; w++ {
		for _, v := range []bits{{"vi", hcrVI | hcrIMO}, {"vf", hcrVF | hcrFMO}, {"vi-vf", hcrVI | hcrIMO | hcrVF | hcrFMO}, {"vi-without-imo", hcrVI | hcrFMO},
			{"vf-without-fmo", hcrVF | hcrIMO}, {"vi-tge", hcrVI | hcrIMO | hcrTGE}, {"vse", hcrVSE | hcrAMO}, {"vse-without-amo", hcrVSE}} {
			if v.v&hcrTGE != 0 && w == ns1 {
				continue
			}
			for _, masked := range []uint64{0, psA | psI | psF} {
				body := "nop\n"
				if w.el() > 0 {
					body = "mrs x0, isr_el1; show\n"
				}
				add(testCase{name: fmt.Sprintf("virtual/%s/%s/masked%x", v.name, w, masked>>6), in: w, hcr: v.v,
					pstate: masked ^ (psA | psI | psF),
					body:   body, resume: 1, after: print("hcr_el2")})
			}
		}
	}
	for _, v := range []bits{{"vi", hcrVI | hcrIMO}, {"vf", hcrVF | hcrFMO}} {
		add(testCase{name: "virtual/both/" + v.name, in: ns1, hcr: v.v, pstate: psI | psF, setup: pend(1, 3), body: "nop", resume: 3})
		add(testCase{name: "virtual/unmask/" + v.name, in: ns1, hcr: v.v, body: "mrs x0, isr_el1; show; msr daifclr, #3; nop", resume: 3})
	}
	// Virtual interrupts of the GIC's list registers (IHI 0069, chapter 6).
	const (
		lr0, ichHCR, ichVMCR = "s3_4_c12_c12_0", "s3_4_c12_c11_0", "s3_4_c12_c11_7"
		pending              = 1<<62 | 0x80<<48 | 40
	)
	for w := ns0; w <= el3; w++ {
		for group := range uint64(2) {
			for _, hcr := range []uint64{0, hcrIMO, hcrFMO, hcrIMO | hcrFMO, hcrIMO | hcrFMO | hcrTGE} {
				if hcr&hcrTGE != 0 && w == ns1 {
					continue
				}
				c := testCase{name: fmt.Sprintf("list/group%d/%s/hcr%x", group, w, hcr), in: w, hcr: hcr, el2: true, pstate: psI | psF,
					setup: msr(ichHCR, 1) + msr(ichVMCR, 0xf8<<24|3) + msr(lr0, pending|group<<60), body: "nop\n",
					after: print(lr0) + msr(lr0, 0) + msr(ichHCR, 0)}
				if w.el() > 0 {
					c.body += "mrs x0, isr_el1; show\n"
				}
				add(c)
				// It is acknowledged, and ended, where it is not taken.
				if w == ns1 {
					c.name += "/acknowledged"
					c.pstate = 0
					// ICC_HPPIR<g>_EL1, IAR, EOIR
					c.body = fmt.Sprintf(`
						mrs	x0, isr_el1; show
						mrs	x0, s3_0_c12_c%[1]d_2; show
						mrs	x0, s3_0_c12_c%[1]d_0; show
						mov	x2, x0
						mrs	x0, isr_el1; show
						msr	s3_0_c12_c%[1]d_1, x2
						msr	daifclr, #3
						nop`, 8+4*group)
					add(c)
				}
			}
		}
	}
	// SGIs that a processor sends to itself, by the three registers, from each state (IHI 0069, 8.2).
	for w := ns1; w <= el3; w++ {
		if w == s0 {
			continue
		}
		for _, reg := range []string{"s3_0_c12_c11_5", "s3_0_c12_c11_6", "s3_0_c12_c11_7"} {
			for n := 1; n <= 3; n++ {
				name := strings.NewReplacer("s3_0_c12_c11_5", "sgi1r", "s3_0_c12_c11_6", "asgi1r", "s3_0_c12_c11_7", "sgi0r").Replace(reg)
				add(testCase{name: fmt.Sprintf("sgi/%s/%s/%d", name, w, n), in: w, resume: 1,
					body:  fmt.Sprintf("ldr x0, =%#x; msr %s, x0; isb; mrs x0, isr_el1; show", n<<24|1, reg),
					after: "ldr x0, =0x080b0200; ldr w1, [x0]; adr x0, 1f; bl show; b 2f; 1: .asciz \"pending\"; .balign 4; 2:"})
			}
		}
	}
	return cases
}
