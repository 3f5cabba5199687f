package stress_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/lab"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	wire "gatehouse/smc/optee"
)

var seed = flag.Uint64("seed", 1, "of the random numbers")

// long asks for more volume.
var long = os.Getenv("GATEHOUSE_LONG") != ""

// The machine: small, so that all of its memory can be searched after each run.
const (
	page      = 4096
	ramSize   = 48 << 20
	cmaSize   = 16 << 20
	carveout  = platform.RAMBase + 32<<20
	carveSize = 8 << 20
)

// ordinary are the masters that have no part in any use case: content must never come before them.
var ordinary = []uint8{bus.NSAIDAP, bus.NSAIDDMA, bus.NSAIDVirtio, bus.NSAIDPCI, bus.NSAIDDefault, bus.NSAIDCLCD, bus.NSAIDInput}

// tap stands between the kernel and the SMC instruction.
type tap struct {
	next  firmware.Conduit
	calls int
	// before may answer in place of the secure world; after may change what it has answered. during is called before each call.
	before func(n int, r *firmware.Registers) bool
	after  func(n int, asked, r *firmware.Registers)
	during func()
}

func (t *tap) SMC(r *firmware.Registers) {
	n := t.calls
	t.calls++
	if t.during != nil {
		t.during()
	}
	if t.before != nil && t.before(n, r) {
		return
	}
	asked := *r
	t.next.SMC(r)
	if t.after != nil {
		t.after(n, &asked, r)
	}
	if t.during != nil {
		t.during()
	}
}

// rig is a machine, and the normal worlds that run on it one after the other.
type rig struct {
	tb     testing.TB
	m      *platform.Machine
	tap    *tap
	abi    lab.ABI
	policy lab.Policy
	ports  [bus.NSAIDs]*bus.Port
	secure *bus.Port
	closed [8 * 6]uint64  // regions with nothing lent
	settle []func() error // what users have to do again once the secure world answers
}

func newRig(tb testing.TB, abi lab.ABI, p lab.Policy, use wire.UseCase, pool uint64) *rig {
	tb.Helper()
	world := secureworld.DefaultConfig()
	cfg := platform.Config{TZASC: true, RAM: ramSize}
	if p == lab.Static {
		world.Carveout, world.CarveoutUse = memory.Range{Base: carveout, Size: carveSize}, use
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: carveout, Size: carveSize, NoMap: true})
	}
	for i := range world.OPTEE.UseCases {
		if u := &world.OPTEE.UseCases[i]; u.ID != wire.UseCaseOnDemand && u.ID != wire.UseCaseOnDemandUI {
			u.MinSize = pool
		}
	}
	cfg.Firmware = secureworld.New(world)
	m, err := platform.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	r := &rig{tb: tb, m: m, abi: abi, policy: p, tap: &tap{}, secure: m.Port(bus.Attr{Secure: true, Privileged: true})}
	for i := range r.ports {
		r.ports[i] = m.Port(bus.Attr{Privileged: true, NSAID: uint8(i)})
	}
	r.closed = r.regions()
	return r
}

func (r *rig) boot() (*lab.Lab, error) {
	return lab.New(r.m, lab.Options{ABI: r.abi, Policy: r.policy, CMA: cmaSize, Conduit: func(c firmware.Conduit) firmware.Conduit {
		r.tap.next = c
		return r.tap
	}})
}

// regions are the registers of the address space controller that say what is protected, which only the secure world sees.
func (r *rig) regions() (list [8 * 6]uint64) {
	for i := range list {
		list[i], _ = r.secure.Load(platform.TZCBase+0x120+uint64(i/6*0x20+i%6*4), 4)
	}
	for i := 0; i < len(list); i += 6 {
		if list[i+4]&0xf == 0 {
			clear(list[i : i+6]) // no filter has it: it protects nothing
		}
	}
	return list
}

func (r *rig) isCarveout(pa uint64) bool {
	return r.policy == lab.Static && pa >= carveout && pa < carveout+carveSize
}

