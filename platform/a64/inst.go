package a64

import "gatehouse/platform/softfloat"

// Op names a decoded operation. Operations differ where their execution differs: width, flag setting and addressing mode are
// part of the operation, so that executing one tests nothing again.
type Op uint16

// Undecoded is the zero Op: a slot of the decode cache that was not filled yet.
const Undecoded Op = 0

// Inst is a decoded instruction.
//
// Rd, Rn, Rm and Ra index Regs.X or Regs.V. For general registers 31 is never left open: a source that is the zero register
// is ZR, a destination that is the zero register is Discard, and the stack pointer is SP.
type Inst struct {
	Op   Op
	Rd   uint8 // destination; Rt of loads and stores
	Rn   uint8 // first source or base
	Rm   uint8 // second source; Rt2 of pairs; Rs of exclusives and atomics
	Ra   uint8 // third source
	Size uint8 // meaning depends on Op; commonly log2 of the access or element size in bytes
	Opt  uint8 // meaning depends on Op; commonly a shift amount, extension or condition
	Imm  uint64
}

// Indexes into Regs.X beside the general registers 0 to 30.
const (
	ZR      = 31 // always reads as zero, never written
	SP      = 32 // stack pointer of the current exception level
	Discard = 33 // where results for the zero register go, never read
)

// Regs is the register state that user-visible instructions work on. It is flat so that compiled code can address it at fixed
// offsets. X is longer than needed so that a uint8 index needs no bounds check.
type Regs struct {
	X [256]uint64
	// PC is the address of the instruction being executed while an instruction executes.
	PC uint64
	// The condition flags are kept as the values that they follow from: N is the sign bit of NF, Z is set when ZF is zero,
	// C is CF (0 or 1), V is VF (0 or 1). A 32-bit result is stored sign-extended in both NF and ZF.
	NF, ZF, CF, VF uint64
	V              [32][2]uint64
	// FPCR and FPSR hold the floating-point control and status bits (DDI 0487, C5.2.7 and C5.2.8). They are the environment
	// that arithmetic works in.
	softfloat.Env
}

// NZCV gives the condition flags as in bits 31 to 28 of the NZCV register.
func (r *Regs) NZCV() uint32 {
	v := uint32(r.NF>>63)<<31 | uint32(r.CF)<<29 | uint32(r.VF)<<28
	if r.ZF == 0 {
		v |= 1 << 30
	}
	return v
}

// SetNZCV sets the condition flags from bits 31 to 28 of v.
func (r *Regs) SetNZCV(v uint32) {
	r.NF = uint64(v) << 32
	r.ZF = uint64(^v >> 30 & 1)
	r.CF = uint64(v >> 29 & 1)
	r.VF = uint64(v >> 28 & 1)
}

// Condition codes (DDI 0487, C1.2.4).
const (
	EQ = iota
	NE
	CS
	CC
	MI
	PL
	VS
	VC
	HI
	LS
	GE
	LT
	GT
	LE
	AL
	NV
)

// Cond reports whether the condition holds. AL and NV always do.
func (r *Regs) Cond(cond uint8) bool {
	var t bool
	switch cond >> 1 {
	case 0:
		t = r.ZF == 0
	case 1:
		t = r.CF != 0
	case 2:
		t = int64(r.NF) < 0
	case 3:
		t = r.VF != 0
	case 4:
		t = r.CF != 0 && r.ZF != 0
	case 5:
		t = r.NF>>63 == r.VF
	case 6:
		t = r.NF>>63 == r.VF && r.ZF != 0
	default:
		return true
	}
	return t != (cond&1 != 0)
}
