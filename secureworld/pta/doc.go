// Package pta gathers the trusted applications that are part of the secure world.
//
// What enters is calls of clients through [tee.PseudoTA]; what leaves is results and the memory that the clients refer to. UUIDs,
// commands and parameters stand in package optee, since clients need them as well. An application keeps no more than its exported
// type says, and that in plain fields: a machine can be saved at any time.
//
// Read pta.go for the list, then rng (entropy for Linux's hwrng), sdp (OP-TEE's "SDP basic" tests of protected memory), decrypt
// (Common Encryption into protected memory), grant (access of single masters to parts of protected memory), keys (for the crypto
// engine), ui (the trusted user interface) and probe (everything that only tests want).
package pta
