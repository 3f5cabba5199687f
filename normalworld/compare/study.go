package compare

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gatehouse/normalworld/lab"
)

// Study is a report with variations of its workload, for the questions that people argue about.
type Study struct {
	Report *Report
	// Sizes varies the size of one buffer a frame, with time for every frame; Rates the frames a second; Apart the number of buffers that are
	// held at one time, of the workload's size, over one ABI; Adjacent does so with buffers that fill their blocks of memory, so that each
	// begins where another ends.
	Sizes, Rates, Apart, Adjacent []Variation
	abis                          []lab.ABI
	policies                      []lab.Policy
	base                          Workload
}

// Variation is the workload with one quantity changed.
type Variation struct {
	At     float64 // the quantity
	Report *Report
}

// The quantities of the variations.
var (
	studySizes = []uint64{64 << 10, 256 << 10, 1 << 20, 1920 * 1080 * 3 / 2, 2560 * 1440 * 3 / 2, 3840 * 2160 * 3 / 2}
	studyRates = []float64{24, 30, 50, 60, 90, 120, 240}
	studyHeld  = []int{1, 2, 4, 6, 7, 8, 9, 10, 12, 16}
)

// adjacentSize is a size without a rest: the allocator of contiguous memory aligns what it gives to its size.
const adjacentSize = 256 << 10

