package pl080

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"gatehouse/devices/internal/qtest"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// model is what one item does to memory, byte by byte and without time: the source is a stream of units, and so is the destination.
// It knows no overlap of the two.
func model(mem []byte, src, dst, control, config uint32) {
	sw, dw := 1<<(control>>18&7), 1<<(control>>21&7)
	big := func(select2 uint32) bool { return config>>(1+select2&1)&1 != 0 }
	swap := func(unit []byte) {
		for i := range len(unit) / 2 {
			unit[i], unit[len(unit)-1-i] = unit[len(unit)-1-i], unit[i]
		}
	}
	var stream []byte
	for range control & 0xFFF {
		unit := bytes.Clone(mem[src : src+uint32(sw)])
		if big(control >> 24) {
			swap(unit)
		}
		stream = append(stream, unit...)
		if control>>26&1 != 0 {
			src += uint32(sw)
		}
	}
	for len(stream) > 0 {
		if len(stream) < dw {
			dw = 1
		}
		unit := bytes.Clone(stream[:dw])
		stream = stream[dw:]
		if big(control >> 25) {
			swap(unit)
		}
		copy(mem[dst:], unit)
		if control>>27&1 != 0 {
			dst += uint32(dw)
		}
	}
}

// TestAgainstModel runs random lists of items with all widths, orders and increments. Sources and lists are in the lower half of
// memory, destinations in the upper.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 80))
		b := newBoard(t)
		const half = ramSize / 2
		mem := make([]byte, ramSize)
		for i := range half {
			mem[i] = byte(r.Uint32())
		}
		config := Enable | r.Uint32()&(BigEndianM1|BigEndianM2)
		type item struct{ src, dst, control uint32 }
		items := make([]item, 1+r.IntN(6))
		for i := range items {
			sw, dw := uint32(r.IntN(3)), uint32(r.IntN(3))
			size := uint32(r.IntN(40))
			if r.IntN(3) == 0 {
				size = uint32(r.IntN(4096))
			}
			items[i] = item{uint32(r.IntN(half-0x9000)) >> sw << sw, half + uint32(r.IntN(half-0x9000))>>dw<<dw,
				r.Uint32()&(SrcIncrement|DstIncrement|SrcMaster2|DstMaster2|7<<SrcBurstShift|7<<DstBurstShift) |
					sw<<SrcWidthShift | dw<<DstWidthShift | size}
		}
		// The list is read by master 1, in its order.
		const list = half - 0x1000
		lli := uint32(0)
		for i := len(items) - 1; i > 0; i-- {
			at := list + uint32(i)*16
			for k, w := range []uint32{ramBase + items[i].src, ramBase + items[i].dst, lli, items[i].control} {
				if config&BigEndianM1 != 0 {
					binary.BigEndian.PutUint32(mem[at+4*uint32(k):], w)
				} else {
					binary.LittleEndian.PutUint32(mem[at+4*uint32(k):], w)
				}
			}
			lli = ramBase + at
		}
		b.fill(ramBase, mem)
		b.set(Configuration, config)
		b.program(0, ramBase+items[0].src, ramBase+items[0].dst, lli, items[0].control, memory|ChannelEnable)
		b.finish()
		for _, i := range items {
			model(mem, i.src, i.dst, i.control, config)
		}
		b.expect(RawIntErrorStatus, 0)
		b.expect(EnbldChns, 0)
		if !bytes.Equal(b.memory(ramBase, ramSize), mem) {
			t.Fatalf("seed %d: memory differs after %+v, configuration %d", seed, items, config)
		}
	}
}

