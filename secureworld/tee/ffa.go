package tee

import (
	"gatehouse/ffa"
	"gatehouse/platform/event"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/trace"
	"gatehouse/smc/optee"
)

// FFA is the service as a secure partition: optee_ffa.h.
type FFA struct {
	*Service
	spmc spmc.Services

	// Who enabled asynchronous notifications, and the notification that asks for the bottom half.
	client     ffa.EndpointID
	bottomHalf uint32

	handles []ffa.Handle // of the carve-outs, 0 where there is none
}

var _ spmc.Partition = (*FFA)(nil)

// NewFFA makes the transport over a service.
func NewFFA(s *Service) *FFA {
	f := &FFA{Service: s, handles: make([]ffa.Handle, len(s.carveouts))}
	s.transports[abiFFA] = f
	return f
}

// Start is documented at spmc.Partition. Carve-outs become memory that the normal world lent before it began.
func (f *FFA) Start(s spmc.Services) {
	f.spmc = s
	for i, o := range f.carveouts {
		if o != nil {
			f.handles[i] = s.Hold(o, uint64(f.cfg.UseCases[i].ID))
		}
	}
}

func (f *FFA) carveoutHandle(i int) uint64 { return uint64(f.handles[i]) }

// Direct2 refuses: the service speaks direct messages of the first kind.
func (f *FFA) Direct2(ffa.EndpointID, ffa.UUID, [14]uint64) ([14]uint64, error) {
	return [14]uint64{}, ffa.Denied
}

// Offer takes shares with read and write permission, and lends of one contiguous range to a use case, which is the tag: from the
// normal world only, since clients name memory by its handle.
func (f *FFA) Offer(o *spmc.Offer) (memory.Access, error) {
	if o.Sender.Secure() {
		return memory.Access{}, ffa.Denied
	}
	if o.Permissions.Data() != ffa.DataRW && o.Kind != ffa.Donate {
		return memory.Access{}, ffa.InvalidParameters
	}
	switch o.Kind {
	case ffa.Share:
		return memory.Access{}, nil
	case ffa.Lend:
		if !f.dynamicPools() {
			return memory.Access{}, ffa.Denied
		}
		all := o.Ranges[0]
		for _, r := range o.Ranges[1:] {
			if r.Base != all.End() {
				return memory.Access{}, ffa.InvalidParameters
			}
			all.Size += r.Size
		}
		u, err := f.pool(o.Tag, all)
		if err != nil {
			return memory.Access{}, ffa.InvalidParameters
		}
		return u.Access, nil
	}
	return memory.Access{}, ffa.Denied
}

// Direct answers one service call, of a client in the normal world. Results are 32-bit words whatever the width of the request.
func (f *FFA) Direct(source ffa.EndpointID, payload [5]uint64) ([5]uint64, error) {
	if source.Secure() {
		return [5]uint64{}, ffa.InvalidParameters
	}
	q := optee.ParseRequest(&payload)
	if !f.log.On(event.OPTEE) {
		return f.serve(source, q), nil
	}
	name, fields := optee.DescribeRequest(&payload)
	f.log.Begin(event.OPTEE, "optee", name)
	reply := f.serve(source, q)
	_, results := optee.DescribeResponse(optee.Service(payload[0]), &reply)
	f.log.End(event.OPTEE, "optee", name, trace.Reply(trace.Call(nil, fields), "", results)...)
	return reply, nil
}

