package dmabuf

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/normalworld"
)

var (
	modelOps  = flag.Int("ops", 100_000, "operations of TestModel")
	modelSeed = flag.Uint64("seed", 1, "seed of TestModel")
)

// The model: buffers are records, descriptors a map, and each rule a condition on them. It was written from the rules' texts and
// dma-buf.rst, and shares nothing with the package but its numbers.
type mBuffer struct {
	real *Buffer
	exp  *fullExporter

	refs, released int
	atts           []*mAttachment
	vmaps          []*VMap
	mmaps          []*Mapping
	held           int // references that the test holds itself
	begun          map[Direction]int
	fences         []*mFence
	calls          map[string]int
}

type mAttachment struct {
	real   *Attachment
	mapped bool
	dir    Direction
}

type mFence struct {
	real *Fence
	u    Usage
	done bool
}

type mProcess struct {
	real  *Files
	fds   map[int32]*mBuffer
	limit int32
}

type mMessage struct {
	real *Rights
	bufs []*mBuffer
}

type world struct {
	tb    testing.TB
	core  *Core
	n     func(n int) int // the source of decisions: a number below n
	bufs  []*mBuffer
	procs [3]*mProcess
	mail  []*mMessage
	log   []string
	dead  []*mBuffer // released ones, for use after release
	gone  []*Attachment
	stats struct{ denied, done map[string]int }
}

func newWorld(tb testing.TB, c *Core, n func(int) int) *world {
	w := &world{tb: tb, core: c, n: n}
	w.stats.denied, w.stats.done = make(map[string]int), make(map[string]int)
	for i := range w.procs {
		limit := int32(6 + 5*i)
		w.procs[i] = &mProcess{NewFiles(int(limit)), make(map[int32]*mBuffer), limit}
	}
	return w
}

// check compares an answer with what the model expects: nil, a rule or an error number.
func (w *world) check(op string, got, want error) bool {
	w.log = append(w.log, fmt.Sprintf("%s: %v", op, want))
	if len(w.log) > 30 {
		w.log = w.log[1:]
	}
	if want == nil && got != nil || !errors.Is(got, want) {
		w.tb.Fatalf("%s: %v, want %v; before:\n%q", op, got, want, w.log)
	}
	if want != nil {
		w.stats.denied[op+": "+want.Error()]++
	} else {
		w.stats.done[op]++
	}
	return want == nil
}

func (b *mBuffer) pending(u Usage) bool {
	return slices.ContainsFunc(b.fences, func(f *mFence) bool { return !f.done && f.u <= u })
}

// put is what the last reference asks for.
func (w *world) put(b *mBuffer) error {
	begun := b.begun[ToDevice]+b.begun[FromDevice]+b.begun[Bidirectional] > 0
	switch {
	case b.refs > 1:
	case len(b.atts) > 0:
		return ErrPutAttached
	case len(b.vmaps) > 0:
		return ErrPutVMapped
	case begun:
		return ErrPutAccess
	case b.pending(BookkeepUsage):
		return ErrPutFence
	}
	return nil
}

func (w *world) putDone(b *mBuffer) {
	if b.refs--; b.refs == 0 {
		b.released = 1
		b.calls["release"]++
		w.bufs = slices.DeleteFunc(w.bufs, func(x *mBuffer) bool { return x == b })
		w.dead = append(w.dead, b)
	}
}

func (p *mProcess) lowest(from int32) int32 {
	for fd := from; fd < p.limit; fd++ {
		if p.fds[fd] == nil {
			return fd
		}
	}
	return -1
}

func pick[T any](w *world, in []T) (v T, ok bool) {
	if len(in) == 0 {
		return v, false
	}
	return in[w.n(len(in))], true
}

