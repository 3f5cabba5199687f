package cpu

import (
	"gatehouse/platform/a64"
	"gatehouse/platform/mmu"
)

// loadVector reads 1, 2, 4, 8 or 16 bytes.
func (c *CPU) loadVector(va uint64, size int) (v [2]uint64, ok bool) {
	if size == 16 {
		v[0], v[1], ok = c.load128(va)
		return v, ok
	}
	v[0], ok = c.load(va, size)
	return v, ok
}

func (c *CPU) storeVector(va uint64, size int, v [2]uint64) bool {
	if size == 16 {
		return c.store128(va, v[0], v[1])
	}
	return c.store(va, size, v[0])
}

// execSIMDMemory executes the loads and stores of V registers. It returns false when an exception has been taken.
func (c *CPU) execSIMDMemory(in *a64.Inst) bool {
	if in.Op == a64.VLDRLit {
		v, ok := c.loadVector(c.PC+in.Imm, 1<<in.Size)
		if ok {
			c.V[in.Rd] = v
		}
		return ok
	}
	if !c.spAligned(in.Rn) {
		return false
	}
	va := c.X[in.Rn]
	next := va + in.Imm
	size := 1 << in.Size
	writeback := false
	switch in.Op {
	case a64.VLDR, a64.VLDUR, a64.VSTR, a64.VSTUR, a64.VLDP, a64.VLDNP, a64.VSTP, a64.VSTNP:
		va = next
	case a64.VLDRPre, a64.VSTRPre, a64.VLDPPre, a64.VSTPPre:
		va, writeback = next, true
	case a64.VLDRPost, a64.VSTRPost, a64.VLDPPost, a64.VSTPPost:
		writeback = true
	case a64.VLDRReg, a64.VSTRReg:
		va += extended(c.X[in.Rm], in.Opt)
	}
	ok := false
	switch in.Op {
	case a64.VLDR, a64.VLDUR, a64.VLDRPre, a64.VLDRPost, a64.VLDRReg:
		var v [2]uint64
		if v, ok = c.loadVector(va, size); ok {
			c.V[in.Rd] = v
		}
	case a64.VSTR, a64.VSTUR, a64.VSTRPre, a64.VSTRPost, a64.VSTRReg:
		ok = c.storeVector(va, size, c.V[in.Rd])
	case a64.VLDP, a64.VLDNP, a64.VLDPPre, a64.VLDPPost:
		var v, w [2]uint64
		if v, ok = c.loadVector(va, size); ok {
			if w, ok = c.loadVector(va+uint64(size), size); ok {
				c.V[in.Rd], c.V[in.Ra] = v, w
			}
		}
	case a64.VSTP, a64.VSTNP, a64.VSTPPre, a64.VSTPPost:
		ok = c.probeWrite(va, uint64(2*size)) && c.storeVector(va, size, c.V[in.Rd]) &&
			c.storeVector(va+uint64(size), size, c.V[in.Ra])
	default:
		return c.structures(in, va)
	}
	if ok && writeback {
		c.X[in.Rn] = next
	}
	return ok
}

// element and setElement access lane i of a vector of elements of 1<<size bytes.
func element(v *[2]uint64, size uint8, i int) uint64 {
	bit := uint(i) << (size + 3)
	return v[bit>>6] >> (bit & 63) & (^uint64(0) >> (64 - 8<<size))
}

func setElement(v *[2]uint64, size uint8, i int, e uint64) {
	bit := uint(i) << (size + 3)
	mask := ^uint64(0) >> (64 - 8<<size) << (bit & 63)
	v[bit>>6] = v[bit>>6]&^mask | e<<(bit&63)&mask
}

// structures executes LD1 to LD4, ST1 to ST4 and LD1R to LD4R. Registers are written when all accesses have succeeded; a store
// checks its last byte's page before it writes the first.
func (c *CPU) structures(in *a64.Inst, va uint64) bool {
	size := 1 << in.Size
	count := int(in.Ra)
	var v [4][2]uint64
	for r := range count {
		v[r] = c.V[(int(in.Rd)+r)&31]
	}
	load := false
	total := uint64(size * count)
	switch in.Op {
	case a64.VLD1, a64.VLD2, a64.VLD3, a64.VLD4, a64.VST1, a64.VST2, a64.VST3, a64.VST4:
		total = uint64(count) * uint64(in.Opt)
	}
	if va&uint64(size-1) != 0 && c.strictAlignment() {
		acc := mmu.Read
		if in.Op >= a64.VST1 && in.Op <= a64.VST4 || in.Op >= a64.VST1L && in.Op <= a64.VST4L {
			acc = mmu.Write
		}
		c.alignmentFault(va, acc)
		return false
	}
	switch in.Op {
	case a64.VLD1, a64.VLD2, a64.VLD3, a64.VLD4:
		load = true
		v = [4][2]uint64{}
		spread := int(in.Op-a64.VLD1) + 1
		if !c.eachElement(in, spread, func(r, lane int, at uint64) bool {
			e, ok := c.load(va+at, size)
			setElement(&v[r], in.Size, lane, e)
			return ok
		}) {
			return false
		}
	case a64.VST1, a64.VST2, a64.VST3, a64.VST4:
		spread := int(in.Op-a64.VST1) + 1
		if !c.probeWrite(va, total) || !c.eachElement(in, spread, func(r, lane int, at uint64) bool {
			return c.store(va+at, size, element(&v[r], in.Size, lane))
		}) {
			return false
		}
	case a64.VLD1L, a64.VLD2L, a64.VLD3L, a64.VLD4L:
		load = true
		for r := range count {
			e, ok := c.load(va+uint64(r*size), size)
			if !ok {
				return false
			}
			setElement(&v[r], in.Size, int(in.Opt), e)
		}
	case a64.VST1L, a64.VST2L, a64.VST3L, a64.VST4L:
		if !c.probeWrite(va, total) {
			return false
		}
		for r := range count {
			if !c.store(va+uint64(r*size), size, element(&v[r], in.Size, int(in.Opt))) {
				return false
			}
		}
	case a64.VLD1R, a64.VLD2R, a64.VLD3R, a64.VLD4R:
		load = true
		for r := range count {
			e, ok := c.load(va+uint64(r*size), size)
			if !ok {
				return false
			}
			v[r] = [2]uint64{}
			for lane := range int(in.Opt) >> in.Size {
				setElement(&v[r], in.Size, lane, e)
			}
		}
	default:
		panic("BUG: operation without an implementation")
	}
	if load {
		for r := range count {
			c.V[(int(in.Rd)+r)&31] = v[r]
		}
	}
	c.X[in.Rn] += in.Imm + c.X[in.Rm]
	return true
}

// eachElement calls f for the elements of a multiple-structure access in the order of memory, until one returns false: r is the
// register, counted from Vt, at the offset from the base.
func (c *CPU) eachElement(in *a64.Inst, spread int, f func(r, lane int, at uint64) bool) bool {
	lanes := int(in.Opt) >> in.Size
	at := uint64(0)
	for first := 0; first < int(in.Ra); first += spread {
		for lane := range lanes {
			for r := range spread {
				if !f(first+r, lane, at) {
					return false
				}
				at += 1 << in.Size
			}
		}
	}
	return true
}
