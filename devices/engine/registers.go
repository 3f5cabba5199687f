package engine

// Offsets of the registers that all engines have.
const (
	ID           = 0x000 // RO
	Version      = 0x004 // RO
	Control      = 0x008 // WO
	Status       = 0x00C // RO
	IntRaw       = 0x010 // W1C
	IntMask      = 0x014
	IntStatus    = 0x018 // RO
	FaultAddrLo  = 0x020 // RO
	FaultAddrHi  = 0x024 // RO
	FaultInfo    = 0x028 // RO
	BytesRead    = 0x030 // RO
	BytesWritten = 0x034 // RO
	Jobs         = 0x038 // RO
	Elapsed      = 0x03C // RO
	Results      = 0x040 // RO, NumResults words
	Parameters   = 0x080 // NumParameters words
)

// How many words there are.
const (
	NumResults    = 16
	NumParameters = 0x380 / 4
)

const version = 0x0001_0000

// Control.
const (
	Start = 1 << 0
	Abort = 1 << 1
	Reset = 1 << 2
)

// Status.
const (
	Busy        = 1 << 0
	ResultShift = 8
)

// IntRaw, IntMask and IntStatus.
const (
	Done    = 1 << 0
	Error   = 1 << 1
	Aborted = 1 << 2
	Refused = 1 << 3 // START while busy
	Own     = 1 << 4 // the first of four that belong to the kind of engine

	interrupts = Done | Error | Aborted | Refused | 0xF*Own
)

// FaultInfo.
const (
	FaultValid         = 1 << 0
	FaultWrite         = 1 << 1
	FaultList          = 1 << 2
	FaultProtected     = 1 << 3
	FaultResponseShift = 4
	FaultBufferShift   = 8
)

// Result says how a job ended.
type Result uint8

// The results.
const (
	None Result = iota
	OK
	Fault
	Parameter
	List
	Overlap
	Short
	Corrupt
	Unsupported
	Mismatch
	WasAborted
	_ // the crypto engine's: no key
	Identity
)

func (r Result) String() string {
	return [...]string{"none", "ok", "fault", "parameter", "list", "overlap", "short", "corrupt", "unsupported", "mismatch", "aborted", "key", "identity"}[r]
}

// Registers of a buffer.
const (
	BufferAddrLo = 0x00
	BufferAddrHi = 0x04
	BufferKind   = 0x08
	BufferOffset = 0x0C
	BufferStride = 0x10
	BufferLength = 0x14
	BufferSize   = 0x20 // of the block
)

// Values of BufferKind.
const (
	Memory = 0
	List32 = 1 // entries of 8 bytes
	List64 = 2 // entries of 16 bytes

	kindMask = 0xFF
	// Protected is the bit of BufferKind that picks the engine's own identity.
	Protected = 1 << 8
)

// Flags of a list's entry.
const (
	Last = 1 << 31
	Link = 1 << 30
)

// Registers of a picture.
const (
	PictureFormat = 0x00
	PictureSize   = 0x04
	PicturePlane  = 0x20 // of the first plane, BufferSize apart
	PictureBlock  = 0x80 // size of the block
	ColourShift   = 8    // in PictureFormat
)

// Limits of what a job may ask for.
const (
	// MaxEntries is how many entries a list may have, links included.
	MaxEntries = 16384
	// MaxSide is the largest width and height in pixels.
	MaxSide = 4096
	// MaxPixels is the largest picture: 4096 x 2304.
	MaxPixels = 4096 * 2304
	// MaxStride is the largest stride in bytes.
	MaxStride = 1 << 16
	// MaxStream is the longest bitstream in bytes.
	MaxStream = 16 << 20
	// AddressBits is the width of an address.
	AddressBits = 48
)

// Timing of this board's engines: those of a small SoC with a 64-bit AXI bus at 400 MHz.
const (
	// Latency is the time, in ns, from START to the first access.
	Latency = 1000
	// EntryTime is the time, in ns, in which an entry of a list is read.
	EntryTime = 20
	// Bandwidth is how many bytes move in a microsecond.
	Bandwidth = 3200
	// Chunk is the most bytes that move at one moment of virtual time.
	Chunk = 1 << 16
)
