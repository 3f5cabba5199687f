package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/mmu"
)

// spAligned checks the stack pointer's alignment where it is the base of an access (SCTLR_ELx.SA and SA0). On a fault the
// exception has been taken.
func (c *CPU) spAligned(rn uint8) bool {
	if rn != a64.SP || c.X[a64.SP]&15 == 0 {
		return true
	}
	if !c.spChecked() {
		return true
	}
	c.syncException(c.syncTarget(), ecSPAlign, 0, c.PC)
	return false
}

// extend applies the Ld flags to a loaded value.
func extend(v uint64, size int, flags uint8) uint64 {
	if flags&a64.LdSigned == 0 {
		return v
	}
	n := 64 - 8*size
	v = uint64(int64(v<<n) >> n)
	if flags&a64.LdW != 0 {
		v &= 0xffffffff
	}
	return v
}

// general gives a load or store its parts: the forms that the main loop has for itself are mapped to the general ones.
type general struct {
	size  int // bytes
	flags uint8
	load  bool
	mode  uint8
}

const (
	modeOffset = iota
	modeRegister
	modePre
	modePost
)

var specialised = map[a64.Op]general{
	a64.STRBi: {1, 0, false, modeOffset}, a64.STRHi: {2, 0, false, modeOffset},
	a64.STRWi: {4, 0, false, modeOffset}, a64.STRXi: {8, 0, false, modeOffset},
	a64.LDRBi: {1, 0, true, modeOffset}, a64.LDRHi: {2, 0, true, modeOffset},
	a64.LDRWi: {4, 0, true, modeOffset}, a64.LDRXi: {8, 0, true, modeOffset},
	a64.LDRSWi:  {4, a64.LdSigned, true, modeOffset},
	a64.LDRSBWi: {1, a64.LdSigned | a64.LdW, true, modeOffset}, a64.LDRSBXi: {1, a64.LdSigned, true, modeOffset},
	a64.LDRSHWi: {2, a64.LdSigned | a64.LdW, true, modeOffset}, a64.LDRSHXi: {2, a64.LdSigned, true, modeOffset},
	a64.STRBr: {1, 0, false, modeRegister}, a64.STRWr: {4, 0, false, modeRegister}, a64.STRXr: {8, 0, false, modeRegister},
	a64.LDRBr: {1, 0, true, modeRegister}, a64.LDRHr: {2, 0, true, modeRegister},
	a64.LDRWr: {4, 0, true, modeRegister}, a64.LDRXr: {8, 0, true, modeRegister}, a64.LDRSWr: {4, a64.LdSigned, true, modeRegister},
	a64.STRXpre: {8, 0, false, modePre}, a64.LDRXpre: {8, 0, true, modePre},
	a64.STRXpost: {8, 0, false, modePost}, a64.LDRXpost: {8, 0, true, modePost},
	a64.STRBpost: {1, 0, false, modePost}, a64.LDRBpost: {1, 0, true, modePost},
	a64.STRWpost: {4, 0, false, modePost}, a64.LDRWpost: {4, 0, true, modePost},
}

// parts is specialised as an array, for speed.
var parts = func() (t [a64.FirstPure]general) {
	for op, g := range specialised {
		t[op] = g
	}
	return
}()

