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
	handle     ffa.Handle // 0 for a free slot
	kind       ffa.TransactionKind
	asm        ffa.Assembler  // while object is nil: the fragments so far
	object     *memory.Object // nil until the descriptor is complete
	paused     bool           // until its memory is zeroed: zeroed bytes are done
	zeroed     uint64
	sender     ffa.EndpointID
	attributes ffa.MemoryAttributes
	flags      ffa.MemoryFlags
	tag        uint64
	borrowers  []borrower
	held       bool   // since reset, and for good
	zeroAfter  bool   // a borrower wants the memory to be zeroed when the last one relinquishes it
	described  uint32 // bytes of its descriptor that the normal world has read again, while there are more
}

// ready reports whether the transaction is complete: borrowers may retrieve it and its sender may reclaim it.
func (t *transaction) ready() bool { return t.object != nil && !t.paused }

// borrower is a receiver of a transaction, as the sender describes it.
type borrower struct {
	ffa.EMAD
	granted ffa.Permissions // while the borrower has access
	state   memory.State    // of the borrower, to all of the memory
}

// ownerState is the state of the sender.
func (t *transaction) ownerState() memory.State {
	if t.kind == ffa.Share {
		return memory.OwnerSA
	}
	return memory.OwnerNA
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
	first, err := s.readTX(s.own(), c.Fragment)
	if err != nil {
		return ffa.Registers{}, err
	}
	kind, _ := c.Function.Transaction()
	if err := s.asm.Start(c.Total, first, s.version, kind, s.cfg.MaxDescriptor); err != nil {
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
	return s.complete(s.name(slot), kind, object)
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
	fragment, err := s.readTX(s.own(), c.Length)
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
	return s.complete(t, t.kind, object)
}

// judge parses a complete descriptor, a private copy, into s.descriptor and s.ranges and checks what does not depend on the
// state of memory (DEN0140, "Memory region description" and the error tables of the send functions).
func (s *SPMC) judge(b []byte, kind ffa.TransactionKind) error {
	d := &s.descriptor
	if err := d.Parse(b, s.version, kind); err != nil {
		return err
	}
	if !s.represents(d.Sender) {
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
	for _, e := range d.Receivers {
		// What a borrower may only read cannot be zeroed for it.
		if d.Flags&ffa.FlagZero != 0 && e.Permissions.Data() == ffa.DataRO {
			return ffa.Denied
		}
	}
	s.ranges = s.ranges[:0]
	for _, c := range d.Constituents {
		s.ranges = append(s.ranges, memory.Range{Base: c.Address, Size: c.Size()})
	}
	return nil
}

// complete keeps the transaction in s.descriptor, whose memory has become object.
func (s *SPMC) complete(t *transaction, kind ffa.TransactionKind, object *memory.Object) (ffa.Registers, error) {
	d := &s.descriptor
	t.kind, t.object, t.sender, t.attributes, t.flags, t.tag = kind, object, d.Sender, d.Attributes, d.Flags, d.Tag
	t.asm = ffa.Assembler{}
	t.borrowers = t.borrowers[:0]
	for _, e := range d.Receivers {
		t.borrowers = append(t.borrowers, borrower{EMAD: e})
	}
	if s.log.On(event.FFA) {
		d.Handle = t.handle
		s.log.Emit(event.FFA, "spmc", "TRANSACTION", trace.Call([]event.Field{event.Str("kind", kind.String())}, d.Fields())...)
	}
	if !s.sliced(d) {
		return ffa.HandleReply(t.handle), nil
	}
	t.paused = true
	reply, err := s.goOn(t)
	if err != nil {
		s.space.Cancel(object)
		s.release(t)
	}
	return reply, err
}

// sliced reports whether zeroing the memory of a transaction takes the sender's time in slices, which the sender has to allow.
func (s *SPMC) sliced(d *ffa.MemoryTransaction) bool {
	return s.cfg.SlicePages != 0 && d.Flags&ffa.FlagZero != 0 && d.Flags&ffa.FlagTimeSlice != 0 && d.TotalPages() > s.cfg.SlicePages
}

// goOn zeroes the next slice. FFA_MEM_OP_PAUSE asks the sender for FFA_MEM_OP_RESUME, until the transaction is complete.
func (s *SPMC) goOn(t *transaction) (ffa.Registers, error) {
	n := min(s.cfg.SlicePages*memory.PageSize, t.object.Size()-t.zeroed)
	if err := t.object.Zero(t.zeroed, n); err != nil {
		return ffa.Registers{}, err
	}
	if t.zeroed += n; t.zeroed < t.object.Size() {
		return ffa.MemOp{Handle: t.handle}.Registers(), nil
	}
	t.paused = false
	return ffa.HandleReply(t.handle), nil
}

// resume is FFA_MEM_OP_RESUME (DEN0140): INVALID_PARAMETERS for an unknown handle, DENIED where nothing is paused.
func (s *SPMC) resume(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParseMemOp(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	t := s.lookup(c.Handle)
	switch {
	case t == nil || t.object == nil:
		return ffa.Registers{}, ffa.InvalidParameters
	case !t.paused:
		return ffa.Registers{}, ffa.Denied
	}
	return s.goOn(t)
}

// take asks the receivers of the transaction in s.descriptor and changes the state of its pages. The firewall is switched here,
// as the last thing that can fail; on an error nothing has changed.
func (s *SPMC) take(kind ffa.TransactionKind) (*memory.Object, error) {
	d := &s.descriptor
	access := memory.Access{Read: 0xFFFF, Write: 0xFFFF}
	for _, e := range d.Receivers {
		if err := s.room(s.find(e.Receiver), d.TotalPages()); err != nil {
			return nil, err
		}
		o := Offer{Kind: kind, Sender: d.Sender, Tag: d.Tag, Permissions: e.Permissions, Ranges: s.ranges}
		a, err := s.find(e.Receiver).Offer(&o)
		if err != nil {
			return nil, err
		}
		// A master needs the consent of every borrower.
		access.Read &= a.Read
		access.Write &= a.Write
	}
	zero := d.Flags&ffa.FlagZero != 0 && !s.sliced(d)
	switch kind {
	case ffa.Share:
		return s.space.Share(s.ranges)
	case ffa.Lend:
		return s.space.Lend(s.ranges, access, zero)
	default:
		return s.space.Donate(s.ranges, zero)
	}
}

// room reports whether one more transaction, of so many pages, is within what a partition may borrow.
func (s *SPMC) room(p *partition, pages uint64) error {
	if p.MaxRegions == 0 && p.MaxPages == 0 {
		return nil
	}
	regions := uint64(1)
	for i := range s.slots {
		if t := &s.slots[i]; t.object != nil && !t.held && t.borrower(p.ID) != nil {
			regions++
			pages += t.object.Size() / memory.PageSize
		}
	}
	if p.MaxRegions != 0 && regions > uint64(p.MaxRegions) || p.MaxPages != 0 && pages > p.MaxPages {
		return ffa.NoMemory
	}
	return nil
}

// reclaim is FFA_MEM_RECLAIM. Flags are refused: protected memory is always scrubbed, and shared memory was never out of the
// owner's reach.
func (s *SPMC) reclaim(r *ffa.Registers) error {
	c, err := ffa.ParseMemReclaim(r)
	if err != nil {
		return err
	}
	t := s.lookup(c.Handle)
	if c.Flags != 0 || t == nil || !t.ready() || t.sender.Secure() {
		return ffa.InvalidParameters
	}
	for _, b := range t.borrowers {
		if _, _, ok := memory.Next(memory.Reclaim, t.ownerState(), b.state); !ok {
			return ffa.Denied
		}
	}
	if err := s.space.Reclaim(t.object); err != nil {
		return err
	}
	s.release(t)
	return nil
}
