package fpsimd

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/softfloat"
)

// FEAT_BF16.

// dotBF makes BFDOT: a pair of products is added to each lane.
func dotBF(byElement bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
		if byElement {
			m = fromElement(r, in)
		}
		var out vector
		for bit := uint(0); bit < uint(in.Opt)*8; bit += 32 {
			i, shift := bit>>6&1, bit&63
			out[i] |= uint64(softfloat.DotBF(uint32(d[i]>>shift), uint32(n[i]>>shift), uint32(m[i]>>shift))) << shift
		}
		*d = out
	}
}

// bfmmla multiplies 2 by 4 numbers by 4 by 2, as matrix does with bytes.
func bfmmla(r *a64.Regs, in *a64.Inst) {
	d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
	for row := range n {
		for col := range m {
			sum := softfloat.DotBF(uint32(d[row]>>(32*col)), uint32(n[row]), uint32(m[col]))
			sum = softfloat.DotBF(sum, uint32(n[row]>>32), uint32(m[col]>>32))
			d[row] = d[row]&^(0xffffffff<<(32*col)) | uint64(sum)<<(32*col)
		}
	}
}

// fusedBF makes BFMLALB, or BFMLALT of the odd lanes.
func fusedBF(byElement bool, odd uint) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
		if byElement {
			v := replicate(element(&m, 1, in.Imm), 1)
			m = vector{v, v}
		}
		for bit := uint(0); bit < 128; bit += 32 {
			i, shift := bit>>6&1, bit&63
			from := shift + 16*odd
			sum := r.MulAddBF(uint32(d[i]>>shift), uint16(n[i]>>from), uint16(m[i]>>from))
			d[i] = d[i]&^(0xffffffff<<shift) | uint64(sum)<<shift
		}
	}
}

func bfcvtn(r *a64.Regs, in *a64.Inst) {
	n := r.V[in.Rn&31]
	var out uint64
	for i := range 4 {
		out |= uint64(r.Cvt32toBF16(uint32(n[i>>1]>>(i&1*32)))) << (i * 16)
	}
	setNarrow(r, in, out)
}

func bfloatOps() map[a64.Op]operation {
	return map[a64.Op]operation{
		a64.VBFDOT: dotBF(false), a64.VBFDOTE: dotBF(true), a64.VBFMMLA: bfmmla,
		a64.VBFMLALB: fusedBF(false, 0), a64.VBFMLALT: fusedBF(false, 1), a64.VBFMLALBE: fusedBF(true, 0), a64.VBFMLALTE: fusedBF(true, 1),
		a64.VBFCVTN: bfcvtn,
		a64.BFCVT:   func(r *a64.Regs, in *a64.Inst) { setH(r, in, r.Cvt32toBF16(uint32(r.V[in.Rn&31][0]))) },
	}
}
