package platform

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"gatehouse/devices/hdlcd"
	inputs "gatehouse/devices/input"
	"gatehouse/devices/virtio"
	"gatehouse/platform/cpu"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/platform/loader"
)

// SecureWorld says who owns EL3.
type SecureWorld uint8

const (
	// SecureGo is the Go secure world: EL3 exists, no guest code runs there, SMC is a call of Config.Firmware.
	SecureGo SecureWorld = iota
	// SecureNone is a machine without EL3; PSCI is called by HVC, as on QEMU's plain virt.
	SecureNone
	// SecureGuest gives EL3 to the guest: the image in flash starts there in Secure state (QEMU's secure=on).
	SecureGuest
)

// Limits of a machine.
const (
	MaxCPUs = 8
	MinRAM  = 1 << 20
	MaxRAM  = 255 << 30 // QEMU's virt with a legacy memory map

	maxDrives = virtio.NumSlots - 2 // a console and an entropy device have room beside them
)

// Config describes a machine. Zero values stand for the defaults given here.
type Config struct {
	// CPU is a model's name (max).
	CPU string
	// CPUs is the number of processors, 1 to MaxCPUs (1).
	CPUs int
	// RAM is the size of memory in bytes, a multiple of 4 KiB (128 MiB).
	RAM uint64
	// SecureWorld says who owns EL3 (SecureGo).
	SecureWorld SecureWorld
	// EL2 gives the machine EL2, and starts ELF kernels there (no).
	EL2 bool
	// TZASC places the TZC-400 before RAM (no).
	TZASC bool
	// Firmware serves SMC, or HVC for PSCI without EL3. It is needed unless SecureWorld is SecureGuest.
	Firmware firmware.Firmware

	// Kernel is the image to start; without one the machine starts in flash.
	Kernel *loader.Image
	// Initrd is placed in memory for the kernel.
	Initrd []byte
	// Append is the kernel's command line.
	Append string
	// DTB replaces the device tree that the board makes, but for the command line and the initrd's place in /chosen.
	DTB []byte
	// BIOS is firmware for flash 0, at most FlashSize bytes. It takes the place of Flash[0].Data.
	BIOS []byte
	// Flash are the two banks of flash memory (zeros).
	Flash [2]Flash
	// Drives are block devices. As on QEMU the first one is in the last slot of the board, the next one before it.
	Drives []Drive
	// Console is the output of a virtio console (no such device). Its slot comes before those of the drives.
	Console io.Writer
	// Entropy adds a virtio entropy device, in the slot before the console's. Its bytes follow from EntropySeed.
	Entropy     bool
	EntropySeed [32]byte
	// Blobs are loaded after the kernel, in their order.
	Blobs []*loader.Image

	// OPTEE puts OP-TEE's node into the device tree, for drivers of its SMC ABI; FF-A needs none.
	OPTEE bool
	// Reserved are ranges of RAM that the device tree's /reserved-memory names.
	Reserved []Reserved

	// Serial are the outputs of the two UARTs (discarded). Without the second one the device tree does not show that UART.
	Serial [2]io.Writer
	// Events is the event stream (none).
	Events *event.Stream
	// Warnings takes messages for the user: instructions that are not implemented, one line each (none).
	Warnings io.Writer
	// StrictAlignment makes unaligned accesses fault with the MMU off, when all memory is Device memory to the architecture.
	// QEMU before 9.0 lets them pass, and so does this machine without it.
	StrictAlignment bool
	// Display takes what the display shows, frame by frame (nobody; Machine.Frame has the last one).
	Display hdlcd.Sink
	// Input is what is entered at the input source, in the order of its times, after each reset (nothing).
	Input []inputs.Event
	// Semihosting makes HLT #0xF000 a semihosting call: SYS_EXIT ends the machine, SYS_WRITE0 and SYS_WRITEC write to
	// the first UART's output.
	Semihosting bool
	// NoReboot makes a reset that the guest asks for end the machine, with the reason Rebooted.
	NoReboot bool
	// Epoch is what the PL031 shows at reset, in seconds since 1970 (DefaultEpoch).
	Epoch uint32

	secondUART bool // Serial[1] was given
}

// Flash is one bank of flash memory. It keeps what the guest programs, over resets too.
type Flash struct {
	// Data is what the bank holds at first, at most FlashSize bytes; behind it there are zeros.
	Data []byte
	// Store takes what is programmed and erased, at its place in the bank (nowhere). Where that fails, so does the programming.
	Store io.WriterAt
	// ReadOnly makes programming and erasing fail.
	ReadOnly bool
}

