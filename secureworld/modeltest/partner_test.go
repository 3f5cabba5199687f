package modeltest

import (
	"bytes"

	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Partitions of the configurations. The vault's memory and requests are described at vault.
const (
	opteeID = 0x8001
	vaultID = 0x8005
)

var (
	vaultUUID  = ffa.UUID{0xAA, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	copierUUID = smc.UUID{0xC0, 0x91, 0xE7, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15}
)

// Requests to the vault, in x3. x4 and x5 are a handle, x6 an offset, x7 a value.
const (
	vaultRetrieve = iota + 1
	vaultRelinquish
	vaultRead
	vaultWrite
)

// vaultRefuses is a tag for which the vault takes no memory.
const vaultRefuses = 0xBAD

// everybody is every master that the default configuration lets at ordinary memory.
const everybody = 0x3FF

// vaultMasters says who keeps access to memory lent to the vault: the tag says it, or all where it is small.
func vaultMasters(tag uint64) (read, write uint16) {
	if tag>>16 == 0 {
		return everybody, everybody
	}
	return uint16(tag>>16) & everybody, uint16(tag>>32) & everybody
}

// vault is a secure partition beside OP-TEE: it takes shares, lends and donations, and retrieves, relinquishes, reads and writes
// them when it is asked to. The response has an FF-A code in x3, zero for success, and what was read in x4.
type vault struct{ spmc.Services }

func (v *vault) Start(s spmc.Services) { v.Services = s }

func (v *vault) Direct2(ffa.EndpointID, ffa.UUID, [14]uint64) ([14]uint64, error) {
	return [14]uint64{}, ffa.Denied
}

func (v *vault) Offer(o *spmc.Offer) (memory.Access, error) {
	if o.Tag == vaultRefuses {
		return memory.Access{}, ffa.Denied
	}
	r, w := vaultMasters(o.Tag)
	return memory.Access{Read: r, Write: w}, nil
}

func (v *vault) Direct(_ ffa.EndpointID, p [5]uint64) ([5]uint64, error) {
	h := ffa.Handle(uint64(uint32(p[1])) | p[2]<<32)
	value, err := v.request(p[0], h, uint64(uint32(p[3])), p[4])
	if err != nil {
		return [5]uint64{uint64(uint32(ffa.CodeOf(err)))}, nil
	}
	return [5]uint64{0, value}, nil
}

func (v *vault) request(what uint64, h ffa.Handle, off, value uint64) (uint64, error) {
	switch what {
	case vaultRetrieve:
		_, err := v.Retrieve(h)
		return 0, err
	case vaultRelinquish:
		return 0, v.Relinquish(h)
	case vaultRead, vaultWrite:
		r, err := v.Peek(h)
		if err != nil {
			return 0, err
		}
		if !r.Retrieved {
			return 0, ffa.Denied
		}
		var b [4]byte
		if what == vaultWrite {
			le.PutUint32(b[:], uint32(value))
			err = r.WriteAt(b[:], off)
		} else {
			err = r.ReadAt(b[:], off)
		}
		if err != nil {
			return 0, ffa.InvalidParameters
		}
		return uint64(le.Uint32(b[:])), nil
	}
	return 0, ffa.NotSupported
}

// vault predicts the answer to a direct request.
func (c *call) vault(a *answer) {
	m := c.m
	what, h := c.arg(3), uint64(uint32(c.arg(4)))|uint64(uint32(c.arg(5)))<<32
	off, value := uint64(c.w(6)), c.w(7)
	v := &verdict{}
	t := m.live(h)
	var r *receiver
	switch {
	case what < vaultRetrieve || what > vaultWrite:
		v.broken(notSupported, "no such request")
	case t == nil || !t.ready():
		v.broken(invalid, "unknown handle")
	default:
		if r = t.receiver(vaultID); r == nil {
			v.broken(denied, "not a receiver")
			break
		}
		for _, s := range t.ranges {
			m.touch(s)
		}
		if got := r.retrieved == yes; got != (what != vaultRetrieve) {
			v.broken(denied, "state of the borrower")
		}
	}
	var mem buffered
	if r != nil {
		mem = memoryOf(t.ranges, t.kind != share)
		if what >= vaultRead && off+4 > mem.size {
			v.broken(invalid, "offset")
		}
		if what == vaultWrite && r.readOnly {
			v.broken(invalid, "a write without permission")
		}
	}
	a.done = func(out *regs) string {
		if out[5] != 0 || out[6] != 0 || out[7] != 0 {
			return "results beyond x4"
		}
		if out[3] != 0 {
			return v.refused(-int(int32(out[3])))
		}
		if wrong := v.accepted(); wrong != "" {
			return wrong
		}
		want := uint64(0)
		switch what {
		case vaultRetrieve:
			r.retrieved = yes
			m.event = "retrieve a " + t.kind.String()
			if t.kind == donate {
				m.fixed = append(m.fixed, t.extents...)
				m.donated += len(t.ranges)
				m.drop(t)
			}
		case vaultRelinquish:
			r.retrieved = no
			m.event = "relinquish a " + t.kind.String()
		case vaultWrite:
			var b [4]byte
			le.PutUint32(b[:], value)
			m.write(mem, off, b[:])
			want = uint64(value)
		case vaultRead:
			want = uint64(le.Uint32(m.read(mem, off, 4)))
			m.event = "vault reads"
		}
		if out[4] != want {
			return "the vault sees other contents"
		}
		return ""
	}
}

// Commands of the copier.
const (
	copierCopy  = iota // p0 input to p1 output; never from protected to open memory
	copierFill         // p0 output with the byte in p1.a
	copierSwap         // p0.a and p0.b
	copierPause        // waits until it is resumed; its parameters stay in use
)

// copierLimit bounds the bytes of one command.
const copierLimit = 4 * pageSize

// copier is a pseudo-TA that touches memory in every way that a memory reference allows. It leaves it to the service to refuse
// the other ways.
type copier struct{}

func (copier) UUID() smc.UUID              { return copierUUID }
func (copier) Properties() tee.Properties  { return tee.Device | tee.SecureDataPath }
func (copier) Open(*tee.Call) optee.Result { return optee.Success }
func (copier) Close(uint32)                {}
func (copier) Invoke(c *tee.Call) optee.Result {
	p := &c.Params
	in, out := &p[0].Mem, &p[1].Mem
	switch c.Command {
	case copierCopy:
		if !p[0].Type.IsMem() || !p[1].Type.IsMem() {
			return optee.ErrorBadParameters
		}
		switch {
		case in.Size > copierLimit:
			return optee.ErrorExcessData
		case in.Protected() && !out.Protected():
			return optee.ErrorSecurity
		case out.Size < in.Size:
			out.Size = in.Size
			return optee.ErrorShortBuffer
		}
		b := make([]byte, in.Size)
		if in.ReadAt(b, 0) != nil || out.WriteAt(b, 0) != nil {
			return optee.ErrorBadParameters
		}
		out.Size = in.Size
		return optee.Success
	case copierFill:
		if !p[0].Type.IsMem() || p[1].Type != optee.AttrValueInput {
			return optee.ErrorBadParameters
		}
		if in.Size > copierLimit {
			return optee.ErrorExcessData
		}
		if in.WriteAt(bytes.Repeat([]byte{byte(p[1].A)}, int(in.Size)), 0) != nil {
			return optee.ErrorBadParameters
		}
		return optee.Success
	case copierSwap:
		if p[0].Type != optee.AttrValueInOut {
			return optee.ErrorBadParameters
		}
		p[0].A, p[0].B = p[0].B, p[0].A
		return optee.Success
	case copierPause:
		if c.Step++; c.Step == 1 {
			return c.Interrupt()
		}
		return optee.Success
	}
	return optee.ErrorNotSupported
}
