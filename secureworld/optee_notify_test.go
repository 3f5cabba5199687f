package secureworld

import (
	"fmt"
	"testing"

	"gatehouse/smc/optee"
)

// bell is how a client hears of asynchronous notifications.
type bell struct {
	*caller
	id uint64 // of the FF-A notification that asks for the bottom half
}

// enable asks for asynchronous notifications as a client does.
func (c *caller) enable() *bell {
	c.Helper()
	b := &bell{c, 5}
	if c.byFFA {
		c.rig.want("BITMAP_CREATE", []uint64{0x8400_007D, 0, 4}, []uint64{ffaSuccess})
		c.rig.want("BIND", []uint64{0x8400_007F, opteeID << 16, 0, 1 << b.id, 0}, []uint64{ffaSuccess})
		if got := c.service(5, b.id); got != [5]uint64{} {
			c.Fatalf("ENABLE_ASYNC_NOTIF: %x", got)
		}
		return b
	}
	c.rig.want("ENABLE_ASYNC_NOTIF", []uint64{0xB200_0010}, []uint64{0})
	return b
}

// rings reports whether the client's interrupt has been raised since the last time.
func (b *bell) rings() bool {
	if b.byFFA {
		n := len(b.h.sgis)
		b.h.sgis = nil
		return n > 0
	}
	n := len(b.h.spis)
	for i := 0; i+1 < n; i += 2 {
		if b.h.spis[i] != (spi{166, true}) || b.h.spis[i+1] != (spi{166, false}) {
			b.Errorf("levels %v, want pulses of interrupt 166", b.h.spis)
		}
	}
	b.h.spis = nil
	return n > 0
}

// answers collects what is pending as a client's interrupt handler does: the keys, and whether the bottom half is to be run.
func (b *bell) answers() (keys []uint64, bottomHalf bool) {
	b.Helper()
	if b.byFFA {
		got := b.call(0x8400_0082, 0, 1) // NOTIFICATION_GET from SPs
		if got[0] != ffaSuccess {
			b.Fatalf("NOTIFICATION_GET: %x", got[:8])
		}
		if pending := got[2] | got[3]<<32; pending&^(1<<b.id) != 0 {
			b.Fatalf("notifications %#x, want only %d", pending, b.id)
		} else {
			bottomHalf = pending != 0
		}
		return nil, bottomHalf
	}
	for {
		got := b.call(0xB200_0011)
		if got[0] != 0 {
			b.Fatalf("GET_ASYNC_NOTIF_VALUE: %x", got[:4])
		}
		if got[2]&1 == 0 {
			if got[1] != 0 || got[2] != 0 {
				b.Errorf("nothing is pending: %x", got[:4])
			}
			return keys, bottomHalf
		}
		if got[1] == 0 {
			bottomHalf = true
		} else {
			keys = append(keys, got[1])
		}
		if got[2]&2 == 0 {
			return keys, bottomHalf
		}
	}
}

// run is the bottom half. Over FF-A it sends the keys.
func (b *bell) run() (keys []uint64) {
	b.Helper()
	y := b.begin(7, optee.Arg{Cmd: optee.CmdDoBottomHalf})
	for y.kind == "rpc" {
		keys = append(keys, y.key("bottom half", 1))
		y.answer(0)
	}
	b.want("DO_BOTTOM_HALF", y.result(), optee.Success, optee.OriginTEE)
	return keys
}

// all gives the keys of all that is pending.
func (b *bell) all() []uint64 {
	b.Helper()
	keys, half := b.answers()
	if half {
		keys = append(keys, b.run()...)
	}
	return keys
}

