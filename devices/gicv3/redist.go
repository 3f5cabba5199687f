package gicv3

import "gatehouse/platform/bus"

// Redistributor registers of RD_base (IHI 0069, 12.10).
const (
	gicrCTLR    = 0x0000
	gicrIIDR    = 0x0004
	gicrTYPER   = 0x0008
	gicrTYPERHi = 0x000c
	gicrSTATUSR = 0x0010
	gicrWAKER   = 0x0014
)

// Redistributor registers of SGI_base (IHI 0069, 12.10), as offsets from RD_base.
const (
	sgiBase        = 0x1_0000
	gicrIGROUPR0   = sgiBase + 0x080
	gicrISENABLER0 = sgiBase + 0x100
	gicrICENABLER0 = sgiBase + 0x180
	gicrISPENDR0   = sgiBase + 0x200
	gicrICPENDR0   = sgiBase + 0x280
	gicrISACTIVER0 = sgiBase + 0x300
	gicrICACTIVER0 = sgiBase + 0x380
	gicrIPRIORITYR = sgiBase + 0x400
	gicrIPRIOEnd   = sgiBase + 0x420
	gicrICFGR0     = sgiBase + 0xc00
	gicrICFGR1     = sgiBase + 0xc04
	gicrIGRPMODR0  = sgiBase + 0xd00
	gicrNSACR      = sgiBase + 0xe00
)

// Fields of GICR_CTLR, GICR_TYPER and GICR_WAKER (IHI 0069, 12.11).
const (
	gicrDPG0  = 1 << 24
	gicrDPG1N = 1 << 25
	gicrDPG1S = 1 << 26

	gicrTyperLast   = 1 << 4
	gicrTyperDPGS   = 1 << 5
	gicrTyperNumber = 8

	wakerProcessorSleep = 1 << 1
	wakerChildrenAsleep = 1 << 2
)

// Redistributors gives the register frames of all redistributors, RedistributorSize bytes for each PE in the order of their
// numbers.
func (g *GIC) Redistributors() bus.Device { return redistributors{g} }

type redistributors struct{ gic *GIC }

const sourceGICR = "gicr"

func (r redistributors) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	g := r.gic
	if off/RedistributorSize >= uint64(len(g.cpus)) {
		return 0, bus.DECERR
	}
	c := &g.cpus[off/RedistributorSize]
	ns := !a.Secure && !g.singleState()
	var v uint64
	ok := false
	switch o := off % RedistributorSize; {
	case size == 4:
		v, ok = c.readFrame(o, ns)
	case size == 8 && o == gicrTYPER:
		v, ok = c.typer(), true
	case size == 1 && o >= gicrIPRIORITYR && o < gicrIPRIOEnd:
		v, ok = uint64(c.readPriority(o-gicrIPRIORITYR, ns)), true
	}
	if !ok {
		g.guestError(sourceGICR, "READ", off, size)
	}
	return v, bus.OKAY
}

func (r redistributors) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	g := r.gic
	if off/RedistributorSize >= uint64(len(g.cpus)) {
		return bus.DECERR
	}
	c := &g.cpus[off/RedistributorSize]
	ns := !a.Secure && !g.singleState()
	ok := false
	switch o := off % RedistributorSize; {
	case size == 4:
		ok = c.writeFrame(o, uint32(v), ns)
	case size == 1 && o >= gicrIPRIORITYR && o < gicrIPRIOEnd:
		c.writePriority(o-gicrIPRIORITYR, uint8(v), ns)
		c.rescan()
		ok = true
	}
	if !ok {
		g.guestError(sourceGICR, "WRITE", off, size)
	}
	return bus.OKAY
}

// typer gives GICR_TYPER: affinity, number and whether it is the last frame.
func (c *CPUInterface) typer() uint64 {
	a := c.affinity>>32<<24 | c.affinity&0xff_ffff
	v := a<<32 | uint64(c.index)<<gicrTyperNumber | gicrTyperDPGS
	if c.index == len(c.gic.cpus)-1 {
		v |= gicrTyperLast
	}
	return v
}

// visible gives the interrupts that an access may see or change. GICR_NSACR has no say in it.
func (c *CPUInterface) visible(ns bool) uint32 {
	if ns {
		return c.private.group
	}
	return 0xffff_ffff
}

func (c *CPUInterface) readPriority(i uint64, ns bool) uint8 {
	return viewPriority(c.prio[i], c.private.group>>i&1 != 0, ns)
}

func (c *CPUInterface) writePriority(i uint64, v uint8, ns bool) {
	setPriority(&c.prio[i], v, c.private.group>>i&1 != 0, ns)
}

