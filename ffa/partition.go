package ffa

import "encoding/binary"

// PartitionProperties is the property word of a partition information descriptor (DEN0077A 1.2, table 6.2).
type PartitionProperties uint32

// Partition properties.
const (
	PropReceivesDirectReq    PartitionProperties = 1 << 0
	PropSendsDirectReq       PartitionProperties = 1 << 1
	PropIndirectMessages     PartitionProperties = 1 << 2
	PropNotifications        PartitionProperties = 1 << 3 // from 1.1
	PropIDTypeMask           PartitionProperties = 3 << 4 // from 1.1; 0 is a PE endpoint
	PropWantsVMCreated       PartitionProperties = 1 << 6 // from 1.1
	PropWantsVMDestroyed     PartitionProperties = 1 << 7 // from 1.1
	PropAArch64              PartitionProperties = 1 << 8 // from 1.1
	PropReceivesDirectReq2   PartitionProperties = 1 << 9 // from 1.2
	PropSendsDirectReq2      PartitionProperties = 1 << 10
	PropLiveActivation       PartitionProperties = 1 << 11 // from 1.3
	PropCPURendezvous        PartitionProperties = 1 << 12
	propMask1_0                                  = 0x7
	propMask1_1                                  = 0x1FF
	propMask1_2                                  = 0x7FF
	propMask1_3                                  = 0x1FFF
	partitionInfoSize1_0                         = 8
	partitionInfoSize1_1                         = 24
	partitionInfoSize1_3                         = 48
	partitionInfoRegsPayload                     = 15 // registers x3-x17
)

// Visible returns the properties that a caller of version v may see.
func (p PartitionProperties) Visible(v Version) PartitionProperties {
	switch {
	case v < Version1_1:
		return p & propMask1_0
	case v < Version1_2:
		return p & propMask1_1
	case v < Version1_3:
		return p & propMask1_2
	}
	return p & propMask1_3
}

// PartitionInfo is a partition information descriptor (DEN0077A 1.3, table 6.1;
// 1.1, table 13.37).
type PartitionInfo struct {
	ID                EndpointID
	ExecutionContexts uint16
	Properties        PartitionProperties
	UUID              UUID    // protocol UUID; from 1.1
	ImageUUID         UUID    // from 1.3
	Version           Version // FF-A version of the partition; from 1.3
}

// PartitionInfoSize is the bytes of a descriptor for a caller of version v: 8, 24 or 48.
func PartitionInfoSize(v Version) uint32 {
	switch {
	case v < Version1_1:
		return partitionInfoSize1_0
	case v < Version1_3:
		return partitionInfoSize1_1
	}
	return partitionInfoSize1_3
}

// AppendTo appends the descriptor as a caller of version v expects it: PartitionInfoSize(v) bytes, with
// only the properties of that version.
func (p *PartitionInfo) AppendTo(b []byte, v Version) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(p.ID))
	b = binary.LittleEndian.AppendUint16(b, p.ExecutionContexts)
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Properties.Visible(v)))
	if v < Version1_1 {
		return b
	}
	b = append(b, p.UUID[:]...)
	if v < Version1_3 {
		return b
	}
	b = append(b, p.ImageUUID[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Version))
	return binary.LittleEndian.AppendUint32(b, 0)
}

// ParsePartitionInfo reads one descriptor of size bytes, the size that FFA_PARTITION_INFO_GET answered in w3
// (8 when it answered 0). Fields that a shorter descriptor lacks are zero; a longer one of a later version
// is read as far as it is known.
func ParsePartitionInfo(b []byte, size uint32) (PartitionInfo, error) {
	if size < partitionInfoSize1_0 || size%8 != 0 {
		return PartitionInfo{}, invalid("descriptor size", uint64(size), RuleReservedValue)
	}
	if uint64(len(b)) < uint64(size) {
		return PartitionInfo{}, invalid("descriptor size", uint64(size), RuleTruncated)
	}
	p := PartitionInfo{
		ID:                EndpointID(binary.LittleEndian.Uint16(b)),
		ExecutionContexts: binary.LittleEndian.Uint16(b[2:]),
		Properties:        PartitionProperties(binary.LittleEndian.Uint32(b[4:])),
	}
	if size >= partitionInfoSize1_1 {
		copy(p.UUID[:], b[8:24])
	}
	if size >= partitionInfoSize1_3 {
		copy(p.ImageUUID[:], b[24:40])
		p.Version = Version(binary.LittleEndian.Uint32(b[40:]))
		if r := binary.LittleEndian.Uint32(b[44:]); r != 0 {
			return p, invalid("reserved @44", uint64(r), RuleMustBeZero)
		}
	}
	return p, nil
}

