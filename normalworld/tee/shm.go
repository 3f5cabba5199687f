package tee

import (
	"math"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
)

// SHMFlags are flags of shared memory. The numbers are those that ioctls show (include/linux/tee_core.h, TEE_SHM_...).
type SHMFlags uint32

// The flags.
const (
	// SHMDynamic is memory that the secure world knows: it was registered.
	SHMDynamic SHMFlags = 1 << 0
	// SHMUserMapped is memory of a process.
	SHMUserMapped SHMFlags = 1 << 1
	// SHMPool is memory of the driver's pool.
	SHMPool SHMFlags = 1 << 2
	// SHMPrivate is memory of the driver's own, which is not registered where it need not be.
	SHMPrivate SHMFlags = 1 << 3
	// SHMDMABuf is a part of restricted memory.
	SHMDMABuf SHMFlags = 1 << 4
	// SHMDMAMem is memory for a protected pool.
	SHMDMAMem SHMFlags = 1 << 5
	// SHMBorrowed is memory that is neither the subsystem's nor the driver's: who made it of pages of his own frees them.
	SHMBorrowed SHMFlags = 1 << 31
)

// MaxSHMPages bounds one piece of shared memory. A page list for the secure world never gets longer.
const MaxSHMPages = 1 << 16

// SHM is memory that is shared with the secure world, or a part of protected memory (struct tee_shm). It lives as long as there are
// references to it: the descriptor's, those of mappings, and those of calls that use it.
type SHM struct {
	dev    *Device
	ctx    *Context
	id     int32 // -1: it has none
	flags  SHMFlags
	size   uint64
	offset uint64   // of the first byte in the first page
	pages  []uint64 // addresses
	refs   int
	one    [1]uint64 // pages, where there is one

	// SecWorldID is by what the secure world knows the memory: an FF-A handle, or a cookie. 0 is nothing.
	SecWorldID uint64

	space  *AddressSpace // of a process
	pinned []*userPage
	buffer *dmabuf.Buffer // of restricted memory
	parent *SHM           // of the pool that it is in, or nil
	inside uint64         // offset in parent
	weak   bool           // references are those of buffer
	held   bool           // the secure world may use the pages still, though nobody here does
}

// ID is the identifier that parameters carry, or -1.
func (s *SHM) ID() int32 { return s.id }

// Flags say what kind of memory it is.
func (s *SHM) Flags() SHMFlags { return s.flags }

// Size is in bytes.
func (s *SHM) Size() uint64 { return s.size }

// Offset is that of the first byte in the first page.
func (s *SHM) Offset() uint64 { return s.offset }

// Pages are the addresses of the pages.
func (s *SHM) Pages() []uint64 { return s.pages }

// Context is who the memory belongs to.
func (s *SHM) Context() *Context { return s.ctx }

// Parent gives, for a part of a protected pool, the pool and the offset in it; elsewhere the memory itself.
func (s *SHM) Parent() (*SHM, uint64) {
	if s.parent != nil {
		return s.parent, s.inside
	}
	return s, 0
}

// PA is the address of a byte, of memory whose pages are contiguous.
func (s *SHM) PA(offset uint64) (uint64, error) {
	if offset >= s.size || len(s.pages) == 0 {
		return 0, normalworld.EINVAL
	}
	return s.pages[0] + s.offset + offset, nil
}

// Contains reports whether size bytes from offset on are within the memory.
func (s *SHM) Contains(offset, size uint64) bool { return offset <= s.size && size <= s.size-offset }

// SetPages says where pool memory stands: PoolAlloc of a driver's pool calls it.
func (s *SHM) SetPages(pages []uint64, offset, size uint64) {
	s.pages, s.offset, s.size = pages, offset, size
}

// SetContiguous says that the memory is contiguous pages from pa on.
func (s *SHM) SetContiguous(pa, pages uint64) {
	s.pages = s.one[:]
	if pages > 1 {
		s.pages = make([]uint64, pages)
	}
	for i := range s.pages {
		s.pages[i] = pa + uint64(i)*page
	}
	s.offset, s.size = 0, pages*page
}

// SetFlags changes flags: a driver's pool of memory that was never registered clears SHMDynamic.
func (s *SHM) SetFlags(f SHMFlags) { s.flags = f }

// Read copies from the memory as the processor, Write to it. Outside of it is EINVAL.
func (s *SHM) Read(offset uint64, b []byte) error { return s.access(offset, b, s.dev.sub.k.Read) }

// Write is described at Read.
func (s *SHM) Write(offset uint64, b []byte) error { return s.access(offset, b, s.dev.sub.k.Write) }

func (s *SHM) access(offset uint64, b []byte, f func(uint64, []byte) error) error {
	if !s.Contains(offset, uint64(len(b))) || s.flags&SHMDMABuf != 0 {
		return normalworld.EINVAL
	}
	at := s.offset + offset
	for len(b) > 0 {
		n := min(uint64(len(b)), page-at%page)
		if err := f(s.pages[at/page]+at%page, b[:n]); err != nil {
			return err
		}
		at, b = at+n, b[n:]
	}
	return nil
}

func (s *SHM) get() {
	if s.weak {
		if s.buffer.Get() != nil {
			panic("BUG: tee: shared memory outlives its buffer")
		}
		return
	}
	s.refs++
}

// Get takes a reference, for a call.
func (s *SHM) Get() *SHM { s.get(); return s }

