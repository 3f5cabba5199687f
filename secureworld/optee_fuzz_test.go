package secureworld

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/pta"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// asked is a request that a call under way waits for.
type asked struct {
	ticket uint64
	f      uint64 // return code of the SMC ABI; 0xFFFF0005 and 0xFFFF0004 stand for the kinds of FF-A
	rpcAt  uint64 // of the RPC argument, 0 where it is not known
}

// game is a hostile client of OP-TEE whose moves come from a fuzzer's bytes: it keeps several calls under way, answers as it
// likes, changes memory at any time and tells the truth only sometimes.
type game struct {
	*caller
	in      []byte
	waiting []asked
	args    map[uint64]uint64 // RPC arguments: address by cookie
	refs    []uint64          // cookies and handles that it has got
	played  map[string]int
}

func (g *game) byte() byte {
	if len(g.in) == 0 {
		return 0
	}
	b := g.in[0]
	g.in = g.in[1:]
	return b
}

func (g *game) pick(values ...uint64) uint64 { return values[int(g.byte())%len(values)] }

// page is one of a few pages that everything happens in.
func (g *game) page() uint64 {
	if b := g.byte(); b < 0xF0 {
		return heapOf(g) + uint64(b&15)*page
	}
	return g.pick(0, 0x0900_0000, tzcBase, ramBase+4<<20, ^uint64(page-1), slotAddr, shmAddr, ramBase+0x30_0000, txAddr)
}

func heapOf(g *game) uint64 {
	if g.static && g.byte()&1 != 0 {
		return shmAddr + 16*page
	}
	return ramBase + 0x20_0000
}

// ref is a reference to memory of some kind, mostly of a size that makes sense.
func (g *game) ref() optee.Param {
	attr := optee.Attr(g.pick(5, 6, 7, 9, 10, 11, 0, 1, 2, 3, 0x209, 0x20A, 0x20B, 4, 0x105, 1<<40))
	size := g.pick(0, 1, 16, 64, page, 2*page, 5*page, ^uint64(0), 1<<48)
	switch {
	case attr.IsValue():
		return optee.ValueParam(attr, g.pick(0, 1, 2, 3, 7, 99, 0xFFFF_FFFF), g.pick(0, 1, 3, 600, 1<<32), uint64(g.byte()))
	case attr.IsTMem():
		at := g.page() + g.pick(0, 0, 8, 0xFFF)
		if attr&optee.AttrNonContig != 0 {
			g.list()
			at = lstAddr + g.pick(0, 8, 0xFFF)
		}
		return optee.TMemParam(attr, optee.TMem{BufPtr: at, Size: size, SHMRef: g.known()})
	case g.byFFA:
		m := optee.FMem{Offset: g.pick(0, 0, 1, page, 1<<47), InternalOffset: uint16(g.pick(0, 0, 16, 0xFFF, 0x1000)), Size: size, GlobalID: g.known()}
		if g.byte()&7 == 0 {
			m.GlobalID = optee.NullGlobalID
		}
		return optee.FMemParam(attr, m)
	}
	return optee.RMemParam(attr, optee.RMem{Offset: g.pick(0, 0, 1, page, 1<<63), Size: size, SHMRef: g.known()})
}

// known is a cookie or handle that means something, or nearly so.
func (g *game) known() uint64 {
	if b := g.byte(); b < 0xE0 && len(g.refs) > 0 {
		return g.refs[int(b)%len(g.refs)]
	}
	return g.pick(0, 1, 0xFFFF_0000_0000_0001, ^uint64(0), 0x1_0000, 0x2_0001)
}

// list writes a page list.
func (g *game) list() {
	pages := make([]uint64, g.byte()&3+1)
	for i := range pages {
		pages[i] = g.page()
	}
	g.put(lstAddr, optee.AppendPageList(nil, lstAddr, pages))
}

// put writes memory, with up to three octets spoiled.
func (g *game) put(addr uint64, b []byte) {
	for n := g.byte(); n >= 0xE8 && len(b) > 0; n = g.byte() {
		b[int(g.byte())%len(b)] = g.byte()
	}
	g.ap.Write(addr, b)
}

