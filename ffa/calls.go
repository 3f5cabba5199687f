package ffa

// Register layouts. Every call has a struct, a Parse function that refuses what the specification
// refuses, and a Registers method for the other direction. A 32-bit call uses only the low halves of its
// argument registers: parsers ignore the high halves and Registers leaves them zero. Reserved registers
// are ignored (the specification's SBZ) unless a Parse function says otherwise.

func word(r *Registers, i int) uint32 { return uint32(r[i]) }

// arg returns argument register i as wide as the calling convention of the call.
func arg(r *Registers, i int) uint64 {
	if FunctionOf(r).SMC64() {
		return r[i]
	}
	return uint64(uint32(r[i]))
}

func high16(v uint64) uint16 { return uint16(v >> 16) }

func pair(r *Registers, lo int) uint64 { return uint64(word(r, lo)) | r[lo+1]<<32 }

func putPair(r *Registers, lo int, v uint64) {
	r[lo], r[lo+1] = uint64(uint32(v)), v>>32
}

func expect(r *Registers, want ...Function) error {
	f := FunctionOf(r)
	for _, w := range want {
		if f == w {
			return nil
		}
	}
	return &FieldError{Field: "function", Value: uint64(f), Code: NotSupported, Rule: RuleWrongFunction}
}

func form(f32 Function, smc64 bool) uint64 {
	if smc64 {
		return uint64(f32.SMC64Form())
	}
	return uint64(f32)
}

func endpoints(high, low EndpointID) uint64 { return uint64(high)<<16 | uint64(low) }

// ErrorReply is FFA_ERROR: w1 is zero, w2 the code as a zero-extended 32-bit number (DEN0077A, FFA_ERROR).
func ErrorReply(code Error) Registers {
	return Registers{0: uint64(Error32), 2: uint64(uint32(code))}
}

// ErrorReplyFor is FFA_ERROR with the code that err carries; see CodeOf.
func ErrorReplyFor(err error) Registers { return ErrorReply(CodeOf(err)) }

// ErrorOf returns the error code of a reply that is FFA_ERROR, or nil.
func ErrorOf(r *Registers) error {
	if FunctionOf(r) != Error32 {
		return nil
	}
	return Error(int32(word(r, 2)))
}

// SuccessReply is FFA_SUCCESS_32 with w2, w3 and so on; at most six words (w2-w7).
func SuccessReply(words ...uint32) Registers {
	r := Registers{0: uint64(Success32)}
	for i, w := range words[:min(len(words), 6)] {
		r[2+i] = uint64(w)
	}
	return r
}

// HandleReply is the FFA_SUCCESS_32 that completes a memory send: w2 and w3 are the handle. It is the
// 32-bit form even when the request was SMC64 (DEN0140, FFA_MEM_DONATE, LEND and SHARE).
func HandleReply(h Handle) Registers { return SuccessReply(uint32(h), uint32(h>>32)) }

// VersionReply answers FFA_VERSION: the version stands in x0 itself.
func VersionReply(v Version) Registers { return Registers{0: uint64(v)} }

// VersionNotSupported answers FFA_VERSION with NOT_SUPPORTED in w0.
func VersionNotSupported() Registers {
	code := NotSupported
	return Registers{0: uint64(uint32(code))}
}

// VersionCall is FFA_VERSION.
type VersionCall struct {
	Asked Version // w1, may have bit 31 set: Negotiate refuses that
}

// ParseVersion reads FFA_VERSION.
func ParseVersion(r *Registers) (VersionCall, error) {
	return VersionCall{Asked: Version(word(r, 1))}, expect(r, Version32)
}

// Registers returns the call.
func (c VersionCall) Registers() Registers {
	return Registers{0: uint64(Version32), 1: uint64(c.Asked)}
}

// RXTXMap is FFA_RXTX_MAP (DEN0077A). TX is the buffer that the caller writes.
type RXTXMap struct {
	SMC64  bool
	TX, RX uint64
	Pages  uint32 // 4 KiB pages of each buffer, 1 to 63
}

// ParseRXTXMap reads FFA_RXTX_MAP. It refuses misaligned buffers, zero pages, reserved bits of w3, buffers
// that wrap and buffers that overlap each other.
func ParseRXTXMap(r *Registers) (RXTXMap, error) {
	c := RXTXMap{FunctionOf(r).SMC64(), arg(r, 1), arg(r, 2), word(r, 3)}
	size := uint64(c.Pages) * PageSize
	switch err := expect(r, RXTXMap32, RXTXMap64); {
	case err != nil:
		return c, err
	case c.Pages>>6 != 0:
		return c, invalid("w3[31:6]", uint64(c.Pages), RuleMustBeZero)
	case c.Pages == 0:
		return c, invalid("page count", 0, RuleCountZero)
	case c.TX%PageSize != 0:
		return c, invalid("TX address", c.TX, RuleMisaligned)
	case c.RX%PageSize != 0:
		return c, invalid("RX address", c.RX, RuleMisaligned)
	case c.TX+size < c.TX:
		return c, invalid("TX address", c.TX, RuleWraps)
	case c.RX+size < c.RX:
		return c, invalid("RX address", c.RX, RuleWraps)
	case c.TX < c.RX+size && c.RX < c.TX+size:
		return c, invalid("RX address", c.RX, RuleOverlap)
	}
	return c, nil
}

