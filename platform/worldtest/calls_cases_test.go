package worldtest

import "fmt"

// smdExit lets the vectors of EL1 and EL2 reach EL3 by CPTR_EL3.TCPAC, where SMC is disabled.
const smdExit = "ldr x0, =vectors_trap; msr vbar_el1, x0\nmov x0, #1 << 31; msr cptr_el3, x0\n"

// callCases are SMC, HVC and SVC (DDI 0487, C6.2 and AArch64.CheckForSMCUndefOrTrap).
func callCases() (cases []testCase) {
	add := func(c testCase) { cases = append(cases, c) }
	for w := ns0; w <= el3; w++ {
		add(testCase{name: fmt.Sprintf("call/svc/%s", w), in: w, body: "svc #0x1234"})
		add(testCase{name: fmt.Sprintf("call/smc/%s", w), in: w, body: "smc #0x1234"})
		add(testCase{name: fmt.Sprintf("call/hvc/no-el2/%s", w), in: w, body: "hvc #0x1234", noEL2: true})
		c := testCase{name: fmt.Sprintf("call/hvc/%s", w), in: w, body: "hvc #0x1234", el2: true}
		switch w {
		case s1:
			// HVC is UNDEFINED at EL1 where EL2 is not enabled in Secure state (C6.2, HVC). QEMU takes every state for Non-secure.
			c.arch = " EL1+200 esr=2000000 elr=body+0 spsr=3c5 at=3c5\n"
		case el3:
			// AArch64.CallHypervisor takes the exception to EL3 there. QEMU goes down to EL2.
			c.arch = " EL3+200 esr=5a001234 elr=body+4 spsr=3cd at=3cd\n"
		}
		add(c)
		add(testCase{name: fmt.Sprintf("call/hvc/hce-off/%s", w), in: w, body: "hvc #0x1234", scrClear: scrHCE, el2: true})
		c = testCase{name: fmt.Sprintf("call/smc/smd/%s", w), in: w, body: "smc #0x1234", scr: scrSMD, setup: smdExit}
		if w == ns2 {
			c.setup += "ldr x0, =vectors_trap; msr vbar_el2, x0"
		}
		add(c)
		add(testCase{name: fmt.Sprintf("call/smc/tsc/%s", w), in: w, body: "smc #0xabcd", hcr: hcrTSC, hvc: w == ns1})
		add(testCase{name: fmt.Sprintf("call/brk/%s", w), in: w, body: "brk #0x77", resume: 1})
		add(testCase{name: fmt.Sprintf("call/undefined/%s", w), in: w,
			body: ".word 0\n.word 0x00001234\n.word 0xffffffff\ndrps\ndcps1 #1\nhlt #1", resume: 6})
	}
	add(testCase{name: "call/eret/ns-el0", in: ns0, body: "eret"})
	add(testCase{name: "call/eret/s-el0", in: s0, body: "eret"})
	for _, insn := range []string{"svc #7", "hvc #7", "smc #7", "brk #7", "udf #0", "ldr x0, [x1]"} {
		setup := "ldr x0, =0x09200000; msr sp_el0, x0"
		add(testCase{name: "call/tge/ns-el0/" + insn, in: ns0, hcr: hcrTGE, setup: setup, body: insn})
	}
	add(testCase{name: "call/tge/s-el0/svc", in: s0, hcr: hcrTGE, body: "svc #7"})
	add(testCase{name: "call/tge/ns-el2/svc", in: ns2, hcr: hcrTGE, body: "svc #7"})
	// HCR_EL2.TSC comes before SCR_EL3.SMD.
	add(testCase{name: "call/smc/tsc-smd", in: ns1, hcr: hcrTSC, scr: scrSMD, body: "smc #1",
		setup: smdExit + "ldr x0, =vectors_trap; msr vbar_el2, x0"})
	// With EL3, HCR_EL2.HCD has no effect.
	add(testCase{name: "call/hvc/hcd", in: ns1, hcr: hcrHCD, body: "hvc #3"})
	// MDCR_EL2.TDE sends BRK to EL2.
	add(testCase{name: "call/brk/tde/ns-el1", in: ns1, el2: true, setup: msr("mdcr_el2", 1<<8), body: "brk #1"})
	add(testCase{name: "call/brk/tde/ns-el0", in: ns0, el2: true, setup: msr("mdcr_el2", 1<<8), body: "brk #1"})
	add(testCase{name: "call/brk/tde/ns-el2", in: ns2, el2: true, setup: msr("mdcr_el2", 1<<8), body: "brk #1"})
	add(testCase{name: "call/brk/tde/s-el1", in: s1, el2: true, setup: msr("mdcr_el2", 1<<8), body: "brk #1"})
	return cases
}
