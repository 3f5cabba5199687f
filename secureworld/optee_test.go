package secureworld

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// recorder is a pseudo-TA that shows what reaches an application: it copies input p0 to output p1, protected or not, gives
// the byte sum of p0 in p2, and fails as p3 says.
type recorder struct {
	open   []uint32
	closed []uint32
	client tee.Client
}

var recorderUUID = smc.UUID{0x12, 0x34, 15: 0x99}

func (x *recorder) UUID() smc.UUID             { return recorderUUID }
func (x *recorder) Properties() tee.Properties { return tee.Device | tee.SecureDataPath }

func (x *recorder) Open(c *tee.Call) optee.Result {
	p := &c.Params
	x.client = c.Client
	if p[0].Type == optee.AttrValueInOut {
		p[0].A++
		if p[0].B != 0 {
			return optee.ErrorAccessDenied
		}
	}
	x.open = append(x.open, c.Session)
	return optee.Success
}

func (x *recorder) Close(session uint32) { x.closed = append(x.closed, session) }

func (x *recorder) Invoke(c *tee.Call) optee.Result {
	p := &c.Params
	if c.Command == 1 {
		// Reads and writes beyond the reference, and against its direction.
		var b [1]byte
		in, out := &p[0].Mem, &p[1].Mem
		if in.ReadAt(b[:], in.Size) == nil || out.WriteAt(b[:], out.Size) == nil || in.WriteAt(b[:], 0) == nil || out.ReadAt(b[:], 0) == nil ||
			in.ReadAt(b[:], ^uint64(0)) == nil {
			return optee.ErrorSecurity
		}
		return optee.Success
	}
	if !p.Are(optee.AttrRMemInput, optee.AttrRMemOutput, optee.AttrValueOutput, optee.AttrValueInput) {
		return optee.ErrorBadParameters
	}
	b := make([]byte, p[0].Mem.Size)
	if p[0].Mem.ReadAt(b, 0) != nil {
		return optee.ErrorBadState
	}
	for _, v := range b {
		p[2].A += uint32(v)
	}
	if p[0].Mem.Protected() {
		p[2].B = 1
	}
	if uint64(len(b)) > p[1].Mem.Size {
		p[1].Mem.Size = uint64(len(b))
		return optee.ErrorShortBuffer
	}
	p[1].Mem.Size = uint64(len(b))
	if p[1].Mem.WriteAt(b, 0) != nil {
		return optee.ErrorBadState
	}
	return optee.Result(p[3].A)
}

func withRecorder(x *recorder) func(*Config) {
	return func(c *Config) { c.OPTEE.NewTAs = func() []tee.PseudoTA { return []tee.PseudoTA{x} } }
}

func openArg(u smc.UUID, login optee.Login, params ...optee.Param) optee.Arg {
	meta := optee.OpenSession{TA: u, Client: smc.UUID{7}, Login: login}.Params()
	return optee.Arg{Cmd: optee.CmdOpenSession, Session: 0xAAAA, Params: append(meta[:], params...)}
}

func invokeArg(session, command uint32, params ...optee.Param) optee.Arg {
	return optee.Arg{Cmd: optee.CmdInvokeCommand, Session: session, Func: command, Params: params}
}

// client is a normal world over one of the ABIs.
type client struct {
	*rig
	ffa     bool
	cookies uint64
}

// clients gives a new machine for each ABI.
func clients(t *testing.T, change ...func(*Config)) []*client {
	return []*client{
		{rig: newRig(t, append(slices.Clone(change), func(c *Config) { c.ABI = ABIFFA })...).negotiate(0x1_0002), ffa: true},
		{rig: newRig(t, append(slices.Clone(change), func(c *Config) { c.ABI = ABISMC })...)},
	}
}

func (c *client) String() string {
	if c.ffa {
		return "ffa"
	}
	return "smc"
}

func (c *client) do(a optee.Arg) optee.Arg {
	c.Helper()
	if c.ffa {
		return c.message(0, a)
	}
	return c.smcMessage(a)
}

// buffer makes memory usable in messages and gives its handle or cookie. Pages are listed one by one.
func (c *client) buffer(size uint64, addr uint64, pages ...uint64) uint64 {
	c.Helper()
	if c.ffa {
		x := transaction(ffa.Share, 0)
		for _, p := range pages {
			x.Constituents = append(x.Constituents, ffa.Constituent{Address: p, Pages: 1})
		}
		return c.sent(ffa.Share, ffa.Version1_2, x)
	}
	c.cookies++
	cookie := 0xFFFF_0000_1234_0000 + c.cookies // a kernel pointer
	c.write(lstAddr, optee.AppendPageList(nil, lstAddr, pages))
	a := c.smcMessage(registerArg(cookie, lstAddr|addr%page, size))
	c.result("REGISTER_SHM", a, optee.Success)
	return cookie
}

func registerArg(cookie, list, size uint64) optee.Arg {
	return optee.Arg{Cmd: optee.CmdRegisterSHM, Params: []optee.Param{
		optee.TMemParam(optee.AttrSHMPageList, optee.TMem{BufPtr: list, Size: size, SHMRef: cookie})}}
}

// drop is the reverse of buffer.
func (c *client) drop(ref uint64) {
	c.Helper()
	if c.ffa {
		if got := c.service(3, ref&0xFFFF_FFFF, ref>>32); got[0] != 0 {
			c.Errorf("UNREGISTER_SHM: %x", got)
		}
		c.reclaim(ref)
		return
	}
	a := c.smcMessage(cookieArg(optee.CmdUnregisterSHM, ref))
	c.result("UNREGISTER_SHM", a, optee.Success)
}

func cookieArg(cmd optee.Command, cookie uint64) optee.Arg {
	return optee.Arg{Cmd: cmd, Params: []optee.Param{optee.RMemParam(optee.AttrRMemInput, optee.RMem{SHMRef: cookie})}}
}

// mem is a memory reference into a buffer whose first byte stands at addr.
func (c *client) mem(attr optee.Attr, ref, addr, off, size uint64) optee.Param {
	if c.ffa {
		return optee.FMemParam(attr, optee.FMem{Offset: off, InternalOffset: uint16(addr % page), Size: size, GlobalID: ref})
	}
	return optee.RMemParam(attr, optee.RMem{Offset: off, Size: size, SHMRef: ref})
}

// null is a NULL reference.
func (c *client) null(attr optee.Attr) optee.Param {
	if c.ffa {
		return optee.FMemParam(attr, optee.FMem{GlobalID: optee.NullGlobalID})
	}
	return optee.TMemParam(attr+4, optee.TMem{}) // the temporary kind of the same direction
}

// pool lends protected memory and gives its handle or cookie.
func (c *client) pool(addr, size, use uint64) uint64 {
	c.Helper()
	if c.ffa {
		h := c.lend(addr, uint32(size/page), use)
		a := c.do(assignArg(h, use))
		c.result("ASSIGN_PROTMEM", a, optee.Success)
		return h
	}
	c.cookies++
	cookie := 0xFFFF_0000_5678_0000 + c.cookies
	c.result("LEND_PROTMEM", c.do(lendArg(cookie, addr, size, use)), optee.Success)
	return cookie
}

func assignArg(handle, use uint64) optee.Arg {
	return optee.Arg{Cmd: optee.CmdAssignProtmem, Params: []optee.Param{optee.ValueParam(optee.AttrValueInput, handle, use, 0)}}
}

func lendArg(cookie, addr, size, use uint64) optee.Arg {
	return optee.Arg{Cmd: optee.CmdLendProtmem, Params: []optee.Param{optee.ValueParam(optee.AttrValueInput, use, 0, 0),
		optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: addr, Size: size, SHMRef: cookie})}}
}

