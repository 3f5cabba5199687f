package compare

import (
	"math/rand/v2"
	"testing"

	"gatehouse/devices/tzc400"
	"gatehouse/normalworld/lab"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// sheet is what a brute-force integrator knows of one page of memory.
type sheet struct {
	buffer uint64 // 0: none
	stale  bool
}

// brute integrates exposure from events, page by page and master by master, with none of the package's own arithmetic.
func brute(events []event.Event, from, until uint64) (x Exposure) {
	pages := map[uint64]*sheet{}
	at := func(pa uint64) *sheet {
		if pages[pa] == nil {
			pages[pa] = &sheet{}
		}
		return pages[pa]
	}
	type mapping struct {
		buffer uint64
		nsaid  uint64
		write  bool
	}
	mapped := map[mapping]int{}
	type region struct{ base, top, read, write, filters uint64 }
	var regions [9]region
	open := false
	may := func(pa uint64, id int, write bool) bool {
		hit := 0
		for i := 1; i < 9; i++ {
			if r := regions[i]; r.filters&1 != 0 && pa >= r.base && pa <= r.top {
				if hit != 0 {
					return false
				}
				hit = i
			}
		}
		mask := regions[hit].read
		if write {
			mask = regions[hit].write
		}
		return open && mask>>id&1 != 0
	}
	last := uint64(0)
	count := func(now uint64) {
		a, b := max(last, from), min(now, until)
		last = now
		if a >= b {
			return
		}
		ns := b - a
		for pa, p := range pages {
			if p.buffer != 0 {
				x.life += ns
			}
			for id := range 16 {
				if id == bus.NSAIDCryptoProtected {
					continue // the engine's second identity counts with its first
				}
				ids := []int{id}
				if id == bus.NSAIDCrypto {
					ids = append(ids, bus.NSAIDCryptoProtected)
				}
				var can [2]bool
				for _, i := range ids {
					can[0] = can[0] || may(pa, i, false)
					can[1] = can[1] || may(pa, i, true)
				}
				if p.stale && can[0] {
					x.Stale += ns
				}
				if p.buffer == 0 {
					continue
				}
				read := can[0] && mapped[mapping{p.buffer, uint64(id), false}] == 0
				write := can[1] && mapped[mapping{p.buffer, uint64(id), true}] == 0
				if read {
					x.Read += ns
				}
				if write {
					x.Write += ns
				}
				if read || write {
					x.Any += ns
				}
			}
		}
	}
	for i := range events {
		e := &events[i]
		count(e.Time)
		num := func(key string) uint64 { return field(e, key).Num }
		switch e.Name {
		case "GATE_KEEPER":
			open = num("value")&1 != 0
		case "REGION_BASE_LOW", "REGION_BASE_HIGH", "REGION_TOP_LOW", "REGION_TOP_HIGH", "REGION_ATTRIBUTES", "REGION_ID_ACCESS":
			// From the values that were written alone (DDI 0504, 3.3.14 to 3.3.19).
			r, v := &regions[num("region")], num("value")
			switch e.Name {
			case "REGION_BASE_LOW":
				r.base = v &^ 0xFFF
			case "REGION_TOP_LOW":
				r.top = v | 0xFFF
			case "REGION_ATTRIBUTES":
				r.filters = v & 0xF
			case "REGION_ID_ACCESS":
				r.read, r.write = v&0xFFFF, v>>16
			}
		case "ALLOC":
			for pa := num("base"); num("base") != 0 && pa < num("base")+num("size"); pa += pageSize {
				*at(pa) = sheet{buffer: num("buffer")}
			}
		case "RELEASE":
			if e.Category == event.DMABuf {
				for _, p := range pages {
					if p.buffer == num("buffer") {
						*p = sheet{stale: true}
					}
				}
			}
		case "SCRUB":
			for pa := num("base"); pa < num("base")+num("size"); pa += pageSize {
				at(pa).stale = false
			}
		case "MAP", "UNMAP":
			by := 1
			if e.Name == "UNMAP" {
				by = -1
			}
			switch field(e, "direction").Text {
			case "to-device":
				mapped[mapping{num("buffer"), num("nsaid"), false}] += by
			case "from-device":
				mapped[mapping{num("buffer"), num("nsaid"), true}] += by
			}
		}
	}
	count(until)
	return x
}

// Random buffers, mappings, scrubbed memory and register writes of a controller, in an order that no secure world has: the integral is
// what counting page by page gives.
func TestRandomEvents(t *testing.T) {
	const base, pages = 0x4000_0000, 24
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 9))
		var stream event.Stream
		var clk vtime.Clock
		var events kept
		rec := newRecorder(&Costs{})
		stream.Attach(event.All, rec)
		stream.Attach(event.All, &events)
		tzc := tzc400.New("tzc400", &stream, &clk)
		write := func(off, v uint64) {
			if r := tzc.Write(off, 4, v, bus.Attr{Secure: true}); r != bus.OKAY {
				t.Fatalf("a write of %#x: %v", off, r)
			}
		}
		emit := func(c event.Category, name string, f ...event.Field) {
			stream.Emit(&event.Event{Time: clk.Now(), Category: c, Name: name, Fields: f})
		}
		write(tzc400.RegionIDAccess, rng.Uint64N(1<<32)) // region 0
		type buffer struct{ serial, first, n uint64 }
		var live []buffer
		var maps [][]event.Field
		serial := uint64(0)
		for range 300 {
			clk.Advance(clk.Now() + rng.Uint64N(100))
			switch k := rng.IntN(10); {
			case k < 3:
				b := buffer{serial + 1, rng.Uint64N(pages), 1 + rng.Uint64N(6)}
				free := b.first+b.n <= pages
				for _, o := range live {
					free = free && (b.first >= o.first+o.n || o.first >= b.first+b.n)
				}
				if !free {
					continue
				}
				serial++
				live = append(live, b)
				emit(event.DMABuf, "ALLOC", event.Hex("size", b.n*pageSize), event.Dec("buffer", serial), event.Hex("base", base+b.first*pageSize))
			case k == 3 && len(live) > 0:
				i := rng.IntN(len(live))
				emit(event.DMABuf, "RELEASE", event.Dec("buffer", live[i].serial))
				live = append(live[:i], live[i+1:]...)
			case k == 4:
				emit(event.Protmem, "SCRUB", event.Hex("base", base+rng.Uint64N(pages)*pageSize), event.Hex("size", (1+rng.Uint64N(4))*pageSize))
			case k == 5 && len(live) > 0:
				f := []event.Field{event.Dec("buffer", live[rng.IntN(len(live))].serial), event.Dec("nsaid", rng.Uint64N(13)),
					event.Str("direction", []string{"to-device", "from-device"}[rng.IntN(2)])}
				maps = append(maps, f)
				emit(event.DMABuf, "MAP", f...)
			case k == 6 && len(maps) > 0:
				i := rng.IntN(len(maps))
				emit(event.DMABuf, "UNMAP", maps[i]...)
				maps = append(maps[:i], maps[i+1:]...)
			case k == 7 && rng.IntN(4) == 0:
				write(tzc400.GateKeeper, rng.Uint64N(3)/2*0xF^0xF)
			default:
				r := (1 + rng.Uint64N(3)) * tzc400.RegionStride
				switch rng.IntN(4) {
				case 0:
					write(tzc400.RegionBaseLow+r, base+rng.Uint64N(pages)*pageSize)
				case 1:
					write(tzc400.RegionTopLow+r, base+rng.Uint64N(pages)*pageSize)
				case 2:
					write(tzc400.RegionIDAccess+r, rng.Uint64N(1<<32))
				case 3:
					write(tzc400.RegionAttributes+r, rng.Uint64N(2)*0xF)
				}
			}
		}
		clk.Advance(clk.Now() + 1000)
		rec.exposure.until(clk.Now())
		if got, want := rec.exposure.total, brute(events.list, 0, clk.Now()); got != want || got.Any == 0 || got.Stale == 0 {
			t.Fatalf("seed %d: %+v, want %+v", seed, got, want)
		}
	}
}

