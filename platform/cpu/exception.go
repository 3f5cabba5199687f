package cpu

import (
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/mmu"
)

// Exception classes, ESR_ELx.EC (DDI 0487, D19.2.37).
const (
	ecUnknown     = 0x00
	ecWFx         = 0x01
	ecFP          = 0x07
	ecPAC         = 0x09
	ecBTI         = 0x0d
	ecIllegal     = 0x0e
	ecSVC         = 0x15
	ecHVC         = 0x16
	ecSMC         = 0x17
	ecSys         = 0x18
	ecInstLower   = 0x20
	ecInstSame    = 0x21
	ecPCAlign     = 0x22
	ecDataLower   = 0x24
	ecDataSame    = 0x25
	ecSPAlign     = 0x26
	ecSError      = 0x2f
	ecBreakpoint  = 0x30 // the three of debug.go: plus one when taken from the same exception level
	ecStep        = 0x32
	ecWatchpoint  = 0x34
	ecBRK         = 0x3c
	esrIL         = 1 << 25
	issWnR        = 1 << 6
	issS1PTW      = 1 << 7
	issCM         = 1 << 8
	issEA         = 1 << 9
	fscAlignment  = 0x21
	fscSyncExtern = 0x10
)

var classNames = map[uint64]string{
	ecUnknown: "Unknown reason", ecWFx: "Trapped WF*", ecFP: "FP access", ecPAC: "Pointer authentication", ecBTI: "Branch Target", ecIllegal: "Illegal Execution state", ecSVC: "SVC",
	ecHVC: "HVC", ecSMC: "SMC", ecSys: "Trapped system register", ecInstLower: "Instruction Abort, lower EL",
	ecInstSame: "Instruction Abort", ecPCAlign: "PC alignment", ecDataLower: "Data Abort, lower EL", ecDataSame: "Data Abort",
	ecSPAlign: "SP alignment", ecBRK: "BRK", ecBreakpoint: "Breakpoint, lower EL", ecBreakpoint + 1: "Breakpoint",
	ecStep: "Software Step, lower EL", ecStep + 1: "Software Step", ecWatchpoint: "Watchpoint, lower EL", ecWatchpoint + 1: "Watchpoint",
}

// Vector offsets of the kinds of exceptions (D1.3.1).
const (
	vectorSync   = 0x000
	vectorIRQ    = 0x080
	vectorFIQ    = 0x100
	vectorSError = 0x180
)

// SPSR and PSTATE bits.
const (
	psF    = 1 << 6
	psI    = 1 << 7
	psA    = 1 << 8
	psD    = 1 << 9
	psSSBS = 1 << 12
	psIL   = 1 << 20
	psSS   = 1 << 21
	psPAN  = 1 << 22
	psUAO  = 1 << 23
)

// pstate gives the process state in the layout of SPSR_ELx (C5.2.19).
func (c *CPU) pstate() uint64 {
	v := uint64(c.NZCV()) | uint64(c.btype)<<10 | uint64(c.daif)<<6 | uint64(c.el)<<2
	if c.spSel {
		v |= 1
	}
	for _, b := range [...]struct {
		on  bool
		bit uint64
	}{{c.ssbs, psSSBS}, {c.il, psIL}, {c.ss, psSS}, {c.pan, psPAN}, {c.uao, psUAO}} {
		if b.on {
			v |= b.bit
		}
	}
	return v
}

// syncTarget gives the exception level that takes a synchronous exception from the current one.
func (c *CPU) syncTarget() uint8 {
	if c.el == 0 && c.tge() {
		return 2
	}
	return max(c.el, 1)
}

func (c *CPU) tge() bool { return c.cfg.EL2 && !c.secure && c.sys.hcr&hcrTGE != 0 }

// el2 reports whether EL2 exists in the current security state.
func (c *CPU) el2() bool { return c.cfg.EL2 && !c.secure }

// el2Enabled is EL2Enabled() of the architecture's pseudocode: EL2 exists in the security state of the levels below EL3.
func (c *CPU) el2Enabled() bool { return c.cfg.EL2 && (!c.cfg.EL3 || c.sys.scr&scrNS != 0) }

