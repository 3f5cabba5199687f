package mem

import (
	"math/bits"

	"gatehouse/normalworld"
)

// Area is a contiguous area (struct cma): memory that movable pages use until somebody needs it in one piece.
type Area struct {
	a    *Allocator
	name string
	r    Range
	bud  *buddy
	// used has a bit for each page that was given out by Alloc.
	used []uint64
}

func newArea(a *Allocator, c AreaConfig) *Area {
	pages := c.Range.Size >> pageShift
	ar := &Area{a: a, name: c.Name, r: c.Range, bud: newBuddy(c.Range.Base>>pageShift, pages), used: make([]uint64, (pages+63)/64)}
	ar.bud.give(c.Range.Base>>pageShift, pages)
	return ar
}

// Area finds a contiguous area by its name, or gives nil.
func (a *Allocator) Area(name string) *Area {
	for _, ar := range a.areas {
		if ar.name == name {
			return ar
		}
	}
	return nil
}

// Areas lists the contiguous areas.
func (a *Allocator) Areas() []*Area { return a.areas }

// DefaultArea is the area for those who have none of their own, or nil (dev_get_cma_area).
func (a *Allocator) DefaultArea() *Area { return a.def }

// Name is the area's name.
func (ar *Area) Name() string { return ar.name }

// Range is where the area is.
func (ar *Area) Range() Range { return ar.r }

// FreePages is how many of its pages are neither given out nor used by movable pages.
func (ar *Area) FreePages() uint64 { return ar.bud.nfree }

// UsedPages is how many of its pages were given out.
func (ar *Area) UsedPages() uint64 {
	var n int
	for _, w := range ar.used {
		n += bits.OnesCount64(w)
	}
	return uint64(n)
}

// MaxAlign is the largest alignment that an area gives, as an order (CONFIG_CMA_ALIGNMENT).
const MaxAlign = 8

// Order is the smallest order whose block holds n bytes (get_order); 0 for none.
func Order(n uint64) int {
	if n == 0 {
		return 0
	}
	return bits.Len64((n - 1) >> pageShift)
}

// Alloc gives contiguous pages, aligned to 2^align pages, at the lowest place where nothing is in the way that cannot move (cma_alloc).
// ENOMEM where no such run has been given back, EBUSY where every one has pages that cannot move.
func (ar *Area) Alloc(pages uint64, align int) (pa uint64, err error) {
	total := ar.r.Size >> pageShift
	if pages == 0 || align < 0 || align > 63-pageShift {
		return 0, normalworld.EINVAL
	}
	base := ar.r.Base >> pageShift
	mask := uint64(1)<<align - 1
	err = normalworld.ENOMEM
	for start := uint64(0); ; {
		first, ok := findZero(ar.used, total, start, pages, base, mask)
		if !ok {
			ar.a.stats.Failures++
			return 0, err
		}
		if e := ar.contig(base+first, pages); e == nil {
			for i := first; i < first+pages; i++ {
				ar.used[i/64] |= 1 << (i % 64)
			}
			ar.a.stats.Allocations++
			return (base + first) << pageShift, nil
		}
		err = normalworld.EBUSY
		ar.a.stats.ContigRetries++
		start = first + mask + 1
	}
}

// Free takes back what Alloc gave, or a part of it (cma_release): ErrFree.
func (ar *Area) Free(pa, pages uint64) error {
	if pa%PageSize != 0 || pages == 0 || pages > ar.r.Size>>pageShift || !ar.r.Contains(pa, pages<<pageShift) {
		return ErrFree
	}
	first := (pa - ar.r.Base) >> pageShift
	for i := first; i < first+pages; i++ {
		if ar.used[i/64]>>(i%64)&1 == 0 {
			return ErrFree
		}
	}
	for i := first; i < first+pages; i++ {
		ar.used[i/64] &^= 1 << (i % 64)
	}
	ar.bud.give(pa>>pageShift, pages)
	ar.a.stats.Frees++
	return nil
}

