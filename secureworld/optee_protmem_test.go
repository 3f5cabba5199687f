package secureworld

import (
	"bytes"
	"fmt"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// configArg asks for the pool of a use case, with a list in p.
func configArg(use uint64, p optee.Param) optee.Arg {
	return optee.Arg{Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, use, 2, 3), p}}
}

// Each use case has a pool of its own: size, alignment, addresses, and masters that may touch it.
func TestUseCases(t *testing.T) {
	const align = 4 * page
	everyWay(t, func(t *testing.T, c *caller) {
		for _, u := range []struct {
			id, size, align, width uint64
			rights                 string
		}{
			{1, 1 << 20, page, 32, rightsVideo},
			{2, 64 * page, align, 31, "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw"},
			{3, 1 << 20, page, 64, "any:- ap:- dma:- crypto:r dec:- xfm:rw lcd:- secure:rw"},
		} {
			a := c.call1(configArg(u.id, c.null(optee.AttrRMemOutput)))
			want := optee.Success
			if c.byFFA {
				want = optee.ErrorShortBuffer
			}
			c.want("GET_PROTMEM_CONFIG", a, want, optee.OriginTEE)
			if a.Params[0].U != [3]uint64{u.size, u.align, u.width} {
				t.Errorf("use case %d: %v", u.id, a.Params[0].U)
			}
			ref, addr := c.protected(u.align/page*2, u.id)
			c.wantRights(fmt.Sprint("use case ", u.id), addr, u.rights)
			c.unprotect(ref)
			c.wantRights(fmt.Sprint("use case ", u.id, " given back"), addr, rightsNormal)
			// One page off the alignment, and one page too many.
			for _, bad := range [][2]uint64{{addr + page, align}, {addr, align + page}} {
				if u.align == page {
					break
				}
				c.lendRefused("misaligned", bad[0], bad[1], u.id)
			}
		}
		// 31 address bits end in the middle of the machine's memory, which begins at 1 GiB.
		c.lendRefused("beyond the address bits", 1<<31, align, 2)
		for _, id := range []uint64{0, 4, 1<<32 | 1, ^uint64(0)} {
			c.want("GET_PROTMEM_CONFIG", c.call1(configArg(id, c.null(optee.AttrRMemOutput))), optee.ErrorBadParameters, optee.OriginTEE)
			c.lendRefused("no such use case", ramBase+0x100_0000, page, id)
		}
		c.consistent()
	}, func(c *Config) {
		c.OPTEE.UseCases[1].MinSize, c.OPTEE.UseCases[1].Align, c.OPTEE.UseCases[1].PAWidth = 64*page, align, 31
		c.OPTEE.UseCases[2].PAWidth = 64
	})
}

// lendRefused lends what must be refused as malformed, and change nothing.
func (c *caller) lendRefused(what string, addr, size, use uint64) {
	c.Helper()
	if c.byFFA {
		c.write(txAddr, transaction(ffa.Lend, use, ffa.Constituent{Address: addr, Pages: uint32(size / page)}).AppendTo(nil, ffa.Version1_2))
		c.refused(what, invalid, 0xC400_0072, 112, 112)
		return
	}
	before := c.state()
	c.want(what, c.call1(lendArg(0x777, addr, size, use)), optee.ErrorBadParameters, optee.OriginTEE)
	c.same(what, before)
}

