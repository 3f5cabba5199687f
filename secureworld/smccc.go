package secureworld

import (
	"gatehouse/platform/firmware"
	"gatehouse/smc"
)

// smcccVersion is what FF-A needs; no later call is implemented.
const smcccVersion = smc.Version1_2

// reservedBits of a fast call must be zero, except the SVE hint (DEN0028, function identifier).
const reservedBits smc.Function = 0xFF << 16

// result32 is a result of a 32-bit call: the register's high half is zero.
func result32[T ~int32](v T) uint64 { return uint64(uint32(v)) }

// smccc answers the Arm architecture calls. ARCH_FEATURES knows the two calls that exist; the CPU model is one that needs no
// workaround, and there is no SOC_ID.
func (w *World) smccc(f smc.Function, r *firmware.Registers) {
	switch f {
	case smc.SMCCCVersion:
		r[0] = uint64(smcccVersion)
	case smc.ArchFeatures:
		switch smc.Function(r[1]) {
		case smc.SMCCCVersion, smc.ArchFeatures:
			r[0] = smc.Success.X0()
		default:
			// All ones in 64 bits although the call is a 32-bit one: Linux compares the whole register.
			r[0] = smc.NotSupported.X0()
		}
	default:
		r[0] = smc.Unknown
	}
}
