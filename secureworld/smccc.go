package secureworld

import "gatehouse/platform/firmware"

// Fields of a function identifier (DEN0028, 2.5).
const (
	fidFast    = 1 << 31
	fidSMC64   = 1 << 30
	fidSVEHint = 1 << 16 // the caller has no live SVE state; not part of the identifier
	ownerShift = 24
	ownerMask  = 0x3F
)

// Owning entities (DEN0028, table 6-1).
const (
	ownerArch           = 0
	ownerStandardSecure = 4
	ownerTrustedOS      = 50
	ownerTrustedOSQuery = 63
)

// Arm architecture calls (DEN0028, chapter 7).
const (
	fidSMCCCVersion = 0x8000_0000
	fidArchFeatures = 0x8000_0001
)

// smcccVersion is 1.2: what FF-A needs, and no later call is implemented.
const smcccVersion = 0x1_0002

// Return codes of architecture calls (DEN0028, 7.1).
const (
	smcccSuccess = 0
	// unknownFunction is all ones in the full 64 bits, for 32-bit calls too: callers compare it as a 64-bit value
	// (DEN0028, 5.2).
	unknownFunction = ^uint64(0)
)

// word is a result of a 32-bit call: the register's high half is zero.
func word(v int32) uint64 { return uint64(uint32(v)) }

// smccc answers the Arm architecture calls. ARCH_FEATURES knows the two calls that exist; the CPU model is one that needs no
// workaround, and there is no SOC_ID.
func (w *World) smccc(fid uint32, r *firmware.Registers) {
	switch fid {
	case fidSMCCCVersion:
		r[0] = smcccVersion
	case fidArchFeatures:
		switch uint32(r[1]) {
		case fidSMCCCVersion, fidArchFeatures:
			r[0] = smcccSuccess
		default:
			r[0] = unknownFunction
		}
	default:
		r[0] = unknownFunction
	}
}
