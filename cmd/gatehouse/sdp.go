package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	goimage "image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/usecase"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

var sdpCommand = command{
	name:     "sdp",
	synopsis: "[flags]",
	summary:  "runs a secure data path with the Go normal world, and probes every buffer at every stage",
	details: `Use cases: secure-video-playback (an encrypted clip: decryption, decoder, transform, display), trusted-ui (the secure world asks for
a PIN), secure-video-recording (camera, transform, encoder, encryption), crypto-keys (keys that only the crypto engine reads).
Policies, which say who may touch a buffer and when: static (a carve-out, protected from reset on), pool (lent with the first
buffer, as Linux 6.18 and later), buffer (each buffer is lent), map (a master is let in while it has the buffer mapped).

The table shows, for each stage and kind of buffer, what each master could do: r reads, w writes, - refused. Where that is not what the
rules say, what was expected follows after a !. Exit status: 0 all as expected, 1 not so, 2 usage.`,
	run: sdp,
}

// sdpOptions are the flags of sdp.
type sdpOptions struct {
	abi     lab.ABI
	policy  lab.Policy
	use     usecase.Name
	heap    string
	frames  int
	buffers int
	clip    string
	engine  bool
	pin     string
	out     string
	spy     string
	json    bool
	events  event.Category
	trace   traceFile
}

func (o *sdpOptions) register(c *call) {
	f := c.flags
	o.abi, o.policy, o.use = lab.FFA, lab.Pool, usecase.Playback
	f.Func("abi", "`ffa|smc` how the normal world speaks to OP-TEE (ffa)", func(s string) error {
		o.abi = lab.ABI(s)
		return amongst(o.abi, lab.ABIs)
	})
	f.Func("policy", "`static|pool|buffer|map` the grant policy (pool)", func(s string) error {
		o.policy = lab.Policy(s)
		return amongst(o.policy, lab.Policies)
	})
	f.Func("usecase", "`NAME` what is run (secure-video-playback)", func(s string) error {
		o.use = usecase.Name(s)
		return amongst(o.use, usecase.Names)
	})
	f.StringVar(&o.heap, "heap", "", "`NAME` the dma-heap of the buffers (that of the use case)")
	f.IntVar(&o.frames, "frames", 0, "`N` frames to process (those of the clip)")
	f.IntVar(&o.buffers, "buffers", 2, "`N` buffers between two stages, 2 to 16")
	f.StringVar(&o.clip, "clip", "", "`FILE` what is played (the bundled clip)")
	f.BoolVar(&o.engine, "engine", false, "decrypt with the crypto engine and a wrapped key, not in a trusted application")
	f.StringVar(&o.pin, "pin", "2580", "`DIGITS` what is typed, for trusted-ui")
	f.StringVar(&o.out, "o", "", "`FILE.png` what stands on the screen at the end")
	f.StringVar(&o.spy, "spy", "", "`DIR` what each master sees of every buffer at every stage of the first frame")
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	f.Func("d", "`LIST` events to print on standard error: "+categories(), func(s string) error {
		cats, err := event.ParseCategories(s)
		o.events |= cats
		return err
	})
	o.trace.register(f)
}

