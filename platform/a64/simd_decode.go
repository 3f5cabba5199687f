package a64

import "math/bits"

// decodeSIMD decodes a word of the "Scalar floating-point and Advanced SIMD" group (op0 x111) or of its loads and stores
// (op0 x1x0 with bit 26 set). ok is false for what is not allocated, which is UNDEFINED (DDI 0487, C4.1.94 and C4.1.97).
func decodeSIMD(w uint32) (in Inst, ok bool) {
	if w>>25&1 == 0 {
		return simdMemory(w)
	}
	in.Rd, in.Rn, in.Rm = reg(w, 0), reg(w, 5), reg(w, 16)
	switch {
	case w>>28&1 == 0 && w>>31 == 0:
		return simdVector(w, in)
	case w>>28&1 == 0:
		return simdCrypto3(w, in)
	case w>>30&1 == 0:
		return simdFP(w, in)
	case w>>31 == 0:
		return simdScalar(w, in)
	}
	return in, false
}

// reg is the register number in the five bits from lsb on.
func reg(w uint32, lsb uint) uint8 { return uint8(w >> lsb & 31) }

// simdRow is an entry of a table of integer operations: the element sizes, as bits, that the vector and the scalar form have.
type simdRow struct {
	op             Op
	vector, scalar uint8
}

// Sets of element sizes: bit n stands for elements of 1<<n bytes.
const (
	sizeB   = 1 << 0
	sizeH   = 1 << 1
	sizeD   = 1 << 3
	sizeHS  = 1<<1 | 1<<2
	sizeBHS = 1<<0 | sizeHS
	sizeAll = sizeBHS | sizeD
)

// isScalar tells the scalar from the vector form of an Advanced SIMD instruction.
func isScalar(w uint32) bool { return w>>28&1 != 0 }

// vectorBytes is the length of a vector that bit 30 (Q) selects.
func vectorBytes(w uint32) uint8 { return uint8(8 << (w >> 30 & 1)) }

// arrange sets the operation and its arrangement for elements of 1<<size bytes. Vectors of a single element are reserved.
func (row simdRow) arrange(w uint32, in Inst, size uint8) (Inst, bool) {
	in.Op, in.Size = row.op, size
	if isScalar(w) {
		in.Opt = 1 << size
		return in, row.scalar>>size&1 != 0
	}
	in.Opt = vectorBytes(w)
	return in, row.vector>>size&1 != 0 && (size != 3 || in.Opt == 16)
}

// half is arrange for operations that narrow or widen: size is that of the narrow elements, bit 30 selects a half.
func (row simdRow) half(w uint32, in Inst, size uint8) (Inst, bool) {
	in.Op, in.Size = row.op, size
	if isScalar(w) {
		in.Opt = 1 << size
		return in, row.scalar>>size&1 != 0
	}
	in.Opt = vectorBytes(w)
	return in, row.vector>>size&1 != 0
}

// fpRow is an entry of a table of floating-point operations.
type fpRow struct {
	op    Op
	forms uint8
}

// Forms that a floating-point operation has beside the vectors of single and double.
const (
	fpScalar = 1 << iota // scalars
	fpHalf               // half precision
	fpNoVector
)

// arrange sets the operation and its arrangement for elements of 1<<size bytes, size being 1 to 3.
func (row fpRow) arrange(w uint32, in Inst, size uint8) (Inst, bool) {
	in.Op, in.Size = row.op, size
	if row.op == Undecoded || size == 1 && row.forms&fpHalf == 0 {
		return in, false
	}
	if isScalar(w) {
		in.Opt = 1 << size
		return in, row.forms&fpScalar != 0
	}
	in.Opt = vectorBytes(w)
	return in, row.forms&fpNoVector == 0 && (size != 3 || in.Opt == 16)
}

// simdVector: the Advanced SIMD vector groups and AES.
func simdVector(w uint32, in Inst) (Inst, bool) {
	if w>>24&1 != 0 {
		switch {
		case w>>10&1 == 0:
			return simdByElement(w, in)
		case w>>23&1 != 0:
			return in, false
		case w>>19&15 == 0:
			return simdImmediate(w, in)
		}
		return simdShiftImm(w, in)
	}
	if w>>21&1 == 0 {
		switch {
		case w>>10&1 != 0:
			switch {
			case w>>15&1 != 0:
				return simdThreeSameExtra(w, in)
			case w>>22&1 != 0 && w>>14&1 == 0:
				return simdThreeSameHalf(w, in)
			case w>>22&3 == 0:
				return simdCopy(w, in)
			}
			return in, false
		case w>>15&1 != 0:
			return in, false
		case w>>29&1 != 0:
			return simdExtract(w, in)
		case w>>11&1 == 0:
			return simdTable(w, in)
		}
		return simdPermute(w, in)
	}
	switch {
	case w>>10&1 != 0:
		return simdThreeSame(w, in)
	case w>>11&1 == 0:
		return simdThreeDifferent(w, in)
	}
	switch w >> 17 & 15 {
	case 0b0000:
		return simdTwoMisc(w, in)
	case 0b0100:
		return simdAES(w, in)
	case 0b1000:
		return simdAcross(w, in)
	case 0b1100:
		return simdTwoMiscHalf(w, in)
	}
	return in, false
}

