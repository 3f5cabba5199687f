package tee

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// SMC is the service behind OP-TEE's own SMC ABI: optee_smc.h.
type SMC struct {
	*Service
	shm     *memory.Object // reserved shared memory, or nil
	buffers []registered
	pages   []uint64       // scratch: the page list at hand
	ranges  []memory.Range // scratch
}

// NewSMC makes the transport over a service. It fails when the reserved shared memory is not the normal world's.
func NewSMC(s *Service) (*SMC, error) {
	x := &SMC{Service: s, buffers: make([]registered, s.cfg.MaxBuffers)}
	if s.cfg.SHM.Size != 0 {
		o, err := s.space.Share([]memory.Range{s.cfg.SHM})
		if err != nil {
			return nil, fmt.Errorf("reserved shared memory: %w", err)
		}
		x.shm = o
	}
	s.transports[abiSMC] = x
	return x, nil
}

// Number of calls that CALLS_COUNT answers. Always there: ten fast calls (COUNT, UID, REVISION, OS_UUID, OS_REVISION, SHM_CONFIG,
// EXCHANGE_CAPABILITIES, DISABLE and ENABLE_SHM_CACHE, THREAD_COUNT), PROTMEM_CONFIG and the four yielding ones.
const (
	callCount       = 15
	notifyCallCount = 2 // ENABLE_ASYNC_NOTIF, GET_ASYNC_NOTIF_VALUE
	rstmemCallCount = 1 // GET_DYN_SDP_CONFIG
)

// Call answers one call of the trusted OS's range. Registers that a call does not return keep their values.
func (s *SMC) Call(r *smc.Registers) {
	f := r.Function()
	if f.Fast() {
		s.fast(f, r)
		return
	}
	s.yielding(f, r)
}

