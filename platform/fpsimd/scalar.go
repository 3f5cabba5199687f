package fpsimd

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/softfloat"
)

type env = softfloat.Env

// Scalar results leave the rest of the register zero.

func setH(r *a64.Regs, in *a64.Inst, v uint16) { r.V[in.Rd&31] = vector{uint64(v)} }
func setS(r *a64.Regs, in *a64.Inst, v uint32) { r.V[in.Rd&31] = vector{uint64(v)} }
func setD(r *a64.Regs, in *a64.Inst, v uint64) { r.V[in.Rd&31] = vector{v} }

func scalar1H(f func(*env, uint16) uint16) operation {
	return func(r *a64.Regs, in *a64.Inst) { setH(r, in, f(&r.Env, uint16(r.V[in.Rn&31][0]))) }
}

func scalar1S(f func(*env, uint32) uint32) operation {
	return func(r *a64.Regs, in *a64.Inst) { setS(r, in, f(&r.Env, uint32(r.V[in.Rn&31][0]))) }
}

func scalar1D(f func(*env, uint64) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) { setD(r, in, f(&r.Env, r.V[in.Rn&31][0])) }
}

func scalar2H(f func(*env, uint16, uint16) uint16) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		setH(r, in, f(&r.Env, uint16(r.V[in.Rn&31][0]), uint16(r.V[in.Rm&31][0])))
	}
}

func scalar2S(f func(*env, uint32, uint32) uint32) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		setS(r, in, f(&r.Env, uint32(r.V[in.Rn&31][0]), uint32(r.V[in.Rm&31][0])))
	}
}

func scalar2D(f func(*env, uint64, uint64) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		setD(r, in, f(&r.Env, r.V[in.Rn&31][0], r.V[in.Rm&31][0]))
	}
}

// The fused multiplications negate the addend (bit 0 of negate) and the product (bit 1).

func fusedH(negate uint16) operation {
	a, p := negate<<15, negate>>1<<15
	return func(r *a64.Regs, in *a64.Inst) {
		setH(r, in, r.MulAdd16(uint16(r.V[in.Ra&31][0])^a, uint16(r.V[in.Rn&31][0])^p, uint16(r.V[in.Rm&31][0])))
	}
}

func fusedS(negate uint32) operation {
	a, p := negate<<31, negate>>1<<31
	return func(r *a64.Regs, in *a64.Inst) {
		setS(r, in, r.MulAdd32(uint32(r.V[in.Ra&31][0])^a, uint32(r.V[in.Rn&31][0])^p, uint32(r.V[in.Rm&31][0])))
	}
}

func fusedD(negate uint64) operation {
	a, p := negate<<63, negate>>1<<63
	return func(r *a64.Regs, in *a64.Inst) {
		setD(r, in, r.MulAdd64(r.V[in.Ra&31][0]^a, r.V[in.Rn&31][0]^p, r.V[in.Rm&31][0]))
	}
}

func faddS(r *a64.Regs, in *a64.Inst) {
	setS(r, in, r.Add32(uint32(r.V[in.Rn&31][0]), uint32(r.V[in.Rm&31][0])))
}

func faddD(r *a64.Regs, in *a64.Inst) { setD(r, in, r.Add64(r.V[in.Rn&31][0], r.V[in.Rm&31][0])) }

func fsubS(r *a64.Regs, in *a64.Inst) {
	setS(r, in, r.Sub32(uint32(r.V[in.Rn&31][0]), uint32(r.V[in.Rm&31][0])))
}

func fsubD(r *a64.Regs, in *a64.Inst) { setD(r, in, r.Sub64(r.V[in.Rn&31][0], r.V[in.Rm&31][0])) }

func fmulS(r *a64.Regs, in *a64.Inst) {
	setS(r, in, r.Mul32(uint32(r.V[in.Rn&31][0]), uint32(r.V[in.Rm&31][0])))
}

func fmulD(r *a64.Regs, in *a64.Inst) { setD(r, in, r.Mul64(r.V[in.Rn&31][0], r.V[in.Rm&31][0])) }