func (c *client) unpool(ref uint64) {
	c.Helper()
	if c.ffa {
		c.refused("RECLAIM before RELEASE_PROTMEM", denied, reclaimCall(ref)...)
		if got := c.service(8, ref&0xFFFF_FFFF, ref>>32); got[0] != 0 {
			c.Errorf("RELEASE_PROTMEM: %x", got)
		}
		c.reclaim(ref)
		return
	}
	c.result("RECLAIM_PROTMEM", c.do(cookieArg(optee.CmdReclaimProtmem, ref)), optee.Success)
}

// What Linux 7.2 sends when its OP-TEE driver binds over FF-A.
func TestLinuxProbeFFA(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	d := func(what string, payload, want []uint64) {
		t.Helper()
		r.want(what, append([]uint64{0x8400_006F, opteeID, 0}, payload...), append([]uint64{0x8400_0070, opteeID << 16, 0}, append(want, 0, 0, 0, 0, 0)[:5]...))
	}
	d("GET_API_VERSION", []uint64{0, 0, 0, 0, 0}, []uint64{1, 0})
	d("EXCHANGE_CAPABILITIES", []uint64{2, 0, 0, 0, 0}, []uint64{0, 4, 0xB, 0})
	d("GET_OS_VERSION", []uint64{1, 0, 0, 0, 0}, []uint64{4, 9, 0})
	d("a reserved service", []uint64{4, 0, 0, 0, 0}, []uint64{0xFFFF_0006})
	d("ENABLE_ASYNC_NOTIF", []uint64{5, 63, 0, 0, 0}, []uint64{0})
	d("ENABLE_ASYNC_NOTIF of a notification that does not exist", []uint64{5, 64, 0, 0, 0}, []uint64{0xFFFF_0006})
	d("an unknown service", []uint64{0x77, 0, 0, 0, 0}, []uint64{0xFFFF_0006})
	d("RESUME of nothing", []uint64{0x8000_0001, 0, 0, 0, 3}, []uint64{0xFFFF_0006})
	d("an unknown yielding service", []uint64{0x8000_0002, 0, 0, 0, 3}, []uint64{0xFFFF_0006})
	d("UNREGISTER_SHM of nothing", []uint64{3, 0x1234, 0x5678, 0, 0}, []uint64{0})
	d("RELEASE_PROTMEM of nothing", []uint64{8, 0x1234, 0x5678, 0, 0}, []uint64{0})
	d("WITH_ARG without memory", []uint64{0x8000_0000, 0x1234, 0x5678, 0, 0}, []uint64{0xFFFF_0006})
	// The pool's configuration: a NULL reference first, then a buffer that is shared for it.
	config := func(p optee.Param) optee.Arg {
		return optee.Arg{Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, 1, 0, 0), p}}
	}
	a := r.message(0, config(optee.FMemParam(optee.AttrFMemOutput, optee.FMem{GlobalID: optee.NullGlobalID})))
	if a.Ret != 0xFFFF_0010 || a.Params[1].Size() != 4 || a.Params[0].U != [3]uint64{1 << 20, page, 32} {
		t.Errorf("GET_PROTMEM_CONFIG: %+v", a)
	}
	h := r.share(bufAddr, 1)
	a = r.message(384, config(optee.FMemParam(optee.AttrFMemOutput, optee.FMem{GlobalID: h, Size: 4})))
	if a.Ret != 0 || a.Params[1].Size() != 4 || w0(r.read(bufAddr, 4)) != 0x0002_8001 {
		t.Errorf("GET_PROTMEM_CONFIG with a buffer: %+v, % x", a, r.read(bufAddr, 4))
	}
	r.refused("RECLAIM before UNREGISTER_SHM", denied, reclaimCall(h)...)
	d("UNREGISTER_SHM", []uint64{3, h & 0xFFFF_FFFF, h >> 32, 0, 0}, []uint64{0})
	d("UNREGISTER_SHM again", []uint64{3, h & 0xFFFF_FFFF, h >> 32, 0, 0}, []uint64{0})
	r.reclaim(h)
	// Device enumeration.
	a = r.message(0, openArg(uuidOf(t, "7011a688-ddde-4053-a5a9-7b3c4ddf13b8"), 0))
	if a.Ret != 0 || a.Session == 0 {
		t.Fatalf("open: %+v", a)
	}
	a = r.message(384, invokeArg(a.Session, 0, optee.FMemParam(optee.AttrFMemOutput, optee.FMem{GlobalID: optee.NullGlobalID}), optee.Param{}, optee.Param{}, optee.Param{}))
	if a.Ret != optee.ErrorShortBuffer || a.Params[0].Size() != 16 {
		t.Errorf("GET_DEVICES: %+v", a)
	}
	a = r.message(0, optee.Arg{Cmd: optee.CmdCloseSession, Session: a.Session})
	r.result("close", a, optee.Success)
	// The first allocation from the heap.
	l := r.lend(bufAddr, 0x800, 1)
	if a := r.message(0, assignArg(l, 1)); a.Ret != 0 {
		t.Errorf("ASSIGN_PROTMEM: %+v", a)
	}
	r.wantRights("pool", bufAddr+0x7FF*page, rightsVideo)
	d("RELEASE_PROTMEM", []uint64{8, l & 0xFFFF_FFFF, l >> 32, 0, 0}, []uint64{0})
	r.wantRights("released, not reclaimed", bufAddr, rightsVideo)
	r.reclaim(l)
	r.wantRights("reclaimed", bufAddr, rightsNormal)
}