func (s *SMC) fast(f smc.Function, r *smc.Registers) {
	switch f {
	case optee.CallsCount:
		r[0] = callCount
		if s.cfg.NotifyINTID != 0 {
			r[0] += notifyCallCount
		}
		if s.cfg.RSTMEM {
			r[0] += rstmemCallCount
		}
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
		s.disableCache(r)
	case optee.EnableSHMCache:
		r[0] = optee.ReturnEBusy.X0()
		if s.idle() {
			s.caching = true
			r[0] = optee.ReturnOK.X0()
		}
	case optee.GetThreadCount:
		r[0], r[1] = optee.ReturnOK.X0(), uint64(s.cfg.Threads)
	case optee.GetSHMConfig:
		if s.shm == nil {
			r[0] = optee.ReturnENotAvail.X0()
			return
		}
		r[0], r[1], r[2], r[3] = optee.ReturnOK.X0(), s.cfg.SHM.Base, s.cfg.SHM.Size, optee.SHMCached
	case optee.GetProtmemConfig:
		s.staticPool(r)
	case optee.GetDynSDPConfig:
		s.dynamicPool(r)
	case optee.EnableAsyncNotif, optee.GetAsyncNotifValue:
		s.notifications(f, r)
	case optee.VMCreated, optee.VMDestroyed:
		// There is no hypervisor interface.
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

// exchange is EXCHANGE_CAPABILITIES. Carve-outs are offered instead of dynamic pools, never both.
func (s *SMC) exchange(r *smc.Registers) {
	if r.W(1)&^optee.NormalCapUniprocessor != 0 {
		r[0] = optee.ReturnENotAvail.X0()
		return
	}
	caps := optee.CapMemrefNull
	if s.shm != nil {
		caps |= optee.CapReservedSHM
	}
	if !s.cfg.NoDynamicSHM {
		caps |= optee.CapDynamicSHM
	}
	_, pool := s.carveout(0)
	switch {
	case pool != nil:
		caps |= optee.CapProtmem
	case s.dynamicPools():
		caps |= optee.CapDynamicProtmem
	}
	var maxKey, params uint64
	if s.cfg.NotifyINTID != 0 {
		caps |= optee.CapAsyncNotif
		// One more than the largest key: drivers have no room for a key that is equal to what they are told.
		maxKey = waitKeys + uint64(len(s.threads))
	}
	if !s.cfg.NoRPCArg {
		caps |= optee.CapRPCArg
		params = rpcParams
	}
	r[0], r[1], r[2], r[3] = optee.ReturnOK.X0(), uint64(caps), maxKey, params
}

// disableCache is DISABLE_SHM_CACHE: memory that clients keep for RPC arguments goes back piece by piece, until there is none.
func (s *SMC) disableCache(r *smc.Registers) {
	if !s.idle() {
		r[0] = optee.ReturnEBusy.X0()
		return
	}
	for i := range s.threads {
		c := &s.threads[i].cache
		if !c.lent {
			continue
		}
		if c.own {
			s.end(c.object)
		}
		r[0] = optee.ReturnOK.X0()
		r[1], r[2] = optee.Split(c.cookie)
		*c = rpcArg{}
		return
	}
	s.caching = false
	r[0] = optee.ReturnENotAvail.X0()
}

// staticPool is GET_PROTMEM_CONFIG, once called GET_SDP_CONFIG, which said nothing of addresses. A use case in w1 asks for its
// pool; the specification leaves the register unused.
func (s *SMC) staticPool(r *smc.Registers) {
	u, pool := s.carveout(uint64(r.W(1)))
	if pool == nil {
		r[0] = optee.ReturnENotAvail.X0()
		return
	}
	at := pool.Ranges()[0]
	r[0], r[1], r[2] = optee.ReturnOK.X0(), at.Base, at.Size
	if !s.cfg.RSTMEM {
		r[3] = uint64(u.PAWidth)
	}
}

// dynamicPool is GET_DYN_SDP_CONFIG of the 2024 proposal: size and alignment of a pool for video.
func (s *SMC) dynamicPool(r *smc.Registers) {
	u := s.useCase(uint64(optee.UseCaseSecureVideoPlay))
	switch {
	case !s.cfg.RSTMEM:
		r[0] = optee.ReturnUnknownFunction.X0()
	case !s.dynamicPools() || u == nil:
		r[0] = optee.ReturnENotAvail.X0()
	default:
		r[0], r[1], r[2] = optee.ReturnOK.X0(), u.MinSize, u.Align
	}
}

// notifications is ENABLE_ASYNC_NOTIF and GET_ASYNC_NOTIF_VALUE.
func (s *SMC) notifications(f smc.Function, r *smc.Registers) {
	switch {
	case s.cfg.NotifyINTID == 0:
		r[0] = optee.ReturnUnknownFunction.X0()
	case f == optee.EnableAsyncNotif:
		s.startNotifications(abiSMC)
		r[0] = optee.ReturnOK.X0()
	default:
		key, ok, more := s.notif[abiSMC].next()
		flags := uint32(0)
		if ok {
			flags |= optee.AsyncNotifValid
		}
		if more {
			flags |= optee.AsyncNotifPending
		}
		r[0], r[1], r[2] = optee.ReturnOK.X0(), uint64(key), uint64(flags)
	}
}

// signal makes the interrupt pending: it is triggered by its edge.
func (s *SMC) signal() bool {
	s.host.SetSPI(s.cfg.NotifyINTID, true)
	s.host.SetSPI(s.cfg.NotifyINTID, false)
	return true
}

// carveoutHandle is 0: references name carve-outs by their address.
func (s *SMC) carveoutHandle(int) uint64 { return 0 }

func (s *SMC) yielding(f smc.Function, r *smc.Registers) {
	if f == optee.ReturnFromRPC {
		t := s.resumable(abiSMC, ffa.NonSecurePhysical, r.W(3))
		if t == nil {
			r[0] = optee.ReturnEResume.X0()
			return
		}
		s.reply(r, t, s.resume(t, optee.Pair(r[1], r[2]), optee.Pair(r[4], r[5])))
		return
	}
	t := s.vacant()
	if t == nil {
		// All of them wait for the normal world, so there are calls that will end.
		r[0] = optee.ReturnEThreadLimit.X0()
		return
	}
	switch f {
	case optee.CallWithArg, optee.CallWithRPCArg:
		s.reply(r, t, s.withAddress(t, optee.Pair(r[1], r[2]), f == optee.CallWithRPCArg))
	case optee.CallWithRegdArg:
		s.reply(r, t, s.withCookie(t, optee.Pair(r[1], r[2]), uint64(r.W(3))))
	default:
		r[0] = optee.ReturnEBadCmd.X0()
	}
}

// reply puts what became of a call into registers.
func (s *SMC) reply(r *smc.Registers, t *thread, st status) {
	switch st {
	case done:
		r[0] = optee.ReturnOK.X0()
		return
	case badCommand:
		r[0] = optee.ReturnEBadCmd.X0()
		return
	case badAddress:
		r[0] = optee.ReturnEBadAddr.X0()
		return
	}
	r[1], r[2] = optee.Split(t.rpc.cookie)
	r[3] = uint64(t.ticket)
	f := optee.RPCCmd
	switch t.await {
	case awaitArgument:
		f = optee.RPCAlloc
		r[1], r[2] = optee.ArgSize(rpcParams), 0
	case awaitFree:
		f = optee.RPCFree
	case awaitInterrupt:
		f = optee.RPCForeignIntr
	}
	r[0] = optee.ReturnRPC(f).X0()
}

// withAddress runs a message in reserved shared memory, or in a page that the client did not register. That page is registered for
// the time of the call, so that the message cannot give it away.
func (s *SMC) withAddress(t *thread, pa uint64, withRPC bool) status {
	if o, off := s.reserved(pa, optee.ArgHeaderSize); o != nil {
		return s.start(abiSMC, ffa.NonSecurePhysical, t, o, off, o.Size(), withRPC, false)
	}
	if s.cfg.NoDynamicSHM {
		return badAddress
	}
	page, err := s.space.Borrow(memory.Range{Base: pa, Size: memory.PageSize})
	if err != nil {
		return badAddress
	}
	return s.start(abiSMC, ffa.NonSecurePhysical, t, page, 0, page.Size(), withRPC, true)
}

// withCookie runs a message in registered memory.
func (s *SMC) withCookie(t *thread, cookie, offset uint64) status {
	b := s.registered(cookie)
	if b == nil || b.object.Protected() || offset > b.size {
		return badAddress
	}
	return s.start(abiSMC, ffa.NonSecurePhysical, t, b.object, b.start+offset, b.start+b.size, true, false)
}
