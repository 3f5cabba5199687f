package heap

import (
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// Names of the heaps that every kernel with dma-heaps has.
const (
	System = "system"
	// DefaultCMA is the heap of the default contiguous area. LegacyCMA is the name that it had before Linux 6.17 where the area came
	// from the command line.
	DefaultCMA = "default_cma_region"
	LegacyCMA  = "reserved"
)

// normalMemory is the kernel's own memory as a buffer's backing: what the exporters of this package do with it alike. A buffer's Private holds
// its segments.
type normalMemory struct{}

type backed interface{ segments() []dmabuf.Segment }

func segmentsOf(b *dmabuf.Buffer) []dmabuf.Segment { return b.Private.(backed).segments() }

func (normalMemory) Attach(*dmabuf.Attachment) error { return nil }
func (normalMemory) Detach(*dmabuf.Attachment)       {}

func (normalMemory) Map(a *dmabuf.Attachment, _ dmabuf.Direction) ([]dmabuf.Segment, error) {
	return a.MapSG(segmentsOf(a.Buffer()))
}

func (normalMemory) Unmap(a *dmabuf.Attachment, _ []dmabuf.Segment, dir dmabuf.Direction) {
	// Where the bus refuses a copy of bounced memory, Core.Stats counts it; an unmap cannot fail.
	_ = a.UnmapSG(dir)
}

func (normalMemory) MMap(*dmabuf.Buffer, uint64, uint64) error { return nil }

func (normalMemory) Fault(b *dmabuf.Buffer, offset uint64) (uint64, error) {
	for _, s := range segmentsOf(b) {
		if offset < s.Len {
			return s.Addr + offset, nil
		}
		offset -= s.Len
	}
	return 0, normalworld.EFAULT
}

func (normalMemory) VMap(b *dmabuf.Buffer) ([]dmabuf.Segment, error) { return segmentsOf(b), nil }
func (normalMemory) VUnmap(*dmabuf.Buffer)                           {}

// systemOrders are the sizes of blocks that the system heap asks for, largest first: 1 MiB, 64 KiB and 4 KiB.
var systemOrders = [...]int{8, 4, 0}

// SystemHeap is the heap "system": zeroed pages from anywhere, in blocks as large as there are.
type SystemHeap struct {
	normalMemory
	core  *dmabuf.Core
	pages *mem.Allocator
}

type systemBuffer struct {
	segs  []dmabuf.Segment // one for each block
	small [4]dmabuf.Segment
}

func (b *systemBuffer) segments() []dmabuf.Segment { return b.segs }

// AddSystem makes the heap.
func (r *Registry) AddSystem(pages *mem.Allocator) (*Heap, error) {
	return r.Add(System, &SystemHeap{core: r.core, pages: pages})
}

// Allocate gives a zeroed buffer: ENOMEM.
func (s *SystemHeap) Allocate(length uint64, flags uint32) (*dmabuf.Buffer, error) {
	// More than there is could only fail after it had taken everything.
	if length/mem.PageSize > s.pages.TotalPages() {
		return nil, normalworld.ENOMEM
	}
	p := new(systemBuffer)
	p.segs = p.small[:0]
	largest := systemOrders[0]
	for left := length; left > 0; {
		pa, order, err := s.block(left, largest)
		if err != nil {
			s.free(p)
			return nil, err
		}
		n := uint64(mem.PageSize) << order
		p.segs = append(p.segs, dmabuf.Segment{Addr: pa, Len: n})
		left, largest = left-n, order
	}
	b, err := s.core.Export(dmabuf.ExportInfo{Name: System, Exporter: s, Size: length, Flags: flags, Private: p})
	if err != nil {
		s.free(p)
		return nil, err
	}
	return b, nil
}

// block gets the largest block that is not larger than what is left, nor than the one before.
func (s *SystemHeap) block(left uint64, largest int) (pa uint64, order int, err error) {
	err = normalworld.ENOMEM
	for _, o := range systemOrders {
		if o > largest || left < mem.PageSize<<o {
			continue
		}
		if pa, err = s.pages.Alloc(o, mem.Flags{Zero: true}); err == nil {
			return pa, o, nil
		}
	}
	return 0, 0, err
}

func (s *SystemHeap) free(p *systemBuffer) {
	for _, g := range p.segs {
		if err := s.pages.Free(g.Addr, mem.Order(g.Len)); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	p.segs = nil
}

// Release frees the pages.
func (s *SystemHeap) Release(b *dmabuf.Buffer) { s.free(b.Private.(*systemBuffer)) }
