// Package sdp2015 has the two ways in which the first proposal for a secure data path (linux-media, "RFC: Secure Data Path",
// May 2015) configured the memory firewall from the life of a dma-buf: at dma_buf_map_attachment, which knows the device, the
// memory and the direction, access is granted; at dma_buf_unmap_attachment it is revoked.
//
// Its author called both of them hacks, and they are shown here as what they are:
//
//   - [Patched]: the dma-buf core itself has a secure flag for each buffer and calls the firewall around the exporter's callbacks.
//     The core then depends on one platform's secure environment.
//   - [Overwritten]: a buffer's exporter is exchanged for one that calls the firewall and then the exporter that was there. Nobody
//     recognises his own buffers any more: exporters do so by looking who has exported them.
//
// Both break at the same place, too: an exporter does not attach to its own buffers. A V4L2 decoder that exports what it decodes to,
// or a DRM device that exports what it draws to, never maps an attachment, so that the firewall is never told of it. The package's
// tests hold each of these cases down; [SelfAttach] is what exporters would have to do.
//
// The firewall is the interface of a secure module as package smaf has it, since SMAF was the answer to this discussion; package
// tee/optee makes it from grants, over either ABI. The modern form is the policy map (tee/optee, MapPool).
//
// Read sdp.go.
package sdp2015
