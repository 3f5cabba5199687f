package softfloat

import "math/rand/v2"

// operand draws a bit pattern with a bias to what goes wrong: special values, the borders
// of the exponent range, fractions of few bits or almost all ones.
func operand(rng *rand.Rand, f format) uint64 {
	field := 0
	switch rng.IntN(10) {
	case 0:
		return special(rng, f)
	case 1: // zero and denormals
	case 2: // smallest normals
		field = 1 + rng.IntN(3)
	case 3: // largest normals
		field = f.maxExp() - 1 - rng.IntN(3)
	case 4: // anything, NaNs too
		field = rng.IntN(f.maxExp() + 1)
	case 5: // near the square roots of the range, so that products reach its ends
		field = f.bias()/2 + rng.IntN(8) - 4 + rng.IntN(2)*f.bias()
	case 6, 7: // near one
		field = f.bias() + rng.IntN(8) - 4
	default: // within reach of an alignment shift
		spread := min(2*int(f.frac())+8, f.bias()-1)
		field = f.bias() + rng.IntN(2*spread) - spread
	}
	return sign(rng, f) | uint64(field)<<f.frac() | fraction(rng, f)
}

func sign(rng *rand.Rand, f format) uint64 {
	if rng.IntN(2) == 0 {
		return f.signBit()
	}
	return 0
}

func fraction(rng *rand.Rand, f format) uint64 {
	frac := rng.Uint64() & f.fracMask()
	switch rng.IntN(6) {
	case 0: // few leading bits: exact results and ties
		frac &= f.fracMask() << rng.UintN(f.frac()+1)
	case 1: // one bit
		frac = 1 << rng.UintN(f.frac())
	case 2: // all ones but for one bit
		frac = f.fracMask() ^ 1<<rng.UintN(f.frac())
	case 3: // the ends
		frac = uint64(rng.IntN(5)-2) & f.fracMask()
	}
	return frac & f.fracMask()
}

func special(rng *rand.Rand, f format) uint64 {
	v := sign(rng, f)
	switch rng.IntN(7) {
	case 0:
	case 1:
		v |= f.inf()
	case 2: // quiet NaN
		v |= f.inf() | f.quiet() | rng.Uint64()&f.fracMask()
	case 3: // signalling NaN
		v |= f.inf() | 1 | rng.Uint64()&f.fracMask()&^f.quiet()
	case 4:
		v |= f.inf() - 1
	case 5:
		v |= 1 << f.frac() // smallest normal
	case 6:
		v |= uint64(f.bias()) << f.frac() // one
	}
	return v
}

// operands draws three operands; often the sum or the product with the third nearly
// cancels.
func operands(rng *rand.Rand, f format) (a, b, c uint64) {
	a, b, c = operand(rng, f), operand(rng, f), operand(rng, f)
	switch rng.IntN(10) {
	case 0: // b nearly -a
		b = a ^ f.signBit() ^ uint64(rng.IntN(4))
	case 1: // c nearly -a*b
		var e Env
		c = e.mul(f, a, b, false) ^ f.signBit() ^ uint64(rng.IntN(4))
	case 2: // b a small integer or a power of two: exact products and quotients
		b = sign(rng, f) | uint64(f.bias()+rng.IntN(12)-6)<<f.frac() | uint64(rng.IntN(4))<<(f.frac()-2)
	case 3: // a the product of b and another: exact quotients, exact roots
		var e Env
		b &= ^uint64(0) << (f.frac()/2 + 1)
		a = e.mul(f, b, b, false)
	case 4, 5: // the product or the quotient at an end of the range
		var e Env
		end := uint64(1) << f.frac()
		if rng.IntN(3) == 0 {
			end = f.inf() - 1
		}
		if rng.IntN(2) == 0 {
			a = e.div(f, end, b)
		} else {
			a = e.mul(f, end, b, false)
		}
		a += uint64(rng.IntN(3)) - 1
		c = sign(rng, f) | uint64(rng.IntN(2))
	}
	return a & (2*f.signBit() - 1), b, c
}

// nearInteger draws an operand whose integer part, times 2^fbits, has up to 70 bits.
func nearInteger(rng *rand.Rand, f format, fbits int) uint64 {
	if rng.IntN(8) == 0 {
		return operand(rng, f)
	}
	field := f.bias() - fbits + rng.IntN(73) - 3
	if rng.IntN(3) == 0 { // near the ends of the integer types
		field = f.bias() - fbits + []int{-1, 0, 15, 16, 31, 32, 63, 64}[rng.IntN(8)] - rng.IntN(2)
	}
	field = max(0, min(field, f.maxExp()-1))
	frac := fraction(rng, f)
	if unit := field - f.bias() + fbits; unit >= 0 && unit <= int(f.frac())-2 && rng.IntN(2) == 0 {
		frac &^= 1<<(int(f.frac())-unit-2) - 1 // quarters: ties are common
	}
	return sign(rng, f) | uint64(field)<<f.frac() | frac
}

// nearFormat draws an operand of one format at or next to a value of another one.
func nearFormat(rng *rand.Rand, from, to format) uint64 {
	if from.frac() <= to.frac() || rng.IntN(4) == 0 {
		return operand(rng, from)
	}
	v := operand(rng, to)
	if to.field(v) == to.maxExp() {
		return operand(rng, from)
	}
	// The value of v, or one with too many fraction bits below it.
	frac := v & to.fracMask() << (from.frac() - to.frac())
	switch rng.IntN(4) {
	case 0: // a tie
		frac |= 1 << (from.frac() - to.frac() - 1)
	case 1:
		frac |= 1 << (from.frac() - to.frac() - 1)
		frac += uint64(rng.IntN(3) - 1)
	case 2:
		frac |= rng.Uint64() & (1<<(from.frac()-to.frac()) - 1)
	}
	exp := to.field(v) - to.bias()
	if to.field(v) == 0 { // results that are denormal, or vanish
		exp -= rng.IntN(int(to.frac()) + 4)
	}
	return sign(rng, from) | uint64(exp+from.bias())<<from.frac() | frac&from.fracMask()
}

// integer draws an integer of a size, often close to one that a significand cannot hold.
func integer(rng *rand.Rand, size uint) uint64 {
	v := rng.Uint64() >> rng.UintN(64)
	switch rng.IntN(4) {
	case 0: // few leading bits, perhaps a last one
		v = v&^(1<<rng.UintN(64)-1) | uint64(rng.IntN(2))
	case 1: // next to a power of two
		v = 1<<rng.UintN(64) + uint64(rng.IntN(3)) - 1
	}
	if rng.IntN(2) == 0 {
		v = -v
	}
	return v << (64 - size) >> (64 - size)
}
