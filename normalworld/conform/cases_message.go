package conform

import (
	"encoding/binary"
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

// withOPTEE runs a case as Linux does after its FF-A driver was loaded.
func withOPTEE(f func(t *T)) func(*T) {
	return func(t *T) {
		t.startFFA()
		f(t)
	}
}

// freeID gives a secure identifier that no partition has.
func (t *T) freeID() ffa.EndpointID {
	used := map[ffa.EndpointID]bool{ffa.SPMC: true, ffa.SPMD: true}
	for _, p := range t.partitions([4]uint64{}) {
		used[p.ID] = true
	}
	id := ffa.EndpointID(0x8765)
	for used[id] {
		id++
	}
	return id
}

// alive says that the service still answers.
func (t *T) alive() {
	t.request("GET_API_VERSION", t.response("version 1.0", optee.FFAVersionMajor, optee.FFAVersionMinor), uint64(optee.FFAGetAPIVersion))
}

// indirect writes an indirect message into TX: the header of version 1.2, then the payload.
func (t *T) indirect(h ffa.IndirectHeader, payload []byte) {
	b := h.AppendTo(nil, ffa.Version1_2)
	if int(h.Offset) <= page && int(h.Offset) >= len(b) {
		b = append(b, make([]byte, int(h.Offset)-len(b))...)
		b = append(b, payload...)
	}
	t.write(t.tx, b[:min(len(b), page)])
}

func messageCases() []Case {
	request, request2 := ffaRule("FFA_MSG_SEND_DIRECT_REQ"), ffaRule("FFA_MSG_SEND_DIRECT_REQ2")
	invalid := failure(ffa.InvalidParameters)
	// REQ with other ids or flags; the reply must be a refusal, and the service must be alive afterwards.
	refused := func(name, why string, w Want, args func(t *T) []uint64) Case {
		return Case{Name: "direct-" + name, Rule: request, Why: why, Run: withOPTEE(func(t *T) {
			t.expect("FFA_MSG_SEND_DIRECT_REQ", w, args(t)...)
			t.alive()
		})}
	}
	req := func(src, dst ffa.EndpointID, w2 uint64) []uint64 {
		return []uint64{uint64(ffa.MsgSendDirectReq32), uint64(src)<<16 | uint64(dst), w2, uint64(optee.FFAGetAPIVersion)}
	}
	cases := []Case{
		{Name: "direct", Rule: request,
			Why: "The response has the identifiers swapped, the request's width, w2 zero, and no upper halves: Linux compares 64 bits of w3 and w4.",
			Run: withOPTEE((*T).alive)},
		{Name: "direct-without-buffers", Rule: request, Why: "Direct messages are registers.", Run: func(t *T) {
			t.negotiate(ffa.Version1_2)
			t.optee = t.regs(opteeWords())[0].ID
			t.alive()
		}},
		{Name: "direct-upper-halves", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The SMC32 form has the lower halves of its arguments only.",
			Run: withOPTEE(func(t *T) {
				args := t.requestCall(uint64(optee.FFAGetAPIVersion), 0, 0, 0, 0)
				for i := 1; i < len(args); i++ {
					args[i] |= 0xDEAD << 48
				}
				t.expect("FFA_MSG_SEND_DIRECT_REQ with bits above", t.response("version 1.0", 1, 0), args...)
			})},
		{Name: "direct-smc64", Rule: request,
			Why: "A 64-bit request has a 64-bit response, or is refused; Linux refuses a response of another width.",
			Run: withOPTEE(func(t *T) {
				args := t.requestCall(uint64(optee.FFAGetAPIVersion))
				args[0] = uint64(ffa.MsgSendDirectReq64)
				p := ffaReply(uint64(ffa.MsgSendDirectResp64), uint64(t.optee)<<16, 0, 1, 0)
				p.mask[5], p.mask[6], p.mask[7] = 0, 0, 0
				t.expect("FFA_MSG_SEND_DIRECT_REQ, SMC64", Want{"FFA_MSG_SEND_DIRECT_RESP_64", []pattern{p}}.or(anyFailure()), args...)
				t.alive()
			})},
		{Name: "direct-on-second-processor", Rule: request, Needs: NeedCPUs,
			Why: "Each processor has an execution context of the partition.",
			Run: withOPTEE(func(t *T) {
				t.cpu = 1
				t.alive()
			})},
		refused("flags", "w2[30:8] must be zero.", invalid, func(t *T) []uint64 { return req(0, t.optee, 1<<8) }),
		refused("type-of-partition-message", "A partition message has type 0.", invalid, func(t *T) []uint64 { return req(0, t.optee, 1) }),
		refused("framework-message", "Framework messages are between framework components; OP-TEE knows none from an operating system.",
			failure(ffa.InvalidParameters, ffa.NotSupported, ffa.Denied), func(t *T) []uint64 { return req(0, t.optee, 1<<31|uint64(ffa.FrameworkVersionReq)) }),
		refused("to-nobody", "No partition has this identifier.", invalid, func(t *T) []uint64 { return req(0, t.freeID(), 0) }),
		refused("to-itself", "The destination must not be the source.", invalid, func(t *T) []uint64 { return req(0, 0, 0) }),
		refused("to-vm", "No VM has this identifier.", invalid, func(t *T) []uint64 { return req(0, 5, 0) }),
		refused("from-secure-endpoint", "The source is the caller's identifier: a spoofed one is refused.", failure(ffa.InvalidParameters, ffa.Denied),
			func(t *T) []uint64 { return req(t.freeID(), t.optee, 0) }),
		refused("from-spmc", "The source is the caller's identifier: the SPMC's is refused.", failure(ffa.InvalidParameters, ffa.Denied),
			func(t *T) []uint64 { return req(ffa.SPMC, t.optee, 0) }),
		refused("from-vm", "The source is the caller's identifier, and there is no hypervisor with VMs.", failure(ffa.InvalidParameters, ffa.Denied),
			func(t *T) []uint64 { return req(5, t.optee, 0) }),
		refused("identifiers-swapped", "The source stands in the upper half of w1.", failure(ffa.InvalidParameters, ffa.Denied), func(t *T) []uint64 { return req(t.optee, 0, 0) }),
		{Name: "direct-response-unasked", Rule: ffaRule("FFA_MSG_SEND_DIRECT_RESP"),
			Why: "The normal world has no request to answer.",
			Run: withOPTEE(func(t *T) {
				for _, f := range []ffa.Function{ffa.MsgSendDirectResp32, ffa.MsgSendDirectResp64} {
					t.expect("FFA_MSG_SEND_DIRECT_RESP", anyFailure(), uint64(f), uint64(t.optee), 0, 0)
				}
				t.alive()
			})},
		{Name: "direct2-unknown-property", Rule: request2,
			Why: "OP-TEE does not announce that it receives these requests: DENIED.",
			Run: withOPTEE(func(t *T) {
				if t.partitions(opteeWords())[0].Properties&ffa.PropReceivesDirectReq2 != 0 {
					t.skip("OP-TEE receives FFA_MSG_SEND_DIRECT_REQ2")
				}
				m := ffa.DirectMessage2{Destination: t.optee, UUID: ffa.UUID(optee.OSUUID())}
				t.expectRegs("FFA_MSG_SEND_DIRECT_REQ2", failure(ffa.Denied, ffa.NotSupported), m.Registers())
				t.alive()
			})},
		{Name: "direct2-to-nobody", Rule: request2, Why: "No partition has this identifier.", Run: withOPTEE(func(t *T) {
			m := ffa.DirectMessage2{Destination: t.freeID(), UUID: ffa.UUID(optee.OSUUID())}
			t.expectRegs("FFA_MSG_SEND_DIRECT_REQ2", failure(ffa.InvalidParameters, ffa.NotSupported), m.Registers())
		})},
		{Name: "direct2-to-itself", Rule: request2, Why: "The destination must not be the source.", Run: withOPTEE(func(t *T) {
			m := ffa.DirectMessage2{}
			t.expectRegs("FFA_MSG_SEND_DIRECT_REQ2", failure(ffa.InvalidParameters, ffa.NotSupported), m.Registers())
		})},
		{Name: "direct2-at-1.1", Rule: request2, Why: "The call is there from 1.2 on.", Run: func(t *T) {
			t.startVersion(ffa.Version1_1)
			m := ffa.DirectMessage2{Destination: t.optee}
			t.expectRegs("FFA_MSG_SEND_DIRECT_REQ2 at version 1.1", failure(ffa.NotSupported), m.Registers())
		}},
		{Name: "direct2-response", Rule: request2,
			Why: "The response has the identifiers swapped and no UUID; x4 to x17 are payload, 64 bits each.",
			Run: withOPTEE(func(t *T) {
				to := t.partner(ffa.PropReceivesDirectReq2)
				m := ffa.DirectMessage2{Destination: to.ID, UUID: to.UUID}
				for i := range m.Payload {
					m.Payload[i] = 0x1111_1111_1111_1111 * uint64(i+1)
				}
				p := pattern{}
				for i := range p.mask {
					p.mask[i] = all
				}
				p.value[0], p.value[1] = uint64(ffa.MsgSendDirectResp2_64), uint64(to.ID)<<16
				for i, v := range m.Payload {
					p.value[4+i] = ^v
				}
				t.expectRegs("FFA_MSG_SEND_DIRECT_REQ2", Want{"FFA_MSG_SEND_DIRECT_RESP2", []pattern{p}}, m.Registers())
			})},
		{Name: "direct2-unknown-uuid", Rule: request2, Why: "The UUID is none of the receiver's.", Run: withOPTEE(func(t *T) {
			to := t.partner(ffa.PropReceivesDirectReq2)
			m := ffa.DirectMessage2{Destination: to.ID, UUID: ffa.UUIDFromWords([4]uint32{1, 2, 3, 4})}
			t.expectRegs("FFA_MSG_SEND_DIRECT_REQ2", invalid, m.Registers())
		})},
		{Name: "run-nobody", Rule: ffaRule("FFA_RUN"), Why: "No partition has this identifier.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_RUN of nobody", invalid, uint64(ffa.Run32), uint64(t.freeID())<<16)
		})},
		{Name: "run-no-such-context", Rule: ffaRule("FFA_RUN"),
			Why: "The partition has no such execution context.",
			Run: withOPTEE(func(t *T) {
				n := uint64(t.partitions(opteeWords())[0].ExecutionContexts)
				t.expect("FFA_RUN of a context that does not exist", invalid, uint64(ffa.Run32), uint64(t.optee)<<16|n)
			})},
		{Name: "run-not-preempted", Rule: ffaRule("FFA_RUN"),
			Why: "OP-TEE waits for messages and cannot be resumed; OP-TEE says INVALID_PARAMETERS, TF-A says BUSY or DENIED.",
			Run: withOPTEE(func(t *T) {
				t.expect("FFA_RUN of a context that waits", failure(ffa.InvalidParameters, ffa.Denied, ffa.Busy), uint64(ffa.Run32), uint64(t.optee)<<16)
				t.alive()
			})},
		{Name: "run-itself", Rule: ffaRule("FFA_RUN"), Why: "The normal world runs already.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_RUN of the caller", invalid, uint64(ffa.Run32), 0)
		})},
	}
	return append(append(cases, unfinishedCases()...), indirectCases()...)
}