// contig empties a run of pages (alloc_contig_range): EBUSY where one of them is pinned or has nowhere to go. Pages that have moved by
// then have moved.
func (ar *Area) contig(first, pages uint64) error {
	b, a := ar.bud, ar.a
	i, end := first-b.base, first-b.base+pages
	for j := i; j < end; {
		if h, o, ok := b.allocated(j); ok {
			if p := a.movable[b.base+h]; p == nil || p.pins > 0 {
				return normalworld.EBUSY
			}
			j = h + 1<<o
		} else {
			j++
		}
	}
	// What is free must not become the target of what moves.
	b.isolate(i, end)
	for j := i; j < end; {
		h, o, ok := b.allocated(j)
		if !ok {
			j++
			continue
		}
		if err := a.migrate(a.movable[b.base+h]); err != nil {
			ar.undo(i, end)
			return err
		}
		// Its pages outside of the run are free now.
		if h < i {
			b.give(b.base+h, i-h)
		}
		if e := h + 1<<o; e > end {
			b.give(b.base+end, e-end)
		}
		j = h + 1<<o
	}
	return nil
}

// undo frees what contig has taken out of the lists.
func (ar *Area) undo(i, end uint64) {
	b := ar.bud
	for j := i; j < end; {
		if h, o, ok := b.allocated(j); ok {
			j = h + 1<<o
			continue
		}
		b.give(b.base+j, 1)
		j++
	}
}

// migrate moves a block to another place and takes it out of its old one, whose pages are then in no list.
func (a *Allocator) migrate(p *Page) error {
	b, pfn, ok := a.movableBlock(p.order, p.mask)
	if !ok {
		return normalworld.EBUSY
	}
	var page [PageSize]byte
	for i := uint64(0); i < 1<<p.order; i++ {
		err := a.k.Read((p.pfn+i)<<pageShift, page[:])
		if err == nil {
			err = a.k.Write((pfn+i)<<pageShift, page[:])
		}
		if err != nil {
			b.unalloc(pfn)
			return err
		}
	}
	delete(a.movable, p.pfn)
	p.bud.state[p.pfn-p.bud.base] = 0
	p.bud, p.pfn = b, pfn
	p.moves++
	a.movable[pfn] = p
	a.stats.MigratedPages += 1 << p.order
	if a.costs.Migrate != 0 {
		a.k.Elapse(a.costs.Migrate << p.order)
	}
	return nil
}

// AllocContig gives n contiguous bytes, rounded up to pages, for a device with the given mask (dma_alloc_pages): more than a page from the
// default area if it is within reach, else a block of the page allocator, whose pages behind the last are lost until FreeContig. ENOMEM.
func (a *Allocator) AllocContig(n uint64, f Flags) (pa uint64, err error) {
	if n == 0 || n > 1<<62 {
		return 0, normalworld.ENOMEM
	}
	pages := (n + PageSize - 1) >> pageShift
	if ar := a.def; ar != nil && pages > 1 && ar.r.End()-1 <= f.mask() {
		if pa, err = ar.Alloc(pages, min(Order(n), MaxAlign)); err == nil {
			if f.Zero {
				if err = a.zero(pa, pages); err != nil {
					return 0, giveBack(err, ar.Free(pa, pages))
				}
			}
			return pa, nil
		}
	}
	if Order(n) > MaxOrder {
		return 0, normalworld.ENOMEM
	}
	return a.Alloc(Order(n), f)
}

func giveBack(err, ferr error) error {
	if ferr != nil {
		panic("BUG: " + ferr.Error())
	}
	return err
}

// FreeContig takes back what AllocContig gave for n bytes: ErrFree.
func (a *Allocator) FreeContig(pa, n uint64) error {
	if ar := a.def; ar != nil && ar.r.Contains(pa, 1) {
		return ar.Free(pa, (n+PageSize-1)>>pageShift)
	}
	return a.Free(pa, Order(n))
}
