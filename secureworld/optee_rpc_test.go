package secureworld

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/event"
	"gatehouse/smc/optee"
)

// Requests of an application, and what comes of the answers, in every way.
func TestRequests(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		for _, tc := range []struct {
			what    string
			command uint32
			params  []optee.Param
			cmd     optee.RPCCommand
			request []optee.Param
			ret     optee.Result
			answer  [][3]uint64
			origin  optee.Origin
			values  []optee.Value // of the message's parameters
		}{
			{"time", optee.ProbeCmdTime, []optee.Param{out(0, 0, 9)}, optee.RPCGetTime, []optee.Param{out(0, 0, 0)}, 0, [][3]uint64{{77, 88, 99}},
				optee.OriginTEE, []optee.Value{{A: 77, B: 88, C: 9}}},
			{"no time", optee.ProbeCmdTime, []optee.Param{out(0, 0, 9)}, optee.RPCGetTime, []optee.Param{out(0, 0, 0)}, optee.ErrorCommunication, nil,
				optee.OriginTrustedApp, nil},
			{"sleep", optee.ProbeCmdSleep, []optee.Param{in(250, 0, 0)}, optee.RPCSuspend, []optee.Param{in(250, 0, 0)}, 0, nil, optee.OriginTEE, nil},
			{"wait", optee.ProbeCmdWait, []optee.Param{in(9, 30, 0)}, optee.RPCNotification, []optee.Param{in(0, 9, 30)}, 0, nil, optee.OriginTEE, nil},
			{"wait in vain", optee.ProbeCmdWait, []optee.Param{in(9, 30, 0)}, optee.RPCNotification, []optee.Param{in(0, 9, 30)}, optee.ErrorTimeout, nil,
				optee.OriginTrustedApp, nil},
			{"wake", optee.ProbeCmdWake, []optee.Param{in(9, 0, 0)}, optee.RPCNotification, []optee.Param{in(1, 9, 0)}, 0, nil, optee.OriginTEE, nil},
			{"supplicant", optee.ProbeCmdSupplicant, []optee.Param{in(99, 0, 0), both(5, 6)}, 99, []optee.Param{both(5, 6)}, 0, [][3]uint64{{1 << 40, 7, 8}},
				optee.OriginTEE, []optee.Value{{A: 99}, {A: 0, B: 7}}},
			{"supplicant that fails", optee.ProbeCmdSupplicant, []optee.Param{in(99, 0, 0), both(5, 6)}, 99, []optee.Param{both(5, 6)}, optee.ErrorItemNotFound, nil,
				optee.OriginTrustedApp, nil},
			{"a result that nobody writes", optee.ProbeCmdSleep, []optee.Param{in(1, 0, 0)}, optee.RPCSuspend, []optee.Param{in(1, 0, 0)}, optee.ErrorGeneric, nil,
				optee.OriginTrustedApp, nil},
		} {
			y := c.begin(0, invokeArg(s, tc.command, tc.params...))
			y.want(tc.what, tc.cmd, tc.request...)
			a := y.answer(tc.ret, tc.answer...).result()
			c.want(tc.what, a, tc.ret, tc.origin)
			for i, v := range tc.values {
				if got := a.Params[i].Value(); got != v {
					t.Errorf("%s: parameter %d is %+v, want %+v", tc.what, i, got, v)
				}
			}
		}
		if c.allocs != 0 {
			t.Errorf("%d RPC arguments are not freed", c.allocs)
		}
		// Everything that the calls took has gone back.
		before := c.state()
		y := c.begin(0, invokeArg(s, optee.ProbeCmdInterrupt, in(3, 0, 0)))
		for i := range 3 {
			if y.kind != "interrupt" {
				t.Fatalf("return %d: %s (%#x), want an interrupt", i, y.kind, y.status)
			}
			y.resume()
		}
		c.want("interrupts", y.result(), optee.Success, optee.OriginTEE)
		c.same("interrupts", before)
	})
}