func (c *CPUInterface) readFrame(off uint64, ns bool) (uint64, bool) {
	w := &c.private
	vis := c.visible(ns)
	secureOnly := ns || c.gic.singleState()
	var v uint32
	switch off {
	case gicrCTLR:
		v = c.readCTLR(ns)
	case gicrIIDR:
		v = iidr
	case gicrTYPER:
		v = uint32(c.typer())
	case gicrTYPERHi:
		v = uint32(c.typer() >> 32)
	case gicrSTATUSR:
	case gicrWAKER:
		if c.asleep && !ns {
			v = wakerProcessorSleep | wakerChildrenAsleep
		}
	case gicrIGROUPR0:
		if !ns {
			v = w.group
		}
	case gicrISENABLER0, gicrICENABLER0:
		v = w.enable & vis
	case gicrISPENDR0, gicrICPENDR0:
		v = w.pending() & vis
	case gicrISACTIVER0, gicrICACTIVER0:
		v = w.active & vis
	case gicrICFGR0, gicrICFGR1:
		v = readConfig(w.edge&vis, off == gicrICFGR1)
	case gicrIGRPMODR0:
		if !secureOnly {
			v = w.grpmod
		}
	case gicrNSACR:
		if !secureOnly {
			v = c.nsacr
		}
	default:
		switch {
		case off >= gicrIPRIORITYR && off < gicrIPRIOEnd:
			for i := uint64(0); i < 4; i++ {
				v |= uint32(c.readPriority(off-gicrIPRIORITYR+i, ns)) << (8 * i)
			}
		case off >= idRegisters && off < sgiBase:
			return identification(off, partRedistributor), true
		default:
			return 0, false
		}
	}
	return uint64(v), true
}

func (c *CPUInterface) writeFrame(off uint64, v uint32, ns bool) bool {
	w := &c.private
	own := v & c.visible(ns)
	secureOnly := ns || c.gic.singleState()
	switch off {
	case gicrCTLR:
		c.writeCTLR(v, ns)
		return true
	case gicrSTATUSR:
		return true
	case gicrWAKER:
		if !ns {
			// ChildrenAsleep follows at once.
			c.asleep = v&wakerProcessorSleep != 0
			c.gic.choose()
			c.gic.rescanAll()
		}
		return true
	case gicrIGROUPR0:
		if !ns {
			w.group = v
		}
	case gicrISENABLER0:
		w.enable |= own
	case gicrICENABLER0:
		w.enable &^= own
	case gicrISPENDR0:
		w.latch |= own
	case gicrICPENDR0:
		w.latch &^= own
	case gicrISACTIVER0:
		w.active |= own
	case gicrICACTIVER0:
		w.active &^= own
	case gicrICFGR0:
		// SGIs are always edge-triggered.
	case gicrICFGR1:
		w.edge = writeConfig(w.edge, v, true, c.visible(ns))
	case gicrIGRPMODR0:
		if !secureOnly {
			w.grpmod = v
		}
	case gicrNSACR:
		if !secureOnly {
			c.nsacr = v
		}
	default:
		if off < gicrIPRIORITYR || off >= gicrIPRIOEnd {
			return false // reserved or read-only
		}
		for i := uint64(0); i < 4; i++ {
			c.writePriority(off-gicrIPRIORITYR+i, uint8(v>>(8*i)), ns)
		}
	}
	c.rescan()
	return true
}

// readCTLR gives GICR_CTLR. The DPG bits of the secure groups are not for non-secure software.
func (c *CPUInterface) readCTLR(ns bool) uint32 {
	var v uint32
	if c.refuse.has(Group1NS) {
		v |= gicrDPG1N
	}
	if c.refuse.has(Group0) && !ns {
		v |= gicrDPG0
	}
	if c.refuse.has(Group1S) && !ns {
		v |= gicrDPG1S
	}
	return v
}

func (c *CPUInterface) writeCTLR(v uint32, ns bool) {
	var set groupSet
	mask := groupSet(1 << Group1NS)
	switch {
	case c.gic.singleState():
		mask = 1<<Group0 | 1<<Group1NS
	case !ns:
		mask = 1<<Group0 | 1<<Group1S | 1<<Group1NS
	}
	if v&gicrDPG0 != 0 {
		set |= 1 << Group0
	}
	if v&gicrDPG1S != 0 {
		set |= 1 << Group1S
	}
	if v&gicrDPG1N != 0 {
		set |= 1 << Group1NS
	}
	c.refuse = c.refuse&^mask | set&mask
	c.gic.choose()
	c.gic.rescanAll()
}
