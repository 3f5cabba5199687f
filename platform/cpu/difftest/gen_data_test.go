package difftest

// Data-processing instructions. The encodings are those of DDI 0487, C4.1.92 to C4.1.95: fixed bits, with random fields where every
// value is allocated.

// sf is the width bit.
func (g *gen) sf() uint32 { return g.n(1) << 31 }

func (g *gen) addImmediate() {
	g.emit(g.sf() | g.n(2)<<29 | 0x1100_0000 | g.n(1)<<22 | g.n(12)<<10 | g.reg()<<5 | g.reg())
}

// bitmask gives a random valid N:immr:imms for the width, placed at bit 10.
func (g *gen) bitmask(is64 bool) uint32 {
	size := 1 << (1 + g.IntN(6)) // element of 2 to 64 bits
	if !is64 {
		size = min(size, 32)
	}
	ones := uint32(g.IntN(size - 1)) // one less than their number
	imms := ones | uint32(-2*size)&0x3f
	n := uint32(0)
	if size == 64 {
		n, imms = 1, ones
	}
	return n<<22 | uint32(g.IntN(size))<<16 | imms<<10
}

func (g *gen) logicalImmediate() {
	sf := g.sf()
	g.emit(sf | g.n(2)<<29 | 0x1200_0000 | g.bitmask(sf != 0) | g.reg()<<5 | g.reg())
}

func (g *gen) moveWide() {
	sf := g.sf()
	hw := g.n(2)
	if sf == 0 {
		hw &= 1
	}
	g.emit(sf | pick[uint32](g, 0, 2, 3)<<29 | 0x1280_0000 | hw<<21 | g.n(16)<<5 | g.reg())
}

func (g *gen) pcRelative() {
	g.emit(g.n(1)<<31 | g.n(2)<<29 | 0x1000_0000 | g.n(19)<<5 | g.reg())
}

func (g *gen) bitfield() {
	sf := g.sf()
	bits := 5
	if sf != 0 {
		bits = 6
	}
	if g.chance(25) { // EXTR
		g.emit(sf | 0x1380_0000 | sf>>31<<22 | g.reg()<<16 | g.n(bits)<<10 | g.reg()<<5 | g.reg())
		return
	}
	g.emit(sf | pick[uint32](g, 0, 1, 2)<<29 | 0x1300_0000 | sf>>31<<22 | g.n(bits)<<16 | g.n(bits)<<10 | g.reg()<<5 | g.reg())
}

func (g *gen) shiftedRegister() {
	sf := g.sf()
	amount := g.n(6)
	if sf == 0 {
		amount &= 31
	}
	if g.chance(20) {
		amount = 0
	}
	regs := g.reg()<<16 | amount<<10 | g.reg()<<5 | g.reg()
	if g.chance(50) { // logical; N inverts
		g.emit(sf | g.n(2)<<29 | 0x0a00_0000 | g.n(2)<<22 | g.n(1)<<21 | regs)
		return
	}
	g.emit(sf | g.n(2)<<29 | 0x0b00_0000 | pick[uint32](g, 0, 1, 2)<<22 | regs)
}

func (g *gen) extendedRegister() {
	g.emit(g.sf() | g.n(2)<<29 | 0x0b20_0000 | g.reg()<<16 | g.n(3)<<13 | uint32(g.IntN(5))<<10 | g.reg()<<5 | g.reg())
}

// carry makes ADC and SBC, and what works on the flags themselves (FEAT_FlagM, FEAT_FlagM2).
func (g *gen) carry() {
	switch g.IntN(8) {
	case 0:
		g.emit(0xba00_0400 | g.n(6)<<15 | g.reg()<<5 | g.n(4)) // RMIF
	case 1:
		g.emit(0x3a00_080d | g.n(1)<<14 | g.reg()<<5) // SETF8, SETF16
	case 2:
		g.emit(pick[uint32](g, 0xd500_401f, 0xd500_403f, 0xd500_405f)) // CFINV, XAFLAG, AXFLAG
	default:
		g.emit(g.sf() | g.n(2)<<29 | 0x1a00_0000 | g.reg()<<16 | g.reg()<<5 | g.reg())
	}
}

