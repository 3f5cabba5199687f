package optee

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// Protmem asks the secure world what it wants of memory that is lent for a use case.
func (d *Driver) Protmem(u optee.UseCase) (*ProtmemConfig, error) {
	if !d.protmem || d.ctx == nil {
		return nil, normalworld.EOPNOTSUPP
	}
	return d.protmemConfig(u)
}

// LendPages lends memory of the caller's, whole contiguous pages, for a use case. It stays the caller's: TakeBack gives it back. After
// an error nothing is lent, unless the error wraps EIO: then the secure world may have the memory still.
func (d *Driver) LendPages(pa, pages uint64, c *ProtmemConfig) (*tee.SHM, error) {
	if pages == 0 || pages > tee.MaxSHMPages || pa%c.Align != 0 || d.ctx == nil {
		return nil, normalworld.EINVAL
	}
	s := d.ctx.NewDMA(pa, pages)
	s.SetFlags(s.Flags() | tee.SHMBorrowed)
	if err := d.lendSHM(s, c); err != nil {
		return nil, err
	}
	return s, nil
}

// TakeBack ends what LendPages began. After an error, which wraps EIO, the secure world has the memory still; it can be called again
// then.
func (d *Driver) TakeBack(s *tee.SHM) error {
	if s.Held() {
		d.settleMemory() // it was tried before
	} else {
		d.Reclaim(s)
	}
	if s.Held() {
		return fmt.Errorf("the secure world keeps %d pages at %#x: %w", len(s.Pages()), s.Pages()[0], normalworld.EIO)
	}
	return nil
}

// Grants is a session with the grant application: access of single masters to parts of protected memory. What is granted ends with
// the session at the latest.
type Grants struct {
	d       *Driver
	session uint32
}

// OpenGrants opens a session: ENODEV where the secure world has no such application.
func (d *Driver) OpenGrants() (*Grants, error) {
	if d.ctx == nil {
		return nil, normalworld.ENODEV
	}
	r := tee.Request{UUID: optee.GrantUUID(), Login: optee.LoginREEKernel}
	if err := d.ctx.OpenSession(&r); err != nil {
		return nil, err
	}
	if r.Ret != optee.Success {
		return nil, fmt.Errorf("grants: %v: %w", r.Ret, normalworld.ENODEV)
	}
	return &Grants{d: d, session: r.Session}, nil
}

// Close ends the session and all its grants.
func (g *Grants) Close() error {
	if g.d.ctx == nil {
		return nil
	}
	return g.d.ctx.CloseSession(g.session)
}

// GrantError is what the grant application answers when it refuses.
type GrantError struct {
	Master uint8 // NSAID
	Result optee.Result
}

func (e *GrantError) Error() string { return fmt.Sprintf("grant to master %d: %v", e.Master, e.Result) }

// Unwrap gives the error number that fits: ENOSPC where the address space controller has no region left.
func (e *GrantError) Unwrap() error {
	switch e.Result {
	case optee.ErrorAccessDenied:
		return normalworld.EACCES
	case optee.ErrorNoResource:
		return normalworld.ENOSPC
	case optee.ErrorOutOfMemory:
		return normalworld.ENOMEM
	}
	return normalworld.EINVAL
}

// directions is what a master does in a DMA direction.
func directions(dir dmabuf.Direction) (g optee.GrantDirection) {
	if dir.DeviceReads() {
		g |= optee.GrantRead
	}
	if dir.DeviceWrites() {
		g |= optee.GrantWrite
	}
	return g
}

// Grant lets a master at size bytes, whole pages, from offset on in memory that was lent.
func (g *Grants) Grant(s *tee.SHM, offset, size uint64, master uint8, dir dmabuf.Direction) error {
	return g.change(optee.GrantCmdGrant, s, offset, size, master, dir)
}

// Revoke ends what one Grant with the same arguments began.
func (g *Grants) Revoke(s *tee.SHM, offset, size uint64, master uint8, dir dmabuf.Direction) error {
	return g.change(optee.GrantCmdRevoke, s, offset, size, master, dir)
}

func (g *Grants) change(cmd uint32, s *tee.SHM, offset, size uint64, master uint8, dir dmabuf.Direction) error {
	if g.d.ctx == nil {
		return normalworld.ENODEV
	}
	r := tee.Request{Session: g.session, Func: cmd, Params: []tee.Param{
		tee.Memref(tee.AttrMemrefInOut, s, offset, size),
		tee.Value(tee.AttrValueInput, uint64(master), uint64(directions(dir)), 0), {}, {},
	}}
	if err := g.d.ctx.Invoke(&r); err != nil {
		return err
	}
	if r.Ret != optee.Success {
		return &GrantError{Master: master, Result: r.Ret}
	}
	return nil
}

