package fpsimd

import (
	"math"
	"math/bits"

	"gatehouse/platform/a64"
)

// multiplier is the second source: Rm, or copies of its lane Imm for the by-element forms.
type multiplier func(r *a64.Regs, in *a64.Inst) vector

func fromVector(r *a64.Regs, in *a64.Inst) vector { return r.V[in.Rm&31] }

func fromElement(r *a64.Regs, in *a64.Inst) vector {
	v := replicate(element(&r.V[in.Rm&31], in.Size, in.Imm), in.Size)
	return vector{v, v}
}

// mul multiplies lane by lane.
func mul(a, b uint64, size uint8) uint64 {
	var v uint64
	switch size {
	case 0:
		for i := 0; i < 64; i += 8 {
			v |= uint64(uint8(a>>i)*uint8(b>>i)) << i
		}
	case 1:
		for i := 0; i < 64; i += 16 {
			v |= uint64(uint16(a>>i)*uint16(b>>i)) << i
		}
	default:
		v = uint64(uint32(a)*uint32(b)) | a>>32*(b>>32)<<32
	}
	return v
}

func mla(a, b, d uint64, size uint8) uint64 { return add(d, mul(a, b, size), size) }
func mls(a, b, d uint64, size uint8) uint64 { return sub(d, mul(a, b, size), size) }

func product(_, b uint64, _ uint8) uint64 { return b }

// mulLong makes a multiplication whose lanes are twice as wide as those of the sources; combine joins destination and product.
func mulLong(from multiplier, signed bool, combine func(d, p uint64, size uint8) uint64) operation {
	extend := spread
	if signed {
		extend = spreadS
	}
	return func(r *a64.Regs, in *a64.Inst) {
		m := from(r, in)
		d, x, y := &r.V[in.Rd&31], source(&r.V[in.Rn&31], in), source(&m, in)
		var lo, hi uint64
		if in.Size == 2 {
			if signed {
				lo, hi = uint64(int64(int32(x))*int64(int32(y))), uint64(int64(x)>>32*(int64(y)>>32))
			} else {
				lo, hi = x&math.MaxUint32*(y&math.MaxUint32), x>>32*(y>>32)
			}
		} else {
			// The product modulo twice the width is exact for extended operands.
			size := in.Size + 1
			lo = mul(extend(x, in.Size), extend(y, in.Size), size)
			hi = mul(extend(x>>32, in.Size), extend(y>>32, in.Size), size)
		}
		*d = vector{combine(d[0], lo, in.Size+1), combine(d[1], hi, in.Size+1)}
	}
}

func multiply(from multiplier) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := r.V[in.Rn&31], from(r, in)
		lo, hi := mul(n[0], m[0], in.Size), uint64(0)
		if in.Opt == 16 {
			hi = mul(n[1], m[1], in.Size)
		}
		r.V[in.Rd&31] = vector{lo, hi}
	}
}

func multiplyAdd(from multiplier, f func(a, b, d uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], from(r, in)
		lo, hi := f(n[0], m[0], d[0], in.Size), uint64(0)
		if in.Opt == 16 {
			hi = f(n[1], m[1], d[1], in.Size)
		}
		*d = vector{lo, hi}
	}
}

// doubling makes an instruction that keeps the high half of twice the product, saturated: f gets the sign-extended lanes of the
// sources and the destination and gives half of the sum before the shift by w-1, with which everything fits 64 bits.
func doubling(from multiplier, f func(a, b, d int64, w uint) int64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], from(r, in)
		w := width(in.Size)
		var out vector
		saturated := false
		for bit := uint(0); bit < uint(in.Opt)*8; bit += w {
			lane := func(v *vector) int64 { return int64(v[bit>>6&1]>>(bit&63)<<(64-w)) >> (64 - w) }
			v, sat := saturateLane(f(lane(&n), lane(&m), lane(d), w)>>(w-1), w, false)
			saturated = saturated || sat
			out[bit>>6&1] |= v & (1<<w - 1) << (bit & 63)
		}
		saturate(r, saturated)
		*d = out
	}
}

