package fpsimd

import (
	"math/bits"

	"gatehouse/platform/a64"
)

// AES (FIPS 197). The state is 16 bytes, column by column.

// aesSbox and aesInverse are SubBytes and its inverse.
var aesSbox, aesInverse = aesTables()

// aesTables derives the tables from their definition: the inverse in GF(2^8) modulo x^8+x^4+x^3+x+1, and an affine map.
func aesTables() (sbox, inverse [256]uint8) {
	p, q := uint8(1), uint8(1)
	for {
		// p runs through the powers of the generator 3, q through those of its inverse.
		p ^= p<<1 ^ p>>7*0x1b
		q ^= q << 1
		q ^= q << 2
		q ^= q << 4
		q ^= q >> 7 * 0x09
		sbox[p] = q ^ bits.RotateLeft8(q, 1) ^ bits.RotateLeft8(q, 2) ^ bits.RotateLeft8(q, 3) ^ bits.RotateLeft8(q, 4) ^ 0x63
		if p == 1 {
			break
		}
	}
	sbox[0] = 0x63 // zero has no inverse
	for i, v := range sbox {
		inverse[v] = uint8(i)
	}
	return sbox, inverse
}

// substitute takes one byte of each of four columns, row 0 from a to row 3 from d, and replaces it by its entry of the table.
func substitute(table *[256]uint8, a, b, c, d uint32) uint32 {
	return uint32(table[uint8(a)]) | uint32(table[uint8(b>>8)])<<8 | uint32(table[uint8(c>>16)])<<16 | uint32(table[d>>24])<<24
}

// aese adds the key, rotates row i of the state by i columns and substitutes the bytes.
func aese(r *a64.Regs, in *a64.Inst) {
	d, n, t := &r.V[in.Rd&31], &r.V[in.Rn&31], &aesSbox
	lo, hi := d[0]^n[0], d[1]^n[1]
	a, b, c, e := uint32(lo), uint32(lo>>32), uint32(hi), uint32(hi>>32)
	*d = words{substitute(t, a, b, c, e), substitute(t, b, c, e, a), substitute(t, c, e, a, b), substitute(t, e, a, b, c)}.pack()
}

// aesd is aese with the inverse rotation and substitution.
func aesd(r *a64.Regs, in *a64.Inst) {
	d, n, t := &r.V[in.Rd&31], &r.V[in.Rn&31], &aesInverse
	lo, hi := d[0]^n[0], d[1]^n[1]
	a, b, c, e := uint32(lo), uint32(lo>>32), uint32(hi), uint32(hi>>32)
	*d = words{substitute(t, a, e, c, b), substitute(t, b, a, e, c), substitute(t, c, b, a, e), substitute(t, e, c, b, a)}.pack()
}

// aesDouble multiplies each byte by x.
func aesDouble(v uint64) uint64 { return v<<1&0xfefefefefefefefe ^ v>>7&ones[0]*0x1b }

// rotateColumns moves each column's bytes down by n rows.
func rotateColumns(v uint64, n int) uint64 {
	return uint64(bits.RotateLeft32(uint32(v), -8*n)) | uint64(bits.RotateLeft32(uint32(v>>32), -8*n))<<32
}

func mixColumns(v uint64) uint64 {
	next := rotateColumns(v, 1)
	return aesDouble(v) ^ aesDouble(next) ^ next ^ rotateColumns(v, 2) ^ rotateColumns(v, 3)
}

// unmixColumns uses that the inverse matrix is that of MixColumns times one with 5 and 4 in it.
func unmixColumns(v uint64) uint64 {
	opposite := v ^ rotateColumns(v, 2)
	return mixColumns(v ^ aesDouble(aesDouble(opposite)))
}

// words are the four lanes of 32 bits of a vector.
type words [4]uint32

func unpackWords(v vector) words {
	return words{uint32(v[0]), uint32(v[0] >> 32), uint32(v[1]), uint32(v[1] >> 32)}
}

func (w words) pack() vector {
	return vector{uint64(w[0]) | uint64(w[1])<<32, uint64(w[2]) | uint64(w[3])<<32}
}

// onWords makes an operation on destination, first and second source.
func onWords(f func(d, n, m words) words) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		r.V[in.Rd&31] = f(unpackWords(r.V[in.Rd&31]), unpackWords(r.V[in.Rn&31]), unpackWords(r.V[in.Rm&31])).pack()
	}
}

func rol(v uint32, n int) uint32 { return bits.RotateLeft32(v, n) }

func chooseWord(x, y, z uint32) uint32 { return (y^z)&x ^ z }
func majority(x, y, z uint32) uint32   { return x&y | (x|y)&z }
func parity(x, y, z uint32) uint32     { return x ^ y ^ z }

