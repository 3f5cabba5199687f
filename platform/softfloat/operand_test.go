package softfloat

import "math/rand/v2"

// operand draws a bit pattern with a bias to what goes wrong: special values, the borders
// of the exponent range, fractions of few bits or almost all ones.
func operand(rng *rand.Rand, f format) uint64 {
	sign := uint64(0)
	if rng.IntN(2) == 0 {
		sign = f.signBit()
	}
	frac := rng.Uint64() & f.fracMask()
	switch rng.IntN(6) {
	case 0: // few leading bits: exact results and ties
		frac &= f.fracMask() << rng.UintN(f.frac()+1)
	case 1: // one bit
		frac = 1 << rng.UintN(f.frac())
	case 2: // all ones but for a short tail or one bit
		frac = f.fracMask() ^ 1<<rng.UintN(f.frac())
	case 3: // the ends
		frac = uint64(rng.IntN(5)-2) & f.fracMask()
	}
	field := 0
	switch rng.IntN(10) {
	case 0:
		return sign | special(rng, f)
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
	return sign | uint64(field)<<f.frac() | frac
}

func special(rng *rand.Rand, f format) uint64 {
	switch rng.IntN(7) {
	case 0:
		return 0
	case 1:
		return f.inf()
	case 2: // quiet NaN
		return f.inf() | f.quiet() | rng.Uint64()&f.fracMask()
	case 3: // signalling NaN
		return f.inf() | 1 | rng.Uint64()&f.fracMask()&^f.quiet()
	case 4:
		return f.inf() - 1
	case 5:
		return 1 << f.frac() // smallest normal
	}
	return uint64(f.bias()) << f.frac() // one
}
