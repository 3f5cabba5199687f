// Package spmc is the Secure Partition Manager Core: FF-A (DEN0077A, DEN0140) between the normal world's one endpoint and logical
// secure partitions, which are Go code behind the interface [Partition].
//
// What enters is the registers of one FF-A call of the normal world; what leaves is the registers of the reply, changed page
// ownership (package memory) and, through it, a reprogrammed address space controller. A call that is answered with
// FFA_ERROR has changed nothing. Where reference implementations disagree it takes what Linux needs, then the strictest:
// nothing but FFA_VERSION is answered before a version is agreed on, and it stays agreed on until reset.
//
// Read spmc.go (dispatch, version, features), partition.go (discovery and messages), buffers.go (RX/TX), memory.go (memory
// transactions). Its tests stand in package secureworld, before a TZC-400 and memory.
package spmc
