package gicv3

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// generator makes a random script. It plays each step on a model of its own at once, so that it can end interrupts that were
// acknowledged and keep away from the few places where QEMU and the architecture part.
type generator struct {
	script
	*rand.Rand
	live  *mirror
	acked []uint32
	// guest adds a hypervisor that uses the virtual CPU interface, and a guest of it.
	guest bool
}

// emit plays the steps that were added since the last call.
func (g *generator) emit(from int) (last uint64) {
	last = spurious
	c := g.live.g.CPU(0)
	for i := from; i < len(g.steps); i++ {
		st := &g.steps[i]
		if st.kind != 0 {
			continue
		}
		c.SetState(st.world.el(), st.world.bankSecure())
		if !st.preempted(c) {
			if v, trapped := st.do(g.live); trapped == 0 {
				last = v
			}
		}
		c.SetState(3, true)
	}
	return last
}

// intid picks an interrupt that exists, among few so that they meet.
func (g *generator) intid() uint32 {
	switch g.IntN(6) {
	case 0, 1:
		return uint32(g.IntN(16))
	case 2:
		return timers[g.IntN(len(timers))].intid
	case 3:
		return 33
	case 4:
		return 32 + uint32(g.IntN(8))
	}
	return 284 + uint32(g.IntN(4))
}

// bitmapAddr gives the address of interrupt id's bit in a register of one bit an interrupt, with the offsets of the distributor.
func bitmapAddr(base uint64, id uint32) uint64 {
	if id < FirstSPI {
		return gicrBase + sgiBase + base
	}
	return gicdBase + base + uint64(id/32*4)
}

func (g *generator) world() world {
	if g.guest && g.IntN(2) == 0 {
		return nsel1
	}
	return world(g.IntN(5))
}

// hypervisor writes one of the ICH registers.
func (g *generator) hypervisor() {
	w := []world{nsel2, nsel2, el3s, el3ns, nsel1}[g.IntN(5)]
	switch g.IntN(8) {
	case 0:
		v := g.Uint64() & g.Uint64() & 0xf800_60ff &^ hcrVGrp0DIE // of which QEMU 7.2 looks at the wrong enable
		if g.IntN(4) == 0 {
			v |= g.Uint64() & (hcrTC | hcrTALL0 | hcrTALL1 | hcrTDIR)
		}
		if g.IntN(8) != 0 {
			v |= hcrEn
		}
		g.msr(w, ICH_HCR_EL2, v)
	case 1:
		v := g.Uint64() & 0x00fc_0213
		if g.IntN(4) != 0 {
			v |= 0xf8<<vmcrVPMRShift | vmcrVENG0 | vmcrVENG1
		}
		g.msr(w, ICH_VMCR_EL2, v)
	case 2:
		v := uint64(0)
		if g.IntN(4) == 0 {
			v = g.Uint64() & g.Uint64() & 0xffff_ffff
		}
		g.msr(w, []Reg{ICH_AP0R0_EL2, ICH_AP1R0_EL2}[g.IntN(2)], v)
	case 3:
		g.setHCR([]uint64{0, hcrIMO, hcrFMO, hcrIMO | hcrFMO, hcrIMO | hcrFMO}[g.IntN(5)])
	default:
		id := []uint64{27, 40, 41, 42, 43, 1021, 8195}[g.IntN(7)]
		lr := id | g.Uint64()&(3<<62|0xf8<<lrPrioShift|lrGroup1)
		if g.IntN(2) == 0 {
			lr = lr&^lrActive | lrPending
		}
		switch g.IntN(4) {
		case 0:
			// QEMU lets the hypervisor deactivate secure interrupts; these are not.
			lr |= lrHW | []uint64{2, 3, 26, 27, 30, 34, 35, 38, 286, 287, 1021}[g.IntN(11)]<<32
		case 1:
			lr |= lrEOI
		}
		g.msr(w, ICH_LR0_EL2+Reg(g.IntN(NumListRegisters+1)), lr)
	}
}

