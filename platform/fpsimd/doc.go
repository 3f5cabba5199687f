// Package fpsimd executes the floating point and Advanced SIMD instructions that do not access memory.
//
// A decoded instruction of package a64 and the register state enter [Exec]; what leaves is the changed register state: V and X
// registers, the condition flags and the cumulative flags of FPSR. Arithmetic on floating-point numbers is that of package
// softfloat. Specification: Arm Architecture Reference Manual for A-profile (DDI 0487), chapter C7.
//
// Whether the instructions may be used at all (CPACR_EL1 and its relatives) is decided before they come here. Loads and stores
// of V registers are executed by package cpu.
//
// Read exec.go, then swar.go, on which the integer operations are built.
package fpsimd
