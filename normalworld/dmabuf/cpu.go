package dmabuf

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/platform/event"
)

// BeginCPUAccess readies the buffer for the processor (dma_buf_begin_cpu_access): FromDevice to read, ToDevice to write, or both. It
// waits for the fences in the way: those of usage Write for a reader, those of usage Read too for a writer. Restricted buffers refuse
// with ErrRestricted.
func (b *Buffer) BeginCPUAccess(dir Direction) error {
	switch {
	case b.released:
		return b.broke(ErrReleased)
	case !dir.Valid():
		return b.broke(ErrDirection)
	case b.restricted:
		return b.broke(ErrRestricted)
	}
	b.calls++
	defer func() { b.calls-- }()
	if b.cpu != nil {
		if err := b.cpu.BeginCPUAccess(b, dir); err != nil {
			return err
		}
	}
	if err := b.resv.Wait(UsageRW(dir.DeviceReads()), normalworld.Forever); err != nil {
		return b.undoBegin(dir, err)
	}
	if dir.DeviceWrites() {
		for a := b.firstAtt; a != nil; a = a.next {
			if a.mapped && a.dir.DeviceWrites() {
				if err := a.fromBounce(); err != nil {
					return b.undoBegin(dir, err)
				}
			}
		}
	}
	b.begun[dir]++
	b.core.stats.CPUAccesses++
	if b.core.on() {
		b.emit("BEGIN_CPU_ACCESS", event.Str("direction", dir.String()))
	}
	return nil
}

// undoBegin tells an exporter that had agreed that nothing comes of it.
func (b *Buffer) undoBegin(dir Direction, err error) error {
	if b.cpu != nil {
		// The access is refused already; what the exporter says now changes nothing.
		_ = b.cpu.EndCPUAccess(b, dir)
	}
	return err
}

// EndCPUAccess ends what BeginCPUAccess began with the same direction.
func (b *Buffer) EndCPUAccess(dir Direction) error {
	switch {
	case b.released:
		return b.broke(ErrReleased)
	case !dir.Valid():
		return b.broke(ErrDirection)
	case b.restricted:
		return b.broke(ErrRestricted)
	case b.begun[dir] == 0:
		return b.broke(ErrNotBegun)
	}
	b.calls++
	defer func() { b.calls-- }()
	if dir.DeviceReads() {
		for a := b.firstAtt; a != nil; a = a.next {
			if a.mapped && a.dir.DeviceReads() {
				if err := a.toBounce(); err != nil {
					return err
				}
			}
		}
	}
	if b.cpu != nil {
		if err := b.cpu.EndCPUAccess(b, dir); err != nil {
			return err
		}
	}
	b.begun[dir]--
	if b.core.on() {
		b.emit("END_CPU_ACCESS", event.Str("direction", dir.String()))
	}
	return nil
}

// bracketed reports whether processor access that permits this has begun.
func (b *Buffer) bracketed(write bool) bool {
	if write {
		return b.begun[ToDevice]+b.begun[Bidirectional] > 0
	}
	return b.begun[FromDevice]+b.begun[Bidirectional] > 0
}

// Prot is the protection of a process's mapping. The numbers are those of mmap (asm-generic/mman-common.h).
type Prot uint8

// The permissions.
const (
	ProtRead  Prot = 1
	ProtWrite Prot = 2
)

// Mapping is a buffer, or pages of it, in a process's memory (MAP_SHARED). It holds a reference until Unmap, so that it outlives the
// descriptor that it was made from.
type Mapping struct {
	buf      *Buffer
	off, len uint64
	prot     Prot
	pages    []uint64 // physical addresses, with present set; 0 before the first touch
	dead     bool
}

const present = 1

