package pl080

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

type line struct{ level bool }

func (l *line) Set(level bool) { l.level = level }

// port is a device with a data register at each offset: it hands out the bytes of in, and keeps what is written.
type port struct {
	in    []byte
	out   []byte
	sizes []int // of the accesses
}

func (p *port) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	p.sizes = append(p.sizes, size)
	var b [8]byte
	p.in = p.in[copy(b[:size], p.in):]
	return binary.LittleEndian.Uint64(b[:]), bus.OKAY
}

func (p *port) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	p.sizes = append(p.sizes, size)
	for i := range size {
		p.out = append(p.out, byte(v>>(8*i)))
	}
	return bus.OKAY
}

const (
	dmaBase  = 0x0B10_0000
	tzcBase  = 0x0B00_0000
	portBase = 0x0B20_0000
	romBase  = 0x0C00_0000
	ramBase  = 0x4000_0000
	ramSize  = 1 << 20
	holeBase = 0x7000_0000
)

var (
	cpu    = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	secure = bus.Attr{Secure: true, Privileged: true}
)

// board is a controller, RAM behind a memory firewall that lets everybody through, ROM and a peripheral. The test is the CPU.
type board struct {
	t     testing.TB
	clock vtime.Clock
	bus   bus.Bus
	dma   *PL080
	tzc   *tzc400.TZC400
	port  port
	irq   line
	log   bytes.Buffer
}

func newBoard(t testing.TB) *board {
	t.Helper()
	b := &board{t: t}
	events := new(event.Stream)
	events.Attach(event.DMA, event.NewText(&b.log))
	b.tzc = tzc400.New("tzc400", events, &b.clock)
	b.tzc.Changed = b.bus.FilterChanged
	b.dma = New(bus.NewPort(&b.bus, bus.Attr{NSAID: bus.NSAIDDMA}), &b.clock, events)
	b.dma.IRQ = &b.irq
	ram := newRAM(t, ramSize)
	for _, r := range []bus.Region{
		{Name: "pl080", Base: dmaBase, Size: 0x1000, Dev: b.dma},
		{Name: "tzc400", Base: tzcBase, Size: 0x1000, Dev: b.tzc, SecureOnly: true},
		{Name: "port", Base: portBase, Size: 0x1000, Dev: &b.port},
		{Name: "rom", Base: romBase, Size: 0x1000, RAM: newRAM(t, 0x1000), ReadOnly: true},
		{Name: "ram", Base: ramBase, Size: ramSize, RAM: ram, Filter: b.tzc.Unit(0)},
	} {
		if err := b.bus.Map(r); err != nil {
			t.Fatal(err)
		}
	}
	b.firewall(tzc400.RegionIDAccess, 0xFFFF_FFFF)
	b.firewall(tzc400.Action, tzc400.ActionDECERR)
	b.firewall(tzc400.GateKeeper, 0xF)
	return b
}

