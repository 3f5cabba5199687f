package conform

import (
	"fmt"

	"gatehouse/smc"
)

// The documents that rules cite.
func smcccRule(section string) Rule { return Rule{"DEN0028", section} }
func psciRule(section string) Rule  { return Rule{"DEN0022", section} }
func trngRule(section string) Rule  { return Rule{"DEN0098", section} }
func ffaRule(section string) Rule   { return Rule{"DEN0077A", section} }
func memRule(section string) Rule   { return Rule{"DEN0140", section} }
func tzcRule(section string) Rule   { return Rule{"DDI 0504", section} }
func linuxRule(path, function string) Rule {
	return Rule{"Linux 7.2", path + ", " + function}
}

// isUnknown says that a call does not exist.
func isUnknown(args ...uint64) func(t *T) {
	return func(t *T) { t.expect("calling a function that does not exist", unknown(), args...) }
}

func smcccCases() []Case {
	version := uint64(smc.SMCCCVersion)
	features := uint64(smc.ArchFeatures)
	unknownFunction := smcccRule("Unknown Function Identifier")
	archFeatures := smcccRule("SMCCC_ARCH_FEATURES")
	cases := []Case{
		{Name: "version", Rule: smcccRule("SMCCC_VERSION"),
			Why: "FF-A needs SMCCC 1.2 or later; a version has bit 31 clear.",
			Run: func(t *T) {
				out := t.expect("SMCCC_VERSION", anything(), version)
				t.require(out[0] >= uint64(smc.Version1_2) && out[0] < 2<<16, "SMCCC_VERSION", "x0 = 1.2 or a later 1.x, upper half zero")
			}},
		{Name: "version-through-psci-features", Rule: psciRule("PSCI_FEATURES"),
			Why: "Callers find out through PSCI_FEATURES whether SMCCC_VERSION exists; without it they assume 1.0.", Run: func(t *T) {
				t.expect("PSCI_FEATURES(SMCCC_VERSION)", result(smc.PSCISuccess), uint64(smc.PSCIFeatures), version)
			}},
		{Name: "version-on-second-processor", Rule: smcccRule("SMCCC_VERSION"), Needs: NeedCPUs,
			Why: "All processors have one calling convention.", Run: func(t *T) {
				first := t.call(version)
				t.cpu = 1
				second := t.call(version)
				t.require(first[0] == second[0], "SMCCC_VERSION on another processor", "the same version")
			}},
		{Name: "results-keep-registers", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "Registers that are no results keep their values: Linux's inline calls count on x4 to x17.", Run: func(t *T) {
				args := []uint64{version}
				for i := 1; i < numRegisters; i++ {
					args = append(args, 0xA5A5_0000_0000_0000+uint64(i))
				}
				t.expect("SMCCC_VERSION with values in all registers", anything(), args...)
				args[0] = features
				args[1] = version
				t.expect("ARCH_FEATURES with values in all registers", anything(), args...)
			}},
		{Name: "function-identifier-is-w0", Rule: smcccRule("Function identifiers"),
			Why: "The function identifier is W0; the upper half of X0 does not matter.",
			Run: func(t *T) {
				plain := t.call(version)
				dirty := t.call(version | 0xDEAD_BEEF_0000_0000)
				t.require(plain[0] == dirty[0], "SMCCC_VERSION with bits above w0", "the same answer as without them")
			}},
		{Name: "sve-hint", Rule: smcccRule("SVE, SME and SIMD hint bit"),
			Why: "Bit 16 is a hint and no part of the identifier.",
			Run: func(t *T) {
				plain := t.call(version)
				hint := t.call(version | uint64(smc.SVEHint))
				t.require(plain[0] == hint[0], "SMCCC_VERSION with the hint", "the same answer as without it")
			}},
		{Name: "features-version", Rule: archFeatures, Why: "SMCCC_VERSION exists.", Run: func(t *T) {
			t.expect("ARCH_FEATURES(SMCCC_VERSION)", result(smc.Success), features, version)
		}},
		{Name: "features-features", Rule: archFeatures, Why: "SMCCC_ARCH_FEATURES exists.", Run: func(t *T) {
			t.expect("ARCH_FEATURES(ARCH_FEATURES)", result(smc.Success), features, features)
		}},
		{Name: "features-of-nothing", Rule: archFeatures,
			Why: "A function that does not exist is NOT_SUPPORTED, in 64 bits, because Linux compares the register.",
			Run: func(t *T) { t.expect("ARCH_FEATURES(0x80001234)", unknown(), features, 0x8000_1234) }},
		{Name: "features-of-pv-time", Rule: archFeatures,
			Why: "There is no hypervisor to steal time; Linux compares 64 bits with -1.",
			Run: func(t *T) {
				t.expect("ARCH_FEATURES(PV_TIME_FEATURES)", unknown(), features, uint64(smc.PVTimeFeatures))
			}},
		{Name: "features-argument-is-w1", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "An SMC32 call has the lower halves of its arguments only.", Run: func(t *T) {
				t.expect("ARCH_FEATURES with bits above w1", result(smc.Success), features, version|0xDEAD_BEEF_0000_0000)
			}},
		{Name: "soc-id", Rule: smcccRule("SMCCC_ARCH_SOC_ID"),
			Why: "SOC_ID is either absent or gives version and revision that are not negative.", Run: func(t *T) {
				out := t.expect("ARCH_FEATURES(SOC_ID)", result(smc.Success, smc.NotSupported), features, uint64(smc.ArchSOCID))
				if int32(out[0]) < 0 {
					t.expect("SOC_ID that was not announced", unknown(), uint64(smc.ArchSOCID), 0)
					return
				}
				for i := range uint64(2) {
					out := t.expect("SOC_ID", anything(), uint64(smc.ArchSOCID), i)
					t.require(int32(out[0]) >= 0, "SOC_ID", "w0 not negative")
				}
				t.expect("SOC_ID of an unknown type", result(smc.InvalidParameter), uint64(smc.ArchSOCID), 7)
			}},
	}
	for _, w := range []struct {
		name     string
		function smc.Function
		allowed  Want
	}{
		{"workaround-1", smc.ArchWorkaround1, result(smc.Success, smc.NotSupported).or(returns("1", 1))},
		{"workaround-2", smc.ArchWorkaround2, result(smc.Success, smc.NotSupported, smc.NotRequired).or(returns("1", 1))},
		{"workaround-3", smc.ArchWorkaround3, result(smc.Success, smc.NotSupported).or(returns("1", 1))},
	} {
		cases = append(cases, Case{Name: w.name, Rule: archFeatures,
			Why: "The call is announced before it is made; where it is, it exists.",
			Run: func(t *T) {
				out := t.expect("ARCH_FEATURES", w.allowed, features, uint64(w.function))
				if int32(out[0]) < 0 {
					t.expect("a workaround that was not announced", unknown(), uint64(w.function))
					return
				}
				t.expect("the workaround", anything(), uint64(w.function))
			}})
	}
	for _, u := range []struct {
		name     string
		function uint64
		why      string
	}{
		{"arch", 0x8000_00FF, "No such architecture call."},
		{"arch-smc64", 0xC000_0000, "SMCCC_VERSION has no 64-bit form."},
		{"cpu", uint64(smc.CPUWorkaround4193714), "The workaround is for processors that this is not."},
		{"sip", 0x8200_0000, "No silicon provider service."},
		{"oem", 0x8300_0000, "No OEM service."},
		{"hypervisor", 0x8500_0001, "No hypervisor answers an SMC."},
		{"vendor-hypervisor", uint64(smc.VendorHypUID), "An answer would make Linux believe in KVM or Hyper-V."},
		{"trusted-application", 0xB000_0000, "No trusted application calls."},
		{"rsi", uint64(smc.RSIABIVersion), "An answer other than -1 in 64 bits makes Linux believe that it runs in a realm."},
		{"sdei", 0xC400_0020, "No SDEI."},
		{"yielding", 0x0200_0000, "No yielding calls of this owner."},
		{"yielding-standard", 0x0400_0000, "PSCI calls are fast calls."},
		{"zero", 0, "Identifier 0 is a yielding call of owner 0."},
		{"all-ones", 0xFFFF_FFFF, "Reserved bits of a fast call must be zero."},
		{"reserved-bits", 0x8002_0000, "Bits 23 to 17 of a fast call must be zero."},
	} {
		cases = append(cases, Case{Name: "unknown-" + u.name, Rule: unknownFunction,
			Why: u.why + " The answer is -1 in all of x0.", Run: isUnknown(u.function)})
	}
	return there(func(t *T) {
		out := t.call(version)
		t.require(out[0] >= uint64(smc.Version1_0) && out[0] < 2<<16, "SMCCC_VERSION", "x0 = 1.x, upper half zero")
	}, append(cases, trngCases()...))
}

