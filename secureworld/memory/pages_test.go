package memory

import (
	"math/rand/v2"
	"testing"
)

const base = 0x4000_0000

// FuzzPages compares the interval map with one state for each page. Each byte pair of the input is an update.
func FuzzPages(f *testing.F) {
	f.Add([]byte{0x01, 0x10, 0x12, 0x31, 0x08, 0x02})
	f.Add([]byte{0x00, 0x3F, 0x00, 0x10, 0x10, 0x10, 0x20, 0x10})
	f.Add([]byte{0x3F, 0x00, 0x00, 0x00, 0x3E, 0x11, 0x3F, 0x22})
	f.Fuzz(func(t *testing.T, ops []byte) {
		const n = 64
		var m pages
		m.reset(Range{base, n * PageSize}, []Range{{base + 5*PageSize, 3 * PageSize}})
		var model [n]Page
		for i := range model {
			model[i] = Page{State: OwnerEA}
			if i >= 5 && i < 8 {
				model[i] = Page{State: NotOwnerNA}
			}
		}
		for len(ops) >= 2 {
			// Up to three ranges of one length in one update.
			first, length, count, to := int(ops[0]&63), int(ops[1]&7)+1, int(ops[0]>>6)%3+1, State(ops[1]>>3&3)
			ops = ops[2:]
			var ranges []Range
			for range count {
				if first+length > n {
					break
				}
				ranges = append(ranges, Range{base + uint64(first)*PageSize, uint64(length) * PageSize})
				for i := first; i < first+length; i++ {
					model[i] = Page{to, model[i].Registrations ^ 1}
				}
				first += length + length/2
			}
			m.update(ranges, func(p Page) Page { return Page{to, p.Registrations ^ 1} })
			for i := range model {
				for _, off := range []uint64{0, PageSize - 1} {
					if got := m.at(base + uint64(i)*PageSize + off); got != model[i] {
						t.Fatalf("page %d: %+v, want %+v", i, got, model[i])
					}
				}
			}
			for i, s := range m.spans {
				if i > 0 && (m.spans[i-1].base >= s.base || m.spans[i-1].page == s.page) {
					t.Fatalf("spans %d and %d are not in order or not joined: %+v", i-1, i, m.spans)
				}
			}
			want := func(p Page) bool { return p.State == to }
			for i := range n {
				all := true
				for k := i; k < n; k++ {
					all = all && want(model[k])
					r := Range{base + uint64(i)*PageSize, uint64(k-i+1) * PageSize}
					if m.all(r, want) != all {
						t.Fatalf("all(%v) = %v, want %v", r, !all, all)
					}
				}
			}
		}
	})
}

func TestPagesOutside(t *testing.T) {
	var m pages
	m.reset(Range{base, 4 * PageSize}, nil)
	yes := func(Page) bool { return true }
	for _, r := range []Range{
		{base - PageSize, PageSize}, {base - PageSize, 2 * PageSize}, {base + 4*PageSize, PageSize}, {base, 5 * PageSize},
		{^uint64(0) - PageSize + 1, PageSize}, {base + PageSize, ^uint64(0)},
	} {
		if m.all(r, yes) {
			t.Errorf("%v counts as normal-world memory", r)
		}
	}
	for _, a := range []uint64{0, base - 1, base + 4*PageSize, ^uint64(0)} {
		if got := m.at(a); got != (Page{}) {
			t.Errorf("at(%#x) = %+v, want !Owner-NA", a, got)
		}
	}
}

func TestNormalise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var covered [40]int
		var in []Range
		for range rng.IntN(8) {
			first, n := rng.IntN(30), rng.IntN(6)+1
			in = append(in, Range{uint64(first), uint64(n)})
			for i := first; i < first+n; i++ {
				covered[i]++
			}
		}
		overlap := false
		for _, c := range covered {
			overlap = overlap || c > 1
		}
		out, ok := Normalise(in)
		if ok == overlap {
			t.Fatalf("Normalise says %v for %v", ok, in)
		}
		if !ok {
			continue
		}
		for i, r := range out {
			if i > 0 && out[i-1].End() >= r.Base {
				t.Fatalf("%v is not normalised", out)
			}
			for a := r.Base; a < r.End(); a++ {
				covered[a]--
			}
		}
		for a, c := range covered {
			if c != 0 {
				t.Fatalf("address %d is lost or new in %v", a, out)
			}
		}
	}
}

// Updates that cover many small ranges at once must not cost their product.
func BenchmarkUpdateAlternatePages(b *testing.B) {
	const n = 1 << 16
	var m pages
	ranges := make([]Range, n)
	for i := range ranges {
		ranges[i] = Range{base + uint64(2*i)*PageSize, PageSize}
	}
	m.reset(Range{base, 2 * n * PageSize}, nil)
	for b.Loop() {
		m.update(ranges, func(Page) Page { return Page{State: OwnerSA} })
		m.update(ranges, func(Page) Page { return Page{State: OwnerEA} })
	}
}
