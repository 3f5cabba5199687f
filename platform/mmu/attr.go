package mmu

// Attr is a memory type with its shareability.
type Attr struct {
	// MAIR is the type in the encoding of a MAIR_ELx byte, which is also that of PAR_EL1.ATTR.
	MAIR uint8
	// Shareability is one of the constants below; 0b01 is reserved and is passed on.
	Shareability uint8
}

// Shareability as descriptors and PAR_EL1.SH encode it.
const (
	NonShareable   = 0b00
	OuterShareable = 0b10
	InnerShareable = 0b11
)

// Type is what an access needs to know of a memory type.
type Type uint8

const (
	// DeviceNGnRnE to DeviceGRE are the kinds of Device memory, from strict to lax.
	DeviceNGnRnE Type = iota
	DeviceNGnRE
	DeviceNGRE
	DeviceGRE
	// Normal is memory that unaligned accesses may go to.
	Normal
)

// MAIR_ELx attribute bytes (DDI 0487, D19.2).
const (
	deviceNGnRnE         = 0x00
	normalNC             = 0x44
	normalWTReadAllocate = 0xaa
	normalWB             = 0xff
)

// Device reports whether the type is Device.
func (a Attr) Device() bool { return a.MAIR>>4 == 0 }

// Type gives the memory type.
func (a Attr) Type() Type {
	if a.Device() {
		return Type(a.MAIR >> 2 & 3)
	}
	return Normal
}

// effective makes Device and fully Non-cacheable memory Outer Shareable, as they always are (DDI 0487, D8.5).
func (a Attr) effective() Attr {
	if a.Device() || a.MAIR == normalNC {
		a.Shareability = OuterShareable
	}
	return a
}

// stage2Attr gives the memory type of a stage 2 leaf as HCR_EL2.CD and ID let it be. Its allocation hints mean nothing.
func stage2Attr(g *Regime, desc uint64, acc Access) Attr {
	a := Attr{Shareability: uint8(desc >> 8 & 3)}
	memAttr := uint8(desc >> 2 & 15)
	if memAttr>>2 == 0 {
		a.MAIR = memAttr << 2
		return a.effective()
	}
	off := g.HCR&hcrCD != 0
	if acc == Execute {
		off = g.HCR&hcrID != 0
	}
	if off {
		a.MAIR = normalNC
		return a.effective()
	}
	a.MAIR = stage2Nibble(memAttr>>2)<<4 | stage2Nibble(memAttr&3)
	return a.effective()
}

// stage2Nibble turns a stage 2 cacheability into that of a MAIR_ELx nibble. The reserved inner 0b00 counts as Non-cacheable.
func stage2Nibble(c uint8) uint8 {
	switch c {
	case 2:
		return 0b1011
	case 3:
		return 0b1111
	}
	return 0b0100
}

// combine gives the type of memory that stage 1 and stage 2 describe: the stricter of both (DDI 0487, D8.5).
func combine(s1, s2 Attr) Attr {
	var a Attr
	switch {
	case s1.Device() && s2.Device():
		a.MAIR = min(s1.MAIR&0xc, s2.MAIR&0xc)
	case s1.Device():
		a.MAIR = s1.MAIR
	case s2.Device():
		a.MAIR = s2.MAIR
	default:
		a.MAIR = combineNibble(s1.MAIR>>4, s2.MAIR>>4)<<4 | combineNibble(s1.MAIR&15, s2.MAIR&15)
	}
	switch {
	case s1.Shareability == OuterShareable || s2.Shareability == OuterShareable:
		a.Shareability = OuterShareable
	case s1.Shareability == InnerShareable || s2.Shareability == InnerShareable:
		a.Shareability = InnerShareable
	}
	return a.effective()
}

// combineNibble combines the cacheability of one half: Non-cacheable before Write-Through before Write-Back. The
// allocation hints are those of stage 1.
func combineNibble(s1, s2 uint8) uint8 {
	const nonCacheable, transient = 0b0100, 0b0100
	switch {
	case s1 == nonCacheable || s2 == nonCacheable:
		return nonCacheable
	case s1&transient != 0 && s2&transient == 0:
		return 0b1000 | s1&3
	}
	return s1
}
