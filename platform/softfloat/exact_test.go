package softfloat

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// The oracle of this file knows arithmetic, not bits: it computes results exactly with
// math/big and rounds them by the definition of each rounding mode. It shares nothing
// with the package but the names of formats and modes.

// shape is the oracle's own table of the formats (IEEE 754-2008, table 3.5).
type shape struct{ precision, emin, emax, size int }

var shapes = map[format]shape{
	half:   {11, -14, 15, 16},
	single: {24, -126, 127, 32},
	double: {53, -1022, 1023, 64},
}

// exactPrec holds any sum of a double and a product of doubles.
const exactPrec = 4600

// exactValue is a result before rounding. Where it has no finite binary expansion, value is
// cut below anything that a rounding looks at, but not equal to what is kept above.
type exactValue struct {
	value *big.Float
	// cancelled: the sign of a zero depends on the rounding mode.
	cancelled bool
	// undefined: not a case for this oracle (0/0, x/0, roots of negative numbers).
	undefined bool
}

type exactFunc func(a, b, c uint64, f format) exactValue

// decode is the value of a finite bit pattern; ok is false for infinities and NaNs.
func decode(v uint64, f format) (x *big.Float, ok bool) {
	s := shapes[f]
	fracBits := s.precision - 1
	frac := int64(v & (1<<fracBits - 1))
	field := int(v >> fracBits & (1<<(s.size-s.precision) - 1))
	exp := s.emin
	if field != 0 {
		frac |= 1 << fracBits
		exp += field - 1
	}
	x = new(big.Float).SetPrec(exactPrec).SetInt64(frac)
	x.SetMantExp(x, exp-fracBits)
	if v>>(s.size-1)&1 != 0 {
		x.Neg(x)
	}
	return x, field <= s.emax-s.emin+1
}

func newExact() *big.Float { return new(big.Float).SetPrec(exactPrec) }

func sumOf(x, y *big.Float) exactValue {
	z := newExact().Add(x, y)
	if z.Acc() != big.Exact {
		panic("the oracle is not exact")
	}
	return exactValue{value: z, cancelled: z.Sign() == 0 && x.Signbit() != y.Signbit()}
}

func productOf(x, y *big.Float) *big.Float {
	z := newExact().Mul(x, y)
	if z.Acc() != big.Exact {
		panic("the oracle is not exact")
	}
	return z
}

func must(v uint64, f format) *big.Float {
	x, _ := decode(v, f)
	return x
}

func exactAdd(a, b, _ uint64, f format) exactValue { return sumOf(must(a, f), must(b, f)) }

func exactSub(a, b, _ uint64, f format) exactValue {
	y := must(b, f)
	return sumOf(must(a, f), y.Neg(y))
}

func exactMul(a, b, _ uint64, f format) exactValue {
	return exactValue{value: productOf(must(a, f), must(b, f))}
}

func exactMulAdd(a, b, c uint64, f format) exactValue {
	return sumOf(productOf(must(a, f), must(b, f)), must(c, f))
}

func exactRecipStep(a, b, _ uint64, f format) exactValue {
	p := productOf(must(a, f), must(b, f))
	return sumOf(big.NewFloat(2), p.Neg(p))
}

func exactRSqrtStep(a, b, _ uint64, f format) exactValue {
	p := productOf(must(a, f), must(b, f))
	s := sumOf(big.NewFloat(3), p.Neg(p))
	s.value.Mul(s.value, big.NewFloat(0.5))
	return s
}

func exactSame(a, _, _ uint64, f format) exactValue { return exactValue{value: must(a, f)} }

// cut marks a truncated value as not exact with a bit far below all others.
func cut(x *big.Float) *big.Float {
	tail := newExact().SetMantExp(big.NewFloat(1), x.MantExp(nil)-1000)
	if x.Signbit() {
		tail.Neg(tail)
	}
	return newExact().Add(x, tail)
}

func exactDiv(a, b, _ uint64, f format) exactValue {
	x, y := must(a, f), must(b, f)
	if y.Sign() == 0 {
		return exactValue{undefined: true}
	}
	q := new(big.Float).SetPrec(300).SetMode(big.ToZero).Quo(x, y)
	if q.Acc() != big.Exact {
		return exactValue{value: cut(q)}
	}
	return exactValue{value: newExact().Set(q)}
}

