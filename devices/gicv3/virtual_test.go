package gicv3

import (
	"fmt"
	"strings"
	"testing"
)

// hypervisorBoot makes a machine whose hypervisor at EL2 runs a guest at EL1 the way KVM does: physical interrupts go to EL2, and
// the guest has set its priority mask and enabled Group 1.
func hypervisorBoot(t *testing.T) *machine {
	m := newMachine(t, Config{NumCPUs: 1, TwoSecurityStates: true})
	m.BootNonSecure()
	linuxDist(m, nsel2, 0)
	linuxCPU(m, 0, nsel2, true)
	m.hcr = hcrIMO | hcrFMO
	m.msr(0, nsel2, ICH_HCR_EL2, hcrEn)
	m.msr(0, nsel1, ICC_PMR_EL1, 0xf0)
	m.msr(0, nsel1, ICC_IGRPEN1_EL1, 1)
	return m
}

// guestInputs gives the virtual interrupts.
func (m *machine) guestInputs() string {
	irq, fiq := m.enter(0, nsel1).VirtualLines()
	return strings.TrimSpace(map[bool]string{true: "virq "}[irq] + map[bool]string{true: "vfiq"}[fiq])
}

const guestPrio = 0xa0 << lrPrioShift

func TestGuestInterrupt(t *testing.T) {
	m := hypervisorBoot(t)
	want(t, "ICH_VMCR_EL2", m.mrs(0, nsel2, ICH_VMCR_EL2),
		0xf0<<vmcrVPMRShift|2<<vmcrVBPR0Shift|3<<vmcrVBPR1Shift|vmcrVFIQEn|vmcrVENG1)
	want(t, "ICV_CTLR_EL1", m.mrs(0, nsel1, ICC_CTLR_EL1), 0x8c00)
	want(t, "empty list registers", m.mrs(0, nsel2, ICH_ELRSR_EL2), 0xf)
	m.msr(0, nsel2, ICH_LR0_EL2+1, lrPending|lrGroup1|guestPrio|50)
	m.msr(0, nsel2, ICH_LR0_EL2+2, lrPending|lrGroup1|0x40<<lrPrioShift|51)
	want(t, "inputs", m.guestInputs(), "virq")
	want(t, "physical inputs", m.inputs(0, nsel1), "")
	want(t, "HPPIR", m.mrs(0, nsel1, ICC_HPPIR1_EL1), 51)
	want(t, "HPPIR0", m.mrs(0, nsel1, ICC_HPPIR0_EL1), 1023)
	want(t, "IAR0", m.mrs(0, nsel1, ICC_IAR0_EL1), 1023)
	want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 51)
	want(t, "list register", m.mrs(0, nsel2, ICH_LR0_EL2+2), lrActive|lrGroup1|0x40<<lrPrioShift|51)
	want(t, "inputs while active", m.guestInputs(), "")
	want(t, "RPR of the guest", m.mrs(0, nsel1, ICC_RPR_EL1), 0x40)
	want(t, "RPR of the hypervisor", m.mrs(0, nsel2, ICC_RPR_EL1), 0xff)
	want(t, "ICH_AP1R0_EL2", m.mrs(0, nsel2, ICH_AP1R0_EL2), 1<<8)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 51)
	want(t, "list register after EOI", m.mrs(0, nsel2, ICH_LR0_EL2+2), lrGroup1|0x40<<lrPrioShift|51)
	want(t, "inputs after EOI", m.guestInputs(), "virq")
	want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 50)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 50)
	want(t, "empty list registers", m.mrs(0, nsel2, ICH_ELRSR_EL2), 0xf)

	// Group 0 is a virtual FIQ.
	m.msr(0, nsel1, ICC_IGRPEN0_EL1, 1)
	m.msr(0, nsel2, ICH_LR0_EL2, lrPending|guestPrio|60)
	want(t, "inputs", m.guestInputs(), "vfiq")
	want(t, "IAR0", m.mrs(0, nsel1, ICC_IAR0_EL1), 60)
	want(t, "ICH_AP0R0_EL2", m.mrs(0, nsel2, ICH_AP0R0_EL2), 1<<20)
	m.msr(0, nsel1, ICC_EOIR0_EL1, 60)
	want(t, "RPR", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)

	// Without HCR_EL2.IMO the same instructions are about the physical interface.
	m.hcr = 0
	want(t, "physical CTLR", m.mrs(0, nsel1, ICC_CTLR_EL1), 0x8c02)
}

