package dmabuf

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gatehouse/normalworld"
)

func TestMMap(t *testing.T) {
	c := newCore(t)
	// Three pages that lie in memory in another order.
	b, e := export(t, c, Segment{ram + 8*page, page}, Segment{ram, 2 * page})
	m, err := b.MMap(0, 2*page+1, ProtRead|ProtWrite)
	ok(t, err)
	if m.Len() != 3*page || e.calls["fault"] != 0 {
		t.Fatalf("%d bytes, %d faults before the first access", m.Len(), e.calls["fault"])
	}
	ok(t, b.BeginCPUAccess(Bidirectional))
	data := bytes.Repeat([]byte("0123456789"), 300) // crosses into the second page
	ok(t, m.Write(page-1000, data))
	got := make([]byte, len(data))
	ok(t, m.Read(page-1000, got))
	if !bytes.Equal(got, data) {
		t.Error("what was written is not read back")
	}
	ok(t, c.Kernel.Read(ram, got[:2000])) // the second page is at ram
	if !bytes.Equal(got[:2000], data[1000:]) {
		t.Error("the second page is not where the exporter has it")
	}
	if e.calls["fault"] != 2 || c.Stats().Faults != 2 {
		t.Errorf("%d faults, want one for each page touched", e.calls["fault"])
	}
	ok(t, b.EndCPUAccess(Bidirectional))
	if c.Stats().Unbracketed != 0 {
		t.Errorf("%d accesses counted as unbracketed", c.Stats().Unbracketed)
	}
	// A second one, of the last two pages.
	m2, err := b.MMap(page, 2*page, ProtRead)
	ok(t, err)
	ok(t, m2.Read(0, got[:2000]))
	if !bytes.Equal(got[:2000], data[1000:]) || c.Stats().Unbracketed != 1 {
		t.Errorf("the mapping does not start at its offset, or %d unbracketed accesses, want 1", c.Stats().Unbracketed)
	}
	want(t, "write to a read-only mapping", m2.Write(0, data[:1]), ErrProtection)
	for off, n := range map[uint64]int{2 * page: 1, 2*page - 1: 2, 1<<64 - 1: 1, 1<<64 - 4: 8} {
		want(t, "outside", m2.Read(off, make([]byte, n)), ErrSegv)
		want(t, "outside", m2.Read(off, make([]byte, n)), normalworld.EFAULT)
	}
	ok(t, m2.Read(2*page, nil))
	// Mappings hold the buffer.
	ok(t, b.Put())
	if b.Released() {
		t.Fatal("released while mapped into a process")
	}
	ok(t, m.Read(0, got))
	ok(t, m.Unmap())
	want(t, "after munmap", m.Read(0, got), ErrSegv)
	want(t, "second munmap", m.Unmap(), ErrSegv)
	ok(t, m2.Unmap())
	if !b.Released() || e.calls["release"] != 1 || c.Stats().MMaps != 0 {
		t.Errorf("released %v, calls %v, %+v", b.Released(), e.calls, c.Stats())
	}
}

// What the firewall refuses is an error that names address and direction, through either kind of mapping; nothing of it is read.
func TestDenied(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, page}, Segment{carveout, page})
	ok(t, b.BeginCPUAccess(Bidirectional))
	m, err := b.MMap(0, 2*page, ProtRead|ProtWrite)
	ok(t, err)
	v, err := b.VMap()
	ok(t, err)
	for name, x := range map[string]interface {
		Read(uint64, []byte) error
		Write(uint64, []byte) error
	}{"mmap": m, "vmap": v} {
		p := bytes.Repeat([]byte{0xa5}, 2*page)
		var e *normalworld.BusError
		if err := x.Read(page+8, p[:8]); !errors.As(err, &e) || e.Addr != carveout+8 || e.Write || !errors.Is(err, normalworld.EFAULT) ||
			!strings.Contains(err.Error(), "read by the processor at 0x44000008") {
			t.Errorf("%s: read: %v", name, err)
		}
		if err := x.Write(page+16, p[8:9]); !errors.As(err, &e) || e.Addr != carveout+16 || !e.Write ||
			!strings.Contains(err.Error(), "write by the processor at 0x44000010") {
			t.Errorf("%s: write: %v", name, err)
		}
		if err := x.Read(0, p); !errors.As(err, &e) || e.Addr != carveout {
			t.Errorf("%s: read across: %v", name, err)
		}
		if !bytes.Equal(p[page:], make([]byte, page)) {
			t.Errorf("%s: bytes behind the refusal are left over", name)
		}
	}
	if c.Stats().Denied != 6 {
		t.Errorf("%d denied accesses counted, want 6", c.Stats().Denied)
	}
}

func TestRestricted(t *testing.T) {
	c := newCore(t)
	e := &fullExporter{exporter{segs: []Segment{{carveout, page}}}} // could do everything
	b, err := c.Export(ExportInfo{Exporter: e, Size: page, Flags: ORdWr, Restricted: true})
	ok(t, err)
	_, err = b.MMap(0, page, ProtRead)
	want(t, "mmap", err, ErrNoMMap)
	want(t, "mmap", err, normalworld.EINVAL)
	_, err = b.VMap()
	want(t, "vmap", err, ErrNoVMap)
	want(t, "vmap", err, normalworld.EINVAL)
	for _, d := range []Direction{ToDevice, FromDevice, Bidirectional} {
		want(t, "begin", b.BeginCPUAccess(d), ErrRestricted)
		want(t, "end", b.EndCPUAccess(d), normalworld.EPERM)
	}
	want(t, "sync", b.Sync(SyncRead), normalworld.EPERM)
	files := NewFiles(0)
	fd, err := files.Install(b, 0)
	ok(t, err)
	_, err = files.MMap(fd, 0, page, ProtRead|ProtWrite)
	want(t, "mmap of the descriptor", err, normalworld.EINVAL)
	a := attach(t, b, Device{})
	_, err = a.Map(ToDevice)
	ok(t, err)
	for _, op := range []string{"mmap", "vmap", "begin", "end", "fault"} {
		if e.calls[op] != 0 {
			t.Errorf("the exporter was asked for %s", op)
		}
	}
}

