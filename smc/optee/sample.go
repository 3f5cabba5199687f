package optee

import "encoding/binary"

// Subsample is one entry of a sample's map: so many octets in the clear, and then so many encrypted ones.
type Subsample struct {
	Clear     uint16
	Encrypted uint32
}

// SampleInfo is what a sample's decryption needs beside the key (ISO/IEC 23001-7, CencSampleAuxiliaryDataFormat): the IV, 8 or 16
// octets long, and the map of subsamples, most significant octets first. Without subsamples all of the sample is encrypted.
type SampleInfo struct {
	IV         []byte
	Subsamples []Subsample
}

const subsampleSize = 6

// AppendTo appends the wire form. There must be no more than 65535 subsamples.
func (s *SampleInfo) AppendTo(b []byte) []byte {
	b = append(b, s.IV...)
	if len(s.Subsamples) == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Subsamples)))
	for _, x := range s.Subsamples {
		b = binary.BigEndian.AppendUint16(b, x.Clear)
		b = binary.BigEndian.AppendUint32(b, x.Encrypted)
	}
	return b
}

// ParseSampleInfo reads the wire form, which must be all of b. The IV is part of b.
func ParseSampleInfo(b []byte, ivSize uint32) (SampleInfo, error) {
	if ivSize != 8 && ivSize != 16 {
		return SampleInfo{}, bad("IV size", uint64(ivSize), "must be 8 or 16")
	}
	if uint64(len(b)) < uint64(ivSize) {
		return SampleInfo{}, bad("sample information", uint64(len(b)), "shorter than its IV")
	}
	s := SampleInfo{IV: b[:ivSize]}
	if b = b[ivSize:]; len(b) == 0 {
		return s, nil
	}
	if len(b) < 2 || len(b) != 2+subsampleSize*int(binary.BigEndian.Uint16(b)) || len(b) == 2 {
		return SampleInfo{}, bad("sample information", uint64(len(b)), "is not as long as its subsamples")
	}
	for b = b[2:]; len(b) > 0; b = b[subsampleSize:] {
		s.Subsamples = append(s.Subsamples, Subsample{binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])})
	}
	return s, nil
}

// Size is the octets of the sample that the map describes; 0 without subsamples.
func (s *SampleInfo) Size() (n uint64) {
	for _, x := range s.Subsamples {
		n += uint64(x.Clear) + uint64(x.Encrypted)
	}
	return n
}
