// Package images holds the bundled test images: bare-metal AArch64 programs that run on this machine and, as far as they need
// neither a secure world nor the board's additions, on QEMU's virt board.
//
// What leaves is a catalogue: each [Image] is an ELF file, what it needs to run and what it prints. The sources are under
// src/: rt/ is the runtime that all share (entry, vectors, PL011, firmware calls, MMU, GICv3), each other directory is one
// image. The built files under bin/ are committed, so that the program needs no cross compiler; after a change of
// the sources run `go generate ./images`, which calls aarch64-linux-gnu-gcc with fixed flags.
//
// The images print one line for each step and a verdict at the end; what they expect is taken from the Arm Architecture Reference
// Manual (DDI 0487), PSCI (DEN 0022), FF-A (DEN 0077A) and OP-TEE's ABI. They end with PSCI SYSTEM_OFF, or on failure with
// semihosting SYS_EXIT and a code that is not 0.
//
// Read catalogue.go first, then src/rt/rt.h.
package images
