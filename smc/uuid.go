package smc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// UUID holds the 16 octets in the order of RFC 4122, which is the order of the text form and of OP-TEE
// messages. The interfaces carry the octets in two other ways as well: see FFAWords and SMCWords.
type UUID [16]byte

var errUUID = errors.New("smc: malformed UUID")

// ParseUUID reads the form 486178e0-e7f8-11e3-bc5e-0002a5d5c51b.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, errUUID
	}
	digits := make([]byte, 0, 32)
	for _, part := range []string{s[:8], s[9:13], s[14:18], s[19:23], s[24:]} {
		digits = append(digits, part...)
	}
	if _, err := hex.Decode(u[:], digits); err != nil {
		return UUID{}, errUUID
	}
	return u, nil
}

// FFAWords returns the words of FF-A registers: octets 4i to 4i+3 read little-endian.
func (u UUID) FFAWords() [4]uint32 {
	var w [4]uint32
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(u[4*i:])
	}
	return w
}

// UUIDFromFFAWords is the inverse of FFAWords.
func UUIDFromFFAWords(w [4]uint32) UUID {
	var u UUID
	for i, v := range w {
		binary.LittleEndian.PutUint32(u[4*i:], v)
	}
	return u
}

// SMCWords returns the words that OP-TEE's CALLS_UID and GET_OS_UUID return in a0-a3: the text form in four
// groups of eight digits, that is octets 4i to 4i+3 read big-endian.
func (u UUID) SMCWords() [4]uint32 {
	var w [4]uint32
	for i := range w {
		w[i] = binary.BigEndian.Uint32(u[4*i:])
	}
	return w
}

// UUIDFromSMCWords is the inverse of SMCWords.
func UUIDFromSMCWords(w [4]uint32) UUID {
	var u UUID
	for i, v := range w {
		binary.BigEndian.PutUint32(u[4*i:], v)
	}
	return u
}

// IsNil reports the all-zero UUID.
func (u UUID) IsNil() bool { return u == UUID{} }

// String is the text form of RFC 4122.
func (u UUID) String() string {
	b := make([]byte, 0, 36)
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return string(b)
}
