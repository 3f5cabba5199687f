package cpu

import (
	"encoding/binary"

	"gatehouse/platform/a64"
	"gatehouse/platform/mmu"
)

// execSIMDMemory executes a load or store of V registers. Registers change after all accesses succeeded; memory changes after all
// pages were found writable. The result is that of exec.
func (c *CPU) execSIMDMemory(in *a64.Inst) bool {
	if in.Op == a64.VLDRLit {
		return c.loadVector(in.Rd, c.PC+in.Imm, in.Size)
	}
	if !c.spAligned(in.Rn) {
		return false
	}
	base := c.X[in.Rn]
	next := base + in.Imm
	switch in.Op {
	case a64.VLDR, a64.VLDUR:
		return c.loadVector(in.Rd, next, in.Size)
	case a64.VSTR, a64.VSTUR:
		return c.storeVector(in.Rd, next, in.Size)
	case a64.VLDRReg:
		return c.loadVector(in.Rd, base+vectorIndex(c.X[in.Rm], in.Opt), in.Size)
	case a64.VSTRReg:
		return c.storeVector(in.Rd, base+vectorIndex(c.X[in.Rm], in.Opt), in.Size)
	case a64.VLDP, a64.VLDNP:
		return c.loadVectors(in, next)
	case a64.VSTP, a64.VSTNP:
		return c.storeVectors(in, next)
	}
	ok := false
	switch in.Op {
	case a64.VLDRPre:
		ok = c.loadVector(in.Rd, next, in.Size)
	case a64.VLDRPost:
		ok = c.loadVector(in.Rd, base, in.Size)
	case a64.VSTRPre:
		ok = c.storeVector(in.Rd, next, in.Size)
	case a64.VSTRPost:
		ok = c.storeVector(in.Rd, base, in.Size)
	case a64.VLDPPre:
		ok = c.loadVectors(in, next)
	case a64.VLDPPost:
		ok = c.loadVectors(in, base)
	case a64.VSTPPre:
		ok = c.storeVectors(in, next)
	case a64.VSTPPost:
		ok = c.storeVectors(in, base)
	default:
		next += c.X[in.Rm]
		switch {
		case in.Op >= a64.VLD1 && in.Op <= a64.VLD4:
			ok = c.loadStructures(in, base, uint8(in.Op-a64.VLD1)+1)
		case in.Op >= a64.VST1 && in.Op <= a64.VST4:
			ok = c.storeStructures(in, base, uint8(in.Op-a64.VST1)+1)
		case in.Op >= a64.VLD1L && in.Op <= a64.VLD4L:
			ok = c.loadLanes(in, base)
		case in.Op >= a64.VST1L && in.Op <= a64.VST4L:
			ok = c.storeLanes(in, base)
		case in.Op >= a64.VLD1R && in.Op <= a64.VLD4R:
			ok = c.loadReplicated(in, base)
		default:
			panic("BUG: not a load or store of V registers")
		}
	}
	if ok {
		c.setBase(in.Rn, next)
	}
	return ok
}

// vectorIndex extends and shifts an index register as Opt of the register offset forms says.
func vectorIndex(v uint64, opt uint8) uint64 {
	switch opt >> 3 {
	case 2: // UXTW
		v = uint64(uint32(v))
	case 6: // SXTW
		v = uint64(int64(int32(v)))
	}
	return v << (opt & 7)
}

// loadV reads 1<<size bytes, up to 16.
func (c *CPU) loadV(va uint64, size uint8) (v [2]uint64, ok bool) {
	if size == 4 {
		v[0], v[1], ok = c.load128(va)
	} else {
		v[0], ok = c.load(va, 1<<size)
	}
	return v, ok
}

func (c *CPU) storeV(va uint64, size uint8, v *[2]uint64) bool {
	if size == 4 {
		return c.store128(va, v[0], v[1])
	}
	return c.store(va, 1<<size, v[0])
}

func (c *CPU) loadVector(rd uint8, va uint64, size uint8) bool {
	v, ok := c.loadV(va, size)
	if ok {
		c.V[rd&31] = v
	}
	return ok
}

func (c *CPU) storeVector(rd uint8, va uint64, size uint8) bool {
	return c.storeV(va, size, &c.V[rd&31])
}

func (c *CPU) loadVectors(in *a64.Inst, va uint64) bool {
	v1, ok := c.loadV(va, in.Size)
	if !ok {
		return false
	}
	v2, ok := c.loadV(va+1<<in.Size, in.Size)
	if !ok {
		return false
	}
	c.V[in.Rd&31], c.V[in.Ra&31] = v1, v2
	return true
}

func (c *CPU) storeVectors(in *a64.Inst, va uint64) bool {
	return c.probeVector(va, 2<<in.Size) &&
		c.storeV(va, in.Size, &c.V[in.Rd&31]) && c.storeV(va+1<<in.Size, in.Size, &c.V[in.Ra&31])
}

// probeVector is probeWrite with the fault of the lower page first.
func (c *CPU) probeVector(va, n uint64) bool {
	if (va^(va+n-1))&^pageMask == 0 {
		return true // the first store tells
	}
	if _, ok := c.translate(va, mmu.Write, c.ctx, false); !ok {
		return false
	}
	return c.probeWrite(va, n)
}