// simdScalar: the Advanced SIMD scalar groups and SHA.
func simdScalar(w uint32, in Inst) (Inst, bool) {
	if w>>24&1 != 0 {
		switch {
		case w>>10&1 == 0:
			return simdByElement(w, in)
		case w>>23&1 != 0 || w>>19&15 == 0:
			return in, false
		}
		return simdShiftImm(w, in)
	}
	if w>>21&1 == 0 {
		switch {
		case w>>10&1 != 0:
			switch {
			case w>>15&1 != 0:
				return simdThreeSameExtra(w, in)
			case w>>22&1 != 0 && w>>14&1 == 0:
				return simdThreeSameHalf(w, in)
			case w>>22&3 == 0 && w>>29&1 == 0 && w>>11&15 == 0: // DUP (element), scalar
				return simdDup(w, in)
			}
			return in, false
		case w>>15&1 == 0 && w>>11&1 == 0:
			return simdSHA3(w, in)
		}
		return in, false
	}
	switch {
	case w>>10&1 != 0:
		return simdThreeSame(w, in)
	case w>>11&1 == 0:
		return simdThreeDifferent(w, in)
	}
	switch w >> 17 & 15 {
	case 0b0000:
		return simdTwoMisc(w, in)
	case 0b0100:
		return simdSHA2(w, in)
	case 0b1000:
		return simdScalarPairwise(w, in)
	case 0b1100:
		return simdTwoMiscHalf(w, in)
	}
	return in, false
}

// threeSame is indexed by U and opcode.
var threeSame = [2 * 24]simdRow{
	0b00000: {VSHADD, sizeBHS, 0}, 0b00001: {VSQADD, sizeAll, sizeAll}, 0b00010: {VSRHADD, sizeBHS, 0},
	0b00100: {VSHSUB, sizeBHS, 0}, 0b00101: {VSQSUB, sizeAll, sizeAll}, 0b00110: {VCMGT, sizeAll, sizeD},
	0b00111: {VCMGE, sizeAll, sizeD}, 0b01000: {VSSHL, sizeAll, sizeD}, 0b01001: {VSQSHL, sizeAll, sizeAll},
	0b01010: {VSRSHL, sizeAll, sizeD}, 0b01011: {VSQRSHL, sizeAll, sizeAll}, 0b01100: {VSMAX, sizeBHS, 0},
	0b01101: {VSMIN, sizeBHS, 0}, 0b01110: {VSABD, sizeBHS, 0}, 0b01111: {VSABA, sizeBHS, 0}, 0b10000: {VADD, sizeAll, sizeD},
	0b10001: {VCMTST, sizeAll, sizeD}, 0b10010: {VMLA, sizeBHS, 0}, 0b10011: {VMUL, sizeBHS, 0}, 0b10100: {VSMAXP, sizeBHS, 0},
	0b10101: {VSMINP, sizeBHS, 0}, 0b10110: {VSQDMULH, sizeHS, sizeHS}, 0b10111: {VADDP, sizeAll, 0},

	24 + 0b00000: {VUHADD, sizeBHS, 0}, 24 + 0b00001: {VUQADD, sizeAll, sizeAll}, 24 + 0b00010: {VURHADD, sizeBHS, 0},
	24 + 0b00100: {VUHSUB, sizeBHS, 0}, 24 + 0b00101: {VUQSUB, sizeAll, sizeAll}, 24 + 0b00110: {VCMHI, sizeAll, sizeD},
	24 + 0b00111: {VCMHS, sizeAll, sizeD}, 24 + 0b01000: {VUSHL, sizeAll, sizeD}, 24 + 0b01001: {VUQSHL, sizeAll, sizeAll},
	24 + 0b01010: {VURSHL, sizeAll, sizeD}, 24 + 0b01011: {VUQRSHL, sizeAll, sizeAll}, 24 + 0b01100: {VUMAX, sizeBHS, 0},
	24 + 0b01101: {VUMIN, sizeBHS, 0}, 24 + 0b01110: {VUABD, sizeBHS, 0}, 24 + 0b01111: {VUABA, sizeBHS, 0},
	24 + 0b10000: {VSUB, sizeAll, sizeD}, 24 + 0b10001: {VCMEQ, sizeAll, sizeD}, 24 + 0b10010: {VMLS, sizeBHS, 0},
	24 + 0b10011: {VPMUL, sizeB, 0}, 24 + 0b10100: {VUMAXP, sizeBHS, 0}, 24 + 0b10101: {VUMINP, sizeBHS, 0},
	24 + 0b10110: {VSQRDMULH, sizeHS, sizeHS},
}

