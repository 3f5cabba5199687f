package gicv3

import (
	"math/bits"

	"gatehouse/platform/event"
)

// Priorities (IHI 0069, 4.8). 5 bits are implemented, all of them for preemption, as in QEMU's models of Cortex-A cores.
const (
	priorityBits  = 5
	priorityMask  = 0xff << (8 - priorityBits) & 0xff
	priorityShift = 8 - priorityBits
	// idle is the running priority while no interrupt is active. It is lower than any that an interrupt can have.
	idle = 0xff
	// nonSecureHalf is set in the priorities that non-secure software can give.
	nonSecureHalf = 0x80
	// nonSecureLevels selects the active priorities of that half.
	nonSecureLevels = 0xffff_0000
	// minBPR is the lowest ICC_BPR0_EL1 and secure ICC_BPR1_EL1; the non-secure minimum is one higher.
	minBPR = 7 - priorityBits
)

// Outputs receives the interrupt inputs of one PE.
type Outputs interface {
	// SetLines is called after each change of either line, from within the call that caused it. It must not call the GIC.
	SetLines(irq, fiq bool)
}

// view is the state of a PE as far as it decides between IRQ and FIQ.
type view uint8

const (
	viewNonSecure view = iota // EL0, EL1, EL2 in non-secure state
	viewSecure                // EL0, EL1, EL2 in secure state
	viewEL3
)

// lines is a set of interrupt inputs.
type lines uint8

const (
	lineIRQ lines = 1 << iota
	lineFIQ
)

// signals is the assignment of groups to interrupt inputs where EL3 uses AArch64 (IHI 0069, 4.6.2).
var signals = [...][3]lines{
	Group0:   {viewNonSecure: lineFIQ, viewSecure: lineFIQ, viewEL3: lineFIQ},
	Group1S:  {viewNonSecure: lineFIQ, viewSecure: lineIRQ, viewEL3: lineFIQ},
	Group1NS: {viewNonSecure: lineIRQ, viewSecure: lineFIQ, viewEL3: lineFIQ},
	noGroup:  {},
}

// Banks of the registers that exist once a security state.
const (
	bankS = iota
	bankNS
	bankEL3 // ICC_CTLR_EL3.EOImode_EL3 only
)

// CPUInterface is one PE's CPU interface together with its redistributor.
type CPUInterface struct {
	gic      *GIC
	index    int
	affinity uint64
	name     string
	out      Outputs

	// Redistributor.
	private interrupts
	prio    [32]uint8
	nsacr   uint32
	asleep  bool     // GICR_WAKER.ProcessorSleep
	refuse  groupSet // GICR_CTLR.DPG*

	// What the PE told last.
	scr, hcr uint64
	view     view

	// CPU interface.
	pmr     uint8
	bpr     [numGroups]uint8
	ap      [numGroups]uint32 // active priorities, a bit for each of the 32 levels
	enable  groupSet          // ICC_IGRPEN*
	cbpr    [2]bool           // ICC_CTLR_EL1.CBPR by bank
	eoimode [3]bool           // ICC_CTLR_EL1.EOImode by bank, ICC_CTLR_EL3.EOImode_EL3

	virt virtualInterface

	// Derived.
	routed [maxWords]uint32 // shared interrupts whose affinity names this PE
	chosen groupSet         // groups whose 1 of N interrupts come here
	best   candidate        // highest priority pending interrupt
	signal Group            // group of best if it is signalled now, else noGroup
	lines  lines            // as last reported
}

// Bind connects the PE. It reports the lines at once if one of them is high. Outputs that implement VirtualOutputs too are told
// of virtual interrupts.
func (c *CPUInterface) Bind(o Outputs) {
	c.out = o
	if o != nil && c.lines != 0 {
		o.SetLines(c.Lines())
	}
	if v, ok := o.(VirtualOutputs); ok && c.virt.lines != 0 {
		v.SetVirtualLines(c.VirtualLines())
	}
}

// Lines gives the levels of the interrupt inputs.
func (c *CPUInterface) Lines() (irq, fiq bool) {
	return c.lines&lineIRQ != 0, c.lines&lineFIQ != 0
}

// SetState tells the exception level, 0 to 3, and the security state of the PE, for the choice between IRQ and FIQ. At EL3
// secure is not looked at. At first the PE is taken to be at EL3, or in non-secure state if the GIC has one security state only.
func (c *CPUInterface) SetState(el int, secure bool) {
	v := viewNonSecure
	if el == 3 {
		v = viewEL3
	} else if secure {
		v = viewSecure
	}
	if v == c.view {
		return
	}
	c.view = v
	if c.signal != noGroup {
		c.drive()
	}
}

// SetPPI is GIC.SetPPI for this PE.
func (c *CPUInterface) SetPPI(intid uint32, level bool) { c.gic.SetPPI(c.index, intid, level) }

// WakeRequest says whether an interrupt waits for this PE while GICR_WAKER.ProcessorSleep holds it back (IHI 0069, "Power
// management").
func (c *CPUInterface) WakeRequest() bool {
	return c.asleep && c.highest(c.gic.enabledGroups()).group != noGroup
}

// Reset brings the CPU interface registers to their reset values, as a reset of the PE does. The redistributor keeps its state.
func (c *CPUInterface) Reset() {
	c.resetInterface()
	c.gic.choose()
	c.gic.rescanAll()
	c.drive()
	c.updateVirtual()
}

