package fpsimd

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// laneModel computes one lane of w bits; the operands come sign-extended. The result is cut to w bits.
type laneModel func(a, b int64, w uint) int64

func unsigned(v int64, w uint) uint64 { return uint64(v) << (64 - w) >> (64 - w) }

func mask(b bool) int64 {
	if b {
		return -1
	}
	return 0
}

// TestLanes compares the functions on all lanes at once with their definition on single lanes.
func TestLanes(t *testing.T) {
	one := func(f func(a uint64, size uint8) uint64) func(a, b uint64, size uint8) uint64 {
		return func(a, _ uint64, size uint8) uint64 { return f(a, size) }
	}
	rng := rand.New(rand.NewPCG(2, 0))
	for name, c := range map[string]struct {
		f     func(a, b uint64, size uint8) uint64
		sizes uint8 // number of sizes from 0
		model laneModel
	}{
		"add":   {add, 4, func(a, b int64, _ uint) int64 { return a + b }},
		"sub":   {sub, 4, func(a, b int64, _ uint) int64 { return a - b }},
		"neg":   {one(neg), 4, func(a, _ int64, _ uint) int64 { return -a }},
		"abs":   {one(abs), 4, func(a, _ int64, _ uint) int64 { return max(a, -a) }},
		"mul":   {mul, 3, func(a, b int64, _ uint) int64 { return a * b }},
		"cmeq":  {cmeq, 4, func(a, b int64, _ uint) int64 { return mask(a == b) }},
		"cmgt":  {cmgt, 4, func(a, b int64, _ uint) int64 { return mask(a > b) }},
		"cmge":  {cmge, 4, func(a, b int64, _ uint) int64 { return mask(a >= b) }},
		"cmhi":  {cmhi, 4, func(a, b int64, w uint) int64 { return mask(unsigned(a, w) > unsigned(b, w)) }},
		"cmhs":  {cmhs, 4, func(a, b int64, w uint) int64 { return mask(unsigned(a, w) >= unsigned(b, w)) }},
		"cmtst": {cmtst, 4, func(a, b int64, _ uint) int64 { return mask(a&b != 0) }},
		"maxS":  {maxS, 4, func(a, b int64, _ uint) int64 { return max(a, b) }},
		"minS":  {minS, 4, func(a, b int64, _ uint) int64 { return min(a, b) }},
		"maxU":  {maxU, 4, func(a, b int64, w uint) int64 { return int64(max(unsigned(a, w), unsigned(b, w))) }},
		"minU":  {minU, 4, func(a, b int64, w uint) int64 { return int64(min(unsigned(a, w), unsigned(b, w))) }},
		"abdS":  {abdS, 3, func(a, b int64, _ uint) int64 { return max(a-b, b-a) }},
		"abdU": {abdU, 3, func(a, b int64, w uint) int64 {
			return int64(max(unsigned(a, w), unsigned(b, w)) - min(unsigned(a, w), unsigned(b, w)))
		}},
		"shadd":  {shadd, 3, func(a, b int64, _ uint) int64 { return (a + b) >> 1 }},
		"srhadd": {srhadd, 3, func(a, b int64, _ uint) int64 { return (a + b + 1) >> 1 }},
		"shsub":  {shsub, 3, func(a, b int64, _ uint) int64 { return (a - b) >> 1 }},
		"uhadd":  {uhadd, 3, func(a, b int64, w uint) int64 { return int64(unsigned(a, w)+unsigned(b, w)) >> 1 }},
		"urhadd": {urhadd, 3, func(a, b int64, w uint) int64 { return int64(unsigned(a, w)+unsigned(b, w)+1) >> 1 }},
		"uhsub":  {uhsub, 3, func(a, b int64, w uint) int64 { return int64(unsigned(a, w)-unsigned(b, w)) >> 1 }},
		"clz":    {one(clz), 3, func(a, _ int64, w uint) int64 { return int64(uint(bits.LeadingZeros64(unsigned(a, w))) - (64 - w)) }},
		"cls": {one(cls), 3, func(a, _ int64, w uint) int64 {
			return int64(uint(bits.LeadingZeros64(unsigned(a^a>>63, w))) - (64 - w) - 1)
		}},
		"popcount": {func(a, _ uint64, _ uint8) uint64 { return popcount(a) }, 1, func(a, _ int64, w uint) int64 {
			return int64(bits.OnesCount64(unsigned(a, w)))
		}},
		"reverseBits": {func(a, _ uint64, _ uint8) uint64 { return reverseBits(a) }, 1, func(a, _ int64, _ uint) int64 {
			return int64(bits.Reverse8(uint8(a)))
		}},
		"pmul": {pmul, 1, func(a, b int64, _ uint) int64 {
			var v int64
			for i := range 8 {
				v ^= a << i & -(b >> i & 1)
			}
			return v
		}},
	} {
		for size := range c.sizes {
			w := width(size)
			for range 20_000 {
				a, b := operand(rng, size), operand(rng, size)
				got := c.f(a, b, size)
				for i := uint(0); i < 64; i += w {
					x, y := int64(a>>i<<(64-w))>>(64-w), int64(b>>i<<(64-w))>>(64-w)
					if want := unsigned(c.model(x, y, w), w); got>>i<<(64-w)>>(64-w) != want {
						t.Fatalf("%s of %#x, %#x in lanes of %d bits is %#x; the lane from bit %d should be %#x", name, a, b, w, got, i, want)
					}
				}
			}
		}
	}
}