func newRAM(t testing.TB, size uint64) *bus.RAM {
	t.Helper()
	ram, err := bus.NewRAM(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	return ram
}

func (b *board) firewall(off uint64, v uint32) {
	b.t.Helper()
	if r := b.bus.Store(tzcBase+off, 4, uint64(v), secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
}

func (b *board) set(off uint64, v uint32) {
	b.t.Helper()
	if r := b.bus.Store(dmaBase+off, 4, uint64(v), cpu); r != bus.OKAY {
		b.t.Fatalf("write of %#x: %v", off, r)
	}
}

func (b *board) get(off uint64) uint32 {
	b.t.Helper()
	v, r := b.bus.Load(dmaBase+off, 4, cpu)
	if r != bus.OKAY {
		b.t.Fatalf("read of %#x: %v", off, r)
	}
	return uint32(v)
}

func (b *board) expect(off uint64, want uint32) {
	b.t.Helper()
	if got := b.get(off); got != want {
		b.t.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

// fill writes memory as the secure side, which the firewall lets through.
func (b *board) fill(addr uint64, p []byte) {
	b.t.Helper()
	if r := b.bus.Write(addr, p, secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
}

func (b *board) memory(addr uint64, n int) []byte {
	b.t.Helper()
	p := make([]byte, n)
	if r := b.bus.Read(addr, p, secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
	return p
}

// until moves time as an idle machine does.
func (b *board) until(ns uint64) {
	for next := b.clock.Next(); next <= ns; next = b.clock.Next() {
		b.clock.Advance(next)
		b.clock.Expire()
	}
	b.clock.Advance(ns)
}

// finish lets time pass until nothing is left to do.
func (b *board) finish() {
	b.t.Helper()
	for n := 0; b.clock.Next() != vtime.Never; n++ {
		if n > 10000 {
			b.t.Fatal("the transfer does not end")
		}
		b.clock.Advance(b.clock.Next())
		b.clock.Expire()
	}
}

// at gives a channel's register.
func at(channel int, off uint64) uint64 { return off + uint64(channel)*ChannelStride }

// program writes a channel's registers in the order of Linux's amba-pl08x, without enabling it.
func (b *board) program(channel int, src, dst, lli, control, config uint32) {
	b.t.Helper()
	b.set(at(channel, SrcAddr), src)
	b.set(at(channel, DestAddr), dst)
	b.set(at(channel, LLI), lli)
	b.set(at(channel, Control), control)
	b.set(at(channel, ChannelConfig), config)
}

const (
	copy32 = SrcIncrement | DstIncrement | Width32<<SrcWidthShift | Width32<<DstWidthShift
	copy8  = SrcIncrement | DstIncrement
	memory = ErrorMask | TCMask | FlowMemToMem<<FlowShift
)

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8*13 + 1)
	}
	return p
}

func words(v ...uint32) (p []byte) {
	for _, w := range v {
		p = binary.LittleEndian.AppendUint32(p, w)
	}
	return p
}

func TestResetValues(t *testing.T) {
	b := newBoard(t)
	for off := uint64(0); off < 0x1000; off += 4 {
		b.set(off, 0xFFFF_FFFF)
	}
	b.finish()
	b.set(Configuration, Enable)
	b.program(3, ramBase, ramBase+0x1000, 0, copy32|4, memory|ChannelEnable)
	b.dma.Reset()
	if b.clock.Next() != vtime.Never || b.irq.level {
		t.Error("something goes on after reset")
	}
	id := map[uint64]uint32{0xFE0: 0x80, 0xFE4: 0x10, 0xFE8: 0x04, 0xFEC: 0x0A, 0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 0x05, 0xFFC: 0xB1}
	for off := uint64(0); off < 0x1000; off += 4 {
		b.expect(off, id[off])
	}
}

func TestFields(t *testing.T) {
	b := newBoard(t)
	for off, want := range map[uint64]uint32{
		IntTCClear: 0, IntErrClr: 0, RawIntTCStatus: 0, RawIntErrorStatus: 0, SoftBReq: 0xFFFE, SoftSReq: 0xFFFE, SoftLBReq: 0xFFFE,
		SoftLSReq: 0xFFFE, Sync: 0xFFFE, Configuration: 6, 0x038: 0, 0x500: 0, PeriphID0: 0x80,
		at(7, SrcAddr): 0xFFFF_FFFE, at(7, DestAddr): 0xFFFF_FFFE, at(7, LLI): 0xFFFF_FFFC, at(7, Control): 0xFFFF_FFFE,
		at(7, ChannelConfig): 0x5FBDE, at(7, 0x114): 0, at(8, SrcAddr): 0,
	} {
		b.set(off, 0xFFFF_FFFE) // all but the enable bits
		b.expect(off, want)
	}
	b.set(at(0, LLI), 0xFFFF_FFFF)
	b.expect(at(0, LLI), 0xFFFF_FFFD)
	for _, size := range []int{1, 2, 8} {
		if r := b.bus.Store(dmaBase+Sync, size, 0, cpu); r != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, r)
		}
	}
	if v, r := b.bus.Load(dmaBase+at(7, LLI)+1, 1, cpu); v != 0xFF || r != bus.OKAY {
		t.Errorf("read of a byte: %#x, %v", v, r)
	}
	if _, r := b.bus.Load(dmaBase+Sync, 8, cpu); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
}

// TestLinuxMemcpy follows amba-pl08x: probe, a memcpy of three items, the interrupt handler, and the release of the channel.
func TestLinuxMemcpy(t *testing.T) {
	b := newBoard(t)
	// probe
	part := b.get(PeriphID0) | b.get(PeriphID0+4)<<8 | b.get(PeriphID0+8)<<16
	if part&0xFFFFF != 0x41080 {
		t.Fatalf("part %#x", part)
	}
	b.set(Configuration, Enable)
	b.set(IntErrClr, 0xFF)
	b.set(IntTCClear, 0xFF)

	const ch = 5
	data := pattern(3 * 4092)
	b.fill(ramBase+0x10000, data)
	const list = ramBase + 0x8000
	item := func(n uint32, next, control uint32) []uint32 {
		return []uint32{ramBase + 0x10000 + n*4092, ramBase + 0x20000 + n*4092, next, control}
	}
	first := item(0, list, copy32|1023)
	b.fill(list, words(slices.Concat(item(1, list+16, copy32|1023), item(2, 0, TCInterrupt|copy32|1023))...))
	for b.get(at(ch, ChannelConfig))&Active != 0 {
		t.Fatal("an idle channel is active")
	}
	b.program(ch, first[0], first[1], first[2], first[3], memory)
	if b.get(EnbldChns)&(1<<ch) != 0 || b.get(at(ch, ChannelConfig))&(Active|ChannelEnable) != 0 {
		t.Fatal("enabled too early")
	}
	b.set(at(ch, ChannelConfig), b.get(at(ch, ChannelConfig))|ChannelEnable)
	b.expect(EnbldChns, 1<<ch)
	if b.irq.level || !bytes.Equal(b.memory(ramBase+0x20000, len(data)), make([]byte, len(data))) {
		t.Fatal("data moved in no time")
	}
	b.finish()

	if !b.irq.level {
		t.Fatal("no interrupt")
	}
	b.expect(IntStatus, 1<<ch)
	b.expect(IntErrorStatus, 0)
	b.expect(IntTCStatus, 1<<ch)
	b.set(IntTCClear, 1<<ch)
	b.expect(IntStatus, 0)
	b.expect(RawIntTCStatus, 0)
	b.expect(EnbldChns, 0)
	b.expect(at(ch, ChannelConfig), memory)
	b.expect(at(ch, Control), TCInterrupt|copy32)
	b.expect(at(ch, SrcAddr), ramBase+0x10000+3*4092)
	b.expect(at(ch, DestAddr), ramBase+0x20000+3*4092)
	b.expect(at(ch, LLI), 0)
	if b.irq.level {
		t.Error("the interrupt stays")
	}
	if !bytes.Equal(b.memory(ramBase+0x20000, len(data)), data) {
		t.Error("the copy differs")
	}
	if got := b.memory(ramBase+0x20000+uint64(len(data)), 4); !bytes.Equal(got, make([]byte, 4)) {
		t.Error("more was written")
	}
}

func TestInterruptMasks(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	b.program(0, ramBase, ramBase+0x1000, 0, TCInterrupt|copy32|1, ChannelEnable)
	b.program(1, holeBase, ramBase+0x1000, 0, TCInterrupt|copy32|1, ChannelEnable)
	b.finish()
	b.expect(RawIntTCStatus, 1)
	b.expect(RawIntErrorStatus, 2)
	b.expect(IntStatus, 0)
	if b.irq.level {
		t.Error("masked interrupts reach the line")
	}
	b.set(at(0, ChannelConfig), TCMask)
	b.expect(IntTCStatus, 1)
	b.expect(IntErrorStatus, 0)
	b.expect(IntStatus, 1)
	if !b.irq.level {
		t.Error("unmasked, yet no interrupt")
	}
	b.set(at(0, ChannelConfig), 0)
	b.set(at(1, ChannelConfig), ErrorMask)
	b.expect(IntStatus, 2)
	b.expect(IntErrorStatus, 2)
	b.set(IntErrClr, 1)
	b.expect(IntErrorStatus, 2)
	b.set(IntErrClr, 2)
	b.expect(RawIntErrorStatus, 0)
	if b.irq.level {
		t.Error("the interrupt stays")
	}
}

// TestOwnRegisters lets channels write registers of their controller. What they do is what the CPU's writes would do, and
// the step that a channel makes ends where the channel was written.
func TestOwnRegisters(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	// A channel that starts another, as a list of commands.
	b.fill(ramBase, pattern(16))
	b.fill(ramBase+0x100, words(ramBase, ramBase+0x1000, 0, copy32|4, memory|ChannelEnable))
	b.program(3, ramBase+0x100, dmaBase+uint32(at(1, SrcAddr)), 0, TCInterrupt|copy32|5, memory|ChannelEnable)
	b.finish()
	b.expect(EnbldChns, 0)
	b.expect(RawIntTCStatus, 1<<3)
	if got := b.memory(ramBase+0x1000, 16); !bytes.Equal(got, pattern(16)) {
		t.Errorf("the started channel copied % x", got)
	}
	// One that stops itself: no more than the FIFO's four words are written.
	b.program(2, ramBase+0x200, dmaBase+uint32(at(2, ChannelConfig)), 0,
		SrcIncrement|Width32<<SrcWidthShift|Width32<<DstWidthShift|64, memory|ChannelEnable)
	b.finish()
	b.expect(EnbldChns, 0)
	b.expect(at(2, ChannelConfig), 0)
	b.expect(at(2, Control), SrcIncrement|Width32<<SrcWidthShift|Width32<<DstWidthShift|60)
	b.expect(RawIntTCStatus, 1<<3)
	// One that stops and starts itself goes on after each four words, and ends when its size is used up.
	b.fill(ramBase+0x200, bytes.Repeat(words(0, memory|ChannelEnable), 32))
	b.program(2, ramBase+0x200, dmaBase+uint32(at(2, ChannelConfig)), 0,
		SrcIncrement|Width32<<SrcWidthShift|Width32<<DstWidthShift|64, memory|ChannelEnable)
	start := b.clock.Now()
	b.finish()
	b.expect(EnbldChns, 0)
	b.expect(at(2, SrcAddr), ramBase+0x300)
	if took := b.clock.Now() - start; took < 16*ItemLatency {
		t.Errorf("16 starts took %d ns", took)
	}
	// One that turns the controller off keeps its place.
	b.program(2, ramBase+0x300, dmaBase+Configuration, 0, SrcIncrement|Width32<<SrcWidthShift|Width32<<DstWidthShift|8, memory|ChannelEnable)
	b.finish()
	b.expect(Configuration, 0)
	b.expect(EnbldChns, 1<<2)
}

// TestTiming checks the documented times: a channel of 10000 bytes moves in steps of a page and the rest.
func TestTiming(t *testing.T) {
	b := newBoard(t)
	data := pattern(10000)
	b.fill(ramBase, data)
	b.set(Configuration, Enable)
	b.until(1000)
	b.program(0, ramBase, ramBase+0x10000, 0, copy32|2500, memory|ChannelEnable)
	done := func(n int) {
		t.Helper()
		want := append(slices.Clone(data[:n]), make([]byte, len(data)-n)...)
		if !bytes.Equal(b.memory(ramBase+0x10000, len(data)), want) {
			t.Errorf("at %d ns: not just %d bytes moved", b.clock.Now(), n)
		}
		if left := b.get(Control) & SizeMask; left != uint32(len(data)-n)/4 {
			t.Errorf("at %d ns: %d units left", b.clock.Now(), left)
		}
	}
	page := uint64(1024 * 2 * BeatTime)
	b.until(1000 + ItemLatency + page - 1)
	done(0)
	b.until(1000 + ItemLatency + page)
	done(4096)
	b.until(1000 + ItemLatency + 2*page)
	done(8192)
	b.expect(EnbldChns, 1)
	b.finish()
	done(10000)
	if got, want := b.clock.Now(), uint64(1000+ItemLatency+2500*2*BeatTime); got != want {
		t.Errorf("ends at %d ns, want %d", got, want)
	}
	// Narrow transfers take more beats for the same bytes. A linked item costs its fetch.
	start := b.clock.Now()
	b.fill(ramBase+0x8000, words(ramBase, ramBase+0x10000, 0, SrcIncrement|DstIncrement|Width16<<SrcWidthShift|10))
	b.program(0, ramBase, ramBase+0x10000, ramBase+0x8000, copy8|100, memory|ChannelEnable)
	b.finish()
	if got, want := b.clock.Now()-start, uint64(ItemLatency+200*BeatTime+FetchTime+ItemLatency+(10+20)*BeatTime); got != want {
		t.Errorf("takes %d ns, want %d", got, want)
	}
}

// TestReclaim takes the destination away in the middle of a transfer, as a reclaim does, with both answers of the firewall.
func TestReclaim(t *testing.T) {
	for _, action := range []uint32{tzc400.ActionOKAY, tzc400.ActionDECERR} {
		for _, side := range []string{"source", "destination"} {
			t.Run(fmt.Sprintf("%s/action%d", side, action), func(t *testing.T) {
				b := newBoard(t)
				b.firewall(tzc400.Action, action)
				const size, src, dst = 12 * 1024, ramBase + 0x10000, ramBase + 0x20000
				data := bytes.Repeat([]byte{0xA5}, size)
				b.fill(src, data)
				b.fill(dst, bytes.Repeat([]byte{0x11}, size))
				b.set(Configuration, Enable)
				b.program(2, src, dst, 0, TCInterrupt|copy32|size/4, memory|ChannelEnable)
				b.until(ItemLatency + 5000*2*BeatTime/4)
				taken := uint32(src)
				if side == "destination" {
					taken = dst
				}
				const r1 = tzc400.RegionStride
				b.firewall(tzc400.RegionBaseLow+r1, taken)
				b.firewall(tzc400.RegionTopLow+r1, taken+size-1)
				b.firewall(tzc400.RegionAttributes+r1, tzc400.AttrSecureRead|tzc400.AttrSecureWrite|1)
				b.finish()

				want := slices.Concat(data[:4096], bytes.Repeat([]byte{0x11}, size-4096))
				if side == "source" && action == tzc400.ActionOKAY {
					clear(want[4096:])
				}
				if !bytes.Equal(b.memory(dst, size), want) {
					t.Error("data moved after the reclaim, or less moved before it")
				}
				b.expect(EnbldChns, 0)
				if action == tzc400.ActionDECERR {
					b.expect(IntErrorStatus, 1<<2)
					b.expect(IntTCStatus, 0)
					left := uint32(2048) // the size counts what was read
					if side == "destination" {
						left -= 1024
					}
					b.expect(at(2, Control), TCInterrupt|copy32|left)
					b.expect(at(2, DestAddr), dst+4096)
				} else {
					b.expect(IntErrorStatus, 0)
					b.expect(IntTCStatus, 1<<2)
				}
				if v, _ := b.bus.Load(tzcBase+tzc400.FailAddressLow, 4, secure); uint32(v) != taken+4096 {
					t.Errorf("the firewall recorded %#x", v)
				}
			})
		}
	}
}

func TestBusErrors(t *testing.T) {
	for name, c := range map[string]struct {
		src, dst, lli uint32
		moved         uint32
		cause         string
	}{
		"source hole":      {holeBase, ramBase, 0, 0, "addr=0x70000000 access=read response=DECERR"},
		"destination hole": {ramBase, holeBase, 0, 0, "addr=0x70000000 access=write response=DECERR"},
		"read-only":        {ramBase, romBase, 0, 0, "addr=0xc000000 access=write response=SLVERR"},
		"end of RAM":       {ramBase + ramSize - 8, ramBase, 0, 8, "addr=0x40100000 access=read response=DECERR"},
		"list in a hole":   {ramBase, ramBase + 0x1000, holeBase, 16, "addr=0x70000000 access=item response=DECERR"},
		"end of the space": {0xFFFF_FFFC, ramBase, 0, 0, "addr=0xfffffffc access=read response=DECERR"},
		"end of RAM below": {ramBase + 0x1000, ramBase + ramSize - 12, 0, 12, "addr=0x40100000 access=write response=DECERR"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard(t)
			b.set(Configuration, Enable)
			b.program(7, c.src, c.dst, c.lli, TCInterrupt|copy32|4, memory|ChannelEnable)
			b.finish()
			b.expect(IntErrorStatus, 1<<7)
			b.expect(EnbldChns, 0)
			b.expect(at(7, ChannelConfig), memory)
			if !b.irq.level {
				t.Error("no interrupt")
			}
			if log := b.log.String(); !strings.Contains(log, "ERROR channel=7 nsaid=6 "+c.cause+fmt.Sprintf(" bytes=%d\n", c.moved)) {
				t.Errorf("events:\n%s", log)
			}
			// The channel works again.
			b.set(IntErrClr, 1<<7)
			b.program(7, ramBase, ramBase+0x2000, 0, copy32|4, memory|ChannelEnable)
			b.finish()
			b.expect(IntErrorStatus, 0)
			b.expect(at(7, Control), copy32)
		})
	}
}

