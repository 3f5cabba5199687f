package fpsimd

import (
	"math/bits"

	"gatehouse/platform/a64"
	"gatehouse/platform/softfloat"
)

// saturate sets the cumulative saturation flag.
func saturate(r *a64.Regs, saturated bool) {
	if saturated {
		r.FPSR |= softfloat.QC
	}
}

// The most frequent operations do without a call through a function value.

func vadd(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	lo, hi := add(n[0], m[0], in.Size), add(n[1], m[1], in.Size)&upper(in.Opt)
	r.V[in.Rd&31] = vector{lo, hi}
}

func vsub(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	lo, hi := sub(n[0], m[0], in.Size), sub(n[1], m[1], in.Size)&upper(in.Opt)
	r.V[in.Rd&31] = vector{lo, hi}
}

func vcmeq(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	lo, hi := cmeq(n[0], m[0], in.Size), cmeq(n[1], m[1], in.Size)&upper(in.Opt)
	r.V[in.Rd&31] = vector{lo, hi}
}

func vcmeqz(r *a64.Regs, in *a64.Inst) {
	n := &r.V[in.Rn&31]
	lo, hi := ^nonzero(n[0], in.Size), ^nonzero(n[1], in.Size)&upper(in.Opt)
	r.V[in.Rd&31] = vector{lo, hi}
}

func vand(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	r.V[in.Rd&31] = vector{n[0] & m[0], n[1] & m[1] & upper(in.Opt)}
}

func vbic(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	r.V[in.Rd&31] = vector{n[0] &^ m[0], n[1] &^ m[1] & upper(in.Opt)}
}

func vorr(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	r.V[in.Rd&31] = vector{n[0] | m[0], (n[1] | m[1]) & upper(in.Opt)}
}

func vorn(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	r.V[in.Rd&31] = vector{n[0] | ^m[0], (n[1] | ^m[1]) & upper(in.Opt)}
}

func veor(r *a64.Regs, in *a64.Inst) {
	n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
	r.V[in.Rd&31] = vector{n[0] ^ m[0], (n[1] ^ m[1]) & upper(in.Opt)}
}

func vbsl(r *a64.Regs, in *a64.Inst) {
	d, n, m := &r.V[in.Rd&31], &r.V[in.Rn&31], &r.V[in.Rm&31]
	*d = vector{choose(d[0], n[0], m[0]), choose(d[1], n[1], m[1]) & upper(in.Opt)}
}

func vbit(r *a64.Regs, in *a64.Inst) {
	d, n, m := &r.V[in.Rd&31], &r.V[in.Rn&31], &r.V[in.Rm&31]
	*d = vector{choose(m[0], n[0], d[0]), choose(m[1], n[1], d[1]) & upper(in.Opt)}
}

func vbif(r *a64.Regs, in *a64.Inst) {
	d, n, m := &r.V[in.Rd&31], &r.V[in.Rn&31], &r.V[in.Rm&31]
	*d = vector{choose(m[0], d[0], n[0]), choose(m[1], d[1], n[1]) & upper(in.Opt)}
}

func vnot(r *a64.Regs, in *a64.Inst) {
	n := &r.V[in.Rn&31]
	r.V[in.Rd&31] = vector{^n[0], ^n[1] & upper(in.Opt)}
}

// Counting of leading bits, lane by lane.

func clz(a uint64, size uint8) uint64 {
	w := width(size)
	var v uint64
	for i := uint(0); i < 64; i += w {
		// The bit behind the lane bounds the count.
		v |= uint64(bits.LeadingZeros64(a>>i<<(64-w)|1<<(63-w))) << i
	}
	return v
}

// cls counts the bits after the sign that equal it.
func cls(a uint64, size uint8) uint64 {
	a ^= fill(a, size)
	return clz(a, size) - ones[size&3]
}

// Pairwise operations work on the even and the odd lanes of both sources.

