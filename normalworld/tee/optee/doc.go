// Package optee is the OP-TEE driver: it serves the TEE subsystem's devices with a trusted OS behind FF-A direct messages or behind
// OP-TEE's own SMC ABI.
//
// What enters is requests of package tee; what leaves is SMCs and messages in memory that the secure world shares, in the order and
// with the contents that Linux's driver gives them (drivers/tee/optee, 6.18 and later: core.c, call.c, rpc.c, notif.c, supp.c,
// protmem.c in common, ffa_abi.c and smc_abi.c for what differs). A request is a state machine: it runs until it is done or has to
// wait for a thread of the secure world, a notification, a supplicant or time, so that a scheduler can let several make progress in
// turns. The secure world is not trusted to answer well: what it says is read once and checked, and memory that it did not give back
// is kept from further use until it does (limbo.go).
//
// Read driver.go (probe and removal), call.go (requests), smc.go and ffa.go (the back ends), rpc.go, notif.go, supp.go, protmem.go.
package optee