func exactSqrt(a, _, _ uint64, f format) exactValue {
	x := must(a, f)
	if x.Sign() == 0 {
		return exactValue{value: x}
	}
	if x.Sign() < 0 {
		return exactValue{undefined: true}
	}
	// x = n * 2^-2400 with n an integer; the root of n has enough bits for any double.
	n, _ := newExact().SetMantExp(x, 2400).Int(nil)
	root := new(big.Int).Sqrt(n)
	z := newExact().SetInt(root)
	z.SetMantExp(z, -1200)
	if new(big.Int).Mul(root, root).Cmp(n) != 0 {
		z = cut(z)
	}
	return exactValue{value: z}
}

func exactInteger(v uint64, size uint, unsigned bool, fbits uint) exactValue {
	n := new(big.Int).SetUint64(v)
	if !unsigned && n.Bit(int(size-1)) != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), size))
	}
	x := newExact().SetInt(n)
	return exactValue{value: x.SetMantExp(x, -int(fbits))}
}

// roundedInt rounds to an integer by the definition of the mode.
func roundedInt(x *big.Float, r Rounding) (n *big.Int, inexact bool) {
	n, acc := x.Int(nil) // towards zero
	if acc == big.Exact {
		return n, false
	}
	rest := newExact().Sub(x, newExact().SetInt(n)) // same sign as x
	away := false
	tie := rest.Abs(rest).Cmp(big.NewFloat(0.5))
	switch r {
	case RoundTieEven:
		away = tie > 0 || tie == 0 && n.Bit(0) == 1
	case RoundTieAway:
		away = tie >= 0
	case RoundUp:
		away = x.Sign() > 0
	case RoundDown:
		away = x.Sign() < 0
	case RoundOdd:
		away = n.Bit(0) == 0
	}
	if away {
		n.Add(n, big.NewInt(int64(x.Sign())))
	}
	return n, true
}

// roundedFloat rounds to a format (FPRound). ahp selects the alternative half precision.
func roundedFloat(x *big.Float, f format, r Rounding, flush, ahp bool) (v uint64, flags uint32) {
	s := shapes[f]
	signBit := uint64(0)
	if x.Signbit() {
		signBit = 1 << (s.size - 1)
	}
	if x.Sign() == 0 {
		return signBit, 0
	}
	exp := x.MantExp(nil) - 1
	tiny := exp < s.emin
	if tiny && flush {
		return signBit, UFC
	}
	unit := max(exp, s.emin) - (s.precision - 1) // 2^unit is the last place
	n, inexact := roundedInt(newExact().SetMantExp(x, -unit), r)
	n.Abs(n)
	if inexact {
		flags |= IXC
		if tiny {
			flags |= UFC
		}
	}
	emax := s.emax
	if ahp {
		emax++
	}
	largest := new(big.Int).Lsh(big.NewInt(1), uint(s.precision))
	largest.Sub(largest, big.NewInt(1))
	limit := newExact().SetInt(largest)
	limit.SetMantExp(limit, emax-(s.precision-1))
	value := newExact().SetInt(n)
	value.SetMantExp(value, unit)
	if value.Cmp(limit) > 0 {
		if ahp {
			return signBit | 0x7fff, IOC
		}
		infinity := uint64(1)<<(s.size-1) - 1<<(s.precision-1)
		up := r == RoundTieEven || r == RoundUp && !x.Signbit() || r == RoundDown && x.Signbit()
		if up {
			return signBit | infinity, OFC | IXC
		}
		return signBit | (infinity - 1), OFC | IXC
	}
	if n.Sign() == 0 {
		return signBit, flags
	}
	exp = value.MantExp(nil) - 1
	field := 0
	if exp >= s.emin {
		field = exp - s.emin + 1
	}
	// The significand at the format's own last place.
	sig, acc := newExact().SetMantExp(value, s.precision-1-max(exp, s.emin)).Uint64()
	if acc != big.Exact {
		panic("the oracle lost bits")
	}
	return signBit | uint64(field)<<(s.precision-1) | sig&(1<<(s.precision-1)-1), flags
}

// flushed applies the input flushing of FPCR.FZ and FZ16.
func flushed(v uint64, f format, fpcr uint32, conversion bool) (w uint64, flags uint32) {
	x, ok := decode(v, f)
	if !ok || x.Sign() == 0 || x.MantExp(nil)-1 >= shapes[f].emin {
		return v, 0
	}
	signBit := v & (1 << (shapes[f].size - 1))
	switch {
	case f == half && fpcr&FZ16 != 0 && !conversion:
		return signBit, 0
	case f != half && fpcr&FZ != 0:
		return signBit, IDC
	}
	return v, 0
}

