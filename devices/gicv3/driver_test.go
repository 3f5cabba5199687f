package gicv3

import "testing"

// linuxDist initialises the distributor in the order of Linux's irq-gic-v3 driver (gic_dist_init).
func linuxDist(m *machine, w world, mpidr uint64) {
	if pidr2 := m.r32(w, gicdBase+0xffe8); pidr2&0xf0 != 0x30 {
		m.t.Fatalf("GICD_PIDR2 %#x: want a GICv3", pidr2)
	}
	typer := m.r32(w, gicdBase+gicdTYPER)
	lines := (typer&0x1f + 1) * 32
	if lines > 1020 {
		lines = 1020
	}
	if lines != 288 {
		m.t.Fatalf("GICD_TYPER %#x: %d lines, want 288", typer, lines)
	}
	if typer>>19&0x1f != 15 || typer>>17&1 != 0 {
		m.t.Fatalf("GICD_TYPER %#x: want 16 bits of INTID and no LPIs", typer)
	}
	m.w32(w, gicdBase+gicdCTLR, 0)
	linuxWaitRWP(m, w)
	for i := uint64(32); i < uint64(lines); i += 32 {
		m.w32(w, gicdBase+gicdIGROUPR+i/8, 0xffff_ffff)
	}
	for i := uint64(32); i < uint64(lines); i += 16 {
		m.w32(w, gicdBase+gicdICFGR+i/4, 0)
	}
	for i := uint64(32); i < uint64(lines); i += 4 {
		m.w32(w, gicdBase+gicdIPRIORITYR+i, 0xa0a0_a0a0)
	}
	for i := uint64(32); i < uint64(lines); i += 32 {
		m.w32(w, gicdBase+gicdICACTIVER+i/8, 0xffff_ffff)
		m.w32(w, gicdBase+gicdICENABLER+i/8, 0xffff_ffff)
	}
	m.w32(w, gicdBase+gicdCTLR, 1<<4|1<<1|1<<0) // ARE_NS, ENABLE_G1A, ENABLE_G1
	linuxWaitRWP(m, w)
	for i := uint64(32); i < uint64(lines); i++ {
		m.write(w, gicdBase+gicdIROUTER+8*i, 8, mpidr)
	}
}

func linuxWaitRWP(m *machine, w world) {
	m.t.Helper()
	if m.r32(w, gicdBase+gicdCTLR)>>31 != 0 {
		m.t.Fatal("GICD_CTLR.RWP stays set")
	}
}

// linuxCPU initialises a PE in the order of the driver (gic_cpu_init), and gives the address of its redistributor.
func linuxCPU(m *machine, cpu int, w world, split bool) uint64 {
	mpidr := m.CPU(cpu).affinity
	aff := uint32(mpidr>>32<<24 | mpidr&0xff_ffff)
	base := uint64(gicrBase)
	for ; ; base += RedistributorSize {
		if pidr2 := m.r32(w, base+0xffe8); pidr2&0xf0 != 0x30 {
			m.t.Fatalf("GICR_PIDR2 %#x: want a GICv3", pidr2)
		}
		typer := m.read(w, base+gicrTYPER, 8)
		if uint32(typer>>32) == aff {
			break
		}
		if typer&gicrTyperLast != 0 {
			m.t.Fatalf("no redistributor for MPIDR %#x", mpidr)
		}
	}
	m.w32(w, base+gicrWAKER, m.r32(w, base+gicrWAKER)&^wakerProcessorSleep)
	if m.r32(w, base+gicrWAKER)&wakerChildrenAsleep != 0 {
		m.t.Fatal("the redistributor does not wake up")
	}
	sgi := base + sgiBase
	m.w32(w, sgi+gicdIGROUPR, 0xffff_ffff)
	m.w32(w, sgi+gicdICACTIVER, 0xffff_ffff)
	m.w32(w, sgi+gicdICENABLER, 0xffff_0000)
	for i := uint64(0); i < 32; i += 4 {
		m.w32(w, sgi+gicdIPRIORITYR+i, 0xa0a0_a0a0)
	}
	m.w32(w, sgi+gicdISENABLER, 0x0000_ffff)
	if m.r32(w, base+gicrCTLR)>>3&1 != 0 {
		m.t.Fatal("GICR_CTLR.RWP stays set")
	}
	sre := m.mrs(cpu, w, ICC_SRE_EL1)
	if sre&1 == 0 {
		m.msr(cpu, w, ICC_SRE_EL1, sre|1)
		if m.mrs(cpu, w, ICC_SRE_EL1)&1 == 0 {
			m.t.Fatal("no system register access")
		}
	}
	m.msr(cpu, w, ICC_PMR_EL1, 0xf0)
	m.msr(cpu, w, ICC_BPR1_EL1, 0)
	mode := uint64(0)
	if split {
		mode = ctlrEOImode
	}
	m.msr(cpu, w, ICC_CTLR_EL1, mode)
	pribits := m.mrs(cpu, w, ICC_CTLR_EL1)>>8&7 + 1
	if pribits != 5 {
		m.t.Fatalf("%d priority bits", pribits)
	}
	m.msr(cpu, w, ICC_AP1R0_EL1, 0)
	m.msr(cpu, w, ICC_IGRPEN1_EL1, 1)
	return base
}

