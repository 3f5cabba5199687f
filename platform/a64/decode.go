package a64

import "math/bits"

// Features are the architecture extensions that a decoder accepts beyond Armv8.0-A with floating point and Advanced SIMD.
type Features uint32

// Each is named as in DDI 0487, A2.
const (
	CRC    Features = 1 << iota // FEAT_CRC32
	LSE                         // FEAT_LSE
	RDM                         // FEAT_RDM
	LRCPC                       // FEAT_LRCPC
	LRCPC2                      // FEAT_LRCPC2
	FlagM                       // FEAT_FlagM
	FlagM2                      // FEAT_FlagM2
	PAN                         // FEAT_PAN
	UAO                         // FEAT_UAO
	LOR                         // FEAT_LOR
	SB                          // FEAT_SB
	DPB                         // FEAT_DPB, FEAT_DPB2
	SSBS                        // FEAT_SSBS
	PAuth                       // FEAT_PAuth
	BTI                         // FEAT_BTI
)

// AllFeatures is everything that this package decodes.
const AllFeatures = BTI<<1 - 1 | AllSIMDFeatures

// Decode decodes one instruction word. What is not allocated, or needs a feature that f lacks, becomes UDF with the word in Imm.
func Decode(w uint32, f Features) Inst {
	var in Inst
	ok := false
	switch w >> 25 & 15 {
	case 0b1000, 0b1001:
		in, ok = decodeImm(w)
	case 0b1010, 0b1011:
		in, ok = decodeBranch(w, f)
	case 0b0100, 0b0110, 0b1100, 0b1110:
		if w>>26&1 != 0 {
			in, ok = decodeSIMD(w)
		} else {
			in, ok = decodeLoadStore(w, f)
		}
	case 0b0101, 0b1101:
		in, ok = decodeReg(w, f)
	case 0b0111, 0b1111:
		in, ok = decodeSIMD(w)
		ok = ok && simdFeatures(&in)&^f == 0
	}
	if !ok {
		return Inst{Op: UDF, Imm: uint64(w)}
	}
	return guardSP(in)
}

// dst, src and base map register numbers to indexes of Regs.X.
func dst(n uint32) uint8 {
	if n &= 31; n == 31 {
		return Discard
	}
	return uint8(n)
}

func src(n uint32) uint8 { return uint8(n & 31) }

func base(n uint32) uint8 {
	if n &= 31; n == 31 {
		return SP
	}
	return uint8(n)
}

func sext(v uint32, width uint) uint64 {
	return uint64(int64(uint64(v)<<(64-width)) >> (64 - width))
}

// pick chooses the 64-bit or the 32-bit form by bit 31.
func pick(w uint32, op64, op32 Op) Op {
	if w>>31 != 0 {
		return op64
	}
	return op32
}

func ones(n uint) uint64 { return ^uint64(0) >> (64 - n) } // n is 1 to 64

// BitMask expands the immediate of logical instructions (DDI 0487, J1.3 DecodeBitMasks). ok is false for reserved values.
func BitMask(n, immr, imms uint32, is64 bool) (mask uint64, ok bool) {
	if !is64 && n != 0 {
		return 0, false
	}
	length := bits.Len32(n<<6|^imms&0x3f) - 1
	if length < 1 {
		return 0, false
	}
	size := uint(1) << length
	levels := uint32(size - 1)
	if imms&levels == levels {
		return 0, false
	}
	s, r := uint(imms&levels), uint(immr&levels)
	e := ones(s + 1)
	if r != 0 {
		e = (e>>r | e<<(size-r)) & ones(size)
	}
	for ; size < 64; size *= 2 {
		e |= e << size
	}
	if !is64 {
		e &= 0xffffffff
	}
	return e, true
}

