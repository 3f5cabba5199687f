package tee

import (
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
)

// StaticPool is a carve-out, protected from the start (tee_protmem_static_pool_alloc).
type StaticPool struct{ pool *mem.Pool }

var _ heap.ProtectedPool = (*StaticPool)(nil)

// NewStaticPool makes a pool of a carve-out: EINVAL where it is not whole pages of memory.
func NewStaticPool(k *normalworld.Kernel, base, size uint64) (*StaticPool, error) {
	if size == 0 || (base|size)%page != 0 || base+size < base || size > 1<<36 || !k.IsRAM(base) || !k.IsRAM(base+size-page) {
		return nil, normalworld.EINVAL
	}
	p, err := mem.NewPool(mem.Range{Base: base, Size: size})
	if err != nil {
		return nil, normalworld.EINVAL
	}
	return &StaticPool{p}, nil
}

// Range is the carve-out.
func (s *StaticPool) Range() mem.Range { return s.pool.Range() }

// Alloc is documented at heap.ProtectedPool.
func (s *StaticPool) Alloc(size uint64) ([]dmabuf.Segment, uint64, error) {
	pa, err := s.pool.Alloc(size)
	if err != nil {
		return nil, 0, err
	}
	return []dmabuf.Segment{{Addr: pa, Len: size}}, pa - s.pool.Range().Base, nil
}

// Free is documented at heap.ProtectedPool.
func (s *StaticPool) Free(segs []dmabuf.Segment) { s.pool.Free(segs[0].Addr, segs[0].Len) }

// UpdateSHM is documented at heap.ProtectedPool: the secure world knows the memory by its address.
func (s *StaticPool) UpdateSHM(segs []dmabuf.Segment, _ uint64) (heap.Reference, error) {
	return heap.Reference{PA: segs[0].Addr}, nil
}

// Destroy is documented at heap.ProtectedPool.
func (s *StaticPool) Destroy() {}
