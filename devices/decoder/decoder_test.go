package decoder_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"gatehouse/devices/decoder"
	"gatehouse/devices/engine"
	"gatehouse/devices/internal/enginetest"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/bus"
)

func newBoard(t testing.TB) *enginetest.Board {
	b := enginetest.New(t)
	d := decoder.New(b.Ports(bus.NSAIDDecoder), &b.Clock, b.Events)
	d.IRQ = &b.IRQ
	b.Attach(d)
	b.Expect(engine.ID, decoder.ID)
	b.Set(engine.IntMask, engine.Done|engine.Error)
	return b
}

func result(b *enginetest.Board) engine.Result {
	return engine.Result(b.Get(engine.Status) >> engine.ResultShift)
}

// drawing is a picture with areas, edges and some noise.
func drawing(r *rand.Rand, w, h int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for y := range h {
		for x := range w {
			m.Y[m.YOffset(x, y)] = uint8(x*200/w + 40*(y/8%2) + r.IntN(8))
			m.Cb[m.COffset(x, y)] = uint8(80 + x/4%2*60)
			m.Cr[m.COffset(x, y)] = uint8(90 + y*70/h)
		}
	}
	return m
}

func encode(t testing.TB, m image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// picture makes memory for a picture.
func picture(b *enginetest.Board, r *rand.Rand, f pixel.Format, w, h int) []enginetest.Plane {
	var shapes [][3]int
	for _, p := range f.Planes(w, h) {
		shapes = append(shapes, [3]int{p.Row, p.Rows, p.Unit})
	}
	return b.Planes(r, shapes)
}

// start describes a job on stream and runs it.
func start(b *enginetest.Board, codec, mode uint32, stream enginetest.Memory, n int) {
	b.Set(decoder.Codec, codec)
	b.Set(decoder.Mode, mode)
	b.Describe(decoder.Stream, stream, 0, 0, n)
	b.Set(engine.Control, engine.Start)
	b.Finish()
}

// planes are the dense planes of a 4:2:0 image.
func planes(m *image.YCbCr) (out [3][]byte) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for y := range h {
		out[0] = append(out[0], m.Y[y*m.YStride:][:w]...)
	}
	for y := range (h + 1) / 2 {
		out[1] = append(out[1], m.Cb[y*m.CStride:][:(w+1)/2]...)
		out[2] = append(out[2], m.Cr[y*m.CStride:][:(w+1)/2]...)
	}
	return out
}

// TestJPEG decodes what the standard library has encoded, in scattered memory, and compares with what it decodes.
func TestJPEG(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 60 {
		b := newBoard(t)
		w, h := 1+r.IntN(70), 1+r.IntN(70)
		data := encode(t, drawing(r, w, h), 1+r.IntN(100))
		tail := r.IntN(20) // what follows EOI is ignored
		stream := b.Scatter(r, len(data)+tail, 1+r.IntN(500), uint32(r.IntN(3)))
		b.Store(stream, data)
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		want := planes(img.(*image.YCbCr))
		f := []pixel.Format{pixel.NV12, pixel.I420, pixel.XRGB8888}[n%3]
		out := picture(b, r, f, w, h)
		var gaps [][]byte
		for _, p := range out {
			_, g := b.LoadPlane(p)
			gaps = append(gaps, g)
		}
		b.Picture(decoder.D, uint32(f)|uint32(pixel.BT601Full)<<engine.ColourShift, w, h, out)
		start(b, decoder.JPEG, 0, stream, len(data)+tail)
		if result(b) != engine.OK || !b.IRQ.Level {
			t.Fatalf("case %d: %v", n, result(b))
		}
		b.Expect(decoder.Size, uint32(w)|uint32(h)<<16)
		b.Expect(decoder.Sampling, 0x420)
		b.Expect(decoder.Used, uint32(len(data)))
		b.Expect(decoder.Headers, uint32(bytes.Index(data, []byte{0xFF, 0xDA})+14))
		for i, p := range out {
			got, around := b.LoadPlane(p)
			if !bytes.Equal(around, gaps[i]) {
				t.Fatalf("case %d: bytes around plane %d were written", n, i)
			}
			switch f {
			case pixel.I420:
				if !bytes.Equal(got, want[i]) {
					t.Fatalf("case %d: plane %d differs", n, i)
				}
			case pixel.NV12:
				expected := want[0]
				if i == 1 {
					expected = nil
					for k := range want[1] {
						expected = append(expected, want[1][k], want[2][k])
					}
				}
				if !bytes.Equal(got, expected) {
					t.Fatalf("case %d: plane %d differs", n, i)
				}
			case pixel.XRGB8888:
				for k := range w * h {
					c := img.At(k%w, k/w).(color.YCbCr)
					red, green, blue := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
					for z, v := range []uint8{blue, green, red, 255} {
						if d := int(got[4*k+z]) - int(v); d < -1 || d > 1 {
							t.Fatalf("case %d: pixel %d is % x, want %d %d %d", n, k, got[4*k:4*k+4], blue, green, red)
						}
					}
				}
			}
		}
	}
}