var applications = []smc.UUID{optee.ProbeUUID(), optee.ProbeUUID(), optee.ProbeUUID(), optee.ProbeUUID(), optee.ProbeUUID(), optee.SDPUUID(), optee.DecryptUUID(), optee.RNGUUID(),
	optee.InvokeTestsUUID(), optee.DeviceUUID(), aloneUUID, {}, optee.GrantUUID(), optee.GrantUUID(), optee.GrantUUID(), optee.KeysUUID(),
	optee.UIUUID()}

// message is any message.
func (g *game) message() optee.Arg {
	var params []optee.Param
	for range g.byte() & 7 % 5 {
		params = append(params, g.ref())
	}
	session := uint32(g.pick(1, 2, 3, 4, 0, 0xFFFF_FFFF))
	switch g.byte() % 17 {
	case 15:
		// A command of the grant application.
		ref := g.mem(optee.Attr(g.pick(7, 7, 5, 6)), g.known(), 0, g.pick(0, 0, page, 2*page), g.pick(page, page, 2*page, 100))
		if session != 3 && g.byte() < 0xC0 {
			session = 4
		}
		a := invokeArg(session, uint32(g.byte()%4), ref, in(g.pick(4, 5, 3, 2, 9, 16), g.pick(1, 2, 3, 0), 0))
		if a.Func == optee.GrantCmdQuery {
			a.Params = []optee.Param{a.Params[0], out(0, 0, 0), out(0, 0, 0)}
		}
		return a
	case 0, 1:
		a := openArg(applications[int(g.byte())%len(applications)], optee.Login(g.pick(0, 0, 1, 5, 3, 0x8000_0000)), params...)
		a.CancelID = uint32(g.byte() & 3)
		return a
	case 2, 3, 4:
		// A command of the probe with the parameters that it wants.
		v := in(g.pick(0, 1, 3, 9, 63, 64, 99), g.pick(0, 1, 5, 600, 5000), 0)
		a := invokeArg(session, uint32(g.byte()%15))
		switch a.Func {
		case optee.ProbeCmdTime, optee.ProbeCmdBottomHalves:
			a.Params = []optee.Param{out(0, 0, 0)}
		case optee.ProbeCmdAllocate:
			a.Params = []optee.Param{v, in(uint64(g.byte()&7), uint64(g.byte()&1), 0), out(0, 0, 0)}
		case optee.ProbeCmdSupplicant:
			a.Params = []optee.Param{v, both(1, 2), g.ref()}
		case optee.ProbeCmdPanic:
			if g.byte() < 0xC0 {
				a.Func = optee.ProbeCmdResult
				a.Params = []optee.Param{v}
			}
		case optee.ProbeCmdClient:
			a.Params = []optee.Param{out(0, 0, 0), g.ref()}
		case optee.ProbeCmdCopy:
			a.Params = []optee.Param{g.ref(), g.ref()}
		case optee.ProbeCmdMemory:
			a.Params = []optee.Param{g.ref(), out(0, 0, 0)}
		case optee.ProbeCmdCancelled:
			a.Params = []optee.Param{v, out(0, 0, 0)}
		default:
			a.Params = []optee.Param{v}
		}
		a.CancelID = uint32(g.byte() & 3)
		return a
	case 5, 6:
		return invokeArg(session, uint32(g.byte()&15), params...)
	case 7:
		return optee.Arg{Cmd: optee.CmdCloseSession, Session: session}
	case 8:
		return optee.Arg{Cmd: optee.CmdCancel, Session: session, CancelID: uint32(g.byte() & 3)}
	case 9:
		g.list()
		cookie := 0xFFFF_0000_0000_0001 + uint64(g.byte()&3)
		g.refs = append(g.refs, cookie)
		return registerArg(cookie, lstAddr+g.pick(0, 0, 9, 0xFFF), g.pick(1, page, 2*page, 3*page, 0, ^uint64(0)))
	case 10:
		return cookieArg(optee.Command(g.pick(5, 9)), g.known())
	case 11:
		cookie := 0xFFFF_0000_0000_1001 + uint64(g.byte()&3)
		g.refs = append(g.refs, cookie)
		return lendArg(cookie, g.page(), g.pick(page, 2*page, 4*page, 0), g.pick(1, 2, 3, 0, onDemand, onDemand))
	case 12:
		return assignArg(g.known(), g.pick(1, 2, 3, onDemand, onDemand))
	case 13:
		return configArg(g.pick(1, 2, 3, 0), g.ref())
	case 14:
		return optee.Arg{Cmd: optee.Command(g.pick(6, 7))}
	}
	return optee.Arg{Cmd: optee.Command(g.byte()), Session: session, Params: params}
}

