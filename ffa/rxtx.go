package ffa

import "encoding/binary"

// RXTXDescriptor is the endpoint RX/TX descriptor (DEN0077A 1.3, table 13.28): in the TX buffer of a hypervisor that calls
// FFA_RXTX_MAP for one of its VMs, with addresses and page count of the call zero. Each buffer is one contiguous range.
type RXTXDescriptor struct {
	Endpoint EndpointID
	RX, TX   Constituent
}

// RXTXDescriptorSize is the bytes before the composite memory region descriptors.
const RXTXDescriptorSize = 16

// ParseRXTXDescriptor reads the descriptor at the start of b, a private copy of TX. It refuses offsets that are misaligned,
// overlap the header or lie outside b, and buffers of more than one range, without pages, misaligned or wrapping.
func ParseRXTXDescriptor(b []byte) (RXTXDescriptor, error) {
	le := binary.LittleEndian
	if len(b) < RXTXDescriptorSize {
		return RXTXDescriptor{}, invalid("descriptor", uint64(len(b)), RuleTruncated)
	}
	d := RXTXDescriptor{Endpoint: EndpointID(le.Uint16(b))}
	if r := le.Uint16(b[2:]); r != 0 {
		return d, invalid("reserved @2", uint64(r), RuleMustBeZero)
	}
	var err error
	if d.RX, err = parseBuffer(b, "RX", le.Uint32(b[4:])); err != nil {
		return d, err
	}
	d.TX, err = parseBuffer(b, "TX", le.Uint32(b[8:]))
	return d, err
}

// parseBuffer reads the composite memory region descriptor of one buffer at offset.
func parseBuffer(b []byte, name string, offset uint32) (Constituent, error) {
	le := binary.LittleEndian
	switch {
	case offset%8 != 0:
		return Constituent{}, invalid(name+" offset", uint64(offset), RuleMisaligned)
	case offset < RXTXDescriptorSize:
		return Constituent{}, invalid(name+" offset", uint64(offset), RuleOverlapsHeader)
	case uint64(offset)+CompositeSize+ConstituentSize > uint64(len(b)):
		return Constituent{}, invalid(name+" offset", uint64(offset), RuleOutOfBounds)
	}
	if n := le.Uint32(b[offset+4:]); n != 1 {
		return Constituent{}, invalid(name+" constituent count", uint64(n), RuleCountNotOne)
	}
	var t MemoryTransaction
	if err := t.parseComposite(b[offset:], 1); err != nil {
		return Constituent{}, err
	}
	return t.Constituents[0], nil
}

// AppendTo appends the descriptor: header, then the composite descriptors of RX and TX.
func (d *RXTXDescriptor) AppendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(d.Endpoint))
	b = le.AppendUint32(b, RXTXDescriptorSize)
	b = le.AppendUint32(b, RXTXDescriptorSize+CompositeSize+ConstituentSize)
	b = le.AppendUint32(b, 0)
	for _, c := range [2]Constituent{d.RX, d.TX} {
		b = le.AppendUint32(b, c.Pages)
		b = le.AppendUint32(b, 1)
		b = le.AppendUint64(b, 0)
		b = le.AppendUint64(b, c.Address)
		b = le.AppendUint32(b, c.Pages)
		b = le.AppendUint32(b, 0)
	}
	return b
}
