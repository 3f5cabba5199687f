// Runs single instructions at EL1, see insttest.go. The MMU maps the first GiB of RAM as Normal memory.
//
// At 0x44000000 there is a header: the number of records, the length of a file name, the number of bytes from 0x44001000 on that
// go to the file at the end, a word for this program's own use, and the name with its final zero.
// Records of 800 bytes follow at 0x44001000: X0-X30, NZCV, FPCR, FPSR, the address of the code, ESR_EL1, V0-V31. The code is one
// instruction and a branch to "after". Registers are loaded from the record, the code is run, and the record is overwritten with
// the registers and, if an exception was taken, its syndrome.

#define RECORD 800
#define NZCV 248	// behind X0-X30
#define FPCR 256
#define FPSR 264
#define CODE 272
#define ESR 280
#define V 288

	.arch armv8-a+fp+simd
	.altmacro

	// general and vector transfer a pair of registers, generals and vectors all of them (X30 apart).
	.macro general insn, n, m
	\insn	x\n, x\m, [sp, #8 * \n]
	.endm
	.macro generals insn, n
	general	\insn, %(\n), %(\n + 1)
	.if \n < 28
	generals \insn, %(\n + 2)
	.endif
	.endm
	.macro vector insn, n, m
	\insn	q\n, q\m, [sp, #V + 16 * \n]
	.endm
	.macro vectors insn, n=0
	vector	\insn, %(\n), %(\n + 1)
	.if \n < 30
	vectors	\insn, %(\n + 2)
	.endif
	.endm

	.text
	.globl start
start:
	b	begin

	.org 0x200		// vectors: exception from the current level with SP_ELx
table = start
	stp	x0, x1, [sp]
	mrs	x0, esr_el1
	str	x0, [sp, #ESR]
	b	rest

	.org 0x1000
after:
	stp	x0, x1, [sp]
rest:
	mrs	x0, nzcv
	mrs	x1, fpsr
	str	x0, [sp, #NZCV]
	str	x1, [sp, #FPSR]
	generals stp, 2
	str	x30, [sp, #240]
	vectors stp
	add	sp, sp, #RECORD
	ldr	x0, =0x44000000
	ldr	x1, [x0, #24]
	sub	x1, x1, #1
	str	x1, [x0, #24]
	cbnz	x1, load
	b	finish

begin:
	ldr	x0, =table
	msr	vbar_el1, x0
	mov	x0, #3 << 20
	msr	cpacr_el1, x0
	ldr	x0, =0x40090000	// table of level 1: one block
	ldr	x1, =0x40000705	// Normal (attribute 1), inner shareable, accessed
	str	x1, [x0, #8]
	msr	ttbr0_el1, x0
	mov	x0, #0xff00	// attribute 1: write-back
	msr	mair_el1, x0
	ldr	x0, =0x100803519	// 39 bits of address in 4 KiB granules, TTBR1 off, 36 bits of physical address
	msr	tcr_el1, x0
	isb
	mrs	x0, sctlr_el1
	orr	x0, x0, #1
	bic	x0, x0, #2	// unaligned accesses are allowed
	msr	sctlr_el1, x0
	isb
	ldr	x0, =0x44000000
	ldr	x1, [x0]
	str	x1, [x0, #24]	// records left
	ldr	x1, =0x44001000
	mov	sp, x1
load:
	vectors ldp
	ldr	x0, [sp, #FPCR]
	msr	fpcr, x0
	ldr	x0, [sp, #FPSR]
	msr	fpsr, x0
	ldr	x0, [sp, #CODE]
	msr	elr_el1, x0
	ldr	x0, [sp, #NZCV]
	mov	x1, #0x3c5	// EL1h, interrupts masked
	orr	x0, x0, x1
	msr	spsr_el1, x0
	generals ldp, 0
	ldr	x30, [sp, #240]
	eret

finish:			// Semihosting: SYS_OPEN 1, SYS_WRITE 5, SYS_CLOSE 2
	ldr	x19, =0x44000800
	ldr	x20, =0x44000000
	add	x0, x20, #32
	mov	x1, #5		// "wb"
	ldr	x2, [x20, #8]
	stp	x0, x1, [x19]
	str	x2, [x19, #16]
	mov	w0, #1
	mov	x1, x19
	hlt	#0xf000
	ldr	x1, =0x44001000
	ldr	x2, [x20, #16]
	stp	x0, x1, [x19]
	str	x2, [x19, #16]
	mov	w0, #5
	mov	x1, x19
	hlt	#0xf000
	mov	w0, #2
	mov	x1, x19
	hlt	#0xf000
	ldr	x0, =0x84000008	// PSCI SYSTEM_OFF
	hvc	#0
	b	.
