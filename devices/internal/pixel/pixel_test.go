package pixel

import (
	"bytes"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
)

// weights are Kr and Kb of the standards.
var weights = [4][2]float64{BT601: {0.299, 0.114}, BT709: {0.2126, 0.0722}, BT601Full: {0.299, 0.114}, BT709Full: {0.2126, 0.0722}}

// scales gives the ranges of Y and of chroma, and the value of black.
func scales(m Model) (y, c, black float64) {
	if m == BT601Full || m == BT709Full {
		return 255, 255, 0
	}
	return 219, 224, 16
}

// TestCoefficients derives every coefficient from the weights that the standards give.
func TestCoefficients(t *testing.T) {
	for m, k := range weights {
		kr, kb := k[0], k[1]
		kg := 1 - kr - kb
		ys, cs, _ := scales(Model(m))
		c := matrices[m]
		for _, v := range []struct {
			name string
			got  int32
			want float64
		}{
			{"y", c.y, 255 / ys}, {"rv", c.rv, 2 * (1 - kr) * 255 / cs}, {"bu", c.bu, 2 * (1 - kb) * 255 / cs},
			{"gu", c.gu, 2 * (1 - kb) * kb / kg * 255 / cs}, {"gv", c.gv, 2 * (1 - kr) * kr / kg * 255 / cs},
			{"luma.r", c.luma[0], kr * ys / 255}, {"luma.b", c.luma[2], kb * ys / 255},
			{"cb.r", c.cb[0], -kr / 2 / (1 - kb) * cs / 255}, {"cb.b", c.cb[2], 0.5 * cs / 255},
			{"cr.r", c.cr[0], 0.5 * cs / 255}, {"cr.b", c.cr[2], -kb / 2 / (1 - kr) * cs / 255},
			{"luma", c.luma[0] + c.luma[1] + c.luma[2], ys / 255},
			{"cb", c.cb[0] + c.cb[1] + c.cb[2], 0}, {"cr", c.cr[0] + c.cr[1] + c.cr[2], 0},
		} {
			if want := int32(math.Round(v.want * 65536)); v.got != want {
				t.Errorf("model %d: %s = %d, want %d", m, v.name, v.got, want)
			}
		}
	}
}

// TestColourBars has the 100% colour bars of the standards, as they print them for 8 bits: BT.709-6, 3.4 and 3.5 give the
// equations, the numbers are rounded by hand.
func TestColourBars(t *testing.T) {
	const white, black, red, green, blue, yellow = 0xFFFFFF, 0x000000, 0xFF0000, 0x00FF00, 0x0000FF, 0xFFFF00
	for _, v := range []struct {
		model    Model
		rgb, yuv Pixel
	}{
		{BT601, white, 235<<16 | 128<<8 | 128}, {BT601, black, 16<<16 | 128<<8 | 128},
		{BT601, red, 81<<16 | 90<<8 | 240}, {BT601, green, 145<<16 | 54<<8 | 34}, {BT601, blue, 41<<16 | 240<<8 | 110},
		{BT601, yellow, 210<<16 | 16<<8 | 146},
		{BT709, white, 235<<16 | 128<<8 | 128}, {BT709, red, 63<<16 | 102<<8 | 240}, {BT709, green, 173<<16 | 42<<8 | 26},
		{BT709, blue, 32<<16 | 240<<8 | 118}, {BT709, yellow, 219<<16 | 16<<8 | 138},
		{BT601Full, white, 255<<16 | 128<<8 | 128}, {BT601Full, red, 76<<16 | 85<<8 | 255}, {BT601Full, green, 150<<16 | 44<<8 | 21},
		{BT601Full, blue, 29<<16 | 255<<8 | 107}, {BT709Full, black, 0<<16 | 128<<8 | 128}, {BT709Full, red, 54<<16 | 99<<8 | 255},
	} {
		row := []Pixel{0xAB000000 | v.rgb}
		Convert(row, RGB, v.model)
		if row[0] != 0xAB000000|v.yuv {
			t.Errorf("model %d: RGB %#06x gives %#x, want %#x", v.model, v.rgb, row[0], v.yuv)
		}
		Convert(row, v.model, RGB)
		for s := 0; s < 24; s += 8 {
			if d := int(row[0]>>s&0xFF) - int(v.rgb>>s&0xFF); d < -2 || d > 2 {
				t.Errorf("model %d: %#x back is %#x, was %#x", v.model, v.yuv, row[0], v.rgb)
			}
		}
	}
}

