package dmabuf

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"gatehouse/normalworld"
)

func install(t *testing.T, f *Files, file File, flags uint32) int32 {
	t.Helper()
	fd, err := f.Install(file, flags)
	ok(t, err)
	return fd
}

func TestDescriptors(t *testing.T) {
	c := newCore(t)
	b, e := export(t, c, Segment{ram, page})
	f := NewFiles(8)
	if fd := install(t, f, b, OCloexec|ORdWr); fd != 0 {
		t.Fatalf("first descriptor %d", fd)
	}
	for i := int32(1); i <= 3; i++ { // 1, 2, 3
		if fd, err := f.Dup(0); err != nil || fd != i {
			t.Fatalf("dup: %d, %v, want %d", fd, err, i)
		}
	}
	if b.Refs() != 4 {
		t.Errorf("%d references for 4 descriptors", b.Refs())
	}
	ok(t, f.Close(1))
	want(t, "close twice", f.Close(1), normalworld.EBADF)
	if fd, err := f.DupFrom(0, 2, OCloexec); err != nil || fd != 4 {
		t.Errorf("F_DUPFD from 2: %d, %v, want 4", fd, err)
	}
	if fd, err := f.Dup(0); err != nil || fd != 1 {
		t.Errorf("dup: %d, %v, want the lowest, 1", fd, err)
	}
	for fd, want := range map[int32]bool{0: true, 1: false, 2: false, 4: true} {
		if got, err := f.Cloexec(fd); err != nil || got != want {
			t.Errorf("descriptor %d: cloexec %v, %v, want %v", fd, got, err, want)
		}
	}
	ok(t, f.SetCloexec(4, false))
	ok(t, f.CloseOnExec())
	_, err := f.Get(0)
	want(t, "after exec", err, normalworld.EBADF)
	if f.Open() != 4 || b.Refs() != 4 { // 1, 2, 3, 4
		t.Errorf("%d descriptors, %d references, want 4", f.Open(), b.Refs())
	}
	g, err := f.Get(2)
	ok(t, err)
	if g != b || b.Refs() != 5 {
		t.Errorf("get: %v, %d references", g, b.Refs())
	}
	ok(t, f.CloseAll())
	if b.Released() || f.Open() != 0 {
		t.Error("released with a reference left")
	}
	ok(t, g.Put())
	if !b.Released() || e.calls["release"] != 1 {
		t.Error("not released")
	}
}

func TestDescriptorErrors(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, page})
	s := NewSyncFile()
	f := NewFiles(3)
	fd, sync := install(t, f, b, 0), install(t, f, s, 0)
	for _, bad := range []int32{-1, 2, 100, -1 << 31, 1<<31 - 1} {
		_, err := f.Get(bad)
		want(t, "get", err, normalworld.EBADF)
		want(t, "close", f.Close(bad), normalworld.EBADF)
		_, err = f.Dup(bad)
		want(t, "dup", err, normalworld.EBADF)
		want(t, "dup2", f.Dup2(bad, 0), normalworld.EBADF)
		want(t, "dup2 of itself", f.Dup2(bad, bad), normalworld.EBADF)
		_, err = f.Cloexec(bad)
		want(t, "F_GETFD", err, normalworld.EBADF)
		want(t, "F_SETFD", f.SetCloexec(bad, true), normalworld.EBADF)
		_, err = f.MMap(bad, 0, page, ProtRead)
		want(t, "mmap", err, normalworld.EBADF)
		_, err = f.Send(fd, bad)
		want(t, "send", err, normalworld.EBADF)
		want(t, "ioctl", f.Ioctl(bad, IoctlSync, make([]byte, 8)), normalworld.EBADF)
	}
	_, err := f.Get(sync)
	want(t, "get of another file", err, normalworld.EINVAL)
	_, err = f.MMap(sync, 0, page, ProtRead)
	want(t, "mmap of another file", err, normalworld.ENODEV)
	want(t, "ioctl of another file", f.Ioctl(sync, IoctlSync, make([]byte, 8)), normalworld.ENOTTY)
	for _, bad := range []int32{3, -1, 1 << 30} {
		want(t, "dup2 to", f.Dup2(fd, bad), normalworld.EBADF)
		_, err = f.DupFrom(fd, bad, 0)
		want(t, "F_DUPFD", err, normalworld.EINVAL)
	}
	want(t, "dup3 to itself", f.Dup3(fd, fd, 0), normalworld.EINVAL)
	want(t, "dup3 flags", f.Dup3(fd, 2, 1), normalworld.EINVAL)
	if _, err := f.Dup(fd); err != nil {
		t.Fatal(err)
	}
	_, err = f.Dup(fd)
	want(t, "full", err, normalworld.EMFILE)
	_, err = f.Install(s, 0)
	want(t, "full", err, normalworld.EMFILE)
	if b.Refs() != 2 || s.refs != 1 {
		t.Errorf("references %d and %d, want 2 and 1", b.Refs(), s.refs)
	}
	f.SetLimit(1)
	ok(t, f.Close(2))
	_, err = f.Dup(fd)
	want(t, "limit lowered", err, normalworld.EMFILE)
	if _, err := f.Get(fd); err != nil {
		t.Error(err)
	}
	if n := NewFiles(1 << 30); n.limit != MaxLimit {
		t.Errorf("limit %d", n.limit)
	}
}

