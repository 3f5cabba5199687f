package gicv3

import "gatehouse/platform/bus"

// Distributor registers (IHI 0069, 12.8).
const (
	gicdCTLR       = 0x0000
	gicdTYPER      = 0x0004
	gicdIIDR       = 0x0008
	gicdTYPER2     = 0x000c
	gicdSTATUSR    = 0x0010
	gicdIGROUPR    = 0x0080
	gicdISENABLER  = 0x0100
	gicdICENABLER  = 0x0180
	gicdISPENDR    = 0x0200
	gicdICPENDR    = 0x0280
	gicdISACTIVER  = 0x0300
	gicdICACTIVER  = 0x0380
	gicdIPRIORITYR = 0x0400
	gicdITARGETSR  = 0x0800
	gicdICFGR      = 0x0c00
	gicdIGRPMODR   = 0x0d00
	gicdNSACR      = 0x0e00
	gicdSGIR       = 0x0f00
	gicdCPENDSGIR  = 0x0f10
	gicdSPENDSGIR  = 0x0f20
	gicdSGIEnd     = 0x0f30
	gicdIROUTER    = 0x6000
	gicdIROUTEREnd = 0x8000
	idRegisters    = 0xffd0
)

// Fields of GICD_CTLR (IHI 0069, 12.9). The names are those of the secure view.
const (
	ctlrEnableGrp0   = 1 << 0
	ctlrEnableGrp1NS = 1 << 1 // EnableGrp1 with DS, EnableGrp1A in the non-secure view
	ctlrEnableGrp1S  = 1 << 2
	ctlrARE          = 1 << 4 // ARE_S; ARE_NS in the non-secure view
	ctlrARENS        = 1 << 5
	ctlrDS           = 1 << 6
)

// Fields of GICD_TYPER (IHI 0069, 12.9): 16 bits of INTID, Aff3 may be non-zero. The range and security bits vary.
const (
	typerFixed        = 0xf<<19 | 1<<24
	typerSecurityExtn = 1 << 10
)

// iidr is the implementer's identification (IHI 0069, 12.9): Arm, revision and product 0, as in QEMU.
const iidr = 0x43b

// routerIRM selects 1 of N routing in GICD_IROUTER<n> (IHI 0069, 12.9).
const routerIRM = 1 << 31

// identification gives the registers from 0xffd0 on (IHI 0069, 12.1): CoreSight identification of an Arm GICv3, whose part
// number differs between the two kinds of frame. PIDR2 says GICv3.
func identification(off uint64, part uint8) uint64 {
	ids := [...]uint8{0x44, 0, 0, 0, part, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1}
	return uint64(ids[(off-idRegisters)/4])
}

const (
	partDistributor   = 0x92
	partRedistributor = 0x93
)

// Distributor gives the distributor's register frame, DistributorSize bytes.
func (g *GIC) Distributor() bus.Device { return distributor{g} }

type distributor struct{ gic *GIC }

const sourceGICD = "gicd"

func (d distributor) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	g := d.gic
	if off >= DistributorSize {
		return 0, bus.DECERR
	}
	ns := !a.Secure && !g.singleState()
	var v uint64
	ok := false
	switch size {
	case 1:
		v, ok = g.readByte(off, ns)
	case 4:
		v, ok = g.readWord(off, ns)
	case 8:
		if off >= gicdIROUTER && off < gicdIROUTEREnd {
			v, ok = g.readRouter(off, ns), true
		}
	}
	if !ok {
		// Reserved registers are RAZ/WI (IHI 0069, 12.1).
		g.guestError(sourceGICD, "READ", off, size)
	}
	return v, bus.OKAY
}

func (d distributor) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	g := d.gic
	if off >= DistributorSize {
		return bus.DECERR
	}
	ns := !a.Secure && !g.singleState()
	ok := false
	switch size {
	case 1:
		ok = g.writeByte(off, uint8(v), ns)
	case 4:
		ok = g.writeWord(off, uint32(v), ns)
	case 8:
		if ok = off >= gicdIROUTER && off < gicdIROUTEREnd; ok {
			g.writeRouter(off, v, ^uint64(0), ns)
		}
	}
	if !ok {
		g.guestError(sourceGICD, "WRITE", off, size)
	}
	return bus.OKAY
}

