package initramfs

import (
	"bytes"
	"debug/elf"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

func records(t testing.TB, archive []byte) []cpio.Record {
	t.Helper()
	all, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNew(t *testing.T) {
	archive, err := New([]byte("program"), File{"etc/a/b", 0o4640, []byte("text")}, File{"etc/a/c", 0o600, nil})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records(t, archive) {
		names = append(names, r.Name)
		switch r.Name {
		case "init":
			data := make([]byte, r.FileSize)
			if _, err := r.ReadAt(data, 0); err != nil || string(data) != "program" || r.Mode != cpio.S_IFREG|0o755 {
				t.Errorf("init: %q, mode %#o, %v", data, r.Mode, err)
			}
		case "etc/a/b":
			if r.Mode != cpio.S_IFREG|0o4640 || r.FileSize != 4 {
				t.Errorf("etc/a/b: mode %#o, %d bytes", r.Mode, r.FileSize)
			}
		case "etc", "etc/a", "proc", "sys":
			if r.Mode != cpio.S_IFDIR|0o755 {
				t.Errorf("%s: mode %#o", r.Name, r.Mode)
			}
		case "dev/console": // 5:1 in Linux's devices.txt
			if r.Mode != cpio.S_IFCHR|0o600 || r.Rmajor != 5 || r.Rminor != 1 {
				t.Errorf("console: mode %#o, %d:%d", r.Mode, r.Rmajor, r.Rminor)
			}
		}
	}
	want := []string{"dev", "dev/console", "dev/null", "proc", "sys", "tmp", "init", "etc", "etc/a", "etc/a/b", "etc/a/c"}
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	again, _ := New([]byte("program"), File{"etc/a/b", 0o4640, []byte("text")}, File{"etc/a/c", 0o600, nil})
	if !bytes.Equal(archive, again) {
		t.Error("the same files make other bytes")
	}
}

// GNU cpio reads the same out of it.
func TestCPIO(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed")
	}
	archive, err := New(bytes.Repeat([]byte("x"), 70001))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cpio", "-t", "--quiet")
	cmd.Stdin = bytes.NewReader(archive)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "dev\ndev/console\ndev/null\nproc\nsys\ntmp\ninit\n" {
		t.Errorf("%v: %q", err, out)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "/a", "../a", "a/../b", "a//b", "a/", "init", "dev", "dev/console", "TRAILER!!!", "a\x00b"} {
		if _, err := New(nil, File{Name: name}); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := New(nil, File{Name: "a"}, File{Name: "a"}); !errors.Is(err, ErrName) {
		t.Errorf("twice: %v", err)
	}
}

func FuzzNew(f *testing.F) {
	f.Add("etc/passwd", uint64(0o644), []byte("root"))
	f.Fuzz(func(t *testing.T, name string, mode uint64, data []byte) {
		archive, err := New(data, File{name, mode, data})
		if err != nil {
			return
		}
		all := records(t, archive)
		last := all[len(all)-1]
		got := make([]byte, last.FileSize)
		if _, err := last.ReadAt(got, 0); len(got) > 0 && err != nil {
			t.Fatal(err)
		}
		if last.Name != name || last.Mode != cpio.S_IFREG|mode&0o7777 || !bytes.Equal(got, data) {
			t.Fatalf("%q %#o: read back as %q %#o, %d bytes of %d", name, mode, last.Name, last.Mode, len(got), len(data))
		}
	})
}

// Build makes a static program of the guest's kind.
func TestBuild(t *testing.T) {
	archive, err := Build("gatehouse/images/guest/init")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records(t, archive) {
		if r.Name != "init" {
			continue
		}
		f, err := elf.NewFile(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Machine != elf.EM_AARCH64 || f.Section(".interp") != nil {
			t.Errorf("%v, dynamic %v", f.Machine, f.Section(".interp") != nil)
		}
	}
	_, err = Build(filepath.ToSlash("./does/not/exist"))
	if err == nil || !strings.Contains(err.Error(), "does/not/exist") {
		t.Errorf("a package that is not there: %v", err)
	}
}
