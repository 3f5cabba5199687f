package hdlcd

import (
	"encoding/binary"
	"image"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// scan is the frame that is shown now.
type scan struct {
	running bool // between START and the end of its data
	start   uint64
	period  uint64

	// Taken over from the registers.
	base, pitch   uint32
	length        uint64 // bytes of a line in memory
	lines         uint64 // in memory
	w, h          int    // of the display
	line          uint64 // pixels from one line to the next
	above         uint64 // lines before the first one with data
	bytesPerPixel int
	bigEndian     bool
	colours       [3]uint32 // the SELECT registers

	row    int // the next line of data
	at     uint64
	bytes  uint64 // read
	failed bool   // nothing more is read
	image  *image.RGBA
}

// stop ends scan-out.
func (d *HDLCD) stop() {
	d.scan = scan{}
	d.timer.Stop()
}

// time is how long n pixels take in ns.
func (d *HDLCD) time(n uint64) uint64 { return n * 1e9 / max(d.PixelClock, 1000) }

// begin starts a frame.
func (d *HDLCD) begin() {
	s := &d.scan
	sum := func(offs ...uint64) (n uint64) {
		for _, off := range offs {
			n += uint64(d.get(off)) + 1
		}
		return n
	}
	format := d.get(PixelFormat)
	*s = scan{
		running: true, start: d.clock.Now(),
		base: d.get(FBBase), pitch: d.get(FBLinePitch), length: uint64(d.get(FBLineLength)), lines: sum(FBLineCount),
		w: int(sum(HData)), h: int(sum(VData)), line: sum(HSync, HBackPorch, HData, HFrontPorch), above: sum(VSync, VBackPorch),
		bytesPerPixel: int(format>>BytesPerPixelShift&3) + 1, bigEndian: format&BigEndian != 0,
		colours: [3]uint32{d.get(RedSelect), d.get(GreenSelect), d.get(BlueSelect)},
	}
	s.period = max(d.time(s.line*sum(VSync, VBackPorch, VData, VFrontPorch)), MinFrame)
	d.report("START", event.Begin, event.Hex("base", uint64(s.base)), event.Dec("width", uint64(s.w)), event.Dec("height", uint64(s.h)))
	d.raise(IntVSync)
	if !d.inTime() {
		d.underrun()
	}
	d.timer.Set(s.start + d.time(s.line*s.above))
}

// inTime reports whether the pixels of a line can be read while it is shown.
func (d *HDLCD) inTime() bool {
	s := &d.scan
	if s.length == 0 || d.get(BusOptions)>>MaxOutstandingShift == 0 {
		return false
	}
	bytes := uint64(s.w * s.bytesPerPixel)
	runs := (bytes + s.length - 1) / s.length
	return runs*FetchTime+bytes*1000/Bandwidth <= d.time(s.line)
}

func (d *HDLCD) underrun() {
	d.scan.failed = true
	d.raise(IntUnderrun)
}

// Expire is called by the timer: lines are due, or the next frame is.
func (d *HDLCD) Expire(*vtime.Timer, uint64) {
	s := &d.scan
	if !s.running {
		d.begin()
		return
	}
	if s.image == nil {
		size := image.Rect(0, 0, s.w, s.h)
		if s.image, d.spare = d.spare, nil; s.image == nil || s.image.Rect != size {
			s.image = image.NewRGBA(size)
		}
	}
	buf := make([]byte, s.w*s.bytesPerPixel)
	for range min(Band, s.h-s.row) {
		d.show(s.row, buf)
		s.row++
	}
	if s.row < s.h {
		d.timer.Set(s.start + d.time(s.line*(s.above+uint64(s.row))))
		return
	}
	d.finish()
}

// finish is the end of the frame's data.
func (d *HDLCD) finish() {
	s := &d.scan
	s.running = false
	d.shown, d.spare = s.image, d.shown
	d.frames++
	if !s.failed {
		d.report("DONE", event.End, event.Dec("bytes", s.bytes))
		d.raise(IntDMAEnd)
	} else {
		d.report("UNDERRUN", event.End, event.Dec("bytes", s.bytes))
	}
	s.image = nil
	d.timer.Set(max(s.start+s.period, d.clock.Now()))
	if d.Display != nil {
		d.Display.Frame(d.frames, d.shown)
	}
}

// show draws line y of the display. buf has room for its bytes.
func (d *HDLCD) show(y int, buf []byte) {
	s := &d.scan
	if !s.failed {
		d.fetch(buf)
	}
	out := s.image.Pix[y*s.image.Stride:][:4*s.w]
	if s.plain() {
		r, g, b := s.colours[0]&0x1F, s.colours[1]&0x1F, s.colours[2]&0x1F
		for x := 0; x < len(out); x += 4 {
			v := binary.LittleEndian.Uint32(buf[x:])
			out[x], out[x+1], out[x+2], out[x+3] = uint8(v>>r), uint8(v>>g), uint8(v>>b), 255
		}
		return
	}
	for x := range s.w {
		var v uint32
		if !s.failed {
			v = word(buf[x*s.bytesPerPixel:(x+1)*s.bytesPerPixel], s.bigEndian)
		}
		for k, sel := range s.colours {
			out[4*x+k] = colour(v, sel, s.failed)
		}
		out[4*x+3] = 255
	}
}

// plain reports whether pixels are 32-bit words with 8 bits of each colour, which need no more than shifts.
func (s *scan) plain() bool {
	for _, sel := range s.colours {
		if sel>>SelectSizeShift&0xF < 8 {
			return false
		}
	}
	return !s.failed && s.bytesPerPixel == 4 && !s.bigEndian
}

// word puts the bytes of a pixel together.
func word(p []byte, bigEndian bool) (v uint32) {
	for i, b := range p {
		if bigEndian {
			i = len(p) - 1 - i
		}
		v |= uint32(b) << (8 * i)
	}
	return v
}

// colour cuts one colour out of a pixel.
func colour(pixel, sel uint32, missing bool) uint8 {
	size := min(sel>>SelectSizeShift&0xF, 8)
	if size == 0 || missing {
		return uint8(sel >> DefaultColourShift)
	}
	v := pixel >> (sel & 0x1F) & (1<<size - 1)
	v <<= 8 - size
	for n := size; n < 8; n += size {
		v |= v >> n
	}
	return uint8(v)
}

// fetch reads the next bytes of the stream. Where one cannot be read, the frame has failed.
func (d *HDLCD) fetch(p []byte) {
	s := &d.scan
	for len(p) > 0 {
		line, col := s.at/s.length, s.at%s.length
		if line >= s.lines {
			d.underrun()
			return
		}
		addr := uint64(s.base + uint32(line)*s.pitch + uint32(col))
		n := min(uint64(len(p)), s.length-col, bus.PageSize-addr%bus.PageSize)
		resp := bus.DECERR
		if d.port.IsRAM(addr) {
			resp = d.port.Read(addr, p[:n])
		}
		if resp != bus.OKAY {
			d.report("ERROR", event.Instant, event.Hex("addr", addr), event.Str("access", "read"), event.Str("response", resp.String()))
			d.raise(IntBusError)
			d.underrun()
			return
		}
		s.at += n
		s.bytes += n
		p = p[n:]
	}
}
