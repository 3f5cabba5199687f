package cpu

import (
	"math/bits"
	"unsafe"

	"gatehouse/platform/a64"
	"gatehouse/platform/fpsimd"
)

// Run executes instructions until the clock's slice ends, the processor waits or is off. The slice may be overrun by the
// instructions up to the next branch, at most a page of them; the clock counts them all.
func (c *CPU) Run() {
	if c.waiting == poweredOff || c.dbg.stopped {
		return
	}
	c.wakeUp()
	c.began = c.clock.Now()
	c.check = true
	if c.dbg.over && c.waiting == running {
		c.dbg.over, c.dbg.deaf, c.dbg.through = false, true, c.dbg.stop.Kind == StopWatchpoint
		c.executeOne(true)
		c.dbg.deaf, c.dbg.through = false, false
	}
	for c.waiting == running && !c.dbg.stopped && c.clock.Left() > 0 {
		if c.debug.stepping {
			c.executeOne(false)
		} else if c.loop(); !c.debug.stepping {
			break
		}
		c.check = true
	}
	c.retired = c.now()
	c.began = c.clock.Now()
}

// wakeUp ends the wait of a processor that can run.
func (c *CPU) wakeUp() {
	if c.Runnable() {
		if c.waiting == waitEvent && c.event {
			c.event = false
		}
		c.waiting = running
	}
}

// now is the number of instructions executed since reset, within the running slice too.
func (c *CPU) now() uint64 { return c.retired + c.clock.Now() - c.began }

// proceed does what c.check asked for. It returns false when the loop must end.
func (c *CPU) proceed() bool {
	if c.dbg.refund {
		c.dbg.refund = false
		c.clock.Sync(c.clock.Left() + 1)
	}
	return c.debug.once == onceOff && c.settle() && !c.debug.stepping
}

// settle takes the interrupts and exceptions that do not come from an instruction. It returns false when the processor must stop
// executing.
func (c *CPU) settle() bool {
	for c.check {
		c.check = false
		if c.waiting != running || c.dbg.stopped {
			return false
		}
		if (c.irq || c.fiq || c.virtualPending()) && !c.dbg.deaf {
			c.interrupt()
		}
		if c.il && !c.check {
			c.syncException(c.syncTarget(), ecIllegal, 0, c.PC)
		}
		if c.btype != 0 && !c.check {
			c.checkBranchTarget()
		}
	}
	return true
}

// Masks that leave of an address what a TLB tag holds, and the bits that must be zero for an aligned access.
const (
	tag1 = ^uint64(pageMask)
	tag2 = tag1 | 1
	tag4 = tag1 | 3
	tag8 = tag1 | 7
)

// behind gives the instruction behind p in its page. The loop below steps through a page of decoded instructions by pointer: an
// index would cost a bounds check and several stores for each instruction. p never is the last entry, which is PageEnd and not
// stepped over.
func behind(p *a64.Inst) *a64.Inst {
	return (*a64.Inst)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(*p)))
}

// index gives the place of in, which points into the page.
func (p *codePage) index(in *a64.Inst) uint64 {
	return uint64(uintptr(unsafe.Pointer(in))-uintptr(unsafe.Pointer(&p.inst[0]))) / uint64(unsafe.Sizeof(*in))
}

