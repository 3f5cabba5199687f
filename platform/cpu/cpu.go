package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Config describes one processor of a machine.
type Config struct {
	// Index is the processor's number, from 0. Its NSAID is 9, its AXI identity is the index.
	Index int
	// MPIDR holds the affinity fields of MPIDR_EL1.
	MPIDR uint64
	Model *Model
	// EL2 and EL3 say which exception levels exist beside EL0 and EL1.
	EL2, EL3 bool
	// SMCIsCall makes SMC a call of Env.SecureMonitorCall and not an exception: EL3 exists but no guest code runs there.
	SMCIsCall bool
	// HVCIsCall does the same for HVC from EL1, for PSCI, where no guest owns EL2.
	HVCIsCall bool
	// StrictAlignment makes unaligned accesses with the MMU off fault, as the architecture has it for Device memory. Without
	// it they pass where there is RAM, as on QEMU before 9.0, since compilers make them unless told -mstrict-align.
	StrictAlignment bool
	Bus             *bus.Bus
	Code            *Code
	Clock           *vtime.Clock
	GIC             GIC
	Env             Env
	Events          *event.Stream
}

// GIC is the interrupt controller's CPU interface. Registers are named by a64.Sys numbers; ok is false where the access is
// UNDEFINED.
type GIC interface {
	ReadSys(reg uint16, el int, secure bool) (v uint64, ok bool)
	WriteSys(reg uint16, v uint64, el int, secure bool) (ok bool)
	// Trap gives the exception level that an access to reg is trapped to, or 0.
	Trap(reg uint16, el int, secure bool) int
	// SetRouting tells the values of SCR_EL3 and HCR_EL2; 0 stands for a register that does not exist.
	SetRouting(scr, hcr uint64)
	// SetState tells the exception level and security state, from which the interface decides between IRQ and FIQ.
	SetState(el int, secure bool)
	// SetPPI drives a private peripheral interrupt, 16 to 31.
	SetPPI(intid uint32, level bool)
}

// Env is what a processor asks of its board. The calls see c.PC at the calling instruction's successor.
type Env interface {
	// SecureMonitorCall serves an SMC, or an HVC. It returns false when the instruction is UNDEFINED on this board.
	SecureMonitorCall(c *CPU, hvc bool) bool
	// Semihost serves HLT #0xF000. It returns false when semihosting is off.
	Semihost(c *CPU) bool
	// Undefined hears of each instruction word that is undefined, before the exception is taken.
	Undefined(c *CPU, word uint32)
	// Lockup hears of a processor whose exception vector faults again and again at its first instruction.
	Lockup(c *CPU)
	// SendEvent sets the event register of all processors.
	SendEvent()
}

// Private peripheral interrupts of the generic timers and the PMU, as on QEMU's virt board.
const (
	ppiHypTimer  = 26
	ppiVirtTimer = 27
	ppiSecTimer  = 29
	ppiPhysTimer = 30
	ppiPMU       = 23
)

// CPU is one processor.
type CPU struct {
	a64.Regs

	// Current translation context; tags of matching TLB entries are page | ctx.
	ctx  uint64
	code *Code
	tlb  [tlbSize]tlbEntry
	itlb [itlbSize]itlbEntry
	xlat [xlatSize]xlatEntry

	// PSTATE beside the condition flags.
	el                     uint8
	spSel                  bool
	daif                   uint8 // D, A, I, F in bits 3 to 0
	pan, uao, ssbs, il, ss bool
	btype                  uint8 // of the indirect branch that led to the next instruction

	spBank [4]uint64 // SP_EL0 to SP_EL3; the current one is in X[a64.SP]
	elr    [4]uint64
	spsr   [4]uint64

	secure  bool // security state: EL3, or SCR_EL3.NS is 0
	fpTrap  bool // floating point is trapped at the current exception level
	cold    bool // nothing was put into the TLB since it was flushed
	check   bool // something changed that the main loop must look at before it goes on
	irq     bool // interrupt lines of the GIC's CPU interface
	fiq     bool
	virq    bool // those of its virtual CPU interface
	vfiq    bool
	waiting wait
	event   bool // event register of WFE

	exclusive monitor
	inst      *a64.Inst // what exec executes, for the syndrome of its faults

	sys  sysRegs
	pmu  pmuState
	pacs [pacSize]pacEntry
	tim  timerState

	contexts contexts
	large    [2]area // lower and upper address range

	debug debugState
	dbg   debugger

	guarded bool // of the page that fetch gave last

	faultLoop int // synchronous exceptions in a row that a vector's first instruction took to the same vector

	retired uint64 // instructions executed since reset
	began   uint64 // time at which the running slice began

	cfg   Config
	attr  bus.Attr
	clock *vtime.Clock
	bus   *bus.Bus
}

type wait uint8

const (
	running wait = iota
	waitInterrupt
	waitEvent
	poweredOff
)

// monitor is the exclusive monitor. A store-exclusive succeeds when the address is marked and memory still holds what the
// load saw.
type monitor struct {
	valid  bool
	pa     uint64
	size   int
	lo, hi uint64
}

// New makes a processor, powered off. Reset brings it up.
func New(cfg Config) *CPU {
	c := &CPU{cfg: cfg, code: cfg.Code, clock: cfg.Clock, bus: cfg.Bus}
	c.attr = bus.Attr{NSAID: bus.NSAIDAP, ID: uint16(cfg.Index)}
	c.code.cpus = append(c.code.cpus, c)
	c.tim.wake = c.clock.NewTimer("timer", c)
	c.Reset(0, 0, 0)
	c.waiting = poweredOff
	return c
}

