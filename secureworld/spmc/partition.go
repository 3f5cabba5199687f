package spmc

import (
	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
)

// Partition is the behaviour of a logical secure partition. Calls come one at a time.
type Partition interface {
	// Start brings the partition to its state after reset. s is how it calls the SPMC from there on.
	Start(s Services)
	// Direct answers FFA_MSG_SEND_DIRECT_REQ: the payload is x3 to x7, of 32 bits each for an SMC32 call. An error becomes
	// FFA_ERROR with its code.
	Direct(source ffa.EndpointID, payload [5]uint64) ([5]uint64, error)
	// Direct2 answers FFA_MSG_SEND_DIRECT_REQ2.
	Direct2(source ffa.EndpointID, uuid ffa.UUID, payload [14]uint64) ([14]uint64, error)
	// Offer is asked before memory is sent to the partition. It refuses with an error, or says which non-secure masters keep
	// access to lent memory.
	Offer(o *Offer) (memory.Access, error)
}

// Offer is a memory transaction as one of its receivers is told of it. It must not be kept.
type Offer struct {
	Kind        ffa.TransactionKind // Share, Lend or Donate
	Sender      ffa.EndpointID
	Tag         uint64
	Permissions ffa.Permissions
	Ranges      []memory.Range // as sent
}

type partition struct {
	Info
	Partition
	notifications notifications
}

func (s *SPMC) find(id ffa.EndpointID) *partition {
	for i := range s.partitions {
		if s.partitions[i].ID == id {
			return &s.partitions[i]
		}
	}
	return nil
}

// matching calls f for the records that a query for u asks about. The nil UUID asks about all.
func (s *SPMC) matching(u ffa.UUID, f func(*ffa.PartitionInfo)) (n int) {
	for i := range s.records {
		if u.IsNil() || s.records[i].UUID == u {
			if f != nil {
				f(&s.records[i])
			}
			n++
		}
	}
	return n
}

// partitionInfo is FFA_PARTITION_INFO_GET (DEN0077A, 13.8).
func (s *SPMC) partitionInfo(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParsePartitionInfoGet(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	if c.CountOnly && s.vm.version < ffa.Version1_1 {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	n := s.matching(c.UUID, nil)
	size := ffa.PartitionInfoSize(s.vm.version)
	switch {
	case n == 0:
		return ffa.Registers{}, ffa.InvalidParameters
	case c.CountOnly:
		return ffa.PartitionInfoReply(uint32(n), 0), nil
	case s.vm.rxtx == nil || s.vm.rxFull:
		return ffa.Registers{}, ffa.Busy
	case uint64(n)*uint64(size) > s.vm.rx.Size:
		return ffa.Registers{}, ffa.NoMemory
	}
	s.fragment = s.fragment[:0]
	s.matching(c.UUID, func(p *ffa.PartitionInfo) { s.fragment = p.AppendTo(s.fragment, s.vm.version) })
	if err := s.space.WriteNormal(s.vm.rx.Base, s.fragment); err != nil {
		return ffa.Registers{}, ffa.Aborted
	}
	s.vm.rxFull = true
	if s.vm.version < ffa.Version1_1 {
		size = 0
	}
	return ffa.PartitionInfoReply(uint32(n), size), nil
}

// partitionInfoRegs is FFA_PARTITION_INFO_GET_REGS (DEN0077A, 13.9). Partitions never change, so the information tag is always
// zero.
func (s *SPMC) partitionInfoRegs(r *ffa.Registers) {
	c, err := ffa.ParsePartitionInfoGetRegs(r)
	if err == nil && c.Tag != 0 {
		err = ffa.Retry
	}
	if err != nil {
		fail(r, err)
		return
	}
	records := s.records
	if !c.UUID.IsNil() {
		records = nil
		s.matching(c.UUID, func(p *ffa.PartitionInfo) { records = append(records, *p) })
	}
	reply, err := ffa.PartitionInfoRegsReply(records, c.Start, 0, s.vm.version)
	if err != nil {
		fail(r, err)
		return
	}
	*r = reply
}

// receiver gives the partition that a direct request goes to. The property says that it takes such requests.
func (s *SPMC) receiver(source, destination ffa.EndpointID, property ffa.PartitionProperties) (*partition, error) {
	p := s.find(destination)
	switch {
	case source != ffa.NonSecurePhysical || p == nil:
		return nil, ffa.InvalidParameters
	case p.Properties&property == 0:
		return nil, ffa.Denied
	}
	return p, nil
}

// direct is FFA_MSG_SEND_DIRECT_REQ (DEN0077A, 15.2). A logical partition answers at once. Framework messages are between
// framework components; the normal world sends none to a partition.
func (s *SPMC) direct(r *ffa.Registers) (ffa.Registers, error) {
	m, err := ffa.ParseDirectMessage(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	if m.Framework {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	p, err := s.receiver(m.Source, m.Destination, ffa.PropReceivesDirectReq)
	if err != nil {
		return ffa.Registers{}, err
	}
	payload, err := p.Direct(m.Source, m.Payload)
	return m.Reply(payload), err
}

// direct2 is FFA_MSG_SEND_DIRECT_REQ2 (DEN0077A, 15.4). The UUID is one of the receiver's, or nil.
func (s *SPMC) direct2(r *ffa.Registers) {
	m, err := ffa.ParseDirectMessage2(r)
	if err != nil {
		fail(r, err)
		return
	}
	p, err := s.receiver(m.Source, m.Destination, ffa.PropReceivesDirectReq2)
	if err == nil && !m.UUID.IsNil() && s.matching(m.UUID, nil) == 0 {
		err = ffa.InvalidParameters
	}
	if err != nil {
		fail(r, err)
		return
	}
	payload, err := p.Direct2(m.Source, m.UUID, m.Payload)
	if err != nil {
		fail(r, err)
		return
	}
	*r = m.Reply(payload)
}

// run is FFA_RUN (DEN0077A, 14.3). Logical partitions run to completion, so no execution context ever waits for cycles.
func (s *SPMC) run(r *ffa.Registers) error {
	c, err := ffa.ParseRun(r)
	if err != nil {
		return err
	}
	if p := s.find(c.Target); p == nil || c.VCPU >= p.Contexts {
		return ffa.InvalidParameters
	}
	return ffa.Denied
}
