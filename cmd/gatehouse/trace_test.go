package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// traceLine is a line of a JSON trace, as docs/trace.md describes it.
type traceLine struct {
	Time     uint64
	Phase    string
	Category string
	World    string
	Source   string
	Lane     int
	Name     string
	Fields   json.RawMessage
}

// fields gives the fields as the text log prints them.
func (l *traceLine) fields(t *testing.T) string {
	var s strings.Builder
	d := json.NewDecoder(bytes.NewReader(l.Fields))
	d.UseNumber()
	next := func() json.Token {
		tok, err := d.Token()
		if err != nil {
			t.Fatalf("%v: %s", err, l.Fields)
		}
		return tok
	}
	next()
	seen := map[string]bool{}
	for d.More() {
		key := next().(string)
		if seen[key] {
			t.Fatalf("key %q twice: %s", key, l.Fields)
		}
		seen[key] = true
		// A key that repeats has a number.
		if i := strings.LastIndexByte(key, '.'); i >= 0 && seen[key[:i]] && strings.Trim(key[i+1:], "0123456789") == "" {
			key = key[:i]
		}
		fmt.Fprintf(&s, " %s=%v", key, next())
	}
	return s.String()
}

// readTrace reads a JSON trace: every line has every key, and no other.
func readTrace(t *testing.T, file string) (lines []traceLine) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for s := range strings.Lines(string(b)) {
		var keys map[string]json.RawMessage
		var l traceLine
		if err := json.Unmarshal([]byte(s), &keys); err != nil {
			t.Fatalf("%v: %s", err, s)
		}
		if err := json.Unmarshal([]byte(s), &l); err != nil || len(keys) != 8 {
			t.Fatalf("%v: %s", err, s)
		}
		for _, k := range []string{"time", "phase", "category", "world", "source", "lane", "name", "fields"} {
			if keys[k] == nil {
				t.Fatalf("no %s: %s", k, s)
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// The lines of a JSON trace are those of -d all, and the begins of calls; calls and jobs nest.
func TestTraceJSON(t *testing.T) {
	for _, image := range []string{"lend-ffa", "lend-smc"} {
		file := filepath.Join(t.TempDir(), "t.json")
		r := gatehouse("boot", "-kernel", "image:"+image, "-trace", file, "-d", "all")
		if r.status != statusOK {
			t.Fatalf("%+v", r)
		}
		var text strings.Builder
		type place struct {
			world, source string
			lane          int
		}
		open := map[place][]string{}
		last := uint64(0)
		seen := map[string]int{}
		for _, l := range readTrace(t, file) {
			p := place{l.World, l.Source, l.Lane}
			call := l.Phase == "begin" && l.Category != "dma"
			if l.Time < last {
				t.Errorf("time goes back: %+v", l)
			}
			last = l.Time
			switch l.Phase {
			case "begin":
				open[p] = append(open[p], l.Name)
			case "end":
				n := len(open[p]) - 1
				if n < 0 || l.Category != "dma" && open[p][n] != l.Name {
					t.Fatalf("%+v ends one of %v", l, open[p])
				}
				open[p] = open[p][:n]
			case "instant":
			default:
				t.Errorf("phase of %+v", l)
			}
			if call && string(l.Fields) != "{}" {
				t.Errorf("begin with fields: %+v", l)
			}
			if !call {
				seen[l.Category+" "+l.World+" "+l.Source+" "+l.Phase]++
				fmt.Fprintf(&text, "[%d.%09d] %s %s: %s%s\n", l.Time/1e9, l.Time%1e9, l.Category, l.Source, l.Name, l.fields(t))
			}
		}
		for p, names := range open {
			if len(names) != 0 {
				t.Errorf("%v: no end of %v", p, names)
			}
		}
		if text.String() != r.stderr {
			t.Errorf("%s: the trace does not say what -d all says:\n%s", image, firstDifference(text.String(), r.stderr))
		}
		// Both images lend and reclaim twice and let the DMA controller try its luck.
		for what, least := range map[string]int{"tzc secure tzc400 instant": 50, "protmem secure secure instant": 6, "dma normal pl080 begin": 7,
			"dma normal pl080 end": 7, "optee secure optee end": 8, "int normal cpu0 instant": 12, "smc normal cpu0 end": 1} {
			if seen[what] < least {
				t.Errorf("%s: %d events %q, want %d", image, seen[what], what, least)
			}
		}
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return fmt.Sprintf("%d lines and %d lines", len(x), len(y))
}

// protoFields reads a protobuf message: its varints and its byte strings, by field number.
func protoFields(t *testing.T, b []byte) (nums map[protowire.Number]uint64, parts map[protowire.Number][][]byte) {
	t.Helper()
	nums, parts = map[protowire.Number]uint64{}, map[protowire.Number][][]byte{}
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			nums[num], n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			var p []byte
			p, n = protowire.ConsumeBytes(b)
			parts[num] = append(parts[num], p)
		default:
			n = protowire.ConsumeFieldValue(num, kind, b)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
	}
	return nums, parts
}

// perfettoEvents gives the events of a Perfetto trace by type: 1 begin, 2 end, 3 instant (track_event.proto), after the checks that
// package perfetto does more thoroughly: time goes forward, and every begin has an end.
func perfettoEvents(t *testing.T, file string) (n [4]int, names []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, packets := protoFields(t, b)
	depth := map[uint64]int{}
	last := uint64(0)
	for _, p := range packets[1] { // Trace.packet
		nums, parts := protoFields(t, p)
		if nums[8] < last { // timestamp
			t.Fatalf("timestamp %d after %d", nums[8], last)
		}
		last = nums[8]
		if len(parts[11]) == 0 { // track_event
			continue
		}
		nums, parts = protoFields(t, parts[11][0])
		kind, track := nums[9], nums[11] // type, track_uuid
		n[kind]++
		switch kind {
		case 1:
			depth[track]++
		case 2:
			if depth[track]--; depth[track] < 0 {
				t.Fatalf("end of nothing on track %d", track)
			}
		}
		if kind != 2 {
			names = append(names, string(parts[23][0]))
		}
	}
	for track, d := range depth {
		if d != 0 {
			t.Errorf("track %d: %d slices do not end", track, d)
		}
	}
	return n, names
}

// The Perfetto trace tells of the events of the JSON trace, in their order. Two runs give the same bytes.
func TestTracePerfetto(t *testing.T) {
	for _, image := range []string{"lend-ffa", "lend-smc"} {
		dir := t.TempDir()
		run := func(name string) string {
			file := filepath.Join(dir, name)
			if r := gatehouse("boot", "-kernel", "image:"+image, "-trace", file); r.status != statusOK || r.stderr != "" {
				t.Fatalf("%+v", r)
			}
			return file
		}
		n, names := perfettoEvents(t, run("a.pftrace"))
		var want [4]int
		var wantNames []string
		for _, l := range readTrace(t, run("a.jsonl")) {
			want[slices.Index([]string{"", "begin", "end", "instant"}, l.Phase)]++
			switch {
			case l.Phase == "begin" && l.Category == "dma":
				wantNames = append(wantNames, "job")
			case l.Phase != "end":
				wantNames = append(wantNames, l.Name)
			}
		}
		if n != want || !slices.Equal(names, wantNames) {
			t.Errorf("%s: %v events %v\nwant %v %v", image, n, names, want, wantNames)
		}
		for _, pair := range [][2]string{{"a.pftrace", "b.perfetto-trace"}, {"a.pftrace", "c.PB"}, {"a.jsonl", "d.json"}} {
			a, _ := os.ReadFile(filepath.Join(dir, pair[0]))
			b, _ := os.ReadFile(run(pair[1]))
			if len(a) == 0 || !bytes.Equal(a, b) {
				t.Errorf("%s: %s and %s differ", image, pair[0], pair[1])
			}
		}
	}
}

// A machine that its guest resets has one trace; so has one that is stopped.
func TestTraceRestart(t *testing.T) {
	program := image(t, func(p *code) {
		p.mov(0, 0x84000009) // SYSTEM_RESET (DEN 0022, 5.10)
		p.word(insSMC, insSelf)
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "t.json")
	if r := gatehouse("boot", "-kernel", program, "-m", "8", "-timeout", "1s", "-trace", file); r.status != statusTimeout {
		t.Fatalf("%+v", r)
	}
	restarts, last := 0, uint64(0)
	for _, l := range readTrace(t, file) {
		if l.Time < last {
			t.Fatalf("time goes back: %+v", l)
		}
		last = l.Time
		if l.Phase == "restart" {
			restarts, last = restarts+1, 0
		}
	}
	if restarts < 2 {
		t.Errorf("%d restarts", restarts)
	}
	file = filepath.Join(dir, "t.pb")
	if r := gatehouse("boot", "-kernel", program, "-m", "8", "-timeout", "1s", "-trace", file); r.status != statusTimeout {
		t.Fatalf("%+v", r)
	}
	if _, names := perfettoEvents(t, file); !slices.Contains(names, "RESET") || !slices.Contains(names, "PSCI_SYSTEM_RESET") {
		t.Errorf("events %v", names)
	}
}

func TestTraceUsage(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"t", "t.txt", "t.json.gz", "json", "", "t.pftrace/", "t.", "a\nb"} {
		gatehouse("boot", "-kernel", "image:hello", "-trace", name).refused(t, "-trace", ".json", ".jsonl", ".pftrace", ".perfetto-trace", ".pb")
	}
	gatehouse("boot", "-kernel", "image:hello", "-trace").refused(t, "-trace", "argument")
	// The machine does not start when the file cannot be made.
	missing := filepath.Join(dir, "missing", "t.json")
	gatehouse("boot", "-kernel", "image:hello", "-trace", missing).refused(t, "-trace "+missing, "no such file")
	sub := filepath.Join(dir, "t.pb")
	if err := os.Mkdir(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	gatehouse("boot", "-kernel", "image:hello", "-trace", sub).refused(t, "-trace "+sub, "directory")
	// Nor is the file made when the machine cannot be.
	file := filepath.Join(dir, "u.json")
	gatehouse("boot", "-kernel", missing, "-trace", file).refused(t, "-kernel")
	if _, err := os.Stat(file); err == nil {
		t.Error("a trace of a machine that did not start")
	}
}

// A trace that is not complete is a failure, and no reason to stop the guest.
func TestTraceFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full is Linux's")
	}
	for _, name := range []string{"t.json", "t.pftrace"} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.Symlink("/dev/full", file); err != nil {
			t.Fatal(err)
		}
		want := result{statusFailed, "Hello from the normal world\n", "gatehouse boot: -trace " + file + ": no space left on device\n"}
		if got := gatehouse("boot", "-kernel", "image:hello", "-trace", file); got != want {
			t.Errorf("%+v", got)
		}
		// More than any buffer holds.
		if r := gatehouse("boot", "-kernel", "image:lend-ffa", "-trace", file); r.status != statusFailed || !strings.Contains(r.stdout, "verdict ok") {
			t.Errorf("%+v", r)
		}
		// The status of a guest that fails is its own.
		endless := image(t, func(p *code) { p.word(insSelf) })
		if r := gatehouse("boot", "-kernel", endless, "-timeout", "100ms", "-trace", file); r.status != statusTimeout || strings.Count(r.stderr, "\n") != 2 {
			t.Errorf("%+v", r)
		}
	}
}