// threeSameFP is indexed by U, the high bit of size, and the low three bits of opcode.
var threeSameFP = [32]fpRow{
	{VFMAXNM, fpHalf}, {VFMLA, fpHalf}, {VFADD, fpHalf}, {VFMULX, fpHalf | fpScalar},
	{VFCMEQ, fpHalf | fpScalar}, {}, {VFMAX, fpHalf}, {VFRECPS, fpHalf | fpScalar},
	{VFMINNM, fpHalf}, {VFMLS, fpHalf}, {VFSUB, fpHalf}, {},
	{}, {}, {VFMIN, fpHalf}, {VFRSQRTS, fpHalf | fpScalar},
	{VFMAXNMP, fpHalf}, {}, {VFADDP, fpHalf}, {VFMUL, fpHalf},
	{VFCMGE, fpHalf | fpScalar}, {VFACGE, fpHalf | fpScalar}, {VFMAXP, fpHalf}, {VFDIV, fpHalf},
	{VFMINNMP, fpHalf}, {}, {VFABD, fpHalf | fpScalar}, {},
	{VFCMGT, fpHalf | fpScalar}, {VFACGT, fpHalf | fpScalar}, {VFMINP, fpHalf}, {},
}

// simdThreeSame: Advanced SIMD three same, vector and scalar.
func simdThreeSame(w uint32, in Inst) (Inst, bool) {
	u, size, opcode := w>>29&1, uint8(w>>22&3), w>>11&31
	switch {
	case opcode == 0b00011: // logical
		in.Op = [8]Op{VAND, VBIC, VORR, VORN, VEOR, VBSL, VBIT, VBIF}[u<<2|uint32(size)]
		in.Opt = vectorBytes(w)
		return in, !isScalar(w)
	case opcode < 24:
		return threeSame[24*u+opcode].arrange(w, in, size)
	}
	switch { // products of half precision, widened
	case size&1 != 0 || isScalar(w):
	case u == 0 && opcode == 0b11101:
		in.Op, in.Size, in.Opt = [2]Op{VFMLAL, VFMLSL}[size>>1], 2, vectorBytes(w)
		return in, true
	case u == 1 && opcode == 0b11001:
		in.Op, in.Size, in.Opt = [2]Op{VFMLAL2, VFMLSL2}[size>>1], 2, vectorBytes(w)
		return in, true
	}
	return threeSameFP[u<<4|uint32(size)>>1<<3|opcode&7].arrange(w, in, 2+size&1)
}

// simdThreeSameHalf: Advanced SIMD three same (FP16), vector and scalar.
func simdThreeSameHalf(w uint32, in Inst) (Inst, bool) {
	return threeSameFP[w>>29&1<<4|w>>23&1<<3|w>>11&7].arrange(w, in, 1)
}

// simdThreeSameExtra: Advanced SIMD three same extra, vector and scalar.
func simdThreeSameExtra(w uint32, in Inst) (Inst, bool) {
	u, size, opcode := w>>29&1, uint8(w>>22&3), w>>11&15
	switch {
	case opcode < 2 && u == 1:
		return simdRow{[2]Op{VSQRDMLAH, VSQRDMLSH}[opcode], sizeHS, sizeHS}.arrange(w, in, size)
	case opcode == 2:
		return simdRow{[2]Op{VSDOT, VUDOT}[u], 1 << 2, 0}.arrange(w, in, size)
	case opcode == 3 && u == 0:
		return simdRow{VUSDOT, 1 << 2, 0}.arrange(w, in, size)
	case opcode == 4 || opcode == 5 && u == 0:
		op := [2]Op{VSMMLA, VUMMLA}[u]
		if opcode == 5 {
			op = VUSMMLA
		}
		in, ok := simdRow{op, 1 << 2, 0}.arrange(w, in, size)
		return in, ok && in.Opt == 16
	case u == 1 && size == 1 && opcode == 15:
		return simdRow{VBFDOT, 1 << 2, 0}.arrange(w, in, 2)
	case u == 1 && size == 1 && opcode == 13:
		in, ok := simdRow{VBFMMLA, 1 << 2, 0}.arrange(w, in, 2)
		return in, ok && in.Opt == 16
	case u == 1 && size == 3 && opcode == 15: // bit 30 selects lanes, all of the destination is written
		in.Op, in.Size, in.Opt = [2]Op{VBFMLALB, VBFMLALT}[w>>30&1], 2, 16
		return in, !isScalar(w)
	case opcode >= 8 && opcode < 12 && u == 1:
		in.Ra = uint8(opcode & 3)
		return simdRow{VFCMLA, sizeHS | sizeD, 0}.arrange(w, in, size)
	case opcode&0b1101 == 0b1100 && u == 1:
		in.Ra = uint8(opcode&2 + 1)
		return simdRow{VFCADD, sizeHS | sizeD, 0}.arrange(w, in, size)
	}
	return in, false
}

