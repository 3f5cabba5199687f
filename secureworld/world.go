package secureworld

import (
	"fmt"
	"slices"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/platform/vtime"
	"gatehouse/secureworld/aes"
	"gatehouse/secureworld/firewall"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/pta"
	"gatehouse/secureworld/pta/ui"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/tee"
	"gatehouse/secureworld/trace"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// World owns EL3 of one machine. It implements [firmware.Firmware] and is used from the machine's goroutine only.
type World struct {
	cfg  Config
	host firmware.Host
	log  trace.Log

	useCases []tee.UseCase // with their carve-outs
	timer    *vtime.Timer  // of the OP-TEE service

	trng    trng
	space   *memory.Space
	service *tee.Service
	spmc    *spmc.SPMC // nil without FF-A
	optee   *tee.SMC   // nil without OP-TEE's SMC ABI
}

// alarm is who the service's timer belongs to.
type alarm World

func (a *alarm) Expire(_ *vtime.Timer, now uint64) { a.service.Expire(now) }

var _ firmware.Firmware = (*World)(nil)

// New makes a secure world. Reset reports what is wrong with cfg: only then the machine is known.
func New(cfg Config) *World { return &World{cfg: cfg} }

// Reset forgets everything the normal world ever asked for and programs the firewall (see [firmware.Firmware]).
func (w *World) Reset(h firmware.Host) error {
	if err := w.cfg.validate(); err != nil {
		return err
	}
	if w.timer == nil {
		// The host and its clock stay the same from reset to reset.
		w.timer = h.Clock().NewTimer("optee", (*alarm)(w))
	}
	w.timer.Stop()
	w.host = h
	w.log = trace.Log{Stream: h.Events(), Clock: h.Clock()}
	w.trng.reset(w.cfg.Seed)
	base, size := h.RAM()
	var reserved []memory.Range
	if w.cfg.SecureRAM.Size != 0 {
		reserved = append(reserved, w.cfg.SecureRAM)
	}
	w.useCases = slices.Clone(w.cfg.OPTEE.UseCases)
	for i := range w.useCases {
		u := &w.useCases[i]
		if w.cfg.Carveout.Size != 0 && u.ID == w.cfg.CarveoutUse {
			u.Carveout = w.cfg.Carveout
		}
		if u.Carveout.Size != 0 {
			reserved = append(reserved, u.Carveout)
		}
	}
	secure := h.Port(bus.Attr{Secure: true, Privileged: true, NSAID: bus.NSAIDAP})
	space, err := memory.NewSpace(memory.Config{
		Normal: memory.Range{Base: base, Size: size}, Reserved: reserved, MaxRanges: w.cfg.Limits.Ranges,
		NonSecure: h.Port(bus.Attr{Privileged: true, NSAID: bus.NSAIDAP}), Secure: secure, Log: w.log,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	w.space = space
	if err := w.protect(secure); err != nil {
		return err
	}
	return w.services()
}

// protect programs the controller: what is reserved is closed before the gates open for the first time.
func (w *World) protect(secure *bus.Port) error {
	if !w.cfg.TZASC.Enabled {
		w.space.SetFirewall(firewall.Off{})
		return nil
	}
	var pinned []firewall.Pin
	if w.cfg.SecureRAM.Size != 0 {
		pinned = append(pinned, firewall.Pin{Range: w.cfg.SecureRAM})
	}
	for _, u := range w.useCases {
		if u.Carveout.Size != 0 {
			pinned = append(pinned, firewall.Pin{Range: u.Carveout, Access: u.Access})
		}
	}
	f, err := firewall.NewTZC400(firewall.Config{
		Base: w.cfg.TZASC.Base, Action: w.cfg.TZASC.Action, Background: w.cfg.TZASC.Normal, Pinned: pinned, Port: secure,
	})
	if err != nil {
		return err
	}
	w.space.SetFirewall(f)
	return nil
}

// services makes the SPMC, its partitions and the OP-TEE service.
func (w *World) services() error {
	o := &w.cfg.OPTEE
	cfg := tee.Config{
		UUID: smc.UUID(o.UUID), Major: o.Major, Minor: o.Minor, Build: o.Build, Threads: o.Threads,
		MaxSessions: w.cfg.Limits.Sessions, MaxBuffers: w.cfg.Limits.Buffers,
		UseCases: w.useCases, DynamicPools: o.DynamicPools, RSTMEM: o.RSTMEM,
		NotifyINTID: o.NotifyINTID, SHM: o.SHM, NoDynamicSHM: o.NoDynamicSHM, NoRPCArg: o.NoRPCArg,
		Timer: w.timer,
	}
	if o.NewTAs != nil {
		cfg.TAs = o.NewTAs()
	} else {
		port := w.host.Port(bus.Attr{Secure: true, Privileged: true, NSAID: bus.NSAIDAP})
		cfg.TAs = pta.All(pta.Board{Seed: w.cfg.Seed, Engine: aes.New(port, w.cfg.CryptoBase), DeviceKey: w.cfg.DeviceKey, Lists: w.cfg.CryptoLists,
			UI: ui.Config{Port: port, Base: w.cfg.InputBase, Phrase: w.cfg.UIPhrase, PIN: w.cfg.UIPIN}})
	}
	service, err := tee.New(cfg, w.host, w.space, w.log)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	w.service, w.spmc, w.optee = service, nil, nil
	if w.cfg.ABI&ABISMC != 0 {
		if w.optee, err = tee.NewSMC(service); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	// Without any partition FF-A has nothing to offer, and clients would take an empty list for a fault.
	if w.cfg.ABI&ABIFFA == 0 || len(w.cfg.Partitions) == 0 {
		return nil
	}
	w.spmc = spmc.New(spmc.Config{
		ID: w.cfg.SPMC, MaxTransactions: w.cfg.Limits.Transactions,
		MaxDescriptor: uint32(w.cfg.Limits.Ranges)*ffa.ConstituentSize + ffa.PageSize,
		MaxVMs:        w.cfg.Limits.VMs, SlicePages: w.cfg.Limits.Slice, SRI: w.cfg.SRI,
	}, w.host, w.space, w.log)
	for _, p := range w.cfg.Partitions {
		info := spmc.Info{ID: p.ID, Contexts: p.Contexts, Properties: p.Properties, Version: p.Version,
			MaxRegions: p.MaxRegions, MaxPages: p.MaxPages}
		for i, u := range p.UUIDs {
			service := spmc.Service{UUID: u, Properties: p.Properties}
			if p.Messaging != nil {
				service.Properties = p.Messaging[i]
			}
			info.Services = append(info.Services, service)
		}
		if info.Contexts == 0 {
			info.Contexts = uint16(w.host.NumCPUs())
		}
		var behaviour spmc.Partition
		if p.New != nil {
			behaviour = p.New()
		} else {
			behaviour = tee.NewFFA(service)
		}
		if err := w.spmc.Add(info, behaviour); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return nil
}

// SMC answers one call.
func (w *World) SMC(c firmware.Call, r *firmware.Registers) {
	f := ffa.FunctionOf(r)
	if f.InRange() && !c.HVC {
		w.ffa(c, r)
		return
	}
	if !w.log.On(event.SMC) {
		w.dispatch(c, r)
		return
	}
	call := (*smc.Registers)(r).Function()
	name, fields := optee.Describe(r)
	reply := optee.DescribeReply
	if name == "" {
		name, fields = smc.Describe(r)
		reply = smc.DescribeReply
	}
	w.log.Enter(event.SMC, c.CPU, name)
	w.dispatch(c, r)
	_, results := reply(call, r)
	switch call {
	case smc.PSCICPUOff, smc.PSCISystemOff, smc.PSCISystemReset:
		results = nil // it does not return
	}
	w.log.Leave(event.SMC, c.CPU, name, trace.Reply(trace.Call(nil, fields), "", results)...)
}

// ffa answers a call of FF-A's range. The SPMC tells of its calls itself.
func (w *World) ffa(c firmware.Call, r *firmware.Registers) {
	switch {
	case w.spmc != nil:
		w.spmc.Call(c, r)
	case w.log.On(event.FFA):
		spmc.Traced(w.log, c.CPU, r, refuse)
	default:
		refuse(r)
	}
}

// refuse answers any call in the form that FF-A callers recognise: what there is without an SPMC.
func refuse(r *ffa.Registers) {
	if ffa.FunctionOf(r) == ffa.Version32 {
		r[0] = ffa.VersionNotSupported()[0]
		return
	}
	reply := ffa.ErrorReply(ffa.NotSupported)
	copy(r[:8], reply[:8])
}

// Ranges of function numbers of the standard secure service (DEN0028, standard secure service calls).
const (
	trngFirst = 0x50
	trngLast  = 0x5F
)

// dispatch takes a call to its owner by the function identifier in w0. Bits that must be zero make it unknown.
func (w *World) dispatch(c firmware.Call, r *firmware.Registers) {
	f := (*smc.Registers)(r).Function()
	switch {
	case f&reservedBits != 0:
		r[0] = smc.Unknown
	case f.Fast() && f.Owner() == smc.OwnerArch:
		w.smccc(f, r)
	case f.IsPSCI():
		w.psci(c, f, r)
	case c.HVC:
		r[0] = smc.Unknown
	case f.Fast() && f.Owner() == smc.OwnerStandard && f.Number() >= trngFirst && f.Number() <= trngLast:
		w.trngCall(f, r)
	case w.optee != nil && optee.IsCall(f):
		w.optee.Call((*smc.Registers)(r))
	default:
		r[0] = smc.Unknown
	}
}
