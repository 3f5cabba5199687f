package usecase_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"image"
	"image/jpeg"
	"testing"

	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/internal/labtest"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/usecase"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	wire "gatehouse/smc/optee"
)

// spy accesses memory by the ports of a machine.
type spy struct{ ports [bus.NSAIDs]*bus.Port }

func newSpy(m *platform.Machine) *spy {
	s := &spy{}
	for i := range s.ports {
		s.ports[i] = m.Port(bus.Attr{Privileged: true, NSAID: uint8(i)})
	}
	return s
}

func (s *spy) Read(master uint8, pa uint64, p []byte) bool {
	return s.ports[master].Read(pa, p) == bus.OKAY
}
func (s *spy) Write(master uint8, pa uint64, p []byte) bool {
	return s.ports[master].Write(pa, p) == bus.OKAY
}

var carveoutUse = map[usecase.Name]wire.UseCase{
	usecase.Playback: wire.UseCaseSecureVideoPlay, usecase.TrustedUI: wire.UseCaseTrustedUI,
	usecase.Recording: wire.UseCaseSecureVideoRecord, usecase.CryptoKeys: wire.UseCaseSecureVideoRecord,
}

func boot(t testing.TB, abi lab.ABI, p lab.Policy, use usecase.Name) (*platform.Machine, *lab.Lab) {
	t.Helper()
	m := labtest.Machine(t, p, func(c *secureworld.Config) {
		if p == lab.Static {
			c.Carveout, c.CarveoutUse = memory.Range{Base: labtest.Carveout, Size: labtest.CarveoutSize}, carveoutUse[use]
		}
	})
	l, err := lab.New(m, lab.Options{ABI: abi, Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("at the end: %v", err)
		}
	})
	return m, l
}

func options(m *platform.Machine, use usecase.Name) usecase.Options {
	key := secureworld.DefaultConfig().DeviceKey
	return usecase.Options{UseCase: use, Frames: 5, DeviceKey: key[:], Key: m.Key, PIN: secureworld.DefaultConfig().UIPIN, Spy: newSpy(m)}
}

// Every use case over both ABIs and under every policy: each master reaches what it should, at each stage, and nothing else.
func TestUseCases(t *testing.T) {
	for _, use := range usecase.Names {
		for _, abi := range lab.ABIs {
			for _, p := range lab.Policies {
				t.Run(string(use)+"-"+string(abi)+"-"+string(p), func(t *testing.T) {
					m, l := boot(t, abi, p, use)
					r, err := usecase.Run(l, options(m, use))
					if err != nil {
						t.Fatal(err)
					}
					for i := range r.Rows {
						if x := &r.Rows[i]; !x.OK() {
							t.Errorf("%s, %s, %s: reads %v, writes %v; want %v, %v", x.Stage, x.Buffer, bus.NSAIDName(x.Master), x.Read, x.Write, x.ExpectRead, x.ExpectWrite)
						}
					}
					for _, n := range r.Notes {
						if !n.OK {
							t.Errorf("not so: %s: %s", n.What, n.Why)
						}
					}
					if r.Probes() == 0 || r.Frames == 0 || !r.OK() || r.Time == 0 {
						t.Errorf("%d probes, %d frames, verdict %v, %d ns", r.Probes(), r.Frames, r.OK(), r.Time)
					}
				})
			}
		}
	}
}

