package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/mmu"
)

const (
	tlbSize  = 1024
	itlbSize = 256
	xlatSize = 256

	// Bits 11 to 4 of a tag name the translation context; bits 3 to 0 are zero, so that an unaligned address, whose low bits
	// are left in the comparison, matches nothing.
	ctxShift = 4
	maxCtx   = 255
	// ctxMisaligned is set in CPU.ctx, and never in a tag of the TLB, while the stack pointer is misaligned.
	ctxMisaligned = 8
)

// tlbEntry lets loads and stores reach a page of RAM directly. rtag and wtag match where reading and writing is allowed by
// the translation and by the firewall.
type tlbEntry struct {
	rtag, wtag uint64
	page       *bus.Page
}

type itlbEntry struct {
	tag     uint64
	page    *codePage
	guarded bool // of FEAT_BTI
}

// xlatEntry keeps a translation whose accesses go through the bus: devices, watched pages, denied memory.
type xlatEntry struct {
	tag         uint64
	pa          uint64 // of the page
	ns          bool
	device      bool
	read, write bool
}

// context names one set of translations that may live in the TLB side by side with others: regime and privilege (kind), ASID
// and VMID.
type context struct {
	kind       uint8
	asid, vmid uint16
}

const (
	kindUser   = 1 << iota // EL0
	kindPAN                // PSTATE.PAN is set
	kindSecure             //
	kindEL2                // regime of EL2
	kindEL3                // regime of EL3
	kinds      = 32
)

type contexts struct {
	keys    [maxCtx + 1]context
	n       int
	current [kinds]uint8 // number of each kind with the current ASID and VMID, 0 is unknown
}

// area is the smallest naturally aligned range that holds all pages and blocks above 4 KiB that were put into the TLB since the
// last flush.
type area struct {
	used       bool
	base, mask uint64
}

func (l *area) holds(va uint64) bool { return l.used && va&l.mask == l.base }

func (c *CPU) noteSize(va, size uint64) {
	if size <= pageSize {
		return
	}
	l := &c.large[va>>55&1]
	mask := ^(size - 1)
	if l.used {
		mask &= l.mask
		for (l.base^va)&mask != 0 {
			mask <<= 1
		}
	}
	*l = area{true, va & mask, mask}
}

// flushTLB drops all translations and decisions.
func (c *CPU) flushTLB() {
	clear(c.tlb[:])
	clear(c.itlb[:])
	clear(c.xlat[:])
	c.contexts.n = 0
	clear(c.contexts.current[:])
	c.large = [2]area{}
	c.cold = true
	c.check = true
	c.updateContext()
}

// flushPage drops translations of the page that holds va, in all contexts.
func (c *CPU) flushPage(va uint64) {
	c.tlb[va/pageSize%tlbSize] = tlbEntry{}
	c.itlb[va/pageSize%itlbSize] = itlbEntry{}
	c.xlat[va/pageSize%xlatSize] = xlatEntry{}
	c.check = true
}

// dropWrites makes writes to a host page go through the bus.
func (c *CPU) dropWrites(page *bus.Page) {
	for i := range c.tlb {
		if e := &c.tlb[i]; e.page == page {
			e.wtag = 0
		}
	}
}

// forgetASIDs follows a change of the current ASID or VMID.
func (c *CPU) forgetASIDs() { clear(c.contexts.current[:]) }

func (c *CPU) kind() int {
	k := 0
	switch c.el {
	case 0:
		k = kindUser
		if c.sys.hcr&(hcrTGE|hcrE2H) == hcrTGE|hcrE2H {
			k |= kindEL2
		}
	case 2:
		k = kindEL2
	case 3:
		k = kindEL3
	}
	if c.pan && c.el != 0 {
		k |= kindPAN
	}
	if c.secure {
		k |= kindSecure
	}
	return k
}

// updateContext computes ctx for the current state.
func (c *CPU) updateContext() {
	c.ctx = c.contextOf(c.kind())
	c.spChanged()
}

func (c *CPU) contextOf(kind int) uint64 {
	k := &c.contexts
	if n := k.current[kind]; n != 0 {
		return uint64(n) << ctxShift
	}
	key := context{kind: uint8(kind)}
	if kind&kindEL3 == 0 && (kind&kindEL2 == 0 || c.sys.hcr&hcrE2H != 0) {
		key.asid = c.asid(kind)
	}
	if kind&(kindEL2|kindEL3) == 0 && c.sys.hcr&(hcrVM|hcrDC) != 0 {
		key.vmid = uint16(c.sys.vttbr>>48) | 1<<15
	}
	for i := 1; i <= k.n; i++ {
		if k.keys[i] == key {
			k.current[kind] = uint8(i)
			return uint64(i) << ctxShift
		}
	}
	if k.n == maxCtx {
		clear(c.tlb[:])
		clear(c.itlb[:])
		clear(c.xlat[:])
		k.n = 0
		clear(k.current[:])
		c.check = true
	}
	k.n++
	k.keys[k.n] = key
	k.current[kind] = uint8(k.n)
	return uint64(k.n) << ctxShift
}

func (c *CPU) asid(kind int) uint16 {
	tcr, t0, t1 := c.sys.tcr[1], c.sys.ttbr0[1], c.sys.ttbr1[1]
	if kind&kindEL2 != 0 {
		tcr, t0, t1 = c.sys.tcr[2], c.sys.ttbr0[2], c.sys.ttbr1[2]
	}
	t := t0
	if tcr>>22&1 != 0 { // A1
		t = t1
	}
	a := uint16(t >> 48)
	if tcr>>36&1 == 0 { // AS
		a &= 0xff
	}
	return a
}

