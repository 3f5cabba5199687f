package fpsimd

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/softfloat"
)

// Functions on one lane, by precision.
type (
	unaryFP struct {
		h func(*env, uint16) uint16
		s func(*env, uint32) uint32
		d func(*env, uint64) uint64
	}
	binaryFP struct {
		h func(*env, uint16, uint16) uint16
		s func(*env, uint32, uint32) uint32
		d func(*env, uint64, uint64) uint64
	}
	relation struct {
		h func(*env, uint16, uint16) bool
		s func(*env, uint32, uint32) bool
		d func(*env, uint64, uint64) bool
	}
)

// apply computes the lanes of an operand of bytes bytes.
func (f unaryFP) apply(e *env, size, bytes uint8, n vector) vector {
	var out vector
	switch size {
	case 3:
		out[0] = f.d(e, n[0])
		if bytes == 16 {
			out[1] = f.d(e, n[1])
		}
	case 2:
		for i := uint(0); i < uint(bytes); i += 4 {
			out[i>>3&1] |= uint64(f.s(e, uint32(n[i>>3&1]>>(i&7*8)))) << (i & 7 * 8)
		}
	default:
		for i := uint(0); i < uint(bytes); i += 2 {
			out[i>>3&1] |= uint64(f.h(e, uint16(n[i>>3&1]>>(i&7*8)))) << (i & 7 * 8)
		}
	}
	return out
}

func (f binaryFP) apply(e *env, size, bytes uint8, n, m vector) vector {
	var out vector
	switch size {
	case 3:
		out[0] = f.d(e, n[0], m[0])
		if bytes == 16 {
			out[1] = f.d(e, n[1], m[1])
		}
	case 2:
		for i := uint(0); i < uint(bytes); i += 4 {
			shift := i & 7 * 8
			out[i>>3&1] |= uint64(f.s(e, uint32(n[i>>3&1]>>shift), uint32(m[i>>3&1]>>shift))) << shift
		}
	default:
		for i := uint(0); i < uint(bytes); i += 2 {
			shift := i & 7 * 8
			out[i>>3&1] |= uint64(f.h(e, uint16(n[i>>3&1]>>shift), uint16(m[i>>3&1]>>shift))) << shift
		}
	}
	return out
}

// masks makes a function whose result is all ones where the relation holds.
func (f relation) masks() binaryFP {
	return binaryFP{
		func(e *env, a, b uint16) uint16 {
			if f.h(e, a, b) {
				return 1<<16 - 1
			}
			return 0
		},
		func(e *env, a, b uint32) uint32 {
			if f.s(e, a, b) {
				return 1<<32 - 1
			}
			return 0
		},
		func(e *env, a, b uint64) uint64 {
			if f.d(e, a, b) {
				return 1<<64 - 1
			}
			return 0
		},
	}
}

// vector1 makes an operation on one source, vector2 on two.

func vector1(f unaryFP) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		r.V[in.Rd&31] = f.apply(&r.Env, in.Size, in.Opt, r.V[in.Rn&31])
	}
}

func vector2(from multiplier, f binaryFP) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		r.V[in.Rd&31] = f.apply(&r.Env, in.Size, in.Opt, r.V[in.Rn&31], from(r, in))
	}
}

// The most frequent operations call the arithmetic directly in single and double precision.

func vfadd(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31], r.V[in.Rm&31]
	v, count := &r.V[in.Rd&31], in.Opt>>3
	*v = vector{}
	switch in.Size {
	case 3:
		for i := range count {
			v[i&1] = r.Add64(n[i&1], m[i&1])
		}
	case 2:
		for i := range count {
			a, b := n[i&1], m[i&1]
			v[i&1] = uint64(r.Add32(uint32(a), uint32(b))) | uint64(r.Add32(uint32(a>>32), uint32(b>>32)))<<32
		}
	default:
		*v = fadd.apply(&r.Env, in.Size, in.Opt, n, m)
	}
}

func vfmul(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31], r.V[in.Rm&31]
	v, count := &r.V[in.Rd&31], in.Opt>>3
	*v = vector{}
	switch in.Size {
	case 3:
		for i := range count {
			v[i&1] = r.Mul64(n[i&1], m[i&1])
		}
	case 2:
		for i := range count {
			a, b := n[i&1], m[i&1]
			v[i&1] = uint64(r.Mul32(uint32(a), uint32(b))) | uint64(r.Mul32(uint32(a>>32), uint32(b>>32)))<<32
		}
	default:
		*v = fmul.apply(&r.Env, in.Size, in.Opt, n, m)
	}
}

