package secureworld

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"testing"

	"gatehouse/devices/crypto"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
	driver "gatehouse/secureworld/aes"
	"gatehouse/smc/optee"
)

// aesReg writes a register of the engine's normal bank, as a processor of the normal world.
func (r *rig) aesReg(off uint64, v uint32) {
	r.Helper()
	if resp := r.ap.Store(aesBase+off, 4, uint64(v)); resp != bus.OKAY {
		r.Fatalf("register %#x: %v", off, resp)
	}
}

// aesJob runs a job of the normal world from one address to another, and gives its result.
func (r *rig) aesJob(mode, slot uint32, from, to uint64, n uint32) crypto.Result {
	r.Helper()
	for off, v := range map[uint64]uint32{
		crypto.Mode: mode, crypto.Slot: slot, crypto.Length: n, crypto.IV: 0x1234,
		crypto.Source: uint32(from), crypto.Destination: uint32(to), crypto.Source + crypto.Kind: 0, crypto.Destination + crypto.Kind: 0,
	} {
		r.aesReg(off, v)
	}
	return r.aesStart()
}

func (r *rig) aesStart() crypto.Result {
	r.Helper()
	r.aesReg(crypto.Control, crypto.Start)
	for r.h.clock.Next() != vtime.Never {
		r.h.clock.Advance(r.h.clock.Next())
		r.h.clock.Expire()
	}
	v, _ := r.ap.Load(aesBase+crypto.Status, 4)
	return crypto.Result(v >> crypto.ResultShift)
}

// content is the policy of a key for protected content.
const content = optee.KeysDecrypt | optee.KeysCounter | optee.KeysDestinationProtected

func loadArg(session uint32, p optee.Param, policy optee.KeysPolicy) optee.Arg {
	return invokeArg(session, optee.KeysCmdLoad, p, in(uint64(policy), 0, 0), out(0, 0, 0))
}

