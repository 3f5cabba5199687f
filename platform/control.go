package platform

import (
	"context"
	"errors"
	"slices"

	"gatehouse/platform/bus"
	"gatehouse/platform/cpu"
	"gatehouse/platform/firmware"
)

// Run control: what debuggers and the monitor do with a machine. All methods but Do, Input, Pending, Break and PowerKey are called
// on the machine's goroutine: by a function given to Do, or before Run.

// Action says what a processor does when the machine goes on.
type Action uint8

const (
	// Continue executes as without a debugger.
	Continue Action = iota
	// Single executes one instruction, then the machine stops.
	Single
	// Halt executes nothing.
	Halt
)

// StopKind says why the machine stopped executing without having ended.
type StopKind uint8

const (
	// Paused is a call of Pause.
	Paused StopKind = iota
	// Stepped is the end of a Single action.
	Stepped
	// AtBreakpoint is the address of a breakpoint, whose instruction has not been executed.
	AtBreakpoint
	// AtWatchpoint is an instruction that accesses watched memory, and has not been executed.
	AtWatchpoint
)

// Stop describes why the machine stopped.
type Stop struct {
	Kind StopKind
	// CPU is the number of the processor that it is about.
	CPU int
	// Addr is the virtual address of a breakpoint or of the watched memory, Write the kind of access.
	Addr  uint64
	Write bool
}

// control is the state of run control. The zero value runs.
type control struct {
	stopped bool
	actions [MaxCPUs]Action
	// cut is the processor whose turn a stop has cut short; the rest of the turn comes first when the machine goes on, so that
	// the order of events is that of a machine that never stopped.
	cut *cpu.CPU
	// last is the processor that executed last.
	last int
	stop Stop // the last one

	breaks []uint64
	hears  []*hearer
}

type hearer struct{ hear func(Stop) }

// Do has the machine's goroutine call f between two instructions, while Run runs, and waits for it. It may be called from any
// other goroutine. Without Run it waits for Run, or for the end of ctx, whose error it gives; f is not called then.
func (m *Machine) Do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case m.calls <- func() { defer close(done); f() }:
		<-done
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stopped reports whether the machine executes nothing until Resume.
func (m *Machine) Stopped() bool { return m.control.stopped }

// Pause stops the machine. Virtual time stands still until Resume.
func (m *Machine) Pause() {
	if !m.control.stopped {
		m.halted(Stop{Kind: Paused, CPU: m.control.last})
	}
}

// LastStop is the stop that was reported last.
func (m *Machine) LastStop() Stop { return m.control.stop }

// Resume lets the machine go on. Processors without an action continue. An instruction at a breakpoint or watchpoint is executed
// first where the machine stopped there or was stepped there.
func (m *Machine) Resume(actions ...Action) {
	k := &m.control
	for i, c := range m.cpus {
		if _, ok := c.Stopped(); ok || k.stop.Kind == Stepped && k.stop.CPU == i && slices.Contains(k.breaks, c.PC) {
			c.Resume()
		}
	}
	k.actions = [MaxCPUs]Action{}
	copy(k.actions[:], actions)
	k.stopped = false
	if k.cut != nil && k.actions[k.cut.Index()] == Halt {
		k.cut = nil
	}
}

// Hear has f called whenever the machine stops, until the function that it gives is called.
func (m *Machine) Hear(f func(Stop)) (cancel func()) {
	h := &hearer{f}
	m.control.hears = append(m.control.hears, h)
	return func() {
		for i, o := range m.control.hears {
			if o == h {
				m.control.hears = append(m.control.hears[:i:i], m.control.hears[i+1:]...)
				return
			}
		}
	}
}

func (m *Machine) halted(s Stop) {
	m.control.stopped, m.control.stop = true, s
	for _, h := range m.control.hears {
		h.hear(s)
	}
}