// sum adds up the bytes of a message.
func sum(b []byte) (n uint64) {
	for _, x := range b {
		n += uint64(x)
	}
	return n
}

// received is the partner's answer about a message of n bytes: w5 is to be looked at.
func (t *T) received(from ffa.EndpointID, n int) Want {
	p := ffaReply(uint64(ffa.MsgSendDirectResp32), uint64(from)<<16, 0, 0, uint64(n))
	p.mask[5] = upper
	return Want{fmt.Sprintf("a message of %d bytes", n), []pattern{p}}
}

// unfinishedCases are requests that the partner leaves unfinished.
func unfinishedCases() []Case {
	var cases []Case
	for _, x := range []struct {
		name     string
		request  uint64
		function ffa.Function
		rule     Rule
	}{
		{"yielded", PartnerYield, ffa.Yield32, ffaRule("FFA_YIELD")},
		{"preempted", PartnerPreempt, ffa.Interrupt32, ffaRule("FFA_INTERRUPT")},
	} {
		cases = append(cases, Case{Name: "run-" + x.name, Rule: x.rule,
			Why: "A request that is not finished is answered with the context in w1, which FFA_RUN goes on with; until then the context is BUSY.", Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				left := ffaReply(uint64(x.function), uint64(p.ID)<<16)
				unfinished := Want{x.function.String() + " with partition and vCPU", []pattern{left}}
				t.expect("a request that is not finished", unfinished.or(failure(ffa.NotSupported)), tellCall(p.ID, x.request, 0, 0, 0x1234)...)
				if out := t.last().out; ffa.FunctionOf(&out) == ffa.Error32 {
					t.skip("the partner finishes all requests")
				}
				t.expect("another request", failure(ffa.Busy), tellCall(p.ID, PartnerReceive, 0, 0, 0)...)
				t.alive()
				if t.CPUs > 1 {
					t.expect("FFA_RUN of another context", failure(ffa.Denied, ffa.InvalidParameters, ffa.Busy), uint64(ffa.Run32), uint64(p.ID)<<16|1)
				}
				t.expect("FFA_RUN", t.finished(p.ID, 0x1234), uint64(ffa.Run32), uint64(p.ID)<<16)
				t.expect("FFA_RUN of what is finished", failure(ffa.Denied, ffa.InvalidParameters, ffa.Busy), uint64(ffa.Run32), uint64(p.ID)<<16)
				t.tell("another request", p.ID, PartnerReceive, 0, 0, 0, ffa.NoData)
			})}, Case{Name: "run-" + x.name + "-migrated", Rule: x.rule, Needs: NeedCPUs,
			Why: "The client may have moved to another processor before FFA_RUN: the vCPU in w1 says which context goes on.", Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				out := t.call(tellCall(p.ID, x.request, 0, 0, 0x1234)...)
				if ffa.FunctionOf(&out) == ffa.Error32 {
					t.skip("the partner finishes all requests")
				}
				t.cpu = 1
				t.expect("FFA_RUN from another processor", t.finished(p.ID, 0x1234), uint64(ffa.Run32), out[1])
			})})
	}
	return cases
}

