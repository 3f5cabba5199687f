package cpu

import (
	"hash/crc32"
	"math/bits"

	"gatehouse/platform/a64"
)

// adds64 adds and sets the flags; the others do alike.
func (c *CPU) adds64(a, b uint64) uint64 {
	r, carry := bits.Add64(a, b, 0)
	c.NF, c.ZF, c.CF, c.VF = r, r, carry, (a^r)&(b^r)>>63
	return r
}

func (c *CPU) adds32(a, b uint32) uint64 {
	r := a + b
	s := uint64(int64(int32(r)))
	c.NF, c.ZF, c.CF, c.VF = s, s, (uint64(a)+uint64(b))>>32, uint64((a^r)&(b^r)>>31)
	return uint64(r)
}

func (c *CPU) subs64(a, b uint64) uint64 {
	r, borrow := bits.Sub64(a, b, 0)
	c.NF, c.ZF, c.CF, c.VF = r, r, borrow^1, (a^b)&(a^r)>>63
	return r
}

func (c *CPU) subs32(a, b uint32) uint64 {
	r := a - b
	s := uint64(int64(int32(r)))
	c.NF, c.ZF, c.CF, c.VF = s, s, (uint64(a)-uint64(b))>>63^1, uint64((a^b)&(a^r)>>31)
	return uint64(r)
}

func (c *CPU) adc64(a, b uint64, set bool) uint64 {
	r, carry := bits.Add64(a, b, c.CF)
	if set {
		c.NF, c.ZF, c.CF, c.VF = r, r, carry, (a^r)&(b^r)>>63
	}
	return r
}

func (c *CPU) adc32(a, b uint32, set bool) uint64 {
	sum := uint64(a) + uint64(b) + c.CF
	r := uint32(sum)
	if set {
		s := uint64(int64(int32(r)))
		c.NF, c.ZF, c.CF, c.VF = s, s, sum>>32, uint64((a^r)&(b^r)>>31)
	}
	return uint64(r)
}

func (c *CPU) logic(r uint64) uint64 {
	c.NF, c.ZF, c.CF, c.VF = r, r, 0, 0
	return r
}

func (c *CPU) logic32(r uint32) uint64 {
	s := uint64(int64(int32(r)))
	c.NF, c.ZF, c.CF, c.VF = s, s, 0, 0
	return uint64(r)
}

// shifted64 applies the shift type and amount of a shifted register operand.
func shifted64(v uint64, opt uint8) uint64 {
	switch n := opt & 63; opt >> 6 {
	case 0:
		return v << n
	case 1:
		return v >> n
	case 2:
		return uint64(int64(v) >> n)
	default:
		return bits.RotateLeft64(v, -int(n))
	}
}

func shifted32(v uint32, opt uint8) uint32 {
	switch n := opt & 31; opt >> 6 {
	case 0:
		return v << n
	case 1:
		return v >> n
	case 2:
		return uint32(int32(v) >> n)
	default:
		return bits.RotateLeft32(v, -int(n))
	}
}

// extended applies the extension and shift of an extended register operand: Opt = option<<3 | shift.
func extended(v uint64, opt uint8) uint64 {
	switch opt >> 3 {
	case 0:
		v = uint64(uint8(v))
	case 1:
		v = uint64(uint16(v))
	case 2:
		v = uint64(uint32(v))
	case 4:
		v = uint64(int64(int8(v)))
	case 5:
		v = uint64(int64(int16(v)))
	case 6:
		v = uint64(int64(int32(v)))
	}
	return v << (opt & 7)
}

// indexed applies the extension and shift of an index register.
func indexed(v uint64, opt uint8) uint64 {
	switch opt & 0xc0 {
	case a64.ExtendU:
		v = uint64(uint32(v))
	case a64.ExtendS:
		v = uint64(int64(int32(v)))
	}
	return v << (opt & 63)
}

