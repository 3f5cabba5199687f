package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/mmu"
)

// Self-hosted debug (DDI 0487, D2) and its registers (D19.3). What an external debugger sets is in debugger.go. Both work the same way:
// pages with a breakpoint are executed instruction by instruction, and pages with a watchpoint are never in the TLB, so that nothing
// else becomes slower.

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
		switch key & 7 {
		case 5, 7: // the control registers
			v &= 0xffffffff
		case 6: // DBGWVR: RESS above bit 48
			v = uint64(int64(v<<15)>>15) &^ 3
		}
		if *p != v {
			*p = v
			c.debugChanged()
		}
		return accessOK
	}
	switch key {
	case sysMDSCREL1:
		old := s.mdscr
		s.mdscr = v & 0xffffffff
		if (old^s.mdscr)&mdscrMDE != 0 {
			c.debugChanged()
		}
		c.updateStep()
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
		c.updateStep()
	case sysOSDLREL1:
		s.osdlr = v & 1
		c.updateStep()
	case sysDBGCLAIMSETEL1:
		s.dbgclaim |= v & 0xff
	case sysDBGCLAIMCLREL1:
		s.dbgclaim &^= v & 0xff
	}
	return accessOK
}

// MDSCR_EL1 (D19.3.20).
const (
	mdscrSS  = 1 << 0
	mdscrKDE = 1 << 13
	mdscrMDE = 1 << 15
)

// mdcrSDD is MDCR_EL3.SDD: no debug exceptions from Secure state.
const mdcrSDD = 1 << 16

const (
	// contextAware is the first breakpoint that can compare context IDs and VMIDs: the last two do.
	contextAware = breakpoints - 2
	// dfscDebug is the fault status code of debug exceptions.
	dfscDebug = 0x22
)

// debugState is what follows from the debug registers and the debugger's wishes, and the execution of single instructions.
type debugState struct {
	watching bool // a watchpoint is set
	stops    bool // a breakpoint is set
	stepping bool // software step is active (D2.11)

	once      once
	over      bool // the debugger's breakpoints do not count now
	took      bool // an exception was taken
	stepped   bool // software step was active when the instruction began
	exclusive bool // the last instruction was a load-exclusive
	compares  bool // a store-exclusive looks at memory

	one  *codePage // holds the one instruction that may be executed
	slot uint64    // where
}

// debugChanged follows a change of breakpoints and watchpoints. Whether they count in the current state is decided when one is met.
func (c *CPU) debugChanged() {
	d := &c.debug
	stops, watching := len(c.dbg.breaks) > 0, len(c.dbg.watches) > 0
	if c.sys.mdscr&mdscrMDE != 0 {
		for n := range breakpoints {
			stops = stops || c.sys.bcr[n]&1 != 0
		}
		for n := range watchpoints {
			watching = watching || c.sys.wcr[n]&1 != 0
		}
	}
	if d.stops || stops {
		clear(c.itlb[:])
	}
	if d.watching || watching {
		clear(c.tlb[:])
	}
	d.stops, d.watching = stops, watching
	c.check = true
}

// debugTarget is the exception level that debug exceptions are taken to (DebugTargetFrom).
func (c *CPU) debugTarget(secure bool) uint8 {
	if c.cfg.EL2 && !secure && (c.sys.hcr&hcrTGE != 0 || c.sys.mdcr2&mdcrTDE != 0) {
		return 2
	}
	return 1
}

// debugEnabledFrom reports whether debug exceptions are enabled from an exception level and security state with that PSTATE.D
// (AArch64.GenerateDebugExceptionsFrom).
func (c *CPU) debugEnabledFrom(el uint8, secure, mask bool) bool {
	if c.sys.oslock != 0 || c.sys.osdlr != 0 || c.cfg.EL3 && secure && c.sys.mdcr3&mdcrSDD != 0 {
		return false
	}
	target := c.debugTarget(secure)
	return target > el || target == el && c.sys.mdscr&mdscrKDE != 0 && !mask
}

func (c *CPU) debugEnabled() bool { return c.debugEnabledFrom(c.el, c.secure, c.daif&8 != 0) }

// updateStep follows a change of what software step depends on.
func (c *CPU) updateStep() {
	c.debug.stepping = c.sys.mdscr&mdscrSS != 0 && c.debugEnabled()
	if c.debug.stepping {
		c.check = true
	}
}

