package pixel

import "encoding/binary"

// Format is how a picture stands in memory.
type Format uint8

// The formats, with the names that DRM gives to the same layouts (drm_fourcc.h). Words are little-endian.
const (
	// NV12 has a plane of Y, and one of Cb and Cr in turns for each 2x2 pixels.
	NV12 Format = 1
	// I420 (DRM: YUV420) has planes of Y, of Cb and of Cr, the latter two with a sample for each 2x2 pixels.
	I420 Format = 2
	// RGB565 has 16-bit words with red in bits 15:11, green in 10:5 and blue in 4:0.
	RGB565 Format = 3
	// XRGB8888 has 32-bit words with red in bits 23:16, green in 15:8 and blue in 7:0. Bits 31:24 are written as ones.
	XRGB8888 Format = 4
	// ARGB8888 has the alpha of the pixel in bits 31:24, 255 being opaque. Colours are not multiplied with it.
	ARGB8888 Format = 5
)

// Planar reports whether f has brightness and colour in planes of their own.
func (f Format) Planar() bool { return f == NV12 || f == I420 }

// Valid reports whether f is one of the formats.
func (f Format) Valid() bool { return f >= NV12 && f <= ARGB8888 }

// MaxPlanes is the largest number of planes.
const MaxPlanes = 3

// Plane is the shape of one plane.
type Plane struct {
	Row  int // bytes of a row
	Rows int
	Unit int // bytes of one sample, or of those that stand together
}

// Planes gives the planes of a picture of w x h pixels. An odd width or height has its last column or row of chroma samples
// for pixels that are half there.
func (f Format) Planes(w, h int) []Plane {
	cw, ch := (w+1)/2, (h+1)/2
	switch f {
	case NV12:
		return []Plane{{w, h, 1}, {2 * cw, ch, 2}}
	case I420:
		return []Plane{{w, h, 1}, {cw, ch, 1}, {cw, ch, 1}}
	case RGB565:
		return []Plane{{2 * w, h, 2}}
	case XRGB8888, ARGB8888:
		return []Plane{{4 * w, h, 4}}
	}
	return nil
}

// Pixel is alpha in bits 31:24 and three components of 8 bits: red, green, blue, or Y, Cb, Cr.
type Pixel = uint32

// Make puts a pixel together.
func Make(a, c0, c1, c2 uint8) Pixel {
	return uint32(a)<<24 | uint32(c0)<<16 | uint32(c1)<<8 | uint32(c2)
}

// UnpackRow fills dst with row y of a picture whose planes have no gaps between their rows. A chroma sample holds for all its
// pixels. The 5 and 6 bits of RGB565 are widened by repeating the highest ones. Alpha is 255 where the format has none.
func UnpackRow(dst []Pixel, f Format, planes [][]byte, y int) {
	w := len(dst)
	switch f {
	case NV12, I420:
		luma := planes[0][y*w:]
		cw := (w + 1) / 2
		for x := range dst {
			var cb, cr uint8
			if k := y/2*cw + x/2; f == NV12 {
				cb, cr = planes[1][2*k], planes[1][2*k+1]
			} else {
				cb, cr = planes[1][k], planes[2][k]
			}
			dst[x] = Make(255, luma[x], cb, cr)
		}
	case RGB565:
		row := planes[0][2*y*w:]
		for x := range dst {
			v := binary.LittleEndian.Uint16(row[2*x:])
			r, g, b := uint8(v>>11), uint8(v>>5&63), uint8(v&31)
			dst[x] = Make(255, r<<3|r>>2, g<<2|g>>4, b<<3|b>>2)
		}
	case XRGB8888, ARGB8888:
		row := planes[0][4*y*w:]
		for x := range dst {
			dst[x] = binary.LittleEndian.Uint32(row[4*x:])
			if f == XRGB8888 {
				dst[x] |= 0xFF000000
			}
		}
	}
}

// PackRow stores row y of a picture of height h from cur, in planes without gaps. A chroma sample is the mean of the four
// samples at its pixels, rounded half up; pixels outside of the picture count as the nearest ones inside. It is stored with the
// lower one of its two rows, for which above holds the row before. RGB565 keeps the highest bits.
func PackRow(planes [][]byte, f Format, y, h int, above, cur []Pixel) {
	w := len(cur)
	switch f {
	case NV12, I420:
		luma := planes[0][y*w:]
		for x, p := range cur {
			luma[x] = uint8(p >> 16)
		}
		if y%2 == 0 {
			if y != h-1 {
				return
			}
			above = cur
		}
		cw := (w + 1) / 2
		for x := range cw {
			l, r := 2*x, min(2*x+1, w-1)
			const mask = 0xFF00FF // Cb and Cr, where the one in bits 23:16 is shifted in from 15:8
			split := func(p Pixel) uint32 { return (p&0xFF00)<<8 | p&0xFF }
			sum := split(above[l]) + split(above[r]) + split(cur[l]) + split(cur[r]) + 0x20002
			c := sum >> 2 & mask
			if k := y/2*cw + x; f == NV12 {
				planes[1][2*k], planes[1][2*k+1] = uint8(c>>16), uint8(c)
			} else {
				planes[1][k], planes[2][k] = uint8(c>>16), uint8(c)
			}
		}
	case RGB565:
		row := planes[0][2*y*w:]
		for x, p := range cur {
			binary.LittleEndian.PutUint16(row[2*x:], uint16(p>>8&0xF800|p>>5&0x07E0|p>>3&0x1F))
		}
	case XRGB8888, ARGB8888:
		row := planes[0][4*y*w:]
		for x, p := range cur {
			if f == XRGB8888 {
				p |= 0xFF000000
			}
			binary.LittleEndian.PutUint32(row[4*x:], p)
		}
	}
}