// verify runs an operation on one vector and compares it with the oracle; checked is
// false when the oracle has no opinion. before is the initial FPSR.
func (op *operation) verify(t *testing.T, a, b, c uint64, fpcr, before uint32) (checked bool) {
	t.Helper()
	x := [3]uint64{a, b, c}
	conversion := op.from != 0 && op.from != op.to
	var flags uint32
	for i := range x {
		if op.from == 0 { // an integer
			break
		}
		if i >= op.arity {
			x[i] = 0
			continue
		}
		x[i] &= 1<<shapes[op.from].size - 1
		if _, finite := decode(x[i], op.from); !finite {
			return false
		}
		v, idc := flushed(x[i], op.from, fpcr, conversion)
		x[i] = v
		flags |= idc
	}
	exact := op.exact(x[0], x[1], x[2], op.from)
	if exact.undefined {
		return false
	}
	r := Rounding(fpcr >> 22 & 3)
	if op.odd {
		r = RoundOdd
	}
	if exact.cancelled {
		exact.value = newExact()
		if r == RoundDown {
			exact.value.Neg(exact.value)
		}
	}
	flush := fpcr&FZ != 0
	if op.to == half {
		flush = fpcr&FZ16 != 0 && !conversion
	}
	ahp := op.to == half && conversion && fpcr&AHP != 0
	want, more := roundedFloat(exact.value, op.to, r, flush, ahp)
	flags |= more | before
	e := Env{FPCR: fpcr, FPSR: before}
	if got := op.run(&e, a, b, c); got != want || e.FPSR != flags {
		t.Fatalf("%s: a=%#x b=%#x c=%#x FPCR=%#x FPSR=%#x: got %#x FPSR=%#x, want %#x FPSR=%#x",
			op.name, a, b, c, fpcr, before, got, e.FPSR, want, flags)
	}
	return true
}

func TestExact(t *testing.T) {
	const vectors = 2500
	for _, op := range operations() {
		if op.exact == nil {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 0))
			checked := 0
			for range vectors {
				a, b, c := op.draw(rng)
				fpcr := controls(rng)
				// A set IXC selects other code paths; the result must not change.
				op.verify(t, a, b, c, fpcr, IXC)
				if op.verify(t, a, b, c, fpcr, 0) {
					checked++
				}
			}
			if checked < vectors/4 {
				t.Errorf("only %d of %d vectors were finite and defined", checked, vectors)
			}
		})
	}
}

// FuzzOperations runs any operation on any operands: it must not panic, must only add flags,
// must not depend on the flags before, and must agree with the oracle where that applies.
func FuzzOperations(f *testing.F) {
	ops := operations()
	rng := rand.New(rand.NewPCG(6, 0))
	for i, op := range ops {
		a, b, c := op.draw(rng)
		f.Add(uint16(i), a, b, c, controls(rng))
	}
	f.Fuzz(func(t *testing.T, index uint16, a, b, c uint64, fpcr uint32) {
		op := ops[int(index)%len(ops)]
		var clear Env
		clear.FPCR = fpcr
		want := op.run(&clear, a, b, c)
		all := IOC | DZC | OFC | UFC | IXC | IDC
		if clear.FPCR != fpcr || clear.FPSR&^all != 0 {
			t.Fatalf("%s: FPCR=%#x, FPSR=%#x", op.name, clear.FPCR, clear.FPSR)
		}
		for _, before := range []uint32{IXC, QC | IOC, ^uint32(0)} {
			e := Env{FPCR: fpcr, FPSR: before}
			if got := op.run(&e, a, b, c); got != want || e.FPSR != clear.FPSR|before {
				t.Fatalf("%s(%#x, %#x, %#x): %#x with FPSR=%#x, %#x without", op.name, a, b, c, got, before, want)
			}
		}
		if op.exact != nil {
			if op.from == 0 {
				a &= op.mask
			}
			op.verify(t, a, b, c, fpcr, 0)
		}
	})
}