// frame gives the VP8 frame of a WebP file (RFC 9649, 2.5), and the planes that libwebp decodes it to.
func frame(t testing.TB, name string) (data []byte, w, h int, want [3][]byte) {
	t.Helper()
	file, err := os.ReadFile("testdata/" + name + ".webp")
	if err != nil {
		t.Fatal(err)
	}
	if string(file[12:16]) != "VP8 " {
		t.Fatalf("%s: chunk %q", name, file[12:16])
	}
	data = file[20:][:binary.LittleEndian.Uint32(file[16:])]
	f, err := os.Open("testdata/" + name + ".ycbcr.png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	golden, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	g := golden.(*image.Gray)
	w, h = int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:]))
	w2, h2 := (w+1)/2, (h+1)/2
	for i, r := range []image.Rectangle{image.Rect(0, 0, w, h), image.Rect(0, h, w2, h+h2), image.Rect(w2, h, 2*w2, h+h2)} {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			want[i] = append(want[i], g.Pix[y*g.Stride+r.Min.X:][:r.Dx()]...)
		}
	}
	return data, w, h, want
}

// TestVP8 decodes frames of a foreign encoder; libwebp's output is the expectation.
func TestVP8(t *testing.T) {
	for _, name := range []string{"blue-purple-pink", "video-001"} {
		r := rand.New(rand.NewPCG(2, 2))
		b := newBoard(t)
		data, w, h, want := frame(t, name)
		stream := b.Scatter(r, len(data), 300, enginetest.List64)
		b.Store(stream, data)
		out := picture(b, r, pixel.I420, w, h)
		b.Picture(decoder.D, uint32(pixel.I420), w, h, out)
		start(b, decoder.VP8, 0, stream, 0)
		if result(b) != engine.OK {
			t.Fatalf("%s: %v", name, result(b))
		}
		for i, p := range out {
			if got, _ := b.LoadPlane(p); !bytes.Equal(got, want[i]) {
				t.Errorf("%s: plane %d differs", name, i)
			}
		}
		b.Expect(decoder.Size, uint32(w)|uint32(h)<<16)
		b.Expect(decoder.Used, uint32(len(data)))
	}
}

// TestProbe looks at headers only. The record is written, and nothing else is.
func TestProbe(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	vp8, vw, vh, _ := frame(t, "video-001")
	gray := image.NewGray(image.Rect(0, 0, 33, 17))
	for _, c := range []struct {
		name            string
		codec           uint32
		data            []byte
		w, h            int
		sampling, extra uint32
	}{
		{"jpeg", decoder.JPEG, encode(t, drawing(r, 50, 40), 50), 50, 40, 0x420, 0},
		{"gray", decoder.JPEG, encode(t, gray, 50), 33, 17, 0x400, 0},
		{"vp8", decoder.VP8, vp8, vw, vh, 0x420, uint32(vp8[0] >> 1 & 7)},
	} {
		b := newBoard(t)
		stream, meta := b.Flat(len(c.data)), b.Scatter(r, 100, 9, enginetest.List32)
		b.Store(stream, c.data)
		b.Store(meta, bytes.Repeat([]byte{0xAA}, 100))
		b.Describe(decoder.Meta, meta, 5, 0, 0)
		start(b, c.codec, decoder.Probe|decoder.WriteMeta, stream, len(c.data))
		if result(b) != engine.OK {
			t.Fatalf("%s: %v", c.name, result(b))
		}
		b.Expect(decoder.Size, uint32(c.w)|uint32(c.h)<<16)
		b.Expect(engine.BytesWritten, decoder.MetaBytes)
		record := b.Load(meta)
		if !bytes.Equal(record[:5], bytes.Repeat([]byte{0xAA}, 5)) || !bytes.Equal(record[69:], bytes.Repeat([]byte{0xAA}, 31)) {
			t.Errorf("%s: bytes around the record were written", c.name)
		}
		record = record[5:]
		if string(record[:4]) != "GMET" {
			t.Errorf("%s: magic number %q", c.name, record[:4])
		}
		quantiser := uint32(0)
		if c.codec == decoder.JPEG {
			table := c.data[bytes.Index(c.data, []byte{0xFF, 0xDB})+5:]
			for _, q := range table[:64] {
				quantiser += uint32(q)
			}
		}
		headers := uint32(10)
		if c.codec == decoder.JPEG {
			sos := bytes.Index(c.data, []byte{0xFF, 0xDA})
			headers = uint32(sos + 2 + int(c.data[sos+3]))
		}
		for i, want := range []uint32{1: c.codec, uint32(c.w) | uint32(c.h)<<16, c.sampling, uint32(len(c.data)), headers, quantiser, c.extra, 1, 0, 0, 0, 0, 0, 0, 0} {
			if got := binary.LittleEndian.Uint32(record[4*i:]); i > 0 && got != want {
				t.Errorf("%s: word %d of the record is %#x, want %#x", c.name, i, got, want)
			}
		}
	}
}

