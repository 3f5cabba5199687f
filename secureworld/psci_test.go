package secureworld

import (
	"testing"

	"gatehouse/platform/firmware"
)

// psciWorld is a world that serves PSCI and SMCCC only.
func psciWorld(t *testing.T) (*World, *fakeHost) {
	t.Helper()
	h := newHost(t, ramSize)
	w := New(with(func(c *Config) { c.ABI, c.Seed = 0, 1 }))
	if err := w.Reset(h); err != nil {
		t.Fatal(err)
	}
	return w, h
}

// with is the default configuration without controller, and a change.
func with(f func(*Config)) Config {
	cfg := DefaultConfig()
	cfg.TZASC.Enabled = false
	f(&cfg)
	return cfg
}

// pattern fills registers with values that no call returns, so that a write to any of them shows.
func pattern(args ...uint64) firmware.Registers {
	var r firmware.Registers
	for i := range r {
		r[i] = 0xA5A5_0000_5A5A_0000 | uint64(i)
	}
	copy(r[:], args)
	return r
}

// callX0 makes a call whose result is x0 alone and fails when it changes any other register.
func callX0(t *testing.T, w *World, c firmware.Call, args ...uint64) uint64 {
	t.Helper()
	r := pattern(args...)
	want := r
	w.SMC(c, &r)
	want[0] = r[0]
	if r != want {
		t.Errorf("call %#x changed registers that it does not return:\n got %x\nwant %x", args[0], r, want)
	}
	return r[0]
}

const (
	all1s = ^uint64(0)
	// 32-bit results, zero-extended.
	notSupported32   = 0xFFFF_FFFF
	invalidParams32  = 0xFFFF_FFFE
	alreadyOn32      = 0xFFFF_FFFC
	onPending32      = 0xFFFF_FFFB
	invalidAddress32 = 0xFFFF_FFF7
)

func TestSMCCC(t *testing.T) {
	w, _ := psciWorld(t)
	for _, tc := range []struct {
		name string
		args []uint64
		want uint64
	}{
		{"version", []uint64{0x8000_0000}, 0x1_0002},
		{"version with the SVE hint", []uint64{0x8001_0000}, 0x1_0002},
		{"version with a dirty high half", []uint64{0xDEAD_BEEF_8000_0000}, 0x1_0002},
		{"features of version", []uint64{0x8000_0001, 0x8000_0000}, 0},
		{"features of features", []uint64{0x8000_0001, 0xFFFF_FFFF_8000_0001}, 0},
		{"no SOC_ID", []uint64{0x8000_0001, 0x8000_0002}, all1s},
		{"no workaround 1", []uint64{0x8000_0001, 0x8000_8000}, all1s},
		{"no paravirtual time", []uint64{0x8000_0001, 0xC500_0020}, all1s},
		{"SOC_ID itself", []uint64{0x8000_0002, 0}, all1s},
		{"RSI version", []uint64{0xC400_0190, 0x10000}, all1s},
		{"vendor hypervisor UID", []uint64{0x8600_FF01}, all1s},
		{"64-bit form of version", []uint64{0xC000_0000}, all1s},
		{"yielding form of version", []uint64{0x0000_0000}, all1s},
		{"reserved bit 17", []uint64{0x8002_0000}, all1s},
		{"reserved bit 23 of PSCI_VERSION", []uint64{0x8480_0000}, all1s},
		{"SiP call", []uint64{0x8200_0000}, all1s},
		{"OEM call", []uint64{0x8300_0000}, all1s},
	} {
		if got := callX0(t, w, firmware.Call{EL: 1}, tc.args...); got != tc.want {
			t.Errorf("%s: x0 = %#x, want %#x", tc.name, got, tc.want)
		}
	}
}