func linuxBoot(t *testing.T, cpus int, split bool) *machine {
	m := newMachine(t, Config{NumCPUs: cpus})
	linuxDist(m, nsel1, 0)
	for i := range cpus {
		linuxCPU(m, i, nsel1, split)
	}
	return m
}

// linuxUnmask enables an interrupt; private ones on PE 0.
func linuxUnmask(m *machine, id uint32) {
	m.w32(nsel1, bitmapAddr(gicdISENABLER, id), 1<<(id%32))
}

func TestLinuxLevelSPI(t *testing.T) {
	m := linuxBoot(t, 1, false)
	line := m.SPI(33)
	line.Set(true)
	want(t, "inputs while masked", m.inputs(0, nsel1), "")
	linuxUnmask(m, 33)
	want(t, "inputs", m.inputs(0, nsel1), "irq")
	want(t, "HPPIR", m.mrs(0, nsel1, ICC_HPPIR1_EL1), 33)
	want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 33)
	want(t, "inputs while active", m.inputs(0, nsel1), "")
	want(t, "active", m.r32(nsel1, gicdBase+gicdISACTIVER+4), 1<<1)
	want(t, "still pending", m.r32(nsel1, gicdBase+gicdISPENDR+4), 1<<1)
	want(t, "RPR", m.mrs(0, nsel1, ICC_RPR_EL1), 0xa0)
	want(t, "IAR while active", m.mrs(0, nsel1, ICC_IAR1_EL1), 1023)
	// The handler did not quiet the device: the interrupt comes again.
	m.msr(0, nsel1, ICC_EOIR1_EL1, 33)
	want(t, "inputs after EOI with the line high", m.inputs(0, nsel1), "irq")
	want(t, "second IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 33)
	line.Set(false)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 33)
	want(t, "inputs after EOI with the line low", m.inputs(0, nsel1), "")
	want(t, "spurious IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 1023)
	want(t, "RPR when idle", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)
	// A level that goes away before it is acknowledged was never there.
	line.Set(true)
	line.Set(false)
	want(t, "inputs after a short pulse", m.inputs(0, nsel1), "")
}

func TestLinuxEdgeSPI(t *testing.T) {
	m := linuxBoot(t, 1, false)
	m.w32(nsel1, gicdBase+gicdICFGR+4*(34/16), 2<<(2*(34%16)))
	linuxUnmask(m, 34)
	line := m.SPI(34)
	line.Set(true)
	line.Set(false)
	want(t, "inputs after a pulse", m.inputs(0, nsel1), "irq")
	want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 34)
	want(t, "pending once active", m.r32(nsel1, gicdBase+gicdISPENDR+4), 0)
	// An edge during the handler is not lost, but waits for its end.
	line.Set(true)
	want(t, "pending and active", m.r32(nsel1, gicdBase+gicdISPENDR+4), 1<<2)
	want(t, "inputs while active", m.inputs(0, nsel1), "")
	m.msr(0, nsel1, ICC_EOIR1_EL1, 34)
	want(t, "inputs after EOI", m.inputs(0, nsel1), "irq")
	want(t, "second IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 34)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 34)
	// The line is still high, which means nothing more.
	want(t, "inputs at the end", m.inputs(0, nsel1), "")
	want(t, "last IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 1023)
}

func TestLinuxSplitEOI(t *testing.T) {
	m := linuxBoot(t, 1, true)
	linuxUnmask(m, 27)
	linuxUnmask(m, 40)
	m.SetPPI(0, 27, true)
	want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 27)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 27)
	want(t, "RPR after the drop", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)
	want(t, "active after the drop", m.r32(nsel1, gicrBase+gicrISACTIVER0), 1<<27)
	want(t, "inputs after the drop", m.inputs(0, nsel1), "")
	m.SetSPI(40, true)
	want(t, "another interrupt in between", m.mrs(0, nsel1, ICC_IAR1_EL1), 40)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 40)
	m.SetSPI(40, false)
	m.msr(0, nsel1, ICC_DIR_EL1, 40)
	m.msr(0, nsel1, ICC_DIR_EL1, 27)
	want(t, "active after DIR", m.r32(nsel1, gicrBase+gicrISACTIVER0), 0)
	want(t, "inputs after DIR with the line high", m.inputs(0, nsel1), "irq")
	m.CPU(0).SetPPI(27, false)
	want(t, "inputs with the line low", m.inputs(0, nsel1), "")
}

