package optee

import (
	"errors"
	"fmt"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// ffaABI is OP-TEE as a secure partition (optee_ffa.h).
type ffaABI struct {
	d      *Driver
	bus    *armffa.Bus
	part   ffa.EndpointID
	notif  uint32
	bound  bool
	ranges []ffa.Constituent
}

// service makes a blocking service call.
func (f *ffaABI) service(s optee.Service, w4, w5 uint64) ([5]uint64, error) {
	return f.bus.Direct(f.part, [5]uint64{uint64(s), w4, w5})
}

func (f *ffaABI) probe() error {
	d := f.d
	p, err := f.bus.Partition(ffa.UUID(optee.OSUUID()))
	if err != nil {
		return fmt.Errorf("no OP-TEE partition: %w", err)
	}
	f.part = p.ID
	out, err := f.service(optee.FFAGetAPIVersion, 0, 0)
	if err != nil {
		return fmt.Errorf("GET_API_VERSION: %w", ffaErrno(err))
	}
	if out[0] != optee.FFAVersionMajor {
		return fmt.Errorf("API version %d.%d: %w", out[0], out[1], normalworld.EINVAL)
	}
	if out, err = f.service(optee.FFAGetOSVersion, 0, 0); err != nil {
		return fmt.Errorf("GET_OS_VERSION: %w", ffaErrno(err))
	}
	d.major, d.minor, d.build = uint32(out[0]), uint32(out[1]), uint32(out[2])
	if out, err = f.service(optee.FFAExchangeCapabilities, 0, 0); err != nil {
		return fmt.Errorf("EXCHANGE_CAPABILITIES: %w", ffaErrno(err))
	}
	if out[0] != 0 {
		return fmt.Errorf("EXCHANGE_CAPABILITIES: %#x: %w", out[0], normalworld.EINVAL)
	}
	d.rpcParams = uint32(out[1] & 0xFF)
	if d.rpcParams == 0 || optee.ArgSize(maxParams)+optee.ArgSize(d.rpcParams) > page {
		return fmt.Errorf("%d parameters of an RPC: %w", d.rpcParams, normalworld.EINVAL)
	}
	caps := optee.FFACapabilities(uint32(out[2]))
	d.shared = caps&optee.FFACapArgOffset != 0
	d.dynamic, d.memrefNull = true, true
	d.protmem = caps&optee.FFACapProtmem != 0
	if caps&optee.FFACapAsyncNotif != 0 && f.bus.Notifications() {
		f.startNotifications()
	}
	return nil
}

// startNotifications binds the notification that asks for the bottom half. Without one the driver works as well.
func (f *ffaABI) startNotifications() {
	id, err := f.bus.Bind(f.part, f)
	if err != nil {
		return
	}
	f.notif, f.bound = id, true
	if out, err := f.service(optee.FFAEnableAsyncNotif, uint64(id), 0); err != nil || int32(uint32(out[0])) < 0 {
		f.stop()
		return
	}
	f.d.async = true
}

func (f *ffaABI) ready() error { return nil }

func (f *ffaABI) stop() {
	if f.bound {
		f.bus.Unbind(f.notif)
		f.bound, f.d.async = false, false
	}
}

func (f *ffaABI) poll() { f.bus.Poll() }

// Notified is documented at armffa.Handler.
func (f *ffaABI) Notified(id uint32) {
	if id == f.notif {
		f.d.bottomHalf()
	} else {
		f.d.notif.send(id)
	}
}

func (f *ffaABI) begin(c *call) {
	h := c.page.shm.SecWorldID
	c.regs = [6]uint64{uint64(optee.FFAYieldingCallWithArg), h & 0xFFFF_FFFF, h >> 32, c.offset}
}

func (f *ffaABI) resume(c *call, _, _ uint64) {
	c.regs = [6]uint64{uint64(optee.FFAYieldingCallResume), 0, 0, 0, c.ticket}
}

func (f *ffaABI) enter(c *call) event {
	out, err := f.bus.Direct(f.part, [5]uint64(c.regs[:5]))
	var code ffa.Error
	switch {
	case errors.As(err, &code):
		return event{err: fmt.Errorf("the secure world answers %w", ffaErrno(err))}
	case err != nil:
		return event{err: errors.Join(errUnknown, err)}
	}
	switch res := optee.Result(uint32(out[0])); res {
	case optee.Success:
	case optee.ErrorBusy:
		return event{kind: evBusy}
	default:
		switch {
		case res < optee.ErrorGeneric:
			return event{err: errUnknown}
		case res == optee.ErrorBadParameters && c.resumed:
			return event{err: errors.Join(errTicket, normalworld.EIO)}
		}
		return event{err: fmt.Errorf("the secure world answers %v: %w", res, normalworld.EIO)}
	}
	e := event{ticket: out[4]}
	switch optee.YieldKind(uint32(out[1])) {
	case optee.YieldDone:
		e.kind = evDone
	case optee.YieldRPCCmd:
		e.kind = evRPC
	case optee.YieldInterrupt:
		e.kind = evInterrupt
	default:
		e.err = errUnknown
	}
	return e
}

// toMessage is documented at backend (optee_ffa_to_msg_param).
func (f *ffaABI) toMessage(p *tee.Param) optee.Param {
	attr := optee.AttrFMemInput&^3 | optee.Attr(p.Attr&3)
	if p.SHM == nil {
		return optee.FMemParam(attr, optee.FMem{Size: p.Size, GlobalID: optee.NullGlobalID})
	}
	at, off := p.SHM.Parent()
	return optee.FMemParam(attr, optee.FMem{Offset: off + p.Offset, InternalOffset: uint16(at.Offset()), Size: p.Size, GlobalID: at.SecWorldID})
}

// fromMessage is documented at backend.
func (f *ffaABI) fromMessage(p *optee.Param) (*tee.SHM, uint64, error) {
	if !p.Attr.IsFMem() {
		return nil, 0, errAnswer
	}
	m := p.FMem()
	if m.GlobalID == optee.NullGlobalID {
		return nil, 0, nil
	}
	if at := f.d.byID[m.GlobalID]; at != nil && m.GlobalID != 0 {
		return at, m.Offset, nil
	}
	return nil, 0, errAnswer
}

// constituents are the ranges of a memory's pages.
func (f *ffaABI) constituents(s *tee.SHM) []ffa.Constituent {
	f.ranges = f.ranges[:0]
	for _, pa := range s.Pages() {
		if n := len(f.ranges); n > 0 && f.ranges[n-1].End() == pa {
			f.ranges[n-1].Pages++
		} else {
			f.ranges = append(f.ranges, ffa.Constituent{Address: pa, Pages: 1})
		}
	}
	return f.ranges
}

// took judges what a send brought. A handle that is another memory's is no answer.
func (f *ffaABI) took(s *tee.SHM, h ffa.Handle, err error) error {
	switch {
	case err == nil && f.d.byID[uint64(h)] == nil:
		s.SecWorldID = uint64(h)
		return nil
	case err == nil:
		return errUnknown
	case errors.Is(err, armffa.ErrReply):
		return errors.Join(errUnknown, err)
	}
	return ffaErrno(err)
}

// register is FFA_MEM_SHARE.
func (f *ffaABI) register(s *tee.SHM) error {
	h, err := f.bus.Share(f.constituents(s), armffa.Receiver{ID: f.part, Permissions: ffa.DataRW})
	return f.took(s, h, err)
}

// unregister has the partition give up its reference, and then takes the memory back.
func (f *ffaABI) unregister(s *tee.SHM) error { return f.drop(optee.FFAUnregisterSHM, s) }

func (f *ffaABI) drop(what optee.Service, s *tee.SHM) error {
	// What the partition answers does not matter: whether it has given the memory up is for the SPMC to judge.
	f.service(what, s.SecWorldID&0xFFFF_FFFF, s.SecWorldID>>32)
	return f.bus.Reclaim(ffa.Handle(s.SecWorldID))
}

// lend is FFA_MEM_LEND and ASSIGN_PROTMEM.
func (f *ffaABI) lend(s *tee.SHM, c *ProtmemConfig) error {
	h, err := f.bus.Lend(f.constituents(s), uint64(c.UseCase), c.Receivers...)
	if err = f.took(s, h, err); err != nil {
		return err
	}
	d := f.d
	m, err := d.newCall(d.ctx, optee.CmdAssignProtmem)
	if err == nil {
		m.arg.Params = append(m.arg.Params, optee.ValueParam(optee.AttrValueInput, uint64(h), uint64(c.UseCase), 0))
		err = d.run(m)
		if err == nil && m.arg.Ret != optee.Success {
			err = fmt.Errorf("ASSIGN_PROTMEM: %v: %w", m.arg.Ret, normalworld.EINVAL)
		}
		m.done()
	}
	if err == nil {
		return nil
	}
	// Without an answer the partition may have the memory, and has to give it up first: settle sees to that.
	if errors.Is(err, errUnknown) || f.bus.Reclaim(h) != nil {
		return errors.Join(errUnknown, err)
	}
	s.SecWorldID = 0
	return err
}

func (f *ffaABI) reclaim(s *tee.SHM) error { return f.drop(optee.FFAReleaseProtmem, s) }

// settle is documented at backend.
func (f *ffaABI) settle(s *tee.SHM) bool {
	if s.SecWorldID != 0 {
		what := optee.FFAUnregisterSHM
		if s.Flags()&tee.SHMDMAMem != 0 {
			what = optee.FFAReleaseProtmem
		}
		if f.drop(what, s) == nil {
			return true
		}
	}
	return f.bus.Owned(f.constituents(s), f.part)
}

// replyAlloc is documented at backend.
func (f *ffaABI) replyAlloc(_ *call, p *optee.Param, s *tee.SHM) error {
	*p = optee.FMemParam(optee.AttrFMemOutput, optee.FMem{InternalOffset: uint16(s.Offset()), Size: s.Size(), GlobalID: s.SecWorldID})
	return nil
}

// staticPool: this ABI has no carve-outs.
func (f *ffaABI) staticPool(optee.UseCase) (base, size uint64, err error) {
	return 0, 0, normalworld.EOPNOTSUPP
}

// ffaErrno is ffa_to_linux_errno of drivers/firmware/arm_ffa/driver.c.
func ffaErrno(err error) error {
	var code ffa.Error
	if !errors.As(err, &code) {
		return toErrno(err)
	}
	var e normalworld.Errno
	switch code {
	case ffa.NotSupported:
		e = normalworld.EOPNOTSUPP
	case ffa.NoMemory:
		e = normalworld.ENOMEM
	case ffa.Busy:
		e = normalworld.EBUSY
	case ffa.Interrupted:
		e = normalworld.EINTR
	case ffa.Denied:
		e = normalworld.EACCES
	case ffa.Retry, ffa.NotReady:
		e = normalworld.EAGAIN
	case ffa.Aborted:
		e = normalworld.ECANCELED
	case ffa.NoData:
		e = normalworld.ENODATA
	default:
		e = normalworld.EINVAL
	}
	return fmt.Errorf("%w: %w", e, code)
}