// returnsStepping gives PSTATE.SS for a return from an exception to el (DebugExceptionReturnSS).
func (c *CPU) returnsStepping(spsr uint64, el uint8) bool {
	if spsr&psSS == 0 || c.sys.mdscr&mdscrSS == 0 || c.debugEnabled() {
		return false
	}
	secure := el == 3 || c.cfg.EL3 && c.sys.scr&scrNS == 0
	return c.debugEnabledFrom(el, secure, spsr&psD != 0)
}

// debugException takes a debug exception of a class that has a second number for the same exception level.
func (c *CPU) debugException(ec, iss uint64) {
	target := c.debugTarget(c.secure)
	if target == c.el {
		ec++
	}
	c.syncException(target, ec, iss|dfscDebug, c.PC)
}

// softwareStepPending takes the exception of the active-pending state, which an exception return or a change of a control
// register led to: the syndrome says that no instruction was stepped (ISV is 0).
func (c *CPU) softwareStepPending() bool {
	if !c.debug.stepping || c.ss {
		c.debug.stepped = c.debug.stepping
		return false
	}
	c.debugException(ecStep, 0)
	return true
}

// softwareStepDone goes on from active-not-pending when the instruction is over: PSTATE.SS becomes 0, and where software step still is
// active its exception comes before everything else. An instruction that took an exception of its own has entered another state.
func (c *CPU) softwareStepDone() {
	if !c.debug.stepped || c.debug.took {
		return
	}
	c.ss = false
	if !c.debug.stepping || c.waiting == poweredOff {
		return
	}
	c.waiting = running // WFI and WFE may end at any time
	iss := uint64(1 << 24)
	if c.debug.exclusive {
		iss |= 1 << 6
	}
	c.debugException(ecStep, iss)
}

// breakBefore looks for breakpoints at pc, the instruction that is about to be executed. It returns true when the debugger wants a
// stop, or an exception has been taken.
func (c *CPU) breakBefore(pc uint64) bool {
	if !c.debug.over && c.breakpointAt(pc) {
		c.stopFor(Stop{Kind: StopBreakpoint, Addr: pc})
		c.dbg.refund = true
		return true
	}
	if c.sys.mdscr&mdscrMDE == 0 || !c.debugEnabled() {
		return false
	}
	for n := range breakpoints {
		if c.sys.bcr[n]&1 != 0 && c.breakpointMatches(n, pc) {
			c.debugException(ecBreakpoint, 0)
			return true
		}
	}
	return false
}

// fetchAlone gives a page that holds the instruction at pc and no other.
func (c *CPU) fetchAlone(pc uint64, p *codePage) *codePage {
	d := &c.debug
	if d.one == nil {
		d.one = &codePage{}
		d.one.inst[instPerPage].Op = a64.PageEnd
	}
	d.one.inst[d.slot], d.one.inst[d.slot+1] = a64.Inst{}, a64.Inst{}
	i := pc / 4 % instPerPage
	if p.inst[i].Op == a64.Undecoded {
		c.code.decode(p, i)
	}
	d.one.pa, d.slot = p.pa, i
	d.one.inst[i], d.one.inst[i+1].Op = p.inst[i], a64.PageEnd
	d.one.inst[instPerPage].Op = a64.PageEnd
	return d.one
}

// Types of breakpoints, DBGBCR<n>_EL1.BT (D19.3.2). An odd type is linked.
const (
	typeAddress = 0
	typeContext = 2
	typeVMID    = 8
	typeBoth    = 10
)

// breakpointMatches is AArch64.BreakpointMatch of breakpoint n, which is enabled.
func (c *CPU) breakpointMatches(n int, pc uint64) bool {
	bcr := c.sys.bcr[n]
	kind := bcr >> 20 & 15
	switch {
	case kind&^1 == typeAddress:
		// All of a word, or nothing: without AArch32 the byte select is of no use.
		if uint64(int64(c.sys.bvr[n]<<15)>>15)&^3 != untagged(pc) || bcr>>5&15 == 0 {
			return false
		}
	case kind&1 != 0 || !c.contextMatches(n):
		return false
	}
	return c.stateMatches(bcr, kind&1 != 0, c.el)
}

