package ffa

import (
	"encoding/binary"
	"slices"
)

// Sizes of the parts of a memory transaction descriptor in bytes (DEN0077A 1.1, tables 10.13 to 10.20,
// DEN0140 1.2, table 1.16).
const (
	TransactionHeaderSize1_0 = 32
	TransactionHeaderSize1_1 = 48
	EMADSize1_0              = 16
	EMADSize1_2              = 32
	CompositeSize            = 16
	ConstituentSize          = 16

	// MaxEMADs is the largest number of endpoint memory access descriptors that is accepted. Receivers
	// are few (Hafnium stops below 20); the limit keeps hostile descriptors cheap.
	MaxEMADs = 64
)

// EMAD is an endpoint memory access descriptor (DEN0140 1.2, table 1.16).
type EMAD struct {
	Receiver    EndpointID
	Permissions Permissions
	Flags       uint8     // bit 0: NonRetrievalBorrower
	ImpDef      [2]uint64 // 32-byte form only
}

// NonRetrievalBorrower in EMAD.Flags: the entry describes another borrower of the same memory, in a
// retrieve request or response.
const NonRetrievalBorrower uint8 = 1 << 0

// Constituent is a constituent memory region descriptor: a contiguous address range.
type Constituent struct {
	Address uint64 // multiple of PageSize
	Pages   uint32 // of 4 KiB, at least 1
}

// Size is the length of the range in bytes.
func (c Constituent) Size() uint64 { return uint64(c.Pages) * PageSize }

// End is the first address after the range. It does not wrap for a Constituent that was parsed.
func (c Constituent) End() uint64 { return c.Address + c.Size() }

// MemoryTransaction is a memory transaction descriptor: what FFA_MEM_SHARE, LEND, DONATE, RETRIEVE_REQ and
// RETRIEVE_RESP carry. The zero value is ready for Parse; parsing again reuses its slices.
type MemoryTransaction struct {
	Sender     EndpointID
	Attributes MemoryAttributes
	Flags      MemoryFlags
	Handle     Handle
	Tag        uint64
	// EMADSize is 16 or 32. When AppendTo finds a size that the version does not have, it uses the
	// version's own: 16 up to 1.1, 32 from 1.2.
	EMADSize  uint32
	Receivers []EMAD
	// Constituents is empty in a retrieve request that does not choose addresses; the descriptor then has
	// no composite memory region descriptor.
	Constituents []Constituent

	sorted []Constituent // scratch space of the overlap check
}

// TotalPages is the sum of the constituents in pages of 4 KiB.
func (t *MemoryTransaction) TotalPages() uint64 {
	var n uint64
	for _, c := range t.Constituents {
		n += uint64(c.Pages)
	}
	return n
}

// Receiver returns the access descriptor of endpoint id, or nil.
func (t *MemoryTransaction) Receiver(id EndpointID) *EMAD {
	for i := range t.Receivers {
		if t.Receivers[i].Receiver == id {
			return &t.Receivers[i]
		}
	}
	return nil
}

// emadSize is the size that AppendTo uses for version v.
func (t *MemoryTransaction) emadSize(v Version) uint32 {
	if v < Version1_2 {
		return EMADSize1_0
	}
	if t.EMADSize == EMADSize1_0 {
		return EMADSize1_0
	}
	return EMADSize1_2
}

func headerSize(v Version) uint32 {
	if v < Version1_1 {
		return TransactionHeaderSize1_0
	}
	return TransactionHeaderSize1_1
}

// Length is the number of bytes that AppendTo appends for version v.
func (t *MemoryTransaction) Length(v Version) int {
	n := int(headerSize(v)) + int(t.emadSize(v))*len(t.Receivers)
	if len(t.Constituents) > 0 {
		n += CompositeSize + ConstituentSize*len(t.Constituents)
	}
	return n
}

