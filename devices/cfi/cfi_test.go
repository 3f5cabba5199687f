package cfi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"gatehouse/platform/bus"
)

const base = 0x0400_0000

var cpu = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}

// file is what the flash keeps its contents in; it fails once broken is set.
type file struct {
	data   []byte
	broken bool
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if f.broken {
		return 0, errors.New("disk full")
	}
	return copy(f.data[off:], p), nil
}

// board is a bank on a bus. The test is the CPU.
type board struct {
	t     testing.TB
	bus   bus.Bus
	flash *Flash
	cells *bus.Array
	file  file
}

func newBoard(t testing.TB) *board {
	t.Helper()
	b := &board{t: t}
	ram, err := bus.NewRAM(Size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	b.cells = bus.NewArray(ram)
	b.flash = New(b.cells, nil)
	if err := b.bus.Map(bus.Region{Name: "flash", Base: base, Size: Size, Dev: b.flash, Array: b.cells}); err != nil {
		t.Fatal(err)
	}
	return b
}

// keep gives the bank a file, as large as the tests need.
func (b *board) keep(size int) {
	b.file.data = make([]byte, size)
	b.flash.store = &b.file
}

func (b *board) set(off uint64, v uint32) {
	b.t.Helper()
	if r := b.bus.Store(base+off, 4, uint64(v), cpu); r != bus.OKAY {
		b.t.Fatalf("write at %#x: %v", off, r)
	}
}

func (b *board) get(off uint64) uint32 {
	b.t.Helper()
	v, r := b.bus.Load(base+off, 4, cpu)
	if r != bus.OKAY {
		b.t.Fatalf("read at %#x: %v", off, r)
	}
	return uint32(v)
}

func (b *board) expect(off uint64, want uint32) {
	b.t.Helper()
	if got := b.get(off); got != want {
		b.t.Errorf("word at %#x = %#x, want %#x", off, got, want)
	}
}

// both is a command or status as drivers of two interleaved chips write and read it.
func both(v uint32) uint32 { return v | v<<16 }

// status reads the status as drivers do, and goes back to the array.
func (b *board) status(want uint32) {
	b.t.Helper()
	b.set(0, both(ReadStatus))
	b.expect(0, both(want))
	b.set(0, both(ClearStatus))
	b.set(0, both(ReadArray))
}

// erase follows do_erase_oneblock of Linux's cfi_cmdset_0001, with the unlock before it of U-Boot's cfi_flash.
func (b *board) erase(off uint64) {
	b.t.Helper()
	b.set(off, both(Lock))
	b.set(off, both(Confirm))
	b.expect(off, both(StatusReady))
	b.set(off, both(ClearStatus))
	b.set(off, both(Erase))
	b.set(off, both(Confirm))
	b.expect(off, both(StatusReady))
	b.set(off, both(ReadArray))
}

// program follows do_write_oneword.
func (b *board) program(off uint64, v uint32) {
	b.t.Helper()
	b.set(off, both(Program))
	b.set(off, v)
	b.expect(off, both(StatusReady))
	b.set(off, both(ReadArray))
}

// writeBuffer follows do_write_buffer: command and count at the start of the block, then the words.
func (b *board) writeBuffer(off uint64, words ...uint32) {
	b.t.Helper()
	block := off &^ (BufferSize - 1)
	b.set(block, both(WriteBuffer))
	b.expect(block, both(StatusReady))
	b.set(block, both(uint32(len(words)-1)))
	for i, w := range words {
		b.set(off+4*uint64(i), w)
	}
	b.set(block, both(Confirm))
	b.expect(block, both(StatusReady))
	b.set(block, both(ReadArray))
}

// TestQuery reads the CFI data as Linux's cfi_probe does for two 16-bit chips, and checks what a driver derives from it.
func TestQuery(t *testing.T) {
	b := newBoard(t)
	b.set(0, both(0xF0))
	b.set(0, both(ReadArray))
	b.set(0x55*4, both(ReadQuery))
	field := func(n uint64, bytes int) (v uint32) {
		t.Helper()
		for i := range bytes {
			w := b.get((n + uint64(i)) * 4)
			if w>>16 != w&0xFFFF || w&0xFF00 != 0 {
				t.Fatalf("the chips answer %#x", w)
			}
			v |= w & 0xFF << (8 * i)
		}
		return v
	}
	for i, c := range []byte("QRY") {
		b.expect((0x10+uint64(i))*4, both(uint32(c)))
	}
	if id := field(0x13, 2); id != 1 {
		t.Errorf("command set %d", id)
	}
	if size := 2 << field(0x27, 1); size != Size {
		t.Errorf("size %#x", size)
	}
	if n := 2 << field(0x2A, 2); n != BufferSize {
		t.Errorf("buffer %#x", n)
	}
	if n := field(0x2C, 1); n != 1 {
		t.Errorf("%d regions", n)
	}
	count, size := field(0x2D, 2)+1, 2*field(0x2F, 2)*256
	if count*size != Size || size != SectorSize {
		t.Errorf("%d sectors of %#x bytes", count, size)
	}
	ext := uint64(field(0x15, 2))
	if s := field(ext, 3); s != 'P'|'R'<<8|'I'<<16 {
		t.Errorf("extended table %#x", s)
	}
	if f := field(ext+5, 4); f != 0 {
		t.Errorf("features %#x", f)
	}
	b.expect(Size-4, 0)
	b.set(0, both(ReadID)) // from query mode
	b.expect(0, both(0x89))
	b.expect(4, both(0x18))
	b.expect(0x100*4, both(0x89)) // in each 256 words
	b.expect(12, 0)
	b.set(0, both(ReadArray))
	b.expect(0x40, 0)
}

func TestProgramAndErase(t *testing.T) {
	b := newBoard(t)
	const sector = 3 * SectorSize
	b.expect(sector, 0)
	b.erase(sector)
	for _, off := range []uint64{sector, sector + SectorSize - 4} {
		b.expect(off, 0xFFFF_FFFF)
	}
	for _, off := range []uint64{sector - 4, sector + SectorSize} {
		b.expect(off, 0)
	}
	b.program(sector+8, 0xF0F0_1234)
	b.expect(sector+8, 0xF0F0_1234)
	b.program(sector+8, 0x00FF_FFF0) // only clears
	b.expect(sector+8, 0x00F0_1230)
	b.writeBuffer(sector+0x1000, 1, 2, 3)
	for i, want := range []uint32{1, 2, 3, 0xFFFF_FFFF} {
		b.expect(sector+0x1000+4*uint64(i), want)
	}
	words := make([]uint32, bufferWords)
	for i := range words {
		words[i] = uint32(i) * 0x01010101
	}
	b.writeBuffer(sector+0x2000, words...)
	for i, w := range words {
		b.expect(sector+0x2000+4*uint64(i), w)
	}
	b.expect(sector+0x3000, 0xFFFF_FFFF)
	b.erase(sector)
	b.expect(sector+0x2004, 0xFFFF_FFFF)
}

// Narrow and wide accesses are cycles too: each 4 bytes of the bus are one.
func TestAccessSizes(t *testing.T) {
	b := newBoard(t)
	b.erase(0)
	store := func(off uint64, size int, v uint64) {
		t.Helper()
		if r := b.bus.Store(base+off, size, v, cpu); r != bus.OKAY {
			t.Fatal(r)
		}
	}
	load := func(off uint64, size int, want uint64) {
		t.Helper()
		if v, r := b.bus.Load(base+off, size, cpu); v != want || r != bus.OKAY {
			t.Errorf("%d bytes at %#x = %#x, %v, want %#x", size, off, v, r, want)
		}
	}
	store(0, 1, Program)
	store(5, 1, 0x12)
	load(0, 1, 0x80)
	load(0, 2, 0x80)
	load(0, 8, 0x0080_0080_0080_0080)
	store(0, 2, ReadArray)
	load(0, 8, 0xFFFF_12FF_FFFF_FFFF)
	store(8, 8, 0xAABB_CCDD<<32|Program) // command and data in one
	store(0, 1, ReadArray)
	load(8, 8, 0xAABB_CCDD_FFFF_FFFF)
	store(16, 2, WriteBuffer)
	store(16, 2, 2)
	store(18, 2, 0x1122)
	store(20, 8, 0x5566_7788_3344_5566)
	store(16, 1, Confirm)
	store(16, 1, ReadArray)
	load(16, 8, 0x3344_5566_1122_FFFF)
	load(24, 4, 0x5566_7788)
	store(0, 1, ReadQuery)
	load(0x40, 2, 'Q')
	load(0x42, 2, 'Q')
	load(0x40, 8, 'R'*0x1_0001<<32|'Q'*0x1_0001)
}

// Reads that are not refused come straight from the cells, with one exception: while the bank is not in read array mode.
func TestDirectAccess(t *testing.T) {
	b := newBoard(t)
	direct := func(want bool) {
		t.Helper()
		r, w := b.bus.Direct(base+0x1000, cpu)
		if (r != nil) != want || w != nil || b.bus.IsRAM(base) != want {
			t.Errorf("direct pages %p, %p, want one to read: %v", r, w, want)
		}
	}
	direct(true)
	for _, c := range []uint32{ReadStatus, ReadID, ReadQuery, Program, Erase, Lock, WriteBuffer} {
		b.flash.Reset()
		direct(true)
		b.set(0, both(c))
		direct(false)
	}
	b.flash.Reset()
	for _, c := range []uint32{ReadArray, ClearStatus, 0xF0, 0x00, 0x33} {
		b.set(0, both(ReadQuery))
		direct(false)
		b.set(0, both(c))
		direct(true)
	}
}

func TestSequenceErrors(t *testing.T) {
	b := newBoard(t)
	b.erase(0)
	b.program(0, 0x1234_5678)
	for _, c := range [][]uint32{
		{Erase}, {Lock}, {WriteBuffer}, {WriteBuffer, 0, 0xFFFF_FFFF},
	} {
		for end, want := range map[uint32]uint32{
			ReadArray: StatusReady, ReadStatus: StatusReady | StatusEraseError | StatusProgramError} {
			if c[0] == WriteBuffer && len(c) == 1 {
				end |= BufferSize / 4 // a count beyond the buffer
			}
			for i, v := range c {
				if i == 0 {
					v = both(v)
				}
				b.set(0, v)
			}
			b.set(0, both(end))
			b.expect(0, 0x1234_5678) // in read array mode
			b.status(want)
		}
	}
	b.status(StatusReady)
	// The count is as large as the buffer at most.
	b.set(0, both(WriteBuffer))
	b.set(0, both(bufferWords))
	b.status(StatusReady | StatusEraseError | StatusProgramError)
	// A word outside the block spoils the whole write.
	b.set(0, both(WriteBuffer))
	b.set(0, both(1))
	b.set(0x1000-4, 0)
	b.set(0x1000, 0)
	b.set(0, both(Confirm))
	b.expect(0, both(StatusReady|StatusProgramError))
	b.status(StatusReady | StatusProgramError)
	b.expect(0x1000-4, 0xFFFF_FFFF)
	b.expect(0x1000, 0xFFFF_FFFF)
}

func TestLocks(t *testing.T) {
	b := newBoard(t)
	b.erase(SectorSize)
	b.set(SectorSize, both(Lock))
	b.set(SectorSize, both(LockSector))
	b.expect(0, both(StatusReady))
	b.set(0, both(ReadID))
	b.expect(8, 0)
	b.expect(SectorSize+8, both(1))
	b.set(0, both(ReadArray))
	b.set(SectorSize, both(Program))
	b.set(SectorSize, 0)
	b.status(StatusReady | StatusProgramError | StatusLocked)
	b.set(SectorSize, both(WriteBuffer))
	b.set(SectorSize, 0)
	b.set(SectorSize, 0)
	b.set(SectorSize, both(Confirm))
	b.status(StatusReady | StatusProgramError | StatusLocked)
	b.expect(SectorSize, 0xFFFF_FFFF)
	b.program(2*SectorSize-4+4, 0) // its neighbour is free
	b.set(SectorSize, both(Lock))
	b.set(SectorSize, both(Confirm))
	b.set(0, both(ReadArray))
	b.program(SectorSize, 0x77)
	b.expect(SectorSize, 0x77)
	b.set(SectorSize, both(Lock))
	b.set(SectorSize, both(LockSector))
	b.set(SectorSize, both(Erase))
	b.set(SectorSize, both(Confirm))
	b.status(StatusReady | StatusEraseError | StatusLocked)
	b.expect(SectorSize, 0x77)
	b.flash.Reset()
	b.erase(SectorSize)
	b.expect(SectorSize, 0xFFFF_FFFF)
}

func TestReset(t *testing.T) {
	b := newBoard(t)
	b.erase(0)
	b.program(0, 5)
	b.set(0, both(WriteBuffer))
	b.set(0, both(7))
	b.flash.Reset()
	b.expect(0, 5)
	b.set(0, both(ReadStatus))
	b.expect(0, both(StatusReady))
}

func TestReadOnly(t *testing.T) {
	b := newBoard(t)
	b.flash.ReadOnly = true
	b.set(0, both(Erase))
	b.set(0, both(Confirm))
	b.status(StatusReady | StatusEraseError)
	b.set(0, both(Program))
	b.set(0, 1)
	b.status(StatusReady | StatusProgramError)
	b.expect(0, 0)
}

// What is programmed and erased goes to the file, and nothing else.
func TestStore(t *testing.T) {
	b := newBoard(t)
	b.keep(2 * SectorSize)
	b.erase(SectorSize)
	b.program(SectorSize+4, 0x0403_0201)
	b.writeBuffer(SectorSize+0x1FFC, 0x0807_0605)
	want := make([]byte, 2*SectorSize)
	for i := range SectorSize {
		want[SectorSize+i] = 0xFF
	}
	copy(want[SectorSize+4:], []byte{1, 2, 3, 4})
	copy(want[SectorSize+0x1FFC:], []byte{5, 6, 7, 8})
	if !bytes.Equal(b.file.data, want) {
		t.Error("the file differs")
	}
	if c := b.flash.Contents(); len(c) != Size || !bytes.Equal(c[:2*SectorSize], want) {
		t.Error("the contents differ")
	}
	b.file.broken = true
	b.set(0, both(Erase))
	b.set(0, both(Confirm))
	b.status(StatusReady | StatusEraseError)
	b.set(0, both(Program))
	b.set(0, 1)
	b.status(StatusReady | StatusProgramError)
}

// watcher notes where watched pages were written.
type watcher struct{ at []uint64 }

func (w *watcher) FilterChanged()                {}
func (w *watcher) PageWatched(*bus.Page)         {}
func (w *watcher) WatchedWrite(pa uint64, _ int) { w.at = append(w.at, pa) }

// A processor that has decoded instructions from flash learns that they were replaced.
func TestWatched(t *testing.T) {
	b := newBoard(t)
	w := &watcher{}
	b.bus.Observe(w)
	b.bus.Watch(base + 0x2000)
	b.erase(0)
	b.program(0x2004, 0xD65F03C0)
	b.program(0x3004, 0xD65F03C0)
	if len(w.at) != 2 || w.at[0] != base+0x2000 || w.at[1] != base+0x2004 {
		t.Errorf("told of %#x", w.at)
	}
}

// FuzzCommands runs a program of cycles and checks what always holds: masters see the cells in read array mode and in no
// other, the cells change only by an erase or by bits that are cleared, and never with more than a program's or an erase's reach.
func FuzzCommands(f *testing.F) {
	add := func(v ...uint32) {
		var p []byte
		for _, w := range v {
			p = binary.LittleEndian.AppendUint32(p, w)
		}
		f.Add(p)
	}
	add(0x20, 0xD0, 0x40, 0x1234, 0xFF)
	add(0x20, 0xD0, 0xE8, 1, 0x1_0001, 0x2_0002, 0xD0, 0xFF)
	add(0x60, 1, 0x20, 0xD0, 0x60, 0xD0, 0x90, 0x98)
	b := newBoard(f)
	f.Fuzz(func(t *testing.T, prog []byte) {
		b.t = t
		b.flash.Reset()
		old := make([]byte, 4*BufferSize)
		b.cells.Read(0, old)
		now := make([]byte, len(old))
		for ; len(prog) >= 4; prog = prog[4:] {
			v := uint64(binary.LittleEndian.Uint32(prog))
			// The place of a cycle is in the bits that no command looks at: four pages.
			off, size := v>>8&0x3FFF, 1<<(v>>22&3)
			off &^= uint64(size - 1)
			erasing := b.flash.await == eraseConfirm && uint8(v) == Confirm
			if r := b.bus.Store(base+off, size, v, cpu); r != bus.OKAY {
				t.Fatal(r)
			}
			b.cells.Read(0, now)
			for i := range now {
				if now[i]&^old[i] != 0 && !erasing && size <= 4 {
					t.Fatalf("byte %#x: %#x becomes %#x", i, old[i], now[i])
				}
			}
			copy(old, now)
			if shown := b.flash.reads == array && b.flash.await == none; shown != b.cells.Shown() {
				t.Fatalf("reads %d, awaits %d, shown %v", b.flash.reads, b.flash.await, b.cells.Shown())
			}
			if got := b.get(off &^ 3); b.flash.reads == status && got != both(uint32(b.flash.status)) || b.flash.status&StatusReady == 0 {
				t.Fatalf("status %#x reads %#x", b.flash.status, got)
			}
		}
	})
}
