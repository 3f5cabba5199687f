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
	instructions = flag.Int("instructions", 2000, "random instructions per group")
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
		if gr.share != 0 {
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
	want, got := g.qemu(t, prefixes, true), g.gatehouse(t, prefixes, true)
	var before outcome
	for n := range prefixes {
		w, err := parseOutcome(want[n])
		if err != nil {
			t.Fatalf("QEMU: %v", err)
		}
		h, err := parseOutcome(got[n])
		if err != nil {
			t.Fatalf("Gatehouse: %v", err)
		}
		if n == 0 {
			before = w
		}
		d := h.differences(&w)
		if len(d) == 0 {
			before = w
			continue
		}
		if n == 0 {
			return "differs before the first instruction:\n\t" + strings.Join(d, "\n\t")
		}
		return describe(b, n-1, &before) + "\n\t" + strings.Join(d, "\n\t")
	}
	return "the digests differ, no prefix does: it depends on the address"
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
