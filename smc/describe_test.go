package smc

import "testing"

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		regs Registers
		want string
	}{
		{Registers{0x84000000}, "PSCI_VERSION"},
		{Registers{0xC4000003, 1, 0x40080000}, "PSCI_CPU_ON target=0x1 entry=0x40080000 smc64"},
		{Registers{0x84000003, 0xFFFFFFFF00000001, 0x40080000, 7}, "PSCI_CPU_ON target=0x1 entry=0x40080000 context=0x7"},
		{Registers{0x84000002, 0x10000}, "PSCI_CPU_OFF state=0x10000"},
		{Registers{0xC4000001, 1, 2, 3}, "PSCI_CPU_SUSPEND state=0x1 entry=0x2 context=0x3 smc64"},
		{Registers{0xC4000004, 0x100}, "PSCI_AFFINITY_INFO target=0x100 level=0 smc64"},
		{Registers{0x8400000A, 0xC4000001}, "PSCI_FEATURES query=PSCI_CPU_SUSPEND"},
		{Registers{0x8400000A, 0x80000000}, "PSCI_FEATURES query=SMCCC_VERSION"},
		{Registers{0xC4000012, 0, 9}, "PSCI_SYSTEM_RESET2 type=0x0 cookie=0x9 smc64"},
		{Registers{0xC400000E, 0x1000}, "PSCI_SYSTEM_SUSPEND entry=0x1000 smc64"},
		{Registers{0x8400000F, 1}, "PSCI_SET_SUSPEND_MODE mode=1"},
		{Registers{0xC4000005, 3}, "PSCI_MIGRATE target=0x3 smc64"},
		{Registers{0x8400000D, 3, 1}, "PSCI_NODE_HW_STATE target=0x3 level=1"},
		{Registers{0x84000010, 3, 1}, "PSCI_STAT_RESIDENCY target=0x3 state=0x1"},
		{Registers{0x84000013, 1}, "PSCI_MEM_PROTECT enable=1"},
		{Registers{0x84000014, 0x1000, 0x2000}, "PSCI_MEM_PROTECT_CHECK_RANGE base=0x1000 length=0x2000"},
		{Registers{0x80000001, 0x80008000}, "SMCCC_ARCH_FEATURES query=SMCCC_ARCH_WORKAROUND_1"},
		{Registers{0x80000002, 1}, "SMCCC_ARCH_SOC_ID type=1"},
		{Registers{0x80007FFF, 1}, "SMCCC_ARCH_WORKAROUND_2 enable=1"},
		{Registers{0xC4000053, 192}, "TRNG_RND bits=192 smc64"},
		{Registers{0xC4000190, 0x10000}, "RSI_ABI_VERSION version=0x10000"},
		{Registers{0x83000001, 5, 0, 0xFFFFFFFF00000000}, "SMC function=0x83000001 owner=oem x1=0x5"},
		{Registers{0xC2000001, 5, 0, 1 << 32}, "SMC function=0xc2000001 owner=sip x1=0x5 x2=0x0 x3=0x100000000"},
	} {
		name, fields := Describe((*[18]uint64)(&c.regs))
		if got := Format(name, fields); got != c.want {
			t.Errorf("%x:\n got %q\nwant %q", c.regs, got, c.want)
		}
	}
}

func TestDescribeReply(t *testing.T) {
	for _, c := range []struct {
		call Function
		x0   uint64
		want string
	}{
		{PSCIVersion, 0x10001, "PSCI_VERSION version=1.1"},
		{SMCCCVersion, 0x10002, "SMCCC_VERSION version=1.2"},
		{TRNGVersion, Unknown, "TRNG_VERSION NOT_SUPPORTED"},
		{PSCICPUOn64, 0, "PSCI_CPU_ON SUCCESS"},
		{PSCICPUOn64 | SVEHint, PSCIAlreadyOn.X0(), "PSCI_CPU_ON ALREADY_ON"},
		{PSCICPUOn, 0xFFFFFFF7, "PSCI_CPU_ON INVALID_ADDRESS"},
		{PSCIAffinityInfo64, 1, "PSCI_AFFINITY_INFO state=OFF"},
		{PSCIAffinityInfo64, PSCIInvalidParameters.X0(), "PSCI_AFFINITY_INFO INVALID_PARAMETERS"},
		{PSCIMigrateInfoType, 0, "PSCI_MIGRATE_INFO_TYPE type=up-migrate"},
		{PSCIMigrateInfoType, 2, "PSCI_MIGRATE_INFO_TYPE type=not-required"},
		{PSCIMigrateInfoType, 3, "PSCI_MIGRATE_INFO_TYPE 3"},
		{PSCIMigrateInfoType, Unknown, "PSCI_MIGRATE_INFO_TYPE NOT_SUPPORTED"},
		{PSCIFeatures, 0, "PSCI_FEATURES SUCCESS"},
		{PSCIFeatures, Unknown, "PSCI_FEATURES NOT_SUPPORTED"},
		{ArchFeatures, 0, "SMCCC_ARCH_FEATURES SUCCESS"},
		{ArchFeatures, 1, "SMCCC_ARCH_FEATURES value=0x1"},
		{ArchFeatures, NotRequired.X0(), "SMCCC_ARCH_FEATURES NOT_REQUIRED"},
		{TRNGRnd64, 0, "TRNG_RND SUCCESS"},
		{TRNGRnd64, TRNGNoEntropy.X0(), "TRNG_RND NO_ENTROPY"},
		{TRNGFeatures, TRNGNotSupported.X0(), "TRNG_FEATURES NOT_SUPPORTED"},
		{TRNGGetUUID, 0x1234, "TRNG_GET_UUID value=0x1234"},
		{VendorHypUID, Unknown, "VENDOR_HYP_UID NOT_SUPPORTED"},
		{0x83000001, Unknown, "SMC UNKNOWN_FUNCTION"},
		{0x83000001, 4, "SMC x0=0x4"},
	} {
		// Entropy in x1-x3 must not show.
		regs := [18]uint64{c.x0, 0x5EC4E7, 0x5EC4E7, 0x5EC4E7}
		name, fields := DescribeReply(c.call, &regs)
		if got := Format(name, fields); got != c.want {
			t.Errorf("reply to %v: got %q, want %q", c.call, got, c.want)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(uint64(PSCICPUOn64), uint64(1), uint64(2), uint64(3))
	f.Add(uint64(0x83000001), Unknown, Unknown, Unknown)
	f.Fuzz(func(t *testing.T, x0, x1, x2, x7 uint64) {
		regs := [18]uint64{x0, x1, x2, 7: x7}
		name, fields := Describe(&regs)
		if name == "" {
			t.Errorf("%x has no name", regs)
		}
		for _, field := range fields {
			if field.Text == "" {
				t.Errorf("%x: field %q has no text", regs, field.Name)
			}
		}
		if name, _ := DescribeReply(Function(uint32(x1)), &regs); name == "" {
			t.Errorf("reply to %x has no name", x1)
		}
	})
}
