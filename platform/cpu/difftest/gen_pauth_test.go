package difftest

// Pointer authentication (DDI 0487, C4.1.93 to C4.1.95, FEAT_PAuth).

// address gives a value as a pointer: one of the buffer, one of either range, or any.
func (g *gen) address() uint64 {
	switch g.IntN(4) {
	case 0:
		return g.target(8, 1)
	case 1:
		return g.Uint64() >> 25
	case 2:
		return g.Uint64() | 0x1ff_ffff<<39
	}
	return g.value()
}

// pointerAuth makes the instructions that sign, authenticate and strip.
func (g *gen) pointerAuth() {
	rd := g.other()
	g.set(rd, g.address())
	rn := g.reg()
	switch g.IntN(6) {
	case 0: // PACIA to AUTDB with a modifier; 31 is the stack pointer
		op := g.n(3)
		g.emit(0xdac1_0000 | op<<10 | rn<<5 | rd)
	case 1: // PACIZA to AUTDZB
		g.emit(0xdac1_2000 | g.n(3)<<10 | 31<<5 | rd)
	case 2: // XPACI, XPACD
		g.emit(0xdac1_43e0 | g.n(1)<<10 | rd)
	case 3:
		g.emit(0x9ac0_3000 | g.reg()<<16 | rn<<5 | g.reg()) // PACGA
	case 4: // the hints, which work on x17 with x16 and on x30
		g.set(pick[uint32](g, 17, 30), g.address())
		g.emit(0xd503_201f | pick[uint32](g, 7, 8, 10, 12, 14, 24, 25, 26, 27, 28, 29, 30, 31)<<5)
	case 5: // there and back, now and then with a key or modifier of its own
		key := g.n(2)
		g.emit(0xdac1_0000 | key<<10 | rn<<5 | rd)
		if g.chance(20) {
			key = g.n(2)
		}
		if g.chance(20) {
			rn = g.reg()
		}
		g.emit(0xdac1_1000 | key<<10 | rn<<5 | rd)
	}
}

// pointerAuthUse makes the branches and loads whose addresses are right.
func (g *gen) pointerAuthUse() {
	key := g.n(1)
	if g.chance(40) { // LDRAA, LDRAB
		imm := g.n(10)
		rn, _ := g.base(g.target(8, 1), signed(imm, 10)*8)
		if rn == 31 {
			g.set(17, g.address())
			g.emit(0xdac1_43f1) // XPACI X17
			return
		}
		rt := pick(g, g.other(rn), 31)
		g.emit(0xdac1_2800 | key<<10 | 31<<5 | rn) // PACDZA, PACDZB
		g.emit(0xf820_0400 | key<<23 | imm>>9<<22 | imm&0x1ff<<12 | g.n(1)<<11 | rn<<5 | rt)
		return
	}
	r := g.other(30)
	rm := g.other(r, 30)
	skip := 1 + g.IntN(3)
	form := g.IntN(5)
	rd, modifier, pac := r, rm, uint32(0xdac1_0000)
	switch form {
	case 1, 3:
		modifier, pac = 31, 0xdac1_2000
	case 4:
		rd, modifier = 30, 31
	}
	g.emit(0x1000_0000 | uint32(skip+3)<<5 | rd) // ADR
	g.emit(pac | key<<10 | modifier<<5 | rd)
	switch form {
	case 0: // BRAA
		g.emit(0xd71f_0800 | key<<10 | r<<5 | rm)
	case 1: // BRAAZ
		g.emit(0xd61f_081f | key<<10 | r<<5)
	case 2: // BLRAA
		g.emit(0xd73f_0800 | key<<10 | r<<5 | rm)
	case 3: // BLRAAZ
		g.emit(0xd63f_081f | key<<10 | r<<5)
	case 4: // RETAA
		g.emit(0xd65f_0bff | key<<10)
	}
	for range skip {
		g.mark()
	}
}
