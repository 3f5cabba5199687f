package heap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

// refuse is an allocator that counts what it is asked, and has nothing.
type refuse struct {
	asked []uint64
	err   error
}

func (r *refuse) Allocate(n uint64, _ uint32) (*dmabuf.Buffer, error) {
	r.asked = append(r.asked, n)
	return nil, r.err
}

func TestRegistry(t *testing.T) {
	r := newRig(t)
	if got, want := r.reg.Names(), []string{"system", "default_cma_region", "sdp", "screen"}; !slices.Equal(got, want) {
		t.Errorf("heaps %q, want %q", got, want)
	}
	if r.open("reserved") != r.open("default_cma_region") {
		t.Error("the name of before 6.17 is another heap")
	}
	_, err := r.reg.Open("x")
	want(t, "open", err, normalworld.ENOENT)
	for _, bad := range []string{"", "system"} {
		_, err = r.reg.Add(bad, new(refuse))
		want(t, "add "+bad, err, normalworld.EINVAL)
	}
	_, err = r.reg.Add("nothing", nil)
	want(t, "add without an allocator", err, normalworld.EINVAL)
	want(t, "alias of a heap's name", r.reg.Alias("sdp", "system"), normalworld.EINVAL)
	want(t, "alias twice", r.reg.Alias("reserved", "system"), normalworld.EINVAL)
	r.ok(r.reg.Alias("later", "not yet"))
	_, err = r.reg.Open("later")
	want(t, "open of an alias of nothing", err, normalworld.ENOENT)
	reg := NewRegistry(r.core)
	for i := range MaxHeaps {
		_, err := reg.Add(strings.Repeat("x", i+1), new(refuse))
		r.ok(err)
	}
	_, err = reg.Add("one more", new(refuse))
	want(t, "minors", err, normalworld.EBUSY)
}

func argument(n uint64, fd, fdFlags uint32, heapFlags uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, n)
	b = binary.LittleEndian.AppendUint32(b, fd)
	b = binary.LittleEndian.AppendUint32(b, fdFlags)
	return binary.LittleEndian.AppendUint64(b, heapFlags)
}

