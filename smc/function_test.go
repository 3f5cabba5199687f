package smc

import (
	"fmt"
	"testing"
)

func TestFunctionFields(t *testing.T) {
	for _, c := range []struct {
		f           Function
		fast, smc64 bool
		owner       Owner
		number      uint16
	}{
		{0x80000000, true, false, OwnerArch, 0},
		{0xC4000003, true, true, OwnerStandard, 3},
		{0x84000060, true, false, OwnerStandard, 0x60},
		{0x32000004, false, false, OwnerTrustedOSFirst, 4},
		{0xBF00FF01, true, false, OwnerTrustedOSLast, NumberCallUID},
		{0x8600FF01, true, false, OwnerVendorHyp, 0xFF01},
		{0xC5000020, true, true, OwnerStandardHyp, 0x20},
	} {
		if c.f.Fast() != c.fast || c.f.SMC64() != c.smc64 || c.f.Owner() != c.owner || c.f.Number() != c.number {
			t.Errorf("%#x: fast %v smc64 %v owner %d number %#x",
				uint32(c.f), c.f.Fast(), c.f.SMC64(), c.f.Owner(), c.f.Number())
		}
		if m := MakeFunction(c.fast, c.smc64, c.owner, c.number); m != c.f {
			t.Errorf("MakeFunction = %#x, want %#x", uint32(m), uint32(c.f))
		}
	}
}

func TestSVEHint(t *testing.T) {
	f := Function(0xC4010003)
	if !f.Hint() || f.WithoutHint() != PSCICPUOn64 || PSCICPUOn64.Hint() {
		t.Errorf("hint of %#x", uint32(f))
	}
	r := Registers{0: 0xFFFF_FFFF_C401_0003}
	if r.Function() != PSCICPUOn64 || f.String() != "PSCI_CPU_ON" || !f.Known() {
		t.Errorf("%v, %v", r.Function(), f)
	}
}

func TestArgumentsOfSMC32AreNarrow(t *testing.T) {
	r := Registers{uint64(PSCICPUOn), 0xFFFFFFFF_00000001, 5}
	if r.Arg(1) != 1 || r.W(1) != 1 {
		t.Errorf("SMC32 argument %#x", r.Arg(1))
	}
	r[0] = uint64(PSCICPUOn64)
	if r.Arg(1) != 0xFFFFFFFF_00000001 || r.W(1) != 1 {
		t.Errorf("SMC64 argument %#x", r.Arg(1))
	}
}

func TestOwnerNames(t *testing.T) {
	for o, want := range map[Owner]string{
		0: "arch", 1: "cpu", 2: "sip", 3: "oem", 4: "standard", 5: "standard-hyp", 6: "vendor-hyp", 7: "reserved-7",
		47: "reserved-47", 48: "trusted-app", 49: "trusted-app", 50: "trusted-os", 63: "trusted-os", 64: "owner-64",
	} {
		if o.String() != want {
			t.Errorf("owner %d is %q, want %q", uint8(o), o, want)
		}
	}
}

// The PSCI list, written a second time as number, name and whether an SMC64 form exists.
func TestPSCIFunctions(t *testing.T) {
	list := []struct {
		name  string
		has64 bool
	}{
		{"VERSION", false}, {"CPU_SUSPEND", true}, {"CPU_OFF", false}, {"CPU_ON", true}, {"AFFINITY_INFO", true},
		{"MIGRATE", true}, {"MIGRATE_INFO_TYPE", false}, {"MIGRATE_INFO_UP_CPU", true}, {"SYSTEM_OFF", false},
		{"SYSTEM_RESET", false}, {"FEATURES", false}, {"CPU_FREEZE", false}, {"CPU_DEFAULT_SUSPEND", true},
		{"NODE_HW_STATE", true}, {"SYSTEM_SUSPEND", true}, {"SET_SUSPEND_MODE", false}, {"STAT_RESIDENCY", true},
		{"STAT_COUNT", true}, {"SYSTEM_RESET2", true}, {"MEM_PROTECT", false}, {"MEM_PROTECT_CHECK_RANGE", true},
		{"SYSTEM_OFF2", true},
	}
	for n := range Function(0x30) {
		for _, f := range []Function{0x84000000 + n, 0xC4000000 + n} {
			want := fmt.Sprintf("%#x", uint32(f))
			known := int(n) < len(list) && (!f.SMC64() || list[n].has64)
			if known {
				want = "PSCI_" + list[n].name
			}
			if f.String() != want || f.Known() != known || f.IsPSCI() != (n < 0x20) {
				t.Errorf("%#x is %q, known %v, PSCI %v; want %q", uint32(f), f, f.Known(), f.IsPSCI(), want)
			}
		}
	}
	if f := Function(0x04000000); f.IsPSCI() {
		t.Error("a yielding call counts as PSCI")
	}
	for f, want := range map[Function]uint32{
		PSCICPUOn64: 0xC4000003, PSCISystemOff: 0x84000008, PSCISystemReset2_64: 0xC4000012, PSCISystemOff2: 0x84000015,
		PSCIMemProtectCheckRange64: 0xC4000014, PSCIStatCount64: 0xC4000011, PSCISetSuspendMode: 0x8400000F,
	} {
		if uint32(f) != want {
			t.Errorf("%v = %#x, want %#x", f, uint32(f), want)
		}
	}
}