func pairwise(f func(a, b uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := r.V[in.Rn&31], r.V[in.Rm&31]
		even, odd := unzip1(n, m, in), unzip2(n, m, in)
		lo, hi := f(even[0], odd[0], in.Size), uint64(0)
		if in.Opt == 16 {
			hi = f(even[1], odd[1], in.Size)
		}
		r.V[in.Rd&31] = vector{lo, hi}
	}
}

func addpD(r *a64.Regs, in *a64.Inst) {
	n := &r.V[in.Rn&31]
	setD(r, in, n[0]+n[1])
}

// addlpU and addlpS add neighbouring lanes into one of twice the size.
func addlpU(a uint64, size uint8) uint64 {
	w := width(size)
	even := ones[size+1&3] * (1<<w - 1)
	return a&even + a>>w&even
}

func addlpS(a uint64, size uint8) uint64 {
	w := width(size)
	return add(sar(a<<w, size+1, w), sar(a, size+1, w), size+1)
}

// Across lanes: the vector is folded until one lane is left. The lanes above it hold nothing of meaning.

func across(f func(a, b uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := &r.V[in.Rn&31]
		v := n[0]
		if in.Opt == 16 {
			v = f(v, n[1], in.Size)
		}
		for shift := uint(32); shift >= width(in.Size); shift /= 2 {
			v = f(v, v>>shift, in.Size)
		}
		setD(r, in, v&(1<<width(in.Size)-1))
	}
}

// acrossLong adds pairs first, so that lanes have the size of the result.
func acrossLong(pairs func(a uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := &r.V[in.Rn&31]
		size := in.Size + 1
		v := pairs(n[0], in.Size)
		if in.Opt == 16 {
			v = add(v, pairs(n[1], in.Size), size)
		}
		for shift := uint(32); shift >= width(size); shift /= 2 {
			v = add(v, v>>shift, size)
		}
		setD(r, in, v&(^uint64(0)>>(64-width(size))))
	}
}

// Widening. The sources are the low or the high half of a register.

func source(v *vector, in *a64.Inst) uint64 { return v[in.Opt>>4&1] }

// widen2 makes an operation from one on lanes of double size: f gets the widened sources.
func widen2(extend func(a uint64, size uint8) uint64, f func(a, b uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := source(&r.V[in.Rn&31], in), source(&r.V[in.Rm&31], in)
		r.V[in.Rd&31] = vector{
			f(extend(n, in.Size), extend(m, in.Size), in.Size+1),
			f(extend(n>>32, in.Size), extend(m>>32, in.Size), in.Size+1),
		}
	}
}

// widen3 is widen2 with the result added to the destination.
func widen3(extend func(a uint64, size uint8) uint64, f func(a, b uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], source(&r.V[in.Rn&31], in), source(&r.V[in.Rm&31], in)
		*d = vector{
			add(d[0], f(extend(n, in.Size), extend(m, in.Size), in.Size+1), in.Size+1),
			add(d[1], f(extend(n>>32, in.Size), extend(m>>32, in.Size), in.Size+1), in.Size+1),
		}
	}
}

// wide is widen2 for a first source that has lanes of double size already.
func wide(extend func(a uint64, size uint8) uint64, f func(a, b uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := &r.V[in.Rn&31], source(&r.V[in.Rm&31], in)
		r.V[in.Rd&31] = vector{
			f(n[0], extend(m, in.Size), in.Size+1),
			f(n[1], extend(m>>32, in.Size), in.Size+1),
		}
	}
}

// setNarrow writes the result of a narrowing operation: the low half of the register with the rest cleared, the high half with
// the rest kept, or a scalar.
func setNarrow(r *a64.Regs, in *a64.Inst, v uint64) {
	switch d := &r.V[in.Rd&31]; {
	case in.Opt == 16:
		d[1] = v
	case in.Opt == 8:
		*d = vector{v}
	default:
		*d = vector{v & (1<<(8*in.Opt) - 1)}
	}
}

