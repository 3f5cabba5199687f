package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/mmu"
)

// What an external debugger asks of a processor. It works beside the architecture's own breakpoints and watchpoints (debug.go): the
// guest sees neither its breakpoints nor its stops.

// StopKind says why a processor stopped for the debugger.
type StopKind uint8

const (
	// StopBreakpoint: the next instruction is at an address of SetBreakpoints and was not executed.
	StopBreakpoint StopKind = iota + 1
	// StopWatchpoint: the next instruction accesses bytes of SetWatchpoints and was not executed.
	StopWatchpoint
)

// Stop is a stop for the debugger.
type Stop struct {
	Kind StopKind
	// Addr is the virtual address of the breakpoint, or of the first watched byte that is accessed.
	Addr uint64
	// Write says that the access was a write.
	Write bool
}

// Watch is a range of Len bytes of virtual addresses whose reads, writes or both stop the processor. With a Len of 0 it is nothing.
type Watch struct {
	Addr, Len   uint64
	Read, Write bool
}

// overlap reports whether n bytes at va touch the range, and the first byte of it that they touch. Both may wrap around.
func (w *Watch) overlap(va, n uint64) (first uint64, ok bool) {
	switch {
	case va-w.Addr < w.Len:
		return va, true
	case w.Addr-va < n && w.Len != 0:
		return w.Addr, true
	}
	return 0, false
}

// debugger is the state of the external debugger.
type debugger struct {
	breaks  []uint64
	watches []Watch
	stop    Stop
	stopped bool
	over    bool // the next instruction is executed even if it is at a breakpoint
	through bool // the instruction that is executed has stopped at a watchpoint before
	deaf    bool // no interrupt is taken now
	refund  bool // the loop counted the instruction that the stop kept it from
}

// untagged gives a virtual address without the tag that TCR_ELx.TBI may let it have.
func untagged(va uint64) uint64 { return uint64(int64(va<<8) >> 8) }

// SetBreakpoints sets the virtual addresses before whose instructions Run stops, at any exception level, in any security state and
// translation regime. It replaces those that were set.
func (c *CPU) SetBreakpoints(addrs []uint64) {
	c.dbg.breaks = c.dbg.breaks[:0]
	for _, a := range addrs {
		c.dbg.breaks = append(c.dbg.breaks, untagged(a))
	}
	c.debugChanged()
}

// SetWatchpoints sets the virtual addresses whose accesses stop Run and Step, before the instruction that makes them: as hardware does
// it, and as GDB expects it of this architecture. It replaces those that were set.
func (c *CPU) SetWatchpoints(w []Watch) {
	c.dbg.watches = append(c.dbg.watches[:0], w...)
	for i := range c.dbg.watches {
		c.dbg.watches[i].Addr = untagged(w[i].Addr)
	}
	c.debugChanged()
}

// Stopped gives the stop that Run returned for. While there is one, Run does nothing.
func (c *CPU) Stopped() (Stop, bool) { return c.dbg.stop, c.dbg.stopped }

// Resume ends a stop. The next instruction is executed even when it is at a breakpoint, or makes the access that it stopped for, and
// before any interrupt is taken, so that the processor does not stop at the same place again.
func (c *CPU) Resume() {
	c.dbg.stopped, c.dbg.over = false, true
}

// stopFor stops the processor at the end of the current instruction, or before the next. The first stop counts.
func (c *CPU) stopFor(s Stop) {
	if !c.dbg.stopped {
		c.dbg.stop, c.dbg.stopped = s, true
	}
	c.check = true
}

// Step executes one instruction, also one at a breakpoint, or takes one exception: an interrupt that is pending and not masked, or
// the exception that the instruction makes. It begins a slice of its own on the clock. It returns false when the processor is off,
// waits for an interrupt or event that has not come, or a timer is due, which the owner of the clock has to expire first.
func (c *CPU) Step() bool { return c.step(false) }

// StepInstruction is Step without interrupts: those that are pending stay so.
func (c *CPU) StepInstruction() bool { return c.step(true) }

func (c *CPU) step(deaf bool) bool {
	if !c.Runnable() || c.clock.Begin(1) == 0 {
		return false
	}
	c.dbg.through = (c.dbg.stopped || c.dbg.over) && c.dbg.stop.Kind == StopWatchpoint
	c.dbg.stopped, c.dbg.over, c.dbg.deaf = false, false, deaf
	c.wakeUp()
	c.began = c.clock.Now()
	c.check = true
	c.executeOne(true)
	c.dbg.deaf, c.dbg.through = false, false
	c.retired = c.now()
	c.began = c.clock.Now()
	return true
}

