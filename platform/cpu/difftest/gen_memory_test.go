package difftest

// Loads and stores (DDI 0487, C4.1.94). Each is preceded by moves that make its base register fit: the access is in the buffer.

// set loads a register with a value, by MOVZ or MOVN and MOVK.
func (g *gen) set(rd uint32, v uint64) {
	op, skip := uint32(0xd280_0000), uint64(0)
	if v>>32 == 1<<32-1 {
		op, skip = 0x9280_0000, 0xffff
	}
	first := true
	for hw := range uint32(4) {
		part := v >> (16 * hw) & 0xffff
		if part == skip && (!first || hw < 3) {
			continue
		}
		if first {
			g.emit(op | hw<<21 | uint32(part^skip)<<5 | rd)
			first = false
			continue
		}
		g.emit(0xf280_0000 | hw<<21 | uint32(part)<<5 | rd)
	}
}

// target gives an address in the buffer for an access of size bytes, aligned to align.
func (g *gen) target(size, align int) uint64 {
	at := g.IntN(bufferSize - size + 1)
	if g.chance(25) {
		at = bufferSize/2 - g.IntN(size+1) // around the end of the page
	}
	return bufferAddr + uint64(at/align*align)
}

// base makes Rn hold address minus offset. Rn is the stack pointer at times, with the address moved so that it is aligned. The register
// is none of avoid.
func (g *gen) base(address uint64, offset int64, avoid ...uint32) (rn uint32, moved uint64) {
	v := address - uint64(offset)
	if g.chance(12) && v%16 == 0 {
		r := g.other(avoid...)
		g.set(r, v)
		g.emit(0x9100_0000 | r<<5 | 31) // MOV SP, Xr
		return 31, address
	}
	rn = g.other(avoid...)
	g.set(rn, v)
	return rn, address
}

// other gives a register number below 31 that is none of avoid.
func (g *gen) other(avoid ...uint32) uint32 {
next:
	for {
		r := uint32(g.IntN(31))
		for _, a := range avoid {
			if a == r {
				continue next
			}
		}
		return r
	}
}

// access is a size and opc of the load and store group; prefetches are left out.
func (g *gen) access() (size, opc uint32) {
	for {
		size, opc = g.n(2), g.n(2)
		if size == 3 && opc >= 2 || size == 2 && opc == 3 {
			continue
		}
		return size, opc
	}
}

func signed(v uint32, bits int) int64 { return int64(v) << (64 - bits) >> (64 - bits) }

// align gives an alignment for an access that needs none: its own three times in ten.
func (g *gen) align(size uint32) int {
	if g.chance(30) {
		return 1 << size
	}
	return 1
}

// loadStore makes the immediate forms: unsigned offset, unscaled, post-indexed and pre-indexed.
func (g *gen) loadStore() {
	size, opc := g.access()
	at := g.target(1<<size, g.align(size))
	word := size<<30 | 0x3800_0000 | opc<<22
	if g.chance(40) {
		imm := g.n(12)
		rn, _ := g.base(at, int64(imm)<<size)
		g.emit(word | 1<<24 | imm<<10 | rn<<5 | g.reg())
		return
	}
	mode := pick[uint32](g, 0, 1, 3)
	imm := g.n(9)
	offset := signed(imm, 9)
	if mode == 1 {
		offset = 0 // the base alone is the address
	}
	rn, _ := g.base(at, offset)
	rt := g.reg()
	if mode != 0 && rt == rn && rt != 31 {
		rt = 31 // writeback to the register that is transferred is CONSTRAINED UNPREDICTABLE
	}
	g.emit(word | imm<<12 | mode<<10 | rn<<5 | rt)
}

// registerOffset has every extension, with indexes that only the extension makes right.
func (g *gen) registerOffset() {
	size, opc := g.access()
	at := g.target(1<<size, g.align(size))
	option := pick[uint32](g, 2, 3, 6, 7)
	scaled := g.n(1)
	rm := uint32(g.IntN(31))
	index := g.value()
	extended := index
	switch option {
	case 2:
		extended = uint64(uint32(index))
	case 6:
		extended = uint64(int64(int32(index)))
	}
	if scaled != 0 {
		extended <<= size
	}
	if g.chance(10) {
		rm, extended = 31, 0 // XZR
	} else {
		g.set(rm, index)
	}
	rn := g.other(rm)
	g.set(rn, at-extended)
	g.emit(size<<30 | 0x3820_0800 | opc<<22 | rm<<16 | option<<13 | scaled<<12 | rn<<5 | g.reg())
}

