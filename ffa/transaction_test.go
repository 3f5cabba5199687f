package ffa

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// The descriptors below are written out field by field from the tables of the specification.
const (
	// What Linux lends for a protected pool at version 1.2: 112 bytes, attributes 0, tag 1.
	lend1_2 = `
		0000 0000 00000000  0000000000000000 0100000000000000  20000000 01000000 30000000 00000000 0000000000000000
		0180 02 00 50000000  0000000000000000 0000000000000000 0000000000000000
		00010000 01000000 0000000000000000
		0000008000000000 00010000 00000000`
	// What Linux shares at version 1.1: 96 bytes, attributes 0x2f.
	share1_1 = `
		0000 2f00 00000000  0000000000000000 0000000000000000  10000000 01000000 30000000 00000000 0000000000000000
		0180 02 00 40000000 0000000000000000
		01000000 01000000 0000000000000000
		0010004200000000 01000000 00000000`
	// The same at version 1.0: 80 bytes, attributes in one byte.
	share1_0 = `
		0000 2f 00 00000000  0000000000000000 0000000000000000  00000000 01000000
		0180 02 00 30000000 0000000000000000
		01000000 01000000 0000000000000000
		0010004200000000 01000000 00000000`
	// Two borrowers, two ranges that are not in ascending order, implementation defined words.
	share2 = `
		0300 2f00 02000000  0000000000000000 8877665544332211  20000000 02000000 30000000 00000000 0000000000000000
		0180 02 00 70000000  0100000000000000 0200000000000000 0000000000000000
		0280 01 00 70000000  0000000000000000 0000000000000000 0000000000000000
		03000000 02000000 0000000000000000
		0020004200000000 01000000 00000000
		0000004200000000 02000000 00000000`
	// A retrieve request without addresses: 80 bytes.
	retrieve = `
		0000 0000 10000000  8877665544332211 0100000000000000  20000000 01000000 30000000 00000000 0000000000000000
		0180 06 00 00000000  0000000000000000 0000000000000000 0000000000000000`
	// A hypervisor asking for the descriptor of one of its VMs: header only.
	hypRetrieve = `
		0000 0000 00000000  8877665544332211 0000000000000000  20000000 00000000 30000000 00000000 0000000000000000`
	// A retrieve response: lend, not secure, normal memory.
	response = `
		0000 6f00 11000000  8877665544332211 0100000000000000  10000000 01000000 30000000 00000000 0000000000000000
		0180 06 01 40000000 0000000000000000
		01000000 01000000 0000000000000000
		0000008000000000 01000000 00000000`
	donate = `
		0000 0000 01000000  0000000000000000 0000000000000000  10000000 01000000 30000000 00000000 0000000000000000
		0180 00 00 40000000 0000000000000000
		01000000 01000000 0000000000000000
		0000008000000000 01000000 00000000`
)

var examples = []struct {
	name   string
	text   string
	length int
	v      Version
	k      TransactionKind
	want   MemoryTransaction
}{
	{"lend 1.2", lend1_2, 112, Version1_2, Lend, MemoryTransaction{
		Tag: 1, EMADSize: 32, Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW}},
		Constituents: []Constituent{{0x80000000, 256}}}},
	{"share 1.1", share1_1, 96, Version1_1, Share, MemoryTransaction{
		Attributes: NormalWriteBackInner, EMADSize: 16, Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW}},
		Constituents: []Constituent{{0x42001000, 1}}}},
	// A version 1.2 caller may still use the short access descriptor: the size field counts.
	{"share 1.1 layout at 1.2", share1_1, 96, Version1_2, Share, MemoryTransaction{
		Attributes: NormalWriteBackInner, EMADSize: 16, Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW}},
		Constituents: []Constituent{{0x42001000, 1}}}},
	{"share 1.0", share1_0, 80, Version1_0, Share, MemoryTransaction{
		Attributes: NormalWriteBackInner, EMADSize: 16, Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW}},
		Constituents: []Constituent{{0x42001000, 1}}}},
	{"two borrowers", share2, 160, Version1_2, Share, MemoryTransaction{
		Sender: 3, Attributes: NormalWriteBackInner, Flags: FlagTimeSlice, Tag: 0x1122334455667788, EMADSize: 32,
		Receivers: []EMAD{
			{Receiver: 0x8001, Permissions: DataRW, ImpDef: [2]uint64{1, 2}}, {Receiver: 0x8002, Permissions: DataRO}},
		Constituents: []Constituent{{0x42002000, 1}, {0x42000000, 2}}}},
	{"retrieve request", retrieve, 80, Version1_2, RetrieveRequest, MemoryTransaction{
		Flags: TransactionTypeLend, Handle: 0x1122334455667788, Tag: 1, EMADSize: 32,
		Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW | InstrNX}}}},
	{"hypervisor retrieve", hypRetrieve, 48, Version1_2, HypervisorRetrieve, MemoryTransaction{
		Handle: 0x1122334455667788, EMADSize: 32}},
	{"retrieve response", response, 96, Version1_1, RetrieveResponse, MemoryTransaction{
		Attributes: NormalWriteBackInner | MemoryNonSecure, Flags: TransactionTypeLend | FlagZero,
		Handle: 0x1122334455667788, Tag: 1, EMADSize: 16,
		Receivers:    []EMAD{{Receiver: 0x8001, Permissions: DataRW | InstrNX, Flags: NonRetrievalBorrower}},
		Constituents: []Constituent{{0x80000000, 1}}}},
	{"donate", donate, 96, Version1_1, Donate, MemoryTransaction{
		Flags: FlagZero, EMADSize: 16, Receivers: []EMAD{{Receiver: 0x8001}},
		Constituents: []Constituent{{0x80000000, 1}}}},
}

