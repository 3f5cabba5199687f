package secureworld

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/devices/input"
	"gatehouse/platform/bus"
	"gatehouse/smc/optee"
)

const (
	uiWidth, uiHeight = 240, 320
	uiStride          = 4*uiWidth + 64
	uiSize            = uiStride*(uiHeight-1) + 4*uiWidth
	uiColor           = 0x203040
)

// screen is a frame for the trusted user interface.
func (c *caller) screen() pool {
	c.Helper()
	ref, addr := c.protected((uiSize+page-1)/page, uint64(optee.UseCaseTrustedUI))
	return pool{c, ref, addr}
}

func showArg(session uint32, p optee.Param, kind, width, height, stride uint64) optee.Arg {
	return invokeArg(session, optee.UICmdShow, p, in(width|height<<16, stride, 0), in(kind, uiColor, 0))
}

// seen is the frame as the display reads it.
func (p pool) seen() []byte {
	p.c.Helper()
	b := make([]byte, uiSize)
	if resp := p.c.h.Port(bus.Attr{NSAID: bus.NSAIDHDLCD}).Read(p.addr, b); resp != bus.OKAY {
		p.c.Fatal(resp)
	}
	return b
}

func pixel(b []byte, x, y int) uint32 { return binary.LittleEndian.Uint32(b[y*uiStride+4*x:]) }

// keyAt is the middle of a key of the pad: three columns and four rows in the lower two thirds.
func keyAt(key int) (x, y uint16) {
	return uint16(key%3*uiWidth/3 + uiWidth/6), uint16(uiHeight/3 + key/3*uiHeight/6 + uiHeight/12)
}

// The whole dialogue: the display shows it, nobody else sees it, what is entered stays inside.
func TestTrustedUI(t *testing.T) {
	everyWay(t, func(t *testing.T, c *caller) {
		s := c.open(optee.UIUUID())
		p := c.screen()
		const display = "any:- ap:- dma:- crypto:- dec:- xfm:- lcd:r secure:rw"
		c.wantRights("screen", p.addr, display)
		a := c.call1(showArg(s, p.param(optee.AttrRMemOutput, 0, uiSize), optee.UIBackground, uiWidth, uiHeight, uiStride))
		c.want("background", a, optee.Success, optee.OriginTEE)
		if a.Params[0].Size() != uiSize {
			t.Errorf("%d bytes, want %d", a.Params[0].Size(), uiSize)
		}
		b := p.seen()
		for y := range uiHeight {
			for x := range uiWidth {
				if v := pixel(b, x, y); v != uiColor {
					t.Fatalf("pixel %d, %d is %#x, want %#x", x, y, v, uiColor)
				}
			}
			if y < uiHeight-1 && !zeros(b[y*uiStride+4*uiWidth:(y+1)*uiStride]) {
				t.Fatalf("row %d: bytes behind it are written", y)
			}
		}
		// Events of before the dialogue do not count.
		c.in.Key(3, true)
		frame := p.param(optee.AttrRMemInOut, 0, uiSize)
		c.want("pad", c.call1(showArg(s, frame, optee.UIPad, uiWidth, uiHeight, uiStride)), optee.Success, optee.OriginTEE)
		pad := p.seen()
		if v, resp := c.ap.Load(uiBase+input.Status, 4); resp == bus.OKAY || v != 0 {
			t.Errorf("the normal world reads the input device: %#x, %v", v, resp)
		}
		poll := func(want uint64) {
			t.Helper()
			a := c.call1(invokeArg(s, optee.UICmdPoll, frame, out(0, 0, 0)))
			c.want("POLL", a, optee.Success, optee.OriginTEE)
			if a.Params[1].U != [3]uint64{want} {
				t.Errorf("POLL tells %v, want %d and nothing else", a.Params[1].U, want)
			}
		}
		touch := func(keys ...int) {
			for _, k := range keys {
				x, y := keyAt(k)
				c.in.Touch(x, y, true)
				c.in.Touch(x, y, false)
			}
		}
		verify := func(right, left uint64) {
			t.Helper()
			a := c.call1(invokeArg(s, optee.UICmdVerify, out(0, 0, 0)))
			c.want("VERIFY", a, optee.Success, optee.OriginTEE)
			if a.Params[0].U != [3]uint64{right, left} {
				t.Errorf("VERIFY tells %v, want %d and %d tries", a.Params[0].U, right, left)
			}
		}
		poll(optee.UIRunning)
		if !bytes.Equal(p.seen(), pad) {
			t.Error("the picture changes without input")
		}
		c.want("VERIFY too early", c.call1(invokeArg(s, optee.UICmdVerify, out(0, 0, 0))), optee.ErrorBadState, optee.OriginTrustedApp)
		touch(1, 4, 4)
		poll(optee.UIRunning)
		if bytes.Equal(p.seen(), pad) {
			t.Error("digits do not show as stars")
		}
		touch(9) // clear
		c.in.Touch(0, 0, true)
		poll(optee.UIRunning)
		if !bytes.Equal(p.seen(), pad) {
			t.Error("the picture after CLEAR is another")
		}
		touch(1, 4, 7, 10, 11) // 2 5 8 0 OK
		poll(optee.UIEntered)
		verify(1, optee.UITries)
		if _, resp := c.ap.Load(uiBase+input.Status, 4); resp != bus.OKAY {
			t.Error("the input device stays locked after the dialogue")
		}
		c.want("POLL without a pad", c.call1(invokeArg(s, optee.UICmdPoll, frame, out(0, 0, 0))), optee.ErrorBadState, optee.OriginTrustedApp)
		// By keys, and cancelled.
		show := showArg(s, frame, optee.UIPad, uiWidth, uiHeight, uiStride)
		c.want("pad", c.call1(show), optee.Success, optee.OriginTEE)
		for _, code := range []uint16{9, 14, 3, 6, 9, 11, 28, 9} {
			c.in.Key(code, true)
			c.in.Key(code, false)
		}
		poll(optee.UIEntered)
		verify(1, optee.UITries)
		c.want("pad", c.call1(show), optee.Success, optee.OriginTEE)
		c.in.Key(1, true)
		poll(optee.UICancelled)
		c.want("VERIFY of nothing", c.call1(invokeArg(s, optee.UICmdVerify, out(0, 0, 0))), optee.ErrorBadState, optee.OriginTrustedApp)
		c.want("HIDE", c.call1(invokeArg(s, optee.UICmdHide)), optee.Success, optee.OriginTEE)
		// Wrong PINs: too short, and as long as it goes.
		for i, keys := range [][]int{{1, 4, 7, 11}, {1, 4, 7, 10, 10, 10, 10, 10, 10, 10, 11}, {11}} {
			c.want("pad", c.call1(show), optee.Success, optee.OriginTEE)
			touch(keys...)
			poll(optee.UIEntered)
			verify(0, uint64(optee.UITries-1-i))
		}
		c.want("pad", c.call1(show), optee.Success, optee.OriginTEE)
		touch(1, 4, 7, 10, 11)
		poll(optee.UIEntered)
		c.want("no tries", c.call1(invokeArg(s, optee.UICmdVerify, out(0, 0, 0))), optee.ErrorAccessDenied, optee.OriginTrustedApp)
		c.want("another session", c.call1(openArg(optee.UIUUID(), optee.LoginPublic)), optee.ErrorBusy, optee.OriginTEE)
		c.want("close", c.call1(optee.Arg{Cmd: optee.CmdCloseSession, Session: s}), optee.Success, optee.OriginTEE)
		if _, resp := c.ap.Load(uiBase+input.Status, 4); resp != bus.OKAY {
			t.Error("the input device stays locked after the session")
		}
		c.unprotect(p.ref)
		if !zeros(c.read(p.addr, uiSize)) {
			t.Error("the screen comes back with contents")
		}
	})
}

