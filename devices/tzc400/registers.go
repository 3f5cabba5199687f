package tzc400

// The configuration that BUILD_CONFIG reports.
const (
	Filters     = 4  // filter units
	Regions     = 9  // region 0, the background, and regions 1 to 8
	AddressBits = 48 // width of an address
	NSAIDs      = 16 // non-secure access identities
	Granularity = 4096
)

// Offsets of the registers (DDI 0504, 3.2).
const (
	BuildConfig     = 0x000 // RO
	Action          = 0x004
	GateKeeper      = 0x008
	SpeculationCtrl = 0x00C
	IntStatus       = 0x010 // RO
	IntClear        = 0x014 // WO, reads zero

	// One block for each filter unit, FailStride apart. All RO.
	FailAddressLow  = 0x020
	FailAddressHigh = 0x024
	FailControl     = 0x028
	FailID          = 0x02C
	FailStride      = 0x10

	// One block for each region, RegionStride apart. Base and top of region 0 are RO.
	RegionBaseLow    = 0x100
	RegionBaseHigh   = 0x104
	RegionTopLow     = 0x108
	RegionTopHigh    = 0x10C
	RegionAttributes = 0x110
	RegionIDAccess   = 0x114
	RegionStride     = 0x20

	PID4 = 0xFD0 // RO, as are PID5 to PID7 behind it
	PID0 = 0xFE0 // RO, as are PID1 to PID3 behind it
	CID0 = 0xFF0 // RO, as are CID1 to CID3 behind it
)

// Values of Action, how a failed permission check is answered (DDI 0504, 3.3.2).
const (
	ActionOKAY      = 0
	ActionDECERR    = 1
	ActionOKAYIRQ   = 2
	ActionDECERRIRQ = 3
)

// Positions and fields of the other registers (DDI 0504, 3.3).
const (
	openStatusShift = 16 // GATE_KEEPER: open status above the open requests
	overrunShift    = 8  // INT_STATUS: one bit a filter, status at 0
	overlapShift    = 16

	FailWrite      = 1 << 24 // FAIL_CONTROL
	FailNonSecure  = 1 << 21
	FailPrivileged = 1 << 20

	AttrSecureWrite = 1 << 31 // REGION_ATTRIBUTES; bits 3:0 enable the region in the filter units
	AttrSecureRead  = 1 << 30

	filterMask = 1<<Filters - 1
	pageMask   = Granularity - 1
	highMask   = 1<<(AddressBits-32) - 1
	lastByte   = 1<<AddressBits - 1

	buildConfig = (Filters-1)<<24 | (AddressBits-1)<<8 | (Regions - 1)
)

// The identification registers, 8 bits each (DDI 0504, 3.3.16 to 3.3.27). PID0 and PID1 hold part number 0x460; PID1, PID2
// and PID4 Arm's JEP106 code 0x3B with continuation code 4.
var (
	pid4 = [4]uint8{0x04, 0x00, 0x00, 0x00}
	pid0 = [4]uint8{0x60, 0xB4, 0x0B, 0x00}
	cid0 = [4]uint8{0x0D, 0xF0, 0x05, 0xB1}
)

// registerName gives the manual's name of a register, without the number of its block.
func registerName(off uint64) string {
	switch off {
	case BuildConfig:
		return "BUILD_CONFIG"
	case Action:
		return "ACTION"
	case GateKeeper:
		return "GATE_KEEPER"
	case SpeculationCtrl:
		return "SPECULATION_CTRL"
	case IntStatus:
		return "INT_STATUS"
	case IntClear:
		return "INT_CLEAR"
	}
	if n := (off - RegionBaseLow) / RegionStride; off >= RegionBaseLow && n < Regions {
		switch off - n*RegionStride {
		case RegionBaseLow:
			return "REGION_BASE_LOW"
		case RegionBaseHigh:
			return "REGION_BASE_HIGH"
		case RegionTopLow:
			return "REGION_TOP_LOW"
		case RegionTopHigh:
			return "REGION_TOP_HIGH"
		case RegionAttributes:
			return "REGION_ATTRIBUTES"
		case RegionIDAccess:
			return "REGION_ID_ACCESS"
		}
	}
	return ""
}
