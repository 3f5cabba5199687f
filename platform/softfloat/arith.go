package softfloat

import "math/bits"

// add is FPAdd, and FPSub when negate is set. The sign of a NaN b is never changed.
func (e *Env) add(f format, a, b uint64, negate bool) uint64 {
	return e.addRounded(f, e.Rounding(), a, b, negate)
}

func (e *Env) addRounded(f format, r Rounding, a, b uint64, negate bool) uint64 {
	x, y := e.unpack(f, a), e.unpack(f, b)
	if nan, ok := e.processNaNs(f, x, y, a, b); ok {
		return nan
	}
	y.neg = y.neg != negate
	if x.class == infinite || y.class == infinite {
		switch {
		case x.class != infinite:
			return f.infinity(y.neg)
		case y.class == infinite && x.neg != y.neg:
			return e.invalid(f)
		}
		return f.infinity(x.neg)
	}
	return e.sum(f, r, x, y)
}

// sum adds two numbers that are finite or zero and rounds once.
func (e *Env) sum(f format, r Rounding, x, y number) uint64 {
	switch {
	case x.class == zero && y.class == zero:
		if x.neg == y.neg {
			return f.withSign(x.neg, 0)
		}
		return f.withSign(r == RoundDown, 0)
	case x.class == zero:
		return e.round(f, r, y.neg, y.exp, y.sig)
	case y.class == zero:
		return e.round(f, r, x.neg, x.exp, x.sig)
	}
	if x.exp < y.exp {
		x, y = y, x
	}
	// One bit of headroom at the top. At least nine bits below the significands are
	// clear, so a jammed remainder never reaches a bit that matters.
	xs, ys := x.sig>>1, shiftRightJam(y.sig>>1, uint(x.exp-y.exp))
	exp := x.exp + 1
	var sig uint64
	neg := x.neg
	switch {
	case x.neg == y.neg:
		sig = xs + ys
	case xs > ys:
		sig = xs - ys
	case xs < ys:
		sig, neg = ys-xs, y.neg
	default:
		return f.withSign(r == RoundDown, 0)
	}
	lz := bits.LeadingZeros64(sig)
	return e.round(f, r, neg, exp-lz, sig<<uint(lz))
}

// mul is FPMul, and FPMulX when extended is set (zero times infinity is then 2).
func (e *Env) mul(f format, a, b uint64, extended bool) uint64 {
	return e.mulRounded(f, e.Rounding(), a, b, extended)
}

func (e *Env) mulRounded(f format, r Rounding, a, b uint64, extended bool) uint64 {
	x, y := e.unpack(f, a), e.unpack(f, b)
	if nan, ok := e.processNaNs(f, x, y, a, b); ok {
		return nan
	}
	neg := x.neg != y.neg
	switch {
	case x.class == infinite || y.class == infinite:
		switch {
		case x.class != zero && y.class != zero:
			return f.infinity(neg)
		case extended:
			return f.withSign(neg, uint64(f.bias()+1)<<f.frac())
		}
		return e.invalid(f)
	case x.class == zero || y.class == zero:
		return f.withSign(neg, 0)
	}
	hi, lo := bits.Mul64(x.sig, y.sig)
	exp := x.exp + y.exp + 1
	if hi>>63 == 0 {
		hi, lo = hi<<1|lo>>63, lo<<1
		exp--
	}
	if lo != 0 {
		hi |= 1
	}
	return e.round(f, r, neg, exp, hi)
}

// div is FPDiv.
func (e *Env) div(f format, a, b uint64) uint64 {
	x, y := e.unpack(f, a), e.unpack(f, b)
	if nan, ok := e.processNaNs(f, x, y, a, b); ok {
		return nan
	}
	neg := x.neg != y.neg
	switch {
	case x.class == y.class && x.class != finite: // 0/0 or inf/inf
		return e.invalid(f)
	case x.class == infinite:
		return f.infinity(neg)
	case y.class == zero:
		e.raise(DZC)
		return f.infinity(neg)
	case x.class == zero || y.class == infinite:
		return f.withSign(neg, 0)
	}
	exp := x.exp - y.exp
	hi, lo := x.sig>>1, x.sig<<63
	if x.sig < y.sig {
		hi, lo = x.sig, 0
		exp--
	}
	q, rem := bits.Div64(hi, lo, y.sig) // hi < y.sig, and the quotient has bit 63 set
	if rem != 0 {
		q |= 1
	}
	return e.round(f, e.Rounding(), neg, exp, q)
}

// sqrt is FPSqrt.
func (e *Env) sqrt(f format, a uint64) uint64 {
	x := e.unpack(f, a)
	switch {
	case x.isNaN():
		return e.processNaN(f, x, a)
	case x.class == zero:
		return f.withSign(x.neg, 0)
	case x.neg:
		return e.invalid(f)
	case x.class == infinite:
		return f.infinity(false)
	}
	// Halve the exponent; an odd one leaves its last bit in the radicand, which then is
	// in [1, 4) with 62 fraction bits.
	radicand := x.sig >> 1
	if x.exp&1 != 0 {
		radicand = x.sig
	}
	root := squareRoot(radicand, f.frac()+2) // the last bit is for rounding
	return e.round(f, e.Rounding(), false, x.exp>>1, root)
}

