package cpu

import (
	"encoding/binary"

	"gatehouse/platform/a64"
	"gatehouse/platform/mmu"
)

// vectorForm tells the loads and stores of V registers apart.
type vectorForm struct {
	kind  uint8
	mode  uint8 // modeOffset to modePost, or the two below
	store bool
	// spread is, for structures, the number of registers that consecutive elements are spread over.
	spread uint8
}

// Kinds of accesses.
const (
	vectorSingle     = iota // one register
	vectorPair              // two registers
	vectorStructures        // LD1 to LD4 and ST1 to ST4 of whole registers
	vectorLanes             // of one lane
	vectorReplicate         // LD1R to LD4R
)

// Addressing modes beside those of general registers.
const (
	modeLiteral   = modePost + 1 + iota // relative to PC
	modeStructure                       // the base, which then advances by Imm and Rm
)

var vectorForms = [a64.EndSIMD - a64.FirstSIMDMem]vectorForm{
	a64.VLDR - a64.FirstSIMDMem:     {vectorSingle, modeOffset, false, 0},
	a64.VLDUR - a64.FirstSIMDMem:    {vectorSingle, modeOffset, false, 0},
	a64.VLDRPre - a64.FirstSIMDMem:  {vectorSingle, modePre, false, 0},
	a64.VLDRPost - a64.FirstSIMDMem: {vectorSingle, modePost, false, 0},
	a64.VLDRReg - a64.FirstSIMDMem:  {vectorSingle, modeRegister, false, 0},
	a64.VLDRLit - a64.FirstSIMDMem:  {vectorSingle, modeLiteral, false, 0},
	a64.VSTR - a64.FirstSIMDMem:     {vectorSingle, modeOffset, true, 0},
	a64.VSTUR - a64.FirstSIMDMem:    {vectorSingle, modeOffset, true, 0},
	a64.VSTRPre - a64.FirstSIMDMem:  {vectorSingle, modePre, true, 0},
	a64.VSTRPost - a64.FirstSIMDMem: {vectorSingle, modePost, true, 0},
	a64.VSTRReg - a64.FirstSIMDMem:  {vectorSingle, modeRegister, true, 0},
	a64.VLDP - a64.FirstSIMDMem:     {vectorPair, modeOffset, false, 0},
	a64.VLDNP - a64.FirstSIMDMem:    {vectorPair, modeOffset, false, 0},
	a64.VLDPPre - a64.FirstSIMDMem:  {vectorPair, modePre, false, 0},
	a64.VLDPPost - a64.FirstSIMDMem: {vectorPair, modePost, false, 0},
	a64.VSTP - a64.FirstSIMDMem:     {vectorPair, modeOffset, true, 0},
	a64.VSTNP - a64.FirstSIMDMem:    {vectorPair, modeOffset, true, 0},
	a64.VSTPPre - a64.FirstSIMDMem:  {vectorPair, modePre, true, 0},
	a64.VSTPPost - a64.FirstSIMDMem: {vectorPair, modePost, true, 0},
	a64.VLD1 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, false, 1},
	a64.VLD2 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, false, 2},
	a64.VLD3 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, false, 3},
	a64.VLD4 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, false, 4},
	a64.VST1 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, true, 1},
	a64.VST2 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, true, 2},
	a64.VST3 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, true, 3},
	a64.VST4 - a64.FirstSIMDMem:     {vectorStructures, modeStructure, true, 4},
	a64.VLD1L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, false, 1},
	a64.VLD2L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, false, 2},
	a64.VLD3L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, false, 3},
	a64.VLD4L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, false, 4},
	a64.VST1L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, true, 1},
	a64.VST2L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, true, 2},
	a64.VST3L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, true, 3},
	a64.VST4L - a64.FirstSIMDMem:    {vectorLanes, modeStructure, true, 4},
	a64.VLD1R - a64.FirstSIMDMem:    {vectorReplicate, modeStructure, false, 1},
	a64.VLD2R - a64.FirstSIMDMem:    {vectorReplicate, modeStructure, false, 2},
	a64.VLD3R - a64.FirstSIMDMem:    {vectorReplicate, modeStructure, false, 3},
	a64.VLD4R - a64.FirstSIMDMem:    {vectorReplicate, modeStructure, false, 4},
}