// take enters an exception at the vector of target. ret is the preferred return address.
func (c *CPU) take(target uint8, vector uint64, ret uint64) {
	off := uint64(0)
	switch {
	case target > c.el:
		off = 0x400 // lower exception level, AArch64
	case c.spSel:
		off = 0x200
	}
	c.spsr[target] = c.pstate()
	c.elr[target] = ret
	if c.cfg.Events.On(event.Int) {
		c.logException(target, vector, ret)
	}
	c.debug.took = true
	c.setEL(target, true)
	c.daif = 15
	c.il, c.ss, c.uao, c.btype = false, false, false, 0
	if c.code.features&featPAN != 0 {
		if target == 1 || target == 2 && c.sys.hcr&(hcrE2H|hcrTGE) == hcrE2H|hcrTGE {
			if c.sys.sctlr[target]>>23&1 == 0 { // SPAN
				c.pan = true
			}
		}
	}
	c.ssbs = c.sys.sctlr[target]>>44&1 != 0 // DSSBS
	c.PC = c.sys.vbar[target] + off + vector
	c.stateChanged()
	if vector != vectorSync || ret != c.PC {
		c.faultLoop = 0
	} else if c.faultLoop++; c.faultLoop == lockup {
		c.cfg.Env.Lockup(c)
	}
}

// lockup is how often a vector's first instruction may fault into the same vector before the processor counts as locked up.
const lockup = 100_000

// Syndrome gives the syndrome of the last exception taken to the current exception level, with the name of its class.
func (c *CPU) Syndrome() (esr, far, elr uint64, class string) {
	esr = c.sys.esr[c.el]
	return esr, c.sys.far[c.el], c.elr[c.el], classNames[esr>>26]
}

func (c *CPU) logException(target uint8, vector, ret uint64) {
	e := event.Event{Time: c.clock.Now(), Category: event.Int, Secure: c.secure, Source: c.source()}
	switch vector {
	case vectorSync:
		esr := c.sys.esr[target]
		e.Name = classNames[esr>>26]
		e.Fields = []event.Field{event.Hex("esr", esr), event.Hex("far", c.sys.far[target])}
	case vectorIRQ:
		e.Name = "IRQ"
	case vectorFIQ:
		e.Name = "FIQ"
	case vectorSError:
		e.Name = "SError"
	}
	e.Fields = append(e.Fields, event.Hex("elr", ret), event.Dec("from_el", uint64(c.el)), event.Dec("to_el", uint64(target)))
	c.cfg.Events.Emit(&e)
}

func (c *CPU) source() string { return "cpu" + string(rune('0'+c.cfg.Index)) }

// syncException takes a synchronous exception with the given class and syndrome at target.
func (c *CPU) syncException(target uint8, ec uint64, iss uint64, ret uint64) {
	c.sys.esr[target] = ec<<26 | esrIL | iss
	c.take(target, vectorSync, ret)
}

// undefined takes the exception of an UNDEFINED instruction.
func (c *CPU) undefined() { c.syncException(c.syncTarget(), ecUnknown, 0, c.PC) }

// alignmentFault reports a data access that is not aligned as it must be.
func (c *CPU) alignmentFault(va uint64, acc mmu.Access) {
	c.dataAbort(c.syncTarget(), va, acc, fscAlignment)
}

func (c *CPU) dataAbort(target uint8, va uint64, acc mmu.Access, iss uint64) {
	ec := uint64(ecDataSame)
	if target > c.el {
		ec = ecDataLower
	}
	if acc == mmu.Write {
		iss |= issWnR
	}
	c.sys.far[target] = va
	c.syncException(target, ec, iss, c.PC)
}

func (c *CPU) instAbort(target uint8, va uint64, iss uint64) {
	ec := uint64(ecInstSame)
	if target > c.el {
		ec = ecInstLower
	}
	c.sys.far[target] = va
	c.PC = va
	c.syncException(target, ec, iss, va)
}

// memoryFault reports a fault that a translation table walk found.
func (c *CPU) memoryFault(va uint64, acc mmu.Access, f mmu.Fault) {
	iss := uint64(0)
	if f.Stage2 && !f.S1PTW && acc != mmu.Execute && !isExternal(f) {
		iss = accessSyndrome(c.inst)
	}
	c.walkAbort(va, acc, f, iss)
}

