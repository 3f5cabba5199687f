package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/mmu"
)

// execSystem executes exceptions, system register accesses and system instructions. It returns true when the next instruction
// is the one behind it.
func (c *CPU) execSystem(in *a64.Inst) bool {
	switch in.Op {
	case a64.UDF:
		c.cfg.Env.Undefined(c, uint32(in.Imm))
		c.undefined()
		return false
	case a64.SVC:
		c.ss = false // as of every instruction that is over (SSAdvance)
		c.syncException(c.syncTarget(), ecSVC, in.Imm, c.PC+4)
		return false
	case a64.HVC:
		return c.hvc(in)
	case a64.SMC:
		return c.smc(in)
	case a64.BRK:
		c.syncException(max(c.el, c.debugTarget(c.secure)), ecBRK, in.Imm, c.PC)
		return false
	case a64.HLT:
		if in.Imm == 0xf000 {
			c.PC += 4
			if c.cfg.Env.Semihost(c) {
				c.check = true
				return false
			}
			c.PC -= 4
		}
		c.undefined() // halting debug is not allowed
		return false
	case a64.DCPS, a64.DRPS:
		c.undefined() // outside of Debug state
		return false
	case a64.ERET:
		if c.el == 0 {
			c.undefined()
			return false
		}
		c.eret(c.elr[c.el])
		return false
	case a64.MSRi:
		return c.msrImmediate(in)
	case a64.MRS:
		v, a := c.readSys(uint16(in.Imm))
		if a != accessOK {
			c.finish(a, uint16(in.Imm), in.Rd, true)
			return false
		}
		c.X[in.Rd] = v
		return true
	case a64.MSR:
		if a := c.writeSys(uint16(in.Imm), c.X[in.Rn]); a != accessOK {
			c.finish(a, uint16(in.Imm), in.Rn, false)
			return false
		}
		return true
	case a64.SYS:
		return c.system(uint16(in.Imm), in.Rn)
	case a64.SYSL:
		c.finish(accessUndef, uint16(in.Imm), in.Rd, true)
		return false
	case a64.ISB, a64.DSB:
		c.check = true
		return true
	case a64.WFI:
		return c.waitFor(waitInterrupt, 16, hcrTWI, scrTWI, 0)
	case a64.WFE:
		if c.event {
			c.event = false
			return true
		}
		return c.waitFor(waitEvent, 18, hcrTWE, scrTWE, 1)
	case a64.SEV:
		c.cfg.Env.SendEvent()
		return true
	case a64.SEVL:
		c.event = true
		return true
	case a64.YIELD:
		// A hint that somebody else could use the time: the slice ends.
		c.PC += 4
		c.clock.Yield()
		return false
	case a64.MOVSP:
		c.moveSP(in)
		return true
	case a64.CLREX:
		c.exclusive.valid = false
		return true
	case a64.BRBTI:
		c.branch(c.X[in.Rn], c.jumpType(in.Rn))
		return false
	case a64.BLRBTI:
		target := c.X[in.Rn]
		c.X[30] = c.PC + 4
		c.branch(target, btypeCall)
		return false
	case a64.PAC, a64.AUT, a64.XPAC, a64.PACGA, a64.BRAUT, a64.BLRAUT, a64.RETAUT, a64.ERETAUT, a64.LDRAUT:
		return c.execPAC(in)
	}
	panic("BUG: operation without an implementation")
}

// moveSP executes the operations that set the stack pointer.
func (c *CPU) moveSP(in *a64.Inst) {
	rn, rm := c.X[in.Rn], c.X[in.Rm]
	var r uint64
	switch in.SPOp() {
	case a64.ADDi64:
		r = rn + in.Imm
	case a64.ADDi32:
		r = uint64(uint32(rn + in.Imm))
	case a64.ADDx64:
		r = rn + extended(rm, in.Opt)
	case a64.ADDx32:
		r = uint64(uint32(rn) + uint32(extended(rm, in.Opt)))
	case a64.SUBx64:
		r = rn - extended(rm, in.Opt)
	case a64.SUBx32:
		r = uint64(uint32(rn) - uint32(extended(rm, in.Opt)))
	case a64.ANDi64:
		r = rn & in.Imm
	case a64.ORRi64:
		r = rn | in.Imm
	case a64.ORRi32:
		r = uint64(uint32(rn | in.Imm))
	case a64.EORi64:
		r = rn ^ in.Imm
	case a64.EORi32:
		r = uint64(uint32(rn ^ in.Imm))
	case a64.MOVi:
		r = in.Imm
	}
	c.X[a64.SP] = r
	c.spChanged()
}