// threeDifferent is indexed by U and opcode.
var threeDifferent = [32]simdRow{
	{VSADDL, sizeBHS, 0}, {VSADDW, sizeBHS, 0}, {VSSUBL, sizeBHS, 0}, {VSSUBW, sizeBHS, 0},
	{VADDHN, sizeBHS, 0}, {VSABAL, sizeBHS, 0}, {VSUBHN, sizeBHS, 0}, {VSABDL, sizeBHS, 0},
	{VSMLAL, sizeBHS, 0}, {VSQDMLAL, sizeHS, sizeHS}, {VSMLSL, sizeBHS, 0}, {VSQDMLSL, sizeHS, sizeHS},
	{VSMULL, sizeBHS, 0}, {VSQDMULL, sizeHS, sizeHS}, {VPMULL, sizeB | sizeD, 0}, {},
	{VUADDL, sizeBHS, 0}, {VUADDW, sizeBHS, 0}, {VUSUBL, sizeBHS, 0}, {VUSUBW, sizeBHS, 0},
	{VRADDHN, sizeBHS, 0}, {VUABAL, sizeBHS, 0}, {VRSUBHN, sizeBHS, 0}, {VUABDL, sizeBHS, 0},
	{VUMLAL, sizeBHS, 0}, {}, {VUMLSL, sizeBHS, 0}, {},
	{VUMULL, sizeBHS, 0}, {}, {}, {},
}

// simdThreeDifferent: Advanced SIMD three different, vector and scalar.
func simdThreeDifferent(w uint32, in Inst) (Inst, bool) {
	return threeDifferent[w>>29&1<<4|w>>12&15].half(w, in, uint8(w>>22&3))
}

// twoMisc is indexed by U and opcode.
var twoMisc = [2 * 24]simdRow{
	0b00000: {VREV64, sizeBHS, 0}, 0b00001: {VREV16, sizeB, 0}, 0b00010: {VSADDLP, sizeBHS, 0},
	0b00011: {VSUQADD, sizeAll, sizeAll}, 0b00100: {VCLS, sizeBHS, 0}, 0b00101: {VCNT, sizeB, 0},
	0b00110: {VSADALP, sizeBHS, 0}, 0b00111: {VSQABS, sizeAll, sizeAll}, 0b01000: {VCMGTZ, sizeAll, sizeD},
	0b01001: {VCMEQZ, sizeAll, sizeD}, 0b01010: {VCMLTZ, sizeAll, sizeD}, 0b01011: {VABS, sizeAll, sizeD},

	24 + 0b00000: {VREV32, sizeB | sizeH, 0}, 24 + 0b00010: {VUADDLP, sizeBHS, 0}, 24 + 0b00011: {VUSQADD, sizeAll, sizeAll},
	24 + 0b00100: {VCLZ, sizeBHS, 0}, 24 + 0b00110: {VUADALP, sizeBHS, 0}, 24 + 0b00111: {VSQNEG, sizeAll, sizeAll},
	24 + 0b01000: {VCMGEZ, sizeAll, sizeD}, 24 + 0b01001: {VCMLEZ, sizeAll, sizeD}, 24 + 0b01011: {VNEG, sizeAll, sizeD},
}

// twoMiscNarrow holds the same for the operations that narrow: opcodes 10010 and 10100.
var twoMiscNarrow = [2][2]simdRow{
	{{VXTN, sizeBHS, 0}, {VSQXTN, sizeBHS, sizeBHS}},
	{{VSQXTUN, sizeBHS, sizeBHS}, {VUQXTN, sizeBHS, sizeBHS}},
}

