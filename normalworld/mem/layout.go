package mem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/dt"
)

// Layout is what a device tree says about RAM (Devicetree Specification 0.4, 3.4 and 3.5).
type Layout struct {
	Memory   []Range
	Reserved []Reserved
}

// Reserved is a child of /reserved-memory, or an entry of the memory reservation block, which has no name.
type Reserved struct {
	// Name is the node's, with its unit address.
	Name       string
	Range      Range
	Compatible []string
	// NoMap, Reusable and Default are the properties no-map, reusable and linux,cma-default.
	NoMap, Reusable, Default bool
}

// Is reports whether the node has a compatible string.
func (r *Reserved) Is(compatible string) bool { return slices.Contains(r.Compatible, compatible) }

// contiguous reports whether the node is a contiguous area (kernel/dma/contiguous.c, rmem_cma_setup).
func (r *Reserved) contiguous() bool { return r.Is("shared-dma-pool") && r.Reusable && !r.NoMap }

// Discover reads a flattened device tree. Nodes of /reserved-memory without reg are given memory of their size, from the top, in the order
// of the tree. Errors wrap ErrConfig.
func Discover(dtb []byte) (*Layout, error) {
	fdt, err := dt.ReadFDT(bytes.NewReader(dtb))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return discover(fdt)
}

func discover(fdt *dt.FDT) (*Layout, error) {
	l := new(Layout)
	for _, e := range fdt.ReserveEntries {
		l.Reserved = append(l.Reserved, Reserved{Range: Range{e.Address, e.Size}})
	}
	root := fdt.RootNode
	if root == nil {
		return nil, fmt.Errorf("%w: the device tree is empty", ErrConfig)
	}
	for _, n := range root.Children {
		if t, ok := n.LookProperty("device_type"); !ok || string(bytes.TrimRight(t.Value, "\x00")) != "memory" || disabled(n) {
			continue
		}
		r, err := regs(root, n)
		if err != nil {
			return nil, err
		}
		l.Memory = append(l.Memory, r...)
	}
	if parent, ok := root.LookupChildByName("reserved-memory"); ok {
		if err := l.reserved(parent); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *Layout) reserved(parent *dt.Node) error {
	var dynamic []*dt.Node
	node := func(n *dt.Node, r Range) {
		has := func(name string) bool { _, ok := n.LookProperty(name); return ok }
		l.Reserved = append(l.Reserved, Reserved{Name: n.Name, Range: r, Compatible: stringsOf(n, "compatible"),
			NoMap: has("no-map"), Reusable: has("reusable"), Default: has("linux,cma-default")})
	}
	for _, n := range parent.Children {
		if disabled(n) {
			continue
		}
		if _, ok := n.LookProperty("reg"); !ok {
			dynamic = append(dynamic, n)
			continue
		}
		rs, err := regs(parent, n)
		if err != nil {
			return err
		}
		for _, r := range rs {
			node(n, r)
		}
	}
	for _, n := range dynamic {
		_, cells := cellsOf(parent)
		size, align := uint64(0), uint64(PageSize)
		if p, ok := n.LookProperty("size"); ok {
			size, _, _ = number(p.Value, cells)
		}
		if p, ok := n.LookProperty("alignment"); ok {
			v, _, _ := number(p.Value, cells)
			align = max(align, v)
		}
		within := l.Memory
		if p, ok := n.LookProperty("alloc-ranges"); ok {
			var err error
			if within, err = ranges(parent, p.Value); err != nil {
				return fmt.Errorf("%s: %w", n.Name, err)
			}
		}
		r, err := l.place(size, align, within)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		node(n, r)
	}
	return nil
}

// place finds the highest free memory of a size, within what within has in common with RAM.
func (l *Layout) place(size, align uint64, within []Range) (Range, error) {
	bad := fmt.Errorf("%w: no room for %#x bytes aligned to %#x", ErrConfig, size, align)
	if size == 0 || align&(align-1) != 0 {
		return Range{}, bad
	}
	size = (size + PageSize - 1) &^ (PageSize - 1)
	free, err := subtract(l.Memory, l.taken(func(*Reserved) bool { return true }))
	if err != nil {
		return Range{}, err
	}
	best, found := uint64(0), false
	for _, f := range free {
		for _, w := range within {
			lo, hi := max(f.Base, w.Base), min(f.End(), w.End())
			if hi < lo || hi-lo < size || size == 0 {
				continue
			}
			if at := (hi - size) &^ (align - 1); at >= lo && (!found || at > best) {
				best, found = at, true
			}
		}
	}
	if !found {
		return Range{}, bad
	}
	return Range{best, size}, nil
}

func (l *Layout) taken(which func(*Reserved) bool) []Range {
	var out []Range
	for i := range l.Reserved {
		if which(&l.Reserved[i]) {
			out = append(out, l.Reserved[i].Range)
		}
	}
	return out
}

// ReserveArea adds the default contiguous area that the kernel's command line asks for (cma=): size bytes, from the top of what 32 bits
// reach, aligned to the largest block. Its name is Linux's, "reserved".
func (l *Layout) ReserveArea(size uint64) error {
	r, err := l.place(size, PageSize<<MaxOrder, []Range{{0, 1 << 32}})
	if err != nil {
		return err
	}
	l.Reserved = append(l.Reserved, Reserved{Name: "reserved", Range: r, Compatible: []string{"shared-dma-pool"}, Reusable: true, Default: true})
	return nil
}

// Config is an allocator's configuration with all memory that is not reserved, and the contiguous areas. The default area is the first
// one that says so, or the first one.
func (l *Layout) Config(costs Costs) Config {
	cfg := Config{Memory: l.Memory, Reserved: l.taken(func(r *Reserved) bool { return !r.contiguous() }), Costs: costs}
	hasDefault := slices.ContainsFunc(l.Reserved, func(r Reserved) bool { return r.contiguous() && r.Default })
	for i := range l.Reserved {
		if r := &l.Reserved[i]; r.contiguous() {
			cfg.Areas = append(cfg.Areas, AreaConfig{Name: r.Name, Range: r.Range, Default: r.Default || !hasDefault})
		}
	}
	return cfg
}

// Compatible gives the reserved nodes with a compatible string.
func (l *Layout) Compatible(s string) []Reserved {
	var out []Reserved
	for i := range l.Reserved {
		if l.Reserved[i].Is(s) {
			out = append(out, l.Reserved[i])
		}
	}
	return out
}

func disabled(n *dt.Node) bool {
	s := stringsOf(n, "status")
	return len(s) > 0 && s[0] != "okay" && s[0] != "ok"
}

func stringsOf(n *dt.Node, name string) []string {
	p, ok := n.LookProperty(name)
	if !ok {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(p.Value), "\x00"), "\x00")
}

