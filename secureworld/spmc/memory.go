package spmc

import (
	"gatehouse/ffa"
	"gatehouse/platform/event"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/trace"
)

// maxPending is how many descriptors may be on their way at one time. When one more begins, the oldest is given up: senders
// that fail in the middle, as Linux may, never say so.
const maxPending = 4

// transaction is one slot of the handle table.
type transaction struct {
	handle    ffa.Handle // 0 for a free slot
	kind      ffa.TransactionKind
	asm       ffa.Assembler  // while object is nil: the fragments so far
	object    *memory.Object // nil until the descriptor is complete
	sender    ffa.EndpointID
	tag       uint64
	borrowers []borrower
}

// borrower is a receiver of a transaction and the access state that it has to the memory.
type borrower struct {
	id          ffa.EndpointID
	permissions ffa.Permissions
	state       memory.State
}

// lookup gives the transaction with the handle, or nil.
func (s *SPMC) lookup(h ffa.Handle) *transaction {
	if i := uint64(h) & 0xFFFF; i < uint64(len(s.slots)) && h != 0 && s.slots[i].handle == h {
		return &s.slots[i]
	}
	return nil
}

// vacant gives the number of a free slot.
func (s *SPMC) vacant() (int, error) {
	for i := range s.slots {
		if s.slots[i].handle == 0 {
			return i, nil
		}
	}
	return 0, ffa.NoMemory
}

// name gives a free slot a handle that was never used before: a running number over the slot's.
func (s *SPMC) name(slot int) *transaction {
	s.sequence++
	s.slots[slot].handle = ffa.Handle(s.sequence<<16 | uint64(slot))
	return &s.slots[slot]
}

func (s *SPMC) release(t *transaction) {
	if t.object == nil {
		s.pending--
	}
	*t = transaction{borrowers: t.borrowers[:0]}
}