// decodeImm: Data Processing -- Immediate (C4.1.92).
func decodeImm(w uint32) (in Inst, ok bool) {
	is64 := w>>31 != 0
	in.Rd, in.Rn = dst(w), src(w>>5)
	switch w >> 23 & 7 {
	case 0, 1: // PC-relative
		imm := sext(w>>5&0x7ffff<<2|w>>29&3, 21)
		if is64 {
			in.Op, in.Imm = ADRP, imm<<12
		} else {
			in.Op, in.Imm = ADR, imm
		}
		in.Rn = 0
		return in, true
	case 2: // add/subtract
		imm := uint64(w >> 10 & 0xfff)
		if w>>22&1 != 0 {
			imm <<= 12
		}
		in.Rn, in.Imm = base(w>>5), imm
		switch w >> 29 & 3 {
		case 0:
			in.Op, in.Rd = pick(w, ADDi64, ADDi32), base(w)
		case 1:
			in.Op = pick(w, ADDSi64, ADDSi32)
		case 2:
			in.Op, in.Rd, in.Imm = pick(w, ADDi64, ADDi32), base(w), -imm
		case 3:
			in.Op = pick(w, SUBSi64, SUBSi32)
		}
		return in, true
	case 4: // logical
		in.Imm, ok = BitMask(w>>22&1, w>>16&63, w>>10&63, is64)
		if !ok {
			return in, false
		}
		switch w >> 29 & 3 {
		case 0: // the mask leaves nothing above bit 31 in the 32-bit form
			in.Op, in.Rd = ANDi64, base(w)
		case 1:
			in.Op, in.Rd = pick(w, ORRi64, ORRi32), base(w)
			if in.Rn == ZR {
				in.Op = MOVi
			}
		case 2:
			in.Op, in.Rd = pick(w, EORi64, EORi32), base(w)
		case 3:
			in.Op = pick(w, ANDSi64, ANDSi32)
		}
		return in, true
	case 5: // move wide
		hw := w >> 21 & 3
		if !is64 && hw > 1 {
			return in, false
		}
		imm := uint64(w>>5&0xffff) << (16 * hw)
		in.Imm, in.Rn = imm, 0
		switch w >> 29 & 3 {
		case 0:
			in.Op, in.Imm = MOVi, ^imm
			if !is64 {
				in.Imm &= 0xffffffff
			}
		case 2:
			in.Op = MOVi
		case 3:
			in.Op, in.Opt = pick(w, MOVK64, MOVK32), uint8(16*hw)
		default:
			return in, false
		}
		return in, true
	case 6: // bit field
		n, r, s := w>>22&1, uint(w>>16&63), uint(w>>10&63)
		size := uint(32)
		if is64 {
			size = 64
		}
		if n != w>>31 || r >= size || s >= size {
			return in, false
		}
		switch w >> 29 & 3 {
		case 0: // SBFM
			in.Op, in.Opt = pick(w, SBF64, SBF32), uint8(63-s)
			if s >= r {
				in.Size = uint8(63 - s + r)
			} else {
				in.Size = uint8(63 - s - (size - r))
			}
		case 1: // BFM
			in.Op, in.Opt = pick(w, BFM64, BFM32), uint8(r)
			if s >= r {
				in.Imm = ones(s - r + 1)
			} else {
				in.Imm = ones(s+1) << (size - r)
			}
		case 2: // UBFM
			if s >= r {
				in.Op, in.Opt, in.Imm = UBFX, uint8(r), ones(s-r+1)
			} else {
				in.Op, in.Opt, in.Imm = UBFIZ, uint8(size-r), ones(s+1)
			}
		default:
			return in, false
		}
		return in, true
	case 7: // extract
		lsb := w >> 10 & 63
		if w>>29&3 != 0 || w>>21&1 != 0 || w>>22&1 != w>>31 || !is64 && lsb > 31 {
			return in, false
		}
		in.Op, in.Rm, in.Opt = pick(w, EXTR64, EXTR32), src(w>>16), uint8(lsb)
		return in, true
	}
	return in, false // 3: add/subtract with tags
}