// Asynchronous notifications reach the client's waiters in every way.
func TestAsynchronousNotifications(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		notify := func(key, us uint64) optee.Arg { return c.call1(invokeArg(s, optee.ProbeCmdNotify, in(key, us, 0))) }
		halves := func() uint64 { return c.call1(invokeArg(s, optee.ProbeCmdBottomHalves, out(0, 0, 0))).Params[0].U[0] }
		c.want("before they are enabled", notify(3, 0), optee.ErrorBadState, optee.OriginTrustedApp)
		c.want("before they are enabled", notify(3, 10), optee.ErrorBadState, optee.OriginTrustedApp)
		c.want("bottom half before that", c.call1(optee.Arg{Cmd: optee.CmdDoBottomHalf}), optee.Success, optee.OriginTEE)
		b := c.enable()
		if b.rings() {
			t.Error("the interrupt comes before there is anything")
		}
		check := func(what string, want string) {
			t.Helper()
			if !b.rings() {
				t.Errorf("%s: no interrupt", what)
			}
			if got := fmt.Sprint(b.all()); got != want {
				t.Errorf("%s: keys %s, want %s", what, got, want)
			}
			if keys, half := b.answers(); keys != nil || half {
				t.Errorf("%s: keys %v are still pending, bottom half %v", what, keys, half)
			}
		}
		c.want("key 3", notify(3, 0), optee.Success, optee.OriginTEE)
		check("key 3", "[3]")
		// Several are pending at a time; one that is sent twice comes once.
		for _, key := range []uint64{63, 9, 1, 9} {
			c.want("keys", notify(key, 0), optee.Success, optee.OriginTEE)
		}
		check("keys", "[1 9 63]")
		if c.byFFA {
			if n := halves(); n != 2 {
				t.Errorf("%d bottom halves, want 2", n)
			}
		} else if n := halves(); n != 0 {
			t.Errorf("%d bottom halves, want none", n)
		}
		before := halves()
		c.want("bottom half", notify(0, 0), optee.Success, optee.OriginTEE)
		check("bottom half", "[]")
		if n := halves(); n != before+1 {
			t.Errorf("%d bottom halves, want %d", n, before+1)
		}
		c.want("a key that is not for applications", notify(64, 0), optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.want("a wild key", notify(0xFFFF_FFFF, 0), optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.want("a wild key later", notify(64, 1), optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.want("parameters", c.call1(optee.Arg{Cmd: optee.CmdDoBottomHalf, Params: make([]optee.Param, 1)}), optee.ErrorBadParameters, optee.OriginTEE)
		// A waiter is woken, which is what they are for.
		y := c.begin(1, invokeArg(s, optee.ProbeCmdWait, in(9, 0, 0)))
		other := c.open(optee.ProbeUUID())
		c.want("notify", c.call1(invokeArg(other, optee.ProbeCmdNotify, in(9, 0, 0))), optee.Success, optee.OriginTEE)
		check("waiter", "[9]")
		c.want("waiter", y.answer(0).result(), optee.Success, optee.OriginTEE)
		// After STOP there are none.
		c.want("key 3", notify(3, 0), optee.Success, optee.OriginTEE)
		c.want("key 4, later", notify(4, 10), optee.Success, optee.OriginTEE)
		b.rings()
		c.want("STOP_ASYNC_NOTIF", c.call1(optee.Arg{Cmd: optee.CmdStopAsyncNotif}), optee.Success, optee.OriginTEE)
		c.h.clock.Advance(c.h.clock.Now() + 100_000)
		c.h.clock.Expire()
		c.want("after STOP_ASYNC_NOTIF", notify(3, 0), optee.ErrorBadState, optee.OriginTrustedApp)
		// What was due then does not come when they are enabled again.
		if c.byFFA {
			c.service(5, b.id)
		} else {
			c.call(0xB200_0010)
		}
		c.want("key 4, later", notify(4, 1000), optee.Success, optee.OriginTEE)
		c.want("STOP_ASYNC_NOTIF", c.call1(optee.Arg{Cmd: optee.CmdStopAsyncNotif}), optee.Success, optee.OriginTEE)
		if c.byFFA {
			c.service(5, b.id)
		} else {
			c.call(0xB200_0010)
		}
		c.h.clock.Advance(c.h.clock.Now() + 10_000_000)
		c.h.clock.Expire()
		if b.rings() {
			t.Error("an interrupt after STOP_ASYNC_NOTIF")
		}
		if !c.byFFA {
			if keys, half := b.answers(); keys != nil || half {
				t.Errorf("after STOP_ASYNC_NOTIF: keys %v, bottom half %v", keys, half)
			}
		}
	})
}

// Notifications that are due later come at their time, in order, and not after a reset.
func TestNotificationsLater(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		b := c.enable()
		later := func(key, us uint64) optee.Result {
			a := c.call1(invokeArg(s, optee.ProbeCmdNotify, in(key, us, 0)))
			return a.Ret
		}
		for key, us := range map[uint64]uint64{5: 20, 6: 10, 7: 20, 8: 30} {
			if res := later(key, us); res != optee.Success {
				t.Fatalf("key %d: %v", key, res)
			}
		}
		for _, step := range []struct {
			us   uint64
			want string
		}{{9, ""}, {10, "[6]"}, {19, ""}, {20, "[5 7]"}, {40, "[8]"}, {100, ""}} {
			if next := c.h.clock.Next(); next > step.us*1000 && step.want != "" {
				t.Errorf("at %d µs the next deadline is %d ns", step.us, next)
			}
			c.h.clock.Advance(step.us * 1000)
			c.h.clock.Expire()
			rings := b.rings()
			if got := fmt.Sprint(b.all()); rings != (step.want != "") || rings && got != step.want {
				t.Errorf("at %d µs: interrupt %v, keys %s, want %q", step.us, rings, got, step.want)
			}
		}
		// No more than 16 at a time.
		for i := range 16 {
			if res := later(9, 1000); res != optee.Success {
				t.Fatalf("notification %d: %v", i, res)
			}
		}
		if res := later(9, 1000); res != optee.ErrorBusy {
			t.Errorf("17 notifications: %v", res)
		}
		must(t, c.w.Reset(c.h))
		c.h.clock.Advance(c.h.clock.Now() + 10_000_000)
		c.h.clock.Expire()
		if b.rings() {
			t.Error("a notification of the time before the reset")
		}
	})
}

