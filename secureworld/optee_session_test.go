package secureworld

import (
	"testing"

	"gatehouse/ffa"
	"gatehouse/secureworld/pta"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// alone is an application of one session that takes no protected memory.
type alone struct{ closed []uint32 }

var aloneUUID = smc.UUID{0xA1, 15: 0x0E}

func (x *alone) UUID() smc.UUID              { return aloneUUID }
func (x *alone) Properties() tee.Properties  { return tee.SingleSession }
func (x *alone) Open(*tee.Call) optee.Result { return optee.Success }
func (x *alone) Close(session uint32)        { x.closed = append(x.closed, session) }
func (x *alone) Invoke(c *tee.Call) optee.Result {
	if c.Command == 1 {
		return c.Panic()
	}
	// More than there is, in spite of success.
	if m := &c.Params[0].Mem; c.Params[0].Type != optee.AttrNone {
		m.Size += 1000
		if c.Command == 2 {
			return optee.ErrorShortBuffer
		}
	}
	return optee.Success
}

func withAlone(x *alone) func(*Config) {
	return func(c *Config) {
		c.OPTEE.NewTAs = func() []tee.PseudoTA { return append(pta.All(pta.Board{Seed: 1}), x) }
	}
}

// waitKey is the key that the client is asked to wait for, or to send.
func (y *yield) key(what string, kind uint64) uint64 {
	y.c.Helper()
	a := y.rpc()
	if a.Cmd != 4 || len(a.Params) != 1 || a.Params[0].Attr != optee.AttrValueInput || a.Params[0].U[0] != kind || a.Params[0].U[2] != 0 {
		y.c.Fatalf("%s: request %+v", what, a)
	}
	return a.Params[0].U[1]
}

// Calls in one session come one after the other: the second one waits in the client until the first is over.
func TestSessionIsBusy(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		first := c.begin(1, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0)))
		second := c.begin(2, invokeArg(s, optee.ProbeCmdResult, in(7, 0, 0)))
		key := second.key("second call", 0)
		third := c.begin(3, optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
		close := third.key("close", 0)
		if key == close || key < 64 || key >= 72 || close < 64 || close >= 72 {
			t.Errorf("wait keys %d and %d", key, close)
		}
		// Waking up early does not help.
		second.answer(0)
		if again := second.key("second call, too early", 0); again != key {
			t.Errorf("wait key %d, then %d", key, again)
		}
		// The first call wakes both before it ends.
		first.want("sleep", optee.RPCSuspend, in(1, 0, 0))
		first.answer(0)
		woken := map[uint64]bool{}
		for range 2 {
			woken[first.key("wake", 1)] = true
			first.answer(0)
		}
		if !woken[key] || !woken[close] {
			t.Errorf("keys %v are sent, want %d and %d", woken, key, close)
		}
		c.want("first call", first.result(), optee.Success, optee.OriginTEE)
		// Whoever comes first goes first.
		third.answer(0)
		if again := third.key("close wakes who waits", 1); again != key {
			t.Errorf("close sends key %d, want %d", again, key)
		}
		c.want("close", third.answer(0).result(), optee.Success, optee.OriginTEE)
		c.want("call in the closed session", second.answer(0).finish(), optee.ErrorBadParameters, optee.OriginTEE)
	})
}

// finish lets a call end that wakes others.
func (y *yield) finish() optee.Arg {
	y.c.Helper()
	for y.kind == "rpc" {
		y.key("wake", 1)
		y.answer(0)
	}
	return y.result()
}

// A call that waited for a session does not get into another one of the same number.
func TestSessionNumberIsUsedAgain(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		first := c.begin(1, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0)))
		second := c.begin(2, invokeArg(s, optee.ProbeCmdResult, in(7, 0, 0)))
		second.key("second call", 0)
		first.answer(0)
		c.want("first call", first.finish(), optee.Success, optee.OriginTEE)
		closing := c.begin(1, optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
		c.want("close", closing.finish(), optee.Success, optee.OriginTEE)
		if again := c.open(optee.ProbeUUID()); again != s {
			t.Fatalf("session %d, want %d once more", again, s)
		}
		c.want("second call", second.answer(0).finish(), optee.ErrorBadParameters, optee.OriginTEE)
		c.want("call in the new session", c.call1(invokeArg(s, optee.ProbeCmdResult, in(7, 0, 0))), 7, optee.OriginTrustedApp)
	})
}