// TestAgainstFloat compares with the equations of the standards in floating point: the result is the nearest integer, or the
// neighbour where the exact value lies within 1/64 of the middle.
func TestAgainstFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	near := func(got uint32, want float64) bool {
		want = min(max(want, 0), 255)
		return math.Abs(float64(got)-want) <= 0.5+1.0/64
	}
	for range 200_000 {
		m := Model(r.IntN(4))
		kr, kb := weights[m][0], weights[m][1]
		ys, cs, black := scales(m)
		p := r.Uint32()
		c := [3]float64{float64(p >> 16 & 0xFF), float64(p >> 8 & 0xFF), float64(p & 0xFF)}
		row := []Pixel{p, p}
		Convert(row[:1], m, RGB)
		Convert(row[1:], RGB, m)
		y, u, v := (c[0]-black)/ys, (c[1]-128)/cs, (c[2]-128)/cs
		red, blue := y+2*(1-kr)*v, y+2*(1-kb)*u
		green := (y - kr*red - kb*blue) / (1 - kr - kb)
		luma := (kr*c[0] + (1-kr-kb)*c[1] + kb*c[2]) / 255
		want := [2][3]float64{{255 * red, 255 * green, 255 * blue},
			{black + ys*luma, 128 + cs*(c[2]/255-luma)/2/(1-kb), 128 + cs*(c[0]/255-luma)/2/(1-kr)}}
		for i, got := range row {
			for k := range 3 {
				if !near(got>>(16-8*k)&0xFF, want[i][k]) {
					t.Fatalf("model %d, pixel %#x, way %d: component %d of %#x, want %v", m, p, i, k, got, want[i][k])
				}
			}
			if got>>24 != p>>24 {
				t.Fatalf("alpha of %#x became that of %#x", p, got)
			}
		}
		// The standard library has full-range BT.601, rounded in its own way.
		if m == BT601Full {
			r0, g0, b0 := color.YCbCrToRGB(uint8(p>>16), uint8(p>>8), uint8(p))
			for k, w := range []uint8{r0, g0, b0} {
				if d := int(row[0]>>(16-8*k)&0xFF) - int(w); d < -1 || d > 1 {
					t.Fatalf("pixel %#x: %#x, the standard library has %d in component %d", p, row[0], w, k)
				}
			}
		}
	}
}

