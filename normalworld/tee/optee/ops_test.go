package optee_test

import (
	"bytes"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/tee"
	"gatehouse/normalworld/tee/optee"
	wire "gatehouse/smc/optee"
)

// begin starts an INVOKE that has memory of its own, so that several can be under way.
func (c *client) begin(session, cmd uint32, params ...param) (*tee.Op, func() (wire.Result, []param)) {
	c.t.Helper()
	at := c.mmap(page)
	b := words32(cmd, session, 0, 0, 0, uint32(len(params)))
	for _, p := range params {
		b = append(b, p.bytes()...)
	}
	c.write(at+16, b)
	c.write(at, words(at+16, uint64(len(b))))
	op, err := c.file.Start(tee.IOCInvoke, at)
	if err != nil {
		c.t.Fatal(err)
	}
	return op, func() (wire.Result, []param) {
		c.t.Helper()
		if _, err := op.Finish(); err != nil {
			c.t.Fatal(err)
		}
		b := c.read(at+16, len(b))
		out := make([]param, len(params))
		for i := range out {
			q := b[24+32*i:]
			out[i] = param{le.Uint64(q), le.Uint64(q[8:]), le.Uint64(q[16:]), le.Uint64(q[24:])}
		}
		return wire.Result(le.Uint32(b[12:])), out
	}
}

const ms = 1_000_000

// More calls than the secure world has threads wait for each other, and are served in the order in which they came.
func TestThreadLimit(t *testing.T) {
	for _, v := range []variant{{name: "ffa", ffa: true, threads: 2}, {name: "smc", threads: 2}} {
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			c := r.newClient("tee0")
			var ops []*tee.Op
			var ends []func() (wire.Result, []param)
			var order []int
			for range 5 {
				op, end := c.begin(c.must(wire.ProbeUUID()), wire.ProbeCmdSleep, value(tee.AttrValueInput, 10, 0))
				ops, ends = append(ops, op), append(ends, end)
			}
			start := r.k.Now()
			for left := len(ops); left > 0; {
				moved := false
				for i, op := range ops {
					if op != nil && op.Step() {
						if ret, _ := ends[i](); ret != wire.Success {
							t.Errorf("call %d: %v", i, ret)
						}
						order = append(order, i)
						ops[i], moved = nil, true
						left--
					}
				}
				if !moved {
					r.k.Elapse(ms)
				}
			}
			for i, n := range order {
				if i != n {
					t.Errorf("the calls end in order %v", order)
					break
				}
			}
			// Two at a time, ten milliseconds each.
			if took := r.k.Now() - start; took < 30*ms || took > 40*ms {
				t.Errorf("took %d ms, want about 30", took/ms)
			}
			if w := r.d.Stats().Waits; w < 3 {
				t.Errorf("%d waits for a thread, want 3 or more", w)
			}
			c.exit()
			r.down()
		})
	}
}

// A thread limit with no call under way would be waited for without end.
func TestThreadLimitWithoutCalls(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.InvokeTestsUUID())
		r.wire.before = busyAlways
		ret, origin := c.invoke(s, wire.InvokeTestsCmdTrace)
		r.wire.before = nil
		if ret != wire.ErrorCommunication || origin != wire.OriginComms {
			t.Errorf("%v from %v, want COMMUNICATION from COMMS", ret, origin)
		}
		if ret, _ := c.invoke(s, wire.InvokeTestsCmdTrace); ret != wire.Success {
			t.Errorf("afterwards: %v", ret)
		}
		c.exit()
	})
}

