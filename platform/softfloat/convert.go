package softfloat

import "math"

// convert is FPConvert: from one format to another.
func (e *Env) convert(from, to format, a uint64, r Rounding) uint64 {
	n := e.unpackCV(from, a)
	alternative := to == half && e.FPCR&AHP != 0
	switch {
	case n.isNaN():
		if n.class == signalNaN || alternative {
			e.raise(IOC)
		}
		switch {
		case alternative:
			return to.withSign(n.neg, 0)
		case e.FPCR&DN != 0:
			return to.defaultNaN()
		}
		// FPConvertNaN keeps the top of the payload.
		payload := a & from.fracMask() << (52 - from.frac()) >> (52 - to.frac())
		return to.withSign(n.neg, to.inf()|to.quiet()|payload)
	case n.class == infinite && alternative:
		e.raise(IOC)
		return to.withSign(n.neg, to.signBit()-1)
	case n.class == infinite:
		return to.infinity(n.neg)
	case n.class == zero:
		return to.withSign(n.neg, 0)
	}
	return e.roundCV(to, r, n.neg, n.exp, n.sig)
}

// Cvt16to32 is FPConvert, half to single (FCVT).
func (e *Env) Cvt16to32(a uint16) uint32 {
	return uint32(e.convert(half, single, uint64(a), e.Rounding()))
}

// Cvt16to64 is FPConvert, half to double (FCVT).
func (e *Env) Cvt16to64(a uint16) uint64 {
	return e.convert(half, double, uint64(a), e.Rounding())
}

// Cvt32to16 is FPConvert, single to half (FCVT).
func (e *Env) Cvt32to16(a uint32) uint16 {
	return uint16(e.convert(single, half, uint64(a), e.Rounding()))
}

// Cvt32to64 is FPConvert, single to double (FCVT).
func (e *Env) Cvt32to64(a uint32) uint64 {
	if plain32(a) {
		return math.Float64bits(float64(math.Float32frombits(a)))
	}
	return e.convert(single, double, uint64(a), e.Rounding())
}

// Cvt64to16 is FPConvert, double to half (FCVT).
func (e *Env) Cvt64to16(a uint64) uint16 {
	return uint16(e.convert(double, half, a, e.Rounding()))
}

// Cvt64to32 is FPConvert, double to single (FCVT).
func (e *Env) Cvt64to32(a uint64) uint32 {
	if e.nearest() && plain64(a) {
		x := math.Float64frombits(a)
		s := float32(x)
		if r := math.Float32bits(s); exp32(r)-2 < 0xfd || x == 0 {
			e.inexact(float64(s) != x)
			return r
		}
	}
	return uint32(e.convert(double, single, a, e.Rounding()))
}

// Cvt64to32Odd is FPConvert, double to single, rounding to odd (FCVTXN).
func (e *Env) Cvt64to32Odd(a uint64) uint32 {
	return uint32(e.convert(double, single, a, RoundOdd))
}

// MulAddH is FPMulAddH (FMLAL, FMLSL): addend + a*b, where the operands of the product are
// half precision, with one rounding to single.
func (e *Env) MulAddH(addend uint32, a, b uint16) uint32 {
	return e.MulAdd32(addend, e.widen(a), e.widen(b))
}

// widen is the single-precision pattern of a half-precision operand. Signalling NaNs stay
// signalling, FPCR.AHP does not apply and nothing is raised.
func (e *Env) widen(a uint16) uint32 {
	const up = 23 - 10
	n := e.unpack(half, uint64(a))
	magnitude := uint64(0)
	switch n.class {
	case zero:
	case finite:
		magnitude = uint64(n.exp-1+single.bias())<<single.frac() + n.sig>>(63-single.frac())
	default:
		magnitude = single.inf() | uint64(a)&half.fracMask()<<up
	}
	return uint32(single.withSign(n.neg, magnitude))
}
