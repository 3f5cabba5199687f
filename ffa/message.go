package ffa

import "encoding/binary"

// DirectMessage is FFA_MSG_SEND_DIRECT_REQ or, with Response, FFA_MSG_SEND_DIRECT_RESP (DEN0077A). A
// response has the calling convention of its request.
type DirectMessage struct {
	SMC64       bool
	Response    bool
	Source      EndpointID
	Destination EndpointID
	Framework   bool             // w2 bit 31: a framework message
	Message     FrameworkMessage // w2 bits 7:0, framework messages only
	Payload     [5]uint64        // x3-x7
}

// FrameworkMessage is the type of a direct message between framework components (DEN0077A,
// "Framework messages").
type FrameworkMessage uint8

// Framework messages.
const (
	FrameworkPSCIReq         FrameworkMessage = 0
	FrameworkWarmBoot        FrameworkMessage = 1
	FrameworkPowerResp       FrameworkMessage = 2
	FrameworkVMCreatedReq    FrameworkMessage = 4
	FrameworkVMCreatedResp   FrameworkMessage = 5
	FrameworkVMDestroyedReq  FrameworkMessage = 6
	FrameworkVMDestroyedResp FrameworkMessage = 7
	FrameworkVersionReq      FrameworkMessage = 8
	FrameworkVersionResp     FrameworkMessage = 9
)

const frameworkBit = 1 << 31

// ParseDirectMessage reads a direct request or response. It refuses reserved bits of w2, and a partition
// message whose framework type is not zero.
func ParseDirectMessage(r *Registers) (DirectMessage, error) {
	f := FunctionOf(r)
	w2 := word(r, 2)
	m := DirectMessage{
		SMC64:       f.SMC64(),
		Response:    f.SMC32Form() == MsgSendDirectResp32,
		Source:      EndpointID(high16(r[1])),
		Destination: EndpointID(r[1]),
		Framework:   w2&frameworkBit != 0,
		Message:     FrameworkMessage(w2),
	}
	for i := range m.Payload {
		m.Payload[i] = arg(r, 3+i)
	}
	err := expect(r, MsgSendDirectReq32, MsgSendDirectReq64, MsgSendDirectResp32, MsgSendDirectResp64)
	switch {
	case err != nil:
		return m, err
	case w2&0x7FFF_FF00 != 0, !m.Framework && w2 != 0:
		return m, invalid("message flags", uint64(w2), RuleMustBeZero)
	case m.Source == m.Destination:
		return m, invalid("destination", uint64(m.Destination), RuleSameEndpoint)
	}
	return m, nil
}

// Registers returns the call.
func (m *DirectMessage) Registers() Registers {
	f := MsgSendDirectReq32
	if m.Response {
		f = MsgSendDirectResp32
	}
	r := Registers{0: form(f, m.SMC64), 1: endpoints(m.Source, m.Destination)}
	if m.Framework {
		r[2] = frameworkBit | uint64(m.Message)
	}
	for i, v := range m.Payload {
		if !m.SMC64 {
			v = uint64(uint32(v))
		}
		r[3+i] = v
	}
	return r
}

// Reply returns the response to request m with the given payload: ids swapped, same convention.
func (m *DirectMessage) Reply(payload [5]uint64) Registers {
	resp := DirectMessage{
		SMC64: m.SMC64, Response: true, Source: m.Destination, Destination: m.Source,
		Framework: m.Framework, Message: m.Message, Payload: payload,
	}
	return resp.Registers()
}

// DirectMessage2 is FFA_MSG_SEND_DIRECT_REQ2 or, with Response, FFA_MSG_SEND_DIRECT_RESP2 (DEN0077A
// 1.2). The UUID of a response must be zero.
type DirectMessage2 struct {
	Response    bool
	Source      EndpointID
	Destination EndpointID
	UUID        UUID
	Payload     [14]uint64 // x4-x17
}

// ParseDirectMessage2 reads FFA_MSG_SEND_DIRECT_REQ2 and RESP2.
func ParseDirectMessage2(r *Registers) (DirectMessage2, error) {
	m := DirectMessage2{
		Response:    FunctionOf(r) == MsgSendDirectResp2_64,
		Source:      EndpointID(high16(r[1])),
		Destination: EndpointID(r[1]),
		UUID:        UUIDFromPair(r[2], r[3]),
		Payload:     [14]uint64(r[4:]),
	}
	switch err := expect(r, MsgSendDirectReq2_64, MsgSendDirectResp2_64); {
	case err != nil:
		return m, err
	case m.Source == m.Destination:
		return m, invalid("destination", uint64(m.Destination), RuleSameEndpoint)
	}
	return m, nil
}