// A reference goes to the supplicant in the client's own terms.
func TestSupplicantMemory(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		m := c.area(3*page, 0x18)
		sent := m.param(optee.AttrRMemInOut, 0x1010, 500)
		y := c.begin(0, invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), sent))
		y.want("supplicant", 99, both(5, 6), sent)
		a := y.answer(0, [3]uint64{5, 6}, [3]uint64{0, 33, 0}).result()
		c.want("supplicant", a, optee.Success, optee.OriginTEE)
		if a.Params[2].Size() != 33 || a.Params[2].U[0] != sent.U[0] || a.Params[2].U[2] != sent.U[2] {
			t.Errorf("%+v, sent %+v", a.Params[2], sent)
		}
		// A size beyond the buffer is not for the client.
		y = c.begin(0, invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), sent))
		a = y.answer(0, [3]uint64{}, [3]uint64{0, 1 << 60, 0}).result()
		if a.Params[2].Size() != 500 {
			t.Errorf("size %#x of 500", a.Params[2].Size())
		}
		// NULL and protected memory have no name there.
		null := optee.TMemParam(optee.AttrTMemInOut, optee.TMem{})
		if c.ffa {
			null = optee.FMemParam(optee.AttrFMemInOut, optee.FMem{GlobalID: optee.NullGlobalID})
		}
		c.want("NULL", c.call1(invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), null)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		ref, addr := c.protected(1, 1)
		p := c.mem(optee.AttrRMemInOut, ref, addr, 0, 16)
		c.want("protected", c.call1(invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), p)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		if !c.ffa && !c.static {
			c.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{heapAddr + 0x20_0000}))
			list := optee.TMemParam(optee.AttrTMemInOut|optee.AttrNonContig, optee.TMem{BufPtr: lstAddr, Size: 16, SHMRef: 5})
			c.want("temporary", c.call1(invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), list)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		}
		c.unprotect(ref)
		c.consistent()
	})
}

// Buffers that the client allocates: they are used, and freed at once or at the end.
func TestAllocate(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		for _, keep := range []uint64{0, 1} {
			const size = 5000
			before := c.state()
			y := c.begin(0, invokeArg(s, optee.ProbeCmdAllocate, in(1, size, 0), in(4, keep, 0), out(0, 0, 0)))
			sum, freed := uint32(0), 0
			var refs, handles []uint64
			free := func() {
				y.want("free", optee.RPCSHMFree, in(1, refs[freed], 0))
				if c.ffa {
					// The owner gets the memory back while it handles the request.
					c.reclaim(handles[freed])
				}
				y.answer(0)
				freed++
			}
			for i := range 4 {
				y.want("alloc", optee.RPCSHMAlloc, in(1, size, 8))
				off := uint64(i) * 16
				p, addr, ref := c.gift(size, off)
				refs, handles = append(refs, ref), append(handles, ref)
				a := y.rpc()
				a.Ret, a.Params[0] = optee.Success, p
				c.write(y.rpcAt, a.AppendTo(nil))
				y.resume()
				b := c.read(addr, size)
				for k, v := range b {
					if want := byte(i + 7*k); v != want {
						t.Fatalf("octet %d of buffer %d is %#x, want %#x", k, i, v, want)
					}
					sum += uint32(v)
				}
				if keep == 0 {
					free()
				} else if c.ffa && i < 3 {
					before := c.state()
					if got := c.service(3, ref&0xFFFF_FFFF, ref>>32); got[0] != 0xFFFF_FFFC {
						t.Errorf("UNREGISTER_SHM of a buffer in use: %x", got)
					}
					c.refused("RECLAIM of a buffer in use", denied, reclaimCall(ref)...)
					c.same("a buffer in use", before)
				}
			}
			for freed < 4 {
				free()
			}
			a := y.result()
			c.want("allocate", a, optee.Success, optee.OriginTEE)
			if a.Params[2].U[0] != uint64(sum) {
				t.Errorf("sum %d, want %d", a.Params[2].U[0], sum)
			}
			if !c.ffa {
				// Over FF-A handles are never used again.
				c.same("buffers", before)
			}
			c.consistent()
		}
	})
}

