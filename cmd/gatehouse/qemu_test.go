package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Programs in C, compiled as a firmware engineer does, print the same here and on QEMU.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("the full run has it")
	}
	needTool(t, "aarch64-linux-gnu-gcc", "qemu-system-aarch64")
	sources, err := filepath.Glob("testdata/c/*.c")
	if err != nil || len(sources) < 15 {
		t.Fatalf("%v, %v", sources, err)
	}
	for _, src := range sources {
		name := strings.TrimSuffix(filepath.Base(src), ".c")
		if name == "lib" {
			continue
		}
		builds := [][]string{{"-O2"}}
		switch {
		case slices.Contains([]string{"vector", "float", "double", "matrix", "memory"}, name):
			// Vectorised, with and without what later architectures add.
			builds = append(builds, []string{"-O3"}, []string{"-O3", "-march=armv8.4-a+crypto"})
		case slices.Contains([]string{"atomics", "bits"}, name):
			builds = append(builds, []string{"-O3", "-march=armv8.4-a"})
		case slices.Contains([]string{"structs", "varargs", "switch", "sort"}, name):
			builds = append(builds, []string{"-O0"}, []string{"-O3"})
		case slices.Contains([]string{"strings", "sha256"}, name):
			builds = append(builds, []string{"-Os", "-mstrict-align"})
		}
		for _, flags := range builds {
			t.Run(name+strings.Join(flags, ""), func(t *testing.T) {
				t.Parallel()
				elf := compile(t, src, flags...)
				want := onQEMU(t, "-M", "virt", "-cpu", "max", "-nographic", "-nic", "none", "-kernel", elf)
				for _, machine := range []string{"virt", "virt,secure-world=none"} {
					got := gatehouse("boot", "-kernel", elf, "-M", machine, "-timeout", "120s")
					if got.status != statusOK || got.stderr != "" || got.stdout != want {
						t.Errorf("%s: status %d, %s\n%s", machine, got.status, got.stderr, difference(got.stdout, want))
					}
				}
				if len(want) < 50 {
					t.Errorf("the program printed %q", want)
				}
			})
		}
	}
}

func compile(t *testing.T, src string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program.elf")
	args := append([]string{"-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-clobbered", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic",
		"-fno-stack-protector", "-fno-math-errno", "-mno-outline-atomics", "-Wl,--build-id=none,--no-warn-rwx-segments,-T,testdata/c/link.ld",
		"-o", out, "testdata/c/start.S", "testdata/c/lib.c", src}, flags...)
	if msg, err := exec.Command("aarch64-linux-gnu-gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return out
}

// onQEMU gives what a guest prints there before it powers off.
func onQEMU(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", args...)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("qemu: %v: %s\n%s", err, &msg, &out)
	}
	return out.String()
}

// difference shows the first line in which two texts differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := "(end)", "(end)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n here %s\n qemu %s", i+1, a, b)
		}
	}
	return "the same text"
}
