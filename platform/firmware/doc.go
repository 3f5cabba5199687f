// Package firmware is the contract between the board and whatever owns EL3.
//
// An SMC of a guest and [Conduit.SMC] of a Go caller arrive at the same [Firmware.SMC]: eighteen registers in, eighteen out. What
// the firmware may do to the machine is in [Host], which the board implements. Specification: SMCCC (DEN 0028), PSCI
// (DEN 0022).
package firmware
