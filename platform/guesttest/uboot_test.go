package guesttest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// uboot is the build of Debian's package u-boot-qemu.
const uboot = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"

// stopped waits for U-Boot's count down and stops it.
func (s *session) stopped() {
	s.t.Helper()
	s.expect("Hit any key to stop autoboot")
	s.send(" ")
	s.expect("=> ")
}

// uboot runs a command in U-Boot and gives what it prints.
func (s *session) uboot(line string) string {
	s.t.Helper()
	s.send(line + "\r")
	s.expect(line + "\r\n")
	s.at-- // the line's end may be the one before the prompt
	out := s.expect("\n=> ")
	if out == "" {
		return ""
	}
	return out[1:] + "\n"
}

// noise is a file of n bytes that does not look like anything.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b)
	return b
}

// ubootDisk is a disk for U-Boot, and what is on it.
func ubootDisk(t *testing.T) (disk, data []byte) {
	data = noise(1, 300_001)
	return fatDisk(t, 16, diskFile{"DATA.BIN", data}, diskFile{"HELLO.TXT", []byte("hello from a file\n")}), data
}

// ubootCase is a command whose output is known.
type ubootCase struct {
	line string
	want string // regular expression for all of the output
}

// Commands with answers from Go, from U-Boot's documentation, or from the device tree that QEMU's board has.
func ubootCases(disk, data []byte) []ubootCase {
	quote := regexp.QuoteMeta
	var all []byte
	for range 4096 {
		all = append(all, 0xa5)
	}
	return []ubootCase{
		{"mw.l 42000000 12345678 10", ""},
		{"md.l 42000000 5", quote("42000000: 12345678 12345678 12345678 12345678  xV4.xV4.xV4.xV4.\n42000010: 12345678") + " +xV4.\n"},
		{"mw.q 42000000 0123456789abcdef; md.b 42000000 8", quote("42000000: ef cd ab 89 67 45 23 01") + ".*\n"},
		{"mw.b 42000000 a5 1000", ""},
		{"crc32 42000000 1000", fmt.Sprintf(".* ==> %08x\n", crc32.ChecksumIEEE(all))},
		{"setexpr x 0x12 * 0x34; echo $x", "3a8\n"},
		{"virtio scan", ""},
		{"virtio info", "(?s)Device 0: .* VirtIO Block Device\n.*Capacity: 16.0 MB.*\n"},
		{"virtio part", "(?s).*Partition Type: DOS.*\n +1\t2048 *\t30720 *\t67617465-01\t0e\n"},
		{"virtio read 42000000 0 8000", "\nvirtio read: device 0 block # 0, count 32768 ... 32768 blocks read: OK\n"},
		{"crc32 42000000 1000000", fmt.Sprintf(".* ==> %08x\n", crc32.ChecksumIEEE(disk))},
		{"ls virtio 0:1", "(?s) +300001   DATA.BIN\n +18   HELLO.TXT\n\n2 file\\(s\\), 0 dir\\(s\\)\n\n"},
		{"fatls virtio 0:1", "(?s) +300001   DATA.BIN\n +18   HELLO.TXT\n\n2 file\\(s\\), 0 dir\\(s\\)\n\n"},
		{"load virtio 0:1 44000000 data.bin", "300001 bytes read in .*\n"},
		{"crc32 44000000 $filesize", fmt.Sprintf(".* ==> %08x\n", crc32.ChecksumIEEE(data))},
		{"mw.b 43000000 3c 400; virtio write 43000000 7ff0 2", "\nvirtio write: device 0 block # 32752, count 2 ... 2 blocks written: OK\n"},
		{"virtio read 42000000 7ff0 1; cmp.b 42000000 43000000 200", "\nvirtio read: .* OK\n" + quote("Total of 512 byte(s) were the same\n")},
		{"virtio read 42000000 8000 1", "(?s)\nvirtio read: .*ERROR\n"},
		{"fdt addr $fdtcontroladdr", "(?s).*"},
		{"fdt print /memory", "(?s).*reg = <0x00000000 0x40000000 0x00000000 0x08000000>;\n.*device_type = \"memory\";\n.*"},
		{"fdt print /psci", "(?s).*compatible = \"arm,psci-1.0\", \"arm,psci-0.2\", \"arm,psci\";.*"},
		{"fdt print /chosen stdout-path", "stdout-path = \"/pl011@9000000\"\n"},
		{"fdt header get totalsize totalsize; echo $totalsize", "100000\n"},
		{"fdt set /chosen greeting hello; fdt print /chosen greeting", "greeting = \"hello\"\n"},
		{"fdt list /cpus", "(?s).*cpu@0 \\{\n.*"},
		{"nosuchcommand", "Unknown command 'nosuchcommand' - try 'help'\n"},
		{"false; echo $?", "1\n"},
		{"if test 0x10 -eq 16; then echo same; fi", "same\n"},
	}
}

