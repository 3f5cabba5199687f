package optee_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/tee"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
	wire "gatehouse/smc/optee"
)

// fault is what a conduit answers instead of the secure world.
type fault struct {
	name string
	// answer makes the reply to r.
	answer func(r *firmware.Registers, rnd *rand.Rand)
}

func isFFA(r *firmware.Registers) bool { return ffa.FunctionOf(r).InRange() }

func refuseWith(code ffa.Error, ret wire.ReturnCode) func(*firmware.Registers, *rand.Rand) {
	return func(r *firmware.Registers, _ *rand.Rand) {
		if isFFA(r) {
			*r = ffa.ErrorReply(code)
		} else {
			r[0] = ret.X0()
		}
	}
}

// faults are refusals first, then answers that make no sense.
var faults = []fault{
	{"busy", refuseWith(ffa.Busy, wire.ReturnEThreadLimit)},
	{"denied", refuseWith(ffa.Denied, wire.ReturnEBadAddr)},
	{"no memory", refuseWith(ffa.NoMemory, wire.ReturnENoMem)},
	{"unknown", refuseWith(ffa.NotSupported, wire.ReturnUnknownFunction)},
	{"zeros", func(r *firmware.Registers, _ *rand.Rand) { *r = firmware.Registers{} }},
	{"ones", func(r *firmware.Registers, _ *rand.Rand) {
		for i := range r {
			r[i] = ^uint64(0)
		}
	}},
	{"unchanged", func(*firmware.Registers, *rand.Rand) {}},
	{"random", func(r *firmware.Registers, rnd *rand.Rand) {
		for i := range r {
			r[i] = rnd.Uint64()
		}
	}},
	{"success", func(r *firmware.Registers, rnd *rand.Rand) {
		ffaCall := isFFA(r)
		for i := range r {
			r[i] = rnd.Uint64() >> (rnd.Uint32() % 64)
		}
		if r[0] = 0; ffaCall {
			r[0] = uint64(ffa.Success32)
		}
	}},
	{"a response", func(r *firmware.Registers, rnd *rand.Rand) {
		ffaCall, ids := isFFA(r), r[1]
		for i := range r {
			r[i] = rnd.Uint64() >> (rnd.Uint32() % 64)
		}
		// An RPC that the secure world has not asked for.
		r[0] = uint64(wire.ReturnRPC(wire.RPCFunction(rnd.Uint32() % 6)))
		if ffaCall {
			r[0], r[1], r[2], r[3], r[4] = uint64(ffa.MsgSendDirectResp32), ids>>16|ids<<16&0xFFFF_0000, 0, 0, uint64(rnd.Uint32()%4)
		}
	}},
	{"interrupted", func(r *firmware.Registers, _ *rand.Rand) {
		if isFFA(r) {
			r[0], r[1] = uint64(ffa.Interrupt32), r[1]<<16&0xFFFF_0000
		} else {
			r[0] = uint64(wire.ReturnRPC(wire.RPCForeignIntr))
		}
	}},
}

// work loads the driver, uses all of it, and unloads it. It does not care what fails; it reports whether nothing did.
func (r *rig) work() error {
	var errs []error
	note := func(err error) bool {
		if err != nil {
			errs = append(errs, err)
		}
		return err == nil
	}
	if note(r.probe()) {
		r.use(note)
	}
	r.unload(note)
	return errors.Join(errs...)
}

func (r *rig) unload(note func(error) bool) {
	if r.d != nil {
		note(r.d.Remove())
	}
	r.d = nil
	if r.bus != nil {
		if !note(r.bus.Remove()) {
			note(r.bus.Remove())
		}
		r.sub.FreePages(r.tx, 2)
		r.bus = nil
	}
}

// use opens sessions, shares memory of every kind, allocates protected memory, and has data go through it.
func (r *rig) use(note func(error) bool) {
	c := r.newClient("tee0")
	defer c.exit()
	rnd := rand.New(rand.NewPCG(5, 5))
	if s, ret, origin := c.open(wire.ProbeUUID()); ret == wire.Success {
		if !r.v.reserved {
			va := c.mmap(3 * page)
			if b, err := c.register(va+100, 2*page); note(err) {
				ret, _ := c.invoke(s, wire.ProbeCmdMemory, b.memref(tee.AttrMemrefInput, 0, 2*page), param{attr: tee.AttrValueOutput})
				note(resultError(ret))
				b.release()
			}
		}
		for _, kind := range []uint64{wire.SHMTypeKernel} {
			ret, _ := c.invoke(s, wire.ProbeCmdAllocate, value(tee.AttrValueInput, kind, 3000), value(tee.AttrValueInput, 2, 1), param{attr: tee.AttrValueOutput})
			note(resultError(ret))
		}
		ret, _ := c.invoke(s, wire.ProbeCmdInterrupt, value(tee.AttrValueInput, 2, 0))
		note(resultError(ret))
		note(c.closeSession(s))
	} else {
		note(fmt.Errorf("open: %w from %v", ret, origin))
	}
	note(c.sdpBasic(taToPTA, 6000, 1, true, rnd))
	note(c.outOfBounds(5000))
	// A session that the client forgets.
	c.open(wire.SDPUUID())
}

