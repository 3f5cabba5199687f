package mem

import (
	"fmt"
	"math/bits"

	"gatehouse/normalworld"
)

// Pool hands out pages of a range that is not the kernel's own memory, such as a carve-out (lib/genalloc.c): the lowest run that fits.
// It never touches the memory.
type Pool struct {
	r     Range
	used  []uint64 // a bit for each page
	first []uint64 // a bit for each first page of an allocation
	pages uint64
	free  uint64
	hint  uint64 // no page below is free
}

// NewPool makes a pool of r: EINVAL where it is empty, not in pages, or wraps.
func NewPool(r Range) (*Pool, error) {
	if (r.Base|r.Size)%PageSize != 0 || r.Size == 0 || r.Base+r.Size-1 < r.Base {
		return nil, fmt.Errorf("a pool is whole pages: %w", normalworld.EINVAL)
	}
	n := r.Size >> pageShift
	return &Pool{r: r, used: make([]uint64, (n+63)/64), first: make([]uint64, (n+63)/64), pages: n, free: n}, nil
}

// Range is where the pool is.
func (p *Pool) Range() Range { return p.r }

// FreePages is how many pages are free.
func (p *Pool) FreePages() uint64 { return p.free }

// Alloc gives size bytes, rounded up to pages: ENOMEM where no run is long enough, EINVAL for none.
func (p *Pool) Alloc(size uint64) (pa uint64, err error) {
	n := size >> pageShift
	if size%PageSize != 0 {
		n++
	}
	switch {
	case n == 0:
		return 0, normalworld.EINVAL
	case n > p.free:
		return 0, normalworld.ENOMEM
	}
	i, ok := findZero(p.used, p.pages, p.hint, n, 0, 0)
	if !ok {
		return 0, normalworld.ENOMEM
	}
	fill(p.used, i, n, true)
	p.first[i/64] |= 1 << (i % 64)
	p.free -= n
	if i == p.hint {
		p.hint = i + n
	}
	return p.r.Base + i<<pageShift, nil
}

// Free takes back one whole allocation of size bytes: ErrFree.
func (p *Pool) Free(pa, size uint64) error {
	n := size >> pageShift
	if size%PageSize != 0 {
		n++
	}
	if pa%PageSize != 0 || n == 0 || n > p.pages || !p.r.Contains(pa, n<<pageShift) {
		return ErrFree
	}
	i := (pa - p.r.Base) >> pageShift
	if !p.begins(i) || i+n < p.pages && p.inUse(i+n) && !p.begins(i+n) {
		return ErrFree
	}
	for j := i; j < i+n; j++ {
		if !p.inUse(j) || j > i && p.begins(j) {
			return ErrFree
		}
	}
	fill(p.used, i, n, false)
	p.first[i/64] &^= 1 << (i % 64)
	p.free += n
	p.hint = min(p.hint, i)
	return nil
}

func (p *Pool) inUse(i uint64) bool  { return p.used[i/64]>>(i%64)&1 != 0 }
func (p *Pool) begins(i uint64) bool { return p.first[i/64]>>(i%64)&1 != 0 }

// fill sets or clears n bits from i on.
func fill(b []uint64, i, n uint64, on bool) {
	for n > 0 {
		c := min(n, 64-i%64)
		m := ^uint64(0) >> (64 - c) << (i % 64)
		if on {
			b[i/64] |= m
		} else {
			b[i/64] &^= m
		}
		i, n = i+c, n-c
	}
}

// findZero finds the first run of n zero bits among total, from start on, whose index plus base is a multiple of mask+1
// (bitmap_find_next_zero_area_off).
func findZero(b []uint64, total, start, n, base, mask uint64) (uint64, bool) {
	for {
		start = (start+base+mask)&^mask - base
		if start >= total || n > total-start {
			return 0, false
		}
		set := nextSet(b, start, start+n)
		if set == start+n {
			return start, true
		}
		start = nextZero(b, set+1, total)
	}
}

// nextSet is the first set bit in [i, end), or end.
func nextSet(b []uint64, i, end uint64) uint64 {
	for i < end {
		if w := b[i/64] >> (i % 64); w != 0 {
			return min(i+uint64(bits.TrailingZeros64(w)), end)
		}
		i = i&^63 + 64
	}
	return end
}

// nextZero is the first zero bit in [i, end), or end.
func nextZero(b []uint64, i, end uint64) uint64 {
	for i < end {
		if w := ^b[i/64] >> (i % 64); w != 0 {
			return min(i+uint64(bits.TrailingZeros64(w)), end)
		}
		i = i&^63 + 64
	}
	return end
}
