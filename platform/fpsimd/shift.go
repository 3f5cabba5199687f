package fpsimd

import "gatehouse/platform/a64"

// Shifts by immediate without saturation work on all lanes at once. The mask in Imm is that of the bits that the shifted value
// can occupy.

func vshl(r *a64.Regs, in *a64.Inst) {
	n := &r.V[in.Rn&31]
	r.V[in.Rd&31] = vector{n[0] << in.Ra & in.Imm, n[1] << in.Ra & in.Imm & upper(in.Opt)}
}

func vushr(r *a64.Regs, in *a64.Inst) {
	n := &r.V[in.Rn&31]
	r.V[in.Rd&31] = vector{n[0] >> in.Ra & in.Imm, n[1] >> in.Ra & in.Imm & upper(in.Opt)}
}

func vsli(r *a64.Regs, in *a64.Inst) {
	d, n := &r.V[in.Rd&31], &r.V[in.Rn&31]
	*d = vector{choose(in.Imm, n[0]<<in.Ra, d[0]), choose(in.Imm, n[1]<<in.Ra, d[1]) & upper(in.Opt)}
}

func vsri(r *a64.Regs, in *a64.Inst) {
	d, n := &r.V[in.Rd&31], &r.V[in.Rn&31]
	*d = vector{choose(in.Imm, n[0]>>in.Ra, d[0]), choose(in.Imm, n[1]>>in.Ra, d[1]) & upper(in.Opt)}
}

// shiftRight makes a shift right, with rounding, and with addition to the destination.
func shiftRight(f func(a uint64, size uint8, n uint) uint64, round, accumulate bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, amount := &r.V[in.Rd&31], r.V[in.Rn&31], uint(in.Ra)
		var out vector
		for i, v := range n {
			out[i] = f(v, in.Size, amount)
			if round {
				out[i] = add(out[i], roundBit(v, in.Size, amount), in.Size)
			}
			if accumulate {
				out[i] = add(out[i], d[i], in.Size)
			}
		}
		*d = vector{out[0], out[1] & upper(in.Opt)}
	}
}

// shiftNarrow makes a shift right that keeps the low half of each lane.
func shiftNarrow(round bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, size, amount := &r.V[in.Rn&31], in.Size+1, uint(in.Ra)
		lo, hi := n[0]>>amount, n[1]>>amount // what comes from the lane above is dropped
		if round {
			lo, hi = add(lo, roundBit(n[0], size, amount), size), add(hi, roundBit(n[1], size, amount), size)
		}
		setNarrow(r, in, pack2(lo, hi, in.Size))
	}
}

// shiftLong makes a shift left of widened lanes.
func shiftLong(extend func(a uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, size := source(&r.V[in.Rn&31], in), in.Size+1
		r.V[in.Rd&31] = vector{shl(extend(n, in.Size), size, uint(in.Ra)), shl(extend(n>>32, in.Size), size, uint(in.Ra))}
	}
}

// The other shifts go lane by lane. A positive amount shifts left. The second result tells whether the value was saturated. w is
// the width of the lane, u its value zero-extended, s sign-extended.

// right shifts right by n, which is positive, with or without rounding.
func right(s int64, n uint, round bool) int64 {
	switch {
	case !round:
		return s >> n // the sign for large n
	case n > 64:
		return 0
	}
	return s>>n + s>>(n-1)&1
}

func rightU(u uint64, n uint, round bool) uint64 {
	switch {
	case !round:
		return u >> n
	case n > 64:
		return 0
	}
	return u>>n + u>>(n-1)&1
}

// leftS and leftU shift left with saturation.

func leftS(s int64, n, w uint) (uint64, bool) {
	v := s << n
	if s != 0 && (n >= w || v<<(64-w)>>(64-w)>>n != s) {
		if s < 0 {
			return 1 << (w - 1), true
		}
		return 1<<(w-1) - 1, true
	}
	return uint64(v), false
}

func leftU(u uint64, n, w uint) (uint64, bool) {
	if u != 0 && (n >= w || u>>(w-n) != 0) {
		return ^uint64(0) >> (64 - w), true
	}
	return u << n, false
}

// shiftKind is one of the shifts by register.
type shiftKind struct{ unsigned, round, saturating bool }

func (k shiftKind) lane(u uint64, amount int8, w uint) (uint64, bool) {
	s := int64(u<<(64-w)) >> (64 - w)
	switch {
	case amount < 0 && k.unsigned:
		return rightU(u, uint(-int(amount)), k.round), false
	case amount < 0:
		return uint64(right(s, uint(-int(amount)), k.round)), false
	case !k.saturating:
		return u << uint(amount), false
	case k.unsigned:
		return leftU(u, uint(amount), w)
	}
	return leftS(s, uint(amount), w)
}

