package guesttest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shell types a command into u-root's shell and gives its output.
func (s *session) shell(line string) string {
	s.t.Helper()
	s.send(line + "\n")
	s.expect(line + "\r\n") // the terminal's echo
	out := s.expect("$ ")
	return out
}

// The shared kernel with an initramfs of u-root's: a session in its shell.
func TestURoot(t *testing.T) {
	kernel := sharedKernel(t)
	initrd := filepath.Join(fetched(t, "uroot.sh"), "initramfs.cpio")
	for _, tc := range []struct {
		machine string
		cpus    int
	}{{"virt", 1}, {"virt", 4}, {"virt,abi=smc", 4}, {"virt,abi=ffa", 2}, {"virt,secure-world=none", 4}} {
		t.Run(fmt.Sprint(tc.machine, tc.cpus), func(t *testing.T) {
			t.Parallel()
			disk := tempFile(t, "disk", fatDisk(t, 8))
			s := boot(t, "-kernel", kernel, "-initrd", initrd, "-m", "256", "-M", tc.machine, "-smp", fmt.Sprint(tc.cpus),
				"-append", "console=ttyAMA0 panic=-1", "-drive", "format=raw,file="+option(disk))
			s.expect("Welcome to u-root!")
			s.expect("$ ")
			for _, c := range []struct{ line, want string }{
				{"echo $((6*7)) $((1<<40)) $((17%5))", `^42 1099511627776 2\n$`},
				{"ls /", `(?s)\bbbin\b.*\bdev\b.*\bproc\b.*\bsys\b`},
				{"uname -m", `^aarch64\n$`},
				{"for i in a b c; do echo -n $i; done; echo", `^abc\n$`},
				{"seq 1 100 | sort -n -r | head -n 1", `^100\n$`},
				{"echo gatehouse | shasum", "^[0-9a-f]{40} "},
				{"dmesg | grep -c 'Booting Linux'", "."},
				{"dmesg | grep 'CPU.s. started'", `CPU: All CPU\(s\) started at EL1`},
				{"cat /proc/cmdline", `^console=ttyAMA0 panic=-1\n$`},
				{"dd if=/dev/vda bs=512 count=1 2>/dev/null | hexdump", "55 aa"},
				{"false; echo $?", `^1\n$`},
				{"nosuchprogram || echo failed", `(?m)^failed\n`},
			} {
				if out := s.shell(c.line); !regexp.MustCompile(c.want).MatchString(out) {
					t.Errorf("%s: %q, want %q", c.line, out, c.want)
				}
			}
			if n := strings.Count(s.shell("cat /proc/cpuinfo"), "processor\t:"); n != tc.cpus {
				t.Errorf("%d processors, want %d", n, tc.cpus)
			}
			out := s.shell("ls /dev")
			for _, name := range []string{"tee0", "teepriv0", "dma_heap"} {
				// Without a secure world there is no device, though the heaps of normal memory stay.
				want := tc.machine != "virt,secure-world=none" || name == "dma_heap"
				if got := regexp.MustCompile(`(?m)^` + name + `\b`).MatchString(out); got != want {
					t.Errorf("/dev/%s: %v\n%s", name, got, out)
				}
			}
			s.send("poweroff\n")
			s.off()
			s.healthy()
			if tc.machine != "virt,secure-world=none" {
				s.has("optee: initialized driver")
			}
		})
	}
}

// A guest that reboots starts anew in the same process, memory, devices and secure world included, as often as it wants; with
// -no-reboot that is the end.
func TestReboot(t *testing.T) {
	kernel := sharedKernel(t)
	initrd := tempFile(t, "initrd", initArchive(t))
	for _, machine := range []string{"virt,abi=ffa", "virt,abi=smc", "virt,secure-world=none"} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			args := []string{"-kernel", kernel, "-initrd", initrd, "-m", "256", "-M", machine, "-smp", "4", "-append", "console=ttyAMA0 panic=-1",
				"-drive", "snapshot=on,format=raw,file=" + option(tempFile(t, "disk", make([]byte, 1<<20)))}
			s := boot(t, args...)
			var logs []string
			const times = 4
			for i := range times {
				boot := s.expect("READY")
				logs = append(logs, boot[strings.Index(boot, "Booting Linux"):])
				s.command("devices", "device virtio virtio0 virtio_blk")
				if machine != "virt,secure-world=none" {
					s.command("list /dev/tee*", "file /dev/tee0\n")
				}
				if i == times-1 {
					s.send("off\n")
				} else {
					s.send("reboot\n")
				}
			}
			s.off()
			s.healthy()
			for i, log := range logs[1:] {
				if log != logs[0] {
					t.Errorf("start %d is not as the first one: %s", i+2, firstDifference(log, logs[0]))
				}
			}

			s = boot(t, append(args, "-no-reboot")...)
			s.expect("READY")
			s.send("reboot\n")
			s.off()
			if n := strings.Count(s.log(), "Booting Linux"); n != 1 {
				t.Errorf("%d starts with -no-reboot", n)
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("%q, want %q", g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
