// Package tee is the OP-TEE-compatible service: sessions with pseudo-TAs, shared memory and protected memory.
//
// What enters is message arguments (optee_msg.h) in memory that the normal world shares; what leaves is results in the same
// memory, registered or retrieved shared memory, and protected memory lent to it. One message layer serves two transports: FF-A
// direct messages, where memory comes by FFA_MEM_SHARE and FFA_MEM_LEND, and OP-TEE's SMC ABI, where messages register and lend
// memory. A message is copied once, judged, then acted on; one that is refused changes nothing. No call ever asks the normal
// world for anything (RPC), so every yielding call completes at once.
//
// Read service.go (the messages), params.go (parameters and memory references), pta.go (pseudo-TAs), then ffa.go and smc.go
// (the transports). Its tests stand in package secureworld, before a TZC-400 and memory.
package tee
