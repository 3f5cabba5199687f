// Package tee is a client of Linux's TEE subsystem and of its DMA heaps, for guest programs: ioctls on /dev/tee0, /dev/teepriv0 and
// /dev/dma_heap/..., without a C library.
//
// What enters are sessions' commands with values and memory; what leaves is what the trusted application answers, or the error number
// of the kernel. Structures and numbers are those of include/uapi/linux/tee.h and dma-heap.h of Linux 6.18 and later. The package keeps
// parameters apart from what the kernel said about them: a test may send any.
//
// Read tee.go, then heap.go and supplicant.go. It builds for Linux only.
package tee