// ender is a world that is able to end an interrupt of the running group most of the time.
func (g *generator) ender(grp Group) (world, Reg) {
	w := g.world()
	if g.IntN(8) != 0 {
		switch grp {
		case Group0:
			w = []world{el3s, sel1}[g.IntN(2)]
		case Group1S:
			w = []world{el3s, sel1}[g.IntN(2)]
		case Group1NS:
			w = []world{nsel1, nsel2, el3ns}[g.IntN(3)]
		}
	}
	if grp == Group0 && g.IntN(8) != 0 || grp != Group0 && g.IntN(8) == 0 {
		return w, ICC_EOIR0_EL1
	}
	return w, ICC_EOIR1_EL1
}

func (g *generator) step() {
	n := len(g.steps)
	c := g.live.g.CPU(0)
	w := g.world()
	id := g.intid()
	bit := uint64(1) << (id % 32)
	if g.guest && g.IntN(5) == 0 {
		g.hypervisor()
		g.emit(n)
		return
	}
	switch k := g.IntN(100); {
	case k < 12: // make pending
		g.store(w, bitmapAddr(gicdISPENDR, id), 4, bit)
	case k < 16:
		g.store(w, bitmapAddr(gicdICPENDR, id), 4, g.Uint64()&0xffff_ffff)
	case k < 22:
		g.timer(g.IntN(len(timers)), g.IntN(2) == 0)
	case k < 25:
		g.uart(g.IntN(2) == 0)
	case k < 31:
		r := []Reg{ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1}[g.IntN(3)]
		v := uint64(g.IntN(4)) | uint64(g.IntN(16))<<24
		if g.IntN(8) == 0 {
			v |= sgiIRM
		}
		if g.live.g.singleState() {
			// QEMU wants ICC_SGI1R_EL1 at secure levels to be about a group that does not exist then.
			return
		}
		if g.IntN(16) == 0 {
			v |= uint64(g.IntN(2))<<16 | uint64(g.IntN(2))<<32 | uint64(g.IntN(2))<<48
		}
		g.msr(w, r, v)
	case k < 45: // acknowledge
		r := ICC_IAR1_EL1
		if g.IntN(3) == 0 {
			r = ICC_IAR0_EL1
		}
		g.mrs(w, r)
		if id := g.emit(n); id < pendingSecure {
			g.acked = append(g.acked, uint32(id))
		}
		return
	case k < 59: // end
		grp := c.runningGroup()
		ew, r := g.ender(grp)
		eid := id
		if l := len(g.acked); l > 0 && g.IntN(8) != 0 {
			eid = g.acked[l-1]
			g.acked = g.acked[:l-1]
		} else if g.IntN(4) == 0 {
			eid = []uint32{288, 1019, 1020, 1023}[g.IntN(4)]
		}
		// QEMU deactivates whatever it is told to, we only what is in the group that ends.
		if wd, b := c.interrupt(eid); wd != nil && wd.active&b != 0 && c.gic.groupOf(wd, eid%32) != grp {
			return
		}
		g.msr(ew, r, uint64(eid))
		if g.IntN(2) == 0 {
			g.msr(ew, ICC_DIR_EL1, uint64(eid))
		}
	case k < 62:
		g.msr(w, ICC_DIR_EL1, uint64(id))
	case k < 66:
		v := uint64(0xff)
		if g.IntN(2) == 0 {
			v = g.Uint64() & 0xff
		}
		g.msr(w, ICC_PMR_EL1, v)
	case k < 68:
		g.msr(w, []Reg{ICC_BPR0_EL1, ICC_BPR1_EL1}[g.IntN(2)], uint64(g.IntN(8)))
	case k < 70:
		g.msr(w, []Reg{ICC_CTLR_EL1, ICC_CTLR_EL3}[g.IntN(2)], uint64(g.IntN(32)))
	case k < 76: // priority; secure software writes 5 bits, non-secure software 4
		mask := uint64(0xf8)
		if !w.secureState() {
			mask = 0xf0
		}
		addr := gicdBase + gicdIPRIORITYR + uint64(id)
		if id < FirstSPI {
			addr = gicrBase + gicrIPRIORITYR + uint64(id)
		}
		if g.IntN(2) == 0 {
			g.store(w, addr, 1, g.Uint64()&mask)
		} else {
			g.store(w, addr&^3, 4, g.Uint64()&(mask*0x01010101))
		}
	case k < 80:
		base := []uint64{gicdISENABLER, gicdISENABLER, gicdISENABLER, gicdICENABLER}[g.IntN(4)]
		g.store(w, bitmapAddr(base, id), 4, g.Uint64()&0xffff_ffff)
	case k < 82:
		g.store(w, bitmapAddr([]uint64{gicdISACTIVER, gicdICACTIVER}[g.IntN(2)], id), 4, bit)
	case k < 84:
		if g.guest {
			return // the groups of the interrupts behind list registers stay
		}
		base := []uint64{gicdIGROUPR, gicdIGRPMODR}[g.IntN(2)]
		g.store(w, bitmapAddr(base, id), 4, g.Uint64()&0xffff_ffff)
	case k < 86:
		addr := gicdBase + gicdICFGR + uint64(id/16*4)
		if id < FirstSPI {
			addr = gicrBase + sgiBase + gicdICFGR + uint64(id/16*4)
		}
		g.store(w, addr, 4, g.Uint64()&0xaaaa_aaaa)
		// QEMU does not look at the lines again until something else changes.
		g.store(el3s, bitmapAddr(gicdISENABLER, id), 4, 0)
	case k < 87:
		addr := gicdBase + gicdNSACR + uint64(id/16*4)
		if id < FirstPPI {
			addr = gicrBase + gicrNSACR
		}
		g.store(w, addr, 4, g.Uint64()&0xffff_ffff)
	case k < 89:
		v := []uint64{0, 0, 0, 1, 5, 0x100, 1 << 32}[g.IntN(7)]
		if id >= FirstSPI {
			addr := gicdBase + gicdIROUTER + uint64(id)*8
			switch g.IntN(3) {
			case 0:
				g.store(w, addr, 8, v)
			case 1:
				g.store(w, addr, 4, v&0xffff_ffff)
			case 2:
				g.store(w, addr+4, 4, v>>32)
			}
		}
	case k < 90:
		v := uint64(0x37)
		if g.IntN(2) == 0 {
			v = uint64(g.IntN(64))
		}
		g.store(w, gicdBase+gicdCTLR, 4, v)
	case k < 91:
		// QEMU ignores writes of the non-secure ICC_AP1R0_EL1.
		v := g.Uint64() & 0xffff_ffff
		if g.IntN(3) != 0 {
			v = 0
			g.acked = g.acked[:0]
		}
		r := ICC_AP0R0_EL1
		if w.bankSecure() && g.IntN(2) == 0 {
			r = ICC_AP1R0_EL1
		}
		g.msr(w, r, v)
	case k < 92:
		g.setSCR([]uint64{0, scrFIQ, scrIRQ, scrFIQ | scrIRQ}[g.IntN(4)])
	case k < 93:
		// Switched off and on in one go: QEMU lets a pending interrupt of a group that is off hide the others.
		g.msr(el3s, ICC_IGRPEN1_EL3, uint64(g.IntN(4)))
		g.mrs(el3s, ICC_IGRPEN1_EL3)
		g.mrs(el3ns, ICC_IGRPEN1_EL1)
		g.mrs(el3s, ICC_IGRPEN1_EL1)
		g.msr(el3s, ICC_IGRPEN1_EL3, 3)
	case k < 94:
		r := []Reg{ICC_SRE_EL1, ICC_SRE_EL2, ICC_SRE_EL3}[g.IntN(3)]
		g.msr(w, r, g.Uint64())
		g.mrs(w, r)
	default:
		g.read(w)
	}
	g.emit(n)
}

