package memory

import (
	"slices"
	"sort"
)

// Page is the state that the normal world has to one page.
type Page struct {
	State State
	// Registrations counts the buffers that the page belongs to through OP-TEE's SMC ABI, where one page may be registered
	// more than once. It is 0 unless State is OwnerSA.
	Registrations uint32
}

// span is a run of pages in one state; it ends where the next one begins.
type span struct {
	base uint64
	page Page
}

// pages maps addresses to page states as a sorted list of runs. Neighbours differ, so its length is bounded by what
// callers have shared and lent, not by the size of memory.
type pages struct {
	limit   Range  // addresses outside are no normal-world memory
	spans   []span // spans[0].base is limit.Base
	scratch []span
}

// reset makes all pages of limit Owner-EA, except those of the reserved ranges.
func (m *pages) reset(limit Range, reserved []Range) {
	m.limit = limit
	m.spans = append(m.spans[:0], span{limit.Base, Page{State: OwnerEA}})
	for _, r := range reserved {
		m.update([]Range{r}, func(Page) Page { return Page{State: NotOwnerNA} })
	}
}

// find is the index of the span that holds addr, which must be within the limit.
func (m *pages) find(addr uint64) int {
	return sort.Search(len(m.spans), func(i int) bool { return m.spans[i].base > addr }) - 1
}

func (m *pages) end(i int) uint64 {
	if i+1 < len(m.spans) {
		return m.spans[i+1].base
	}
	return m.limit.End()
}

// at gives the state of the page that holds addr.
func (m *pages) at(addr uint64) Page {
	if addr-m.limit.Base >= m.limit.Size {
		return Page{}
	}
	return m.spans[m.find(addr)].page
}

// all reports whether every page of r satisfies ok.
func (m *pages) all(r Range, ok func(Page) bool) bool {
	if !m.limit.Contains(r) {
		return false
	}
	for i := m.find(r.Base); i < len(m.spans) && m.spans[i].base < r.End(); i++ {
		if !ok(m.spans[i].page) {
			return false
		}
	}
	return true
}

// update changes the state of all pages of ranges, which must be within the limit, sorted and disjoint. It rebuilds the spans
// between the first and the last range, so a call costs what these are, plus moving the spans behind.
func (m *pages) update(ranges []Range, f func(Page) Page) {
	if len(ranges) == 0 {
		return
	}
	first := m.find(ranges[0].Base)
	last := m.find(ranges[len(ranges)-1].End() - 1)
	out := m.scratch[:0]
	put := func(base uint64, p Page) {
		if n := len(out); n > 0 && out[n-1].page == p {
			return
		}
		out = append(out, span{base, p})
	}
	if first > 0 {
		// The span before takes part, so that the first changed one can join it.
		first--
	}
	k := 0
	for i := first; i <= last; i++ {
		at, end, p := m.spans[i].base, m.end(i), m.spans[i].page
		for at < end {
			for k < len(ranges) && ranges[k].End() <= at {
				k++
			}
			switch {
			case k == len(ranges) || ranges[k].Base >= end:
				put(at, p)
				at = end
			case ranges[k].Base > at:
				put(at, p)
				at = ranges[k].Base
			default:
				put(at, f(p))
				at = min(end, ranges[k].End())
			}
		}
	}
	next := last + 1
	if next < len(m.spans) && m.spans[next].page == out[len(out)-1].page {
		next++
	}
	m.scratch = out
	m.spans = slices.Replace(m.spans, first, next, out...)
}
