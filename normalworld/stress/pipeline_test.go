package stress_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/tee"
	"gatehouse/normalworld/usecase"
	"gatehouse/platform/bus"
	wire "gatehouse/smc/optee"
)

// clearSample decrypts and decodes a sample with the standard library.
func clearSample(s *usecase.Sample) ([]byte, image.Image, error) {
	block, err := aes.NewCipher(usecase.ContentKey[:])
	if err != nil {
		return nil, nil, err
	}
	data := bytes.Clone(s.Data)
	stream := cipher.NewCTR(block, append(bytes.Clone(s.Protection.IV), make([]byte, 8)...))
	off := 0
	for _, sub := range s.Protection.Subsamples {
		off += int(sub.Clear)
		stream.XORKeyStream(data[off:off+int(sub.Encrypted)], data[off:off+int(sub.Encrypted)])
		off += int(sub.Encrypted)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	return data, img, err
}

// inFlight is how many frames are under way at one time.
const inFlight = 8

// frame is one frame on its way. Its buffers are things of the model; a process holds their descriptors, and closes them as it likes.
type frame struct {
	number   int
	stage    int
	es, yuv  *thing
	rgb      *thing
	src, dst *thing // of the job that runs
	job      *driver.Job
	waits    bool // for a region
	freed    int  // buffers when it began to wait
}

// pipe is frames on their way through decrypt, decode, transform and display.
type pipe struct {
	*world
	clip    *usecase.Clip
	key     uint64
	session uint32
	frames  []*frame
	next    int
	done    int
	nested  bool
	aborted int
	waited  int
	peak    int
	closed  int // descriptors, within SMCs
	marks   marks
}

var errClosed = errors.New("the descriptor was closed")

// buffer allocates one, whose only descriptor is in the first table.
func (p *pipe) buffer(size uint64) (*thing, error) {
	h, err := p.l.Heap(heap.SecureVideoPlay)
	if err != nil {
		return nil, err
	}
	b, err := h.Buffer(size, dmabuf.ORdWr)
	if err != nil {
		return nil, err
	}
	shm, err := p.ctx.RegisterBuffer(b)
	if err != nil {
		return nil, errors.Join(err, b.Put())
	}
	x := &thing{buf: b, size: b.Size(), id: heap.SecureVideoPlay, data: make([]byte, b.Size())}
	x.segs = []dmabuf.Segment{{Addr: shm.Pages()[0], Len: b.Size()}}
	shm.Put()
	fd, err := p.files[0].Install(b, 0)
	if err != nil {
		return nil, errors.Join(err, b.Put())
	}
	x.fds = []ref{{0, fd}}
	p.things = append(p.things, x)
	p.probeAll(x)
	return x, nil
}

// probeAll asks every master, at a place of its own choice.
func (p *pipe) probeAll(x *thing) {
	p.t.Helper()
	if x.buf.Released() {
		return
	}
	want := x.allowed(p.policy)
	pa := x.segs[0].Addr + uint64(p.rnd.Uint32())%x.size
	if r, w := p.reach(pa); r != want.read || w != want.write {
		p.fatalf("%v at %#x is read by %s, written by %s; want %s, %s", x.buf, pa, bus.NSAIDSet(r), bus.NSAIDSet(w), bus.NSAIDSet(want.read), bus.NSAIDSet(want.write))
	}
}

// drop closes the descriptor of a buffer, if that was not done before.
func (p *pipe) drop(x *thing) {
	if x == nil || len(x.fds) == 0 {
		return
	}
	f := x.fds[0]
	x.fds = nil
	p.ok(p.files[0].Close(f.fd))
	p.settle(x)
}

// settle looks at a buffer after a reference has gone.
func (p *pipe) settle(x *thing) {
	if len(x.fds) == 0 && len(x.maps) == 0 && x.buf.Released() && slices.Contains(p.things, x) {
		p.gone(x)
	}
}

// begin maps a buffer for a device, by its descriptor.
func (p *pipe) begin(x *thing, dev *dmabuf.Device, dir dmabuf.Direction) error {
	if len(x.fds) == 0 {
		return errClosed
	}
	b, err := p.files[0].Get(x.fds[0].fd)
	p.ok(err)
	a, err := b.Attach(*dev)
	p.ok(err)
	m := &mapping{dev: dev, att: a, dir: dir}
	x.maps = append(x.maps, m)
	if _, err := a.Map(dir); err != nil {
		p.end(x)
		return err
	}
	m.mapped = true
	p.probeAll(x)
	return nil
}

// end undoes it.
func (p *pipe) end(x *thing) {
	m := x.maps[len(x.maps)-1]
	if m.mapped {
		p.ok(m.att.Unmap(m.dir))
		m.mapped = false
	}
	p.ok(m.att.Detach())
	x.maps = x.maps[:len(x.maps)-1]
	if !x.buf.Released() {
		p.probeAll(x)
	}
	p.ok(x.buf.Put())
	p.settle(x)
}

// give gives up all that a frame has.
func (p *pipe) give(f *frame) {
	for _, x := range []*thing{f.es, f.yuv, f.rgb} {
		p.drop(x)
	}
	f.es, f.yuv, f.rgb, f.stage = nil, nil, nil, 0
}

// memory is a buffer as a driver gives it to an engine.
func (x *thing) memory() driver.Buffer {
	return driver.Buffer{Segs: x.segs, Protected: x.buf.Protected()}
}

// first is the first n bytes of it.
func (x *thing) first(n int) driver.Buffer {
	b := x.memory()
	b.Length = uint32(n)
	return b
}

// submit starts a job between two buffers.
func (p *pipe) submit(f *frame, src, dst *thing, dev *dmabuf.Device, start func() (*driver.Job, error)) error {
	if err := p.begin(src, dev, dmabuf.ToDevice); err != nil {
		return err
	}
	if err := p.begin(dst, dev, dmabuf.FromDevice); err != nil {
		p.end(src)
		return err
	}
	j, err := start()
	p.ok(err)
	f.job, f.src, f.dst = j, src, dst
	return nil
}

// ended waits for a frame's job.
func (p *pipe) ended(f *frame) bool {
	if f.job == nil {
		return true
	}
	if !f.job.Fence().Signalled() {
		return false
	}
	p.ok(f.job.Fence().Err())
	p.probeAll(f.src)
	p.probeAll(f.dst)
	p.end(f.dst)
	p.end(f.src)
	f.job, f.src, f.dst = nil, nil, nil
	return true
}

// advance takes a frame one step further. It reports whether anything was done; an error says that the frame has to wait, or that
// it was given up.
func (p *pipe) advance(f *frame) (bool, error) {
	c := p.clip
	s := &c.Samples[f.number%len(c.Samples)]
	var err error
	if !p.ended(f) {
		return false, nil
	}
	switch p.what = fmt.Sprintf("frame %d, stage %d", f.number, f.stage); f.stage {
	case 0:
		f.es, err = p.buffer(uint64(c.LargestSample()))
	case 1:
		err = p.decrypt(f.es, s)
	case 2:
		f.yuv, err = p.buffer(uint64(driver.NV12.Size(c.Width, c.Height)))
	case 3:
		err = p.submit(f, f.es, f.yuv, p.devs[0], func() (*driver.Job, error) {
			dest := driver.Frame(driver.NV12, driver.BT601Full, c.Width, c.Height, f.yuv.memory())
			return p.l.Decoder.Submit(&driver.DecodeJob{Codec: c.Codec, Dest: &dest,
				Stream: f.es.first(len(s.Data))})
		})
	case 4:
		p.drop(f.es)
	case 5:
		f.rgb, err = p.buffer(uint64(driver.XRGB8888.Size(c.Width, c.Height)))
	case 6:
		err = p.submit(f, f.yuv, f.rgb, p.devs[1], func() (*driver.Job, error) {
			src := driver.Frame(driver.NV12, driver.BT601Full, c.Width, c.Height, f.yuv.memory())
			return p.l.Transform.Submit(&driver.TransformJob{Source: &src,
				Dest: driver.Frame(driver.XRGB8888, driver.BT601Full, c.Width, c.Height, f.rgb.memory())})
		})
	case 7:
		p.drop(f.yuv)
	case 8:
		err = p.show(f, s)
	}
	if err != nil {
		return false, err
	}
	f.stage++
	return true, nil
}

// decrypt has the application fill a stream buffer.
func (p *pipe) decrypt(x *thing, s *usecase.Sample) error {
	if len(x.fds) == 0 {
		return errClosed
	}
	b, err := p.files[0].Get(x.fds[0].fd)
	p.ok(err)
	shm, err := p.ctx.RegisterBuffer(b)
	p.ok(err)
	p.ok(b.Put()) // the shared memory holds the buffer
	defer func() {
		shm.Put()
		p.settle(x)
	}()
	share := func(data []byte) *tee.SHM {
		m, err := p.ctx.AllocKernel(uint64(len(data)))
		p.ok(err)
		p.ok(m.Write(0, data))
		return m
	}
	data, info := share(s.Data), share(s.Info)
	ret, _ := p.invoke(p.session, wire.DecryptCmdDecrypt,
		tee.Memref(tee.AttrMemrefInput, data, 0, uint64(len(s.Data))), tee.Memref(tee.AttrMemrefOutput, shm, 0, uint64(len(s.Data))),
		tee.Memref(tee.AttrMemrefInput, info, 0, uint64(len(s.Info))), tee.Value(tee.AttrValueInput, p.key, 8, 0))
	data.Put()
	info.Put()
	if ret != wire.Success {
		p.fatalf("decryption: %v", ret)
	}
	if len(x.fds) > 0 {
		p.probeAll(x)
	}
	return nil
}

// show puts a picture on the display, and compares what stands there with what the standard library makes of the sample.
func (p *pipe) show(f *frame, s *usecase.Sample) error {
	c := p.clip
	if err := p.begin(f.rgb, p.devs[2], dmabuf.ToDevice); err != nil {
		return err
	}
	p.ok(p.l.Display.Enable(driver.ModeFor(c.Width, c.Height), driver.XRGB8888, driver.Buffer{Segs: f.rgb.segs, Stride: 4 * c.Width}))
	p.ok(p.l.Display.WaitFrame())
	p.probeAll(f.rgb)
	p.ok(p.l.Display.Disable())
	p.end(f.rgb)
	got, _ := p.m.Frame()
	_, want, err := clearSample(s)
	p.ok(err)
	for y := 1; y < want.Bounds().Dy(); y += 13 {
		for x := 1; x < want.Bounds().Dx(); x += 17 {
			r, g, b, _ := got.At(x, y).RGBA()
			r2, g2, b2, _ := want.At(x, y).RGBA()
			for _, d := range [][2]uint32{{r, r2}, {g, g2}, {b, b2}} {
				if max(d[0], d[1])-min(d[0], d[1]) > 5<<8 {
					p.fatalf("pixel %d, %d is not that of the frame", x, y)
				}
			}
		}
	}
	return nil
}

// closeAny closes the descriptor of any buffer.
func (p *pipe) closeAny() bool {
	if len(p.things) == 0 {
		return false
	}
	x := p.things[p.rnd.IntN(len(p.things))]
	if len(x.fds) == 0 {
		return false
	}
	p.drop(x)
	return true
}

// early looks, between two steps of the secure world, whether the processor reads a buffer that is in use, or content of one that is just
// being given back.
func (p *pipe) early() {
	var b [page]byte
	for _, x := range p.things {
		for off := uint64(0); off < min(x.size, 2*page); off += page {
			if p.ports[bus.NSAIDAP].Read(x.segs[0].Addr+off, b[:]) != bus.OKAY {
				continue
			}
			if !x.buf.Released() {
				p.fatalf("the processor reads %v in the middle of a call", x.buf)
			}
			for _, m := range p.marks {
				if bytes.Contains(b[:], m) {
					p.fatalf("the processor reads what was in %v in the middle of a call", x.buf)
				}
			}
			p.count["looks at memory that came back"]++
		}
	}
}

// during runs other operations in the middle of a call.
func (p *pipe) during() {
	p.early()
	if p.nested || p.rnd.IntN(24) != 0 {
		return
	}
	p.nested = true
	what := p.what
	p.what = "within a call of " + what
	switch p.rnd.IntN(4) {
	case 0, 1:
		if p.closeAny() {
			p.closed++
		}
	case 2:
		// Somebody else's buffer comes and goes.
		h, err := p.l.Heap(heap.SecureVideoPlay)
		p.ok(err)
		b, err := h.Buffer(page, 0)
		if p.room(err) {
			p.ok(b.Put())
		}
	case 3:
		// Time passes: interrupts come, jobs end.
		p.l.Kernel.Sleep(50_000)
	}
	p.what = what
	p.nested = false
}

// run has n frames go through, with descriptors that are closed at any moment.
func (p *pipe) run(n int) {
	idle := 0
	for p.done < n {
		for len(p.frames) < inFlight && p.next < n {
			p.frames = append(p.frames, &frame{number: p.next})
			p.next++
		}
		p.peak = max(p.peak, len(p.things))
		progress := false
		for _, f := range slices.Clone(p.frames) {
			if f.waits && f.freed == p.count["freed"] && idle == 0 {
				continue
			}
			f.waits = false
			moved, err := p.advance(f)
			switch {
			case errors.Is(err, errClosed):
				// Its process has closed what was needed: the frame starts anew.
				p.give(f)
				p.aborted++
				moved = true
			case errors.Is(err, normalworld.ENOSPC) || errors.Is(err, normalworld.ENOMEM):
				p.waited++
				f.waits, f.freed = true, p.count["freed"]
			case err != nil:
				p.fatalf("%v", err)
			}
			progress = progress || moved
			if f.stage > 8 {
				p.give(f)
				p.frames = slices.DeleteFunc(p.frames, func(o *frame) bool { return o == f })
				p.done++
			}
			if moved && p.rnd.IntN(40) == 0 {
				p.closeAny()
			}
		}
		if progress {
			idle = 0
			continue
		}
		busy := slices.ContainsFunc(p.frames, func(f *frame) bool { return f.job != nil })
		if busy && p.l.Kernel.Sleep(normalworld.Forever) {
			continue
		}
		// All wait for regions: the last frame gives its own up.
		if idle++; idle > 2*inFlight {
			p.fatalf("nothing goes on")
		}
		for _, f := range slices.Backward(p.frames) {
			if f.job == nil && (f.es != nil || f.yuv != nil || f.rgb != nil) {
				p.give(f)
				break
			}
		}
	}
}

func newPipe(t *testing.T, r *rig) *pipe {
	l, err := r.boot()
	must(t, err)
	w := &world{rig: r, t: t, l: l, rnd: rand.New(rand.NewPCG(*seed, uint64(len(r.abi))<<16|uint64(len(r.policy)))), count: map[string]int{}}
	w.files = [2]*dmabuf.Files{dmabuf.NewFiles(64), dmabuf.NewFiles(1)}
	for _, d := range []dmabuf.Device{l.Decoder.Device, l.Transform.Device, l.Display.Device} {
		w.devs = append(w.devs, &d)
	}
	w.ctx, err = l.OPTEE.Device().OpenKernel()
	must(t, err)
	p := &pipe{world: w, clip: usecase.BundledClip()}
	p.session = w.open(wire.DecryptUUID())
	shm, err := w.ctx.AllocKernel(16)
	must(t, err)
	must(t, shm.Write(0, usecase.ContentKey[:]))
	ret, out := w.invoke(p.session, wire.DecryptCmdLoadKey, tee.Memref(tee.AttrMemrefInput, shm, 0, 16), tee.Value(tee.AttrValueOutput, 0, 0, 0))
	if ret != wire.Success {
		t.Fatalf("key: %v", ret)
	}
	shm.Put()
	p.key = out[1].A
	return p
}

// Eight frames in flight, whose descriptors are closed between steps and in the middle of SMCs: frames that have all they need come on
// the screen, nothing is readable by whom it should not be, and nothing stays.
func TestPipeline(t *testing.T) {
	frames := 72
	if long {
		frames = 400
	}
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		r := newRig(t, abi, policy, wire.UseCaseSecureVideoPlay, 4<<20)
		p := newPipe(t, r)
		var k marks
		for i := range p.clip.Samples {
			data, _, err := clearSample(&p.clip.Samples[i])
			must(t, err)
			k.add(data, p.clip.Samples[i].Data)
		}
		p.marks = k
		r.tap.during = p.during
		p.run(frames)
		r.tap.during = nil
		must(t, r.search(k, ordinary...))
		p.ctx.Close()
		must(t, r.down(p.l))
		must(t, r.open())
		must(t, r.search(k, ordinary...))
		t.Logf("%d frames, %d aborted, %d waits for regions, %d buffers at most, %d descriptors closed within SMCs", p.done, p.aborted, p.waited, p.peak, p.closed)
		if p.aborted == 0 || p.closed == 0 || p.peak < 6 {
			t.Errorf("%d frames aborted, %d descriptors closed within SMCs, %d buffers at most", p.aborted, p.closed, p.peak)
		}
		if looks := p.count["looks at memory that came back"]; (policy == lab.Buffer || policy == lab.Map) && looks == 0 {
			t.Error("no memory was looked at as it came back")
		}
		if (policy == lab.Buffer) != (p.waited > 0) && policy != lab.Map {
			t.Errorf("%d waits for regions", p.waited)
		}
	})
}

// The player itself with eight buffers between two stages, where pools and regions suffice; where they do not it says so, and leaves
// nothing behind.
func TestPlayback(t *testing.T) {
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		r := newRig(t, abi, policy, wire.UseCaseSecureVideoPlay, 4<<20)
		l, err := r.boot()
		must(t, err)
		res, err := usecase.Run(l, r.options(usecase.Options{UseCase: usecase.Playback, Frames: 24, InFlight: inFlight, Spy: portSpy{r}}))
		switch {
		case policy == lab.Buffer || policy == lab.Map:
			if !errors.Is(err, normalworld.ENOSPC) && !errors.Is(err, normalworld.ENOMEM) {
				t.Errorf("24 buffers with eight regions: %v", err)
			}
		case err != nil:
			t.Error(err)
		case !res.OK() || res.Frames != 24:
			t.Errorf("%d frames, verdict %v", res.Frames, res.OK())
		}
		must(t, r.down(l))
		must(t, r.open())
	})
}
