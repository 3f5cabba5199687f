package softfloat

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// operation is one entry of the package as the tests see it: operands and result
// widened to 64 bits.
type operation struct {
	name string
	run  func(e *Env, a, b, c uint64) uint64
	draw func(rng *rand.Rand) (a, b, c uint64)

	// asm is A64 code for the same: a, b and c arrive in x0, x1, x2 and in v0, v1, v2;
	// the result leaves in x0.
	asm string

	// exact computes the result before rounding, for operands that are finite; nil
	// where the operation is not "an exact result, rounded once".
	exact exactFunc
	arity int    // floating-point operands
	from  format // of the operands
	to    format // of the result
	mask  uint64 // of an integer operand
	odd   bool   // rounds to odd
}

// controls draws FPCR: every rounding mode, the other controls in half of the cases.
func controls(rng *rand.Rand) uint32 {
	fpcr := rng.Uint32N(4) << rmodeShift
	if rng.IntN(2) == 0 {
		fpcr |= rng.Uint32() & (FZ | FZ16 | DN | AHP)
	}
	return fpcr
}

var formats = []struct {
	f      format
	size   int
	prefix string // of the register names
}{{half, 16, "h"}, {single, 32, "s"}, {double, 64, "d"}}

var roundings = []struct {
	letter string // in the names of FRINTN, FCVTNS, ...
	r      Rounding
}{{"n", RoundTieEven}, {"p", RoundUp}, {"m", RoundDown}, {"z", RoundZero}, {"a", RoundTieAway}}

type bitsType interface{ uint16 | uint32 | uint64 }

type run = func(e *Env, a, b, c uint64) uint64

func one[A, R bitsType](fn func(*Env, A) R) run {
	return func(e *Env, a, _, _ uint64) uint64 { return uint64(fn(e, A(a))) }
}

func two[T bitsType](fn func(*Env, T, T) T) run {
	return func(e *Env, a, b, _ uint64) uint64 { return uint64(fn(e, T(a), T(b))) }
}

// three wraps a multiply-add; the addend is c, as in FMADD.
func three[T bitsType](fn func(*Env, T, T, T) T) run {
	return func(e *Env, a, b, c uint64) uint64 { return uint64(fn(e, T(c), T(a), T(b))) }
}

func compare[T bitsType](fn func(*Env, T, T, bool) uint8, signalAll bool) run {
	return func(e *Env, a, b, _ uint64) uint64 { return uint64(fn(e, T(a), T(b), signalAll)) }
}

// test wraps a comparison that answers all ones or zero.
func test[T bitsType](fn func(*Env, T, T) bool) run {
	return func(e *Env, a, b, _ uint64) uint64 {
		if fn(e, T(a), T(b)) {
			return uint64(^T(0))
		}
		return 0
	}
}

func roundInt[T bitsType](fn func(*Env, T, Rounding, bool) T, r Rounding, exact, current bool) run {
	return func(e *Env, a, _, _ uint64) uint64 {
		r := r
		if current {
			r = e.Rounding()
		}
		return uint64(fn(e, T(a), r, exact))
	}
}

func roundIntN[T bitsType](fn func(*Env, T, Rounding, int) T, size int, current bool) run {
	return func(e *Env, a, _, _ uint64) uint64 {
		r := RoundZero
		if current {
			r = e.Rounding()
		}
		return uint64(fn(e, T(a), r, size))
	}
}

func toFixed[T bitsType](fn func(*Env, T, uint, bool, uint, Rounding) uint64, size uint, unsigned bool, fbits uint, r Rounding) run {
	return func(e *Env, a, _, _ uint64) uint64 { return fn(e, T(a), size, unsigned, fbits, r) }
}

func fromFixed[T bitsType](fn func(*Env, uint64, uint, bool, uint, Rounding) T, size uint, unsigned bool, fbits uint) run {
	return func(e *Env, a, _, _ uint64) uint64 {
		return uint64(fn(e, a, size, unsigned, fbits, e.Rounding()))
	}
}

