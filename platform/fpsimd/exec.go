package fpsimd

import "gatehouse/platform/a64"

// operation executes one instruction.
type operation func(r *a64.Regs, in *a64.Inst)

// Exec executes one decoded instruction of the group. in.Op is at least a64.FirstSIMD and below a64.FirstSIMDMem. It does not
// change r.PC.
func Exec(r *a64.Regs, in *a64.Inst) {
	operations[in.Op-a64.FirstSIMD](r, in)
}

// operations is indexed by operation, from a64.FirstSIMD on. The rows are in the files of their groups.
var operations = table()

func table() (t [a64.FirstSIMDMem - a64.FirstSIMD]operation) {
	for _, group := range []map[a64.Op]operation{
		scalarOps(), convertOps(), integerOps(), shiftOps(), multiplyOps(), permuteOps(), floatOps(), bfloatOps(), cryptoOps(),
	} {
		for op, f := range group {
			t[op-a64.FirstSIMD] = f
		}
	}
	return t
}

// vector is the value of a V register.
type vector = [2]uint64

// keep is the mask of the low and high 64 bits of a result of as many bytes as Opt says.
func keep(bytes uint8) (lo, hi uint64) {
	switch {
	case bytes >= 16:
		return ^uint64(0), ^uint64(0)
	case bytes >= 8:
		return ^uint64(0), 0
	}
	return 1<<(8*bytes) - 1, 0
}

// upper is the mask of the high 64 bits of a result that is a vector of 8 or 16 bytes or a scalar.
func upper(bytes uint8) uint64 { return -uint64(bytes >> 4) }

// lanes1 to lanes3 make operations from functions on all lanes of 64 bits; lanes3 passes the destination as the last operand.
// Scalars below 64 bits need the functions that follow.

func lanes1(f func(a uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := &r.V[in.Rn&31]
		lo, hi := f(n[0], in.Size), uint64(0)
		if in.Opt == 16 {
			hi = f(n[1], in.Size)
		}
		r.V[in.Rd&31] = vector{lo, hi}
	}
}

func lanes2(f func(a, b uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n, m := &r.V[in.Rn&31], &r.V[in.Rm&31]
		lo, hi := f(n[0], m[0], in.Size), uint64(0)
		if in.Opt == 16 {
			hi = f(n[1], m[1], in.Size)
		}
		r.V[in.Rd&31] = vector{lo, hi}
	}
}

func lanes3(f func(a, b, d uint64, size uint8) uint64) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		d, n, m := &r.V[in.Rd&31], &r.V[in.Rn&31], &r.V[in.Rm&31]
		lo, hi := f(n[0], m[0], d[0], in.Size), uint64(0)
		if in.Opt == 16 {
			hi = f(n[1], m[1], d[1], in.Size)
		}
		*d = vector{lo, hi}
	}
}

// saturating1 and saturating2 make operations from functions that also tell whether a lane was saturated, which sets FPSR.QC.
// Operands are cut to the size of a scalar: no function here saturates lanes of zeroes.

func saturating1(f func(a uint64, size uint8) (v, saturated uint64)) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		n := &r.V[in.Rn&31]
		keepLo, keepHi := keep(in.Opt)
		lo, satLo := f(n[0]&keepLo, in.Size)
		hi, satHi := f(n[1]&keepHi, in.Size)
		saturate(r, satLo|satHi != 0)
		r.V[in.Rd&31] = vector{lo & keepLo, hi & keepHi}
	}
}

func saturating2(f func(a, b uint64, size uint8) (v, saturated uint64)) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		saturated2(r, in, &r.V[in.Rm&31], f)
	}
}

// accumulating is saturating2 for instructions whose second operand is the destination.
func accumulating(f func(a, d uint64, size uint8) (v, saturated uint64)) operation {
	return func(r *a64.Regs, in *a64.Inst) {
		saturated2(r, in, &r.V[in.Rd&31], f)
	}
}

func saturated2(r *a64.Regs, in *a64.Inst, m *vector, f func(a, b uint64, size uint8) (v, saturated uint64)) {
	n := &r.V[in.Rn&31]
	keepLo, keepHi := keep(in.Opt)
	lo, satLo := f(n[0]&keepLo, m[0]&keepLo, in.Size)
	hi, satHi := f(n[1]&keepHi, m[1]&keepHi, in.Size)
	saturate(r, satLo|satHi != 0)
	r.V[in.Rd&31] = vector{lo & keepLo, hi & keepHi}
}
