package softfloat

// recipEstimate is RecipEstimate (DDI 0487, shared/functions/float/fprecipestimate): a is
// in [256, 512), nine bits of an operand in [0.5, 1); so is the result, of one in [1, 2).
func recipEstimate(a uint32) uint32 {
	b := (1 << 19) / (a*2 + 1)
	return (b + 1) / 2
}

// rsqrtEstimate is RecipSqrtEstimate: a is in [128, 512), an operand in [0.25, 1).
func rsqrtEstimate(a uint32) uint32 {
	if a < 256 {
		a = a*2 + 1
	} else {
		a = (a>>1<<1 + 1) * 2
	}
	b := uint32(512)
	for a*(b+1)*(b+1) < 1<<28 {
		b++
	}
	return (b + 1) / 2
}

// RecipEstimateU32 is UnsignedRecipEstimate (URECPE).
func RecipEstimateU32(a uint32) uint32 {
	if a>>31 == 0 {
		return ^uint32(0)
	}
	return recipEstimate(a>>23) << 23
}

// RSqrtEstimateU32 is UnsignedRSqrtEstimate (URSQRTE).
func RSqrtEstimateU32(a uint32) uint32 {
	if a>>30 == 0 {
		return ^uint32(0)
	}
	return rsqrtEstimate(a>>23) << 23
}

// estimate is FPRecipEstimate (FRECPE): eight bits of 1/a.
func (e *Env) estimate(f format, a uint64) uint64 {
	n := e.unpack(f, a)
	switch {
	case n.isNaN():
		return e.processNaN(f, n, a)
	case n.class == infinite:
		return f.withSign(n.neg, 0)
	case n.class == zero:
		e.raise(DZC)
		return f.infinity(n.neg)
	case n.exp < -1-f.bias(): // 1/a is beyond the largest finite number
		e.raise(OFC | IXC)
		if e.Rounding().overflowsToInf(n.neg) {
			return f.infinity(n.neg)
		}
		return f.maxNormal(n.neg)
	case n.exp >= f.bias()-1 && e.flushes(f): // 1/a is denormal
		e.raise(UFC)
		return f.withSign(n.neg, 0)
	}
	// n is 0.1xxx * 2^(exp+1), so 1/n is 1.xxx * 2^(-exp-1).
	sig := uint64(recipEstimate(uint32(n.sig>>55))) << (f.frac() - 8)
	field := f.bias() - n.exp - 1
	if field <= 0 { // denormal: shift in as many zeros; at least two bits never leave
		return f.withSign(n.neg, sig>>uint(1-field))
	}
	return f.withSign(n.neg, uint64(field-1)<<f.frac()+sig)
}

// rsqrt is FPRSqrtEstimate (FRSQRTE): eight bits of 1/sqrt(a).
func (e *Env) rsqrt(f format, a uint64) uint64 {
	n := e.unpack(f, a)
	switch {
	case n.isNaN():
		return e.processNaN(f, n, a)
	case n.class == zero:
		e.raise(DZC)
		return f.infinity(n.neg)
	case n.neg:
		return e.invalid(f)
	case n.class == infinite:
		return 0
	}
	// An even exponent makes the operand 0.01xx * 2^(exp+2), an odd one 0.1xxx * 2^(exp+1).
	scaled := uint32(n.sig >> 55)
	if n.exp&1 == 0 {
		scaled >>= 1
	}
	sig := uint64(rsqrtEstimate(scaled)) << (f.frac() - 8)
	// Exponents cannot leave the normal range: halving keeps them far from it.
	field := f.bias() - (n.exp>>1 + 1)
	return uint64(field-1)<<f.frac() + sig
}

// exponent is FPRecpX (FRECPX): the operand with its exponent inverted, no fraction.
func (e *Env) exponent(f format, a uint64) uint64 {
	n := e.unpack(f, a)
	if n.isNaN() {
		return e.processNaN(f, n, a)
	}
	field := f.field(a) ^ f.maxExp()
	if f.field(a) == 0 {
		field--
	}
	return f.withSign(n.neg, uint64(field)<<f.frac())
}

// step is FPRecipStepFused (2 - a*b) for constant 2 and scale 0, and FPRSqrtStepFused
// ((3 - a*b)/2) for constant 3 and scale -1: the pseudocode negates a before it looks for
// NaNs, so a NaN a comes back with its sign inverted. Zero times infinity counts as 0.
func (e *Env) step(f format, constant uint64, scale int, a, b uint64) uint64 {
	a ^= f.signBit()
	x, y := e.unpack(f, a), e.unpack(f, b)
	if nan, ok := e.processNaNs(f, x, y, a, b); ok {
		return nan
	}
	if x.class == infinite || y.class == infinite {
		if x.class != zero && y.class != zero {
			return f.infinity(x.neg != y.neg)
		}
		x.class = zero
	}
	c := number{class: finite, exp: 1, sig: constant << 62}
	return e.fused(f, c, x, y, scale)
}
