// Package difftest compares the processor with QEMU's, instruction by instruction.
//
// Its tests make blocks of random valid instructions, run them with random registers and memory in the same bare-metal ELF
// on a [gatehouse/platform] machine and on qemu-system-aarch64 -M virt -cpu max, and compare registers, flags and memory. Where
// they differ, the first instruction that does is found and named. There is nothing in the package outside of its tests. More
// instructions, and others: go test ./platform/cpu/difftest -instructions 100000 -seed 7.
//
// Specification: Arm Architecture Reference Manual for A-profile (DDI 0487), chapter C4 for the encodings.
//
// Read difftest_test.go (groups and comparison), then guest_test.go (what goes to the guest and comes back), gen_*_test.go (the
// generators), testdata/guest.c and testdata/start.S (what runs a block).
package difftest