// Drive is one virtio block device.
type Drive struct {
	// Image is the contents. It must be an io.WriterAt too, unless the drive is ReadOnly or a Snapshot; one with a method
	// Sync() error, such as an *os.File, is synced when the guest flushes.
	Image io.ReaderAt
	// Size is the size in bytes, rounded up to sectors of 512.
	Size uint64
	// ReadOnly makes writes fail.
	ReadOnly bool
	// Snapshot keeps in memory what is written, and leaves Image as it is.
	Snapshot bool
	// Serial is the serial number, of which 20 bytes count.
	Serial string
}

// Reserved is memory that the device tree keeps a kernel away from (Devicetree Specification 0.4, 3.5).
type Reserved struct {
	Name string // of the node, without its address
	Base uint64
	Size uint64
	// NoMap keeps the kernel from mapping it at all.
	NoMap bool
	// Compatible may be empty.
	Compatible string
}

// DefaultEpoch is 2025-01-01T00:00:00Z: a fixed time, so that runs are the same.
const DefaultEpoch = 1735689600

// ErrConfig is wrapped by the errors about a Config.
var ErrConfig = errors.New("machine")

// check fills in defaults and refuses what cannot be built.
func (c *Config) check() (*cpu.Model, error) {
	if c.CPU == "" {
		c.CPU = "max"
	}
	if c.CPUs == 0 {
		c.CPUs = 1
	}
	if c.RAM == 0 {
		c.RAM = 128 << 20
	}
	if c.Epoch == 0 {
		c.Epoch = DefaultEpoch
	}
	c.secondUART = c.Serial[1] != nil
	for i := range c.Serial {
		if c.Serial[i] == nil {
			c.Serial[i] = io.Discard
		}
	}
	if c.Warnings == nil {
		c.Warnings = io.Discard
	}
	model, err := cpu.ModelByName(c.CPU)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	case c.CPUs < 1 || c.CPUs > MaxCPUs:
		return nil, fmt.Errorf("%w: %d processors: want 1 to %d", ErrConfig, c.CPUs, MaxCPUs)
	case c.RAM < MinRAM || c.RAM > MaxRAM || c.RAM%4096 != 0:
		return nil, fmt.Errorf("%w: %d bytes of RAM: want a multiple of 4 KiB from 1 MiB to 255 GiB", ErrConfig, c.RAM)
	case len(c.BIOS) > FlashSize || len(c.Flash[0].Data) > FlashSize:
		return nil, fmt.Errorf("%w: firmware of %d bytes: the flash holds %d", ErrConfig, max(len(c.BIOS), len(c.Flash[0].Data)), FlashSize)
	case len(c.Flash[1].Data) > FlashSize:
		return nil, fmt.Errorf("%w: contents of %d bytes: the flash holds %d", ErrConfig, len(c.Flash[1].Data), FlashSize)
	case len(c.Drives) > maxDrives:
		return nil, fmt.Errorf("%w: %d drives: there is room for %d", ErrConfig, len(c.Drives), maxDrives)
	case !slices.IsSortedFunc(c.Input, func(a, b inputs.Event) int { return cmp.Compare(a.At, b.At) }):
		return nil, fmt.Errorf("%w: events of the input source must be in the order of their times", ErrConfig)
	case !c.reservedFit():
		return nil, fmt.Errorf("%w: reserved memory must lie in RAM, at multiples of 4 KiB, and must not be empty", ErrConfig)
	case c.SecureWorld == SecureGuest && c.firmware() == nil:
		return nil, fmt.Errorf("%w: EL3 belongs to the guest, but there is no firmware for it", ErrConfig)
	case c.SecureWorld != SecureGuest && c.Firmware == nil:
		return nil, fmt.Errorf("%w: nothing serves SMC", ErrConfig)
	}
	for i, d := range c.Drives {
		_, writable := d.Image.(io.WriterAt)
		switch {
		case d.Image == nil:
			return nil, fmt.Errorf("%w: drive %d: there is no image", ErrConfig, i)
		case d.Size > virtio.MaxSize:
			return nil, fmt.Errorf("%w: drive %d: %d bytes are too many", ErrConfig, i, d.Size)
		case !writable && !d.ReadOnly && !d.Snapshot:
			return nil, fmt.Errorf("%w: drive %d: the image cannot be written", ErrConfig, i)
		}
	}
	return model, nil
}

// firmware is what the boot processor starts in flash with, or nil.
func (c *Config) firmware() []byte {
	if c.BIOS != nil {
		return c.BIOS
	}
	return c.Flash[0].Data
}

func (c *Config) reservedFit() bool {
	for _, r := range c.Reserved {
		if (r.Base|r.Size)%4096 != 0 || !c.Range().Contains(r.Base, r.Size) {
			return false
		}
	}
	return true
}
