// Command build compiles the test images. It is run by go generate in the directory of package images.
//
// The same compiler gives the same bytes: the flags are fixed, sources are sorted, and the files carry no paths, dates, symbols
// or build ids.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// image is one file to build: its own directory under src, the directories that it shares with others, and whether it uses
// floating point registers.
type image struct {
	name   string
	shared []string
	float  bool
}

var images = []image{
	{name: "hello"},
	{name: "lend-ffa", shared: []string{"lend"}},
	{name: "lend-smc", shared: []string{"lend"}},
	{name: "fault"},
	{name: "smp"},
	{name: "timer"},
	{name: "gic"},
	{name: "bench", float: true},
	{name: "conform"},
}

var flags = strings.Fields(`-std=gnu11 -Wall -Wextra -Werror -march=armv8-a -mstrict-align -mno-outline-atomics
	-ffreestanding -nostdlib -static -no-pie -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-ident
	-ffp-contract=off -fno-math-errno -ffunction-sections -fdata-sections -Irt
	-Wl,--build-id=none,--gc-sections,-z,max-page-size=4096,-T,rt/link.ld -s`)

func main() {
	src := flag.String("src", "src", "directory of the sources")
	out := flag.String("o", "bin", "directory for the built files")
	cc := flag.String("cc", "aarch64-linux-gnu-gcc", "cross compiler")
	opt := flag.String("opt", "-O2", "optimisation")
	flag.Parse()
	if err := run(*src, *out, *cc, *opt, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// run builds the named images, or all. A full build also leaves the compiler's version in compiler.txt, since another version
// gives other bytes.
func run(src, out, cc, opt string, names []string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(images, func(m image) bool { return m.name == name }) {
			return fmt.Errorf("no image %q", name)
		}
	}
	for _, m := range images {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		if err := m.build(src, out, cc, opt); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if len(names) > 0 {
		return nil
	}
	version, err := exec.Command(cc, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", cc, err)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	return os.WriteFile(filepath.Join(out, "compiler.txt"), []byte(first+"\n"), 0o644)
}

func (m image) build(src, out, cc, opt string) error {
	args := append(slices.Clone(flags), opt)
	if !m.float {
		args = append(args, "-mgeneral-regs-only")
	}
	for _, dir := range m.shared {
		args = append(args, "-I"+dir)
	}
	args = append(args, "-o", filepath.Join(out, m.name+".elf"))
	for _, dir := range append([]string{"rt", m.name}, m.shared...) {
		list, err := os.ReadDir(filepath.Join(src, dir)) // sorted by name
		if err != nil {
			return err
		}
		for _, f := range list {
			if ext := filepath.Ext(f.Name()); ext == ".c" || ext == ".S" {
				args = append(args, filepath.Join(dir, f.Name()))
			}
		}
	}
	cmd := exec.Command(cc, args...)
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v\n%s", err, msg)
	}
	return os.Chmod(filepath.Join(out, m.name+".elf"), 0o644)
}