// TestFormats packs and unpacks random pictures of all sizes that matter, against a model that looks at one sample at a time.
func TestFormats(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for w := 1; w <= 5; w++ {
		for h := 1; h <= 5; h++ {
			for f := NV12; f <= ARGB8888; f++ {
				pic := make([]Pixel, w*h)
				for i := range pic {
					pic[i] = r.Uint32()
				}
				var planes [][]byte
				for _, p := range f.Planes(w, h) {
					planes = append(planes, make([]byte, p.Row*p.Rows))
				}
				var above []Pixel
				for y := range h {
					row := pic[y*w : (y+1)*w]
					PackRow(planes, f, y, h, above, row)
					above = row
				}
				at := func(x, y, k int) int { return int(pic[min(y, h-1)*w+min(x, w-1)] >> (16 - 8*k) & 0xFF) }
				var want []byte
				switch f {
				case NV12, I420:
					var chroma [2][]byte
					for i := range w * h {
						want = append(want, byte(at(i%w, i/w, 0)))
					}
					for y := 0; y < h; y += 2 {
						for x := 0; x < w; x += 2 {
							for k := range 2 {
								mean := float64(at(x, y, k+1)+at(x+1, y, k+1)+at(x, y+1, k+1)+at(x+1, y+1, k+1)) / 4
								chroma[k] = append(chroma[k], byte(math.Floor(mean+0.5)))
							}
						}
					}
					if f == I420 {
						want = append(append(want, chroma[0]...), chroma[1]...)
					} else {
						for i := range chroma[0] {
							want = append(want, chroma[0][i], chroma[1][i])
						}
					}
				case RGB565:
					for i := range w * h {
						v := at(i%w, i/w, 0)>>3<<11 | at(i%w, i/w, 1)>>2<<5 | at(i%w, i/w, 2)>>3
						want = append(want, byte(v), byte(v>>8))
					}
				default:
					for i, p := range pic {
						a := byte(p >> 24)
						if f == XRGB8888 {
							a = 255
						}
						want = append(want, byte(at(i%w, i/w, 2)), byte(at(i%w, i/w, 1)), byte(at(i%w, i/w, 0)), a)
					}
				}
				if got := bytes.Join(planes, nil); !bytes.Equal(got, want) {
					t.Fatalf("format %d, %dx%d: % x, want % x", f, w, h, got, want)
				}
				for y := range h {
					row := make([]Pixel, w)
					UnpackRow(row, f, planes, y)
					for x, p := range row {
						var w4 Pixel
						switch f {
						case NV12:
							k := y/2*((w+1)/2) + x/2
							w4 = Make(255, planes[0][y*w+x], planes[1][2*k], planes[1][2*k+1])
						case I420:
							k := y/2*((w+1)/2) + x/2
							w4 = Make(255, planes[0][y*w+x], planes[1][k], planes[2][k])
						case RGB565:
							wide := func(v, bits int) uint8 {
								return uint8(math.Round(float64(v>>(8-bits)) * 255 / float64(int(1)<<bits-1)))
							}
							w4 = Make(255, wide(at(x, y, 0), 5), wide(at(x, y, 1), 6), wide(at(x, y, 2), 5))
						case XRGB8888:
							w4 = pic[y*w+x] | 0xFF000000
						case ARGB8888:
							w4 = pic[y*w+x]
						}
						for s := 0; s < 32; s += 8 {
							// Widening by repeated bits is off by at most one from the exact value.
							if d := int(p>>s&0xFF) - int(w4>>s&0xFF); d != 0 && (f != RGB565 || d < -1 || d > 1) {
								t.Fatalf("format %d, %dx%d: pixel %d,%d is %#x, want %#x", f, w, h, x, y, p, w4)
							}
						}
					}
				}
			}
		}
	}
}

func TestBlend(t *testing.T) {
	for _, v := range []struct{ a, b, alpha, want uint32 }{
		{0x112233, 0xFF445566, 0, 0xFF445566}, {0x112233, 0xFF445566, 255, 0xFF112233},
		{0xFF0000, 0x0000FF, 128, 0x80007F}, {0x640000, 0, 1, 0}, {0xFF0000, 0, 1, 0x010000}, {0xC80000, 0, 127, 0x640000},
	} {
		if got := Blend(v.a, v.b, v.alpha); got != v.want {
			t.Errorf("%#x over %#x at %d: %#x, want %#x", v.a, v.b, v.alpha, got, v.want)
		}
	}
	for i := range uint32(1 << 16) {
		a, alpha := i>>8, i&0xFF
		if got, want := Blend(a, 77, alpha), uint32(math.Floor(float64(a*alpha+77*(255-alpha))/255+0.5)); got != want {
			t.Fatalf("%d over 77 at %d: %d, want %d", a, alpha, got, want)
		}
	}
}
