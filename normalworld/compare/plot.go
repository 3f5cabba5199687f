package compare

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// plot is one diagram: lines with markers, or markers alone.
type plot struct {
	label      string // what it shows, for those who cannot see it
	x, y       axis
	series     []series
	rules      []rule
	markerOnly bool
}

// axis is a scale with its marks.
type axis struct {
	title    string
	log      bool
	from, to float64
	marks    []mark
}

type mark struct {
	at   float64
	text string
}

// series is one line. Its colour says the policy; what is dashed is the SMC ABI.
type series struct {
	name, class string
	points      []point
}

type point struct {
	x, y float64
	note string // shown when pointed at
}

// rule is a line across the diagram.
type rule struct {
	y    float64
	text string
}

// The drawing area, in units of the SVG.
const (
	plotWidth, plotHeight                    = 520.0, 310.0
	plotLeft, plotRight, plotTop, plotBottom = 64.0, 28.0, 16.0, 46.0
)

// place maps a value to 0..1.
func (a *axis) place(v float64) float64 {
	if a.log {
		return (math.Log(v) - math.Log(a.from)) / (math.Log(a.to) - math.Log(a.from))
	}
	return (v - a.from) / (a.to - a.from)
}

func (p *plot) at(x, y float64) (float64, float64) {
	px := plotLeft + p.x.place(x)*(plotWidth-plotLeft-plotRight)
	py := plotTop + (1-p.y.place(y))*(plotHeight-plotTop-plotBottom)
	return px, py
}