func TestReservedWidth(t *testing.T) {
	for _, shift := range []int{SrcWidthShift, DstWidthShift} {
		for w := uint32(3); w < 8; w++ {
			b := newBoard(t)
			b.set(Configuration, Enable)
			b.program(0, ramBase, ramBase+0x1000, 0, SrcIncrement|DstIncrement|w<<shift|16, memory|ChannelEnable)
			b.finish()
			b.expect(IntErrorStatus, 1)
			b.expect(EnbldChns, 0)
		}
	}
}

// TestTailError fails in the bytes behind the last whole unit.
func TestTailError(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	b.program(0, ramBase, romBase, 0, SrcIncrement|Width8<<SrcWidthShift|Width32<<DstWidthShift|3, memory|ChannelEnable)
	b.finish()
	b.expect(IntErrorStatus, 1)
	b.expect(DestAddr, romBase)
}

func TestPeripheralAccesses(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	// From a data register of 8 bits to memory in words, and back out in halfwords.
	b.port.in = pattern(64)
	b.program(0, portBase, ramBase, 0, DstIncrement|Width8<<SrcWidthShift|Width32<<DstWidthShift|64, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase, 64); !bytes.Equal(got, pattern(64)) {
		t.Errorf("read from the peripheral: % x", got)
	}
	if len(b.port.sizes) != 64 || slices.Max(b.port.sizes) != 1 {
		t.Errorf("accesses of %v bytes", b.port.sizes)
	}
	b.expect(SrcAddr, portBase)
	b.expect(DestAddr, ramBase+64)
	b.port.sizes = nil
	b.program(0, ramBase, portBase, 0, SrcIncrement|Width32<<SrcWidthShift|Width16<<DstWidthShift|16, memory|ChannelEnable)
	b.finish()
	if !bytes.Equal(b.port.out, pattern(64)) || len(b.port.sizes) != 32 || slices.Max(b.port.sizes) != 2 {
		t.Errorf("written to the peripheral: % x in accesses of %v bytes", b.port.out, b.port.sizes)
	}
	// 7 bytes do not fill two words: the last three go singly.
	b.port.sizes, b.port.out = nil, nil
	b.program(0, ramBase, portBase, 0, SrcIncrement|Width8<<SrcWidthShift|Width32<<DstWidthShift|7, memory|ChannelEnable)
	b.finish()
	if !bytes.Equal(b.port.out, pattern(7)) || !slices.Equal(b.port.sizes, []int{4, 1, 1, 1}) {
		t.Errorf("written to the peripheral: % x in accesses of %v bytes", b.port.out, b.port.sizes)
	}
	// A fixed source in memory fills.
	b.fill(ramBase+0x800, words(0xDEADBEEF))
	b.program(0, ramBase+0x800, ramBase+0x1000, 0, DstIncrement|Width32<<SrcWidthShift|Width32<<DstWidthShift|2000, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase+0x1000, 8004); !bytes.Equal(got, append(bytes.Repeat(words(0xDEADBEEF), 2000), 0, 0, 0, 0)) {
		t.Error("the fill differs")
	}
	// A fixed destination in memory keeps the last unit.
	b.program(0, ramBase, ramBase+0x900, 0, SrcIncrement|Width32<<SrcWidthShift|Width32<<DstWidthShift|16, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase+0x900, 8); !bytes.Equal(got, append(pattern(64)[60:], 0, 0, 0, 0)) {
		t.Errorf("fixed destination: % x", got)
	}
}

