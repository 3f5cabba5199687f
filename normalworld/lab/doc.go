// Package lab puts a whole normal world together on a machine: kernel, pages, dma-bufs, heaps, the TEE subsystem with its OP-TEE
// driver over one ABI, the drivers of the masters, and SMAF. It is what the commands sdp and compare, and tests, stand on.
//
// What enters is a machine whose secure world is there, and a choice of ABI and grant policy; what leaves is a [Lab], whose parts are
// used directly. [Lab.Close] takes all of it down again and says what is left over.
//
// A grant policy says who may touch a protected buffer, and when:
//
//   - static: a carve-out, protected from reset on for the masters of the use case;
//   - pool: a pool is lent with its first buffer, for the masters of the use case, and reclaimed after the last: Linux 6.18 and later;
//   - buffer: each buffer is lent by itself, for the masters of the use case;
//   - map: each buffer is lent for nobody, and a master is let at it while it has it mapped, in the mapping's direction.
//
// Read lab.go.
package lab
