package main

import "testing"

// A processor that CPU_ON starts enters the highest exception level of the normal world, even if the caller has left that one.
func TestStartedInEL2(t *testing.T) {
	path := image(t, func(p *code) {
		start := len(*p)
		p.word(0) // B over the second processor's part
		second := len(*p)
		p.word(0xd5384248)             // MRS X8, CurrentEL
		p.word(0xd342fd08, 0x1100c108) // LSR X8, X8, #2; ADD W8, W8, #'0'
		p.mov(9, 0x09000000)
		p.word(0xb9000128) // STR W8, [X9]
		p.semihost(0x18, 0x20026, 0)
		(*p)[start] = 0x14000000 | uint32(len(*p)-start)
		// To EL1: HCR_EL2.RW, SPSR_EL2 with EL1h and interrupts masked.
		p.mov(8, 1<<31)
		p.word(0xd51c1108) // MSR HCR_EL2, X8
		p.mov(8, 0x3c5)
		p.word(0xd51c4008) // MSR SPSR_EL2, X8
		p.adr(8, len(*p)+3)
		p.word(0xd51c4028) // MSR ELR_EL2, X8
		p.word(0xd69f03e0) // ERET
		p.mov(0, 0xc4000003)
		p.mov(1, 1)
		p.adr(2, second)
		p.mov(3, 0)
		p.word(0xd4000003, insWFI, insSelf) // SMC
	})
	for _, machine := range []string{"virt,virtualization=on", "virt,virtualization=on,secure-world=none"} {
		if r := gatehouse("boot", "-kernel", path, "-smp", "2", "-M", machine, "-timeout", "20s"); r != (result{stdout: "2"}) {
			t.Errorf("%s: %+v", machine, r)
		}
	}
}
