package firewall

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
	"gatehouse/secureworld/memory"
)

const (
	tzcBase = 0x0B00_0000
	// The memory ends above 4 GiB, so that base and top of some regions differ in the high word.
	ramBase = 0xFFFE_0000
	nPages  = 64
	page    = memory.PageSize
)

var background = memory.Access{Read: 0x03FF, Write: 0x03FF}

// rig is a controller before memory, with a look at every state that it goes through.
type rig struct {
	t      testing.TB
	tzc    *tzc400.TZC400
	filter bus.Filter
	port   *bus.Port
	drv    *TZC400
	// ceiling is the most that non-secure masters may do on each page at any moment; nil for no limit.
	ceiling [nPages]*memory.Access
	writes  int
	closes  int
}

// watched is the controller as the driver sees it: after each register write the rig looks at every page.
type watched struct{ r *rig }

func (w watched) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	return w.r.tzc.Read(off, size, a)
}

func (w watched) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	resp := w.r.tzc.Write(off, size, v, a)
	w.r.writes++
	if off == tzc400.GateKeeper && v == 0 {
		w.r.closes++
	}
	w.r.look()
	return resp
}

func newRig(t testing.TB, pinned ...Pin) *rig {
	t.Helper()
	var b bus.Bus
	r := &rig{t: t, tzc: tzc400.New("tzc400", nil, new(vtime.Clock))}
	r.filter = r.tzc.Unit(0)
	if err := b.Map(bus.Region{Name: "tzc400", Base: tzcBase, Size: page, Dev: watched{r}, SecureOnly: true}); err != nil {
		t.Fatal(err)
	}
	r.port = bus.NewPort(&b, bus.Attr{Secure: true, Privileged: true})
	drv, err := NewTZC400(Config{Base: tzcBase, Action: ActionAbort, Background: background, Pinned: pinned, Port: r.port})
	if err != nil {
		t.Fatal(err)
	}
	r.drv = drv
	return r
}

// granted is what non-secure masters may do on page i now, read off the model of the controller.
func (r *rig) granted(i int) (a memory.Access) {
	for id := range uint8(16) {
		for _, off := range []uint64{0, page - 1} {
			attr := bus.Attr{NSAID: id}
			if r.filter.Allows(ramBase+uint64(i)*page+off, false, attr) {
				a.Read |= 1 << id
			}
			if r.filter.Allows(ramBase+uint64(i)*page+off, true, attr) {
				a.Write |= 1 << id
			}
		}
	}
	return a
}

func (r *rig) look() {
	for i, c := range r.ceiling {
		if c == nil {
			continue
		}
		if g := r.granted(i); g.Read&^c.Read != 0 || g.Write&^c.Write != 0 {
			r.t.Errorf("after write %d: page %d is open to %04x/%04x, may be to %04x/%04x", r.writes, i, g.Read, g.Write, c.Read, c.Write)
		}
	}
}

func pagesAt(first, n int) memory.Range {
	return memory.Range{Base: ramBase + uint64(first)*page, Size: uint64(n) * page}
}

// An empty grant is what lent pages leave to processors and all other masters.
var nobody memory.Access

func TestResetState(t *testing.T) {
	r := newRig(t)
	for i := range nPages {
		if g := r.granted(i); g != background {
			t.Fatalf("page %d is open to %v, want the background %v", i, g, background)
		}
	}
	if v, _ := r.tzc.Read(tzc400.Action, 4, bus.Attr{Secure: true}); v != tzc400.ActionDECERR {
		t.Errorf("ACTION = %d, want DECERR", v)
	}
	if v, _ := r.tzc.Read(tzc400.GateKeeper, 4, bus.Attr{Secure: true}); v != 0xF000F {
		t.Errorf("GATE_KEEPER = %#x, want all open", v)
	}
	if !r.filter.Allows(ramBase, true, bus.Attr{Secure: true}) {
		t.Error("the secure world cannot write memory")
	}
}

// Taking over a controller that other software left open: nothing may be open in between but what both sides allow.
func TestTakeOver(t *testing.T) {
	r := newRig(t)
	if err := r.drv.Protect([]memory.Range{pagesAt(0, nPages)}, background); err != nil {
		t.Fatal(err)
	}
	for i := range r.ceiling {
		r.ceiling[i] = &nobody
	}
	// The first complaint must come with the last write, which opens the gates.
	first := &firstComplaint{TB: t, rig: r}
	r.t = first
	if _, err := NewTZC400(Config{Base: tzcBase, Background: background, Port: r.port}); err != nil {
		t.Fatal(err)
	}
	if first.write != r.writes {
		t.Errorf("memory is open from write %d on, want %d, the last one", first.write, r.writes)
	}
	if g := r.granted(0); g != background {
		t.Errorf("page 0 is open to %v, want %v", g, background)
	}
}

