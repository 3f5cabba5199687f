package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/normalworld/compare"
	"gatehouse/normalworld/lab"
	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

var compareCommand = command{
	name:     "compare",
	synopsis: "[flags]",
	summary:  "runs one workload over both ABIs and all grant policies, and compares what that costs and exposes",
	details: `Workloads: buffers (each frame allocates protected buffers when it is due; the decoder writes them, the display reads them, then they are
kept until their lifetime is over), playback (the use case secure-video-playback of gatehouse sdp, as fast as it goes).
A frame whose buffers cannot be had is dropped and counted, by reason; so is a frame that would begin a whole period late.

Time is virtual: what a call, a change of world, a register write or a zeroed page takes comes from a profile, which -list prints with
the source of each number, and from -cost. Two runs with the same flags give the same bytes, unless -host is given.
Exit status: 0 done, 1 something was left over or a file could not be written, 2 usage.`,
	run: comparison,
}

// compareOptions are the flags of compare.
type compareOptions struct {
	workload compare.Workload
	profile  compare.Profile
	costs    []string
	abis     []lab.ABI
	policies []lab.Policy
	json     string
	csv      string
	html     string
	host     bool
	list     bool
}

func (o *compareOptions) register(c *call) {
	f, w := c.flags, &o.workload
	*w, o.profile = compare.DefaultWorkload(), compare.Profiles()[0]
	f.Func("workload", "`buffers|playback` what is run (buffers)", func(s string) error {
		w.Kind = compare.Kind(s)
		return amongst(w.Kind, compare.Kinds)
	})
	f.IntVar(&w.Frames, "frames", w.Frames, fmt.Sprintf("`N` frames (%d)", w.Frames))
	f.Func("size", "`SIZE[,SIZE]...` bytes of a frame's buffers, with suffix K, M or G (3110400: 1080p in NV12)", func(s string) (err error) {
		w.Sizes, err = sizeList(s)
		return err
	})
	f.IntVar(&w.Count, "buffers", w.Count, fmt.Sprintf("`N` buffers of each frame (%d)", w.Count))
	f.IntVar(&w.Lifetime, "lifetime", w.Lifetime, fmt.Sprintf("`N` frames that a buffer lives (%d)", w.Lifetime))
	f.IntVar(&w.InFlight, "inflight", w.InFlight, fmt.Sprintf("`N` frames that a master has a buffer mapped; for playback, buffers between two stages (%d)", w.InFlight))
	f.Func("period", "`DURATION` time between two frames (16.666667ms)", func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return errors.New("want a time such as 33.3ms")
		}
		w.Period = uint64(d)
		return nil
	})
	f.IntVar(&w.Movable, "movable", 0, "`PERCENT` of the contiguous area that other pages use, which have to move away (0)")
	f.Func("abi", "`ffa|smc` only this ABI", func(s string) error {
		o.abis = []lab.ABI{lab.ABI(s)}
		return amongst(o.abis[0], lab.ABIs)
	})
	f.Func("policy", "`POLICY` only this policy: static, pool, buffer or map", func(s string) error {
		o.policies = []lab.Policy{lab.Policy(s)}
		return amongst(o.policies[0], lab.Policies)
	})
	f.Func("profile", "`NAME` costs (a53-2022)", func(s string) (err error) {
		if o.profile, err = compare.ProfileNamed(s); err != nil {
			return bare(err, compare.ErrCost)
		}
		return nil
	})
	f.Func("cost", "`KEY=NS` another cost than the profile's; may be repeated", func(s string) error {
		o.costs = append(o.costs, s)
		p := o.profile
		return bare(p.Set(s), compare.ErrCost)
	})
	f.StringVar(&o.json, "json", "", "`FILE` everything as JSON")
	f.StringVar(&o.csv, "csv", "", "`FILE` a line for each combination")
	f.StringVar(&o.html, "html", "", "`FILE` a page with plots; runs the workload in variations for them")
	f.BoolVar(&o.host, "host", false, "give the host's time as well")
	f.BoolVar(&o.list, "list", false, "print the profiles with the source of each cost, and end")
}

// bare takes the package's prefix off an error that the flag's name goes before.
func bare(err, prefix error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), prefix.Error()+": "))
}

