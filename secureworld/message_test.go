package secureworld

import (
	"fmt"
	"hash/crc32"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/testsp"
)

const (
	send2   = 0x8400_0086
	runCall = 0x8400_006D
	msgWait = 0x8400_006B
	yielded = 0x8400_006C
	preempt = 0x8400_0062
)

// message writes an indirect message into TX, in the layout of version v.
func (r *rig) indirect(v ffa.Version, h ffa.IndirectHeader, payload string) {
	r.Helper()
	b := h.AppendTo(nil, v)
	if int(h.Offset) >= len(b) && int(h.Offset)+len(payload) <= page {
		b = append(append(b, make([]byte, int(h.Offset)-len(b))...), payload...)
	}
	r.write(txAddr, b)
}

// A message to a partition and its answer, in the layouts of 1.1 (20 bytes) and 1.2 (40 bytes).
func TestIndirectMessages(t *testing.T) {
	for v, size := range map[ffa.Version]uint32{ffa.Version1_1: 20, ffa.Version1_2: 40} {
		r := notified(t, uint64(v))
		h := ffa.IndirectHeader{Offset: size, Receiver: first, Size: 5}
		r.indirect(v, h, "Echo!")
		r.want("MSG_SEND2", []uint64{send2, 0, 0}, []uint64{ffaSuccess})
		r.raised("the receiver's scheduler is told", sgi{0, 8})
		r.refused("MSG_SEND2 while the RX buffer is full", busy, send2, 0, 0)
		if w := r.does(first, testsp.Message); w != [4]uint64{0, 5, uint64(crc32.ChecksumIEEE([]byte("Echo!"))), 0x6F68_6345} {
			t.Errorf("version %v: message %x", v, w)
		}
		r.want("INFO_GET", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 1 << 7, first})
		r.want("RUN: the partition takes the message and sends it back", []uint64{runCall, first << 16}, []uint64{msgWait})
		r.raised("the answer", sgi{0, 8})
		if w := r.does(first, testsp.Seen, testsp.SeenFramework); w[1] != 1 {
			t.Errorf("version %v: framework notifications %x, want the hypervisor's", v, w)
		}
		if w := r.does(first, testsp.Seen, testsp.SeenReply); w[0] != 0 {
			t.Errorf("version %v: sending back: %x", v, w)
		}
		r.want("INFO_GET", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 1 << 7, 0})
		r.get("RX buffer full", 0, fromSP|fromSPM, 0, 0, 0, 0, 1, 0)
		b := r.read(rxAddr, int(size)+5)
		got, err := ffa.ParseIndirectHeader(b, v)
		if err != nil || got != (ffa.IndirectHeader{Offset: size, Sender: first, Size: 5}) || string(b[size:]) != "Echo!" {
			t.Errorf("version %v: %+v, %v, %q", v, got, err, b[size:])
		}
		r.fails("RX buffer full", busy, first, testsp.Send, 0, 4, 'A')
		r.refused("RX is full", busy, 0x8400_0068)
		r.want("RX_RELEASE", []uint64{0x8400_0065}, []uint64{ffaSuccess})
		r.does(first, testsp.Send, 0, 4, 'A')
		if b := r.read(rxAddr+uint64(size), 4); string(b) != "ABCD" {
			t.Errorf("version %v: %q", v, b)
		}
		r.want("RX_RELEASE", []uint64{0x8400_0065}, []uint64{ffaSuccess})
		// With a protocol, where the layout has one; delayed, so that the interrupt comes when the call returns.
		r.h.sgis = nil
		r.does(first, testsp.Send, 0, page-uint64(size), 'x', testsp.SendUUID|testsp.SendDelay)
		r.raised("delayed", sgi{0, 8})
		got, err = ffa.ParseIndirectHeader(r.read(rxAddr, page), v)
		if err != nil || (v == ffa.Version1_2) != (got.UUID == TestConfig().Partitions[1].UUIDs[0]) {
			t.Errorf("version %v: %+v, %v", v, got, err)
		}
		r.want("RX_RELEASE", []uint64{0x8400_0065}, []uint64{ffaSuccess})
		r.fails("longer than RX", noMemory, first, testsp.Send, 0, page-uint64(size)+1, 'x')
	}
}

