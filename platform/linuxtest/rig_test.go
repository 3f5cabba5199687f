package linuxtest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/images/initramfs"
	"gatehouse/platform"
	"gatehouse/platform/event"
	"gatehouse/platform/internal/klog"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
	"gatehouse/secureworld/firewall"
	"gatehouse/secureworld/memory"
)

const (
	ramSize = 256 << 20
	ramEnd  = platform.RAMBase + ramSize

	// patience is the host's time that a guest may take for one step. A step takes seconds; the host may be busy.
	patience = 90 * time.Second

	initPackage = "gatehouse/images/guest/init"
)

// kernelPath is where the kernel is.
func kernelPath() string {
	if p := os.Getenv("GATEHOUSE_LINUX"); p != "" {
		return p
	}
	return filepath.Join("..", "..", "..", "shared", "linux", "Image.gz")
}

var readKernel = sync.OnceValues(func() (*loader.Image, error) {
	data, err := os.ReadFile(kernelPath())
	if err != nil {
		return nil, err
	}
	return loader.Parse("kernel", data, loader.Range{Base: platform.RAMBase, Size: ramSize})
})

var buildInit = sync.OnceValues(func() ([]byte, error) { return initramfs.Build(initPackage) })

// images gives the kernel and the initial RAM file system.
func images(t testing.TB) (*loader.Image, []byte) {
	t.Helper()
	k, err := readKernel()
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("GATEHOUSE_REQUIRE_TOOLS") == "" {
		t.Skip("there is no kernel at ../shared/linux")
	}
	if err != nil {
		t.Fatal(err)
	}
	rd, err := buildInit()
	if err != nil {
		t.Fatal(err)
	}
	return k, rd
}

// board is a machine with its secure world, as the keys of -M make it.
type board struct {
	abi      secureworld.ABI
	cpus     int
	cpu      string
	el2      bool
	raz      bool
	carveout uint64 // size of the static pool at the end of RAM
	shm      bool   // reserved shared memory instead of dynamic
	scratch  bool   // memory that the kernel leaves alone, for other masters
}

const (
	shmSize     = 2 << 20
	scratchBase = 0x4600_0000
	scratchSize = 1 << 20
)

func (b board) config() platform.Config {
	w := secureworld.DefaultConfig()
	w.ABI = b.abi
	if b.raz {
		w.TZASC.Action = firewall.ActionRAZ
	}
	cfg := platform.Config{CPU: b.cpu, CPUs: b.cpus, RAM: ramSize, EL2: b.el2, TZASC: true, OPTEE: b.abi == secureworld.ABISMC}
	end := uint64(ramEnd)
	if b.carveout != 0 {
		end -= b.carveout
		w.Carveout = memory.Range{Base: end, Size: b.carveout}
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "protected", Base: end, Size: b.carveout, NoMap: true})
	}
	if b.shm {
		end -= shmSize
		w.OPTEE.SHM, w.OPTEE.NoDynamicSHM = memory.Range{Base: end, Size: shmSize}, true
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "optee-shm", Base: end, Size: shmSize, NoMap: true})
	}
	if b.scratch {
		cfg.Reserved = append(cfg.Reserved, platform.Reserved{Name: "scratch", Base: scratchBase, Size: scratchSize, NoMap: true})
	}
	cfg.Firmware = secureworld.New(w)
	return cfg
}

// guest is a running Linux.
type guest struct {
	t        testing.TB
	board    board
	m        *platform.Machine
	warnings bytes.Buffer
	events   event.Stream

	log    []byte
	parsed int    // of log, in whole lines
	wanted string // prefix of the line that ends the run
	found  string
	stop   context.CancelFunc
}