func TestDup2(t *testing.T) {
	c := newCore(t)
	b1, _ := export(t, c, Segment{ram, page})
	b2, e2 := export(t, c, Segment{ram + page, page})
	f := NewFiles(0)
	install(t, f, b1, OCloexec)
	install(t, f, b2, 0)
	ok(t, f.Dup2(0, 0))
	ok(t, f.Dup2(0, 1)) // closes b2
	if !b2.Released() || e2.calls["release"] != 1 || b1.Refs() != 2 {
		t.Errorf("b2 released %v, b1 has %d references", b2.Released(), b1.Refs())
	}
	if ce, _ := f.Cloexec(1); ce {
		t.Error("dup2 copied cloexec")
	}
	ok(t, f.Dup3(0, 5, OCloexec))
	if ce, _ := f.Cloexec(5); !ce {
		t.Error("dup3 without cloexec")
	}
	if fd := install(t, f, NewSyncFile(), 0); fd != 2 {
		t.Errorf("lowest free descriptor %d, want 2", fd)
	}
	// What may not be closed stays.
	b3, _ := export(t, c, Segment{ram, page})
	fd := install(t, f, b3, 0)
	a := attach(t, b3, Device{})
	want(t, "dup2 over an attached buffer", f.Dup2(0, fd), ErrPutAttached)
	want(t, "close of an attached buffer", f.Close(fd), ErrPutAttached)
	want(t, "end of the process", f.CloseAll(), ErrPutAttached)
	if got, err := f.Lookup(fd); got != b3 || err != nil || f.Open() != 1 {
		t.Errorf("descriptor %d is %v, %v; %d open", fd, got, err, f.Open())
	}
	if !b1.Released() {
		t.Errorf("b1 has %d references", b1.Refs())
	}
	ok(t, a.Detach())
	ok(t, f.Close(fd))
}

func TestFork(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, page})
	f := NewFiles(0)
	install(t, f, NewSyncFile(), 0)
	fd := install(t, f, b, OCloexec)
	ok(t, f.Close(0))
	child, err := f.Clone()
	ok(t, err)
	if ce, err := child.Cloexec(fd); err != nil || !ce || b.Refs() != 2 {
		t.Errorf("cloexec %v, %v, %d references", ce, err, b.Refs())
	}
	if n := install(t, child, NewSyncFile(), 0); n != 0 {
		t.Errorf("lowest free descriptor of the child %d", n)
	}
	ok(t, f.CloseAll())
	if b.Released() {
		t.Error("released with the child's descriptor open")
	}
	ok(t, child.CloseOnExec())
	if !b.Released() {
		t.Error("not released")
	}
}

