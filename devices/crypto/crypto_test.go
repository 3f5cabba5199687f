package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

const (
	base    = 0x0B11_0000
	ramBase = 0x4000_0000
	ramSize = 1 << 20
	hole    = 0x7000_0000

	srcAt  = ramBase + 0x1_0000
	dstAt  = ramBase + 0x4_0000
	listAt = ramBase + 0x8_0000
	more   = ramBase + 0x9_0000
)

var (
	cpu    = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	secure = bus.Attr{Secure: true, Privileged: true}
)

type line struct{ level bool }

func (l *line) Set(level bool) { l.level = level }

// wall is the firewall before memory: rights of each NSAID on each page, as bits 0 read and 1 write. What stands nowhere is open to
// all ordinary masters.
type wall struct {
	pages  map[uint64]map[uint8]int
	silent bool
	seen   []string // denials
}

func (w *wall) Allows(addr uint64, write bool, a bus.Attr) bool {
	if a.Secure {
		return true
	}
	p, closed := w.pages[addr&^(bus.PageSize-1)]
	if !closed {
		return a.NSAID != bus.NSAIDCryptoProtected
	}
	bit := 1
	if write {
		bit = 2
	}
	return p[a.NSAID]&bit != 0
}

func (w *wall) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	if w.Allows(addr, write, a) {
		return bus.Allow
	}
	w.seen = append(w.seen, fmt.Sprintf("%#x write %v by %d", addr, write, a.NSAID))
	if w.silent {
		return bus.DenyOKAY
	}
	return bus.DenyDECERR
}

// board is an engine before memory. The test is both worlds.
type board struct {
	testing.TB
	bus   bus.Bus
	clock vtime.Clock
	e     *Engine
	irq   line
	wall  wall
	ram   *bus.RAM
}

