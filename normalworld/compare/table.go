package compare

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"gatehouse/normalworld/lab"
)

// duration prints ns with three significant digits.
func duration(ns uint64) string {
	switch v := float64(ns); {
	case ns < 1_000:
		return fmt.Sprintf("%dns", ns)
	case ns < 1_000_000:
		return digits(v/1e3) + "\u00b5s"
	case ns < 1_000_000_000:
		return digits(v/1e6) + "ms"
	default:
		return digits(v/1e9) + "s"
	}
}

// text prints one of the values of a distribution, which may be of nothing.
func (d *Distribution) text(v uint64) string {
	if d.N == 0 {
		return "-"
	}
	return duration(v)
}

// digits prints a number from 1 to 1000, or less, with three significant digits.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// size prints bytes.
func size(n float64) string {
	for _, u := range []struct {
		at   float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.at {
			return digits(n/u.at) + " " + u.name
		}
	}
	return strconv.FormatFloat(n, 'f', 0, 64) + " B"
}

// String describes a workload in one line.
func (w *Workload) String() string {
	if w.Kind == Playback {
		return fmt.Sprintf("secure-video-playback of the bundled clip, %d frames, %d buffers between two stages", w.Frames, w.InFlight)
	}
	var sizes []string
	for i := range w.Count {
		sizes = append(sizes, strconv.FormatUint(w.size(i), 10))
	}
	if w.Count > len(w.Sizes) && len(w.Sizes) == 1 {
		sizes = []string{fmt.Sprintf("%d x %d", w.Count, w.Sizes[0])}
	}
	s := fmt.Sprintf("%d frames, one each %s, with buffers of %s bytes that live %d frames, %d of them mapped", w.Frames,
		duration(w.Period), strings.Join(sizes, ", "), w.Lifetime, w.InFlight)
	if w.Movable > 0 {
		s += fmt.Sprintf("; %d%% of the contiguous area in use", w.Movable)
	}
	return s
}