func (g *gen) conditional() {
	if g.chance(50) { // CCMN, CCMP, register or immediate
		g.emit(g.sf() | g.n(1)<<30 | 0x3a40_0000 | g.reg()<<16 | g.n(4)<<12 | g.n(1)<<11 | g.reg()<<5 | g.n(4))
		return
	}
	g.emit(g.sf() | g.n(1)<<30 | 0x1a80_0000 | g.reg()<<16 | g.n(4)<<12 | g.n(1)<<10 | g.reg()<<5 | g.reg())
}

func (g *gen) oneSource() {
	sf := g.sf()
	op := uint32(g.IntN(6)) // RBIT, REV16, REV or REV32, REV, CLZ, CLS
	if sf == 0 && op == 3 {
		op = 2
	}
	g.emit(sf | 0x5ac0_0000 | op<<10 | g.reg()<<5 | g.reg())
}

func (g *gen) twoSources() {
	regs := g.reg()<<16 | g.reg()<<5 | g.reg()
	switch g.IntN(3) {
	case 0: // CRC32, CRC32C: sf is set for doublewords
		size := g.n(2)
		g.emit(size/3<<31 | 0x1ac0_4000 | g.n(1)<<12 | size<<10 | regs)
	case 1:
		g.emit(g.sf() | 0x1ac0_0800 | g.n(1)<<10 | regs) // UDIV, SDIV
	case 2:
		g.emit(g.sf() | 0x1ac0_2000 | g.n(2)<<10 | regs) // LSLV, LSRV, ASRV, RORV
	}
}

func (g *gen) threeSources() {
	regs := g.reg()<<16 | g.reg()<<5 | g.reg()
	switch g.IntN(3) {
	case 0: // MADD, MSUB
		g.emit(g.sf() | 0x1b00_0000 | g.n(1)<<15 | g.reg()<<10 | regs)
	case 1: // SMADDL, SMSUBL, UMADDL, UMSUBL
		g.emit(0x9b20_0000 | g.n(1)<<23 | g.n(1)<<15 | g.reg()<<10 | regs)
	case 2: // SMULH, UMULH
		g.emit(0x9b40_7c00 | g.n(1)<<23 | regs)
	}
}

// mark emits an instruction that shows whether it was executed.
func (g *gen) mark() {
	g.emit(0x9100_0000 | (1+g.n(11))<<10 | uint32(g.IntN(31))*0x21) // ADD Xn, Xn, #imm
}

// branch emits a branch over one to three instructions, or one into them from behind.
func (g *gen) branch() {
	r := uint32(g.IntN(31))
	if g.chance(30) { // flags for the conditions
		g.emit(g.sf() | 0x6b00_0000 | g.reg()<<16 | g.reg()<<5 | 31) // CMP
	}
	skip := 1 + g.IntN(3)
	body := func() {
		for range skip {
			g.mark()
		}
	}
	to := func(words int) uint32 { return uint32(words) }
	direct := func(words int) uint32 {
		switch g.IntN(5) {
		case 0:
			return 0x5400_0000 | to(words)&0x7ffff<<5 | g.n(4) // B.cond
		case 1:
			return g.sf() | 0x3400_0000 | g.n(1)<<24 | to(words)&0x7ffff<<5 | g.reg() // CBZ, CBNZ
		case 2:
			return g.sf() | 0x3600_0000 | g.n(1)<<24 | g.n(5)<<19 | to(words)&0x3fff<<5 | g.reg() // TBZ, TBNZ
		case 3:
			return 0x1400_0000 | to(words)&0x3ffffff // B
		}
		return 0x9400_0000 | to(words)&0x3ffffff // BL
	}
	switch g.IntN(6) {
	case 0: // BR, BLR, RET
		g.emit(0x1000_0000 | uint32(skip+2)<<5 | r) // ADR
		g.emit(pick[uint32](g, 0xd61f_0000, 0xd63f_0000, 0xd65f_0000) | r<<5)
		body()
	case 1: // backwards: over the body to a branch back to it, and behind that
		g.emit(0x1400_0000 | to(skip+2))
		body()
		g.emit(0x1400_0000 | 2)
		g.emit(direct(-skip - 1))
	default:
		g.emit(direct(skip + 1))
		body()
	}
}