// decodeReg: Data Processing -- Register (C4.1.95).
func decodeReg(w uint32, f Features) (in Inst, ok bool) {
	is64 := w>>31 != 0
	in.Rd, in.Rn, in.Rm = dst(w), src(w>>5), src(w>>16)
	s := w >> 29 & 1
	switch {
	case w>>24&0x1f == 0b01010: // logical, shifted register
		amount := w >> 10 & 63
		if !is64 && amount > 31 {
			return in, false
		}
		shift, neg := w>>22&3, w>>21&1 != 0
		in.Opt = uint8(shift<<6 | amount)
		if in.Opt == 0 && !neg {
			in.Op = [...]Op{pick(w, ANDr64, ANDr32), pick(w, ORRr64, ORRr32), pick(w, EORr64, EORr32), pick(w, ANDSr64, ANDSr32)}[w>>29&3]
			if w>>29&3 == 1 && in.Rn == ZR {
				in.Op = pick(w, MOV64, MOV32)
			}
			return in, true
		}
		if in.Opt == 0 && w>>29&3 == 0 {
			in.Op = pick(w, BICr64, BICr32)
			return in, true
		}
		if neg {
			in.Imm = ^uint64(0)
		}
		in.Op = [...]Op{pick(w, ANDs64, ANDs32), pick(w, ORRs64, ORRs32), pick(w, EORs64, EORs32), pick(w, ANDSs64, ANDSs32)}[w>>29&3]
		return in, true
	case w>>24&0x1f == 0b01011 && w>>21&1 == 0: // add/subtract, shifted register
		amount, shift := w>>10&63, w>>22&3
		if shift == 3 || !is64 && amount > 31 {
			return in, false
		}
		in.Opt = uint8(shift<<6 | amount)
		if in.Opt == 0 {
			in.Op = [...]Op{pick(w, ADDr64, ADDr32), pick(w, ADDSr64, ADDSr32), pick(w, SUBr64, SUBr32), pick(w, SUBSr64, SUBSr32)}[w>>29&3]
		} else {
			in.Op = [...]Op{pick(w, ADDs64, ADDs32), pick(w, ADDSs64, ADDSs32), pick(w, SUBs64, SUBs32), pick(w, SUBSs64, SUBSs32)}[w>>29&3]
		}
		return in, true
	case w>>24&0x1f == 0b01011: // add/subtract, extended register
		shift := w >> 10 & 7
		if w>>22&3 != 0 || shift > 4 {
			return in, false
		}
		in.Rn = base(w >> 5)
		in.Opt = uint8(w>>13&7<<3 | shift)
		in.Op = [...]Op{pick(w, ADDx64, ADDx32), pick(w, ADDSx64, ADDSx32), pick(w, SUBx64, SUBx32), pick(w, SUBSx64, SUBSx32)}[w>>29&3]
		if s == 0 {
			in.Rd = base(w)
		}
		return in, true
	case w>>21&0xff == 0b11010000: // add/subtract with carry, flag manipulation
		switch {
		case w>>10&63 == 0:
			in.Op = [...]Op{pick(w, ADC64, ADC32), pick(w, ADCS64, ADCS32), pick(w, SBC64, SBC32), pick(w, SBCS64, SBCS32)}[w>>29&3]
			return in, true
		case f&FlagM != 0 && w>>29 == 0b101 && w>>10&31 == 1 && w>>4&1 == 0:
			in.Op, in.Opt, in.Size = RMIF, uint8(w&15), uint8(w>>15&63)
			return in, true
		case f&FlagM != 0 && w>>29 == 0b001 && w>>15&63 == 0 && w>>10&15 == 2 && w&31 == 0b01101:
			in.Op = SETF8
			if w>>14&1 != 0 {
				in.Op = SETF16
			}
			return in, true
		}
		return in, false
	case w>>21&0xff == 0b11010010: // conditional compare
		if s == 0 || w>>10&1 != 0 || w>>4&1 != 0 {
			return in, false
		}
		in.Opt, in.Size = uint8(w>>12&15), uint8(w&15)
		imm := w>>11&1 != 0
		if imm {
			in.Imm = uint64(w >> 16 & 31)
		}
		switch {
		case w>>30&1 == 0 && imm:
			in.Op = pick(w, CCMNi64, CCMNi32)
		case w>>30&1 == 0:
			in.Op = pick(w, CCMNr64, CCMNr32)
		case imm:
			in.Op = pick(w, CCMPi64, CCMPi32)
		default:
			in.Op = pick(w, CCMPr64, CCMPr32)
		}
		return in, true
	case w>>21&0xff == 0b11010100: // conditional select
		if s != 0 || w>>11&1 != 0 {
			return in, false
		}
		in.Opt = uint8(w >> 12 & 15)
		switch w>>30&1<<1 | w>>10&1 {
		case 0:
			in.Op = pick(w, CSEL64, CSEL32)
		case 1:
			in.Op = pick(w, CSINC64, CSINC32)
		case 2:
			in.Op = pick(w, CSINV64, CSINV32)
		case 3:
			in.Op = pick(w, CSNEG64, CSNEG32)
		}
		return in, true
	case w>>21&0xff == 0b11010110 && s == 0:
		if w>>30&1 == 0 {
			return decode2Source(w, f, in)
		}
		return decode1Source(w, f, in)
	case w>>24&0x1f == 0b11011: // three sources
		if w>>29&3 != 0 {
			return in, false
		}
		in.Ra = src(w >> 10)
		switch w>>21&7<<1 | w>>15&1 {
		case 0:
			in.Op = pick(w, MADD64, MADD32)
			return in, true
		case 1:
			in.Op = pick(w, MSUB64, MSUB32)
			return in, true
		}
		if !is64 {
			return in, false
		}
		switch w>>21&7<<1 | w>>15&1 {
		case 2:
			in.Op = SMADDL
		case 3:
			in.Op = SMSUBL
		case 4:
			in.Op = SMULH
		case 10:
			in.Op = UMADDL
		case 11:
			in.Op = UMSUBL
		case 12:
			in.Op = UMULH
		default:
			return in, false
		}
		return in, true
	}
	return in, false
}