// Replies to SHM_ALLOC that are no good: the application gets no memory, nothing stays behind, and what the reply named goes back.
func TestBadGifts(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		var other, pool uint64
		if c.ffa {
			other, pool = c.share(heapAddr+0x10_0000, 1), c.lend(heapAddr+0x11_0000, 1, 1)
		} else {
			_, pool = c.protected(1, 1)
		}
		type row struct {
			what  string
			p     optee.Param
			ret   optee.Result
			n     uint32 // num_params
			freed uint64 // what goes back
		}
		fm := func(m optee.FMem) optee.Param { return optee.FMemParam(optee.AttrFMemOutput, m) }
		tm := func(attr optee.Attr, pa, size, ref uint64) optee.Param {
			return optee.TMemParam(attr, optee.TMem{BufPtr: pa, Size: size, SHMRef: ref})
		}
		rows := []row{{"refused", optee.Param{}, optee.ErrorOutOfMemory, 1, 0}, {"untouched", in(1, 600, 8), optee.ErrorGeneric, 1, 0}}
		var good optee.Param
		if c.ffa {
			good = fm(optee.FMem{Size: 600, GlobalID: other})
			rows = append(rows,
				row{"no such handle", fm(optee.FMem{Size: 600, GlobalID: 0x77_0001}), 0, 1, 0},
				row{"NULL", fm(optee.FMem{Size: 600, GlobalID: optee.NullGlobalID}), 0, 1, 0},
				row{"handle 0", fm(optee.FMem{Size: 600}), 0, 1, 0},
				row{"a pool", fm(optee.FMem{Size: 600, GlobalID: pool}), 0, 1, 0},
				row{"offset beyond a page", fm(optee.FMem{Size: 600, InternalOffset: 4096, GlobalID: other}), 0, 1, 0},
				row{"too small", fm(optee.FMem{Size: 600, InternalOffset: 4000, GlobalID: other}), 0, 1, other},
				row{"an input", optee.FMemParam(optee.AttrFMemInput, optee.FMem{Size: 600, GlobalID: other}), 0, 1, 0},
				row{"by address", tm(optee.AttrTMemOutput, heapAddr, 600, 5), 0, 1, 0},
			)
		} else {
			c.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{heapAddr + 0x10_0000}))
			c.write(lstAddr+page, optee.AppendPageList(nil, lstAddr+page, []uint64{pool}))
			list, listed := optee.AttrSHMPageList, uint64(lstAddr)
			good = tm(list, listed, 600, 5)
			if c.static {
				good = tm(optee.AttrTMemOutput, shmAddr+0x1_0000, 600, 5)
			}
			rows = append(rows,
				row{"no cookie", tm(good.Attr, good.U[0], 600, 0), 0, 1, 0},
				row{"too small", tm(good.Attr, good.U[0], 599, 5), 0, 1, 5},
				row{"a list at a device", tm(list, 0x0900_0000, 600, 5), 0, 1, 5},
				row{"a list of protected memory", tm(list, lstAddr+page, 600, 5), 0, 1, 5},
				row{"a list in protected memory", tm(list, pool, 600, 5), 0, 1, 5},
				row{"protected memory", tm(optee.AttrTMemOutput, pool, 600, 5), 0, 1, 5},
				row{"a device", tm(optee.AttrTMemOutput, 0x0900_0000, 600, 5), 0, 1, 5},
				row{"more than a page by address", tm(optee.AttrTMemOutput, heapAddr+0x12_0000, 4097, 5), 0, 1, 5},
				row{"a misaligned address", tm(optee.AttrTMemOutput, heapAddr+0x12_0008, 600, 5), 0, 1, 5},
				row{"an input", tm(optee.AttrTMemInput, heapAddr+0x12_0000, 600, 5), 0, 1, 5},
				row{"a cookie", optee.RMemParam(optee.AttrRMemOutput, optee.RMem{Size: 600, SHMRef: 5}), 0, 1, 5},
				row{"a value", out(heapAddr, 600, 5), 0, 1, 5},
			)
			if c.static {
				rows = append(rows, row{"a list", tm(list, listed, 600, 5), 0, 1, 5},
					row{"across the end", tm(optee.AttrTMemOutput, shmAddr+shmSize-512, 600, 5), 0, 1, 5},
					row{"a page that is not reserved", tm(optee.AttrTMemOutput, heapAddr+0x12_0000, 600, 5), 0, 1, 5})
			}
		}
		rows = append(rows, row{"no parameter", good, 0, 0, 0}, row{"two parameters", good, 0, 2, 0}, row{"too many parameters", good, 0, 0xFFFF_FFFF, 0},
			row{"the limit of parameters", good, 0, 127, 0})
		for _, tc := range rows {
			before := c.state()
			y := c.begin(0, invokeArg(s, optee.ProbeCmdAllocate, in(1, 600, 0), in(1, 0, 0), out(0, 0, 0)))
			a := y.rpc()
			a.Ret, a.Params[0] = tc.ret, tc.p
			b := a.AppendTo(nil)
			binary.LittleEndian.PutUint32(b[28:], tc.n)
			c.write(y.rpcAt, b)
			y.resume()
			if tc.freed != 0 {
				y.want(tc.what, optee.RPCSHMFree, in(1, tc.freed, 0))
				y.answer(0)
			}
			want := optee.ErrorOutOfMemory
			if tc.ret != 0 {
				want = tc.ret
			}
			c.want(tc.what, y.result(), want, optee.OriginTrustedApp)
			c.same(tc.what, before)
		}
		c.consistent()
		if !c.ffa && !c.static {
			// A single page may be named by its address.
			y := c.begin(0, invokeArg(s, optee.ProbeCmdAllocate, in(1, 600, 0), in(1, 0, 0), out(0, 0, 0)))
			a := y.rpc()
			a.Ret, a.Params[0] = 0, tm(optee.AttrTMemOutput, heapAddr+0x12_0000, 4096, 5)
			c.write(y.rpcAt, a.AppendTo(nil))
			y.resume()
			y.want("a page", optee.RPCSHMFree, in(1, 5, 0))
			c.want("a page", y.answer(0).result(), optee.Success, optee.OriginTEE)
		}
	})
}

