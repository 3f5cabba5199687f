package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

// sharedSize is the size of reserved shared memory: clients take 16 to 64 KiB of it for messages, and the rest for buffers.
const sharedSize = 2 << 20

// reserve sets aside what the keys carveout and shm ask for, at the end of RAM unless they say where. The device tree shows both,
// since a kernel must leave them alone.
func (o *machineOptions) reserve(cfg *platform.Config, world *secureworld.Config) error {
	ram := memory.Range{Base: platform.RAMBase, Size: o.ram}
	end := ram.End()
	if v := o.keys["carveout"]; v != "" {
		r, err := parseCarveout(v, end)
		if err != nil {
			return fmt.Errorf("-M carveout=%s: %w", v, err)
		}
		if !ram.Contains(r) {
			return fmt.Errorf("-M carveout=%s: %#x to %#x is not within RAM, which is %#x to %#x", v, r.Base, r.End()-1, ram.Base, end-1)
		}
		world.Carveout = r
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: r.Base, Size: r.Size, NoMap: true})
		if r.End() == end {
			end = r.Base
		}
	}
	if o.keys["shm"] == "reserved" {
		r := memory.Range{Base: end - sharedSize, Size: sharedSize}
		if !ram.Contains(r) || r.Overlaps(world.Carveout) {
			return errors.New("-M shm=reserved: there is no room for 2 MiB at the end of RAM")
		}
		world.OPTEE.SHM, world.OPTEE.NoDynamicSHM = r, true
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "optee-shm", Base: r.Base, Size: r.Size, NoMap: true})
	}
	return nil
}

// parseCarveout reads SIZE, which ends at end, or BASE+SIZE. Sizes are as those of -m, down to one page.
func parseCarveout(s string, end uint64) (r memory.Range, err error) {
	base, size, ok := strings.Cut(s, "+")
	if !ok {
		size = s
	}
	if r.Size, err = parseSize(size); err != nil {
		return r, err
	}
	if !ok {
		if r.Size > end {
			return r, errors.New("larger than RAM")
		}
		r.Base = end - r.Size
		return r, nil
	}
	if r.Base, err = strconv.ParseUint(base, 0, 64); err != nil || r.Base%memory.PageSize != 0 || r.Base+r.Size < r.Base {
		return r, errors.New("want an address in front of the + such as 0x47000000, a multiple of 4K")
	}
	return r, nil
}

// parseSize reads a size of whole pages.
func parseSize(s string) (uint64, error) {
	n, err := scaled(s)
	if err != nil || n == 0 || n%memory.PageSize != 0 {
		return 0, errors.New("want a size in whole pages of 4K: a number of MiB, or with a suffix K, M or G")
	}
	return n, nil
}