func TestPSCIQueries(t *testing.T) {
	for _, hvc := range []bool{false, true} {
		w, _ := psciWorld(t)
		for _, tc := range []struct {
			name string
			args []uint64
			want uint64
		}{
			{"version", []uint64{0x8400_0000}, 0x1_0001},
			{"version, 64-bit form", []uint64{0xC400_0000}, all1s},
			{"migrate info type", []uint64{0x8400_0006}, 2},
			{"features of SMCCC_VERSION", []uint64{0x8400_000A, 0x8000_0000}, 0},
			{"features of CPU_ON 64", []uint64{0x8400_000A, 0xC400_0003}, 0},
			{"features of CPU_OFF", []uint64{0x8400_000A, 0x8400_0002}, 0},
			{"features of CPU_OFF 64", []uint64{0x8400_000A, 0xC400_0002}, notSupported32},
			{"features of CPU_SUSPEND 64", []uint64{0x8400_000A, 0xC400_0001}, 0},
			{"features of SYSTEM_SUSPEND", []uint64{0x8400_000A, 0xC400_000E}, notSupported32},
			{"features of SYSTEM_RESET2", []uint64{0x8400_000A, 0xC400_0012}, notSupported32},
			{"features of SYSTEM_OFF2", []uint64{0x8400_000A, 0xC400_0015}, notSupported32},
			{"migrate", []uint64{0xC400_0005, 0}, all1s},
			{"suspend mode", []uint64{0x8400_000F, 0}, all1s},
			{"suspend, standby", []uint64{0xC400_0001, 0, 0, 0}, 0},
			{"suspend, power down", []uint64{0xC400_0001, 1 << 16, ramBase, 0}, invalidParams32},
			{"suspend, cluster", []uint64{0xC400_0001, 1 << 24, ramBase, 0}, invalidParams32},
			{"suspend, reserved bits", []uint64{0x8400_0001, 1 << 31, ramBase, 0}, invalidParams32},
			{"affinity of cpu 0", []uint64{0xC400_0004, 0, 0}, 0},
			{"affinity of cpu 3", []uint64{0xC400_0004, 0x101, 0}, 1},
			{"affinity of cpu 3, 32-bit", []uint64{0x8400_0004, 0xFFFF_FFFF_0000_0101, 1 << 40}, 1},
			{"affinity of nobody", []uint64{0xC400_0004, 2, 0}, invalidParams32},
			{"affinity, reserved bits", []uint64{0xC400_0004, 0x8000_0000, 0}, invalidParams32},
			{"affinity of a cluster", []uint64{0xC400_0004, 0, 1}, invalidParams32},
		} {
			if got := callX0(t, w, firmware.Call{EL: 1, HVC: hvc}, tc.args...); got != tc.want {
				t.Errorf("hvc %v: %s: x0 = %#x, want %#x", hvc, tc.name, got, tc.want)
			}
		}
	}
}

func TestCPUOn(t *testing.T) {
	w, h := psciWorld(t)
	el2 := firmware.Call{EL: 2}
	for _, tc := range []struct {
		name string
		args []uint64
		want uint64
	}{
		{"nobody", []uint64{0xC400_0003, 7, ramBase, 0}, invalidParams32},
		{"MPIDR with its RES1 bit", []uint64{0xC400_0003, 0x8000_0001, ramBase, 0}, invalidParams32},
		{"entry below RAM", []uint64{0xC400_0003, 1, ramBase - 4, 0}, invalidAddress32},
		{"entry above RAM", []uint64{0xC400_0003, 1, ramBase + ramSize, 0}, invalidAddress32},
		{"entry not aligned", []uint64{0xC400_0003, 1, ramBase + 2, 0}, invalidAddress32},
		{"bad entry for a running cpu", []uint64{0xC400_0003, 0, 0, 0}, invalidAddress32},
		{"running", []uint64{0xC400_0003, 0, ramBase, 0}, alreadyOn32},
		{"ok", []uint64{0xC400_0003, 1, ramBase + 0x80000, 0x1234_5678_9ABC_DEF0}, 0},
		{"pending", []uint64{0xC400_0003, 1, ramBase + 0x80000, 0}, onPending32},
		{"ok, 32-bit, dirty high halves", []uint64{0x8400_0003, 0x1_0000_0100, 0xFFFF_FFFF_4000_0000, 0xAAAA_AAAA_BBBB_BBBB}, 0},
		{"last word of RAM", []uint64{0xC400_0003, 0x101, ramBase + ramSize - 4, 3}, 0},
	} {
		if got := callX0(t, w, el2, tc.args...); got != tc.want {
			t.Errorf("%s: x0 = %#x, want %#x", tc.name, got, tc.want)
		}
	}
	want := []started{{1, ramBase + 0x80000, 0x1234_5678_9ABC_DEF0, 2}, {2, ramBase, 0xBBBB_BBBB, 2}, {3, ramBase + ramSize - 4, 3, 2}}
	if len(h.started) != len(want) {
		t.Fatalf("started %+v, want %+v", h.started, want)
	}
	for i := range want {
		if h.started[i] != want[i] {
			t.Errorf("started %+v, want %+v", h.started[i], want[i])
		}
	}
	if got := callX0(t, w, el2, 0xC400_0004, 1, 0); got != 2 {
		t.Errorf("AFFINITY_INFO of a pending cpu = %d, want 2", got)
	}
}