// squareRoot is the first n bits of sqrt(v * 2^64) for v >= 2^62, with bit 0 set when that is
// not exact. The result has bit 63 set. n is below 62, and 2n bits hold all of v.
func squareRoot(v uint64, n uint) uint64 {
	// The schoolbook method: two radicand bits enter the remainder for one root bit.
	var root, rem uint64
	for range n {
		rem = rem<<2 | v>>62
		v <<= 2
		if trial := root<<2 | 1; rem >= trial {
			rem -= trial
			root = root<<1 | 1
		} else {
			root <<= 1
		}
	}
	root <<= 64 - n
	if rem != 0 {
		root |= 1
	}
	return root
}

// mulAdd is FPMulAdd: addend + a*b with one rounding.
func (e *Env) mulAdd(f format, addend, a, b uint64) uint64 {
	c, x, y := e.unpack(f, addend), e.unpack(f, a), e.unpack(f, b)
	undefined := x.class == infinite && y.class == zero || x.class == zero && y.class == infinite
	if c.isNaN() || x.isNaN() || y.isNaN() {
		if c.class == quietNaN && undefined {
			return e.invalid(f)
		}
		return e.processNaNs3(f, c, x, y, addend, a, b)
	}
	neg := x.neg != y.neg
	infProduct := x.class == infinite || y.class == infinite
	switch {
	case undefined, c.class == infinite && infProduct && c.neg != neg:
		return e.invalid(f)
	case c.class == infinite:
		return f.infinity(c.neg)
	case infProduct:
		return f.infinity(neg)
	}
	return e.fused(f, c, x, y, 0)
}

// processNaNs3 is FPProcessNaNs3; at least one operand is a NaN.
func (e *Env) processNaNs3(f format, x, y, z number, a, b, c uint64) uint64 {
	for _, want := range [...]class{signalNaN, quietNaN} {
		switch want {
		case x.class:
			return e.processNaN(f, x, a)
		case y.class:
			return e.processNaN(f, y, b)
		case z.class:
			return e.processNaN(f, z, c)
		}
	}
	panic("BUG: processNaNs3 without a NaN")
}

// fused is (c + x*y) * 2^scale with one rounding, for numbers that are finite or zero.
func (e *Env) fused(f format, c, x, y number, scale int) uint64 {
	r := e.Rounding()
	neg := x.neg != y.neg
	if x.class == zero || y.class == zero {
		if c.class == zero {
			if c.neg == neg {
				return f.withSign(neg, 0)
			}
			return f.withSign(r == RoundDown, 0)
		}
		return e.round(f, r, c.neg, c.exp+scale, c.sig)
	}
	p := wide{}
	p.hi, p.lo = bits.Mul64(x.sig, y.sig) // in [2^126, 2^128)
	exp := x.exp + y.exp                  // of bit 126
	if c.class != zero {
		// One bit of headroom: bit 125 is now worth 2^exp. The product has at least 21
		// clear bits below it and c at least 75, so what a shift jams into bit 0 has no
		// weight of its own in the result.
		p = p.shiftRightJam(1)
		s := wide{hi: c.sig >> 2, lo: c.sig << 62} // bit 125 is worth 2^c.exp
		if d := exp - c.exp; d >= 0 {
			s = s.shiftRightJam(uint(d))
		} else {
			p = p.shiftRightJam(uint(-d))
			exp = c.exp
		}
		exp++
		switch {
		case neg == c.neg:
			p = p.add(s)
		case s.less(p):
			p = p.sub(s)
		case p.less(s):
			p, neg = s.sub(p), c.neg
		default:
			return f.withSign(r == RoundDown, 0)
		}
	}
	exp++ // now of bit 127
	lz := p.leadingZeros()
	p = p.shiftLeft(lz)
	if p.lo != 0 {
		p.hi |= 1
	}
	return e.round(f, r, neg, exp-int(lz)+scale, p.hi)
}

// wide is an unsigned 128-bit integer.
type wide struct{ hi, lo uint64 }

func (w wide) add(v wide) wide {
	lo, carry := bits.Add64(w.lo, v.lo, 0)
	return wide{w.hi + v.hi + carry, lo}
}

func (w wide) sub(v wide) wide {
	lo, borrow := bits.Sub64(w.lo, v.lo, 0)
	return wide{w.hi - v.hi - borrow, lo}
}

func (w wide) less(v wide) bool { return w.hi < v.hi || w.hi == v.hi && w.lo < v.lo }

func (w wide) leadingZeros() uint {
	if w.hi != 0 {
		return uint(bits.LeadingZeros64(w.hi))
	}
	return 64 + uint(bits.LeadingZeros64(w.lo))
}

func (w wide) shiftLeft(n uint) wide {
	if n >= 64 {
		return wide{w.lo << (n - 64), 0}
	}
	return wide{w.hi<<n | w.lo>>(64-n), w.lo << n}
}

func (w wide) shiftRightJam(n uint) wide {
	if n >= 64 {
		lo := shiftRightJam(w.hi, n-64)
		if w.lo != 0 {
			lo |= 1
		}
		return wide{0, lo}
	}
	lo := w.lo>>n | w.hi<<(64-n)
	if w.lo<<(64-n) != 0 {
		lo |= 1
	}
	return wide{w.hi >> n, lo}
}
