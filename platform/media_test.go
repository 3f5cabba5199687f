package platform_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/devices/engine"
	"gatehouse/devices/hdlcd"
	"gatehouse/devices/input"
	"gatehouse/devices/transform"
	"gatehouse/devices/tzc400"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/secureworld"
)

// TestMediaTree finds each media master in the device tree, and a device that answers at its address.
func TestMediaTree(t *testing.T) {
	m := newMachine(t, platform.Config{})
	tree, err := dt.ReadFDT(bytes.NewReader(m.DTB()))
	if err != nil {
		t.Fatal(err)
	}
	p := newMaster(t, m, apAttr)
	for _, want := range []struct {
		node, compatible string
		base             uint64
		spi, id          uint32
	}{
		{"video-decoder", "gatehouse,decoder", 0x0B12_0000, 131, 0x4744_4543},
		{"transform", "gatehouse,transform", 0x0B13_0000, 132, 0x4754_5246},
		{"hdlcd", "arm,hdlcd", 0x0B14_0000, 133, 0x1CDC_0000},
		{"camera", "gatehouse,camera", 0x0B15_0000, 135, 0x4743_414D},
		{"video-encoder", "gatehouse,encoder", 0x0B16_0000, 136, 0x4745_4E43},
		{"input", "gatehouse,input", 0x0B17_0000, 137, 0x4749_4E50},
	} {
		name := fmt.Sprintf("%s@%x", want.node, want.base)
		n, ok := tree.RootNode.LookupChildByName(name)
		if !ok {
			t.Errorf("no node %s", name)
			continue
		}
		get := func(property string) []byte {
			v, _ := n.LookProperty(property)
			if v == nil {
				return nil
			}
			return v.Value
		}
		if got := string(get("compatible")); got != want.compatible+"\x00" {
			t.Errorf("%s: compatible %q", name, got)
		}
		if r := get("reg"); len(r) != 16 || binary.BigEndian.Uint64(r) != want.base || binary.BigEndian.Uint64(r[8:]) != 0x1000 {
			t.Errorf("%s: reg % x", name, r)
		}
		if i := get("interrupts"); !bytes.Equal(i, []byte{0, 0, 0, 0, 0, 0, 0, byte(want.spi), 0, 0, 0, 4}) {
			t.Errorf("%s: interrupts % x", name, i)
		}
		if v := p.get(want.base, 4); v != uint64(want.id) {
			t.Errorf("%s: identity %#x", name, v)
		}
	}
}

// screen counts the frames of a display.
type screen struct{ frames uint64 }

func (s *screen) Frame(n uint64, _ *image.RGBA) { s.frames = n }

// TestMediaPath lets the picture engine fill a frame buffer and the display show it, as a processor would, and follows the interrupts to
// the interrupt controller.
func TestMediaPath(t *testing.T) {
	var s screen
	m := newMachine(t, platform.Config{Display: &s})
	p := newMaster(t, m, apAttr)
	const frame, w, h = platform.RAMBase + 0x10_0000, 32, 16
	pending := func(spi uint64) bool {
		return p.get(platform.GICDBase+0x200+(spi+32)/32*4, 4)>>(spi%32)&1 != 0
	}
	p.set(platform.GICDBase+0x080+160/32*4, 4, 0xFFFF_FFFF) // group 1, so that a non-secure read shows them
	set := func(off, v uint64) { p.set(platform.TransformBase+off, 4, v) }
	set(transform.Fill, 0x123456)
	set(transform.D+engine.PictureFormat, 4)
	set(transform.D+engine.PictureSize, w|h<<16)
	set(transform.D+engine.PicturePlane, frame)
	set(engine.IntMask, engine.Done|engine.Error)
	set(engine.Control, engine.Start)
	m.Elapse(1_000_000)
	if v := p.get(platform.TransformBase+engine.Status, 4); v != uint64(engine.OK)<<engine.ResultShift {
		t.Fatalf("status %#x", v)
	}
	if v := p.get(frame+4*(w*h-1), 4); v != 0xFF123456 {
		t.Errorf("the last pixel is %#x", v)
	}
	for off, v := range map[uint64]uint64{hdlcd.FBBase: frame, hdlcd.FBLineLength: 4 * w, hdlcd.FBLinePitch: 4 * w, hdlcd.FBLineCount: h - 1,
		hdlcd.HData: w - 1, hdlcd.VData: h - 1, hdlcd.PixelFormat: 3 << 3, hdlcd.RedSelect: 0x810, hdlcd.GreenSelect: 0x808, hdlcd.BlueSelect: 0x800,
		hdlcd.IntMask: hdlcd.IntDMAEnd} {
		p.set(platform.HDLCDBase+off, 4, v)
	}
	p.set(platform.HDLCDBase+hdlcd.Command, 4, hdlcd.Enable)
	m.Elapse(1_000_000)
	last, n := m.Frame()
	if n == 0 || n != s.frames || last.Bounds() != image.Rect(0, 0, w, h) || !bytes.Equal(last.Pix, bytes.Repeat([]byte{0x12, 0x34, 0x56, 0xFF}, w*h)) {
		t.Fatalf("frame %d of %d", n, s.frames)
	}
	for _, spi := range []uint64{132, 133} {
		if !pending(spi) {
			t.Errorf("SPI %d is not pending", spi)
		}
	}
	if pending(131) {
		t.Error("SPI 131 is pending")
	}
	if err := m.Reset(); err != nil {
		t.Fatal(err)
	}
	if last, n := m.Frame(); last != nil || n != 0 {
		t.Error("the display shows something after a reset")
	}
	if v := p.get(platform.TransformBase+transform.Fill, 4); v != 0 {
		t.Errorf("register %#x after a reset", v)
	}
}