// Frames that are wrong, and memory that is not for the screen.
func TestTrustedUIRefusals(t *testing.T) {
	inTwoWays(t, func(t *testing.T, c *caller) {
		s := c.open(optee.UIUUID())
		p := c.screen()
		v := c.pool1((uiSize + page - 1) / page)
		d := c.demand((uiSize + page - 1) / page)
		m := c.area(uiSize, 0)
		const o = optee.AttrRMemOutput
		show := func(p optee.Param, kind, w, h, stride uint64) optee.Arg { return showArg(s, p, kind, w, h, stride) }
		// Over FF-A shared memory is retrieved when it is used for the first time.
		c.call1(show(m.param(o, 0, uiSize), 0, uiWidth, uiHeight, uiStride))
		before := c.state()
		for what, tc := range map[string]struct {
			a   optee.Arg
			ret optee.Result
		}{
			"ordinary memory":   {show(m.param(o, 0, uiSize), 0, uiWidth, uiHeight, uiStride), optee.ErrorAccessDenied},
			"memory for video":  {show(v.param(o, 0, uiSize), 0, uiWidth, uiHeight, uiStride), optee.ErrorAccessDenied},
			"memory on demand":  {show(d.param(o, 0, uiSize), 0, uiWidth, uiHeight, uiStride), optee.ErrorAccessDenied},
			"NULL":              {show(c.null(o), 0, uiWidth, uiHeight, uiStride), optee.ErrorAccessDenied},
			"an input":          {show(p.param(optee.AttrRMemInput, 0, uiSize), 0, uiWidth, uiHeight, uiStride), optee.ErrorBadParameters},
			"a byte too short":  {show(p.param(o, 0, uiSize-1), 0, uiWidth, uiHeight, uiStride), optee.ErrorShortBuffer},
			"no width":          {show(p.param(o, 0, uiSize), 0, 0, uiHeight, uiStride), optee.ErrorBadParameters},
			"no height":         {show(p.param(o, 0, uiSize), 0, uiWidth, 0, uiStride), optee.ErrorBadParameters},
			"a large picture":   {show(p.param(o, 0, uiSize), 0, 0xFFFF, 0xFFFF, 0xFFFF_FFFC), optee.ErrorBadParameters},
			"a short stride":    {show(p.param(o, 0, uiSize), 0, uiWidth, uiHeight, 4*uiWidth-4), optee.ErrorBadParameters},
			"a misfit stride":   {show(p.param(o, 0, uiSize), 0, uiWidth, uiHeight, uiStride+1), optee.ErrorBadParameters},
			"a pad too small":   {show(p.param(o, 0, uiSize), 1, 60, 60, 240), optee.ErrorBadParameters},
			"another kind":      {show(p.param(o, 0, uiSize), 2, uiWidth, uiHeight, uiStride), optee.ErrorBadParameters},
			"SHOW of nothing":   {invokeArg(s, optee.UICmdShow), optee.ErrorBadParameters},
			"POLL of nothing":   {invokeArg(s, optee.UICmdPoll), optee.ErrorBadParameters},
			"POLL too early":    {invokeArg(s, optee.UICmdPoll, p.param(o, 0, uiSize), out(0, 0, 0)), optee.ErrorBadState},
			"VERIFY of nothing": {invokeArg(s, optee.UICmdVerify), optee.ErrorBadParameters},
			"HIDE of something": {invokeArg(s, optee.UICmdHide, in(0, 0, 0)), optee.ErrorBadParameters},
			"unknown":           {invokeArg(s, 9), optee.ErrorNotImplemented},
		} {
			c.want(what, c.call1(tc.a), tc.ret, optee.OriginTrustedApp)
			c.same(what, before)
		}
		if !zeros(p.seen()) {
			t.Error("a refused frame is drawn")
		}
		// A dialogue is not drawn anywhere else than where it began to be allowed.
		c.want("pad", c.call1(show(p.param(o, 0, uiSize), 1, uiWidth, uiHeight, uiStride)), optee.Success, optee.OriginTEE)
		c.want("POLL elsewhere", c.call1(invokeArg(s, optee.UICmdPoll, m.param(o, 0, uiSize), out(0, 0, 0))), optee.ErrorAccessDenied, optee.OriginTrustedApp)
	})
	inTwoWays(t, func(t *testing.T, c *caller) {
		s, p := c.open(optee.UIUUID()), c.screen()
		c.want("a pad without input", c.call1(showArg(s, p.param(optee.AttrRMemOutput, 0, uiSize), 1, uiWidth, uiHeight, uiStride)), optee.ErrorNotSupported, optee.OriginTrustedApp)
		c.want("a background without input", c.call1(showArg(s, p.param(optee.AttrRMemOutput, 0, uiSize), 0, uiWidth, uiHeight, uiStride)), optee.Success, optee.OriginTEE)
	}, func(c *Config) { c.InputBase = 0 })
}

