// Package heap holds the dma-heaps of a kernel: memory that a process allocates as dma-bufs, by the name of a device.
//
// What enters is DMA_HEAP_IOCTL_ALLOC on an open heap (include/uapi/linux/dma-heap.h, drivers/dma-buf/dma-heap.c); what leaves is a
// descriptor of a dma-buf. There are the heaps of Linux: "system" (pages from anywhere, drivers/dma-buf/heaps/system_heap.c), the CMA
// areas (contiguous, cma_heap.c), and the protected heaps of the TEE subsystem (drivers/tee/tee_heap.c), whose memory comes from a
// ProtectedPool that package tee registers. And there is the one that was proposed in 2022 and not merged: "linaro,secure-heap", pools
// that the device tree carves out and the secure world has closed before the kernel starts.
//
// Read heap.go first, then system.go, cma.go, secure.go and protected.go.
package heap
