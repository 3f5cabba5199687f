// Package optee is the wire format between OP-TEE and its normal-world driver: the SMC ABI (optee_smc.h),
// the services over FF-A direct messages (optee_ffa.h), the message arguments that both carry (optee_msg.h),
// RPC commands (optee_rpc_cmd.h) and GlobalPlatform result codes (TEE Internal Core API).
//
// What enters: SMC registers, direct message payloads, and bytes of message arguments and page lists that
// the caller has already copied out of shared memory. What leaves: structs with the names of those headers,
// or an *ArgError with the TEE result code to answer. Sessions, shared memory and policy are elsewhere.
//
// Read call.go (SMC ABI) or service.go (FF-A) first, then message.go and param.go, pagelist.go, rpc.go,
// result.go, and describe.go (decoding for traces).
package optee