// operations lists every public operation. In assembler text R stands for the register
// prefix of the format; "=R0" moves the result to x0.
func operations() []operation {
	var list []operation
	for i, fm := range formats {
		f := fm.f
		assemble := func(text string) string {
			x := "w0"
			if f == double {
				x = "x0"
			}
			text = strings.ReplaceAll(text, "=R0", "fmov "+x+", R0")
			return strings.ReplaceAll(text, "R", fm.prefix)
		}
		operands := func(rng *rand.Rand) (a, b, c uint64) {
			return operands(rng, f)
		}
		for _, row := range []struct {
			name  string
			arity int
			asm   string
			exact exactFunc
			runs  [3]run
		}{
			{"fadd", 2, "fadd R0, R0, R1; =R0", exactAdd, [3]run{two((*Env).Add16), two((*Env).Add32), two((*Env).Add64)}},
			{"fsub", 2, "fsub R0, R0, R1; =R0", exactSub, [3]run{two((*Env).Sub16), two((*Env).Sub32), two((*Env).Sub64)}},
			{"fmul", 2, "fmul R0, R0, R1; =R0", exactMul, [3]run{two((*Env).Mul16), two((*Env).Mul32), two((*Env).Mul64)}},
			{"fmulx", 2, "fmulx R0, R0, R1; =R0", exactMul, [3]run{two((*Env).MulX16), two((*Env).MulX32), two((*Env).MulX64)}},
			{"fdiv", 2, "fdiv R0, R0, R1; =R0", exactDiv, [3]run{two((*Env).Div16), two((*Env).Div32), two((*Env).Div64)}},
			{"fsqrt", 1, "fsqrt R0, R0; =R0", exactSqrt, [3]run{one((*Env).Sqrt16), one((*Env).Sqrt32), one((*Env).Sqrt64)}},
			{"fmadd", 3, "fmadd R0, R0, R1, R2; =R0", exactMulAdd, [3]run{three((*Env).MulAdd16), three((*Env).MulAdd32), three((*Env).MulAdd64)}},
			{"frecps", 2, "frecps R0, R0, R1; =R0", exactRecipStep, [3]run{two((*Env).RecipStepFused16), two((*Env).RecipStepFused32), two((*Env).RecipStepFused64)}},
			{"frsqrts", 2, "frsqrts R0, R0, R1; =R0", exactRSqrtStep, [3]run{two((*Env).RSqrtStepFused16), two((*Env).RSqrtStepFused32), two((*Env).RSqrtStepFused64)}},
			{"fmax", 2, "fmax R0, R0, R1; =R0", nil, [3]run{two((*Env).Max16), two((*Env).Max32), two((*Env).Max64)}},
			{"fmin", 2, "fmin R0, R0, R1; =R0", nil, [3]run{two((*Env).Min16), two((*Env).Min32), two((*Env).Min64)}},
			{"fmaxnm", 2, "fmaxnm R0, R0, R1; =R0", nil, [3]run{two((*Env).MaxNum16), two((*Env).MaxNum32), two((*Env).MaxNum64)}},
			{"fminnm", 2, "fminnm R0, R0, R1; =R0", nil, [3]run{two((*Env).MinNum16), two((*Env).MinNum32), two((*Env).MinNum64)}},
			{"frecpe", 1, "frecpe R0, R0; =R0", nil, [3]run{one((*Env).RecipEstimate16), one((*Env).RecipEstimate32), one((*Env).RecipEstimate64)}},
			{"frsqrte", 1, "frsqrte R0, R0; =R0", nil, [3]run{one((*Env).RSqrtEstimate16), one((*Env).RSqrtEstimate32), one((*Env).RSqrtEstimate64)}},
			{"frecpx", 1, "frecpx R0, R0; =R0", nil, [3]run{one((*Env).RecipExponent16), one((*Env).RecipExponent32), one((*Env).RecipExponent64)}},
			{"fcmp", 2, "fcmp R0, R1; mrs x0, nzcv; lsr x0, x0, #28", nil, [3]run{compare((*Env).Compare16, false), compare((*Env).Compare32, false), compare((*Env).Compare64, false)}},
			{"fcmpe", 2, "fcmpe R0, R1; mrs x0, nzcv; lsr x0, x0, #28", nil, [3]run{compare((*Env).Compare16, true), compare((*Env).Compare32, true), compare((*Env).Compare64, true)}},
			{"fcmeq", 2, "fcmeq R0, R0, R1; =R0", nil, [3]run{test((*Env).CmpEQ16), test((*Env).CmpEQ32), test((*Env).CmpEQ64)}},
			{"fcmge", 2, "fcmge R0, R0, R1; =R0", nil, [3]run{test((*Env).CmpGE16), test((*Env).CmpGE32), test((*Env).CmpGE64)}},
			{"fcmgt", 2, "fcmgt R0, R0, R1; =R0", nil, [3]run{test((*Env).CmpGT16), test((*Env).CmpGT32), test((*Env).CmpGT64)}},
		} {
			list = append(list, operation{
				name: row.name + " " + fm.prefix, run: row.runs[i], draw: operands,
				asm: assemble(row.asm), exact: row.exact, arity: row.arity, from: f, to: f,
			})
		}

		integral := func(rng *rand.Rand) (a, b, c uint64) { return nearInteger(rng, f, 0), 0, 0 }
		for _, row := range []struct {
			name           string
			r              Rounding
			exact, current bool
		}{
			{"frintn", RoundTieEven, false, false},
			{"frintp", RoundUp, false, false},
			{"frintm", RoundDown, false, false},
			{"frintz", RoundZero, false, false},
			{"frinta", RoundTieAway, false, false},
			{"frintx", 0, true, true},
			{"frinti", 0, false, true},
		} {
			runs := [3]run{
				roundInt((*Env).RoundInt16, row.r, row.exact, row.current),
				roundInt((*Env).RoundInt32, row.r, row.exact, row.current),
				roundInt((*Env).RoundInt64, row.r, row.exact, row.current),
			}
			list = append(list, operation{
				name: row.name + " " + fm.prefix, run: runs[i], draw: integral,
				asm: assemble(row.name + " R0, R0; =R0"), from: f, to: f,
			})
		}
		if f != half {
			for _, size := range []int{32, 64} {
				for _, current := range []bool{false, true} {
					runs := [3]run{
						1: roundIntN((*Env).RoundIntN32, size, current),
						2: roundIntN((*Env).RoundIntN64, size, current),
					}
					name := fmt.Sprintf("frint%d%s", size, map[bool]string{false: "z", true: "x"}[current])
					list = append(list, operation{
						name: name + " " + fm.prefix, run: runs[i], draw: integral,
						asm: assemble(name + " R0, R0; =R0"), from: f, to: f,
					})
				}
			}
		}

		for _, sign := range []string{"s", "u"} {
			unsigned := sign == "u"
			to := func(size, fbits uint, r Rounding) run {
				return [3]run{
					toFixed((*Env).ToFixed16, size, unsigned, fbits, r),
					toFixed((*Env).ToFixed32, size, unsigned, fbits, r),
					toFixed((*Env).ToFixed64, size, unsigned, fbits, r),
				}[i]
			}
			from := func(size, fbits uint) run {
				return [3]run{
					fromFixed((*Env).FromFixed16, size, unsigned, fbits),
					fromFixed((*Env).FromFixed32, size, unsigned, fbits),
					fromFixed((*Env).FromFixed64, size, unsigned, fbits),
				}[i]
			}
			for _, size := range []uint{16, 32, 64} {
				x := map[uint]string{16: fm.prefix, 32: "w", 64: "x"}[size]
				if size == 16 && f != half {
					continue // only FP16 vector forms have 16-bit integers
				}
				add := func(fbits uint, toName, toAsm, fromAsm string, r Rounding) {
					list = append(list, operation{
						name: fmt.Sprintf("%s %s%d, %s, #%d", toName, x, size, fm.prefix, fbits),
						run:  to(size, fbits, r), asm: assemble(toAsm), from: f,
						draw: func(rng *rand.Rand) (a, b, c uint64) {
							return nearInteger(rng, f, int(fbits)), 0, 0
						},
					})
					if fromAsm == "" {
						return
					}
					list = append(list, operation{
						name: fmt.Sprintf("%scvtf %s, %s%d, #%d", sign, fm.prefix, x, size, fbits),
						run:  from(size, fbits), asm: assemble(fromAsm), to: f,
						draw: func(rng *rand.Rand) (a, b, c uint64) { return integer(rng, size), 0, 0 },
						mask: ^uint64(0) >> (64 - size),
						exact: func(a, _, _ uint64, _ format) exactValue {
							return exactInteger(a, size, unsigned, fbits)
						},
					})
				}
				move := ""
				if size == 16 {
					move = "; =R0"
				}
				for _, r := range roundings {
					name := "fcvt" + r.letter + sign
					from := ""
					if r.r == RoundZero {
						from = fmt.Sprintf("%scvtf R0, %s0; =R0", sign, x)
					}
					add(0, name, fmt.Sprintf("%s %s0, R0%s", name, x, move), from, r.r)
				}
				for _, fbits := range []uint{1, 5, size/2 + 3, size - 1, size} {
					name := "fcvtz" + sign
					add(fbits, name, fmt.Sprintf("%s %s0, R0, #%d%s", name, x, fbits, move),
						fmt.Sprintf("%scvtf R0, %s0, #%d; =R0", sign, x, fbits), RoundZero)
				}
			}
		}
	}

	for _, row := range []struct {
		from, to format
		asm      string
		run      run
	}{
		{half, single, "fcvt s0, h0; fmov w0, s0", one((*Env).Cvt16to32)},
		{half, double, "fcvt d0, h0; fmov x0, d0", one((*Env).Cvt16to64)},
		{single, half, "fcvt h0, s0; fmov w0, h0", one((*Env).Cvt32to16)},
		{single, double, "fcvt d0, s0; fmov x0, d0", one((*Env).Cvt32to64)},
		{double, half, "fcvt h0, d0; fmov w0, h0", one((*Env).Cvt64to16)},
		{double, single, "fcvt s0, d0; fmov w0, s0", one((*Env).Cvt64to32)},
		{double, single, "fcvtxn s0, d0; fmov w0, s0", one((*Env).Cvt64to32Odd)},
	} {
		list = append(list, operation{
			name: row.asm[:strings.Index(row.asm, ";")], run: row.run, asm: row.asm, from: row.from, to: row.to,
			draw:  func(rng *rand.Rand) (a, b, c uint64) { return nearFormat(rng, row.from, row.to), 0, 0 },
			exact: exactSame, arity: 1, odd: strings.HasPrefix(row.asm, "fcvtxn"),
		})
	}
	return append(list, operation{
		name: "fjcvtzs",
		run: func(e *Env, a, _, _ uint64) uint64 {
			v, z := e.FPToJS(a)
			if z {
				return uint64(v) | 1<<32
			}
			return uint64(v)
		},
		asm:  "fjcvtzs w0, d0; cset x1, eq; orr x0, x0, x1, lsl #32",
		draw: func(rng *rand.Rand) (a, b, c uint64) { return nearInteger(rng, double, 0), 0, 0 },
		from: double,
	}, operation{
		name: "fmlal",
		run: func(e *Env, a, b, c uint64) uint64 {
			return uint64(e.MulAddH(uint32(c), uint16(a), uint16(b)))
		},
		asm: "fmlal v2.2s, v0.2h, v1.2h; fmov w0, s2",
		draw: func(rng *rand.Rand) (a, b, c uint64) {
			a, b = operand(rng, half), operand(rng, half)
			return a, b, nearFormat(rng, single, half)
		},
	}, operation{
		name: "urecpe",
		run:  func(_ *Env, a, _, _ uint64) uint64 { return uint64(RecipEstimateU32(uint32(a))) },
		asm:  "urecpe v0.2s, v0.2s; fmov w0, s0",
		draw: func(rng *rand.Rand) (a, b, c uint64) { return integer(rng, 32), 0, 0 },
	}, operation{
		name: "ursqrte",
		run:  func(_ *Env, a, _, _ uint64) uint64 { return uint64(RSqrtEstimateU32(uint32(a))) },
		asm:  "ursqrte v0.2s, v0.2s; fmov w0, s0",
		draw: func(rng *rand.Rand) (a, b, c uint64) { return integer(rng, 32), 0, 0 },
	})
}
