// Package ffa is the wire format of the Arm Firmware Framework for A-profile (FF-A, DEN0077A and its
// memory management supplement DEN0140), versions 1.0 to 1.3.
//
// What enters: the eighteen registers x0-x17 of an SMC, or bytes that the caller has already copied out
// of a TX buffer. What leaves: structs with the specification's names, or an error that says which
// field broke which rule and which FF-A error code the specification wants for it (FieldError).
// The other direction (struct to registers, struct to bytes) is here as well.
//
// There is no state and no policy: who owns a page, who may talk to whom and which attributes a
// partition accepts belongs to the secure world. Nothing of the project is imported.
//
// Read function.go first, then calls.go (register layouts), memory.go and transaction.go (memory
// transaction descriptor), assembler.go (fragments) and describe.go (decoding for traces).
package ffa
