package dmabuf

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"gatehouse/normalworld"
)

// state is all that a refused call must leave alone.
func state(b *Buffer, e *fullExporter) string {
	s := fmt.Sprintf("refs %d released %v begun %v vmaps %d mmaps %d stats %+v calls %v;", b.refs, b.released, b.begun, b.vmaps, b.mmaps,
		b.core.Stats(), e.calls)
	for a := range b.Attachments() {
		s += fmt.Sprintf(" %s %v %v %v", a.dev.Name, a.mapped, a.dir, a.segs)
	}
	return s
}

// Each rule: what breaks it is refused with the error that names it, and changes nothing.
func TestRules(t *testing.T) {
	type env struct {
		c *Core
		b *Buffer
		e *fullExporter
		a *Attachment // of b
	}
	dev := Device{Name: "decoder"}
	for name, c := range map[string]struct {
		before func(*env) error
		call   func(*env) error
		rule   *Rule
		errno  normalworld.Errno
	}{
		"map without a direction": {nil, func(v *env) error { _, err := v.a.Map(None); return err }, ErrDirection, normalworld.EINVAL},
		"map in no direction":     {nil, func(v *env) error { _, err := v.a.Map(7); return err }, ErrDirection, normalworld.EINVAL},
		"map twice": {func(v *env) error { _, err := v.a.Map(ToDevice); return err },
			func(v *env) error { _, err := v.a.Map(ToDevice); return err }, ErrMapTwice, normalworld.EBUSY},
		"unmap without map": {nil, func(v *env) error { return v.a.Unmap(ToDevice) }, ErrNotMapped, normalworld.EINVAL},
		"unmap twice": {func(v *env) error { _, err := v.a.Map(ToDevice); return errors.Join(err, v.a.Unmap(ToDevice)) },
			func(v *env) error { return v.a.Unmap(ToDevice) }, ErrNotMapped, normalworld.EINVAL},
		"unmap in the other direction": {func(v *env) error { _, err := v.a.Map(ToDevice); return err },
			func(v *env) error { return v.a.Unmap(FromDevice) }, ErrUnmapDirection, normalworld.EINVAL},
		"detach while mapped": {func(v *env) error { _, err := v.a.Map(Bidirectional); return err },
			func(v *env) error { return v.a.Detach() }, ErrDetachMapped, normalworld.EBUSY},
		"detach twice": {func(v *env) error { return v.a.Detach() }, func(v *env) error { return v.a.Detach() }, ErrDetached, normalworld.EINVAL},
		"map after detach": {func(v *env) error { return v.a.Detach() },
			func(v *env) error { _, err := v.a.Map(ToDevice); return err }, ErrDetached, normalworld.EINVAL},
		"unmap after detach": {func(v *env) error { return v.a.Detach() },
			func(v *env) error { return v.a.Unmap(ToDevice) }, ErrDetached, normalworld.EINVAL},
		"free while attached": {nil, func(v *env) error { return v.b.Put() }, ErrPutAttached, normalworld.EBUSY},
		"free while mapped": {func(v *env) error { _, err := v.a.Map(ToDevice); return err },
			func(v *env) error { return v.b.Put() }, ErrPutAttached, normalworld.EBUSY},
		"free while mapped in the kernel": {func(v *env) error { _, err := v.b.VMap(); return errors.Join(err, v.a.Detach()) },
			func(v *env) error { return v.b.Put() }, ErrPutVMapped, normalworld.EBUSY},
		"free within processor access": {func(v *env) error { return errors.Join(v.b.BeginCPUAccess(ToDevice), v.a.Detach()) },
			func(v *env) error { return v.b.Put() }, ErrPutAccess, normalworld.EBUSY},
		"free with a fence": {func(v *env) error {
			return errors.Join(v.b.Reservation().Add(v.c.NewTimeline("d", "t", nil).NewFence(), BookkeepUsage), v.a.Detach())
		}, func(v *env) error { return v.b.Put() }, ErrPutFence, normalworld.EBUSY},
		"end without begin": {nil, func(v *env) error { return v.b.EndCPUAccess(ToDevice) }, ErrNotBegun, normalworld.EINVAL},
		"end in the other direction": {func(v *env) error { return v.b.BeginCPUAccess(ToDevice) },
			func(v *env) error { return v.b.EndCPUAccess(FromDevice) }, ErrNotBegun, normalworld.EINVAL},
		"begin in no direction": {nil, func(v *env) error { return v.b.BeginCPUAccess(None) }, ErrDirection, normalworld.EINVAL},
		"put after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { return v.b.Put() }, ErrReleased, normalworld.EINVAL},
		"get after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { return v.b.Get() }, ErrReleased, normalworld.EINVAL},
		"attach after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { _, err := v.b.Attach(dev); return err }, ErrReleased, normalworld.EINVAL},
		"begin after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { return v.b.BeginCPUAccess(ToDevice) }, ErrReleased, normalworld.EINVAL},
		"end after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { return v.b.EndCPUAccess(ToDevice) }, ErrReleased, normalworld.EINVAL},
		"mmap after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { _, err := v.b.MMap(0, PageSize, ProtRead); return err }, ErrReleased, normalworld.EINVAL},
		"vmap after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { _, err := v.b.VMap(); return err }, ErrReleased, normalworld.EINVAL},
		"name after release": {func(v *env) error { return errors.Join(v.a.Detach(), v.b.Put()) },
			func(v *env) error { return v.b.SetName("x") }, ErrReleased, normalworld.EINVAL},
		"fence without a usage": {nil, func(v *env) error { return v.b.Reservation().Add(v.c.NewTimeline("d", "t", nil).NewFence(), 4) },
			ErrUsage, normalworld.EINVAL},
		"mmap behind the end":  {nil, func(v *env) error { _, err := v.b.MMap(PageSize, 2*PageSize, ProtRead); return err }, ErrMMapRange, normalworld.EINVAL},
		"mmap within a page":   {nil, func(v *env) error { _, err := v.b.MMap(1, PageSize, ProtRead); return err }, ErrMMapRange, normalworld.EINVAL},
		"mmap of nothing":      {nil, func(v *env) error { _, err := v.b.MMap(0, 0, ProtRead); return err }, ErrMMapRange, normalworld.EINVAL},
		"mmap of far too much": {nil, func(v *env) error { _, err := v.b.MMap(0, 1<<64-1, ProtRead); return err }, ErrMMapRange, normalworld.EINVAL},
		"mmap that wraps": {nil, func(v *env) error { _, err := v.b.MMap(1<<64-PageSize, 2*PageSize, ProtRead); return err },
			ErrMMapOverflow, normalworld.EOVERFLOW},
	} {
		t.Run(name, func(t *testing.T) {
			core := newCore(t)
			b, e := export(t, core, Segment{ram, 2 * PageSize})
			v := &env{core, b, e, attach(t, b, dev)}
			if c.before != nil {
				ok(t, c.before(v))
			}
			was := state(b, e)
			err := c.call(v)
			want(t, name, err, c.rule)
			want(t, name, err, c.errno)
			if err != nil && !strings.Contains(err.Error(), c.rule.Error()) {
				t.Errorf("%q does not name the rule", err)
			}
			if now := state(b, e); now != was {
				t.Errorf("changed\n%s\nto\n%s", was, now)
			}
		})
	}
}

