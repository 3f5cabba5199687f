package a64

// decodeLoadStore: Loads and Stores of general registers (C4.1.94, with V = 0).
func decodeLoadStore(w uint32, f Features) (in Inst, ok bool) {
	in.Rd, in.Rn = src(w), base(w>>5)
	switch {
	case w>>24&0x3f == 0b001000:
		return decodeExclusive(w, f, in)
	case w>>24&0x3b == 0b011000: // literal
		in.Imm, in.Rn = sext(w>>5&0x7ffff, 19)<<2, 0
		in.Rd = dst(w)
		switch w >> 30 {
		case 0:
			in.Op = LDRWlit
		case 1:
			in.Op = LDRXlit
		case 2:
			in.Op, in.Size, in.Opt = LDRlit, 2, LdSigned
		case 3:
			in = Inst{Op: NOP} // PRFM
		}
		return in, true
	case w>>24&0x3f == 0b011001: // LDAPR/STLR (unscaled immediate)
		if f&LRCPC2 == 0 || w>>21&1 != 0 || w>>10&3 != 0 {
			return in, false
		}
		in.Imm, in.Size = sext(w>>12&0x1ff, 9), uint8(w>>30)
		in.Op = LDAPUR
		switch opc := w >> 22 & 3; {
		case opc == 0:
			in.Op = STLUR
			return in, true
		case opc >= 2:
			in.Opt = LdSigned
			if opc == 3 {
				in.Opt |= LdW
			}
			if in.Size == 3 || in.Size == 2 && opc == 3 {
				return in, false
			}
		}
		in.Rd = dst(w)
		return in, true
	case w>>27&7 == 0b101: // pairs
		return decodePair(w, in)
	case w>>27&7 == 0b111:
		return decodeSingle(w, f, in)
	}
	return in, false
}

func decodePair(w uint32, in Inst) (Inst, bool) {
	opc, load := w>>30, w>>22&1 != 0
	mode := w >> 23 & 3 // 0 no-allocate, 1 post, 2 offset, 3 pre
	switch opc {
	case 0:
		in.Size = 2
	case 1:
		if !load || mode == 0 {
			return in, false // STGP; 0b01 with no-allocate is unallocated
		}
		in.Size, in.Opt = 2, LdSigned
	case 2:
		in.Size = 3
	default:
		return in, false
	}
	in.Imm = sext(w>>15&0x7f, 7) << in.Size
	in.Ra = src(w >> 10)
	if load {
		in.Rd, in.Ra = dst(w), dst(w>>10)
	}
	ops := [4]Op{STPi, STPpost, STPi, STPpre}
	if load {
		ops = [4]Op{LDPi, LDPpost, LDPi, LDPpre}
	}
	in.Op = ops[mode]
	if in.Size == 3 {
		switch {
		case in.Op == STPi:
			in.Op = STPXi
		case in.Op == LDPi:
			in.Op = LDPXi
		case in.Op == STPpre:
			in.Op = STPXpre
		case in.Op == LDPpost:
			in.Op = LDPXpost
		}
	}
	return in, true
}

// hot are the specialised forms of frequent loads and stores, by addressing mode, then opc<<2 | size.
var hot = [4][16]Op{
	{ // immediate
		STRBi, STRHi, STRWi, STRXi, LDRBi, LDRHi, LDRWi, LDRXi,
		LDRSBXi, LDRSHXi, LDRSWi, 0, LDRSBWi, LDRSHWi, 0, 0,
	},
	{ // register
		STRBr, 0, STRWr, STRXr, LDRBr, LDRHr, LDRWr, LDRXr,
		0, 0, LDRSWr, 0, 0, 0, 0, 0,
	},
	{ // pre-index
		0, 0, 0, STRXpre, 0, 0, 0, LDRXpre,
	},
	{ // post-index
		STRBpost, 0, STRWpost, STRXpost, LDRBpost, 0, LDRWpost, LDRXpost,
	},
}

