package gicv3

import "math/bits"

// interrupts is the state of 32 interrupts, one bit each.
type interrupts struct {
	group  uint32 // GICD_IGROUPR<n>
	grpmod uint32 // GICD_IGRPMODR<n>
	enable uint32
	active uint32
	edge   uint32 // configured as edge-triggered
	latch  uint32 // pending by an edge or by software
	level  uint32 // input lines
}

// pending gives the interrupts with pending state. A level-sensitive interrupt is pending as long as its line is high, or
// when software made it so (IHI 0069, 4.1).
func (w *interrupts) pending() uint32 { return w.latch | w.level&^w.edge }

// ready gives the interrupts that can be forwarded to a PE as far as their own state goes: enabled, pending and not active.
func (w *interrupts) ready() uint32 { return w.pending() & w.enable &^ w.active }

// drive sets the level of one line and says whether the interrupt may have become ready, or may have stopped being so.
func (w *interrupts) drive(bit uint32, level bool) (changed bool) {
	if level == (w.level&bit != 0) {
		return false
	}
	before := w.ready()
	w.level ^= bit
	if level {
		w.latch |= bit & w.edge
	}
	return w.ready() != before
}

// inGroups gives the interrupts that belong to one of the groups in set.
func (g *GIC) inGroups(w *interrupts, set groupSet) uint32 {
	ns := w.group
	s := w.grpmod &^ w.group
	if g.singleState() {
		s = 0 // GICD_IGRPMODR<n> is RES0
	}
	var m uint32
	if set.has(Group0) {
		m = ^(ns | s)
	}
	if set.has(Group1S) {
		m |= s
	}
	if set.has(Group1NS) {
		m |= ns
	}
	return m
}

// groupOf gives the group of interrupt i, 0 to 31, of w (IHI 0069, 4.6).
func (g *GIC) groupOf(w *interrupts, i uint32) Group {
	switch {
	case w.group>>i&1 != 0:
		return Group1NS
	case w.grpmod>>i&1 != 0 && !g.singleState():
		return Group1S
	}
	return Group0
}

// groupSet is a set of groups, one bit each.
type groupSet uint8

func (s groupSet) has(g Group) bool { return s>>g&1 != 0 }

// enabledGroups gives the groups that GICD_CTLR lets through.
func (g *GIC) enabledGroups() groupSet {
	var s groupSet
	if g.ctlr&ctlrEnableGrp0 != 0 {
		s |= 1 << Group0
	}
	if g.ctlr&ctlrEnableGrp1S != 0 {
		s |= 1 << Group1S
	}
	if g.ctlr&ctlrEnableGrp1NS != 0 {
		s |= 1 << Group1NS
	}
	return s
}

// touch must follow each change of g.spi[n].
func (g *GIC) touch(n int) {
	if g.spi[n].ready() != 0 {
		g.ready |= 1 << n
	} else {
		g.ready &^= 1 << n
	}
}

// choose decides which PE takes the 1 of N interrupts of each group: the lowest-numbered one that is awake, has the group
// enabled in its CPU interface and does not refuse with GICR_CTLR.DPG* (IHI 0069, 2.3). It must follow each change of these.
func (g *GIC) choose() {
	for grp := range g.chosen {
		g.chosen[grp] = -1
		for i := range g.cpus {
			c := &g.cpus[i]
			if c.awake() && c.enable.has(Group(grp)) && !c.refuse.has(Group(grp)) {
				g.chosen[grp] = int16(i)
				break
			}
		}
	}
	for i := range g.cpus {
		c := &g.cpus[i]
		c.chosen = 0
		for grp, who := range g.chosen {
			if int(who) == i {
				c.chosen |= 1 << grp
			}
		}
	}
}

// route rebuilds the sets of interrupts that are routed to each PE by its affinity.
func (g *GIC) route() {
	for i := range g.cpus {
		clear(g.cpus[i].routed[:])
	}
	for id := FirstSPI; id < g.NumINTIDs(); id++ {
		g.routeOne(uint32(id))
	}
}

func (g *GIC) routeOne(id uint32) {
	n, bit := id/32, uint32(1)<<(id%32)
	if g.oneOfN[n]&bit == 0 && g.target[id] >= 0 {
		g.cpus[g.target[id]].routed[n] |= bit
	}
}

// setRouter writes GICD_IROUTER<id>.
func (g *GIC) setRouter(id uint32, v uint64) {
	n, bit := id/32, uint32(1)<<(id%32)
	if t := g.target[id]; t >= 0 {
		g.cpus[t].routed[n] &^= bit
	}
	g.router[id] = v
	g.oneOfN[n] &^= bit
	if v&routerIRM != 0 {
		g.oneOfN[n] |= bit
	}
	g.target[id] = g.findCPU(v & affinityMask)
	g.routeOne(id)
}

// rescanAll recomputes what every PE sees.
func (g *GIC) rescanAll() {
	for i := range g.cpus {
		g.cpus[i].rescan()
	}
}

// rescanFor recomputes what the PE sees that the shared interrupt id goes to.
func (g *GIC) rescanFor(id uint32) {
	n := id / 32
	who := g.target[id]
	if g.oneOfN[n]>>(id%32)&1 != 0 {
		who = g.chosen[g.groupOf(&g.spi[n], id%32)]
	}
	if who >= 0 {
		g.cpus[who].rescan()
	}
}

// candidate is an interrupt on its way to a PE. Its priority is idle when there is none.
type candidate struct {
	id    uint16
	prio  uint8
	group Group
}

var none = candidate{id: spurious, prio: idle, group: noGroup}

// highest gives the highest priority pending interrupt for c among the given groups (IHI 0069, 4.1). Among equals the lowest
// identifier wins.
func (c *CPUInterface) highest(groups groupSet) candidate {
	g := c.gic
	best := none
	if groups == 0 {
		return best
	}
	if set := c.private.ready() & g.inGroups(&c.private, groups); set != 0 {
		c.pick(&best, set, 0, c.prio[:])
	}
	for left := g.ready; left != 0; left &= left - 1 {
		n := bits.TrailingZeros32(left)
		w := &g.spi[n]
		set := w.ready() & (g.inGroups(w, groups)&c.routed[n] | g.inGroups(w, groups&c.chosen)&g.oneOfN[n])
		if set != 0 {
			c.pick(&best, set, uint32(n), g.prio[n*32:n*32+32])
		}
	}
	if best.group != noGroup {
		w := &c.private
		if n := best.id / 32; n != 0 {
			w = &g.spi[n]
		}
		best.group = g.groupOf(w, uint32(best.id%32))
	}
	return best
}

// pick replaces best by the highest of set if that is higher. The group is left for the caller to find.
func (c *CPUInterface) pick(best *candidate, set, n uint32, prio []uint8) {
	for ; set != 0; set &= set - 1 {
		i := uint32(bits.TrailingZeros32(set))
		if p := prio[i]; p < best.prio {
			*best = candidate{id: uint16(n*32 + i), prio: p, group: Group0}
		}
	}
}
