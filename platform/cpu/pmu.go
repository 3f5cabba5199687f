package cpu

// pmuState is the performance monitor (DDI 0487, D13): the cycle counter alone, one cycle an instruction.
type pmuState struct {
	pmcr, enable, overflow, inten, userenr, selr, filter uint64
	offset                                               uint64 // what the counter is ahead of retired while it counts
	stopped                                              uint64 // its value while it does not
}

const pmuCycle = 1 << 31 // the cycle counter's bit in the enable and overflow registers

func isPMU(key uint16) bool {
	crn, crm := key>>7&15, key>>3&15
	switch {
	case key>>14 != 3:
		return false
	case key>>11&7 == 3 && crn == 9 && crm >= 12 && crm <= 14:
		return true
	case key>>11&7 == 0 && crn == 9 && crm == 14:
		return true
	}
	return key>>11&7 == 3 && crn == 14 && crm >= 8
}

func (c *CPU) counting() bool { return c.pmu.pmcr&1 != 0 && c.pmu.enable&pmuCycle != 0 }

func (c *CPU) cycles() uint64 {
	if c.counting() {
		return c.now() + c.pmu.offset
	}
	return c.pmu.stopped
}

func (c *CPU) setCycles(v uint64) {
	c.pmu.stopped, c.pmu.offset = v, v-c.now()
}

func (c *CPU) pmuAccess(key uint16, write bool) access {
	if c.el == 0 {
		en := c.pmu.userenr
		ok := en&1 != 0
		switch key {
		case sysPMCCNTREL0:
			ok = ok || en>>2&1 != 0 && !write
		case sysPMSWINCEL0:
			ok = ok || en>>1&1 != 0
		case sysPMUSERENREL0:
			ok = !write
			if write {
				return accessUndef
			}
		}
		if !ok {
			return accessTrap1
		}
	}
	if c.el < 2 && c.el2() && c.sys.mdcr2>>6&1 != 0 { // TPM
		return accessTrap2
	}
	if c.el < 3 && c.cfg.EL3 && c.sys.mdcr3>>6&1 != 0 {
		return accessTrap3
	}
	return accessOK
}

func (c *CPU) readPMU(key uint16) (uint64, access) {
	if a := c.pmuAccess(key, false); a != accessOK {
		return 0, a
	}
	p := &c.pmu
	switch key {
	case sysPMCREL0:
		return p.pmcr | 1<<6, accessOK // LC; no event counters, no implementer code
	case sysPMCNTENSETEL0, sysPMCNTENCLREL0:
		return p.enable, accessOK
	case sysPMOVSCLREL0, sysPMOVSSETEL0:
		return p.overflow, accessOK
	case sysPMSELREL0:
		return p.selr, accessOK
	case sysPMCEID0EL0:
		return 1 << 0x11, accessOK // CPU_CYCLES
	case sysPMCEID1EL0:
		return 0, accessOK
	case sysPMCCNTREL0:
		return c.cycles(), accessOK
	case sysPMXEVTYPEREL0:
		if p.selr == 31 {
			return p.filter, accessOK
		}
		return 0, accessOK
	case sysPMXEVCNTREL0:
		return 0, accessOK
	case sysPMUSERENREL0:
		return p.userenr, accessOK
	case sysPMINTENSETEL1, sysPMINTENCLREL1:
		return p.inten, accessOK
	case sysPMCCFILTREL0:
		return p.filter, accessOK
	}
	return 0, accessUndef
}

func (c *CPU) writePMU(key uint16, v uint64) access {
	if a := c.pmuAccess(key, true); a != accessOK {
		return a
	}
	p := &c.pmu
	n := c.cycles()
	switch key {
	case sysPMCREL0:
		if v>>2&1 != 0 { // C
			n = 0
		}
		p.pmcr = v & (1 | 1<<3 | 1<<4 | 1<<5)
	case sysPMCNTENSETEL0:
		p.enable |= v & pmuCycle
	case sysPMCNTENCLREL0:
		p.enable &^= v & pmuCycle
	case sysPMOVSCLREL0:
		p.overflow &^= v & pmuCycle
	case sysPMOVSSETEL0:
		p.overflow |= v & pmuCycle
	case sysPMSWINCEL0:
	case sysPMSELREL0:
		p.selr = v & 31
	case sysPMCCNTREL0:
		n = v
	case sysPMXEVTYPEREL0:
		if p.selr == 31 {
			p.filter = v & 0xfc000000
		}
	case sysPMXEVCNTREL0:
	case sysPMUSERENREL0:
		p.userenr = v & 15
	case sysPMINTENSETEL1:
		p.inten |= v & pmuCycle
	case sysPMINTENCLREL1:
		p.inten &^= v & pmuCycle
	case sysPMCCFILTREL0:
		p.filter = v & 0xfc000000
	default:
		return accessUndef
	}
	c.setCycles(n)
	if c.cfg.GIC != nil {
		c.cfg.GIC.SetPPI(ppiPMU, p.overflow&p.inten != 0 && p.pmcr&1 != 0)
	}
	return accessOK
}
