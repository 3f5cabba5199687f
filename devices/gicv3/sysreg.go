package gicv3

// Reg is a system register: op0, op1, CRn, CRm and op2 packed as in bits 20 to 5 of MRS and MSR.
type Reg = uint16

// The system registers of the CPU interface (IHI 0069, 12.2).
const (
	ICC_PMR_EL1     Reg = 3<<14 | 4<<7 | 6<<3
	ICC_IAR0_EL1    Reg = 3<<14 | 12<<7 | 8<<3
	ICC_EOIR0_EL1   Reg = 3<<14 | 12<<7 | 8<<3 | 1
	ICC_HPPIR0_EL1  Reg = 3<<14 | 12<<7 | 8<<3 | 2
	ICC_BPR0_EL1    Reg = 3<<14 | 12<<7 | 8<<3 | 3
	ICC_AP0R0_EL1   Reg = 3<<14 | 12<<7 | 8<<3 | 4
	ICC_AP0R1_EL1   Reg = 3<<14 | 12<<7 | 8<<3 | 5
	ICC_AP0R2_EL1   Reg = 3<<14 | 12<<7 | 8<<3 | 6
	ICC_AP0R3_EL1   Reg = 3<<14 | 12<<7 | 8<<3 | 7
	ICC_AP1R0_EL1   Reg = 3<<14 | 12<<7 | 9<<3
	ICC_AP1R1_EL1   Reg = 3<<14 | 12<<7 | 9<<3 | 1
	ICC_AP1R2_EL1   Reg = 3<<14 | 12<<7 | 9<<3 | 2
	ICC_AP1R3_EL1   Reg = 3<<14 | 12<<7 | 9<<3 | 3
	ICC_DIR_EL1     Reg = 3<<14 | 12<<7 | 11<<3 | 1
	ICC_RPR_EL1     Reg = 3<<14 | 12<<7 | 11<<3 | 3
	ICC_SGI1R_EL1   Reg = 3<<14 | 12<<7 | 11<<3 | 5
	ICC_ASGI1R_EL1  Reg = 3<<14 | 12<<7 | 11<<3 | 6
	ICC_SGI0R_EL1   Reg = 3<<14 | 12<<7 | 11<<3 | 7
	ICC_IAR1_EL1    Reg = 3<<14 | 12<<7 | 12<<3
	ICC_EOIR1_EL1   Reg = 3<<14 | 12<<7 | 12<<3 | 1
	ICC_HPPIR1_EL1  Reg = 3<<14 | 12<<7 | 12<<3 | 2
	ICC_BPR1_EL1    Reg = 3<<14 | 12<<7 | 12<<3 | 3
	ICC_CTLR_EL1    Reg = 3<<14 | 12<<7 | 12<<3 | 4
	ICC_SRE_EL1     Reg = 3<<14 | 12<<7 | 12<<3 | 5
	ICC_IGRPEN0_EL1 Reg = 3<<14 | 12<<7 | 12<<3 | 6
	ICC_IGRPEN1_EL1 Reg = 3<<14 | 12<<7 | 12<<3 | 7
	ICC_SRE_EL2     Reg = 3<<14 | 4<<11 | 12<<7 | 9<<3 | 5
	ICC_CTLR_EL3    Reg = 3<<14 | 6<<11 | 12<<7 | 12<<3 | 4
	ICC_SRE_EL3     Reg = 3<<14 | 6<<11 | 12<<7 | 12<<3 | 5
	ICC_IGRPEN1_EL3 Reg = 3<<14 | 6<<11 | 12<<7 | 12<<3 | 7
)

// Fields of ICC_CTLR_EL1 and ICC_CTLR_EL3 (IHI 0069, 12.2).
const (
	ctlrCBPR    = 1 << 0
	ctlrEOImode = 1 << 1

	ctlr3CBPRS     = 1 << 0
	ctlr3CBPRNS    = 1 << 1
	ctlr3EOImode3  = 1 << 2
	ctlr3EOImodeS  = 1 << 3
	ctlr3EOImodeNS = 1 << 4

	// PRIbits is one less than the number of priority bits, IDbits 1 stands for 24-bit identifiers, A3V for support of Aff3.
	ctlrCommon = (priorityBits-1)<<8 | 1<<11 | 1<<15
)

// ICC_SRE_ELx (IHI 0069, 12.2): system register access cannot be turned off, there is no bypass, and lower
// levels may always access their own register.
const (
	sreFixed  = 7 // DIB, DFB, SRE
	sreEnable = 8
)