// trng skips the case where there is no TRNG.
func (t *T) trng() {
	out := t.expect("TRNG_VERSION", anything(), uint64(smc.TRNGVersion))
	if int32(out[0]) == int32(smc.TRNGNotSupported) {
		t.skip("the target has no TRNG")
	}
	t.require(out[0] >= 0x1_0000 && out[0]>>31 == 0, "TRNG_VERSION", "x0 = 1.0 or later, or NOT_SUPPORTED")
}

func trngCases() []Case {
	bits := func(function smc.Function, n uint64) []uint64 { return []uint64{uint64(function), n} }
	entropy := smc.TRNGSuccess
	return []Case{
		{Name: "trng-version", Rule: trngRule("TRNG_VERSION"), Why: "Version 1.0 or later, or NOT_SUPPORTED.", Run: (*T).trng},
		{Name: "trng-features", Rule: trngRule("TRNG_FEATURES"),
			Why: "All functions of the interface are there or none.",
			Run: func(t *T) {
				t.trng()
				for _, f := range []smc.Function{smc.TRNGVersion, smc.TRNGFeatures, smc.TRNGGetUUID, smc.TRNGRnd32, smc.TRNGRnd64} {
					out := t.expect(fmt.Sprintf("TRNG_FEATURES(%v)", f), anything(), uint64(smc.TRNGFeatures), uint64(f))
					t.require(int32(out[0]) >= 0, "TRNG_FEATURES", "not negative")
				}
				t.expect("TRNG_FEATURES of nothing", result(smc.TRNGNotSupported), uint64(smc.TRNGFeatures), 0x8400_005F)
			}},
		{Name: "trng-uuid", Rule: trngRule("TRNG_GET_UUID"),
			Why: "A UUID in four words, the first of which is not -1.",
			Run: func(t *T) {
				t.trng()
				out := t.expect("TRNG_GET_UUID", anything(), uint64(smc.TRNGGetUUID))
				ok := out[0] != 0xFFFF_FFFF && out[0]|out[1]|out[2]|out[3] != 0
				for _, v := range out[:4] {
					ok = ok && v>>32 == 0
				}
				t.require(ok, "TRNG_GET_UUID", "four words, not -1 and not all zero")
			}},
		{Name: "trng-no-bits", Rule: trngRule("TRNG_RND"), Why: "At least one bit has to be asked for.", Run: func(t *T) {
			t.trng()
			t.expect("TRNG_RND32 of 0 bits", result(smc.TRNGInvalidParameters), bits(smc.TRNGRnd32, 0)...)
			t.expect("TRNG_RND64 of 0 bits", result(smc.TRNGInvalidParameters), bits(smc.TRNGRnd64, 0)...)
		}},
		{Name: "trng-too-many-bits", Rule: trngRule("TRNG_RND"),
			Why: "96 bits is the most in 32-bit registers, 192 in 64-bit ones.",
			Run: func(t *T) {
				t.trng()
				t.expect("TRNG_RND32 of 97 bits", result(smc.TRNGInvalidParameters), bits(smc.TRNGRnd32, smc.TRNGMaxBits32+1)...)
				t.expect("TRNG_RND64 of 193 bits", result(smc.TRNGInvalidParameters), bits(smc.TRNGRnd64, smc.TRNGMaxBits64+1)...)
				t.expect("TRNG_RND64 of 2^32 bits", result(smc.TRNGInvalidParameters), bits(smc.TRNGRnd64, 1<<32)...)
			}},
		{Name: "trng-unused-bits", Rule: trngRule("TRNG_RND"),
			Why: "Bits beyond those asked for are zero; the least significant ones are in x3.",
			Run: func(t *T) {
				t.trng()
				for _, n := range []uint64{1, 31, 32, 33, 64, 95, 96} {
					out := t.expect("TRNG_RND32", returns("x0 = SUCCESS", uint64(entropy)), bits(smc.TRNGRnd32, n)...)
					for i := range uint64(3) {
						limit := uint64(0)
						if n > 32*i {
							limit = ^uint64(0) >> (64 - min(32, n-32*i))
						}
						t.require(out[3-i]&^limit == 0, fmt.Sprintf("TRNG_RND32 of %d bits", n), fmt.Sprintf("x%d within %#x", 3-i, limit))
					}
				}
			}},
		{Name: "trng-differs", Rule: trngRule("TRNG_RND"), Why: "Random bits are not the same twice.", Run: func(t *T) {
			t.trng()
			ok := returns("x0 = SUCCESS", uint64(entropy))
			a := t.expect("TRNG_RND64", ok, bits(smc.TRNGRnd64, smc.TRNGMaxBits64)...)
			b := t.expect("TRNG_RND64 again", ok, bits(smc.TRNGRnd64, smc.TRNGMaxBits64)...)
			for i := 1; i <= 3; i++ {
				t.require(a[i] != b[i], "TRNG_RND64", fmt.Sprintf("another x%d than before", i))
			}
		}},
	}
}
