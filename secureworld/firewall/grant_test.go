package firewall

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
)

// grantModel is what a rig should enforce, page by page: -1 stands for a page that is not protected.
type grantModel struct {
	hold   [nPages]int // index of the protected range that a page belongs to
	holds  []held      // released ones stay, without ranges
	grants []held      // each one range
}

func newModel() *grantModel {
	m := new(grantModel)
	for i := range m.hold {
		m.hold[i] = -1
	}
	return m
}

func (m *grantModel) access(i int) memory.Access {
	if m.hold[i] < 0 {
		return background
	}
	a := m.holds[m.hold[i]].access
	for _, g := range m.grants {
		if at := ramBase + uint64(i)*page; g.ranges[0].Contains(memory.Range{Base: at, Size: page}) {
			a.Read |= g.access.Read
			a.Write |= g.access.Write
		}
	}
	return a
}

func (m *grantModel) all() (a [nPages]memory.Access) {
	for i := range a {
		a[i] = m.access(i)
	}
	return a
}

// regions is the fewest regions that hold the model.
func (m *grantModel) regions() (n int) {
	for i := range nPages {
		if m.hold[i] >= 0 && (i == 0 || m.hold[i-1] < 0 || m.access(i-1) != m.access(i)) {
			n++
		}
	}
	return n
}

// enabled counts the regions that the controller holds.
func (r *rig) enabled() (n int) {
	for i := range uint64(8) {
		v, _ := r.tzc.Read(regRegion+(i+1)*regionStride+regAttribute, 4, bus.Attr{Secure: true})
		if v&0xF != 0 {
			n++
		}
	}
	return n
}

// during makes a change and checks that at no register write more masters reach a page than before or afterwards.
func (r *rig) during(m *grantModel, change func() error, apply func()) error {
	before := m.all()
	saved := *m
	saved.holds, saved.grants = slices.Clone(m.holds), slices.Clone(m.grants)
	apply()
	after := m.all()
	var most [nPages]memory.Access
	for i := range most {
		most[i] = memory.Access{Read: before[i].Read | after[i].Read, Write: before[i].Write | after[i].Write}
		r.ceiling[i] = &most[i]
	}
	writes := r.writes
	err := change()
	if err != nil {
		if r.writes != writes {
			r.t.Errorf("refused with %v after %d writes", err, r.writes-writes)
		}
		*m = saved
	}
	for i, want := range m.all() {
		if g := r.granted(i); g != want {
			r.t.Fatalf("page %d is open to %v, want %v", i, g, want)
		}
	}
	if n, want := r.enabled(), m.regions(); n != want {
		r.t.Errorf("%d regions are enabled, want %d", n, want)
	}
	if used, all := r.drv.Regions(); used != m.regions() || all != 8 {
		r.t.Errorf("Regions() = %d, %d; want %d, 8", used, all, m.regions())
	}
	return err
}

// grantStep makes one decision of rng.
func (r *rig) grantStep(m *grantModel, rng func(int) int) {
	masters := []memory.Access{{Read: 4}, {Write: 8}, {Read: 0x20}, {Write: 0x20}}
	alive := func() (list []int) {
		for i := range m.holds {
			if m.holds[i].ranges != nil {
				list = append(list, i)
			}
		}
		return list
	}()
	switch k := rng(8); {
	case k == 0 || len(alive) == 0: // protect
		at, n := rng(nPages), rng(8)+1
		x := held{access: []memory.Access{nobody, nobody, {Read: 4, Write: 0x10}}[rng(3)]}
		if at+n > nPages || slices.ContainsFunc(m.hold[at:at+n], func(h int) bool { return h >= 0 }) {
			return
		}
		x.ranges = []memory.Range{pagesAt(at, n)}
		err := r.during(m, func() error { return r.drv.Protect(x.ranges, x.access) }, func() {
			m.holds = append(m.holds, x)
			for i := range n {
				m.hold[at+i] = len(m.holds) - 1
			}
		})
		if err != nil && !errors.Is(err, memory.ErrNoRegion) {
			r.t.Errorf("protect: %v", err)
		}
	case k == 1: // release, after the revocation that comes before it
		h := alive[rng(len(alive))]
		ranges := m.holds[h].ranges
		r.during(m, func() error {
			r.drv.Revoke(ranges)
			for i := range nPages {
				if g := r.granted(i); m.hold[i] == -2 && g != nobody {
					r.t.Errorf("revoked page %d is open to %v", i, g)
				}
			}
			r.drv.Release(ranges)
			return nil
		}, func() {
			m.holds[h].ranges = nil
			for i := range m.hold {
				if m.hold[i] == h {
					m.hold[i] = -2
				}
			}
			m.grants = slices.DeleteFunc(m.grants, func(g held) bool { return ranges[0].Contains(g.ranges[0]) })
		})
		for i := range m.hold {
			m.hold[i] = max(m.hold[i], -1)
		}
	case k < 6: // grant
		in := m.holds[alive[rng(len(alive))]].ranges[0]
		first := rng(int(in.Size / page))
		n := rng(int(in.Size/page)-first) + 1
		g := held{[]memory.Range{{Base: in.Base + uint64(first)*page, Size: uint64(n) * page}}, masters[rng(len(masters))]}
		err := r.during(m, func() error { return r.drv.Grant(g.ranges, g.access) }, func() { m.grants = append(m.grants, g) })
		if err != nil && !errors.Is(err, memory.ErrNoRegion) {
			r.t.Errorf("grant: %v", err)
		}
	case len(m.grants) > 0: // withdraw
		i := rng(len(m.grants))
		g := m.grants[i]
		r.during(m, func() error { r.drv.Withdraw(g.ranges, g.access); return nil }, func() { m.grants = slices.Delete(m.grants, i, i+1) })
	}
}

