package hdlcd_test

import (
	"image"
	"testing"

	"gatehouse/devices/hdlcd"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/platform/bus"
)

// counter counts frames.
type counter uint64

func (c *counter) Frame(n uint64, _ *image.RGBA) { *c = counter(n) }

// BenchmarkFrame shows frames of 1280x720 pixels.
func BenchmarkFrame(b *testing.B) {
	board := enginetest.New(b)
	d := hdlcd.New(board.Port(bus.NSAIDHDLCD), &board.Clock, nil)
	var shown counter
	d.Display = &shown
	board.Attach(d)
	mem := board.Flat(4 * 1280 * 720)
	set(board, mode{1280, 110, 40, 220, 720, 5, 5, 20}, mem.Addr, 4*1280)
	board.Set(hdlcd.Command, hdlcd.Enable)
	b.SetBytes(4 * 1280 * 720)
	for b.Loop() {
		for was := shown; shown == was; {
			board.Step()
		}
	}
}