// The list of those that a pool has to be lent to: one entry by default, those of the configuration, or that of the 2024 proposal.
func TestEndpointList(t *testing.T) {
	three := func(c *Config) {
		c.OPTEE.UseCases[0].Endpoints = []optee.ProtmemConfigEntry{{Endpoint: opteeID, Permissions: 2}, {Endpoint: 0x8002, Permissions: 1}, {Endpoint: 0x8003, Permissions: 2}}
	}
	rst := func(c *Config) { c.OPTEE.RSTMEM = true }
	for _, tc := range []struct {
		what   string
		change []func(*Config)
		list   []byte
		third  uint64 // value c
	}{
		{"default", nil, []byte{1, 0x80, 2, 0}, 32},
		{"three", []func(*Config){three}, []byte{1, 0x80, 2, 0, 2, 0x80, 1, 0, 3, 0x80, 2, 0}, 32},
		{"proposal", []func(*Config){rst}, []byte{1, 0x80}, 3},
		{"three of the proposal", []func(*Config){three, rst}, []byte{1, 0x80, 2, 0x80, 3, 0x80}, 3},
	} {
		c := newCaller(t, ways[0], tc.change...)
		m := c.area(64, 5)
		for size := range uint64(len(tc.list) + 2) {
			blank := bytes.Repeat([]byte{0xEE}, 64)
			c.write(m.addr, blank)
			a := c.call1(configArg(1, m.param(optee.AttrRMemOutput, 3, size)))
			fits := size >= uint64(len(tc.list))
			if want := map[bool]optee.Result{true: optee.Success, false: optee.ErrorShortBuffer}[fits]; a.Ret != want {
				t.Errorf("%s: %d octets: %v, want %v", tc.what, size, a.Ret, want)
			}
			if fits {
				copy(blank[3:], tc.list)
			}
			if got := c.read(m.addr, 64); !bytes.Equal(got, blank) {
				t.Errorf("%s: %d octets: % x, want % x", tc.what, size, got, blank)
			}
			if a.Params[1].Size() != uint64(len(tc.list)) || a.Params[0].U != [3]uint64{1 << 20, page, tc.third} {
				t.Errorf("%s: %d octets: %+v", tc.what, size, a.Params)
			}
		}
		ref, addr := c.protected(1, 1)
		c.want("a list in protected memory", c.call1(configArg(1, c.mem(optee.AttrRMemOutput, ref, addr, 0, 64))), optee.ErrorBadParameters, optee.OriginTEE)
		for what, a := range map[string]optee.Arg{
			"no list":      {Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{both(1, 0)}},
			"an input":     configArg(1, m.param(optee.AttrRMemInput, 0, 64)),
			"in and out":   configArg(1, m.param(optee.AttrRMemInOut, 0, 64)),
			"value output": {Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{out(1, 0, 0), m.param(optee.AttrRMemOutput, 0, 64)}},
			"three":        {Cmd: optee.CmdGetProtmemConfig, Params: append(configArg(1, m.param(optee.AttrRMemOutput, 0, 64)).Params, optee.Param{})},
		} {
			before := c.state()
			c.want(what, c.call1(a), optee.ErrorBadParameters, optee.OriginTEE)
			c.same(what, before)
		}
	}
}

