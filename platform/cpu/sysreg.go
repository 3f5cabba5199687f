package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/event"
)

// SCR_EL3 (DDI 0487, D19.2.120).
const (
	scrNS  = 1 << 0
	scrIRQ = 1 << 1
	scrFIQ = 1 << 2
	scrEA  = 1 << 3
	scrSMD = 1 << 7
	scrHCE = 1 << 8
	scrRW  = 1 << 10
	scrST  = 1 << 11
	scrTWI = 1 << 12
	scrTWE = 1 << 13
	scrAPK = 1 << 16
	scrAPI = 1 << 17
)

// HCR_EL2 (D19.2.50).
const (
	hcrVM   = 1 << 0
	hcrFMO  = 1 << 3
	hcrIMO  = 1 << 4
	hcrAMO  = 1 << 5
	hcrVF   = 1 << 6
	hcrVI   = 1 << 7
	hcrVSE  = 1 << 8
	hcrFB   = 1 << 9
	hcrDC   = 1 << 12
	hcrTWI  = 1 << 13
	hcrTWE  = 1 << 14
	hcrTID1 = 1 << 16
	hcrTID2 = 1 << 17
	hcrTID3 = 1 << 18
	hcrTSC  = 1 << 19
	hcrTACR = 1 << 21
	hcrTSW  = 1 << 22
	hcrTPC  = 1 << 23
	hcrTPU  = 1 << 24
	hcrTTLB = 1 << 25
	hcrTVM  = 1 << 26
	hcrTGE  = 1 << 27
	hcrTDZ  = 1 << 28
	hcrHCD  = 1 << 29
	hcrTRVM = 1 << 30
	hcrRW   = 1 << 31
	hcrE2H  = 1 << 34
	hcrAPK  = 1 << 40
	hcrAPI  = 1 << 41
)

const (
	featPAN   = a64.PAN
	featUAO   = a64.UAO
	featSSBS  = a64.SSBS
	featFP16  = a64.FP16
	featPAuth = a64.PAuth
	featBTI   = a64.BTI
)

// sysRegs are the system registers that hold state. Arrays are by exception level; entry 0 is used where EL0 has a register.
type sysRegs struct {
	sctlr, tcr, ttbr0, ttbr1, mair, amair [4]uint64
	esr, far, vbar, afsr0, afsr1, tpidr   [4]uint64
	actlr                                 [4]uint64
	cpacr, cptr2, cptr3                   uint64
	contextidr, tpidrro, par, csselr      uint64
	scr, hcr, vtcr, vttbr, hpfar          uint64
	mdcr2, mdcr3, hstr, hacr, sder        uint64
	vpidr, vmpidr                         uint64
	mdscr, oslock, osdlr, mdccint         uint64
	osdtrrx, osdtrtx, oseccr, dbgclaim    uint64
	bvr, bcr, wvr, wcr                    [16]uint64
	spsrAbt, spsrUnd, spsrIrq, spsrFiq    uint64
	dacr32, ifsr32, fpexc32               uint64
	keys                                  [5]pacKey
}

// SCTLR_ELx: reset values with the RES1 bits of Armv8.0 (D19.2.129).
const (
	sctlr1Reset = 0x30d00800
	sctlr2Reset = 0x30c50830
)

func (c *CPU) resetSys() {
	c.sys = sysRegs{oslock: 1}
	c.sys.sctlr = [4]uint64{0, sctlr1Reset, sctlr2Reset, sctlr2Reset}
	c.sys.vpidr, c.sys.vmpidr = c.cfg.Model.MIDR, c.mpidr()
	c.sys.cptr2 = 0x33ff
	if c.cfg.EL3 {
		c.sys.scr = 3 << 4 // RES1
	}
}

func (c *CPU) mpidr() uint64 { return 1<<31 | c.cfg.MPIDR }

// sctlrWritable are the bits of SCTLR_ELx that hold what is written: M A C SA SA0 CP15BEN nAA SED UMA I DZE UCT nTWI nTWE WXN
// SPAN UCI and, with FEAT_SSBS, DSSBS. EE and E0E are fixed: data is little-endian.
const (
	sctlr1Bits = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<9 | 1<<12 | 1<<14 | 1<<15 | 1<<16 | 1<<18 | 1<<19 | 1<<23 | 1<<26 | 1<<44
	sctlr2Bits = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<12 | 1<<19 | 1<<44
)