func TestLinuxSGI(t *testing.T) {
	m := linuxBoot(t, 4, false)
	m.msr(0, nsel1, ICC_SGI1R_EL1, 5<<24|0b1010) // gic_send_sgi to PEs 1 and 3
	for cpu, in := range []string{"", "irq", "", "irq"} {
		want(t, "inputs", m.inputs(cpu, nsel1), in)
	}
	want(t, "IAR of PE 1", m.mrs(1, nsel1, ICC_IAR1_EL1), 5)
	want(t, "IAR of PE 1 again", m.mrs(1, nsel1, ICC_IAR1_EL1), 1023)
	m.msr(1, nsel1, ICC_EOIR1_EL1, 5)
	m.msr(2, nsel1, ICC_SGI1R_EL1, 7<<24|1<<40) // all but self
	for cpu, id := range []uint64{7, 7, 1023, 5} {
		want(t, "IAR", m.mrs(cpu, nsel1, ICC_IAR1_EL1), id)
	}
	// Two SGIs with the same number make one interrupt.
	m.msr(0, nsel1, ICC_SGI1R_EL1, 2<<24|0b0100)
	m.msr(1, nsel1, ICC_SGI1R_EL1, 2<<24|0b0100)
	want(t, "IAR of PE 2", m.mrs(2, nsel1, ICC_IAR1_EL1), 2)
	m.msr(2, nsel1, ICC_EOIR1_EL1, 2)
	want(t, "IAR of PE 2 again", m.mrs(2, nsel1, ICC_IAR1_EL1), 1023)
}

// TestLinuxAffinity moves an SPI from one PE to another while it is pending (gic_set_affinity).
func TestLinuxAffinity(t *testing.T) {
	m := linuxBoot(t, 2, false)
	linuxUnmask(m, 50)
	m.SetSPI(50, true)
	want(t, "PE 0", m.inputs(0, nsel1), "irq")
	m.write(nsel1, gicdBase+gicdIROUTER+8*50, 8, 1)
	want(t, "PE 0 after the move", m.inputs(0, nsel1), "")
	want(t, "PE 1 after the move", m.inputs(1, nsel1), "irq")
	m.write(nsel1, gicdBase+gicdIROUTER+8*50, 8, 77)
	want(t, "PE 1 with a route to nowhere", m.inputs(1, nsel1), "")
}

