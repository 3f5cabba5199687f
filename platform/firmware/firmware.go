package firmware

import (
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Registers are x0 to x17, which is what SMCCC 1.2 passes in both directions (DEN 0028, 2.6).
type Registers = [18]uint64

// Call says where an SMC comes from.
type Call struct {
	// CPU is the index of the calling processor, 0 for the boot processor.
	CPU int
	// EL is the exception level of the caller, 1 or 2.
	EL int
	// HVC says that the call was made with the HVC instruction, which the board forwards for PSCI only, as QEMU's virt
	// board does when nothing owns EL2.
	HVC bool
}

// Firmware owns EL3. It is called from the machine's goroutine only.
type Firmware interface {
	// Reset brings it to its state after a cold reset. The board has reset its devices and memory before; the firmware
	// programs the firewall here. The host stays the same over the life of the machine.
	Reset(h Host) error
	// SMC answers one call. It reads arguments from r and leaves the results there; registers that the call does not
	// return keep their values.
	SMC(c Call, r *Registers)
}

// Conduit is the other end of an SMC, as a Go normal world sees it.
type Conduit interface {
	SMC(r *Registers)
}

// CPUState is the state that PSCI keeps of a processor (DEN 0022, 5.7 AFFINITY_INFO).
type CPUState uint8

// The values are those that AFFINITY_INFO returns.
const (
	CPUOn CPUState = iota
	CPUOff
	CPUOnPending
)

// Host is what the board does for its firmware.
type Host interface {
	// NumCPUs is the number of processors; their MPIDR affinities come from MPIDR.
	NumCPUs() int
	// MPIDR gives the affinity fields (Aff3 in [39:32], Aff2..Aff0 in [23:0]) of a processor.
	MPIDR(cpu int) uint64
	// CPUState is the power state of a processor.
	CPUState(cpu int) CPUState
	// StartCPU powers a processor on: it enters at entry in the exception level el, or in EL2 if the machine has it, MMU off,
	// x0 = context.
	StartCPU(cpu int, entry, context uint64, el int)
	// StopCPU powers the calling processor off when the call returns. It never comes back to the caller.
	StopCPU(cpu int)
	// PowerOff and Reboot stop the machine, or reset it, when the call returns.
	PowerOff()
	Reboot()
	// Port gives a master port on the machine's bus.
	Port(a bus.Attr) *bus.Port
	// RAM gives the normal world's memory that the firewall stands before.
	RAM() (base, size uint64)
	// Clock is the machine's virtual time.
	Clock() *vtime.Clock
	// Events is the machine's event stream.
	Events() *event.Stream
	// RaiseSGI makes a non-secure group 1 SGI (0 to 15) pending on a processor.
	RaiseSGI(cpu int, intid uint32)
	// SetSPI drives the level of a shared peripheral interrupt; intid counts from 32.
	SetSPI(intid uint32, level bool)
}