func TestTimeAndSleep(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.ProbeUUID())
		r.k.Elapse(3_000_000_500)
		before := r.k.Now()
		p := []param{{attr: tee.AttrValueOutput}}
		if ret, _ := c.invoke(s, wire.ProbeCmdTime, p...); ret != wire.Success || p[0].a*1e9+p[0].b < before || p[0].a*1e9+p[0].b > r.k.Now() {
			t.Errorf("time %d.%09d: %v, want %d ns", p[0].a, p[0].b, ret, before)
		}
		if ret, _ := c.invoke(s, wire.ProbeCmdSleep, value(tee.AttrValueInput, 25, 0)); ret != wire.Success || r.k.Now()-before < 25*ms || r.k.Now()-before > 26*ms {
			t.Errorf("sleep: %v after %d ns", ret, r.k.Now()-before)
		}
		if ret, _ := c.invoke(s, wire.ProbeCmdInterrupt, value(tee.AttrValueInput, 50, 0)); ret != wire.Success {
			t.Errorf("foreign interrupts: %v", ret)
		}
		c.exit()
	})
}

// A thread that waits for a key goes on when another one sends it, when the secure world notifies by interrupt, or never.
func TestNotifications(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s1, s2 := c.must(wire.ProbeUUID()), c.must(wire.ProbeUUID())
		op, end := c.begin(s1, wire.ProbeCmdWait, value(tee.AttrValueInput, 7, 0))
		if op.Step() {
			t.Fatal("a wait for a key that nobody sends has ended")
		}
		if ret, _ := c.invoke(s2, wire.ProbeCmdWake, value(tee.AttrValueInput, 7, 0)); ret != wire.Success {
			t.Errorf("wake: %v", ret)
		}
		if !op.Step() {
			t.Fatal("the key was sent, the wait goes on")
		}
		if ret, _ := end(); ret != wire.Success {
			t.Errorf("wait: %v", ret)
		}
		// A key that is sent before somebody waits is kept.
		c.invoke(s2, wire.ProbeCmdWake, value(tee.AttrValueInput, 9, 0))
		if ret, _ := c.invoke(s1, wire.ProbeCmdWait, value(tee.AttrValueInput, 9, 0)); ret != wire.Success {
			t.Errorf("wait for a key that was sent: %v", ret)
		}
		start := r.k.Now()
		if ret, _ := c.invoke(s1, wire.ProbeCmdWait, value(tee.AttrValueInput, 9, 20)); ret != wire.ErrorTimeout || r.k.Now()-start < 20*ms {
			t.Errorf("wait with a timeout: %v after %d ns", ret, r.k.Now()-start)
		}
		if ret, _ := c.invoke(s1, wire.ProbeCmdWait, value(tee.AttrValueInput, 5000, 20)); ret != wire.ErrorBadParameters {
			t.Errorf("wait for a key beyond the largest: %v", ret)
		}
		if ret, _ := c.invoke(s1, wire.ProbeCmdWait, value(tee.AttrValueInput, 11, 0)); ret == wire.Success {
			t.Error("a wait that nobody can end succeeds")
		}
		// An asynchronous notification later, by interrupt.
		start = r.k.Now()
		if ret, _ := c.invoke(s2, wire.ProbeCmdNotify, value(tee.AttrValueInput, 13, 3000)); ret != wire.Success {
			t.Errorf("notify: %v", ret)
		}
		ret, _ := c.invoke(s1, wire.ProbeCmdWait, value(tee.AttrValueInput, 13, 0))
		if took := r.k.Now() - start; ret != wire.Success || took < 3*ms || took > 10*ms {
			t.Errorf("asynchronous notification: %v after %d ns", ret, took)
		}
		p := []param{{attr: tee.AttrValueOutput}}
		if ret, _ := c.invoke(s1, wire.ProbeCmdBottomHalves, p...); ret != wire.Success || r.v.ffa && p[0].a == 0 {
			t.Errorf("bottom halves: %d, %v", p[0].a, ret)
		}
		c.exit()
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.ProbeUUID())
		op, end := c.begin(s, wire.ProbeCmdCancelled, value(tee.AttrValueInput, 1000, 0), param{attr: tee.AttrValueOutput})
		if op.Step() {
			t.Fatal("a sleep has ended at once")
		}
		c.write(c.arg, words32(0, s))
		if _, err := c.file.Ioctl(tee.IOCCancel, c.arg); err != nil {
			t.Errorf("cancel: %v", err)
		}
		r.k.Elapse(1001 * ms)
		if !op.Step() {
			t.Fatal("the sleep does not end")
		}
		if ret, p := end(); ret != wire.Success || p[1].a != 1 {
			t.Errorf("%v, cancelled %d", ret, p[1].a)
		}
		c.write(c.arg, words32(0, s+99))
		if _, err := c.file.Ioctl(tee.IOCCancel, c.arg); tee.Errno(err) != normalworld.EINVAL {
			t.Errorf("cancel in a session that is not open: %v", err)
		}
		c.exit()
	})
}