func TestExportRules(t *testing.T) {
	c := newCore(t)
	for name, info := range map[string]ExportInfo{
		"no exporter": {Size: PageSize}, "no size": {Exporter: &exporter{}}, "half a page": {Exporter: &exporter{}, Size: PageSize / 2},
	} {
		_, err := c.Export(info)
		want(t, name, err, ErrExport)
	}
	if s := c.Stats(); s != (Stats{}) {
		t.Errorf("refused exports counted: %+v", s)
	}
}

// The list that an exporter gives is checked, and unmapped again when it is not what it must be.
func TestExporterRules(t *testing.T) {
	c := newCore(t)
	for name, v := range map[string]struct {
		segs []Segment
		dev  Device
		err  error
	}{
		"nothing":           {nil, Device{}, ErrSegments},
		"too little":        {[]Segment{{ram, PageSize}}, Device{}, ErrSegments},
		"too much":          {[]Segment{{ram, 3 * PageSize}}, Device{}, ErrSegments},
		"unaligned":         {[]Segment{{ram + 8, 2 * PageSize}}, Device{}, ErrSegments},
		"odd lengths":       {[]Segment{{ram, PageSize + 8}, {ram + 2*PageSize, PageSize - 8}}, Device{}, ErrSegments},
		"out of reach":      {[]Segment{{1<<32 - PageSize, 2 * PageSize}}, Device{}, ErrDMAMask},
		"too many segments": {[]Segment{{ram, PageSize}, {ram + 8*PageSize, PageSize}}, Device{MaxSegments: 1}, ErrNotContiguous},
		"too long":          {[]Segment{{ram, 2 * PageSize}}, Device{MaxSegmentSize: PageSize}, ErrNotContiguous},
	} {
		e := &rawExporter{exporter{segs: v.segs}}
		b, err := c.Export(ExportInfo{Exporter: e, Size: 2 * PageSize})
		ok(t, err)
		a := attach(t, b, v.dev)
		_, err = a.Map(ToDevice)
		want(t, name, err, v.err)
		if _, _, mapped := a.Mapped(); mapped || e.calls["map"] != 1 || e.calls["unmap"] != 1 {
			t.Errorf("%s: mapped %v, exporter's calls %v", name, mapped, e.calls)
		}
		ok(t, a.Detach())
		ok(t, b.Put())
	}
}