func TestRefusedIndirectMessages(t *testing.T) {
	for _, v := range []ffa.Version{ffa.Version1_1, ffa.Version1_2} {
		size := ffa.IndirectHeaderSize(v)
		r := newRig(t, withTestPartitions)
		if got := r.call(0x8400_0063, uint64(v)); got[0] != 0x1_0002 {
			t.Fatal(got)
		}
		r.call(0x8400_0069)
		r.refused("without buffers", invalid, send2, 0, 0)
		r.want("RXTX_MAP", []uint64{0xC400_0066, txAddr, rxAddr, 1}, []uint64{ffaSuccess})
		uuid := TestConfig().Partitions[1].UUIDs
		good := ffa.IndirectHeader{Offset: size, Receiver: first, Size: 4}
		for _, tc := range []struct {
			what string
			code uint64
			w1   uint64
			w2   uint64
			edit func(h *ffa.IndirectHeader)
		}{
			{what: "for a VM, without hypervisor", code: invalid, w1: 5 << 16},
			{what: "for a partition", code: invalid, w1: first << 16},
			{what: "delayed interrupt, which is for partitions", code: invalid, w2: 2},
			{what: "reserved flag", code: invalid, w2: 1},
			{what: "another sender", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Sender = second }},
			{what: "a VM as the sender", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Sender = 5 }},
			{what: "to itself", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Receiver = 0 }},
			{what: "to a VM", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Receiver = 5 }},
			{what: "to nobody", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Receiver = 0x8765 }},
			{what: "to OP-TEE, which takes none", code: denied, edit: func(h *ffa.IndirectHeader) { h.Receiver = opteeID }},
			{what: "payload in the header", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Offset = size - 4 }},
			{what: "payload behind TX", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Size = page - size + 1 }},
			{what: "offset behind TX", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Offset = page + 1; h.Size = 0 }},
			{what: "end wraps", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Offset = 0xFFFF_FFF0 }},
			{what: "size wraps", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Size = 0xFFFF_FFFF }},
			{what: "longer than the receiver's buffer", code: invalid, edit: func(h *ffa.IndirectHeader) { h.Size = page - 39; h.Offset = 20 }},
			{what: "unknown protocol", code: invalid, edit: func(h *ffa.IndirectHeader) { h.UUID = ffa.UUID{1} }},
			{what: "a protocol of another partition", code: invalid, edit: func(h *ffa.IndirectHeader) { h.UUID = ffa.UUID{1} }},
			{what: "a protocol without indirect messages", code: denied, edit: func(h *ffa.IndirectHeader) { h.UUID = uuid[1] }},
		} {
			h := good
			if tc.edit != nil {
				tc.edit(&h)
			}
			if h.UUID != (ffa.UUID{}) && v == ffa.Version1_1 {
				continue // its layout has no protocol
			}
			r.indirect(v, h, "abcd")
			r.refused(fmt.Sprintf("version %v: %s", v, tc.what), tc.code, send2, tc.w1, tc.w2)
		}
		for off := range 2 {
			b := good.AppendTo(nil, v)
			b[4*off] = 1
			r.write(txAddr, b)
			r.refused("reserved word of the header", invalid, send2, 0, 0)
		}
		r.h.sgis = nil
		if v == ffa.Version1_2 {
			good.UUID = uuid[0]
		}
		good.Receiver = first
		r.indirect(v, good, "abcd")
		r.want("MSG_SEND2", []uint64{send2, 0, 0}, []uint64{ffaSuccess})
		good.Receiver, good.UUID, good.Size = second, ffa.UUID{}, 0
		r.indirect(v, good, "")
		r.want("nothing at all, to the other", []uint64{send2, 0, 0}, []uint64{ffaSuccess})
		r.raised("two messages", sgi{0, 8}, sgi{0, 8})
		if w := r.does(second, testsp.Message); w != [4]uint64{} {
			t.Errorf("empty message: %x", w)
		}
		r.does(second, testsp.Release)
		r.fails("an empty RX buffer", denied, second, testsp.Release)
		r.fails("an empty RX buffer", noData, second, testsp.Message)
		if w := r.does(first, testsp.Message); w[1] != 4 {
			t.Errorf("message: %x", w)
		}
	}
}