// TestGuestHardwareInterrupt forwards the virtual timer's interrupt the way KVM does: the hypervisor takes it without
// deactivating it, and the guest's end of interrupt does that.
func TestGuestHardwareInterrupt(t *testing.T) {
	m := hypervisorBoot(t)
	linuxUnmask(m, 27)
	m.SetPPI(0, 27, true)
	want(t, "inputs", m.inputs(0, nsel1), "irq")
	want(t, "IAR of the hypervisor", m.mrs(0, nsel2, ICC_IAR1_EL1), 27)
	m.msr(0, nsel2, ICC_EOIR1_EL1, 27)
	m.msr(0, nsel2, ICH_LR0_EL2, lrPending|lrHW|lrGroup1|guestPrio|27<<32|30)
	want(t, "IAR of the guest", m.mrs(0, nsel1, ICC_IAR1_EL1), 30)
	m.SetPPI(0, 27, false)
	want(t, "still active", m.r32(nsel2, gicrBase+gicrISACTIVER0), 1<<27)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 30)
	want(t, "active after EOI", m.r32(nsel2, gicrBase+gicrISACTIVER0), 0)

	// With EOImode it is DIR that does.
	m.msr(0, nsel1, ICC_CTLR_EL1, ctlrEOImode)
	m.SetPPI(0, 27, true)
	want(t, "IAR of the hypervisor", m.mrs(0, nsel2, ICC_IAR1_EL1), 27)
	m.msr(0, nsel2, ICC_EOIR1_EL1, 27)
	m.msr(0, nsel2, ICH_LR0_EL2, lrPending|lrHW|lrGroup1|guestPrio|27<<32|30)
	m.mrs(0, nsel1, ICC_IAR1_EL1)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 30)
	want(t, "active after EOI", m.r32(nsel2, gicrBase+gicrISACTIVER0), 1<<27)
	want(t, "RPR after EOI", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)
	m.msr(0, nsel1, ICC_DIR_EL1, 30)
	want(t, "active after DIR", m.r32(nsel2, gicrBase+gicrISACTIVER0), 0)
	want(t, "inputs with the line still high", m.inputs(0, nsel1), "irq")
}

// TestGuestCannotEndSecure names a secure interrupt in a list register, and identifiers that do not exist.
func TestGuestCannotEndSecure(t *testing.T) {
	m := hypervisorBoot(t)
	m.w32(el3s, gicrBase+gicrIGROUPR0, 0xffff_ffff&^(1<<29))
	m.w32(el3s, gicrBase+gicrISACTIVER0, 1<<29)
	for _, id := range []uint64{29, 288, 1019, 1023, 0x1fff} {
		m.msr(0, nsel2, ICH_LR0_EL2, lrPending|lrHW|lrGroup1|guestPrio|id<<32|30)
		want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 30)
		m.msr(0, nsel1, ICC_EOIR1_EL1, 30)
	}
	want(t, "active", m.r32(el3s, gicrBase+gicrISACTIVER0), 1<<29)
}