// boot makes a machine with Linux, which has not run yet. change, where it is not nil, has the last word about it.
func boot(t testing.TB, b board, line string, change func(*platform.Config)) *guest {
	t.Helper()
	g := &guest{t: t, board: b, stop: func() {}}
	cfg := b.config()
	cfg.Kernel, cfg.Initrd = images(t)
	cfg.Append = strings.TrimSpace("console=ttyAMA0 " + line)
	cfg.Serial[0], cfg.Warnings, cfg.Events = g, &g.warnings, &g.events
	if change != nil {
		change(&cfg)
	}
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.m = m
	t.Cleanup(m.Close)
	return g
}

// Write takes the console's output and stops the machine at the line that is wanted.
func (g *guest) Write(p []byte) (int, error) {
	g.log = append(g.log, p...)
	for g.wanted != "" {
		n := bytes.IndexByte(g.log[g.parsed:], '\n')
		if n < 0 {
			break
		}
		line := strings.TrimRight(string(g.log[g.parsed:g.parsed+n]), "\r")
		g.parsed += n + 1
		if strings.HasPrefix(line, g.wanted) {
			g.found, g.wanted = line, ""
			g.stop()
		}
	}
	return len(p), nil
}

// run runs the machine until something calls g.stop, or it ends by itself.
func (g *guest) run() platform.Exit {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g.stop = cancel
	exit := g.m.Run(ctx)
	g.stop = func() {}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		g.fatalf("still running after %v", patience)
	}
	return exit
}

// until runs the machine until a line with that prefix, and gives it.
func (g *guest) until(prefix string) string {
	g.t.Helper()
	g.wanted, g.found = prefix, ""
	g.Write(nil)
	if g.found == "" {
		if exit := g.run(); g.found == "" {
			g.fatalf("no line %q: ended with %+v", prefix, exit)
		}
	}
	return g.found
}

// say types a line.
func (g *guest) say(line string) { g.m.Input(0, []byte(line+"\n")) }

// do has the guest program run a list of tests, all of which must pass.
func (g *guest) do(list string) {
	g.t.Helper()
	from := g.parsed
	g.say(list)
	g.verdict(from, g.until("DONE "))
}

// off powers the machine off and looks through its log.
func (g *guest) off(except ...string) {
	g.t.Helper()
	g.say("off")
	g.ends(except...)
}

// ends runs to the end, which must be a power-off.
func (g *guest) ends(except ...string) {
	g.t.Helper()
	if exit := g.run(); exit.Reason != platform.PoweredOff {
		g.fatalf("ended with %+v", exit)
	}
	g.clean(except...)
}

// clean checks that neither the kernel nor the processors complained.
func (g *guest) clean(except ...string) {
	g.t.Helper()
	for _, p := range klog.Problems(g.log, except...) {
		g.t.Errorf("console: %v", p)
	}
	if g.warnings.Len() != 0 {
		g.t.Errorf("the machine warned: %s", g.warnings.Bytes())
	}
	if g.t.Failed() {
		g.t.Logf("the console's end:\n%s", g.log[max(0, len(g.log)-6000):])
	}
}

// verdict checks what the guest program said from a place in the log on against the line at its end. It gives how many checks there
// were.
func (g *guest) verdict(from int, done string) (passed int) {
	g.t.Helper()
	for _, line := range strings.Split(string(g.log[from:]), "\n") {
		switch {
		case strings.HasPrefix(line, "PASS "):
			passed++
		case strings.HasPrefix(line, "FAIL "):
			g.t.Errorf("guest: %s", strings.TrimRight(line, "\r"))
		}
	}
	if want := "DONE passed=" + strconv.Itoa(passed) + " failed=0"; done != want || passed == 0 {
		g.t.Errorf("guest: %q, want %q", done, want)
	}
	return passed
}

func (g *guest) fatalf(format string, args ...any) {
	g.t.Helper()
	g.t.Logf("the console's end:\n%s", g.log[max(0, len(g.log)-4000):])
	if g.warnings.Len() != 0 {
		g.t.Logf("warnings: %s", g.warnings.Bytes())
	}
	g.t.Fatalf(format, args...)
}
