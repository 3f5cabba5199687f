/* Code that faults. Each f_NAME is a function whose faulting instruction is at at_NAME; x0 is its argument. */

	.macro	snippet name
	.text
	.global	f_\name
	.global	at_\name
	.type	f_\name, %function
f_\name:
	.endm

	.macro	one name, instruction:vararg
	snippet	\name
at_\name:
	\instruction
	ret
	.endm

	one	none, nop
	one	udf, udf #0x1234
	one	unallocated, .inst 0x02000000
	one	hcr, mrs x0, hcr_el2
	one	midr, msr S3_0_C0_C0_0, x0
	one	hlt, hlt #1
	one	svc, svc #0x1234
	one	brk, brk #0xabcd
	one	load, ldr x0, [x0]
	one	load32, ldr w0, [x0]
	one	load8, ldrb w0, [x0]
	one	store, str x0, [x0]
	one	load_exclusive, ldxr x1, [x0]
	one	load_acquire, ldar x1, [x0]
	one	fp, fmov d0, xzr
	one	jump, br x0

	snippet	hvc
	stp	x29, x30, [sp, #-16]!
	mov	x2, x0
at_hvc:
	hvc	#0x1234
	stp	x0, x1, [x2]
	ldp	x29, x30, [sp], #16
	ret

	snippet	svc_sp0
	msr	spsel, #0
at_svc_sp0:
	svc	#0x55
	ret

	snippet	sp
	mov	x1, sp
	sub	x1, x1, #8
	mov	sp, x1
at_sp:
	ldr	x0, [sp]
	add	sp, x1, #8
	ret

/* ERET to an exception level that cannot be returned to: PSTATE.IL is set and the next instruction faults. */
	snippet	illegal
	mov	x1, #0x3cd			/* EL3h */
	msr	spsr_el1, x1
	adr	x1, at_illegal
	msr	elr_el1, x1
	isb
	eret
at_illegal:
	nop
	ret

	snippet	illegal_il
	mov	x1, #0x3c5
	orr	x1, x1, #(1 << 20)		/* SPSR_EL1.IL */
	msr	spsr_el1, x1
	adr	x1, at_illegal_il
	msr	elr_el1, x1
	isb
	eret
at_illegal_il:
	nop
	ret

/* x0 points to {pc, x1}: enters EL0 there. */
	.global	f_user
	.type	f_user, %function
f_user:
	ldp	x2, x1, [x0]
	mov	x3, #0x3c0			/* EL0t, DAIF masked */
	msr	spsr_el1, x3
	msr	elr_el1, x2
	isb
	eret

/* Copied to a page that EL0 may execute. */
	.balign	8
	.global	user_code
	.global	user_code_end
user_code:
	.macro	user name, instruction:vararg
	.global	u_\name
u_\name:
	\instruction
	b	.
	.endm
	user	svc, svc #7
	user	brk, brk #9
	user	load, ldr x0, [x1]
	user	store, str x0, [x1]
	user	jump, br x1
	user	sctlr, mrs x5, sctlr_el1
	user	hvc, hvc #0
	user	smc, smc #0
	user	eret, eret
	user	daif, msr daifset, #2
	user	cntvct, mrs x5, cntvct_el0
	user	ctr, mrs x5, ctr_el0
	user	zva, dc zva, x5
	user	wfi, wfi
	user	fp, fmov d0, xzr
user_code_end:
