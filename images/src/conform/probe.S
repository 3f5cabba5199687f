#include "asm.h"

/* int checkpoint(u64 buf[14]): 0, and 1 once more for each resume. */
	.global	checkpoint
	.type	checkpoint, %function
checkpoint:
	stp	x19, x20, [x0]
	stp	x21, x22, [x0, #16]
	stp	x23, x24, [x0, #32]
	stp	x25, x26, [x0, #48]
	stp	x27, x28, [x0, #64]
	stp	x29, x30, [x0, #80]
	mov	x1, sp
	str	x1, [x0, #96]
	mov	x0, #0
	ret

	.global	resume
	.type	resume, %function
resume:
	ldp	x19, x20, [x0]
	ldp	x21, x22, [x0, #16]
	ldp	x23, x24, [x0, #32]
	ldp	x25, x26, [x0, #48]
	ldp	x27, x28, [x0, #64]
	ldp	x29, x30, [x0, #80]
	ldr	x1, [x0, #96]
	mov	sp, x1
	mov	x0, #1
	ret

/* Accesses that may abort. Each gets {address, value} in x0; a load leaves what it saw in value. */
	.macro	load name
	.global	\name
	.type	\name, %function
\name:
	ldr	x1, [x0]
	.endm

	.macro	done
	str	x2, [x0, #8]
	dsb	sy
	ret
	.endm

	load	load64
	ldr	x2, [x1]
	done

	load	load32
	ldr	w2, [x1]
	done

	load	load8
	ldrb	w2, [x1]
	done

	load	load_pair
	ldp	x2, x3, [x1]
	orr	x2, x2, x3
	done

	load	load_exclusive
	ldxr	x2, [x1]
	clrex
	done

	load	store64
	ldr	x2, [x0, #8]
	str	x2, [x1]
	dsb	sy
	ret

	load	store8
	ldr	x2, [x0, #8]
	strb	w2, [x1]
	dsb	sy
	ret

	load	zero_line
	dc	zva, x1
	dsb	sy
	ret

	.global	execute
	.type	execute, %function
execute:
	ldr	x1, [x0]
	br	x1

/* Where CPU_ON sends a second processor: x0, CurrentEL, SCTLR and MPIDR go to the start of BUF, then a mark, then the processor
 * switches itself off. The word behind the mark tells the conduit. */
	.global	secondary_probe
	.type	secondary_probe, %function
secondary_probe:
	mov	x1, #0x40800000
	mrs	x2, CurrentEL
	cmp	x2, #(2 << 2)
	b.eq	1f
	mrs	x3, sctlr_el1
	b	2f
1:	mrs	x3, sctlr_el2
2:	mrs	x4, mpidr_el1
	stp	x0, x2, [x1]
	stp	x3, x4, [x1, #16]
	dsb	sy
	mov	x5, #1
	str	x5, [x1, #32]
	dsb	sy
	ldr	x6, [x1, #40]
	ldr	w0, =0x84000002
	mov	w1, #0x10000
	cbnz	x6, 3f
	smc	#0
	b	.
3:	hvc	#0
	b	.
