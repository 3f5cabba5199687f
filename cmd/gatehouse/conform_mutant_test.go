package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld/conform"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

type registers = firmware.Registers

// mutant is a secure world with one fault: the real one behind a conduit and a bus that are wrong in one way.
type mutant struct {
	name string
	// groups are where it must be found; "" stands for anywhere.
	groups string
	// before changes a call on its way in; true keeps it from arriving at all.
	before func(x *mutated, r *registers) (done bool)
	// after changes the reply. in is what the caller passed.
	after func(x *mutated, in, out *registers)
	// read and write change what a master sees.
	read  func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response
	write func(x *mutated, nsaid uint8, addr uint64, p []byte) (resp bus.Response, done bool)
}

func (m *mutant) wrap(t conform.Target) conform.Target {
	if t == nil {
		return nil
	}
	return &mutated{Target: t, mutant: m}
}

// mutated is a target with a fault.
type mutated struct {
	conform.Target
	*mutant
	// What the faults need to remember: the latest lend, sizes of transfers, counters.
	lent  []ffa.Constituent
	count int
	value uint64
	saved []byte
}

func (x *mutated) Reset() error {
	x.lent, x.count, x.value, x.saved = nil, 0, 0, nil
	return x.Target.Reset()
}

func (x *mutated) SMC(cpu int, r *registers) {
	in := *r
	if x.before != nil && x.before(x, r) {
		return
	}
	x.Target.SMC(cpu, r)
	if x.after != nil {
		x.after(x, &in, r)
	}
}

func (x *mutated) Port(nsaid uint8) conform.Port {
	return &mutatedPort{x.Target.Port(nsaid), x, nsaid}
}

type mutatedPort struct {
	conform.Port
	x     *mutated
	nsaid uint8
}

func (p *mutatedPort) Read(addr uint64, b []byte) bus.Response {
	resp := p.Port.Read(addr, b)
	if p.x.read != nil {
		resp = p.x.read(p.x, p.nsaid, addr, b, resp)
	}
	return resp
}

func (p *mutatedPort) Write(addr uint64, b []byte) bus.Response {
	if p.x.write != nil {
		if resp, done := p.x.write(p.x, p.nsaid, addr, b); done {
			return resp
		}
	}
	return p.Port.Write(addr, b)
}

// ap is the bus as the processors see it, without faults.
func (x *mutated) ap() conform.Port { return x.Target.Port(bus.NSAIDAP) }

func function(r *registers) ffa.Function { return ffa.FunctionOf(r).SMC32Form() }

func failed(r *registers) bool { return ffa.FunctionOf(r) == ffa.Error32 }

// edit makes a mutant that changes replies to some functions of FF-A (of any, without a list).
func edit(name string, change func(out *registers), functions ...ffa.Function) mutant {
	return mutant{name: name, groups: groupsOf(functions), after: func(_ *mutated, in, out *registers) {
		if !ffa.FunctionOf(in).InRange() {
			return
		}
		for _, f := range functions {
			if function(in) == f.SMC32Form() {
				change(out)
				return
			}
		}
		if len(functions) == 0 {
			change(out)
		}
	}}
}

// recode makes a mutant that answers one error with another.
func recode(from, to ffa.Error) mutant {
	return edit(fmt.Sprintf("%v is answered as %v", from, to), func(out *registers) {
		if failed(out) && int32(out[2]) == int32(from) {
			out[2] = uint64(uint32(to))
		}
	})
}

// onSuccess makes a mutant that changes successful replies.
func onSuccess(name string, change func(out *registers), functions ...ffa.Function) mutant {
	return edit(name, func(out *registers) {
		if ffa.FunctionOf(out) == ffa.Success32 || ffa.FunctionOf(out) == ffa.Success64 {
			change(out)
		}
	}, functions...)
}

// blind makes a mutant that answers errors of a function with success.
func blind(f ffa.Function) mutant {
	return edit(fmt.Sprintf("%v always succeeds", f), func(out *registers) {
		if failed(out) {
			*out = registers{0: uint64(ffa.Success32), 2: 0x77}
		}
	}, f)
}

// idle makes a mutant in which a function succeeds without effect.
func idle(f ffa.Function) mutant {
	return mutant{name: fmt.Sprintf("%v succeeds without effect", f), groups: groupsOf([]ffa.Function{f}), before: func(x *mutated, r *registers) bool {
		if function(r) != f.SMC32Form() {
			return false
		}
		x.count++
		*r = registers{0: uint64(ffa.Success32), 2: uint64(0x5000 + x.count)}
		return true
	}}
}

// misread makes a mutant whose secure world reads the registers of calls wrongly.
func misread(name string, change func(r *registers), functions ...ffa.Function) mutant {
	return mutant{name: name, groups: groupsOf(functions), before: func(_ *mutated, r *registers) bool {
		for _, f := range functions {
			if function(r) == f.SMC32Form() {
				change(r)
			}
		}
		return false
	}}
}

// descriptor makes a mutant whose secure world overlooks something in descriptors: they are put right before it sees them.
func descriptor(name string, change func(b []byte)) mutant {
	return mutant{name: name, groups: "^(ffa-memory-negative|protmem)/", after: rememberTX, before: func(x *mutated, r *registers) bool {
		if _, ok := ffa.FunctionOf(r).Transaction(); ok && x.value != 0 && r[1] == r[2] && r[1] >= 112 && r[1] <= 4096 {
			b := make([]byte, r[1])
			x.ap().Read(x.value, b)
			original := bytes.Clone(b)
			change(b)
			if !bytes.Equal(b, original) {
				x.ap().Write(x.value, b)
			}
		}
		return false
	}}
}

