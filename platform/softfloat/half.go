package softfloat

// Half precision is rare: it always takes the integer path.

// Add16 is FPAdd (FADD).
func (e *Env) Add16(a, b uint16) uint16 { return uint16(e.add(half, uint64(a), uint64(b), false)) }

// Sub16 is FPSub (FSUB).
func (e *Env) Sub16(a, b uint16) uint16 { return uint16(e.add(half, uint64(a), uint64(b), true)) }

// Mul16 is FPMul (FMUL).
func (e *Env) Mul16(a, b uint16) uint16 { return uint16(e.mul(half, uint64(a), uint64(b), false)) }

// MulX16 is FPMulX (FMULX): zero times infinity is 2.
func (e *Env) MulX16(a, b uint16) uint16 { return uint16(e.mul(half, uint64(a), uint64(b), true)) }

// Div16 is FPDiv (FDIV).
func (e *Env) Div16(a, b uint16) uint16 { return uint16(e.div(half, uint64(a), uint64(b))) }

// Sqrt16 is FPSqrt (FSQRT).
func (e *Env) Sqrt16(a uint16) uint16 { return uint16(e.sqrt(half, uint64(a))) }

// MulAdd16 is FPMulAdd (FMADD, FMLA): addend + a*b with one rounding.
func (e *Env) MulAdd16(addend, a, b uint16) uint16 {
	return uint16(e.mulAdd(half, uint64(addend), uint64(a), uint64(b)))
}

// Compare16 is FPCompare (FCMP, and FCMPE with signalAll): N, Z, C, V in bits 3 to 0.
func (e *Env) Compare16(a, b uint16, signalAll bool) uint8 {
	return e.compare(half, uint64(a), uint64(b), signalAll)
}

// Max16 is FPMax (FMAX).
func (e *Env) Max16(a, b uint16) uint16 { return uint16(e.max(half, uint64(a), uint64(b))) }

// Min16 is FPMin (FMIN).
func (e *Env) Min16(a, b uint16) uint16 { return uint16(e.min(half, uint64(a), uint64(b))) }

// MaxNum16 is FPMaxNum (FMAXNM): a single quiet NaN counts as minus infinity.
func (e *Env) MaxNum16(a, b uint16) uint16 { return uint16(e.maxNum(half, uint64(a), uint64(b))) }

// MinNum16 is FPMinNum (FMINNM): a single quiet NaN counts as plus infinity.
func (e *Env) MinNum16(a, b uint16) uint16 { return uint16(e.minNum(half, uint64(a), uint64(b))) }

// RecipEstimate16 is FPRecipEstimate (FRECPE).
func (e *Env) RecipEstimate16(a uint16) uint16 { return uint16(e.estimate(half, uint64(a))) }

// RSqrtEstimate16 is FPRSqrtEstimate (FRSQRTE).
func (e *Env) RSqrtEstimate16(a uint16) uint16 { return uint16(e.rsqrt(half, uint64(a))) }

// RecipExponent16 is FPRecpX (FRECPX).
func (e *Env) RecipExponent16(a uint16) uint16 { return uint16(e.exponent(half, uint64(a))) }

// RecipStepFused16 is FPRecipStepFused (FRECPS): 2 - a*b.
func (e *Env) RecipStepFused16(a, b uint16) uint16 {
	return uint16(e.step(half, 2, 0, uint64(a), uint64(b)))
}

// RSqrtStepFused16 is FPRSqrtStepFused (FRSQRTS): (3 - a*b) / 2.
func (e *Env) RSqrtStepFused16(a, b uint16) uint16 {
	return uint16(e.step(half, 3, -1, uint64(a), uint64(b)))
}

// CmpEQ16 is FPCompareEQ (FCMEQ): only a signalling NaN is invalid.
func (e *Env) CmpEQ16(a, b uint16) bool { return e.Compare16(a, b, false) == nzcvEqual }

// CmpGE16 is FPCompareGE (FCMGE): every NaN is invalid.
func (e *Env) CmpGE16(a, b uint16) bool {
	nzcv := e.Compare16(a, b, true)
	return nzcv == nzcvGreater || nzcv == nzcvEqual
}

// CmpGT16 is FPCompareGT (FCMGT): every NaN is invalid.
func (e *Env) CmpGT16(a, b uint16) bool { return e.Compare16(a, b, true) == nzcvGreater }

// RoundInt16 is FPRoundInt (FRINTN and its siblings); exact makes a changed value
// raise IXC (FRINTX).
func (e *Env) RoundInt16(a uint16, r Rounding, exact bool) uint16 {
	return uint16(e.roundInt(half, uint64(a), r, exact))
}

// ToFixed16 is FPToFixed (FCVTNS, FCVTZU, ...): a fixed-point number of size bits (16, 32
// or 64), fbits of them fraction. It saturates, and the bits of the result above size are zero.
func (e *Env) ToFixed16(a uint16, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
	return e.toFixed(half, uint64(a), size, unsigned, fbits, r)
}

// FromFixed16 is FixedToFP (SCVTF, UCVTF): v is the low size bits (16, 32 or 64), fbits of
// them fraction. The instructions round with e.Rounding().
func (e *Env) FromFixed16(v uint64, size uint, unsigned bool, fbits uint, r Rounding) uint16 {
	return uint16(e.fromFixed(half, v, size, unsigned, fbits, r))
}

// Abs16 is FPAbs; it raises nothing and keeps NaNs.
func Abs16(a uint16) uint16 { return a &^ (1 << 15) }

// Neg16 is FPNeg; it raises nothing and keeps NaNs.
func Neg16(a uint16) uint16 { return a ^ 1<<15 }
