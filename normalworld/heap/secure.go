package heap

import (
	"errors"
	"fmt"
	"strings"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// SecureCompatible is the compatible string of the nodes below /reserved-memory that become secure heaps.
const SecureCompatible = "linaro,secure-heap"

// MaxSecureName is how long the name of such a heap is at most: that of a node without its unit address (Devicetree Specification 0.4,
// 2.2.1).
const MaxSecureName = 31

// SecureHeap is a pool of memory that the device tree carves out. The secure world has closed it to the processor before the kernel
// starts, and admits the masters that it is for; nothing is asked of it when buffers come and go.
//
// The series is "Add dma-buf secure-heap" of August 2022. What its reviewers found is not repeated here: see TestReview.
type SecureHeap struct {
	core *dmabuf.Core
	name string
	pool *mem.Pool
}

type secureBuffer struct{ seg [1]dmabuf.Segment }

// AddSecure makes a heap for each node, which is one that is compatible with SecureCompatible. Of a node that is not whole pages those
// within it are used. A node without any, without no-map, or with a name that is too long or taken is left out; the error names it, and
// the others are there.
func (r *Registry) AddSecure(nodes []mem.Reserved) ([]*SecureHeap, error) {
	var heaps []*SecureHeap
	var errs []error
	for _, n := range nodes {
		h, err := r.addSecure(n)
		if err != nil {
			errs = append(errs, fmt.Errorf("secure heap %s: %w", n.Name, err))
			continue
		}
		heaps = append(heaps, h)
	}
	return heaps, errors.Join(errs...)
}

func (r *Registry) addSecure(n mem.Reserved) (*SecureHeap, error) {
	name, _, _ := strings.Cut(n.Name, "@")
	base := (n.Range.Base + mem.PageSize - 1) &^ (mem.PageSize - 1)
	end := n.Range.End() &^ (mem.PageSize - 1)
	switch {
	case len(name) > MaxSecureName:
		return nil, fmt.Errorf("the name has more than %d characters: %w", MaxSecureName, normalworld.EINVAL)
	case !n.NoMap:
		return nil, fmt.Errorf("the node has no property no-map: %w", normalworld.EINVAL)
	case n.Range.End() < n.Range.Base || base < n.Range.Base || end <= base:
		return nil, fmt.Errorf("%d bytes at %#x hold no page: %w", n.Range.Size, n.Range.Base, normalworld.EINVAL)
	}
	pool, err := mem.NewPool(mem.Range{Base: base, Size: end - base})
	if err != nil {
		return nil, err
	}
	h := &SecureHeap{core: r.core, name: name, pool: pool}
	if _, err := r.Add(name, h); err != nil {
		return nil, err
	}
	return h, nil
}

// Name is the heap's name: that of the node without its unit address.
func (h *SecureHeap) Name() string { return h.name }

// Pool is the heap's memory.
func (h *SecureHeap) Pool() *mem.Pool { return h.pool }

func (h *SecureHeap) String() string {
	r := h.pool.Range()
	return fmt.Sprintf("secure pool %s: %d KiB at %#x", h.name, r.Size>>10, r.Base)
}

// Allocate gives a restricted buffer in one piece: ENOMEM. Nothing clears it: the processor cannot.
func (h *SecureHeap) Allocate(length uint64, flags uint32) (*dmabuf.Buffer, error) {
	pa, err := h.pool.Alloc(length)
	if err != nil {
		return nil, err
	}
	p := &secureBuffer{[1]dmabuf.Segment{{Addr: pa, Len: length}}}
	b, err := h.core.Export(dmabuf.ExportInfo{Name: h.name, Exporter: h, Size: length, Flags: flags, Private: p, Restricted: true})
	if err != nil {
		h.free(p)
		return nil, err
	}
	return b, nil
}

func (h *SecureHeap) free(p *secureBuffer) {
	if err := h.pool.Free(p.seg[0].Addr, p.seg[0].Len); err != nil {
		panic("BUG: " + err.Error())
	}
}

// Attach lets every device in: whether it may access the memory is the firewall's decision.
func (h *SecureHeap) Attach(*dmabuf.Attachment) error { return nil }

// Detach has nothing to undo.
func (h *SecureHeap) Detach(*dmabuf.Attachment) {}

// Map gives the memory as the device addresses it.
func (h *SecureHeap) Map(a *dmabuf.Attachment, _ dmabuf.Direction) ([]dmabuf.Segment, error) {
	return a.MapSG(a.Buffer().Private.(*secureBuffer).seg[:])
}

// Unmap has nothing to undo: restricted memory is not bounced.
func (h *SecureHeap) Unmap(*dmabuf.Attachment, []dmabuf.Segment, dmabuf.Direction) {}

// Release gives the memory back to the pool.
func (h *SecureHeap) Release(b *dmabuf.Buffer) { h.free(b.Private.(*secureBuffer)) }