// rememberTX keeps the address of TX in value.
func rememberTX(x *mutated, in, out *registers) {
	if function(in) == ffa.RXTXMap32 && !failed(out) {
		x.value = in[1] & 0xFFFF_FFFF
	}
}

// rememberLend keeps the ranges of the latest lend.
func rememberLend(x *mutated, in, out *registers) {
	rememberTX(x, in, out)
	if function(in) != ffa.MemLend32 || failed(out) || in[1] != in[2] {
		return
	}
	b := make([]byte, in[1])
	x.ap().Read(x.value, b)
	if d, err := ffa.ParseMemoryTransaction(b, ffa.Version1_2, ffa.Lend); err == nil {
		x.lent = d.Constituents
	}
}

// inLent says that an address was lent latest.
func (x *mutated) inLent(addr uint64) bool {
	for _, c := range x.lent {
		if addr >= c.Address && addr < c.End() {
			return true
		}
	}
	return false
}

// message makes a mutant that changes OP-TEE messages after the call, in memory. The argument page is found through the calls.
func message(name string, change func(a []byte)) mutant {
	return mutant{name: name, groups: "^optee-smc/", after: func(x *mutated, in, out *registers) {
		switch f := (*smc.Registers)(in).Function(); {
		case f == optee.CallWithArg || f == optee.CallWithRPCArg:
			if out[0] == 0 {
				x.value = optee.Pair(in[1], in[2])
			}
		default:
			return
		}
		if out[0] != 0 {
			return
		}
		b := make([]byte, 32+4*32)
		x.ap().Read(x.value, b)
		original := bytes.Clone(b)
		change(b)
		if !bytes.Equal(b, original) {
			x.ap().Write(x.value, b)
		}
	}}
}

// arch makes a mutant that changes replies outside FF-A.
func arch(name string, f smc.Function, change func(in, out *registers)) mutant {
	groups := "^smccc/"
	switch {
	case f.IsPSCI():
		groups = "^psci/"
	case optee.IsCall(f):
		groups = "^(optee-smc|protmem)/"
	}
	return mutant{name: name, groups: groups, after: func(_ *mutated, in, out *registers) {
		if (*smc.Registers)(in).Function() == f {
			change(in, out)
		}
	}}
}

