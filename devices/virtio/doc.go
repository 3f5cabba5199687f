// Package virtio models the virtio devices of QEMU's virt board: 32 slots with the memory-mapped transport, and in them block devices,
// a console or an entropy source (OASIS Virtual I/O Device Version 1.2, "VIRTIO" below).
//
// What enters is register accesses, buffers that a driver makes available in split virtqueues, virtual time, and what the outside
// has: disk images, typed characters, a seed. What leaves is used buffers, an interrupt for each slot, and events. All of a driver's
// memory is reached through the bus port that the board gave the slot: a buffer that the firewall protects fails the request with
// an I/O error; rings that cannot be reached, or make no sense, put the device into the state DEVICE_NEEDS_RESET.
//
// A slot serves one request at a time: it takes it [Latency] after the notification or the request before, and moves its data in
// chunks of at most [Chunk] bytes, each [ByteTime] a byte. What a driver asks for is bounded by that and by [MaxChain].
//
// The transport is the modern one, version 2. QEMU's virt has version 1 unless it is started with
// -global virtio-mmio.force-legacy=false; drivers of Linux, U-Boot and edk2 know both. Registers read as QEMU's do, vendor included,
// but for what VIRTIO says of shared memory: the base of a region that does not exist is all ones. FEATURES_OK stays clear where a
// driver does not accept VIRTIO_F_VERSION_1. Not modelled: legacy registers, queue reset, shared memory, packed rings, notification
// data.
//
// Read registers.go first, then slots.go, transport.go (registers), engine.go (requests in time), queue.go (virtqueues) and
// request.go; then the devices: block.go with overlay.go, console.go, entropy.go.
package virtio