// intidMask selects an interrupt identifier of IDbits size.
const intidMask = 0xff_ffff

// Bits of SCR_EL3 and HCR_EL2 (DDI 0487, "General system control registers") that the CPU interface depends on.
const (
	scrNS  = 1 << 0
	scrIRQ = 1 << 1
	scrFIQ = 1 << 2
	hcrFMO = 1 << 3
	hcrIMO = 1 << 4
)

// SetRouting tells the values of SCR_EL3 and HCR_EL2, of which the interface looks at NS, IRQ, FIQ, FMO and IMO. A PE calls it
// after each change; one that lacks a register gives 0 for it.
func (c *CPUInterface) SetRouting(scr, hcr uint64) { c.scr, c.hcr = scr, hcr }

// access is what the registers have to know about the PE that accesses them.
type access struct {
	el int
	// secure selects the bank. At EL3 that is SCR_EL3.NS.
	secure bool
	// fiq and irq say that the interrupts are routed to EL3, fmo and imo that they are routed to EL2.
	fiq, irq, fmo, imo bool
}

func (c *CPUInterface) accessFrom(el int, secure bool) access {
	a := access{el: el, secure: secure, fiq: c.scr&scrFIQ != 0, irq: c.scr&scrIRQ != 0}
	if el == 3 {
		a.secure = c.scr&scrNS == 0
	}
	if !secure && el < 3 {
		a.fmo, a.imo = c.hcr&hcrFMO != 0, c.hcr&hcrIMO != 0
	}
	if !c.gic.cfg.TwoSecurityStates {
		a.secure = false
	}
	return a
}

// secureState says whether the PE is in secure state, which EL3 always is.
func (a access) secureState() bool { return a.el == 3 || a.secure }

// nonSecureView says whether priorities are seen in their non-secure view (IHI 0069, 4.8): to non-secure software the upper
// half of the priorities looks like all of them, unless it owns Group 0 too.
func (a access) nonSecureView() bool { return !a.secureState() && a.fiq }

func (a access) bank() int {
	if a.secure {
		return bankS
	}
	return bankNS
}

func (a access) group1() Group {
	if a.secure {
		return Group1S
	}
	return Group1NS
}

// lowestEL gives the lowest exception level that may access a register, as its op1 says.
func lowestEL(r Reg) int {
	switch r >> 11 & 7 {
	case 0:
		return 1
	case 4:
		return 2
	}
	return 3
}

// Trap gives the exception level, 2 or 3, that an access to r is trapped to (with ESR_ELx.EC 0x18), or 0 if it is not. el is the
// current exception level, 1 to 3, and secure the current security state. A PE asks before it accesses.
func (c *CPUInterface) Trap(r Reg, el int, secure bool) int {
	if el == 3 {
		return 0
	}
	a := c.accessFrom(el, secure)
	guest := el == 1 && !secure // ICH_HCR_EL2 comes before SCR_EL3
	var toEL2, toEL3 bool
	switch r {
	case ICC_IAR0_EL1, ICC_EOIR0_EL1, ICC_HPPIR0_EL1, ICC_BPR0_EL1, ICC_AP0R0_EL1, ICC_IGRPEN0_EL1:
		toEL2 = guest && c.virt.hcr&hcrTALL0 != 0
		toEL3 = a.fiq && !a.isVirtual(r)
	case ICC_IAR1_EL1, ICC_EOIR1_EL1, ICC_HPPIR1_EL1, ICC_BPR1_EL1, ICC_AP1R0_EL1, ICC_IGRPEN1_EL1:
		toEL2 = guest && c.virt.hcr&hcrTALL1 != 0
		toEL3 = a.irq && !a.isVirtual(r)
	case ICC_DIR_EL1:
		toEL2 = guest && c.virt.hcr&(hcrTDIR|hcrTC) != 0
		toEL3 = a.fiq && a.irq && !a.isVirtual(r)
	case ICC_PMR_EL1, ICC_RPR_EL1, ICC_CTLR_EL1:
		toEL2 = guest && c.virt.hcr&hcrTC != 0
		toEL3 = a.fiq && a.irq && !a.isVirtual(r)
	case ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1:
		toEL2 = guest && (a.fmo || a.imo || c.virt.hcr&hcrTC != 0)
		toEL3 = a.fiq && a.irq
	}
	switch {
	case toEL2:
		return 2
	case toEL3:
		return 3
	}
	return 0
}

