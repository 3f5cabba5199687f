package firewall

import (
	"slices"

	"gatehouse/secureworld/memory"
)

// extent is one protected range as the policy keeps it: what was protected together is released together, so extents are
// never split.
type extent struct {
	memory.Range
	access memory.Access
}

// region is one region as the controller is to hold it.
type region struct {
	memory.Range
	access memory.Access
}

// joins reports whether b goes on where a ends, with the same masters.
func (a extent) joins(b extent) bool { return a.End() == b.Base && a.access == b.access }

// insert gives the sorted extents with the new ones. The ranges must not overlap what is there.
func insert(extents []extent, ranges []memory.Range, access memory.Access) []extent {
	out := slices.Clone(extents)
	for _, r := range ranges {
		out = append(out, extent{r, access})
	}
	slices.SortFunc(out, func(a, b extent) int {
		switch {
		case a.Base < b.Base:
			return -1
		case a.Base > b.Base:
			return 1
		}
		return 0
	})
	return out
}

// remove gives the extents without those of ranges.
func remove(extents []extent, ranges []memory.Range) []extent {
	return slices.DeleteFunc(slices.Clone(extents), func(e extent) bool {
		return slices.Contains(ranges, e.Range)
	})
}

// regions gives the regions that hold the extents: neighbours with the same masters share one.
func regions(extents []extent) []region {
	var out []region
	for i, e := range extents {
		if i > 0 && extents[i-1].joins(e) {
			out[len(out)-1].Size += e.Size
		} else {
			out = append(out, region(e))
		}
	}
	return out
}

// worst is the largest number of regions that the extents, or any part of them that is left when others are released, can
// need: of k neighbours in one region every second one can be what is left. Releasing memory must never fail for want of a
// region, so this is what has to fit.
func worst(extents []extent) int {
	n, run := 0, 0
	for i, e := range extents {
		if i > 0 && extents[i-1].joins(e) {
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