// narrow2 makes an operation that keeps the high half of what f computes on lanes of double size.
func narrow2(f func(a, b uint64, size uint8) uint64, round bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
		size, w := in.Size+1, width(in.Size)
		lo, hi := f(n[0], m[0], size), f(n[1], m[1], size)
		if round {
			half := ones[size&3] << (w - 1)
			lo, hi = add(lo, half, size), add(hi, half, size)
		}
		setNarrow(r, in, pack2(lo>>w, hi>>w, in.Size))
	}
}

func xtn(r *a64.Regs, in *a64.Inst) {
	n := &r.V[in.Rn&31]
	setNarrow(r, in, pack2(n[0], n[1], in.Size))
}

// saturateLane brings a number into the range of w bits; the second result tells whether it was outside.
func saturateLane(v int64, w uint, unsigned bool) (uint64, bool) {
	least, most := int64(-1)<<(w-1), int64(1)<<(w-1)-1
	if unsigned {
		least, most = 0, int64(1)<<w-1
	}
	switch {
	case v < least:
		return uint64(least), true
	case v > most:
		return uint64(most), true
	}
	return uint64(v), false
}

// saturateLaneU is saturateLane for an unsigned number.
func saturateLaneU(v uint64, w uint) (uint64, bool) {
	if v>>w != 0 {
		return 1<<w - 1, true
	}
	return v, false
}

// narrowing makes a saturating operation that narrows lane by lane: f gets the sign-extended and the zero-extended value of a
// lane of double size.
func narrowing(f func(in *a64.Inst, s int64, u uint64, w uint) (uint64, bool)) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := r.V[in.Rn&31]
		w := width(in.Size)
		count := 64 / w
		if in.Opt < 8 {
			count = 1
		}
		var out uint64
		saturated := false
		for i := uint(0); i < count; i++ {
			bit := i * 2 * w
			x := n[bit>>6&1] >> (bit & 63) << (64 - 2*w)
			v, sat := f(in, int64(x)>>(64-2*w), x>>(64-2*w), w)
			saturated = saturated || sat
			out |= v & (1<<w - 1) << (i * w)
		}
		saturate(r, saturated)
		setNarrow(r, in, out)
	}
}

