package mem

import "gatehouse/normalworld"

// MaxBounce is how much one mapping can bounce, in bytes (IO_TLB_SEGSIZE slots of 2 KiB, include/linux/swiotlb.h).
const MaxBounce = 128 * 2048

// Bounce is memory that devices with a narrow DMA mask work on in place of what they cannot reach (kernel/dma/swiotlb.c). It is a
// dmabuf.BouncePool.
type Bounce struct{ pool *Pool }

// NewBounce makes bounce memory of r, which must be out of the allocator: see Layout.ReserveBounce.
func NewBounce(r Range) (*Bounce, error) {
	p, err := NewPool(r)
	if err != nil {
		return nil, err
	}
	return &Bounce{p}, nil
}

// AllocBounce gives size bytes: EIO where the memory is full or out of the mask's reach, or the size is more than MaxBounce.
func (b *Bounce) AllocBounce(size, mask uint64) (pa uint64, err error) {
	if size > MaxBounce || b.pool.r.End()-1 > mask {
		return 0, normalworld.EIO
	}
	if pa, err = b.pool.Alloc(size); err != nil {
		return 0, normalworld.EIO
	}
	return pa, nil
}

// FreeBounce takes it back.
func (b *Bounce) FreeBounce(pa, size uint64) {
	if err := b.pool.Free(pa, size); err != nil {
		panic("BUG: " + err.Error())
	}
}

// FreePages is how many pages are free.
func (b *Bounce) FreePages() uint64 { return b.pool.free }

// ReserveBounce sets size bytes below mask aside for bounce memory, from the top.
func (l *Layout) ReserveBounce(size, mask uint64) (Range, error) {
	within := Range{0, mask}
	if mask != 1<<64-1 {
		within.Size++
	}
	r, err := l.place(size, PageSize, []Range{within})
	if err != nil {
		return Range{}, err
	}
	l.Reserved = append(l.Reserved, Reserved{Name: "swiotlb", Range: r})
	return r, nil
}
