package cpu

import (
	"slices"
	"testing"

	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

const testCode, testData = testBase + 0x1000, testBase + 0x8000

// untilStop runs the processor until it stops for the debugger, or the program ends.
func (r *rig) untilStop(slice int64) (Stop, bool) {
	r.t.Helper()
	for range 100_000 {
		if s, ok := r.c.Stopped(); ok || r.off {
			return s, ok
		}
		if r.clock.Begin(slice) == 0 {
			r.clock.Expire()
			continue
		}
		r.c.Run()
	}
	r.t.Fatalf("neither a stop nor the end: PC %#x ESR %#x ELR %#x", r.c.PC, r.c.sys.esr[1], r.c.elr[1])
	return Stop{}, false
}

// A loop is stopped at a breakpoint in each round, whatever the slices, and does its work as without; so does one whose breakpoint is at
// a branch to itself, which is stepped over.
func TestBreakpoint(t *testing.T) {
	for _, slice := range []int64{1, 2, 3, 7, 1000} {
		r := newRig(t)
		r.put(testCode, movz(2, 3, 0), addi(3, 3, 1), subsi(2, 2, 1), bne(-2), hvcOff)
		r.off = false
		r.c.Reset(testCode, 0, 1)
		r.c.SetBreakpoints([]uint64{testCode + 4, testCode + 12, testCode + 0x800})
		var seen []uint64
		for {
			s, ok := r.untilStop(slice)
			if !ok {
				break
			}
			if s.Kind != StopBreakpoint || s.Addr != r.c.PC {
				t.Fatalf("stop %+v at %#x", s, r.c.PC)
			}
			seen = append(seen, s.Addr-testCode)
			r.clock.Begin(slice)
			r.c.Run() // does nothing while there is a stop
			if s, ok := r.c.Stopped(); !ok || s.Addr != r.c.PC {
				t.Fatalf("the stop has ended by itself: %+v", s)
			}
			r.c.Resume()
		}
		if want := []uint64{4, 12, 4, 12, 4, 12}; !slices.Equal(seen, want) || r.c.X[3] != 3 {
			t.Errorf("slices of %d: stops %v, want %v; x3 = %d", slice, seen, want, r.c.X[3])
		}
		if got, want := r.c.Retired(), uint64(1+3*3+1); got != want {
			t.Errorf("slices of %d: %d instructions, want %d", slice, got, want)
		}
	}

	r := newRig(t)
	r.put(testCode, 0x14000000, hvcOff) // b .
	r.c.Reset(testCode, 0, 1)
	r.c.SetBreakpoints([]uint64{testCode})
	for range 3 {
		if s, ok := r.untilStop(1000); !ok || s.Addr != testCode {
			t.Fatalf("%+v %v", s, ok)
		}
		r.c.Resume()
	}
	r.c.SetBreakpoints(nil)
	r.clock.Begin(50)
	r.c.Run()
	if _, ok := r.c.Stopped(); ok || r.c.PC != testCode {
		t.Errorf("without breakpoints: stopped %v at %#x", ok, r.c.PC)
	}
}

// Breakpoints are set while code is warm, in translated and tagged addresses, at an exception vector and where an instruction is not in
// RAM; a breakpoint at an address that cannot be fetched does not hide the abort.
func TestBreakpointPlaces(t *testing.T) {
	const l1, l2, l3, vectors = testBase + 0x20000, testBase + 0x21000, testBase + 0x22000, testBase + 0x2000
	r := newRig(t)
	a := &pageTable{r, l1, l2, l3}
	a.build()
	r.put64(testBase+0x10000, uint64(addi(4, 4, 1))|uint64(hvcOff)<<32)
	var p []uint32
	p = append(p, load64(7, vectors)...)
	p = append(p, msr(sysVBAREL1, 7))
	p = append(p, load64(8, 32|1<<8|1<<10|3<<12|1<<23|1<<37)...) // TBI0
	p = append(p, msr(sysTCREL1, 8), movz(8, 0xff, 0), msr(sysMAIREL1, 8))
	p = append(p, load64(8, l1)...)
	p = append(p, msr(sysTTBR0EL1, 8), isb)
	p = append(p, load64(8, sctlr1Reset|1)...)
	p = append(p, msr(sysSCTLREL1, 8), isb, movz(1, 0x5000, 0), br(1))
	r.put(testCode, p...)
	r.run(testCode, 1000) // warm
	if r.c.X[4] != 1 {
		t.Fatalf("x4 = %d", r.c.X[4])
	}
	r.off = false
	r.c.Reset(testCode, 0, 1)
	r.c.SetBreakpoints([]uint64{0x5a<<56 & ^uint64(1<<63) | 0x5000})
	if s, ok := r.untilStop(1000); !ok || r.c.PC != 0x5000 || r.c.X[4] != 0 {
		t.Errorf("translated: %+v %v", s, ok)
	}
	r.c.SetBreakpoints([]uint64{vectors + 0x200, 0x7000})
	r.put(vectors+0x200, hvcOff)
	r.c.Resume()
	r.c.SetPC(0x7000) // not mapped
	if _, ok := r.untilStop(1000); !ok || r.c.PC != vectors+0x200 || r.c.sys.far[1] != 0x7000 {
		t.Errorf("an instruction abort: PC %#x FAR %#x", r.c.PC, r.c.sys.far[1])
	}
}

// Step executes one instruction of every kind: straight, at a breakpoint, a branch to itself, one that takes an exception.
func TestStep(t *testing.T) {
	r := newRig(t)
	const vectors = testBase + 0x2000
	r.put(testCode, append(load64(7, vectors), msr(sysVBAREL1, 7), addi(1, 1, 1), 0xd4000001 /* svc #0 */, 0x14000000 /* b . */)...)
	r.put(vectors+0x200, addi(2, 2, 1), 0xd69f03e0 /* eret */)
	r.c.Reset(testCode, 0, 1)
	r.c.SetBreakpoints([]uint64{testCode + 16, vectors + 0x204})
	want := []uint64{testCode + 4, testCode + 8, testCode + 12, testCode + 16, testCode + 20, vectors + 0x200, vectors + 0x204, testCode + 24,
		testCode + 24, testCode + 24}
	for i, pc := range want {
		if !r.c.Step() {
			t.Fatalf("step %d: no", i)
		}
		if r.c.PC != pc {
			t.Fatalf("step %d: PC %#x, want %#x", i, r.c.PC, pc)
		}
		// Taking the exception is a part of the SVC; all others are one instruction each.
		if r.c.Retired() != uint64(i+1) {
			t.Fatalf("step %d: %d instructions", i, r.c.Retired())
		}
	}
	if r.c.X[1] != 1 || r.c.X[2] != 1 {
		t.Errorf("x1 = %d, x2 = %d", r.c.X[1], r.c.X[2])
	}

	// An interrupt is a step of its own, unless it is not wanted.
	r.put(vectors+0x280, 0xd69f03e0)
	r.c.Reset(testCode+16, 0, 1)
	r.c.sys.vbar[1] = vectors
	r.c.daif = 0
	r.c.SetLines(true, false)
	if !r.c.StepInstruction() || r.c.PC != testCode+20 {
		t.Errorf("with interrupts held: PC %#x", r.c.PC)
	}
	if !r.c.Step() || r.c.PC != vectors+0x280 || r.c.elr[1] != testCode+20 {
		t.Errorf("an interrupt: PC %#x", r.c.PC)
	}
	r.c.SetLines(false, false)

	// A processor that waits is not stepped; a due timer comes first.
	r.put(testCode, 0xd503207f /* wfi */, addi(1, 1, 1))
	r.c.Reset(testCode, 0, 1)
	if !r.c.Step() || r.c.Step() || r.c.PC != testCode+4 {
		t.Errorf("WFI: PC %#x", r.c.PC)
	}
	r.c.SetLines(true, false)
	if !r.c.StepInstruction() || r.c.PC != testCode+8 {
		t.Errorf("after WFI: PC %#x", r.c.PC)
	}
	timer := r.clock.NewTimer("test", nobody{})
	timer.Set(r.clock.Now())
	if r.c.Step() {
		t.Error("stepped past a timer")
	}
}

type nobody struct{}

func (nobody) Expire(*vtime.Timer, uint64) {}

// Every kind of access is seen by a watchpoint that touches one of its bytes, and no other access is. All the processor does is as
// without watchpoints.
func TestWatchpoint(t *testing.T) {
	const at = testData + 0x40
	for _, c := range []struct {
		name        string
		word        uint32 // with x1 = at
		off, n      uint64 // bytes accessed
		read, write bool
	}{
		{"ldr", ldrx(2, 1, 0), 0, 8, true, false},
		{"str", strx(2, 1, 0), 0, 8, false, true},
		{"ldrb", 0x39400822, 2, 1, true, false},
		{"strh", 0x79000822, 4, 2, false, true},
		{"ldur unaligned", 0xf8401022, 1, 8, true, false},
		{"stur across a page", 0xf8000023 &^ 31, 0, 8, false, true},
		{"ldp", 0xa9400c22, 0, 16, true, false},
		{"stp", 0xa9000c22, 0, 16, false, true},
		{"ldp post", 0xa8c10c22, 0, 16, true, false},
		{"ldpsw", 0x69400c22, 0, 8, true, false},
		{"ldr q", 0x3dc00020, 0, 16, true, false},
		{"str q", 0x3d800020, 0, 16, false, true},
		{"stp q", 0xad000420, 0, 32, false, true},
		{"ld4", 0x4c400020, 0, 64, true, false},
		{"st1 lane", 0x0d000820, 0, 1, false, true},
		{"ldxr", 0xc85f7c22, 0, 8, true, false},
		{"ldar", 0xc8dffc22, 0, 8, true, false},
		{"stlr", 0xc89ffc22, 0, 8, false, true},
		{"ldtr", 0xf8400822, 0, 8, true, false},
		{"ldadd", 0xf8220023, 0, 8, true, true},
		{"swp", 0xf8228023, 0, 8, true, true},
		{"cas", 0xc8a27c23, 0, 8, true, true},
		{"casp", 0x48227c24, 0, 16, true, true},
		{"dc zva", 0xd50b7421, 0, 64, false, true},
		{"prfm", 0xf9800020, 0, 0, false, false},
	} {
		run := func(w ...Watch) (Stop, bool, a64.Regs) {
			r := newRig(t)
			base := uint64(at)
			if c.name == "stur across a page" {
				base = testData + 0xffd
			}
			r.put(testCode, append(load64(1, base), ldrx(5, 1, 0), strx(5, 1, 0), c.word, addi(9, 9, 1), hvcOff)...)
			r.off = false
			r.c.Reset(testCode, 0, 1)
			r.c.sys.cpacr = 3 << 20
			r.c.stateChanged()
			r.c.SetBreakpoints([]uint64{testCode + 5*4}) // when the TLB is warm
			if s, ok := r.untilStop(1000); !ok {
				t.Fatalf("%s: %+v", c.name, s)
			}
			for i := range w {
				w[i].Addr += base
			}
			r.c.SetWatchpoints(w)
			r.c.SetBreakpoints(nil)
			r.c.Resume()
			s, ok := r.untilStop(1000)
			if ok {
				if r.c.PC != testCode+5*4 {
					t.Errorf("%s: stopped at %#x", c.name, r.c.PC)
				}
				r.c.Resume()
				if s, ok := r.untilStop(1000); ok {
					t.Errorf("%s: a second stop: %+v", c.name, s)
				}
			}
			s.Addr -= base
			return s, ok, r.c.Regs
		}
		_, stopped, plain := run()
		if stopped {
			t.Fatalf("%s: stopped without a watchpoint", c.name)
		}
		for _, kind := range []struct{ read, write bool }{{true, false}, {false, true}, {true, true}} {
			for _, w := range []Watch{{c.off - 1, 1, false, false}, {c.off, 1, false, false}, {c.off + c.n - 1, 1, false, false},
				{c.off + c.n, 1, false, false}, {c.off - 8, 100, false, false}, {c.off + c.n/2, 8, false, false}, {c.off, 0, false, false}} {
				w.Read, w.Write = kind.read, kind.write
				touched := c.n > 0 && w.Len > 0 && int64(w.Addr) < int64(c.off+c.n) && int64(w.Addr+w.Len) > int64(c.off)
				want := touched && (c.read && kind.read || c.write && kind.write)
				s, got, regs := run(w)
				if got != want {
					t.Errorf("%s, %+v: stopped %v, want %v", c.name, w, got, want)
				}
				if got && (s.Kind != StopWatchpoint || s.Write != (c.write && !(c.read && kind.read)) || s.Addr != max(c.off, w.Addr) && int64(w.Addr) >= 0) {
					t.Errorf("%s, %+v: %+v", c.name, w, s)
				}
				if regs != plain {
					t.Errorf("%s, %+v: the registers differ", c.name, w)
				}
			}
		}
	}
}

// The comparison of a store-exclusive is no read.
func TestWatchpointStoreExclusive(t *testing.T) {
	r := newRig(t)
	r.put(testCode, append(load64(1, testData), 0xc85f7c22 /* ldxr x2, [x1] */, 0xc8037c24 /* stxr w3, x4, [x1] */, hvcOff)...)
	r.c.Reset(testCode, 0, 1)
	r.c.SetWatchpoints([]Watch{{testData, 8, true, false}})
	if s, ok := r.untilStop(1000); !ok || r.c.PC != testCode+12 || s.Write {
		t.Fatalf("the load: %+v %v at %#x", s, ok, r.c.PC)
	}
	r.c.Resume()
	if s, ok := r.untilStop(1000); ok || r.c.X[3] != 0 {
		t.Errorf("the store: %+v, status %d", s, r.c.X[3])
	}
}

// A stop before the second half of an access of two registers leaves the first half unwritten, and the monitor as it was.
func TestWatchpointPair(t *testing.T) {
	r := newRig(t)
	code := append(load64(1, testData), movz(4, 0x11, 0), movz(5, 0x22, 0), movz(6, 0x11, 0), movz(7, 0x22, 0), movz(8, 0x33, 0), movz(9, 0x44, 0))
	pair := uint64(len(code))
	r.put(testCode, append(code, 0xc87f2c2a /* ldxp x10, x11, [x1] */, 0xc8231424 /* stxp w3, x4, x5, [x1] */, 0x48267c28 /* casp x6, x7, x8, x9, [x1] */, hvcOff)...)
	r.c.Reset(testCode, 0, 1)
	r.c.X[3] = 7
	r.c.SetWatchpoints([]Watch{{testData + 8, 8, false, true}})
	memory := func() (v [2]uint64) {
		for i := range v {
			v[i], _ = r.bus.Load(testData+8*uint64(i), 8, bus.Attr{})
		}
		return v
	}
	for i, want := range [][2]uint64{{0, 0}, {0x11, 0x22}} {
		if s, ok := r.untilStop(1000); !ok || s != (Stop{StopWatchpoint, testData + 8, true}) || r.c.PC != testCode+4*(pair+1+uint64(i)) || memory() != want {
			t.Fatalf("%d: %+v %v at %#x, memory %#x", i, s, ok, r.c.PC, memory())
		}
		r.c.Resume()
	}
	if s, ok := r.untilStop(1000); ok || r.c.X[3] != 0 || memory() != [2]uint64{0x33, 0x44} {
		t.Errorf("%+v, status %d, memory %#x", s, r.c.X[3], memory())
	}
}

// Poke writes what the processor then executes and reads, through a translation that does not let it write, and is stopped by the
// firewall and the end of RAM.
func TestPoke(t *testing.T) {
	r := newRig(t)
	const l1, l2, l3 = testBase + 0x20000, testBase + 0x21000, testBase + 0x22000
	a := &pageTable{r, l1, l2, l3}
	a.build()
	r.put64(l3+8*6, (testBase+0x12000)|descPage|descAF|1<<7) // page 6 is read-only, page 7 is not there
	r.put64(testBase+0x12000, uint64(addi(4, 4, 1))|uint64(hvcOff)<<32)
	var p []uint32
	p = append(p, load64(8, 32|1<<8|1<<10|3<<12|1<<23)...)
	p = append(p, msr(sysTCREL1, 8), movz(8, 0xff, 0), msr(sysMAIREL1, 8))
	p = append(p, load64(8, l1)...)
	p = append(p, msr(sysTTBR0EL1, 8), isb)
	p = append(p, load64(8, sctlr1Reset|1)...)
	r.put(testCode, append(p, msr(sysSCTLREL1, 8), isb, movz(1, 0x6000, 0), br(1))...)
	r.run(testCode, 1000)
	w := addi(4, 4, 5)
	if n := r.c.Poke(0x6000, []byte{byte(w), byte(w >> 8), byte(w >> 16), byte(w >> 24)}); n != 4 {
		t.Fatalf("wrote %d bytes", n)
	}
	r.off = false
	r.c.waiting, r.c.PC = running, 0x6000
	r.more(1000)
	if r.c.X[4] != 6 {
		t.Errorf("x4 = %d, want 1 + 5", r.c.X[4])
	}
	buf := make([]byte, 16)
	for i, want := range map[uint64]int{0x6ff8: 8, 0x7000: 0, 0: 0, 1 << 60: 0} {
		if n := r.c.Poke(i, buf); n != want {
			t.Errorf("%#x: %d bytes, want %d", i, n, want)
		}
	}
	r.deny.set(testBase+0x12000, false, true)
	if n := r.c.Poke(0x6000, buf); n != 0 {
		t.Errorf("wrote %d bytes past the firewall", n)
	}
	if v, _ := r.bus.Load(testBase+0x12000, 4, bus.Attr{}); uint32(v) != w {
		t.Errorf("memory holds %#x", v)
	}
}

// A debugger sees registers of every exception level, and changes nothing by looking.
func TestDebuggerRegisters(t *testing.T) {
	r := newRig(t)
	r.c.Reset(testCode, 0, 1)
	r.c.setEL(0, false)
	r.c.stateChanged()
	r.c.check = false
	before := *r.c
	for key := range sysNames {
		v, ok := r.c.ReadSysDebug(key)
		if key == sysIDAA64PFR0EL1 && (!ok || v == 0) || key>>11&7 == 6 && ok {
			t.Errorf("%s: %#x %v", SysName(key), v, ok)
		}
	}
	if after := *r.c; after.Regs != before.Regs || after.sys != before.sys || after.el != before.el || after.ctx != before.ctx || after.check != before.check ||
		after.pmu != before.pmu || after.tlb != before.tlb || after.contexts != before.contexts {
		t.Error("reading changed the processor")
	}
	ctx := r.c.ctx
	for _, key := range []uint16{sysTTBR0EL1, sysTPIDREL1, sysFAREL1, sysSPEL1, sysELREL1, sysSPEL0} {
		if !r.c.WriteSysDebug(key, 0x12340) {
			t.Errorf("%s cannot be written", SysName(key))
		}
		if v, ok := r.c.ReadSysDebug(key); !ok || v != 0x12340 {
			t.Errorf("%s: %#x %v", SysName(key), v, ok)
		}
	}
	if r.c.EL() != 0 || r.c.SP() != 0x12340 || r.c.ctx != ctx {
		t.Errorf("EL%d, SP %#x", r.c.EL(), r.c.SP())
	}
	r.c.SetPSTATE(0xf0000000 | psD | psI | 4)
	if got := r.c.PSTATE(); got != 0xf0000000|psD|psI {
		t.Errorf("PSTATE %#x", got)
	}
	r.c.SetFPCR(^uint32(0))
	r.c.SetFPSR(^uint32(0))
	if r.c.FPCR != fpcrMask|fpcrFZ16 || r.c.FPSR != fpsrMask {
		t.Errorf("FPCR %#x FPSR %#x", r.c.FPCR, r.c.FPSR)
	}
}
