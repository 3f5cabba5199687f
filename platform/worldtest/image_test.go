package worldtest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/platform"
	"gatehouse/platform/internal/qemutest"
)

// world is where a case's body runs.
type world uint8

const (
	ns0 world = iota
	ns1
	ns2
	s0
	s1
	el3
)

var worldNames = [...]string{"ns-el0", "ns-el1", "ns-el2", "s-el0", "s-el1", "el3"}

func (w world) String() string { return worldNames[w] }

func (w world) el() int { return [...]int{0, 1, 2, 0, 1, 3}[w] }

func (w world) nonSecure() bool { return w <= ns2 }

// testCase is one thing to try. Every case starts from the state that baseline in testdata/runtime.c makes.
type testCase struct {
	name string
	in   world
	// scr and hcr are set beside SCR_EL3.{RW, HCE, NS} and HCR_EL2.RW; scrClear and hcrClear are taken away.
	scr, hcr           uint64
	scrClear, hcrClear uint64
	// pstate changes the process state that the body is entered with, by exclusive or: {D, A, I, F} set, and SP_ELx above
	// EL0.
	pstate uint64
	// setup and after are assembly for EL3, executed before and after the body, and between where the body says "between". body
	// is what the case tests; where it goes on to its end the case prints "done".
	setup, body, between, after string
	// resume is how many exceptions are resumed at the instruction behind the one that took it.
	resume int
	// quiet says what a sweep does not print: quietUndefined, quietExecuted.
	quiet uint
	// raw keeps the registers as they are.
	raw bool
	// hvc ends the body with HVC, where SMC does not reach EL3.
	hvc bool
	// el2 says that the case needs EL2, as those in ns2 or with bits of HCR_EL2 do in any case; noEL2 that there must be none.
	el2, noEL2 bool
	// only is the name of the one model that has what the case tests.
	only string
	// arch is what the architecture asks for where QEMU prints something else. With alone, QEMU is not asked: it goes to a place
	// that the case cannot end in.
	arch  string
	alone bool
	// adapt turns what QEMU prints into what the architecture asks for, where that is a rule and not one answer.
	adapt func(string) string
}

// Values of testCase.quiet.
const (
	quietUndefined = 1 << iota
	quietExecuted
	raw
	noteUndefined
	quietNoted // with quietUndefined, only what a case with noteUndefined found in the same world
)

func (c *testCase) needsEL2() bool { return c.el2 || c.in == ns2 || c.hcr != 0 || c.hvc }

// Bits of SCR_EL3 and HCR_EL2 (DDI 0487, D19.2).
const (
	scrNS  = 1 << 0
	scrIRQ = 1 << 1
	scrFIQ = 1 << 2
	scrEA  = 1 << 3
	scrSMD = 1 << 7
	scrHCE = 1 << 8
	scrSIF = 1 << 9
	scrRW  = 1 << 10
	scrST  = 1 << 11
	scrTWI = 1 << 12
	scrTWE = 1 << 13

	hcrVM   = 1 << 0
	hcrPTW  = 1 << 2
	hcrFMO  = 1 << 3
	hcrIMO  = 1 << 4
	hcrAMO  = 1 << 5
	hcrVF   = 1 << 6
	hcrVI   = 1 << 7
	hcrVSE  = 1 << 8
	hcrDC   = 1 << 12
	hcrTWI  = 1 << 13
	hcrTWE  = 1 << 14
	hcrTID0 = 1 << 15
	hcrTID1 = 1 << 16
	hcrTID2 = 1 << 17
	hcrTID3 = 1 << 18
	hcrTSC  = 1 << 19
	hcrTIDC = 1 << 20
	hcrTACR = 1 << 21
	hcrTSW  = 1 << 22
	hcrTPCP = 1 << 23
	hcrTPU  = 1 << 24
	hcrTTLB = 1 << 25
	hcrTVM  = 1 << 26
	hcrTGE  = 1 << 27
	hcrTDZ  = 1 << 28
	hcrHCD  = 1 << 29
	hcrTRVM = 1 << 30
	hcrRW   = 1 << 31
	hcrCD   = 1 << 32
	hcrID   = 1 << 33
	hcrTEA  = 1 << 37
)

// Bits of SPSR_ELx (C5.2.19).
const (
	psSP  = 1 << 0
	psF   = 1 << 6
	psI   = 1 << 7
	psA   = 1 << 8
	psD   = 1 << 9
	psIL  = 1 << 20
	psPAN = 1 << 22
)

// msr gives the instructions that set a system register. They clobber x0.
func msr(reg string, v uint64) string { return fmt.Sprintf("ldr x0, =%#x; msr %s, x0\n", v, reg) }

