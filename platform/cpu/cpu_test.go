package cpu

import (
	"encoding/binary"
	"testing"

	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// Instructions for the programs below, encoded by hand from DDI 0487, C6.2.
func movz(rd, imm, hw uint32) uint32    { return 0xd2800000 | hw<<21 | imm<<5 | rd }
func movk(rd, imm, hw uint32) uint32    { return 0xf2800000 | hw<<21 | imm<<5 | rd }
func addi(rd, rn, imm uint32) uint32    { return 0x91000000 | imm<<10 | rn<<5 | rd }
func subsi(rd, rn, imm uint32) uint32   { return 0xf1000000 | imm<<10 | rn<<5 | rd }
func ldrx(rt, rn, off uint32) uint32    { return 0xf9400000 | off/8<<10 | rn<<5 | rt }
func strx(rt, rn, off uint32) uint32    { return 0xf9000000 | off/8<<10 | rn<<5 | rt }
func strw(rt, rn, off uint32) uint32    { return 0xb9000000 | off/4<<10 | rn<<5 | rt }
func bne(words int32) uint32            { return 0x54000001 | uint32(words)&0x7ffff<<5 }
func br(rn uint32) uint32               { return 0xd61f0000 | rn<<5 }
func msr(key uint16, rt uint32) uint32  { return 0xd5000000 | uint32(key)<<5 | rt }
func mrs(key uint16, rt uint32) uint32  { return 0xd5200000 | uint32(key)<<5 | rt }
func tlbi(key uint16, rt uint32) uint32 { return 0xd5000000 | uint32(key)<<5 | rt }
func load64(rd uint32, v uint64) []uint32 {
	return []uint32{movz(rd, uint32(v&0xffff), 0), movk(rd, uint32(v>>16&0xffff), 1), movk(rd, uint32(v>>32&0xffff), 2)}
}

const (
	hvcOff = 0xd4000002 // hvc #0: ends a test program
	isb    = 0xd5033fdf
	nop    = 0xd503201f
)

const testBase, testSize = 0x40000000, 1 << 20

// rig is one processor with RAM and nothing else. HVC stops it.
type rig struct {
	t     testing.TB
	bus   *bus.Bus
	clock vtime.Clock
	c     *CPU
	off   bool
	lock  bool
	undef []uint32
	deny  *gate
}

// gate is a firewall of one page: what it names is denied with DECERR.
type gate struct {
	bus         *bus.Bus
	page        uint64
	read, write bool
}

func (g *gate) Allows(addr uint64, write bool, _ bus.Attr) bool {
	return addr&^pageMask != g.page || write && !g.write || !write && !g.read
}

func (g *gate) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	if g.Allows(addr, write, a) {
		return bus.Allow
	}
	return bus.DenyDECERR
}

func (g *gate) set(page uint64, read, write bool) {
	g.page, g.read, g.write = page, read, write
	g.bus.FilterChanged()
}

func (r *rig) SecureMonitorCall(c *CPU, _ bool) bool { r.off = true; c.PowerOff(); return true }
func (r *rig) Semihost(*CPU) bool                    { return false }
func (r *rig) Undefined(_ *CPU, w uint32)            { r.undef = append(r.undef, w) }
func (r *rig) SendEvent()                            { r.c.SetEvent() }
func (r *rig) Lockup(c *CPU)                         { r.lock = true; c.PowerOff() }

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, bus: &bus.Bus{}}
	r.deny = &gate{bus: r.bus, page: ^uint64(0)}
	ram, err := bus.NewRAM(testSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	if err := r.bus.Map(bus.Region{Name: "ram", Base: testBase, Size: testSize, RAM: ram, Filter: r.deny}); err != nil {
		t.Fatal(err)
	}
	model, err := ModelByName("max")
	if err != nil {
		t.Fatal(err)
	}
	r.c = New(Config{Model: model, Bus: r.bus, Code: NewCode(r.bus, model.Features), Clock: &r.clock, Env: r, HVCIsCall: true})
	return r
}

func (r *rig) put(addr uint64, words ...uint32) {
	r.t.Helper()
	for i, w := range words {
		if resp := r.bus.Store(addr+uint64(4*i), 4, uint64(w), bus.Attr{}); resp != bus.OKAY {
			r.t.Fatalf("store at %#x: %v", addr, resp)
		}
	}
}

