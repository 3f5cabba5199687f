package optee

import (
	"errors"
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Bounds on loops that the secure world ends.
const (
	maxCache      = 1024 // pieces of memory that it gives back when it is told to keep none
	maxNotifBatch = 1024 // notifications for one interrupt
)

// smcABI is OP-TEE's own SMC ABI (optee_smc.h).
type smcABI struct {
	d       *Driver
	caps    optee.Capabilities
	caching bool
	list    []byte
}

// fast makes a fast call.
func (s *smcABI) fast(f smc.Function, args ...uint64) firmware.Registers {
	r := firmware.Registers{0: uint64(f)}
	copy(r[1:8], args)
	s.d.k.SMC(&r)
	return r
}

func (s *smcABI) probe() error {
	d := s.d
	r := s.fast(optee.CallsUID)
	for i, w := range optee.CallsUUID().SMCWords() {
		if r[i] != uint64(w) {
			return fmt.Errorf("no OP-TEE answers CALLS_UID: %w", normalworld.ENODEV)
		}
	}
	if r = s.fast(optee.CallsRevision); r[0] != optee.RevisionMajor || int32(uint32(r[1])) < 0 {
		return fmt.Errorf("revision %d.%d: %w", uint32(r[0]), uint32(r[1]), normalworld.EINVAL)
	}
	s.fast(optee.GetThreadCount)
	if r = s.fast(optee.ExchangeCapabilities, 0); r[0] != uint64(optee.ReturnOK) {
		return fmt.Errorf("EXCHANGE_CAPABILITIES: %v: %w", optee.ReturnCode(uint32(r[0])), normalworld.EINVAL)
	}
	s.caps = optee.Capabilities(uint32(r[1]))
	has := func(c optee.Capabilities) bool { return s.caps&c != 0 }
	if has(optee.CapRPCArg) {
		d.rpcParams = uint32(r[3] & 0xFF)
		if optee.ArgSize(maxParams)+optee.ArgSize(d.rpcParams) > page {
			return fmt.Errorf("%d parameters of an RPC: %w", d.rpcParams, normalworld.EINVAL)
		}
	}
	if n := uint32(r[2]); has(optee.CapAsyncNotif) && n != 0 {
		d.notif.max = min(n, 1<<16) - 1
	}
	d.memrefNull = has(optee.CapMemrefNull)
	d.static, d.protmem = has(optee.CapProtmem), has(optee.CapDynamicProtmem)
	switch {
	case has(optee.CapDynamicSHM):
		d.dynamic = true
		// A page that is registered can hold several messages; without room for an RPC argument they go by their address.
		d.shared, d.reserved = d.rpcParams != 0, d.rpcParams == 0
	case has(optee.CapReservedSHM):
		d.shared, d.reserved = true, true
		if err := s.reservedPool(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no shared memory: %w", normalworld.EINVAL)
	}
	r = s.fast(optee.GetOSRevision)
	d.major, d.minor, d.build = uint32(r[0]), uint32(r[1]), uint32(r[2])
	if has(optee.CapAsyncNotif) {
		if d.cfg.Interrupt == 0 {
			return fmt.Errorf("no interrupt for notifications: %w", normalworld.EINVAL)
		}
		if err := d.k.SetEdge(d.cfg.Interrupt, true); err != nil {
			return err
		}
		d.async = s.fast(optee.EnableAsyncNotif)[0] == uint64(optee.ReturnOK)
	}
	return nil
}

// reservedPool takes the memory that the secure world has shared from the start.
func (s *smcABI) reservedPool() error {
	r := s.fast(optee.GetSHMConfig)
	if r[0] != uint64(optee.ReturnOK) || r[3] != optee.SHMCached {
		return fmt.Errorf("GET_SHM_CONFIG: %w", normalworld.EINVAL)
	}
	base, size := (r[1]+page-1)&^(page-1), r[2]
	end := (r[1] + size) &^ (page - 1)
	if r[1]+size < r[1] || size > 1<<32 || end <= base || !s.d.k.IsRAM(base) || !s.d.k.IsRAM(end-page) || !s.d.mayReserve(base, end-base) {
		return fmt.Errorf("reserved shared memory at %#x, %#x bytes: %w", r[1], size, normalworld.EINVAL)
	}
	var err error
	s.d.pool, err = mem.NewPool(mem.Range{Base: base, Size: end - base})
	return err
}

// ready ends the probe: nothing that an earlier driver left is used, and the secure world keeps RPC arguments where these have no
// other place.
func (s *smcABI) ready() error {
	if err := s.emptyCache(); err != nil {
		return err
	}
	if s.d.rpcParams == 0 {
		s.caching = s.fast(optee.EnableSHMCache)[0] == uint64(optee.ReturnOK)
	}
	return nil
}

func (s *smcABI) emptyCache() error {
	tries := 0
	for range maxCache {
		r := s.fast(optee.DisableSHMCache)
		switch optee.ReturnCode(uint32(r[0])) {
		case optee.ReturnENotAvail:
			return nil
		case optee.ReturnOK:
			s.d.freeAlloc(optee.Pair(r[1], r[2]))
		default:
			if tries++; tries < resumeTries {
				continue
			}
			return fmt.Errorf("DISABLE_SHM_CACHE: %v: %w", optee.ReturnCode(uint32(r[0])), normalworld.EIO)
		}
	}
	return fmt.Errorf("DISABLE_SHM_CACHE has no end: %w", normalworld.EIO)
}

func (s *smcABI) stop() {
	if s.caching {
		s.emptyCache()
		s.caching = false
	}
	if s.d.async {
		s.d.simple(optee.CmdStopAsyncNotif)
		s.d.async = false
	}
}

// poll takes the interrupt of notifications: value 0 asks for the bottom half, others wake who waits for them.
func (s *smcABI) poll() {
	d := s.d
	if !d.async {
		return
	}
	if pending, err := d.k.Pending(d.cfg.Interrupt); err != nil || !pending {
		return
	}
	if d.k.Acknowledge(d.cfg.Interrupt) != nil {
		return
	}
	bottom := false
	for range maxNotifBatch {
		r := s.fast(optee.GetAsyncNotifValue)
		if r[0] != uint64(optee.ReturnOK) || uint32(r[2])&optee.AsyncNotifValid == 0 {
			break
		}
		if value := uint32(r[1]); value == optee.AsyncNotifBottomHalf {
			bottom = true
		} else {
			d.notif.send(value)
		}
		if uint32(r[2])&optee.AsyncNotifPending == 0 {
			break
		}
	}
	if bottom {
		d.bottomHalf()
	}
}

// begin is documented at backend: registered memory is named by its cookie, other memory by its address.
func (s *smcABI) begin(c *call) {
	d := s.d
	if c.page != nil && d.rpcParams != 0 && c.page.shm.Flags()&tee.SHMDynamic != 0 {
		hi, lo := optee.Split(c.page.shm.SecWorldID)
		c.regs = [6]uint64{uint64(optee.CallWithRegdArg), hi, lo, c.offset}
		return
	}
	pa := c.pa
	if c.page != nil {
		pa = c.page.shm.Pages()[0] + c.offset
	}
	f := optee.CallWithArg
	if d.rpcParams != 0 {
		f = optee.CallWithRPCArg
	}
	hi, lo := optee.Split(pa)
	c.regs = [6]uint64{uint64(f), hi, lo}
}

func (s *smcABI) resume(c *call, v1, v2 uint64) {
	h1, l1 := optee.Split(v1)
	h2, l2 := optee.Split(v2)
	c.regs = [6]uint64{uint64(optee.ReturnFromRPC), h1, l1, c.ticket, h2, l2}
}

func (s *smcABI) enter(c *call) event {
	r := &c.out
	*r = firmware.Registers{}
	copy(r[:], c.regs[:])
	s.d.k.SMC(r)
	code := optee.ReturnCode(uint32(r[0]))
	if r[0]>>32 != 0 {
		return event{err: errUnknown}
	}
	if f, ok := code.RPC(); ok {
		e := event{kind: evInterrupt, ticket: uint64(uint32(r[3])), value: optee.Pair(r[1], r[2])}
		switch f {
		case optee.RPCAlloc:
			e.kind, e.value = evAlloc, r[1]
		case optee.RPCFree:
			e.kind = evFree
		case optee.RPCCmd:
			e.kind = evRPC
		}
		return e
	}
	switch code {
	case optee.ReturnOK:
		return event{kind: evDone}
	case optee.ReturnEThreadLimit:
		return event{kind: evBusy}
	case optee.ReturnEResume:
		return event{err: errors.Join(errTicket, normalworld.EIO)}
	case optee.ReturnEBusy, optee.ReturnEBadAddr, optee.ReturnEBadCmd, optee.ReturnENoMem, optee.ReturnENotAvail:
		return event{err: fmt.Errorf("the secure world answers %v: %w", code, normalworld.EIO)}
	}
	return event{err: errUnknown}
}

// toMessage is documented at backend (optee_to_msg_param of smc_abi.c).
func (s *smcABI) toMessage(p *tee.Param) optee.Param {
	kind := optee.Attr(p.Attr & 3)
	if p.SHM == nil {
		return optee.TMemParam(optee.AttrTMemInput&^3|kind, optee.TMem{Size: p.Size})
	}
	at, off := p.SHM.Parent()
	off += p.Offset
	if at.Flags()&tee.SHMDynamic != 0 && at.SecWorldID != 0 {
		return optee.RMemParam(optee.AttrRMemInput&^3|kind, optee.RMem{Offset: off, Size: p.Size, SHMRef: at.SecWorldID})
	}
	if at.SecWorldID == 0 {
		at.SecWorldID = s.d.cookie() // a name, which is not registered
		s.d.byID[at.SecWorldID] = at
	}
	return optee.TMemParam(optee.AttrTMemInput&^3|kind, optee.TMem{BufPtr: at.Pages()[0] + at.Offset() + off, Size: p.Size, SHMRef: at.SecWorldID})
}

// fromMessage is documented at backend.
func (s *smcABI) fromMessage(p *optee.Param) (*tee.SHM, uint64, error) {
	if p.Attr.IsRMem() {
		m := p.RMem()
		if m.SHMRef == 0 {
			return nil, 0, nil
		}
		if at := s.d.byID[m.SHMRef]; at != nil {
			return at, m.Offset, nil
		}
		return nil, 0, errAnswer
	}
	m := p.TMem()
	if m.BufPtr == 0 && m.SHMRef == 0 {
		return nil, 0, nil
	}
	at := s.d.byID[m.SHMRef]
	if at == nil || len(at.Pages()) == 0 || m.BufPtr < at.Pages()[0]+at.Offset() {
		return nil, 0, errAnswer
	}
	return at, m.BufPtr - at.Pages()[0] - at.Offset(), nil
}

// memoryCall sends a message about memory. It goes by address: a message in registered memory would need memory itself.
func (s *smcABI) memoryCall(cmd optee.Command, p ...optee.Param) (optee.Result, error) {
	d := s.d
	pa, err := d.takePage()
	if err != nil {
		return 0, err
	}
	c := d.blankCall(d.ctx, cmd)
	c.pa, c.nowait = pa, true
	c.arg.Params = append(c.arg.Params, p...)
	defer c.done()
	if err = d.run(c); err != nil {
		return 0, err
	}
	return c.arg.Ret, nil
}

// listOf writes the list of a memory's pages, and gives what names it.
func (s *smcABI) listOf(shm *tee.SHM) (m optee.TMem, run pageRun, err error) {
	pages := shm.Pages()
	run.n = uint64(len(pages)+optee.PageListEntries-1) / optee.PageListEntries
	if run.pa, err = s.d.sub.AllocPages(run.n); err != nil {
		return m, run, err
	}
	s.list = optee.AppendPageList(s.list[:0], run.pa, pages)
	if err = s.d.k.Write(run.pa, s.list); err != nil {
		s.d.sub.FreePages(run.pa, run.n)
		return m, run, err
	}
	return optee.TMem{BufPtr: run.pa | shm.Offset(), Size: shm.Size(), SHMRef: shm.SecWorldID}, run, nil
}

// register is REGISTER_SHM with the list of pages.
func (s *smcABI) register(shm *tee.SHM) error {
	d := s.d
	shm.SecWorldID = d.cookie()
	m, run, err := s.listOf(shm)
	if err == nil {
		var res optee.Result
		res, err = s.memoryCall(optee.CmdRegisterSHM, optee.TMemParam(optee.AttrSHMPageList, m))
		d.sub.FreePages(run.pa, run.n)
		if err == nil && res != optee.Success {
			err = fmt.Errorf("REGISTER_SHM: %v: %w", res, normalworld.EINVAL)
		}
	}
	if err != nil && !errors.Is(err, errUnknown) {
		shm.SecWorldID = 0
	}
	return err
}

func (s *smcABI) unregister(shm *tee.SHM) error {
	return s.drop(optee.CmdUnregisterSHM, shm)
}

func (s *smcABI) drop(cmd optee.Command, shm *tee.SHM) error {
	res, err := s.memoryCall(cmd, optee.RMemParam(optee.AttrRMemInput, optee.RMem{SHMRef: shm.SecWorldID}))
	if err == nil && res != optee.Success {
		err = fmt.Errorf("%v: %w", cmd, res)
	}
	return err
}

// settle is documented at backend: a cookie that the secure world does not know is as good as one that it gives up.
func (s *smcABI) settle(shm *tee.SHM) bool {
	cmd := optee.CmdUnregisterSHM
	if shm.Flags()&tee.SHMDMAMem != 0 {
		cmd = optee.CmdReclaimProtmem
	}
	err := s.drop(cmd, shm)
	return err == nil || errors.Is(err, optee.ErrorBadParameters)
}

// lend is LEND_PROTMEM. The 2024 proposal lends for video whatever the memory is for.
func (s *smcABI) lend(shm *tee.SHM, c *ProtmemConfig) error {
	shm.SecWorldID = s.d.cookie()
	use := uint64(c.UseCase)
	if s.d.cfg.RSTMEM {
		use = uint64(optee.UseCaseSecureVideoPlay)
	}
	res, err := s.memoryCall(optee.CmdLendProtmem, optee.ValueParam(optee.AttrValueInput, use, 0, 0),
		optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: shm.Pages()[0], Size: shm.Size(), SHMRef: shm.SecWorldID}))
	if err == nil && res != optee.Success {
		err = fmt.Errorf("LEND_PROTMEM: %v: %w", res, lendErrno(res))
	}
	return err
}