// rawExporter does not look at the device.
type rawExporter struct{ exporter }

func (e *rawExporter) Map(*Attachment, Direction) ([]Segment, error) { return e.segs, e.call("map") }

// What an exporter refuses is not there afterwards.
func TestExporterRefuses(t *testing.T) {
	c := newCore(t)
	b, e := export(t, c, Segment{ram, PageSize})
	a := attach(t, b, Device{})
	was := c.Stats()
	e.fail = map[string]error{"attach": normalworld.EBUSY, "map": normalworld.ENOMEM, "begin": normalworld.EINTR, "mmap": normalworld.EACCES,
		"vmap": normalworld.ENOMEM}
	_, err := b.Attach(Device{})
	want(t, "attach", err, normalworld.EBUSY)
	_, err = a.Map(ToDevice)
	want(t, "map", err, normalworld.ENOMEM)
	want(t, "begin", b.BeginCPUAccess(ToDevice), normalworld.EINTR)
	_, err = b.MMap(0, PageSize, ProtRead)
	want(t, "mmap", err, normalworld.EACCES)
	_, err = b.VMap()
	want(t, "vmap", err, normalworld.ENOMEM)
	if c.Stats() != was {
		t.Errorf("%+v, want %+v", c.Stats(), was)
	}
	e.fail = map[string]error{"end": normalworld.EIO}
	ok(t, b.BeginCPUAccess(ToDevice))
	want(t, "end", b.EndCPUAccess(ToDevice), normalworld.EIO)
	e.fail = nil
	ok(t, b.EndCPUAccess(ToDevice))
	ok(t, a.Detach())
	ok(t, b.Put())
	if want := map[string]int{"attach": 2, "detach": 1, "map": 1, "begin": 2, "end": 2, "mmap": 1, "vmap": 1, "release": 1}; !maps.Equal(e.calls, want) {
		t.Errorf("exporter's calls %v, want %v", e.calls, want)
	}
}

