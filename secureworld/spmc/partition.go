package spmc

import (
	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
)

// Partition is the behaviour of a logical secure partition. Calls come one at a time. What it does beyond these is in interfaces
// that it may implement as well: [Runner] and [VMObserver].
type Partition interface {
	// Start brings the partition to its state after reset. s is how it calls the SPMC from there on.
	Start(s Services)
	// Direct answers FFA_MSG_SEND_DIRECT_REQ: the payload is x3 to x7, of 32 bits each for an SMC32 call. An error becomes
	// FFA_ERROR with its code; see ErrYielded and ErrPreempted for those that do not.
	Direct(source ffa.EndpointID, payload [5]uint64) ([5]uint64, error)
	// Direct2 answers FFA_MSG_SEND_DIRECT_REQ2.
	Direct2(source ffa.EndpointID, uuid ffa.UUID, payload [14]uint64) ([14]uint64, error)
	// Offer is asked before memory is sent to the partition. It refuses with an error, or says which non-secure masters keep
	// access to lent memory.
	Offer(o *Offer) (memory.Access, error)
}

// Runner is a Partition that leaves requests unfinished, or that works without being asked.
type Runner interface {
	// Run gives execution context vcpu cycles. Where it left a request unfinished it goes on, and the result answers that
	// request: the first five values where it was an FFA_MSG_SEND_DIRECT_REQ. Else it has notifications or a message to
	// look at, and the values are ignored. Errors are those of Direct.
	Run(vcpu uint16) ([14]uint64, error)
}

// VMObserver is a Partition that subscribes to the VM availability messages of its properties (DEN0077A, 18.3). A hypervisor
// sends them. The result is the status that it is answered with, 0 for success.
type VMObserver interface {
	VMCreated(vm ffa.EndpointID, handle ffa.Handle) ffa.Error
	VMDestroyed(vm ffa.EndpointID, handle ffa.Handle) ffa.Error
}

// Offer is a memory transaction as one of its receivers is told of it. It must not be kept.
type Offer struct {
	Kind        ffa.TransactionKind // Share, Lend or Donate
	Sender      ffa.EndpointID
	Tag         uint64
	Permissions ffa.Permissions
	Ranges      []memory.Range // as sent
}

// Messaging are the properties that each service of a partition has for itself; the others are the partition's.
const Messaging = ffa.PropReceivesDirectReq | ffa.PropSendsDirectReq | ffa.PropIndirectMessages | ffa.PropReceivesDirectReq2 |
	ffa.PropSendsDirectReq2

// Service is a protocol that a partition speaks.
type Service struct {
	UUID       ffa.UUID
	Properties ffa.PartitionProperties // those of Messaging
}

// Info is what discovery says of a partition.
type Info struct {
	ID ffa.EndpointID
	// Services are the protocols that it speaks, one record each; at least one.
	Services []Service
	// Contexts is the number of execution contexts, at least 1. Requests of processor n go to context n where there are so
	// many, else to context 0.
	Contexts   uint16
	Properties ffa.PartitionProperties // those of the partition as a whole
	Version    ffa.Version             // that it was written for; 0 for the SPMC's own
	// MaxRegions bounds the memory transactions that it is a receiver of at one time, MaxPages their pages of 4 KiB. 0 stands
	// for no bound. More is NO_MEMORY.
	MaxRegions uint32
	MaxPages   uint64
}

type partition struct {
	Info
	Partition
	contexts      []context
	mailbox       mailbox
	notifications notifications
	line          []byte // of Services.Log, so far
}

func (s *SPMC) find(id ffa.EndpointID) *partition {
	for i := range s.partitions {
		if s.partitions[i].ID == id {
			return &s.partitions[i]
		}
	}
	return nil
}

// service reports whether the partition speaks protocol u, or any for the nil UUID, and whether it does so with a property.
func (p *partition) service(u ffa.UUID, property ffa.PartitionProperties) (speaks, has bool) {
	for i := range p.Services {
		if x := &p.Services[i]; u.IsNil() || x.UUID == u {
			speaks = true
			has = has || x.Properties&property != 0
		}
	}
	return speaks, has
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
	if c.CountOnly && s.version < ffa.Version1_1 {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	n := s.matching(c.UUID, nil)
	size := ffa.PartitionInfoSize(s.version)
	own := s.own()
	switch {
	case n == 0:
		return ffa.Registers{}, ffa.InvalidParameters
	case c.CountOnly:
		return ffa.PartitionInfoReply(uint32(n), 0), nil
	case own.rxtx == nil || own.rxUser != rxSPMC:
		return ffa.Registers{}, ffa.Busy
	case uint64(n)*uint64(size) > own.rx.Size:
		return ffa.Registers{}, ffa.NoMemory
	}
	s.fragment = s.fragment[:0]
	s.matching(c.UUID, func(p *ffa.PartitionInfo) { s.fragment = p.AppendTo(s.fragment, s.version) })
	if err := s.fillRX(own, s.fragment); err != nil {
		return ffa.Registers{}, err
	}
	if s.version < ffa.Version1_1 {
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
	reply, err := ffa.PartitionInfoRegsReply(records, c.Start, 0, s.version)
	if err != nil {
		fail(r, err)
		return
	}
	*r = reply
}
