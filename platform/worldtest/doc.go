// Package worldtest compares exception levels and security states with QEMU's.
//
// Its tests turn tables of cases into one firmware image that owns EL3. Each case sets system registers up at EL3, enters an
// exception level in one of the security states and executes a few instructions there; the image prints every exception that
// they take: the vector, the syndrome, addresses, the saved process state and the one at the vector. The same file runs
// on a [gatehouse/platform] machine and on qemu-system-aarch64 -M virt,secure=on, and the lines must be equal. Where QEMU does not
// do what the architecture says, the case holds what it says, with the rule. There is nothing in the package outside of its tests.
//
// Specification: Arm Architecture Reference Manual for A-profile (DDI 0487), chapters D1, D8, D11, D13 and D19.
//
// Read image_test.go (what a case is and how it becomes code), then the cases in *_cases_test.go, testdata/runtime.S and
// testdata/runtime.c (what runs a case).
package worldtest
