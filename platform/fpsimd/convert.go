package fpsimd

import (
	"math"

	"gatehouse/platform/a64"
	"gatehouse/platform/softfloat"
)

// Scalar conversions, and moves between the register files.

// toFixed converts the scalar in Rn, of the precision that Size says, to an integer of bits bits.
func toFixed(r *a64.Regs, in *a64.Inst, bits uint, unsigned bool, rounding softfloat.Rounding) {
	v := r.V[in.Rn&31][0]
	fbits := uint(in.Imm)
	switch in.Size {
	case 1:
		v = r.ToFixed16(uint16(v), bits, unsigned, fbits, rounding)
	case 2:
		v = r.ToFixed32(uint32(v), bits, unsigned, fbits, rounding)
	default:
		v = r.ToFixed64(v, bits, unsigned, fbits, rounding)
	}
	r.X[in.Rd] = v
}

func fcvt(bits uint, unsigned bool, rounding softfloat.Rounding) operation {
	return func(r *a64.Regs, in *a64.Inst) { toFixed(r, in, bits, unsigned, rounding) }
}

// truncate converts towards zero. limit is the first power of two that does not fit and that, as its negative, may be excluded as
// well: what lies between is converted by the host.
func truncate(bits uint, unsigned, double bool) operation {
	limit := math.Ldexp(1, int(bits)-1)
	size := uint8(2)
	if double {
		size = 3
	}
	mask := ^uint64(0) >> (64 - bits)
	return func(r *a64.Regs, in *a64.Inst) {
		v := r.V[in.Rn&31][0]
		var x float64
		if double {
			x = math.Float64frombits(v)
		} else {
			x = float64(math.Float32frombits(uint32(v)))
		}
		// Denormals, which FPCR.FZ matters for, are left to the general function.
		if math.Abs(x) < limit && math.Abs(x) >= 1 && !(unsigned && x < 0) {
			i := int64(x)
			if float64(i) != x {
				r.FPSR |= softfloat.IXC
			}
			r.X[in.Rd] = uint64(i) & mask
			return
		}
		plain := *in
		plain.Size, plain.Imm = size, 0
		toFixed(r, &plain, bits, unsigned, softfloat.RoundZero)
	}
}

// fromFixed converts the low bits of general register Rn to a scalar of the precision that Size says.
func fromFixed(bits uint, unsigned bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		v, fbits := r.X[in.Rn], uint(in.Imm)
		switch in.Size {
		case 1:
			v = uint64(r.FromFixed16(v, bits, unsigned, fbits, r.Rounding()))
		case 2:
			v = uint64(r.FromFixed32(v, bits, unsigned, fbits, r.Rounding()))
		default:
			v = r.FromFixed64(v, bits, unsigned, fbits, r.Rounding())
		}
		setD(r, in, v)
	}
}

// toDouble is fromFixed for double precision. Integers of at most 53 bits are exact.
func toDouble(bits uint, unsigned bool) operation {
	general := fromFixed(bits, unsigned)
	return func(r *a64.Regs, in *a64.Inst) {
		var i int64
		switch v := r.X[in.Rn]; {
		case bits == 64:
			i = int64(v)
		case unsigned:
			i = int64(uint32(v))
		default:
			i = int64(int32(v))
		}
		const exact = 1 << 53
		if in.Imm == 0 && uint64(i+exact) <= 2*exact && !(unsigned && i < 0) {
			setD(r, in, math.Float64bits(float64(i)))
			return
		}
		general(r, in)
	}
}

func frint(rounding softfloat.Rounding) operation {
	return func(r *a64.Regs, in *a64.Inst) { roundInt(r, in, rounding, false) }
}

// frinti and frintx round as FPCR says; frintx signals inexact results.
func frinti(r *a64.Regs, in *a64.Inst) { roundInt(r, in, r.Rounding(), false) }
func frintx(r *a64.Regs, in *a64.Inst) { roundInt(r, in, r.Rounding(), true) }

func roundInt(r *a64.Regs, in *a64.Inst, rounding softfloat.Rounding, exact bool) {
	v := r.V[in.Rn&31][0]
	switch in.Size {
	case 1:
		v = uint64(r.RoundInt16(uint16(v), rounding, exact))
	case 2:
		v = uint64(r.RoundInt32(uint32(v), rounding, exact))
	default:
		v = r.RoundInt64(v, rounding, exact)
	}
	setD(r, in, v)
}

// frintN rounds to an integral value that fits bits bits, towards zero or as FPCR says.
func frintN(bits int, toZero bool) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		rounding := r.Rounding()
		if toZero {
			rounding = softfloat.RoundZero
		}
		v := r.V[in.Rn&31][0]
		if in.Size == 2 {
			v = uint64(r.RoundIntN32(uint32(v), rounding, bits))
		} else {
			v = r.RoundIntN64(v, rounding, bits)
		}
		setD(r, in, v)
	}
}

func fjcvtzs(r *a64.Regs, in *a64.Inst) {
	v, exact := r.FPToJS(r.V[in.Rn&31][0])
	r.X[in.Rd] = uint64(v)
	if exact {
		setFlags(r, 1<<2)
	} else {
		setFlags(r, 0)
	}
}

