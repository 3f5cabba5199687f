package mem

// MaxOrder is the largest order of a block: 2^10 pages, 4 MiB (MAX_PAGE_ORDER of arm64 with 4 KiB pages).
const MaxOrder = 10

// Orders is how many orders there are.
const Orders = MaxOrder + 1

// buddy is a span of pages in which free blocks are kept by order. Blocks are aligned to their size.
type buddy struct {
	base  uint64 // page number of the first page, a multiple of 1<<MaxOrder
	pages uint64 // of the span, including what never was given to it
	free  [Orders]bitset
	// state has, for the first page of an allocated block, its order plus one, and movable.
	state  []uint8
	counts [Orders]uint64
	nfree  uint64 // pages
}

const (
	stateOrder   = 0x0f
	stateMovable = 0x80
)

func newBuddy(first, pages uint64) *buddy {
	base := first &^ (1<<MaxOrder - 1)
	b := &buddy{base: base, pages: first + pages - base}
	for o := range b.free {
		b.free[o] = newBitset((b.pages + 1<<o - 1) >> o)
	}
	b.state = make([]uint8, b.pages)
	return b
}

func (b *buddy) contains(pfn uint64) bool { return pfn >= b.base && pfn-b.base < b.pages }

func (b *buddy) push(i uint64, o int) {
	b.free[o].set(i >> o)
	b.counts[o]++
	b.nfree += 1 << o
}

func (b *buddy) pull(i uint64, o int) {
	b.free[o].clear(i >> o)
	b.counts[o]--
	b.nfree -= 1 << o
}

// alloc takes the lowest of the smallest blocks that hold 1<<order pages.
func (b *buddy) alloc(order int, flags uint8) (pfn uint64, ok bool) {
	for o := order; o <= MaxOrder; o++ {
		n, ok := b.free[o].first()
		if !ok {
			continue
		}
		i := n << o
		b.pull(i, o)
		for o > order {
			o--
			b.push(i+1<<o, o)
		}
		b.state[i] = uint8(order+1) | flags
		return b.base + i, true
	}
	return 0, false
}

// release frees 1<<o pages at i, which are in no list, and joins them with their buddies.
func (b *buddy) release(i uint64, o int) {
	for ; o < MaxOrder; o++ {
		other := i ^ 1<<o
		if !b.free[o].has(other >> o) {
			break
		}
		b.pull(other, o)
		i &^= 1 << o
	}
	b.push(i, o)
}

// give frees pages from first on that are in no list: what is there at boot, or what an area gets back.
func (b *buddy) give(first, pages uint64) {
	i, n := first-b.base, pages
	for n > 0 {
		o := MaxOrder
		for i&(1<<o-1) != 0 || 1<<o > n {
			o--
		}
		b.release(i, o)
		i, n = i+1<<o, n-1<<o
	}
}

// freeBlock finds the free block that holds page i.
func (b *buddy) freeBlock(i uint64) (head uint64, order int, ok bool) {
	for o := range b.free {
		if b.free[o].has(i >> o) {
			return i >> o << o, o, true
		}
	}
	return 0, 0, false
}

// allocated finds the allocated block that holds page i.
func (b *buddy) allocated(i uint64) (head uint64, order int, ok bool) {
	for o := range Orders {
		h := i >> o << o
		if s := int(b.state[h] & stateOrder); s == o+1 {
			return h, o, true
		}
	}
	return 0, 0, false
}

// isolate takes the free pages of [i, end) out of the lists. All others there are allocated.
func (b *buddy) isolate(i, end uint64) {
	for i < end {
		h, o, ok := b.freeBlock(i)
		if !ok {
			if h, o, ok = b.allocated(i); !ok {
				panic("BUG: a page is neither free nor allocated")
			}
			i = h + 1<<o
			continue
		}
		b.pull(h, o)
		if h < i {
			b.give(b.base+h, i-h)
		}
		e := h + 1<<o
		if e > end {
			b.give(b.base+end, e-end)
		}
		i = e
	}
}
