package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/images"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/usecase"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

var demoCommand = command{
	name:     "demo",
	synopsis: "[-v]",
	summary:  "the shortest proof: a guest lends memory to the secure world over both ABIs, and everybody tries to get at it",
	details: `Two machines boot, one for each ABI, with a TZC-400 before their memory. The bundled guest image asks the secure world to protect
1 MiB, tries each kind of access as a processor and as a DMA master, and takes the memory back. At the moments when the protection
begins and ends, transactions with every non-secure master identity (NSAID) try the same memory at the bus. Then the Go normal world plays an
encrypted clip over both ABIs with the grant policies pool and map, and every master tries every buffer at every stage.
Exit status: 0 when all of them saw what they had to see, 1 otherwise.`,
	run: demo,
}

// demoTimeout bounds each machine, in host time. A good run takes a small part of it.
const demoTimeout = 60 * time.Second

// demoABIs are the sections of the demo: bundled images by the ABI that they use.
var demoABIs = []struct {
	image, title string
	abi          secureworld.ABI
}{
	{"lend-ffa", "FF-A", secureworld.ABIFFA},
	{"lend-smc", "OP-TEE's SMC interface", secureworld.ABISMC},
}

func demo(c *call) (int, error) {
	verbose := c.flags.Bool("v", false, "print what the guests printed, too")
	if err := c.parse(0); err != nil {
		return 0, err
	}
	fmt.Fprint(c.stdout, "Gatehouse: a guest lends memory to the secure world; from then on the normal world must not reach it.\n")
	checks, failed := 0, 0
	for _, d := range demoABIs {
		r, err := lend(d.image, d.abi, nil)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(c.stdout, "\nOver %s (image:%s)\n", d.title, d.image)
		r.print(c.stdout)
		if *verbose {
			fmt.Fprintf(c.stdout, "\n  The guest's own words:\n")
			for line := range strings.Lines(r.console) {
				fmt.Fprintf(c.stdout, "    %s\n", printable(strings.TrimRight(line, "\r\n")))
			}
		}
		checks += r.checks()
		failed += r.failed()
	}
	fmt.Fprint(c.stdout, "\nThe secure video path (gatehouse sdp): every master tries every buffer at every stage.\n")
	for _, abi := range lab.ABIs {
		for _, policy := range []lab.Policy{lab.Pool, lab.Map} {
			n, bad, err := demoPath(c.stdout, abi, policy)
			if err != nil {
				return 0, err
			}
			checks += n
			failed += bad
		}
	}
	if failed > 0 {
		fmt.Fprintf(c.stdout, "\nverdict: FAIL, %d of %d checks went wrong\n", failed, checks)
		return statusFailed, nil
	}
	fmt.Fprintf(c.stdout, "\nverdict: PASS, %d checks over both ABIs\n", checks)
	return statusOK, nil
}

// demoPath plays a part of the bundled clip over protected buffers, probes all of them at each stage, and prints a line.
func demoPath(w io.Writer, abi lab.ABI, policy lab.Policy) (checks, failed int, err error) {
	m, _, err := newLabMachine(abi, policy, optee.UseCaseSecureVideoPlay, false, nil)
	if err != nil {
		return 0, 0, err
	}
	defer m.Close()
	l, err := lab.New(m, lab.Options{ABI: abi, Policy: policy})
	if err != nil {
		return 0, 0, err
	}
	r, err := usecase.Run(l, usecase.Options{UseCase: usecase.Playback, Frames: 8, Spy: newBusSpy(m)})
	if err := errors.Join(err, l.Close()); err != nil {
		fmt.Fprintf(w, "  FAIL: over %s, policy %s: %s\n", abiName[abi], policy, printable(err.Error()))
		return 1, 1, nil
	}
	checks = len(r.Rows) + len(r.Notes)
	for i := range r.Rows {
		if !r.Rows[i].OK() {
			failed++
		}
	}
	for _, n := range r.Notes {
		if !n.OK {
			failed++
		}
	}
	fmt.Fprintf(w, "  %-24s policy %-5s %d frames, %4d accesses tried: %d of %d checks as expected\n", abiName[abi]+",", string(policy)+":", r.Frames, r.Probes(), checks-failed, checks)
	return checks, failed, nil
}

// step is one line of a guest: what it tried, what it expected and saw.
type step struct {
	phase, name, expect, saw string
	ok                       bool
}

// lending is what came of one machine.
type lending struct {
	console string
	steps   []step
	census  []census
	// end says why the machine did not end as it should; "" if it did.
	end string
	// elapsed is virtual time.
	elapsed time.Duration
}