// What clients resume that does not wait: nothing happens.
func TestBadResume(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		resume := func(ticket uint64) uint64 {
			if c.ffa {
				got := c.service(0x8000_0001, 0, 0, 0, ticket)
				if got != [5]uint64{got[0]} {
					t.Errorf("resume of %#x: %x", ticket, got)
				}
				return got[0]
			}
			got := c.call(0x3200_0003, 1, 2, ticket, 4, 5)
			if got[1] != 1 || got[2] != 2 || got[3] != ticket || got[4] != 4 || got[5] != 5 {
				t.Errorf("resume of %#x: %x", ticket, got[:8])
			}
			return got[0]
		}
		code := uint64(3)
		if c.ffa {
			code = 0xFFFF_0006
		}
		refused := func(what string, tickets ...uint64) {
			t.Helper()
			for _, x := range tickets {
				before := c.state()
				if got := resume(x); got != code {
					t.Errorf("%s: resume of %#x gives %#x, want %#x", what, x, got, code)
				}
				c.same(what, before)
			}
		}
		refused("nothing waits", 0, 1, 0xFF, 0x100, 0xFFFF_FFFF)
		y := c.begin(0, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0)))
		first := y.ticket
		if first>>32 != 0 {
			t.Fatalf("ticket %#x", first)
		}
		refused("another ticket", first+1, first-1, first^0x100, first^0x8000_0000, 0, first&0xFF, ^first&0xFFFF_FFFF)
		// The upper half of the register does not count.
		y.ticket |= 0xABCD << 32
		c.want("sleep", y.answer(0).result(), optee.Success, optee.OriginTEE)
		refused("a call that is over", first)
		y = c.begin(0, invokeArg(s, optee.ProbeCmdInterrupt, in(2, 0, 0)))
		second := y.ticket
		refused("a call that is over, while another one waits", first)
		y.resume()
		refused("a step that is over", second, first)
		y.resume()
		c.want("interrupts", y.result(), optee.Success, optee.OriginTEE)
		refused("a call that is over", first, second)
	})
}