// sizeList reads sizes in bytes, or with a suffix.
func sizeList(s string) (list []uint64, err error) {
	for _, part := range strings.Split(s, ",") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			if part == "" || !strings.Contains("kmgKMG", part[len(part)-1:]) {
				return nil, fmt.Errorf("want sizes in bytes, or with a suffix K, M or G: %q", part)
			}
			if n, err = scaled(part); err != nil {
				return nil, fmt.Errorf("want sizes in bytes, or with a suffix K, M or G: %q", part)
			}
		}
		list = append(list, n)
	}
	return list, nil
}

func comparison(c *call) (int, error) {
	var o compareOptions
	o.register(c)
	if err := c.parse(0); err != nil {
		return 0, err
	}
	if o.list {
		return statusOK, printProfiles(c.stdout)
	}
	for _, s := range o.costs {
		if err := o.profile.Set(s); err != nil {
			return 0, fmt.Errorf("-cost %w", err)
		}
	}
	run := compare.Options{Workload: o.workload, Profile: o.profile, ABIs: o.abis, Policies: o.policies, Machine: compareMachine}
	if err := run.Workload.Check(); err != nil {
		return 0, err
	}
	if o.host {
		began := time.Now()
		run.Host = func() int64 { return int64(time.Since(began)) }
	}
	// Files are opened before anything runs: a name that is wrong must not cost the run.
	files, err := createAll([]string{"json", "csv", "html"}, []string{o.json, o.csv, o.html})
	if err != nil {
		return 0, err
	}
	failed := func(err error) (int, error) {
		fmt.Fprintf(c.stderr, "gatehouse compare: %s\n", oneLine(err.Error()))
		return statusFailed, nil
	}
	report, err := compare.Compare(run)
	if err != nil {
		return failed(err)
	}
	writers := []func(io.Writer) error{report.WriteJSON, report.WriteCSV, nil}
	if o.html != "" {
		study, err := compare.NewStudy(run, report)
		if err != nil {
			return failed(err)
		}
		writers[2] = study.WriteHTML
	}
	for i, f := range files {
		if f != nil {
			if err := errors.Join(writers[i](f), f.Close()); err != nil {
				return failed(err)
			}
		}
	}
	var out bytes.Buffer
	if err := report.WriteTable(&out); err != nil {
		return failed(err)
	}
	if _, err := out.WriteTo(c.stdout); err != nil {
		return failed(fmt.Errorf("standard output: %w", err))
	}
	if !report.OK() {
		return statusFailed, nil
	}
	return statusOK, nil
}

// createAll creates the files whose names are not empty, all of them or none: what stood in a file is lost only when every one of them
// can be written.
func createAll(flags, paths []string) (files []*os.File, err error) {
	var made []string // those that were not there
	for i, path := range paths {
		var f *os.File
		if path != "" {
			_, missing := os.Lstat(path)
			if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666); err != nil {
				err = fileError(flags[i], path, err)
				break
			}
			if missing != nil {
				made = append(made, path)
			}
		}
		files = append(files, f)
	}
	for i, f := range files {
		switch {
		case f == nil:
		case err != nil:
			f.Close()
		default:
			if terr := f.Truncate(0); terr != nil && !isDevice(f) {
				err = fileError(flags[i], paths[i], terr)
			}
		}
	}
	if err == nil {
		return files, nil
	}
	for _, path := range made {
		_ = os.Remove(path) // the error is about another file
	}
	return nil, err
}

// isDevice reports whether a file is one that has no size, such as /dev/stdout on a pipe.
func isDevice(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && !st.Mode().IsRegular()
}

// compareMachine makes the machine of a cell.
func compareMachine(b compare.Board) (compare.Machine, error) {
	world := labWorld(b.ABI, b.Pool)
	cfg := platform.Config{TZASC: true, RAM: b.RAM, Events: b.Events}
	if b.Carveout != 0 {
		at := platform.RAMBase + b.RAM - b.Carveout
		world.Carveout = memory.Range{Base: at, Size: b.Carveout}
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: at, Size: b.Carveout, NoMap: true})
	}
	cfg.Firmware = secureworld.New(world)
	return platform.New(cfg)
}

func printProfiles(w io.Writer) error {
	var out bytes.Buffer
	for i, p := range compare.Profiles() {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "%s: %s\n", p.Name, p.Summary)
		t := tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)
		for _, c := range p.List() {
			fmt.Fprintf(t, "  %s\t%d ns\tper %s\t%s\n", c.Key, c.NS, c.Unit, c.Source)
		}
		_ = t.Flush() // into memory
	}
	_, err := out.WriteTo(w)
	return err
}
