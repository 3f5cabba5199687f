package media_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/internal/labtest"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/media"
	"gatehouse/platform"
	"gatehouse/platform/bus"
)

const width, height = 96, 64

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, got, err error) {
	t.Helper()
	if !errors.Is(got, err) {
		t.Errorf("got %v, want %v", got, err)
	}
}

func boot(t testing.TB, abi lab.ABI, p lab.Policy) (*platform.Machine, *lab.Lab) {
	t.Helper()
	m := labtest.Machine(t, p)
	l, err := lab.New(m, lab.Options{ABI: abi, Policy: p})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return m, l
}

// picture is frame n of a clip as JPEG; all of its pixels have the luma that luma gives.
func picture(t testing.TB, n int) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = luma(n)
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func luma(n int) uint8 { return uint8(40 + 20*n) }

func decoder(l *lab.Lab) *media.Video {
	v := media.NewVideo("decoder", l.Core, l.Pages, l.Decoder.Device,
		&media.DecodeWork{Decoder: l.Decoder, Codec: driver.JPEG, Format: driver.NV12, Colour: driver.BT601Full, Width: width, Height: height})
	v.Output.Size, v.Capture.Size = 16<<10, uint64(driver.NV12.Size(width, height))
	return v
}

func converter(l *lab.Lab) *media.Video {
	v := media.NewVideo("transform", l.Core, l.Pages, l.Transform.Device,
		&media.ConvertWork{Transform: l.Transform, In: driver.NV12, InColour: driver.BT601Full, Out: driver.XRGB8888,
			InWidth: width, InHeight: height, Width: width, Height: height})
	v.Output.Size, v.Capture.Size = uint64(driver.NV12.Size(width, height)), uint64(driver.XRGB8888.Size(width, height))
	return v
}

func wait(t testing.TB, l *lab.Lab, q *media.Queue) *media.VBuffer {
	t.Helper()
	for !q.Ready() {
		if !l.Kernel.Sleep(normalworld.Forever) {
			t.Fatalf("%s: nothing comes", q.Name)
		}
	}
	b, err := q.Dequeue()
	must(t, err)
	return b
}

