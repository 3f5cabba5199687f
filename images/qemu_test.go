package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// needTool finds a program. Without it the test is skipped, or fails where GATEHOUSE_REQUIRE_TOOLS is set.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatalf("%s: %v", name, err)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// runQEMU boots a kernel on QEMU's virt board and gives its console output and exit status.
func runQEMU(t *testing.T, kernel, machine string, cpus int, more ...string) (string, int) {
	t.Helper()
	qemu := needTool(t, "qemu-system-aarch64")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"-M", machine, "-cpu", "max", "-smp", strconv.Itoa(cpus), "-nic", "none", "-display", "none", "-monitor", "none",
		"-serial", "stdio", "-semihosting", "-kernel", kernel}
	cmd := exec.CommandContext(ctx, qemu, append(args, more...)...)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return out.String(), exit.ExitCode()
	case err != nil:
		t.Fatalf("qemu: %v: %s\n%s", err, &msg, &out)
	}
	return out.String(), 0
}

// writeELF puts an image where QEMU can read it.
func writeELF(t *testing.T, img Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), img.Name+".elf")
	if err := os.WriteFile(path, img.ELF, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// qemuDiffers lists what QEMU 7.2 does otherwise than the Arm ARM says, by image: the line of the golden text, what QEMU
// makes of it, and why. Later versions of QEMU may do either.
var qemuDiffers = map[string][]struct{ line, qemu, reason string }{
	"fault": {
		{"step inst sp-alignment expect=sp-alignment/9a000000 saw=sp-alignment/9a000000 ok",
			"step inst sp-alignment expect=sp-alignment/9a000000 saw=none FAIL", "SCTLR_EL1.SA is not modelled"},
		{"step align device-read expect=data-abort/96000021 saw=data-abort/96000021 far=11c0e0b004 ok",
			"step align device-read expect=data-abort/96000021 saw=none FAIL", "Device memory is not checked for alignment before QEMU 9.0"},
		{"step align device-write expect=data-abort/96000061 saw=data-abort/96000061 far=11c0e0b004 ok",
			"step align device-write expect=data-abort/96000061 saw=none FAIL", "the same"},
		{"step l0 reserved-block-read expect=data-abort/96000004 saw=data-abort/96000004 far=18000000000 ok",
			"step l0 reserved-block-read expect=data-abort/96000004 saw=none FAIL", "blocks are accepted at level 0 without TCR.DS"},
		{"step l0 reserved-block-write expect=data-abort/96000044 saw=data-abort/96000044 far=18000000000 ok",
			"step l0 reserved-block-write expect=data-abort/96000044 saw=none FAIL", "the same"},
		{"step el0 daifset expect=sysreg/620cd3e4 saw=sysreg/620cd3e4 ok",
			"step el0 daifset expect=sysreg/620cd3e4 saw=sysreg/620793e4 FAIL", "op1 and op2 are swapped in the syndrome of MSR (immediate)"},
	},
}

// compare checks console output against the golden text, line by line, and lets pass what qemuDiffers explains.
func compare(t *testing.T, img Image, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	failed := 0
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = strings.TrimSuffix(g[i], "\r")
		}
		if i < len(w) {
			b = w[i]
		}
		if a == b {
			continue
		}
		known := failed > 0 && strings.HasPrefix(b, "verdict ok ") &&
			a == fmt.Sprintf("verdict FAIL %s failed=%d", strings.TrimPrefix(b, "verdict ok "), failed)
		for _, d := range qemuDiffers[img.Name] {
			if d.line == b && d.qemu == a {
				known = true
				failed++
			}
		}
		if !known {
			t.Errorf("line %d:\n got %q\nwant %q", i+1, a, b)
		}
	}
}

func checkRun(t *testing.T, img Image, kernel, machine string) {
	t.Helper()
	got, code := runQEMU(t, kernel, machine, img.CPUs)
	compare(t, img, got, img.Expect)
	if want := strings.Contains(got, "verdict FAIL"); (code != 0) != want {
		t.Errorf("exit status %d after\n%s", code, got)
	}
}

