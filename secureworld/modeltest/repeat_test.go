package modeltest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
)

// trace is a digest of what each step gave: registers, and what the controller holds.
func trace(x *machine, steps []*step) ([]uint64, error) {
	var out []uint64
	for _, s := range steps {
		if fail := x.do(s); fail != nil {
			return out, fmt.Errorf("%v", fail)
		}
		out = append(out, digest(x))
	}
	return out, nil
}

func digest(x *machine) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%x %x", x.out, x.tzc)
	return h.Sum64()
}

// The results of a sequence do not depend on what was before in the same process: on a new machine, after a reset of one that has
// done something else, and beside another machine they are the same, and the model agrees each time.
func TestSequencesRepeat(t *testing.T) {
	const calls = 600
	for setup := range setups {
		t.Run(setups[setup].name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(77 + setup)
			steps, _, fail, err := play(setup, seed, calls, faults{})
			if err != nil || fail != nil {
				t.Fatal(err, fail)
			}
			again, _, _, _ := play(setup, seed, calls, faults{})
			for i := range steps {
				if steps[i].regs != again[i].regs {
					t.Fatalf("step %d differs when the sequence is made again: %x, %x", i, steps[i].regs, again[i].regs)
				}
			}
			machines := make([]*machine, 3)
			for i := range machines {
				x, err := newMachine(config(setup), seed, faults{})
				if err != nil {
					t.Fatal(err)
				}
				defer x.close()
				machines[i] = x
			}
			want, err := trace(machines[0], steps)
			if err != nil {
				t.Fatal(err)
			}

			// Something else, then a reset.
			x := machines[1]
			g := newGenerator(x, rand.NewPCG(seed, 99))
			for range calls {
				s := g.next()
				if fail := x.do(s); fail != nil {
					t.Fatal(fail)
				}
				g.observe(s)
			}
			if err := x.reset(false); err != nil {
				t.Fatal(err)
			}
			if fail := x.everything(0); fail != nil {
				t.Fatalf("after reset: %v", fail)
			}
			// In turns with a machine that was never used.
			for i, s := range steps {
				for k, x := range machines[1:] {
					if fail := x.do(s); fail != nil {
						t.Fatal(fail)
					}
					if digest(x) != want[i] {
						t.Fatalf("step %d, %s, gives another result %s: %x", i, s.what, [...]string{"after a reset", "beside another machine"}[k], x.out)
					}
				}
			}
		})
	}
}

// tape makes a fuzzer's bytes a source of choices, one byte each. Behind its end there is one more sequence, so that the step
// under way is finished.
type tape struct {
	b    []byte
	rest rand.Source
}

func (t *tape) Uint64() uint64 {
	if len(t.b) == 0 {
		return t.rest.Uint64()
	}
	v := uint64(t.b[0])
	t.b = t.b[1:]
	return v<<56 | v*0x0001_0204_0810_2041
}

// FuzzModel lets a fuzzer choose the calls.
func FuzzModel(f *testing.F) {
	for i := range setups {
		rng := rand.New(rand.NewPCG(uint64(i), 5))
		b := make([]byte, 3000)
		for k := range b {
			b[k] = byte(rng.Uint32())
		}
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, setup uint8, in []byte) {
		i := int(setup) % len(setups)
		x, err := newMachine(config(i), 1, faults{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.close()
		source := &tape{in, rand.NewPCG(1, 2)}
		g := newGenerator(x, source)
		var steps []*step
		for len(steps) < 300 && len(source.b) > 0 {
			s := g.next()
			steps = append(steps, s)
			if fail := x.do(s); fail != nil {
				t.Fatal(report(i, 1, steps, fail, faults{}))
			}
			g.observe(s)
		}
		if fail := x.everything(g.id); fail != nil {
			t.Fatal(report(i, 1, steps, fail, faults{}))
		}
	})
}
