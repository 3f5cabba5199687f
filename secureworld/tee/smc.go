package tee

import (
	"errors"

	"gatehouse/secureworld/memory"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// SMC is the service behind OP-TEE's own SMC ABI: optee_smc.h.
type SMC struct {
	*Service
	buffers []buffer
	pages   []uint64         // scratch: the page list at hand
	ranges  []memory.Range   // scratch
	temp    []*memory.Object // registered for the call at hand only
	message *memory.Object   // that holds the call at hand
}

// buffer is memory that the client registered or lent under a cookie.
type buffer struct {
	cookie uint64
	object *memory.Object // nil for a free slot
	start  uint64         // of the client's buffer in its first page
	size   uint64
}

// NewSMC makes the transport over a service.
func NewSMC(s *Service) *SMC { return &SMC{Service: s, buffers: make([]buffer, s.cfg.MaxBuffers)} }

// callCount is what CALLS_COUNT answers: eleven fast calls (COUNT, UID, REVISION, OS_UUID, OS_REVISION, SHM_CONFIG,
// EXCHANGE_CAPABILITIES, DISABLE and ENABLE_SHM_CACHE, THREAD_COUNT, PROTMEM_CONFIG) and the four yielding ones.
const callCount = 15

// Call answers one call of the trusted OS's range. Registers that a call does not return keep their values.
func (s *SMC) Call(r *smc.Registers) {
	f := r.Function()
	if f.Fast() {
		s.fast(f, r)
		return
	}
	r[0] = s.yielding(f, r).X0()
}

func (s *SMC) fast(f smc.Function, r *smc.Registers) {
	switch f {
	case optee.CallsCount:
		r[0] = callCount
	case optee.CallsUID:
		words(r, optee.CallsUUID())
	case optee.GetOSUUID:
		words(r, s.cfg.UUID)
	case optee.CallsRevision:
		r[0], r[1] = optee.RevisionMajor, optee.RevisionMinor
	case optee.GetOSRevision:
		r[0], r[1], r[2] = uint64(s.cfg.Major), uint64(s.cfg.Minor), uint64(s.cfg.Build)
	case optee.ExchangeCapabilities:
		s.exchange(r)
	case optee.DisableSHMCache:
		// Nothing is cached, so the cache is empty at once.
		r[0] = optee.ReturnENotAvail.X0()
	case optee.EnableSHMCache:
		r[0] = optee.ReturnOK.X0()
	case optee.GetThreadCount:
		r[0], r[1] = optee.ReturnOK.X0(), uint64(s.cfg.Threads)
	case optee.GetProtmemConfig:
		if s.cfg.Static == nil {
			r[0] = optee.ReturnENotAvail.X0()
			return
		}
		pool := s.cfg.Static.Ranges()[0]
		width := s.useCase(uint64(s.cfg.StaticUse)).PAWidth
		r[0], r[1], r[2], r[3] = optee.ReturnOK.X0(), pool.Base, pool.Size, uint64(width)
	case optee.GetSHMConfig, optee.VMCreated, optee.VMDestroyed:
		// There is no reserved shared memory, and no hypervisor interface.
		r[0] = optee.ReturnENotAvail.X0()
	default:
		r[0] = optee.ReturnUnknownFunction.X0()
	}
}

func words(r *smc.Registers, u smc.UUID) {
	for i, w := range u.SMCWords() {
		r[i] = uint64(w)
	}
}

// exchange is EXCHANGE_CAPABILITIES. A static pool is offered instead of dynamic ones, never both.
func (s *SMC) exchange(r *smc.Registers) {
	if r.W(1)&^optee.NormalCapUniprocessor != 0 {
		r[0] = optee.ReturnENotAvail.X0()
		return
	}
	caps := optee.CapDynamicSHM | optee.CapMemrefNull | optee.CapRPCArg
	switch {
	case s.cfg.Static != nil:
		caps |= optee.CapProtmem
	case s.dynamicPools():
		caps |= optee.CapDynamicProtmem
	}
	r[0], r[1], r[2], r[3] = optee.ReturnOK.X0(), uint64(caps), 0, rpcParams
}

func (s *SMC) yielding(f smc.Function, r *smc.Registers) optee.ReturnCode {
	switch f {
	case optee.CallWithArg, optee.CallWithRPCArg:
		return s.withAddress(optee.Pair(r[1], r[2]), f == optee.CallWithRPCArg)
	case optee.CallWithRegdArg:
		return s.withCookie(optee.Pair(r[1], r[2]), uint64(r.W(3)))
	case optee.ReturnFromRPC:
		// No call ever waits for an RPC.
		return optee.ReturnEResume
	}
	return optee.ReturnEBadCmd
}

// withAddress runs a message in a page that the client did not register. The page is registered for the time of the call, so
// that the message cannot give it away.
func (s *SMC) withAddress(pa uint64, withRPC bool) optee.ReturnCode {
	page, err := s.space.Borrow(memory.Range{Base: pa, Size: memory.PageSize})
	if err != nil {
		return optee.ReturnEBadAddr
	}
	code := s.run(page, 0, page.Size(), withRPC)
	if s.space.Reclaim(page) != nil {
		panic("BUG: tee: a borrowed page cannot be returned")
	}
	return code
}

// withCookie runs a message in registered memory.
func (s *SMC) withCookie(cookie, offset uint64) optee.ReturnCode {
	b := s.buffer(cookie)
	if b == nil || b.object.Protected() || offset > b.size {
		return optee.ReturnEBadAddr
	}
	return s.run(b.object, b.start+offset, b.start+b.size, true)
}

func (s *SMC) run(o *memory.Object, off, end uint64, withRPC bool) optee.ReturnCode {
	s.message = o
	st := s.call(s, o, off, end, withRPC)
	s.message = nil
	for i, t := range s.temp {
		if s.space.Reclaim(t) != nil {
			panic("BUG: tee: a temporary buffer cannot be returned")
		}
		s.temp[i] = nil
	}
	s.temp = s.temp[:0]
	switch st {
	case done:
		return optee.ReturnOK
	case badCommand:
		return optee.ReturnEBadCmd
	default:
		return optee.ReturnEBadAddr
	}
}

// buffer gives the registered buffer or pool of a cookie.
func (s *SMC) buffer(cookie uint64) *buffer {
	for i := range s.buffers {
		if b := &s.buffers[i]; b.object != nil && b.cookie == cookie {
			return b
		}
	}
	return nil
}

// vacancy gives a slot for a cookie that is not in use. Zero is what NULL references carry.
func (s *SMC) vacancy(cookie uint64) (*buffer, optee.Result) {
	if cookie == 0 || s.buffer(cookie) != nil {
		return nil, optee.ErrorBadParameters
	}
	for i := range s.buffers {
		if b := &s.buffers[i]; b.object == nil {
			return b, optee.Success
		}
	}
	return nil, optee.ErrorOutOfMemory
}

// command knows the messages about memory.
func (s *SMC) command(a *optee.Arg) (optee.Result, bool) {
	switch a.Cmd {
	case optee.CmdRegisterSHM:
		return s.registerSHM(a), true
	case optee.CmdUnregisterSHM:
		return s.forget(a, false), true
	case optee.CmdLendProtmem, optee.CmdReclaimProtmem:
		switch {
		case !s.dynamicPools():
			return 0, false
		case a.Cmd == optee.CmdLendProtmem:
			return s.lendProtmem(a), true
		}
		return s.forget(a, true), true
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
	b, res := s.gather(m)
	if res != optee.Success {
		return res
	}
	*slot = b
	return optee.Success
}

// gather registers the pages that a list names.
func (s *SMC) gather(m optee.TMem) (buffer, optee.Result) {
	var err error
	limit := s.space.Pages()
	s.pages, err = optee.ReadPageList(s.pages[:0], s.space.ReadNormal, m.BufPtr, m.Size, limit)
	if err != nil {
		return buffer{}, resultOf(err)
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
		return buffer{}, resultOf(err)
	}
	return buffer{m.SHMRef, o, m.BufPtr % optee.PageSize, m.Size}, optee.Success
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
	*slot = buffer{m.SHMRef, o, 0, m.Size}
	return optee.Success
}

// forget is UNREGISTER_SHM and RECLAIM_PROTMEM. The argument of the call at hand cannot be unregistered by it.
func (s *SMC) forget(a *optee.Arg, protected bool) optee.Result {
	if len(a.Params) != 1 || a.Params[0].Attr != optee.AttrRMemInput {
		return optee.ErrorBadParameters
	}
	b := s.buffer(a.Params[0].RMem().SHMRef)
	if b == nil || b.object.Protected() != protected || b.object == s.message {
		return optee.ErrorBadParameters
	}
	if err := s.space.Reclaim(b.object); err != nil {
		return resultOf(err)
	}
	*b = buffer{}
	return optee.Success
}

// memref resolves references: by cookie, by a list of pages for the time of the call, by address into protected memory, and
// NULL.
func (s *SMC) memref(p *optee.Param) (Memref, optee.Result) {
	if p.Attr.IsRMem() {
		m := p.RMem()
		b := s.buffer(m.SHMRef)
		if b == nil {
			return Memref{}, optee.ErrorBadParameters
		}
		if m.Offset > b.size || m.Size > b.size-m.Offset {
			return Memref{}, optee.ErrorSecurity
		}
		return within(b.object, b.start, m.Offset, m.Size)
	}
	m := p.TMem()
	switch {
	case m.BufPtr == 0:
		return Memref{}, optee.Success
	case p.Attr&optee.AttrNonContig != 0:
		b, res := s.gather(m)
		if res != optee.Success {
			return Memref{}, res
		}
		s.temp = append(s.temp, b.object)
		return within(b.object, b.start, 0, m.Size)
	}
	if o := s.cfg.Static; o != nil && inside(o, m) {
		return within(o, 0, m.BufPtr-o.Ranges()[0].Base, m.Size)
	}
	for i := range s.buffers {
		if o := s.buffers[i].object; o != nil && o.Protected() && inside(o, m) {
			return within(o, 0, m.BufPtr-o.Ranges()[0].Base, m.Size)
		}
	}
	return Memref{}, optee.ErrorBadParameters
}

// inside reports whether a reference by address lies in a protected pool, which is one range.
func inside(o *memory.Object, m optee.TMem) bool {
	return o.Ranges()[0].Contains(memory.Range{Base: m.BufPtr, Size: m.Size})
}

// borrowers: over this ABI a pool is not lent to anybody by name.
func (s *SMC) borrowers(list []byte) []byte { return list }

func (s *SMC) dynamicPools() bool { return s.cfg.DynamicPools && s.cfg.Static == nil }

func (s *SMC) overFFA() bool { return false }

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