// Carve-outs for several use cases: each is protected for its masters from reset on, and reached by its address.
func TestCarveouts(t *testing.T) {
	video := memory.Range{Base: ramBase + 0x200_0000, Size: 0x10_0000}
	screen := memory.Range{Base: ramBase + 0x210_0000, Size: 0x2000}
	record := memory.Range{Base: ramBase + 0x300_0000, Size: 0x8000}
	two := func(c *Config) { c.OPTEE.UseCases[1].Carveout, c.OPTEE.UseCases[2].Carveout = screen, record }
	with := func(r memory.Range) func(*Config) { return func(c *Config) { c.Carveout = r } }
	for _, tc := range []struct {
		what  string
		pools [4]memory.Range // by what w1 asks for
		opts  []func(*Config)
	}{
		{"three", [4]memory.Range{video, video, screen, record}, []func(*Config){with(video), two}},
		{"without video", [4]memory.Range{screen, {}, screen, record}, []func(*Config){two}},
	} {
		for _, w := range ways[1:] {
			c := newCaller(t, w, tc.opts...)
			for use, r := range tc.pools {
				want := []uint64{0, r.Base, r.Size, 32}
				if r.Size == 0 {
					want = []uint64{7, uint64(use)} // a client that names its use case gets no other's
				}
				c.rig.want(tc.what, []uint64{0xB200_0014, uint64(use)}, want)
			}
			c.rig.want("on demand", []uint64{0xB200_0014, onDemand}, []uint64{7, onDemand})
			if caps := c.call(0xB200_0009)[1]; caps>>8&3 != 1 {
				t.Errorf("capabilities %#x: want a static pool and no dynamic one", caps)
			}
			c.wantRights("screen", screen.Base, "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw")
			c.wantRights("record", record.End()-1, "any:- ap:- dma:- crypto:r dec:- xfm:rw lcd:- secure:rw")
			c.wantRights("behind", record.End(), rightsNormal)
			if y := c.begin(0, lendArg(1, ramBase+0x100_0000, page, 2)); y.status != 5 {
				t.Errorf("%s: LEND_PROTMEM: %#x", c.name, y.status)
			}
			s := c.open(optee.ProbeUUID())
			m := c.area(64, 0)
			for _, r := range []memory.Range{screen, record} {
				secret := []byte("secret")
				if resp := c.s.Write(r.End()-6, secret); resp != bus.OKAY {
					t.Fatal(resp)
				}
				pool := func(attr optee.Attr, addr, n uint64) optee.Param {
					return optee.TMemParam(attr, optee.TMem{BufPtr: addr, Size: n, SHMRef: 1})
				}
				a := c.call1(invokeArg(s, optee.ProbeCmdCopy, pool(optee.AttrTMemInput, r.End()-6, 6), pool(optee.AttrTMemOutput, r.Base, 6)))
				c.want("copy in a carve-out", a, optee.Success, optee.OriginTEE)
				got := make([]byte, 6)
				if c.s.Read(r.Base, got); !bytes.Equal(got, secret) {
					t.Errorf("%s: the carve-out holds %q", c.name, got)
				}
				a = c.call1(invokeArg(s, optee.ProbeCmdCopy, pool(optee.AttrTMemInput, r.Base, 6), m.param(optee.AttrRMemOutput, 0, 6)))
				c.want("copy out of a carve-out", a, optee.ErrorSecurity, optee.OriginTrustedApp)
				a = c.call1(invokeArg(s, optee.ProbeCmdMemory, pool(optee.AttrTMemInOut, r.End()-5, 6), out(0, 0, 0)))
				c.want("across the end", a, optee.ErrorBadParameters, optee.OriginTEE)
			}
			c.consistent()
		}
	}
}

// The 2024 proposal (version 4) where it differs over the SMC ABI.
func TestProposal(t *testing.T) {
	rst := func(c *Config) { c.ABI, c.OPTEE.RSTMEM = ABISMC, true }
	r := newRig(t, rst)
	r.want("GET_DYN_SDP_CONFIG", []uint64{0xB200_0015}, []uint64{0, 1 << 20, page})
	r.want("GET_SDP_CONFIG without a pool", []uint64{0xB200_0014, 0, 0, 9}, []uint64{7, 0, 0, 9})
	r.want("CALLS_COUNT", []uint64{0xBF00_FF00}, []uint64{18})
	a := r.smcMessage(configArg(1, optee.TMemParam(optee.AttrTMemOutput, optee.TMem{})))
	if a.Ret != 0 || a.Params[0].U != [3]uint64{1 << 20, page, 3} || a.Params[1].Size() != 0 {
		t.Errorf("GET_RSTMEM_CONFIG: %+v", a)
	}
	pool := memory.Range{Base: ramBase + 0x200_0000, Size: 0x10_0000}
	r = newRig(t, rst, func(c *Config) { c.Carveout = pool })
	r.want("GET_SDP_CONFIG", []uint64{0xB200_0014, 0, 0, 9}, []uint64{0, pool.Base, pool.Size, 9})
	r.want("GET_DYN_SDP_CONFIG with a static pool", []uint64{0xB200_0015}, []uint64{7})
	r = newRig(t, rst, func(c *Config) { c.OPTEE.DynamicPools = false })
	r.want("GET_DYN_SDP_CONFIG without pools", []uint64{0xB200_0015}, []uint64{7})
	r = newRig(t, func(c *Config) { c.ABI = ABISMC })
	r.want("GET_DYN_SDP_CONFIG of today", []uint64{0xB200_0015}, []uint64{all1s})
}

