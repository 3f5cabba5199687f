package mem

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/normalworld"
	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

const (
	page     = PageSize
	ram      = platform.RAMBase + 16<<20
	carveout = platform.RAMBase + 64<<20 // closed to the processor
)

func newKernel(tb testing.TB, reserved ...platform.Reserved) *normalworld.Kernel {
	tb.Helper()
	cfg := secureworld.DefaultConfig()
	cfg.Carveout, cfg.CarveoutUse = memory.Range{Base: carveout, Size: 2 << 20}, 1
	m, err := platform.New(platform.Config{Firmware: secureworld.New(cfg), TZASC: true, Reserved: reserved})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return normalworld.New(m, nil)
}

func newAllocator(tb testing.TB, cfg Config) *Allocator {
	tb.Helper()
	a, err := New(newKernel(tb), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func want(tb testing.TB, what string, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Errorf("%s: %v, want %v", what, got, want)
	}
}

// The allocator takes the lowest block that fits, splits it from above, and joins what is freed.
func TestBuddy(t *testing.T) {
	a := newAllocator(t, Config{Memory: []Range{{ram, 4 << 20}}})
	if a.TotalPages() != 1024 || a.FreePages() != 1024 || a.BuddyInfo() != [Orders]uint64{MaxOrder: 1} {
		t.Fatalf("%d pages, %d free, blocks %v", a.TotalPages(), a.FreePages(), a.BuddyInfo())
	}
	p0, err := a.Alloc(0, Flags{})
	ok(t, err)
	if p0 != ram || a.BuddyInfo() != [Orders]uint64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0} {
		t.Errorf("first page at %#x, blocks %v", p0, a.BuddyInfo())
	}
	p3, err := a.Alloc(3, Flags{})
	ok(t, err)
	p1, err := a.Alloc(1, Flags{})
	ok(t, err)
	if p3 != ram+8*page || p1 != ram+2*page {
		t.Errorf("order 3 at %#x, order 1 at %#x", p3, p1)
	}
	_, err = a.Alloc(10, Flags{})
	want(t, "order 10", err, normalworld.ENOMEM)
	for _, o := range []int{-1, 11, 1 << 30} {
		_, err = a.Alloc(o, Flags{})
		want(t, "order", err, ErrOrder)
		_, err = a.AllocMovable(o, Flags{})
		want(t, "order", err, ErrOrder)
	}
	before := a.BuddyInfo()
	for _, v := range []struct {
		pa    uint64
		order int
	}{{p3, 2}, {p3, 4}, {p3 + page, 0}, {p3 + 1, 3}, {ram + page, 0}, {0, 0}, {1<<64 - page, 0}, {ram + 4<<20, 0}, {p1, -1}} {
		want(t, "bad free", a.Free(v.pa, v.order), ErrFree)
	}
	if a.BuddyInfo() != before {
		t.Error("a refused free changed something")
	}
	ok(t, a.Free(p0, 0))
	want(t, "double free", a.Free(p0, 0), ErrFree)
	ok(t, a.Free(p1, 1))
	ok(t, a.Free(p3, 3))
	if a.BuddyInfo() != [Orders]uint64{MaxOrder: 1} {
		t.Errorf("not joined: %v", a.BuddyInfo())
	}
	if s := a.Stats(); s.Allocations != 3 || s.Frees != 3 || s.Failures != 1 {
		t.Errorf("%+v", s)
	}
}

func TestZones(t *testing.T) {
	// Memory below and above 4 GiB, and a zone for 30 bits.
	const low, mid, high = 512 << 20, 2 << 30, 6 << 30
	a := newAllocator(t, Config{Memory: []Range{{high, 4 << 20}, {low, 4 << 20}, {mid, 4 << 20}}, Zones: []uint64{1<<30 - 1, 1<<32 - 1}})
	for _, v := range []struct {
		mask uint64
		in   []uint64 // what 4 MiB blocks come from, in order
	}{
		{0, []uint64{high, mid, low}}, {1<<64 - 1, []uint64{high, mid, low}}, {1<<40 - 1, []uint64{high, mid, low}},
		{1<<32 - 1, []uint64{mid, low}}, {1<<31 - 1, []uint64{low}}, {1<<30 - 1, []uint64{low}}, {1<<20 - 1, nil},
	} {
		var got []uint64
		for {
			pa, err := a.Alloc(MaxOrder, Flags{Mask: v.mask})
			if err != nil {
				want(t, "end", err, normalworld.ENOMEM)
				break
			}
			got = append(got, pa)
		}
		if !slices.Equal(got, v.in) {
			t.Errorf("mask %#x: %#x, want %#x", v.mask, got, v.in)
		}
		for _, pa := range got {
			ok(t, a.Free(pa, MaxOrder))
		}
	}
}

func TestZero(t *testing.T) {
	k := newKernel(t)
	a, err := New(k, Config{Memory: []Range{{ram, 64 * page}, {carveout, 64 * page}}, Costs: Costs{Zero: 100}})
	ok(t, err)
	ok(t, k.Write(ram, bytes.Repeat([]byte{0xff}, 8*page)))
	start := k.Now()
	pa, err := a.Alloc(2, Flags{})
	ok(t, err)
	got := make([]byte, 4*page)
	ok(t, k.Read(pa, got))
	if got[0] != 0xff || k.Now() != start {
		t.Error("cleared, or charged, unasked")
	}
	pa, err = a.Alloc(2, Flags{Zero: true})
	ok(t, err)
	ok(t, k.Read(pa, got))
	if !bytes.Equal(got, make([]byte, len(got))) || k.Now() != start+400 || a.Stats().ZeroedPages != 4 {
		t.Errorf("cleared %v in %d ns, %+v", bytes.Equal(got, make([]byte, len(got))), k.Now()-start, a.Stats())
	}
	ok(t, k.Write(pa, []byte{1}))
	ok(t, a.Zero(pa, 1))
	if v, err := k.Load(pa, 8); err != nil || v != 0 || k.Now() != start+500 {
		t.Errorf("%#x, %v after %d ns", v, err, k.Now()-start)
	}
	if m, err := a.AllocMovable(1, Flags{Zero: true}); err != nil || m.Order() != 1 || m.Free() != nil || a.Stats().ZeroedPages != 7 {
		t.Errorf("movable: %v, %+v", err, a.Stats())
	}
	// Memory that the firewall has closed cannot be cleared, and is not given out.
	free := a.FreePages()
	for range 20 {
		if _, err = a.Alloc(5, Flags{Zero: true}); err != nil {
			break
		}
		free -= 32
	}
	var e *normalworld.BusError
	if !errors.As(err, &e) || e.Addr != carveout || !e.Write || a.FreePages() != free {
		t.Errorf("closed memory: %v, %d pages free, want %d", err, a.FreePages(), free)
	}
	for n := uint64(0); ; n++ {
		was, allocs := a.FreePages(), a.Stats().Allocations
		if _, err = a.AllocMovable(0, Flags{Zero: true}); err == nil {
			continue
		}
		if !errors.As(err, &e) || a.FreePages() != was || a.Stats().Allocations != allocs || allocs < n {
			t.Errorf("closed memory, movable: %v, %d pages free, want %d; %+v", err, a.FreePages(), was, a.Stats())
		}
		break
	}
}