// same compares the exported fields; nil and empty slices are equal.
func same(a, b *MemoryTransaction) bool {
	return a.Sender == b.Sender && a.Attributes == b.Attributes && a.Flags == b.Flags && a.Handle == b.Handle &&
		a.Tag == b.Tag && a.EMADSize == b.EMADSize && slices.Equal(a.Receivers, b.Receivers) &&
		slices.Equal(a.Constituents, b.Constituents)
}

func TestTransactionExamples(t *testing.T) {
	for _, c := range examples {
		b := unhex(t, c.text)
		if len(b) != c.length {
			t.Fatalf("%s: example has %d bytes, want %d", c.name, len(b), c.length)
		}
		got, err := ParseMemoryTransaction(b, c.v, c.k)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !same(got, &c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, *got, c.want)
		}
		if out := c.want.AppendTo([]byte("x"), c.v); !bytes.Equal(out[1:], b) {
			t.Errorf("%s: written as\n%x, want\n%x", c.name, out[1:], b)
		}
		if n := c.want.Length(c.v); n != c.length {
			t.Errorf("%s: Length() = %d, want %d", c.name, n, c.length)
		}
		if !wellFormed(b, c.v, c.k) {
			t.Errorf("%s: the predicate of this test refuses the example", c.name)
		}
	}
}

// Linux at 1.2 puts 250 ranges into the first 4096 bytes, at 1.0 252.
func TestFirstFragmentCapacity(t *testing.T) {
	for v, want := range map[Version]int{Version1_0: 252, Version1_1: 251, Version1_2: 250} {
		d := MemoryTransaction{Receivers: []EMAD{{Receiver: 0x8001, Permissions: DataRW}}}
		for i := range 300 {
			d.Constituents = append(d.Constituents, Constituent{uint64(i) << 20, 1})
		}
		first := NextFragment(d.AppendTo(nil, v), 0, 4096)
		if got := (len(first) - (d.Length(v) - 300*16)) / 16; got != want || len(first) != 4096 {
			t.Errorf("version %v: %d ranges in %d bytes, want %d", v, got, len(first), want)
		}
	}
}

func TestTotalPagesAndReceiver(t *testing.T) {
	d := MemoryTransaction{
		Receivers:    []EMAD{{Receiver: 0x8001}, {Receiver: 0x8002}},
		Constituents: []Constituent{{0, 0xFFFFFFFF}, {1 << 52, 0xFFFFFFFF}},
	}
	if n := d.TotalPages(); n != 0x1_FFFF_FFFE {
		t.Errorf("TotalPages() = %#x", n)
	}
	if e := d.Receiver(0x8002); e != &d.Receivers[1] || d.Receiver(5) != nil {
		t.Errorf("Receiver(0x8002) = %v", e)
	}
	if c := (Constituent{0x1000, 3}); c.Size() != 0x3000 || c.End() != 0x4000 {
		t.Errorf("range of %v", c)
	}
}

// edit overwrites bytes of an example; the value is little-endian, size bytes long.
type edit struct {
	at, size int
	value    uint64
}

func (e edit) apply(b []byte) {
	for i := range e.size {
		b[e.at+i] = byte(e.value >> (8 * i))
	}
}