// AppendTo appends the descriptor in the layout of version v: header, access descriptors, composite
// descriptor and constituents without gaps. It writes what it is given and checks nothing. Version 1.0 has
// only eight attribute bits.
func (t *MemoryTransaction) AppendTo(b []byte, v Version) []byte {
	le := binary.LittleEndian
	size, header := t.emadSize(v), headerSize(v)
	var composite uint32
	if len(t.Constituents) > 0 {
		composite = header + size*uint32(len(t.Receivers))
	}
	b = slices.Grow(b, t.Length(v))
	b = le.AppendUint16(b, uint16(t.Sender))
	if v < Version1_1 {
		b = append(b, uint8(t.Attributes), 0)
	} else {
		b = le.AppendUint16(b, uint16(t.Attributes))
	}
	b = le.AppendUint32(b, uint32(t.Flags))
	b = le.AppendUint64(b, uint64(t.Handle))
	b = le.AppendUint64(b, t.Tag)
	if v < Version1_1 {
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(len(t.Receivers)))
	} else {
		b = le.AppendUint32(b, size)
		b = le.AppendUint32(b, uint32(len(t.Receivers)))
		b = le.AppendUint32(b, header)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, 0)
	}
	for i := range t.Receivers {
		e := &t.Receivers[i]
		b = le.AppendUint16(b, uint16(e.Receiver))
		b = append(b, uint8(e.Permissions), e.Flags)
		b = le.AppendUint32(b, composite)
		if size == EMADSize1_2 {
			b = le.AppendUint64(b, e.ImpDef[0])
			b = le.AppendUint64(b, e.ImpDef[1])
		}
		b = le.AppendUint64(b, 0)
	}
	if len(t.Constituents) == 0 {
		return b
	}
	b = le.AppendUint32(b, uint32(t.TotalPages()))
	b = le.AppendUint32(b, uint32(len(t.Constituents)))
	b = le.AppendUint64(b, 0)
	for _, c := range t.Constituents {
		b = le.AppendUint64(b, c.Address)
		b = le.AppendUint32(b, c.Pages)
		b = le.AppendUint32(b, 0)
	}
	return b
}

// ParseMemoryTransaction reads a whole descriptor; see (*MemoryTransaction).Parse.
func ParseMemoryTransaction(b []byte, v Version, k TransactionKind) (*MemoryTransaction, error) {
	t := new(MemoryTransaction)
	if err := t.Parse(b, v, k); err != nil {
		return nil, err
	}
	return t, nil
}

// layout is where the parts of a descriptor are. All offsets fit in the first fragment.
type layout struct {
	emadSize  uint32
	count     uint32
	emads     uint32 // offset of the EMAD array
	composite uint32 // offset, 0 for none
	ranges    uint32 // constituents announced
}