// TestAgainstQEMU copies with QEMU's PL080, which is on its versatilepb board. The two are meant to agree for equal widths; where
// those differ, and on the terminal count of list items, QEMU's source says that it guesses.
func TestAgainstQEMU(t *testing.T) {
	const qemuDMA, window = 0x1013_0000, 0x400
	q := qtest.Start(t, "-M", "versatilepb", "-m", "16", "-net", "none")
	for off := uint64(0xFE0); off < 0x1000; off += 4 {
		if got, want := uint64(id[(off-0xFE0)/4]), q.Read(qemuDMA+off, 4); got != want {
			t.Errorf("register %#x = %#x, QEMU %#x", off, got, want)
		}
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 81))
		var b bus.Bus
		var clock vtime.Clock
		if err := b.Map(bus.Region{Name: "ram", Size: ramSize, RAM: newRAM(t, ramSize)}); err != nil {
			t.Fatal(err)
		}
		d := New(bus.NewPort(&b, bus.Attr{}), &clock, nil)
		store := func(addr, v uint64) {
			q.Write(addr, 8, v)
			b.Store(addr, 8, v, bus.Attr{})
		}
		set := func(off uint64, v uint32) {
			q.Write(qemuDMA+off, 4, uint64(v))
			d.Write(off, 4, uint64(v), bus.Attr{})
		}
		for addr := uint64(0); addr < window; addr += 8 {
			store(addr, r.Uint64())
		}
		// Sources are in the first quarter, destinations in the second, the list behind.
		item := func() (src, dst, control uint32) {
			w := uint32(r.IntN(3))
			n := uint32(1 + r.IntN(int(0x80>>w)))
			return uint32(r.IntN(0x80>>w)) << w, 0x100 + uint32(r.IntN(0x80>>w))<<w,
				w<<SrcWidthShift | w<<DstWidthShift | n | r.Uint32()&(SrcIncrement|DstIncrement)
		}
		set(IntTCClear, 0xFF)
		set(Configuration, Enable)
		const list = 0x200
		n := r.IntN(4)
		for i := range n {
			src, dst, control := item()
			next := uint64(list + 16*(i+1))
			if i == n-1 {
				next, control = 0, control|TCInterrupt
			}
			store(uint64(list+16*i), uint64(src)|uint64(dst)<<32)
			store(uint64(list+16*i+8), next|uint64(control)<<32)
		}
		src, dst, control := item()
		lli := uint32(list)
		if n == 0 {
			lli, control = 0, control|TCInterrupt
		}
		ch := r.IntN(8)
		set(at(ch, SrcAddr), src)
		set(at(ch, DestAddr), dst)
		set(at(ch, LLI), lli)
		set(at(ch, Control), control)
		set(at(ch, ChannelConfig), memory|ChannelEnable)
		for clock.Next() != vtime.Never {
			clock.Advance(clock.Next())
			clock.Expire()
		}
		for addr := uint64(0); addr < window; addr += 8 {
			got, _ := b.Load(addr, 8, bus.Attr{})
			if want := q.Read(addr, 8); got != want {
				t.Fatalf("seed %d: memory at %#x = %#x, QEMU %#x", seed, addr, got, want)
			}
		}
		for _, off := range []uint64{IntStatus, IntTCStatus, IntErrorStatus, RawIntTCStatus, RawIntErrorStatus, EnbldChns,
			Configuration, at(ch, SrcAddr), at(ch, DestAddr), at(ch, LLI), at(ch, Control), at(ch, ChannelConfig)} {
			got, _ := d.Read(off, 4, bus.Attr{})
			if want := q.Read(qemuDMA+off, 4); got != want {
				t.Fatalf("seed %d: register %#x = %#x, QEMU %#x", seed, off, got, want)
			}
		}
	}
}

// FuzzRegisters runs a program of register writes and pauses, with the fuzzer's own bytes as memory, so that lists are hostile too.
func FuzzRegisters(f *testing.F) {
	add := func(v ...uint32) { f.Add(words(v...)) }
	add(0x30, Enable, 0x100, ramBase, 0x104, ramBase+0x100, 0x10C, copy32|100, 0x110, ChannelEnable, 0x800, 5000)
	add(0x30, Enable, 0x108, ramBase+0x10, 0x110, ChannelEnable|TCMask, 0x800, 100000)
	add(0x30, Enable, 0x20, 0xFFFF, 0x10C, Width32<<DstWidthShift|9, 0x110, ChannelEnable|FlowPeriphToPeriphSrc<<FlowShift, 0x2C, 0xFFFF)
	f.Fuzz(func(t *testing.T, prog []byte) {
		b := newBoard(t)
		b.dma.events = nil
		b.fill(ramBase, prog[:min(len(prog), 4096)])
		for ; len(prog) >= 8; prog = prog[8:] {
			op, v := binary.LittleEndian.Uint32(prog), binary.LittleEndian.Uint32(prog[4:])
			if off := uint64(op & 0xFFC); off < 0x800 {
				b.dma.Write(off, 1<<(op>>30^2), uint64(v), cpu)
				b.dma.Read(off, 1<<(op>>30^2), cpu)
			} else {
				b.step(t, uint64(v&0xFFFF))
			}
			b.check(t)
		}
		b.step(t, 100_000)
	})
}

