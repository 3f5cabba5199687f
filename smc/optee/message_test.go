package optee

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/smc"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameArg compares two arguments; nil and empty parameters are equal.
func sameArg(a, b *Arg) bool {
	x, y := *a, *b
	x.Params, y.Params = nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Params, b.Params)
}

// An OPEN_SESSION of the device enumeration, as Linux builds it: two meta parameters, then one user
// parameter, here an FF-A memory reference.
const openSession = `
	00000000 00000000 00000000 00000000  00000000 00000000 00000000 03000000
	0101000000000000 7011a688ddde4053 a5a97b3c4ddf13b8 0000000000000000
	0101000000000000 0000000000000000 0000000000000000 0000008000000000
	0600000000000000 44332211 6655 8877  0010000000000000 0100000000000080`

var openSessionArg = Arg{
	Cmd: CmdOpenSession,
	Params: []Param{
		{0x101, [3]uint64{0x5340dedd88a61170, 0xb813df4d3c7ba9a5, 0}},
		{0x101, [3]uint64{0, 0, 0x80000000}},
		{AttrFMemOutput, [3]uint64{0x7788_5566_11223344, 4096, 0x8000000000000001}},
	},
}

func TestArgLayout(t *testing.T) {
	b := unhex(t, openSession)
	if len(b) != 32+3*32 {
		t.Fatalf("example of %d bytes", len(b))
	}
	a, err := ParseArg(b)
	if err != nil || !sameArg(a, &openSessionArg) {
		t.Fatalf("parsed %+v, %v", a, err)
	}
	if out := openSessionArg.AppendTo(nil); !bytes.Equal(out, b) {
		t.Errorf("written as\n%x, want\n%x", out, b)
	}
	if a.Size() != 128 || ArgSize(6) != 224 || ArgSize(4) != 160 || ArgSize(MaxParams) != 4096 {
		t.Errorf("sizes %d, %d, %d, %d", a.Size(), ArgSize(6), ArgSize(4), ArgSize(MaxParams))
	}
	o, err := a.OpenSession()
	want := OpenSession{TA: DeviceUUID(), Login: LoginREEKernel}
	if err != nil || o != want {
		t.Errorf("OpenSession = %+v, %v", o, err)
	}
	if p := want.Params(); p != [2]Param(openSessionArg.Params[:2]) {
		t.Errorf("meta parameters %+v", p)
	}
	f := a.Params[2].FMem()
	if f != (FMem{Offset: 0x5566_11223344, InternalOffset: 0x7788, Size: 4096, GlobalID: 1<<63 | 1}) {
		t.Errorf("FMem = %+v", f)
	}
}

func TestArgHeaderFields(t *testing.T) {
	b := unhex(t, "01000000 02000000 03000000 04000000  99999999 0600ffff 03000000 00000000")
	a, err := ParseArg(b)
	want := Arg{Cmd: 1, Func: 2, Session: 3, CancelID: 4, Ret: ErrorBadParameters, RetOrigin: OriginTEE}
	if err != nil || !sameArg(a, &want) {
		t.Errorf("parsed %+v, %v", a, err)
	}
}

func TestArgRefused(t *testing.T) {
	good := unhex(t, openSession)
	for _, c := range []struct {
		name  string
		count byte
		cut   int
		field string
		rule  string
	}{
		{"header cut", 3, 128 - 31, "argument", "shorter than its header"},
		{"empty", 3, 128, "argument", "shorter than its header"},
		{"parameters cut", 3, 1, "num_params", "parameters beyond the buffer"},
		{"one more", 4, 0, "num_params", "parameters beyond the buffer"},
		{"128", 128, 0, "num_params", "count is too large"},
	} {
		b := bytes.Clone(good)
		b[28] = c.count
		_, err := ParseArg(b[:len(b)-c.cut])
		var ae *ArgError
		if !errors.As(err, &ae) || ae.Field != c.field || ae.Rule != c.rule || !errors.Is(err, ErrorBadParameters) {
			t.Errorf("%s: %v, want %s: %s", c.name, err, c.field, c.rule)
		}
	}
	b := bytes.Clone(good)
	b[31] = 0xFF // num_params 0xff000003 times 32 overflows 32 bits
	if _, err := ParseArg(b); !errors.Is(err, ErrorBadParameters) {
		t.Errorf("huge count: %v", err)
	}
	full := make([]byte, 4096)
	full[28] = MaxParams
	if a, err := ParseArg(full); err != nil || len(a.Params) != MaxParams {
		t.Errorf("127 parameters: %v", err)
	}
	if n, err := ParseParamCount(good[:32]); n != 3 || err != nil {
		t.Errorf("ParseParamCount = %d, %v", n, err)
	}
	if want := "optee: num_params = 0x80: count is too large (BAD_PARAMETERS)"; bad("num_params", 128, "count is too large").Error() != want {
		t.Errorf("message %q", bad("num_params", 128, "count is too large"))
	}
}

