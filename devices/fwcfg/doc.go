// Package fwcfg models QEMU's firmware configuration device in its memory-mapped form, as the virt board has it
// (QEMU, docs/specs/fw_cfg.rst): a directory of read-only items that firmware and drivers ask for.
//
// What enters is items from the board, register accesses and virtual time; what leaves is item data, through the data register or
// by DMA on the bus port that the board gave it, and events. There is no interrupt: software polls the control word of its DMA
// descriptor.
//
// A DMA command of up to [Chunk] bytes is complete when the write that started it is, as on QEMU. A longer one goes on in virtual time,
// a chunk at a time, so that no command keeps the machine from its other work; a command that comes meanwhile is answered
// with the error bit. The bus decides on each chunk when it moves.
//
// Registers are big-endian. Accesses that the specification does not list are answered with SLVERR. No item can be written: the write
// command fails, and writes of the data register are ignored.
//
// Read registers.go first, then fwcfg.go (items and registers), then dma.go.
package fwcfg