// exec executes one instruction outside the main loop. c.PC is its address. It returns true when the next instruction is the one
// behind it, and false when c.PC holds where to go on.
func (c *CPU) exec(in *a64.Inst) bool {
	c.inst = in
	switch {
	case in.Op >= a64.FirstSIMDMem:
		if c.fpTrap {
			c.trapFP()
			return false
		}
		return c.execSIMDMemory(in)
	case in.Op >= a64.FirstSIMD:
		c.trapFP()
		return false
	case in.Op >= a64.FirstSystem:
		return c.execSystem(in)
	}
	switch in.Op {
	case a64.STPXi:
		return c.storePair(in, 8, modeOffset)
	case a64.STPXpre:
		return c.storePair(in, 8, modePre)
	case a64.LDPXi:
		return c.loadPair(in, 8, 0, modeOffset)
	case a64.LDPXpost:
		return c.loadPair(in, 8, 0, modePost)
	case a64.LDRXlit, a64.LDRWlit, a64.LDRlit:
		size, flags := 8, uint8(0)
		switch in.Op {
		case a64.LDRWlit:
			size = 4
		case a64.LDRlit:
			size, flags = 1<<in.Size, in.Opt
		}
		v, ok := c.load(c.PC+in.Imm, size)
		if ok {
			c.X[in.Rd] = extend(v, size, flags)
		}
		return ok
	}
	if in.Op < a64.FirstPure {
		return c.single(in, parts[in.Op], in.Opt)
	}
	switch in.Op {
	case a64.LDRi, a64.LDRr, a64.LDRpre, a64.LDRpost:
		return c.single(in, general{1 << in.Size, in.Opt, true, modeOf(in.Op, a64.LDRi)}, in.Ra)
	case a64.STRi, a64.STRr, a64.STRpre, a64.STRpost:
		return c.single(in, general{1 << in.Size, 0, false, modeOf(in.Op, a64.STRi)}, in.Ra)
	case a64.LDTR:
		if !c.spAligned(in.Rn) {
			return false
		}
		v, ok := c.loadUser(c.X[in.Rn]+in.Imm, 1<<in.Size)
		if ok {
			c.X[in.Rd] = extend(v, 1<<in.Size, in.Opt)
		}
		return ok
	case a64.STTR:
		return c.spAligned(in.Rn) && c.storeUser(c.X[in.Rn]+in.Imm, 1<<in.Size, c.X[in.Rd])
	case a64.LDPi:
		return c.loadPair(in, 1<<in.Size, in.Opt, modeOffset)
	case a64.LDPpre:
		return c.loadPair(in, 1<<in.Size, in.Opt, modePre)
	case a64.LDPpost:
		return c.loadPair(in, 1<<in.Size, in.Opt, modePost)
	case a64.STPi:
		return c.storePair(in, 1<<in.Size, modeOffset)
	case a64.STPpre:
		return c.storePair(in, 1<<in.Size, modePre)
	case a64.STPpost:
		return c.storePair(in, 1<<in.Size, modePost)
	}
	return c.execOrdered(in)
}

// modeOf gives the addressing mode of op; first is the offset form, and the two directions alternate.
func modeOf(op, first a64.Op) uint8 { return uint8(op-first) / 2 }

// setBase writes an updated base register.
func (c *CPU) setBase(rn uint8, v uint64) {
	c.X[rn] = v
	if rn == a64.SP {
		c.spChanged()
	}
}

// single executes a load or store of one register. index is the extension of the register offset form.
func (c *CPU) single(in *a64.Inst, g general, index uint8) bool {
	if !c.spAligned(in.Rn) {
		return false
	}
	va := c.X[in.Rn]
	next := va + in.Imm
	switch g.mode {
	case modeOffset, modePre:
		va = next
	case modeRegister:
		va += indexed(c.X[in.Rm], index)
	}
	if g.load {
		v, ok := c.load(va, g.size)
		if !ok {
			return false
		}
		if g.mode >= modePre {
			c.setBase(in.Rn, next)
		}
		c.X[in.Rd] = extend(v, g.size, g.flags)
		return true
	}
	if !c.store(va, g.size, c.X[in.Rd]) {
		return false
	}
	if g.mode >= modePre {
		c.setBase(in.Rn, next)
	}
	return true
}

func (c *CPU) loadPair(in *a64.Inst, size int, flags uint8, mode uint8) bool {
	if !c.spAligned(in.Rn) {
		return false
	}
	va := c.X[in.Rn]
	next := va + in.Imm
	if mode != modePost {
		va = next
	}
	v1, ok := c.load(va, size)
	if !ok {
		return false
	}
	v2, ok := c.load(va+uint64(size), size)
	if !ok {
		return false
	}
	if mode >= modePre {
		c.setBase(in.Rn, next)
	}
	c.X[in.Rd] = extend(v1, size, flags)
	c.X[in.Ra] = extend(v2, size, flags)
	return true
}

