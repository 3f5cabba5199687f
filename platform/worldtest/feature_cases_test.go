package worldtest

import "fmt"

// featureCases are extensions of the process state that max has and Cortex-A57 has not (DDI 0487, D1.4 and D8.4), alignment, and debug
// registers.
func featureCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	ldr := func(reg string, v uint64) string { return fmt.Sprintf("ldr %s, =%#x\n", reg, v) }
	const (
		pan, uao, ssbs = "s3_0_c4_c2_3", "s3_0_c4_c2_4", "s3_3_c4_c2_6"
		psUAO, psSSBS  = 1 << 23, 1 << 12
		span, dssbs    = 1 << 23, 1 << 44
	)
	// Literals would be read from a page of EL0.
	pages := fmt.Sprintf("mov x1, #%#x; add x2, x1, #1, lsl #12; add x1, x1, #8; add x2, x2, #8\n", uint64(page))
	for w := ns0; w <= el3; w++ {
		base, on := regime(w)
		user := identity(base, 0) + mapPage(base, page, scratch|descPage|descUser) + mapPage(base, page+0x1000, scratch|descPage) + on
		for _, state := range []uint64{0, psPAN, psUAO, psPAN | psUAO} {
			// Accesses to a page of EL0 and to one that is not.
			add(testCase{name: fmt.Sprintf("pan/%s/%x", w, state), in: w, pstate: state, setup: user, only: "max", resume: 20, body: pages + `
				ldr	x0, [x1]; show
				str	x0, [x1]
				ldtr	x0, [x1]; show
				sttr	x0, [x1]
				ldr	x0, [x2]; show
				str	x0, [x2]
				ldtr	x0, [x2]; show
				sttr	x0, [x2]
				ldadd	x0, x3, [x1]
				prfm	pldl1keep, [x1]`})
			if w.el() == 1 {
				add(testCase{name: fmt.Sprintf("pan/at/%s/%x", w, state), in: w, pstate: state, setup: user, only: "max", resume: 20, body: pages + `
					at	s1e1r, x1; mrs x0, par_el1; show
					at	s1e0w, x1; mrs x0, par_el1; show
					at	s1e1rp, x1; mrs x0, par_el1; show
					at	s1e1wp, x1; mrs x0, par_el1; show
					at	s1e1rp, x2; mrs x0, par_el1; show
					at	s1e1wp, x2; mrs x0, par_el1; show`})
			}
			// The saved state, and the one at each vector, by SCTLR_ELx.SPAN and DSSBS.
			for _, sctlr := range []uint64{0, span, dssbs, span | dssbs} {
				c := testCase{name: fmt.Sprintf("pstate/%s/%x/sctlr%x", w, state, sctlr), in: w, pstate: state | state<<11&psSSBS,
					only: "max", body: "svc #1",
					setup: msr("sctlr_el1", 0x30500800|sctlr) + msr("sctlr_el2", 0x30c50830|sctlr&dssbs) +
						msr("sctlr_el3", 0x30c50830|sctlr&dssbs)}
				add(c)
				c.name += "/smc"
				c.body = "smc #1"
				add(c)
				if w <= ns1 {
					c.name += "/hvc"
					c.body = "hvc #1"
					c.el2 = true
					add(c)
					if w == ns0 {
						c.name += "/tge"
						c.hcr = hcrTGE
						add(c)
					}
				}
			}
		}
		add(testCase{name: fmt.Sprintf("pstate/registers/%s", w), in: w, only: "max", resume: 20, body: `
			mrs	x0, ` + ssbs + `; show
			mov	x0, #~0
			msr	` + ssbs + `, x0
			mrs	x0, ` + ssbs + `; show
			.inst	0xd503403f	// msr ssbs, #0
			mrs	x0, ` + ssbs + `; show
			.inst	0xd503413f	// msr ssbs, #1
			mrs	x0, ` + ssbs + `; show
			mrs	x0, ` + pan + `; show
			mov	x0, #~0
			msr	` + pan + `, x0
			mrs	x0, ` + pan + `; show
			msr	pan, #0
			mrs	x0, ` + pan + `; show
			msr	pan, #1
			mrs	x0, ` + pan + `; show
			mov	x0, #~0
			msr	` + uao + `, x0
			mrs	x0, ` + uao + `; show
			msr	uao, #0
			mrs	x0, ` + uao + `; show
			msr	uao, #1
			mrs	x0, ` + uao + `; show
			svc	#1`})
		// Cortex-A57 has none of them: UNDEFINED, and RES0 in a saved state.
		add(testCase{name: fmt.Sprintf("pstate/absent/%s", w), in: w, only: "cortex-a57", resume: 20, pstate: psPAN | psUAO | psSSBS, body: `
			mrs	x0, ` + ssbs + `
			msr	` + pan + `, x0
			mrs	x0, ` + uao + `
			.inst	0xd500419f	// msr pan, #1
			.inst	0xd500417f	// msr uao, #1
			.inst	0xd503413f	// msr ssbs, #1
			.inst	0xd5087901	// at s1e1rp, x1
			svc	#1`})

		// SCTLR_ELx.A, and accesses that must be aligned always.
		sctlr := fmt.Sprintf("sctlr_el%d", max(w.el(), 1))
		for _, a := range []string{"", "/a"} {
			c := testCase{name: fmt.Sprintf("alignment/%s%s", w, a), in: w, setup: identity(base, 0) + on, resume: 40, body: ldr("x1", scratch+1) + `
				ldr	x0, [x1]; show
				str	x0, [x1]
				ldrh	w0, [x1]; show
				strh	w0, [x1]
				ldrb	w0, [x1]; show
				ldp	x2, x3, [x1, #16]; mov x0, x3; show
				stp	x2, x3, [x1, #16]
				ldr	q0, [x1, #15]
				str	q0, [x1, #15]
				ldr	q0, [x1]
				ldr	d0, [x1]
				ldr	w0, [x1, #3]!; show
				ldxr	x0, [x1]
				ldxp	x2, x3, [x1]
				ldar	w0, [x1, #0]
				add	x1, x1, #1
				ldar	w0, [x1]
				stlr	w0, [x1]
				stlrh	w0, [x1]
				ldaxrb	w0, [x1]
				stlxrb	w4, w0, [x1]`}
			if a != "" {
				c.setup += "mrs x0, " + sctlr + "; orr x0, x0, #2; msr " + sctlr + ", x0\n"
				if w == el3 {
					continue // the program itself makes no promise
				}
			}
			add(c)
		}
		// The stack pointer as a base, and unaligned accesses to Device memory: QEMU checks neither.
		target, offset, status := max(w.el(), 1), 0x200, 0x3c1|w.el()<<2
		ec := uint64(0x25)
		if w.el() == 0 {
			offset, status, ec = 0x400, 0x3c0, 0x24
		}
		line := func(esr uint64, elr string, more string) string {
			return fmt.Sprintf(" EL%d+%x esr=%x elr=body+%s spsr=%x%s at=%x\n", target, offset, esr, elr, status, more, 0x3c1|target<<2)
		}
		add(testCase{name: fmt.Sprintf("alignment/sp/%s", w), in: w, alone: true,
			setup: "mrs x0, " + sctlr + "; orr x0, x0, #0x18; msr " + sctlr + ", x0\n", resume: 2,
			body: "mov x2, sp; add sp, sp, #8; ldr x0, [sp]; str x0, [sp, #8]!; mov sp, x2; ldr x0, [sp]",
			arch: line(0x26<<26|1<<25, "8", "") + line(0x26<<26|1<<25, "c", "") + " done\n"})
		add(testCase{name: fmt.Sprintf("alignment/device/%s", w), in: w, alone: true,
			setup: identity(base, 0) + mapPage(base, page, scratch|descPage|descUser|1<<2) + on, resume: 2,
			body: ldr("x1", page+1) + "ldr x0, [x1]; str x0, [x1]; ldrb w0, [x1]; show",
			arch: line(ec<<26|1<<25|0x21, "4", " far=60000001") + line(ec<<26|1<<25|0x61, "8", " far=60000001") + " x0=0\n done\n"})

		// Debug registers hold what is written; the OS lock.
		if w.el() > 0 {
			body := "mrs x0, oslsr_el1; show; mov x0, #1; msr oslar_el1, x0; mrs x0, oslsr_el1; show; mrs x0, mdscr_el1; show; msr oslar_el1, xzr; mrs x0, oslsr_el1; show\n"
			for _, reg := range []string{"mdscr_el1", "dbgbvr0_el1", "dbgbcr0_el1", "dbgbvr5_el1", "dbgbcr5_el1", "dbgwvr0_el1",
				"dbgwcr0_el1", "dbgwvr3_el1", "dbgwcr3_el1", "dbgbvr6_el1", "dbgwvr4_el1", "osdlr_el1"} {
				body += "ldr x0, =0x1e4; msr " + reg + ", x0; mrs x0, " + reg + "; show\nmsr " + reg + ", xzr; mrs x0, " + reg + "; show\n"
			}
			add(testCase{name: fmt.Sprintf("debug/%s", w), in: w, resume: 20, body: body, after: msr("mdscr_el1", 0)})
		}
	}
	// The geometry of the caches.
	for n := range uint64(8) {
		cases = append(cases, testCase{name: fmt.Sprintf("cache/%d", n), in: el3, only: "cortex-a57",
			body: msr("csselr_el1", n) + "isb; mrs x0, csselr_el1; show; mrs x0, ccsidr_el1; show; mrs x0, clidr_el1; show; mrs x0, ctr_el0; show; msr csselr_el1, xzr"})
	}
	return cases
}