// TestHostileSoftware writes plausible values at implausible moments: channels that are rewritten while they move, all flows, mixed
// widths, lists in their own way, and the controller itself as a destination.
func TestHostileSoftware(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 82))
		b := newBoard(t)
		b.dma.events = nil
		addr := func() uint32 {
			switch r.IntN(8) {
			case 0:
				return dmaBase + uint32(r.IntN(0x200))
			case 1:
				return portBase + uint32(r.IntN(16))
			case 2:
				return ramBase + ramSize - uint32(r.IntN(32))
			case 3:
				return ramBase + 0x1000 - uint32(r.IntN(8))
			}
			return ramBase + uint32(r.IntN(0x4000))
		}
		control := func() uint32 {
			v := r.Uint32()&^(7<<SrcWidthShift|7<<DstWidthShift|SizeMask) | uint32(r.IntN(3))<<SrcWidthShift | uint32(r.IntN(3))<<DstWidthShift
			if r.IntN(50) == 0 {
				v |= 4 << SrcWidthShift
			}
			return v | uint32(r.IntN(1<<r.IntN(12)))
		}
		config := func() uint32 { return r.Uint32()&channelMask&^Halt | ChannelEnable }
		for n := range uint64(256) {
			b.fill(ramBase+0x100*n, words(addr(), addr(), addr()&^0xFF, control(), config()))
		}
		b.set(Configuration, Enable)
		for range 300 {
			ch := r.IntN(Channels)
			switch r.IntN(12) {
			case 0, 1, 2:
				b.program(ch, addr(), addr(), addr()&^0xFF, control(), config())
			case 3:
				b.set(at(ch, Control), control())
			case 4:
				b.set(at(ch, SrcAddr), addr())
			case 5:
				b.set(at(ch, ChannelConfig), r.Uint32())
			case 6, 7:
				b.set(SoftBReq+4*uint64(r.IntN(4)), r.Uint32())
			case 8:
				if r.IntN(4) == 0 {
					b.set(Configuration, r.Uint32())
				}
				b.set(Configuration, Enable|r.Uint32())
			case 9:
				b.set(IntTCClear, 0xFF)
				b.set(IntErrClr, 0xFF)
			default:
				b.step(t, uint64(r.IntN(1<<r.IntN(15))))
			}
			b.check(t)
		}
	}
}

// step lets ns pass, in bounded work.
func (b *board) step(t *testing.T, ns uint64) {
	end := b.clock.Now() + ns
	for next := b.clock.Next(); next <= end; next = b.clock.Next() {
		if next <= b.clock.Now() {
			t.Fatal("a step takes no time")
		}
		b.clock.Advance(next)
		b.clock.Expire()
		b.check(t)
	}
	b.clock.Advance(end)
}

// check tests what always holds.
func (b *board) check(t *testing.T) {
	t.Helper()
	d := b.dma
	active := 0
	for i := range d.channels {
		c := &d.channels[i]
		if c.fill > 6 { // less than a word of each side
			t.Fatalf("channel %d keeps %d bytes", i, c.fill)
		}
		if v := d.read(at(i, ChannelConfig)); v&Active != 0 {
			active++
			if v&ChannelEnable == 0 || d.config&Enable == 0 {
				t.Fatalf("channel %d is active, not enabled", i)
			}
		}
	}
	if active > 1 || (active == 1) != (b.clock.Next() != vtime.Never) {
		t.Fatalf("%d channels are active, the next step is at %d", active, b.clock.Next())
	}
	if want := d.read(IntTCStatus) | d.read(IntErrorStatus); d.read(IntStatus) != want || b.irq.level != (want != 0) {
		t.Fatalf("interrupt %v, status %#x, want %#x", b.irq.level, d.read(IntStatus), want)
	}
}