// WriteTable prints a report for people, in up to 120 columns.
func (r *Report) WriteTable(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "workload  %s\ncosts     profile %s", r.Workload.String(), r.Profile)
	for _, c := range r.Costs {
		if c.Source == "-cost" {
			fmt.Fprintf(&b, ", %s=%d", c.Key, c.NS)
		}
	}
	b.WriteString("\n\n")
	table := func(head string, row func(c *Cell) []string) {
		var part strings.Builder
		t := tabwriter.NewWriter(&part, 0, 8, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "%s\t\n", strings.ReplaceAll(head, " ", "\t"))
		for i, c := range r.Cells {
			if i > 0 && c.ABI != r.Cells[i-1].ABI {
				fmt.Fprintln(t, strings.Repeat("\t", strings.Count(head, " ")+1))
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t\n", c.ABI, c.Policy, strings.Join(row(c), "\t"))
		}
		_ = t.Flush() // into memory
		for _, line := range strings.SplitAfter(part.String(), "\n") {
			b.WriteString(strings.TrimRight(line, " \n"))
			if line != "" {
				b.WriteByte('\n')
			}
		}
		b.WriteByte('\n')
	}
	n := func(v uint64) string { return strconv.FormatUint(v, 10) }
	table("abi policy SMCs switches messages direct RPCs marshalled registers updates gates regions scrubbed", func(c *Cell) []string {
		return []string{n(c.SMCs), n(c.Switches), n(c.Messages), n(c.Direct), n(c.RPCs), size(float64(c.Marshalled)), n(c.Writes), n(c.Updates),
			n(c.Closures), strconv.Itoa(c.RegionsPeak), size(float64(c.Scrubbed))}
	})
	table("abi policy total normal secure idle alloc:p50 p90 p99 max map:p99 frame:p50 frame:p99", func(c *Cell) []string {
		return []string{duration(c.Times.Total), duration(c.Times.Normal), duration(c.Times.Secure), duration(c.Times.Idle),
			c.Alloc.text(c.Alloc.P50), c.Alloc.text(c.Alloc.P90), c.Alloc.text(c.Alloc.P99), c.Alloc.text(c.Alloc.Max), c.Map.text(c.Map.P99),
			c.Frame.text(c.Frame.P50), c.Frame.text(c.Frame.P99)}
	})
	table("abi policy shown late dropped regions memory other fps MB/s exposure reads writes stale", func(c *Cell) []string {
		return []string{strconv.Itoa(c.Frames), strconv.Itoa(c.Late), strconv.Itoa(c.Dropped), strconv.Itoa(c.Failures.Regions),
			strconv.Itoa(c.Failures.Memory), strconv.Itoa(c.Failures.Other), digits(c.FPS), digits(c.MBps),
			size(c.Exposure), size(c.ExposureRead), size(c.ExposureWrite), size(c.Stale)}
	})
	if r.host() {
		table("abi policy host:run host:frame", func(c *Cell) []string {
			return []string{time.Duration(c.Host.RunNS).Round(time.Microsecond).String(), time.Duration(c.Host.FrameNS).Round(100 * time.Nanosecond).String()}
		})
	}
	b.WriteString("regions, memory, other: frames that failed because the controller had no region, memory ran out, or something else\n" +
		"exposure, in byte seconds: bytes x time x masters that could access a buffer without having it mapped in that direction\n" +
		"stale: the same for what freed buffers have left\n")
	for _, c := range r.Cells {
		if c.FirstError != "" {
			fmt.Fprintf(&b, "%s %s: first failure: %s\n", c.ABI, c.Policy, c.FirstError)
		}
		if c.Left != "" {
			fmt.Fprintf(&b, "%s %s: LEFT OVER: %s\n", c.ABI, c.Policy, strings.ReplaceAll(c.Left, "\n", "; "))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// host reports whether the report has figures of the host.
func (r *Report) host() bool { return len(r.Cells) > 0 && r.Cells[0].Host != nil }

// OK reports whether everything went back at the end of each cell, and no access was refused that a policy admits.
func (r *Report) OK() bool {
	for _, c := range r.Cells {
		if c.Left != "" || c.Denied > 0 {
			return false
		}
	}
	return true
}

// Cell finds a cell, or gives nil.
func (r *Report) Cell(abi lab.ABI, policy lab.Policy) *Cell {
	for _, c := range r.Cells {
		if c.ABI == abi && c.Policy == policy {
			return c
		}
	}
	return nil
}

// WriteJSON writes everything.
func (r *Report) WriteJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// column is a column of the CSV file.
type column struct {
	name  string
	value func(c *Cell) string
}

func columns(host bool) []column {
	u := func(name string, f func(c *Cell) uint64) column {
		return column{name, func(c *Cell) string { return strconv.FormatUint(f(c), 10) }}
	}
	i := func(name string, f func(c *Cell) int) column {
		return column{name, func(c *Cell) string { return strconv.Itoa(f(c)) }}
	}
	v := func(name string, f func(c *Cell) float64) column {
		return column{name, func(c *Cell) string { return strconv.FormatFloat(f(c), 'g', -1, 64) }}
	}
	list := []column{
		{"abi", func(c *Cell) string { return string(c.ABI) }}, {"policy", func(c *Cell) string { return string(c.Policy) }},
		u("smcs", func(c *Cell) uint64 { return c.SMCs }), u("world_switches", func(c *Cell) uint64 { return c.Switches }),
		u("optee_messages", func(c *Cell) uint64 { return c.Messages }), u("ffa_direct_messages", func(c *Cell) uint64 { return c.Direct }),
		u("bytes_marshalled", func(c *Cell) uint64 { return c.Marshalled }), u("rpcs", func(c *Cell) uint64 { return c.RPCs }),
		u("controller_writes", func(c *Cell) uint64 { return c.Writes }), u("region_updates", func(c *Cell) uint64 { return c.Updates }),
		u("gate_closures", func(c *Cell) uint64 { return c.Closures }), i("regions_peak", func(c *Cell) int { return c.RegionsPeak }),
		u("bytes_scrubbed", func(c *Cell) uint64 { return c.Scrubbed }), u("denied", func(c *Cell) uint64 { return c.Denied }),
		u("total_ns", func(c *Cell) uint64 { return c.Times.Total }), u("normal_world_ns", func(c *Cell) uint64 { return c.Times.Normal }),
		u("secure_world_ns", func(c *Cell) uint64 { return c.Times.Secure }), u("idle_ns", func(c *Cell) uint64 { return c.Times.Idle }),
	}
	for _, d := range []struct {
		name string
		of   func(c *Cell) *Distribution
	}{
		{"alloc", func(c *Cell) *Distribution { return &c.Alloc }}, {"map", func(c *Cell) *Distribution { return &c.Map }},
		{"frame", func(c *Cell) *Distribution { return &c.Frame }},
	} {
		list = append(list,
			u(d.name+"_p50_ns", func(c *Cell) uint64 { return d.of(c).P50 }), u(d.name+"_p90_ns", func(c *Cell) uint64 { return d.of(c).P90 }),
			u(d.name+"_p99_ns", func(c *Cell) uint64 { return d.of(c).P99 }), u(d.name+"_max_ns", func(c *Cell) uint64 { return d.of(c).Max }))
	}
	list = append(list,
		i("frames_shown", func(c *Cell) int { return c.Frames }), i("frames_late", func(c *Cell) int { return c.Late }),
		i("frames_dropped", func(c *Cell) int { return c.Dropped }), i("failed_regions", func(c *Cell) int { return c.Failures.Regions }),
		i("failed_memory", func(c *Cell) int { return c.Failures.Memory }), i("failed_other", func(c *Cell) int { return c.Failures.Other }),
		v("frames_per_second", func(c *Cell) float64 { return c.FPS }), v("allocated_mb_per_second", func(c *Cell) float64 { return c.MBps }),
		u("pages_migrated", func(c *Cell) uint64 { return c.Migrated }), v("exposure_byte_seconds", func(c *Cell) float64 { return c.Exposure }),
		v("exposure_read_byte_seconds", func(c *Cell) float64 { return c.ExposureRead }),
		v("exposure_write_byte_seconds", func(c *Cell) float64 { return c.ExposureWrite }),
		v("stale_byte_seconds", func(c *Cell) float64 { return c.Stale }))
	if host {
		list = append(list, column{"host_run_ns", func(c *Cell) string { return strconv.FormatInt(c.Host.RunNS, 10) }},
			column{"host_frame_ns", func(c *Cell) string { return strconv.FormatInt(c.Host.FrameNS, 10) }})
	}
	return list
}

// WriteCSV writes one line for each cell, below a line of names (RFC 4180, with plain line ends).
func (r *Report) WriteCSV(out io.Writer) error {
	w := csv.NewWriter(out)
	cols := columns(r.host())
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.name
	}
	_ = w.Write(row) // an error shows at Flush
	for _, cell := range r.Cells {
		for i, c := range cols {
			row[i] = c.value(cell)
		}
		_ = w.Write(row)
	}
	w.Flush()
	return w.Error()
}
