package optee_test

import (
	"fmt"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/tee"
	"gatehouse/normalworld/tee/optee"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	wire "gatehouse/smc/optee"
)

var memFlags = mem.Flags{}

const (
	page      = 4096
	ramSize   = 24 << 20
	carveout  = platform.RAMBase + 14<<20
	carveSize = 1 << 20
	shmBase   = platform.RAMBase + 16<<20
	shmSize   = 1 << 20
	notifyINT = 32 + 134
)

// variant is one way in which the two worlds can be put together.
type variant struct {
	name     string
	ffa      bool
	static   bool // a carve-out instead of pools that are lent
	reserved bool // reserved shared memory alone
	noRPCArg bool
	rstmem   bool
	onDemand bool // nobody but the secure world gets at a buffer by itself
	policy   optee.Policy
	threads  uint32
}

var variants = []variant{
	{name: "ffa-pool", ffa: true},
	{name: "ffa-buffer", ffa: true, policy: optee.NewBufferPool},
	{name: "ffa-static", ffa: true, static: true, policy: optee.NewCarveoutPool},
	{name: "ffa-map", ffa: true, onDemand: true, policy: optee.NewMapPool},
	{name: "ffa-rstmem", ffa: true, rstmem: true},
	{name: "smc-pool"},
	{name: "smc-buffer", policy: optee.NewBufferPool},
	{name: "smc-map", onDemand: true, policy: optee.NewMapPool},
	{name: "smc-static", static: true},
	{name: "smc-static-reserved", static: true, reserved: true},
	{name: "smc-norpcarg", noRPCArg: true},
	{name: "smc-rstmem", rstmem: true},
}

// rig is a machine with both worlds.
type rig struct {
	tb     testing.TB
	v      variant
	m      *platform.Machine
	k      *normalworld.Kernel
	wire   *wireTap
	pages  *mem.Allocator
	core   *dmabuf.Core
	heaps  *heap.Registry
	sub    *tee.Subsystem
	bus    *armffa.Bus
	tx     uint64
	d      *optee.Driver
	layout *mem.Layout
	free   uint64 // pages before anything was allocated
}

// wireTap stands between the kernel and the machine: it counts calls, and makes them fail as a test likes.
type wireTap struct {
	to    firmware.Conduit
	calls int
	// before may answer a call itself: it reports that it did.
	before func(n int, r *firmware.Registers) bool
	after  func(n int, r *firmware.Registers)
}

func (w *wireTap) SMC(r *firmware.Registers) {
	n := w.calls
	w.calls++
	if w.before != nil && w.before(n, r) {
		return
	}
	w.to.SMC(r)
	if w.after != nil {
		w.after(n, r)
	}
}

// newRig boots a machine; the driver is not there yet.
func newRig(tb testing.TB, v variant) *rig {
	tb.Helper()
	world := secureworld.DefaultConfig()
	cfg := platform.Config{TZASC: true, RAM: ramSize}
	if v.static {
		world.Carveout = memory.Range{Base: carveout, Size: carveSize}
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: carveout, Size: carveSize, NoMap: true})
	}
	if v.reserved {
		world.OPTEE.NoDynamicSHM, world.OPTEE.SHM = true, memory.Range{Base: shmBase, Size: shmSize}
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "optee-shm", Base: shmBase, Size: shmSize, NoMap: true})
	}
	world.OPTEE.NoRPCArg, world.OPTEE.RSTMEM = v.noRPCArg, v.rstmem
	if v.threads != 0 {
		world.OPTEE.Threads = v.threads
	}
	cfg.Firmware = secureworld.New(world)
	m, err := platform.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	r := &rig{tb: tb, v: v, m: m, k: normalworld.New(m, nil)}
	r.wire = &wireTap{to: r.k.Conduit}
	r.k.Conduit = r.wire
	if r.layout, err = mem.Discover(m.DTB()); err != nil {
		tb.Fatal(err)
	}
	if err := r.layout.ReserveArea(4 << 20); err != nil {
		tb.Fatal(err)
	}
	if r.pages, err = mem.New(r.k, r.layout.Config(mem.Costs{})); err != nil {
		tb.Fatal(err)
	}
	r.core = dmabuf.New(r.k)
	r.heaps = heap.NewRegistry(r.core)
	r.sub = tee.New(r.k, r.pages, r.core, r.heaps)
	r.free = r.pages.FreePages()
	return r
}

