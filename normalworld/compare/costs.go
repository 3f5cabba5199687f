package compare

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Costs are what things take, in ns of virtual time.
type Costs struct {
	SMC     uint64 // a call into EL3 and back: exception, dispatch, return
	Switch  uint64 // one change of world; a call that the secure world serves takes two
	FFA     uint64 // the SPMC's part of an FF-A call: lookup, validation, dispatch
	Message uint64 // OP-TEE's part of a message: thread, parameters, dispatch
	Copy    uint64 // a KiB of descriptors or arguments, written by one world and copied by the other
	TZC     uint64 // a write of a controller register, with its barrier
	Scrub   uint64 // a page of 4 KiB that the secure world zeroes
	Zero    uint64 // a page that the kernel clears before it is lent
	Migrate uint64 // a page that the kernel moves out of a contiguous area
	Alloc   uint64 // the kernel's part of allocating a buffer, and of freeing it: system call, heap, dma-buf
	Map     uint64 // the kernel's part of mapping a buffer for a device, and of unmapping it
}

// Cost is one key of a profile: its value and where that comes from.
type Cost struct {
	Key    string `json:"key"`
	NS     uint64 `json:"ns"`
	Unit   string `json:"per"`
	Source string `json:"source"`
}

// costKeys are the keys in the order of listings.
var costKeys = []struct {
	key, unit string
	field     func(*Costs) *uint64
}{
	{"smc", "call", func(c *Costs) *uint64 { return &c.SMC }},
	{"switch", "change of world", func(c *Costs) *uint64 { return &c.Switch }},
	{"ffa", "FF-A call", func(c *Costs) *uint64 { return &c.FFA }},
	{"message", "OP-TEE message", func(c *Costs) *uint64 { return &c.Message }},
	{"copy", "KiB", func(c *Costs) *uint64 { return &c.Copy }},
	{"tzc", "register write", func(c *Costs) *uint64 { return &c.TZC }},
	{"scrub", "page", func(c *Costs) *uint64 { return &c.Scrub }},
	{"zero", "page", func(c *Costs) *uint64 { return &c.Zero }},
	{"migrate", "page", func(c *Costs) *uint64 { return &c.Migrate }},
	{"alloc", "allocation or release", func(c *Costs) *uint64 { return &c.Alloc }},
	{"map", "mapping or its end", func(c *Costs) *uint64 { return &c.Map }},
}

// Profile is a named set of costs.
type Profile struct {
	Name    string
	Summary string
	Costs   Costs
	sources map[string]string
}

// Profiles lists the profiles; the first is the default. They are assumptions made explicit, not measurements of one board: what was
// claimed or measured is said to be, the rest is of an order that the named processor has.
func Profiles() []Profile {
	const (
		assumed  = "assumed"
		override = "nothing"
	)
	return []Profile{
		{
			Name:    "a53-2022",
			Summary: "a Cortex-A53 at 1.5 GHz as it was argued about on dri-devel: one call of the secure world takes 1 ms",
			Costs: Costs{SMC: 1_300, Switch: 499_350, FFA: 2_000, Message: 5_000, Copy: 1_000, TZC: 150, Scrub: 1_000, Zero: 1_000,
				Migrate: 6_000, Alloc: 8_000, Map: 3_000},
			sources: map[string]string{
				"smc":     "TF-A, PSCI performance on Juno: PSCI_VERSION takes 3.0 us on a Cortex-A53 at 650 MHz; scaled to 1.5 GHz",
				"switch":  "C. Fleury (NXP), dri-devel, August 2022: normal world to secure OS and back \"something like 1ms\"; smc and two switches are 1 ms",
				"ffa":     assumed + ": some 3,000 cycles of validation in an SPMC at S-EL1",
				"message": assumed + ": some 7,500 cycles for a thread and its parameters",
				"copy":    assumed + ": 1 GB/s, uncached on one side",
				"tzc":     assumed + ": a strongly ordered write over the peripheral bus",
				"scrub":   assumed + ": memset at 4 GB/s; the thread calls it \"a long time with 4K video buffers\", which is 3 ms here",
				"zero":    assumed + ": memset at 4 GB/s, as the page allocator's own default",
				"migrate": assumed + ": unmap, copy at 1 GB/s, map, as the page allocator's own default",
				"alloc":   assumed + ": an ioctl with some 12,000 cycles",
				"map":     assumed + ": a scatter list of one entry, no cache maintenance",
			},
		},
		{
			Name:    "modern",
			Summary: "a large core of the 2020s at 2.5 GHz with a small secure OS: switches take microseconds, memory 16 GB/s",
			Costs: Costs{SMC: 250, Switch: 1_500, FFA: 800, Message: 1_500, Copy: 250, TZC: 100, Scrub: 256, Zero: 256,
				Migrate: 1_500, Alloc: 2_500, Map: 1_000},
			sources: map[string]string{
				"smc":     "TF-A, PSCI performance on Juno: PSCI_VERSION takes 0.5 to 0.7 us on a Cortex-A57 at 900 MHz; scaled to 2.5 GHz",
				"switch":  assumed + ": saving and restoring EL1, vector and timer state, and cold caches: 3,750 cycles",
				"ffa":     assumed + ": 2,000 cycles",
				"message": assumed + ": 3,750 cycles",
				"copy":    assumed + ": 4 GB/s",
				"tzc":     assumed + ": a device write over the interconnect",
				"scrub":   assumed + ": DC ZVA at 16 GB/s",
				"zero":    assumed + ": DC ZVA at 16 GB/s",
				"migrate": assumed + ": unmap, copy at 4 GB/s, map",
				"alloc":   assumed + ": an ioctl with some 6,000 cycles",
				"map":     assumed + ": a scatter list of one entry",
			},
		},
		{
			Name:    "none",
			Summary: override + " takes time: for counting only, or as the ground for -cost",
			sources: map[string]string{},
		},
	}
}

// ErrCost is wrapped by errors about profiles and costs.
var ErrCost = errors.New("costs")

// ProfileNamed finds a profile.
func ProfileNamed(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("%w: no profile %q: want one of %s", ErrCost, name, strings.Join(names, ", "))
}

// maxCost bounds a cost: a second.
const maxCost = 1_000_000_000

// Set overrides one cost: KEY=NS. A profile that was changed says so.
func (p *Profile) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	var keys []string
	for _, k := range costKeys {
		keys = append(keys, k.key)
		if k.key != key || !ok {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || n > maxCost {
			return fmt.Errorf("%w: %s=%s: want ns, 0 to %d", ErrCost, key, value, maxCost)
		}
		*k.field(&p.Costs) = n
		sources := make(map[string]string, len(p.sources)+1)
		for k, v := range p.sources {
			sources[k] = v
		}
		sources[key] = "-cost"
		p.sources = sources
		return nil
	}
	return fmt.Errorf("%w: %q: want KEY=NS with one of the keys %s", ErrCost, s, strings.Join(keys, ", "))
}

// List gives all costs with their sources, in a fixed order.
func (p *Profile) List() (list []Cost) {
	for _, k := range costKeys {
		source := p.sources[k.key]
		if source == "" {
			source = "not counted"
		}
		list = append(list, Cost{k.key, *k.field(&p.Costs), k.unit, source})
	}
	return list
}
