package encoder_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"gatehouse/devices/encoder"
	"gatehouse/devices/engine"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/bus"
)

func newBoard(t testing.TB) *enginetest.Board {
	b := enginetest.New(t)
	d := encoder.New(b.Ports(bus.NSAIDEncoder), &b.Clock, b.Events)
	d.IRQ = &b.IRQ
	b.Attach(d)
	b.Expect(engine.ID, encoder.ID)
	b.Set(engine.IntMask, engine.Done|engine.Error)
	return b
}

func result(b *enginetest.Board) engine.Result {
	return engine.Result(b.Get(engine.Status) >> engine.ResultShift)
}

func picture(b *enginetest.Board, r *rand.Rand, f pixel.Format, w, h int) []enginetest.Plane {
	var shapes [][3]int
	for _, p := range f.Planes(w, h) {
		shapes = append(shapes, [3]int{p.Row, p.Rows, p.Unit})
	}
	return b.Planes(r, shapes)
}

// smooth gives the Y, Cb and Cr of a drawing without sharp edges, which JPEG keeps well.
func smooth(x, y int) (uint8, uint8, uint8) {
	return uint8(128 + 90*math.Sin(float64(x)/9)*math.Cos(float64(y)/11)), uint8(128 + 60*math.Sin(float64(x+y)/20)), uint8(128 - 50*math.Cos(float64(y)/17))
}

// start describes a job whose bitstream goes to s, and runs it.
func start(b *enginetest.Board, quality uint32, s enginetest.Memory, n int) {
	b.Set(encoder.Quality, quality)
	b.Describe(encoder.Stream, s, 0, 0, n)
	b.Set(engine.Control, engine.Start)
	b.Finish()
}

// TestYCbCr encodes NV12 and I420 in the colours of JPEG from scattered memory. The bitstream is what the standard library makes of the
// same samples, and decodes to something close to them.
func TestYCbCr(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 40 {
		b := newBoard(t)
		w, h := 1+r.IntN(80), 1+r.IntN(80)
		m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
		for y := range h {
			for x := range w {
				m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)] = smooth(x, y)
			}
		}
		f := []pixel.Format{pixel.NV12, pixel.I420}[n%2]
		in := picture(b, r, f, w, h)
		b.StorePlane(in[0], m.Y)
		if f == pixel.I420 {
			b.StorePlane(in[1], m.Cb)
			b.StorePlane(in[2], m.Cr)
		} else {
			var c []byte
			for i := range m.Cb {
				c = append(c, m.Cb[i], m.Cr[i])
			}
			b.StorePlane(in[1], c)
		}
		b.Picture(encoder.A, uint32(f)|uint32(pixel.BT601Full)<<engine.ColourShift, w, h, in)
		quality := 50 + r.IntN(51)
		var want bytes.Buffer
		if err := jpeg.Encode(&want, m, &jpeg.Options{Quality: quality}); err != nil {
			t.Fatal(err)
		}
		room := want.Len() + r.IntN(200)
		s := b.Scatter(r, room, 1+r.IntN(400), uint32(r.IntN(3)))
		fill := bytes.Repeat([]byte{0xCC}, room)
		b.Store(s, fill)
		start(b, uint32(quality), s, room)
		if result(b) != engine.OK || !b.IRQ.Level {
			t.Fatalf("case %d: %v", n, result(b))
		}
		b.Expect(encoder.Length, uint32(want.Len()))
		got := b.Load(s)
		if !bytes.Equal(got[:want.Len()], want.Bytes()) || !bytes.Equal(got[want.Len():], fill[want.Len():]) {
			t.Fatalf("case %d: the bitstream differs", n)
		}
		img, err := jpeg.Decode(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i := range w * h {
			d := float64(img.At(i%w, i/w).(color.YCbCr).Y) - float64(m.YCbCrAt(i%w, i/w).Y)
			sum += d * d
		}
		if mse := sum / float64(w*h); mse > 20 {
			t.Errorf("case %d: mean square error %v", n, mse)
		}
	}
}