// One row for each rule: which edit of which example breaks it.
func TestTransactionRules(t *testing.T) {
	const lendRange2 = 112 // a second constituent after lend1_2
	grow := func(text string, extra string) string { return text + extra }
	two := grow(lend1_2, "0000009000000000 01000000 00000000")
	pages := func(n uint64) edit { return edit{80, 4, n} }
	count := func(n uint64) edit { return edit{84, 4, n} }
	for _, c := range []struct {
		name  string
		text  string
		v     Version
		k     TransactionKind
		edits []edit
		cut   int // bytes removed from the end
		field string
		rule  Rule
	}{
		{"empty", "", Version1_2, Lend, nil, 0, "fragment length", RuleTruncated},
		{"header cut", lend1_2, Version1_2, Lend, nil, 112 - 47, "fragment length", RuleTruncated},
		{"1.0 header cut", share1_0, Version1_0, Share, nil, 80 - 31, "fragment length", RuleTruncated},
		{"reserved attributes", lend1_2, Version1_2, Lend, []edit{{2, 2, 0x80}}, 0, "attributes", RuleMustBeZero},
		{"reserved attributes high", lend1_2, Version1_2, Lend, []edit{{2, 2, 0x8000}}, 0, "attributes", RuleMustBeZero},
		{"NS by lender", lend1_2, Version1_2, Lend, []edit{{2, 2, 0x40}}, 0, "attributes", RuleNotAllowed},
		{"NS by sharer", share1_1, Version1_1, Share, []edit{{2, 2, 0x6F}}, 0, "attributes", RuleNotAllowed},
		{"NS by borrower", retrieve, Version1_2, RetrieveRequest, []edit{{2, 2, 0x40}}, 0, "attributes", RuleNotAllowed},
		{"reserved type", share1_1, Version1_1, Share, []edit{{2, 2, 0x3F}}, 0, "attributes", RuleReservedValue},
		{"reserved cacheability 0", share1_1, Version1_1, Share, []edit{{2, 2, 0x23}}, 0, "attributes", RuleReservedValue},
		{"reserved cacheability 2", share1_1, Version1_1, Share, []edit{{2, 2, 0x2B}}, 0, "attributes", RuleReservedValue},
		{"reserved shareability", share1_1, Version1_1, Share, []edit{{2, 2, 0x2D}}, 0, "attributes", RuleReservedValue},
		{"zero on share", share1_1, Version1_1, Share, []edit{{4, 4, 1}}, 0, "flags", RuleNotAllowed},
		{"unknown flag", lend1_2, Version1_2, Lend, []edit{{4, 4, 4}}, 0, "flags", RuleMustBeZero},
		{"type in send", lend1_2, Version1_2, Lend, []edit{{4, 4, 0x10}}, 0, "flags", RuleMustBeZero},
		{"high flag", lend1_2, Version1_2, Lend, []edit{{4, 4, 1 << 31}}, 0, "flags", RuleMustBeZero},
		{"unknown retrieve flag", retrieve, Version1_2, RetrieveRequest, []edit{{4, 4, 0x800}}, 0, "flags", RuleMustBeZero},
		{"unknown response flag", response, Version1_1, RetrieveResponse, []edit{{4, 4, 2}}, 0, "flags", RuleMustBeZero},
		{"handle in send", lend1_2, Version1_2, Lend, []edit{{8, 8, 1}}, 0, "handle", RuleMustBeZero},
		{"1.0 reserved 3", share1_0, Version1_0, Share, []edit{{3, 1, 1}}, 0, "reserved @3", RuleMustBeZero},
		{"1.0 reserved 24", share1_0, Version1_0, Share, []edit{{24, 4, 16}}, 0, "reserved @24", RuleMustBeZero},
		{"reserved 36", lend1_2, Version1_2, Lend, []edit{{36, 4, 1}}, 0, "reserved @36", RuleMustBeZero},
		{"reserved 40", lend1_2, Version1_2, Lend, []edit{{40, 4, 1}}, 0, "reserved @40", RuleMustBeZero},
		{"reserved 44", lend1_2, Version1_2, Lend, []edit{{44, 4, 1}}, 0, "reserved @40", RuleMustBeZero},
		{"EMAD size 0", lend1_2, Version1_2, Lend, []edit{{24, 4, 0}}, 0, "EMAD size", RuleSizeForVersion},
		{"EMAD size 24", lend1_2, Version1_2, Lend, []edit{{24, 4, 24}}, 0, "EMAD size", RuleSizeForVersion},
		{"EMAD size 48", lend1_2, Version1_2, Lend, []edit{{24, 4, 48}}, 0, "EMAD size", RuleSizeForVersion},
		{"EMAD size 32 at 1.1", lend1_2, Version1_1, Lend, nil, 0, "EMAD size", RuleSizeForVersion},
		{"no receivers", lend1_2, Version1_2, Lend, []edit{{28, 4, 0}}, 0, "EMAD count", RuleCountZero},
		{"no receivers at 1.0", share1_0, Version1_0, Share, []edit{{28, 4, 0}}, 0, "EMAD count", RuleCountZero},
		{"too many receivers", lend1_2, Version1_2, Lend, []edit{{28, 4, MaxEMADs + 1}}, 0, "EMAD count", RuleCountTooLarge},
		{"receiver count overflow", lend1_2, Version1_2, Lend, []edit{{28, 4, 0xFFFFFFFF}}, 0, "EMAD count", RuleCountTooLarge},
		{"receivers beyond the end", lend1_2, Version1_2, Lend, []edit{{28, 4, 3}}, 0, "EMAD count", RuleOutOfBounds},
		{"two donees", donate, Version1_1, Donate, []edit{{28, 4, 2}}, 0, "EMAD count", RuleCountNotOne},
		{"hypervisor with receivers", hypRetrieve, Version1_2, HypervisorRetrieve, []edit{{28, 4, 1}}, 0,
			"EMAD count", RuleMustBeZero},
		{"hypervisor offset beyond the end", hypRetrieve, Version1_2, HypervisorRetrieve, []edit{{32, 4, 64}}, 0,
			"EMAD offset", RuleOutOfBounds},
		{"hypervisor trailing bytes", hypRetrieve + "00000000", Version1_2, HypervisorRetrieve, nil, 0,
			"total length", RuleLength},
		{"EMAD offset in header", lend1_2, Version1_2, Lend, []edit{{32, 4, 32}}, 0, "EMAD offset", RuleOverlapsHeader},
		{"EMAD offset 0", lend1_2, Version1_2, Lend, []edit{{32, 4, 0}}, 0, "EMAD offset", RuleOverlapsHeader},
		{"EMAD offset misaligned", lend1_2, Version1_2, Lend, []edit{{32, 4, 56}}, 0, "EMAD offset", RuleMisaligned},
		{"EMAD offset huge", lend1_2, Version1_2, Lend, []edit{{32, 4, 0xFFFFFFF0}}, 0, "EMAD count", RuleOutOfBounds},
		{"receiver is sender", lend1_2, Version1_2, Lend, []edit{{0, 2, 0x8001}}, 0, "emad[0].receiver", RuleIsSender},
		{"second receiver is sender", share2, Version1_2, Share, []edit{{80, 2, 3}}, 0, "emad[1].receiver", RuleIsSender},
		{"receiver repeated", share2, Version1_2, Share, []edit{{80, 2, 0x8001}}, 0, "emad[1].receiver", RuleRepeated},
		{"data unspecified in lend", lend1_2, Version1_2, Lend, []edit{{50, 1, 0}}, 0, "emad[0].permissions", RuleRequired},
		{"data unspecified in share", share1_1, Version1_1, Share, []edit{{50, 1, 0}}, 0, "emad[0].permissions", RuleRequired},
		{"reserved data access", lend1_2, Version1_2, Lend, []edit{{50, 1, 3}}, 0, "emad[0].permissions", RuleReservedValue},
		{"reserved instruction access", retrieve, Version1_2, RetrieveRequest, []edit{{50, 1, 0xE}}, 0,
			"emad[0].permissions", RuleReservedValue},
		{"instruction access by sender", lend1_2, Version1_2, Lend, []edit{{50, 1, 6}}, 0,
			"emad[0].permissions", RuleNotAllowed},
		{"instruction access by sharer", share1_1, Version1_1, Share, []edit{{50, 1, 0xA}}, 0,
			"emad[0].permissions", RuleNotAllowed},
		{"data access in donate", donate, Version1_1, Donate, []edit{{50, 1, 2}}, 0, "emad[0].permissions", RuleNotAllowed},
		{"reserved permissions", lend1_2, Version1_2, Lend, []edit{{50, 1, 0x12}}, 0, "emad[0].permissions", RuleMustBeZero},
		{"second permissions", share2, Version1_2, Share, []edit{{82, 1, 0}}, 0, "emad[1].permissions", RuleRequired},
		{"EMAD flag in send", lend1_2, Version1_2, Lend, []edit{{51, 1, 1}}, 0, "emad[0].flags", RuleMustBeZero},
		{"unknown EMAD flag", retrieve, Version1_2, RetrieveRequest, []edit{{51, 1, 2}}, 0, "emad[0].flags", RuleMustBeZero},
		{"EMAD reserved", lend1_2, Version1_2, Lend, []edit{{72, 8, 1 << 63}}, 0, "emad[0].reserved", RuleMustBeZero},
		{"short EMAD reserved", share1_1, Version1_1, Share, []edit{{56, 8, 1}}, 0, "emad[0].reserved", RuleMustBeZero},
		{"composite in header", lend1_2, Version1_2, Lend, []edit{{52, 4, 16}}, 0,
			"emad[0].composite offset", RuleOverlapsHeader},
		{"composite inside EMADs", lend1_2, Version1_2, Lend, []edit{{52, 4, 64}}, 0,
			"emad[0].composite offset", RuleOverlapsHeader},
		{"no composite in lend", lend1_2, Version1_2, Lend, []edit{{52, 4, 0}}, 0,
			"emad[0].composite offset", RuleOverlapsHeader},
		{"composite misaligned", lend1_2, Version1_2, Lend, []edit{{52, 4, 88}}, 0,
			"emad[0].composite offset", RuleMisaligned},
		{"composite at the end", lend1_2, Version1_2, Lend, []edit{{52, 4, 112}}, 0,
			"emad[0].composite offset", RuleOutOfBounds},
		{"composite offset overflow", lend1_2, Version1_2, Lend, []edit{{52, 4, 0xFFFFFFF0}}, 0,
			"emad[0].composite offset", RuleOutOfBounds},
		{"composite offsets differ", share2, Version1_2, Share, []edit{{84, 4, 0x80}}, 0,
			"emad[1].composite offset", RuleDiffers},
		{"no constituents", lend1_2, Version1_2, Lend, []edit{pages(0), count(0)}, 16, "constituent count", RuleCountZero},
		{"count beyond the end", lend1_2, Version1_2, Lend, []edit{count(2)}, 0, "constituent count", RuleOutOfBounds},
		{"count overflow", lend1_2, Version1_2, Lend, []edit{count(0x10000001)}, 0, "constituent count", RuleOutOfBounds},
		{"count maximum", lend1_2, Version1_2, Lend, []edit{count(0xFFFFFFFF)}, 0, "constituent count", RuleOutOfBounds},
		{"trailing constituent", two, Version1_2, Lend, nil, 0, "total length", RuleLength},
		{"trailing bytes", lend1_2 + "00", Version1_2, Lend, nil, 0, "total length", RuleLength},
		{"last byte missing", lend1_2, Version1_2, Lend, nil, 1, "constituent count", RuleOutOfBounds},
		{"trailing bytes in retrieve", retrieve + "0000000000000000", Version1_2, RetrieveRequest, nil, 0,
			"total length", RuleLength},
		{"composite reserved", lend1_2, Version1_2, Lend, []edit{{88, 8, 1}}, 0, "composite.reserved", RuleMustBeZero},
		{"page total too small", lend1_2, Version1_2, Lend, []edit{pages(255)}, 0,
			"composite.total page count", RuleSumMismatch},
		{"page total too large", lend1_2, Version1_2, Lend, []edit{pages(257)}, 0,
			"composite.total page count", RuleSumMismatch},
		{"page total wraps", two, Version1_2, Lend,
			[]edit{count(2), pages(0), {104, 4, 0x80000000}, {96, 8, 0}, {lendRange2, 8, 1 << 50}, {120, 4, 0x80000000}}, 0,
			"composite.total page count", RuleSumMismatch},
		{"zero pages", lend1_2, Version1_2, Lend, []edit{pages(0), {104, 4, 0}}, 0,
			"constituent[0].page count", RuleZeroPages},
		{"zero pages in second", two, Version1_2, Lend, []edit{count(2), {120, 4, 0}}, 0,
			"constituent[1].page count", RuleZeroPages},
		{"constituent reserved", lend1_2, Version1_2, Lend, []edit{{108, 4, 1}}, 0,
			"constituent[0].reserved", RuleMustBeZero},
		{"address misaligned", lend1_2, Version1_2, Lend, []edit{{96, 8, 0x80000800}}, 0,
			"constituent[0].address", RuleMisaligned},
		{"address wraps", lend1_2, Version1_2, Lend, []edit{{96, 8, 0xFFFFFFFFFFF01000}}, 0,
			"constituent[0].address", RuleWraps},
		{"address ends at 2^64", lend1_2, Version1_2, Lend, []edit{{96, 8, 0xFFFFFFFFFFF00000}}, 0,
			"constituent[0].address", RuleWraps},
		{"same range twice", two, Version1_2, Lend, []edit{count(2), pages(512), {120, 4, 256}, {112, 8, 0x80000000}}, 0,
			"constituent address", RuleOverlap},
		{"overlap from below", two, Version1_2, Lend, []edit{count(2), pages(258), {120, 4, 2}, {112, 8, 0x7FFFF000}}, 0,
			"constituent address", RuleOverlap},
		{"overlap at the end", two, Version1_2, Lend, []edit{count(2), pages(257), {112, 8, 0x800FF000}}, 0,
			"constituent address", RuleOverlap},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.text)
			b = b[:len(b)-c.cut]
			for _, e := range c.edits {
				e.apply(b)
			}
			d, err := ParseMemoryTransaction(b, c.v, c.k)
			if d != nil {
				t.Errorf("accepted: %+v", *d)
			}
			checkFieldError(t, b, err, c.field, c.rule, InvalidParameters)
			if wellFormed(b, c.v, c.k) {
				t.Error("the predicate of this test accepts it")
			}
		})
	}
}