// enter makes a yielding call and notes what it asks for. What is refused has changed nothing.
func (g *game) enter(rpcAt uint64, regs ...uint64) {
	before, enforced := g.state(), g.digest()
	r := pattern()
	for i := range 8 {
		r[i] = 0
	}
	copy(r[:], regs)
	in := r
	g.w.SMC(firmware.Call{EL: 1}, &r)
	code, kind, ticket := r[0], uint64(0), r[3]
	first := 4
	if g.byFFA {
		if r[0] != 0x8400_0070 {
			g.Fatalf("%x: %x", in[:8], r[:8])
		}
		code, kind, ticket, first = r[3], r[4], r[7], 8
		if code == 0 && kind != 0 {
			code = map[uint64]uint64{1: 0xFFFF_0005, 2: 0xFFFF_0004}[kind]
		}
	}
	for i := first; i < 18; i++ {
		if r[i] != in[i] {
			g.Fatalf("%x changes x%d: %x", in[:8], i, r)
		}
	}
	switch {
	case code == 0:
		g.played["done"]++
	case code>>16 == 0xFFFF && !(g.byFFA && kind == 0):
		g.played[fmt.Sprintf("%x", code)]++
		if a, ok := g.args[r[1]<<32|r[2]]; ok && !g.byFFA && code == 0xFFFF_0005 && g.fid == 0x3200_0004 {
			rpcAt = a
		}
		g.waiting = append(g.waiting, asked{ticket, code, rpcAt})
	default:
		g.played["refused"]++
		if g.byFFA && g.digest() != enforced || !g.byFFA && g.state() != before {
			g.Fatalf("%x is refused with %x but changes the state", in[:8], r[:8])
		}
	}
	g.consistent()
}

// digest is a digest of who owns and who may access which page.
func (g *game) digest() string {
	s := ""
	g.w.space.Walk(func(r memory.Range, p memory.Page) { s += fmt.Sprint(r, p) })
	for off := uint64(0); off < 0x220; off += 4 {
		v, _ := g.tzc.Read(off, 4, bus.Attr{Secure: true})
		s += fmt.Sprint(v, ",")
	}
	return s
}

// begin calls with a message in one of the slots, used or not.
func (g *game) begin(a optee.Arg) {
	slot := uint64(g.byte() & 7)
	at := g.at(slot)
	if g.byte() >= 0xF8 {
		at = g.page()
	}
	g.put(at, a.AppendTo(nil))
	g.remember(at)
	rpcAt := at + optee.ArgSize(uint32(len(a.Params)))
	switch {
	case g.byFFA:
		g.enter(rpcAt, 0x8400_006F, opteeID, 0, 0x8000_0000, g.slots&0xFFFF_FFFF, g.slots>>32, at-slotAddr)
	case g.fid == 0x3200_0013:
		g.enter(rpcAt, g.fid, g.slots>>32, g.slots&0xFFFF_FFFF, at-slotAddr)
	default:
		g.enter(rpcAt, g.fid, at>>32, at&0xFFFF_FFFF)
	}
}