// What a partition may not send: to a normal world without buffers or notifications, and so on.
func TestRefusedMessagesOfPartitions(t *testing.T) {
	r := newRig(t, withTestPartitions)
	r.call(0x8400_0063, 0x1_0002)
	r.want("CREATE", []uint64{bitmapCreate, 0, 4}, []uint64{ffaSuccess})
	r.fails("the normal world has no buffers", denied, first, testsp.Send, 0, 1, 'x')
	r = newRig(t, withTestPartitions).negotiate(0x1_0002)
	r.fails("the normal world has no notifications", denied, first, testsp.Send, 0, 1, 'x')
	r.want("CREATE", []uint64{bitmapCreate, 0, 4}, []uint64{ffaSuccess})
	r.fails("to a VM that is not there", invalid, first, testsp.Send, 5, 1, 'x')
	r.fails("to itself", invalid, first, testsp.Send, first, 1, 'x')
	r.fails("to nobody", invalid, first, testsp.Send, 0x8765, 1, 'x')
	r.fails("to OP-TEE", denied, first, testsp.Send, opteeID, 1, 'x')
	r.fails("with a protocol that the receiver does not speak", invalid, first, testsp.Send, second, 1, 'x', testsp.SendUUID)
	r.fails("longer than the receiver's buffer", invalid, first, testsp.Send, second, page, 'x')
	for _, args := range [][]uint64{{1 << 16, 1, 'x'}, {0, 1 << 20, 'x'}, {0, 1, 256}, {0, 1, 'x', 4}} {
		r.fails("no such command", invalid, first, testsp.Send, args...)
	}
	r.does(first, testsp.Send, second, 3, 'E')
	r.raised("to another partition", sgi{0, 8})
	r.fails("its buffer is full", busy, first, testsp.Send, second, 3, 'E')
	r.want("RUN of the receiver, which answers", []uint64{runCall, second << 16}, []uint64{msgWait})
	if w := r.does(first, testsp.Message); w != [4]uint64{second, 3, uint64(crc32.ChecksumIEEE([]byte("EFG"))), 'E' | 'F'<<8 | 'G'<<16} {
		t.Errorf("the answer: %x", w)
	}
	if w := r.does(second, testsp.Seen, testsp.SeenFramework); w[0] != 1 || w[1] != 0 {
		t.Errorf("framework notifications %x, want the SPM's", w)
	}
	// Each takes the other's message when it is run, and only then.
	r.want("RUN of the first", []uint64{runCall, first << 16}, []uint64{msgWait})
	r.want("RUN of the second", []uint64{runCall, second << 16}, []uint64{msgWait})
	if w := r.does(first, testsp.Seen, testsp.SeenMessages); w[0] != 1 {
		t.Errorf("messages: %x", w)
	}
}

// A request that is left unfinished: FFA_YIELD and FFA_INTERRUPT until FFA_RUN brings the response, in the form of the request.
func TestRun(t *testing.T) {
	for _, v := range []uint64{0x1_0000, 0x1_0001, 0x1_0002} {
		testRun(t, v)
	}
}

