// Package devices holds the models of the board's peripherals, one package for each IP block.
//
// What enters a model is register accesses (it is a bus.Device), the passing of virtual time (a vtime.Timer) and, for some,
// characters or requests from outside. What leaves is register contents, an interrupt [Line], bus transactions of its own where
// it is a master, and events. A model holds its state in plain fields; Reset gives the state after a cold reset, and is called
// after the clock was reset.
//
// Registers are 32 bits wide at offsets that are multiples of 4. Where a package does not say otherwise, reads of 1 and 2
// bytes give a part of the register, writes must be 32 bits wide, and any other access is answered with SLVERR. Offsets
// without a register read as zero and ignore writes.
//
// Read line.go, then the package of a device: tzc400 (the memory firewall), pl080 (DMA controller), pl011 (UART), pl031 (RTC),
// pl061 (GPIO), cfi (flash), fwcfg (what firmware is told), virtio (disks, console, entropy), gicv3 (interrupts), hdlcd (display),
// crypto, input (touches and keys), engine and what builds on it: decoder, transform, encoder, camera.
package devices
