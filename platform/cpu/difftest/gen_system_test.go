package difftest

// sysreg is op0:op1:CRn:CRm:op2 in place, bits 20 to 5 of MRS and MSR (DDI 0487, C4.1.93).
func sysreg(op0, op1, crn, crm, op2 uint32) uint32 {
	return op0<<19 | op1<<16 | crn<<12 | crm<<8 | op2<<5
}

var (
	nzcv       = sysreg(3, 3, 4, 2, 0)
	daif       = sysreg(3, 3, 4, 2, 1)
	fpcr       = sysreg(3, 3, 4, 4, 0)
	fpsr       = sysreg(3, 3, 4, 4, 1)
	elrEL1     = sysreg(3, 0, 4, 0, 1)
	spEL0      = sysreg(3, 0, 4, 1, 0)
	spSel      = sysreg(3, 0, 4, 2, 0)
	currentEL  = sysreg(3, 0, 4, 2, 2)
	pan        = sysreg(3, 0, 4, 2, 3)
	uao        = sysreg(3, 0, 4, 2, 4)
	tpidrEL0   = sysreg(3, 3, 13, 0, 2)
	tpidrro    = sysreg(3, 3, 13, 0, 3)
	contextidr = sysreg(3, 0, 13, 0, 1)
	farEL1     = sysreg(3, 0, 6, 0, 0)
	afsr0      = sysreg(3, 0, 5, 1, 0)
	afsr1      = sysreg(3, 0, 5, 1, 1)
	amair      = sysreg(3, 0, 10, 3, 0)
	mpidr      = sysreg(3, 0, 0, 0, 5)
)

// system moves system registers whose values are the same on every implementation, and makes barriers and hints.
func (g *gen) system() {
	const mrs, msr = 0xd530_0000 &^ (3 << 19), 0xd510_0000 &^ (3 << 19)
	r := g.reg()
	switch g.IntN(8) {
	case 0, 1:
		g.emit(mrs | pick(g, nzcv, daif, fpcr, fpsr, currentEL, spSel, pan, uao, tpidrEL0, tpidrro, contextidr, farEL1, afsr0, afsr1, amair, mpidr) | r)
	case 2, 3:
		reg := pick(g, nzcv, tpidrEL0, tpidrro, farEL1, elrEL1, spEL0)
		g.emit(msr|reg|r, mrs|reg|g.reg())
	case 4: // bits that exist everywhere
		reg, bits := fpcr, uint64(0x07c0_0000)
		switch g.IntN(3) {
		case 0:
			reg, bits = fpsr, 0x0800_009f
		case 1:
			reg, bits = contextidr, 1<<32-1
		}
		r := g.other()
		g.set(r, g.Uint64()&bits)
		g.emit(msr|reg|r, mrs|reg|g.reg())
	case 5: // MSR (immediate): DAIFSet, DAIFClr, PAN, UAO
		switch g.IntN(3) {
		case 0:
			g.emit(0xd503_401f | g.n(4)<<8 | 6<<5)
		case 1:
			g.emit(0xd500_401f | g.n(1)<<8 | 4<<5)
		case 2:
			g.emit(0xd500_401f | g.n(1)<<8 | 3<<5)
		}
	case 6:
		g.emit(pick(g,
			0xd503_30bf|g.n(4)<<8, // DMB
			0xd503_319f|g.n(3)<<9, // DSB, but for what is SSBB and PSSBB
			0xd503_30df|g.n(4)<<8, // ISB
			uint32(0xd503_30ff)))  // SB
	case 7:
		// NOP, YIELD, SEV, SEVL, DGH, CSDB and unallocated hints, which are NOPs.
		g.emit(0xd503_201f | pick[uint32](g, 0, 1, 4, 5, 6, 20, 40, 63, 100, 127)<<5)
	}
}

func (g *gen) exception() {
	switch g.IntN(4) {
	case 0:
		g.emit(0xd400_0001 | g.n(16)<<5) // SVC
	case 1:
		g.emit(0xd420_0000 | g.n(16)<<5) // BRK
	case 2:
		g.emit(g.n(16)) // UDF
		if g.b.words[len(g.b.words)-1] == 0 {
			g.b.words[len(g.b.words)-1] = 1
		}
	case 3: // unallocated
		g.emit(pick[uint32](g,
			0x5a80_0800|g.n(5), // conditional select, op2 = 10
			0x1b60_0000|g.n(5), // data-processing 3 source, op31 = 011, sf = 0
			0x5ac0_0c00|g.n(5), // one source, 32 bits, opcode 3
			0x1280_0000|1<<29,  // move wide, opc = 01
			0x1300_0000|3<<29,  // bitfield, opc = 11
			0x1380_0000|1<<21,  // extract, o0 = 1
			0x0b00_0000|3<<22,  // add, shift = 11
			0x0b20_0000|5<<10,  // add extended, amount 5
			0xd4a0_0000,        // DCPS0
			0xd536_0000|g.n(5), // MRS of what does not exist
			0x0000_ffff|1<<16,
		))
	}
}

// undefinedOnA57 takes instructions of extensions that came later.
func (g *gen) undefinedOnA57() {
	regs := uint32(2<<16 | 1<<5)
	g.emit(pick(g,
		0x3820_0000|g.n(2)<<30|g.n(2)<<22|g.n(3)<<12|regs,                                             // LDADD and its kind
		0x3820_8000|g.n(2)<<30|g.n(2)<<22|regs,                                                        // SWP
		0x08a0_7c00|g.n(2)<<30|g.n(1)<<22|g.n(1)<<15|regs,                                             // CAS
		0x0820_7c00|g.n(1)<<30|g.n(1)<<22|g.n(1)<<15|regs,                                             // CASP
		0x38bf_c000|g.n(2)<<30|1<<5,                                                                   // LDAPR
		0x1900_0000|g.n(2)<<30|g.n(1)<<22|1<<5,                                                        // STLUR, LDAPUR
		0xba00_0400|g.n(6)<<15|g.n(4),                                                                 // RMIF
		0x3a00_080d|g.n(1)<<14,                                                                        // SETF8, SETF16
		pick[uint32](g, 0xd500_401f, 0xd500_403f, 0xd500_405f, 0xd500_409f, 0xd500_407f, 0xd503_30ff), // CFINV, XAFLAG, AXFLAG, PAN, UAO, SB
		0xd530_0000&^(3<<19)|pick(g, pan, uao)|1))
}

// mixed takes steps of all groups but those that end the block or change how memory is accessed.
func (g *gen) mixed() {
	groups := allGroups()
	for {
		gr := &groups[g.IntN(len(groups))]
		if !gr.faults && gr.name != "mixed" && gr.name != "system" {
			gr.step(g)
			return
		}
	}
}
