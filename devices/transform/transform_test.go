package transform_test

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"gatehouse/devices/engine"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/internal/pixel"
	"gatehouse/devices/transform"
	"gatehouse/platform/bus"
)

func newBoard(t testing.TB) *enginetest.Board {
	b := enginetest.New(t)
	d := transform.New(b.Ports(bus.NSAIDTransform), &b.Clock, b.Events)
	d.IRQ = &b.IRQ
	b.Attach(d)
	b.Expect(engine.ID, transform.ID)
	return b
}

func result(b *enginetest.Board) engine.Result {
	return engine.Result(b.Get(engine.Status) >> engine.ResultShift)
}

// picture is a picture of a test: its planes without gaps, and where they are in memory.
type picture struct {
	format pixel.Format
	model  pixel.Model
	w, h   int
	data   [][]byte
	planes []enginetest.Plane
}

func shapes(f pixel.Format, w, h int) (s [][3]int) {
	for _, p := range f.Planes(w, h) {
		s = append(s, [3]int{p.Row, p.Rows, p.Unit})
	}
	return s
}

// newPicture makes a picture of noise and places it.
func newPicture(b *enginetest.Board, r *rand.Rand, f pixel.Format, m pixel.Model, w, h int) *picture {
	p := &picture{format: f, model: m, w: w, h: h, planes: b.Planes(r, shapes(f, w, h))}
	for _, pl := range p.planes {
		rows, _ := b.LoadPlane(pl)
		p.data = append(p.data, rows)
	}
	return p
}

// set gives a picture its contents.
func (p *picture) set(b *enginetest.Board, data ...[]byte) {
	p.data = data
	for i, pl := range p.planes {
		b.StorePlane(pl, data[i])
	}
}

func (p *picture) describe(b *enginetest.Board, off int) {
	b.Picture(off, uint32(p.format)|uint32(p.model&3)<<engine.ColourShift, p.w, p.h, p.planes)
}

func (p *picture) colours() pixel.Model {
	if p.format.Planar() {
		return p.model
	}
	return pixel.RGB
}

// at looks one pixel up: alpha and the three components.
func (p *picture) at(x, y int) [4]int {
	i := y*p.w + x
	k := y/2*((p.w+1)/2) + x/2
	switch p.format {
	case pixel.NV12:
		return [4]int{255, int(p.data[0][i]), int(p.data[1][2*k]), int(p.data[1][2*k+1])}
	case pixel.I420:
		return [4]int{255, int(p.data[0][i]), int(p.data[1][k]), int(p.data[2][k])}
	case pixel.RGB565:
		v := int(p.data[0][2*i]) | int(p.data[0][2*i+1])<<8
		return [4]int{255, v>>11<<3 | v>>13, v>>5&63<<2&255 | v>>9&3, v&31<<3&255 | v>>2&7}
	}
	q := p.data[0][4*i:]
	a := 255
	if p.format == pixel.ARGB8888 {
		a = int(q[3])
	}
	return [4]int{a, int(q[2]), int(q[1]), int(q[0])}
}

func convert(p [4]int, from, to pixel.Model) [4]int {
	v := []pixel.Pixel{pixel.Make(uint8(p[0]), uint8(p[1]), uint8(p[2]), uint8(p[3]))}
	pixel.Convert(v, from, to)
	return [4]int{int(v[0] >> 24), int(v[0] >> 16 & 0xFF), int(v[0] >> 8 & 0xFF), int(v[0] & 0xFF)}
}

// request is one job as a test asks for it.
type request struct {
	a, b, d    *picture
	mode       uint32
	alpha      int
	fill       uint32
	crop, dest image.Rectangle
}