// twoMiscFP is indexed by U, the high bit of size, and opcode.
var twoMiscFP = [128]fpRow{
	0b0_0_11000: {VFRINTN, fpHalf}, 0b0_0_11001: {VFRINTM, fpHalf}, 0b0_0_11010: {VFCVTNS, fpHalf | fpScalar},
	0b0_0_11011: {VFCVTMS, fpHalf | fpScalar}, 0b0_0_11100: {VFCVTAS, fpHalf | fpScalar}, 0b0_0_11101: {VSCVTF, fpHalf | fpScalar},
	0b0_0_11110: {VFRINT32Z, 0}, 0b0_0_11111: {VFRINT64Z, 0},

	0b0_1_01100: {VFCMGTZ, fpHalf | fpScalar}, 0b0_1_01101: {VFCMEQZ, fpHalf | fpScalar}, 0b0_1_01110: {VFCMLTZ, fpHalf | fpScalar},
	0b0_1_01111: {VFABS, fpHalf}, 0b0_1_11000: {VFRINTP, fpHalf}, 0b0_1_11001: {VFRINTZ, fpHalf},
	0b0_1_11010: {VFCVTPS, fpHalf | fpScalar}, 0b0_1_11011: {VFCVTZS, fpHalf | fpScalar}, 0b0_1_11101: {VFRECPE, fpHalf | fpScalar},
	0b0_1_11111: {VFRECPX, fpHalf | fpScalar | fpNoVector},

	0b1_0_11000: {VFRINTA, fpHalf}, 0b1_0_11001: {VFRINTX, fpHalf}, 0b1_0_11010: {VFCVTNU, fpHalf | fpScalar},
	0b1_0_11011: {VFCVTMU, fpHalf | fpScalar}, 0b1_0_11100: {VFCVTAU, fpHalf | fpScalar}, 0b1_0_11101: {VUCVTF, fpHalf | fpScalar},
	0b1_0_11110: {VFRINT32X, 0}, 0b1_0_11111: {VFRINT64X, 0},

	0b1_1_01100: {VFCMGEZ, fpHalf | fpScalar}, 0b1_1_01101: {VFCMLEZ, fpHalf | fpScalar}, 0b1_1_01111: {VFNEG, fpHalf},
	0b1_1_11001: {VFRINTI, fpHalf}, 0b1_1_11010: {VFCVTPU, fpHalf | fpScalar}, 0b1_1_11011: {VFCVTZU, fpHalf | fpScalar},
	0b1_1_11101: {VFRSQRTE, fpHalf | fpScalar}, 0b1_1_11111: {VFSQRT, fpHalf},
}

// simdTwoMisc: Advanced SIMD two-register miscellaneous, vector and scalar.
func simdTwoMisc(w uint32, in Inst) (Inst, bool) {
	u, size, opcode := w>>29&1, uint8(w>>22&3), w>>12&31
	switch {
	case opcode == 0b00101 && u == 1: // NOT and RBIT, both on bytes
		if size == 1 {
			return simdRow{VRBIT, sizeB, 0}.arrange(w, in, 0)
		}
		return simdRow{VNOT, sizeB, 0}.arrange(w, in, size)
	case opcode < 0b01100:
		return twoMisc[24*u+opcode].arrange(w, in, size)
	case opcode == 0b10010 || opcode == 0b10100:
		return twoMiscNarrow[u][opcode>>2&1].half(w, in, size)
	case opcode == 0b10011:
		if u == 0 {
			return in, false
		}
		in.Ra = 8 << size
		return simdRow{VSHLL, sizeBHS, 0}.half(w, in, size)
	case opcode == 0b10110 && u == 0 && size < 2:
		return simdRow{VFCVTN, sizeHS, 0}.half(w, in, 1+size)
	case opcode == 0b10110 && u == 0 && size == 2:
		return simdRow{VBFCVTN, 1 << 1, 0}.half(w, in, 1)
	case opcode == 0b10110 && u == 1 && size == 1:
		return simdRow{VFCVTXN, 1 << 2, 1 << 2}.half(w, in, 2)
	case opcode == 0b10111 && u == 0 && size < 2:
		return simdRow{VFCVTL, sizeHS, 0}.half(w, in, 1+size)
	case opcode == 0b11100 && size == 2:
		return fpRow{[2]Op{VURECPE, VURSQRTE}[u], 0}.arrange(w, in, 2)
	}
	return twoMiscFP[u<<6|uint32(size)>>1<<5|opcode].arrange(w, in, 2+size&1)
}

// simdTwoMiscHalf: Advanced SIMD two-register miscellaneous (FP16), vector and scalar.
func simdTwoMiscHalf(w uint32, in Inst) (Inst, bool) {
	if w>>22&1 == 0 {
		return in, false
	}
	return twoMiscFP[w>>29&1<<6|w>>23&1<<5|w>>12&31].arrange(w, in, 1)
}

// simdAcross: Advanced SIMD across lanes.
func simdAcross(w uint32, in Inst) (Inst, bool) {
	u, size, opcode := w>>29&1, uint8(w>>22&3), w>>12&31
	in.Size, in.Opt = size, vectorBytes(w)
	switch opcode {
	case 0b00011:
		in.Op = [2]Op{VSADDLV, VUADDLV}[u]
	case 0b01010:
		in.Op = [2]Op{VSMAXV, VUMAXV}[u]
	case 0b11010:
		in.Op = [2]Op{VSMINV, VUMINV}[u]
	case 0b11011:
		in.Op = VADDV
		if u != 0 {
			return in, false
		}
	case 0b01100, 0b01111:
		in.Op = [2][2]Op{{VFMAXNMV, VFMINNMV}, {VFMAXV, VFMINV}}[opcode&1][size>>1]
		in.Size = uint8(1 + u)
		return in, size&1 == 0 && (u == 0 || in.Opt == 16)
	default:
		return in, false
	}
	return in, size < 2 || size == 2 && in.Opt == 16
}