// The same over the SMC ABI.
func TestLinuxProbeSMC(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ABI = ABISMC })
	r.want("CALLS_UID", []uint64{0xBF00_FF01}, []uint64{0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b})
	r.want("REVISION", []uint64{0xBF00_FF03}, []uint64{2, 0})
	r.want("GET_OS_UUID", []uint64{0xB200_0000}, []uint64{0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b})
	r.want("THREAD_COUNT", []uint64{0xB200_000F}, []uint64{0, 8})
	r.want("EXCHANGE_CAPABILITIES", []uint64{0xB200_0009, 1}, []uint64{0, 0x274, 72, 4})
	r.want("EXCHANGE_CAPABILITIES with an unknown bit", []uint64{0xB200_0009, 2}, []uint64{7, 2})
	r.want("EXCHANGE_CAPABILITIES with a dirty high half", []uint64{0xB200_0009, 1 << 32}, []uint64{0, 0x274, 72, 4})
	r.want("OS_REVISION", []uint64{0xB200_0001}, []uint64{4, 9, 0})
	r.want("GET_SHM_CONFIG", []uint64{0xB200_0007}, []uint64{7})
	r.want("GET_PROTMEM_CONFIG without static pool", []uint64{0xB200_0014}, []uint64{7})
	r.want("DISABLE_SHM_CACHE", []uint64{0xB200_000A}, []uint64{7})
	r.want("ENABLE_SHM_CACHE", []uint64{0xB200_000B}, []uint64{0})
	r.want("CALLS_COUNT", []uint64{0xBF00_FF00}, []uint64{17})
	for _, f := range []uint64{0xB200_0015, 0xB200_0008, 0xB200_000C, 0xBF00_0002, 0xB200_0099, 0xB400_0000} {
		r.want("unknown", []uint64{f}, []uint64{all1s})
	}
	r.want("VM_CREATED", []uint64{0xB200_000D, 1}, []uint64{7, 1})
	for _, f := range []uint64{0xF200_0009, 0xB100_0000, 0x3200_0004 | 1<<30} {
		r.want("not the trusted OS's", []uint64{f}, []uint64{all1s})
	}
	r.want("unknown yielding call", []uint64{0x3200_0077}, []uint64{5})
	r.want("RETURN_FROM_RPC", []uint64{0x3200_0003, 0, 0, 5}, []uint64{3, 0, 0, 5})
	// The argument page is registered with a message of its own, then used by cookie and offset.
	const cookie = 0xFFFF_0000_0BAD_F00D
	const argPage = argAddr + 8*page
	r.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{argPage}))
	r.result("REGISTER_SHM", r.smcMessage(registerArg(cookie, lstAddr, page)), optee.Success)
	regd := func(what string, off uint64, want uint64) {
		t.Helper()
		r.want(what, []uint64{0x3200_0013, cookie >> 32, cookie & 0xFFFF_FFFF, off}, []uint64{want, cookie >> 32, cookie & 0xFFFF_FFFF, off})
	}
	config := optee.Arg{Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, 1, 0, 0),
		optee.TMemParam(optee.AttrTMemOutput, optee.TMem{})}}
	r.write(argPage+384, config.AppendTo(nil))
	regd("GET_PROTMEM_CONFIG", 384, 0)
	if a := r.argAt(argPage + 384); a.Ret != 0 || a.Params[1].Size() != 0 || a.Params[0].U != [3]uint64{1 << 20, page, 32} {
		t.Errorf("GET_PROTMEM_CONFIG: %+v", a)
	}
	open := openArg(optee.DeviceUUID(), 0)
	r.write(argPage, open.AppendTo(nil))
	regd("OPEN_SESSION", 0, 0)
	a := r.argAt(argPage)
	if a.Ret != 0 || a.Session == 0 {
		t.Fatalf("open: %+v", a)
	}
	inv := invokeArg(a.Session, 0, optee.TMemParam(optee.AttrTMemOutput, optee.TMem{}), optee.Param{}, optee.Param{}, optee.Param{})
	r.write(argPage, inv.AppendTo(nil))
	regd("GET_DEVICES", 0, 0)
	if a := r.argAt(argPage); a.Ret != optee.ErrorShortBuffer || a.Params[0].Size() != 16 {
		t.Errorf("GET_DEVICES: %+v", a)
	}
	for _, off := range []uint64{4, page - 24, page - 8, page, page + 8, 0xFFFF_FFF8, 0x8000_0000} {
		regd("bad offset", off, 4)
	}
	// The message that unregisters its own memory would have nowhere to answer.
	own := cookieArg(optee.CmdUnregisterSHM, cookie)
	r.write(argPage, own.AppendTo(nil))
	before := r.state()
	regd("UNREGISTER_SHM of the argument", 0, 0)
	r.result("UNREGISTER_SHM of the argument", r.argAt(argPage), optee.ErrorBusy)
	if r.state() != before {
		t.Error("a refused UNREGISTER_SHM changes the state")
	}
	r.result("UNREGISTER_SHM", r.smcMessage(own), optee.Success)
	r.result("UNREGISTER_SHM again", r.smcMessage(own), optee.ErrorBadParameters)
	regd("after UNREGISTER_SHM", 0, 4)
}

func TestABISwitch(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ABI = ABIFFA })
	for _, f := range []uint64{0xBF00_FF01, 0xB200_0009, 0x3200_0004} {
		r.want("abi=ffa", []uint64{f}, []uint64{all1s})
	}
}