// Registers returns the call.
func (c RXTXMap) Registers() Registers {
	return Registers{form(RXTXMap32, c.SMC64), c.TX, c.RX, uint64(c.Pages)}
}

// RXTXUnmap is FFA_RXTX_UNMAP; ID is the VM on whose behalf a hypervisor calls, else 0.
type RXTXUnmap struct{ ID EndpointID }

// ParseRXTXUnmap reads FFA_RXTX_UNMAP.
func ParseRXTXUnmap(r *Registers) (RXTXUnmap, error) {
	return RXTXUnmap{EndpointID(high16(r[1]))}, expect(r, RXTXUnmap32)
}

// Registers returns the call.
func (c RXTXUnmap) Registers() Registers {
	return Registers{0: uint64(RXTXUnmap32), 1: endpoints(c.ID, 0)}
}

// RXRelease is FFA_RX_RELEASE or, with Acquire, FFA_RX_ACQUIRE. ID is the VM, 0 for the caller itself.
type RXRelease struct {
	Acquire bool
	ID      EndpointID
}

// ParseRXRelease reads FFA_RX_RELEASE and FFA_RX_ACQUIRE.
func ParseRXRelease(r *Registers) (RXRelease, error) {
	return RXRelease{FunctionOf(r) == RXAcquire32, EndpointID(r[1])}, expect(r, RXRelease32, RXAcquire32)
}

// Registers returns the call.
func (c RXRelease) Registers() Registers {
	f := RXRelease32
	if c.Acquire {
		f = RXAcquire32
	}
	return Registers{0: uint64(f), 1: uint64(c.ID)}
}

// IDGetReply answers FFA_ID_GET and FFA_SPM_ID_GET.
func IDGetReply(id EndpointID) Registers { return SuccessReply(uint32(id)) }

// PartitionInfoGet is FFA_PARTITION_INFO_GET (DEN0077A).
type PartitionInfoGet struct {
	UUID      UUID // nil for all partitions
	CountOnly bool // from version 1.1
}

// ParsePartitionInfoGet reads FFA_PARTITION_INFO_GET. Flags other than bit 0 are refused.
func ParsePartitionInfoGet(r *Registers) (PartitionInfoGet, error) {
	c := PartitionInfoGet{
		UUIDFromWords([4]uint32{word(r, 1), word(r, 2), word(r, 3), word(r, 4)}),
		r[5]&1 != 0,
	}
	if err := expect(r, PartitionInfoGet32); err != nil {
		return c, err
	}
	if f := word(r, 5); f&^1 != 0 {
		return c, invalid("flags", uint64(f), RuleMustBeZero)
	}
	return c, nil
}

// Registers returns the call.
func (c PartitionInfoGet) Registers() Registers {
	w := c.UUID.Words()
	r := Registers{uint64(PartitionInfoGet32), uint64(w[0]), uint64(w[1]), uint64(w[2]), uint64(w[3])}
	if c.CountOnly {
		r[5] = 1
	}
	return r
}

// PartitionInfoReply answers FFA_PARTITION_INFO_GET. size is the bytes of one descriptor in RX; it is
// zero for a count and for version 1.0 callers.
func PartitionInfoReply(count, size uint32) Registers { return SuccessReply(count, size) }

// Run is FFA_RUN; the same layout carries FFA_INTERRUPT and FFA_YIELD.
type Run struct {
	Function Function // Run32, Interrupt32 or Yield32
	Target   EndpointID
	VCPU     uint16
}

// ParseRun reads FFA_RUN, FFA_INTERRUPT and FFA_YIELD.
func ParseRun(r *Registers) (Run, error) {
	return Run{FunctionOf(r), EndpointID(high16(r[1])), uint16(r[1])}, expect(r, Run32, Interrupt32, Yield32)
}

// Registers returns the call.
func (c Run) Registers() Registers {
	return Registers{0: uint64(c.Function), 1: uint64(c.Target)<<16 | uint64(c.VCPU)}
}

// MemPerm is FFA_MEM_PERM_GET or, with Set, FFA_MEM_PERM_SET (DEN0140; S-EL0 partitions only).
type MemPerm struct {
	SMC64 bool
	Set   bool
	Base  uint64
	Pages uint32 // FFA_MEM_PERM_SET; from version 1.3 also GET
	Perms uint32 // FFA_MEM_PERM_SET: bits 1:0 data, bit 2 execute-never
}

// Values of MemPerm.Perms.
const (
	MemPermRX uint32 = 0x3
	MemPermRW uint32 = 0x5
	MemPermRO uint32 = 0x7
)