// cellsOf gives #address-cells and #size-cells for the children of a node (2.3.5).
func cellsOf(n *dt.Node) (addr, size int) {
	get := func(name string, def int) int {
		if p, ok := n.LookProperty(name); ok && len(p.Value) == 4 {
			return int(min(binary.BigEndian.Uint32(p.Value), 1<<16))
		}
		return def
	}
	return get("#address-cells", 2), get("#size-cells", 1)
}

// number reads a value of one or two cells.
func number(b []byte, cells int) (v uint64, rest []byte, ok bool) {
	switch {
	case cells == 1 && len(b) >= 4:
		return uint64(binary.BigEndian.Uint32(b)), b[4:], true
	case cells == 2 && len(b) >= 8:
		return binary.BigEndian.Uint64(b), b[8:], true
	}
	return 0, nil, false
}

func regs(parent, n *dt.Node) ([]Range, error) {
	p, ok := n.LookProperty("reg")
	if !ok {
		return nil, fmt.Errorf("%w: %s has no reg", ErrConfig, n.Name)
	}
	r, err := ranges(parent, p.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	return r, nil
}

// ranges reads pairs of address and size.
func ranges(parent *dt.Node, b []byte) ([]Range, error) {
	ac, sc := cellsOf(parent)
	var out []Range
	for len(b) > 0 {
		base, rest, ok := number(b, ac)
		size, rest, ok2 := number(rest, sc)
		if !ok || !ok2 || base+size < base {
			return nil, fmt.Errorf("%w: addresses that cannot be read", ErrConfig)
		}
		out, b = append(out, Range{base, size}), rest
	}
	return out, nil
}