// Sessions: results, origins and parameters are the same over both ABIs.
func TestSessions(t *testing.T) {
	x := new(recorder)
	for _, c := range clients(t, withRecorder(x), func(c *Config) { c.Limits.Sessions = 3 }) {
		*x = recorder{}
		check := func(what string, a optee.Arg, ret optee.Result, origin optee.Origin) {
			t.Helper()
			if a.Ret != ret || a.RetOrigin != origin {
				t.Errorf("%v: %s: %v from %v, want %v from %v", c, what, a.Ret, a.RetOrigin, ret, origin)
			}
		}
		a := c.do(openArg(recorderUUID, optee.LoginPublic, optee.ValueParam(optee.AttrValueInOut, 41, 0, 77)))
		check("open", a, optee.Success, optee.OriginTEE)
		if a.Session == 0 || a.Params[2].U != [3]uint64{42, 0, 77} || x.client != (tee.Client{}) {
			t.Errorf("%v: open: %+v of %+v", c, a, x.client)
		}
		first := a.Session
		a = c.do(openArg(recorderUUID, optee.LoginUser))
		if a.Session == first || x.client != (tee.Client{Login: optee.LoginUser, UUID: smc.UUID{7}}) {
			t.Errorf("%v: second session %d for %+v", c, a.Session, x.client)
		}
		second := a.Session
		for _, bad := range []struct {
			what   string
			a      optee.Arg
			ret    optee.Result
			origin optee.Origin
		}{
			{"refused by the application", openArg(recorderUUID, 0, optee.ValueParam(optee.AttrValueInOut, 1, 1, 0)), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			{"unknown application", openArg(smc.UUID{1}, 0), optee.ErrorItemNotFound, optee.OriginTEE},
			{"unknown login", openArg(recorderUUID, 3), optee.ErrorBadParameters, optee.OriginTEE},
			{"login of another application", openArg(recorderUUID, optee.LoginTrustedApp), optee.ErrorBadParameters, optee.OriginTEE},
			{"no meta parameters", optee.Arg{Cmd: optee.CmdOpenSession}, optee.ErrorBadParameters, optee.OriginTEE},
			{"meta parameter without the flag", optee.Arg{Cmd: optee.CmdOpenSession, Params: make([]optee.Param, 2)}, optee.ErrorBadParameters, optee.OriginTEE},
			{"five parameters", openArg(recorderUUID, 0, make([]optee.Param, 5)...), optee.ErrorBadParameters, optee.OriginTEE},
			{"third meta parameter", openArg(recorderUUID, 0, optee.ValueParam(optee.AttrValueInput|optee.AttrMeta, 0, 0, 0)), optee.ErrorBadParameters, optee.OriginTEE},
			{"unknown type", openArg(recorderUUID, 0, optee.Param{Attr: 4}), optee.ErrorBadParameters, optee.OriginTEE},
			{"reserved attribute", openArg(recorderUUID, 0, optee.Param{Attr: 1 << 40}), optee.ErrorBadParameters, optee.OriginTEE},
		} {
			a := c.do(bad.a)
			check(bad.what, a, bad.ret, bad.origin)
			if a.Session != 0 {
				t.Errorf("%v: %s: session %d", c, bad.what, a.Session)
			}
		}
		check("kernel login", c.do(openArg(recorderUUID, optee.LoginREEKernel)), optee.Success, optee.OriginTEE)
		a = c.do(openArg(recorderUUID, 0))
		check("fourth session", a, optee.ErrorOutOfMemory, optee.OriginTEE)
		for _, n := range []uint32{0, 4, 0xFFFF_FFFF, 0x8000_0001} {
			check("invoke in no session", c.do(invokeArg(n, 0)), optee.ErrorBadParameters, optee.OriginTEE)
			check("close of no session", c.do(optee.Arg{Cmd: optee.CmdCloseSession, Session: n}), optee.ErrorBadParameters, optee.OriginTEE)
			check("cancel in no session", c.do(optee.Arg{Cmd: optee.CmdCancel, Session: n}), optee.ErrorBadParameters, optee.OriginTEE)
		}
		check("invoke", c.do(invokeArg(first, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		check("cancel", c.do(optee.Arg{Cmd: optee.CmdCancel, Session: first}), optee.Success, optee.OriginTEE)
		check("cancel with parameters", c.do(optee.Arg{Cmd: optee.CmdCancel, Session: first, Params: make([]optee.Param, 1)}), optee.ErrorBadParameters, optee.OriginTEE)
		check("close with parameters", c.do(optee.Arg{Cmd: optee.CmdCloseSession, Session: first, Params: make([]optee.Param, 1)}), optee.ErrorBadParameters, optee.OriginTEE)
		check("close", c.do(optee.Arg{Cmd: optee.CmdCloseSession, Session: first}), optee.Success, optee.OriginTEE)
		check("close again", c.do(optee.Arg{Cmd: optee.CmdCloseSession, Session: first}), optee.ErrorBadParameters, optee.OriginTEE)
		if !slices.Equal(x.closed, []uint32{first}) {
			t.Errorf("%v: closed %v", c, x.closed)
		}
		if a := c.do(openArg(recorderUUID, 0)); a.Session != first || first == second {
			t.Errorf("%v: open after close: %+v", c, a)
		}
	}
}

// Enumeration lists the applications that are devices, in RFC 4122 order.
func TestDeviceEnumeration(t *testing.T) {
	for _, c := range clients(t, withRecorder(new(recorder))) {
		s := c.do(openArg(optee.DeviceUUID(), 0)).Session
		none := optee.Param{}
		a := c.do(invokeArg(s, 0, c.null(optee.AttrRMemOutput), none, none, none))
		if a.Ret != optee.ErrorShortBuffer || a.Params[0].Size() != 16 {
			t.Errorf("%v: NULL: %v, %d bytes", c, a.Ret, a.Params[0].Size())
		}
		ref := c.buffer(64, bufAddr, bufAddr)
		a = c.do(invokeArg(s, 0, c.mem(optee.AttrRMemOutput, ref, bufAddr, 8, 40), none, none, none))
		if a.Ret != 0 || a.Params[0].Size() != 16 || !bytes.Equal(c.read(bufAddr+8, 16), recorderUUID[:]) {
			t.Errorf("%v: %v, %d bytes, % x", c, a.Ret, a.Params[0].Size(), c.read(bufAddr, 32))
		}
		a = c.do(invokeArg(s, 1, c.mem(optee.AttrRMemOutput, ref, bufAddr, 0, 40), none, none, none))
		if a.Ret != 0 || a.Params[0].Size() != 0 {
			t.Errorf("%v: devices that need a supplicant: %v, %d bytes", c, a.Ret, a.Params[0].Size())
		}
		c.result("unknown command", c.do(invokeArg(s, 9)), optee.ErrorNotImplemented)
		c.result("wrong types", c.do(invokeArg(s, 0)), optee.ErrorBadParameters)
		c.result("wrong direction", c.do(invokeArg(s, 0, c.mem(optee.AttrRMemInput, ref, bufAddr, 0, 40))), optee.ErrorBadParameters)
	}
}

// Memory references into buffers whose pages are scattered and whose first byte is not at the start of a page.
func TestSharedMemory(t *testing.T) {
	for _, c := range clients(t, withRecorder(new(recorder))) {
		s := c.do(openArg(recorderUUID, 0)).Session
		const first = 0x123
		pages := []uint64{bufAddr + 6*page, bufAddr + 2*page, bufAddr + 3*page}
		in := c.buffer(2*page+500, first, pages...)
		out := c.buffer(page, bufAddr+9*page, bufAddr+9*page)
		text := []byte("crosses from the first page to the second")
		c.write(pages[0]+page-20, text[:20])
		c.write(pages[1], text[20:])
		sum := uint64(0)
		for _, v := range text {
			sum += uint64(v)
		}
		off := uint64(page - 20 - first)
		n := uint64(len(text))
		call := func(p0, p1 optee.Param) optee.Arg {
			return c.do(invokeArg(s, 0, p0, p1, optee.ValueParam(optee.AttrValueOutput, 0, 6, 7), optee.ValueParam(optee.AttrValueInput, 0, 0, 0)))
		}
		p0, p1 := c.mem(optee.AttrRMemInput, in, first, off, n), c.mem(optee.AttrRMemOutput, out, bufAddr, 0x40, 100)
		a := call(p0, p1)
		if a.Ret != 0 || a.Params[2].U != [3]uint64{sum, 6, 7} || a.Params[1].Size() != n || !bytes.Equal(c.read(bufAddr+9*page+0x40, len(text)), text) {
			t.Errorf("%v: %+v, want sum %d", c, a, sum)
		}
		if a.Params[0] != p0 || a.Params[1].Attr != p1.Attr {
			t.Errorf("%v: inputs and attributes change: %+v", c, a.Params)
		}
		a = call(p0, c.mem(optee.AttrRMemOutput, out, bufAddr, 0, n-1))
		if a.Ret != optee.ErrorShortBuffer || a.Params[1].Size() != n {
			t.Errorf("%v: short buffer: %v, %d", c, a.Ret, a.Params[1].Size())
		}
		c.result("bounds and directions", c.do(invokeArg(s, 1, c.mem(optee.AttrRMemInput, in, first, 0, 2*page+500), p1)), optee.Success)
		for what, p := range map[string]optee.Param{
			"beyond the end":  c.mem(optee.AttrRMemInput, in, first, 1, 3*page),
			"offset too high": c.mem(optee.AttrRMemInput, in, first, 3*page, 1),
			"offset wraps":    c.mem(optee.AttrRMemInput, in, first, 1<<47, 1<<63),
			"size wraps":      c.mem(optee.AttrRMemInput, in, first, 1, ^uint64(0)),
		} {
			c.result(what, call(p, p1), optee.ErrorSecurity)
		}
		for what, p := range map[string]optee.Param{
			"unknown reference":      c.mem(optee.AttrRMemInput, in^0x100_0000, first, 0, 1),
			"temporary by address":   optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: bufAddr, Size: 16, SHMRef: in}),
			"temporary at a device":  optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: 0x0900_0000, Size: 16}),
			"temporary, huge":        optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: 8, Size: ^uint64(0)}),
			"list at a wild address": optee.TMemParam(optee.AttrTMemInput|optee.AttrNonContig, optee.TMem{BufPtr: 0xFFFF_FFFF_FFFF_F000, Size: 16}),
		} {
			c.result(what, call(p, p1), optee.ErrorBadParameters)
		}
		if c.ffa {
			c.result("first byte beyond the page", call(optee.FMemParam(optee.AttrRMemInput, optee.FMem{InternalOffset: 4096, GlobalID: in}), p1), optee.ErrorBadParameters)
		}
		c.drop(in)
		c.result("after it is gone", call(p0, p1), optee.ErrorBadParameters)
		c.drop(out)
		c.consistent()
	}
}

// The SMC ABI takes buffers of pages for the time of one call.
func TestTemporaryPageList(t *testing.T) {
	r := newRig(t, withRecorder(new(recorder)), func(c *Config) { c.ABI = ABISMC })
	s := r.smcMessage(openArg(recorderUUID, 0)).Session
	r.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{bufAddr + 4*page, bufAddr}))
	r.write(bufAddr, []byte{1, 2, 3})
	list := func(attr optee.Attr) optee.Param {
		return optee.TMemParam(attr|optee.AttrNonContig, optee.TMem{BufPtr: lstAddr + 0xFFF, Size: 4, SHMRef: 1})
	}
	before := r.state()
	a := r.smcMessage(invokeArg(s, 0, list(optee.AttrTMemInput), list(optee.AttrTMemOutput), optee.ValueParam(optee.AttrValueOutput, 0, 0, 0), optee.ValueParam(optee.AttrValueInput, 0, 0, 0)))
	if a.Ret != 0 || a.Params[2].U[0] != 6 {
		t.Errorf("%+v, want sum 6", a)
	}
	if r.state() != before {
		t.Error("temporary buffers stay registered")
	}
}

