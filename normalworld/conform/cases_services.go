package conform

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// serviceRule is for the applications that this platform's secure world has of its own: grants, and keys for the crypto engine.
func serviceRule(section string) Rule { return Rule{"Gatehouse", section} }

const demand = uint64(optee.UseCaseOnDemand)

func servicesCases() []Case {
	var cases []Case
	for _, a := range []abi{overFFA, overSMC} {
		for _, c := range slices.Concat(grantCases(a), keyCases(a), uiCases(a)) {
			c.Name = fmt.Sprintf("%v-%s", a, c.Name)
			c.Needs |= a.need()
			cases = append(cases, c)
		}
	}
	return cases
}

// openTA opens a session with an application.
func (t *T) openTA(u smc.UUID) uint32 {
	a := t.message("OPEN_SESSION", optee.Success, openArg(u, optee.LoginPublic))
	t.require(a.Session != 0, "OPEN_SESSION", "a session number that is not 0")
	return a.Session
}

func (t *T) closeTA(session uint32) {
	t.message("CLOSE_SESSION", optee.Success, &optee.Arg{Cmd: optee.CmdCloseSession, Session: session})
}

// part is a reference to part of protected memory.
func (t *T) part(p protected, off, size uint64) optee.Param {
	return t.ref(optee.AttrRMemInOut, shared{addr: p.Base, handle: p.handle, cookie: p.cookie}, off, size)
}

func valueIn(a, b uint64) optee.Param { return optee.ValueParam(optee.AttrValueInput, a, b, 0) }
func valueOut() optee.Param           { return optee.ValueParam(optee.AttrValueOutput, 0, 0, 0) }

func grantArg(session uint32, m optee.Param, master uint8, d optee.GrantDirection) *optee.Arg {
	return invokeArg(session, optee.GrantCmdGrant, m, valueIn(uint64(master), uint64(d)))
}

func revokeArg(session uint32, m optee.Param, master uint8, d optee.GrantDirection) *optee.Arg {
	return invokeArg(session, optee.GrantCmdRevoke, m, valueIn(uint64(master), uint64(d)))
}

// with adds what a grant to a master gives.
func (a Access) with(master uint8, d optee.GrantDirection) Access {
	who := uint16(1) << master
	if master == bus.NSAIDCrypto {
		who |= 1 << bus.NSAIDCryptoProtected
	}
	if d&optee.GrantRead != 0 {
		a.Read |= who
	}
	if d&optee.GrantWrite != 0 {
		a.Write |= who
	}
	return a
}

// allows reports whether a has all of b.
func (a Access) allows(b Access) bool { return b.Read&^a.Read == 0 && b.Write&^a.Write == 0 }

const (
	reads  = optee.GrantRead
	writes = optee.GrantWrite
)

// demandPool is a pool of the use case "on demand", filled before, that one master may read: where denials are silent, its eyes are
// needed to see what others write.
type demandPool struct {
	protected
	session uint32
	eye     uint8
	base    Access
	most    Access // what may be granted
}

func (t *T) demandPool() *demandPool {
	d := &demandPool{most: t.Grants[optee.UseCaseOnDemand]}
	var ok bool
	if d.eye, ok = d.most.reader(); !ok {
		t.skip("no master can be granted reading")
	}
	r := Range{t.pool, 16 * page}
	t.ready(Range{r.Base, r.Size + 4*page})
	d.session = t.openTA(optee.GrantUUID())
	d.protected = t.protect(r.Base, r.Size, demand)
	t.message("GRANT of all to one reader", optee.Success, grantArg(d.session, t.part(d.protected, 0, r.Size), d.eye, reads))
	d.base = Access{}.with(d.eye, reads)
	return d
}

// in says who reaches some pages of the pool, and that the others are as they were.
func (d *demandPool) in(t *T, what string, first, n uint64, want Access) {
	r := Range{d.Base + first*page, n * page}
	t.access(what, r, want)
	if first > 0 {
		t.reachable(what+", the byte before", r.Base-1, d.base)
	}
	if r.End() < d.End() {
		t.reachable(what+", the byte behind", r.End(), d.base)
	}
}

