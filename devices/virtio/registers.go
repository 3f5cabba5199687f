package virtio

// Offsets of a slot's registers (VIRTIO 4.2.2).
const (
	MagicValue        = 0x000 // RO
	Version           = 0x004 // RO
	DeviceID          = 0x008 // RO
	VendorID          = 0x00C // RO
	DeviceFeatures    = 0x010 // RO
	DeviceFeaturesSel = 0x014 // WO
	DriverFeatures    = 0x020 // WO
	DriverFeaturesSel = 0x024 // WO
	QueueSel          = 0x030 // WO
	QueueNumMax       = 0x034 // RO
	QueueNum          = 0x038 // WO
	QueueReady        = 0x044
	QueueNotify       = 0x050 // WO
	InterruptStatus   = 0x060 // RO
	InterruptACK      = 0x064 // WO
	Status            = 0x070
	QueueDescLow      = 0x080 // WO, as are the next five
	QueueDescHigh     = 0x084
	QueueDriverLow    = 0x090
	QueueDriverHigh   = 0x094
	QueueDeviceLow    = 0x0A0
	QueueDeviceHigh   = 0x0A4
	SHMLenLow         = 0x0B0 // RO
	SHMLenHigh        = 0x0B4 // RO
	SHMBaseLow        = 0x0B8 // RO
	SHMBaseHigh       = 0x0BC // RO
	ConfigGeneration  = 0x0FC // RO
	Config            = 0x100 // to the end of the slot
)

// Slots of the board, and the bytes of each (QEMU, hw/arm/virt.c).
const (
	NumSlots = 32
	SlotSize = 0x200
	Size     = NumSlots * SlotSize
)

const (
	magic   = 0x74726976 // "virt"
	version = 2
	vendor  = 0x554D4551 // "QEMU": drivers know the board by it
)

// InterruptStatus (VIRTIO 4.2.2).
const (
	IntUsedBuffer = 1 << 0
	IntConfig     = 1 << 1
)

// Device status (VIRTIO 2.1).
const (
	StatusAcknowledge = 1 << 0
	StatusDriver      = 1 << 1
	StatusDriverOK    = 1 << 2
	StatusFeaturesOK  = 1 << 3
	StatusNeedsReset  = 1 << 6
	StatusFailed      = 1 << 7
)

// Features that belong to no type of device (VIRTIO 6).
const (
	FeatureIndirectDesc = 1 << 28
	FeatureEventIdx     = 1 << 29
	FeatureVersion1     = 1 << 32
)

// Split virtqueues (VIRTIO 2.7): descriptors of 16 bytes, the driver area with flags, index and ring, the device area likewise.
const (
	descBytes     = 16
	descNext      = 1 << 0
	descWrite     = 1 << 1
	descIndirect  = 1 << 2
	ringFlags     = 0
	ringIndex     = 2
	ringEntries   = 4
	availBytes    = 2 // of an entry
	usedBytes     = 8
	noInterrupt   = 1 << 0 // flags of the driver area
	descAlign     = 16
	driverAlign   = 2
	deviceAlign   = 4
	maxChainBytes = 1 << 32 // VIRTIO 2.7.4
)

const (
	// MaxQueueSize is the most descriptors that a queue holds.
	MaxQueueSize = 1024
	// MaxChain is the most buffers of one request, those of an indirect table included.
	MaxChain = 1024
)

// Timing. It is that of a fast disk: 10 microseconds for a request, and a gigabyte a second.
const (
	// Latency is the time, in ns, from a notification, or from the request before, until a request is taken.
	Latency = 10_000
	// ByteTime is the time, in ns, in which a byte moves.
	ByteTime = 1
	// Chunk is the most bytes that move at one moment of virtual time.
	Chunk = 64 << 10
)