// read reads something back.
func (g *generator) read(w world) {
	id := g.intid()
	switch g.IntN(5) {
	case 0:
		r := readable[g.IntN(len(readable))]
		if r == ICC_IAR0_EL1 || r == ICC_IAR1_EL1 {
			r = ICC_RPR_EL1
		}
		g.mrs(w, r)
	case 1:
		base := []uint64{gicdIGROUPR, gicdISENABLER, gicdICENABLER, gicdISPENDR, gicdICPENDR, gicdISACTIVER, gicdICACTIVER,
			gicdIGRPMODR}[g.IntN(8)]
		addr := bitmapAddr(base, id)
		if id < FirstSPI && g.IntN(4) == 0 {
			addr += RedistributorSize // the other PE's
		}
		g.load(w, addr, 4)
	case 2:
		if id < FirstSPI {
			g.load(w, gicrBase+gicrIPRIORITYR+uint64(id&^3), 4)
			g.load(w, gicrBase+gicrIPRIORITYR+uint64(id), 1)
			g.load(w, gicrBase+gicrICFGR0+uint64(id/16*4), 4)
			g.load(w, gicrBase+gicrNSACR, 4)
		} else {
			g.load(w, gicdBase+gicdIPRIORITYR+uint64(id&^3), 4)
			g.load(w, gicdBase+gicdIPRIORITYR+uint64(id), 1)
			g.load(w, gicdBase+gicdICFGR+uint64(id/16*4), 4)
			g.load(w, gicdBase+gicdIROUTER+uint64(id)*8, 8)
			g.load(w, gicdBase+gicdNSACR+uint64(id/16*4), 4)
		}
	case 3:
		g.load(w, gicdBase+gicdCTLR, 4)
	case 4:
		g.isr(w)
	}
}

