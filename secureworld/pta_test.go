package secureworld

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/smc/optee"
)

// twoWays are the ways in which applications are tested: they cannot tell the ways apart.
var twoWays = []way{ways[0], ways[2]}

func inTwoWays(t *testing.T, test func(t *testing.T, c *caller), change ...func(*Config)) {
	t.Helper()
	for _, w := range twoWays {
		t.Run(w.name, func(t *testing.T) { test(t, newCaller(t, w, change...)) })
	}
}

// pool is protected memory and its contents, which only the secure world sees.
type pool struct {
	c         *caller
	ref, addr uint64
}

func (c *caller) pool1(pages uint64) pool {
	c.Helper()
	ref, addr := c.protected(pages, 1)
	return pool{c, ref, addr}
}

func (p pool) param(attr optee.Attr, off, size uint64) optee.Param {
	return p.c.mem(attr, p.ref, p.addr, off, size)
}

func (p pool) get(off uint64, n int) []byte {
	p.c.Helper()
	b := make([]byte, n)
	if resp := p.c.s.Read(p.addr+off, b); resp != bus.OKAY {
		p.c.Fatal(resp)
	}
	return b
}

// The device enumeration lists the random number generator, which is what Linux binds a driver to.
func TestDevicesOfPackagePTA(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		m := c.area(64, 0)
		s := c.open(optee.DeviceUUID())
		a := c.call1(invokeArg(s, 0, m.param(optee.AttrRMemOutput, 0, 64)))
		if a.Ret != 0 || a.Params[0].Size() != 16 || hex.EncodeToString(c.read(m.addr, 16)) != "ab7a617cb8e74d8f8301d09b61036b64" {
			t.Errorf("%+v, % x", a, c.read(m.addr, 16))
		}
	})
}

// entropy draws n octets.
func (c *caller) entropy(s uint32, m *area, n uint64) []byte {
	c.Helper()
	a := c.call1(invokeArg(s, optee.RNGCmdGetEntropy, m.param(optee.AttrRMemInOut, 0, n)))
	c.want("GET_ENTROPY", a, optee.Success, optee.OriginTEE)
	if a.Params[0].Size() != n {
		c.Errorf("%d octets, want %d", a.Params[0].Size(), n)
	}
	return c.read(m.addr, int(n))
}

