package heap

import (
	"encoding/binary"
	"fmt"
	"slices"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/platform/event"
)

// MaxHeaps is how many heaps a kernel has room for (NUM_HEAP_MINORS).
const MaxHeaps = 128

// Flags that an allocation may have (include/uapi/linux/dma-heap.h). No heap flags are defined.
const (
	ValidFDFlags   = dmabuf.OCloexec | dmabuf.OAccMode
	ValidHeapFlags = 0
)

// Allocator is what a heap is made of (struct dma_heap_ops).
type Allocator interface {
	// Allocate gives a new buffer of length bytes, which is a multiple of the page size and not 0. flags are those of its file.
	Allocate(length uint64, flags uint32) (*dmabuf.Buffer, error)
}

// Registry holds the heaps: what /dev/dma_heap shows.
type Registry struct {
	core      *dmabuf.Core
	heaps     []*Heap
	aliases   []alias
	protected []*ProtectedHeap
}

type alias struct{ name, of string }

// Heap is one heap: a device below /dev/dma_heap.
type Heap struct {
	core  *dmabuf.Core
	name  string
	alloc Allocator
	stats Stats
}

// Stats counts what was asked of a heap.
type Stats struct {
	Allocations uint64
	Failures    uint64
	Bytes       uint64 // of all allocations
}

// NewRegistry makes a registry without heaps; their buffers are c's.
func NewRegistry(c *dmabuf.Core) *Registry { return &Registry{core: c} }

// Add makes a heap (dma_heap_add): EINVAL without a name or allocator, or where the name is taken; EBUSY when there are MaxHeaps.
func (r *Registry) Add(name string, a Allocator) (*Heap, error) {
	switch {
	case name == "" || a == nil || r.find(name) != nil:
		return nil, normalworld.EINVAL
	case len(r.heaps) >= MaxHeaps:
		return nil, normalworld.EBUSY
	}
	h := &Heap{core: r.core, name: name, alloc: a}
	r.heaps = append(r.heaps, h)
	return h, nil
}

// Alias gives a heap, which need not exist yet, another name for Open. EINVAL where the name is taken.
func (r *Registry) Alias(name, of string) error {
	if name == "" || r.find(name) != nil || slices.ContainsFunc(r.aliases, func(a alias) bool { return a.name == name }) {
		return normalworld.EINVAL
	}
	r.aliases = append(r.aliases, alias{name, of})
	return nil
}

func (r *Registry) find(name string) *Heap {
	for _, h := range r.heaps {
		if h.name == name {
			return h
		}
	}
	return nil
}

// Open finds a heap by its name or alias: ENOENT where there is none.
func (r *Registry) Open(name string) (*Heap, error) {
	if h := r.find(name); h != nil {
		return h, nil
	}
	for _, a := range r.aliases {
		if a.name == name {
			if h := r.find(a.of); h != nil {
				return h, nil
			}
		}
	}
	return nil, normalworld.ENOENT
}

// Names lists the heaps, in the order in which they were added, without aliases.
func (r *Registry) Names() []string {
	var names []string
	for _, h := range r.heaps {
		names = append(names, h.name)
	}
	return names
}

// Name is the heap's name.
func (h *Heap) Name() string { return h.name }

// Stats gives the heap's counters.
func (h *Heap) Stats() Stats { return h.stats }

// Buffer allocates a buffer of at least length bytes for the kernel itself, without a descriptor; its one reference is the caller's.
// The size is rounded up to pages; EINVAL where that gives 0. Other errors are the allocator's: ENOMEM where there is no room.
func (h *Heap) Buffer(length uint64, flags uint32) (*dmabuf.Buffer, error) {
	size := (length + dmabuf.PageSize - 1) &^ (dmabuf.PageSize - 1)
	if size == 0 {
		return nil, normalworld.EINVAL
	}
	start := h.core.Kernel.Now()
	b, err := h.alloc.Allocate(size, flags)
	if err != nil {
		h.stats.Failures++
	} else {
		h.stats.Allocations++
		h.stats.Bytes += size
	}
	if k := h.core.Kernel; k.Events.On(event.DMABuf) {
		now := k.Now()
		f := []event.Field{event.Str("heap", h.name), event.Hex("size", size), event.Dec("ns", now-start)}
		if err != nil {
			f = append(f, event.Str("error", err.Error()))
		} else {
			f = append(f, event.Dec("buffer", b.Serial()))
			if p, ok := b.Private.(*protectedBuffer); ok {
				f = append(f, event.Hex("base", p.segs[0].Addr))
			}
		}
		k.Events.Emit(&event.Event{Time: now, Category: event.DMABuf, Source: "dma-heap", Name: "ALLOC", Fields: f})
	}
	return b, err
}

// Alloc allocates a buffer and gives it a descriptor: what DMA_HEAP_IOCTL_ALLOC does after it has read its argument. EINVAL for flags
// that are not valid, EMFILE where the table is full; nothing is left allocated then.
func (h *Heap) Alloc(t *dmabuf.Files, length uint64, fdFlags uint32, heapFlags uint64) (int32, error) {
	if fdFlags&^uint32(ValidFDFlags) != 0 || heapFlags&^uint64(ValidHeapFlags) != 0 {
		return -1, normalworld.EINVAL
	}
	b, err := h.Buffer(length, fdFlags)
	if err != nil {
		return -1, err
	}
	fd, err := t.Install(b, fdFlags)
	if err != nil {
		if perr := b.Put(); perr != nil {
			return -1, fmt.Errorf("%w; %w", err, perr)
		}
		return -1, err
	}
	return fd, nil
}

// IoctlAlloc is DMA_HEAP_IOCTL_ALLOC: _IOWR('H', 0, struct dma_heap_allocation_data).
const IoctlAlloc = 0xc018_4800

// AllocationSize is the size of struct dma_heap_allocation_data in bytes: u64 len, u32 fd, u32 fd_flags, u64 heap_flags.
const AllocationSize = 24

// Bits of an ioctl number (include/uapi/asm-generic/ioctl.h).
const (
	iocNRMask    = 0xff
	iocSizeShift = 16
	iocSizeMask  = 1<<14 - 1
	iocWrite     = 1 << 30
	iocRead      = 2 << 30
)

// Ioctl is an ioctl on the open heap by a process with table t. arg is the process's memory at the argument: EFAULT where it ends too
// early. As in Linux only the number of cmd is looked at, not its type; a process built for a longer or shorter structure has what its
// size says copied in and out. Of other numbers than 0 there are none: EINVAL.
func (h *Heap) Ioctl(t *dmabuf.Files, cmd uint32, arg []byte) error {
	if cmd&iocNRMask != 0 {
		return normalworld.EINVAL
	}
	size := int(cmd >> iocSizeShift & iocSizeMask)
	in, out := size, size
	if cmd&iocWrite == 0 {
		in = 0
	}
	if cmd&iocRead == 0 {
		out = 0
	}
	if len(arg) < max(in, out) {
		return normalworld.EFAULT
	}
	var data [AllocationSize]byte
	copy(data[:], arg[:in])
	le := binary.LittleEndian
	if le.Uint32(data[8:]) != 0 { // fd is output only
		return normalworld.EINVAL
	}
	fd, err := h.Alloc(t, le.Uint64(data[0:]), le.Uint32(data[12:]), le.Uint64(data[16:]))
	if err != nil {
		return err
	}
	le.PutUint32(data[8:], uint32(fd))
	clear(arg[in:max(in, out)])
	copy(arg[:out], data[:])
	return nil
}
