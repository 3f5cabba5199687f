package tee

import (
	"errors"
	"slices"

	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// maxGrants bounds the grants that are alive at one time.
const maxGrants = 256

// grant lets one master access part of protected memory in one direction, for one session.
type grant struct {
	object       *memory.Object
	offset, size uint64
	access       memory.Access // in one direction
	session      uint32
	count        uint32 // how often the session has asked for it
}

// within is the function of that name for protected memory of a use case.
func (u *UseCase) within(o *memory.Object, offset, size uint64) (Memref, optee.Result) {
	m, res := within(o, 0, offset, size)
	if res == optee.Success {
		m.masters, m.grantable, m.use = u.Access, u.Grantable, u.ID
	}
	return m, res
}

// accesses splits what a master may do into one grant for each direction. The crypto engine is one master with two identities.
func accesses(master uint32, d optee.GrantDirection) (list []memory.Access) {
	who := uint16(1) << master
	if master == bus.NSAIDCrypto {
		who |= 1 << bus.NSAIDCryptoProtected
	}
	if d&optee.GrantRead != 0 {
		list = append(list, memory.Access{Read: who})
	}
	if d&optee.GrantWrite != 0 {
		list = append(list, memory.Access{Write: who})
	}
	return list
}

// union and beyond are set operations on the masters of two directions.
func union(a, b memory.Access) memory.Access {
	return memory.Access{Read: a.Read | b.Read, Write: a.Write | b.Write}
}

func beyond(a, b memory.Access) bool { return a.Read&^b.Read != 0 || a.Write&^b.Write != 0 }

// grantable judges what can be judged without knowing the grants.
func grantable(m *Memref, master uint32, d optee.GrantDirection) ([]memory.Access, optee.Result) {
	if !m.Protected() || m.Size == 0 || m.offset%memory.PageSize != 0 || m.Size%memory.PageSize != 0 ||
		master >= bus.NSAIDs || d == 0 || d&^(optee.GrantRead|optee.GrantWrite) != 0 {
		return nil, optee.ErrorBadParameters
	}
	list := accesses(master, d)
	for _, a := range list {
		if beyond(a, union(m.masters, m.grantable)) {
			return nil, optee.ErrorAccessDenied
		}
	}
	return list, optee.Success
}

// granted gives the place of a grant of one session in s.grants, or -1.
func (s *Service) granted(session uint32, m *Memref, a memory.Access) int {
	return slices.IndexFunc(s.grants, func(g grant) bool {
		return g.session == session && g.object == m.object && g.offset == m.offset && g.size == m.Size && g.access == a
	})
}

// others reports whether another session than that of g has the same grant.
func (s *Service) others(g *grant) bool {
	return slices.ContainsFunc(s.grants, func(o grant) bool {
		return o.session != g.session && o.object == g.object && o.offset == g.offset && o.size == g.size && o.access == g.access
	})
}

// Grant lets a master access the protected memory of m, beside those that do so anyway: whole pages, in directions that the use
// case of the memory can grant. It lasts until Revoke has been called as often, the session ends or the client takes the memory
// back. BAD_PARAMETERS stands for other memory, parts of pages and a master or direction that does not exist, ACCESS_DENIED
// for a master that the use case keeps out, OUT_OF_MEMORY for too many grants, and NO_RESOURCE where the address space controller
// has no region for it, or would have none while grants and memory are taken back one by one. What is refused changes nothing.
func (c *Call) Grant(m *Memref, master uint32, d optee.GrantDirection) optee.Result {
	s := c.service
	list, res := grantable(m, master, d)
	if res != optee.Success {
		return res
	}
	var fresh memory.Access // what nobody has been granted for this memory
	more := 0
	for _, a := range list {
		i := s.granted(c.Session, m, a)
		if i >= 0 {
			if s.grants[i].count == ^uint32(0) {
				return optee.ErrorOverflow
			}
			continue
		}
		more++
		if !s.others(&grant{object: m.object, offset: m.offset, size: m.Size, access: a, session: c.Session}) {
			fresh = union(fresh, a)
		}
	}
	if len(s.grants)+more > maxGrants {
		return optee.ErrorOutOfMemory
	}
	if fresh != (memory.Access{}) {
		if err := s.space.Grant(m.object, m.offset, m.Size, fresh); errors.Is(err, memory.ErrNoRegion) {
			return optee.ErrorNoResource
		} else if err != nil {
			return optee.ErrorBadParameters
		}
	}
	for _, a := range list {
		if i := s.granted(c.Session, m, a); i >= 0 {
			s.grants[i].count++
		} else {
			s.grants = append(s.grants, grant{m.object, m.offset, m.Size, a, c.Session, 1})
		}
	}
	return optee.Success
}

// Revoke undoes one Grant of the same session with the same arguments: ITEM_NOT_FOUND where there is none, for one of the
// directions even, and then nothing has changed.
func (c *Call) Revoke(m *Memref, master uint32, d optee.GrantDirection) optee.Result {
	s := c.service
	list, res := grantable(m, master, d)
	if res != optee.Success {
		return res
	}
	for _, a := range list {
		if s.granted(c.Session, m, a) < 0 {
			return optee.ErrorItemNotFound
		}
	}
	var gone memory.Access // what nobody is left for
	for _, a := range list {
		i := s.granted(c.Session, m, a)
		if s.grants[i].count--; s.grants[i].count == 0 {
			if !s.others(&s.grants[i]) {
				gone = union(gone, a)
			}
			s.grants = slices.Delete(s.grants, i, i+1)
		}
	}
	if gone != (memory.Access{}) {
		s.space.Withdraw(m.object, m.offset, m.Size, gone)
	}
	return optee.Success
}

// Masters gives the masters that may access all of the protected memory of m, and those that may access any of it.
func (c *Call) Masters(m *Memref) (all, some memory.Access) {
	s := c.service
	if !m.Protected() || m.Size == 0 {
		return
	}
	// Between two cuts access does not change.
	r := memory.Range{Base: m.offset, Size: m.Size}
	cuts := []uint64{r.Base}
	for i := range s.grants {
		if g := &s.grants[i]; g.object == m.object {
			for _, at := range []uint64{g.offset, g.offset + g.size} {
				if at > r.Base && at < r.End() {
					cuts = append(cuts, at)
				}
			}
		}
	}
	all = memory.Access{Read: 1<<bus.NSAIDs - 1, Write: 1<<bus.NSAIDs - 1}
	for _, at := range cuts {
		a := m.masters
		for i := range s.grants {
			if g := &s.grants[i]; g.object == m.object && at >= g.offset && at-g.offset < g.size {
				a = union(a, g.access)
			}
		}
		all = memory.Access{Read: all.Read & a.Read, Write: all.Write & a.Write}
		some = union(some, a)
	}
	return all, some
}

// withdraw ends grants, and takes access back unless another session has the same grant.
func (s *Service) withdraw(which func(g *grant) bool) {
	for i := len(s.grants) - 1; i >= 0; i-- {
		g := s.grants[i]
		if !which(&g) {
			continue
		}
		s.grants = slices.Delete(s.grants, i, i+1)
		if !s.others(&g) {
			s.space.Withdraw(g.object, g.offset, g.size, g.access)
		}
	}
}

// forgetGrants drops the grants to memory that has gone back to the normal world.
func (s *Service) forgetGrants(o *memory.Object) {
	s.grants = slices.DeleteFunc(s.grants, func(g grant) bool { return g.object == o })
}

// Carveout gives the carve-out of a use case, and the handle that clients of the ABI at hand name it by, or 0 where they name it by
// its address. ok is false where the use case has none.
func (c *Call) Carveout(id optee.UseCase) (r memory.Range, handle uint64, ok bool) {
	s := c.service
	for i, o := range s.carveouts {
		if o != nil && s.cfg.UseCases[i].ID == id {
			return o.Ranges()[0], s.transport(c.thread).carveoutHandle(i), true
		}
	}
	return memory.Range{}, 0, false
}