// step does one random operation on both.
func (w *world) step() {
	p := w.procs[w.n(len(w.procs))]
	fd := int32(w.n(int(p.limit) + 2))
	dir := Direction(w.n(4))
	switch op := w.n(27); op {
	case 0, 1: // export and install
		if len(w.bufs) > 12 {
			return
		}
		pages := uint64(1 + w.n(3))
		e := &fullExporter{exporter{segs: []Segment{{ram + uint64(w.n(64))*page, pages * page}}}}
		real, err := w.core.Export(ExportInfo{Name: "model", Exporter: e, Size: pages * page, Flags: ORdWr})
		w.check("export", err, nil)
		b := &mBuffer{real: real, exp: e, refs: 1, begun: make(map[Direction]int), calls: make(map[string]int)}
		w.bufs = append(w.bufs, b)
		low := p.lowest(0)
		got, err := p.real.Install(real, OCloexec)
		if low < 0 {
			w.check("install", err, normalworld.EMFILE)
			b.held++
		} else if w.check("install", err, nil) {
			if got != low {
				w.tb.Fatalf("descriptor %d, want %d", got, low)
			}
			p.fds[low] = b
		}
	case 2, 3: // close
		b := p.fds[fd]
		if b == nil {
			w.check("close", p.real.Close(fd), normalworld.EBADF)
		} else if w.check("close", p.real.Close(fd), w.put(b)) {
			delete(p.fds, fd)
			w.putDone(b)
		}
	case 4: // dup
		b, low := p.fds[fd], p.lowest(0)
		got, err := p.real.Dup(fd)
		switch {
		case b == nil:
			w.check("dup", err, normalworld.EBADF)
		case low < 0:
			w.check("dup", err, normalworld.EMFILE)
		case w.check("dup", err, nil):
			if got != low {
				w.tb.Fatalf("descriptor %d, want %d", got, low)
			}
			p.fds[low] = b
			b.refs++
		}
	case 5: // dup2
		to := int32(w.n(int(p.limit) + 1))
		b, old := p.fds[fd], p.fds[to]
		err := p.real.Dup2(fd, to)
		switch {
		case b == nil || to >= p.limit:
			w.check("dup2", err, normalworld.EBADF)
		case fd == to:
			w.check("dup2", err, nil)
		default:
			b.refs++ // before the old one goes
			var rule error
			if old != nil {
				rule = w.put(old)
			}
			if !w.check("dup2", err, rule) {
				b.refs--
				return
			}
			if old != nil {
				w.putDone(old)
			}
			p.fds[to] = b
		}
	case 6: // get
		b := p.fds[fd]
		got, err := p.real.Get(fd)
		if b == nil {
			w.check("get", err, normalworld.EBADF)
		} else if w.check("get", err, nil) {
			if got != b.real {
				w.tb.Fatal("another buffer")
			}
			b.refs++
			b.held++
		}
	case 7: // put what the test holds
		if b, ok := pick(w, w.bufs); ok && b.held > 0 {
			if w.check("put", b.real.Put(), w.put(b)) {
				b.held--
				w.putDone(b)
			}
		}
	case 8: // use after release
		if b, ok := pick(w, w.dead); ok {
			_, err := b.real.Attach(Device{})
			w.check("attach to a released one", err, ErrReleased)
			w.check("put a released one", b.real.Put(), ErrReleased)
			w.check("begin on a released one", b.real.BeginCPUAccess(ToDevice), ErrReleased)
			_, err = b.real.VMap()
			w.check("vmap a released one", err, ErrReleased)
		}
		if a, ok := pick(w, w.gone); ok {
			_, err := a.Map(ToDevice)
			w.check("map a detached one", err, ErrDetached)
			w.check("unmap a detached one", a.Unmap(ToDevice), ErrDetached)
			w.check("detach a detached one", a.Detach(), ErrDetached)
		}
	case 9, 10: // attach
		if b, ok := pick(w, w.bufs); ok && len(b.atts) < 5 {
			real, err := b.real.Attach(Device{Name: "d"})
			w.check("attach", err, nil)
			b.calls["attach"]++
			b.atts = append(b.atts, &mAttachment{real: real})
		}
	case 11, 12, 13: // map
		if b, ok := pick(w, w.bufs); ok {
			if a, ok := pick(w, b.atts); ok {
				segs, err := a.real.Map(dir)
				switch {
				case dir == None:
					w.check("map", err, ErrDirection)
				case a.mapped:
					w.check("map", err, ErrMapTwice)
				case b.pending(KernelUsage):
					w.check("map", err, normalworld.EDEADLK)
					b.calls["map"]++
					b.calls["unmap"]++
				case w.check("map", err, nil):
					if !slices.Equal(segs, b.exp.segs) {
						w.tb.Fatalf("mapped %x, want %x", segs, b.exp.segs)
					}
					b.calls["map"]++
					a.mapped, a.dir = true, dir
				}
			}
		}
	case 14, 15: // unmap
		if b, ok := pick(w, w.bufs); ok {
			if a, ok := pick(w, b.atts); ok {
				if w.n(4) != 0 {
					dir = a.dir
				}
				err := a.real.Unmap(dir)
				switch {
				case !a.mapped:
					w.check("unmap", err, ErrNotMapped)
				case a.dir != dir:
					w.check("unmap", err, ErrUnmapDirection)
				case w.check("unmap", err, nil):
					b.calls["unmap"]++
					a.mapped = false
				}
			}
		}
	case 16, 17: // detach
		if b, ok := pick(w, w.bufs); ok {
			if a, ok := pick(w, b.atts); ok {
				var rule error
				if a.mapped {
					rule = ErrDetachMapped
				}
				if w.check("detach", a.real.Detach(), rule) {
					b.calls["detach"]++
					b.atts = slices.DeleteFunc(b.atts, func(x *mAttachment) bool { return x == a })
					w.gone = append(w.gone, a.real)
				}
			}
		}
	case 18: // begin
		if b, ok := pick(w, w.bufs); ok {
			err := b.real.BeginCPUAccess(dir)
			writes := dir == ToDevice || dir == Bidirectional
			switch {
			case dir == None:
				w.check("begin", err, ErrDirection)
				return
			case b.pending(KernelUsage) || b.pending(WriteUsage) || writes && b.pending(ReadUsage):
				w.check("begin", err, normalworld.EDEADLK)
				b.calls["end"]++
			case w.check("begin", err, nil):
				b.begun[dir]++
			}
			b.calls["begin"]++
		}
	case 19: // end
		if b, ok := pick(w, w.bufs); ok {
			err := b.real.EndCPUAccess(dir)
			switch {
			case dir == None:
				w.check("end", err, ErrDirection)
			case b.begun[dir] == 0:
				w.check("end", err, ErrNotBegun)
			case w.check("end", err, nil):
				b.begun[dir]--
				b.calls["end"]++
			}
		}
	case 20: // kernel mappings
		if b, ok := pick(w, w.bufs); ok {
			if v, ok := pick(w, b.vmaps); ok && w.n(2) == 0 {
				w.check("vunmap", v.Unmap(), nil)
				b.vmaps = slices.DeleteFunc(b.vmaps, func(x *VMap) bool { return x == v })
				w.check("vunmap twice", v.Unmap(), ErrVUnmap)
				if len(b.vmaps) == 0 {
					b.calls["vunmap"]++
				}
				return
			}
			v, err := b.real.VMap()
			w.check("vmap", err, nil)
			if len(b.vmaps) == 0 {
				b.calls["vmap"]++
			}
			b.vmaps = append(b.vmaps, v)
		}
	case 21: // process mappings
		if b := p.fds[fd]; b != nil && len(b.mmaps) < 4 {
			off, size := uint64(w.n(4))*page, uint64(w.n(3*page))
			m, err := p.real.MMap(fd, off, size, ProtRead|ProtWrite)
			if size == 0 || off+(size+page-1)&^(page-1) > b.real.Size() {
				w.check("mmap", err, ErrMMapRange)
			} else if w.check("mmap", err, nil) {
				b.calls["mmap"]++
				b.refs++
				b.mmaps = append(b.mmaps, m)
			}
		}
	case 22: // munmap
		if b, ok := pick(w, w.bufs); ok {
			if m, ok := pick(w, b.mmaps); ok {
				if w.check("munmap", m.Unmap(), w.put(b)) {
					b.mmaps = slices.DeleteFunc(b.mmaps, func(x *Mapping) bool { return x == m })
					w.putDone(b)
					w.check("read after munmap", m.Read(0, make([]byte, 1)), ErrSegv)
				}
			}
		}
	case 23: // fences
		b, ok := pick(w, w.bufs)
		if !ok {
			return
		}
		if f, ok := pick(w, b.fences); ok && w.n(3) != 0 {
			var rule error
			if f.done {
				rule = ErrSignalled
			}
			w.check("signal", f.real.Signal(), rule)
			f.done = true
			return
		}
		if len(b.fences) < 100 {
			f := &mFence{w.core.NewTimeline("d", "t", nil).NewFence(), Usage(w.n(4)), false}
			w.check("add fence", b.real.Reservation().Add(f.real, f.u), nil)
			b.fences = append(b.fences, f)
		}
	case 26: // the end of a buffer
		if b, ok := pick(w, w.bufs); ok && w.n(6) == 0 {
			w.retire(b)
		}
	case 24: // send
		if b := p.fds[fd]; b != nil && len(w.mail) < 5 {
			m, err := p.real.Send(fd, fd)
			w.check("send", err, nil)
			b.refs += 2
			w.mail = append(w.mail, &mMessage{m, []*mBuffer{b, b}})
		}
	case 25: // receive
		m, ok := pick(w, w.mail)
		if !ok {
			return
		}
		// What does not fit is put, which must be allowed here.
		if slices.ContainsFunc(m.bufs, func(b *mBuffer) bool {
			return b.refs <= 2 && w.put(&mBuffer{refs: 1, atts: b.atts, vmaps: b.vmaps, begun: b.begun, fences: b.fences}) != nil
		}) {
			return
		}
		var fit []int32
		for range m.bufs {
			if low := p.lowest(0); low >= 0 {
				fit = append(fit, low)
				p.fds[low] = m.bufs[0]
			}
		}
		got, truncated := p.real.Receive(m.real, 0)
		if !slices.Equal(got, fit) || truncated != (len(fit) < len(m.bufs)) {
			w.tb.Fatalf("received %v, truncated %v, want %v", got, truncated, fit)
		}
		w.stats.done["receive"]++
		for range m.bufs[len(fit):] {
			w.putDone(m.bufs[0])
		}
		w.mail = slices.DeleteFunc(w.mail, func(x *mMessage) bool { return x == m })
	}
}

