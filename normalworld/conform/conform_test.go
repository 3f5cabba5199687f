package conform

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// fake is a target whose answers and memory the test chooses.
type fake struct {
	prop   Properties
	answer func(cpu int, r *Registers)
	mem    map[uint64]byte
	allow  func(nsaid uint8, addr uint64, write bool) bool
	resets int
	err    error
}

func newFake() *fake {
	return &fake{
		prop: Properties{RAM: Range{0x4000_0000, MinRAM}, End: 0x4000_0000 + MinRAM, CPUs: 1, MPIDR: []uint64{0}, Normal: Access{0xFFFF, 0xFFFF}},
		mem:  map[uint64]byte{}, answer: func(int, *Registers) {}, allow: func(uint8, uint64, bool) bool { return true },
	}
}

func (f *fake) Properties() *Properties         { return &f.prop }
func (f *fake) Reset() error                    { f.resets++; return f.err }
func (f *fake) SMC(cpu int, r *Registers)       { f.answer(cpu, r) }
func (f *fake) Port(nsaid uint8) Port           { return &fakePort{f, nsaid} }
func (f *fake) Advance(uint64)                  {}
func (f *fake) Run(uint64) (off bool, e error)  { return false, nil }
func (f *fake) factory(Variant) (Target, error) { return f, nil }

type fakePort struct {
	*fake
	nsaid uint8
}

func (p *fakePort) Read(addr uint64, b []byte) bus.Response {
	for i := range b {
		b[i] = 0
		if p.allow(p.nsaid, addr+uint64(i), false) {
			b[i] = p.mem[addr+uint64(i)]
		} else if !p.prop.Silent {
			clear(b)
			return bus.DECERR
		}
	}
	return bus.OKAY
}

func (p *fakePort) Write(addr uint64, b []byte) bus.Response {
	for i := range b {
		if p.allow(p.nsaid, addr+uint64(i), true) {
			p.mem[addr+uint64(i)] = b[i]
		} else if !p.prop.Silent {
			return bus.DECERR
		}
	}
	return bus.OKAY
}