// A call of one ABI cannot be resumed through the other.
func TestResumeOverOtherABI(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	r.shm = r.share(argAddr, 1)
	a := r.message(0, openArg(optee.ProbeUUID(), 0))
	for i, at := range []uint64{argAddr, bufAddr} {
		m := invokeArg(a.Session, optee.ProbeCmdInterrupt, in(1, 0, 0))
		r.write(at, m.AppendTo(nil))
		var ticket uint64
		if i == 0 {
			ticket = r.service(0x8000_0000, r.shm, 0, 0)[4]
			r.want("RETURN_FROM_RPC", []uint64{0x3200_0003, 0, 0, ticket}, []uint64{3, 0, 0, ticket})
			if got := r.service(0x8000_0001, 0, 0, 0, ticket); got != [5]uint64{} {
				t.Errorf("resume: %x", got)
			}
			continue
		}
		ticket = r.call(0x3200_0012, 0, at)[3]
		if got := r.service(0x8000_0001, 0, 0, 0, ticket); got != [5]uint64{0xFFFF_0006} {
			t.Errorf("resume over FF-A: %x", got)
		}
		if got := r.call(0x3200_0003, 0, 0, ticket); got[0] != 0 {
			t.Errorf("resume: %x", got[:4])
		}
	}
}

// The client changes message and RPC argument while the call is under way: what was copied counts, and the argument is read once
// for each answer.
func TestMessagesThatChange(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		m := c.area(64, 0)
		sent := invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), m.param(optee.AttrRMemInOut, 0, 64))
		y := c.begin(0, sent)
		// Another message in its place: of other commands, with other parameters and more of them.
		spoiled := optee.Arg{Cmd: optee.CmdCloseSession, Session: 77, Func: 8, CancelID: 9, Params: make([]optee.Param, 4)}
		b := spoiled.AppendTo(nil)
		for i := range b[optee.ArgHeaderSize:] {
			b[optee.ArgHeaderSize+i] = 0xFF
		}
		c.write(y.addr, b[:optee.ArgSize(3)])
		binary.LittleEndian.PutUint32(b[28:], 0xFFFF_FFFF)
		c.write(y.addr, b[:optee.ArgHeaderSize])
		// The answer claims other types and another number of parameters, and results for inputs.
		a := y.rpc()
		a.Cmd, a.Ret = 55, optee.Success
		a.Params[0] = optee.Param{Attr: optee.AttrTMemOutput, U: [3]uint64{111, 222, 333}}
		a.Params[1] = optee.Param{Attr: 0xFFFF_FFFF, U: [3]uint64{1, 10, 3}}
		b = a.AppendTo(nil)
		binary.LittleEndian.PutUint32(b[28:], 0xFFFF_FFFF)
		c.write(y.rpcAt, b)
		reads := map[uint64]int{}
		c.spy.read = func(addr uint64) { reads[addr&^(page-1)]++ }
		y.resume()
		c.spy.read = nil
		if y.kind != "done" {
			t.Fatalf("%s (%#x)", y.kind, y.status)
		}
		if n := reads[y.rpcAt&^(page-1)]; n != 1 {
			t.Errorf("the RPC argument is read %d times", n)
		}
		got := c.argAt(y.addr)
		want := sent
		want.RetOrigin = optee.OriginTEE
		want.Params = slices.Clone(sent.Params)
		want.Params[1].U = [3]uint64{111, 222, 0}
		want.Params[2].U[1] = 10
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("the message is\n%+v, want\n%+v", got, want)
		}
	})
}