// groupsOf says where faults of functions of FF-A must be found.
func groupsOf(functions []ffa.Function) string {
	if len(functions) == 0 {
		return "^ffa-"
	}
	switch f := functions[0].SMC32Form(); {
	case f >= ffa.NotificationBitmapCreate32 && f <= ffa.NotificationInfoGet32:
		return "^ffa-notify/"
	case f == ffa.MsgSendDirectReq32 || f == ffa.MsgSendDirectReq2_64.SMC32Form() || f == ffa.MsgSend2_32 || f == ffa.Run32:
		return "^ffa-message/"
	case f == ffa.PartitionInfoGet32 || f == ffa.PartitionInfoGetRegs64.SMC32Form():
		return "^ffa-discovery/"
	case f >= ffa.MemDonate32 && f <= ffa.MemFragTX32:
		return "^ffa-memory"
	}
	return "^ffa-setup/"
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// mutants are the faults that the suite must find. The first one is used by TestConformFailure.
func mutants() []mutant {
	list := []mutant{
		recode(ffa.Denied, ffa.InvalidParameters),
		recode(ffa.InvalidParameters, ffa.Denied),
		recode(ffa.NotSupported, ffa.InvalidParameters),
		recode(ffa.Busy, ffa.Denied),
		recode(ffa.NoData, ffa.InvalidParameters),
		recode(ffa.NoMemory, ffa.Aborted),

		// The form of replies.
		edit("the code of an error stands in w3", func(out *registers) {
			if failed(out) {
				out[2], out[3] = 0, out[2]
			}
		}),
		edit("the code of an error stands in x0", func(out *registers) {
			if failed(out) {
				out[0] = out[2]
			}
		}),
		edit("the code of an error is sign-extended", func(out *registers) {
			if failed(out) {
				out[2] = uint64(int64(int32(out[2])))
			}
		}),
		edit("w1 of an error is not zero", func(out *registers) {
			if failed(out) {
				out[1] = 1
			}
		}),
		edit("an unknown FF-A function is -1", func(out *registers) {
			if failed(out) && int32(out[2]) == int32(ffa.NotSupported) {
				out[0] = smc.Unknown
			}
		}),
		onSuccess("w7 of a success keeps the caller's value", func(out *registers) { out[7] = 7 }),
		onSuccess("x8 of a success is overwritten", func(out *registers) { out[8] = 8 }),
		onSuccess("sends answer FFA_SUCCESS_64", func(out *registers) { out[0] = uint64(ffa.Success64) }, ffa.MemShare32, ffa.MemLend32),
		onSuccess("RXTX_MAP answers FFA_SUCCESS_64", func(out *registers) { out[0] = uint64(ffa.Success64) }, ffa.RXTXMap32),
		onSuccess("the halves of handles are swapped", func(out *registers) { out[2], out[3] = out[3]|1, out[2] }, ffa.MemShare32, ffa.MemLend32),
		onSuccess("the handle stands in w1", func(out *registers) { out[1], out[2], out[3] = out[2], out[3], 0 }, ffa.MemShare32, ffa.MemLend32),
		onSuccess("upper halves of handles are dirty", func(out *registers) { out[2] |= 1 << 40 }, ffa.MemShare32, ffa.MemLend32),
		onSuccess("handles are marked as the hypervisor's", func(out *registers) { out[3] |= 1 << 31 }, ffa.MemShare32, ffa.MemLend32),
		onSuccess("upper halves of ID_GET are dirty", func(out *registers) { out[2] |= 1 << 32 }, ffa.IDGet32),
		onSuccess("ID_GET gives 1", func(out *registers) { out[2] = 1 }, ffa.IDGet32),
		onSuccess("SPM_ID_GET gives the partition", func(out *registers) { out[2] = 0x8001 }, ffa.SPMIDGet32),
		onSuccess("SPM_ID_GET gives a VM", func(out *registers) { out[2] = 5 }, ffa.SPMIDGet32),
		edit("VERSION is wrapped in SUCCESS", func(out *registers) { out[2], out[0] = out[0], uint64(ffa.Success32) }, ffa.Version32),
		edit("VERSION is 2.0", func(out *registers) { out[0] = 0x2_0000 }, ffa.Version32),
		edit("VERSION accepts everything", func(out *registers) { out[0] = 0x1_0002 }, ffa.Version32),
		edit("VERSION has dirty upper bits", func(out *registers) { out[0] |= 1 << 35 }, ffa.Version32),
		misread("VERSION always agrees on 1.0", func(r *registers) { r[1] = 0x1_0000 }, ffa.Version32),
		misread("VERSION always agrees on 1.2", func(r *registers) { r[1] = 0x1_0002 }, ffa.Version32),
		onSuccess("FEATURES of RXTX_MAP has a reserved granule", func(out *registers) { out[2] |= 3 }, ffa.Features32),
		blind(ffa.Features32),

		// Direct messages.
		edit("the identifiers of responses are not swapped", func(out *registers) { out[1] = out[1]>>16 | out[1]<<16&0xFFFF_FFFF }, ffa.MsgSendDirectReq32),
		edit("w2 of responses is not zero", func(out *registers) {
			if !failed(out) {
				out[2] = 1
			}
		}, ffa.MsgSendDirectReq32),
		edit("responses have the other width", func(out *registers) {
			if !failed(out) {
				out[0] ^= 1 << 30
			}
		}, ffa.MsgSendDirectReq32),
		edit("upper halves of payload are dirty", func(out *registers) { out[4] |= 1 << 32 }, ffa.MsgSendDirectReq32),
		edit("payload stands one register later", func(out *registers) {
			if !failed(out) {
				copy(out[4:8], out[3:7])
				out[3] = 0
			}
		}, ffa.MsgSendDirectReq32),
		misread("flags of direct requests are ignored", func(r *registers) { r[2] = 0 }, ffa.MsgSendDirectReq32),
		misread("the source of direct requests is ignored", func(r *registers) { r[1] &= 0xFFFF }, ffa.MsgSendDirectReq32),
		misread("all direct requests go to OP-TEE", func(r *registers) { r[1] = r[1]&0xFFFF_0000 | 0x8001 }, ffa.MsgSendDirectReq32),

		// Success without effect, effect without success, blindness.
		idle(ffa.RXTXMap32), idle(ffa.RXTXUnmap32), idle(ffa.RXRelease32), idle(ffa.MemShare32), idle(ffa.MemLend32), idle(ffa.MemReclaim32),
		idle(ffa.NotificationBitmapCreate32), idle(ffa.NotificationBind32), idle(ffa.NotificationUnbind32), idle(ffa.MsgSend2_32),
		blind(ffa.RXTXMap32), blind(ffa.RXTXUnmap32), blind(ffa.RXRelease32), blind(ffa.PartitionInfoGet32), blind(ffa.PartitionInfoGetRegs64),
		blind(ffa.MemShare32), blind(ffa.MemLend32), blind(ffa.MemFragTX32), blind(ffa.MemReclaim32), blind(ffa.MsgSendDirectReq32), blind(ffa.MsgSend2_32),
		blind(ffa.NotificationBind32), blind(ffa.NotificationUnbind32), blind(ffa.NotificationGet32), blind(ffa.NotificationSet32), blind(ffa.Run32),
		blind(ffa.NotificationBitmapCreate32), blind(ffa.NotificationBitmapDestroy32), blind(ffa.MsgSendDirectReq2_64),
		effect("a refused share keeps a page", ffa.Share), effect("a refused lend keeps a page", ffa.Lend),

		// Registers that are misread.
		misread("reserved registers of sends are ignored", func(r *registers) { r[5], r[6], r[7] = 0, 0, 0 }, ffa.MemShare32, ffa.MemLend32),
		misread("the buffer of sends is ignored", func(r *registers) { r[3], r[4] = 0, 0 }, ffa.MemShare32, ffa.MemLend32),
		misread("the fragment length of sends is ignored", func(r *registers) { r[2] = r[1] }, ffa.MemShare32, ffa.MemLend32),
		misread("flags of RECLAIM are ignored", func(r *registers) { r[3] = 0 }, ffa.MemReclaim32),
		misread("reserved registers of RECLAIM are ignored", func(r *registers) { r[4], r[5], r[6], r[7] = 0, 0, 0, 0 }, ffa.MemReclaim32),
		misread("the upper half of handles is ignored", func(r *registers) { r[2] = 0 }, ffa.MemReclaim32),
		misread("reserved bits of RXTX_MAP are ignored", func(r *registers) { r[3] &= 0x3F }, ffa.RXTXMap32),
		misread("RXTX_MAP maps one page only", func(r *registers) { r[3] = min(r[3], 1) }, ffa.RXTXMap32),
		misread("RXTX_MAP takes TX for RX", func(r *registers) { r[1], r[2] = r[2], r[1] }, ffa.RXTXMap32),
		misread("RXTX_MAP aligns addresses", func(r *registers) { r[1] &^= 0xFFF; r[2] &^= 0xFFF }, ffa.RXTXMap32),
		misread("the VM of RXTX_UNMAP is ignored", func(r *registers) { r[1] = 0 }, ffa.RXTXUnmap32),
		misread("the VM of RX_RELEASE is ignored", func(r *registers) { r[1] = 0 }, ffa.RXRelease32),
		misread("flags of PARTITION_INFO_GET are ignored", func(r *registers) { r[5] &= 1 }, ffa.PartitionInfoGet32),
		misread("half of the UUID counts", func(r *registers) {
			if r[1] == 0xe0786148 {
				r[3], r[4] = 0x02005ebc, 0x1bc5d5a5
			}
		}, ffa.PartitionInfoGet32),
		misread("the UUID is ignored", func(r *registers) { r[1], r[2], r[3], r[4] = 0, 0, 0, 0 }, ffa.PartitionInfoGet32),
		misread("the start index is ignored", func(r *registers) { r[3] = 0 }, ffa.PartitionInfoGetRegs64),
		misread("BIND takes the sender for the receiver", func(r *registers) { r[1] = r[1]>>16 | r[1]<<16 }, ffa.NotificationBind32),
		misread("BIND sees the lower word only", func(r *registers) { r[4] = 0 }, ffa.NotificationBind32, ffa.NotificationUnbind32),
		misread("the vCPU of GET is ignored", func(r *registers) { r[1] &= 0xFFFF }, ffa.NotificationGet32),
		misread("the receiver of GET is ignored", func(r *registers) { r[1] &^= 0xFFFF }, ffa.NotificationGet32),
		misread("flags of GET are ignored", func(r *registers) { r[2] = 5 }, ffa.NotificationGet32),
		misread("flags of SET are ignored", func(r *registers) { r[2] = 0 }, ffa.NotificationSet32),
		misread("the sender of MSG_SEND2 is ignored", func(r *registers) { r[1], r[2] = 0, 0 }, ffa.MsgSend2_32),
		misread("RUN takes any vCPU", func(r *registers) { r[1] &^= 0xFFFF }, ffa.Run32),

		// Fragments.
		edit("FRAG_RX gives the length instead of the offset", func(out *registers) {
			if ffa.FunctionOf(out) == ffa.MemFragRX32 {
				out[3] = 16
			}
		}),
		edit("FRAG_RX has the halves of the handle swapped", func(out *registers) {
			if ffa.FunctionOf(out) == ffa.MemFragRX32 {
				out[1], out[2] = out[2]|1, out[1]
			}
		}),
		edit("FRAG_RX names a sender", func(out *registers) {
			if ffa.FunctionOf(out) == ffa.MemFragRX32 {
				out[4] = 1 << 16
			}
		}),
		onSuccess("the last fragment gives another handle", func(out *registers) { out[2]++ }, ffa.MemFragTX32),
		misread("the length of fragments is rounded", func(r *registers) { r[3] = (r[3] + 15) &^ 15 }, ffa.MemFragTX32),

		// Descriptors.
		descriptor("the sender is not checked", func(b []byte) { b[0], b[1] = 0, 0 }),
		descriptor("the NS attribute is not checked", func(b []byte) { b[2] &^= 1 << 6 }),
		descriptor("reserved attributes are not checked", func(b []byte) { b[2] &= 0x7F; b[3] = 0 }),
		descriptor("the memory type is not checked", func(b []byte) {
			if b[2] != 0 && b[2]&0xC0 == 0 && b[16] == 0 {
				b[2] = 0x2F
			}
		}),
		descriptor("a lend with a memory type is accepted", func(b []byte) {
			if b[16] == 1 && b[28] == 1 {
				b[2] = 0
			}
		}),
		descriptor("flags are not checked", func(b []byte) { clear(b[4:8]) }),
		descriptor("the handle is not checked", func(b []byte) { clear(b[8:16]) }),
		descriptor("reserved words are not checked", func(b []byte) { clear(b[36:48]) }),
		descriptor("the tag has 32 bits", func(b []byte) { clear(b[20:24]) }),
		descriptor("permissions are not checked", func(b []byte) { b[50] = 2 }),
		descriptor("flags of access descriptors are not checked", func(b []byte) { b[51] = 0 }),
		descriptor("reserved words of access descriptors are not checked", func(b []byte) { clear(b[72:80]) }),
		descriptor("the page count is not checked", func(b []byte) {
			if le16(b[84:]) == 1 && len(b) == 112 {
				copy(b[80:84], b[104:108])
			}
		}),
		descriptor("the range count is not checked", func(b []byte) {
			if len(b) == 112 {
				binary.LittleEndian.PutUint32(b[84:], 1)
			}
		}),
		descriptor("empty ranges are taken for one page", func(b []byte) {
			if len(b) == 112 && binary.LittleEndian.Uint32(b[104:]) == 0 {
				b[80], b[104] = 1, 1
			}
		}),
		descriptor("addresses are rounded", func(b []byte) {
			if len(b) == 112 {
				binary.LittleEndian.PutUint64(b[96:], binary.LittleEndian.Uint64(b[96:])&^0xFFF)
			}
		}),
		descriptor("reserved words of ranges are not checked", func(b []byte) {
			if len(b) == 112 {
				clear(b[108:112])
			}
		}),
		descriptor("reserved words of the composite descriptor are not checked", func(b []byte) {
			if len(b) == 112 {
				clear(b[88:96])
			}
		}),
		descriptor("the composite descriptor is where it usually is", func(b []byte) {
			if len(b) == 112 {
				b[52], b[53], b[54], b[55] = 80, 0, 0, 0
			}
		}),
		descriptor("the size of access descriptors is not checked", func(b []byte) {
			if len(b) == 112 {
				b[24], b[25], b[26], b[27] = 32, 0, 0, 0
			}
		}),
		descriptor("unknown receivers are taken for OP-TEE", func(b []byte) {
			if le16(b[48:]) != 0x8002 {
				b[48], b[49] = 0x01, 0x80
			}
		}),

		// Discovery.
		onSuccess("one partition too many is counted", func(out *registers) { out[2]++ }, ffa.PartitionInfoGet32),
		onSuccess("records have another size", func(out *registers) { out[3] ^= 32 }, ffa.PartitionInfoGet32),
		onSuccess("the reply with records is FFA_SUCCESS_32", func(out *registers) { out[0] = uint64(ffa.Success32) }, ffa.PartitionInfoGetRegs64),
		onSuccess("the last index is the count", func(out *registers) { out[2]++ }, ffa.PartitionInfoGetRegs64),
		onSuccess("records in registers have 16 bytes", func(out *registers) { out[2] -= 8 << 48 }, ffa.PartitionInfoGetRegs64),
		onSuccess("UUIDs in registers are swapped", func(out *registers) { out[4], out[5] = out[5], out[4] }, ffa.PartitionInfoGetRegs64),
		record("records have no properties", func(b []byte) { b[4] = 0 }),
		record("OP-TEE is not AArch64", func(b []byte) { b[5] = 0 }),
		record("UUIDs are in the order of the text", func(b []byte) { b[8], b[9], b[10], b[11] = b[11], b[10], b[9], b[8] }),
		record("partitions have VM identifiers", func(b []byte) { b[1] &= 0x7F }),
		record("partitions have no execution context", func(b []byte) { b[2], b[3] = 0, 0 }),

		// Memory.
		{name: "memory comes back with contents", groups: "^isolation/", after: func(x *mutated, in, out *registers) {
			rememberLend(x, in, out)
			if function(in) == ffa.MemReclaim32 && !failed(out) && len(x.lent) > 0 {
				last := x.lent[len(x.lent)-1]
				x.ap().Write(last.End()-1, []byte{0x99})
				x.lent = nil
			}
		}},
		{name: "memory comes back with contents over SMC", groups: "^isolation/", after: func(x *mutated, in, out *registers) {
			if (*smc.Registers)(in).Function() != optee.CallWithRPCArg || out[0] != 0 {
				return
			}
			b := make([]byte, 96)
			x.ap().Read(optee.Pair(in[1], in[2]), b)
			switch optee.Command(b[0]) {
			case optee.CmdLendProtmem:
				x.value = binary.LittleEndian.Uint64(b[72:])
			case optee.CmdReclaimProtmem:
				x.ap().Write(x.value, []byte{0x99})
			}
		}},
		{name: "shared memory is cleared when it comes back", after: func(x *mutated, in, out *registers) {
			rememberTX(x, in, out)
			if function(in) == ffa.MemShare32 && !failed(out) && in[1] == in[2] && in[1] >= 112 {
				b := make([]byte, 8)
				x.ap().Read(x.value+96, b)
				x.saved = append(b, byte(out[2]))
			}
			if function(in) == ffa.MemReclaim32 && !failed(out) && len(x.saved) > 0 && byte(in[1]) == x.saved[8] {
				x.ap().Write(binary.LittleEndian.Uint64(x.saved), make([]byte, 16))
			}
		}},
		{name: "an unknown master reads lent memory", groups: "^isolation/", after: rememberLend, read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if nsaid == 15 && x.inLent(addr) {
				p[0] = 0x5C
				return bus.OKAY
			}
			return resp
		}},
		{name: "the processors write lent memory", groups: "^isolation/", after: rememberLend, write: func(x *mutated, nsaid uint8, addr uint64, p []byte) (bus.Response, bool) {
			if nsaid != bus.NSAIDAP || !x.inLent(addr) {
				return 0, false
			}
			return x.Target.Port(bus.NSAIDDecoder).Write(addr, p), true
		}},
		{name: "a denied read gives data with its error", groups: "^isolation/", after: rememberLend, read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if resp != bus.OKAY && x.inLent(addr) {
				p[0] = 0x5C
			}
			return resp
		}},
		{name: "the decoder cannot read its pool", groups: "^isolation/", after: rememberLend, read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if nsaid == bus.NSAIDDecoder && x.inLent(addr) {
				clear(p)
				return bus.DECERR
			}
			return resp
		}},
		{name: "the page behind a pool is protected with it", groups: "^isolation/", after: rememberLend, read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			for _, c := range x.lent {
				if addr-c.End() < 4096 {
					clear(p)
					return bus.DECERR
				}
			}
			return resp
		}},
		{name: "the last page of a pool is open", groups: "^isolation/", after: rememberLend, read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			for _, c := range x.lent {
				if addr-(c.End()-4096) < 4096 && resp != bus.OKAY {
					p[0] = 0x5C
					return bus.OKAY
				}
			}
			return resp
		}},
		{name: "memory that came back stays closed to DMA", groups: "^isolation/", after: rememberLend, read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if nsaid == bus.NSAIDDMA && x.inLent(addr) {
				clear(p)
				return bus.DECERR
			}
			return resp
		}},
		{name: "the registers of the firewall can be read", groups: "^isolation/", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if addr == platform.TZCBase+0xFE0 {
				p[0] = 0x60
				return bus.OKAY
			}
			return resp
		}},
		{name: "secure RAM can be read by the display", groups: "^isolation/", read: func(x *mutated, nsaid uint8, addr uint64, p []byte, resp bus.Response) bus.Response {
			if addr-platform.SecureRAM < platform.SecureRAMLen && nsaid == bus.NSAIDHDLCD {
				p[0] = 1
				return bus.OKAY
			}
			return resp
		}},
		{name: "TX is written", after: func(x *mutated, in, out *registers) {
			rememberTX(x, in, out)
			if function(in) == ffa.MemShare32 && x.value != 0 {
				x.ap().Write(x.value+8, []byte{1})
			}
		}},
		{name: "the page behind RX is written", after: func(x *mutated, in, out *registers) {
			if function(in) == ffa.RXTXMap32 && !failed(out) {
				x.value = in[2] & 0xFFFF_FFFF
			}
			if function(in) == ffa.PartitionInfoGet32 && !failed(out) && in[5]&1 == 0 {
				x.ap().Write(x.value+4096, []byte{0})
			}
		}},

		// Architecture calls and PSCI.
		{name: "an unknown function is -1 in 32 bits", after: func(_ *mutated, in, out *registers) {
			if out[0] == smc.Unknown {
				out[0] = 0xFFFF_FFFF
			}
		}},
		{name: "an unknown function is 0", after: func(_ *mutated, in, out *registers) {
			if out[0] == smc.Unknown {
				out[0] = 0
			}
		}},
		{name: "x4 is overwritten", after: func(_ *mutated, in, out *registers) {
			if !ffa.FunctionOf(in).InRange() {
				out[4] = 4
			}
		}},
		{name: "x17 is overwritten", after: func(_ *mutated, in, out *registers) {
			if !ffa.FunctionOf(in).InRange() {
				out[17]++
			}
		}},
		{name: "the SVE hint is part of the identifier", before: func(_ *mutated, r *registers) bool {
			if r[0]>>16&1 != 0 && r[0]>>31&1 != 0 {
				r[0] = smc.Unknown
				return true
			}
			return false
		}},
		{name: "the function identifier is x0", before: func(_ *mutated, r *registers) bool {
			if r[0]>>32 != 0 {
				r[0] = smc.Unknown
				return true
			}
			return false
		}},
		{name: "arguments of SMC32 calls have 64 bits", before: func(_ *mutated, r *registers) bool {
			if r[0]>>30&1 == 0 && r[1]>>32 != 0 {
				r[0] = smc.Unknown
				return true
			}
			return false
		}},
		arch("SMCCC is 1.1", smc.SMCCCVersion, func(_, out *registers) { out[0] = 0x1_0001 }),
		arch("ARCH_FEATURES knows everything", smc.ArchFeatures, func(_, out *registers) { out[0] = 0 }),
		arch("ARCH_FEATURES knows nothing", smc.ArchFeatures, func(_, out *registers) { out[0] = smc.Unknown }),
		arch("ARCH_FEATURES is -1 in 32 bits", smc.ArchFeatures, func(_, out *registers) { out[0] = uint64(uint32(out[0])) }),
		arch("the hypervisor's UID is answered", smc.VendorHypUID, func(_, out *registers) { out[0] = 0xb66fb428 }),
		arch("RSI is answered", smc.RSIABIVersion, func(_, out *registers) { out[0] = 0 }),
		arch("PSCI is 0.2", smc.PSCIVersion, func(_, out *registers) { out[0] = 2 }),
		arch("PSCI_FEATURES knows everything", smc.PSCIFeatures, func(_, out *registers) { out[0] = 0 }),
		arch("PSCI_FEATURES knows nothing", smc.PSCIFeatures, func(_, out *registers) { out[0] = smc.Unknown }),
		arch("CPU_ON always succeeds", smc.PSCICPUOn64, func(_, out *registers) { out[0] = 0 }),
		arch("CPU_ON confuses its errors", smc.PSCICPUOn64, func(_, out *registers) {
			if int32(out[0]) == int32(smc.PSCIInvalidAddress) {
				out[0] = smc.PSCIInvalidParameters.X0()
			}
		}),
		arch("AFFINITY_INFO is inverted", smc.PSCIAffinityInfo64, func(_, out *registers) {
			if out[0] <= 1 {
				out[0] ^= 1
			}
		}),
		arch("AFFINITY_INFO knows everybody", smc.PSCIAffinityInfo64, func(_, out *registers) { out[0] &= 1 }),
		arch("MIGRATE_INFO_TYPE wants migration", smc.PSCIMigrateInfoType, func(_, out *registers) { out[0] = 0 }),
		{name: "CPU_ON loses the context", groups: "^psci/", before: func(_ *mutated, r *registers) bool {
			if (*smc.Registers)(r).Function() == smc.PSCICPUOn64 {
				r[3] = uint64(uint32(r[3]))
			}
			return false
		}},
		{name: "CPU_ON rounds the entry point", groups: "^psci/", before: func(_ *mutated, r *registers) bool {
			if (*smc.Registers)(r).Function() == smc.PSCICPUOn64 {
				r[2] &^= 3
			}
			return false
		}},
		drop("CPU_OFF", smc.PSCICPUOff), drop("SYSTEM_OFF", smc.PSCISystemOff), drop("SYSTEM_RESET", smc.PSCISystemReset), drop("CPU_ON", smc.PSCICPUOn64),
		arch("random bits are constant", smc.TRNGRnd64, func(_, out *registers) { out[1], out[2], out[3] = 1, 2, 3 }),
		arch("random bits are not cut", smc.TRNGRnd32, func(_, out *registers) { out[1] |= 1 << 31 }),
		arch("any number of random bits can be had", smc.TRNGRnd64, func(_, out *registers) { out[0] = 0 }),

		// OP-TEE over SMC.
		arch("the UID has its octets reversed", optee.CallsUID, func(_, out *registers) { out[0] = 0xe0b34f38 }),
		arch("the UID is sign-extended", optee.CallsUID, func(_, out *registers) { out[3] |= 0xFFFF_FFFF << 32 }),
		arch("the revision is 1.0", optee.CallsRevision, func(_, out *registers) { out[0] = 1 }),
		arch("the OS is another", optee.GetOSUUID, func(_, out *registers) { out[0]++ }),
		arch("static and dynamic pools are announced", optee.ExchangeCapabilities, func(_, out *registers) { out[1] |= 0x300 }),
		arch("unknown capabilities are announced", optee.ExchangeCapabilities, func(_, out *registers) { out[1] |= 1 << 20 }),
		arch("capabilities of the normal world are not checked", optee.ExchangeCapabilities, func(_, out *registers) { out[0] = 0 }),
		arch("there is no thread", optee.GetThreadCount, func(_, out *registers) { out[1] = 0 }),
		arch("the cache never empties", optee.DisableSHMCache, func(_, out *registers) { out[0] = 0 }),
		arch("nothing can be resumed, successfully", optee.ReturnFromRPC, func(_, out *registers) { out[0] = 0 }),
		arch("messages always succeed", optee.CallWithRPCArg, func(_, out *registers) { out[0] = 0 }),
		arch("messages in registered memory always succeed", optee.CallWithRegdArg, func(_, out *registers) { out[0] = 0 }),
		arch("the static pool is announced without one", optee.GetProtmemConfig, func(_, out *registers) { out[0] = 0 }),
		{name: "the halves of addresses are swapped", groups: "^optee-smc/", before: func(_ *mutated, r *registers) bool {
			if f := (*smc.Registers)(r).Function(); f == optee.CallWithRPCArg || f == optee.CallWithArg || f == optee.CallWithRegdArg {
				r[1], r[2] = r[2], r[1]
			}
			return false
		}},
		{name: "addresses of messages are rounded", groups: "^optee-smc/", before: func(_ *mutated, r *registers) bool {
			if f := (*smc.Registers)(r).Function(); f == optee.CallWithRPCArg || f == optee.CallWithArg {
				r[2] &^= 0xFFF
			}
			return false
		}},
		message("all messages succeed", func(b []byte) { binary.LittleEndian.PutUint32(b[20:], 0) }),
		message("all sessions are 0", func(b []byte) { binary.LittleEndian.PutUint32(b[8:], 0) }),
		message("all sessions are 1", func(b []byte) { binary.LittleEndian.PutUint32(b[8:], 1) }),
		message("attributes are changed", func(b []byte) {
			if b[28] > 0 {
				b[33] ^= 4
			}
		}),
		message("inputs are changed", func(b []byte) {
			if b[28] > 0 && b[32] == 9 {
				b[40]++
			}
		}),
		message("the padding is written", func(b []byte) { b[16] = 1 }),
		message("the error is another", func(b []byte) {
			if binary.LittleEndian.Uint32(b[20:]) == uint32(optee.ErrorBadParameters) {
				b[20] = 0
			}
		}),

		// OP-TEE over FF-A.
		service("the API is 2.0", optee.FFAGetAPIVersion, func(out *registers) { out[3] = 2 }),
		service("capabilities are an error", optee.FFAExchangeCapabilities, func(out *registers) { out[3] = 1 }),
		service("an RPC has no parameters", optee.FFAExchangeCapabilities, func(out *registers) { out[4] = 0 }),
		service("protected memory is not announced", optee.FFAExchangeCapabilities, func(out *registers) { out[5] &^= 8 }),
		service("UNREGISTER_SHM fails for unknown handles", optee.FFAUnregisterSHM, func(out *registers) { out[3] = 0xFFFF_FFFE }),
		service("RELEASE_PROTMEM fails", optee.FFAReleaseProtmem, func(out *registers) { out[3] = 0xFFFF_FFFE }),
		service("messages always succeed", optee.FFAYieldingCallWithArg, func(out *registers) { out[3] = 0 }),
		service("messages ask for an RPC", optee.FFAYieldingCallWithArg, func(out *registers) { out[4] = 1 }),
		service("BUSY without another call", optee.FFAYieldingCallWithArg, func(out *registers) {
			if out[3] != 0 {
				out[3] = uint64(optee.ErrorBusy)
			}
		}),
		service("nothing can be resumed, successfully", optee.FFAYieldingCallResume, func(out *registers) { out[3] = 0 }),
		ignore("UNREGISTER_SHM drops nothing", optee.FFAUnregisterSHM),
		ignore("RELEASE_PROTMEM drops nothing", optee.FFAReleaseProtmem),
		{name: "the upper half of handles in requests is ignored", groups: "^optee-ffa/", before: func(_ *mutated, r *registers) bool {
			if function(r) == ffa.MsgSendDirectReq32 && uint32(r[1]) == 0x8001 {
				r[5] = 0
				if r[3] == uint64(optee.FFAYieldingCallWithArg) && r[4] == 0 {
					r[4] = 0x10000
				}
			}
			return false
		}},
		{name: "offsets of messages are rounded", groups: "^optee-ffa/", before: func(_ *mutated, r *registers) bool {
			if function(r) == ffa.MsgSendDirectReq32 && r[3] == uint64(optee.FFAYieldingCallWithArg) {
				r[6] &^= 7
			}
			return false
		}},
		{name: "a wrong service is the first one", groups: "^optee-ffa/", before: func(_ *mutated, r *registers) bool {
			if function(r) == ffa.MsgSendDirectReq32 && uint32(r[1]) == 0x8001 && r[3] == 4 {
				r[3] = 0
			}
			return false
		}},
		{name: "the target crashes", before: func(_ *mutated, r *registers) bool {
			if function(r) == ffa.MemShare32 && r[1] > 4096 {
				panic("index out of range")
			}
			return false
		}},
		{name: "the machine loses interest in reset", after: func(x *mutated, in, out *registers) {
			if (*smc.Registers)(in).Function() == smc.PSCISystemReset {
				x.count = 1
			}
			if x.count == 1 && function(in) == ffa.RXTXMap32 {
				*out = ffa.ErrorReply(ffa.Denied)
			}
		}},
	}
	return append(list, serviceMutants()...)
}

