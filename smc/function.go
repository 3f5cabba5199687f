package smc

import "strconv"

// Registers is x0-x17 at an SMC (SMCCC 1.2). Calls of earlier versions use x0-x7 and return
// x0-x3.
type Registers [18]uint64

// Function returns the function identifier in x0 without the SVE hint.
func (r *Registers) Function() Function { return Function(uint32(r[0])).WithoutHint() }

// W returns the low half of register i.
func (r *Registers) W(i int) uint32 { return uint32(r[i]) }

// Arg returns argument register i as wide as the calling convention says: an SMC32 call has only the low
// half, whatever the high half holds.
func (r *Registers) Arg(i int) uint64 {
	if r.Function().SMC64() {
		return r[i]
	}
	return uint64(uint32(r[i]))
}

// Function is an SMCCC function identifier (DEN0028, "SMC and HVC Function Identifiers").
type Function uint32

// Bits of a function identifier.
const (
	FastBit  Function = 1 << 31
	SMC64Bit Function = 1 << 30
	// SVEHint says that the caller has no live SVE state (SMCCC 1.3). It is not part of the identifier.
	SVEHint Function = 1 << 16

	ownerShift = 24
)

// Fast reports a fast (atomic) call; otherwise it is a yielding call.
func (f Function) Fast() bool { return f&FastBit != 0 }

// SMC64 reports the 64-bit calling convention.
func (f Function) SMC64() bool { return f&SMC64Bit != 0 }

// Owner is the owning entity, bits 29:24.
func (f Function) Owner() Owner { return Owner(f>>ownerShift) & 0x3F }

// Number is the function number, bits 15:0.
func (f Function) Number() uint16 { return uint16(f) }

// Hint reports the SVE hint.
func (f Function) Hint() bool { return f&SVEHint != 0 }

// WithoutHint is f with the SVE hint cleared.
func (f Function) WithoutHint() Function { return f &^ SVEHint }

// MakeFunction builds an identifier.
func MakeFunction(fast, smc64 bool, owner Owner, number uint16) Function {
	f := Function(owner&0x3F)<<ownerShift | Function(number)
	if fast {
		f |= FastBit
	}
	if smc64 {
		f |= SMC64Bit
	}
	return f
}

// Owner is an owning entity number (DEN0028, "Function Identifier Ranges").
type Owner uint8

// Owning entities.
const (
	OwnerArch             Owner = 0
	OwnerCPU              Owner = 1
	OwnerSiP              Owner = 2
	OwnerOEM              Owner = 3
	OwnerStandard         Owner = 4 // PSCI, TRNG, FF-A
	OwnerStandardHyp      Owner = 5
	OwnerVendorHyp        Owner = 6
	OwnerTrustedAppFirst  Owner = 48
	OwnerTrustedAppLast   Owner = 49
	OwnerTrustedOSFirst   Owner = 50
	OwnerTrustedOSLast    Owner = 63
	ownerReservedTrusted  Owner = 47
	ownerFirstUnallocated Owner = 7
)

func (o Owner) String() string {
	switch {
	case o < ownerFirstUnallocated:
		return [...]string{"arch", "cpu", "sip", "oem", "standard", "standard-hyp", "vendor-hyp"}[o]
	case o <= ownerReservedTrusted:
		return "reserved-" + strconv.Itoa(int(o))
	case o <= OwnerTrustedAppLast:
		return "trusted-app"
	case o <= OwnerTrustedOSLast:
		return "trusted-os"
	}
	return "owner-" + strconv.Itoa(int(o))
}

// Discovery calls that each owner has (DEN0028).
const (
	NumberCallCount uint16 = 0xFF00
	NumberCallUID   uint16 = 0xFF01
	NumberRevision  uint16 = 0xFF03
)

// Arm Architecture calls (DEN0028, "Arm Architecture Calls").
const (
	SMCCCVersion         Function = 0x8000_0000
	ArchFeatures         Function = 0x8000_0001
	ArchSOCID            Function = 0x8000_0002
	ArchSOCID64          Function = 0xC000_0002
	ArchWorkaround3      Function = 0x8000_3FFF
	ArchWorkaround2      Function = 0x8000_7FFF
	ArchWorkaround1      Function = 0x8000_8000
	CPUWorkaround4193714 Function = 0x8100_0010
)

// Calls of other owners that Linux probes for; a platform without a hypervisor answers Unknown.
const (
	PVTimeFeatures Function = 0xC500_0020
	VendorHypUID   Function = 0x8600_FF01
	RSIABIVersion  Function = 0xC400_0190
)

