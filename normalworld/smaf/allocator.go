package smaf

import (
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
)

// Allocator is a way to get memory (struct smaf_allocator).
type Allocator interface {
	// Name is what a creator may ask for: at most NameLength-1 bytes, not empty.
	Name() string
	// Ranking orders the allocators: the larger one is asked first. Among equals the name decides.
	Ranking() int
	// Match reports whether memory of this allocator suits every device that is attached to b.
	Match(b *dmabuf.Buffer) bool
	// Allocate gives memory for b, length bytes in whole pages, as a buffer of its own.
	Allocate(b *dmabuf.Buffer, length uint64) (*dmabuf.Buffer, error)
}

// mask32 is DMA_BIT_MASK(32).
const mask32 = 1<<32 - 1

// narrow reports whether a device reaches the lowest 4 GiB only.
func narrow(d *dmabuf.Device) bool { return d.DMAMask <= mask32 }

// CMA gives contiguous memory: the series' example of an allocator. It matches when one device at least has a DMA mask of 32 bits
// or wants memory in one piece.
type CMA struct{ Heap *heap.Heap }

// Name is the name in the series.
func (CMA) Name() string { return "smaf-cma" }

// Ranking is that of the series.
func (CMA) Ranking() int { return 0 }

// Match looks for a device that needs what this allocator gives.
func (CMA) Match(b *dmabuf.Buffer) bool {
	for a := range b.Attachments() {
		if d := a.Device(); narrow(d) || d.MaxSegments == 1 {
			return true
		}
	}
	return false
}

// Allocate takes a buffer from the heap.
func (c CMA) Allocate(_ *dmabuf.Buffer, length uint64) (*dmabuf.Buffer, error) {
	return c.Heap.Buffer(length, dmabuf.ORdWr)
}

// Scattered gives pages from wherever there are some. It matches when every device has a wide mask and takes long scatter lists.
type Scattered struct{ Heap *heap.Heap }

// Name is "smaf-system".
func (Scattered) Name() string { return "smaf-system" }

// Ranking puts it behind CMA.
func (Scattered) Ranking() int { return -1 }

// Match looks for a device that could not use scattered memory.
func (Scattered) Match(b *dmabuf.Buffer) bool {
	for a := range b.Attachments() {
		if d := a.Device(); narrow(d) || d.MaxSegments != 0 {
			return false
		}
	}
	return true
}

// Allocate takes a buffer from the heap.
func (s Scattered) Allocate(_ *dmabuf.Buffer, length uint64) (*dmabuf.Buffer, error) {
	return s.Heap.Buffer(length, dmabuf.ORdWr)
}
