// Runs at EL3 with its MMU off. Exceptions of the translations under test end in a vector that returns to the caller of
// at_run or el1_run.

	.section .text.start, "ax"
	.global _start
_start:
	ldr	x0, =stack_top
	mov	sp, x0
	ldr	x0, =vectors_el3
	msr	vbar_el3, x0
	ldr	x0, =vectors_el2
	msr	vbar_el2, x0
	isb
	bl	run
	// Semihosting SYS_EXIT, ADP_Stopped_ApplicationExit, status 0.
	ldr	x1, =exit_block
	mov	x0, #0x18
	hlt	#0xf000
	b	.

	.data
	.balign 8
exit_block:
	.quad	0x20026, 0

	.text
	// struct result at_run(u64 va, u64 op, u64 sctlr_el3): x0 is PAR_EL1, or ESR_EL3 when x1 is not zero.
	.global at_run
at_run:
	mrs	x3, sctlr_el3
	adr	x4, at_table
	add	x4, x4, x1, lsl #5
	mov	x1, #0
	br	x4
	.macro	at_op code
	.balign	32
	.inst	0xd5080000 | (\code)
	isb
	mrs	x0, par_el1
	ret
	.endm
	// op1 << 16 | CRm << 8 | op2 << 5, CRn 7
	.balign	32
at_table:
	at_op	0x7800		// S1E1R
	at_op	0x7820		// S1E1W
	at_op	0x7840		// S1E0R
	at_op	0x7860		// S1E0W
	at_op	0x47880		// S12E1R
	at_op	0x478a0		// S12E1W
	at_op	0x478c0		// S12E0R
	at_op	0x478e0		// S12E0W
	at_op	0x47800		// S1E2R
	at_op	0x47820		// S1E2W
	at_op	0x7900		// S1E1RP
	at_op	0x7920		// S1E1WP
	.balign	32
	b	at_s1e3r
	.balign	32
	b	at_s1e3w

	// The page of the probes is mapped to itself in the EL3 regime under test.
	.section .probes, "ax"
	.balign 2048
	.global probes
probes:
	.macro	el1_vector
	.balign	128
	smc	#1
	.endm
	.rept	16
	el1_vector
	.endr
	.balign 2048
	.global probe_el1
probe_el1:
	ldrb	w1, [x0]
	smc	#0
	.balign 64
	.global probe_el0
probe_el0:
	ldrb	w1, [x0]
	svc	#0
	.balign 64
	// x2 is SCTLR_EL3 with the MMU on, x3 what it was.
	.macro	at_el3 code
	msr	sctlr_el3, x2
	isb
	.inst	0xd5080000 | (\code)
	isb
	msr	sctlr_el3, x3
	isb
	mrs	x0, par_el1
	ret
	.endm
at_s1e3r:
	at_el3	0x67800
at_s1e3w:
	at_el3	0x67820

	.balign 2048
vectors_el3:
	.macro	el3_vector target
	.balign	128
	b	\target
	.endm
	.rept	4
	el3_vector hang
	.endr
	el3_vector at_abort
	.rept	3
	el3_vector hang
	.endr
	el3_vector el1_return
	.rept	7
	el3_vector hang
	.endr
hang:
	// Semihosting SYS_EXIT with status 1: no exception is expected there.
	adr	x1, hang_block
	mov	x0, #0x18
	hlt	#0xf000
	b	hang
	.balign	8
hang_block:
	.quad	0x20026, 1
at_abort:
	msr	sctlr_el3, x3
	isb
	mrs	x0, esr_el3
	mov	x1, #1
	msr	elr_el3, x30
	eret
el1_return:
	mrs	x0, esr_el3
	ldr	x1, =saved_sp
	ldr	x1, [x1]
	mov	sp, x1
	ldp	x19, x20, [sp], #16
	ldp	x21, x22, [sp], #16
	ldp	x23, x24, [sp], #16
	ldp	x25, x26, [sp], #16
	ldp	x27, x28, [sp], #16
	ldp	x29, x30, [sp], #16
	ret

	// u64 el1_run(u64 va, u64 pc, u64 spsr): enters the lower level at pc, gives ESR_EL3 of the return.
	.text
	.global el1_run
el1_run:
	stp	x29, x30, [sp, #-16]!
	stp	x27, x28, [sp, #-16]!
	stp	x25, x26, [sp, #-16]!
	stp	x23, x24, [sp, #-16]!
	stp	x21, x22, [sp, #-16]!
	stp	x19, x20, [sp, #-16]!
	ldr	x3, =saved_sp
	mov	x4, sp
	str	x4, [x3]
	msr	elr_el3, x1
	msr	spsr_el3, x2
	isb
	eret

	.balign 2048
vectors_el2:
	.rept	16
	.balign	128
	smc	#2
	.endr

	.data
	.balign 8
saved_sp:
	.quad	0