// TestMediaIdentities has each master use memory that one of its identities may not touch, and then that only this one may: the firewall
// of a machine tells them apart.
func TestMediaIdentities(t *testing.T) {
	m := newMachine(t, platform.Config{TZASC: true})
	p, s := newMaster(t, m, apAttr), newMaster(t, m, secureAttr)
	const buffer, sink = platform.RAMBase + 0x40_0000, platform.RAMBase + 0x40_8000
	restrict := func(ids uint64) {
		const r = 7 * tzc400.RegionStride
		s.set(platform.TZCBase+tzc400.RegionAttributes+r, 4, 0)
		s.set(platform.TZCBase+tzc400.RegionBaseLow+r, 4, buffer)
		s.set(platform.TZCBase+tzc400.RegionTopLow+r, 4, buffer+0xFFFF)
		s.set(platform.TZCBase+tzc400.RegionIDAccess+r, 4, ids<<16|ids)
		s.set(platform.TZCBase+tzc400.RegionAttributes+r, 4, 0xC000_000F)
	}
	for _, c := range []struct {
		base  uint64
		nsaid int
		write bool
		kind  uint64 // register of the buffer's kind
		regs  map[uint64]uint64
	}{
		{platform.DecoderBase, 4, false, 0x108, map[uint64]uint64{0x80: 1, 0x84: 1, 0x100: buffer, 0x114: 16}},
		{platform.TransformBase, 5, true, 0x228, map[uint64]uint64{0x200: 4, 0x204: 0x10001, 0x220: buffer}},
		{platform.CameraBase, 10, true, 0x128, map[uint64]uint64{0x100: 4, 0x104: 0x10001, 0x120: buffer}},
		{platform.EncoderBase, 11, false, 0x128, map[uint64]uint64{0x80: 50, 0x100: 4, 0x104: 0x10001, 0x120: buffer, 0x180: sink, 0x194: 4096}},
	} {
		for i := range 4 {
			allowed, id := i&1 != 0, c.nsaid*(i>>1)
			ids := uint64(1) << id
			if !allowed {
				ids ^= 0xFFFF
			}
			restrict(ids)
			for off, v := range c.regs {
				p.set(c.base+off, 4, v)
			}
			kind := uint64(engine.Memory)
			if id != 0 {
				kind = engine.Protected
			}
			p.set(c.base+c.kind, 4, kind)
			if c.base == platform.EncoderBase {
				p.set(c.base+0x188, 4, kind)
			}
			p.set(c.base+engine.Control, 4, engine.Start)
			m.Elapse(1_000_000)
			result := engine.Result(p.get(c.base+engine.Status, 4) >> engine.ResultShift)
			fault := p.get(c.base+engine.FaultAddrLo, 4)
			write := p.get(c.base+engine.FaultInfo, 4)&engine.FaultWrite != 0
			// Zeros are no bitstream, but they were read.
			if allowed && result != engine.OK && result != engine.Corrupt || !allowed && (result != engine.Fault || fault != buffer || write != c.write) {
				t.Errorf("master %d as %d, allowed %v: %v at %#x, write %v", c.nsaid, id, allowed, result, fault, write)
			}
		}
	}
}