// absolute compares magnitudes.
func absolute(f binaryFP) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m, t := r.V[in.Rn&31], r.V[in.Rm&31], tops[in.Size&3]
		r.V[in.Rd&31] = f.apply(&r.Env, in.Size, in.Opt, vector{n[0] &^ t, n[1] &^ t}, vector{m[0] &^ t, m[1] &^ t})
	}
}

// withZero compares with +0, which is the first operand if swap is set.
func withZero(f binaryFP, swap bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := r.V[in.Rn&31], vector{}
		if swap {
			n, m = m, n
		}
		r.V[in.Rd&31] = f.apply(&r.Env, in.Size, in.Opt, n, m)
	}
}

// pairwiseFP works on the even and the odd lanes of both sources.
func pairwiseFP(f binaryFP) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := r.V[in.Rn&31], r.V[in.Rm&31]
		r.V[in.Rd&31] = f.apply(&r.Env, in.Size, in.Opt, unzip1(n, m, in), unzip2(n, m, in))
	}
}

// pairFP works on the two lowest lanes of one source.
func pairFP(f binaryFP) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := r.V[in.Rn&31]
		second := vector{n[1]}
		if in.Size < 3 {
			second[0] = n[0] >> width(in.Size)
		}
		r.V[in.Rd&31] = f.apply(&r.Env, in.Size, in.Opt, n, second)
	}
}

// acrossFP reduces neighbouring lanes first, then their results (Reduce in the pseudocode).
func acrossFP(f binaryFP) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		v := r.V[in.Rn&31]
		pair := *in
		for bytes := in.Opt; bytes > 1<<in.Size; bytes /= 2 {
			pair.Opt = max(bytes, 8)
			v = f.apply(&r.Env, in.Size, bytes/2, unzip1(v, vector{}, &pair), unzip2(v, vector{}, &pair))
		}
		r.V[in.Rd&31] = v
	}
}

// fusedFP is FMLA and, with the first factor negated, FMLS.
func fusedFP(from multiplier, subtract bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := r.V[in.Rd&31], r.V[in.Rn&31], from(r, in)
		if subtract {
			t := tops[in.Size&3]
			n[0], n[1] = n[0]^t, n[1]^t
		}
		r.V[in.Rd&31] = fmla(&r.Env, in.Size, in.Opt, d, n, m)
	}
}

// fmla adds the products of the lanes of n and m to those of d.
func fmla(e *env, size, bytes uint8, d, n, m vector) vector {
	var out vector
	switch size {
	case 3:
		out[0] = e.MulAdd64(d[0], n[0], m[0])
		if bytes == 16 {
			out[1] = e.MulAdd64(d[1], n[1], m[1])
		}
	case 2:
		for i := uint(0); i < uint(bytes); i += 4 {
			shift := i & 7 * 8
			v := e.MulAdd32(uint32(d[i>>3&1]>>shift), uint32(n[i>>3&1]>>shift), uint32(m[i>>3&1]>>shift))
			out[i>>3&1] |= uint64(v) << shift
		}
	default:
		for i := uint(0); i < uint(bytes); i += 2 {
			shift := i & 7 * 8
			v := e.MulAdd16(uint16(d[i>>3&1]>>shift), uint16(n[i>>3&1]>>shift), uint16(m[i>>3&1]>>shift))
			out[i>>3&1] |= uint64(v) << shift
		}
	}
	return out
}

// fusedLong is FMLAL and FMLSL: lanes of half precision, from the half of the register that half says, are multiplied and added
// to lanes of single precision.
func fusedLong(byElement, subtract bool, half uint) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
		if byElement {
			v := replicate(element(&m, 1, in.Imm), 1)
			m = vector{v, v}
		}
		if subtract {
			n[0], n[1] = n[0]^tops[1], n[1]^tops[1]
		}
		var out vector
		for i := uint(0); i < uint(in.Opt); i += 4 {
			shift := i & 7 * 8
			j := i/2 + half*uint(in.Opt)/2
			a, b := uint16(n[j>>3&1]>>(j&7*8)), uint16(m[j>>3&1]>>(j&7*8))
			out[i>>3&1] |= uint64(r.MulAddH(uint32(d[i>>3&1]>>shift), a, b)) << shift
		}
		r.V[in.Rd&31] = out
	}
}