func (r *rig) put64(addr, v uint64) {
	r.t.Helper()
	if resp := r.bus.Store(addr, 8, v, bus.Attr{}); resp != bus.OKAY {
		r.t.Fatalf("store at %#x: %v", addr, resp)
	}
}

// run executes from addr until the program ends, in slices of the given length.
func (r *rig) run(addr uint64, slice int64) {
	r.t.Helper()
	r.off = false
	r.c.Reset(addr, 0, 1)
	r.more(slice)
}

func (r *rig) more(slice int64) {
	r.t.Helper()
	for range 10_000_000 / slice {
		if r.off || r.lock {
			return
		}
		if r.clock.Begin(slice) == 0 {
			r.clock.Expire()
			continue
		}
		r.c.Run()
	}
	r.t.Fatalf("the program did not end: PC %#x ESR %#x FAR %#x ELR %#x", r.c.PC, r.c.sys.esr[1], r.c.sys.far[1], r.c.elr[1])
}

// TestSelfModifyingCode stores over instructions that were executed before, in the running page and in another one, and lets
// a DMA master do it.
func TestSelfModifyingCode(t *testing.T) {
	r := newRig(t)
	const code, other = testBase + 0x1000, testBase + 0x3000
	// other: x2 += 1; br x3
	r.put(other, addi(2, 2, 1), br(3))
	r.put(code, append(load64(1, other), append(load64(3, code+8*4), nop, br(1), hvcOff)...)...)
	r.run(code, 1000)
	if got := r.c.X[2]; got != 1 {
		t.Fatalf("first round: x2 = %d, want 1", got)
	}
	r.put(other, addi(2, 2, 16)) // as a DMA master would
	r.run(code, 1000)
	if got := r.c.X[2]; got != 16 {
		t.Errorf("after a write over the bus: x2 = %d, want 16", got)
	}
	// The processor itself: store the word in w6 at [x1], then run it.
	r.put(code, append(load64(1, other), append(load64(3, code+12*4), append(load64(6, uint64(addi(2, 2, 32))),
		strw(6, 1, 0), isb, br(1), hvcOff)...)...)...)
	r.run(code, 1000)
	if got := r.c.X[2]; got != 32 {
		t.Errorf("after a store by the processor: x2 = %d, want 32", got)
	}
	// The very next instruction, without a barrier: memory and instruction fetch are coherent on this machine.
	p := append(load64(1, code+7*4), load64(6, uint64(addi(2, 2, 7)))...)
	p = append(p, strw(6, 1, 0), addi(2, 2, 1), hvcOff)
	r.put(code, p...)
	r.run(code, 1000)
	if got := r.c.X[2]; got != 7 {
		t.Errorf("store over the next instruction: x2 = %d, want 7", got)
	}
}

