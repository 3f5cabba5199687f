package softfloat

import (
	"math"
	"testing"
)

// Bit patterns of the tables below; the doubles are named, the singles spelled out.
const (
	posInf  = 0x7ff0_0000_0000_0000
	negInf  = 0xfff0_0000_0000_0000
	quiet   = 0x7ff8_0000_0000_0123
	quiet2  = 0xfff8_0000_0000_0456
	signal  = 0x7ff0_0000_0000_0789
	signal2 = 0xfff0_0000_0000_0abc
	nan     = 0x7ff8_0000_0000_0000
	negZero = 0x8000_0000_0000_0000
	denorm  = 0x0008_0000_0000_0000
	plusOne = 0x3ff0_0000_0000_0000
	plusTwo = 0x4000_0000_0000_0000
	neg     = 0x8000_0000_0000_0000 // sign bit
	toQuiet = 0x0008_0000_0000_0000 // makes a NaN quiet
)

// TestSpecial spells out cases of the pseudocode that have no exact value: NaNs,
// infinities, zeros (DDI 0487, shared/functions/float/<function>).
func TestSpecial(t *testing.T) {
	const toZero = uint32(RoundZero) << rmodeShift
	const toMinus = uint32(RoundDown) << rmodeShift
	for _, c := range []struct {
		name        string
		fpcr        uint32
		run         run
		a, b, c     uint64
		want        uint64
		wantedFlags uint32
	}{
		// FPProcessNaNs: signalling before quiet, first before second.
		{"NaN order", 0, two((*Env).Add64), quiet, quiet2, 0, quiet, 0},
		{"NaN order", 0, two((*Env).Add64), plusOne, quiet2, 0, quiet2, 0},
		{"NaN order", 0, two((*Env).Mul64), quiet, signal2, 0, signal2 | toQuiet, IOC},
		{"NaN order", 0, two((*Env).Div64), signal, signal2, 0, signal | toQuiet, IOC},
		{"default NaN", DN, two((*Env).Sub64), quiet2, plusOne, 0, nan, 0},
		{"default NaN", DN, two((*Env).Sub64), plusOne, signal2, 0, nan, IOC},
		{"operand 2 of FPSub keeps its sign", 0, two((*Env).Sub64), plusOne, quiet2, 0, quiet2, 0},
		{"both operands are unpacked", FZ, two((*Env).Add64), quiet, denorm, 0, quiet, IDC},
		{"square root of a NaN", 0, one((*Env).Sqrt64), signal2, 0, 0, signal2 | toQuiet, IOC},

		// FPProcessNaNs3 with the addend first; 0*inf with a quiet addend is invalid.
		{"addend first", 0, three((*Env).MulAdd64), quiet, quiet2, quiet | 1<<40, quiet | 1<<40, 0},
		{"signalling first", 0, three((*Env).MulAdd64), quiet, signal, quiet2, signal | toQuiet, IOC},
		{"0*inf + quiet", 0, three((*Env).MulAdd64), 0, negInf, quiet2, nan, IOC},
		{"0*inf + signalling", 0, three((*Env).MulAdd64), 0, negInf, signal2, signal2 | toQuiet, IOC},
		{"0*inf + 1", 0, three((*Env).MulAdd64), posInf, 0, plusOne, nan, IOC},
		{"flushed*inf + 1", FZ, three((*Env).MulAdd64), posInf, denorm, plusOne, nan, IOC | IDC},
		{"inf - inf", 0, three((*Env).MulAdd64), posInf, plusOne, negInf, nan, IOC},
		{"inf + finite", 0, three((*Env).MulAdd64), plusOne, plusOne, negInf, negInf, 0},
		{"finite + inf", 0, three((*Env).MulAdd64), plusOne, negInf, plusOne, negInf, 0},

		// Infinities and zeros.
		{"inf - inf", 0, two((*Env).Add64), posInf, negInf, 0, nan, IOC},
		{"inf - inf", 0, two((*Env).Sub64), negInf, negInf, 0, nan, IOC},
		{"inf + inf", 0, two((*Env).Add64), negInf, negInf, 0, negInf, 0},
		{"1 - inf", 0, two((*Env).Sub64), plusOne, posInf, 0, negInf, 0},
		{"0*inf", 0, two((*Env).Mul64), negZero, posInf, 0, nan, IOC},
		{"FMULX", 0, two((*Env).MulX64), negZero, posInf, 0, 0xc000_0000_0000_0000, 0},
		{"FMULX", 0, two((*Env).MulX32), 0xff80_0000, 0x8000_0000, 0, 0x4000_0000, 0},
		{"FMULX of a flushed denormal", FZ, two((*Env).MulX64), denorm, posInf, 0, plusTwo, IDC},
		{"0/0", 0, two((*Env).Div64), negZero, 0, 0, nan, IOC},
		{"inf/inf", 0, two((*Env).Div64), negInf, posInf, 0, nan, IOC},
		{"1/0", 0, two((*Env).Div64), plusOne, negZero, 0, negInf, DZC},
		{"inf/0", 0, two((*Env).Div64), posInf, 0, 0, posInf, 0},
		{"0/inf", 0, two((*Env).Div64), 0, negInf, 0, negZero, 0},
		{"1/flushed", FZ, two((*Env).Div64), plusOne, denorm, 0, posInf, DZC | IDC},
		{"square root of -0", 0, one((*Env).Sqrt64), negZero, 0, 0, negZero, 0},
		{"square root of -1", 0, one((*Env).Sqrt64), neg | plusOne, 0, 0, nan, IOC},
		{"square root of inf", 0, one((*Env).Sqrt64), posInf, 0, 0, posInf, 0},
		{"1 - 1", toMinus, two((*Env).Sub64), plusOne, plusOne, 0, negZero, 0},
		{"1 - 1", toZero, two((*Env).Sub64), plusOne, plusOne, 0, 0, 0},

		// FPMax, FPMin: zeros by sign; FPMaxNum, FPMinNum: one quiet NaN is ignored.
		{"FMAX of zeros", 0, two((*Env).Max64), negZero, 0, 0, 0, 0},
		{"FMIN of zeros", 0, two((*Env).Min64), 0, negZero, 0, negZero, 0},
		{"FMAX flushes its result", FZ, two((*Env).Max64), neg | plusOne, neg | denorm, 0, negZero, IDC},
		{"FMAXNM", 0, two((*Env).MaxNum64), quiet, neg | plusOne, 0, neg | plusOne, 0},
		{"FMINNM", 0, two((*Env).MinNum64), posInf, quiet, 0, posInf, 0},
		{"FMAXNM of NaNs", 0, two((*Env).MaxNum64), quiet, quiet2, 0, quiet, 0},
		{"FMAXNM of a signalling NaN", 0, two((*Env).MaxNum64), quiet, signal, 0, signal | toQuiet, IOC},

		// Comparisons.
		{"FCMP quiet", 0, compare((*Env).Compare64, false), plusOne, quiet, 0, 0b0011, 0},
		{"FCMPE quiet", 0, compare((*Env).Compare64, true), plusOne, quiet, 0, 0b0011, IOC},
		{"FCMP signalling", 0, compare((*Env).Compare64, false), signal, plusOne, 0, 0b0011, IOC},
		{"FCMP zeros", 0, compare((*Env).Compare64, false), negZero, 0, 0, 0b0110, 0},
		{"FCMP less", 0, compare((*Env).Compare64, false), negInf, plusOne, 0, 0b1000, 0},
		{"FCMP greater", 0, compare((*Env).Compare64, false), plusOne, denorm, 0, 0b0010, 0},
		{"FCMP flushed", FZ, compare((*Env).Compare64, false), neg | denorm, denorm, 0, 0b0110, IDC},
		{"FCMEQ quiet", 0, test((*Env).CmpEQ64), quiet, quiet, 0, 0, 0},
		{"FCMGE quiet", 0, test((*Env).CmpGE64), quiet, quiet, 0, 0, IOC},
		{"FCMGT equal", 0, test((*Env).CmpGT64), plusOne, plusOne, 0, 0, 0},
		{"FCMGE equal", 0, test((*Env).CmpGE64), plusOne, plusOne, 0, math.MaxUint64, 0},

		// Steps negate operand 1 before they look for NaNs; 0*inf counts as 0.
		{"FRECPS", 0, two((*Env).RecipStepFused64), quiet, plusOne, 0, quiet ^ neg, 0},
		{"FRECPS", 0, two((*Env).RecipStepFused64), plusOne, quiet, 0, quiet, 0},
		{"FRECPS", 0, two((*Env).RecipStepFused64), 0, negInf, 0, plusTwo, 0},
		{"FRECPS", 0, two((*Env).RecipStepFused64), plusOne, posInf, 0, negInf, 0},
		{"FRSQRTS", 0, two((*Env).RSqrtStepFused64), negInf, 0, 0, 0x3ff8_0000_0000_0000, 0},

		// Estimates. That of 1 is 511/512, the largest nine-bit number below one.
		{"FRECPE of 1", 0, one((*Env).RecipEstimate64), plusOne, 0, 0, 0x3fef_f000_0000_0000, 0},
		{"FRECPE of 0", 0, one((*Env).RecipEstimate64), negZero, 0, 0, negInf, DZC},
		{"FRECPE of inf", 0, one((*Env).RecipEstimate64), negInf, 0, 0, negZero, 0},
		{"FRECPE overflows", 0, one((*Env).RecipEstimate64), 1, 0, 0, posInf, OFC | IXC},
		{"FRECPE overflows", toZero, one((*Env).RecipEstimate64), neg | 1, 0, 0, 0xffef_ffff_ffff_ffff, OFC | IXC},
		{"FRECPE underflows", FZ, one((*Env).RecipEstimate64), 0xffe0_0000_0000_0000, 0, 0, negZero, UFC},
		{"FRECPE of a flushed denormal", FZ, one((*Env).RecipEstimate64), denorm, 0, 0, posInf, DZC | IDC},
		{"FRSQRTE of -1", 0, one((*Env).RSqrtEstimate64), neg | plusOne, 0, 0, nan, IOC},
		{"FRSQRTE of -0", 0, one((*Env).RSqrtEstimate64), negZero, 0, 0, negInf, DZC},
		{"FRSQRTE of inf", 0, one((*Env).RSqrtEstimate64), posInf, 0, 0, 0, 0},
		{"FRECPX of 1", 0, one((*Env).RecipExponent64), neg | plusOne, 0, 0, 0xc000_0000_0000_0000, 0},
		{"FRECPX of 0", 0, one((*Env).RecipExponent64), 0, 0, 0, 0x7fe0_0000_0000_0000, 0},
		{"FRECPX of inf", 0, one((*Env).RecipExponent64), negInf, 0, 0, negZero, 0},

		// Integers.
		{"FRINTX of a NaN", 0, roundInt((*Env).RoundInt64, 0, true, true), signal, 0, 0, signal | toQuiet, IOC},
		{"FRINTX of inf", 0, roundInt((*Env).RoundInt64, 0, true, true), negInf, 0, 0, negInf, 0},
		{"FRINT32Z of a NaN", 0, roundIntN((*Env).RoundIntN64, 32, false), quiet, 0, 0, 0xc1e0_0000_0000_0000, IOC},
		{"FRINT64Z of inf", 0, roundIntN((*Env).RoundIntN32, 64, false), 0x7f80_0000, 0, 0, 0xdf00_0000, IOC},
		{"FCVTZS of a NaN", 0, toFixed((*Env).ToFixed64, 32, false, 0, RoundZero), quiet, 0, 0, 0, IOC},
		{"FCVTZS of -inf", 0, toFixed((*Env).ToFixed64, 32, false, 0, RoundZero), negInf, 0, 0, 0x8000_0000, IOC},
		{"FCVTZU of -inf", 0, toFixed((*Env).ToFixed64, 64, true, 0, RoundZero), negInf, 0, 0, 0, IOC},
		{"FCVTZU of inf", 0, toFixed((*Env).ToFixed64, 64, true, 0, RoundZero), posInf, 0, 0, math.MaxUint64, IOC},
		{"FCVTZU of -0.5", 0, toFixed((*Env).ToFixed64, 64, true, 0, RoundZero), 0xbfe0_0000_0000_0000, 0, 0, 0, IXC},

		// FPConvert.
		{"NaN narrows", 0, one((*Env).Cvt64to32), 0xfff4_5678_9abc_def0, 0, 0, 0xffe2_b3c4, IOC},
		{"NaN widens", 0, one((*Env).Cvt16to64), 0xfe01, 0, 0, 0xfff8_0400_0000_0000, 0},
		{"default NaN", DN, one((*Env).Cvt64to16), signal, 0, 0, 0x7e00, IOC},
		{"alternative half has no NaN", AHP, one((*Env).Cvt32to16), 0xffc0_0000, 0, 0, 0x8000, IOC},
		{"alternative half has no inf", AHP, one((*Env).Cvt32to16), 0xff80_0000, 0, 0, 0xffff, IOC},
		{"alternative half overflows", AHP, one((*Env).Cvt32to16), 0x4800_0000, 0, 0, 0x7fff, IOC},
		{"alternative half has a larger range", AHP, one((*Env).Cvt32to16), 0x4780_0000, 0, 0, 0x7c00, 0},
		{"alternative half has a larger range", AHP, one((*Env).Cvt16to32), 0x7e00, 0, 0, 0x47c0_0000, 0},
		{"FZ16 does not apply to conversions", FZ16, one((*Env).Cvt16to32), 0x0001, 0, 0, 0x3380_0000, 0},
		{"FZ16 does not apply to conversions", FZ16, one((*Env).Cvt32to16), 0x3380_0000, 0, 0, 0x0001, 0},
		{"FZ applies to conversions", FZ, one((*Env).Cvt64to32), 0x36a0_0000_0000_0000, 0, 0, 0, UFC},
		{"FCVTXN does not overflow", 0, one((*Env).Cvt64to32Odd), 0x47f0_0000_0000_0000, 0, 0, 0x7f7f_ffff, OFC | IXC},
		{"FCVTXN does not vanish", 0, one((*Env).Cvt64to32Odd), 1, 0, 0, 1, UFC | IXC},

		// Flags.
		{"half flushes without IDC", FZ16, two((*Env).Add16), 0x0001, 0x3c00, 0, 0x3c00, 0},
		{"FZ is not for half", FZ, two((*Env).Add16), 0x0001, 0x0001, 0, 0x0002, 0},
		{"flushed result: UFC alone", FZ, two((*Env).Mul32), 0x0080_0000, 0x3f00_0001, 0, 0, UFC},
		{"tiny before rounding", 0, two((*Env).Mul32), 0x0080_0000, 0x3f7f_ffff, 0, 0x0080_0000, UFC | IXC},
		{"tiny but exact", 0, two((*Env).Mul32), 0x0080_0000, 0x3f00_0000, 0, 0x0040_0000, 0},
		{"overflow towards zero", toZero, two((*Env).Mul32), 0x7f00_0000, 0x4080_0000, 0, 0x7f7f_ffff, OFC | IXC},
	} {
		e := Env{FPCR: c.fpcr}
		got := c.run(&e, c.a, c.b, c.c)
		if got != c.want || e.FPSR != c.wantedFlags {
			t.Errorf("%s: a=%#x b=%#x c=%#x FPCR=%#x: got %#x FPSR=%#x, want %#x FPSR=%#x",
				c.name, c.a, c.b, c.c, c.fpcr, got, e.FPSR, c.want, c.wantedFlags)
		}
	}
}