// lend runs one of the images that lend memory. change, if it is not nil, alters the machine first.
func lend(name string, abi secureworld.ABI, change func(*platform.Config, *secureworld.Config)) (*lending, error) {
	img, err := images.Get(name)
	if err != nil {
		return nil, err
	}
	world := secureworld.DefaultConfig()
	world.ABI = abi
	world.TZASC.Base = platform.TZCBase
	var console bytes.Buffer
	cfg := platform.Config{CPUs: img.CPUs, TZASC: true, Semihosting: true, Serial: [2]io.Writer{&console}, Events: &event.Stream{}}
	if change != nil {
		change(&cfg, &world)
	}
	cfg.Firmware = secureworld.New(world)
	if cfg.Kernel, err = loader.Parse(name, img.ELF, cfg.Range()); err != nil {
		return nil, err
	}
	taker := &censusTaker{open: world.TZASC.Normal}
	for _, u := range world.OPTEE.UseCases {
		if u.ID == optee.UseCaseSecureVideoPlay {
			taker.lent = u.Access
		}
	}
	cfg.Events.Attach(event.Protmem, taker)
	m, err := platform.New(cfg)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	taker.machine = m
	ctx, cancel := context.WithTimeout(context.Background(), demoTimeout)
	defer cancel()
	exit := m.Run(ctx)
	r := &lending{console: console.String(), census: taker.taken, elapsed: time.Duration(m.Now())}
	r.judge(exit)
	return r, nil
}

// judge reads the guest's lines and checks that the run is complete.
func (r *lending) judge(exit platform.Exit) {
	verdict := ""
	for line := range strings.Lines(r.console) {
		line = strings.TrimRight(line, "\r\n")
		if s, ok := parseStep(line); ok {
			r.steps = append(r.steps, s)
		}
		if strings.HasPrefix(line, "verdict ") {
			verdict = line
		}
	}
	bad := 0
	for _, s := range r.steps {
		if !s.ok {
			bad++
		}
	}
	want := fmt.Sprintf("verdict ok steps=%d", len(r.steps))
	switch {
	case exit.Reason == platform.Interrupted:
		r.end = fmt.Sprintf("the machine still ran after %v", demoTimeout)
	case exit.Reason == platform.Failed:
		r.end = exit.Message
	case bad > 0:
		// The steps say it.
	case exit.Reason != platform.PoweredOff:
		r.end = fmt.Sprintf("the guest ended with code %d, not with PSCI SYSTEM_OFF", exit.Code)
	case verdict != want || len(r.steps) == 0:
		r.end = fmt.Sprintf("the guest's verdict is %q, not %q", verdict, want)
	case len(r.census) == 0:
		r.end = "nothing was ever protected"
	}
}

// parseStep reads "step PHASE NAME expect=E saw=S [detail] ok|FAIL".
func parseStep(line string) (step, bool) {
	f := strings.Fields(line)
	if len(f) < 6 || f[0] != "step" {
		return step{}, false
	}
	expect, ok1 := strings.CutPrefix(f[3], "expect=")
	saw, ok2 := strings.CutPrefix(f[4], "saw=")
	last := f[len(f)-1]
	if !ok1 || !ok2 || last != "ok" && last != "FAIL" {
		return step{}, false
	}
	return step{phase: f[1], name: f[2], expect: expect, saw: saw, ok: last == "ok"}, true
}

// master gives who made the access of a step, and what it was. Steps that are calls have none.
func (s *step) master() (master, access string, ok bool) {
	for _, p := range []struct{ prefix, master, access string }{
		{"cpu-", "CPU", ""}, {"dma-", "DMA", ""}, {"neighbour-", "CPU", "read just "},
	} {
		if rest, ok := strings.CutPrefix(s.name, p.prefix); ok && s.phase != "setup" {
			return p.master, p.access + strings.ReplaceAll(rest, "-", " "), true
		}
	}
	return "", "", false
}

// phases explains the phases of the guest.
var phases = map[string]string{
	"setup": "finds the service", "before": "owns the memory", "lend": "lends it", "during": "tries to get at it",
	"negative": "makes bad calls", "return": "takes it back", "after": "owns it again", "second": "lends it again", "teardown": "leaves",
}

func (r *lending) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  the guest\tmaster\ttries\texpects\tsees\tresult\n")
	for from := 0; from < len(r.steps); {
		phase := r.steps[from].phase
		to := from
		for to < len(r.steps) && r.steps[to].phase == phase {
			to++
		}
		title := phases[phase]
		if title == "" {
			title = phase
		}
		row := func(master, tries, expects, sees string, ok bool) {
			result := "ok"
			if !ok {
				result = "FAIL"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", printable(title), master, printable(tries), printable(expects), printable(sees), result)
			title = ""
		}
		// Calls that went as they should stand in one row.
		calls := 0
		for _, s := range r.steps[from:to] {
			if _, _, access := s.master(); !access && s.ok {
				calls++
			}
		}
		if calls > 0 {
			row("", plural(calls, "call"), "as specified", "as specified", true)
		}
		for _, s := range r.steps[from:to] {
			master, access, ok := s.master()
			switch {
			case ok:
				row(master, access, s.expect, s.saw, s.ok)
			case !s.ok:
				row("", s.name, s.expect, s.saw, false)
			}
		}
		from = to
	}
	_ = t.Flush()
	if len(r.census) > 0 {
		fmt.Fprintf(w, "\n  Every non-secure master at the bus (r reads, w writes, - refused)\n")
		fmt.Fprintf(w, "  %-22s", "NSAID")
		for id := range masters {
			fmt.Fprintf(w, "%3d", id)
		}
		fmt.Fprintln(w)
		// The second lending is checked as well; it is shown where it differs.
		for i, c := range r.census {
			if i < 2 || !c.ok() {
				c.print(w)
			}
		}
	}
	fmt.Fprintln(w)
	if r.end != "" {
		fmt.Fprintf(w, "  FAIL: %s\n", printable(r.end))
	}
	fmt.Fprintf(w, "  %d of %d checks as expected in %v of virtual time\n", r.checks()-r.failed(), r.checks(), r.elapsed.Round(time.Microsecond))
}

