package hdlcd_test

import (
	"bytes"
	"image"
	"math/rand/v2"
	"strings"
	"testing"

	"gatehouse/devices/hdlcd"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

// screen keeps what the display shows.
type screen struct {
	frames []*image.RGBA
	times  []uint64
	clock  *vtime.Clock
}

func (s *screen) Frame(n uint64, m *image.RGBA) {
	if int(n) != len(s.frames)+1 {
		panic("frames are not counted")
	}
	c := *m
	c.Pix = bytes.Clone(m.Pix)
	s.frames = append(s.frames, &c)
	s.times = append(s.times, s.clock.Now())
}

func newBoard(t testing.TB) (*enginetest.Board, *hdlcd.HDLCD, *screen) {
	b := enginetest.New(t)
	d := hdlcd.New(b.Port(bus.NSAIDHDLCD), &b.Clock, b.Events)
	s := &screen{clock: &b.Clock}
	d.IRQ, d.Display = &b.IRQ, s
	b.Attach(d)
	return b, d, s
}

// mode is a display mode as DRM has it: each timing in pixels or lines.
type mode struct{ hdisplay, hfront, hsync, hback, vdisplay, vfront, vsync, vback int }

var small = mode{64, 16, 8, 40, 48, 3, 2, 11}

// set programs a mode, XRGB8888 and a frame buffer in the order of Linux's hdlcd_crtc.c, without enabling it.
func set(b *enginetest.Board, m mode, base uint64, pitch int) {
	b.Set(hdlcd.BusOptions, 0xF10)
	for off, v := range map[int]int{hdlcd.VData: m.vdisplay, hdlcd.VBackPorch: m.vback, hdlcd.VFrontPorch: m.vfront, hdlcd.VSync: m.vsync,
		hdlcd.HData: m.hdisplay, hdlcd.HBackPorch: m.hback, hdlcd.HFrontPorch: m.hfront, hdlcd.HSync: m.hsync} {
		b.Set(off, uint32(v-1))
	}
	b.Set(hdlcd.Polarities, 0xC)
	b.Set(hdlcd.PixelFormat, 3<<3)
	b.Set(hdlcd.RedSelect, 0x110000|8<<8|16)
	b.Set(hdlcd.GreenSelect, 0x220000|8<<8|8)
	b.Set(hdlcd.BlueSelect, 0x330000|8<<8|0)
	b.Set(hdlcd.FBLineLength, uint32(4*m.hdisplay))
	b.Set(hdlcd.FBLinePitch, uint32(pitch))
	b.Set(hdlcd.FBLineCount, uint32(m.vdisplay-1))
	b.Set(hdlcd.FBBase, uint32(base))
}

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 9))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// xrgb is what a display shows of a frame buffer in XRGB8888.
func xrgb(p []byte, m mode, pitch int) (pix []byte) {
	for y := range m.vdisplay {
		for x := range m.hdisplay {
			q := p[y*pitch+4*x:]
			pix = append(pix, q[2], q[1], q[0], 255)
		}
	}
	return pix
}

func filled(m mode, r, g, b byte) []byte {
	return bytes.Repeat([]byte{r, g, b, 255}, m.hdisplay*m.vdisplay)
}

