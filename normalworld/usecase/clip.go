package usecase

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"

	"gatehouse/normalworld/driver"
	"gatehouse/smc/optee"
)

//go:generate go run ./internal/mkclip -o clip.bin

//go:embed clip.bin
var bundled []byte

// ContentKey is the key of the bundled clip. A real one would come from a licence server to the trusted application alone; this one is
// for demonstrations and no secret.
var ContentKey = [16]byte([]byte("bundled clip key"))

// ErrClip is wrapped by errors about clips.
var ErrClip = errors.New("clip")

// Limits of clips.
const (
	maxFrames = 1 << 16
	maxSample = 1 << 20
	clipMagic = "GHCLIP1\n"
	clipHead  = 8 + 2 + 2 + 4 + 4 + 4
	ivSize    = 8
)

// Sample is one encrypted frame.
type Sample struct {
	// Info is what its decryption needs beside the key, as Common Encryption's auxiliary information has it.
	Info []byte
	Data []byte
	// Protection is Info, parsed.
	Protection optee.SampleInfo
}

// Clip is a video whose frames are encrypted one by one: scheme 'cenc' of Common Encryption (ISO/IEC 23001-7), AES-128 in counter
// mode.
//
// The file is little-endian: "GHCLIP1\n", 16-bit width and height, a 32-bit codec (1 JPEG, 2 VP8), the 32-bit number of frames and the
// 32-bit time of a frame in ns; then for each frame its 32-bit size, the 32-bit size of its auxiliary information, this, and the
// encrypted data.
type Clip struct {
	Codec         driver.Codec
	Width, Height uint32
	// Period is the time of a frame in ns.
	Period  uint32
	Samples []Sample
}

// BundledClip is the clip that comes with the program.
func BundledClip() *Clip {
	c, err := ParseClip(bundled)
	if err != nil {
		panic("BUG: the bundled clip: " + err.Error())
	}
	return c
}

// ParseClip reads a clip's file. The samples are parts of b.
func ParseClip(b []byte) (*Clip, error) {
	le := binary.LittleEndian
	bad := func(format string, args ...any) (*Clip, error) {
		return nil, fmt.Errorf("%w: %s", ErrClip, fmt.Sprintf(format, args...))
	}
	if len(b) < clipHead || string(b[:8]) != clipMagic {
		return bad("does not begin with %q", clipMagic)
	}
	c := &Clip{Width: uint32(le.Uint16(b[8:])), Height: uint32(le.Uint16(b[10:])), Codec: driver.Codec(le.Uint32(b[12:])), Period: le.Uint32(b[20:])}
	n := le.Uint32(b[16:])
	switch {
	case c.Width == 0 || c.Height == 0 || c.Width > 4096 || c.Height > 2304:
		return bad("pictures of %dx%d: want up to 4096x2304", c.Width, c.Height)
	case c.Codec != driver.JPEG && c.Codec != driver.VP8:
		return bad("codec %d: want 1 or 2", uint32(c.Codec))
	case n == 0 || n > maxFrames:
		return bad("%d frames: want 1 to %d", n, maxFrames)
	case c.Period == 0:
		return bad("frames that take no time")
	}
	b = b[clipHead:]
	for i := range n {
		if len(b) < 8 {
			return bad("ends at frame %d of %d", i, n)
		}
		size, info := le.Uint32(b), le.Uint32(b[4:])
		b = b[8:]
		if size == 0 || size > maxSample || info > maxSample || uint64(len(b)) < uint64(size)+uint64(info) {
			return bad("frame %d: %d bytes and %d of information, of %d that are left", i, size, info, len(b))
		}
		s := Sample{Info: b[:info], Data: b[info : info+size]}
		var err error
		if s.Protection, err = optee.ParseSampleInfo(s.Info, ivSize); err != nil {
			return bad("frame %d: %v", i, err)
		}
		if len(s.Protection.Subsamples) > 0 && s.Protection.Size() != uint64(size) {
			return bad("frame %d: its subsamples have %d bytes, it has %d", i, s.Protection.Size(), size)
		}
		c.Samples = append(c.Samples, s)
		b = b[info+size:]
	}
	if len(b) != 0 {
		return bad("%d bytes behind the last frame", len(b))
	}
	return c, nil
}

// LargestSample is the size of the largest sample in bytes.
func (c *Clip) LargestSample() (n int) {
	for i := range c.Samples {
		n = max(n, len(c.Samples[i].Data))
	}
	return n
}