// toInteger makes a conversion to integers of the size of the lane. Imm is the number of fraction bits.
func toInteger(unsigned bool, rounding softfloat.Rounding) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, fbits := r.V[in.Rn&31], uint(in.Imm)
		w := width(in.Size)
		var out vector
		for bit := uint(0); bit < uint(in.Opt)*8; bit += w {
			v := n[bit>>6&1] >> (bit & 63)
			switch in.Size {
			case 1:
				v = r.ToFixed16(uint16(v), w, unsigned, fbits, rounding)
			case 2:
				v = r.ToFixed32(uint32(v), w, unsigned, fbits, rounding)
			default:
				v = r.ToFixed64(v, w, unsigned, fbits, rounding)
			}
			out[bit>>6&1] |= v << (bit & 63)
		}
		r.V[in.Rd&31] = out
	}
}

// fromInteger makes a conversion from integers of the size of the lane.
func fromInteger(unsigned bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, fbits := r.V[in.Rn&31], uint(in.Imm)
		w := width(in.Size)
		var out vector
		for bit := uint(0); bit < uint(in.Opt)*8; bit += w {
			v := n[bit>>6&1] >> (bit & 63)
			switch in.Size {
			case 1:
				v = uint64(r.FromFixed16(v, w, unsigned, fbits, r.Rounding()))
			case 2:
				v = uint64(r.FromFixed32(v, w, unsigned, fbits, r.Rounding()))
			default:
				v = r.FromFixed64(v, w, unsigned, fbits, r.Rounding())
			}
			out[bit>>6&1] |= v << (bit & 63)
		}
		r.V[in.Rd&31] = out
	}
}

// fcvtl converts to the next wider precision.
func fcvtl(r *a64.Regs, in *a64.Inst) {
	n := source(&r.V[in.Rn&31], in)
	if in.Size == 2 {
		r.V[in.Rd&31] = vector{r.Cvt32to64(uint32(n)), r.Cvt32to64(uint32(n >> 32))}
		return
	}
	var out vector
	for i := range 4 {
		out[i>>1] |= uint64(r.Cvt16to32(uint16(n>>(i*16)))) << (i & 1 * 32)
	}
	r.V[in.Rd&31] = out
}

// fcvtn converts to the next narrower precision.
func fcvtn(r *a64.Regs, in *a64.Inst) {
	n := r.V[in.Rn&31]
	var out uint64
	if in.Size == 2 {
		out = uint64(r.Cvt64to32(n[0])) | uint64(r.Cvt64to32(n[1]))<<32
	} else {
		for i := range 4 {
			out |= uint64(r.Cvt32to16(uint32(n[i>>1]>>(i&1*32)))) << (i * 16)
		}
	}
	setNarrow(r, in, out)
}

// fcvtxn converts double to single, rounding to odd.
func fcvtxn(r *a64.Regs, in *a64.Inst) {
	n := r.V[in.Rn&31]
	out := uint64(r.Cvt64to32Odd(n[0]))
	if in.Opt >= 8 {
		out |= uint64(r.Cvt64to32Odd(n[1])) << 32
	}
	setNarrow(r, in, out)
}

// rint makes an operation that rounds to integral values.
func rint(rounding func(e *env) softfloat.Rounding, exact bool) operation {
	return vector1(unaryFP{
		func(e *env, a uint16) uint16 { return e.RoundInt16(a, rounding(e), exact) },
		func(e *env, a uint32) uint32 { return e.RoundInt32(a, rounding(e), exact) },
		func(e *env, a uint64) uint64 { return e.RoundInt64(a, rounding(e), exact) },
	})
}

// rintN makes an operation that rounds to integral values of bits bits. Half precision has none.
func rintN(rounding func(e *env) softfloat.Rounding, bits int) operation {
	return vector1(unaryFP{
		nil,
		func(e *env, a uint32) uint32 { return e.RoundIntN32(a, rounding(e), bits) },
		func(e *env, a uint64) uint64 { return e.RoundIntN64(a, rounding(e), bits) },
	})
}

func always(rounding softfloat.Rounding) func(*env) softfloat.Rounding {
	return func(*env) softfloat.Rounding { return rounding }
}

// estimateU makes URECPE or URSQRTE, which work on unsigned lanes of 32 bits.
func estimateU(f func(uint32) uint32) operation {
	return vector1(unaryFP{s: func(_ *env, a uint32) uint32 { return f(a) }})
}

// swapPairs exchanges the real and imaginary parts of complex numbers whose parts are lanes of the given size.
func swapPairs(v vector, size uint8) vector {
	switch size {
	case 1:
		return vector{swap16(v[0]), swap16(v[1])}
	case 2:
		return vector{v[0]>>32 | v[0]<<32, v[1]>>32 | v[1]<<32}
	}
	return vector{v[1], v[0]}
}

// parts gives the masks of the real (even) and imaginary (odd) lanes.
func parts(size uint8) (re, im vector) {
	if size == 3 {
		return vector{^uint64(0), 0}, vector{0, ^uint64(0)}
	}
	even := evenLanes(size)
	return vector{even, even}, vector{^even, ^even}
}