func TestRights(t *testing.T) {
	c := newCore(t)
	var bufs []*Buffer
	from := NewFiles(0)
	for i := range 3 {
		b, _ := export(t, c, Segment{ram + uint64(i)*page, page})
		bufs = append(bufs, b)
		install(t, from, b, 0)
	}
	m, err := from.Send(2, 0, 1)
	ok(t, err)
	ok(t, from.CloseAll())
	for _, b := range bufs {
		if b.Released() || b.Refs() != 1 {
			t.Errorf("%v in flight: released %v, %d references", b, b.Released(), b.Refs())
		}
	}
	to := NewFiles(2)
	fds, truncated := to.Receive(m, OCloexec)
	if !slices.Equal(fds, []int32{0, 1}) || !truncated || m.Len() != 0 {
		t.Errorf("received %v, truncated %v, %d left", fds, truncated, m.Len())
	}
	if got, _ := to.Lookup(0); got != bufs[2] {
		t.Error("descriptors come in another order")
	}
	if ce, _ := to.Cloexec(1); !ce {
		t.Error("without cloexec")
	}
	if !bufs[1].Released() { // the one without room
		t.Error("what was truncated is held")
	}
	third := NewFiles(0)
	fd, err := third.Fetch(to, 1)
	ok(t, err)
	if ce, _ := third.Cloexec(fd); !ce || bufs[0].Refs() != 2 {
		t.Errorf("fetched: cloexec %v, %d references", ce, bufs[0].Refs())
	}
	third.SetLimit(1)
	_, err = third.Fetch(to, 0)
	want(t, "fetch without room", err, normalworld.EMFILE)
	_, err = third.Fetch(to, 7)
	want(t, "fetch of nothing", err, normalworld.EBADF)
	m, err = to.Send(0, 0)
	ok(t, err)
	if bufs[2].Refs() != 3 {
		t.Errorf("%d references, want 3", bufs[2].Refs())
	}
	ok(t, m.Discard())
	if bufs[2].Refs() != 1 {
		t.Errorf("%d references, want 1", bufs[2].Refs())
	}
	_, err = to.Send(make([]int32, MaxRights+1)...)
	want(t, "too many", err, normalworld.EINVAL)
	ok(t, to.CloseAll())
	ok(t, third.CloseAll())
	if s := c.Stats(); s.Buffers != 0 || s.Bytes != 0 {
		t.Errorf("left: %+v", s)
	}
}

// stuck is a file whose last reference cannot go, or of which no new one can be had.
type stuck struct{ get, put error }

func (s *stuck) Get() error { return s.get }
func (s *stuck) Put() error { return s.put }

// A file that refuses leaves each table and message as it was.
func TestFileRefuses(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, page})
	f := NewFiles(0)
	s := new(stuck)
	install(t, f, b, 0)
	fd := install(t, f, s, 0)

	s.get = normalworld.EBADF
	_, err := f.Clone()
	want(t, "fork", err, normalworld.EBADF)
	_, err = f.Send(0, fd)
	want(t, "send", err, normalworld.EBADF)
	_, err = f.Dup(fd)
	want(t, "dup", err, normalworld.EBADF)
	want(t, "dup2", f.Dup2(fd, 7), normalworld.EBADF)
	_, err = NewFiles(0).Fetch(f, fd)
	want(t, "fetch", err, normalworld.EBADF)
	if b.Refs() != 1 || f.Open() != 2 {
		t.Errorf("%d references, %d descriptors", b.Refs(), f.Open())
	}

	s.get, s.put = nil, normalworld.EBUSY
	m, err := f.Send(0, fd, 0)
	ok(t, err)
	want(t, "discard", m.Discard(), normalworld.EBUSY)
	if m.Len() != 1 || b.Refs() != 1 {
		t.Errorf("%d files left in the message, %d references", m.Len(), b.Refs())
	}
	want(t, "dup2 onto it", f.Dup2(0, fd), normalworld.EBUSY)
	want(t, "close", f.Close(fd), normalworld.EBUSY)
	if got, err := f.Lookup(fd); err != nil || got != s || b.Refs() != 1 || f.Open() != 2 {
		t.Errorf("descriptor %v, %v; %d references, %d descriptors", got, err, b.Refs(), f.Open())
	}
	s.put = nil
	ok(t, m.Discard())
	ok(t, f.CloseAll())
}

