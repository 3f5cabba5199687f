// Package enginetest is a board for tests of the media engines: memory behind a real firewall, and scattered buffers in it.
//
// Read board.go.
package enginetest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"gatehouse/devices/engine"
	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// The memory map. There are two blocks of RAM, one of them beyond 4 GiB.
const (
	TZCBase    = 0x0B00_0000
	EngineBase = 0x0B20_0000
	ROMBase    = 0x0C00_0000
	RAMBase    = 0x4000_0000
	HighBase   = 0x1_0000_0000
	RAMSize    = 256 << 20
	HoleBase   = 0x8000_0000
)

// Attributes of the board's other masters.
var (
	CPU    = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	Secure = bus.Attr{Secure: true, Privileged: true}
)

// Line is an interrupt line.
type Line struct{ Level bool }

// Set is part of devices.Line.
func (l *Line) Set(level bool) { l.Level = level }

// Board is the board. The test is the CPU.
type Board struct {
	T      testing.TB
	Clock  vtime.Clock
	Bus    bus.Bus
	TZC    *tzc400.TZC400
	Events *event.Stream
	Log    bytes.Buffer // of the DMA events
	IRQ    Line

	free [2]uint64 // the next bytes that nobody was given
}

// New makes a board whose firewall lets everybody through.
func New(t testing.TB) *Board {
	t.Helper()
	b := &Board{T: t, Events: new(event.Stream), free: [2]uint64{RAMBase, HighBase}}
	b.Events.Attach(event.DMA, event.NewText(&b.Log))
	b.TZC = tzc400.New("tzc400", nil, &b.Clock)
	b.TZC.Changed = b.Bus.FilterChanged
	ram := func(size uint64) *bus.RAM {
		r, err := bus.NewRAM(size)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	}
	b.Map(bus.Region{Name: "tzc400", Base: TZCBase, Size: 0x1000, Dev: b.TZC, SecureOnly: true})
	b.Map(bus.Region{Name: "rom", Base: ROMBase, Size: 0x1000, RAM: ram(0x1000), ReadOnly: true})
	b.Map(bus.Region{Name: "ram", Base: RAMBase, Size: RAMSize, RAM: ram(RAMSize), Filter: b.TZC.Unit(0)})
	b.Map(bus.Region{Name: "high", Base: HighBase, Size: RAMSize, RAM: ram(RAMSize), Filter: b.TZC.Unit(0)})
	b.Firewall(tzc400.RegionIDAccess, 0xFFFF_FFFF)
	b.Firewall(tzc400.Action, tzc400.ActionDECERR)
	b.Firewall(tzc400.GateKeeper, 0xF)
	return b
}

// Map adds a region to the address map.
func (b *Board) Map(r bus.Region) {
	b.T.Helper()
	if err := b.Bus.Map(r); err != nil {
		b.T.Fatal(err)
	}
}

// Attach places the device under test.
func (b *Board) Attach(d bus.Device) {
	b.T.Helper()
	b.Map(bus.Region{Name: "engine", Base: EngineBase, Size: 0x1000, Dev: d})
}

// Ports are those of an engine.
func (b *Board) Ports(nsaid uint8) engine.Ports {
	return engine.Ports{Protected: b.Port(nsaid), Ordinary: b.Port(bus.NSAIDDefault)}
}

// Port is the port of a master.
func (b *Board) Port(nsaid uint8) *bus.Port {
	return bus.NewPort(&b.Bus, bus.Attr{NSAID: nsaid, Privileged: true})
}

// Firewall writes a register of the firewall.
func (b *Board) Firewall(off uint64, v uint32) {
	b.T.Helper()
	if r := b.Bus.Store(TZCBase+off, 4, uint64(v), Secure); r != bus.OKAY {
		b.T.Fatal(r)
	}
}

// Restrict makes the pages of [base, base+size) a region, 1 to 8, that only the masters in the two sets may read and write.
func (b *Board) Restrict(region int, base, size uint64, read, write uint16) {
	b.T.Helper()
	r := uint64(region) * tzc400.RegionStride
	top := (base + size - 1) | 0xFFF
	b.Firewall(tzc400.RegionAttributes+r, 0)
	b.Firewall(tzc400.RegionBaseLow+r, uint32(base&^0xFFF))
	b.Firewall(tzc400.RegionBaseHigh+r, uint32(base>>32))
	b.Firewall(tzc400.RegionTopLow+r, uint32(top))
	b.Firewall(tzc400.RegionTopHigh+r, uint32(top>>32))
	b.Firewall(tzc400.RegionIDAccess+r, uint32(write)<<16|uint32(read))
	b.Firewall(tzc400.RegionAttributes+r, tzc400.AttrSecureRead|tzc400.AttrSecureWrite|1)
}

