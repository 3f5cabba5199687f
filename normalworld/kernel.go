package normalworld

import (
	"fmt"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
)

// Machine is what the normal world stands on; *platform.Machine is one. Its processors execute no guest code: the Go code is
// what runs on them.
type Machine interface {
	// Conduit is the SMC instruction.
	Conduit() firmware.Conduit
	// Port gives a master's place on the bus.
	Port(bus.Attr) *bus.Port
	// Now is the virtual time in nanoseconds.
	Now() uint64
	// Wait moves time to the next timer, by limit nanoseconds at most, and reports whether a timer was due.
	Wait(limit uint64) bool
	// Elapse moves time by ns.
	Elapse(ns uint64)
	// DTB is the device tree blob that a kernel is given.
	DTB() []byte
}

// Kernel is the processor under the normal world's kernel: its ways to the secure world, to memory, to devices and through time.
// There are no others. It is used from one goroutine, as its machine is.
type Kernel struct {
	// Conduit is where SMC goes: the machine's, or one that a test puts before it to make calls fail.
	Conduit firmware.Conduit
	// Events takes what the layers above report; nil takes nothing.
	Events *event.Stream

	machine     Machine
	cpu         *bus.Port
	handlers    []handler
	dispatching bool
}

// New boots a kernel on m.
func New(m Machine, events *event.Stream) *Kernel {
	return &Kernel{
		Conduit: m.Conduit(),
		Events:  events,
		machine: m,
		// What an application processor's accesses look like at EL1 of the non-secure state.
		cpu: m.Port(bus.Attr{Privileged: true, NSAID: bus.NSAIDAP}),
	}
}

// SMC executes SMC #0 with r in x0 to x17.
func (k *Kernel) SMC(r *firmware.Registers) { k.Conduit.SMC(r) }

// DTB is the board's device tree blob.
func (k *Kernel) DTB() []byte { return k.machine.DTB() }

// Now is the virtual time in nanoseconds since reset.
func (k *Kernel) Now() uint64 { return k.machine.Now() }

// Elapse lets ns nanoseconds pass: the time of work whose instructions are not executed one by one.
func (k *Kernel) Elapse(ns uint64) { k.machine.Elapse(ns) }

// Sleep waits for the next thing that happens in the machine, limit nanoseconds at most, and handles the interrupts that are
// pending then. It reports whether anything happened.
func (k *Kernel) Sleep(limit uint64) bool {
	if k.Dispatch() {
		return true
	}
	due := k.machine.Wait(limit)
	return k.Dispatch() || due
}

// BusError is an access of the processor that the bus refused, the external abort of a real one. It is an EFAULT to user space.
type BusError struct {
	Addr     uint64 // of the first byte in the page whose access failed
	Write    bool
	Response bus.Response
}

func (e *BusError) Error() string {
	dir := "read"
	if e.Write {
		dir = "write"
	}
	return fmt.Sprintf("%s by the processor at %#x: %v", dir, e.Addr, e.Response)
}

func (e *BusError) Unwrap() error { return EFAULT }

// Read copies memory at physical address pa to p as the processor's loads do. Behind the first byte that was refused p is zero.
func (k *Kernel) Read(pa uint64, p []byte) error {
	for len(p) > 0 {
		n := min(uint64(len(p)), bus.PageSize-pa%bus.PageSize)
		if resp := k.cpu.Read(pa, p[:n]); resp != bus.OKAY {
			clear(p)
			return &BusError{Addr: pa, Response: resp}
		}
		pa, p = pa+n, p[n:]
	}
	return nil
}

// Write copies p to memory at pa as the processor's stores do; the pages before one that is refused are written.
func (k *Kernel) Write(pa uint64, p []byte) error {
	for len(p) > 0 {
		n := min(uint64(len(p)), bus.PageSize-pa%bus.PageSize)
		if resp := k.cpu.Write(pa, p[:n]); resp != bus.OKAY {
			return &BusError{Addr: pa, Write: true, Response: resp}
		}
		pa, p = pa+n, p[n:]
	}
	return nil
}

// Zero clears n bytes at pa.
func (k *Kernel) Zero(pa, n uint64) error {
	for n > 0 {
		c := min(n, bus.PageSize-pa%bus.PageSize)
		if resp := k.cpu.Zero(pa, c); resp != bus.OKAY {
			return &BusError{Addr: pa, Write: true, Response: resp}
		}
		pa, n = pa+c, n-c
	}
	return nil
}

// Load reads a device register or a naturally aligned value of size 1, 2, 4 or 8 bytes.
func (k *Kernel) Load(pa uint64, size int) (uint64, error) {
	v, resp := k.cpu.Load(pa, size)
	if resp != bus.OKAY {
		return 0, &BusError{Addr: pa, Response: resp}
	}
	return v, nil
}

// Store writes a device register or a naturally aligned value.
func (k *Kernel) Store(pa uint64, size int, v uint64) error {
	if resp := k.cpu.Store(pa, size, v); resp != bus.OKAY {
		return &BusError{Addr: pa, Write: true, Response: resp}
	}
	return nil
}

// IsRAM reports whether memory answers at pa: what a kernel knows from its device tree.
func (k *Kernel) IsRAM(pa uint64) bool { return k.cpu.IsRAM(pa) }
