package fwcfg

// Size is how many bytes of its page the device has registers in.
const Size = 0x18

// Offsets of the registers (fw_cfg.rst, "Guest-side hardware interface", Arm).
const (
	Data     = 0x00 // RO, 1, 2, 4 or 8 bytes: the next ones of the item
	Selector = 0x08 // WO, 2 bytes
	DMA      = 0x10 // 8 bytes, or the high and then the low 4
)

// Bits of an item's key (fw_cfg.rst, "Selector (Control) Register").
const (
	KeyArch  = 1 << 15 // items of one architecture
	KeyWrite = 1 << 14 // without a meaning any more
)

// Keys of items (fw_cfg.rst, "Firmware Configuration Items"; QEMU, include/standard-headers/linux/qemu_fw_cfg.h). Numbers are little-endian.
const (
	KeySignature   = 0x00
	KeyID          = 0x01 // u32, the bits below
	KeyUUID        = 0x02
	KeyRAMSize     = 0x03 // u64
	KeyNoGraphic   = 0x04 // u16
	KeyCPUs        = 0x05 // u16
	KeyKernelSize  = 0x08 // u32
	KeyInitrdSize  = 0x0B // u32
	KeyBootMenu    = 0x0E // u16
	KeyMaxCPUs     = 0x0F // u16
	KeyKernelData  = 0x11
	KeyInitrdData  = 0x12
	KeyCmdlineSize = 0x14 // u32, with the zero byte at the end
	KeyCmdlineData = 0x15
	KeyFileDir     = 0x19
	KeyFileFirst   = 0x20
)

// FileSlots is how many files the directory has room for.
const FileSlots = 32

// Layout of the directory (fw_cfg.rst, "File Directory"): a count, then the files: size, key, two reserved bytes, name. Numbers are
// big-endian.
const (
	fileBytes = 64
	nameBytes = 56 // the last one is zero
)

const (
	signature    = "QEMU"
	dmaSignature = "QEMU CFG"

	idTraditional = 1 << 0
	idDMA         = 1 << 1
)

// DMA descriptor (fw_cfg.rst, "Guest-side DMA Interface"): control, length, address, big-endian.
const (
	descriptorBytes = 16

	ControlError  = 1 << 0
	ControlRead   = 1 << 1
	ControlSkip   = 1 << 2
	ControlSelect = 1 << 3
	ControlWrite  = 1 << 4
	keyShift      = 16
)

const (
	// Chunk is the most bytes that move at one moment of virtual time.
	Chunk = 64 << 10
	// ByteTime is the time, in ns, in which DMA moves a byte beyond the first chunk.
	ByteTime = 1
)