func fdivS(r *a64.Regs, in *a64.Inst) {
	setS(r, in, r.Div32(uint32(r.V[in.Rn&31][0]), uint32(r.V[in.Rm&31][0])))
}

func fdivD(r *a64.Regs, in *a64.Inst) { setD(r, in, r.Div64(r.V[in.Rn&31][0], r.V[in.Rm&31][0])) }

func fmaddS(r *a64.Regs, in *a64.Inst) {
	setS(r, in, r.MulAdd32(uint32(r.V[in.Ra&31][0]), uint32(r.V[in.Rn&31][0]), uint32(r.V[in.Rm&31][0])))
}

func fmaddD(r *a64.Regs, in *a64.Inst) {
	setD(r, in, r.MulAdd64(r.V[in.Ra&31][0], r.V[in.Rn&31][0], r.V[in.Rm&31][0]))
}

func fmovH(r *a64.Regs, in *a64.Inst) { setH(r, in, uint16(r.V[in.Rn&31][0])) }
func fmovS(r *a64.Regs, in *a64.Inst) { setS(r, in, uint32(r.V[in.Rn&31][0])) }
func fmovD(r *a64.Regs, in *a64.Inst) { setD(r, in, r.V[in.Rn&31][0]) }
func fabsH(r *a64.Regs, in *a64.Inst) { setH(r, in, softfloat.Abs16(uint16(r.V[in.Rn&31][0]))) }
func fabsS(r *a64.Regs, in *a64.Inst) { setS(r, in, softfloat.Abs32(uint32(r.V[in.Rn&31][0]))) }
func fabsD(r *a64.Regs, in *a64.Inst) { setD(r, in, softfloat.Abs64(r.V[in.Rn&31][0])) }
func fnegH(r *a64.Regs, in *a64.Inst) { setH(r, in, softfloat.Neg16(uint16(r.V[in.Rn&31][0]))) }
func fnegS(r *a64.Regs, in *a64.Inst) { setS(r, in, softfloat.Neg32(uint32(r.V[in.Rn&31][0]))) }
func fnegD(r *a64.Regs, in *a64.Inst) { setD(r, in, softfloat.Neg64(r.V[in.Rn&31][0])) }

func fmovi(r *a64.Regs, in *a64.Inst) { setD(r, in, in.Imm) }

// setFlags sets the condition flags from N, Z, C, V in bits 3 to 0.
func setFlags(r *a64.Regs, nzcv uint8) { r.SetNZCV(uint32(nzcv) << 28) }

// Comparisons. The E forms signal for every NaN.

func compareH(signal, zero bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		m := uint16(r.V[in.Rm&31][0])
		if zero {
			m = 0
		}
		setFlags(r, r.Compare16(uint16(r.V[in.Rn&31][0]), m, signal))
	}
}

func compareS(signal, zero bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		m := uint32(r.V[in.Rm&31][0])
		if zero {
			m = 0
		}
		setFlags(r, r.Compare32(uint32(r.V[in.Rn&31][0]), m, signal))
	}
}

func compareD(signal, zero bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		m := r.V[in.Rm&31][0]
		if zero {
			m = 0
		}
		setFlags(r, r.Compare64(r.V[in.Rn&31][0], m, signal))
	}
}

// conditional makes a conditional comparison: Imm is the result when the condition does not hold.
func conditional(compare operation) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		if r.Cond(in.Opt) {
			compare(r, in)
		} else {
			setFlags(r, uint8(in.Imm))
		}
	}
}

func fcsel(r *a64.Regs, in *a64.Inst, keep uint64) {
	from := in.Rm
	if r.Cond(in.Opt) {
		from = in.Rn
	}
	setD(r, in, r.V[from&31][0]&keep)
}

func fcselH(r *a64.Regs, in *a64.Inst) { fcsel(r, in, 1<<16-1) }
func fcselS(r *a64.Regs, in *a64.Inst) { fcsel(r, in, 1<<32-1) }
func fcselD(r *a64.Regs, in *a64.Inst) { fcsel(r, in, 1<<64-1) }