// TestFPToJS has the cases of ECMAScript's ToInt32 and of the Z flag.
func TestFPToJS(t *testing.T) {
	for _, c := range []struct {
		a     uint64
		fpcr  uint32
		want  int32
		z     bool
		flags uint32
	}{
		{math.Float64bits(0), 0, 0, true, 0},
		{negZero, 0, 0, false, 0},
		{denorm, 0, 0, false, IXC},
		{denorm, FZ, 0, false, IDC},
		{math.Float64bits(-7), 0, -7, true, 0},
		{math.Float64bits(-7.9), 0, -7, false, IXC},
		{math.Float64bits(math.MaxInt32), 0, math.MaxInt32, true, 0},
		{math.Float64bits(math.MaxInt32 + 1), 0, math.MinInt32, false, IOC},
		{math.Float64bits(math.MinInt32), 0, math.MinInt32, true, 0},
		{math.Float64bits(math.MinInt32 - 0.5), 0, math.MinInt32, false, IXC},
		{math.Float64bits(1<<32 + 5), 0, 5, false, IOC},
		{math.Float64bits(-(1<<53 - 1) * 2048), 0, 2048, false, IOC},
		{math.Float64bits(0x1p100), 0, 0, false, IOC},
		{posInf, 0, 0, false, IOC},
		{quiet, 0, 0, false, IOC},
	} {
		e := Env{FPCR: c.fpcr}
		if got, z := e.FPToJS(c.a); int32(got) != c.want || z != c.z || e.FPSR != c.flags {
			t.Errorf("FPToJS(%#x) = %d, %v, FPSR=%#x, want %d, %v, FPSR=%#x",
				c.a, int32(got), z, e.FPSR, c.want, c.z, c.flags)
		}
	}
}

