package conform

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// TAP writes results as TAP version 14 (testanything.org). Failures carry a YAML block with the decoded call.
type TAP struct {
	w io.Writer
	n int
}

// NewTAP writes the head of a report on n cases.
func NewTAP(w io.Writer, n int) (*TAP, error) {
	_, err := fmt.Fprintf(w, "TAP version 14\n1..%d\n", n)
	return &TAP{w: w}, err
}

// Write adds one result.
func (t *TAP) Write(r *Result) error {
	t.n++
	var b strings.Builder
	switch r.Status {
	case Passed:
		fmt.Fprintf(&b, "ok %d - %s\n", t.n, r.ID())
	case Skipped:
		fmt.Fprintf(&b, "ok %d - %s # SKIP %s\n", t.n, r.ID(), r.Reason)
	case Failed:
		fmt.Fprintf(&b, "not ok %d - %s\n  ---\n", t.n, r.ID())
		for _, l := range r.yaml() {
			fmt.Fprintf(&b, "  %s\n", l)
		}
		b.WriteString("  ...\n")
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

// quote gives a YAML double-quoted scalar; the escapes of Go that occur here mean the same there.
func quote(s string) string { return strconv.QuoteToASCII(s) }

// yaml gives the failure as the lines of a YAML mapping.
func (r *Result) yaml() []string {
	f := r.Failure
	var out []string
	add := func(key, value string) {
		if value != "" {
			out = append(out, key+": "+quote(value))
		}
	}
	list := func(key string, values []string) {
		if len(values) == 0 {
			return
		}
		out = append(out, key+":")
		for _, v := range values {
			out = append(out, "  - "+quote(v))
		}
	}
	add("message", f.What)
	add("call", f.Call)
	list("memory", f.Memory)
	add("reply", f.Reply)
	add("expected", f.Want)
	list("difference", f.Details)
	add("rule", r.Rule.String())
	add("why", r.Why)
	if f.Call != "" {
		add("in", registers(&f.In))
		add("out", registers(&f.Out))
	}
	list("before", f.Before)
	return out
}

// registers prints x0 to the last register that is not junk or zero, at least x0 to x7.
func registers(r *Registers) string {
	n := 8
	for i := 8; i < len(r); i++ {
		if r[i] != 0 && r[i] != junk(i) {
			n = i + 1
		}
	}
	var b strings.Builder
	for i, v := range r[:n] {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%#x", v)
	}
	return b.String()
}

// The JUnit XML format, as far as continuous integration reads it. Times are left out: they are the host's.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Skipped *junitMessage `xml:"skipped"`
		Failure *junitMessage `xml:"failure"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes results, which stand in groups, as JUnit XML: one test suite for each group.
func WriteJUnit(w io.Writer, results []Result) error {
	report := junitReport{Name: "gatehouse conform"}
	for i := range results {
		r := &results[i]
		if n := len(report.Suites); n == 0 || report.Suites[n-1].Name != r.Group {
			report.Suites = append(report.Suites, junitSuite{Name: r.Group})
		}
		s := &report.Suites[len(report.Suites)-1]
		c := junitCase{Class: r.Group, Name: r.Name}
		s.Tests++
		report.Tests++
		switch r.Status {
		case Failed:
			s.Failures++
			report.Failures++
			c.Failure = &junitMessage{r.Failure.What, strings.Join(r.yaml(), "\n")}
		case Skipped:
			s.Skipped++
			report.Skipped++
			c.Skipped = &junitMessage{Message: r.Reason}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(&report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
