package cpu

import "testing"

// The test vector of the cipher's author for five rounds and sigma 2 (R. Avanzi, "The QARMA Block Cipher Family", appendix).
func TestQARMA(t *testing.T) {
	const plaintext, tweak, w0, k0 = 0xfb623599da6e8127, 0x477d469dec0b8762, 0x84be85ce9804e94b, 0xec2802d4e0a488e9
	if got := qarma(plaintext, tweak, w0, k0); got != 0xc003b93999b33765 {
		t.Errorf("%#x", got)
	}
}

// Codes that are remembered follow the key.
func TestPACKeys(t *testing.T) {
	r := newRig(t)
	r.c.Reset(testBase, 0, 1)
	r.c.sys.sctlr[1] |= sctlrEnIA
	seen := map[uint64]bool{}
	for key := range uint64(100) {
		r.c.sys.keys[keyIA] = pacKey{lo: key, hi: key << 32}
		signed := r.c.addPAC(testData, 5, keyIA)
		if got := r.c.authenticate(signed, 5, keyIA); got != testData {
			t.Fatalf("key %d: %#x", key, got)
		}
		if got := r.c.stripPAC(signed, false); got != testData {
			t.Fatalf("key %d: %#x without its code", key, got)
		}
		seen[signed] = true
	}
	if len(seen) < 90 { // of 15 bits
		t.Errorf("%d codes for 100 keys", len(seen))
	}
}

func BenchmarkQARMA(b *testing.B) {
	v := uint64(1)
	for range b.N {
		v = qarma(v, 2, 3, 4)
	}
	if v == 0 {
		b.Error("zero")
	}
}
