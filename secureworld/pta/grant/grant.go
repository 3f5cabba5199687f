// Package grant is the application by which the normal world's drivers ask for access of single masters to parts of protected
// memory: what the grant policy "map", SMAF's secure module and the 2015 proposal for secure data paths need. It is this platform's
// own; numbers and parameters stand in package optee (GrantCmd...).
//
// The application only carries the question: who may be granted what is the use case's, the account of the grants and the
// firewall are the service's.
package grant

import (
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// TA is the application. It keeps nothing.
type TA struct{}

var _ tee.PseudoTA = TA{}

// UUID is optee.GrantUUID.
func (TA) UUID() smc.UUID { return optee.GrantUUID() }

// Properties: clients pass it protected memory.
func (TA) Properties() tee.Properties { return tee.SecureDataPath }

// Open lets anybody in: what can be granted is no more than the use case allows anyway.
func (TA) Open(*tee.Call) optee.Result { return optee.Success }

// Close has nothing to do: the service ends the grants of a session with it.
func (TA) Close(uint32) {}

// Invoke knows the commands optee.GrantCmd....
func (TA) Invoke(c *tee.Call) optee.Result {
	switch c.Command {
	case optee.GrantCmdGrant:
		return change(c, c.Grant)
	case optee.GrantCmdRevoke:
		return change(c, c.Revoke)
	case optee.GrantCmdQuery:
		return query(c)
	case optee.GrantCmdCarveout:
		return carveout(c)
	}
	return optee.ErrorNotImplemented
}

// reference reports whether a parameter is memory, of whatever direction: none of its bytes is touched.
func reference(p *tee.Param) bool {
	return p.Type >= optee.AttrRMemInput && p.Type <= optee.AttrRMemInOut
}

func change(c *tee.Call, f func(m *tee.Memref, master uint32, d optee.GrantDirection) optee.Result) optee.Result {
	p := &c.Params
	if !reference(&p[0]) || !p.Are(p[0].Type, optee.AttrValueInput) {
		return optee.ErrorBadParameters
	}
	return f(&p[0].Mem, p[1].A, optee.GrantDirection(p[1].B))
}

func query(c *tee.Call) optee.Result {
	p := &c.Params
	if !reference(&p[0]) || !p.Are(p[0].Type, optee.AttrValueOutput, optee.AttrValueOutput) || !p[0].Mem.Protected() || p[0].Mem.Size == 0 {
		return optee.ErrorBadParameters
	}
	all, some := c.Masters(&p[0].Mem)
	for i, a := range [...]memory.Access{all, some} {
		p[1+i].A, p[1+i].B = uint32(a.Read), uint32(a.Write)
	}
	return optee.Success
}

func carveout(c *tee.Call) optee.Result {
	p := &c.Params
	if !p.Are(optee.AttrValueInput, optee.AttrValueOutput, optee.AttrValueOutput, optee.AttrValueOutput) {
		return optee.ErrorBadParameters
	}
	r, handle, ok := c.Carveout(optee.UseCase(p[0].A))
	if !ok {
		return optee.ErrorItemNotFound
	}
	for i, v := range [...]uint64{r.Base, r.Size, handle} {
		p[1+i].A, p[1+i].B = uint32(v>>32), uint32(v)
	}
	return optee.Success
}