func (g *GIC) readByte(off uint64, ns bool) (uint64, bool) {
	switch {
	case off >= gicdIPRIORITYR && off < gicdITARGETSR:
		return uint64(g.readPriority(off-gicdIPRIORITYR, ns)), true
	case off >= gicdITARGETSR && off < gicdICFGR, off >= gicdCPENDSGIR && off < gicdSGIEnd:
		return 0, true // RES0 with affinity routing
	}
	return 0, false
}

func (g *GIC) writeByte(off uint64, v uint8, ns bool) bool {
	switch {
	case off >= gicdIPRIORITYR && off < gicdITARGETSR:
		id := off - gicdIPRIORITYR
		g.writePriority(id, v, ns)
		g.rescanAll()
		return true
	case off >= gicdITARGETSR && off < gicdICFGR, off >= gicdCPENDSGIR && off < gicdSGIEnd:
		return true
	}
	return false
}

// bitmap gives the word that a register of one bit an interrupt is about, and whether the register is implemented. The word of
// the private interrupts is not: with affinity routing they are in the redistributors.
func (g *GIC) bitmap(off, base uint64) (n int, ok bool) {
	n = int((off - base) / 4)
	return n, n > 0 && n < g.words
}

func (g *GIC) readWord(off uint64, ns bool) (uint64, bool) {
	switch {
	case off == gicdCTLR:
		return uint64(g.readCTLR(ns)), true
	case off == gicdTYPER:
		v := uint64(typerFixed | g.words - 1)
		if !g.singleState() {
			v |= typerSecurityExtn
		}
		return v, true
	case off == gicdIIDR:
		return iidr, true
	case off == gicdTYPER2, off == gicdSTATUSR:
		return 0, true
	case off < gicdIGROUPR:
		return 0, false
	case off < gicdIPRIORITYR:
		n, ok := g.bitmap(off&0x7f, 0)
		if !ok {
			return 0, true
		}
		return uint64(g.readBitmap(off&^0x7f, n, ns)), true
	case off < gicdITARGETSR:
		v := uint64(0)
		for i := uint64(0); i < 4; i++ {
			v |= uint64(g.readPriority(off-gicdIPRIORITYR+i, ns)) << (8 * i)
		}
		return v, true
	case off < gicdICFGR:
		return 0, true // GICD_ITARGETSR<n>
	case off < gicdIGRPMODR:
		n, ok := g.bitmap((off-gicdICFGR)/8*4, 0)
		if !ok {
			return 0, true
		}
		return uint64(readConfig(g.spi[n].edge&g.visible(n, ns, 4), off&4 != 0)), true
	case off < gicdIGRPMODR+0x80:
		n, ok := g.bitmap(off, gicdIGRPMODR)
		if !ok || ns || g.singleState() {
			return 0, true
		}
		return uint64(g.spi[n].grpmod), true
	case off < gicdNSACR:
		return 0, false
	case off < gicdSGIR:
		if ns || g.singleState() || !g.hasNSACR(off) {
			return 0, true
		}
		return uint64(g.nsacr[(off-gicdNSACR)/4]), true
	case off < gicdSGIEnd:
		return 0, true // GICD_SGIR is write-only, the others RES0 with affinity routing
	case off >= gicdIROUTER && off < gicdIROUTEREnd:
		return g.readRouter(off&^7, ns) >> (8 * (off & 4)) & 0xffff_ffff, true
	case off >= idRegisters:
		return identification(off, partDistributor), true
	}
	return 0, false
}