// doublingLong makes an instruction that takes twice the product, saturated, and joins it with the destination.
func doublingLong(from multiplier, combine func(d, p uint64, size uint8) (uint64, uint64)) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		m := from(r, in)
		d, x, y := &r.V[in.Rd&31], source(&r.V[in.Rn&31], in), source(&m, in)
		w := width(in.Size)
		keepLo, keepHi := keep(in.Opt * 2) // of the destination
		if in.Opt >= 8 {
			keepLo, keepHi = keep(16)
		} else {
			x &= 1<<w - 1
		}
		var p vector
		saturated := false
		for i := uint(0); i < 64/w; i++ {
			a, b := int64(x>>(i*w)<<(64-w))>>(64-w), int64(y>>(i*w)<<(64-w))>>(64-w)
			v := a * b
			if least := int64(-1) << (w - 1); a == least && b == least {
				saturated = true
				v = math.MaxInt64 >> (64 - 2*w)
			} else {
				v *= 2
			}
			bit := i * 2 * w
			p[bit>>6&1] |= uint64(v) & (^uint64(0) >> (64 - 2*w)) << (bit & 63)
		}
		lo, satLo := combine(d[0]&keepLo, p[0], in.Size+1)
		hi, satHi := combine(d[1]&keepHi, p[1], in.Size+1)
		saturate(r, saturated || satLo|satHi != 0)
		*d = vector{lo & keepLo, hi & keepHi}
	}
}

// pmul is the polynomial product modulo 2^8, byte by byte.
func pmul(a, b uint64, _ uint8) uint64 {
	var v uint64
	for range 8 {
		v ^= a & (b & ones[0] * 0xff)
		a = a << 1 & 0xfefefefefefefefe
		b = b >> 1 & 0x7f7f7f7f7f7f7f7f
	}
	return v
}

// pmull16 is the polynomial product of lanes of 16 bits whose upper halves are zero.
func pmull16(a, b uint64) uint64 {
	var v uint64
	for i := range 8 {
		v ^= a << i & (b >> i & ones[1] * 0xffff)
	}
	return v
}

// pmull64 is the polynomial product of 64 by 64 bits.
func pmull64(a, b uint64) vector {
	lo := clmul(a, b)
	// The upper half is the lower half of the product of the reversed operands, reversed.
	hi := bits.Reverse64(clmul(bits.Reverse64(a), bits.Reverse64(b))) >> 1
	return vector{lo, hi}
}

// clmul is the low half of a polynomial product. Only every fourth bit of an operand takes part in a multiplication: a bit of the
// product then counts at most 15 partial products (16 for the highest), and the carries stay in the gaps.
func clmul(a, b uint64) uint64 {
	const every = 0x1111111111111111
	var x, y [4]uint64
	for i := range 4 {
		x[i], y[i] = a&(every<<i), b&(every<<i)
	}
	var v uint64
	for i := range 4 {
		var s uint64
		for j := range 4 {
			s ^= x[j] * y[(i-j)&3]
		}
		v |= s & (every << i)
	}
	return v
}

func vpmull(r *a64.Regs, in *a64.Inst) {
	x, y := source(&r.V[in.Rn&31], in), source(&r.V[in.Rm&31], in)
	if in.Size == 3 {
		r.V[in.Rd&31] = pmull64(x, y)
		return
	}
	r.V[in.Rd&31] = vector{pmull16(spread(x, 0), spread(y, 0)), pmull16(spread(x>>32, 0), spread(y>>32, 0))}
}

// factor is a byte of a lane, sign-extended or not.
func factor(v uint64, signed bool) int32 {
	if signed {
		return int32(int8(v))
	}
	return int32(uint8(v))
}

// dot makes a dot product: the four products of bytes of each lane are added to the destination.
func dot(signedN, signedM, byElement bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
		if byElement {
			m = fromElement(r, in)
		}
		var out vector
		for bit := uint(0); bit < uint(in.Opt)*8; bit += 32 {
			sum := uint32(d[bit>>6&1] >> (bit & 63))
			for i := uint(0); i < 32; i += 8 {
				a, b := n[bit>>6&1]>>(bit&63+i), m[bit>>6&1]>>(bit&63+i)
				sum += uint32(factor(a, signedN) * factor(b, signedM))
			}
			out[bit>>6&1] |= uint64(sum) << (bit & 63)
		}
		*d = out
	}
}

