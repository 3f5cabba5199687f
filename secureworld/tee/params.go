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
	// Size is the bytes that the client offers; an application sets it to the bytes it wrote, or to those it needs together
	// with SHORT_BUFFER.
	Size uint64
}

var errAccess = errors.New("direction of the memory reference")

// Null reports a reference without memory.
func (m *Memref) Null() bool { return m.object == nil }

// Protected reports memory that the normal world cannot access.
func (m *Memref) Protected() bool { return m.object != nil && m.object.Protected() }

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

// within makes a reference into an object whose buffer begins at start. An offset or size beyond the object is SECURITY.
func within(o *memory.Object, start, offset, size uint64) (Memref, optee.Result) {
	if start > o.Size() || offset > o.Size()-start || size > o.Size()-start-offset {
		return Memref{}, optee.ErrorSecurity
	}
	return Memref{object: o, offset: start + offset, limit: size, Size: size}, optee.Success
}

// copyIn reads the parameters of a message.
func copyIn(t transport, in []optee.Param, out *Params) optee.Result {
	if len(in) > numParams {
		return optee.ErrorBadParameters
	}
	for i := range in {
		p := &in[i]
		if !p.Attr.Valid() || p.Attr&optee.AttrMeta != 0 {
			return optee.ErrorBadParameters
		}
		out[i].Type = p.Attr.Type()
		switch {
		case p.Attr.IsValue():
			out[i].A, out[i].B = uint32(p.U[0]), uint32(p.U[1])
		case p.Attr.IsMem():
			m, res := t.memref(p)
			if res != optee.Success {
				return res
			}
			m.access = p.Attr & 3
			out[i].Mem = m
			out[i].Type = optee.AttrRMemInput&^3 | p.Attr&3
		}
	}
	return optee.Success
}

// copyOut puts the results into the message; optee.Arg.PutReply takes only outputs from there.
func copyOut(in *Params, out []optee.Param) {
	for i := range out {
		switch p := &out[i]; {
		case p.Attr.IsValue():
			p.U[0], p.U[1] = uint64(in[i].A), uint64(in[i].B)
		case p.Attr.IsMem():
			p.SetSize(in[i].Mem.Size)
		}
	}
}