func TestResetValues(t *testing.T) {
	b, d, s := newBoard(t)
	reset := map[int]uint32{hdlcd.Version: 0x1CDC0000, hdlcd.BusOptions: 0x408}
	for range 2 {
		for off := 0; off < 0x1000; off += 4 {
			b.Expect(off, reset[off])
		}
		for off := 0; off < 0x1000; off += 4 {
			if off != hdlcd.Command {
				b.Set(off, 0xFFFF_FFFF)
			}
		}
		for off, want := range map[int]uint32{hdlcd.Version: 0x1CDC0000, hdlcd.IntRawStat: 0, hdlcd.IntClear: 0, hdlcd.IntMask: 0xF,
			hdlcd.IntStatus: 0, hdlcd.FBBase: 0xFFFF_FFF8, hdlcd.FBLineCount: 0xFFF, hdlcd.FBLinePitch: 0xFFFF_FFFF, hdlcd.BusOptions: 0xF1F,
			hdlcd.VData: 0xFFF, hdlcd.HSync: 0xFFF, hdlcd.Polarities: 0x1F, hdlcd.PixelFormat: 0x8000_0018, hdlcd.RedSelect: 0xFF0F1F,
			hdlcd.Command: 0, 0x300: 0} {
			b.Expect(off, want)
		}
		b.Set(hdlcd.Command, 0xFFFF_FFFF)
		b.Expect(hdlcd.Command, 1)
		if !b.IRQ.Level {
			t.Error("no interrupt for vertical sync")
		}
		for _, n := d.Frame(); n == 0; _, n = d.Frame() {
			b.Step()
		}
		d.Reset()
		if b.IRQ.Level || b.Clock.Next() != vtime.Never {
			t.Error("something goes on after reset")
		}
		if m, n := d.Frame(); m != nil || n != 0 {
			t.Errorf("frame %d is shown after reset", n)
		}
		s.frames = nil
	}
	// INT_RAWSTAT can be set by software (DUI 0604, table B.3).
	b.Set(hdlcd.IntRawStat, 0xFFFF_FFF8)
	b.Expect(hdlcd.IntRawStat, 8)
	b.Set(hdlcd.IntMask, 8)
	b.Expect(hdlcd.IntStatus, 8)
	b.Set(hdlcd.IntClear, 8)
	if b.IRQ.Level {
		t.Error("the interrupt stays")
	}
	for _, size := range []int{1, 2, 8} {
		if r := b.Bus.Store(enginetest.EngineBase+hdlcd.IntMask, size, 0, enginetest.CPU); r != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, r)
		}
	}
	if v, r := b.Bus.Load(enginetest.EngineBase+hdlcd.Version+2, 2, enginetest.CPU); v != 0x1CDC || r != bus.OKAY {
		t.Errorf("read of 2 bytes: %#x, %v", v, r)
	}
	if _, r := b.Bus.Load(enginetest.EngineBase, 8, enginetest.CPU); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
}

// TestLinux follows the mainline driver: probe, mode set, enable, vblank interrupts, page flip, disable. Times are those of the mode.
func TestLinux(t *testing.T) {
	b, d, s := newBoard(t)
	d.PixelClock = 1_000_000
	if b.Get(hdlcd.Version)&0xFFFF0000 != 0x1CDC0000 {
		t.Fatal("not probed")
	}
	const pitch = 4*64 + 32
	one, two := b.Flat(pitch*48), b.Flat(pitch*48)
	b.Store(one, noise(1, pitch*48))
	b.Store(two, noise(2, pitch*48))
	b.Set(hdlcd.IntMask, b.Get(hdlcd.IntMask)|hdlcd.IntVSync)
	set(b, small, one.Addr, pitch)
	b.Set(hdlcd.Command, 1)
	if b.Get(hdlcd.IntStatus) != hdlcd.IntVSync || !b.IRQ.Level {
		t.Fatal("no vertical sync")
	}
	if m, n := d.Frame(); m != nil || n != 0 {
		t.Error("a frame was shown before its time")
	}
	// A line has 128 pixels, a frame 64 lines: 8192 us. The data begins after 13 lines and takes 48.
	const us = 1000
	b.Until(13*128*us + 32*128*us)
	b.Expect(hdlcd.IntRawStat, hdlcd.IntVSync|hdlcd.IntDMAEnd)
	if len(s.frames) != 1 || !bytes.Equal(s.frames[0].Pix, xrgb(b.Load(one), small, pitch)) {
		t.Fatalf("%d frames; the first one is not the frame buffer", len(s.frames))
	}
	// The flip waits for the next vertical sync.
	b.Set(hdlcd.IntClear, b.Get(hdlcd.IntStatus))
	b.Set(hdlcd.FBBase, uint32(two.Addr))
	b.Until(8192*us - 1)
	if b.IRQ.Level {
		t.Error("vertical sync is early")
	}
	b.Until(8192 * us)
	if !b.IRQ.Level {
		t.Error("no vertical sync")
	}
	b.Until(3*8192*us - 1)
	if len(s.frames) != 3 || !bytes.Equal(s.frames[1].Pix, xrgb(b.Load(two), small, pitch)) {
		t.Errorf("%d frames; the second one is not the second buffer", len(s.frames))
	}
	if s.times[1]-s.times[0] != 8192*us || s.times[2]-s.times[1] != 8192*us {
		t.Errorf("frames at %v", s.times)
	}
	last, n := d.Frame()
	if n != 3 || !bytes.Equal(last.Pix, s.frames[2].Pix) || last.Bounds() != image.Rect(0, 0, 64, 48) {
		t.Errorf("frame %d is %v", n, last.Bounds())
	}
	b.Set(hdlcd.Command, 0)
	b.Set(hdlcd.IntClear, 0xF)
	b.Until(10 * 8192 * us)
	if b.Get(hdlcd.IntRawStat) != 0 || len(s.frames) != 3 || b.Clock.Next() != vtime.Never {
		t.Error("scan-out goes on after disabling")
	}
	for _, want := range []string{"hdlcd: START nsaid=2 base=" /* then */, "hdlcd: DONE nsaid=2 bytes=12288"} {
		if !strings.Contains(b.Log.String(), want) {
			t.Errorf("no event %q in\n%s", want, b.Log.String())
		}
	}
}