// isExternal reports whether the walk ended in an external abort.
func isExternal(f mmu.Fault) bool { return f.Kind() == mmu.StatusExternalWalk }

// walkAbort takes the exception for a failed walk. iss holds what the syndrome says beside it.
func (c *CPU) walkAbort(va uint64, acc mmu.Access, f mmu.Fault, iss uint64) {
	target := c.syncTarget()
	iss |= uint64(f.Status)
	if f.Stage2 {
		target = max(c.el, 2)
		c.sys.hpfar = f.IPA >> 12 << 4 & 0xfffffffff0
		if f.S1PTW {
			iss |= issS1PTW
		}
	}
	if isExternal(f) && c.cfg.EL3 && c.sys.scr&scrEA != 0 {
		target = 3
	}
	if acc == mmu.Execute {
		c.instAbort(target, va, iss)
		return
	}
	c.dataAbort(target, va, acc, iss)
}

// externalAbort reports an access that the bus answered with an error. ISS.EA tells a device's error from an address that
// nothing answers at, as QEMU does.
func (c *CPU) externalAbort(va uint64, acc mmu.Access, resp bus.Response) {
	target := c.syncTarget()
	if c.cfg.EL3 && c.sys.scr&scrEA != 0 {
		target = 3
	}
	iss := uint64(fscSyncExtern)
	if resp == bus.SLVERR {
		iss |= issEA
	}
	if acc == mmu.Execute {
		c.instAbort(target, va, iss)
		return
	}
	c.dataAbort(target, va, acc, iss)
}

// virtualPending reports a virtual interrupt, masked or not. A kind is pending when HCR_EL2 or the GIC's virtual CPU interface
// asserts it while HCR_EL2 routes the physical kind to EL2 (D1.3.6.5).
func (c *CPU) virtualPending() bool {
	irq, fiq, serror := c.virtual()
	return irq || fiq || serror
}

func (c *CPU) virtual() (irq, fiq, serror bool) {
	if c.el > 1 || !c.el2() || c.tge() {
		return false, false, false
	}
	hcr := c.sys.hcr
	return hcr&hcrIMO != 0 && (c.virq || hcr&hcrVI != 0), hcr&hcrFMO != 0 && (c.vfiq || hcr&hcrVF != 0), hcr&(hcrAMO|hcrVSE) == hcrAMO|hcrVSE
}

// isr is ISR_EL1: what is pending, masked or not, and at Non-secure EL1 the virtual kinds in the place of those that HCR_EL2
// routes to EL2 (D19.2.70).
func (c *CPU) isr() uint64 {
	irq, fiq, serror := c.irq, c.fiq, false
	if c.el == 1 && c.el2() {
		virq, vfiq, vserror := c.virtual()
		if c.sys.hcr&hcrIMO != 0 {
			irq = virq
		}
		if c.sys.hcr&hcrFMO != 0 {
			fiq = vfiq
		}
		serror = vserror
	}
	return b2u(serror)<<8 | b2u(irq)<<7 | b2u(fiq)<<6
}

// interrupt takes the interrupt with the highest priority that is pending and not masked. It reports whether there was one.
func (c *CPU) interrupt() bool {
	if c.fiq && c.takeable(scrFIQ, hcrFMO, 1) {
		c.take(c.target(scrFIQ, hcrFMO), vectorFIQ, c.PC)
		return true
	}
	if c.irq && c.takeable(scrIRQ, hcrIMO, 2) {
		c.take(c.target(scrIRQ, hcrIMO), vectorIRQ, c.PC)
		return true
	}
	virq, vfiq, serror := c.virtual()
	switch {
	case virq && c.daif&2 == 0:
		c.take(1, vectorIRQ, c.PC)
	case vfiq && c.daif&1 == 0:
		c.take(1, vectorFIQ, c.PC)
	case serror && c.daif&4 == 0:
		// Taking it clears HCR_EL2.VSE. Its syndrome is IMPLEMENTATION DEFINED without FEAT_RAS: zero.
		c.sys.hcr &^= hcrVSE
		c.sys.esr[1] = ecSError<<26 | esrIL
		c.take(1, vectorSError, c.PC)
	default:
		return false
	}
	return true
}