// runOne runs a case on a fake.
func runOne(t *testing.T, f *fake, c Case) Result {
	t.Helper()
	r, err := NewSuite(f.factory).Run(&c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each case has a name of its own, a rule with a document, and a reason that is a sentence.
func TestCasesAreDocumented(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+(?:[-.][a-z0-9]+)*$`)
	documents := regexp.MustCompile(`^(DEN0028|DEN0022|DEN0077A|DEN0140|DEN0098|DDI 0504|DDI 0196|optee_(smc|ffa|msg)\.h|Linux 7\.2|Gatehouse)$`)
	seen, groups := map[string]bool{}, map[string]int{}
	all := Cases()
	for i := range all {
		c := &all[i]
		groups[c.Group]++
		if !name.MatchString(c.Name) || seen[c.ID()] {
			t.Errorf("%s: a bad name, or one that another case has", c.ID())
		}
		seen[c.ID()] = true
		if !documents.MatchString(c.Rule.Document) || c.Rule.Section == "" {
			t.Errorf("%s: rule %q", c.ID(), c.Rule)
		}
		if !strings.HasSuffix(c.Why, ".") || strings.ContainsAny(c.Why, "\n\t") || c.Run == nil {
			t.Errorf("%s: why %q", c.ID(), c.Why)
		}
	}
	want := []string{"smccc", "psci", "ffa-setup", "ffa-discovery", "ffa-message", "ffa-memory", "ffa-memory-negative", "optee-ffa", "optee-smc", "protmem", "isolation", "ffa-notify", "services"}
	if !slices.Equal(Groups(), want) || len(groups) != len(want) {
		t.Errorf("groups %v", Groups())
	}
	for _, g := range want {
		if groups[g] < 20 {
			t.Errorf("group %s has %d cases", g, groups[g])
		}
	}
}

// A secure world that answers nothing at all fails or is skipped in each case: no case passes by itself.
func TestDeadTargetPassesNothing(t *testing.T) {
	for name, answer := range map[string]func(int, *Registers){
		"registers stay": func(int, *Registers) {},
		"x0 = 0":         func(_ int, r *Registers) { r[0] = 0 },
		"all ones": func(_ int, r *Registers) {
			*r = Registers{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
		},
	} {
		f := newFake()
		f.answer = answer
		f.prop.FFA, f.prop.SMC, f.prop.CPUs, f.prop.MPIDR = true, true, 2, []uint64{0, 1}
		f.prop.Grants, f.prop.Crypto = map[optee.UseCase]Access{optee.UseCaseOnDemand: {Read: 4, Write: 16}}, 0x0B11_0000
		f.prop.Input = 0x0B17_0000
		f.prop.Carveout = Range{f.prop.RAM.Base + 8<<20, 1 << 20}
		suite := NewSuite(f.factory)
		all := Cases()
		for i := range all {
			r, err := suite.Run(&all[i])
			if err != nil {
				t.Fatal(err)
			}
			// Where there shall be no FF-A, -1 is right.
			if r.Status == Passed && r.ID() != "ffa-setup/version-absent" {
				t.Errorf("%s: %s passes", name, r.ID())
			}
		}
	}
}

func TestRunStatus(t *testing.T) {
	f := newFake()
	f.answer = func(_ int, r *Registers) { r[0] = 7 }
	for _, tc := range []struct {
		name   string
		c      Case
		status Status
		reason string // or What
	}{
		{"pass", Case{Run: func(t *T) { t.expect("call", returns("7", 7), 1) }}, Passed, ""},
		{"fail", Case{Run: func(t *T) { t.expect("call", returns("8", 8), 1) }}, Failed, "call"},
		{"skip", Case{Run: func(t *T) { t.skip("no %s", "luck") }}, Skipped, "no luck"},
		{"need", Case{Needs: NeedFFA}, Skipped, "the target has no FF-A"},
		{"crash", Case{Run: func(*T) { panic("boom") }}, Failed, "the target crashed"},
		{"memory", Case{Run: func(t *T) { t.zero("memory", t.RAM.Base, 3*page) }}, Passed, ""},
		{"contents", Case{Run: func(t *T) { t.contains("contents", t.RAM.Base, []byte{0, 1}) }}, Failed, "contents"},
	} {
		r := runOne(t, f, tc.c)
		got := r.Reason
		if r.Failure != nil {
			got = r.Failure.What
		}
		if r.Status != tc.status || got != tc.reason {
			t.Errorf("%s: %v, %q", tc.name, r.Status, got)
		}
	}
	if f.resets != 6 {
		t.Errorf("%d resets for 6 cases that ran", f.resets)
	}
}

func TestRunErrors(t *testing.T) {
	c := Case{Run: func(*T) {}, Variant: StaticPool}
	bad := errors.New("no machine")
	f := newFake()
	for name, tc := range map[string]struct {
		factory Factory
		skipped bool
	}{
		"factory": {func(Variant) (Target, error) { return nil, bad }, false},
		"variant": {func(v Variant) (Target, error) { return nil, fmt.Errorf("%w: %v", ErrVariant, v) }, true},
		"reset":   {func(Variant) (Target, error) { g := newFake(); g.err = bad; return g, nil }, false},
		"small":   {func(Variant) (Target, error) { g := newFake(); g.prop.RAM.Size = 1 << 20; return g, nil }, false},
		"no AP":   {func(Variant) (Target, error) { g := newFake(); g.prop.Normal.Read = 0x1FF; return g, nil }, false},
		"MPIDR":   {func(Variant) (Target, error) { g := newFake(); g.prop.CPUs = 2; return g, nil }, false},
		"end":     {func(Variant) (Target, error) { g := newFake(); g.prop.End--; return g, nil }, false},
	} {
		r, err := NewSuite(tc.factory).Run(&c)
		if tc.skipped != (err == nil && r.Status == Skipped) || !tc.skipped && err == nil {
			t.Errorf("%s: %v, error %v", name, r.Status, err)
		}
	}
	// A target that crashed is made anew.
	made := 0
	suite := NewSuite(func(Variant) (Target, error) { made++; return f, nil })
	for range 2 {
		suite.Run(&Case{Run: func(*T) { panic("boom") }})
	}
	if made != 2 {
		t.Errorf("%d targets for two crashes", made)
	}
}

func TestWant(t *testing.T) {
	in := Registers{0x8400_0069, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	reply := func(change func(r *Registers)) *Registers {
		out := in
		copy(out[:8], []uint64{0x8400_0061, 0, 0x55, 0, 0, 0, 0, 0})
		change(&out)
		return &out
	}
	none := func(*Registers) {}
	for _, tc := range []struct {
		name string
		want Want
		out  *Registers
		ok   bool
	}{
		{"success", success(0x55), reply(none), true},
		{"success with another word", success(0x56), reply(none), false},
		{"success with something", successWith(1, "x"), reply(none), true},
		{"success with nothing", success(), reply(none), false},
		{"an upper half", successWith(1, "x"), reply(func(r *Registers) { r[2] |= 1 << 32 }), false},
		{"w1", success(0x55), reply(func(r *Registers) { r[1] = 1 }), false},
		{"w7", success(0x55), reply(func(r *Registers) { r[7] = 7 }), false},
		{"x8 cleared", success(0x55), reply(func(r *Registers) { clear(r[8:]) }), true},
		{"x8 overwritten", success(0x55), reply(func(r *Registers) { r[8] = 1 }), false},
		{"SMC64", success(0x55), reply(func(r *Registers) { r[0] |= 1 << 30 }), false},
		{"error", failure(ffa.Denied), reply(func(r *Registers) { r[0], r[2] = 0x8400_0060, 0xFFFF_FFFA }), true},
		{"other error", failure(ffa.Denied), reply(func(r *Registers) { r[0], r[2] = 0x8400_0060, 0xFFFF_FFFE }), false},
		{"one of two errors", failure(ffa.Denied, ffa.InvalidParameters), reply(func(r *Registers) { r[0], r[2] = 0x8400_0060, 0xFFFF_FFFE }), true},
		{"sign-extended error", failure(ffa.Denied), reply(func(r *Registers) { r[0], r[2] = 0x8400_0060, 0xFFFF_FFFF_FFFF_FFFA }), false},
		{"success or error", success(0x55).or(failure(ffa.Denied)), reply(none), true},
		{"PSCI, zero-extended", result(smc.PSCIDenied), &Registers{0xFFFF_FFFD, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, true},
		{"PSCI, sign-extended", result(smc.PSCIDenied), &Registers{0xFFFF_FFFF_FFFF_FFFD, 0, 0, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, true},
		{"PSCI, half extended", result(smc.PSCIDenied), &Registers{0x1_FFFF_FFFD, 0, 0, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, false},
		{"PSCI with x4", result(smc.PSCIDenied), &Registers{0xFFFF_FFFD, 0, 0, 0, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, false},
		{"unknown", unknown(), &Registers{^uint64(0), 0, 0, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, true},
		{"unknown in 32 bits", unknown(), &Registers{0xFFFF_FFFF, 0, 0, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, false},
	} {
		if d := tc.want.match(&in, tc.out); (d == nil) != tc.ok {
			t.Errorf("%s: differences %q, want match %v", tc.name, d, tc.ok)
		}
	}
	if d := failure(ffa.Denied, ffa.Busy).match(&in, reply(none)); len(d) != 2 || d[0] != "x0 = 0x84000061, want 0x84000060" {
		t.Errorf("differences %q", d)
	}
}

// policies are what a firewall may let masters do; the probes must find out exactly that, loud and silent.
func TestReach(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, want := range []Access{
			{0xFFFF, 0xFFFF}, {0, 0}, {0x0034, 0x0038}, {0x0004, 0}, {0x8000, 0x8000}, {0x0001, 0xFFFE},
		} {
			f := newFake()
			f.prop.Silent = silent
			const addr = 0x4080_0000
			f.mem[addr] = 0x6D
			f.allow = func(n uint8, a uint64, write bool) bool {
				mask := want.Read
				if write {
					mask = want.Write
				}
				return a != addr || mask>>n&1 != 0
			}
			r := runOne(t, f, Case{Run: func(x *T) { x.reachable("here", addr, want) }})
			if r.Status != Passed {
				t.Errorf("silent %v, %v: %+v", silent, want, r.Failure)
			}
			if want.Read != 0 && f.mem[addr] != 0x6D {
				t.Errorf("silent %v, %v: the byte is %#x afterwards", silent, want, f.mem[addr])
			}
			for _, other := range []Access{{want.Read ^ 1, want.Write}, {want.Read, want.Write ^ 1<<15}, {^want.Read, ^want.Write}} {
				f.mem[addr] = 0x6D
				if silent && want.Read == 0 {
					continue // writes cannot be seen
				}
				if r := runOne(t, f, Case{Run: func(x *T) { x.reachable("here", addr, other) }}); r.Status != Failed || len(r.Failure.Details) == 0 {
					t.Errorf("silent %v, %v: %v passes", silent, want, other)
				}
			}
		}
	}
	// Data that comes with an error is a fault of its own.
	f := newFake()
	f.prop.Silent = false
	leaky := &leak{f}
	r, err := NewSuite(func(Variant) (Target, error) { return leaky, nil }).Run(&Case{Run: func(x *T) { x.reach(x.RAM.Base) }})
	if err != nil || r.Status != Failed || !strings.Contains(r.Failure.What, "NSAID 3 reads 0x5a") {
		t.Errorf("a leak: %+v, %v", r.Failure, err)
	}
}

// leak answers reads of NSAID 3 with an error and data.
type leak struct{ *fake }

func (l *leak) Port(nsaid uint8) Port { return &leakPort{fakePort{l.fake, nsaid}} }

type leakPort struct{ fakePort }

func (p *leakPort) Read(addr uint64, b []byte) bus.Response {
	if p.nsaid == 3 {
		b[0] = 0x5A
		return bus.DECERR
	}
	return p.fakePort.Read(addr, b)
}

// failing is a result with everything that a report shows.
func failing() Result {
	return Result{
		Case:   &Case{Group: "ffa-memory", Name: "lend", Rule: Rule{"DEN0140", "FFA_MEM_LEND"}, Why: "It is lent."},
		Status: Failed,
		Failure: &Failure{What: "lend", Call: "FFA_MEM_LEND total=112", Memory: []string{"descriptor: sender=0x0"}, Reply: "FFA_ERROR DENIED", Want: "FFA_SUCCESS",
			In: Registers{0xC400_0072, 112, 112, 8: junk(8)}, Out: Registers{0x8400_0060, 0, 0xFFFF_FFFA, 8: 1}, Details: []string{`x0 = "1"`}, Before: []string{"FFA_VERSION -> 1.2"}},
	}
}

func TestTAP(t *testing.T) {
	var b bytes.Buffer
	tap, err := NewTAP(&b, 3)
	if err != nil {
		t.Fatal(err)
	}
	bad := failing()
	for _, r := range []Result{
		{Case: &Case{Group: "smccc", Name: "version"}},
		{Case: &Case{Group: "psci", Name: "cpu-on"}, Status: Skipped, Reason: "one processor"},
		bad,
	} {
		if err := tap.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	want := `TAP version 14
1..3
ok 1 - smccc/version
ok 2 - psci/cpu-on # SKIP one processor
not ok 3 - ffa-memory/lend
  ---
  message: "lend"
  call: "FFA_MEM_LEND total=112"
  memory:
    - "descriptor: sender=0x0"
  reply: "FFA_ERROR DENIED"
  expected: "FFA_SUCCESS"
  difference:
    - "x0 = \"1\""
  rule: "DEN0140, FFA_MEM_LEND"
  why: "It is lent."
  in: "0xc4000072 0x70 0x70 0x0 0x0 0x0 0x0 0x0"
  out: "0x84000060 0x0 0xfffffffa 0x0 0x0 0x0 0x0 0x0 0x1"
  before:
    - "FFA_VERSION -> 1.2"
  ...
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	err := WriteJUnit(&b, []Result{
		{Case: &Case{Group: "smccc", Name: "version"}},
		{Case: &Case{Group: "ffa-memory", Name: "share"}, Status: Skipped, Reason: "no <FF-A>"},
		failing(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var report junitReport
	if err := xml.Unmarshal(b.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Tests != 3 || report.Failures != 1 || report.Skipped != 1 || len(report.Suites) != 2 {
		t.Fatalf("report %+v", report)
	}
	s := report.Suites[1]
	if s.Name != "ffa-memory" || s.Tests != 2 || s.Failures != 1 || s.Skipped != 1 || s.Cases[0].Skipped.Message != "no <FF-A>" {
		t.Errorf("suite %+v", s)
	}
	if f := s.Cases[1].Failure; f == nil || f.Message != "lend" || !strings.Contains(f.Text, `reply: "FFA_ERROR DENIED"`) {
		t.Errorf("failure %+v", f)
	}
	if !strings.HasPrefix(b.String(), xml.Header) || strings.Contains(b.String(), "time=") {
		t.Error("no XML header, or host times")
	}
}

// What a failure shows: the call that is to blame decoded, and those before it.
func TestFailureIsDecoded(t *testing.T) {
	f := newFake()
	f.prop.FFA = true
	f.answer = func(_ int, r *Registers) {
		switch ffa.FunctionOf(r) {
		case ffa.Version32:
			*r = Registers{uint64(ffa.Version1_2)}
		case ffa.MemLend64:
			*r = ffa.ErrorReply(ffa.Denied)
		case ffa.MsgSendDirectReq32:
			*r = Registers{uint64(ffa.MsgSendDirectResp32), 0x8001 << 16, 0, 0}
		default:
			*r = ffa.SuccessReply(0x10)
		}
	}
	r := runOne(t, f, Case{Run: func(x *T) {
		x.negotiate(ffa.Version1_2)
		x.mapBuffers(1)
	}})
	if r.Status != Failed || r.Failure.Call != "FFA_RXTX_MAP tx=0x40010000 rx=0x40020000 pages=1 smc64" ||
		!slices.Equal(r.Failure.Before, []string{"FFA_VERSION version=1.2 -> FFA_VERSION version=1.2"}) {
		t.Errorf("%+v", r.Failure)
	}
	r = runOne(t, f, Case{Run: func(x *T) {
		x.negotiate(ffa.Version1_2)
		x.optee = 0x8001
		x.lend(x.pool, 4)
	}})
	if r.Status != Failed || r.Failure.Reply != "FFA_ERROR DENIED" || len(r.Failure.Memory) != 1 || !strings.Contains(r.Failure.Memory[0], "0x40800000") {
		t.Errorf("%+v", r.Failure)
	}
	r = runOne(t, f, Case{Run: func(x *T) {
		x.negotiate(ffa.Version1_2)
		x.optee, x.shm = 0x8001, 5
		x.message("OPEN_SESSION", optee.ErrorItemNotFound, openArg(optee.DeviceUUID(), optee.LoginPublic))
	}})
	if r.Status != Failed || !strings.Contains(r.Failure.Call, "YIELDING_CALL_WITH_ARG handle=0x5") || len(r.Failure.Memory) != 1 ||
		!strings.Contains(r.Failure.Memory[0], "OPEN_SESSION") || !strings.Contains(r.Failure.Memory[0], "SUCCESS") {
		t.Errorf("%+v", r.Failure)
	}
	// Long histories are cut at the front.
	r = runOne(t, f, Case{Run: func(x *T) {
		for range 40 {
			x.call(uint64(ffa.IDGet32))
		}
		x.failf("", "enough")
	}})
	if n := len(r.Failure.Before); n != maxBefore+1 || r.Failure.Before[0] != "24 more" {
		t.Errorf("%d lines of history, the first %q", n, r.Failure.Before[0])
	}
}

// The message layer of the suite notices a secure world that writes where it must not.
func TestAnswerIsCompared(t *testing.T) {
	for name, tc := range map[string]struct {
		offset uint64
		ok     bool
	}{
		"ret": {20, true}, "session": {8, true}, "origin": {24, true}, "value": {72 + 8, true}, "size": {32 + 32*2 + 16, true},
		"command": {0, false}, "padding": {16, false}, "attribute": {32, false}, "input": {40, false}, "reference": {32 + 32*2 + 8, false}, "count": {28, false},
	} {
		f := newFake()
		var at uint64
		f.answer = func(_ int, r *Registers) {
			f.mem[at+tc.offset] ^= 1
			r[0] = 0
		}
		r := runOne(t, f, Case{Run: func(x *T) {
			x.abi, at = overSMC, x.arg
			x.messageAt("message", 0, &optee.Arg{Cmd: optee.CmdInvokeCommand, Params: []optee.Param{
				optee.ValueParam(optee.AttrValueInput, 1, 2, 3), optee.ValueParam(optee.AttrValueOutput, 1, 2, 3),
				optee.RMemParam(optee.AttrRMemOutput, optee.RMem{Offset: 1, Size: 2, SHMRef: 3}),
			}})
		}})
		if (r.Status == Passed) != tc.ok {
			t.Errorf("%s changed: %v %+v", name, r.Status, r.Failure)
		}
	}
}

func TestEdges(t *testing.T) {
	if got := edges(Range{0x1000, 0x1000}); !slices.Equal(got, []uint64{0x1000, 0x1FFF}) {
		t.Errorf("one page: %#x", got)
	}
	if got := edges(Range{0x1000, 0x4000}); !slices.Equal(got, []uint64{0x1000, 0x1FFF, 0x2000, 0x4000, 0x4FFF}) {
		t.Errorf("four pages: %#x", got)
	}
	for a := uint64(0); a < 1<<24; a += page {
		if patternByte(a) == 0 {
			t.Fatalf("the pattern of page %#x is zero", a)
		}
	}
}