// How much of free memory a large request cannot use.
func TestUnusable(t *testing.T) {
	a := newAllocator(t, Config{Memory: []Range{{ram, 4 << 20}}})
	if a.Unusable(MaxOrder) != 0 {
		t.Error("an empty allocator is fragmented")
	}
	var all []uint64
	for range 1024 {
		pa, err := a.Alloc(0, Flags{})
		ok(t, err)
		all = append(all, pa)
	}
	if a.Unusable(0) != 0 || a.FreePages() != 0 {
		t.Error("full")
	}
	// Every second page of the first half; the second half as a whole.
	for i, pa := range all {
		if i >= 512 || i%2 == 0 {
			ok(t, a.Free(pa, 0))
		}
	}
	for order, want := range map[int]float64{0: 0, 1: 256. / 768, 9: 256. / 768, 10: 1, -1: 1, 11: 1} {
		if got := a.Unusable(order); got != want {
			t.Errorf("order %d: %v, want %v", order, got, want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	k := newKernel(t)
	for name, cfg := range map[string]Config{
		"overlapping memory": {Memory: []Range{{ram, 2 * page}, {ram + page, 2 * page}}},
		"memory that wraps":  {Memory: []Range{{1<<64 - page, 2 * page}}},
		"falling zones":      {Memory: []Range{{ram, page}}, Zones: []uint64{1<<32 - 1, 1<<30 - 1}},
		"area outside":       {Memory: []Range{{ram, 4 * page}}, Areas: []AreaConfig{{"a", Range{ram, 5 * page}, true}}},
		"area in a reserved": {Memory: []Range{{ram, 4 * page}}, Reserved: []Range{{ram, page}}, Areas: []AreaConfig{{"a", Range{ram, page}, true}}},
		"area in an area":    {Memory: []Range{{ram, 4 * page}}, Areas: []AreaConfig{{"a", Range{ram, 2 * page}, true}, {"b", Range{ram + page, page}, false}}},
		"area without size":  {Memory: []Range{{ram, 4 * page}}, Areas: []AreaConfig{{"a", Range{ram, 0}, true}}},
		"area of half pages": {Memory: []Range{{ram, 4 * page}}, Areas: []AreaConfig{{"a", Range{ram, 100}, true}}},
	} {
		if _, err := New(k, cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whole pages only, and none that is reserved in part.
func TestSubtract(t *testing.T) {
	got, err := subtract([]Range{{10 * page, 10 * page}, {100, 3 * page}, {1<<64 - 2*page, 2*page - 1}},
		[]Range{{12*page + 1, 1}, {14 * page, 2 * page}, {13 * page, 0}, {19*page + 5, 100 * page}})
	ok(t, err)
	if want := []Range{{page, 2 * page}, {10 * page, 2 * page}, {13 * page, page}, {16 * page, 3 * page}, {1<<64 - 2*page, page}}; !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

const areaPages = 512

// newArea makes an allocator with 4 MiB of pages and an area of 2 MiB behind them.
func newAreaAllocator(tb testing.TB, costs Costs) (*Allocator, *Area) {
	a := newAllocator(tb, Config{Memory: []Range{{ram, 8 << 20}}, Areas: []AreaConfig{{"linux,cma", Range{ram + 4<<20, areaPages * page}, true}},
		Reserved: []Range{{ram + 4<<20 + areaPages*page, 2 << 20}}, Costs: costs})
	return a, a.DefaultArea()
}

func TestArea(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{})
	if ar.Name() != "linux,cma" || a.Area("linux,cma") != ar || a.Area("x") != nil || len(a.Areas()) != 1 || ar.FreePages() != areaPages {
		t.Fatalf("area %+v", ar)
	}
	base := ar.Range().Base
	p1, err := ar.Alloc(3, 0)
	ok(t, err)
	p2, err := ar.Alloc(5, 3) // aligned to 8 pages
	ok(t, err)
	p3, err := ar.Alloc(4, 0)
	ok(t, err)
	if p1 != base || p2 != base+8*page || p3 != base+3*page {
		t.Errorf("at %#x, %#x, %#x", p1-base, p2-base, p3-base)
	}
	if ar.UsedPages() != 12 || ar.FreePages() != areaPages-12 {
		t.Errorf("%d used, %d free", ar.UsedPages(), ar.FreePages())
	}
	_, err = ar.Alloc(areaPages, 0)
	want(t, "too much", err, normalworld.ENOMEM)
	_, err = ar.Alloc(1<<63, 0)
	want(t, "far too much", err, normalworld.ENOMEM)
	_, err = ar.Alloc(0, 0)
	want(t, "nothing", err, normalworld.EINVAL)
	_, err = ar.Alloc(1, -1)
	want(t, "alignment", err, normalworld.EINVAL)
	for _, bad := range []Range{{p1 + 1, page}, {p1, 8 * page}, {base - page, page}, {base + areaPages*page, page}, {p1, 0}, {p1, 1<<64 - page}} {
		want(t, "bad free", ar.Free(bad.Base, bad.Size/page), ErrFree)
	}
	ok(t, ar.Free(p1, 2)) // a part
	ok(t, ar.Free(p1+2*page, 1))
	want(t, "double free", ar.Free(p1, 1), ErrFree)
	ok(t, ar.Free(p2, 5))
	ok(t, ar.Free(p3, 4))
	if ar.UsedPages() != 0 || ar.FreePages() != areaPages {
		t.Errorf("%d used, %d free", ar.UsedPages(), ar.FreePages())
	}
	// What cannot move never lives in an area.
	for {
		pa, err := a.Alloc(0, Flags{})
		if err != nil {
			break
		}
		if ar.Range().Contains(pa, page) {
			t.Fatalf("a page that cannot move at %#x", pa)
		}
	}
	if a.FreePages() != areaPages {
		t.Errorf("%d pages free", a.FreePages())
	}
}

// Movable pages live in an area while it holds more than half of what is free, and when there is nothing else.
func TestMovableBalance(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{})
	in := func() bool {
		t.Helper()
		p, err := a.AllocMovable(0, Flags{})
		ok(t, err)
		return ar.Range().Contains(p.PA(), page)
	}
	// 1024 pages outside, 512 in the area.
	if in() {
		t.Error("from the area, which has less than half")
	}
	for range 510 { // 513 left outside
		_, err := a.Alloc(0, Flags{})
		ok(t, err)
	}
	if in() { // 513 and 512
		t.Error("from the area, which has less than half")
	}
	if in() { // 512 and 512
		t.Error("from the area, which has half")
	}
	if !in() { // 511 and 512
		t.Error("not from the area, which has more than half")
	}
	for range 511 {
		_, err := a.Alloc(0, Flags{})
		ok(t, err)
	}
	for range areaPages - 1 {
		if !in() {
			t.Fatal("where from?")
		}
	}
	_, err := a.AllocMovable(0, Flags{})
	want(t, "full", err, normalworld.ENOMEM)
}

// What is in the way moves: its contents stay, it takes time, and it is counted.
func TestMigration(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{Migrate: 50})
	var pages []*Page
	for { // fill memory
		p, err := a.AllocMovable(1, Flags{})
		if err != nil {
			break
		}
		ok(t, a.k.Write(p.PA(), binary.LittleEndian.AppendUint64(nil, uint64(len(pages)))))
		ok(t, a.k.Write(p.PA()+2*page-8, binary.LittleEndian.AppendUint64(nil, ^uint64(len(pages)))))
		pages = append(pages, p)
	}
	if len(pages) != (1024+areaPages)/2 {
		t.Fatalf("%d blocks", len(pages))
	}
	_, err := ar.Alloc(4, 0)
	want(t, "nowhere to go", err, normalworld.EBUSY)
	if a.FreePages() != 0 || ar.UsedPages() != 0 {
		t.Errorf("%d pages free, %d used", a.FreePages(), ar.UsedPages())
	}
	// Make room outside of the area.
	freed := 0
	for i, p := range pages {
		if freed < 20 && !ar.Range().Contains(p.PA(), page) {
			ok(t, p.Free())
			pages[i] = nil
			freed++
		}
	}
	// An odd number of pages: the last block moves as a whole, and its second page is free.
	start, moved := a.k.Now(), a.Stats().MigratedPages
	pa, err := ar.Alloc(5, 0)
	ok(t, err)
	if pa != ar.Range().Base || a.Stats().MigratedPages-moved != 6 || a.k.Now()-start != 6*50 || ar.UsedPages() != 5 || ar.FreePages() != 1 {
		t.Errorf("at %#x, %+v, took %d ns, %d used, %d free", pa, a.Stats(), a.k.Now()-start, ar.UsedPages(), ar.FreePages())
	}
	var moves uint64
	for i, p := range pages {
		if p == nil {
			continue
		}
		moves += p.Moves()
		var b [8]byte
		ok(t, a.k.Read(p.PA(), b[:]))
		first := binary.LittleEndian.Uint64(b[:])
		ok(t, a.k.Read(p.PA()+2*page-8, b[:]))
		if last := binary.LittleEndian.Uint64(b[:]); first != uint64(i) || last != ^uint64(i) {
			t.Fatalf("block %d has %#x and %#x", i, first, last)
		}
		if p.PA() < pa+5*page && pa < p.PA()+2*page {
			t.Fatalf("block %d is in the contiguous memory", i)
		}
	}
	if moves != 3 {
		t.Errorf("%d blocks moved, want 3", moves)
	}
	ok(t, ar.Free(pa, 5))
}

// A block that has moved within the area moves again: the first page of its new place is known.
func TestMigrationTwice(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{})
	for range 1024 {
		_, err := a.Alloc(0, Flags{})
		ok(t, err)
	}
	p, err := a.AllocMovable(2, Flags{})
	ok(t, err)
	first := p.PA()
	for i := range uint64(3) {
		pa, err := ar.Alloc(4, 0)
		ok(t, err)
		if pa != first+i*4*page || p.PA() != pa+4*page || p.Moves() != i+1 {
			t.Fatalf("contiguous memory %d at %#x; the block has moved %d times, to %#x", i, pa, p.Moves(), p.PA())
		}
	}
	ok(t, p.Free())
	if len(a.movable) != 0 {
		t.Errorf("%d handles are left", len(a.movable))
	}
}

// A run that begins and ends within blocks: they move, and what they had outside of the run is free.
func TestContigWithinBlocks(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{})
	for range 1024 {
		_, err := a.Alloc(0, Flags{})
		ok(t, err)
	}
	var blocks [2]*Page
	for i := range blocks {
		var err error
		blocks[i], err = a.AllocMovable(2, Flags{})
		ok(t, err)
	}
	base := ar.Range().Base
	ok(t, ar.contig(base/page+3, 3)) // the last page of one and two of the other
	for i, p := range blocks {
		if p.Moves() != 1 || p.PA() < base+8*page {
			t.Errorf("block %d at %#x after %d moves", i, p.PA(), p.Moves())
		}
	}
	if ar.FreePages() != areaPages-8-3 {
		t.Errorf("%d pages free, want %d", ar.FreePages(), areaPages-8-3)
	}
	for i := range uint64(8) {
		if _, _, free := ar.bud.freeBlock(base/page + i - ar.bud.base); free != (i < 3 || i > 5) {
			t.Errorf("page %d is free: %v", i, free)
		}
	}
}

// Movable pages are within their user's mask, also when they move.
func TestMovableMask(t *testing.T) {
	const low, high = 1 << 30, 5 << 30
	a := newAllocator(t, Config{Memory: []Range{{low, 8 * page}, {high, 8 * page}}, Areas: []AreaConfig{{"low", Range{low, 4 * page}, true}, {"high", Range{high, 4 * page}, false}}})
	count := func(mask uint64) (n int) {
		var got []*Page
		for {
			p, err := a.AllocMovable(0, Flags{Mask: mask})
			if err != nil {
				break
			}
			if got = append(got, p); mask != 0 && p.PA()+page-1 > mask {
				t.Errorf("mask %#x: a page at %#x", mask, p.PA())
			}
		}
		for _, p := range got {
			ok(t, p.Free())
		}
		return len(got)
	}
	failures := a.Stats().Failures
	for mask, want := range map[uint64]int{0: 16, 1<<40 - 1: 16, 1<<32 - 1: 8, low + 8*page - 1: 8, low + 8*page - 2: 0, low + 4*page - 1: 0} {
		if got := count(mask); got != want {
			t.Errorf("mask %#x: %d pages, want %d", mask, got, want)
		}
	}
	if a.Stats().Failures != failures+6 {
		t.Errorf("%d failures counted, want 6", a.Stats().Failures-failures)
	}
}

// A pinned page is in the way: the next place is tried.
func TestPinned(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{})
	for range 1024 { // so that movable pages go to the area
		_, err := a.Alloc(0, Flags{})
		ok(t, err)
	}
	var pages []*Page
	for range 64 {
		p, err := a.AllocMovable(0, Flags{})
		ok(t, err)
		pages = append(pages, p)
	}
	ok(t, pages[3].Pin())
	ok(t, pages[3].Pin())
	want(t, "free of a pinned one", pages[3].Free(), ErrPin)
	pa, err := ar.Alloc(8, 3)
	ok(t, err)
	if pa != ar.Range().Base+8*page || a.Stats().ContigRetries != 1 || a.Stats().MigratedPages != 8 {
		t.Errorf("at page %d, %+v", (pa-ar.Range().Base)/page, a.Stats())
	}
	ok(t, ar.Free(pa, 8))
	ok(t, pages[3].Unpin())
	_, err = ar.Alloc(areaPages, 0)
	want(t, "all of it, with one page pinned", err, normalworld.EBUSY)
	ok(t, pages[3].Unpin())
	want(t, "unpin", pages[3].Unpin(), ErrPin)
	_, err = ar.Alloc(areaPages, 0)
	want(t, "all of it, with nowhere to go", err, normalworld.EBUSY)
	free := a.FreePages()
	for _, p := range pages {
		ok(t, p.Free())
	}
	want(t, "free", pages[0].Free(), ErrPage)
	want(t, "pin", pages[0].Pin(), ErrPage)
	want(t, "unpin", pages[0].Unpin(), ErrPage)
	if a.FreePages() != free+64 {
		t.Error("lost pages")
	}
	pa, err = ar.Alloc(areaPages, 0)
	ok(t, err)
	if pa != ar.Range().Base {
		t.Errorf("at %#x", pa)
	}
}

func TestContig(t *testing.T) {
	a, ar := newAreaAllocator(t, Costs{Zero: 10})
	pa, err := a.AllocContig(5*page+1, Flags{Zero: true})
	ok(t, err)
	if !ar.Range().Contains(pa, 6*page) || ar.UsedPages() != 6 || a.k.Now() != 60 {
		t.Errorf("at %#x, %d used, took %d", pa, ar.UsedPages(), a.k.Now())
	}
	one, err := a.AllocContig(1, Flags{})
	ok(t, err)
	near, err := a.AllocContig(3*page, Flags{Mask: ar.Range().Base - 1})
	ok(t, err)
	_, err = a.AllocContig(3*page, Flags{Mask: ram + 1<<20})
	want(t, "the area is out of reach, and so is some of the zone", err, normalworld.ENOMEM)
	if ar.Range().Contains(one, 1) || ar.Range().Contains(near, 1) {
		t.Errorf("one page at %#x, some for a narrow mask at %#x", one, near)
	}
	ok(t, a.FreeContig(near, 3*page))
	_, err = a.AllocContig(8<<20, Flags{})
	want(t, "too much", err, normalworld.ENOMEM)
	for _, n := range []uint64{0, 1<<64 - 1, 1 << 63} {
		_, err = a.AllocContig(n, Flags{})
		want(t, "size", err, normalworld.ENOMEM)
	}
	// More than the area has: a block of the page allocator.
	big, err := a.AllocContig(2<<20-page, Flags{})
	ok(t, err)
	if ar.Range().Contains(big, 1) {
		t.Errorf("at %#x", big)
	}
	ok(t, a.FreeContig(big, 2<<20-page))
	ok(t, a.FreeContig(one, 1))
	ok(t, a.FreeContig(pa, 5*page+1))
	want(t, "again", a.FreeContig(pa, 5*page+1), ErrFree)
	if a.FreePages() != a.TotalPages() {
		t.Errorf("%d of %d pages free", a.FreePages(), a.TotalPages())
	}
	// An area that the firewall closes: it is not given out.
	a, err = New(newKernel(t), Config{Memory: []Range{{carveout, 16 * page}}, Areas: []AreaConfig{{"a", Range{carveout, 16 * page}, true}}})
	ok(t, err)
	var e *normalworld.BusError
	if _, err = a.AllocContig(3*page, Flags{Zero: true}); !errors.As(err, &e) || e.Addr != carveout {
		t.Errorf("closed memory: %v", err)
	}
	if a.FreePages() != 16 || a.DefaultArea().UsedPages() != 0 {
		t.Errorf("%d pages free", a.FreePages())
	}
	for mask, want := range map[uint64]error{carveout + 16*page - 1: nil, carveout + 16*page - 2: normalworld.ENOMEM} {
		pa, err := a.AllocContig(2*page, Flags{Mask: mask})
		if !errors.Is(err, want) || err == nil && pa != carveout {
			t.Errorf("mask %#x: %#x, %v, want %v", mask, pa, err, want)
		}
	}
}

// Where a layout places what has no address.
func TestPlace(t *testing.T) {
	l := &Layout{Memory: []Range{{ram, 16 * page}, {ram + 32*page, 8 * page}}}
	any := []Range{{0, 1 << 40}}
	for _, v := range []struct {
		size, align uint64
		within      []Range
		want        uint64 // 0 for no room
	}{
		{1, page, any, ram + 39*page}, {page + 1, page, any, ram + 38*page}, {8 * page, page, any, ram + 32*page}, {9 * page, page, any, ram + 7*page},
		{16 * page, page, any, ram}, {17 * page, page, any, 0}, {page, 16 * page, any, ram + 32*page}, {page, 32 * page, any, ram + 32*page},
		{page, page, []Range{{ram, 3 * page}, {ram + 5*page, page}, {0, page}}, ram + 5*page}, {page, page, []Range{{ram + 16*page, 16 * page}}, 0},
		{page, page, nil, 0}, {1<<64 - 1, page, any, 0}, {0, page, any, 0}, {page, 3 * page, any, 0},
	} {
		r, err := l.place(v.size, v.align, v.within)
		if v.want == 0 {
			want(t, "no room", err, ErrConfig)
		} else if err != nil || r.Base != v.want || r.Size != (v.size+page-1)/page*page {
			t.Errorf("%#x aligned to %#x within %x: %x, %v, want %#x", v.size, v.align, v.within, r, err, v.want)
		}
	}
}

// What a tree says with its defaults (Devicetree Specification 0.4, 2.3.5): two cells for an address and one for a size.
func TestDiscoverDefaults(t *testing.T) {
	root := dt.NewNode("", dt.WithChildren(
		dt.NewNode("memory", dt.WithProperty(dt.PropertyString("device_type", "memory"), dt.Property{Name: "reg", Value: cells(1, 0, 0x1000, 2, 0, 0x2000)})),
		dt.NewNode("cpu", dt.WithProperty(dt.PropertyString("device_type", "cpu"), dt.Property{Name: "reg", Value: cells(1)})),
		dt.NewNode("memory@3", dt.WithProperty(dt.PropertyString("device_type", "memory"), dt.PropertyString("status", "disabled"), dt.Property{Name: "reg", Value: cells(3, 0, 0x1000)})),
		dt.NewNode("memory@4", dt.WithProperty(dt.PropertyString("device_type", "memory"), dt.PropertyString("status", "okay"), dt.Property{Name: "reg", Value: cells(4, 0, 0x1000)}))))
	l, err := discover(&dt.FDT{RootNode: root})
	ok(t, err)
	if want := []Range{{1 << 32, 0x1000}, {2 << 32, 0x2000}, {4 << 32, 0x1000}}; !slices.Equal(l.Memory, want) || l.Reserved != nil {
		t.Errorf("%+v, want %x", l, want)
	}
	_, err = discover(&dt.FDT{})
	want(t, "no root", err, ErrConfig)
	root.Children[0].Properties = root.Children[0].Properties[:1]
	_, err = discover(&dt.FDT{RootNode: root})
	want(t, "memory without reg", err, ErrConfig)
}

// Random operations against a model in which memory is a list of pages with owners: nothing is given out twice, nothing is lost, what
// moves keeps its contents, and a refusal has a reason.
func TestAllocatorModel(t *testing.T) {
	for seed := range uint64(4) {
		modelRun(t, seed, 6000)
	}
}

type block struct {
	pa     uint64
	pages  uint64
	order  int
	kind   byte // p page, m movable, c contiguous
	handle *Page
	mark   uint64
}

func modelRun(t *testing.T, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 9))
	a, ar := newAreaAllocator(t, Costs{})
	owner := make(map[uint64]int) // page to block
	blocks := make(map[int]*block)
	ids := 0
	claim := func(b *block) {
		t.Helper()
		ids++
		blocks[ids] = b
		for i := range b.pages {
			pa := b.pa + i*page
			if o, taken := owner[pa]; taken {
				t.Fatalf("seed %d: page %#x is %d's and given to %d", seed, pa, o, ids)
			}
			inArea := ar.Range().Contains(pa, page)
			if !inArea && (pa < ram || pa >= ram+4<<20) || inArea && b.kind == 'p' || !inArea && b.kind == 'c' {
				t.Fatalf("seed %d: page %#x for kind %c", seed, pa, b.kind)
			}
			owner[pa] = ids
		}
		b.mark = rnd.Uint64()
		ok(t, a.k.Write(b.pa+(b.pages-1)*page, binary.LittleEndian.AppendUint64(nil, b.mark)))
	}
	// moved tells the model where movable blocks are now.
	moved := func() {
		for id, b := range blocks {
			if b.handle == nil || b.handle.PA() == b.pa {
				continue
			}
			for i := range b.pages {
				if owner[b.pa+i*page] == id {
					delete(owner, b.pa+i*page)
				}
			}
		}
		for id, b := range blocks {
			if b.handle == nil || b.handle.PA() == b.pa {
				continue
			}
			b.pa = b.handle.PA()
			for i := range b.pages {
				if o, taken := owner[b.pa+i*page]; taken {
					t.Fatalf("seed %d: block %d moved onto %d", seed, id, o)
				}
				owner[b.pa+i*page] = id
			}
		}
	}
	run := func(in Range, n, align uint64, can func(uint64) bool) bool { // is there an aligned run of pages that can be had?
		for at := (in.Base + align*page - 1) / (align * page) * (align * page); at+n*page <= in.End(); at += align * page {
			good := true
			for i := range n {
				if !can(at + i*page) {
					good = false
					break
				}
			}
			if good {
				return true
			}
		}
		return false
	}
	outside := Range{ram, 4 << 20}
	free := func(pa uint64) bool { _, taken := owner[pa]; return !taken }
	ordered := func() []int { return slices.Sorted(maps.Keys(blocks)) }
	for step := range steps {
		switch op := rnd.IntN(10); {
		case op < 2:
			o := rnd.IntN(6)
			pa, err := a.Alloc(o, Flags{})
			if there := run(outside, 1<<o, 1<<o, free); there != (err == nil) {
				t.Fatalf("seed %d: order %d: %v, and there is one: %v", seed, o, err, there)
			} else if there {
				claim(&block{pa: pa, pages: 1 << o, order: o, kind: 'p'})
			}
		case op < 4:
			o := rnd.IntN(4)
			p, err := a.AllocMovable(o, Flags{})
			if there := run(outside, 1<<o, 1<<o, free) || run(ar.Range(), 1<<o, 1<<o, free); there != (err == nil) {
				t.Fatalf("seed %d: movable order %d: %v, and there is one: %v", seed, o, err, there)
			} else if there {
				claim(&block{pa: p.PA(), pages: 1 << o, order: o, kind: 'm', handle: p})
			}
		case op == 4:
			n, align := uint64(1+rnd.IntN(40)), rnd.IntN(4)
			pa, err := ar.Alloc(n, align)
			moved()
			movable := func(pa uint64) bool {
				id, taken := owner[pa]
				return !taken || blocks[id].kind == 'm' && blocks[id].handle.pins == 0
			}
			switch {
			case err == nil:
				claim(&block{pa: pa, pages: n, kind: 'c'})
			case errors.Is(err, normalworld.ENOMEM):
				if run(ar.Range(), n, 1<<align, func(pa uint64) bool { id, taken := owner[pa]; return !taken || blocks[id].kind != 'c' }) {
					t.Fatalf("seed %d: ENOMEM with a run of %d", seed, n)
				}
			case errors.Is(err, normalworld.EBUSY):
				if run(ar.Range(), n, 1<<align, free) {
					t.Fatalf("seed %d: EBUSY with a free run of %d", seed, n)
				}
				// With plenty of room everything that may move can.
				if uint64(len(owner)) < 600 && run(ar.Range(), n, 1<<align, movable) && a.Unusable(3) < 0.1 {
					t.Fatalf("seed %d: EBUSY with %d pages in use", seed, len(owner))
				}
			default:
				t.Fatal(err)
			}
		case op == 5:
			if keys := ordered(); len(keys) > 0 {
				if b := blocks[keys[rnd.IntN(len(keys))]]; b.kind == 'm' {
					if b.handle.pins > 0 {
						ok(t, b.handle.Unpin())
					} else if rnd.IntN(4) == 0 {
						ok(t, b.handle.Pin())
					}
				}
			}
		default:
			keys := ordered()
			if len(keys) == 0 || op > 7 && len(keys) < 60 {
				break
			}
			id := keys[rnd.IntN(len(keys))]
			b := blocks[id]
			var got [8]byte
			ok(t, a.k.Read(b.pa+(b.pages-1)*page, got[:]))
			if binary.LittleEndian.Uint64(got[:]) != b.mark {
				t.Fatalf("seed %d: block %d lost its contents", seed, id)
			}
			switch b.kind {
			case 'p':
				ok(t, a.Free(b.pa, b.order))
				want(t, "double free", a.Free(b.pa, b.order), ErrFree)
			case 'm':
				if b.handle.pins > 0 {
					ok(t, b.handle.Unpin())
				}
				ok(t, b.handle.Free())
			case 'c':
				ok(t, ar.Free(b.pa, b.pages))
			}
			for i := range b.pages {
				delete(owner, b.pa+i*page)
			}
			delete(blocks, id)
		}
		if got, want := a.FreePages(), a.TotalPages()-uint64(len(owner)); got != want {
			t.Fatalf("seed %d, step %d: %d pages free, want %d", seed, step, got, want)
		}
		if step%500 == 0 {
			checkLists(t, a, owner)
		}
	}
	if a.Stats().MigratedPages == 0 || a.Stats().ContigRetries == 0 {
		t.Errorf("seed %d: nothing moved, or nothing was in the way: %+v", seed, a.Stats())
	}
	for _, id := range ordered() {
		switch b := blocks[id]; b.kind {
		case 'p':
			ok(t, a.Free(b.pa, b.order))
		case 'm':
			if b.handle.pins > 0 {
				ok(t, b.handle.Unpin())
			}
			ok(t, b.handle.Free())
		case 'c':
			ok(t, ar.Free(b.pa, b.pages))
		}
	}
	if a.FreePages() != a.TotalPages() || a.BuddyInfo() != [Orders]uint64{9: 1, 10: 1} || len(a.movable) != 0 {
		t.Errorf("seed %d: left: %v, %d of %d pages free", seed, a.BuddyInfo(), a.FreePages(), a.TotalPages())
	}
}

