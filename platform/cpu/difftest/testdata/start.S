// Start-up, and the way into a block of instructions and out of it.

	.section .text.start, "ax"
	.global _start
_start:
	ldr	x0, =stack_top
	mov	sp, x0
	ldr	x0, =vectors
	msr	vbar_el1, x0
	mov	x0, #3 << 20
	msr	cpacr_el1, x0
	isb
	bl	run
	// Semihosting SYS_EXIT, ADP_Stopped_ApplicationExit, status 0.
	ldr	x1, =exit_block
	mov	x0, #0x18
	hlt	#0xf000
	b	.

	// The linker script puts this at 0x40200000. Blocks end with a branch to it.
	.section .text.exit, "ax"
	.balign	2048
	.global block_exit
block_exit:
	msr	tpidr_el1, x30
	adr	x30, context
	stp	x0, x1, [x30]
	mov	x0, #0
	b	save

	.balign	2048
vectors:
	.rept	4			// from SP_EL0: not expected
	.balign	128
	b	hang
	.endr
	.balign	128			// synchronous, with SP_EL1
	msr	tpidr_el1, x30
	adr	x30, context
	stp	x0, x1, [x30]
	mov	x0, #1
	b	save
	.rept	11
	.balign	128
	b	hang
	.endr
hang:	ldr	x1, =hang_block
	mov	x0, #0x18
	hlt	#0xf000
	b	hang

	// x0 is the first word of struct outcome after the registers: 1 after an exception.
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
	mrs	x1, tpidr_el1
	mov	x2, sp
	stp	x1, x2, [x30, #240]
	mrs	x1, nzcv
	cbz	x0, 1f
	mrs	x1, spsr_el1
1:	mrs	x2, fpcr
	stp	x1, x2, [x30, #256]
	mrs	x1, fpsr
	mrs	x2, tpidr_el0
	stp	x1, x2, [x30, #272]
	mrs	x1, tpidrro_el0
	mrs	x2, contextidr_el1
	stp	x1, x2, [x30, #288]
	mrs	x1, esr_el1
	stp	x0, x1, [x30, #304]
	mrs	x1, elr_el1
	mrs	x2, far_el1
	stp	x1, x2, [x30, #320]
	// Back to the caller of block_run, with PSTATE as it was there.
	mrs	x1, id_aa64mmfr1_el1
	tst	x1, #15 << 20
	b.eq	2f
	msr	pan, #0
	msr	uao, #0
2:	msr	daifset, #15
	ldp	x19, x20, [x30, #-96]
	ldp	x21, x22, [x30, #-80]
	ldp	x23, x24, [x30, #-64]
	ldp	x25, x26, [x30, #-48]
	ldp	x27, x28, [x30, #-32]
	ldp	x29, x0, [x30, #-16]
	mov	sp, x0
	ldr	x30, [x30, #-104]
	ret

	// void block_run(const u64 registers[34], u64 pc, u64 spsr): x0 to x30, SP, FPCR, FPSR. Leaves struct outcome in
	// context.
	.global block_run
block_run:
	adr	x9, context
	stp	x19, x20, [x9, #-96]
	stp	x21, x22, [x9, #-80]
	stp	x23, x24, [x9, #-64]
	stp	x25, x26, [x9, #-48]
	stp	x27, x28, [x9, #-32]
	mov	x10, sp
	stp	x29, x10, [x9, #-16]
	str	x30, [x9, #-104]
	msr	elr_el1, x1
	msr	spsr_el1, x2
	ldp	x1, x2, [x0, #248]
	mov	sp, x1
	msr	fpcr, x2
	ldr	x1, [x0, #264]
	msr	fpsr, x1
	// What blocks can read of the last one.
	mov	x1, #0x1234
	msr	tpidr_el0, x1
	msr	tpidrro_el0, x1
	msr	contextidr_el1, x1
	msr	esr_el1, xzr
	msr	far_el1, xzr
	clrex
	isb
	ldp	x2, x3, [x0, #16]
	ldp	x4, x5, [x0, #32]
	ldp	x6, x7, [x0, #48]
	ldp	x8, x9, [x0, #64]
	ldp	x10, x11, [x0, #80]
	ldp	x12, x13, [x0, #96]
	ldp	x14, x15, [x0, #112]
	ldp	x16, x17, [x0, #128]
	ldp	x18, x19, [x0, #144]
	ldp	x20, x21, [x0, #160]
	ldp	x22, x23, [x0, #176]
	ldp	x24, x25, [x0, #192]
	ldp	x26, x27, [x0, #208]
	ldp	x28, x29, [x0, #224]
	ldr	x30, [x0, #240]
	ldp	x0, x1, [x0]
	eret

	// void mmu_on(const u64 *table)
	.global mmu_on
mmu_on:
	msr	ttbr0_el1, x0
	ldr	x0, =0x200993519	// T0SZ and T1SZ 25, write-back, inner shareable, EPD1, IPS 40 bits
	msr	tcr_el1, x0
	mov	x0, #0xff		// 0 Normal Write-Back, 1 Device-nGnRnE
	msr	mair_el1, x0
	tlbi	vmalle1
	dsb	sy
	isb
	ldr	x0, =0x30d0181d		// M, C, SA, SA0, I and what is RES1
	msr	sctlr_el1, x0
	isb
	ret

	.section .context, "aw"
	.balign	64
	.skip	128
	.global context
context:
	.skip	512

	.data
	.balign 8
exit_block:
	.quad	0x20026, 0
hang_block:
	.quad	0x20026, 1