// Every order of assigning, releasing and reclaiming a lend, against a model of two bits.
func TestLendOrders(t *testing.T) {
	c := newCaller(t, ways[0])
	const addr, size = uint64(ramBase + 0x100_0000), uint64(4 * page)
	secret := bytes.Repeat([]byte("secret"), 100)
	for order := range 81 {
		h := c.lend(addr, uint32(size/page), 1)
		if resp := c.s.Write(addr+size-uint64(len(secret)), secret); resp != bus.OKAY {
			t.Fatal(resp)
		}
		alive, assigned := true, false
		did := ""
		step := func(what string) {
			did += " " + what
			before := c.state()
			var got, want string
			switch what {
			case "assign":
				got = c.call1(assignArg(h, 1)).Ret.String()
				switch {
				case !alive:
					want = optee.ErrorBadParameters.String()
				case assigned:
					want = optee.ErrorBusy.String()
				default:
					want, assigned = optee.Success.String(), true
					before = c.state()
				}
			case "release":
				got, want = fmt.Sprint(c.service(8, h&0xFFFF_FFFF, h>>32)), fmt.Sprint([5]uint64{})
				if assigned {
					assigned, before = false, c.state()
				}
			case "reclaim":
				r := c.call(reclaimCall(h)...)
				got = fmt.Sprintf("%x", r[:3])
				switch {
				case !alive:
					want = fmt.Sprintf("%x", []uint64{ffaError, 0, invalid})
				case assigned:
					want = fmt.Sprintf("%x", []uint64{ffaError, 0, denied})
				default:
					want, alive = fmt.Sprintf("%x", []uint64{ffaSuccess, 0, 0}), false
					before = c.state()
					if !zeros(c.read(addr, int(size))) {
						t.Errorf("after%s: the memory comes back with contents", did)
					}
				}
			}
			if got != want {
				t.Errorf("after%s: %s, want %s", did, got, want)
			}
			c.same(did, before)
			rights := rightsNormal
			if alive {
				rights = rightsVideo
			}
			c.wantRights(did, addr, rights)
		}
		for n := order; n > 0 || did == ""; n /= 3 {
			step([]string{"assign", "release", "reclaim"}[n%3])
		}
		for _, what := range []string{"release", "reclaim"} {
			step(what)
		}
	}
	c.consistent()
}

// Running out of handles, ranges, regions and buffers is an error, and changes nothing.
func TestRunningOut(t *testing.T) {
	limits := func(f func(*Limits)) func(*Config) { return func(c *Config) { f(&c.Limits) } }
	lendTo := func(c *caller) func(i uint64) uint64 {
		return func(i uint64) uint64 {
			addr := ramBase + 0x100_0000 + 2*i*page
			if c.byFFA {
				c.write(txAddr, transaction(ffa.Lend, 1, ffa.Constituent{Address: addr, Pages: 1}).AppendTo(nil, ffa.Version1_2))
				got := c.call(0xC400_0072, 112, 112)
				if got[0] == ffaError {
					return got[2]
				}
				return 0
			}
			return uint64(c.call1(lendArg(0x1000+i, addr, page, 1)).Ret)
		}
	}
	none := map[bool]uint64{true: noMemory, false: uint64(optee.ErrorOutOfMemory)}
	for _, tc := range []struct {
		what   string
		change func(*Config)
		n      map[string]uint64 // how many lends succeed
	}{
		// Of the eight regions of the controller all are free.
		{"regions", func(*Config) {}, map[string]uint64{"ffa": 8, "smc": 8}},
		// FF-A has a transaction for the messages already.
		{"handles", limits(func(l *Limits) { l.Transactions = 5 }), map[string]uint64{"ffa": 4, "smc": 8}},
		// A range each for the messages, and two for FF-A's buffers; a private message counts for nothing.
		{"ranges", limits(func(l *Limits) { l.Ranges = 6 }), map[string]uint64{"ffa": 3, "smc/rpc-arg": 6, "smc/arg": 6, "smc": 5}},
		{"buffers", limits(func(l *Limits) { l.Buffers = 4 }), map[string]uint64{"ffa": 8, "smc/regd-arg": 3, "smc": 4}},
	} {
		for _, w := range ways {
			c := newCaller(t, w, tc.change)
			want, ok := tc.n[w.name]
			if !ok {
				want = tc.n["smc"]
			}
			lend := lendTo(c)
			for i := range want {
				if got := lend(i); got != 0 {
					t.Fatalf("%s over %s: lend %d: %#x", tc.what, w.name, i, got)
				}
			}
			for range 2 {
				before := c.state()
				if got := lend(want); got != none[w.byFFA] {
					t.Errorf("%s over %s: %#x, want %#x", tc.what, w.name, got, none[w.byFFA])
				}
				c.same(tc.what, before)
			}
			c.consistent()
		}
	}
}