// Random protection, grants, withdrawals and releases against a map of pages: what the controller enforces is the map, with the
// fewest regions, and on the way nobody reaches more than before or afterwards. What takes access away never fails.
func TestRandomGrants(t *testing.T) {
	for seed := range uint64(80) {
		r, m := newRig(t), newModel()
		rng := rand.New(rand.NewPCG(seed, 11))
		for range 80 {
			r.grantStep(m, rng.IntN)
		}
		for len(m.grants) > 0 {
			g := m.grants[0]
			r.during(m, func() error { r.drv.Withdraw(g.ranges, g.access); return nil }, func() { m.grants = m.grants[1:] })
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzGrants(f *testing.F) {
	f.Add([]byte{0, 3, 7, 0, 2, 0, 1, 2, 1, 2, 0, 2, 2, 1, 6, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, m := newRig(t), newModel()
		next := func(n int) int {
			if len(b) == 0 {
				return 0
			}
			v := int(b[0]) % n
			b = b[1:]
			return v
		}
		for range 60 {
			if len(b) == 0 {
				return
			}
			r.grantStep(m, next)
		}
	})
}

// A grant in the middle of a range takes two regions more, and at an end one. Grants to all of a range take none, and its
// masters change with one register write while the gates stay open.
func TestGrantRegions(t *testing.T) {
	r := newRig(t)
	display := memory.Access{Read: 4}
	if err := r.drv.Protect([]memory.Range{pagesAt(10, 20)}, nobody); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ first, n, regions int }{{10, 20, 1}, {10, 1, 2}, {29, 1, 2}, {15, 3, 3}} {
		at := []memory.Range{pagesAt(tc.first, tc.n)}
		writes, closes := r.writes, r.closes
		if err := r.drv.Grant(at, display); err != nil {
			t.Fatal(err)
		}
		if n := r.enabled(); n != tc.regions {
			t.Errorf("%d pages from %d: %d regions, want %d", tc.n, tc.first, n, tc.regions)
		}
		if tc.regions == 1 && (r.writes != writes+1 || r.closes != closes) {
			t.Errorf("a grant to a whole range: %d writes, gates closed %d times", r.writes-writes, r.closes-closes)
		}
		r.drv.Withdraw(at, display)
		if n := r.enabled(); n != 1 {
			t.Errorf("%d regions are left, want 1", n)
		}
	}
}

// Eight pieces fill the controller; one grant more is refused, with not one register written, until one is taken back.
func TestOutOfRegionsForGrants(t *testing.T) {
	r := newRig(t)
	if err := r.drv.Protect([]memory.Range{pagesAt(0, 40)}, nobody); err != nil {
		t.Fatal(err)
	}
	a := memory.Access{Read: 4}
	for i := range 3 {
		if err := r.drv.Grant([]memory.Range{pagesAt(4*i+1, 1)}, a); err != nil {
			t.Fatalf("grant %d: %v", i, err)
		}
	}
	writes := r.writes
	if err := r.drv.Grant([]memory.Range{pagesAt(30, 1)}, a); !errors.Is(err, memory.ErrNoRegion) {
		t.Errorf("fourth grant: %v, want %v", err, memory.ErrNoRegion)
	}
	if r.writes != writes {
		t.Errorf("a refused grant caused %d register writes", r.writes-writes)
	}
	// Another master at the same place needs no region.
	if err := r.drv.Grant([]memory.Range{pagesAt(1, 1)}, memory.Access{Write: 8}); err != nil {
		t.Errorf("another master: %v", err)
	}
	r.drv.Withdraw([]memory.Range{pagesAt(5, 1)}, a)
	if err := r.drv.Grant([]memory.Range{pagesAt(30, 1)}, a); err != nil {
		t.Errorf("after a withdrawal: %v", err)
	}
}

// Two grants of the same are two: the first withdrawal leaves the other in force.
func TestGrantTwice(t *testing.T) {
	r := newRig(t, Pin{Range: pagesAt(0, 4)})
	at, a := []memory.Range{pagesAt(0, 4)}, memory.Access{Read: 4}
	for range 2 {
		if err := r.drv.Grant(at, a); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []memory.Access{a, nobody} {
		r.drv.Withdraw(at, a)
		if g := r.granted(2); g != want {
			t.Errorf("a pinned page is open to %v, want %v", g, want)
		}
	}
}