// TestMaintenance follows ICH_MISR_EL2 and ICH_EISR_EL2 (IHI 0069, 12.4).
func TestMaintenance(t *testing.T) {
	const idle = 0
	for _, tc := range []struct {
		name string
		hcr  uint64
		vmcr uint64
		lr   [NumListRegisters]uint64
		misr uint64
	}{
		{"nothing enabled", 0, 3, [4]uint64{}, idle},
		{"underflow", hcrUIE, 3, [4]uint64{lrActive}, misrU},
		{"no underflow", hcrUIE, 3, [4]uint64{lrActive, 0, 0, lrPending}, idle},
		{"no pending", hcrNPIE, 3, [4]uint64{lrActive, lrActive | lrPending}, misrNP},
		{"pending", hcrNPIE, 3, [4]uint64{2: lrPending}, idle},
		{"entry not present", hcrLRENPIE | 3<<27, 3, [4]uint64{}, misrLRENP},
		{"no entry missed", hcrLRENPIE, 3, [4]uint64{}, idle},
		{"ended", 0, 3, [4]uint64{1: lrEOI}, misrEOI},
		{"ended, with a physical interrupt", 0, 3, [4]uint64{1: lrHW | lrEOI}, idle},
		{"Group 0 enabled", hcrVGrp0EIE, 1, [4]uint64{}, misrVGrp0E},
		{"Group 0 not enabled", hcrVGrp0EIE, 2, [4]uint64{}, idle},
		{"Group 0 disabled", hcrVGrp0DIE, 2, [4]uint64{}, misrVGrp0D},
		{"Group 0 not disabled", hcrVGrp0DIE, 1, [4]uint64{}, idle},
		{"Group 1 enabled", hcrVGrp1EIE, 2, [4]uint64{}, misrVGrp1E},
		{"Group 1 not enabled", hcrVGrp1EIE, 1, [4]uint64{}, idle},
		{"Group 1 disabled", hcrVGrp1DIE, 1, [4]uint64{}, misrVGrp1D},
		{"Group 1 not disabled", hcrVGrp1DIE, 2, [4]uint64{}, idle},
	} {
		m := hypervisorBoot(t)
		linuxUnmask(m, MaintenanceINTID)
		m.msr(0, nsel2, ICH_VMCR_EL2, tc.vmcr)
		for i, lr := range tc.lr {
			m.msr(0, nsel2, ICH_LR0_EL2+Reg(i), lr)
		}
		m.msr(0, nsel2, ICH_HCR_EL2, tc.hcr)
		want(t, tc.name+": ICH_MISR_EL2", m.mrs(0, nsel2, ICH_MISR_EL2), tc.misr)
		want(t, tc.name+": inputs without ICH_HCR_EL2.En", m.inputs(0, nsel2), "")
		m.msr(0, nsel2, ICH_HCR_EL2, tc.hcr|hcrEn)
		want(t, tc.name+": inputs", m.inputs(0, nsel2), map[bool]string{true: "irq"}[tc.misr != 0])
		eisr := uint64(0)
		if tc.misr == misrEOI {
			eisr = 2
		}
		want(t, tc.name+": ICH_EISR_EL2", m.mrs(0, nsel2, ICH_EISR_EL2), eisr)
		want(t, tc.name+": ICH_ELRSR_EL2 for it", m.mrs(0, nsel2, ICH_ELRSR_EL2)&eisr, 0)
	}
}

// TestEOICount ends interrupts that are not in a list register.
func TestEOICount(t *testing.T) {
	m := hypervisorBoot(t)
	count := func() uint64 { return m.mrs(0, nsel2, ICH_HCR_EL2) >> 27 }
	m.msr(0, nsel1, ICC_EOIR1_EL1, 70)
	want(t, "count with nothing active", count(), 0)
	m.msr(0, nsel2, ICH_AP1R0_EL2, 0xf0)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 70)
	want(t, "count", count(), 1)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 8200)
	want(t, "count after an LPI", count(), 1)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 1023)
	want(t, "count after a special identifier", count(), 1)
	want(t, "active priorities", m.mrs(0, nsel2, ICH_AP1R0_EL2), 0xc0)
	m.msr(0, nsel1, ICC_DIR_EL1, 70)
	want(t, "count after DIR without EOImode", count(), 1)
	m.msr(0, nsel1, ICC_CTLR_EL1, ctlrEOImode)
	m.msr(0, nsel1, ICC_DIR_EL1, 70)
	m.msr(0, nsel1, ICC_DIR_EL1, 1020)
	want(t, "count after DIR", count(), 2)
	for range 30 {
		m.msr(0, nsel1, ICC_DIR_EL1, 70)
	}
	want(t, "count after 32", count(), 0)
	want(t, "the other fields", m.mrs(0, nsel2, ICH_HCR_EL2), hcrEn)
}