// NewStudy runs the variations.
func NewStudy(o Options, r *Report) (*Study, error) {
	s := &Study{Report: r, abis: o.ABIs, policies: o.Policies}
	if s.abis == nil {
		s.abis = lab.ABIs
	}
	if s.policies == nil {
		s.policies = lab.Policies
	}
	o.Host = nil
	base := r.Workload
	if base.Kind == Playback {
		base = DefaultWorkload()
	}
	s.base = base
	run := func(list *[]Variation, at float64, change func(w *Workload)) error {
		o.Workload = base
		change(&o.Workload)
		if o.Workload.Check() != nil {
			return nil // the workload cannot be varied that far
		}
		r, err := Compare(o)
		if err == nil {
			*list = append(*list, Variation{at, r})
		}
		return err
	}
	for _, n := range studySizes {
		if err := run(&s.Sizes, float64(n), func(w *Workload) {
			w.Sizes, w.Count, w.Frames, w.Period = []uint64{n}, 1, 2*w.Lifetime+8, 1_000_000_000
		}); err != nil {
			return nil, err
		}
	}
	for _, fps := range studyRates {
		if err := run(&s.Rates, fps, func(w *Workload) { w.Period, w.Frames = uint64(1e9/fps), 60 }); err != nil {
			return nil, err
		}
	}
	o.ABIs = s.abis[:1]
	for _, n := range studyHeld {
		held := func(w *Workload) {
			w.Count, w.Lifetime, w.InFlight, w.Frames, w.Period = 1, n, min(n, w.InFlight), 2*n+4, 1_000_000_000
		}
		if err := run(&s.Apart, float64(n), held); err != nil {
			return nil, err
		}
		if err := run(&s.Adjacent, float64(n), func(w *Workload) { held(w); w.Sizes = []uint64{adjacentSize} }); err != nil {
			return nil, err
		}
	}
	return s, nil
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// WriteHTML writes the study as one page that needs nothing else.
func (s *Study) WriteHTML(out io.Writer) error { return page.Execute(out, s.view()) }

// view is what the page shows.
type view struct {
	Workload, Base, Profile string
	Legend                  []legend
	Head                    []string
	Rows                    []row
	Sections                []section
	Costs                   []Cost
	Failures                []string
}

// legend is a line of the legend; the SMC ABI has square marks.
type legend struct {
	Class, Name string
	Square      bool
}

type row struct {
	First bool // of its ABI
	Cells []string
}

// section is one question.
type section struct {
	ID, Title string
	Reading   []string
	Figures   []figure
	Head      []string
	Rows      []row
}

type figure struct {
	Caption string
	Plot    template.HTML
}

func class(abi lab.ABI, p lab.Policy) string { return string(p) + " " + string(abi) }

func name(abi lab.ABI, p lab.Policy) string { return string(p) + ", " + string(abi) }

// each calls f for every combination.
func (s *Study) each(f func(abi lab.ABI, p lab.Policy)) {
	for _, p := range s.policies {
		for _, abi := range s.abis {
			f(abi, p)
		}
	}
}

func (s *Study) view() *view {
	r := s.Report
	v := &view{Workload: r.Workload.String(), Base: s.base.String(), Profile: r.Profile, Costs: r.Costs}
	s.each(func(abi lab.ABI, p lab.Policy) {
		v.Legend = append(v.Legend, legend{class(abi, p), name(abi, p), abi == lab.SMC})
	})
	v.Head = []string{"abi", "policy", "SMCs", "world switches", "OP-TEE messages", "FF-A direct", "marshalled", "register writes", "regions, peak", "scrubbed",
		"secure world", "alloc p99", "alloc max", "frames lost", "exposure"}
	for i, c := range r.Cells {
		v.Rows = append(v.Rows, row{i == 0 || r.Cells[i-1].ABI != c.ABI, []string{
			string(c.ABI), string(c.Policy), fmt.Sprint(c.SMCs), fmt.Sprint(c.Switches), fmt.Sprint(c.Messages), fmt.Sprint(c.Direct), size(float64(c.Marshalled)),
			fmt.Sprint(c.Writes), fmt.Sprint(c.RegionsPeak), size(float64(c.Scrubbed)), duration(c.Times.Secure),
			c.Alloc.text(c.Alloc.P99), c.Alloc.text(c.Alloc.Max), fmt.Sprint(c.lost()), size(c.Exposure) + "\u00b7s",
		}})
		if c.FirstError != "" {
			v.Failures = append(v.Failures, fmt.Sprintf("%s, first failure: %s", name(c.ABI, c.Policy), c.FirstError))
		}
	}
	v.Sections = []section{s.smooth(), s.abi(), s.privilege(), s.regions()}
	return v
}

// per is a quantity for each frame that was given.
func per(c *Cell, v float64) float64 { return v / float64(max(c.Given(), 1)) }

// smooth asks when dynamic protection hurts smooth playback.
func (s *Study) smooth() section {
	x := section{ID: "smooth", Title: "When does dynamic protection hurt smooth playback?"}
	var values []float64
	lines := map[string]*series{}
	var order []*series
	get := func(abi lab.ABI, p lab.Policy) *series {
		k := class(abi, p)
		if lines[k] == nil {
			lines[k] = &series{name: name(abi, p), class: k}
			order = append(order, lines[k])
		}
		return lines[k]
	}
	s.each(func(abi lab.ABI, p lab.Policy) {
		for _, v := range s.Sizes {
			c := v.Report.Cell(abi, p)
			values = append(values, float64(c.Frame.P50))
			l := get(abi, p)
			l.points = append(l.points, point{v.At, float64(max(c.Frame.P50, 1)),
				fmt.Sprintf("%s: %s a buffer, %s a frame", name(abi, p), size(v.At), duration(c.Frame.P50))})
		}
	})
	sizes := axis{title: "size of the frame's buffer", log: true, from: 48 << 10, to: 16 << 20}
	for _, n := range []float64{64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20} {
		sizes.marks = append(sizes.marks, mark{n, strings.Replace(size(n), ".00", "", 1)})
	}
	for i := range sizes.marks {
		sizes.marks[i].text = strings.Replace(sizes.marks[i].text, ".0 ", " ", 1)
	}
	plain := func(v float64) string {
		return strings.NewReplacer(".00", "", ".0", "").Replace(duration(uint64(v)))
	}
	values = append(values, 50e6)
	p := plot{label: "time at work for a frame by buffer size", x: sizes, y: decades("time at work for a frame, p50", plain, values),
		rules: []rule{{1e9 / 30, "30 frames/s"}, {1e9 / 60, "60 frames/s"}, {1e9 / 120, "120 frames/s"}}}
	for _, l := range order {
		p.series = append(p.series, *l)
	}
	x.Figures = append(x.Figures, figure{"What a frame in the middle of the stream costs its player, by the size of its buffer: allocate, map, unmap, free. Above a dotted line, that rate cannot be kept. Of lines that coincide the lower one is wider.", p.svg()})

	lost := func(c *Cell) float64 { return 100 * per(c, float64(c.lost())) }
	q := plot{label: "frames lost by frame rate", x: axis{title: "frames a second", log: true, from: 22, to: 260},
		y: axis{title: "frames late, dropped or failed", to: 100}}
	for _, v := range []float64{0, 25, 50, 75, 100} {
		q.y.marks = append(q.y.marks, mark{v, fmt.Sprintf("%.0f%%", v)})
	}
	for _, f := range studyRates {
		q.x.marks = append(q.x.marks, mark{f, strconv.FormatFloat(f, 'f', -1, 64)})
	}
	s.each(func(abi lab.ABI, pol lab.Policy) {
		l := series{name: name(abi, pol), class: class(abi, pol)}
		for _, v := range s.Rates {
			c := v.Report.Cell(abi, pol)
			l.points = append(l.points, point{v.At, lost(c), fmt.Sprintf("%s: %.0f frames/s, %.0f%% lost", name(abi, pol), v.At, lost(c))})
		}
		q.series = append(q.series, l)
	})
	x.Figures = append(x.Figures, figure{"Frames of this workload that are late, dropped or failed, by frame rate. Lines that coincide at 0% lose nothing.", q.svg()})

	// The reading: the largest rate without a loss, and what fills the time.
	var limits []string
	for _, pol := range s.policies {
		var best []string
		for _, abi := range s.abis {
			rate := "none"
			for _, v := range s.Rates {
				if v.Report.Cell(abi, pol).lost() > 0 {
					break
				}
				rate = strconv.FormatFloat(v.At, 'f', -1, 64)
			}
			best = append(best, rate)
		}
		limits = append(limits, string(pol)+" "+strings.Join(best, "/"))
	}
	x.Reading = append(x.Reading, fmt.Sprintf("The highest of the rates tried at which not one frame is lost (%s): %s frames a second.",
		joined(s.abis, "/"), strings.Join(limits, ", ")))
	if strings.Contains(x.Reading[0], "none") {
		x.Reading[0] = strings.TrimSuffix(x.Reading[0], ".") + "; none stands for losses at every rate, be it for want of regions."
	}
	worst := slices.MaxFunc(s.Report.Cells, func(a, b *Cell) int { return cmp.Compare(a.Times.Secure, b.Times.Secure) })
	if worst.Times.Secure == 0 {
		x.Reading = append(x.Reading, "No combination of this run spends time in the secure world once it plays.")
	} else {
		work := worst.Times.Secure + worst.Times.Normal
		every := "a frame"
		if s.Report.Workload.Kind == Buffers {
			every = "in every " + duration(s.Report.Workload.Period)
		}
		text := fmt.Sprintf("In this run %s over %s keeps the processor busiest, for %s %s, and %.0f%% of that is in the secure world", worst.Policy, worst.ABI,
			duration(uint64(per(worst, float64(work)))), every, 100*float64(worst.Times.Secure)/float64(work))
		if c := s.Report.Cell(worst.ABI, lab.Pool); c != nil {
			text += fmt.Sprintf("; a pool that stays lent makes only its first allocation slow, which takes %s", duration(c.Alloc.Max))
		}
		x.Reading = append(x.Reading, text+".")
	}
	x.Head = []string{"abi", "policy", "alloc p50", "alloc p99", "alloc max", "map p99", "frame p50", "frame p99", "late", "dropped", "failed"}
	for i, c := range s.Report.Cells {
		x.Rows = append(x.Rows, row{i == 0 || s.Report.Cells[i-1].ABI != c.ABI, []string{string(c.ABI), string(c.Policy), c.Alloc.text(c.Alloc.P50), c.Alloc.text(c.Alloc.P99),
			c.Alloc.text(c.Alloc.Max), c.Map.text(c.Map.P99), c.Frame.text(c.Frame.P50), c.Frame.text(c.Frame.P99), fmt.Sprint(c.Late), fmt.Sprint(c.Dropped), fmt.Sprint(c.Failures.Sum())}})
	}
	return x
}

// bars draws a quantity of every combination.
func (s *Study) bars(caption, title string, of func(c *Cell) float64) figure {
	top := 0.0
	b := bars{label: caption}
	s.each(func(abi lab.ABI, p lab.Policy) {
		v := of(s.Report.Cell(abi, p))
		top = max(top, v)
		b.items = append(b.items, bar{string(p), class(abi, p), v, digits(v), name(abi, p) + ": " + digits(v)})
	})
	b.y = linear(title, func(v float64) string { return strconv.FormatFloat(round(v), 'f', -1, 64) }, top*1.08)
	return figure{fmt.Sprintf("%s Bars: %s.", caption, joined(s.abis, ", then ")), b.svg()}
}

// abi asks what FF-A costs over the SMC ABI.
func (s *Study) abi() section {
	x := section{ID: "abi", Title: "What does FF-A cost over OP-TEE's SMC ABI?"}
	top := 0.0
	for _, c := range s.Report.Cells {
		top = max(top, per(c, float64(c.Times.Secure)))
	}
	unit, suffix := 1e6, "ms"
	if top < 1e6 {
		unit, suffix = 1e3, "\u00b5s"
	}
	x.Figures = append(x.Figures,
		s.bars("Time in the secure world for each frame, from the SMC to its return.", "secure world, "+suffix+" a frame",
			func(c *Cell) float64 { return per(c, float64(c.Times.Secure)) / unit }),
		s.bars("Bytes of descriptors and arguments for each frame.", "bytes marshalled a frame",
			func(c *Cell) float64 { return per(c, float64(c.Marshalled)) }))
	x.Head = []string{"policy", "SMCs a frame: ffa", "smc", "world switches: ffa", "smc", "bytes marshalled: ffa", "smc", "secure world: ffa", "smc", "ratio"}
	if !slices.Contains(s.abis, lab.FFA) || !slices.Contains(s.abis, lab.SMC) {
		x.Head = nil
		x.Reading = []string{"This run has one ABI only.", "Leave -abi out to compare them."}
		return x
	}
	most, which := 1.0, lab.Policy("")
	for _, p := range s.policies {
		f, m := s.Report.Cell(lab.FFA, p), s.Report.Cell(lab.SMC, p)
		ratio := "\u2013"
		if m.Times.Secure > 0 {
			q := float64(f.Times.Secure) / float64(m.Times.Secure)
			ratio = fmt.Sprintf("%.2f", q)
			if q > most {
				most, which = q, p
			}
		}
		n := func(c *Cell, v uint64) string { return digits(per(c, float64(v))) }
		x.Rows = append(x.Rows, row{Cells: []string{string(p), n(f, f.SMCs), n(m, m.SMCs), n(f, f.Switches), n(m, m.Switches), n(f, f.Marshalled), n(m, m.Marshalled),
			duration(uint64(per(f, float64(f.Times.Secure)))), duration(uint64(per(m, float64(m.Times.Secure)))), ratio}})
	}
	x.Reading = append(x.Reading, "FF-A takes two calls where the SMC ABI takes one: a lend is FFA_MEM_LEND and a message that assigns the memory, its end a message that releases it and FFA_MEM_RECLAIM; a grant is one message over either.")
	if which == "" {
		x.Reading = append(x.Reading, "In this run that makes no difference: either calls take no time with these costs, or no memory changes hands.")
	} else {
		x.Reading = append(x.Reading, fmt.Sprintf("It costs most under %s, where the secure world's share of a frame is %.2f times that over the SMC ABI.", which, most))
	}
	return x
}

// privilege asks what least privilege costs.
func (s *Study) privilege() section {
	x := section{ID: "privilege", Title: "What does least privilege cost?"}
	var xs, ys []float64
	for _, c := range s.Report.Cells {
		xs = append(xs, per(c, float64(c.Times.Normal+c.Times.Secure)))
		ys = append(ys, per(c, c.Exposure))
	}
	plain := func(v float64) string { return strings.NewReplacer(".00", "", ".0", "").Replace(duration(uint64(v))) }
	p := plot{label: "exposure against work for a frame", markerOnly: true,
		x: decades("work of both worlds for a frame", plain, xs),
		y: decades("exposure, byte seconds a frame", func(v float64) string { return "10" + superscript(int(math.Round(math.Log10(v)))) }, ys)}
	s.each(func(abi lab.ABI, pol lab.Policy) {
		c := s.Report.Cell(abi, pol)
		work, e := per(c, float64(c.Times.Normal+c.Times.Secure)), per(c, c.Exposure)
		if work <= 0 || e <= 0 {
			return
		}
		label := "" // once for both ABIs
		if abi == s.abis[0] {
			label = string(pol)
		}
		p.series = append(p.series, series{label, class(abi, pol), []point{{work, e, fmt.Sprintf("%s: %s of work, %s\u00b7s exposed, a frame", name(abi, pol), duration(uint64(work)), size(e))}}})
	})
	x.Figures = append(x.Figures, figure{"Each combination by what a frame costs and how much it exposes: better is to the left and down.", p.svg()},
		s.bars("Masters that could access a buffer without having it mapped, on average over its life.", "masters exposed, mean", s.exposed))
	x.Head = []string{"abi", "policy", "exposure", "reading", "writing", "stale", "masters exposed, mean", "region updates", "work a frame"}
	for i, c := range s.Report.Cells {
		x.Rows = append(x.Rows, row{i == 0 || s.Report.Cells[i-1].ABI != c.ABI, []string{string(c.ABI), string(c.Policy), size(c.Exposure) + "\u00b7s",
			size(c.ExposureRead) + "\u00b7s", size(c.ExposureWrite) + "\u00b7s", size(c.Stale) + "\u00b7s", digits(s.exposed(c)), fmt.Sprint(c.Updates), duration(uint64(xs[i]))}})
	}
	abi := s.abis[0]
	a, b := s.Report.Cell(abi, lab.Pool), s.Report.Cell(abi, lab.Map)
	if a == nil || b == nil {
		x.Reading = []string{"This run lacks pool or map.", "Leave -policy out to compare them."}
		return x
	}
	less := "to nothing"
	if b.Exposure > 0 {
		less = digits(a.Exposure/b.Exposure) + "-fold"
	}
	work := func(c *Cell) uint64 { return uint64(per(c, float64(c.Times.Normal+c.Times.Secure))) }
	x.Reading = append(x.Reading, fmt.Sprintf("Over %s, admitting each master only while it has a buffer mapped, and only in that direction, lowers exposure %s against a pool that is lent as a whole, for %s of work a frame instead of %s.",
		abi, less, duration(work(b)), duration(work(a))))
	if c := s.Report.Cell(abi, lab.Buffer); c != nil {
		x.Reading = append(x.Reading, fmt.Sprintf("Lending each buffer by itself shortens how long memory is open, but not for whom: over a buffer's life %s masters more than need it can access it on average, with the pool %s, with map %s.",
			digits(s.exposed(c)), digits(s.exposed(a)), digits(s.exposed(b))))
	} else {
		x.Reading = append(x.Reading, "What remains under map is the time between a grant and the end of the call that maps.")
	}
	return x
}

// exposed is how many masters were exposed on average over the lives of buffers.
func (s *Study) exposed(c *Cell) float64 {
	if c.life == 0 {
		return 0
	}
	return float64(c.exposure.Any) / float64(c.life)
}

// lost is how many frames were not as they should be.
func (c *Cell) lost() int { return c.Late + c.Dropped + c.Failures.Sum() }

func joined(list []lab.ABI, with string) string {
	var s []string
	for _, a := range list {
		s = append(s, string(a))
	}
	return strings.Join(s, with)
}

func superscript(n int) string {
	digits := []rune("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
	var b strings.Builder
	for _, r := range strconv.Itoa(n) {
		if r == '-' {
			b.WriteRune('\u207b')
		} else {
			b.WriteRune(digits[r-'0'])
		}
	}
	return b.String()
}

// regions asks when the controller's regions run out.
func (s *Study) regions() section {
	x := section{ID: "regions", Title: "When do regions run out?"}
	abi := s.abis[0]
	last := 0.0
	first := map[lab.Policy]float64{}
	x.Head = []string{"buffers held"}
	for _, p := range s.policies {
		x.Head = append(x.Head, string(p)+": regions", "failed")
	}
	for _, p := range s.policies {
		x.Head = append(x.Head, string(p)+", adjacent", "failed")
	}
	for i, list := range [][]Variation{s.Apart, s.Adjacent} {
		peak := plot{label: "regions in use by buffers held", x: axis{title: "buffers held at one time", to: 17}, y: axis{title: "regions in use, peak", to: 9},
			rules: []rule{{8, "all that there are"}}}
		lost := plot{label: "frames failed by buffers held", y: axis{title: "frames that failed", to: 100}}
		for n := 1.0; n <= 16; n++ {
			peak.x.marks = append(peak.x.marks, mark{n, strconv.Itoa(int(n))})
		}
		lost.x = peak.x
		for v := 0.0; v <= 8; v += 2 {
			peak.y.marks = append(peak.y.marks, mark{v, fmt.Sprintf("%.0f", v)})
		}
		for v := 0.0; v <= 100; v += 25 {
			lost.y.marks = append(lost.y.marks, mark{v, fmt.Sprintf("%.0f%%", v)})
		}
		for _, p := range s.policies {
			a := series{name: name(abi, p), class: class(abi, p)}
			b := a
			for _, v := range list {
				c := v.Report.Cell(abi, p)
				failed := 100 * per(c, float64(c.Failures.Sum()))
				a.points = append(a.points, point{v.At, float64(c.RegionsPeak), fmt.Sprintf("%s: %.0f held, %d regions", p, v.At, c.RegionsPeak)})
				b.points = append(b.points, point{v.At, failed, fmt.Sprintf("%s: %.0f held, %.0f%% failed", p, v.At, failed)})
				if i == 0 && first[p] == 0 && c.Failures.Regions > 0 {
					first[p] = v.At
				}
				last = max(last, v.At)
			}
			peak.series, lost.series = append(peak.series, a), append(lost.series, b)
		}
		what := "Buffers of this workload's size"
		if i == 1 {
			what = fmt.Sprintf("Buffers of %s, which lie side by side", size(adjacentSize))
		}
		x.Figures = append(x.Figures, figure{what + ": regions of the controller in use at most.", peak.svg()},
			figure{what + ": frames that failed, most of them for want of a region.", lost.svg()})
	}
	for i, v := range s.Apart {
		cells := []string{fmt.Sprintf("%.0f", v.At)}
		for _, r := range []*Report{v.Report, s.Adjacent[min(i, len(s.Adjacent)-1)].Report} {
			for _, p := range s.policies {
				c := r.Cell(abi, p)
				cells = append(cells, fmt.Sprint(c.RegionsPeak), fmt.Sprintf("%.0f%%", 100*per(c, float64(c.Failures.Sum()))))
			}
		}
		x.Rows = append(x.Rows, row{Cells: cells})
	}
	var text []string
	for _, p := range s.policies {
		if first[p] > 0 {
			text = append(text, fmt.Sprintf("%s from %.0f buffers on", p, first[p]))
		}
	}
	if text == nil {
		x.Reading = append(x.Reading, fmt.Sprintf("Over %s no policy of this run lacked a region with up to %.0f buffers of the workload's size held at one time.", abi, last))
	} else {
		x.Reading = append(x.Reading, fmt.Sprintf("Over %s frames fail for want of a region, among the numbers tried: %s; policies that keep all buffers in one protected range never lack one.", abi, strings.Join(text, ", ")))
	}
	x.Reading = append(x.Reading, "Neighbours with the same masters share a region, but the secure world counts what could be left when some of them go, so that taking access away never fails: where buffers lie decides as much as how many there are.")
	return x
}