func integerOps() map[a64.Op]operation {
	return map[a64.Op]operation{
		a64.VADD: vadd, a64.VSUB: vsub, a64.VCMEQ: vcmeq, a64.VCMEQZ: vcmeqz,
		a64.VAND: vand, a64.VBIC: vbic, a64.VORR: vorr, a64.VORN: vorn, a64.VEOR: veor,
		a64.VBSL: vbsl, a64.VBIT: vbit, a64.VBIF: vbif, a64.VNOT: vnot,

		a64.VNEG: lanes1(neg), a64.VABS: lanes1(abs),
		a64.VCMGTZ: lanes1(func(a uint64, size uint8) uint64 { return cmgt(a, 0, size) }),
		a64.VCMGEZ: lanes1(func(a uint64, size uint8) uint64 { return ^fill(a, size) }),
		a64.VCMLEZ: lanes1(func(a uint64, size uint8) uint64 { return cmge(0, a, size) }),
		a64.VCMLTZ: lanes1(fill),
		a64.VCMGT:  lanes2(cmgt), a64.VCMGE: lanes2(cmge), a64.VCMHI: lanes2(cmhi), a64.VCMHS: lanes2(cmhs), a64.VCMTST: lanes2(cmtst),

		a64.VSHADD: lanes2(shadd), a64.VUHADD: lanes2(uhadd), a64.VSRHADD: lanes2(srhadd), a64.VURHADD: lanes2(urhadd),
		a64.VSHSUB: lanes2(shsub), a64.VUHSUB: lanes2(uhsub),
		a64.VSMAX: lanes2(maxS), a64.VUMAX: lanes2(maxU), a64.VSMIN: lanes2(minS), a64.VUMIN: lanes2(minU),
		a64.VSABD: lanes2(abdS), a64.VUABD: lanes2(abdU),
		a64.VSABA: lanes3(func(a, b, d uint64, size uint8) uint64 { return add(d, abdS(a, b, size), size) }),
		a64.VUABA: lanes3(func(a, b, d uint64, size uint8) uint64 { return add(d, abdU(a, b, size), size) }),

		a64.VSQADD: saturating2(sqadd), a64.VUQADD: saturating2(uqadd), a64.VSQSUB: saturating2(sqsub), a64.VUQSUB: saturating2(uqsub),
		a64.VSUQADD: accumulating(suqadd), a64.VUSQADD: accumulating(usqadd),
		a64.VSQABS: saturating1(sqabs), a64.VSQNEG: saturating1(sqneg),

		a64.VCNT: lanes1(func(a uint64, _ uint8) uint64 { return popcount(a) }), a64.VCLZ: lanes1(clz), a64.VCLS: lanes1(cls),
		a64.VRBIT:  lanes1(func(a uint64, _ uint8) uint64 { return reverseBits(a) }),
		a64.VREV16: lanes1(func(a uint64, size uint8) uint64 { return reverse(a, size, 1) }),
		a64.VREV32: lanes1(func(a uint64, size uint8) uint64 { return reverse(a, size, 2) }),
		a64.VREV64: lanes1(func(a uint64, size uint8) uint64 { return reverse(a, size, 3) }),

		a64.VADDP: pairwise(add), a64.VSMAXP: pairwise(maxS), a64.VUMAXP: pairwise(maxU),
		a64.VSMINP: pairwise(minS), a64.VUMINP: pairwise(minU), a64.VADDPD: addpD,
		a64.VSADDLP: lanes1(addlpS), a64.VUADDLP: lanes1(addlpU),
		a64.VSADALP: lanes3(func(a, _, d uint64, size uint8) uint64 { return add(d, addlpS(a, size), size+1) }),
		a64.VUADALP: lanes3(func(a, _, d uint64, size uint8) uint64 { return add(d, addlpU(a, size), size+1) }),

		a64.VADDV: across(add), a64.VSMAXV: across(maxS), a64.VUMAXV: across(maxU), a64.VSMINV: across(minS), a64.VUMINV: across(minU),
		a64.VSADDLV: acrossLong(addlpS), a64.VUADDLV: acrossLong(addlpU),

		a64.VSADDL: widen2(spreadS, add), a64.VUADDL: widen2(spread, add), a64.VSADDW: wide(spreadS, add), a64.VUADDW: wide(spread, add),
		a64.VSSUBL: widen2(spreadS, sub), a64.VUSUBL: widen2(spread, sub), a64.VSSUBW: wide(spreadS, sub), a64.VUSUBW: wide(spread, sub),
		a64.VSABDL: widen2(spreadS, abdS), a64.VUABDL: widen2(spread, abdU),
		a64.VSABAL: widen3(spreadS, abdS), a64.VUABAL: widen3(spread, abdU),

		a64.VADDHN: narrow2(add, false), a64.VSUBHN: narrow2(sub, false), a64.VRADDHN: narrow2(add, true), a64.VRSUBHN: narrow2(sub, true),
		a64.VXTN: xtn,
		a64.VSQXTN: narrowing(func(_ *a64.Inst, s int64, _ uint64, w uint) (uint64, bool) {
			return saturateLane(s, w, false)
		}),
		a64.VUQXTN: narrowing(func(_ *a64.Inst, _ int64, u uint64, w uint) (uint64, bool) {
			return saturateLaneU(u, w)
		}),
		a64.VSQXTUN: narrowing(func(_ *a64.Inst, s int64, _ uint64, w uint) (uint64, bool) {
			return saturateLane(s, w, true)
		}),
	}
}