// Arguments in memory that they may not be in, or that do not fit.
func TestBadArguments(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Carveout = memory.Range{Base: ramBase + 0x80_0000, Size: 0x10_0000}
	}).negotiate(0x1_0002)
	l := r.lend(bufAddr, 1, 1)
	call := func(what string, pa uint64) {
		t.Helper()
		before := r.state()
		for _, f := range []uint64{0x3200_0004, 0x3200_0012} {
			r.want(what, []uint64{f, pa >> 32, pa & 0xFFFF_FFFF}, []uint64{4, pa >> 32, pa & 0xFFFF_FFFF})
		}
		if r.state() != before {
			t.Errorf("%s changes the state", what)
		}
	}
	for what, pa := range map[string]uint64{"null": 0, "device": 0x0900_0000, "controller": tzcBase, "above memory": ramBase + ramSize, "wild": 0xFFFF_FFFF_FFFF_F000,
		"misaligned": argAddr + 8, "carve-out": ramBase + 0x80_0000, "lent": bufAddr, "shared over FF-A": txAddr} {
		call(what, pa)
	}
	arg := func(n uint32) {
		b := make([]byte, page)
		binary.LittleEndian.PutUint32(b, uint32(optee.CmdCloseSession))
		binary.LittleEndian.PutUint32(b[28:], n)
		r.write(argAddr, b)
	}
	for _, n := range []uint32{128, 0x0800_0000, 0xFFFF_FFFF} {
		arg(n)
		call("too many parameters", argAddr)
	}
	// 127 parameters fill the page; with an RPC argument behind them at most 122 do.
	for n, codes := range map[uint32][2]uint64{127: {0, 4}, 123: {0, 4}, 122: {0, 0}} {
		for i, f := range []uint64{0x3200_0004, 0x3200_0012} {
			arg(n)
			r.want(fmt.Sprint(n, " parameters"), []uint64{f, 0, argAddr}, []uint64{codes[i], 0, argAddr})
		}
	}
	unknown := optee.Arg{Cmd: 77}
	r.write(argAddr, unknown.AppendTo(nil))
	r.want("unknown command", []uint64{0x3200_0004, 0, argAddr}, []uint64{5, 0, argAddr})
	// Over FF-A.
	r.shm = r.share(argAddr, 1)
	with := func(what string, h, off, want uint64) {
		t.Helper()
		if got := r.service(0x8000_0000, h&0xFFFF_FFFF, h>>32, off); got != [5]uint64{want} {
			t.Errorf("%s: %x, want %#x", what, got, want)
		}
	}
	with("unknown command", r.shm, 0, 0xFFFF_0009)
	with("lent memory", l, 0, 0xFFFF_0006)
	with("misaligned", r.shm, 4, 0xFFFF_0006)
	with("no room", r.shm, page-32, 0xFFFF_0006)
	with("at the end", r.shm, page, 0xFFFF_0006)
	with("beyond the end", r.shm, 0xFFFF_FFF8, 0xFFFF_0006)
	// A share that was never used can be reclaimed; one that was used cannot, until the service drops it.
	with("unknown command, to use it", r.shm, 0, 0xFFFF_0009)
	r.refused("RECLAIM", denied, reclaimCall(r.shm)...)
	if got := r.service(8, r.shm&0xFFFF_FFFF, r.shm>>32); got[0] != 0xFFFF_FFFE {
		t.Errorf("RELEASE_PROTMEM of a share: %x", got)
	}
	if got := r.service(3, l&0xFFFF_FFFF, l>>32); got[0] != 0xFFFF_FFFE {
		t.Errorf("UNREGISTER_SHM of a lend: %x", got)
	}
	r.service(3, r.shm&0xFFFF_FFFF, r.shm>>32)
	r.reclaim(r.shm)
	r.reclaim(l)
}

// Messages of one ABI do not exist over the other, and those about notifications not without them.
func TestCommandsOfTheOtherABI(t *testing.T) {
	r := newRig(t, func(c *Config) { c.OPTEE.NotifyINTID = 0 }).negotiate(0x1_0002)
	r.shm = r.share(argAddr, 1)
	for _, a := range []optee.Arg{registerArg(1, lstAddr, page), cookieArg(optee.CmdUnregisterSHM, 1), lendArg(1, bufAddr, page, 1), cookieArg(optee.CmdReclaimProtmem, 1),
		{Cmd: optee.CmdDoBottomHalf}, {Cmd: optee.CmdStopAsyncNotif}} {
		r.write(argAddr, a.AppendTo(nil))
		if got := r.service(0x8000_0000, r.shm&0xFFFF_FFFF, r.shm>>32); got[0] != 0xFFFF_0009 {
			t.Errorf("%v over FF-A: %x", a.Cmd, got)
		}
	}
	for _, a := range []optee.Arg{assignArg(1, 1), {Cmd: optee.CmdDoBottomHalf}, {Cmd: optee.CmdStopAsyncNotif}} {
		r.write(bufAddr, a.AppendTo(nil))
		r.want(a.Cmd.String(), []uint64{0x3200_0004, 0, bufAddr}, []uint64{5, 0, bufAddr})
	}
}

