package cpu

import (
	"encoding/binary"

	"gatehouse/platform/a64"
)

// FEAT_BTI: in guarded pages an indirect branch has to lead to an instruction that expects it (DDI 0487, D8.4.5 and D1.4.6).

// SCTLR_ELx: PACIASP and PACIBSP are no target of jumps. BT0 is EL0's, in SCTLR_EL1.
const (
	sctlrBT0 = 1 << 35
	sctlrBT  = 1 << 36
)

// PSTATE.BTYPE.
const (
	btypeAny  = 1 // BR from a page that is not guarded, or by x16 or x17
	btypeCall = 2 // BLR
	btypeJump = 3 // BR otherwise
)

// jumpType is the BTYPE of a BR by a register.
func (c *CPU) jumpType(rn uint8) uint8 {
	guarded := c.guarded
	if e := &c.itlb[c.PC/pageSize%itlbSize]; e.tag == c.PC&tag1|c.ctx&^ctxMisaligned {
		guarded = e.guarded
	}
	if !guarded || rn == 16 || rn == 17 || c.code.features&featBTI == 0 {
		return btypeAny
	}
	return btypeJump
}

// branch executes an indirect branch. PSTATE.BTYPE is left out where nothing can see it: the target is in the TLB in a page that is not
// guarded, and its instruction, no BRK, is executed next.
func (c *CPU) branch(target uint64, btype uint8) {
	c.PC = c.branchTarget(target)
	if c.code.features&featBTI == 0 {
		return
	}
	e := &c.itlb[c.PC/pageSize%itlbSize]
	if e.tag == c.PC&(tag1|3)|c.ctx && !e.guarded && !c.check && c.debug.once == onceOff && c.clock.Left() > 0 {
		if op := e.page.inst[c.PC/4%instPerPage].Op; op != a64.BRK && op != a64.Undecoded {
			return
		}
	}
	c.btype, c.check = btype, true
}

// checkBranchTarget looks at the instruction that an indirect branch, or a return with SPSR_ELx.BTYPE, led to. BTYPE ends there, but
// for an instruction that reports it.
func (c *CPU) checkBranchTarget() {
	if c.PC&3 != 0 {
		return // the alignment fault has BTYPE in its saved state
	}
	p, ok := c.fetch(c.PC)
	c.dbg.refund = false
	if !ok {
		return
	}
	// Where there is no RAM instructions come one at a time, and guard nothing.
	var word uint32
	if p.src == nil && c.code.pages[p.pa] != nil {
		p = c.code.pages[p.pa] // it came alone, but there is RAM
	}
	if p.src != nil {
		word = binary.LittleEndian.Uint32(p.src[c.PC&pageMask:])
	} else {
		c.guarded = false
	}
	switch {
	case c.guarded && !c.branchTargetFits(word):
		c.syncException(c.syncTarget(), ecBTI, uint64(c.btype), c.PC)
	case word&0xffe0001f != 0xd4200000: // BRK
		c.btype = 0
	}
}

// branchTargetFits is BTypeCompatible of the instruction.
func (c *CPU) branchTargetFits(word uint32) bool {
	switch word {
	case 0xd503245f: // BTI c
		return c.btype != btypeJump
	case 0xd503249f: // BTI j
		return c.btype != btypeCall
	case 0xd50324df: // BTI jc
		return true
	case 0xd503233f, 0xd503237f: // PACIASP, PACIBSP
		bit := uint64(sctlrBT)
		if c.el == 0 {
			bit = sctlrBT0
		}
		return c.btype != btypeJump || c.sctlr()&bit == 0
	}
	return word&0xffe0001f == 0xd4200000 || word&0xffe0001f == 0xd4400000 // BRK, HLT
}