// remember keeps the cookies of a message as it really stands in memory.
func (g *game) remember(at uint64) {
	b := make([]byte, 512)
	if g.ap.Read(at, b) != bus.OKAY {
		return
	}
	if a, err := optee.ParseArg(b); err == nil && (a.Cmd == optee.CmdRegisterSHM || a.Cmd == optee.CmdLendProtmem) {
		for _, p := range a.Params {
			g.refs = append(g.refs, p.U[2])
		}
	}
}

// answer goes on with a request: honestly, or as it comes.
func (g *game) answer(i int, honest bool) {
	q := g.waiting[i]
	g.waiting = slices.Delete(g.waiting, i, i+1)
	a1, a2, a4, a5 := uint64(0), uint64(0), uint64(0), uint64(0)
	switch q.f {
	case 0xFFFF_0000: // ALLOC
		at := ramBase + 0x28_0000 + uint64(g.byte()&31)*page
		if g.static {
			at = shmAddr + 0x1_8000 + uint64(g.byte()&31)*512
		}
		cookie := at | 1<<60
		if !honest && g.byte() >= 0xC0 {
			at, cookie = g.page()+g.pick(0, 4, 8), g.pick(0, 5, 1<<60)
		}
		g.args[cookie] = at
		a1, a2 = optee.Split(at)
		a4, a5 = optee.Split(cookie)
	case 0xFFFF_0005:
		g.reply(q.rpcAt, honest)
	}
	if g.byFFA {
		g.enter(q.rpcAt, 0x8400_006F, opteeID, 0, 0x8000_0001, 0, 0, 0, q.ticket)
	} else {
		g.enter(q.rpcAt, 0x3200_0003, a1, a2, q.ticket, a4, a5)
	}
}

// reply fills in an RPC argument.
func (g *game) reply(at uint64, honest bool) {
	b := make([]byte, 160)
	if g.ap.Read(at, b) != bus.OKAY {
		return
	}
	a, err := optee.ParseArg(b)
	if err != nil || len(a.Params) == 0 || len(a.Params) > 4 {
		a = &optee.Arg{Params: make([]optee.Param, 1)}
	}
	a.Ret = optee.Success
	if a.Cmd == optee.Command(optee.RPCSHMAlloc) {
		switch {
		case honest:
			a.Ret = optee.ErrorOutOfMemory
		case g.byte() < 0x80:
			g.gift1(a)
		default:
			a.Params[0] = g.ref()
			a.Params[0].Attr = optee.Attr(g.pick(6, 0xA, 0x20A))
		}
	}
	if !honest && g.byte() >= 0xC0 {
		a.Ret = optee.Result(g.pick(0xFFFF_0000, 0xFFFF_000E, 1, 0xFFFF_3001))
		for i := range a.Params {
			a.Params[i] = g.ref()
		}
	}
	if honest {
		g.ap.Write(at, a.AppendTo(nil))
	} else {
		g.put(at, a.AppendTo(nil))
	}
}

// gift1 gives memory as a client does.
func (g *game) gift1(a *optee.Arg) {
	addr, size := g.page(), uint64(2*page)
	switch {
	case g.byFFA:
		if got := g.send(ffa.Share, ffa.Version1_2, transaction(ffa.Share, 0, ffa.Constituent{Address: addr, Pages: 2})); got[0] == ffaSuccess {
			g.refs = append(g.refs, got[2]|got[3]<<32)
			a.Params[0] = optee.FMemParam(optee.AttrFMemOutput, optee.FMem{Size: size, GlobalID: got[2] | got[3]<<32})
		}
	case g.static || g.byte() < 0x40:
		a.Params[0] = optee.TMemParam(optee.AttrTMemOutput, optee.TMem{BufPtr: addr, Size: page, SHMRef: addr})
	default:
		g.ap.Write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{addr, addr + page}))
		a.Params[0] = optee.TMemParam(optee.AttrSHMPageList, optee.TMem{BufPtr: lstAddr, Size: size, SHMRef: addr})
	}
}