// Random numbers: what pta_rng.h says, the same for the same seed, and never twice.
func TestRNG(t *testing.T) {
	drawn := map[uint64][]byte{}
	for _, seed := range []uint64{1, 1, 2} {
		inTwoWays(t, func(t *testing.T, c *caller) {
			m := c.area(3*page, 0)
			s := c.open(optee.RNGUUID())
			a := c.call1(invokeArg(s, optee.RNGCmdGetInfo, out(0, 0, 0)))
			if a.Ret != 0 || a.Params[0].U[0] == 0 || a.Params[0].U[1] == 0 || a.Params[0].U[1] > 1024 {
				t.Errorf("GET_RNG_INFO: %+v", a)
			}
			var all []byte
			for _, n := range []uint64{1, 31, 32, 33, 4096, 7, 0} {
				all = append(all, c.entropy(s, m, n)...)
			}
			// A new session goes on where the last one ended.
			all = append(all, c.entropy(c.open(optee.RNGUUID()), m, 64)...)
			if old := drawn[seed]; old != nil && !bytes.Equal(old, all) {
				t.Errorf("seed %d gives other numbers", seed)
			}
			drawn[seed] = all
			seen := map[string]bool{}
			for i := 0; i+8 <= len(all); i++ {
				if seen[string(all[i:i+8])] {
					t.Fatalf("eight octets come twice, at %d", i)
				}
				seen[string(all[i:i+8])] = true
			}
			ones := 0
			for _, v := range all {
				for ; v != 0; v &= v - 1 {
					ones++
				}
			}
			if n := len(all) * 8; ones < n*48/100 || ones > n*52/100 {
				t.Errorf("%d of %d bits are set", ones, n)
			}
			p := c.pool1(1)
			for what, tc := range map[string]struct {
				a   optee.Arg
				ret optee.Result
				by  optee.Origin
			}{
				"more than the pool": {invokeArg(s, 0, m.param(optee.AttrRMemInOut, 0, 4097)), optee.ErrorNotSupported, optee.OriginTrustedApp},
				"NULL":               {invokeArg(s, 0, c.null(optee.AttrRMemInOut)), optee.ErrorBadParameters, optee.OriginTrustedApp},
				"output only":        {invokeArg(s, 0, m.param(optee.AttrRMemOutput, 0, 8)), optee.ErrorBadParameters, optee.OriginTrustedApp},
				"two parameters":     {invokeArg(s, 0, m.param(optee.AttrRMemInOut, 0, 8), out(0, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
				"protected memory":   {invokeArg(s, 0, p.param(optee.AttrRMemInOut, 0, 8)), optee.ErrorBadParameters, optee.OriginTEE},
				"information in":     {invokeArg(s, 1, in(0, 0, 0)), optee.ErrorBadParameters, optee.OriginTrustedApp},
				"unknown":            {invokeArg(s, 2), optee.ErrorNotImplemented, optee.OriginTrustedApp},
			} {
				c.want(what, c.call1(tc.a), tc.ret, tc.by)
			}
		}, func(c *Config) { c.Seed = seed })
	}
	if bytes.Equal(drawn[1], drawn[2]) {
		t.Error("two seeds give the same numbers")
	}
}

// What xtest's sdp_basic does, and what it expects of buffers on the wrong side.
func TestSDPBasic(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		ta, pta := c.open(optee.SDPUUID()), c.open(optee.InvokeTestsUUID())
		p := c.pool1(40)
		n, dst := c.area(40*page, 3), c.area(40*page, 7)
		rng := rand.New(rand.NewPCG(1, 2))
		const in, out, inout = optee.AttrRMemInput, optee.AttrRMemOutput, optee.AttrRMemInOut
		for _, first := range []uint32{optee.SDPCmdInject, optee.SDPCmdInvokeInject, optee.SDPCmdPTAInject} {
			for _, size := range []uint64{0, 1, 4745, 0x2_0001} {
				off := uint64(rng.IntN(256))
				data := make([]byte, size)
				for i := range data {
					data[i] = byte(rng.Uint32())
				}
				c.write(n.addr, data)
				a := c.call1(invokeArg(ta, first, n.param(in, 0, size), p.param(out, off, size)))
				c.want("inject", a, optee.Success, optee.OriginTEE)
				if !bytes.Equal(p.get(off, int(size)), data) {
					t.Fatalf("inject of %d octets: other contents", size)
				}
				c.want("transform", c.call1(invokeArg(ta, first+1, p.param(inout, off, size))), optee.Success, optee.OriginTEE)
				c.want("dump", c.call1(invokeArg(ta, first+2, p.param(in, off, size), dst.param(out, 5, size))), optee.Success, optee.OriginTEE)
				got := c.read(dst.addr+5, int(size))
				for i := range got {
					if got[i] != ^data[i]+1 {
						t.Fatalf("octet %d of %d: %#x becomes %#x", i, size, data[i], got[i])
					}
				}
			}
			wrong := optee.ErrorAccessDenied
			if first == optee.SDPCmdPTAInject {
				wrong = optee.ErrorBadParameters
			}
			for _, tc := range []struct {
				what string
				a    optee.Arg
				ret  optee.Result
			}{
				{"inject to normal memory", invokeArg(ta, first, n.param(in, 0, 8), dst.param(out, 0, 8)), wrong},
				{"inject from protected memory", invokeArg(ta, first, p.param(in, 0, 8), p.param(out, 8, 8)), wrong},
				{"transform of normal memory", invokeArg(ta, first+1, n.param(inout, 0, 8)), wrong},
				{"dump of normal memory", invokeArg(ta, first+2, n.param(in, 0, 8), dst.param(out, 0, 8)), wrong},
				{"dump to protected memory", invokeArg(ta, first+2, p.param(in, 0, 8), p.param(out, 8, 8)), wrong},
				{"inject without room", invokeArg(ta, first, n.param(in, 0, 8), p.param(out, 0, 7)), optee.ErrorShortBuffer},
				{"dump without room", invokeArg(ta, first+2, p.param(in, 0, 8), dst.param(out, 0, 7)), optee.ErrorShortBuffer},
				{"dump to nowhere", invokeArg(ta, first+2, p.param(in, 0, 8), c.null(out)), optee.ErrorShortBuffer},
				{"inject of an output", invokeArg(ta, first, n.param(out, 0, 8), p.param(out, 0, 8)), optee.ErrorBadParameters},
				{"transform of an input", invokeArg(ta, first+1, p.param(in, 0, 8)), optee.ErrorBadParameters},
				{"dump of nothing", invokeArg(ta, first+2), optee.ErrorBadParameters},
				{"a third parameter", invokeArg(ta, first, n.param(in, 0, 8), p.param(out, 0, 8), p.param(out, 0, 8)), optee.ErrorBadParameters},
			} {
				before, open := p.get(0, 64), c.read(dst.addr, 64)
				a := c.call1(tc.a)
				c.want(tc.what, a, tc.ret, optee.OriginTrustedApp)
				if tc.ret == optee.ErrorShortBuffer && a.Params[1].Size() != 8 {
					t.Errorf("%s: needs %d octets", tc.what, a.Params[1].Size())
				}
				if !bytes.Equal(p.get(0, 64), before) || !bytes.Equal(c.read(dst.addr, 64), open) {
					t.Errorf("%s is refused but writes", tc.what)
				}
			}
			// References beyond the buffer never reach the application.
			for _, r := range [][2]uint64{{40*page - 1, 2}, {40*page - 1, 5000}, {40 * page, 1}, {41 * page, 1}, {2, ^uint64(0)}} {
				a := c.call1(invokeArg(ta, first, n.param(in, 0, 1), p.param(out, r[0], r[1])))
				if a.RetOrigin == optee.OriginTrustedApp || a.Ret == optee.Success {
					t.Errorf("%d octets at %d: %v from %v", r[1], r[0], a.Ret, a.RetOrigin)
				}
			}
		}
		c.want("unknown command", c.call1(invokeArg(ta, 9)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		// The pseudo-TA does not take protected memory from the normal world, so that xtest's fourth case fails as it should.
		for what, a := range map[string]optee.Arg{
			"inject":    invokeArg(pta, optee.InvokeTestsCmdInject, n.param(in, 0, 8), p.param(out, 0, 8)),
			"transform": invokeArg(pta, optee.InvokeTestsCmdTransform, p.param(inout, 0, 8)),
			"dump":      invokeArg(pta, optee.InvokeTestsCmdDump, p.param(in, 0, 8), dst.param(out, 0, 8)),
		} {
			c.want(what, c.call1(a), optee.ErrorBadParameters, optee.OriginTEE)
		}
		c.want("inject to normal memory", c.call1(invokeArg(pta, optee.InvokeTestsCmdInject, n.param(in, 0, 8), dst.param(out, 0, 8))),
			optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.unprotect(p.ref)
		c.consistent()
	})
}

// The pseudo-TA's calculations with parameters (pta_invoke_tests.h).
func TestInvokeTests(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		s := c.open(optee.InvokeTestsUUID())
		none := optee.Param{}
		for i := range 4 {
			p := []optee.Param{none, none, none, none}
			p[i] = both(40, 2)
			if a := c.call1(invokeArg(s, 1, p...)); a.Ret != 0 || a.Params[i].U[0] != 42 || a.Params[i].U[1] != 2 {
				t.Errorf("sum of a value in p%d: %+v", i, a)
			}
			for k := range p {
				p[k] = in(uint64(10*k), uint64(k), 0)
			}
			p[i] = out(0, 0, 0)
			if a := c.call1(invokeArg(s, 1, p...)); a.Ret != 0 || a.Params[i].U[0] != uint64(60-10*i) || a.Params[i].U[1] != uint64(6-i) {
				t.Errorf("sum into p%d: %+v", i, a)
			}
			m := c.area(200, 9)
			data := bytes.Repeat([]byte{3}, 200)
			c.write(m.addr, data)
			p = []optee.Param{none, none, none, none}
			p[i] = m.param(optee.AttrRMemInOut, 0, 200)
			data[0] = byte(600 % 256)
			if a := c.call1(invokeArg(s, 1, p...)); a.Ret != 0 || !bytes.Equal(c.read(m.addr, 200), data) {
				t.Errorf("sum of memory in p%d: %+v, % x", i, a, c.read(m.addr, 4))
			}
		}
		for what, p := range map[string][]optee.Param{
			"nothing": nil, "an input": {in(1, 2, 0)}, "two values": {both(1, 2), both(3, 4)}, "two inputs": {in(1, 0, 0), in(2, 0, 0), out(0, 0, 0)},
			"NULL": {c.null(optee.AttrRMemInOut)}, "memory in": {c.null(optee.AttrRMemInput)},
		} {
			c.want(what, c.call1(invokeArg(s, 1, p...)), optee.ErrorBadParameters, optee.OriginTrustedApp)
		}
		c.want("trace", c.call1(invokeArg(s, 0)), optee.Success, optee.OriginTEE)
		c.want("NULL", c.call1(invokeArg(s, 10, c.null(optee.AttrRMemInOut))), optee.Success, optee.OriginTEE)
		m := c.area(8, 0)
		c.want("not NULL", c.call1(invokeArg(s, 10, m.param(optee.AttrRMemInOut, 0, 8))), optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.want("not implemented", c.call1(invokeArg(s, 2)), optee.ErrorBadParameters, optee.OriginTrustedApp)
	})
}

// decrypting is a session with the decryption application.
type decrypting struct {
	*caller
	s                     uint32
	key, sample, info, to *area
	pool                  pool
	command               uint32 // DecryptCmdDecrypt or its like
}

func newDecrypting(c *caller) *decrypting {
	return &decrypting{c, c.open(optee.DecryptUUID()), c.area(16, 5), c.area(80*page, 1), c.area(page, 2), c.area(page, 0), c.pool1(80), optee.DecryptCmdDecrypt}
}

func (d *decrypting) load(key []byte) uint32 {
	d.Helper()
	d.write(d.key.addr, key)
	a := d.call1(invokeArg(d.s, optee.DecryptCmdLoadKey, d.key.param(optee.AttrRMemInput, 0, 16), out(0, 0, 0)))
	d.want("load key", a, optee.Success, optee.OriginTEE)
	return uint32(a.Params[1].U[0])
}

// decrypt gives what a sample becomes, 11 octets into the pool.
func (d *decrypting) decrypt(key uint32, sample []byte, info optee.SampleInfo) []byte {
	d.Helper()
	d.write(d.sample.addr, sample)
	b := info.AppendTo(nil)
	d.write(d.info.addr, b)
	a := d.patient(0, invokeArg(d.s, d.command, d.sample.param(optee.AttrRMemInput, 0, uint64(len(sample))), d.pool.param(optee.AttrRMemOutput, 11, 79*page),
		d.info.param(optee.AttrRMemInput, 0, uint64(len(b))), in(uint64(key), uint64(len(info.IV)), 0)))
	d.want("decrypt", a, optee.Success, optee.OriginTEE)
	if a.Params[1].Size() != uint64(len(sample)) {
		d.Errorf("%d octets, want %d", a.Params[1].Size(), len(sample))
	}
	return d.pool.get(11, len(sample))
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	must(t, err)
	return b
}

// inBothCommands runs a test with decryption by the processor and by the crypto engine.
func inBothCommands(t *testing.T, test func(t *testing.T, d *decrypting)) {
	t.Helper()
	for name, command := range map[string]uint32{"processor": optee.DecryptCmdDecrypt, "engine": optee.DecryptCmdDecryptEngine} {
		t.Run(name, func(t *testing.T) {
			inTwoWays(t, func(t *testing.T, c *caller) {
				d := newDecrypting(c)
				d.command = command
				test(t, d)
			})
		})
	}
}

// patient is a call that is answered with interrupts and sleeps: a millisecond passes in each of these, a microsecond in each of those.
func (c *caller) patient(slot uint64, a optee.Arg) optee.Arg {
	c.Helper()
	y := c.begin(slot, a)
	for range 10_000 {
		switch y.kind {
		case "interrupt":
			c.pass(1000)
			y.resume()
			continue
		case "rpc":
			c.pass(1_000_000)
			y.answer(optee.Success)
			continue
		}
		break
	}
	return y.result()
}

// pass lets virtual time pass.
func (c *caller) pass(ns uint64) {
	clock := &c.h.clock
	for end := clock.Now() + ns; clock.Now() < end; {
		clock.Advance(min(clock.Next(), end))
		clock.Expire()
	}
}

// The engine works for one call at a time: others wait, give up, or are cancelled; nothing stays behind.
func TestDecryptByEngine(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		d := newDecrypting(c)
		d.command = optee.DecryptCmdDecryptEngine
		octets := bytes.Repeat([]byte{7}, 16)
		key := d.load(octets)
		e := &decrypting{c, c.open(optee.DecryptUUID()), d.key, d.sample, d.info, d.to, d.pool, d.command}
		key2 := e.load(octets)
		info := optee.SampleInfo{IV: make([]byte, 8)}
		c.write(d.info.addr, info.IV)
		arg := func(d *decrypting, key uint32, n, to uint64) optee.Arg {
			a := invokeArg(d.s, d.command, d.sample.param(optee.AttrRMemInput, 0, n), d.pool.param(optee.AttrRMemOutput, to, n),
				d.info.param(optee.AttrRMemInput, 0, 8), in(uint64(key), 8, 0))
			a.CancelID = d.s
			return a
		}
		y := c.begin(0, arg(d, key, 40*page, 0))
		if y.kind != "interrupt" {
			t.Fatalf("the engine is at work, the call is %s", y.kind)
		}
		// Another one waits, and gives up in the end when nothing moves.
		z := c.begin(1, arg(e, key2, 64, 41*page))
		rounds := 0
		for ; z.kind != "done"; rounds++ {
			if z.kind == "rpc" {
				z.answer(optee.Success)
			} else {
				z.resume()
			}
		}
		c.want("a call that waits too long", z.result(), optee.ErrorBusy, optee.OriginTrustedApp)
		// Protected memory and buffers of a call under way stay where they are.
		if c.byFFA {
			if got := c.service(8, d.pool.ref&0xFFFF_FFFF, d.pool.ref>>32); got[0] != busy {
				t.Errorf("RELEASE_PROTMEM while the engine works: %x", got)
			}
		} else {
			c.want("RECLAIM_PROTMEM while the engine works", c.begin(2, cookieArg(optee.CmdReclaimProtmem, d.pool.ref)).result(), optee.ErrorBusy, optee.OriginTEE)
		}
		// The normal world's clients have no way to the key.
		if v, _ := c.ap.Load(aesBase+0x100+15*4, 4); v != 0 {
			t.Errorf("the secure world's slot shows %#x", v)
		}
		// The first one is cancelled; another one can work then.
		c.want("CANCEL", c.begin(2, optee.Arg{Cmd: optee.CmdCancel, Session: d.s, CancelID: d.s}).result(), optee.Success, optee.OriginTEE)
		c.want("a call that is cancelled", y.resume().result(), optee.ErrorCancel, optee.OriginTrustedApp)
		c.want("another call", c.patient(1, arg(e, key2, 64, 41*page)), optee.Success, optee.OriginTEE)
		if v, _ := c.s.Load(aesBase+0x1100+15*4, 4); v != 0 {
			t.Errorf("the slot holds a key when all is over: %#x", v)
		}
		c.want("nothing", c.patient(1, arg(e, key2, 0, 0)), optee.Success, optee.OriginTEE)
		c.want("no key", c.patient(1, arg(e, 99, 64, 0)), optee.ErrorItemNotFound, optee.OriginTrustedApp)
		// More parts than a list has entries.
		long := optee.SampleInfo{IV: make([]byte, 8)}
		for range 2100 {
			long.Subsamples = append(long.Subsamples, optee.Subsample{Clear: 1, Encrypted: 1})
		}
		big := c.area(4*page, 0)
		b := long.AppendTo(nil)
		c.write(big.addr, b)
		c.want("too many parts", c.patient(1, invokeArg(e.s, e.command, d.sample.param(optee.AttrRMemInput, 0, 4200), d.pool.param(optee.AttrRMemOutput, 0, page*2),
			big.param(optee.AttrRMemInput, 0, uint64(len(b))), in(uint64(key2), 8, 0))), optee.ErrorNotSupported, optee.OriginTrustedApp)
		c.unprotect(d.pool.ref)
		c.consistent()
	})
	inTwoWays(t, func(t *testing.T, c *caller) {
		d := newDecrypting(c)
		key := d.load(make([]byte, 16))
		c.want("no memory for lists", c.call1(invokeArg(d.s, optee.DecryptCmdDecryptEngine, d.sample.param(optee.AttrRMemInput, 0, 16),
			d.pool.param(optee.AttrRMemOutput, 0, 16), d.info.param(optee.AttrRMemInput, 0, 8), in(uint64(key), 8, 0))), optee.ErrorNotSupported, optee.OriginTrustedApp)
	}, func(c *Config) { c.CryptoLists.Size = 0 })
}

// NIST SP 800-38A, F.5.1: CTR-AES128.
func TestDecryptNIST(t *testing.T) {
	inBothCommands(t, func(t *testing.T, d *decrypting) {
		key := d.load(unhex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
		iv := unhex(t, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
		sample := unhex(t, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee")
		want := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
		if got := d.decrypt(key, sample, optee.SampleInfo{IV: iv}); !bytes.Equal(got, want) {
			t.Errorf("% x", got)
		}
	})
}

// cenc is Common Encryption by the book: one key stream for the encrypted octets of the sample, from counter blocks that are made one
// by one. Encrypting and decrypting are the same.
func cenc(t *testing.T, key, sample []byte, info optee.SampleInfo) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	must(t, err)
	counter := make([]byte, 16)
	copy(counter, info.IV)
	var stream []byte
	for len(stream) < len(sample) {
		k := make([]byte, 16)
		block.Encrypt(k, counter)
		stream = append(stream, k...)
		for i := 15; i >= 8; i-- {
			if counter[i]++; counter[i] != 0 {
				break
			}
		}
	}
	subsamples := info.Subsamples
	if subsamples == nil {
		subsamples = []optee.Subsample{{Encrypted: uint32(len(sample))}}
	}
	result := bytes.Clone(sample)
	at := 0
	for _, x := range subsamples {
		at += int(x.Clear)
		for range x.Encrypted {
			result[at] ^= stream[0]
			stream = stream[1:]
			at++
		}
	}
	return result
}

// Samples with and without subsamples, of all sizes, against the standard library and the book.
func TestDecryptSamples(t *testing.T) {
	inBothCommands(t, func(t *testing.T, d *decrypting) {
		rng := rand.New(rand.NewPCG(3, 4))
		random := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b
		}
		octets := random(16)
		key := d.load(octets)
		d.load(random(16))
		for i := range 40 {
			iv := random([]int{8, 16}[i%2])
			if i%4 == 3 {
				// The counter wraps in the middle, and the upper half of the block must not notice.
				copy(iv[8:], bytes.Repeat([]byte{0xFF}, 8))
			}
			info := optee.SampleInfo{IV: iv}
			n := rng.IntN(300)
			if i%8 == 0 {
				n = 0x1_0000 + rng.IntN(0x2_0000)
			}
			if i%3 != 0 {
				n = 0
				for range rng.IntN(8) + 1 {
					x := optee.Subsample{Clear: uint16(rng.IntN(70)), Encrypted: uint32(rng.IntN(100))}
					if i%5 == 0 {
						x = optee.Subsample{Clear: uint16(rng.IntN(0x1_0000)), Encrypted: 0}
					}
					info.Subsamples = append(info.Subsamples, x)
					n += int(x.Clear) + int(x.Encrypted)
				}
			}
			clear := random(n)
			sample := cenc(t, octets, clear, info)
			if got := d.decrypt(key, sample, info); !bytes.Equal(got, clear) {
				t.Fatalf("sample %d of %d octets, %+v: other contents", i, n, info)
			}
			if info.Subsamples == nil && i%4 != 3 {
				block, err := aes.NewCipher(octets)
				must(t, err)
				want := make([]byte, n)
				cipher.NewCTR(block, append(bytes.Clone(iv), make([]byte, 16-len(iv))...)).XORKeyStream(want, sample)
				if !bytes.Equal(want, clear) {
					t.Fatal("the book is wrong")
				}
			}
		}
	})
}

// What the decryption application refuses: above all to let anything out of protected memory.
func TestDecryptRefuses(t *testing.T) {
	inBothCommands(t, func(t *testing.T, d *decrypting) {
		c := d.caller
		key := uint64(d.load(bytes.Repeat([]byte{1}, 16)))
		other := c.open(optee.DecryptUUID())
		const rin, rout, inout = optee.AttrRMemInput, optee.AttrRMemOutput, optee.AttrRMemInOut
		d.write(d.info.addr, bytes.Repeat([]byte{9}, 64))
		decrypt := func(s uint32, p0, p1, p2, p3 optee.Param) optee.Arg {
			return invokeArg(s, d.command, p0, p1, p2, p3)
		}
		sample, to, info, value := d.sample.param(rin, 0, 32), d.pool.param(rout, 0, 32), d.info.param(rin, 0, 8), in(key, 8, 0)
		c.want("as it should be", c.patient(0, decrypt(d.s, sample, to, info, value)), optee.Success, optee.OriginTEE)
		// All of the memory has been used once.
		c.patient(0, decrypt(d.s, d.to.param(rin, 0, 32), to, info, value))
		// One clear octet and one encrypted one do not make 32.
		d.write(d.info.addr+16, append(make([]byte, 8), 0, 1, 0, 1, 0, 0, 0, 1))
		for _, tc := range []struct {
			what string
			a    optee.Arg
			ret  optee.Result
		}{
			{"to normal memory", decrypt(d.s, sample, d.to.param(rout, 0, 32), info, value), optee.ErrorAccessDenied},
			{"to nowhere", decrypt(d.s, sample, c.null(rout), info, value), optee.ErrorAccessDenied},
			{"from protected to normal memory", decrypt(d.s, d.pool.param(rin, 0, 32), d.to.param(rout, 0, 32), info, value), optee.ErrorAccessDenied},
			{"from protected memory", decrypt(d.s, d.pool.param(rin, 64, 32), to, info, value), optee.ErrorAccessDenied},
			{"an IV from protected memory", decrypt(d.s, sample, to, d.pool.param(rin, 64, 8), value), optee.ErrorAccessDenied},
			{"no key of that number", decrypt(d.s, sample, to, info, in(key+1, 8, 0)), optee.ErrorItemNotFound},
			{"a key of another session", decrypt(other, sample, to, info, value), optee.ErrorItemNotFound},
			{"an IV of 12 octets", decrypt(d.s, sample, to, d.info.param(rin, 0, 12), in(key, 12, 0)), optee.ErrorBadParameters},
			{"half an IV", decrypt(d.s, sample, to, d.info.param(rin, 0, 4), value), optee.ErrorBadParameters},
			{"a map that ends early", decrypt(d.s, sample, to, d.info.param(rin, 16, 15), value), optee.ErrorBadParameters},
			{"a map of another size", decrypt(d.s, sample, to, d.info.param(rin, 16, 16), value), optee.ErrorBadFormat},
			{"a map without end", decrypt(d.s, sample, to, d.sample.param(rin, 0, 80*page), value), optee.ErrorBadParameters},
			{"no room", decrypt(d.s, sample, d.pool.param(rout, 0, 31), info, value), optee.ErrorShortBuffer},
			{"sample in and out", decrypt(d.s, d.sample.param(inout, 0, 32), to, info, value), optee.ErrorBadParameters},
			{"no value", decrypt(d.s, sample, to, info, optee.Param{}), optee.ErrorBadParameters},
			{"a key of 15 octets", invokeArg(d.s, 0, d.key.param(rin, 0, 15), out(0, 0, 0)), optee.ErrorBadParameters},
			{"a key of no octets", invokeArg(d.s, 0, c.null(rin), out(0, 0, 0)), optee.ErrorBadParameters},
			{"a key that comes back", invokeArg(d.s, 0, d.key.param(inout, 0, 16), out(0, 0, 0)), optee.ErrorBadParameters},
			{"unloading what is not there", invokeArg(d.s, 2, in(key+1, 0, 0)), optee.ErrorItemNotFound},
			{"unloading nothing", invokeArg(d.s, 2), optee.ErrorBadParameters},
			{"unknown", invokeArg(d.s, 4), optee.ErrorNotImplemented},
		} {
			before, open := d.pool.get(0, 128), c.read(d.to.addr, 128)
			state := c.state()
			a := c.call1(tc.a)
			c.want(tc.what, a, tc.ret, optee.OriginTrustedApp)
			if tc.ret == optee.ErrorShortBuffer && a.Params[1].Size() != 32 {
				t.Errorf("%s: needs %d octets", tc.what, a.Params[1].Size())
			}
			if !bytes.Equal(d.pool.get(0, 128), before) || !bytes.Equal(c.read(d.to.addr, 128), open) {
				t.Errorf("%s is refused but writes", tc.what)
			}
			c.same(tc.what, state)
		}
		// Sixteen keys, and no more until one goes.
		for range 15 {
			d.load(make([]byte, 16))
		}
		load := invokeArg(d.s, optee.DecryptCmdLoadKey, d.key.param(rin, 0, 16), out(0, 0, 0))
		c.want("a key too many", c.call1(load), optee.ErrorOutOfMemory, optee.OriginTrustedApp)
		c.want("unload", c.call1(invokeArg(d.s, 2, in(key, 0, 0))), optee.Success, optee.OriginTEE)
		c.want("a key that is gone", c.call1(decrypt(d.s, sample, to, info, value)), optee.ErrorItemNotFound, optee.OriginTrustedApp)
		again := d.load(make([]byte, 16))
		if uint64(again) == key {
			t.Error("the number of a key is used again")
		}
		// A session takes its keys along.
		c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: d.s}), optee.Success, optee.OriginTEE)
		if s := c.open(optee.DecryptUUID()); s != d.s {
			t.Fatalf("session %d, want %d once more", s, d.s)
		}
		c.want("a key of the session before", c.call1(decrypt(d.s, sample, to, info, in(uint64(again), 8, 0))), optee.ErrorItemNotFound, optee.OriginTrustedApp)
	})
}

