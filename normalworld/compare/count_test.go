package compare

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/normalworld/lab"
)

// What one buffer costs that is allocated, mapped for the decoder, unmapped and freed, by the sequences of calls that the
// specifications have:
//
//   - FF-A: a lend is FFA_MEM_LEND with a descriptor of 112 bytes (48 and one receiver with 16, a composite with 16, one constituent with 16
//     at the 1.1 layout: DEN 0077, 1.11), and ASSIGN_PROTMEM with one parameter in a direct message; its end is a direct message and
//     FFA_MEM_RECLAIM.
//   - SMC ABI: LEND_PROTMEM with two parameters, RECLAIM_PROTMEM with one. A message is 32 bytes and 32 for each parameter (optee_msg.h).
//   - map: a session is opened with the first buffer (two meta parameters), and a grant and a revocation are an invocation with four
//     parameters each, over either ABI.
//   - the controller: a region takes six writes to set up and one to switch off; its masters change with one. What is lent to nobody
//     needs no revocation before it is scrubbed.
func TestHandCounts(t *testing.T) {
	const header, param, descriptor = 32, 32, 112
	const pages = 25 // 100,000 bytes
	w := Workload{Kind: Buffers, Frames: 1, Sizes: []uint64{100_000}, Count: 1, Lifetime: 1, InFlight: 1, Period: 1_000_000}
	lend := map[lab.ABI]Counts{
		lab.FFA: {SMCs: 4, Switches: 8, Messages: 1, Direct: 2, Marshalled: descriptor + header + param, Writes: 8, Updates: 3},
		lab.SMC: {SMCs: 2, Switches: 4, Messages: 2, Marshalled: header + 2*param + header + param, Writes: 8, Updates: 3},
	}
	grants := Counts{SMCs: 3, Switches: 6, Messages: 3, Marshalled: header + 2*param + 2*(header+4*param), Writes: 1, Updates: 1}
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		o := options(w)
		c, err := o.Run(abi, policy)
		if err != nil {
			t.Fatal(err)
		}
		want, regions := lend[abi], 1
		want.Scrubbed = pages * pageSize
		switch policy {
		case lab.Static:
			want = Counts{}
		case lab.Pool:
			b, _ := o.board(abi, policy)
			want.Scrubbed = b.Pool
		case lab.Map:
			for i, f := range want.fields() {
				*f += *grants.fields()[i]
			}
			if abi == lab.FFA {
				want.Direct += 3
			}
		}
		if c.Counts != want {
			t.Errorf("%+v, want %+v", c.Counts, want)
		}
		if c.RegionsPeak != regions {
			t.Errorf("%d regions at most, want %d", c.RegionsPeak, regions)
		}
		if c.Frames != 1 || c.Failures != (Failures{}) || c.Left != "" || c.Alloc.N != 1 || c.Map.N != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// The time in each world is the sum of what was counted, each times its cost, and the SMCs that the conduit charged with a change of
// world are those that the events count.
func TestTimes(t *testing.T) {
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		o := costly(t, small(), "none", "smc=11", "switch=1009", "ffa=203", "message=307", "copy=1024", "tzc=13", "scrub=401", "alloc=503", "map=601")
		watched := 0
		o.watch = func(cell *Cell, _ *lab.Lab, c *clock) {
			if c.switches != c.rec.Switches {
				t.Errorf("%d changes of world were paid for, %d counted", c.switches, c.rec.Switches)
			}
			watched++
		}
		c, err := o.Run(abi, policy)
		if err != nil {
			t.Fatal(err)
		}
		secure := 11*c.SMCs + 1009*c.Switches + 307*c.Messages + c.Marshalled + 13*c.Writes + 401*(c.Scrubbed/pageSize)
		if abi == lab.FFA {
			secure += 203 * c.SMCs
		}
		if c.Times.Secure != secure {
			t.Errorf("%d ns in the secure world, want %d", c.Times.Secure, secure)
		}
		// 20 buffers are allocated and freed. The 18 that see a second frame are mapped and unmapped twice, the others once.
		if want := uint64(20*2*503 + (18*4+2*2)*601); c.Times.Normal != want {
			t.Errorf("%d ns in the kernel, want %d", c.Times.Normal, want)
		}
		if c.Times.Total != c.Times.Normal+c.Times.Secure+c.Times.Idle {
			t.Errorf("%+v do not add up", c.Times)
		}
		if watched != 2 {
			t.Errorf("watched %d times", watched)
		}
	})
}

// Percentiles against their definition: the smallest value that at least as many percent of the values do not exceed.
func TestDistribution(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 250 {
		v := make([]uint64, n)
		sum := uint64(0)
		for i := range v {
			v[i] = rng.Uint64N(50)
			sum += v[i]
		}
		naive := func(percent int) uint64 {
			best := slices.Max(v)
			for _, x := range v {
				below := 0
				for _, y := range v {
					if y <= x {
						below++
					}
				}
				if below*100 >= percent*n {
					best = min(best, x)
				}
			}
			return best
		}
		var want Distribution
		if n > 0 {
			want = Distribution{n, naive(50), naive(90), naive(99), slices.Max(v), sum / uint64(n)}
		}
		if got := distribution(slices.Clone(v)); got != want {
			t.Fatalf("%d values: %+v, want %+v", n, got, want)
		}
	}
}