// print gives the instructions that print a system register at EL3.
func print(reg string) string {
	return fmt.Sprintf("mrs x1, %s; adr x0, 90f; bl show; b 91f; 90: .asciz \"%s\"; .balign 4; 91:\n", reg, reg)
}

// assemble writes the cases as the source that goes with runtime.c.
func assemble(cases []testCase) []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("	.set CALL, 0")
	// done ends a body, show prints x0: a call to EL3, from EL0 by way of EL1's or EL2's vector.
	p("	.macro call imm\n	.if CALL == 0\n	svc \\imm\n	.elseif CALL == 1\n	smc \\imm\n	.else\n	hvc \\imm\n	.endif\n	.endm")
	p("	.macro done\n	call #0xff00\n	.endm")
	p("	.macro show\n	call #0xff01\n	.endm")
	p("	.macro between\n	call #0xff03\n	.endm")
	p("	.macro executed\n	call #0xff02\n	.endm")
	p("	.macro function\n	stp x29, x30, [sp, #-16]!\n	.endm")
	p("	.macro return\n	ldp x29, x30, [sp], #16\n	ret\n	.ltorg\n	.balign 4\n	.endm")
	if slices.ContainsFunc(cases, func(c testCase) bool { return c.body == trapBody }) {
		p("	.section .bodies, \"ax\"\n%s", trapTable())
	}
	for i, c := range cases {
		call := 1
		switch {
		case c.hvc:
			call = 2
		case c.in.el() == 0:
			call = 0
		}
		p("	.set CALL, %d", call)
		p("	.section .bodies, \"ax\"\n	.balign 64\nbody%d:", i)
		p("%s", c.body)
		p("	done\n	.ltorg\nend%d:", i)
		for _, f := range []struct{ name, code string }{{"setup", c.setup}, {"between", c.between}, {"after", c.after}} {
			if f.code != "" {
				p("	.text\n%s%d:	function\n%s\n	return", f.name, i, f.code)
			}
		}
	}
	p("	.section .rodata\n	.balign 8\n	.global kases\nkases:")
	for i, c := range cases {
		function := func(name, code string) string {
			if code == "" {
				return "0"
			}
			return fmt.Sprintf("%s%d", name, i)
		}
		scr, hcr, pstate := uint64(3<<4|scrRW|scrHCE)|c.scr, uint64(hcrRW)|c.hcr, uint64(psD|psA|psI|psF)|uint64(c.in.el())<<2
		if c.in.nonSecure() {
			scr |= scrNS
		}
		if c.in.el() > 0 {
			pstate |= psSP
		}
		if c.raw {
			c.quiet |= raw
		}
		p("	.quad name%d, %#x, %#x, %#x, body%d, end%d, %d, %d, %s, %s, %s", i, scr&^c.scrClear, hcr&^c.hcrClear, pstate^c.pstate, i, i, c.resume, c.quiet,
			function("setup", c.setup), function("between", c.between), function("after", c.after))
	}
	p("	.quad 0")
	for i, c := range cases {
		p("name%d:	.asciz %q", i, c.name)
	}
	return b.Bytes()
}

// keep leaves what a failure is looked into with.
var keep = flag.String("keep", "", "leave the sources, the image and both outputs in this directory")

// board is one way to put the machine together.
type board struct {
	cpu  string
	el2  bool
	cpus int
}

func (b board) String() string {
	name := b.cpu + "/no-el2"
	if b.el2 {
		name = b.cpu + "/el2"
	}
	if b.cpus > 1 {
		name += fmt.Sprintf("/%d-cpus", b.cpus)
	}
	return name
}

