package tee

import (
	"errors"

	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// registered is memory that the client registered or lent under a cookie over the SMC ABI.
type registered struct {
	cookie uint64
	object *memory.Object // nil for a free slot
	start  uint64         // of the client's buffer in its first page
	size   uint64
	use    *UseCase // of a pool
}

// registered gives the buffer or pool of a cookie, or nil.
func (s *SMC) registered(cookie uint64) *registered {
	for i := range s.buffers {
		if b := &s.buffers[i]; b.object != nil && b.cookie == cookie {
			return b
		}
	}
	return nil
}

// vacancy gives a slot for a cookie that is not in use. Zero is what NULL references carry.
func (s *SMC) vacancy(cookie uint64) (*registered, optee.Result) {
	if cookie == 0 || s.registered(cookie) != nil {
		return nil, optee.ErrorBadParameters
	}
	for i := range s.buffers {
		if b := &s.buffers[i]; b.object == nil {
			return b, optee.Success
		}
	}
	return nil, optee.ErrorOutOfMemory
}

// reserved gives the place of n bytes of reserved shared memory, or nil where they are not all there.
func (s *SMC) reserved(pa, n uint64) (*memory.Object, uint64) {
	if s.shm == nil || !s.cfg.SHM.Contains(memory.Range{Base: pa, Size: n}) {
		return nil, 0
	}
	return s.shm, pa - s.cfg.SHM.Base
}

// command knows the messages about memory.
func (s *SMC) command(t *thread) (optee.Result, bool) {
	a := &t.arg
	switch a.Cmd {
	case optee.CmdRegisterSHM, optee.CmdUnregisterSHM:
		switch {
		case s.cfg.NoDynamicSHM:
			return 0, false
		case a.Cmd == optee.CmdRegisterSHM:
			return s.registerSHM(a), true
		}
		return s.unregister(a, false), true
	case optee.CmdLendProtmem, optee.CmdReclaimProtmem:
		switch {
		case !s.dynamicPools():
			return 0, false
		case a.Cmd == optee.CmdLendProtmem:
			return s.lendProtmem(a), true
		}
		return s.unregister(a, true), true
	}
	return 0, false
}

// registerSHM is REGISTER_SHM: a list of pages under a cookie.
func (s *SMC) registerSHM(a *optee.Arg) optee.Result {
	if len(a.Params) != 1 || a.Params[0].Attr != optee.AttrSHMPageList {
		return optee.ErrorBadParameters
	}
	m := a.Params[0].TMem()
	slot, res := s.vacancy(m.SHMRef)
	if res != optee.Success {
		return res
	}
	o, res := s.gather(m)
	if res != optee.Success {
		return res
	}
	*slot = registered{m.SHMRef, o, m.BufPtr % optee.PageSize, m.Size, nil}
	return optee.Success
}

// gather registers the pages that a list names.
func (s *SMC) gather(m optee.TMem) (*memory.Object, optee.Result) {
	if s.cfg.NoDynamicSHM {
		return nil, optee.ErrorBadParameters
	}
	var err error
	limit := s.space.Pages()
	s.pages, err = optee.ReadPageList(s.pages[:0], s.space.ReadNormal, m.BufPtr, m.Size, limit)
	if err != nil {
		return nil, resultOf(err)
	}
	s.ranges = s.ranges[:0]
	for _, pa := range s.pages {
		if n := len(s.ranges); n > 0 && s.ranges[n-1].End() == pa {
			s.ranges[n-1].Size += memory.PageSize
		} else {
			s.ranges = append(s.ranges, memory.Range{Base: pa, Size: memory.PageSize})
		}
	}
	o, err := s.space.Register(s.ranges)
	if err != nil {
		return nil, resultOf(err)
	}
	return o, optee.Success
}

// lendProtmem is LEND_PROTMEM: value a is the use case, the memory reference the pool.
func (s *SMC) lendProtmem(a *optee.Arg) optee.Result {
	if len(a.Params) != 2 || a.Params[0].Attr != optee.AttrValueInput || a.Params[1].Attr != optee.AttrTMemInput {
		return optee.ErrorBadParameters
	}
	m := a.Params[1].TMem()
	pool := memory.Range{Base: m.BufPtr, Size: m.Size}
	u, err := s.pool(a.Params[0].U[0], pool)
	if err != nil {
		return optee.ErrorBadParameters
	}
	slot, res := s.vacancy(m.SHMRef)
	if res != optee.Success {
		return res
	}
	o, err := s.space.Lend([]memory.Range{pool}, u.Access, false)
	if err != nil {
		return resultOf(err)
	}
	*slot = registered{m.SHMRef, o, 0, m.Size, u}
	return optee.Success
}

// unregister is UNREGISTER_SHM and RECLAIM_PROTMEM. Memory that a call under way uses, this one included, is BUSY.
func (s *SMC) unregister(a *optee.Arg, protected bool) optee.Result {
	if len(a.Params) != 1 || a.Params[0].Attr != optee.AttrRMemInput {
		return optee.ErrorBadParameters
	}
	b := s.registered(a.Params[0].RMem().SHMRef)
	switch {
	case b == nil || b.object.Protected() != protected:
		return optee.ErrorBadParameters
	case s.uses(b.object):
		return optee.ErrorBusy
	}
	// The controller closes the memory to all masters at once, so the grants are only forgotten.
	if err := s.space.Reclaim(b.object); err != nil {
		return resultOf(err)
	}
	s.forgetGrants(b.object)
	*b = registered{}
	return optee.Success
}

// memref resolves references: by cookie, by a list of pages for the time of the call, by address into reserved shared memory or
// protected memory, and NULL.
func (s *SMC) memref(t *thread, p *optee.Param) (Memref, optee.Result) {
	if p.Attr.IsRMem() {
		m := p.RMem()
		b := s.registered(m.SHMRef)
		if b == nil {
			return Memref{}, optee.ErrorBadParameters
		}
		if m.Offset > b.size || m.Size > b.size-m.Offset {
			return Memref{}, optee.ErrorSecurity
		}
		if b.use != nil {
			return b.use.within(b.object, m.Offset, m.Size)
		}
		return within(b.object, b.start, m.Offset, m.Size)
	}
	m := p.TMem()
	switch {
	case m.BufPtr == 0:
		return Memref{}, optee.Success
	case p.Attr&optee.AttrNonContig != 0:
		o, res := s.gather(m)
		if res != optee.Success {
			return Memref{}, res
		}
		t.temp = append(t.temp, o)
		return within(o, m.BufPtr%optee.PageSize, 0, m.Size)
	}
	if o, off := s.reserved(m.BufPtr, m.Size); o != nil {
		return within(o, 0, off, m.Size)
	}
	for i, o := range s.carveouts {
		if o != nil && inside(o, m) {
			return s.cfg.UseCases[i].within(o, m.BufPtr-o.Ranges()[0].Base, m.Size)
		}
	}
	for i := range s.buffers {
		if b := &s.buffers[i]; b.object != nil && b.use != nil && inside(b.object, m) {
			return b.use.within(b.object, m.BufPtr-b.object.Ranges()[0].Base, m.Size)
		}
	}
	return Memref{}, optee.ErrorBadParameters
}

// inside reports whether a reference by address lies in a protected pool, which is one range.
func inside(o *memory.Object, m optee.TMem) bool {
	return o.Ranges()[0].Contains(memory.Range{Base: m.BufPtr, Size: m.Size})
}

// private gives memory that the client names by its address and has not registered: reserved shared memory, or part of a page. own
// says that the object is the caller's to end.
func (s *SMC) private(pa, size uint64) (o *memory.Object, off uint64, own bool) {
	if o, off := s.reserved(pa, size); o != nil {
		return o, off, false
	}
	if s.cfg.NoDynamicSHM || size > memory.PageSize {
		return nil, 0, false
	}
	o, err := s.space.Borrow(memory.Range{Base: pa, Size: memory.PageSize})
	if err != nil {
		return nil, 0, false
	}
	return o, 0, true
}

// argument takes the memory that the client answers ALLOC with.
func (s *SMC) argument(pa, cookie uint64) rpcArg {
	a := rpcArg{cookie: cookie, lent: cookie != 0}
	if cookie != 0 && pa%8 == 0 {
		a.object, a.offset, a.own = s.private(pa, optee.ArgSize(rpcParams))
	}
	return a
}

// adopt takes the memory of a reply to SHM_ALLOC: a list of pages, or an address.
func (s *SMC) adopt(_ *thread, p *optee.Param, size uint64, b *buffer) optee.Result {
	m := p.TMem()
	b.ref = m.SHMRef
	if m.SHMRef == 0 || m.Size < size {
		return optee.ErrorOutOfMemory
	}
	var o *memory.Object
	var start uint64
	var own bool
	from := optee.TMemParam(optee.AttrTMemInOut, m)
	switch p.Attr {
	case optee.AttrSHMPageList:
		var res optee.Result
		if o, res = s.gather(m); res != optee.Success {
			return res
		}
		start, own = m.BufPtr%optee.PageSize, true
		from = optee.RMemParam(optee.AttrRMemInOut, optee.RMem{SHMRef: m.SHMRef})
	case optee.AttrTMemOutput:
		o, start, own = s.private(m.BufPtr, m.Size)
	}
	if o == nil {
		return optee.ErrorOutOfMemory
	}
	ref, res := within(o, start, 0, size)
	if res != optee.Success {
		panic("BUG: tee: a buffer is larger than the memory registered for it")
	}
	ref.access, ref.from = optee.AttrRMemInOut&3, from
	b.mem, b.own = ref, own
	return optee.Success
}

// dismiss gives up the memory of a buffer.
func (s *SMC) dismiss(_ *thread, b *buffer) {
	if b.own {
		s.end(b.mem.object)
	}
}

// endpoints: over this ABI a pool is not lent to anybody by name.
func (s *SMC) endpoints(list []optee.ProtmemConfigEntry, _ *UseCase) []optee.ProtmemConfigEntry {
	return list
}

func (s *SMC) dynamicPools() bool {
	_, pool := s.carveout(0)
	return s.cfg.DynamicPools && pool == nil
}

// resultOf is the TEE result for an error of package memory or optee.
func resultOf(err error) optee.Result {
	var res optee.Result
	switch {
	case errors.Is(err, memory.ErrNoRegion), errors.Is(err, memory.ErrTooMany):
		return optee.ErrorOutOfMemory
	case errors.As(err, &res):
		return res
	}
	return optee.ErrorBadParameters
}
