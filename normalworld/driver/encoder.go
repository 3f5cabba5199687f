package driver

import (
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// The picture encoder (package devices/encoder).
const (
	encoderBase = 0x0b16_0000
	encoderSPI  = 136
	encoderID   = 0x4745_4e43 // "GENC"

	veQuality = 0x080
	veSource  = 0x100
	veStream  = 0x180
)

// EncodeJob encodes one picture as JPEG.
type EncodeJob struct {
	Source  Picture
	Stream  Buffer
	Quality uint32 // 1 to 100
}

// Encoder drives the picture encoder.
type Encoder struct{ *Engine }

// NewEncoder finds the encoder.
func NewEncoder(core *dmabuf.Core, pages *mem.Allocator) (*Encoder, error) {
	e, err := probe(core, pages, dmabuf.Device{Name: "encoder", NSAID: 11, DMAMask: 1<<48 - 1}, encoderBase, encoderSPI, encoderID)
	return &Encoder{e}, err
}

// Submit queues a job.
func (e *Encoder) Submit(ej *EncodeJob) (*Job, error) {
	j := &Job{}
	j.set(veQuality, ej.Quality)
	err := e.picture(j, veSource, ej.Source)
	if err == nil {
		err = e.buffer(j, veStream, ej.Stream)
	}
	return e.start(j, err)
}

// Length is the size of the bitstream that an encoder's job has written, in bytes.
func (j *Job) Length() uint32 { return j.results[0] }

// Run does a job, waits for it, and gives the size of the bitstream.
func (e *Encoder) Run(ej *EncodeJob) (uint32, error) {
	j, err := e.Submit(ej)
	if err != nil {
		return 0, err
	}
	if err := j.wait(); err != nil {
		return 0, err
	}
	return j.Length(), nil
}
