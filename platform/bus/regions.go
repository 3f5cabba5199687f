package bus

import "slices"

// Regions gives the address map, by base.
func (b *Bus) Regions() []Region { return slices.Clone(b.regions) }