// checkLists: each page is in one free block or has an owner, and no two buddies are both free.
func checkLists(t *testing.T, a *Allocator, owner map[uint64]int) {
	t.Helper()
	seen := make(map[uint64]bool)
	buddies := []*buddy{a.areas[0].bud}
	for i := range a.zones {
		buddies = append(buddies, a.zones[i].bud)
	}
	for _, b := range buddies {
		for o := range Orders {
			for n := uint64(0); n<<o < b.pages; n++ {
				if !b.free[o].has(n) {
					continue
				}
				if o < MaxOrder && b.free[o].has(n^1) {
					t.Fatalf("order %d: blocks %d and %d are both free", o, n, n^1)
				}
				for i := n << o; i < (n+1)<<o; i++ {
					pa := (b.base + i) << pageShift
					if _, taken := owner[pa]; taken || seen[pa] {
						t.Fatalf("page %#x is free, and taken %v or free twice %v", pa, taken, seen[pa])
					}
					seen[pa] = true
				}
			}
		}
	}
	if uint64(len(seen)+len(owner)) != a.TotalPages() {
		t.Fatalf("%d free and %d taken pages of %d", len(seen), len(owner), a.TotalPages())
	}
}

func TestPool(t *testing.T) {
	for _, bad := range []Range{{ram, 0}, {ram + 1, page}, {ram, page + 1}, {1<<64 - page, 2 * page}} {
		_, err := NewPool(bad)
		want(t, "pool", err, normalworld.EINVAL)
	}
	p, err := NewPool(Range{0, 200 * page}) // address 0 is as good as another
	ok(t, err)
	a, err := p.Alloc(1)
	ok(t, err)
	b, err := p.Alloc(3*page - 1)
	ok(t, err)
	if a != 0 || b != page || p.FreePages() != 196 {
		t.Errorf("at %#x and %#x, %d free", a, b, p.FreePages())
	}
	_, err = p.Alloc(0)
	want(t, "nothing", err, normalworld.EINVAL)
	for _, n := range []uint64{197 * page, 1 << 63, 1<<64 - 1} {
		_, err = p.Alloc(n)
		want(t, "too much", err, normalworld.ENOMEM)
	}
	for _, bad := range []Range{{b, 2 * page}, {b, 4 * page}, {b + page, 2 * page}, {b, 0}, {b + 1, 3 * page}, {a, 4 * page}, {200 * page, page}, {b, 1<<64 - 1}, {4 * page, page}} {
		want(t, fmt.Sprintf("free %x", bad), p.Free(bad.Base, bad.Size), ErrFree)
	}
	ok(t, p.Free(a, 1))
	want(t, "double free", p.Free(a, 1), ErrFree)
	ok(t, p.Free(b, 3*page-1))
	if p.FreePages() != 200 {
		t.Errorf("%d free", p.FreePages())
	}
}

