// Package mmu is the VMSAv8-64 address translation as a pure function.
//
// A virtual address, an access and a copy of one translation regime's control registers ([Regime]) enter [Walk], which reads
// the translation tables through a [Reader]. What leaves is a [Translation], or the [Fault] that the architecture reports; PAR
// turns either into the value that an AT instruction leaves in PAR_EL1. Nothing is cached here: the TLB belongs to the CPU.
//
// Specification: Arm Architecture Reference Manual for A-profile (DDI 0487, sections as in issue J), chapter D8. The model is
// Armv8.0 with FEAT_PAN, FEAT_VHE, FEAT_HPDS, FEAT_XNX and 16-bit ASIDs and VMIDs: 48-bit addresses, granules of 4, 16 and
// 64 KiB, no hardware update of descriptors, no Secure stage 2. Where the manual leaves a choice, the comment at that place says
// which one is taken.
//
// Read mmu.go for the types, then walk.go, stage2.go, attr.go and par.go.
package mmu
