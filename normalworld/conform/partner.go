package conform

import "gatehouse/ffa"

// A secure world may have a partition for the suite beside OP-TEE: the partner, a borrower and a sender of messages that does as it
// is told. Cases that need one are skipped where there is none. Its properties are those of what it can do.
//
// The partner takes FFA_MSG_SEND_DIRECT_REQ_32. w3 is one of the requests below, w4 and w5 hold a handle or bitmap, lower half
// first, w6 an offset, w7 a value. The response has an FF-A error code in w3, 0 for success, and a result in w4. It takes any
// share or lend, and lets no non-secure master keep access. FFA_MSG_SEND_DIRECT_REQ2 is answered with each word inverted.
const (
	// PartnerRetrieve and PartnerRelinquish are FFA_MEM_RETRIEVE_REQ and FFA_MEM_RELINQUISH of the handle.
	PartnerRetrieve = 1 + iota
	PartnerRelinquish
	// PartnerRead gives the byte at an offset of retrieved memory in w4; PartnerWrite sets it.
	PartnerRead
	PartnerWrite
	// PartnerNotify is FFA_NOTIFICATION_SET of a bitmap to the normal world's kernel.
	PartnerNotify
	// PartnerReceive takes the indirect message out of the partner's RX buffer: its length in w4, the sum of its bytes in
	// w5; NO_DATA without one. PartnerSend is FFA_MSG_SEND2 of as many bytes as the offset says, each of them the value.
	PartnerReceive
	PartnerSend
	// PartnerYield and PartnerPreempt leave the request unfinished, by FFA_YIELD and FFA_INTERRUPT. FFA_RUN finishes it: w4 is
	// the value.
	PartnerYield
	PartnerPreempt
)

// PartnerUUID is the protocol of the partner.
func PartnerUUID() ffa.UUID {
	return ffa.UUID{0x6c, 0xf9, 0x2c, 0x1e, 0x0d, 0x5b, 0x4e, 0x0f, 0x9d, 0x3a, 0x27, 0x81, 0x5c, 0x44, 0xb0, 0x6a}
}

// partner finds the partner, and skips the case where there is none or it does not have the properties.
func (t *T) partner(property ffa.PartitionProperties) ffa.PartitionInfo {
	for _, p := range t.partitions([4]uint64{}) {
		if p.UUID == PartnerUUID() && p.Properties&property == property {
			return p
		}
	}
	if property == 0 {
		t.skip("the target has no partner partition")
	}
	t.skip("the target has no partner partition with properties %#x", uint32(property))
	return ffa.PartitionInfo{}
}

// tell makes the partner do something. w is what w3 of the response must be, as codes; none stands for success.
func (t *T) tell(what string, to ffa.EndpointID, request uint64, x uint64, offset, value uint64, codes ...ffa.Error) uint64 {
	w := Want{text: "the partner succeeds"}
	reply := func(status uint64) pattern {
		p := ffaReply(uint64(ffa.MsgSendDirectResp32), uint64(to)<<16, 0, status)
		for i := 4; i < 8; i++ {
			p.mask[i] = upper
		}
		return p
	}
	if len(codes) == 0 {
		w.any = []pattern{reply(0)}
	}
	for i, c := range codes {
		if i == 0 {
			w.text = "the partner is told"
		}
		w.text += " " + c.String()
		w.any = append(w.any, reply(uint64(uint32(c))))
	}
	out := t.expect(what, w, tellCall(to, request, x, offset, value)...)
	return out[4]
}

func tellCall(to ffa.EndpointID, request, x, offset, value uint64) []uint64 {
	return []uint64{uint64(ffa.MsgSendDirectReq32), uint64(to), 0, request, uint64(uint32(x)), x >> 32, offset, value}
}
