// Package qemutest runs bare-metal guests on QEMU for tests that use it as their oracle.
//
// Sources enter [Build], which cross-compiles them to an ELF file; [Run] gives what the guest printed on its UART. Where the tools
// are missing a test skips, unless the environment has GATEHOUSE_REQUIRE_TOOLS set: then it fails.
package qemutest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	compiler = "aarch64-linux-gnu-gcc"
	emulator = "qemu-system-aarch64"
)

// Require skips or fails the test when one of the programs is not installed.
func Require(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}

// Volume gives the number of random cases that a test takes: short, or long where the environment has GATEHOUSE_LONG set.
func Volume(short, long int) int {
	if os.Getenv("GATEHOUSE_LONG") != "" {
		return long
	}
	return short
}

// Build compiles freestanding sources with a linker script to an ELF file in the test's own directory and gives its path.
// The code uses general registers only and no unaligned accesses.
func Build(t testing.TB, script string, sources ...string) string {
	t.Helper()
	Require(t, compiler)
	out := filepath.Join(t.TempDir(), "guest.elf")
	args := []string{
		"-O2", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-fno-stack-protector",
		"-mgeneral-regs-only", "-mstrict-align", "-mno-outline-atomics", "-march=armv8.4-a", "-Wl,--build-id=none", "-Wl,-T," + script, "-o", out,
	}
	if msg, err := exec.Command(compiler, append(args, sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, msg)
	}
	return out
}

// Run starts QEMU's virt board with the arguments given, without display and monitor, and returns what came out of UART 0.
// The guest ends it, by semihosting or PSCI; after the time limit the test fails.
func Run(t testing.TB, limit time.Duration, args ...string) []byte {
	t.Helper()
	Require(t, emulator)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out := filepath.Join(t.TempDir(), "uart")
	args = append([]string{"-display", "none", "-monitor", "none", "-parallel", "none", "-net", "none", "-serial", "file:" + out}, args...)
	cmd := exec.CommandContext(ctx, emulator, args...)
	var msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &msg, &msg
	err := cmd.Run()
	text, readErr := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%s: %v\n%s\nthe UART ends with:\n%s", emulator, err, msg.Bytes(), text[max(0, len(text)-2000):])
	}
	if readErr != nil {
		t.Fatal(readErr)
	}
	return text
}
