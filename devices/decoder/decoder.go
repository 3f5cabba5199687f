package decoder

import (
	"encoding/binary"

	"gatehouse/devices/engine"
	"gatehouse/devices/internal/pixel"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// ID is the value of the ID register: "GDEC".
const ID = 0x4744_4543

// Offsets of the parameters.
const (
	Codec  = 0x080
	Mode   = 0x084
	Stream = 0x100
	Meta   = 0x120
	D      = 0x180
)

// Codec.
const (
	JPEG = 1
	VP8  = 2
)

// Mode.
const (
	Probe     = 1 << 0
	WriteMeta = 1 << 1
)

// Offsets of the results.
const (
	Size     = 0x040
	Sampling = 0x044
	Used     = 0x048
	Headers  = 0x04C
)

// The record.
const (
	MetaBytes = 64
	MetaMagic = 0x5445_4D47 // "GMET"
)

// Timing.
const (
	// HeaderTime is the time, in ns, in which the headers are looked at.
	HeaderTime = 2000
	// PixelTime is the time, in ns, that the engine takes for each pixel of D.
	PixelTime = 2
)

const outputs = 1<<pixel.NV12 | 1<<pixel.I420 | 1<<pixel.RGB565 | 1<<pixel.XRGB8888

// Decoder is one engine. Its registers are a bus.Device.
type Decoder struct{ *engine.Engine }

// New makes an engine in its reset state. Its transactions go through ports.
func New(ports engine.Ports, clock *vtime.Clock, events *event.Stream) *Decoder {
	return &Decoder{engine.New("decoder", ID, model{}, ports, clock, events)}
}

type model struct{}

// Plan is part of engine.Model.
func (model) Plan(j *engine.Job) engine.Result {
	codec, mode := j.Get(Codec), j.Get(Mode)
	if codec != JPEG && codec != VP8 || mode&^(Probe|WriteMeta) != 0 {
		return engine.Parameter
	}
	s, r := j.Stream(Stream, engine.MaxStream)
	if r != engine.OK {
		return r
	}
	j.Buffers, j.Inputs, j.Cost = append(j.Buffers, s), 1, HeaderTime
	if mode&Probe == 0 {
		d, r := j.AddPicture(D, outputs)
		if r != engine.OK {
			return r
		}
		j.Cost += PixelTime * uint64(d.W*d.H)
		j.Work = d
	}
	if mode&WriteMeta != 0 {
		m, r := j.Stream(Meta, MetaBytes)
		if r != engine.OK {
			return r
		}
		m.Public = true
		j.Buffers = append(j.Buffers, m)
	}
	return engine.OK
}

// Run is part of engine.Model.
func (model) Run(j *engine.Job) engine.Result {
	codec, mode, data := j.Get(Codec), j.Get(Mode), j.Buffers[0].Data
	meta := &j.Buffers[len(j.Buffers)-1]
	if mode&WriteMeta != 0 && meta.Size() < MetaBytes {
		return engine.Short
	}
	h, r := parse(codec, data)
	if r != engine.OK {
		return r
	}
	if mode&Probe == 0 {
		d := j.Work.(engine.Picture)
		if d.W != h.w || d.H != h.h {
			return engine.Mismatch
		}
		if r := decode(codec, data, d, func() [][]byte { return j.Make(d) }); r != engine.OK {
			return r
		}
	}
	words := [16]uint32{MetaMagic, codec, uint32(h.w) | uint32(h.h)<<16, h.sampling, uint32(h.used), uint32(h.headers), h.quantiser, h.extra, h.scans}
	if j.Buffers[0].Protected {
		// What a header says may be any bytes of protected memory, to those who put the bitstream together.
		clear(words[3:])
		if mode&Probe != 0 {
			words[2] = 0
		}
	}
	copy(j.Results[:], words[2:6])
	if mode&WriteMeta != 0 {
		for _, w := range words {
			meta.Data = binary.LittleEndian.AppendUint32(meta.Data, w)
		}
	}
	return engine.OK
}
