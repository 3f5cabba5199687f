package gicv3

import "math/bits"

// The hypervisor's control registers of the virtual CPU interface (IHI 0069, 12.4). There is one ICH_LR<n>_EL2
// for each list register, with op2 counting up.
const (
	ICH_AP0R0_EL2 Reg = 3<<14 | 4<<11 | 12<<7 | 8<<3
	ICH_AP1R0_EL2 Reg = 3<<14 | 4<<11 | 12<<7 | 9<<3
	ICH_HCR_EL2   Reg = 3<<14 | 4<<11 | 12<<7 | 11<<3
	ICH_VTR_EL2   Reg = 3<<14 | 4<<11 | 12<<7 | 11<<3 | 1
	ICH_MISR_EL2  Reg = 3<<14 | 4<<11 | 12<<7 | 11<<3 | 2
	ICH_EISR_EL2  Reg = 3<<14 | 4<<11 | 12<<7 | 11<<3 | 3
	ICH_ELRSR_EL2 Reg = 3<<14 | 4<<11 | 12<<7 | 11<<3 | 5
	ICH_VMCR_EL2  Reg = 3<<14 | 4<<11 | 12<<7 | 11<<3 | 7
	ICH_LR0_EL2   Reg = 3<<14 | 4<<11 | 12<<7 | 12<<3
)

// NumListRegisters is the number of list registers, as in QEMU's models of Cortex-A cores.
const NumListRegisters = 4

// MaintenanceINTID is the PPI of the maintenance interrupt on QEMU's virt board. The GIC drives its line itself.
const MaintenanceINTID = 25

// Fields of ICH_HCR_EL2 (IHI 0069, 12.4).
const (
	hcrEn       = 1 << 0
	hcrUIE      = 1 << 1
	hcrLRENPIE  = 1 << 2
	hcrNPIE     = 1 << 3
	hcrVGrp0EIE = 1 << 4
	hcrVGrp0DIE = 1 << 5
	hcrVGrp1EIE = 1 << 6
	hcrVGrp1DIE = 1 << 7
	hcrTC       = 1 << 10
	hcrTALL0    = 1 << 11
	hcrTALL1    = 1 << 12
	hcrTSEI     = 1 << 13
	hcrTDIR     = 1 << 14
	hcrEOIcount = 0x1f << 27
	hcrEOIOne   = 1 << 27
	hcrMask     = 0xff | hcrTC | hcrTALL0 | hcrTALL1 | hcrTSEI | hcrTDIR | hcrEOIcount
)

// Fields of ICH_MISR_EL2 (IHI 0069, 12.4).
const (
	misrEOI    = 1 << 0
	misrU      = 1 << 1
	misrLRENP  = 1 << 2
	misrNP     = 1 << 3
	misrVGrp0E = 1 << 4
	misrVGrp0D = 1 << 5
	misrVGrp1E = 1 << 6
	misrVGrp1D = 1 << 7
)

// Fields of ICH_VMCR_EL2 (IHI 0069, 12.4).
const (
	vmcrVENG0      = 1 << 0
	vmcrVENG1      = 1 << 1
	vmcrVFIQEn     = 1 << 3 // always set where system register access is
	vmcrVCBPR      = 1 << 4
	vmcrVEOIM      = 1 << 9
	vmcrVBPR1Shift = 18
	vmcrVBPR0Shift = 21
	vmcrVPMRShift  = 24
	vmcrMask       = vmcrVENG0 | vmcrVENG1 | vmcrVCBPR | vmcrVEOIM | 7<<vmcrVBPR1Shift | 7<<vmcrVBPR0Shift |
		priorityMask<<vmcrVPMRShift
)

// Fields of ICH_LR<n>_EL2 (IHI 0069, 12.4).
const (
	lrActive    = 1 << 63
	lrPending   = 1 << 62
	lrState     = lrActive | lrPending
	lrHW        = 1 << 61
	lrGroup1    = 1 << 60
	lrPrioShift = 48
	lrPINTID    = 0x1fff << 32
	lrEOI       = 1 << 41 // part of the pINTID field where lrHW is set
	lrMask      = lrState | lrHW | lrGroup1 | priorityMask<<lrPrioShift | lrPINTID | intidMask
)

