package softfloat

import "math/bits"

// format is a binary interchange format: fraction bits in the low byte, exponent
// bits above. A constant rather than a table entry, so that the compiler can fold it.
type format uint

const (
	half   format = 5<<8 | 10
	bfloat format = 8<<8 | 7
	single format = 8<<8 | 23
	double format = 11<<8 | 52
)

func (f format) frac() uint       { return uint(f & 0x3f) }
func (f format) maxExp() int      { return 1<<(f>>8&0xf) - 1 } // the all-ones exponent field
func (f format) bias() int        { return f.maxExp() >> 1 }
func (f format) fracMask() uint64 { return 1<<f.frac() - 1 }
func (f format) quiet() uint64    { return 1 << (f.frac() - 1) } // the bit that makes a NaN quiet
func (f format) signBit() uint64  { return 1 << (f.frac() + uint(f>>8&0xf)) }
func (f format) inf() uint64      { return uint64(f.maxExp()) << f.frac() } // positive infinity

// field is the biased exponent of a bit pattern.
func (f format) field(v uint64) int { return int(v>>f.frac()) & f.maxExp() }

// withSign puts a sign on a magnitude.
func (f format) withSign(neg bool, magnitude uint64) uint64 {
	if neg {
		return magnitude | f.signBit()
	}
	return magnitude
}

func (f format) infinity(neg bool) uint64  { return f.withSign(neg, f.inf()) }
func (f format) maxNormal(neg bool) uint64 { return f.withSign(neg, f.inf()-1) }

// defaultNaN is positive because FPCR.AH is not implemented (FPDefaultNaN).
func (f format) defaultNaN() uint64 { return f.inf() | f.quiet() }

// class is the kind of a number (FPType); denormals count as finite.
type class uint8

const (
	zero class = iota
	finite
	infinite
	quietNaN
	signalNaN
)

// number is an unpacked operand. A finite one is (-1)^neg * sig * 2^(exp-63) with bit
// 63 of sig set; the other classes use neither exp nor sig.
type number struct {
	class class
	neg   bool
	exp   int
	sig   uint64
}

func (n number) isNaN() bool { return n.class >= quietNaN }

// flushes reports whether FPCR flushes denormals of the format to zero.
func (e *Env) flushes(f format) bool {
	if f == half {
		return e.FPCR&FZ16 != 0
	}
	return e.FPCR&FZ != 0
}

// unpack is FPUnpack: a flushed single or double denormal raises IDC, a flushed
// half-precision one raises nothing.
func (e *Env) unpack(f format, v uint64) number {
	n := number{neg: v&f.signBit() != 0}
	field, frac := f.field(v), v&f.fracMask()
	switch {
	case field == f.maxExp():
		n.class = infinite
		if frac != 0 {
			n.class = signalNaN
			if frac&f.quiet() != 0 {
				n.class = quietNaN
			}
		}
	case field != 0:
		n.class = finite
		n.exp = field - f.bias()
		n.sig = 1<<63 | frac<<(63-f.frac())
	case frac != 0 && e.flushes(f):
		if f != half {
			e.raise(IDC)
		}
	case frac != 0:
		lz := bits.LeadingZeros64(frac)
		n.class = finite
		n.exp = 64 - f.bias() - int(f.frac()) - lz
		n.sig = frac << uint(lz)
	}
	return n
}

// unpackCV is FPUnpackCV, for conversions between formats: FPCR.FZ16 does not
// apply and FPCR.AHP does.
func (e *Env) unpackCV(f format, v uint64) number {
	if f != half {
		return e.unpack(f, v)
	}
	if e.FPCR&AHP != 0 && f.field(v) == f.maxExp() {
		return number{
			class: finite,
			neg:   v&f.signBit() != 0,
			exp:   f.maxExp() - f.bias(),
			sig:   1<<63 | v&f.fracMask()<<(63-f.frac()),
		}
	}
	plain := Env{FPCR: e.FPCR &^ FZ16}
	return plain.unpack(f, v)
}

// processNaN is FPProcessNaN: the quiet form of a NaN operand, or the default NaN
// when FPCR.DN is set.
func (e *Env) processNaN(f format, n number, v uint64) uint64 {
	if n.class == signalNaN {
		e.raise(IOC)
	}
	if e.FPCR&DN != 0 {
		return f.defaultNaN()
	}
	return v | f.quiet()
}

// processNaNs is FPProcessNaNs: signalling NaNs win over quiet ones, then the first
// operand over the second. The second result is false when neither is a NaN.
func (e *Env) processNaNs(f format, x, y number, a, b uint64) (uint64, bool) {
	switch {
	case !x.isNaN() && !y.isNaN():
		return 0, false
	case x.class == signalNaN, x.class == quietNaN && y.class != signalNaN:
		return e.processNaN(f, x, a), true
	}
	return e.processNaN(f, y, b), true
}

// invalid is the default NaN with the invalid operation flag.
func (e *Env) invalid(f format) uint64 {
	e.raise(IOC)
	return f.defaultNaN()
}

// round is FPRound: the number (-1)^neg * sig * 2^(exp-63) in the format. Bit 63 of sig
// must be set; bit 0 may stand for any non-zero remainder below it.
func (e *Env) round(f format, r Rounding, neg bool, exp int, sig uint64) uint64 {
	return e.roundBase(f, r, neg, exp, sig, e.flushes(f), false)
}

// roundCV is FPRoundCV, for conversions between formats: FPCR.FZ16 does not apply
// and FPCR.AHP does.
func (e *Env) roundCV(f format, r Rounding, neg bool, exp int, sig uint64) uint64 {
	if f == half {
		return e.roundBase(f, r, neg, exp, sig, false, e.FPCR&AHP != 0)
	}
	return e.round(f, r, neg, exp, sig)
}

// roundBase is FPRoundBase. Arm detects tininess before rounding, and a flushed
// result raises UFC alone.
func (e *Env) roundBase(f format, r Rounding, neg bool, exp int, sig uint64, flush, ahp bool) uint64 {
	field := exp + f.bias()
	tiny := field <= 0
	if tiny {
		if flush {
			e.raise(UFC)
			return f.withSign(neg, 0)
		}
		sig = shiftRightJam(sig, uint(1-field))
		field = 1 // with the leading bit of sig clear this packs as field 0
	}
	keep := sig >> (63 - f.frac())
	rest := sig << (f.frac() + 1)
	// The leading bit of keep adds one to the exponent field, as does a carry out
	// of the fraction.
	magnitude := uint64(field-1)<<f.frac() + keep
	if rest != 0 && r.increments(neg, keep&1 != 0, rest) {
		magnitude++
	}
	if ahp {
		if limit := f.inf() + 1<<f.frac(); magnitude >= limit {
			e.raise(IOC)
			return f.withSign(neg, limit-1)
		}
	} else if magnitude >= f.inf() { // field is below 2^12: it did not wrap
		e.raise(OFC | IXC)
		if r.overflowsToInf(neg) {
			return f.infinity(neg)
		}
		return f.maxNormal(neg)
	}
	if rest != 0 {
		e.raise(IXC)
		if tiny {
			e.raise(UFC)
		}
	}
	return f.withSign(neg, magnitude)
}

// shiftRightJam shifts right and keeps in bit 0 whether any set bit was lost.
func shiftRightJam(v uint64, n uint) uint64 {
	if n >= 64 {
		if v != 0 {
			return 1
		}
		return 0
	}
	lost := v << (64 - n) // n == 0 shifts everything out
	v >>= n
	if lost != 0 {
		v |= 1
	}
	return v
}
