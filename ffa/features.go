package ffa

// FeatureID is a feature that FFA_FEATURES can be asked about (DEN0077A, "Feature IDs").
type FeatureID uint32

// Feature ids.
const (
	FeatureNPI          FeatureID = 1 // notification pending interrupt; w2 of the reply is the INTID
	FeatureSRI          FeatureID = 2 // schedule receiver interrupt; w2 of the reply is the INTID
	FeatureMEI          FeatureID = 3 // managed exit interrupt; w2 of the reply is the INTID
	FeatureNotification FeatureID = 4 // from version 1.3: bits 0 and 1 say that per-vCPU ones do not exist
)

func (f FeatureID) String() string {
	switch f {
	case FeatureNPI:
		return "NPI"
	case FeatureSRI:
		return "SRI"
	case FeatureMEI:
		return "MEI"
	case FeatureNotification:
		return "NOTIFICATION"
	}
	return hexString(uint64(f))
}

// Features is FFA_FEATURES (DEN0077A).
type Features struct {
	ID         uint32 // w1: a function identifier when bit 31 is set, else a FeatureID
	Properties uint32 // w2
}

// Input property of a query for FFA_MEM_RETRIEVE_REQ: the caller understands the NS attribute bit.
const RetrieveInputNSBit uint32 = 1 << 1

// Output properties of memory management functions (DEN0140 1.2, table 3.1).
const (
	// MemPropertyDynamicBuffer: the descriptor may stand in a buffer given in x3/w4.
	MemPropertyDynamicBuffer uint32 = 1 << 0
	// RetrievePropertyNSBit: FFA_MEM_RETRIEVE_RESP sets the NS attribute bit.
	RetrievePropertyNSBit uint32 = 1 << 1
	// RetrievePropertyHypervisor: a hypervisor may retrieve the descriptor of a VM.
	RetrievePropertyHypervisor uint32 = 1 << 2
)

// ParseFeatures reads FFA_FEATURES.
func ParseFeatures(r *Registers) (Features, error) {
	return Features{word(r, 1), word(r, 2)}, expect(r, Features32)
}

// Registers returns the call.
func (c Features) Registers() Registers {
	return Registers{uint64(Features32), uint64(c.ID), uint64(c.Properties)}
}

// Function is the function asked about; ok is false when a feature is asked about.
func (c Features) Function() (f Function, ok bool) { return Function(c.ID), c.ID>>31 != 0 }

// FeaturesReply answers FFA_FEATURES with w2 and w3.
func FeaturesReply(w2, w3 uint32) Registers { return SuccessReply(w2, w3) }

// BufferGranule is the minimum size and alignment of RX/TX buffers in the answer about FFA_RXTX_MAP.
type BufferGranule uint8

// Buffer granules.
const (
	BufferGranule4K  BufferGranule = 0
	BufferGranule64K BufferGranule = 1
	BufferGranule16K BufferGranule = 2
)

// RXTXMapProperties returns w2 of the answer about FFA_RXTX_MAP. maxPages is the largest buffer in 4 KiB
// pages, 0 for no limit; only callers of version 1.2 and later look at it.
func RXTXMapProperties(g BufferGranule, maxPages uint16) uint32 {
	return uint32(g&3) | uint32(maxPages)<<16
}

// ParseRXTXMapProperties is the inverse of RXTXMapProperties. Reserved bits are refused.
func ParseRXTXMapProperties(w2 uint32) (BufferGranule, uint16, error) {
	g := BufferGranule(w2 & 3)
	if w2&0xFFFC != 0 {
		return g, 0, invalid("w2[15:2]", uint64(w2), RuleMustBeZero)
	}
	if g == 3 {
		return g, 0, invalid("w2[1:0]", uint64(w2), RuleReservedValue)
	}
	return g, uint16(w2 >> 16), nil
}
