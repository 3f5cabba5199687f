package softfloat

// FPCR fields (DDI 0487, D19 "FPCR, Floating-point Control Register").
const (
	FZ16  uint32 = 1 << 19 // flush half-precision denormals to zero
	RMode uint32 = 3 << 22 // rounding mode
	FZ    uint32 = 1 << 24 // flush single and double denormals to zero
	DN    uint32 = 1 << 25 // every NaN result is the default NaN
	AHP   uint32 = 1 << 26 // alternative half precision: no infinities, no NaNs
)

// rmodeShift is the position of FPCR.RMode.
const rmodeShift = 22

// FPSR cumulative flags (DDI 0487, D19 "FPSR, Floating-point Status Register").
const (
	IOC uint32 = 1 << 0  // invalid operation
	DZC uint32 = 1 << 1  // division by zero
	OFC uint32 = 1 << 2  // overflow
	UFC uint32 = 1 << 3  // underflow, also a result flushed to zero
	IXC uint32 = 1 << 4  // inexact
	IDC uint32 = 1 << 7  // single or double input denormal flushed to zero
	QC  uint32 = 1 << 27 // integer saturation; never touched by this package
)

// Env is the floating-point environment of one processing element.
type Env struct {
	FPCR uint32 // controls, read only to this package
	FPSR uint32 // cumulative flags, set by every operation that raises them
}

// Rounding is a rounding mode. The first four values are the encodings of FPCR.RMode.
type Rounding uint8

// Rounding modes (FPRounding in the pseudocode).
const (
	RoundTieEven Rounding = iota // to nearest, ties to even
	RoundUp                      // towards plus infinity
	RoundDown                    // towards minus infinity
	RoundZero                    // towards zero
	RoundTieAway                 // to nearest, ties away from zero; integer results only
	RoundOdd                     // inexact results get an odd last bit (FCVTXN)
	roundOddInf                  // the same, and overflow gives infinity (BFDOT)
)

// Rounding is the rounding mode that FPCR.RMode selects.
func (e *Env) Rounding() Rounding { return Rounding(e.FPCR >> rmodeShift & 3) }

// nearest reports whether FPCR selects the rounding mode of the host's hardware.
func (e *Env) nearest() bool { return e.FPCR&RMode == 0 }

// raise sets cumulative flags (FPProcessException without trapping).
func (e *Env) raise(flags uint32) { e.FPSR |= flags }

// increments reports whether a magnitude is rounded away from zero. rest is what
// lies below the last kept bit, as a fraction of 2^64; odd is that last bit.
func (r Rounding) increments(neg, odd bool, rest uint64) bool {
	const tie = 1 << 63
	switch r {
	case RoundTieEven:
		return rest > tie || rest == tie && odd
	case RoundTieAway:
		return rest >= tie
	case RoundUp:
		return rest != 0 && !neg
	case RoundDown:
		return rest != 0 && neg
	case RoundOdd, roundOddInf:
		return rest != 0 && !odd
	}
	return false
}

// overflowsToInf reports whether a result that is too large becomes infinity
// rather than the largest finite number.
func (r Rounding) overflowsToInf(neg bool) bool {
	switch r {
	case RoundTieEven, RoundTieAway, roundOddInf:
		return true
	case RoundUp:
		return !neg
	case RoundDown:
		return neg
	}
	return false
}
