// Package gicv3 is an Arm Generic Interrupt Controller, version 3: distributor, one redistributor for each processing element
// and its CPU interface.
//
// What enters are interrupt lines ([GIC.SetSPI], [GIC.SetPPI], [Line]), bus accesses to the register frames
// ([GIC.Distributor], [GIC.Redistributors]) and system register accesses ([CPUInterface.ReadSys], [CPUInterface.WriteSys]).
// What leaves are the IRQ and FIQ inputs of each PE ([CPUInterface.Bind]). The model follows the GIC architecture
// specification (IHI 0069) and, where that leaves a choice, QEMU's virt board: affinity routing and system register access
// always on, one or two security states, 5 priority bits, no LPIs. 1 of N interrupts go to the lowest-numbered PE that takes
// part. State changes are complete when the access returns, so RWP bits always read as zero.
//
// Read gic.go first, then pending.go (what is forwarded to whom), cpu.go (priorities and signals), sysreg.go, dist.go and
// redist.go (registers), virtual.go (the ICH_ and ICV_ registers of the hypervisor).
package gicv3