// Calls from within the exporter's callbacks: what a rule forbids is refused, the rest works, and the counts are right afterwards.
func TestReentrancy(t *testing.T) {
	c := newCore(t)
	files := NewFiles(0)
	b, e := export(t, c, Segment{ram, PageSize})
	fd, err := files.Install(b, 0)
	ok(t, err)
	var a *Attachment
	got := make(map[string]error)
	e.hook = func(op string) {
		hook := e.hook
		e.hook = nil
		defer func() { e.hook = hook }()
		switch op {
		case "attach": // the last reference
			got["close in attach"] = files.Close(fd)
		case "map":
			_, got["map in map"] = a.Map(ToDevice)
			got["unmap in map"] = a.Unmap(ToDevice)
			got["detach in map"] = a.Detach()
			got["close in map"] = files.Close(fd)
			other, err := b.Attach(Device{Name: "other"})
			ok(t, err)
			_, err = other.Map(FromDevice)
			ok(t, err)
			ok(t, other.Unmap(FromDevice))
			ok(t, other.Detach())
		case "unmap":
			got["unmap in unmap"] = a.Unmap(ToDevice)
			_, got["map in unmap"] = a.Map(ToDevice)
		case "detach":
			got["detach in detach"] = a.Detach()
			got["close in detach"] = files.Close(fd)
		case "begin", "end", "mmap":
			got["close in "+op] = files.Close(fd)
		case "vmap":
			_, got["vmap in vmap"] = b.VMap()
			got["close in vmap"] = files.Close(fd)
		case "vunmap":
			_, got["vmap in vunmap"] = b.VMap()
			got["close in vunmap"] = files.Close(fd)
		case "release":
			got["put in release"] = b.Put()
			_, got["lookup in release"] = files.Get(fd)
			n, err := files.Install(NewSyncFile(), 0)
			ok(t, err)
			if n == fd {
				t.Error("the number of a descriptor that is being closed was given out")
			}
		}
	}
	a, err = b.Attach(Device{Name: "decoder"})
	ok(t, err)
	_, err = a.Map(ToDevice)
	ok(t, err)
	ok(t, a.Unmap(ToDevice))
	ok(t, a.Detach())
	v, err := b.VMap()
	ok(t, err)
	ok(t, v.Unmap())
	ok(t, b.BeginCPUAccess(ToDevice))
	ok(t, b.EndCPUAccess(ToDevice))
	m, err := b.MMap(0, PageSize, ProtRead)
	ok(t, err)
	ok(t, m.Unmap())
	ok(t, files.Close(fd))
	for name, rule := range map[string]error{
		"close in attach": ErrInCallback, "map in map": ErrAttachmentBusy, "unmap in map": ErrAttachmentBusy, "detach in map": ErrAttachmentBusy,
		"close in map": ErrPutAttached, "unmap in unmap": ErrAttachmentBusy, "map in unmap": ErrMapTwice, "detach in detach": ErrDetached,
		"close in detach": ErrInCallback, "vmap in vmap": ErrVMapBusy, "vmap in vunmap": ErrVMapBusy, "put in release": ErrReleased,
		"lookup in release": normalworld.EBADF, "close in begin": ErrInCallback, "close in end": ErrInCallback, "close in mmap": ErrInCallback,
		"close in vmap": ErrInCallback, "close in vunmap": ErrInCallback,
	} {
		if err, there := got[name]; !there || !errors.Is(err, rule) {
			t.Errorf("%s: %v, want %v", name, err, rule)
		}
	}
	if s := c.Stats(); s.Buffers != 0 || s.Attachments != 0 || s.Mapped != 0 || s.VMaps != 0 || s.Maps != s.Unmaps || e.calls["release"] != 1 {
		t.Errorf("left: %+v, calls %v", s, e.calls)
	}
	if files.Open() != 1 {
		t.Errorf("%d descriptors, want that of the sync file", files.Open())
	}
}

