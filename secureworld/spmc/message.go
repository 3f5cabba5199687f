package spmc

import "gatehouse/ffa"

// receiver gives the partition that a direct request to protocol u goes to. The property says that it takes such requests.
func (s *SPMC) receiver(source, destination ffa.EndpointID, u ffa.UUID, property ffa.PartitionProperties) (*partition, error) {
	p := s.find(destination)
	if !s.represents(source) || p == nil {
		return nil, ffa.InvalidParameters
	}
	speaks, has := p.service(u, property)
	switch {
	case !speaks:
		return nil, ffa.InvalidParameters
	case !has || property == ffa.PropReceivesDirectReq2 && p.Version < ffa.Version1_2:
		return nil, ffa.Denied
	}
	return p, nil
}

// direct is FFA_MSG_SEND_DIRECT_REQ (DEN0077A, 15.2).
func (s *SPMC) direct(r *ffa.Registers) (ffa.Registers, error) {
	m, err := ffa.ParseDirectMessage(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	if m.Framework {
		return s.framework(&m)
	}
	p, err := s.receiver(m.Source, m.Destination, ffa.UUID{}, ffa.PropReceivesDirectReq)
	if err != nil {
		return ffa.Registers{}, err
	}
	x, err := s.enter(p, ffa.FunctionOf(r), m.Source)
	if err != nil {
		return ffa.Registers{}, err
	}
	payload, err := p.Direct(m.Source, m.Payload)
	if suspended, reply := s.leave(p, x, err); suspended {
		return reply, nil
	}
	return m.Reply(payload), err
}

// direct2 is FFA_MSG_SEND_DIRECT_REQ2 (DEN0077A, 15.4). The UUID is one of the receiver's, or nil.
func (s *SPMC) direct2(r *ffa.Registers) {
	m, err := ffa.ParseDirectMessage2(r)
	if err != nil {
		fail(r, err)
		return
	}
	p, err := s.receiver(m.Source, m.Destination, m.UUID, ffa.PropReceivesDirectReq2)
	if err != nil {
		fail(r, err)
		return
	}
	x, err := s.enter(p, ffa.MsgSendDirectReq2_64, m.Source)
	if err != nil {
		fail(r, err)
		return
	}
	payload, err := p.Direct2(m.Source, m.UUID, m.Payload)
	if suspended, reply := s.leave(p, x, err); suspended {
		put(r, reply)
		return
	}
	if err != nil {
		fail(r, err)
		return
	}
	*r = m.Reply(payload)
}

// framework is a direct request of a framework component. Of those only a hypervisor is there, and it tells partitions that
// subscribe of its VMs (DEN0077A, 18.3): w3 and w4 are a handle, w5 is the VM.
func (s *SPMC) framework(m *ffa.DirectMessage) (ffa.Registers, error) {
	p := s.find(m.Destination)
	vm := ffa.EndpointID(m.Payload[2])
	property, answer := ffa.PropWantsVMCreated, ffa.FrameworkVMCreatedResp
	if m.Message == ffa.FrameworkVMDestroyedReq {
		property, answer = ffa.PropWantsVMDestroyed, ffa.FrameworkVMDestroyedResp
	}
	switch {
	case m.Message != ffa.FrameworkVMCreatedReq && m.Message != ffa.FrameworkVMDestroyedReq,
		!s.caller.hypervisor, m.SMC64, m.Source != ffa.NonSecurePhysical, p == nil, p.Properties&property == 0,
		vm.Secure() || vm == ffa.NonSecurePhysical, m.Payload[2]>>16 != 0 || m.Payload[3]|m.Payload[4] != 0:
		return ffa.Registers{}, ffa.InvalidParameters
	}
	observer, ok := p.Partition.(VMObserver)
	if !ok {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	s.vcpu = s.context(p)
	if p.contexts[s.vcpu].state != waiting {
		return ffa.Registers{}, ffa.Busy
	}
	handle := ffa.Handle(m.Payload[0] | m.Payload[1]<<32)
	var status ffa.Error
	if property == ffa.PropWantsVMCreated {
		status = observer.VMCreated(vm, handle)
	} else {
		status = observer.VMDestroyed(vm, handle)
	}
	reply := ffa.DirectMessage{Response: true, Source: p.ID, Destination: m.Source, Framework: true, Message: answer,
		Payload: [5]uint64{uint64(uint32(status))}}
	return reply.Registers(), nil
}

// Message is an indirect message as its receiver sees it.
type Message struct {
	Sender  ffa.EndpointID
	UUID    ffa.UUID // of the protocol; nil where the sender named none
	Payload []byte
}

// mailbox is the RX buffer of a partition.
type mailbox struct {
	full    bool
	message Message
}

// mailboxSize bounds the payload of a message to a partition, in bytes: what an RX buffer of one page holds behind the header.
const mailboxSize = ffa.PageSize - ffa.IndirectHeaderSize1_2

// rxFullFromVM is where the framework notification for messages of VMs stands in notifications.framework: in the hypervisor's
// bitmap, which FFA_NOTIFICATION_GET returns in w7.
const rxFullFromVM = uint64(ffa.RXFull) << 32

// sendMessage is FFA_MSG_SEND2 of the normal world (DEN0077A, 15.1). Delaying the schedule receiver interrupt is for partitions.
func (s *SPMC) sendMessage(r *ffa.Registers) error {
	c, err := ffa.ParseMsgSend2(r)
	if err != nil {
		return err
	}
	v := s.lookVM(c.Sender)
	if c.DelaySRI || !s.represents(c.Sender) || v == nil {
		return ffa.InvalidParameters
	}
	b, err := s.readTX(v, uint32(v.tx.Size))
	if err != nil {
		return err
	}
	h, err := ffa.ParseIndirectHeader(b, s.version)
	switch {
	case err != nil:
		return err
	case h.Sender != c.Sender || h.Receiver == h.Sender, h.Offset < ffa.IndirectHeaderSize(s.version):
		return ffa.InvalidParameters
	}
	return s.deliver(h.Receiver, Message{h.Sender, h.UUID, b[h.Offset:][:h.Size]}, false)
}

// deliver copies a message into the RX buffer of its receiver and tells the receiver's scheduler. Receivers in the normal world
// are told by a framework notification alone, so they must have notifications.
func (s *SPMC) deliver(to ffa.EndpointID, m Message, delay bool) error {
	if !to.Secure() {
		return s.deliverToVM(to, m, delay)
	}
	p := s.find(to)
	if p == nil {
		return ffa.InvalidParameters
	}
	speaks, has := p.service(m.UUID, ffa.PropIndirectMessages)
	switch {
	case !speaks, len(m.Payload) > mailboxSize:
		return ffa.InvalidParameters
	case !has || p.Version < ffa.Version1_1:
		return ffa.Denied
	case p.mailbox.full:
		return ffa.Busy
	}
	p.mailbox = mailbox{true, Message{m.Sender, m.UUID, append([]byte(nil), m.Payload...)}}
	if n := &p.notifications; n.enabled {
		full := uint64(ffa.RXFull)
		if !m.Sender.Secure() {
			full = rxFullFromVM
		}
		n.framework.set(full)
		s.schedule(delay)
	}
	return nil
}

func (s *SPMC) deliverToVM(to ffa.EndpointID, m Message, delay bool) error {
	v := s.lookVM(to)
	h := ffa.IndirectHeader{Offset: ffa.IndirectHeaderSize(s.version), Receiver: to, Sender: m.Sender, Size: uint32(len(m.Payload)), UUID: m.UUID}
	switch {
	case v == nil || !m.Sender.Secure():
		// Messages between VMs are the hypervisor's.
		return ffa.InvalidParameters
	case v.rxtx == nil || !v.notifications.enabled:
		return ffa.Denied
	case uint64(h.Offset)+uint64(h.Size) > v.rx.Size:
		return ffa.NoMemory
	case v.rxUser != rxSPMC:
		return ffa.Busy
	}
	s.response = append(h.AppendTo(s.response[:0], s.version), m.Payload...)
	if err := s.fillRX(v, s.response); err != nil {
		return err
	}
	v.notifications.framework.set(uint64(ffa.RXFull))
	s.schedule(delay)
	return nil
}