// lendErrno tells a lack of room from a mistake.
func lendErrno(res optee.Result) normalworld.Errno {
	if res == optee.ErrorOutOfMemory {
		return normalworld.ENOMEM
	}
	return normalworld.EINVAL
}

func (s *smcABI) reclaim(shm *tee.SHM) error { return s.drop(optee.CmdReclaimProtmem, shm) }

// replyAlloc is documented at backend: a list of pages, which lives until the call ends, or an address.
func (s *smcABI) replyAlloc(c *call, p *optee.Param, shm *tee.SHM) error {
	if s.d.pool != nil {
		*p = optee.TMemParam(optee.AttrTMemOutput, optee.TMem{BufPtr: shm.Pages()[0] + shm.Offset(), Size: shm.Size(), SHMRef: shm.SecWorldID})
		return nil
	}
	m, run, err := s.listOf(shm)
	if err != nil {
		return err
	}
	c.lists = append(c.lists, run)
	*p = optee.TMemParam(optee.AttrSHMPageList, m)
	return nil
}

// staticPool is GET_PROTMEM_CONFIG. The use case stands in a register that the specification leaves unused.
func (s *smcABI) staticPool(u optee.UseCase) (base, size uint64, err error) {
	r := s.fast(optee.GetProtmemConfig, uint64(u))
	if r[0] != uint64(optee.ReturnOK) {
		return 0, 0, fmt.Errorf("GET_PROTMEM_CONFIG: %v: %w", optee.ReturnCode(uint32(r[0])), normalworld.EINVAL)
	}
	if width := r[3]; !s.d.cfg.RSTMEM && (width == 0 || width > 64) {
		return 0, 0, normalworld.EIO // dma_set_mask
	}
	return r[1], r[2], nil
}
