package secureworld

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"testing"

	"gatehouse/devices/crypto"
	"gatehouse/devices/input"
	"gatehouse/devices/tzc400"
	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/testsp"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

const (
	page    = memory.PageSize
	tzcBase = 0x0B00_0000
	aesBase = 0x0B11_0000
	uiBase  = 0x0B17_0000
	opteeID = 0x8001

	// Where the tests' normal world keeps its things.
	txAddr  = ramBase + 0x1_0000
	rxAddr  = ramBase + 0x1_1000
	argAddr = ramBase + 0x2_0000
	bufAddr = ramBase + 0x10_0000
	lstAddr = ramBase + 0x20_0000
)

// rig is a secure world before a TZC-400 and memory, with a normal world that the test plays.
type rig struct {
	testing.TB
	h   *fakeHost
	w   *World
	tzc *tzc400.TZC400
	aes *crypto.Engine
	in  *input.Input
	ap  *bus.Port // a processor in the normal world
	s   *bus.Port // a secure master

	shm  uint64 // handle of the argument page, once it is shared
	spy  spy
	from firmware.Call // where calls come from
	kept map[reflect.Type][]int
}

// spy is the filter before memory: it lets a test know of reads by processors of the normal world before they happen.
type spy struct {
	bus.Filter
	read   func(addr uint64)
	broken func(addr uint64, write bool, a bus.Attr) bool // accesses that fail, though the controller would let them through
}

func (s *spy) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	if s.broken != nil && s.broken(addr, write, a) {
		return bus.DenyDECERR
	}
	if s.read != nil && !write && a.NSAID == bus.NSAIDAP && !a.Secure {
		s.read(addr)
	}
	return s.Filter.Check(addr, write, a)
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	return newRigSize(t, ramSize, change...)
}