// TestRefused goes through bitstreams and parameters that are wrong. Nothing is written then.
func TestRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const w, h = 40, 24
	good := encode(t, drawing(r, w, h), 60)
	vp8, vw, vh, _ := frame(t, "video-001")
	at := func(marker byte) int { return bytes.Index(good, []byte{0xFF, marker}) }
	patch := func(p []byte, at int, v ...byte) []byte {
		p = bytes.Clone(p)
		copy(p[at:], v)
		return p
	}
	scan := good[at(0xDA) : len(good)-2]
	var cmyk []byte
	cmyk = append(cmyk, good[:at(0xC0)]...)
	cmyk = append(cmyk, 0xFF, 0xC0, 0, 20, 8, 0, h, 0, w, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0)
	cmyk = append(cmyk, good[at(0xDA):]...)
	// Three blocks of the luma of a picture of 16x16 stand for the components of one of 8x8, which Adobe's APP14 declares as RGB.
	adobe := append(bytes.Clone(good[:2]), 0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0)
	adobe = append(adobe, encode(t, drawing(r, 16, 16), 60)[2:]...)
	sof, sos := bytes.Index(adobe, []byte{0xFF, 0xC0}), bytes.Index(adobe, []byte{0xFF, 0xDA})
	adobe = patch(patch(adobe, sof+5, 0, 8, 0, 8), sof+11, 0x11)
	adobe[sos+8], adobe[sos+10] = 0, 0
	many := bytes.Clone(good[:at(0xDA)])
	for range decoder.MaxScans + 1 {
		many = append(many, scan...)
	}
	many = append(many, 0xFF, 0xD9)
	for _, c := range []struct {
		name  string
		codec uint32
		data  []byte
		want  engine.Result
	}{
		{"good", decoder.JPEG, good, engine.OK}, {"good VP8 of another size", decoder.VP8, vp8, engine.Mismatch},
		{"as VP8", decoder.VP8, good, engine.Unsupported}, {"VP8 as JPEG", decoder.JPEG, vp8, engine.Corrupt},
		{"no codec", 0, good, engine.Parameter}, {"another codec", 3, good, engine.Parameter},
		{"one byte", decoder.JPEG, good[:1], engine.Corrupt}, {"SOI", decoder.JPEG, good[:2], engine.Corrupt},
		{"headers only", decoder.JPEG, good[:at(0xDA)], engine.Corrupt}, {"no EOI", decoder.JPEG, good[:len(good)-2], engine.Corrupt},
		{"half the data", decoder.JPEG, append(bytes.Clone(good[:len(good)-len(scan)/2]), 0xFF, 0xD9), engine.Corrupt},
		{"progressive", decoder.JPEG, patch(good, at(0xC0)+1, 0xC2), engine.Unsupported},
		{"extended", decoder.JPEG, patch(good, at(0xC0)+1, 0xC1), engine.Unsupported},
		{"arithmetic", decoder.JPEG, patch(good, at(0xC0)+1, 0xC9), engine.Unsupported},
		{"12 bits", decoder.JPEG, patch(good, at(0xC0)+4, 12), engine.Unsupported},
		{"no height", decoder.JPEG, patch(good, at(0xC0)+5, 0, 0), engine.Unsupported},
		{"no width", decoder.JPEG, patch(good, at(0xC0)+7, 0, 0), engine.Corrupt},
		{"huge", decoder.JPEG, patch(good, at(0xC0)+5, 0xFF, 0xFF, 0xFF, 0xFF), engine.Unsupported},
		{"too many pixels", decoder.JPEG, patch(good, at(0xC0)+5, 0x10, 0, 0x0F, 0xFF), engine.Unsupported},
		{"another height", decoder.JPEG, patch(good, at(0xC0)+5, 0, h-1), engine.Mismatch},
		{"four components", decoder.JPEG, cmyk, engine.Unsupported}, {"RGB", decoder.JPEG, adobe, engine.Unsupported},
		{"sampling of 3 to 1", decoder.JPEG, patch(good, at(0xC0)+11, 0x31), engine.Unsupported},
		{"sampling of 0", decoder.JPEG, patch(good, at(0xC0)+14, 0), engine.Unsupported},
		{"too many scans", decoder.JPEG, many, engine.Unsupported},
		{"two frame headers", decoder.JPEG, append(bytes.Clone(good[:at(0xDA)]), good[at(0xC0):]...), engine.Corrupt},
		{"no quantisation", decoder.JPEG, append(bytes.Clone(good[:2]), good[at(0xC0):]...), engine.Corrupt},
		{"no Huffman tables", decoder.JPEG, append(bytes.Clone(good[:at(0xC4)]), good[at(0xDA):]...), engine.Corrupt},
		{"VP8 inter frame", decoder.VP8, patch(vp8, 0, vp8[0]|1), engine.Unsupported},
		{"VP8 of version 4", decoder.VP8, patch(vp8, 0, vp8[0]|8), engine.Unsupported},
		{"VP8 start code", decoder.VP8, patch(vp8, 3, 0), engine.Corrupt}, {"VP8 tag only", decoder.VP8, vp8[:9], engine.Corrupt},
		{"VP8 without width", decoder.VP8, patch(vp8, 6, 0, 0), engine.Corrupt},
		{"VP8 first partition", decoder.VP8, patch(vp8, 2, 0xFF), engine.Corrupt},
		{"VP8 too large", decoder.VP8, patch(vp8, 6, 0xFF, 0x3F, 0xFF, 0x3F), engine.Unsupported},
	} {
		b := newBoard(t)
		stream := b.Scatter(r, len(c.data), 200, enginetest.List32)
		b.Store(stream, c.data)
		w, h := w, h
		if c.name == "RGB" {
			w, h = 8, 8
		}
		out, meta := picture(b, r, pixel.XRGB8888, w, h), b.Flat(64)
		was, _ := b.LoadPlane(out[0])
		b.Picture(decoder.D, uint32(pixel.XRGB8888), w, h, out)
		b.Describe(decoder.Meta, meta, 0, 0, 64)
		start(b, c.codec, decoder.WriteMeta, stream, 0)
		if result(b) != c.want {
			t.Errorf("%s: %v, want %v", c.name, result(b), c.want)
		}
		if got, _ := b.LoadPlane(out[0]); c.want != engine.OK && (!bytes.Equal(got, was) || !bytes.Equal(b.Load(meta), make([]byte, 64))) {
			t.Errorf("%s: something was written", c.name)
		}
		if c.want != engine.OK {
			b.Expect(decoder.Size, 0)
		}
	}
	// VP8 data that ends in the middle, in a picture of the right size.
	b := newBoard(t)
	stream := b.Flat(len(vp8))
	b.Store(stream, vp8)
	out := picture(b, r, pixel.NV12, vw, vh)
	b.Picture(decoder.D, uint32(pixel.NV12), vw, vh, out)
	first := int(vp8[0])>>5 | int(vp8[1])<<3 | int(vp8[2])<<11
	start(b, decoder.VP8, 0, stream, 10+first+(len(vp8)-10-first)/2)
	if result(b) != engine.Corrupt {
		t.Errorf("half a VP8 frame: %v", result(b))
	}
	// A record that does not fit, reserved mode bits.
	b.Describe(decoder.Meta, stream, 0, 0, 63)
	b.Describe(decoder.Stream, stream, 100, 0, 100)
	for mode, want := range map[uint32]engine.Result{decoder.Probe | decoder.WriteMeta: engine.Overlap, 4: engine.Parameter} {
		b.Set(decoder.Mode, mode)
		b.Set(engine.Control, engine.Start)
		b.Finish()
		if mode == 4 && result(b) != want {
			t.Errorf("mode %d: %v", mode, result(b))
		}
	}
	short := b.Flat(63)
	b.Describe(decoder.Meta, short, 0, 0, 63)
	start(b, decoder.VP8, decoder.Probe|decoder.WriteMeta, stream, len(vp8))
	if result(b) != engine.Short || !bytes.Equal(b.Load(short), make([]byte, 63)) {
		t.Errorf("record of 63 bytes: %v", result(b))
	}
}