// DMA_HEAP_IOCTL_ALLOC (drivers/dma-buf/dma-heap.c).
func TestIoctl(t *testing.T) {
	r := newRig(t)
	h := r.open("system")
	for name, v := range map[string]struct {
		cmd uint32
		arg []byte
		err error
	}{
		"as it should be":       {IoctlAlloc, argument(page, 0, dmabuf.OCloexec|dmabuf.ORdWr, 0), nil},
		"read only":             {IoctlAlloc, argument(page, 0, 0, 0), nil},
		"one byte":              {IoctlAlloc, argument(1, 0, 0, 0), nil},
		"no length":             {IoctlAlloc, argument(0, 0, 0, 0), normalworld.EINVAL},
		"length that wraps":     {IoctlAlloc, argument(1<<64-1, 0, 0, 0), normalworld.EINVAL},
		"more than there is":    {IoctlAlloc, argument(1<<40, 0, 0, 0), normalworld.ENOMEM},
		"all of memory":         {IoctlAlloc, argument(1<<63, 0, 0, 0), normalworld.ENOMEM},
		"a descriptor":          {IoctlAlloc, argument(page, 1, 0, 0), normalworld.EINVAL},
		"O_NONBLOCK":            {IoctlAlloc, argument(page, 0, dmabuf.ONonblock, 0), normalworld.EINVAL},
		"bit 31":                {IoctlAlloc, argument(page, 0, 1<<31, 0), normalworld.EINVAL},
		"a heap flag":           {IoctlAlloc, argument(page, 0, 0, 1), normalworld.EINVAL},
		"a high heap flag":      {IoctlAlloc, argument(page, 0, 0, 1<<63), normalworld.EINVAL},
		"another number":        {IoctlAlloc + 1, argument(page, 0, 0, 0), normalworld.EINVAL},
		"another type":          {IoctlAlloc ^ 0x100, argument(page, 0, 0, 0), nil}, // which Linux does not look at
		"short memory":          {IoctlAlloc, argument(page, 0, 0, 0)[:23], normalworld.EFAULT},
		"no memory":             {IoctlAlloc, nil, normalworld.EFAULT},
		"a longer structure":    {IoctlAlloc + 8<<16, append(argument(page, 0, 0, 0), 1, 2, 3, 4, 5, 6, 7, 8), nil},
		"an older, shorter one": {IoctlAlloc - 8<<16, argument(page, 0, 0, 0)[:16], nil},
		"nothing in":            {IoctlAlloc &^ iocWrite, argument(page, 0, 0, 0), normalworld.EINVAL}, // so the length is 0
	} {
		was := slices.Clone(v.arg)
		open := r.files.Open()
		err := h.Ioctl(r.files, v.cmd, v.arg)
		want(t, name, err, v.err)
		if v.err != nil {
			if err == nil || !slices.Equal(was, v.arg) || r.files.Open() != open {
				t.Errorf("%s: the argument or the table changed", name)
			}
			continue
		}
		fd := int32(binary.LittleEndian.Uint32(v.arg[8:]))
		b, err := r.files.Get(fd)
		r.ok(err)
		if b.Size() != page || b.FileFlags() != binary.LittleEndian.Uint32(was[12:])&dmabuf.OAccMode {
			t.Errorf("%s: %d bytes, flags %#o", name, b.Size(), b.FileFlags())
		}
		if ce, _ := r.files.Cloexec(fd); ce != (binary.LittleEndian.Uint32(was[12:])&dmabuf.OCloexec != 0) {
			t.Errorf("%s: cloexec %v", name, ce)
		}
		binary.LittleEndian.PutUint32(was[8:], uint32(fd))
		if !slices.Equal(was, v.arg) {
			t.Errorf("%s: answered %x, want %x", name, v.arg, was)
		}
		r.ok(b.Put())
	}
	r.ok(r.files.CloseAll())
	// A command that takes nothing out: the descriptor is there, and nobody is told.
	arg := argument(page, 0, 0, 0)
	r.ok(h.Ioctl(r.files, IoctlAlloc&^uint32(iocRead), arg))
	if r.files.Open() != 1 || !slices.Equal(arg, argument(page, 0, 0, 0)) {
		t.Errorf("%d descriptors, argument %x", r.files.Open(), arg)
	}
	r.ok(r.files.CloseAll())
	// What cannot be installed is not left allocated.
	free := r.pages.FreePages()
	r.files.SetLimit(0)
	want(t, "no descriptor", h.Ioctl(r.files, IoctlAlloc, argument(page, 0, 0, 0)), normalworld.EMFILE)
	if r.pages.FreePages() != free || r.core.Stats().Buffers != 0 {
		t.Error("left allocated")
	}
	for _, err := range []error{normalworld.ENOMEM, normalworld.EINVAL, normalworld.EBUSY} {
		a := &refuse{err: err}
		h := &Heap{core: r.core, name: "x", alloc: a}
		_, got := h.Alloc(r.files, 3*page+1, 0, 0)
		want(t, "the allocator's error", got, err)
		if !slices.Equal(a.asked, []uint64{4 * page}) || h.Stats() != (Stats{Failures: 1}) {
			t.Errorf("asked for %d, %+v", a.asked, h.Stats())
		}
	}
}

