package tee

import (
	"errors"

	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// numParams is how many parameters an application sees (GlobalPlatform TEE Internal Core API, 4.3).
const numParams = 4

// Params are the parameters of one call as the application sees them. Those that the client did not send are of type
// AttrNone.
type Params [numParams]Param

// Param is one parameter. Type is a bare type; memory references are AttrRMemInput, AttrRMemOutput or AttrRMemInOut whatever the
// client used.
type Param struct {
	Type optee.Attr
	A, B uint32 // of a value
	Mem  Memref
}

// Are reports whether the types are exactly these, and none after them.
func (p *Params) Are(types ...optee.Attr) bool {
	for i := range p {
		want := optee.AttrNone
		if i < len(types) {
			want = types[i]
		}
		if p[i].Type != want {
			return false
		}
	}
	return true
}

// Memref is a part of a memory object. The zero value is a NULL reference.
type Memref struct {
	object *memory.Object
	offset uint64
	limit  uint64 // bytes from offset on that belong to the reference
	access optee.Attr
	from   optee.Param // how the client names it
	// Of protected memory: the masters that access it by itself, and those that clients may grant access.
	masters, grantable memory.Access
	use                optee.UseCase
	// Size is the bytes that the client offers; an application sets it to the bytes it wrote, or to those it needs together
	// with SHORT_BUFFER. A size beyond what is offered reaches the client with SHORT_BUFFER only.
	Size uint64
}

var errAccess = errors.New("direction of the memory reference")

// Null reports a reference without memory.
func (m *Memref) Null() bool { return m.object == nil }

// Protected reports memory that the normal world cannot access.
func (m *Memref) Protected() bool { return m.object != nil && m.object.Protected() }

// UseCase is that of protected memory, and optee.UseCaseReserved of other memory.
func (m *Memref) UseCase() optee.UseCase { return m.use }

// Ranges gives the memory behind the first n bytes, in their order. It can be relied on while the call is under way.
func (m *Memref) Ranges(n uint64) ([]memory.Range, error) {
	at, err := m.at(0, n)
	if err != nil {
		return nil, err
	}
	return m.object.Part(at, n)
}

func (m *Memref) at(off, n uint64) (uint64, error) {
	if m.object == nil || off > m.limit || n > m.limit-off {
		return 0, memory.ErrBounds
	}
	return m.offset + off, nil
}

// ReadAt copies from an input.
func (m *Memref) ReadAt(p []byte, off uint64) error {
	at, err := m.at(off, uint64(len(p)))
	switch {
	case len(p) == 0:
		return nil
	case err != nil:
		return err
	case m.access&1 == 0:
		return errAccess
	}
	return m.object.ReadAt(p, at)
}

// WriteAt copies to an output.
func (m *Memref) WriteAt(p []byte, off uint64) error {
	at, err := m.at(off, uint64(len(p)))
	switch {
	case len(p) == 0:
		return nil
	case err != nil:
		return err
	case m.access&2 == 0:
		return errAccess
	}
	return m.object.WriteAt(p, at)
}

// copyUnit is how many bytes Copy has in hand at a time.
const copyUnit = 64 << 10

// Copy moves the first n bytes of src to the beginning of dst, which may be the same. change, where it is not nil, gets them on
// the way, in pieces and in order.
func Copy(dst, src *Memref, n uint64, change func(b []byte)) error {
	b := make([]byte, min(n, copyUnit))
	for off := uint64(0); off < n; off += uint64(len(b)) {
		b = b[:min(n-off, copyUnit)]
		if err := src.ReadAt(b, off); err != nil {
			return err
		}
		if change != nil {
			change(b)
		}
		if err := dst.WriteAt(b, off); err != nil {
			return err
		}
	}
	return nil
}

// within makes a reference into an object whose buffer begins at start. An offset or size beyond the object is SECURITY.
func within(o *memory.Object, start, offset, size uint64) (Memref, optee.Result) {
	if start > o.Size() || offset > o.Size()-start || size > o.Size()-start-offset {
		return Memref{}, optee.ErrorSecurity
	}
	return Memref{object: o, offset: start + offset, limit: size, Size: size}, optee.Success
}

// describe makes a parameter of a request out of part of a reference, in the client's own terms.
func (m *Memref) describe(attr optee.Attr, off, size uint64) (optee.Param, optee.Result) {
	if _, err := m.at(off, size); err != nil || m.Protected() || attr < optee.AttrRMemInput || attr > optee.AttrRMemInOut {
		return optee.Param{}, optee.ErrorBadParameters
	}
	p := m.from
	switch {
	case p.Attr&optee.AttrNonContig != 0:
		return optee.Param{}, optee.ErrorBadParameters
	case p.Attr.IsTMem():
		attr += optee.AttrTMemInput - optee.AttrRMemInput
	}
	// Offsets and addresses stand in the same place, and those of FF-A cannot reach beyond their 48 bits within memory.
	p.Attr = attr
	p.U[0] += off
	p.SetSize(size)
	return p, optee.Success
}

// copyIn reads the parameters of a message.
func (s *Service) copyIn(t *thread, in []optee.Param) optee.Result {
	if len(in) > numParams {
		return optee.ErrorBadParameters
	}
	for i := range in {
		p, out := &in[i], &t.state.Params[i]
		if !p.Attr.Valid() || p.Attr&optee.AttrMeta != 0 {
			return optee.ErrorBadParameters
		}
		out.Type = p.Attr.Type()
		switch {
		case p.Attr.IsValue():
			out.A, out.B = uint32(p.U[0]), uint32(p.U[1])
		case p.Attr.IsMem():
			m, res := s.transport(t).memref(t, p)
			if res != optee.Success {
				return res
			}
			m.access, m.from = p.Attr&3, *p
			out.Mem = m
			out.Type = optee.AttrRMemInput&^3 | p.Attr&3
		}
	}
	return optee.Success
}

// copyOut puts the results into the message; optee.Arg.PutReply takes only outputs from there.
func (t *thread) copyOut(out []optee.Param) {
	for i := range out {
		in := &t.state.Params[i]
		switch p := &out[i]; {
		case p.Attr.IsValue():
			p.U[0], p.U[1] = uint64(in.A), uint64(in.B)
		case p.Attr.IsMem():
			if t.arg.Ret != optee.ErrorShortBuffer {
				in.Mem.Size = min(in.Mem.Size, in.Mem.limit)
			}
			p.SetSize(in.Mem.Size)
		}
	}
}
