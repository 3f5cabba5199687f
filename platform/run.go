package platform

import (
	"context"
	"fmt"
	"sync"

	"gatehouse/platform/bus"
	"gatehouse/platform/cpu"
	"gatehouse/platform/firmware"
	"gatehouse/platform/vtime"
)

// Reason says why a machine stopped.
type Reason uint8

const (
	// PoweredOff is PSCI SYSTEM_OFF.
	PoweredOff Reason = iota
	// Exited is a semihosting exit, with Exit.Code.
	Exited
	// Interrupted is the end of Run's context.
	Interrupted
	// Failed is a guest that cannot go on, as Exit.Message says.
	Failed
	// Rebooted is PSCI SYSTEM_RESET of a machine with Config.NoReboot.
	Rebooted
)

// Exit tells how a run ended.
type Exit struct {
	Reason Reason
	// Code is the exit code of the guest.
	Code int
	// Message says more, in one line.
	Message string
}

// quantum is how many instructions a processor executes in its turn while others want theirs, and soloQuantum while none does:
// how often the machine looks at its context and its serial input.
const (
	quantum     = 10_000
	soloQuantum = 200_000
	// inputQuantum is the turn while input waits that a port had no room for, so that a FIFO of one character does not make typing
	// slow.
	inputQuantum = 2_000
)

// Run runs the machine until it stops or ctx ends. It may be called again after ctx ended.
func (m *Machine) Run(ctx context.Context) Exit {
	done := ctx.Done()
	for {
		select {
		case <-done:
			return Exit{Reason: Interrupted}
		case f := <-m.calls:
			f()
		default:
		}
		if m.reboot {
			m.reboot = false
			if err := m.Reset(); err != nil {
				return Exit{Reason: Failed, Code: 1, Message: err.Error()}
			}
		}
		if m.exit != nil {
			return *m.exit
		}
		if m.control.stopped {
			if m.rest(done) {
				return Exit{Reason: Interrupted}
			}
			continue
		}
		if c := m.control.cut; c != nil {
			m.control.cut = nil
			m.execute(c)
			continue
		}
		waiting := m.input.drain(m)
		m.clock.Expire()
		c, others := m.turn()
		if c == nil && !m.powered() {
			return Exit{Reason: Failed, Code: 1, Message: "every processor is off: nothing can start one again"}
		}
		if c == nil {
			if m.idle(done) {
				return Exit{Reason: Interrupted}
			}
			continue
		}
		n := int64(soloQuantum)
		if others {
			n = quantum
		}
		if waiting {
			n = min(n, inputQuantum)
		}
		if m.clock.Begin(n) > 0 {
			m.execute(c)
		}
	}
}

// turn gives the next processor that can run, and whether others can.
func (m *Machine) turn() (c *cpu.CPU, others bool) {
	for range m.cpus {
		k := m.cpus[m.next]
		m.next = (m.next + 1) % len(m.cpus)
		if !k.Runnable() || m.control.actions[k.Index()] == Halt {
			continue
		}
		if c != nil {
			others = true
			// Its turn comes after this one.
			m.next = k.Index()
			break
		}
		c = k
	}
	if c != nil {
		// WFE may end at any time; it ends here after each turn of another processor, which may have written what the
		// waiting one waits for.
		for _, k := range m.cpus {
			if k != c && k.WaitingForEvent() {
				k.SetEvent()
				others = true
			}
		}
	}
	return c, others
}

// idle moves time to the next timer, or waits for serial input where there is none. It returns true when done was closed.
func (m *Machine) idle(done <-chan struct{}) bool {
	if next := m.clock.Next(); next != vtime.Never {
		m.clock.Advance(next)
		m.clock.Expire()
		for _, k := range m.cpus {
			if k.WaitingForEvent() {
				k.SetEvent()
			}
		}
		return false
	}
	select {
	case <-done:
		return true
	case <-m.input.ready:
		m.input.drain(m)
		return false
	case f := <-m.calls:
		f()
		return false
	}
}

// powered reports whether a processor is on.
func (m *Machine) powered() bool {
	for _, c := range m.cpus {
		if c.Powered() {
			return true
		}
	}
	return false
}

// stop ends the run after the current instruction.
func (m *Machine) stop(e Exit) {
	if m.exit == nil {
		m.exit = &e
	}
	m.halt()
}

// halt takes all processors off.
func (m *Machine) halt() {
	for _, c := range m.cpus {
		c.PowerOff()
	}
}

// Retired is the number of instructions executed since reset, by all processors.
func (m *Machine) Retired() uint64 {
	var n uint64
	for _, c := range m.cpus {
		n += c.Retired()
	}
	return n
}

// Now is the virtual time since reset, in nanoseconds.
func (m *Machine) Now() uint64 { return m.clock.Now() }

