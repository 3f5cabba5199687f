package driver_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/internal/labtest"
	"gatehouse/normalworld/lab"
	"gatehouse/platform"
)

func boot(t testing.TB) (*platform.Machine, *lab.Lab) {
	t.Helper()
	m := labtest.Machine(t, lab.Pool)
	l, err := lab.New(m, lab.Options{ABI: lab.FFA, Policy: lab.Pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// memory is a buffer of a heap that a device has mapped.
type memory struct {
	buf *dmabuf.Buffer
	att *dmabuf.Attachment
	driver.Buffer
}

func alloc(t testing.TB, l *lab.Lab, heapName string, size uint32, dev dmabuf.Device) memory {
	t.Helper()
	h, err := l.Heaps.Open(heapName)
	must(t, err)
	b, err := h.Buffer(uint64(size), dmabuf.ORdWr)
	must(t, err)
	a, err := b.Attach(dev)
	must(t, err)
	segs, err := a.Map(dmabuf.Bidirectional)
	must(t, err)
	t.Cleanup(func() {
		must(t, a.Unmap(dmabuf.Bidirectional))
		must(t, a.Detach())
		must(t, b.Put())
	})
	return memory{b, a, driver.Buffer{Segs: segs, Length: size, Protected: b.Protected()}}
}

func (m memory) write(t testing.TB, p []byte) {
	t.Helper()
	v, err := m.buf.MMap(0, m.buf.Size(), dmabuf.ProtRead|dmabuf.ProtWrite)
	must(t, err)
	must(t, v.Write(0, p))
	must(t, v.Unmap())
}

func (m memory) read(t testing.TB, n int) []byte {
	t.Helper()
	v, err := m.buf.MMap(0, m.buf.Size(), dmabuf.ProtRead)
	must(t, err)
	p := make([]byte, n)
	must(t, v.Read(0, p))
	must(t, v.Unmap())
	return p
}

// A picture goes from the camera through transform and encoder, and decodes to what package image/jpeg makes of the bitstream. The
// memory is scattered pages of the system heap.
func TestChain(t *testing.T) {
	_, l := boot(t)
	const w, h = 320, 180
	shot := alloc(t, l, heap.System, driver.NV12.Size(w, h), l.Camera.Device)
	picture := driver.Frame(driver.NV12, driver.BT601Full, w, h, shot.Buffer)
	taken := &shots{}
	l.Camera.Shots = taken
	must(t, l.Camera.Queue(&picture))
	must(t, l.Camera.Start(1_000_000))
	for len(taken.all) == 0 && l.Kernel.Sleep(normalworld.Forever) {
	}
	must(t, l.Camera.Stop())
	if len(taken.all) != 1 || taken.all[0].Err != nil || taken.all[0].Picture != &picture {
		t.Fatalf("frames: %+v", taken.all)
	}
	half := alloc(t, l, heap.System, driver.NV12.Size(w/2, h/2), l.Transform.Device)
	small := driver.Frame(driver.NV12, driver.BT601Full, w/2, h/2, half.Buffer)
	must(t, l.Transform.Run(&driver.TransformJob{Source: &picture, Dest: small, Bilinear: true}))
	stream := alloc(t, l, heap.System, 64<<10, l.Encoder.Device)
	n, err := l.Encoder.Run(&driver.EncodeJob{Source: small, Stream: stream.Buffer, Quality: 90})
	must(t, err)
	want, err := jpeg.Decode(bytes.NewReader(stream.read(t, int(n))))
	must(t, err)
	if want.Bounds() != image.Rect(0, 0, w/2, h/2) {
		t.Fatalf("the bitstream has a picture of %v", want.Bounds())
	}
	info, err := l.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: driver.Buffer{Segs: stream.Segs, Length: n}})
	must(t, err)
	if info.Width != w/2 || info.Height != h/2 || info.Sampling != 0x420 || info.Used != n {
		t.Errorf("headers: %+v", info)
	}
	out := alloc(t, l, heap.System, driver.I420.Size(w/2, h/2), l.Decoder.Device)
	dest := driver.Frame(driver.I420, driver.BT601Full, w/2, h/2, out.Buffer)
	_, err = l.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: driver.Buffer{Segs: stream.Segs, Length: n}, Dest: &dest})
	must(t, err)
	y := want.(*image.YCbCr)
	got := out.read(t, w/2*h/2)
	for row := range h / 2 {
		if !bytes.Equal(got[row*w/2:(row+1)*w/2], y.Y[row*y.YStride:row*y.YStride+w/2]) {
			t.Fatalf("row %d differs from what image/jpeg decodes", row)
		}
	}
	if s := l.Decoder.Stats(); s.Jobs != 2 || s.Failed != 0 || s.Busy == 0 || s.BytesWritten != uint64(driver.I420.Size(w/2, h/2)) {
		t.Errorf("statistics: %+v", s)
	}
}