// shiftRegister makes a shift of each lane by the low byte, signed, of the same lane of Rm.
func shiftRegister(k shiftKind) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := r.V[in.Rn&31], r.V[in.Rm&31]
		w := width(in.Size)
		mask := ^uint64(0) >> (64 - w)
		var out vector
		saturated := false
		for bit := uint(0); bit < uint(in.Opt)*8; bit += w {
			v, sat := k.lane(n[bit>>6&1]>>(bit&63)&mask, int8(m[bit>>6&1]>>(bit&63)), w)
			saturated = saturated || sat
			out[bit>>6&1] |= v & mask << (bit & 63)
		}
		saturate(r, saturated)
		r.V[in.Rd&31] = out
	}
}

// shiftSaturating makes a shift left by the immediate in Ra.
func shiftSaturating(f func(s int64, u uint64, n, w uint) (uint64, bool)) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := r.V[in.Rn&31]
		w := width(in.Size)
		mask := ^uint64(0) >> (64 - w)
		var out vector
		saturated := false
		for bit := uint(0); bit < uint(in.Opt)*8; bit += w {
			u := n[bit>>6&1] >> (bit & 63) & mask
			v, sat := f(int64(u<<(64-w))>>(64-w), u, uint(in.Ra), w)
			saturated = saturated || sat
			out[bit>>6&1] |= v & mask << (bit & 63)
		}
		saturate(r, saturated)
		r.V[in.Rd&31] = out
	}
}

func shiftOps() map[a64.Op]operation {
	// narrowed makes a shift right that narrows with saturation.
	narrowed := func(round, unsigned, toUnsigned bool) operation {
		return narrowing(func(in *a64.Inst, s int64, u uint64, w uint) (uint64, bool) {
			if unsigned {
				return saturateLaneU(rightU(u, uint(in.Ra), round), w)
			}
			return saturateLane(right(s, uint(in.Ra), round), w, toUnsigned)
		})
	}
	return map[a64.Op]operation{
		a64.VSHL: vshl, a64.VUSHR: vushr, a64.VSLI: vsli, a64.VSRI: vsri,
		a64.VSSHR: shiftRight(sar, false, false), a64.VUSRA: shiftRight(shr, false, true), a64.VSSRA: shiftRight(sar, false, true),
		a64.VURSHR: shiftRight(shr, true, false), a64.VSRSHR: shiftRight(sar, true, false),
		a64.VURSRA: shiftRight(shr, true, true), a64.VSRSRA: shiftRight(sar, true, true),
		a64.VSHRN: shiftNarrow(false), a64.VRSHRN: shiftNarrow(true),
		a64.VSSHLL: shiftLong(spreadS), a64.VUSHLL: shiftLong(spread), a64.VSHLL: shiftLong(spread),

		a64.VSSHL: shiftRegister(shiftKind{}), a64.VUSHL: shiftRegister(shiftKind{unsigned: true}),
		a64.VSRSHL: shiftRegister(shiftKind{round: true}), a64.VURSHL: shiftRegister(shiftKind{unsigned: true, round: true}),
		a64.VSQSHL: shiftRegister(shiftKind{saturating: true}), a64.VUQSHL: shiftRegister(shiftKind{unsigned: true, saturating: true}),
		a64.VSQRSHL: shiftRegister(shiftKind{round: true, saturating: true}),
		a64.VUQRSHL: shiftRegister(shiftKind{unsigned: true, round: true, saturating: true}),

		a64.VSQSHLI: shiftSaturating(func(s int64, _ uint64, n, w uint) (uint64, bool) { return leftS(s, n, w) }),
		a64.VUQSHLI: shiftSaturating(func(_ int64, u uint64, n, w uint) (uint64, bool) { return leftU(u, n, w) }),
		a64.VSQSHLU: shiftSaturating(func(s int64, u uint64, n, w uint) (uint64, bool) {
			if s < 0 {
				return 0, true
			}
			return leftU(u, n, w)
		}),

		a64.VSQSHRN: narrowed(false, false, false), a64.VSQRSHRN: narrowed(true, false, false),
		a64.VUQSHRN: narrowed(false, true, false), a64.VUQRSHRN: narrowed(true, true, false),
		a64.VSQSHRUN: narrowed(false, false, true), a64.VSQRSHRUN: narrowed(true, false, true),
	}
}