func sdp(c *call) (int, error) {
	var o sdpOptions
	o.register(c)
	if err := c.parse(0); err != nil {
		return 0, err
	}
	run := usecase.Options{UseCase: o.use, Frames: o.frames, InFlight: o.buffers, Heap: o.heap, Engine: o.engine, PIN: o.pin}
	switch {
	case o.frames < 0:
		return 0, fmt.Errorf("-frames %d: want 1 or more", o.frames)
	case o.buffers < 2 || o.buffers > 16:
		return 0, fmt.Errorf("-buffers %d: want 2 to 16", o.buffers)
	case o.pin == "" || strings.Trim(o.pin, "0123456789") != "":
		return 0, fmt.Errorf("-pin %s: want digits", o.pin)
	case o.out != "" && !strings.EqualFold(filepath.Ext(o.out), ".png"):
		return 0, fmt.Errorf("-o %s: want a name that ends in .png", o.out)
	}
	if o.out != "" && o.use != usecase.Playback && o.use != usecase.TrustedUI {
		return 0, fmt.Errorf("-o %s: %s shows nothing", o.out, o.use)
	}
	secureHeap := o.heap == heap.SecureCompatible
	switch {
	case secureHeap && o.policy != lab.Static:
		return 0, fmt.Errorf("-heap %s: is a carve-out: want -policy static", o.heap)
	case secureHeap && (o.use != usecase.Playback && o.use != usecase.Recording || o.use == usecase.Playback && !o.engine):
		return 0, fmt.Errorf("-heap %s: trusted applications know nothing of its buffers: want -engine, or -usecase %s", o.heap, usecase.Recording)
	}
	if o.clip != "" {
		data, err := readFile("clip", o.clip, maxFile)
		if err != nil {
			return 0, err
		}
		if run.Clip, err = usecase.ParseClip(data); err != nil {
			return 0, fmt.Errorf("-clip %s: %w", o.clip, err)
		}
	}
	events := &event.Stream{}
	stderr := newOutput(c.stderr, true)
	defer stderr.Flush()
	if o.events != 0 {
		events.Attach(o.events, event.NewText(stderr))
	}
	o.trace.attach(events)
	m, world, err := newLabMachine(o.abi, o.policy, labUse[o.use], secureHeap, events)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	l, err := lab.New(m, lab.Options{ABI: o.abi, Policy: o.policy, Events: events})
	if err != nil {
		return 0, err
	}
	if o.heap != "" {
		if _, err := l.Heaps.Open(o.heap); err != nil {
			return 0, errors.Join(fmt.Errorf("-heap %s: want one of %s", o.heap, strings.Join(l.Heaps.Names(), " ")), l.Close())
		}
	}
	var screen, watch = (*os.File)(nil), (*spyDir)(nil)
	if o.out != "" {
		if screen, err = os.Create(o.out); err != nil {
			return 0, fileError("o", o.out, err)
		}
		defer screen.Close()
	}
	if o.spy != "" {
		if watch, err = newSpyDir(o.spy); err != nil {
			return 0, err
		}
		run.Watch = watch
	}
	if err := o.trace.create(); err != nil {
		return 0, err
	}
	if isTerminal(c.stderr) && !o.json {
		run.Progress = func(done, total int) { fmt.Fprintf(c.stderr, "\rframe %d of %d", done, total) }
	}
	run.Spy, run.DeviceKey, run.Key = newBusSpy(m), world.DeviceKey[:], m.Key
	result, err := usecase.Run(l, run)
	if run.Progress != nil {
		fmt.Fprint(c.stderr, "\r\x1b[K")
	}
	return o.finish(c, m, l, result, err, screen, watch)
}

// finish writes what was asked for and gives the verdict.
func (o *sdpOptions) finish(c *call, m *platform.Machine, l *lab.Lab, r *usecase.Result, err error, screen *os.File, watch *spyDir) (int, error) {
	failed := func(format string, args ...any) (int, error) {
		fmt.Fprintf(c.stderr, "gatehouse sdp: %s\n", oneLine(fmt.Sprintf(format, args...)))
		return statusFailed, nil
	}
	if errors.Is(err, usecase.ErrOption) {
		return 0, err
	}
	if err != nil {
		return failed("%v", err)
	}
	if err := l.Close(); err != nil {
		return failed("%v", err)
	}
	if screen != nil {
		frame, n := m.Frame()
		if n == 0 {
			return failed("-o %s: the display has shown nothing", o.out)
		}
		if err := errors.Join(png.Encode(screen, frame), screen.Close()); err != nil {
			return failed("-o %s: %v", o.out, err)
		}
	}
	if watch != nil {
		if err := watch.close(); err != nil {
			return failed("-spy %s: %v", o.spy, err)
		}
	}
	if err := o.trace.close(); err != nil {
		return failed("%v", err)
	}
	out := bytes.Buffer{}
	if o.json {
		if err := printJSON(&out, r); err != nil {
			return failed("%v", err)
		}
	} else {
		printResult(&out, r)
	}
	if _, err := out.WriteTo(c.stdout); err != nil {
		return failed("standard output: %v", err)
	}
	if !r.OK() {
		return statusFailed, nil
	}
	return statusOK, nil
}