// number prints a coordinate.
func number(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// svg draws the diagram.
func (p *plot) svg() template.HTML {
	var b strings.Builder
	w := func(format string, args ...any) {
		for i, a := range args {
			if f, ok := a.(float64); ok {
				args[i] = number(f)
			}
		}
		fmt.Fprintf(&b, format, args...)
	}
	w(`<svg viewBox="0 0 %v %v" role="img" aria-label="%v">`, plotWidth, plotHeight, html.EscapeString(p.label))
	for _, m := range p.y.marks {
		_, y := p.at(p.x.from, m.at)
		w(`<line class="grid" x1="%v" y1="%v" x2="%v" y2="%v"/>`, plotLeft, y, plotWidth-plotRight, y)
		w(`<text class="mark" x="%v" y="%v" text-anchor="end">%v</text>`, plotLeft-8, y+4, html.EscapeString(m.text))
	}
	base := plotHeight - plotBottom
	for _, m := range p.x.marks {
		x, _ := p.at(m.at, p.y.from)
		w(`<line class="tick" x1="%v" y1="%v" x2="%v" y2="%v"/>`, x, base, x, base+5)
		w(`<text class="mark" x="%v" y="%v" text-anchor="middle">%v</text>`, x, base+19, html.EscapeString(m.text))
	}
	w(`<line class="axis" x1="%v" y1="%v" x2="%v" y2="%v"/>`, plotLeft, base, plotWidth-plotRight, base)
	w(`<text class="title" x="%v" y="%v" text-anchor="middle">%v</text>`, (plotLeft+plotWidth-plotRight)/2, plotHeight-6, html.EscapeString(p.x.title))
	w(`<text class="title" x="14" y="%v" text-anchor="middle" transform="rotate(-90 14 %v)">%v</text>`, (plotTop+base)/2, (plotTop+base)/2,
		html.EscapeString(p.y.title))
	for _, r := range p.rules {
		_, y := p.at(p.x.from, r.y)
		w(`<line class="rule" x1="%v" y1="%v" x2="%v" y2="%v"/>`, plotLeft, y, plotWidth-plotRight, y)
	}
	for i, s := range p.series {
		// What is drawn first is the thickest, so that it can be seen below what coincides with it.
		under := 0.0
		if !p.markerOnly {
			under = float64(len(p.series)-1-i) / float64(max(len(p.series)-1, 1))
			var path []string
			for _, q := range s.points {
				x, y := p.at(q.x, q.y)
				path = append(path, number(x)+","+number(y))
			}
			w(`<polyline class="line %v" stroke-width="%v" points="%v"/>`, s.class, 2+4*under, strings.Join(path, " "))
		}
		for _, q := range s.points {
			x, y := p.at(q.x, q.y)
			w(`<g class="dot %v"><title>%v</title>`, s.class, html.EscapeString(q.note))
			if strings.Contains(s.class, "smc") {
				half := 4 + 2*under
				w(`<rect x="%v" y="%v" width="%v" height="%v"/>`, x-half, y-half, 2*half, 2*half)
			} else {
				w(`<circle cx="%v" cy="%v" r="%v"/>`, x, y, 4.5+2.5*under)
			}
			w(`</g>`)
			if p.markerOnly && s.name != "" {
				anchor, at := "middle", x
				switch {
				case x > plotWidth-plotRight-30:
					anchor, at = "end", x+6
				case x < plotLeft+30:
					anchor, at = "start", x-6
				}
				w(`<text class="name" x="%v" y="%v" text-anchor="%v">%v</text>`, at, y+18, anchor, html.EscapeString(s.name))
			}
		}
	}
	for _, r := range p.rules {
		_, y := p.at(p.x.from, r.y)
		w(`<text class="rulename" x="%v" y="%v">%v</text>`, plotLeft+6, y+4, html.EscapeString(r.text))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // every text in it was escaped above
}

// decades makes a logarithmic axis around values, with a mark at each power of ten.
func decades(title string, text func(float64) string, values []float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		low, high = 1, 10
	}
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	if first == last {
		last++
	}
	a := axis{title: title, log: true, from: math.Pow(10, first), to: math.Pow(10, last)}
	for e := first; e <= last; e++ {
		v := math.Pow(10, e)
		a.marks = append(a.marks, mark{v, text(v)})
	}
	return a
}

// linear makes an axis from 0 to at least top, with up to six marks at round numbers.
func linear(title string, text func(float64) string, top float64) axis {
	if top <= 0 {
		top = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for _, f := range []float64{0.1, 0.2, 0.5, 1, 2} {
		if top/(step*f) <= 6 {
			step *= f
			break
		}
	}
	n := math.Ceil(top/step - 1e-9)
	a := axis{title: title, to: n * step}
	for i := 0.0; i <= n; i++ {
		a.marks = append(a.marks, mark{i * step, text(i * step)})
	}
	return a
}

// bars is a diagram of pairs of bars: for each policy one of each ABI.
type bars struct {
	label string
	y     axis
	items []bar
}

// bar is one bar; group is what stands below it, once for all bars of the group.
type bar struct {
	group, class string
	v            float64
	text, note   string
}

func (p *bars) svg() template.HTML {
	grid := plot{label: p.label, x: axis{to: 1}, y: p.y}
	s := strings.TrimSuffix(string(grid.svg()), "</svg>")
	var groups []string
	sizes := map[string]int{}
	for _, i := range p.items {
		if sizes[i.group] == 0 {
			groups = append(groups, i.group)
		}
		sizes[i.group]++
	}
	var b strings.Builder
	b.WriteString(s)
	base := plotHeight - plotBottom
	slot := (plotWidth - plotLeft - plotRight) / float64(max(len(groups), 1))
	for g, name := range groups {
		width := min(slot*0.8/float64(sizes[name]), 64)
		mid := plotLeft + (float64(g)+0.5)*slot
		x := mid - width*float64(sizes[name])/2
		for _, i := range p.items {
			if i.group != name {
				continue
			}
			_, y := grid.at(0, i.v)
			fmt.Fprintf(&b, `<g class="bar %s"><title>%s</title><rect x="%s" y="%s" width="%s" height="%s"/></g>`, i.class, html.EscapeString(i.note),
				number(x+1), number(y), number(width-2), number(max(base-y, 1)))
			fmt.Fprintf(&b, `<text class="mark" x="%s" y="%s" text-anchor="middle">%s</text>`, number(x+width/2), number(y-5), html.EscapeString(i.text))
			x += width
		}
		fmt.Fprintf(&b, `<text class="name" x="%s" y="%s" text-anchor="middle">%s</text>`, number(mid), number(base+19), html.EscapeString(name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // every text in it was escaped above
}
