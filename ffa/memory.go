package ffa

import "strings"

// PageSize is the FF-A page unit in bytes, whatever the granule of the caller.
const PageSize = 4096

// Handle identifies a memory transaction (DEN0077A 1.0, section 5.10.2). Bit 63 says that the
// hypervisor, not the SPMC, allocated it.
type Handle uint64

// InvalidHandle is all ones.
const InvalidHandle Handle = ^Handle(0)

// ByHypervisor reports bit 63.
func (h Handle) ByHypervisor() bool { return h>>63 != 0 }

func (h Handle) String() string { return hexString(uint64(h)) }

// MemoryAttributes is the memory region attributes descriptor (DEN0077A 1.1, table 10.18).
type MemoryAttributes uint16

// Fields of MemoryAttributes.
const (
	ShareabilityMask  MemoryAttributes = 3 << 0
	NonShareable      MemoryAttributes = 0 << 0
	OuterShareable    MemoryAttributes = 2 << 0
	InnerShareable    MemoryAttributes = 3 << 0
	CacheabilityMask  MemoryAttributes = 3 << 2
	NonCacheable      MemoryAttributes = 1 << 2 // normal memory
	WriteBack         MemoryAttributes = 3 << 2 // normal memory
	DeviceNGnRnE      MemoryAttributes = 0 << 2
	DeviceNGnRE       MemoryAttributes = 1 << 2
	DeviceNGRE        MemoryAttributes = 2 << 2
	DeviceGRE         MemoryAttributes = 3 << 2
	MemoryTypeMask    MemoryAttributes = 3 << 4
	MemoryUnspecified MemoryAttributes = 0 << 4
	MemoryDevice      MemoryAttributes = 1 << 4
	MemoryNormal      MemoryAttributes = 2 << 4
	// MemoryNonSecure is set by the SPMC in a retrieve response and must be zero from senders.
	MemoryNonSecure MemoryAttributes = 1 << 6
	attributesMBZ   MemoryAttributes = 0xFF80

	// NormalWriteBackInner is 0x2F: what shared memory has to be.
	NormalWriteBackInner = MemoryNormal | WriteBack | InnerShareable
)

// Type is the memory type field.
func (a MemoryAttributes) Type() MemoryAttributes { return a & MemoryTypeMask }

// Cacheability is the cacheability field of normal memory, or the device attribute of device memory.
func (a MemoryAttributes) Cacheability() MemoryAttributes { return a & CacheabilityMask }

// Shareability is the shareability field.
func (a MemoryAttributes) Shareability() MemoryAttributes { return a & ShareabilityMask }

// String spells the fields, for example "normal-wb-ish".
func (a MemoryAttributes) String() string {
	s := ""
	switch a.Type() {
	case MemoryUnspecified:
		s = "unspecified"
		if a&(CacheabilityMask|ShareabilityMask) != 0 {
			s += "-" + hexString(uint64(a&(CacheabilityMask|ShareabilityMask)))
		}
	case MemoryDevice:
		s = "device-" + [...]string{"nGnRnE", "nGnRE", "nGRE", "GRE"}[a.Cacheability()>>2]
	case MemoryNormal:
		s = "normal-" + [...]string{"reserved", "nc", "reserved", "wb"}[a.Cacheability()>>2] +
			"-" + [...]string{"nsh", "reserved", "osh", "ish"}[a.Shareability()]
	default:
		s = "reserved"
	}
	if a&MemoryNonSecure != 0 {
		s += "-ns"
	}
	if mbz := a & attributesMBZ; mbz != 0 {
		s += "-" + hexString(uint64(mbz))
	}
	return s
}

// Permissions is the memory access permissions byte (DEN0077A 1.1, table 10.15).
type Permissions uint8

// Fields of Permissions.
const (
	DataAccessMask        Permissions = 3 << 0
	DataUnspecified       Permissions = 0 << 0
	DataRO                Permissions = 1 << 0
	DataRW                Permissions = 2 << 0
	InstructionAccessMask Permissions = 3 << 2
	InstrUnspecified      Permissions = 0 << 2
	InstrNX               Permissions = 1 << 2
	InstrX                Permissions = 2 << 2
	permissionsMBZ        Permissions = 0xF0
)

// Data is the data access field.
func (p Permissions) Data() Permissions { return p & DataAccessMask }

// Instruction is the instruction access field.
func (p Permissions) Instruction() Permissions { return p & InstructionAccessMask }

// String spells the fields that are specified, for example "RW" or "RO+NX".
func (p Permissions) String() string {
	s := [...]string{"", "RO", "RW", "reserved"}[p.Data()]
	if i := [...]string{"", "NX", "X", "reserved"}[p.Instruction()>>2]; i != "" {
		if s != "" {
			s += "+"
		}
		s += i
	}
	if p&permissionsMBZ != 0 {
		s += "+" + hexString(uint64(p&permissionsMBZ))
	}
	if s == "" {
		return "unspecified"
	}
	return s
}