// reference follows doc.go, one pixel of D at a time.
func (q *request) reference() [][]byte {
	turn := int(q.mode >> transform.RotateShift & 3)
	c, w, h := q.crop, q.crop.Dx(), q.crop.Dy()
	if turn%2 == 1 {
		w, h = h, w
	}
	turned := func(x, y int) [4]int {
		x0, y0 := 0, 0
		switch turn {
		case 0:
			x0, y0 = x, y
		case 1: // the first row was the first column, from below
			x0, y0 = y, c.Dy()-1-x
		case 2:
			x0, y0 = c.Dx()-1-x, c.Dy()-1-y
		case 3: // the first row was the last column, from above
			x0, y0 = c.Dx()-1-y, x
		}
		return q.a.at(c.Min.X+x0, c.Min.Y+y0)
	}
	sample := func(x, y int) (p [4]int) {
		dw, dh := q.dest.Dx(), q.dest.Dy()
		if q.mode&transform.Bilinear == 0 {
			return turned((2*x+1)*w/(2*dw), (2*y+1)*h/(2*dh))
		}
		clamp := func(v, n int) int { return min(max(v, 0), 256*(n-1)) }
		u, v := clamp((2*x+1)*w*256/(2*dw)-128, w), clamp((2*y+1)*h*256/(2*dh)-128, h)
		f, g := u%256, v%256
		p00, p10 := turned(u/256, v/256), turned(min(u/256+1, w-1), v/256)
		p01, p11 := turned(u/256, min(v/256+1, h-1)), turned(min(u/256+1, w-1), min(v/256+1, h-1))
		for k := range p {
			p[k] = (p00[k]*(256-f)*(256-g) + p10[k]*f*(256-g) + p01[k]*(256-f)*g + p11[k]*f*g + 32768) / 65536
		}
		return p
	}
	d := q.d
	out := make([][4]int, d.w*d.h)
	for i := range out {
		x, y := i%d.w, i/d.w
		back := convert([4]int{255, int(q.fill >> 16), int(q.fill >> 8 & 0xFF), int(q.fill & 0xFF)}, pixel.RGB, d.colours())
		if q.b != nil {
			back = convert(q.b.at(x, y), q.b.colours(), d.colours())
		}
		if q.a != nil && (image.Point{X: x, Y: y}).In(q.dest) {
			fore := convert(sample(x-q.dest.Min.X, y-q.dest.Min.Y), q.a.colours(), d.colours())
			a := 255
			if q.mode&transform.GlobalAlpha != 0 {
				a = q.alpha
			}
			if q.mode&transform.PixelAlpha != 0 {
				a = (2*a*fore[0] + 255) / 510
			}
			for k := 1; k < 4; k++ {
				back[k] = (2*(fore[k]*a+back[k]*(255-a)) + 255) / 510
			}
		}
		out[i] = back
	}
	var planes [][]byte
	for _, s := range shapes(d.format, d.w, d.h) {
		planes = append(planes, make([]byte, s[0]*s[1]))
	}
	for i, p := range out {
		switch d.format {
		case pixel.NV12, pixel.I420:
			planes[0][i] = byte(p[1])
		case pixel.RGB565:
			v := p[1]>>3<<11 | p[2]>>2<<5 | p[3]>>3
			planes[0][2*i], planes[0][2*i+1] = byte(v), byte(v>>8)
		default:
			copy(planes[0][4*i:], []byte{byte(p[3]), byte(p[2]), byte(p[1]), 255})
		}
	}
	if d.format.Planar() {
		for y := range (d.h + 1) / 2 {
			for x := range (d.w + 1) / 2 {
				for k := range 2 {
					sum := 2
					for n := range 4 {
						sum += out[min(2*y+n/2, d.h-1)*d.w+min(2*x+n%2, d.w-1)][2+k]
					}
					if at := y*((d.w+1)/2) + x; d.format == pixel.NV12 {
						planes[1][2*at+k] = byte(sum / 4)
					} else {
						planes[1+k][at] = byte(sum / 4)
					}
				}
			}
		}
	}
	return planes
}

func box(b *enginetest.Board, off int, r image.Rectangle) {
	b.Set(off, uint32(r.Min.X)|uint32(r.Min.Y)<<16)
	b.Set(off+4, uint32(r.Dx())|uint32(r.Dy())<<16)
}

// program writes the registers of the job.
func (q *request) program(b *enginetest.Board) {
	b.Set(transform.Mode, q.mode)
	b.Set(transform.Alpha, uint32(q.alpha))
	b.Set(transform.Fill, q.fill)
	box(b, transform.CropPos, q.crop)
	box(b, transform.DestPos, q.dest)
	for off, p := range map[int]*picture{transform.A: q.a, transform.B: q.b, transform.D: q.d} {
		if p != nil {
			p.describe(b, off)
		}
	}
}

func (q *request) run(t *testing.T, b *enginetest.Board) {
	t.Helper()
	q.program(b)
	b.Set(engine.IntMask, engine.Done|engine.Error)
	b.Set(engine.Control, engine.Start)
	b.Finish()
	if result(b) != engine.OK || !b.IRQ.Level {
		t.Fatalf("result %v", result(b))
	}
	b.Set(engine.IntRaw, engine.Done)
}