// The system heap takes the largest blocks that are there, and gives zeroed memory.
func TestSystem(t *testing.T) {
	r := newRig(t)
	for _, v := range []struct {
		n      uint64
		blocks []uint64
	}{
		{1, []uint64{page}}, {64 << 10, []uint64{64 << 10}}, {1 << 20, []uint64{1 << 20}},
		{1<<20 + 64<<10 + 2*page, []uint64{1 << 20, 64 << 10, page, page}}, {60 << 10, slices.Repeat([]uint64{page}, 15)},
	} {
		b := r.alloc("system", v.n)
		if !r.isZero(b) {
			t.Errorf("%d bytes are not zero", v.n)
		}
		r.pattern(b)
		var got []uint64
		for _, s := range b.Private.(*systemBuffer).segs {
			got = append(got, s.Len)
		}
		if !slices.Equal(got, v.blocks) || dmabuf.Total(r.segments(b)) != b.Size() || b.Restricted() {
			t.Errorf("%d bytes: blocks %d, want %d", v.n, got, v.blocks)
		}
		r.ok(b.Put())
		b = r.alloc("system", v.n)
		if !r.isZero(b) {
			t.Errorf("%d bytes have what another process wrote", v.n)
		}
		r.ok(b.Put())
	}
	if r.pages.FreePages() != r.pages.TotalPages() {
		t.Errorf("%d of %d pages free", r.pages.FreePages(), r.pages.TotalPages())
	}
	// Fragmented memory: small blocks, and nothing left over when there are not enough.
	var held []uint64
	for {
		pa, err := r.pages.Alloc(0, mem.Flags{})
		if err != nil {
			break
		}
		held = append(held, pa)
	}
	for i := 0; i < len(held); i += 2 {
		r.ok(r.pages.Free(held[i], 0))
	}
	free := r.pages.FreePages()
	b := r.alloc("system", 64<<10)
	if got := r.segments(b); len(got) != 16 {
		t.Errorf("%d segments in fragmented memory, want 16", len(got))
	}
	a, err := b.Attach(dmabuf.Device{Name: "contiguous only", MaxSegments: 1})
	r.ok(err)
	_, err = a.Map(dmabuf.ToDevice)
	want(t, "a device that needs contiguous memory", err, dmabuf.ErrNotContiguous)
	r.ok(a.Detach())
	r.ok(b.Put())
	_, err = r.open("system").Buffer((free+1)*page, 0)
	want(t, "more than is free", err, normalworld.ENOMEM)
	if r.pages.FreePages() != free || r.core.Stats().Buffers != 0 {
		t.Errorf("%d pages free, want %d", r.pages.FreePages(), free)
	}
}

func TestCMA(t *testing.T) {
	r := newRig(t)
	area := r.pages.DefaultArea()
	b := r.alloc("default_cma_region", 5*page)
	c := r.alloc("reserved", 64<<10+1)
	for _, v := range []struct {
		b     *dmabuf.Buffer
		n     uint64
		align uint64
	}{{b, 5 * page, 8 * page}, {c, 17 * page, 32 * page}} {
		segs := r.segments(v.b)
		if len(segs) != 1 || segs[0].Len != v.n || !area.Range().Contains(segs[0].Addr, v.n) || segs[0].Addr%v.align != 0 {
			t.Errorf("segments %x", segs)
		}
		if !r.isZero(v.b) {
			t.Error("not zero")
		}
		r.pattern(v.b)
	}
	r.ok(b.Put())
	b = r.alloc("default_cma_region", 5*page)
	if !r.isZero(b) {
		t.Error("has what another process wrote")
	}
	r.ok(b.Put())
	r.ok(c.Put())
	_, err := r.open("reserved").Buffer(area.Range().Size+page, 0)
	want(t, "too much", err, normalworld.ENOMEM)
	if area.UsedPages() != 0 {
		t.Errorf("%d pages used", area.UsedPages())
	}
	// Movable pages that cannot go anywhere: Linux says ENOMEM too.
	for {
		if _, err := r.pages.AllocMovable(0, mem.Flags{}); err != nil {
			break
		}
	}
	_, err = r.open("reserved").Buffer(page, 0)
	want(t, "nowhere to go", err, normalworld.ENOMEM)
}