// TestFormats shows random frame buffers in random formats, against a model that follows the manual bit by bit.
func TestFormats(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for n := range 120 {
		b, d, s := newBoard(t)
		d.PixelClock = 1_000_000
		m := mode{1 + r.IntN(60), 1, 1, 1, 1 + r.IntN(80), 1, 1, 1}
		bpp := 1 + r.IntN(4)
		common := n%4 == 0 // 32 bits with 8 of each colour
		if common {
			bpp = 4
		}
		length := m.hdisplay * bpp
		pitch := length + r.IntN(50)
		mem := b.Flat(pitch * m.vdisplay)
		p := noise(uint64(n), pitch*m.vdisplay)
		b.Store(mem, p)
		set(b, m, mem.Addr, pitch)
		start := mem.Addr
		up := r.IntN(4) == 0 // from the last line to the first one
		if up {
			pitch = pitch &^ 7
			start = mem.Addr + uint64(pitch*(m.vdisplay-1))
			b.Set(hdlcd.FBLinePitch, uint32(-pitch))
		}
		b.Set(hdlcd.FBBase, uint32(start))
		b.Set(hdlcd.FBLineLength, uint32(length))
		format := uint32(bpp-1) << 3
		big := r.IntN(2) == 0 && !common
		if big {
			format |= 1 << 31
		}
		b.Set(hdlcd.PixelFormat, format)
		var size, at, def [3]int
		for k, off := range []int{hdlcd.RedSelect, hdlcd.GreenSelect, hdlcd.BlueSelect} {
			size[k], at[k], def[k] = r.IntN(9), r.IntN(32), r.IntN(256)
			if common {
				size[k] = 8
			}
			b.Set(off, uint32(def[k]<<16|size[k]<<8|at[k]))
		}
		b.Set(hdlcd.Command, 1)
		for len(s.frames) == 0 {
			b.Step()
		}
		if b.Get(hdlcd.IntRawStat) != hdlcd.IntVSync|hdlcd.IntDMAEnd {
			t.Fatalf("case %d: interrupts %#x", n, b.Get(hdlcd.IntRawStat))
		}
		for y := range m.vdisplay {
			row := y
			if up {
				row = m.vdisplay - 1 - y
			}
			for x := range m.hdisplay {
				q := p[row*pitch+x*bpp:][:bpp]
				bit := func(i int) int { // of the pixel's word
					if i >= 8*bpp {
						return 0
					}
					k := i / 8
					if big {
						k = bpp - 1 - k
					}
					return int(q[k]) >> (i % 8) & 1
				}
				for k := range 3 {
					want := def[k]
					if size[k] > 0 {
						want = 0
						for i := range 8 { // from the highest bit on, again and again
							want = want<<1 | bit(at[k]+size[k]-1-i%size[k])
						}
					}
					if got := int(s.frames[0].Pix[4*(y*m.hdisplay+x)+k]); got != want {
						t.Fatalf("case %d: colour %d of pixel %d,%d is %#x, want %#x (bpp %d, big %v, size %d at %d)", n, k, x, y, got, want, bpp, big, size[k], at[k])
					}
				}
			}
		}
	}
}