func (c *CPUInterface) resetInterface() {
	c.pmr = 0
	c.bpr = [numGroups]uint8{Group0: minBPR, Group1S: minBPR, Group1NS: minBPR + 1}
	clear(c.ap[:])
	c.enable = 0
	c.cbpr = [2]bool{}
	c.eoimode = [3]bool{}
	c.virt.reset()
	c.signal = noGroup
}

func (c *CPUInterface) resetRedistributor() {
	c.private = interrupts{level: c.private.level, edge: 0xffff}
	clear(c.prio[:])
	c.nsacr = 0
	c.asleep = true
	c.refuse = 0
	clear(c.routed[:])
}

// BootNonSecure leaves redistributor and CPU interface as secure firmware does that keeps no interrupts for itself, before it
// enters the non-secure state for the first time after a reset: awake, all interrupts in non-secure Group 1, and no secure
// priority mask. It is what a board does on whose behalf no guest firmware runs.
func (c *CPUInterface) BootNonSecure() {
	c.private.group = 0xffff_ffff
	for i := range c.prio {
		c.prio[i] |= nonSecureHalf
	}
	c.asleep = false
	c.pmr = priorityMask
	c.gic.choose()
	c.gic.rescanAll()
}

// awake says whether the redistributor forwards interrupts.
func (c *CPUInterface) awake() bool { return !c.asleep || c.gic.cfg.AlwaysAwake }

// rescan finds the highest priority pending interrupt anew.
func (c *CPUInterface) rescan() {
	c.best = none
	if c.awake() {
		c.best = c.highest(c.enable & c.gic.enabledGroups())
	}
	c.update()
}

// update decides whether the highest priority pending interrupt is signalled (IHI 0069, 4.8).
func (c *CPUInterface) update() {
	sig := noGroup
	if c.canPreempt() {
		sig = c.best.group
	}
	if sig != c.signal {
		c.signal = sig
		c.drive()
	}
}

// drive sets the interrupt inputs.
func (c *CPUInterface) drive() {
	l := signals[c.signal][c.view]
	if l == c.lines {
		return
	}
	c.lines = l
	if c.out != nil {
		c.out.SetLines(c.Lines())
	}
}

// canPreempt says whether best has a priority higher than the mask and a group priority higher than what runs.
func (c *CPUInterface) canPreempt() bool {
	if c.best.prio >= c.pmr {
		return false // also when there is none: pmr never reaches idle
	}
	run := c.running()
	if run == idle {
		return true
	}
	m := c.groupPriority(c.best.group)
	return c.best.prio&m < run&m
}

// running gives the highest active priority, or idle.
func (c *CPUInterface) running() uint8 {
	all := c.ap[Group0] | c.ap[Group1S] | c.ap[Group1NS]
	if all == 0 {
		return idle
	}
	return uint8(bits.TrailingZeros32(all)) << priorityShift
}

// runningGroup gives the group of the highest active priority, or noGroup. Among equals Group 0 comes first, Group1NS last.
func (c *CPUInterface) runningGroup() Group {
	all := c.ap[Group0] | c.ap[Group1S] | c.ap[Group1NS]
	top := all & -all
	for g := Group0; g <= Group1NS; g++ {
		if c.ap[g]&top != 0 {
			return g
		}
	}
	return noGroup
}

// groupPriority gives the mask that takes the group priority out of a priority of a group (IHI 0069, 4.8).
func (c *CPUInterface) groupPriority(g Group) uint8 {
	if g == Group1S && c.cbpr[bankS] || g == Group1NS && c.cbpr[bankNS] {
		g = Group0
	}
	bpr := c.bpr[g]
	if g == Group1NS {
		bpr-- // never below 1: its minimum is minBPR + 1
	}
	return uint8(0xff << (bpr + 1))
}

// interrupt gives the state of interrupt id as this PE knows it, or nil if there is none.
func (c *CPUInterface) interrupt(id uint32) (w *interrupts, bit uint32) {
	switch {
	case id < FirstSPI:
		return &c.private, 1 << id
	case int(id) < c.gic.NumINTIDs():
		return &c.gic.spi[id/32], 1 << (id % 32)
	}
	return nil, 0
}

// acknowledge makes best active (IHI 0069, 4.1 and 4.8).
func (c *CPUInterface) acknowledge() uint32 {
	b := c.best
	id := uint32(b.id)
	level := b.prio & c.groupPriority(b.group) >> priorityShift << priorityShift
	c.ap[b.group] |= 1 << (level >> priorityShift)
	w, bit := c.interrupt(id)
	w.active |= bit
	w.latch &^= bit
	if id >= FirstSPI {
		c.gic.touch(int(id / 32))
	}
	c.emit("ACKNOWLEDGE", id, b.group)
	c.rescan()
	return id
}

// drop takes the highest active priority of a group away.
func (c *CPUInterface) drop(g Group) { c.ap[g] &= c.ap[g] - 1 }

// deactivate ends the active state of interrupt id.
func (c *CPUInterface) deactivate(id uint32) {
	w, bit := c.interrupt(id)
	w.active &^= bit
	c.emit("DEACTIVATE", id, c.gic.groupOf(w, id%32))
	if id >= FirstSPI {
		c.gic.touch(int(id / 32))
		c.gic.rescanFor(id)
	}
	c.rescan()
}

func (c *CPUInterface) emit(name string, id uint32, g Group) {
	if s := c.gic.cfg.Events; s.On(event.Int) {
		s.Emit(&event.Event{Time: c.gic.now(), Category: event.Int, Secure: c.gic.cfg.TwoSecurityStates && g != Group1NS, Source: c.name, Name: name,
			Fields: []event.Field{event.Dec("intid", uint64(id)), event.Str("group", g.String())}})
	}
}