// cell is what one master could do with the buffers of one kind at one stage.
type cell struct{ got, want string }

func letters(read, write bool) string {
	s := []byte("--")
	if read {
		s[0] = 'r'
	}
	if write {
		s[1] = 'w'
	}
	return string(s)
}

// kind is a buffer's name without its number.
func kind(buffer string) string { return strings.TrimRight(buffer, "0123456789") }

// stageRow is a line of the table.
type stageRow struct {
	stage, kind string
	cells       map[uint8]cell
}

// table joins the rows of buffers of one kind: what is not as expected of any of them shows.
func table(r *usecase.Result) (rows []*stageRow) {
	for i := range r.Rows {
		x := &r.Rows[i]
		var row *stageRow
		for _, old := range rows {
			if old.stage == x.Stage && old.kind == kind(x.Buffer) {
				row = old
			}
		}
		if row == nil {
			row = &stageRow{x.Stage, kind(x.Buffer), map[uint8]cell{}}
			rows = append(rows, row)
		}
		if old, ok := row.cells[x.Master]; !ok || old.got == old.want {
			row.cells[x.Master] = cell{letters(x.Read, x.Write), letters(x.ExpectRead, x.ExpectWrite)}
		}
	}
	return rows
}

func masterName(id uint8) string {
	if id == bus.NSAIDCryptoProtected {
		return "crypto*"
	}
	return bus.NSAIDName(id)
}

