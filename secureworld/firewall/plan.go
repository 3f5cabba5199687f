package firewall

import (
	"cmp"
	"slices"

	"gatehouse/secureworld/memory"
)

// extent is a range with the masters that have access to it. The extents of protected ranges are disjoint: what was protected
// together is released together, so they are never split. Grants are extents too; each adds masters to part of one protected
// range, and they may overlap.
type extent struct {
	memory.Range
	access memory.Access
}

// region is one region as the controller is to hold it.
type region struct {
	memory.Range
	access memory.Access
}

// layout is everything that the controller has to hold.
type layout struct {
	extents []extent // sorted, disjoint
	grants  []extent // sorted by their base, each within one of extents
}

// joins reports whether b goes on where a ends, with the same masters.
func (a extent) joins(b extent) bool { return a.End() == b.Base && a.access == b.access }

// insert gives the sorted list with the new ranges.
func insert(list []extent, ranges []memory.Range, access memory.Access) []extent {
	out := slices.Clone(list)
	for _, r := range ranges {
		out = append(out, extent{r, access})
	}
	slices.SortStableFunc(out, func(a, b extent) int { return cmp.Compare(a.Base, b.Base) })
	return out
}

// protect adds protected ranges, which must not overlap what is there.
func (l layout) protect(ranges []memory.Range, access memory.Access) layout {
	return layout{insert(l.extents, ranges, access), l.grants}
}

// release takes protected ranges away, and all grants within them.
func (l layout) release(ranges []memory.Range) layout {
	return layout{
		slices.DeleteFunc(slices.Clone(l.extents), func(e extent) bool { return slices.Contains(ranges, e.Range) }),
		slices.DeleteFunc(slices.Clone(l.grants), func(g extent) bool {
			return slices.ContainsFunc(ranges, func(r memory.Range) bool { return r.Contains(g.Range) })
		}),
	}
}

// single splits access into that of one master in one direction.
func single(access memory.Access) (list []memory.Access) {
	for bit := uint16(1); bit != 0; bit <<= 1 {
		if access.Read&bit != 0 {
			list = append(list, memory.Access{Read: bit})
		}
		if access.Write&bit != 0 {
			list = append(list, memory.Access{Write: bit})
		}
	}
	return list
}

// grant adds masters to parts of protected ranges. Each grant is for one master and direction, so that they may be withdrawn in
// other sets than they were given.
func (l layout) grant(ranges []memory.Range, access memory.Access) layout {
	for _, a := range single(access) {
		l.grants = insert(l.grants, ranges, a)
	}
	return l
}

// withdraw takes back what grant added with the same arguments; ok is false where it did not.
func (l layout) withdraw(ranges []memory.Range, access memory.Access) (_ layout, ok bool) {
	grants := slices.Clone(l.grants)
	for _, a := range single(access) {
		for _, r := range ranges {
			i := slices.Index(grants, extent{r, a})
			if i < 0 {
				return l, false
			}
			grants = slices.Delete(grants, i, i+1)
		}
	}
	return layout{l.extents, grants}, true
}

// within gives the grants within e. Extents come in the order of addresses, so *from goes on where the last one ended.
func (l layout) within(e extent, from *int) []extent {
	first := *from
	for *from < len(l.grants) && l.grants[*from].Base < e.End() {
		*from++
	}
	return l.grants[first:*from]
}

// cuts gives the addresses at which access within e may change, its two ends included, in order.
func cuts(e extent, grants []extent) []uint64 {
	at := []uint64{e.Base, e.End()}
	for _, g := range grants {
		at = append(at, g.Base, g.End())
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// regions gives the regions that hold a layout: neighbours with the same masters share one.
func (l layout) regions() []region {
	var pieces []extent
	from := 0
	for _, e := range l.extents {
		grants := l.within(e, &from)
		if len(grants) == 0 {
			pieces = append(pieces, e)
			continue
		}
		at := cuts(e, grants)
		for i := range len(at) - 1 {
			p := extent{memory.Range{Base: at[i], Size: at[i+1] - at[i]}, e.access}
			for _, g := range grants {
				if g.Contains(p.Range) {
					p.access.Read |= g.access.Read
					p.access.Write |= g.access.Write
				}
			}
			pieces = append(pieces, p)
		}
	}
	var out []region
	for i, p := range pieces {
		if i > 0 && pieces[i-1].joins(p) {
			out[len(out)-1].Size += p.Size
		} else {
			out = append(out, region(p))
		}
	}
	return out
}

// worst is how many regions the layout, or any part of it that is left when memory is released and grants are withdrawn, can need.
// Taking access away must never fail for want of a region, so this is what has to fit. Of k neighbours in one region every second
// one can be what is left. A range with grants can fall into as many pieces as their ends cut it into: with adjacent grants to
// one master every second one can be what is left, and it is the pieces between that stay protected.
func (l layout) worst() int {
	n, run, from := 0, 0, 0
	for i, e := range l.extents {
		if grants := l.within(e, &from); len(grants) > 0 {
			n += len(cuts(e, grants)) - 1
			run = 0
			continue
		}
		if run > 0 && l.extents[i-1].joins(e) {
			run++
		} else {
			run = 1
		}
		if run%2 == 1 {
			n++
		}
	}
	return n
}