// A session that is not open yet has no number for anybody.
func TestSessionThatIsOpening(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		y := c.begin(1, openArg(optee.ProbeUUID(), 0, in(0, 9, 0)))
		y.want("sleep", optee.RPCSuspend, in(9, 0, 0))
		for _, cmd := range []optee.Arg{invokeArg(1, optee.ProbeCmdResult, in(7, 0, 0)), {Cmd: optee.CmdCloseSession, Session: 1}, {Cmd: optee.CmdCancel, Session: 1}} {
			before := c.state()
			c.want(cmd.Cmd.String(), c.call1(cmd), optee.ErrorBadParameters, optee.OriginTEE)
			c.same(cmd.Cmd.String(), before)
		}
		a := y.answer(0).result()
		c.want("open", a, optee.Success, optee.OriginTEE)
		if a.Session != 1 {
			t.Errorf("session %d", a.Session)
		}
		// One that is refused after a while was never there.
		before := c.state()
		y = c.begin(1, openArg(optee.ProbeUUID(), 0, in(0xFFFF_0001, 9, 0)))
		a = y.answer(0).result()
		c.want("open that is refused", a, optee.ErrorAccessDenied, optee.OriginTrustedApp)
		if a.Session != 0 {
			t.Errorf("session %d", a.Session)
		}
		c.same("open that is refused", before)
	})
}

// CANCEL ends a wait, and nothing else.
func TestCancel(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s, other := c.open(optee.ProbeUUID()), c.open(optee.ProbeUUID())
		cancel := func(session, id uint32) *yield {
			return c.begin(4, optee.Arg{Cmd: optee.CmdCancel, Session: session, CancelID: id})
		}
		wait := func(id uint32) *yield {
			m := invokeArg(s, optee.ProbeCmdWait, in(9, 0, 0))
			m.CancelID = id
			y := c.begin(1, m)
			y.want("wait", optee.RPCNotification, in(0, 9, 0))
			return y
		}
		y := wait(7)
		for what, id := range map[string][2]uint32{"another call": {s, 8}, "no id": {s, 0}, "another session": {other, 7}} {
			before := c.state()
			c.want(what, cancel(id[0], id[1]).result(), optee.Success, optee.OriginTEE)
			c.same(what, before)
		}
		c.want("a session that is not open", cancel(99, 7).result(), optee.ErrorBadParameters, optee.OriginTEE)
		x := cancel(s, 7)
		if key := x.key("cancel", 1); key != 9 {
			t.Errorf("cancel sends key %d, want 9", key)
		}
		c.want("cancel", x.answer(0).result(), optee.Success, optee.OriginTEE)
		c.want("wait that is cancelled", y.answer(0).result(), optee.ErrorCancel, optee.OriginTrustedApp)
		// The largest key that clients know.
		m := invokeArg(s, optee.ProbeCmdWait, in(255, 0, 0))
		m.CancelID = 7
		y = c.begin(1, m)
		x = cancel(s, 7)
		if key := x.key("cancel", 1); key != 255 {
			t.Errorf("cancel sends key %d, want 255", key)
		}
		x.answer(0)
		c.want("wait that is cancelled", y.answer(0).result(), optee.ErrorCancel, optee.OriginTrustedApp)
		// The next call of the session is its own.
		y = wait(7)
		c.want("wait that is not cancelled", y.answer(0).result(), optee.Success, optee.OriginTEE)
		c.want("cancel of a call that is over", cancel(s, 7).result(), optee.Success, optee.OriginTEE)
		// Where nothing can be woken the application finds out later.
		m = invokeArg(s, optee.ProbeCmdCancelled, in(5, 0, 0), out(0, 0, 0))
		m.CancelID = 3
		y = c.begin(1, m)
		c.want("cancel of a sleep", cancel(s, 3).result(), optee.Success, optee.OriginTEE)
		a := y.answer(0).result()
		c.want("sleep", a, optee.Success, optee.OriginTEE)
		if a.Params[1].U[0] != 1 {
			t.Error("the application does not see that the call is cancelled")
		}
		m = invokeArg(s, optee.ProbeCmdSleep, in(5, 0, 0))
		m.CancelID = 3
		y = c.begin(1, m)
		cancel(s, 3)
		c.want("sleep that is cancelled", y.answer(0).result(), optee.ErrorCancel, optee.OriginTrustedApp)
		// A call that has not come into its session yet never does.
		y = wait(7)
		m = invokeArg(s, optee.ProbeCmdResult, in(7, 0, 0))
		m.CancelID = 8
		second := c.begin(2, m)
		key := second.key("second call", 0)
		x = cancel(s, 8)
		if got := x.key("cancel", 1); got != key {
			t.Errorf("cancel sends key %d, want %d", got, key)
		}
		c.want("cancel", x.answer(0).result(), optee.Success, optee.OriginTEE)
		c.want("second call", second.answer(0).result(), optee.ErrorCancel, optee.OriginTEE)
		c.want("first call", y.answer(0).finish(), optee.Success, optee.OriginTEE)
	})
}