// compare looks at all that both sides have.
func (w *world) compare() {
	var s Stats
	for _, b := range w.bufs {
		s.Buffers++
		s.Bytes += b.real.Size()
		s.Attachments += len(b.atts)
		s.MMaps += len(b.mmaps)
		s.VMaps += len(b.vmaps)
		if b.real.Refs() != b.refs || b.real.Released() {
			w.tb.Fatalf("%v: %d references, released %v, want %d; %q", b.real, b.real.Refs(), b.real.Released(), b.refs, w.log)
		}
		i := 0
		for a := range b.real.Attachments() {
			_, dir, mapped := a.Mapped()
			if i >= len(b.atts) || a != b.atts[i].real || mapped != b.atts[i].mapped || mapped && dir != b.atts[i].dir {
				w.tb.Fatalf("%v: attachment %d differs", b.real, i)
			}
			if mapped {
				s.Mapped++
			}
			i++
		}
		if i != len(b.atts) {
			w.tb.Fatalf("%v: %d attachments, want %d", b.real, i, len(b.atts))
		}
		for u := KernelUsage; u <= BookkeepUsage; u++ {
			if b.real.Reservation().Test(u) == b.pending(u) {
				w.tb.Fatalf("%v: fences of usage %v", b.real, u)
			}
		}
	}
	for _, b := range append(slices.Clone(w.bufs), w.dead...) {
		if b.exp.calls == nil {
			b.exp.calls = make(map[string]int)
		}
		if !maps.Equal(b.exp.calls, b.calls) {
			w.tb.Fatalf("%v: exporter's calls %v, want %v; %q", b.real, b.exp.calls, b.calls, w.log)
		}
	}
	for i, p := range w.procs {
		if p.real.Open() != len(p.fds) {
			w.tb.Fatalf("process %d has %d descriptors, want %d", i, p.real.Open(), len(p.fds))
		}
		for fd := range p.limit {
			f, err := p.real.Lookup(fd)
			if b := p.fds[fd]; b == nil != (err != nil) || b != nil && f != b.real {
				w.tb.Fatalf("process %d: descriptor %d is %v", i, fd, f)
			}
		}
	}
	got := w.core.Stats()
	if s.Buffers != got.Buffers || s.Bytes != got.Bytes || s.Attachments != got.Attachments || s.Mapped != got.Mapped || s.MMaps != got.MMaps ||
		s.VMaps != got.VMaps || len(w.core.Buffers()) != s.Buffers {
		w.tb.Fatalf("%+v, want %+v", got, s)
	}
	if len(w.dead) > 20 {
		w.dead = w.dead[10:]
	}
	if len(w.gone) > 20 {
		w.gone = w.gone[10:]
	}
}