// Carveout asks for the memory that is protected from the start for a use case: where it is, and the FF-A handle that names it, 0 over
// the SMC ABI. ENOENT where there is none.
func (g *Grants) Carveout(u optee.UseCase) (r mem.Range, handle uint64, err error) {
	if g.d.ctx == nil {
		return r, 0, normalworld.ENODEV
	}
	out := tee.Value(tee.AttrValueOutput, 0, 0, 0)
	q := tee.Request{Session: g.session, Func: optee.GrantCmdCarveout, Params: []tee.Param{tee.Value(tee.AttrValueInput, uint64(u), 0, 0), out, out, out}}
	if err := g.d.ctx.Invoke(&q); err != nil {
		return r, 0, err
	}
	switch q.Ret {
	case optee.Success:
	case optee.ErrorItemNotFound:
		return r, 0, normalworld.ENOENT
	default:
		return r, 0, fmt.Errorf("carve-out: %v: %w", q.Ret, normalworld.EINVAL)
	}
	word := func(i int) uint64 { return q.Params[i].A<<32 | q.Params[i].B&0xffff_ffff }
	r = mem.Range{Base: word(1), Size: word(2)}
	if r.Size == 0 || (r.Base|r.Size)%page != 0 || r.End() < r.Base || !g.d.mayReserve(r.Base, r.Size) ||
		!g.d.k.IsRAM(r.Base) || !g.d.k.IsRAM(r.End()-page) {
		return mem.Range{}, 0, normalworld.EIO
	}
	return r, word(3), nil
}

// MapPool is the policy that lends each buffer for nobody, and lets a device at it while the device has it mapped, in the mapping's
// direction: the proposal of 2015 over today's ABIs.
type MapPool struct {
	BufferPool
	grants *Grants
}

// NewMapPool is a Policy. Where the secure world has no use case on demand it gives a pool without memory.
func NewMapPool(d *Driver, c ProtmemConfig) heap.ProtectedPool {
	p := &MapPool{BufferPool: BufferPool{d: d, c: c, lent: make(map[uint64]*tee.SHM)}}
	use := optee.UseCaseOnDemand
	if c.UseCase == optee.UseCaseTrustedUI {
		use = optee.UseCaseOnDemandUI
	}
	if own, err := d.protmemConfig(use); err == nil {
		p.c = *own
	} else {
		p.c.UseCase = 0
	}
	return p
}

// Alloc is documented at heap.ProtectedPool.
func (p *MapPool) Alloc(size uint64) ([]dmabuf.Segment, uint64, error) {
	if p.c.UseCase == 0 {
		return nil, 0, normalworld.EOPNOTSUPP
	}
	if p.grants == nil {
		g, err := p.d.OpenGrants()
		if err != nil {
			return nil, 0, err
		}
		p.grants = g
	}
	return p.BufferPool.Alloc(size)
}

// Admit is documented at heap.Guard.
func (p *MapPool) Admit(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) error {
	return p.grants.Grant(p.lent[segs[0].Addr], 0, segs[0].Len, dev.NSAID, dir)
}

// Dismiss is documented at heap.Guard. Where the secure world refuses, access ends with the buffer.
func (p *MapPool) Dismiss(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) {
	_ = p.grants.Revoke(p.lent[segs[0].Addr], 0, segs[0].Len, dev.NSAID, dir)
}

// Destroy is documented at heap.ProtectedPool.
func (p *MapPool) Destroy() {
	if p.grants != nil {
		_ = p.grants.Close() // the driver closes what is left of its sessions
		p.grants = nil
	}
}

// CarveoutPool is the static policy where the driver has no carve-out of its own to find, as over FF-A: memory that is protected
// from reset on, which the secure world names by a handle.
type CarveoutPool struct {
	d    *Driver
	pool *mem.Pool
	shm  *tee.SHM
}

// NewCarveoutPool is a Policy. Without a carve-out it gives a pool without memory.
func NewCarveoutPool(d *Driver, c ProtmemConfig) heap.ProtectedPool {
	p := &CarveoutPool{d: d}
	g, err := d.OpenGrants()
	if err != nil {
		return p
	}
	r, handle, err := g.Carveout(c.UseCase)
	if cerr := g.Close(); err != nil || cerr != nil {
		return p
	}
	if p.pool, err = mem.NewPool(r); err != nil {
		p.pool = nil
		return p
	}
	if handle != 0 {
		p.shm = d.ctx.NewDMA(r.Base, r.Size/page)
		p.shm.SetFlags(p.shm.Flags() | tee.SHMBorrowed)
		p.shm.SecWorldID = handle
	}
	return p
}

// Alloc is documented at heap.ProtectedPool.
func (p *CarveoutPool) Alloc(size uint64) ([]dmabuf.Segment, uint64, error) {
	if p.pool == nil {
		return nil, 0, normalworld.EOPNOTSUPP
	}
	pa, err := p.pool.Alloc(size)
	if err != nil {
		return nil, 0, err
	}
	return []dmabuf.Segment{{Addr: pa, Len: size}}, pa - p.pool.Range().Base, nil
}

// Free is documented at heap.ProtectedPool.
func (p *CarveoutPool) Free(segs []dmabuf.Segment) {
	if err := p.pool.Free(segs[0].Addr, segs[0].Len); err != nil {
		panic("BUG: optee: " + err.Error())
	}
}

// UpdateSHM is documented at heap.ProtectedPool.
func (p *CarveoutPool) UpdateSHM(segs []dmabuf.Segment, _ uint64) (heap.Reference, error) {
	if p.shm == nil {
		return heap.Reference{PA: segs[0].Addr}, nil
	}
	return heap.Reference{Parent: p.shm}, nil
}

// Destroy is documented at heap.ProtectedPool.
func (p *CarveoutPool) Destroy() {
	if p.shm != nil {
		p.shm.Put()
		p.shm = nil
	}
}
