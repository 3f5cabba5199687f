package optee

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// maxReceivers bounds whom a pool is lent to.
const maxReceivers = 8

// ProtmemConfig is what the secure world asks of memory that is lent to it (GET_PROTMEM_CONFIG).
type ProtmemConfig struct {
	UseCase optee.UseCase
	MinSize uint64 // bytes of a pool
	Align   uint64 // bytes; Linux does not look at it
	Width   uint32 // of an address, in bits
	// Receivers are whom it is lent to over FF-A.
	Receivers []armffa.Receiver
}

// addHeaps gives the protected heaps their pools. Without one there is no heap; that is no error.
func (d *Driver) addHeaps() {
	var known []mem.Range
	for _, id := range d.cfg.UseCases {
		pool := d.protectedPool(optee.UseCase(id))
		if s, ok := pool.(*tee.StaticPool); ok {
			// The secure world names the carve-out for video where it has none for a use case.
			if slices.ContainsFunc(known, func(r mem.Range) bool { return r.Base < s.Range().End() && s.Range().Base < r.End() }) {
				continue
			}
			known = append(known, s.Range())
		}
		if pool != nil && d.dev.RegisterHeap(id, pool) != nil {
			pool.Destroy()
		}
	}
}

func (d *Driver) protectedPool(u optee.UseCase) heap.ProtectedPool {
	if d.static {
		base, size, err := d.be.staticPool(u)
		if err == nil && d.mayReserve(base, size) {
			if p, err := tee.NewStaticPool(d.k, base, size); err == nil {
				return p
			}
		}
	}
	if !d.protmem {
		return nil
	}
	c, err := d.protmemConfig(u)
	switch {
	case err != nil:
		return nil
	case d.cfg.Policy != nil:
		return d.cfg.Policy(d, *c)
	}
	return NewDynamicPool(d, *c)
}

// protmemConfig asks for the size of a pool and for whom it is lent to: first how long that list is, then the list.
func (d *Driver) protmemConfig(u optee.UseCase) (*ProtmemConfig, error) {
	c, n, err := d.askProtmem(u, 0)
	if err != nil || n == 0 {
		if err == nil && d.isFFA() {
			err = normalworld.EINVAL // nobody to lend to
		}
		return c, err
	}
	if c, _, err = d.askProtmem(u, n); err == nil && d.isFFA() && len(c.Receivers) == 0 {
		err = normalworld.EINVAL
	}
	return c, err
}

func (d *Driver) askProtmem(u optee.UseCase, room uint64) (*ProtmemConfig, uint64, error) {
	list := tee.Memref(tee.AttrMemrefOutput, nil, 0, room)
	if room > 0 {
		s, err := d.ctx.AllocPrivate(room)
		if err != nil {
			return nil, 0, err
		}
		defer s.Put()
		list.SHM = s
	}
	m, err := d.newCall(d.ctx, optee.CmdGetProtmemConfig)
	if err != nil {
		return nil, 0, err
	}
	defer m.done()
	m.arg.Params = append(m.arg.Params, optee.ValueParam(optee.AttrValueInOut, uint64(u), 0, 0), d.toMessage(&list))
	if err := d.run(m); err != nil {
		return nil, 0, err
	}
	ret, v, size := m.arg.Ret, m.arg.Params[0].Value(), m.arg.Params[1].Size()
	entry := uint64(4)
	if d.cfg.RSTMEM {
		entry, v.C = 2, 64 // nothing is said of addresses
	}
	switch {
	case ret != optee.Success && ret != optee.ErrorShortBuffer:
		return nil, 0, fmt.Errorf("GET_PROTMEM_CONFIG: %v: %w", ret, normalworld.EINVAL)
	case ret == optee.ErrorShortBuffer && (room > 0 || size == 0), ret == optee.Success && size > room,
		size > maxReceivers*entry, size%entry != 0:
		return nil, 0, normalworld.EINVAL
	case v.A == 0 || v.A%page != 0 || v.A > tee.MaxSHMPages*page || v.C == 0 || v.C > 64 || v.B&(v.B-1) != 0 || v.B > 1<<30:
		return nil, 0, normalworld.EINVAL
	}
	c := &ProtmemConfig{UseCase: u, MinSize: v.A, Align: max(v.B, page), Width: uint32(v.C)}
	if ret == optee.ErrorShortBuffer || room == 0 {
		return c, size, nil
	}
	var b [4 * maxReceivers]byte
	if err := list.SHM.Read(0, b[:size]); err != nil {
		return nil, 0, err
	}
	for off := uint64(0); off < size; off += entry {
		r := armffa.Receiver{Permissions: ffa.DataRW}
		if d.cfg.RSTMEM {
			r.ID = ffa.EndpointID(binary.LittleEndian.Uint16(b[off:]))
		} else {
			e, ok := optee.ParseProtmemConfigEntry(binary.LittleEndian.Uint32(b[off:]))
			if !ok {
				return nil, 0, normalworld.EINVAL
			}
			r.ID, r.Permissions = ffa.EndpointID(e.Endpoint), ffa.Permissions(e.Permissions)
		}
		c.Receivers = append(c.Receivers, r)
	}
	return c, size, nil
}