func TestOverlap(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	data := pattern(512)
	// Downwards is a move, as for any copy that goes up.
	b.fill(ramBase+0x1000, data)
	b.program(0, ramBase+0x1000+4, ramBase+0x1000, 0, copy32|120, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase+0x1000, 484); !bytes.Equal(got, append(slices.Clone(data[4:484]), data[480:484]...)) {
		t.Error("move down by 4 differs")
	}
	// Upwards by the FIFO's 16 bytes repeats them.
	b.fill(ramBase+0x1000, data)
	b.program(0, ramBase+0x1000, ramBase+0x1000+16, 0, copy32|120, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase+0x1000, 496); !bytes.Equal(got, bytes.Repeat(data[:16], 31)) {
		t.Error("move up by 16 differs")
	}
	b.program(0, ramBase+0x1000, ramBase+0x1000, 0, copy32|128, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase+0x1000, 496); !bytes.Equal(got, bytes.Repeat(data[:16], 31)) {
		t.Error("a copy onto itself differs")
	}
}

func TestHaltAndDisable(t *testing.T) {
	b := newBoard(t)
	data := pattern(12288)
	b.fill(ramBase, data)
	b.set(Configuration, Enable)
	b.program(1, ramBase, ramBase+0x10000, 0, TCInterrupt|copy32|3072, memory|ChannelEnable)
	b.until(100)
	// pl08x_pause_phy_chan: halt, and wait until the FIFO has drained.
	b.set(at(1, ChannelConfig), b.get(at(1, ChannelConfig))|Halt)
	if b.get(at(1, ChannelConfig)) != memory|ChannelEnable|Halt|Active {
		t.Fatalf("configuration %#x", b.get(at(1, ChannelConfig)))
	}
	b.finish()
	b.expect(at(1, ChannelConfig), memory|ChannelEnable|Halt)
	b.expect(at(1, Control), TCInterrupt|copy32|2048)
	b.expect(EnbldChns, 2)
	b.expect(at(1, SrcAddr), ramBase+4096)
	// pl08x_resume_phy_chan; then the controller as a whole is off for a time.
	b.set(at(1, ChannelConfig), memory|ChannelEnable)
	b.set(Configuration, 0)
	b.finish()
	b.expect(at(1, ChannelConfig), memory|ChannelEnable)
	b.set(Configuration, Enable)
	b.until(b.clock.Next())
	b.expect(at(1, Control), TCInterrupt|copy32|1024)
	// Disabled with a step on the bus: that step does not move.
	b.until(b.clock.Now() + 10)
	b.set(at(1, ChannelConfig), 0)
	b.finish()
	b.expect(at(1, ChannelConfig), 0)
	b.expect(at(1, Control), TCInterrupt|copy32|1024)
	b.expect(RawIntTCStatus, 0)
	want := append(slices.Clone(data[:8192]), make([]byte, 4096)...)
	if !bytes.Equal(b.memory(ramBase+0x10000, 12288), want) {
		t.Error("memory differs")
	}
	// Registers that are rewritten under a step move their own data, not a mixture.
	b.program(1, ramBase, ramBase+0x20000, 0, copy32|1024, memory|ChannelEnable)
	b.until(b.clock.Now() + 10)
	b.set(at(1, Control), copy8|16)
	b.finish()
	if got := b.memory(ramBase+0x20000, 20); !bytes.Equal(got, append(slices.Clone(data[:16]), 0, 0, 0, 0)) {
		t.Errorf("memory % x", got)
	}
}