// Memory that the secure world asks for, with room for RPC arguments behind the message and without.
func TestAllocationForTheSecureWorld(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.ProbeUUID())
		for _, size := range []uint64{1, 64, 4096, 4097, 20000} {
			for keep := range uint64(2) {
				p := []param{value(tee.AttrValueInput, wire.SHMTypeKernel, size), value(tee.AttrValueInput, 3, keep), {attr: tee.AttrValueOutput}}
				ret, _ := c.invoke(s, wire.ProbeCmdAllocate, p...)
				var want uint64
				for k := range uint64(3) {
					for i := range size {
						want += uint64(byte(k + 7*i))
					}
				}
				if ret != wire.Success || p[2].a != want {
					t.Errorf("%d bytes, kept %d: %v, sum %d, want %d", size, keep, ret, p[2].a, want)
				}
			}
		}
		for _, tc := range []struct{ kind, size uint64 }{{wire.SHMTypeGlobal, 8}, {99, 8}, {wire.SHMTypeKernel, 1 << 31}} {
			ret, _ := c.invoke(s, wire.ProbeCmdAllocate, value(tee.AttrValueInput, tc.kind, tc.size), value(tee.AttrValueInput, 1, 0), param{attr: tee.AttrValueOutput})
			if ret == wire.Success {
				t.Errorf("type %d, %d bytes: SUCCESS", tc.kind, tc.size)
			}
		}
		c.exit()
	})
}

// goSupplicant serves requests in the kernel's place of a process.
type goSupplicant struct {
	cmds []wire.RPCCommand
	data []byte
}

func (g *goSupplicant) Serve(cmd wire.RPCCommand, params []tee.Param) wire.Result {
	g.cmds = append(g.cmds, cmd)
	params[0].A, params[0].B = params[0].A+1, params[0].B*2
	if len(params) > 1 && params[1].SHM != nil {
		g.data = make([]byte, params[1].Size)
		if params[1].SHM.Read(params[1].Offset, g.data) != nil {
			return wire.ErrorGeneric
		}
		params[1].Size = 5
		params[1].SHM.Write(params[1].Offset, []byte("reply"))
	}
	return wire.Success
}

func TestSupplicantInGo(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			g := new(goSupplicant)
			r := boot(t, v, func(c *optee.Config) { c.Supplicant = g })
			c := r.newClient("tee0")
			s := c.must(wire.ProbeUUID())
			b, err := c.temp([]byte("....a request...."))
			if err != nil {
				t.Fatal(err)
			}
			p := []param{value(tee.AttrValueInput, uint64(wire.RPCFS), 0), value(tee.AttrValueInOut, 20, 21), b.memref(tee.AttrMemrefInOut, 4, 9)}
			ret, _ := c.invoke(s, wire.ProbeCmdSupplicant, p...)
			if ret != wire.Success || p[1].a != 21 || p[1].b != 42 || p[2].b != 5 || string(g.data) != "a request" || len(g.cmds) != 1 || g.cmds[0] != wire.RPCFS {
				t.Errorf("%v, values %d and %d, size %d; the supplicant saw %q, %v", ret, p[1].a, p[1].b, p[2].b, g.data, g.cmds)
			}
			if got := c.read(b.va+4, 9); !bytes.Equal(got, []byte("replyuest")) {
				t.Errorf("the reply is %q", got)
			}
			b.release()
			c.exit()
			r.down()
		})
	}
}