// Put gives a reference back; the last one ends the memory.
func (s *SHM) Put() {
	if s.weak {
		s.buffer.Put()
		return
	}
	if s.refs--; s.refs > 0 {
		return
	}
	if s.refs < 0 {
		panic("BUG: tee: shared memory is given back twice")
	}
	s.end()
}

func (s *SHM) end() {
	if s.id >= 0 {
		s.dev.ids[s.id] = nil
		s.id = -1
	}
	d := s.dev.driver
	switch {
	case s.weak:
	case s.flags&SHMDMABuf != 0:
		s.buffer.Put()
	case s.flags&SHMUserMapped != 0:
		if s.SecWorldID != 0 && d.Unregister(s) != nil {
			s.Hold()
		}
		s.unpin()
	case s.flags&(SHMPool|SHMDMAMem) != 0:
		d.PoolFree(s)
	}
	s.buffer = nil
	s.dev.shms--
	s.ctx.put()
}

// Hold says that the secure world may use the memory still, though nobody refers to it any more: its pages are not to be used
// again before Settle. A driver calls it when it cannot take memory back.
func (s *SHM) Hold() { s.held = true }

// Held reports whether Hold was called, and not Settle.
func (s *SHM) Held() bool { return s.held }

// Settle ends what Hold began: pages of a process go back. Those of a driver's pool are the driver's business.
func (s *SHM) Settle() {
	if s.held {
		s.held = false
		s.dev.sub.lost -= uint64(len(s.pinned))
		s.unpin()
	}
}

// unpin gives the pages back to their process, unless they are held.
func (s *SHM) unpin() {
	if s.held {
		s.dev.sub.lost += uint64(len(s.pinned))
		return
	}
	if s.space != nil {
		s.space.unpinAll(s.pinned)
	}
	s.pinned = nil
}

// newSHM makes shared memory with one reference.
func (c *Context) newSHM(f SHMFlags) *SHM {
	c.get()
	c.dev.shms++
	return &SHM{dev: c.dev, ctx: c, id: -1, flags: f, refs: 1}
}

// drop ends shared memory that never came to be.
func (s *SHM) drop() {
	s.dev.shms--
	s.ctx.put()
}

// AllocKernel allocates memory for the kernel and registers it; AllocPrivate does not register it where the driver need not.
func (c *Context) AllocKernel(size uint64) (*SHM, error) {
	return c.alloc(size, SHMDynamic|SHMPool, page)
}

// AllocPrivate is described at AllocKernel.
func (c *Context) AllocPrivate(size uint64) (*SHM, error) {
	return c.alloc(size, SHMPrivate|SHMPool, 8)
}

func (c *Context) alloc(size uint64, f SHMFlags, align uint64) (*SHM, error) {
	if size == 0 || size > MaxSHMPages*page {
		return nil, normalworld.ENOMEM
	}
	s := c.newSHM(f)
	if err := c.dev.driver.PoolAlloc(s, size, align); err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

// NewDMA makes shared memory of contiguous pages for a protected pool. The driver's PoolFree gets it in the end.
func (c *Context) NewDMA(pa, pages uint64) *SHM {
	s := c.newSHM(SHMDMAMem)
	s.SetContiguous(pa, pages)
	return s
}

// AllocUser allocates memory that a process can map (tee_shm_alloc_user_buf): it has an identifier.
func (c *Context) AllocUser(size uint64) (*SHM, error) {
	s, err := c.alloc(size, SHMDynamic|SHMPool, page)
	if err != nil {
		return nil, err
	}
	return c.named(s)
}

// RegisterUser registers memory of a process.
func (c *Context) RegisterUser(space *AddressSpace, va, size uint64) (*SHM, error) {
	if size == 0 || va >= taskSize || size > taskSize-va {
		return nil, normalworld.EINVAL
	}
	if size > MaxSHMPages*page-page {
		return nil, normalworld.ENOMEM
	}
	pinned, err := space.pin(va, size)
	if err != nil {
		return nil, err
	}
	s := c.newSHM(SHMUserMapped | SHMDynamic)
	s.space, s.pinned, s.offset, s.size = space, pinned, va%page, size
	s.pages = s.one[:0]
	for _, p := range pinned {
		s.pages = append(s.pages, p.pa)
	}
	if err := c.dev.driver.Register(s); err != nil {
		s.unpin()
		s.drop()
		return nil, err
	}
	return c.named(s)
}

// named gives the memory the lowest identifier that is free, from 1 on.
func (c *Context) named(s *SHM) (*SHM, error) {
	dev := c.dev
	for i := 1; i < len(dev.ids); i++ {
		if dev.ids[i] == nil {
			dev.ids[i], s.id = s, int32(i)
			return s, nil
		}
	}
	if len(dev.ids) == 0 {
		dev.ids = append(dev.ids, nil)
	}
	if len(dev.ids) > math.MaxInt32 {
		s.end()
		return nil, normalworld.ENOSPC
	}
	s.id = int32(len(dev.ids))
	dev.ids = append(dev.ids, s)
	return s, nil
}

// lookup finds memory of this context and takes a reference.
func (c *Context) lookup(id uint64) (*SHM, error) {
	// The kernel takes the low 32 bits for the identifier.
	n := int32(uint32(id))
	if n <= 0 || int(n) >= len(c.dev.ids) {
		return nil, normalworld.EINVAL
	}
	s := c.dev.ids[n]
	if s == nil || s.ctx != c {
		return nil, normalworld.EINVAL
	}
	return s.Get(), nil
}

// Lookup is lookup for drivers: the memory that a supplicant names in a reply.
func (c *Context) Lookup(id uint64) (*SHM, error) { return c.lookup(id) }