// Memory that a call under way uses stays what it is.
func TestMemoryInUse(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		m := c.area(64, 0)
		ref, addr := c.protected(2, 1)
		// The call holds a buffer and a pool.
		hold := func(p optee.Param) *yield {
			return c.begin(3, invokeArg(s, optee.ProbeCmdSupplicant, in(99, 0, 0), both(5, 6), p))
		}
		y := hold(m.param(optee.AttrRMemInOut, 0, 64))
		free := func(what string, ok bool) {
			t.Helper()
			before := c.state()
			switch {
			case c.ffa:
				want := uint64(0)
				if !ok {
					want = 0xFFFF_FFFC
				}
				if got := c.service(3, m.ref&0xFFFF_FFFF, m.ref>>32); got[0] != want {
					t.Errorf("%s: UNREGISTER_SHM gives %#x, want %#x", what, got[0], want)
				}
				if !ok {
					c.refused("RECLAIM", denied, reclaimCall(m.ref)...)
					// Neither the message itself can go.
					if got := c.service(3, c.slots&0xFFFF_FFFF, c.slots>>32); got[0] != 0xFFFF_FFFC {
						t.Errorf("%s: UNREGISTER_SHM of the message gives %#x", what, got[0])
					}
				} else {
					c.reclaim(m.ref)
				}
			case !c.static:
				want := optee.Success
				if !ok {
					want = optee.ErrorBusy
				}
				c.result(what, c.call1(cookieArg(optee.CmdUnregisterSHM, m.ref)), want)
			}
			if !ok {
				c.same(what, before)
			}
		}
		free("a buffer in use", false)
		// The page of the message cannot be lent meanwhile.
		if c.ffa {
			c.write(txAddr, transaction(ffa.Lend, 1, ffa.Constituent{Address: y.addr &^ (page - 1), Pages: 1}).AppendTo(nil, ffa.Version1_2))
			c.refused("lend of the message", denied, 0xC400_0072, 112, 112)
		} else {
			for _, at := range []uint64{y.addr, y.rpcAt} {
				c.result("lend of the message", c.call1(lendArg(0x999, at&^(page-1), page, 1)), optee.ErrorBadParameters)
			}
		}
		c.want("supplicant", y.answer(0).result(), optee.Success, optee.OriginTEE)
		free("a buffer that was in use", true)
		// The same for a pool.
		y = c.begin(3, openArg(optee.ProbeUUID(), 0, in(0, 5, 0), c.mem(optee.AttrRMemInOut, ref, addr, 0, page)))
		y.want("sleep while the session opens", optee.RPCSuspend, in(5, 0, 0))
		before := c.state()
		if c.ffa {
			if got := c.service(8, ref&0xFFFF_FFFF, ref>>32); got[0] != 0xFFFF_FFFC {
				t.Errorf("RELEASE_PROTMEM of a pool in use gives %#x", got[0])
			}
			c.refused("RECLAIM of a pool in use", denied, reclaimCall(ref)...)
		} else {
			c.result("RECLAIM_PROTMEM of a pool in use", c.call1(cookieArg(optee.CmdReclaimProtmem, ref)), optee.ErrorBusy)
		}
		c.same("a pool in use", before)
		c.wantRights("a pool in use", addr, rightsVideo)
		a := y.answer(0).result()
		c.want("open", a, optee.Success, optee.OriginTEE)
		c.unprotect(ref)
		c.wantRights("a pool that was in use", addr, rightsNormal)
		c.consistent()
	})
}

// With all threads taken by calls under way the next one is told to wait, and nothing happens.
func TestThreadLimit(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		busy := uint64(1)
		if c.ffa {
			busy = 0xFFFF_000D
		}
		var under []*yield
		for i := range uint64(3) {
			s := c.open(optee.ProbeUUID())
			under = append(under, c.begin(1+i, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0))))
			under[i].want("sleep", optee.RPCSuspend, in(1, 0, 0))
		}
		for _, a := range []optee.Arg{openArg(optee.ProbeUUID(), 0), {Cmd: optee.CmdCancel, Session: 1}, {Cmd: 99}} {
			before := c.state()
			if y := c.begin(4, a); y.status != busy || y.kind != "refused" {
				t.Errorf("%v: %s (%#x), want %#x", a.Cmd, y.kind, y.status, busy)
			}
			c.same("no thread", before)
		}
		// Calls without a thread still work: in the order in which they like.
		c.want("second", under[1].answer(0).result(), optee.Success, optee.OriginTEE)
		if y := c.begin(4, openArg(optee.ProbeUUID(), 0)); y.kind != "done" {
			t.Errorf("with a free thread: %s (%#x)", y.kind, y.status)
		}
		c.want("first", under[0].answer(0).result(), optee.Success, optee.OriginTEE)
		c.want("third", under[2].answer(0).result(), optee.Success, optee.OriginTEE)
	}, func(c *Config) { c.OPTEE.Threads = 3 })
}

