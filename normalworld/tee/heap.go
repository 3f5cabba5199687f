package tee

import (
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
)

// Get is for heaps, which hold the device as long as they have buffers of it (tee_device_get).
func (d *Device) Get() bool {
	if d.gone {
		return false
	}
	d.heaps++
	return true
}

// Put is described at Get.
func (d *Device) Put() { d.heaps-- }

// RegisterHeap puts a pool behind a protected heap of the subsystem's registry (tee_device_register_dma_heap).
func (d *Device) RegisterHeap(id heap.ID, pool heap.ProtectedPool) error {
	if d.sub.heaps == nil {
		return normalworld.ENODEV
	}
	if g, ok := pool.(heap.Guard); ok {
		return d.sub.heaps.RegisterProtected(d, id, &guardedPool{devicePool{pool, d}, g})
	}
	return d.sub.heaps.RegisterProtected(d, id, &devicePool{pool, d})
}

// PutHeaps gives the device's heaps up (tee_device_put_all_dma_heaps).
func (d *Device) PutHeaps() {
	if d.sub.heaps != nil {
		d.sub.heaps.UnregisterProtected(d)
	}
}

// devicePool ends shared memory that is one with a buffer before the buffer's memory goes.
type devicePool struct {
	heap.ProtectedPool
	dev *Device
}

func (p *devicePool) Free(segs []dmabuf.Segment) {
	if len(p.dev.weak) > 0 {
		if s := p.dev.weak[segs[0].Addr]; s != nil {
			delete(p.dev.weak, segs[0].Addr)
			s.end()
		}
	}
	p.ProtectedPool.Free(segs)
}

// guardedPool is a devicePool of a pool that is a heap.Guard.
type guardedPool struct {
	devicePool
	heap.Guard
}

// RegisterBuffer makes shared memory of a dma-buf of one of the device's protected heaps: EINVAL for any other (tee_shm_register_fd).
func (c *Context) RegisterBuffer(b *dmabuf.Buffer) (*SHM, error) {
	s, err := c.restricted(b)
	if err != nil {
		return nil, err
	}
	if b.Get() != nil {
		s.drop()
		return nil, normalworld.EINVAL
	}
	return c.named(s)
}

// restricted makes shared memory of a buffer, without a reference to it.
func (c *Context) restricted(b *dmabuf.Buffer) (*SHM, error) {
	if b.Core() != c.dev.sub.buffers {
		return nil, normalworld.EINVAL
	}
	ref, err := heap.ReferenceTo(c.dev, b)
	if err != nil {
		return nil, normalworld.EINVAL
	}
	s := c.newSHM(SHMDMABuf)
	s.buffer, s.size, s.inside = b, ref.Size, ref.Offset
	if ref.Parent == nil {
		s.pages = append(s.one[:0], ref.PA)
		return s, nil
	}
	var ok bool
	if s.parent, ok = ref.Parent.(*SHM); !ok {
		s.drop()
		return nil, normalworld.EINVAL
	}
	s.pages = append(s.one[:0], s.parent.pages[s.inside/page])
	return s, nil
}

// exported makes shared memory that is one with its buffer: it ends with the last reference to that.
func (c *Context) exported(b *dmabuf.Buffer) (*SHM, error) {
	s, err := c.restricted(b)
	if err != nil {
		return nil, err
	}
	if s, err = c.named(s); err != nil {
		return nil, err
	}
	s.weak = true
	if c.dev.weak == nil {
		c.dev.weak = make(map[uint64]*SHM)
	}
	c.dev.weak[s.pages[0]] = s
	return s, nil
}

// rstmemAlloc is TEE_IOC_RSTMEM_ALLOC of the 2024 proposal: {size, flags, use_case, id}. It returns the descriptor of a dma-buf,
// and the identifier of the shared memory object, which lives as long as the dma-buf.
func (f *File) rstmemAlloc(arg uint64) (int64, error) {
	dev := f.ctx.dev
	if dev.driver.Version().GenCaps&GenCapRSTMEM == 0 || dev.sub.heaps == nil {
		return 0, normalworld.EINVAL
	}
	var b [24]byte
	if err := f.proc.Memory.Read(arg, b[:]); err != nil {
		return 0, err
	}
	if le.Uint32(b[8:]) != 0 {
		return 0, normalworld.EINVAL
	}
	id := heap.ID(le.Uint32(b[12:]))
	if id < heap.SecureVideoPlay || id > heap.SecureVideoRecord {
		return 0, normalworld.EINVAL
	}
	h, err := dev.sub.heaps.Open(id.String())
	if err != nil {
		return 0, normalworld.EINVAL
	}
	buf, err := h.Buffer(le.Uint64(b[:]), dmabuf.ORdWr)
	if err != nil {
		return 0, err
	}
	s, err := f.ctx.exported(buf)
	if err != nil {
		buf.Put()
		return 0, err
	}
	le.PutUint64(b[:], buf.Size())
	le.PutUint32(b[8:], uint32(s.flags))
	le.PutUint32(b[16:], uint32(s.id))
	err = f.proc.Memory.Write(arg, b[:])
	if err == nil {
		var fd int32
		if fd, err = f.proc.Files.Install(buf, dmabuf.OCloexec); err == nil {
			return int64(fd), nil
		}
	}
	buf.Put()
	return 0, err
}
