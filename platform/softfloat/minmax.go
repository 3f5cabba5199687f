package softfloat

// order maps a number that is not a NaN to an integer that sorts like its value; both
// zeros, and a flushed denormal, give 0.
func (f format) order(n number, v uint64) int64 {
	if n.class == zero {
		return 0
	}
	magnitude := int64(v &^ f.signBit())
	if n.neg {
		return -magnitude
	}
	return magnitude
}

// max is FPMax.
func (e *Env) max(f format, a, b uint64) uint64 {
	x, y := e.unpack(f, a), e.unpack(f, b)
	if nan, ok := e.processNaNs(f, x, y, a, b); ok {
		return nan
	}
	kind, v := y.class, b
	if f.order(x, a) > f.order(y, b) {
		kind, v = x.class, a
	}
	if kind == zero { // also a flushed operand
		return f.withSign(x.neg && y.neg, 0)
	}
	return v
}

// min is FPMin.
func (e *Env) min(f format, a, b uint64) uint64 {
	x, y := e.unpack(f, a), e.unpack(f, b)
	if nan, ok := e.processNaNs(f, x, y, a, b); ok {
		return nan
	}
	kind, v := y.class, b
	if f.order(x, a) < f.order(y, b) {
		kind, v = x.class, a
	}
	if kind == zero {
		return f.withSign(x.neg || y.neg, 0)
	}
	return v
}

// lonelyNaN replaces the only quiet NaN of two operands, the first step of FPMaxNum
// and FPMinNum. It raises what reading the operands raises.
func (e *Env) lonelyNaN(f format, a, b, replacement uint64) (uint64, uint64) {
	x, y := e.unpack(f, a), e.unpack(f, b)
	switch {
	case x.class == quietNaN && y.class != quietNaN:
		return replacement, b
	case x.class != quietNaN && y.class == quietNaN:
		return a, replacement
	}
	return a, b
}

// maxNum is FPMaxNum.
func (e *Env) maxNum(f format, a, b uint64) uint64 {
	a, b = e.lonelyNaN(f, a, b, f.infinity(true))
	return e.max(f, a, b)
}

// minNum is FPMinNum.
func (e *Env) minNum(f format, a, b uint64) uint64 {
	a, b = e.lonelyNaN(f, a, b, f.infinity(false))
	return e.min(f, a, b)
}

// Condition flags of a comparison, N in bit 3 to V in bit 0 (PSTATE.NZCV).
const (
	nzcvEqual     = 0b0110
	nzcvLess      = 0b1000
	nzcvGreater   = 0b0010
	nzcvUnordered = 0b0011
)

// compare is FPCompare: signalAll makes a quiet NaN invalid too (FCMPE).
func (e *Env) compare(f format, a, b uint64, signalAll bool) uint8 {
	x, y := e.unpack(f, a), e.unpack(f, b)
	if x.isNaN() || y.isNaN() {
		if signalAll || x.class == signalNaN || y.class == signalNaN {
			e.raise(IOC)
		}
		return nzcvUnordered
	}
	switch i, j := f.order(x, a), f.order(y, b); {
	case i < j:
		return nzcvLess
	case i > j:
		return nzcvGreater
	}
	return nzcvEqual
}