// Near misses of the rules above: all of these are accepted.
func TestTransactionAccepted(t *testing.T) {
	two := lend1_2 + "0000009000000000 01000000 00000000"
	for _, c := range []struct {
		name  string
		text  string
		v     Version
		k     TransactionKind
		edits []edit
	}{
		{"time slice", lend1_2, Version1_2, Lend, []edit{{4, 4, 2}}},
		{"zero on lend", lend1_2, Version1_2, Lend, []edit{{4, 4, 1}}},
		{"read only", lend1_2, Version1_2, Lend, []edit{{50, 1, 1}}},
		{"any tag", lend1_2, Version1_2, Lend, []edit{{16, 8, 1<<64 - 1}}},
		{"implementation defined words", lend1_2, Version1_2, Lend, []edit{{56, 8, 5}, {64, 8, 6}}},
		{"last page below 2^64", lend1_2, Version1_2, Lend, []edit{{96, 8, 0xFFFFFFFFFFEFF000}}},
		{"adjacent ranges", two, Version1_2, Lend, []edit{{84, 4, 2}, {80, 4, 257}, {112, 8, 0x80100000}}},
		{"adjacent ranges descending", two, Version1_2, Lend, []edit{{84, 4, 2}, {80, 4, 257}, {112, 8, 0x7FFFF000}}},
		{"device memory", share1_1, Version1_1, Share, []edit{{2, 2, 0x10}}},
		{"version 1.3", lend1_2, Version1_3, Lend, nil},
		{"all retrieve flags", retrieve, Version1_2, RetrieveRequest, []edit{{4, 4, 0x7FF}}},
	} {
		b := unhex(t, c.text)
		for _, e := range c.edits {
			e.apply(b)
		}
		if _, err := ParseMemoryTransaction(b, c.v, c.k); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !wellFormed(b, c.v, c.k) {
			t.Errorf("%s: the predicate of this test refuses it", c.name)
		}
	}
}