// workload makes a random one.
func workload(rng *rand.Rand) Workload {
	w := Workload{Kind: Buffers, Frames: 1 + rng.IntN(12), Count: 1 + rng.IntN(3), Lifetime: 1 + rng.IntN(6), Period: 1 + rng.Uint64N(3_000_000),
		Movable: []int{0, 0, 50}[rng.IntN(3)]}
	w.InFlight = 1 + rng.IntN(w.Lifetime)
	for range 1 + rng.IntN(3) {
		w.Sizes = append(w.Sizes, 1+rng.Uint64N(40*pageSize))
	}
	return w
}

// Random workloads: the integral is what counting page by page, master by master between all events gives, and nothing stays lent.
func TestRandomWorkloads(t *testing.T) {
	rng := rand.New(rand.NewPCG(20, 26))
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		w := workload(rng)
		each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
			o := costly(t, w, []string{"modern", "a53-2022"}[rng.IntN(2)])
			var events kept
			var clk *clock
			var times []uint64
			regions := 0
			o.Machine = func(b Board) (Machine, error) {
				b.Events.Attach(event.All, &events)
				return board(b)
			}
			o.watch = func(_ *Cell, _ *lab.Lab, c *clock) {
				if clk = c; len(times) == 0 {
					regions = c.rec.mirror.regions()
				}
				times = append(times, c.Now())
			}
			c, err := o.Run(abi, policy)
			if err != nil {
				t.Fatal(err)
			}
			if want := brute(events.list, times[0], times[1]); c.exposure != want {
				t.Errorf("%v: exposure %+v, want %+v", &w, c.exposure, want)
			}
			if c.Left != "" {
				t.Errorf("%v: left over: %s", &w, c.Left)
			}
			if n := clk.rec.mirror.regions(); n != regions {
				t.Errorf("%v: %d regions are in use at the end, %d were at the start", &w, n, regions)
			}
			if n := len(clk.rec.exposure.bufs); n != 0 {
				t.Errorf("%v: %d buffers live on", &w, n)
			}
			if c.Given() != w.Frames || c.Denied != 0 {
				t.Errorf("%v: %d frames of %d are accounted for, %d accesses were refused", &w, c.Given(), w.Frames, c.Denied)
			}
		})
	}
}