// TestPriority runs two channels: the lower number takes the bus whenever it can use it.
func TestPriority(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	b.program(4, ramBase, ramBase+0x10000, 0, copy32|2048, memory|ChannelEnable)
	b.until(10)
	b.program(2, ramBase, ramBase+0x20000, 0, copy32|2048, memory|ChannelEnable)
	b.expect(at(4, ChannelConfig), memory|ChannelEnable|Active)
	b.until(b.clock.Next())
	b.expect(at(4, Control), copy32|1024)
	b.expect(at(2, ChannelConfig), memory|ChannelEnable|Active)
	for b.get(EnbldChns)&4 != 0 {
		b.until(b.clock.Next())
		b.expect(at(4, Control), copy32|1024)
	}
	b.finish()
	b.expect(EnbldChns, 0)
	b.expect(at(4, Control), copy32)
}

func TestSizeZeroAndCycles(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	b.program(0, holeBase, holeBase, 0, TCInterrupt|copy32, memory|ChannelEnable)
	b.finish()
	b.expect(IntTCStatus, 1)
	b.expect(IntErrorStatus, 0)
	b.expect(EnbldChns, 0)
	// A list whose only item names itself, with nothing to move: it goes on until it is stopped, and each round takes time.
	const list = ramBase + 0x8000
	b.fill(list, words(ramBase, ramBase, list, copy32))
	b.program(0, ramBase, ramBase, list, copy32, memory|ChannelEnable)
	for range 1000 {
		next := b.clock.Next()
		if next <= b.clock.Now() || next > b.clock.Now()+ItemLatency {
			t.Fatalf("next step at %d, now %d", next, b.clock.Now())
		}
		b.until(next)
	}
	b.expect(EnbldChns, 1)
	b.set(ChannelConfig, 0)
	if b.clock.Next() != vtime.Never {
		t.Error("a stopped channel goes on")
	}
	// The same with data, stopped by cutting the list.
	b.fill(list, words(ramBase, ramBase+0x1000, list, TCInterrupt|copy32|1))
	b.program(0, ramBase, ramBase, list, copy32|1, memory|ChannelEnable)
	b.until(b.clock.Now() + 100_000)
	b.fill(list+8, words(0))
	b.finish()
	b.expect(EnbldChns, 0)
	b.expect(LLI, 0)
}

