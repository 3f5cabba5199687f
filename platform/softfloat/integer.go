package softfloat

import "math/bits"

// split cuts a finite number, times 2^scale, into its integer part and the rest as a
// fraction of 2^64 (bit 0 jammed). ok is false when the integer part needs more than 64 bits.
func (n number) split(scale int) (integer, rest uint64, ok bool) {
	switch k := n.exp + scale; {
	case k > 63:
		return 0, 0, false
	case k >= 0:
		return n.sig >> uint(63-k), n.sig << uint(k+1), true
	default:
		return 0, shiftRightJam(n.sig, uint(-1-k)), true
	}
}

// roundInt is FPRoundInt: an integral value in the format.
func (e *Env) roundInt(f format, a uint64, r Rounding, exact bool) uint64 {
	n := e.unpack(f, a)
	switch {
	case n.isNaN():
		return e.processNaN(f, n, a)
	case n.class == zero:
		return f.withSign(n.neg, 0)
	case n.class == infinite, n.exp >= int(f.frac()):
		return a
	}
	v, inexact := e.integral(f, n, r)
	if inexact && exact {
		e.raise(IXC)
	}
	return v
}

// integral rounds a finite number to an integer of at most frac+1 bits, which the
// format holds exactly.
func (e *Env) integral(f format, n number, r Rounding) (v uint64, inexact bool) {
	i, rest, _ := n.split(0)
	if r.increments(n.neg, i&1 != 0, rest) {
		i++
	}
	if i == 0 {
		return f.withSign(n.neg, 0), rest != 0
	}
	lz := bits.LeadingZeros64(i)
	return e.round(f, RoundZero, n.neg, 63-lz, i<<uint(lz)), rest != 0
}

// roundIntN is FPRoundIntN: as roundInt, but what does not fit a signed integer of size
// bits becomes the most negative one.
func (e *Env) roundIntN(f format, a uint64, r Rounding, size int) uint64 {
	n := e.unpack(f, a)
	if n.class == zero {
		return f.withSign(n.neg, 0)
	}
	least := f.withSign(true, uint64(f.bias()+size-1)<<f.frac())
	if n.class != finite || n.exp >= size {
		e.raise(IOC)
		return least
	}
	v, inexact := a, false
	if n.exp < int(f.frac()) {
		v, inexact = e.integral(f, n, r)
	}
	// Out of range: at least 2^(size-1), or below -2^(size-1).
	if limit := least &^ f.signBit(); v&^f.signBit() >= limit && v != least {
		e.raise(IOC)
		return least
	}
	if inexact {
		e.raise(IXC)
	}
	return v
}

// toFixed is FPToFixed: a fixed-point number of size bits, fbits of them fraction, that
// saturates. A signed result is sign-extended only to size bits.
func (e *Env) toFixed(f format, a uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
	n := e.unpack(f, a)
	var i, rest uint64
	ok := true
	switch n.class {
	case zero:
		return 0
	case finite:
		i, rest, ok = n.split(int(fbits))
	case infinite:
		ok = false
	default:
		e.raise(IOC)
		return 0
	}
	if ok && r.increments(n.neg, i&1 != 0, rest) {
		i++ // a non-zero rest leaves room: i is below 2^63 then
	}
	all := ^uint64(0) >> (64 - size)
	limit := all // the largest magnitude that fits
	switch {
	case unsigned && n.neg:
		limit = 0
	case !unsigned && n.neg:
		limit = all>>1 + 1
	case !unsigned:
		limit = all >> 1
	}
	if !ok || i > limit {
		e.raise(IOC)
		i = limit
	} else if rest != 0 {
		e.raise(IXC)
	}
	if n.neg {
		i = -i
	}
	return i & all
}

// extend sign- or zero-extends the low size bits.
func extend(v uint64, size uint, unsigned bool) int64 {
	v <<= 64 - size
	if unsigned {
		return int64(v >> (64 - size))
	}
	return int64(v) >> (64 - size)
}

// fromFixed is FixedToFP: the low size bits of v, fbits of them fraction.
func (e *Env) fromFixed(f format, v uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
	i := extend(v, size, unsigned)
	neg := !unsigned && i < 0
	v = uint64(i)
	if neg {
		v = -v
	}
	if v == 0 {
		return 0
	}
	lz := bits.LeadingZeros64(v)
	return e.round(f, r, neg, 63-lz-int(fbits), v<<uint(lz))
}

// FPToJS is FPToFixedJS (FJCVTZS): the integer part modulo 2^32, as JavaScript
// wants it. z tells that the result is exactly the operand, which -0 is not.
func (e *Env) FPToJS(a uint64) (result uint32, z bool) {
	n := e.unpack(double, a)
	switch n.class {
	case zero:
		return 0, a == 0 // neither -0 nor a flushed denormal
	case finite:
	default:
		e.raise(IOC)
		return 0, false
	}
	if n.exp > 63+32 { // a multiple of 2^32
		e.raise(IOC)
		return 0, false
	}
	var i, rest uint64
	if n.exp > 63 {
		i = n.sig << uint(n.exp-63) // modulo 2^64
	} else {
		i, rest, _ = n.split(0)
	}
	limit := uint64(1)<<31 - 1
	if n.neg {
		limit++
	}
	switch {
	case n.exp > 63 || i > limit:
		e.raise(IOC)
	case rest != 0:
		e.raise(IXC)
	default:
		z = true
	}
	if n.neg {
		i = -i
	}
	return uint32(i), z
}