// TRNG firmware interface (DEN0098).
const (
	TRNGVersion  Function = 0x8400_0050
	TRNGFeatures Function = 0x8400_0051
	TRNGGetUUID  Function = 0x8400_0052
	TRNGRnd32    Function = 0x8400_0053
	TRNGRnd64    Function = 0xC400_0053

	// TRNGMaxBits32 and TRNGMaxBits64 bound the bits asked for in x1.
	TRNGMaxBits32 = 96
	TRNGMaxBits64 = 192
)

// SMCCC versions.
const (
	Version1_0 uint32 = 0x1_0000
	Version1_1 uint32 = 0x1_0001
	Version1_2 uint32 = 0x1_0002
	Version1_3 uint32 = 0x1_0003
	Version1_4 uint32 = 0x1_0004
	Version1_5 uint32 = 0x1_0005
)

// Unknown is x0 of the reply to an unknown function: all ones in 64 bits, also for SMC32, because callers
// compare it with an unsigned long (DEN0028, "Unknown Function Identifier").
const Unknown = ^uint64(0)

// UnknownReply is the reply to an unknown function.
func UnknownReply() Registers { return Registers{0: Unknown} }

// Result is a return code of an architecture call (DEN0028, "Arm Architecture Calls").
type Result int32

// Results of architecture calls.
const (
	Success          Result = 0
	NotSupported     Result = -1
	NotRequired      Result = -2
	InvalidParameter Result = -3
)

// X0 is the result as x0 carries it: sign-extended to 64 bits, as callers compare NotSupported.
func (r Result) X0() uint64 { return uint64(int64(r)) }

func (r Result) String() string {
	switch r {
	case Success:
		return "SUCCESS"
	case NotSupported:
		return "NOT_SUPPORTED"
	case NotRequired:
		return "NOT_REQUIRED"
	case InvalidParameter:
		return "INVALID_PARAMETER"
	}
	return strconv.Itoa(int(r))
}

// TRNGResult is a return code of the TRNG interface (DEN0098).
type TRNGResult int32

// TRNG results.
const (
	TRNGSuccess           TRNGResult = 0
	TRNGNotSupported      TRNGResult = -1
	TRNGInvalidParameters TRNGResult = -2
	TRNGNoEntropy         TRNGResult = -3
)

// X0 is the result as x0 carries it, sign-extended.
func (r TRNGResult) X0() uint64 { return uint64(int64(r)) }

func (r TRNGResult) String() string {
	switch r {
	case TRNGSuccess:
		return "SUCCESS"
	case TRNGNotSupported:
		return "NOT_SUPPORTED"
	case TRNGInvalidParameters:
		return "INVALID_PARAMETERS"
	case TRNGNoEntropy:
		return "NO_ENTROPY"
	}
	return strconv.Itoa(int(r))
}

// functionName returns the name of a call that this package knows, or "".
func functionName(f Function) string {
	if name := psciName(f); name != "" {
		return name
	}
	switch f {
	case SMCCCVersion:
		return "SMCCC_VERSION"
	case ArchFeatures:
		return "SMCCC_ARCH_FEATURES"
	case ArchSOCID, ArchSOCID64:
		return "SMCCC_ARCH_SOC_ID"
	case ArchWorkaround1:
		return "SMCCC_ARCH_WORKAROUND_1"
	case ArchWorkaround2:
		return "SMCCC_ARCH_WORKAROUND_2"
	case ArchWorkaround3:
		return "SMCCC_ARCH_WORKAROUND_3"
	case CPUWorkaround4193714:
		return "CPU_WORKAROUND_4193714"
	case PVTimeFeatures:
		return "PV_TIME_FEATURES"
	case VendorHypUID:
		return "VENDOR_HYP_UID"
	case RSIABIVersion:
		return "RSI_ABI_VERSION"
	case TRNGVersion:
		return "TRNG_VERSION"
	case TRNGFeatures:
		return "TRNG_FEATURES"
	case TRNGGetUUID:
		return "TRNG_GET_UUID"
	case TRNGRnd32, TRNGRnd64:
		return "TRNG_RND"
	}
	return ""
}

// Known reports whether this package has a name for f (without the SVE hint).
func (f Function) Known() bool { return functionName(f.WithoutHint()) != "" }

// String is the name of the specification, or the number.
func (f Function) String() string {
	if name := functionName(f.WithoutHint()); name != "" {
		return name
	}
	return hexString(uint64(f))
}

func hexString(v uint64) string { return "0x" + strconv.FormatUint(v, 16) }
