package engine

import "gatehouse/devices/internal/pixel"

// Picture is one picture of a job.
type Picture struct {
	Format pixel.Format
	Model  pixel.Model // of the colours: that of FORMAT, or RGB
	W, H   int         // pixels

	first, planes int // its buffers
}

// Formats is a set of formats.
type Formats uint8

// Of makes a set.
func Of(formats ...pixel.Format) (s Formats) {
	for _, f := range formats {
		s |= 1 << f
	}
	return s
}

// AddPicture takes a picture from the registers at off, and adds its planes to the job's buffers.
func (j *Job) AddPicture(off int, allowed Formats) (p Picture, _ Result) {
	format, size := j.Get(off+PictureFormat), j.Get(off+PictureSize)
	p = Picture{Format: pixel.Format(format), Model: pixel.RGB, W: int(size & 0xFFFF), H: int(size >> 16), first: len(j.Buffers)}
	model := format >> ColourShift
	switch {
	case !p.Format.Valid() || allowed>>p.Format&1 == 0 || model > uint32(pixel.BT709Full):
		return p, Parameter
	case p.W < 1 || p.H < 1 || p.W > MaxSide || p.H > MaxSide || p.W*p.H > MaxPixels:
		return p, Parameter
	}
	if p.Format.Planar() {
		p.Model = pixel.Model(model)
	}
	for i, shape := range p.Format.Planes(p.W, p.H) {
		b, r := j.Plane(off+PicturePlane+i*BufferSize, shape.Row, shape.Rows, shape.Unit)
		if r != OK {
			return p, r
		}
		j.Buffers = append(j.Buffers, b)
		p.planes++
	}
	return p, OK
}

// Planes gives the bytes of a picture's planes. Those of an output must have been made.
func (j *Job) Planes(p Picture) (planes [][]byte) {
	for i := range p.planes {
		planes = append(planes, j.Buffers[p.first+i].Data)
	}
	return planes
}

// Make makes the planes of an output.
func (j *Job) Make(p Picture) [][]byte {
	for i := range p.planes {
		b := &j.Buffers[p.first+i]
		b.Data = make([]byte, b.Size())
	}
	return j.Planes(p)
}
