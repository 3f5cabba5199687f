package cpu

import "testing"

// debugRig has a program at testCode that is at EL1 with debug exceptions of EL1 enabled, and a vector that ends it.
func debugRig(t *testing.T, words ...uint32) *rig {
	r := newRig(t)
	const vectors = testBase + 0x2000
	r.put(vectors+0x200, hvcOff)
	r.put(testCode, append(words, hvcOff)...)
	r.c.Reset(testCode, 0, 1)
	r.c.sys.vbar[1] = vectors
	r.c.X[1], r.c.daif = testData, 0
	for key, v := range map[uint16]uint64{sysOSLAREL1: 0, sysMDSCREL1: mdscrMDE | mdscrKDE} {
		if a := r.c.writeSys(key, v); a != accessOK {
			t.Fatalf("%s: %d", SysName(key), a)
		}
	}
	return r
}

func (r *rig) debugRegister(n uint16, op2 uint16, v uint64) {
	if a := r.c.writeSys(2<<14|n<<3|op2, v); a != accessOK {
		r.t.Fatalf("debug register %d, %d: %d", n, op2, a)
	}
}

// An access that is not aligned meets the watchpoints of the bytes that it has, in one page or two. What QEMU says of such accesses is
// not to be relied on; FAR is the lowest byte that is watched and accessed (D2.10.5).
func TestWatchpointUnaligned(t *testing.T) {
	const at = testData + 0xff0
	for off := range uint64(32) {
		for _, write := range []bool{false, true} {
			word := uint32(0xf8400022) // ldur x2, [x1]
			if write {
				word = 0xf8000022
			}
			for n := range uint64(8) {
				r := debugRig(t, word, addi(9, 9, 1))
				r.c.X[1] = at + off
				r.debugRegister(2, 6, at+16)
				r.debugRegister(2, 7, 1|3<<1|3<<3|1<<(5+n))
				r.off = false
				r.more(100)
				byteAt := 16 + n
				want := off <= byteAt && byteAt < off+8
				esr := uint64((ecWatchpoint+1)<<26 | esrIL | 0x22)
				if write {
					esr |= 1 << 6
				}
				if got := r.c.X[9] == 0; got != want || got && (r.c.sys.esr[1] != esr || r.c.sys.far[1] != at+byteAt || r.c.elr[1] != testCode) {
					t.Errorf("offset %d, byte %d, write %v: taken %v, ESR %#x FAR %#x", off, n, write, got, r.c.sys.esr[1], r.c.sys.far[1])
				}
			}
		}
	}
}

// A watchpoint that loads and stores meet tells which it was, whatever it met before (D19.2.37, WnR).
func TestWatchpointWnR(t *testing.T) {
	for i, words := range [][]uint32{{ldrx(2, 1, 0)}, {strx(2, 1, 0)}} {
		r := debugRig(t, words...)
		r.debugRegister(0, 6, testData)
		r.debugRegister(0, 7, 1|3<<1|3<<3|0xff<<5)
		for range 2 {
			r.c.setEL(1, true)
			r.c.daif = 0
			r.c.PC, r.c.waiting, r.off = testCode, running, false
			r.c.stateChanged()
			r.more(100)
			if got, want := r.c.sys.esr[1]>>6&1, uint64(i); got != want || r.c.sys.esr[1]>>26 != ecWatchpoint+1 {
				t.Errorf("%d: ESR %#x", i, r.c.sys.esr[1])
			}
		}
	}
}

// A breakpoint for a context ID stops at the first instruction with that CONTEXTIDR_EL1, at any address; QEMU has none.
func TestContextBreakpoint(t *testing.T) {
	for _, c := range []struct {
		n    uint16
		bcr  uint64
		stop bool
	}{
		{5, 1 | 1<<1 | 2<<20, true}, {4, 1 | 1<<1 | 2<<20, true}, {3, 1 | 1<<1 | 2<<20, false}, {5, 1 | 2<<1 | 2<<20, false}, {5, 1<<1 | 2<<20, false},
		{5, 1 | 1<<1 | 3<<20, false}, {5, 1 | 1<<1 | 8<<20, false},
	} {
		r := debugRig(t, addi(9, 9, 1), movz(2, 77, 0), msr(sysCONTEXTIDREL1, 2), addi(9, 9, 1))
		r.debugRegister(c.n, 4, 77)
		r.debugRegister(c.n, 5, c.bcr)
		r.off = false
		r.more(100)
		stop := r.c.sys.esr[1] == (ecBreakpoint+1)<<26|esrIL|0x22 && r.c.elr[1] == testCode+12 && r.c.X[9] == 1
		if stop != c.stop || !stop && r.c.X[9] != 2 {
			t.Errorf("%+v: ESR %#x ELR %#x x9 = %d", c, r.c.sys.esr[1], r.c.elr[1], r.c.X[9])
		}
	}
}

// What an external debugger sets and what the guest sets do not get in each other's way.
func TestDebuggerBesideGuest(t *testing.T) {
	r := debugRig(t, addi(9, 9, 1), addi(9, 9, 1), strx(2, 1, 0))
	r.debugRegister(0, 4, testCode+4)
	r.debugRegister(0, 5, 1|1<<1|15<<5)
	r.c.SetBreakpoints([]uint64{testCode + 4})
	r.off = false
	if s, ok := r.untilStop(100); !ok || s.Addr != testCode+4 || r.c.X[9] != 1 {
		t.Fatalf("%+v %v", s, ok)
	}
	if !r.c.Step() || r.c.sys.esr[1]>>26 != ecBreakpoint+1 || r.c.X[9] != 1 {
		t.Errorf("the step should have taken the guest's breakpoint: PC %#x ESR %#x", r.c.PC, r.c.sys.esr[1])
	}

	// The debugger steps a guest that is stepped by itself: two steps for each instruction of it.
	r = debugRig(t, addi(9, 9, 1))
	r.c.writeSys(sysMDSCREL1, mdscrSS|mdscrKDE)
	r.c.ss = true
	r.c.SetBreakpoints([]uint64{testCode})
	if !r.c.Step() || r.c.X[9] != 1 || r.c.sys.esr[1] != (ecStep+1)<<26|esrIL|1<<24|0x22 || r.c.elr[1] != testCode+4 {
		t.Errorf("x9 = %d, ESR %#x ELR %#x", r.c.X[9], r.c.sys.esr[1], r.c.elr[1])
	}
}