// Programs of U-Boot's that print the same here and on QEMU, apart from measured times and what the tree has in addition.
func TestUBoot(t *testing.T) {
	require(t, uboot, "the Debian package u-boot-qemu has it")
	disk, data := ubootDisk(t)
	drive := func(t *testing.T) (path string, args []string) {
		path = tempFile(t, "disk", disk)
		return path, []string{"-bios", uboot, "-drive", "if=none,id=d,format=raw,file=" + option(path), "-device", "virtio-blk-device,drive=d,serial=gatehouse"}
	}
	converse := func(t *testing.T, s *session, path string) (answers []string) {
		s.stopped()
		for _, c := range ubootCases(disk, data) {
			out := s.uboot(c.line)
			if !regexp.MustCompile(`\A(?:` + c.want + `)\z`).MatchString(out) {
				t.Errorf("%s: %q, want %q", c.line, out, c.want)
			}
			answers = append(answers, c.line+"\n"+out)
		}
		if v := s.uboot("version"); !regexp.MustCompile(`^\n?U-Boot \d{4}\.\d\d`).MatchString(v) {
			t.Errorf("version: %q", v)
		} else {
			answers = append(answers, v)
		}
		info := s.uboot("bdinfo")
		for _, want := range []string{"-> start    = 0x0000000040000000\n", "-> size     = 0x0000000008000000\n", "flashstart  = 0x0000000000000000\n", "Build       = 64-bit\n"} {
			if !strings.Contains(info, want) {
				t.Errorf("bdinfo: no %q in %s", want, info)
			}
		}
		for name, sum := range map[string]string{"md5sum": fmt.Sprintf("%x", md5.Sum(data)), "hash sha256": fmt.Sprintf("%x", sha256.Sum256(data))} {
			// Not every build has these.
			if out := s.uboot(name + " 44000000 $filesize"); !strings.Contains(out, sum) && !strings.Contains(out, "Unknown command") {
				t.Errorf("%s: %q, want %s", name, out, sum)
			}
		}
		s.send("poweroff\r")
		s.expect("poweroff ...")
		s.off()
		after := bytes.Clone(disk)
		for i := range 1024 {
			after[0x7ff0*sector+i] = 0x3c
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, after) {
			t.Errorf("the disk is not what was written: %v", err)
		}
		return answers
	}
	var results [3][]string
	t.Run("sessions", func(t *testing.T) {
		for i, machine := range []string{"virt", "virt,secure-world=none"} {
			t.Run(machine, func(t *testing.T) {
				t.Parallel()
				path, args := drive(t)
				results[i] = converse(t, boot(t, append(args, "-M", machine)...), path)
			})
		}
		t.Run("qemu", func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
				require(t, "", "the Debian package qemu-system-arm has qemu-system-aarch64")
			}
			path, args := drive(t)
			results[2] = converse(t, qemu(t, append(args, "-M", "virt,gic-version=3", "-cpu", "max", "-global", "virtio-mmio.force-legacy=false")...), path)
		})
	})
	speed := regexp.MustCompile(`read in .*`)
	for i := range results[:2] {
		for j := range results[2] {
			if j >= len(results[i]) {
				t.Fatalf("%d answers, on QEMU %d", len(results[i]), len(results[2]))
			}
			got, want := speed.ReplaceAllString(results[i][j], ""), speed.ReplaceAllString(results[2][j], "")
			if strings.HasPrefix(got, "fdt ") {
				continue // where the tree is, and what it has in addition
			}
			if got != want {
				t.Errorf("%q, on QEMU %q", got, want)
			}
		}
	}
}

