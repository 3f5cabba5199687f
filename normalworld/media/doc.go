// Package media has the front ends through which user space drives the masters: V4L2-like memory-to-memory devices, whose two queues
// of buffers (OUTPUT to the device, CAPTURE from it) belong to frameworks like videobuf2, and a DRM-like card with a display. Both
// export their own buffers as dma-bufs and import those of others.
//
// What enters is queued buffers and dma-bufs; what leaves is jobs for package driver, buffers that are done, and page flips. The
// model follows Linux in what concerns sharing:
//
//   - An imported buffer is attached when it is queued first and mapped from then until it is dequeued, in the direction of its queue
//     (vb2_dma_contig). The card attaches on import and maps a frame buffer while the display reads it.
//   - An exporter does not attach to its own buffers; its device just uses the memory. A firewall that follows maps is never told of it,
//     which is the case that the proposal of 2015 was discussed for.
//   - A device that gets its own buffer back knows it by its exporter, and does not attach either.
//   - An engine's own identity on the bus reaches protected memory only: a job uses it for the buffers that say they are protected
//     (dmabuf.Buffer.Protected), and another one for the rest.
//   - Implicit synchronisation: a job leaves its fence in the buffers that it uses, as writer or as reader, and a page flip waits for
//     the writers of what it shows.
//
// Read queue.go, video.go and card.go.
package media