// contextMatches compares context ID and VMID as breakpoint n says.
func (c *CPU) contextMatches(n int) bool {
	if n < contextAware || n >= breakpoints || c.el > 1 {
		return false
	}
	id := uint32(c.sys.bvr[n]) == uint32(c.sys.contextidr)
	vmid := uint16(c.sys.vttbr >> 48)
	want := uint16(c.sys.bvr[n] >> 32)
	if c.sys.vtcr>>19&1 == 0 { // VS
		vmid, want = vmid&0xff, want&0xff
	}
	guest := c.el2() && vmid == want
	switch c.sys.bcr[n] >> 20 & 15 &^ 1 {
	case typeContext:
		return id
	case typeVMID:
		return guest
	case typeBoth:
		return id && guest
	}
	return false
}

// stateMatches is AArch64.StateMatch: the fields SSC, HMC, PMC or PAC, and LBN have the same places in DBGBCR and DBGWCR.
func (c *CPU) stateMatches(control uint64, linked bool, el uint8) bool {
	pxc, hmc, ssc := control>>1&3, control>>13&1, control>>14&3
	var match bool
	switch el {
	case 0:
		match = pxc&2 != 0
	case 1:
		match = pxc&1 != 0
	case 2:
		match = hmc != 0 && !(ssc == 2 && pxc == 0) || ssc == 3
	default:
		match = hmc != 0 && ssc&1 == 0
	}
	switch ssc {
	case 1:
		match = match && !c.secure
	case 2:
		match = match && c.secure
	case 3:
		match = match && (hmc != 0 || c.secure)
	}
	if !match || !linked {
		return match
	}
	// A link to what is not enabled, or not a linked context breakpoint, makes this one count as disabled.
	n := int(control >> 16 & 15)
	return n < breakpoints && c.sys.bcr[n]&1 != 0 && c.sys.bcr[n]>>20&1 != 0 && c.contextMatches(n)
}

// debugStopsInPage reports whether a breakpoint of the guest may be met in a page.
func (c *CPU) debugStopsInPage(page uint64) bool {
	if c.sys.mdscr&mdscrMDE == 0 {
		return false
	}
	for n := range breakpoints {
		bcr := c.sys.bcr[n]
		if bcr&1 != 0 && (bcr>>20&15&^1 != typeAddress || uint64(int64(c.sys.bvr[n]<<15)>>15)&^pageMask == page) {
			return true
		}
	}
	return false
}

// watched gives the bytes that watchpoint n covers. Of what the architecture leaves open QEMU's choices are made: a reserved MASK covers
// nothing, of several groups in BAS the lowest counts, address bits under MASK are ignored.
func (c *CPU) watched(n int) Watch {
	wcr := c.sys.wcr[n]
	w := Watch{Addr: c.sys.wvr[n], Read: wcr>>3&1 != 0, Write: wcr>>4&1 != 0}
	switch mask := wcr >> 24 & 31; {
	case wcr&1 == 0 || mask == 1 || mask == 2:
	case mask != 0:
		w.Len = 1 << mask
		w.Addr &^= w.Len - 1
	default:
		bas := wcr >> 5 & 0xff
		if w.Addr&4 != 0 {
			bas &= 15
		}
		for ; bas != 0 && bas&1 == 0; bas >>= 1 {
			w.Addr++
		}
		for ; bas&1 != 0; bas >>= 1 {
			w.Len++
		}
	}
	return w
}

// debugWatchesPage reports whether a watchpoint of the guest covers bytes of a page.
func (c *CPU) debugWatchesPage(page uint64) bool {
	if c.sys.mdscr&mdscrMDE == 0 {
		return false
	}
	for n := range watchpoints {
		w := c.watched(n)
		if _, ok := w.overlap(page, pageSize); ok {
			return true
		}
	}
	return false
}

// watchpoint looks for watchpoints of the guest on an access. It returns false when the exception of one has been taken.
func (c *CPU) watchpoint(va, n uint64, acc mmu.Access, user bool) bool {
	if c.sys.mdscr&mdscrMDE == 0 || !c.debugEnabled() {
		return true
	}
	el := c.el
	if user {
		el = 0
	}
	for i := range watchpoints {
		w := c.watched(i)
		if acc == mmu.Write && !w.Write || acc == mmu.Read && !w.Read {
			continue
		}
		first, ok := w.overlap(untagged(va), n)
		if !ok || !c.stateMatches(c.sys.wcr[i], c.sys.wcr[i]>>20&1 != 0, el) {
			continue
		}
		iss := uint64(0)
		if acc == mmu.Write {
			iss = issWnR
		}
		c.sys.far[c.debugTarget(c.secure)] = va + first - untagged(va)
		c.debugException(ecWatchpoint, iss)
		return false
	}
	return true
}
