package tzc400

import (
	"bytes"
	"strings"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// line records an interrupt output.
type line struct {
	level bool
	edges int
}

func (l *line) Set(level bool) {
	if l.level != level {
		l.edges++
	}
	l.level = level
}

var secure = bus.Attr{Secure: true, Privileged: true}

func nonSecure(nsaid uint8) bus.Attr { return bus.Attr{NSAID: nsaid} }

// board is a controller before 16 MiB of RAM behind a bus, as a driver and masters see it.
type board struct {
	t   *testing.T
	bus bus.Bus
	tzc *TZC400
	irq line
	log bytes.Buffer

	changes int // how often masters were told of a change
}

const (
	frameBase = 0x0B00_0000
	ramBase   = 0x4000_0000
	ramSize   = 16 << 20
)

func newBoard(t *testing.T) *board {
	t.Helper()
	b := &board{t: t}
	events := new(event.Stream)
	events.Attach(event.TZC, event.NewText(&b.log))
	b.tzc = New("tzc400", events, new(vtime.Clock))
	b.tzc.IRQ = &b.irq
	b.tzc.Changed = func() {
		b.changes++
		b.bus.FilterChanged()
	}
	ram, err := bus.NewRAM(ramSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	for _, r := range []bus.Region{
		{Name: "tzc400", Base: frameBase, Size: 0x1000, Dev: b.tzc, SecureOnly: true},
		{Name: "ram", Base: ramBase, Size: ramSize, RAM: ram, Filter: b.tzc.Unit(0)},
	} {
		if err := b.bus.Map(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *board) write(off uint64, v uint32) {
	b.t.Helper()
	if r := b.bus.Store(frameBase+off, 4, uint64(v), secure); r != bus.OKAY {
		b.t.Fatalf("write of %#x: %v", off, r)
	}
}

func (b *board) read(off uint64) uint32 {
	b.t.Helper()
	v, r := b.bus.Load(frameBase+off, 4, secure)
	if r != bus.OKAY {
		b.t.Fatalf("read of %#x: %v", off, r)
	}
	return uint32(v)
}

func (b *board) expect(off uint64, want uint32) {
	b.t.Helper()
	if got := b.read(off); got != want {
		b.t.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

// region programs a region in the order of both drivers (TF-A tzc_common_private.c, OP-TEE tzc400.c).
func (b *board) region(n int, base, top uint64, attributes, ids uint32) {
	b.t.Helper()
	o := uint64(n * RegionStride)
	b.write(RegionBaseLow+o, uint32(base))
	b.write(RegionBaseHigh+o, uint32(base>>32))
	b.write(RegionTopLow+o, uint32(top))
	b.write(RegionTopHigh+o, uint32(top>>32))
	b.write(RegionAttributes+o, attributes)
	b.write(RegionIDAccess+o, ids)
}

const secureRW = AttrSecureRead | AttrSecureWrite

func TestResetValues(t *testing.T) {
	b := newBoard(t)
	// Change everything first, so that Reset has something to undo.
	for off := uint64(0); off < 0x300; off += 4 {
		b.write(off, 0xFFFF_FFFF)
	}
	b.write(RegionIDAccess, 0)
	if _, r := b.bus.Load(ramBase+4, 4, nonSecure(3)); r != bus.DECERR || !b.irq.level {
		t.Fatalf("denied read: %v, interrupt %v", r, b.irq.level)
	}
	b.tzc.Reset()
	b.expect(BuildConfig, 0x03002F08)
	for off := uint64(4); off < 0x60; off += 4 {
		b.expect(off, 0)
	}
	b.expect(RegionTopLow, 0xFFFF_FFFF)
	b.expect(RegionTopHigh, 0xFFFF)
	b.expect(RegionAttributes, 0xC000_000F)
	b.expect(RegionIDAccess, 0)
	for n := uint64(1); n < Regions; n++ {
		for off, want := range map[uint64]uint32{RegionBaseLow: 0, RegionBaseHigh: 0, RegionTopLow: 0xFFF,
			RegionTopHigh: 0, RegionAttributes: 0, RegionIDAccess: 0} {
			b.expect(off+n*RegionStride, want)
		}
	}
	if b.irq.level {
		t.Error("interrupt after reset")
	}
}

// TestIdentification reads the identification registers in both ways that drivers do.
func TestIdentification(t *testing.T) {
	b := newBoard(t)
	var cell, part uint32
	for i := range uint64(4) {
		v, r := b.bus.Load(frameBase+CID0+4*i, 1, secure) // OP-TEE reads bytes
		if r != bus.OKAY {
			t.Fatalf("CID%d: %v", i, r)
		}
		cell |= uint32(v) << (8 * i)
	}
	if cell != 0xB105_F00D {
		t.Errorf("component id %#x", cell)
	}
	part = b.read(PID0)&0xFF | b.read(PID0+4)&0xF<<8
	if part != 0x460 {
		t.Errorf("part number %#x", part)
	}
	// JEP106 identity code and continuation code of Arm Limited.
	if id, cont := b.read(PID0+4)>>4|b.read(PID0+8)&7<<4, b.read(PID4)&0xF; id != 0x3B || cont != 4 {
		t.Errorf("designer %#x, continuation %d", id, cont)
	}
}

func TestAccessRules(t *testing.T) {
	b := newBoard(t)
	for _, size := range []int{1, 2, 8} {
		if r := b.bus.Store(frameBase+Action, size, 3, secure); r != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, r)
		}
	}
	if _, r := b.bus.Load(frameBase+BuildConfig, 8, secure); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
	b.expect(Action, 0)
	if v, r := b.bus.Load(frameBase+BuildConfig+1, 1, secure); v != 0x2F || r != bus.OKAY {
		t.Errorf("byte 1 of BUILD_CONFIG: %#x, %v", v, r)
	}
	// The device itself refuses non-secure software, wherever it is mapped.
	if v, r := b.tzc.Read(BuildConfig, 4, nonSecure(9)); v != 0 || r != bus.DECERR {
		t.Errorf("non-secure read: %#x, %v", v, r)
	}
	if r := b.tzc.Write(GateKeeper, 4, 1, nonSecure(9)); r != bus.DECERR {
		t.Errorf("non-secure write: %v", r)
	}
	b.expect(GateKeeper, 0)
	// Read-only and write-only registers.
	for _, off := range []uint64{BuildConfig, IntStatus, FailAddressLow, FailControl, FailID, RegionBaseLow,
		RegionBaseHigh, RegionTopLow, RegionTopHigh, PID4, PID0, CID0, 0x018, 0x060, 0x11C, 0x220, 0xFE} {
		off &^= 3
		before := b.read(off)
		b.write(off, ^before)
		b.expect(off, before)
	}
	b.expect(IntClear, 0)
}

func TestFields(t *testing.T) {
	b := newBoard(t)
	for off, want := range map[uint64]uint32{
		Action:                             3,
		GateKeeper:                         0x000F_000F,
		SpeculationCtrl:                    3,
		RegionBaseLow + 3*RegionStride:     0xFFFF_F000,
		RegionBaseHigh + 3*RegionStride:    0xFFFF,
		RegionTopLow + 3*RegionStride:      0xFFFF_FFFF,
		RegionTopHigh + 3*RegionStride:     0xFFFF,
		RegionAttributes + 3*RegionStride:  0xC000_000F,
		RegionIDAccess + 3*RegionStride:    0xFFFF_FFFF,
		RegionAttributes + 0*RegionStride:  0xC000_000F,
		RegionIDAccess + (8)*RegionStride:  0xFFFF_FFFF,
		RegionIDAccess + 9*RegionStride:    0,
		RegionAttributes + 15*RegionStride: 0,
	} {
		b.write(off, 0xFFFF_FFFF)
		b.expect(off, want)
	}
	b.write(RegionTopLow+3*RegionStride, 0)
	b.expect(RegionTopLow+3*RegionStride, 0xFFF)
	b.write(RegionAttributes, 0)
	b.expect(RegionAttributes, 0xF)
}

// tfaSetup follows arm_tzc400_setup: identify, close gates, region 0, regions, action, open gates and poll.
func (b *board) tfaSetup() {
	b.t.Helper()
	config := b.read(BuildConfig)
	filters := int(config>>24&3) + 1
	for f := range filters {
		if open := b.read(GateKeeper) >> 16 & 0xF; open&(1<<f) != 0 && f != 0 {
			b.t.Fatalf("gate %d is open before it was opened", f)
		}
	}
	b.write(RegionAttributes, 0)
	b.write(RegionIDAccess, 0)
	const nsAP = 1<<bus.NSAIDAP | 1<<(16+bus.NSAIDAP) | 1<<bus.NSAIDDMA | 1<<(16+bus.NSAIDDMA)
	b.region(1, ramBase, ramBase+0x3FFFFF, 0xF, nsAP)
	b.region(2, ramBase+0x400000, ramBase+0x4FFFFF, secureRW|0xF, 0)
	b.region(3, ramBase+0x500000, ramBase+ramSize-1, secureRW|0xF, nsAP)
	b.write(Action, ActionDECERR)
	for f := range filters {
		status := b.read(GateKeeper) >> 16 & 0xF
		b.write(GateKeeper, status|1<<f)
		if b.read(GateKeeper)>>16&(1<<f) == 0 {
			b.t.Fatalf("gate %d does not open", f)
		}
	}
}

func TestSetupOfTFA(t *testing.T) {
	b := newBoard(t)
	for _, a := range []bus.Attr{secure, nonSecure(9)} {
		if _, r := b.bus.Load(ramBase, 4, a); r != bus.DECERR {
			t.Errorf("closed gate: %v to %+v", r, a)
		}
	}
	b.expect(IntStatus, 0)
	b.tfaSetup()
	b.expect(GateKeeper, 0x000F_000F)
	for _, c := range []struct {
		addr uint64
		a    bus.Attr
		want bus.Response
	}{
		{ramBase, nonSecure(9), bus.OKAY},
		{ramBase, nonSecure(6), bus.OKAY},
		{ramBase, nonSecure(2), bus.DECERR},
		{ramBase, secure, bus.DECERR},
		{ramBase + 0x3FFFFC, nonSecure(9), bus.OKAY},
		{ramBase + 0x400000, nonSecure(9), bus.DECERR},
		{ramBase + 0x400000, secure, bus.OKAY},
		{ramBase + 0x4FFFFC, nonSecure(6), bus.DECERR},
		{ramBase + 0x500000, nonSecure(9), bus.OKAY},
		{ramBase + 0x500000, secure, bus.OKAY},
	} {
		if _, r := b.bus.Load(c.addr, 4, c.a); r != c.want {
			t.Errorf("load at %#x by %+v: %v, want %v", c.addr, c.a, r, c.want)
		}
		if r := b.bus.Store(c.addr, 4, 0, c.a); r != c.want {
			t.Errorf("store at %#x by %+v: %v, want %v", c.addr, c.a, r, c.want)
		}
	}
	if b.irq.edges != 0 {
		t.Error("ACTION=1 raised the interrupt")
	}
}

// TestHandlerOfTFA follows tzc400_it_handler: it finds the filter by INT_STATUS, dumps it and clears it.
func TestHandlerOfTFA(t *testing.T) {
	b := newBoard(t)
	b.tfaSetup()
	b.write(Action, ActionDECERRIRQ)
	a := bus.Attr{NSAID: 9, Privileged: true, ID: 0x321}
	if r := b.bus.Store(ramBase+0x400124, 4, 1, a); r != bus.DECERR {
		t.Fatal(r)
	}
	if !b.irq.level {
		t.Fatal("no interrupt")
	}
	// A second failure is counted, and does not replace the first.
	b.bus.Load(ramBase+0x401000, 4, nonSecure(1))
	b.expect(IntStatus, 1<<0|1<<8)
	b.expect(FailAddressLow, ramBase+0x400124)
	b.expect(FailAddressHigh, 0)
	b.expect(FailControl, FailWrite|FailNonSecure|FailPrivileged)
	b.expect(FailID, 0x321)
	b.write(IntClear, 2) // another filter's bit
	b.expect(IntStatus, 1<<0|1<<8)
	b.write(IntClear, 1)
	b.expect(IntStatus, 0)
	if b.irq.level {
		t.Error("the interrupt stays after INT_CLEAR")
	}
	b.bus.Load(ramBase+0x402008, 8, nonSecure(1))
	b.expect(IntStatus, 1)
	b.expect(FailAddressLow, ramBase+0x402008)
	b.expect(FailControl, FailNonSecure)
	b.expect(FailID, 0)
	if !b.irq.level {
		t.Error("no interrupt after the second first failure")
	}
	// OP-TEE clears by read-modify-write.
	b.write(IntClear, b.read(IntClear)|1)
	b.expect(IntStatus, 0)
}

func TestAction(t *testing.T) {
	for action := uint32(0); action < 4; action++ {
		b := newBoard(t)
		b.tfaSetup()
		b.bus.Store(ramBase+0x400000, 8, 0x1122334455667788, secure)
		b.write(Action, action)
		want := bus.OKAY
		if action&1 != 0 {
			want = bus.DECERR
		}
		v, r := b.bus.Load(ramBase+0x400000, 8, nonSecure(9))
		if v != 0 || r != want {
			t.Errorf("ACTION %d: denied read gives %#x, %v", action, v, r)
		}
		if r := b.bus.Store(ramBase+0x400000, 8, 0, nonSecure(9)); r != want {
			t.Errorf("ACTION %d: denied write gives %v", action, r)
		}
		if v, _ := b.bus.Load(ramBase+0x400000, 8, secure); v != 0x1122334455667788 {
			t.Errorf("ACTION %d: a denied write changed memory: %#x", action, v)
		}
		b.expect(IntStatus, 1|1<<8) // whatever ACTION says
		if b.irq.level != (action&2 != 0) {
			t.Errorf("ACTION %d: interrupt %v", action, b.irq.level)
		}
		// The line follows ACTION while the status is set.
		b.write(Action, action^2)
		if b.irq.level != (action&2 == 0) {
			t.Errorf("ACTION %d after %d: interrupt %v", action^2, action, b.irq.level)
		}
	}
}

func TestOverlap(t *testing.T) {
	b := newBoard(t)
	b.write(Action, ActionOKAYIRQ)
	all := uint32(0xFFFF_FFFF)
	b.region(1, ramBase, ramBase+0x1FFF, secureRW|1, all)
	b.region(2, ramBase+0x1000, ramBase+0x2FFF, secureRW|1, all)
	b.region(3, ramBase+0x2000, ramBase+0x2FFF, secureRW|2, all) // another filter: no overlap
	b.write(GateKeeper, 1)
	for addr, want := range map[uint64]bus.Response{ramBase + 0xFFF: bus.OKAY, ramBase + 0x1000: bus.DECERR,
		ramBase + 0x1FFF: bus.DECERR, ramBase + 0x2000: bus.OKAY} {
		if _, r := b.bus.Load(addr, 1, secure); r != want {
			t.Errorf("%#x: %v, want %v", addr, r, want)
		}
	}
	b.expect(IntStatus, 1|1<<8|1<<16)
	if !b.irq.level {
		t.Error("no interrupt")
	}
	b.write(IntClear, 1)
	b.expect(IntStatus, 0)
	// Region 0 below is no overlap; disabling one of the two ends it.
	b.write(RegionAttributes+2*RegionStride, secureRW)
	if _, r := b.bus.Load(ramBase+0x1000, 1, secure); r != bus.OKAY {
		t.Errorf("after region 2 was disabled: %v", r)
	}
	b.expect(IntStatus, 0)
}

func TestHighAddresses(t *testing.T) {
	b := newBoard(t)
	b.region(1, 0x8_8000_0000, 0x8_FFFF_FFFF, secureRW|0xF, 1<<9)
	b.write(GateKeeper, 0xF)
	u := b.tzc.Unit(3)
	for addr, want := range map[uint64]bool{0x8_7FFF_FFFF: false, 0x8_8000_0000: true, 0x8_FFFF_FFFF: true,
		0x9_0000_0000: false, 0x8000_0000: false, 1<<48 | 0x8_8000_0000: false} {
		if got := u.Allows(addr, false, nonSecure(9)); got != want {
			t.Errorf("%#x: allowed %v", addr, got)
		}
	}
	// Region 0 ends with the address width, for secure masters too.
	if !u.Allows(1<<48-1, true, secure) || u.Allows(1<<48, true, secure) {
		t.Error("region 0 does not end at 48 bits")
	}
	u.Check(0x9_0000_0040, false, nonSecure(9))
	b.expect(FailAddressLow+3*FailStride, 0x40)
	b.expect(FailAddressHigh+3*FailStride, 9)
	b.expect(IntStatus, 1<<3)
	// A region that ends before it begins holds nothing.
	b.region(2, 0x5000, 0x4FFF, secureRW|0xF, 0xFFFF_FFFF)
	if u.Allows(0x5000, false, nonSecure(1)) || u.Allows(0x4FFF, false, nonSecure(1)) {
		t.Error("empty region holds an address")
	}
}

// TestReclaim is the sequence of a secure world that takes a page range from the normal world and gives it back, with a
// master that keeps a direct pointer.
func TestReclaim(t *testing.T) {
	b := newBoard(t)
	b.write(RegionIDAccess, 0xFFFF_FFFF)
	b.write(Action, ActionDECERR)
	b.write(GateKeeper, 1)
	if r, w := b.bus.Direct(ramBase+0x5000, nonSecure(9)); r == nil || w == nil {
		t.Fatal("no pointers to open memory")
	}
	n := b.changes
	b.region(4, ramBase+0x5000, ramBase+0x5FFF, secureRW|1, 1<<bus.NSAIDHDLCD)
	if b.changes == n {
		t.Fatal("masters were not told")
	}
	if r, w := b.bus.Direct(ramBase+0x5000, nonSecure(9)); r != nil || w != nil {
		t.Error("pointers to protected memory")
	}
	if r, w := b.bus.Direct(ramBase+0x5000, nonSecure(bus.NSAIDHDLCD)); r == nil || w != nil {
		t.Error("the display must read and must not write")
	}
	b.expect(IntStatus, 0) // Direct left no trace
	// While the region is disabled nothing that is written to it changes a decision.
	b.write(RegionAttributes+4*RegionStride, 0)
	n = b.changes
	b.write(RegionBaseLow+4*RegionStride, 0)
	b.write(RegionIDAccess+4*RegionStride, 0)
	b.write(Action, ActionOKAY)
	b.write(IntClear, 0xF)
	if b.changes != n {
		t.Error("masters were told of changes that are none")
	}
}

func TestEvents(t *testing.T) {
	b := newBoard(t)
	b.tfaSetup()
	b.log.Reset()
	b.bus.Store(ramBase+0x400010, 4, 1, nonSecure(6))
	b.write(RegionIDAccess+2*RegionStride, 0x40)
	want := "[0.000000000] tzc tzc400: DENIED addr=0x40400010 access=write state=non-secure nsaid=6 master=dma filter=0 region=2 " +
		"cause=permission response=DECERR\n" +
		"[0.000000000] tzc tzc400: REGION_ID_ACCESS value=0x40 region=2 base=0x40400000 top=0x404fffff " +
		"filters=0|1|2|3 secure=rw read=dma write=none\n"
	if got := b.log.String(); got != want {
		t.Errorf("events:\n%swant:\n%s", got, want)
	}
	for _, c := range []struct {
		reg  uint64
		w    uint32
		want string
	}{
		{Action, ActionDECERRIRQ, "ACTION value=0x3 action=DECERR|IRQ"},
		{Action, ActionOKAY, "ACTION value=0x0 action=OKAY"},
		{GateKeeper, 5, "GATE_KEEPER value=0x5 filters=0|2"},
		{GateKeeper, 0, "GATE_KEEPER value=0x0 filters=none"},
		{IntClear, 0xFFFF_FFF8, "INT_CLEAR value=0xfffffff8 filters=3"},
		{SpeculationCtrl, 1, "SPECULATION_CTRL value=0x1"},
		{RegionAttributes + 8*RegionStride, AttrSecureWrite | 2, "REGION_ATTRIBUTES value=0x80000002 region=8 base=0x0 top=0xfff filters=1 secure=w read=none write=none"},
		{RegionIDAccess + 8*RegionStride, 0x1_FFFF, "REGION_ID_ACCESS value=0x1ffff region=8 base=0x0 top=0xfff filters=1 secure=w read=all write=default"},
	} {
		b.log.Reset()
		b.write(c.reg, c.w)
		if got := b.log.String(); got != "[0.000000000] tzc tzc400: "+c.want+"\n" {
			t.Errorf("%swant %s", got, c.want)
		}
	}
	b.log.Reset()
	b.write(0x3C, 1)
	if got := b.log.String(); strings.Contains(got, "value") {
		t.Errorf("event of a write to nothing: %s", got)
	}
}

func TestNoAllocation(t *testing.T) {
	b := New("tzc400", nil, new(vtime.Clock))
	b.Write(GateKeeper, 4, 1, secure)
	u := b.Unit(0)
	n := testing.AllocsPerRun(100, func() {
		u.Check(ramBase, true, secure)
		u.Check(ramBase, true, nonSecure(9))
		u.Allows(ramBase, true, nonSecure(9))
	})
	if n != 0 {
		t.Errorf("%v allocations a decision", n)
	}
}

func BenchmarkAllows(b *testing.B) {
	tzc := New("tzc400", nil, new(vtime.Clock))
	for n := uint64(1); n < Regions; n++ {
		tzc.Write(RegionBaseLow+n*RegionStride, 4, n<<20, secure)
		tzc.Write(RegionTopLow+n*RegionStride, 4, n<<20, secure)
		tzc.Write(RegionAttributes+n*RegionStride, 4, 0xC000000F, secure)
	}
	tzc.Write(GateKeeper, 4, 0xF, secure)
	u := tzc.Unit(0)
	for b.Loop() {
		u.Allows(0x4000_0000, false, secure)
	}
}