// Page lists of a hostile client.
func TestRegisterSHM(t *testing.T) {
	r := newRig(t, func(c *Config) { c.ABI, c.Limits.Buffers, c.Limits.Ranges = ABISMC, 3, 100 })
	r.result("pool", r.smcMessage(lendArg(99, bufAddr+page, page, 1)), optee.Success)
	list := func(pages ...uint64) { r.write(lstAddr, optee.AppendPageList(nil, lstAddr, pages)) }
	many := make([]uint64, 1200)
	for i := range many {
		many[i] = bufAddr + 0x10_0000 + uint64(i)*page
	}
	loop := optee.AppendPageList(nil, lstAddr, many)
	binary.LittleEndian.PutUint64(loop[4088:], lstAddr)
	for _, tc := range []struct {
		what string
		prep func()
		a    optee.Arg
		ret  optee.Result
	}{
		{"no size", func() { list(bufAddr) }, registerArg(1, lstAddr, 0), optee.ErrorBadParameters},
		{"no cookie", nil, registerArg(0, lstAddr, page), optee.ErrorBadParameters},
		{"cookie of a pool", nil, registerArg(99, lstAddr, page), optee.ErrorBadParameters},
		{"more than memory", nil, registerArg(1, lstAddr, ramSize+1), optee.ErrorOutOfMemory},
		{"all of the address space", nil, registerArg(1, lstAddr, ^uint64(0)), optee.ErrorBadParameters},
		{"list at a device", nil, registerArg(1, 0x0900_0000, page), optee.ErrorBadParameters},
		{"list in protected memory", nil, registerArg(1, bufAddr+page, page), optee.ErrorBadParameters},
		{"list above memory", nil, registerArg(1, ramBase+ramSize, page), optee.ErrorBadParameters},
		{"wrong attribute", nil, optee.Arg{Cmd: optee.CmdRegisterSHM, Params: []optee.Param{optee.TMemParam(optee.AttrTMemInput|optee.AttrNonContig, optee.TMem{BufPtr: lstAddr, Size: page, SHMRef: 1})}}, optee.ErrorBadParameters},
		{"no parameter", nil, optee.Arg{Cmd: optee.CmdRegisterSHM}, optee.ErrorBadParameters},
		{"page misaligned", func() { list(bufAddr + 8) }, registerArg(1, lstAddr, page), optee.ErrorBadParameters},
		{"page is a device", func() { list(0x0900_0000) }, registerArg(1, lstAddr, page), optee.ErrorBadParameters},
		{"page is protected", func() { list(bufAddr, bufAddr+page) }, registerArg(1, lstAddr, 2*page), optee.ErrorBadParameters},
		{"page above memory", func() { list(ramBase + ramSize) }, registerArg(1, lstAddr, page), optee.ErrorBadParameters},
		{"page twice", func() { list(bufAddr, bufAddr+2*page, bufAddr) }, registerArg(1, lstAddr, 3*page), optee.ErrorBadParameters},
		{"list that links to itself", func() { r.write(lstAddr, loop) }, registerArg(1, lstAddr, 1200*page), optee.ErrorBadParameters},
		{"link to a wild address", func() { binary.LittleEndian.PutUint64(loop[4088:], 0xDEAD_0000_0000); r.write(lstAddr, loop) }, registerArg(1, lstAddr, 1200*page), optee.ErrorBadParameters},
		{"too many ranges", func() {
			var p []uint64
			for i := range uint64(101) {
				p = append(p, bufAddr+0x10_0000+2*i*page)
			}
			list(p...)
		}, registerArg(1, lstAddr, 101*page), optee.ErrorOutOfMemory},
	} {
		if tc.prep != nil {
			tc.prep()
		}
		before := r.state()
		r.result(tc.what, r.smcMessage(tc.a), tc.ret)
		if r.state() != before {
			t.Errorf("%s is refused but changes the state", tc.what)
		}
	}
	list(many...)
	r.result("1200 pages", r.smcMessage(registerArg(1, lstAddr, 1200*page-5)), optee.Success)
	list(many[3])
	r.result("a page of it again", r.smcMessage(registerArg(2, lstAddr+100, 8)), optee.Success)
	r.result("cookie in use", r.smcMessage(registerArg(2, lstAddr, page)), optee.ErrorBadParameters)
	r.result("no slot", r.smcMessage(registerArg(3, lstAddr, page)), optee.ErrorOutOfMemory)
	r.result("reclaim of a buffer", r.smcMessage(cookieArg(optee.CmdReclaimProtmem, 1)), optee.ErrorBadParameters)
	r.result("unregister of a pool", r.smcMessage(cookieArg(optee.CmdUnregisterSHM, 99)), optee.ErrorBadParameters)
	r.result("unregister", r.smcMessage(cookieArg(optee.CmdUnregisterSHM, 1)), optee.Success)
	r.result("lend of a page that is still registered", r.smcMessage(lendArg(5, many[3], page, 1)), optee.ErrorBadParameters)
	r.result("lend of a page that was registered", r.smcMessage(lendArg(5, many[4], page, 1)), optee.Success)
	r.consistent()
}

// Protected memory over both ABIs: who may touch it when, and what it holds when it comes back.
func TestProtectedMemory(t *testing.T) {
	for _, c := range clients(t, withRecorder(new(recorder))) {
		const size = 64 * page
		secret := []byte("secret frame")
		s := c.do(openArg(recorderUUID, 0)).Session
		ref := c.pool(bufAddr, size, 1)
		c.wantRights("pool for video", bufAddr, rightsVideo)
		c.wantRights("end of the pool", bufAddr+size-1, rightsVideo)
		c.wantRights("behind the pool", bufAddr+size, rightsNormal)
		for id, want := range map[uint8]bus.Response{bus.NSAIDAP: bus.DECERR, bus.NSAIDDMA: bus.DECERR, bus.NSAIDCrypto: bus.OKAY, bus.NSAIDHDLCD: bus.DECERR} {
			if got := c.h.Port(bus.Attr{NSAID: id}).Write(bufAddr+8*page, secret); got != want {
				t.Errorf("%v: write by master %d: %v, want %v", c, id, got, want)
			}
		}
		// An application reaches the pool; its memory counts as protected.
		out := c.buffer(page, bufAddr+size, bufAddr+size)
		args := func(p0 optee.Param) optee.Arg {
			return c.do(invokeArg(s, 0, p0, c.mem(optee.AttrRMemOutput, out, bufAddr, 0, page), optee.ValueParam(optee.AttrValueOutput, 0, 0, 0), optee.ValueParam(optee.AttrValueInput, 0, 0, 0)))
		}
		a := args(c.mem(optee.AttrRMemInput, ref, 0, 8*page, uint64(len(secret))))
		if a.Ret != 0 || a.Params[2].U[1] != 1 || !bytes.Equal(c.read(bufAddr+size, len(secret)), secret) {
			t.Errorf("%v: application with a pool: %+v", c, a)
		}
		c.result("beyond the pool", args(c.mem(optee.AttrRMemInput, ref, 0, size-1, 2)), optee.ErrorSecurity)
		if !c.ffa {
			c.result("by address", args(optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: bufAddr + 8*page, Size: 4})), optee.Success)
			c.result("by address across the end", args(optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: bufAddr + size - 1, Size: 2})), optee.ErrorBadParameters)
		}
		// A second pool for another use, next to it.
		ui := c.pool(bufAddr-4*page, 4*page, 2)
		c.wantRights("pool for the user interface", bufAddr-page, "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw")
		c.wantRights("pool for video", bufAddr, rightsVideo)
		c.consistent()
		c.unpool(ref)
		c.wantRights("given back", bufAddr, rightsNormal)
		c.wantRights("pool for the user interface", bufAddr-page, "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw")
		if !zeros(c.read(bufAddr, size)) {
			t.Errorf("%v: the pool comes back with contents", c)
		}
		c.result("use of a pool that is gone", args(c.mem(optee.AttrRMemInput, ref, 0, 0, 1)), optee.ErrorBadParameters)
		c.unpool(ui)
		c.consistent()
	}
}

