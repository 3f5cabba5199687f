// Package pl011 models the PrimeCell UART PL011 (Arm DDI 0183) the way QEMU's virt board has it, so that what runs there runs
// here.
//
// What enters is register accesses and received characters ([PL011.Receive]); what leaves is transmitted bytes, written one at a
// time to an io.Writer, and the combined interrupt UARTINTR. There is no line rate: a character is transmitted within the write
// of its register, so that the transmitter is never busy and its FIFO never holds anything.
//
// As on QEMU, and unlike the manual:
//   - Characters are transmitted and received whatever the enable bits in CR say. Images that write DR and nothing else print.
//   - The receive interrupt is raised with the first character, not at the level in IFLS. The receive timeout interrupt comes
//     with it, once the characters of one Receive call are in: the line is then idle.
//   - The transmit interrupt is raised by each write of DR, not by a change of CR or LCR_H.
//   - Writes of LCR_H that change FEN empty the receive FIFO.
//   - In loopback the transmitted characters also leave the UART.
//
// Not modelled: parity and framing errors, IrDA, hardware flow control, DMA requests. Their registers hold what is written.
// Reads and writes of 1, 2 and 4 bytes are accepted, and mean the register's low bits.
//
// Read registers.go first, then pl011.go.
package pl011