// Reset puts the processor in its state after reset and starts it at pc in exception level el with x0 = context. An el of 0
// stands for the highest that exists.
func (c *CPU) Reset(pc, context uint64, el int) {
	c.Regs = a64.Regs{}
	highest := 1
	if c.cfg.EL2 {
		highest = 2
	}
	if c.cfg.EL3 {
		highest = 3
	}
	if el == 0 {
		el = highest
	}
	c.spBank, c.elr, c.spsr = [4]uint64{}, [4]uint64{}, [4]uint64{}
	c.daif, c.spSel = 15, true
	c.pan, c.uao, c.ssbs, c.il, c.ss, c.btype = false, false, false, false, false, 0
	c.waiting, c.event, c.exclusive = running, false, monitor{}
	c.resetSys()
	c.resetTimers()
	c.debug = debugState{one: c.debug.one}
	c.dbg.stopped, c.dbg.over = false, false
	c.pmu = pmuState{}
	c.retired = 0
	if el < highest && c.cfg.EL3 {
		// What firmware leaves behind: AArch64 below, non-secure, group 0 interrupts at EL3, nothing trapped (DDI 0487, D19.2.120).
		c.sys.scr |= scrNS | scrRW | scrHCE | scrFIQ
		if c.code.features&featPAuth != 0 {
			c.sys.scr |= scrAPK | scrAPI
		}
	}
	if el < 2 && c.cfg.EL2 {
		c.sys.hcr |= hcrRW
		if c.code.features&featPAuth != 0 {
			c.sys.hcr |= hcrAPK | hcrAPI
		}
	}
	c.flushTLB()
	c.debugChanged()
	c.el = uint8(el)
	c.X[0] = context
	c.PC = pc
	c.stateChanged()
}

// PowerOff stops the processor until the next Reset.
func (c *CPU) PowerOff() { c.waiting, c.check = poweredOff, true }

// Powered reports whether the processor is on.
func (c *CPU) Powered() bool { return c.waiting != poweredOff }

// Runnable reports whether Run would execute an instruction now.
func (c *CPU) Runnable() bool {
	switch c.waiting {
	case running:
		return true
	case waitInterrupt:
		return c.irq || c.fiq || c.virtualPending()
	case waitEvent:
		return c.event || c.irq || c.fiq || c.virtualPending()
	}
	return false
}

// WaitingForEvent reports whether the processor sits in WFE.
func (c *CPU) WaitingForEvent() bool { return c.waiting == waitEvent }

// SetEvent sets the event register.
func (c *CPU) SetEvent() { c.event = true }

// SetLines sets the levels of the processor's interrupt inputs.
func (c *CPU) SetLines(irq, fiq bool) {
	c.irq, c.fiq = irq, fiq
	c.check = true
}

// SetVirtualLines sets the levels of the virtual interrupts.
func (c *CPU) SetVirtualLines(irq, fiq bool) {
	c.virq, c.vfiq = irq, fiq
	c.check = true
}

// Index is the processor's number.
func (c *CPU) Index() int { return c.cfg.Index }

// EL is the current exception level.
func (c *CPU) EL() int { return int(c.el) }

// Secure reports whether the processor is in Secure state.
func (c *CPU) Secure() bool { return c.secure }

// Retired is how many instructions were executed since reset.
func (c *CPU) Retired() uint64 { return c.retired }

// SetArguments sets the argument registers of a boot protocol, x0 to x3.
func (c *CPU) SetArguments(x0, x1, x2, x3 uint64) {
	c.X[0], c.X[1], c.X[2], c.X[3] = x0, x1, x2, x3
}

// stateChanged follows a change of EL, security state, PAN or a register that translation depends on.
func (c *CPU) stateChanged() {
	c.secure = c.el == 3 || c.cfg.EL3 && c.sys.scr&scrNS == 0
	c.attr.Privileged = c.el > 0
	c.updateContext()
	c.updateFPTrap()
	c.updateStep()
	if c.cfg.GIC != nil {
		c.cfg.GIC.SetState(int(c.el), c.secure)
		c.cfg.GIC.SetRouting(c.sys.scr, c.sys.hcr)
	}
	c.check = true
}

// stack switching: X[SP] is the pointer that PSTATE.SP and EL select.

func (c *CPU) spIndex() int {
	if c.spSel {
		return int(c.el)
	}
	return 0
}

func (c *CPU) setEL(el uint8, spSel bool) {
	c.spBank[c.spIndex()] = c.X[a64.SP]
	c.el, c.spSel = el, spSel
	c.X[a64.SP] = c.spBank[c.spIndex()]
	c.spChanged()
}

// spChanged follows a change of the stack pointer. While it is misaligned and such bases fault, no tag of the TLB matches, so
// that every access comes to the slow path, which checks.
func (c *CPU) spChanged() {
	bad := c.X[a64.SP]&15 != 0 && c.spChecked()
	if bad != (c.ctx&ctxMisaligned != 0) {
		c.ctx ^= ctxMisaligned
	}
}

// spChecked reports whether SCTLR_ELx.SA or SA0 is set.
func (c *CPU) spChecked() bool {
	bit := uint64(1 << 3)
	if c.el == 0 {
		bit = 1 << 4
	}
	return c.sctlr()&bit != 0
}

func (c *CPU) readSP(el int) uint64 {
	if el == c.spIndex() {
		return c.X[a64.SP]
	}
	return c.spBank[el]
}

func (c *CPU) writeSP(el int, v uint64) {
	if el == c.spIndex() {
		c.X[a64.SP] = v
		c.spChanged()
		return
	}
	c.spBank[el] = v
}