// once is where the execution of a single instruction stands.
type once uint8

const (
	onceOff    once = iota
	onceArmed       // the loop executes one instruction
	onceServed      // its page was given to the loop
)

// executeOne executes one instruction or takes one exception, and leaves the rest of the clock's slice. With over, a breakpoint of the
// debugger does not stop it.
func (c *CPU) executeOne(over bool) {
	d := &c.debug
	d.over = over // a branch target is looked at early
	defer func() { d.over = false }()
	if c.check {
		d.took = false
		if !c.settle() || d.took {
			return
		}
	}
	if c.softwareStepPending() {
		return
	}
	rest, began := c.clock.Left(), c.clock.Now()
	if c.clock.Begin(1) == 0 {
		return
	}
	// The loop asks fetch, which gives it a page with this instruction alone. A slice of one instruction ends a branch to itself.
	c.itlb[c.PC/pageSize%itlbSize] = itlbEntry{}
	d.once, d.took, d.exclusive = onceArmed, false, false
	c.loop()
	d.once = onceOff
	c.check = true
	c.softwareStepDone()
	if rest -= int64(c.clock.Now() - began); rest > 0 && !c.dbg.stopped {
		c.clock.Begin(rest)
	}
}

// breakpointAt reports whether the debugger wants a stop at pc.
func (c *CPU) breakpointAt(pc uint64) bool {
	pc = untagged(pc)
	for _, a := range c.dbg.breaks {
		if a == pc {
			return true
		}
	}
	return false
}

// watch looks at an access of n bytes at va for watchpoints, before it is made. It returns false when the exception of one has been
// taken, or the debugger wants a stop. Pages that hold watched bytes are never in the TLB, so that their accesses come by here.
func (c *CPU) watch(va, n uint64, acc mmu.Access, user bool) bool {
	if !c.debug.watching || acc == mmu.Read && c.debug.compares {
		return true
	}
	if !c.watchpoint(va, n, acc, user) {
		return false
	}
	return !c.stopsAtWatch(va, n, acc)
}

// stopsAtWatch stops the processor when the debugger watches an access of n bytes at va. The instruction must then end as if it had
// taken an exception; it is executed again when the processor goes on. One that cannot be repeated after its first access asks for
// all of its accesses before.
func (c *CPU) stopsAtWatch(va, n uint64, acc mmu.Access) bool {
	if c.dbg.through {
		return false
	}
	at := untagged(va)
	for i := range c.dbg.watches {
		w := &c.dbg.watches[i]
		if acc == mmu.Write && !w.Write || acc == mmu.Read && !w.Read {
			continue
		}
		if first, ok := w.overlap(at, n); ok {
			c.stopFor(Stop{StopWatchpoint, first, acc == mmu.Write})
			c.dbg.refund, c.debug.took = true, true
			return true
		}
	}
	return false
}

// watchedPage reports whether a watchpoint covers bytes of the page that holds va.
func (c *CPU) watchedPage(va uint64) bool {
	if !c.debug.watching {
		return false
	}
	page := untagged(va) &^ pageMask
	for i := range c.dbg.watches {
		if _, ok := c.dbg.watches[i].overlap(page, pageSize); ok {
			return true
		}
	}
	return c.debugWatchesPage(page)
}

// stopsInPage reports whether a breakpoint is in the page that holds pc.
func (c *CPU) stopsInPage(pc uint64) bool {
	page := untagged(pc) &^ pageMask
	for _, a := range c.dbg.breaks {
		if a&^pageMask == page {
			return true
		}
	}
	return c.debugStopsInPage(page)
}

// Poke writes to va on, and gives the number of bytes that it could write. It needs a translation that the processor could load
// through at its current exception level, but no right to write, as a debugger changes constants and code too; the firewall is asked
// as for a store of the processor. Only RAM is written, and nothing but memory changes: no exception, no failure register.
func (c *CPU) Poke(va uint64, p []byte) int {
	var g mmu.Regime
	c.regime(c.el, c.secure, &g)
	done := 0
	for done < len(p) {
		at := va + uint64(done)
		if at < va {
			break
		}
		t, _, ok := mmu.Walk(c, &g, at, c.el == 0, mmu.Read, c.pan && c.el != 0)
		if !ok {
			break
		}
		a := c.attr
		a.Secure = !t.NS
		n := min(len(p)-done, int(bus.PageSize-t.PA%bus.PageSize))
		if !c.bus.Writable(t.PA, a) || c.bus.Write(t.PA, p[done:done+n], a) != bus.OKAY {
			break
		}
		done += n
	}
	return done
}