// ParseMemPerm reads FFA_MEM_PERM_GET and FFA_MEM_PERM_SET.
func ParseMemPerm(r *Registers) (MemPerm, error) {
	f := FunctionOf(r)
	c := MemPerm{SMC64: f.SMC64(), Set: f.SMC32Form() == MemPermSet32, Base: arg(r, 1), Pages: word(r, 2)}
	if c.Set {
		c.Perms = word(r, 3)
	}
	switch err := expect(r, MemPermGet32, MemPermGet64, MemPermSet32, MemPermSet64); {
	case err != nil:
		return c, err
	case c.Base%PageSize != 0:
		return c, invalid("base address", c.Base, RuleMisaligned)
	case c.Set && c.Pages == 0:
		return c, invalid("page count", 0, RuleCountZero)
	case c.Set && c.Perms>>3 != 0:
		return c, invalid("permissions", uint64(c.Perms), RuleMustBeZero)
	}
	return c, nil
}

// Registers returns the call.
func (c MemPerm) Registers() Registers {
	if c.Set {
		return Registers{form(MemPermSet32, c.SMC64), c.Base, uint64(c.Pages), uint64(c.Perms)}
	}
	return Registers{form(MemPermGet32, c.SMC64), c.Base, uint64(c.Pages)}
}

// ConsoleLog is FFA_CONSOLE_LOG (DEN0077A 1.2). Text holds at most ConsoleLogMax32 or ConsoleLogMax64
// characters.
type ConsoleLog struct {
	SMC64 bool
	Text  string
}

// Characters that fit in one FFA_CONSOLE_LOG: w2-w7, or x2-x17.
const (
	ConsoleLogMax32 = 6 * 4
	ConsoleLogMax64 = 16 * 8
)

// ParseConsoleLog reads FFA_CONSOLE_LOG. The count in w1 must be 1 to the maximum.
func ParseConsoleLog(r *Registers) (ConsoleLog, error) {
	c := ConsoleLog{SMC64: FunctionOf(r).SMC64()}
	limit, width := ConsoleLogMax32, 4
	if c.SMC64 {
		limit, width = ConsoleLogMax64, 8
	}
	n := word(r, 1)
	switch err := expect(r, ConsoleLog32, ConsoleLog64); {
	case err != nil:
		return c, err
	case n == 0:
		return c, invalid("character count", 0, RuleCountZero)
	case n > uint32(limit):
		return c, invalid("character count", uint64(n), RuleCountTooLarge)
	}
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(r[2+i/width] >> (8 * (i % width)))
	}
	c.Text = string(text)
	return c, nil
}

// Registers returns the call. Characters past the maximum are cut off.
func (c ConsoleLog) Registers() Registers {
	limit, width := ConsoleLogMax32, 4
	if c.SMC64 {
		limit, width = ConsoleLogMax64, 8
	}
	text := c.Text[:min(len(c.Text), limit)]
	r := Registers{0: form(ConsoleLog32, c.SMC64), 1: uint64(len(text))}
	for i := range len(text) {
		r[2+i/width] |= uint64(text[i]) << (8 * (i % width))
	}
	return r
}

// SecondaryEPRegister is FFA_SECONDARY_EP_REGISTER: the entry point of secondary execution contexts.
type SecondaryEPRegister struct {
	SMC64 bool
	Entry uint64
}

// ParseSecondaryEPRegister reads FFA_SECONDARY_EP_REGISTER.
func ParseSecondaryEPRegister(r *Registers) (SecondaryEPRegister, error) {
	return SecondaryEPRegister{FunctionOf(r).SMC64(), arg(r, 1)},
		expect(r, SecondaryEPRegister32, SecondaryEPRegister64)
}

// Registers returns the call.
func (c SecondaryEPRegister) Registers() Registers {
	return Registers{form(SecondaryEPRegister32, c.SMC64), c.Entry}
}

// NSResInfoGet is FFA_NS_RES_INFO_GET (DEN0077A 1.3 ALP2, section 13.13).
type NSResInfoGet struct {
	Target      EndpointID // meaningful when TargetValid
	TargetValid bool       // flags bit 0
	Type        uint8      // flags bits 3:2
	Continue    bool       // flags bit 4
}

// ParseNSResInfoGet reads FFA_NS_RES_INFO_GET. Unknown flags are refused.
func ParseNSResInfoGet(r *Registers) (NSResInfoGet, error) {
	c := NSResInfoGet{EndpointID(r[1]), r[2]&1 != 0, uint8(r[2]>>2) & 3, r[2]>>4&1 != 0}
	if err := expect(r, NSResInfoGet64); err != nil {
		return c, err
	}
	if r[2]&^0x1D != 0 {
		return c, invalid("flags", r[2], RuleMustBeZero)
	}
	return c, nil
}

// Registers returns the call.
func (c NSResInfoGet) Registers() Registers {
	r := Registers{uint64(NSResInfoGet64), uint64(c.Target), uint64(c.Type&3) << 2}
	if c.TargetValid {
		r[2] |= 1
	}
	if c.Continue {
		r[2] |= 1 << 4
	}
	return r
}