// TestQEMURandom plays random accesses on QEMU and on the model.
func TestQEMURandom(t *testing.T) {
	for _, tc := range []struct {
		seed  uint64
		steps int
		ds    bool
		guest bool
	}{{1, 3000, false, false}, {2, 3000, false, true}, {3, 3000, true, false}, {4, 3000, true, true}} {
		t.Run(fmt.Sprintf("seed %d", tc.seed), func(t *testing.T) {
			g := &generator{Rand: rand.New(rand.NewPCG(tc.seed, 0)), live: &mirror{newForQEMU(2)}, guest: tc.guest}
			g.uartInit()
			ctlr := uint64(0x37)
			if tc.ds {
				ctlr = 0x77
			}
			g.store(el3s, gicdBase+gicdCTLR, 4, ctlr)
			g.msr(el3s, ICC_IGRPEN0_EL1, 1)
			g.msr(el3s, ICC_IGRPEN1_EL3, 3)
			g.msr(el3s, ICC_PMR_EL1, 0xff)
			for _, frame := range []uint64{gicrBase + sgiBase, gicrBase + RedistributorSize + sgiBase, gicdBase + 4, gicdBase + 32} {
				g.store(el3s, frame+gicdISENABLER, 4, 0xffff_ffff)
				g.store(el3s, frame+gicdIGROUPR, 4, 0xcccc_cccc)
				g.store(el3s, frame+gicdIGRPMODR, 4, 0xaaaa_aaaa)
			}
			g.emit(0)
			for range tc.steps {
				g.step()
				n := len(g.steps)
				w := g.world()
				g.isr(w)
				g.mrs(w, ICC_RPR_EL1)
				g.mrs(w, ICC_HPPIR0_EL1)
				g.mrs(w, ICC_HPPIR1_EL1)
				g.emit(n)
			}
			g.compare(t, newForQEMU(2), g.qemu(t, 2, qemuMachine), func(st *step, got, want uint64) bool {
				// nDS as in TestQEMUResetValues; QEMU shows the non-secure CBPR and EOImode twice.
				return st.reg == ICC_CTLR_EL3 && (got^want)&^(1<<17|ctlr3CBPRS|ctlr3EOImodeS) == 0
			})
		})
	}
}