// other makes one of the calls that never wait.
func (g *game) other() {
	switch g.byte() % 8 {
	case 0:
		g.h.clock.Advance(g.h.clock.Now() + uint64(g.byte())*100_000)
		g.h.clock.Expire()
	case 1, 2:
		// Memory changes under everybody's feet.
		b := make([]byte, 64)
		for i := range b {
			b[i] = g.byte()
		}
		g.ap.Write(g.at(uint64(g.byte()&7))+uint64(g.byte())*8, b)
	case 3:
		if g.byFFA {
			x := transaction(ffa.TransactionKind(g.pick(1, 2)), g.pick(1, 2, 3, onDemand), ffa.Constituent{Address: g.page(), Pages: uint32(g.byte()&3) + 1})
			kind := ffa.Share
			if g.byte()&1 != 0 {
				kind, x.Attributes = ffa.Lend, 0
			} else {
				x.Attributes = 0x2F
			}
			if got := g.send(kind, ffa.Version1_2, x); got[0] == ffaSuccess {
				g.refs = append(g.refs, got[2]|got[3]<<32)
			}
			return
		}
		g.call(g.pick(0xB200_000A, 0xB200_000B))
	case 4:
		if g.byFFA {
			h := g.known()
			g.service(g.pick(3, 8), h&0xFFFF_FFFF, h>>32)
			g.call(reclaimCall(h)...)
			return
		}
		g.call(g.pick(0xB200_0010, 0xB200_0011))
	case 5:
		if g.byFFA {
			g.service(5, g.pick(0, 5, 63, 64))
			g.call(g.pick(0x8400_007D, 0x8400_007F), opteeID<<16&g.pick(0, ^uint64(0)), 4, 1<<5)
			g.call(0x8400_0082, 0, 1)
		}
	case 6:
		// A ticket that means nothing, or that of somebody else.
		t := g.pick(0, 1, 0xFF, 0x100, 0xFFFF_FFFF)
		if len(g.waiting) > 0 {
			t += g.waiting[0].ticket
		}
		for i, q := range g.waiting {
			if q.ticket == t&0xFFFF_FFFF {
				g.answer(i, false)
				return
			}
		}
		if g.byFFA {
			g.enter(0, 0x8400_006F, opteeID, 0, 0x8000_0001, 0, 0, 0, t)
		} else {
			g.enter(0, 0x3200_0003, 1, 2, t, 3, 4)
		}
	}
	g.consistent()
}