// TestDenied takes the frame buffer away: all of it, or a page of it before or in the middle of a frame, and gives it back.
func TestDenied(t *testing.T) {
	big := mode{64, 16, 8, 40, 128, 3, 2, 11} // 8 pages of 16 lines, 4 bands of 32
	const pitch = 256
	for _, c := range []struct {
		name   string
		page   int
		middle bool
		action uint32
		rows   int // that show the frame buffer
	}{
		{"all", -1, false, tzc400.ActionDECERR, 0}, {"the first page", 0, false, tzc400.ActionDECERR, 0},
		{"a page", 5, false, tzc400.ActionDECERR, 80}, {"in the middle", 0, true, tzc400.ActionDECERR, 128},
		{"a later page in the middle", 5, true, tzc400.ActionDECERR, 80}, {"zeros", -1, false, tzc400.ActionOKAY, 0},
	} {
		b, d, s := newBoard(t)
		d.PixelClock = 1_000_000
		mem := b.Flat(pitch * 128)
		secret := noise(1, pitch*128)
		b.Store(mem, secret)
		b.Firewall(tzc400.Action, c.action)
		set(b, big, mem.Addr, pitch)
		deny := func() {
			if c.page < 0 {
				b.Restrict(1, mem.Addr, pitch*128, 1<<bus.NSAIDAP, 1<<bus.NSAIDAP)
			} else {
				b.Restrict(1, mem.Addr+uint64(c.page)<<12, 4096, 1<<bus.NSAIDAP, 1<<bus.NSAIDAP)
			}
		}
		if !c.middle {
			deny()
		}
		b.Set(hdlcd.IntMask, hdlcd.IntBusError|hdlcd.IntUnderrun)
		b.Set(hdlcd.Command, 1)
		if c.middle {
			b.Step()
			b.Step()
			deny()
		}
		for len(s.frames) == 0 {
			b.Step()
		}
		want := append(xrgb(secret, big, pitch)[:c.rows*256], filled(big, 0x11, 0x22, 0x33)[c.rows*256:]...)
		raw := uint32(hdlcd.IntVSync | hdlcd.IntBusError | hdlcd.IntUnderrun)
		switch {
		case c.action == tzc400.ActionOKAY:
			want, raw = filled(big, 0, 0, 0), hdlcd.IntVSync|hdlcd.IntDMAEnd
		case c.rows == 128:
			raw = hdlcd.IntVSync | hdlcd.IntDMAEnd
		default:
			if !b.IRQ.Level {
				t.Errorf("%s: no interrupt", c.name)
			}
		}
		b.Expect(hdlcd.IntRawStat, raw)
		if !bytes.Equal(s.frames[0].Pix, want) {
			t.Errorf("%s: the display does not show what it should", c.name)
		}
		// The next frames: denied from their start, then not at all.
		for len(s.frames) == 1 {
			b.Step()
		}
		if c.action == tzc400.ActionDECERR && c.page <= 0 && !bytes.Equal(s.frames[1].Pix, filled(big, 0x11, 0x22, 0x33)) {
			t.Errorf("%s: the second frame shows something", c.name)
		}
		b.Restrict(1, mem.Addr, pitch*128, 1<<bus.NSAIDHDLCD, 0)
		for len(s.frames) < 4 {
			b.Step()
		}
		if !bytes.Equal(s.frames[3].Pix, xrgb(secret, big, pitch)) {
			t.Errorf("%s: the frame does not come back", c.name)
		}
	}
}