// allocDMA finds memory that masters of a use case reach (dma_alloc_pages).
func (d *Driver) allocDMA(pages uint64, c *ProtmemConfig) (uint64, error) {
	f := mem.Flags{Zero: true}
	if c.Width < 64 {
		f.Mask = 1<<c.Width - 1
	}
	pa, err := d.sub.Pages().AllocContig(pages*page, f)
	if err == nil && pa%c.Align != 0 {
		d.sub.FreePages(pa, pages)
		err = normalworld.ENOMEM
	}
	return pa, err
}

// Lend allocates size bytes of contiguous memory, whole pages, and lends it to the secure world for a use case. After an error
// nothing is lent, as far as the secure world says.
func (d *Driver) Lend(size uint64, c *ProtmemConfig) (*tee.SHM, error) {
	if size == 0 || size > tee.MaxSHMPages*page || d.ctx == nil {
		return nil, normalworld.ENOMEM
	}
	pages := (size + page - 1) / page
	pa, err := d.allocDMA(pages, c)
	if err != nil {
		return nil, err
	}
	s := d.ctx.NewDMA(pa, pages)
	if err := d.lendSHM(s, c); err != nil {
		return nil, err
	}
	return s, nil
}

// lendSHM lends memory that a piece of shared memory was made of. After an error the piece has gone.
func (d *Driver) lendSHM(s *tee.SHM, c *ProtmemConfig) error {
	if err := d.be.lend(s, c); err != nil {
		if errors.Is(err, errUnknown) {
			d.hold(s)
		} else {
			s.SecWorldID = 0
		}
		held := s.Held()
		s.Put()
		if held {
			d.settleMemory()
		}
		return toErrno(err)
	}
	d.byID[s.SecWorldID] = s
	s.SetFlags(s.Flags() | tee.SHMDynamic)
	d.stats.Lent++
	return nil
}

// Reclaim takes back what Lend lent, and frees it. Memory that the secure world does not give back is not used again.
func (d *Driver) Reclaim(s *tee.SHM) {
	if err := d.be.reclaim(s); err != nil || !d.reaches(s) {
		d.hold(s)
	} else {
		d.forget(s)
		d.stats.Reclaimed++
	}
	s.SetFlags(s.Flags() &^ tee.SHMDynamic)
	held := s.Held()
	s.Put()
	if held {
		d.settleMemory()
	}
}

// reaches reports whether the processor reaches memory that the secure world says it has given back.
func (d *Driver) reaches(s *tee.SHM) bool {
	pages := s.Pages()
	_, err := d.k.Load(pages[0], 8)
	if err == nil && len(pages) > 1 {
		_, err = d.k.Load(pages[len(pages)-1], 8)
	}
	return err == nil
}