func (f *FFA) serve(source ffa.EndpointID, q optee.Request) [5]uint64 {
	switch q.Service {
	case optee.FFAGetAPIVersion:
		return [5]uint64{optee.FFAVersionMajor, optee.FFAVersionMinor}
	case optee.FFAGetOSVersion:
		return [5]uint64{uint64(f.cfg.Major), uint64(f.cfg.Minor), uint64(f.cfg.Build)}
	case optee.FFAExchangeCapabilities:
		caps := optee.FFACapArgOffset
		if f.dynamicPools() {
			caps |= optee.FFACapProtmem
		}
		if f.cfg.NotifyINTID != 0 {
			caps |= optee.FFACapAsyncNotif
		}
		return [5]uint64{0, rpcParams, uint64(caps)}
	case optee.FFAUnregisterSHM:
		return [5]uint64{f.drop(source, q.Handle, ffa.Share)}
	case optee.FFAReleaseProtmem:
		return [5]uint64{f.drop(source, q.Handle, ffa.Lend)}
	case optee.FFAEnableAsyncNotif:
		if f.cfg.NotifyINTID != 0 && q.Notif < optee.FFAMaxAsyncNotif {
			f.client, f.bottomHalf = source, q.Notif
			f.startNotifications(abiFFA)
			return [5]uint64{}
		}
	case optee.FFAYieldingCallWithArg:
		return f.withArg(source, q)
	case optee.FFAYieldingCallResume:
		if t := f.resumable(abiFFA, source, q.Resume); t != nil {
			return f.reply(t, f.resume(t, 0, 0))
		}
	}
	return [5]uint64{uint64(optee.ErrorBadParameters)}
}

// withArg is YIELDING_CALL_WITH_ARG.
func (f *FFA) withArg(source ffa.EndpointID, q optee.Request) [5]uint64 {
	t := f.vacant()
	if t == nil {
		// All of them wait for the normal world, so there are calls that will end.
		return optee.YieldReply(optee.ErrorBusy, 0, 0)
	}
	o, ok := f.share(source, q.Handle)
	if !ok {
		return optee.YieldReply(optee.ErrorBadParameters, 0, 0)
	}
	return f.reply(t, f.start(abiFFA, source, t, o, uint64(q.Offset), o.Size(), true, false))
}

// reply is the answer to a yielding call.
func (f *FFA) reply(t *thread, st status) [5]uint64 {
	switch {
	case st == done:
		return optee.YieldReply(optee.Success, optee.YieldDone, 0)
	case st == badCommand:
		return optee.YieldReply(optee.ErrorNotImplemented, 0, 0)
	case st == badAddress:
		return optee.YieldReply(optee.ErrorBadParameters, 0, 0)
	case t.await == awaitInterrupt:
		return optee.YieldReply(optee.Success, optee.YieldInterrupt, t.ticket)
	}
	return optee.YieldReply(optee.Success, optee.YieldRPCCmd, t.ticket)
}

// peek gives a transaction of a client's.
func (f *FFA) peek(client ffa.EndpointID, handle uint64) (spmc.Region, bool) {
	r, err := f.spmc.Peek(ffa.Handle(handle))
	return r, err == nil && r.Sender == client
}

// share gives the memory that a client shares, retrieving it when it is used for the first time. It stays retrieved until the
// client unregisters it.
func (f *FFA) share(client ffa.EndpointID, handle uint64) (*memory.Object, bool) {
	r, ok := f.peek(client, handle)
	if !ok || r.Kind != ffa.Share {
		return nil, false
	}
	if !r.Retrieved {
		if _, err := f.spmc.Retrieve(r.Handle); err != nil {
			return nil, false
		}
	}
	return r.Object, true
}

// drop gives up the reference to memory of a kind. It is no error when there is none, because clients cannot know: they say
// so before they reclaim any memory. Memory of another kind is INVALID_PARAMETERS, a carve-out is DENIED, and what a call under
// way uses is BUSY.
func (f *FFA) drop(client ffa.EndpointID, handle uint64, kind ffa.TransactionKind) uint64 {
	r, ok := f.peek(client, handle)
	code := ffa.Busy
	switch {
	case !ok:
		return 0
	case r.Kind != kind:
		code = ffa.InvalidParameters
	case !r.Retrieved:
		return 0
	case r.Held:
		code = ffa.Denied
	case !f.uses(r.Object) && f.spmc.Relinquish(r.Handle) == nil:
		f.withdraw(func(g *grant) bool { return g.object == r.Object })
		return 0
	}
	return uint64(uint32(code))
}