func (g *GIC) writeWord(off uint64, v uint32, ns bool) bool {
	switch {
	case off == gicdCTLR:
		g.writeCTLR(v, ns)
	case off == gicdTYPER, off == gicdIIDR, off == gicdTYPER2, off >= idRegisters:
		return false // read-only
	case off == gicdSTATUSR:
	case off < gicdIGROUPR:
		return false
	case off < gicdIPRIORITYR:
		if n, ok := g.bitmap(off&0x7f, 0); ok {
			g.writeBitmap(off&^0x7f, n, v, ns)
		}
	case off < gicdITARGETSR:
		for i := uint64(0); i < 4; i++ {
			g.writePriority(off-gicdIPRIORITYR+i, uint8(v>>(8*i)), ns)
		}
		g.rescanAll()
	case off < gicdICFGR: // GICD_ITARGETSR<n>
	case off < gicdIGRPMODR:
		if n, ok := g.bitmap((off-gicdICFGR)/8*4, 0); ok {
			w := &g.spi[n]
			w.edge = writeConfig(w.edge, v, off&4 != 0, g.visible(n, ns, 4))
			g.changed(n)
		}
	case off < gicdIGRPMODR+0x80:
		if n, ok := g.bitmap(off, gicdIGRPMODR); ok && !ns && !g.singleState() {
			g.spi[n].grpmod = v
			g.changed(n)
		}
	case off < gicdNSACR:
		return false
	case off < gicdSGIR:
		if !ns && !g.singleState() && g.hasNSACR(off) {
			g.nsacr[(off-gicdNSACR)/4] = v
		}
	case off < gicdSGIEnd: // no effect with affinity routing
	case off >= gicdIROUTER && off < gicdIROUTEREnd:
		shift := 8 * (off & 4)
		g.writeRouter(off&^7, uint64(v)<<shift, 0xffff_ffff<<shift, ns)
	default:
		return false
	}
	return true
}

// readCTLR gives GICD_CTLR. Non-secure software sees its own enable and affinity routing bits, at other places.
func (g *GIC) readCTLR(ns bool) uint32 {
	if !ns {
		return g.ctlr
	}
	v := g.ctlr & ctlrEnableGrp1NS
	if g.ctlr&ctlrARENS != 0 {
		v |= ctlrARE
	}
	return v
}

func (g *GIC) writeCTLR(v uint32, ns bool) {
	mask := uint32(ctlrEnableGrp0 | ctlrEnableGrp1NS | ctlrEnableGrp1S | ctlrDS)
	switch {
	case ns:
		mask = ctlrEnableGrp1NS
	case g.singleState():
		mask = ctlrEnableGrp0 | ctlrEnableGrp1NS
	}
	g.ctlr = g.ctlr&^mask | v&mask
	if g.singleState() {
		// DS stays set until reset; the bits of the second state are gone with it.
		g.ctlr &^= ctlrARENS | ctlrEnableGrp1S
	}
	g.rescanAll()
}

// visible gives the interrupts of word n that an access may see or change. To non-secure software these are the ones in non-secure
// Group 1 and those whose GICD_NSACR<n> field is at least level (1 to 3; 4 stands for never).
func (g *GIC) visible(n int, ns bool, level uint32) uint32 {
	if !ns {
		return 0xffff_ffff
	}
	m := g.spi[n].group
	if g.nsacr[2*n]|g.nsacr[2*n+1] != 0 {
		for i := 0; i < 32; i++ {
			if g.nsacr[2*n+i/16]>>(i%16*2)&3 >= level {
				m |= 1 << i
			}
		}
	}
	return m
}

func (g *GIC) hasNSACR(off uint64) bool {
	n := int(off-gicdNSACR) / 8
	return n > 0 && n < g.words
}

// readBitmap reads one of the registers with a bit for each interrupt; base is the first of its kind. Non-secure access to
// secure interrupts follows GICD_NSACR<n> (IHI 0069, 12.9).
func (g *GIC) readBitmap(base uint64, n int, ns bool) uint32 {
	w := &g.spi[n]
	switch base {
	case gicdIGROUPR:
		if ns {
			return 0
		}
		return w.group
	case gicdISENABLER, gicdICENABLER:
		return w.enable & g.visible(n, ns, 4)
	case gicdISPENDR:
		return w.pending() & g.visible(n, ns, 1)
	case gicdICPENDR:
		return w.pending() & g.visible(n, ns, 2)
	}
	return w.active & g.visible(n, ns, 2)
}

