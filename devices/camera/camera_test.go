package camera_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"gatehouse/devices/camera"
	"gatehouse/devices/engine"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

func newBoard(t testing.TB) (*enginetest.Board, *camera.Camera) {
	b := enginetest.New(t)
	d := camera.New(b.Ports(bus.NSAIDCamera), &b.Clock, b.Events)
	d.IRQ = &b.IRQ
	b.Attach(d)
	b.Expect(engine.ID, camera.ID)
	b.Set(engine.IntMask, engine.Done|engine.Error)
	return b, d
}

// rgb is the pattern as doc.go describes it, one pixel at a time.
func rgb(x, y, w, h int, frame uint32) (r, g, b uint8) {
	const on = 191
	top := h / 8
	if top == 0 {
		top = 1
	}
	if y < top {
		if bit := 0; w >= 32 {
			if bit = x / (w / 32); bit < 32 && frame&(1<<(31-bit)) != 0 {
				return 255, 255, 255
			}
		}
		return 0, 0, 0
	}
	if left := int(uint64(frame) * 8 % uint64(w)); y >= 3*h/8 && y < 3*h/8+h/4 && x >= left && x < left+h/4 {
		return 255, 255, 255
	}
	bar := 7
	if w >= 8 && x/(w/8) < 7 {
		bar = x / (w / 8)
	} else if w < 8 {
		bar = x
	}
	switch bar {
	case 0:
		return 255, 255, 255
	case 1:
		return on, on, 0
	case 2:
		return 0, on, on
	case 3:
		return 0, on, 0
	case 4:
		return on, 0, on
	case 5:
		return on, 0, 0
	case 6:
		return 0, 0, on
	}
	return 0, 0, 0
}

// expected is a frame in XRGB8888.
func expected(w, h int, frame uint32) (p []byte) {
	for i := range w * h {
		r, g, b := rgb(i%w, i/w, w, h, frame)
		p = append(p, b, g, r, 255)
	}
	return p
}

const w, h = 96, 64

// queue queues flat memory for a frame in XRGB8888.
func queue(b *enginetest.Board, tag uint32, m enginetest.Memory) {
	b.Picture(camera.D, uint32(pixel.XRGB8888), w, h, []enginetest.Plane{{Memory: m, Row: 4 * w, Rows: h}})
	b.Set(camera.Queue, tag)
}

type frame struct {
	tag, frame uint32
	result     engine.Result
	time       uint64
}

// pop takes what is completed.
func pop(b *enginetest.Board) (all []frame) {
	for b.Get(camera.Completed) > 0 {
		all = append(all, frame{b.Get(camera.Tag), b.Get(camera.Frame), engine.Result(b.Get(camera.Result)), uint64(b.Get(camera.TimeLo)) | uint64(b.Get(camera.TimeHi))<<32})
		b.Set(camera.Pop, 0)
	}
	return all
}

func TestResetValues(t *testing.T) {
	b, d := newBoard(t)
	for range 2 {
		b.Set(engine.IntMask, 0)
		for off := 8; off < 0x1000; off += 4 {
			b.Expect(off, 0)
		}
		m := b.Flat(4 * w * h)
		queue(b, 7, m)
		queue(b, 8, m)
		b.Set(camera.Stream, 0xFFFF_FFFF)
		b.Expect(camera.Stream, camera.On)
		b.Until(b.Clock.Now() + 3_000_000)
		if b.Get(camera.Completed) == 0 || b.Get(camera.Overruns) == 0 {
			t.Error("the camera does not work")
		}
		for _, off := range []int{camera.Queued, camera.Completed, camera.Tag, camera.Overruns, camera.Next, 0x3FC} {
			was := b.Get(off)
			b.Set(off, was+1)
			b.Expect(off, was)
		}
		b.Set(engine.IntMask, 0xFF)
		if !b.IRQ.Level {
			t.Error("no interrupt")
		}
		b.Set(engine.Control, engine.Reset)
		if b.IRQ.Level || b.Clock.Next() != vtime.Never || d.Busy() {
			t.Error("something goes on after reset")
		}
	}
	if r := b.Bus.Store(enginetest.EngineBase+camera.Stream, 2, 1, enginetest.CPU); r != bus.SLVERR {
		t.Errorf("write of 2 bytes: %v", r)
	}
	if _, r := b.Bus.Load(enginetest.EngineBase+camera.Stream, 8, enginetest.CPU); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
	if r := b.Bus.Store(enginetest.EngineBase+engine.Control, 2, 1, enginetest.CPU); r != bus.SLVERR || d.Busy() {
		t.Errorf("short write of CONTROL: %v", r)
	}
}