// prober compares what the recorder believes with what the bus answers, at moments of a run.
type prober struct {
	t      *testing.T
	m      *platform.Machine
	lab    *lab.Lab
	rec    *recorder
	inside bool
	n      int
}

// Emit is called at operations of dma-bufs in the normal world, and in the midst of calls of the secure world.
func (p *prober) Emit(e *event.Event) {
	if p.rec == nil || p.inside {
		return
	}
	p.inside = true
	defer func() { p.inside = false }()
	ask := func(what string, pa uint64) {
		p.n++
		if got, want := p.rec.mirror.at(pa), probe(p.m, pa); got != want {
			p.t.Errorf("%s, %s at %#x: believed %+v, the bus lets %+v", e.Name, what, pa, got, want)
		}
	}
	for _, h := range p.rec.exposure.bufs {
		ask("first page", h.base)
		ask("last page", h.end()-1)
	}
	for _, s := range p.rec.exposure.stale {
		ask("what was a buffer", s.base)
	}
	ask("normal memory", platform.RAMBase+16<<20)
	if e.Category != event.DMABuf {
		return
	}
	// Who needs a buffer is whoever has it mapped.
	for _, b := range p.lab.Core.Buffers() {
		var want access
		for a := range b.Attachments() {
			if _, dir, mapped := a.Mapped(); mapped {
				if dir.DeviceReads() {
					want.read |= 1 << a.Device().NSAID
				}
				if dir.DeviceWrites() {
					want.write |= 1 << a.Device().NSAID
				}
			}
		}
		for i := range p.rec.exposure.bufs {
			if h := p.rec.exposure.bufs[i]; h.serial == b.Serial() && h.needs() != want {
				p.t.Errorf("%s: %v is believed to be needed by %+v, and is mapped for %+v", e.Name, b, h.needs(), want)
			}
		}
	}
}

// What the integral believes about access is what accesses of each master through the bus find, before and after every operation and
// in the midst of the secure world's changes.
func TestProbes(t *testing.T) {
	w := small()
	w.Lifetime, w.Frames = 2, 6
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		o := costly(t, w, "modern")
		p := &prober{t: t}
		o.Machine = func(b Board) (m Machine, err error) {
			b.Events.Attach(event.DMABuf|event.Protmem, p) // behind the recorder, which comes first
			p.m, err = board(b)
			return p.m, err
		}
		o.watch = func(_ *Cell, l *lab.Lab, c *clock) {
			if p.lab == nil {
				p.lab, p.rec = l, c.rec
			} else {
				p.rec = nil
			}
		}
		if _, err := o.Run(abi, policy); err != nil {
			t.Fatal(err)
		}
		if p.n < 100 {
			t.Errorf("%d pages were asked for", p.n)
		}
	})
}

// Closed gates and overlapping regions let nobody in (DDI 0504, 2.2.1 and 2.2.2); the rest is the background's.
func TestMirror(t *testing.T) {
	m := mirror{open: true}
	m.slots[0] = mirrored{enabled: true, access: access{0x3FF, 0x3FF}}
	m.slots[1] = mirrored{enabled: true, base: 0x1000, top: 0x3FFF, access: access{4, 8}}
	m.slots[2] = mirrored{enabled: true, base: 0x3000, top: 0x4FFF, access: access{4, 8}}
	for pa, want := range map[uint64]access{0: {0x3FF, 0x3FF}, 0x1000: {4, 8}, 0x2FFF: {4, 8}, 0x3000: {}, 0x4000: {4, 8}, 0x5000: {0x3FF, 0x3FF}} {
		if got := m.at(pa); got != want {
			t.Errorf("at %#x: %+v, want %+v", pa, got, want)
		}
	}
	if n := m.regions(); n != 2 {
		t.Errorf("%d regions, want 2", n)
	}
	m.open = false
	if got := m.at(0x1000); got != (access{}) {
		t.Errorf("behind a closed gate: %+v", got)
	}
}