func grantCases(a abi) []Case {
	grant, revoke := serviceRule("GRANT"), serviceRule("REVOKE")
	on := func(f func(t *T, d *demandPool)) func(*T) { return over(a, func(t *T) { f(t, t.demandPool()) }) }
	cases := []Case{
		{Name: "grant-nobody", Rule: grant,
			Why: "Memory that is lent on demand admits no master by itself, and goes back scrubbed.", Run: over(a, func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				p := t.protect(r.Base, r.Size, demand)
				t.isolated("lent on demand", r, Access{})
				t.unprotect(p)
				t.returned("given back", r)
			})},
		{Name: "grant-each-master", Rule: grant,
			Why: "Each master that may be admitted reaches the pages that it is granted, in that direction, and no byte beside them; after REVOKE it does not.",
			Run: on(func(t *T, d *demandPool) {
				for id := range uint8(numNSAIDs) {
					for _, dir := range []optee.GrantDirection{reads, writes, reads | writes} {
						if !d.most.allows(Access{}.with(id, dir)) {
							continue
						}
						m := t.part(d.protected, 5*page, 3*page)
						t.message("GRANT", optee.Success, grantArg(d.session, m, id, dir))
						w := d.base.with(id, dir)
						d.in(t, fmt.Sprintf("NSAID %d, %v", id, dir), 5, 3, w)
						t.message("REVOKE", optee.Success, revokeArg(d.session, m, id, dir))
						d.in(t, fmt.Sprintf("NSAID %d, revoked", id), 5, 3, d.base)
					}
				}
			})},
		{Name: "grant-policy", Rule: grant,
			Why: "Masters and directions that the use case does not have are ACCESS_DENIED, the processors always.", Run: on(func(t *T, d *demandPool) {
				for id := range uint8(numNSAIDs) {
					for _, dir := range []optee.GrantDirection{reads, writes, reads | writes} {
						if d.most.allows(Access{}.with(id, dir)) {
							continue
						}
						t.message(fmt.Sprintf("GRANT to NSAID %d, %v", id, dir), optee.ErrorAccessDenied, grantArg(d.session, t.part(d.protected, 0, page), id, dir))
					}
				}
				t.require(!d.most.allows(Access{Read: 1 << apID}) && !d.most.allows(Access{Write: 1 << apID}), "the policy", "no grants for the processors")
				d.in(t, "after refusals", 0, 16, d.base)
			})},
		{Name: "grant-other-use-case", Rule: grant,
			Why: "A pool whose use case has all of its masters admits no other one.", Run: over(a, func(t *T) {
				if t.Grants[poolUse] != (Access{}) {
					t.skip("masters can be added to that use case")
				}
				r := Range{t.pool, 4 * page}
				t.ready(r)
				s, p := t.openTA(optee.GrantUUID()), t.protect(r.Base, r.Size, useCase)
				for id := range uint8(numNSAIDs) {
					if !t.Pools[poolUse].allows(Access{Write: 1 << id}) {
						t.message("GRANT", optee.ErrorAccessDenied, grantArg(s, t.part(p, 0, page), id, writes))
					}
				}
				t.isolated("after refusals", r, t.Pools[poolUse])
			})},
		{Name: "grant-counted", Rule: revoke,
			Why: "What was granted twice is revoked twice; once more is ITEM_NOT_FOUND.", Run: on(func(t *T, d *demandPool) {
				w, ok := d.most.writer()
				if !ok {
					t.skip("no master can be granted writing")
				}
				m := t.part(d.protected, 0, 2*page)
				for range 2 {
					t.message("GRANT", optee.Success, grantArg(d.session, m, w, writes))
				}
				t.message("REVOKE", optee.Success, revokeArg(d.session, m, w, writes))
				d.in(t, "granted twice, revoked once", 0, 2, d.base.with(w, writes))
				t.message("REVOKE", optee.Success, revokeArg(d.session, m, w, writes))
				d.in(t, "revoked twice", 0, 2, d.base)
				t.message("REVOKE once too often", optee.ErrorItemNotFound, revokeArg(d.session, m, w, writes))
			})},
		{Name: "grant-overlapping", Rule: grant,
			Why: "Grants whose pages overlap add up, and each is taken back alone.", Run: on(func(t *T, d *demandPool) {
				w, ok := d.most.writer()
				if !ok {
					t.skip("no master can be granted writing")
				}
				x, y := t.part(d.protected, 2*page, 4*page), t.part(d.protected, 4*page, 4*page)
				t.message("GRANT", optee.Success, grantArg(d.session, x, w, writes))
				t.message("GRANT", optee.Success, grantArg(d.session, y, w, writes))
				d.in(t, "both", 2, 6, d.base.with(w, writes))
				t.message("REVOKE", optee.Success, revokeArg(d.session, x, w, writes))
				d.in(t, "the second", 4, 4, d.base.with(w, writes))
				t.message("REVOKE of pages that were never granted together", optee.ErrorItemNotFound, revokeArg(d.session, t.part(d.protected, 4*page, page), w, writes))
				t.message("REVOKE", optee.Success, revokeArg(d.session, y, w, writes))
				d.in(t, "none", 2, 6, d.base)
			})},
		{Name: "grant-ends-with-session", Rule: grant,
			Why: "A grant is gone when the session that asked for it is closed; those of other sessions stay.", Run: on(func(t *T, d *demandPool) {
				w, ok := d.most.writer()
				if !ok {
					t.skip("no master can be granted writing")
				}
				s := t.openTA(optee.GrantUUID())
				m := t.part(d.protected, 0, 16*page)
				t.message("GRANT", optee.Success, grantArg(s, m, w, writes))
				t.message("REVOKE in another session", optee.ErrorItemNotFound, revokeArg(d.session, m, w, writes))
				d.in(t, "granted", 0, 16, d.base.with(w, writes))
				t.closeTA(s)
				d.in(t, "closed", 0, 16, d.base)
				t.closeTA(d.session)
				t.access("both are closed", d.Range, Access{})
			})},
		{Name: "grant-ends-with-memory", Rule: grant,
			Why: "Memory that was given back is open to all, scrubbed, and has no grants when it is lent again.", Run: on(func(t *T, d *demandPool) {
				t.unprotect(d.protected)
				t.returned("given back", d.Range)
				t.message("GRANT for memory that was given back", optee.ErrorBadParameters, grantArg(d.session, t.part(d.protected, 0, page), d.eye, reads))
				t.ready(d.Range)
				p := t.protect(d.Base, d.Size, demand)
				t.isolated("lent again", d.Range, Access{})
				t.message("REVOKE of an old grant", optee.ErrorItemNotFound, revokeArg(d.session, t.part(p, 0, d.Size), d.eye, reads))
				t.unprotect(p)
			})},
		{Name: "grant-regions-run-out", Rule: grant,
			Why: "Without a free region a grant is NO_RESOURCE and changes nothing; taking one back makes room.", Run: on(func(t *T, d *demandPool) {
				w, ok := d.most.writer()
				if !ok {
					t.skip("no master can be granted writing")
				}
				at := func(i uint64) optee.Param { return t.part(d.protected, (2*i+1)*page, page) }
				var n uint64
				for ; n < 7; n++ {
					a := t.messageOneOf("GRANT of a page apart", []optee.Result{optee.Success, optee.ErrorNoResource}, grantArg(d.session, at(n), w, writes))
					if a.Ret != optee.Success {
						break
					}
				}
				t.require(n > 0 && n < 7, "GRANTs of pages apart", "some, and then NO_RESOURCE")
				for i := range uint64(7) {
					want := d.base
					if i < n {
						want = d.base.with(w, writes)
					}
					d.in(t, fmt.Sprintf("page %d of %d granted", 2*i+1, n), 2*i+1, 1, want)
				}
				t.message("REVOKE", optee.Success, revokeArg(d.session, at(0), w, writes))
				t.message("GRANT with room", optee.Success, grantArg(d.session, at(6), w, writes))
				d.in(t, "with room", 13, 1, d.base.with(w, writes))
				d.in(t, "revoked", 1, 1, d.base)
			})},
		{Name: "grant-neighbours", Rule: grant,
			Why: "Grants in one pool leave a pool beside it, and ordinary memory, as they are.", Run: on(func(t *T, d *demandPool) {
				r := Range{d.End(), 4 * page}
				q := t.protect(r.Base, r.Size, useCase)
				t.message("GRANT at the border", optee.Success, grantArg(d.session, t.part(d.protected, 15*page, page), d.eye, reads))
				t.access("the other pool", r, t.Pools[poolUse])
				t.reachable("ordinary memory", r.End(), t.Normal)
				t.unprotect(q)
				t.access("the pool", d.Range, d.base)
			})},
		{Name: "grant-query", Rule: serviceRule("QUERY"),
			Why: "QUERY tells the masters of all of the memory, and those of any of it.", Run: on(func(t *T, d *demandPool) {
				w, ok := d.most.writer()
				if !ok {
					t.skip("no master can be granted writing")
				}
				t.message("GRANT", optee.Success, grantArg(d.session, t.part(d.protected, 0, page), w, writes))
				a := t.message("QUERY", optee.Success, invokeArg(d.session, optee.GrantCmdQuery, t.part(d.protected, 0, 2*page), valueOut(), valueOut()))
				some := d.base.with(w, writes)
				t.require(a.Params[1].U == [3]uint64{uint64(d.base.Read), uint64(d.base.Write)} &&
					a.Params[2].U == [3]uint64{uint64(some.Read), uint64(some.Write)}, "QUERY", fmt.Sprintf("%v for all, %v for any", d.base, some))
			})},
		{Name: "grant-bad-parameters", Rule: grant,
			Why: "Parts of pages, ordinary memory, and masters and directions that do not exist are refused.", Run: on(func(t *T, d *demandPool) {
				b := t.shareBuffer(t.buf, 1)
				bad := optee.ErrorBadParameters
				for _, x := range []struct {
					what string
					m    optee.Param
					id   uint64
					dir  uint64
				}{
					{"part of a page", t.part(d.protected, 0, page-1), uint64(d.eye), 1}, {"off a page's start", t.part(d.protected, 16, page), uint64(d.eye), 1},
					{"nothing", t.part(d.protected, 0, 0), uint64(d.eye), 1}, {"NULL", t.null(optee.AttrRMemInOut), uint64(d.eye), 1},
					{"ordinary memory", t.ref(optee.AttrRMemInOut, b, 0, page), uint64(d.eye), 1},
					{"NSAID 16", t.part(d.protected, 0, page), 16, 1}, {"NSAID 2^32-1", t.part(d.protected, 0, page), 1<<32 - 1, 1},
					{"no direction", t.part(d.protected, 0, page), uint64(d.eye), 0}, {"four directions", t.part(d.protected, 0, page), uint64(d.eye), 5},
					{"a value", valueIn(0, 0), uint64(d.eye), 1},
				} {
					for _, cmd := range []uint32{optee.GrantCmdGrant, optee.GrantCmdRevoke} {
						t.message(x.what, bad, invokeArg(d.session, cmd, x.m, valueIn(x.id, x.dir)))
					}
				}
				t.messageOneOf("beyond the pool", []optee.Result{optee.ErrorSecurity, bad}, grantArg(d.session, t.part(d.protected, 15*page, 2*page), d.eye, reads))
				t.message("without a master", bad, invokeArg(d.session, optee.GrantCmdGrant, t.part(d.protected, 0, page)))
				t.message("an unknown command", optee.ErrorNotImplemented, invokeArg(d.session, 99))
				d.in(t, "after refusals", 0, 16, d.base)
			})},
	}
	for i := range cases {
		cases[i].Needs |= NeedGrants | NeedFirewall
	}
	return append(cases, Case{Name: "carve-out-reference", Rule: serviceRule("CARVEOUT"), Needs: NeedGrants, Variant: StaticPool,
		Why: "The carve-out is told with a name for references; OP-TEE accepts these within it only, and it cannot be taken back.", Run: over(a, func(t *T) {
			s := t.openTA(optee.GrantUUID())
			ask := func(use uint64) *optee.Arg {
				return invokeArg(s, optee.GrantCmdCarveout, valueIn(use, 0), valueOut(), valueOut(), valueOut())
			}
			got := t.message("CARVEOUT", optee.Success, ask(useCase))
			word := func(i int) uint64 { return optee.Pair(got.Params[i].U[0], got.Params[i].U[1]) }
			h := word(3)
			t.require(word(1) == t.Carveout.Base && word(2) == t.Carveout.Size && (h != 0) == (a == overFFA), "CARVEOUT", "base, size, and over FF-A a handle")
			t.message("CARVEOUT of a use case without", optee.ErrorItemNotFound, ask(demand))
			ref := func(off, size uint64) optee.Param {
				if a == overFFA {
					return optee.FMemParam(optee.AttrFMemOutput, optee.FMem{Offset: off, Size: size, GlobalID: h})
				}
				return optee.TMemParam(optee.AttrTMemOutput, optee.TMem{BufPtr: t.Carveout.Base + off, Size: size})
			}
			e := t.open()
			t.messageOneOf("a reference into the carve-out", []optee.Result{optee.Success, optee.ErrorShortBuffer}, invokeArg(e, optee.DeviceCmdGetDevices, ref(page, 64)))
			for _, x := range [][2]uint64{{t.Carveout.Size - 8, 16}, {t.Carveout.Size, 16}, {0, t.Carveout.Size + 1}} {
				t.messageOneOf("a reference that leaves the carve-out", []optee.Result{optee.ErrorBadParameters, optee.ErrorSecurity},
					invokeArg(e, optee.DeviceCmdGetDevices, ref(x[0], x[1])))
			}
			if a == overFFA {
				t.reclaimWith("FFA_MEM_RECLAIM of the carve-out", failure(ffa.Denied), ffa.Handle(h))
			}
			// Nobody could have filled it before, which silent denials would need.
			if t.Firewall && !t.Silent {
				t.access("the carve-out", t.Carveout, t.Pools[poolUse])
			}
		})})
}

