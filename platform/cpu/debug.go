package cpu

// Debug registers (DDI 0487, D19.3). They hold what is written, as an operating system's save and restore of them needs;
// breakpoints, watchpoints and software step do not act. docs/limits.md says so.

func (c *CPU) debugAccess() access {
	if c.el < 2 && c.el2() && c.sys.mdcr2>>9&7 != 0 { // TDA, TDOSA, TDRA
		return accessTrap2
	}
	if c.el < 3 && c.cfg.EL3 && c.sys.mdcr3>>9&3 != 0 { // TDA, TDOSA
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
	if a := c.debugAccess(); a != accessOK {
		return 0, a
	}
	s := &c.sys
	if p := c.debugPair(key); p != nil {
		return *p, accessOK
	}
	switch key {
	case sysMDSCREL1:
		return s.mdscr, accessOK
	case sysMDCCINTEL1:
		return s.mdccint, accessOK
	case sysOSDTRRXEL1:
		return s.osdtrrx, accessOK
	case sysOSDTRTXEL1:
		return s.osdtrtx, accessOK
	case sysOSECCREL1:
		return s.oseccr, accessOK
	case sysOSLSREL1:
		return 1<<3 | s.oslock<<1, accessOK
	case sysOSDLREL1:
		return s.osdlr, accessOK
	case sysMDRAREL1, sysMDCCSREL0, sysDBGDTREL0, sysDBGDTRRXEL0, sysDBGPRCREL1, sysDBGVCR32EL2:
		if key == sysMDCCSREL0 || key == sysDBGDTREL0 || key == sysDBGDTRRXEL0 {
			if c.el == 0 && s.mdscr>>12&1 != 0 { // TDCC
				return 0, accessTrap1
			}
		}
		return 0, accessOK
	case sysDBGCLAIMSETEL1:
		return 0xff, accessOK
	case sysDBGCLAIMCLREL1:
		return s.dbgclaim, accessOK
	case sysDBGAUTHSTATUSEL1:
		return 0, accessOK
	}
	return 0, accessUndef
}

func (c *CPU) writeDebug(key uint16, v uint64) access {
	if a := c.debugAccess(); a != accessOK {
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
	case sysDBGPRCREL1, sysDBGDTREL0, sysDBGDTRRXEL0, sysDBGVCR32EL2:
	case sysDBGCLAIMSETEL1:
		s.dbgclaim |= v & 0xff
	case sysDBGCLAIMCLREL1:
		s.dbgclaim &^= v & 0xff
	default:
		return accessUndef
	}
	return accessOK
}