func (c *CPU) writeSCTLR(el int, v uint64) {
	mask, res1 := uint64(sctlr1Bits), uint64(0x30500800)
	if el > 1 {
		mask, res1 = sctlr2Bits, sctlr2Reset
	}
	if c.code.features&featPAN == 0 && el == 1 {
		mask, res1 = mask&^(1<<23), res1|1<<23
	}
	if c.code.features&featSSBS == 0 {
		mask &^= 1 << 44
	}
	if c.code.features&featPAuth != 0 {
		mask |= sctlrEnIA | sctlrEnIB | sctlrEnDA | sctlrEnDB
	}
	if c.code.features&featBTI != 0 {
		mask |= sctlrBT
		if el == 1 {
			mask |= sctlrBT0
		}
	}
	v = v&mask | res1
	if c.sys.sctlr[el] == v {
		return
	}
	c.sys.sctlr[el] = v
	c.flushTLB()
	c.stateChanged()
}

// updateFPTrap computes whether floating point is trapped (CPACR_EL1.FPEN, CPTR_EL2.TFP, CPTR_EL3.TFP).
func (c *CPU) updateFPTrap() { c.fpTrap = c.fpTarget() != 0 }

// fpTarget gives the exception level that a floating-point instruction is trapped to, or 0.
func (c *CPU) fpTarget() uint8 {
	if c.el < 2 && !(c.tge() && c.sysE2HTGE()) {
		switch c.sys.cpacr >> 20 & 3 {
		case 0, 2:
			return 1
		case 1:
			if c.el == 0 {
				return 1
			}
		}
	}
	if c.el < 3 && c.el2() && c.sys.cptr2>>10&1 != 0 {
		return 2
	}
	if c.cfg.EL3 && c.sys.cptr3>>10&1 != 0 {
		return 3
	}
	return 0
}

// trapFP takes the exception for a floating-point instruction that is trapped. What CPACR_EL1 traps while HCR_EL2.TGE is set goes
// to EL2 for an unknown reason (AArch64.AdvSIMDFPAccessTrap).
func (c *CPU) trapFP() {
	t := c.fpTarget()
	if t == 1 && c.tge() {
		c.syncException(2, ecUnknown, 0, c.PC)
		return
	}
	c.syncException(t, ecFP, 1<<24|0xe<<20, c.PC)
}

// access is how a system register instruction ended.
type access uint8

const (
	accessOK    access = iota
	accessUndef        // UNDEFINED
	accessTrap1        // trapped to EL1 (or EL2 with TGE)
	accessTrap2        // trapped to EL2
	accessTrap3        // trapped to EL3
	accessFP           // trapped as an instruction that uses the V registers
	accessTaken        // the exception has been taken
)

// sysISS is the syndrome of a trapped MSR, MRS or system instruction (D19.2.37, EC 0x18).
func sysISS(key uint16, rt uint8, read bool) uint64 {
	op0, op1, crn, crm, op2 := uint64(key>>14), uint64(key>>11&7), uint64(key>>7&15), uint64(key>>3&15), uint64(key&7)
	if rt > 31 {
		rt = 31
	}
	iss := op0<<20 | op2<<17 | op1<<14 | crn<<10 | uint64(rt)<<5 | crm<<1
	if read {
		iss |= 1
	}
	return iss
}

// finish turns an access that did not succeed into its exception.
func (c *CPU) finish(a access, key uint16, rt uint8, read bool) {
	switch a {
	case accessUndef:
		c.reportSys(key, read)
		c.undefined()
	case accessTrap1:
		t := c.syncTarget()
		c.syncException(max(t, 1), ecSys, sysISS(key, rt, read), c.PC)
	case accessTrap2:
		c.syncException(2, ecSys, sysISS(key, rt, read), c.PC)
	case accessTrap3:
		c.syncException(3, ecSys, sysISS(key, rt, read), c.PC)
	case accessFP:
		c.trapFP()
	}
}

func (c *CPU) reportSys(key uint16, read bool) {
	w := uint32(0xd5000000) | uint32(key)<<5
	if read {
		w |= 1 << 21
	}
	if c.cfg.Events.On(event.Unimp) {
		c.cfg.Events.Emit(&event.Event{Time: c.clock.Now(), Category: event.Unimp, Secure: c.secure, Source: c.source(), Name: "system register undefined",
			Fields: []event.Field{event.Str("register", SysName(key)), event.Hex("pc", c.PC), event.Dec("el", uint64(c.el))}})
	}
	// A register that exists and is only out of reach here is no news: operating systems emulate reads of identification
	// registers at EL0 that way.
	if _, known := sysNames[key]; !known {
		c.cfg.Env.Undefined(c, w)
	}
}

// minEL is the lowest exception level that op1 lets in (D18.2, Table D18-1).
func minEL(op1 uint16) uint8 {
	switch op1 {
	case 0, 1, 2:
		return 1
	case 3:
		return 0
	case 4, 5:
		return 2
	case 6:
		return 3
	}
	return 1 // 7: Secure EL1
}
