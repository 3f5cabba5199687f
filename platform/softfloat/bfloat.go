package softfloat

// BFloat16 (FEAT_BF16, without FEAT_EBF16): the upper half of a single-precision number.

// Cvt32toBF16 is FPConvertBF (BFCVT).
func (e *Env) Cvt32toBF16(a uint32) uint16 {
	return uint16(e.convert(single, bfloat, uint64(a), e.Rounding()))
}

// MulAddBF is BFMulAddH (BFMLALB, BFMLALT): addend + a*b with one rounding to single.
func (e *Env) MulAddBF(addend uint32, a, b uint16) uint32 {
	return e.MulAdd32(addend, uint32(a)<<16, uint32(b)<<16)
}

// DotBF is BFDotAdd (BFDOT, BFMMLA): addend plus the products of the low and of the high halves of a and b. Each step is rounded to odd,
// denormals are flushed, NaNs are the default one; FPCR is ignored and no flag is raised.
func DotBF(addend, a, b uint32) uint32 {
	e := Env{FPCR: FZ | DN}
	low := e.mulRounded(single, roundOddInf, uint64(a<<16), uint64(b<<16), false)
	high := e.mulRounded(single, roundOddInf, uint64(a&0xffff0000), uint64(b&0xffff0000), false)
	sum := e.addRounded(single, roundOddInf, low, high, false)
	return uint32(e.addRounded(single, roundOddInf, uint64(addend), sum, false))
}
