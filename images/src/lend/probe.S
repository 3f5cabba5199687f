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

	load	load_vector
	ldr	q0, [x1]
	umov	x2, v0.d[0]
	umov	x3, v0.d[1]
	orr	x2, x2, x3
	done

	.arch	armv8.1-a
	load	load_add
	ldadd	xzr, x2, [x1]
	done
	.arch	armv8-a

	load	store64
	ldr	x2, [x0, #8]
	str	x2, [x1]
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
