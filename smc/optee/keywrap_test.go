package optee

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// The vectors of RFC 3394, section 4.
func TestKeyWrapVectors(t *testing.T) {
	const (
		kek  = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
		data = "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"
	)
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, v := range []struct {
		kek, data int // octets
		want      string
	}{
		{16, 16, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
		{24, 16, "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"},
		{32, 16, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"},
		{24, 24, "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2"},
		{32, 24, "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"},
		{32, 32, "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
	} {
		k, d := unhex(kek)[:v.kek], unhex(data)[:v.data]
		got, err := wrap(k, d)
		if err != nil || !bytes.Equal(got, unhex(v.want)) {
			t.Errorf("%d octets under %d: %x, %v; want %s", v.data, v.kek, got, err, v.want)
		}
		if back, err := unwrap(k, got); err != nil || !bytes.Equal(back, d) {
			t.Errorf("%d octets under %d: unwrapped to %x, %v", v.data, v.kek, back, err)
		}
	}
}

// A blob gives the key and the policy back; one changed bit anywhere, another key or another length gives nothing.
func TestWrapKey(t *testing.T) {
	kek := bytes.Repeat([]byte{3}, 32)
	for _, n := range []int{16, 24, 32} {
		key := bytes.Repeat([]byte{byte(n)}, n)
		policy := KeysDecrypt | KeysCounter | KeysDestinationProtected
		blob, err := WrapKey(kek, policy, key)
		if err != nil {
			t.Fatal(err)
		}
		p, got, err := UnwrapKey(kek, blob)
		if err != nil || p != policy || !bytes.Equal(got, key) {
			t.Errorf("%d octets: %v, %x, %v", n, p, got, err)
		}
		for bit := range 8 * len(blob) {
			x := bytes.Clone(blob)
			x[bit/8] ^= 1 << (bit % 8)
			if _, _, err := UnwrapKey(kek, x); !errors.Is(err, ErrorSecurity) {
				t.Fatalf("%d octets with bit %d changed: %v, want SECURITY", n, bit, err)
			}
		}
		if _, _, err := UnwrapKey(bytes.Repeat([]byte{4}, 32), blob); !errors.Is(err, ErrorSecurity) {
			t.Errorf("another key: %v", err)
		}
		for _, l := range []int{0, 8, 24, 31, len(blob) - 1} {
			if _, _, err := UnwrapKey(kek, blob[:l]); err == nil {
				t.Errorf("%d octets of a blob are taken", l)
			}
		}
		if _, _, err := UnwrapKey(kek[:15], blob); !errors.Is(err, ErrorBadParameters) {
			t.Errorf("a key of 15 octets: %v", err)
		}
	}
	if _, err := WrapKey(kek, 0, make([]byte, 20)); err == nil {
		t.Error("a key of 20 octets is wrapped")
	}
	if _, err := WrapKey(kek[:1], 0, make([]byte, 16)); err == nil {
		t.Error("a key encryption key of one octet is used")
	}
	x, err := wrap(kek, append([]byte{1, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := UnwrapKey(kek, x); !errors.Is(err, ErrorBadParameters) {
		t.Errorf("a reserved word: %v", err)
	}
}

func FuzzUnwrapKey(f *testing.F) {
	f.Add(make([]byte, 16), make([]byte, 32))
	f.Fuzz(func(t *testing.T, kek, blob []byte) {
		p, key, err := UnwrapKey(kek, blob)
		if err != nil {
			return
		}
		if again, err := WrapKey(kek, p, key); err != nil || !bytes.Equal(again, blob) {
			t.Errorf("%x is unwrapped and wrapped to %x, %v", blob, again, err)
		}
	})
}
