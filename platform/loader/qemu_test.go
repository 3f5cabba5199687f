package loader

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

var romLine = regexp.MustCompile(`addr=([0-9a-f]+) size=0x([0-9a-f]+) mem=\S+ name="([^"]*)"`)

// qemuBlobs runs QEMU's virt board with the machine stopped and returns what it put into memory: address and size by name,
// the directory cut off.
func qemuBlobs(t *testing.T, args ...string) map[string][2]uint64 {
	t.Helper()
	qemu := needTool(t, "qemu-system-aarch64")
	sock := filepath.Join(t.TempDir(), "hmp")
	args = append([]string{"-M", "virt", "-cpu", "cortex-a57", "-S", "-nic", "none", "-display", "none", "-serial", "null",
		"-monitor", "unix:" + sock + ",server=on,wait=on"}, args...)
	cmd := exec.Command(qemu, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	defer cmd.Process.Kill()
	out := talk(t, sock, done, &stderr)
	blobs := map[string][2]uint64{}
	for _, m := range romLine.FindAllStringSubmatch(out, -1) {
		addr, err1 := strconv.ParseUint(m[1], 16, 64)
		size, err2 := strconv.ParseUint(m[2], 16, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("cannot read %q", m[0])
		}
		blobs[filepath.Base(m[3])] = [2]uint64{addr, size}
	}
	return blobs
}

func talk(t *testing.T, sock string, done <-chan error, stderr fmt.Stringer) string {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		conn, err := net.Dial("unix", sock)
		if err == nil {
			defer conn.Close()
			conn.SetDeadline(deadline)
			fmt.Fprint(conn, "info roms\nquit\n")
			var out bytes.Buffer
			out.ReadFrom(conn)
			return out.String()
		}
		select {
		case err := <-done:
			t.Fatalf("qemu ended: %v: %s", err, stderr)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("no monitor: %v: %s", err, stderr)
		}
	}
}

// The same files are given to QEMU; it tells where it put them.
func TestAsQEMU(t *testing.T) {
	needTool(t, "qemu-system-aarch64")
	dir := t.TempDir()
	initrd := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrd, make([]byte, 0x12345), 0o666); err != nil {
		t.Fatal(err)
	}
	// QEMU 7.2 hands over a device tree of 1 MiB.
	const dtbSize = 1 << 20
	twoSegments := func(addr uint64) []byte {
		return makeELF(addr+0x10, load(addr, 0x2000, make([]byte, 0x40)), load(addr+0x100000, 0x800, make([]byte, 0x800)))
	}
	for _, tc := range []struct {
		name string
		file []byte
		mib  uint64
	}{
		{"image", makeImage(0x80000, 0x10000, 4096), 128},
		{"image-0", makeImage(0, 0x10000, 4096), 64},
		{"image-ffc", makeImage(0xffc, 0x10000, 4096), 128},
		{"image-1000", makeImage(0x1000, 0x10000, 4096), 128},
		{"image-nosize", makeImage(0x1000, 0, 4096), 128},
		{"image-large", makeImage(0x80000, 80<<20+1, 4096), 128},
		{"image-bigram", makeImage(0x80000, 0x10000, 4096), 512},
		{"image-gz", pack(makeImage(0x80000, 0x10000, 4096)), 128},
		{"raw", bytes.Repeat([]byte{0x1f, 0x20, 0x03, 0xd5}, 100), 128},
		{"raw-gz", pack(bytes.Repeat([]byte{0x1f, 0x20, 0x03, 0xd5}, 100)), 128},
		{"elf-80000", twoSegments(0x40080000), 128},
		{"elf-100000", twoSegments(0x40100000), 128},
		{"elf-200000", twoSegments(0x40200000), 128},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kernel := filepath.Join(dir, tc.name)
			if err := os.WriteFile(kernel, tc.file, 0o666); err != nil {
				t.Fatal(err)
			}
			blobs := qemuBlobs(t, "-m", fmt.Sprint(tc.mib), "-kernel", kernel, "-initrd", initrd)
			ram := Range{0x40000000, tc.mib << 20}
			img, err := Parse(tc.name, tc.file, ram)
			if err != nil {
				t.Fatal(err)
			}
			p, err := img.Place(ram, 0x12345, dtbSize)
			if err != nil {
				t.Fatal(err)
			}
			mine := map[string][2]uint64{}
			for i, s := range img.Segments {
				if img.Kind == ELF {
					mine[fmt.Sprintf("%s ELF program header segment %d", tc.name, i)] = [2]uint64{s.Addr, s.MemSize}
				} else {
					mine[tc.name] = [2]uint64{s.Addr, uint64(len(s.Data))}
				}
			}
			if p.Initrd.Size != 0 {
				mine["initrd"] = [2]uint64{p.Initrd.Base, p.Initrd.Size}
			}
			if p.DTB.Size != 0 {
				mine["dtb"] = [2]uint64{p.DTB.Base, p.DTB.Size}
			}
			delete(blobs, "bootloader")
			if got, want := fmt.Sprintf("%x", mine), fmt.Sprintf("%x", blobs); got != want {
				t.Errorf("loader %s\n  qemu %s", got, want)
			}
		})
	}
}

// A file that the GNU linker made has the bytes at the addresses that the linker was told.
func TestLinkedELF(t *testing.T) {
	gcc := needTool(t, "aarch64-linux-gnu-gcc")
	dir := t.TempDir()
	src := filepath.Join(dir, "k.S")
	if err := os.WriteFile(src, []byte(".globl _start\n.text\n nop\n_start: wfi\n.data\n.ascii \"gate\"\n.bss\n.skip 0x5000\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "k.elf")
	args := strings.Fields("-nostdlib -static -Wl,--build-id=none -Wl,-Ttext=0x40080000 -Wl,-Tdata=0x40090000 -o")
	if msg, err := exec.Command(gcc, append(args, out, src)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	file, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	img, err := Parse("k.elf", file, testRAM)
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]byte, 0x100000)
	end := uint64(0)
	for _, s := range img.Segments {
		copy(mem[s.Addr-0x40000000:], s.Data)
		end = s.Addr + s.MemSize
	}
	if img.Entry != 0x40080004 || !bytes.Equal(mem[0x80000:0x80008], []byte{0x1f, 0x20, 0x03, 0xd5, 0x7f, 0x20, 0x03, 0xd5}) {
		t.Errorf("entry %#x, text % x", img.Entry, mem[0x80000:0x80008])
	}
	if string(mem[0x90000:0x90004]) != "gate" || end < 0x40095004 {
		t.Errorf("data %q, end %#x", mem[0x90000:0x90004], end)
	}
}