// finish ends everything in the order that the rules ask for: nothing is left.
func (w *world) finish() {
	for len(w.bufs) > 0 {
		w.retire(w.bufs[0])
	}
	for _, p := range w.procs {
		ok(w.tb, p.real.CloseAll())
	}
	if s := w.core.Stats(); s.Buffers != 0 || s.Bytes != 0 || s.Attachments != 0 || s.Mapped != 0 || s.MMaps != 0 || s.VMaps != 0 || s.Exports != s.Releases {
		w.tb.Errorf("left: %+v", s)
	}
}

// retire ends all use of a buffer in the order that the rules ask for.
func (w *world) retire(b *mBuffer) {
	for _, f := range b.fences {
		if !f.done {
			w.check("signal", f.real.Signal(), nil)
			f.done = true
		}
	}
	for _, d := range []Direction{Bidirectional, ToDevice, FromDevice} {
		for ; b.begun[d] > 0; b.begun[d]-- {
			w.check("end", b.real.EndCPUAccess(d), nil)
			b.calls["end"]++
		}
	}
	for _, v := range b.vmaps {
		w.check("vunmap", v.Unmap(), nil)
	}
	if len(b.vmaps) > 0 {
		b.vmaps = nil
		b.calls["vunmap"]++
	}
	for _, a := range b.atts {
		if a.mapped {
			w.check("unmap", a.real.Unmap(a.dir), nil)
			b.calls["unmap"]++
		}
		w.check("detach", a.real.Detach(), nil)
		b.calls["detach"]++
	}
	b.atts = nil
	for _, m := range b.mmaps {
		w.check("munmap", m.Unmap(), nil)
		w.putDone(b)
	}
	b.mmaps = nil
	for ; b.held > 0; b.held-- {
		w.check("put", b.real.Put(), nil)
		w.putDone(b)
	}
	for _, p := range w.procs {
		for fd := range p.limit {
			if p.fds[fd] == b {
				w.check("close", p.real.Close(fd), nil)
				delete(p.fds, fd)
				w.putDone(b)
			}
		}
	}
	w.mail = slices.DeleteFunc(w.mail, func(m *mMessage) bool {
		if m.bufs[0] != b {
			return false
		}
		w.check("discard", m.real.Discard(), nil)
		w.putDone(b)
		w.putDone(b)
		return true
	})
	if !b.real.Released() {
		w.tb.Fatalf("%v: %d references are left", b.real, b.real.Refs())
	}
}

func TestModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*modelSeed, 0))
	w := newWorld(t, newCore(t), rnd.IntN)
	for i := range *modelOps {
		w.step()
		if i%8 == 0 {
			w.compare()
		}
	}
	w.compare()
	w.finish()
	if testing.Verbose() {
		t.Logf("done %v", w.stats.done)
		t.Logf("refused %v", w.stats.denied)
	}
	// Every rule and every operation must have been met, else the numbers above are worth little.
	if len(w.stats.done) < 18 || len(w.stats.denied) < 30 {
		t.Errorf("%d operations and %d refusals were met: %v %v", len(w.stats.done), len(w.stats.denied), w.stats.done, w.stats.denied)
	}
}

func FuzzOperations(f *testing.F) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 600)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		f.Add(b)
	}
	core := newCore(f)
	kernel := core.Kernel
	f.Fuzz(func(t *testing.T, ops []byte) {
		i := 0
		w := newWorld(t, New(kernel), func(n int) int {
			if i >= len(ops) {
				return 0
			}
			i++
			// Where n is large, one byte does not reach all values; that is as good as another choice.
			return int(ops[i-1]) % n
		})
		for steps := 0; i < len(ops) && steps < 1000; steps++ {
			w.step()
			w.compare()
		}
		w.finish()
	})
}