// Without anybody who could serve it, a request fails.
func TestNoSupplicant(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.ProbeUUID())
		p := []param{value(tee.AttrValueInput, uint64(wire.RPCFS), 0), value(tee.AttrValueInOut, 20, 21)}
		if ret, _ := c.invoke(s, wire.ProbeCmdSupplicant, append(p, param{})...); ret != wire.ErrorCommunication {
			t.Errorf("%v, want COMMUNICATION", ret)
		}
		c.exit()
	})
}

// suppliant is a process behind /dev/teepriv0, as tee-supplicant is one.
type supplicantProcess struct {
	*client
	op   *tee.Op
	at   uint64
	meta bool
}

func (s *supplicantProcess) receive() {
	s.t.Helper()
	const n = 5
	if s.at == 0 {
		s.at = s.mmap(page)
	}
	b := words32(0, n)
	for i := range n {
		p := param{}
		if i == 0 && s.meta {
			p.attr = tee.AttrMeta
		}
		b = append(b, p.bytes()...)
	}
	s.write(s.at+16, b)
	s.write(s.at, words(s.at+16, uint64(len(b))))
	var err error
	if s.op, err = s.file.Start(tee.IOCSupplRecv, s.at); err != nil {
		s.t.Fatal(err)
	}
}

// take gives the request once there is one.
func (s *supplicantProcess) take() (cmd uint32, params []param, ok bool) {
	s.t.Helper()
	if !s.op.Step() {
		return 0, nil, false
	}
	if _, err := s.op.Finish(); err != nil {
		s.t.Fatal(err)
	}
	h := s.read(s.at+16, 8)
	for i := range uint64(le.Uint32(h[4:])) {
		q := s.read(s.at+24+32*i, 32)
		params = append(params, param{le.Uint64(q), le.Uint64(q[8:]), le.Uint64(q[16:]), le.Uint64(q[24:])})
	}
	return le.Uint32(h), params, true
}

func (s *supplicantProcess) send(ret wire.Result, params []param) error {
	b := words32(uint32(ret), uint32(len(params)))
	for _, p := range params {
		b = append(b, p.bytes()...)
	}
	s.write(s.at+16, b)
	s.write(s.at, words(s.at+16, uint64(len(b))))
	_, err := s.file.Ioctl(tee.IOCSupplSend, s.at)
	return err
}