// vtr is ICH_VTR_EL2 (IHI 0069, 12.4): priority and preemption bits, 24-bit identifiers, A3V, no direct injection (nV4),
// separate trapping of ICV_DIR_EL1 (TDS), list registers.
const vtr = (priorityBits-1)<<29 | (priorityBits-1)<<26 | 1<<23 | 1<<21 | 1<<20 | 1<<19 | (NumListRegisters - 1)

// VirtualOutputs is implemented by Outputs that take virtual interrupts.
type VirtualOutputs interface {
	// SetVirtualLines is called after each change of either line, from within the call that caused it. It must not call the
	// GIC.
	SetVirtualLines(virq, vfiq bool)
}

// virtualInterface is the virtual CPU interface of a PE.
type virtualInterface struct {
	hcr   uint32
	vmcr  uint32
	lr    [NumListRegisters]uint64
	ap    [2]uint32 // active priorities of Group 0 and Group 1
	lines lines     // as last reported
}

func (v *virtualInterface) reset() {
	*v = virtualInterface{lines: v.lines,
		vmcr: vmcrVFIQEn | minBPR<<vmcrVBPR0Shift | (minBPR+1)<<vmcrVBPR1Shift}
}

// VirtualLines gives the levels of the virtual interrupts.
func (c *CPUInterface) VirtualLines() (virq, vfiq bool) {
	return c.virt.lines&lineIRQ != 0, c.virt.lines&lineFIQ != 0
}

// isVirtual says whether an access of EL1 to an ICC register goes to the ICV register in its place (IHI 0069, chapter 6).
func (a access) isVirtual(r Reg) bool {
	if a.el != 1 || !a.fmo && !a.imo {
		return false
	}
	switch r {
	case ICC_IAR0_EL1, ICC_EOIR0_EL1, ICC_HPPIR0_EL1, ICC_BPR0_EL1, ICC_AP0R0_EL1, ICC_IGRPEN0_EL1:
		return a.fmo
	case ICC_IAR1_EL1, ICC_EOIR1_EL1, ICC_HPPIR1_EL1, ICC_BPR1_EL1, ICC_AP1R0_EL1, ICC_IGRPEN1_EL1:
		return a.imo
	case ICC_PMR_EL1, ICC_RPR_EL1, ICC_DIR_EL1, ICC_CTLR_EL1:
		return true
	}
	return false
}

func lrPriority(lr uint64) uint8 { return uint8(lr >> lrPrioShift) }

func lrGroup(lr uint64) int { return int(lr >> 60 & 1) }

// running gives the highest active priority, or idle.
func (v *virtualInterface) running() uint8 {
	all := v.ap[0] | v.ap[1]
	if all == 0 {
		return idle
	}
	return uint8(bits.TrailingZeros32(all)) << priorityShift
}

// highest gives the list register of the highest priority pending interrupt, or -1.
func (v *virtualInterface) highest() int {
	best, prio := -1, uint8(idle)
	for i, lr := range v.lr {
		if lr&lrState == lrPending && v.vmcr>>lrGroup(lr)&1 != 0 && lrPriority(lr) < prio {
			best, prio = i, lrPriority(lr)
		}
	}
	return best
}

// binaryPoint gives the binary point of a group, for Group 1 without the common one.
func (v *virtualInterface) binaryPoint(group int) uint8 {
	if group == 0 {
		return uint8(v.vmcr >> vmcrVBPR0Shift & 7)
	}
	return uint8(v.vmcr >> vmcrVBPR1Shift & 7)
}

func (v *virtualInterface) setBinaryPoint(group int, p uint32) {
	if group == 0 {
		v.vmcr = v.vmcr&^(7<<vmcrVBPR0Shift) | max(p, minBPR)<<vmcrVBPR0Shift
	} else {
		v.vmcr = v.vmcr&^(7<<vmcrVBPR1Shift) | max(p, minBPR+1)<<vmcrVBPR1Shift
	}
}

