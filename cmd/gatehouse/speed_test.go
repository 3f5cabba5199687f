package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/images"
)

// The benchmarks of this file run the built program and QEMU's TCG side by side, as processes of their own, on the bundled
// images:
//
//	go test ./cmd/gatehouse -run '^$' -bench 'FirstByte|Workload' -benchtime 10x

// programs gives the command lines that boot an ELF on both.
func programs(b *testing.B, image string) map[string][]string {
	b.Helper()
	img, err := images.Get(image)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	elf := filepath.Join(dir, image+".elf")
	if err := os.WriteFile(elf, img.ELF, 0o600); err != nil {
		b.Fatal(err)
	}
	self := filepath.Join(dir, "gatehouse")
	if out, err := exec.Command("go", "build", "-o", self, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return map[string][]string{
		"gatehouse": {self, "boot", "-kernel", elf, "-serial", "stdio"},
		"qemu":      {"qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "max", "-nographic", "-nic", "none", "-kernel", elf},
	}
}

func side(b *testing.B, image string, f func(b *testing.B, args []string)) {
	all := programs(b, image)
	for _, name := range []string{"gatehouse", "qemu"} {
		b.Run(name, func(b *testing.B) {
			if _, err := exec.LookPath(all[name][0]); err != nil {
				b.Skip(err)
			}
			f(b, all[name])
		})
	}
}

// BenchmarkFirstByte is the time from the start of the process to the first byte of UART output of a guest that prints at once.
func BenchmarkFirstByte(b *testing.B) {
	side(b, "hello", func(b *testing.B, args []string) {
		var sum time.Duration
		for range b.N {
			cmd := exec.Command(args[0], args[1:]...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			var first [1]byte
			if _, err := io.ReadFull(out, first[:]); err != nil {
				b.Fatal(err)
			}
			sum += time.Since(start)
			if _, err := io.Copy(io.Discard, out); err != nil {
				b.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(sum.Microseconds())/float64(b.N)/1000, "ms/first-byte")
	})
}

// BenchmarkWorkload is the time of the bundled workload of about 200 million instructions, integer, memory and floating point.
func BenchmarkWorkload(b *testing.B) {
	side(b, "bench", func(b *testing.B, args []string) {
		for range b.N {
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		}
	})
}