func TestOtherFunctionNames(t *testing.T) {
	for f, want := range map[Function]string{
		0x80000000: "SMCCC_VERSION", 0x80000001: "SMCCC_ARCH_FEATURES", 0x80000002: "SMCCC_ARCH_SOC_ID",
		0xC0000002: "SMCCC_ARCH_SOC_ID", 0x80008000: "SMCCC_ARCH_WORKAROUND_1", 0x80007FFF: "SMCCC_ARCH_WORKAROUND_2",
		0x80003FFF: "SMCCC_ARCH_WORKAROUND_3", 0x81000010: "CPU_WORKAROUND_4193714", 0xC5000020: "PV_TIME_FEATURES",
		0x8600FF01: "VENDOR_HYP_UID", 0xC4000190: "RSI_ABI_VERSION", 0x84000050: "TRNG_VERSION",
		0x84000051: "TRNG_FEATURES", 0x84000052: "TRNG_GET_UUID", 0x84000053: "TRNG_RND", 0xC4000053: "TRNG_RND",
		0x80000003: "0x80000003", 0xC4000050: "0xc4000050",
	} {
		if f.String() != want {
			t.Errorf("%#x is %q, want %q", uint32(f), f, want)
		}
	}
}

func TestResults(t *testing.T) {
	for r, want := range map[PSCIResult]string{
		0: "SUCCESS", -1: "NOT_SUPPORTED", -2: "INVALID_PARAMETERS", -3: "DENIED", -4: "ALREADY_ON", -5: "ON_PENDING",
		-6: "INTERNAL_FAILURE", -7: "NOT_PRESENT", -8: "DISABLED", -9: "INVALID_ADDRESS", -10: "-10", 1: "1",
		-2147483648: "-2147483648",
	} {
		if r.String() != want {
			t.Errorf("PSCI %d is %q, want %q", int32(r), r, want)
		}
	}
	for r, want := range map[Result]string{
		0: "SUCCESS", -1: "NOT_SUPPORTED", -2: "NOT_REQUIRED", -3: "INVALID_PARAMETER", -4: "-4",
	} {
		if r.String() != want {
			t.Errorf("SMCCC %d is %q, want %q", int32(r), r, want)
		}
	}
	for r, want := range map[TRNGResult]string{
		0: "SUCCESS", -1: "NOT_SUPPORTED", -2: "INVALID_PARAMETERS", -3: "NO_ENTROPY", -4: "-4",
	} {
		if r.String() != want {
			t.Errorf("TRNG %d is %q, want %q", int32(r), r, want)
		}
	}
	for s, want := range map[AffinityState]string{0: "ON", 1: "OFF", 2: "ON_PENDING", 3: "3"} {
		if s.String() != want {
			t.Errorf("affinity %d is %q, want %q", uint32(s), s, want)
		}
	}
}

// Callers compare x0 with an unsigned long of -1: every bit has to be set.
func TestMinusOneIsAllOnes(t *testing.T) {
	for name, x0 := range map[string]uint64{
		"Unknown": Unknown, "UnknownReply": UnknownReply()[0], "NotSupported": NotSupported.X0(),
		"PSCINotSupported": PSCINotSupported.X0(), "TRNGNotSupported": TRNGNotSupported.X0(),
	} {
		if x0 != 1<<64-1 {
			t.Errorf("%s = %#x", name, x0)
		}
	}
	if PSCIAlreadyOn.X0() != 0xFFFFFFFF_FFFFFFFC || uint32(PSCIAlreadyOn.X0()) != 0xFFFFFFFC {
		t.Errorf("ALREADY_ON = %#x", PSCIAlreadyOn.X0())
	}
}

func TestUUIDEncodings(t *testing.T) {
	const text = "486178e0-e7f8-11e3-bc5e-0002a5d5c51b"
	u, err := ParseUUID(text)
	if err != nil {
		t.Fatal(err)
	}
	octets := UUID{0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b}
	ffa := [4]uint32{0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5}
	words := [4]uint32{0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b}
	if u != octets || u.FFAWords() != ffa || u.SMCWords() != words || u.String() != text {
		t.Errorf("%x: FF-A %#x, SMC %#x, text %s", u, u.FFAWords(), u.SMCWords(), u)
	}
	if UUIDFromFFAWords(ffa) != u || UUIDFromSMCWords(words) != u {
		t.Errorf("back from words: %v, %v", UUIDFromFFAWords(ffa), UUIDFromSMCWords(words))
	}
	if u.IsNil() || !(UUID{}).IsNil() {
		t.Error("IsNil")
	}
	for _, s := range []string{"", text[1:], text + "0", "486178e0ee7f8-11e3-bc5e-0002a5d5c51b", "48617xe0-e7f8-11e3-bc5e-0002a5d5c51b"} {
		if u, err := ParseUUID(s); err == nil {
			t.Errorf("ParseUUID(%q) = %v", s, u)
		}
	}
}

func FuzzUUID(f *testing.F) {
	f.Add("486178e0-e7f8-11e3-bc5e-0002a5d5c51b")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUUID(s)
		if err != nil {
			return
		}
		again, err := ParseUUID(u.String())
		if err != nil || again != u {
			t.Errorf("%q becomes %v, %v", s, again, err)
		}
		if UUIDFromFFAWords(u.FFAWords()) != u || UUIDFromSMCWords(u.SMCWords()) != u {
			t.Errorf("%v does not survive its words", u)
		}
	})
}