// Registers of the crypto engine's normal bank (devices/crypto, Banks), as far as the cases need them.
const (
	aesControl   = 0x008
	aesStatus    = 0x00C
	aesMode      = 0x080
	aesSlot      = 0x084
	aesLength    = 0x088
	aesIV        = 0x090
	aesSource    = 0x0C0
	aesDest      = 0x0E0
	aesSecure    = 0x1000
	aesCBC       = 1
	aesDecrypt   = 1 << 4
	aesResultOK  = 1
	aesFault     = 2
	aesNoKey     = 11
	aesJobTime   = 1_000_000 // ns
	aesRegisters = 0x300
)

// aes writes a register of the engine.
func (t *T) aes(off uint64, v uint32) {
	t.write(t.Crypto+off, binary.LittleEndian.AppendUint32(nil, v))
}

// aesJob runs a job and gives its result.
func (t *T) aesJob(mode, slot uint32, from, to uint64, n uint32) uint32 {
	for _, x := range [][2]uint64{{aesMode, uint64(mode)}, {aesSlot, uint64(slot)}, {aesLength, uint64(n)}, {aesIV, 0}, {aesIV + 4, 0}, {aesIV + 8, 0}, {aesIV + 12, 0},
		{aesSource, from & 0xFFFF_FFFF}, {aesSource + 4, from >> 32}, {aesSource + 8, 0}, {aesDest, to & 0xFFFF_FFFF}, {aesDest + 4, to >> 32}, {aesDest + 8, 0}} {
		t.aes(x[0], uint32(x[1]))
	}
	t.aes(aesControl, 1)
	t.target.Advance(aesJobTime)
	result := binary.LittleEndian.Uint32(t.read(t.Crypto+aesStatus, 4)) >> 8
	t.note("crypto engine: mode %#x, slot %d, %d bytes from %#x to %#x: result %d", mode, slot, n, from, to, result)
	return result
}