// execute gives c the rest of the clock's slice, or one instruction of it, and stops the machine where a debugger wants that.
func (m *Machine) execute(c *cpu.CPU) {
	k := &m.control
	k.last = c.Index()
	left, began := m.clock.Left(), m.clock.Now()
	single := k.actions[c.Index()] == Single
	if !single {
		c.Run()
	} else if !c.Step() {
		return
	}
	s, hit := c.Stopped()
	if !hit && !single {
		return
	}
	if left -= int64(m.clock.Now() - began); left > 0 && c.Runnable() && m.clock.Begin(left) > 0 {
		k.cut = c
	}
	stop := Stop{Kind: Stepped, CPU: c.Index()}
	if hit {
		stop.Addr, stop.Write = s.Addr, s.Write
		stop.Kind = AtBreakpoint
		if s.Kind == cpu.StopWatchpoint {
			stop.Kind = AtWatchpoint
		}
	}
	m.halted(stop)
}

// rest waits for calls while the machine is stopped. It returns true when done was closed.
func (m *Machine) rest(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case f := <-m.calls:
		f()
		return false
	}
}

// RequestReset resets the machine before it executes the next instruction.
func (m *Machine) RequestReset() { m.reboot = true }

// NumCPUs is the number of processors.
func (m *Machine) NumCPUs() int { return len(m.cpus) }

// CPU gives a processor to a debugger.
func (m *Machine) CPU(i int) *cpu.CPU { return m.cpus[i] }

// Why memory cannot be reached by a physical address.
var (
	// ErrDenied: the firewall, or the interconnect, denies it to the processor now.
	ErrDenied = errors.New("access denied")
	// ErrUnmapped: nothing answers there.
	ErrUnmapped = errors.New("nothing answers")
	// ErrDevice: the device that answers does not take the access.
	ErrDevice = errors.New("the device refuses")
)

// ReadPhysical reads from a physical address on what processor i could read in its present security state, and gives the number
// of bytes up to the first that it could not. The reads of RAM are not seen by anybody: no failure is recorded. Registers of
// devices are read in units of at most 4 bytes, with all that reading them does.
func (m *Machine) ReadPhysical(i int, pa uint64, p []byte) (n int, err error) {
	return m.physical(i, pa, p, false)
}

// WritePhysical is ReadPhysical for writes.
func (m *Machine) WritePhysical(i int, pa uint64, p []byte) (n int, err error) {
	return m.physical(i, pa, p, true)
}

func (m *Machine) physical(i int, pa uint64, p []byte, write bool) (n int, err error) {
	a := bus.Attr{Secure: m.cpus[i].Secure(), Privileged: true, NSAID: bus.NSAIDAP, ID: uint16(i)}
	for n < len(p) {
		at := pa + uint64(n)
		if at < pa {
			return n, ErrUnmapped
		}
		rest := p[n:min(len(p), n+int(bus.PageSize-at%bus.PageSize))]
		_, _, _, ok := m.bus.Lookup(at)
		switch {
		case !ok:
			return n, ErrUnmapped
		case m.bus.IsRAM(at) && !write:
			page, _ := m.bus.Direct(at, a)
			if page == nil {
				return n, ErrDenied
			}
			n += copy(rest, page[at%bus.PageSize:])
		case m.bus.IsRAM(at):
			if !m.bus.Writable(at, a) || m.bus.Write(at, rest, a) != bus.OKAY {
				return n, ErrDenied
			}
			n += len(rest)
		default:
			k := 4
			for at&uint64(k-1) != 0 || k > len(rest) {
				k >>= 1
			}
			var resp bus.Response
			if write {
				resp = m.bus.Write(at, rest[:k], a)
			} else {
				resp = m.bus.Read(at, rest[:k], a)
			}
			switch resp {
			case bus.DECERR:
				return n, ErrDenied
			case bus.SLVERR:
				return n, ErrDevice
			}
			n += k
		}
	}
	return n, nil
}

// SetBreakpoints replaces the breakpoints of all processors. They are virtual addresses and hit in each translation regime.
func (m *Machine) SetBreakpoints(addrs []uint64) {
	m.control.breaks = slices.Clone(addrs)
	for _, c := range m.cpus {
		c.SetBreakpoints(addrs)
	}
}

// SetWatchpoints replaces the watchpoints of all processors.
func (m *Machine) SetWatchpoints(w []cpu.Watch) {
	for _, c := range m.cpus {
		c.SetWatchpoints(w)
	}
}

// Regions gives the address map, by base.
func (m *Machine) Regions() []bus.Region { return m.bus.Regions() }

// Firmware is what owns EL3, or serves PSCI without it; nil where a guest owns EL3.
func (m *Machine) Firmware() firmware.Firmware { return m.cfg.Firmware }