// The golden texts follow from the specifications; QEMU is the second opinion.
func TestOnQEMU(t *testing.T) {
	needTool(t, "qemu-system-aarch64")
	for _, img := range All() {
		if img.Expect == "" {
			continue
		}
		t.Run(img.Name, func(t *testing.T) { checkRun(t, img, writeELF(t, img), "virt,gic-version=3") })
	}
}

// Entered at EL2 with SMC as the conduit, the images leave for EL1 and do the same.
func TestFromEL2(t *testing.T) {
	needTool(t, "qemu-system-aarch64")
	for _, name := range []string{"hello", "smp", "timer"} {
		t.Run(name, func(t *testing.T) {
			img, err := Get(name)
			if err != nil {
				t.Fatal(err)
			}
			checkRun(t, img, writeELF(t, img), "virt,gic-version=3,virtualization=on")
		})
	}
	t.Run("fault", func(t *testing.T) {
		img, err := Get("fault")
		if err != nil {
			t.Fatal(err)
		}
		img.Expect = strings.Replace(img.Expect, "step off hole-read ", "step call hvc-to-el2 expect=hvc/5a001234 saw=hvc/5a001234 ok\nstep off hole-read ", 1)
		img.Expect = strings.Replace(img.Expect, "steps=114", "steps=115", 1)
		checkRun(t, img, writeELF(t, img), "virt,gic-version=3,virtualization=on")
	})
}

// Without a GICv3 and with a processor that has no LSE the images leave out what needs them.
func TestSmallMachines(t *testing.T) {
	needTool(t, "qemu-system-aarch64")
	for _, tc := range []struct {
		name, machine, cpu string
		cpus               int
		want               []string
	}{
		{"smp", "virt", "cortex-a57", 2, []string{"step atomic lse expect=6000 saw=6000 ok", "step psci cpu-off-1 expect=1 saw=1 ok", "verdict ok "}},
		{"smp", "virt", "max", 1, []string{"step atomic lock expect=5000 saw=5000 ok", "verdict ok "}},
		{"smp", "virt,gic-version=3", "max", 16, []string{"step sgi received-15 expect=17 saw=17 ok", "verdict ok "}},
		{"timer", "virt", "cortex-a57", 1, []string{"step physical ctl-later expect=3 saw=3 ok", "verdict ok "}},
	} {
		img, err := Get(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		got, code := runQEMU(t, writeELF(t, img), tc.machine, tc.cpus, "-cpu", tc.cpu)
		for _, w := range tc.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s on %s with %d %s: no %q in\n%s", tc.name, tc.machine, tc.cpus, tc.cpu, w, got)
			}
		}
		if code != 0 {
			t.Errorf("%s: exit status %d", tc.name, code)
		}
	}
}

