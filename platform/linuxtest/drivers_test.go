package linuxtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/secureworld"
)

const (
	ffaABI  = secureworld.ABIFFA
	smcABI  = secureworld.ABISMC
	bothABI = secureworld.ABIBoth
)

// TestDrivers runs all of the guest program's tests over both ABIs, with pools that are lent and pools that are set aside, on one
// processor and on several, of each model.
func TestDrivers(t *testing.T) {
	images(t)
	for _, tc := range []struct {
		name  string
		board board
		says  []string // on the console
		least int      // checks
	}{
		{"ffa", board{abi: ffaABI, cpus: 1}, []string{"ARM FF-A: Firmware version 1.2 found", "optee: revision 4.9"}, 240},
		{"ffa smp 4 cortex-a72", board{abi: ffaABI, cpus: 4, cpu: "cortex-a72"}, []string{"SMP: Total of 4 processors activated"}, 240},
		{"ffa smp 2 EL2", board{abi: ffaABI, cpus: 2, el2: true}, []string{"CPU: All CPU(s) started at EL2"}, 240},
		{"ffa raz", board{abi: ffaABI, cpus: 1, raz: true}, nil, 240},
		{"both smp 2 cortex-a57", board{abi: bothABI, cpus: 2, cpu: "cortex-a57"}, []string{"ARM FF-A: Firmware version 1.2 found"}, 240},
		{"smc cortex-a57", board{abi: smcABI, cpus: 1, cpu: "cortex-a57"}, []string{"optee: dynamic shared memory is enabled", "optee: Asynchronous notifications enabled"}, 200},
		{"smc smp 4", board{abi: smcABI, cpus: 4}, []string{"SMP: Total of 4 processors activated"}, 200},
		{"smc static", board{abi: smcABI, cpus: 1, carveout: 1 << 20}, []string{"optee: dynamic shared memory is enabled"}, 200},
		{"smc static smp 8", board{abi: smcABI, cpus: 8, carveout: 8 << 20}, []string{"SMP: Total of 8 processors activated"}, 200},
		{"smc reserved shm smp 2", board{abi: smcABI, cpus: 2, shm: true}, nil, 190},
		{"smc static reserved shm cortex-a72", board{abi: smcABI, cpus: 1, cpu: "cortex-a72", carveout: 4 << 20, shm: true}, nil, 190},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := boot(t, tc.board, "gh.test=all", nil)
			w := &watcher{g: g}
			g.events.Attach(event.Protmem, w)
			from := g.parsed
			if passed := g.verdict(from, g.until("DONE ")); passed < tc.least {
				t.Errorf("%d checks, want %d", passed, tc.least)
			}
			g.ends()
			if least := 600; tc.board.carveout == 0 && (w.protected < least || w.released != w.protected) || tc.board.carveout != 0 && tc.board.abi == smcABI && w.protected != 0 {
				t.Errorf("%d pools were protected, %d released", w.protected, w.released)
			}
			for _, text := range tc.says {
				if !bytes.Contains(g.log, []byte(text)) {
					t.Errorf("the console does not say %q", text)
				}
			}
		})
	}
}

// watcher looks at protected memory as a processor and as the DMA controller do, at the moments in which it begins to be protected and
// ends to be: from the first they are denied on all of it, and after the second they read zeros.
type watcher struct {
	g                   *guest
	protected, released int
	buf                 [1 << 20]byte
}

func (w *watcher) Emit(e *event.Event) {
	if e.Name != "PROTECT" && e.Name != "RELEASE" {
		return
	}
	var base, size uint64
	for _, f := range e.Fields {
		switch f.Key {
		case "base":
			base = f.Num
		case "size":
			size = f.Num
		}
	}
	for _, a := range []bus.Attr{apAttr, dmaAttr} {
		p := w.g.m.Port(a)
		if e.Name == "RELEASE" {
			b := w.buf[:min(size, uint64(len(w.buf)))]
			if resp := p.Read(base, b); resp != bus.OKAY || !zeros(b) {
				w.g.t.Errorf("NSAID %d reads %#x after its release: %v, zeros %v", a.NSAID, base, resp, zeros(b))
			}
			continue
		}
		for off := uint64(0); off < size; off += 16 * pageSize {
			b := [64]byte{1}
			resp := p.Read(base+off, b[:])
			if resp == bus.OKAY != w.raz() || !zeros(b[:]) {
				w.g.t.Errorf("NSAID %d reads %#x, which is protected: %v, zeros %v", a.NSAID, base+off, resp, zeros(b[:]))
			}
		}
	}
	if e.Name == "PROTECT" {
		w.protected++
	} else {
		w.released++
	}
}

// raz reports whether the controller answers refused accesses with zeros.
func (w *watcher) raz() bool { return w.g.board.raz }