// Each contiguous area is a heap; the default one has its name of today and its own.
func TestAreas(t *testing.T) {
	r := newRig(t)
	const base = platform.RAMBase + 32<<20
	area := func(name string, i uint64, def bool) mem.AreaConfig {
		return mem.AreaConfig{Name: name, Range: mem.Range{Base: base + i<<20, Size: 1 << 20}, Default: def}
	}
	pages, err := mem.New(r.k, mem.Config{Memory: []mem.Range{{Base: base, Size: 4 << 20}}, Areas: []mem.AreaConfig{
		area("vpu@42000000", 0, false), area("linux,cma", 1, true), area("camera@42200000", 2, false)}})
	r.ok(err)
	reg := NewRegistry(r.core)
	r.ok(reg.AddCMA(pages))
	if got, want := reg.Names(), []string{"default_cma_region", "vpu@42000000", "camera@42200000"}; !slices.Equal(got, want) {
		t.Errorf("heaps %q, want %q", got, want)
	}
	for name, at := range map[string]uint64{"default_cma_region": base + 1<<20, "linux,cma": base + 1<<20, "vpu@42000000": base, "camera@42200000": base + 2<<20} {
		h, err := reg.Open(name)
		r.ok(err)
		b, err := h.Buffer(page, 0)
		r.ok(err)
		if got := r.segments(b); len(got) != 1 || got[0].Addr != at {
			t.Errorf("%s: segments %x, want %#x", name, got, at)
		}
		r.ok(b.Put())
	}
	want(t, "again", reg.AddCMA(pages), normalworld.EINVAL)
	none, err := mem.New(r.k, mem.Config{Memory: []mem.Range{{Base: base, Size: page}}})
	r.ok(err)
	reg = NewRegistry(r.core)
	r.ok(reg.AddCMA(none))
	if len(reg.Names()) != 0 {
		t.Errorf("heaps %q without an area", reg.Names())
	}
}

// A device that reaches only the lowest memory works on copies of a system buffer, and not of a secure one.
func TestBounce(t *testing.T) {
	r := newRig(t)
	bounce, err := mem.NewBounce(mem.Range{Base: platform.RAMBase, Size: 1 << 20})
	r.ok(err)
	pages, err := mem.New(r.k, mem.Config{Memory: []mem.Range{{Base: platform.RAMBase + 32<<20, Size: 1 << 20}}})
	r.ok(err)
	r.core.Bounce = bounce
	reg := NewRegistry(r.core)
	h, err := reg.AddSystem(pages)
	r.ok(err)
	dev := dmabuf.Device{Name: "narrow", NSAID: bus.NSAIDDMA, DMAMask: platform.RAMBase + 1<<20 - 1}
	b, err := h.Buffer(16*page, dmabuf.ORdWr)
	r.ok(err)
	r.dirty(b)
	a, err := b.Attach(dev)
	r.ok(err)
	segs, err := a.Map(dmabuf.Bidirectional)
	r.ok(err)
	if len(segs) != 1 || segs[0].Addr != platform.RAMBase || bounce.FreePages() != 256-16 {
		t.Fatalf("segments %x, %d pages of bounce memory free", segs, bounce.FreePages())
	}
	port := r.m.Port(bus.Attr{NSAID: dev.NSAID})
	p := make([]byte, 16*page)
	if resp := port.Read(segs[0].Addr, p); resp != bus.OKAY || !bytes.Equal(p, bytes.Repeat([]byte{0xa5}, len(p))) {
		t.Error("the device does not read what the processor wrote")
	}
	port.Write(segs[0].Addr, make([]byte, 16*page))
	r.ok(a.Unmap(dmabuf.Bidirectional))
	if !r.isZero(b) || bounce.FreePages() != 256 {
		t.Error("the processor does not read what the device wrote")
	}
	a, err = r.alloc("sdp", page).Attach(dev)
	r.ok(err)
	_, err = a.Map(dmabuf.ToDevice)
	want(t, "secure memory", err, dmabuf.ErrBounceRestricted)
}

