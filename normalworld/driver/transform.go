package driver

import (
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// The transform (package devices/transform).
const (
	transformBase = 0x0b13_0000
	transformSPI  = 132
	transformID   = 0x4754_5246 // "GTRF"

	xfMode     = 0x080
	xfAlpha    = 0x084
	xfFill     = 0x088
	xfCropPos  = 0x090
	xfCropSize = 0x094
	xfDestPos  = 0x098
	xfDestSize = 0x09c
	xfA        = 0x100
	xfB        = 0x180
	xfD        = 0x200

	xfModeA           = 1 << 0
	xfModeB           = 1 << 1
	xfModeBilinear    = 1 << 2
	xfModeRotate      = 4 // shift
	xfModePixelAlpha  = 1 << 6
	xfModeGlobalAlpha = 1 << 7
)

// Rect is a part of a picture, in pixels. The zero value stands for all of it.
type Rect struct{ X, Y, Width, Height uint32 }

func (r Rect) pos() uint32  { return r.X | r.Y<<16 }
func (r Rect) size() uint32 { return r.Width | r.Height<<16 }

// TransformJob makes one picture of up to two.
type TransformJob struct {
	// Source is the picture in the foreground, Under the one in the background; without Under the colour Fill is there, and without
	// Source nothing but the background.
	Source, Under *Picture
	Dest          Picture
	Crop          Rect // of Source
	Place         Rect // in Dest
	// Rotate is in steps of 90 degrees clockwise, 0 to 3.
	Rotate   uint32
	Bilinear bool
	// PixelAlpha takes the opacity of an ARGB8888 source; GlobalAlpha multiplies with Alpha/255.
	PixelAlpha, GlobalAlpha bool
	Alpha                   uint8
	Fill                    uint32 // 0xRRGGBB
}

// Transform drives the picture engine.
type Transform struct{ *Engine }

// NewTransform finds the engine.
func NewTransform(core *dmabuf.Core, pages *mem.Allocator) (*Transform, error) {
	e, err := probe(core, pages, dmabuf.Device{Name: "transform", NSAID: 5, DMAMask: 1<<48 - 1}, transformBase, transformSPI, transformID)
	return &Transform{e}, err
}

// Submit queues a job.
func (t *Transform) Submit(tj *TransformJob) (*Job, error) {
	j := &Job{}
	return t.start(j, t.program(j, tj))
}

func (t *Transform) program(j *Job, tj *TransformJob) error {
	mode := tj.Rotate & 3 << xfModeRotate
	if tj.Source != nil {
		mode |= xfModeA
		if err := t.picture(j, xfA, *tj.Source); err != nil {
			return err
		}
	}
	if tj.Under != nil {
		mode |= xfModeB
		if err := t.picture(j, xfB, *tj.Under); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		on  bool
		bit uint32
	}{{tj.Bilinear, xfModeBilinear}, {tj.PixelAlpha, xfModePixelAlpha}, {tj.GlobalAlpha, xfModeGlobalAlpha}} {
		if f.on {
			mode |= f.bit
		}
	}
	j.set(xfMode, mode)
	j.set(xfAlpha, uint32(tj.Alpha))
	j.set(xfFill, tj.Fill&0xff_ffff)
	j.set(xfCropPos, tj.Crop.pos())
	j.set(xfCropSize, tj.Crop.size())
	j.set(xfDestPos, tj.Place.pos())
	j.set(xfDestSize, tj.Place.size())
	return t.picture(j, xfD, tj.Dest)
}

// Run does a job and waits for it.
func (t *Transform) Run(tj *TransformJob) error {
	j, err := t.Submit(tj)
	if err != nil {
		return err
	}
	return j.wait()
}