// TestSame boots the same machine twice: the consoles and the events are the same to the byte, threads and all.
func TestSame(t *testing.T) {
	t.Parallel()
	b := board{abi: ffaABI, cpus: 2}
	var runs [2]string
	for i := range runs {
		g := boot(t, b, "gh.test=version,sdp,sessions:50,threads:200,calls,notify", nil)
		var text strings.Builder
		g.events.Attach(event.FFA|event.OPTEE|event.Protmem|event.SMC, event.NewText(&text))
		g.ends()
		runs[i] = text.String() + string(g.log)
	}
	if runs[0] != runs[1] {
		a, b := strings.Split(runs[0], "\n"), strings.Split(runs[1], "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("line %d: %q, then %q", i, a[i], b[i])
			}
		}
		t.Fatalf("%d lines, then %d", len(a), len(b))
	}
}

// restarted ends the run at a reset.
type restarted struct{ g *guest }

func (r restarted) Emit(e *event.Event) {
	if e.Phase == event.Restart {
		r.g.stop()
	}
}

// lent remembers what is protected at the moment, as the event stream tells it.
type lent struct {
	ranges map[[2]uint64]bool
	count  int
}

func (l *lent) Emit(e *event.Event) {
	var r [2]uint64
	for _, f := range e.Fields {
		switch f.Key {
		case "base":
			r[0] = f.Num
		case "size":
			r[1] = f.Num
		}
	}
	switch e.Name {
	case "PROTECT":
		l.ranges[r] = true
		l.count++
	case "RELEASE":
		delete(l.ranges, r)
	}
	if e.Phase == event.Restart {
		clear(l.ranges)
	}
}

// only gives the range that is protected.
func (l *lent) only(t testing.TB) (base, size uint64) {
	t.Helper()
	if len(l.ranges) != 1 {
		t.Fatalf("%d protected ranges, want one: %v", len(l.ranges), l.ranges)
	}
	for r := range l.ranges {
		base, size = r[0], r[1]
	}
	return base, size
}

// TestCrash ends the kernel in the middle of a lend: it panics, or restarts with a call under way. The machine resets, the memory that
// was lent is empty and the normal world's, and the kernel that boots next finds everything as at first.
func TestCrash(t *testing.T) {
	images(t)
	for _, abi := range []struct {
		name  string
		board board
	}{{"ffa", board{abi: ffaABI, cpus: 2}}, {"smc", board{abi: smcABI, cpus: 1}}} {
		for _, how := range []struct {
			test, marker string
			except       []string
		}{
			{"crash", "CRASH", []string{`^Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300`, `Call trace:`}},
			{"reboot", "REBOOT", nil},
		} {
			t.Run(abi.name+" "+how.test, func(t *testing.T) {
				t.Parallel()
				g := boot(t, abi.board, "", nil)
				l := &lent{ranges: map[[2]uint64]bool{}}
				g.events.Attach(event.Protmem|event.Int, l)
				g.events.Attach(event.Int, restarted{g})
				for round := 1; round <= 3; round++ {
					g.until("READY")
					if got := g.m.Resets(); got != round {
						t.Fatalf("round %d: %d resets", round, got)
					}
					g.do("version,heap,sdp,sessions:100,threads:400,notify")
					if round == 3 {
						break
					}
					g.say(how.test)
					g.until(how.marker)
					base, size := l.only(t)
					ap := g.m.Port(apAttr)
					if resp := ap.Read(base, make([]byte, 16)); resp == 0 {
						t.Fatalf("round %d: a processor reads lent memory at %#x", round, base)
					}
					g.run() // to the reset
					memory := make([]byte, size)
					if resp := ap.Read(base, memory); resp != 0 || !zeros(memory) {
						t.Fatalf("round %d: after the reset %v, empty %v", round, resp, zeros(memory))
					}
				}
				g.off(how.except...)
			})
		}
	}
}

// TestStopped stops machines at all kinds of moments and closes them: in the middle of the boot, of a lend, of a call. Others that run
// at the same time notice nothing.
func TestStopped(t *testing.T) {
	images(t)
	var other *guest
	done := make(chan struct{})
	go func() {
		defer close(done)
		other = boot(t, board{abi: ffaABI, cpus: 2}, "gh.test=heap,sdp,threads:500", nil)
		other.run()
	}()
	for i := range 8 {
		g := boot(t, board{abi: []secureworld.ABI{ffaABI, smcABI}[i%2], cpus: 1 + i%3}, "gh.test=hold,threads", nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*60*time.Millisecond)
		if exit := g.m.Run(ctx); exit.Reason != platform.Interrupted {
			t.Errorf("stopped after %d ms: %+v", i*60, exit)
		}
		cancel()
		// It goes on where it stood.
		if i == 3 {
			g.until("HOLD held")
		}
		g.m.Close()
	}
	<-done
	if other == nil || !bytes.Contains(other.log, []byte("failed=0")) {
		t.Error("another machine did not finish")
	}
	if other != nil {
		other.clean()
	}
}

// TestMany has several machines of both ABIs in one process at the same time.
func TestMany(t *testing.T) {
	images(t)
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			g := boot(t, board{abi: []secureworld.ABI{ffaABI, smcABI}[i%2], cpus: 1 + i}, "gh.test=sdp,threads:300,sessions:100", nil)
			g.ends()
			if !bytes.Contains(g.log, []byte("failed=0")) {
				t.Error("checks failed")
			}
		})
	}
}