// TestStream captures with three buffers at 100 frames a second, queues two of them again, and falls behind then.
func TestStream(t *testing.T) {
	b, _ := newBoard(t)
	const ms = 1_000_000
	b.Set(camera.Period, 10*ms)
	var mem [3]enginetest.Memory
	for i := range mem {
		mem[i] = b.Flat(4 * w * h)
		queue(b, uint32(i)+100, mem[i])
	}
	b.Expect(camera.Queued, 3)
	b.Until(5 * ms)
	b.Set(camera.Stream, camera.On)
	b.Until(26 * ms)
	if got := fmt.Sprint(pop(b)); got != fmt.Sprintf("[{100 0 %[1]d %[2]d} {101 1 %[1]d %[3]d} {102 2 %[1]d %[4]d}]", engine.OK, 5*ms, 15*ms, 25*ms) {
		t.Errorf("frames %s", got)
	}
	for i := range mem {
		if !bytes.Equal(b.Load(mem[i]), expected(w, h, uint32(i))) {
			t.Errorf("frame %d is not the pattern", i)
		}
	}
	queue(b, 200, mem[1])
	queue(b, 201, mem[2])
	b.Until(70 * ms) // frames 3 and 4 have buffers, 5 and 6 have none
	b.Expect(camera.Overruns, 2)
	b.Expect(camera.Next, 7)
	b.Expect(engine.IntRaw, engine.Done|camera.Overrun)
	if got := fmt.Sprint(pop(b)); got != fmt.Sprintf("[{200 3 %[1]d %[2]d} {201 4 %[1]d %[3]d}]", engine.OK, 35*ms, 45*ms) {
		t.Errorf("frames %s", got)
	}
	if !bytes.Equal(b.Load(mem[1]), expected(w, h, 3)) || !bytes.Equal(b.Load(mem[0]), expected(w, h, 0)) {
		t.Error("the buffers do not hold what they should")
	}
	b.Set(camera.Stream, 0)
	if b.Clock.Next() != vtime.Never {
		t.Error("the stream goes on")
	}
}

// TestFormats compares frames in all formats and odd sizes with the conversion of the pattern.
func TestFormats(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 60 {
		b, _ := newBoard(t)
		w, h := 1+r.IntN(100), 1+r.IntN(60)
		f, model := pixel.Format(1+n%4), pixel.Model(r.IntN(4))
		var shapes [][3]int
		for _, p := range f.Planes(w, h) {
			shapes = append(shapes, [3]int{p.Row, p.Rows, p.Unit})
		}
		planes := b.Planes(r, shapes)
		b.Picture(camera.D, uint32(f)|uint32(model)<<engine.ColourShift, w, h, planes)
		number := uint32(r.IntN(5))
		for range number + 1 { // single frames, the last one of which counts
			b.Set(engine.Control, engine.Start)
			b.Finish()
		}
		b.Expect(camera.Next, number+1)
		b.Expect(camera.Completed, 0)
		if !f.Planar() {
			model = pixel.RGB
		}
		var want [][]byte
		for _, s := range shapes {
			want = append(want, make([]byte, s[0]*s[1]))
		}
		rows := make([][]pixel.Pixel, h)
		for y := range h {
			rows[y] = make([]pixel.Pixel, w)
			for x := range w {
				red, green, blue := rgb(x, y, w, h, number)
				rows[y][x] = pixel.Make(255, red, green, blue)
			}
			pixel.Convert(rows[y], pixel.RGB, model)
			pixel.PackRow(want, f, y, h, rows[max(y-1, 0)], rows[y])
		}
		for i, p := range planes {
			if got, _ := b.LoadPlane(p); !bytes.Equal(got, want[i]) {
				t.Fatalf("case %d (format %d, %dx%d, frame %d): plane %d differs", n, f, w, h, number, i)
			}
		}
	}
}

// TestLimits fills the queue and the completions, and has a period that is too short.
func TestLimits(t *testing.T) {
	b, d := newBoard(t)
	m := b.Flat(4 * w * h)
	for i := range camera.Depth {
		queue(b, uint32(i), m)
	}
	b.Expect(engine.IntRaw, 0)
	queue(b, 99, m)
	b.Expect(engine.IntRaw, engine.Refused)
	b.Expect(camera.Queued, camera.Depth)
	b.Set(camera.Stream, camera.On)
	b.Until(camera.Depth*camera.MinPeriod - 1)
	b.Expect(camera.Completed, camera.Depth)
	b.Expect(camera.Overruns, 0)
	queue(b, 8, m)
	b.Until(camera.Depth * camera.MinPeriod)
	b.Expect(camera.Overruns, 1) // nothing was popped
	b.Set(camera.Pop, 0)
	b.Until((camera.Depth + 2) * camera.MinPeriod)
	all := pop(b)
	if len(all) != camera.Depth || all[7].tag != 8 || all[7].frame != camera.Depth+1 {
		t.Errorf("completed: %v", all)
	}
	// A frame that takes longer than the period: 4096x2304 in RGB565.
	large := b.Flat(4096 * 2304 * 2)
	b.Picture(camera.D, uint32(pixel.RGB565), 4096, 2304, []enginetest.Plane{{Memory: large, Row: 8192, Rows: 2304}})
	b.Set(camera.Queue, 50)
	queue(b, 51, m)
	was := b.Get(camera.Overruns)
	for !d.Busy() {
		b.Step()
	}
	began := b.Get(camera.Next)
	b.Set(engine.Control, engine.Start) // no single frame meanwhile
	b.Expect(camera.Next, began)
	for b.Get(camera.Completed) == 0 {
		b.Step()
	}
	if lost := b.Get(camera.Overruns) - was; lost < 14 || lost > 17 {
		t.Errorf("%d frames were lost in 15 ms", lost)
	}
	// Stopping aborts, and forgets what is queued and completed.
	queue(b, 52, m)
	b.Set(camera.Stream, 0)
	for _, off := range []int{camera.Queued, camera.Completed, camera.Tag} {
		b.Expect(off, 0)
	}
	if d.Busy() || b.Clock.Next() != vtime.Never {
		t.Error("the stream goes on")
	}
}

