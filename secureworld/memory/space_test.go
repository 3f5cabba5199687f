package memory

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatehouse/platform/bus"
)

const nPages = 64

// wall is a firewall that keeps the protected ranges, refuses from the nth on, and looks at memory when it is opened.
type wall struct {
	t         *testing.T
	bus       *bus.Bus
	room      int
	protected map[Range]Access
	revoked   []Range
	log       []string
}

func (w *wall) Protect(r []Range, a Access) error {
	if len(w.protected)+len(r) > w.room {
		return ErrNoRegion
	}
	for _, x := range r {
		w.protected[x] = a
	}
	w.log = append(w.log, "protect")
	return nil
}

func (w *wall) Grant(r []Range, a Access) error {
	if w.room == 0 {
		return ErrNoRegion
	}
	w.log = append(w.log, fmt.Sprint("grant ", r, a))
	return nil
}

func (w *wall) Withdraw(r []Range, a Access) { w.log = append(w.log, fmt.Sprint("withdraw ", r, a)) }

func (w *wall) Revoke(r []Range) {
	w.revoked = append(w.revoked, r...)
	w.log = append(w.log, "revoke")
}

func (w *wall) Release(ranges []Range) {
	for _, r := range ranges {
		if _, ok := w.protected[r]; !ok {
			w.t.Errorf("released %v, which is not protected", r)
		}
		delete(w.protected, r)
		got := make([]byte, r.Size)
		w.bus.Read(r.Base, got, bus.Attr{Secure: true})
		if !bytes.Equal(got, make([]byte, r.Size)) {
			w.t.Errorf("%v is released before it is scrubbed", r)
		}
	}
	w.log = append(w.log, "release")
}

// Filter: non-secure masters reach what is not protected; the processors are in no grant.
func (w *wall) Allows(addr uint64, write bool, a bus.Attr) bool {
	if a.Secure {
		return true
	}
	for r := range w.protected {
		if addr-r.Base < r.Size {
			return false
		}
	}
	return true
}

func (w *wall) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	if w.Allows(addr, write, a) {
		return bus.Allow
	}
	return bus.DenyDECERR
}

