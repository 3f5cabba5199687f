package memory

import (
	"fmt"
	"slices"
)

// PageSize is the unit of ownership in bytes, whatever granule the normal world uses.
const PageSize = 4096

// Range is a range of physical addresses in bytes.
type Range struct{ Base, Size uint64 }

// End is the first address behind the range.
func (r Range) End() uint64 { return r.Base + r.Size }

// Contains reports whether all of o lies in r.
func (r Range) Contains(o Range) bool {
	return o.Base >= r.Base && o.Size <= r.Size && o.Base-r.Base <= r.Size-o.Size
}

// Overlaps reports whether r and o have a byte in common.
func (r Range) Overlaps(o Range) bool { return r.Base < o.End() && o.Base < r.End() }

// Pages is whether the range consists of whole pages, at least one, and does not wrap.
func (r Range) Pages() bool {
	return r.Size != 0 && r.Base%PageSize == 0 && r.Size%PageSize == 0 && r.Base+(r.Size-1) >= r.Base
}

func (r Range) String() string { return fmt.Sprintf("%#x-%#x", r.Base, r.Base+r.Size-1) }

// Normalise sorts ranges by address and joins those that touch, in place. It reports false when two of them overlap.
func Normalise(ranges []Range) ([]Range, bool) {
	slices.SortFunc(ranges, func(a, b Range) int {
		switch {
		case a.Base < b.Base:
			return -1
		case a.Base > b.Base:
			return 1
		}
		return 0
	})
	n := 0
	for _, r := range ranges {
		switch {
		case n > 0 && r.Base < ranges[n-1].End():
			return nil, false
		case n > 0 && r.Base == ranges[n-1].End():
			ranges[n-1].Size += r.Size
		default:
			ranges[n] = r
			n++
		}
	}
	return ranges[:n], true
}