// An exporter is exchanged only where none of its callbacks is owed.
func TestOverwrite(t *testing.T) {
	c := newCore(t)
	b, e := export(t, c, Segment{ram, PageSize})
	a := attach(t, b, Device{})
	other := &fullExporter{exporter{segs: e.segs}}
	for name, use := range map[string]func() func() error{
		"mapped": func() func() error {
			_, err := a.Map(ToDevice)
			ok(t, err)
			return func() error { return a.Unmap(ToDevice) }
		},
		"mapped in the kernel": func() func() error {
			v, err := b.VMap()
			ok(t, err)
			return v.Unmap
		},
		"mapped into a process": func() func() error {
			m, err := b.MMap(0, PageSize, ProtRead)
			ok(t, err)
			return m.Unmap
		},
		"within processor access": func() func() error {
			ok(t, b.BeginCPUAccess(ToDevice))
			return func() error { return b.EndCPUAccess(ToDevice) }
		},
	} {
		end := use()
		_, err := b.OverwriteExporter(other)
		want(t, name, err, ErrOverwrite)
		ok(t, end())
		if b.Exporter() != e {
			t.Errorf("%s: exchanged all the same", name)
		}
	}
	old, err := b.OverwriteExporter(other)
	ok(t, err)
	if old != Exporter(e) || b.Exporter() != Exporter(other) {
		t.Error("not exchanged")
	}
	ok(t, a.Detach())
	ok(t, b.Put())
	if e.calls["release"] != 0 || e.calls["detach"] != 0 || other.calls["release"] != 1 || other.calls["detach"] != 1 {
		t.Errorf("calls of the old %v, of the new %v", e.calls, other.calls)
	}
	_, err = b.OverwriteExporter(e)
	want(t, "released", err, ErrReleased)
}

// A mapping that goes while its page is looked up: nothing is read. The last reference does not go then.
func TestUnmapDuringFault(t *testing.T) {
	c := newCore(t)
	b, e := export(t, c, Segment{ram, PageSize})
	m, err := b.MMap(0, PageSize, ProtRead)
	ok(t, err)
	var got error
	e.hook = func(op string) {
		if op == "fault" {
			got = m.Unmap()
		}
	}
	p := []byte{1}
	want(t, "read", m.Read(0, p), ErrSegv)
	ok(t, got)
	if p[0] != 0 || b.Refs() != 1 {
		t.Errorf("read %d, %d references", p[0], b.Refs())
	}
	m, err = b.MMap(0, PageSize, ProtRead)
	ok(t, err)
	ok(t, b.Put()) // now the mapping has the last one
	ok(t, m.Read(0, p))
	want(t, "munmap", got, ErrInCallback)
	e.fail = map[string]error{"fault": normalworld.ENOMEM}
	e.hook = nil
	ok(t, m.Read(0, p)) // the page is there
	ok(t, m.Unmap())
	if !b.Released() {
		t.Error("not released")
	}
	b, e = export(t, c, Segment{ram, PageSize})
	e.fail = map[string]error{"fault": normalworld.ENOMEM}
	m, err = b.MMap(0, PageSize, ProtRead)
	ok(t, err)
	p[0] = 1
	want(t, "fault", m.Read(0, p), normalworld.ENOMEM)
	if p[0] != 0 {
		t.Error("a failed read left what was there")
	}
}

// A descriptor that is closed in the middle of a map leaves the mapping alone where the importer has its own reference, as it must.
func TestCloseDuringMap(t *testing.T) {
	c := newCore(t)
	files := NewFiles(0)
	b, e := export(t, c, Segment{ram, PageSize})
	fd, err := files.Install(b, 0)
	ok(t, err)
	imported, err := files.Get(fd)
	ok(t, err)
	a := attach(t, imported, Device{})
	e.hook = func(op string) {
		if op == "map" {
			ok(t, files.Close(fd))
		}
	}
	segs, err := a.Map(ToDevice)
	ok(t, err)
	if !reflect.DeepEqual(segs, []Segment{{ram, PageSize}}) || b.Released() || b.Refs() != 1 {
		t.Errorf("segments %v, released %v, %d references", segs, b.Released(), b.Refs())
	}
	ok(t, a.Unmap(ToDevice))
	ok(t, a.Detach())
	ok(t, imported.Put())
	if !b.Released() || e.calls["release"] != 1 {
		t.Errorf("released %v, calls %v", b.Released(), e.calls)
	}
}