// SHA-1 (FIPS 180-4).

func sha1Hash(f func(x, y, z uint32) uint32) operation {
	return onWords(func(x, n, w words) words {
		y := n[0]
		for i := range w {
			y += rol(x[0], 5) + f(x[1], x[2], x[3]) + w[i]
			x, y = words{y, x[0], rol(x[1], 30), x[2]}, x[3]
		}
		return x
	})
}

func sha1su0(d, n, m words) words {
	return words{d[2] ^ d[0] ^ m[0], d[3] ^ d[1] ^ m[1], n[0] ^ d[2] ^ m[2], n[1] ^ d[3] ^ m[3]}
}

func sha1su1(d, n, _ words) words {
	t := words{d[0] ^ n[1], d[1] ^ n[2], d[2] ^ n[3], d[3]}
	return words{rol(t[0], 1), rol(t[1], 1), rol(t[2], 1), rol(t[3], 1) ^ rol(t[0], 2)}
}

// SHA-256.

func sha256Hash(x, y, w words) (words, words) {
	a, b, c, d := x[0], x[1], x[2], x[3]
	e, f, g, h := y[0], y[1], y[2], y[3]
	for _, wi := range w {
		t := h + (rol(e, -6) ^ rol(e, -11) ^ rol(e, -25)) + chooseWord(e, f, g) + wi
		u := t + (rol(a, -2) ^ rol(a, -13) ^ rol(a, -22)) + majority(a, b, c)
		a, b, c, d, e, f, g, h = u, a, b, c, d+t, e, f, g
	}
	return words{a, b, c, d}, words{e, f, g, h}
}

func sha256h(d, n, m words) words {
	x, _ := sha256Hash(d, n, m)
	return x
}

func sha256h2(d, n, m words) words {
	_, y := sha256Hash(n, d, m)
	return y
}

func sha256su0(d, n, _ words) words {
	t := words{d[1], d[2], d[3], n[0]}
	for i, v := range t {
		d[i] += rol(v, -7) ^ rol(v, -18) ^ v>>3
	}
	return d
}

func sha256su1(d, n, m words) words {
	sigma := func(v uint32) uint32 { return rol(v, -17) ^ rol(v, -19) ^ v>>10 }
	d[0] += sigma(m[2]) + n[1]
	d[1] += sigma(m[3]) + n[2]
	d[2] += sigma(d[0]) + n[3]
	d[3] += sigma(d[1]) + m[0]
	return d
}

// SHA-512.

func ror64(v uint64, n int) uint64 { return bits.RotateLeft64(v, -n) }

func sha512h(r *a64.Regs, in *a64.Inst) {
	w, x, y := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
	sigma := func(v uint64) uint64 { return ror64(v, 14) ^ ror64(v, 18) ^ ror64(v, 41) }
	hi := w[1] + sigma(y[1]) + choose(y[1], x[0], x[1])
	t := hi + y[0]
	*w = vector{w[0] + sigma(t) + choose(t, y[1], x[0]), hi}
}

func sha512h2(r *a64.Regs, in *a64.Inst) {
	w, x, y := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
	sigma := func(v uint64) uint64 { return ror64(v, 28) ^ ror64(v, 34) ^ ror64(v, 39) }
	most := func(a, b, c uint64) uint64 { return a&b | (a|b)&c }
	hi := w[1] + sigma(y[0]) + most(x[0], y[1], y[0])
	*w = vector{w[0] + sigma(hi) + most(hi, y[0], y[1]), hi}
}

func sha512su0(r *a64.Regs, in *a64.Inst) {
	w, x := &r.V[in.Rd&31], r.V[in.Rn&31]
	sigma := func(v uint64) uint64 { return ror64(v, 1) ^ ror64(v, 8) ^ v>>7 }
	*w = vector{w[0] + sigma(w[1]), w[1] + sigma(x[0])}
}

func sha512su1(r *a64.Regs, in *a64.Inst) {
	w, x, y := &r.V[in.Rd&31], r.V[in.Rn&31], r.V[in.Rm&31]
	sigma := func(v uint64) uint64 { return ror64(v, 19) ^ ror64(v, 61) ^ v>>6 }
	*w = vector{w[0] + sigma(x[0]) + y[0], w[1] + sigma(x[1]) + y[1]}
}

// SHA-3 (FIPS 202) takes a third source.

func onThree(f func(in *a64.Inst, n, m, a uint64) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m, a := &r.V[in.Rn&31], &r.V[in.Rm&31], &r.V[in.Ra&31]
		r.V[in.Rd&31] = vector{f(in, n[0], m[0], a[0]), f(in, n[1], m[1], a[1])}
	}
}

