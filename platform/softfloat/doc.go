// Package softfloat is the floating-point arithmetic of the Arm architecture,
// bit exact with the pseudocode of the Arm ARM (DDI 0487, "shared/functions/float"):
// half, single and double precision, NaN propagation, flush to zero, rounding
// modes and the cumulative exception flags.
//
// What enters: operands as raw bit patterns (uint16, uint32, uint64) and an Env,
// which holds FPCR and FPSR at the architecture's bit positions. What leaves: the
// result as a bit pattern; FPSR flags are only ever set, never cleared. Trapped
// exceptions (FPCR.IOE and its neighbours) and FEAT_AFP (FPCR.AH, FIZ, NEP) are not
// implemented: those FPCR bits are RES0 and ignored.
//
// Each operation exists once for all widths on unpacked numbers (arith.go,
// minmax.go, integer.go, convert.go, estimate.go). The files half.go, single.go
// and double.go give them their public names; the latter two answer the common
// case (round to nearest, normal operands and result) with the host's hardware.
// Read unpack.go next.
package softfloat