// The probe's commands that need nothing of the normal world.
func TestProbe(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		s := c.open(optee.ProbeUUID())
		m, to := c.area(3*page, 6), c.area(3*page, 9)
		p := c.pool1(1)
		for _, ret := range []optee.Result{0, 1, optee.ErrorBusy, optee.ErrorTargetDead, 0xFFFF_FFFF} {
			origin := optee.OriginTrustedApp
			if ret == 0 {
				origin = optee.OriginTEE
			}
			c.want("result", c.call1(invokeArg(s, optee.ProbeCmdResult, in(uint64(ret), 0, 0))), ret, origin)
		}
		for _, tc := range []struct {
			what  string
			p     optee.Param
			flags uint64
			size  uint64
		}{
			{"normal", m.param(optee.AttrRMemInput, 5, 600), 0, 600}, {"protected", p.param(optee.AttrRMemOutput, 1, 7), 1, 7}, {"NULL", c.null(optee.AttrRMemInOut), 2, 0},
		} {
			a := c.call1(invokeArg(s, optee.ProbeCmdMemory, tc.p, out(9, 9, 9)))
			if a.Ret != 0 || a.Params[1].U != [3]uint64{tc.flags, tc.size, 9} {
				t.Errorf("%s: %+v", tc.what, a)
			}
		}
		data := bytes.Repeat([]byte("copy"), 1500)
		c.write(m.addr, data)
		c.want("copy", c.call1(invokeArg(s, optee.ProbeCmdCopy, m.param(optee.AttrRMemInput, 0, 6000), to.param(optee.AttrRMemOutput, 1, 6000))), optee.Success, optee.OriginTEE)
		if !bytes.Equal(c.read(to.addr+1, 6000), data) {
			t.Error("copy: other contents")
		}
		c.want("copy out", c.call1(invokeArg(s, optee.ProbeCmdCopy, p.param(optee.AttrRMemInput, 0, 8), to.param(optee.AttrRMemOutput, 1, 8))), optee.ErrorSecurity, optee.OriginTrustedApp)
		c.want("copy within", c.call1(invokeArg(s, optee.ProbeCmdCopy, p.param(optee.AttrRMemInput, 0, 8), p.param(optee.AttrRMemOutput, 9, 8))), optee.Success, optee.OriginTEE)
		a := c.call1(invokeArg(s, optee.ProbeCmdCopy, m.param(optee.AttrRMemInput, 0, 6000), to.param(optee.AttrRMemOutput, 1, 5)))
		c.want("copy without room", a, optee.ErrorShortBuffer, optee.OriginTrustedApp)
		if a.Params[1].Size() != 6000 {
			t.Errorf("needs %d octets", a.Params[1].Size())
		}
		c.want("five buffers", c.call1(invokeArg(s, optee.ProbeCmdAllocate, in(1, 8, 0), in(5, 0, 0), out(0, 0, 0))), optee.ErrorBadParameters, optee.OriginTrustedApp)
		c.want("too many interrupts", c.call1(invokeArg(s, optee.ProbeCmdInterrupt, in(1001, 0, 0))), optee.ErrorBadParameters, optee.OriginTrustedApp)
		for command := range uint32(15) {
			c.want(fmt.Sprint("types of command ", command), c.call1(invokeArg(s, command, both(0, 0), both(0, 0), both(0, 0), both(0, 0))), optee.ErrorBadParameters, optee.OriginTrustedApp)
		}
		c.want("unknown", c.call1(invokeArg(s, 15)), optee.ErrorNotImplemented, optee.OriginTrustedApp)
		c.want("open that is refused", c.call1(openArg(optee.ProbeUUID(), 0, in(0xFFFF_0001, 0, 0))), optee.ErrorAccessDenied, optee.OriginTrustedApp)
	})
}
