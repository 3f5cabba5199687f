package compare

import (
	"testing"

	"gatehouse/normalworld/lab"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

// board makes a machine as gatehouse compare does.
func board(b Board) (*platform.Machine, error) {
	world := secureworld.DefaultConfig()
	world.ABI = secureworld.ABIFFA
	if b.ABI == lab.SMC {
		world.ABI = secureworld.ABISMC
	}
	for i := range world.OPTEE.UseCases {
		world.OPTEE.UseCases[i].MinSize = b.Pool
	}
	cfg := platform.Config{TZASC: true, RAM: b.RAM, Events: b.Events}
	if b.Carveout != 0 {
		at := platform.RAMBase + b.RAM - b.Carveout
		world.Carveout = memory.Range{Base: at, Size: b.Carveout}
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: at, Size: b.Carveout, NoMap: true})
	}
	cfg.Firmware = secureworld.New(world)
	return platform.New(cfg)
}

// options are those of a workload without costs.
func options(w Workload) Options {
	p, err := ProfileNamed("none")
	if err != nil {
		panic(err)
	}
	return Options{Workload: w, Profile: p, Machine: func(b Board) (Machine, error) { return board(b) }}
}

func costly(t testing.TB, w Workload, profile string, costs ...string) Options {
	t.Helper()
	o := options(w)
	var err error
	if o.Profile, err = ProfileNamed(profile); err != nil {
		t.Fatal(err)
	}
	for _, c := range costs {
		if err := o.Profile.Set(c); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// small is a workload that is soon over.
func small() Workload {
	return Workload{Kind: Buffers, Frames: 10, Sizes: []uint64{100_000, 20_000}, Count: 2, Lifetime: 3, InFlight: 2, Period: 10_000_000}
}

// each runs every combination as a subtest.
func each(t *testing.T, f func(t *testing.T, abi lab.ABI, policy lab.Policy)) {
	for _, abi := range lab.ABIs {
		for _, policy := range lab.Policies {
			t.Run(string(abi)+"-"+string(policy), func(t *testing.T) { f(t, abi, policy) })
		}
	}
}

// probe asks the bus who may read and write a page.
func probe(m *platform.Machine, pa uint64) (a access) {
	for id := range uint8(bus.NSAIDs) {
		p := m.Port(bus.Attr{Privileged: true, NSAID: id})
		var b [1]byte
		if p.Read(pa, b[:]) == bus.OKAY {
			a.read |= 1 << id
		}
		if p.Write(pa, b[:]) == bus.OKAY {
			a.write |= 1 << id
		}
	}
	return a
}

// kept is a sink that keeps events.
type kept struct{ list []event.Event }

func (k *kept) Emit(e *event.Event) {
	c := *e
	c.Fields = append([]event.Field(nil), e.Fields...)
	k.list = append(k.list, c)
}
