package cpu

// accessible applies the rules that hold for many registers alike: the exception level that op1 asks for, and whether the
// level that a register belongs to exists.
func (c *CPU) accessible(key uint16) bool {
	op1 := key >> 11 & 7
	if c.el < minEL(op1) {
		return false
	}
	switch {
	case op1 == 6:
		return c.cfg.EL3
	}
	return true
}

// withoutEL2 says what EL3 finds in the place of a register of EL2 where there is no EL2: zero, but for the identification that
// VPIDR_EL2 and VMPIDR_EL2 would give, and registers that belong to EL1 (D19.2 and IHI 0069, 12.4, the configurations of each
// register).
func (c *CPU) withoutEL2(key uint16, write bool) (v uint64, a access, ok bool) {
	if c.cfg.EL2 || key>>14 != 3 || key>>11&7 != 4 {
		return 0, accessOK, false
	}
	switch key {
	case sysVPIDREL2:
		return c.cfg.Model.MIDR, accessOK, true
	case sysVMPIDREL2:
		return c.mpidr(), accessOK, true
	case sysSPEL1, sysSPSRirq, sysSPSRabt, sysSPSRund, sysSPSRfiq, sysDACR32EL2, sysIFSR32EL2, sysFPEXC32EL2, sysRVBAREL2, sysRMREL2:
		return 0, accessOK, false
	}
	if isGIC(key) {
		if c.cfg.GIC == nil {
			return 0, accessUndef, true
		}
		_, a := c.readGIC(key)
		if write && key>>3&15 == 11 && key&7 != 0 && key&7 != 7 { // ICH_VTR, MISR, EISR, ELRSR
			a = accessUndef
		}
		return 0, a, true
	}
	return 0, accessOK, sysNames[key] != ""
}