// PartitionInfoGetRegs is FFA_PARTITION_INFO_GET_REGS (DEN0077A 1.2).
type PartitionInfoGetRegs struct {
	UUID  UUID   // nil for all partitions
	Start uint16 // index of the first descriptor wanted
	Tag   uint16 // information tag of the previous reply, 0 on the first call
}

// ParsePartitionInfoGetRegs reads FFA_PARTITION_INFO_GET_REGS. A tag on the first call is refused.
func ParsePartitionInfoGetRegs(r *Registers) (PartitionInfoGetRegs, error) {
	c := PartitionInfoGetRegs{UUIDFromPair(r[1], r[2]), uint16(r[3]), high16(r[3])}
	if err := expect(r, PartitionInfoGetRegs64); err != nil {
		return c, err
	}
	if c.Start == 0 && c.Tag != 0 {
		return c, invalid("information tag", uint64(c.Tag), RuleMustBeZero)
	}
	return c, nil
}

// Registers returns the call.
func (c PartitionInfoGetRegs) Registers() Registers {
	lo, hi := c.UUID.Pair()
	return Registers{uint64(PartitionInfoGetRegs64), lo, hi, uint64(c.Tag)<<16 | uint64(c.Start)}
}

// MaxPartitionInfoRegs is how many 24-byte descriptors x3-x17 hold.
const MaxPartitionInfoRegs = 5

// PartitionInfoRegs is the FFA_SUCCESS_64 that answers FFA_PARTITION_INFO_GET_REGS.
type PartitionInfoRegs struct {
	Last    uint16 // index of the last descriptor there is: count - 1
	Current uint16 // index of the last descriptor in this reply
	Tag     uint16 // to be echoed by the next call
	Size    uint16 // bytes of a descriptor
	Records [MaxPartitionInfoRegs]PartitionInfo
	Count   int // valid entries of Records
}

// PartitionInfoRegsReply packs up to five 24-byte descriptors of all, from index start on, into x3-x17,
// with the properties that version v may see. InvalidParameters is returned when start is not an index
// of all.
func PartitionInfoRegsReply(all []PartitionInfo, start, tag uint16, v Version) (Registers, error) {
	if int(start) >= len(all) || len(all) > 1<<16 {
		return Registers{}, invalid("start index", uint64(start), RuleOutOfBounds)
	}
	part := all[start:min(len(all), int(start)+MaxPartitionInfoRegs)]
	current := int(start) + len(part) - 1
	r := Registers{0: uint64(Success64)}
	r[2] = uint64(len(all)-1) | uint64(current)<<16 | uint64(tag)<<32 | partitionInfoSize1_1<<48
	for i := range part {
		p := &part[i]
		r[3+3*i] = uint64(p.ID) | uint64(p.ExecutionContexts)<<16 | uint64(p.Properties.Visible(v))<<32
		r[4+3*i], r[5+3*i] = p.UUID.Pair()
	}
	return r, nil
}

// ParsePartitionInfoRegs reads the reply to a call whose start index was start. It refuses indices out of
// order, a descriptor size below 24 or not a multiple of 8, and more descriptors than x3-x17 hold.
func ParsePartitionInfoRegs(r *Registers, start uint16) (PartitionInfoRegs, error) {
	p := PartitionInfoRegs{
		Last: uint16(r[2]), Current: uint16(r[2] >> 16), Tag: uint16(r[2] >> 32), Size: uint16(r[2] >> 48),
	}
	if err := ErrorOf(r); err != nil {
		return p, err
	}
	if err := expect(r, Success64); err != nil {
		return p, err
	}
	regs := int(p.Size) / 8
	n := int(p.Current) - int(start) + 1
	switch {
	case p.Current < start:
		return p, invalid("current index", uint64(p.Current), RuleOutOfBounds)
	case p.Current > p.Last:
		return p, invalid("current index", uint64(p.Current), RuleOutOfBounds)
	case p.Size < partitionInfoSize1_1 || p.Size%8 != 0:
		return p, invalid("descriptor size", uint64(p.Size), RuleReservedValue)
	case n*regs > partitionInfoRegsPayload:
		return p, invalid("current index", uint64(p.Current), RuleCountTooLarge)
	}
	for i := range n {
		x := r[3+i*regs:]
		p.Records[i] = PartitionInfo{
			ID:                EndpointID(x[0]),
			ExecutionContexts: high16(x[0]),
			Properties:        PartitionProperties(x[0] >> 32),
			UUID:              UUIDFromPair(x[1], x[2]),
		}
		if p.Size >= partitionInfoSize1_3 {
			p.Records[i].ImageUUID = UUIDFromPair(x[3], x[4])
			p.Records[i].Version = Version(x[5])
		}
	}
	p.Count = n
	return p, nil
}