// The controller has eight regions. Buffers that do not touch take one each, so of twelve frames whose buffers live for twelve frames
// eight get theirs, and the next four do not.
func TestRegionsRunOut(t *testing.T) {
	w := Workload{Kind: Buffers, Frames: 48, Sizes: []uint64{100_000}, Count: 1, Lifetime: 12, InFlight: 2, Period: 1_000_000}
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		o := options(w)
		c, err := o.Run(abi, policy)
		if err != nil {
			t.Fatal(err)
		}
		frames, failed, regions := 48, 0, 1
		if policy == lab.Buffer || policy == lab.Map {
			frames, failed, regions = 32, 16, 8
		}
		if c.Frames != frames || c.Failures != (Failures{Regions: failed}) || c.RegionsPeak != regions || (c.FirstError != "") != (failed > 0) {
			t.Errorf("%d frames, %+v, %d regions, %q; want %d, %d and %d", c.Frames, c.Failures, c.RegionsPeak, c.FirstError, frames, failed, regions)
		}
		if c.NoRegion != uint64(failed) || c.Left != "" {
			t.Errorf("%d refusals, left over %q", c.NoRegion, c.Left)
		}
	})
}

// A player that is behind by whole frames skips some, and a frame that takes longer than its period is late.
func TestLateness(t *testing.T) {
	w := Workload{Kind: Buffers, Frames: 40, Sizes: []uint64{4096}, Count: 1, Lifetime: 2, InFlight: 1, Period: 1_000_000}
	o := costly(t, w, "none", "switch=750000")
	for _, abi := range lab.ABIs {
		c, err := o.Run(abi, lab.Buffer)
		if err != nil {
			t.Fatal(err)
		}
		// A lend and its end take 3 ms over the SMC ABI and 6 ms over FF-A, in which as many frames are due.
		per := 3
		if abi == lab.FFA {
			per = 6
		}
		if got := c.Frames; got < 40/per-1 || got > 40/per+2 || c.Frames+c.Dropped != 40 {
			t.Errorf("%s: %d frames shown, %d dropped; want about one of %d", abi, c.Frames, c.Dropped, per)
		}
		if c.Late == 0 {
			t.Errorf("%s: no frame is late", abi)
		}
		// With less to do nothing is lost.
		o := costly(t, w, "modern")
		if c, err = o.Run(abi, lab.Buffer); err != nil || c.Frames != 40 || c.Late+c.Dropped != 0 {
			t.Errorf("%s: %+v, %v", abi, c, err)
		}
	}
}

// Pages that are in the way are moved, once, and that takes the time that it costs.
func TestMovable(t *testing.T) {
	w := small()
	w.Movable = 80
	o := costly(t, w, "none", "migrate=1000")
	c, err := o.Run(lab.SMC, lab.Pool)
	if err != nil {
		t.Fatal(err)
	}
	if c.Migrated == 0 || c.Times.Normal != 1000*c.Migrated || c.Alloc.Max != c.Times.Normal {
		t.Errorf("%d pages moved in %d ns, the longest allocation took %d", c.Migrated, c.Times.Normal, c.Alloc.Max)
	}
}

// Playback ends well everywhere, and with more buffers than regions it ends as a player does that cannot set up its pipeline.
func TestPlayback(t *testing.T) {
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		o := costly(t, Workload{Kind: Playback, Frames: 4, InFlight: 2}, "modern")
		c, err := o.Run(abi, policy)
		if err != nil {
			t.Fatal(err)
		}
		if c.Frames != 4 || c.Failures.Sum() != 0 || c.Left != "" || c.Denied != 0 || c.Alloc.N != 6 || c.Exposure == 0 {
			t.Errorf("%+v", c)
		}
		o.Workload.InFlight = 4
		if c, err = o.Run(abi, policy); err != nil {
			t.Fatal(err)
		}
		lends := policy == lab.Buffer || policy == lab.Map
		if (c.Failures.Regions == 1) != lends || c.Failures.Sum() != c.Failures.Regions || c.Left != "" {
			t.Errorf("with four buffers between stages: %+v, %q, left over %q", c.Failures, c.FirstError, c.Left)
		}
	})
}

// Two buffers side by side with the same masters share a region. It moves when the second comes and when the first goes, and all
// masters are locked out meanwhile; nothing moves for the first and the last.
func TestClosures(t *testing.T) {
	w := Workload{Kind: Buffers, Frames: 1, Sizes: []uint64{64 << 10}, Count: 2, Lifetime: 1, InFlight: 1, Period: 1_000_000}
	for _, abi := range lab.ABIs {
		o := options(w)
		c, err := o.Run(abi, lab.Buffer)
		if err != nil {
			t.Fatal(err)
		}
		if c.Closures != 2 || c.RegionsPeak != 1 || c.Frames != 1 {
			t.Errorf("%s: the gates closed %d times, with %d regions; want 2 and 1", abi, c.Closures, c.RegionsPeak)
		}
	}
}
