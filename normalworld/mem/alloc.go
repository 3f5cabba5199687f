package mem

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gatehouse/normalworld"
	"gatehouse/platform/bus"
)

// PageSize is the size of a page in bytes.
const PageSize = bus.PageSize

const pageShift = 12

// Range is Size bytes of physical memory from Base on.
type Range struct{ Base, Size uint64 }

// End is the address behind the range.
func (r Range) End() uint64 { return r.Base + r.Size }

// Contains reports whether n bytes at base lie in the range.
func (r Range) Contains(base, n uint64) bool {
	return base >= r.Base && n <= r.Size && base-r.Base <= r.Size-n
}

// Costs are what work on pages takes, in ns of virtual time a page of 4 KiB.
type Costs struct {
	Zero    uint64
	Migrate uint64
}

// DefaultCosts are of the order of a Cortex-A53 at 1.5 GHz: pages are cleared at 4 GB/s; one that moves is unmapped, copied at 1 GB/s,
// and mapped again.
var DefaultCosts = Costs{Zero: 1_000, Migrate: 6_000}

// Config says what memory there is.
type Config struct {
	// Memory is RAM. Pages that are not whole are left out.
	Memory []Range
	// Reserved is memory in it that stays out of the allocator.
	Reserved []Range
	// Zones are the DMA masks for which zones exist, rising, such as 2^30-1 and 2^32-1; memory above the last is a zone too. None
	// stands for arm64's: 2^32-1.
	Zones []uint64
	// Areas are contiguous areas. They lie in Memory, and in no Reserved range.
	Areas []AreaConfig
	// Costs is what work takes.
	Costs Costs
}

// AreaConfig is a contiguous area to make.
type AreaConfig struct {
	Name  string
	Range Range
	// Default makes it the area for those who have none of their own.
	Default bool
}

// ErrConfig is wrapped by the errors about a Config.
var ErrConfig = errors.New("memory layout")

// Rules that a caller can break. Nothing has changed then.
var (
	ErrFree  = fmt.Errorf("only the first page of an allocated block can be freed, once and with its order: %w", normalworld.EINVAL)
	ErrOrder = fmt.Errorf("blocks have orders from 0 to %d: %w", MaxOrder, normalworld.EINVAL)
	ErrPage  = fmt.Errorf("the page has been freed: %w", normalworld.EINVAL)
	ErrPin   = fmt.Errorf("a page is unpinned as often as it was pinned, and freed unpinned: %w", normalworld.EBUSY)
)

// Stats counts what an allocator did.
type Stats struct {
	Allocations, Frees, Failures uint64
	// ZeroedPages were cleared for their users.
	ZeroedPages uint64
	// MigratedPages were copied out of contiguous areas.
	MigratedPages uint64
	// ContigRetries are places in contiguous areas that had a page which cannot move.
	ContigRetries uint64
}

type zone struct {
	limit uint64 // highest address
	bud   *buddy
	areas []*Area
}

// Allocator is the page allocator of a kernel. It is used from one goroutine.
type Allocator struct {
	k     *normalworld.Kernel
	costs Costs
	zones []zone // rising addresses
	areas []*Area
	def   *Area
	// movable finds the handle of a movable block by its first page.
	movable map[uint64]*Page
	total   uint64
	stats   Stats
}

// New makes an allocator of all free memory.
func New(k *normalworld.Kernel, cfg Config) (*Allocator, error) {
	a := &Allocator{k: k, costs: cfg.Costs, movable: make(map[uint64]*Page)}
	limits := cfg.Zones
	if limits == nil {
		limits = []uint64{1<<32 - 1}
	}
	if !slices.IsSorted(limits) {
		return nil, fmt.Errorf("%w: zones must rise", ErrConfig)
	}
	limits = append(slices.Clone(limits), 1<<64-1)

	free, err := subtract(cfg.Memory, cfg.Reserved)
	if err != nil {
		return nil, err
	}
	var areas []Range
	for _, c := range cfg.Areas {
		if (c.Range.Base|c.Range.Size)%PageSize != 0 || c.Range.Size == 0 ||
			!slices.ContainsFunc(free, func(r Range) bool { return r.Contains(c.Range.Base, c.Range.Size) }) ||
			slices.ContainsFunc(areas, func(r Range) bool { return r.Base < c.Range.End() && c.Range.Base < r.End() }) {
			return nil, fmt.Errorf("%w: area %s is not free memory in pages", ErrConfig, c.Name)
		}
		areas = append(areas, c.Range)
	}
	if free, err = subtract(free, areas); err != nil {
		return nil, err
	}
	low := uint64(0)
	for _, limit := range limits {
		var part []Range
		for _, r := range free {
			base, end := max(r.Base, low), r.End()
			if limit != 1<<64-1 {
				end = min(end, limit+1)
			}
			if base < end {
				part = append(part, Range{base, end - base})
			}
		}
		low = limit + 1
		z := zone{limit: limit}
		if len(part) > 0 {
			first, last := part[0].Base, part[len(part)-1].End()
			z.bud = newBuddy(first>>pageShift, (last-first)>>pageShift)
			for _, r := range part {
				z.bud.give(r.Base>>pageShift, r.Size>>pageShift)
				a.total += r.Size >> pageShift
			}
		} else {
			z.bud = newBuddy(0, 0)
		}
		a.zones = append(a.zones, z)
	}
	for _, c := range cfg.Areas {
		ar := newArea(a, c)
		a.areas = append(a.areas, ar)
		a.total += ar.r.Size >> pageShift
		if c.Default && a.def == nil {
			a.def = ar
		}
		// An area that crosses the limit of a zone belongs to the upper one: its pages are promised to nobody with a narrow mask.
		for i := range a.zones {
			if ar.r.End()-1 <= a.zones[i].limit {
				a.zones[i].areas = append(a.zones[i].areas, ar)
				break
			}
		}
	}
	return a, nil
}