type shots struct{ all []driver.Shot }

func (s *shots) Shot(x driver.Shot) { s.all = append(s.all, x) }

// Jobs wait their turn; each fence is signalled when its job is done, in order.
func TestQueue(t *testing.T) {
	_, l := boot(t)
	const w, h, n = 64, 64, 9
	var jobs []*driver.Job
	var bufs []memory
	for i := range n {
		b := alloc(t, l, heap.System, driver.XRGB8888.Size(w, h), l.Transform.Device)
		j, err := l.Transform.Submit(&driver.TransformJob{Dest: driver.Frame(driver.XRGB8888, 0, w, h, b.Buffer), Fill: uint32(i + 1)})
		must(t, err)
		jobs, bufs = append(jobs, j), append(bufs, b)
	}
	if s := l.Transform.Stats(); s.Queued != n-1 || s.LongestLine != n-1 {
		t.Errorf("%d jobs wait, want %d", s.Queued, n-1)
	}
	must(t, jobs[4].Fence().Wait(normalworld.Forever))
	for i, j := range jobs {
		if j.Fence().Signalled() != (i <= 4) {
			t.Errorf("when job 4 is done, job %d is: %v", i, j.Fence().Signalled())
		}
	}
	must(t, jobs[n-1].Fence().Wait(normalworld.Forever))
	for i, b := range bufs {
		if p := b.read(t, 4*w*h); p[0] != byte(i+1) || p[len(p)-4] != byte(i+1) || jobs[i].Elapsed() == 0 {
			t.Errorf("picture %d is filled with %d", i, p[0])
		}
	}
}

// A denied access ends the job, says where, and the next one runs.
func TestDenied(t *testing.T) {
	_, l := boot(t)
	const w, h = 64, 64
	secret := alloc(t, l, heap.SecureVideoPlay.String(), driver.XRGB8888.Size(w, h), l.Decoder.Device)
	shut := alloc(t, l, heap.SecureVideoPlay.String(), driver.XRGB8888.Size(w, h), l.Decoder.Device)
	if !secret.Protected {
		t.Fatal("a restricted buffer does not say that it is protected")
	}
	open := alloc(t, l, heap.System, driver.XRGB8888.Size(w, h), l.Encoder.Device)
	// The encoder has no part in playback.
	_, err := l.Encoder.Run(&driver.EncodeJob{Source: driver.Frame(driver.XRGB8888, 0, w, h, secret.Buffer), Stream: shut.Buffer, Quality: 50})
	var job *driver.JobError
	if !errors.As(err, &job) || job.Result != driver.ResultFault || job.Write || job.Addr != secret.Segs[0].Addr || job.Buffer != 0 {
		t.Errorf("the encoder: %v, want a refused read at %#x", err, secret.Segs[0].Addr)
	}
	// Whoever has a part in it gets nothing out, neither as what it is nor as another one.
	out := driver.Frame(driver.XRGB8888, 0, w, h, open.Buffer)
	picture := driver.Frame(driver.XRGB8888, 0, w, h, secret.Buffer)
	err = l.Transform.Run(&driver.TransformJob{Source: &picture, Dest: out})
	if !errors.As(err, &job) || job.Result != driver.ResultIdentity || errors.Is(err, normalworld.EFAULT) {
		t.Errorf("the transform: %v, want a refusal at the start", err)
	}
	picture.Planes[0].Protected = false
	err = l.Transform.Run(&driver.TransformJob{Source: &picture, Dest: out})
	if !errors.As(err, &job) || job.Result != driver.ResultFault || job.Write || job.Addr != secret.Segs[0].Addr {
		t.Errorf("the transform, as for ordinary memory: %v, want a refused read", err)
	}
	picture.Planes[0].Protected, out.Planes[0].Protected = true, true
	err = l.Transform.Run(&driver.TransformJob{Source: &picture, Dest: out})
	if !errors.As(err, &job) || job.Result != driver.ResultFault || !job.Write || job.Addr != open.Segs[0].Addr {
		t.Errorf("the transform, as for protected memory: %v, want a refused write", err)
	}
	must(t, l.Transform.Run(&driver.TransformJob{Source: &picture, Dest: driver.Frame(driver.XRGB8888, 0, w, h, shut.Buffer)}))
	if !bytes.Equal(open.read(t, w*h*4), make([]byte, w*h*4)) {
		t.Error("something was written")
	}
	if err := l.DMA.Copy(open.Segs[0].Addr, secret.Segs[0].Addr, 256); !errors.As(err, &job) || !errors.Is(err, normalworld.EIO) {
		t.Errorf("the PL080: %v, want a refusal", err)
	}
	must(t, l.Transform.Run(&driver.TransformJob{Dest: driver.Frame(driver.XRGB8888, 0, w, h, open.Buffer), Fill: 0x123456}))
	for range 2 {
		err = l.Transform.Run(&driver.TransformJob{Dest: driver.Picture{Format: driver.XRGB8888, Width: 0, Height: h, Planes: []driver.Buffer{open.Buffer}}})
		if !errors.As(err, &job) || job.Result != driver.ResultParameter {
			t.Errorf("a picture without width: %v", err)
		}
	}
}