func decode2Source(w uint32, f Features, in Inst) (Inst, bool) {
	switch w >> 10 & 63 {
	case 2:
		in.Op = pick(w, UDIV64, UDIV32)
	case 3:
		in.Op = pick(w, SDIV64, SDIV32)
	case 8:
		in.Op = pick(w, LSLV64, LSLV32)
	case 9:
		in.Op = pick(w, LSRV64, LSRV32)
	case 10:
		in.Op = pick(w, ASRV64, ASRV32)
	case 11:
		in.Op = pick(w, RORV64, RORV32)
	case 16, 17, 18, 19, 20, 21, 22, 23:
		in.Size = uint8(w >> 10 & 3)
		if f&CRC == 0 || (in.Size == 3) != (w>>31 != 0) {
			return in, false
		}
		in.Op = CRC32
		if w>>12&1 != 0 {
			in.Op = CRC32C
		}
	case 12:
		in.Op, in.Rm = PACGA, base(w>>16)
		return in, f&PAuth != 0 && w>>31 != 0
	default:
		return in, false
	}
	return in, true
}

func decode1Source(w uint32, f Features, in Inst) (Inst, bool) {
	if w>>16&31 == 1 && w>>31 != 0 && f&PAuth != 0 {
		return decodePAC(w, in)
	}
	if w>>16&31 != 0 {
		return in, false
	}
	in.Rm = 0
	switch w >> 10 & 63 {
	case 0:
		in.Op = pick(w, RBIT64, RBIT32)
	case 1:
		in.Op = pick(w, REV16x64, REV16x32)
	case 2:
		in.Op = pick(w, REV32x64, REV32x32)
	case 3:
		if w>>31 == 0 {
			return in, false
		}
		in.Op = REV64
	case 4:
		in.Op = pick(w, CLZ64, CLZ32)
	case 5:
		in.Op = pick(w, CLS64, CLS32)
	default:
		return in, false
	}
	return in, true
}