// simdScalarPairwise: Advanced SIMD scalar pairwise.
func simdScalarPairwise(w uint32, in Inst) (Inst, bool) {
	u, size, opcode := w>>29&1, uint8(w>>22&3), w>>12&31
	if opcode == 0b11011 {
		in.Op, in.Size, in.Opt = VADDPD, 3, 8
		return in, u == 0 && size == 3
	}
	switch opcode {
	case 0b01100:
		in.Op = [2]Op{VFMAXNMPS, VFMINNMPS}[size>>1]
	case 0b01101:
		in.Op = VFADDPS
		if size>>1 != 0 {
			return in, false
		}
	case 0b01111:
		in.Op = [2]Op{VFMAXPS, VFMINPS}[size>>1]
	default:
		return in, false
	}
	in.Size = 2 + size&1
	if u == 0 {
		in.Size = 1
	}
	in.Opt = 1 << in.Size
	return in, u == 1 || size&1 == 0
}

// byElement is indexed by U and opcode.
var byElement = [32]simdRow{
	0b0_0010: {VSMLALE, sizeHS, 0}, 0b0_0011: {VSQDMLALE, sizeHS, sizeHS}, 0b0_0110: {VSMLSLE, sizeHS, 0},
	0b0_0111: {VSQDMLSLE, sizeHS, sizeHS}, 0b0_1000: {VMULE, sizeHS, 0}, 0b0_1010: {VSMULLE, sizeHS, 0},
	0b0_1011: {VSQDMULLE, sizeHS, sizeHS}, 0b0_1100: {VSQDMULHE, sizeHS, sizeHS}, 0b0_1101: {VSQRDMULHE, sizeHS, sizeHS},
	0b0_1110: {VSDOTE, 1 << 2, 0},

	0b1_0000: {VMLAE, sizeHS, 0}, 0b1_0010: {VUMLALE, sizeHS, 0}, 0b1_0100: {VMLSE, sizeHS, 0}, 0b1_0110: {VUMLSLE, sizeHS, 0},
	0b1_1010: {VUMULLE, sizeHS, 0}, 0b1_1101: {VSQRDMLAHE, sizeHS, sizeHS}, 0b1_1110: {VUDOTE, 1 << 2, 0},
	0b1_1111: {VSQRDMLSHE, sizeHS, sizeHS},
}

// simdByElement: Advanced SIMD vector x indexed element and scalar x indexed element.
func simdByElement(w uint32, in Inst) (Inst, bool) {
	u, size, opcode := w>>29&1, uint8(w>>22&3), w>>12&15
	l, m, h := uint64(w>>21&1), uint64(w>>20&1), uint64(w>>11&1)
	// The index grows as elements shrink, at the cost of the register number.
	setIndex := func(size uint8) bool {
		switch size {
		case 1:
			in.Imm, in.Rm = h<<2|l<<1|m, in.Rm&15
		case 2:
			in.Imm = h<<1 | l
		case 3:
			in.Imm = h
			return l == 0
		}
		return true
	}
	if u == 1 && opcode&0b1001 == 0b0001 { // FCMLA: the index is that of a pair
		in.Ra = uint8(opcode >> 1 & 3)
		if !isScalar(w) && (size == 1 && (h == 0 || w>>30&1 != 0) || size == 2 && l == 0 && w>>30&1 != 0) {
			in.Op, in.Size, in.Opt, in.Imm = VFCMLAE, size, vectorBytes(w), h<<1|l
			if size == 2 {
				in.Imm = h
			}
			return in, true
		}
		return in, false
	}
	var fp Op
	switch u<<4 | opcode {
	case 0b0_0001:
		fp = VFMLAE
	case 0b0_0101:
		fp = VFMLSE
	case 0b0_1001:
		fp = VFMULE
	case 0b1_1001:
		fp = VFMULXE
	case 0b0_0000:
		in.Op = VFMLALE
	case 0b0_0100:
		in.Op = VFMLSLE
	case 0b1_1000:
		in.Op = VFMLAL2E
	case 0b1_1100:
		in.Op = VFMLSL2E
	}
	switch {
	case fp != Undecoded:
		if size < 2 {
			size ^= 1 // 00 is half precision, 01 is reserved
		}
		if size == 0 || !setIndex(size) {
			return in, false
		}
		return fpRow{fp, fpHalf | fpScalar}.arrange(w, in, size)
	case in.Op != Undecoded:
		setIndex(1)
		in.Size, in.Opt = 2, vectorBytes(w)
		return in, size == 2 && !isScalar(w)
	}
	if u == 0 && opcode == 0b1111 && size&1 == 0 {
		setIndex(2)
		return simdRow{[2]Op{VSUDOTE, VUSDOTE}[size>>1], 1 << 2, 0}.arrange(w, in, 2)
	}
	if u == 0 && opcode == 0b1111 && size == 1 {
		setIndex(2)
		return simdRow{VBFDOTE, 1 << 2, 0}.arrange(w, in, 2)
	}
	if u == 0 && opcode == 0b1111 && size == 3 {
		setIndex(1)
		in.Op, in.Size, in.Opt = [2]Op{VBFMLALBE, VBFMLALTE}[w>>30&1], 2, 16
		return in, !isScalar(w)
	}
	row := byElement[u<<4|opcode]
	setIndex(size)
	switch row.op {
	case VSMLALE, VUMLALE, VSMLSLE, VUMLSLE, VSMULLE, VUMULLE, VSQDMLALE, VSQDMLSLE, VSQDMULLE:
		return row.half(w, in, size)
	}
	return row.arrange(w, in, size)
}