// Frames go through decoder, transform and display; every one of the buffers between them is protected. The device that uses a buffer
// reaches it while it is queued there, and under the policy map nobody does at any other time.
func TestPlayback(t *testing.T) {
	const frames, deep = 6, 3
	for _, abi := range lab.ABIs {
		for _, p := range lab.Policies {
			t.Run(string(abi)+"-"+string(p), func(t *testing.T) {
				m, l := boot(t, abi, p)
				protected, err := l.Heap(heap.SecureVideoPlay)
				must(t, err)
				dec, conv := decoder(l), converter(l)
				card := media.NewCard(l.Core, l.Pages, l.Display)
				_, err = dec.Output.Request(2, media.MMAP)
				must(t, err)
				for _, q := range []*media.Queue{dec.Capture, conv.Output, conv.Capture} {
					n, err := q.Request(deep, media.DMABUF)
					must(t, err)
					if n != deep {
						t.Fatalf("%d buffers", n)
					}
				}
				var yuv, rgb [deep]*dmabuf.Buffer
				var fb, handle [deep]uint32
				for i := range deep {
					yuv[i], err = protected.Buffer(dec.Capture.Size, dmabuf.ORdWr)
					must(t, err)
					rgb[i], err = protected.Buffer(conv.Capture.Size, dmabuf.ORdWr)
					must(t, err)
					handle[i], err = card.Import(rgb[i])
					must(t, err)
					fb[i], err = card.AddFB(handle[i], driver.XRGB8888, width, height, 4*width, 0)
					must(t, err)
				}
				must(t, dec.StreamOn())
				must(t, conv.StreamOn())
				for n := range frames {
					jpg := picture(t, n)
					in, err := dec.Output.Export(n % 2)
					must(t, err)
					mm, err := in.MMap(0, in.Size(), dmabuf.ProtWrite|dmabuf.ProtRead)
					must(t, err)
					must(t, mm.Write(0, jpg))
					must(t, mm.Unmap())
					must(t, in.Put())
					i := n % deep
					must(t, dec.Capture.Queue(i, yuv[i], 0, 0))
					must(t, dec.Output.Queue(n%2, nil, uint32(len(jpg)), uint64(n)))
					if b := wait(t, l, dec.Capture); b.State != media.Dequeued || b.Err != nil || b.Cookie != uint64(n) {
						t.Fatalf("frame %d: %+v", n, b)
					}
					wait(t, l, dec.Output)
					must(t, conv.Output.Queue(i, yuv[i], 0, uint64(n)))
					must(t, conv.Capture.Queue(i, rgb[i], 0, 0))
					if b := wait(t, l, conv.Capture); b.Err != nil || b.Cookie != uint64(n) {
						t.Fatalf("frame %d: %v", n, b.Err)
					}
					wait(t, l, conv.Output)
					if n == 0 {
						must(t, card.SetCrtc(fb[i]))
					} else {
						must(t, card.PageFlip(fb[i], uint64(n)))
					}
					must(t, l.Display.WaitFrame())
					if n > 0 {
						if ev := card.Events(); len(ev) != 1 || ev[0] != uint64(n) {
							t.Errorf("flips: %v, want %d", ev, n)
						}
					}
					shown, count := m.Frame()
					if count == 0 {
						t.Fatal("the display shows nothing")
					}
					if r, g, b, _ := shown.At(width/2, height/2).RGBA(); !near(r, luma(n)) || !near(g, luma(n)) || !near(b, luma(n)) {
						t.Errorf("frame %d shows %d %d %d, want %d", n, r>>8, g>>8, b>>8, luma(n))
					}
					want(t, func() error { _, err := yuv[i].MMap(0, 4096, dmabuf.ProtRead); return err }(), dmabuf.ErrNoMMap)
				}
				if p == lab.Map {
					// The display reads the last picture; nobody reaches any other buffer.
					for i := range deep {
						for _, b := range []*dmabuf.Buffer{yuv[i], rgb[i]} {
							a, err := b.Attach(l.Display.Device)
							must(t, err)
							segs, err := a.Map(dmabuf.ToDevice)
							must(t, err)
							pa := segs[0].Addr
							must(t, a.Unmap(dmabuf.ToDevice))
							must(t, a.Detach())
							for id := range uint8(bus.NSAIDs) {
								r, w := labtest.Probe(m, id, pa)
								shows := b == rgb[(frames-1)%deep] && id == bus.NSAIDHDLCD
								if r != shows || w {
									t.Errorf("buffer %d: %s reads %v, writes %v", i, bus.NSAIDName(id), r, w)
								}
							}
						}
					}
				}
				must(t, card.Close())
				must(t, dec.Close())
				must(t, conv.Close())
				for i := range deep {
					must(t, yuv[i].Put())
					must(t, rgb[i].Put())
				}
			})
		}
	}
}

func near(got uint32, want uint8) bool { d := int(got>>8) - int(want); return d >= -3 && d <= 3 }

// A device's own buffers: exported, used by another device, and recognised when they come back.
func TestExport(t *testing.T) {
	_, l := boot(t, lab.FFA, lab.Pool)
	dec, conv := decoder(l), converter(l)
	n, err := dec.Capture.Request(2, media.MMAP)
	must(t, err)
	_, err = dec.Output.Request(1, media.MMAP)
	must(t, err)
	_, err = conv.Output.Request(1, media.DMABUF)
	must(t, err)
	b, err := dec.Capture.Export(0)
	must(t, err)
	same, err := dec.Capture.Export(0)
	must(t, err)
	if n != 2 || b != same || b.Refs() != 2 {
		t.Errorf("%d buffers; the same one exported twice is %v, %v", n, b, same)
	}
	must(t, same.Put())
	must(t, conv.Output.Queue(0, b, 0, 1))
	attached := func(b *dmabuf.Buffer) (n int) {
		for range b.Attachments() {
			n++
		}
		return n
	}
	if attached(b) != 1 {
		t.Errorf("%d attachments, want the importer's alone", attached(b))
	}
	_, err = dec.Capture.Request(0, media.MMAP)
	want(t, err, media.ErrBusy)
	must(t, conv.Close())
	if attached(b) != 0 || b.Refs() != 1 {
		t.Errorf("%d attachments, %d references after the importer has gone", attached(b), b.Refs())
	}
	// Back to the one that exported it.
	back := decoder(l)
	_, err = back.Capture.Request(1, media.DMABUF)
	must(t, err)
	must(t, back.Capture.Queue(0, b, 0, 0))
	if attached(b) != 0 {
		t.Error("a device attached to its own buffer")
	}
	must(t, back.Close())
	must(t, b.Put())
	must(t, dec.Close())

	card := media.NewCard(l.Core, l.Pages, l.Display)
	h, stride, size, err := card.CreateDumb(100, 10, 4)
	must(t, err)
	if stride != 400 || size != 4096 {
		t.Errorf("stride %d, size %d", stride, size)
	}
	b, err = card.Export(h)
	must(t, err)
	again, err := card.Import(b)
	must(t, err)
	if again != h || attached(b) != 0 {
		t.Errorf("handle %d comes back as %d with %d attachments", h, again, attached(b))
	}
	want(t, card.CloseHandle(h), normalworld.EBUSY)
	must(t, b.Put())
	must(t, card.CloseHandle(h))
	want(t, card.CloseHandle(h), normalworld.ENOENT)
	must(t, card.Close())
}

