package guesttest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// zboot wraps a gzip'ed kernel as Linux's EFI_ZBOOT does (drivers/firmware/efi/libstub/zboot-header.S), without the EFI program.
func zboot(payload []byte) []byte {
	head := make([]byte, 0x1000)
	copy(head, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(head[8:], uint32(len(head)))
	binary.LittleEndian.PutUint32(head[12:], uint32(len(payload)))
	copy(head[24:], "gzip\x00")
	return append(head, payload...)
}

// A kernel boots in each form that distributions have it in.
func TestKernelFormats(t *testing.T) {
	file, err := os.ReadFile(sharedKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	plain := unzipped(t, file)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	initrd := tempFile(t, "initrd", initArchive(t))
	for name, data := range map[string][]byte{"plain": plain, "gzip": packed.Bytes(), "zboot": zboot(packed.Bytes())} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := boot(t, "-kernel", tempFile(t, "Image", data), "-initrd", initrd, "-append", "console=ttyAMA0", "-m", "256")
			s.expect("READY")
			s.send("off\n")
			s.off()
			s.healthy()
		})
	}
}

// The options of the kernel that build-kernel.sh makes are written as merging them needs, each once, and hold what the tests need.
func TestKernelOptions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "images", "scripts", "kernel.config"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		m := regexp.MustCompile(`^(?:# )?(CONFIG_\w+)(?:=(?:y|\d+|-1)| is not set)$`).FindStringSubmatch(line)
		switch {
		case m == nil && line != "" && (!strings.HasPrefix(line, "# ") || strings.Contains(line, "CONFIG_")):
			t.Errorf("%q is neither an option nor a comment", line)
		case m != nil && seen[m[1]]:
			t.Errorf("%s stands there twice", m[1])
		case m != nil:
			seen[m[1]] = true
		}
	}
	for _, name := range []string{"TEE", "OPTEE", "ARM_FFA_TRANSPORT", "DMABUF_HEAPS", "TEE_DMABUF_HEAPS", "CMA", "DMA_CMA", "VIRTIO_BLK", "HOTPLUG_CPU",
		"SERIAL_AMBA_PL011_CONSOLE", "DEVTMPFS"} {
		if !seen["CONFIG_"+name] {
			t.Errorf("CONFIG_%s is missing", name)
		}
	}
}