func (c *CPU) storePair(in *a64.Inst, size int, mode uint8) bool {
	if !c.spAligned(in.Rn) {
		return false
	}
	va := c.X[in.Rn]
	next := va + in.Imm
	if mode != modePost {
		va = next
	}
	v1, v2 := c.X[in.Rd], c.X[in.Ra]
	if !c.probeWrite(va, uint64(2*size)) || !c.store(va, size, v1) || !c.store(va+uint64(size), size, v2) {
		return false
	}
	if mode >= modePre {
		c.setBase(in.Rn, next)
	}
	return true
}

// atomicAligned checks the alignment that exclusive and atomic accesses need always (B2.5.2).
func (c *CPU) atomicAligned(va uint64, size int, acc mmu.Access) bool {
	if va&uint64(size-1) == 0 {
		return true
	}
	c.alignmentFault(va, acc)
	return false
}

// physical gives the physical address behind va, which was accessed just now.
func (c *CPU) physical(va uint64) uint64 {
	if e := &c.xlat[va/pageSize%xlatSize]; e.tag == va&^pageMask|c.ctx {
		return e.pa | va&pageMask
	}
	e, ok := c.translate(va, mmu.Read, c.ctx, false)
	if !ok {
		panic("BUG: an address that was accessed has no translation")
	}
	return e.pa | va&pageMask
}

// discard maps a source register number to the same register as a destination.
func discard(n uint8) uint8 {
	if n == a64.ZR {
		return a64.Discard
	}
	return n
}

// execOrdered executes exclusives, ordered accesses and atomics. Processors take turns, so every access is single-copy atomic
// and ordered.
func (c *CPU) execOrdered(in *a64.Inst) bool {
	if !c.spAligned(in.Rn) {
		return false
	}
	va, size := c.X[in.Rn], 1<<in.Size
	switch in.Op {
	case a64.LDAR:
		if !c.atomicAligned(va, size, mmu.Read) {
			return false
		}
		v, ok := c.load(va, size)
		if ok {
			c.X[in.Rd] = v
		}
		return ok
	case a64.STLR:
		return c.atomicAligned(va, size, mmu.Write) && c.store(va, size, c.X[in.Rd])
	case a64.LDAPUR:
		va += in.Imm
		if !c.atomicAligned(va, size, mmu.Read) {
			return false
		}
		v, ok := c.load(va, size)
		if ok {
			c.X[in.Rd] = extend(v, size, in.Opt)
		}
		return ok
	case a64.STLUR:
		va += in.Imm
		return c.atomicAligned(va, size, mmu.Write) && c.store(va, size, c.X[in.Rd])
	case a64.LDXR, a64.LDXP:
		return c.loadExclusive(in, va, size)
	case a64.STXR, a64.STXP:
		return c.storeExclusive(in, va, size)
	case a64.CAS:
		if !c.atomicAligned(va, size, mmu.Write) || !c.readWritable(va) {
			return false
		}
		v, ok := c.load(va, size)
		if !ok {
			return false
		}
		mask := ^uint64(0) >> (64 - 8*size)
		if v == c.X[in.Rm]&mask && !c.store(va, size, c.X[in.Rd]) {
			return false
		}
		c.X[discard(in.Rm)] = v
		return true
	case a64.CASP:
		return c.compareAndSwapPair(in, va, size)
	case a64.DCZVA:
		return c.zeroBlock(in.Rn)
	}
	// SWP and LDADD to LDUMIN.
	if !c.atomicAligned(va, size, mmu.Write) || !c.readWritable(va) {
		return false
	}
	v, ok := c.load(va, size)
	if !ok || !c.store(va, size, atomicResult(in.Op, v, c.X[in.Rm], size)) {
		return false
	}
	c.X[in.Rd] = v
	return true
}

// atomicResult computes what an atomic leaves in memory.
func atomicResult(op a64.Op, v, s uint64, size int) uint64 {
	n := 64 - 8*size
	sv, ss := int64(v<<n), int64(s<<n)
	s = s << n >> n
	switch op {
	case a64.SWP:
		return s
	case a64.LDADD:
		return v + s
	case a64.LDCLR:
		return v &^ s
	case a64.LDEOR:
		return v ^ s
	case a64.LDSET:
		return v | s
	case a64.LDSMAX:
		if sv > ss {
			return v
		}
		return s
	case a64.LDSMIN:
		if sv < ss {
			return v
		}
		return s
	case a64.LDUMAX:
		return max(v, s)
	case a64.LDUMIN:
		return min(v, s)
	}
	panic("BUG: not an atomic operation")
}