// Over FF-A a client that has not bound the notification cannot be told.
func TestNotificationNotBound(t *testing.T) {
	c := newCaller(t, ways[0])
	s := c.open(optee.ProbeUUID())
	if got := c.service(5, 5); got != [5]uint64{} {
		t.Fatalf("ENABLE_ASYNC_NOTIF: %x", got)
	}
	before := c.state()
	c.want("notify", c.call1(invokeArg(s, optee.ProbeCmdNotify, in(3, 0, 0))), optee.ErrorBadState, optee.OriginTrustedApp)
	c.same("notify", before)
	for _, id := range []uint64{64, 65, 0xFFFF_FFFF} {
		if got := c.service(5, id); got != [5]uint64{0xFFFF_0006} {
			t.Errorf("ENABLE_ASYNC_NOTIF of %d: %x", id, got)
		}
	}
}

// Without the interrupt none of this is there.
func TestNoNotifications(t *testing.T) {
	r := newRig(t, func(c *Config) { c.OPTEE.NotifyINTID = 0 }).negotiate(0x1_0002)
	if got := r.service(2); got != [5]uint64{0, 4, 9} {
		t.Errorf("EXCHANGE_CAPABILITIES: %x", got)
	}
	if got := r.service(5, 1); got != [5]uint64{0xFFFF_0006} {
		t.Errorf("ENABLE_ASYNC_NOTIF over FF-A: %x", got)
	}
	r.want("EXCHANGE_CAPABILITIES", []uint64{0xB200_0009}, []uint64{0, 0x254, 0, 4})
	r.want("CALLS_COUNT", []uint64{0xBF00_FF00}, []uint64{15})
	for _, f := range []uint64{0xB200_0010, 0xB200_0011} {
		r.want("unknown", []uint64{f}, []uint64{all1s})
	}
}