// finished is the partner's answer to a request that was left unfinished before.
func (t *T) finished(from ffa.EndpointID, value uint64) Want {
	return Want{"the response to the request", []pattern{ffaReply(uint64(ffa.MsgSendDirectResp32), uint64(from)<<16, 0, 0, value)}}
}

func indirectCases() []Case {
	rule := ffaRule("FFA_MSG_SEND2")
	send2 := func(t *T, what string, w Want, w1, flags uint64) {
		t.expect(what, w, uint64(ffa.MsgSend2_32), w1, flags)
	}
	payload := []byte("indirect message")
	good := func(to ffa.EndpointID) ffa.IndirectHeader {
		return ffa.IndirectHeader{Offset: ffa.IndirectHeaderSize1_2, Receiver: to, Size: uint32(len(payload))}
	}
	malformed := failure(ffa.InvalidParameters)
	cases := []Case{
		{Name: "indirect-announced", Rule: ffaRule("FFA_FEATURES"), Why: "FFA_MSG_SEND2 is there.", Run: withOPTEE(func(t *T) {
			t.features("FFA_FEATURES", successWith(2, "properties"), uint64(ffa.MsgSend2_32))
		})},
		{Name: "indirect-not-received", Rule: rule,
			Why: "OP-TEE does not announce that it receives indirect messages: DENIED.",
			Run: withOPTEE(func(t *T) {
				if t.partitions(opteeWords())[0].Properties&ffa.PropIndirectMessages != 0 {
					t.skip("OP-TEE receives indirect messages")
				}
				t.indirect(good(t.optee), payload)
				send2(t, "FFA_MSG_SEND2 to OP-TEE", failure(ffa.Denied), 0, 0)
				t.alive()
			})},
		{Name: "indirect-at-1.0", Rule: rule, Why: "The call is there from 1.1 on.", Run: func(t *T) {
			t.startVersion(ffa.Version1_0)
			t.indirect(good(t.optee), payload)
			send2(t, "FFA_MSG_SEND2 at version 1.0", failure(ffa.NotSupported), 0, 0)
		}},
		{Name: "indirect-without-buffers", Rule: rule,
			Why: "The message stands in TX; there is none.",
			Run: negotiated(func(t *T) {
				t.indirect(good(0x8001), payload)
				send2(t, "FFA_MSG_SEND2 without buffers", failure(ffa.Denied, ffa.InvalidParameters), 0, 0)
			})},
		{Name: "indirect", Rule: rule,
			Why: "A partition that announces it receives indirect messages takes one; TX is the sender's again at once.",
			Run: withOPTEE(func(t *T) {
				to := t.partner(ffa.PropIndirectMessages)
				t.indirect(good(to.ID), payload)
				send2(t, "FFA_MSG_SEND2", success(), 0, 0)
				t.write(t.tx, make([]byte, page))
				out := t.expect("what the partner received", t.received(to.ID, len(payload)), tellCall(to.ID, PartnerReceive, 0, 0, 0)...)
				t.require(out[5] == sum(payload), "what the partner received", "the sum of the payload in w5")
				t.tell("a second message", to.ID, PartnerReceive, 0, 0, 0, ffa.NoData)
			})},
		{Name: "indirect-1.1-header", Rule: rule, Why: "At version 1.1 the header has 20 bytes and no UUID.", Run: func(t *T) {
			t.startVersion(ffa.Version1_1)
			to := t.partner(ffa.PropIndirectMessages)
			h := ffa.IndirectHeader{Offset: ffa.IndirectHeaderSize1_1, Receiver: to.ID, Size: uint32(len(payload))}
			t.write(t.tx, append(h.AppendTo(nil, ffa.Version1_1), payload...))
			send2(t, "FFA_MSG_SEND2", success(), 0, 0)
			out := t.expect("what the partner received", t.received(to.ID, len(payload)), tellCall(to.ID, PartnerReceive, 0, 0, 0)...)
			t.require(out[5] == sum(payload), "what the partner received", "the sum of the payload in w5")
		}},
		{Name: "indirect-unknown-uuid", Rule: rule, Why: "The receiver does not speak that protocol.", Run: withOPTEE(func(t *T) {
			to := t.partner(ffa.PropIndirectMessages)
			h := good(to.ID)
			h.UUID = ffa.UUIDFromWords([4]uint32{1, 2, 3, 4})
			t.indirect(h, payload)
			send2(t, "FFA_MSG_SEND2 to an unknown protocol", malformed.or(failure(ffa.Denied)), 0, 0)
			t.tell("what the partner received", to.ID, PartnerReceive, 0, 0, 0, ffa.NoData)
		})},
		{Name: "indirect-rx-full", Rule: rule,
			Why: "A receiver that has not taken the first message is BUSY, and keeps it.",
			Run: withOPTEE(func(t *T) {
				to := t.partner(ffa.PropIndirectMessages)
				t.indirect(good(to.ID), payload)
				send2(t, "FFA_MSG_SEND2", success(), 0, 0)
				t.indirect(good(to.ID), []byte("another message!"))
				send2(t, "FFA_MSG_SEND2 again", failure(ffa.Busy), 0, 0)
				out := t.expect("what the partner received", t.received(to.ID, len(payload)), tellCall(to.ID, PartnerReceive, 0, 0, 0)...)
				t.require(out[5] == sum(payload), "what the partner received", "the first message")
				send2(t, "FFA_MSG_SEND2 after it was taken", success(), 0, 0)
			})},
		{Name: "indirect-to-normal-world", Rule: rule,
			Why: "A message of a partition arrives in RX, which is the kernel's until it releases it; a framework notification tells.",
			Run: notifying(func(t *T) {
				from := t.partner(ffa.PropIndirectMessages)
				t.fill(t.rx-page, 3*page)
				t.tell("send", from.ID, PartnerSend, 0, 100, 0x42)
				h, err := ffa.ParseIndirectHeader(t.read(t.rx, page), t.version)
				if err != nil || h.Sender != from.ID || h.Receiver != ffa.NonSecurePhysical || h.Size != 100 || h.Offset < 24 {
					t.failf("a header with sender, receiver and size", "RX holds %+v: %v", h, err)
				}
				for i, b := range t.read(t.rx+uint64(h.Offset), 100) {
					if b != 0x42 {
						t.failf("the payload", "byte %d of the payload is %#x", i, b)
					}
				}
				t.filled("the page before RX", t.rx-page, page)
				t.filled("the page behind RX", t.rx+page, page)
				t.expect("FFA_PARTITION_INFO_GET while RX is full", failure(ffa.Busy), infoGet([4]uint64{}, 0)...)
				t.tell("send again", from.ID, PartnerSend, 0, 100, 0x43, ffa.Busy)
				t.expect("FFA_NOTIFICATION_GET from the SPM", success(0, 0, 0, 0, ffa.RXFull, 0), getCall(0, 0, 4)...)
				t.expect("FFA_RX_RELEASE", success(), uint64(ffa.RXRelease32))
				t.tell("send after the release", from.ID, PartnerSend, 0, 100, 0x43)
			})},
		{Name: "indirect-to-normal-world-too-long", Rule: rule,
			Why: "A message that is longer than RX is refused, and writes nothing behind it.",
			Run: notifying(func(t *T) {
				from := t.partner(ffa.PropIndirectMessages)
				t.fill(t.rx, 2*page)
				t.tell("send", from.ID, PartnerSend, 0, page, 0x42, ffa.InvalidParameters, ffa.NoMemory)
				t.filled("RX and the page behind", t.rx, 2*page)
				t.expect("FFA_RX_RELEASE", failure(ffa.Denied), uint64(ffa.RXRelease32))
			})},
		{Name: "indirect-to-normal-world-without-buffers", Rule: rule, Why: "There is no RX.", Run: notifying(func(t *T) {
			from := t.partner(ffa.PropIndirectMessages)
			t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			t.tell("send", from.ID, PartnerSend, 0, 16, 0x42, ffa.Denied, ffa.InvalidParameters)
		})},
	}
	for _, h := range []struct {
		name, why string
		w1, flags uint64
		edit      func(t *T, h *ffa.IndirectHeader)
		raw       func(b []byte)
		denied    bool // may be DENIED as well
	}{
		{name: "flags", why: "Only secure partitions delay the schedule receiver interrupt.", flags: 2},
		{name: "reserved-flags", why: "Reserved flags must be zero.", flags: 1},
		{name: "for-vm", why: "There is no hypervisor that sends for a VM.", w1: 5 << 16, denied: true},
		{name: "spoofed-sender", why: "The sender in the header is the caller.", edit: func(t *T, h *ffa.IndirectHeader) { h.Sender = t.freeID() }, denied: true},
		{name: "sender-is-receiver", why: "Nobody sends to itself.", edit: func(_ *T, h *ffa.IndirectHeader) { h.Receiver = 0 }},
		{name: "to-nobody", why: "No partition has this identifier.", edit: func(t *T, h *ffa.IndirectHeader) { h.Receiver = t.freeID() }},
		{name: "offset-in-header", why: "The payload stands behind the header.", edit: func(_ *T, h *ffa.IndirectHeader) { h.Offset = 8 }},
		{name: "beyond-tx", why: "The payload stands in TX.", edit: func(_ *T, h *ffa.IndirectHeader) { h.Size = page }},
		{name: "size-overflow", why: "Offset and size wrap in 32 bits.", edit: func(_ *T, h *ffa.IndirectHeader) { h.Size = 0xFFFF_FFF0 }},
		{name: "offset-overflow", why: "Offset and size wrap in 32 bits.", edit: func(_ *T, h *ffa.IndirectHeader) { h.Offset = 0xFFFF_FFF8 }},
		{name: "reserved-word", why: "Reserved words of the header must be zero.", raw: func(b []byte) { binary.LittleEndian.PutUint32(b[4:], 1) }},
	} {
		cases = append(cases, Case{Name: "indirect-" + h.name, Rule: rule,
			Why: h.why + " The message is refused.", Run: withOPTEE(func(t *T) {
				// A receiver that takes indirect messages shows the right code; any other may be DENIED first.
				want, to := malformed.or(failure(ffa.Denied)), t.optee
				for _, p := range t.partitions([4]uint64{}) {
					if p.Properties&ffa.PropIndirectMessages != 0 {
						want, to = malformed, p.ID
					}
				}
				if h.denied {
					want = malformed.or(failure(ffa.Denied))
				}
				header := good(to)
				if h.edit != nil {
					h.edit(t, &header)
				}
				t.indirect(header, payload)
				if h.raw != nil {
					b := t.read(t.tx, ffa.IndirectHeaderSize1_2)
					h.raw(b)
					t.write(t.tx, b)
				}
				send2(t, "FFA_MSG_SEND2", want, h.w1, h.flags)
				t.alive()
			})})
	}
	return cases
}
