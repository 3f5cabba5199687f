package conform

import (
	"encoding/binary"
	"fmt"

	"gatehouse/smc"
)

// noAffinity is an affinity that no processor has; reservedAffinity has a bit that must be zero (DEN0022, target_cpu).
const (
	noAffinity       = 0x00_00FE_FEFE
	reservedAffinity = 1 << 31
)

// The program that a processor starts with in the cases: it stores x0, CurrentEL, SCTLR_EL1 and MPIDR_EL1 behind itself and waits.
var program = [...]uint32{
	0x1000_0101, // adr x1, 20
	0xD538_4242, // mrs x2, currentel
	0xD538_1003, // mrs x3, sctlr_el1
	0xD538_00A4, // mrs x4, mpidr_el1
	0xA900_0820, // stp x0, x2, [x1]
	0xA901_1023, // stp x3, x4, [x1, #16]
	0xD503_207F, // wfi
	0x17FF_FFFF, // b 18
}

const programResults = 32

// programAt places the program.
func (t *T) programAt(addr uint64) {
	t.write(addr, codeBytes(program[:]))
}

// started reads what the program stored: x0, CurrentEL, SCTLR_EL1 and MPIDR_EL1.
func (t *T) started(addr uint64) (r [4]uint64) {
	b := t.read(addr+programResults, 32)
	for i := range r {
		r[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return r
}

// runTime is virtual time, in ns, in which the program is over many times.
const runTime = 100_000

// runs lets the machine run; it must not power off.
func (t *T) runs() {
	off, err := t.target.Run(runTime)
	if err != nil || off {
		t.failf("a machine that runs", "after the call: powered off %v, error %v", off, err)
	}
	t.note("the machine ran for %d ns", runTime)
}

// systemReset resets the machine with PSCI. The kernel starts anew as well.
func (t *T) systemReset() {
	t.call(uint64(smc.PSCISystemReset))
	t.runs()
	t.place(t.RAM)
}

func (t *T) cpuOn(what string, w Want, target, entry, context uint64) {
	t.expect(what, w, uint64(smc.PSCICPUOn64), target, entry, context)
}

// affinity expects a state of a processor.
func (t *T) affinity(what string, w Want, target uint64) {
	t.expect(what, w, uint64(smc.PSCIAffinityInfo64), target, 0)
}

func psciCases() []Case {
	on := result(smc.PSCISuccess)
	stateOn, stateOff := returns("ON", uint64(smc.AffinityOn)), returns("OFF", uint64(smc.AffinityOff))
	pending := returns("ON_PENDING", uint64(smc.AffinityOnPending))
	invalid, badAddress := result(smc.PSCIInvalidParameters), result(smc.PSCIInvalidAddress)
	cpuOn, info := psciRule("CPU_ON"), psciRule("AFFINITY_INFO")
	cases := []Case{
		{Name: "version", Rule: psciRule("PSCI_VERSION"), Why: "Linux looks for features from 1.0 on.", Run: func(t *T) {
			out := t.expect("PSCI_VERSION", anything(), uint64(smc.PSCIVersion))
			t.require(out[0] >= uint64(smc.PSCIVersion1_0) && out[0] < 2<<16, "PSCI_VERSION", "1.x")
		}},
		{Name: "sve-hint", Rule: smcccRule("SVE, SME and SIMD hint bit"),
			Why: "Linux sets the hint on calls from SMCCC 1.3 on.",
			Run: func(t *T) {
				plain := t.call(uint64(smc.PSCIVersion))
				hint := t.call(uint64(smc.PSCIVersion | smc.SVEHint))
				t.require(plain[0] == hint[0], "PSCI_VERSION with the hint", "the same answer as without it")
			}},
		{Name: "keeps-registers", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "Only x0 to x3 may change.",
			Run: func(t *T) {
				args := []uint64{uint64(smc.PSCIVersion)}
				for i := 1; i < numRegisters; i++ {
					args = append(args, 0xA5A5_0000_0000_0000+uint64(i))
				}
				t.expect("PSCI_VERSION with values in all registers", anything(), args...)
			}},
		{Name: "migrate-info-type", Rule: psciRule("MIGRATE_INFO_TYPE"),
			Why: "OP-TEE is not bound to a processor: 2, or NOT_SUPPORTED.",
			Run: func(t *T) {
				t.expect("MIGRATE_INFO_TYPE", returns("2", uint64(smc.MigrateNotRequired)).or(result(smc.PSCINotSupported)), uint64(smc.PSCIMigrateInfoType))
			}},
		{Name: "no-migrate", Rule: psciRule("MIGRATE"), Why: "What needs no migration cannot be migrated.", Run: func(t *T) {
			t.expect("MIGRATE", result(smc.PSCINotSupported), uint64(smc.PSCIMigrate64), t.MPIDR[0])
		}},
		{Name: "version-has-no-smc64-form", Rule: psciRule("Function prototypes"),
			Why: "PSCI_VERSION is an SMC32 call only.",
			Run: func(t *T) {
				t.expect("PSCI_VERSION as SMC64", result(smc.PSCINotSupported), 0xC400_0000)
			}},
		{Name: "unannounced-functions", Rule: psciRule("PSCI_FEATURES"),
			Why: "A function that PSCI_FEATURES does not announce is NOT_SUPPORTED when it is called.",
			Run: func(t *T) {
				for n := uint64(0); n < 0x20; n++ {
					for _, f := range []uint64{0x8400_0000 + n, 0xC400_0000 + n} {
						out := t.call(uint64(smc.PSCIFeatures), f)
						if int32(out[0]) == int32(smc.PSCINotSupported) {
							t.expect("a function that was not announced", result(smc.PSCINotSupported), f, 0, 0, 0)
						}
					}
				}
			}},
		{Name: "features-of-nothing", Rule: psciRule("PSCI_FEATURES"),
			Why: "NOT_SUPPORTED for a function that does not exist.",
			Run: func(t *T) {
				for _, f := range []uint64{0x8400_001F, 0xC400_0000, 0x8400_0063, 0x8000_1234, 0} {
					t.expect("PSCI_FEATURES of what is no PSCI function", result(smc.PSCINotSupported), uint64(smc.PSCIFeatures), f)
				}
			}},
		{Name: "features-of-cpu-suspend", Rule: psciRule("PSCI_FEATURES"),
			Why: "Bits 31 to 2 of the flags of CPU_SUSPEND are reserved.",
			Run: func(t *T) {
				out := t.expect("PSCI_FEATURES(CPU_SUSPEND)", anything(), uint64(smc.PSCIFeatures), uint64(smc.PSCICPUSuspend64))
				t.require(int32(out[0]) == -1 || uint32(out[0])&^3 == 0, "PSCI_FEATURES(CPU_SUSPEND)", "bits 1:0 only, or NOT_SUPPORTED")
			}},
		{Name: "affinity-info-of-caller", Rule: info, Why: "A processor that calls is on.", Run: func(t *T) {
			t.affinity("AFFINITY_INFO of the caller", stateOn, t.MPIDR[0])
			t.expect("AFFINITY_INFO, SMC32", stateOn, uint64(smc.PSCIAffinityInfo), t.MPIDR[0], 0)
		}},
		{Name: "affinity-info-of-secondary", Rule: info, Needs: NeedCPUs,
			Why: "Only the boot processor is on after a cold reset.",
			Run: func(t *T) {
				for _, m := range t.MPIDR[1:] {
					t.affinity("AFFINITY_INFO of a secondary", stateOff, m)
				}
			}},
		{Name: "affinity-info-of-nobody", Rule: info,
			Why: "An affinity that no processor has is INVALID_PARAMETERS.",
			Run: func(t *T) {
				t.affinity("AFFINITY_INFO of nobody", invalid, noAffinity)
				t.affinity("AFFINITY_INFO with reserved bits", invalid, t.MPIDR[0]|reservedAffinity)
			}},
		{Name: "affinity-info-level", Rule: info, Why: "There is no affinity level 4.", Run: func(t *T) {
			t.expect("AFFINITY_INFO of level 4", invalid, uint64(smc.PSCIAffinityInfo64), t.MPIDR[0], 4)
		}},
		{Name: "affinity-info-upper-half", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The SMC32 form has the lower halves of its arguments only.", Run: func(t *T) {
				t.expect("AFFINITY_INFO with bits above w1 and w2", stateOn, uint64(smc.PSCIAffinityInfo), t.MPIDR[0]|0xDEAD<<48, 0xBEEF<<32)
			}},
		{Name: "cpu-on-already-on", Rule: cpuOn, Why: "The caller itself is on.", Run: func(t *T) {
			t.cpuOn("CPU_ON of the caller", result(smc.PSCIAlreadyOn), t.MPIDR[0], t.buf, 0)
		}},
		{Name: "cpu-on-nobody", Rule: cpuOn, Why: "An affinity that no processor has is INVALID_PARAMETERS.", Run: func(t *T) {
			t.cpuOn("CPU_ON of nobody", invalid, noAffinity, t.buf, 0)
			t.cpuOn("CPU_ON with reserved bits", invalid, t.MPIDR[len(t.MPIDR)-1]|reservedAffinity, t.buf, 0)
		}},
		{Name: "cpu-on", Rule: cpuOn, Needs: NeedCPUs,
			Why: "The processor is on, or on its way, and cannot be switched on again.",
			Run: func(t *T) {
				t.programAt(t.buf)
				t.cpuOn("CPU_ON", on, t.MPIDR[1], t.buf, 0)
				t.affinity("AFFINITY_INFO after CPU_ON", stateOn.or(pending), t.MPIDR[1])
				t.cpuOn("CPU_ON again", result(smc.PSCIAlreadyOn, smc.PSCIOnPending), t.MPIDR[1], t.buf, 0)
			}},
		{Name: "cpu-on-smc32", Rule: cpuOn, Needs: NeedCPUs,
			Why: "The SMC32 form has the lower halves of its arguments only.",
			Run: func(t *T) {
				t.programAt(t.buf)
				t.expect("CPU_ON, SMC32, with bits above", on, uint64(smc.PSCICPUOn), t.MPIDR[1]|0xDEAD<<48, t.buf|0xBEEF<<48, 0)
				t.affinity("AFFINITY_INFO after CPU_ON", stateOn.or(pending), t.MPIDR[1])
			}},
		{Name: "cpu-on-starts", Rule: psciRule("CPU_ON, initial core configuration"), Needs: NeedCPUs | NeedRun,
			Why: "The processor starts at the entry point in the caller's exception level, MMU and caches off, with the context identifier in x0.", Run: func(t *T) {
				const context = 0x1122_3344_5566_7788
				t.programAt(t.buf)
				t.cpuOn("CPU_ON", on, t.MPIDR[1], t.buf, context)
				t.runs()
				got := t.started(t.buf)
				t.affinity("AFFINITY_INFO once it runs", stateOn, t.MPIDR[1])
				switch {
				case got[0] != context:
					t.failf("x0 = the context identifier", "x0 at the entry point is %#x, not %#x", got[0], uint64(context))
				case got[1] != 1<<2:
					t.failf("CurrentEL = EL1", "CurrentEL at the entry point is %#x", got[1])
				case got[2]&0x1005 != 0:
					t.failf("SCTLR_EL1.{I,C,M} = 0", "SCTLR_EL1 at the entry point is %#x", got[2])
				case got[3]&0xFF_00FF_FFFF != t.MPIDR[1]:
					t.failf("MPIDR_EL1 of the target", "MPIDR_EL1 at the entry point is %#x, not %#x", got[3], t.MPIDR[1])
				}
			}},
		{Name: "cpu-on-smc32-context", Rule: cpuOn, Needs: NeedCPUs | NeedRun,
			Why: "The SMC32 form passes 32 bits of context, zero-extended.",
			Run: func(t *T) {
				t.programAt(t.buf)
				t.expect("CPU_ON, SMC32", on, uint64(smc.PSCICPUOn), t.MPIDR[1], t.buf, 0x1122_3344_5566_7788)
				t.runs()
				if got := t.started(t.buf); got[0] != 0x5566_7788 {
					t.failf("x0 = the lower half of the context identifier", "x0 at the entry point is %#x", got[0])
				}
			}},
		{Name: "cpu-off", Rule: psciRule("CPU_OFF"), Needs: NeedCPUs,
			Why: "A processor that switched itself off is off, and can be switched on again.",
			Run: func(t *T) {
				t.programAt(t.buf)
				t.cpuOn("CPU_ON", on, t.MPIDR[1], t.buf, 0)
				t.cpu = 1
				t.call(uint64(smc.PSCICPUOff), 0x1_0000)
				t.cpu = 0
				t.affinity("AFFINITY_INFO after CPU_OFF", stateOff, t.MPIDR[1])
				t.cpuOn("CPU_ON after CPU_OFF", on, t.MPIDR[1], t.buf, 0)
			}},
		{Name: "cpu-suspend-standby", Rule: psciRule("CPU_SUSPEND"),
			Why: "Standby may end at any time, and then is a success; without such a state it is INVALID_PARAMETERS.",
			Run: func(t *T) {
				t.expect("CPU_SUSPEND, state 0", result(smc.PSCISuccess, smc.PSCIInvalidParameters, smc.PSCINotSupported), uint64(smc.PSCICPUSuspend64), 0, t.buf, 0)
				t.affinity("AFFINITY_INFO of the caller", stateOn, t.MPIDR[0])
			}},
		{Name: "cpu-suspend-reserved", Rule: psciRule("CPU_SUSPEND"),
			Why: "Reserved bits of power_state are INVALID_PARAMETERS, or there is no CPU_SUSPEND.",
			Run: func(t *T) {
				t.expect("CPU_SUSPEND with reserved bits", result(smc.PSCIInvalidParameters, smc.PSCINotSupported), uint64(smc.PSCICPUSuspend64), 1<<30, t.buf, 0)
			}},
		{Name: "system-off", Rule: psciRule("SYSTEM_OFF"), Needs: NeedRun, Why: "The machine is off.", Run: func(t *T) {
			t.call(uint64(smc.PSCISystemOff))
			if off, err := t.target.Run(runTime); !off || err != nil {
				t.failf("a machine that is off", "after SYSTEM_OFF: powered off %v, error %v", off, err)
			}
		}},
		{Name: "system-reset", Rule: psciRule("SYSTEM_RESET"), Needs: NeedRun,
			Why: "The machine starts anew: secondary processors are off.",
			Run: func(t *T) {
				if len(t.MPIDR) > 1 {
					t.programAt(t.buf)
					t.cpuOn("CPU_ON", on, t.MPIDR[1], t.buf, 0)
				}
				t.systemReset()
				t.affinity("AFFINITY_INFO of the boot processor", stateOn, t.MPIDR[0])
				for _, m := range t.MPIDR[1:] {
					t.affinity("AFFINITY_INFO of a secondary", stateOff, m)
				}
			}},
	}
	for _, f := range []smc.Function{
		smc.PSCIVersion, smc.PSCIFeatures, smc.PSCICPUOn, smc.PSCICPUOn64, smc.PSCIAffinityInfo, smc.PSCIAffinityInfo64, smc.PSCICPUOff,
		smc.PSCICPUSuspend, smc.PSCICPUSuspend64, smc.PSCISystemOff, smc.PSCISystemReset,
	} {
		cases = append(cases, Case{Name: fmt.Sprintf("features-%#x", uint32(f)), Rule: psciRule("PSCI_FEATURES"),
			Why: f.String() + " is mandatory from PSCI 1.0 on.", Run: func(t *T) {
				out := t.expect("PSCI_FEATURES", anything(), uint64(smc.PSCIFeatures), uint64(f))
				t.require(int32(out[0]) >= 0, "PSCI_FEATURES", "not negative")
			}})
	}
	for _, e := range []struct {
		name, why string
		needs     Need
		entry     func(t *T) uint64
	}{
		{"misaligned", "No instruction stands at an address that is no multiple of 4.", 0, func(t *T) uint64 { return t.buf + 2 }},
		{"device", "A device is no memory.", 0, func(t *T) uint64 { return t.Device }},
		{"beyond-memory", "Nothing is there.", 0, func(t *T) uint64 { return t.End }},
		{"wild", "Nothing is there.", 0, func(*T) uint64 { return 1<<63 | 0x1000 }},
		{"secure-memory", "The normal world cannot execute there.", NeedSecureRAM, func(t *T) uint64 { return t.SecureRAM.Base }},
		{"lent-memory", "The normal world gave that memory away.", NeedFFA | NeedFirewall, func(t *T) uint64 {
			t.startFFA()
			t.lend(t.pool, poolPages)
			return t.pool
		}},
	} {
		cases = append(cases, Case{Name: "cpu-on-entry-" + e.name, Rule: cpuOn, Needs: e.needs | NeedCPUs,
			Why: e.why + " The entry point is INVALID_ADDRESS, and the processor stays off.", Run: func(t *T) {
				entry := e.entry(t)
				t.cpuOn("CPU_ON", badAddress, t.MPIDR[1], entry, 0)
				t.affinity("AFFINITY_INFO after a refused CPU_ON", stateOff, t.MPIDR[1])
				t.programAt(t.buf)
				t.cpuOn("CPU_ON at a good address", on, t.MPIDR[1], t.buf, 0)
			}})
	}
	cases = append(cases, linuxBoot())
	return there(func(t *T) {
		out := t.call(uint64(smc.PSCIVersion))
		t.require(out[0] >= uint64(smc.PSCIVersion0_2) && out[0] < 2<<16, "PSCI_VERSION", "0.2 or 1.x")
	}, cases)
}