// Reserved shared memory over the SMC ABI.
func TestReservedSharedMemory(t *testing.T) {
	shm := memory.Range{Base: shmAddr, Size: shmSize}
	for _, only := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.OPTEE.SHM, c.OPTEE.NoDynamicSHM = shm, only }).negotiate(0x1_0002)
		r.want("GET_SHM_CONFIG", []uint64{0xB200_0007}, []uint64{0, shmAddr, shmSize, 1})
		caps := uint64(0x275)
		if only {
			caps = 0x271
		}
		r.want("EXCHANGE_CAPABILITIES", []uint64{0xB200_0009}, []uint64{0, caps, 72, 4})
		r.wantRights("reserved shared memory", shmAddr, rightsNormal)
		// It is shared for good: FF-A cannot have it, and the SMC ABI cannot protect it.
		for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend, ffa.Donate} {
			x := transaction(kind, 1, ffa.Constituent{Address: shmAddr, Pages: 1})
			if kind == ffa.Donate {
				x.Receivers[0].Permissions = 0
			}
			r.write(txAddr, x.AppendTo(nil, ffa.Version1_2))
			r.refused(kind.String(), denied, sendCall(kind), 112, 112)
		}
		message := func(f, at uint64, a optee.Arg) uint64 {
			r.write(at, a.AppendTo(nil))
			return r.call(f, at>>32, at&0xFFFF_FFFF)[0]
		}
		end := uint64(shmAddr + shmSize)
		open := openArg(optee.ProbeUUID(), 0)
		// Anywhere in it, as far as the message fits, with the RPC argument where there is one.
		for _, tc := range []struct {
			f, at, want uint64
		}{
			{0x3200_0012, shmAddr, 0}, {0x3200_0012, shmAddr + 8, 0}, {0x3200_0012, shmAddr + 0x1FF8, 0}, {0x3200_0012, shmAddr + 4, 4},
			{0x3200_0004, end - 96, 0}, {0x3200_0012, end - 96 - 160, 0}, {0x3200_0012, end - 96 - 152, 4},
		} {
			before := r.state()
			if got := message(tc.f, tc.at, open); got != tc.want {
				t.Errorf("message at %#x: %#x, want %#x", tc.at, got, tc.want)
			} else if got != 0 {
				r.same("message", before)
			} else if a := r.argAt(tc.at); a.Ret != 0 || a.Session == 0 {
				t.Errorf("message at %#x: %+v", tc.at, a)
			}
		}
		// The same message where it does not fit behind its header, or where there is no other shared memory.
		r.write(end-32, make([]byte, 32))
		r.write(end-4, []byte{1, 0, 0, 0}) // num_params
		if got := r.call(0x3200_0004, 0, end-32); got[0] != 4 {
			t.Errorf("message across the end: %#x", got[0])
		}
		private := map[bool]uint64{false: 0, true: 4}[only]
		if got := message(0x3200_0012, argAddr, open); got != private {
			t.Errorf("message in a page that is not reserved: %#x, want %#x", got, private)
		}
		s := r.argAt(shmAddr + 0x1FF8).Session
		invoke := func(p optee.Param) optee.Arg {
			if got := message(0x3200_0012, shmAddr, invokeArg(s, optee.ProbeCmdMemory, p, out(0, 0, 0))); got != 0 {
				t.Fatalf("message: %#x", got)
			}
			return r.argAt(shmAddr)
		}
		for _, tc := range []struct {
			what     string
			at, size uint64
			ret      optee.Result
		}{
			{"all of it", shmAddr, shmSize, 0}, {"the last octet", end - 1, 1, 0}, {"nothing at the end", end, 0, 0}, {"across the end", end - 1, 2, optee.ErrorBadParameters},
			{"before it", shmAddr - 1, 2, optee.ErrorBadParameters}, {"more than there is", shmAddr, ^uint64(0), optee.ErrorBadParameters},
		} {
			a := invoke(optee.TMemParam(optee.AttrTMemInOut, optee.TMem{BufPtr: tc.at, Size: tc.size, SHMRef: 3}))
			r.result(tc.what, a, tc.ret)
			if tc.ret == 0 && a.Params[1].U[1] != tc.size&0xFFFF_FFFF {
				t.Errorf("%s: %+v", tc.what, a.Params)
			}
		}
		if only {
			r.write(lstAddr, optee.AppendPageList(nil, lstAddr, []uint64{bufAddr}))
			r.result("a list of pages", invoke(optee.TMemParam(optee.AttrTMemInOut|optee.AttrNonContig, optee.TMem{BufPtr: lstAddr, Size: 16})), optee.ErrorBadParameters)
			for _, a := range []optee.Arg{registerArg(1, lstAddr, page), cookieArg(optee.CmdUnregisterSHM, 1)} {
				if got := message(0x3200_0012, shmAddr, a); got != 5 {
					t.Errorf("%v: %#x, want EBADCMD", a.Cmd, got)
				}
			}
		}
		// Pages of it can be lent no more than others that are shared.
		if got := message(0x3200_0012, shmAddr, lendArg(9, shmAddr+page, page, 1)); got != 0 || r.argAt(shmAddr).Ret != optee.ErrorBadParameters {
			t.Errorf("lend: %#x, %v", got, r.argAt(shmAddr).Ret)
		}
		r.consistent()
	}
	r := newRig(t)
	r.want("GET_SHM_CONFIG", []uint64{0xB200_0007}, []uint64{7})
}