// waitFor executes WFI or WFE, unless SCTLR_EL1 (bit), HCR_EL2 or SCR_EL3 trap it.
func (c *CPU) waitFor(w wait, bit uint, hcr, scr uint64, ti uint64) bool {
	iss := uint64(1<<24 | 0xe<<20 | ti)
	switch {
	case w == waitInterrupt && (c.irq || c.fiq || c.virtualPending()):
		return true
	case c.el == 0 && c.sctlr()>>bit&1 == 0:
		c.syncException(c.syncTarget(), ecWFx, iss, c.PC)
		return false
	case c.el < 2 && c.el2() && c.sys.hcr&hcr != 0:
		c.syncException(2, ecWFx, iss, c.PC)
		return false
	case c.el < 3 && c.cfg.EL3 && !c.cfg.SMCIsCall && c.sys.scr&scr != 0:
		c.syncException(3, ecWFx, iss, c.PC)
		return false
	}
	c.PC += 4
	c.waiting = w
	c.check = true
	return false
}

func (c *CPU) hvc(in *a64.Inst) bool {
	switch {
	case c.el == 0:
		c.undefined()
	case c.cfg.HVCIsCall && !c.cfg.EL2 && in.Imm == 0 && c.el == 1:
		c.PC += 4
		if !c.cfg.Env.SecureMonitorCall(c, true) {
			c.PC -= 4
			c.undefined()
		}
		c.check = true
	case !c.cfg.EL2 || c.secure && c.el != 3 || c.cfg.EL3 && c.sys.scr&scrHCE == 0 || !c.cfg.EL3 && c.sys.hcr&hcrHCD != 0:
		c.undefined()
	default:
		c.ss = false
		c.syncException(max(c.el, 2), ecHVC, in.Imm, c.PC+4)
	}
	return false
}

func (c *CPU) smc(in *a64.Inst) bool {
	switch {
	case c.el == 0:
		c.undefined()
	case c.el == 1 && c.el2() && c.sys.hcr&hcrTSC != 0:
		c.syncException(2, ecSMC, in.Imm, c.PC)
	case c.cfg.SMCIsCall:
		if in.Imm != 0 {
			// SMCCC reserves other immediates (DEN 0028, 2.5): unknown function.
			c.X[0] = ^uint64(0)
			c.PC += 4
			return false
		}
		c.PC += 4
		if !c.cfg.Env.SecureMonitorCall(c, false) {
			c.PC -= 4
			c.undefined()
		}
		c.check = true
	case !c.cfg.EL3 || c.sys.scr&scrSMD != 0:
		c.undefined()
	default:
		c.ss = false
		c.syncException(3, ecSMC, in.Imm, c.PC+4)
	}
	return false
}

func (c *CPU) msrImmediate(in *a64.Inst) bool {
	v := uint8(in.Imm)
	minimum := uint8(1)
	switch in.Opt {
	case 3<<3 | 1: // SSBS
		c.ssbs = v&1 != 0
		return true
	case 3<<3 | 6, 3<<3 | 7: // DAIFSet, DAIFClr
		if c.el == 0 && c.sctlr()>>9&1 == 0 { // UMA
			key := a64.Sys(0, 3, 4, uint16(v), uint16(in.Opt&7))
			c.finish(accessTrap1, key, a64.ZR, false)
			return false
		}
		if in.Opt&7 == 6 {
			c.daif |= v
		} else {
			c.daif &^= v
			c.check = true
		}
		c.updateStep()
		return true
	}
	if c.el < minimum {
		c.undefined()
		return false
	}
	switch in.Opt {
	case 0<<3 | 3:
		c.uao = v&1 != 0
	case 0<<3 | 4:
		c.pan = v&1 != 0
		c.stateChanged()
	case 0<<3 | 5:
		c.setEL(c.el, v&1 != 0)
	}
	return true
}

// system executes the system instructions: cache and TLB maintenance, address translation.
func (c *CPU) system(key uint16, rt uint8) bool {
	switch a := c.systemInstruction(key, c.X[rt]); a {
	case accessOK:
	case accessTaken:
		return false
	default:
		c.finish(a, key, rt, false)
		return false
	}
	return true
}

