package softfloat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The host's hardware is IEEE 754 with round to nearest: every result that is not a NaN
// must agree with it, in the fast paths and, through the unexported core, without them.

func TestHardwareDouble(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 64))
	for range 200_000 {
		a, b, c := operand(rng, double), operand(rng, double), operand(rng, double)
		x, y, z := math.Float64frombits(a), math.Float64frombits(b), math.Float64frombits(c)
		var e Env
		check := func(op string, want float64, fast, core uint64) {
			t.Helper()
			w := math.Float64bits(want)
			if want != want {
				if got := math.Float64frombits(fast); got == got {
					t.Fatalf("%s(%#x, %#x, %#x) = %#x, want a NaN", op, a, b, c, fast)
				}
				w = fast
			}
			if fast != w || core != w {
				t.Fatalf("%s(%#x, %#x, %#x) = %#x, core %#x, hardware %#x", op, a, b, c, fast, core, w)
			}
		}
		check("add", x+y, e.Add64(a, b), e.add(double, a, b, false))
		check("sub", x-y, e.Sub64(a, b), e.add(double, a, b, true))
		check("mul", x*y, e.Mul64(a, b), e.mul(double, a, b, false))
		check("div", x/y, e.Div64(a, b), e.div(double, a, b))
		check("sqrt", math.Sqrt(x), e.Sqrt64(a), e.sqrt(double, a))
		check("muladd", math.FMA(x, y, z), e.MulAdd64(c, a, b), e.mulAdd(double, c, a, b))
	}
}

func TestHardwareSingle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 32))
	for range 200_000 {
		a, b := uint32(operand(rng, single)), uint32(operand(rng, single))
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		var e Env
		check := func(op string, want float32, fast uint32, core uint64) {
			t.Helper()
			w := math.Float32bits(want)
			if want != want {
				if got := math.Float32frombits(fast); got == got {
					t.Fatalf("%s(%#x, %#x) = %#x, want a NaN", op, a, b, fast)
				}
				w = fast
			}
			if fast != w || uint32(core) != w {
				t.Fatalf("%s(%#x, %#x) = %#x, core %#x, hardware %#x", op, a, b, fast, core, w)
			}
		}
		a64, b64 := uint64(a), uint64(b)
		check("add", x+y, e.Add32(a, b), e.add(single, a64, b64, false))
		check("sub", x-y, e.Sub32(a, b), e.add(single, a64, b64, true))
		check("mul", x*y, e.Mul32(a, b), e.mul(single, a64, b64, false))
		check("div", x/y, e.Div32(a, b), e.div(single, a64, b64))
		check("sqrt", float32(math.Sqrt(float64(x))), e.Sqrt32(a), e.sqrt(single, a64))
		wide := operand(rng, double)
		narrow := float32(math.Float64frombits(wide))
		if narrow == narrow {
			check("cvt", narrow, e.Cvt64to32(wide), e.convert(double, single, wide, RoundTieEven))
		}
	}
}