// SM3 (GB/T 32905).

func sm3ss1(r *a64.Regs, in *a64.Inst) {
	n, m, a := uint32(r.V[in.Rn&31][1]>>32), uint32(r.V[in.Rm&31][1]>>32), uint32(r.V[in.Ra&31][1]>>32)
	r.V[in.Rd&31] = words{3: rol(rol(n, 12)+m+a, 7)}.pack()
}

func sm3tt1(f func(x, y, z uint32) uint32) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, w := unpackWords(r.V[in.Rd&31]), uint32(r.V[in.Rn&31][1]>>32), uint32(element(&r.V[in.Rm&31], 2, in.Imm))
		t := f(d[3], d[2], d[1]) + d[0] + (n ^ rol(d[3], 12)) + w
		r.V[in.Rd&31] = words{d[1], rol(d[2], 9), d[3], t}.pack()
	}
}

func sm3tt2(f func(x, y, z uint32) uint32) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, w := unpackWords(r.V[in.Rd&31]), uint32(r.V[in.Rn&31][1]>>32), uint32(element(&r.V[in.Rm&31], 2, in.Imm))
		t := f(d[3], d[2], d[1]) + d[0] + n + w
		r.V[in.Rd&31] = words{d[1], rol(d[2], 19), d[3], t ^ rol(t, 9) ^ rol(t, 17)}.pack()
	}
}

// sm3p1 is the permutation P1.
func sm3p1(v uint32) uint32 { return v ^ rol(v, 15) ^ rol(v, 23) }

func sm3partw1(d, n, m words) words {
	v := words{d[0] ^ n[0] ^ rol(m[1], 15), d[1] ^ n[1] ^ rol(m[2], 15), d[2] ^ n[2] ^ rol(m[3], 15), d[3] ^ n[3]}
	for i := range v {
		if i == 3 {
			v[3] ^= rol(v[0], 15)
		}
		v[i] = sm3p1(v[i])
	}
	return v
}

func sm3partw2(d, n, m words) words {
	t := n[0] ^ rol(m[0], 7)
	for i := range d {
		d[i] ^= n[i] ^ rol(m[i], 7)
	}
	d[3] ^= sm3p1(rol(t, 15))
	return d
}

// SM4 (GB/T 32907).

var sm4Sbox = [256]uint8{
	0xd6, 0x90, 0xe9, 0xfe, 0xcc, 0xe1, 0x3d, 0xb7, 0x16, 0xb6, 0x14, 0xc2, 0x28, 0xfb, 0x2c, 0x05,
	0x2b, 0x67, 0x9a, 0x76, 0x2a, 0xbe, 0x04, 0xc3, 0xaa, 0x44, 0x13, 0x26, 0x49, 0x86, 0x06, 0x99,
	0x9c, 0x42, 0x50, 0xf4, 0x91, 0xef, 0x98, 0x7a, 0x33, 0x54, 0x0b, 0x43, 0xed, 0xcf, 0xac, 0x62,
	0xe4, 0xb3, 0x1c, 0xa9, 0xc9, 0x08, 0xe8, 0x95, 0x80, 0xdf, 0x94, 0xfa, 0x75, 0x8f, 0x3f, 0xa6,
	0x47, 0x07, 0xa7, 0xfc, 0xf3, 0x73, 0x17, 0xba, 0x83, 0x59, 0x3c, 0x19, 0xe6, 0x85, 0x4f, 0xa8,
	0x68, 0x6b, 0x81, 0xb2, 0x71, 0x64, 0xda, 0x8b, 0xf8, 0xeb, 0x0f, 0x4b, 0x70, 0x56, 0x9d, 0x35,
	0x1e, 0x24, 0x0e, 0x5e, 0x63, 0x58, 0xd1, 0xa2, 0x25, 0x22, 0x7c, 0x3b, 0x01, 0x21, 0x78, 0x87,
	0xd4, 0x00, 0x46, 0x57, 0x9f, 0xd3, 0x27, 0x52, 0x4c, 0x36, 0x02, 0xe7, 0xa0, 0xc4, 0xc8, 0x9e,
	0xea, 0xbf, 0x8a, 0xd2, 0x40, 0xc7, 0x38, 0xb5, 0xa3, 0xf7, 0xf2, 0xce, 0xf9, 0x61, 0x15, 0xa1,
	0xe0, 0xae, 0x5d, 0xa4, 0x9b, 0x34, 0x1a, 0x55, 0xad, 0x93, 0x32, 0x30, 0xf5, 0x8c, 0xb1, 0xe3,
	0x1d, 0xf6, 0xe2, 0x2e, 0x82, 0x66, 0xca, 0x60, 0xc0, 0x29, 0x23, 0xab, 0x0d, 0x53, 0x4e, 0x6f,
	0xd5, 0xdb, 0x37, 0x45, 0xde, 0xfd, 0x8e, 0x2f, 0x03, 0xff, 0x6a, 0x72, 0x6d, 0x6c, 0x5b, 0x51,
	0x8d, 0x1b, 0xaf, 0x92, 0xbb, 0xdd, 0xbc, 0x7f, 0x11, 0xd9, 0x5c, 0x41, 0x1f, 0x10, 0x5a, 0xd8,
	0x0a, 0xc1, 0x31, 0x88, 0xa5, 0xcd, 0x7b, 0xbd, 0x2d, 0x74, 0xd0, 0x12, 0xb8, 0xe5, 0xb4, 0xb0,
	0x89, 0x69, 0x97, 0x4a, 0x0c, 0x96, 0x77, 0x7e, 0x65, 0xb9, 0xf1, 0x09, 0xc5, 0x6e, 0xc6, 0x84,
	0x18, 0xf0, 0x7d, 0xec, 0x3a, 0xdc, 0x4d, 0x20, 0x79, 0xee, 0x5f, 0x3e, 0xd7, 0xcb, 0x39, 0x48,
}