// operand draws lanes, often at the ends of their ranges.
func operand(rng *rand.Rand, size uint8) (v uint64) {
	for i := uint(0); i < 64; i += width(size) {
		v |= lane(rng, size) << i
	}
	return v
}

// TestSaturating compares with the definition on single lanes: what is outside the range becomes its end.
func TestSaturating(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	for name, c := range map[string]struct {
		f      func(a, b uint64, size uint8) (uint64, uint64)
		signed bool // the range
		model  laneModel
	}{
		"sqadd":  {sqadd, true, func(a, b int64, _ uint) int64 { return a + b }},
		"sqsub":  {sqsub, true, func(a, b int64, _ uint) int64 { return a - b }},
		"uqadd":  {uqadd, false, func(a, b int64, w uint) int64 { return int64(unsigned(a, w) + unsigned(b, w)) }},
		"uqsub":  {uqsub, false, func(a, b int64, w uint) int64 { return int64(unsigned(a, w) - unsigned(b, w)) }},
		"suqadd": {suqadd, true, func(a, b int64, w uint) int64 { return int64(unsigned(a, w)) + b }},
		"usqadd": {usqadd, false, func(a, b int64, w uint) int64 { return a + int64(unsigned(b, w)) }},
		"sqabs":  {func(a, _ uint64, size uint8) (uint64, uint64) { return sqabs(a, size) }, true, func(a, _ int64, _ uint) int64 { return max(a, -a) }},
		"sqneg":  {func(a, _ uint64, size uint8) (uint64, uint64) { return sqneg(a, size) }, true, func(a, _ int64, _ uint) int64 { return -a }},
	} {
		for size := range uint8(3) {
			w := width(size)
			least, most := int64(0), int64(1)<<w-1
			if c.signed {
				least, most = -1<<(w-1), 1<<(w-1)-1
			}
			for range 20_000 {
				a, b := operand(rng, size), operand(rng, size)
				if rng.IntN(2) == 0 { // results without saturation must occur as well
					a, b = a&(ones[size]*15), b&(ones[size]*15)
				}
				got, saturated := c.f(a, b, size)
				outside := false
				for i := uint(0); i < 64; i += w {
					exact := c.model(int64(a>>i<<(64-w))>>(64-w), int64(b>>i<<(64-w))>>(64-w), w)
					outside = outside || exact < least || exact > most
					if want := unsigned(min(max(exact, least), most), w); got>>i<<(64-w)>>(64-w) != want {
						t.Fatalf("%s of %#x, %#x in lanes of %d bits is %#x; the lane from bit %d should be %#x", name, a, b, w, got, i, want)
					}
				}
				if outside != (saturated != 0) {
					t.Fatalf("%s of %#x, %#x in lanes of %d bits: saturated %v, should be %v", name, a, b, w, saturated != 0, outside)
				}
			}
		}
	}
}

// TestChangeWidth checks that pack undoes spread, and what spread fills in.
func TestChangeWidth(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for size := range uint8(3) {
		w := width(size)
		for range 10_000 {
			a := operand(rng, size) & 0xffffffff
			u, s := spread(a, size), spreadS(a, size)
			if pack(u, size) != a || pack(s, size) != a {
				t.Fatalf("%#x in lanes of %d bits does not survive", a, w)
			}
			for i := uint(0); i < 32; i += w {
				x := a >> i << (64 - w) >> (64 - w)
				y := int64(a>>i<<(64-w)) >> (64 - w)
				if u>>(2*i)<<(64-2*w)>>(64-2*w) != x || int64(s>>(2*i)<<(64-2*w))>>(64-2*w) != y {
					t.Fatalf("%#x in lanes of %d bits becomes %#x and %#x", a, w, u, s)
				}
			}
		}
	}
}

// TestPolynomialProduct compares with multiplication bit by bit.
func TestPolynomialProduct(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	for i := range 10_000 {
		a, b := rng.Uint64(), rng.Uint64()
		if i == 0 {
			a, b = ^uint64(0), ^uint64(0) // the most carries
		}
		var want vector
		for i := range 64 {
			if b>>i&1 != 0 {
				want[0] ^= a << i
				want[1] ^= a >> (64 - i)
			}
		}
		if got := pmull64(a, b); got != want {
			t.Fatalf("%#x times %#x is %#x, want %#x", a, b, got, want)
		}
	}
}
