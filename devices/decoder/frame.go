package decoder

import (
	"bytes"
	"image"
	"image/jpeg"

	"golang.org/x/image/vp8"

	"gatehouse/devices/engine"
	"gatehouse/devices/internal/pixel"
)

// decode decodes a bitstream, whose headers parse has accepted, into the planes of d, which it makes when the bitstream is good.
func decode(codec uint32, p []byte, d engine.Picture, planes func() [][]byte) (r engine.Result) {
	m, r := samples(codec, p)
	if r != engine.OK {
		return r
	}
	source := pixel.BT601
	if codec == JPEG {
		source = pixel.BT601Full
	}
	if m.Rect != image.Rect(0, 0, d.W, d.H) {
		return engine.Corrupt
	}
	out := planes()
	rows := [2][]pixel.Pixel{make([]pixel.Pixel, d.W), make([]pixel.Pixel, d.W)}
	for y := range d.H {
		row := rows[y%2]
		luma := m.Y[y*m.YStride:]
		for x := range row {
			cb, cr := uint8(128), uint8(128)
			if m.Cb != nil {
				c := m.COffset(x, y)
				cb, cr = m.Cb[c], m.Cr[c]
			}
			row[x] = pixel.Make(255, luma[x], cb, cr)
		}
		pixel.Convert(row, source, d.Model)
		pixel.PackRow(out, d.Format, y, d.H, rows[(y+1)%2], row)
	}
	return engine.OK
}

// samples decodes a bitstream. Without colour Cb and Cr are nil.
func samples(codec uint32, p []byte) (m *image.YCbCr, r engine.Result) {
	// The libraries are made for hostile input, and parse has bounded what they may be asked for. Should one panic all the same, that
	// ends the job and not the machine.
	defer func() {
		if recover() != nil {
			m, r = nil, engine.Corrupt
		}
	}()
	if codec == JPEG {
		img, err := jpeg.Decode(bytes.NewReader(p))
		if err != nil {
			return nil, engine.Corrupt
		}
		switch img := img.(type) {
		case *image.YCbCr:
			return img, engine.OK
		case *image.Gray:
			return &image.YCbCr{Y: img.Pix, YStride: img.Stride, Rect: img.Rect}, engine.OK
		}
		return nil, engine.Unsupported // RGB components (Adobe's APP14)
	}
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(p), len(p))
	if _, err := d.DecodeFrameHeader(); err != nil {
		return nil, engine.Corrupt
	}
	m, err := d.DecodeFrame()
	if err != nil {
		return nil, engine.Corrupt
	}
	return m, engine.OK
}
