package pixel

// Model is what the components of a pixel mean.
type Model uint8

// The colour models: which matrix, and whether Y is 16 to 235 and chroma 16 to 240 (limited) or both 0 to 255 (full).
const (
	BT601     Model = 0
	BT709     Model = 1
	BT601Full Model = 2 // that of JPEG (JFIF 1.02)
	BT709Full Model = 3
	RGB       Model = 4
)

// matrix is one model against RGB, in units of 2^-16.
type matrix struct {
	offset int32 // of Y
	// R = y Y' + rv V, G = y Y' - gu U - gv V, B = y Y' + bu U, where Y' is Y less its offset, and U and V are Cb and Cr less 128.
	y, rv, gu, gv, bu int32
	// Y, Cb and Cr from R, G and B. The coefficients of green make the sum of each row exact, so that grey has no colour.
	luma, cb, cr [3]int32
}

// matrices hold the coefficients rounded to the nearest: with Kr and Kb of the standard (BT.601-7, 2.5.1: 0.299 and 0.114;
// BT.709-6, 3.2: 0.2126 and 0.0722), Kg what they leave of 1, and the ranges of 219 for Y and 224 for chroma, or 255.
var matrices = [4]matrix{
	BT601: {16, 76309, 104597, 25675, 53279, 132201,
		[3]int32{16829, 33039, 6416}, [3]int32{-9714, -19070, 28784}, [3]int32{28784, -24103, -4681}},
	BT709: {16, 76309, 117489, 13975, 34925, 138438,
		[3]int32{11966, 40254, 4064}, [3]int32{-6596, -22188, 28784}, [3]int32{28784, -26145, -2639}},
	BT601Full: {0, 65536, 91881, 22553, 46802, 116130,
		[3]int32{19595, 38470, 7471}, [3]int32{-11058, -21710, 32768}, [3]int32{32768, -27439, -5329}},
	BT709Full: {0, 65536, 103206, 12276, 30679, 121609,
		[3]int32{13933, 46871, 4732}, [3]int32{-7509, -25259, 32768}, [3]int32{32768, -29763, -3005}},
}

// round takes a sum in units of 2^-16 to the nearest integer, halves up, within 0 to 255.
func round(v int32) uint32 { return uint32(min(max((v+1<<15)>>16, 0), 255)) }

// toRGB converts one pixel.
func (m *matrix) toRGB(p Pixel) Pixel {
	y := m.y * (int32(p>>16&0xFF) - m.offset)
	u, v := int32(p>>8&0xFF)-128, int32(p&0xFF)-128
	return p&0xFF000000 | round(y+m.rv*v)<<16 | round(y-m.gu*u-m.gv*v)<<8 | round(y+m.bu*u)
}

// fromRGB converts one pixel.
func (m *matrix) fromRGB(p Pixel) Pixel {
	r, g, b := int32(p>>16&0xFF), int32(p>>8&0xFF), int32(p&0xFF)
	dot := func(k *[3]int32, offset int32) uint32 { return round(k[0]*r + k[1]*g + k[2]*b + offset<<16) }
	return p&0xFF000000 | dot(&m.luma, m.offset)<<16 | dot(&m.cb, 128)<<8 | dot(&m.cr, 128)
}

// Convert takes pixels from one model to another, in place; alpha stays. Between two models with Y it goes through RGB, which
// is rounded to 8 bits. The same model leaves all bits as they are.
func Convert(row []Pixel, from, to Model) {
	if from == to {
		return
	}
	if from != RGB {
		for i, p := range row {
			row[i] = matrices[from].toRGB(p)
		}
	}
	if to != RGB {
		for i, p := range row {
			row[i] = matrices[to].fromRGB(p)
		}
	}
}

// Blend lays a over b: each component is (a alpha + b (255 - alpha)) / 255, rounded to the nearest, halves up. The result has
// the alpha of b.
func Blend(a, b Pixel, alpha uint32) Pixel {
	mix := func(shift int) uint32 {
		return (2*((a>>shift&0xFF)*alpha+(b>>shift&0xFF)*(255-alpha)) + 255) / 510 << shift
	}
	return b&0xFF000000 | mix(16) | mix(8) | mix(0)
}