// contentPolicy is that of a key for protected content.
const contentPolicy = optee.KeysDecrypt | optee.KeysCounter | optee.KeysDestinationProtected

func keyCases(a abi) []Case {
	load, slots := serviceRule("LOAD"), serviceRule("key slots")
	key := []byte("conformance key!")
	const size = 2000
	clip := make([]byte, size)
	for i := range clip {
		clip[i] = byte(i)*7 | 1
	}
	// on runs a case with a key loaded, a pool for video, and a buffer that holds the clip encrypted.
	type rig struct {
		session, slot uint32
		pool          protected
		keys          shared
		src           uint64
	}
	on := func(f func(t *T, x *rig)) func(*T) {
		return over(a, func(t *T) {
			x := &rig{session: t.openTA(optee.KeysUUID()), keys: t.shareBuffer(t.buf, 1), src: t.buf + 16*page}
			t.ready(Range{t.pool, 4 * page})
			x.pool = t.protect(t.pool, 4*page, useCase)
			block, err := aes.NewCipher(key)
			if err != nil {
				panic("BUG: conform: a key of another size")
			}
			sealed := make([]byte, size)
			cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sealed, clip)
			t.write(x.src, sealed)
			t.write(t.buf, key)
			got := t.message("LOAD", optee.Success, invokeArg(x.session, optee.KeysCmdLoad, t.ref(optee.AttrRMemInput, x.keys, 0, 16), valueIn(uint64(contentPolicy), 0), valueOut()))
			x.slot = uint32(got.Params[2].U[0])
			f(t, x)
		})
	}
	cases := []Case{
		{Name: "keys-decrypt", Rule: load,
			Why: "The engine decrypts with a key of the secure world into protected memory, for its masters only.", Run: on(func(t *T, x *rig) {
				r, ok := t.Pools[poolUse].reader()
				if !ok {
					t.skip("no master may read a pool")
				}
				if res := t.aesJob(aesDecrypt, x.slot, x.src, x.pool.Base+8, size); res != aesResultOK {
					t.failf("a job that succeeds", "decryption into the pool: result %d", res)
				}
				for i, want := range clip {
					if got := t.readAs(r, x.pool.Base+8+uint64(i)); got != want {
						t.failf("the clip, decrypted", "byte %d is %#x, want %#x", i, got, want)
					}
				}
				if got := t.readAs(apID, x.pool.Base+8); got != 0 {
					t.failf("zeros for the processors", "they read %#x", got)
				}
			})},
		{Name: "keys-no-way-out", Rule: slots,
			Why: "With a key for protected content the engine writes to no ordinary memory, whatever the driver says.", Run: on(func(t *T, x *rig) {
				to := t.buf + 32*page
				for _, from := range []uint64{x.src, x.pool.Base} {
					res := t.aesJob(aesDecrypt, x.slot, from, to, size)
					if res != aesFault && !(t.Silent && res == aesResultOK) {
						t.failf("FAULT", "decryption from %#x into ordinary memory: result %d", from, res)
					}
					t.zero("ordinary memory", to, size)
				}
			})},
		{Name: "keys-policy", Rule: slots,
			Why: "A key is used in the modes of its policy only.", Run: on(func(t *T, x *rig) {
				for _, mode := range []uint32{aesCBC, aesCBC | aesDecrypt} {
					if res := t.aesJob(mode, x.slot, x.src, x.pool.Base, 16); res != aesNoKey {
						t.failf("KEY", "mode %#x: result %d", mode, res)
					}
				}
			})},
		{Name: "keys-end-with-session", Rule: load,
			Why: "A key is gone when its session is closed, and when it is unloaded.", Run: on(func(t *T, x *rig) {
				s := t.openTA(optee.KeysUUID())
				unload := invokeArg(x.session, optee.KeysCmdUnload, valueIn(uint64(x.slot), 0))
				t.message("UNLOAD in another session", optee.ErrorItemNotFound, invokeArg(s, optee.KeysCmdUnload, valueIn(uint64(x.slot), 0)))
				t.message("UNLOAD", optee.Success, unload)
				t.message("UNLOAD again", optee.ErrorItemNotFound, unload)
				if res := t.aesJob(aesDecrypt, x.slot, x.src, x.pool.Base, 16); res != aesNoKey {
					t.failf("KEY", "a job with a key that was unloaded: result %d", res)
				}
				got := t.message("LOAD", optee.Success, invokeArg(s, optee.KeysCmdLoad, t.ref(optee.AttrRMemInput, x.keys, 0, 16), valueIn(uint64(contentPolicy), 0), valueOut()))
				slot := uint32(got.Params[2].U[0])
				if res := t.aesJob(aesDecrypt, slot, x.src, x.pool.Base, 16); res != aesResultOK {
					t.failf("a job that succeeds", "with a key that was loaded again: result %d", res)
				}
				t.closeTA(s)
				if res := t.aesJob(aesDecrypt, slot, x.src, x.pool.Base, 16); res != aesNoKey {
					t.failf("KEY", "a job with a key whose session is closed: result %d", res)
				}
			})},
		{Name: "keys-unsafe-policies", Rule: load,
			Why: "Policies by which protected memory would get out are ACCESS_DENIED, those that make no sense BAD_PARAMETERS.", Run: on(func(t *T, x *rig) {
				try := func(what string, want optee.Result, p optee.KeysPolicy) {
					t.message(what, want, invokeArg(x.session, optee.KeysCmdLoad, t.ref(optee.AttrRMemInput, x.keys, 0, 16), valueIn(uint64(p), 0), valueOut()))
				}
				try("any destination", optee.ErrorAccessDenied, optee.KeysDecrypt|optee.KeysCounter)
				try("encryption under a key that is known", optee.ErrorAccessDenied, optee.KeysEncrypt|optee.KeysChaining)
				try("a protected source only", optee.ErrorAccessDenied, optee.KeysEncrypt|optee.KeysCounter|optee.KeysSourceProtected)
				try("no mode", optee.ErrorBadParameters, optee.KeysDecrypt|optee.KeysDestinationProtected)
				try("two destinations", optee.ErrorBadParameters, contentPolicy|optee.KeysDestinationOrdinary)
				try("bits that do not exist", optee.ErrorBadParameters, contentPolicy|1<<31)
				try("a key of the normal world's own", optee.Success, optee.KeysEncrypt|optee.KeysDecrypt|optee.KeysCounter|optee.KeysSourceOrdinary)
			})},
		{Name: "keys-wrapped-under-nothing", Rule: serviceRule("LOAD_WRAPPED"),
			Why: "What was not wrapped under the device key is SECURITY; it loads nothing.", Run: on(func(t *T, x *rig) {
				blob, err := optee.WrapKey(make([]byte, 32), contentPolicy, key)
				if err != nil {
					panic("BUG: conform: " + err.Error())
				}
				t.write(t.buf, blob)
				t.message("LOAD_WRAPPED", optee.ErrorSecurity, invokeArg(x.session, optee.KeysCmdLoadWrapped, t.ref(optee.AttrRMemInput, x.keys, 0, uint64(len(blob))), valueOut()))
				got := t.message("QUERY", optee.Success, invokeArg(x.session, optee.KeysCmdQuery, valueOut()))
				t.require(got.Params[0].U[0]-got.Params[0].U[1] == 1, "QUERY", "one slot in use")
			})},
		{Name: "keys-stay-inside", Rule: slots,
			Why: "No register of the engine gives a key to the normal world, and the secure bank is not there for it.", Run: on(func(t *T, x *rig) {
				word := binary.LittleEndian.Uint32(key)
				for off := uint64(0); off < aesRegisters; off += 4 {
					if v := binary.LittleEndian.Uint32(t.read(t.Crypto+off, 4)); v == word {
						t.failf("no part of the key", "register %#x holds %#x", off, v)
					}
					var b [4]byte
					if resp := t.ram.Read(t.Crypto+aesSecure+off, b[:]); resp == bus.OKAY || b != [4]byte{} {
						t.failf("an error", "a read of the secure bank at %#x: %v, % x", off, resp, b)
					}
					if resp := t.ram.Write(t.Crypto+aesSecure+off, b[:]); resp == bus.OKAY {
						t.failf("an error", "a write to the secure bank at %#x", off)
					}
				}
			})},
	}
	for i := range cases {
		cases[i].Needs |= NeedCrypto | NeedFirewall
	}
	return cases
}