// A gap between the parts is legal; it disappears when the descriptor is written again.
func TestTransactionGaps(t *testing.T) {
	b := unhex(t, `
		0000 0000 00000000  0000000000000000 0000000000000000  10000000 01000000 40000000 00000000 0000000000000000
		ffffffffffffffff ffffffffffffffff
		0180 02 00 60000000 0000000000000000
		ffffffffffffffff ffffffffffffffff
		01000000 01000000 0000000000000000
		0000008000000000 01000000 00000000`)
	d, err := ParseMemoryTransaction(b, Version1_1, Lend)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.AppendTo(nil, Version1_1)); n != 96 {
		t.Errorf("written with %d bytes, want 96", n)
	}
}

func TestUnknownVersionRefused(t *testing.T) {
	for _, v := range []Version{0, 0x00009, 0x20000, 0x80010002} {
		_, err := ParseMemoryTransaction(unhex(t, lend1_2), v, Lend)
		checkFieldError(t, nil, err, "version", RuleReservedValue, NotSupported)
	}
}

// wellFormed says whether b is a memory transaction descriptor, written from the specification's tables
// independently of the parser: it looks at one rule after the other, with no early structure.
func wellFormed(b []byte, v Version, k TransactionKind) bool {
	get := func(at uint64, size int) (value uint64, ok bool) {
		if at > uint64(len(b)) || uint64(len(b))-at < uint64(size) {
			return 0, false
		}
		for i := size - 1; i >= 0; i-- {
			value = value<<8 | uint64(b[at+uint64(i)])
		}
		return value, true
	}
	good := true
	need := func(ok bool) {
		good = good && ok
	}
	at := func(offset uint64, size int) uint64 {
		value, ok := get(offset, size)
		need(ok)
		return value
	}
	old := v == Version1_0
	header := uint64(48)
	emadSize, emadOffset := at(24, 4), at(32, 4)
	attributes := at(2, 2)
	if old {
		header, emadSize, emadOffset, attributes = 32, 16, 32, at(2, 1)
		need(at(3, 1) == 0 && at(24, 4) == 0)
	} else {
		need(at(36, 4) == 0 && at(40, 8) == 0)
		need(emadSize == 16 || emadSize == 32 && v >= Version1_2)
		need(emadOffset%16 == 0 && emadOffset >= 48)
	}
	need(uint64(len(b)) >= header)
	sender, flags, handle, count := at(0, 2), at(4, 4), at(8, 8), at(28, 4)
	send := k == Share || k == Lend || k == Donate
	need(attributes < 0x80)
	need(attributes&0x40 == 0 || k == RetrieveResponse)
	kind, cache, share := attributes>>4&3, attributes>>2&3, attributes&3
	need(kind != 3)
	need(kind != 2 || (cache == 1 || cache == 3) && share != 1)
	allowed := map[TransactionKind]uint64{
		Share: 0x2, Lend: 0x3, Donate: 0x3, RetrieveRequest: 0x7FF, HypervisorRetrieve: 0x7FF, RetrieveResponse: 0x19,
	}[k]
	need(flags|allowed == allowed)
	need(!send || handle == 0)
	switch k {
	case HypervisorRetrieve:
		return good && count == 0 && emadOffset == uint64(len(b))
	case Donate:
		need(count == 1)
	}
	need(count >= 1 && count <= MaxEMADs)
	if !good {
		return false
	}
	seen := map[uint64]bool{sender: true}
	composite := at(emadOffset+4, 4)
	for i := range count {
		e := emadOffset + i*emadSize
		id, perm, eflags := at(e, 2), at(e+2, 1), at(e+3, 1)
		need(!seen[id])
		seen[id] = true
		need(at(e+4, 4) == composite)
		need(at(e+emadSize-8, 8) == 0)
		data, instr := perm&3, perm>>2
		need(data != 3 && instr <= 2)
		if send {
			need(instr == 0 && eflags == 0 && (data == 0) == (k == Donate))
		}
		need(eflags <= 1)
	}
	end := emadOffset + count*emadSize
	if k == RetrieveRequest && composite == 0 {
		return good && end == uint64(len(b))
	}
	need(composite >= end && composite%16 == 0)
	total, ranges := at(composite, 4), at(composite+4, 4)
	need(at(composite+8, 8) == 0)
	need(ranges > 0 && composite+16+ranges*16 == uint64(len(b)))
	if !good {
		return false
	}
	type span struct{ first, last uint64 } // pages, inclusive
	var spans []span
	sum := uint64(0)
	for i := range ranges {
		c := composite + 16 + 16*i
		address, pages := at(c, 8), at(c+8, 4)
		need(address&0xFFF == 0 && pages > 0 && at(c+12, 4) == 0)
		if !good {
			return false
		}
		s := span{address >> 12, address>>12 + pages - 1}
		need(s.last < 1<<52-1)
		for _, o := range spans {
			need(s.last < o.first || o.last < s.first)
		}
		spans = append(spans, s)
		sum += pages
	}
	return good && sum == total
}