// subtract gives the whole pages of from, which must not overlap, that are in none of what, in order.
func subtract(from, what []Range) ([]Range, error) {
	for _, r := range append(slices.Clone(from), what...) {
		if r.End() < r.Base {
			return nil, fmt.Errorf("%w: %#x bytes at %#x wrap", ErrConfig, r.Size, r.Base)
		}
	}
	byBase := func(a, b Range) int { return cmp.Compare(a.Base, b.Base) }
	from, what = slices.SortedFunc(slices.Values(from), byBase), slices.SortedFunc(slices.Values(what), byBase)
	var out []Range
	last := uint64(0)
	for _, r := range from {
		// Only whole pages are memory; a page is out of bounds with its first byte that is.
		at, end := (r.Base+PageSize-1)>>pageShift, r.End()>>pageShift
		if r.Base > 1<<64-PageSize {
			continue
		}
		if r.Base < last {
			return nil, fmt.Errorf("%w: memory at %#x is there twice", ErrConfig, r.Base)
		}
		last = r.End()
		for _, h := range what {
			if h.Size == 0 {
				continue
			}
			first, behind := h.Base>>pageShift, (h.End()-1)>>pageShift+1
			if behind <= at || first >= end {
				continue
			}
			if at < first {
				out = append(out, Range{at << pageShift, (first - at) << pageShift})
			}
			at = behind
		}
		if at < end {
			out = append(out, Range{at << pageShift, (end - at) << pageShift})
		}
	}
	return out, nil
}

// Flags of an allocation.
type Flags struct {
	// Mask is the highest address that the user's device reaches; 0 stands for any.
	Mask uint64
	// Zero clears the memory (__GFP_ZERO).
	Zero bool
}

func (f Flags) mask() uint64 {
	if f.Mask == 0 {
		return 1<<64 - 1
	}
	return f.Mask
}

// Alloc gives a block of 2^order pages that stays where it is (alloc_pages): ENOMEM where there is none, ErrOrder. It comes from the
// highest zone within the mask that has one. Contiguous areas give nothing to it.
func (a *Allocator) Alloc(order int, f Flags) (pa uint64, err error) {
	if order < 0 || order > MaxOrder {
		return 0, ErrOrder
	}
	mask := f.mask()
	for i := len(a.zones) - 1; i >= 0; i-- {
		z := &a.zones[i]
		if z.limit > mask && !z.below(mask) {
			continue
		}
		if pfn, ok := z.bud.alloc(order, 0); ok {
			pa = pfn << pageShift
			if f.Zero {
				if err := a.zero(pa, 1<<order); err != nil {
					z.bud.unalloc(pfn)
					return 0, err
				}
			}
			a.stats.Allocations++
			return pa, nil
		}
	}
	a.stats.Failures++
	return 0, normalworld.ENOMEM
}

// below reports whether all memory of the zone is below mask though its limit is not.
func (z *zone) below(mask uint64) bool {
	b := z.bud
	return b.pages > 0 && (b.base+b.pages)<<pageShift-1 <= mask
}

// unalloc puts an allocated block back.
func (b *buddy) unalloc(pfn uint64) {
	i := pfn - b.base
	o := int(b.state[i]&stateOrder) - 1
	b.state[i] = 0
	b.release(i, o)
}

func (a *Allocator) zero(pa, pages uint64) error {
	if err := a.k.Zero(pa, pages*PageSize); err != nil {
		return err
	}
	a.stats.ZeroedPages += pages
	if a.costs.Zero != 0 {
		a.k.Elapse(pages * a.costs.Zero)
	}
	return nil
}

// Zero clears pages that the caller has, and counts and costs what that does.
func (a *Allocator) Zero(pa, pages uint64) error { return a.zero(pa, pages) }

// Free takes a block of Alloc back: ErrFree.
func (a *Allocator) Free(pa uint64, order int) error {
	pfn := pa >> pageShift
	for i := range a.zones {
		b := a.zones[i].bud
		if !b.contains(pfn) {
			continue
		}
		if pa%PageSize != 0 || int(b.state[pfn-b.base]) != order+1 {
			return ErrFree
		}
		b.unalloc(pfn)
		a.stats.Frees++
		return nil
	}
	return ErrFree
}