func (c *CPU) loadExclusive(in *a64.Inst, va uint64, size int) bool {
	total := size
	if in.Op == a64.LDXP {
		total = 2 * size
	}
	if !c.atomicAligned(va, total, mmu.Read) {
		return false
	}
	lo, ok := c.load(va, size)
	if !ok {
		return false
	}
	m := monitor{valid: true, size: total, lo: lo}
	if in.Op == a64.LDXP {
		if m.hi, ok = c.load(va+uint64(size), size); !ok {
			return false
		}
		c.X[in.Ra] = m.hi
	}
	m.pa = c.physical(va)
	c.debug.exclusive = true
	c.X[in.Rd] = lo
	c.exclusive = m
	return true
}

func (c *CPU) storeExclusive(in *a64.Inst, va uint64, size int) bool {
	total := size
	if in.Op == a64.STXP {
		total = 2 * size
	}
	if !c.atomicAligned(va, total, mmu.Write) {
		return false
	}
	m := c.exclusive
	c.exclusive.valid = false
	status := uint64(1)
	if m.valid && m.size == total {
		if !c.writable(va) {
			return false
		}
		if c.physical(va) == m.pa {
			c.debug.compares = true // the comparison is no read of the program's
			same, ok := c.holds(in, va, size, &m)
			c.debug.compares = false
			if !ok {
				return false
			}
			if same {
				if c.stopsAtWatch(va, uint64(total), mmu.Write) {
					c.exclusive = m
					return false
				}
				if !c.store(va, size, c.X[in.Rd]) || in.Op == a64.STXP && !c.store(va+uint64(size), size, c.X[in.Ra]) {
					return false
				}
				status = 0
			}
		}
	}
	c.X[in.Rm] = status
	return true
}

// holds reports whether memory still holds what the load-exclusive saw. On a fault the exception has been taken.
func (c *CPU) holds(in *a64.Inst, va uint64, size int, m *monitor) (same, ok bool) {
	lo, ok := c.load(va, size)
	if !ok {
		return false, false
	}
	hi := m.hi
	if in.Op == a64.STXP {
		if hi, ok = c.load(va+uint64(size), size); !ok {
			return false, false
		}
	}
	return lo == m.lo && hi == m.hi, true
}

func (c *CPU) compareAndSwapPair(in *a64.Inst, va uint64, size int) bool {
	if !c.atomicAligned(va, 2*size, mmu.Write) || !c.readWritable(va) {
		return false
	}
	lo, ok := c.load(va, size)
	if !ok {
		return false
	}
	hi, ok := c.load(va+uint64(size), size)
	if !ok {
		return false
	}
	mask := ^uint64(0) >> (64 - 8*size)
	if lo == c.X[in.Rm]&mask && hi == c.X[in.Rm+1]&mask {
		if c.stopsAtWatch(va, 2*uint64(size), mmu.Write) {
			return false
		}
		if !c.store(va, size, c.X[in.Rd]) || !c.store(va+uint64(size), size, c.X[in.Rd+1]) {
			return false
		}
	}
	c.X[in.Rm], c.X[discard(in.Rm+1)] = lo, hi
	return true
}

// zeroBlock executes DC ZVA.
func (c *CPU) zeroBlock(rt uint8) bool {
	if a := c.trapZVA(); a != accessOK {
		c.finish(a, sysDCZVA, rt, false)
		return false
	}
	va := c.X[rt]
	block := va &^ (4<<dczBlock - 1)
	e, ok := c.translate(va, mmu.Write, c.ctx, false)
	if !ok {
		return false
	}
	if e.device {
		c.alignmentFault(va, mmu.Write)
		return false
	}
	if t := &c.tlb[va/pageSize%tlbSize]; t.wtag == va&^pageMask|c.ctx {
		clear(t.page[block&pageMask:][:4<<dczBlock])
		return true
	}
	for off := uint64(0); off < 4<<dczBlock; off += 8 {
		if !c.store(block+off, 8, 0) {
			return false
		}
	}
	return true
}
