// Package pl031 models the PrimeCell Real Time Clock PL031 (Arm DDI 0224) as QEMU's virt board has it.
//
// What enters is register accesses and virtual time; what leaves is the time in seconds and the alarm interrupt RTCINTR. The
// counter shows the configured epoch plus the whole seconds of virtual time since reset, so that two runs see the same dates. As on
// QEMU the counter always runs: CR reads as 1 and ignores writes. A load takes effect at once, not with the next tick.
//
// Read pl031.go.
package pl031
