package spmc

import (
	"encoding/binary"

	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
)

// retrieveRequest is FFA_MEM_RETRIEVE_REQ of the normal world (DEN0140). It borrows nothing through the SPMC, so it is no receiver of
// any transaction. But it may ask for the descriptor of one that it sent, as hypervisors do before they pass on
// FFA_MEM_RECLAIM: then the request has no receivers, and only the handle is set.
func (s *SPMC) retrieveRequest(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParseMemSend(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	if c.Buffer != 0 || c.Fragment != c.Total {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	own := s.own()
	b, err := s.readTX(own, c.Total)
	if err != nil {
		return ffa.Registers{}, err
	}
	if own.rxUser != rxSPMC {
		return ffa.Registers{}, ffa.Busy
	}
	kind := ffa.RetrieveRequest
	if len(b) >= ffa.TransactionHeaderSize1_0 && binary.LittleEndian.Uint32(b[28:]) == 0 {
		kind = ffa.HypervisorRetrieve
	}
	d := &s.descriptor
	if err := d.Parse(b, s.version, kind); err != nil {
		return ffa.Registers{}, err
	}
	t := s.lookup(d.Handle)
	switch {
	case t == nil || !t.ready():
		return ffa.Registers{}, ffa.InvalidParameters
	case kind == ffa.RetrieveRequest:
		return ffa.Registers{}, ffa.Denied
	case d.Sender != 0 || d.Attributes != 0 || d.Flags != 0 || d.Tag != 0:
		return ffa.Registers{}, ffa.InvalidParameters
	}
	total, n, err := s.describe(t, 0)
	if err != nil {
		return ffa.Registers{}, err
	}
	return ffa.MemRetrieveResp{Total: total, Fragment: n}.Registers(), nil
}

// nextFragment is FFA_MEM_FRAG_RX: the normal world asks for more of a descriptor.
func (s *SPMC) nextFragment(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParseMemFragRX(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	own, t := s.own(), s.lookup(c.Handle)
	switch {
	case own.rxtx == nil, t == nil, t.described == 0, c.Offset != t.described, c.Sender != t.sender:
		return ffa.Registers{}, ffa.InvalidParameters
	case own.rxUser != rxSPMC:
		return ffa.Registers{}, ffa.Busy
	}
	_, n, err := s.describe(t, c.Offset)
	if err != nil {
		return ffa.Registers{}, err
	}
	return ffa.MemFragTX{Handle: t.handle, Length: n}.Registers(), nil
}

// describe puts the fragment at offset of a transaction's descriptor into the caller's RX buffer: all that it sent, in the layout
// of its version.
func (s *SPMC) describe(t *transaction, offset uint32) (total, n uint32, err error) {
	d := &s.descriptor
	d.Sender, d.Attributes, d.Handle, d.Tag = t.sender, t.attributes, t.handle, t.tag
	d.Flags = t.flags&ffa.FlagZero | t.kind.Flag()
	d.EMADSize = 0
	d.Receivers = d.Receivers[:0]
	for i := range t.borrowers {
		d.Receivers = append(d.Receivers, t.borrowers[i].EMAD)
	}
	d.Constituents = d.Constituents[:0]
	for _, r := range t.object.Ranges() {
		d.Constituents = append(d.Constituents, ffa.Constituent{Address: r.Base, Pages: uint32(r.Size / ffa.PageSize)})
	}
	s.response = d.AppendTo(s.response[:0], s.version)
	fragment := ffa.NextFragment(s.response, offset, uint32(s.own().rx.Size))
	if err := s.fillRX(s.own(), fragment); err != nil {
		return 0, 0, err
	}
	total, n = uint32(len(s.response)), uint32(len(fragment))
	if t.described = offset + n; t.described == total {
		t.described = 0
	}
	return total, n, nil
}

// relinquishRequest is FFA_MEM_RELINQUISH of the normal world. Whatever it names, it is no borrower.
func (s *SPMC) relinquishRequest() error {
	own := s.own()
	b, err := s.readTX(own, uint32(min(own.tx.Size, ffa.RelinquishHeaderSize+2*ffa.MaxEMADs)))
	if err != nil {
		return err
	}
	d, err := ffa.ParseRelinquish(b)
	if err != nil {
		return err
	}
	t := s.lookup(d.Handle)
	if len(d.Endpoints) != 1 || !s.represents(d.Endpoints[0]) || t == nil || !t.ready() {
		return ffa.InvalidParameters
	}
	return ffa.Denied
}

// borrower finds a receiver of a transaction: INVALID_PARAMETERS for a handle that is not known or not complete, DENIED for a
// partition that is no receiver.
func (v Services) borrower(h ffa.Handle) (*transaction, *borrower, error) {
	t := v.spmc.lookup(h)
	if t == nil || !t.ready() {
		return nil, nil, ffa.InvalidParameters
	}
	if b := t.borrower(v.id); b != nil {
		return t, b, nil
	}
	return nil, nil, ffa.Denied
}

func (t *transaction) borrower(id ffa.EndpointID) *borrower {
	for i := range t.borrowers {
		if b := &t.borrowers[i]; b.Receiver == id {
			return b
		}
	}
	return nil
}

// admit judges a retrieve request for a transaction (DEN0140, FFA_MEM_RETRIEVE_REQ) by its borrower b, and gives the permissions that
// the borrower gets.
func (t *transaction) admit(b *borrower, q *ffa.MemoryTransaction) (ffa.Permissions, error) {
	const zeroing = ffa.FlagZero | ffa.FlagZeroAfterRelinquish
	bypass := q.Flags&ffa.FlagBypassBorrowerCheck != 0
	switch {
	case q.Sender != t.sender:
		return 0, ffa.Denied
	case q.Flags.Type() != 0 && q.Flags.Type() != t.kind.Flag(), q.Tag != t.tag,
		q.Flags&(ffa.AlignmentHintMask|ffa.AlignmentHintValid) != 0,
		t.kind == ffa.Share && q.Flags&zeroing != 0,
		len(q.Constituents) != 0,
		q.Attributes&ffa.MemoryNonSecure != 0,
		bypass && (len(q.Receivers) != 1 || len(t.borrowers) == 1),
		!bypass && len(q.Receivers) != len(t.borrowers):
		return 0, ffa.InvalidParameters
	case q.Flags&ffa.FlagZero != 0 && t.flags&ffa.FlagZero == 0,
		q.Attributes.Type() != ffa.MemoryUnspecified && q.Attributes != ffa.NormalWriteBackInner:
		return 0, ffa.Denied
	}
	granted, mine := ffa.Permissions(0), false
	for i := range q.Receivers {
		e := &q.Receivers[i]
		o := t.borrower(e.Receiver)
		if o == nil {
			return 0, ffa.Denied
		}
		p, err := t.permissions(o, e.Permissions)
		switch {
		case err != nil:
			return 0, err
		case e.ImpDef != o.ImpDef:
			return 0, ffa.InvalidParameters
		}
		if o == b {
			granted, mine = p, true
		}
	}
	switch {
	case !mine:
		return 0, ffa.InvalidParameters
	case granted.Data() != ffa.DataRW && q.Flags&zeroing != 0:
		return 0, ffa.Denied
	}
	return granted, nil
}

// permissions gives what a borrower gets when it asks for permissions: INVALID_PARAMETERS where it may not name them, or has to,
// DENIED where they are more than the sender offers. Without naming it gets the data access that is offered. Only the single
// borrower of memory that is not shared says whether it may execute it.
func (t *transaction) permissions(o *borrower, asked ffa.Permissions) (ffa.Permissions, error) {
	data, instr := o.Permissions.Data(), ffa.InstrNX
	if data == ffa.DataUnspecified {
		data = ffa.DataRW
	}
	switch asked.Data() {
	case ffa.DataUnspecified, data:
	case ffa.DataRO:
		data = ffa.DataRO
	default:
		return 0, ffa.Denied
	}
	alone := t.kind != ffa.Share && len(t.borrowers) == 1
	switch {
	case alone == (asked.Instruction() == ffa.InstrUnspecified):
		return 0, ffa.InvalidParameters
	case alone:
		instr = asked.Instruction()
	}
	return data | instr, nil
}

// grant makes the transaction the borrower's. A donation makes the partition the owner, and the handle is gone.
func (s *SPMC) grant(t *transaction, b *borrower, granted ffa.Permissions, zeroAfter bool) (Region, error) {
	e := memory.RetrieveShared
	switch {
	case t.kind == ffa.Lend && len(t.borrowers) == 1:
		e = memory.RetrieveLent
	case t.kind == ffa.Lend:
		e = memory.RetrieveLentShared
	case t.kind == ffa.Donate:
		e = memory.RetrieveDonated
	}
	_, after, ok := memory.Next(e, t.ownerState(), b.state)
	if !ok {
		return Region{}, ffa.Denied
	}
	b.state, b.granted = after, granted
	t.zeroAfter = t.zeroAfter || zeroAfter
	region := t.region(b)
	if t.kind == ffa.Donate {
		s.space.Surrender(t.object)
		s.release(t)
	}
	return region, nil
}

// relinquish takes the borrower's access back and zeroes the memory where that was wanted and nobody else has access.
func (s *SPMC) relinquish(t *transaction, b *borrower, flags ffa.MemoryFlags) error {
	_, after, ok := memory.Next(memory.Relinquish, t.ownerState(), b.state)
	switch {
	case !ok, t.held:
		return ffa.Denied
	case flags&^(ffa.FlagZero|ffa.FlagTimeSlice) != 0, flags&ffa.FlagZero != 0 && t.kind == ffa.Share:
		return ffa.InvalidParameters
	case flags&ffa.FlagZero != 0 && b.granted.Data() != ffa.DataRW:
		return ffa.Denied
	}
	last := true
	for i := range t.borrowers {
		o := &t.borrowers[i]
		last = last && (o == b || !o.state.Accessible())
	}
	if last && (t.zeroAfter || flags&ffa.FlagZero != 0) {
		if err := t.object.Zero(0, t.object.Size()); err != nil {
			return err
		}
		t.zeroAfter = false
	}
	b.state, b.granted = after, 0
	return nil
}