// An application that panics takes its sessions with it, and no other application.
func TestPanic(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s, other, enumeration := c.open(optee.ProbeUUID()), c.open(optee.ProbeUUID()), c.open(optee.DeviceUUID())
		// A call with a buffer of its own is under way, another one is about to open a session, and one waits for a session.
		under := c.begin(1, invokeArg(other, optee.ProbeCmdAllocate, in(1, 600, 0), in(2, 1, 0), out(0, 0, 0)))
		a := under.rpc()
		gift, _, ref := c.gift(600, 0)
		a.Ret, a.Params[0] = optee.Success, gift
		c.write(under.rpcAt, a.AppendTo(nil))
		under.resume().want("second buffer", optee.RPCSHMAlloc, in(1, 600, 8))
		opening := c.begin(2, openArg(optee.ProbeUUID(), 0, in(0, 9, 0)))
		waiting := c.begin(3, invokeArg(other, optee.ProbeCmdResult, in(7, 0, 0)))
		waiting.key("wait", 0)
		c.want("panic", c.call1(invokeArg(s, optee.ProbeCmdPanic)), optee.ErrorTargetDead, optee.OriginTEE)
		c.want("its session", c.call1(invokeArg(s, optee.ProbeCmdResult, in(0, 0, 0))), optee.ErrorTargetDead, optee.OriginTEE)
		// The buffer goes back, whatever the client answers to the request that nobody waits for any more.
		under.answer(optee.ErrorOutOfMemory)
		under.want("free", optee.RPCSHMFree, in(1, ref, 0))
		under.answer(0)
		c.want("call under way", under.finish(), optee.ErrorTargetDead, optee.OriginTEE)
		a = opening.answer(0).result()
		c.want("session that was opening", a, optee.ErrorTargetDead, optee.OriginTEE)
		if a.Session != 0 {
			t.Errorf("session %d", a.Session)
		}
		c.want("call that waited", waiting.answer(0).finish(), optee.ErrorTargetDead, optee.OriginTEE)
		c.want("another application", c.call1(invokeArg(enumeration, 9)), optee.ErrorNotImplemented, optee.OriginTrustedApp)
		fresh := c.open(optee.ProbeUUID())
		c.want("a session that was opened later", c.call1(invokeArg(fresh, optee.ProbeCmdResult, in(7, 0, 0))), 7, optee.OriginTrustedApp)
		for _, n := range []uint32{s, other, fresh} {
			c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: n}), optee.Success, optee.OriginTEE)
		}
		c.consistent()
	})
}

// Properties of applications: how many sessions they have, and whether they see protected memory. Close is called once for each
// session.
func TestProperties(t *testing.T) {
	x := new(alone)
	everyWay(t, func(t *testing.T, c *caller) {
		*x = alone{}
		s := c.open(aloneUUID)
		c.want("second session", c.call1(openArg(aloneUUID, 0)), optee.ErrorBusy, optee.OriginTEE)
		ref, addr := c.protected(1, 1)
		for _, attr := range []optee.Attr{optee.AttrRMemInput, optee.AttrRMemOutput, optee.AttrRMemInOut} {
			p := c.mem(attr, ref, addr, 0, 16)
			c.want("protected memory", c.call1(invokeArg(s, 0, p)), optee.ErrorBadParameters, optee.OriginTEE)
			c.want("open with protected memory", c.call1(openArg(aloneUUID, 0, p)), optee.ErrorBadParameters, optee.OriginTEE)
			c.want("none of it", c.call1(invokeArg(s, 0, c.mem(attr, ref, addr, 0, 0))), optee.Success, optee.OriginTEE)
		}
		// A size that grew reaches the client only as what would be needed.
		m := c.area(100, 4)
		a := c.call1(invokeArg(s, 0, m.param(optee.AttrRMemOutput, 0, 60)))
		c.want("more than there is", a, optee.Success, optee.OriginTEE)
		if a.Params[0].Size() != 60 {
			t.Errorf("size %d of 60", a.Params[0].Size())
		}
		a = c.call1(invokeArg(s, 2, m.param(optee.AttrRMemOutput, 0, 60)))
		c.want("more than there is", a, optee.ErrorShortBuffer, optee.OriginTrustedApp)
		if a.Params[0].Size() != 1060 {
			t.Errorf("size %d, want 1060", a.Params[0].Size())
		}
		// A session that has died makes room for another one, and dies once.
		c.want("panic", c.call1(invokeArg(s, 1)), optee.ErrorTargetDead, optee.OriginTEE)
		fresh := c.open(aloneUUID)
		for _, n := range []uint32{s, fresh} {
			c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: n}), optee.Success, optee.OriginTEE)
		}
		if len(x.closed) != 2 || x.closed[0] != s || x.closed[1] != fresh {
			t.Errorf("closed %v, want %v", x.closed, []uint32{s, fresh})
		}
		c.unprotect(ref)
	}, withAlone(x))
}

