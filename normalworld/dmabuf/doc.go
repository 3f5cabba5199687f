// Package dmabuf is the dma-buf core: buffers that devices share, passed from process to process as file descriptors.
//
// An exporter, which owns memory, enters with Core.Export; an importer attaches its device, maps the attachment for a direction and
// gets a list of segments that the device can reach. Processes hold buffers through Files, and reach the memory with MMap; kernel
// code does so with VMap. Both are transactions of the processor on the bus: what the firewall refuses is an error that names the
// address and the direction. Restricted buffers have no processor access at all.
//
// The rules are those of Linux (Documentation/driver-api/dma-buf.rst: "Basic Operation and Device DMA Access", "CPU Access to DMA
// Buffer Objects", "Implicit Fence Poll Support", "Reservation Objects", "DMA Fences"). What the kernel answers with a warning, or
// does not notice, is here an error that wraps a *Rule and has changed nothing. Left out: move notification and pinning of dynamic
// attachments, peer-to-peer memory, private mappings, partial munmap, and the locks that one goroutine does not need.
//
// Read dmabuf.go first, then attach.go, cpu.go, files.go and fence.go.
package dmabuf
