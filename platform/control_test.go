package platform_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"gatehouse/images"
	"gatehouse/platform"
	"gatehouse/platform/cpu"
	"gatehouse/platform/event"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
)

// debugged is a machine with a bundled image that records everything that a guest or a trace can see.
type debugged struct {
	*platform.Machine
	out    bytes.Buffer
	events bytes.Buffer
	stops  []platform.Stop
}

func newDebugged(t testing.TB, name string, cpus int, cats event.Category) *debugged {
	t.Helper()
	img, err := images.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	d := &debugged{}
	cfg := platform.Config{CPUs: cpus, TZASC: true, Firmware: secureworld.New(secureworld.DefaultConfig()), Events: &event.Stream{}}
	cfg.Serial[0] = &d.out
	if cats != 0 {
		cfg.Events.Attach(cats, event.NewText(&d.events))
	}
	if cfg.Kernel, err = loader.Parse(name, img.ELF, cfg.Range()); err != nil {
		t.Fatal(err)
	}
	if d.Machine, err = platform.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.Hear(func(s platform.Stop) { d.stops = append(d.stops, s) })
	return d
}

// finish runs the machine, as a debugger would that calls goOn after each stop.
func (d *debugged) finish(t testing.TB, goOn func()) platform.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hostLimit)
	defer cancel()
	over, done := context.WithCancel(context.Background())
	wake := make(chan struct{}, 1)
	unhear := d.Hear(func(platform.Stop) {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	defer unhear()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-wake:
			case <-over.Done():
				return
			}
			if d.Do(over, goOn) != nil {
				return
			}
		}
	}()
	if d.Stopped() {
		wake <- struct{}{}
	}
	exit := d.Run(ctx)
	done()
	<-finished
	return exit
}

// A machine that is paused again and again, at moments of the host's choice, does what it does undisturbed.
func TestPause(t *testing.T) {
	plain := newDebugged(t, "smp", 4, event.All)
	if exit := plain.finish(t, nil); exit.Reason != platform.PoweredOff || len(plain.stops) != 0 {
		t.Fatalf("%+v, stops %v", exit, plain.stops)
	}
	d := newDebugged(t, "smp", 4, event.All)
	over, done := context.WithCancel(context.Background())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for d.Do(over, d.Pause) == nil {
		}
	}()
	d.Pause()
	exit := d.finish(t, func() {
		if !d.Stopped() {
			return // a second pause of a machine that stood still
		}
		d.Resume()
	})
	done()
	<-finished
	if exit != (platform.Exit{}) || d.out.String() != plain.out.String() || d.events.String() != plain.events.String() {
		t.Errorf("ended with %+v and\n%s", exit, &d.out)
	}
	if d.Retired() != plain.Retired() || d.Now() != plain.Now() {
		t.Errorf("%d instructions, %d ns; undisturbed %d, %d", d.Retired(), d.Now(), plain.Retired(), plain.Now())
	}
	t.Logf("%d pauses", len(d.stops)) // how many is the host's choice
	for _, s := range d.stops {
		if s.Kind != platform.Paused || s.CPU < 0 || s.CPU > 3 {
			t.Fatalf("%+v", s)
		}
	}
}

