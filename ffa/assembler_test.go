package ffa

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// bigLend is a descriptor of version 1.2 with n single-page ranges.
func bigLend(n int) (MemoryTransaction, []byte) {
	d := MemoryTransaction{EMADSize: 32, Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW}}}
	for i := range n {
		d.Constituents = append(d.Constituents, Constituent{uint64(i) << 13, 1})
	}
	return d, d.AppendTo(nil, Version1_2)
}

// Linux sends 600 ranges in fragments of its 4096-byte TX buffer: 250, 256 and 94 of them.
func TestAssembleLikeLinux(t *testing.T) {
	d, b := bigLend(600)
	if len(b) != 96+9600 {
		t.Fatalf("descriptor of %d bytes", len(b))
	}
	var a Assembler
	first := NextFragment(b, 0, 4096)
	if err := a.Start(uint32(len(b)), first, Version1_2, Lend, 1<<16); err != nil {
		t.Fatal(err)
	}
	offsets := []uint32{a.Offset()}
	for !a.Complete() {
		if err := a.Add(NextFragment(b, a.Offset(), 4096)); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, a.Offset())
	}
	if want := []uint32{4096, 8192, 9696}; len(offsets) != 3 || [3]uint32(offsets) != [3]uint32(want) {
		t.Errorf("offsets %v, want %v", offsets, want)
	}
	if !bytes.Equal(a.Data, b) || a.Remaining() != 0 {
		t.Fatal("assembled bytes differ")
	}
	got, err := ParseMemoryTransaction(a.Data, Version1_2, Lend)
	if err != nil || !same(got, &d) {
		t.Errorf("parsed: %v", err)
	}
}

func TestAssemblerInOnePiece(t *testing.T) {
	var a Assembler
	if !a.Complete() || a.Offset() != 0 {
		t.Error("a new Assembler waits for something")
	}
	b := unhex(t, retrieve)
	if err := a.Start(uint32(len(b)), b, Version1_2, RetrieveRequest, 4096); err != nil || !a.Complete() {
		t.Errorf("retrieve request: %v, complete %v", err, a.Complete())
	}
	// Reuse: the first descriptor is gone, the bytes are a copy.
	b = unhex(t, lend1_2)
	if err := a.Start(uint32(len(b)), b, Version1_2, Lend, 4096); err != nil || !bytes.Equal(a.Data, b) {
		t.Errorf("lend: %v, %x", err, a.Data)
	}
	clear(b)
	if a.Data[24] != 0x20 {
		t.Error("the Assembler aliases the fragment")
	}
}

func TestAssemblerStartRefused(t *testing.T) {
	_, b := bigLend(10) // 96 + 160 = 256 bytes
	with := func(e edit) []byte {
		c := bytes.Clone(b)
		e.apply(c)
		return c
	}
	for _, c := range []struct {
		name  string
		total uint32
		first []byte
		limit uint32
		field string
		rule  Rule
		code  Error
	}{
		{"total above the limit", 256, b[:96], 255, "total length", RuleTooLong, NoMemory},
		{"total maximal", 0xFFFFFFFF, b[:96], 4096, "total length", RuleTooLong, NoMemory},
		{"total not a multiple of 16", 250, b[:96], 4096, "total length", RuleMisaligned, InvalidParameters},
		{"fragment not a multiple of 16", 256, b[:100], 4096, "fragment length", RuleMisaligned, InvalidParameters},
		{"fragment longer than total", 240, b, 4096, "fragment length", RuleLength, InvalidParameters},
		{"fragment empty", 256, nil, 4096, "fragment length", RuleTruncated, InvalidParameters},
		{"header incomplete", 256, b[:32], 4096, "fragment length", RuleTruncated, InvalidParameters},
		{"receivers in second fragment", 256, b[:64], 4096, "EMAD count", RuleSecondFragment, InvalidParameters},
		{"composite in second fragment", 256, b[:80], 4096, "emad[0].composite offset", RuleSecondFragment, InvalidParameters},
		{"composite far away", 1024, with(edit{52, 4, 512}), 4096, "emad[0].composite offset", RuleSecondFragment, InvalidParameters},
		{"more ranges than total", 256, with(edit{84, 4, 11})[:96], 4096, "constituent count", RuleOutOfBounds, InvalidParameters},
		{"fewer ranges than total", 256, with(edit{84, 4, 9})[:96], 4096, "total length", RuleLength, InvalidParameters},
		{"receiver count", 256, with(edit{28, 4, 0})[:96], 4096, "EMAD count", RuleCountZero, InvalidParameters},
	} {
		var a Assembler
		err := a.Start(c.total, c.first, Version1_2, Lend, c.limit)
		checkFieldError(t, c.name, err, c.field, c.rule, c.code)
		if a.Total != 0 || len(a.Data) != 0 {
			t.Errorf("%s: not left empty: %+v", c.name, a)
		}
	}
	// EMADs of a hypervisor retrieve lie before the end of the first fragment too.
	h := unhex(t, hypRetrieve)
	edit{32, 4, 64}.apply(h)
	var a Assembler
	err := a.Start(64, h, Version1_2, HypervisorRetrieve, 4096)
	checkFieldError(t, h, err, "EMAD offset", RuleSecondFragment, InvalidParameters)
}