// tfa initialises the GIC from EL3 in the order of TF-A's gicv3_driver_init, gicv3_distif_init, gicv3_rdistif_init and
// gicv3_cpuif_enable, with PPI 29 as a secure Group 1 interrupt, SGI 8 and SPI 40 in Group 0.
func tfa(m *machine, cpus int) {
	const w = el3s
	m.w32(w, gicdBase+gicdCTLR, m.r32(w, gicdBase+gicdCTLR)&^7)
	m.w32(w, gicdBase+gicdCTLR, m.r32(w, gicdBase+gicdCTLR)|ctlrARE|ctlrARENS)
	want(m.t, "GICD_CTLR", m.r32(w, gicdBase+gicdCTLR), 0x30)
	for i := uint64(32); i < 288; i += 32 {
		m.w32(w, gicdBase+gicdIGROUPR+i/8, 0xffff_ffff)
	}
	for i := uint64(32); i < 288; i += 4 {
		m.w32(w, gicdBase+gicdIPRIORITYR+i, 0x8080_8080)
	}
	for i := uint64(32); i < 288; i += 16 {
		m.w32(w, gicdBase+gicdICFGR+i/4, 0)
	}
	m.setGroup(40, Group0)
	m.setPriority(40, 0x10)
	m.write(w, gicdBase+gicdIROUTER+8*40, 8, 0)
	m.w32(w, gicdBase+gicdISENABLER+4, 1<<8)
	m.w32(w, gicdBase+gicdCTLR, m.r32(w, gicdBase+gicdCTLR)|ctlrEnableGrp1S|ctlrEnableGrp0)
	for i := range cpus {
		base := gicr(i)
		want(m.t, "GICR_WAKER", m.r32(w, base+gicrWAKER), wakerProcessorSleep|wakerChildrenAsleep)
		m.w32(w, base+gicrWAKER, 0)
		want(m.t, "GICR_WAKER", m.r32(w, base+gicrWAKER), 0)
		m.w32(w, base+gicrICENABLER0, 0xffff_ffff)
		m.w32(w, base+gicrIGROUPR0, 0xffff_ffff&^(1<<29|1<<8))
		m.w32(w, base+gicrIGRPMODR0, 1<<29)
		for j := uint64(0); j < 32; j += 4 {
			m.w32(w, base+gicrIPRIORITYR+j, 0x8080_8080)
		}
		m.write(w, base+gicrIPRIORITYR+29, 1, 0x20)
		m.write(w, base+gicrIPRIORITYR+8, 1, 0x08)
		m.w32(w, base+gicrICFGR1, 0)
		m.w32(w, base+gicrISENABLER0, 1<<29|1<<8)

		m.msr(i, w, ICC_SRE_EL3, m.mrs(i, w, ICC_SRE_EL3)|9)
		for _, bank := range []world{el3ns, el3s} {
			m.msr(i, bank, ICC_SRE_EL1, 1)
			m.msr(i, bank, ICC_SRE_EL2, m.mrs(i, bank, ICC_SRE_EL2)|9)
		}
		m.msr(i, w, ICC_PMR_EL1, 0xff)
		m.msr(i, w, ICC_IGRPEN0_EL1, 1)
		m.msr(i, w, ICC_IGRPEN1_EL3, m.mrs(i, w, ICC_IGRPEN1_EL3)|2)
	}
}