func randomRect(r *rand.Rand, w, h int) image.Rectangle {
	x, y := r.IntN(w), r.IntN(h)
	return image.Rect(x, y, x+1+r.IntN(w-x), y+1+r.IntN(h-y))
}

// TestAgainstReference runs random jobs, with all formats, turns and blends, in scattered memory.
func TestAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var b *enginetest.Board
	for n := range 400 {
		if n%50 == 0 {
			b = newBoard(t)
		}
		pic := func(formats int, w, h int) *picture {
			return newPicture(b, r, pixel.Format(1+r.IntN(formats)), pixel.Model(r.IntN(4)), w, h)
		}
		q := &request{d: pic(4, 1+r.IntN(40), 1+r.IntN(40)), alpha: r.IntN(256), fill: r.Uint32() >> 8}
		if r.IntN(8) > 0 {
			q.a = pic(5, 1+r.IntN(40), 1+r.IntN(40))
			q.crop, q.dest = randomRect(r, q.a.w, q.a.h), randomRect(r, q.d.w, q.d.h)
			q.mode |= transform.UseA | uint32(r.IntN(4))<<transform.RotateShift | r.Uint32()&(transform.Bilinear|transform.GlobalAlpha)
			if q.a.format == pixel.ARGB8888 && r.IntN(4) > 0 {
				q.mode |= transform.PixelAlpha
			}
		}
		if r.IntN(2) == 0 {
			q.b = pic(4, q.d.w, q.d.h)
			q.mode |= transform.UseB
		}
		want := q.reference()
		var gaps [][]byte
		for _, pl := range q.d.planes {
			_, g := b.LoadPlane(pl)
			gaps = append(gaps, g)
		}
		q.run(t, b)
		for i, pl := range q.d.planes {
			got, around := b.LoadPlane(pl)
			if !bytes.Equal(got, want[i]) {
				t.Fatalf("job %d (mode %#x, to format %d): plane %d differs", n, q.mode, q.d.format, i)
			}
			if !bytes.Equal(around, gaps[i]) {
				t.Fatalf("job %d: bytes around plane %d were written", n, i)
			}
		}
	}
}

// rgba turns a picture in XRGB8888 into an image.
func rgba(data []byte, w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.SetRGBA(i%w, i/w, color.RGBA{R: data[4*i+2], G: data[4*i+1], B: data[4*i], A: 255})
	}
	return m
}

// TestAgainstXImage scales with the scalers of golang.org/x/image: the nearest neighbours are the same, and for enlarging the
// bilinear one is off by rounding only.
func TestAgainstXImage(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	b := newBoard(t)
	for n := range 40 {
		w, h := 1+r.IntN(50), 1+r.IntN(50)
		dw, dh := 1+r.IntN(100), 1+r.IntN(100)
		q := &request{a: newPicture(b, r, pixel.XRGB8888, 0, w, h), mode: transform.UseA}
		var scaler draw.Scaler = draw.NearestNeighbor
		tolerance := 0
		if n%2 == 1 {
			scaler, tolerance = draw.BiLinear, 2
			dw, dh = w+r.IntN(50), h+r.IntN(50)
			q.mode |= transform.Bilinear
		}
		q.d = newPicture(b, r, pixel.XRGB8888, 0, dw, dh)
		q.run(t, b)
		got, _ := b.LoadPlane(q.d.planes[0])
		want := image.NewRGBA(image.Rect(0, 0, dw, dh))
		src := rgba(q.a.data[0], w, h)
		scaler.Scale(want, want.Bounds(), src, src.Bounds(), draw.Src, nil)
		for i, v := range rgba(got, dw, dh).Pix {
			if d := int(v) - int(want.Pix[i]); d < -tolerance || d > tolerance {
				t.Fatalf("%dx%d to %dx%d: byte %d is %d, x/image has %d", w, h, dw, dh, i, v, want.Pix[i])
			}
		}
	}
}