// TestStateless is the case of the discussions on stateless decoders: bitstream and frame are restricted to the decoder, the record
// is normal memory that the CPU reads. Then the frame is out of the decoder's reach.
func TestStateless(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const w, h = 64, 64
	data := encode(t, drawing(r, w, h), 90)
	b := newBoard(t)
	stream, frame, meta := b.Flat(len(data)).Shut(), b.Flat(4*w*h).Shut(), b.Flat(64)
	b.Store(stream, data)
	old := bytes.Repeat([]byte{0x5A}, 4*w*h)
	b.Store(frame, old)
	b.Restrict(1, stream.Addr, uint64(len(data)), 1<<bus.NSAIDDecoder, 0)
	b.Restrict(2, frame.Addr, 4*w*h, 0, 1<<bus.NSAIDDecoder)
	b.Picture(decoder.D, uint32(pixel.XRGB8888), w, h, []enginetest.Plane{{Memory: frame, Row: 4 * w, Rows: h, Stride: 4 * w}})
	b.Describe(decoder.Meta, meta, 0, 0, 64)
	start(b, decoder.JPEG, decoder.WriteMeta, stream, len(data))
	if result(b) != engine.OK {
		t.Fatal(result(b))
	}
	record := make([]byte, 64)
	if resp := b.Bus.Read(meta.Addr, record, enginetest.CPU); resp != bus.OKAY || string(record[:4]) != "GMET" {
		t.Errorf("record: %v, % x", resp, record)
	}
	// Only what the CPU has told the engine.
	known := append([]byte("GMET\x01\x00\x00\x00\x40\x00\x40\x00"), make([]byte, 52)...)
	if !bytes.Equal(record, known) {
		t.Errorf("the record says more than it may: % x", record)
	}
	b.Expect(decoder.Size, w|h<<16)
	for off := decoder.Sampling; off < engine.Results+4*engine.NumResults; off += 4 {
		b.Expect(off, 0)
	}
	if resp := b.Bus.Read(frame.Addr, make([]byte, 4), enginetest.CPU); resp != bus.DECERR {
		t.Errorf("the CPU reads the frame: %v", resp)
	}
	decoded := b.Load(frame)
	if bytes.Equal(decoded, old) {
		t.Error("there is no frame")
	}
	// The third page of the frame is taken away, then the bitstream.
	b.Store(frame, old)
	b.Fill(meta.Addr, make([]byte, 64))
	b.Restrict(2, frame.Addr+0x2000, 0x1000, 0, 0)
	start(b, decoder.JPEG, decoder.WriteMeta, stream, len(data))
	if result(b) != engine.Fault || !b.IRQ.Level {
		t.Fatal(result(b))
	}
	b.Expect(engine.FaultAddrLo, uint32(frame.Addr+0x2000))
	b.Expect(engine.FaultInfo, engine.FaultValid|engine.FaultWrite|engine.FaultProtected|3<<engine.FaultResponseShift|1<<engine.FaultBufferShift)
	if want := append(bytes.Clone(decoded[:0x2000]), old[0x2000:]...); !bytes.Equal(b.Load(frame), want) || !bytes.Equal(b.Load(meta), make([]byte, 64)) {
		t.Error("a denied frame: the output is not what it should be")
	}
	b.Expect(decoder.Size, 0)
	b.Restrict(1, stream.Addr, uint64(len(data)), 1<<bus.NSAIDAP, 0)
	b.Store(frame, old)
	start(b, decoder.JPEG, decoder.WriteMeta, stream, len(data))
	if result(b) != engine.Fault || !bytes.Equal(b.Load(frame), old) {
		t.Errorf("a denied bitstream: %v", result(b))
	}
	b.Expect(engine.FaultAddrLo, uint32(stream.Addr))
	b.Expect(engine.BytesWritten, 0)
	if !strings.Contains(b.Log.String(), "decoder: ERROR job=3 nsaid=4 addr=") {
		t.Errorf("events:\n%s", b.Log.String())
	}
}

