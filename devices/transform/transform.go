package transform

import (
	"gatehouse/devices/engine"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// ID is the value of the ID register: "GTRF".
const ID = 0x4754_5246

// Offsets of the parameters.
const (
	Mode     = 0x080
	Alpha    = 0x084
	Fill     = 0x088
	CropPos  = 0x090
	CropSize = 0x094
	DestPos  = 0x098
	DestSize = 0x09C
	A        = 0x100
	B        = 0x180
	D        = 0x200
)

// Mode.
const (
	UseA        = 1 << 0
	UseB        = 1 << 1
	Bilinear    = 1 << 2
	RotateShift = 4 // a number of quarter turns, clockwise
	PixelAlpha  = 1 << 6
	GlobalAlpha = 1 << 7

	modeMask = UseA | UseB | Bilinear | 3<<RotateShift | PixelAlpha | GlobalAlpha
)

// PixelTime is the time, in ns, that the engine takes for each pixel of D, and for each one of A that is used.
const PixelTime = 1

const (
	all    = 1<<pixel.NV12 | 1<<pixel.I420 | 1<<pixel.RGB565 | 1<<pixel.XRGB8888 | 1<<pixel.ARGB8888
	opaque = all &^ (1 << pixel.ARGB8888)
)

// Transform is one engine. Its registers are a bus.Device.
type Transform struct{ *engine.Engine }

// New makes an engine in its reset state. Its transactions go through ports.
func New(ports engine.Ports, clock *vtime.Clock, events *event.Stream) *Transform {
	return &Transform{engine.New("transform", ID, model{}, ports, clock, events)}
}

type model struct{}

// job is what the parameters say.
type job struct {
	mode       uint32
	a, b, d    engine.Picture
	crop, dest rect
}

type rect struct{ x, y, w, h int }

// part reads a rectangle that lies within a picture of w x h.
func part(j *engine.Job, pos, size, w, h int) (rect, bool) {
	p, s := j.Get(pos), j.Get(size)
	r := rect{int(p & 0xFFFF), int(p >> 16), int(s & 0xFFFF), int(s >> 16)}
	if s == 0 {
		r.w, r.h = w, h
	}
	return r, r.w > 0 && r.h > 0 && r.x+r.w <= w && r.y+r.h <= h
}

// parse reads the parameters and adds the pictures to the job.
func parse(ej *engine.Job) (j job, r engine.Result) {
	j.mode = ej.Get(Mode)
	if j.mode&^modeMask != 0 || ej.Get(Alpha) > 255 || ej.Get(Fill)>>24 != 0 {
		return j, engine.Parameter
	}
	if j.mode&UseA != 0 {
		if j.a, r = ej.AddPicture(A, all); r != engine.OK {
			return j, r
		}
		if j.mode&PixelAlpha != 0 && j.a.Format != pixel.ARGB8888 {
			return j, engine.Parameter
		}
	} else if j.mode&^UseB != 0 || ej.Get(CropPos)|ej.Get(CropSize)|ej.Get(DestPos)|ej.Get(DestSize) != 0 {
		return j, engine.Parameter
	}
	if j.mode&UseB != 0 {
		if j.b, r = ej.AddPicture(B, opaque); r != engine.OK {
			return j, r
		}
	}
	ej.Inputs = len(ej.Buffers)
	if j.d, r = ej.AddPicture(D, opaque); r != engine.OK {
		return j, r
	}
	if j.mode&UseB != 0 && (j.b.W != j.d.W || j.b.H != j.d.H) {
		return j, engine.Parameter
	}
	if j.mode&UseA != 0 {
		var in, out bool
		j.crop, in = part(ej, CropPos, CropSize, j.a.W, j.a.H)
		j.dest, out = part(ej, DestPos, DestSize, j.d.W, j.d.H)
		if !in || !out {
			return j, engine.Parameter
		}
	}
	return j, engine.OK
}

// Plan is part of engine.Model.
func (model) Plan(ej *engine.Job) engine.Result {
	j, r := parse(ej)
	if r != engine.OK {
		return r
	}
	ej.Cost = PixelTime * uint64(j.d.W*j.d.H+j.crop.w*j.crop.h)
	ej.Work = j
	return engine.OK
}

// Run is part of engine.Model.
func (model) Run(ej *engine.Job) engine.Result {
	j := ej.Work.(job)
	var (
		fore   = j.foreground(ej)
		back   = ej.Planes(j.b)
		planes = ej.Make(j.d)
		d      = j.d
		rows   = [2][]pixel.Pixel{make([]pixel.Pixel, d.W), make([]pixel.Pixel, d.W)}
		line   = make([]pixel.Pixel, j.dest.w)
		fill   = []pixel.Pixel{ej.Get(Fill)}
		alpha  = uint32(255)
	)
	pixel.Convert(fill, pixel.RGB, d.Model)
	if j.mode&GlobalAlpha != 0 {
		alpha = ej.Get(Alpha)
	}
	for y := range d.H {
		row := rows[y%2]
		if j.mode&UseB != 0 {
			pixel.UnpackRow(row, j.b.Format, back, y)
			pixel.Convert(row, j.b.Model, d.Model)
		} else {
			for x := range row {
				row[x] = fill[0]
			}
		}
		if at := y - j.dest.y; j.mode&UseA != 0 && at >= 0 && at < j.dest.h {
			fore.line(line, at)
			pixel.Convert(line, j.a.Model, d.Model)
			over := row[j.dest.x:]
			for x, p := range line {
				a := alpha
				if j.mode&PixelAlpha != 0 {
					a = (2*alpha*(p>>24) + 255) / 510
				}
				if a == 255 {
					over[x] = p
				} else {
					over[x] = pixel.Blend(p, over[x], a)
				}
			}
		}
		pixel.PackRow(planes, d.Format, y, d.H, rows[(y+1)%2], row)
	}
	return engine.OK
}

// source is the part of A that is used, turned, and how it is scaled.
type source struct {
	w, h     int
	pixels   []pixel.Pixel
	bilinear bool
	dw, dh   int
	taps     []tap // for each column
}

// tap is where a column or a row comes from: two neighbours, and how much of 256 the second one counts.
type tap struct {
	first, second int
	fraction      uint32
}

// taps gives the tap of pixel i of n that are made of count.
func (s *source) tap(i, n, count int) tap {
	if !s.bilinear {
		at := (2*i + 1) * count / (2 * n)
		return tap{first: at, second: at}
	}
	u := min(max((2*i+1)*count*256/(2*n)-128, 0), 256*(count-1))
	return tap{u / 256, min(u/256+1, count-1), uint32(u % 256)}
}

// foreground unpacks the part of A.
func (j *job) foreground(ej *engine.Job) (s source) {
	if j.mode&UseA == 0 {
		return s
	}
	c := j.crop
	s = source{w: c.w, h: c.h, pixels: make([]pixel.Pixel, c.w*c.h), bilinear: j.mode&Bilinear != 0, dw: j.dest.w, dh: j.dest.h}
	turn := j.mode >> RotateShift & 3
	if turn%2 == 1 {
		s.w, s.h = c.h, c.w
	}
	planes, row := ej.Planes(j.a), make([]pixel.Pixel, j.a.W)
	for y := range c.h {
		pixel.UnpackRow(row, j.a.Format, planes, c.y+y)
		from := row[c.x : c.x+c.w]
		// The row goes where at points to, and on from there in steps.
		at, step := y*s.w, 1
		switch turn {
		case 1:
			at, step = c.h-1-y, s.w
		case 2:
			at, step = (c.h-y)*s.w-1, -1
		case 3:
			at, step = (c.w-1)*s.w+y, -s.w
		}
		for _, p := range from {
			s.pixels[at] = p
			at += step
		}
	}
	for x := range s.dw {
		s.taps = append(s.taps, s.tap(x, s.dw, s.w))
	}
	return s
}

// line fills dst with row y of the scaled picture.
func (s *source) line(dst []pixel.Pixel, y int) {
	v := s.tap(y, s.dh, s.h)
	upper := s.pixels[v.first*s.w : (v.first+1)*s.w]
	if !s.bilinear {
		for x := range dst {
			dst[x] = upper[s.taps[x].first]
		}
		return
	}
	lower := s.pixels[v.second*s.w : (v.second+1)*s.w]
	g := uint64(v.fraction)
	for x := range dst {
		u := &s.taps[x]
		f := uint64(u.fraction)
		a0, b0 := lanes(upper[u.first])
		a1, b1 := lanes(upper[u.second])
		a2, b2 := lanes(lower[u.first])
		a3, b3 := lanes(lower[u.second])
		w0, w1, w2, w3 := (256-f)*(256-g), f*(256-g), (256-f)*g, f*g
		const half, mask = 0x8000_0000_8000, 0xFF_0000_00FF
		a := (a0*w0 + a1*w1 + a2*w2 + a3*w3 + half) >> 16 & mask
		b := (b0*w0 + b1*w1 + b2*w2 + b3*w3 + half) >> 16 & mask
		dst[x] = uint32(a) | uint32(a>>16) | (uint32(b)|uint32(b>>16))<<8
	}
}

// lanes spreads the components of a pixel: the first and the third, the second and the fourth, 32 bits apart, so that two sums of at
// most 24 bits are one.
func lanes(p pixel.Pixel) (even, odd uint64) {
	v := uint64(p)
	return v&0xFF | v<<16&(0xFF<<32), v>>8&0xFF | v<<8&(0xFF<<32)
}
