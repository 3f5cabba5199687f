package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/mem"
	"gatehouse/platform/event"
)

// Board is the machine that a cell needs: with the Go secure world and a TZC-400.
type Board struct {
	ABI    lab.ABI
	Policy lab.Policy
	// RAM is all memory, in bytes. Carveout, at its end, is protected from reset on where the policy is static; 0 otherwise. Pool is the
	// size that the secure world asks of pools.
	RAM, Carveout, Pool uint64
	// Events takes everything that happens from reset on.
	Events *event.Stream
}

// Options are how a comparison is made.
type Options struct {
	Workload Workload
	Profile  Profile
	ABIs     []lab.ABI    // all of them
	Policies []lab.Policy // all of them
	// Machine makes a machine.
	Machine func(Board) (Machine, error)
	// Host gives the time of the host, in ns since some moment; nil leaves host figures out.
	Host func() int64
	// watch is told of every cell before and after its workload, for tests.
	watch func(*Cell, *lab.Lab, *clock)
}

// Distribution says how a quantity is distributed, in ns: percentiles are the smallest values that as many percent do not exceed.
type Distribution struct {
	N    int    `json:"n"`
	P50  uint64 `json:"p50_ns"`
	P90  uint64 `json:"p90_ns"`
	P99  uint64 `json:"p99_ns"`
	Max  uint64 `json:"max_ns"`
	Mean uint64 `json:"mean_ns"`
}

// distribution sorts v.
func distribution(v []uint64) (d Distribution) {
	n := len(v)
	if n == 0 {
		return d
	}
	slices.Sort(v)
	at := func(percent int) uint64 { return v[(n*percent+99)/100-1] }
	sum := uint64(0)
	for _, x := range v {
		sum += x
	}
	return Distribution{N: n, P50: at(50), P90: at(90), P99: at(99), Max: v[n-1], Mean: sum / uint64(n)}
}

// HostTime is what a cell took on the host.
type HostTime struct {
	RunNS   int64 `json:"run_ns"`   // the workload
	FrameNS int64 `json:"frame_ns"` // a frame of it
}

// Cell is one combination of ABI and policy, and what became of the workload there. Counts and times are the workload's alone: neither
// the boot of the normal world nor its end is in them.
type Cell struct {
	ABI    lab.ABI    `json:"abi"`
	Policy lab.Policy `json:"policy"`
	Counts
	RegionsPeak int          `json:"regions_peak"`
	Times       Times        `json:"virtual_time"`
	Alloc       Distribution `json:"allocation_latency"`
	Map         Distribution `json:"mapping_latency"`
	// Frame is how long the player was at work for a frame; for Playback, the time between two pictures on the screen.
	Frame      Distribution `json:"frame_time"`
	Frames     int          `json:"frames_shown"`
	Late       int          `json:"frames_late"`
	Dropped    int          `json:"frames_dropped"`
	Failures   Failures     `json:"failures"`
	FirstError string       `json:"first_error,omitempty"`
	FPS        float64      `json:"frames_per_second"`
	MBps       float64      `json:"allocated_mb_per_second"`
	Migrated   uint64       `json:"pages_migrated"`
	// Exposure in byte seconds x masters, of buffers (any direction, reads, writes) and of what freed buffers have left.
	Exposure      float64 `json:"exposure_byte_seconds"`
	ExposureRead  float64 `json:"exposure_read_byte_seconds"`
	ExposureWrite float64 `json:"exposure_write_byte_seconds"`
	Stale         float64 `json:"stale_byte_seconds"`
	// Setup is what the normal world did before the workload, from reset on.
	Setup Counts `json:"setup"`
	// Left is what could not be given back at the end; nothing should be.
	Left string    `json:"left_over,omitempty"`
	Host *HostTime `json:"host,omitempty"`

	exposure Exposure
	life     uint64 // pages x ns that buffers lived
}

// Given is how many frames the workload wanted.
func (c *Cell) Given() int { return c.Frames + c.Dropped + c.Failures.Sum() }

// ErrRun is wrapped by errors about a cell that could not be run at all.
var ErrRun = errors.New("compare")

// round keeps six significant digits: what is printed is the same wherever it is computed.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func byteSeconds(pageNS uint64) float64 { return round(float64(pageNS) * pageSize / 1e9) }

// board works out the sizes of a machine for a workload.
func (o *Options) board(abi lab.ABI, policy lab.Policy) (b Board, area uint64) {
	const mib = 1 << 20
	up := func(n uint64) uint64 { return (n + mib - 1) &^ (mib - 1) }
	held := o.Workload.held()
	// Room for the workload, and for the holes that buffers of several sizes leave.
	room := up(held + held/4 + mib)
	b = Board{ABI: abi, Policy: policy, Pool: min(room, maxSize)}
	area = up(2*room + 8*mib)
	b.RAM = area + 64*mib
	if policy == lab.Static {
		// Nothing is lent from the contiguous area. With it out of the way the carve-out stays where masters with 32 address bits reach it.
		area = 32 * mib
		b.RAM, b.Carveout = area+64*mib+room, room
	}
	return b, area
}

