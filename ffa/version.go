package ffa

import "strconv"

// Version is an FF-A version: major in bits 30:16, minor in bits 15:0, bit 31 must be zero
// (DEN0077A 1.2, section 13.2).
type Version uint32

// Versions this package knows layouts of.
const (
	Version1_0 Version = 0x1_0000
	Version1_1 Version = 0x1_0001
	Version1_2 Version = 0x1_0002
	Version1_3 Version = 0x1_0003
)

// MakeVersion returns major.minor; major must be below 0x8000.
func MakeVersion(major, minor uint16) Version { return Version(major)<<16 | Version(minor) }

// Major is bits 30:16.
func (v Version) Major() uint16 { return uint16(v>>16) & 0x7FFF }

// Minor is bits 15:0.
func (v Version) Minor() uint16 { return uint16(v) }

// Valid reports that bit 31 is zero. A reply with it set is an error code.
func (v Version) Valid() bool { return v>>31 == 0 }

// String is "major.minor".
func (v Version) String() string {
	if !v.Valid() {
		return hexString(uint64(v))
	}
	return strconv.Itoa(int(v.Major())) + "." + strconv.Itoa(int(v.Minor()))
}

// Negotiate returns the version that both sides use from now on when a callee of version own is asked
// for version asked: the lower one of the same major version. The callee always answers own, not the
// result. NotSupported is returned, and has to be answered, when bit 31 of asked is set or the major
// versions differ.
func Negotiate(own, asked Version) (Version, error) {
	if !asked.Valid() || asked.Major() != own.Major() {
		return 0, NotSupported
	}
	return min(own, asked), nil
}
