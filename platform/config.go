package platform

import (
	"errors"
	"fmt"
	"io"

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
	// BIOS is what flash 0 holds, at most FlashSize bytes.
	BIOS []byte
	// Blobs are loaded after the kernel, in their order.
	Blobs []*loader.Image

	// OPTEE puts OP-TEE's node into the device tree, for drivers of its SMC ABI; FF-A needs none.
	OPTEE bool
	// Reserved are ranges of RAM that the device tree's /reserved-memory names.
	Reserved []Reserved

	// Serial are the outputs of the two UARTs (discarded).
	Serial [2]io.Writer
	// Events is the event stream (none).
	Events *event.Stream
	// Warnings takes messages for the user: instructions that are not implemented, one line each (none).
	Warnings io.Writer
	// StrictAlignment makes unaligned accesses fault with the MMU off, when all memory is Device memory to the architecture.
	// QEMU before 9.0 lets them pass, and so does this machine without it.
	StrictAlignment bool
	// Semihosting makes HLT #0xF000 a semihosting call: SYS_EXIT ends the machine, SYS_WRITE0 and SYS_WRITEC write to
	// the first UART's output.
	Semihosting bool
	// Epoch is what the PL031 shows at reset, in seconds since 1970 (DefaultEpoch).
	Epoch uint32
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
	case len(c.BIOS) > FlashSize:
		return nil, fmt.Errorf("%w: firmware of %d bytes: the flash holds %d", ErrConfig, len(c.BIOS), FlashSize)
	case !c.reservedFit():
		return nil, fmt.Errorf("%w: reserved memory must lie in RAM, at multiples of 4 KiB, and must not be empty", ErrConfig)
	case c.SecureWorld == SecureGuest && c.BIOS == nil:
		return nil, fmt.Errorf("%w: EL3 belongs to the guest, but there is no firmware for it", ErrConfig)
	case c.SecureWorld != SecureGuest && c.Firmware == nil:
		return nil, fmt.Errorf("%w: nothing serves SMC", ErrConfig)
	}
	return model, nil
}

func (c *Config) reservedFit() bool {
	for _, r := range c.Reserved {
		if (r.Base|r.Size)%4096 != 0 || !c.Range().Contains(r.Base, r.Size) {
			return false
		}
	}
	return true
}