// target gives the exception level that a physical interrupt is routed to (D1.3.6.3).
func (c *CPU) target(scr, hcr uint64) uint8 {
	switch {
	case c.cfg.EL3 && c.sys.scr&scr != 0 && !c.cfg.SMCIsCall:
		return 3
	case c.el2() && c.sys.hcr&(hcr|hcrTGE) != 0:
		return 2
	}
	return 1
}

// takeable reports whether an interrupt routed that way is taken now; mask is its bit in DAIF (D1.3.6.4).
func (c *CPU) takeable(scr, hcr uint64, mask uint8) bool {
	t := c.target(scr, hcr)
	if t < c.el {
		return false
	}
	if t > c.el && (t == 3 || t == 2 && !c.sysE2HTGE()) {
		return true
	}
	return c.daif&mask == 0
}

func (c *CPU) sysE2HTGE() bool { return c.sys.hcr&(hcrE2H|hcrTGE) == hcrE2H|hcrTGE }

// eret returns from an exception, to elr. A return that is not legal sets PSTATE.IL and changes neither EL nor SP (D1.4.4).
func (c *CPU) eret(elr uint64) {
	spsr := c.spsr[c.el]
	c.exclusive.valid = false
	c.event = true
	el := uint8(spsr >> 2 & 3)
	legal := spsr>>4&1 == 0 && spsr>>1&1 == 0 && // AArch64, M[1] is 0
		el <= c.el && (el != 0 || spsr&1 == 0) &&
		(el != 2 || c.cfg.EL2 && (!c.cfg.EL3 || c.sys.scr&scrNS != 0)) &&
		(el != 3 || c.cfg.EL3)
	if c.el == 2 && el == 1 && c.sys.hcr&hcrTGE != 0 {
		legal = false
	}
	if c.el == 3 && el == 1 && c.cfg.EL2 && c.sys.scr&scrNS != 0 && c.sys.hcr&hcrTGE != 0 {
		legal = false
	}
	dest := el
	if !legal {
		dest = c.el
	}
	c.ss = c.returnsStepping(spsr, dest)
	c.setPSTATE(spsr)
	if legal {
		c.il = spsr&psIL != 0
		c.setEL(el, spsr&1 != 0)
		if el == 0 {
			c.spSel = false
		}
	} else {
		c.il = true
	}
	c.PC = c.returnAddress(elr, c.el)
	c.stateChanged()
}

// setPSTATE sets what SPSR_ELx holds beside the exception level, SP, IL and SS.
func (c *CPU) setPSTATE(spsr uint64) {
	c.SetNZCV(uint32(spsr))
	c.daif = uint8(spsr >> 6 & 15)
	c.pan = spsr&psPAN != 0 && c.code.features&featPAN != 0
	c.uao = spsr&psUAO != 0 && c.code.features&featUAO != 0
	c.ssbs = spsr&psSSBS != 0 && c.code.features&featSSBS != 0
	if c.code.features&featBTI != 0 {
		c.btype = uint8(spsr >> 10 & 3)
	}
}

// returnAddress applies the tag rules of the translation regime to a branch target at el (AArch64.BranchAddr).
func (c *CPU) returnAddress(pc uint64, el uint8) uint64 {
	if pc>>55 == 0 {
		return pc // as most are
	}
	r := max(el, 1)
	switch {
	case !c.topByteIgnored(pc, r, false):
		return pc
	case r == 1:
		return untagged(pc)
	}
	return pc &^ (0xff << 56)
}

// topByteIgnored is EffectiveTBI of the architecture's pseudocode for the regime of el, 1 to 3: of addresses of data, or of
// instructions, for which TCR_ELx.TBID counts as well.
func (c *CPU) topByteIgnored(va uint64, el uint8, data bool) bool {
	tbi, tbid := uint(20), uint(29)
	if el == 1 {
		tbi, tbid = 37+uint(va>>55&1), 51+uint(va>>55&1)
	}
	tcr := c.sys.tcr[el]
	return tcr>>tbi&1 != 0 && (data || tcr>>tbid&1 == 0 || c.code.features&featPAuth == 0)
}