// readSys reads a system register.
func (c *CPU) readSys(key uint16) (uint64, access) {
	if !c.accessible(key) {
		return 0, accessUndef
	}
	if v, a, ok := c.withoutEL2(key, false); ok {
		return v, a
	}
	s := &c.sys
	el := int(c.el)
	// Encodings with op0 = 3, op1 = 0, CRn = 0 and CRm = 1 to 7 are the identification registers; those not assigned read as zero.
	if crm := key >> 3 & 15; key>>7 == 3<<7 && crm >= 1 && crm <= 7 {
		return c.idRegister(key), c.trapHCR(hcrTID3)
	}
	switch key {
	case sysMIDREL1:
		if el == 1 && c.el2() {
			return s.vpidr, accessOK
		}
		return c.cfg.Model.MIDR, accessOK
	case sysMPIDREL1:
		if el == 1 && c.el2() {
			return s.vmpidr, accessOK
		}
		return c.mpidr(), accessOK
	case sysREVIDREL1, sysAIDREL1:
		return 0, c.trapHCR(hcrTID1)
	case sysSCTLREL1:
		return s.sctlr[1], c.trapVM(true)
	case sysACTLREL1:
		return s.actlr[1], c.trapHCR(hcrTACR)
	case sysCPACREL1:
		return s.cpacr, c.trapCPAC(1)
	case sysTTBR0EL1:
		return s.ttbr0[1], c.trapVM(true)
	case sysTTBR1EL1:
		return s.ttbr1[1], c.trapVM(true)
	case sysTCREL1:
		return s.tcr[1], c.trapVM(true)
	case sysSPSREL1:
		return c.spsr[1], accessOK
	case sysELREL1:
		return c.elr[1], accessOK
	case sysSPEL0:
		if !c.spSel {
			return 0, accessUndef
		}
		return c.readSP(0), accessOK
	case sysSPSel:
		return b2u(c.spSel), accessOK
	case sysCurrentEL:
		return uint64(el) << 2, accessOK
	case sysPAN:
		if c.code.features&featPAN == 0 {
			return 0, accessUndef
		}
		return b2u(c.pan) << 22, accessOK
	case sysUAO:
		if c.code.features&featUAO == 0 {
			return 0, accessUndef
		}
		return b2u(c.uao) << 23, accessOK
	case sysAFSR0EL1:
		return s.afsr0[1], c.trapVM(true)
	case sysAFSR1EL1:
		return s.afsr1[1], c.trapVM(true)
	case sysESREL1:
		return s.esr[1], c.trapVM(true)
	case sysFAREL1:
		return s.far[1], c.trapVM(true)
	case sysPAREL1:
		return s.par, accessOK
	case sysMAIREL1:
		return s.mair[1], c.trapVM(true)
	case sysAMAIREL1:
		return s.amair[1], c.trapVM(true)
	case sysVBAREL1:
		return s.vbar[1], accessOK
	case sysRVBAREL1:
		if c.cfg.EL2 || c.cfg.EL3 {
			return 0, accessUndef
		}
		return 0, accessOK
	case sysRVBAREL2:
		if c.cfg.EL3 {
			return 0, accessUndef
		}
		return 0, accessOK
	case sysRVBAREL3:
		return 0, accessOK
	case sysISREL1:
		return c.isr(), accessOK
	case sysCONTEXTIDREL1:
		return s.contextidr, c.trapVM(true)
	case sysTPIDREL1:
		return s.tpidr[1], accessOK
	case sysCCSIDREL1:
		return c.ccsidr(), c.trapHCR(hcrTID2)
	case sysCLIDREL1:
		return c.cfg.Model.CLIDR, c.trapHCR(hcrTID2)
	case sysCSSELREL1:
		return s.csselr, c.trapHCR(hcrTID2)
	case sysCTREL0:
		if el == 0 && c.sctlr()>>15&1 == 0 {
			return 0, accessTrap1
		}
		return c.cfg.Model.CTR, c.trapHCR(hcrTID2)
	case sysDCZIDEL0:
		v := uint64(dczBlock)
		if c.trapZVA() != accessOK {
			v |= 1 << 4 // DZP
		}
		return v, accessOK
	case sysNZCV:
		return uint64(c.NZCV()), accessOK
	case sysDAIF:
		if el == 0 && c.sctlr()>>9&1 == 0 {
			return 0, accessTrap1
		}
		return uint64(c.daif) << 6, accessOK
	case sysSSBS:
		if c.code.features&featSSBS == 0 {
			return 0, accessUndef
		}
		return b2u(c.ssbs) << 12, accessOK
	case sysFPCR:
		return uint64(c.FPCR), c.trapFPStatus()
	case sysFPSR:
		return uint64(c.FPSR), c.trapFPStatus()
	case sysTPIDREL0:
		return s.tpidr[0], accessOK
	case sysTPIDRROEL0:
		return s.tpidrro, accessOK

	case sysVPIDREL2:
		return s.vpidr, accessOK
	case sysVMPIDREL2:
		return s.vmpidr, accessOK
	case sysSCTLREL2:
		return s.sctlr[2], accessOK
	case sysACTLREL2:
		return s.actlr[2], accessOK
	case sysHCREL2:
		return s.hcr, accessOK
	case sysMDCREL2:
		return s.mdcr2, accessOK
	case sysCPTREL2:
		return s.cptr2, c.trapCPAC(2)
	case sysHSTREL2:
		return s.hstr, accessOK
	case sysHACREL2:
		return s.hacr, accessOK
	case sysTTBR0EL2:
		return s.ttbr0[2], accessOK
	case sysTCREL2:
		return s.tcr[2], accessOK
	case sysVTTBREL2:
		return s.vttbr, accessOK
	case sysVTCREL2:
		return s.vtcr, accessOK
	case sysDACR32EL2:
		return s.dacr32, accessOK
	case sysIFSR32EL2:
		return s.ifsr32, accessOK
	case sysFPEXC32EL2:
		return s.fpexc32, c.trapFPStatus()
	case sysSPSREL2:
		return c.spsr[2], accessOK
	case sysELREL2:
		return c.elr[2], accessOK
	case sysSPEL1:
		return c.readSP(1), accessOK
	case sysSPSRirq:
		return s.spsrIrq, accessOK
	case sysSPSRabt:
		return s.spsrAbt, accessOK
	case sysSPSRund:
		return s.spsrUnd, accessOK
	case sysSPSRfiq:
		return s.spsrFiq, accessOK
	case sysAFSR0EL2:
		return s.afsr0[2], accessOK
	case sysAFSR1EL2:
		return s.afsr1[2], accessOK
	case sysESREL2:
		return s.esr[2], accessOK
	case sysFAREL2:
		return s.far[2], accessOK
	case sysHPFAREL2:
		return s.hpfar, accessOK
	case sysMAIREL2:
		return s.mair[2], accessOK
	case sysAMAIREL2:
		return s.amair[2], accessOK
	case sysVBAREL2:
		return s.vbar[2], accessOK
	case sysTPIDREL2:
		return s.tpidr[2], accessOK

	case sysSCTLREL3:
		return s.sctlr[3], accessOK
	case sysACTLREL3:
		return s.actlr[3], accessOK
	case sysSCREL3:
		return s.scr, accessOK
	case sysSDER32EL3:
		return s.sder, accessOK
	case sysCPTREL3:
		return s.cptr3, accessOK
	case sysMDCREL3:
		return s.mdcr3, accessOK
	case sysTTBR0EL3:
		return s.ttbr0[3], accessOK
	case sysTCREL3:
		return s.tcr[3], accessOK
	case sysSPSREL3:
		return c.spsr[3], accessOK
	case sysELREL3:
		return c.elr[3], accessOK
	case sysSPEL2:
		return c.readSP(2), accessOK
	case sysAFSR0EL3:
		return s.afsr0[3], accessOK
	case sysAFSR1EL3:
		return s.afsr1[3], accessOK
	case sysESREL3:
		return s.esr[3], accessOK
	case sysFAREL3:
		return s.far[3], accessOK
	case sysMAIREL3:
		return s.mair[3], accessOK
	case sysAMAIREL3:
		return s.amair[3], accessOK
	case sysVBAREL3:
		return s.vbar[3], accessOK
	case sysTPIDREL3:
		return s.tpidr[3], accessOK
	}
	switch {
	case isGIC(key):
		return c.readGIC(key)
	case key>>14 == 2:
		return c.readDebug(key)
	case isPACKey(key):
		v, a := c.pacKeyRegister(key)
		if a != accessOK {
			return 0, a
		}
		return *v, accessOK
	case key>>7&15 == 14 && !isPMU(key):
		return c.readTimer(key)
	case isPMU(key):
		return c.readPMU(key)
	case key>>7&15 == 11 || key>>7&15 == 15: // IMPLEMENTATION DEFINED (D18.3.1): QEMU's models and ours read as zero
		return 0, accessUndef
	}
	return 0, accessUndef
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// trapHCR applies bits of HCR_EL2 that trap accesses from EL1, and from EL0 where EL1 lets them through.
func (c *CPU) trapHCR(bits uint64) access {
	if c.el < 2 && c.el2() && c.sys.hcr&bits != 0 {
		return accessTrap2
	}
	return accessOK
}

// trapVM applies HCR_EL2.TRVM to reads and TVM to writes of the virtual memory control registers.
func (c *CPU) trapVM(read bool) access {
	if read {
		return c.trapHCR(hcrTRVM)
	}
	return c.trapHCR(hcrTVM)
}

// trapZVA applies SCTLR_EL1.DZE and HCR_EL2.TDZ to DC ZVA.
func (c *CPU) trapZVA() access {
	if c.el == 0 && c.sctlr()>>14&1 == 0 {
		return accessTrap1
	}
	return c.trapHCR(hcrTDZ)
}

// trapFPStatus applies the traps of floating point to its status and control registers.
func (c *CPU) trapFPStatus() access {
	if c.fpTrap {
		return accessFP
	}
	return accessOK
}

// trapCPAC applies CPTR_EL2.TCPAC and CPTR_EL3.TCPAC to CPACR_EL1 and, in register 2, CPTR_EL2.
func (c *CPU) trapCPAC(register int) access {
	const tcpac = 1 << 31
	switch {
	case register == 1 && c.el == 1 && c.el2() && c.sys.cptr2&tcpac != 0:
		return accessTrap2
	case c.el < 3 && c.sys.cptr3&tcpac != 0:
		return accessTrap3
	}
	return accessOK
}

// writeSys writes a system register.
func (c *CPU) writeSys(key uint16, v uint64) access {
	if !c.accessible(key) {
		return accessUndef
	}
	if _, a, ok := c.withoutEL2(key, true); ok {
		return a
	}
	s := &c.sys
	vm := func(p *uint64) access {
		a := c.trapVM(false)
		if a == accessOK {
			*p = v
		}
		return a
	}
	switch key {
	case sysSCTLREL1:
		if a := c.trapVM(false); a != accessOK {
			return a
		}
		c.writeSCTLR(1, v)
	case sysACTLREL1:
		return c.trapHCR(hcrTACR) // no bits are implemented
	case sysACTLREL2, sysACTLREL3:
	case sysCPACREL1:
		if a := c.trapCPAC(1); a != accessOK {
			return a
		}
		s.cpacr = v & (3<<20 | 1<<28)
		c.stateChanged()
	case sysTTBR0EL1:
		if a := vm(&s.ttbr0[1]); a != accessOK {
			return a
		}
		c.tableChanged()
	case sysTTBR1EL1:
		if a := vm(&s.ttbr1[1]); a != accessOK {
			return a
		}
		c.tableChanged()
	case sysTCREL1:
		old := s.tcr[1]
		if a := vm(&s.tcr[1]); a != accessOK {
			return a
		}
		if old != v {
			c.flushTLB()
		}
	case sysSPSREL1:
		c.spsr[1] = v & c.spsrBits()
	case sysELREL1:
		c.elr[1] = v
	case sysSPEL0:
		if !c.spSel {
			return accessUndef
		}
		c.writeSP(0, v)
	case sysSPSel:
		c.setEL(c.el, v&1 != 0)
	case sysPAN:
		if c.code.features&featPAN == 0 {
			return accessUndef
		}
		c.pan = v>>22&1 != 0
		c.stateChanged()
	case sysUAO:
		if c.code.features&featUAO == 0 {
			return accessUndef
		}
		c.uao = v>>23&1 != 0
	case sysAFSR0EL1:
		return vm(&s.afsr0[1])
	case sysAFSR1EL1:
		return vm(&s.afsr1[1])
	case sysESREL1:
		return vm(&s.esr[1])
	case sysFAREL1:
		return vm(&s.far[1])
	case sysPAREL1:
		s.par = v
	case sysMAIREL1:
		old := s.mair[1]
		if a := vm(&s.mair[1]); a != accessOK {
			return a
		}
		if old != v {
			c.flushTLB()
		}
	case sysAMAIREL1:
		return vm(&s.amair[1])
	case sysVBAREL1:
		s.vbar[1] = v &^ 0x7ff
	case sysCONTEXTIDREL1:
		return vm(&s.contextidr)
	case sysTPIDREL1:
		s.tpidr[1] = v
	case sysCSSELREL1:
		if a := c.trapHCR(hcrTID2); a != accessOK {
			return a
		}
		s.csselr = v & 15
	case sysNZCV:
		c.SetNZCV(uint32(v))
	case sysDAIF:
		if c.el == 0 && c.sctlr()>>9&1 == 0 {
			return accessTrap1
		}
		c.daif = uint8(v >> 6 & 15)
		c.check = true
		c.updateStep()
	case sysSSBS:
		if c.code.features&featSSBS == 0 {
			return accessUndef
		}
		c.ssbs = v>>12&1 != 0
	case sysFPCR:
		if a := c.trapFPStatus(); a != accessOK {
			return a
		}
		c.FPCR = uint32(v) & c.fpcrBits()
	case sysFPSR:
		if a := c.trapFPStatus(); a != accessOK {
			return a
		}
		c.FPSR = uint32(v) & fpsrMask
	case sysTPIDREL0:
		s.tpidr[0] = v
	case sysTPIDRROEL0:
		if c.el == 0 {
			return accessUndef
		}
		s.tpidrro = v

	case sysVPIDREL2:
		s.vpidr = v & 0xffffffff
	case sysVMPIDREL2:
		s.vmpidr = v
	case sysSCTLREL2:
		c.writeSCTLR(2, v)
	case sysHCREL2:
		mask := uint64(hcrMask)
		if c.code.features&featPAuth != 0 {
			mask |= hcrAPK | hcrAPI
		}
		s.hcr = v&mask | hcrRW
		if c.cfg.EL3 {
			s.hcr &^= hcrHCD // RES0: SCR_EL3.HCE is in its place
		}
		c.flushTLB()
		c.stateChanged()
	case sysMDCREL2:
		s.mdcr2 = v & 0xfff
		c.updateStep()
	case sysCPTREL2:
		if a := c.trapCPAC(2); a != accessOK {
			return a
		}
		s.cptr2 = v&(1<<31|1<<20|1<<10) | 0x33ff&^(1<<10)
		c.stateChanged()
	case sysHSTREL2:
		s.hstr = v
	case sysHACREL2:
		s.hacr = v
	case sysTTBR0EL2:
		s.ttbr0[2] = v
		c.tableChanged()
	case sysTCREL2:
		s.tcr[2] = v
		c.flushTLB()
	case sysVTTBREL2:
		s.vttbr = v
		c.tableChanged()
	case sysVTCREL2:
		s.vtcr = v
		c.flushTLB()
	case sysDACR32EL2:
		s.dacr32 = v & 0xffffffff
	case sysIFSR32EL2:
		s.ifsr32 = v & 0xffffffff
	case sysFPEXC32EL2:
		if a := c.trapFPStatus(); a != accessOK {
			return a
		}
		s.fpexc32 = v & 0xffffffff
	case sysSPSREL2:
		c.spsr[2] = v & c.spsrBits()
	case sysELREL2:
		c.elr[2] = v
	case sysSPEL1:
		c.writeSP(1, v)
	case sysSPSRirq:
		s.spsrIrq = v & 0xffffffff
	case sysSPSRabt:
		s.spsrAbt = v & 0xffffffff
	case sysSPSRund:
		s.spsrUnd = v & 0xffffffff
	case sysSPSRfiq:
		s.spsrFiq = v & 0xffffffff
	case sysAFSR0EL2:
		s.afsr0[2] = v
	case sysAFSR1EL2:
		s.afsr1[2] = v
	case sysESREL2:
		s.esr[2] = v
	case sysFAREL2:
		s.far[2] = v
	case sysHPFAREL2:
		s.hpfar = v
	case sysMAIREL2:
		s.mair[2] = v
		c.flushTLB()
	case sysAMAIREL2:
		s.amair[2] = v
	case sysVBAREL2:
		s.vbar[2] = v &^ 0x7ff
	case sysTPIDREL2:
		s.tpidr[2] = v

	case sysSCTLREL3:
		c.writeSCTLR(3, v)
	case sysSCREL3:
		mask := uint64(scrMask)
		if c.code.features&featPAuth != 0 {
			mask |= scrAPK | scrAPI
		}
		s.scr = v&mask | 3<<4
		if !c.cfg.EL2 {
			s.scr &^= scrHCE
		}
		c.flushTLB()
		c.stateChanged()
	case sysSDER32EL3:
		s.sder = v & 3
	case sysCPTREL3:
		s.cptr3 = v & (1<<31 | 1<<20 | 1<<10)
		c.stateChanged()
	case sysMDCREL3:
		s.mdcr3 = v & 0xffffffff
		c.updateStep()
	case sysTTBR0EL3:
		s.ttbr0[3] = v
		c.tableChanged()
	case sysTCREL3:
		s.tcr[3] = v
		c.flushTLB()
	case sysSPSREL3:
		c.spsr[3] = v & c.spsrBits()
	case sysELREL3:
		c.elr[3] = v
	case sysSPEL2:
		c.writeSP(2, v)
	case sysAFSR0EL3:
		s.afsr0[3] = v
	case sysAFSR1EL3:
		s.afsr1[3] = v
	case sysESREL3:
		s.esr[3] = v
	case sysFAREL3:
		s.far[3] = v
	case sysMAIREL3:
		s.mair[3] = v
		c.flushTLB()
	case sysAMAIREL3:
		s.amair[3] = v
	case sysVBAREL3:
		s.vbar[3] = v &^ 0x7ff
	case sysTPIDREL3:
		s.tpidr[3] = v
	default:
		switch {
		case isGIC(key):
			return c.writeGIC(key, v)
		case key>>14 == 2:
			return c.writeDebug(key, v)
		case isPACKey(key):
			p, a := c.pacKeyRegister(key)
			if a == accessOK {
				*p = v
			}
			return a
		case isPMU(key):
			return c.writePMU(key, v)
		case key>>7&15 == 14:
			return c.writeTimer(key, v)
		}
		return accessUndef
	}
	return accessOK
}

const (
	// spsrMask are bits of SPSR_ELx that every model has: those of PSTATE in AArch64, and M[4].
	spsrMask = 0xf0f013df | 1<<1
	fpcrMask = 1<<26 | 1<<25 | 1<<24 | 3<<22 // AHP, DN, FZ, RMode
	fpcrFZ16 = 1 << 19
	fpsrMask = 0xf800009f // NZCV of AArch32, QC, IDC, IXC, UFC, OFC, DZC, IOC
	hcrMask  = 1<<34 - 1  // Armv8.0: up to ID
	scrMask  = scrNS | scrIRQ | scrFIQ | scrEA | scrSMD | scrHCE | 1<<9 | scrRW | scrST | scrTWI | scrTWE
)

// spsrBits are the bits of SPSR_ELx that hold what is written.
func (c *CPU) spsrBits() uint64 {
	if c.code.features&featBTI != 0 {
		return spsrMask | 3<<10
	}
	return spsrMask
}

// fpcrBits are the bits of FPCR that hold what is written.
func (c *CPU) fpcrBits() uint32 {
	if c.code.features&featFP16 != 0 {
		return fpcrMask | fpcrFZ16
	}
	return fpcrMask
}

// tableChanged follows a write to a translation table base register. Entries of other ASIDs stay; a new base with the same ASID
// takes effect when software invalidates, as the architecture has it.
func (c *CPU) tableChanged() {
	c.forgetASIDs()
	c.updateContext()
	c.check = true
}

// isGIC reports whether key belongs to the GIC's CPU interface: ICC_*, ICV_* and ICH_* (IHI 0069, 12.1).
func isGIC(key uint16) bool {
	op1, crn, crm := key>>11&7, key>>7&15, key>>3&15
	switch {
	case key>>14 != 3:
		return false
	case key == sysICCPMREL1:
		return true
	case crn == 12 && (op1 == 0 || op1 == 6) && crm >= 8 && crm <= 12:
		return true
	case crn == 12 && op1 == 4 && crm >= 8:
		return true
	}
	return false
}

// trapGIC asks the interface whether an access is trapped.
func (c *CPU) trapGIC(key uint16) access {
	switch c.cfg.GIC.Trap(key, int(c.el), c.secure) {
	case 2:
		return accessTrap2
	case 3:
		if !c.cfg.SMCIsCall { // no guest is there to take it
			return accessTrap3
		}
	}
	return accessOK
}

func (c *CPU) readGIC(key uint16) (uint64, access) {
	if c.cfg.GIC == nil {
		return 0, accessUndef
	}
	switch key {
	case sysICCEOIR0EL1, sysICCEOIR1EL1, sysICCDIREL1, sysICCSGI0REL1, sysICCSGI1REL1, sysICCASGI1REL1:
		return 0, accessUndef // write-only
	}
	if a := c.trapGIC(key); a != accessOK {
		return 0, a
	}
	v, ok := c.cfg.GIC.ReadSys(key, int(c.el), c.secure)
	c.check = true
	if !ok {
		return 0, accessUndef
	}
	return v, accessOK
}

func (c *CPU) writeGIC(key uint16, v uint64) access {
	if c.cfg.GIC == nil {
		return accessUndef
	}
	switch key {
	case sysICCIAR0EL1, sysICCIAR1EL1, sysICCHPPIR0EL1, sysICCHPPIR1EL1, sysICCRPREL1:
		return accessUndef // read-only
	}
	if a := c.trapGIC(key); a != accessOK {
		return a
	}
	c.check = true
	if !c.cfg.GIC.WriteSys(key, v, int(c.el), c.secure) {
		return accessUndef
	}
	return accessOK
}
