package guesttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// attempt gives process 1 a line that may fail, and gives its answer with OK or ERR.
func (s *session) attempt(line string) string {
	s.t.Helper()
	s.send(line + "\n")
	word, _, _ := strings.Cut(line, " ")
	s.expect(line + "\r\n")
	out := s.expect(" " + word) // OK or ERR
	return out + " " + word + s.expect("\r\n")
}

// The kinds of drives as Linux sees them, here and on QEMU: sizes, serial numbers, what can be written, and what is in the files then.
func TestDrives(t *testing.T) {
	kernel, initrd := sharedKernel(t), tempFile(t, "initrd", initArchive(t))
	const size = 1 << 20
	type outcome struct {
		answers []string
		files   [][]byte
	}
	converse := func(t *testing.T, start func(t *testing.T, args ...string) *session, more ...string) (o outcome) {
		var paths []string
		args := []string{"-kernel", kernel, "-initrd", initrd, "-append", "console=ttyAMA0 quiet", "-m", "256"}
		kinds := []string{"", ",readonly=on", ",snapshot=on", "", ""}
		for i, kind := range kinds {
			n := []int{size, size, size, 1000, 0}[i]
			path := tempFile(t, "disk", noise(uint64(i), n))
			paths = append(paths, path)
			args = append(args, "-drive", fmt.Sprintf("if=none,format=raw,id=d%d,file=%s%s", i, option(path), kind))
		}
		// On both machines the device that is named first is in the last slot, and Linux finds that one last.
		for i := range slices.Backward(kinds) {
			args = append(args, "-device", fmt.Sprintf("virtio-blk-device,drive=d%d,serial=serial-number-%d-7890", i, i))
		}
		s := start(t, append(args, more...)...)
		s.expect("READY")
		for i, disk := range []string{"vda", "vdb", "vdc", "vdd", "vde"} {
			for _, line := range []string{
				fmt.Sprintf("cat /sys/block/%s/size /sys/block/%s/ro /sys/block/%s/serial", disk, disk, disk),
				"sha /dev/" + disk,
				fmt.Sprintf("fill /dev/%s 512 512 %d", disk, i+1),
				"sha /dev/" + disk,
			} {
				o.answers = append(o.answers, s.attempt(line))
			}
		}
		s.send("off\n")
		s.off()
		if t.Failed() {
			return o
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o.files = append(o.files, data)
		}
		return o
	}
	got := converse(t, boot)
	if len(got.answers) < 20 {
		t.Fatal(got.answers)
	}
	written := func(i, n int) []byte {
		data := append(noise(uint64(i), n), make([]byte, max(0, 1024-n))...)
		copy(data[512:], bytes.Repeat([]byte{byte(i + 1)}, 512))
		return data
	}
	for i, want := range [][]byte{written(0, size), noise(1, size), noise(2, size), written(3, 1000), {}} {
		if !bytes.Equal(got.files[i], want) {
			t.Errorf("file %d has %d bytes, not those that were expected", i, len(got.files[i]))
		}
	}
	for i, want := range []string{"2048\n0\nserial-number-0-7890\n", "2048\n1\nserial-number-1-7890\n", "2048\n0\n", "2\n0\n", "0\n0\n"} {
		if !strings.HasPrefix(got.answers[4*i], want) {
			t.Errorf("drive %d: %q, want %q", i, got.answers[4*i], want)
		}
	}
	if !strings.Contains(got.answers[6], "ERR fill: ") || !strings.Contains(got.answers[4*4+2], "ERR fill: ") {
		t.Errorf("writing to what cannot be written: %q, %q", got.answers[6], got.answers[4*4+2])
	}

	if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
		require(t, "", "the Debian package qemu-system-arm has qemu-system-aarch64")
	}
	reference := converse(t, qemu, "-M", "virt,gic-version=3", "-cpu", "max", "-global", "virtio-mmio.force-legacy=false")
	for i, want := range reference.answers {
		if got.answers[i] != want {
			t.Errorf("answer %d: %q, on QEMU %q", i, got.answers[i], want)
		}
	}
	for i, want := range reference.files {
		if !bytes.Equal(got.files[i], want) {
			t.Errorf("file %d is not as QEMU leaves it: %d bytes, there %d", i, len(got.files[i]), len(want))
		}
	}
}

// The virtio console as the only one of a guest, in both directions.
func TestVirtioConsole(t *testing.T) {
	kernel, initrd := sharedKernel(t), tempFile(t, "initrd", initArchive(t))
	serial := filepath.Join(t.TempDir(), "serial")
	s := boot(t, "-kernel", kernel, "-initrd", initrd, "-m", "256", "-append", "console=hvc0", "-serial", "file:"+serial,
		"-chardev", "stdio,id=c", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=c")
	s.expect("READY")
	for i := range 20 {
		text := fmt.Sprintf("say %d %s", i, strings.Repeat("x", 10*i+1))
		s.command(text, text[4:]+"\n")
	}
	s.send("off\n")
	s.off()
	s.healthy()
	if text, err := os.ReadFile(serial); err != nil || len(text) != 0 {
		t.Errorf("the UART said %q, %v", text, err)
	}
}
