// Package spmc is the Secure Partition Manager Core: FF-A 1.0 to 1.2 (DEN0077A, DEN0140) between the normal world and logical
// secure partitions, which are Go code behind the interface [Partition].
//
// What enters is the registers of one FF-A call of the normal world, and what partitions ask for through [Services]; what leaves
// is the registers of the reply, changed page ownership (package memory) and, through it, a reprogrammed address space
// controller, and the schedule receiver interrupt. A call that is answered with FFA_ERROR has changed nothing. Where reference
// implementations disagree it takes what Linux needs, then the strictest: nothing but FFA_VERSION is answered before a version is
// agreed on, and it stays agreed on until reset. A caller at EL1 is one endpoint; a caller at EL2 is a hypervisor, which speaks
// for VMs as well. The normal world never borrows memory, and memory descriptors come through RX/TX buffers only.
//
// Read spmc.go (dispatch, version, features), endpoint.go (the normal world's endpoints, RX/TX), partition.go (discovery),
// message.go and schedule.go (messages, execution contexts), notification.go, memory.go and retrieve.go (memory transactions),
// services.go (what partitions ask for). Its tests stand in package secureworld, before a TZC-400 and memory.
package spmc
