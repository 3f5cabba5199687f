package crypto

// Bases of the banks.
const (
	NormalBank = 0x0000
	SecureBank = 0x1000
	// Size is the size of the register block.
	Size = 0x2000
)

// Offsets of the registers of both banks.
const (
	ID           = 0x000
	Version      = 0x004
	Control      = 0x008
	Status       = 0x00C
	IntRaw       = 0x010
	IntMask      = 0x014
	IntStatus    = 0x018
	FaultAddrLo  = 0x020
	FaultAddrHi  = 0x024
	FaultInfo    = 0x028
	BytesRead    = 0x030
	BytesWritten = 0x034
	Jobs         = 0x038
	Elapsed      = 0x03C
	Mode         = 0x080
	Slot         = 0x084
	Length       = 0x088
	Identity     = 0x08C
	IV           = 0x090
	Source       = 0x0C0
	Destination  = 0x0E0
	SlotAttr     = 0x100
)

// Registers of the secure bank only.
const (
	Lock       = 0x200
	KeySlot    = 0x204
	KeyAttr    = 0x208
	KeyCommand = 0x20C
	KeyStatus  = 0x210
	Key        = 0x220
)

// Registers of Source and Destination.
const (
	AddrLo      = 0x00
	AddrHi      = 0x04
	Kind        = 0x08
	Offset      = 0x0C
	LengthLimit = 0x14
)

const (
	idValue      = 0x4145_5300
	versionValue = 0x0001_0000
)

// Control.
const (
	Start = 1 << 0
	Abort = 1 << 1
	Reset = 1 << 2
)

// Status.
const (
	Busy        = 1 << 0
	Locked      = 1 << 1
	ResultShift = 8
)

// IntRaw, IntMask and IntStatus.
const (
	Done    = 1 << 0
	Error   = 1 << 1
	Aborted = 1 << 2
	Refused = 1 << 3

	interrupts = Done | Error | Aborted | Refused
)

// FaultInfo.
const (
	FaultValid         = 1 << 0
	FaultWrite         = 1 << 1
	FaultList          = 1 << 2
	FaultResponseShift = 4
	FaultBufferShift   = 8
)

// Mode.
const (
	CTR       = 0
	CBC       = 1 << 0
	Decrypt   = 1 << 4
	Continue  = 1 << 8
	Counter64 = 1 << 9

	modeBits = CBC | Decrypt | Continue | Counter64
)

// Identities, and where they stand in the register Identity.
const (
	AsNormal    = 0
	AsProtected = 1
	AsOrdinary  = 2
	AsSecure    = 3

	SourceShift      = 0
	DestinationShift = 4
	ListShift        = 8
	identityBits     = 3<<SourceShift | 3<<DestinationShift | 3<<ListShift
)

// KeyAttr and SlotAttr.
const (
	Size128       = 0
	Size192       = 1
	Size256       = 2
	sizeMask      = 3
	AttrNormal    = 1 << 4
	AttrEncrypt   = 1 << 5
	AttrDecrypt   = 1 << 6
	AttrCounter   = 1 << 7
	AttrChaining  = 1 << 8
	AttrCopy      = 1 << 9
	AttrSource    = 16 // bits 17:16
	AttrDest      = 20 // bits 21:20
	AttrValid     = 1 << 31
	attrBits      = sizeMask | AttrNormal | AttrEncrypt | AttrDecrypt | AttrCounter | AttrChaining | AttrCopy | 3<<AttrSource | 3<<AttrDest
	normalAllowed = AsOrdinary // the highest identity that a slot can give to the normal bank
)

// KeyCommand.
const (
	Load     = 1
	Clear    = 2
	ClearAll = 3
)

// Kinds of buffers, and flags of the entries of their lists.
const (
	Memory = 0
	List32 = 1 // entries of 8 bytes
	List64 = 2 // entries of 16 bytes

	Last = 1 << 31
	Link = 1 << 30
	Copy = 1 << 29
)

// Result says how a job ended. The numbers are those of package engine where it has the result.
type Result uint8

// The results.
const (
	None       Result = 0
	OK         Result = 1
	Fault      Result = 2
	Parameter  Result = 3
	List       Result = 4
	Short      Result = 6
	WasAborted Result = 10
	NoKey      Result = 11
)

var resultNames = map[Result]string{None: "none", OK: "ok", Fault: "fault", Parameter: "parameter", List: "list", Short: "short",
	WasAborted: "aborted", NoKey: "key"}

func (r Result) String() string { return resultNames[r] }

// Limits.
const (
	// Slots is how many key slots there are.
	Slots = 16
	// MaxLength is the most bytes of a job.
	MaxLength = 1 << 30
	// MaxEntries is how many entries a list may have, links included.
	MaxEntries = 4096
	// AddressBits is the width of an address.
	AddressBits = 48
)

// Timing: that of an engine which takes 16 bytes in four cycles of 100 MHz, behind a bus that needs two microseconds to get going.
const (
	// Latency is the time, in ns, from START to the first step.
	Latency = 2000
	// EntryTime is the time, in ns, in which an entry of a list is read.
	EntryTime = 50
	// Bandwidth is how many bytes a step works through in a microsecond.
	Bandwidth = 400
	// Chunk is the most bytes of a step.
	Chunk = 4096
)