// firstComplaint notes the register write at which the rig first complains.
type firstComplaint struct {
	testing.TB
	rig   *rig
	write int
}

func (f *firstComplaint) Errorf(string, ...any) {
	if f.write == 0 {
		f.write = f.rig.writes
	}
}

// One region goes live with one write: before it everything is open, after it the page is shut, the others never change.
func TestProtectAndRelease(t *testing.T) {
	r := newRig(t)
	display := memory.Access{Read: 1 << bus.NSAIDHDLCD, Write: 1 << bus.NSAIDDecoder}
	for i := range r.ceiling {
		r.ceiling[i] = &background
	}
	if err := r.drv.Protect([]memory.Range{pagesAt(30, 4)}, display); err != nil {
		t.Fatal(err)
	}
	for i := range nPages {
		want := background
		if i >= 30 && i < 34 {
			want = display
		}
		if g := r.granted(i); g != want {
			t.Errorf("page %d is open to %v, want %v", i, g, want)
		}
	}
	if r.closes != 1 {
		t.Errorf("gates were closed %d times, want only at reset", r.closes)
	}
	for i := 30; i < 34; i++ {
		r.ceiling[i] = &display
	}
	r.drv.Revoke([]memory.Range{pagesAt(30, 4)})
	if g := r.granted(31); g != nobody {
		t.Errorf("revoked page is open to %v", g)
	}
	r.ceiling = [nPages]*memory.Access{}
	r.drv.Release([]memory.Range{pagesAt(30, 4)})
	for i := range nPages {
		if g := r.granted(i); g != background {
			t.Errorf("page %d is open to %v after the release", i, g)
		}
	}
}

// Eight ranges apart fill the controller; the ninth is refused and not one register is written.
func TestOutOfRegions(t *testing.T) {
	r := newRig(t)
	for i := range 8 {
		if err := r.drv.Protect([]memory.Range{pagesAt(4*i, 1)}, nobody); err != nil {
			t.Fatalf("range %d: %v", i, err)
		}
	}
	writes := r.writes
	if err := r.drv.Protect([]memory.Range{pagesAt(60, 1)}, nobody); !errors.Is(err, memory.ErrNoRegion) {
		t.Errorf("ninth range: %v, want %v", err, memory.ErrNoRegion)
	}
	if r.writes != writes {
		t.Errorf("a refused range caused %d register writes", r.writes-writes)
	}
	// A neighbour with the same masters shares a region.
	if err := r.drv.Protect([]memory.Range{pagesAt(1, 1)}, nobody); err != nil {
		t.Errorf("neighbour: %v", err)
	}
	// Not with other masters.
	if err := r.drv.Protect([]memory.Range{pagesAt(5, 1)}, background); !errors.Is(err, memory.ErrNoRegion) {
		t.Errorf("neighbour with other masters: %v", err)
	}
	r.drv.Release([]memory.Range{pagesAt(8, 1)})
	if err := r.drv.Protect([]memory.Range{pagesAt(60, 1)}, nobody); err != nil {
		t.Errorf("after a release: %v", err)
	}
}

// held is one protected set of ranges in the random test.
type held struct {
	ranges []memory.Range
	access memory.Access
}

// step drives a rig with one decision and checks all states on the way and the one at the end.
func (r *rig) step(holds []held, rng func(int) int) []held {
	grants := []memory.Access{nobody, {Read: 4, Write: 0x10}, {Read: 0x24}}
	var owner [nPages]int // index into holds + 1
	for h, x := range holds {
		for _, rg := range x.ranges {
			for a := rg.Base; a < rg.End(); a += page {
				owner[(a-ramBase)/page] = h + 1
			}
		}
	}
	// Whatever is held now and stays held must never be open to more than its own masters.
	limit := func(except int) {
		for i := range r.ceiling {
			switch o := owner[i]; {
			case o == 0 || o == except:
				r.ceiling[i] = &background
			default:
				r.ceiling[i] = &holds[o-1].access
			}
		}
	}
	if len(holds) > 0 && rng(3) == 0 {
		k := rng(len(holds))
		limit(0)
		r.drv.Revoke(holds[k].ranges)
		for _, rg := range holds[k].ranges {
			if g := r.granted(int((rg.Base - ramBase) / page)); g != nobody {
				r.t.Errorf("revoked %v is open to %v", rg, g)
			}
		}
		limit(k + 1)
		r.drv.Release(holds[k].ranges)
		holds = slices.Delete(slices.Clone(holds), k, k+1)
	} else {
		limit(0)
		x := held{access: grants[rng(len(grants))]}
		at := rng(nPages)
		for range rng(2) + 1 {
			n := rng(4) + 1
			if at+n > nPages || slices.ContainsFunc(owner[at:at+n], func(o int) bool { return o != 0 }) {
				break
			}
			x.ranges = append(x.ranges, pagesAt(at, n))
			at += n + 1 + rng(3)
		}
		if len(x.ranges) == 0 {
			return holds
		}
		writes, extents := r.writes, slices.Clone(r.drv.layout.extents)
		err := r.drv.Protect(x.ranges, x.access)
		switch {
		case err == nil:
			holds = append(slices.Clone(holds), x)
		case !errors.Is(err, memory.ErrNoRegion) || r.writes != writes || !slices.Equal(extents, r.drv.layout.extents):
			r.t.Errorf("refused with %v after %d writes", err, r.writes-writes)
		}
	}
	var want [nPages]memory.Access
	for i := range want {
		want[i] = background
	}
	for _, x := range holds {
		for _, rg := range x.ranges {
			for a := rg.Base; a < rg.End(); a += page {
				want[(a-ramBase)/page] = x.access
			}
		}
	}
	for i := range want {
		if g := r.granted(i); g != want[i] {
			r.t.Fatalf("page %d is open to %v, want %v; held %v", i, g, want[i], holds)
		}
	}
	return holds
}