// MMap maps length bytes from offset on into a process (dma_buf_mmap); the length is rounded up to pages. No page is looked up
// before it is touched. Restricted buffers, as all whose exporter is no MMapper, refuse with ErrNoMMap.
func (b *Buffer) MMap(offset, length uint64, prot Prot) (*Mapping, error) {
	pages := length/PageSize + (length%PageSize+PageSize-1)/PageSize
	switch {
	case b.released:
		return nil, b.broke(ErrReleased)
	case b.restricted || b.mmapper == nil:
		return nil, b.broke(ErrNoMMap)
	case offset%PageSize != 0 || pages == 0:
		return nil, b.broke(ErrMMapRange)
	case offset/PageSize+pages > 1<<(64-12):
		return nil, b.broke(ErrMMapOverflow)
	case offset/PageSize+pages > b.size/PageSize:
		return nil, b.broke(ErrMMapRange)
	}
	b.calls++
	err := b.mmapper.MMap(b, offset, pages*PageSize)
	b.calls--
	if err != nil {
		return nil, err
	}
	b.refs++
	b.mmaps++
	b.core.stats.MMaps++
	if b.core.on() {
		b.emit("MMAP", event.Hex("offset", offset), event.Hex("size", pages*PageSize))
	}
	return &Mapping{buf: b, off: offset, len: pages * PageSize, prot: prot, pages: make([]uint64, pages)}, nil
}

// Len is the mapping's length in bytes.
func (m *Mapping) Len() uint64 { return m.len }

// Buffer is what is mapped.
func (m *Mapping) Buffer() *Buffer { return m.buf }

// Unmap takes the mapping out of the process (munmap). Later accesses fail with ErrSegv, as does a second Unmap.
func (m *Mapping) Unmap() error {
	b := m.buf
	if m.dead {
		return b.broke(ErrSegv)
	}
	m.dead = true
	if err := b.Put(); err != nil {
		m.dead = false
		return err
	}
	m.pages = nil
	b.mmaps--
	b.core.stats.MMaps--
	if b.core.on() {
		b.emit("MUNMAP")
	}
	return nil
}

// Read loads from offset off of the mapping on. An access that the bus refuses is an error that names address and direction, and p
// is zero from there on.
func (m *Mapping) Read(off uint64, p []byte) error { return m.access(off, p, false) }

// Write stores from offset off of the mapping on.
func (m *Mapping) Write(off uint64, p []byte) error { return m.access(off, p, true) }

func (m *Mapping) access(off uint64, p []byte, write bool) error {
	b := m.buf
	n := uint64(len(p))
	switch {
	case m.dead || off > m.len || n > m.len-off:
		return fmt.Errorf("%v: %s at %#x of a mapping: %w", b, verb(write), off, ErrSegv)
	case write && m.prot&ProtWrite == 0 || !write && m.prot&ProtRead == 0:
		return fmt.Errorf("%v: %s at %#x of a mapping: %w", b, verb(write), off, ErrProtection)
	}
	if n > 0 && !b.bracketed(write) {
		b.core.stats.Unbracketed++
	}
	for len(p) > 0 {
		page := off / PageSize
		if m.pages[page] == 0 {
			b.calls++
			pa, err := b.mmapper.Fault(b, m.off+page*PageSize)
			b.calls--
			switch {
			case err != nil:
				clear(p)
				return err
			case m.dead:
				clear(p)
				return b.broke(ErrSegv)
			}
			m.pages[page] = pa&^(PageSize-1) | present
			b.core.stats.Faults++
		}
		l := min(uint64(len(p)), PageSize-off%PageSize)
		if err := b.core.access(m.pages[page]&^present+off%PageSize, p[:l], write); err != nil {
			if !write {
				clear(p)
			}
			return fmt.Errorf("%v: offset %#x: %w", b, m.off+off, err)
		}
		off, p = off+l, p[l:]
	}
	return nil
}