func newRigSize(t testing.TB, size uint64, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{TB: t, h: newHost(t, size), from: firmware.Call{EL: 1}, kept: map[reflect.Type][]int{}}
	r.tzc = tzc400.New("tzc400", &r.h.events, &r.h.clock)
	r.spy.Filter = r.tzc.Unit(0)
	must(t, r.h.bus.Map(bus.Region{Name: "ram", Base: ramBase, Size: size, RAM: r.h.ram, Filter: &r.spy}))
	must(t, r.h.bus.Map(bus.Region{Name: "tzc400", Base: tzcBase, Size: page, Dev: r.tzc, SecureOnly: true}))
	as := func(id uint8) *bus.Port { return r.h.Port(bus.Attr{NSAID: id}) }
	r.aes = crypto.New(crypto.Ports{Normal: as(bus.NSAIDCrypto), Protected: as(bus.NSAIDCryptoProtected), Ordinary: as(bus.NSAIDDefault),
		Secure: r.h.Port(bus.Attr{Secure: true})}, &r.h.clock, &r.h.events)
	must(t, r.h.bus.Map(bus.Region{Name: "crypto", Base: aesBase, Size: crypto.Size, Dev: r.aes}))
	lists, err := bus.NewRAM(128 << 10)
	must(t, err)
	t.Cleanup(lists.Close)
	must(t, r.h.bus.Map(bus.Region{Name: "secram", Base: 0x0E00_0000, Size: lists.Size(), RAM: lists, SecureOnly: true}))
	r.in = input.New(&r.h.clock, nil)
	must(t, r.h.bus.Map(bus.Region{Name: "input", Base: uiBase, Size: page, Dev: r.in}))
	r.ap = r.h.Port(bus.Attr{Privileged: true, NSAID: bus.NSAIDAP})
	r.s = r.h.Port(bus.Attr{Secure: true, Privileged: true})
	cfg := DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	r.w = New(cfg)
	must(t, r.w.Reset(r.h))
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call makes an SMC. Registers up to x7 that are not given are zero; x8 to x17 have values that no call returns.
func (r *rig) call(args ...uint64) firmware.Registers {
	r.Helper()
	regs := pattern()
	for i := range 8 {
		regs[i] = 0
	}
	copy(regs[:], args)
	r.w.SMC(r.from, &regs)
	return regs
}

// want makes an FF-A call and compares all registers of the reply: those given, zeros up to x7, and the rest untouched.
func (r *rig) want(what string, args, want []uint64) {
	r.Helper()
	got := r.call(args...)
	exp := pattern()
	for i := range 8 {
		exp[i] = 0
	}
	copy(exp[8:], args[min(8, len(args)):])
	copy(exp[:], want)
	if got != exp {
		r.Errorf("%s: %x gives\n%x, want\n%x", what, args, got, exp)
	}
}

// Replies of FF-A.
const (
	ffaError   = 0x8400_0060
	ffaSuccess = 0x8400_0061
	fragRX     = 0x8400_007A

	notSupported = 0xFFFF_FFFF
	invalid      = 0xFFFF_FFFE
	noMemory     = 0xFFFF_FFFD
	busy         = 0xFFFF_FFFC
	aborted      = 0xFFFF_FFF8
	noData       = 0xFFFF_FFF7
	denied       = 0xFFFF_FFFA
	retry        = 0xFFFF_FFF9
)

// refused makes an FF-A call that must be answered with an error code and change nothing anywhere.
func (r *rig) refused(what string, code uint64, args ...uint64) {
	r.Helper()
	before := r.state()
	r.want(what, args, []uint64{ffaError, 0, code})
	if after := r.state(); after != before {
		r.Errorf("%s is refused but changes the state", what)
	}
}

// negotiate agrees on a version and maps the buffers, as a client begins.
func (r *rig) negotiate(v uint64) *rig {
	r.Helper()
	if got := r.call(0x8400_0063, v); got[0] != 0x1_0002 {
		r.Fatalf("FFA_VERSION(%#x) = %#x", v, got[0])
	}
	r.want("RXTX_MAP", []uint64{0xC400_0066, txAddr, rxAddr, 1}, []uint64{ffaSuccess})
	return r
}

func (r *rig) write(addr uint64, b []byte) {
	r.Helper()
	if resp := r.ap.Write(addr, b); resp != bus.OKAY {
		r.Fatalf("write at %#x: %v", addr, resp)
	}
}

func (r *rig) read(addr uint64, n int) []byte {
	r.Helper()
	b := make([]byte, n)
	if resp := r.ap.Read(addr, b); resp != bus.OKAY {
		r.Fatalf("read at %#x: %v", addr, resp)
	}
	return b
}

// transaction is a descriptor as Linux 7.2 writes it, for the given ranges of pages.
func transaction(kind ffa.TransactionKind, tag uint64, pages ...ffa.Constituent) *ffa.MemoryTransaction {
	t := &ffa.MemoryTransaction{Tag: tag, EMADSize: 32, Constituents: pages,
		Receivers: []ffa.EMAD{{Receiver: opteeID, Permissions: ffa.DataRW}}}
	if kind == ffa.Share {
		t.Attributes = 0x2F
	}
	return t
}

// sendCall is the FID of a memory send.
func sendCall(kind ffa.TransactionKind) uint64 {
	return map[ffa.TransactionKind]uint64{ffa.Share: 0xC400_0073, ffa.Lend: 0xC400_0072, ffa.Donate: 0xC400_0071}[kind]
}

// send puts a whole descriptor into TX and sends it.
func (r *rig) send(kind ffa.TransactionKind, v ffa.Version, t *ffa.MemoryTransaction) firmware.Registers {
	r.Helper()
	b := t.AppendTo(nil, v)
	r.write(txAddr, b)
	return r.call(sendCall(kind), uint64(len(b)), uint64(len(b)))
}

// sent is send that must succeed; it gives the handle.
func (r *rig) sent(kind ffa.TransactionKind, v ffa.Version, t *ffa.MemoryTransaction) uint64 {
	r.Helper()
	got := r.send(kind, v, t)
	if got[0] != ffaSuccess {
		r.Fatalf("%v of %v: %x, want FFA_SUCCESS", kind, t.Constituents, got[:4])
	}
	return got[2] | got[3]<<32
}

func (r *rig) share(addr uint64, pages uint32) uint64 {
	r.Helper()
	return r.sent(ffa.Share, ffa.Version1_2, transaction(ffa.Share, 0, ffa.Constituent{Address: addr, Pages: pages}))
}

func (r *rig) lend(addr uint64, pages uint32, use uint64) uint64 {
	r.Helper()
	return r.sent(ffa.Lend, ffa.Version1_2, transaction(ffa.Lend, use, ffa.Constituent{Address: addr, Pages: pages}))
}

func reclaimCall(handle uint64) []uint64 {
	return []uint64{0x8400_0077, handle & 0xFFFF_FFFF, handle >> 32, 0}
}

func (r *rig) reclaim(handle uint64) {
	r.Helper()
	r.want("RECLAIM", reclaimCall(handle), []uint64{ffaSuccess})
}

// service makes a direct request to OP-TEE and gives w3 to w7 of the response.
func (r *rig) service(payload ...uint64) [5]uint64 {
	r.Helper()
	got := r.call(append([]uint64{0x8400_006F, opteeID, 0}, payload...)...)
	if got[0] != 0x8400_0070 || got[1] != opteeID<<16 || got[2] != 0 {
		r.Fatalf("direct request %x: %x", payload, got[:8])
	}
	return [5]uint64(got[3:])
}

// message puts an argument at offset off of the shared argument page and calls OP-TEE over FF-A. It gives the argument as it
// stands afterwards.
func (r *rig) message(off uint64, a optee.Arg) optee.Arg {
	r.Helper()
	if r.shm == 0 {
		r.shm = r.share(argAddr, 1)
	}
	r.write(argAddr+off, a.AppendTo(nil))
	if got := r.service(0x8000_0000, r.shm&0xFFFF_FFFF, r.shm>>32, off, 0); got != [5]uint64{} {
		r.Fatalf("WITH_ARG of %v: %x, want done", a.Cmd, got)
	}
	return r.argAt(argAddr + off)
}

func (r *rig) argAt(addr uint64) optee.Arg {
	r.Helper()
	b := r.read(addr, optee.ArgHeaderSize)
	n, err := optee.ParseParamCount(b)
	must(r, err)
	a, err := optee.ParseArg(r.read(addr, int(optee.ArgSize(n))))
	must(r, err)
	return *a
}

// smcMessage does the same over the SMC ABI, with an argument in a page that is not registered.
func (r *rig) smcMessage(a optee.Arg) optee.Arg {
	r.Helper()
	r.write(argAddr, a.AppendTo(nil))
	if got := r.call(0x3200_0012, argAddr>>32, argAddr&0xFFFF_FFFF); got[0] != 0 {
		r.Fatalf("CALL_WITH_RPC_ARG of %v: %x, want OK", a.Cmd, got[:4])
	}
	return r.argAt(argAddr)
}

// result compares ret and ret_origin of an answered message.
func (r *rig) result(what string, a optee.Arg, ret optee.Result) {
	r.Helper()
	if a.Ret != ret {
		r.Errorf("%s: %v from %v, want %v", what, a.Ret, a.RetOrigin, ret)
	}
}

// access is what a master may do at an address: "-", "r", "w" or "rw".
func (r *rig) access(addr uint64, a bus.Attr) string {
	f := r.tzc.Unit(0)
	s := ""
	if f.Allows(addr, false, a) {
		s = "r"
	}
	if f.Allows(addr, true, a) {
		s += "w"
	}
	if s == "" {
		return "-"
	}
	return s
}

// rights lists the access of the masters that matter at an address, and of the secure world last.
func (r *rig) rights(addr uint64) string {
	s := ""
	for _, m := range []struct {
		name string
		id   uint8
	}{{"any", bus.NSAIDDefault}, {"ap", bus.NSAIDAP}, {"dma", bus.NSAIDDMA}, {"crypto", bus.NSAIDCrypto}, {"dec", bus.NSAIDDecoder}, {"xfm", bus.NSAIDTransform}, {"lcd", bus.NSAIDHDLCD}} {
		s += fmt.Sprintf("%s:%s ", m.name, r.access(addr, bus.Attr{NSAID: m.id}))
	}
	return s + "secure:" + r.access(addr, bus.Attr{Secure: true})
}

const (
	rightsNormal = "any:rw ap:rw dma:rw crypto:rw dec:- xfm:- lcd:rw secure:rw" // decoder and transform go there as 0
	rightsVideo  = "any:- ap:- dma:- crypto:w dec:rw xfm:rw lcd:r secure:rw"
	rightsNobody = "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:- secure:rw"
)

func (r *rig) wantRights(what string, addr uint64, want string) {
	r.Helper()
	if got := r.rights(addr); got != want {
		r.Errorf("%s: access at %#x is\n%s, want\n%s", what, addr, got, want)
	}
}

// The test partitions, as TestConfig has them.
const (
	first  = 0x8002
	second = 0x8003
)

func withTestPartitions(c *Config) { c.Partitions = TestConfig().Partitions }

// command sends a command of package testsp and gives status and results.
func (r *rig) command(id uint64, c testsp.Command, args ...uint64) (status uint64, w [4]uint64) {
	r.Helper()
	got := r.call(append([]uint64{0x8400_006F, id, 0, uint64(c)}, args...)...)
	if got[0] != 0x8400_0070 || got[1] != id<<16 || got[2] != 0 {
		r.Fatalf("command %d of %#x: %x", c, id, got[:8])
	}
	return got[3], [4]uint64(got[4:8])
}

// does sends a command that must succeed.
func (r *rig) does(id uint64, c testsp.Command, args ...uint64) [4]uint64 {
	r.Helper()
	status, w := r.command(id, c, args...)
	if status != 0 {
		r.Errorf("command %d of %#x with %x: status %#x", c, id, args, status)
	}
	return w
}

// fails sends a command that the SPMC must refuse, and that must change nothing.
func (r *rig) fails(what string, code, id uint64, c testsp.Command, args ...uint64) {
	r.Helper()
	before, sgis := r.state(), len(r.h.sgis)
	if status, w := r.command(id, c, args...); status != code || w != [4]uint64{} {
		r.Errorf("%s: status %#x and %x, want %#x", what, status, w, code)
	}
	if r.state() != before || len(r.h.sgis) != sgis {
		r.Errorf("%s is refused but changes the state", what)
	}
}

// pair is a 64-bit number as two words.
func pair(v uint64) (lo, hi uint64) { return v & 0xFFFF_FFFF, v >> 32 }

// on gives the arguments of a command about a handle.
func on(h uint64, rest ...uint64) []uint64 {
	lo, hi := pair(h)
	return append([]uint64{lo, hi}, rest...)
}

// scratch are the fields in which the secure world keeps nothing from one call to the next.
var scratch = map[string][]string{
	"World":    {"host", "log", "cfg", "timer", "service"},
	"Space":    {"cfg", "sorted"},
	"pages":    {"scratch"},
	"SPMC":     {"asm", "descriptor", "ranges", "fragment", "response", "space", "log", "host"},
	"Service":  {"buf", "log", "space", "cfg", "host", "transports", "tickets"},
	"SMC":      {"pages", "ranges"},
	"Object":   {"space"},
	"Services": {"spmc"},
	"TZC400":   {"cfg"},
	"Driver":   {"port"},
	"TA":       {"cfg"},
	// The tests\' own applications keep a record.
	"recorder": {"open", "closed", "client"},
}

// state is a digest of everything that the secure world keeps and of the controller's registers. It walks the values by
// reflection, so that state which somebody adds later is compared as well.
func (r *rig) state() uint64 {
	d := digest{h: 14695981039346656037, kept: r.kept}
	d.value(reflect.ValueOf(r.w).Elem())
	for off := uint64(0); off < 0x220; off += 4 {
		v, _ := r.tzc.Read(off, 4, bus.Attr{Secure: true})
		d.word(v)
	}
	return d.h
}

// digest is an FNV-1a hash over words.
type digest struct {
	h    uint64
	kept map[reflect.Type][]int // the fields of a struct that count
}

func (d *digest) word(v uint64) { d.h = bits.RotateLeft64((d.h^v)*1099511628211, 23) }

func (d *digest) fields(t reflect.Type) []int {
	list, ok := d.kept[t]
	if !ok {
		for i := range t.NumField() {
			if !slices.Contains(scratch[t.Name()], t.Field(i).Name) {
				list = append(list, i)
			}
		}
		d.kept[t] = list
	}
	return list
}

func (d *digest) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			d.word(0)
			return
		}
		d.word(1)
		d.value(v.Elem())
	case reflect.Struct:
		for _, i := range d.fields(v.Type()) {
			d.value(v.Field(i))
		}
	case reflect.Slice, reflect.Array:
		d.word(uint64(v.Len()))
		for i := range v.Len() {
			d.value(v.Index(i))
		}
	case reflect.String:
		d.word(uint64(v.Len()))
		for _, c := range []byte(v.String()) {
			d.word(uint64(c))
		}
	case reflect.Bool:
		d.word(0)
		if v.Bool() {
			d.word(1)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.word(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		d.word(v.Uint())
	default:
		panic("state that a digest cannot hold: " + v.Type().String())
	}
}