func newBoard(t testing.TB) *board {
	t.Helper()
	b := &board{TB: t, wall: wall{pages: map[uint64]map[uint8]int{}}}
	ram, err := bus.NewRAM(ramSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	b.ram = ram
	port := func(a bus.Attr) *bus.Port { return bus.NewPort(&b.bus, a) }
	b.e = New(Ports{Normal: port(bus.Attr{NSAID: bus.NSAIDCrypto}), Protected: port(bus.Attr{NSAID: bus.NSAIDCryptoProtected}),
		Ordinary: port(bus.Attr{NSAID: bus.NSAIDDefault}), Secure: port(bus.Attr{Secure: true})}, &b.clock, nil)
	b.e.IRQ = &b.irq
	for _, r := range []bus.Region{
		{Name: "ram", Base: ramBase, Size: ramSize, RAM: ram, Filter: &b.wall},
		{Name: "crypto", Base: base, Size: Size, Dev: b.e},
	} {
		if err := b.bus.Map(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// protect leaves a page to NSAIDs: rights are bits 0 read and 1 write of the engine's own and its confined identity.
func (b *board) protect(addr uint64, rights int) {
	b.wall.pages[addr&^(bus.PageSize-1)] = map[uint8]int{bus.NSAIDCrypto: rights, bus.NSAIDCryptoProtected: rights}
}

// set writes a register of a bank, with a transaction that may.
func (b *board) set(bank, off uint64, v uint32) {
	b.Helper()
	a := cpu
	if bank == SecureBank {
		a = secure
	}
	if resp := b.bus.Store(base+bank+off, 4, uint64(v), a); resp != bus.OKAY {
		b.Fatalf("register %#x: %v", bank+off, resp)
	}
}

func (b *board) get(bank, off uint64) uint32 {
	b.Helper()
	a := cpu
	if bank == SecureBank {
		a = secure
	}
	v, resp := b.bus.Load(base+bank+off, 4, a)
	if resp != bus.OKAY {
		b.Fatalf("register %#x: %v", bank+off, resp)
	}
	return uint32(v)
}

func (b *board) write(addr uint64, p []byte) {
	b.Helper()
	if resp := b.bus.Write(addr, p, secure); resp != bus.OKAY {
		b.Fatal(resp)
	}
}

func (b *board) read(addr uint64, n int) []byte {
	b.Helper()
	p := make([]byte, n)
	if resp := b.bus.Read(addr, p, secure); resp != bus.OKAY {
		b.Fatal(resp)
	}
	return p
}

const anything = AttrNormal | AttrEncrypt | AttrDecrypt | AttrCounter | AttrChaining | AttrCopy

// load loads a key.
func (b *board) load(slot uint32, key []byte, attr uint32) {
	b.Helper()
	b.set(SecureBank, KeySlot, slot)
	b.set(SecureBank, KeyAttr, attr|uint32(len(key)-16)/8)
	for i := 0; i < len(key); i += 4 {
		b.set(SecureBank, Key+uint64(i), binary.LittleEndian.Uint32(key[i:]))
	}
	b.set(SecureBank, KeyCommand, Load)
	if b.get(SecureBank, KeyStatus) != 0 {
		b.Fatal("LOAD is refused")
	}
}

// piece1 is one entry of a list.
type piece1 struct {
	addr  uint64
	n     uint32
	flags uint32
}

// list writes a list of 16-byte entries and gives the registers of a buffer.
func (b *board) list(at uint64, pieces ...piece1) buffer {
	var p []byte
	for i, x := range pieces {
		if i == len(pieces)-1 && x.flags&Link == 0 {
			x.flags |= Last
		}
		p = binary.LittleEndian.AppendUint64(p, x.addr)
		p = binary.LittleEndian.AppendUint32(p, x.n)
		p = binary.LittleEndian.AppendUint32(p, x.flags)
	}
	b.write(at, p)
	return buffer{addrLo: uint32(at), addrHi: uint32(at >> 32), kind: List64}
}

func memory(addr uint64) buffer { return buffer{addrLo: uint32(addr), addrHi: uint32(addr >> 32)} }

// request is a job.
type request struct {
	mode, slot, length uint32
	iv                 []byte
	src, dst           buffer
	identity           uint32
}

// program sets the parameters of a job.
func (b *board) program(bank uint64, q request) {
	b.Helper()
	b.set(bank, Mode, q.mode)
	b.set(bank, Slot, q.slot)
	b.set(bank, Length, q.length)
	b.set(bank, Identity, q.identity)
	iv := make([]byte, 16)
	copy(iv, q.iv)
	for i := range 4 {
		b.set(bank, IV+4*uint64(i), binary.LittleEndian.Uint32(iv[4*i:]))
	}
	for i, x := range []buffer{q.src, q.dst} {
		at := Source + 0x20*uint64(i)
		for off, v := range map[uint64]uint32{AddrLo: x.addrLo, AddrHi: x.addrHi, Kind: x.kind, Offset: x.offset, LengthLimit: x.limit} {
			b.set(bank, at+off, v)
		}
	}
}

// wait lets time pass until a bank has no job.
func (b *board) wait(bank uint64) {
	b.Helper()
	for range 1 << 20 {
		if b.get(bank, Status)&Busy == 0 {
			return
		}
		next := b.clock.Next()
		if next == vtime.Never {
			b.Fatal("a job is under way, and no timer runs")
		}
		b.clock.Advance(next)
		b.clock.Expire()
	}
	b.Fatal("a job does not end")
}

// run runs a job and gives its result.
func (b *board) run(bank uint64, q request) Result {
	b.Helper()
	b.program(bank, q)
	b.set(bank, Control, Start)
	b.wait(bank)
	return Result(b.get(bank, Status) >> ResultShift)
}

func (b *board) want(what string, got, want Result) {
	b.Helper()
	if got != want {
		b.Errorf("%s: result %v, want %v", what, got, want)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The vectors of NIST SP 800-38A, appendix F: CBC (F.2) and CTR (F.5), for each size of key.
func TestVectors(t *testing.T) {
	plain := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for _, v := range []struct{ key, cbc, ctr string }{
		{"2b7e151628aed2a6abf7158809cf4f3c",
			"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
			"874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
			"4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
			"1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
			"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
			"601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6"},
	} {
		for _, bank := range []uint64{NormalBank, SecureBank} {
			b := newBoard(t)
			b.load(3, unhex(t, v.key), anything)
			for _, m := range []struct {
				mode    uint32
				iv, out string
			}{{CBC, "000102030405060708090a0b0c0d0e0f", v.cbc}, {CTR, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", v.ctr}} {
				out := unhex(t, m.out)
				for _, d := range []struct {
					mode     uint32
					in, want []byte
				}{{m.mode, plain, out}, {m.mode | Decrypt, out, plain}} {
					b.write(srcAt, d.in)
					b.want("job", b.run(bank, request{mode: d.mode, slot: 3, length: 64, iv: unhex(t, m.iv), src: memory(srcAt), dst: memory(dstAt)}), OK)
					if got := b.read(dstAt, 64); !bytes.Equal(got, d.want) {
						t.Errorf("%d bits, mode %#x: %x, want %x", len(v.key)*4, d.mode, got, d.want)
					}
				}
			}
		}
	}
}

// model computes a job on the bytes themselves. In counter mode each octet's place in the key stream is counted by hand.
func model(key, iv []byte, mode uint32, data []byte, copied []bool) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := bytes.Clone(data)
	if mode&CBC != 0 {
		if mode&Decrypt != 0 {
			cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
		} else {
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
		}
		return out
	}
	used := int64(0)
	for i := range out {
		if copied[i] {
			continue
		}
		counter := new(big.Int).SetBytes(iv)
		if mode&Counter64 != 0 {
			counter = new(big.Int).SetBytes(iv[8:])
		}
		counter.Add(counter, big.NewInt(used/16))
		octets := counter.FillBytes(make([]byte, 24))
		full := append([]byte(nil), octets[8:]...)
		if mode&Counter64 != 0 {
			copy(full, iv[:8])
		}
		stream := make([]byte, 16)
		block.Encrypt(stream, full)
		out[i] ^= stream[used%16]
		used++
	}
	return out
}

// cut splits n bytes at random, and places the pieces at random in an area without overlap.
func cut(rng *rand.Rand, area uint64, n, pieces int, flags func() uint32) (list []piece1) {
	left := n
	at := area
	for i := range pieces {
		k := left
		if i < pieces-1 {
			k = rng.IntN(left + 1)
		}
		if k == 0 {
			continue
		}
		at += uint64(rng.IntN(50))
		list = append(list, piece1{at, uint32(k), flags()})
		at += uint64(k)
		left -= k
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// Random keys, modes, lengths and lists against crypto/aes: the destination holds what the model says, and nothing else changes.
func TestRandomLists(t *testing.T) {
	b := newBoard(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		key := make([]byte, 16+8*rng.IntN(3))
		iv := make([]byte, 16)
		for k := range key {
			key[k] = byte(rng.Uint32())
		}
		for k := range iv {
			iv[k] = byte(rng.Uint32())
			if k > 3 && i%3 == 0 {
				iv[k] = 0xFF // the counter wraps
			}
		}
		mode := []uint32{CTR, CTR | Counter64, CTR | Decrypt, CBC, CBC | Decrypt}[rng.IntN(5)]
		n := rng.IntN([]int{20, 200, 20000}[i%3]) + 1
		if mode&CBC != 0 {
			n = (n + 15) &^ 15
		}
		slot := rng.Uint32N(Slots)
		b.load(slot, key, anything)
		noise := make([]byte, 0x3_0000)
		for k := range noise {
			noise[k] = byte(rng.Uint32())
		}
		b.write(srcAt, noise)
		b.write(dstAt, noise)
		flags := func() uint32 { return 0 }
		if mode&CBC == 0 {
			flags = func() uint32 { return rng.Uint32N(2) * Copy }
		}
		in := cut(rng, srcAt, n, rng.IntN(12)+1, flags)
		out := cut(rng, dstAt, n, rng.IntN(12)+1, func() uint32 { return 0 })
		var data []byte
		var copied []bool
		for _, p := range in {
			data = append(data, noise[p.addr-srcAt:][:p.n]...)
			for range p.n {
				copied = append(copied, p.flags&Copy != 0)
			}
		}
		want := bytes.Clone(noise)
		result := model(key, iv, mode, data, copied)
		for _, p := range out {
			copy(want[p.addr-dstAt:][:p.n], result)
			result = result[p.n:]
		}
		bank := []uint64{NormalBank, SecureBank}[rng.IntN(2)]
		r := b.run(bank, request{mode: mode, slot: slot, length: uint32(n), iv: iv, src: b.list(listAt, in...), dst: b.list(more, out...)})
		b.want("job", r, OK)
		if got := b.read(dstAt, len(noise)); !bytes.Equal(got, want) {
			t.Fatalf("job %d, mode %#x, %d bytes: wrong output", i, mode, n)
		}
		if !bytes.Equal(b.read(srcAt, len(noise)), noise) {
			t.Fatalf("job %d changes its source", i)
		}
		if rd, wr := b.get(bank, BytesRead), b.get(bank, BytesWritten); rd != uint32(n) || wr != uint32(n) {
			t.Fatalf("%d read, %d written, want %d", rd, wr, n)
		}
	}
}

// In place, and in pieces that CONTINUE: the same as in one job.
func TestInPlaceAndContinue(t *testing.T) {
	for _, mode := range []uint32{CTR, CTR | Counter64, CBC, CBC | Decrypt} {
		b := newBoard(t)
		key, iv := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{0xFF}, 16)
		b.load(0, key, anything)
		data := make([]byte, 3*Chunk)
		for i := range data {
			data[i] = byte(i * i)
		}
		want := model(key, iv, mode, data, make([]bool, len(data)))
		b.write(srcAt, data)
		at := uint64(0)
		for i, n := range []uint32{Chunk, 16, 2*Chunk - 16} {
			q := request{mode: mode, length: n, iv: iv, src: memory(srcAt + at), dst: memory(srcAt + at)}
			if i > 0 {
				q.mode |= Continue
				q.iv = nil
			}
			b.want("job", b.run(NormalBank, q), OK)
			at += uint64(n)
		}
		if got := b.read(srcAt, len(data)); !bytes.Equal(got, want) {
			t.Errorf("mode %#x: wrong output", mode)
		}
		again := request{mode: mode | Continue, length: 16, src: memory(srcAt), dst: memory(dstAt)}
		other := again
		other.mode ^= Decrypt
		b.want("another direction", b.run(NormalBank, other), Parameter)
		b.want("after a job that failed", b.run(NormalBank, again), Parameter)
		again.mode &^= Continue
		b.want("anew", b.run(NormalBank, again), OK)
		again.mode |= Continue
		b.want("the other bank", b.run(SecureBank, again), Parameter)
		b.load(0, key, anything)
		b.want("another key", b.run(NormalBank, again), Parameter)
	}
}

// Keys: written by secure transactions, read by nobody, used as their slots allow.
func TestKeySlots(t *testing.T) {
	b := newBoard(t)
	secret := bytes.Repeat([]byte{0xA5}, 32)
	b.load(1, secret, anything)
	for off := uint64(0); off < Size; off += 4 {
		for _, a := range []bus.Attr{cpu, secure} {
			v, resp := b.bus.Load(base+off, 4, a)
			switch {
			case off >= SecureBank && !a.Secure:
				if resp != bus.DECERR || v != 0 {
					t.Errorf("non-secure read of %#x: %#x, %v", off, v, resp)
				}
				if resp := b.bus.Store(base+off, 4, 0xFFFF_FFFF, a); resp != bus.DECERR {
					t.Errorf("non-secure write of %#x: %v", off, resp)
				}
			case resp != bus.OKAY || v == 0xA5A5_A5A5:
				t.Errorf("read of %#x: %#x, %v", off, v, resp)
			}
		}
	}
	if a := b.get(NormalBank, SlotAttr+4); a != anything|Size256|AttrValid {
		t.Errorf("attributes %#x", a)
	}
	// In the normal bank the key registers do not exist.
	b.set(NormalBank, KeySlot, 1)
	b.set(NormalBank, KeyCommand, Clear)
	b.set(NormalBank, Lock, 1)
	if a := b.get(NormalBank, SlotAttr+4); a&AttrValid == 0 || b.get(SecureBank, Lock) != 0 {
		t.Error("the normal bank changes a slot")
	}
	job := request{slot: 1, length: 16, src: memory(srcAt), dst: memory(dstAt)}
	with := func(mode uint32) request { j := job; j.mode = mode; return j }
	for _, tc := range []struct {
		attr uint32
		mode uint32
		want Result
	}{
		{anything, CTR, OK}, {anything &^ AttrNormal, CTR, NoKey}, {AttrNormal | AttrCounter, CTR, NoKey},
		{AttrNormal | AttrCounter | AttrDecrypt, CTR, OK}, {AttrNormal | AttrCounter | AttrEncrypt, CTR | Decrypt, OK},
		{AttrNormal | AttrChaining | AttrEncrypt, CTR, NoKey}, {AttrNormal | AttrChaining | AttrEncrypt, CBC, OK},
		{AttrNormal | AttrChaining | AttrEncrypt, CBC | Decrypt, NoKey}, {AttrNormal | AttrChaining | AttrDecrypt, CBC | Decrypt, OK},
		{AttrNormal | AttrChaining | AttrDecrypt, CBC, NoKey}, {AttrNormal | AttrCounter | AttrDecrypt, CBC | Decrypt, NoKey},
	} {
		b.load(1, secret, tc.attr)
		b.want(fmt.Sprintf("attributes %#x, mode %#x", tc.attr, tc.mode), b.run(NormalBank, with(tc.mode)), tc.want)
		b.want("the secure bank", b.run(SecureBank, with(tc.mode)), OK)
	}
	b.load(1, secret, anything&^AttrCopy)
	j := job
	j.src = b.list(listAt, piece1{srcAt, 16, Copy})
	b.want("COPY", b.run(NormalBank, j), NoKey)
	b.want("COPY for the secure bank", b.run(SecureBank, j), OK)
	j.src, j.dst = job.src, b.list(listAt, piece1{dstAt, 16, Copy})
	b.want("COPY in a destination", b.run(SecureBank, j), NoKey)
	j.src, j.dst, j.mode = b.list(listAt, piece1{srcAt, 16, Copy}), job.dst, CBC
	b.want("COPY with chaining", b.run(SecureBank, j), NoKey)
	for _, attr := range []uint32{3, 1 << 10, AsSecure << AttrSource, AsSecure << AttrDest, 1 << 31} {
		b.set(SecureBank, KeyAttr, attr)
		b.set(SecureBank, KeyCommand, Load)
		if b.get(SecureBank, KeyStatus) != 1 {
			t.Errorf("attributes %#x are taken", attr)
		}
	}
	for _, w := range []uint32{0, 4, Load, Clear} {
		b.set(SecureBank, KeySlot, Slots)
		b.set(SecureBank, KeyCommand, w)
		if b.get(SecureBank, KeyStatus) != 1 {
			t.Errorf("command %d of slot %d is taken", w, Slots)
		}
	}
	b.set(SecureBank, KeySlot, 1)
	b.set(SecureBank, KeyCommand, Clear)
	b.want("a cleared slot", b.run(SecureBank, job), NoKey)
	// LOAD has taken the staged key: another LOAD gets zeros.
	b.load(2, secret[:16], anything)
	b.set(SecureBank, KeySlot, 3)
	b.set(SecureBank, KeyAttr, anything)
	b.set(SecureBank, KeyCommand, Load)
	j = job
	j.slot = 3
	b.want("a key of zeros", b.run(NormalBank, j), OK)
	if got, want := b.read(dstAt, 16), model(make([]byte, 16), make([]byte, 16), CTR, b.read(srcAt, 16), make([]bool, 16)); !bytes.Equal(got, want) {
		t.Errorf("the staged key is used twice: %x, want %x", got, want)
	}
	b.set(SecureBank, KeyCommand, ClearAll)
	b.want("all slots are cleared", b.run(NormalBank, j), NoKey)
}

// The identities of a job follow from its slot: a key for protected content writes nowhere where the normal world reads.
func TestIdentities(t *testing.T) {
	b := newBoard(t)
	key := make([]byte, 16)
	protected := uint64(dstAt)
	b.protect(protected, 3)
	b.protect(protected+bus.PageSize, 2) // for writing only
	open := uint64(srcAt)
	b.write(protected, bytes.Repeat([]byte{0x11}, 64))
	b.write(open, bytes.Repeat([]byte{0x22}, 64))
	for _, tc := range []struct {
		from, to int
		src, dst uint64
		want     Result
	}{
		{AsNormal, AsNormal, open, open, OK}, {AsNormal, AsNormal, open, protected, OK}, {AsNormal, AsNormal, protected, open, OK},
		{AsNormal, AsProtected, open, protected, OK}, {AsNormal, AsProtected, open, open, Fault}, {AsNormal, AsProtected, protected, protected, OK},
		{AsProtected, AsNormal, open, open, Fault}, {AsProtected, AsNormal, protected, open, OK}, {AsProtected, AsProtected, protected + bus.PageSize, protected, Fault},
		{AsOrdinary, AsNormal, open, open, OK}, {AsOrdinary, AsNormal, protected, open, Fault}, {AsOrdinary, AsProtected, open, protected, OK},
		{AsNormal, AsOrdinary, open, open, OK}, {AsNormal, AsOrdinary, open, protected, Fault},
		{AsNormal, AsNormal, open, base + KeySlot, Fault}, {AsNormal, AsNormal, base, open, Fault}, {AsNormal, AsNormal, hole, open, Fault},
	} {
		b.load(0, key, anything|uint32(tc.from)<<AttrSource|uint32(tc.to)<<AttrDest)
		before := b.read(ramBase, ramSize)
		r := b.run(NormalBank, request{length: 64, src: memory(tc.src), dst: memory(tc.dst)})
		b.want(fmt.Sprintf("%+v", tc), r, tc.want)
		if tc.want != OK && !bytes.Equal(b.read(ramBase, ramSize), before) {
			t.Errorf("%+v: refused, but memory has changed", tc)
		}
		// The secure bank chooses for itself.
		if tc.src < ramBase || tc.dst < ramBase || tc.src >= hole {
			continue
		}
		q := request{length: 64, src: memory(tc.src), dst: memory(tc.dst), identity: uint32(tc.from)<<SourceShift | uint32(tc.to)<<DestinationShift}
		b.want(fmt.Sprintf("secure bank, %+v", tc), b.run(SecureBank, q), tc.want)
		q.identity = AsSecure<<SourceShift | AsSecure<<DestinationShift
		b.want("secure transactions", b.run(SecureBank, q), OK)
	}
	// Lists: those of the normal bank are ordinary memory, those of the secure bank what it says.
	b.protect(listAt, 3)
	b.load(0, key, anything)
	q := request{length: 16, src: b.list(listAt, piece1{srcAt, 16, 0}), dst: memory(more)}
	b.want("a list in protected memory", b.run(NormalBank, q), Fault)
	if got := b.get(NormalBank, FaultInfo); got != FaultValid|FaultList|uint32(bus.DECERR)<<FaultResponseShift || b.get(NormalBank, FaultAddrLo) != listAt {
		t.Errorf("fault %#x at %#x", got, b.get(NormalBank, FaultAddrLo))
	}
	q.identity = AsSecure << ListShift
	b.want("a list in secure memory", b.run(SecureBank, q), OK)
}

// A denied access in the middle of a list stops the job: address, direction and cause stand in the registers, and the destination holds
// whole results of what came before, or nothing.
func TestDenied(t *testing.T) {
	for _, write := range []bool{false, true} {
		b := newBoard(t)
		key, iv := bytes.Repeat([]byte{1}, 16), make([]byte, 16)
		b.load(0, key, anything)
		data := make([]byte, 6*bus.PageSize)
		for i := range data {
			data[i] = byte(i>>8) + byte(i)
		}
		b.write(srcAt, data)
		in := []piece1{{srcAt, 5000, 0}, {srcAt + 5000, 7, 0}, {srcAt + 4*bus.PageSize, 5000, 0}}
		out := []piece1{{dstAt, 4100, 0}, {dstAt + 0x8000, 5000, 0}, {dstAt + 0x1_0000, 907, 0}}
		var flat []byte
		for _, p := range in {
			flat = append(flat, data[p.addr-srcAt:][:p.n]...)
		}
		want := model(key, iv, CTR, flat, make([]bool, len(flat)))
		denied, length := uint64(srcAt+4*bus.PageSize), 4096
		if write {
			// The second step has written four octets of the first piece before it comes to the second one.
			denied, length = dstAt+0x8000, 4100
		}
		b.protect(denied, 0)
		b.set(NormalBank, IntMask, Error)
		r := b.run(NormalBank, request{length: uint32(len(flat)), iv: iv, src: b.list(listAt, in...), dst: b.list(more, out...)})
		b.want("denied", r, Fault)
		info := uint32(FaultValid | uint32(bus.DECERR)<<FaultResponseShift)
		if write {
			info |= FaultWrite | destination<<FaultBufferShift
		}
		if got := b.get(NormalBank, FaultInfo); got != info || b.get(NormalBank, FaultAddrLo) != uint32(denied) || b.get(NormalBank, FaultAddrHi) != 0 {
			t.Errorf("write %v: fault %#x at %#x, want %#x at %#x", write, got, b.get(NormalBank, FaultAddrLo), info, denied)
		}
		if got := b.get(NormalBank, BytesWritten); got != uint32(length) {
			t.Errorf("write %v: %d bytes written, want %d", write, got, length)
		}
		if !b.irq.level || b.get(NormalBank, IntStatus) != Error {
			t.Errorf("write %v: interrupt %v, status %#x", write, b.irq.level, b.get(NormalBank, IntStatus))
		}
		b.set(NormalBank, IntRaw, Error)
		if b.irq.level {
			t.Error("the interrupt is not cleared")
		}
		exp := make([]byte, 0x1_1000)
		copy(exp[:4100], want[:length])
		if got := b.read(dstAt, len(exp)); !bytes.Equal(got, exp) {
			t.Errorf("write %v: the destination holds other bytes than the first %d", write, length)
		}
	}
}

// With silent denials the engine sees zeros and its writes are lost: no protected byte gets out.
func TestSilentDenial(t *testing.T) {
	b := newBoard(t)
	b.wall.silent = true
	key, iv := bytes.Repeat([]byte{1}, 16), make([]byte, 16)
	b.load(0, key, anything)
	b.write(srcAt, bytes.Repeat([]byte{0x55}, 64))
	b.protect(srcAt, 0)
	b.want("silent", b.run(NormalBank, request{length: 64, src: memory(srcAt), dst: memory(dstAt)}), OK)
	if got, want := b.read(dstAt, 64), model(key, iv, CTR, make([]byte, 64), make([]bool, 64)); !bytes.Equal(got, want) {
		t.Errorf("%x, want the key stream over zeros", got)
	}
}

// What a driver can get wrong, and what a hostile one tries.
func TestHostile(t *testing.T) {
	b := newBoard(t)
	b.load(0, make([]byte, 16), anything)
	good := request{length: 32, src: memory(srcAt), dst: memory(dstAt)}
	list := func(p ...piece1) buffer { return b.list(listAt, p...) }
	change := func(f func(*request)) request { q := good; f(&q); return q }
	raw := func(words ...uint32) buffer {
		var p []byte
		for _, w := range words {
			p = binary.LittleEndian.AppendUint32(p, w)
		}
		b.write(listAt, p)
		return buffer{addrLo: listAt, kind: List32}
	}
	for _, tc := range []struct {
		what string
		q    func() request
		want Result
	}{
		{"nothing", func() request { return change(func(q *request) { q.length = 0 }) }, Parameter},
		{"too much", func() request { return change(func(q *request) { q.length = MaxLength + 1 }) }, Parameter},
		{"all ones", func() request { return change(func(q *request) { q.length = ^uint32(0) }) }, Parameter},
		{"half a block", func() request { return change(func(q *request) { q.length, q.mode = 24, CBC }) }, Parameter},
		{"unknown mode", func() request { return change(func(q *request) { q.mode = 2 }) }, Parameter},
		{"counter width with chaining", func() request { return change(func(q *request) { q.mode = CBC | Counter64 }) }, Parameter},
		{"nothing to continue", func() request { return change(func(q *request) { q.mode = Continue }) }, Parameter},
		{"no such slot", func() request { return change(func(q *request) { q.slot = Slots }) }, NoKey},
		{"no such slot, far off", func() request { return change(func(q *request) { q.slot = ^uint32(0) }) }, NoKey},
		{"an empty slot", func() request { return change(func(q *request) { q.slot = 1 }) }, NoKey},
		{"unknown kind", func() request { return change(func(q *request) { q.src.kind = 3 }) }, Parameter},
		{"address too wide", func() request { return change(func(q *request) { q.dst.addrHi = 1 << 16 }) }, Parameter},
		{"misaligned list", func() request {
			return change(func(q *request) { q.src = list(piece1{srcAt, 32, 0}); q.src.addrLo += 4 })
		}, Parameter},
		{"a list too short", func() request { return change(func(q *request) { q.src = list(piece1{srcAt, 31, 0}) }) }, Short},
		{"a destination too short", func() request { return change(func(q *request) { q.dst = list(piece1{dstAt, 31, 0}) }) }, Short},
		{"an offset behind the end", func() request {
			return change(func(q *request) { q.src = list(piece1{srcAt, 64, 0}); q.src.offset = 33 })
		}, Short},
		{"an offset", func() request {
			return change(func(q *request) { q.src = list(piece1{srcAt, 64, 0}); q.src.offset = 32 })
		}, OK},
		{"a limit", func() request { return change(func(q *request) { q.src.limit = 31 }) }, Short},
		{"a limit that fits", func() request { return change(func(q *request) { q.src.limit = 32 }) }, OK},
		{"an empty piece", func() request {
			return change(func(q *request) { q.src = list(piece1{srcAt, 0, 0}, piece1{srcAt, 32, 0}) })
		}, List},
		{"a piece that wraps", func() request { return change(func(q *request) { q.src = list(piece1{1<<48 - 16, 32, 0}) }) }, List},
		{"a piece behind all addresses", func() request { return change(func(q *request) { q.src = list(piece1{1 << 48, 32, 0}) }) }, List},
		{"all ones in an entry", func() request {
			return change(func(q *request) { q.src = list(piece1{^uint64(0), ^uint32(0), 0x1FFF_FFFF}) })
		}, List},
		{"LAST and LINK", func() request { return change(func(q *request) { q.src = list(piece1{listAt, 32, Last | Link}) }) }, List},
		{"a loop", func() request { return change(func(q *request) { q.src = list(piece1{listAt, 0, Link}) }) }, List},
		{"a longer loop", func() request {
			return change(func(q *request) { q.src = list(piece1{srcAt, 1, 0}, piece1{listAt, 0, Link}) })
		}, List},
		{"a misaligned link", func() request { return change(func(q *request) { q.src = list(piece1{listAt + 4, 0, Link}) }) }, List},
		{"a link to nowhere", func() request { return change(func(q *request) { q.src = list(piece1{hole, 0, Link}) }) }, Fault},
		{"a link", func() request {
			return change(func(q *request) {
				b.list(listAt+0x100, piece1{srcAt + 20, 12, 0})
				q.src = list(piece1{srcAt, 20, 0}, piece1{listAt + 0x100, 99, Link})
			})
		}, OK},
		{"a list that runs out of memory", func() request {
			return change(func(q *request) { q.src = buffer{addrLo: ramBase + ramSize - 8, kind: List64} })
		}, Fault},
		{"short entries", func() request { return change(func(q *request) { q.dst = raw(dstAt, 20, dstAt+20, 12|Last) }) }, OK},
		{"a short entry that wraps", func() request { return change(func(q *request) { q.dst = raw(0xFFFF_FFF0, 32|Last) }) }, List},
	} {
		r := b.run(NormalBank, tc.q())
		b.want(tc.what, r, tc.want)
		if tc.want == OK {
			if got, want := b.read(dstAt, 32), model(make([]byte, 16), make([]byte, 16), CTR, make([]byte, 32), make([]bool, 32)); !bytes.Equal(got, want) {
				t.Errorf("%s: %x, want %x", tc.what, got, want)
			}
		} else if w := b.get(NormalBank, BytesWritten); w != 0 {
			t.Errorf("%s: %d bytes written", tc.what, w)
		}
	}
	// A destination that is the list of the same job: the list has been read before.
	q := change(func(q *request) { q.src = list(piece1{srcAt, 32, 0}); q.dst = memory(listAt) })
	b.want("over the list", b.run(NormalBank, q), OK)
}

// Starting, aborting, resetting and locking.
func TestControl(t *testing.T) {
	b := newBoard(t)
	b.load(0, make([]byte, 16), anything)
	q := request{length: 4 * Chunk, src: memory(srcAt), dst: memory(dstAt)}
	step := func() {
		b.clock.Advance(b.clock.Next())
		b.clock.Expire()
	}
	b.program(NormalBank, q)
	b.set(NormalBank, IntMask, Done|Error|Aborted|Refused)
	b.set(NormalBank, Control, Start)
	b.set(NormalBank, Length, 1) // concerns the next job
	for range 2 {
		step()
	}
	if n := b.get(NormalBank, BytesWritten); n != Chunk || b.get(NormalBank, Status) != Busy {
		t.Fatalf("%d bytes after a step, status %#x", n, b.get(NormalBank, Status))
	}
	b.set(NormalBank, Control, Start)
	if b.get(NormalBank, IntRaw) != Refused || !b.irq.level {
		t.Errorf("START while busy: %#x", b.get(NormalBank, IntRaw))
	}
	b.set(NormalBank, IntRaw, Refused)
	b.set(NormalBank, Control, Abort)
	if b.get(NormalBank, IntRaw) != Aborted || Result(b.get(NormalBank, Status)>>ResultShift) != WasAborted || b.get(NormalBank, BytesWritten) != Chunk {
		t.Errorf("ABORT: %#x, %#x", b.get(NormalBank, IntRaw), b.get(NormalBank, Status))
	}
	if b.clock.Next() != vtime.Never {
		t.Error("the timer runs after ABORT")
	}
	b.set(NormalBank, Control, Abort)
	b.program(NormalBank, q)
	b.set(NormalBank, Control, Start)
	step()
	b.set(NormalBank, Control, Start|Reset)
	if b.get(NormalBank, Status) != 0 || b.get(NormalBank, IntMask) != 0 || b.get(NormalBank, Jobs) != 0 || b.irq.level || b.get(NormalBank, SlotAttr) == 0 {
		t.Error("RESET leaves something, or takes a key")
	}
	// The secure bank goes first, and leaves the normal bank's line alone.
	b.program(NormalBank, q)
	b.set(NormalBank, IntMask, Done)
	b.program(SecureBank, q)
	b.set(SecureBank, IntMask, Done)
	b.set(NormalBank, Control, Start)
	b.set(SecureBank, Control, Start)
	b.wait(SecureBank)
	if b.get(NormalBank, BytesWritten) != 0 || b.get(NormalBank, Status)&Busy == 0 || b.irq.level || b.get(SecureBank, IntStatus) != Done {
		t.Error("the secure bank does not go first")
	}
	b.wait(NormalBank)
	if !b.irq.level {
		t.Error("no interrupt")
	}
	// The lock.
	b.set(NormalBank, IntRaw, Done)
	b.set(NormalBank, Control, Start)
	b.set(SecureBank, Lock, 1)
	if s := b.get(NormalBank, Status); s&(Busy|Locked) != Locked || Result(s>>ResultShift) != WasAborted {
		t.Errorf("locked: %#x", s)
	}
	b.set(NormalBank, Control, Start)
	if b.get(NormalBank, IntRaw)&Refused == 0 || b.get(NormalBank, Status)&Busy != 0 {
		t.Error("START is not refused while locked")
	}
	b.want("the secure bank, locked", b.run(SecureBank, q), OK)
	b.set(SecureBank, Lock, 0)
	b.want("unlocked", b.run(NormalBank, q), OK)
	// A key that goes takes its job with it.
	b.set(NormalBank, Control, Start)
	step()
	b.set(SecureBank, KeySlot, 0)
	b.set(SecureBank, KeyCommand, Clear)
	if s := b.get(NormalBank, Status); s&Busy != 0 || Result(s>>ResultShift) != WasAborted {
		t.Errorf("the key is gone: %#x", s)
	}
	b.load(0, make([]byte, 16), anything)
	b.program(NormalBank, q)
	b.set(NormalBank, Control, Start)
	b.clock.Reset()
	b.e.Reset()
	if b.get(NormalBank, Status) != 0 || b.get(NormalBank, SlotAttr) != 0 || b.get(SecureBank, Mode) != 0 {
		t.Error("a cold reset leaves something")
	}
	if v, resp := b.bus.Load(base+ID, 8, cpu); v != 0 || resp != bus.SLVERR {
		t.Errorf("an 8-byte read: %#x, %v", v, resp)
	}
	if resp := b.bus.Store(base+Mode, 2, 1, cpu); resp != bus.SLVERR {
		t.Errorf("a 2-byte write: %v", resp)
	}
	if v, _ := b.bus.Load(base+ID+2, 2, cpu); v != idValue>>16 {
		t.Errorf("half of ID: %#x", v)
	}
}

// Time: latency, entries and bandwidth, whatever the pieces.
func TestTime(t *testing.T) {
	b := newBoard(t)
	b.load(0, make([]byte, 16), anything)
	for _, tc := range []struct {
		n    uint32
		src  buffer
		want uint64
	}{
		{16, memory(srcAt), 2000 + 40},
		{4096, memory(srcAt), 2000 + 10240},
		{10000, b.list(listAt, piece1{srcAt, 5000, 0}, piece1{srcAt, 5000, 0}), 2000 + 100 + 25000},
	} {
		start := b.clock.Now()
		b.want("job", b.run(NormalBank, request{length: tc.n, src: tc.src, dst: memory(dstAt)}), OK)
		if took := b.clock.Now() - start; took != tc.want || uint64(b.get(NormalBank, Elapsed)) != tc.want {
			t.Errorf("%d bytes: %d ns, ELAPSED %d, want %d", tc.n, took, b.get(NormalBank, Elapsed), tc.want)
		}
	}
}

// Any writes to registers: no panic, all jobs end, and no key is ever seen outside its slot.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x08, 0, 1, 0, 0, 0})
	f.Add([]byte{0x88, 0, 64, 0, 0, 0, 0xC0, 0, 0, 0, 1, 0x40, 0xE0, 0, 0, 0, 4, 0x40, 0x08, 0, 1, 0, 0, 0, 0xFF, 0xFF, 9, 0, 0, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		b := newBoard(t)
		secret := bytes.Repeat([]byte{0xA5, 0x5A}, 16)
		b.load(0, secret, anything|AsProtected<<AttrDest)
		b.load(1, secret[:16], anything)
		b.protect(dstAt, 3)
		for ; len(p) >= 6; p = p[6:] {
			off, w := uint64(binary.LittleEndian.Uint16(p)), binary.LittleEndian.Uint32(p[2:])
			if off >= Size {
				for range off & 0xFF {
					if b.clock.Next() == vtime.Never {
						break
					}
					b.clock.Advance(b.clock.Next())
					b.clock.Expire()
				}
				continue
			}
			b.bus.Store(base+off&^3, 4, uint64(w), cpu)
			if v, _ := b.bus.Load(base+off&^3, 4, cpu); v == 0x5AA5_5AA5 && uint32(v) != w {
				t.Fatalf("register %#x shows a key", off)
			}
		}
		b.set(NormalBank, Control, Abort)
		if b.get(NormalBank, Status)&Busy != 0 || b.clock.Next() != vtime.Never {
			t.Fatal("ABORT leaves a job")
		}
	})
}

// What the firewall refuses the engine's confined identity is never written: memory that is not protected stays as it is, whatever list a
// driver writes.
func FuzzLists(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, p []byte, n uint8) {
		b := newBoard(t)
		b.load(0, make([]byte, 16), anything|AsProtected<<AttrDest)
		b.protect(dstAt, 3)
		b.write(listAt, p[:min(len(p), 0x1000)])
		before := b.read(ramBase, ramSize)
		q := request{length: uint32(n) + 1, src: memory(srcAt), dst: buffer{addrLo: listAt, kind: uint32(n)%2 + 1}}
		b.run(NormalBank, q)
		after := b.read(ramBase, ramSize)
		copy(after[dstAt-ramBase:][:bus.PageSize], before[dstAt-ramBase:])
		if !bytes.Equal(after, before) {
			t.Fatal("ordinary memory has changed")
		}
	})
}