// checks counts the guest's steps, the masters tried at the bus, and the end.
func (r *lending) checks() int { return len(r.steps) + masters*len(r.census) + 1 }

func (r *lending) failed() (n int) {
	for _, s := range r.steps {
		if !s.ok {
			n++
		}
	}
	for _, c := range r.census {
		n += c.wrong()
	}
	if r.end != "" {
		n++
	}
	return n
}

// masters is the number of non-secure access identities that the TZC-400 tells apart (DDI 0504, 2.2).
const masters = 16

// census is what each master could do with protected memory at one moment.
type census struct {
	title     string
	want, got memory.Access
}

// censusTaker hears of protected memory and tries it with all masters.
type censusTaker struct {
	machine    *platform.Machine
	open, lent memory.Access
	taken      []census
}

// Emit is called at the moment of the change, between two instructions of the guest.
func (c *censusTaker) Emit(e *event.Event) {
	var n census
	switch e.Name {
	case "PROTECT":
		n = census{title: "while it is lent", want: c.lent}
	case "RELEASE":
		n = census{title: "when it is taken back", want: c.open}
	default:
		return
	}
	everywhere := e.Name == "RELEASE" // else access in one place is access
	var base, size uint64
	for _, f := range e.Fields {
		switch f.Key {
		case "base":
			base = f.Num
		case "size":
			size = f.Num
		}
	}
	if size < bus.PageSize {
		return
	}
	for id := range uint8(masters) {
		reads, writes := 0, 0
		places := []uint64{base, base + size/2&^7, base + size - 8}
		for _, addr := range places {
			r, w := c.try(id, addr)
			if r {
				reads++
			}
			if w {
				writes++
			}
		}
		if reads == len(places) || reads > 0 && !everywhere {
			n.got.Read |= 1 << id
		}
		if writes == len(places) || writes > 0 && !everywhere {
			n.got.Write |= 1 << id
		}
	}
	c.taken = append(c.taken, n)
}

// try reads and writes one place as a master, and judges by what a secure master finds there, not by the answers. The place is
// left as it was, so that the guest's own probes mean what they did before.
func (c *censusTaker) try(id uint8, addr uint64) (read, written bool) {
	const before, after = 0x7365637265740000, 0x7772697474656e00
	secure := c.machine.Port(bus.Attr{Secure: true, Privileged: true, ID: demoMaster})
	master := c.machine.Port(bus.Attr{NSAID: id, ID: demoMaster})
	was, resp := secure.Load(addr, 8)
	if resp != bus.OKAY || secure.Store(addr, 8, before+uint64(id)) != bus.OKAY {
		return true, true // who protects memory must reach it; this is wrong for every master
	}
	saw, _ := master.Load(addr, 8)
	master.Store(addr, 8, after)
	now, _ := secure.Load(addr, 8)
	secure.Store(addr, 8, was)
	return saw == before+uint64(id), now == after
}

// demoMaster is the AXI identity of the transactions that the demo makes.
const demoMaster = 0x60

func (c *census) ok() bool { return c.wrong() == 0 }

// wrong is the number of masters that could do more or less than they should.
func (c *census) wrong() (n int) {
	for id := range masters {
		if rights(c.want, id) != rights(c.got, id) {
			n++
		}
	}
	return n
}

func (c *census) print(w io.Writer) {
	line := func(title string, a memory.Access, result string) {
		fmt.Fprintf(w, "  %-22s", title)
		for id := range masters {
			fmt.Fprintf(w, "%3s", rights(a, id))
		}
		fmt.Fprintln(w, result)
	}
	if c.ok() {
		line(c.title, c.got, "  ok")
		return
	}
	line(c.title, c.got, "  FAIL")
	line("  expected", c.want, "")
}

func rights(a memory.Access, id int) string {
	return []string{"-", "r", "w", "rw"}[a.Read>>id&1|a.Write>>id&1<<1]
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// printable keeps what a guest printed from steering the terminal.
func printable(s string) string {
	if !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < ' ' || c > '~' }) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
