package ffa

import (
	"bytes"
	"testing"
)

func TestIndirectHeaderLayout(t *testing.T) {
	const v1_1 = "00000000 00000000 14000000 0180 0200 04000000"
	const v1_2 = "00000000 00000000 28000000 0180 0200 04000000 00000000 486178e0 e7f811e3 bc5e0002 a5d5c51b"
	h := IndirectHeader{Offset: 20, Receiver: 0x8001, Sender: 2, Size: 4}
	if got := h.AppendTo(nil, Version1_1); !bytes.Equal(got, unhex(t, v1_1)) || len(got) != 20 {
		t.Errorf("1.1: %x", got)
	}
	if p, err := ParseIndirectHeader(append(unhex(t, v1_1), "data"...), Version1_1); err != nil || p != h {
		t.Errorf("1.1: %+v, %v", p, err)
	}
	h.Offset, h.UUID = 40, optee
	if got := h.AppendTo(nil, Version1_2); !bytes.Equal(got, unhex(t, v1_2)) || len(got) != 40 {
		t.Errorf("1.2: %x", got)
	}
	if p, err := ParseIndirectHeader(append(unhex(t, v1_2), "data"...), Version1_2); err != nil || p != h {
		t.Errorf("1.2: %+v, %v", p, err)
	}
	if IndirectHeaderSize(Version1_1) != 20 || IndirectHeaderSize(Version1_2) != 40 {
		t.Error("header sizes")
	}
	// A 1.2 receiver takes the message of a 1.1 sender, which has no UUID.
	if p, err := ParseIndirectHeader(append(unhex(t, v1_1), "data"...), Version1_2); err != nil || !p.UUID.IsNil() {
		t.Errorf("1.1 sender to 1.2 receiver: %+v, %v", p, err)
	}
}

func TestIndirectHeaderRefused(t *testing.T) {
	good := append((&IndirectHeader{Offset: 40, Receiver: 0x8001, Size: 8}).AppendTo(nil, Version1_2), make([]byte, 8)...)
	for _, c := range []struct {
		at    int
		value byte
		field string
		rule  Rule
	}{
		{0, 1, "flags", RuleMustBeZero},
		{7, 1, "reserved @4", RuleMustBeZero},
		{8, 19, "payload offset", RuleOverlapsHeader},
		{8, 41, "payload size", RuleOutOfBounds},
		{16, 9, "payload size", RuleOutOfBounds},
		{19, 0xFF, "payload size", RuleOutOfBounds},
		{11, 0xFF, "payload size", RuleOutOfBounds},
		{20, 1, "reserved @20", RuleMustBeZero},
	} {
		b := bytes.Clone(good)
		b[c.at] = c.value
		_, err := ParseIndirectHeader(b, Version1_2)
		checkFieldError(t, b, err, c.field, c.rule, InvalidParameters)
	}
	_, err := ParseIndirectHeader(good[:19], Version1_2)
	checkFieldError(t, good[:19], err, "message", RuleTruncated, InvalidParameters)
}

func FuzzIndirectHeader(f *testing.F) {
	f.Add((&IndirectHeader{Offset: 20}).AppendTo(nil, Version1_1), false)
	f.Add((&IndirectHeader{Offset: 40, UUID: optee}).AppendTo(nil, Version1_2), true)
	f.Fuzz(func(t *testing.T, b []byte, v12 bool) {
		v := Version1_1
		if v12 {
			v = Version1_2
		}
		h, err := ParseIndirectHeader(b, v)
		if err != nil {
			return
		}
		_ = b[h.Offset:][:h.Size] // the promise: the payload is inside
		if v12 && h.Offset < IndirectHeaderSize1_2 {
			v = Version1_1
		}
		if got := h.AppendTo(nil, v); !bytes.Equal(got, b[:len(got)]) {
			t.Errorf("%x written as %x", b, got)
		}
	})
}