// shiftImm is indexed by U and opcode. The sizes are those of the destination elements of shifts that narrow, and of the source
// elements of shifts that widen.
var shiftImm = [64]simdRow{
	0b0_00000: {VSSHR, sizeAll, sizeD}, 0b0_00010: {VSSRA, sizeAll, sizeD}, 0b0_00100: {VSRSHR, sizeAll, sizeD},
	0b0_00110: {VSRSRA, sizeAll, sizeD}, 0b0_01010: {VSHL, sizeAll, sizeD}, 0b0_01110: {VSQSHLI, sizeAll, sizeAll},
	0b0_10000: {VSHRN, sizeBHS, 0}, 0b0_10001: {VRSHRN, sizeBHS, 0}, 0b0_10010: {VSQSHRN, sizeBHS, sizeBHS},
	0b0_10011: {VSQRSHRN, sizeBHS, sizeBHS}, 0b0_10100: {VSSHLL, sizeBHS, 0},
	0b0_11100: {VSCVTF, sizeHS | sizeD, sizeHS | sizeD}, 0b0_11111: {VFCVTZS, sizeHS | sizeD, sizeHS | sizeD},

	0b1_00000: {VUSHR, sizeAll, sizeD}, 0b1_00010: {VUSRA, sizeAll, sizeD}, 0b1_00100: {VURSHR, sizeAll, sizeD},
	0b1_00110: {VURSRA, sizeAll, sizeD}, 0b1_01000: {VSRI, sizeAll, sizeD}, 0b1_01010: {VSLI, sizeAll, sizeD},
	0b1_01100: {VSQSHLU, sizeAll, sizeAll}, 0b1_01110: {VUQSHLI, sizeAll, sizeAll},
	0b1_10000: {VSQSHRUN, sizeBHS, sizeBHS}, 0b1_10001: {VSQRSHRUN, sizeBHS, sizeBHS}, 0b1_10010: {VUQSHRN, sizeBHS, sizeBHS},
	0b1_10011: {VUQRSHRN, sizeBHS, sizeBHS}, 0b1_10100: {VUSHLL, sizeBHS, 0},
	0b1_11100: {VUCVTF, sizeHS | sizeD, sizeHS | sizeD}, 0b1_11111: {VFCVTZU, sizeHS | sizeD, sizeHS | sizeD},
}

// laneOnes has the lowest bit of each element of 1<<size bytes set.
var laneOnes = [4]uint64{0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1}

// simdShiftImm: Advanced SIMD shift by immediate, vector and scalar. immh is not zero.
func simdShiftImm(w uint32, in Inst) (Inst, bool) {
	row := shiftImm[w>>29&1<<5|w>>11&31]
	if row.op == Undecoded {
		return in, false
	}
	immhb := w >> 16 & 127
	size := uint8(bits.Len32(immhb)) - 4
	esize := uint32(8) << size
	left, right := uint8(immhb-esize), uint8(2*esize-immhb)
	in.Rm = 0
	all := uint64(1)<<esize - 1
	if esize == 64 {
		all = ^uint64(0)
	}
	switch row.op {
	case VSHL, VSLI:
		in.Ra, in.Imm = left, laneOnes[size]*(all<<left&all)
		return row.arrange(w, in, size)
	case VSQSHLI, VUQSHLI, VSQSHLU:
		in.Ra = left
		return row.arrange(w, in, size)
	case VSSHLL, VUSHLL:
		in.Ra = left
		return row.half(w, in, size)
	case VSHRN, VRSHRN, VSQSHRN, VSQRSHRN, VUQSHRN, VUQRSHRN, VSQSHRUN, VSQRSHRUN:
		in.Ra = right
		return row.half(w, in, size)
	case VSCVTF, VUCVTF, VFCVTZS, VFCVTZU:
		in.Imm = uint64(right)
		return row.arrange(w, in, size)
	}
	in.Ra, in.Imm = right, laneOnes[size]*(all>>right)
	return row.arrange(w, in, size)
}

