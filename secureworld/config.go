package secureworld

import (
	"errors"
	"fmt"
	"strings"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/firewall"
	"gatehouse/secureworld/manifest"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/pta/ui"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/tee"
	"gatehouse/smc/optee"
)

// ABI is the set of interfaces through which the normal world reaches the OP-TEE service.
type ABI uint8

// The interfaces.
const (
	// ABIFFA is FF-A: the SPMC and its partitions answer.
	ABIFFA ABI = 1 << iota
	// ABISMC is OP-TEE's own SMC interface.
	ABISMC
	// ABIBoth is both at once, over one service.
	ABIBoth = ABIFFA | ABISMC
)

// ErrConfig wraps all errors about a Config.
var ErrConfig = errors.New("configuration of the secure world")

// TZASC is the address space controller. Where it is not enabled nothing is programmed and nothing is enforced.
type TZASC struct {
	Enabled bool
	Base    uint64 // of the registers of a TZC-400
	// Action is the answer to an access without permission.
	Action firewall.Action
	// Normal is what non-secure masters may do with memory that is not protected.
	Normal memory.Access
}

// Partition is one secure partition.
type Partition struct {
	ID    ffa.EndpointID
	UUIDs []ffa.UUID
	// Contexts is the number of execution contexts; 0 stands for one on each processor.
	Contexts   uint16
	Properties ffa.PartitionProperties
	// Messaging, where it is not nil, holds the messaging properties of each of UUIDs instead of those in Properties.
	Messaging []ffa.PartitionProperties
	// Version is the FF-A version that it was written for; 0 for the SPMC's.
	Version ffa.Version
	// MaxRegions and MaxPages bound the memory transactions that it receives at one time and their pages; 0 for no bound.
	MaxRegions uint32
	MaxPages   uint64
	// New makes its behaviour at each reset. Nil stands for the OP-TEE service, which at most one partition can be.
	New func() spmc.Partition
}

// OPTEE is the OP-TEE service.
type OPTEE struct {
	UUID ffa.UUID // that GET_OS_UUID answers
	// Major, Minor and Build are the version of the trusted OS that clients print.
	Major, Minor, Build uint32
	// Threads is how many calls clients may have under way at one time, 1 to tee.MaxThreads.
	Threads  uint32
	UseCases []tee.UseCase
	// DynamicPools lets the normal world lend protected memory. Over the SMC ABI carve-outs take their place.
	DynamicPools bool
	// RSTMEM makes the interface to protected memory that of the 2024 proposal (version 4) where it differs.
	RSTMEM bool
	// NotifyINTID is the edge-triggered SPI, 32 to 1019, of asynchronous notifications over the SMC ABI. With 0 there are none,
	// over FF-A neither.
	NotifyINTID uint32
	// SHM is memory of the normal world that the SMC ABI offers as reserved shared memory, beside dynamic shared memory or,
	// with NoDynamicSHM, instead of it. Size 0 stands for none.
	SHM          memory.Range
	NoDynamicSHM bool
	// NoRPCArg makes the SMC ABI ask clients for the memory of RPC arguments, as before it had the capability RPC_ARG.
	NoRPCArg bool
	// NewTAs makes the pseudo-TAs beside the device enumeration, at each reset. Nil stands for those of package pta.
	NewTAs func() []tee.PseudoTA
}

// Limits bound what the secure world keeps for the normal world.
type Limits struct {
	Transactions int // FF-A memory transactions
	Ranges       int // address ranges of all shared and lent memory together
	Buffers      int // registered over the SMC ABI
	Sessions     int
	VMs          int // of a hypervisor in the normal world
	// Slice is how many pages are zeroed at one time for a client that allows time slicing; 0 for no limit.
	Slice uint64
}