// TestDenied has buffers that the camera may not write, and one whose description is wrong. They come back with the reason, and the
// stream goes on.
func TestDenied(t *testing.T) {
	b, _ := newBoard(t)
	var mem [4]enginetest.Memory
	for i := range mem {
		mem[i] = b.Flat(4 * w * h).Shut() // six pages
		b.Store(mem[i], bytes.Repeat([]byte{0x77}, 4*w*h))
	}
	b.Restrict(1, mem[0].Addr, 4*w*h, 1<<bus.NSAIDAP, 1<<bus.NSAIDAP)
	b.Restrict(2, mem[1].Addr+0x2000, 0x1000, 1<<bus.NSAIDEncoder, 1<<bus.NSAIDEncoder)
	b.Restrict(3, mem[3].Addr, 4*w*h, 0, 1<<bus.NSAIDCamera)
	queue(b, 0, mem[0])
	queue(b, 1, mem[1])
	b.Picture(camera.D, 99, w, h, nil)
	b.Set(camera.Queue, 2)
	queue(b, 3, mem[3])
	b.Set(camera.Stream, camera.On)
	b.Until(4 * camera.MinPeriod)
	var got []string
	for _, f := range pop(b) {
		got = append(got, fmt.Sprint(f.tag, f.frame, f.result))
	}
	if fmt.Sprint(got) != "[0 0 fault 1 1 fault 2 2 parameter 3 3 ok]" {
		t.Errorf("completed: %v", got)
	}
	if !b.IRQ.Level || b.Get(engine.IntRaw)&(engine.Error|engine.Done) != engine.Error|engine.Done {
		t.Errorf("interrupts %#x", b.Get(engine.IntRaw))
	}
	none := bytes.Repeat([]byte{0x77}, 4*w*h)
	for i, want := range [][]byte{none, append(expected(w, h, 1)[:0x2000], none[0x2000:]...), none, expected(w, h, 3)} {
		if !bytes.Equal(b.Load(mem[i]), want) {
			t.Errorf("buffer %d does not hold what it should", i)
		}
	}
}

// TestAbort ends a frame in the middle; its buffer comes back.
func TestAbort(t *testing.T) {
	b, d := newBoard(t)
	queue(b, 5, b.Flat(4*w*h))
	b.Set(camera.Stream, camera.On)
	if !d.Busy() {
		t.Fatal("no frame")
	}
	b.Set(engine.Control, engine.Abort)
	if all := pop(b); len(all) != 1 || all[0].result != engine.WasAborted || all[0].tag != 5 {
		t.Errorf("completed: %v", all)
	}
	b.Expect(camera.Stream, camera.On)
}

// FuzzRegisters writes registers at will while time passes.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x40, 4, 0, 0, 0x41, 16, 8, 0, 0x48, 0, 0, 0x40, 0xF1, 1, 0, 0, 0xF0, 1, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, writes []byte) {
		b, d := newBoard(t)
		b.Restrict(1, enginetest.RAMBase+0x1000, 0x1000, 0, 0)
		for ; len(writes) >= 4; writes = writes[4:] {
			v := uint32(writes[1]) | uint32(writes[2])<<8 | uint32(writes[3])<<24
			if off := int(writes[0]) * 4; off == camera.D+4 {
				v &= 0x3F003F
				b.Set(off, v)
			} else {
				b.Set(off, v)
			}
			b.Until(b.Clock.Now() + 100_000)
			if n, q := b.Get(camera.Completed), b.Get(camera.Queued); n > camera.Depth || q > camera.Depth {
				t.Fatalf("%d completed, %d queued", n, q)
			}
		}
		d.Reset()
		if b.Clock.Next() != vtime.Never {
			t.Fatal("something goes on after reset")
		}
		if !bytes.Equal(b.Bytes(enginetest.RAMBase+0x1000, 0x1000), make([]byte, 0x1000)) {
			t.Fatal("restricted memory was written")
		}
	})
}
