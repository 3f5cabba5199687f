// Start-up, exception vectors and the way into a case and out of it. EL3 alone has memory of its own: the vectors of EL2 and EL1
// hand every exception up with an SMC whose immediate names the vector, and EL3 reads what the exception left in their registers.

	.equ	HANDLER_STACK, 0x0e080000
	.equ	MAIN_STACK, 0x0e0c0000
	.equ	CASE_STACK, 0x0e0f0000
	.equ	SECONDARY_STACK, 0x0e0d0000

	.section .text.start, "ax"
	.global _start
_start:
	msr	daifset, #15
	mrs	x0, mpidr_el1
	and	x0, x0, #0xffff
	cbnz	x0, secondary
	ldr	x0, =MAIN_STACK
	mov	sp, x0
	ldr	x0, =bss_start
	ldr	x1, =bss_end
1:	cmp	x0, x1
	b.hs	2f
	stp	xzr, xzr, [x0], #16
	b	1b
2:	ldr	x0, =bodies_start
	ldr	x1, =bodies_end
	ldr	x2, =bodies_load
3:	cmp	x0, x1
	b.hs	4f
	ldp	x3, x4, [x2], #16
	stp	x3, x4, [x0], #16
	b	3b
4:	adr	x0, vectors_el3
	msr	vbar_el3, x0
	isb
	bl	run
	mov	x0, #0
	.global leave_program
leave_program:			// semihosting SYS_EXIT, ADP_Stopped_ApplicationExit, status x0
	ldr	x1, =0x20026
	stp	x1, x0, [sp, #-16]!
	mov	x1, sp
	mov	x0, #0x18
	hlt	#0xf000
	b	.

// The other processors start here as well, and wait until the first has a task for them.
secondary:
	ldr	x1, =secondary_task
1:	wfe
	ldr	x2, [x1]
	cbz	x2, 1b
	ldr	x3, =SECONDARY_STACK
	mov	sp, x3
	blr	x2
	b	.
	.ltorg

// struct frame of runtime.c.
	.equ	FRAME_X30, 240
	.equ	FRAME_SP, 248
	.equ	FRAME_ELR, 256
	.equ	FRAME_SPSR, 264
	.equ	FRAME_ESR, 272
	.equ	FRAME_FAR, 280
	.equ	FRAME_VECTOR, 288
	.equ	FRAME_PSTATE, 296
	.section .frame, "aw", %nobits
frame:	.space	304
context:
	.space	112

	.section .text.vectors, "ax"
	.balign	2048
	.global vectors_el3
vectors_el3:
	.set	n, 0
	.rept	16
	.balign	128
	msr	tpidr_el3, x30
	movz	x30, #0x0e00, lsl #16	// frame
	stp	x0, x1, [x30]
	mov	x0, #n
	b	save
	.set	n, n + 1
	.endr

save:
	stp	x2, x3, [x30, #16]
	stp	x4, x5, [x30, #32]
	stp	x6, x7, [x30, #48]
	stp	x8, x9, [x30, #64]
	stp	x10, x11, [x30, #80]
	stp	x12, x13, [x30, #96]
	stp	x14, x15, [x30, #112]
	stp	x16, x17, [x30, #128]
	stp	x18, x19, [x30, #144]
	stp	x20, x21, [x30, #160]
	stp	x22, x23, [x30, #176]
	stp	x24, x25, [x30, #192]
	stp	x26, x27, [x30, #208]
	stp	x28, x29, [x30, #224]
	mrs	x1, tpidr_el3
	mov	x2, sp
	stp	x1, x2, [x30, #FRAME_X30]
	mrs	x1, elr_el3
	mrs	x2, spsr_el3
	stp	x1, x2, [x30, #FRAME_ELR]
	mrs	x1, esr_el3
	mrs	x2, far_el3
	stp	x1, x2, [x30, #FRAME_ESR]
	mrs	x1, daif
	mrs	x2, spsel
	orr	x1, x1, x2
	mrs	x2, currentel
	orr	x1, x1, x2
	stp	x0, x1, [x30, #FRAME_VECTOR]
	mov	x0, x30
	ldr	x1, =HANDLER_STACK
	mov	sp, x1
	bl	handle
	cbz	x0, leave
	movz	x30, #0x0e00, lsl #16
	ldp	x1, x2, [x30, #FRAME_ELR]
	msr	elr_el3, x1
	msr	spsr_el3, x2
	ldr	x1, [x30, #FRAME_SP]
	mov	sp, x1
	b	restore

// void enter(const u64 x[31], u64 pc, u64 spsr): the case runs until handle says that it is over.
	.global enter
enter:
	ldr	x3, =context
	stp	x19, x20, [x3]
	stp	x21, x22, [x3, #16]
	stp	x23, x24, [x3, #32]
	stp	x25, x26, [x3, #48]
	stp	x27, x28, [x3, #64]
	stp	x29, x30, [x3, #80]
	mov	x4, sp
	str	x4, [x3, #96]
	msr	elr_el3, x1
	msr	spsr_el3, x2
	ldr	x3, =CASE_STACK
	mov	sp, x3
	mov	x30, x0
restore:
	ldp	x0, x1, [x30]
	ldp	x2, x3, [x30, #16]
	ldp	x4, x5, [x30, #32]
	ldp	x6, x7, [x30, #48]
	ldp	x8, x9, [x30, #64]
	ldp	x10, x11, [x30, #80]
	ldp	x12, x13, [x30, #96]
	ldp	x14, x15, [x30, #112]
	ldp	x16, x17, [x30, #128]
	ldp	x18, x19, [x30, #144]
	ldp	x20, x21, [x30, #160]
	ldp	x22, x23, [x30, #176]
	ldp	x24, x25, [x30, #192]
	ldp	x26, x27, [x30, #208]
	ldp	x28, x29, [x30, #224]
	ldr	x30, [x30, #FRAME_X30]
	eret

leave:
	ldr	x3, =context
	ldp	x19, x20, [x3]
	ldp	x21, x22, [x3, #16]
	ldp	x23, x24, [x3, #32]
	ldp	x25, x26, [x3, #48]
	ldp	x27, x28, [x3, #64]
	ldp	x29, x30, [x3, #80]
	ldr	x4, [x3, #96]
	mov	sp, x4
	ret
	.ltorg

	.section .text.return, "ax"
	.global flash_return
flash_return:
	ret

	.section .vectors, "ax"
	.balign	2048
	.global vectors_el1
vectors_el1:
	.set	n, 0
	.rept	16
	.balign	128
	smc	#0xe100 + n
	.set	n, n + 1
	.endr
	.balign	2048
	.global vectors_el2
vectors_el2:
	.set	n, 0
	.rept	16
	.balign	128
	smc	#0xe200 + n
	.set	n, n + 1
	.endr
// The same where SMC does not reach EL3: CPTR_EL3.TCPAC traps the access there.
	.balign	2048
	.global vectors_trap
vectors_trap:
	.rept	16
	.balign	128
	mrs	x18, cpacr_el1
	.endr
	.balign	2048
