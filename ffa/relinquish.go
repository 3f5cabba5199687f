package ffa

import "encoding/binary"

// Relinquish is the descriptor of FFA_MEM_RELINQUISH, which stands in TX (DEN0077A 1.1,
// table 16.25). The flags are
// FlagZero (zero after) and FlagTimeSlice.
type Relinquish struct {
	Handle    Handle
	Flags     MemoryFlags
	Endpoints []EndpointID
}

// RelinquishHeaderSize is the bytes before the endpoint ids.
const RelinquishHeaderSize = 16

// ParseRelinquish reads the descriptor at the start of b, a private copy of TX. It refuses unknown flags, a
// count of zero, above MaxEMADs or beyond b, and endpoints that repeat.
func ParseRelinquish(b []byte) (Relinquish, error) {
	le := binary.LittleEndian
	if len(b) < RelinquishHeaderSize {
		return Relinquish{}, invalid("descriptor", uint64(len(b)), RuleTruncated)
	}
	d := Relinquish{Handle: Handle(le.Uint64(b)), Flags: MemoryFlags(le.Uint32(b[8:]))}
	count := le.Uint32(b[12:])
	switch {
	case d.Flags&^relinquishFlags != 0:
		return d, invalid("flags", uint64(d.Flags), RuleMustBeZero)
	case count == 0:
		return d, invalid("endpoint count", 0, RuleCountZero)
	case count > MaxEMADs:
		return d, invalid("endpoint count", uint64(count), RuleCountTooLarge)
	case len(b) < RelinquishHeaderSize+2*int(count):
		return d, invalid("endpoint count", uint64(count), RuleOutOfBounds)
	}
	d.Endpoints = make([]EndpointID, 0, count)
	for i := range int(count) {
		id := EndpointID(le.Uint16(b[RelinquishHeaderSize+2*i:]))
		for _, other := range d.Endpoints {
			if other == id {
				return d, invalid(indexed("endpoint", i, "id"), uint64(id), RuleRepeated)
			}
		}
		d.Endpoints = append(d.Endpoints, id)
	}
	return d, nil
}

// AppendTo appends the descriptor.
func (d *Relinquish) AppendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, uint64(d.Handle))
	b = le.AppendUint32(b, uint32(d.Flags))
	b = le.AppendUint32(b, uint32(len(d.Endpoints)))
	for _, id := range d.Endpoints {
		b = le.AppendUint16(b, uint16(id))
	}
	return b
}
