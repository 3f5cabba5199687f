/* Entry, exception vectors and the instructions that C has no words for. */
#include "asm.h"

	.section .text.start, "ax"
	.weak	_start
	.set	_start, rt_start

/* The boot processor arrives here at EL1 or EL2, MMU off, registers unknown. */
	.global	rt_start
	.type	rt_start, %function
rt_start:
	mrs	x19, CurrentEL
	bl	to_el1
	ldr	x0, =cpus
	bl	set_up
	ldr	x0, =bss_start
	ldr	x1, =bss_end
1:	cmp	x0, x1
	b.hs	2f
	stp	xzr, xzr, [x0], #16
	b	1b
2:	ldr	x0, =cpus
	ldr	x1, =exc_stacks + STACK_SIZE
	str	x1, [x0, #C_EXC_SP]
	lsr	x0, x19, #2
	bl	rt_main
	b	.

/* PSCI CPU_ON enters here; x0 is the struct cpu of this processor. Nothing is read from memory before rt_secondary. */
	.global	rt_secondary_entry
	.type	rt_secondary_entry, %function
rt_secondary_entry:
	mov	x20, x0
	bl	to_el1
	mov	x0, x20
	bl	set_up
	ldr	x1, =cpus
	sub	x1, x20, x1
	mov	x2, #C_SIZE
	udiv	x1, x1, x2
	mov	x2, #STACK_SIZE
	ldr	x3, =exc_stacks + STACK_SIZE
	madd	x1, x1, x2, x3
	mov	x21, x1
	bl	mmu_enable
	str	x21, [x20, #C_EXC_SP]
	mov	x0, x20
	bl	rt_secondary
	b	.

/* Leaves EL2 for EL1 and returns there. Clobbers x1 and x2. */
to_el1:
	mrs	x1, CurrentEL
	cmp	x1, #(2 << 2)
	b.ne	1f
	mov	x1, #(1 << 31)			/* HCR_EL2.RW: EL1 is AArch64; nothing is trapped, so that SMC reaches EL3 */
	msr	hcr_el2, x1
	mrs	x1, midr_el1
	msr	vpidr_el2, x1
	mrs	x1, mpidr_el1
	msr	vmpidr_el2, x1
	mov	x1, #3				/* CNTHCTL_EL2: the physical counter and timer are EL1's */
	msr	cnthctl_el2, x1
	msr	cntvoff_el2, xzr
	mov	x1, #0x33ff			/* CPTR_EL2: RES1 bits, no traps of FP */
	msr	cptr_el2, x1
	msr	hstr_el2, xzr
	msr	vttbr_el2, xzr
	mrs	x1, id_aa64pfr0_el1
	ubfx	x1, x1, #24, #4
	cbz	x1, 2f
	mrs	x1, S3_4_C12_C9_5		/* ICC_SRE_EL2: system registers, also for EL1 */
	mov	x2, #9
	orr	x1, x1, x2
	msr	S3_4_C12_C9_5, x1
2:	ldr	x1, =el2_vectors
	msr	vbar_el2, x1
	mov	x1, #SPSR_EL1H
	msr	spsr_el2, x1
	msr	elr_el2, x30
	isb
	eret
1:	ret

/* Prepares the system registers of EL1. x0 is the struct cpu, whose index also picks the stack. Clobbers x1 to x3. */
set_up:
	ldr	x1, =SCTLR_OFF
	msr	sctlr_el1, x1
	ldr	x1, =vectors
	msr	vbar_el1, x1
	mov	x1, #(3 << 20)			/* CPACR_EL1.FPEN */
	msr	cpacr_el1, x1
	msr	tpidr_el1, x0
	msr	daifset, #15
	msr	spsel, #1
	isb
	ldr	x1, =cpus
	sub	x1, x0, x1
	mov	x2, #C_SIZE
	udiv	x1, x1, x2
	mov	x2, #STACK_SIZE
	ldr	x3, =stacks + STACK_SIZE
	madd	x1, x1, x2, x3
	mov	sp, x1
	ret

/* Turns on the MMU with the tables of mmu.c. Reads no memory. Clobbers x1 and x2. */
	.global	mmu_enable
	.type	mmu_enable, %function
mmu_enable:
	dsb	sy
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	ldr	x1, =0x44ff00			/* MAIR: 0 Device-nGnRnE, 1 Normal write-back, 2 Normal non-cacheable */
	msr	mair_el1, x1
	ldr	x1, =mmu_l0
	msr	ttbr0_el1, x1
	mrs	x2, id_aa64mmfr0_el1
	and	x2, x2, #7			/* PARange; 48 bits at most */
	cmp	x2, #5
	mov	x1, #5
	csel	x2, x1, x2, hi
	ldr	x1, =0x803510			/* TCR: T0SZ 16, write-back, inner shareable, 4 KiB, no walks through TTBR1 */
	orr	x1, x1, x2, lsl #32
	msr	tcr_el1, x1
	isb
	mrs	x1, sctlr_el1
	mov	x2, #0x1005			/* M, C, I */
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb
	ret

	.macro	vector kind
	.balign	128
	msr	tpidr_el0, x0
	mrs	x0, tpidr_el1
	str	x1, [x0, #8]
	mov	x1, #\kind
	b	exception
	.endm

/* The registers go to struct cpu, not to the stack: the stack pointer may be what is wrong. */
	.balign	2048
vectors:
	.irp	kind, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector	\kind
	.endr

	.balign	128
exception:
	stp	x2, x3, [x0, #16]
	stp	x4, x5, [x0, #32]
	stp	x6, x7, [x0, #48]
	stp	x8, x9, [x0, #64]
	stp	x10, x11, [x0, #80]
	stp	x12, x13, [x0, #96]
	stp	x14, x15, [x0, #112]
	stp	x16, x17, [x0, #128]
	stp	x18, x19, [x0, #144]
	stp	x20, x21, [x0, #160]
	stp	x22, x23, [x0, #176]
	stp	x24, x25, [x0, #192]
	stp	x26, x27, [x0, #208]
	stp	x28, x29, [x0, #224]
	mrs	x2, tpidr_el0
	mov	x3, sp
	str	x2, [x0]
	stp	x30, x3, [x0, #240]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [x0, #F_ELR]
	mrs	x2, esr_el1
	mrs	x3, far_el1
	stp	x2, x3, [x0, #F_ESR]
	str	x1, [x0, #F_KIND]
	ldr	x2, [x0, #C_EXC_SP]
	mov	sp, x2
	bl	exc_handle
	mrs	x0, tpidr_el1
	ldp	x2, x3, [x0, #F_ELR]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	ldp	x30, x3, [x0, #240]
	mov	sp, x3
	ldp	x28, x29, [x0, #224]
	ldp	x26, x27, [x0, #208]
	ldp	x24, x25, [x0, #192]
	ldp	x22, x23, [x0, #176]
	ldp	x20, x21, [x0, #160]
	ldp	x18, x19, [x0, #144]
	ldp	x16, x17, [x0, #128]
	ldp	x14, x15, [x0, #112]
	ldp	x12, x13, [x0, #96]
	ldp	x10, x11, [x0, #80]
	ldp	x8, x9, [x0, #64]
	ldp	x6, x7, [x0, #48]
	ldp	x4, x5, [x0, #32]
	ldp	x2, x3, [x0, #16]
	ldp	x0, x1, [x0]
	eret

/* EL2 answers any HVC with x0 = ESR_EL2 and x1 = ELR_EL2. Nothing else can come here. */
	.balign	2048
el2_vectors:
	.rept	8
	.balign	128
	b	.
	.endr
	.balign	128
	mrs	x0, esr_el2
	mrs	x1, elr_el2
	eret
	.rept	7
	.balign	128
	b	.
	.endr

	.text
/*
 * int trap(void (*fn)(void *), void *arg, struct frame *record)
 * Calls fn(arg). Where that takes an exception, fills record and returns 1 at once; otherwise returns 0.
 */
	.global	trap
	.type	trap, %function
trap:
	sub	sp, sp, #96
	stp	x19, x20, [sp]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	mrs	x3, tpidr_el1
	mov	x4, sp
	stp	x4, x2, [x3, #C_TRAP_SP]
	mov	x2, x0
	mov	x0, x1
	blr	x2
	mov	x0, #0
1:	mrs	x3, tpidr_el1
	str	xzr, [x3, #C_TRAP_RECORD]
	ldp	x19, x20, [sp]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	add	sp, sp, #96
	ret
	.global	trap_landing
trap_landing:
	mrs	x3, tpidr_el1
	ldr	x4, [x3, #C_TRAP_SP]
	mov	sp, x4
	mov	x0, #1
	b	1b

/* void smc18(u64 r[18]), void hvc18(u64 r[18]): x0 to x17 out and back, as SMCCC 1.2 has it. */
	.macro	call18 name, instruction
	.global	\name
	.type	\name, %function
\name:
	stp	x29, x30, [sp, #-32]!
	stp	x18, x19, [sp, #16]
	mov	x19, x0
	ldp	x0, x1, [x19]
	ldp	x2, x3, [x19, #16]
	ldp	x4, x5, [x19, #32]
	ldp	x6, x7, [x19, #48]
	ldp	x8, x9, [x19, #64]
	ldp	x10, x11, [x19, #80]
	ldp	x12, x13, [x19, #96]
	ldp	x14, x15, [x19, #112]
	ldp	x16, x17, [x19, #128]
	\instruction #0
	stp	x0, x1, [x19]
	stp	x2, x3, [x19, #16]
	stp	x4, x5, [x19, #32]
	stp	x6, x7, [x19, #48]
	stp	x8, x9, [x19, #64]
	stp	x10, x11, [x19, #80]
	stp	x12, x13, [x19, #96]
	stp	x14, x15, [x19, #112]
	stp	x16, x17, [x19, #128]
	ldp	x18, x19, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	.endm
	call18	smc18, smc
	call18	hvc18, hvc

/* void semihosting(u64 op, void *block): "Semihosting for AArch32 and AArch64", 3.1. */
	.global	semihosting
	.type	semihosting, %function
semihosting:
	hlt	#0xf000
	ret

	.section .noinit, "aw", %nobits
	.balign	16
	.global	stacks
stacks:
	.skip	STACK_SIZE * MAX_CPUS
exc_stacks:
	.skip	STACK_SIZE * MAX_CPUS