func TestOpenSessionRefused(t *testing.T) {
	for _, a := range []Arg{
		{},
		{Params: openSessionArg.Params[:1]},
		{Params: []Param{{Attr: AttrValueInput}, openSessionArg.Params[1]}},
		{Params: []Param{openSessionArg.Params[0], {Attr: AttrValueOutput | AttrMeta}}},
		{Params: []Param{openSessionArg.Params[0], {Attr: AttrValueInput | AttrMeta | AttrNonContig}}},
	} {
		if _, err := a.OpenSession(); !errors.Is(err, ErrorBadParameters) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// A reply changes results only: attributes, offsets and inputs keep what the client wrote.
func TestPutReply(t *testing.T) {
	a := Arg{Cmd: CmdInvokeCommand, Func: 1, Params: []Param{
		ValueParam(AttrValueInput, 1, 2, 3),
		ValueParam(AttrValueOutput, 0, 0, 0),
		ValueParam(AttrValueInOut, 7, 8, 9),
		FMemParam(AttrFMemOutput, FMem{Offset: 5, Size: 100, GlobalID: 6}),
		TMemParam(AttrTMemInput|AttrNonContig, TMem{0x1000, 100, 7}),
		RMemParam(AttrRMemInOut, RMem{1, 100, 8}),
		{Attr: 0xFF02},
	}}
	b := a.AppendTo(nil)
	b = append(b, 0xEE)
	want := bytes.Clone(b)
	for i := range a.Params {
		p := &a.Params[i]
		p.Attr |= AttrMeta // must not be written back
		p.U = [3]uint64{0x11, 0x22, 0x33}
	}
	a.Params[6].Attr = 0xFF02
	a.Cmd, a.Func, a.Session, a.CancelID = 99, 98, 5, 97
	a.Ret, a.RetOrigin = ErrorShortBuffer, OriginTrustedApp
	if err := a.PutReply(b); err != nil {
		t.Fatal(err)
	}
	put := func(at int, v byte) {
		clear(want[at : at+8])
		want[at] = v
	}
	copy(want[8:], []byte{5, 0, 0, 0})
	copy(want[20:], []byte{0x10, 0, 0xFF, 0xFF, 4, 0, 0, 0})
	for j, v := range []byte{0x11, 0x22, 0x33} {
		put(32+1*32+8+8*j, v)
		put(32+2*32+8+8*j, v)
	}
	put(32+3*32+16, 0x22)
	put(32+5*32+16, 0x22)
	if !bytes.Equal(b, want) {
		t.Errorf("reply\n%x, want\n%x", b, want)
	}
	if err := a.PutReply(b[:len(b)-2]); !errors.Is(err, ErrorBadParameters) {
		t.Errorf("short buffer: %v", err)
	}
}

func TestAttr(t *testing.T) {
	for a, want := range map[Attr]struct {
		text                              string
		valid, value, rmem, tmem, in, out bool
	}{
		0x000:   {"NONE", true, false, false, false, false, false},
		0x001:   {"VALUE_INPUT", true, true, false, false, true, false},
		0x002:   {"VALUE_OUTPUT", true, true, false, false, false, true},
		0x003:   {"VALUE_INOUT", true, true, false, false, true, true},
		0x004:   {"0x4", false, false, false, false, false, false},
		0x005:   {"MEM_INPUT", true, false, true, false, true, false},
		0x006:   {"MEM_OUTPUT", true, false, true, false, false, true},
		0x007:   {"MEM_INOUT", true, false, true, false, true, true},
		0x008:   {"0x8", false, false, false, false, false, false},
		0x009:   {"TMEM_INPUT", true, false, false, true, true, false},
		0x00A:   {"TMEM_OUTPUT", true, false, false, true, false, true},
		0x00B:   {"TMEM_INOUT", true, false, false, true, true, true},
		0x00C:   {"0xc", false, false, false, false, false, false},
		0x101:   {"VALUE_INPUT|META", true, true, false, false, true, false},
		0x20A:   {"TMEM_OUTPUT|NONCONTIG", true, false, false, true, false, true},
		0x10009: {"TMEM_INPUT|0x10000", true, false, false, true, true, false},
		0x401:   {"VALUE_INPUT|0x400", false, true, false, false, false, false},
		1 << 63: {"NONE|0x8000000000000000", false, false, false, false, false, false},
	} {
		if a.String() != want.text || a.Valid() != want.valid || a.IsValue() != want.value || a.IsRMem() != want.rmem ||
			a.IsFMem() != want.rmem || a.IsTMem() != want.tmem || a.Input() != want.in || a.Output() != want.out {
			t.Errorf("%#x: %q valid %v value %v rmem %v tmem %v in %v out %v", uint64(a), a, a.Valid(), a.IsValue(),
				a.IsRMem(), a.IsTMem(), a.Input(), a.Output())
		}
	}
	if AttrSHMPageList != 0x20A {
		t.Errorf("REGISTER_SHM attribute %#x", uint64(AttrSHMPageList))
	}
}

func TestParamUnions(t *testing.T) {
	var p Param
	p.SetValue(Value{1, 2, 3})
	if p.U != [3]uint64{1, 2, 3} || p.Value() != (Value{1, 2, 3}) {
		t.Errorf("value %v", p.U)
	}
	p.SetTMem(TMem{BufPtr: 0x40001010, Size: 20, SHMRef: 0xFFFF000012345678})
	if p.U != [3]uint64{0x40001010, 20, 0xFFFF000012345678} || p.TMem().Size != p.Size() {
		t.Errorf("tmem %v", p.U)
	}
	p.SetRMem(RMem{Offset: 16, Size: 30, SHMRef: 1})
	if p.U != [3]uint64{16, 30, 1} || p.RMem().SHMRef != 1 {
		t.Errorf("rmem %v", p.U)
	}
	p.SetFMem(FMem{Offset: 0xFFFF_AABB_CCDDEEFF, InternalOffset: 0x123, Size: 40, GlobalID: NullGlobalID})
	if p.U != [3]uint64{0x0123_AABB_CCDDEEFF, 40, 1<<64 - 1} || p.FMem().Offset != 0xAABB_CCDDEEFF {
		t.Errorf("fmem %x", p.U)
	}
	p.SetSize(50)
	if p.FMem().Size != 50 {
		t.Error("SetSize")
	}
	u := smc.UUID{1, 2, 3, 15: 9}
	q := UUIDParam(u)
	if q.UUID() != u || q.Attr != AttrValueInput || q.U != [3]uint64{0x030201, 9 << 56, 0} {
		t.Errorf("UUID parameter %+v", q)
	}
}

func TestArgParseReuses(t *testing.T) {
	b := unhex(t, openSession)
	var a Arg
	if err := a.Parse(b); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := a.Parse(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("parsing again allocates %v objects", n)
	}
}

func TestArgRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		a := Arg{
			Cmd: Command(rng.Uint32()), Func: rng.Uint32(), Session: rng.Uint32(), CancelID: rng.Uint32(),
			Ret: Result(rng.Uint32()), RetOrigin: Origin(rng.Uint32()), Params: make([]Param, rng.IntN(MaxParams+1)),
		}
		for i := range a.Params {
			a.Params[i] = Param{Attr(rng.Uint64()), [3]uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}}
		}
		b := a.AppendTo(nil)
		got, err := ParseArg(b)
		if err != nil || !sameArg(got, &a) || uint64(len(b)) != a.Size() {
			t.Fatalf("%+v becomes %+v, %v", a, got, err)
		}
	}
}

func FuzzArg(f *testing.F) {
	f.Add(unhex(f, openSession))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseArg(b)
		if err != nil {
			if !errors.Is(err, ErrorBadParameters) {
				t.Fatalf("error %v has no result code", err)
			}
			return
		}
		if len(a.Params) > MaxParams || a.Size() > uint64(len(b)) {
			t.Fatalf("%d parameters in %d bytes", len(a.Params), len(b))
		}
		out := a.AppendTo(nil)
		clear(b[16:20]) // padding
		if !bytes.Equal(out, b[:len(out)]) {
			t.Fatalf("%x written as %x", b, out)
		}
		if err := a.PutReply(out); err != nil || !bytes.Equal(out, b[:len(out)]) {
			t.Fatalf("an unchanged reply changes the argument: %v", err)
		}
		a.OpenSession()
		for _, ffa := range []bool{false, true} {
			if name, _ := a.Fields(ffa); name == "" {
				t.Fatal("no name")
			}
		}
		a.ResultFields()
	})
}
