package softfloat

import "math"

// single.go tells when the fast paths apply.

// plain64 reports zero or a normal number.
func plain64(a uint64) bool { return exp64(a)-1 < 0x7fe || a<<1 == 0 }

// exp64 is the exponent field.
func exp64(a uint64) uint64 { return a >> 52 & 0x7ff }

// roomy64 reports an exponent field so far from the least that the error of a product
// with a result of this exponent is a normal number.
func roomy64(a uint64) bool { return exp64(a)-128 < 0x7fe-128 }

// sumError64 is x + y - s, exactly, for s the rounded sum (Knuth's TwoSum).
func sumError64(x, y, s float64) float64 {
	t := float64(s - x)
	return float64(x-float64(s-t)) + float64(y-t)
}

// Add64 is FPAdd (FADD).
func (e *Env) Add64(a, b uint64) uint64 {
	if e.nearest() && plain64(a) && plain64(b) {
		x, y := math.Float64frombits(a), math.Float64frombits(b)
		s := float64(x + y)
		if r := math.Float64bits(s); exp64(r)-1 < 0x7fd || s == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(sumError64(x, y, s) != 0)
			}
			return r
		}
	}
	return e.add(double, a, b, false)
}

// Sub64 is FPSub (FSUB).
func (e *Env) Sub64(a, b uint64) uint64 {
	if e.nearest() && plain64(a) && plain64(b) {
		x, y := math.Float64frombits(a), -math.Float64frombits(b)
		s := float64(x + y)
		if r := math.Float64bits(s); exp64(r)-1 < 0x7fd || s == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(sumError64(x, y, s) != 0)
			}
			return r
		}
	}
	return e.add(double, a, b, true)
}

// Mul64 is FPMul (FMUL).
func (e *Env) Mul64(a, b uint64) uint64 {
	if e.nearest() && plain64(a) && plain64(b) {
		x, y := math.Float64frombits(a), math.Float64frombits(b)
		s := float64(x * y)
		if r := math.Float64bits(s); roomy64(r) || x == 0 || y == 0 {
			if e.FPSR&IXC == 0 {
				e.inexact(math.FMA(x, y, -s) != 0)
			}
			return r
		}
	}
	return e.mul(double, a, b, false)
}

// MulX64 is FPMulX (FMULX): zero times infinity is 2.
func (e *Env) MulX64(a, b uint64) uint64 {
	if plain64(a) && plain64(b) {
		return e.Mul64(a, b)
	}
	return e.mul(double, a, b, true)
}

// Div64 is FPDiv (FDIV).
func (e *Env) Div64(a, b uint64) uint64 {
	if e.nearest() && roomy64(a) && plain64(b) {
		x, y := math.Float64frombits(a), math.Float64frombits(b)
		s := x / y
		if r := math.Float64bits(s); roomy64(r) {
			if e.FPSR&IXC == 0 {
				e.inexact(math.FMA(s, y, -x) != 0)
			}
			return r
		}
	}
	return e.div(double, a, b)
}

// Sqrt64 is FPSqrt (FSQRT).
func (e *Env) Sqrt64(a uint64) uint64 {
	if e.nearest() && roomy64(a) && a>>63 == 0 {
		x := math.Float64frombits(a)
		s := math.Sqrt(x)
		if e.FPSR&IXC == 0 {
			e.inexact(math.FMA(s, s, -x) != 0)
		}
		return math.Float64bits(s)
	}
	return e.sqrt(double, a)
}

// MulAdd64 is FPMulAdd (FMADD, FMLA): addend + a*b with one rounding.
func (e *Env) MulAdd64(addend, a, b uint64) uint64 {
	if e.nearest() && plain64(a) && plain64(b) && plain64(addend) {
		x, y, c := math.Float64frombits(a), math.Float64frombits(b), math.Float64frombits(addend)
		r := math.Float64bits(math.FMA(x, y, c))
		if exp64(r)-2 < 0x7fc {
			if e.FPSR&IXC != 0 {
				return r
			}
			// An exact product reduces the question to that of a sum.
			p := float64(x * y)
			if roomy64(math.Float64bits(p)) && math.FMA(x, y, -p) == 0 {
				e.inexact(sumError64(p, c, math.Float64frombits(r)) != 0)
				return r
			}
		}
	}
	return e.mulAdd(double, addend, a, b)
}

// Compare64 is FPCompare (FCMP, and FCMPE with signalAll): N, Z, C, V in bits 3 to 0.
func (e *Env) Compare64(a, b uint64, signalAll bool) uint8 {
	if e.FPCR&FZ == 0 {
		switch x, y := math.Float64frombits(a), math.Float64frombits(b); {
		case x < y:
			return nzcvLess
		case x > y:
			return nzcvGreater
		case x == y:
			return nzcvEqual
		}
	}
	return e.compare(double, a, b, signalAll)
}

