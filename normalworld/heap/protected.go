package heap

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
)

// ID numbers the protected heaps (enum tee_dma_heap_id, include/linux/tee_core.h).
type ID uint32

// The protected heaps.
const (
	SecureVideoPlay ID = iota + 1
	TrustedUI
	SecureVideoRecord
)

// String is the heap's name below /dev/dma_heap (drivers/tee/tee_heap.c).
func (id ID) String() string {
	switch id {
	case SecureVideoPlay:
		return "protected,secure-video"
	case TrustedUI:
		return "protected,trusted-ui"
	case SecureVideoRecord:
		return "protected,secure-video-record"
	}
	return fmt.Sprintf("heap ID %d", uint32(id))
}

// alias is the name from the time when the series said restricted where it now says protected.
func (id ID) alias() string { return "restricted," + id.String()[len("protected,"):] }

// TEEDevice is who stands behind protected heaps (struct tee_device): a driver of the TEE subsystem.
type TEEDevice interface {
	// Get takes a reference, and reports false when the device is going away (tee_device_get).
	Get() bool
	// Put gives it back.
	Put()
}

// ProtectedPool is memory that the normal world's processor cannot reach (struct tee_protmem_pool with its ops). Its methods are
// called while the heap holds a reference to the TEE device.
type ProtectedPool interface {
	// Alloc gives size bytes, whole pages, as physical memory, and their offset in the pool. The list must stay as it is until Free.
	// ENOMEM where there is no room; what the secure world says, in Linux's terms, where it refuses.
	Alloc(size uint64) (segs []dmabuf.Segment, offset uint64, err error)
	// Free takes back what Alloc gave.
	Free(segs []dmabuf.Segment)
	// UpdateSHM says how the secure world is told of memory from this pool.
	UpdateSHM(segs []dmabuf.Segment, offset uint64) (Reference, error)
	// Destroy ends the pool; nothing is allocated any more.
	Destroy()
}

// Guard is a ProtectedPool that lets a device at memory only while the device has it mapped.
type Guard interface {
	// Admit gives a device its access to memory of one buffer. What it answers is the error of the mapping.
	Admit(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) error
	// Dismiss ends what one Admit with the same arguments began.
	Dismiss(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction)
}

// Reference is how messages name memory of a pool: by its physical address, or as an offset in a shared-memory object that stands for
// the whole pool (parent_shm).
type Reference struct {
	PA     uint64 // where Parent is nil
	Parent any    // a shared-memory object of package tee
	Offset uint64 // in Parent
	Size   uint64 // bytes
}

// ProtectedHeap is a protected heap and what stands behind it now (struct tee_dma_heap). The heap stays when its driver has gone;
// allocations fail then.
type ProtectedHeap struct {
	reg          *Registry
	id           ID
	heap         *Heap
	pool         ProtectedPool // nil without a driver, as dev
	dev          TEEDevice
	refs         int
	shuttingDown bool
}

type protectedBuffer struct {
	heap   *ProtectedHeap
	segs   []dmabuf.Segment
	offset uint64
}

// RegisterProtected puts a TEE driver's pool behind a protected heap (tee_device_register_dma_heap), which is made when it does not
// exist: EINVAL for a heap or device that does not, EBUSY where a driver is behind it or has buffers of it yet.
func (r *Registry) RegisterProtected(dev TEEDevice, id ID, pool ProtectedPool) error {
	if dev == nil || pool == nil || id < SecureVideoPlay || id > SecureVideoRecord || !dev.Get() {
		return normalworld.EINVAL
	}
	for _, p := range r.protected {
		if p.id != id {
			continue
		}
		if p.dev != nil {
			dev.Put()
			return normalworld.EBUSY
		}
		p.dev, p.pool, p.refs, p.shuttingDown = dev, pool, 1, false
		return nil
	}
	p := &ProtectedHeap{reg: r, id: id, dev: dev, pool: pool, refs: 1}
	h, err := r.Add(id.String(), p)
	if err != nil {
		dev.Put()
		return err
	}
	p.heap = h
	r.protected = append(r.protected, p)
	// Somebody else's heap or alias of that name comes first; the heap is there under its own name all the same.
	_ = r.Alias(id.alias(), id.String())
	return nil
}