// parseLayout reads the sizes and offsets from the first bytes of a descriptor of total bytes and checks
// that they agree with each other, so that everything before the constituents lies inside b.
func parseLayout(b []byte, total uint32, v Version, k TransactionKind) (layout, error) {
	le := binary.LittleEndian
	var l layout
	if v < Version1_0 || v.Major() != Version1_0.Major() || !v.Valid() {
		return l, &FieldError{"version", uint64(v), NotSupported, RuleReservedValue}
	}
	header := headerSize(v)
	switch {
	case uint64(len(b)) > uint64(total):
		return l, invalid("fragment length", uint64(len(b)), RuleLength)
	case uint32(len(b)) < header:
		return l, invalid("fragment length", uint64(len(b)), RuleTruncated)
	}
	l.count = le.Uint32(b[28:])
	if v < Version1_1 {
		l.emadSize, l.emads = EMADSize1_0, header
	} else {
		l.emadSize, l.emads = le.Uint32(b[24:]), le.Uint32(b[32:])
		switch {
		case k == HypervisorRetrieve && l.emadSize == 0 && l.emads == 0:
			// Hypervisors fill in the handle alone: Linux's (arch/arm64/kvm/hyp/nvhe/ffa.c) and Hafnium's want the rest zero.
			l.emads = header
		case l.emadSize != EMADSize1_0 && (l.emadSize != EMADSize1_2 || v < Version1_2):
			return l, invalid("EMAD size", uint64(l.emadSize), RuleSizeForVersion)
		case l.emads < header:
			return l, invalid("EMAD offset", uint64(l.emads), RuleOverlapsHeader)
		case l.emads%16 != 0:
			return l, invalid("EMAD offset", uint64(l.emads), RuleMisaligned)
		}
	}
	switch {
	case k == HypervisorRetrieve && l.count != 0:
		return l, invalid("EMAD count", uint64(l.count), RuleMustBeZero)
	case k == HypervisorRetrieve:
		if l.emads > total {
			return l, invalid("EMAD offset", uint64(l.emads), RuleOutOfBounds)
		}
		if l.emads != total {
			return l, invalid("total length", uint64(total), RuleLength)
		}
		return l, firstFragment("EMAD offset", l.emads, b)
	case l.count == 0:
		return l, invalid("EMAD count", 0, RuleCountZero)
	case l.count > MaxEMADs:
		return l, invalid("EMAD count", uint64(l.count), RuleCountTooLarge)
	case k == Donate && l.count != 1:
		return l, invalid("EMAD count", uint64(l.count), RuleCountNotOne)
	}
	// No overflow from here on: count is small and the rest is summed in 64 bits.
	emadEnd := uint64(l.emads) + uint64(l.count)*uint64(l.emadSize)
	if emadEnd > uint64(total) {
		return l, invalid("EMAD count", uint64(l.count), RuleOutOfBounds)
	}
	if emadEnd > uint64(len(b)) {
		return l, invalid("EMAD count", uint64(l.count), RuleSecondFragment)
	}
	l.composite = le.Uint32(b[l.emads+4:])
	if l.composite == 0 && k == RetrieveRequest {
		if emadEnd != uint64(total) {
			return l, invalid("total length", uint64(total), RuleLength)
		}
		return l, nil
	}
	const field = "emad[0].composite offset"
	start := uint64(l.composite) + CompositeSize
	switch {
	case uint64(l.composite) < emadEnd:
		return l, invalid(field, uint64(l.composite), RuleOverlapsHeader)
	case l.composite%16 != 0:
		return l, invalid(field, uint64(l.composite), RuleMisaligned)
	case start > uint64(total):
		return l, invalid(field, uint64(l.composite), RuleOutOfBounds)
	case start > uint64(len(b)):
		return l, invalid(field, uint64(l.composite), RuleSecondFragment)
	}
	l.ranges = le.Uint32(b[l.composite+4:])
	if l.ranges == 0 {
		return l, invalid("constituent count", 0, RuleCountZero)
	}
	switch want := start + uint64(l.ranges)*ConstituentSize; {
	case want > uint64(total):
		return l, invalid("constituent count", uint64(l.ranges), RuleOutOfBounds)
	case want < uint64(total):
		return l, invalid("total length", uint64(total), RuleLength)
	}
	return l, nil
}

func firstFragment(field string, offset uint32, b []byte) error {
	if uint64(offset) > uint64(len(b)) {
		return invalid(field, uint64(offset), RuleSecondFragment)
	}
	return nil
}

