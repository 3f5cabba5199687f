package armffa

import (
	"errors"

	"gatehouse/ffa"
)

// Receiver is an endpoint that gets access to memory.
type Receiver struct {
	ID          ffa.EndpointID
	Permissions ffa.Permissions
}

// Share gives the receivers access to memory that the kernel keeps (FFA_MEM_SHARE). Lend gives it away (FFA_MEM_LEND) with a tag
// that the receivers understand. An FF-A error code, or a BusError for a TX buffer that cannot be written, says that nothing
// happened; after ErrReply the memory may be gone, and Owned finds out.
func (b *Bus) Share(ranges []ffa.Constituent, to ...Receiver) (ffa.Handle, error) {
	b.d.Attributes, b.d.Tag = ffa.NormalWriteBackInner, 0
	return b.send(ffa.MemShare64, ranges, to)
}

// Lend is described at Share.
func (b *Bus) Lend(ranges []ffa.Constituent, tag uint64, to ...Receiver) (ffa.Handle, error) {
	b.d.Attributes, b.d.Tag = 0, tag
	return b.send(ffa.MemLend64, ranges, to)
}

// send sends a descriptor, in as many fragments as TX needs.
func (b *Bus) send(f ffa.Function, ranges []ffa.Constituent, to []Receiver) (ffa.Handle, error) {
	if !b.mem64 {
		f = f.SMC32Form()
	}
	b.d.Sender, b.d.Constituents = b.id, ranges
	b.d.Receivers = b.receivers[:0]
	for _, t := range to {
		b.d.Receivers = append(b.d.Receivers, ffa.EMAD{Receiver: t.ID, Permissions: t.Permissions})
	}
	// A send from within another one's call has to leave TX as the other wants it.
	outer := b.inTX
	descriptor := b.descriptor[:0]
	if outer != nil {
		descriptor = nil
	}
	descriptor = b.d.AppendTo(descriptor, b.version)
	b.d.Constituents = nil
	if outer == nil {
		b.descriptor = descriptor
	}
	defer b.leaveTX(outer)
	total := uint32(len(descriptor))
	part := ffa.NextFragment(descriptor, 0, page)
	b.inTX = part
	if err := b.k.Write(b.tx, part); err != nil {
		return 0, err
	}
	r := ffa.MemSend{Function: f, Total: total, Fragment: uint32(len(part))}.Registers()
	b.call(&r)
	sent := uint32(len(part))
	var handle ffa.Handle
	for sent < total {
		next, err := ffa.ParseMemFragRX(&r)
		switch {
		case ffa.FunctionOf(&r) != ffa.MemFragRX32:
			return 0, refused(&r)
		case err != nil || next.Offset != sent || handle != 0 && next.Handle != handle:
			return 0, ErrReply
		}
		handle = next.Handle
		part = ffa.NextFragment(descriptor, sent, page)
		b.inTX = part
		if err := b.k.Write(b.tx, part); err != nil {
			return 0, errors.Join(ErrReply, err)
		}
		r = ffa.MemFragTX{Handle: handle, Length: uint32(len(part))}.Registers()
		b.call(&r)
		sent += uint32(len(part))
	}
	if err := success32(&r); err != nil {
		return 0, err
	}
	got := ffa.Handle(r[2]&0xFFFF_FFFF | r[3]<<32)
	if got == 0 || got == ffa.InvalidHandle || got.ByHypervisor() || handle != 0 && got != handle {
		return 0, ErrReply
	}
	return got, nil
}

// leaveTX ends a send.
func (b *Bus) leaveTX(outer []byte) {
	if b.inTX = outer; outer != nil {
		b.k.Write(b.tx, outer) // it was written before, so that it can be now
	}
}

// Reclaim takes memory back (FFA_MEM_RECLAIM) once its receivers have given it up. Any error leaves it with them.
func (b *Bus) Reclaim(h ffa.Handle) error {
	r := ffa.MemReclaim{Handle: h}.Registers()
	b.call(&r)
	return success32(&r)
}

// Owned finds out whether memory is the kernel's alone, after a call about it that got no answer: memory that is shared or lent
// cannot be shared again (DEN0140, "Ownership and access rules"). to is any partition.
func (b *Bus) Owned(ranges []ffa.Constituent, to ffa.EndpointID) bool {
	h, err := b.Share(ranges, Receiver{to, ffa.DataRW})
	return err == nil && b.Reclaim(h) == nil
}
