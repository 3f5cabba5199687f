package cpu

import (
	"encoding/binary"

	"gatehouse/platform/bus"
	"gatehouse/platform/mmu"
)

// strictAlignment reports whether unaligned accesses fault in the current state: SCTLR_ELx.A.
func (c *CPU) strictAlignment() bool { return c.sctlr()&2 != 0 }

// sctlr gives the SCTLR_ELx that controls the current exception level. HCR_EL2.TGE alone does not make it EL2's.
func (c *CPU) sctlr() uint64 {
	if c.el == 0 && c.tge() && c.sysE2HTGE() {
		return c.sys.sctlr[2]
	}
	return c.sys.sctlr[max(c.el, 1)]
}

// userContext is the translation context of an access with EL0's privilege from EL1.
func (c *CPU) userContext() uint64 {
	return c.contextOf(c.kind()&^kindPAN | kindUser)
}

// Data is little-endian always: ID_AA64MMFR0_EL1.BigEnd says that SCTLR_ELx.EE and E0E are fixed to 0.

// load reads size bytes, 1, 2, 4 or 8. When it returns false an exception has been taken.
func (c *CPU) load(va uint64, size int) (uint64, bool) {
	e := &c.tlb[va/pageSize%tlbSize]
	if e.rtag == va&(^uint64(pageMask)|uint64(size-1))|c.ctx {
		off := va & pageMask
		switch size {
		case 1:
			return uint64(e.page[off]), true
		case 2:
			return uint64(binary.LittleEndian.Uint16(e.page[off&^1:])), true
		case 4:
			return uint64(binary.LittleEndian.Uint32(e.page[off&^3:])), true
		default:
			return binary.LittleEndian.Uint64(e.page[off&^7:]), true
		}
	}
	return c.loadSlow(va, size, c.ctx, false)
}

// store writes the low size bytes of v, 1, 2, 4 or 8. When it returns false an exception has been taken.
func (c *CPU) store(va uint64, size int, v uint64) bool {
	e := &c.tlb[va/pageSize%tlbSize]
	if e.wtag == va&(^uint64(pageMask)|uint64(size-1))|c.ctx {
		off := va & pageMask
		switch size {
		case 1:
			e.page[off] = byte(v)
		case 2:
			binary.LittleEndian.PutUint16(e.page[off&^1:], uint16(v))
		case 4:
			binary.LittleEndian.PutUint32(e.page[off&^3:], uint32(v))
		default:
			binary.LittleEndian.PutUint64(e.page[off&^7:], v)
		}
		return true
	}
	return c.storeSlow(va, size, v, c.ctx, false)
}

// loadUser and storeUser are the unprivileged accesses of LDTR and STTR.
func (c *CPU) loadUser(va uint64, size int) (uint64, bool) {
	if c.el != 1 && !(c.el == 2 && c.sysE2HTGE()) || c.uao {
		return c.load(va, size)
	}
	return c.loadSlow(va, size, c.userContext(), true)
}

func (c *CPU) storeUser(va uint64, size int, v uint64) bool {
	if c.el != 1 && !(c.el == 2 && c.sysE2HTGE()) || c.uao {
		return c.store(va, size, v)
	}
	return c.storeSlow(va, size, v, c.userContext(), true)
}

func (c *CPU) loadSlow(va uint64, size int, ctx uint64, user bool) (uint64, bool) {
	if va&uint64(size-1) != 0 {
		return c.loadUnaligned(va, size, ctx, user)
	}
	e, ok := c.translate(va, mmu.Read, ctx, user)
	if !ok {
		return 0, false
	}
	c.fill(va, ctx, e)
	if !c.watch(va, uint64(size), mmu.Read, user) {
		return 0, false
	}
	v, resp := c.bus.Load(e.pa|va&pageMask, size, c.attrFor(e))
	if resp != bus.OKAY {
		c.externalAbort(va, mmu.Read, resp)
		return 0, false
	}
	return v, true
}

func (c *CPU) storeSlow(va uint64, size int, v uint64, ctx uint64, user bool) bool {
	if va&uint64(size-1) != 0 {
		return c.storeUnaligned(va, size, v, ctx, user)
	}
	e, ok := c.translate(va, mmu.Write, ctx, user)
	if !ok {
		return false
	}
	c.fill(va, ctx, e)
	if !c.watch(va, uint64(size), mmu.Write, user) {
		return false
	}
	if resp := c.bus.Store(e.pa|va&pageMask, size, v, c.attrFor(e)); resp != bus.OKAY {
		c.externalAbort(va, mmu.Write, resp)
		return false
	}
	return true
}

// span is where an unaligned access of up to 16 bytes goes: one page, or two.
type span struct {
	first, second *xlatEntry
	storage       xlatEntry
	n             int // bytes in the first page
}