// TestFirewallReachesTLB warms the TLB, lets the firewall deny, and expects the next access to abort: for loads, stores and
// fetches, and after it allows again, none.
func TestFirewallReachesTLB(t *testing.T) {
	r := newRig(t)
	const code, vectors, data = testBase + 0x1000, testBase + 0x2000, testBase + 0x8000
	r.put(vectors+0x200, hvcOff)
	access := func(word uint32) (aborted bool) {
		t.Helper()
		r.put(code, append(load64(1, data), append(load64(7, vectors), msr(sysVBAREL1, 7), word, movz(9, 1, 0), hvcOff)...)...)
		r.run(code, 1000)
		return r.c.X[9] == 0
	}
	load, store := ldrx(2, 1, 0), strx(7, 1, 0)
	for range 2 {
		if access(load) || access(store) {
			t.Fatal("an allowed access aborted")
		}
		r.deny.set(data, true, false)
		if !access(load) {
			t.Error("a load passed the firewall")
		}
		if esr := r.c.sys.esr[1]; esr != ecDataSame<<26|esrIL|fscSyncExtern {
			t.Errorf("ESR %#x, want a synchronous external abort on a read", esr)
		}
		if r.c.sys.far[1] != data {
			t.Errorf("FAR %#x, want %#x", r.c.sys.far[1], data)
		}
		if access(store) {
			t.Error("a store was refused though only reads are denied")
		}
		r.deny.set(data, false, true)
		if access(load) {
			t.Error("a load was refused though only writes are denied")
		}
		if !access(store) {
			t.Error("a store passed the firewall")
		}
		if esr := r.c.sys.esr[1]; esr != ecDataSame<<26|esrIL|issWnR|fscSyncExtern {
			t.Errorf("ESR %#x, want a synchronous external abort on a write", esr)
		}
		r.deny.set(^uint64(0), false, false)
	}
	// Within one run: a loop reads the page while the firewall closes between two slices.
	r.put(code, append(load64(1, data), append(load64(7, vectors), msr(sysVBAREL1, 7), ldrx(2, 1, 0), addi(3, 3, 1), 0x17fffffe)...)...)
	r.off = false
	r.c.Reset(code, 0, 1)
	r.clock.Begin(5000)
	r.c.Run()
	if r.off || r.c.X[3] < 1000 {
		t.Fatalf("the loop did not run: x3 = %d", r.c.X[3])
	}
	n := r.c.X[3]
	r.deny.set(data, true, true)
	r.more(1000)
	if r.c.X[3] != n && r.c.X[3] != n+1 {
		t.Errorf("%d more loads passed after the firewall closed", r.c.X[3]-n)
	}
	// Fetches: code in the denied page.
	r.deny.set(^uint64(0), false, false)
	r.put(data, hvcOff)
	r.put(code, append(load64(1, data), append(load64(7, vectors), msr(sysVBAREL1, 7), br(1))...)...)
	r.run(code, 1000)
	if r.c.el != 1 || r.c.sys.esr[1] != 0 {
		t.Fatalf("a fetch was refused: ESR %#x", r.c.sys.esr[1])
	}
	r.deny.set(data, true, true)
	r.run(code, 1000)
	if esr := r.c.sys.esr[1]; esr != ecInstSame<<26|esrIL|fscSyncExtern || r.c.elr[1] != data {
		t.Errorf("ESR %#x ELR %#x, want an external abort on the fetch at %#x", esr, r.c.elr[1], data)
	}
}

// TestSlices runs a program with a timer read in it in slices of many lengths: nothing the program sees may depend on them,
// and every instruction is counted once.
func TestSlices(t *testing.T) {
	const code = testBase + 0x0ff0 // crosses a page
	var want a64.Regs
	var retired uint64
	for i, slice := range []int64{1, 2, 3, 7, 100, 10_000} {
		r := newRig(t)
		r.put(code, movz(1, 0, 0), movz(2, 500, 0),
			addi(1, 1, 3), mrs(sysCNTVCTEL0, 4), subsi(2, 2, 1), bne(-3), movz(3, 5, 0), hvcOff)
		r.clock.Reset()
		r.run(code, slice)
		// 2 + 500 * 4 + 2 instructions.
		if r.c.Retired() != 2004 {
			t.Errorf("slices of %d: %d instructions, want 2004", slice, r.c.Retired())
		}
		if i == 0 {
			want, retired = r.c.Regs, r.c.Retired()
			if want.X[1] != 1500 || want.X[4] == 0 {
				t.Fatalf("x1 = %d, x4 = %d", want.X[1], want.X[4])
			}
			continue
		}
		if r.c.Regs != want || r.c.Retired() != retired {
			t.Errorf("slices of %d give another result than slices of 1", slice)
		}
	}
}

// pageTable maps VA 0 to 1 GiB with 4 KiB pages at level 3 under T0SZ 32: the tables lie at the addresses given.
type pageTable struct {
	r          *rig
	l1, l2, l3 uint64
}

const (
	descTable = 3
	descPage  = 3
	descAF    = 1 << 10
	descNG    = 1 << 11
)

func (p *pageTable) build() {
	p.r.put64(p.l1, p.l2|descTable)                                // 0 to 1 GiB
	p.r.put64(p.l1+8, 0x40000000|1|descAF)                         // 1 to 2 GiB: RAM as it is
	p.r.put64(p.l2, p.l3|descTable)                                // the first 2 MiB
	p.r.put64(p.l2+8, 0x40000000|1|descAF|descNG)                  // 2 to 4 MiB: a block
	p.r.put64(p.l3+8*5, (testBase+0x10000)|descPage|descAF|descNG) // page 5
}

