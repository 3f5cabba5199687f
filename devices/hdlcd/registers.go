package hdlcd

// Offsets of the registers (DUI 0604, table B.1; Linux, drivers/gpu/drm/arm/hdlcd_regs.h).
const (
	Version      = 0x000 // RO
	IntRawStat   = 0x010 // writing 1 sets a bit
	IntClear     = 0x014 // WO, writing 1 clears a bit
	IntMask      = 0x018
	IntStatus    = 0x01C // RO
	FBBase       = 0x100
	FBLineLength = 0x104 // bytes
	FBLineCount  = 0x108 // lines less 1
	FBLinePitch  = 0x10C // bytes, signed
	BusOptions   = 0x110
	VSync        = 0x200 // lines less 1, as are the next three
	VBackPorch   = 0x204
	VData        = 0x208
	VFrontPorch  = 0x20C
	HSync        = 0x210 // pixels less 1, as are the next three
	HBackPorch   = 0x214
	HData        = 0x218
	HFrontPorch  = 0x21C
	Polarities   = 0x220
	Command      = 0x230
	PixelFormat  = 0x240
	RedSelect    = 0x244
	GreenSelect  = 0x248
	BlueSelect   = 0x24C
)

// Interrupts.
const (
	IntDMAEnd   = 1 << 0
	IntBusError = 1 << 1
	IntVSync    = 1 << 2
	IntUnderrun = 1 << 3

	interrupts = IntDMAEnd | IntBusError | IntVSync | IntUnderrun
)

// Fields of the other registers.
const (
	Enable               = 1 << 0  // Command
	BigEndian            = 1 << 31 // PixelFormat
	BytesPerPixelShift   = 3       // PixelFormat: bytes less 1
	SelectSizeShift      = 8       // the SELECT registers; the position of the lowest bit is in bits 4:0
	DefaultColourShift   = 16      // likewise
	MaxOutstandingShift  = 8       // BusOptions
	version              = 0x1CDC_0000
	busOptionsAfterReset = 0x408
)

// register is what a register holds.
type register struct {
	off  uint64
	mask uint32 // the bits that can be written
}

// plain are the registers that only hold what is written. The index of each is its place in HDLCD.regs.
var plain = [...]register{
	{IntMask, interrupts},
	{FBBase, 0xFFFF_FFF8}, // the bus is 8 bytes wide
	{FBLineLength, 0xFFFF_FFFF},
	{FBLineCount, 0xFFF},
	{FBLinePitch, 0xFFFF_FFFF},
	{BusOptions, 0xF1F},
	{VSync, 0xFFF}, {VBackPorch, 0xFFF}, {VData, 0xFFF}, {VFrontPorch, 0xFFF},
	{HSync, 0xFFF}, {HBackPorch, 0xFFF}, {HData, 0xFFF}, {HFrontPorch, 0xFFF},
	{Polarities, 0x1F},
	{PixelFormat, BigEndian | 3<<BytesPerPixelShift},
	{RedSelect, 0xFF0F1F}, {GreenSelect, 0xFF0F1F}, {BlueSelect, 0xFF0F1F},
}

// Timing.
const (
	// PixelClock is the pixel clock of the board in hertz: 1280x720 at 60 frames a second in 1650 x 750 pixels.
	PixelClock = 74_250_000
	// MinFrame is the shortest time, in ns, that a frame takes.
	MinFrame = 100_000
	// Band is how many lines of the display are read at one moment.
	Band = 32
	// FetchTime is the time, in ns, that a run of bytes takes before its first byte comes.
	FetchTime = 20
	// Bandwidth is how many bytes move in a microsecond.
	Bandwidth = 3200
)