func TestPSCIPower(t *testing.T) {
	w, h := psciWorld(t)
	r := pattern(0x8400_0002)
	w.SMC(firmware.Call{CPU: 2, EL: 1}, &r)
	if len(h.stopped) != 1 || h.stopped[0] != 2 {
		t.Errorf("stopped %v, want cpu 2", h.stopped)
	}
	r = pattern(0x8400_0008)
	w.SMC(firmware.Call{EL: 1, HVC: true}, &r)
	r = pattern(0x8400_0009)
	w.SMC(firmware.Call{EL: 1}, &r)
	if h.off != 1 || h.reboots != 1 {
		t.Errorf("PowerOff %d times, Reboot %d times; want 1, 1", h.off, h.reboots)
	}
}

// HVC is forwarded for PSCI; nothing else of EL3 is reachable through it.
func TestHVCServesPSCIOnly(t *testing.T) {
	w, _ := psciWorld(t)
	for _, fid := range []uint64{0x8400_0063, 0x8400_0050, 0xBF00_FF01, 0xB200_0009, 0x3200_0004} {
		if got := callX0(t, w, firmware.Call{EL: 1, HVC: true}, fid, 0x10002); got != all1s {
			t.Errorf("HVC %#x: x0 = %#x, want all ones", fid, got)
		}
	}
	if got := callX0(t, w, firmware.Call{EL: 1, HVC: true}, 0x8000_0000); got != 0x1_0002 {
		t.Errorf("SMCCC_VERSION by HVC = %#x, want 1.2", got)
	}
}

func TestTRNG(t *testing.T) {
	w, h := psciWorld(t)
	c := firmware.Call{EL: 1}
	if got := callX0(t, w, c, 0x8400_0050); got != 0x1_0000 {
		t.Errorf("TRNG_VERSION = %#x", got)
	}
	if got := callX0(t, w, c, 0x8400_0051, 0xC400_0053); got != 0 {
		t.Errorf("TRNG_FEATURES(RND64) = %#x", got)
	}
	if got := callX0(t, w, c, 0x8400_0051, 0x8400_0054); got != all1s {
		t.Errorf("TRNG_FEATURES of an unknown call = %#x", got)
	}
	for _, n := range []uint64{0, 193, 1 << 32} {
		if got := callX0(t, w, c, 0xC400_0053, n); int64(got) != -2 {
			t.Errorf("TRNG_RND64(%d) = %#x, want -2", n, got)
		}
	}
	if got := callX0(t, w, c, 0x8400_0053, 97); got != invalidParams32 {
		t.Errorf("TRNG_RND32(97) = %#x, want -2", got)
	}
	draw := func(fid, n uint64) firmware.Registers {
		r := pattern(fid, n)
		w.SMC(c, &r)
		if r[0] != 0 {
			t.Fatalf("TRNG %#x(%d) = %#x", fid, n, r[0])
		}
		if want := pattern(); r[4] != want[4] || r[17] != want[17] {
			t.Errorf("TRNG changed registers above x3: %x", r)
		}
		return r
	}
	for n := uint64(1); n <= 192; n++ {
		r := draw(0xC400_0053, n)
		for i, v := range []uint64{r[3], r[2], r[1]} {
			bits := min(max(int(n)-64*i, 0), 64)
			if bits < 64 && v>>bits != 0 {
				t.Errorf("RND64(%d): word %d is %#x, want %d bits", n, i, v, bits)
			}
		}
	}
	r := draw(0x8400_0053, 40)
	if r[1] != 0 || r[2]>>8 != 0 || r[3]>>32 != 0 {
		t.Errorf("RND32(40) = %x %x %x, want 40 bits", r[3], r[2], r[1])
	}
	first := draw(0xC400_0053, 192)
	second := draw(0xC400_0053, 192)
	if first == second {
		t.Error("two draws are equal")
	}
	if err := w.Reset(h); err != nil {
		t.Fatal(err)
	}
	again := draw(0xC400_0053, 1)
	other := New(with(func(c *Config) { c.Seed = 2 }))
	if err := other.Reset(h); err != nil {
		t.Fatal(err)
	}
	same := New(with(func(c *Config) { c.Seed = 1 }))
	if err := same.Reset(h); err != nil {
		t.Fatal(err)
	}
	a, b := pattern(0xC400_0053, 1), pattern(0xC400_0053, 192)
	same.SMC(c, &a)
	if a != again {
		t.Error("the same seed gave other numbers")
	}
	other.SMC(c, &a)
	same.SMC(c, &b)
	if a[3] == b[3] {
		t.Error("another seed gave the same numbers")
	}
	off := New(with(func(c *Config) { c.TRNG = false }))
	if err := off.Reset(h); err != nil {
		t.Fatal(err)
	}
	if got := callX0(t, off, c, 0x8400_0050); got != all1s {
		t.Errorf("TRNG_VERSION without TRNG = %#x, want all ones", got)
	}
}