// TestFlows runs each flow control code with the software requests that it needs, and sees that nothing moves without them.
func TestFlows(t *testing.T) {
	const srcP, dstP = 3, 14
	type request struct {
		off        uint64
		peripheral int
		moved      int // bytes at the destination afterwards
	}
	// Source bursts are 4 halfwords, destination bursts 4 bytes.
	for _, c := range []struct {
		name string
		flow uint32
		size uint32
		reqs []request
	}{
		{"memory to peripheral", FlowMemToPeriph, 6, []request{
			{SoftBReq, srcP, 0}, {SoftBReq, dstP, 4}, {SoftSReq, dstP, 5}, {SoftLBReq, dstP, 5}, {SoftBReq, dstP, 9}, {SoftBReq, dstP, 12}}},
		{"peripheral to memory", FlowPeriphToMem, 6, []request{
			{SoftBReq, dstP, 0}, {SoftSReq, srcP, 2}, {SoftLSReq, srcP, 2}, {SoftBReq, srcP, 10}, {SoftSReq, srcP, 12}}},
		{"peripheral to peripheral", FlowPeriphToPeriph, 6, []request{
			{SoftBReq, srcP, 0}, {SoftBReq, dstP, 4}, {SoftBReq, dstP, 8}, {SoftSReq, dstP, 8}, {SoftBReq, srcP, 9}, {SoftBReq, dstP, 12}}},
		{"destination in control", FlowPeriphToPeriphDst, 0, []request{
			{SoftBReq, srcP, 0}, {SoftBReq, dstP, 4}, {SoftLSReq, srcP, 4}, {SoftLSReq, dstP, 5}}},
		{"memory to peripheral in control", FlowMemToPeriphPeriph, 0, []request{
			{SoftSReq, dstP, 1}, {SoftBReq, dstP, 5}, {SoftLBReq, dstP, 9}}},
		{"peripheral in control to memory", FlowPeriphToMemPeriph, 1, []request{
			{SoftSReq, srcP, 2}, {SoftBReq, srcP, 10}, {SoftLSReq, srcP, 12}}},
		{"source in control", FlowPeriphToPeriphSrc, 0, []request{
			{SoftLSReq, srcP, 0}, {SoftLBReq, dstP, 0}, {SoftSReq, dstP, 1}, {SoftSReq, dstP, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(t)
			data := pattern(64)
			b.fill(ramBase, data)
			b.set(Configuration, Enable)
			b.program(0, ramBase, ramBase+0x1000, 0, TCInterrupt|SrcIncrement|DstIncrement|1<<SrcBurstShift|1<<DstBurstShift|
				Width16<<SrcWidthShift|Width8<<DstWidthShift|c.size,
				memory|c.flow<<FlowShift|srcP<<SrcPeripheralShift|dstP<<DstPeripheralShift|ChannelEnable)
			b.finish()
			for i, r := range c.reqs {
				if b.get(EnbldChns) != 1 {
					t.Fatalf("ended before request %d", i)
				}
				b.set(r.off, 1<<r.peripheral)
				b.finish()
				want := append(slices.Clone(data[:r.moved]), make([]byte, 16)...)
				if got := b.memory(ramBase+0x1000, r.moved+16); !bytes.Equal(got, want) {
					t.Fatalf("after request %d: % x, want % x", i, got, want)
				}
			}
			b.expect(EnbldChns, 0)
			b.expect(IntTCStatus, 1)
			b.expect(IntErrorStatus, 0)
		})
	}
}

// TestRequestRegisters sees requests wait for their channel and go when they are served.
func TestRequestRegisters(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	b.set(SoftSReq, 1<<9)
	b.set(SoftSReq, 1<<2)
	b.set(SoftSReq, 0)
	b.expect(SoftSReq, 1<<9|1<<2)
	b.program(0, ramBase, ramBase+0x1000, 0, copy8|2, memory|FlowPeriphToMem<<FlowShift|9<<SrcPeripheralShift|ChannelEnable)
	b.expect(SoftSReq, 1<<2)
	b.finish()
	b.expect(Control, copy8|1)
	b.expect(EnbldChns, 1)
}

// TestCredit sees that a request permits no more than its burst, in its item, of its channel's run.
func TestCredit(t *testing.T) {
	const srcP, dstP = 1, 2
	b := newBoard(t)
	b.fill(ramBase, pattern(64))
	b.set(Configuration, Enable)
	const burst4 = 1<<SrcBurstShift | 1<<DstBurstShift
	config := func(flow uint32) uint32 {
		return memory | flow<<FlowShift | srcP<<SrcPeripheralShift | dstP<<DstPeripheralShift | ChannelEnable
	}
	moved := func(n int) {
		t.Helper()
		want := append(pattern(64)[:n:n], make([]byte, 64-n)...)
		if got := b.memory(ramBase+0x1000, 64); !bytes.Equal(got, want) {
			t.Errorf("moved % x, want %d bytes", got, n)
		}
	}
	// Two items of 2 bytes: the rest of the first request's burst does not count for the second item.
	b.fill(ramBase+0x800, words(ramBase+2, ramBase+0x1002, 0, copy8|burst4|2))
	b.program(0, ramBase, ramBase+0x1000, ramBase+0x800, copy8|burst4|2, config(FlowPeriphToMem))
	b.set(SoftBReq, 1<<srcP)
	b.finish()
	moved(2)
	b.expect(EnbldChns, 1)
	b.set(SoftBReq, 1<<srcP)
	b.finish()
	moved(4)
	b.expect(EnbldChns, 0)
	// A request that was served before the channel stopped does not count when it starts again, nor do bytes in its FIFO.
	b.program(0, ramBase, ramBase+0x1000, 0, SrcIncrement|DstIncrement|burst4|Width32<<SrcWidthShift|3, config(FlowPeriphToPeriph))
	b.set(SoftBReq, 1<<srcP)
	b.set(SoftSReq, 1<<dstP)
	b.finish()
	b.set(ChannelConfig, 0)
	b.program(0, ramBase+4, ramBase+0x1004, 0, copy8|burst4|4, config(FlowPeriphToMem))
	b.finish()
	moved(4)
	b.set(SoftBReq, 1<<srcP)
	b.finish()
	moved(8)
	b.expect(EnbldChns, 0)
	// Requests that the item does not need stay: of a source that has given all, and of the destination of an empty item.
	b.program(0, ramBase+8, ramBase+0x1008, 0, SrcIncrement|DstIncrement|Width16<<SrcWidthShift|1, config(FlowPeriphToPeriph))
	b.set(SoftSReq, 1<<srcP)
	b.set(SoftSReq, 1<<dstP)
	b.finish()
	moved(9)
	b.set(SoftSReq, 1<<srcP)
	b.finish()
	b.expect(SoftSReq, 1<<srcP)
	b.set(SoftBReq, 1<<dstP)
	b.finish()
	moved(10)
	b.expect(SoftBReq, 0)
	b.set(SoftBReq, 1<<dstP)
	b.program(0, ramBase, ramBase+0x2000, 0, copy8, config(FlowMemToPeriph))
	b.finish()
	b.expect(EnbldChns, 0)
	b.expect(SoftBReq, 1<<dstP)
}

// TestEndian follows the byte order tables: a copy between masters of one order keeps bytes, between two it swaps units.
func TestEndian(t *testing.T) {
	for _, c := range []struct {
		config, control uint32
		want            string
	}{
		{0, copy32 | 2, "0123456789abcdef"},
		{BigEndianM1, copy32 | 2, "0123456789abcdef"},
		{BigEndianM1, copy32 | DstMaster2 | 2, "67452301efcdab89"},
		{BigEndianM1, copy32 | SrcMaster2 | 2, "67452301efcdab89"},
		{BigEndianM1, copy32 | SrcMaster2 | DstMaster2 | 2, "0123456789abcdef"},
		{BigEndianM2, copy32 | SrcMaster2 | 2, "67452301efcdab89"},
		{BigEndianM2, Width16<<SrcWidthShift | Width16<<DstWidthShift | copy8 | DstMaster2 | 4, "23016745ab89efcd"},
		{BigEndianM1 | BigEndianM2, copy32 | SrcMaster2 | 2, "0123456789abcdef"},
		{BigEndianM1, Width8<<SrcWidthShift | Width8<<DstWidthShift | copy8 | DstMaster2 | 8, "0123456789abcdef"},
		{BigEndianM2, Width32<<SrcWidthShift | Width8<<DstWidthShift | copy8 | SrcMaster2 | 2, "67452301efcdab89"},
	} {
		b := newBoard(t)
		b.fill(ramBase, []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF})
		b.set(Configuration, Enable|c.config)
		b.program(0, ramBase, ramBase+0x1000, 0, c.control, memory|ChannelEnable)
		b.finish()
		if got := fmt.Sprintf("%x", b.memory(ramBase+0x1000, 8)); got != c.want {
			t.Errorf("configuration %d, control %#x: %s, want %s", c.config, c.control, got, c.want)
		}
	}
	// A list that is read by a big-endian master is stored in its order.
	b := newBoard(t)
	b.fill(ramBase, pattern(8))
	var item []byte
	for _, w := range []uint32{ramBase, ramBase + 0x1000, 0, copy32 | SrcMaster2 | DstMaster2 | 2} {
		item = binary.BigEndian.AppendUint32(item, w)
	}
	b.fill(ramBase+0x8000, item)
	b.set(Configuration, Enable|BigEndianM1)
	b.program(0, 0, 0, ramBase+0x8000, copy32, memory|ChannelEnable)
	b.finish()
	if got := b.memory(ramBase+0x1000, 8); !bytes.Equal(got, pattern(8)) {
		t.Errorf("big-endian list: % x", got)
	}
	b.program(0, 0, 0, ramBase+0x8000|LLIMaster2, copy32, memory|ChannelEnable)
	b.finish()
	b.expect(Control, binary.LittleEndian.Uint32(item[12:]))
}

