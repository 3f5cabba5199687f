// Package normalworld is the normal world written in Go: what an operating system's kernel does with a secure world and with
// protected buffers.
//
// Nothing here knows how a secure world is made. All that leaves is the SMC instruction (eighteen registers, package
// firmware) and transactions on the bus with a non-secure master's identity (package bus), so that the same code runs
// against the Go secure world and against firmware at EL3. [Kernel] has these two ways out, and time; read kernel.go.
//
// Above it stand mem (pages), dmabuf (buffers that devices share), heap (dma-heaps), armffa and tee (the FF-A driver, the TEE
// subsystem with its OP-TEE driver), smaf and sdp2015 (what was proposed before), driver and media (the masters and their front
// ends). lab puts them together on a machine; usecase and compare run on that, and stress tries to break it. Subpackage conform
// is the conformance suite of the interfaces: SMCCC, PSCI, FF-A and OP-TEE's SMC ABI.
package normalworld