// Max64 is FPMax (FMAX).
func (e *Env) Max64(a, b uint64) uint64 {
	if plain64(a) && plain64(b) {
		switch x, y := math.Float64frombits(a), math.Float64frombits(b); {
		case x > y:
			return a
		case x != y:
			return b
		}
	}
	return e.max(double, a, b)
}

// Min64 is FPMin (FMIN).
func (e *Env) Min64(a, b uint64) uint64 {
	if plain64(a) && plain64(b) {
		switch x, y := math.Float64frombits(a), math.Float64frombits(b); {
		case x < y:
			return a
		case x != y:
			return b
		}
	}
	return e.min(double, a, b)
}

// MaxNum64 is FPMaxNum (FMAXNM): a single quiet NaN counts as minus infinity.
func (e *Env) MaxNum64(a, b uint64) uint64 { return e.maxNum(double, a, b) }

// MinNum64 is FPMinNum (FMINNM): a single quiet NaN counts as plus infinity.
func (e *Env) MinNum64(a, b uint64) uint64 { return e.minNum(double, a, b) }

// RecipEstimate64 is FPRecipEstimate (FRECPE).
func (e *Env) RecipEstimate64(a uint64) uint64 { return e.estimate(double, a) }

// RSqrtEstimate64 is FPRSqrtEstimate (FRSQRTE).
func (e *Env) RSqrtEstimate64(a uint64) uint64 { return e.rsqrt(double, a) }

// RecipExponent64 is FPRecpX (FRECPX).
func (e *Env) RecipExponent64(a uint64) uint64 { return e.exponent(double, a) }

// RecipStepFused64 is FPRecipStepFused (FRECPS): 2 - a*b.
func (e *Env) RecipStepFused64(a, b uint64) uint64 {
	return e.step(double, 2, 0, a, b)
}

// RSqrtStepFused64 is FPRSqrtStepFused (FRSQRTS): (3 - a*b) / 2.
func (e *Env) RSqrtStepFused64(a, b uint64) uint64 {
	return e.step(double, 3, -1, a, b)
}

// CmpEQ64 is FPCompareEQ (FCMEQ): only a signalling NaN is invalid.
func (e *Env) CmpEQ64(a, b uint64) bool { return e.Compare64(a, b, false) == nzcvEqual }

// CmpGE64 is FPCompareGE (FCMGE): every NaN is invalid.
func (e *Env) CmpGE64(a, b uint64) bool {
	nzcv := e.Compare64(a, b, true)
	return nzcv == nzcvGreater || nzcv == nzcvEqual
}

// CmpGT64 is FPCompareGT (FCMGT): every NaN is invalid.
func (e *Env) CmpGT64(a, b uint64) bool { return e.Compare64(a, b, true) == nzcvGreater }

// RoundInt64 is FPRoundInt (FRINTN and its siblings); exact makes a changed value
// raise IXC (FRINTX).
func (e *Env) RoundInt64(a uint64, r Rounding, exact bool) uint64 {
	return e.roundInt(double, a, r, exact)
}

// RoundIntN64 is FPRoundIntN (FRINT32X, FRINT64Z, ...): size is 32 or 64, the integer
// type that the result must fit; what does not fit becomes -2^(size-1) and raises IOC.
func (e *Env) RoundIntN64(a uint64, r Rounding, size int) uint64 {
	return e.roundIntN(double, a, r, size)
}

// ToFixed64 is FPToFixed (FCVTNS, FCVTZU, ...): a fixed-point number of size bits (16, 32
// or 64), fbits of them fraction. It saturates, and the bits of the result above size are zero.
func (e *Env) ToFixed64(a uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
	// Truncation of a normal number below 2^(size-1), as compilers' casts have it.
	if r == RoundZero && fbits == 0 && uint(exp64(a)-1) < 1021+size && (!unsigned || a>>63 == 0) {
		x := math.Float64frombits(a)
		i := int64(x)
		e.inexact(float64(i) != x)
		return uint64(i) << (64 - size) >> (64 - size)
	}
	return e.toFixed(double, a, size, unsigned, fbits, r)
}

// FromFixed64 is FixedToFP (SCVTF, UCVTF): v is the low size bits (16, 32 or 64), fbits of
// them fraction. The instructions round with e.Rounding().
func (e *Env) FromFixed64(v uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
	if i := extend(v, size, unsigned); fbits == 0 && i>>53 == i>>63 && (!unsigned || i >= 0) {
		return math.Float64bits(float64(i)) // exact
	}
	return e.fromFixed(double, v, size, unsigned, fbits, r)
}

// Abs64 is FPAbs; it raises nothing and keeps NaNs.
func Abs64(a uint64) uint64 { return a &^ (1 << 63) }

// Neg64 is FPNeg; it raises nothing and keeps NaNs.
func Neg64(a uint64) uint64 { return a ^ 1<<63 }
