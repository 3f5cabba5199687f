// Package platform is the machine: an AArch64 TrustZone board compatible with QEMU's virt, with a memory firewall that denies.
//
// What enters is a [Config]: processors, memory, images, the firmware that owns EL3, serial ports. What leaves is a [Machine],
// which runs until the guest powers it off or [Machine.Run]'s context ends. A machine is a value: any number of them live in one
// process, and two runs of the same one are the same to the byte.
//
// Read config.go, then board.go (memory map and wiring), run.go (time and turns), control.go (stops and steps for debuggers),
// boot.go (images and device tree). The parts are packages of their own: bus, vtime, event, a64, fpsimd, softfloat, mmu, cpu,
// loader, gdb, monitor below this one, the devices in devices.
package platform