// Parse reads a whole descriptor of version v that came with a call of kind k. b must be a private copy:
// the bytes are read more than once. Nothing of b is retained.
//
// Refused with a *FieldError whose code is INVALID_PARAMETERS: reserved fields that are not zero, reserved
// values, sizes and offsets that do not fit each other or the length of b, a count of zero or above
// MaxEMADs, receivers that repeat or are the sender, constituents that are empty, misaligned, wrap or
// overlap, and a page total that is not their sum. For a send, also permissions, flags, handle and
// attributes that the sender must leave zero. On an error t holds unspecified values.
//
// Whether the sender is the caller, owns the memory and may use these attributes is for the caller to check.
func (t *MemoryTransaction) Parse(b []byte, v Version, k TransactionKind) error {
	if uint64(len(b)) > 1<<32-1 {
		return invalid("total length", uint64(len(b)), RuleTooLong)
	}
	l, err := parseLayout(b, uint32(len(b)), v, k)
	if err != nil {
		return err
	}
	if err := t.parseHeader(b, v, k, l); err != nil {
		return err
	}
	t.EMADSize = l.emadSize
	t.Receivers = t.Receivers[:0]
	for i := range int(l.count) {
		if err := t.parseEMAD(b, i, k, l); err != nil {
			return err
		}
	}
	t.Constituents = t.Constituents[:0]
	if l.composite == 0 {
		return nil
	}
	return t.parseComposite(b[l.composite:], int(l.ranges))
}

func (t *MemoryTransaction) parseHeader(b []byte, v Version, k TransactionKind, l layout) error {
	le := binary.LittleEndian
	t.Sender = EndpointID(le.Uint16(b))
	t.Flags = MemoryFlags(le.Uint32(b[4:]))
	t.Handle = Handle(le.Uint64(b[8:]))
	t.Tag = le.Uint64(b[16:])
	if v < Version1_1 {
		t.Attributes = MemoryAttributes(b[2])
		if b[3] != 0 {
			return invalid("reserved @3", uint64(b[3]), RuleMustBeZero)
		}
		if r := le.Uint32(b[24:]); r != 0 {
			return invalid("reserved @24", uint64(r), RuleMustBeZero)
		}
	} else {
		t.Attributes = MemoryAttributes(le.Uint16(b[2:]))
		if r := le.Uint32(b[36:]); r != 0 {
			return invalid("reserved @36", uint64(r), RuleMustBeZero)
		}
		if r := le.Uint64(b[40:]); r != 0 {
			return invalid("reserved @40", r, RuleMustBeZero)
		}
	}
	if err := checkAttributes(t.Attributes, k); err != nil {
		return err
	}
	return t.checkHeader(k)
}

func checkAttributes(a MemoryAttributes, k TransactionKind) error {
	const field = "attributes"
	switch {
	case a&attributesMBZ != 0:
		return invalid(field, uint64(a), RuleMustBeZero)
	case a&MemoryNonSecure != 0 && k != RetrieveResponse:
		return invalid(field, uint64(a), RuleNotAllowed)
	case a.Type() == MemoryTypeMask:
		return invalid(field, uint64(a), RuleReservedValue)
	case a.Type() == MemoryNormal &&
		(a.Cacheability() == 0 || a.Cacheability() == 2<<2 || a.Shareability() == 1):
		return invalid(field, uint64(a), RuleReservedValue)
	}
	return nil
}

func (t *MemoryTransaction) checkHeader(k TransactionKind) error {
	allowed := sendFlags
	switch k {
	case Share:
		if t.Flags&FlagZero != 0 {
			return invalid("flags", uint64(t.Flags), RuleNotAllowed)
		}
	case RetrieveRequest, HypervisorRetrieve:
		allowed = retrieveFlags
	case RetrieveResponse:
		allowed = responseFlags
	}
	if t.Flags&^allowed != 0 {
		return invalid("flags", uint64(t.Flags), RuleMustBeZero)
	}
	if k.Send() && t.Handle != 0 {
		return invalid("handle", uint64(t.Handle), RuleMustBeZero)
	}
	return nil
}