// ReadSys reads a system register. el is the current exception level, 1 to 3, and secure the current security state. ok is
// false where the read is UNDEFINED. Reading ICC_IAR0_EL1 and ICC_IAR1_EL1 acknowledges.
func (c *CPUInterface) ReadSys(r Reg, el int, secure bool) (v uint64, ok bool) {
	if el < lowestEL(r) {
		return 0, false
	}
	a := c.accessFrom(el, secure)
	if a.isVirtual(r) {
		return c.readVirtual(r)
	}
	switch r {
	case ICC_IAR1_EL1:
		return uint64(c.readIAR(c.pendingGroup1(a))), true
	case ICC_IAR0_EL1:
		return uint64(c.readIAR(c.pendingGroup0(a))), true
	case ICC_HPPIR1_EL1:
		return uint64(c.pendingGroup1(a)), true
	case ICC_HPPIR0_EL1:
		return uint64(c.pendingGroup0(a)), true
	case ICC_PMR_EL1:
		return uint64(a.priorityView(c.pmr)), true
	case ICC_RPR_EL1:
		run := c.running()
		if run != idle {
			run = a.priorityView(run)
		}
		return uint64(run), true
	case ICC_BPR0_EL1:
		return uint64(c.bpr[Group0]), true
	case ICC_BPR1_EL1:
		return uint64(c.readBPR1(a)), true
	case ICC_AP0R0_EL1:
		return uint64(c.ap[Group0]), true
	case ICC_AP1R0_EL1:
		return uint64(c.ap[a.group1()]), true
	case ICC_CTLR_EL1:
		v = ctlrCommon
		if c.cbpr[a.bank()] {
			v |= ctlrCBPR
		}
		if c.eoimode[a.bank()] {
			v |= ctlrEOImode
		}
		return v, true
	case ICC_CTLR_EL3:
		return c.readCTLR3(), true
	case ICC_SRE_EL1:
		return sreFixed, true
	case ICC_SRE_EL2, ICC_SRE_EL3:
		return sreFixed | sreEnable, true
	case ICC_IGRPEN0_EL1:
		return uint64(c.enable >> Group0 & 1), true
	case ICC_IGRPEN1_EL1:
		return uint64(c.enable >> a.group1() & 1), true
	case ICC_IGRPEN1_EL3:
		return uint64(c.enable>>Group1NS&1 | c.enable>>Group1S&1<<1), true
	}
	return c.readHypervisor(r)
}

// WriteSys writes a system register; the parameters are those of ReadSys. It is false where the write is UNDEFINED.
func (c *CPUInterface) WriteSys(r Reg, v uint64, el int, secure bool) (ok bool) {
	if el < lowestEL(r) {
		return false
	}
	a := c.accessFrom(el, secure)
	if a.isVirtual(r) {
		return c.writeVirtual(r, v)
	}
	switch r {
	case ICC_EOIR1_EL1:
		c.endOfInterrupt(uint32(v&intidMask), false, a)
	case ICC_EOIR0_EL1:
		c.endOfInterrupt(uint32(v&intidMask), true, a)
	case ICC_DIR_EL1:
		c.writeDIR(uint32(v&intidMask), a)
	case ICC_PMR_EL1:
		c.writePMR(uint8(v), a)
	case ICC_BPR0_EL1:
		c.bpr[Group0] = max(uint8(v&7), minBPR)
		c.update()
	case ICC_BPR1_EL1:
		c.writeBPR1(uint8(v&7), a)
	case ICC_AP0R0_EL1:
		c.ap[Group0] = uint32(v)
		c.update()
	case ICC_AP1R0_EL1:
		c.writeAP1R(uint32(v), a)
	case ICC_SGI1R_EL1:
		if a.secureState() {
			c.sendSGI(v, Group1S, false)
		} else {
			c.sendSGI(v, Group1NS, true)
		}
	case ICC_ASGI1R_EL1:
		if a.secureState() {
			c.sendSGI(v, Group1NS, false)
		} else {
			c.sendSGI(v, Group1S, true)
		}
	case ICC_SGI0R_EL1:
		c.sendSGI(v, Group0, !a.secureState())
	case ICC_CTLR_EL1:
		c.eoimode[a.bank()] = v&ctlrEOImode != 0
		// With two security states CBPR belongs to ICC_CTLR_EL3.
		if c.gic.singleState() {
			c.cbpr[a.bank()] = v&ctlrCBPR != 0
			c.update()
		}
	case ICC_CTLR_EL3:
		c.cbpr = [2]bool{bankS: v&ctlr3CBPRS != 0, bankNS: v&ctlr3CBPRNS != 0}
		c.eoimode = [3]bool{bankS: v&ctlr3EOImodeS != 0, bankNS: v&ctlr3EOImodeNS != 0, bankEL3: v&ctlr3EOImode3 != 0}
		c.update()
	case ICC_SRE_EL1, ICC_SRE_EL2, ICC_SRE_EL3:
		// All implemented bits are fixed.
	case ICC_IGRPEN0_EL1:
		c.enableGroup(Group0, v&1 != 0)
	case ICC_IGRPEN1_EL1:
		c.enableGroup(a.group1(), v&1 != 0)
	case ICC_IGRPEN1_EL3:
		c.enableGroup(Group1NS, v&1 != 0)
		c.enableGroup(Group1S, v&2 != 0)
	default:
		return c.writeHypervisor(r, v)
	}
	return true
}