// Memory in the allocator that the firewall closes: an allocation fails with the address, and leaves nothing behind.
func TestDenied(t *testing.T) {
	r := newRig(t)
	pages, err := mem.New(r.k, mem.Config{Memory: []mem.Range{{Base: video, Size: 64 * page}}, Areas: []mem.AreaConfig{{
		Name: "a", Range: mem.Range{Base: video, Size: 32 * page}, Default: true}}})
	r.ok(err)
	reg := NewRegistry(r.core)
	_, err = reg.AddSystem(pages)
	r.ok(err)
	r.ok(reg.AddCMA(pages))
	for name, addr := range map[string]uint64{"system": video + 32*page, "default_cma_region": video} {
		h, err := reg.Open(name)
		r.ok(err)
		_, err = h.Buffer(3*page, 0)
		var e *normalworld.BusError
		if !errors.As(err, &e) || e.Addr != addr || !e.Write {
			t.Errorf("%s: %v, want a refused write at %#x", name, err, addr)
		}
	}
	if pages.FreePages() != 64 || r.core.Stats().Buffers != 0 {
		t.Errorf("%d pages free", pages.FreePages())
	}
}

// sink keeps the names of events.
type sink struct{ got []string }

func (s *sink) Emit(e *event.Event) { s.got = append(s.got, e.Source+" "+e.Name) }

func TestEvents(t *testing.T) {
	r := newRig(t)
	s := new(sink)
	r.k.Events = new(event.Stream)
	r.k.Events.Attach(event.DMABuf, s)
	b := r.alloc("sdp", page)
	r.segments(b)
	r.ok(b.Put())
	_, err := r.open("sdp").Buffer(1<<40, 0)
	want(t, "too much", err, normalworld.ENOMEM)
	if want := []string{"dmabuf EXPORT", "dma-heap ALLOC", "dmabuf ATTACH", "dmabuf MAP", "dmabuf UNMAP", "dmabuf DETACH", "dmabuf RELEASE", "dma-heap ALLOC"}; !slices.Equal(s.got, want) {
		t.Errorf("events %q, want %q", s.got, want)
	}
}

// Random buffers of all heaps: no two share a byte, what one has is kept, and in the end nothing is left.
func TestHeapsProperty(t *testing.T) {
	r := newRig(t)
	rnd := rand.New(rand.NewPCG(3, 3))
	type held struct {
		fd   int32
		segs []dmabuf.Segment
		mark uint64
	}
	var bufs []held
	names := r.reg.Names()
	owner := make(map[uint64]bool)
	full := 0
	for step := range 4000 {
		if rnd.IntN(5) < 3 {
			h := r.open(names[rnd.IntN(len(names))])
			n := 1 + rnd.Uint64N(1<<(12+rnd.IntN(9)))
			arg := argument(n, 0, dmabuf.OCloexec|dmabuf.ORdWr, 0)
			err := h.Ioctl(r.files, IoctlAlloc, arg)
			if errors.Is(err, normalworld.ENOMEM) {
				full++
				continue
			}
			r.ok(err)
			x := held{fd: int32(binary.LittleEndian.Uint32(arg[8:])), mark: rnd.Uint64()}
			b, err := r.files.Get(x.fd)
			r.ok(err)
			x.segs = r.segments(b)
			for _, s := range x.segs {
				for o := uint64(0); o < s.Len; o += page {
					if owner[s.Addr+o] {
						t.Fatalf("step %d: page %#x is in two buffers", step, s.Addr+o)
					}
					owner[s.Addr+o] = true
				}
			}
			if !b.Restricted() {
				r.ok(r.k.Write(x.segs[0].Addr, binary.LittleEndian.AppendUint64(nil, x.mark)))
			}
			r.ok(b.Put())
			bufs = append(bufs, x)
		} else if len(bufs) > 0 {
			i := rnd.IntN(len(bufs))
			x := bufs[i]
			bufs = slices.Delete(bufs, i, i+1)
			b, err := r.files.Get(x.fd)
			r.ok(err)
			if !b.Restricted() {
				var p [8]byte
				r.ok(r.k.Read(x.segs[0].Addr, p[:]))
				if binary.LittleEndian.Uint64(p[:]) != x.mark {
					t.Fatalf("step %d: somebody wrote into a buffer of %s", step, b.ExporterName())
				}
			}
			r.ok(b.Put())
			for _, s := range x.segs {
				for o := uint64(0); o < s.Len; o += page {
					delete(owner, s.Addr+o)
				}
			}
			r.ok(r.files.Close(x.fd))
		}
	}
	if full < 10 {
		t.Errorf("a heap was full %d times only", full)
	}
	r.ok(r.files.CloseAll())
	if r.pages.FreePages() != r.pages.TotalPages() || r.core.Stats().Buffers != 0 {
		t.Errorf("left: %d of %d pages free, %+v", r.pages.FreePages(), r.pages.TotalPages(), r.core.Stats())
	}
	for _, h := range r.sec {
		if h.Pool().FreePages() != size/page {
			t.Errorf("%v: %d pages free", h, h.Pool().FreePages())
		}
	}
}