// TestTranslationCache changes translation tables under a warm TLB and checks what each TLBI must reach (D8.14), and that
// ASIDs keep translations apart.
func TestTranslationCache(t *testing.T) {
	const code, l1a, l2a, l3a = testBase + 0x1000, testBase + 0x20000, testBase + 0x21000, testBase + 0x22000
	const l1b, l2b, l3b = testBase + 0x24000, testBase + 0x25000, testBase + 0x26000
	r := newRig(t)
	a, b := &pageTable{r, l1a, l2a, l3a}, &pageTable{r, l1b, l2b, l3b}
	a.build()
	b.build()
	r.put64(l3b+8*5, (testBase+0x11000)|descPage|descAF|descNG)
	r.put64(testBase+0x10000, 0xaaaa)
	r.put64(testBase+0x11000, 0xbbbb)
	r.put64(testBase+0x12000, 0xcccc)
	asid := func(n uint64) uint64 { return n << 48 }
	setup := func(ttbr uint64) []uint32 {
		var p []uint32
		p = append(p, load64(8, 32|1<<8|1<<10|3<<12|1<<23)...) // T0SZ 32, cacheable, EPD1
		p = append(p, msr(sysTCREL1, 8))
		p = append(p, movz(8, 0xff, 0), msr(sysMAIREL1, 8))
		p = append(p, load64(8, ttbr&(1<<48-1))...)
		p = append(p, movk(8, uint32(ttbr>>48), 3), msr(sysTTBR0EL1, 8), isb)
		p = append(p, load64(8, sctlr1Reset|1)...)
		return append(p, msr(sysSCTLREL1, 8), isb)
	}
	body := func(words ...uint32) { r.put(code, append(setup(l1a|asid(1)), words...)...) }

	// Warm, change the descriptor by a store, read again without and with invalidation.
	change := append(load64(2, l3a+8*5), append(load64(3, (testBase+0x12000)|descPage|descAF|descNG), movk(3, 0, 3), strx(3, 2, 0))...)
	seq := append([]uint32{movz(1, 0x5000, 0), ldrx(10, 1, 0)}, change...)
	for _, c := range []struct {
		name string
		inv  []uint32
		want uint64
	}{
		{"VAE1", []uint32{movz(4, 5, 0), movk(4, 1, 3), tlbi(sysTLBIVAE1, 4)}, 0xcccc},
		{"VAAE1IS", []uint32{movz(4, 5, 0), tlbi(sysTLBIVAAE1IS, 4)}, 0xcccc},
		{"VALE1", []uint32{movz(4, 5, 0), movk(4, 1, 3), tlbi(sysTLBIVALE1, 4)}, 0xcccc},
		{"ASIDE1", []uint32{movz(4, 0, 0), movk(4, 1, 3), tlbi(sysTLBIASIDE1, 4)}, 0xcccc},
		{"VMALLE1", []uint32{tlbi(sysTLBIVMALLE1, 31)}, 0xcccc},
	} {
		a.build()
		body(append(append(append([]uint32{}, seq...), c.inv...), isb, ldrx(11, 1, 0), hvcOff)...)
		r.run(code, 100_000)
		if r.c.X[10] != 0xaaaa || r.c.X[11] != c.want {
			t.Errorf("%s: read %#x, then %#x, want 0xaaaa, then %#x", c.name, r.c.X[10], r.c.X[11], c.want)
		}
	}

	// A block: invalidating any address in it must reach all of it.
	a.build()
	r.put64(testBase+0x30000, 0x1111)
	r.put64(testBase+0x50000, 0x2222)
	// VA 2 MiB + 0x30000 is PA testBase + 0x30000; then the block's descriptor becomes invalid and one address is invalidated.
	p := append(load64(1, 0x230000), ldrx(10, 1, 0))
	p = append(p, load64(5, 0x250000)...)
	p = append(p, ldrx(12, 5, 0))
	p = append(p, load64(2, l2a+8)...)
	p = append(p, strx(31, 2, 0))
	p = append(p, load64(4, 0x250000>>12)...)
	p = append(p, movk(4, 1, 3), tlbi(sysTLBIVAE1, 4), isb)
	vectors := uint64(testBase + 0x2000)
	r.put(vectors+0x200, mrs(sysESREL1, 20), hvcOff)
	p = append(p, load64(7, vectors)...)
	p = append(p, msr(sysVBAREL1, 7), ldrx(11, 1, 0), hvcOff)
	body(p...)
	r.run(code, 100_000)
	if r.c.X[10] != 0x1111 || r.c.X[12] != 0x2222 {
		t.Errorf("the block reads %#x and %#x", r.c.X[10], r.c.X[12])
	}
	if r.c.X[20] != ecDataSame<<26|esrIL|0b000110 {
		t.Errorf("after the block was invalidated by another address in it: ESR %#x, want a level 2 translation fault", r.c.X[20])
	}

	// Two ASIDs, back and forth without invalidation, each sees its own page.
	a.build()
	sw := func(ttbr uint64) []uint32 {
		return append(load64(8, ttbr&(1<<48-1)), movk(8, uint32(ttbr>>48), 3), msr(sysTTBR0EL1, 8), isb)
	}
	p = []uint32{movz(1, 0x5000, 0), ldrx(10, 1, 0)}
	p = append(p, sw(l1b|asid(2))...)
	p = append(p, ldrx(11, 1, 0))
	p = append(p, sw(l1a|asid(1))...)
	p = append(p, ldrx(12, 1, 0))
	p = append(p, sw(l1b|asid(2))...)
	p = append(p, ldrx(13, 1, 0), hvcOff)
	body(p...)
	r.run(code, 100_000)
	if r.c.X[10] != 0xaaaa || r.c.X[11] != 0xbbbb || r.c.X[12] != 0xaaaa || r.c.X[13] != 0xbbbb {
		t.Errorf("two ASIDs read %#x %#x %#x %#x", r.c.X[10], r.c.X[11], r.c.X[12], r.c.X[13])
	}
}