// effect makes a mutant in which a call that is refused has an effect all the same: its first range, if it is memory, is sent.
func effect(name string, kind ffa.TransactionKind) mutant {
	return mutant{name: name, groups: "^ffa-memory-negative/", after: func(x *mutated, in, out *registers) {
		rememberTX(x, in, out)
		if k, _ := ffa.FunctionOf(in).Transaction(); k != kind || !failed(out) || x.value == 0 {
			return
		}
		sent := make([]byte, 112)
		x.ap().Read(x.value, sent)
		addr := binary.LittleEndian.Uint64(sent[96:]) &^ 0xFFF
		d := ffa.MemoryTransaction{Receivers: []ffa.EMAD{{Receiver: 0x8001, Permissions: ffa.DataRW}}, Constituents: []ffa.Constituent{{Address: addr, Pages: 1}}}
		if d.Attributes = ffa.NormalWriteBackInner; kind == ffa.Lend {
			d.Attributes, d.Tag = 0, 1
		}
		b := d.AppendTo(nil, ffa.Version1_2)
		x.ap().Write(x.value, b)
		again := registers{in[0], uint64(len(b)), uint64(len(b))}
		x.Target.SMC(0, &again)
		x.ap().Write(x.value, sent)
	}}
}

// record makes a mutant that changes the first partition record in RX.
func record(name string, change func(b []byte)) mutant {
	return mutant{name: name, groups: "^ffa-discovery/", after: func(x *mutated, in, out *registers) {
		if function(in) == ffa.RXTXMap32 && !failed(out) {
			x.value = in[2] & 0xFFFF_FFFF
		}
		if function(in) == ffa.PartitionInfoGet32 && !failed(out) && in[5]&1 == 0 && out[3] == 24 {
			b := make([]byte, 24)
			x.ap().Read(x.value, b)
			change(b)
			x.ap().Write(x.value, b)
		}
	}}
}