// FuzzIoctl gives heaps any command and argument. Whatever is answered, nothing is lost.
func FuzzIoctl(f *testing.F) {
	f.Add(uint8(0), uint32(IoctlAlloc), argument(page, 0, dmabuf.OCloexec, 0))
	f.Add(uint8(1), uint32(IoctlAlloc), argument(1<<64-1, 0, 0, 0))
	f.Add(uint8(2), uint32(IoctlAlloc+8<<16), append(argument(100*page, 0, 2, 0), make([]byte, 8)...))
	f.Add(uint8(3), uint32(IoctlAlloc-12<<16), argument(page, 0, 0, 0)[:12])
	f.Add(uint8(0), uint32(0xffff_ff00), make([]byte, 1<<14))
	r := newRig(f)
	names := r.reg.Names()
	f.Fuzz(func(t *testing.T, heap uint8, cmd uint32, arg []byte) {
		h, err := r.reg.Open(names[int(heap)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		files := dmabuf.NewFiles(2)
		if len(arg) >= 8 {
			// Lengths of many megabytes only take long.
			if n := binary.LittleEndian.Uint64(arg); n > 4<<20 && n < 1<<30 {
				binary.LittleEndian.PutUint64(arg, n%(4<<20))
			}
		}
		err = h.Ioctl(files, cmd, arg)
		if err == nil != (files.Open() == 1) {
			t.Errorf("%v, and %d descriptors", err, files.Open())
		}
		var no normalworld.Errno
		if err != nil && !errors.As(err, &no) {
			t.Errorf("%v has no number", err)
		}
		if cerr := files.CloseAll(); cerr != nil {
			t.Error(cerr)
		}
		if r.pages.FreePages() != r.pages.TotalPages() || r.core.Stats().Buffers != 0 || r.sec[0].pool.FreePages() != size/page {
			t.Error("something is left")
		}
	})
}

// BenchmarkHeap is a buffer's life: allocated with a descriptor, attached, mapped, unmapped, detached, closed.
func BenchmarkHeap(b *testing.B) {
	r := newRig(b)
	pool, err := mem.NewPool(mem.Range{Base: video, Size: size})
	r.ok(err)
	r.ok(r.reg.RegisterProtected(&tee{}, SecureVideoPlay, &fakePool{pool: pool}))
	dev := dmabuf.Device{Name: "decoder", NSAID: 4, MaxSegments: 1}
	for _, name := range []string{"system", "default_cma_region", "sdp", "protected,secure-video"} {
		h := r.open(name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fd, err := h.Alloc(r.files, 64<<10, dmabuf.OCloexec|dmabuf.ORdWr, 0)
				if err != nil {
					b.Fatal(err)
				}
				buf, err := r.files.Get(fd)
				if err != nil {
					b.Fatal(err)
				}
				a, err := buf.Attach(dev)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := a.Map(dmabuf.Bidirectional); err != nil {
					b.Fatal(err)
				}
				err1, err2, err3, err4 := a.Unmap(dmabuf.Bidirectional), a.Detach(), buf.Put(), r.files.Close(fd)
				if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
					b.Fatal(err1, err2, err3, err4)
				}
			}
		})
	}
}