// Random protects and releases: at no register write is protected memory open to more than its masters, and after each
// operation every page is open to exactly those it should be. Releases never fail.
func TestRandomOrder(t *testing.T) {
	for seed := range uint64(60) {
		r := newRig(t)
		rng := rand.New(rand.NewPCG(seed, 7))
		var holds []held
		for range 60 {
			holds = r.step(holds, rng.IntN)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzProtect(f *testing.F) {
	f.Add([]byte{1, 2, 0, 10, 0, 3, 0, 0, 0, 0, 1, 1, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRig(t)
		next := func(n int) int {
			if len(b) == 0 {
				return 0
			}
			v := int(b[0]) % n
			b = b[1:]
			return v
		}
		var holds []held
		for len(b) > 0 && len(holds) < 20 {
			holds = r.step(holds, next)
		}
	})
}

// Sixteen neighbours with the same masters fit, because any part of them that can be left needs at most eight regions. They
// go in every second one first, which is the worst case.
func TestNeighboursCanAlwaysBeReleased(t *testing.T) {
	r := newRig(t)
	for i := range 16 {
		if err := r.drv.Protect([]memory.Range{pagesAt(10+i, 1)}, nobody); err != nil {
			t.Fatalf("neighbour %d: %v", i, err)
		}
	}
	if err := r.drv.Protect([]memory.Range{pagesAt(26, 1)}, nobody); !errors.Is(err, memory.ErrNoRegion) {
		t.Errorf("seventeenth neighbour: %v, want %v", err, memory.ErrNoRegion)
	}
	for i := range r.ceiling {
		r.ceiling[i] = &background
		if i >= 10 && i < 26 {
			r.ceiling[i] = &nobody
		}
	}
	for _, odd := range []int{1, 0} {
		for i := odd; i < 16; i += 2 {
			r.drv.Revoke([]memory.Range{pagesAt(10+i, 1)})
			r.ceiling[10+i] = &background
			r.drv.Release([]memory.Range{pagesAt(10+i, 1)})
			if g := r.granted(10 + i); g != background {
				t.Errorf("neighbour %d is open to %v after its release", i, g)
			}
		}
	}
	if n := r.drv.Extents(); n != 0 {
		t.Errorf("%d extents are left", n)
	}
}

// Pinned ranges are shut when the gates open and stay so whatever happens beside them.
func TestPinned(t *testing.T) {
	r := newRig(t, Pin{Range: pagesAt(0, 8)}, Pin{pagesAt(20, 1), memory.Access{Read: 4}})
	for i := range 8 {
		r.ceiling[i] = &nobody
	}
	if g := r.granted(20); g != (memory.Access{Read: 4}) {
		t.Errorf("pinned page 20 is open to %v", g)
	}
	if err := r.drv.Protect([]memory.Range{pagesAt(8, 8)}, nobody); err != nil {
		t.Fatal(err)
	}
	r.drv.Revoke([]memory.Range{pagesAt(8, 8)})
	r.drv.Release([]memory.Range{pagesAt(8, 8)})
	if g := r.granted(7); g != nobody {
		t.Errorf("pinned page 7 is open to %v", g)
	}
	if g := r.granted(8); g != background {
		t.Errorf("released page is open to %v", g)
	}
}

func TestNoController(t *testing.T) {
	var b bus.Bus
	ram, err := bus.NewRAM(page)
	if err != nil {
		t.Fatal(err)
	}
	defer ram.Close()
	if err := b.Map(bus.Region{Name: "other", Base: tzcBase, Size: page, RAM: ram}); err != nil {
		t.Fatal(err)
	}
	for _, base := range []uint64{tzcBase, tzcBase + page} {
		_, err := NewTZC400(Config{Base: base, Port: bus.NewPort(&b, bus.Attr{Secure: true})})
		if !errors.Is(err, ErrController) {
			t.Errorf("no controller at %#x: %v", base, err)
		}
	}
}