// TestTime: headers, pixels, bytes.
func TestTime(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	data := encode(t, drawing(r, 32, 32), 90)
	b := newBoard(t)
	stream, frame := b.Flat(len(data)), b.Flat(4*32*32)
	b.Store(stream, data)
	b.Picture(decoder.D, uint32(pixel.XRGB8888), 32, 32, []enginetest.Plane{{Memory: frame, Row: 128, Rows: 32}})
	start(b, decoder.JPEG, 0, stream, len(data))
	b.Expect(engine.Elapsed, uint32(1000+(len(data)*1000+3199)/3200+2000+2*32*32+1280))
	start(b, decoder.JPEG, decoder.Probe, stream, len(data))
	b.Expect(engine.Elapsed, uint32(1000+(len(data)*1000+3199)/3200+2000))
}

// FuzzDecode gives the decoder any bitstream.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(6, 6))
	f.Add(uint32(decoder.JPEG), encode(f, drawing(r, 20, 12), 50))
	f.Add(uint32(decoder.JPEG), encode(f, image.NewGray(image.Rect(0, 0, 20, 12)), 50))
	data, _, _, _ := frame(f, "video-001")
	f.Add(uint32(decoder.VP8), data)
	f.Fuzz(func(t *testing.T, codec uint32, data []byte) {
		if len(data) == 0 {
			return
		}
		b := newBoard(t)
		stream := b.Flat(len(data))
		b.Store(stream, data)
		start(b, codec, decoder.Probe, stream, len(data))
		if result(b) != engine.OK {
			return
		}
		size := b.Get(decoder.Size)
		w, h := int(size&0xFFFF), int(size>>16)
		if w*h > 1<<16 {
			return
		}
		var planes []enginetest.Plane
		for _, p := range pixel.NV12.Planes(w, h) {
			planes = append(planes, enginetest.Plane{Memory: b.Flat(p.Row * p.Rows), Row: p.Row, Rows: p.Rows})
		}
		b.Picture(decoder.D, uint32(pixel.NV12), w, h, planes)
		start(b, codec, 0, stream, len(data))
		switch got := result(b); got {
		case engine.OK, engine.Corrupt, engine.Unsupported:
			written := uint32(0)
			if got == engine.OK {
				written = uint32(planes[0].Memory.Len() + planes[1].Memory.Len())
			}
			b.Expect(engine.BytesWritten, written)
		default:
			t.Fatalf("%v", got)
		}
	})
}