// pair makes LDP, STP, LDNP, STNP and LDPSW.
func (g *gen) pair() {
	opc := pick[uint32](g, 0, 1, 2)
	load := g.n(1)
	mode := g.n(2) // 0 is the non-temporal form
	if opc == 1 {
		load, mode = 1, max(mode, 1) // LDPSW
	}
	size := uint32(2)
	if opc == 2 {
		size = 3
	}
	at := g.target(2<<size, g.align(size))
	imm := g.n(7)
	offset := signed(imm, 7) << size
	if mode == 1 {
		offset = 0
	}
	rn, _ := g.base(at, offset)
	rt, rt2 := g.reg(), g.reg()
	if mode&1 != 0 && rn != 31 {
		rt, rt2 = g.other(rn), g.other(rn)
	}
	for load != 0 && rt2 == rt {
		rt2 = g.other(rn)
	}
	g.emit(opc<<30 | 0x2800_0000 | mode<<23 | load<<22 | imm<<15 | rt2<<10 | rn<<5 | rt)
}

// literal loads words of the block itself.
func (g *gen) literal() {
	offset := uint32(g.IntN(len(g.b.words)+slack)-len(g.b.words)) & 0x7ffff
	g.emit(pick[uint32](g, 0, 1, 2)<<30 | 0x1800_0000 | offset<<5 | g.reg())
}

func (g *gen) unprivileged() {
	size, opc := g.access()
	imm := g.n(9)
	rn, _ := g.base(g.target(1<<size, g.align(size)), signed(imm, 9))
	g.emit(size<<30 | 0x3800_0800 | opc<<22 | imm<<12 | rn<<5 | g.reg())
}

// exclusive makes a load-exclusive with the store that belongs to it, or a store alone, which fails.
func (g *gen) exclusive() {
	size := g.n(2)
	pair := g.chance(35)
	bytes := 1 << size
	if pair {
		size |= 2
		bytes = 2 << size
	}
	rn, _ := g.base(g.target(bytes, bytes), 0)
	order := func() uint32 { return g.n(1) << 15 } // LDAXR, STLXR
	word := size<<30 | 0x0800_0000 | rn<<5
	load := word | 1<<22 | 31<<16 | order()
	store := word | order()
	rt, rt2 := g.other(rn), uint32(31)
	if pair {
		load |= 1 << 21
		store |= 1 << 21
		rt2 = g.other(rn, rt)
	}
	if !g.chance(15) {
		g.emit(load | rt2<<10 | rt)
		if g.chance(10) {
			g.emit(0xd503_3f5f) // CLREX
		}
		if g.chance(50) {
			g.emit(0x9100_0400 | rt*0x21) // ADD Xt, Xt, #1
		}
	}
	// The status register is neither the base nor what is stored.
	v, v2 := pick(g, rt, g.other(rn), 31), rt2
	if pair {
		v2 = g.reg()
	}
	status := pick(g, g.other(rn, v, v2), 31)
	if status == 31 && (v == 31 || v2 == 31 && pair || rn == 31) {
		status = g.other(rn, v, v2)
	}
	g.emit(store | status<<16 | v2<<10 | v)
}

// atomic makes LDADD and its kind, and SWP.
func (g *gen) atomic() {
	size := g.n(2)
	rn, _ := g.base(g.target(1<<size, 1<<size), 0)
	op := g.n(3) << 12
	if g.chance(15) {
		op = 1 << 15 // SWP
	}
	g.emit(size<<30 | 0x3820_0000 | g.n(2)<<22 | g.reg()<<16 | op | rn<<5 | g.reg())
}