func (t *MemoryTransaction) parseEMAD(b []byte, i int, k TransactionKind, l layout) error {
	le := binary.LittleEndian
	d := b[l.emads+uint32(i)*l.emadSize:][:l.emadSize]
	e := EMAD{Receiver: EndpointID(le.Uint16(d)), Permissions: Permissions(d[2]), Flags: d[3]}
	if l.emadSize == EMADSize1_2 {
		e.ImpDef = [2]uint64{le.Uint64(d[8:]), le.Uint64(d[16:])}
	}
	if r := le.Uint64(d[l.emadSize-8:]); r != 0 {
		return invalid(indexed("emad", i, "reserved"), r, RuleMustBeZero)
	}
	if c := le.Uint32(d[4:]); c != l.composite {
		return invalid(indexed("emad", i, "composite offset"), uint64(c), RuleDiffers)
	}
	if e.Receiver == t.Sender {
		return invalid(indexed("emad", i, "receiver"), uint64(e.Receiver), RuleIsSender)
	}
	if t.Receiver(e.Receiver) != nil {
		return invalid(indexed("emad", i, "receiver"), uint64(e.Receiver), RuleRepeated)
	}
	if rule := permissionsRule(e.Permissions, k); rule != "" {
		return invalid(indexed("emad", i, "permissions"), uint64(e.Permissions), rule)
	}
	known := NonRetrievalBorrower
	if k.Send() {
		known = 0
	}
	if e.Flags&^known != 0 {
		return invalid(indexed("emad", i, "flags"), uint64(e.Flags), RuleMustBeZero)
	}
	t.Receivers = append(t.Receivers, e)
	return nil
}

// permissionsRule returns the rule that p breaks, or "" (DEN0077A 1.1, section 10.10.3).
func permissionsRule(p Permissions, k TransactionKind) Rule {
	switch {
	case p&permissionsMBZ != 0:
		return RuleMustBeZero
	case p.Data() == DataAccessMask, p.Instruction() == InstructionAccessMask:
		return RuleReservedValue
	case k.Send() && p.Instruction() != InstrUnspecified:
		return RuleNotAllowed
	case (k == Share || k == Lend) && p.Data() == DataUnspecified:
		return RuleRequired
	case k == Donate && p.Data() != DataUnspecified:
		return RuleNotAllowed
	}
	return ""
}

func (t *MemoryTransaction) parseComposite(b []byte, count int) error {
	le := binary.LittleEndian
	pages := le.Uint32(b)
	if r := le.Uint64(b[8:]); r != 0 {
		return invalid("composite.reserved", r, RuleMustBeZero)
	}
	t.Constituents = slices.Grow(t.Constituents, count)
	sum := uint64(0)
	ascending := true
	for i := range count {
		d := b[CompositeSize+i*ConstituentSize:][:ConstituentSize]
		c := Constituent{Address: le.Uint64(d), Pages: le.Uint32(d[8:])}
		switch r := le.Uint32(d[12:]); {
		case r != 0:
			return invalid(indexed("constituent", i, "reserved"), uint64(r), RuleMustBeZero)
		case c.Pages == 0:
			return invalid(indexed("constituent", i, "page count"), 0, RuleZeroPages)
		case c.Address%PageSize != 0:
			return invalid(indexed("constituent", i, "address"), c.Address, RuleMisaligned)
		case c.End() < c.Address:
			return invalid(indexed("constituent", i, "address"), c.Address, RuleWraps)
		}
		if i > 0 && c.Address < t.Constituents[i-1].End() {
			ascending = false
		}
		sum += uint64(c.Pages)
		t.Constituents = append(t.Constituents, c)
	}
	if sum != uint64(pages) {
		return invalid("composite.total page count", uint64(pages), RuleSumMismatch)
	}
	if ascending {
		return nil
	}
	return t.checkOverlap()
}

func (t *MemoryTransaction) checkOverlap() error {
	t.sorted = append(t.sorted[:0], t.Constituents...)
	slices.SortFunc(t.sorted, func(a, b Constituent) int {
		switch {
		case a.Address < b.Address:
			return -1
		case a.Address > b.Address:
			return 1
		}
		return 0
	})
	for i := 1; i < len(t.sorted); i++ {
		if c := t.sorted[i]; c.Address < t.sorted[i-1].End() {
			return invalid("constituent address", c.Address, RuleOverlap)
		}
	}
	return nil
}