// randomTransaction builds a well-formed descriptor of kind k for version v.
func randomTransaction(rng *rand.Rand, v Version, k TransactionKind) MemoryTransaction {
	d := MemoryTransaction{Sender: EndpointID(rng.Uint32()), Tag: rng.Uint64(), EMADSize: 16}
	if v >= Version1_2 && rng.IntN(2) == 0 {
		d.EMADSize = 32
	}
	d.Attributes = []MemoryAttributes{0, NormalWriteBackInner, MemoryDevice | DeviceGRE}[rng.IntN(3)]
	count := 1 + rng.IntN(4)
	switch k {
	case Share:
		d.Flags = FlagTimeSlice * MemoryFlags(rng.IntN(2))
	case Lend:
		d.Flags = MemoryFlags(rng.IntN(4))
	case Donate:
		d.Flags, count = MemoryFlags(rng.IntN(4)), 1
	case RetrieveRequest:
		d.Flags, d.Handle = MemoryFlags(rng.IntN(0x800)), Handle(rng.Uint64())
	case RetrieveResponse:
		d.Flags, d.Handle = MemoryFlags(rng.IntN(4))<<3, Handle(rng.Uint64())
		d.Attributes |= MemoryNonSecure
	}
	for i := range count {
		e := EMAD{Receiver: d.Sender + 1 + EndpointID(i)}
		if k != Donate {
			e.Permissions = []Permissions{DataRO, DataRW}[rng.IntN(2)]
		}
		if !k.Send() {
			e.Permissions |= []Permissions{0, InstrNX, InstrX}[rng.IntN(3)]
			e.Flags = uint8(rng.IntN(2))
		}
		if d.EMADSize == 32 {
			e.ImpDef = [2]uint64{rng.Uint64(), rng.Uint64()}
		}
		d.Receivers = append(d.Receivers, e)
	}
	ranges := 1 + rng.IntN(20)
	if k == RetrieveRequest && rng.IntN(2) == 0 {
		ranges = 0
	}
	next := uint64(rng.Uint32()) << 12
	for range ranges {
		c := Constituent{next, 1 + uint32(rng.IntN(1000))}
		next = c.End() + uint64(rng.IntN(3))<<12
		d.Constituents = append(d.Constituents, c)
	}
	rng.Shuffle(ranges, reflect.Swapper(d.Constituents))
	return d
}

func TestTransactionRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var reused MemoryTransaction
	for range 2000 {
		v := Version1_0 + Version(rng.IntN(4))
		k := Share + TransactionKind(rng.IntN(5))
		d := randomTransaction(rng, v, k)
		b := d.AppendTo(nil, v)
		if len(b) != d.Length(v) || !wellFormed(b, v, k) {
			t.Fatalf("%v at %v: %d bytes, Length %d, not well formed: %x", k, v, len(b), d.Length(v), b)
		}
		if err := reused.Parse(b, v, k); err != nil || !same(&reused, &d) {
			t.Fatalf("%v at %v: %v\n got %+v\nwant %+v", k, v, err, reused, d)
		}
	}
}

// Every single-byte change of an example is judged alike by the parser and by the independent predicate.
func TestTransactionAgainstPredicate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range examples {
		good := unhex(t, c.text)
		b := make([]byte, len(good))
		for range 20000 {
			copy(b, good)
			for range 1 + rng.IntN(3) {
				b[rng.IntN(len(b))] = []byte{0, 1, 2, 3, 0x10, 0x20, 0x40, 0x50, 0x80, 0xFF, byte(rng.Uint32())}[rng.IntN(11)]
			}
			v := Version1_0 + Version(rng.IntN(4))
			k := Share + TransactionKind(rng.IntN(6))
			if rng.IntN(4) != 0 {
				v, k = c.v, c.k
			}
			_, err := ParseMemoryTransaction(b, v, k)
			if ok := wellFormed(b, v, k); ok != (err == nil) {
				t.Fatalf("%v at %v: predicate says %v, parser %v\n%x", k, v, ok, err, b)
			}
		}
	}
}

