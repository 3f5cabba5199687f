package secureworld

import (
	"fmt"
	"slices"
	"testing"

	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Where callers keep their messages and buffers.
const (
	slotAddr  = ramBase + 0x4_0000
	slotPages = 8
	callers   = slotPages // messages at a time
	spareAddr = ramBase + 0x5_0000
	shmAddr   = ramBase + 0x8_0000
	shmSize   = 0x2_0000
	heapAddr  = ramBase + 0x40_0000
)

// way is one of the ways in which a message can be passed.
type way struct {
	name   string
	change func(*Config)
	byFFA  bool
	fid    uint64 // of the SMC ABI
	static bool   // in reserved shared memory
}

var ways = []way{
	{name: "ffa", byFFA: true, change: func(c *Config) { c.ABI = ABIFFA }},
	{name: "smc/rpc-arg", fid: 0x3200_0012, change: func(c *Config) { c.ABI = ABISMC }},
	{name: "smc/regd-arg", fid: 0x3200_0013, change: func(c *Config) { c.ABI = ABISMC }},
	{name: "smc/arg", fid: 0x3200_0004, change: func(c *Config) { c.ABI, c.OPTEE.NoRPCArg = ABISMC, true }},
	{name: "smc/static", fid: 0x3200_0012, static: true, change: func(c *Config) {
		c.ABI, c.OPTEE.NoDynamicSHM = ABISMC, true
		c.OPTEE.SHM = memory.Range{Base: shmAddr, Size: shmSize}
	}},
	{name: "smc/static-arg", fid: 0x3200_0004, static: true, change: func(c *Config) {
		c.ABI, c.OPTEE.NoDynamicSHM, c.OPTEE.NoRPCArg = ABISMC, true, true
		c.OPTEE.SHM = memory.Range{Base: shmAddr, Size: shmSize}
	}},
}

// caller is a normal world that calls OP-TEE in one way.
type caller struct {
	*client
	way
	slots  uint64 // handle or cookie of the messages' memory
	heap   uint64 // next free address for buffers
	spare  uint64 // next free page for RPC arguments
	allocs int    // RPC arguments that it has allocated and not freed
}

// everyWay runs a test in each way, on a machine of its own with the applications of package pta.
func everyWay(t *testing.T, test func(t *testing.T, c *caller), change ...func(*Config)) {
	t.Helper()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) { test(t, newCaller(t, w, change...)) })
	}
}

func newCaller(t testing.TB, w way, change ...func(*Config)) *caller {
	t.Helper()
	return newCallerSize(t, w, ramSize, change...)
}

func newCallerSize(t testing.TB, w way, size uint64, change ...func(*Config)) *caller {
	t.Helper()
	c := &caller{way: w, heap: heapAddr, spare: spareAddr, client: &client{rig: newRigSize(t, size, append(slices.Clone(change), w.change)...), ffa: w.byFFA}}
	switch {
	case w.byFFA:
		c.negotiate(0x1_0002)
		c.slots = c.share(slotAddr, slotPages)
	case w.static:
		c.heap = shmAddr + slotPages*page
	case w.fid == 0x3200_0013:
		c.slots = c.buffer(slotPages*page, slotAddr, pagesFrom(slotAddr, slotPages)...)
	}
	return c
}

func pagesFrom(addr uint64, n int) (pages []uint64) {
	for i := range n {
		pages = append(pages, addr+uint64(i)*page)
	}
	return pages
}

// area is memory of the normal world that messages can refer to.
type area struct {
	c    *caller
	addr uint64
	size uint64
	ref  uint64
}

// area makes shared memory that begins off bytes into a page.
func (c *caller) area(size, off uint64) *area {
	c.Helper()
	a := &area{c: c, addr: c.heap + off, size: size}
	n := (off + size + page - 1) / page
	c.heap += n * page
	if !c.static {
		a.ref = c.buffer(size, a.addr, pagesFrom(a.addr-off, int(n))...)
	}
	return a
}

// param is a reference to part of the memory.
func (a *area) param(attr optee.Attr, off, size uint64) optee.Param {
	if a.c.static {
		return optee.TMemParam(attr+4, optee.TMem{BufPtr: a.addr + off, Size: size, SHMRef: 0xFFFF_0000_0000_7777})
	}
	return a.c.mem(attr, a.ref, a.addr, off, size)
}

