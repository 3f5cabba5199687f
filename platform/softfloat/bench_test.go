package softfloat

import (
	"math"
	"testing"
)

// Each benchmark has three cases: the fast path with IXC already set, the fast path that
// must still find out about exactness, and the integer core, which FPCR.RMode selects.
func benchmark(b *testing.B, fn func(e *Env, x, y uint64) uint64) {
	x, y := math.Float64bits(1.1), math.Float64bits(3.3)
	for _, c := range []struct {
		name  string
		env   Env
		clear uint32
	}{
		{"fast", Env{FPSR: IXC}, 0},
		{"fast-exactness", Env{}, IXC},
		{"core", Env{FPCR: uint32(RoundZero) << rmodeShift}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := c.env
			sink := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				e.FPSR &^= c.clear
				sink ^= fn(&e, x, y^sink&1)
			}
		})
	}
}

func BenchmarkAdd64(b *testing.B) { benchmark(b, (*Env).Add64) }
func BenchmarkMul64(b *testing.B) { benchmark(b, (*Env).Mul64) }
func BenchmarkDiv64(b *testing.B) { benchmark(b, (*Env).Div64) }
func BenchmarkMax64(b *testing.B) { benchmark(b, (*Env).Max64) }

func BenchmarkMulAdd64(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return e.MulAdd64(x, x, y) })
}

func BenchmarkSqrt64(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return e.Sqrt64(y) })
}

func BenchmarkAdd32(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return uint64(e.Add32(uint32(x>>32), uint32(y>>32))) })
}

func BenchmarkMulAdd32(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 {
		return uint64(e.MulAdd32(uint32(x>>32), uint32(x>>32), uint32(y>>32)))
	})
}

func BenchmarkToFixed64(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return e.ToFixed64(y, 32, false, 0, RoundZero) })
}

func BenchmarkFromFixed64(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return e.FromFixed64(y>>40, 32, false, 0, e.Rounding()) })
}

func BenchmarkRoundInt64(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return e.RoundInt64(y, RoundDown, false) })
}

func BenchmarkAdd16(b *testing.B) {
	benchmark(b, func(e *Env, x, y uint64) uint64 { return uint64(e.Add16(uint16(x>>48), uint16(y>>48))) })
}