// The file's access mode decides what may be mapped (mmap(2), EACCES).
func TestAccessMode(t *testing.T) {
	c := newCore(t)
	for _, v := range []struct {
		mode uint32
		prot Prot
		err  error
	}{
		{ORdOnly, ProtRead, nil}, {ORdOnly, ProtRead | ProtWrite, normalworld.EACCES}, {OWrOnly, ProtWrite, normalworld.EACCES},
		{OWrOnly, ProtRead, normalworld.EACCES}, {ORdWr, ProtRead | ProtWrite, nil},
	} {
		e := &fullExporter{exporter{segs: []Segment{{ram, page}}}}
		b, err := c.Export(ExportInfo{Exporter: e, Size: page, Flags: v.mode | OCloexec | ONonblock})
		ok(t, err)
		if b.FileFlags() != v.mode|ONonblock {
			t.Errorf("file flags %#o", b.FileFlags())
		}
		f := NewFiles(0)
		m, err := f.MMap(install(t, f, b, 0), 0, page, v.prot)
		want(t, "mmap", err, v.err)
		ok(t, f.CloseAll())
		if err == nil {
			ok(t, m.Read(0, make([]byte, 1)))
			ok(t, m.Unmap())
		}
		if !b.Released() {
			t.Error("not released")
		}
	}
}

func TestIoctl(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, page})
	f := NewFiles(0)
	fd := install(t, f, b, 0)
	arg := make([]byte, 8)
	binary.LittleEndian.PutUint64(arg, SyncWrite)
	ok(t, f.Ioctl(fd, IoctlSync, arg))
	binary.LittleEndian.PutUint64(arg, SyncWrite|SyncEnd)
	ok(t, f.Ioctl(fd, IoctlSync, arg))
	want(t, "ended twice", f.Ioctl(fd, IoctlSync, arg), ErrNotBegun)
	want(t, "short", f.Ioctl(fd, IoctlSync, arg[:7]), normalworld.EFAULT)
	want(t, "unknown", f.Ioctl(fd, 0x6209, arg), normalworld.ENOTTY)

	ok(t, f.Ioctl(fd, IoctlSetNameB, []byte("frame 1\x00junk")))
	if b.Name() != "frame 1" {
		t.Errorf("name %q", b.Name())
	}
	long := strings.Repeat("x", MaxName-1)
	ok(t, f.Ioctl(fd, IoctlSetNameA, []byte(long+"\x00")))
	want(t, "name too long", f.Ioctl(fd, IoctlSetNameA, []byte(long+"x\x00")), normalworld.EINVAL)
	want(t, "name without end", f.Ioctl(fd, IoctlSetNameA, []byte("abc")), normalworld.EFAULT)
	want(t, "name too long", b.SetName(long+"x"), normalworld.EINVAL)
	if b.Name() != long {
		t.Errorf("name %q", b.Name())
	}

	// A sync file takes the fences out, and into another buffer.
	fence := c.NewTimeline("gpu", "ring", nil).NewFence()
	ok(t, b.Reservation().Add(fence, ReadUsage))
	le := binary.LittleEndian
	for flags, n := range map[uint32]int{SyncRead: 0, SyncWrite: 1, SyncRead | SyncWrite: 1} {
		le.PutUint32(arg, flags)
		ok(t, f.Ioctl(fd, IoctlExportSyncFile, arg))
		file, err := f.Lookup(int32(le.Uint32(arg[4:])))
		ok(t, err)
		if s := file.(*SyncFile); len(s.Fences()) != n || s.Poll() == PollIn != (n == 0) {
			t.Errorf("flags %d: %d fences, poll %d", flags, len(s.Fences()), s.Poll())
		}
	}
	other, _ := export(t, c, Segment{ram, page})
	ofd := install(t, f, other, 0)
	le.PutUint32(arg, SyncWrite)
	ok(t, f.Ioctl(fd, IoctlExportSyncFile, arg))
	sfd := int32(le.Uint32(arg[4:]))
	if ce, _ := f.Cloexec(sfd); !ce {
		t.Error("a sync file without cloexec")
	}
	ok(t, f.Ioctl(ofd, IoctlImportSyncFile, arg))
	if other.Poll(PollIn) != 0 {
		t.Error("the imported fence is not waited for")
	}
	for _, bad := range []uint32{0, 4, 7} {
		le.PutUint32(arg, bad)
		want(t, "flags", f.Ioctl(fd, IoctlExportSyncFile, arg), normalworld.EINVAL)
	}
	le.PutUint32(arg, SyncRead)
	le.PutUint32(arg[4:], uint32(fd))
	want(t, "import of a buffer", f.Ioctl(ofd, IoctlImportSyncFile, arg), normalworld.EINVAL)
	want(t, "short", f.Ioctl(ofd, IoctlImportSyncFile, arg[:4]), normalworld.EFAULT)
	file, _ := f.Lookup(sfd)
	again, err := f.Dup(sfd)
	ok(t, err)
	ok(t, f.Close(again))
	if f2, err := f.Lookup(sfd); err != nil || f2 != file || f2.Get() != nil || f2.Put() != nil {
		t.Error("a closed duplicate took the sync file with it")
	}
	want(t, "wait", file.(*SyncFile).Wait(10), normalworld.ETIMEDOUT)
	ok(t, fence.SetError(normalworld.EIO))
	ok(t, fence.Signal())
	want(t, "wait", file.(*SyncFile).Wait(10), normalworld.EIO)
	ok(t, f.CloseAll())
	want(t, "get of a closed sync file", file.Get(), normalworld.EBADF)
	want(t, "put of a closed sync file", file.Put(), normalworld.EBADF)
}

