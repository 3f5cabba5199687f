package softfloat

import "math"

// The fast paths below serve round to nearest with operands that are zero or normal and
// a result that is normal and far enough from underflow that neither the result nor its
// rounding error is tiny. Inexactness is computed only while FPSR.IXC is still clear.
// Explicit float32 conversions forbid the compiler to fuse a product with a sum.

// plain32 reports zero or a normal number.
func plain32(a uint32) bool { return exp32(a)-1 < 0xfe || a<<1 == 0 }

// exp32 is the exponent field.
func exp32(a uint32) uint32 { return a >> 23 & 0xff }

// sumError32 is x + y - s, exactly, for s the rounded sum (Knuth's TwoSum).
func sumError32(x, y, s float32) float32 {
	t := float32(s - x)
	return float32(x-float32(s-t)) + float32(y-t)
}

// inexact notes an inexact result.
func (e *Env) inexact(inexact bool) {
	if inexact {
		e.FPSR |= IXC
	}
}

// Add32 is FPAdd (FADD).
func (e *Env) Add32(a, b uint32) uint32 {
	if e.nearest() && plain32(a) && plain32(b) {
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		s := float32(x + y)
		if r := math.Float32bits(s); exp32(r)-1 < 0xfd || s == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(sumError32(x, y, s) != 0)
			}
			return r
		}
	}
	return uint32(e.add(single, uint64(a), uint64(b), false))
}

// Sub32 is FPSub (FSUB).
func (e *Env) Sub32(a, b uint32) uint32 {
	if e.nearest() && plain32(a) && plain32(b) {
		x, y := math.Float32frombits(a), -math.Float32frombits(b)
		s := float32(x + y)
		if r := math.Float32bits(s); exp32(r)-1 < 0xfd || s == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(sumError32(x, y, s) != 0)
			}
			return r
		}
	}
	return uint32(e.add(single, uint64(a), uint64(b), true))
}

// Mul32 is FPMul (FMUL).
func (e *Env) Mul32(a, b uint32) uint32 {
	if e.nearest() && plain32(a) && plain32(b) {
		p := float64(math.Float32frombits(a)) * float64(math.Float32frombits(b)) // exact
		s := float32(p)
		if r := math.Float32bits(s); exp32(r)-2 < 0xfd || p == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(float64(s) != p)
			}
			return r
		}
	}
	return uint32(e.mul(single, uint64(a), uint64(b), false))
}

// MulX32 is FPMulX (FMULX): zero times infinity is 2.
func (e *Env) MulX32(a, b uint32) uint32 {
	if plain32(a) && plain32(b) {
		return e.Mul32(a, b)
	}
	return uint32(e.mul(single, uint64(a), uint64(b), true))
}

// Div32 is FPDiv (FDIV).
func (e *Env) Div32(a, b uint32) uint32 {
	if e.nearest() && plain32(a) && plain32(b) {
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		s := float32(x / y)
		if r := math.Float32bits(s); exp32(r)-2 < 0xfd || s == 0 && x == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(float64(s)*float64(y) != float64(x)) // the product is exact
			}
			return r
		}
	}
	return uint32(e.div(single, uint64(a), uint64(b)))
}

// Sqrt32 is FPSqrt (FSQRT).
func (e *Env) Sqrt32(a uint32) uint32 {
	if e.nearest() && exp32(a)-1 < 0xfe && a>>31 == 0 {
		x := float64(math.Float32frombits(a))
		s := float32(math.Sqrt(x)) // double rounding is harmless: 53 >= 2*24+2
		if e.FPSR&IXC == 0 {
			e.inexact(float64(s)*float64(s) != x)
		}
		return math.Float32bits(s)
	}
	return uint32(e.sqrt(single, uint64(a)))
}

// MulAdd32 is FPMulAdd (FMADD, FMLA): addend + a*b with one rounding.
func (e *Env) MulAdd32(addend, a, b uint32) uint32 {
	if e.nearest() && plain32(a) && plain32(b) && plain32(addend) {
		p := float64(float64(math.Float32frombits(a)) * float64(math.Float32frombits(b))) // exact
		c := float64(math.Float32frombits(addend))
		d := p + c
		s := float32(d)
		r := math.Float32bits(s)
		// The double sum may itself be rounded. That matters only when it then looks
		// like a tie of the single format.
		const below = 1<<29 - 1
		tie := math.Float64bits(d)&below == 1<<28
		if exp32(r)-2 < 0xfc && !tie {
			if e.FPSR&IXC == 0 {
				e.inexact(float64(s) != d || sumError64(p, c, d) != 0)
			}
			return r
		}
	}
	return uint32(e.mulAdd(single, uint64(addend), uint64(a), uint64(b)))
}

// Compare32 is FPCompare (FCMP, and FCMPE with signalAll): N, Z, C, V in bits 3 to 0.
func (e *Env) Compare32(a, b uint32, signalAll bool) uint8 {
	if e.FPCR&FZ == 0 {
		switch x, y := math.Float32frombits(a), math.Float32frombits(b); {
		case x < y:
			return nzcvLess
		case x > y:
			return nzcvGreater
		case x == y:
			return nzcvEqual
		}
	}
	return e.compare(single, uint64(a), uint64(b), signalAll)
}