// groupPriority gives the mask that takes the group priority out of a priority.
func (v *virtualInterface) groupPriority(group int) uint8 {
	if group == 1 && v.vmcr&vmcrVCBPR == 0 {
		return uint8(0xff << v.binaryPoint(1))
	}
	return uint8(0xff << (v.binaryPoint(0) + 1))
}

// canPreempt says whether the interrupt of a list register is signalled.
func (v *virtualInterface) canPreempt(lr uint64) bool {
	p := lrPriority(lr)
	if v.hcr&hcrEn == 0 || p >= uint8(v.vmcr>>vmcrVPMRShift) {
		return false
	}
	run := v.running()
	m := v.groupPriority(lrGroup(lr))
	return run == idle || p&m < run&m
}

// eoiStatus gives ICH_EISR_EL2: the list registers whose interrupt ended and asked for a maintenance interrupt.
func (v *virtualInterface) eoiStatus() (set uint32) {
	for i, lr := range v.lr {
		if lr&(lrState|lrHW|lrEOI) == lrEOI {
			set |= 1 << i
		}
	}
	return set
}

// emptyStatus gives ICH_ELRSR_EL2: the list registers that can be used.
func (v *virtualInterface) emptyStatus() (set uint32) {
	for i, lr := range v.lr {
		if lr&lrState == 0 && (lr&lrHW != 0 || lr&lrEOI == 0) {
			set |= 1 << i
		}
	}
	return set
}

// maintenance gives ICH_MISR_EL2.
func (v *virtualInterface) maintenance() (m uint32) {
	valid, pending := 0, false
	for _, lr := range v.lr {
		if lr&lrState != 0 {
			valid++
		}
		if lr&lrState == lrPending {
			pending = true
		}
	}
	for _, f := range [...]struct {
		when bool
		bit  uint32
	}{
		{v.eoiStatus() != 0, misrEOI},
		{v.hcr&hcrUIE != 0 && valid < 2, misrU},
		{v.hcr&hcrLRENPIE != 0 && v.hcr&hcrEOIcount != 0, misrLRENP},
		{v.hcr&hcrNPIE != 0 && !pending, misrNP},
		{v.hcr&hcrVGrp0EIE != 0 && v.vmcr&vmcrVENG0 != 0, misrVGrp0E},
		{v.hcr&hcrVGrp0DIE != 0 && v.vmcr&vmcrVENG0 == 0, misrVGrp0D},
		{v.hcr&hcrVGrp1EIE != 0 && v.vmcr&vmcrVENG1 != 0, misrVGrp1E},
		{v.hcr&hcrVGrp1DIE != 0 && v.vmcr&vmcrVENG1 == 0, misrVGrp1D},
	} {
		if f.when {
			m |= f.bit
		}
	}
	return m
}

// updateVirtual sets the virtual interrupts and the maintenance interrupt after a change of the virtual interface.
func (c *CPUInterface) updateVirtual() {
	v := &c.virt
	var l lines
	if i := v.highest(); i >= 0 && v.canPreempt(v.lr[i]) {
		l = lineFIQ
		if lrGroup(v.lr[i]) == 1 {
			l = lineIRQ
		}
	}
	if l != v.lines {
		v.lines = l
		if o, ok := c.out.(VirtualOutputs); ok {
			o.SetVirtualLines(c.VirtualLines())
		}
	}
	c.SetPPI(MaintenanceINTID, v.hcr&hcrEn != 0 && v.maintenance() != 0)
}

// readHypervisor reads an ICH register.
func (c *CPUInterface) readHypervisor(r Reg) (uint64, bool) {
	v := &c.virt
	switch r {
	case ICH_AP0R0_EL2:
		return uint64(v.ap[0]), true
	case ICH_AP1R0_EL2:
		return uint64(v.ap[1]), true
	case ICH_HCR_EL2:
		return uint64(v.hcr), true
	case ICH_VTR_EL2:
		return vtr, true
	case ICH_MISR_EL2:
		return uint64(v.maintenance()), true
	case ICH_EISR_EL2:
		return uint64(v.eoiStatus()), true
	case ICH_ELRSR_EL2:
		return uint64(v.emptyStatus()), true
	case ICH_VMCR_EL2:
		return uint64(v.vmcr), true
	}
	if n := r - ICH_LR0_EL2; n < NumListRegisters {
		return v.lr[n], true
	}
	return 0, false
}

