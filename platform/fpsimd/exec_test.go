package fpsimd

import (
	"math"
	"testing"

	"gatehouse/platform/a64"
	"gatehouse/platform/softfloat"
)

// TestEveryOperation: no operation may be missing, since guests reach all of them.
func TestEveryOperation(t *testing.T) {
	for i, f := range operations {
		if op := a64.FirstSIMD + a64.Op(i); f == nil {
			t.Errorf("operation %d (%s) is missing", op, a64.SIMDName(op))
		}
	}
}

func d(v float64) uint64     { return math.Float64bits(v) }
func s(v float32) uint64     { return uint64(math.Float32bits(v)) }
func ss(a, b float32) uint64 { return s(a) | s(b)<<32 }

const (
	nanS  = 0x7fc00001
	snanS = 0x7f800001
	infD  = 0x7ff0000000000000
	infS  = 0x7f800000
	nanD  = 0x7ff8000000000001

	ioc = softfloat.IOC
	ixc = softfloat.IXC
	ofc = softfloat.OFC
	dzc = softfloat.DZC
	qc  = softfloat.QC

	all = ^uint64(0)
)

// TestInstructions checks results that follow from the text of DDI 0487, C7.2, at the places where rules are easily missed.
func TestInstructions(t *testing.T) {
	for _, c := range []struct {
		name           string
		word           uint32
		v0, v1, v2, v3 [2]uint64
		x1             uint64
		fpcr           uint32
		want           [2]uint64 // V0
		x0             uint64
		fpsr           uint32
		nzcv           uint32 // bits 31 to 28
	}{
		// Saturation, lane by lane, and that only what is part of the operation counts.
		{name: "sqadd v0.8b, v1.8b, v2.8b", word: 0x0e220c20, v1: vector{0x1000c040ff01807f, 0x7f}, v2: vector{0x2000c0400101ff01, 0x7f},
			want: vector{0x3000807f0002807f}, fpsr: qc},
		{name: "uqsub v0.16b, v1.16b, v2.16b: no saturation", word: 0x6e222c20, v1: vector{all, all}, v2: vector{all, 1}, want: vector{0, all - 1}},
		{name: "uqsub v0.16b, v1.16b, v2.16b", word: 0x6e222c20, v1: vector{all, 0}, v2: vector{1, 1}, want: vector{all - 1}, fpsr: qc},
		{name: "sqadd b0, b1, b2", word: 0x5e220c20, v1: vector{0x017f}, v2: vector{0x0101}, want: vector{0x7f}, fpsr: qc},
		{name: "sqadd b0, b1, b2: the next lane would saturate", word: 0x5e220c20, v1: vector{0x7f01, all}, v2: vector{0x7f01, all}, want: vector{2}},
		{name: "suqadd b0, b1", word: 0x5e203820, v0: vector{0x7f}, v1: vector{1}, want: vector{0x7f}, fpsr: qc},
		{name: "suqadd b0, b1: -128+255", word: 0x5e203820, v0: vector{0x80}, v1: vector{0xff}, want: vector{0x7f}},
		{name: "usqadd b0, b1: 5-6", word: 0x7e203820, v0: vector{5}, v1: vector{0xfa}, want: vector{0}, fpsr: qc},
		{name: "usqadd b0, b1: 255+1", word: 0x7e203820, v0: vector{0xff}, v1: vector{1}, want: vector{0xff}, fpsr: qc},
		{name: "usqadd b0, b1: 255-1", word: 0x7e203820, v0: vector{0xff}, v1: vector{0xff}, want: vector{0xfe}},
		{name: "sqabs v0.8h, v1.8h", word: 0x4e607820, v1: vector{0x8000ffff00017fff, 0}, want: vector{0x7fff000100017fff}, fpsr: qc},
		{name: "sqneg d0, d1", word: 0x7ee07820, v1: vector{1 << 63}, want: vector{1<<63 - 1}, fpsr: qc},
		{name: "sqxtun v0.8b, v1.8h", word: 0x2e212820, v0: vector{all, all}, v1: vector{0x007f00ff0100ffff}, want: vector{0x7fffff00}, fpsr: qc},
		{name: "uqxtn2 v0.4s, v1.2d", word: 0x6ea14820, v0: vector{7, 8}, v1: vector{1 << 32, 5}, want: vector{7, 0x5ffffffff}, fpsr: qc},

		// Doubling products: only the product of two minima saturates.
		{name: "sqdmulh v0.4h, v1.4h, v2.4h", word: 0x0e62b420, v1: vector{0x7fffffff40008000}, v2: vector{0x7fff000140008000},
			want: vector{0x7ffeffff20007fff}, fpsr: qc},
		{name: "sqrdmulh v0.2s, v1.2s, v2.2s", word: 0x2ea2b420, v1: vector{0x0000000180000000}, v2: vector{0x4000000080000000},
			want: vector{0x000000017fffffff}, fpsr: qc},
		{name: "sqrdmlah h0, h1, h2", word: 0x7e428420, v0: vector{0x7fff}, v1: vector{0x4000}, v2: vector{0x4000}, want: vector{0x7fff}, fpsr: qc},
		{name: "sqrdmlah h0, h1, h2: the sum saturates, not the product", word: 0x7e428420, v0: vector{0xffff}, v1: vector{0x8000},
			v2: vector{0x8000}, want: vector{0x7fff}},
		{name: "sqdmull v0.4s, v1.4h, v2.4h", word: 0x0e62d020, v1: vector{0x7fffffff00018000}, v2: vector{0x7fff000200028000},
			want: vector{0x000000047fffffff, 0x7ffe0002fffffffc}, fpsr: qc},
		{name: "sqdmlal s0, h1, h2", word: 0x5e629020, v0: vector{0x7fffffff}, v1: vector{1}, v2: vector{1}, want: vector{0x7fffffff}, fpsr: qc},

		// Shifts by the width and more.
		{name: "sshr v0.8b, v1.8b, #8", word: 0x0f080420, v1: vector{0x80ff7f0001fe8155, all}, want: vector{0xffff000000ffff00}},
		{name: "ushr d0, d1, #64", word: 0x7f400420, v1: vector{all, all}, want: vector{}},
		{name: "srshr d0, d1, #64", word: 0x5f402420, v1: vector{1 << 63}, want: vector{}},
		{name: "urshr d0, d1, #64", word: 0x7f402420, v1: vector{1 << 63}, want: vector{1}},
		{name: "urshr d0, d1, #64: below one half", word: 0x7f402420, v1: vector{1<<63 - 1}, want: vector{}},
		{name: "sri v0.2d, v1.2d, #64", word: 0x6f404420, v0: vector{3, 4}, v1: vector{all, all}, want: vector{3, 4}},
		{name: "sli v0.16b, v1.16b, #7", word: 0x6f0f5420, v0: vector{0x5555555555555555, 0x55}, v1: vector{0x0303030303030303, 2},
			want: vector{0xd5d5d5d5d5d5d5d5, 0x55}},
		{name: "sshl v0.8b, v1.8b, v2.8b", word: 0x0e224420, v1: vector{0x8585858585858585}, v2: vector{0x80f8f9ff7f080100},
			want: vector{0xffffffc200000a85}},
		{name: "ushl d0, d1, d2 by 64", word: 0x7ee24420, v1: vector{all}, v2: vector{0x1240}, want: vector{}},
		{name: "urshl d0, d1, d2 by -64", word: 0x7ee25420, v1: vector{1 << 63}, v2: vector{0x12c0}, want: vector{1}},
		{name: "urshl d0, d1, d2 by -65", word: 0x7ee25420, v1: vector{all}, v2: vector{0xbf}, want: vector{}},
		{name: "sqshl s0, s1, s2", word: 0x5ea24c20, v1: vector{0x40000000}, v2: vector{1}, want: vector{0x7fffffff}, fpsr: qc},
		{name: "sqshl s0, s1, s2: exact minimum", word: 0x5ea24c20, v1: vector{0xc0000000}, v2: vector{1}, want: vector{0x80000000}},
		{name: "sqshl s0, s1, s2: 1 by 32", word: 0x5ea24c20, v1: vector{1}, v2: vector{32}, want: vector{0x7fffffff}, fpsr: qc},
		{name: "sqshl s0, s1, s2: 0 by 127", word: 0x5ea24c20, v1: vector{0}, v2: vector{127}, want: vector{}},
		{name: "uqrshl b0, b1, b2 by -1", word: 0x7e225c20, v1: vector{0xff}, v2: vector{0xff}, want: vector{0x80}},
		{name: "uqrshl b0, b1, b2 by 1", word: 0x7e225c20, v1: vector{0xff}, v2: vector{1}, want: vector{0xff}, fpsr: qc},
		{name: "sqshlu h0, h1, #3: negative", word: 0x7f136420, v1: vector{0xffff}, want: vector{}, fpsr: qc},
		{name: "sqshlu h0, h1, #3: too large", word: 0x7f136420, v1: vector{0x2000}, want: vector{0xffff}, fpsr: qc},
		{name: "sqshlu h0, h1, #3", word: 0x7f136420, v1: vector{0x1fff}, want: vector{0xfff8}},
		{name: "sqrshrun b0, h1, #1: rounds up to 256", word: 0x7f0f8c20, v1: vector{0x1ff}, want: vector{0xff}, fpsr: qc},
		{name: "sqrshrun b0, h1, #1", word: 0x7f0f8c20, v1: vector{0x1fe}, want: vector{0xff}},
		{name: "sqrshrun b0, h1, #1: rounds up to 0", word: 0x7f0f8c20, v1: vector{0xffff}, want: vector{}},

		// Lookup: registers wrap from 31 to 0, indexes outside give 0 (TBL) or keep the byte (TBX).
		{name: "tbl v0.8b, {v30.16b, v31.16b, v0.16b}, v2.8b", word: 0x0e0243c0, v0: vector{0x2726252423222120, 0x2f2e2d2c2b2a2928},
			v2: vector{0x1807ff302f201000}, want: vector{0x180700002f201000}},
		{name: "tbx v0.16b, {v31.16b, v0.16b}, v2.16b", word: 0x4e0233e0, v0: vector{0x2726252423222120, 0x2f2e2d2c2b2a2928},
			v2: vector{0x00000000ff201f00}, want: vector{0x1010101023222f10, 0x1010101010101010}},

		// Floating point.
		{name: "fcvtxn s0, d1", word: 0x7e616820, v1: vector{d(1) + 1}, want: vector{s(1) + 1}, fpsr: ixc},
		{name: "fcvtxn s0, d1: overflow", word: 0x7e616820, v1: vector{d(1e300)}, want: vector{infS - 1}, fpsr: ofc | ixc},
		{name: "fcvtxn2 v0.4s, v1.2d", word: 0x6e616820, v0: vector{5, 6}, v1: vector{d(2), d(1) + 1}, want: vector{5, s(2) | (s(1)+1)<<32}, fpsr: ixc},
		{name: "fmulx d0, d1, d2: 0 * infinity", word: 0x5e62dc20, v1: vector{0}, v2: vector{infD}, want: vector{d(2)}},
		{name: "fmulx d0, d1, d2: -0 * infinity", word: 0x5e62dc20, v1: vector{1 << 63}, v2: vector{infD}, want: vector{d(-2)}},
		{name: "frecps s0, s1, s2: 0 * infinity", word: 0x5e22fc20, v1: vector{0}, v2: vector{infS}, want: vector{s(2)}},
		{name: "frecps s0, s1, s2", word: 0x5e22fc20, v1: vector{s(3)}, v2: vector{s(4)}, want: vector{s(-10)}},
		{name: "frsqrts d0, d1, d2: 0 * infinity", word: 0x5ee2fc20, v1: vector{0}, v2: vector{infD}, want: vector{d(1.5)}},
		{name: "frsqrts d0, d1, d2", word: 0x5ee2fc20, v1: vector{d(3)}, v2: vector{d(4)}, want: vector{d(-4.5)}},
		{name: "frecpe s0, s1", word: 0x5ea1d820, v1: vector{s(1)}, want: vector{s(511.0 / 512)}},
		{name: "frecpe s0, s1: zero", word: 0x5ea1d820, v1: vector{0}, want: vector{infS}, fpsr: dzc},
		{name: "frecpx d0, d1", word: 0x5ee1f820, v1: vector{d(1.5)}, want: vector{d(2)}},
		{name: "frecpx d0, d1: zero", word: 0x5ee1f820, v1: vector{1 << 63}, want: vector{0xffe0000000000000}},
		{name: "fmaxnm s0, s1, s2: quiet NaN", word: 0x1e226820, v1: vector{nanS}, v2: vector{s(1)}, want: vector{s(1)}},
		{name: "fmaxnm s0, s1, s2: signalling NaN", word: 0x1e226820, v1: vector{snanS}, v2: vector{s(1)}, want: vector{nanS}, fpsr: ioc},
		{name: "fmax s0, s1, s2: quiet NaN", word: 0x1e224820, v1: vector{nanS}, v2: vector{s(1)}, want: vector{nanS}},
		{name: "fmax s0, s1, s2: default NaN", word: 0x1e224820, v1: vector{nanS}, v2: vector{s(1)}, fpcr: softfloat.DN, want: vector{0x7fc00000}},
		{name: "fmaxnmv s0, v1.4s", word: 0x6e30c820, v1: vector{nanS | s(3)<<32, ss(-1, 2)}, want: vector{s(3)}},
		{name: "faddp d0, v1.2d", word: 0x7e70d820, v1: vector{d(1.5), d(2.5)}, want: vector{d(4)}},
		{name: "fnmadd d0, d1, d2, d3", word: 0x1f620c20, v1: vector{d(2)}, v2: vector{d(3)}, v3: vector{d(1)}, want: vector{d(-7)}},
		{name: "facgt s0, s1, s2", word: 0x7ea2ec20, v1: vector{s(-3)}, v2: vector{s(2)}, want: vector{1<<32 - 1}},
		{name: "fabd s0, s1, s2", word: 0x7ea2d420, v1: vector{s(1)}, v2: vector{s(4)}, want: vector{s(3)}},
		{name: "frintx d0, d1", word: 0x1e674020, v1: vector{d(2.5)}, want: vector{d(2)}, fpsr: ixc},
		{name: "fcvt h0, s1: overflow", word: 0x1e23c020, v1: vector{s(65520)}, want: vector{0x7c00}, fpsr: ofc | ixc},
		{name: "fcvt h0, s1: alternative format", word: 0x1e23c020, v1: vector{s(65520)}, fpcr: softfloat.AHP, want: vector{0x7c00}, fpsr: ixc},
		{name: "fcvtzs w0, d1: NaN", word: 0x1e780020, v0: vector{1}, v1: vector{nanD}, want: vector{1}, fpsr: ioc},
		{name: "fcvtzs w0, d1: too large", word: 0x1e780020, v1: vector{d(3e9)}, x0: 0x7fffffff, fpsr: ioc},
		{name: "fcvtzs w0, d1", word: 0x1e780020, v1: vector{d(-1.5)}, x0: 0xffffffff, fpsr: ixc},
		{name: "fcvtzs w0, d1: the minimum", word: 0x1e780020, v1: vector{d(-1 << 31)}, x0: 0x80000000},
		{name: "fcvtzs w0, d1: 2^31", word: 0x1e780020, v1: vector{d(1 << 31)}, x0: 0x7fffffff, fpsr: ioc},
		{name: "fcvtzu x0, s1: negative", word: 0x9e390020, v1: vector{s(-1)}, fpsr: ioc},
		{name: "fcvtzu x0, s1", word: 0x9e390020, v1: vector{s(1 << 63)}, x0: 1 << 63},
		{name: "fcvtzs d0, d1, #64", word: 0x5f40fc20, v1: vector{d(0.25)}, want: vector{1 << 62}},
		{name: "fcvtzs d0, d1, #64: too large", word: 0x5f40fc20, v1: vector{d(0.5)}, want: vector{1<<63 - 1}, fpsr: ioc},
		{name: "scvtf s0, s1, #32", word: 0x5f20e420, v1: vector{0x80000000}, want: vector{s(-0.5)}},
		{name: "fcvtas w0, s1", word: 0x1e240020, v1: vector{s(2.5)}, x0: 3, fpsr: ixc},
		{name: "fcvtas w0, s1: negative", word: 0x1e240020, v1: vector{s(-2.5)}, x0: 0xfffffffd, fpsr: ixc},
		{name: "fjcvtzs w0, d1: modulo 2^32", word: 0x1e7e0020, v1: vector{d(1<<32 + 5)}, x0: 5, fpsr: ioc},
		{name: "fjcvtzs w0, d1", word: 0x1e7e0020, v1: vector{d(-5)}, x0: 0xfffffffb, nzcv: 1 << 30},
		{name: "fjcvtzs w0, d1: -0", word: 0x1e7e0020, v1: vector{1 << 63}},
		{name: "fcmp d1, d2: quiet NaN", word: 0x1e622020, v1: vector{nanD}, nzcv: 3 << 28},
		{name: "fcmp d1, d2: equal zeroes", word: 0x1e622020, v1: vector{1 << 63}, nzcv: 6 << 28},
		{name: "fcmpe s1, #0.0: quiet NaN", word: 0x1e202038, v1: vector{nanS}, fpsr: ioc, nzcv: 3 << 28},
		{name: "fcmpe s1, #0.0: less", word: 0x1e202038, v1: vector{s(-1)}, nzcv: 8 << 28},
		{name: "fccmp d1, d2, #5, ne: the condition holds", word: 0x1e621425, v1: vector{d(2)}, v2: vector{d(1)}, nzcv: 2 << 28},
		{name: "fcsel s0, s1, s2, gt", word: 0x1e22cc20, v1: vector{all, all}, v2: vector{2}, want: vector{1<<32 - 1}},
		{name: "urecpe v0.2s, v1.2s", word: 0x0ea1c820, v1: vector{0x800000007fffffff}, want: vector{0xff800000ffffffff}},
		{name: "ursqrte v0.2s, v1.2s", word: 0x2ea1c820, v1: vector{0x400000003fffffff}, want: vector{0xff800000ffffffff}},
		{name: "fcmla v0.2d, v1.2d, v2.2d, #90", word: 0x6ec2cc20, v0: vector{d(10), d(20)}, v1: vector{d(1), d(2)}, v2: vector{d(3), d(4)},
			want: vector{d(2), d(26)}},
		{name: "fcadd v0.4s, v1.4s, v2.4s, #270", word: 0x6e82f420, v1: vector{ss(1, 2), ss(1, 2)}, v2: vector{ss(3, 4), ss(5, 6)},
			want: vector{ss(5, -1), ss(7, -3)}},

		// Integers.
		{name: "udot v0.2s, v1.8b, v2.4b[1]", word: 0x2fa2e020, v0: vector{100 | 1<<32, 9}, v1: vector{0xffffffff_04030201}, v2: vector{0xff020304_00000000},
			want: vector{(100 + 1*4 + 2*3 + 3*2 + 4*255) | (1+255*(4+3+2+255))<<32}},
		{name: "pmull v0.8h, v1.8b, v2.8b", word: 0x0e22e020, v1: vector{0x80000000000003ff}, v2: vector{0x80000000000003ff},
			want: vector{0x00055555, 0x4000000000000000}},
		{name: "addhn2 v0.16b, v1.8h, v2.8h", word: 0x4e224020, v0: vector{1, 2}, v1: vector{0x80000000000000ff}, v2: vector{0x8000000000000001},
			want: vector{1, 1}},
		{name: "raddhn v0.8b, v1.8h, v2.8h", word: 0x2e224020, v1: vector{0x80}, v2: vector{0, 0x7f}, want: vector{1}},
		{name: "uaddlv d0, v1.4s", word: 0x6eb03820, v1: vector{all, all}, want: vector{0x3fffffffc}},
		{name: "saddlv s0, v1.8h", word: 0x4e703820, v1: vector{0x8000800080008000, 0x8000800080008000}, want: vector{0xfffc0000}},
		{name: "sminv b0, v1.8b", word: 0x0e31a820, v1: vector{0x7f05fe0102030405, 0x80}, want: vector{0xfe}},
		{name: "addp d0, v1.2d", word: 0x5ef1b820, v1: vector{all, 3}, want: vector{2}},
		{name: "cls v0.4s, v1.4s", word: 0x4ea04820, v1: vector{0xffffffff00000000, 0x0000000180000000}, want: vector{31<<32 | 31, 30 << 32}},
		{name: "clz v0.8h, v1.8h", word: 0x6e604820, v1: vector{0x8000000100ff0000}, want: vector{0x0000000f00080010, 0x0010001000100010}},

		// Moves.
		{name: "ins v0.b[15], v1.b[3]", word: 0x6e1f1c20, v0: vector{1, all}, v1: vector{0x12345678}, want: vector{1, 0x12ffffffffffffff}},
		{name: "ins v0.d[1], x1", word: 0x4e181c20, v0: vector{1, 2}, x1: 7, want: vector{1, 7}},
		{name: "smov w0, v1.b[7]", word: 0x0e0f2c20, v1: vector{0x80 << 56}, x0: 0xffffff80},
		{name: "smov x0, v1.s[3]", word: 0x4e1c2c20, v1: vector{0, 0x80000000 << 32}, x0: 0xffffffff80000000},
		{name: "umov w0, v1.h[6]", word: 0x0e1a3c20, v1: vector{0, 0xffff << 32}, x0: 0xffff},
		{name: "dup s0, v1.s[2]", word: 0x5e140420, v0: vector{all, all}, v1: vector{1, 0x500000007}, want: vector{7}},
		{name: "movi d0, #0xff00ff00ff00ff00", word: 0x2f05e540, v0: vector{all, all}, want: vector{0xff00ff00ff00ff00}},
		{name: "mvni v0.4s, #0xab, msl #8", word: 0x6f05c560, want: vector{0xffff5400ffff5400, 0xffff5400ffff5400}},
		{name: "bic v0.8h, #0xff, lsl #8", word: 0x6f07b7e0, v0: vector{all, all}, want: vector{0x00ff00ff00ff00ff, 0x00ff00ff00ff00ff}},
		{name: "fmov v0.2d, #-1.5", word: 0x6f07f700, want: vector{d(-1.5), d(-1.5)}},
		{name: "fmov s0, w1", word: 0x1e270020, v0: vector{all, all}, x1: all, want: vector{1<<32 - 1}},
		{name: "fmov v0.d[1], x1", word: 0x9eaf0020, v0: vector{1, 2}, x1: 3, want: vector{1, 3}},
		{name: "fmov x0, v1.d[1]", word: 0x9eae0020, v1: vector{1, 2}, x0: 2},
		{name: "ext v0.16b, v1.16b, v2.16b, #11", word: 0x6e025820, v1: vector{0x0706050403020100, 0x0f0e0d0c0b0a0908},
			v2: vector{0x1716151413121110, 0x1f1e1d1c1b1a1918}, want: vector{0x1211100f0e0d0c0b, 0x1a19181716151413}},
		{name: "ext v0.8b, v1.8b, v2.8b, #3", word: 0x2e021820, v1: vector{0x0706050403020100, all}, v2: vector{0x1716151413121110, all},
			want: vector{0x1211100706050403}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := a64.Decode(c.word, a64.AllFeatures)
			if in.Op < a64.FirstSIMD {
				t.Fatalf("%08x is not allocated", c.word)
			}
			var r a64.Regs
			r.V[0], r.V[1], r.V[2], r.V[3] = c.v0, c.v1, c.v2, c.v3
			r.V[30] = vector{0x0706050403020100, 0x0f0e0d0c0b0a0908} // for the table lookups
			r.V[31] = vector{0x1716151413121110, 0x1f1e1d1c1b1a1918}
			r.X[1], r.FPCR = c.x1, c.fpcr
			r.SetNZCV(0)
			Exec(&r, &in)
			if in.Op == a64.FCMPD || in.Op == a64.FCMPEZS || in.Op == a64.FCCMPD {
				c.want = c.v0 // V0 is no destination
			}
			if r.V[0] != c.want || r.X[0] != c.x0 || r.FPSR != c.fpsr || r.NZCV() != c.nzcv {
				t.Errorf("V0 %#x X0 %#x FPSR %#x NZCV %#x, want %#x %#x %#x %#x", r.V[0], r.X[0], r.FPSR, r.NZCV(), c.want, c.x0, c.fpsr, c.nzcv)
			}
		})
	}
}