func TestBounce(t *testing.T) {
	l := &Layout{Memory: []Range{{ram, 64 << 20}, {8 << 30, 64 << 20}}}
	r, err := l.ReserveBounce(1<<20, 1<<32-1)
	ok(t, err)
	if r != (Range{ram + 63<<20, 1 << 20}) || !slices.Equal(l.Config(Costs{}).Reserved, []Range{r}) {
		t.Errorf("bounce memory %x, reserved %x", r, l.Config(Costs{}).Reserved)
	}
	if high, err := l.ReserveBounce(page, 1<<64-1); err != nil || high.End() != 8<<30+64<<20 {
		t.Errorf("without a mask: %x, %v", high, err)
	}
	if edge, err := l.ReserveBounce(page, ram+page-1); err != nil || edge.Base != ram {
		t.Errorf("the mask's last page: %x, %v", edge, err)
	}
	_, err = l.ReserveBounce(1<<20, 1<<20)
	want(t, "out of the mask's reach", err, ErrConfig)
	_, err = NewBounce(Range{ram, 1})
	want(t, "no pages", err, normalworld.EINVAL)
	b, err := NewBounce(r)
	ok(t, err)
	pa, err := b.AllocBounce(MaxBounce, 1<<32-1)
	ok(t, err)
	if pa != r.Base || b.FreePages() != 256-64 {
		t.Errorf("at %#x, %d pages free", pa, b.FreePages())
	}
	for _, v := range []struct{ size, mask uint64 }{{MaxBounce + 1, 1<<32 - 1}, {page, r.End() - 2}, {0, 1<<32 - 1}} {
		_, err = b.AllocBounce(v.size, v.mask)
		want(t, "bounce", err, normalworld.EIO)
	}
	b.FreeBounce(pa, MaxBounce)
	if b.FreePages() != 256 {
		t.Errorf("%d pages free", b.FreePages())
	}
}