func (g *GIC) writeBitmap(base uint64, n int, v uint32, ns bool) {
	w := &g.spi[n]
	switch base {
	case gicdIGROUPR:
		if !ns {
			w.group = v
		}
	case gicdISENABLER:
		w.enable |= v & g.visible(n, ns, 4)
	case gicdICENABLER:
		w.enable &^= v & g.visible(n, ns, 4)
	case gicdISPENDR:
		w.latch |= v & g.visible(n, ns, 1)
	case gicdICPENDR:
		w.latch &^= v & g.visible(n, ns, 2)
	case gicdISACTIVER:
		w.active |= v & g.visible(n, ns, 4)
	case gicdICACTIVER:
		w.active &^= v & g.visible(n, ns, 4)
	}
	g.changed(n)
}

// changed follows a change of g.spi[n] by software.
func (g *GIC) changed(n int) {
	g.touch(n)
	g.rescanAll()
}

func (g *GIC) readPriority(id uint64, ns bool) uint8 {
	if id < FirstSPI || int(id) >= g.NumINTIDs() {
		return 0
	}
	return viewPriority(g.prio[id], g.spi[id/32].group>>(id%32)&1 != 0, ns)
}

// writePriority leaves the rescan to the caller.
func (g *GIC) writePriority(id uint64, v uint8, ns bool) {
	if id >= FirstSPI && int(id) < g.NumINTIDs() {
		setPriority(&g.prio[id], v, g.spi[id/32].group>>(id%32)&1 != 0, ns)
	}
}

// viewPriority gives the priority of an interrupt as the access sees it (IHI 0069, 4.8): the upper half of the priorities
// looks like all of them to non-secure software, and secure interrupts have none.
func viewPriority(p uint8, nonSecureInt, ns bool) uint8 {
	switch {
	case !ns:
		return p
	case nonSecureInt:
		return p << 1
	}
	return 0
}

func setPriority(p *uint8, v uint8, nonSecureInt, ns bool) {
	switch {
	case !ns:
		*p = v & priorityMask
	case nonSecureInt:
		*p = (v>>1 | nonSecureHalf) & priorityMask
	}
}

// readConfig spreads half of a word of trigger types over the odd bits of GICD_ICFGR<n> (IHI 0069, 12.9).
func readConfig(edge uint32, upper bool) uint32 {
	if upper {
		edge >>= 16
	}
	var v uint32
	for i := 0; i < 16; i++ {
		v |= edge >> i & 1 << (2*i + 1)
	}
	return v
}

func writeConfig(edge, v uint32, upper bool, mask uint32) uint32 {
	var set uint32
	for i := 0; i < 16; i++ {
		set |= v >> (2*i + 1) & 1 << i
	}
	half := uint32(0xffff)
	if upper {
		set, half = set<<16, 0xffff_0000
	}
	mask &= half
	return edge&^mask | set&mask
}

// routable gives the interrupt whose GICD_IROUTER<n> is at off, if the access may see it.
func (g *GIC) routable(off uint64, ns bool) (id uint32, ok bool) {
	id = uint32(off-gicdIROUTER) / 8
	if id < FirstSPI || int(id) >= g.NumINTIDs() {
		return 0, false
	}
	return id, g.visible(int(id/32), ns, 3)>>(id%32)&1 != 0
}

func (g *GIC) readRouter(off uint64, ns bool) uint64 {
	if id, ok := g.routable(off, ns); ok {
		return g.router[id]
	}
	return 0
}

// writeRouter changes the bits of mask.
func (g *GIC) writeRouter(off, v, mask uint64, ns bool) {
	if id, ok := g.routable(off, ns); ok {
		g.setRouter(id, (g.router[id]&^mask|v&mask)&(affinityMask|routerIRM))
		g.rescanAll()
	}
}
