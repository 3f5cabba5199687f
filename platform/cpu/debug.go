package cpu

// Debug registers (DDI 0487, D19.3). They hold what is written, as an operating system's save and restore of them needs;
// breakpoints, watchpoints and software step do not act. docs/limits.md says so.

// MDCR_EL2 and MDCR_EL3 (D19.3): traps of debug registers and of the PMU.
const (
	mdcrTPMCR = 1 << 5 // MDCR_EL2 only, as TDE and TDRA
	mdcrTPM   = 1 << 6
	mdcrTDE   = 1 << 8
	mdcrTDA   = 1 << 9
	mdcrTDOSA = 1 << 10
	mdcrTDRA  = 1 << 11
)

// debugAccess decides an access to one of the registers that exist.
func (c *CPU) debugAccess(key uint16) access {
	if c.el == 0 && c.sys.mdscr>>12&1 != 0 { // TDCC
		return accessTrap1
	}
	el2, el3 := uint64(mdcrTDA), uint64(mdcrTDA)
	switch key {
	case sysMDRAREL1:
		el2 = mdcrTDRA
	case sysOSLAREL1, sysOSLSREL1, sysOSDLREL1, sysDBGPRCREL1:
		el2, el3 = mdcrTDOSA, mdcrTDOSA
	}
	// MDCR_EL2.TDE and HCR_EL2.TGE count as all of its traps.
	if c.el < 2 && c.el2() && (c.sys.mdcr2&(el2|mdcrTDE) != 0 || c.tge()) {
		return accessTrap2
	}
	if c.el < 3 && c.cfg.EL3 && c.sys.mdcr3&el3 != 0 {
		return accessTrap3
	}
	return accessOK
}

// breakpoints and watchpoints that ID_AA64DFR0_EL1 states.
const (
	breakpoints = 6
	watchpoints = 4
)

func (c *CPU) debugPair(key uint16) *uint64 {
	n := key >> 3 & 15
	if key>>7&15 != 0 || key>>11&7 != 0 {
		return nil
	}
	switch {
	case key&7 == 4 && n < breakpoints:
		return &c.sys.bvr[n]
	case key&7 == 5 && n < breakpoints:
		return &c.sys.bcr[n]
	case key&7 == 6 && n < watchpoints:
		return &c.sys.wvr[n]
	case key&7 == 7 && n < watchpoints:
		return &c.sys.wcr[n]
	}
	return nil
}

func (c *CPU) readDebug(key uint16) (uint64, access) {
	v, ok := c.debugValue(key)
	if !ok {
		return 0, accessUndef
	}
	return v, c.debugAccess(key)
}

// debugValue gives the value of a register that can be read.
func (c *CPU) debugValue(key uint16) (v uint64, ok bool) {
	s := &c.sys
	if p := c.debugPair(key); p != nil {
		return *p, true
	}
	switch key {
	case sysMDSCREL1:
		return s.mdscr, true
	case sysMDCCINTEL1:
		return s.mdccint, true
	case sysOSDTRRXEL1:
		return s.osdtrrx, true
	case sysOSDTRTXEL1:
		return s.osdtrtx, true
	case sysOSECCREL1:
		return s.oseccr, true
	case sysOSLSREL1:
		return 1<<3 | s.oslock<<1, true
	case sysOSDLREL1:
		return s.osdlr, true
	case sysMDRAREL1, sysMDCCSREL0, sysDBGDTREL0, sysDBGDTRRXEL0, sysDBGPRCREL1, sysDBGVCR32EL2:
		return 0, true
	case sysDBGCLAIMSETEL1:
		return 0xff, true
	case sysDBGCLAIMCLREL1:
		return s.dbgclaim, true
	case sysDBGAUTHSTATUSEL1:
		return 0, true
	}
	return 0, false
}

func (c *CPU) writeDebug(key uint16, v uint64) access {
	_, ok := c.debugValue(key)
	switch key {
	case sysOSLAREL1:
		ok = true
	case sysOSLSREL1, sysMDRAREL1, sysMDCCSREL0, sysDBGAUTHSTATUSEL1:
		ok = false
	}
	if !ok {
		return accessUndef
	}
	if a := c.debugAccess(key); a != accessOK {
		return a
	}
	s := &c.sys
	if p := c.debugPair(key); p != nil {
		*p = v
		if key&1 != 0 {
			*p &= 0xffffffff
		}
		return accessOK
	}
	switch key {
	case sysMDSCREL1:
		s.mdscr = v & 0xffffffff
	case sysMDCCINTEL1:
		s.mdccint = v & (3 << 29)
	case sysOSDTRRXEL1:
		s.osdtrrx = v & 0xffffffff
	case sysOSDTRTXEL1:
		s.osdtrtx = v & 0xffffffff
	case sysOSECCREL1:
		s.oseccr = v & 0xffffffff
	case sysOSLAREL1:
		s.oslock = v & 1
	case sysOSDLREL1:
		s.osdlr = v & 1
	case sysDBGCLAIMSETEL1:
		s.dbgclaim |= v & 0xff
	case sysDBGCLAIMCLREL1:
		s.dbgclaim &^= v & 0xff
	}
	return accessOK
}