// Set writes a register of the device under test.
func (b *Board) Set(off int, v uint32) {
	b.T.Helper()
	if r := b.Bus.Store(EngineBase+uint64(off), 4, uint64(v), CPU); r != bus.OKAY {
		b.T.Fatalf("write of %#x: %v", off, r)
	}
}

// Get reads one.
func (b *Board) Get(off int) uint32 {
	b.T.Helper()
	v, r := b.Bus.Load(EngineBase+uint64(off), 4, CPU)
	if r != bus.OKAY {
		b.T.Fatalf("read of %#x: %v", off, r)
	}
	return uint32(v)
}

// Expect compares one.
func (b *Board) Expect(off int, want uint32) {
	b.T.Helper()
	if got := b.Get(off); got != want {
		b.T.Errorf("register %#x = %#x, want %#x", off, got, want)
	}
}

// Until moves time as an idle machine does.
func (b *Board) Until(ns uint64) {
	for next := b.Clock.Next(); next <= ns; next = b.Clock.Next() {
		b.Clock.Advance(next)
		b.Clock.Expire()
	}
	b.Clock.Advance(ns)
}

// Finish lets time pass until nothing is left to do.
func (b *Board) Finish() {
	b.T.Helper()
	for n := 0; b.Clock.Next() != vtime.Never; n++ {
		if n > 100_000 {
			b.T.Fatal("the job does not end")
		}
		b.Step()
	}
}

// Step lets time pass until the next thing has happened, if there is one.
func (b *Board) Step() {
	if b.Clock.Next() == vtime.Never {
		return
	}
	b.Clock.Advance(b.Clock.Next())
	b.Clock.Expire()
}

// Fill writes memory as the secure side, which the firewall lets through.
func (b *Board) Fill(addr uint64, p []byte) {
	b.T.Helper()
	if r := b.Bus.Write(addr, p, Secure); r != bus.OKAY {
		b.T.Fatalf("write of %#x: %v", addr, r)
	}
}

// Bytes reads it.
func (b *Board) Bytes(addr uint64, n int) []byte {
	b.T.Helper()
	p := make([]byte, n)
	if r := b.Bus.Read(addr, p, Secure); r != bus.OKAY {
		b.T.Fatalf("read of %#x: %v", addr, r)
	}
	return p
}

// Piece is a run of bytes in memory.
type Piece struct {
	Addr uint64
	Len  int
}

// Alloc gives n bytes that nobody has yet, at a multiple of align.
func (b *Board) Alloc(n, align int, high bool) uint64 {
	i := 0
	if high {
		i = 1
	}
	at := (b.free[i] + uint64(align) - 1) &^ (uint64(align) - 1)
	b.free[i] = at + uint64(n)
	return at
}

// Kinds of Memory, as in the register KIND.
const (
	Flat   = 0
	List32 = 1
	List64 = 2
)

// Protected is the bit of the register KIND that picks the engine's own identity.
const Protected = 1 << 8

// Memory is a buffer as a driver knows it.
type Memory struct {
	Addr   uint64 // of the memory, or of its list
	Kind   uint32 // with Protected, or without
	Pieces []Piece
	Tables []Piece
}

// Flat gives n bytes in one piece, on pages of their own.
func (b *Board) Flat(n int) Memory {
	at := b.Alloc(n, 4096, false)
	b.Alloc(0, 4096, false)
	return Memory{Addr: at, Pieces: []Piece{{at, n}}}
}

// Shut is the same memory, for the engine's own identity.
func (m Memory) Shut() Memory {
	m.Kind |= Protected
	return m
}

// Scatter gives n bytes in random pieces of at most largest bytes each, and a random list of them.
func (b *Board) Scatter(r *rand.Rand, n, largest int, kind uint32) (m Memory) {
	if kind == Flat {
		return b.Flat(n)
	}
	for left := n; left > 0; {
		size := min(1+r.IntN(largest), left)
		high := kind == List64 && r.IntN(2) == 0
		b.Alloc(r.IntN(300), 1, high)
		m.Pieces = append(m.Pieces, Piece{b.Alloc(size, 1, high), size})
		left -= size
	}
	r.Shuffle(len(m.Pieces), func(i, j int) { m.Pieces[i], m.Pieces[j] = m.Pieces[j], m.Pieces[i] })
	b.List(r, &m, kind)
	return m
}

