package pl080

// Channels is how many channels there are. Channel 0 has the highest priority.
const Channels = 8

// Offsets of the registers (DDI 0196, table 3-1).
const (
	IntStatus         = 0x000 // RO
	IntTCStatus       = 0x004 // RO
	IntTCClear        = 0x008 // WO
	IntErrorStatus    = 0x00C // RO
	IntErrClr         = 0x010 // WO
	RawIntTCStatus    = 0x014 // RO
	RawIntErrorStatus = 0x018 // RO
	EnbldChns         = 0x01C // RO
	SoftBReq          = 0x020
	SoftSReq          = 0x024
	SoftLBReq         = 0x028
	SoftLSReq         = 0x02C
	Configuration     = 0x030
	Sync              = 0x034

	// One block for each channel, ChannelStride apart.
	SrcAddr       = 0x100
	DestAddr      = 0x104
	LLI           = 0x108
	Control       = 0x10C
	ChannelConfig = 0x110
	ChannelStride = 0x20

	PeriphID0 = 0xFE0 // RO, four registers
	PCellID0  = 0xFF0 // RO, four registers
)

// Configuration (DDI 0196, 3.4.13).
const (
	Enable       = 1 << 0
	BigEndianM1  = 1 << 1
	BigEndianM2  = 1 << 2
	configMask   = Enable | BigEndianM1 | BigEndianM2
	requestsMask = 1<<16 - 1 // the request registers and Sync: one bit for each peripheral
)

// LLI (DDI 0196, 3.4.17): the address of the next item, and the master that reads it.
const (
	LLIMaster2 = 1 << 0
	lliMask    = ^uint32(3)
)

// Control (DDI 0196, 3.4.18).
const (
	SizeMask      = 1<<12 - 1 // in units of the source width
	SrcBurstShift = 12
	DstBurstShift = 15
	SrcWidthShift = 18
	DstWidthShift = 21
	SrcMaster2    = 1 << 24
	DstMaster2    = 1 << 25
	SrcIncrement  = 1 << 26
	DstIncrement  = 1 << 27
	ProtShift     = 28
	TCInterrupt   = 1 << 31
)

// Widths in Control. The other values are reserved.
const (
	Width8  = 0
	Width16 = 1
	Width32 = 2
)

// bursts gives the units of a burst for the value of a burst size field in Control.
var bursts = [8]uint32{1, 4, 8, 16, 32, 64, 128, 256}

// Channel configuration (DDI 0196, 3.4.19).
const (
	ChannelEnable      = 1 << 0
	SrcPeripheralShift = 1
	DstPeripheralShift = 6
	FlowShift          = 11
	ErrorMask          = 1 << 14 // IE: the error interrupt is not masked
	TCMask             = 1 << 15 // ITC: the terminal count interrupt is not masked
	Lock               = 1 << 16
	Active             = 1 << 17 // RO
	Halt               = 1 << 18

	channelMask = ChannelEnable | 0xF<<SrcPeripheralShift | 0xF<<DstPeripheralShift | 7<<FlowShift |
		ErrorMask | TCMask | Lock | Halt
)

// Flow control in the channel configuration: which sides are peripherals, and who ends the transfer.
const (
	FlowMemToMem          = 0
	FlowMemToPeriph       = 1
	FlowPeriphToMem       = 2
	FlowPeriphToPeriph    = 3
	FlowPeriphToPeriphDst = 4 // the destination ends it
	FlowMemToPeriphPeriph = 5 // the peripheral ends it
	FlowPeriphToMemPeriph = 6 // the peripheral ends it
	FlowPeriphToPeriphSrc = 7 // the source ends it
)

const (
	itemBytes = 16 // of a linked list item
	fifoBytes = 16 // DDI 0196, 2.1: each channel has a FIFO of four words
)

// id is PeriphID0 to 3 (part 0x080; two AHB masters, 8 channels) and PCellID0 to 3 (DDI 0196, 3.4.20 to 3.4.28).
var id = [8]uint8{0x80, 0x10, 0x04, 0x0A, 0x0D, 0xF0, 0x05, 0xB1}

// Timing. The manual gives none, as it depends on the system; these are the values of a 32-bit AHB at 200 MHz without wait
// states, where a copy with 32-bit transfers on both sides moves 400 bytes in a microsecond.
const (
	// BeatTime is the time, in ns, of one transfer on the bus, of whatever width: one unit read or written.
	BeatTime = 5
	// ItemLatency is the time, in ns, from the start of a channel or of a linked list item to its first transfer.
	ItemLatency = 200
	// FetchTime is the time, in ns, in which a linked list item is read.
	FetchTime = 100
	// Chunk is the most bytes that move at one moment of virtual time.
	Chunk = 4096
)