func newSpace(t *testing.T) (*Space, *wall) {
	t.Helper()
	ram, err := bus.NewRAM(nPages * PageSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	w := &wall{t: t, bus: new(bus.Bus), room: 3, protected: map[Range]Access{}}
	if err := w.bus.Map(bus.Region{Name: "ram", Base: base, Size: nPages * PageSize, RAM: ram, Filter: w}); err != nil {
		t.Fatal(err)
	}
	s, err := NewSpace(Config{
		Normal: Range{base, nPages * PageSize}, Reserved: []Range{pagesAt(60, 4)}, MaxRanges: 8,
		NonSecure: bus.NewPort(w.bus, bus.Attr{NSAID: bus.NSAIDAP}), Secure: bus.NewPort(w.bus, bus.Attr{Secure: true}),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.SetFirewall(w)
	return s, w
}

func pagesAt(first, n uint64) Range { return Range{base + first*PageSize, n * PageSize} }

// states gives the state of every page.
func states(s *Space) []Page {
	var out []Page
	for i := range uint64(nPages) {
		out = append(out, s.At(base+i*PageSize))
	}
	return out
}

// refused runs op, which must fail with want and leave everything as it is.
func refused(t *testing.T, s *Space, w *wall, name string, want error, op func() (*Object, error)) {
	t.Helper()
	before, log, ranges := states(s), len(w.log), s.ranges
	o, err := op()
	if o != nil || !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	if !slices.Equal(states(s), before) || len(w.log) != log || s.ranges != ranges {
		t.Errorf("%s is refused but changed something", name)
	}
}

// Every pair of operations on pages that overlap: what stands in the state machine is allowed, all else refused.
func TestSecondOperationOnAPage(t *testing.T) {
	ops := map[string]func(s *Space, r ...Range) (*Object, error){
		"share":    func(s *Space, r ...Range) (*Object, error) { return s.Share(r) },
		"register": func(s *Space, r ...Range) (*Object, error) { return s.Register(r) },
		"lend":     func(s *Space, r ...Range) (*Object, error) { return s.Lend(r, Access{}, false) },
		"donate":   func(s *Space, r ...Range) (*Object, error) { return s.Donate(r, false) },
	}
	for first, op1 := range ops {
		for second, op2 := range ops {
			s, w := newSpace(t)
			o, err := op1(s, pagesAt(4, 4))
			if err != nil {
				t.Fatalf("%s: %v", first, err)
			}
			if first == "register" && second == "register" {
				p, err := op2(s, pagesAt(6, 4))
				if err != nil {
					t.Fatalf("register of a registered page: %v", err)
				}
				if err := s.Reclaim(o); err != nil {
					t.Fatal(err)
				}
				if got := s.At(base + 6*PageSize); got != (Page{OwnerSA, 1}) {
					t.Errorf("page of the remaining buffer is %+v", got)
				}
				refused(t, s, w, "lend of a registered page", ErrState, func() (*Object, error) { return s.Lend([]Range{pagesAt(7, 1)}, Access{}, false) })
				if err := s.Reclaim(p); err != nil {
					t.Fatal(err)
				}
			} else {
				refused(t, s, w, second+" after "+first, ErrState, func() (*Object, error) { return op2(s, pagesAt(2, 2), pagesAt(7, 2)) })
				if _, err := op2(s, pagesAt(8, 1)); err != nil {
					t.Errorf("%s of the page behind: %v", second, err)
				}
				if err := s.Reclaim(o); err != nil {
					t.Fatalf("reclaim after %s: %v", first, err)
				}
			}
			if _, err := op2(s, pagesAt(4, 4)); err != nil {
				t.Errorf("%s after %s and reclaim: %v", second, first, err)
			}
			if err := s.Reclaim(o); !errors.Is(err, ErrState) {
				t.Errorf("second reclaim: %v, want %v", err, ErrState)
			}
		}
	}
}

func TestHostileRanges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		ranges []Range
		want   error
	}{
		{"nothing", nil, ErrBounds},
		{"no pages", []Range{{base, 0}}, ErrNotNormal},
		{"below memory", []Range{{base - PageSize, PageSize}}, ErrNotNormal},
		{"across the end", []Range{pagesAt(59, 6)}, ErrNotNormal},
		{"reserved", []Range{pagesAt(59, 2)}, ErrState},
		{"device", []Range{{0x0900_0000, PageSize}}, ErrNotNormal},
		{"wraps", []Range{{^uint64(PageSize - 1), 2 * PageSize}}, ErrNotNormal},
		{"all of the address space", []Range{{0, ^uint64(PageSize - 1)}}, ErrNotNormal},
		{"not aligned", []Range{{base + 1, PageSize}}, ErrNotNormal},
		{"part of a page", []Range{{base, PageSize - 1}}, ErrNotNormal},
		{"the same page twice", []Range{pagesAt(3, 1), pagesAt(3, 1)}, ErrOverlap},
		{"overlap out of order", []Range{pagesAt(8, 4), pagesAt(2, 1), pagesAt(10, 1)}, ErrOverlap},
		{"second range bad", []Range{pagesAt(0, 1), {base + nPages*PageSize, PageSize}}, ErrNotNormal},
		{"more than the account holds", slices.Repeat([]Range{pagesAt(0, 1)}, 9), ErrTooMany},
	} {
		s, w := newSpace(t)
		refused(t, s, w, tc.name+": share", tc.want, func() (*Object, error) { return s.Share(tc.ranges) })
		refused(t, s, w, tc.name+": register", tc.want, func() (*Object, error) { return s.Register(tc.ranges) })
		refused(t, s, w, tc.name+": lend", tc.want, func() (*Object, error) { return s.Lend(tc.ranges, Access{}, true) })
		refused(t, s, w, tc.name+": donate", tc.want, func() (*Object, error) { return s.Donate(tc.ranges, true) })
	}
}

// A firewall without room refuses the lend; nothing changes, and memory given back makes room again.
func TestNoRegion(t *testing.T) {
	s, w := newSpace(t)
	a, err := s.Lend([]Range{pagesAt(0, 1), pagesAt(2, 1)}, Access{}, false)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, s, w, "lend", ErrNoRegion, func() (*Object, error) { return s.Lend([]Range{pagesAt(4, 1), pagesAt(6, 1)}, Access{}, false) })
	if err := s.Reclaim(a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lend([]Range{pagesAt(4, 1), pagesAt(6, 1)}, Access{}, false); err != nil {
		t.Error(err)
	}
}

func TestBudget(t *testing.T) {
	s, _ := newSpace(t)
	for range 1000 {
		o, err := s.Share([]Range{pagesAt(0, 1), pagesAt(2, 1), pagesAt(4, 1)})
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Register([]Range{pagesAt(8, 1), pagesAt(10, 1), pagesAt(12, 1), pagesAt(14, 1), pagesAt(16, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Share([]Range{pagesAt(20, 1)}); !errors.Is(err, ErrTooMany) {
			t.Fatalf("ninth range: %v", err)
		}
		if err := errors.Join(s.Reclaim(o), s.Reclaim(p)); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.pages.spans) != 2 {
		t.Errorf("%d spans are left, want 2 (memory and the reserved part)", len(s.pages.spans))
	}
}

// Lent memory is revoked, scrubbed and released in this order; wall.Release looks at the bytes.
func TestReclaimScrubsFirst(t *testing.T) {
	s, w := newSpace(t)
	secret := bytes.Repeat([]byte("secret! "), 3*PageSize/8)
	access := Access{Read: 1 << bus.NSAIDHDLCD}
	o, err := s.Lend([]Range{pagesAt(9, 1), pagesAt(2, 2)}, access, false)
	if err != nil {
		t.Fatal(err)
	}
	if !o.Protected() || o.Size() != 3*PageSize {
		t.Errorf("object is protected %v, %d bytes", o.Protected(), o.Size())
	}
	if w.protected[pagesAt(2, 2)] != access || w.protected[pagesAt(9, 1)] != access {
		t.Errorf("protected %v, want both ranges with %v", w.protected, access)
	}
	if err := o.WriteAt(secret, 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 8)
	if err := s.ReadNormal(base+2*PageSize, got); !errors.Is(err, ErrNotNormal) {
		t.Errorf("lent memory read as normal memory: %v, %q", err, got)
	}
	if err := s.Reclaim(o); err != nil {
		t.Fatal(err)
	}
	if want := []string{"protect", "revoke", "release"}; !slices.Equal(w.log, want) {
		t.Errorf("firewall saw %v, want %v", w.log, want)
	}
	if err := o.ReadAt(got, 0); !errors.Is(err, ErrState) {
		t.Errorf("an ended object can be read: %v", err)
	}
	if !s.Accessible(pagesAt(0, 60)) {
		t.Error("memory is not accessible again")
	}
}

func TestLendWithZeroFlag(t *testing.T) {
	s, _ := newSpace(t)
	if err := s.WriteNormal(base+PageSize-4, []byte("leftover")); err != nil {
		t.Fatal(err)
	}
	o, err := s.Lend([]Range{pagesAt(0, 2)}, Access{}, true)
	if err != nil {
		t.Fatal(err)
	}
	got := []byte("................")
	if err := o.ReadAt(got, PageSize-8); err != nil || !bytes.Equal(got, make([]byte, 16)) {
		t.Errorf("%q, %v: want zeros", got, err)
	}
}

func TestSurrender(t *testing.T) {
	s, w := newSpace(t)
	o, err := s.Donate([]Range{pagesAt(4, 2)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.At(base + 4*PageSize).State; got != OwnerNA {
		t.Errorf("donated, not retrieved: %v", got)
	}
	s.Surrender(o)
	if got := s.At(base + 5*PageSize).State; got != NotOwnerNA {
		t.Errorf("donated and retrieved: %v", got)
	}
	if err := s.Reclaim(o); !errors.Is(err, ErrState) {
		t.Errorf("reclaim of a donation: %v", err)
	}
	if len(w.protected) != 1 {
		t.Error("a donation is no longer protected")
	}
}

// An object reads and writes the pages in the order in which they were given, across their borders.
func TestObjectOrder(t *testing.T) {
	s, _ := newSpace(t)
	o, err := s.Share([]Range{pagesAt(7, 1), pagesAt(2, 2), pagesAt(9, 1)})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, o.Size())
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	if err := o.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	flat := make([]byte, 0, len(want))
	for _, p := range []uint64{7, 2, 3, 9} {
		var b [PageSize]byte
		if err := s.ReadNormal(base+p*PageSize, b[:]); err != nil {
			t.Fatal(err)
		}
		flat = append(flat, b[:]...)
	}
	if !bytes.Equal(flat, want) {
		t.Error("pages are not in the object's order")
	}
	for _, tc := range []struct{ off, n uint64 }{{0, 0}, {0, 1}, {4095, 2}, {4096, 8192}, {8190, 5}, {4 * 4096, 0}, {4*4096 - 1, 1}} {
		got := make([]byte, tc.n)
		if err := o.ReadAt(got, tc.off); err != nil || !bytes.Equal(got, want[tc.off:tc.off+tc.n]) {
			t.Errorf("ReadAt(%d, %d): %v", tc.off, tc.n, err)
		}
	}
	for _, tc := range []struct{ off, n uint64 }{{4 * 4096, 1}, {4*4096 + 1, 0}, {0, 4*4096 + 1}, {^uint64(0), 2}} {
		if err := o.ReadAt(make([]byte, tc.n), tc.off); !errors.Is(err, ErrBounds) {
			t.Errorf("ReadAt(%#x, %d): %v, want %v", tc.off, tc.n, err, ErrBounds)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"no memory":           {},
		"part of a page":      {Normal: Range{base, 100}},
		"reserved outside":    {Normal: pagesAt(0, 4), Reserved: []Range{pagesAt(4, 1)}},
		"reserved half pages": {Normal: pagesAt(0, 4), Reserved: []Range{{base + 8, PageSize}}},
		"reserved twice":      {Normal: pagesAt(0, 4), Reserved: []Range{pagesAt(1, 2), pagesAt(2, 1)}},
	} {
		if _, err := NewSpace(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Carve-outs stay out of the normal world's reach and are read with the secure identity.
func TestCarveout(t *testing.T) {
	s, w := newSpace(t)
	w.protected[pagesAt(60, 4)] = Access{}
	o := s.Carveout(pagesAt(60, 4))
	if err := o.WriteAt([]byte("x"), 5); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteNormal(base+60*PageSize, []byte("x")); !errors.Is(err, ErrNotNormal) {
		t.Errorf("normal write to the carve-out: %v", err)
	}
	if err := s.Reclaim(o); !errors.Is(err, ErrState) {
		t.Errorf("reclaim of a carve-out: %v", err)
	}
}

// Zero reaches shared memory as the normal world would and protected memory with the secure identity, within the object's bounds.
func TestZero(t *testing.T) {
	s, _ := newSpace(t)
	for name, take := range map[string]func() (*Object, error){
		"share": func() (*Object, error) { return s.Share([]Range{pagesAt(3, 1), pagesAt(1, 1)}) },
		"lend":  func() (*Object, error) { return s.Lend([]Range{pagesAt(3, 1), pagesAt(1, 1)}, Access{}, false) },
	} {
		o, err := take()
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Repeat([]byte{0x5A}, 2*PageSize)
		if err := errors.Join(o.WriteAt(want, 0), o.Zero(PageSize-100, 300)); err != nil {
			t.Fatal(err)
		}
		clear(want[PageSize-100 : PageSize+200])
		got := make([]byte, 2*PageSize)
		if err := o.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, or other bytes are zero", name, err)
		}
		for _, tc := range []struct{ off, n uint64 }{{0, 2*PageSize + 1}, {2*PageSize + 1, 0}, {^uint64(0), 1}} {
			if err := o.Zero(tc.off, tc.n); !errors.Is(err, ErrBounds) {
				t.Errorf("%s: Zero(%#x, %#x): %v", name, tc.off, tc.n, err)
			}
		}
		if err := s.Reclaim(o); err != nil {
			t.Fatal(err)
		}
		if err := o.Zero(0, 1); !errors.Is(err, ErrState) {
			t.Errorf("%s: an ended object: %v", name, err)
		}
	}
}

// Cancel leaves everything as it was before.
func TestCancel(t *testing.T) {
	s, w := newSpace(t)
	for range 20 {
		for _, take := range []func([]Range) (*Object, error){
			func(r []Range) (*Object, error) { return s.Lend(r, Access{Read: 4}, false) },
			func(r []Range) (*Object, error) { return s.Donate(r, false) },
		} {
			o, err := take([]Range{pagesAt(8, 2), pagesAt(2, 1)})
			if err != nil {
				t.Fatal(err)
			}
			s.Cancel(o)
			if got := s.At(base + 2*PageSize).State; got != OwnerEA || len(w.protected) != 0 || !s.Accessible(pagesAt(0, 60)) {
				t.Errorf("page is %v, %d ranges are protected", got, len(w.protected))
			}
			if err := s.Reclaim(o); !errors.Is(err, ErrState) {
				t.Errorf("reclaim of what was cancelled: %v", err)
			}
		}
	}
}

// Grants name whole pages of protected memory, in the order of the buffer; the firewall hears of the memory behind them.
func TestGrant(t *testing.T) {
	s, w := newSpace(t)
	w.room = 8
	o, err := s.Lend([]Range{pagesAt(20, 4), pagesAt(10, 2), pagesAt(12, 2)}, Access{Read: 4}, false)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := s.Share([]Range{pagesAt(30, 1)})
	if err != nil {
		t.Fatal(err)
	}
	a := Access{Write: 8}
	for _, tc := range []struct {
		what   string
		o      *Object
		off, n uint64
		want   error
	}{
		{"nothing", o, 0, 0, ErrBounds},
		{"half a page", o, 0, PageSize / 2, ErrBounds},
		{"off a page's start", o, 8, PageSize, ErrBounds},
		{"beyond the end", o, 7 * PageSize, 2 * PageSize, ErrBounds},
		{"behind the end", o, 8 * PageSize, PageSize, ErrBounds},
		{"wrapping", o, PageSize, ^uint64(0) &^ (PageSize - 1), ErrBounds},
		{"shared memory", shared, 0, PageSize, ErrState},
	} {
		log := len(w.log)
		if err := s.Grant(tc.o, tc.off, tc.n, a); !errors.Is(err, tc.want) || len(w.log) != log {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.want)
		}
	}
	if err := s.Grant(o, 3*PageSize, 4*PageSize, a); err != nil {
		t.Fatal(err)
	}
	s.Withdraw(o, 3*PageSize, 4*PageSize, a)
	part := []Range{pagesAt(10, 3), pagesAt(23, 1)}
	want := []string{"protect", fmt.Sprint("grant ", part, a), fmt.Sprint("withdraw ", part, a)}
	if !slices.Equal(w.log, want) {
		t.Errorf("firewall saw %v, want %v", w.log, want)
	}
	w.room = 0
	if err := s.Grant(o, 0, PageSize, a); !errors.Is(err, ErrNoRegion) {
		t.Errorf("no room: %v", err)
	}
	if err := s.Reclaim(o); err != nil {
		t.Fatal(err)
	}
	if err := s.Grant(o, 0, PageSize, a); !errors.Is(err, ErrState) {
		t.Errorf("memory that went back: %v", err)
	}
	c := s.Carveout(pagesAt(60, 4))
	w.room = 8
	if err := s.Grant(c, PageSize, PageSize, a); err != nil {
		t.Errorf("a carve-out: %v", err)
	}
}
