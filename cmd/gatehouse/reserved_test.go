package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/secureworld/memory"
)

func TestParseCarveout(t *testing.T) {
	const end = 0x4800_0000
	for s, want := range map[string]memory.Range{
		"4":                {Base: 0x47c0_0000, Size: 4 << 20},
		"4M":               {Base: 0x47c0_0000, Size: 4 << 20},
		"12k":              {Base: end - 12<<10, Size: 12 << 10},
		"0x44000000+1M":    {Base: 0x4400_0000, Size: 1 << 20},
		"1140850688+4096K": {Base: 0x4400_0000, Size: 4 << 20},
	} {
		if r, err := parseCarveout(s, end); err != nil || r != want {
			t.Errorf("%s: %v, %v, want %v", s, r, err, want)
		}
	}
	for _, s := range []string{"", "0", "+", "+4M", "0x44000000+", "4x", "-1", "1K", "0x44000800+1M", "0xfffffffffffff000+1M", "0x1+0x2", "20000000000G", "1+2+3", "2T"} {
		if r, err := parseCarveout(s, end); err == nil {
			t.Errorf("%q is taken for %v", s, r)
		}
	}
}

func FuzzParseCarveout(f *testing.F) {
	for _, s := range []string{"4M", "0x44000000+1M", "4096K"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseCarveout(s, 0x4800_0000)
		if err == nil && (r.Size == 0 || (r.Base|r.Size)%memory.PageSize != 0 || r.End() < r.Base) {
			t.Errorf("%q: %v", s, r)
		}
	})
}

// What is set aside stands in the device tree, one below the other.
func TestReservedNodes(t *testing.T) {
	for _, tc := range []struct {
		keys string
		want map[string][2]uint64
	}{
		{"abi=smc", nil},
		{"abi=smc,shm=dynamic", nil},
		{"abi=smc,carveout=4M", map[string][2]uint64{"protected@47c00000": {0x47c0_0000, 4 << 20}}},
		{"abi=smc,shm=reserved", map[string][2]uint64{"optee-shm@47e00000": {0x47e0_0000, 2 << 20}}},
		{"carveout=4M,shm=reserved", map[string][2]uint64{"protected@47c00000": {0x47c0_0000, 4 << 20}, "optee-shm@47a00000": {0x47a0_0000, 2 << 20}}},
		{"carveout=0x46000000+64K,shm=reserved", map[string][2]uint64{"protected@46000000": {0x4600_0000, 64 << 10}, "optee-shm@47e00000": {0x47e0_0000, 2 << 20}}},
	} {
		path := filepath.Join(t.TempDir(), "dtb")
		if r := gatehouse("boot", "-M", "virt,"+tc.keys+",dumpdtb="+path); r.status != statusOK {
			t.Errorf("%s: status %d: %s", tc.keys, r.status, r.stderr)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := dt.ReadFDT(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		node, ok := tree.RootNode.LookupChildByName("reserved-memory")
		if ok != (tc.want != nil) {
			t.Errorf("%s: reserved-memory %v", tc.keys, ok)
		}
		if !ok {
			continue
		}
		if len(node.Children) != len(tc.want) {
			t.Errorf("%s: %d nodes, want %d", tc.keys, len(node.Children), len(tc.want))
		}
		for name, want := range tc.want {
			n, ok := node.LookupChildByName(name)
			if !ok {
				t.Errorf("%s: no node %s", tc.keys, name)
				continue
			}
			reg, ok := n.LookProperty("reg")
			_, noMap := n.LookProperty("no-map")
			if !ok || len(reg.Value) != 16 || !noMap {
				t.Errorf("%s: %s: %v, no-map %v", tc.keys, name, reg, noMap)
				continue
			}
			if got := [2]uint64{binary.BigEndian.Uint64(reg.Value), binary.BigEndian.Uint64(reg.Value[8:])}; got != want {
				t.Errorf("%s: %s: %#x, want %#x", tc.keys, name, got, want)
			}
		}
	}
}

func TestReservedRefused(t *testing.T) {
	file := image(t, func(p *code) { p.off(insHVC) })
	boot := func(machine string) result { return gatehouse("boot", "-kernel", file, "-M", "virt,"+machine) }
	boot("carveout=1K").refused(t, "-M carveout=1K", "whole pages")
	boot("carveout=4G").refused(t, "-M carveout=4G", "RAM")
	boot("carveout=0x48000000+1M").refused(t, "-M carveout=0x48000000+1M", "not within RAM")
	boot("carveout=0x3fff0000+1M").refused(t, "-M carveout=", "not within RAM")
	boot("carveout=128M,shm=reserved").refused(t, "-M shm=reserved", "no room")
	boot("carveout=0x47f00000+4K,shm=reserved").refused(t, "-M shm=reserved", "no room")
	boot("abi=ffa,shm=reserved").refused(t, "-M shm=reserved", "SMC interface")
	boot("secure-world=none,carveout=4M").refused(t, "-M carveout=4M", "secure-world=go only")
	boot("shm=static").refused(t, `"static"`, "dynamic or reserved")
}