// What a board cannot have configured.
func TestBadConfigOfOPTEE(t *testing.T) {
	some := memory.Range{Base: ramBase + 0x100_0000, Size: 4 * page}
	for name, change := range map[string]func(*Config){
		"no threads":                 func(c *Config) { c.OPTEE.Threads = 0 },
		"too many threads":           func(c *Config) { c.OPTEE.Threads = 129 },
		"private interrupt":          func(c *Config) { c.OPTEE.NotifyINTID = 31 },
		"interrupt that is no SPI":   func(c *Config) { c.OPTEE.NotifyINTID = 1020 },
		"no shared memory":           func(c *Config) { c.OPTEE.NoDynamicSHM = true },
		"shared memory outside":      func(c *Config) { c.OPTEE.SHM = memory.Range{Base: 0x1000, Size: page} },
		"shared memory of half page": func(c *Config) { c.OPTEE.SHM = memory.Range{Base: ramBase, Size: 100} },
		"shared memory is secure":    func(c *Config) { c.OPTEE.SHM, c.SecureRAM = some, some },
		"shared memory is a carve-out": func(c *Config) {
			c.OPTEE.SHM, c.OPTEE.UseCases[2].Carveout = some, some
		},
		"two carve-outs of one use case": func(c *Config) {
			c.Carveout, c.OPTEE.UseCases[0].Carveout = some, memory.Range{Base: ramBase, Size: page}
		},
		"carve-outs that overlap": func(c *Config) { c.OPTEE.UseCases[0].Carveout, c.OPTEE.UseCases[1].Carveout = some, some },
	} {
		r := newRig(t)
		cfg := DefaultConfig()
		change(&cfg)
		if err := New(cfg).Reset(r.h); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
