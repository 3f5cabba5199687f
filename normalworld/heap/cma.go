package heap

import (
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// CMAHeap is a heap of one contiguous area: zeroed memory in one piece.
type CMAHeap struct {
	normalMemory
	core  *dmabuf.Core
	name  string
	pages *mem.Allocator
	area  *mem.Area
}

type cmaBuffer struct{ seg [1]dmabuf.Segment }

func (b *cmaBuffer) segments() []dmabuf.Segment { return b.seg[:] }

// AddCMA makes the heaps of the contiguous areas: that of the default area has the name DefaultCMA, and the area's own as an alias (which
// is LegacyCMA for one from the command line); the others have the area's name.
func (r *Registry) AddCMA(pages *mem.Allocator) error {
	def := pages.DefaultArea()
	if def != nil {
		if _, err := r.Add(DefaultCMA, &CMAHeap{core: r.core, name: DefaultCMA, pages: pages, area: def}); err != nil {
			return err
		}
		if err := r.Alias(def.Name(), DefaultCMA); err != nil {
			return err
		}
	}
	for _, a := range pages.Areas() {
		if a == def {
			continue
		}
		if _, err := r.Add(a.Name(), &CMAHeap{core: r.core, name: a.Name(), pages: pages, area: a}); err != nil {
			return err
		}
	}
	return nil
}

// Allocate gives a zeroed buffer in one piece, aligned to its size up to 1 MiB: ENOMEM, also where pages are in the way that cannot move.
func (c *CMAHeap) Allocate(length uint64, flags uint32) (*dmabuf.Buffer, error) {
	n := length / mem.PageSize
	pa, err := c.area.Alloc(n, min(mem.Order(length), mem.MaxAlign))
	if err != nil {
		return nil, normalworld.ENOMEM
	}
	p := &cmaBuffer{[1]dmabuf.Segment{{Addr: pa, Len: length}}}
	if err := c.pages.Zero(pa, n); err != nil {
		c.free(p)
		return nil, err
	}
	b, err := c.core.Export(dmabuf.ExportInfo{Name: c.name, Exporter: c, Size: length, Flags: flags, Private: p})
	if err != nil {
		c.free(p)
		return nil, err
	}
	return b, nil
}

func (c *CMAHeap) free(p *cmaBuffer) {
	if err := c.area.Free(p.seg[0].Addr, p.seg[0].Len/mem.PageSize); err != nil {
		panic("BUG: " + err.Error())
	}
}

// Release frees the memory.
func (c *CMAHeap) Release(b *dmabuf.Buffer) { c.free(b.Private.(*cmaBuffer)) }