func TestHypervisorTraps(t *testing.T) {
	group0 := []Reg{ICC_IAR0_EL1, ICC_EOIR0_EL1, ICC_HPPIR0_EL1, ICC_BPR0_EL1, ICC_AP0R0_EL1, ICC_IGRPEN0_EL1}
	group1 := []Reg{ICC_IAR1_EL1, ICC_EOIR1_EL1, ICC_HPPIR1_EL1, ICC_BPR1_EL1, ICC_AP1R0_EL1, ICC_IGRPEN1_EL1}
	common := []Reg{ICC_PMR_EL1, ICC_RPR_EL1, ICC_CTLR_EL1, ICC_DIR_EL1}
	sgi := []Reg{ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1}
	never := []Reg{ICC_SRE_EL1, ICC_SRE_EL2, ICC_SRE_EL3, ICC_CTLR_EL3, ICH_HCR_EL2}
	sets := [][]Reg{group0, group1, common, sgi, never}
	for _, tc := range []struct {
		ich, scr, hcr uint64
		w             world
		want          [5]int
	}{
		{0, 0, 0, nsel1, [5]int{}},
		{hcrTALL0, 0, 0, nsel1, [5]int{0: 2}},
		{hcrTALL1, 0, 0, nsel1, [5]int{1: 2}},
		{hcrTC, 0, 0, nsel1, [5]int{2: 2, 3: 2}},
		{hcrTC | hcrTALL0 | hcrTALL1 | hcrTDIR, 0, 0, sel1, [5]int{}},
		{hcrTC | hcrTALL0 | hcrTALL1 | hcrTDIR, 0, 0, nsel2, [5]int{}},
		{0, 0, hcrIMO, nsel1, [5]int{3: 2}},
		{0, 0, hcrFMO, nsel1, [5]int{3: 2}},
		{0, scrFIQ, 0, nsel1, [5]int{0: 3}},
		{0, scrFIQ, 0, sel1, [5]int{0: 3}},
		{0, scrIRQ, 0, nsel2, [5]int{1: 3}},
		{0, scrFIQ | scrIRQ, 0, nsel2, [5]int{3, 3, 3, 3}},
		{0, scrFIQ | scrIRQ, 0, el3ns, [5]int{}},
		{0, scrFIQ | scrIRQ, hcrIMO, nsel1, [5]int{3, 0, 0, 2}},
		{0, scrFIQ | scrIRQ, hcrIMO | hcrFMO, sel1, [5]int{3, 3, 3, 3}},
		{hcrTALL1, scrFIQ | scrIRQ, 0, nsel1, [5]int{3, 2, 3, 3}},
	} {
		m := newMachine(t, Config{NumCPUs: 1, TwoSecurityStates: true})
		m.scr, m.hcr = tc.scr, tc.hcr
		m.msr(0, nsel2, ICH_HCR_EL2, tc.ich)
		for i, set := range sets {
			for _, r := range set {
				got := m.enter(0, tc.w).Trap(r, tc.w.el(), tc.w.secureState())
				want(t, fmt.Sprintf("ICH_HCR_EL2 %#x, SCR_EL3 %#x, HCR_EL2 %#x, %v: %#x", tc.ich, tc.scr, tc.hcr, tc.w, r), got, tc.want[i])
			}
		}
	}
	m := newMachine(t, Config{NumCPUs: 1})
	m.msr(0, nsel2, ICH_HCR_EL2, hcrTDIR)
	want(t, "TDIR: ICC_DIR_EL1", m.CPU(0).Trap(ICC_DIR_EL1, 1, false), 2)
	want(t, "TDIR: ICC_PMR_EL1", m.CPU(0).Trap(ICC_PMR_EL1, 1, false), 0)
}