// TestMulAddH: a signalling half NaN is quieted in single, FZ16 flushes the product.
func TestMulAddH(t *testing.T) {
	for _, c := range []struct {
		fpcr   uint32
		addend uint32
		a, b   uint16
		want   uint32
		flags  uint32
	}{
		{0, 0x3f80_0000, 0x4000, 0x4200, 0x40e0_0000, 0}, // 1 + 2*3
		{0, 0x3f80_0000, 0x7c01, 0x3c00, 0x7fc0_2000, IOC},
		{0, 0x7fc0_0001, 0x7c01, 0x3c00, 0x7fc0_2000, IOC},
		{0, 0x7fc0_0001, 0xfe02, 0x3c00, 0x7fc0_0001, 0},
		{0, 0, 0x0001, 0x0001, 0x2780_0000, 0}, // 2^-24 squared
		{FZ16, 0, 0x0001, 0x0001, 0, 0},
		{FZ16, 0, 0x0001, 0x7c00, 0x7fc0_0000, IOC},
		{FZ, 0x0000_0001, 0x0001, 0x0000, 0, IDC},
		{AHP, 0, 0x7c00, 0x3c00, 0x7f80_0000, 0}, // not an alternative half
	} {
		e := Env{FPCR: c.fpcr}
		if got := e.MulAddH(c.addend, c.a, c.b); got != c.want || e.FPSR != c.flags {
			t.Errorf("MulAddH(%#x, %#x, %#x) with FPCR=%#x: got %#x FPSR=%#x, want %#x FPSR=%#x",
				c.addend, c.a, c.b, c.fpcr, got, e.FPSR, c.want, c.flags)
		}
	}
}