// branchTarget applies the tag rules to the target of an indirect branch.
func (c *CPU) branchTarget(pc uint64) uint64 { return c.returnAddress(pc, c.el) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc computes CRC32 and CRC32C of n bytes of v (DDI 0487, C6.2.76). The architecture's accumulator is not inverted, that of
// hash/crc32 is.
func crc(table *crc32.Table, acc uint32, v uint64, n int) uint32 {
	var b [8]byte
	for i := range n {
		b[i] = byte(v >> (8 * i))
	}
	return ^crc32.Update(^acc, table, b[:n])
}

// pure executes the operations that touch registers only and are not in the main loop.
func (c *CPU) pure(in *a64.Inst) {
	x := &c.X
	rn, rm := x[in.Rn], x[in.Rm]
	var r uint64
	switch in.Op {
	case a64.ADDSs64:
		r = c.adds64(rn, shifted64(rm, in.Opt))
	case a64.ADDSs32:
		r = c.adds32(uint32(rn), shifted32(uint32(rm), in.Opt))
	case a64.SUBSs64:
		r = c.subs64(rn, shifted64(rm, in.Opt))
	case a64.SUBSs32:
		r = c.subs32(uint32(rn), shifted32(uint32(rm), in.Opt))
	case a64.ADDx32:
		r = uint64(uint32(rn) + uint32(extended(rm, in.Opt)))
	case a64.SUBx32:
		r = uint64(uint32(rn) - uint32(extended(rm, in.Opt)))
	case a64.ADDSx64:
		r = c.adds64(rn, extended(rm, in.Opt))
	case a64.ADDSx32:
		r = c.adds32(uint32(rn), uint32(extended(rm, in.Opt)))
	case a64.SUBSx64:
		r = c.subs64(rn, extended(rm, in.Opt))
	case a64.SUBSx32:
		r = c.subs32(uint32(rn), uint32(extended(rm, in.Opt)))
	case a64.ADC64:
		r = c.adc64(rn, rm, false)
	case a64.ADC32:
		r = c.adc32(uint32(rn), uint32(rm), false)
	case a64.ADCS64:
		r = c.adc64(rn, rm, true)
	case a64.ADCS32:
		r = c.adc32(uint32(rn), uint32(rm), true)
	case a64.SBC64:
		r = c.adc64(rn, ^rm, false)
	case a64.SBC32:
		r = c.adc32(uint32(rn), ^uint32(rm), false)
	case a64.SBCS64:
		r = c.adc64(rn, ^rm, true)
	case a64.SBCS32:
		r = c.adc32(uint32(rn), ^uint32(rm), true)
	case a64.ANDs64:
		r = rn & (shifted64(rm, in.Opt) ^ in.Imm)
	case a64.ANDs32:
		r = uint64(uint32(rn) & (shifted32(uint32(rm), in.Opt) ^ uint32(in.Imm)))
	case a64.ORRs64:
		r = rn | (shifted64(rm, in.Opt) ^ in.Imm)
	case a64.ORRs32:
		r = uint64(uint32(rn) | (shifted32(uint32(rm), in.Opt) ^ uint32(in.Imm)))
	case a64.EORs64:
		r = rn ^ shifted64(rm, in.Opt) ^ in.Imm
	case a64.EORs32:
		r = uint64(uint32(rn) ^ shifted32(uint32(rm), in.Opt) ^ uint32(in.Imm))
	case a64.ANDSs64:
		r = c.logic(rn & (shifted64(rm, in.Opt) ^ in.Imm))
	case a64.ANDSs32:
		r = c.logic32(uint32(rn) & (shifted32(uint32(rm), in.Opt) ^ uint32(in.Imm)))
	case a64.CSINV64:
		r = ^rm
		if c.Cond(in.Opt) {
			r = rn
		}
	case a64.CSINV32:
		r = uint64(^uint32(rm))
		if c.Cond(in.Opt) {
			r = uint64(uint32(rn))
		}
	case a64.CSNEG64:
		r = -rm
		if c.Cond(in.Opt) {
			r = rn
		}
	case a64.CSNEG32:
		r = uint64(-uint32(rm))
		if c.Cond(in.Opt) {
			r = uint64(uint32(rn))
		}
	case a64.CCMNi64, a64.CCMNr64, a64.CCMNi32, a64.CCMNr32:
		c.conditionalCompareNegative(in, rn, rm)
		return
	case a64.SDIV64:
		switch {
		case rm == 0:
		case rm == ^uint64(0):
			r = -rn
		default:
			r = uint64(int64(rn) / int64(rm))
		}
	case a64.SDIV32:
		switch {
		case uint32(rm) == 0:
		case uint32(rm) == ^uint32(0):
			r = uint64(-uint32(rn))
		default:
			r = uint64(uint32(int32(rn) / int32(rm)))
		}
	case a64.ASRV64:
		r = uint64(int64(rn) >> (rm & 63))
	case a64.ASRV32:
		r = uint64(uint32(int32(rn) >> (rm & 31)))
	case a64.RORV64:
		r = bits.RotateLeft64(rn, -int(rm&63))
	case a64.RORV32:
		r = uint64(bits.RotateLeft32(uint32(rn), -int(rm&31)))
	case a64.CRC32:
		r = uint64(crc(crc32.IEEETable, uint32(rn), rm, 1<<in.Size))
	case a64.CRC32C:
		r = uint64(crc(castagnoli, uint32(rn), rm, 1<<in.Size))
	case a64.RBIT64:
		r = bits.Reverse64(rn)
	case a64.RBIT32:
		r = uint64(bits.Reverse32(uint32(rn)))
	case a64.REV16x64:
		r = rn&0x00ff00ff00ff00ff<<8 | rn>>8&0x00ff00ff00ff00ff
	case a64.REV16x32:
		r = uint64(uint32(rn&0x00ff00ff<<8 | rn>>8&0x00ff00ff))
	case a64.REV32x64:
		r = bits.RotateLeft64(bits.ReverseBytes64(rn), 32)
	case a64.REV64:
		r = bits.ReverseBytes64(rn)
	case a64.REV32x32:
		r = uint64(bits.ReverseBytes32(uint32(rn)))
	case a64.CLZ64:
		r = uint64(bits.LeadingZeros64(rn))
	case a64.CLZ32:
		r = uint64(bits.LeadingZeros32(uint32(rn)))
	case a64.CLS64:
		if v := rn ^ uint64(int64(rn)>>1); v != 0 {
			r = uint64(bits.LeadingZeros64(v)) - 1
		} else {
			r = 63
		}
	case a64.CLS32:
		if v := uint32(rn) ^ uint32(int32(rn)>>1); v != 0 {
			r = uint64(bits.LeadingZeros32(v)) - 1
		} else {
			r = 31
		}
	case a64.SMSUBL:
		r = x[in.Ra] - uint64(int64(int32(rn))*int64(int32(rm)))
	case a64.UMSUBL:
		r = x[in.Ra] - uint64(uint32(rn))*uint64(uint32(rm))
	case a64.SMULH:
		hi, _ := bits.Mul64(rn, rm)
		r = hi - uint64(int64(rn)>>63)&rm - uint64(int64(rm)>>63)&rn
	case a64.RMIF, a64.SETF8, a64.SETF16, a64.CFINV, a64.AXFLAG, a64.XAFLAG:
		c.flagOp(in, rn)
		return
	default:
		panic("BUG: operation without an implementation")
	}
	x[in.Rd] = r
}

func (c *CPU) conditionalCompareNegative(in *a64.Inst, rn, rm uint64) {
	if !c.Cond(in.Opt) {
		c.SetNZCV(uint32(in.Size) << 28)
		return
	}
	switch in.Op {
	case a64.CCMNi64:
		c.adds64(rn, in.Imm)
	case a64.CCMNr64:
		c.adds64(rn, rm)
	case a64.CCMNi32:
		c.adds32(uint32(rn), uint32(in.Imm))
	case a64.CCMNr32:
		c.adds32(uint32(rn), uint32(rm))
	}
}

// flagOp executes FEAT_FlagM and FEAT_FlagM2.
func (c *CPU) flagOp(in *a64.Inst, rn uint64) {
	f := c.NZCV() >> 28
	switch in.Op {
	case a64.RMIF:
		v := uint32(bits.RotateLeft64(rn, -int(in.Size))) & 15
		m := uint32(in.Opt)
		f = f&^m | v&m
	case a64.SETF8:
		f = f & 2 // C stays
		v := uint32(rn)
		f |= v >> 7 & 1 << 3
		if v&0xff == 0 {
			f |= 4
		}
		f |= (v>>8 ^ v>>7) & 1
	case a64.SETF16:
		f = f & 2
		v := uint32(rn)
		f |= v >> 15 & 1 << 3
		if v&0xffff == 0 {
			f |= 4
		}
		f |= (v>>16 ^ v>>15) & 1
	case a64.CFINV:
		f ^= 2
	case a64.AXFLAG: // Z = Z|V, C = C&!V, N = V = 0
		z, cf, v := f>>2&1, f>>1&1, f&1
		f = (z|v)<<2 | cf&^v<<1
	case a64.XAFLAG:
		z, cf := f>>2&1, f>>1&1
		f = (1^cf)&(1^z)<<3 | z&cf<<2 | (cf|z)<<1 | (1^cf)&z
	}
	c.SetNZCV(f << 28)
}