func (c *CPU) systemInstruction(key uint16, v uint64) access {
	if c.el < minEL(key>>11&7) || key>>11&7 == 6 && !c.cfg.EL3 {
		return accessUndef
	}
	switch key {
	case sysICIVAU, sysDCCVAU, sysDCCVAC, sysDCCVAP, sysDCCVADP, sysDCCIVAC:
		if (key == sysDCCVAP || key == sysDCCVADP) && c.code.features&a64.DPB == 0 {
			return accessUndef
		}
		if c.el == 0 && c.sctlr()>>26&1 == 0 { // UCI
			return accessTrap1
		}
		if key == sysICIVAU || key == sysDCCVAU {
			return c.trapHCR(hcrTPU)
		}
		return c.trapHCR(hcrTPC) // nothing to do: memory is coherent for all masters and for instruction fetch
	case sysICIALLUIS, sysICIALLU:
		return c.trapHCR(hcrTPU)
	case sysDCIVAC:
		return c.trapHCR(hcrTPC)
	case sysDCISW, sysDCCSW, sysDCCISW:
		return c.trapHCR(hcrTSW)
	case sysATS1E1R:
		return c.at(v, 1, false, mmu.Read, false, false)
	case sysATS1E1W:
		return c.at(v, 1, false, mmu.Write, false, false)
	case sysATS1E0R:
		return c.at(v, 1, true, mmu.Read, false, false)
	case sysATS1E0W:
		return c.at(v, 1, true, mmu.Write, false, false)
	case sysATS1E1RP, sysATS1E1WP:
		if c.code.features&featPAN == 0 {
			return accessUndef
		}
		acc := mmu.Read
		if key == sysATS1E1WP {
			acc = mmu.Write
		}
		return c.at(v, 1, false, acc, c.pan, false)
	case sysATS1E2R, sysATS1E2W:
		if !c.el2Enabled() {
			return accessUndef
		}
		acc := mmu.Read
		if key == sysATS1E2W {
			acc = mmu.Write
		}
		return c.at(v, 2, false, acc, false, false)
	case sysATS12E1R:
		return c.at(v, 1, false, mmu.Read, false, true)
	case sysATS12E1W:
		return c.at(v, 1, false, mmu.Write, false, true)
	case sysATS12E0R:
		return c.at(v, 1, true, mmu.Read, false, true)
	case sysATS12E0W:
		return c.at(v, 1, true, mmu.Write, false, true)
	case sysATS1E3R:
		return c.at(v, 3, false, mmu.Read, false, false)
	case sysATS1E3W:
		return c.at(v, 3, false, mmu.Write, false, false)
	}
	if key>>7&15 == 8 {
		return c.tlbi(key, v)
	}
	return accessUndef
}

// at executes an address translation instruction for regime el: user for EL0's privilege, pan to apply PSTATE.PAN, both to
// translate through stage 2 as well. An external abort on the walk is an exception and no result, and so is at EL1 a stage 2 fault
// on the walk of stage 1 (D8.15).
func (c *CPU) at(va uint64, el uint8, user bool, acc mmu.Access, pan, both bool) access {
	var g mmu.Regime
	secure := el == 3 || c.secure && !(c.el == 3 && c.sys.scr&scrNS != 0)
	c.regime(el, secure, &g)
	g.Stage1Only = !both
	t, f, ok := mmu.Walk(c, &g, va, user, acc, pan)
	if !ok && (isExternal(f) || c.el == 1 && f.S1PTW) {
		c.walkAbort(va, mmu.Write, f, issCM)
		return accessTaken
	}
	c.sys.par = mmu.PAR(t, f, ok)
	return accessOK
}

// tlbi executes TLB maintenance. Invalidating more than was asked for is always allowed (D8.14.5); what names a page
// invalidates that page in every context, everything else invalidates all.
func (c *CPU) tlbi(key uint16, v uint64) access {
	crm, op2, op1 := key>>3&15, key&7, key>>11&7
	shareable := crm == 3 || crm == 0
	switch {
	case crm != 3 && crm != 7 && !(op1 == 4 && (crm == 0 || crm == 4)):
		return accessUndef
	case sysNames[key] == "":
		return accessUndef
	}
	switch key {
	case sysTLBIALLE2, sysTLBIALLE2IS, sysTLBIVAE2, sysTLBIVAE2IS, sysTLBIVALE2, sysTLBIVALE2IS:
		if !c.el2Enabled() {
			return accessUndef
		}
	}
	if a := c.trapHCR(hcrTTLB); a != accessOK {
		return a
	}
	byPage := op1 == 0 && (op2 == 1 || op2 == 3 || op2 == 5 || op2 == 7) || op1 != 0 && (crm == 3 || crm == 7) && (op2 == 1 || op2 == 5)
	va := uint64(int64(v<<20) >> 8) // VA[55:12]
	for _, o := range c.code.cpus {
		if o != c && !shareable && c.sys.hcr&hcrFB == 0 {
			continue
		}
		if byPage {
			o.invalidatePage(va)
		} else {
			o.flushTLB()
		}
	}
	return accessOK
}

// invalidatePage drops what a TLBI by address names. Entries stand for 4 KiB, whatever the granule and block size: an address
// where larger ones are in use may stand for any entry of the block, so that everything goes.
func (c *CPU) invalidatePage(va uint64) {
	if c.large[va>>55&1].holds(va) {
		c.flushTLB()
		return
	}
	c.flushPage(va)
}
