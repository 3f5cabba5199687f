package modeltest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	callsFlag = flag.Int("modeltest.calls", 200_000, "calls of TestRandomCalls")
	seedFlag  = flag.Uint64("modeltest.seed", 1, "first seed of TestRandomCalls")
)

// sequence is how many calls are made on one machine.
const sequence = 2000

// play runs the calls of a seed on a configuration until the model differs.
func play(setup int, seed uint64, n int, f faults) (steps []*step, x *machine, fail *failure, err error) {
	x, err = newMachine(config(setup), seed, f)
	if err != nil {
		return nil, nil, nil, err
	}
	defer x.close()
	g := newGenerator(x, rand.NewPCG(seed, 0x6A7E))
	for range n {
		s := g.next()
		steps = append(steps, s)
		if fail = x.do(s); fail != nil {
			return steps, x, fail, nil
		}
		g.observe(s)
	}
	return steps, x, x.everything(g.id), nil
}

func TestRandomCalls(t *testing.T) {
	calls := *callsFlag
	if testing.Short() {
		calls /= 10
	}
	var mu sync.Mutex
	events := map[string]int{}
	total, refused := 0, 0
	rounds := (calls + sequence*len(setups) - 1) / (sequence * len(setups))
	t.Run("setups", func(t *testing.T) {
		for i := range setups {
			t.Run(setups[i].name, func(t *testing.T) {
				t.Parallel()
				for k := range rounds {
					seed := *seedFlag + uint64(k)
					steps, x, fail, err := play(i, seed, sequence, faults{})
					if err != nil {
						t.Fatal(err)
					}
					mu.Lock()
					total += len(steps)
					refused += x.refusals
					for what, n := range x.events {
						events[what] += n
					}
					mu.Unlock()
					if fail != nil {
						t.Fatal(report(i, seed, steps, fail, faults{}))
					}
				}
			})
		}
	})
	var list []string
	for what, n := range events {
		list = append(list, fmt.Sprintf("%7d %s", n, what))
	}
	slices.Sort(list)
	t.Logf("%d calls, %d refused\n%s", total, refused, strings.Join(list, "\n"))
}