func convertOps() map[a64.Op]operation {
	const (
		even = softfloat.RoundTieEven
		up   = softfloat.RoundUp
		down = softfloat.RoundDown
		zero = softfloat.RoundZero
		away = softfloat.RoundTieAway
	)
	return map[a64.Op]operation{
		a64.FCVTHtoS: func(r *a64.Regs, in *a64.Inst) { setS(r, in, r.Cvt16to32(uint16(r.V[in.Rn&31][0]))) },
		a64.FCVTHtoD: func(r *a64.Regs, in *a64.Inst) { setD(r, in, r.Cvt16to64(uint16(r.V[in.Rn&31][0]))) },
		a64.FCVTStoH: func(r *a64.Regs, in *a64.Inst) { setH(r, in, r.Cvt32to16(uint32(r.V[in.Rn&31][0]))) },
		a64.FCVTStoD: func(r *a64.Regs, in *a64.Inst) { setD(r, in, r.Cvt32to64(uint32(r.V[in.Rn&31][0]))) },
		a64.FCVTDtoH: func(r *a64.Regs, in *a64.Inst) { setH(r, in, r.Cvt64to16(r.V[in.Rn&31][0])) },
		a64.FCVTDtoS: func(r *a64.Regs, in *a64.Inst) { setS(r, in, r.Cvt64to32(r.V[in.Rn&31][0])) },

		a64.FRINTN: frint(even), a64.FRINTP: frint(up), a64.FRINTM: frint(down), a64.FRINTZ: frint(zero), a64.FRINTA: frint(away),
		a64.FRINTX: frintx, a64.FRINTI: frinti,
		a64.FRINT32Z: frintN(32, true), a64.FRINT32X: frintN(32, false),
		a64.FRINT64Z: frintN(64, true), a64.FRINT64X: frintN(64, false),

		a64.FCVTNSW: fcvt(32, false, even), a64.FCVTNSX: fcvt(64, false, even),
		a64.FCVTNUW: fcvt(32, true, even), a64.FCVTNUX: fcvt(64, true, even),
		a64.FCVTPSW: fcvt(32, false, up), a64.FCVTPSX: fcvt(64, false, up),
		a64.FCVTPUW: fcvt(32, true, up), a64.FCVTPUX: fcvt(64, true, up),
		a64.FCVTMSW: fcvt(32, false, down), a64.FCVTMSX: fcvt(64, false, down),
		a64.FCVTMUW: fcvt(32, true, down), a64.FCVTMUX: fcvt(64, true, down),
		a64.FCVTZSW: fcvt(32, false, zero), a64.FCVTZSX: fcvt(64, false, zero),
		a64.FCVTZUW: fcvt(32, true, zero), a64.FCVTZUX: fcvt(64, true, zero),
		a64.FCVTASW: fcvt(32, false, away), a64.FCVTASX: fcvt(64, false, away),
		a64.FCVTAUW: fcvt(32, true, away), a64.FCVTAUX: fcvt(64, true, away),
		a64.FJCVTZS: fjcvtzs,

		a64.FCVTZSWS: truncate(32, false, false), a64.FCVTZSWD: truncate(32, false, true),
		a64.FCVTZSXS: truncate(64, false, false), a64.FCVTZSXD: truncate(64, false, true),
		a64.FCVTZUWS: truncate(32, true, false), a64.FCVTZUWD: truncate(32, true, true),
		a64.FCVTZUXS: truncate(64, true, false), a64.FCVTZUXD: truncate(64, true, true),

		a64.SCVTFWH: fromFixed(32, false), a64.SCVTFWS: fromFixed(32, false), a64.SCVTFWD: toDouble(32, false),
		a64.SCVTFXH: fromFixed(64, false), a64.SCVTFXS: fromFixed(64, false), a64.SCVTFXD: toDouble(64, false),
		a64.UCVTFWH: fromFixed(32, true), a64.UCVTFWS: fromFixed(32, true), a64.UCVTFWD: toDouble(32, true),
		a64.UCVTFXH: fromFixed(64, true), a64.UCVTFXS: fromFixed(64, true), a64.UCVTFXD: toDouble(64, true),

		a64.FMOVtoH:     func(r *a64.Regs, in *a64.Inst) { setH(r, in, uint16(r.X[in.Rn])) },
		a64.FMOVtoS:     func(r *a64.Regs, in *a64.Inst) { setS(r, in, uint32(r.X[in.Rn])) },
		a64.FMOVtoD:     func(r *a64.Regs, in *a64.Inst) { setD(r, in, r.X[in.Rn]) },
		a64.FMOVtoTop:   func(r *a64.Regs, in *a64.Inst) { r.V[in.Rd&31][1] = r.X[in.Rn] },
		a64.FMOVfromH:   func(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = uint64(uint16(r.V[in.Rn&31][0])) },
		a64.FMOVfromS:   func(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = uint64(uint32(r.V[in.Rn&31][0])) },
		a64.FMOVfromD:   func(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = r.V[in.Rn&31][0] },
		a64.FMOVfromTop: func(r *a64.Regs, in *a64.Inst) { r.X[in.Rd] = r.V[in.Rn&31][1] },
	}
}