// The phrase makes screens differ; with GATEHOUSE_UI_PNG a directory gets the picture for a look.
func TestPhrase(t *testing.T) {
	var seen [2][]byte
	for i, phrase := range []string{"blue heron", "grey heron"} {
		c := newCaller(t, ways[0], func(c *Config) { c.UIPhrase = phrase })
		s, p := c.open(optee.UIUUID()), c.screen()
		c.want("pad", c.call1(showArg(s, p.param(optee.AttrRMemOutput, 0, uiSize), 1, uiWidth, uiHeight, uiStride)), optee.Success, optee.OriginTEE)
		seen[i] = p.seen()
	}
	var differ [3]int // by thirds of the picture
	for y := range uiHeight {
		for x := range uiWidth {
			if pixel(seen[0], x, y) != pixel(seen[1], x, y) {
				differ[min(3*y/uiHeight, 2)]++
			}
		}
	}
	if differ[0] == 0 || differ[1] != 0 || differ[2] != 0 {
		t.Errorf("two phrases differ in %v pixels of the thirds, want the first only", differ)
	}
	dir := os.Getenv("GATEHOUSE_UI_PNG")
	if dir == "" {
		return
	}
	m := image.NewRGBA(image.Rect(0, 0, uiWidth, uiHeight))
	for y := range uiHeight {
		for x := range uiWidth {
			v := pixel(seen[0], x, y)
			m.Set(x, y, color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255})
		}
	}
	f, err := os.Create(filepath.Join(dir, "pad.png"))
	must(t, err)
	must(t, png.Encode(f, m))
	must(t, f.Close())
}
