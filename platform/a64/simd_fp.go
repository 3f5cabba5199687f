package a64

// fpPrecision maps the ptype field to log2 of the bytes: 1 half, 2 single, 3 double, 0 reserved.
var fpPrecision = [4]uint8{2, 3, 0, 1}

// simdFP: the scalar floating-point groups.
func simdFP(w uint32, in Inst) (Inst, bool) {
	if w>>29&1 != 0 {
		return in, false
	}
	size := fpPrecision[w>>22&3]
	in.Size = size
	if w>>24&1 == 0 {
		switch {
		case w>>21&1 == 0:
			return fpFixed(w, in)
		case w>>10&63 == 0:
			return fpInteger(w, in)
		}
	}
	if size == 0 || w>>31 != 0 {
		return in, false
	}
	precision := Op(size - 1) // offset among the three forms of an operation
	if w>>24&1 != 0 {
		in.Op = [4]Op{FMADDH, FMSUBH, FNMADDH, FNMSUBH}[w>>21&1<<1|w>>15&1] + precision
		in.Ra = reg(w, 10)
		return in, true
	}
	switch {
	case w>>10&3 == 1:
		in.Op, in.Opt, in.Imm = [2]Op{FCCMPH, FCCMPEH}[w>>4&1]+precision, uint8(w>>12&15), uint64(w&15)
		in.Rd = 0
		return in, true
	case w>>10&3 == 2:
		if w>>12&15 > 8 {
			return in, false
		}
		in.Op = [9]Op{FMULH, FDIVH, FADDH, FSUBH, FMAXH, FMINH, FMAXNMH, FMINNMH, FNMULH}[w>>12&15] + precision
		return in, true
	case w>>10&3 == 3:
		in.Op, in.Opt = FCSELH+precision, uint8(w>>12&15)
		return in, true
	case w>>12&1 != 0: // immediate
		in.Op, in.Imm = FMOVI, ExpandFP(uint64(w>>13&255), size)
		in.Rn, in.Rm = 0, 0
		return in, w>>5&31 == 0
	case w>>13&1 != 0: // compare
		in.Op = [4]Op{FCMPH, FCMPZH, FCMPEH, FCMPEZH}[w>>3&3] + precision
		in.Rd = 0
		return in, w&7 == 0 && w>>14&3 == 0
	case w>>14&1 != 0:
		return fpOneSource(w, in, precision)
	}
	return in, false
}

// fpRint are the operations of opcodes 001000 to 010011 of one source.
var fpRint = [12]Op{FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA, 0, FRINTX, FRINTI, FRINT32Z, FRINT32X, FRINT64Z, FRINT64X}

// fpOneSource: floating-point data processing, one source.
func fpOneSource(w uint32, in Inst, precision Op) (Inst, bool) {
	opcode := w >> 15 & 63
	in.Rm = 0
	switch {
	case opcode < 4:
		in.Op = [4]Op{FMOVH, FABSH, FNEGH, FSQRTH}[opcode] + precision
	case opcode < 8: // the low two bits are the type of the destination
		in.Op = [4][4]Op{
			{0, FCVTStoD, 0, FCVTStoH},
			{FCVTDtoS, 0, BFCVT, FCVTDtoH},
			{},
			{FCVTHtoS, FCVTHtoD, 0, 0},
		}[w>>22&3][opcode&3]
	case opcode < 20:
		in.Op = fpRint[opcode-8]
		if opcode >= 16 && in.Size == 1 {
			return in, false
		}
	}
	return in, in.Op != Undecoded
}

// fpFixed: conversion between floating-point and fixed-point.
func fpFixed(w uint32, in Inst) (Inst, bool) {
	sf, scale := w>>31, w>>10&63
	if in.Size == 0 || sf == 0 && scale < 32 {
		return in, false
	}
	in.Rm, in.Imm = 0, uint64(64-scale)
	switch w >> 16 & 31 {
	case 0b00_010:
		in.Op = [2]Op{SCVTFWH, SCVTFXH}[sf] + Op(in.Size-1)
	case 0b00_011:
		in.Op = [2]Op{UCVTFWH, UCVTFXH}[sf] + Op(in.Size-1)
	case 0b11_000:
		in.Op, in.Rd = [2]Op{FCVTZSW, FCVTZSX}[sf], dst(w)
	case 0b11_001:
		in.Op, in.Rd = [2]Op{FCVTZUW, FCVTZUX}[sf], dst(w)
	default:
		return in, false
	}
	return in, true
}

// fpToInteger is indexed by rmode, the low bit of opcode (unsigned) and sf.
var fpToInteger = [4][2][2]Op{
	{{FCVTNSW, FCVTNSX}, {FCVTNUW, FCVTNUX}},
	{{FCVTPSW, FCVTPSX}, {FCVTPUW, FCVTPUX}},
	{{FCVTMSW, FCVTMSX}, {FCVTMUW, FCVTMUX}},
	{{FCVTZSW, FCVTZSX}, {FCVTZUW, FCVTZUX}},
}

// fpZeroFast are the conversions towards zero without fraction bits, indexed by unsigned, sf and precision.
var fpZeroFast = [2][2][2]Op{
	{{FCVTZSWS, FCVTZSWD}, {FCVTZSXS, FCVTZSXD}},
	{{FCVTZUWS, FCVTZUWD}, {FCVTZUXS, FCVTZUXD}},
}

// fpInteger: conversion between floating-point and integer, and moves between the register files.
func fpInteger(w uint32, in Inst) (Inst, bool) {
	sf, rmode, opcode := w>>31, w>>19&3, w>>16&7
	in.Rm = 0
	if opcode >= 6 {
		return fpMove(w, in)
	}
	if in.Size == 0 {
		return in, false
	}
	switch {
	case opcode < 2:
		in.Rd = dst(w)
		if rmode == 3 && in.Size > 1 {
			in.Op = fpZeroFast[opcode][sf][in.Size-2]
		} else {
			in.Op = fpToInteger[rmode][opcode][sf]
		}
		return in, true
	case opcode < 4:
		in.Op = [2][2]Op{{SCVTFWH, SCVTFXH}, {UCVTFWH, UCVTFXH}}[opcode&1][sf] + Op(in.Size-1)
	default:
		in.Op, in.Rd = [2][2]Op{{FCVTASW, FCVTASX}, {FCVTAUW, FCVTAUX}}[opcode&1][sf], dst(w)
	}
	return in, rmode == 0
}

// fpMove: FMOV (general) and FJCVTZS.
func fpMove(w uint32, in Inst) (Inst, bool) {
	from := w>>16&1 == 0 // from a V register
	if from {
		in.Rd = dst(w)
	}
	switch w>>31<<4 | w>>22&3<<2 | w>>19&3 {
	case 0b0_00_00:
		in.Op = FMOVtoS
		if from {
			in.Op = FMOVfromS
		}
	case 0b1_01_00:
		in.Op = FMOVtoD
		if from {
			in.Op = FMOVfromD
		}
	case 0b1_10_01:
		in.Op = FMOVtoTop
		if from {
			in.Op = FMOVfromTop
		}
	case 0b0_11_00, 0b1_11_00:
		in.Op = FMOVtoH
		if from {
			in.Op = FMOVfromH
		}
	case 0b0_01_11:
		in.Op = FJCVTZS
		return in, from
	default:
		return in, false
	}
	return in, true
}