// Config is what a board chooses about its secure world. DefaultConfig gives a complete one.
type Config struct {
	ABI   ABI
	TZASC TZASC
	// SPMC is the identifier of the SPMC itself.
	SPMC ffa.EndpointID
	// SRI is the non-secure SGI, 8 to 15, by which the SPMC tells the normal world of pending notifications.
	SRI        uint32
	Partitions []Partition
	OPTEE      OPTEE
	// Carveout is memory within the normal world's that is protected from reset on, for the use case CarveoutUse. Size 0
	// stands for none. Carve-outs of further use cases stand with these.
	Carveout    memory.Range
	CarveoutUse optee.UseCase
	// SecureRAM is memory within the normal world's that only the secure world may access. Size 0 stands for none.
	SecureRAM memory.Range
	Limits    Limits
	// CryptoBase is the address of the crypto engine (devices/crypto); 0 stands for none. Where there is no engine at that address
	// clients find none.
	CryptoBase uint64
	// CryptoLists is secure memory, outside the normal world's, in which the secure world keeps lists for the engine: 128 KiB. Size 0
	// stands for none; then the secure world does not use the engine itself.
	CryptoLists memory.Range
	// DeviceKey is what keys for the engine are wrapped under (optee.WrapKey). A board has it in fuses; the default is no secret.
	DeviceKey [32]byte
	// InputBase is the address of the input device (devices/input) that the trusted user interface reads; 0 stands for none.
	InputBase uint64
	// UIPhrase is what its screen shows to be known by, up to 24 characters; UIPIN is the PIN that it verifies, up to 8 digits.
	UIPhrase, UIPIN string
	// TRNG offers the TRNG firmware interface; its numbers depend on Seed alone.
	TRNG bool
	Seed uint64
}

// notifyINTID is the board's interrupt for asynchronous notifications: SPI 134, counted as the GIC counts.
const notifyINTID = 32 + 134

func masters(ids ...uint8) (mask uint16) {
	for _, id := range ids {
		mask |= 1 << id
	}
	return mask
}

// DefaultConfig serves OP-TEE over both interfaces as partition 0x8001, with dynamic pools, behind a TZC-400 at 0x0B00_0000 that
// aborts. Each use case admits the masters that it cannot do without:
//   - secure video playback: the crypto engine writes what it decrypts, decoder and transform read and write, the display reads;
//   - trusted user interface: the display reads what trusted applications draw;
//   - secure video recording: the camera writes, transform and encoder read and write, the crypto engine reads what it encrypts;
//   - on demand for a user interface: nobody by itself. Clients may grant reading to the display;
//   - on demand, the use case of this platform's own: nobody by itself. Clients may grant reading to the display, and reading and
//     writing to the masters of the two video use cases.
//
// Their addresses have 32 bits, as those of the display controller.
func DefaultConfig() Config {
	uuid := ffa.UUID(optee.OSUUID())
	// The media engines' own identities are for protected memory alone, as is one of the crypto engine's: to ordinary memory engines go as
	// NSAID 0. So no engine that the normal world programs copies from the one into the other.
	all := masters(bus.NSAIDDefault, bus.NSAIDPCI, bus.NSAIDHDLCD, bus.NSAIDCrypto, bus.NSAIDDMA, bus.NSAIDCLCD, bus.NSAIDVirtio, bus.NSAIDAP,
		bus.NSAIDInput)
	useCase := func(id optee.UseCase, size uint64, read, write uint16) tee.UseCase {
		return tee.UseCase{ID: id, Access: memory.Access{Read: read, Write: write}, MinSize: size, Align: memory.PageSize, PAWidth: 32}
	}
	// Where protected memory admits the crypto engine it admits both of its identities.
	engine := []uint8{bus.NSAIDCrypto, bus.NSAIDCryptoProtected}
	with := func(ids ...uint8) uint16 { return masters(append(ids, engine...)...) }
	onDemand := useCase(optee.UseCaseOnDemand, 1<<20, 0, 0)
	onDemand.Grantable = memory.Access{
		Read:  with(bus.NSAIDHDLCD, bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDEncoder),
		Write: with(bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDCamera, bus.NSAIDEncoder),
	}
	onDemandUI := useCase(optee.UseCaseOnDemandUI, 1<<20, 0, 0)
	onDemandUI.Grantable = memory.Access{Read: masters(bus.NSAIDHDLCD)}
	return Config{
		ABI: ABIBoth,
		TZASC: TZASC{Enabled: true, Base: 0x0B00_0000, Action: firewall.ActionAbort,
			Normal: memory.Access{Read: all, Write: all}},
		SPMC:       ffa.SPMC,
		SRI:        8,
		Partitions: []Partition{builtin(manifest.OPTEE())},
		OPTEE: OPTEE{
			UUID: uuid, Major: 4, Minor: 9, Threads: 8, DynamicPools: true, NotifyINTID: notifyINTID,
			UseCases: []tee.UseCase{
				useCase(optee.UseCaseSecureVideoPlay, 1<<20,
					masters(bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDHDLCD),
					with(bus.NSAIDDecoder, bus.NSAIDTransform)),
				useCase(optee.UseCaseTrustedUI, 1<<20, masters(bus.NSAIDHDLCD), 0),
				useCase(optee.UseCaseSecureVideoRecord, 1<<20,
					with(bus.NSAIDTransform, bus.NSAIDEncoder),
					masters(bus.NSAIDTransform, bus.NSAIDCamera, bus.NSAIDEncoder)),
				onDemand,
				onDemandUI,
			},
		},
		CarveoutUse: optee.UseCaseSecureVideoPlay,
		Limits:      Limits{Transactions: 256, Ranges: 1 << 17, Buffers: 1024, Sessions: 64, VMs: 16, Slice: 4096},
		CryptoBase:  0x0B11_0000,
		CryptoLists: memory.Range{Base: 0x0E00_0000, Size: 128 << 10},
		DeviceKey:   [32]byte([]byte("gatehouse demonstration key: 32B")),
		InputBase:   0x0B17_0000,
		UIPhrase:    "blue heron",
		UIPIN:       "2580",
		TRNG:        true,
	}
}

