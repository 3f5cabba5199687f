package smc

import "strconv"

// PSCI functions (DEN0022). The suffix 64 marks the SMC64 form.
const (
	PSCIVersion                Function = 0x8400_0000
	PSCICPUSuspend             Function = 0x8400_0001
	PSCICPUSuspend64           Function = 0xC400_0001
	PSCICPUOff                 Function = 0x8400_0002
	PSCICPUOn                  Function = 0x8400_0003
	PSCICPUOn64                Function = 0xC400_0003
	PSCIAffinityInfo           Function = 0x8400_0004
	PSCIAffinityInfo64         Function = 0xC400_0004
	PSCIMigrate                Function = 0x8400_0005
	PSCIMigrate64              Function = 0xC400_0005
	PSCIMigrateInfoType        Function = 0x8400_0006
	PSCIMigrateInfoUpCPU       Function = 0x8400_0007
	PSCIMigrateInfoUpCPU64     Function = 0xC400_0007
	PSCISystemOff              Function = 0x8400_0008
	PSCISystemReset            Function = 0x8400_0009
	PSCIFeatures               Function = 0x8400_000A
	PSCICPUFreeze              Function = 0x8400_000B
	PSCICPUDefaultSuspend      Function = 0x8400_000C
	PSCICPUDefaultSuspend64    Function = 0xC400_000C
	PSCINodeHWState            Function = 0x8400_000D
	PSCINodeHWState64          Function = 0xC400_000D
	PSCISystemSuspend          Function = 0x8400_000E
	PSCISystemSuspend64        Function = 0xC400_000E
	PSCISetSuspendMode         Function = 0x8400_000F
	PSCIStatResidency          Function = 0x8400_0010
	PSCIStatResidency64        Function = 0xC400_0010
	PSCIStatCount              Function = 0x8400_0011
	PSCIStatCount64            Function = 0xC400_0011
	PSCISystemReset2           Function = 0x8400_0012
	PSCISystemReset2_64        Function = 0xC400_0012
	PSCIMemProtect             Function = 0x8400_0013
	PSCIMemProtectCheckRange   Function = 0x8400_0014
	PSCIMemProtectCheckRange64 Function = 0xC400_0014
	PSCISystemOff2             Function = 0x8400_0015
	PSCISystemOff2_64          Function = 0xC400_0015

	psciLastNumber = 0x1F // 0x8400_0000-0x8400_001F is reserved for PSCI
)

// psciNames is indexed by function number; has64 says that an SMC64 form exists.
var psciNames = [...]struct {
	name  string
	has64 bool
}{
	{"PSCI_VERSION", false},
	{"PSCI_CPU_SUSPEND", true},
	{"PSCI_CPU_OFF", false},
	{"PSCI_CPU_ON", true},
	{"PSCI_AFFINITY_INFO", true},
	{"PSCI_MIGRATE", true},
	{"PSCI_MIGRATE_INFO_TYPE", false},
	{"PSCI_MIGRATE_INFO_UP_CPU", true},
	{"PSCI_SYSTEM_OFF", false},
	{"PSCI_SYSTEM_RESET", false},
	{"PSCI_FEATURES", false},
	{"PSCI_CPU_FREEZE", false},
	{"PSCI_CPU_DEFAULT_SUSPEND", true},
	{"PSCI_NODE_HW_STATE", true},
	{"PSCI_SYSTEM_SUSPEND", true},
	{"PSCI_SET_SUSPEND_MODE", false},
	{"PSCI_STAT_RESIDENCY", true},
	{"PSCI_STAT_COUNT", true},
	{"PSCI_SYSTEM_RESET2", true},
	{"PSCI_MEM_PROTECT", false},
	{"PSCI_MEM_PROTECT_CHECK_RANGE", true},
	{"PSCI_SYSTEM_OFF2", true},
}

// IsPSCI reports whether f is in the range reserved for PSCI, known or not.
func (f Function) IsPSCI() bool {
	return f.WithoutHint()&^SMC64Bit&^0xFFFF == PSCIVersion && f.Number() <= psciLastNumber
}

func psciName(f Function) string {
	if !f.IsPSCI() || int(f.Number()) >= len(psciNames) {
		return ""
	}
	e := psciNames[f.Number()]
	if f.SMC64() && !e.has64 {
		return ""
	}
	return e.name
}

// PSCI versions.
const (
	PSCIVersion0_2 uint32 = 0x0_0002
	PSCIVersion1_0 uint32 = 0x1_0000
	PSCIVersion1_1 uint32 = 0x1_0001
	PSCIVersion1_2 uint32 = 0x1_0002
	PSCIVersion1_3 uint32 = 0x1_0003
)

// PSCIResult is a PSCI return code (DEN0022, "Return error codes").
type PSCIResult int32

// PSCI results.
const (
	PSCISuccess           PSCIResult = 0
	PSCINotSupported      PSCIResult = -1
	PSCIInvalidParameters PSCIResult = -2
	PSCIDenied            PSCIResult = -3
	PSCIAlreadyOn         PSCIResult = -4
	PSCIOnPending         PSCIResult = -5
	PSCIInternalFailure   PSCIResult = -6
	PSCINotPresent        PSCIResult = -7
	PSCIDisabled          PSCIResult = -8
	PSCIInvalidAddress    PSCIResult = -9
)

var psciResultNames = [...]string{
	"SUCCESS", "NOT_SUPPORTED", "INVALID_PARAMETERS", "DENIED", "ALREADY_ON", "ON_PENDING", "INTERNAL_FAILURE",
	"NOT_PRESENT", "DISABLED", "INVALID_ADDRESS",
}

// X0 is the result as x0 carries it, sign-extended.
func (r PSCIResult) X0() uint64 { return uint64(int64(r)) }

func (r PSCIResult) String() string {
	if n := -int64(r); n >= 0 && n < int64(len(psciResultNames)) {
		return psciResultNames[n]
	}
	return strconv.Itoa(int(r))
}

// AffinityState is what AFFINITY_INFO returns on success (DEN0022, "AFFINITY_INFO").
type AffinityState uint32

// Affinity states.
const (
	AffinityOn        AffinityState = 0
	AffinityOff       AffinityState = 1
	AffinityOnPending AffinityState = 2
)

func (s AffinityState) String() string {
	switch s {
	case AffinityOn:
		return "ON"
	case AffinityOff:
		return "OFF"
	case AffinityOnPending:
		return "ON_PENDING"
	}
	return strconv.Itoa(int(s))
}

// Results of MIGRATE_INFO_TYPE (DEN0022, "MIGRATE_INFO_TYPE").
const (
	MigrateUniprocessor       uint32 = 0
	MigrateUniprocessorDenied uint32 = 1
	MigrateNotRequired        uint32 = 2 // no trusted OS that has to be migrated
)

var migrateTypes = [...]string{MigrateUniprocessor: "up-migrate", MigrateUniprocessorDenied: "up-fixed", MigrateNotRequired: "not-required"}

// Feature flags that PSCI_FEATURES returns for CPU_SUSPEND.
const (
	SuspendOSInitiated     uint32 = 1 << 0
	SuspendExtendedStateID uint32 = 1 << 1
)

// Argument x1 of SYSTEM_RESET2 and SYSTEM_OFF2.
const (
	Reset2Warm     uint32 = 0
	Off2Hibernate  uint32 = 1
	SuspendModePC  uint32 = 0 // SET_SUSPEND_MODE: platform coordinated
	SuspendModeOSI uint32 = 1 // SET_SUSPEND_MODE: OS initiated
)