// protected lends memory for a use case and gives a reference to all of it.
func (c *caller) protected(pages, use uint64) (ref, addr uint64) {
	c.Helper()
	addr = ramBase + 0x100_0000 + uint64(c.cookies)*0x10_0000
	c.cookies++
	if c.ffa {
		h := c.lend(addr, uint32(pages), use)
		c.result("ASSIGN_PROTMEM", c.call1(assignArg(h, use)), optee.Success)
		return h, addr
	}
	cookie := 0xFFFF_0000_5678_0000 + c.cookies
	c.result("LEND_PROTMEM", c.call1(lendArg(cookie, addr, pages*page, use)), optee.Success)
	return cookie, addr
}

// unprotect gives it back.
func (c *caller) unprotect(ref uint64) {
	c.Helper()
	if c.ffa {
		if got := c.service(8, ref&0xFFFF_FFFF, ref>>32); got[0] != 0 {
			c.Fatalf("RELEASE_PROTMEM: %x", got)
		}
		c.reclaim(ref)
		return
	}
	c.result("RECLAIM_PROTMEM", c.call1(cookieArg(optee.CmdReclaimProtmem, ref)), optee.Success)
}

// yield is a message that is under way, or that has come back.
type yield struct {
	c    *caller
	slot uint64
	addr uint64 // of the message
	n    uint32 // its parameters

	status uint64 // w3 or a0
	kind   string // "done", "rpc", "interrupt" or "refused"
	ticket uint64
	rpcAt  uint64 // address of the RPC argument
	cookie uint64 // of memory that was allocated for it, or is to be freed
}

// at is where the message of a slot stands.
func (c *caller) at(slot uint64) uint64 {
	if c.static {
		// Not at the beginning of a page.
		return shmAddr + slot*page + 8*slot
	}
	return slotAddr + slot*page
}

// begin puts a message into a slot and calls.
func (c *caller) begin(slot uint64, a optee.Arg) *yield {
	c.Helper()
	y := &yield{c: c, slot: slot, addr: c.at(slot), n: uint32(len(a.Params))}
	c.write(y.addr, a.AppendTo(nil))
	return y.enter()
}

func (y *yield) enter() *yield {
	y.c.Helper()
	c := y.c
	switch {
	case c.ffa:
		off := y.addr - slotAddr
		y.direct(c.service(0x8000_0000, c.slots&0xFFFF_FFFF, c.slots>>32, off, 0))
	case c.fid == 0x3200_0013:
		y.smc(c.call(c.fid, c.slots>>32, c.slots&0xFFFF_FFFF, y.addr-slotAddr))
	default:
		y.smc(c.call(c.fid, y.addr>>32, y.addr&0xFFFF_FFFF))
	}
	return y
}

// direct takes the reply of a yielding call over FF-A.
func (y *yield) direct(got [5]uint64) {
	y.status, y.kind, y.ticket = got[0], "refused", got[4]
	if got[0] != 0 {
		return
	}
	y.kind = [...]string{"done", "rpc", "interrupt"}[got[1]]
	y.rpcAt = y.addr + optee.ArgSize(y.n)
}

// smc takes the reply of a yielding call over the SMC ABI. Memory for RPC arguments is given and taken as clients do.
func (y *yield) smc(got firmware.Registers) {
	y.c.Helper()
	for {
		y.status, y.kind, y.ticket = got[0], "refused", got[3]
		switch got[0] {
		case 0:
			y.kind = "done"
			return
		case 0xFFFF_0005:
			y.kind = "rpc"
			if y.c.fid != 0x3200_0004 {
				y.rpcAt = y.addr + optee.ArgSize(y.n)
			} else if cookie := got[1]<<32 | got[2]; cookie != y.cookie {
				y.c.Fatalf("the RPC argument has cookie %#x, want %#x", cookie, y.cookie)
			}
			return
		case 0xFFFF_0004:
			y.kind = "interrupt"
			return
		case 0xFFFF_0000:
			if got[1] != 160 || got[2] != 0 {
				y.c.Fatalf("ALLOC of %x", got[1:3])
			}
			y.alloc()
			got = y.c.call(0x3200_0003, y.rpcAt>>32, y.rpcAt&0xFFFF_FFFF, y.ticket, y.cookie>>32, y.cookie&0xFFFF_FFFF)
		case 0xFFFF_0002:
			if cookie := got[1]<<32 | got[2]; cookie != y.cookie {
				y.c.Fatalf("FREE of %#x, want %#x", cookie, y.cookie)
			}
			y.c.allocs--
			y.cookie = 0
			got = y.c.call(0x3200_0003, 0, 0, y.ticket)
		default:
			return
		}
	}
}