func TestExactToFixed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	fns := map[format]func(e *Env, a uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64{
		half: func(e *Env, a uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
			return e.ToFixed16(uint16(a), size, unsigned, fbits, r)
		},
		single: func(e *Env, a uint64, size uint, unsigned bool, fbits uint, r Rounding) uint64 {
			return e.ToFixed32(uint32(a), size, unsigned, fbits, r)
		},
		double: (*Env).ToFixed64,
	}
	for range 60_000 {
		f := formats[rng.IntN(3)].f
		size := uint(16) << rng.IntN(3)
		unsigned := rng.IntN(2) == 0
		fbits := uint(0)
		if rng.IntN(2) == 0 {
			fbits = rng.UintN(size + 1)
		}
		r := roundings[rng.IntN(len(roundings))].r
		fpcr := controls(rng)
		a := nearInteger(rng, f, int(fbits))

		least, largest := new(big.Int), new(big.Int).Lsh(big.NewInt(1), size)
		if !unsigned {
			largest.Rsh(largest, 1)
			least.Neg(largest)
		}
		largest.Sub(largest, big.NewInt(1))
		v, flags := flushed(a, f, fpcr, false)
		n := new(big.Int)
		x, ok := decode(v, f)
		if ok {
			var inexact bool
			n, inexact = roundedInt(newExact().SetMantExp(x, int(fbits)), r)
			if inexact {
				flags |= IXC
			}
		} else {
			switch magnitude := v & (1<<(shapes[f].size-1) - 1); {
			case magnitude != f.inf(): // NaN
				flags = IOC
			case magnitude != v:
				n.Lsh(big.NewInt(-1), 200)
			default:
				n.Lsh(big.NewInt(1), 200)
			}
		}
		if n.Cmp(least) < 0 {
			n, flags = least, flags&IDC|IOC
		} else if n.Cmp(largest) > 0 {
			n, flags = largest, flags&IDC|IOC
		}
		want := new(big.Int).And(n, new(big.Int).SetUint64(^uint64(0)>>(64-size))).Uint64()
		e := Env{FPCR: fpcr}
		if got := fns[f](&e, a, size, unsigned, fbits, r); got != want || e.FPSR != flags {
			t.Fatalf("format %#x a=%#x size=%d unsigned=%v fbits=%d mode=%d FPCR=%#x: got %#x FPSR=%#x, want %#x FPSR=%#x",
				uint(f), a, size, unsigned, fbits, r, fpcr, got, e.FPSR, want, flags)
		}
	}
}

func TestExactRoundInt(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for range 60_000 {
		f := formats[rng.IntN(3)].f
		r := roundings[rng.IntN(len(roundings))].r
		fpcr := controls(rng)
		exact := rng.IntN(2) == 0
		size := []int{0, 32, 64}[rng.IntN(3)] // 0: no limit
		a := nearInteger(rng, f, 0)
		v, flags := flushed(a, f, fpcr, false)
		x, ok := decode(v, f)
		if !ok {
			continue // infinities and NaNs: TestSpecial
		}
		n, inexact := roundedInt(x, r)
		z := newExact().SetInt(n)
		if z.Sign() == 0 && x.Signbit() {
			z.Neg(z)
		}
		if inexact && (exact || size != 0) {
			flags |= IXC
		}
		if size != 0 {
			limit := new(big.Int).Lsh(big.NewInt(1), uint(size-1))
			if n.Cmp(limit) >= 0 || n.Cmp(limit.Neg(limit)) < 0 {
				flags = flags&IDC | IOC
				z = newExact().SetMantExp(big.NewFloat(-1), size-1)
			}
		}
		if size != 0 && f == half {
			continue // there is no such instruction
		}
		want, loss := roundedFloat(z, f, RoundZero, false, false)
		if loss != 0 {
			t.Fatalf("%v is not representable", z)
		}
		e := Env{FPCR: fpcr}
		var got uint64
		switch {
		case f == half:
			got = uint64(e.RoundInt16(uint16(a), r, exact))
		case f == single && size == 0:
			got = uint64(e.RoundInt32(uint32(a), r, exact))
		case f == single:
			got = uint64(e.RoundIntN32(uint32(a), r, size))
		case size == 0:
			got = e.RoundInt64(a, r, exact)
		default:
			got = e.RoundIntN64(a, r, size)
		}
		if got != want || e.FPSR != flags {
			t.Fatalf("format %#x a=%#x size=%d mode=%d FPCR=%#x exact=%v: got %#x FPSR=%#x, want %#x FPSR=%#x",
				uint(f), a, size, r, fpcr, exact, got, e.FPSR, want, flags)
		}
	}
}