// Page is a block that the allocator may move (GFP_HIGHUSER_MOVABLE).
type Page struct {
	a     *Allocator
	bud   *buddy
	pfn   uint64
	order int
	mask  uint64
	pins  int
	freed bool
	moves uint64
}

// AllocMovable gives a block of 2^order pages whose user finds it by its handle. Contiguous areas help out: as in Linux, pages come
// from them first when they hold more than half of the zone's free memory, and else when there are no others.
func (a *Allocator) AllocMovable(order int, f Flags) (*Page, error) {
	if order < 0 || order > MaxOrder {
		return nil, ErrOrder
	}
	b, pfn, ok := a.movableBlock(order, f.mask())
	if !ok {
		a.stats.Failures++
		return nil, normalworld.ENOMEM
	}
	if f.Zero {
		if err := a.zero(pfn<<pageShift, 1<<order); err != nil {
			b.unalloc(pfn)
			return nil, err
		}
	}
	p := &Page{a: a, bud: b, pfn: pfn, order: order, mask: f.mask()}
	a.movable[pfn] = p
	a.stats.Allocations++
	return p, nil
}

func (a *Allocator) movableBlock(order int, mask uint64) (*buddy, uint64, bool) {
	for i := len(a.zones) - 1; i >= 0; i-- {
		z := &a.zones[i]
		if z.limit > mask && !z.below(mask) {
			continue
		}
		var inAreas uint64
		for _, ar := range z.areas {
			inAreas += ar.bud.nfree
		}
		areas := func() (*buddy, uint64, bool) {
			for _, ar := range z.areas {
				if ar.r.End()-1 > mask {
					continue
				}
				if pfn, ok := ar.bud.alloc(order, stateMovable); ok {
					return ar.bud, pfn, true
				}
			}
			return nil, 0, false
		}
		if inAreas > z.bud.nfree {
			if b, pfn, ok := areas(); ok {
				return b, pfn, true
			}
		}
		if pfn, ok := z.bud.alloc(order, stateMovable); ok {
			return z.bud, pfn, true
		}
		if b, pfn, ok := areas(); ok {
			return b, pfn, true
		}
	}
	return nil, 0, false
}

// PA is where the block is now.
func (p *Page) PA() uint64 { return p.pfn << pageShift }

// Order is the block's order.
func (p *Page) Order() int { return p.order }

// Moves is how often the block was moved.
func (p *Page) Moves() uint64 { return p.moves }

// Pin keeps the block where it is (as get_user_pages without FOLL_LONGTERM, which does not move it out of a contiguous area first).
func (p *Page) Pin() error {
	if p.freed {
		return ErrPage
	}
	p.pins++
	return nil
}

// Unpin undoes one Pin.
func (p *Page) Unpin() error {
	switch {
	case p.freed:
		return ErrPage
	case p.pins == 0:
		return ErrPin
	}
	p.pins--
	return nil
}

// Free takes the block back: ErrPage, ErrPin.
func (p *Page) Free() error {
	switch {
	case p.freed:
		return ErrPage
	case p.pins > 0:
		return ErrPin
	}
	p.freed = true
	delete(p.a.movable, p.pfn)
	p.bud.unalloc(p.pfn)
	p.a.stats.Frees++
	return nil
}

// FreePages is how many pages are free, those of contiguous areas included.
func (a *Allocator) FreePages() uint64 {
	var n uint64
	for i := range a.zones {
		n += a.zones[i].bud.nfree
	}
	for _, ar := range a.areas {
		n += ar.bud.nfree
	}
	return n
}

// TotalPages is how many pages the allocator has, in use or not.
func (a *Allocator) TotalPages() uint64 { return a.total }

// Stats gives the counters.
func (a *Allocator) Stats() Stats { return a.stats }

// BuddyInfo counts the free blocks by order, contiguous areas included (/proc/buddyinfo).
func (a *Allocator) BuddyInfo() [Orders]uint64 {
	var n [Orders]uint64
	add := func(b *buddy) {
		for o := range n {
			n[o] += b.counts[o]
		}
	}
	for i := range a.zones {
		add(a.zones[i].bud)
	}
	for _, ar := range a.areas {
		add(ar.bud)
	}
	return n
}

// Unusable is the share of free memory, from 0 to 1, that a request of the given order cannot use because its blocks are smaller
// (unusable_index of mm/vmstat.c). Contiguous areas do not count, since only movable requests could use them.
func (a *Allocator) Unusable(order int) float64 {
	if order < 0 || order > MaxOrder {
		return 1
	}
	var free, usable uint64
	for i := range a.zones {
		b := a.zones[i].bud
		free += b.nfree
		for o := order; o <= MaxOrder; o++ {
			usable += b.counts[o] << o
		}
	}
	if free == 0 {
		return 0
	}
	return float64(free-usable) / float64(free)
}