// memref resolves a reference by FF-A handle: into shared memory, or into a pool that was assigned to a use case.
func (f *FFA) memref(t *thread, p *optee.Param) (Memref, optee.Result) {
	if !p.Attr.IsFMem() {
		return Memref{}, optee.ErrorBadParameters
	}
	m := p.FMem()
	if m.GlobalID == optee.NullGlobalID {
		return Memref{}, optee.Success
	}
	if m.InternalOffset >= optee.PageSize {
		return Memref{}, optee.ErrorBadParameters
	}
	o, ok := f.share(t.client, m.GlobalID)
	if ok {
		return within(o, uint64(m.InternalOffset), m.Offset, m.Size)
	}
	r, ok := f.peek(t.client, m.GlobalID)
	if !ok || r.Kind != ffa.Lend || !r.Retrieved || m.InternalOffset != 0 {
		return Memref{}, optee.ErrorBadParameters
	}
	ref, res := f.useCase(r.Tag).within(r.Object, m.Offset, m.Size)
	if list, err := f.spmc.Borrowers(r.Handle); err != nil || len(list) != 1 {
		// Other borrowers have a say in who else gets at the memory, and are not asked about grants.
		ref.masters, ref.grantable = r.Access(), memory.Access{}
	}
	return ref, res
}

// command knows ASSIGN_PROTMEM: value a is the handle of a lend, b the use case that it was lent for.
func (f *FFA) command(t *thread) (optee.Result, bool) {
	a := &t.arg
	if a.Cmd != optee.CmdAssignProtmem || !f.dynamicPools() {
		return 0, false
	}
	if len(a.Params) != 1 || a.Params[0].Attr != optee.AttrValueInput {
		return optee.ErrorBadParameters, true
	}
	v := a.Params[0].Value()
	r, ok := f.peek(t.client, v.A)
	switch {
	case !ok || r.Kind != ffa.Lend || r.Tag != v.B:
		return optee.ErrorBadParameters, true
	case r.Retrieved:
		return optee.ErrorBusy, true
	}
	if _, err := f.spmc.Retrieve(r.Handle); err != nil {
		return optee.ErrorBadParameters, true
	}
	return optee.Success, true
}

// endpoints: where the use case names nobody the pool is lent to this partition alone, for reading and writing.
func (f *FFA) endpoints(list []optee.ProtmemConfigEntry, u *UseCase) []optee.ProtmemConfigEntry {
	if len(u.Endpoints) != 0 {
		return append(list, u.Endpoints...)
	}
	return append(list, optee.ProtmemConfigEntry{Endpoint: uint16(f.spmc.ID()), Permissions: uint8(ffa.DataRW)})
}

func (f *FFA) dynamicPools() bool { return f.cfg.DynamicPools }

// adopt takes the memory of a reply to SHM_ALLOC: a share. Its reference counts wherever it was retrieved.
func (f *FFA) adopt(t *thread, p *optee.Param, size uint64, b *buffer) optee.Result {
	m := p.FMem()
	if p.Attr != optee.AttrFMemOutput || m.GlobalID == optee.NullGlobalID || m.InternalOffset >= optee.PageSize {
		return optee.ErrorOutOfMemory
	}
	o, ok := f.share(t.client, m.GlobalID)
	if !ok {
		return optee.ErrorOutOfMemory
	}
	ref, res := within(o, uint64(m.InternalOffset), 0, size)
	b.ref = m.GlobalID
	if res != optee.Success {
		return optee.ErrorOutOfMemory
	}
	ref.access = optee.AttrFMemInOut & 3
	ref.from = optee.FMemParam(optee.AttrFMemInOut, optee.FMem{InternalOffset: m.InternalOffset, GlobalID: m.GlobalID})
	b.mem = ref
	return optee.Success
}

// dismiss relinquishes the memory of a buffer, unless another call uses it: its owner reclaims it when it is told.
func (f *FFA) dismiss(t *thread, b *buffer) { f.drop(t.client, b.ref, ffa.Share) }

// signal sets the notification that asks for the bottom half.
func (f *FFA) signal() bool { return f.spmc.Notify(f.client, 1<<f.bottomHalf) == nil }