// matrix multiplies 2 by 8 bytes, the halves of Rn being the rows, by 8 by 2, the halves of Rm being the columns, and adds the products
// to the four lanes of the destination.
func matrix(signedN, signedM bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
		for row := range n {
			for col := range m {
				sum := uint32(d[row] >> (32 * col))
				for i := 0; i < 64; i += 8 {
					sum += uint32(factor(n[row]>>i, signedN) * factor(m[col]>>i, signedM))
				}
				d[row] = d[row]&^(0xffffffff<<(32*col)) | uint64(sum)<<(32*col)
			}
		}
	}
}

func multiplyOps() map[a64.Op]operation {
	sqdmulh := func(a, b, _ int64, _ uint) int64 { return a * b }
	sqrdmulh := func(a, b, _ int64, w uint) int64 { return a*b + 1<<(w-2) }
	sqrdmlah := func(a, b, d int64, w uint) int64 { return d<<(w-1) + a*b + 1<<(w-2) }
	sqrdmlsh := func(a, b, d int64, w uint) int64 { return d<<(w-1) - a*b + 1<<(w-2) }
	alone := func(_, p uint64, _ uint8) (uint64, uint64) { return p, 0 }
	return map[a64.Op]operation{
		a64.VMUL: multiply(fromVector), a64.VMLA: multiplyAdd(fromVector, mla), a64.VMLS: multiplyAdd(fromVector, mls),
		a64.VMULE: multiply(fromElement), a64.VMLAE: multiplyAdd(fromElement, mla), a64.VMLSE: multiplyAdd(fromElement, mls),
		a64.VPMUL: lanes2(pmul), a64.VPMULL: vpmull,

		a64.VSMULL: mulLong(fromVector, true, product), a64.VUMULL: mulLong(fromVector, false, product),
		a64.VSMLAL: mulLong(fromVector, true, add), a64.VUMLAL: mulLong(fromVector, false, add),
		a64.VSMLSL: mulLong(fromVector, true, sub), a64.VUMLSL: mulLong(fromVector, false, sub),
		a64.VSMULLE: mulLong(fromElement, true, product), a64.VUMULLE: mulLong(fromElement, false, product),
		a64.VSMLALE: mulLong(fromElement, true, add), a64.VUMLALE: mulLong(fromElement, false, add),
		a64.VSMLSLE: mulLong(fromElement, true, sub), a64.VUMLSLE: mulLong(fromElement, false, sub),

		a64.VSQDMULH: doubling(fromVector, sqdmulh), a64.VSQDMULHE: doubling(fromElement, sqdmulh),
		a64.VSQRDMULH: doubling(fromVector, sqrdmulh), a64.VSQRDMULHE: doubling(fromElement, sqrdmulh),
		a64.VSQRDMLAH: doubling(fromVector, sqrdmlah), a64.VSQRDMLAHE: doubling(fromElement, sqrdmlah),
		a64.VSQRDMLSH: doubling(fromVector, sqrdmlsh), a64.VSQRDMLSHE: doubling(fromElement, sqrdmlsh),

		a64.VSQDMULL: doublingLong(fromVector, alone), a64.VSQDMULLE: doublingLong(fromElement, alone),
		a64.VSQDMLAL: doublingLong(fromVector, sqadd), a64.VSQDMLALE: doublingLong(fromElement, sqadd),
		a64.VSQDMLSL: doublingLong(fromVector, sqsub), a64.VSQDMLSLE: doublingLong(fromElement, sqsub),

		a64.VSDOT: dot(true, true, false), a64.VUDOT: dot(false, false, false), a64.VUSDOT: dot(false, true, false),
		a64.VSDOTE: dot(true, true, true), a64.VUDOTE: dot(false, false, true), a64.VUSDOTE: dot(false, true, true), a64.VSUDOTE: dot(true, false, true),
		a64.VSMMLA: matrix(true, true), a64.VUMMLA: matrix(false, false), a64.VUSMMLA: matrix(false, true),
	}
}