// decodeBranch: Branches, Exception Generating and System instructions (C4.1.93).
func decodeBranch(w uint32, f Features) (in Inst, ok bool) {
	switch {
	case w>>26&31 == 0b00101: // B, BL
		in.Op, in.Imm = B, sext(w&0x3ffffff, 26)<<2
		if w>>31 != 0 {
			in.Op = BL
		}
		return in, true
	case w>>24 == 0b01010100: // B.cond
		if w>>4&1 != 0 {
			return in, false // BC.cond, FEAT_HBC
		}
		in.Op, in.Imm = B, sext(w>>5&0x7ffff, 19)<<2
		if c := w & 15; c < AL {
			in.Op = BEQ + Op(c)
		}
		return in, true
	case w>>25&63 == 0b011010: // CBZ, CBNZ
		in.Rn, in.Imm = src(w), sext(w>>5&0x7ffff, 19)<<2
		if w>>24&1 == 0 {
			in.Op = pick(w, CBZ64, CBZ32)
		} else {
			in.Op = pick(w, CBNZ64, CBNZ32)
		}
		return in, true
	case w>>25&63 == 0b011011: // TBZ, TBNZ
		in.Rn, in.Imm = src(w), sext(w>>5&0x3fff, 14)<<2
		in.Op, in.Opt = TBZ+Op(w>>24&1), uint8(w>>31<<5|w>>19&31)
		return in, true
	case w>>24 == 0b11010100: // exception generation
		in.Imm = uint64(w >> 5 & 0xffff)
		switch w>>21&7<<5 | w&31 {
		case 0<<5 | 1:
			in.Op = SVC
		case 0<<5 | 2:
			in.Op = HVC
		case 0<<5 | 3:
			in.Op = SMC
		case 1 << 5:
			in.Op = BRK
		case 2 << 5:
			in.Op = HLT
		case 5<<5 | 1, 5<<5 | 2, 5<<5 | 3:
			in.Op, in.Opt = DCPS, uint8(w&3)
		default:
			return in, false
		}
		return in, true
	case w>>22 == 0b1101010100: // system
		return decodeSystem(w, f)
	case w>>25 == 0b1101011 && w>>11&31 == 1: // with pointer authentication
		return decodeBranchPAC(w, f)
	case w>>25 == 0b1101011: // branch to register
		if w>>16&31 != 31 || w>>10&63 != 0 || w&31 != 0 {
			return in, false
		}
		in.Rn = src(w >> 5)
		switch w >> 21 & 15 {
		case 0:
			in.Op = BR
			if f&BTI != 0 {
				in.Op = BRBTI
			}
		case 1:
			in.Op = BLR
			if f&BTI != 0 {
				in.Op = BLRBTI
			}
		case 2:
			in.Op = RET
		case 4:
			in.Op = ERET
			return in, in.Rn == 31
		case 5:
			in.Op = DRPS
			return in, in.Rn == 31
		default:
			return in, false
		}
		return in, true
	}
	return in, false
}

func decodeSystem(w uint32, f Features) (in Inst, ok bool) {
	rt := w & 31
	crm, op2, op1 := uint8(w>>8&15), uint8(w>>5&7), uint8(w>>16&7)
	switch {
	case w>>12&0x3ff == 0b0000110010 && rt == 31: // hints
		in.Op = NOP
		switch w >> 5 & 127 {
		case 1:
			in.Op = YIELD
		case 2:
			in.Op = WFE
		case 3:
			in.Op = WFI
		case 4:
			in.Op = SEV
		case 5:
			in.Op = SEVL
		default:
			if f&PAuth != 0 {
				in = hintPAC(w>>5&127, in)
			}
		}
		return in, true
	case w>>12&0x3ff == 0b0000110011 && rt == 31: // barriers
		in.Op = NOP
		switch op2 {
		case 2:
			in.Op = CLREX
		case 4:
			in.Op = DSB
		case 5: // DMB: accesses are performed in program order
		case 6:
			in.Op = ISB
		case 7:
			return in, f&SB != 0 && crm == 0
		default:
			return in, false
		}
		return in, true
	case w>>19&7 == 0 && w>>12&15 == 4 && rt == 31: // MSR (immediate)
		in.Opt, in.Imm = op1<<3|op2, uint64(crm)
		in.Op = MSRi
		switch in.Opt {
		case 0, 0<<3 | 1, 0<<3 | 2: // CFINV, XAFLAG, AXFLAG
			if crm != 0 || f&FlagM == 0 || op2 != 0 && f&FlagM2 == 0 {
				return in, false
			}
			in.Op = [...]Op{CFINV, XAFLAG, AXFLAG}[op2]
			return in, true
		case 0<<3 | 3: // UAO
			return in, f&UAO != 0
		case 0<<3 | 4: // PAN
			return in, f&PAN != 0
		case 0<<3 | 5: // SPSel
			return in, true
		case 3<<3 | 1: // SSBS
			return in, f&SSBS != 0
		case 3<<3 | 6, 3<<3 | 7: // DAIFSet, DAIFClr
			return in, true
		}
		return in, false
	}
	in.Imm = uint64(w >> 5 & 0xffff)
	switch w >> 19 & 7 {
	case 1: // SYS
		in.Op, in.Rn = SYS, src(rt)
		if uint16(in.Imm) == Sys(1, 3, 7, 4, 1) {
			in.Op = DCZVA
		}
		return in, true
	case 5:
		in.Op, in.Rd = SYSL, dst(rt)
		return in, true
	case 2, 3:
		in.Op, in.Rn = MSR, src(rt)
		return in, true
	case 6, 7:
		in.Op, in.Rd = MRS, dst(rt)
		return in, true
	}
	return in, false
}
