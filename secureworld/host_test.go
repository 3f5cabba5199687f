package secureworld

import (
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/platform/vtime"
)

const ramBase = 0x4000_0000

// ramSize is the memory of most tests.
const ramSize = 64 << 20

// started is one StartCPU that a host was asked for.
type started struct {
	cpu            int
	entry, context uint64
	el             int
}

// fakeHost is a board without processors: it records what the firmware asks for.
type fakeHost struct {
	bus     bus.Bus
	ram     *bus.RAM
	clock   vtime.Clock
	events  event.Stream
	state   []firmware.CPUState
	started []started
	stopped []int
	off     int
	reboots int
	spis    []spi
	sgis    []sgi
}

// sgi is one RaiseSGI that a host was asked for.
type sgi struct {
	cpu   int
	intid uint32
}

// spi is one change of a shared interrupt's level.
type spi struct {
	intid uint32
	level bool
}

func newHost(t testing.TB, size uint64) *fakeHost {
	t.Helper()
	ram, err := bus.NewRAM(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	return &fakeHost{ram: ram, state: []firmware.CPUState{firmware.CPUOn, firmware.CPUOff, firmware.CPUOff, firmware.CPUOff}}
}

func (h *fakeHost) NumCPUs() int                       { return len(h.state) }
func (h *fakeHost) MPIDR(cpu int) uint64               { return uint64(cpu&1) | uint64(cpu>>1)<<8 }
func (h *fakeHost) CPUState(cpu int) firmware.CPUState { return h.state[cpu] }
func (h *fakeHost) StopCPU(cpu int)                    { h.stopped = append(h.stopped, cpu) }
func (h *fakeHost) PowerOff()                          { h.off++ }
func (h *fakeHost) Reboot()                            { h.reboots++ }
func (h *fakeHost) Port(a bus.Attr) *bus.Port          { return bus.NewPort(&h.bus, a) }
func (h *fakeHost) RAM() (base, size uint64)           { return ramBase, h.ram.Size() }
func (h *fakeHost) Clock() *vtime.Clock                { return &h.clock }
func (h *fakeHost) Events() *event.Stream              { return &h.events }
func (h *fakeHost) RaiseSGI(cpu int, intid uint32)     { h.sgis = append(h.sgis, sgi{cpu, intid}) }
func (h *fakeHost) SetSPI(intid uint32, level bool)    { h.spis = append(h.spis, spi{intid, level}) }

func (h *fakeHost) StartCPU(cpu int, entry, context uint64, el int) {
	h.state[cpu] = firmware.CPUOnPending
	h.started = append(h.started, started{cpu, entry, context, el})
}
