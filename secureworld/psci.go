package secureworld

import (
	"gatehouse/platform/firmware"
	"gatehouse/smc"
)

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
func (w *World) psci(c firmware.Call, f smc.Function, r *firmware.Registers) {
	a1, a2, a3 := r[1], r[2], r[3]
	if !f.SMC64() {
		a1, a2, a3 = uint64(uint32(a1)), uint64(uint32(a2)), uint64(uint32(a3))
	}
	switch f {
	case smc.PSCIVersion:
		r[0] = uint64(smc.PSCIVersion1_1)
	case smc.PSCIFeatures:
		r[0] = result32(psciFeature(smc.Function(a1)))
	case smc.PSCICPUOn, smc.PSCICPUOn64:
		r[0] = result32(w.cpuOn(c, a1, a2, a3))
	case smc.PSCIAffinityInfo, smc.PSCIAffinityInfo64:
		r[0] = w.affinityInfo(a1, a2)
	case smc.PSCICPUSuspend, smc.PSCICPUSuspend64:
		r[0] = result32(cpuSuspend(uint32(a1)))
	case smc.PSCICPUOff:
		w.host.StopCPU(c.CPU)
	case smc.PSCIMigrateInfoType:
		r[0] = uint64(smc.MigrateNotRequired)
	case smc.PSCISystemOff:
		w.host.PowerOff()
	case smc.PSCISystemReset:
		w.host.Reboot()
	default:
		r[0] = smc.Unknown
	}
}

// psciFeature is PSCI_FEATURES (DEN0022, 5.15): 0 for what exists. SMCCC_VERSION is asked for here too. For CPU_SUSPEND it says
// platform-coordinated mode and power_state in the original format.
func psciFeature(f smc.Function) smc.PSCIResult {
	switch f.WithoutHint() {
	case smc.PSCIVersion, smc.PSCIFeatures, smc.PSCICPUOn, smc.PSCICPUOn64, smc.PSCIAffinityInfo, smc.PSCIAffinityInfo64,
		smc.PSCICPUOff, smc.PSCIMigrateInfoType, smc.PSCISystemOff, smc.PSCISystemReset, smc.SMCCCVersion,
		smc.PSCICPUSuspend, smc.PSCICPUSuspend64:
		return smc.PSCISuccess
	}
	return smc.PSCINotSupported
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
func (w *World) cpuOn(c firmware.Call, target, entry, context uint64) smc.PSCIResult {
	cpu, ok := w.cpuWith(target)
	if !ok {
		return smc.PSCIInvalidParameters
	}
	if entry&3 != 0 || !w.space.At(entry).State.Accessible() {
		return smc.PSCIInvalidAddress
	}
	switch w.host.CPUState(cpu) {
	case firmware.CPUOn:
		return smc.PSCIAlreadyOn
	case firmware.CPUOnPending:
		return smc.PSCIOnPending
	}
	w.host.StartCPU(cpu, entry, context, c.EL)
	return smc.PSCISuccess
}

// affinityInfo is AFFINITY_INFO (DEN0022, 5.7). Levels above 0 are refused, as PSCI 1.0 allows.
func (w *World) affinityInfo(target, level uint64) uint64 {
	cpu, ok := w.cpuWith(target)
	if !ok || level != 0 {
		return result32(smc.PSCIInvalidParameters)
	}
	return uint64(w.host.CPUState(cpu))
}

// cpuSuspend is CPU_SUSPEND (DEN0022, 5.4). There is one state, standby of the calling processor, and a standby may end at
// any time: it ends at once. States that lose the processor's context do not exist.
func cpuSuspend(state uint32) smc.PSCIResult {
	if state&(powerStateReserved|powerStateLevel|powerStateDown|powerStateID) != 0 {
		return smc.PSCIInvalidParameters
	}
	return smc.PSCISuccess
}