// Run runs one cell. What the workload cannot get is a result; an error is a cell that could not be set up.
func (o *Options) Run(abi lab.ABI, policy lab.Policy) (cell *Cell, err error) {
	b, area := o.board(abi, policy)
	costs := o.Profile.Costs
	rec := newRecorder(&costs)
	b.Events = &event.Stream{}
	b.Events.Attach(event.SMC|event.FFA|event.OPTEE|event.Protmem|event.TZC|event.DMABuf|event.Int, rec)
	m, err := o.Machine(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", ErrRun, abi, policy, err)
	}
	defer m.Close()
	rec.takeSecure() // the secure world's own boot
	c := &clock{Machine: m, rec: rec, costs: &costs}
	l, err := lab.New(c, lab.Options{ABI: abi, Policy: policy, CMA: area, Events: b.Events,
		Costs: mem.Costs{Zero: costs.Zero, Migrate: costs.Migrate}})
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s: %w", ErrRun, abi, policy, err)
	}
	cell = &Cell{ABI: abi, Policy: policy}
	if err := o.play(cell, l, c, rec); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %s: %w", ErrRun, abi, policy, err), l.Close())
	}
	if err := l.Close(); err != nil {
		cell.Left = err.Error()
	}
	return cell, nil
}

// play runs the workload and takes its numbers.
func (o *Options) play(cell *Cell, l *lab.Lab, c *clock, rec *recorder) error {
	pages, err := crowd(l, o.Workload.Movable)
	if err != nil {
		return err
	}
	cell.Setup = rec.Counts
	rec.exposure.until(c.Now())
	counts, times, exposure, migrated := rec.Counts, c.times, rec.exposure.total, l.Pages.Stats().MigratedPages
	rec.peak, rec.allocs, rec.bytes = rec.mirror.regions(), nil, 0
	if o.watch != nil {
		o.watch(cell, l, c)
	}
	var host int64
	if o.Host != nil {
		host = o.Host()
	}
	run := buffers
	if o.Workload.Kind == Playback {
		run = playback
	}
	out, err := run(l, o.Workload, rec)
	if err != nil {
		return err
	}
	if o.Host != nil {
		host = o.Host() - host
		cell.Host = &HostTime{RunNS: host, FrameNS: host / int64(o.Workload.Frames)}
	}
	rec.exposure.until(c.Now())
	if o.watch != nil {
		o.watch(cell, l, c)
	}
	cell.Counts, cell.Times = rec.Counts.minus(counts), c.times.minus(times)
	cell.exposure = rec.exposure.total.minus(exposure)
	cell.life = cell.exposure.life
	cell.RegionsPeak, cell.Migrated = rec.peak, l.Pages.Stats().MigratedPages-migrated
	cell.Alloc, cell.Map, cell.Frame = distribution(rec.allocs), distribution(out.maps), distribution(out.busy)
	cell.Frames, cell.Late, cell.Dropped, cell.Failures = out.shown, out.late, out.dropped, out.fails
	if out.first != nil {
		cell.FirstError = out.first.Error()
	}
	if t := cell.Times.Total; t > 0 {
		cell.FPS = round(float64(cell.Frames) * float64(time.Second) / float64(t))
		cell.MBps = round(float64(rec.bytes) * 1000 / float64(t))
	}
	x := cell.exposure
	cell.Exposure, cell.ExposureRead, cell.ExposureWrite, cell.Stale = byteSeconds(x.Any), byteSeconds(x.Read), byteSeconds(x.Write), byteSeconds(x.Stale)
	for _, p := range pages {
		if err := p.Free(); err != nil {
			return err
		}
	}
	return nil
}

// Report is a comparison.
type Report struct {
	Workload Workload `json:"workload"`
	Profile  string   `json:"profile"`
	Costs    []Cost   `json:"costs"`
	Cells    []*Cell  `json:"cells"`
}

// Compare runs all cells.
func Compare(o Options) (*Report, error) {
	if err := o.Workload.Check(); err != nil {
		return nil, err
	}
	if o.ABIs == nil {
		o.ABIs = lab.ABIs
	}
	if o.Policies == nil {
		o.Policies = lab.Policies
	}
	r := &Report{Workload: o.Workload, Profile: o.Profile.Name, Costs: o.Profile.List()}
	for _, abi := range o.ABIs {
		for _, policy := range o.Policies {
			c, err := o.Run(abi, policy)
			if err != nil {
				return nil, err
			}
			r.Cells = append(r.Cells, c)
		}
	}
	return r, nil
}
