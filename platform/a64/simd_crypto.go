package a64

// simdAES: cryptographic AES.
func simdAES(w uint32, in Inst) (Inst, bool) {
	opcode := w >> 12 & 31
	if w>>29&3 != 0b10 || w>>22&3 != 0 || opcode < 4 || opcode > 7 {
		return in, false
	}
	in.Op, in.Rm = [4]Op{VAESE, VAESD, VAESMC, VAESIMC}[opcode-4], 0
	return in, true
}

// simdSHA3: cryptographic three-register SHA.
func simdSHA3(w uint32, in Inst) (Inst, bool) {
	in.Op = [8]Op{VSHA1C, VSHA1P, VSHA1M, VSHA1SU0, VSHA256H, VSHA256H2, VSHA256SU1, 0}[w>>12&7]
	return in, in.Op != Undecoded && w>>29&1 == 0 && w>>22&3 == 0 && w>>10&1 == 0
}

// simdSHA2: cryptographic two-register SHA.
func simdSHA2(w uint32, in Inst) (Inst, bool) {
	opcode := w >> 12 & 31
	if w>>29&1 != 0 || w>>22&3 != 0 || opcode > 2 {
		return in, false
	}
	in.Op, in.Rm = [3]Op{VSHA1H, VSHA1SU1, VSHA256SU0}[opcode], 0
	return in, true
}

// simdCrypto3: the cryptographic groups whose words begin with 11001110: SHA-512, SHA-3, SM3 and SM4.
func simdCrypto3(w uint32, in Inst) (Inst, bool) {
	if w>>24 != 0b11001110 {
		return in, false
	}
	in.Ra = reg(w, 10)
	switch o, bit15 := w>>21&7, w>>15&1; {
	case o == 0 && bit15 == 0:
		in.Op = VEOR3
	case o == 1 && bit15 == 0:
		in.Op = VBCAX
	case o == 2 && bit15 == 0:
		in.Op = VSM3SS1
	case o == 2 && w>>14&3 == 2:
		in.Op, in.Ra, in.Imm = [4]Op{VSM3TT1A, VSM3TT1B, VSM3TT2A, VSM3TT2B}[w>>10&3], 0, uint64(w>>12&3)
	case o == 3 && bit15 == 1 && w>>12&3 == 0:
		in.Op, in.Ra = [8]Op{VSHA512H, VSHA512H2, VSHA512SU1, VRAX1, VSM3PARTW1, VSM3PARTW2, VSM4EKEY, 0}[w>>14&1<<2|w>>10&3], 0
	case o == 4:
		in.Op, in.Ra, in.Imm = VXAR, 0, uint64(w>>10&63)
	case o == 6 && w>>12&0x1ff == 0b000001000 && w>>10&3 < 2:
		in.Op, in.Ra, in.Rm = [2]Op{VSHA512SU0, VSM4E}[w>>10&1], 0, 0
	}
	return in, in.Op != Undecoded
}
