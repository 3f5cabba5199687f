// Package cfi models a bank of parallel NOR flash with the Common Flash Interface (JEDEC JESD68) and the Intel command set
// (primary vendor command set 1, "StrataFlash"): 64 MiB, two 16-bit chips side by side on a 32-bit bus, as each of the two banks of
// QEMU's virt board.
//
// What enters is bus writes, which are commands and data; what leaves is the bank's cells, read by masters as RAM through a
// bus.Array while the bank is in read array mode, and by reads of the device in its other modes; and what was programmed or
// erased, to an io.WriterAt. Contents survive Reset: the memory is not volatile.
//
// As on QEMU:
//   - The two chips are one state machine: the low byte of a write is the command for both, whatever the write's size. Status,
//     identifiers and query data read the same from both halves of the bus.
//   - Everything is done within the write that asks for it; the bank is always ready.
//   - A command that is not known, or is not confirmed, returns to read array mode. So do 0x50 (clear status register), 0x00 and 0xF0.
//   - Cells that were never written are zero, not erased.
//
// Unlike QEMU, and like the chips:
//   - Programming clears bits and never sets them: only an erase does that.
//   - An erase starts with its confirmation, and a buffer is programmed with its own. It holds [BufferSize] bytes of one aligned block
//     of that size, or the confirmation fails.
//   - Commands that are not confirmed set the two error bits of a command sequence error; clearing the status leaves it ready.
//   - Any command ends query mode.
//   - Sectors can be locked and unlocked; they are unlocked after a reset. There is no lock-down.
//
// Not modelled: suspend and resume, the protection register, burst mode.
//
// Read commands.go first, then flash.go.
package cfi
