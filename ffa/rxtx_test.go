package ffa

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// The layout of DEN0077A 1.3, table 13.28: RX at offset 16, TX at 48, one range each.
const rxtxText = `0500 0000 10000000 30000000 00000000
	02000000 01000000 00000000 00000000  0010004000000000 02000000 00000000
	02000000 01000000 00000000 00000000  0000004000000000 02000000 00000000`

func TestRXTXDescriptor(t *testing.T) {
	b := unhex(t, rxtxText)
	want := RXTXDescriptor{Endpoint: 5, RX: Constituent{0x4000_1000, 2}, TX: Constituent{0x4000_0000, 2}}
	if got, err := ParseRXTXDescriptor(b); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got := want.AppendTo(nil); !bytes.Equal(got, b) {
		t.Errorf("%x, want %x", got, b)
	}
	for _, c := range []struct {
		at, size int
		value    uint64
		field    string
		rule     Rule
	}{
		{2, 2, 1, "reserved @2", RuleMustBeZero},
		{4, 4, 20, "RX offset", RuleMisaligned},
		{4, 4, 8, "RX offset", RuleOverlapsHeader},
		{8, 4, 56, "TX offset", RuleOutOfBounds},
		{8, 4, 0xFFFF_FFF8, "TX offset", RuleOutOfBounds},
		{20, 4, 2, "RX constituent count", RuleCountNotOne},
		{52, 4, 0, "TX constituent count", RuleCountNotOne},
		{16, 4, 3, "composite.total page count", RuleSumMismatch},
		{24, 8, 1, "composite.reserved", RuleMustBeZero},
		{32, 8, 0x4000_1800, "constituent[0].address", RuleMisaligned},
		{40, 4, 0, "constituent[0].page count", RuleZeroPages},
	} {
		bad := bytes.Clone(b)
		var v [8]byte
		binary.LittleEndian.PutUint64(v[:], c.value)
		copy(bad[c.at:], v[:c.size])
		_, err := ParseRXTXDescriptor(bad)
		var f *FieldError
		if !errors.As(err, &f) || f.Field != c.field || f.Rule != c.rule || f.Code != InvalidParameters {
			t.Errorf("%#x at %d: %v, want %s: %s", c.value, c.at, err, c.field, c.rule)
		}
	}
	if _, err := ParseRXTXDescriptor(b[:15]); !errors.Is(err, InvalidParameters) {
		t.Errorf("15 bytes: %v", err)
	}
}

func FuzzRXTXDescriptor(f *testing.F) {
	f.Add(unhex(f, rxtxText))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseRXTXDescriptor(b)
		if err != nil {
			return
		}
		if again, err := ParseRXTXDescriptor(d.AppendTo(nil)); err != nil || again != d {
			t.Errorf("%+v written and read is %+v, %v", d, again, err)
		}
	})
}

// Linux's nVHE hypervisor fills in the handle and nothing else.
func TestHypervisorRetrieveByHandleAlone(t *testing.T) {
	for v, size := range map[Version]int{Version1_0: 32, Version1_1: 48, Version1_2: 48} {
		b := make([]byte, size)
		binary.LittleEndian.PutUint64(b[8:], 0x1122334455667788)
		d, err := ParseMemoryTransaction(b, v, HypervisorRetrieve)
		if err != nil || d.Handle != 0x1122334455667788 {
			t.Errorf("version %v: %+v, %v", v, d, err)
		}
		for name, bad := range map[string][]byte{"longer": append(bytes.Clone(b), make([]byte, 16)...), "shorter": b[:size-16]} {
			if _, err := ParseMemoryTransaction(bad, v, HypervisorRetrieve); !errors.Is(err, InvalidParameters) {
				t.Errorf("version %v, %s: %v", v, name, err)
			}
		}
	}
}
