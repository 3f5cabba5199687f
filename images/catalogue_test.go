package images

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/platform/loader"
)

func TestCatalogue(t *testing.T) {
	var names []string
	for _, img := range All() {
		names = append(names, img.Name+".elf")
		if img.Summary == "" || img.CPUs < 1 || img.Verdict == "" {
			t.Errorf("%s: %q, %d processors, verdict %q", img.Name, img.Summary, img.CPUs, img.Verdict)
		}
		if (img.Expect == "") != (img.SecureWorld != "") {
			t.Errorf("%s: secure world %q, expected text %q", img.Name, img.SecureWorld, img.Expect)
		}
		if strings.Contains(img.Expect, "FAIL") || img.Expect != "" && !strings.HasSuffix(img.Expect, img.Verdict+"\n") {
			t.Errorf("%s: expects %q, verdict %q", img.Name, img.Expect, img.Verdict)
		}
		got, err := Get(img.Name)
		if err != nil || got.Name != img.Name || !bytes.Equal(got.ELF, img.ELF) {
			t.Errorf("Get(%s): %s, %v", img.Name, got.Name, err)
		}
	}
	files, err := filepath.Glob("bin/*.elf")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(names)
	if !slices.Equal(names, files) {
		t.Errorf("catalogue %v, files %v", names, files)
	}
	for _, name := range []string{"", "no", "../hello", "hello.elf"} {
		if _, err := Get(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("Get(%q): %v", name, err)
		}
	}
}

// The files load below 128 MiB of RAM and leave room for the device tree; they carry nothing that differs from build to build.
func TestFiles(t *testing.T) {
	ram := loader.Range{Base: 0x40000000, Size: 128 << 20}
	for _, img := range All() {
		k, err := loader.Parse(img.Name, img.ELF, ram)
		if err != nil {
			t.Error(err)
			continue
		}
		if k.Entry != 0x40080000 || k.Segments[0].Addr != 0x40080000 || k.Linux {
			t.Errorf("%s: entry %#x, first segment %#x", img.Name, k.Entry, k.Segments[0].Addr)
		}
		f, err := elf.NewFile(bytes.NewReader(img.ELF))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, s := range f.Sections {
			switch s.Name {
			case "", ".text", ".data", ".bss", ".noinit", ".shstrtab":
			default:
				t.Errorf("%s: section %s", img.Name, s.Name)
			}
		}
		for _, p := range f.Progs {
			if p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
				t.Errorf("%s: segment at %#x is writable and executable", img.Name, p.Paddr)
			}
		}
	}
}

// Each directory of sources is an image or shared by images, and built.
func TestSourcesAreBuilt(t *testing.T) {
	dirs, err := os.ReadDir("src")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if d.Name() == "rt" || d.Name() == "lend" {
			continue
		}
		if _, err := Get(d.Name()); err != nil {
			t.Errorf("src/%s: %v", d.Name(), err)
		}
	}
}
