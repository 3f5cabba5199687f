package cpu

import "gatehouse/platform/a64"

// Bits of the syndrome of a Data Abort that describe the instruction (D19.2.37, ISS encoding for an exception from a Data Abort).
const (
	issISV      = 1 << 24
	issSASShift = 22
	issSSE      = 1 << 21
	issSRTShift = 16
	issSF       = 1 << 15
	issAR       = 1 << 14
)

// accessSyndrome gives ISS bits 24 to 14 for a stage 2 fault of a load or store. They are valid for one general register, without
// writeback, and not for exclusives and for instructions that both load and store.
func accessSyndrome(in *a64.Inst) uint64 {
	g, ordered, ok := oneRegister(in)
	if !ok || g.mode >= modePre {
		return 0
	}
	iss := uint64(issISV)
	for size := 1; size < g.size; size *= 2 {
		iss += 1 << issSASShift
	}
	if g.flags&a64.LdSigned != 0 {
		iss |= issSSE
	}
	iss |= uint64(min(in.Rd, a64.ZR)&31) << issSRTShift // Discard stands for the zero register too
	if g.size == 8 || g.flags&(a64.LdSigned|a64.LdW) == a64.LdSigned {
		iss |= issSF
	}
	if ordered {
		iss |= issAR
	}
	return iss
}

// oneRegister gives the parts of a load or store of one general register.
func oneRegister(in *a64.Inst) (g general, ordered, ok bool) {
	switch in.Op {
	case a64.LDRi, a64.LDRr, a64.LDRpre, a64.LDRpost:
		return general{1 << in.Size, in.Opt, true, modeOf(in.Op, a64.LDRi)}, false, true
	case a64.STRi, a64.STRr, a64.STRpre, a64.STRpost:
		return general{1 << in.Size, 0, false, modeOf(in.Op, a64.STRi)}, false, true
	case a64.LDTR, a64.LDAPUR:
		return general{size: 1 << in.Size, flags: in.Opt}, in.Op == a64.LDAPUR, true
	case a64.STTR, a64.STLUR, a64.LDAR, a64.STLR:
		return general{size: 1 << in.Size}, in.Op != a64.STTR, true
	case a64.LDRXlit:
		return general{size: 8}, false, true
	case a64.LDRAUT:
		g = general{size: 8}
		if in.Size != 0 {
			g.mode = modePre
		}
		return g, false, true
	case a64.LDRWlit:
		return general{size: 4}, false, true
	case a64.LDRlit:
		return general{size: 1 << in.Size, flags: in.Opt}, false, true
	}
	g, ok = specialised[in.Op]
	return g, false, ok
}