// simdImmediate: Advanced SIMD modified immediate. AdvSIMDExpandImm of the pseudocode.
func simdImmediate(w uint32, in Inst) (Inst, bool) {
	op, cmode := w>>29&1, w>>12&15
	imm8 := uint64(w>>16&7<<5 | w>>5&31)
	in.Rn, in.Rm, in.Opt = 0, 0, vectorBytes(w)
	if w>>11&1 != 0 {
		in.Op, in.Size, in.Imm = VFMOVI, 1, laneOnes[1]*ExpandFP(imm8, 1)
		return in, op == 0 && cmode == 15
	}
	switch {
	case cmode < 8:
		in.Imm = laneOnes[2] * (imm8 << (cmode >> 1 * 8))
	case cmode < 12:
		in.Imm = laneOnes[1] * (imm8 << (cmode >> 1 & 1 * 8))
	case cmode < 14: // shifts ones in
		shift := 8 << (cmode & 1)
		in.Imm = laneOnes[2] * (imm8<<shift | (1<<shift - 1))
	case cmode == 14 && op == 0:
		in.Imm = laneOnes[0] * imm8
	case cmode == 14: // each bit becomes a byte
		for i := range 8 {
			in.Imm |= imm8 >> i & 1 * 0xff << (8 * i)
		}
		in.Op = VMOVI
		return in, true
	case op == 0:
		in.Op, in.Size, in.Imm = VFMOVI, 2, laneOnes[2]*ExpandFP(imm8, 2)
		return in, true
	default:
		in.Op, in.Size, in.Imm = VFMOVI, 3, ExpandFP(imm8, 3)
		return in, in.Opt == 16
	}
	switch {
	case cmode < 12 && cmode&1 != 0:
		in.Op = [2]Op{VORRI, VBICI}[op]
	case op == 0:
		in.Op = VMOVI
	default:
		in.Op, in.Imm = VMVNI, ^in.Imm
	}
	return in, true
}

// ExpandFP gives the floating-point constant that an 8-bit immediate stands for, in the precision of size: 1 half, 2 single, 3
// double (VFPExpandImm of the pseudocode).
func ExpandFP(imm8 uint64, size uint8) uint64 {
	sign, exp, frac := imm8>>7, imm8>>4&7^4, imm8&15 // exp is that of the value plus 3
	switch size {
	case 1:
		return sign<<15 | (exp+15-3)<<10 | frac<<6
	case 2:
		return sign<<31 | (exp+127-3)<<23 | frac<<19
	}
	return sign<<63 | (exp+1023-3)<<52 | frac<<48
}

// simdDup: DUP (element), vector and scalar.
func simdDup(w uint32, in Inst) (Inst, bool) {
	imm5 := w >> 16 & 31
	size := uint8(bits.TrailingZeros32(imm5 | 32))
	if size > 3 {
		return in, false
	}
	in.Rm, in.Imm = 0, uint64(imm5>>(size+1))
	return simdRow{VDUPV, sizeAll, sizeAll}.arrange(w, in, size)
}

// simdCopy: Advanced SIMD copy.
func simdCopy(w uint32, in Inst) (Inst, bool) {
	q, imm5, imm4 := w>>30&1, w>>16&31, w>>11&15
	size := uint8(bits.TrailingZeros32(imm5 | 32))
	if size > 3 {
		return in, false
	}
	in.Rm, in.Size, in.Opt, in.Imm = 0, size, vectorBytes(w), uint64(imm5>>(size+1))
	if w>>29&1 != 0 { // INS (element)
		in.Op, in.Ra, in.Imm = VINSV, uint8(in.Imm), uint64(imm4>>size)
		return in, q == 1
	}
	switch imm4 {
	case 0b0000:
		return simdDup(w, in)
	case 0b0001:
		in.Imm = 0
		return simdRow{VDUPX, sizeAll, 0}.arrange(w, in, size)
	case 0b0011:
		in.Op = VINSX
		return in, q == 1
	case 0b0101:
		in.Op, in.Rd = VSMOVW, dst(w)
		if q == 1 {
			in.Op = VSMOVX
		}
		return in, size < 2 || size == 2 && q == 1
	case 0b0111:
		in.Op, in.Rd = VUMOV, dst(w)
		return in, (size == 3) == (q == 1)
	}
	return in, false
}

// simdExtract: Advanced SIMD extract.
func simdExtract(w uint32, in Inst) (Inst, bool) {
	in.Op, in.Opt, in.Imm = VEXT, vectorBytes(w), uint64(w>>11&15)
	return in, w>>22&3 == 0 && in.Imm < uint64(in.Opt)
}

// simdTable: Advanced SIMD table lookup.
func simdTable(w uint32, in Inst) (Inst, bool) {
	in.Op, in.Opt, in.Ra = [2]Op{VTBL, VTBX}[w>>12&1], vectorBytes(w), uint8(w>>13&3+1)
	return in, w>>22&3 == 0
}

// simdPermute: Advanced SIMD permute.
func simdPermute(w uint32, in Inst) (Inst, bool) {
	op := [8]Op{0, VUZP1, VTRN1, VZIP1, 0, VUZP2, VTRN2, VZIP2}[w>>12&7]
	if op == Undecoded {
		return in, false
	}
	return simdRow{op, sizeAll, 0}.arrange(w, in, uint8(w>>22&3))
}