// virtualRecorder also takes virtual interrupts.
type virtualRecorder struct {
	recorder
	virtual []string
}

func (r *virtualRecorder) SetVirtualLines(virq, vfiq bool) {
	r.virtual = append(r.virtual, fmt.Sprint(virq, vfiq))
}

func TestVirtualOutputs(t *testing.T) {
	m := hypervisorBoot(t)
	var r virtualRecorder
	m.CPU(0).Bind(&r)
	m.msr(0, nsel2, ICH_LR0_EL2, lrPending|lrGroup1|guestPrio|50)
	m.msr(0, nsel2, ICH_LR0_EL2+1, lrPending|lrGroup1|guestPrio|51)
	m.msr(0, nsel2, ICH_HCR_EL2, 0)
	m.msr(0, nsel2, ICH_HCR_EL2, hcrEn)
	m.CPU(0).Bind(&r)
	m.CPU(0).Reset()
	want(t, "calls", strings.Join(r.virtual, ", "), "true false, false false, true false, true false, false false")
	want(t, "physical calls", len(r.calls), 0)
}

// TestGuestBinaryPoint checks preemption among virtual interrupts against the tables of IHI 0069, 4.8, as TestBinaryPoint does.
func TestGuestBinaryPoint(t *testing.T) {
	for group := range 2 {
		for _, common := range []bool{false, true} {
			for bpr := range uint64(8) {
				m := hypervisorBoot(t)
				m.msr(0, nsel2, ICH_VMCR_EL2, 0xf8<<vmcrVPMRShift|vmcrVENG0|vmcrVENG1|bpr<<vmcrVBPR0Shift|bpr<<vmcrVBPR1Shift)
				if common {
					m.msr(0, nsel1, ICC_CTLR_EL1, ctlrCBPR)
				}
				low0, low1 := max(bpr, 2), max(bpr, 3)
				want(t, "ICV_BPR0_EL1", m.mrs(0, nsel1, ICC_BPR0_EL1), low0)
				lowest, bpr1 := low0+1, low1
				if common {
					bpr1 = min(low0+1, 7)
				} else if group == 1 {
					lowest = low1
				}
				want(t, "ICV_BPR1_EL1", m.mrs(0, nsel1, ICC_BPR1_EL1), bpr1)
				g := uint64(group) * lrGroup1
				iar := []Reg{ICC_IAR0_EL1, ICC_IAR1_EL1}[group]
				for run := uint64(0x80); run < 0xf8; run += 0x18 {
					m.msr(0, nsel2, ICH_AP0R0_EL2, 0)
					m.msr(0, nsel2, ICH_AP1R0_EL2, 0)
					m.msr(0, nsel2, ICH_LR0_EL2, lrPending|g|run<<lrPrioShift|50)
					want(t, "IAR", m.mrs(0, nsel1, iar), 50)
					want(t, "RPR", m.mrs(0, nsel1, ICC_RPR_EL1), run>>lowest<<lowest)
					for pend := uint64(0x80); pend < 0xf8; pend += 8 {
						m.msr(0, nsel2, ICH_LR0_EL2+1, lrPending|g|pend<<lrPrioShift|51)
						if got, exp := m.guestInputs() != "", pend>>lowest < run>>lowest; got != exp {
							t.Errorf("group %d, BPR %d, common %v: %#x preempts %#x: %v, want %v", group, bpr, common, pend, run, got, exp)
						}
						m.msr(0, nsel2, ICH_LR0_EL2+1, 0)
					}
				}
			}
		}
	}
	// A guest's write of the second binary point has no effect while the common one is in use.
	m := hypervisorBoot(t)
	m.msr(0, nsel1, ICC_CTLR_EL1, ctlrCBPR)
	m.msr(0, nsel1, ICC_BPR1_EL1, 7)
	m.msr(0, nsel1, ICC_CTLR_EL1, 0)
	want(t, "ICV_BPR1_EL1", m.mrs(0, nsel1, ICC_BPR1_EL1), 3)
}
