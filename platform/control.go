package platform

import (
	"context"

	"gatehouse/platform/cpu"
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
	// AtWatchpoint is an access to watched memory, which has not been made.
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
	last  int
	hears []*hearer
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

// Resume lets the machine go on. Processors without an action continue.
func (m *Machine) Resume(actions ...Action) {
	m.control.actions = [MaxCPUs]Action{}
	copy(m.control.actions[:], actions)
	m.control.stopped = false
	if c := m.control.cut; c != nil && m.control.actions[c.Index()] == Halt {
		m.control.cut = nil
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
	m.control.stopped = true
	for _, h := range m.control.hears {
		h.hear(s)
	}
}

// execute gives c the rest of the clock's slice, or one instruction of it, and stops the machine where a debugger wants that.
func (m *Machine) execute(c *cpu.CPU) {
	k := &m.control
	k.last = c.Index()
	c.Run()
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
