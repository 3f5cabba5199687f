package ffa

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// EndpointID is a 16-bit FF-A endpoint or component identifier (DEN0077A 1.2, section 6.1). Bit 15 is set
// for secure partitions and the SPM.
type EndpointID uint16

// Well-known identifiers. Those of SPMC and SPMD are the convention of TF-A and Hafnium.
const (
	// NonSecurePhysical is the primary VM, or the OS kernel where there is no hypervisor.
	NonSecurePhysical EndpointID = 0
	SPMC              EndpointID = 0x8000
	SPMD              EndpointID = 0xFFFF
)

// Secure reports whether id belongs to the secure world.
func (id EndpointID) Secure() bool { return id&0x8000 != 0 }

func (id EndpointID) String() string { return hexString(uint64(id)) }

// UUID holds the 16 octets in the order of RFC 4122.
type UUID [16]byte

var errUUID = errors.New("ffa: malformed UUID")

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

// UUIDFromWords is the inverse of Words.
func UUIDFromWords(w [4]uint32) UUID {
	var u UUID
	for i, v := range w {
		binary.LittleEndian.PutUint32(u[4*i:], v)
	}
	return u
}

// Words returns the UUID as FF-A registers carry it: octets 4i to 4i+3 as a little-endian word
// (the UUID format of SMCCC 1.2, section 5.3).
func (u UUID) Words() [4]uint32 {
	var w [4]uint32
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(u[4*i:])
	}
	return w
}

// Pair returns the UUID in two 64-bit registers: words 1:0 and words 3:2.
func (u UUID) Pair() (lo, hi uint64) {
	return binary.LittleEndian.Uint64(u[:]), binary.LittleEndian.Uint64(u[8:])
}

// UUIDFromPair is the inverse of Pair.
func UUIDFromPair(lo, hi uint64) UUID {
	var u UUID
	binary.LittleEndian.PutUint64(u[:], lo)
	binary.LittleEndian.PutUint64(u[8:], hi)
	return u
}

// IsNil reports the all-zero UUID, which means "every partition" in queries.
func (u UUID) IsNil() bool { return u == UUID{} }

// String is the textual form of RFC 4122.
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