// writeHypervisor writes an ICH register.
func (c *CPUInterface) writeHypervisor(r Reg, val uint64) bool {
	v := &c.virt
	switch r {
	case ICH_AP0R0_EL2:
		v.ap[0] = uint32(val)
	case ICH_AP1R0_EL2:
		v.ap[1] = uint32(val)
	case ICH_HCR_EL2:
		v.hcr = uint32(val) & hcrMask
	case ICH_VMCR_EL2:
		v.vmcr = uint32(val)&vmcrMask | vmcrVFIQEn
		v.setBinaryPoint(0, uint32(v.binaryPoint(0)))
		v.setBinaryPoint(1, uint32(v.binaryPoint(1)))
	default:
		n := r - ICH_LR0_EL2
		if n >= NumListRegisters {
			return false
		}
		v.lr[n] = val & lrMask
	}
	c.updateVirtual()
	return true
}

// readVirtual reads the ICV register that stands for an ICC register.
func (c *CPUInterface) readVirtual(r Reg) (uint64, bool) {
	v := &c.virt
	switch r {
	case ICC_IAR0_EL1:
		return uint64(c.readVIAR(0)), true
	case ICC_IAR1_EL1:
		return uint64(c.readVIAR(1)), true
	case ICC_HPPIR0_EL1:
		return uint64(v.pending(0)), true
	case ICC_HPPIR1_EL1:
		return uint64(v.pending(1)), true
	case ICC_RPR_EL1:
		return uint64(v.running()), true
	case ICC_PMR_EL1:
		return uint64(v.vmcr >> vmcrVPMRShift), true
	case ICC_BPR0_EL1:
		return uint64(v.binaryPoint(0)), true
	case ICC_BPR1_EL1:
		if v.vmcr&vmcrVCBPR != 0 {
			return uint64(min(v.binaryPoint(0)+1, 7)), true
		}
		return uint64(v.binaryPoint(1)), true
	case ICC_AP0R0_EL1:
		return uint64(v.ap[0]), true
	case ICC_AP1R0_EL1:
		return uint64(v.ap[1]), true
	case ICC_IGRPEN0_EL1:
		return uint64(v.vmcr & vmcrVENG0), true
	case ICC_IGRPEN1_EL1:
		return uint64(v.vmcr & vmcrVENG1 >> 1), true
	case ICC_CTLR_EL1:
		val := uint64(ctlrCommon)
		if v.vmcr&vmcrVCBPR != 0 {
			val |= ctlrCBPR
		}
		if v.vmcr&vmcrVEOIM != 0 {
			val |= ctlrEOImode
		}
		return val, true
	}
	return 0, false
}

// writeVirtual writes the ICV register that stands for an ICC register.
func (c *CPUInterface) writeVirtual(r Reg, val uint64) bool {
	v := &c.virt
	flag := func(bit uint32, on bool) {
		v.vmcr &^= bit
		if on {
			v.vmcr |= bit
		}
	}
	switch r {
	case ICC_EOIR0_EL1:
		c.endVirtual(0, uint32(val&intidMask))
	case ICC_EOIR1_EL1:
		c.endVirtual(1, uint32(val&intidMask))
	case ICC_DIR_EL1:
		if id := uint32(val & intidMask); id < pendingSecure && v.vmcr&vmcrVEOIM != 0 {
			c.deactivateVirtual(v.findActive(id))
		}
	case ICC_PMR_EL1:
		v.vmcr = v.vmcr&^(0xff<<vmcrVPMRShift) | uint32(val&priorityMask)<<vmcrVPMRShift
	case ICC_BPR0_EL1:
		v.setBinaryPoint(0, uint32(val&7))
	case ICC_BPR1_EL1:
		if v.vmcr&vmcrVCBPR == 0 {
			v.setBinaryPoint(1, uint32(val&7))
		}
	case ICC_AP0R0_EL1:
		v.ap[0] = uint32(val)
	case ICC_AP1R0_EL1:
		v.ap[1] = uint32(val)
	case ICC_IGRPEN0_EL1:
		flag(vmcrVENG0, val&1 != 0)
	case ICC_IGRPEN1_EL1:
		flag(vmcrVENG1, val&1 != 0)
	case ICC_CTLR_EL1:
		flag(vmcrVCBPR, val&ctlrCBPR != 0)
		flag(vmcrVEOIM, val&ctlrEOImode != 0)
	default:
		return false
	}
	c.updateVirtual()
	return true
}

