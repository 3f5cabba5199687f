package driver

import (
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// The video decoder (package devices/decoder).
const (
	decoderBase = 0x0b12_0000
	decoderSPI  = 131
	decoderID   = 0x4744_4543 // "GDEC"

	vdCodec  = 0x080
	vdMode   = 0x084
	vdStream = 0x100
	vdMeta   = 0x120
	vdDest   = 0x180

	vdModeProbe = 1 << 0
	vdModeMeta  = 1 << 1
)

// Codec is the format of a bitstream.
type Codec uint32

// The codecs.
const (
	JPEG Codec = iota + 1
	VP8
)

func (c Codec) String() string {
	switch c {
	case JPEG:
		return "JPEG"
	case VP8:
		return "VP8"
	}
	return "?"
}

// DecodeJob decodes one frame.
type DecodeJob struct {
	Codec  Codec
	Stream Buffer
	// Dest is where the picture goes; nil looks at the headers only.
	Dest *Picture
	// Meta is where the record of 64 bytes about the frame goes, normal memory for the CPU; nil for none.
	Meta *Buffer
}

// FrameInfo is what the headers of a frame say.
type FrameInfo struct {
	Width, Height uint32
	// Sampling is 0x420 and so on, 0x400 for a picture without colour.
	Sampling uint32
	// Used and Headers are bytes of the bitstream: up to its end, and of headers.
	Used, Headers uint32
}

// Decoder drives the video decoder.
type Decoder struct{ *Engine }

// NewDecoder finds the decoder.
func NewDecoder(core *dmabuf.Core, pages *mem.Allocator) (*Decoder, error) {
	e, err := probe(core, pages, dmabuf.Device{Name: "decoder", NSAID: 4, DMAMask: 1<<48 - 1}, decoderBase, decoderSPI, decoderID)
	return &Decoder{e}, err
}

// Submit queues a job.
func (d *Decoder) Submit(dj *DecodeJob) (*Job, error) {
	j := &Job{}
	return d.start(j, d.program(j, dj))
}

func (d *Decoder) program(j *Job, dj *DecodeJob) error {
	var mode uint32
	if err := d.buffer(j, vdStream, dj.Stream); err != nil {
		return err
	}
	if dj.Meta != nil {
		mode |= vdModeMeta
		if err := d.buffer(j, vdMeta, *dj.Meta); err != nil {
			return err
		}
	}
	if dj.Dest == nil {
		mode |= vdModeProbe
	} else if err := d.picture(j, vdDest, *dj.Dest); err != nil {
		return err
	}
	j.set(vdCodec, uint32(dj.Codec))
	j.set(vdMode, mode)
	return nil
}

// Info gives what a decoder's job that has ended well found in the headers.
func (j *Job) Info() FrameInfo {
	return FrameInfo{Width: j.results[0] & 0xffff, Height: j.results[0] >> 16, Sampling: j.results[1], Used: j.results[2], Headers: j.results[3]}
}

// Run does a job and waits for it.
func (d *Decoder) Run(dj *DecodeJob) (FrameInfo, error) {
	j, err := d.Submit(dj)
	if err != nil {
		return FrameInfo{}, err
	}
	if err := j.wait(); err != nil {
		return FrameInfo{}, err
	}
	return j.Info(), nil
}