// structures holds the memory of a load or store of multiple structures: at most 4 registers.
type structures [64]byte

// unit is the number of bytes that accesses to structures at va may have. Alignment is that of the element, so that larger
// accesses are for aligned addresses, and for Normal memory where SCTLR_ELx.A allows.
func (c *CPU) unit(va uint64, size uint8) uint64 {
	if va&7 == 0 || !c.strictAlignment() && !c.deviceAt(va, c.ctx) {
		return 8
	}
	return 1 << size
}

func (c *CPU) readStructures(buf *structures, va, n uint64, size uint8) bool {
	unit := c.unit(va, size)
	for i := uint64(0); i < n; i += unit {
		v, ok := c.load(va+i, int(unit))
		if !ok {
			return false
		}
		putElement(buf[i:], unit, v)
	}
	return true
}

func (c *CPU) writeStructures(buf *structures, va, n uint64, size uint8) bool {
	if !c.probeVector(va, n) {
		return false
	}
	unit := c.unit(va, size)
	for i := uint64(0); i < n; i += unit {
		if !c.store(va+i, int(unit), getElement(buf[i:], unit)) {
			return false
		}
	}
	return true
}

func getElement(b []byte, n uint64) uint64 {
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func putElement(b []byte, n, v uint64) {
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}

// deal moves elements between the order of memory, where spread registers take turns, and that of the registers.
func deal(registers, memory *structures, in *a64.Inst, spread uint8, toRegisters bool) {
	n := uint64(1) << in.Size
	length := uint64(in.Opt)
	at := uint64(0)
	for e := uint64(0); e < length; e += n {
		for s := range uint64(spread) {
			r, m := registers[s*length+e:], memory[at:]
			if toRegisters {
				putElement(r, n, getElement(m, n))
			} else {
				putElement(m, n, getElement(r, n))
			}
			at += n
		}
	}
}

func (c *CPU) loadStructures(in *a64.Inst, va uint64, spread uint8) bool {
	var memory, registers structures
	if !c.readStructures(&memory, va, uint64(in.Ra)*uint64(in.Opt), in.Size) {
		return false
	}
	source := &memory
	if spread > 1 {
		deal(&registers, &memory, in, spread, true)
		source = &registers
	}
	for i := range in.Ra {
		b := source[i*in.Opt&63:]
		v := [2]uint64{binary.LittleEndian.Uint64(b)}
		if in.Opt == 16 {
			v[1] = binary.LittleEndian.Uint64(b[8:])
		}
		c.V[(in.Rd+i)&31] = v
	}
	return true
}

func (c *CPU) storeStructures(in *a64.Inst, va uint64, spread uint8) bool {
	var memory, registers structures
	for i := range in.Ra {
		b, v := registers[i*in.Opt&63:], &c.V[(in.Rd+i)&31]
		binary.LittleEndian.PutUint64(b, v[0])
		if in.Opt == 16 {
			binary.LittleEndian.PutUint64(b[8:], v[1])
		}
	}
	source := &registers
	if spread > 1 {
		deal(&registers, &memory, in, spread, false)
		source = &memory
	}
	return c.writeStructures(source, va, uint64(in.Ra)*uint64(in.Opt), in.Size)
}

// loadElements reads the elements of one structure.
func (c *CPU) loadElements(in *a64.Inst, va uint64) (v [4]uint64, ok bool) {
	for i := range in.Ra {
		if v[i&3], ok = c.load(va+uint64(i)<<in.Size, 1<<in.Size); !ok {
			return v, false
		}
	}
	return v, true
}

func (c *CPU) loadLanes(in *a64.Inst, va uint64) bool {
	v, ok := c.loadElements(in, va)
	if !ok {
		return false
	}
	bit := uint(in.Opt) << in.Size * 8
	mask := ^uint64(0) >> (64 - 8<<in.Size) << (bit & 63)
	for i := range in.Ra {
		p := &c.V[(in.Rd+i)&31][bit>>6&1]
		*p = *p&^mask | v[i&3]<<(bit&63)
	}
	return true
}

func (c *CPU) storeLanes(in *a64.Inst, va uint64) bool {
	if !c.probeVector(va, uint64(in.Ra)<<in.Size) {
		return false
	}
	bit := uint(in.Opt) << in.Size * 8
	for i := range in.Ra {
		if !c.store(va+uint64(i)<<in.Size, 1<<in.Size, c.V[(in.Rd+i)&31][bit>>6&1]>>(bit&63)) {
			return false
		}
	}
	return true
}

func (c *CPU) loadReplicated(in *a64.Inst, va uint64) bool {
	v, ok := c.loadElements(in, va)
	if !ok {
		return false
	}
	for i := range in.Ra {
		x := v[i&3]
		for w := uint(8) << in.Size; w < 64; w *= 2 {
			x |= x << w
		}
		c.V[(in.Rd+i)&31] = [2]uint64{x, x & -uint64(in.Opt>>4)}
	}
	return true
}