// clear decrypts a sample of the bundled clip with the standard library.
func clearSample(t *testing.T, s *usecase.Sample) image.Image {
	t.Helper()
	block, err := aes.NewCipher(usecase.ContentKey[:])
	if err != nil {
		t.Fatal(err)
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
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// What stands on the screen at the end is the last frame of the clip, as image/jpeg decodes it: however it was decrypted.
func TestPicture(t *testing.T) {
	for _, engine := range []bool{false, true} {
		m, l := boot(t, lab.FFA, lab.Static, usecase.Playback)
		o := options(m, usecase.Playback)
		o.Engine, o.Frames, o.Spy, o.InFlight = engine, 7, nil, 8
		if _, err := usecase.Run(l, o); err != nil {
			t.Fatal(err)
		}
		got, n := m.Frame()
		clip := usecase.BundledClip()
		want := clearSample(t, &clip.Samples[6])
		if n == 0 || got.Bounds() != want.Bounds() {
			t.Fatalf("%d frames; the screen has %v, the clip %v", n, got.Bounds(), want.Bounds())
		}
		var worst uint32
		for y := range want.Bounds().Dy() {
			for x := range want.Bounds().Dx() {
				r, g, b, _ := got.At(x, y).RGBA()
				r2, g2, b2, _ := want.At(x, y).RGBA()
				for _, d := range [][2]uint32{{r, r2}, {g, g2}, {b, b2}} {
					worst = max(worst, max(d[0], d[1])-min(d[0], d[1]))
				}
			}
		}
		if worst>>8 > 4 {
			t.Errorf("engine %v: a pixel differs by %d of 255", engine, worst>>8)
		}
		// The wrong key gives no picture.
		clip.Samples[0].Data = bytes.Clone(clip.Samples[0].Data)
	}
}

// A recording can be decrypted by who has the key, and is pictures of the camera.
func TestRecord(t *testing.T) {
	m, l := boot(t, lab.SMC, lab.Buffer, usecase.Recording)
	o := options(m, usecase.Recording)
	o.Spy = nil
	r, err := usecase.Run(l, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Record) != o.Frames {
		t.Fatalf("%d records of %d frames", len(r.Record), o.Frames)
	}
	for i, rec := range r.Record {
		b, err := usecase.Decrypt(rec, i)
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(b))
		if err != nil || img.Bounds() != image.Rect(0, 0, 160, 90) {
			t.Fatalf("frame %d: %v, %v", i, err, img)
		}
		if bytes.Contains(rec, []byte("JFIF")) || bytes.Contains(rec, b[:64]) {
			t.Errorf("frame %d was recorded in the clear", i)
		}
	}
}

// Normal memory in the place of protected memory is found out: the applications refuse it.
func TestWrongHeap(t *testing.T) {
	for _, use := range []usecase.Name{usecase.Playback, usecase.TrustedUI, usecase.CryptoKeys} {
		m, l := boot(t, lab.FFA, lab.Pool, use)
		o := options(m, use)
		o.Heap = "system"
		r, err := usecase.Run(l, o)
		if err == nil && r.OK() {
			t.Errorf("%s went well with unprotected memory", use)
		}
	}
}

func TestOptions(t *testing.T) {
	m, l := boot(t, lab.FFA, lab.Pool, usecase.Playback)
	for _, bad := range []usecase.Options{
		{UseCase: "x"}, {UseCase: usecase.Playback, Frames: -1}, {UseCase: usecase.Playback, InFlight: 1}, {UseCase: usecase.Playback, InFlight: 17}, {UseCase: usecase.Playback, Heap: "none"},
		{UseCase: usecase.Playback, Engine: true, DeviceKey: []byte("short")}, {UseCase: usecase.TrustedUI, PIN: "12x", Key: m.Key},
	} {
		if _, err := usecase.Run(l, bad); !errors.Is(err, usecase.ErrOption) {
			t.Errorf("%+v: %v, want an error about the options", bad, err)
		}
	}
}

func TestClip(t *testing.T) {
	c := usecase.BundledClip()
	if len(c.Samples) != 24 || c.Codec != driver.JPEG || c.Width != 320 || c.Height != 180 {
		t.Errorf("%d frames of %dx%d", len(c.Samples), c.Width, c.Height)
	}
	for i := range c.Samples {
		if clearSample(t, &c.Samples[i]).Bounds() != image.Rect(0, 0, 320, 180) {
			t.Errorf("frame %d has another size", i)
		}
	}
}

func FuzzParseClip(f *testing.F) {
	head := append([]byte("GHCLIP1\n"), 16, 0, 16, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
	f.Add(head)
	f.Add(append(head, 4, 0, 0, 0, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := usecase.ParseClip(b)
		if err != nil {
			if !errors.Is(err, usecase.ErrClip) {
				t.Errorf("%v does not say what it is about", err)
			}
			return
		}
		n := 24
		for _, s := range c.Samples {
			n += 8 + len(s.Data) + len(s.Info)
		}
		if n != len(b) {
			t.Errorf("a clip of %d bytes has %d", len(b), n)
		}
	})
}
