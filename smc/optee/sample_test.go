package optee

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestSampleInfo(t *testing.T) {
	iv := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	// The octets as ISO/IEC 23001-7 orders them: IV, subsample_count, then 16 and 32 bits for each.
	wire := append(slices.Clone(iv), 0, 2, 0x12, 0x34, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0)
	s, err := ParseSampleInfo(wire, 8)
	if err != nil || !bytes.Equal(s.IV, iv) || !slices.Equal(s.Subsamples, []Subsample{{0x1234, 16}, {0, 0x1_0000}}) {
		t.Errorf("%+v, %v", s, err)
	}
	if s.Size() != 0x1234+16+0x1_0000 {
		t.Errorf("size %#x", s.Size())
	}
	if got := s.AppendTo(nil); !bytes.Equal(got, wire) {
		t.Errorf("% x", got)
	}
	if s, err := ParseSampleInfo(iv, 8); err != nil || s.Subsamples != nil || s.Size() != 0 {
		t.Errorf("without subsamples: %+v, %v", s, err)
	}
	for what, c := range map[string]struct {
		b  []byte
		iv uint32
	}{
		"IV of 12": {wire, 12}, "IV of 0": {wire, 0}, "IV missing": {iv[:7], 8}, "long IV missing": {wire[:15], 16},
		"half a count": {wire[:9], 8}, "no subsample": {append(slices.Clone(iv), 0, 0), 8}, "one octet short": {wire[:len(wire)-1], 8},
		"one octet more": {append(slices.Clone(wire), 0), 8}, "a subsample short": {wire[:len(wire)-6], 8},
	} {
		if _, err := ParseSampleInfo(c.b, c.iv); !errors.Is(err, ErrorBadParameters) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What parses is what was written.
func FuzzSampleInfo(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 5, 0, 0, 0, 9}, false)
	f.Add(bytes.Repeat([]byte{7}, 16), true)
	f.Fuzz(func(t *testing.T, b []byte, long bool) {
		size := uint32(8)
		if long {
			size = 16
		}
		s, err := ParseSampleInfo(b, size)
		if err != nil {
			return
		}
		if got := s.AppendTo(nil); !bytes.Equal(got, b) {
			t.Fatalf("% x becomes % x", b, got)
		}
	})
}