// MemoryFlags is the flags word of a memory transaction or relinquish descriptor (DEN0140, "Flags
// usage").
type MemoryFlags uint32

// Fields of MemoryFlags.
const (
	// FlagZero: zero before the borrower gets access (send and retrieve), or after relinquish.
	FlagZero MemoryFlags = 1 << 0
	// FlagTimeSlice: the operation may be time-sliced.
	FlagTimeSlice MemoryFlags = 1 << 1
	// FlagZeroAfterRelinquish: retrieve request only.
	FlagZeroAfterRelinquish MemoryFlags = 1 << 2

	TransactionTypeMask        MemoryFlags = 3 << 3
	TransactionTypeUnspecified MemoryFlags = 0 << 3
	TransactionTypeShare       MemoryFlags = 1 << 3
	TransactionTypeLend        MemoryFlags = 2 << 3
	TransactionTypeDonate      MemoryFlags = 3 << 3

	// AlignmentHintMask and AlignmentHintValid: retrieve request only.
	AlignmentHintMask  MemoryFlags = 0xF << 5
	AlignmentHintValid MemoryFlags = 1 << 9
	// FlagBypassBorrowerCheck: retrieve request only.
	FlagBypassBorrowerCheck MemoryFlags = 1 << 10
)

// Type is the transaction type field.
func (f MemoryFlags) Type() MemoryFlags { return f & TransactionTypeMask }

// String lists what is set, for example "zero|lend", or "0".
func (f MemoryFlags) String() string {
	var parts []string
	for _, b := range [...]struct {
		mask MemoryFlags
		name string
	}{
		{FlagZero, "zero"}, {FlagTimeSlice, "time-slice"}, {FlagZeroAfterRelinquish, "zero-after"},
		{AlignmentHintValid, "hint"}, {FlagBypassBorrowerCheck, "bypass"},
	} {
		if f&b.mask != 0 {
			parts = append(parts, b.name)
		}
	}
	if t := f.Type(); t != 0 {
		parts = append(parts, [...]string{"", "share", "lend", "donate"}[t>>3])
	}
	if rest := f &^ (retrieveFlags &^ AlignmentHintMask); rest != 0 {
		parts = append(parts, hexString(uint64(rest)))
	}
	if parts == nil {
		return "0"
	}
	return strings.Join(parts, "|")
}

const (
	sendFlags     = FlagZero | FlagTimeSlice
	retrieveFlags = FlagZero | FlagTimeSlice | FlagZeroAfterRelinquish | TransactionTypeMask |
		AlignmentHintMask | AlignmentHintValid | FlagBypassBorrowerCheck
	responseFlags   = FlagZero | TransactionTypeMask
	relinquishFlags = FlagZero | FlagTimeSlice
)

// TransactionKind says which call carries a memory transaction descriptor; the same layout has different
// rules in each.
type TransactionKind uint8

// Transaction kinds.
const (
	Share TransactionKind = iota + 1
	Lend
	Donate
	RetrieveRequest
	RetrieveResponse
	// HypervisorRetrieve is FFA_MEM_RETRIEVE_REQ by a hypervisor that asks for the descriptor of one of
	// its VMs: no receivers, no composite descriptor.
	HypervisorRetrieve
)

func (k TransactionKind) String() string {
	switch k {
	case Share:
		return "share"
	case Lend:
		return "lend"
	case Donate:
		return "donate"
	case RetrieveRequest:
		return "retrieve request"
	case RetrieveResponse:
		return "retrieve response"
	case HypervisorRetrieve:
		return "hypervisor retrieve request"
	}
	return "transaction kind " + hexString(uint64(k))
}

// Send reports whether k is Share, Lend or Donate.
func (k TransactionKind) Send() bool { return k == Share || k == Lend || k == Donate }

// Flag is the transaction type that a retrieve response for k carries, 0 when k is no send.
func (k TransactionKind) Flag() MemoryFlags {
	switch k {
	case Share:
		return TransactionTypeShare
	case Lend:
		return TransactionTypeLend
	case Donate:
		return TransactionTypeDonate
	}
	return 0
}

// Transaction returns the kind of descriptor that call f carries; ok is false when it carries none.
func (f Function) Transaction() (k TransactionKind, ok bool) {
	switch f {
	case MemShare32, MemShare64:
		return Share, true
	case MemLend32, MemLend64:
		return Lend, true
	case MemDonate32, MemDonate64:
		return Donate, true
	case MemRetrieveReq32, MemRetrieveReq64:
		return RetrieveRequest, true
	case MemRetrieveResp32:
		return RetrieveResponse, true
	}
	return 0, false
}
