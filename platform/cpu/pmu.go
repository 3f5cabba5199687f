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

// pmuAccess decides an access to one of the registers that exist.
func (c *CPU) pmuAccess(key uint16, write bool) access {
	if c.el == 0 {
		en := c.pmu.userenr
		ok := en&1 != 0 // EN
		switch key {
		case sysPMCCNTREL0:
			ok = ok || en>>2&1 != 0 && !write // CR
		case sysPMSWINCEL0:
			ok = ok || en>>1&1 != 0 // SW
		case sysPMSELREL0:
			ok = ok || en>>3&1 != 0 // ER
		case sysPMXEVCNTREL0:
			ok = ok || en>>3&1 != 0 && !write
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
	trap := uint64(mdcrTPM)
	if key == sysPMCREL0 {
		trap |= mdcrTPMCR
	}
	if c.el < 2 && c.el2() && c.sys.mdcr2&trap != 0 {
		return accessTrap2
	}
	if c.el < 3 && c.cfg.EL3 && c.sys.mdcr3&mdcrTPM != 0 {
		return accessTrap3
	}
	return accessOK
}

func (c *CPU) readPMU(key uint16) (uint64, access) {
	v, ok := c.pmuValue(key)
	if !ok {
		return 0, accessUndef
	}
	return v, c.pmuAccess(key, false)
}

// pmuValue gives the value of a register that can be read.
func (c *CPU) pmuValue(key uint16) (v uint64, ok bool) {
	p := &c.pmu
	switch key {
	case sysPMCREL0:
		return p.pmcr | 1<<6, true // LC; no event counters, no implementer code
	case sysPMCNTENSETEL0, sysPMCNTENCLREL0:
		return p.enable, true
	case sysPMOVSCLREL0, sysPMOVSSETEL0:
		return p.overflow, true
	case sysPMSELREL0:
		return p.selr, true
	case sysPMCEID0EL0:
		return 1 << 0x11, true // CPU_CYCLES
	case sysPMCEID1EL0:
		return 0, true
	case sysPMCCNTREL0:
		return c.cycles(), true
	case sysPMXEVTYPEREL0:
		if p.selr == 31 {
			return p.filter, true
		}
		return 0, true
	case sysPMXEVCNTREL0:
		return 0, true
	case sysPMUSERENREL0:
		return p.userenr, true
	case sysPMINTENSETEL1, sysPMINTENCLREL1:
		return p.inten, true
	case sysPMCCFILTREL0:
		return p.filter, true
	}
	return 0, false
}

func (c *CPU) writePMU(key uint16, v uint64) access {
	switch _, ok := c.pmuValue(key); {
	case !ok && key != sysPMSWINCEL0, key == sysPMCEID0EL0, key == sysPMCEID1EL0:
		return accessUndef
	}
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
	}
	c.setCycles(n)
	if c.cfg.GIC != nil {
		c.cfg.GIC.SetPPI(ppiPMU, p.overflow&p.inten != 0 && p.pmcr&1 != 0)
	}
	return accessOK
}
