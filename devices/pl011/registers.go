package pl011

// Offsets of the registers (DDI 0183, table 3-1).
const (
	DR    = 0x000
	RSR   = 0x004 // ECR when written
	FR    = 0x018 // RO
	ILPR  = 0x020
	IBRD  = 0x024
	FBRD  = 0x028
	LCRH  = 0x02C
	CR    = 0x030
	IFLS  = 0x034
	IMSC  = 0x038
	RIS   = 0x03C // RO
	MIS   = 0x040 // RO
	ICR   = 0x044 // WO
	DMACR = 0x048

	PeriphID0 = 0xFE0 // RO, four registers
	PCellID0  = 0xFF0 // RO, four registers
)

// DR: error bits above the character (DDI 0183, 3.3.1). RSR holds them shifted down by 8.
const (
	DataFE = 1 << 8
	DataPE = 1 << 9
	DataBE = 1 << 10
	DataOE = 1 << 11
)

// FR (DDI 0183, 3.3.3).
const (
	FlagCTS  = 1 << 0
	FlagDSR  = 1 << 1
	FlagDCD  = 1 << 2
	FlagBUSY = 1 << 3
	FlagRXFE = 1 << 4
	FlagTXFF = 1 << 5
	FlagRXFF = 1 << 6
	FlagTXFE = 1 << 7
	FlagRI   = 1 << 8
)

// LCR_H (DDI 0183, 3.3.7).
const (
	LineBRK = 1 << 0
	LineFEN = 1 << 4
)

// CR (DDI 0183, 3.3.8).
const (
	ControlUARTEN = 1 << 0
	ControlLBE    = 1 << 7
	ControlTXE    = 1 << 8
	ControlRXE    = 1 << 9
	ControlDTR    = 1 << 10
	ControlRTS    = 1 << 11
	ControlOut1   = 1 << 12
	ControlOut2   = 1 << 13
)

// IMSC, RIS, MIS and ICR (DDI 0183, 3.3.10 to 3.3.13).
const (
	IntRI  = 1 << 0
	IntCTS = 1 << 1
	IntDCD = 1 << 2
	IntDSR = 1 << 3
	IntRX  = 1 << 4
	IntTX  = 1 << 5
	IntRT  = 1 << 6
	IntFE  = 1 << 7
	IntPE  = 1 << 8
	IntBE  = 1 << 9
	IntOE  = 1 << 10
)

// FIFODepth is the number of characters that the receive FIFO holds when LCR_H.FEN is set; else it holds one.
const FIFODepth = 16

// Values after reset, and the bits that exist.
const (
	controlReset = ControlTXE | ControlRXE
	levelsReset  = 0x12

	controlMask = 0xFF87
	intMask     = 0x7FF
)

// id is PeriphID0 to 3, revision r1p4, and PCellID0 to 3 (DDI 0183, 3.3.15 and 3.3.16).
var id = [8]uint8{0x11, 0x10, 0x14, 0x00, 0x0D, 0xF0, 0x05, 0xB1}