// end answers honestly until nothing waits, and gives up everything: then all pages must be the normal world's own again.
func (g *game) end() {
	for range 2000 {
		if len(g.waiting) == 0 {
			break
		}
		g.answer(0, true)
	}
	if len(g.waiting) != 0 {
		g.Fatalf("%d calls never end", len(g.waiting))
	}
	send := func(a optee.Arg) {
		n := len(g.waiting)
		at := g.at(0)
		if !g.byFFA && !g.static && g.fid != 0x3200_0013 {
			// The pages of the slots may have been lent.
			at = ramBase + 0x3C_0000
		}
		g.write(at, a.AppendTo(nil))
		switch {
		case g.byFFA:
			g.enter(at+optee.ArgSize(uint32(len(a.Params))), 0x8400_006F, opteeID, 0, 0x8000_0000, g.slots&0xFFFF_FFFF, g.slots>>32, 0)
		case g.fid == 0x3200_0013:
			g.enter(0, g.fid, g.slots>>32, g.slots&0xFFFF_FFFF, 0)
		default:
			g.enter(0, g.fid, 0, at)
		}
		if len(g.waiting) != n {
			g.Fatalf("%v waits", a.Cmd)
		}
	}
	for s := range uint32(6) {
		send(optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
	}
	// No grant outlives the sessions.
	_, accesses := g.regions()
	for _, a := range accesses {
		own := a == 0
		for _, u := range g.w.cfg.OPTEE.UseCases {
			own = own || a == uint64(u.Access.Write)<<16|uint64(u.Access.Read)
		}
		if !own {
			g.Fatalf("%s: a region is open to %#x when all sessions are closed", g.name, a)
		}
	}
	for _, ref := range g.refs {
		if g.byFFA {
			g.service(3, ref&0xFFFF_FFFF, ref>>32)
			g.service(8, ref&0xFFFF_FFFF, ref>>32)
			g.call(reclaimCall(ref)...)
			continue
		}
		send(cookieArg(optee.CmdUnregisterSHM, ref))
		send(cookieArg(optee.CmdReclaimProtmem, ref))
	}
	if !g.byFFA {
		for range 20 {
			if g.call(0xB200_000A)[0] == 7 {
				break
			}
		}
	}
	g.w.space.Walk(func(r memory.Range, p memory.Page) {
		own := p.State == memory.OwnerEA
		for _, kept := range []memory.Range{{Base: slotAddr, Size: slotPages * page}, {Base: txAddr, Size: 2 * page}, {Base: shmAddr, Size: shmSize},
			{Base: ramBase + 0x30_0000, Size: 0x1_0000}} {
			own = own || kept.Contains(r)
		}
		if !own {
			g.Fatalf("%s: %v is %v with %d registrations when all is over; %x", g.name, r, p.State, p.Registrations, g.refs)
		}
	})
	g.consistent()
}

func playOPTEE(t *testing.T, w way, in []byte) map[string]int {
	w.change = func(f func(*Config)) func(*Config) {
		return func(c *Config) {
			f(c)
			c.OPTEE.Threads = 4
			c.OPTEE.NewTAs = func() []tee.PseudoTA { return append(pta.All(pta.Board{Seed: 1}), new(alone)) }
			c.SecureRAM = memory.Range{Base: ramBase + 0x30_0000, Size: 0x1_0000}
			c.Limits = Limits{Transactions: 12, Ranges: 64, Buffers: 5, Sessions: 5}
		}
	}(w.change)
	g := &game{in: in, args: map[uint64]uint64{}, played: map[string]int{}}
	g.caller = newCallerSize(t, w, 4<<20)
	for _, u := range []smc.UUID{optee.ProbeUUID(), optee.ProbeUUID(), optee.GrantUUID(), optee.GrantUUID()} {
		g.in = append([]byte{0}, g.in...)
		g.begin(openArg(u, 0))
	}
	for moves := 0; len(g.in) > 0 && moves < 80; moves++ {
		switch b := g.byte(); {
		case len(g.waiting) > 0 && b < 0x70:
			g.answer(int(b)%len(g.waiting), false)
		case b < 0xD0:
			g.begin(g.message())
		default:
			g.other()
		}
	}
	g.end()
	return g.played
}

// FuzzOPTEE plays a hostile client of the whole service in each way to call it: nothing panics, what is refused changes nothing, the
// controller enforces what the ownership of pages says, all calls can be brought to an end, and nothing is left behind then.
func FuzzOPTEE(f *testing.F) {
	for i := range ways {
		rng := rand.New(rand.NewPCG(uint64(i), 9))
		in := make([]byte, 200)
		for k := range in {
			in[k] = byte(rng.Uint32())
		}
		f.Add(byte(i), in)
	}
	f.Fuzz(func(t *testing.T, way byte, in []byte) { playOPTEE(t, ways[int(way)%len(ways)], in) })
}

// The same with random octets, which also shows that hostile calls get far enough to matter.
func TestHostileClients(t *testing.T) {
	for i, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			played := map[string]int{}
			for seed := range uint64(60) {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				in := make([]byte, 700)
				for k := range in {
					in[k] = byte(rng.Uint32())
				}
				for what, n := range playOPTEE(t, w, in) {
					played[what] += n
				}
			}
			want := []string{"done", "refused", "ffff0005", "ffff0004"}
			if w.fid == 0x3200_0004 {
				want = append(want, "ffff0000", "ffff0002")
			}
			for _, what := range want {
				if played[what] < 20 {
					t.Errorf("%s comes %d times only: %v", what, played[what], slices.Sorted(maps.Keys(played)))
				}
			}
		})
	}
}