// send is FFA_MEM_SHARE, FFA_MEM_LEND and FFA_MEM_DONATE (DEN0140). The descriptor must be in the TX buffer.
func (s *SPMC) send(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParseMemSend(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	if c.Buffer != 0 {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	first, err := s.readTX(c.Fragment)
	if err != nil {
		return ffa.Registers{}, err
	}
	kind, _ := c.Function.Transaction()
	if err := s.asm.Start(c.Total, first, s.vm.version, kind, s.cfg.MaxDescriptor); err != nil {
		return ffa.Registers{}, err
	}
	if !s.asm.Complete() {
		return s.begin(kind)
	}
	if err := s.judge(s.asm.Data, kind); err != nil {
		return ffa.Registers{}, err
	}
	slot, err := s.vacant()
	if err != nil {
		return ffa.Registers{}, err
	}
	object, err := s.take(kind)
	if err != nil {
		return ffa.Registers{}, err
	}
	return s.complete(s.name(slot), kind, object), nil
}

// begin keeps the first fragment and asks for the next one.
func (s *SPMC) begin(kind ffa.TransactionKind) (ffa.Registers, error) {
	if s.pending == maxPending {
		var oldest *transaction
		for i := range s.slots {
			if t := &s.slots[i]; t.handle != 0 && t.object == nil && (oldest == nil || t.handle>>16 < oldest.handle>>16) {
				oldest = t
			}
		}
		s.release(oldest)
	}
	slot, err := s.vacant()
	if err != nil {
		return ffa.Registers{}, err
	}
	t := s.name(slot)
	s.pending++
	t.kind = kind
	t.asm, s.asm = s.asm, t.asm
	return ffa.MemFragRX{Handle: t.handle, Offset: t.asm.Offset(), Sender: ffa.NonSecurePhysical}.Registers(), nil
}

// sendFragment is FFA_MEM_FRAG_TX. The sender's identifier is ignored: Linux leaves it zero, and there is one sender only. A
// fragment that is refused changes nothing; a complete descriptor that is refused ends the transaction.
func (s *SPMC) sendFragment(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParseMemFragTX(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	t := s.lookup(c.Handle)
	if t == nil || t.object != nil {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	fragment, err := s.readTX(c.Length)
	if err != nil {
		return ffa.Registers{}, err
	}
	if err := t.asm.Add(fragment); err != nil {
		return ffa.Registers{}, err
	}
	if !t.asm.Complete() {
		return ffa.MemFragRX{Handle: t.handle, Offset: t.asm.Offset(), Sender: ffa.NonSecurePhysical}.Registers(), nil
	}
	err = s.judge(t.asm.Data, t.kind)
	var object *memory.Object
	if err == nil {
		object, err = s.take(t.kind)
	}
	if err != nil {
		s.release(t)
		return ffa.Registers{}, err
	}
	s.pending--
	return s.complete(t, t.kind, object), nil
}

// judge parses a complete descriptor, a private copy, into s.descriptor and s.ranges and checks what does not depend on the
// state of memory (DEN0140, "Memory region description" and the error tables of the send functions).
func (s *SPMC) judge(b []byte, kind ffa.TransactionKind) error {
	d := &s.descriptor
	if err := d.Parse(b, s.vm.version, kind); err != nil {
		return err
	}
	if d.Sender != ffa.NonSecurePhysical {
		return ffa.Denied
	}
	for _, e := range d.Receivers {
		if s.find(e.Receiver) != nil {
			continue
		}
		if kind != ffa.Share && !e.Receiver.Secure() {
			return ffa.Denied
		}
		return ffa.InvalidParameters
	}
	switch {
	case kind != ffa.Share && len(d.Receivers) == 1:
		// A single borrower chooses the attributes itself when it retrieves.
		if d.Attributes != 0 {
			return ffa.InvalidParameters
		}
	case d.Attributes != ffa.NormalWriteBackInner:
		return ffa.Denied
	}
	s.ranges = s.ranges[:0]
	for _, c := range d.Constituents {
		s.ranges = append(s.ranges, memory.Range{Base: c.Address, Size: c.Size()})
	}
	return nil
}

// complete keeps the transaction in s.descriptor, whose memory has become object.
func (s *SPMC) complete(t *transaction, kind ffa.TransactionKind, object *memory.Object) ffa.Registers {
	d := &s.descriptor
	t.kind, t.object, t.sender, t.tag = kind, object, d.Sender, d.Tag
	t.asm = ffa.Assembler{}
	t.borrowers = t.borrowers[:0]
	for _, e := range d.Receivers {
		t.borrowers = append(t.borrowers, borrower{e.Receiver, e.Permissions, memory.NotOwnerNA})
	}
	if s.log.On(event.FFA) {
		d.Handle = t.handle
		s.log.Emit(event.FFA, "spmc", "TRANSACTION", trace.Call([]event.Field{event.Str("kind", kind.String())}, d.Fields())...)
	}
	return ffa.HandleReply(t.handle)
}

// take asks the receivers of the transaction in s.descriptor and changes the state of its pages. The firewall is switched here,
// as the last thing that can fail; on an error nothing has changed.
func (s *SPMC) take(kind ffa.TransactionKind) (*memory.Object, error) {
	d := &s.descriptor
	access := memory.Access{Read: 0xFFFF, Write: 0xFFFF}
	for _, e := range d.Receivers {
		o := Offer{Kind: kind, Sender: d.Sender, Tag: d.Tag, Permissions: e.Permissions, Ranges: s.ranges}
		a, err := s.find(e.Receiver).Offer(&o)
		if err != nil {
			return nil, err
		}
		// A master needs the consent of every borrower.
		access.Read &= a.Read
		access.Write &= a.Write
	}
	zero := d.Flags&ffa.FlagZero != 0
	switch kind {
	case ffa.Share:
		return s.space.Share(s.ranges)
	case ffa.Lend:
		return s.space.Lend(s.ranges, access, zero)
	default:
		return s.space.Donate(s.ranges, zero)
	}
}

// reclaim is FFA_MEM_RECLAIM. Flags are refused: protected memory is always scrubbed, and shared memory was never out of the
// owner's reach.
func (s *SPMC) reclaim(r *ffa.Registers) error {
	c, err := ffa.ParseMemReclaim(r)
	if err != nil {
		return err
	}
	t := s.lookup(c.Handle)
	if c.Flags != 0 || t == nil || t.object == nil || t.sender != ffa.NonSecurePhysical {
		return ffa.InvalidParameters
	}
	owner := memory.OwnerNA
	if t.kind == ffa.Share {
		owner = memory.OwnerSA
	}
	for _, b := range t.borrowers {
		if _, _, ok := memory.Next(memory.Reclaim, owner, b.state); !ok {
			return ffa.Denied
		}
	}
	if err := s.space.Reclaim(t.object); err != nil {
		return err
	}
	s.release(t)
	return nil
}

// Region is the memory of a transaction as one of its receivers sees it.
type Region struct {
	*memory.Object
	Handle      ffa.Handle
	Kind        ffa.TransactionKind
	Sender      ffa.EndpointID
	Tag         uint64
	Permissions ffa.Permissions
	// Retrieved says that the partition has access to the memory now.
	Retrieved bool
}

// Services is what the SPMC does for one of its partitions.
type Services struct {
	spmc *SPMC
	id   ffa.EndpointID
}

// ID is the partition's identifier.
func (v Services) ID() ffa.EndpointID { return v.id }

func (v Services) borrower(h ffa.Handle) (*transaction, *borrower, error) {
	t := v.spmc.lookup(h)
	if t == nil || t.object == nil {
		return nil, nil, ffa.InvalidParameters
	}
	for i := range t.borrowers {
		if b := &t.borrowers[i]; b.id == v.id {
			return t, b, nil
		}
	}
	return nil, nil, ffa.Denied
}

// Peek gives a transaction without retrieving it. Its memory must not be touched unless it is Retrieved.
func (v Services) Peek(h ffa.Handle) (Region, error) {
	t, b, err := v.borrower(h)
	if err != nil {
		return Region{}, err
	}
	return Region{t.object, t.handle, t.kind, t.sender, t.tag, b.permissions, b.state.Accessible()}, nil
}

// Retrieve gives the partition access to the memory of a transaction (DEN0140, FFA_MEM_RETRIEVE_REQ): INVALID_PARAMETERS for
// an unknown handle, DENIED where it is no receiver or has retrieved the memory already. Until Relinquish the owner cannot
// reclaim it. A donation makes the partition the owner, and the handle is gone.
func (v Services) Retrieve(h ffa.Handle) (Region, error) {
	region, err := v.Peek(h)
	if err != nil {
		return Region{}, err
	}
	t, b, _ := v.borrower(h)
	e, owner := memory.RetrieveShared, memory.OwnerSA
	switch {
	case t.kind == ffa.Lend && len(t.borrowers) == 1:
		e, owner = memory.RetrieveLent, memory.OwnerNA
	case t.kind == ffa.Lend:
		e, owner = memory.RetrieveLentShared, memory.OwnerNA
	case t.kind == ffa.Donate:
		e, owner = memory.RetrieveDonated, memory.OwnerNA
	}
	_, after, ok := memory.Next(e, owner, b.state)
	if !ok {
		return Region{}, ffa.Denied
	}
	b.state = after
	region.Retrieved = true
	if t.kind == ffa.Donate {
		v.spmc.space.Surrender(t.object)
		v.spmc.release(t)
	}
	return region, nil
}

// Relinquish ends the partition's access (DEN0140, FFA_MEM_RELINQUISH): INVALID_PARAMETERS for an unknown handle, DENIED where
// it has not retrieved the memory.
func (v Services) Relinquish(h ffa.Handle) error {
	t, b, err := v.borrower(h)
	if err != nil {
		return err
	}
	owner := memory.OwnerNA
	if t.kind == ffa.Share {
		owner = memory.OwnerSA
	}
	_, after, ok := memory.Next(memory.Relinquish, owner, b.state)
	if !ok {
		return ffa.Denied
	}
	b.state = after
	return nil
}