// TestMutations changes bytes of good bitstreams. The decoder gives a picture of the size that it announced or a reason, and takes
// the time that it says.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	b := newBoard(t)
	frames := map[uint32][][]byte{decoder.JPEG: {encode(t, drawing(r, 48, 40), 70), encode(t, image.NewGray(image.Rect(0, 0, 30, 30)), 90)}}
	for _, name := range []string{"blue-purple-pink", "video-001"} {
		data, _, _, _ := frame(t, name)
		frames[decoder.VP8] = append(frames[decoder.VP8], data)
	}
	stream, out := b.Flat(1<<16), b.Flat(4<<20)
	ends := map[engine.Result]int{}
	for range mutations {
		codec := uint32(1 + r.IntN(2))
		data := bytes.Clone(frames[codec][r.IntN(2)])
		for range 1 + r.IntN(6) {
			at := r.IntN(len(data))
			if r.IntN(3) == 0 {
				at = r.IntN(min(len(data), 300)) // the headers
			}
			data[at] = byte(r.Uint32())
		}
		if r.IntN(5) == 0 {
			data = data[:r.IntN(len(data))+1]
		}
		b.Store(stream, data)
		start(b, codec, decoder.Probe, stream, len(data))
		ends[result(b)]++
		if result(b) != engine.OK {
			continue
		}
		size := b.Get(decoder.Size)
		w, h := int(size&0xFFFF), int(size>>16)
		if w*h > 1<<20 {
			continue
		}
		b.Picture(decoder.D, uint32(pixel.XRGB8888), w, h, []enginetest.Plane{{Memory: out, Row: 4 * w, Rows: h}})
		start(b, codec, 0, stream, len(data))
		ends[result(b)]++
		switch result(b) {
		case engine.OK:
			b.Expect(engine.BytesWritten, uint32(4*w*h))
		case engine.Corrupt, engine.Unsupported:
			b.Expect(engine.BytesWritten, 0)
		default:
			t.Fatalf("%v", result(b))
		}
	}
	if ends[engine.OK] < mutations/4 || ends[engine.Corrupt] < mutations/20 {
		t.Errorf("jobs ended: %v", ends)
	}
}

// mutations is how many bitstreams TestMutations makes.
const mutations = 600
