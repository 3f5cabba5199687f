package guesttest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gatehouse/images/initramfs"
)

// modulesWanted are drivers for what the machine has, as far as the kernel has them as modules.
var modulesWanted = []string{"arm_ffa", "ffa-core", "ffa-module", "tee", "optee", "optee-rng", "virtio_mmio", "virtio_blk", "virtio_console", "virtio-rng"}

// moduleName is a module's name as the kernel spells it.
func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// kernelModules gives files for an initramfs: the wanted modules of a tree, those that they need, and the order to load them in.
func kernelModules(t *testing.T, tree string, wanted []string) (files []initramfs.File, order []string) {
	t.Helper()
	paths := map[string]string{}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(path), ".ko"); ok && d.Type().IsRegular() {
			paths[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		name = moduleName(name)
		path := paths[name]
		if seen[name] || path == "" {
			return // or built in
		}
		seen[name] = true
		data := moduleData(t, path)
		for _, dep := range moduleNeeds(t, path, data) {
			add(dep)
		}
		files = append(files, initramfs.File{Name: "modules/" + name + ".ko", Mode: 0o644, Data: data})
		order = append(order, name)
	}
	for _, name := range wanted {
		add(name)
	}
	files = append(files, initramfs.File{Name: "modules/order", Mode: 0o644, Data: []byte(strings.Join(order, "\n"))})
	return files, order
}

