package mmu

// PAR_EL1 in its 64-bit format (DDI 0487, D19.2).
const (
	parF    = 1 << 0
	parPTW  = 1 << 8
	parS    = 1 << 9
	parNS   = 1 << 9
	parRES1 = 1 << 11
)

// PAR gives the value of PAR_EL1 after an AT instruction whose Walk returned t, f and ok.
func PAR(t Translation, f Fault, ok bool) uint64 {
	if !ok {
		par := uint64(parRES1 | parF | uint64(f.Status)<<1)
		if f.S1PTW {
			par |= parPTW
		}
		if f.Stage2 {
			par |= parS
		}
		return par
	}
	par := t.PA&(1<<addressBits-1)&^0xfff | parRES1
	par |= uint64(t.Attr.MAIR)<<56 | uint64(t.Attr.Shareability)<<7
	if t.NS {
		par |= parNS
	}
	return par
}