// regime gives the control state that translations of accesses in the current state, or for user accesses of it, depend on.
func (c *CPU) regime(el uint8, secure bool, g *mmu.Regime) {
	r := int(max(el, 1))
	e2h := c.sys.hcr&hcrE2H != 0
	if el == 0 && e2h && c.sys.hcr&hcrTGE != 0 {
		r = 2
	}
	g.EL = uint8(r)
	g.E2H = r == 2 && e2h
	g.Secure = secure
	g.SCTLR, g.TCR = c.sys.sctlr[r], c.sys.tcr[r]
	g.TTBR0, g.TTBR1, g.MAIR = c.sys.ttbr0[r], c.sys.ttbr1[r], c.sys.mair[r]
	g.PABits = c.cfg.Model.PABits
	g.TBID = c.code.features&featPAuth != 0
	g.SIF = c.sys.scr>>9&1 != 0
	if r == 1 && !secure && c.cfg.EL2 {
		g.HCR, g.VTCR, g.VTTBR = c.sys.hcr, c.sys.vtcr, c.sys.vttbr
		g.Stage2 = c.sys.hcr&(hcrVM|hcrDC) != 0
	}
}

// ReadTable reads a translation table descriptor for the walker.
func (c *CPU) ReadTable(pa uint64, secure bool) (uint64, bool) {
	a := c.attr
	a.Secure, a.Privileged = secure, true
	v, resp := c.bus.Load(pa, 8, a)
	return v, resp == bus.OKAY
}

// translate gives the translation of the page that holds va. On a fault the exception has been taken and ok is false.
func (c *CPU) translate(va uint64, acc mmu.Access, ctx uint64, user bool) (*xlatEntry, bool) {
	e := &c.xlat[va/pageSize%xlatSize]
	tag := va&^pageMask | ctx&^ctxMisaligned
	if e.tag == tag && (acc == mmu.Read && e.read || acc == mmu.Write && e.write) {
		return e, true
	}
	var g mmu.Regime
	el := c.el
	if user {
		el = 0
	}
	c.regime(el, c.secure, &g)
	t, f, ok := mmu.Walk(c, &g, va, el == 0, acc, c.pan && el != 0)
	if !ok {
		c.memoryFault(va, acc, f)
		return nil, false
	}
	c.cold = false
	c.noteSize(va, t.Size)
	*e = xlatEntry{tag: tag, pa: t.PA &^ pageMask, ns: t.NS, device: t.Attr.Device(), read: t.Read, write: t.Write}
	if e.device && !c.cfg.StrictAlignment && !g.Enabled() && c.bus.IsRAM(t.PA) {
		e.device = false
	}
	return e, true
}

// attrFor gives the transaction attributes of an access through e.
func (c *CPU) attrFor(e *xlatEntry) bus.Attr {
	a := c.attr
	a.Secure = !e.ns
	return a
}

// fill puts the page behind e into the TLB, as far as it may be reached directly.
func (c *CPU) fill(va, ctx uint64, e *xlatEntry) {
	if ctx&ctxMisaligned != 0 || c.watchedPage(va) {
		return
	}
	r, w := c.bus.Direct(e.pa, c.attrFor(e))
	t := &c.tlb[va/pageSize%tlbSize]
	tag := va&^pageMask | ctx
	n := tlbEntry{page: r}
	if r != nil && e.read {
		n.rtag = tag
	}
	if w != nil && e.write {
		n.wtag, n.page = tag, w
	}
	if n.page != nil {
		*t = n
	}
}

// fetch gives the decoded page that holds pc, which is a multiple of 4. On a fault the exception has been taken.
func (c *CPU) fetch(pc uint64) (*codePage, bool) {
	e := &c.itlb[pc/pageSize%itlbSize]
	tag := pc&^pageMask | c.ctx&^ctxMisaligned
	if e.tag == tag {
		c.guarded = e.guarded
		return e.page, true
	}
	var g mmu.Regime
	c.regime(c.el, c.secure, &g)
	t, f, ok := mmu.Walk(c, &g, pc, c.el == 0, mmu.Execute, false)
	if !ok {
		c.memoryFault(pc, mmu.Execute, f)
		return nil, false
	}
	c.cold = false
	c.noteSize(pc, t.Size)
	d := &c.debug
	c.guarded = t.Guarded
	alone := d.once != onceOff || d.stops && c.stopsInPage(pc)
	if alone {
		if c.breakBefore(pc) {
			return nil, false
		}
		if d.once == onceArmed {
			d.once, c.check = onceServed, true // when the loop has executed it
		}
	}
	pa := t.PA &^ pageMask
	a := c.attr
	a.Secure, a.Instruction = c.secure && !t.NS, true
	src, _ := c.bus.Direct(pa, a)
	if src == nil {
		return c.fetchSlow(pc, t.PA, a)
	}
	p := c.code.page(pa, src)
	if alone {
		return c.fetchAlone(pc, p), true
	}
	*e = itlbEntry{tag: tag, page: p, guarded: t.Guarded}
	return p, true
}

// fetchSlow reads one instruction over the bus, where there is no RAM or the firewall refuses. The page it makes holds nothing
// else and is not kept, so that the next instruction asks again.
func (c *CPU) fetchSlow(pc, pa uint64, a bus.Attr) (*codePage, bool) {
	v, resp := c.bus.Load(pa, 4, a)
	if resp != bus.OKAY {
		c.externalAbort(pc, mmu.Execute, resp)
		return nil, false
	}
	p := &codePage{pa: pa &^ pageMask}
	i := pc / 4 % instPerPage
	p.inst[i] = a64.Decode(uint32(v), c.code.features)
	p.inst[i+1].Op = a64.PageEnd
	return p, true
}