// vectorAddress gives the address and the number of bytes, at most 64, of an access, and what the base register becomes.
func (c *CPU) vectorAddress(in *a64.Inst, f *vectorForm) (va, n, next uint64) {
	base := c.X[in.Rn]
	va, next = base+in.Imm, base
	switch f.mode {
	case modeRegister:
		va = base + vectorIndex(c.X[in.Rm], in.Opt)
	case modePre:
		next = va
	case modePost:
		va, next = base, va
	case modeLiteral:
		va = c.PC + in.Imm
	case modeStructure:
		va, next = base, va+c.X[in.Rm]
	}
	switch f.kind {
	case vectorSingle:
		n = 1 << in.Size
	case vectorPair:
		n = 2 << in.Size
	case vectorStructures:
		n = uint64(in.Ra) * uint64(in.Opt)
	default:
		n = uint64(in.Ra) << in.Size
	}
	return va, n, next
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

// fastVector executes a load or store of V registers inside a page that the TLB gives access to. When it returns false nothing has
// happened. A literal needs c.PC, and a stack pointer that changes has to be looked at: both are left to execSIMDMemory.
func (c *CPU) fastVector(in *a64.Inst) bool {
	f := &vectorForms[in.Op-a64.FirstSIMDMem]
	if f.mode == modeLiteral || f.mode != modeOffset && in.Rn == a64.SP {
		return false
	}
	va, n, next := c.vectorAddress(in, f)
	e, offset := &c.tlb[va/pageSize%tlbSize], va&pageMask
	tag := e.rtag
	if f.store {
		tag = e.wtag
	}
	if tag != va&^pageMask|c.ctx || offset+n > pageSize ||
		va&(1<<in.Size-1) != 0 && (c.strictAlignment() || c.deviceAt(va, c.ctx)) {
		return false
	}
	p := e.page[offset : offset+n]
	if f.store {
		c.fromVectors(in, f, p)
	} else {
		c.toVectors(in, f, p)
	}
	c.X[in.Rn] = next
	return true
}

// execSIMDMemory executes a load or store of V registers. Registers change after all accesses succeeded; memory changes after all
// pages were found writable. The result is that of exec.
func (c *CPU) execSIMDMemory(in *a64.Inst) bool {
	f := &vectorForms[in.Op-a64.FirstSIMDMem]
	if f.mode != modeLiteral && !c.spAligned(in.Rn) {
		return false
	}
	va, n, next := c.vectorAddress(in, f)
	unit := c.vectorUnit(in, f, va)
	var buf [64]byte
	p := buf[:n&127]
	if f.store {
		c.fromVectors(in, f, p)
		if unit == 0 {
			c.alignmentFault(va, mmu.Write)
			return false
		}
		if !c.probeVector(va, n) || !c.storeBytes(va, p, unit) {
			return false
		}
	} else {
		if unit == 0 {
			c.alignmentFault(va, mmu.Read)
			return false
		}
		if !c.loadBytes(va, p, unit) {
			return false
		}
		c.toVectors(in, f, p)
	}
	if f.mode != modeLiteral {
		c.X[in.Rn] = next
	}
	return true
}

// vectorUnit is the number of bytes of the accesses that an instruction is made of, at most 8; their alignment is checked where
// they are made. It is 0 when a register of 16 bytes, which takes two accesses, is not aligned as SCTLR_ELx.A wants.
func (c *CPU) vectorUnit(in *a64.Inst, f *vectorForm, va uint64) int {
	switch {
	case in.Size == 4 && va&15 != 0 && c.strictAlignment():
		return 0
	case in.Size >= 3:
		return 8
	case f.kind == vectorStructures && f.spread == 1 && (va&7 == 0 || !c.strictAlignment() && !c.deviceAt(va, c.ctx)):
		return 8 // several elements at once
	}
	return 1 << in.Size
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

func (c *CPU) loadBytes(va uint64, p []byte, unit int) bool {
	for ; len(p) > 0; va, p = va+uint64(unit), p[unit:] {
		v, ok := c.load(va, unit)
		if !ok {
			return false
		}
		putElement(p, uint8(unit), v)
	}
	return true
}

func (c *CPU) storeBytes(va uint64, p []byte, unit int) bool {
	for ; len(p) > 0; va, p = va+uint64(unit), p[unit:] {
		if !c.store(va, unit, getElement(p, uint8(unit))) {
			return false
		}
	}
	return true
}

// getElement and putElement access n bytes, 1, 2, 4 or 8.
func getElement(b []byte, n uint8) uint64 {
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

func putElement(b []byte, n uint8, v uint64) {
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

// getVector and putVector access n bytes, 1, 2, 4, 8 or 16.
func getVector(b []byte, n uint8) [2]uint64 {
	if n == 16 {
		return [2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	}
	return [2]uint64{getElement(b, n)}
}

func putVector(b []byte, n uint8, v *[2]uint64) {
	putElement(b, min(n, 8), v[0])
	if n == 16 {
		binary.LittleEndian.PutUint64(b[8:], v[1])
	}
}

// toVectors puts the bytes of an access into the registers.
func (c *CPU) toVectors(in *a64.Inst, f *vectorForm, p []byte) {
	n := uint8(1) << in.Size
	switch f.kind {
	case vectorSingle:
		c.V[in.Rd&31] = getVector(p, n)
	case vectorPair:
		c.V[in.Rd&31], c.V[in.Ra&31] = getVector(p, n), getVector(p[n:], n)
	case vectorStructures:
		if f.spread == 1 {
			for i := range in.Ra {
				c.V[(in.Rd+i)&31] = getVector(p[i*in.Opt:], in.Opt)
			}
			return
		}
		for i := range in.Ra {
			c.V[(in.Rd+i)&31] = [2]uint64{}
		}
		for bit := uint(0); bit < uint(in.Opt)*8; bit += uint(n) * 8 {
			for i := range in.Ra {
				c.V[(in.Rd+i)&31][bit>>6&1] |= getElement(p, n) << (bit & 63)
				p = p[n:]
			}
		}
	case vectorLanes:
		bit := uint(in.Opt) << in.Size * 8
		mask := ^uint64(0) >> (64 - 8*n) << (bit & 63)
		for i := range in.Ra {
			v := &c.V[(in.Rd+i)&31][bit>>6&1]
			*v = *v&^mask | getElement(p[i*n:], n)<<(bit&63)
		}
	default:
		for i := range in.Ra {
			x := getElement(p[i*n:], n)
			for w := 8 * n; w < 64; w *= 2 {
				x |= x << w
			}
			c.V[(in.Rd+i)&31] = [2]uint64{x, x & -uint64(in.Opt>>4)}
		}
	}
}

// fromVectors is the reverse, for stores.
func (c *CPU) fromVectors(in *a64.Inst, f *vectorForm, p []byte) {
	n := uint8(1) << in.Size
	switch f.kind {
	case vectorSingle:
		putVector(p, n, &c.V[in.Rd&31])
	case vectorPair:
		putVector(p, n, &c.V[in.Rd&31])
		putVector(p[n:], n, &c.V[in.Ra&31])
	case vectorStructures:
		if f.spread == 1 {
			for i := range in.Ra {
				putVector(p[i*in.Opt:], in.Opt, &c.V[(in.Rd+i)&31])
			}
			return
		}
		for bit := uint(0); bit < uint(in.Opt)*8; bit += uint(n) * 8 {
			for i := range in.Ra {
				putElement(p, n, c.V[(in.Rd+i)&31][bit>>6&1]>>(bit&63))
				p = p[n:]
			}
		}
	default:
		bit := uint(in.Opt) << in.Size * 8
		for i := range in.Ra {
			putElement(p[i*n:], n, c.V[(in.Rd+i)&31][bit>>6&1]>>(bit&63))
		}
	}
}