func TestAssemblerAddRefused(t *testing.T) {
	_, b := bigLend(10)
	var a Assembler
	if err := a.Start(256, b[:96], Version1_2, Lend, 4096); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fragment []byte
		rule     Rule
	}{
		{nil, RuleCountZero}, {b[96:104], RuleMisaligned}, {make([]byte, 176), RuleTooLong},
	} {
		err := a.Add(c.fragment)
		checkFieldError(t, c.fragment, err, "fragment length", c.rule, InvalidParameters)
		if a.Offset() != 96 {
			t.Fatalf("a refused fragment moved the offset to %d", a.Offset())
		}
	}
	if err := a.Add(b[96:]); err != nil || !a.Complete() {
		t.Fatalf("the last fragment: %v", err)
	}
	err := a.Add(b[:16])
	checkFieldError(t, "complete", err, "fragment length", RuleComplete, InvalidParameters)
	a.Reset()
	err = a.Add(b[:16])
	checkFieldError(t, "not started", err, "fragment length", RuleComplete, InvalidParameters)
}

func TestNextFragment(t *testing.T) {
	b := make([]byte, 112)
	for _, c := range []struct {
		offset, size uint32
		want         int
	}{
		{0, 4096, 112}, {0, 112, 112}, {0, 111, 96}, {96, 4096, 16}, {112, 16, 0}, {0xFFFFFFF0, 16, 0}, {0, 15, 0},
	} {
		if got := len(NextFragment(b, c.offset, c.size)); got != c.want {
			t.Errorf("NextFragment(%d, %d) has %d bytes, want %d", c.offset, c.size, got, c.want)
		}
	}
}

// However a descriptor is cut, the result is the descriptor.
func TestAssembleRandomCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var a Assembler
	for range 300 {
		v := Version1_0 + Version(rng.IntN(4))
		d := randomTransaction(rng, v, Lend)
		b := d.AppendTo(nil, v)
		head := len(b) - 16*len(d.Constituents)
		cut := head + 16*rng.IntN(len(d.Constituents)+1)
		if err := a.Start(uint32(len(b)), b[:cut], v, Lend, 1<<20); err != nil {
			t.Fatal(err)
		}
		for !a.Complete() {
			if err := a.Add(NextFragment(b, a.Offset(), uint32(16+rng.IntN(200)))); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(a.Data, b) {
			t.Fatalf("assembled %x, want %x", a.Data, b)
		}
	}
}

// FuzzAssembler: hostile lengths never panic, memory stays within the limit, and a complete transfer is what
// was sent.
func FuzzAssembler(f *testing.F) {
	_, b := bigLend(10)
	f.Add(b, uint32(256), uint16(96), uint16(32), byte(2))
	f.Add(b, uint32(0xFFFFFFFF), uint16(96), uint16(16), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, total uint32, first, step uint16, kind byte) {
		const limit = 1 << 14
		var a Assembler
		cut := min(int(first), len(b))
		k := Share + TransactionKind(kind%6)
		if a.Start(total, b[:cut], Version1_2, k, limit) != nil {
			if a.Total != 0 || len(a.Data) != 0 {
				t.Fatal("a refused start left something behind")
			}
			return
		}
		for !a.Complete() {
			rest := b[a.Offset():]
			if a.Add(rest[:min(int(step), len(rest))]) != nil {
				break
			}
			if len(a.Data) > limit || uint32(len(a.Data)) > a.Total {
				t.Fatalf("%d bytes of %d", len(a.Data), a.Total)
			}
		}
		if !bytes.Equal(a.Data, b[:len(a.Data)]) {
			t.Fatal("assembled bytes differ")
		}
		if a.Complete() && len(a.Data) == len(b) {
			_, err := ParseMemoryTransaction(a.Data, Version1_2, k)
			if (err == nil) != wellFormed(b, Version1_2, k) {
				t.Fatalf("complete descriptor: %v", err)
			}
		}
	})
}