// unaligned checks and translates an unaligned access. Both pages are translated before any byte is touched.
func (c *CPU) unaligned(va uint64, size int, acc mmu.Access, ctx uint64, user bool, s *span) bool {
	if c.strictAlignment() {
		c.alignmentFault(va, acc)
		return false
	}
	e, ok := c.translate(va, acc, ctx, user)
	if !ok {
		return false
	}
	if e.device {
		c.alignmentFault(va, acc)
		return false
	}
	s.storage = *e // the second page may take the entry's place
	s.first = &s.storage
	s.n = min(size, pageSize-int(va&pageMask))
	if s.n < size {
		s.second, ok = c.translate(va+uint64(s.n), acc, ctx, user)
		if !ok {
			return false
		}
		if s.second.device {
			c.alignmentFault(va, acc)
			return false
		}
	}
	return true
}

func (c *CPU) loadUnaligned(va uint64, size int, ctx uint64, user bool) (uint64, bool) {
	// Within a page that the TLB knows nothing needs asking, except for the alignment that the regime wants.
	if t := &c.tlb[va/pageSize%tlbSize]; t.rtag == va&^pageMask|ctx && int(va&pageMask)+size <= pageSize && !c.strictAlignment() && !c.deviceAt(va, ctx) {
		var b [8]byte
		copy(b[:size], t.page[va&pageMask:])
		return binary.LittleEndian.Uint64(b[:]), true
	}
	var s span
	if !c.unaligned(va, size, mmu.Read, ctx, user, &s) || !c.watch(va, uint64(size), mmu.Read, user) {
		return 0, false
	}
	c.fill(va, ctx, s.first)
	var b [8]byte
	if !c.busRead(va, s.first, b[:s.n]) || s.n < size && !c.busRead(va+uint64(s.n), s.second, b[s.n:size]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

func (c *CPU) storeUnaligned(va uint64, size int, v uint64, ctx uint64, user bool) bool {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	if t := &c.tlb[va/pageSize%tlbSize]; t.wtag == va&^pageMask|ctx && int(va&pageMask)+size <= pageSize && !c.strictAlignment() && !c.deviceAt(va, ctx) {
		copy(t.page[va&pageMask:], b[:size])
		return true
	}
	var s span
	if !c.unaligned(va, size, mmu.Write, ctx, user, &s) || !c.watch(va, uint64(size), mmu.Write, user) {
		return false
	}
	c.fill(va, ctx, s.first)
	return c.busWrite(va, s.first, b[:s.n]) && (s.n == size || c.busWrite(va+uint64(s.n), s.second, b[s.n:size]))
}

// deviceAt reports whether the page of va, which the TLB holds, is mapped as Device memory.
func (c *CPU) deviceAt(va, ctx uint64) bool {
	e := &c.xlat[va/pageSize%xlatSize]
	return e.tag != va&^pageMask|ctx || e.device
}

func (c *CPU) busRead(va uint64, e *xlatEntry, p []byte) bool {
	resp := c.bus.Read(e.pa|va&pageMask, p, c.attrFor(e))
	if resp != bus.OKAY {
		c.externalAbort(va, mmu.Read, resp)
	}
	return resp == bus.OKAY
}

func (c *CPU) busWrite(va uint64, e *xlatEntry, p []byte) bool {
	resp := c.bus.Write(e.pa|va&pageMask, p, c.attrFor(e))
	if resp != bus.OKAY {
		c.externalAbort(va, mmu.Write, resp)
	}
	return resp == bus.OKAY
}

// probeWrite checks that n bytes at va, in at most two pages, may be written as far as translation goes, before an instruction
// writes the first of them.
func (c *CPU) probeWrite(va uint64, n uint64) bool {
	last := va + n - 1
	if (va^last)&^pageMask == 0 {
		return true
	}
	_, ok := c.translate(last, mmu.Write, c.ctx, false)
	return ok
}

// writable checks that the byte at va may be written: what a store-exclusive needs before it looks at memory.
func (c *CPU) writable(va uint64) bool {
	if c.tlb[va/pageSize%tlbSize].wtag == va&^pageMask|c.ctx {
		return true
	}
	_, ok := c.translate(va, mmu.Write, c.ctx, false)
	return ok
}

// readWritable checks that the byte at va may be read and written: what an atomic instruction needs before it reads. A fault that
// reading would have is reported as that of a read (D19.2.37, WnR).
func (c *CPU) readWritable(va uint64) bool {
	if c.tlb[va/pageSize%tlbSize].wtag == va&^pageMask|c.ctx {
		return true
	}
	_, ok := c.translate(va, mmu.Read, c.ctx, false)
	return ok && c.writable(va)
}
