package cfi

// Geometry of a bank, in bytes.
const (
	Size       = 64 << 20
	SectorSize = 256 << 10 // 128 KiB in each chip
	// BufferSize is how much one buffered write programs at most: 2 KiB in each chip.
	BufferSize = 4096

	sectors     = Size / SectorSize
	bankWidth   = 4 // of the bus
	chips       = 2
	bufferWords = BufferSize / bankWidth
)

// Commands: the low byte of a write (Intel StrataFlash P30 data sheet, 306666, table "Command codes and definitions").
const (
	ReadArray    = 0xFF
	ReadID       = 0x90
	ReadQuery    = 0x98
	ReadStatus   = 0x70
	ClearStatus  = 0x50
	Program      = 0x40
	ProgramOther = 0x10 // the other code of Program
	Erase        = 0x20
	WriteBuffer  = 0xE8
	Lock         = 0x60
	LockSector   = 0x01 // second cycle of Lock
	Confirm      = 0xD0 // of Erase and WriteBuffer; unlocks as second cycle of Lock
)

// Status register (306666, table "Status register description").
const (
	StatusReady        = 1 << 7
	StatusEraseError   = 1 << 5
	StatusProgramError = 1 << 4
	StatusLocked       = 1 << 1 // what failed, failed because the sector is locked

	sequenceError = StatusEraseError | StatusProgramError
)

// Identifiers by word of the bus (306666, table "Device identifier information"). The lock status is that of the sector read.
const (
	idManufacturer = 0
	idDevice       = 1
	idLock         = 2

	manufacturer = 0x89 // Intel
	device       = 0x18
	idMask       = 0xFF
)

// query is the CFI table of one chip, by word of the bus (JESD68, tables 1 to 4). The offsets are those of a chip with a 16-bit bus.
var query = [0x52]uint8{
	0x10: 'Q', 'R', 'Y',
	0x13: 1, 0, // primary command set: Intel/Sharp extended
	0x15: 0x31, 0, // address of its table
	0x1B: 0x45, 0x55, // Vcc 4.5 V to 5.5 V
	0x1F: 7, 7, 10, 0, // typical times, powers of two: word 128 µs, buffer 128 µs, sector 1 s, chip not supported
	0x23: 4, 4, 4, 0, // longest times as powers of two of the typical ones
	0x27: 25,   // chip size: 32 MiB
	0x28: 2, 0, // interface: x8 and x16
	0x2A: 11, 0, // buffer: 2 KiB
	0x2C: 1,                                        // erase block regions
	0x2D: (sectors - 1) & 0xFF, (sectors - 1) >> 8, // sectors less 1
	0x2F: SectorSize / chips >> 8 & 0xFF, SectorSize / chips >> 16, // in units of 256 bytes
	0x31: 'P', 'R', 'I', '1', '0', // version 1.0, and no optional features
	0x3F: 1, // protection register fields
}