// FuzzExec: whatever the words and registers, execution ends without a panic and leaves alone what the instructions of the group
// have no business with.
func FuzzExec(f *testing.F) {
	for _, w := range []uint32{0x0e220c20, 0x1e622820, 0x5f40fc20, 0x4e0233e0, 0x6e82f420, 0xce820000, 0x4e284820} {
		f.Add(w, uint64(0x7ff0000000000001), ^uint64(0), uint64(0x00ff80017fff8000), uint32(0))
	}
	f.Fuzz(func(t *testing.T, w uint32, a, b, c uint64, fpcr uint32) {
		in := a64.Decode(w, a64.AllFeatures)
		if in.Op < a64.FirstSIMD || in.Op >= a64.FirstSIMDMem {
			return
		}
		var r a64.Regs
		for i := range r.V {
			r.V[i] = vector{a ^ uint64(i), b + uint64(i)}
		}
		for i := range 31 {
			r.X[i] = c + uint64(i)
		}
		r.FPCR, r.PC = fpcr, 0x1000
		before := r
		Exec(&r, &in)
		if r.X[a64.ZR] != 0 || r.X[a64.SP] != 0 || r.PC != before.PC || r.FPCR != before.FPCR || r.FPSR&^uint32(flagsFPSR) != 0 {
			t.Errorf("%08x %s changed what it must not", w, a64.SIMDName(in.Op))
		}
		changed := 0
		for i := range r.V {
			if r.V[i] != before.V[i] {
				changed++
			}
		}
		for i := range 31 {
			if r.X[i] != before.X[i] {
				changed++
			}
		}
		if changed > 1 {
			t.Errorf("%08x %s changed %d registers", w, a64.SIMDName(in.Op), changed)
		}
	})
}