// What the kernel refuses.
func TestRules(t *testing.T) {
	_, l := boot(t, lab.SMC, lab.Pool)
	v := decoder(l)
	want(t, v.StreamOn(), media.ErrMemory)
	_, err := v.Output.Request(1, 3)
	want(t, err, normalworld.EINVAL)
	_, err = v.Output.Request(100, media.MMAP)
	must(t, err)
	if v.Output.Buffers() != media.MaxFrame {
		t.Errorf("%d buffers, want %d", v.Output.Buffers(), media.MaxFrame)
	}
	_, err = v.Capture.Request(1, media.DMABUF)
	must(t, err)
	_, err = v.Capture.Export(0)
	want(t, err, media.ErrMemory)
	_, err = v.Output.Export(99)
	want(t, err, media.ErrIndex)
	want(t, v.Output.Queue(-1, nil, 0, 0), media.ErrIndex)
	want(t, v.Capture.Queue(0, nil, 0, 0), media.ErrMemory)
	_, err = v.Output.Dequeue()
	want(t, err, media.ErrStreaming)
	must(t, v.Output.Queue(0, nil, 100, 5))
	want(t, v.Output.Queue(0, nil, 100, 5), media.ErrState)
	system, err := l.Heaps.Open(heap.System)
	must(t, err)
	small, err := system.Buffer(4096, dmabuf.ORdWr)
	must(t, err)
	want(t, v.Capture.Queue(0, small, 0, 0), media.ErrSmall)
	must(t, small.Put())
	must(t, v.StreamOn())
	_, err = v.Output.Request(0, media.MMAP)
	want(t, err, media.ErrBusy)
	_, err = v.Output.Dequeue()
	want(t, err, media.ErrNone)
	// A bitstream of zeros: both buffers come back, with the reason.
	big, err := system.Buffer(v.Capture.Size, dmabuf.ORdWr)
	must(t, err)
	must(t, v.Capture.Queue(0, big, 0, 0))
	out, in := wait(t, l, v.Output), wait(t, l, v.Capture)
	var job *driver.JobError
	if !errors.As(in.Err, &job) || job.Result != driver.ResultCorrupt || out.Err == nil || in.BytesUsed != 0 || in.Cookie != 5 {
		t.Errorf("a corrupt bitstream: %v, %v", out.Err, in.Err)
	}
	// Stopped with a job under way.
	must(t, v.Output.Queue(0, nil, 100, 5))
	must(t, v.Capture.Queue(0, big, 0, 0))
	must(t, v.Close())
	must(t, big.Put())

	card := media.NewCard(l.Core, l.Pages, l.Display)
	h, _, _, err := card.CreateDumb(64, 64, 4)
	must(t, err)
	for _, bad := range [][4]uint32{{64, 64, 255, 0}, {64, 65, 256, 0}, {64, 64, 256, 1}, {0, 64, 256, 0}, {5000, 1, 20000, 0}} {
		_, err := card.AddFB(h, driver.XRGB8888, bad[0], bad[1], bad[2], bad[3])
		want(t, err, normalworld.EINVAL)
	}
	_, err = card.AddFB(h, driver.NV12, 64, 64, 256, 0)
	want(t, err, normalworld.EINVAL)
	id, err := card.AddFB(h, driver.XRGB8888, 64, 64, 256, 0)
	must(t, err)
	want(t, card.PageFlip(id, 1), normalworld.EINVAL)
	want(t, card.SetCrtc(id+1), normalworld.ENOENT)
	must(t, card.SetCrtc(id))
	must(t, card.PageFlip(id, 1))
	want(t, card.PageFlip(id, 2), normalworld.EBUSY)
	must(t, card.RemoveFB(id))
	_, _, _, err = card.CreateDumb(0, 1, 4)
	want(t, err, normalworld.EINVAL)
	must(t, card.Close())
}
