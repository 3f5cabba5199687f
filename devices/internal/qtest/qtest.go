// Package qtest drives the registers of a machine in QEMU, so that tests can ask another implementation of a device.
//
// What enters is a QEMU command line and register accesses; what leaves is what QEMU answers. The CPUs are stopped and virtual
// time stands still: the test is the bus master, by the protocol that QEMU describes in docs/devel/qtest.rst.
package qtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Program is the name of the QEMU binary.
const Program = "qemu-system-aarch64"

// Machine is a running QEMU.
type Machine struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Scanner
}

// Start runs QEMU with the given arguments until the test ends. Where QEMU is not installed the test is skipped, or fails if
// GATEHOUSE_REQUIRE_TOOLS is set in the environment.
func Start(t testing.TB, args ...string) *Machine {
	t.Helper()
	path, err := exec.LookPath(Program)
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.Command(path, append([]string{"-S", "-qtest", "stdio", "-qtest-log", "none",
		"-nodefaults", "-display", "none"}, args...)...)
	cmd.Env = append(os.Environ(), "QEMU_AUDIO_DRV=none")
	cmd.Stderr = new(bytes.Buffer)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("QEMU: %s", cmd.Stderr)
		}
	})
	return &Machine{t, in, bufio.NewScanner(out)}
}

// do sends a command and gives the words of the answer behind OK.
func (m *Machine) do(format string, args ...any) []string {
	m.t.Helper()
	if _, err := fmt.Fprintf(m.in, format+"\n", args...); err != nil {
		m.t.Fatalf("qtest: %v", err)
	}
	for m.out.Scan() {
		words := strings.Fields(m.out.Text())
		if len(words) == 0 || words[0] == "IRQ" {
			continue
		}
		if words[0] != "OK" {
			m.t.Fatalf("qtest: %s: %s", fmt.Sprintf(format, args...), m.out.Text())
		}
		return words[1:]
	}
	m.t.Fatalf("qtest: QEMU ended: %v", m.out.Err())
	return nil
}

var suffix = map[int]string{1: "b", 2: "w", 4: "l", 8: "q"}

// Read reads size bytes (1, 2, 4 or 8) at a physical address.
func (m *Machine) Read(addr uint64, size int) uint64 {
	m.t.Helper()
	words := m.do("read%s %#x", suffix[size], addr)
	if len(words) != 1 {
		m.t.Fatalf("qtest: answer %q", words)
	}
	v, err := strconv.ParseUint(words[0], 0, 64)
	if err != nil {
		m.t.Fatalf("qtest: %v", err)
	}
	return v
}

// Write writes size bytes (1, 2, 4 or 8) at a physical address.
func (m *Machine) Write(addr uint64, size int, v uint64) {
	m.t.Helper()
	m.do("write%s %#x %#x", suffix[size], addr, v)
}
