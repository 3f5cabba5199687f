// Package modeltest holds no code, only tests: a model of who owns each 4 KiB page and who may access it, which runs beside the
// secure world and is compared with it after every call.
//
// What enters is a random sequence of valid and invalid calls of several processors, over both ABIs (FF-A and OP-TEE's SMC
// ABI). What leaves is the first call after which registers, memory or the decision of the address space controller for any
// master differ from the model, with the shortest sequence found that leads there. The model is written from the ABI tables
// (FF-A: DEN0077A, DEN0140; OP-TEE: optee_smc.h, optee_ffa.h, optee_msg.h; TZC-400: DDI 0504) and shares nothing with the secure
// world: it keeps one entry for each page, and reads the descriptors and messages of the calls itself. Where the tables leave a
// choice, the model takes every answer that they allow and goes on from the one that was given. Not modelled are callers at EL2,
// notifications and RPC commands.
//
// Read model_test.go (pages and rules), ffa_test.go, transaction_test.go and optee_test.go (what each call must be answered),
// generate_test.go (the calls), run_test.go (the comparison), fault_test.go (what the comparison must notice). Flags:
// -modeltest.calls, -modeltest.seed, -modeltest.only.
package modeltest