// pendingGroup1 gives what ICC_HPPIR1_EL1 reads: the highest priority pending interrupt if it is in Group 1 and the access may
// know of it, else 1023.
func (c *CPUInterface) pendingGroup1(a access) uint32 {
	switch c.best.group {
	case Group1S:
		if a.secureState() {
			return uint32(c.best.id)
		}
	case Group1NS:
		if a.el == 3 || !a.secure {
			return uint32(c.best.id)
		}
	}
	return spurious
}

// pendingGroup0 gives what ICC_HPPIR0_EL1 reads. EL3 learns which Group 1 is pending instead (IHI 0069, 2.2.1, INTIDs 1020
// and 1021).
func (c *CPUInterface) pendingGroup0(a access) uint32 {
	switch c.best.group {
	case Group0:
		if a.secureState() || c.gic.singleState() {
			return uint32(c.best.id)
		}
	case Group1S:
		if a.el == 3 {
			return pendingSecure
		}
	case Group1NS:
		if a.el == 3 {
			return pendingNonSecure
		}
	}
	return spurious
}

// readIAR acknowledges the highest priority pending interrupt if pend names it and it has sufficient priority.
func (c *CPUInterface) readIAR(pend uint32) uint32 {
	switch {
	case c.signal == noGroup:
		return spurious
	case pend >= pendingSecure:
		return pend
	}
	return c.acknowledge()
}

// priorityView gives a priority as the access sees it; secure ones look like 0 in the non-secure view.
func (a access) priorityView(p uint8) uint8 {
	if !a.nonSecureView() {
		return p
	}
	if p&nonSecureHalf == 0 {
		return 0
	}
	return p << 1
}

func (c *CPUInterface) writePMR(v uint8, a access) {
	if a.nonSecureView() {
		if c.pmr&nonSecureHalf == 0 {
			return // a mask in the secure half is not for non-secure software to lift
		}
		v = v>>1 | nonSecureHalf
	}
	c.pmr = v & priorityMask
	c.update()
}

// readBPR1 follows IHI 0069, 12.2: where a common binary point is in use, EL1 and EL2 see ICC_BPR0_EL1 (+ 1 if non-secure).
func (c *CPUInterface) readBPR1(a access) uint8 {
	if a.el < 3 && c.cbpr[a.bank()] {
		if a.secure {
			return c.bpr[Group0]
		}
		return min(c.bpr[Group0]+1, 7)
	}
	return c.bpr[a.group1()]
}

func (c *CPUInterface) writeBPR1(v uint8, a access) {
	switch {
	case a.el < 3 && c.cbpr[a.bank()]:
		if !a.secure {
			return
		}
		c.bpr[Group0] = max(v, minBPR)
	case a.secure:
		c.bpr[Group1S] = max(v, minBPR)
	default:
		c.bpr[Group1NS] = max(v, minBPR+1)
	}
	c.update()
}

func (c *CPUInterface) writeAP1R(v uint32, a access) {
	g := a.group1()
	if a.nonSecureView() {
		// Non-secure software may save, clear and restore its active priorities, but must not make up ones in the secure half,
		// which would hold back secure interrupts.
		v &= c.ap[g] | nonSecureLevels
	}
	c.ap[g] = v
	c.update()
}

func (c *CPUInterface) readCTLR3() uint64 {
	v := uint64(ctlrCommon)
	for _, f := range [...]struct {
		set bool
		bit uint64
	}{
		{c.cbpr[bankS], ctlr3CBPRS}, {c.cbpr[bankNS], ctlr3CBPRNS},
		{c.eoimode[bankEL3], ctlr3EOImode3}, {c.eoimode[bankS], ctlr3EOImodeS}, {c.eoimode[bankNS], ctlr3EOImodeNS},
	} {
		if f.set {
			v |= f.bit
		}
	}
	return v
}

