package main

import (
	"encoding/binary"

	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// smcMessage gives the message of a call of OP-TEE's SMC ABI by address, and where it stands.
func (x *mutated) smcMessage(r *registers) (a *optee.Arg, addr uint64) {
	if (*smc.Registers)(r).Function() != optee.CallWithRPCArg {
		return nil, 0
	}
	addr = optee.Pair(r[1], r[2])
	b := make([]byte, optee.ArgSize(6))
	x.ap().Read(addr, b)
	a, err := optee.ParseArg(b)
	if err != nil {
		return nil, 0
	}
	return a, addr
}

// granting reports whether a message is GRANT or REVOKE: no other message of the suite has these parameters.
func granting(a *optee.Arg, command uint32) bool {
	return a != nil && a.Cmd == optee.CmdInvokeCommand && a.Func == command && len(a.Params) == 2 && a.Params[0].Attr == optee.AttrRMemInOut && a.Params[1].Attr == optee.AttrValueInput
}

// silent makes a mutant in which a message over the SMC ABI succeeds without effect.
func silent(name string, which func(a *optee.Arg) bool) mutant {
	return mutant{name: name, groups: "^services/smc", before: func(x *mutated, r *registers) bool {
		a, addr := x.smcMessage(r)
		if a == nil || !which(a) {
			return false
		}
		var b [8]byte
		binary.LittleEndian.PutUint32(b[4:], uint32(optee.OriginTEE))
		x.ap().Write(addr+20, b[:])
		r[0] = 0
		return true
	}}
}

// servicePool is where the suite's pools begin.
const servicePool = platform.RAMBase + conformFree + 0x80_0000

// serviceMutants are faults in grants and keys.
func serviceMutants() []mutant {
	return []mutant{
		silent("grants have no effect", func(a *optee.Arg) bool { return granting(a, optee.GrantCmdGrant) }),
		silent("revocations have no effect", func(a *optee.Arg) bool { return granting(a, optee.GrantCmdRevoke) }),
		silent("closing sessions has no effect", func(a *optee.Arg) bool { return a.Cmd == optee.CmdCloseSession }),
		{name: "grants go to another master", groups: "^services/smc-grant", before: func(x *mutated, r *registers) bool {
			if a, addr := x.smcMessage(r); granting(a, optee.GrantCmdGrant) && a.Params[1].U[0] == bus.NSAIDDecoder {
				x.ap().Write(addr+optee.ArgHeaderSize+optee.ParamSize+8, []byte{bus.NSAIDTransform})
			}
			return false
		}},
		{name: "grants are for all of the memory", groups: "^services/smc-grant", before: func(x *mutated, r *registers) bool {
			if a, addr := x.smcMessage(r); granting(a, optee.GrantCmdGrant) && a.Params[0].RMem().Offset == 5*4096 {
				x.ap().Write(addr+optee.ArgHeaderSize+8, make([]byte, 8))
			}
			return false
		}},
		{name: "refused grants succeed", groups: "^services/smc-grant", after: func(x *mutated, in, out *registers) {
			if a, addr := x.smcMessage(in); granting(a, optee.GrantCmdGrant) {
				x.ap().Write(addr+20, make([]byte, 4))
			}
		}},
		{name: "no region is no memory", groups: "^services/smc-grant", after: func(x *mutated, in, out *registers) {
			if a, addr := x.smcMessage(in); a != nil && a.Ret == optee.ErrorNoResource {
				x.ap().Write(addr+20, binary.LittleEndian.AppendUint32(nil, uint32(optee.ErrorOutOfMemory)))
			}
		}},
		{name: "memory on demand is open to PCI", groups: "^services/ffa-grant-nobody", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if nsaid == bus.NSAIDPCI && addr == servicePool && resp != bus.OKAY {
				p[0] = 0x5C
				return bus.OKAY
			}
			return resp
		}},
		{name: "a key can be read", groups: "^services/ffa-keys", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if addr == platform.CryptoBase+0x220 {
				copy(p, "conf")
			}
			return resp
		}},
		{name: "the secure bank answers the normal world", groups: "^services/ffa-keys", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if addr == platform.CryptoBase+0x1004 {
				return bus.OKAY
			}
			return resp
		}},
		{name: "keys outlive their sessions", groups: "^services/smc-keys", before: func(x *mutated, r *registers) bool {
			if a, addr := x.smcMessage(r); a != nil && a.Cmd == optee.CmdCloseSession {
				x.ap().Write(addr+20, binary.LittleEndian.AppendUint32(nil, 0))
				r[0] = 0
				return true
			}
			return false
		}},
		{name: "the input device stays open during a dialogue", groups: "^services/ffa-ui", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if addr == platform.InputBase+0x00C {
				return bus.OKAY
			}
			return resp
		}},
		{name: "the processors see the screen", groups: "^services/ffa-ui", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if nsaid == bus.NSAIDAP && addr == servicePool && resp != bus.OKAY {
				p[0] = 0x40
				return bus.OKAY
			}
			return resp
		}},
		{name: "a second session is let in", groups: "^services/smc-ui", after: func(x *mutated, in, out *registers) {
			if a, addr := x.smcMessage(in); a != nil && a.Cmd == optee.CmdOpenSession && a.Ret == optee.ErrorBusy {
				x.ap().Write(addr+20, make([]byte, 4))
			}
		}},
	}
}