// The pool against a model: the lowest run that fits, always.
func TestPoolModel(t *testing.T) {
	const pages = 300
	rnd := rand.New(rand.NewPCG(7, 7))
	p, err := NewPool(Range{ram, pages * page})
	ok(t, err)
	var used [pages]bool
	type run struct{ at, n int }
	var out []run
	for range 50_000 {
		if n := 1 + rnd.IntN(70); rnd.IntN(2) == 0 {
			at, zero := -1, 0
			for i := range pages {
				if zero++; used[i] {
					zero = 0
				}
				if zero == n {
					at = i - n + 1
					break
				}
			}
			pa, err := p.Alloc(uint64(n) * page)
			if at < 0 {
				want(t, "no run", err, normalworld.ENOMEM)
				continue
			}
			if err != nil || pa != ram+uint64(at)*page {
				t.Fatalf("%d pages at %#x, %v, want page %d", n, pa, err, at)
			}
			for i := range n {
				used[at+i] = true
			}
			out = append(out, run{at, n})
		} else if len(out) > 0 {
			i := rnd.IntN(len(out))
			r := out[i]
			out = slices.Delete(out, i, i+1)
			ok(t, p.Free(ram+uint64(r.at)*page, uint64(r.n)*page))
			for i := range r.n {
				used[r.at+i] = false
			}
		}
		free := 0
		for _, u := range used {
			if !u {
				free++
			}
		}
		if p.FreePages() != uint64(free) {
			t.Fatalf("%d free, want %d", p.FreePages(), free)
		}
	}
}