// controlCases write all ones and zeros to control registers and read them back, as far as bits have a meaning without AArch32.
func controlCases() (cases []testCase) {
	for _, reg := range []struct {
		name string
		mask uint64 // bits that are compared
	}{
		{"scr_el3", ^uint64(0)}, {"hcr_el2", (1<<34 - 1) &^ hcrRW}, {"cptr_el3", 1<<31 | 1<<20 | 1<<10}, {"cpacr_el1", 1<<28 | 3<<20}, {"csselr_el1", ^uint64(0)},
		{"fpcr", 0x1f << 22}, {"fpsr", ^uint64(0)}, {"nzcv", ^uint64(0)}, {"cntkctl_el1", 0x3ff}, {"cnthctl_el2", 0xff}, {"pmuserenr_el0", ^uint64(0)},
		{"tpidr_el0", ^uint64(0)}, {"tpidrro_el0", ^uint64(0)}, {"tpidr_el1", ^uint64(0)}, {"tpidr_el2", ^uint64(0)},
		{"vpidr_el2", 1<<32 - 1}, {"vmpidr_el2", ^uint64(0)}, {"contextidr_el1", 1<<32 - 1}, {"mair_el1", ^uint64(0)}, {"far_el1", ^uint64(0)}, {"elr_el1", ^uint64(0)},
		{"cntvoff_el2", ^uint64(0)}, {"cntp_cval_el0", ^uint64(0)}, {"hstr_el2", 1<<16 - 1}, {"dacr32_el2", 1<<32 - 1}, {"ifsr32_el2", 1<<32 - 1},
		{"esr_el1", 1<<32 - 1}, {"mdcr_el3", 0x30600}, {"vbar_el1", ^uint64(0x7ff)},
	} {
		for _, v := range []uint64{^uint64(0), 0, 0x5555555555555555} {
			c := testCase{name: fmt.Sprintf("control/%s/%x", reg.name, v&0xff), in: el3, only: "cortex-a57",
				el2: reg.name == "hcr_el2" || reg.name[len(reg.name)-1] == '2'}
			c.body = fmt.Sprintf(`
				mrs	x2, scr_el3
				mrs	x4, cptr_el3
				ldr	x1, =%#x
				msr	%[2]s, x1
				mrs	x0, %[2]s
				msr	scr_el3, x2
				msr	cptr_el3, x4
				ldr	x3, =%#[3]x
				and	x0, x0, x3
				show`, v, reg.name, reg.mask)
			cases = append(cases, c)
		}
	}
	return cases
}