// Resets is how often the machine was reset since it was made.
func (m *Machine) Resets() int { return m.resets }

// Port gives a Go master its place on the bus, beside the processors and devices.
func (m *Machine) Port(a bus.Attr) *bus.Port { return bus.NewPort(m.bus, a) }

// Conduit gives Go code of the normal world the SMC instruction of the boot processor.
func (m *Machine) Conduit() firmware.Conduit { return (*conduit)(m) }

type conduit Machine

func (c *conduit) SMC(r *firmware.Registers) {
	c.cfg.Firmware.SMC(firmware.Call{CPU: 0, EL: 1}, r)
}

// env is what the machine does for its processors.
type env Machine

func (e *env) SecureMonitorCall(c *cpu.CPU, hvc bool) bool {
	m := (*Machine)(e)
	if m.cfg.Firmware == nil {
		return false
	}
	var r firmware.Registers
	copy(r[:], c.X[:18])
	m.cfg.Firmware.SMC(firmware.Call{CPU: c.Index(), EL: c.EL(), HVC: hvc}, &r)
	copy(c.X[:18], r[:])
	return true
}

// Lockup ends the run: nothing but another processor could help this one.
func (e *env) Lockup(c *cpu.CPU) {
	for _, k := range e.cpus {
		if k != c && k.Powered() {
			return
		}
	}
	esr, far, _, class := c.Syndrome()
	(*Machine)(e).stop(Exit{Reason: Failed, Code: 1, Message: fmt.Sprintf(
		"cpu%d is locked up: the exception vector at %#x faults itself: %s, ESR_EL%d %#x, FAR %#x", c.Index(), c.PC, class, c.EL(), esr, far)})
}

func (e *env) SendEvent() {
	for _, c := range e.cpus {
		c.SetEvent()
	}
}

// maxWarnings bounds the messages about undefined instructions of one machine.
const maxWarnings = 100

// Undefined names each undefined instruction word once.
func (e *env) Undefined(c *cpu.CPU, word uint32) {
	m := (*Machine)(e)
	if m.warned[word] || len(m.warned) >= maxWarnings {
		return
	}
	m.warned[word] = true
	fmt.Fprintf(m.cfg.Warnings, "cpu%d: undefined instruction %#08x at pc %#x, EL%d\n", c.Index(), word, c.PC, c.EL())
}

// input is what came from outside and the machine has not taken yet. It is filled from other goroutines.
type input struct {
	mu    sync.Mutex
	data  [3][]byte // guarded by mu
	power bool      // guarded by mu: the power key was pressed
	brk   [2]bool   // guarded by mu: the UART is to see a break
	ready chan struct{}
}

// VirtioConsole is the number of the virtio console for Input and Pending. The UARTs are 0 and 1.
const VirtioConsole = 2

// Input gives bytes to a UART or the virtio console. It may be called from any goroutine while the machine runs.
func (m *Machine) Input(port int, p []byte) {
	m.input.mu.Lock()
	m.input.data[port] = append(m.input.data[port], p...)
	m.input.mu.Unlock()
	m.input.wake()
}

// Pending is how many bytes of input a port has not taken yet. It may be called from any goroutine.
func (m *Machine) Pending(port int) int {
	m.input.mu.Lock()
	defer m.input.mu.Unlock()
	return len(m.input.data[port])
}

// PowerKey presses the power key, as QEMU's system_powerdown does: a guest that listens shuts down. It may be called from any
// goroutine while the machine runs.
func (m *Machine) PowerKey() {
	m.input.mu.Lock()
	m.input.power = true
	m.input.mu.Unlock()
	m.input.wake()
}

// Break sends a break condition to a UART, 0 or 1. It may be called from any goroutine while the machine runs.
func (m *Machine) Break(uart int) {
	m.input.mu.Lock()
	m.input.brk[uart] = true
	m.input.mu.Unlock()
	m.input.wake()
}

func (in *input) wake() {
	select {
	case in.ready <- struct{}{}:
	default:
	}
}

// drain hands input to the ports that have room for it. It reports whether some is left.
func (in *input) drain(m *Machine) (left bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.data {
		if len(in.data[i]) > 0 {
			var n int
			switch {
			case i < len(m.uart):
				n = m.uart[i].Receive(in.data[i])
			case m.console != nil:
				n = m.console.Receive(in.data[i])
			}
			in.data[i] = in.data[i][n:]
			left = left || len(in.data[i]) > 0
		}
	}
	for i, u := range m.uart {
		if in.brk[i] {
			in.brk[i] = false
			u.ReceiveBreak()
		}
	}
	if in.power {
		in.power = false
		m.power.Press()
	}
	return left
}
