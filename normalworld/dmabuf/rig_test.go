package dmabuf

import (
	"errors"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

const (
	ram      = platform.RAMBase + 16<<20
	carveout = platform.RAMBase + 64<<20 // closed to the processor
)

// newCore makes a core on a board with a protected carve-out.
func newCore(tb testing.TB) *Core {
	tb.Helper()
	cfg := secureworld.DefaultConfig()
	cfg.Carveout, cfg.CarveoutUse = memory.Range{Base: carveout, Size: 2 << 20}, 1
	m, err := platform.New(platform.Config{Firmware: secureworld.New(cfg), TZASC: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return New(normalworld.New(m, nil))
}

// exporter is memory that is there already. It counts its calls; hook, where it is set, is called first in each.
type exporter struct {
	segs  []Segment
	calls map[string]int
	hook  func(op string)
	fail  map[string]error
}

func (e *exporter) call(op string) error {
	if e.calls == nil {
		e.calls = make(map[string]int)
	}
	e.calls[op]++
	if e.hook != nil {
		e.hook(op)
	}
	return e.fail[op]
}

func (e *exporter) Attach(*Attachment) error { return e.call("attach") }
func (e *exporter) Detach(*Attachment)       { e.call("detach") }
func (e *exporter) Map(a *Attachment, _ Direction) ([]Segment, error) {
	if err := e.call("map"); err != nil {
		return nil, err
	}
	return a.MapSG(e.segs)
}
func (e *exporter) Unmap(a *Attachment, _ []Segment, dir Direction) {
	e.call("unmap")
	_ = a.UnmapSG(dir)
}
func (e *exporter) Release(*Buffer) { e.call("release") }

// fullExporter gives processor access too.
type fullExporter struct{ exporter }

func (e *fullExporter) BeginCPUAccess(*Buffer, Direction) error   { return e.call("begin") }
func (e *fullExporter) EndCPUAccess(*Buffer, Direction) error     { return e.call("end") }
func (e *fullExporter) MMap(_ *Buffer, offset, size uint64) error { return e.call("mmap") }
func (e *fullExporter) Fault(_ *Buffer, offset uint64) (uint64, error) {
	if err := e.call("fault"); err != nil {
		return 0, err
	}
	for _, s := range e.segs {
		if offset < s.Len {
			return s.Addr + offset, nil
		}
		offset -= s.Len
	}
	return 0, normalworld.EFAULT
}
func (e *fullExporter) VMap(*Buffer) ([]Segment, error) { return e.segs, e.call("vmap") }
func (e *fullExporter) VUnmap(*Buffer)                  { e.call("vunmap") }

// export makes a buffer of the segments with every operation.
func export(tb testing.TB, c *Core, segs ...Segment) (*Buffer, *fullExporter) {
	tb.Helper()
	e := &fullExporter{exporter{segs: segs}}
	b, err := c.Export(ExportInfo{Name: "test", Exporter: e, Size: Total(segs), Flags: ORdWr})
	if err != nil {
		tb.Fatal(err)
	}
	return b, e
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func want(tb testing.TB, what string, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Errorf("%s: %v, want %v", what, got, want)
	}
}

func attach(tb testing.TB, b *Buffer, d Device) *Attachment {
	tb.Helper()
	a, err := b.Attach(d)
	ok(tb, err)
	return a
}