func TestSeek(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, 3 * page})
	for _, v := range []struct {
		off    int64
		whence int
		want   int64
		err    error
	}{{0, 2, 3 * page, nil}, {0, 0, 0, nil}, {0, 1, 0, normalworld.EINVAL}, {1, 0, 0, normalworld.EINVAL}, {-1, 2, 0, normalworld.EINVAL}} {
		if got, err := b.Seek(v.off, v.whence); got != v.want || !errors.Is(err, v.err) {
			t.Errorf("seek %d from %d: %d, %v", v.off, v.whence, got, err)
		}
	}
}

// The lines of /sys/kernel/debug/dma_buf/bufinfo (drivers/dma-buf/dma-buf.c, dma_buf_debug_show).
func TestDescribe(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, 2 * page})
	ok(t, b.SetName("frame"))
	attach(t, b, Device{Name: "decoder"})
	attach(t, b, Device{Name: "display"})
	ok(t, b.Reservation().Add(c.NewTimeline("gpu", "ring0", nil).NewFence(), WriteUsage))
	export(t, c, Segment{ram, page})
	want := `
Dma-buf Objects:
size    	flags   	mode    	count   	exp_name	ino     	name
00008192	00000002	00000003	00000001	test	00000001	frame
	write fence:gpu ring0 seq 1 unsignalled
	Attached Devices:
	decoder
	display
Total 2 devices attached

00004096	00000002	00000003	00000001	test	00000002	<none>
	Attached Devices:
Total 0 devices attached


Total 2 objects, 12288 bytes
`
	if got := c.Describe(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if s := c.Stats(); s.Buffers != 2 || s.Bytes != 3*page || s.Attachments != 2 || len(c.Buffers()) != 2 {
		t.Errorf("%+v", s)
	}
	big, _ := export(t, c, Segment{ram, 5 * page})
	ok(t, big.Put())
	if s := c.Stats(); s.Bytes != 3*page || s.PeakBytes != 8*page || s.Exports != 3 || s.Releases != 1 {
		t.Errorf("%+v", s)
	}
	for u, name := range map[Usage]string{KernelUsage: "kernel", WriteUsage: "write", ReadUsage: "read", BookkeepUsage: "bookkeep", 4: "Usage(4)"} {
		if u.String() != name {
			t.Errorf("%s, want %s", u, name)
		}
	}
	for d, name := range map[Direction]string{0: "bidirectional", 1: "to-device", 2: "from-device", 3: "none", 4: "Direction(4)"} {
		if d.String() != name {
			t.Errorf("%s, want %s", d, name)
		}
	}
}
