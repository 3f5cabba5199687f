// Package linuxtest boots an unmodified Linux kernel and lets its own drivers (arm_ffa, optee, the TEE's DMA heaps) work against the Go
// secure world.
//
// What enters is the kernel at ../shared/linux/Image.gz beside the repository, or what the environment's GATEHOUSE_LINUX names, and the
// guest program images/guest/init; what leaves are the verdicts of that program, and what masters beside the processors could see
// meanwhile. Without the kernel the tests are skipped, or fail where GATEHOUSE_REQUIRE_TOOLS is set. The package has tests and
// benchmarks only; docs/scripts/speed.sh runs the latter side by side with QEMU.
//
// Read rig_test.go, then drivers_test.go and denied_test.go.
package linuxtest