// LEND_PROTMEM and RECLAIM_PROTMEM with what does not belong.
func TestRefusedLendSMC(t *testing.T) {
	carve := memory.Range{Base: ramBase + 0x80_0000, Size: 0x10_0000}
	r := newRig(t, func(c *Config) { c.SecureRAM = carve }).negotiate(0x1_0002)
	shared := r.share(bufAddr+8*page, 1)
	r.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{bufAddr + 9*page}))
	r.result("buffer", r.smcMessage(registerArg(1, lstAddr, page)), optee.Success)
	r.result("pool", r.smcMessage(lendArg(2, bufAddr, page, 1)), optee.Success)
	two := lendArg(3, bufAddr+2*page, page, 1)
	for what, a := range map[string]optee.Arg{
		"use case 0": lendArg(3, bufAddr+2*page, page, 0), "use case 4": lendArg(3, bufAddr+2*page, page, 4), "wild use case": lendArg(3, bufAddr+2*page, page, 1<<32|1),
		"no size": lendArg(3, bufAddr+2*page, 0, 1), "odd size": lendArg(3, bufAddr+2*page, 100, 1), "misaligned": lendArg(3, bufAddr+2*page+8, page, 1),
		"wraps": lendArg(3, ^uint64(page-1), 2*page, 1), "all": lendArg(3, 0, ^uint64(page-1), 1), "device": lendArg(3, 0x0900_0000, page, 1),
		"controller": lendArg(3, tzcBase, page, 1), "above memory": lendArg(3, ramBase+ramSize, page, 1), "across the end": lendArg(3, ramBase+ramSize-page, 2*page, 1),
		"secure memory": lendArg(3, carve.Base, page, 1), "shared over FF-A": lendArg(3, bufAddr+7*page, 2*page, 1), "registered": lendArg(3, bufAddr+9*page, page, 1),
		"lent": lendArg(3, bufAddr-page, 2*page, 1), "TX": lendArg(3, txAddr, page, 1), "cookie of a buffer": lendArg(1, bufAddr+2*page, page, 1),
		"cookie of a pool": lendArg(2, bufAddr+2*page, page, 1), "no cookie": lendArg(0, bufAddr+2*page, page, 1),
		"the argument itself": lendArg(3, argAddr, page, 1),
		"one parameter":       {Cmd: optee.CmdLendProtmem, Params: two.Params[:1]},
		"wrong types":         {Cmd: optee.CmdLendProtmem, Params: []optee.Param{two.Params[0], two.Params[0]}},
		"output":              {Cmd: optee.CmdLendProtmem, Params: []optee.Param{two.Params[0], {Attr: optee.AttrTMemOutput, U: two.Params[1].U}}},
		"reclaim of nothing":  cookieArg(optee.CmdReclaimProtmem, 3), "reclaim of a buffer": cookieArg(optee.CmdReclaimProtmem, 1),
		"reclaim by value": {Cmd: optee.CmdReclaimProtmem, Params: []optee.Param{optee.ValueParam(optee.AttrValueInput, 2, 0, 0)}},
		"use case of GET_PROTMEM_CONFIG": {Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, 9, 0, 0),
			optee.TMemParam(optee.AttrTMemOutput, optee.TMem{})}},
		"types of GET_PROTMEM_CONFIG": {Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInput, 1, 0, 0),
			optee.TMemParam(optee.AttrTMemOutput, optee.TMem{})}},
		"parameters of GET_PROTMEM_CONFIG": {Cmd: optee.CmdGetProtmemConfig},
	} {
		before := r.state()
		got := r.smcMessage(a)
		r.result(what, got, optee.ErrorBadParameters)
		if r.state() != before {
			t.Errorf("%s is refused but changes the state", what)
		}
	}
	// What the SMC ABI holds cannot be sent over FF-A.
	for _, addr := range []uint64{bufAddr, bufAddr + 9*page} {
		for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend} {
			r.write(txAddr, transaction(kind, 1, ffa.Constituent{Address: addr, Pages: 1}).AppendTo(nil, ffa.Version1_2))
			r.refused("page of the other ABI", denied, sendCall(kind), 112, 112)
		}
	}
	// Of eight regions secure memory takes one and the pool one.
	for i := range uint64(6) {
		r.result("pool", r.smcMessage(lendArg(10+i, bufAddr+0x10_0000+2*i*page, page, 1)), optee.Success)
	}
	before := r.state()
	r.result("eighth pool", r.smcMessage(lendArg(20, bufAddr+0x20_0000, page, 1)), optee.ErrorOutOfMemory)
	if r.state() != before {
		t.Error("a lend without region changes the state")
	}
	r.result("reclaim", r.smcMessage(cookieArg(optee.CmdReclaimProtmem, 2)), optee.Success)
	r.result("reclaim again", r.smcMessage(cookieArg(optee.CmdReclaimProtmem, 2)), optee.ErrorBadParameters)
	r.result("eighth pool", r.smcMessage(lendArg(20, bufAddr+0x20_0000, page, 1)), optee.Success)
	r.reclaim(shared)
	r.consistent()
}

func TestAssignProtmem(t *testing.T) {
	r := newRig(t, withRecorder(new(recorder))).negotiate(0x1_0002)
	l, h := r.lend(bufAddr, 4, 2), r.share(bufAddr+8*page, 1)
	s := r.message(0, openArg(recorderUUID, 0)).Session
	use := func() optee.Arg {
		return r.message(0, invokeArg(s, 0, optee.FMemParam(optee.AttrFMemInput, optee.FMem{Size: 8, GlobalID: l}), optee.FMemParam(optee.AttrFMemOutput, optee.FMem{Size: 8, GlobalID: h}),
			optee.ValueParam(optee.AttrValueOutput, 0, 0, 0), optee.ValueParam(optee.AttrValueInput, 0, 0, 0)))
	}
	r.result("use before ASSIGN", use(), optee.ErrorBadParameters)
	r.result("unknown handle", r.message(0, assignArg(l+1, 2)), optee.ErrorBadParameters)
	r.result("other use case", r.message(0, assignArg(l, 1)), optee.ErrorBadParameters)
	r.result("a share", r.message(0, assignArg(h, 0)), optee.ErrorBadParameters)
	r.result("no parameter", r.message(0, optee.Arg{Cmd: optee.CmdAssignProtmem}), optee.ErrorBadParameters)
	r.result("assign", r.message(0, assignArg(l, 2)), optee.Success)
	r.result("assign again", r.message(0, assignArg(l, 2)), optee.ErrorBusy)
	r.result("use", use(), optee.Success)
	r.refused("RECLAIM", denied, reclaimCall(l)...)
	r.service(8, l&0xFFFF_FFFF, l>>32)
	r.result("use after RELEASE", use(), optee.ErrorBadParameters)
	r.result("assign after RELEASE", r.message(0, assignArg(l, 2)), optee.Success)
	r.service(8, l&0xFFFF_FFFF, l>>32)
	r.reclaim(l)
	// A lend that was never assigned can be reclaimed without RELEASE, which is what Linux does after an error.
	r.reclaim(r.lend(bufAddr, 4, 1))
}

// Another processor changes descriptor, message and page list between two reads of the secure world: there is no second read that
// counts.
func TestMemoryThatChanges(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	// watch counts the reads of a page during f. Before the second one n bytes of the page are spoiled.
	watch := func(addr uint64, n int, f func()) (reads int) {
		r.spy.read = func(a uint64) {
			if a&^(page-1) != addr {
				return
			}
			if reads++; reads == 2 {
				if resp := r.s.Write(addr, bytes.Repeat([]byte{0xFF}, n)); resp != bus.OKAY {
					t.Fatal(resp)
				}
			}
		}
		f()
		r.spy.read = nil
		return reads
	}
	r.write(txAddr, transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr, Pages: 1}).AppendTo(nil, ffa.Version1_2))
	if n := watch(txAddr, page, func() { r.call(0xC400_0072, 112, 112) }); n != 1 {
		t.Errorf("the descriptor is read %d times", n)
	}
	r.wantRights("lent", bufAddr, rightsVideo)
	// The header of a message, with the number of parameters, and then the parameters.
	for i, f := range []uint64{0x3200_0004, 0x3200_0012} {
		const at = bufAddr + 0x10_0000
		pool := bufAddr + 8*page*uint64(i+1)
		lend := lendArg(f, pool, page, 2)
		r.write(at, lend.AppendTo(nil))
		if n := watch(at, 32, func() { r.call(f, 0, at) }); n > 2 {
			t.Errorf("the message is read %d times", n)
		}
		r.result("LEND_PROTMEM", r.argAt(at), optee.Success)
		r.wantRights("lent", pool, "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw")
		r.wantRights("not lent", pool+page, rightsNormal)
	}
	reg := registerArg(77, lstAddr+8, 600*page)
	pages := make([]uint64, 601)
	for i := range pages {
		pages[i] = bufAddr + 0x20_0000 + uint64(i)*page
	}
	r.write(lstAddr, optee.AppendPageList(nil, lstAddr, pages))
	r.write(argAddr, reg.AppendTo(nil))
	for i := range uint64(2) {
		if n := watch(lstAddr+i*page, page, func() {
			if i == 0 {
				r.call(0x3200_0012, 0, argAddr)
			}
		}); n > 1 {
			t.Errorf("a block of the page list is read %d times", n)
		}
	}
	r.result("REGISTER_SHM", r.argAt(argAddr), optee.Success)
	r.consistent()
}

