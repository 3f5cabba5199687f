package a64

// Decoding of FEAT_PAuth. Where a processor lacks it, its hints are NOPs and the others are unallocated.

// decodePAC: Data-processing (1 source) with opcode2 = 1 (DDI 0487, C4.1.95).
func decodePAC(w uint32, in Inst) (Inst, bool) {
	in.Rm, in.Opt = 0, uint8(w>>10&3)
	switch opcode := w >> 10 & 63; {
	case opcode < 8:
		in.Rn = base(w >> 5)
	case opcode < 16 && w>>5&31 == 31:
		in.Rn = ZR
	case opcode < 18 && opcode >= 16 && w>>5&31 == 31:
		in.Op, in.Rn, in.Opt = XPAC, ZR, uint8(opcode&1)<<1
		return in, true
	default:
		return in, false
	}
	in.Op = PAC
	if w>>12&1 != 0 {
		in.Op = AUT
	}
	return in, true
}

// hintPAC gives the hints that sign and authenticate addresses in x17 and x30, and in as it is for the others.
func hintPAC(n uint32, in Inst) Inst {
	switch n {
	case 7: // XPACLRI
		return Inst{Op: XPAC, Rd: 30, Rn: ZR}
	case 8, 10, 12, 14: // PACIA1716, PACIB1716, AUTIA1716, AUTIB1716
		in.Rd, in.Rn = 17, 16
	case 24, 26, 28, 30: // PACIAZ, PACIBZ, AUTIAZ, AUTIBZ
		in.Rd, in.Rn = 30, ZR
	case 25, 27, 29, 31: // PACIASP, PACIBSP, AUTIASP, AUTIBSP
		in.Rd, in.Rn = 30, SP
	default:
		return in
	}
	in.Op, in.Opt = PAC, uint8(n>>1&1)
	if n>>2&1 != 0 {
		in.Op = AUT
	}
	return in
}

// decodeBranchPAC: Unconditional branch (register) with op3 = 00001x (C4.1.93).
func decodeBranchPAC(w uint32, f Features) (in Inst, ok bool) {
	in.Rn, in.Rm, in.Opt = src(w>>5), ZR, uint8(w>>10&1)
	if f&PAuth == 0 || w>>16&31 != 31 {
		return in, false
	}
	switch opc := w >> 21 & 15; opc {
	case 0, 1: // BRAAZ, BLRAAZ and their kind
		in.Op = BRAUT + Op(opc)
		return in, w&31 == 31
	case 8, 9: // BRAA, BLRAA
		in.Op, in.Rm = BRAUT+Op(opc&1), base(w)
		return in, true
	case 2: // RETAA
		in.Op, in.Rn, in.Rm = RETAUT, 30, SP
	case 4: // ERETAA
		in.Op, in.Rn, in.Rm = ERETAUT, ZR, SP
	default:
		return in, false
	}
	return in, w&0x3ff == 0x3ff
}

// decodeLoadPAC: LDRAA and LDRAB (C4.1.94).
func decodeLoadPAC(w uint32, f Features, in Inst) (Inst, bool) {
	in.Op, in.Rd, in.Opt, in.Size = LDRAUT, dst(w), uint8(2|w>>23&1), uint8(w>>11&1)
	in.Imm = sext(w>>22&1<<9|w>>12&0x1ff, 10) << 3
	return in, f&PAuth != 0 && w>>30 == 3
}
