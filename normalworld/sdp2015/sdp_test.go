package sdp2015_test

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/internal/labtest"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/media"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/sdp2015"
	"gatehouse/normalworld/smaf"
	"gatehouse/platform"
	"gatehouse/platform/bus"
)

const width, height = 64, 32

// frame is a frame of video in normal memory.
func frame(t *testing.T, l *lab.Lab) driver.Buffer {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for y := range height {
		for x := range width {
			img.Y[img.YOffset(x, y)] = uint8(16 + 3*x)
			img.Cb[img.COffset(x, y)], img.Cr[img.COffset(x, y)] = 90, 160
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	pa, err := l.Pages.AllocContig(uint64(b.Len()), mem.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	n := uint32(b.Len())
	t.Cleanup(func() {
		if err := l.Pages.FreeContig(pa, uint64(n)); err != nil {
			t.Error(err)
		}
	})
	if err := l.Kernel.Write(pa, b.Bytes()); err != nil {
		t.Fatal(err)
	}
	return driver.Buffer{Segs: []dmabuf.Segment{{Addr: pa, Len: (uint64(n) + 4095) &^ 4095}}, Length: n}
}

// decoder is a V4L2-like exporter: it allocates the buffers that it decodes to, and gives them out as dma-bufs (VIDIOC_EXPBUF). Its
// own device knows where they are and never attaches.
type decoder struct {
	l *lab.Lab
	t *testing.T
}

type queued struct{ seg dmabuf.Segment }

func (d *decoder) export() *dmabuf.Buffer {
	d.t.Helper()
	size := (uint64(driver.NV12.Size(width, height)) + 4095) &^ 4095
	pa, err := d.l.Pages.AllocContig(size, mem.Flags{Mask: 1<<32 - 1, Zero: true})
	if err != nil {
		d.t.Fatal(err)
	}
	b, err := d.l.Core.Export(dmabuf.ExportInfo{Name: "vb2", Exporter: d, Size: size, Flags: dmabuf.ORdWr, Private: &queued{dmabuf.Segment{Addr: pa, Len: size}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// decode has the device write to a buffer of its own, without any attachment.
func (d *decoder) decode(stream driver.Buffer, b *dmabuf.Buffer) error {
	return d.into(stream, driver.Buffer{Segs: []dmabuf.Segment{b.Private.(*queued).seg}, Protected: b.Protected()})
}

func (d *decoder) into(stream, to driver.Buffer) error {
	dest := driver.Frame(driver.NV12, driver.BT601Full, width, height, to)
	_, err := d.l.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: stream, Dest: &dest})
	return err
}

func (d *decoder) Attach(*dmabuf.Attachment) error { return nil }
func (d *decoder) Detach(*dmabuf.Attachment)       {}
func (d *decoder) Map(a *dmabuf.Attachment, _ dmabuf.Direction) ([]dmabuf.Segment, error) {
	return []dmabuf.Segment{a.Buffer().Private.(*queued).seg}, nil
}
func (d *decoder) Unmap(*dmabuf.Attachment, []dmabuf.Segment, dmabuf.Direction) {}
func (d *decoder) Release(b *dmabuf.Buffer) {
	seg := b.Private.(*queued).seg
	if err := d.l.Pages.FreeContig(seg.Addr, seg.Len); err != nil {
		d.t.Error(err)
	}
}

// imported tells whether the exporter recognises a buffer as its own when it gets it back from user space, as a DRM driver does before
// it attaches (drm_gem_prime_import).
func (d *decoder) imported(b *dmabuf.Buffer) bool { return b.Exporter() == d }

func eachABI(t *testing.T, f func(t *testing.T, m *platform.Machine, l *lab.Lab, d *decoder)) {
	for _, abi := range lab.ABIs {
		t.Run(string(abi), func(t *testing.T) {
			m := labtest.Machine(t, lab.Pool)
			l, err := lab.New(m, lab.Options{ABI: abi, Policy: lab.Pool})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, m, l, &decoder{l: l, t: t})
		})
	}
}

func who(m *platform.Machine, b *dmabuf.Buffer) (read, write uint16) {
	for id := range uint8(bus.NSAIDs) {
		r, w := labtest.Probe(m, id, b.Private.(*queued).seg.Addr)
		if r {
			read |= 1 << id
		}
		if w {
			write |= 1 << id
		}
	}
	return read, write
}

func expect(t *testing.T, m *platform.Machine, b *dmabuf.Buffer, stage string, read, write uint16) {
	t.Helper()
	if r, w := who(m, b); r != read || w != write {
		t.Errorf("%s: read by %s, written by %s; want %s, %s", stage, bus.NSAIDSet(r), bus.NSAIDSet(w), bus.NSAIDSet(read), bus.NSAIDSet(write))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	isDisplay = 1 << bus.NSAIDHDLCD
	isDecoder = 1 << bus.NSAIDDecoder
)

// The firewall follows map and unmap where the drivers call the patched core.
func TestPatched(t *testing.T) {
	eachABI(t, func(t *testing.T, m *platform.Machine, l *lab.Lab, d *decoder) {
		p := sdp2015.NewPatched(smaf.OPTEE{Driver: l.OPTEE})
		stream := frame(t, l)
		b := d.export()
		must(t, p.SetSecure(b))
		expect(t, m, b, "secure", 0, 0)
		if err := p.SetSecure(b); !errors.Is(err, sdp2015.ErrSecure) {
			t.Errorf("secure twice: %v", err)
		}
		display, err := b.Attach(l.Display.Device)
		must(t, err)
		_, err = p.MapAttachment(display, dmabuf.ToDevice)
		must(t, err)
		expect(t, m, b, "mapped by the display", isDisplay, 0)
		if err := p.ClearSecure(b); !errors.Is(err, sdp2015.ErrInUse) {
			t.Errorf("cleared while mapped: %v", err)
		}

		// Where it breaks: the exporter decodes to its own buffer, which it has never attached to. Nothing was granted.
		var job *driver.JobError
		if err := d.decode(stream, b); !errors.As(err, &job) || job.Result != driver.ResultFault || !job.Write {
			t.Errorf("the exporter's own device: %v, want a refused write", err)
		}
		// What it would have to do.
		own, err := sdp2015.SelfAttach(b, l.Decoder.Device)
		must(t, err)
		segs, err := p.MapAttachment(own, dmabuf.FromDevice)
		must(t, err)
		expect(t, m, b, "mapped by both", isDisplay, isDecoder)
		// A driver that does not look at the field uses the identity for ordinary memory.
		if err := d.into(stream, driver.Mapped(own)); !errors.As(err, &job) || job.Result != driver.ResultFault || !job.Write {
			t.Errorf("the decoder's other identity: %v, want a refused write", err)
		}
		must(t, d.into(stream, driver.Buffer{Segs: segs, Protected: p.Secure(b)}))
		must(t, p.UnmapAttachment(own, dmabuf.FromDevice))
		must(t, own.Detach())
		expect(t, m, b, "unmapped by the decoder", isDisplay, 0)
		must(t, p.UnmapAttachment(display, dmabuf.ToDevice))
		expect(t, m, b, "unmapped", 0, 0)

		// And again: a driver that nobody told of the patched core maps memory that its device cannot use.
		_, err = display.Map(dmabuf.ToDevice)
		must(t, err)
		expect(t, m, b, "mapped by a driver of before", 0, 0)
		must(t, display.Unmap(dmabuf.ToDevice))
		must(t, display.Detach())

		must(t, p.ClearSecure(b))
		seg := b.Private.(*queued).seg
		pixels := make([]byte, seg.Len)
		if err := l.Kernel.Read(seg.Addr, pixels); err != nil || !bytes.Equal(pixels, make([]byte, seg.Len)) {
			t.Errorf("memory that came back: %v, or not empty", err)
		}
		must(t, b.Put())
	})
}

// The same by exchanging the exporter, and where that breaks.
func TestOverwritten(t *testing.T) {
	eachABI(t, func(t *testing.T, m *platform.Machine, l *lab.Lab, d *decoder) {
		fw := smaf.OPTEE{Driver: l.OPTEE}
		stream := frame(t, l)
		b := d.export()
		if !d.imported(b) {
			t.Fatal("an exporter does not know its own buffer")
		}
		_, err := sdp2015.Overwrite(fw, b)
		must(t, err)
		if !b.Protected() {
			t.Error("the buffer does not say that it is protected")
		}
		if _, err := sdp2015.Overwrite(fw, b); !errors.Is(err, sdp2015.ErrSecure) {
			t.Errorf("overwritten twice: %v", err)
		}
		expect(t, m, b, "secure", 0, 0)

		// Drivers need no change: the firewall follows their maps.
		display, err := b.Attach(l.Display.Device)
		must(t, err)
		_, err = display.Map(dmabuf.ToDevice)
		must(t, err)
		expect(t, m, b, "mapped by the display", isDisplay, 0)

		// Where it breaks. The exporter does not recognise its buffer: it would take it for another's, and attach to it.
		if d.imported(b) {
			t.Error("the exporter still knows its buffer")
		}
		// And it does not attach to what it decodes to.
		if err := d.decode(stream, b); !errors.Is(err, normalworld.EIO) {
			t.Errorf("the exporter's own device: %v, want a refused write", err)
		}
		// Mappings of processes are gone, too, as the operations were the original's.
		if _, err := b.MMap(0, 4096, dmabuf.ProtRead); !errors.Is(err, dmabuf.ErrNoMMap) {
			t.Errorf("mmap: %v, want ErrNoMMap", err)
		}
		if _, err := b.OverwriteExporter(d); !errors.Is(err, dmabuf.ErrOverwrite) {
			t.Errorf("an exporter exchanged under a mapping: %v", err)
		}
		must(t, display.Unmap(dmabuf.ToDevice))
		must(t, display.Detach())
		expect(t, m, b, "unmapped", 0, 0)
		seg := b.Private.(*queued).seg
		must(t, b.Put())
		pixels := make([]byte, seg.Len)
		if err := l.Kernel.Read(seg.Addr, pixels); err != nil || !bytes.Equal(pixels, make([]byte, seg.Len)) {
			t.Errorf("memory that came back: %v, or not empty", err)
		}
	})
}

// SMAF, which came out of that discussion, with the same firewall: contents pass from the decoder to the display, and nobody else.
func TestSMAF(t *testing.T) {
	eachABI(t, func(t *testing.T, m *platform.Machine, l *lab.Lab, d *decoder) {
		stream := frame(t, l)
		b, err := l.SMAF.Create(uint64(driver.NV12.Size(width, height)), smaf.RDWR, "")
		must(t, err)
		must(t, l.SMAF.SetSecure(b, true))
		writer, err := b.Attach(l.Decoder.Device)
		must(t, err)
		reader, err := b.Attach(l.Display.Device)
		must(t, err)
		segs, err := writer.Map(dmabuf.FromDevice)
		must(t, err)
		if name, _ := l.SMAF.Allocator(b); name != "smaf-cma" {
			t.Errorf("allocator %q, want the one for a display of 32 bits", name)
		}
		at := func(stage string, read, write uint16) {
			t.Helper()
			for id := range uint8(bus.NSAIDs) {
				if r, w := labtest.Probe(m, id, segs[0].Addr+segs[0].Len-1); r != (read>>id&1 != 0) || w != (write>>id&1 != 0) {
					t.Errorf("%s: %s reads %v, writes %v", stage, bus.NSAIDName(id), r, w)
				}
			}
		}
		at("mapped by the decoder", 0, isDecoder)
		must(t, d.into(stream, driver.Mapped(writer)))
		must(t, writer.Unmap(dmabuf.FromDevice))
		at("decoded", 0, 0)
		_, err = reader.Map(dmabuf.ToDevice)
		must(t, err)
		at("mapped by the display", isDisplay, 0)
		if _, err := b.MMap(0, 4096, dmabuf.ProtRead); !errors.Is(err, smaf.ErrCPU) {
			t.Errorf("mmap: %v, want ErrCPU", err)
		}
		must(t, reader.Unmap(dmabuf.ToDevice))
		must(t, reader.Detach())
		must(t, writer.Detach())
		// Without the flag it is a buffer like any other, with nothing of the frame in it.
		must(t, l.SMAF.SetSecure(b, false))
		mapping, err := b.MMap(0, b.Size(), dmabuf.ProtRead)
		must(t, err)
		pixels := make([]byte, b.Size())
		if err := mapping.Read(0, pixels); err != nil || !bytes.Equal(pixels, make([]byte, len(pixels))) {
			t.Errorf("the frame is readable: %v", err)
		}
		must(t, mapping.Unmap())
		must(t, b.Put())
	})
}

// The firewall has eight regions: with pages that alternate between two masters it runs out of them, which is an error and loses nothing.
func TestRegions(t *testing.T) {
	eachABI(t, func(t *testing.T, m *platform.Machine, l *lab.Lab, d *decoder) {
		var bufs []*dmabuf.Buffer
		var err error
		for range 20 {
			b := d.export()
			bufs = append(bufs, b)
			if _, err = sdp2015.Overwrite(smaf.OPTEE{Driver: l.OPTEE}, b); err != nil {
				break
			}
			a, aerr := b.Attach([]dmabuf.Device{l.Display.Device, l.Decoder.Device}[len(bufs)%2])
			must(t, aerr)
			if _, err = a.Map(dmabuf.ToDevice); err != nil {
				break
			}
		}
		if err == nil {
			t.Error("20 buffers with different masters found a region each")
		}
		for _, b := range bufs {
			for a := range b.Attachments() {
				if _, _, mapped := a.Mapped(); mapped {
					must(t, a.Unmap(dmabuf.ToDevice))
				}
				must(t, a.Detach())
				break
			}
			must(t, b.Put())
		}
	})
}

// The front ends that people had in 2015: a V4L2 device and a DRM card that export what they allocate themselves. Neither attaches to its own
// buffers, so that neither way opens the firewall for them.
func TestExportersNeverAttach(t *testing.T) {
	secure := map[string]func(*lab.Lab, *dmabuf.Buffer) (undo func() error){
		"patched": func(l *lab.Lab, b *dmabuf.Buffer) func() error {
			p := sdp2015.NewPatched(smaf.OPTEE{Driver: l.OPTEE})
			must(t, p.SetSecure(b))
			return func() error { return p.ClearSecure(b) }
		},
		"overwritten": func(l *lab.Lab, b *dmabuf.Buffer) func() error {
			_, err := sdp2015.Overwrite(smaf.OPTEE{Driver: l.OPTEE}, b)
			must(t, err)
			return func() error { return nil } // with the last reference
		},
	}
	for _, way := range []string{"patched", "overwritten"} {
		t.Run(way, func(t *testing.T) {
			eachABI(t, func(t *testing.T, m *platform.Machine, l *lab.Lab, _ *decoder) {
				// V4L2: the decoder decodes to a CAPTURE buffer of its own.
				v := media.NewVideo("decoder", l.Core, l.Pages, l.Decoder.Device, &media.DecodeWork{
					Decoder: l.Decoder, Codec: driver.JPEG, Format: driver.NV12, Colour: driver.BT601Full, Width: width, Height: height})
				v.Output.Size, v.Capture.Size = 16<<10, uint64(driver.NV12.Size(width, height))
				_, err := v.Output.Request(1, media.MMAP)
				must(t, err)
				_, err = v.Capture.Request(1, media.MMAP)
				must(t, err)
				in, err := v.Output.Export(0)
				must(t, err)
				stream := frame(t, l)
				data := make([]byte, stream.Length)
				must(t, l.Kernel.Read(stream.Segs[0].Addr, data))
				mm, err := in.MMap(0, in.Size(), dmabuf.ProtRead|dmabuf.ProtWrite)
				must(t, err)
				must(t, mm.Write(0, data))
				must(t, mm.Unmap())
				must(t, in.Put())
				b, err := v.Capture.Export(0)
				must(t, err)
				undo := secure[way](l, b)
				must(t, v.StreamOn())
				must(t, v.Capture.Queue(0, nil, 0, 0))
				must(t, v.Output.Queue(0, nil, stream.Length, 0))
				for !v.Capture.Ready() {
					if !l.Kernel.Sleep(normalworld.Forever) {
						t.Fatal("nothing comes")
					}
				}
				done, err := v.Capture.Dequeue()
				must(t, err)
				var job *driver.JobError
				if !errors.As(done.Err, &job) || !job.Write {
					t.Errorf("the decoder: %v, want a refused write", done.Err)
				}
				// An importer of the same buffer does fine: that is what hid the problem.
				if way == "overwritten" {
					a, err := b.Attach(l.Transform.Device)
					must(t, err)
					_, err = a.Map(dmabuf.ToDevice)
					must(t, err)
					must(t, a.Unmap(dmabuf.ToDevice))
					must(t, a.Detach())
				}
				must(t, v.StreamOff())
				must(t, undo())
				must(t, b.Put())
				must(t, v.Close())

				// DRM: the display scans a dumb buffer of the card's own.
				card := media.NewCard(l.Core, l.Pages, l.Display)
				h, stride, _, err := card.CreateDumb(width, height, 4)
				must(t, err)
				fb, err := card.AddFB(h, driver.XRGB8888, width, height, stride, 0)
				must(t, err)
				b, err = card.Export(h)
				must(t, err)
				undo = secure[way](l, b)
				must(t, card.SetCrtc(fb))
				if err := l.Display.WaitFrame(); !errors.Is(err, normalworld.EIO) {
					t.Errorf("the display: %v, want a refused read", err)
				}
				must(t, card.Off())
				must(t, undo())
				must(t, b.Put())
				must(t, card.Close())
			})
		})
	}
}

// reluctant is a firewall that refuses to protect a buffer, and keeps what it has of it for some time.
type reluctant struct{ left int }

func (s *reluctant) CreateContext() (smaf.Context, error) { return s, nil }
func (s *reluctant) Protect([]dmabuf.Segment) error       { return normalworld.EBUSY }
func (s *reluctant) Grant(*dmabuf.Device, dmabuf.Segment, dmabuf.Direction) error {
	return normalworld.EBUSY
}
func (s *reluctant) Revoke(*dmabuf.Device, dmabuf.Segment, dmabuf.Direction) error { return nil }
func (s *reluctant) AllowCPU(dmabuf.Direction) bool                                { return false }
func (s *reluctant) Destroy() error {
	if s.left == 0 {
		return nil
	}
	s.left--
	return normalworld.EIO
}

// A buffer of which the firewall keeps something is not freed before it has all of it again, though nobody uses it.
func TestKept(t *testing.T) {
	eachABI(t, func(t *testing.T, m *platform.Machine, l *lab.Lab, d *decoder) {
		b := d.export()
		p := sdp2015.NewPatched(&reluctant{left: 2})
		if err := p.SetSecure(b); !errors.Is(err, normalworld.EBUSY) || p.Secure(b) {
			t.Errorf("%v, secure %v", err, p.Secure(b))
		}
		must(t, b.Put())
		if b.Released() || p.Settle() != 1 || b.Released() {
			t.Error("the buffer has gone, and the firewall keeps some of it")
		}
		if p.Settle() != 0 || !b.Released() {
			t.Error("the buffer stays, and the firewall has nothing of it")
		}
		b = d.export()
		o, err := sdp2015.Overwrite(&reluctant{left: 2}, b)
		if !errors.Is(err, normalworld.EBUSY) || o == nil {
			t.Fatalf("%v, %v", o, err)
		}
		must(t, b.Put())
		if b.Released() || o.Settle() == nil || b.Released() {
			t.Error("the buffer has gone, and the firewall keeps some of it")
		}
		if err := o.Settle(); err != nil || !b.Released() {
			t.Errorf("the buffer stays, and the firewall has nothing of it: %v", err)
		}
		if o, err := sdp2015.Overwrite(&reluctant{}, d.export()); o != nil || err == nil {
			t.Errorf("%v, %v", o, err)
		}
		for _, left := range l.Core.Buffers() {
			must(t, left.Put())
		}
	})
}