// drop makes a mutant in which a call outside FF-A returns 0 and does nothing.
func drop(name string, f smc.Function) mutant {
	return mutant{name: name + " does nothing", groups: "^psci/", before: func(_ *mutated, r *registers) bool {
		if (*smc.Registers)(r).Function() != f {
			return false
		}
		r[0] = 0
		return true
	}}
}

func toOPTEE(r *registers, s optee.Service) bool {
	return function(r) == ffa.MsgSendDirectReq32 && uint32(r[1]) == 0x8001 && optee.Service(r[3]) == s
}

// service makes a mutant that changes the response of OP-TEE to a request.
func service(name string, s optee.Service, change func(out *registers)) mutant {
	return mutant{name: fmt.Sprintf("%v: %s", s, name), groups: "^(optee-ffa|protmem)/", after: func(_ *mutated, in, out *registers) {
		if toOPTEE(in, s) && ffa.FunctionOf(out) == ffa.MsgSendDirectResp32 {
			change(out)
		}
	}}
}

// ignore makes a mutant in which a request to OP-TEE succeeds without effect.
func ignore(name string, s optee.Service) mutant {
	return mutant{name: name, groups: "^(optee-ffa|protmem)/", before: func(_ *mutated, r *registers) bool {
		if !toOPTEE(r, s) {
			return false
		}
		*r = registers{0: uint64(ffa.MsgSendDirectResp32), 1: 0x8001 << 16}
		return true
	}}
}