func TestAbsNeg(t *testing.T) {
	if Abs16(0xfc01) != 0x7c01 || Neg16(0x7c01) != 0xfc01 ||
		Abs32(0xff80_0001) != 0x7f80_0001 || Neg32(0x8000_0000) != 0 ||
		Abs64(signal2) != signal2&^neg || Neg64(quiet) != quiet|neg {
		t.Error("Abs and Neg must change the sign bit alone")
	}
}

// TestEstimates checks the accuracy that the estimates promise: 8 bits (DDI 0487,
// "Floating-point reciprocal estimate").
func TestEstimates(t *testing.T) {
	for i := range 1 << 12 {
		x := 0.25 * math.Exp2(float64(i)/512) * 1.0001
		var e Env
		recip := math.Float64frombits(e.RecipEstimate64(math.Float64bits(x)))
		rsqrt := math.Float64frombits(e.RSqrtEstimate64(math.Float64bits(x)))
		if math.Abs(recip*x-1) > 1.0/256 || math.Abs(rsqrt*math.Sqrt(x)-1) > 1.0/256 {
			t.Fatalf("estimates for %v: %v and %v", x, recip, rsqrt)
		}
		v := uint32(1<<31) + uint32(i)<<19
		y := float64(v) / (1 << 32) // in [0.5, 1)
		if r := float64(RecipEstimateU32(v)) / (1 << 31); math.Abs(r*y-1) > 1.0/256 {
			t.Fatalf("URECPE of %v: %v", y, r)
		}
		if r := float64(RSqrtEstimateU32(v)) / (1 << 31); math.Abs(r*math.Sqrt(y)-1) > 1.0/256 {
			t.Fatalf("URSQRTE of %v: %v", y, r)
		}
	}
	if RecipEstimateU32(0x7fff_ffff) != math.MaxUint32 || RSqrtEstimateU32(0x3fff_ffff) != math.MaxUint32 {
		t.Error("estimates must saturate")
	}
}