// Without the capability RPC_ARG, clients may have the memory of RPC arguments kept from call to call.
func TestRPCArgumentCache(t *testing.T) {
	for _, w := range ways {
		if w.fid != 0x3200_0004 {
			continue
		}
		c := newCaller(t, w)
		s := c.open(optee.ProbeUUID())
		caps := c.call(0xB200_0009)
		if caps[1]&(1<<6) != 0 || caps[3] != 0 {
			t.Errorf("%s: capabilities %x", w.name, caps[:4])
		}
		c.rig.want("ENABLE_SHM_CACHE", []uint64{0xB200_000B}, []uint64{0})
		a := c.begin(0, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0)))
		b := c.begin(1, openArg(optee.ProbeUUID(), 0, in(0, 1, 0)))
		if a.cookie == b.cookie || c.allocs != 2 {
			t.Fatalf("%s: cookies %#x and %#x of %d", w.name, a.cookie, b.cookie, c.allocs)
		}
		c.rig.want("DISABLE_SHM_CACHE while calls are under way", []uint64{0xB200_000A}, []uint64{2})
		c.rig.want("ENABLE_SHM_CACHE while calls are under way", []uint64{0xB200_000B}, []uint64{2})
		c.want("sleep", a.answer(0).result(), optee.Success, optee.OriginTEE)
		s2 := b.answer(0).result().Session
		if c.allocs != 2 {
			t.Fatalf("%s: %d RPC arguments are kept, want 2", w.name, c.allocs)
		}
		// The memory stays the service's, and serves the next call.
		c.result("lend of what is kept", c.call1(lendArg(0x999, a.rpcAt&^(page-1), page, 1)), optee.ErrorBadParameters)
		y := &yield{c: c, addr: c.at(0), n: 1, cookie: a.cookie, rpcAt: a.rpcAt}
		m := invokeArg(s, optee.ProbeCmdSleep, in(2, 0, 0))
		c.write(y.addr, m.AppendTo(nil))
		y.enter().want("sleep", optee.RPCSuspend, in(2, 0, 0))
		c.want("sleep", y.answer(0).result(), optee.Success, optee.OriginTEE)
		if c.allocs != 2 {
			t.Errorf("%s: a third RPC argument", w.name)
		}
		c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: s2})
		got := map[uint64]bool{}
		for range 2 {
			r := c.call(0xB200_000A)
			if r[0] != 0 {
				t.Fatalf("%s: DISABLE_SHM_CACHE: %x", w.name, r[:4])
			}
			got[r[1]<<32|r[2]] = true
		}
		if !got[a.cookie] || !got[b.cookie] {
			t.Errorf("%s: cookies %v, want %#x and %#x", w.name, got, a.cookie, b.cookie)
		}
		c.rig.want("DISABLE_SHM_CACHE", []uint64{0xB200_000A}, []uint64{7})
		if !w.static {
			c.result("lend of what was kept", c.call1(lendArg(0x999, a.rpcAt&^(page-1), page, 1)), optee.Success)
		}
		// From here on every call gives its memory back.
		c.allocs = 0
		c.want("sleep", c.begin(0, invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0))).answer(0).result(), optee.Success, optee.OriginTEE)
		if c.allocs != 0 {
			t.Errorf("%s: %d RPC arguments are kept", w.name, c.allocs)
		}
	}
}