// sm4Rounds applies four rounds with the linear transformation l.
func sm4Rounds(state, keys words, l func(uint32) uint32) words {
	for _, key := range keys {
		v := state[1] ^ state[2] ^ state[3] ^ key
		v = state[0] ^ l(substitute(&sm4Sbox, v, v, v, v))
		state = words{state[1], state[2], state[3], v}
	}
	return state
}

func sm4e(d, n, _ words) words {
	return sm4Rounds(d, n, func(v uint32) uint32 { return v ^ rol(v, 2) ^ rol(v, 10) ^ rol(v, 18) ^ rol(v, 24) })
}

func sm4ekey(_, n, m words) words {
	return sm4Rounds(n, m, func(v uint32) uint32 { return v ^ rol(v, 13) ^ rol(v, 23) })
}

func cryptoOps() map[a64.Op]operation {
	first := func(f func(n uint64) uint64) operation {
		return onThree(func(_ *a64.Inst, n, _, _ uint64) uint64 { return f(n) })
	}
	return map[a64.Op]operation{
		a64.VAESE: aese, a64.VAESD: aesd,
		a64.VAESMC: first(mixColumns), a64.VAESIMC: first(unmixColumns),

		a64.VSHA1C: sha1Hash(chooseWord), a64.VSHA1P: sha1Hash(parity), a64.VSHA1M: sha1Hash(majority),
		a64.VSHA1SU0: onWords(sha1su0), a64.VSHA1SU1: onWords(sha1su1),
		a64.VSHA1H:   func(r *a64.Regs, in *a64.Inst) { setS(r, in, rol(uint32(r.V[in.Rn&31][0]), 30)) },
		a64.VSHA256H: onWords(sha256h), a64.VSHA256H2: onWords(sha256h2),
		a64.VSHA256SU0: onWords(sha256su0), a64.VSHA256SU1: onWords(sha256su1),
		a64.VSHA512H: sha512h, a64.VSHA512H2: sha512h2, a64.VSHA512SU0: sha512su0, a64.VSHA512SU1: sha512su1,

		a64.VEOR3: onThree(func(_ *a64.Inst, n, m, a uint64) uint64 { return n ^ m ^ a }),
		a64.VBCAX: onThree(func(_ *a64.Inst, n, m, a uint64) uint64 { return n ^ m&^a }),
		a64.VRAX1: onThree(func(_ *a64.Inst, n, m, _ uint64) uint64 { return n ^ bits.RotateLeft64(m, 1) }),
		a64.VXAR:  onThree(func(in *a64.Inst, n, m, _ uint64) uint64 { return ror64(n^m, int(in.Imm)) }),

		a64.VSM3SS1: sm3ss1, a64.VSM3TT1A: sm3tt1(parity), a64.VSM3TT1B: sm3tt1(majority),
		a64.VSM3TT2A: sm3tt2(parity), a64.VSM3TT2B: sm3tt2(chooseWord),
		a64.VSM3PARTW1: onWords(sm3partw1), a64.VSM3PARTW2: onWords(sm3partw2),
		a64.VSM4E: onWords(sm4e), a64.VSM4EKEY: onWords(sm4ekey),
	}
}
