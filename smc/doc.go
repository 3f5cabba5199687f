// Package smc is the wire format of the SMC Calling Convention (SMCCC, DEN0028) and of the standard services
// above it: the Arm Architecture calls, PSCI (DEN0022) and the TRNG firmware interface (DEN0098).
//
// What enters: the eighteen registers x0-x17 of an SMC. What leaves: function identifiers and results with
// the specifications' names, and the registers of replies. There is no state and nothing of the project is
// imported. FF-A, which uses the same registers, is package ffa.
//
// The OP-TEE SMC ABI, the OP-TEE message protocol and OP-TEE's services over FF-A are in the subpackage
// optee, because its names (CallWithArg, Arg, Param) need the context of their package.
//
// Read function.go first, then psci.go, uuid.go (three encodings) and describe.go (decoding for traces).
package smc