// TestInput enters touches by hand and by script, and locks the source.
func TestInput(t *testing.T) {
	m := newMachine(t, platform.Config{Input: []input.Event{{At: 1000, X: 5, Y: 6, Pressed: true}, {At: 2000, Key: 28, Pressed: true}}})
	p, s := newMaster(t, m, apAttr), newMaster(t, m, secureAttr)
	reg := func(off uint64) uint64 { return platform.InputBase + off }
	m.Elapse(1500)
	m.Touch(7, 8, false)
	m.Elapse(1500)
	m.Key(30, true)
	for _, want := range []uint64{5 | 6<<16, 7 | 8<<16, 28, 30} {
		if v := p.get(reg(input.Value), 4); v != want {
			t.Errorf("event %#x, want %#x", v, want)
		}
		p.set(reg(input.Pop), 4, 0)
	}
	s.set(reg(input.Lock), 4, input.Secure)
	m.Touch(1, 2, true)
	if v, r := p.Load(reg(input.Value), 4); r != bus.SLVERR || v != 0 {
		t.Errorf("the normal world reads %#x, %v", v, r)
	}
	if v := s.get(reg(input.Value), 4); v != 1|2<<16 {
		t.Errorf("the secure world reads %#x", v)
	}
	if _, err := platform.New(platform.Config{Firmware: secureworld.New(secureworld.DefaultConfig()), Input: []input.Event{{At: 2}, {At: 1}}}); !errors.Is(err, platform.ErrConfig) {
		t.Errorf("a script out of order: %v", err)
	}
}