// Registers returns the call.
func (m *DirectMessage2) Registers() Registers {
	f := MsgSendDirectReq2_64
	if m.Response {
		f = MsgSendDirectResp2_64
	}
	r := Registers{0: uint64(f), 1: endpoints(m.Source, m.Destination)}
	r[2], r[3] = m.UUID.Pair()
	copy(r[4:], m.Payload[:])
	return r
}

// Reply returns the response to request m: ids swapped, UUID zero.
func (m *DirectMessage2) Reply(payload [14]uint64) Registers {
	resp := DirectMessage2{Response: true, Source: m.Destination, Destination: m.Source, Payload: payload}
	return resp.Registers()
}

// MsgSend2 is FFA_MSG_SEND2: the message is in TX, after an IndirectHeader.
type MsgSend2 struct {
	Sender   EndpointID // the VM on whose behalf a hypervisor calls, else 0
	DelaySRI bool       // flags bit 1
}

// ParseMsgSend2 reads FFA_MSG_SEND2. Unknown flags are refused.
func ParseMsgSend2(r *Registers) (MsgSend2, error) {
	c := MsgSend2{EndpointID(high16(r[1])), r[2]&2 != 0}
	if err := expect(r, MsgSend2_32); err != nil {
		return c, err
	}
	if f := word(r, 2); f&^2 != 0 {
		return c, invalid("flags", uint64(f), RuleMustBeZero)
	}
	return c, nil
}

// Registers returns the call.
func (c MsgSend2) Registers() Registers {
	r := Registers{0: uint64(MsgSend2_32), 1: endpoints(c.Sender, 0)}
	if c.DelaySRI {
		r[2] = 2
	}
	return r
}

// IndirectHeader is the partition message header of an indirect message (DEN0077A 1.3, table 7.1).
type IndirectHeader struct {
	Offset   uint32 // of the payload, from the start of the header
	Receiver EndpointID
	Sender   EndpointID
	Size     uint32 // bytes of payload
	UUID     UUID   // of the protocol; from 1.2
}

// Sizes of an indirect message header.
const (
	IndirectHeaderSize1_1 = 20
	IndirectHeaderSize1_2 = 40
)

// IndirectHeaderSize is the bytes of the header for version v.
func IndirectHeaderSize(v Version) uint32 {
	if v < Version1_2 {
		return IndirectHeaderSize1_1
	}
	return IndirectHeaderSize1_2
}

// ParseIndirectHeader reads the header and checks that the payload lies in b, after the header. A
// version 1.2 header whose payload starts before byte 40 has no UUID, as senders of version 1.1 write it.
// b is the copied TX buffer.
func ParseIndirectHeader(b []byte, v Version) (IndirectHeader, error) {
	var h IndirectHeader
	if len(b) < IndirectHeaderSize1_1 {
		return h, invalid("message", uint64(len(b)), RuleTruncated)
	}
	flags, res := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	h.Offset = binary.LittleEndian.Uint32(b[8:])
	h.Receiver = EndpointID(binary.LittleEndian.Uint16(b[12:]))
	h.Sender = EndpointID(binary.LittleEndian.Uint16(b[14:]))
	h.Size = binary.LittleEndian.Uint32(b[16:])
	switch {
	case flags != 0:
		return h, invalid("flags", uint64(flags), RuleMustBeZero)
	case res != 0:
		return h, invalid("reserved @4", uint64(res), RuleMustBeZero)
	case h.Offset < IndirectHeaderSize1_1:
		return h, invalid("payload offset", uint64(h.Offset), RuleOverlapsHeader)
	case uint64(h.Offset)+uint64(h.Size) > uint64(len(b)):
		return h, invalid("payload size", uint64(h.Size), RuleOutOfBounds)
	}
	if v >= Version1_2 && h.Offset >= IndirectHeaderSize1_2 {
		if res := binary.LittleEndian.Uint32(b[20:]); res != 0 {
			return h, invalid("reserved @20", uint64(res), RuleMustBeZero)
		}
		copy(h.UUID[:], b[24:40])
	}
	return h, nil
}

// AppendTo appends the header in the layout of version v. Offset is written as it is.
func (h *IndirectHeader) AppendTo(b []byte, v Version) []byte {
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint32(b, h.Offset)
	b = binary.LittleEndian.AppendUint16(b, uint16(h.Receiver))
	b = binary.LittleEndian.AppendUint16(b, uint16(h.Sender))
	b = binary.LittleEndian.AppendUint32(b, h.Size)
	if v < Version1_2 {
		return b
	}
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(b, h.UUID[:]...)
}