// sharedTargets is a factory that makes each target once.
func sharedTargets(board *conformBoard) conform.Factory {
	targets := map[conform.Variant]conform.Target{}
	return func(v conform.Variant) (conform.Target, error) {
		if t := targets[v]; t != nil {
			return t, nil
		}
		t, err := board.target(v)
		if err == nil {
			targets[v] = t
		}
		return t, err
	}
}

// Each mutant must be found by at least one case of its groups that passes without it.
func TestConformFindsMutants(t *testing.T) {
	factory := sharedTargets(newConformBoard(t))
	suite := conform.NewSuite(factory)
	var sound []conform.Case
	for _, c := range conform.Cases() {
		r, err := suite.Run(&c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == conform.Passed {
			sound = append(sound, c)
		}
	}
	seen := map[string]bool{}
	for _, m := range mutants() {
		if seen[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		seen[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			suite := conform.NewSuite(func(v conform.Variant) (conform.Target, error) {
				target, err := factory(v)
				return m.wrap(target), err
			})
			groups := regexp.MustCompile(m.groups)
			for i := range sound {
				if !groups.MatchString(sound[i].ID()) {
					continue
				}
				r, err := suite.Run(&sound[i])
				if err != nil {
					t.Fatal(err)
				}
				if r.Status == conform.Failed {
					t.Logf("found by %s: %s", r.ID(), r.Failure.What)
					return
				}
			}
			t.Errorf("no case of %q finds it", m.groups)
		})
	}
}

// Without a fault the wrapper changes nothing.
func TestConformWrapperIsTransparent(t *testing.T) {
	factory := sharedTargets(newConformBoard(t))
	none := &mutant{name: "none"}
	plain, wrapped := conform.NewSuite(factory), conform.NewSuite(func(v conform.Variant) (conform.Target, error) {
		target, err := factory(v)
		return none.wrap(target), err
	})
	for _, c := range conform.Cases() {
		a, err1 := plain.Run(&c)
		b, err2 := wrapped.Run(&c)
		if err1 != nil || err2 != nil || a.Status != b.Status {
			t.Errorf("%s: %v (%v) alone, %v (%v) through the wrapper", c.ID(), a.Status, err1, b.Status, err2)
		}
	}
}
