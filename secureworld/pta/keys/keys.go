// Package keys is the application that loads keys into the crypto engine's slots for the normal world's driver. It is this platform's
// own; numbers and parameters stand in package optee (KeysCmd...).
//
// A key comes in the clear, which is for demonstrations and for keys of the normal world's own, or wrapped under the device key
// together with its policy. It never comes out again: what a client gets is the number of a slot. The engine confines the jobs that
// use the slot; the policies by which protected memory would leak are refused here.
package keys

import (
	"errors"

	"gatehouse/secureworld/aes"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// TA is the application.
type TA struct {
	engine *aes.Driver
	device [32]byte                // the device key
	owner  [optee.KeysSlots]uint32 // the session of each slot, 0 for a free one
}

// New makes the application, without keys.
func New(engine *aes.Driver, device [32]byte) *TA { return &TA{engine: engine, device: device} }

var _ tee.PseudoTA = (*TA)(nil)

// UUID is optee.KeysUUID.
func (*TA) UUID() smc.UUID { return optee.KeysUUID() }

// Properties: keys come in normal memory.
func (*TA) Properties() tee.Properties { return 0 }

// Open lets anybody in, where there is an engine.
func (x *TA) Open(*tee.Call) optee.Result {
	if !x.engine.Present() {
		return optee.ErrorNotSupported
	}
	return optee.Success
}

// Close clears the slots of the session.
func (x *TA) Close(session uint32) {
	for i := range x.owner {
		if x.owner[i] == session {
			x.drop(i)
		}
	}
}

func (x *TA) drop(slot int) {
	if x.engine.Clear(slot) != nil {
		panic("BUG: keys: the engine does not clear a slot")
	}
	x.owner[slot] = 0
}

// Invoke knows the commands optee.KeysCmd....
func (x *TA) Invoke(c *tee.Call) optee.Result {
	p := &c.Params
	switch c.Command {
	case optee.KeysCmdLoad:
		if !p.Are(optee.AttrRMemInput, optee.AttrValueInput, optee.AttrValueOutput) {
			return optee.ErrorBadParameters
		}
		key, res := read(&p[0].Mem)
		if n := len(key); res == optee.Success && n != 16 && n != 24 && n != 32 {
			res = optee.ErrorBadParameters
		}
		if res != optee.Success {
			return res
		}
		return x.load(c.Session, key, optee.KeysPolicy(p[1].A), false, &p[2])
	case optee.KeysCmdLoadWrapped:
		if !p.Are(optee.AttrRMemInput, optee.AttrValueOutput) {
			return optee.ErrorBadParameters
		}
		blob, res := read(&p[0].Mem)
		if res != optee.Success {
			return res
		}
		policy, key, err := optee.UnwrapKey(x.device[:], blob)
		if err != nil {
			errors.As(err, &res)
			return res
		}
		return x.load(c.Session, key, policy, true, &p[1])
	case optee.KeysCmdUnload:
		if !p.Are(optee.AttrValueInput) {
			return optee.ErrorBadParameters
		}
		if p[0].A >= optee.KeysSlots || x.owner[p[0].A] != c.Session {
			return optee.ErrorItemNotFound
		}
		x.drop(int(p[0].A))
		return optee.Success
	case optee.KeysCmdQuery:
		if !p.Are(optee.AttrValueOutput) {
			return optee.ErrorBadParameters
		}
		p[0].A, p[0].B = optee.KeysSlots, 0
		for _, s := range x.owner {
			if s == 0 {
				p[0].B++
			}
		}
		return optee.Success
	}
	return optee.ErrorNotImplemented
}

// maxBlob is the longest key with its wrapping, in octets.
const maxBlob = 48

func read(m *tee.Memref) ([]byte, optee.Result) {
	if m.Size > maxBlob {
		return nil, optee.ErrorBadParameters
	}
	b := make([]byte, m.Size)
	if m.ReadAt(b, 0) != nil {
		return nil, optee.ErrorBadParameters
	}
	return b, optee.Success
}

// load puts a key into the first free slot.
func (x *TA) load(session uint32, key []byte, p optee.KeysPolicy, secret bool, out *tee.Param) optee.Result {
	switch {
	case !p.Valid():
		return optee.ErrorBadParameters
	case !p.Safe(secret):
		return optee.ErrorAccessDenied
	}
	for i := range x.owner {
		if x.owner[i] != 0 {
			continue
		}
		if x.engine.Load(i, key, attributes(p)) != nil {
			return optee.ErrorGeneric
		}
		x.owner[i] = session
		out.A, out.B = uint32(i), 0
		return optee.Success
	}
	return optee.ErrorOutOfMemory
}

// attributes are those of the slot for a policy.
func attributes(p optee.KeysPolicy) aes.Attr {
	a := aes.Normal
	for _, x := range [...]struct {
		policy optee.KeysPolicy
		attr   aes.Attr
	}{
		{optee.KeysEncrypt, aes.Encrypt}, {optee.KeysDecrypt, aes.Decrypt}, {optee.KeysCounter, aes.Counter},
		{optee.KeysChaining, aes.Chaining}, {optee.KeysCopy, aes.Copy},
		{optee.KeysSourceProtected, aes.AsProtected.Source()}, {optee.KeysSourceOrdinary, aes.AsOrdinary.Source()},
		{optee.KeysDestinationProtected, aes.AsProtected.Destination()}, {optee.KeysDestinationOrdinary, aes.AsOrdinary.Destination()},
	} {
		if p&x.policy != 0 {
			a |= x.attr
		}
	}
	return a
}
