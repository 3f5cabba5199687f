package secureworld

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

const onDemand = uint64(optee.UseCaseOnDemand)

// demand lends memory that admits nobody.
func (c *caller) demand(pages uint64) pool {
	c.Helper()
	ref, addr := c.protected(pages, onDemand)
	return pool{c, ref, addr}
}

// part is a reference to pages of a pool.
func (p pool) part(first, n uint64) optee.Param {
	return p.param(optee.AttrRMemInOut, first*page, n*page)
}

func grantArg(session uint32, p optee.Param, master uint8, d optee.GrantDirection) optee.Arg {
	return invokeArg(session, optee.GrantCmdGrant, p, in(uint64(master), uint64(d), 0))
}

func revokeArg(session uint32, p optee.Param, master uint8, d optee.GrantDirection) optee.Arg {
	return invokeArg(session, optee.GrantCmdRevoke, p, in(uint64(master), uint64(d), 0))
}

const (
	rd = optee.GrantRead
	wr = optee.GrantWrite
)

// Masters reach the pages that they are granted in the directions that they are granted, and nothing else; what was granted twice is
// revoked twice.
func TestGrantApplication(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.GrantUUID())
		p := c.demand(8)
		ok := func(what string, a optee.Arg) {
			t.Helper()
			c.want(what, c.call1(a), optee.Success, optee.OriginTEE)
		}
		rights := func(what string, want ...string) {
			t.Helper()
			for i, w := range want {
				c.wantRights(fmt.Sprint(what, ", page ", i), p.addr+uint64(i)*page, w)
				c.wantRights(fmt.Sprint(what, ", page ", i), p.addr+uint64(i)*page+page-1, w)
			}
		}
		const (
			none = rightsNobody
			decW = "any:- ap:- dma:- crypto:- dec:w xfm:- lcd:- secure:rw"
			dec  = "any:- ap:- dma:- crypto:- dec:rw xfm:- lcd:- secure:rw"
			lcd  = "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw"
			mix  = "any:- ap:- dma:- crypto:- dec:w xfm:- lcd:r secure:rw"
		)
		rights("lent", none, none, none, none, none, none, none, none)
		ok("write to 2 and 3", grantArg(s, p.part(2, 2), bus.NSAIDDecoder, wr))
		rights("one grant", none, none, decW, decW, none, none, none, none)
		ok("again", grantArg(s, p.part(2, 2), bus.NSAIDDecoder, wr|rd))
		rights("two grants", none, none, dec, dec, none)
		ok("another master, across the end", grantArg(s, p.part(3, 2), bus.NSAIDHDLCD, rd))
		rights("three grants", none, none, dec, "any:- ap:- dma:- crypto:- dec:rw xfm:- lcd:r secure:rw", lcd, none)
		a := c.call1(invokeArg(s, optee.GrantCmdQuery, p.part(3, 1), out(0, 0, 0), out(0, 0, 0)))
		if both := [3]uint64{1<<bus.NSAIDDecoder | 1<<bus.NSAIDHDLCD, 1 << bus.NSAIDDecoder}; a.Ret != 0 || a.Params[1].U != both || a.Params[2].U != both {
			t.Errorf("query of page 3: %+v", a)
		}
		a = c.call1(invokeArg(s, optee.GrantCmdQuery, p.param(optee.AttrRMemInput, 2*page+5, 2*page), out(0, 0, 0), out(0, 0, 0)))
		if a.Ret != 0 || a.Params[1].U != [3]uint64{} || a.Params[2].U != [3]uint64{1<<bus.NSAIDDecoder | 1<<bus.NSAIDHDLCD, 1 << bus.NSAIDDecoder} {
			t.Errorf("query of pages 2 to 4: %+v", a)
		}
		ok("revoke reading", revokeArg(s, p.part(2, 2), bus.NSAIDDecoder, rd))
		rights("two left", none, none, decW, mix, lcd, none)
		ok("revoke one of two", revokeArg(s, p.part(2, 2), bus.NSAIDDecoder, wr))
		rights("counted", none, none, decW, mix, lcd, none)
		ok("revoke the other", revokeArg(s, p.part(2, 2), bus.NSAIDDecoder, wr))
		rights("one left", none, none, none, lcd, lcd, none)
		before := c.state()
		for what, tc := range map[string]struct {
			a   optee.Arg
			ret optee.Result
			by  optee.Origin
		}{
			"revoked once too often":       {revokeArg(s, p.part(2, 2), bus.NSAIDDecoder, wr), optee.ErrorItemNotFound, optee.OriginTrustedApp},
			"revoked of another part":      {revokeArg(s, p.part(3, 1), bus.NSAIDHDLCD, rd), optee.ErrorItemNotFound, optee.OriginTrustedApp},
			"revoked of another master":    {revokeArg(s, p.part(3, 2), bus.NSAIDDecoder, rd), optee.ErrorItemNotFound, optee.OriginTrustedApp},
			"the processors":               {grantArg(s, p.part(0, 1), bus.NSAIDAP, rd), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			"the copy engine":              {grantArg(s, p.part(0, 1), bus.NSAIDDMA, rd), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			"the display writes":           {grantArg(s, p.part(0, 1), bus.NSAIDHDLCD, wr), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			"the display reads and writes": {grantArg(s, p.part(0, 1), bus.NSAIDHDLCD, rd|wr), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			"no such master":               {grantArg(s, p.part(0, 1), 16, rd), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a large number":               {invokeArg(s, 0, p.part(0, 1), in(1<<31, 1, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"no direction":                 {grantArg(s, p.part(0, 1), bus.NSAIDDecoder, 0), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a third direction":            {grantArg(s, p.part(0, 1), bus.NSAIDDecoder, 5), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"nothing":                      {grantArg(s, p.param(optee.AttrRMemInOut, 0, 0), bus.NSAIDDecoder, rd), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"part of a page":               {grantArg(s, p.param(optee.AttrRMemInOut, 0, page-1), bus.NSAIDDecoder, rd), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"off a page's start":           {grantArg(s, p.param(optee.AttrRMemInOut, 8, page), bus.NSAIDDecoder, rd), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"beyond the pool":              {grantArg(s, p.part(7, 2), bus.NSAIDDecoder, rd), optee.ErrorSecurity, optee.OriginTEE},
			"NULL":                         {grantArg(s, c.null(optee.AttrRMemInOut), bus.NSAIDDecoder, rd), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"no reference":                 {invokeArg(s, 0, in(0, 0, 0), in(4, 1, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"an output":                    {invokeArg(s, 0, p.part(0, 1), out(4, 1, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a third parameter":            {invokeArg(s, 0, p.part(0, 1), in(4, 1, 0), in(0, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"query of nothing":             {invokeArg(s, 2, p.param(optee.AttrRMemInput, 0, 0), out(0, 0, 0), out(0, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"query without answer":         {invokeArg(s, 2, p.part(0, 1)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a carve-out that is not":      {invokeArg(s, 3, in(1, 0, 0), out(0, 0, 0), out(0, 0, 0), out(0, 0, 0)), optee.ErrorItemNotFound, optee.OriginTrustedApp},
			"a carve-out without answer":   {invokeArg(s, 3, in(1, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"unknown":                      {invokeArg(s, 4), optee.ErrorNotImplemented, optee.OriginTrustedApp},
		} {
			c.want(what, c.call1(tc.a), tc.ret, tc.by)
			c.same(what, before)
		}
		m := c.area(page, 0)
		c.want("normal memory", c.call1(grantArg(s, m.param(optee.AttrRMemInOut, 0, page), bus.NSAIDDecoder, rd)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.want("query of normal memory", c.call1(invokeArg(s, 2, m.param(optee.AttrRMemInOut, 0, page), out(0, 0, 0), out(0, 0, 0))), optee.ErrorBadParameters, optee.OriginTrustedApp)
		// The use case's own masters need no grant, and lose nothing with one.
		v := c.pool1(2)
		ok("a master of the use case", grantArg(s, v.part(0, 1), bus.NSAIDDecoder, rd|wr))
		ok("revoked", revokeArg(s, v.part(0, 1), bus.NSAIDDecoder, rd|wr))
		c.wantRights("video", v.addr, rightsVideo)
		c.want("not of the use case", c.call1(grantArg(s, v.part(0, 1), bus.NSAIDHDLCD, wr)), optee.ErrorAccessDenied, optee.OriginTrustedApp)
		c.unprotect(p.ref)
		c.wantRights("given back", p.addr+3*page, rightsNormal)
		c.want("given back", c.call1(revokeArg(s, p.part(3, 2), bus.NSAIDHDLCD, rd)), optee.ErrorBadParameters, optee.OriginTEE)
		c.unprotect(v.ref)
		c.consistent()
	})
}

// Grants end with the session that asked for them and with the memory, whichever is first. Those of other sessions stay.
func TestGrantsEnd(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		s1, s2 := c.open(optee.GrantUUID()), c.open(optee.GrantUUID())
		p, q := c.demand(4), c.demand(4)
		xfm := "any:- ap:- dma:- crypto:- dec:- xfm:rw lcd:- secure:rw"
		for _, s := range []uint32{s1, s1, s2} {
			for _, x := range []pool{p, q} {
				c.want("grant", c.call1(grantArg(s, x.part(0, 4), bus.NSAIDTransform, rd|wr)), optee.Success, optee.OriginTEE)
			}
		}
		c.want("another session's", c.call1(revokeArg(c.open(optee.GrantUUID()), p.part(0, 4), bus.NSAIDTransform, rd)), optee.ErrorItemNotFound, optee.OriginTrustedApp)
		c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: s1}), optee.Success, optee.OriginTEE)
		c.wantRights("the other session's grant", p.addr, xfm)
		c.unprotect(p.ref)
		c.wantRights("given back", p.addr, rightsNormal)
		c.wantRights("the other pool", q.addr, xfm)
		// The memory is lent again: nothing of the old grants is left.
		again := c.demandAt(p.addr, 4)
		c.wantRights("lent again", again.addr, rightsNobody)
		c.want("an old grant", c.call1(revokeArg(s2, again.part(0, 4), bus.NSAIDTransform, rd)), optee.ErrorItemNotFound, optee.OriginTrustedApp)
		c.want("grant", c.call1(grantArg(s2, again.part(1, 1), bus.NSAIDTransform, rd)), optee.Success, optee.OriginTEE)
		c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: s2}), optee.Success, optee.OriginTEE)
		c.wantRights("no session is left", q.addr, rightsNobody)
		c.wantRights("no session is left", again.addr+page, rightsNobody)
		if used, _ := c.regions(); used != 2 {
			t.Errorf("%d regions in use, want those of two pools", used)
		}
		c.consistent()
	})
}

// Over FF-A, memory that OP-TEE gives up has no grants any more though it is still lent.
func TestReleaseEndsGrants(t *testing.T) {
	c := newCaller(t, ways[0])
	s, p := c.open(optee.GrantUUID()), c.demand(2)
	c.want("grant", c.call1(grantArg(s, p.part(0, 1), bus.NSAIDHDLCD, rd)), optee.Success, optee.OriginTEE)
	if got := c.service(8, p.ref&0xFFFF_FFFF, p.ref>>32); got[0] != 0 {
		t.Fatalf("RELEASE_PROTMEM: %x", got)
	}
	c.wantRights("released", p.addr, rightsNobody)
	c.want("a grant to memory that is released", c.call1(grantArg(s, p.part(0, 1), bus.NSAIDHDLCD, rd)), optee.ErrorBadParameters, optee.OriginTEE)
	c.result("ASSIGN_PROTMEM", c.call1(assignArg(p.ref, onDemand)), optee.Success)
	c.wantRights("assigned again", p.addr, rightsNobody)
	c.want("an old grant", c.call1(revokeArg(s, p.part(0, 1), bus.NSAIDHDLCD, rd)), optee.ErrorItemNotFound, optee.OriginTrustedApp)
	c.unprotect(p.ref)
}

// Memory that is lent to two partitions has the masters that both admit: OP-TEE alone cannot grant more.
func TestGrantWithTwoBorrowers(t *testing.T) {
	c := newCaller(t, ways[0], withTestPartitions)
	s := c.open(optee.GrantUUID())
	x := transaction(ffa.Lend, onDemand, ffa.Constituent{Address: bufAddr, Pages: 2})
	x.Attributes = 0x2F
	x.Receivers = append(x.Receivers, ffa.EMAD{Receiver: first, Permissions: ffa.DataRW})
	p := pool{c, c.sent(ffa.Lend, ffa.Version1_2, x), bufAddr}
	c.result("ASSIGN_PROTMEM", c.call1(assignArg(p.ref, onDemand)), optee.Success)
	c.want("grant", c.call1(grantArg(s, p.part(0, 1), bus.NSAIDHDLCD, rd)), optee.ErrorAccessDenied, optee.OriginTrustedApp)
	c.wantRights("two borrowers", p.addr, rightsNobody)
}

// demandAt lends memory at an address.
func (c *caller) demandAt(addr, pages uint64) pool {
	c.Helper()
	return pool{c, c.client.pool(addr, pages*page, onDemand), addr}
}

// regions counts the regions that the controller holds beside the background.
func (r *rig) regions() (used int, accesses []uint64) {
	for i := range uint64(8) {
		at := 0x100 + (i+1)*0x20
		if v, _ := r.tzc.Read(at+0x10, 4, bus.Attr{Secure: true}); v&0xF != 0 {
			used++
			v, _ := r.tzc.Read(at+0x14, 4, bus.Attr{Secure: true})
			accesses = append(accesses, v)
		}
	}
	return used, accesses
}

// When no region is left a grant is NO_RESOURCE, changes nothing, and works as soon as another is taken back.
func TestGrantsRunOut(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		s := c.open(optee.GrantUUID())
		p := c.demand(32)
		n := uint64(0)
		for ; ; n++ {
			before := c.state()
			a := c.call1(grantArg(s, p.part(2*n+1, 1), bus.NSAIDDecoder, rd|wr))
			if a.Ret == optee.Success && n < 8 {
				continue
			}
			c.want("no region", a, optee.ErrorNoResource, optee.OriginTrustedApp)
			c.same("no region", before)
			break
		}
		// Three pages apart and what is around them: seven regions; one page more would make nine.
		if used, _ := c.regions(); n != 3 || used != 7 {
			t.Errorf("%d grants in %d regions, want 3 in 7", n, used)
		}
		c.want("revoke", c.call1(revokeArg(s, p.part(3, 1), bus.NSAIDDecoder, rd|wr)), optee.Success, optee.OriginTEE)
		c.want("grant", c.call1(grantArg(s, p.part(20, 1), bus.NSAIDDecoder, rd)), optee.Success, optee.OriginTEE)
		// The account of grants ends as well.
		var last optee.Arg
		for i := range uint64(400) {
			if last = c.call1(grantArg(s, p.part(0, 32), []uint8{bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDCrypto}[i%3], rd)); last.Ret != 0 {
				break
			}
			if i%3 == 2 {
				s = c.open(optee.GrantUUID())
			}
		}
		if last.Ret != optee.ErrorOutOfMemory && last.Ret != 0 {
			t.Errorf("too many grants: %v", last.Ret)
		}
		c.unprotect(p.ref)
		c.consistent()
	}, func(c *Config) { c.Limits.Sessions = 200 })
}

// Carve-outs can be named through both ABIs: over FF-A by the handle of memory that was lent before the normal world began. It is
// nobody's to take back.
func TestCarveoutReference(t *testing.T) {
	r := memory.Range{Base: ramBase + 0x200_0000, Size: 0x1_0000}
	screen := memory.Range{Base: ramBase + 0x300_0000, Size: 0x2000}
	inTwoWays(t, func(t *testing.T, c *caller) {
		s := c.open(optee.GrantUUID())
		a := c.call1(invokeArg(s, optee.GrantCmdCarveout, in(onDemand, 0, 0), out(0, 0, 0), out(0, 0, 0), out(0, 0, 0)))
		c.want("CARVEOUT", a, optee.Success, optee.OriginTEE)
		word := func(i int) uint64 { return a.Params[i].U[0]<<32 | a.Params[i].U[1] }
		if word(1) != r.Base || word(2) != r.Size || (word(3) != 0) != c.byFFA {
			t.Fatalf("CARVEOUT: %+v", a.Params)
		}
		h := word(3)
		ref := func(attr optee.Attr, off, n uint64) optee.Param {
			if c.byFFA {
				return optee.FMemParam(attr, optee.FMem{Offset: off, Size: n, GlobalID: h})
			}
			return optee.TMemParam(attr+4, optee.TMem{BufPtr: r.Base + off, Size: n, SHMRef: 1})
		}
		c.wantRights("carve-out", r.Base, rightsNobody)
		c.want("grant", c.call1(grantArg(s, ref(optee.AttrRMemInOut, page, 2*page), bus.NSAIDHDLCD, rd)), optee.Success, optee.OriginTEE)
		c.wantRights("granted", r.Base+2*page, "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw")
		c.wantRights("not granted", r.Base+3*page, rightsNobody)
		m := c.area(64, 0)
		c.write(m.addr, []byte("secret"))
		x := c.open(optee.SDPUUID())
		c.want("inject", c.call1(invokeArg(x, optee.SDPCmdInject, m.param(optee.AttrRMemInput, 0, 6), ref(optee.AttrRMemOutput, 5, 6))), optee.Success, optee.OriginTEE)
		got := make([]byte, 6)
		if c.s.Read(r.Base+5, got); string(got) != "secret" {
			t.Errorf("the carve-out holds %q", got)
		}
		if a := c.call1(invokeArg(x, optee.SDPCmdTransform, ref(optee.AttrRMemInOut, r.Size-1, 2))); a.Ret == optee.Success {
			t.Error("a reference leaves the carve-out")
		}
		if c.byFFA {
			c.refused("RECLAIM", denied, reclaimCall(h)...)
			before := c.state()
			if got := c.service(8, h&0xFFFF_FFFF, h>>32); got[0] != denied {
				t.Errorf("RELEASE_PROTMEM: %x, want DENIED", got)
			}
			c.want("ASSIGN_PROTMEM", c.call1(assignArg(h, onDemand)), optee.ErrorBusy, optee.OriginTEE)
			c.same("a carve-out", before)
			// Another pool can be lent beside it, and handles stay apart.
			p := c.demand(1)
			if p.ref == h {
				t.Error("two memories have one handle")
			}
			c.unprotect(p.ref)
		}
		c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: s}), optee.Success, optee.OriginTEE)
		c.wantRights("closed", r.Base+2*page, rightsNobody)
		c.consistent()
	}, func(c *Config) {
		c.Carveout, c.CarveoutUse = r, optee.UseCaseOnDemand
		c.OPTEE.UseCases[1].Carveout = screen
	})
}

// heldGrant is one grant of the random test.
type heldGrant struct {
	session  uint32
	pool     int
	first, n uint64
	master   uint8
	d        optee.GrantDirection
}

// Random grants, revocations, sessions and pools. After each call every page is open, for every NSAID and direction, to exactly those
// whom the map of bytes names: probed through the bus, with the first and the last byte of each page.
func TestRandomGrants(t *testing.T) {
	for seed := range uint64(6) {
		c := newCaller(t, twoWays[seed%2])
		rng := rand.New(rand.NewPCG(seed, 3))
		pools := make([]pool, 3)
		uses := []grantUse{{onDemand, memory.Access{}}, {onDemand, memory.Access{}}, {1, DefaultConfig().OPTEE.UseCases[0].Access}}
		for i, u := range uses {
			ref, addr := c.protected(8, u.id)
			pools[i] = pool{c, ref, addr}
		}
		sessions := []uint32{c.open(optee.GrantUUID()), c.open(optee.GrantUUID())}
		var ports [bus.NSAIDs]*bus.Port
		for id := range ports {
			ports[id] = c.h.Port(bus.Attr{NSAID: uint8(id)})
		}
		var grants []heldGrant
		all := DefaultConfig().OPTEE.UseCases[3].Grantable
		may := func(g heldGrant) bool {
			base, more := uses[g.pool].access, all
			if uses[g.pool].id != onDemand {
				more = memory.Access{}
			}
			return (g.d&rd == 0 || (base.Read|more.Read)>>g.master&1 != 0) && (g.d&wr == 0 || (base.Write|more.Write)>>g.master&1 != 0)
		}
		check := func(what string) {
			t.Helper()
			for i, p := range pools {
				for pg := range uint64(8) {
					want := uses[i].access
					for _, g := range grants {
						if g.pool == i && pg >= g.first && pg < g.first+g.n {
							who := uint16(1) << g.master
							if g.master == bus.NSAIDCrypto {
								who |= 1 << bus.NSAIDCryptoProtected
							}
							if g.d&rd != 0 {
								want.Read |= who
							}
							if g.d&wr != 0 {
								want.Write |= who
							}
						}
					}
					for id := range uint8(bus.NSAIDs) {
						for _, off := range []uint64{0, page - 1} {
							got := probe(ports[id], p.addr+pg*page+off)
							exp := map[uint16]string{0: "-", 1: "r", 2: "w", 3: "rw"}[want.Read>>id&1|want.Write>>id&1<<1]
							if got != exp {
								t.Fatalf("seed %d, %s: pool %d, page %d, NSAID %d: %s, want %s\n%+v", seed, what, i, pg, id, got, exp, grants)
							}
						}
					}
				}
			}
		}
		for range 250 {
			switch k := rng.IntN(16); {
			case k < 8:
				f := uint64(rng.IntN(8))
				g := heldGrant{sessions[rng.IntN(len(sessions))], rng.IntN(3), f, uint64(rng.IntN(int(8-f))) + 1, uint8(rng.IntN(16)), optee.GrantDirection(rng.IntN(3) + 1)}
				before := c.state()
				a := c.call1(grantArg(g.session, pools[g.pool].part(g.first, g.n), g.master, g.d))
				switch {
				case !may(g):
					c.want("grant", a, optee.ErrorAccessDenied, optee.OriginTrustedApp)
					c.same("a grant against the policy", before)
				case a.Ret == optee.Success:
					grants = append(grants, g)
				default:
					c.want("grant", a, optee.ErrorNoResource, optee.OriginTrustedApp)
					c.same("a grant without region", before)
				}
				check(fmt.Sprintf("grant %+v: %v", g, a.Ret))
			case k < 14 && len(grants) > 0:
				i := rng.IntN(len(grants))
				g := grants[i]
				c.want("revoke", c.call1(revokeArg(g.session, pools[g.pool].part(g.first, g.n), g.master, g.d)), optee.Success, optee.OriginTEE)
				grants = slices.Delete(grants, i, i+1)
				check(fmt.Sprintf("revoke %+v", g))
			case k == 14:
				i := rng.IntN(len(sessions))
				c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: sessions[i]}), optee.Success, optee.OriginTEE)
				grants = slices.DeleteFunc(grants, func(g heldGrant) bool { return g.session == sessions[i] })
				check("close")
				sessions[i] = c.open(optee.GrantUUID())
			default:
				i := rng.IntN(3)
				c.unprotect(pools[i].ref)
				c.wantRights("given back", pools[i].addr, rightsNormal)
				grants = slices.DeleteFunc(grants, func(g heldGrant) bool { return g.pool == i })
				pools[i].ref = c.client.pool(pools[i].addr, 8*page, uses[i].id)
				check("lent again")
			}
		}
		c.consistent()
	}
}

// grantUse is a use case of the random test.
type grantUse struct {
	id     uint64
	access memory.Access
}

// probe finds out what a master may do at an address by doing it.
func probe(p *bus.Port, addr uint64) string {
	var b [1]byte
	s := ""
	if p.Read(addr, b[:]) == bus.OKAY {
		s = "r"
	}
	if p.Write(addr, b[:]) == bus.OKAY {
		s += "w"
	}
	if s == "" {
		return "-"
	}
	return s
}