// The environment is in the second bank of flash: it survives a reset by PSCI, and the end of the program where it has a file.
func TestUBootEnvironment(t *testing.T) {
	require(t, uboot, "the Debian package u-boot-qemu has it")
	for _, machine := range []string{"virt", "virt,secure-world=none"} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			flash := tempFile(t, "flash", nil)
			if err := os.Truncate(flash, 64<<20); err != nil {
				t.Fatal(err)
			}
			args := []string{"-M", machine, "-bios", uboot, "-drive", "if=pflash,unit=1,format=raw,file=" + option(flash)}
			s := boot(t, args...)
			s.stopped()
			s.uboot("setenv greeting good morning")
			if out := s.uboot("saveenv"); !strings.Contains(out, "OK") {
				t.Errorf("saveenv: %q", out)
			}
			for range 2 {
				s.send("reset\r")
				s.expect("resetting ...")
				s.stopped()
				if out := s.uboot("printenv greeting"); out != "greeting=good morning\n" {
					t.Errorf("after the reset: %q", out)
				}
			}
			s.send("poweroff\r")
			s.off()
			if strings.Count(s.log(), "bad CRC") != 1 {
				t.Error("the first start alone has no environment")
			}

			// This time the firmware is in a file for the whole bank.
			firmware, err := os.ReadFile(uboot)
			if err != nil {
				t.Fatal(err)
			}
			first := tempFile(t, "firmware", firmware)
			if err := os.Truncate(first, 64<<20); err != nil {
				t.Fatal(err)
			}
			s = boot(t, "-M", machine, "-pflash", first, "-pflash", flash, "-snapshot", "-no-reboot")
			s.stopped()
			if out := s.uboot("printenv greeting"); out != "greeting=good morning\n" {
				t.Errorf("from the file: %q", out)
			}
			s.uboot("setenv greeting good night; saveenv")
			s.send("reset\r")
			s.off() // -no-reboot
			if n := strings.Count(s.log(), "Hit any key"); n != 1 {
				t.Errorf("%d starts", n)
			}
			content, err := os.ReadFile(flash)
			if err != nil || !bytes.Contains(content, []byte("greeting=good morning\x00")) || bytes.Contains(content, []byte("good night")) {
				t.Errorf("the file is not what was saved: %v", err)
			}
		})
	}
}

// U-Boot loads Linux from a disk and starts it with booti.
func TestUBootLinux(t *testing.T) {
	require(t, uboot, "the Debian package u-boot-qemu has it")
	kernel, err := os.ReadFile(sharedKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	disk := tempFile(t, "disk", fatDisk(t, 32, diskFile{"IMAGE.GZ", kernel}, diskFile{"INITRD", initArchive(t)}))
	for _, machine := range []string{"virt", "virt,secure-world=none", "virt,virtualization=on"} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			s := boot(t, "-M", machine, "-m", "512", "-smp", "2", "-bios", uboot, "-drive", "format=raw,readonly=on,file="+option(disk))
			s.stopped()
			s.uboot("virtio scan")
			s.uboot("load virtio 0:1 44000000 image.gz")
			if out := s.uboot("unzip 44000000 42000000"); !strings.Contains(out, "Uncompressed size:") {
				t.Errorf("unzip: %q", out)
			}
			s.uboot("load virtio 0:1 48000000 initrd")
			s.uboot("setenv bootargs console=ttyAMA0 panic=-1")
			s.send("booti 42000000 48000000:$filesize $fdtcontroladdr\r")
			s.expect("Starting kernel ...")
			s.expect("READY")
			s.command("cat /proc/cmdline", "console=ttyAMA0 panic=-1")
			s.command("sha /dev/vda", fmt.Sprintf("sha256 %d", 32<<20))
			s.send("off\n")
			s.off()
			s.healthy()
			s.has("SMP: Total of 2 processors activated")
			if filepath.Base(machine) == "virt" {
				s.has("ARM FF-A: Firmware version")
			}
		})
	}
}