func resultError(ret wire.Result) error {
	if ret == wire.Success {
		return nil
	}
	return ret
}

// regions are the registers of the address space controller that say what is protected: what only the secure world can see.
func (r *rig) regions() (list [8 * 6]uint64) {
	p := r.m.Port(bus.Attr{Secure: true, Privileged: true})
	for i := range list {
		list[i], _ = p.Load(platform.TZCBase+0x120+uint64(i/6*0x20+i%6*4), 4)
	}
	for i := 0; i < len(list); i += 6 {
		if list[i+4]&0xF == 0 {
			clear(list[i : i+6]) // no filter has it: it protects nothing
		}
	}
	return list
}

// owned shares all memory that the kernel has at one time, which the SPMC refuses if a page of it is shared or lent.
func (r *rig) owned() error {
	pa, err := r.sub.AllocPages(2)
	if err != nil {
		return err
	}
	defer r.sub.FreePages(pa, 2)
	b, err := armffa.Probe(r.k, pa, pa+page)
	if err != nil {
		return err
	}
	defer b.Remove()
	part, err := b.Partition(ffa.UUID(wire.OSUUID()))
	if err != nil {
		return err
	}
	var ranges []ffa.Constituent
	for at := uint64(platform.RAMBase); at < platform.RAMBase+ramSize; at += page {
		if at == pa || at == pa+page || r.isReserved(at) {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1].End() == at {
			ranges[n-1].Pages++
		} else {
			ranges = append(ranges, ffa.Constituent{Address: at, Pages: 1})
		}
	}
	if !b.Owned(ranges, part.ID) {
		return errors.New("memory is still shared or lent")
	}
	return nil
}

// A fault at any one call leaves nothing behind once the driver is gone: no page, no region of the controller, no share, no session.
func TestFaultAtEachCall(t *testing.T) {
	for _, v := range variants {
		if v.rstmem {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			r := newRig(t, v)
			first := r.regions()
			if err := r.work(); err != nil {
				t.Fatalf("without a fault: %v", err)
			}
			total := r.wire.calls
			rnd := rand.New(rand.NewPCG(uint64(len(v.name)), 1))
			tried, failed := 0, 0
			for _, f := range faults {
				for n := range total {
					r.wire.calls = 0
					var what firmware.Registers
					r.wire.before = func(call int, regs *firmware.Registers) bool {
						if call != n {
							return false
						}
						what = *regs
						if f.name == "success" && ffa.FunctionOf(regs) == ffa.MemReclaim32 {
							return false // nobody can tell that shared memory was not given back
						}
						f.answer(regs, rnd)
						return true
					}
					err := r.work()
					r.wire.before = nil
					tried++
					if err != nil {
						failed++
					}
					if got := r.pages.FreePages(); got != r.free {
						t.Fatalf("%s at call %d (%x): %d pages lost; errors: %v", f.name, n, what[:6], r.free-got, err)
					}
					idle := firmware.Registers{0: uint64(wire.DisableSHMCache)}
					r.m.Conduit().SMC(&idle)
					if idle[0] != uint64(wire.ReturnENotAvail) {
						t.Fatalf("%s at call %d (%x): a call is still under way; errors: %v", f.name, n, what[:6], err)
					}
					if r.regions() != first {
						t.Fatalf("%s at call %d (%x): memory is still protected; errors: %v", f.name, n, what[:6], err)
					}
				}
				if err := r.owned(); err != nil {
					t.Fatalf("after %q: %v", f.name, err)
				}
			}
			if failed < tried/3 {
				t.Errorf("%d of %d faults are noticed", failed, tried)
			}
			t.Logf("%d calls, %d faults", total, tried)
			if err := r.work(); err != nil {
				t.Errorf("after all faults: %v", err)
			}
			r.clean()
			r.sessions()
		})
	}
}

// sessions checks that the secure world has room for all the sessions that it can have.
func (r *rig) sessions() {
	r.tb.Helper()
	if err := r.probe(); err != nil {
		r.tb.Fatal(err)
	}
	c := r.newClient("tee0")
	n := 0
	for ; n < 100; n++ {
		if _, ret, _ := c.open(wire.SDPUUID()); ret != wire.Success {
			break
		}
	}
	if want := secureConfig().Limits.Sessions; n != want {
		r.tb.Errorf("room for %d sessions, want %d", n, want)
	}
	c.exit()
	if err := r.remove(); err != nil {
		r.tb.Error(err)
	}
}

// busyAlways has no thread for any call.
func busyAlways(_ int, r *firmware.Registers) bool {
	if isFFA(r) {
		if ffa.FunctionOf(r) != ffa.MsgSendDirectReq32 || wire.Service(r[3]) != wire.FFAYieldingCallWithArg {
			return false
		}
		ids := r[1]
		*r = firmware.Registers{uint64(ffa.MsgSendDirectResp32), ids >> 16, 0, uint64(wire.ErrorBusy)}
		return true
	}
	switch smc.Function(r[0]) {
	case wire.CallWithArg, wire.CallWithRPCArg, wire.CallWithRegdArg:
		r[0] = uint64(wire.ReturnEThreadLimit)
		return true
	}
	return false
}
