//go:build linux

package tee

import (
	"fmt"
	"syscall"
)

const (
	kindHeap    = 'H' // dma-heap.h
	nrHeapAlloc = 0
)

// SecureVideo is the heap of protected memory for the playback of video.
const SecureVideo = "/dev/dma_heap/protected,secure-video"

// Heap is an open DMA heap.
type Heap struct{ fd int }

// OpenHeap opens a heap of /dev/dma_heap.
func OpenHeap(path string) (*Heap, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Heap{fd}, nil
}

// Close closes the heap. Its buffers stay.
func (h *Heap) Close() error { return syscall.Close(h.fd) }

// Allocation is struct dma_heap_allocation_data.
type Allocation struct {
	Len       uint64
	FD        uint32
	FDFlags   uint32
	HeapFlags uint64
}

// Allocate makes a request as it is.
func (h *Heap) Allocate(a *Allocation) error {
	_, err := ioctl(h.fd, iocRead|iocWrite, kindHeap, nrHeapAlloc, a)
	return err
}

// Alloc allocates a buffer and gives its file descriptor.
func (h *Heap) Alloc(size uint64) (int, error) {
	a := Allocation{Len: size, FDFlags: syscall.O_RDWR | syscall.O_CLOEXEC}
	err := h.Allocate(&a)
	return int(a.FD), err
}