func TestSupplicantProcess(t *testing.T) {
	for _, meta := range []bool{false, true} {
		each(t, func(t *testing.T, r *rig) {
			c := r.newClient("tee0")
			sp := &supplicantProcess{client: r.newClient("teepriv0"), meta: meta}
			if _, err := r.sub.OpenFile(sp.proc, "teepriv0"); tee.Errno(err) != normalworld.EBUSY {
				t.Errorf("a second supplicant: %v, want EBUSY", err)
			}
			sp.receive()
			if _, _, ok := sp.take(); ok {
				t.Fatal("a request before there is one")
			}
			op, end := c.begin(c.must(wire.ProbeUUID()), wire.ProbeCmdSupplicant, value(tee.AttrValueInput, uint64(wire.RPCFS), 0),
				value(tee.AttrValueInOut, 3, 4), param{})
			if op.Step() {
				t.Fatal("the call ends without its supplicant")
			}
			cmd, p, ok := sp.take()
			if !ok || cmd != uint32(wire.RPCFS) {
				t.Fatalf("request %v, command %d", ok, cmd)
			}
			i := 0
			if meta {
				if p[0].attr != tee.AttrValueInOut|tee.AttrMeta || p[0].a == 0 {
					t.Errorf("meta parameter %+v", p[0])
				}
				i = 1
			} else {
				// Without numbers there is one request at a time.
				sp.receive()
				if !sp.op.Step() {
					t.Fatal("a second request is waited for")
				}
				if _, err := sp.op.Finish(); tee.Errno(err) != normalworld.EBUSY {
					t.Errorf("a second request before the first is answered: %v, want EBUSY", err)
				}
			}
			if len(p) != i+1 || p[i].a != 3 || p[i].b != 4 {
				t.Fatalf("parameters %+v", p)
			}
			bad := append(append([]param(nil), p...), param{})
			if err := sp.send(wire.Success, bad); tee.Errno(err) != normalworld.EINVAL {
				t.Errorf("an answer with too many parameters: %v, want EINVAL", err)
			}
			p[i].a, p[i].b = 33, 44
			if err := sp.send(wire.ErrorStorageNoSpace, p); err != nil {
				t.Fatal(err)
			}
			if !op.Step() {
				t.Fatal("the call goes on waiting")
			}
			if ret, out := end(); ret != wire.ErrorStorageNoSpace || out[1].a != 33 || out[1].b != 44 {
				t.Errorf("%v, values %d and %d", ret, out[1].a, out[1].b)
			}
			if err := sp.send(wire.Success, p); meta && tee.Errno(err) != normalworld.ENOENT || err == nil {
				t.Errorf("a second answer: %v", err)
			}
			// A request that the process has taken, and one that it has not, end with it.
			op1, end1 := c.begin(c.must(wire.ProbeUUID()), wire.ProbeCmdSupplicant, value(tee.AttrValueInput, uint64(wire.RPCLoadTA), 0), value(tee.AttrValueInOut, 3, 4), param{})
			op2, end2 := c.begin(c.must(wire.ProbeUUID()), wire.ProbeCmdSupplicant, value(tee.AttrValueInput, uint64(wire.RPCRPMB), 0), value(tee.AttrValueInOut, 3, 4), param{})
			op1.Step()
			op2.Step()
			sp.receive()
			if cmd, _, ok := sp.take(); !ok || cmd != uint32(wire.RPCLoadTA) {
				t.Errorf("request %v, command %d", ok, cmd)
			}
			sp.exit()
			for i, op := range []*tee.Op{op1, op2} {
				if !op.Step() {
					t.Fatal("a call waits for a supplicant that has gone")
				}
				if ret, _ := []func() (wire.Result, []param){end1, end2}[i](); ret != wire.ErrorCommunication {
					t.Errorf("%v, want COMMUNICATION", ret)
				}
			}
			c.exit()
		})
	}
}

// Memory of type APPL is the supplicant's: the secure world gets what it allocates on its own device.
func TestSupplicantMemory(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c := r.newClient("tee0")
		sp := &supplicantProcess{client: r.newClient("teepriv0")}
		op, end := c.begin(c.must(wire.ProbeUUID()), wire.ProbeCmdAllocate, value(tee.AttrValueInput, wire.SHMTypeApplication, 5000),
			value(tee.AttrValueInput, 1, 0), param{attr: tee.AttrValueOutput})
		var given *shm
		var cmds []uint32
		for !op.Step() {
			sp.receive()
			cmd, p, ok := sp.take()
			if !ok {
				t.Fatal("the call waits for nothing")
			}
			cmds = append(cmds, cmd)
			switch wire.RPCCommand(cmd) {
			case wire.RPCSHMAlloc:
				var err error
				if given, err = sp.allocate(p[0].b); err != nil {
					t.Fatal(err)
				}
				p[0].c = uint64(given.id)
			case wire.RPCSHMFree:
				if p[0].b != uint64(given.id) {
					t.Errorf("memory %d goes back, want %d", p[0].b, given.id)
				}
				given.release()
			}
			if err := sp.send(wire.Success, p); err != nil {
				t.Fatal(err)
			}
		}
		if ret, _ := end(); ret != wire.Success || len(cmds) != 2 {
			t.Errorf("%v after requests %v", ret, cmds)
		}
		sp.exit()
		c.exit()
	})
}