func printResult(w io.Writer, r *usecase.Result) {
	fmt.Fprintf(w, "%s over %s, policy %s, heap %s: %d frames in %v of virtual time\n\n", r.UseCase, abiName[r.ABI], r.Policy, r.Heap, r.Frames,
		time.Duration(r.Time).Round(time.Microsecond))
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprint(t, "stage\tbuffer")
	for _, m := range usecase.Masters {
		fmt.Fprintf(t, "\t%s", masterName(m))
	}
	fmt.Fprintln(t)
	wrong := 0
	for _, row := range table(r) {
		fmt.Fprintf(t, "%s\t%s", row.stage, row.kind)
		for _, m := range usecase.Masters {
			c := row.cells[m]
			fmt.Fprintf(t, "\t%s", c.got)
			if c.got != c.want {
				fmt.Fprintf(t, "!%s", c.want)
			}
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // w is memory
	fmt.Fprintln(w)
	for i := range r.Rows {
		if !r.Rows[i].OK() {
			wrong++
		}
	}
	for _, n := range r.Notes {
		if n.OK {
			fmt.Fprintf(w, "ok    %s\n", n.What)
		} else {
			wrong++
			fmt.Fprintf(w, "FAIL  %s: %s\n", n.What, printable(n.Why))
		}
	}
	if wrong > 0 {
		fmt.Fprintf(w, "\nverdict: FAIL, %d of %d checks went wrong (%d accesses tried)\n", wrong, len(r.Rows)+len(r.Notes), r.Probes())
		return
	}
	fmt.Fprintf(w, "\nverdict: PASS, %d checks (%d accesses tried)\n", len(r.Rows)+len(r.Notes), r.Probes())
}

// printJSON prints the result for programs.
func printJSON(w io.Writer, r *usecase.Result) error {
	type probe struct {
		Stage    string `json:"stage"`
		Buffer   string `json:"buffer"`
		Master   string `json:"master"`
		NSAID    uint8  `json:"nsaid"`
		Expected string `json:"expected"`
		Probed   string `json:"probed"`
		Probes   int    `json:"probes"`
	}
	type note struct {
		What string `json:"what"`
		OK   bool   `json:"ok"`
		Why  string `json:"why,omitempty"`
	}
	out := struct {
		UseCase string  `json:"usecase"`
		ABI     string  `json:"abi"`
		Policy  string  `json:"policy"`
		Heap    string  `json:"heap"`
		Frames  int     `json:"frames"`
		TimeNS  uint64  `json:"virtual_time_ns"`
		Verdict string  `json:"verdict"`
		Table   []probe `json:"table"`
		Checks  []note  `json:"checks"`
	}{string(r.UseCase), string(r.ABI), string(r.Policy), r.Heap, r.Frames, r.Time, "pass", []probe{}, []note{}}
	if !r.OK() {
		out.Verdict = "fail"
	}
	for i := range r.Rows {
		x := &r.Rows[i]
		out.Table = append(out.Table, probe{x.Stage, x.Buffer, masterName(x.Master), x.Master, letters(x.ExpectRead, x.ExpectWrite), letters(x.Read, x.Write), x.Probes})
	}
	for _, n := range r.Notes {
		out.Checks = append(out.Checks, note(n))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// spyDir is the directory of -spy: what a master sees is a file, and what it does not is a line of index.txt.
type spyDir struct {
	dir   string
	index bytes.Buffer
	n     int
	err   error
}

func newSpyDir(dir string) (*spyDir, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fileError("spy", dir, err)
	}
	return &spyDir{dir: dir}, nil
}

// Saw is documented at usecase.Watcher. Pictures become PNG files, in grey where only the luma plane is looked at.
func (s *spyDir) Saw(stage, buffer string, frame int, master uint8, data []byte) {
	if frame != 0 || s.err != nil {
		return
	}
	if data == nil {
		fmt.Fprintf(&s.index, "%-14s %-12s %-10s denied\n", stage, buffer, masterName(master))
		return
	}
	s.n++
	name := fmt.Sprintf("%03d-%s-%s-%s", s.n, stage, buffer, strings.ReplaceAll(masterName(master), "*", "2"))
	var b bytes.Buffer
	if img := picture(kind(buffer), data); img != nil {
		name += ".png"
		s.err = png.Encode(&b, img)
	} else {
		name += ".bin"
		b.Write(data)
	}
	fmt.Fprintf(&s.index, "%-14s %-12s %-10s %s\n", stage, buffer, masterName(master), name)
	if s.err == nil {
		s.err = os.WriteFile(filepath.Join(s.dir, name), b.Bytes(), 0o666)
	}
}

func (s *spyDir) close() error {
	if s.err != nil {
		return s.err
	}
	return os.WriteFile(filepath.Join(s.dir, "index.txt"), s.index.Bytes(), 0o666)
}

// picture makes an image of a buffer that has one: XRGB8888, or the luma of NV12, in the sizes that the use cases have.
func picture(kind string, data []byte) goimage.Image {
	sizes := map[string][3]int{ // width, height, bytes of a pixel
		"picture": {320, 180, 4}, "screen": {320, 240, 4}, "decoded": {320, 180, 1}, "camera": {320, 180, 1}, "scaled": {160, 90, 1},
	}
	s, ok := sizes[kind]
	if !ok || len(data) < s[0]*s[1]*s[2] {
		return nil
	}
	r := goimage.Rect(0, 0, s[0], s[1])
	if s[2] == 1 {
		return &goimage.Gray{Pix: data, Stride: s[0], Rect: r}
	}
	img := goimage.NewRGBA(r)
	for i := 0; i < s[0]*s[1]; i++ {
		img.SetRGBA(i%s[0], i/s[0], color.RGBA{data[4*i+2], data[4*i+1], data[4*i], 255})
	}
	return img
}