// guarded is an exporter behind a firewall.
type guarded struct {
	fullExporter
	closed bool
}

func (g *guarded) Protected(*Buffer) bool { return g.closed }

// A buffer is protected when it is restricted, and when its exporter says so now.
func TestProtected(t *testing.T) {
	c := newCore(t)
	plain, _ := export(t, c, Segment{ram, page})
	g := &guarded{fullExporter: fullExporter{exporter{segs: []Segment{{ram, page}}}}}
	b, err := c.Export(ExportInfo{Name: "guarded", Exporter: g, Size: page})
	ok(t, err)
	restricted, err := c.Export(ExportInfo{Name: "restricted", Exporter: &exporter{segs: []Segment{{ram, page}}}, Size: page, Restricted: true})
	ok(t, err)
	if plain.Protected() || b.Protected() || !restricted.Protected() {
		t.Errorf("protected: plain %v, guarded %v, restricted %v", plain.Protected(), b.Protected(), restricted.Protected())
	}
	g.closed = true
	if !b.Protected() {
		t.Error("the exporter was not asked")
	}
	_, err = plain.OverwriteExporter(g)
	ok(t, err)
	if !plain.Protected() {
		t.Error("the new exporter was not asked")
	}
	ok(t, b.Put())
	if b.Protected() {
		t.Error("a buffer that is gone is protected")
	}
}

// Exporters that cannot do it refuse, as Linux does where the operation is missing.
func TestOptional(t *testing.T) {
	c := newCore(t)
	b, err := c.Export(ExportInfo{Exporter: &exporter{segs: []Segment{{ram, page}}}, Size: page})
	ok(t, err)
	_, err = b.MMap(0, page, ProtRead)
	want(t, "mmap", err, ErrNoMMap)
	_, err = b.VMap()
	want(t, "vmap", err, ErrNoVMap)
	ok(t, b.BeginCPUAccess(ToDevice))
	ok(t, b.EndCPUAccess(ToDevice))
}

func TestVMap(t *testing.T) {
	c := newCore(t)
	b, e := export(t, c, Segment{ram + 8*page, page}, Segment{ram, 2 * page})
	v1, err := b.VMap()
	ok(t, err)
	v2, err := b.VMap()
	ok(t, err)
	if e.calls["vmap"] != 1 {
		t.Errorf("the exporter was asked %d times for two mappings", e.calls["vmap"])
	}
	data := bytes.Repeat([]byte("abcdefg"), 1000)
	ok(t, v1.Write(100, data))
	got := make([]byte, len(data))
	ok(t, v2.Read(100, got))
	if !bytes.Equal(got, data) {
		t.Error("what was written is not read back")
	}
	ok(t, c.Kernel.Read(ram, got[:1000]))
	if !bytes.Equal(got[:1000], data[page-100:page+900]) {
		t.Error("the second page is not where the exporter has it")
	}
	if c.Stats().Unbracketed != 2 {
		t.Errorf("%d unbracketed accesses, want 2", c.Stats().Unbracketed)
	}
	want(t, "behind the end", v1.Read(3*page-1, got[:2]), ErrSegv)
	want(t, "wrap", v1.Read(1<<64-1, got[:2]), ErrSegv)
	ok(t, v1.Read(3*page, nil))
	ok(t, v1.Unmap())
	want(t, "second unmap", v1.Unmap(), ErrVUnmap)
	want(t, "read after unmap", v1.Read(0, got[:1]), ErrSegv)
	ok(t, v2.Read(0, got[:1]))
	if e.calls["vunmap"] != 0 {
		t.Error("unmapped with one mapping left")
	}
	ok(t, v2.Unmap())
	if e.calls["vunmap"] != 1 || c.Stats().VMaps != 0 {
		t.Errorf("calls %v, %+v", e.calls, c.Stats())
	}
	// An exporter that gives less than the buffer.
	e.segs = e.segs[:1]
	_, err = b.VMap()
	want(t, "too little", err, ErrSegments)
	if e.calls["vunmap"] != 2 {
		t.Errorf("calls %v", e.calls)
	}
}

func TestSync(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, page})
	for _, bad := range []uint64{0, SyncEnd, 8, 1 << 63, SyncRead | 16} {
		want(t, "flags", b.Sync(bad), normalworld.EINVAL)
	}
	for flags, dir := range map[uint64]Direction{SyncRead: FromDevice, SyncWrite: ToDevice, SyncRead | SyncWrite: Bidirectional} {
		ok(t, b.Sync(flags))
		if b.begun[dir] != 1 {
			t.Errorf("flags %d: begun %v, want %v", flags, b.begun, dir)
		}
		ok(t, b.Sync(flags|SyncEnd))
		want(t, "second end", b.Sync(flags|SyncEnd), ErrNotBegun)
	}
}