// moduleData reads a module as the kernel loads it.
func moduleData(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch filepath.Ext(path) {
	case ".gz":
		data = unzipped(t, data)
	case ".xz", ".zst":
		tool := map[string]string{".xz": "xz", ".zst": "zstd"}[filepath.Ext(path)]
		data, err = exec.Command(tool, "-dc", path).Output()
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return data
}

// unzipped undoes gzip.
func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		data, err = io.ReadAll(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// moduleNeeds reads which modules one needs from its section .modinfo.
func moduleNeeds(t *testing.T, path string, data []byte) []string {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	info, err := f.Section(".modinfo").Data()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, s := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(s, "depends="); ok && list != "" {
			return strings.Split(list, ",")
		}
	}
	return nil
}

// debian is Debian's kernel and an archive for it.
type debian struct {
	kernel, initrd string
	order          []string
	config         string
}

func debianKernel(t *testing.T, more ...initramfs.File) debian {
	t.Helper()
	dir := fetched(t, "debian-kernel.sh")
	config, err := os.ReadFile(filepath.Join(dir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	files, order := kernelModules(t, filepath.Join(dir, "modules"), modulesWanted)
	return debian{filepath.Join(dir, "vmlinuz"), tempFile(t, "initrd", initArchive(t, append(files, more...)...)), order, string(config)}
}

func (d *debian) has(option string) bool {
	return regexp.MustCompile(`(?m)^CONFIG_` + option + `=[my]$`).MatchString(d.config)
}

func (d *debian) boot(t *testing.T, args ...string) *session {
	t.Helper()
	s := boot(t, append([]string{"-kernel", d.kernel, "-initrd", d.initrd, "-m", "512", "-append", "console=ttyAMA0 panic=-1 loglevel=8"}, args...)...)
	s.expect("READY")
	return s
}

// Debian's stock kernel with its modules: over the SMC ABI its drivers find OP-TEE, and virtio's find the drive, the console and the
// entropy device.
func TestDebian(t *testing.T) {
	d := debianKernel(t)
	disk := fatDisk(t, 8, diskFile{"NOISE.BIN", noise(3, 1<<20)})
	for _, abi := range []string{"smc", "ffa"} {
		for _, cpus := range []string{"1", "4"} {
			t.Run(abi+cpus, func(t *testing.T) {
				t.Parallel()
				path, console := tempFile(t, "disk", disk), filepath.Join(t.TempDir(), "console")
				s := d.boot(t, "-M", "virt,abi="+abi, "-smp", cpus, "-drive", "format=raw,file="+path, "-device", "virtio-rng-device",
					"-chardev", "file,id=c,path="+console, "-device", "virtio-serial-device", "-device", "virtconsole,chardev=c")
				now := bytes.Clone(disk)
				var loaded []string
				for _, name := range d.order {
					loaded = append(loaded, "loaded "+name)
				}
				for round := range 3 {
					s.command("load", loaded...)
					s.command("modules", d.order...)
					out := s.command("devices", "device virtio virtio0 virtio_", "device virtio virtio1 virtio_", "device virtio virtio2 virtio_",
						"device amba 9000000.pl011 uart-pl011", "device amba 9010000.pl031 rtc-pl031", "device amba 9030000.pl061 pl061_gpio")
					for _, driver := range []string{"virtio_blk", "virtio_rng", "virtio_console"} {
						if !strings.Contains(out, driver) {
							t.Errorf("nothing is bound to %s", driver)
						}
					}
					if abi == "smc" {
						if !strings.Contains(out, "device platform firmware:optee optee\n") || !strings.Contains(out, "device tee optee-ta-") {
							t.Errorf("OP-TEE has no driver:\n%s", out)
						}
						s.command("list /dev/tee*", "file /dev/tee0\n", "file /dev/teepriv0\n")
						s.command("cat /sys/class/misc/hw_random/rng_available", "optee-rng", "virtio_rng.0")
					} else if d.has("ARM_FFA_TRANSPORT") {
						s.command("list /dev/tee*", "file /dev/tee0\n", "file /dev/teepriv0\n")
					}
					want := sha256.Sum256(now)
					s.command("sha /dev/vda", fmt.Sprintf("sha256 %d %x\n", len(disk), want))
					s.command("list /dev/vda*", "file /dev/vda1\n")
					s.command(fmt.Sprintf("write /dev/hvc0 round %d", round))
					if out := s.command("random /dev/hwrng", "random "); strings.Contains(out, strings.Repeat("0", 16)) {
						t.Errorf("random numbers: %s", out)
					}
					s.command(fmt.Sprintf("fill /dev/vda %d 4096 %d", 1<<20+round*65536, 0x11*(round+1)))
					copy(now[1<<20+round*65536:], bytes.Repeat([]byte{byte(0x11 * (round + 1))}, 4096))
					s.command("unload")
				}
				s.command("cat /proc/cpuinfo")
				s.send("off\n")
				s.off()
				s.healthy()
				if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, now) {
					t.Errorf("the disk is not what was written: %v", err)
				}
				if text, err := os.ReadFile(console); err != nil || strings.ReplaceAll(string(text), "\r", "") != "round 0\nround 1\nround 2\n" {
					t.Errorf("the console's file has %q, %v", text, err)
				}
			})
		}
	}
}

// Processors go away and come back, idle and busy.
func TestDebianHotplug(t *testing.T) {
	d := debianKernel(t)
	for _, cpus := range []string{"4", "8"} {
		t.Run(cpus, func(t *testing.T) {
			t.Parallel()
			s := d.boot(t, "-smp", cpus)
			last := string(cpus[0] - 1)
			s.command("hotplug 3 "+last, "online 0-"+last+"\n")
			// With work to do virtual time costs the host's, and each step takes some ticks of it.
			s.command("spin 2")
			s.command("hotplug 1 1", "online 0-"+last+"\n")
			s.send("off\n")
			s.off()
			s.healthy()
			s.has("SMP: Total of "+cpus+" processors activated", "psci: CPU1 killed", "CPU"+last+": Booted secondary processor 0x000000000"+last)
		})
	}
}

// Debian's kernel, with OP-TEE's driver in use and several processors, is replaced by another one with kexec, which finds all of them
// and the secure world again.
func TestKexec(t *testing.T) {
	next, err := os.ReadFile(sharedKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	next = unzipped(t, next)
	d := debianKernel(t, initramfs.File{Name: "next/Image", Mode: 0o644, Data: next}, initramfs.File{Name: "next/initrd", Mode: 0o644, Data: initArchive(t)})
	for _, machine := range []string{"virt,abi=smc", "virt,abi=ffa", "virt,secure-world=none"} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			s := d.boot(t, "-M", machine, "-smp", "4")
			s.command("load")
			s.send("kexec /next/Image /next/initrd\n")
			s.expect("next kernel loaded")
			s.expect("Booting Linux")
			s.expect("READY")
			if machine != "virt,secure-world=none" {
				s.command("list /dev/tee* /dev/dma_heap/*", "file /dev/tee0\n", "file /dev/dma_heap/protected,secure-video\n")
			}
			if n := strings.Count(s.command("cat /proc/cpuinfo"), "processor\t:"); n != 4 {
				t.Errorf("%d processors", n)
			}
			s.send("off\n")
			s.off()
			s.healthy()
		})
	}
}