func TestEvents(t *testing.T) {
	b := newBoard(t)
	b.set(Configuration, Enable)
	b.fill(ramBase+0x8000, words(ramBase, ramBase+0x1000, 0, copy32|4))
	b.program(6, ramBase, ramBase+0x2000, ramBase+0x8000, copy32|2, memory|ChannelEnable)
	b.finish()
	b.program(6, ramBase, ramBase+0x2000, 0, copy32|2, memory|ChannelEnable)
	b.set(at(6, ChannelConfig), memory)
	want := `[0.000000000] dma pl080: START channel=6 nsaid=6 src=0x40000000 dst=0x40002000 lli=0x40008000 control=0xc480002 config=0xc001
[0.000000320] dma pl080: ITEM channel=6 nsaid=6 src=0x40000000 dst=0x40001000 lli=0x0 control=0xc480004
[0.000000560] dma pl080: DONE channel=6 nsaid=6 bytes=24
[0.000000560] dma pl080: START channel=6 nsaid=6 src=0x40000000 dst=0x40002000 lli=0x0 control=0xc480002 config=0xc001
[0.000000560] dma pl080: STOP channel=6 nsaid=6 bytes=0
`
	if got := b.log.String(); got != want {
		t.Errorf("events:\n%swant:\n%s", got, want)
	}
}

// BenchmarkCopy moves a frame of 8 MiB through the firewall.
func BenchmarkCopy(b *testing.B) {
	d := newBoard(b)
	d.set(Configuration, Enable)
	b.SetBytes(16380)
	for b.Loop() {
		d.log.Reset()
		d.program(0, ramBase, ramBase+0x10000, 0, copy32|4095, memory|ChannelEnable)
		d.finish()
	}
}