// validate checks what does not depend on the machine.
func (c *Config) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrConfig, fmt.Errorf(format, args...))
	}
	if c.ABI&^ABIBoth != 0 {
		return bad("ABI %#x", uint8(c.ABI))
	}
	if c.SRI < 8 || c.SRI > 15 {
		return bad("schedule receiver interrupt %d: want an SGI from 8 to 15", c.SRI)
	}
	l := c.Limits
	if l.Transactions < 1 || l.Transactions > 0xFFFF || l.Ranges < 2 || l.Ranges > 1<<24 || l.Buffers < 0 || l.Sessions < 0 || l.VMs < 0 || l.VMs > 1<<15-1 ||
		l.Slice > 1<<40 {
		return bad("limits %+v", l)
	}
	if len(c.UIPhrase) > ui.MaxPhrase || len(c.UIPIN) > ui.MaxPIN || strings.Trim(c.UIPIN, "0123456789") != "" {
		return bad("trusted user interface: a phrase of %d characters, a PIN of %d", len(c.UIPhrase), len(c.UIPIN))
	}
	switch o := &c.OPTEE; {
	case o.Threads < 1 || o.Threads > tee.MaxThreads:
		return bad("%d threads: want 1 to %d", o.Threads, tee.MaxThreads)
	case o.NotifyINTID != 0 && (o.NotifyINTID < 32 || o.NotifyINTID > 1019):
		return bad("notification interrupt %d: want an SPI from 32 to 1019", o.NotifyINTID)
	case o.NoDynamicSHM && o.SHM.Size == 0:
		return bad("no shared memory: neither reserved nor dynamic")
	}
	if n := l.Transactions + len(c.OPTEE.UseCases); n > 1<<16 {
		return bad("%d transactions and carve-outs: want up to %d", n, 1<<16)
	}
	seen := map[optee.UseCase]bool{}
	for _, u := range c.OPTEE.UseCases {
		switch {
		case u.ID == optee.UseCaseReserved || seen[u.ID]:
			return bad("use case %v is reserved or stands twice", u.ID)
		case u.Align < memory.PageSize || u.Align&(u.Align-1) != 0 || u.MinSize == 0 || u.MinSize%u.Align != 0:
			return bad("use case %v: alignment %#x, size %#x", u.ID, u.Align, u.MinSize)
		case u.PAWidth < 1 || u.PAWidth > 64:
			return bad("use case %v: %d address bits", u.ID, u.PAWidth)
		case (u.Access.Read|u.Access.Write|u.Grantable.Read|u.Grantable.Write)>>bus.NSAIDAP&1 != 0:
			return bad("use case %v admits the processors", u.ID)
		case u.Carveout.Size != 0 && c.Carveout.Size != 0 && u.ID == c.CarveoutUse:
			return bad("use case %v has two carve-outs", u.ID)
		}
		seen[u.ID] = true
	}
	if c.Carveout.Size != 0 && !seen[c.CarveoutUse] {
		return bad("the carve-out is for use case %v, which does not exist", c.CarveoutUse)
	}
	optees := 0
	for _, p := range c.Partitions {
		if p.New == nil {
			optees++
		}
		if p.Messaging != nil && len(p.Messaging) != len(p.UUIDs) {
			return bad("partition %v: messaging properties for %d of %d UUIDs", p.ID, len(p.Messaging), len(p.UUIDs))
		}
	}
	if optees > 1 {
		return bad("%d partitions run the OP-TEE service", optees)
	}
	return nil
}