// TestManyASIDs uses more address spaces than the TLB can tell apart at one time.
func TestManyASIDs(t *testing.T) {
	const code, l1, l2, l3 = testBase + 0x1000, testBase + 0x20000, testBase + 0x21000, testBase + 0x22000
	r := newRig(t)
	(&pageTable{r, l1, l2, l3}).build()
	r.put64(testBase+0x10000, 1)
	// for x2 = 1000 down to 1: TTBR0 = l1 | x2 << 48; x10 += [0x5000]
	var p []uint32
	p = append(p, load64(8, 32|1<<8|1<<10|3<<12|1<<23|1<<36)...) // AS: 16 bits
	p = append(p, msr(sysTCREL1, 8), movz(8, 0xff, 0), msr(sysMAIREL1, 8))
	p = append(p, load64(9, l1)...)
	p = append(p, msr(sysTTBR0EL1, 9))
	p = append(p, load64(8, sctlr1Reset|1)...)
	p = append(p, msr(sysSCTLREL1, 8), isb, movz(1, 0x5000, 0), movz(2, 1000, 0))
	p = append(p,
		0xaa02c128,               // orr x8, x9, x2, lsl #48
		msr(sysTTBR0EL1, 8), isb, //
		ldrx(3, 1, 0), 0x8b03014a, // add x10, x10, x3
		subsi(2, 2, 1), bne(-6), hvcOff)
	r.put(code, p...)
	r.run(code, 100_000)
	if r.c.X[10] != 1000 {
		t.Errorf("read the page %d times of 1000", r.c.X[10])
	}
}

// TestLockup lets an exception vector fault itself.
func TestLockup(t *testing.T) {
	r := newRig(t)
	r.put(testBase+0x1000, append(load64(7, testBase+0x4000), msr(sysVBAREL1, 7), 0)...)
	r.run(testBase+0x1000, 100_000)
	if !r.lock || r.c.PC != testBase+0x4200 {
		t.Errorf("locked up: %v, PC %#x", r.lock, r.c.PC)
	}
	if len(r.undef) == 0 || r.undef[0] != 0 {
		t.Errorf("undefined words %#x, want 0 first", r.undef)
	}
}