// build makes the firmware image and gives its path.
func build(t *testing.T, cases []testCase) string {
	t.Helper()
	qemutest.Require(t, "aarch64-linux-gnu-objcopy")
	dir := t.TempDir()
	if *keep != "" {
		dir = *keep
	}
	source := filepath.Join(dir, "cases.S")
	if err := os.WriteFile(source, assemble(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	elf := qemutest.Build(t, "testdata/link.ld", "testdata/runtime.S", "testdata/runtime.c", source)
	image := filepath.Join(dir, "firmware.bin")
	if msg, err := exec.Command("aarch64-linux-gnu-objcopy", "-O", "binary", elf, image).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v\n%s", err, msg)
	}
	return image
}

// timeLimit ends a machine that hangs, in host time. No result depends on it.
const timeLimit = 3 * time.Minute

// onQEMU gives what the image prints on QEMU.
func (b board) onQEMU(t *testing.T, image string) string {
	t.Helper()
	machine := "virt,secure=on,gic-version=3"
	if b.el2 {
		machine += ",virtualization=on"
	}
	return string(qemutest.Run(t, timeLimit, "-M", machine, "-cpu", b.cpu, "-smp", fmt.Sprint(b.cpus), "-m", "128", "-bios", image,
		"-semihosting-config", "enable=on,target=native"))
}

// console is the output of a UART, as far as a guest that prints without end does no harm.
type console struct{ bytes.Buffer }

func (c *console) Write(p []byte) (int, error) {
	if c.Len() < 16<<20 {
		c.Buffer.Write(p)
	}
	return len(p), nil
}

// onGatehouse gives what the image prints on this program's machine.
func (b board) onGatehouse(t *testing.T, image string) string {
	t.Helper()
	code, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	var out console
	var warnings bytes.Buffer
	cfg := platform.Config{CPU: b.cpu, CPUs: b.cpus, SecureWorld: platform.SecureGuest, EL2: b.el2, BIOS: code, Semihosting: true, Warnings: &warnings}
	cfg.Serial[0] = &out
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	if exit := m.Run(ctx); exit.Reason != platform.Exited || exit.Code != 0 {
		text := out.String()
		t.Errorf("the machine ended with %+v after %q\n%s", exit, text[max(0, len(text)-500):], warnings.Bytes())
	}
	return out.String()
}

// split gives the lines that each case printed, by its name. Names start at the margin, results do not.
func split(text string) (names []string, results map[string]string) {
	results = map[string]string{}
	for len(text) > 0 {
		name, rest, _ := strings.Cut(text, "\n")
		text = rest
		end := 0
		for end < len(rest) && rest[end] == ' ' {
			n := strings.IndexByte(rest[end:], '\n') + 1
			if n == 0 {
				n = len(rest) - end
			}
			end += n
		}
		names = append(names, name)
		results[name], text = rest[:end], rest[end:]
	}
	return names, results
}

// compare runs the cases that a board can run on QEMU and here. It marks the exclusions that were used.
func compare(t *testing.T, b board, all []testCase, used []bool) {
	var cases, alone []testCase
	arch, adapt := map[string]string{}, map[string]func(string) string{}
	seen, sweeps := map[string]bool{}, map[string]bool{}
	for _, c := range all {
		if seen[c.name] {
			t.Fatalf("two cases are named %s", c.name)
		}
		seen[c.name] = true
		if c.needsEL2() && !b.el2 || c.noEL2 && b.el2 || c.only != "" && c.only != b.cpu {
			continue
		}
		if c.alone {
			alone = append(alone, c)
			continue
		}
		cases = append(cases, c)
		sweeps[c.name] = c.quiet != 0
		if c.arch != "" {
			arch[c.name] = c.arch
		}
		adapt[c.name] = func(text string) string {
			text = withoutISV(text, c.hcr&hcrVM != 0)
			if c.adapt != nil {
				text = c.adapt(text)
			}
			return text
		}
	}
	_, here := split(b.onGatehouse(t, build(t, alone)))
	for _, c := range alone {
		if here[c.name] != c.arch {
			t.Errorf("%s:\n%swant\n%s", c.name, here[c.name], c.arch)
		}
	}
	image := build(t, cases)
	theirs, ours := b.onQEMU(t, image), b.onGatehouse(t, image)
	if *keep != "" {
		for name, text := range map[string]string{"qemu.txt": theirs, "gatehouse.txt": ours} {
			if err := os.WriteFile(filepath.Join(*keep, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, want := split(theirs)
	names, got := split(ours)
	if len(want) < len(cases) {
		t.Errorf("QEMU finished %d cases of %d", len(want), len(cases))
	}
	for _, c := range cases {
		if !slices.Contains(names, c.name) {
			t.Fatalf("%s did not run", c.name)
		}
	}
	for _, name := range names {
		if t.Failed() && len(names) > 2*len(cases) {
			t.Fatalf("%d results for %d cases", len(names), len(cases))
		}
		w := want[name]
		if f := adapt[name]; f != nil {
			w = f(w)
		}
		if a, ok := arch[name]; ok {
			if w == a {
				t.Errorf("%s: QEMU does what the architecture says; the case need not say it", name)
			}
			w = a
		}
		if sweeps[name] {
			compareSweep(t, b, name, got[name], w, used)
		} else if got[name] != w {
			t.Errorf("%s:\n%s", name, difference(got[name], w))
		}
	}
}

// difference shows the lines that differ, up to a few.
func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out strings.Builder
	shown := 0
	for i := 0; i < max(len(a), len(b)) && shown < 6; i++ {
		var g, w string
		if i < len(a) {
			g = a[i]
		}
		if i < len(b) {
			w = b[i]
		}
		if g != w {
			shown++
			fmt.Fprintf(&out, "%d:%s\nwant%s\n", i, g, w)
		}
	}
	return out.String()
}
