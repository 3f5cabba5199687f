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
	callsFlag = flag.Int("modeltest.calls", 200_000, "calls of TestRandomCalls, at least")
	seedFlag  = flag.Uint64("modeltest.seed", 1, "seed of the first sequence of TestRandomCalls")
	onlyFlag  = flag.String("modeltest.only", "", "the one configuration of TestRandomCalls; with the seed of a report and -modeltest.calls=1 its sequence is made again")
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
	g := newGenerator(x, rand.NewPCG(seed, uint64(setup)))
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

// rare are things that must happen in every 200,000 calls at least so often, so that the sequences are known to get far. Each
// reason for which a resource is refused is among them.
var rare = map[string]int{
	"share":                            1000,
	"share to several":                 100,
	"share in fragments":               100,
	"share refused: no handle is left": 100,
	"share refused: more ranges than the limit": 1,
	"lend":                                     500,
	"lend to several":                          100,
	"lend in fragments":                        50,
	"lend refused: no region is left":          200,
	"lend refused: no handle is left":          100,
	"lend over SMC":                            500,
	"lend over SMC refused: no region is left": 100,
	"lend over SMC refused: too many buffers":  100,
	"donate":                        50,
	"retrieve a donate":             5,
	"reclaim of a donate":           20,
	"reclaim of a lend":             500,
	"reclaim of a share":            1000,
	"reclaim over SMC":              500,
	"reclaim denied":                200,
	"middle fragment":               10,
	"last fragment refused":         100,
	"assign":                        300,
	"retrieve a share":              200,
	"retrieve a lend":               200,
	"relinquish a lend":             100,
	"relinquish to OP-TEE":          500,
	"register":                      1000,
	"unregister":                    1000,
	"copy":                          100,
	"copy to protected memory":      20,
	"copy between protected memory": 10,
	"fill protected memory":         50,
	"list of receivers":             20,
	"vault reads":                   50,
	"partition list":                50,
	"map":                           200,
	"unmap":                         100,
	"open":                          300,
	"suspend":                       50,
	"resume a call":                 50,
	"pause":                         5,
	"resume":                        5,
	"describe":                      100,
	"descriptor given up":           20,
	"share refused: the receiver has enough transactions": 20,
	"reset": 50,
}

// Random sequences of calls give what the model says, for every master and every page that is looked at.
func TestRandomCalls(t *testing.T) {
	calls := *callsFlag
	if testing.Short() {
		calls /= 10
	}
	var mu sync.Mutex
	events := map[string]int{}
	total, refused := 0, 0
	rounds := (calls + sequence*len(setups) - 1) / (sequence * len(setups))
	t.Run("configurations", func(t *testing.T) {
		for i := range setups {
			if *onlyFlag != "" && *onlyFlag != setups[i].name {
				continue
			}
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
	if t.Failed() || total < 200_000 || *onlyFlag != "" {
		return
	}
	for what, n := range rare {
		if events[what] < n {
			t.Errorf("%q happens %d times in %d calls, want %d", what, events[what], total, n)
		}
	}
}