// TestFirmwareThenLinux boots TF-A and then Linux in the non-secure state, and takes interrupts of all groups in both worlds.
func TestFirmwareThenLinux(t *testing.T) {
	m := newMachine(t, Config{NumCPUs: 2, TwoSecurityStates: true})
	tfa(m, 2)
	// While Linux runs, FIQs go to EL3.
	m.scr = scrFIQ
	linuxDist(m, nsel1, 0)
	linuxCPU(m, 0, nsel1, false)
	linuxCPU(m, 1, nsel1, false)

	// Linux finds out that it does not own Group 0 (gic_has_group0).
	m.msr(0, nsel1, ICC_PMR_EL1, 1<<(8-priorityBits))
	want(t, "ICC_PMR_EL1 after writing the lowest priority bit", m.mrs(0, nsel1, ICC_PMR_EL1), 0)
	m.msr(0, nsel1, ICC_PMR_EL1, 0xf0)
	want(t, "ICC_PMR_EL1", m.mrs(0, nsel1, ICC_PMR_EL1), 0xf0)
	want(t, "ICC_PMR_EL1 from EL3", m.mrs(0, el3s, ICC_PMR_EL1), 0xf8)

	// What Linux wrote did not reach the secure interrupts.
	want(t, "secure GICD_CTLR", m.r32(el3s, gicdBase+gicdCTLR), 0x37)
	want(t, "group of SPI 40", m.GIC.groupOf(&m.spi[1], 8), Group0)
	want(t, "priority of SPI 40", m.read(el3s, gicdBase+gicdIPRIORITYR+40, 1), 0x10)
	want(t, "priority of PPI 29", m.read(el3s, gicr(1)+gicrIPRIORITYR+29, 1), 0x20)
	want(t, "priority of PPI 30", m.read(el3s, gicr(1)+gicrIPRIORITYR+30, 1), 0xd0)
	want(t, "secure enables", m.r32(el3s, gicr(0)+gicrISENABLER0), 1<<29|0xffff)
	want(t, "non-secure view of the enables", m.r32(nsel1, gicr(0)+gicrISENABLER0), 0xfeff)

	// A non-secure interrupt in Linux, then a secure one that preempts it.
	linuxUnmask(m, 33)
	m.SetSPI(33, true)
	want(t, "inputs in Linux", m.inputs(0, nsel1), "irq")
	want(t, "IAR in Linux", m.mrs(0, nsel1, ICC_IAR1_EL1), 33)
	m.SetPPI(0, 29, true)
	want(t, "inputs in Linux with a secure timer", m.inputs(0, nsel1), "fiq")
	want(t, "HPPIR1 in Linux", m.mrs(0, nsel1, ICC_HPPIR1_EL1), 1023)
	want(t, "IAR1 in Linux", m.mrs(0, nsel1, ICC_IAR1_EL1), 1023)
	// EL3 asks what is pending and enters the trusted OS.
	want(t, "HPPIR0 at EL3", m.mrs(0, el3ns, ICC_HPPIR0_EL1), 1020)
	m.scr = 0
	want(t, "inputs at S-EL1", m.inputs(0, sel1), "irq")
	want(t, "IAR1 at S-EL1", m.mrs(0, sel1, ICC_IAR1_EL1), 29)
	want(t, "RPR at S-EL1", m.mrs(0, sel1, ICC_RPR_EL1), 0x20)
	m.SetPPI(0, 29, false)
	m.msr(0, sel1, ICC_EOIR1_EL1, 29)
	want(t, "RPR at S-EL1 after EOI", m.mrs(0, sel1, ICC_RPR_EL1), 0xd0)
	m.scr = scrFIQ
	want(t, "RPR in Linux", m.mrs(0, nsel1, ICC_RPR_EL1), 0xa0)
	m.SetSPI(33, false)
	m.msr(0, nsel1, ICC_EOIR1_EL1, 33)
	want(t, "RPR in Linux after EOI", m.mrs(0, nsel1, ICC_RPR_EL1), 0xff)

	// A non-secure interrupt while the trusted OS runs is a FIQ there, and EL3 learns that it is for Linux.
	linuxUnmask(m, 34)
	m.SetSPI(34, true)
	want(t, "inputs at S-EL1", m.inputs(0, sel1), "fiq")
	want(t, "IAR1 at S-EL1", m.mrs(0, sel1, ICC_IAR1_EL1), 1023)
	want(t, "HPPIR0 at EL3", m.mrs(0, el3s, ICC_HPPIR0_EL1), 1021)
	m.SetSPI(34, false)

	// EL3 interrupts: a Group 0 SGI between EL3s, and an SPI.
	m.msr(1, el3s, ICC_SGI0R_EL1, 8<<24|1)
	want(t, "inputs in Linux", m.inputs(0, nsel1), "fiq")
	want(t, "IAR0 at EL3", m.mrs(0, el3s, ICC_IAR0_EL1), 8)
	m.msr(0, el3s, ICC_EOIR0_EL1, 8)
	m.SetSPI(40, true)
	want(t, "IAR0 at EL3", m.mrs(0, el3s, ICC_IAR0_EL1), 40)
	m.SetSPI(40, false)
	m.msr(0, el3s, ICC_EOIR0_EL1, 40)
	want(t, "inputs at the end", m.inputs(0, nsel1), "")
}

// TestBootNonSecure boots Linux in the non-secure state after the board stood in for the firmware.
func TestBootNonSecure(t *testing.T) {
	m := newMachine(t, Config{NumCPUs: 2, TwoSecurityStates: true})
	m.BootNonSecure()
	m.scr = scrFIQ
	linuxDist(m, nsel1, 0)
	linuxCPU(m, 0, nsel1, false)
	linuxCPU(m, 1, nsel1, false)
	linuxUnmask(m, 33)
	m.SetSPI(33, true)
	want(t, "inputs", m.inputs(0, nsel1), "irq")
	want(t, "IAR", m.mrs(0, nsel1, ICC_IAR1_EL1), 33)
	m.RaiseSGI(1, 8)
	want(t, "inputs of PE 1", m.inputs(1, nsel1), "irq")
	want(t, "IAR of PE 1", m.mrs(1, nsel1, ICC_IAR1_EL1), 8)

	// PE 1 goes away and comes back: its registers are as after reset, PE 0 is not concerned.
	m.CPU(1).Reset()
	want(t, "PMR after reset", m.mrs(1, el3s, ICC_PMR_EL1), 0)
	want(t, "RPR after reset", m.mrs(1, el3s, ICC_RPR_EL1), 0xff)
	want(t, "IGRPEN1 after reset", m.mrs(1, nsel1, ICC_IGRPEN1_EL1), 0)
	want(t, "RPR of PE 0", m.mrs(0, nsel1, ICC_RPR_EL1), 0xa0)
	m.CPU(1).BootNonSecure()
	linuxCPU(m, 1, nsel1, false)
	m.RaiseSGI(1, 9)
	want(t, "IAR of PE 1", m.mrs(1, nsel1, ICC_IAR1_EL1), 9)
}
