// Package smaf is the Secure Memory Allocation Framework that was proposed for Linux from 2015 on (versions 1 to 10): buffers
// whose memory is allocated when the first device maps them, by whichever allocator suits all devices that are attached by then,
// and whose access rights a secure module grants to a device while it has the buffer mapped.
//
// What enters is the ioctls of /dev/smaf ([Device.Ioctl]: create, secure flag, list of allocators), or their Go forms; what leaves is
// dma-bufs. [Allocator] modules and one [Secure] module are registered from outside: the allocators of this package take
// memory from dma-heaps, and package policy has a secure module that asks the secure world over either ABI.
//
// The model follows version 8 of the series where versions differ. It deviates where that had holes: memory goes back to its
// allocator after it has left the secure module's care and not before; the flag cannot change under a device that has the buffer mapped;
// a module cannot go while buffers depend on it; and the processor is asked for by name (AllowCPU), not as a device at address 0.
//
// Read smaf.go first, then allocator.go and ioctl.go.
package smaf