// TestMediaSecurePath takes a frame from the bitstream to the screen, and another from the camera to a bitstream, through buffers that
// only the two masters on each side of them may touch. The processor programs everything and reads nothing; without the rights nothing
// arrives.
func TestMediaSecurePath(t *testing.T) {
	const (
		stream = platform.RAMBase + 0x100_0000
		frame  = platform.RAMBase + 0x110_0000 // NV12
		scan   = platform.RAMBase + 0x120_0000 // XRGB8888
		film   = platform.RAMBase + 0x130_0000 // camera
		small  = platform.RAMBase + 0x140_0000 // what is recorded
		out    = platform.RAMBase + 0x150_0000
		meta   = platform.RAMBase + 0x170_0000
		w, h   = 64, 48
		none   = 1 << 15
	)
	picture := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for i := range picture.Y {
		picture.Y[i] = 150
	}
	for i := range picture.Cb {
		picture.Cb[i], picture.Cr[i] = 90, 170
	}
	var clip bytes.Buffer
	if err := jpeg.Encode(&clip, picture, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	for _, withRights := range []bool{true, false} {
		m := newMachine(t, platform.Config{TZASC: true})
		p, s := newMaster(t, m, apAttr), newMaster(t, m, secureAttr)
		if r := s.Write(stream, clip.Bytes()); r != bus.OKAY {
			t.Fatal(r)
		}
		restrict := func(region int, base uint64, read, write uint64) {
			r := uint64(region) * tzc400.RegionStride
			s.set(platform.TZCBase+tzc400.RegionAttributes+r, 4, 0)
			s.set(platform.TZCBase+tzc400.RegionBaseLow+r, 4, base)
			s.set(platform.TZCBase+tzc400.RegionTopLow+r, 4, base+0xF_FFFF)
			s.set(platform.TZCBase+tzc400.RegionIDAccess+r, 4, write<<16|read)
			s.set(platform.TZCBase+tzc400.RegionAttributes+r, 4, 0xC000_000F)
		}
		reader := func(id uint64) uint64 {
			if withRights {
				return 1 << id
			}
			return none
		}
		// Region 1 is the secure world's at boot.
		restrict(2, stream, 1<<bus.NSAIDDecoder, none)
		restrict(3, frame, reader(bus.NSAIDTransform), 1<<bus.NSAIDDecoder)
		restrict(4, scan, reader(bus.NSAIDHDLCD), 1<<bus.NSAIDTransform)
		restrict(5, film, reader(bus.NSAIDTransform), 1<<bus.NSAIDCamera)
		restrict(6, small, reader(bus.NSAIDEncoder), 1<<bus.NSAIDTransform)
		restrict(7, out, none, 1<<bus.NSAIDEncoder)
		job := func(base uint64, regs map[uint64]uint64) engine.Result {
			t.Helper()
			for off, v := range regs {
				p.set(base+off, 4, v)
			}
			p.set(base+engine.Control, 4, engine.Start)
			m.Elapse(2_000_000)
			return engine.Result(p.get(base+engine.Status, 4) >> engine.ResultShift)
		}
		second := engine.Fault
		if withRights {
			second = engine.OK
		}
		const size, full = w | h<<16, 2 << engine.ColourShift
		for _, step := range []struct {
			name string
			got  engine.Result
			want engine.Result
		}{
			{"decode", job(platform.DecoderBase, map[uint64]uint64{0x80: 1, 0x84: 2, 0x100: stream, 0x108: engine.Protected, 0x114: uint64(clip.Len()), 0x120: meta, 0x134: 64,
				0x180: 1 | full, 0x184: size, 0x1A0: frame, 0x1A8: engine.Protected, 0x1C0: frame + w*h, 0x1C8: engine.Protected}), engine.OK},
			{"convert", job(platform.TransformBase, map[uint64]uint64{0x80: 1, 0x100: 1 | full, 0x104: size, 0x120: frame, 0x128: engine.Protected, 0x140: frame + w*h, 0x148: engine.Protected,
				0x200: 4, 0x204: size, 0x220: scan, 0x228: engine.Protected}), second},
			{"take", job(platform.CameraBase, map[uint64]uint64{0x100: 4, 0x104: size, 0x120: film, 0x128: engine.Protected}), engine.OK},
			{"reduce", job(platform.TransformBase, map[uint64]uint64{0x80: 5, 0x100: 4, 0x104: size, 0x120: film, 0x128: engine.Protected,
				0x200: 1 | full, 0x204: w/2 | h/2<<16, 0x220: small, 0x228: engine.Protected, 0x240: small + w/2*h/2, 0x248: engine.Protected}), second},
			{"encode", job(platform.EncoderBase, map[uint64]uint64{0x80: 90, 0x100: 1 | full, 0x104: w/2 | h/2<<16, 0x120: small, 0x128: engine.Protected, 0x140: small + w/2*h/2, 0x148: engine.Protected,
				0x180: out, 0x188: engine.Protected, 0x194: 0x10000}), second},
			{"convert to ordinary memory", job(platform.TransformBase, map[uint64]uint64{0x80: 1, 0x100: 4, 0x104: size, 0x120: film, 0x128: engine.Protected,
				0x200: 4, 0x204: size, 0x220: meta + 0x1000, 0x228: engine.Memory}), engine.Identity},
		} {
			if step.got != step.want {
				t.Errorf("rights %v: %s: %v, want %v", withRights, step.name, step.got, step.want)
			}
		}
		for off, v := range map[uint64]uint64{hdlcd.FBBase: scan, hdlcd.FBLineLength: 4 * w, hdlcd.FBLinePitch: 4 * w, hdlcd.FBLineCount: h - 1,
			hdlcd.HData: w - 1, hdlcd.VData: h - 1, hdlcd.PixelFormat: 3 << 3, hdlcd.RedSelect: 0x810, hdlcd.GreenSelect: 0x808, hdlcd.BlueSelect: 0x800} {
			p.set(platform.HDLCDBase+off, 4, v)
		}
		p.set(platform.HDLCDBase+hdlcd.Command, 4, hdlcd.Enable)
		m.Elapse(1_000_000)
		for _, at := range []uint64{stream, frame, scan, film, small, out} {
			if v, r := p.Load(at, 4); r != bus.DECERR || v != 0 {
				t.Errorf("rights %v: the processor reads %#x at %#x: %v", withRights, v, at, r)
			}
			if r := p.Store(at, 4, 0); r != bus.DECERR {
				t.Errorf("rights %v: the processor writes at %#x: %v", withRights, at, r)
			}
		}
		if v := p.get(meta, 4); v != 0x5445_4D47 {
			t.Errorf("the record begins with %#x", v)
		}
		shown, _ := m.Frame()
		bitstream := make([]byte, p.get(platform.EncoderBase+0x40, 4))
		if r := s.Read(out, bitstream); r != bus.OKAY {
			t.Fatal(r)
		}
		if !withRights {
			if !bytes.Equal(shown.Pix, bytes.Repeat([]byte{0, 0, 0, 255}, w*h)) || len(bitstream) != 0 || s.get(out, 8) != 0 {
				t.Errorf("something arrived: %d bytes recorded", len(bitstream))
			}
			continue
		}
		red, green, blue := color.YCbCrToRGB(150, 90, 170)
		for i, v := range shown.Pix {
			if d := int(v) - int([]byte{red, green, blue, 255}[i%4]); d < -3 || d > 3 {
				t.Fatalf("byte %d of the screen is %d, want %d, %d, %d", i, v, red, green, blue)
			}
		}
		recorded, err := jpeg.Decode(bytes.NewReader(bitstream))
		if err != nil || recorded.Bounds() != image.Rect(0, 0, w/2, h/2) {
			t.Fatalf("recorded: %v", err)
		}
		r, g, b, _ := recorded.At(w/2/8*3+1, h/2-4).RGBA() // in the green bar
		if r>>8 > 30 || g>>8 < 160 || b>>8 > 30 {
			t.Errorf("recorded: %d, %d, %d for green", r>>8, g>>8, b>>8)
		}
	}
}
