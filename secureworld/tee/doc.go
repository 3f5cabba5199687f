// Package tee is the OP-TEE-compatible service: sessions with pseudo-TAs, shared memory, protected memory, notifications.
//
// What enters is message arguments (optee_msg.h) in memory that the normal world shares; what leaves is results in the same
// memory, registered or retrieved shared memory, protected memory lent to it, and requests to the normal world (RPC). One message
// layer serves two transports: FF-A direct messages, where memory comes by FFA_MEM_SHARE and FFA_MEM_LEND, and OP-TEE's SMC ABI,
// where messages register and lend memory. A message is copied once, judged, then acted on; one that is refused changes nothing.
//
// A call that waits for the normal world is a thread: a record with a phase, what it awaits, and the application's own state.
// Nothing about it is anywhere else, so that a machine can be saved while calls are under way.
//
// Read service.go (the messages), thread.go and rpc.go (how calls go on), session.go, pta.go and params.go (what applications
// see), notify.go, protmem.go, grant.go, then ffa.go, smc.go and shm.go (the transports). Its tests stand in package secureworld, before a
// TZC-400 and memory.
package tee
