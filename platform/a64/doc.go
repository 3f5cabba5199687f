// Package a64 is the A64 instruction set in decoded form, and the register state that instructions work on.
//
// An instruction word enters [Decode] once; what leaves is an [Inst], sixteen bytes that an engine executes without looking at
// the word again. [Regs] is the flat state that every engine shares. Specification: Arm Architecture Reference Manual for
// A-profile (DDI 0487), chapters C4 (encodings) and C6, C7 (instructions).
//
// Read inst.go, then op.go (integer and system operations) and simd_op.go (floating point and Advanced SIMD).
package a64
