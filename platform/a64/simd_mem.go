package a64

// simdMemory: the loads and stores of V registers (DDI 0487, C4.1.94, with V set).
func simdMemory(w uint32) (in Inst, ok bool) {
	switch w >> 28 & 3 {
	case 0b00:
		if w>>31 != 0 {
			return in, false
		}
		if w>>24&1 == 0 {
			return simdMultiple(w)
		}
		return simdSingle(w)
	case 0b01: // load register (literal)
		in.Op, in.Rd, in.Size = VLDRLit, reg(w, 0), uint8(2+w>>30)
		in.Imm = sext(w>>5&0x7ffff, 19) << 2
		return in, w>>24&1 == 0 && in.Size < 5
	case 0b10:
		return simdPair(w)
	}
	return simdRegister(w)
}

// simdMultiple: Advanced SIMD load/store multiple structures, with or without writeback.
func simdMultiple(w uint32) (in Inst, ok bool) {
	in.Rd, in.Rn, in.Rm = reg(w, 0), base(w>>5), ZR
	in.Size, in.Opt = uint8(w>>10&3), vectorBytes(w)
	count, spread := uint8(0), 1
	switch w >> 12 & 15 {
	case 0b0000:
		count, spread = 4, 4
	case 0b0010:
		count = 4
	case 0b0100:
		count, spread = 3, 3
	case 0b0110:
		count = 3
	case 0b0111:
		count = 1
	case 0b1000:
		count, spread = 2, 2
	case 0b1010:
		count = 2
	default:
		return in, false
	}
	if spread > 1 && in.Size == 3 && in.Opt == 8 {
		return in, false
	}
	in.Ra = count
	in.Op = VST1 + Op(spread-1)
	if w>>22&1 != 0 {
		in.Op = VLD1 + Op(spread-1)
	}
	ok = w>>21&1 == 0 && structureWriteback(w, &in, uint64(count)*uint64(in.Opt))
	return in, ok
}

// structureWriteback sets what the base advances by after size bytes. Without writeback the field of Rm is zero.
func structureWriteback(w uint32, in *Inst, size uint64) bool {
	rm := reg(w, 16)
	switch {
	case w>>23&1 == 0:
		return rm == 0
	case rm == 31:
		in.Imm = size
	default:
		in.Rm = rm
	}
	return true
}

// simdSingle: Advanced SIMD load/store single structure, with or without writeback.
func simdSingle(w uint32) (in Inst, ok bool) {
	load, r, opcode, s, size := w>>22&1 != 0, w>>21&1, w>>13&7, w>>12&1, w>>10&3
	in.Rd, in.Rn, in.Rm = reg(w, 0), base(w>>5), ZR
	in.Ra = uint8(opcode&1<<1 | r + 1)
	spread := Op(in.Ra - 1)
	in.Op = VST1L + spread
	if load {
		in.Op = VLD1L + spread
	}
	index := w>>30&1<<3 | s<<2 | size // in bytes
	switch opcode >> 1 {
	case 0:
	case 1:
		if size&1 != 0 {
			return in, false
		}
		in.Size = 1
	case 2:
		switch {
		case size == 0:
			in.Size = 2
		case size == 1 && s == 0:
			in.Size = 3
		default:
			return in, false
		}
	case 3:
		if !load || s != 0 {
			return in, false
		}
		in.Op, in.Size = VLD1R+spread, uint8(size)
		in.Opt = vectorBytes(w)
		ok = structureWriteback(w, &in, uint64(in.Ra)<<in.Size)
		return in, ok
	}
	in.Opt = uint8(index >> in.Size)
	ok = structureWriteback(w, &in, uint64(in.Ra)<<in.Size)
	return in, ok
}

// simdPair: load/store register pair of V registers.
func simdPair(w uint32) (in Inst, ok bool) {
	opc := w >> 30
	if opc == 3 {
		return in, false
	}
	in.Rd, in.Rn, in.Ra = reg(w, 0), base(w>>5), reg(w, 10)
	in.Size = uint8(2 + opc)
	in.Imm = sext(w>>15&127, 7) << in.Size
	mode := w >> 23 & 3 // no-allocate, post-index, offset, pre-index
	if w>>22&1 != 0 {
		in.Op = [4]Op{VLDNP, VLDPPost, VLDP, VLDPPre}[mode]
	} else {
		in.Op = [4]Op{VSTNP, VSTPPost, VSTP, VSTPPre}[mode]
	}
	return in, true
}

// simdRegister: load/store of one V register.
func simdRegister(w uint32) (in Inst, ok bool) {
	in.Rd, in.Rn = reg(w, 0), base(w>>5)
	in.Size = uint8(w>>23&1<<2 | w>>30)
	if in.Size > 4 {
		return in, false
	}
	load := w>>22&1 != 0
	op := func(l, s Op) Op {
		if load {
			return l
		}
		return s
	}
	if w>>24&1 != 0 {
		in.Op, in.Imm = op(VLDR, VSTR), uint64(w>>10&0xfff)<<in.Size
		return in, true
	}
	if w>>21&1 != 0 {
		option := w >> 13 & 7
		in.Op, in.Rm, in.Opt = op(VLDRReg, VSTRReg), src(w>>16), uint8(option<<3)
		if w>>12&1 != 0 {
			in.Opt |= in.Size
		}
		return in, w>>10&3 == 2 && option&2 != 0
	}
	in.Imm = sext(w>>12&0x1ff, 9)
	switch w >> 10 & 3 {
	case 0:
		in.Op = op(VLDUR, VSTUR)
	case 1:
		in.Op = op(VLDRPost, VSTRPost)
	case 2: // unprivileged: integer registers only
		return in, false
	case 3:
		in.Op = op(VLDRPre, VSTRPre)
	}
	return in, true
}