// List writes the list of the pieces: in tables of random sizes, with links between them.
func (b *Board) List(r *rand.Rand, m *Memory, kind uint32) {
	m.Kind = kind
	size := map[uint32]int{List32: 8, List64: 16}[kind]
	write := func(at, addr uint64, n, flags uint32) {
		var e []byte
		if kind == List32 {
			e = binary.LittleEndian.AppendUint32(e, uint32(addr))
			e = binary.LittleEndian.AppendUint32(e, n|flags)
		} else {
			e = binary.LittleEndian.AppendUint64(e, addr)
			e = binary.LittleEndian.AppendUint32(e, n)
			e = binary.LittleEndian.AppendUint32(e, flags)
		}
		b.Fill(at, e)
	}
	link := uint64(0) // the entry that leads to the next table
	for i := 0; i < len(m.Pieces); {
		n := min(1+r.IntN(200), len(m.Pieces)-i)
		at := b.Alloc((n+1)*size, 8, kind == List64 && r.IntN(2) == 0)
		m.Tables = append(m.Tables, Piece{at, (n + 1) * size})
		if link != 0 {
			write(link, at, r.Uint32()&0xFFFF, 1<<30)
		} else {
			m.Addr = at
		}
		for range n {
			flags := uint32(0)
			if i == len(m.Pieces)-1 {
				flags = 1 << 31
			}
			write(at, m.Pieces[i].Addr, uint32(m.Pieces[i].Len), flags)
			at += uint64(size)
			i++
		}
		link = at
	}
}

// Len is the length of m in bytes.
func (m Memory) Len() (n int) {
	for _, p := range m.Pieces {
		n += p.Len
	}
	return n
}

// At gives the address of byte i of m.
func (m Memory) At(i int) uint64 {
	for _, p := range m.Pieces {
		if i < p.Len {
			return p.Addr + uint64(i)
		}
		i -= p.Len
	}
	return 0
}

// Store writes the bytes of m.
func (b *Board) Store(m Memory, p []byte) {
	b.T.Helper()
	for _, piece := range m.Pieces {
		n := min(piece.Len, len(p))
		b.Fill(piece.Addr, p[:n])
		p = p[n:]
	}
}

// Load reads the bytes of m.
func (b *Board) Load(m Memory) (p []byte) {
	b.T.Helper()
	for _, piece := range m.Pieces {
		p = append(p, b.Bytes(piece.Addr, piece.Len)...)
	}
	return p
}

// Describe sets the registers of the buffer at off.
func (b *Board) Describe(off int, m Memory, offset, stride, length int) {
	b.T.Helper()
	b.Set(off, uint32(m.Addr))
	b.Set(off+4, uint32(m.Addr>>32))
	b.Set(off+8, m.Kind)
	b.Set(off+0xC, uint32(offset))
	b.Set(off+0x10, uint32(stride))
	b.Set(off+0x14, uint32(length))
}

// Plane is one plane of a picture: Rows rows of Row bytes, Stride apart, from Offset on.
type Plane struct {
	Memory                    Memory
	Row, Rows, Offset, Stride int
}

// Planes makes memory for the planes of the given shapes: random kinds, gaps and offsets, which are multiples of the units.
// The memory is filled with noise.
func (b *Board) Planes(r *rand.Rand, shapes [][3]int) (planes []Plane) {
	for _, s := range shapes {
		row, rows, unit := s[0], s[1], s[2]
		p := Plane{Row: row, Rows: rows, Offset: unit * r.IntN(50), Stride: row}
		if r.IntN(2) == 0 {
			p.Stride += unit * r.IntN(40)
		}
		n := p.Offset + p.Stride*(rows-1) + row + r.IntN(30)
		p.Memory = b.Scatter(r, n, 1+max(n/8, 2000), uint32(r.IntN(3)))
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		b.Store(p.Memory, noise)
		planes = append(planes, p)
	}
	return planes
}

// Picture sets the registers of the picture at off.
func (b *Board) Picture(off int, format uint32, w, h int, planes []Plane) {
	b.T.Helper()
	b.Set(off, format)
	b.Set(off+4, uint32(w)|uint32(h)<<16)
	for i, p := range planes {
		b.Describe(off+0x20+0x20*i, p.Memory, p.Offset, p.Stride, 0)
	}
}

// StorePlane writes the rows of a plane, which stand in p without gaps.
func (b *Board) StorePlane(pl Plane, p []byte) {
	b.T.Helper()
	all := b.Load(pl.Memory)
	for y := range pl.Rows {
		copy(all[pl.Offset+y*pl.Stride:], p[y*pl.Row:(y+1)*pl.Row])
	}
	b.Store(pl.Memory, all)
}

// LoadPlane reads them, and gives what is around them too, with zeros in place of the rows.
func (b *Board) LoadPlane(pl Plane) (rows, gaps []byte) {
	b.T.Helper()
	gaps = b.Load(pl.Memory)
	for y := range pl.Rows {
		at := gaps[pl.Offset+y*pl.Stride:][:pl.Row]
		rows = append(rows, at...)
		clear(at)
	}
	return rows, gaps
}