// loop is the interpreter. Frequent operations are executed in the switch and continue with the next instruction; what leaves
// the switch goes to the slow path below it, which knows every operation in full.
func (c *CPU) loop() {
	var (
		pg     *codePage
		vbase  uint64    // address of the page
		ip     *a64.Inst // the next instruction
		start  uint64    // index up to which left is settled
		target uint64    // of a branch to a register
		slow   uint64    // index of an instruction that leaves the switch
		left   = c.clock.Left()
	)
reload: // c.PC and left are valid
	if c.check {
		c.clock.Sync(left)
		ok := c.proceed()
		left = c.clock.Left()
		if !ok {
			return
		}
	}
	if left <= 0 {
		c.clock.Sync(left)
		return
	}
	if e := &c.itlb[c.PC/pageSize%itlbSize]; e.tag == c.PC&(tag1|3)|c.ctx {
		pg = e.page
	} else {
		c.clock.Sync(left)
		if c.PC&3 != 0 {
			left--
			c.sys.far[c.syncTarget()] = c.PC
			c.syncException(c.syncTarget(), ecPCAlign, 0, c.PC)
			goto reload
		}
		var ok bool
		if pg, ok = c.fetch(c.PC); !ok {
			left--
			goto reload
		}
	}
	vbase = c.PC &^ pageMask
	start = c.PC & pageMask / 4
	ip = &pg.inst[start]
	for {
		in := ip
		ip = behind(ip)
		switch in.Op {
		case a64.Undecoded:
			ip = in
			i := pg.index(ip)
			if pg.src == nil {
				left -= int64(i - start)
				c.PC = vbase + i*4
				goto reload
			}
			c.code.decode(pg, i)
			continue
		case a64.PageEnd:
			i := pg.index(in)
			left -= int64(i - start)
			c.PC = vbase + i*4
			goto reload

		case a64.ADDi64:
			c.X[in.Rd] = c.X[in.Rn] + in.Imm
			continue
		case a64.ADDi32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] + in.Imm))
			continue
		case a64.ADDSi64:
			a, b := c.X[in.Rn], in.Imm
			r, carry := bits.Add64(a, b, 0)
			c.NF, c.ZF, c.CF, c.VF = r, r, carry, (a^r)&(b^r)>>63
			c.X[in.Rd] = r
			continue
		case a64.ADDSi32:
			c.X[in.Rd] = c.adds32(uint32(c.X[in.Rn]), uint32(in.Imm))
			continue
		case a64.SUBSi64:
			a, b := c.X[in.Rn], in.Imm
			r, borrow := bits.Sub64(a, b, 0)
			c.NF, c.ZF, c.CF, c.VF = r, r, borrow^1, (a^b)&(a^r)>>63
			c.X[in.Rd] = r
			continue
		case a64.SUBSi32:
			a, b := uint32(c.X[in.Rn]), uint32(in.Imm)
			r := a - b
			s := uint64(int64(int32(r)))
			c.NF, c.ZF, c.CF, c.VF = s, s, (uint64(a)-uint64(b))>>63^1, uint64((a^b)&(a^r)>>31)
			c.X[in.Rd] = uint64(r)
			continue
		case a64.ADDr64:
			c.X[in.Rd] = c.X[in.Rn] + c.X[in.Rm]
			continue
		case a64.ADDr32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) + uint32(c.X[in.Rm]))
			continue
		case a64.SUBr64:
			c.X[in.Rd] = c.X[in.Rn] - c.X[in.Rm]
			continue
		case a64.SUBr32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) - uint32(c.X[in.Rm]))
			continue
		case a64.ADDSr64:
			a, b := c.X[in.Rn], c.X[in.Rm]
			r, carry := bits.Add64(a, b, 0)
			c.NF, c.ZF, c.CF, c.VF = r, r, carry, (a^r)&(b^r)>>63
			c.X[in.Rd] = r
			continue
		case a64.ADDSr32:
			c.X[in.Rd] = c.adds32(uint32(c.X[in.Rn]), uint32(c.X[in.Rm]))
			continue
		case a64.SUBSr64:
			a, b := c.X[in.Rn], c.X[in.Rm]
			r, borrow := bits.Sub64(a, b, 0)
			c.NF, c.ZF, c.CF, c.VF = r, r, borrow^1, (a^b)&(a^r)>>63
			c.X[in.Rd] = r
			continue
		case a64.SUBSr32:
			a, b := uint32(c.X[in.Rn]), uint32(c.X[in.Rm])
			r := a - b
			s := uint64(int64(int32(r)))
			c.NF, c.ZF, c.CF, c.VF = s, s, (uint64(a)-uint64(b))>>63^1, uint64((a^b)&(a^r)>>31)
			c.X[in.Rd] = uint64(r)
			continue
		case a64.ADDs64:
			if in.Opt < 64 { // LSL
				c.X[in.Rd] = c.X[in.Rn] + c.X[in.Rm]<<(in.Opt&63)
			} else {
				c.X[in.Rd] = c.X[in.Rn] + shifted64(c.X[in.Rm], in.Opt)
			}
			continue
		case a64.ADDs32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) + shifted32(uint32(c.X[in.Rm]), in.Opt))
			continue
		case a64.SUBs64:
			if in.Opt < 64 { // LSL
				c.X[in.Rd] = c.X[in.Rn] - c.X[in.Rm]<<(in.Opt&63)
			} else {
				c.X[in.Rd] = c.X[in.Rn] - shifted64(c.X[in.Rm], in.Opt)
			}
			continue
		case a64.SUBs32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) - shifted32(uint32(c.X[in.Rm]), in.Opt))
			continue
		case a64.ADDx64:
			c.X[in.Rd] = c.X[in.Rn] + extended(c.X[in.Rm], in.Opt)
			continue
		case a64.SUBx64:
			c.X[in.Rd] = c.X[in.Rn] - extended(c.X[in.Rm], in.Opt)
			continue
		case a64.ANDi64:
			c.X[in.Rd] = c.X[in.Rn] & in.Imm
			continue
		case a64.ORRi64:
			c.X[in.Rd] = c.X[in.Rn] | in.Imm
			continue
		case a64.ORRi32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] | in.Imm))
			continue
		case a64.EORi64:
			c.X[in.Rd] = c.X[in.Rn] ^ in.Imm
			continue
		case a64.EORi32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] ^ in.Imm))
			continue
		case a64.ANDSi64:
			r := c.X[in.Rn] & in.Imm
			c.NF, c.ZF, c.CF, c.VF = r, r, 0, 0
			c.X[in.Rd] = r
			continue
		case a64.ANDSi32:
			r := uint32(c.X[in.Rn] & in.Imm)
			s := uint64(int64(int32(r)))
			c.NF, c.ZF, c.CF, c.VF = s, s, 0, 0
			c.X[in.Rd] = uint64(r)
			continue
		case a64.ANDr64:
			c.X[in.Rd] = c.X[in.Rn] & c.X[in.Rm]
			continue
		case a64.ANDr32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] & c.X[in.Rm]))
			continue
		case a64.ORRr64:
			c.X[in.Rd] = c.X[in.Rn] | c.X[in.Rm]
			continue
		case a64.ORRr32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] | c.X[in.Rm]))
			continue
		case a64.EORr64:
			c.X[in.Rd] = c.X[in.Rn] ^ c.X[in.Rm]
			continue
		case a64.EORr32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] ^ c.X[in.Rm]))
			continue
		case a64.BICr64:
			c.X[in.Rd] = c.X[in.Rn] &^ c.X[in.Rm]
			continue
		case a64.BICr32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn] &^ c.X[in.Rm]))
			continue
		case a64.ANDSr64:
			r := c.X[in.Rn] & c.X[in.Rm]
			c.NF, c.ZF, c.CF, c.VF = r, r, 0, 0
			c.X[in.Rd] = r
			continue
		case a64.ANDSr32:
			r := uint32(c.X[in.Rn] & c.X[in.Rm])
			s := uint64(int64(int32(r)))
			c.NF, c.ZF, c.CF, c.VF = s, s, 0, 0
			c.X[in.Rd] = uint64(r)
			continue
		case a64.MOV64:
			c.X[in.Rd] = c.X[in.Rm]
			continue
		case a64.MOV32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rm]))
			continue
		case a64.MOVi:
			c.X[in.Rd] = in.Imm
			continue
		case a64.MOVK64:
			c.X[in.Rd] = c.X[in.Rd]&^(0xffff<<(in.Opt&63)) | in.Imm
			continue
		case a64.MOVK32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rd]))&^(0xffff<<(in.Opt&63)) | in.Imm
			continue
		case a64.ADR:
			c.X[in.Rd] = vbase + pg.index(in)*4 + in.Imm
			continue
		case a64.ADRP:
			c.X[in.Rd] = vbase + in.Imm
			continue
		case a64.UBFX:
			c.X[in.Rd] = c.X[in.Rn] >> (in.Opt & 63) & in.Imm
			continue
		case a64.UBFIZ:
			c.X[in.Rd] = c.X[in.Rn] & in.Imm << (in.Opt & 63)
			continue
		case a64.SBF64:
			c.X[in.Rd] = uint64(int64(c.X[in.Rn]<<(in.Opt&63)) >> (in.Size & 63))
			continue
		case a64.SBF32:
			c.X[in.Rd] = uint64(uint32(int64(c.X[in.Rn]<<(in.Opt&63)) >> (in.Size & 63)))
			continue
		case a64.BFM64:
			c.X[in.Rd] = c.X[in.Rd]&^in.Imm | bits.RotateLeft64(c.X[in.Rn], -int(in.Opt))&in.Imm
			continue
		case a64.BFM32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rd])&^uint32(in.Imm) | bits.RotateLeft32(uint32(c.X[in.Rn]), -int(in.Opt))&uint32(in.Imm))
			continue
		case a64.EXTR64:
			c.X[in.Rd] = c.X[in.Rm]>>(in.Opt&63) | c.X[in.Rn]<<1<<(63-in.Opt&63)
			continue
		case a64.EXTR32:
			c.X[in.Rd] = uint64(uint32((c.X[in.Rn]<<32 | c.X[in.Rm]&0xffffffff) >> (in.Opt & 63)))
			continue
		case a64.CSEL64:
			if c.Cond(in.Opt) {
				c.X[in.Rd] = c.X[in.Rn]
			} else {
				c.X[in.Rd] = c.X[in.Rm]
			}
			continue
		case a64.CSEL32:
			if c.Cond(in.Opt) {
				c.X[in.Rd] = uint64(uint32(c.X[in.Rn]))
			} else {
				c.X[in.Rd] = uint64(uint32(c.X[in.Rm]))
			}
			continue
		case a64.CSINC64:
			if c.Cond(in.Opt) {
				c.X[in.Rd] = c.X[in.Rn]
			} else {
				c.X[in.Rd] = c.X[in.Rm] + 1
			}
			continue
		case a64.CSINC32:
			if c.Cond(in.Opt) {
				c.X[in.Rd] = uint64(uint32(c.X[in.Rn]))
			} else {
				c.X[in.Rd] = uint64(uint32(c.X[in.Rm]) + 1)
			}
			continue
		case a64.CCMPi64:
			if c.Cond(in.Opt) {
				c.subs64(c.X[in.Rn], in.Imm)
			} else {
				c.SetNZCV(uint32(in.Size) << 28)
			}
			continue
		case a64.CCMPi32:
			if c.Cond(in.Opt) {
				c.subs32(uint32(c.X[in.Rn]), uint32(in.Imm))
			} else {
				c.SetNZCV(uint32(in.Size) << 28)
			}
			continue
		case a64.CCMPr64:
			if c.Cond(in.Opt) {
				c.subs64(c.X[in.Rn], c.X[in.Rm])
			} else {
				c.SetNZCV(uint32(in.Size) << 28)
			}
			continue
		case a64.CCMPr32:
			if c.Cond(in.Opt) {
				c.subs32(uint32(c.X[in.Rn]), uint32(c.X[in.Rm]))
			} else {
				c.SetNZCV(uint32(in.Size) << 28)
			}
			continue
		case a64.MADD64:
			c.X[in.Rd] = c.X[in.Ra] + c.X[in.Rn]*c.X[in.Rm]
			continue
		case a64.MADD32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Ra] + c.X[in.Rn]*c.X[in.Rm]))
			continue
		case a64.MSUB64:
			c.X[in.Rd] = c.X[in.Ra] - c.X[in.Rn]*c.X[in.Rm]
			continue
		case a64.MSUB32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Ra] - c.X[in.Rn]*c.X[in.Rm]))
			continue
		case a64.LSLV64:
			c.X[in.Rd] = c.X[in.Rn] << (c.X[in.Rm] & 63)
			continue
		case a64.LSRV64:
			c.X[in.Rd] = c.X[in.Rn] >> (c.X[in.Rm] & 63)
			continue
		case a64.LSLV32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) << (c.X[in.Rm] & 31))
			continue
		case a64.LSRV32:
			c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) >> (c.X[in.Rm] & 31))
			continue
		case a64.UMADDL:
			c.X[in.Rd] = c.X[in.Ra] + uint64(uint32(c.X[in.Rn]))*uint64(uint32(c.X[in.Rm]))
			continue
		case a64.SMADDL:
			c.X[in.Rd] = c.X[in.Ra] + uint64(int64(int32(c.X[in.Rn]))*int64(int32(c.X[in.Rm])))
			continue
		case a64.UMULH:
			c.X[in.Rd], _ = bits.Mul64(c.X[in.Rn], c.X[in.Rm])
			continue
		case a64.UDIV64:
			if d := c.X[in.Rm]; d != 0 {
				c.X[in.Rd] = c.X[in.Rn] / d
			} else {
				c.X[in.Rd] = 0
			}
			continue
		case a64.UDIV32:
			if d := uint32(c.X[in.Rm]); d != 0 {
				c.X[in.Rd] = uint64(uint32(c.X[in.Rn]) / d)
			} else {
				c.X[in.Rd] = 0
			}
			continue
		case a64.B:
			goto taken
		case a64.BL:
			c.X[30] = vbase + pg.index(ip)*4
			goto taken
		case a64.BEQ:
			if c.ZF == 0 {
				goto taken
			}
			continue
		case a64.BNE:
			if c.ZF != 0 {
				goto taken
			}
			continue
		case a64.BCS:
			if c.CF != 0 {
				goto taken
			}
			continue
		case a64.BCC:
			if c.CF == 0 {
				goto taken
			}
			continue
		case a64.BMI:
			if int64(c.NF) < 0 {
				goto taken
			}
			continue
		case a64.BPL:
			if int64(c.NF) >= 0 {
				goto taken
			}
			continue
		case a64.BVS:
			if c.VF != 0 {
				goto taken
			}
			continue
		case a64.BVC:
			if c.VF == 0 {
				goto taken
			}
			continue
		case a64.BHI:
			if c.CF != 0 && c.ZF != 0 {
				goto taken
			}
			continue
		case a64.BLS:
			if c.CF == 0 || c.ZF == 0 {
				goto taken
			}
			continue
		case a64.BGE:
			if c.NF>>63 == c.VF {
				goto taken
			}
			continue
		case a64.BLT:
			if c.NF>>63 != c.VF {
				goto taken
			}
			continue
		case a64.BGT:
			if c.ZF != 0 && c.NF>>63 == c.VF {
				goto taken
			}
			continue
		case a64.BLE:
			if c.ZF == 0 || c.NF>>63 != c.VF {
				goto taken
			}
			continue
		case a64.CBZ64:
			if c.X[in.Rn] == 0 {
				goto taken
			}
			continue
		case a64.CBZ32:
			if uint32(c.X[in.Rn]) == 0 {
				goto taken
			}
			continue
		case a64.CBNZ64:
			if c.X[in.Rn] != 0 {
				goto taken
			}
			continue
		case a64.CBNZ32:
			if uint32(c.X[in.Rn]) != 0 {
				goto taken
			}
			continue
		case a64.TBZ:
			if c.X[in.Rn]>>(in.Opt&63)&1 == 0 {
				goto taken
			}
			continue
		case a64.TBNZ:
			if c.X[in.Rn]>>(in.Opt&63)&1 != 0 {
				goto taken
			}
			continue
		case a64.BR, a64.RET:
			target = c.X[in.Rn]
			goto indirect
		case a64.BLR:
			target = c.X[in.Rn]
			c.X[30] = vbase + pg.index(ip)*4
			goto indirect
		case a64.STRBi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag1|c.ctx {
				e.page[va&pageMask] = byte(c.X[in.Rd])
				continue
			}
		case a64.STRHi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag2|c.ctx {
				st16(e.page, va&0xffe, uint16(c.X[in.Rd]))
				continue
			}
		case a64.STRWi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag4|c.ctx {
				st32(e.page, va&0xffc, uint32(c.X[in.Rd]))
				continue
			}
		case a64.STRXi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag8|c.ctx {
				st64(e.page, va&0xff8, c.X[in.Rd])
				continue
			}
		case a64.LDRBi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag1|c.ctx {
				c.X[in.Rd] = uint64(e.page[va&pageMask])
				continue
			}
		case a64.LDRHi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag2|c.ctx {
				c.X[in.Rd] = uint64(ld16(e.page, va&0xffe))
				continue
			}
		case a64.LDRWi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag4|c.ctx {
				c.X[in.Rd] = uint64(ld32(e.page, va&0xffc))
				continue
			}
		case a64.LDRXi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx {
				c.X[in.Rd] = ld64(e.page, va&0xff8)
				continue
			}
		case a64.LDRSWi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag4|c.ctx {
				c.X[in.Rd] = uint64(int64(int32(ld32(e.page, va&0xffc))))
				continue
			}
		case a64.LDRSBWi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag1|c.ctx {
				c.X[in.Rd] = uint64(uint32(int32(int8(e.page[va&pageMask]))))
				continue
			}
		case a64.LDRSBXi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag1|c.ctx {
				c.X[in.Rd] = uint64(int64(int8(e.page[va&pageMask])))
				continue
			}
		case a64.LDRSHWi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag2|c.ctx {
				c.X[in.Rd] = uint64(uint32(int32(int16(ld16(e.page, va&0xffe)))))
				continue
			}
		case a64.LDRSHXi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag2|c.ctx {
				c.X[in.Rd] = uint64(int64(int16(ld16(e.page, va&0xffe))))
				continue
			}
		case a64.STRBr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag1|c.ctx {
				e.page[va&pageMask] = byte(c.X[in.Rd])
				continue
			}
		case a64.STRWr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag4|c.ctx {
				st32(e.page, va&0xffc, uint32(c.X[in.Rd]))
				continue
			}
		case a64.STRXr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag8|c.ctx {
				st64(e.page, va&0xff8, c.X[in.Rd])
				continue
			}
		case a64.LDRBr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag1|c.ctx {
				c.X[in.Rd] = uint64(e.page[va&pageMask])
				continue
			}
		case a64.LDRHr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag2|c.ctx {
				c.X[in.Rd] = uint64(ld16(e.page, va&0xffe))
				continue
			}
		case a64.LDRWr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag4|c.ctx {
				c.X[in.Rd] = uint64(ld32(e.page, va&0xffc))
				continue
			}
		case a64.LDRXr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx {
				c.X[in.Rd] = ld64(e.page, va&0xff8)
				continue
			}
		case a64.LDRSWr:
			va := c.X[in.Rm]
			if in.Opt >= a64.ExtendU {
				va = indexed(va, in.Opt)
			} else {
				va <<= in.Opt & 63
			}
			va += c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag4|c.ctx {
				c.X[in.Rd] = uint64(int64(int32(ld32(e.page, va&0xffc))))
				continue
			}
		case a64.STRXpre:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag8|c.ctx {
				st64(e.page, va&0xff8, c.X[in.Rd])
				c.X[in.Rn] = va
				continue
			}
		case a64.STRXpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag8|c.ctx {
				st64(e.page, va&0xff8, c.X[in.Rd])
				c.X[in.Rn] = va + in.Imm
				continue
			}
		case a64.LDRXpre:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx {
				c.X[in.Rn] = va
				c.X[in.Rd] = ld64(e.page, va&0xff8)
				continue
			}
		case a64.LDRXpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx {
				c.X[in.Rn] = va + in.Imm
				c.X[in.Rd] = ld64(e.page, va&0xff8)
				continue
			}
		case a64.STRBpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag1|c.ctx {
				e.page[va&pageMask] = byte(c.X[in.Rd])
				c.X[in.Rn] = va + in.Imm
				continue
			}
		case a64.LDRBpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag1|c.ctx {
				c.X[in.Rn] = va + in.Imm
				c.X[in.Rd] = uint64(e.page[va&pageMask])
				continue
			}
		case a64.STRWpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag4|c.ctx {
				st32(e.page, va&0xffc, uint32(c.X[in.Rd]))
				c.X[in.Rn] = va + in.Imm
				continue
			}
		case a64.LDRWpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag4|c.ctx {
				c.X[in.Rn] = va + in.Imm
				c.X[in.Rd] = uint64(ld32(e.page, va&0xffc))
				continue
			}
		case a64.STPXi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag8|c.ctx && va&pageMask != pageSize-8 {
				off := va & 0xff8
				st64(e.page, off, c.X[in.Rd])
				st64(e.page, off+8, c.X[in.Ra])
				continue
			}
		case a64.LDPXi:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx && va&pageMask != pageSize-8 {
				off := va & 0xff8
				lo, hi := ld64(e.page, off), ld64(e.page, off+8)
				c.X[in.Rd], c.X[in.Ra] = lo, hi
				continue
			}
		case a64.STPXpre:
			va := c.X[in.Rn] + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.wtag == va&tag8|c.ctx && va&pageMask != pageSize-8 {
				off := va & 0xff8
				st64(e.page, off, c.X[in.Rd])
				st64(e.page, off+8, c.X[in.Ra])
				c.X[in.Rn] = va
				continue
			}
		case a64.LDPXpost:
			va := c.X[in.Rn]
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx && va&pageMask != pageSize-8 {
				off := va & 0xff8
				lo, hi := ld64(e.page, off), ld64(e.page, off+8)
				c.X[in.Rn] = va + in.Imm
				c.X[in.Rd], c.X[in.Ra] = lo, hi
				continue
			}
		case a64.LDRXlit:
			va := vbase + pg.index(in)*4 + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag8|c.ctx {
				c.X[in.Rd] = ld64(e.page, va&0xff8)
				continue
			}
		case a64.LDRWlit:
			va := vbase + pg.index(in)*4 + in.Imm
			if e := &c.tlb[va/pageSize%tlbSize]; e.rtag == va&tag4|c.ctx {
				c.X[in.Rd] = uint64(ld32(e.page, va&0xffc))
				continue
			}
		case a64.NOP:
			continue
		default:
			if in.Op >= a64.FirstSIMD {
				if c.fpTrap {
					break
				}
				if in.Op < a64.FirstSIMDMem {
					fpsimd.Exec(&c.Regs, in)
					continue
				}
				if c.fastVector(in) {
					continue
				}
			} else if in.Op < a64.FirstMemory {
				c.pure(in)
				continue
			}
		}

		// The slow path.
		slow = pg.index(in)
		c.PC = vbase + slow*4
		left -= int64(slow + 1 - start)
		start = slow + 1
		c.clock.Sync(left)
		if !c.exec(in) {
			left = c.clock.Left()
			goto reload
		}
		left = c.clock.Left()
		if c.check {
			c.PC = vbase + start*4
			goto reload
		}
		continue

	taken:
		slow = pg.index(ip)
		left -= int64(slow - start)
		start = slow + uint64(int64(in.Imm)>>2) - 1
		if start < instPerPage && left > 0 {
			ip = &pg.inst[start]
			continue
		}
		c.PC = vbase + start<<2
		goto reload

	indirect:
		left -= int64(pg.index(ip) - start)
		start = (target - vbase) >> 2
		if start < instPerPage && left > 0 && target&3 == 0 {
			ip = &pg.inst[start]
			continue
		}
		c.PC = c.branchTarget(target)
		goto reload
	}
}