// Answers to ALLOC that are no good: the request fails, and memory that the client did allocate goes back.
func TestBadRPCArgument(t *testing.T) {
	for _, w := range ways {
		if w.fid != 0x3200_0004 {
			continue
		}
		c := newCaller(t, w)
		s := c.open(optee.ProbeUUID())
		pool, poolAddr := c.protected(1, 1)
		_ = pool
		for what, tc := range map[string]struct{ pa, cookie uint64 }{
			"nothing": {0, 0}, "no memory": {0, 5}, "a device": {0x0900_0000, 5}, "protected memory": {poolAddr, 5}, "above memory": {ramBase + ramSize, 5},
			"misaligned": {spareAddr + 4, 5}, "no cookie": {spareAddr, 0}, "wild": {0xFFFF_FFFF_FFFF_F000, 5}, "across the end": {shmAddr + shmSize - 152, 5}, "half a word off": {shmAddr + 0x1_0004, 5},
		} {
			before := c.state()
			m := invokeArg(s, optee.ProbeCmdSleep, in(1, 0, 0))
			c.write(c.at(0), m.AppendTo(nil))
			r := c.call(0x3200_0004, 0, c.at(0))
			if r[0] != 0xFFFF_0000 {
				t.Fatalf("%s: %x, want ALLOC", what, r[:4])
			}
			r = c.call(0x3200_0003, tc.pa>>32, tc.pa&0xFFFF_FFFF, r[3], tc.cookie>>32, tc.cookie)
			if tc.cookie != 0 {
				if r[0] != 0xFFFF_0002 || r[1] != 0 || r[2] != tc.cookie {
					t.Fatalf("%s: %x, want FREE", what, r[:4])
				}
				r = c.call(0x3200_0003, 0, 0, r[3])
			}
			if r[0] != 0 {
				t.Fatalf("%s: %x, want OK", what, r[:4])
			}
			c.want(what, c.argAt(c.at(0)), optee.ErrorOutOfMemory, optee.OriginTrustedApp)
			c.same(what, before)
		}
	}
}

// A call that waits, as the event stream tells of it: each stretch in which the secure world works has an end.
func TestEventsOfRequests(t *testing.T) {
	c := newCaller(t, ways[1])
	s := c.open(optee.ProbeUUID())
	var l lines
	c.h.events.Attach(event.SMC|event.OPTEE, &l)
	y := c.begin(0, invokeArg(s, optee.ProbeCmdTime, out(0, 0, 0)))
	ticket := y.ticket
	c.want("time", y.answer(0, [3]uint64{7, 8}).result(), optee.Success, optee.OriginTEE)
	at := fmt.Sprintf("%#x", y.addr)
	want := []string{
		"optee optee: OPTEE_MSG_INVOKE_COMMAND session=0x1 func=0x0 p0=VALUE_OUTPUT{0x0,0x0,0x0} size=64 rpc=GET_TIME",
		fmt.Sprintf("smc cpu0: OPTEE_CALL_WITH_RPC_ARG arg=%s ret=RPC_CMD ret.thread=%#x ret.cookie=0x0", at, ticket),
		"optee optee: OPTEE_RPC_GET_TIME p0=VALUE_OUTPUT{0x0,0x0,0x0} ret=SUCCESS ret.p0=VALUE_OUTPUT{0x7,0x8,0x0}",
		"optee optee: OPTEE_MSG_INVOKE_COMMAND session=0x1 func=0x0 p0=VALUE_OUTPUT{0x0,0x0,0x0} size=64 ret=SUCCESS",
		fmt.Sprintf("smc cpu0: OPTEE_RETURN_FROM_RPC thread=%#x a1:a2=0x0 a4:a5=0x0 ret=OK", ticket),
	}
	if got := strings.Join(l.got, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// A call that asks the normal world for the time once.
func BenchmarkRequest(b *testing.B) {
	for _, w := range []way{ways[0], ways[2]} {
		b.Run(w.name, func(b *testing.B) {
			c := newCaller(b, w)
			s := c.open(optee.ProbeUUID())
			m := invokeArg(s, optee.ProbeCmdTime, out(0, 0, 0))
			raw := m.AppendTo(nil)
			b.ReportAllocs()
			for b.Loop() {
				c.write(c.at(0), raw)
				y := yield{c: c, addr: c.at(0), n: 1}
				if y.enter(); y.kind != "rpc" {
					b.Fatal(y.kind)
				}
				if y.resume(); y.kind != "done" {
					b.Fatal(y.kind)
				}
			}
		})
	}
}