// The digest that refusals are compared by sees what a call changes.
func TestDigest(t *testing.T) {
	r := newRig(t, withTestPartitions).negotiate(0x1_0002)
	seen := map[uint64]bool{r.state(): true}
	for what, call := range map[string]func(){
		"nothing":        func() {},
		"a bitmap":       func() { r.call(0x8400_007D, 0, 4) },
		"a share":        func() { r.share(bufAddr, 1) },
		"full RX":        func() { r.call(0x8400_0068) },
		"a policy":       func() { r.does(first, testsp.Policy, 0, 1) },
		"a suspended SP": func() { r.call(0x8400_006F, second, 0, uint64(testsp.Suspend), 1) },
	} {
		call()
		if s := r.state(); seen[s] != (what == "nothing") {
			t.Errorf("%s: digest %#x, seen before: %v", what, s, seen[s])
		}
		seen[r.state()] = true
	}
}

// consistent compares ownership with what the controller enforces, page by page: normal masters reach exactly the pages that
// the normal world owns or shares.
func (r *rig) consistent() {
	r.Helper()
	r.w.space.Walk(func(rg memory.Range, p memory.Page) {
		for addr := rg.Base; addr < rg.End(); addr += page {
			got := r.access(addr, bus.Attr{NSAID: bus.NSAIDAP})
			want := "rw"
			if !p.State.Accessible() {
				want = "-"
			}
			if got != want {
				r.Fatalf("page %#x is %v but open to the processors as %q", addr, p.State, got)
			}
		}
	})
}

func words32(b []byte) (w []uint32) {
	for i := 0; i+4 <= len(b); i += 4 {
		w = append(w, binary.LittleEndian.Uint32(b[i:]))
	}
	return w
}

func uuidOf(t testing.TB, s string) smc.UUID {
	t.Helper()
	u, err := smc.ParseUUID(s)
	must(t, err)
	return u
}

func zeros(b []byte) bool { return bytes.Equal(b, make([]byte, len(b))) }