// fcadd adds complex numbers, the second rotated by one or three quarter turns.
func fcadd(r *a64.Regs, in *a64.Inst) {
	n, m := r.V[in.Rn&31], swapPairs(r.V[in.Rm&31], in.Size)
	negate, im := parts(in.Size) // a quarter turn: minus the imaginary part becomes the real part
	if in.Ra == 3 {
		negate = im
	}
	for i := range m {
		m[i] ^= tops[in.Size&3] & negate[i]
	}
	r.V[in.Rd&31] = fadd.apply(&r.Env, in.Size, in.Opt, n, m)
}

// fcmla adds to the destination the products of the real parts (of the imaginary parts, for odd rotations) of the first source
// with the second, rotated.
func fcmla(byElement bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := r.V[in.Rn&31], r.V[in.Rm&31]
		if byElement {
			v := element(&m, in.Size+1, in.Imm)
			if in.Size == 1 {
				v = replicate(v, 2)
			}
			m = vector{v, v}
		}
		re, im := parts(in.Size)
		swapped := swapPairs(n, in.Size)
		take, negate := re, vector{}
		if in.Ra&1 != 0 {
			take, m = im, swapPairs(m, in.Size)
		}
		switch in.Ra {
		case 1:
			negate = re
		case 2:
			negate = vector{^uint64(0), ^uint64(0)}
		case 3:
			negate = im
		}
		for i := range n {
			n[i] = choose(take[i], n[i], swapped[i])
			m[i] ^= tops[in.Size&3] & negate[i]
		}
		r.V[in.Rd&31] = fmla(&r.Env, in.Size, in.Opt, r.V[in.Rd&31], n, m)
	}
}

var (
	fadd = binaryFP{(*env).Add16, (*env).Add32, (*env).Add64}
	fmul = binaryFP{(*env).Mul16, (*env).Mul32, (*env).Mul64}
)