// What an application knows of its client.
func TestClientIdentity(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		m := c.area(64, 0)
		for _, tc := range []struct {
			login optee.Login
			named bool
		}{
			{optee.LoginPublic, false}, {optee.LoginREEKernel, false}, {optee.LoginUser, true}, {optee.LoginGroup, true}, {optee.LoginApplication, true},
			{optee.LoginUserApplication, true}, {optee.LoginGroupApplication, true},
		} {
			s := c.call1(openArg(optee.ProbeUUID(), tc.login)).Session
			c.write(m.addr, make([]byte, 64))
			a := c.call1(invokeArg(s, optee.ProbeCmdClient, out(0, 0, 0), m.param(optee.AttrRMemOutput, 8, 20)))
			c.want(tc.login.String(), a, optee.Success, optee.OriginTEE)
			want := smc.UUID{}
			if tc.named {
				want = smc.UUID{7}
			}
			if got := smc.UUID(c.read(m.addr+8, 16)); got != want || a.Params[0].U != [3]uint64{uint64(tc.login), uint64(s), 0} || a.Params[1].Size() != 16 {
				t.Errorf("%v: client %v, %+v", tc.login, got, a.Params)
			}
			a = c.call1(invokeArg(s, optee.ProbeCmdClient, out(0, 0, 0), m.param(optee.AttrRMemOutput, 8, 15)))
			c.want("no room", a, optee.ErrorShortBuffer, optee.OriginTrustedApp)
			if a.Params[1].Size() != 16 {
				t.Errorf("%v: needs %d octets", tc.login, a.Params[1].Size())
			}
		}
	})
}

// Two applications cannot have one UUID.
func TestApplicationTwice(t *testing.T) {
	r := newRig(t)
	cfg := DefaultConfig()
	cfg.OPTEE.NewTAs = func() []tee.PseudoTA { return []tee.PseudoTA{new(recorder), new(recorder)} }
	if err := New(cfg).Reset(r.h); err == nil {
		t.Error("two applications with one UUID are accepted")
	}
}

// patient is an application that sleeps first and waits then.
type patient struct{}

var patientUUID = smc.UUID{0x9A, 15: 0x71}

func (patient) UUID() smc.UUID              { return patientUUID }
func (patient) Properties() tee.Properties  { return 0 }
func (patient) Open(*tee.Call) optee.Result { return optee.Success }
func (patient) Close(uint32)                {}
func (patient) Invoke(c *tee.Call) optee.Result {
	c.Step++
	switch c.Step {
	case 1:
		return c.Sleep(5)
	case 2:
		return c.Wait(9, 0)
	}
	return c.Answer.Result
}

// Nobody would wake who begins to wait once it has been cancelled.
func TestWaitAfterCancel(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(patientUUID)
		call := func() *yield {
			m := invokeArg(s, 0)
			m.CancelID = 7
			y := c.begin(1, m)
			y.want("sleep", optee.RPCSuspend, in(5, 0, 0))
			return y
		}
		y := call()
		c.want("cancel", c.call1(optee.Arg{Cmd: optee.CmdCancel, Session: s, CancelID: 7}), optee.Success, optee.OriginTEE)
		c.want("wait", y.answer(0).result(), optee.ErrorCancel, optee.OriginTrustedApp)
		y = call().answer(0)
		y.want("wait", optee.RPCNotification, in(0, 9, 0))
		c.want("wait", y.answer(0).result(), optee.Success, optee.OriginTEE)
	}, func(c *Config) { c.OPTEE.NewTAs = func() []tee.PseudoTA { return []tee.PseudoTA{patient{}} } })
}