// A job without its key fails; the list of the copy engine has several items.
func TestCryptoAndDMA(t *testing.T) {
	_, l := boot(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	in := alloc(t, l, heap.DefaultCMA, 200_000, l.Crypto.Device)
	out := alloc(t, l, heap.DefaultCMA, 200_000, l.Crypto.Device)
	data := make([]byte, 200_000)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	in.write(t, data)
	err := l.Crypto.Run(&driver.CryptoJob{Slot: 3, Length: 1000, Source: in.Buffer, Dest: out.Buffer})
	var job *driver.JobError
	if !errors.As(err, &job) || job.Result != driver.ResultKey {
		t.Errorf("an empty slot: %v", err)
	}
	must(t, l.DMA.Copy(out.Segs[0].Addr, in.Segs[0].Addr, 200_000))
	if !bytes.Equal(out.read(t, len(data)), data) {
		t.Error("the copy differs")
	}
	for _, bad := range [][3]uint64{{out.Segs[0].Addr, in.Segs[0].Addr, 0}, {out.Segs[0].Addr + 1, in.Segs[0].Addr, 4}, {1 << 32, in.Segs[0].Addr, 4}} {
		if err := l.DMA.Copy(bad[0], bad[1], uint32(bad[2])); !errors.Is(err, normalworld.EINVAL) {
			t.Errorf("copy %x: %v", bad, err)
		}
	}
}

// The display shows whole frames of what it may read.
func TestDisplay(t *testing.T) {
	_, l := boot(t)
	const w, h = 64, 48
	a := alloc(t, l, heap.DefaultCMA, driver.XRGB8888.Size(w, h), l.Display.Device)
	b := alloc(t, l, heap.DefaultCMA, driver.XRGB8888.Size(w, h), l.Display.Device)
	must(t, l.Display.Enable(driver.ModeFor(w, h), driver.XRGB8888, driver.Buffer{Segs: a.Segs}))
	flips := &flips{}
	l.Display.Flips = flips
	must(t, l.Display.WaitFrame())
	must(t, l.Display.Flip(driver.Buffer{Segs: b.Segs}, 7))
	if err := l.Display.Flip(driver.Buffer{Segs: a.Segs}, 8); !errors.Is(err, normalworld.EBUSY) {
		t.Errorf("a flip while one is under way: %v", err)
	}
	must(t, l.Display.WaitFrame())
	if len(flips.all) != 1 || flips.all[0] != 7 {
		t.Errorf("flips: %v", flips.all)
	}
	// Protected memory for recording is not the display's.
	secret := alloc(t, l, heap.SecureVideoRecord.String(), driver.XRGB8888.Size(w, h), l.Camera.Device)
	must(t, l.Display.Flip(driver.Buffer{Segs: secret.Segs}, 9))
	if err := l.Display.WaitFrame(); !errors.Is(err, normalworld.EIO) {
		t.Errorf("a frame that the display may not read: %v", err)
	}
	if s := l.Display.Stats(); s.BusErrors == 0 || s.Frames == 0 || s.VSyncs < s.Frames {
		t.Errorf("statistics: %+v", s)
	}
	must(t, l.Display.Disable())
	if err := l.Display.Flip(driver.Buffer{Segs: a.Segs}, 1); !errors.Is(err, normalworld.EINVAL) {
		t.Errorf("a flip on a display that is off: %v", err)
	}
}

type flips struct{ all []uint64 }

func (f *flips) Flipped(cookie uint64) { f.all = append(f.all, cookie) }