func floatOps() map[a64.Op]operation {
	const (
		even = softfloat.RoundTieEven
		up   = softfloat.RoundUp
		down = softfloat.RoundDown
		zero = softfloat.RoundZero
		away = softfloat.RoundTieAway
	)
	current := (*env).Rounding
	maximum := binaryFP{(*env).Max16, (*env).Max32, (*env).Max64}
	minimum := binaryFP{(*env).Min16, (*env).Min32, (*env).Min64}
	maxNum := binaryFP{(*env).MaxNum16, (*env).MaxNum32, (*env).MaxNum64}
	minNum := binaryFP{(*env).MinNum16, (*env).MinNum32, (*env).MinNum64}
	fmulx := binaryFP{(*env).MulX16, (*env).MulX32, (*env).MulX64}
	eq := relation{(*env).CmpEQ16, (*env).CmpEQ32, (*env).CmpEQ64}.masks()
	ge := relation{(*env).CmpGE16, (*env).CmpGE32, (*env).CmpGE64}.masks()
	gt := relation{(*env).CmpGT16, (*env).CmpGT32, (*env).CmpGT64}.masks()
	return map[a64.Op]operation{
		a64.VFADD: vfadd,
		a64.VFSUB: vector2(fromVector, binaryFP{(*env).Sub16, (*env).Sub32, (*env).Sub64}),
		a64.VFDIV: vector2(fromVector, binaryFP{(*env).Div16, (*env).Div32, (*env).Div64}),
		a64.VFMUL: vfmul, a64.VFMULE: vector2(fromElement, fmul),
		a64.VFMULX: vector2(fromVector, fmulx), a64.VFMULXE: vector2(fromElement, fmulx),
		a64.VFMAX: vector2(fromVector, maximum), a64.VFMIN: vector2(fromVector, minimum),
		a64.VFMAXNM: vector2(fromVector, maxNum), a64.VFMINNM: vector2(fromVector, minNum),
		a64.VFRECPS:  vector2(fromVector, binaryFP{(*env).RecipStepFused16, (*env).RecipStepFused32, (*env).RecipStepFused64}),
		a64.VFRSQRTS: vector2(fromVector, binaryFP{(*env).RSqrtStepFused16, (*env).RSqrtStepFused32, (*env).RSqrtStepFused64}),
		a64.VFABD: vector2(fromVector, binaryFP{
			func(e *env, a, b uint16) uint16 { return softfloat.Abs16(e.Sub16(a, b)) },
			func(e *env, a, b uint32) uint32 { return softfloat.Abs32(e.Sub32(a, b)) },
			func(e *env, a, b uint64) uint64 { return softfloat.Abs64(e.Sub64(a, b)) },
		}),
		a64.VFMLA: fusedFP(fromVector, false), a64.VFMLS: fusedFP(fromVector, true),
		a64.VFMLAE: fusedFP(fromElement, false), a64.VFMLSE: fusedFP(fromElement, true),
		a64.VFMLAL: fusedLong(false, false, 0), a64.VFMLAL2: fusedLong(false, false, 1),
		a64.VFMLSL: fusedLong(false, true, 0), a64.VFMLSL2: fusedLong(false, true, 1),
		a64.VFMLALE: fusedLong(true, false, 0), a64.VFMLAL2E: fusedLong(true, false, 1),
		a64.VFMLSLE: fusedLong(true, true, 0), a64.VFMLSL2E: fusedLong(true, true, 1),
		a64.VFCADD: fcadd, a64.VFCMLA: fcmla(false), a64.VFCMLAE: fcmla(true),

		a64.VFCMEQ: vector2(fromVector, eq), a64.VFCMGE: vector2(fromVector, ge), a64.VFCMGT: vector2(fromVector, gt),
		a64.VFACGE: absolute(ge), a64.VFACGT: absolute(gt),
		a64.VFCMEQZ: withZero(eq, false), a64.VFCMGEZ: withZero(ge, false), a64.VFCMGTZ: withZero(gt, false),
		a64.VFCMLEZ: withZero(ge, true), a64.VFCMLTZ: withZero(gt, true),

		a64.VFADDP: pairwiseFP(fadd), a64.VFMAXP: pairwiseFP(maximum), a64.VFMINP: pairwiseFP(minimum),
		a64.VFMAXNMP: pairwiseFP(maxNum), a64.VFMINNMP: pairwiseFP(minNum),
		a64.VFADDPS: pairFP(fadd), a64.VFMAXPS: pairFP(maximum), a64.VFMINPS: pairFP(minimum),
		a64.VFMAXNMPS: pairFP(maxNum), a64.VFMINNMPS: pairFP(minNum),
		a64.VFMAXV: acrossFP(maximum), a64.VFMINV: acrossFP(minimum), a64.VFMAXNMV: acrossFP(maxNum), a64.VFMINNMV: acrossFP(minNum),

		a64.VFABS:    lanes1(func(a uint64, size uint8) uint64 { return a &^ tops[size&3] }),
		a64.VFNEG:    lanes1(func(a uint64, size uint8) uint64 { return a ^ tops[size&3] }),
		a64.VFSQRT:   vector1(unaryFP{(*env).Sqrt16, (*env).Sqrt32, (*env).Sqrt64}),
		a64.VFRECPE:  vector1(unaryFP{(*env).RecipEstimate16, (*env).RecipEstimate32, (*env).RecipEstimate64}),
		a64.VFRSQRTE: vector1(unaryFP{(*env).RSqrtEstimate16, (*env).RSqrtEstimate32, (*env).RSqrtEstimate64}),
		a64.VFRECPX:  vector1(unaryFP{(*env).RecipExponent16, (*env).RecipExponent32, (*env).RecipExponent64}),
		a64.VURECPE:  estimateU(softfloat.RecipEstimateU32), a64.VURSQRTE: estimateU(softfloat.RSqrtEstimateU32),

		a64.VFRINTN: rint(always(even), false), a64.VFRINTP: rint(always(up), false), a64.VFRINTM: rint(always(down), false),
		a64.VFRINTZ: rint(always(zero), false), a64.VFRINTA: rint(always(away), false),
		a64.VFRINTX: rint(current, true), a64.VFRINTI: rint(current, false),
		a64.VFRINT32Z: rintN(always(zero), 32), a64.VFRINT32X: rintN(current, 32),
		a64.VFRINT64Z: rintN(always(zero), 64), a64.VFRINT64X: rintN(current, 64),

		a64.VFCVTNS: toInteger(false, even), a64.VFCVTNU: toInteger(true, even),
		a64.VFCVTPS: toInteger(false, up), a64.VFCVTPU: toInteger(true, up),
		a64.VFCVTMS: toInteger(false, down), a64.VFCVTMU: toInteger(true, down),
		a64.VFCVTZS: toInteger(false, zero), a64.VFCVTZU: toInteger(true, zero),
		a64.VFCVTAS: toInteger(false, away), a64.VFCVTAU: toInteger(true, away),
		a64.VSCVTF: fromInteger(false), a64.VUCVTF: fromInteger(true),
		a64.VFCVTL: fcvtl, a64.VFCVTN: fcvtn, a64.VFCVTXN: fcvtxn,
	}
}
