package optee

import (
	"encoding/binary"

	"gatehouse/smc"
)

// Attr is the attr field of a parameter (optee_msg.h, OPTEE_MSG_ATTR_*).
type Attr uint64

// Parameter types, bits 7:0. RMem and FMem have the same numbers: which one is meant follows from the
// transport, RMem over SMC and FMem over FF-A.
const (
	AttrNone        Attr = 0x0
	AttrValueInput  Attr = 0x1
	AttrValueOutput Attr = 0x2
	AttrValueInOut  Attr = 0x3
	AttrRMemInput   Attr = 0x5
	AttrRMemOutput  Attr = 0x6
	AttrRMemInOut   Attr = 0x7
	AttrFMemInput   Attr = 0x5
	AttrFMemOutput  Attr = 0x6
	AttrFMemInOut   Attr = 0x7
	AttrTMemInput   Attr = 0x9
	AttrTMemOutput  Attr = 0xA
	AttrTMemInOut   Attr = 0xB

	AttrTypeMask Attr = 0xFF
	// AttrMeta marks a parameter that the trusted application does not see.
	AttrMeta Attr = 1 << 8
	// AttrNonContig: TMem.BufPtr is a page list.
	AttrNonContig Attr = 1 << 9
	// AttrCacheMask is the cache mode; 0 is the predefined one.
	AttrCacheMask Attr = 7 << 16

	// AttrSHMPageList is the only attribute of REGISTER_SHM and of an RPC SHM_ALLOC reply with dynamic
	// shared memory.
	AttrSHMPageList = AttrTMemOutput | AttrNonContig
)

// Type is bits 7:0.
func (a Attr) Type() Attr { return a & AttrTypeMask }

// IsValue reports a value parameter.
func (a Attr) IsValue() bool { return a.Type() >= AttrValueInput && a.Type() <= AttrValueInOut }

// IsRMem reports a registered memory reference of the SMC ABI, which is IsFMem over FF-A.
func (a Attr) IsRMem() bool { return a.Type() >= AttrRMemInput && a.Type() <= AttrRMemInOut }

// IsFMem reports an FF-A memory reference.
func (a Attr) IsFMem() bool { return a.IsRMem() }

// IsTMem reports a temporary memory reference.
func (a Attr) IsTMem() bool { return a.Type() >= AttrTMemInput && a.Type() <= AttrTMemInOut }

// IsMem reports any memory reference.
func (a Attr) IsMem() bool { return a.IsRMem() || a.IsTMem() }

// Input reports that the secure world reads the parameter.
func (a Attr) Input() bool { return a.Valid() && a&1 != 0 }

// Output reports that the secure world writes the parameter.
func (a Attr) Output() bool { return a.Valid() && a&2 != 0 }

// Valid reports a known type without reserved bits.
func (a Attr) Valid() bool {
	if a&^(AttrTypeMask|AttrMeta|AttrNonContig|AttrCacheMask) != 0 {
		return false
	}
	return a.Type() == AttrNone || a.IsValue() || a.IsMem()
}

// String spells the type and flags, for example "VALUE_INPUT|META".
func (a Attr) String() string {
	dir := [...]string{"", "_INPUT", "_OUTPUT", "_INOUT"}[a&3]
	s := ""
	switch {
	case a.Type() == AttrNone:
		s = "NONE"
	case a.IsValue():
		s = "VALUE" + dir
	case a.IsRMem():
		s = "MEM" + dir
	case a.IsTMem():
		s = "TMEM" + dir
	default:
		s = hexString(uint64(a.Type()))
	}
	if a&AttrMeta != 0 {
		s += "|META"
	}
	if a&AttrNonContig != 0 {
		s += "|NONCONTIG"
	}
	if rest := a &^ (AttrTypeMask | AttrMeta | AttrNonContig); rest != 0 {
		s += "|" + hexString(uint64(rest))
	}
	return s
}

// Param is struct optee_msg_param: attributes and a union of 24 bytes, here three little-endian words.
type Param struct {
	Attr Attr
	U    [3]uint64
}