// config is what the driver is probed with.
func (r *rig) config() optee.Config {
	cfg := optee.Config{Interrupt: notifyINT, Policy: r.v.policy, RSTMEM: r.v.rstmem, Reserved: []mem.Range{}}
	for _, n := range r.layout.Reserved {
		if n.NoMap {
			cfg.Reserved = append(cfg.Reserved, n.Range)
		}
	}
	return cfg
}

// probe loads the FF-A driver where it is needed, and OP-TEE's.
func (r *rig) probe(change ...func(*optee.Config)) error {
	cfg := r.config()
	if r.v.ffa {
		var err error
		if r.tx, err = r.sub.AllocPages(2); err != nil {
			return err
		}
		if r.bus, err = armffa.Probe(r.k, r.tx, r.tx+page); err != nil {
			if r.bus == nil { // else the secure world has the pages still, until Remove
				r.sub.FreePages(r.tx, 2)
				r.tx = 0
			}
			return err
		}
		cfg.Bus = r.bus
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	r.d, err = optee.Probe(r.sub, cfg)
	return err
}

// boot makes a rig with its driver.
func boot(tb testing.TB, v variant, change ...func(*optee.Config)) *rig {
	tb.Helper()
	r := newRig(tb, v)
	if err := r.probe(change...); err != nil {
		tb.Fatal(err)
	}
	return r
}

// remove unloads the drivers.
func (r *rig) remove() error {
	if r.d != nil {
		if err := r.d.Remove(); err != nil {
			return err
		}
	}
	if r.bus != nil {
		if err := r.bus.Remove(); err != nil {
			return err
		}
		r.sub.FreePages(r.tx, 2)
		r.bus = nil
	}
	return nil
}

// down unloads the drivers and checks that nothing is left: pages are free again, and the processor and all other masters that may
// use normal memory reach all of it.
func (r *rig) down() {
	r.tb.Helper()
	if err := r.remove(); err != nil {
		r.tb.Errorf("removal: %v", err)
	}
	r.clean()
}

func (r *rig) clean() {
	r.tb.Helper()
	if got := r.pages.FreePages(); got != r.free {
		r.tb.Errorf("%d pages are free, %d were", got, r.free)
	}
	for _, id := range []uint8{bus.NSAIDAP, bus.NSAIDDMA} {
		p := r.m.Port(bus.Attr{NSAID: id, Privileged: true})
		var b [8]byte
		for pa := uint64(platform.RAMBase); pa < platform.RAMBase+ramSize; pa += page {
			if r.isReserved(pa) {
				continue
			}
			if resp := p.Read(pa, b[:]); resp != bus.OKAY {
				r.tb.Fatalf("%s cannot read %#x: still lent", bus.NSAIDName(id), pa)
			}
			if resp := p.Write(pa, b[:]); resp != bus.OKAY {
				r.tb.Fatalf("%s cannot write %#x: still lent", bus.NSAIDName(id), pa)
			}
		}
	}
}

func (r *rig) isReserved(pa uint64) bool {
	for _, n := range r.layout.Reserved {
		if n.NoMap && n.Range.Contains(pa, 1) {
			return true
		}
	}
	return false
}

// each runs a test on every variant.
func each(t *testing.T, f func(t *testing.T, r *rig)) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			f(t, r)
			r.down()
		})
	}
}

func TestProbeAndRemove(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		major, minor, _ := r.d.OS()
		if major != 4 || minor != 9 {
			t.Errorf("OP-TEE %d.%d", major, minor)
		}
		names := fmt.Sprint(r.heaps.Names())
		want := "[protected,secure-video protected,trusted-ui protected,secure-video-record]"
		if r.v.static && !r.v.ffa {
			want = "[protected,secure-video]"
		}
		if names != want {
			t.Errorf("heaps %s, want %s", names, want)
		}
		found := false
		for _, dev := range r.d.Devices() {
			found = found || dev.UUID == wire.RNGUUID()
		}
		if !found {
			t.Errorf("devices %v without the random number generator", r.d.Devices())
		}
		g, err := r.d.OpenRNG()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5000)
		n, err := g.Read(b)
		zeros := 0
		for _, v := range b {
			if v == 0 {
				zeros++
			}
		}
		if err != nil || n != len(b) || zeros > 100 || g.Rate == 0 {
			t.Errorf("%d random bytes, %d of them zero, error %v", n, zeros, err)
		}
		g.Close()
	})
}

func secureConfig() secureworld.Config { return secureworld.DefaultConfig() }