// compareAndSwap loads what is expected first, half of the time.
func (g *gen) compareAndSwap() {
	order := g.n(1)<<22 | g.n(1)<<15
	if g.chance(40) { // CASP: even registers
		size := 2 + g.n(1)
		rs, rt := g.n(4)<<1, g.n(4)<<1
		if rs == 30 {
			rs = 0 // x30 and xzr is a valid pair, but has no second register to compare
		}
		rn, _ := g.base(g.target(2<<size, 2<<size), 0, rs, rs+1, rt, rt+1)
		if g.chance(50) {
			g.emit((size-2)<<31 | 0x2940_0000 | (rs+1)<<10 | rn<<5 | rs) // LDP
		}
		g.emit((size-2)<<30 | 0x0820_7c00 | order | rs<<16 | rn<<5 | rt)
		return
	}
	size := g.n(2)
	rs := g.reg()
	rn, _ := g.base(g.target(1<<size, 1<<size), 0, rs)
	if g.chance(50) {
		g.emit(size<<30 | 0x3940_0000 | rn<<5 | rs) // LDR
	}
	g.emit(size<<30 | 0x08a0_7c00 | order | rs<<16 | rn<<5 | g.reg())
}

// ordered makes LDAR and STLR, LDAPR (FEAT_LRCPC), LDAPUR and STLUR (FEAT_LRCPC2).
func (g *gen) ordered() {
	size := g.n(2)
	at := g.target(1<<size, 1<<size)
	switch g.IntN(3) {
	case 0:
		rn, _ := g.base(at, 0)
		g.emit(size<<30 | 0x089f_fc00 | g.n(1)<<22 | rn<<5 | g.reg())
	case 1:
		rn, _ := g.base(at, 0)
		g.emit(size<<30 | 0x38bf_c000 | rn<<5 | g.reg())
	case 2:
		imm := g.n(9)
		rn, _ := g.base(at, signed(imm, 9))
		opc := g.n(2)
		if size == 3 || size == 2 && opc == 3 {
			opc &= 1
		}
		g.emit(size<<30 | 0x1900_0000 | opc<<22 | imm<<12 | rn<<5 | g.reg())
	}
}

// zero makes DC ZVA of 64 bytes.
func (g *gen) zero() {
	rt := g.other()
	g.set(rt, g.target(64, 64)+g.Uint64N(64))
	g.emit(0xd50b_7420 | rt)
}

// instructionAbort branches to where there is no instruction, or out of line with one.
func (g *gen) instructionAbort() {
	rn := g.other()
	g.set(rn, pick(g,
		exitAddr+1+g.Uint64N(3),       // PC alignment
		listEnd+4*g.Uint64N(1024),     // not mapped
		bufferAddr+4*g.Uint64N(128),   // of EL0
		0x0900_0000+4*g.Uint64N(1024), // not executable
		1<<39+4*g.Uint64N(1024), 1<<63|4))
	g.emit(pick[uint32](g, 0xd61f_0000, 0xd63f_0000, 0xd65f_0000) | rn<<5)
}

// dataAbort makes accesses that the tables refuse: nothing mapped, read-only, misaligned where alignment is needed. Alignment of
// the stack pointer is not here, because QEMU does not check it.
func (g *gen) dataAbort() {
	size, opc := g.access()
	rt := g.reg()
	rn := g.other(rt)
	switch g.IntN(4) {
	case 0: // not mapped: at level 2, level 1, beyond the range of TTBR0, TTBR1 off
		g.set(rn, pick(g, uint64(listEnd), 0x8000_0000, 1<<39, 1<<63, ^uint64(0xffff))+g.Uint64N(4096-8))
	case 1: // the end of what is mapped
		g.set(rn, listEnd-uint64(1<<size)+1+g.Uint64N(1<<size))
	case 2:
		opc = 0
		g.set(rn, readOnly+g.Uint64N(4096-8))
	case 3:
		size = 1 + uint32(g.IntN(3))
		g.set(rn, g.target(8, 8)+1)
		g.emit(pick(g, size<<30|0x089f_fc00|g.n(1)<<22|rn<<5|rt, size<<30|0x085f_7c00|rn<<5|rt))
		return
	}
	g.emit(size<<30 | 0x3800_0000 | opc<<22 | rn<<5 | rt)
}