// TestUnderrun has frame buffers that are too small or too slow.
func TestUnderrun(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int
		v    uint32
		rows int
	}{
		{"no outstanding requests", hdlcd.BusOptions, 0x01F, 0}, {"no bytes in a line", hdlcd.FBLineLength, 0, 0},
		{"too few lines", hdlcd.FBLineCount, 9, 10}, {"runs of one byte", hdlcd.FBLineLength, 1, 0},
		{"nothing wrong", hdlcd.Polarities, 0, 48},
	} {
		b, _, s := newBoard(t)
		mem := b.Flat(256 * 48)
		p := noise(4, 256*48)
		b.Store(mem, p)
		set(b, small, mem.Addr, 256)
		b.Set(c.off, c.v)
		b.Set(hdlcd.Command, 1)
		for len(s.frames) == 0 {
			b.Step()
		}
		raw, want := uint32(hdlcd.IntVSync|hdlcd.IntUnderrun), append(xrgb(p, small, 256)[:c.rows*256], filled(small, 0x11, 0x22, 0x33)[c.rows*256:]...)
		if c.rows == 48 {
			raw = hdlcd.IntVSync | hdlcd.IntDMAEnd
		}
		b.Expect(hdlcd.IntRawStat, raw)
		if !bytes.Equal(s.frames[0].Pix, want) {
			t.Errorf("%s: the display does not show what it should", c.name)
		}
	}
}

// TestPlaces has frame buffers where none can be: at devices, in holes, around the end of the address space.
func TestPlaces(t *testing.T) {
	for _, base := range []uint32{enginetest.EngineBase, enginetest.HoleBase, 0xFFFF_FFF8, 0} {
		b, _, s := newBoard(t)
		set(b, small, uint64(base), 256)
		b.Set(hdlcd.Command, 1)
		for len(s.frames) < 2 {
			b.Step()
		}
		b.Expect(hdlcd.IntRawStat, hdlcd.IntVSync|hdlcd.IntBusError|hdlcd.IntUnderrun)
		if !bytes.Equal(s.frames[1].Pix, filled(small, 0x11, 0x22, 0x33)) {
			t.Errorf("%#x: something is shown", base)
		}
	}
}

// TestDisable stops a frame in the middle and starts another one.
func TestDisable(t *testing.T) {
	b, d, s := newBoard(t)
	d.PixelClock = 1_000_000
	mem := b.Flat(256 * 48)
	b.Store(mem, noise(4, 256*48))
	set(b, small, mem.Addr, 256)
	b.Set(hdlcd.Command, 1)
	b.Step()
	b.Set(hdlcd.Command, 0)
	if b.Clock.Next() != vtime.Never || !strings.Contains(b.Log.String(), "ABORT nsaid=2 bytes=8192") {
		t.Errorf("scan-out was not stopped:\n%s", b.Log.String())
	}
	began := b.Clock.Now()
	b.Set(hdlcd.Command, 1)
	for len(s.frames) == 0 {
		b.Step()
	}
	if s.times[0]-began != 45*128*1000 || !bytes.Equal(s.frames[0].Pix, xrgb(b.Load(mem), small, 256)) {
		t.Errorf("the frame came after %d ns", s.times[0]-began)
	}
}

// FuzzRegisters writes registers at will and lets frames pass.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x40, 0, 0, 0x40, 0x41, 4, 0, 0, 0x8C, 1, 0, 0})
	f.Add([]byte{0x86, 63, 0, 0, 0x82, 63, 0, 0, 0x41, 255, 0, 0, 0x40, 0, 0x10, 0x40, 0x8C, 1, 0, 0, 0x91, 0, 8, 0})
	f.Fuzz(func(t *testing.T, writes []byte) {
		b, _, s := newBoard(t)
		b.Restrict(1, enginetest.RAMBase+0x1000, 0x1000, 0, 0)
		b.Fill(enginetest.RAMBase+0x1000, bytes.Repeat([]byte{0xEE}, 0x1000))
		for ; len(writes) >= 4; writes = writes[4:] {
			v := uint32(writes[1]) | uint32(writes[2])<<8 | uint32(writes[3])<<24
			if off := int(writes[0]) * 4; off < 0x240 || off > 0x24C {
				if off >= 0x200 && off < 0x220 {
					v &= 0xFF
				}
				b.Set(off, v)
			}
			b.Step()
		}
		// Full default colours cannot be mistaken for memory.
		b.Set(hdlcd.RedSelect, 0x010800)
		b.Set(hdlcd.Command, 0)
		b.Set(hdlcd.Command, 1)
		n := len(s.frames)
		for len(s.frames) == n {
			b.Step()
		}
		for i, v := range s.frames[n].Pix {
			if i%4 == 0 && v == 0xEE {
				t.Fatal("a byte of restricted memory is shown")
			}
		}
	})
}
