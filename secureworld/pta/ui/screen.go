package ui

import (
	"encoding/binary"

	"gatehouse/secureworld/tee"
)

// frame is the geometry of a picture of XRGB8888 in memory, and what it shows.
type frame struct {
	width, height uint32 // pixels
	stride        uint32 // bytes from row to row
	pad           bool   // a PIN pad, or only the background
	back          uint32 // colour
	secret        string // what only the genuine screen shows
	entered       int    // digits
}

// maxSide bounds width and height, in pixels, minPad those of a PIN pad.
const (
	maxSide = 4096
	minPad  = 120
)

// size is the bytes from the first pixel to the last one.
func (f *frame) size() uint64 {
	return uint64(f.stride)*uint64(f.height-1) + 4*uint64(f.width)
}

func (f *frame) valid() bool {
	least := uint32(1)
	if f.pad {
		least = minPad
	}
	return f.width >= least && f.width <= maxSide && f.height >= least && f.height <= maxSide && f.stride >= 4*f.width && f.stride%4 == 0 && f.stride <= 4*4*maxSide
}

// rect is part of a picture: from x, y on, to before x1, y1.
type rect struct{ x, y, x1, y1 int }

func (r rect) has(x, y int) bool { return x >= r.x && x < r.x1 && y >= r.y && y < r.y1 }

// Keys of the pad, by rows.
const (
	keyClear = 9
	keyZero  = 10
	keyEnter = 11
	numKeys  = 12
)

var captions = [numKeys]string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "C", "0", "OK"}

// button is the place of a key: the pad is a grid of three columns and four rows in the lower two thirds.
func (f *frame) button(key int) rect {
	w, h := int(f.width), int(f.height)
	top := h / 3
	cw, ch := w/3, (h-top)/4
	x, y := key%3*cw, top+key/3*ch
	gap := max(1, min(cw, ch)/10)
	return rect{x + gap, y + gap, x + cw - gap, y + ch - gap}
}

// key finds the key at a place; ok is false between them.
func (f *frame) key(x, y int) (key int, ok bool) {
	for k := range numKeys {
		if f.button(k).has(x, y) {
			return k, true
		}
	}
	return 0, false
}

// line is a text in a picture, scale points of the font to a side of a pixel square, centred in a place.
type line struct {
	text  string
	at    rect
	scale int
	color uint32
}

const (
	white = 0xFFFFFF
	black = 0x000000
)

// picture is what a frame shows: rectangles, then texts.
func (f *frame) picture() (boxes []rect, texts []line) {
	if !f.pad {
		return nil, nil
	}
	third := int(f.height) / 3
	ink := uint32(white)
	if f.back>>16&0xFF+f.back>>8&0xFF+f.back&0xFF > 3*128 {
		ink = black
	}
	fit := func(text string, at rect, color uint32) {
		n := max(1, min((at.x1-at.x)*3/4/max(1, len(text)*glyphStep), (at.y1-at.y)*3/4/glyphHeight))
		texts = append(texts, line{text, at, n, color})
	}
	fit(f.secret, rect{0, 0, int(f.width), third / 2}, ink)
	stars := "PIN"
	if f.entered > 0 {
		stars = "****************"[:f.entered]
	}
	fit(stars, rect{0, third / 2, int(f.width), third}, ink)
	for k := range numKeys {
		boxes = append(boxes, f.button(k))
		fit(captions[k], f.button(k), black)
	}
	return boxes, texts
}

// covers reports whether a text has a point at a place.
func (l *line) covers(x, y int) bool {
	w, h := (len(l.text)*glyphStep-1)*l.scale, glyphHeight*l.scale
	x -= l.at.x + (l.at.x1-l.at.x-w)/2
	y -= l.at.y + (l.at.y1-l.at.y-h)/2
	if x < 0 || y < 0 || x >= w || y >= h {
		return false
	}
	x, y = x/l.scale, y/l.scale
	g := glyph(l.text[x/glyphStep])
	return x%glyphStep < glyphWidth && g[y]>>(glyphWidth-1-x%glyphStep)&1 != 0
}

// draw writes the picture row by row. Bytes between the rows stay as they are.
func (f *frame) draw(m *tee.Memref) error {
	boxes, texts := f.picture()
	row := make([]byte, 4*f.width)
	for y := range int(f.height) {
		paint := func(from, to int, color uint32) {
			for x := from; x < to; x++ {
				binary.LittleEndian.PutUint32(row[4*x:], color)
			}
		}
		paint(0, int(f.width), f.back)
		for _, b := range boxes {
			if y >= b.y && y < b.y1 {
				paint(b.x, b.x1, 0xC0C0C0)
			}
		}
		for i := range texts {
			l := &texts[i]
			if y < l.at.y || y >= l.at.y1 {
				continue
			}
			for x := l.at.x; x < l.at.x1; x++ {
				if l.covers(x, y) {
					paint(x, x+1, l.color)
				}
			}
		}
		if err := m.WriteAt(row, uint64(f.stride)*uint64(y)); err != nil {
			return err
		}
	}
	return nil
}