// alloc gives memory for an RPC argument.
func (y *yield) alloc() {
	c := y.c
	y.rpcAt, y.cookie = c.spare, 0xFFFF_0000_0AAA_0000+c.spare
	c.spare += page
	if c.static {
		y.rpcAt = c.heap
		c.heap += 160
	}
	c.allocs++
}

// resume goes on after a request, with a reply in the RPC argument already.
func (y *yield) resume() *yield {
	y.c.Helper()
	if y.c.ffa {
		y.direct(y.c.service(0x8000_0001, 0, 0, 0, y.ticket))
	} else {
		y.smc(y.c.call(0x3200_0003, 0, 0, y.ticket, 0, 0))
	}
	return y
}

// rpc is the request that the message waits for.
func (y *yield) rpc() optee.Arg {
	y.c.Helper()
	if y.kind != "rpc" {
		y.c.Fatalf("%s: %s (%#x), want a request", y.c.name, y.kind, y.status)
	}
	return y.c.argAt(y.rpcAt)
}

// answer replies to the request and goes on.
func (y *yield) answer(ret optee.Result, values ...[3]uint64) *yield {
	y.c.Helper()
	a := y.rpc()
	a.Ret = ret
	for i, v := range values {
		a.Params[i].U = v
	}
	y.c.write(y.rpcAt, a.AppendTo(nil))
	return y.resume()
}

// result is the message as it stands when the call is over.
func (y *yield) result() optee.Arg {
	y.c.Helper()
	if y.kind != "done" {
		y.c.Fatalf("%s: %s (%#x), want done", y.c.name, y.kind, y.status)
	}
	return y.c.argAt(y.addr)
}

// call1 is a call that needs nothing from the normal world.
func (c *caller) call1(a optee.Arg) optee.Arg {
	c.Helper()
	return c.begin(0, a).result()
}

// open opens a session.
func (c *caller) open(u smc.UUID, params ...optee.Param) uint32 {
	c.Helper()
	a := c.call1(openArg(u, optee.LoginPublic, params...))
	if a.Ret != optee.Success || a.Session == 0 {
		c.Fatalf("open of %v: %v, session %d", u, a.Ret, a.Session)
	}
	return a.Session
}

// want compares result and origin of a message that has come back.
func (c *caller) want(what string, a optee.Arg, ret optee.Result, origin optee.Origin) {
	c.Helper()
	if a.Ret != ret || a.RetOrigin != origin {
		c.Errorf("%s: %v from %v, want %v from %v", what, a.Ret, a.RetOrigin, ret, origin)
	}
}

// request compares a request with what it must be: its results are those of a client that has not touched it.
func (y *yield) want(what string, cmd optee.RPCCommand, params ...optee.Param) {
	y.c.Helper()
	got := y.rpc()
	want := optee.Arg{Cmd: optee.Command(cmd), Ret: optee.ErrorGeneric, Params: params}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		y.c.Fatalf("%s: request\n%+v, want\n%+v", what, got, want)
	}
}

func in(a, b, c uint64) optee.Param  { return optee.ValueParam(optee.AttrValueInput, a, b, c) }
func out(a, b, c uint64) optee.Param { return optee.ValueParam(optee.AttrValueOutput, a, b, c) }
func both(a, b uint64) optee.Param   { return optee.ValueParam(optee.AttrValueInOut, a, b, 0) }

// gift is memory that the normal world allocates for SHM_ALLOC: what the reply says, and the address of its first byte.
func (c *caller) gift(size, off uint64) (p optee.Param, addr, ref uint64) {
	c.Helper()
	addr = c.heap + off
	n := (off + size + page - 1) / page
	c.heap += n * page
	switch {
	case c.ffa:
		h := c.share(addr-off, uint32(n))
		return optee.FMemParam(optee.AttrFMemOutput, optee.FMem{InternalOffset: uint16(off), Size: size, GlobalID: h}), addr, h
	case c.static:
		ref = addr ^ 0xFFFF_0000_0000_0000
		return optee.TMemParam(optee.AttrTMemOutput, optee.TMem{BufPtr: addr, Size: size, SHMRef: ref}), addr, ref
	}
	ref = addr ^ 0xFFFF_0000_0000_0000
	c.write(lstAddr, optee.AppendPageList(nil, lstAddr, pagesFrom(addr-off, int(n))))
	return optee.TMemParam(optee.AttrSHMPageList, optee.TMem{BufPtr: lstAddr | off, Size: size, SHMRef: ref}), addr, ref
}

// same compares the state with an earlier one, apart from the numbers that have been given out.
func (r *rig) same(what string, before uint64) {
	r.Helper()
	if r.state() != before {
		r.Errorf("%s: something is left behind", what)
	}
}