// TestVectors has jobs whose result is written down by hand.
func TestVectors(t *testing.T) {
	px := func(v ...uint32) (p []byte) {
		for _, w := range v {
			p = append(p, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
		return p
	}
	b := newBoard(t)
	r := rand.New(rand.NewPCG(9, 9))
	a := newPicture(b, r, pixel.XRGB8888, 0, 3, 2)
	a.set(b, px(1, 2, 3, 4, 5, 6))
	for turn, want := range [][]uint32{{1, 2, 3, 4, 5, 6}, {4, 1, 5, 2, 6, 3}, {6, 5, 4, 3, 2, 1}, {3, 6, 2, 5, 1, 4}} {
		d := newPicture(b, r, pixel.XRGB8888, 0, 3-turn%2, 2+turn%2)
		(&request{a: a, d: d, mode: transform.UseA | uint32(turn)<<transform.RotateShift}).run(t, b)
		for i := range want {
			want[i] |= 0xFF000000
		}
		if got, _ := b.LoadPlane(d.planes[0]); !bytes.Equal(got, px(want...)) {
			t.Errorf("turn %d: % x", turn, got)
		}
	}
	// Two pixels, black and white, enlarged to four: the outer ones are beyond the centres, the inner ones 3:1 and 1:3 between.
	a = newPicture(b, r, pixel.XRGB8888, 0, 2, 1)
	a.set(b, px(0x000000, 0xFFFFFF))
	d := newPicture(b, r, pixel.XRGB8888, 0, 4, 1)
	(&request{a: a, d: d, mode: transform.UseA | transform.Bilinear}).run(t, b)
	if got, _ := b.LoadPlane(d.planes[0]); !bytes.Equal(got, px(0xFF000000, 0xFF404040, 0xFFBFBFBF, 0xFFFFFFFF)) {
		t.Errorf("enlarged: % x", got)
	}
	// Red in NV12 of BT.709: Y 63, Cb 102, Cr 240 (BT.709-6, 3.5).
	d = newPicture(b, r, pixel.NV12, pixel.BT709, 3, 3)
	(&request{d: d, fill: 0xFF0000}).run(t, b)
	y, _ := b.LoadPlane(d.planes[0])
	c, _ := b.LoadPlane(d.planes[1])
	if !bytes.Equal(y, bytes.Repeat([]byte{63}, 9)) || !bytes.Equal(c, bytes.Repeat([]byte{102, 240}, 4)) {
		t.Errorf("red: % x, % x", y, c)
	}
	// Half red over blue.
	d = newPicture(b, r, pixel.XRGB8888, 0, 1, 1)
	a = newPicture(b, r, pixel.ARGB8888, 0, 1, 1)
	a.set(b, px(0x80FF0000))
	(&request{a: a, d: d, fill: 0x0000FF, mode: transform.UseA | transform.PixelAlpha}).run(t, b)
	if got, _ := b.LoadPlane(d.planes[0]); !bytes.Equal(got, px(0xFF80007F)) {
		t.Errorf("blended: % x", got)
	}
}

// TestParameters goes through what is wrong with a job.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int
		v    uint32
		want engine.Result
	}{
		{"good", transform.Alpha, 255, engine.OK},
		{"reserved mode", transform.Mode, 1 << 8, engine.Parameter}, {"mode without A", transform.Mode, transform.Bilinear, engine.Parameter},
		{"alpha", transform.Alpha, 256, engine.Parameter}, {"fill", transform.Fill, 1 << 24, engine.Parameter},
		{"crop outside", transform.CropPos, 9, engine.Parameter}, {"crop below", transform.CropPos, 9 << 16, engine.Parameter},
		{"crop over the edge", transform.CropPos, 1, engine.Parameter}, {"crop over the lower edge", transform.CropPos, 1 << 16, engine.Parameter},
		{"place over the lower edge", transform.DestPos, 1 << 16, engine.Parameter},
		{"crop of no height", transform.CropSize, 3, engine.Parameter}, {"crop of no width", transform.CropSize, 3 << 16, engine.Parameter},
		{"crop of all", transform.CropSize, 8 | 8<<16, engine.OK}, {"large crop", transform.CropSize, 0xFFFF_FFFF, engine.Parameter},
		{"place outside", transform.DestPos, 8, engine.Parameter}, {"place too large", transform.DestSize, 9 | 8<<16, engine.Parameter},
		{"format 0", transform.A, 0, engine.Parameter}, {"format 6", transform.A, 6, engine.Parameter},
		{"reserved format bits", transform.A, 4 | 4<<8, engine.Parameter}, {"reserved format bits", transform.A, 4 | 1<<31, engine.Parameter},
		{"colours of RGB", transform.A, 4 | 3<<8, engine.OK}, {"ARGB in the background", transform.B, 5, engine.Parameter},
		{"ARGB as output", transform.D, 5, engine.Parameter}, {"B of another size", transform.B + 4, 8 | 7<<16, engine.Parameter},
		{"no width", transform.D + 4, 8 << 16, engine.Parameter}, {"no height", transform.D + 4, 8, engine.Parameter},
		{"too wide", transform.A + 4, 4097 | 1<<16, engine.Parameter}, {"too high", transform.A + 4, 1 | 4097<<16, engine.Parameter},
		{"too many pixels", transform.A + 4, 4096 | 2305<<16, engine.Parameter},
		{"stride no multiple", transform.A + 0x30, 34, engine.Parameter}, {"offset no multiple", transform.D + 0x2C, 2, engine.Parameter},
		{"pixel alpha of XRGB", transform.Mode, transform.UseA | transform.PixelAlpha, engine.Parameter},
	} {
		b := newBoard(t)
		r := rand.New(rand.NewPCG(1, 2))
		q := &request{mode: transform.UseA | transform.UseB, crop: image.Rect(0, 0, 8, 8), dest: image.Rect(0, 0, 8, 8)}
		q.a, q.b, q.d = newPicture(b, r, pixel.XRGB8888, 0, 8, 8), newPicture(b, r, pixel.XRGB8888, 0, 8, 8), newPicture(b, r, pixel.XRGB8888, 0, 8, 8)
		q.program(b)
		b.Set(c.off, c.v)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if got := result(b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got, _ := b.LoadPlane(q.d.planes[0]); c.want != engine.OK && !bytes.Equal(got, q.d.data[0]) {
			t.Errorf("%s: output was written", c.name)
		}
	}
	// Without A its fields are 0.
	b := newBoard(t)
	r := rand.New(rand.NewPCG(1, 2))
	(&request{d: newPicture(b, r, pixel.NV12, 0, 4, 4)}).program(b)
	b.Set(transform.CropPos, 1)
	b.Set(engine.Control, engine.Start)
	if result(b) != engine.Parameter {
		t.Errorf("crop without A: %v", result(b))
	}
}

// TestDenied has each of the pictures out of reach. Nothing of what the engine read before gets into its output.
func TestDenied(t *testing.T) {
	for victim := range 3 {
		b := newBoard(t)
		r := rand.New(rand.NewPCG(1, 3))
		const w, h = 64, 64
		var pics [3]*picture
		for i := range pics {
			p := &picture{format: pixel.XRGB8888, w: w, h: h}
			p.planes = []enginetest.Plane{{Memory: b.Flat(4 * w * h).Shut(), Row: 4 * w, Rows: h, Stride: 4 * w}}
			data := make([]byte, 4*w*h)
			for k := range data {
				data[k] = byte(r.Uint32())
			}
			p.set(b, data)
			pics[i] = p
		}
		q := &request{a: pics[0], b: pics[1], d: pics[2], mode: transform.UseA | transform.UseB | transform.GlobalAlpha, alpha: 99,
			crop: image.Rect(0, 0, w, h), dest: image.Rect(0, 0, w, h)}
		q.program(b)
		at := pics[victim].planes[0].Memory.Addr + 0x2000
		b.Restrict(3, at, 0x1000, 1<<bus.NSAIDDecoder, 1<<bus.NSAIDDecoder)
		b.Set(engine.IntMask, engine.Error)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if result(b) != engine.Fault || !b.IRQ.Level {
			t.Fatalf("picture %d: %v", victim, result(b))
		}
		b.Expect(engine.FaultAddrLo, uint32(at))
		b.Expect(engine.FaultInfo, engine.FaultValid|engine.FaultProtected|3<<engine.FaultResponseShift|uint32(victim)<<engine.FaultBufferShift|uint32(victim/2)<<1)
		want := bytes.Clone(pics[2].data[0])
		if victim == 2 {
			copy(want[:0x2000], q.reference()[0])
		}
		if got, _ := b.LoadPlane(pics[2].planes[0]); !bytes.Equal(got, want) {
			t.Errorf("picture %d: the output is not what it should be", victim)
		}
		// After that, a job of the engine that may be done.
		b.Restrict(3, at, 0x1000, 1<<bus.NSAIDTransform, 1<<bus.NSAIDTransform)
		want = q.reference()[0]
		q.run(t, b)
		if got, _ := b.LoadPlane(pics[2].planes[0]); !bytes.Equal(got, want) {
			t.Errorf("picture %d: the next job differs", victim)
		}
	}
}

// TestDeterminism runs the same jobs on two boards: the same events, at the same times.
func TestDeterminism(t *testing.T) {
	run := func() string {
		b := newBoard(t)
		r := rand.New(rand.NewPCG(4, 4))
		for range 5 {
			q := &request{a: newPicture(b, r, pixel.NV12, 0, 200, 100), d: newPicture(b, r, pixel.XRGB8888, 0, 320, 240), mode: transform.UseA | transform.Bilinear}
			q.run(t, b)
		}
		return b.Log.String()
	}
	first, second := run(), run()
	if first != second || strings.Count(first, "DONE") != 5 {
		t.Errorf("events differ:\n%s\n%s", first, second)
	}
}

// TestLargest runs the largest picture, for the time and the sums.
func TestLargest(t *testing.T) {
	if testing.Short() {
		t.Skip("a large picture")
	}
	b := newBoard(t)
	out := b.Flat(4096 * 2304 * 2)
	b.Picture(transform.D, uint32(pixel.RGB565), 4096, 2304, []enginetest.Plane{{Memory: out, Row: 8192, Rows: 2304, Stride: 8192}})
	b.Set(transform.Fill, 0xF80000)
	b.Set(engine.Control, engine.Start)
	b.Finish()
	if result(b) != engine.OK {
		t.Fatal(result(b))
	}
	b.Set(transform.D+4, 4096|2305<<16)
	b.Set(engine.Control, engine.Start)
	if result(b) != engine.Parameter {
		t.Errorf("one row more: %v", result(b))
	}
	b.Set(transform.D+4, 4096|2304<<16)
	b.Set(engine.Control, engine.Start)
	b.Finish()
	const bytes, pixels = 4096 * 2304 * 2, 4096 * 2304
	b.Expect(engine.BytesWritten, bytes)
	b.Expect(engine.Elapsed, 1000+pixels+20480*bytes/65536)
	if v := b.Bytes(out.Addr+bytes-2, 2); v[0] != 0 || v[1] != 0xF8 {
		t.Errorf("the last pixel is % x", v)
	}
}

func FuzzTransform(f *testing.F) {
	f.Add(uint32(transform.UseA|transform.Bilinear), uint32(0), uint32(2|3<<16), uint32(1), uint32(4), uint32(5|7<<16), []byte{1, 2, 3})
	f.Add(uint32(transform.UseA|1<<transform.RotateShift), uint32(0), uint32(0), uint32(4), uint32(2), uint32(9|1<<16), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, mode, pos, size, from, to, shape uint32, memory []byte) {
		b := newBoard(t)
		b.Fill(enginetest.RAMBase, memory[:min(len(memory), 4096)])
		b.Set(transform.Mode, mode&^transform.UseB)
		b.Set(transform.CropPos, pos)
		b.Set(transform.CropSize, size)
		b.Set(transform.A, from)
		b.Set(transform.A+4, 16|16<<16)
		b.Set(transform.D, to)
		b.Set(transform.D+4, shape&0xFF00FF)
		for i := range 3 {
			b.Describe(transform.A+0x20+i*0x20, enginetest.Memory{Addr: enginetest.RAMBase + uint64(i)<<12}, 0, 0, 0)
			b.Describe(transform.D+0x20+i*0x20, enginetest.Memory{Addr: enginetest.RAMBase + uint64(i+1)<<20}, 0, 0, 0)
		}
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if r := result(b); r != engine.OK && r != engine.Parameter {
			t.Fatalf("%v", r)
		}
	})
}

// TestOpacity is the formula of doc.go at its ends: no alpha is nothing, all alpha is everything.
func TestOpacity(t *testing.T) {
	b := newBoard(t)
	r := rand.New(rand.NewPCG(5, 5))
	for _, alpha := range []int{0, 1, 128, 254, 255} {
		q := &request{a: newPicture(b, r, pixel.ARGB8888, 0, 16, 16), d: newPicture(b, r, pixel.XRGB8888, 0, 16, 16),
			mode: transform.UseA | transform.PixelAlpha | transform.GlobalAlpha, alpha: alpha, fill: 0x336699}
		q.run(t, b)
		got, _ := b.LoadPlane(q.d.planes[0])
		for i := range 256 {
			p := q.a.data[0][4*i:]
			share := float64(p[3]) / 255 * float64(alpha) / 255
			for k, back := range []float64{0x99, 0x66, 0x33} {
				want := float64(p[k])*share + back*(1-share)
				if d := math.Abs(float64(got[4*i+k]) - want); d > 1.01 {
					t.Fatalf("alpha %d: pixel %d is %d, want %v", alpha, i, got[4*i+k], want)
				}
			}
		}
	}
}
