package conform

import (
	"errors"
	"fmt"

	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/smc/optee"
)

// Registers are x0 to x17 of a call.
type Registers = firmware.Registers

// Port is the bus as one non-secure master sees it: *bus.Port.
type Port interface {
	Read(addr uint64, p []byte) bus.Response
	Write(addr uint64, p []byte) bus.Response
}

// Target is a machine with the secure world that is put to the test. It is used from one goroutine.
type Target interface {
	// Properties says what the board's documentation says. They stay the same over the target's life.
	Properties() *Properties
	// Reset is a cold reset: all memory of the normal world is zero afterwards.
	Reset() error
	// SMC executes the instruction on a processor at non-secure EL1. Processors that were never powered on take calls too.
	SMC(cpu int, r *Registers)
	// Port gives the bus with a non-secure access identity, 0 to 15, privileged.
	Port(nsaid uint8) Port
	// Advance moves virtual time forward by ns nanoseconds; devices go on, processors do not execute.
	Advance(ns uint64)
	// Run lets the machine run for ns nanoseconds of virtual time. Off says that it was powered off meanwhile. Where PSCI
	// SYSTEM_RESET was called before, it begins with that reset.
	Run(ns uint64) (off bool, err error)
}

// ErrVariant is returned by factories for a variant that they do not have.
var ErrVariant = errors.New("the target has no such configuration")

// Factory makes a target in a variant of its configuration.
type Factory func(v Variant) (Target, error)

// Range is a range of physical addresses.
type Range struct{ Base, Size uint64 }

// End is the first address behind the range.
func (r Range) End() uint64 { return r.Base + r.Size }

func (r Range) String() string { return fmt.Sprintf("%#x-%#x", r.Base, r.End()-1) }

// Access is what non-secure masters may do with memory: bit n stands for NSAID n.
type Access struct{ Read, Write uint16 }

func (a Access) String() string { return fmt.Sprintf("read %016b write %016b", a.Read, a.Write) }

// Properties are what a target's documentation says about it.
type Properties struct {
	// RAM is the normal world's memory that the suite may use, at least MinRAM bytes. With what is not in it nothing is
	// done but through the calls under test.
	RAM Range
	// End is the first address behind all memory of the normal world.
	End  uint64
	CPUs int
	// MPIDR are the affinities of the processors, as PSCI takes them.
	MPIDR []uint64

	FFA, SMC bool
	// Firewall: memory that was lent is denied to non-secure masters.
	Firewall bool
	// Silent: a denied read gives zeros, a denied write does nothing, and both complete.
	Silent bool
	// Frame is the base of the TZC-400's registers, 0 for none.
	Frame uint64
	// DMA is the base of a PL080 and DMAID the NSAID of its transactions. Base 0 stands for none.
	DMA   uint64
	DMAID uint8
	// Normal is what masters may do with memory that is not protected.
	Normal Access
	// Pools is what masters may do with memory that was lent for a use case.
	Pools map[optee.UseCase]Access
	// Grants is what masters can be granted for parts of memory that was lent for a use case, beside Pools; without an entry
	// nothing.
	Grants map[optee.UseCase]Access
	// Crypto is the base of the crypto engine that the board documents (devices/crypto), 0 for none.
	Crypto uint64
	// Input is the base of the input device that the board documents (devices/input), 0 for none.
	Input uint64
	// Carveout is the pool of variant StaticPool, size 0 for none.
	Carveout Range
	// SecureRAM is memory that never was the normal world's, size 0 for none, and Device a register block that is not memory.
	SecureRAM Range
	Device    uint64
	// Runs: processors execute instructions during Run.
	Runs bool
}

// MinRAM is the least memory, in bytes, that the suite needs.
const MinRAM = 16 << 20

func (p *Properties) has() (n Need) {
	for _, x := range []struct {
		have bool
		need Need
	}{
		{p.FFA, NeedFFA}, {p.SMC, NeedSMC}, {p.Firewall, NeedFirewall}, {p.Firewall && p.Frame != 0, NeedFrame}, {p.DMA != 0, NeedDMA},
		{p.CPUs > 1, NeedCPUs}, {p.SecureRAM.Size != 0, NeedSecureRAM}, {p.Runs, NeedRun},
		{len(p.Grants) != 0, NeedGrants}, {p.Crypto != 0, NeedCrypto}, {p.Input != 0, NeedUI},
	} {
		if x.have {
			n |= x.need
		}
	}
	return n
}

// check refuses properties that the suite cannot work with.
func (p *Properties) check() error {
	switch {
	case p.RAM.Size < MinRAM || p.RAM.Base%bus.PageSize != 0 || p.RAM.Size%bus.PageSize != 0:
		return fmt.Errorf("RAM %v: want whole pages, at least %d MiB", p.RAM, MinRAM>>20)
	case p.End < p.RAM.End() || p.End%bus.PageSize != 0:
		return fmt.Errorf("end of memory %#x: want a page behind %v", p.End, p.RAM)
	case p.CPUs < 1 || len(p.MPIDR) != p.CPUs:
		return fmt.Errorf("%d processors with %d affinities", p.CPUs, len(p.MPIDR))
	case p.Normal.Read>>bus.NSAIDAP&1 == 0 || p.Normal.Write>>bus.NSAIDAP&1 == 0:
		return errors.New("processors have no access to memory")
	}
	return nil
}
