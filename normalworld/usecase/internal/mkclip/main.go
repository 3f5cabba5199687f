// Command mkclip draws the bundled clip, encodes it as JPEG frame by frame, and encrypts it as Common Encryption does. The same version of
// Go makes the same bytes.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
)

// The clip: 24 frames of 320x180, 25 a second.
const (
	width, height = 320, 180
	frames        = 24
	period        = 40_000_000
)

var key = []byte("bundled clip key")

func main() {
	out := flag.String("o", "clip.bin", "file to write")
	flag.Parse()
	if err := os.WriteFile(*out, clip(), 0o666); err != nil {
		fmt.Fprintln(os.Stderr, "mkclip:", err)
		os.Exit(1)
	}
}

func clip() []byte {
	le := binary.LittleEndian
	b := []byte("GHCLIP1\n")
	b = le.AppendUint16(b, width)
	b = le.AppendUint16(b, height)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, frames)
	b = le.AppendUint32(b, period)
	for n := range frames {
		var j bytes.Buffer
		if err := jpeg.Encode(&j, draw(n), &jpeg.Options{Quality: 80}); err != nil {
			panic(err) // a buffer takes everything
		}
		data := j.Bytes()
		// The headers stay in the clear, as they do in practice: two subsamples, the second one encrypted from its 17th byte on.
		clear1 := min(len(data)/4, 620)
		half := (len(data) - clear1) / 2
		subs := [][2]int{{clear1, half}, {16, len(data) - clear1 - half - 16}}
		iv := make([]byte, 8)
		binary.BigEndian.PutUint64(iv, 0x6761746568000000+uint64(n)*0x10000)
		info := append([]byte(nil), iv...)
		info = binary.BigEndian.AppendUint16(info, uint16(len(subs)))
		block, err := aes.NewCipher(key)
		if err != nil {
			panic(err)
		}
		stream := cipher.NewCTR(block, append(iv, make([]byte, 8)...))
		off := 0
		for _, s := range subs {
			info = binary.BigEndian.AppendUint16(info, uint16(s[0]))
			info = binary.BigEndian.AppendUint32(info, uint32(s[1]))
			part := data[off+s[0] : off+s[0]+s[1]]
			stream.XORKeyStream(part, part)
			off += s[0] + s[1]
		}
		b = le.AppendUint32(b, uint32(len(data)))
		b = le.AppendUint32(b, uint32(len(info)))
		b = append(b, info...)
		b = append(b, data...)
	}
	return b
}

// draw makes frame n: a sky, hills, a sun that crosses it, and the number of the frame as a row of lamps.
func draw(n int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	sunX, sunY := 20+n*12, 70-(n*(frames-1-n))/4
	for y := range height {
		for x := range width {
			c := color.RGBA{uint8(60 + y/2), uint8(110 + y/2), uint8(220 - y/4), 255}
			if dx, dy := x-sunX, y-sunY; dx*dx+dy*dy < 18*18 {
				c = color.RGBA{255, 220, 80, 255}
			}
			if hill := 120 + (x*x/97+x*3)%41/2; y > hill {
				c = color.RGBA{uint8(30 + (y-hill)/2), uint8(120 - (y-hill)/2), 50, 255}
			}
			if y >= height-14 && y < height-6 && x >= 8 && x < 8+8*12 {
				if bit := 7 - (x-8)/12; (x-8)%12 < 8 {
					c = color.RGBA{40, 40, 40, 255}
					if n>>bit&1 != 0 {
						c = color.RGBA{250, 250, 250, 255}
					}
				}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}