// A client loads a key over a session and runs jobs of its own with it: the engine decrypts into protected memory only, and forgets the
// key with the session.
func TestKeysApplication(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.KeysUUID())
		m := c.area(2*page, 0)
		p := c.pool1(2)
		key := []byte("sixteen octets..")
		query := func() uint64 {
			a := c.call1(invokeArg(s, optee.KeysCmdQuery, out(0, 0, 0)))
			if a.Ret != 0 || a.Params[0].U[0] != optee.KeysSlots {
				t.Errorf("QUERY: %+v", a)
			}
			return a.Params[0].U[1]
		}
		c.write(m.addr, key)
		a := c.call1(loadArg(s, m.param(optee.AttrRMemInput, 0, 16), content))
		c.want("LOAD", a, optee.Success, optee.OriginTEE)
		slot := uint32(a.Params[2].U[0])
		if n := query(); n != optee.KeysSlots-1 {
			t.Errorf("%d slots are free after a LOAD", n)
		}
		clip := bytes.Repeat([]byte("a film "), 100)
		block, err := aes.NewCipher(key)
		must(t, err)
		sealed := bytes.Clone(clip)
		cipher.NewCTR(block, []byte{0x34, 0x12, 15: 0}).XORKeyStream(sealed, clip)
		c.write(m.addr, sealed)
		if r := c.aesJob(crypto.Decrypt, slot, m.addr, p.addr+100, uint32(len(clip))); r != crypto.OK {
			t.Fatalf("decryption: %v", r)
		}
		if !bytes.Equal(p.get(100, len(clip)), clip) {
			t.Error("the engine decrypts to something else")
		}
		if r := c.aesJob(crypto.Decrypt, slot, m.addr, m.addr+page, uint32(len(clip))); r != crypto.Fault {
			t.Errorf("decryption into ordinary memory: %v", r)
		}
		if got := c.read(m.addr+page, len(clip)); !zeros(got) {
			t.Error("something of the film stands in ordinary memory")
		}
		if r := c.aesJob(crypto.Decrypt, slot, p.addr, m.addr+page, 16); r != crypto.Fault {
			t.Errorf("out of protected memory: %v", r)
		}
		if r := c.aesJob(crypto.CBC|crypto.Decrypt, slot, m.addr, p.addr, 16); r != crypto.NoKey {
			t.Errorf("another mode: %v", r)
		}
		// Another session's slot is another's.
		s2 := c.open(optee.KeysUUID())
		c.want("UNLOAD of another session", c.call1(invokeArg(s2, optee.KeysCmdUnload, in(uint64(slot), 0, 0))), optee.ErrorItemNotFound, optee.OriginTrustedApp)
		blob, err := optee.WrapKey(c.w.cfg.DeviceKey[:], content, bytes.Repeat([]byte{9}, 32))
		must(t, err)
		c.write(m.addr, blob)
		a = c.call1(invokeArg(s2, optee.KeysCmdLoadWrapped, m.param(optee.AttrRMemInput, 0, uint64(len(blob))), out(0, 0, 0)))
		c.want("LOAD_WRAPPED", a, optee.Success, optee.OriginTEE)
		wrapped := uint32(a.Params[1].U[0])
		if wrapped == slot {
			t.Error("two keys have one slot")
		}
		if r := c.aesJob(crypto.Decrypt, wrapped, m.addr, p.addr, 16); r != crypto.OK {
			t.Errorf("with the wrapped key: %v", r)
		}
		before := c.state()
		c.write(m.addr+page-1, []byte{1})
		bad := bytes.Clone(blob)
		bad[5] ^= 1
		c.write(m.addr+100, bad)
		load := func(off, n uint64, policy optee.KeysPolicy) optee.Arg {
			return loadArg(s, m.param(optee.AttrRMemInput, off, n), policy)
		}
		for what, tc := range map[string]struct {
			a   optee.Arg
			ret optee.Result
			by  optee.Origin
		}{
			"a key of 15 octets":        {load(0, 15, content), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"no key":                    {load(0, 0, content), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a large key":               {load(0, page, content), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"NULL":                      {loadArg(s, c.null(optee.AttrRMemInput), content), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a key in protected memory": {loadArg(s, p.param(optee.AttrRMemInput, 0, 16), content), optee.ErrorBadParameters, optee.OriginTEE},
			"an output":                 {loadArg(s, m.param(optee.AttrRMemOutput, 0, 16), content), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"no policy":                 {load(0, 16, 0), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"an unknown policy":         {load(0, 16, content|1<<30), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"two destinations":          {load(0, 16, content|optee.KeysDestinationOrdinary), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"an unsafe policy":          {load(0, 16, optee.KeysDecrypt|optee.KeysCounter), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			"encryption in the clear":   {load(0, 16, optee.KeysEncrypt|optee.KeysChaining), optee.ErrorAccessDenied, optee.OriginTrustedApp},
			"a changed blob": {invokeArg(s, optee.KeysCmdLoadWrapped, m.param(optee.AttrRMemInput, 100, uint64(len(blob))), out(0, 0, 0)),
				optee.ErrorSecurity, optee.OriginTrustedApp},
			"a short blob": {invokeArg(s, optee.KeysCmdLoadWrapped, m.param(optee.AttrRMemInput, 0, 31), out(0, 0, 0)),
				optee.ErrorBadParameters, optee.OriginTrustedApp},
			"no blob":            {invokeArg(s, optee.KeysCmdLoadWrapped, in(0, 0, 0), out(0, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"a slot that is not": {invokeArg(s, optee.KeysCmdUnload, in(optee.KeysSlots, 0, 0)), optee.ErrorItemNotFound, optee.OriginTrustedApp},
			"no slot":            {invokeArg(s, optee.KeysCmdUnload), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"QUERY of something": {invokeArg(s, optee.KeysCmdQuery, in(0, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
			"unknown":            {invokeArg(s, 4), optee.ErrorNotImplemented, optee.OriginTrustedApp},
		} {
			c.want(what, c.call1(tc.a), tc.ret, tc.by)
			c.same(what, before)
		}
		for i := optee.KeysSlots - 2; i > 0; i-- {
			c.want("LOAD", c.call1(load(0, 24, content|optee.KeysEncrypt)), optee.Success, optee.OriginTEE)
		}
		c.want("one key too many", c.call1(load(0, 24, content)), optee.ErrorOutOfMemory, optee.OriginTrustedApp)
		c.want("UNLOAD", c.call1(invokeArg(s, optee.KeysCmdUnload, in(uint64(slot), 0, 0))), optee.Success, optee.OriginTEE)
		if r := c.aesJob(crypto.Decrypt, slot, m.addr, p.addr, 16); r != crypto.NoKey {
			t.Errorf("with a key that is unloaded: %v", r)
		}
		c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: s2}), optee.Success, optee.OriginTEE)
		if r := c.aesJob(crypto.Decrypt, wrapped, m.addr, p.addr, 16); r != crypto.NoKey {
			t.Errorf("with a key whose session is closed: %v", r)
		}
		if n := query(); n != 2 {
			t.Errorf("%d slots are free, want 2", n)
		}
		must(t, c.w.Reset(c.h))
		for i := range uint64(crypto.Slots) {
			if v, _ := c.s.Load(aesBase+crypto.SecureBank+crypto.SlotAttr+4*i, 4); v != 0 {
				t.Errorf("slot %d holds a key after a reset", i)
			}
		}
	})
}

func TestKeysWithoutEngine(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		c.want("open", c.call1(openArg(optee.KeysUUID(), optee.LoginPublic)), optee.ErrorNotSupported, optee.OriginTrustedApp)
	}, func(c *Config) { c.CryptoBase = 0 })
	inTwoWays(t, func(t *testing.T, c *caller) {
		c.want("open", c.call1(openArg(optee.KeysUUID(), optee.LoginPublic)), optee.ErrorNotSupported, optee.OriginTrustedApp)
	}, func(c *Config) { c.CryptoBase = 0x0B12_0000 })
}

// No policy that the application accepts lets the normal world get protected memory in the clear, whatever jobs it runs with the key. All
// policies are tried, those for keys in the clear and those of wrapped keys, with memory that the engine may read and write.
func TestPoliciesAreSafe(t *testing.T) {
	c := newCaller(t, ways[0])
	s, g := c.open(optee.KeysUUID()), c.open(optee.GrantUUID())
	m := c.area(4*page, 0)
	p := c.demand(2)
	c.want("grant", c.call1(grantArg(g, p.part(0, 2), bus.NSAIDCrypto, rd|wr)), optee.Success, optee.OriginTEE)
	key := []byte("known to anybody")
	plain, stage := m.addr+page, m.addr+2*page
	listAt := m.addr + 3*page
	var list []byte
	list = binary.LittleEndian.AppendUint64(list, p.addr)
	list = binary.LittleEndian.AppendUint32(list, 32)
	list = binary.LittleEndian.AppendUint32(list, crypto.Last|crypto.Copy)
	c.write(listAt, list)
	secrets := [][]byte{bytes.Repeat([]byte("top secret, one "), 2), bytes.Repeat([]byte("top secret, two!"), 2)}
	accepted := map[bool]int{}
	for policy := range optee.KeysPolicy(1 << 14) {
		if !policy.Valid() {
			continue
		}
		for _, wrapped := range []bool{false, true} {
			var a optee.Arg
			if wrapped {
				blob, err := optee.WrapKey(c.w.cfg.DeviceKey[:], policy, key)
				must(t, err)
				c.write(m.addr, blob)
				a = c.call1(invokeArg(s, optee.KeysCmdLoadWrapped, m.param(optee.AttrRMemInput, 0, 32), out(0, 0, 0)))
			} else {
				c.write(m.addr, key)
				a = c.call1(loadArg(s, m.param(optee.AttrRMemInput, 0, 16), policy))
			}
			if a.Ret == optee.ErrorAccessDenied {
				continue
			}
			c.want(fmt.Sprintf("policy %#x, wrapped %v", policy, wrapped), a, optee.Success, optee.OriginTEE)
			accepted[wrapped]++
			slot := uint32(a.Params[len(a.Params)-1].U[0])
			modes := []uint32{crypto.CTR, crypto.CBC, crypto.CBC | crypto.Decrypt}
			for _, one := range modes {
				// What comes out of one job must not depend on the secret where the key is known.
				var seen [2][]byte
				for i, secret := range secrets {
					c.s.Write(p.addr, secret)
					c.write(plain, make([]byte, 32))
					c.aesJob(one, slot, p.addr, plain, 32)
					seen[i] = c.read(plain, 32)
					c.aesReg(crypto.Source, uint32(listAt))
					c.aesReg(crypto.Source+crypto.Kind, crypto.List64)
					c.aesStart()
					if got := c.read(plain, 32); bytes.Equal(got, secret) {
						t.Fatalf("policy %#x: a copy of the secret", policy)
					}
				}
				if !wrapped && !bytes.Equal(seen[0], seen[1]) {
					t.Fatalf("policy %#x: what leaves protected memory depends on it, under a key that is known", policy)
				}
				// Two jobs in a row, through ordinary and through protected memory.
				for _, two := range modes {
					for _, via := range []uint64{stage, p.addr + page} {
						c.s.Write(p.addr, secrets[0])
						c.s.Write(via, make([]byte, 32))
						c.write(plain, make([]byte, 32))
						c.aesJob(one, slot, p.addr, via, 32)
						// Ciphertext may get into protected memory by other ways than the engine.
						if via == stage {
							c.s.Write(p.addr+page, c.read(stage, 32))
							c.aesJob(two, slot, p.addr+page, plain, 32)
							if bytes.Equal(c.read(plain, 32), secrets[0]) {
								t.Fatalf("policy %#x, modes %#x and %#x: the secret gets out by way of protected memory", policy, one, two)
							}
						}
						c.aesJob(two, slot, via, plain, 32)
						if bytes.Equal(c.read(plain, 32), secrets[0]) {
							t.Fatalf("policy %#x, modes %#x and %#x: the secret gets out", policy, one, two)
						}
					}
				}
			}
			c.want("UNLOAD", c.call1(invokeArg(s, optee.KeysCmdUnload, in(uint64(slot), 0, 0))), optee.Success, optee.OriginTEE)
		}
	}
	// Valid are 9 ways to encrypt and decrypt, twice for COPY, and 9 for the sides: protected destinations are a third of those,
	// ordinary sources of the rest another.
	if clear := 9 * 2 * 5; accepted[false] != clear || accepted[true] != clear+4 {
		t.Errorf("%v policies are accepted, want %d and %d", accepted, clear, clear+4)
	}
}

// The driver of the secure bank: lock, and a job with secure transactions.
func TestSecureJobs(t *testing.T) {
	r := newRig(t)
	d := driver.New(r.s, aesBase)
	if !d.Present() {
		t.Fatal("no engine")
	}
	key := bytes.Repeat([]byte{3}, 24)
	must(t, d.Load(driver.Slots-1, key, 0))
	if err := d.Load(driver.Slots, key, 0); err != driver.ErrRefused {
		t.Errorf("a slot that does not exist: %v", err)
	}
	data := bytes.Repeat([]byte("secure "), 10)
	src, dst, lists := uint64(ramBase+0x10_0000), uint64(ramBase+0x11_0000), uint64(ramBase+0x12_0000)
	r.write(src, data)
	for i, addr := range []uint64{src, dst} {
		b := binary.LittleEndian.AppendUint64(nil, addr)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
		b = binary.LittleEndian.AppendUint32(b, crypto.Last)
		r.write(lists+uint64(i)*16, b)
	}
	j := driver.Job{Slot: driver.Slots - 1, Length: uint32(len(data)), Source: lists, Destination: lists + 16,
		From: driver.AsSecure, To: driver.AsSecure, Lists: driver.AsSecure}
	must(t, d.Lock(true))
	must(t, d.Start(&j))
	if err := d.Start(&j); err != driver.ErrRefused {
		t.Errorf("a second job: %v", err)
	}
	if done, err := d.Poll(); done || err != nil {
		t.Errorf("the job takes no time: %v", err)
	}
	for r.h.clock.Next() != vtime.Never {
		r.h.clock.Advance(r.h.clock.Next())
		r.h.clock.Expire()
	}
	if done, err := d.Poll(); !done || err != nil {
		t.Errorf("the job does not end: %v", err)
	}
	block, err := aes.NewCipher(key)
	must(t, err)
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(data, data)
	if !bytes.Equal(r.read(dst, len(data)), data) {
		t.Error("wrong output")
	}
	if res := r.aesJob(0, 0, src, dst, 16); res != crypto.None {
		t.Errorf("the normal bank works while it is locked: %v", res)
	}
	must(t, d.Clear(driver.Slots-1))
	must(t, d.Start(&j))
	if done, err := d.Poll(); !done || err != driver.ErrRefused {
		t.Errorf("a job without key: %v, %v", done, err)
	}
	var none driver.Driver
	for _, err := range []error{none.Load(0, key, 0), none.Clear(0), none.Lock(true), none.Start(&j)} {
		if err != driver.ErrAbsent {
			t.Errorf("without engine: %v", err)
		}
	}
}