// A stopped machine does not run, and its run can be ended; nothing calls into a machine that does not run.
func TestStopped(t *testing.T) {
	d := newDebugged(t, "hello", 1, 0)
	d.Pause()
	d.Pause()
	if len(d.stops) != 1 {
		t.Errorf("%v", d.stops)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_ = d.Do(ctx, func() {})
		cancel()
	}()
	if exit := d.Run(ctx); exit.Reason != platform.Interrupted || d.Retired() != 0 || d.Now() != 0 || !d.Stopped() {
		t.Errorf("%+v after %d instructions", exit, d.Retired())
	}
	if err := d.Do(ctx, func() { t.Error("called") }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A reset leaves it stopped.
	before := d.Resets()
	d.RequestReset()
	ctx, cancel = context.WithCancel(context.Background())
	go func() {
		_ = d.Do(ctx, func() {})
		cancel()
	}()
	if exit := d.Run(ctx); exit.Reason != platform.Interrupted || d.Resets() != before+1 || d.Retired() != 0 {
		t.Errorf("%+v, %d resets", exit, d.Resets())
	}
	d.Resume()
	if exit := d.finish(t, nil); exit.Reason != platform.PoweredOff {
		t.Errorf("%+v", exit)
	}
}

// Single-stepping changes nothing that the guest or a trace can see.
func TestSingleStep(t *testing.T) {
	for _, tc := range []struct {
		image string
		cpus  int
	}{{"hello", 1}, {"fault", 1}, {"gic", 1}, {"smp", 4}} {
		plain := newDebugged(t, tc.image, tc.cpus, event.All)
		if exit := plain.finish(t, nil); exit.Reason != platform.PoweredOff {
			t.Fatalf("%s: %+v", tc.image, exit)
		}
		d := newDebugged(t, tc.image, tc.cpus, event.All)
		d.Pause()
		last := uint64(0)
		exit := d.finish(t, func() {
			s := d.LastStop()
			if s.Kind == platform.Stepped && d.Retired() > last+1 && tc.cpus == 1 {
				t.Errorf("%s: a step of %d instructions", tc.image, d.Retired()-last)
			}
			last = d.Retired()
			d.Resume(platform.Single)
		})
		if exit != (platform.Exit{}) || d.out.String() != plain.out.String() {
			t.Errorf("%s: ended with %+v and\n%s", tc.image, exit, &d.out)
		}
		if tc.cpus == 1 && d.events.String() != plain.events.String() {
			t.Errorf("%s: the traces differ", tc.image)
		}
		if tc.cpus == 1 && (d.Retired() != plain.Retired() || d.Now() != plain.Now()) {
			t.Errorf("%s: %d instructions, %d ns; undisturbed %d, %d", tc.image, d.Retired(), d.Now(), plain.Retired(), plain.Now())
		}
		t.Logf("%s: %d stops, %d instructions", tc.image, len(d.stops), d.Retired())
		if len(d.stops) < 1000 {
			t.Errorf("%s: %d stops", tc.image, len(d.stops))
		}
	}
}

// Breakpoints and watchpoints that a debugger passes by again and again change nothing that the guest can see.
func TestPointsAreNotSeen(t *testing.T) {
	for _, tc := range []struct {
		image string
		cpus  int
	}{{"hello", 1}, {"fault", 1}, {"smp", 4}} {
		plain := newDebugged(t, tc.image, tc.cpus, event.All)
		if exit := plain.finish(t, nil); exit.Reason != platform.PoweredOff {
			t.Fatalf("%s: %+v", tc.image, exit)
		}
		d := newDebugged(t, tc.image, tc.cpus, event.All)
		d.Pause()
		var breaks []uint64
		for addr := uint64(0x40080000); addr < 0x40082000; addr += 36 {
			breaks = append(breaks, addr)
		}
		d.SetBreakpoints(breaks)
		d.SetWatchpoints([]cpu.Watch{{Addr: 0x40083000, Len: 0x8000, Read: true, Write: true}})
		exit := d.finish(t, func() {
			s := d.LastStop()
			switch {
			case s.Kind == platform.AtBreakpoint && (s.Addr != d.CPU(s.CPU).PC || (s.Addr-0x40080000)%36 != 0),
				s.Kind == platform.AtWatchpoint && s.Addr-0x40083000 >= 0x8000, s.Kind == platform.Stepped:
				t.Errorf("%s: %+v at %#x", tc.image, s, d.CPU(s.CPU).PC)
			}
			d.Resume()
		})
		if exit != (platform.Exit{}) || d.out.String() != plain.out.String() {
			t.Errorf("%s: ended with %+v and\n%s", tc.image, exit, &d.out)
		}
		if tc.cpus == 1 && (d.Retired() != plain.Retired() || d.events.String() != plain.events.String()) {
			t.Errorf("%s: %d instructions, undisturbed %d", tc.image, d.Retired(), plain.Retired())
		}
		kinds := map[platform.StopKind]int{}
		for _, s := range d.stops {
			kinds[s.Kind]++
		}
		t.Logf("%s: %v", tc.image, kinds)
		if kinds[platform.AtBreakpoint] < 30 || kinds[platform.AtWatchpoint] == 0 {
			t.Errorf("%s: stops %v", tc.image, kinds)
		}
	}
}