// What one VM has is not another one's, nor the hypervisor's: sessions, calls under way, memory. Secure partitions are no
// clients at all.
func TestClientsAreSeparate(t *testing.T) {
	r := hypervisor(t)
	share := func(vm uint64) uint64 {
		x := transaction(ffa.Share, 0, ffa.Constituent{Address: slotAddr + vm*page, Pages: 1})
		x.Sender = ffa.EndpointID(vm)
		return r.sent(ffa.Share, ffa.Version1_2, x)
	}
	shm := map[uint64]uint64{0: share(0), 5: share(5), 6: share(6)}
	service := func(vm uint64, payload ...uint64) [5]uint64 {
		got := r.call(append([]uint64{0x8400_006F, vm<<16 | opteeID, 0}, payload...)...)
		if got[0] != 0x8400_0070 || got[1] != opteeID<<16|vm {
			t.Fatalf("request of VM %d: %x", vm, got[:8])
		}
		return [5]uint64(got[3:])
	}
	send := func(vm, handle uint64, a optee.Arg) [5]uint64 {
		r.write(slotAddr+vm*page, a.AppendTo(nil))
		return service(vm, 0x8000_0000, handle&0xFFFF_FFFF, handle>>32)
	}
	message := func(vm uint64, a optee.Arg) optee.Arg {
		if got := send(vm, shm[vm], a); got != [5]uint64{} {
			t.Fatalf("%v of VM %d: %x", a.Cmd, vm, got)
		}
		return r.argAt(slotAddr + vm*page)
	}
	s := message(5, openArg(optee.ProbeUUID(), 0)).Session
	under := send(5, shm[5], invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0)))
	if under[0] != 0 || under[1] != 1 {
		t.Fatalf("sleep: %x", under)
	}
	memref := func(h uint64) optee.Param {
		return optee.FMemParam(optee.AttrFMemInput, optee.FMem{Size: 4, GlobalID: h})
	}
	for _, vm := range []uint64{0, 6} {
		own := message(vm, openArg(optee.ProbeUUID(), 0)).Session
		for what, a := range map[string]optee.Arg{
			"call": invokeArg(s, optee.ProbeCmdResult, in(7, 0, 0)), "close": {Cmd: optee.CmdCloseSession, Session: s}, "cancel": {Cmd: optee.CmdCancel, Session: s},
			"memory": invokeArg(own, optee.ProbeCmdMemory, memref(shm[5]), out(0, 0, 0)),
		} {
			before := r.state()
			r.result(what, message(vm, a), optee.ErrorBadParameters)
			r.same(what, before)
		}
		before := r.state()
		if got := service(vm, 0x8000_0001, 0, 0, 0, under[4]); got != [5]uint64{0xFFFF_0006} {
			t.Errorf("resume by %d: %x", vm, got)
		}
		if got := send(vm, shm[5], openArg(optee.ProbeUUID(), 0)); got != [5]uint64{0xFFFF_0006} {
			t.Errorf("message of %d in memory of VM 5: %x", vm, got)
		}
		if got := service(vm, 3, shm[5]&0xFFFF_FFFF, shm[5]>>32); got != [5]uint64{} {
			t.Errorf("UNREGISTER_SHM by %d: %x", vm, got)
		}
		r.same("what is another one's", before)
		r.result("own memory", message(vm, invokeArg(own, optee.ProbeCmdMemory, memref(shm[vm]), out(0, 0, 0))), optee.Success)
	}
	if got := service(5, 0x8000_0001, 0, 0, 0, under[4]); got[0] != 0 || got[1] != 0 {
		t.Errorf("resume by the VM itself: %x", got)
	}
	// A partition neither calls nor sends memory.
	f := tee.NewFFA(r.w.service)
	if _, err := f.Direct(first, [5]uint64{2}); ffa.CodeOf(err) != ffa.InvalidParameters {
		t.Errorf("request of a partition: %v", err)
	}
	o := spmc.Offer{Kind: ffa.Share, Sender: first, Permissions: ffa.DataRW}
	if _, err := f.Offer(&o); ffa.CodeOf(err) != ffa.Denied {
		t.Errorf("memory of a partition: %v", err)
	}
}