// TestExclusive checks when a store-exclusive fails (B2.9).
func TestExclusive(t *testing.T) {
	const code, data = testBase + 0x1000, testBase + 0x8000
	const (
		ldxr  = 0xc85f7c22 // ldxr x2, [x1]
		stxr  = 0xc8037c24 // stxr w3, x4, [x1]
		stxr8 = 0xc8037ca4 // stxr w3, x4, [x5]
		stxrw = 0x88037c24 // stxr w3, w4, [x1]
		clrex = 0xd5033f5f
	)
	for _, c := range []struct {
		name string
		body []uint32
		want uint64
	}{
		{"pair", []uint32{ldxr, stxr}, 0},
		{"without load", []uint32{stxr}, 1},
		{"after CLREX", []uint32{ldxr, clrex, stxr}, 1},
		{"twice", []uint32{ldxr, stxr, stxr}, 1},
		{"another address", []uint32{ldxr, stxr8}, 1},
		{"another size", []uint32{ldxr, stxrw}, 1},
		{"memory changed", []uint32{ldxr, strx(5, 1, 0), stxr}, 1},
	} {
		r := newRig(t)
		p := append(load64(1, data), load64(5, data+8)...)
		p = append(p, movz(4, 77, 0))
		r.put(code, append(append(p, c.body...), hvcOff)...)
		r.run(code, 1000)
		if r.c.X[3] != c.want {
			t.Errorf("%s: status %d, want %d", c.name, r.c.X[3], c.want)
		}
	}
}

// BenchmarkLoop is the speed of a short loop of arithmetic, loads and stores.
func BenchmarkLoop(b *testing.B) {
	r := newRig(b)
	const code = testBase + 0x1000
	r.put(code, append(load64(1, testBase+0x8000), movz(2, 0xffff, 1),
		ldrx(3, 1, 0), addi(3, 3, 1), strx(3, 1, 0), 0x8b030084 /* add x4, x4, x3 */, 0xca040063 /* eor x3, x3, x4 */, subsi(2, 2, 1), bne(-6))...)
	r.c.Reset(code, 0, 1)
	b.ResetTimer()
	var n int64
	for range b.N {
		n += r.clock.Begin(1_000_000)
		r.c.Run()
		if r.c.X[2] < 1_000_000 {
			r.c.X[2] = 0xffff0000
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Minst/s")
}

// FuzzWords executes random words on a processor whose RAM is all there is, with a vector table that ends the program.
func FuzzWords(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0}, uint64(0))
	f.Fuzz(func(t *testing.T, code []byte, x uint64) {
		r := newRig(t)
		const base, vectors = testBase + 0x1000, testBase + 0x4000
		for off := uint64(0); off < 0x800; off += 0x80 {
			r.put(vectors+off, hvcOff)
		}
		var words []uint32
		for i := 0; i+4 <= len(code) && i < 2000; i += 4 {
			words = append(words, binary.LittleEndian.Uint32(code[i:]))
		}
		r.put(base, append(words, hvcOff)...)
		r.c.Reset(base, 0, 1)
		r.c.sys.vbar[1] = vectors
		r.c.sys.cpacr = 3 << 20
		for i := range 31 {
			r.c.X[i] = x * uint64(i)
		}
		// Pointer authentication, guarded branches and debug exceptions, as x has it.
		r.c.writeSys(sysSCTLREL1, r.c.sys.sctlr[1]|x&(sctlrEnIA|sctlrEnIB|sctlrEnDA|sctlrEnDB|sctlrBT))
		r.c.writeSys(sysOSLAREL1, 0)
		r.c.writeSys(sysMDSCREL1, x>>8&(mdscrSS|mdscrKDE|mdscrMDE))
		r.debugRegister(0, 4, base+x>>3&0x3fc)
		r.debugRegister(0, 5, x)
		r.debugRegister(1, 6, base+x>>5&0x3fc)
		r.debugRegister(1, 7, x>>7)
		r.debugRegister(5, 5, x>>9)
		r.c.daif, r.c.ss, r.c.btype = uint8(x>>16&15), x>>20&1 != 0, uint8(x>>21&3)
		r.c.stateChanged()
		if x>>23&1 != 0 {
			r.c.SetBreakpoints([]uint64{base + 8})
			r.c.SetWatchpoints([]Watch{{x, 64, true, true}})
		}
		for range 20 {
			if r.off || r.lock {
				return
			}
			if r.clock.Begin(1000) == 0 {
				r.clock.Expire()
				continue
			}
			if _, ok := r.c.Stopped(); ok {
				r.c.Resume()
			}
			if !r.c.Runnable() {
				return
			}
			r.c.Run()
		}
	})
}
