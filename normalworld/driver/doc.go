// Package driver has the normal world's drivers of the board's DMA masters: crypto engine, video decoder, transform, encoder,
// camera, display, input, and the PL080.
//
// What enters is jobs on memory as dma-buf attachments map it (lists of segments); what leaves is register accesses of the
// processor, and a fence for each job that is signalled by the engine's interrupt. A job that the firewall or the engine refuses
// signals its fence with a [*JobError], which says where. Each driver names its [dmabuf.Device]: what it can reach, and the identity
// (NSAID) that the firewall knows it by.
//
// The programming interfaces are those that the packages below devices document; the numbers are written down again here, as a
// kernel has them. Jobs of one engine run one after the other, in the order in which they were submitted.
//
// Read engine.go first (what the media engines and the crypto engine have in common), then the file of a master.
package driver