func verb(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

func (c *Core) access(pa uint64, p []byte, write bool) error {
	var err error
	if write {
		err = c.Kernel.Write(pa, p)
	} else {
		err = c.Kernel.Read(pa, p)
	}
	if err != nil {
		c.stats.Denied++
	}
	return err
}

// VMap is a whole buffer in the kernel's memory.
type VMap struct {
	buf  *Buffer
	dead bool
}

// VMap maps the buffer into the kernel (dma_buf_vmap). Restricted buffers, as all whose exporter is no VMapper, refuse with
// ErrNoVMap. The exporter is asked for the first of several mappings only. The caller must hold a reference until VMap.Unmap.
func (b *Buffer) VMap() (*VMap, error) {
	switch {
	case b.released:
		return nil, b.broke(ErrReleased)
	case b.restricted || b.vmapper == nil:
		return nil, b.broke(ErrNoVMap)
	case b.vbusy:
		return nil, b.broke(ErrVMapBusy)
	}
	if b.vmaps == 0 {
		b.calls++
		b.vbusy = true
		segs, err := b.vmapper.VMap(b)
		if err == nil && Total(segs) != b.size {
			b.vmapper.VUnmap(b)
			err = b.broke(ErrSegments)
		}
		b.vbusy = false
		b.calls--
		if err != nil {
			return nil, err
		}
		b.vsegs = segs
	}
	b.vmaps++
	b.core.stats.VMaps++
	return &VMap{buf: b}, nil
}

// Unmap ends the mapping (dma_buf_vunmap).
func (v *VMap) Unmap() error {
	b := v.buf
	if v.dead {
		return b.broke(ErrVUnmap)
	}
	v.dead = true
	b.core.stats.VMaps--
	if b.vmaps--; b.vmaps == 0 {
		b.vsegs = nil
		b.calls++
		b.vbusy = true
		b.vmapper.VUnmap(b)
		b.vbusy = false
		b.calls--
	}
	return nil
}

// Read loads from offset off of the buffer on, as Mapping.Read does.
func (v *VMap) Read(off uint64, p []byte) error { return v.access(off, p, false) }

// Write stores from offset off of the buffer on.
func (v *VMap) Write(off uint64, p []byte) error { return v.access(off, p, true) }

func (v *VMap) access(off uint64, p []byte, write bool) error {
	b := v.buf
	if v.dead || off > b.size || uint64(len(p)) > b.size-off {
		return fmt.Errorf("%v: %s at %#x of a kernel mapping: %w", b, verb(write), off, ErrSegv)
	}
	if len(p) > 0 && !b.bracketed(write) {
		b.core.stats.Unbracketed++
	}
	base := uint64(0)
	for i := 0; len(p) > 0; i++ {
		s := b.vsegs[i]
		if skip := off - base; skip < s.Len {
			l := min(uint64(len(p)), s.Len-skip)
			if err := b.core.access(s.Addr+skip, p[:l], write); err != nil {
				if !write {
					clear(p)
				}
				return fmt.Errorf("%v: offset %#x: %w", b, off, err)
			}
			off, p = off+l, p[l:]
		}
		base += s.Len
	}
	return nil
}

// Flags of DMA_BUF_IOCTL_SYNC (include/uapi/linux/dma-buf.h).
const (
	SyncRead  = 1
	SyncWrite = 2
	SyncEnd   = 4
)

// Sync is DMA_BUF_IOCTL_SYNC: BeginCPUAccess or EndCPUAccess with the direction that the flags stand for.
func (b *Buffer) Sync(flags uint64) error {
	if flags&^(SyncRead|SyncWrite|SyncEnd) != 0 {
		return normalworld.EINVAL
	}
	var dir Direction
	switch flags & (SyncRead | SyncWrite) {
	case SyncRead:
		dir = FromDevice
	case SyncWrite:
		dir = ToDevice
	case SyncRead | SyncWrite:
		dir = Bidirectional
	default:
		return normalworld.EINVAL
	}
	if flags&SyncEnd != 0 {
		return b.EndCPUAccess(dir)
	}
	return b.BeginCPUAccess(dir)
}