func testRun(t *testing.T, v uint64) {
	r := newRig(t, withTestPartitions).negotiate(v)
	suspend := uint64(testsp.Suspend)
	for _, tc := range []struct {
		what          string
		request, want []uint64
	}{
		{"REQ_32", []uint64{0x8400_006F, first, 0, suspend, 2, 1, 0xAA, 0xBB}, []uint64{0x8400_0070, first << 16, 0, 0, 0xAA, 0xBB, 0, 0}},
		{"REQ_64", []uint64{0xC400_006F, first, 0, suspend, 2, 1, 0xAA, 0xBB}, []uint64{0xC400_0070, first << 16, 0, 0, 0xAA, 0xBB, 0, 0}},
		{"REQ2", []uint64{0xC400_008D, first, 0, 0, suspend, 2, 1, 0xAA, 0xBB}, []uint64{0xC400_008E, first << 16, 0, 0, 0, 0xAA, 0xBB, 0, 0,
			0, 0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		if tc.what == "REQ2" && v < 0x1_0002 {
			r.refused("REQ2", notSupported, tc.request...)
			continue
		}
		r.from.CPU = 1
		context := uint64(first<<16 | 1)
		r.want(tc.what, tc.request, []uint64{yielded, context})
		r.refused("another request to this context", busy, 0x8400_006F, first, 0, 0)
		r.refused("another request to this context", busy, 0xC400_006F, first)
		r.from.CPU = 2
		if w := r.does(first, testsp.Identify); w != [4]uint64{first<<16 | 2, testsp.Identification, 1} {
			t.Errorf("another context: %x", w)
		}
		// Linux may have moved to another processor between FFA_YIELD and FFA_RUN.
		r.want("RUN", []uint64{runCall, context}, []uint64{yielded, context})
		r.from.CPU = 1
		r.want("RUN", []uint64{runCall, context}, []uint64{preempt, context})
		r.refused("another request to this context", busy, 0x8400_006F, first, 0, 0)
		r.refused("RUN of a context that waits", denied, runCall, first<<16)
		got, want := r.call(runCall, context), tc.want
		exp := pattern()
		copy(exp[1:8], make([]uint64, 7))
		copy(exp[:], want)
		if got != exp {
			t.Errorf("%s: response\n%x, want\n%x", tc.what, got, exp)
		}
		r.refused("RUN of a context that has finished", denied, runCall, context)
	}
	r.from.CPU = 0
	for what, w1 := range map[string]uint64{"nobody": 0x8765 << 16, "the caller": 0, "the SPMC": 0x8000 << 16, "a context that is not there": first<<16 | 4,
		"the second context of a partition with one": second<<16 | 1} {
		r.refused("RUN of "+what, invalid, runCall, w1)
	}
	r.refused("RUN of OP-TEE", denied, runCall, opteeID<<16)
	// One execution context for all processors.
	r.want("REQ to a partition with one context", []uint64{0x8400_006F, second, 0, suspend, 1, 0, 1, 2}, []uint64{yielded, second << 16})
	r.from.CPU = 3
	r.refused("a request of another processor", busy, 0x8400_006F, second, 0, 0)
	r.want("RUN", []uint64{runCall, second << 16}, []uint64{0x8400_0070, second << 16, 0, 0, 1, 2})
	r.does(second, testsp.Echo, 1, 2, 3, 4)
}

// Requests that a partition answers with FFA_ERROR, and those that its properties rule out.
func TestPartitionErrors(t *testing.T) {
	r := newRig(t, withTestPartitions).negotiate(0x1_0002)
	for code := uint64(1); code <= 10; code++ {
		r.refused("Fail", 1<<32-code, 0x8400_006F, first, 0, uint64(testsp.Fail), 1<<32-code)
		r.refused("Fail", 1<<32-code, 0xC400_006F, second, 0, uint64(testsp.Fail), 1<<32-code)
		r.refused("Fail", 1<<32-code, 0xC400_008D, first, 0, 0, uint64(testsp.Fail), 1<<32-code)
	}
	for _, code := range []uint64{0, 1, 1<<32 - 11, 1 << 31} {
		r.fails("no such code", invalid, first, testsp.Fail, code)
		r.fails("no such code", invalid, first, testsp.Policy, code|1)
	}
	r.fails("processors keep no access", invalid, first, testsp.Policy, 0, 1<<bus.NSAIDAP)
	r.fails("processors keep no access", invalid, first, testsp.Policy, 0, 1<<16<<bus.NSAIDAP)
	r.fails("no such command", invalid, first, 999)
	r.fails("no such number", invalid, first, testsp.Seen, 9)
	r.fails("reserved bits", invalid, first, testsp.Bind, 4, 0, 1)
	r.fails("reserved word", invalid, first, testsp.Bind, 0, 1, 1)
	r.fails("reserved flags", invalid, first, testsp.Notify, 0, 4, 1)

	uuids := TestConfig().Partitions[1].UUIDs
	req2 := func(id uint64, u ffa.UUID) []uint64 {
		lo, hi := u.Pair()
		return []uint64{0xC400_008D, id, lo, hi, uint64(testsp.Echo), 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	}
	want := req2(first, uuids[0])
	want[0], want[1], want[2], want[3] = 0xC400_008E, first<<16, 0, 0
	r.want("REQ2 to a protocol", req2(first, uuids[0]), want)
	r.want("REQ2 to any protocol", req2(first, ffa.UUID{}), want)
	r.refused("REQ2 to a protocol that has none", denied, req2(first, uuids[1])...)
	r.refused("REQ2 to the protocol of another partition", invalid, req2(first, TestConfig().Partitions[2].UUIDs[0])...)
	r.refused("REQ2 to a partition of 1.1", denied, req2(second, ffa.UUID{})...)
}

// The masters that a partition lets at what it borrows, by command.
func TestPolicy(t *testing.T) {
	r := newRig(t, withTestPartitions).negotiate(0x1_0002)
	r.does(first, testsp.Policy, 0, 1<<bus.NSAIDHDLCD|1<<bus.NSAIDDMA|1<<16<<bus.NSAIDDMA)
	h := r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, firstRW))
	r.wantRights("lent", bufAddr, "any:- ap:- dma:rw crypto:- dec:- xfm:- lcd:r secure:rw")
	r.reclaim(h)
	r.wantRights("reclaimed", bufAddr, rightsNormal)
}