// FuzzIoctl gives descriptors of every kind any command and argument. The buffer stays usable.
func FuzzIoctl(f *testing.F) {
	f.Add(int32(0), uint32(IoctlSync), []byte{3, 0, 0, 0, 0, 0, 0, 0})
	f.Add(int32(0), uint32(IoctlSetNameB), []byte("name\x00"))
	f.Add(int32(0), uint32(IoctlExportSyncFile), []byte{2, 0, 0, 0, 0, 0, 0, 0})
	f.Add(int32(0), uint32(IoctlImportSyncFile), []byte{2, 0, 0, 0, 1, 0, 0, 0})
	f.Add(int32(1), uint32(IoctlImportSyncFile), []byte{})
	kernel := newCore(f).Kernel
	f.Fuzz(func(t *testing.T, fd int32, cmd uint32, arg []byte) {
		c := New(kernel)
		b, _ := export(t, c, Segment{ram, page})
		files := NewFiles(4)
		install(t, files, b, 0)
		fence := c.NewTimeline("d", "t", nil).NewFence()
		install(t, files, NewSyncFile(fence), 0)
		open := files.Open()
		err := files.Ioctl(fd, cmd, arg)
		if fd != 0 && err == nil {
			t.Errorf("descriptor %d took command %#x", fd, cmd)
		}
		if made := files.Open() - open; made != 0 && (err != nil || cmd != IoctlExportSyncFile || made != 1) {
			t.Errorf("command %#x made %d descriptors, %v", cmd, made, err)
		}
		for dir, n := range b.begun {
			for range n {
				ok(t, b.EndCPUAccess(Direction(dir)))
			}
		}
		if _, err := files.Lookup(0); err == nil && b.Poll(PollIn|PollOut) != PollIn|PollOut {
			want(t, "close", files.Close(0), ErrPutFence)
		}
		ok(t, fence.Signal())
		ok(t, files.CloseAll())
		if !b.Released() {
			t.Error("not released")
		}
	})
}

// BenchmarkCycle is the life of a buffer in the core alone.
func BenchmarkCycle(b *testing.B) {
	c := newCore(b)
	e := &null{segs: []Segment{{ram, 16 * page}}}
	files := NewFiles(0)
	dev := Device{Name: "decoder"}
	b.ReportAllocs()
	for b.Loop() {
		buf, err := c.Export(ExportInfo{Name: "null", Exporter: e, Size: 16 * page})
		if err != nil {
			b.Fatal(err)
		}
		fd, err1 := files.Install(buf, OCloexec)
		a, err2 := buf.Attach(dev)
		if err1 != nil || err2 != nil {
			b.Fatal(err1, err2)
		}
		if _, err := a.Map(Bidirectional); err != nil {
			b.Fatal(err)
		}
		if err1, err2, err3 := a.Unmap(Bidirectional), a.Detach(), files.Close(fd); err1 != nil || err2 != nil || err3 != nil {
			b.Fatal(err1, err2, err3)
		}
	}
}

// null is an exporter that costs nothing.
type null struct{ segs []Segment }

func (n *null) Attach(*Attachment) error                          { return nil }
func (n *null) Detach(*Attachment)                                {}
func (n *null) Map(a *Attachment, _ Direction) ([]Segment, error) { return a.MapSG(n.segs) }
func (n *null) Unmap(*Attachment, []Segment, Direction)           {}
func (n *null) Release(*Buffer)                                   {}
