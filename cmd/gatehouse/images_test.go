package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/images"
)

func TestImages(t *testing.T) {
	list := gatehouse("images")
	if list.status != statusOK || list.stderr != "" {
		t.Fatalf("%+v", list)
	}
	lines := strings.Split(strings.TrimSpace(list.stdout), "\n")
	for i, img := range images.All() {
		if i >= len(lines) || !strings.HasPrefix(lines[i], img.Name+" ") || !strings.HasSuffix(lines[i], img.Summary) {
			t.Errorf("%s: %q", img.Name, lines)
		}
	}
	// What is not bundled is named, too, with scripts that exist.
	doc, err := os.ReadFile("../../docs/images.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range guests {
		line := lines[len(lines)-len(guests)+i]
		if !strings.HasPrefix(line, g.name+" ") || !strings.HasSuffix(line, g.source) {
			t.Errorf("%s: %q", g.name, line)
		}
		if script, _, _ := strings.Cut(g.source, " "); strings.HasSuffix(script, ".sh") {
			if info, err := os.Stat(filepath.Join("../../images/scripts", script)); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("%s: %v, or it cannot be executed", script, err)
			}
			if !strings.Contains(string(doc), "images/scripts/"+script) {
				t.Errorf("docs/images.md does not have %s", script)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "image.elf")
	for _, args := range [][]string{{"hello", "-o", path}, {"-o", path, "fault"}} {
		if r := gatehouse(append([]string{"images"}, args...)...); r != (result{}) {
			t.Errorf("%v: %+v", args, r)
		}
		name := args[0]
		if name == "-o" {
			name = args[2]
		}
		img, err := images.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != string(img.ELF) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

// Every bundled image boots and says what it was written to say. The golden texts are checked against QEMU by package images.
func TestBundled(t *testing.T) {
	for _, img := range images.All() {
		t.Run(img.Name, func(t *testing.T) {
			if img.Name == "bench" && testing.Short() {
				t.Skip("long")
			}
			t.Parallel()
			r := gatehouse("boot", "-kernel", "image:"+img.Name, "-smp", string(rune('0'+img.CPUs)), "-timeout", "120s")
			if r.status != statusOK {
				t.Errorf("status %d: %s", r.status, r.stderr)
			}
			if img.Expect != "" {
				got, want := strings.Split(r.stdout, "\n"), strings.Split(img.Expect, "\n")
				for i := range max(len(got), len(want)) {
					if i >= len(got) || i >= len(want) || got[i] != want[i] {
						t.Fatalf("line %d: %q\n      want %q", i+1, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
					}
				}
			}
			if !strings.HasPrefix(r.stdout[strings.LastIndexByte(strings.TrimSuffix(r.stdout, "\n"), '\n')+1:], img.Verdict) {
				t.Errorf("verdict: %q", r.stdout)
			}
		})
	}
}