// pending gives the highest priority pending interrupt if it is in the group, else 1023.
func (v *virtualInterface) pending(group int) uint32 {
	if i := v.highest(); i >= 0 && lrGroup(v.lr[i]) == group {
		return uint32(v.lr[i] & intidMask)
	}
	return spurious
}

// readVIAR acknowledges the highest priority pending interrupt if it is in the group and is signalled.
func (c *CPUInterface) readVIAR(group int) uint32 {
	v := &c.virt
	i := v.highest()
	if i < 0 || lrGroup(v.lr[i]) != group || !v.canPreempt(v.lr[i]) {
		return spurious
	}
	lr := &v.lr[i]
	id := uint32(*lr & intidMask)
	*lr &^= lrPending
	// A special identifier in a list register is handed out but does not become active.
	if id < pendingSecure || id > spurious {
		*lr |= lrActive
		v.ap[group] |= 1 << (lrPriority(*lr) & v.groupPriority(group) >> priorityShift)
	}
	c.updateVirtual()
	return id
}

// findActive gives the list register that holds the active interrupt id, or -1.
func (v *virtualInterface) findActive(id uint32) int {
	for i, lr := range v.lr {
		if lr&lrActive != 0 && uint32(lr&intidMask) == id {
			return i
		}
	}
	return -1
}

// deactivateVirtual ends the active state of list register i, and of the physical interrupt behind it. Without one it counts, so
// that the hypervisor can see to interrupts that it has no list register for.
func (c *CPUInterface) deactivateVirtual(i int) {
	v := &c.virt
	if i < 0 {
		v.hcr = v.hcr&^hcrEOIcount | (v.hcr+hcrEOIOne)&hcrEOIcount
		return
	}
	v.lr[i] &^= lrActive
	if v.lr[i]&lrHW == 0 {
		return
	}
	// The hypervisor chose the identifier. It must not name a secure interrupt.
	id := uint32(v.lr[i] & lrPINTID >> 32)
	if w, bit := c.interrupt(id); w != nil && w.active&bit != 0 &&
		(c.gic.singleState() || c.gic.groupOf(w, id%32) == Group1NS) {
		c.deactivate(id)
	}
}

// firstLPI is the lowest identifier of an LPI (IHI 0069, 2.2). Hypervisors may inject LPIs though there are no physical ones.
const firstLPI = 8192

// endVirtual is a write of ICV_EOIR0_EL1 or ICV_EOIR1_EL1 (IHI 0069, 12.3): it drops the highest active priority, and
// deactivates the interrupt if it is the one that had it.
func (c *CPUInterface) endVirtual(group int, id uint32) {
	v := &c.virt
	if id >= pendingSecure && id <= spurious {
		return
	}
	run := v.running()
	if run == idle {
		return
	}
	if v.ap[0]>>(run>>priorityShift)&1 != 0 {
		v.ap[0] &= v.ap[0] - 1
	} else {
		v.ap[1] &= v.ap[1] - 1
	}
	i := v.findActive(id)
	switch {
	case i < 0:
		if id < firstLPI {
			c.deactivateVirtual(i)
		}
	case lrGroup(v.lr[i]) == group && lrPriority(v.lr[i])&v.groupPriority(group) == run &&
		(v.vmcr&vmcrVEOIM == 0 || id >= firstLPI):
		c.deactivateVirtual(i)
	}
}
