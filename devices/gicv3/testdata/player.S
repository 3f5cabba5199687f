// Plays a list of single instructions in chosen exception levels and security states of a real or emulated PE, and sends what
// each of them did over the UART. It is the guest half of the comparison in qemu_test.go.
//
// An entry is 32 bytes: kind (0 execute, 1 set the routing bits of SCR_EL3 from x0, 2 end, 3 set HCR_EL2 from x0), world, 2
// bytes of padding, the instruction word, x0, x1. Worlds: 0 EL3 with SCR_EL3.NS = 0, 1 secure EL1, 2 non-secure EL1, 3 EL3 with
// NS = 1, 4 non-secure EL2.
// A result is 16 bytes: status (0 executed, 1 exception, 2 an interrupt was taken instead) and x0, or for status 1 the syndrome
// register of the exception level that took it, with bit 40 set for EL2. EL1 does not take exceptions, but hands them on with
// SMC #1.

	.equ	UART, 0x09000000
	.equ	ENTRIES, 0x41000000
	.equ	RESULTS, 0x44000000

	.section .text
	.global _start
_start:
	mrs	x0, mpidr_el1
	and	x0, x0, #0xffff
	cbz	x0, primary
park:	wfi
	b	park

primary:
	adr	x0, vectors
	msr	vbar_el3, x0
	adr	x0, lower_vectors
	msr	vbar_el1, x0
	adr	x0, hyp_vectors
	msr	vbar_el2, x0
	mov	x0, #1 << 31		// EL1 is AArch64
	msr	hcr_el2, x0
	mov	x0, #3			// EL1 may use the physical timer
	msr	cnthctl_el2, x0
	mov	x0, #0xf		// ICC_SRE_EL3: Enable, DIB, DFB, SRE
	msr	s3_6_c12_c12_5, x0
	isb
	ldr	x19, =ENTRIES
	ldr	x20, =RESULTS
	mov	x21, #0			// routing bits
	ldr	x22, =access

next:
	ldrb	w2, [x19]
	ldrb	w3, [x19, #1]
	ldr	w4, [x19, #4]
	ldp	x0, x1, [x19, #8]
	add	x19, x19, #32
	cmp	w2, #2
	b.eq	finish
	cmp	w2, #1
	b.ne	1f
	mov	x21, x0
	b	next
1:	cmp	w2, #3
	b.ne	2f
	msr	hcr_el2, x0
	isb
	b	next
2:	str	w4, [x22]
	dsb	sy
	ic	iallu
	dsb	sy
	isb
	mov	x5, #0x430		// RW, RES1
	tst	w3, #2			// worlds 2 and 3
	cset	w6, ne
	orr	x5, x5, x6
	cmp	w3, #4
	cset	w6, eq
	orr	x5, x5, x6
	orr	x5, x5, #0x100		// HCE
	orr	x5, x5, x21
	msr	scr_el3, x5
	isb
	cmp	w3, #4
	b.eq	el2
	tst	w3, #3
	b.eq	here
	cmp	w3, #3
	b.eq	here
	mov	x6, #0x3c5
	b	lower
el2:	mov	x6, #0x3c9
lower:	msr	spsr_el3, x6
	msr	elr_el3, x22
	eret
here:	br	x22

// An exception came to EL3. x8 is 0 for synchronous ones, 1 for interrupts.
taken:
	mrs	x5, scr_el3		// the PE is secure again
	bic	x6, x5, #1
	msr	scr_el3, x6
	isb
	mov	x9, x0
	mov	x7, #0
	cbnz	x8, interrupted
	mrs	x5, esr_el3
	lsr	x6, x5, #26
	cmp	x6, #0x17
	b.ne	failed
	and	x6, x5, #0xffff
	cbz	x6, record
	cmp	x6, #1
	b.eq	failed
	cmp	x6, #2
	mrs	x6, elr_el2
	b.eq	before
	mrs	x5, esr_el2
	orr	x5, x5, #1 << 40
failed:	mov	x7, #1
	mov	x9, x5
	b	record
interrupted:
	mrs	x6, elr_el3
before:	cmp	x6, x22
	b.ne	record			// after the instruction
	mov	x7, #2
record:	stp	x7, x9, [x20], #16
	b	next

finish:
	ldr	x0, =UART
	mov	w1, #0x301		// UARTCR: TXE, RXE, UARTEN
	str	w1, [x0, #0x30]
	ldr	x1, =RESULTS
1:	cmp	x1, x20
	b.eq	2f
	ldrb	w2, [x1], #1
	strb	w2, [x0]
	b	1b
2:	mov	x0, #0x18		// SYS_EXIT
	adr	x1, exit
	hlt	#0xf000
	b	.
	.balign 8
exit:	.quad	0x20026, 0

	.macro	entry sync
	.balign	128
	mov	x8, #\sync
	b	taken
	.endm

	.balign	2048
vectors:
	.rept	4
	entry	0
	entry	1
	entry	1
	entry	0
	.endr

	.balign	2048
lower_vectors:
	.rept	16
	.balign	128
	smc	#1
	.endr

	.balign	2048
hyp_vectors:
	.rept	4
	.balign	128
	smc	#3
	.balign	128
	smc	#2
	.balign	128
	smc	#2
	.balign	128
	smc	#3
	.endr

// The instruction that is played has a page of its own.
	.balign	4096
access:	nop
	smc	#0
	.balign	4096
