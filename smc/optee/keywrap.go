package optee

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// wrapIV is the default initial value of RFC 3394, 2.2.3.1.
var wrapIV = [8]byte{0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6}

// keyHeader is the size of what stands before the key in a wrapped one: the policy as a 32-bit word, and a word of zeros.
const keyHeader = 8

// WrapKey wraps a key with its policy for KeysCmdLoadWrapped: AES key wrap (RFC 3394) under a key encryption key of 16, 24 or 32
// octets. The policy is under the wrap as well, so that whoever carries the blob cannot change it.
func WrapKey(kek []byte, policy KeysPolicy, key []byte) ([]byte, error) {
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, bad("key", uint64(n), "must be 16, 24 or 32 octets")
	}
	p := binary.LittleEndian.AppendUint32(nil, uint32(policy))
	return wrap(kek, append(append(p, 0, 0, 0, 0), key...))
}

// UnwrapKey is the inverse of WrapKey. A blob that was changed, or wrapped under another key, is SECURITY.
func UnwrapKey(kek, blob []byte) (KeysPolicy, []byte, error) {
	if n := len(blob); n != keyHeader+8+16 && n != keyHeader+8+24 && n != keyHeader+8+32 {
		return 0, nil, bad("wrapped key", uint64(n), "must be 32, 40 or 48 octets")
	}
	p, err := unwrap(kek, blob)
	if err != nil {
		return 0, nil, err
	}
	if rest := binary.LittleEndian.Uint32(p[4:]); rest != 0 {
		return 0, nil, bad("wrapped key", uint64(rest), "a reserved word must be zero")
	}
	return KeysPolicy(binary.LittleEndian.Uint32(p)), p[keyHeader:], nil
}

// wrap is RFC 3394, 2.2.1, in the form of its indexing method.
func wrap(kek, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, bad("key encryption key", uint64(len(kek)), "must be 16, 24 or 32 octets")
	}
	out := append(append([]byte(nil), wrapIV[:]...), plain...)
	n := len(plain) / 8
	var b [16]byte
	copy(b[:], wrapIV[:])
	for t := range 6 * n {
		r := out[8*(t%n+1):][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		copy(r, b[8:])
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(t+1))
	}
	copy(out, b[:8])
	return out, nil
}

// unwrap is RFC 3394, 2.2.2.
func unwrap(kek, blob []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, bad("key encryption key", uint64(len(kek)), "must be 16, 24 or 32 octets")
	}
	out := append([]byte(nil), blob...)
	n := len(blob)/8 - 1
	var b [16]byte
	copy(b[:], out)
	for t := 6*n - 1; t >= 0; t-- {
		r := out[8*(t%n+1):][:8]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(t+1))
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(r, b[8:])
	}
	if subtle.ConstantTimeCompare(b[:8], wrapIV[:]) != 1 {
		return nil, &ArgError{Field: "wrapped key", Code: ErrorSecurity, Rule: "the integrity check fails"}
	}
	return out[8:], nil
}
