package difftest

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/arch/arm64/arm64asm"

	"gatehouse/platform"
	"gatehouse/platform/firmware"
	"gatehouse/platform/internal/qemutest"
	"gatehouse/platform/loader"
)

var (
	instructions = flag.Int("instructions", 0, "random instructions per group; 0 stands for 2000, and for 10000 with GATEHOUSE_LONG set")
	seed         = flag.Uint64("seed", 1, "seed of the random instructions")
)

// limit is the time that one run of the guest may take on the host.
const limit = 5 * time.Minute

// noFirmware is a board without EL3 whose PSCI nobody calls.
type noFirmware struct{}

func (noFirmware) Reset(firmware.Host) error { return nil }

func (noFirmware) SMC(_ firmware.Call, r *firmware.Registers) { r[0] = ^uint64(0) }

// targets run the guest on a processor that both sides have, and give what it printed, one line per block.
type targets struct {
	cpu  string
	elf  string
	data []byte
}

func newTargets(t *testing.T, cpu string) *targets {
	elf := qemutest.Build(t, filepath.Join("testdata", "link.ld"), filepath.Join("testdata", "start.S"), filepath.Join("testdata", "guest.c"))
	data, err := os.ReadFile(elf)
	if err != nil {
		t.Fatal(err)
	}
	return &targets{cpu, elf, data}
}

func (g *targets) qemu(t *testing.T, blocks []*block, dump bool) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, list(blocks, dump), 0o600); err != nil {
		t.Fatal(err)
	}
	out := qemutest.Run(t, limit, "-M", "virt", "-cpu", g.cpu, "-m", "128M", "-semihosting", "-kernel", g.elf,
		"-device", fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", file, listAddr))
	return lines(t, string(out), len(blocks))
}

func (g *targets) gatehouse(t *testing.T, blocks []*block, dump bool) []string {
	t.Helper()
	var out, warnings strings.Builder
	cfg := platform.Config{CPU: g.cpu, SecureWorld: platform.SecureNone, Firmware: noFirmware{}, Semihosting: true, Warnings: &warnings}
	cfg.Serial[0] = &out
	kernel, err := loader.Parse("guest.elf", g.data, cfg.Range())
	if err != nil {
		t.Fatal(err)
	}
	blob, err := loader.ParseBlob("list", list(blocks, dump), listAddr, cfg.Range())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Kernel, cfg.Blobs = kernel, []*loader.Image{blob}
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if exit := m.Run(ctx); exit.Reason != platform.Exited || exit.Code != 0 {
		t.Fatalf("Gatehouse: %+v after %d instructions\n%s%s", exit, m.Retired(), warnings.String(), tail(out.String()))
	}
	return lines(t, out.String(), len(blocks))
}

func lines(t *testing.T, out string, n int) []string {
	t.Helper()
	l := strings.Split(strings.TrimSuffix(strings.ReplaceAll(out, "\r", ""), "\n"), "\n")
	if len(l) != n {
		t.Fatalf("%d lines for %d blocks; they end with:\n%s", len(l), n, tail(out))
	}
	return l
}

func tail(s string) string { return s[max(0, len(s)-1000):] }

func TestIntegerInstructions(t *testing.T) {
	compareGroups(t, newTargets(t, "max"), allGroups())
}

// Cortex-A57 has no extensions but CRC32: what needs one is undefined. Its DC ZVA clears as much as the model's, max's does not.
func TestCortexA57(t *testing.T) {
	groups := []group{
		{name: "DC ZVA", steps: 12, step: (*gen).zero},
		{name: "add and subtract with carry", steps: 12, step: func(g *gen) {
			g.emit(g.sf() | g.n(2)<<29 | 0x1a00_0000 | g.reg()<<16 | g.reg()<<5 | g.reg())
		}},
		{name: "undefined", steps: 1, faults: true, share: 15, step: (*gen).undefinedOnA57},
	}
	for _, gr := range allGroups() {
		if !gr.max {
			groups = append(groups, gr)
		}
	}
	compareGroups(t, newTargets(t, "cortex-a57"), groups)
}

// compareGroups makes the blocks of the groups and compares them.
func compareGroups(t *testing.T, g *targets, groups []group) {
	t.Helper()
	r := rand.New(rand.NewPCG(*seed, 0))
	var blocks []*block
	for _, gr := range groups {
		n := *instructions
		if n == 0 {
			n = qemutest.Volume(2000, 10_000)
		}
		if gr.share != 0 && n < 10_000 {
			n = n * gr.share / 100
		}
		for done := 0; done < n; done += gr.steps {
			blocks = append(blocks, newBlock(r, &gr, gr.steps))
		}
	}
	// One list does not hold any number of blocks.
	for len(blocks) > 0 {
		n := min(len(blocks), 6000)
		compare(t, g, blocks[:n])
		blocks = blocks[n:]
	}
}