// UnregisterProtected takes a driver from behind its heaps (tee_device_put_all_dma_heaps). A pool is destroyed, and the reference to the
// device put, when the last of its buffers has gone; allocations go on until then, as in Linux.
func (r *Registry) UnregisterProtected(dev TEEDevice) {
	for _, p := range r.protected {
		if p.dev != nil && p.dev == dev && !p.shuttingDown {
			p.shuttingDown = true
			p.put()
		}
	}
}

func (p *ProtectedHeap) put() {
	if p.refs--; p.refs > 0 {
		return
	}
	dev, pool := p.dev, p.pool
	p.dev, p.pool = nil, nil
	pool.Destroy()
	dev.Put()
}

// Allocate makes a restricted buffer: EINVAL without a driver.
func (p *ProtectedHeap) Allocate(length uint64, flags uint32) (*dmabuf.Buffer, error) {
	if p.dev == nil {
		return nil, normalworld.EINVAL
	}
	p.refs++
	segs, offset, err := p.pool.Alloc(length)
	if err != nil {
		p.put()
		return nil, err
	}
	b, err := p.reg.core.Export(dmabuf.ExportInfo{
		Name: p.heap.name, Exporter: p, Size: length, Flags: flags, Restricted: true,
		Private: &protectedBuffer{heap: p, segs: segs, offset: offset},
	})
	if err != nil {
		p.pool.Free(segs)
		p.put()
		return nil, err
	}
	return b, nil
}

// Attach lets every device in: whether it may access the memory is the firewall's decision.
func (p *ProtectedHeap) Attach(*dmabuf.Attachment) error { return nil }

// Detach has nothing to undo.
func (p *ProtectedHeap) Detach(*dmabuf.Attachment) {}

// Map gives the memory as the device addresses it. Nothing is copied and no cache is cleaned: the processor has no part in it.
func (p *ProtectedHeap) Map(a *dmabuf.Attachment, dir dmabuf.Direction) ([]dmabuf.Segment, error) {
	m := a.Buffer().Private.(*protectedBuffer)
	segs, err := a.MapSG(m.segs)
	if g, ok := p.pool.(Guard); ok && err == nil {
		if err = g.Admit(a.Device(), m.segs, dir); err != nil {
			return nil, err
		}
	}
	return segs, err
}

// Unmap dismisses the device, where its access is bound to the mapping.
func (p *ProtectedHeap) Unmap(a *dmabuf.Attachment, _ []dmabuf.Segment, dir dmabuf.Direction) {
	if g, ok := p.pool.(Guard); ok {
		g.Dismiss(a.Device(), a.Buffer().Private.(*protectedBuffer).segs, dir)
	}
}

// Release gives the memory back to the pool.
func (p *ProtectedHeap) Release(b *dmabuf.Buffer) {
	p.pool.Free(b.Private.(*protectedBuffer).segs)
	p.put()
}

// ReferenceTo says how dev's secure world is told of a buffer (tee_heap_update_from_dma_buf): EINVAL where it is not from one of dev's
// protected heaps.
func ReferenceTo(dev TEEDevice, b *dmabuf.Buffer) (Reference, error) {
	p, ok := b.Exporter().(*ProtectedHeap)
	if !ok || b.Released() || p.dev != dev {
		return Reference{}, normalworld.EINVAL
	}
	m := b.Private.(*protectedBuffer)
	ref, err := p.pool.UpdateSHM(m.segs, m.offset)
	if err != nil {
		return Reference{}, err
	}
	ref.Size = b.Size()
	if ref.Parent != nil {
		ref.Offset = m.offset
	}
	return ref, nil
}

// ID is which of the protected heaps p is.
func (p *ProtectedHeap) ID() ID { return p.id }