// SP is the stack pointer that PSTATE.SP and the exception level select.
func (c *CPU) SP() uint64 { return c.X[a64.SP] }

// SetSP sets it.
func (c *CPU) SetSP(v uint64) {
	c.X[a64.SP] = v
	c.spChanged()
}

// SetPC sets the address of the next instruction.
func (c *CPU) SetPC(pc uint64) { c.PC = pc }

// PSTATE gives the process state in the layout of SPSR_ELx (DDI 0487, C5.2.19).
func (c *CPU) PSTATE() uint32 { return uint32(c.pstate()) }

// SetPSTATE sets the process state from the layout of SPSR_ELx, but for the exception level, which stays as it is, and the bits of
// extensions that the processor lacks.
func (c *CPU) SetPSTATE(v uint32) {
	c.setPSTATE(uint64(v))
	c.ss = v&psSS != 0
	c.il = v&psIL != 0
	c.setEL(c.el, v&1 != 0 && c.el != 0)
	c.stateChanged()
}

// SetFPCR and SetFPSR set the floating-point control and status registers; bits that are not implemented stay zero.
func (c *CPU) SetFPCR(v uint32) { c.FPCR = v & c.fpcrBits() }

// SetFPSR is SetFPCR for the status register.
func (c *CPU) SetFPSR(v uint32) { c.FPSR = v & fpsrMask }

// asHighest calls f as if the processor were at the highest exception level, where no access is trapped.
func (c *CPU) asHighest(f func() access) bool {
	el, check := c.el, c.check
	switch {
	case c.cfg.EL3:
		c.el = 3
	case c.cfg.EL2:
		c.el = 2
	default:
		c.el = 1
	}
	a := f()
	c.el, c.check = el, check
	return a == accessOK
}

// ReadSysDebug reads a system register, named by its a64.Sys number, for a debugger: from any exception level, with no trap and no
// side effect. ok is false when the processor has no such register, or reading it changes something. Registers that look different
// from each exception level are read as from the current one.
func (c *CPU) ReadSysDebug(key uint16) (v uint64, ok bool) {
	switch key {
	case sysSPEL0:
		return c.readSP(0), true
	case sysSPEL1:
		return c.readSP(1), true
	case sysSPEL2:
		return c.readSP(2), c.cfg.EL2
	case sysCurrentEL:
		return uint64(c.el) << 2, true
	case sysISREL1:
		return c.isr(), true
	case sysDCZIDEL0:
		return dczBlock | b2u(c.trapZVA() != accessOK)<<4, true
	case sysMIDREL1, sysMPIDREL1:
		v, _ := c.readSys(key) // at EL1 what VPIDR_EL2 and VMPIDR_EL2 say
		if c.el == 0 {
			v = c.cfg.Model.MIDR
			if key == sysMPIDREL1 {
				v = c.mpidr()
			}
		}
		return v, true
	case sysICCIAR0EL1, sysICCIAR1EL1:
		return 0, false // reading acknowledges
	}
	if isGIC(key) {
		if c.cfg.GIC == nil {
			return 0, false
		}
		return c.cfg.GIC.ReadSys(key, max(int(c.el), int(minEL(key>>11&7))), c.secure)
	}
	ok = c.asHighest(func() (a access) {
		v, a = c.readSys(key)
		return a
	})
	return v, ok
}

// WriteSysDebug writes a system register as ReadSysDebug reads it. What hangs on the register follows, as with MSR: the caches of
// translations, timers, the state of the interrupt controller. ok is false when there is no such register or it cannot be written.
func (c *CPU) WriteSysDebug(key uint16, v uint64) (ok bool) {
	switch key {
	case sysSPEL0:
		c.writeSP(0, v)
		return true
	case sysSPEL1:
		c.writeSP(1, v)
		return true
	case sysSPEL2:
		c.writeSP(2, v)
		return c.cfg.EL2
	case sysSPSel:
		c.setEL(c.el, v&1 != 0 && c.el != 0)
		return true
	}
	if isGIC(key) {
		switch key {
		case sysICCEOIR0EL1, sysICCEOIR1EL1, sysICCDIREL1, sysICCSGI0REL1, sysICCSGI1REL1, sysICCASGI1REL1:
			return false // commands
		}
		return c.cfg.GIC != nil && c.cfg.GIC.WriteSys(key, v, max(int(c.el), int(minEL(key>>11&7))), c.secure)
	}
	ok = c.asHighest(func() access { return c.writeSys(key, v) })
	c.stateChanged()
	return ok
}