// packedTree gives QEMU's device tree for the arguments, packed so that it fits below the image; edit may change its source.
func packedTree(t *testing.T, edit func(string) string, args ...string) string {
	t.Helper()
	qemu, dtc := needTool(t, "qemu-system-aarch64"), needTool(t, "dtc")
	dir := t.TempDir()
	big, source, small := filepath.Join(dir, "big.dtb"), filepath.Join(dir, "tree.dts"), filepath.Join(dir, "small.dtb")
	args = append([]string{"-M", "virt,gic-version=3,dumpdtb=" + big, "-cpu", "max", "-nic", "none", "-display", "none"}, args...)
	if msg, err := exec.Command(qemu, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	if msg, err := exec.Command(dtc, "-q", "-I", "dtb", "-O", "dts", "-o", source, big).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, []byte(edit(string(text))), 0o666); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command(dtc, "-q", "-I", "dts", "-O", "dtb", "-o", small, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	return small
}

// QEMU 7.2's own tree of 1 MiB does not fit below the image, so a packed one is put there.
func TestDeviceTree(t *testing.T) {
	img, err := Get("bench")
	if err != nil {
		t.Fatal(err)
	}
	kernel := writeELF(t, img)
	tree := packedTree(t, func(s string) string {
		return strings.Replace(s, "chosen {", "chosen {\nbootargs = \"quiet rounds=3 x=1\";", 1)
	})
	got, _ := runQEMU(t, kernel, "virt,gic-version=3", 1, "-device", "loader,force-raw=on,addr=0x40000000,file="+tree)
	sum := benchChecksum(3)
	if want := fmt.Sprintf("checksum expect=%s saw=%[1]s rounds=3 ok\n", sum); !strings.Contains(got, want) {
		t.Errorf("bootargs: no %q in\n%s", want, got)
	}

	smp, err := Get("smp")
	if err != nil {
		t.Fatal(err)
	}
	kernel = writeELF(t, smp)
	tree = packedTree(t, func(s string) string { return s }, "-smp", "3")
	got, code := runQEMU(t, kernel, "virt,gic-version=3", 3, "-device", "loader,force-raw=on,addr=0x40000000,file="+tree)
	if !strings.HasPrefix(got, "cpus 3\n") || !strings.Contains(got, "step sgi received-2 expect=4 saw=4 ok\n") || code != 0 {
		t.Errorf("with three processors: exit status %d, output\n%s", code, got)
	}

	// A tree that announces SMC is believed: on this board, which has no EL3, the first call is then undefined.
	tree = packedTree(t, func(s string) string { return strings.Replace(s, `method = "hvc"`, `method = "smc"`, 1) })
	got, code = runQEMU(t, kernel, "virt,gic-version=3", 1, "-device", "loader,force-raw=on,addr=0x40000000,file="+tree)
	if !strings.Contains(got, "unexpected exception on cpu 0: vector 4 esr=02000000") || code != 3 {
		t.Errorf("with smc as the method: exit status %d, output\n%s", code, got)
	}
}

// Where nobody answers the secure world's calls the lend images end at once, with the exit status of a failure.
func TestNoSecureWorld(t *testing.T) {
	for name, want := range map[string]string{
		"lend-ffa": "step setup version expect=1.1-or-later saw=ffff.ffff FAIL\nverdict FAIL steps=1 failed=1\n",
		"lend-smc": "step setup calls-uid expect=optee saw=other FAIL\nverdict FAIL steps=1 failed=1\n",
	} {
		img, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, code := runQEMU(t, writeELF(t, img), "virt,gic-version=3", 1); got != want || code != 1 {
			t.Errorf("%s: exit status %d, output\n%s", name, code, got)
		}
	}
}

// rebuild compiles all images and gives the directory with them.
func rebuild(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{"run", "./internal/build", "-cc", needTool(t, "aarch64-linux-gnu-gcc"), "-o", dir}, args...)
	if msg, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return dir
}

// checkBehaviour runs another build of an image: on QEMU as far as that can run it, and on this machine.
func checkBehaviour(t *testing.T, img Image, kernel string) {
	t.Helper()
	if img.Expect != "" {
		checkRun(t, img, kernel, "virt,gic-version=3")
	}
	cmd := exec.Command("go", "run", "../cmd/gatehouse", "boot", "-M", "virt", "-smp", strconv.Itoa(img.CPUs), "-kernel", kernel)
	var msg bytes.Buffer
	cmd.Stderr = &msg
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v: %s\n%s", img.Name, err, &msg, out)
		return
	}
	if got := strings.ReplaceAll(string(out), "\r", ""); img.Expect != "" && got != img.Expect || !strings.Contains(got, img.Verdict) {
		t.Errorf("%s: got\n%s", img.Name, got)
	}
}

// The sources give the committed files: byte by byte with the compiler that made them, in behaviour with another.
func TestRebuild(t *testing.T) {
	dir := rebuild(t)
	version, err := os.ReadFile(filepath.Join(dir, "compiler.txt"))
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("bin/compiler.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range All() {
		path := filepath.Join(dir, img.Name+".elf")
		rebuilt, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		switch {
		case bytes.Equal(rebuilt, img.ELF):
		case bytes.Equal(version, committed):
			t.Errorf("%s: bin/%[1]s.elf is not what its sources give; run go generate ./images", img.Name)
		default:
			checkBehaviour(t, img, path)
		}
	}
}

// What the images do does not depend on how the compiler arranges them.
func TestOtherOptimisation(t *testing.T) {
	dir := rebuild(t, "-opt", "-Os")
	for _, img := range All() {
		checkBehaviour(t, img, filepath.Join(dir, img.Name+".elf"))
	}
}
