package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/normalworld/lab"
)

// outputs runs a comparison and gives everything that it writes.
func outputs(t *testing.T, o Options) map[string][]byte {
	t.Helper()
	r, err := Compare(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStudy(o, r)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for name, write := range map[string]func(io.Writer) error{"table": r.WriteTable, "json": r.WriteJSON, "csv": r.WriteCSV, "html": s.WriteHTML} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = b.Bytes()
	}
	return out
}

func TestOutputs(t *testing.T) {
	o := costly(t, small(), "a53-2022", "tzc=200")
	a, b := outputs(t, o), outputs(t, o)
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s differs between two runs", name)
		}
	}
	r, err := Compare(o)
	if err != nil {
		t.Fatal(err)
	}

	var back Report
	if err := json.Unmarshal(a["json"], &back); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := back.WriteJSON(&again); err != nil || !bytes.Equal(again.Bytes(), a["json"]) {
		t.Errorf("JSON does not come back as it was: %v", err)
	}
	if len(back.Cells) != 8 || back.Cells[7].Counts != r.Cells[7].Counts || back.Cells[7].Times != r.Cells[7].Times || back.Workload.Frames != 10 {
		t.Errorf("JSON came back as %+v", back)
	}
	if i := slices.IndexFunc(back.Costs, func(c Cost) bool { return c.Key == "tzc" }); i < 0 || back.Costs[i].NS != 200 || back.Costs[i].Source != "-cost" {
		t.Errorf("costs %+v", back.Costs)
	}

	lines, err := csv.NewReader(bytes.NewReader(a["csv"])).ReadAll()
	if err != nil || len(lines) != 9 {
		t.Fatalf("CSV: %d lines, %v", len(lines), err)
	}
	names := slices.Clone(lines[0])
	slices.Sort(names)
	if len(slices.Compact(names)) != len(lines[0]) {
		t.Errorf("CSV: a name stands twice: %v", lines[0])
	}
	for i, c := range r.Cells {
		get := func(name string) string { return lines[i+1][slices.Index(lines[0], name)] }
		for name, want := range map[string]uint64{"smcs": c.SMCs, "world_switches": c.Switches, "bytes_marshalled": c.Marshalled, "alloc_p99_ns": c.Alloc.P99,
			"secure_world_ns": c.Times.Secure, "regions_peak": uint64(c.RegionsPeak), "frames_shown": uint64(c.Frames)} {
			if got := get(name); got != strconv.FormatUint(want, 10) {
				t.Errorf("CSV: %s of line %d is %s, want %d", name, i, got, want)
			}
		}
		if got, err := strconv.ParseFloat(get("exposure_byte_seconds"), 64); err != nil || got != c.Exposure || get("abi") != string(c.ABI) {
			t.Errorf("CSV: line %d: %v, %v", i, lines[i+1], err)
		}
	}

	for _, line := range strings.Split(string(a["table"]), "\n") {
		if n := len([]rune(line)); n > 120 || strings.HasSuffix(line, " ") {
			t.Errorf("a line of the table has %d columns: %q", n, line)
		}
	}
}

// The page parses, needs nothing from elsewhere, has a section for each question, and no number in it is none.
func TestPage(t *testing.T) {
	text := string(outputs(t, costly(t, small(), "modern"))["html"])
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	headings, figures := []string{}, 0
	for depth := 0; ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if depth != 0 {
				t.Errorf("%d elements are open at the end", depth)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			depth++
			for _, a := range x.Attr {
				if a.Name.Local == "src" || a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") || x.Name.Local == "script" {
					t.Errorf("<%s %s=%q>", x.Name.Local, a.Name.Local, a.Value)
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("<%s %s=%q>", x.Name.Local, a.Name.Local, a.Value)
				}
			}
			switch x.Name.Local {
			case "figure":
				figures++
			case "h2":
				next, err := d.Token()
				if c, ok := next.(xml.CharData); err == nil && ok {
					headings = append(headings, string(c))
				}
			}
		case xml.EndElement:
			depth--
		}
	}
	for _, q := range []string{"When does dynamic protection hurt smooth playback?", "What does FF-A cost over OP-TEE's SMC ABI?", "What does least privilege cost?",
		"When do regions run out?"} {
		if !slices.Contains(headings, q) {
			t.Errorf("no section %q among %q", q, headings)
		}
	}
	if figures < 8 {
		t.Errorf("%d figures", figures)
	}
	for _, bad := range []string{"%!", "http://", "https://", "NaN", "@import", "url("} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}

// Parts of the matrix can be run, and the page has them alone.
func TestParts(t *testing.T) {
	for _, o := range []Options{
		{ABIs: []lab.ABI{lab.SMC}}, {Policies: []lab.Policy{lab.Map}}, {ABIs: []lab.ABI{lab.FFA}, Policies: []lab.Policy{lab.Static}},
	} {
		full := options(Workload{Kind: Buffers, Frames: 3, Sizes: []uint64{4096}, Count: 1, Lifetime: 2, InFlight: 1, Period: 1_000_000})
		full.ABIs, full.Policies = o.ABIs, o.Policies
		if text := outputs(t, full)["html"]; len(text) == 0 {
			t.Error("no page")
		}
	}
}

func TestCheck(t *testing.T) {
	good := DefaultWorkload()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for option, change := range map[string]func(w *Workload){
		"workload": func(w *Workload) { w.Kind = "games" },
		"frames":   func(w *Workload) { w.Frames = 0 },
		"movable":  func(w *Workload) { w.Movable = 91 },
		"size":     func(w *Workload) { w.Sizes = []uint64{4096, 0} },
		"buffers":  func(w *Workload) { w.Count = -1 },
		"lifetime": func(w *Workload) { w.Sizes, w.Lifetime = []uint64{256 << 20}, 5 },
		"inflight": func(w *Workload) { w.InFlight = w.Lifetime + 1 },
		"period":   func(w *Workload) { w.Period = 0 },
	} {
		w := DefaultWorkload()
		change(&w)
		var e *OptionError
		if err := w.Check(); !errors.As(err, &e) || e.Option != option || !errors.Is(err, ErrWorkload) {
			t.Errorf("%s: %v", option, err)
		}
	}
}

func TestProfiles(t *testing.T) {
	for _, p := range Profiles() {
		if got, err := ProfileNamed(p.Name); err != nil || got.Costs != p.Costs {
			t.Errorf("%s: %v", p.Name, err)
		}
		for _, c := range p.List() {
			if c.NS > 0 && (c.Source == "" || c.Source == "not counted") {
				t.Errorf("%s: %s has no source", p.Name, c.Key)
			}
		}
	}
	// The claim is a round trip of 1 ms.
	p, err := ProfileNamed("a53-2022")
	if err != nil || p.Costs.SMC+2*p.Costs.Switch != 1_000_000 {
		t.Errorf("%v: %+v", err, p.Costs)
	}
	if _, err := ProfileNamed("a72"); !errors.Is(err, ErrCost) {
		t.Errorf("%v", err)
	}
	for _, s := range []string{"", "tzc", "tzc=", "tzc=-1", "tzc=1000000001", "tlb=1"} {
		if err := p.Set(s); !errors.Is(err, ErrCost) {
			t.Errorf("-cost %q: %v", s, err)
		}
	}
	other, _ := ProfileNamed("a53-2022")
	if err := p.Set("tzc=0"); err != nil || p.Costs.TZC != 0 || other.Costs.TZC == 0 {
		t.Errorf("%v: %+v", err, p.Costs)
	}
}