// DynamicPool is Linux's policy (struct optee_protmem_dyn_pool): a pool of MinSize is lent with the first allocation and taken back
// after the last.
type DynamicPool struct {
	d     *Driver
	c     ProtmemConfig
	lent  *tee.SHM
	pool  *mem.Pool
	users int
}

// NewDynamicPool makes a pool that is not lent.
func NewDynamicPool(d *Driver, c ProtmemConfig) heap.ProtectedPool { return &DynamicPool{d: d, c: c} }

// Alloc is documented at heap.ProtectedPool.
func (p *DynamicPool) Alloc(size uint64) ([]dmabuf.Segment, uint64, error) {
	if p.lent == nil {
		s, err := p.d.Lend(p.c.MinSize, &p.c)
		if err != nil {
			return nil, 0, err
		}
		if p.lent != nil {
			// Somebody else was faster.
			p.users++
			p.d.Reclaim(s)
			p.users--
			return p.Alloc(size)
		}
		p.lent = s
		if p.pool, err = mem.NewPool(mem.Range{Base: s.Pages()[0], Size: s.Size()}); err != nil {
			panic("BUG: optee: " + err.Error())
		}
	}
	p.users++
	pa, err := p.pool.Alloc(size)
	if err != nil {
		p.put()
		return nil, 0, err
	}
	return []dmabuf.Segment{{Addr: pa, Len: size}}, pa - p.lent.Pages()[0], nil
}

// Free is documented at heap.ProtectedPool.
func (p *DynamicPool) Free(segs []dmabuf.Segment) {
	p.pool.Free(segs[0].Addr, segs[0].Len)
	p.put()
}

func (p *DynamicPool) put() {
	if p.users--; p.users == 0 {
		s := p.lent
		p.lent, p.pool = nil, nil
		p.d.Reclaim(s)
	}
}

// UpdateSHM is documented at heap.ProtectedPool: memory is named as a part of the pool.
func (p *DynamicPool) UpdateSHM([]dmabuf.Segment, uint64) (heap.Reference, error) {
	return heap.Reference{Parent: p.lent}, nil
}

// Destroy is documented at heap.ProtectedPool.
func (p *DynamicPool) Destroy() {}

// Held reports whether the pool is lent.
func (p *DynamicPool) Held() bool { return p.lent != nil }

// BufferPool is the policy that lends each buffer by itself, and takes it back when it is freed: memory is protected for no longer
// than it must, and each buffer costs a region of the controller.
type BufferPool struct {
	d    *Driver
	c    ProtmemConfig
	lent map[uint64]*tee.SHM // by address; looked up, never ranged over
}

// NewBufferPool is a Policy.
func NewBufferPool(d *Driver, c ProtmemConfig) heap.ProtectedPool {
	return &BufferPool{d: d, c: c, lent: make(map[uint64]*tee.SHM)}
}

// Alloc is documented at heap.ProtectedPool. What is lent is as much as the alignment asks for.
func (p *BufferPool) Alloc(size uint64) ([]dmabuf.Segment, uint64, error) {
	if size > tee.MaxSHMPages*page {
		return nil, 0, normalworld.ENOMEM
	}
	s, err := p.d.Lend((size+p.c.Align-1)&^(p.c.Align-1), &p.c)
	if err != nil {
		return nil, 0, err
	}
	pa := s.Pages()[0]
	p.lent[pa] = s
	return []dmabuf.Segment{{Addr: pa, Len: size}}, 0, nil
}

// Free is documented at heap.ProtectedPool.
func (p *BufferPool) Free(segs []dmabuf.Segment) {
	s := p.lent[segs[0].Addr]
	delete(p.lent, segs[0].Addr)
	p.d.Reclaim(s)
}

// UpdateSHM is documented at heap.ProtectedPool.
func (p *BufferPool) UpdateSHM(segs []dmabuf.Segment, _ uint64) (heap.Reference, error) {
	return heap.Reference{Parent: p.lent[segs[0].Addr]}, nil
}

// Destroy is documented at heap.ProtectedPool.
func (p *BufferPool) Destroy() {}