// TestRGB encodes RGB and limited-range pictures: what is decoded has the same colours.
func TestRGB(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const w, h = 64, 48
	for _, c := range []struct {
		format pixel.Format
		model  pixel.Model
	}{{pixel.XRGB8888, pixel.RGB}, {pixel.RGB565, pixel.RGB}, {pixel.NV12, pixel.BT601}, {pixel.I420, pixel.BT709}, {pixel.NV12, pixel.BT709Full}} {
		b := newBoard(t)
		in := picture(b, r, c.format, w, h)
		rows := make([][]pixel.Pixel, h)
		var planes [][]byte
		for _, p := range in {
			planes = append(planes, make([]byte, p.Row*p.Rows))
		}
		colourAt := func(x, y int) (uint8, uint8, uint8) { return uint8(40 + 2*x), uint8(60 + 3*y), uint8(200 - x - y) }
		for y := range h {
			rows[y] = make([]pixel.Pixel, w)
			for x := range w {
				red, green, blue := colourAt(x, y)
				rows[y][x] = pixel.Make(255, red, green, blue)
			}
			pixel.Convert(rows[y], pixel.RGB, c.model)
			pixel.PackRow(planes, c.format, y, h, rows[max(y-1, 0)], rows[y])
		}
		for i, p := range in {
			b.StorePlane(p, planes[i])
		}
		b.Picture(encoder.A, uint32(c.format)|uint32(c.model&3)<<engine.ColourShift, w, h, in)
		s := b.Flat(1 << 16)
		start(b, 95, s, 1<<16)
		if result(b) != engine.OK {
			t.Fatal(result(b))
		}
		img, err := jpeg.Decode(bytes.NewReader(b.Load(s)[:b.Get(encoder.Length)]))
		if err != nil {
			t.Fatal(err)
		}
		for i := range w * h {
			q := img.At(i%w, i/w).(color.YCbCr)
			r0, g0, b0 := color.YCbCrToRGB(q.Y, q.Cb, q.Cr)
			r1, g1, b1 := colourAt(i%w, i/w)
			for k, d := range []int{int(r0) - int(r1), int(g0) - int(g1), int(b0) - int(b1)} {
				if d < -16 || d > 16 {
					t.Fatalf("format %d, model %d: colour %d of pixel %d,%d is off by %d", c.format, c.model, k, i%w, i/w, d)
				}
			}
		}
	}
}

// TestRefused goes through jobs that are wrong. Nothing is written then.
func TestRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct {
		name string
		off  int
		v    uint32
		want engine.Result
	}{
		{"good", encoder.Quality, 75, engine.OK}, {"no quality", encoder.Quality, 0, engine.Parameter},
		{"quality", encoder.Quality, 101, engine.Parameter}, {"ARGB", encoder.A, 5, engine.Parameter}, {"no format", encoder.A, 0, engine.Parameter},
		{"no width", encoder.A + 4, 16 << 16, engine.Parameter}, {"too wide", encoder.A + 4, 4097 | 1<<16, engine.Parameter},
		{"no room", encoder.Stream + engine.BufferLength, 10, engine.Short}, {"no length", encoder.Stream + engine.BufferLength, 0, engine.Parameter},
		{"higher picture", encoder.A + 4, 16 | 32<<16, engine.Short},
	} {
		b := newBoard(t)
		in := picture(b, r, pixel.XRGB8888, 16, 16)
		s := b.Flat(4096)
		b.Picture(encoder.A, uint32(pixel.XRGB8888), 16, 16, in)
		b.Describe(encoder.A+0x20, in[0].Memory, in[0].Offset, in[0].Stride, in[0].Stride*16)
		b.Set(encoder.Quality, 50)
		b.Describe(encoder.Stream, s, 0, 0, 4096)
		b.Set(c.off, c.v)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if got := result(b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if written := !bytes.Equal(b.Load(s), make([]byte, 4096)); written != (c.want == engine.OK) {
			t.Errorf("%s: written %v", c.name, written)
		}
		if c.want != engine.OK {
			b.Expect(encoder.Length, 0)
		}
	}
}

// TestRecording is the restricted case: the picture is readable by the encoder only. Without that right no bitstream comes out.
func TestRecording(t *testing.T) {
	b := newBoard(t)
	r := rand.New(rand.NewPCG(4, 4))
	const w, h = 64, 64
	in, s := b.Flat(4*w*h).Shut(), b.Flat(1<<14).Shut()
	data := make([]byte, 4*w*h)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	b.Store(in, data)
	b.Picture(encoder.A, uint32(pixel.XRGB8888), w, h, []enginetest.Plane{{Memory: in, Row: 4 * w, Rows: h}})
	b.Restrict(1, in.Addr+0x3000, 0x1000, 1<<bus.NSAIDCamera, 1<<bus.NSAIDCamera)
	start(b, 50, s, 1<<14)
	if result(b) != engine.Fault || !b.IRQ.Level || !bytes.Equal(b.Load(s), make([]byte, 1<<14)) {
		t.Errorf("without the right: %v", result(b))
	}
	b.Expect(engine.FaultAddrLo, uint32(in.Addr+0x3000))
	b.Expect(engine.FaultInfo, engine.FaultValid|engine.FaultProtected|3<<engine.FaultResponseShift)
	b.Restrict(1, in.Addr+0x3000, 0x1000, 1<<bus.NSAIDEncoder, 0)
	start(b, 50, s, 1<<14)
	if _, err := jpeg.Decode(bytes.NewReader(b.Load(s))); result(b) != engine.OK || err != nil {
		t.Errorf("with the right: %v, %v", result(b), err)
	}
	n := b.Get(encoder.Length)
	b.Expect(engine.Elapsed, 1000+4*w*h*1000/3200+3*w*h+(n*1000+3199)/3200)
}
