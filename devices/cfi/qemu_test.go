package cfi

import (
	"math/rand/v2"
	"testing"

	"gatehouse/devices/internal/qtest"
)

// TestAgainstQEMU makes the same cycles here and there, on the second bank of QEMU's virt board. It stays within what is meant to be
// the same: cells are programmed once after an erase, commands are complete, and end in read array mode.
func TestAgainstQEMU(t *testing.T) {
	q := qtest.Start(t, "-M", "virt")
	b := newBoard(t)
	set := func(off uint64, size int, v uint64) {
		q.Write(base+off, size, v)
		b.bus.Store(base+off, size, v, cpu)
	}
	compare := func(off uint64, size int) {
		t.Helper()
		want := q.Read(base+off, size)
		if got, r := b.bus.Load(base+off, size, cpu); got != want {
			t.Fatalf("%d bytes at %#x = %#x (%v), QEMU %#x", size, off, got, r, want)
		}
	}
	compare(0, 4)
	for _, mode := range []uint64{ReadQuery, ReadID, ReadStatus} {
		set(0, 4, mode)
		for off := uint64(0); off < 0x60*4; off += 4 {
			for _, size := range []int{2, 4, 8} {
				if off%uint64(size) == 0 {
					compare(off, size)
				}
			}
			compare(off, 1)
		}
		compare(0x400, 4)
		set(0, 4, ReadArray)
	}
	r := rand.New(rand.NewPCG(1, 68))
	for range 12 {
		sector := uint64(r.IntN(sectors)) * SectorSize
		set(sector, 4, 0x60_0060)
		set(sector, 4, 0xD0_00D0)
		compare(sector, 4)
		set(sector, 4, 0x20_0020)
		compare(sector+4, 4)
		set(sector, 4, 0xD0_00D0)
		compare(sector+8, 4)
		next := sector
		for range 20 {
			switch r.IntN(3) {
			case 0:
				size := 1 << r.IntN(3)
				set(next, 4, 0x40)
				compare(next, 4)
				set(next, size, r.Uint64())
				compare(next, 4)
				next += 4
			case 1:
				next = (next | (BufferSize - 1)) + 1
				n := uint64(1 + r.IntN(bufferWords))
				set(next, 4, 0xE8_00E8)
				compare(next, 4)
				set(next, 4, (n-1)|(n-1)<<16)
				first := uint64(r.IntN(bufferWords+1-int(n))) * 4
				for i := range n {
					set(next+first+4*i, 4, r.Uint64())
				}
				set(next, 4, 0xD0_00D0)
				compare(next, 4)
				next += BufferSize
			case 2:
				set(next, 4, []uint64{ReadQuery, ReadID, ReadStatus}[r.IntN(3)])
				compare(sector+uint64(r.IntN(0x60))*4&^8, 4) // without the lock status, which QEMU does not have
			}
			set(sector, 1<<r.IntN(3), ReadArray)
			for range 20 {
				size := 1 << r.IntN(4)
				compare((sector+uint64(r.IntN(int(next-sector+4096))))&^uint64(size-1), size)
			}
		}
	}
}