func scalarOps() map[a64.Op]operation {
	return map[a64.Op]operation{
		a64.FMOVH: fmovH, a64.FMOVS: fmovS, a64.FMOVD: fmovD, a64.FMOVI: fmovi,
		a64.FABSH: fabsH, a64.FABSS: fabsS, a64.FABSD: fabsD,
		a64.FNEGH: fnegH, a64.FNEGS: fnegS, a64.FNEGD: fnegD,

		a64.FSQRTH: scalar1H((*env).Sqrt16), a64.FSQRTS: scalar1S((*env).Sqrt32), a64.FSQRTD: scalar1D((*env).Sqrt64),

		a64.FADDH: scalar2H((*env).Add16), a64.FADDS: faddS, a64.FADDD: faddD,
		a64.FSUBH: scalar2H((*env).Sub16), a64.FSUBS: fsubS, a64.FSUBD: fsubD,
		a64.FMULH: scalar2H((*env).Mul16), a64.FMULS: fmulS, a64.FMULD: fmulD,
		a64.FDIVH: scalar2H((*env).Div16), a64.FDIVS: fdivS, a64.FDIVD: fdivD,

		a64.FNMULH: scalar2H(func(e *env, a, b uint16) uint16 { return softfloat.Neg16(e.Mul16(a, b)) }),
		a64.FNMULS: scalar2S(func(e *env, a, b uint32) uint32 { return softfloat.Neg32(e.Mul32(a, b)) }),
		a64.FNMULD: scalar2D(func(e *env, a, b uint64) uint64 { return softfloat.Neg64(e.Mul64(a, b)) }),

		a64.FMAXH: scalar2H((*env).Max16), a64.FMAXS: scalar2S((*env).Max32), a64.FMAXD: scalar2D((*env).Max64),
		a64.FMINH: scalar2H((*env).Min16), a64.FMINS: scalar2S((*env).Min32), a64.FMIND: scalar2D((*env).Min64),
		a64.FMAXNMH: scalar2H((*env).MaxNum16), a64.FMAXNMS: scalar2S((*env).MaxNum32), a64.FMAXNMD: scalar2D((*env).MaxNum64),
		a64.FMINNMH: scalar2H((*env).MinNum16), a64.FMINNMS: scalar2S((*env).MinNum32), a64.FMINNMD: scalar2D((*env).MinNum64),

		a64.FMADDH: fusedH(0), a64.FMADDS: fmaddS, a64.FMADDD: fmaddD,
		a64.FMSUBH: fusedH(2), a64.FMSUBS: fusedS(2), a64.FMSUBD: fusedD(2),
		a64.FNMADDH: fusedH(3), a64.FNMADDS: fusedS(3), a64.FNMADDD: fusedD(3),
		a64.FNMSUBH: fusedH(1), a64.FNMSUBS: fusedS(1), a64.FNMSUBD: fusedD(1),

		a64.FCMPH: compareH(false, false), a64.FCMPS: compareS(false, false), a64.FCMPD: compareD(false, false),
		a64.FCMPEH: compareH(true, false), a64.FCMPES: compareS(true, false), a64.FCMPED: compareD(true, false),
		a64.FCMPZH: compareH(false, true), a64.FCMPZS: compareS(false, true), a64.FCMPZD: compareD(false, true),
		a64.FCMPEZH: compareH(true, true), a64.FCMPEZS: compareS(true, true), a64.FCMPEZD: compareD(true, true),

		a64.FCCMPH: conditional(compareH(false, false)), a64.FCCMPEH: conditional(compareH(true, false)),
		a64.FCCMPS: conditional(compareS(false, false)), a64.FCCMPES: conditional(compareS(true, false)),
		a64.FCCMPD: conditional(compareD(false, false)), a64.FCCMPED: conditional(compareD(true, false)),

		a64.FCSELH: fcselH, a64.FCSELS: fcselS, a64.FCSELD: fcselD,
	}
}