// open says what of memory is not the normal world's at rest: the controller protects it, the processor does not reach it, or the SPMC
// takes it for shared or lent. There must be no normal world.
func (r *rig) open() error {
	if r.regions() != r.closed {
		return errors.New("the controller still protects memory")
	}
	var b [1]byte
	var ranges []ffa.Constituent
	const tx = platform.RAMBase + 16<<20 // nobody's now
	for pa := uint64(platform.RAMBase); pa < platform.RAMBase+ramSize; pa += page {
		if r.isCarveout(pa) {
			continue
		}
		if r.ports[bus.NSAIDAP].Read(pa, b[:]) != bus.OKAY {
			return fmt.Errorf("the processor does not reach %#x", pa)
		}
		if pa == tx || pa == tx+page {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1].End() == pa {
			ranges[n-1].Pages++
		} else {
			ranges = append(ranges, ffa.Constituent{Address: pa, Pages: 1})
		}
	}
	link, err := armffa.Probe(normalworld.New(r.m, nil), tx, tx+page)
	if err != nil {
		return err
	}
	defer link.Remove()
	part, err := link.Partition(ffa.UUID(wire.OSUUID()))
	if err != nil {
		return err
	}
	if !link.Owned(ranges, part.ID) {
		return errors.New("memory is still shared or lent")
	}
	return nil
}

// down closes a normal world, again and again as a user would who unloads drivers, and says what stays.
func (r *rig) down(l *lab.Lab) error {
	var err error
	for range 3 {
		var left []func() error
		for _, f := range r.settle {
			if f() != nil {
				left = append(left, f)
			}
		}
		r.settle = left
		if err = l.Close(); err == nil {
			break
		}
	}
	return err
}

// marks are pieces of content by which copies of it are found.
type marks [][]byte

// add takes a few windows of data that are no fill and not part of what is public.
func (k *marks) add(data []byte, public []byte) {
	const window = 24
	for _, at := range []int{len(data) / 3, len(data) / 2, len(data) * 4 / 5} {
		for try := 0; try < 4096 && at+window <= len(data); try, at = try+1, at+8 {
			w := data[at : at+window]
			var seen [256]bool
			kinds := 0
			for _, c := range w {
				if !seen[c] {
					seen[c], kinds = true, kinds+1
				}
			}
			if kinds >= 5 && !bytes.Contains(public, w) {
				*k = append(*k, bytes.Clone(w))
				break
			}
		}
	}
}

// search looks for marks in all memory as each of the masters sees it, and says where one is.
func (r *rig) search(k marks, masters ...uint8) error {
	var b [page]byte
	for _, id := range masters {
		for pa := uint64(platform.RAMBase); pa < platform.RAMBase+ramSize; pa += page {
			if r.ports[id].Read(pa, b[:]) != bus.OKAY || b == [page]byte{} {
				continue
			}
			for _, w := range k {
				if i := bytes.Index(b[:], w); i >= 0 {
					return fmt.Errorf("%s reads content at %#x: %x", bus.NSAIDName(id), pa+uint64(i), w)
				}
			}
		}
	}
	return nil
}

// reach says who may read and who may write a byte, one bit for each master.
func (r *rig) reach(pa uint64) (read, write uint16) {
	for id, p := range r.ports {
		var b [1]byte
		if p.Read(pa, b[:]) == bus.OKAY {
			read |= 1 << id
		}
	}
	// A write puts back what the secure world reads there.
	var b [1]byte
	r.secure.Read(pa, b[:])
	for id, p := range r.ports {
		if p.Write(pa, b[:]) == bus.OKAY {
			write |= 1 << id
		}
	}
	return read, write
}

// each runs a test over both ABIs and under each policy.
func each(t *testing.T, f func(t *testing.T, abi lab.ABI, p lab.Policy)) {
	for _, abi := range lab.ABIs {
		for _, p := range lab.Policies {
			t.Run(string(abi)+"-"+string(p), func(t *testing.T) { f(t, abi, p) })
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