func TestBitset(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []uint64{1, 63, 64, 65, 4096, 4097, 300_000} {
		b := newBitset(n)
		model := make(map[uint64]bool)
		for range 2000 {
			i := rnd.Uint64N(n)
			if rnd.IntN(2) == 0 {
				b.set(i)
				model[i] = true
			} else {
				b.clear(i)
				delete(model, i)
			}
			if b.has(i) != model[i] {
				t.Fatalf("size %d: member %d", n, i)
			}
			lowest, any := uint64(1<<63), false
			for k := range model {
				lowest, any = min(lowest, k), true
			}
			if got, found := b.first(); found != any || any && got != lowest {
				t.Fatalf("size %d: lowest %d, %v, want %d", n, got, found, lowest)
			}
		}
	}
}

// The board's own tree, and what a kernel does with it.
func TestDiscover(t *testing.T) {
	k := newKernel(t,
		platform.Reserved{Name: "sdp", Base: carveout, Size: 2 << 20, NoMap: true, Compatible: "linaro,secure-heap"},
		platform.Reserved{Name: "firmware", Base: platform.RAMBase + 8<<20, Size: 64 << 10})
	l, err := Discover(k.DTB())
	ok(t, err)
	if !slices.Equal(l.Memory, []Range{{platform.RAMBase, 128 << 20}}) || len(l.Reserved) != 2 {
		t.Fatalf("%+v", l)
	}
	sec := l.Compatible("linaro,secure-heap")
	if len(sec) != 1 || sec[0].Name != "sdp@44000000" || sec[0].Range != (Range{carveout, 2 << 20}) || !sec[0].NoMap || sec[0].Reusable {
		t.Errorf("%+v", sec)
	}
	ok(t, l.ReserveArea(16<<20))
	a, err := New(k, l.Config(Costs{}))
	ok(t, err)
	if ar := a.DefaultArea(); ar == nil || ar.Name() != "reserved" || ar.Range() != (Range{platform.RAMBase + 112<<20, 16 << 20}) {
		t.Errorf("default area %+v", a.DefaultArea())
	}
	if want := uint64(128<<20-2<<20-64<<10) / page; a.TotalPages() != want {
		t.Errorf("%d pages, want %d", a.TotalPages(), want)
	}
	for {
		pa, err := a.Alloc(0, Flags{})
		if err != nil {
			break
		}
		for _, r := range l.Reserved {
			if r.Range.Contains(pa, 1) {
				t.Fatalf("page %#x is in %s", pa, r.Name)
			}
		}
	}
}