func (c *CPUInterface) enableGroup(g Group, on bool) {
	e := c.enable &^ (1 << g)
	if on {
		e |= 1 << g
	}
	if e != c.enable {
		c.enable = e
		c.gic.choose()
		c.gic.rescanAll()
	}
}

// split says whether priority drop and deactivation are separate for the access (EOImode).
func (c *CPUInterface) split(a access) bool {
	if a.el == 3 {
		return c.eoimode[bankEL3]
	}
	return c.eoimode[a.bank()]
}

// endOfInterrupt is a write of ICC_EOIR0_EL1 or ICC_EOIR1_EL1 (IHI 0069, 4.1, 12.2). Identifiers that name no
// interrupt, and a register that does not fit the group of the running priority, have no effect.
func (c *CPUInterface) endOfInterrupt(id uint32, zero bool, a access) {
	w, bit := c.interrupt(id)
	if w == nil {
		return
	}
	g := c.runningGroup()
	var may bool
	switch g {
	case Group0:
		may = zero && (a.secureState() || c.gic.singleState())
	case Group1S:
		may = !zero && a.secureState()
	case Group1NS:
		may = !zero && (a.el == 3 || !a.secure)
	}
	if !may {
		return
	}
	c.drop(g)
	c.emit("END", id, g)
	// An identifier of another group than the one that ends is not what was acknowledged. It must not give non-secure
	// software a way to deactivate secure interrupts.
	if !c.split(a) && w.active&bit != 0 && c.gic.groupOf(w, id%32) == g {
		c.deactivate(id)
	} else {
		c.update()
	}
}

// writeDIR is a write of ICC_DIR_EL1 (IHI 0069, 12.2). It has no effect without EOImode, and on interrupts that the access may
// not deactivate: those routed to a higher exception level, and secure ones from non-secure state.
func (c *CPUInterface) writeDIR(id uint32, a access) {
	w, bit := c.interrupt(id)
	if w == nil || !c.split(a) || w.active&bit == 0 {
		return
	}
	g := c.gic.groupOf(w, id%32)
	routed := a.irq || a.el == 1 && a.imo
	if g == Group0 {
		routed = a.fiq || a.el == 1 && a.fmo
	}
	secure := !c.gic.singleState() && g != Group1NS
	if a.el == 3 || !routed && (a.secure || !secure) {
		c.deactivate(id)
	}
}

// Fields of ICC_SGI0R_EL1, ICC_SGI1R_EL1 and ICC_ASGI1R_EL1 (IHI 0069, 12.2).
const (
	sgiIRM        = 1 << 40
	sgiINTIDShift = 24
)

// sendSGI generates a software generated interrupt of a group.
func (c *CPUInterface) sendSGI(v uint64, group Group, nonSecure bool) {
	g := c.gic
	id := uint32(v >> sgiINTIDShift & 15)
	cluster := v>>48&0xff<<32 | v>>32&0xff<<16 | v>>16&0xff<<8
	for i := range g.cpus {
		t := &g.cpus[i]
		if v&sgiIRM != 0 {
			if t == c {
				continue
			}
		} else if aff0 := t.affinity & 0xff; t.affinity&^0xff != cluster || aff0 > 15 || v>>aff0&1 == 0 {
			continue
		}
		t.receiveSGI(id, group, nonSecure)
	}
}

// receiveSGI makes an SGI pending if the target's configuration and GICR_NSACR allow it (IHI 0069, "Forwarding an SGI to a
// target PE").
func (c *CPUInterface) receiveSGI(id uint32, group Group, nonSecure bool) {
	g := c.gic
	own := g.groupOf(&c.private, id)
	if g.singleState() {
		// ICC_SGI1R_EL1 generates interrupts of either group, the others those of Group 0 only.
		if group != Group1NS && own != Group0 {
			return
		}
	} else {
		// A request for secure Group 1 may generate a Group 0 interrupt too.
		if own != group && (group != Group1S || own != Group0) {
			return
		}
		if access := c.nsacr >> (2 * id) & 3; nonSecure && (own == Group0 && access < 1 || own == Group1S && access < 2) {
			return
		}
	}
	c.private.latch |= 1 << id
	c.rescan()
}