func TestParseAllocations(t *testing.T) {
	b := unhex(t, lend1_2)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ParseMemoryTransaction(b, Version1_2, Lend); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("parsing a lend of one range allocates %v objects, want at most 3", n)
	}
	var d MemoryTransaction
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Parse(b, Version1_2, Lend); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("parsing again into the same value allocates %v objects", n)
	}
}

func TestParseRetainsNothing(t *testing.T) {
	b := unhex(t, share2)
	d, err := ParseMemoryTransaction(b, Version1_2, Share)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !same(d, &examples[4].want) {
		t.Errorf("the descriptor changed with its bytes: %+v", *d)
	}
}

func FuzzMemoryTransaction(f *testing.F) {
	for _, c := range examples {
		f.Add(unhex(f, c.text), byte(c.v&3), byte(c.k))
	}
	f.Fuzz(func(t *testing.T, b []byte, minor, kind byte) {
		v, k := Version1_0+Version(minor&3), Share+TransactionKind(kind%6)
		d, err := ParseMemoryTransaction(b, v, k)
		// The predicate compares each range with every other one: leave out what would take long.
		if len(b) <= 1<<14 {
			if ok := wellFormed(b, v, k); ok != (err == nil) {
				t.Fatalf("%v at %v: predicate says %v, parser %v", k, v, ok, err)
			}
		}
		if err != nil {
			if CodeOf(err) != InvalidParameters {
				t.Fatalf("code %v for %v", CodeOf(err), err)
			}
			return
		}
		out := d.AppendTo(nil, v)
		again, err := ParseMemoryTransaction(out, v, k)
		if err != nil || !same(d, again) {
			t.Fatalf("%+v becomes %+v, %v", d, again, err)
		}
		if !bytes.Equal(again.AppendTo(nil, v), out) {
			t.Fatal("writing is not stable")
		}
	})
}

func BenchmarkParseLend(b *testing.B) {
	raw := unhex(b, lend1_2)
	var d MemoryTransaction
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Parse(raw, Version1_2, Lend); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRelinquishLayout(t *testing.T) {
	raw := unhex(t, "8877665544332211 01000000 02000000 0180 0280")
	d, err := ParseRelinquish(append(raw, 0xFF, 0xFF))
	want := Relinquish{0x1122334455667788, FlagZero, []EndpointID{0x8001, 0x8002}}
	if err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("parsed %+v, %v", d, err)
	}
	if out := want.AppendTo(nil); !bytes.Equal(out, raw) {
		t.Errorf("written as %x", out)
	}
}

func TestRelinquishRefused(t *testing.T) {
	good := unhex(t, "8877665544332211 01000000 02000000 0180 0280")
	for _, c := range []struct {
		edit  edit
		cut   int
		field string
		rule  Rule
	}{
		{edit{}, 5, "descriptor", RuleTruncated},
		{edit{8, 4, 4}, 0, "flags", RuleMustBeZero},
		{edit{12, 4, 0}, 0, "endpoint count", RuleCountZero},
		{edit{12, 4, 3}, 0, "endpoint count", RuleOutOfBounds},
		{edit{}, 1, "endpoint count", RuleOutOfBounds},
		{edit{12, 4, MaxEMADs + 1}, 0, "endpoint count", RuleCountTooLarge},
		{edit{12, 4, 0xFFFFFFFF}, 0, "endpoint count", RuleCountTooLarge},
		{edit{18, 2, 0x8001}, 0, "endpoint[1].id", RuleRepeated},
	} {
		b := bytes.Clone(good)
		c.edit.apply(b)
		_, err := ParseRelinquish(b[:len(b)-c.cut])
		checkFieldError(t, b, err, c.field, c.rule, InvalidParameters)
	}
}

func FuzzRelinquish(f *testing.F) {
	f.Add(unhex(f, "8877665544332211 01000000 02000000 0180 0280"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseRelinquish(b)
		if err != nil {
			return
		}
		if out := d.AppendTo(nil); !bytes.Equal(out, b[:len(out)]) {
			t.Errorf("%x written as %x", b, out)
		}
		if n := binary.LittleEndian.Uint32(b[12:]); int(n) != len(d.Endpoints) {
			t.Errorf("%d endpoints, announced %d", len(d.Endpoints), n)
		}
	})
}
