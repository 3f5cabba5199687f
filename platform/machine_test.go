package platform_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"gatehouse/images"
	"gatehouse/platform"
	"gatehouse/platform/event"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
)

// hostLimit ends a machine that hangs, in host time. No result depends on it.
const hostLimit = 60 * time.Second

// boot runs an image to its end and gives what it printed.
func boot(t testing.TB, name string, elf []byte, change func(*platform.Config)) (string, *platform.Machine, platform.Exit) {
	t.Helper()
	var out, warnings bytes.Buffer
	sw := secureworld.DefaultConfig()
	cfg := platform.Config{TZASC: true, Semihosting: true, Warnings: &warnings}
	cfg.Serial[0] = &out
	if change != nil {
		change(&cfg)
	}
	sw.TZASC.Enabled = cfg.TZASC
	if cfg.Firmware == nil {
		cfg.Firmware = secureworld.New(sw)
	}
	if elf != nil {
		k, err := loader.Parse(name, elf, cfg.Range())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Kernel = k
	}
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	ctx, cancel := context.WithTimeout(context.Background(), hostLimit)
	defer cancel()
	exit := m.Run(ctx)
	if t.Failed() || exit.Reason == platform.Interrupted {
		t.Logf("%s: %+v\n%s%s", name, exit, out.String(), warnings.String())
	}
	return out.String(), m, exit
}

// TestImages runs every bundled image on as many processors as it was written for.
func TestImages(t *testing.T) {
	for _, img := range images.All() {
		t.Run(img.Name, func(t *testing.T) {
			if img.Name == "bench" && testing.Short() {
				t.Skip("200 million instructions; the full run has them")
			}
			out, _, exit := boot(t, img.Name, img.ELF, func(c *platform.Config) { c.CPUs = max(img.CPUs, 1) })
			if exit.Reason != platform.PoweredOff {
				t.Errorf("ended with %+v", exit)
			}
			if img.Expect != "" && out != img.Expect {
				t.Errorf("printed\n%s\nwant\n%s", out, img.Expect)
			}
			lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, img.Verdict) {
				t.Errorf("the last line is %q, want %q\n%s", last, img.Verdict, out)
			}
		})
	}
}

// TestDeterministic runs the same machine twice with every event logged, and a third time after a reset.
func TestDeterministic(t *testing.T) {
	img, err := images.Get("smp")
	if err != nil {
		t.Fatal(err)
	}
	run := func() (string, uint64) {
		var log bytes.Buffer
		out, m, _ := boot(t, img.Name, img.ELF, func(c *platform.Config) {
			c.CPUs = 4
			c.Events = &event.Stream{}
			c.Events.Attach(event.All, event.NewText(&log))
		})
		return out + log.String(), m.Retired()
	}
	a, na := run()
	b, nb := run()
	if a != b || na != nb {
		t.Errorf("two runs differ: %d and %d instructions", na, nb)
	}
}

// BenchmarkImage reports the interpreter's speed on the bundled workload of integer, memory and floating-point code.
func BenchmarkImage(b *testing.B) {
	img, err := images.Get("bench")
	if err != nil {
		b.Fatal(err)
	}
	var n uint64
	for range b.N {
		_, m, exit := boot(b, img.Name, img.ELF, nil)
		if exit.Reason != platform.PoweredOff {
			b.Fatalf("ended with %+v", exit)
		}
		n += m.Retired()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Minst/s")
}
