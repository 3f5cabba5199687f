package encoder

import (
	"bytes"
	"image"
	"image/jpeg"

	"gatehouse/devices/engine"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// ID is the value of the ID register: "GENC".
const ID = 0x4745_4E43

// Offsets of the parameters and of the result.
const (
	Quality = 0x080
	A       = 0x100
	Stream  = 0x180

	Length = 0x040
)

// PixelTime is the time, in ns, that the engine takes for each pixel.
const PixelTime = 3

const inputs = 1<<pixel.NV12 | 1<<pixel.I420 | 1<<pixel.RGB565 | 1<<pixel.XRGB8888

// Encoder is one engine. Its registers are a bus.Device.
type Encoder struct{ *engine.Engine }

// New makes an engine in its reset state. Its transactions go through ports.
func New(ports engine.Ports, clock *vtime.Clock, events *event.Stream) *Encoder {
	return &Encoder{engine.New("encoder", ID, model{}, ports, clock, events)}
}

type model struct{}

// Plan is part of engine.Model.
func (model) Plan(j *engine.Job) engine.Result {
	if q := j.Get(Quality); q < 1 || q > 100 {
		return engine.Parameter
	}
	a, r := j.AddPicture(A, inputs)
	if r != engine.OK {
		return r
	}
	s, r := j.Stream(Stream, engine.MaxStream)
	if r != engine.OK {
		return r
	}
	j.Inputs = len(j.Buffers)
	j.Buffers = append(j.Buffers, s)
	j.Cost, j.Work = PixelTime*uint64(a.W*a.H), a
	return engine.OK
}

// Run is part of engine.Model.
func (model) Run(j *engine.Job) engine.Result {
	a, planes := j.Work.(engine.Picture), j.Planes(j.Work.(engine.Picture))
	m := image.NewYCbCr(image.Rect(0, 0, a.W, a.H), image.YCbCrSubsampleRatio420)
	out := [][]byte{m.Y, m.Cb, m.Cr}
	rows := [2][]pixel.Pixel{make([]pixel.Pixel, a.W), make([]pixel.Pixel, a.W)}
	for y := range a.H {
		row := rows[y%2]
		pixel.UnpackRow(row, a.Format, planes, y)
		pixel.Convert(row, a.Model, pixel.BT601Full)
		pixel.PackRow(out, pixel.I420, y, a.H, rows[(y+1)%2], row)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: int(j.Get(Quality))}); err != nil {
		panic("BUG: a picture of allowed size cannot be encoded: " + err.Error())
	}
	s := &j.Buffers[j.Inputs]
	if uint64(b.Len()) > s.Size() {
		return engine.Short
	}
	s.Data = b.Bytes()
	j.Results[0] = uint32(b.Len())
	return engine.OK
}
