package fwcfg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

const (
	base    = 0x0902_0000
	tzcBase = 0x0B00_0000
	ramBase = 0x4000_0000
	ramSize = 1 << 20
)

var (
	cpu    = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	secure = bus.Attr{Secure: true, Privileged: true}
)

// board is a device with RAM behind a memory firewall that lets everybody through. The test is the CPU.
type board struct {
	t     testing.TB
	clock vtime.Clock
	bus   bus.Bus
	cfg   *FWCfg
	tzc   *tzc400.TZC400
	log   bytes.Buffer
}

func newBoard(t testing.TB) *board {
	t.Helper()
	b := &board{t: t}
	events := new(event.Stream)
	events.Attach(event.DMA, event.NewText(&b.log))
	b.tzc = tzc400.New("tzc400", nil, &b.clock)
	b.tzc.Changed = b.bus.FilterChanged
	b.cfg = New(bus.NewPort(&b.bus, bus.Attr{NSAID: bus.NSAIDDefault}), &b.clock, events)
	ram, err := bus.NewRAM(ramSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	for _, r := range []bus.Region{
		{Name: "fw_cfg", Base: base, Size: 0x1000, Dev: b.cfg},
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

func (b *board) firewall(off uint64, v uint32) {
	b.t.Helper()
	if r := b.tzc.Write(off, 4, uint64(v), secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
}

// protect takes memory from all non-secure masters.
func (b *board) protect(addr, size uint64) {
	b.firewall(tzc400.RegionBaseLow+tzc400.RegionStride, uint32(addr))
	b.firewall(tzc400.RegionTopLow+tzc400.RegionStride, uint32(addr+size-1))
	b.firewall(tzc400.RegionAttributes+tzc400.RegionStride, tzc400.AttrSecureRead|tzc400.AttrSecureWrite|0xF)
}

func (b *board) choose(key uint16) {
	b.t.Helper()
	p := binary.BigEndian.AppendUint16(nil, key)
	if r := b.bus.Write(base+Selector, p, cpu); r != bus.OKAY {
		b.t.Fatal(r)
	}
}

// next reads the data register byte by byte.
func (b *board) next(n int) []byte {
	b.t.Helper()
	p := make([]byte, n)
	for i := range p {
		v, r := b.bus.Load(base+Data, 1, cpu)
		if r != bus.OKAY {
			b.t.Fatal(r)
		}
		p[i] = byte(v)
	}
	return p
}

func (b *board) item(key uint16, n int) []byte {
	b.t.Helper()
	b.choose(key)
	return b.next(n)
}

// command writes a descriptor at addr and starts it, as Linux's qemu_fw_cfg does: the address in two halves.
func (b *board) command(addr uint64, control, length uint32, to uint64) {
	b.t.Helper()
	d := binary.BigEndian.AppendUint32(nil, control)
	d = binary.BigEndian.AppendUint32(d, length)
	b.write(addr, binary.BigEndian.AppendUint64(d, to))
	b.start(addr)
}

func (b *board) start(addr uint64) {
	p := binary.BigEndian.AppendUint64(nil, addr)
	b.bus.Write(base+DMA, p[:4], cpu)
	b.bus.Write(base+DMA+4, p[4:], cpu)
}

func (b *board) write(addr uint64, p []byte) {
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

// control polls the control word: what software sees of a command.
func (b *board) control(addr uint64) uint32 { return binary.BigEndian.Uint32(b.memory(addr, 4)) }

func (b *board) expectControl(addr uint64, want uint32) {
	b.t.Helper()
	if got := b.control(addr); got != want {
		b.t.Errorf("control %#x, want %#x", got, want)
	}
}

func (b *board) finish() {
	b.t.Helper()
	for n := 0; b.clock.Next() != vtime.Never; n++ {
		if n > 100_000 {
			b.t.Fatal("the command does not end")
		}
		b.clock.Advance(b.clock.Next())
		b.clock.Expire()
	}
}

func equal(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8*13 + 1)
	}
	return p
}

// TestProbe follows fw_cfg_sysfs_probe of Linux: signature, revision, DMA.
func TestProbe(t *testing.T) {
	b := newBoard(t)
	equal(t, b.next(4), []byte("QEMU")) // selected after reset
	equal(t, b.item(KeySignature, 6), []byte("QEMU\x00\x00"))
	equal(t, b.item(KeyID, 4), []byte{3, 0, 0, 0})
	equal(t, b.item(KeyWrite|KeyID, 4), []byte{3, 0, 0, 0})
	for _, key := range []uint16{0x7, 0x1F, 0x20, 0x3F, KeyArch, 0xFFFF} {
		equal(t, b.item(key, 3), make([]byte, 3))
	}
	p := b.regs(DMA, 8)
	equal(t, p, []byte("QEMU CFG"))
	equal(t, b.regs(DMA+4, 4), []byte(" CFG"))
	equal(t, b.regs(DMA+1, 1), []byte("E"))
}

func (b *board) regs(off uint64, n int) []byte {
	b.t.Helper()
	p := make([]byte, n)
	if r := b.bus.Read(base+off, p, cpu); r != bus.OKAY {
		b.t.Fatal(r)
	}
	return p
}

func TestItems(t *testing.T) {
	b := newBoard(t)
	b.cfg.AddUint16(KeyCPUs, 0x1234)
	b.cfg.AddUint32(KeyKernelSize, 0x1234_5678)
	b.cfg.AddUint64(KeyRAMSize, 0x1234_5678_9ABC_DEF0)
	b.cfg.Add(KeyCmdlineData, []byte("console=ttyAMA0\x00"))
	equal(t, b.item(KeyCPUs, 3), []byte{0x34, 0x12, 0})
	equal(t, b.item(KeyKernelSize, 4), []byte{0x78, 0x56, 0x34, 0x12})
	equal(t, b.item(KeyRAMSize, 8), []byte{0xF0, 0xDE, 0xBC, 0x9A, 0x78, 0x56, 0x34, 0x12})
	b.choose(KeyCmdlineData)
	equal(t, b.regs(Data, 8), []byte("console="))
	equal(t, b.regs(Data, 4), []byte("ttyA"))
	equal(t, b.regs(Data, 2), []byte("MA"))
	equal(t, b.regs(Data, 8), []byte("0\x00\x00\x00\x00\x00\x00\x00"))
	equal(t, b.regs(Data, 1), []byte{0})
	b.cfg.Reset()
	equal(t, b.next(4), []byte("QEMU"))
	equal(t, b.item(KeyCPUs, 2), []byte{0x34, 0x12})
}

// TestFiles reads the directory as fw_cfg_register_dir_entries of Linux does.
func TestFiles(t *testing.T) {
	b := newBoard(t)
	files := map[string]string{"etc/table": "table", "bootorder": "", "opt/org.test/b": "bbb", "opt/org.test/a": "a"}
	for _, name := range []string{"opt/org.test/b", "etc/table", "opt/org.test/a", "bootorder"} {
		if err := b.cfg.AddFile(name, []byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if n := binary.BigEndian.Uint32(b.item(KeyFileDir, 4)); n != uint32(len(files)) {
		t.Fatalf("%d files", n)
	}
	for i, want := range []string{"bootorder", "etc/table", "opt/org.test/a", "opt/org.test/b"} {
		e := b.next(64)
		size, key := binary.BigEndian.Uint32(e), binary.BigEndian.Uint16(e[4:])
		name := strings.TrimRight(string(e[8:]), "\x00")
		if name != want || size != uint32(len(files[want])) || key != 0x20+uint16(i) {
			t.Errorf("file %d: %q, %d bytes, key %#x", i, name, size, key)
		}
	}
	equal(t, b.next(64), make([]byte, 64))
	equal(t, b.item(0x23, 4), []byte("bbb\x00"))
	if err := b.cfg.AddFile("etc/table", []byte("new")); err != nil {
		t.Fatal(err)
	}
	equal(t, b.item(0x21, 4), []byte("new\x00"))
	for _, name := range []string{"", strings.Repeat("x", 56), "a\x00b"} {
		if err := b.cfg.AddFile(name, nil); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	for i := len(files); i < FileSlots; i++ {
		if err := b.cfg.AddFile(fmt.Sprintf("%055d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if b.cfg.AddFile("one more", nil) == nil {
		t.Error("too many files")
	}
	if n := binary.BigEndian.Uint32(b.item(KeyFileDir, 4)); n != FileSlots {
		t.Errorf("%d files", n)
	}
}

func TestAccessRules(t *testing.T) {
	b := newBoard(t)
	for off := uint64(0); off < 0x40; off++ {
		for _, size := range []int{1, 2, 4, 8} {
			if off%uint64(size) != 0 {
				continue
			}
			read, write := bus.SLVERR, bus.SLVERR
			switch {
			case off >= 0x18:
				read, write = bus.DECERR, bus.DECERR
			case off == 0:
				read, write = bus.OKAY, bus.OKAY
			case off == 8 && size == 2:
				write = bus.OKAY
			case off >= 16:
				read = bus.OKAY
				if size == 8 || size == 4 {
					write = bus.OKAY
				}
			}
			if _, r := b.bus.Load(base+off, size, cpu); r != read {
				t.Errorf("read of %d bytes at %#x: %v, want %v", size, off, r, read)
			}
			if r := b.bus.Store(base+off, size, 0, cpu); r != write {
				t.Errorf("write of %d bytes at %#x: %v, want %v", size, off, r, write)
			}
		}
	}
}

const desc, target = ramBase + 0x100, ramBase + 0x1000

func TestDMA(t *testing.T) {
	b := newBoard(t)
	b.cfg.Add(KeyKernelData, pattern(100))
	b.write(target, bytes.Repeat([]byte{0xEE}, 200))
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, 60, target)
	b.expectControl(desc, 0) // at once
	equal(t, b.memory(target, 61), append(pattern(100)[:60], 0xEE))
	b.command(desc, ControlSkip, 10, 0)
	b.expectControl(desc, 0)
	b.command(desc, ControlRead, 50, target) // past the end: zeros
	b.expectControl(desc, 0)
	equal(t, b.memory(target, 51), append(append(pattern(100)[70:], make([]byte, 20)...), pattern(60)[50]))
	b.command(desc, ControlSkip, 0xFFFF_FFFF, 0)
	b.expectControl(desc, 0)
	equal(t, b.next(2), []byte{0, 0})
	b.command(desc, KeyKernelData<<16|ControlSelect, 5, 0) // only selects
	b.expectControl(desc, 0)
	equal(t, b.next(2), pattern(2))
	b.command(desc, KeyID<<16|ControlSelect|ControlWrite, 4, target)
	b.expectControl(desc, ControlError)
	b.command(desc, ControlWrite, 0, target)
	b.expectControl(desc, 0)
	b.command(desc, 0x7<<16|ControlSelect|ControlRead, 8, target) // no item
	b.expectControl(desc, 0)
	equal(t, b.memory(target, 8), make([]byte, 8))
	// U-Boot and edk2 write the address at once, and it need not be aligned.
	b.write(desc+3, []byte{0, KeySignature, 0, ControlSelect | ControlRead, 0, 0, 0, 4, 0, 0, 0, 0, 0x40, 0, 0x10, 1})
	b.write(target, make([]byte, 8))
	b.bus.Write(base+DMA, binary.BigEndian.AppendUint64(nil, desc+3), cpu)
	b.expectControl(desc+3, 0)
	equal(t, b.memory(target, 6), []byte("\x00QEMU\x00"))
	if !strings.Contains(b.log.String(), "dma fw_cfg: READ key=0x11 descriptor=0x40000100 bytes=60 result=ok\n") {
		t.Errorf("events:\n%s", b.log.String())
	}
}

func TestLongDMA(t *testing.T) {
	b := newBoard(t)
	data := pattern(3*Chunk + 100)
	b.cfg.Add(KeyKernelData, data)
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, uint32(len(data)+Chunk), target)
	if b.control(desc) == 0 {
		t.Fatal("done at once")
	}
	equal(t, b.memory(target, Chunk+1), append(bytes.Clone(data[:Chunk]), 0))
	// A second command is refused; registers and the item's position are those after the first.
	b.command(desc+0x20, ControlRead, 1, target)
	b.expectControl(desc+0x20, ControlError)
	equal(t, b.next(1), []byte{0})
	equal(t, b.item(KeySignature, 4), []byte("QEMU"))
	b.finish()
	b.expectControl(desc, 0)
	equal(t, b.memory(target, len(data)+Chunk), append(bytes.Clone(data), make([]byte, Chunk)...))
	if now := b.clock.Now(); now != 3*Chunk+100 {
		t.Errorf("it took %d ns", now)
	}
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, uint32(len(data)), target)
	b.cfg.Reset()
	if b.clock.Next() != vtime.Never {
		t.Error("it goes on after a reset")
	}
}

// Protected memory is neither read nor written, whatever it is asked to do with it.
func TestProtected(t *testing.T) {
	b := newBoard(t)
	data := pattern(4 * Chunk)
	b.cfg.Add(KeyKernelData, data)
	const wall = ramBase + 0x8_0000
	b.write(wall, bytes.Repeat([]byte{0x55}, 0x2000))
	b.protect(wall, 0x4_0000)
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, 16, wall)
	b.expectControl(desc, ControlError)
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, uint32(len(data)), wall-2*Chunk)
	b.finish()
	b.expectControl(desc, ControlError)
	equal(t, b.memory(wall-1, 3), []byte{data[2*Chunk-1], 0x55, 0x55})
	// The descriptor is out of reach: nothing happens, and the next command works.
	b.command(wall+0x100, KeyKernelData<<16|ControlSelect|ControlRead, 16, target)
	equal(t, b.memory(wall+0x100, 2), []byte{0, KeyKernelData})
	equal(t, b.memory(target, 2), []byte{0, 0})
	b.start(0x1234_5678_0000)
	b.start(0xFFFF_FFFF_FFFF_FFF8)
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, 16, 0xFFFF_FFFF_FFFF_FFF8)
	b.expectControl(desc, ControlError)
	b.command(desc, KeyKernelData<<16|ControlSelect|ControlRead, 16, target)
	b.expectControl(desc, 0)
	equal(t, b.memory(target, 16), data[:16])
}

// A device that is told to write its own registers does not start anew within itself.
func TestOwnRegisters(t *testing.T) {
	b := newBoard(t)
	b.cfg.Add(0x30, binary.BigEndian.AppendUint64(nil, desc))
	b.command(desc, 0x30<<16|ControlSelect|ControlRead, 8, base+DMA)
	b.expectControl(desc, ControlError)
	b.cfg.Add(0x31, binary.BigEndian.AppendUint16(nil, KeyID))
	b.command(desc, 0x31<<16|ControlSelect|ControlRead, 2, base+Selector)
	b.expectControl(desc, ControlError)
	b.start(base)
	b.start(base + DMA)
	b.start(base + DMA + 4)
	b.finish()
	equal(t, b.item(KeyID, 1), []byte{3})
}

// FuzzRegisters runs a program of register accesses and pauses with the fuzzer's own bytes as descriptors.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x10, 8, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0})
	d := append([]byte{0x90, 8}, binary.BigEndian.AppendUint64(nil, ramBase+10)...)
	f.Add(append(d, 0, 0x11, 0, ControlSelect|ControlRead, 0, 0, 0, 9, 0, 0, 0, 0, 0x40, 0, 0x10, 0))
	b := newBoard(f)
	b.cfg.events = nil
	b.cfg.Add(KeyKernelData, pattern(3*Chunk))
	f.Fuzz(func(t *testing.T, prog []byte) {
		b.t = t
		b.cfg.Reset()
		b.bus.Zero(ramBase, ramSize, secure)
		b.write(ramBase, prog[:min(len(prog), ramSize)])
		for len(prog) >= 10 {
			off, op, v := uint64(prog[0]&0x1F), prog[1], binary.LittleEndian.Uint64(prog[2:])
			size := 1 << (op & 3)
			off &^= uint64(size - 1)
			prog = prog[10:]
			if op&0x80 != 0 {
				if next := b.clock.Next(); next != vtime.Never {
					b.clock.Advance(next)
					b.clock.Expire()
				}
			}
			if op&0x40 != 0 {
				b.bus.Load(base+off, size, cpu)
			} else {
				b.bus.Store(base+off, size, v, cpu)
			}
			if b.cfg.busy != (b.clock.Next() != vtime.Never) || b.cfg.onBus {
				t.Fatalf("busy %v, on the bus %v, next step at %d", b.cfg.busy, b.cfg.onBus, b.clock.Next())
			}
		}
	})
}
