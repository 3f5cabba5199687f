package fpsimd

import (
	"math"
	"testing"

	"gatehouse/platform/a64"
)

// BenchmarkExec measures single instructions on ordinary operands.
func BenchmarkExec(b *testing.B) {
	for _, w := range []uint32{
		0x1e622820, // FADD D0, D1, D2
		0x1e620820, // FMUL D0, D1, D2
		0x1e621820, // FDIV D0, D1, D2
		0x1f420c20, // FMADD D0, D1, D2, D3
		0x1e622020, // FCMP D1, D2
		0x1e604020, // FMOV D0, D1
		0x9e780020, // FCVTZS X0, D1
		0x9e620020, // SCVTF D0, X1
		0x9e670020, // FMOV D0, X1
		0x4e62d420, // FADD V0.2D, V1.2D, V2.2D
		0x4e22d420, // FADD V0.4S, V1.4S, V2.4S
		0x4e22cc20, // FMLA V0.4S, V1.4S, V2.4S
		0x4f821020, // FMLA V0.4S, V1.4S, V2.S[0]
		0x4e228420, // ADD V0.16B, V1.16B, V2.16B
		0x6e221c20, // EOR V0.16B, V1.16B, V2.16B
		0x6e228c20, // CMEQ V0.16B, V1.16B, V2.16B
		0x4e223420, // CMGT V0.16B, V1.16B, V2.16B
		0x6e22a420, // UMAXP V0.16B, V1.16B, V2.16B
		0x6e30a820, // UMAXV B0, V1.16B
		0x0f0c8420, // SHRN V0.8B, V1.8H, #4
		0x4f0f5420, // SHL V0.16B, V1.16B, #7
		0x4e229c20, // MUL V0.16B, V1.16B, V2.16B
		0x4e629c20, // MUL V0.8H, V1.8H, V2.8H
		0x4ea29420, // MLA V0.4S, V1.4S, V2.4S
		0x0e62c020, // SMULL V0.4S, V1.4H, V2.4H
		0x4e624420, // SSHL V0.8H, V1.8H, V2.8H
		0x4e624c20, // SQSHL V0.8H, V1.8H, V2.8H
		0x4e620c20, // SQADD V0.8H, V1.8H, V2.8H
		0x4e612820, // XTN2 V0.8H, V1.4S
		0x0e614820, // SQXTN V0.4H, V1.4S
		0x4e020020, // TBL V0.16B, {V1.16B}, V2.16B
		0x4e023820, // ZIP1 V0.16B, V1.16B, V2.16B
		0x6e024020, // EXT V0.16B, V1.16B, V2.16B, #8
		0x4e010c20, // DUP V0.16B, W1
		0x0e013c20, // UMOV W0, V1.B[0]
		0x4f00e420, // MOVI V0.16B, #1
		0x4e284820, // AESE V0.16B, V1.16B
		0x4e286820, // AESMC V0.16B, V1.16B
		0x0ee2e020, // PMULL V0.1Q, V1.1D, V2.1D
		0x5e024020, // SHA256H Q0, Q1, V2.4S
	} {
		in := a64.Decode(w, a64.AllFeatures)
		if in.Op < a64.FirstSIMD {
			b.Fatalf("%08x is not allocated", w)
		}
		b.Run(a64.SIMDName(in.Op), func(b *testing.B) {
			var r a64.Regs
			for i := range r.V {
				r.V[i] = [2]uint64{math.Float64bits(float64(i) + 0.3), math.Float64bits(2.5)}
			}
			for b.Loop() {
				Exec(&r, &in)
			}
		})
	}
}
