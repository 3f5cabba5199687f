package camera

import (
	"gatehouse/devices/engine"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// ID is the value of the ID register: "GCAM".
const ID = 0x4743_414D

// Offsets of the registers.
const (
	Period    = 0x080
	D         = 0x100
	Stream    = 0x3C0
	Queue     = 0x3C4 // WO
	Queued    = 0x3C8 // RO
	Completed = 0x3CC // RO
	Tag       = 0x3D0 // RO
	Result    = 0x3D4 // RO
	Frame     = 0x3D8 // RO
	TimeLo    = 0x3DC // RO
	TimeHi    = 0x3E0 // RO
	Pop       = 0x3E4 // WO
	Overruns  = 0x3E8 // RO
	Next      = 0x3EC // RO

	own    = Stream
	number = 0x3FC // in a job's copy of the parameters: the number of its frame
)

// On is the bit in Stream.
const On = 1 << 0

// Overrun is the camera's interrupt.
const Overrun = engine.Own

// Depth is how many buffers may wait, and how many completions.
const Depth = 8

const (
	// MinPeriod is the shortest time, in ns, from one frame to the next.
	MinPeriod = 1_000_000
	// PixelTime is the time, in ns, that the sensor takes for a pixel.
	PixelTime = 1
)

const outputs = 1<<pixel.NV12 | 1<<pixel.I420 | 1<<pixel.RGB565 | 1<<pixel.XRGB8888

// Camera is one camera. Its registers are a bus.Device.
type Camera struct {
	*engine.Engine

	clock *vtime.Clock
	timer *vtime.Timer

	on       bool
	queue    []buffer
	done     []completion
	streams  bool       // the job is a frame of the stream
	current  completion // that frame
	overruns uint32
	next     uint32
}

// buffer is a buffer that waits for its frame.
type buffer struct {
	tag        uint32
	parameters [engine.NumParameters]uint32
}

// completion is a frame that was written, or not.
type completion struct {
	tag, frame uint32
	result     engine.Result
	time       uint64
}

// New makes a camera in its reset state. Its transactions go through ports.
func New(ports engine.Ports, clock *vtime.Clock, events *event.Stream) *Camera {
	c := &Camera{clock: clock}
	c.timer = clock.NewTimer("camera.frame", c)
	c.Engine = engine.New("camera", ID, c, ports, clock, events)
	return c
}

// Reset ends everything, and starts to count frames anew.
func (c *Camera) Reset() {
	c.halt()
	c.overruns, c.next = 0, 0
	c.Engine.Reset()
}

// halt ends the stream.
func (c *Camera) halt() {
	c.on = false
	c.timer.Stop()
	c.queue, c.done, c.streams, c.current = nil, nil, false, completion{}
}

// Read gives a register.
func (c *Camera) Read(off uint64, size int, a bus.Attr) (uint64, bus.Response) {
	if off < own || off >= engine.Parameters+4*engine.NumParameters || size > 4 {
		return c.Engine.Read(off, size, a)
	}
	v := uint64(c.register(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (c *Camera) register(off uint64) uint32 {
	var oldest completion
	if len(c.done) > 0 {
		oldest = c.done[0]
	}
	switch off {
	case Stream:
		if c.on {
			return On
		}
	case Queued:
		return uint32(len(c.queue))
	case Completed:
		return uint32(len(c.done))
	case Tag:
		return oldest.tag
	case Result:
		return uint32(oldest.result)
	case Frame:
		return oldest.frame
	case TimeLo:
		return uint32(oldest.time)
	case TimeHi:
		return uint32(oldest.time >> 32)
	case Overruns:
		return c.overruns
	case Next:
		return c.next
	}
	return 0
}

// Write sets a register.
func (c *Camera) Write(off uint64, size int, v uint64, a bus.Attr) bus.Response {
	if size != 4 {
		return bus.SLVERR
	}
	w := uint32(v)
	switch off {
	case engine.Control:
		if w&engine.Reset != 0 {
			c.Reset()
			return bus.OKAY
		}
		if w&(engine.Abort|engine.Start) == engine.Start {
			c.take(c.Parameters())
			return bus.OKAY
		}
	case Stream:
		switch on := w&On != 0; {
		case on && !c.on:
			c.on = true
			c.frame()
		case !on && c.on:
			c.halt()
			c.Abort()
		}
		return bus.OKAY
	case Queue:
		if len(c.queue) == Depth {
			c.Raise(engine.Refused)
			return bus.OKAY
		}
		c.queue = append(c.queue, buffer{w, c.Parameters()})
		return bus.OKAY
	case Pop:
		if len(c.done) > 0 {
			c.done = c.done[1:]
		}
		return bus.OKAY
	}
	if off >= own && off < engine.Parameters+4*engine.NumParameters {
		return bus.OKAY
	}
	return c.Engine.Write(off, size, v, a)
}

// Expire is called by the timer: the next frame is due.
func (c *Camera) Expire(*vtime.Timer, uint64) { c.frame() }

// frame takes the next frame of the stream.
func (c *Camera) frame() {
	c.timer.Set(c.clock.Now() + max(uint64(c.Parameter(Period)), MinPeriod))
	if len(c.queue) == 0 || c.Busy() || len(c.done) == Depth {
		c.next++
		c.overruns++
		c.Raise(Overrun)
		return
	}
	b := c.queue[0]
	c.queue = c.queue[1:]
	c.streams, c.current = true, completion{tag: b.tag, frame: c.next, time: c.clock.Now()}
	c.take(b.parameters)
}

// take starts the job of one frame.
func (c *Camera) take(parameters [engine.NumParameters]uint32) {
	parameters[(number-engine.Parameters)/4] = c.next
	if !c.Busy() {
		c.next++
	}
	c.Start(&parameters)
}

// End is part of engine.Ender.
func (c *Camera) End(_ *engine.Job, r engine.Result) {
	if c.streams {
		c.current.result = r
		c.done = append(c.done, c.current)
		c.streams = false
	}
}

// Plan is part of engine.Model.
func (c *Camera) Plan(j *engine.Job) engine.Result {
	d, r := j.AddPicture(D, outputs)
	if r != engine.OK {
		return r
	}
	j.Cost, j.Work = PixelTime*uint64(d.W*d.H), d
	return engine.OK
}

// Run is part of engine.Model.
func (c *Camera) Run(j *engine.Job) engine.Result {
	d := j.Work.(engine.Picture)
	planes, rows := j.Make(d), [2][]pixel.Pixel{make([]pixel.Pixel, d.W), make([]pixel.Pixel, d.W)}
	for y := range d.H {
		row := rows[y%2]
		draw(row, y, d.H, j.Get(number))
		pixel.Convert(row, pixel.RGB, d.Model)
		pixel.PackRow(planes, d.Format, y, d.H, rows[(y+1)%2], row)
	}
	return engine.OK
}

const (
	white = 0xFFFFFFFF
	black = 0xFF000000
)

var bars = [8]pixel.Pixel{white, 0xFFBFBF00, 0xFF00BFBF, 0xFF00BF00, 0xFFBF00BF, 0xFFBF0000, 0xFF0000BF, black}

// draw draws row y of h of a frame.
func draw(row []pixel.Pixel, y, h int, frame uint32) {
	w := len(row)
	if y < max(h/8, 1) {
		for x := range row {
			row[x] = black
			if cell := w / 32; cell > 0 && x/cell < 32 && frame>>(31-x/cell)&1 != 0 {
				row[x] = white
			}
		}
		return
	}
	for x := range row {
		row[x] = bars[min(x/max(w/8, 1), 7)]
	}
	if top, size := 3*h/8, h/4; y >= top && y < top+size {
		left := int(8 * uint64(frame) % uint64(w))
		for x := left; x < min(left+size, w); x++ {
			row[x] = white
		}
	}
}