// The frame of the cases about the trusted user interface.
const (
	uiWidth  = 160
	uiHeight = 130
	uiStride = 4 * uiWidth
	uiSize   = uiStride * uiHeight
	uiColor  = 0x0040_8040
	// inputLock and inputStatus are registers of the input device (devices/input).
	inputLock   = 0x008
	inputStatus = 0x00C
)

func uiCases(a abi) []Case {
	show := serviceRule("SHOW")
	showArg := func(session uint32, m optee.Param, kind uint64) *optee.Arg {
		return invokeArg(session, optee.UICmdShow, m, valueIn(uiWidth|uiHeight<<16, uiStride), valueIn(kind, uiColor))
	}
	// on runs a case with a session and memory for the screen.
	on := func(f func(t *T, s uint32, p protected)) func(*T) {
		return over(a, func(t *T) {
			if _, ok := t.Pools[optee.UseCaseTrustedUI]; !ok {
				t.skip("the target has no use case %v", optee.UseCaseTrustedUI)
			}
			s := t.openTA(optee.UIUUID())
			f(t, s, t.protect(t.pool, 24*page, uint64(optee.UseCaseTrustedUI)))
		})
	}
	open := func(t *T, what string, want bool) {
		var b [4]byte
		if resp := t.ram.Read(t.Input+inputStatus, b[:]); (resp == bus.OKAY) != want {
			t.failf("the input device is whose dialogue it is", "%s: the normal world reads the input device: %v", what, resp)
		}
	}
	cases := []Case{
		{Name: "ui-background", Rule: show, Needs: NeedFirewall,
			Why: "What the secure world draws is seen by the masters of the use case, and not by the processors.", Run: on(func(t *T, s uint32, p protected) {
				r, ok := t.Pools[optee.UseCaseTrustedUI].reader()
				if !ok {
					t.skip("no master reads the screen")
				}
				t.message("SHOW", optee.Success, showArg(s, t.part(p, 0, uiSize), optee.UIBackground))
				for _, off := range []uint64{0, uiStride*7 + 40, uiSize - 4} {
					var got uint32
					for i := range uint64(4) {
						got |= uint32(t.readAs(r, p.Base+off+i)) << (8 * i)
					}
					if got != uiColor {
						t.failf("the colour of the background", "the pixel at offset %#x is %#x", off, got)
					}
				}
				if t.readAs(apID, p.Base) != 0 {
					t.failf("zeros for the processors", "they read the screen")
				}
				t.unprotect(p)
				t.zero("the screen, given back", p.Base, p.Size)
			})},
		{Name: "ui-pad-locks-input", Rule: show,
			Why: "While a PIN pad is shown the normal world reaches neither the input device nor its lock; then it is the normal world's again.",
			Run: on(func(t *T, s uint32, p protected) {
				open(t, "before the dialogue", true)
				t.message("SHOW", optee.Success, showArg(s, t.part(p, 0, uiSize), optee.UIPad))
				open(t, "during the dialogue", false)
				if resp := t.ram.Write(t.Input+inputLock, make([]byte, 4)); resp == bus.OKAY {
					t.failf("an error", "the normal world writes the lock of the input device")
				}
				open(t, "after an attempt to unlock it", false)
				got := t.message("POLL", optee.Success, invokeArg(s, optee.UICmdPoll, t.part(p, 0, uiSize), valueOut()))
				t.require(got.Params[1].U == [3]uint64{optee.UIRunning}, "POLL", "a dialogue that goes on, and nothing else")
				t.message("VERIFY before anything was entered", optee.ErrorBadState, invokeArg(s, optee.UICmdVerify, valueOut()))
				t.message("HIDE", optee.Success, invokeArg(s, optee.UICmdHide))
				open(t, "after the dialogue", true)
				t.message("POLL without a dialogue", optee.ErrorBadState, invokeArg(s, optee.UICmdPoll, t.part(p, 0, uiSize), valueOut()))
			})},
		{Name: "ui-ends-with-session", Rule: show,
			Why: "There is one session at a time, and its end gives the input device back.", Run: on(func(t *T, s uint32, p protected) {
				t.message("SHOW", optee.Success, showArg(s, t.part(p, 0, uiSize), optee.UIPad))
				t.message("OPEN_SESSION of a second client", optee.ErrorBusy, openArg(optee.UIUUID(), optee.LoginPublic))
				t.closeTA(s)
				open(t, "after the session", true)
				t.closeTA(t.openTA(optee.UIUUID()))
			})},
		{Name: "ui-only-protected-memory", Rule: show,
			Why: "The secure world draws into memory of that use case only, and only where the frame fits.", Run: on(func(t *T, s uint32, p protected) {
				b := t.shareBuffer(t.buf, 24)
				v := t.protect(t.pool+64*page, 24*page, useCase)
				d := t.protect(t.pool+128*page, 24*page, demand)
				for _, kind := range []uint64{optee.UIBackground, optee.UIPad} {
					t.message("SHOW in ordinary memory", optee.ErrorAccessDenied, showArg(s, t.ref(optee.AttrRMemInOut, b, 0, uiSize), kind))
					t.message("SHOW in memory for video", optee.ErrorAccessDenied, showArg(s, t.part(v, 0, uiSize), kind))
					t.message("SHOW in memory on demand", optee.ErrorAccessDenied, showArg(s, t.part(d, 0, uiSize), kind))
					t.message("SHOW nowhere", optee.ErrorAccessDenied, showArg(s, t.null(optee.AttrRMemOutput), kind))
					t.message("SHOW of a frame that does not fit", optee.ErrorShortBuffer, showArg(s, t.part(p, 0, uiSize-1), kind))
				}
				for _, bad := range [][2]uint64{{0 | uiHeight<<16, uiStride}, {uiWidth, uiStride}, {uiWidth | uiHeight<<16, uiStride - 4}, {0xFFFF_FFFF, 0xFFFF_FFFC}, {uiWidth | uiHeight<<16, uiStride + 2}} {
					t.message("SHOW of a frame that is none", optee.ErrorBadParameters,
						invokeArg(s, optee.UICmdShow, t.part(p, 0, uiSize), valueIn(bad[0], bad[1]), valueIn(0, 0)))
				}
				open(t, "after refusals", true)
				t.zero("ordinary memory", t.buf, uiSize)
			})},
	}
	for i := range cases {
		cases[i].Needs |= NeedUI
	}
	return cases
}
