package transform_test

import (
	"math/rand/v2"
	"testing"

	"gatehouse/devices/engine"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/internal/pixel"
	"gatehouse/devices/transform"
)

// BenchmarkScale enlarges a picture in NV12 to 1280x720 pixels for the display.
func BenchmarkScale(b *testing.B) {
	board := newBoard(b)
	r := rand.New(rand.NewPCG(1, 1))
	q := &request{a: newPicture(board, r, pixel.NV12, pixel.BT709, 640, 360), mode: transform.UseA | transform.Bilinear}
	out := board.Flat(4 * 1280 * 720)
	q.d = &picture{format: pixel.XRGB8888, w: 1280, h: 720, planes: []enginetest.Plane{{Memory: out, Row: 4 * 1280, Rows: 720, Stride: 4 * 1280}}}
	q.program(board)
	b.SetBytes(4 * 1280 * 720)
	for b.Loop() {
		board.Set(engine.Control, engine.Start)
		board.Finish()
	}
	if result(board) != engine.OK {
		b.Fatal(result(board))
	}
}
