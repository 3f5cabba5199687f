package secureworld

import (
	"gatehouse/platform/firmware"
)

// PSCI function identifiers (DEN0022, chapter 5). A 64-bit form is the 32-bit one with bit 30 set.
const (
	psciVersion         = 0x8400_0000
	psciCPUSuspend      = 0x8400_0001
	psciCPUOff          = 0x8400_0002
	psciCPUOn           = 0x8400_0003
	psciAffinityInfo    = 0x8400_0004
	psciMigrateInfoType = 0x8400_0006
	psciSystemOff       = 0x8400_0008
	psciSystemReset     = 0x8400_0009
	psciFeatures        = 0x8400_000A
)

// PSCI version 1.1 (DEN0022, 5.1).
const psciVersion11 = 0x1_0001

// PSCI results (DEN0022, 5.2.2).
const (
	psciSuccess        = 0
	psciNotSupported   = -1
	psciInvalidParams  = -2
	psciAlreadyOn      = -4
	psciOnPending      = -5
	psciInvalidAddress = -9
)

// MIGRATE_INFO_TYPE: the Trusted OS needs no migration (DEN0022, 5.9).
const psciNoMigration = 2

// mpidrAffinity is where Aff3 to Aff0 stand in a target_cpu argument; all else must be zero (DEN0022, 5.1.4).
const mpidrAffinity = 0xFF_00FF_FFFF

// Fields of power_state in the original format (DEN0022, 5.4.2).
const (
	powerStateID       = 0xFFFF
	powerStateDown     = 1 << 16
	powerStateLevel    = 3 << 24
	powerStateReserved = 0xFCFE_0000
)

// psci answers a PSCI call. Identifiers whose 64-bit form the specification does not define are unknown.
func (w *World) psci(c firmware.Call, fid uint32, r *firmware.Registers) {
	a1, a2, a3 := r[1], r[2], r[3]
	if fid&fidSMC64 == 0 {
		a1, a2, a3 = uint64(uint32(a1)), uint64(uint32(a2)), uint64(uint32(a3))
	}
	switch fid {
	case psciVersion:
		r[0] = psciVersion11
	case psciFeatures:
		r[0] = word(psciFeature(uint32(a1)))
	case psciCPUOn, psciCPUOn | fidSMC64:
		r[0] = word(w.cpuOn(c, a1, a2, a3))
	case psciAffinityInfo, psciAffinityInfo | fidSMC64:
		r[0] = word(w.affinityInfo(a1, a2))
	case psciCPUSuspend, psciCPUSuspend | fidSMC64:
		r[0] = word(cpuSuspend(uint32(a1)))
	case psciCPUOff:
		w.host.StopCPU(c.CPU)
	case psciMigrateInfoType:
		r[0] = psciNoMigration
	case psciSystemOff:
		w.host.PowerOff()
	case psciSystemReset:
		w.host.Reboot()
	default:
		r[0] = unknownFunction
	}
}

// psciFeature is PSCI_FEATURES (DEN0022, 5.15): 0 for what exists. SMCCC_VERSION is asked for here too.
func psciFeature(fid uint32) int32 {
	switch fid &^ fidSVEHint {
	case psciVersion, psciFeatures, psciCPUOn, psciCPUOn | fidSMC64, psciAffinityInfo, psciAffinityInfo | fidSMC64,
		psciCPUOff, psciMigrateInfoType, psciSystemOff, psciSystemReset, fidSMCCCVersion:
		return 0
	case psciCPUSuspend, psciCPUSuspend | fidSMC64:
		return 0 // platform-coordinated, power_state in the original format
	}
	return psciNotSupported
}

// cpuWith gives the processor with the affinity fields of a target_cpu argument.
func (w *World) cpuWith(target uint64) (int, bool) {
	if target&^mpidrAffinity != 0 {
		return 0, false
	}
	for i := range w.host.NumCPUs() {
		if w.host.MPIDR(i)&mpidrAffinity == target {
			return i, true
		}
	}
	return 0, false
}

// cpuOn is CPU_ON (DEN0022, 5.6). The checks stand in the order target, entry point, state. The entry point must be an
// instruction's address in memory that the normal world has access to.
func (w *World) cpuOn(c firmware.Call, target, entry, context uint64) int32 {
	cpu, ok := w.cpuWith(target)
	if !ok {
		return psciInvalidParams
	}
	if entry&3 != 0 || !w.normalCode(entry) {
		return psciInvalidAddress
	}
	switch w.host.CPUState(cpu) {
	case firmware.CPUOn:
		return psciAlreadyOn
	case firmware.CPUOnPending:
		return psciOnPending
	}
	w.host.StartCPU(cpu, entry, context, c.EL)
	return psciSuccess
}

// normalCode reports whether the normal world can fetch the instruction at addr.
func (w *World) normalCode(addr uint64) bool {
	base, size := w.host.RAM()
	return addr-base < size
}

// affinityInfo is AFFINITY_INFO (DEN0022, 5.7). Levels above 0 are refused, as PSCI 1.0 allows.
func (w *World) affinityInfo(target, level uint64) int32 {
	cpu, ok := w.cpuWith(target)
	if !ok || level != 0 {
		return psciInvalidParams
	}
	return int32(w.host.CPUState(cpu))
}

// cpuSuspend is CPU_SUSPEND (DEN0022, 5.4). There is one state, standby of the calling processor, and a standby may end at
// any time: it ends at once. States that lose the processor's context do not exist.
func cpuSuspend(state uint32) int32 {
	if state&(powerStateReserved|powerStateLevel|powerStateDown|powerStateID) != 0 {
		return psciInvalidParams
	}
	return psciSuccess
}