// Value is the union of a value parameter.
type Value struct{ A, B, C uint64 }

// TMem is a temporary memory reference: a physical address.
type TMem struct {
	BufPtr uint64 // physical address of the buffer, or of the page list plus the offset in the first page
	Size   uint64
	SHMRef uint64 // cookie
}

// RMem is a reference into registered shared memory of the SMC ABI.
type RMem struct {
	Offset uint64
	Size   uint64
	SHMRef uint64 // cookie
}

// FMem is a reference into memory shared over FF-A.
type FMem struct {
	Offset         uint64 // 48 bits: offs_high, offs_low
	InternalOffset uint16 // in the first page
	Size           uint64
	GlobalID       uint64 // FF-A handle; NullGlobalID for a NULL reference
}

// NullGlobalID in FMem.GlobalID means a NULL reference; its size may still be meaningful.
const NullGlobalID = ^uint64(0)

// Value returns the union as a value.
func (p *Param) Value() Value { return Value{p.U[0], p.U[1], p.U[2]} }

// SetValue sets the union.
func (p *Param) SetValue(v Value) { p.U = [3]uint64{v.A, v.B, v.C} }

// TMem returns the union as a temporary memory reference.
func (p *Param) TMem() TMem { return TMem{p.U[0], p.U[1], p.U[2]} }

// SetTMem sets the union.
func (p *Param) SetTMem(m TMem) { p.U = [3]uint64{m.BufPtr, m.Size, m.SHMRef} }

// RMem returns the union as a registered memory reference.
func (p *Param) RMem() RMem { return RMem{p.U[0], p.U[1], p.U[2]} }

// SetRMem sets the union.
func (p *Param) SetRMem(m RMem) { p.U = [3]uint64{m.Offset, m.Size, m.SHMRef} }

// FMem returns the union as an FF-A memory reference: u32 offs_low, u16 offs_high, u16 internal_offs,
// u64 size, u64 global_id.
func (p *Param) FMem() FMem {
	return FMem{p.U[0] & (1<<48 - 1), uint16(p.U[0] >> 48), p.U[1], p.U[2]}
}

// SetFMem sets the union. Offset is cut to 48 bits.
func (p *Param) SetFMem(m FMem) {
	p.U = [3]uint64{m.Offset&(1<<48-1) | uint64(m.InternalOffset)<<48, m.Size, m.GlobalID}
}

// Size is the size of a memory reference, which stands at the same place in all three kinds.
func (p *Param) Size() uint64 { return p.U[1] }

// SetSize sets the size of a memory reference.
func (p *Param) SetSize(n uint64) { p.U[1] = n }

// UUID returns the first 16 octets of the union: a UUID in RFC 4122 order.
func (p *Param) UUID() smc.UUID {
	var u smc.UUID
	binary.LittleEndian.PutUint64(u[:], p.U[0])
	binary.LittleEndian.PutUint64(u[8:], p.U[1])
	return u
}

// UUIDParam is a value input that carries a UUID.
func UUIDParam(u smc.UUID) Param {
	return Param{AttrValueInput, [3]uint64{binary.LittleEndian.Uint64(u[:]), binary.LittleEndian.Uint64(u[8:])}}
}

// ValueParam is a value parameter of type attr.
func ValueParam(attr Attr, a, b, c uint64) Param { return Param{attr, [3]uint64{a, b, c}} }

// TMemParam is a temporary memory reference of type attr.
func TMemParam(attr Attr, m TMem) Param {
	p := Param{Attr: attr}
	p.SetTMem(m)
	return p
}

// RMemParam is a registered memory reference of type attr.
func RMemParam(attr Attr, m RMem) Param {
	p := Param{Attr: attr}
	p.SetRMem(m)
	return p
}

// FMemParam is an FF-A memory reference of type attr.
func FMemParam(attr Attr, m FMem) Param {
	p := Param{Attr: attr}
	p.SetFMem(m)
	return p
}