func decodeSingle(w uint32, f Features, in Inst) (Inst, bool) {
	size, opc := w>>30, w>>22&3
	in.Size = uint8(size)
	const (
		immediate = iota
		register
		pre
		post
	)
	mode, unprivileged := immediate, false
	switch {
	case w>>24&3 == 1: // unsigned immediate
		in.Imm = uint64(w>>10&0xfff) << size
	case w>>24&3 != 0:
		return in, false
	case w>>21&1 == 0:
		in.Imm = sext(w>>12&0x1ff, 9)
		switch w >> 10 & 3 {
		case 1:
			mode = post
		case 2:
			unprivileged = true
		case 3:
			mode = pre
		}
	case w>>10&3 == 0: // atomics
		return decodeAtomic(w, f, in)
	case w>>10&3 == 2: // register offset
		mode = register
		if w>>14&1 == 0 {
			return in, false // sub-word index registers
		}
		in.Rm = src(w >> 16)
		if w>>12&1 != 0 {
			in.Opt = uint8(size)
		}
		switch w >> 13 & 7 {
		case 2:
			in.Opt |= ExtendU
		case 6:
			in.Opt |= ExtendS
		}
	default:
		return decodeLoadPAC(w, f, in)
	}
	if size == 3 && opc == 2 { // PRFM, PRFUM
		if mode == pre || mode == post || unprivileged {
			return in, false
		}
		return Inst{Op: NOP}, true
	}
	if size == 3 && opc == 3 || size == 2 && opc == 3 {
		return in, false
	}
	if opc != 0 {
		in.Rd = dst(w)
	}
	if !unprivileged {
		if op := hot[mode][opc<<2|size]; op != 0 {
			in.Op = op
			return in, true
		}
	}
	if mode == register {
		in.Ra, in.Opt = in.Opt, 0
	}
	if opc >= 2 {
		in.Opt |= LdSigned
		if opc == 3 {
			in.Opt |= LdW
		}
	}
	load := opc != 0
	switch {
	case unprivileged && load:
		in.Op = LDTR
	case unprivileged:
		in.Op = STTR
	case load:
		in.Op = [...]Op{LDRi, LDRr, LDRpre, LDRpost}[mode]
	default:
		in.Op = [...]Op{STRi, STRr, STRpre, STRpost}[mode]
	}
	return in, true
}

// decodeExclusive: exclusives, ordered loads and stores, compare and swap.
func decodeExclusive(w uint32, f Features, in Inst) (Inst, bool) {
	in.Size = uint8(w >> 30)
	in.Rm, in.Ra = src(w>>16), src(w>>10)
	load, o0 := w>>22&1 != 0, w>>15&1
	switch w >> 21 & 7 &^ 2 { // o2, o1 without L
	case 0: // LDXR, STXR
		if load {
			in.Op, in.Rd, in.Rm = LDXR, dst(w), 0
		} else {
			in.Op, in.Rm = STXR, dst(w>>16)
		}
		return in, true
	case 1: // pairs, CASP
		if in.Size >= 2 {
			if load {
				in.Op, in.Rd, in.Ra = LDXP, dst(w), dst(w>>10)
			} else {
				in.Op, in.Rm = STXP, dst(w>>16)
			}
			return in, true
		}
		if f&LSE == 0 || w>>10&31 != 31 || w&1 != 0 || w>>16&1 != 0 {
			return in, false
		}
		in.Op, in.Size = CASP, 2+in.Size&1
		return in, true
	case 4: // LDAR, STLR, LDLAR, STLLR
		if o0 == 0 && f&LOR == 0 {
			return in, false
		}
		in.Op = STLR
		if load {
			in.Op, in.Rd = LDAR, dst(w)
		}
		return in, true
	case 5: // CAS
		if f&LSE == 0 || w>>10&31 != 31 {
			return in, false
		}
		in.Op = CAS
		return in, true
	}
	return in, false
}

func decodeAtomic(w uint32, f Features, in Inst) (Inst, bool) {
	in.Rm = src(w >> 16)
	acquire, release := w>>23&1 != 0, w>>22&1 != 0
	in.Rd = dst(w)
	if w>>15&1 != 0 {
		switch {
		case w>>12&7 == 0 && f&LSE != 0:
			in.Op = SWP
		case w>>12&7 == 4 && f&LRCPC != 0 && acquire && !release && w>>16&31 == 31:
			in.Op, in.Rm = LDAPUR, 0
		default:
			return in, false
		}
		return in, true
	}
	if f&LSE == 0 {
		return in, false
	}
	in.Op = LDADD + Op(w>>12&7)
	return in, true
}