// Max32 is FPMax (FMAX).
func (e *Env) Max32(a, b uint32) uint32 {
	if plain32(a) && plain32(b) {
		switch x, y := math.Float32frombits(a), math.Float32frombits(b); {
		case x > y:
			return a
		case x != y:
			return b
		}
	}
	return uint32(e.max(single, uint64(a), uint64(b)))
}

// Min32 is FPMin (FMIN).
func (e *Env) Min32(a, b uint32) uint32 {
	if plain32(a) && plain32(b) {
		switch x, y := math.Float32frombits(a), math.Float32frombits(b); {
		case x < y:
			return a
		case x != y:
			return b
		}
	}
	return uint32(e.min(single, uint64(a), uint64(b)))
}

// MaxNum32 is FPMaxNum (FMAXNM): a single quiet NaN counts as minus infinity.
func (e *Env) MaxNum32(a, b uint32) uint32 { return uint32(e.maxNum(single, uint64(a), uint64(b))) }

// MinNum32 is FPMinNum (FMINNM): a single quiet NaN counts as plus infinity.
func (e *Env) MinNum32(a, b uint32) uint32 { return uint32(e.minNum(single, uint64(a), uint64(b))) }

// RecipEstimate32 is FPRecipEstimate (FRECPE).
func (e *Env) RecipEstimate32(a uint32) uint32 { return uint32(e.estimate(single, uint64(a))) }

// RSqrtEstimate32 is FPRSqrtEstimate (FRSQRTE).
func (e *Env) RSqrtEstimate32(a uint32) uint32 { return uint32(e.rsqrt(single, uint64(a))) }

// RecipExponent32 is FPRecpX (FRECPX).
func (e *Env) RecipExponent32(a uint32) uint32 { return uint32(e.exponent(single, uint64(a))) }

// RecipStepFused32 is FPRecipStepFused (FRECPS): 2 - a*b.
func (e *Env) RecipStepFused32(a, b uint32) uint32 {
	return uint32(e.step(single, 2, 0, uint64(a), uint64(b)))
}

// RSqrtStepFused32 is FPRSqrtStepFused (FRSQRTS): (3 - a*b) / 2.
func (e *Env) RSqrtStepFused32(a, b uint32) uint32 {
	return uint32(e.step(single, 3, -1, uint64(a), uint64(b)))
}

// CmpEQ32 is FPCompareEQ (FCMEQ): only a signalling NaN is invalid.
func (e *Env) CmpEQ32(a, b uint32) bool { return e.Compare32(a, b, false) == nzcvEqual }

// CmpGE32 is FPCompareGE (FCMGE): every NaN is invalid.
func (e *Env) CmpGE32(a, b uint32) bool {
	nzcv := e.Compare32(a, b, true)
	return nzcv == nzcvGreater || nzcv == nzcvEqual
}

// CmpGT32 is FPCompareGT (FCMGT): every NaN is invalid.
func (e *Env) CmpGT32(a, b uint32) bool { return e.Compare32(a, b, true) == nzcvGreater }

// RoundInt32 is FPRoundInt (FRINTN and its siblings); exact makes a changed value
// raise IXC (FRINTX).
func (e *Env) RoundInt32(a uint32, r Rounding, exact bool) uint32 {
	return uint32(e.roundInt(single, uint64(a), r, exact))
}

// RoundIntN32 is FPRoundIntN (FRINT32X, FRINT64Z, ...): size is 32 or 64, the integer
// type that the result must fit; what does not fit becomes -2^(size-1) and raises IOC.
func (e *Env) RoundIntN32(a uint32, r Rounding, size int) uint32 {
	return uint32(e.roundIntN(single, uint64(a), r, size))
}

// ToFixed32 is FPToFixed (FCVTNS, FCVTZU, ...): a fixed-point number of size bits (16, 32
// or 64), fbits of them fraction. It saturates, and the bits of the result above size are zero.
func (e *Env) ToFixed32(a uint32, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
	// Truncation of a normal number below 2^(size-1), as compilers' casts have it.
	if r == RoundZero && fbits == 0 && uint(exp32(a)-1) < 125+size && (!unsigned || a>>31 == 0) {
		x := math.Float32frombits(a)
		i := int64(x)
		e.inexact(float32(i) != x)
		return uint64(i) << (64 - size) >> (64 - size)
	}
	return e.toFixed(single, uint64(a), size, unsigned, fbits, r)
}

// FromFixed32 is FixedToFP (SCVTF, UCVTF): v is the low size bits (16, 32 or 64), fbits of
// them fraction. The instructions round with e.Rounding().
func (e *Env) FromFixed32(v uint64, size uint, unsigned bool, fbits uint, r Rounding) uint32 {
	if i := extend(v, size, unsigned); fbits == 0 && i>>24 == i>>63 && (!unsigned || i >= 0) {
		return math.Float32bits(float32(i)) // exact
	}
	return uint32(e.fromFixed(single, v, size, unsigned, fbits, r))
}

// Abs32 is FPAbs; it raises nothing and keeps NaNs.
func Abs32(a uint32) uint32 { return a &^ (1 << 31) }

// Neg32 is FPNeg; it raises nothing and keeps NaNs.
func Neg32(a uint32) uint32 { return a ^ 1<<31 }