// compare runs the blocks on both sides and explains the first differences of each group.
func compare(t *testing.T, g *targets, blocks []*block) {
	t.Helper()
	want := g.qemu(t, blocks, false)
	got := g.gatehouse(t, blocks, false)
	const explained = 3
	differ := make(map[string]int)
	for i, b := range blocks {
		if strings.HasSuffix(want[i], "!") != b.faults {
			t.Fatalf("%s: block %d proves nothing: it ends in an exception: %t\n%s", b.group, i, !b.faults, g.listing(t, b))
		}
		if got[i] == want[i] {
			continue
		}
		if differ[b.group]++; differ[b.group] <= explained {
			t.Errorf("%s: block %d\n%s", b.group, i, g.explain(t, b))
		}
	}
	for name, n := range differ {
		if n > explained {
			t.Errorf("%s: %d blocks differ", name, n)
		}
	}
}

// explain finds the first instruction of a block whose execution differs: the shortest prefix that does.
func (g *targets) explain(t *testing.T, b *block) string {
	t.Helper()
	prefixes := make([]*block, len(b.words)+1)
	for n := range prefixes {
		prefixes[n] = b.prefix(n)
	}
	n, before, d := firstDifference(t, g.qemu(t, prefixes, true), g.gatehouse(t, prefixes, true))
	switch n {
	case -1:
		return "\tthe digests differ, no prefix does: it depends on the address"
	case 0:
		return "\tdiffers before the first instruction:\n\t" + strings.Join(d, "\n\t")
	}
	return describe(b, n-1, &before) + "\n\t" + strings.Join(d, "\n\t")
}

// firstDifference gives the number of the first dump that differs, -1 if none does, QEMU's outcome before it, and what differs.
func firstDifference(t *testing.T, want, got []string) (n int, before outcome, d []string) {
	t.Helper()
	for n := range want {
		w, err := parseOutcome(want[n])
		if err != nil {
			t.Fatalf("QEMU: %v", err)
		}
		h, err := parseOutcome(got[n])
		if err != nil {
			t.Fatalf("Gatehouse: %v", err)
		}
		if d := h.differences(&w); len(d) != 0 {
			return n, before, d
		}
		before = w
	}
	return -1, before, nil
}

// A block with a wrong instruction in it is found, and the instruction with it: a comparison that sees nothing would pass as well.
func TestFirstDifference(t *testing.T) {
	g := newTargets(t, "max")
	b := &block{words: []uint32{
		0xd2800020, // MOV X0, #1
		0xf90003e0, // STR X0, [SP]
		0x91000400, // ADD X0, X0, #1
		0xeb1f001f, // CMP X0, XZR
	}}
	b.regs[31] = bufferAddr
	for i, wrong := range []struct {
		word   uint32
		differ string
	}{
		{0xd2800040, "x0: "},                // MOV X0, #2
		{0xf90007e0, "memory 0x40800e00: "}, // STR X0, [SP, #8]
		{0x91400400, "x0: "},                // ADD X0, X0, #1, LSL #12
		{0xeb0003ff, "nzcv: "},              // CMP XZR, X0
	} {
		bad := *b
		bad.words = append([]uint32(nil), b.words...)
		bad.words[i] = wrong.word
		var right, other []*block
		for n := range len(b.words) + 1 {
			right, other = append(right, b.prefix(n)), append(other, bad.prefix(n))
		}
		n, before, d := firstDifference(t, g.qemu(t, right, true), g.gatehouse(t, other, true))
		if n != i+1 || len(d) == 0 || !strings.HasPrefix(d[0], wrong.differ) {
			t.Errorf("instruction %d: found at %d: %q", i, n-1, d)
		}
		if text := describe(b, i, &before); !strings.Contains(text, disassemble(b.words[i])) {
			t.Errorf("instruction %d: %s", i, text)
		}
		if x, y := g.qemu(t, right, false), g.gatehouse(t, other, false); x[i] != y[i] || x[i+1] == y[i+1] {
			t.Errorf("instruction %d: digests %v and %v", i, x, y)
		}
	}
}

// listing shows a block whose generator is wrong, with what QEMU made of it.
func (g *targets) listing(t *testing.T, b *block) string {
	var s strings.Builder
	for _, w := range b.words {
		fmt.Fprintf(&s, "\t%#08x  %s\n", w, disassemble(w))
	}
	return s.String() + g.qemu(t, []*block{b}, true)[0]
}

// describe names instruction n of a block and the registers that its fields may mean.
func describe(b *block, n int, before *outcome) string {
	w := b.words[n]
	var s strings.Builder
	fmt.Fprintf(&s, "\t%#08x  %s", w, disassemble(w))
	seen := make(map[uint32]bool)
	for _, shift := range []int{0, 5, 10, 16} {
		r := w >> shift & 31
		if r == 31 || seen[r] {
			continue
		}
		seen[r] = true
		fmt.Fprintf(&s, "\n\tbefore: x%d = %#x", r, before.x[r])
	}
	fmt.Fprintf(&s, "\n\tbefore: sp = %#x, nzcv = %#x", before.sp, before.nzcv)
	first := 0
	for _, start := range b.starts {
		if start <= n {
			first = start
		}
	}
	for _, w := range b.words[first:n] {
		fmt.Fprintf(&s, "\n\tbehind: %#08x  %s", w, disassemble(w))
	}
	return s.String()
}

func disassemble(w uint32) string {
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], w)
	in, err := arm64asm.Decode(p[:])
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return in.String()
}
