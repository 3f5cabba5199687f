// Package secureworld is the Go secure world that owns EL3: it answers every SMC of the normal world and decides, through the
// address space controller's registers, which masters may touch which memory.
//
// What enters is the eighteen registers of one call ([World.SMC]) and the normal world's memory, read through bus ports with
// the non-secure identity. What leaves is registers, PSCI requests to the board ([firmware.Host]) and register writes to the
// TZC-400. Specifications: SMCCC (DEN0028), PSCI (DEN0022), FF-A (DEN0077A, DEN0140), the OP-TEE message protocol, TZC-400
// (DDI 0504).
//
// Read config.go, then world.go (the dispatcher), smccc.go and psci.go. The SPMC is in spmc, OP-TEE's service in tee, its
// applications in pta, page ownership in memory, the policy of the controller in firewall, the crypto engine's driver in aes.
package secureworld