// A carve-out is protected from reset on; the SMC ABI offers it in place of dynamic pools.
func TestStaticPool(t *testing.T) {
	carve := memory.Range{Base: ramBase + 0x80_0000, Size: 0x10_0000}
	r := newRig(t, withRecorder(new(recorder)), func(c *Config) { c.ABI, c.Carveout = ABISMC, carve })
	r.want("EXCHANGE_CAPABILITIES", []uint64{0xB200_0009}, []uint64{0, 0x174, 72, 4})
	r.want("GET_PROTMEM_CONFIG", []uint64{0xB200_0014}, []uint64{0, carve.Base, carve.Size, 32})
	r.wantRights("carve-out", carve.Base, rightsVideo)
	r.wantRights("end of the carve-out", carve.End()-1, rightsVideo)
	r.wantRights("before the carve-out", carve.Base-1, rightsNormal)
	for _, a := range []optee.Arg{lendArg(1, bufAddr, page, 1), cookieArg(optee.CmdReclaimProtmem, 1),
		{Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, 1, 0, 0), optee.TMemParam(optee.AttrTMemOutput, optee.TMem{})}}} {
		r.write(argAddr, a.AppendTo(nil))
		r.want(a.Cmd.String(), []uint64{0x3200_0012, 0, argAddr}, []uint64{5, 0, argAddr})
	}
	s := r.smcMessage(openArg(recorderUUID, 0)).Session
	r.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{bufAddr}))
	r.result("buffer", r.smcMessage(registerArg(1, lstAddr, page)), optee.Success)
	in := func(m optee.TMem) optee.Arg {
		return r.smcMessage(invokeArg(s, 0, optee.TMemParam(optee.AttrTMemInput, m), optee.RMemParam(optee.AttrRMemOutput, optee.RMem{Size: page, SHMRef: 1}),
			optee.ValueParam(optee.AttrValueOutput, 0, 0, 0), optee.ValueParam(optee.AttrValueInput, 0, 0, 0)))
	}
	if resp := r.s.Write(carve.Base+100, []byte{9}); resp != bus.OKAY {
		t.Fatal(resp)
	}
	a := in(optee.TMem{BufPtr: carve.Base + 100, Size: 1, SHMRef: 5})
	if a.Ret != 0 || a.Params[2].U[0] != 9 || a.Params[2].U[1] != 1 {
		t.Errorf("carve-out in an application: %+v", a)
	}
	r.result("across the end", in(optee.TMem{BufPtr: carve.End() - 1, Size: 2}), optee.ErrorBadParameters)
	r.result("entry", r.smcMessage(openArg(recorderUUID, 0)), optee.Success)
	// A processor cannot be started in it either.
	if got := r.call(0xC400_0003, 1, carve.Base, 0); got[0] != invalidAddress32 {
		t.Errorf("CPU_ON into the carve-out: %#x", got[0])
	}
	r.consistent()
}

// Without dynamic pools lends are refused over both ABIs, and the capability is not there.
func TestNoDynamicPools(t *testing.T) {
	r := newRig(t, func(c *Config) { c.OPTEE.DynamicPools, c.OPTEE.NotifyINTID = false, 0 }).negotiate(0x1_0002)
	if got := r.service(2); got != [5]uint64{0, 4, 1} {
		t.Errorf("EXCHANGE_CAPABILITIES: %x", got)
	}
	r.want("EXCHANGE_CAPABILITIES", []uint64{0xB200_0009}, []uint64{0, 0x54, 0, 4})
	r.write(txAddr, transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr, Pages: 1}).AppendTo(nil, ffa.Version1_2))
	r.refused("lend", denied, 0xC400_0072, 112, 112)
}

func TestBadConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"ABI":                    func(c *Config) { c.ABI = 8 },
		"limits":                 func(c *Config) { c.Limits.Transactions = 0 },
		"use case 0":             func(c *Config) { c.OPTEE.UseCases[0].ID = 0 },
		"use case twice":         func(c *Config) { c.OPTEE.UseCases[0].ID = 2 },
		"alignment":              func(c *Config) { c.OPTEE.UseCases[0].Align = 100 },
		"address bits":           func(c *Config) { c.OPTEE.UseCases[0].PAWidth = 0 },
		"carve-out outside":      func(c *Config) { c.Carveout = memory.Range{Base: 0x1000, Size: page} },
		"carve-out of half page": func(c *Config) { c.Carveout = memory.Range{Base: ramBase, Size: 100} },
		"carve-out without use":  func(c *Config) { c.Carveout, c.CarveoutUse = memory.Range{Base: ramBase, Size: page}, 9 },
		"overlapping carve-outs": func(c *Config) {
			c.Carveout, c.SecureRAM = memory.Range{Base: ramBase, Size: 2 * page}, memory.Range{Base: ramBase + page, Size: page}
		},
		"controller elsewhere":   func(c *Config) { c.TZASC.Base = 0x0C00_0000 },
		"controller is memory":   func(c *Config) { c.TZASC.Base = ramBase },
		"normal partition id":    func(c *Config) { c.Partitions[0].ID = 1 },
		"partition is SPMC":      func(c *Config) { c.Partitions[0].ID = 0x8000 },
		"partition is SPMD":      func(c *Config) { c.Partitions[0].ID = 0xFFFF },
		"partition without UUID": func(c *Config) { c.Partitions[0].UUIDs = nil },
		"partition of nil UUID":  func(c *Config) { c.Partitions[0].UUIDs = []ffa.UUID{{}} },
		"OP-TEE twice":           func(c *Config) { c.Partitions = append(c.Partitions, Partition{ID: 0x8002, UUIDs: []ffa.UUID{{1}}}) },
		"partition twice": func(c *Config) {
			c.Partitions = append(c.Partitions, Partition{ID: 0x8001, UUIDs: []ffa.UUID{{1}}, New: newEcho})
		},
	} {
		r := newRig(t)
		cfg := DefaultConfig()
		change(&cfg)
		if err := New(cfg).Reset(r.h); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Answers come by UUID, never by a fixed identifier.
func TestOtherIdentifiers(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Partitions[0].ID = 0x9ABC
		c.Partitions[0].UUIDs = append([]ffa.UUID{{5}}, c.Partitions[0].UUIDs...)
		c.OPTEE.UUID = ffa.UUID{0xFE, 0xDC, 0xBA, 0x98, 15: 1}
	}).negotiate(0x1_0002)
	r.want("GET_OS_UUID", []uint64{0xB200_0000}, []uint64{0xFEDC_BA98, 0, 0, 1})
	r.want("PARTITION_INFO_GET by UUID", []uint64{0x8400_0068, 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5}, []uint64{ffaSuccess, 0, 1, 24, 0})
	if id := w0(r.read(rxAddr, 4)) & 0xFFFF; id != 0x9ABC {
		t.Errorf("id %#x", id)
	}
	r.refused("the usual identifier", invalid, 0x8400_006F, 0x8001)
	got := r.call(0x8400_006F, 0x9ABC)
	if got[0] != 0x8400_0070 || got[1] != 0x9ABC<<16 || got[3] != 1 {
		t.Errorf("GET_API_VERSION: %x", got[:8])
	}
}

var _ firmware.Firmware = (*World)(nil)