func tree(memory []byte, children ...*dt.Node) []byte {
	prop := func(name string, v ...uint32) dt.Property { return dt.PropertyU32Array(name, v) }
	root := dt.NewNode("", dt.WithProperty(prop("#address-cells", 2), prop("#size-cells", 1)), dt.WithChildren(
		dt.NewNode("memory@40000000", dt.WithProperty(dt.PropertyString("device_type", "memory"), dt.Property{Name: "reg", Value: memory})),
		dt.NewNode("reserved-memory", dt.WithProperty(prop("#address-cells", 1), prop("#size-cells", 1)), dt.WithChildren(children...))))
	fdt := &dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: root,
		ReserveEntries: []dt.ReserveEntry{{Address: 0x4000_0000, Size: 0x1000}}}
	var b bytes.Buffer
	if _, err := fdt.Write(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func cells(v ...uint32) (b []byte) {
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

// Contiguous areas in a tree (reserved-memory/shared-dma-pool.yaml): with reg, and placed by the kernel.
func TestDiscoverAreas(t *testing.T) {
	flag := func(name string) dt.Property { return dt.Property{Name: name} }
	num := func(name string, v ...uint32) dt.Property { return dt.PropertyU32Array(name, v) }
	cma := dt.PropertyString("compatible", "shared-dma-pool")
	dtb := tree(cells(0, 0x4000_0000, 0x800_0000),
		dt.NewNode("linux,cma", dt.WithProperty(cma, flag("reusable"), flag("linux,cma-default"), num("size", 0x100_0000), num("alignment", 0x40_0000))),
		dt.NewNode("vpu@41000000", dt.WithProperty(cma, flag("reusable"), num("reg", 0x4100_0000, 0x20_0000))),
		dt.NewNode("low", dt.WithProperty(num("size", 0x2000), num("alloc-ranges", 0x4000_0000, 0x10_0000))),
		dt.NewNode("dsp@42000000", dt.WithProperty(cma, flag("no-map"), num("reg", 0x4200_0000, 0x1000))),
		dt.NewNode("off@43000000", dt.WithProperty(dt.PropertyString("status", "disabled"), num("reg", 0x4300_0000, 0x1000))))
	l, err := Discover(dtb)
	ok(t, err)
	a, err := New(newKernel(t), l.Config(DefaultCosts))
	ok(t, err)
	if d := a.DefaultArea(); d == nil || d.Name() != "linux,cma" || d.Range() != (Range{0x4700_0000, 0x100_0000}) {
		t.Errorf("default area %+v", d)
	}
	if v := a.Area("vpu@41000000"); v == nil || v.Range() != (Range{0x4100_0000, 0x20_0000}) || len(a.Areas()) != 2 {
		t.Errorf("areas %+v", a.Areas())
	}
	// 128 MiB without the reservation block's page, "low" and "dsp"; "off" does not count.
	if want := uint64(0x8000 - 1 - 2 - 1); a.TotalPages() != want {
		t.Errorf("%#x pages, want %#x", a.TotalPages(), want)
	}
	if low := l.Reserved[len(l.Reserved)-1]; low.Name != "low" || low.Range != (Range{0x400f_e000, 0x2000}) {
		t.Errorf("placed %+v", low)
	}
	for name, bad := range map[string][]byte{
		"no tree":             nil,
		"short reg of memory": tree(cells(0, 0x4000_0000)),
		"wrapping memory":     tree(cells(0xffff_ffff, 0xffff_f000, 0x1001)),
		"no room":             tree(cells(0, 0x4000_0000, 0x1_0000), dt.NewNode("x", dt.WithProperty(num("size", 0x10_0000)))),
		"no size":             tree(cells(0, 0x4000_0000, 0x1_0000), dt.NewNode("x")),
		"odd alignment":       tree(cells(0, 0x4000_0000, 0x1_0000), dt.NewNode("x", dt.WithProperty(num("size", 0x1000), num("alignment", 0x3000)))),
		"short reg":           tree(cells(0, 0x4000_0000, 0x1_0000), dt.NewNode("x@0", dt.WithProperty(num("reg", 0x1000)))),
	} {
		if _, err := Discover(bad); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := l.ReserveArea(1 << 40); !errors.Is(err, ErrConfig) {
		t.Errorf("an area that is too large: %v", err)
	}
}

// FuzzDiscover reads trees whose numbers are anything, and builds an allocator of what they say.
func FuzzDiscover(f *testing.F) {
	k := newKernel(f)
	f.Add(cells(0, 0x4000_0000, 0x800_0000), cells(0x4010_0000, 0x1000), cells(0x10_0000), cells(0x1000), cells(0x4000_0000, 0x100_0000), cells(2), cells(1), uint64(0x4000_0000), uint64(1))
	f.Add(cells(0, 0xffff_0000, 0xffff_ffff), cells(0xffff_ffff, 0xffff_ffff), cells(0xffff_ffff), cells(0x8000_0000), cells(0, 0xffff_ffff), cells(1), cells(2), uint64(0), uint64(1<<63))
	f.Fuzz(func(t *testing.T, memory, reg, size, align, within, ac, sc []byte, entry, entrySize uint64) {
		val := func(name string, v []byte) dt.Property { return dt.Property{Name: name, Value: v} }
		root := dt.NewNode("", dt.WithProperty(val("#address-cells", ac), val("#size-cells", sc)), dt.WithChildren(
			dt.NewNode("memory", dt.WithProperty(dt.PropertyString("device_type", "memory"), val("reg", memory))),
			dt.NewNode("reserved-memory", dt.WithProperty(val("#address-cells", ac), val("#size-cells", sc)), dt.WithChildren(
				dt.NewNode("a", dt.WithProperty(val("reg", reg))),
				dt.NewNode("b", dt.WithProperty(dt.PropertyString("compatible", "shared-dma-pool"), val("reusable", nil), val("size", size),
					val("alignment", align), val("alloc-ranges", within))),
				dt.NewNode("c", dt.WithProperty(dt.PropertyString("compatible", "shared-dma-pool"), val("reusable", nil), val("size", size)))))))
		l, err := discover(&dt.FDT{RootNode: root, ReserveEntries: []dt.ReserveEntry{{Address: entry, Size: entrySize}}})
		if err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%v is no ErrConfig", err)
			}
			return
		}
		var total uint64
		for _, r := range l.Memory {
			if total += r.Size; total > 1<<32 || r.Size > 1<<32 {
				return // more than this test wants to hold tables for
			}
		}
		if len(l.Memory) > 1 && l.Memory[len(l.Memory)-1].End()-l.Memory[0].Base > 1<<32 {
			return
		}
		a, err := New(k, l.Config(Costs{}))
		if err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("%v is no ErrConfig", err)
			}
			return
		}
		if a.FreePages() != a.TotalPages() || a.TotalPages() > total/page {
			t.Errorf("%d of %d pages free of %d bytes", a.FreePages(), a.TotalPages(), total)
		}
	})
}

func BenchmarkAlloc(b *testing.B) {
	a := newAllocator(b, Config{Memory: []Range{{ram, 64 << 20}}})
	b.ReportAllocs()
	for b.Loop() {
		pa, err := a.Alloc(4, Flags{})
		if err != nil {
			b.Fatal(err)
		}
		if err := a.Free(pa, 4); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPool(b *testing.B) {
	p, err := NewPool(Range{ram, 16 << 20})
	ok(b, err)
	for range 100 { // a pool in use
		_, err := p.Alloc(64 << 10)
		ok(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		pa, err := p.Alloc(64 << 10)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Free(pa, 64<<10); err != nil {
			b.Fatal(err)
		}
	}
}
