package media

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/mem"
)

// Work is what a device does with a pair of buffers. It is given their memory, and submits one job.
type Work interface {
	// Start submits the job that makes capture of output. The fence is the job's.
	Start(output, capture *VBuffer) (*dmabuf.Fence, error)
	// Used says, after the job, how many bytes of the CAPTURE buffer count.
	Used() uint32
}

// Video is a memory-to-memory device (struct v4l2_m2m_ctx): one buffer of each queue makes a job.
type Video struct {
	Name            string
	Output, Capture *Queue

	work    Work
	core    *dmabuf.Core
	out     *VBuffer // of the job that runs
	cap     *VBuffer
	fence   *dmabuf.Fence
	aborted bool
}

// NewVideo makes a device of a master that does work.
func NewVideo(name string, core *dmabuf.Core, pages *mem.Allocator, dev dmabuf.Device, w Work) *Video {
	v := &Video{Name: name, core: core, work: w}
	v.Output = &Queue{Name: name, Direction: dmabuf.ToDevice, Dev: dev, core: core, pages: pages, kick: v.run}
	v.Capture = &Queue{Name: name, Direction: dmabuf.FromDevice, Dev: dev, core: core, pages: pages, kick: v.run}
	return v
}

// StreamOn lets jobs run: one starts as soon as each queue has a buffer.
func (v *Video) StreamOn() error {
	if v.Output.Buffers() == 0 || v.Capture.Buffers() == 0 {
		return ErrMemory
	}
	v.Output.streaming, v.Capture.streaming = true, true
	v.run()
	return nil
}

// StreamOff ends that. The job that runs is waited for, as its memory cannot be taken from under it; buffers are user space's again.
func (v *Video) StreamOff() error {
	v.aborted = true
	defer func() { v.aborted = false }()
	for v.fence != nil {
		if err := v.fence.Wait(normalworld.Forever); err != nil {
			return err
		}
	}
	if err := v.Output.stop(); err != nil {
		return err
	}
	return v.Capture.stop()
}

// Close frees everything.
func (v *Video) Close() error {
	if err := v.StreamOff(); err != nil {
		return err
	}
	for _, q := range []*Queue{v.Output, v.Capture} {
		if _, err := q.Request(0, DMABUF); err != nil {
			return err
		}
	}
	return nil
}

// run starts jobs while there is work.
func (v *Video) run() {
	for v.fence == nil && !v.aborted && v.Output.streaming && len(v.Output.line) > 0 && len(v.Capture.line) > 0 {
		v.out, v.cap = v.Output.line[0], v.Capture.line[0]
		v.Output.line, v.Capture.line = v.Output.line[1:], v.Capture.line[1:]
		v.out.State, v.cap.State = Active, Active
		if err := v.start(); err != nil {
			v.finish(err)
		}
	}
}

func (v *Video) start() error {
	// A buffer may still be written, or read, by somebody else.
	for _, w := range []struct {
		b     *VBuffer
		write bool
	}{{v.out, false}, {v.cap, true}} {
		if w.b.buf != nil && !w.b.buf.Released() {
			if err := w.b.buf.Reservation().Wait(dmabuf.UsageRW(w.write), normalworld.Forever); err != nil {
				return err
			}
		}
	}
	fence, err := v.work.Start(v.out, v.cap)
	if err != nil {
		return err
	}
	v.fence = fence
	for _, w := range []struct {
		b     *VBuffer
		usage dmabuf.Usage
	}{{v.out, dmabuf.ReadUsage}, {v.cap, dmabuf.WriteUsage}} {
		if w.b.buf != nil && !w.b.buf.Released() {
			if err := w.b.buf.Reservation().Add(fence, w.usage); err != nil {
				return fmt.Errorf("%s: %w", v.Name, err)
			}
		}
	}
	if fence.OnSignal(v) != nil { // it is done already
		v.FenceSignalled(fence)
	}
	return nil
}

// FenceSignalled hands the buffers of a job on and starts the next one. See dmabuf.FenceCallback.
func (v *Video) FenceSignalled(f *dmabuf.Fence) {
	if v.fence != f {
		return
	}
	v.fence = nil
	v.finish(f.Err())
	v.run()
}

func (v *Video) finish(err error) {
	if v.cap.Cookie = v.out.Cookie; err == nil {
		v.cap.BytesUsed = v.work.Used()
	} else {
		v.cap.BytesUsed = 0
	}
	v.Output.complete(v.out, err)
	v.Capture.complete(v.cap, err)
	v.out, v.cap = nil, nil
}

// Segments is where the buffer's memory is for the device, while it is queued or active.
func (b *VBuffer) Segments() []dmabuf.Segment { return b.segs }

// Memory is the buffer's memory as a job uses it.
func (b *VBuffer) Memory() driver.Buffer {
	return driver.Buffer{Segs: b.segs, Protected: b.buf != nil && b.buf.Protected()}
}

// filled is Memory as far as it counts.
func (b *VBuffer) filled() driver.Buffer {
	m := b.Memory()
	m.Length = b.BytesUsed
	return m
}

// DMABuf is the imported dma-buf, or nil.
func (b *VBuffer) DMABuf() *dmabuf.Buffer { return b.buf }

// DecodeWork decodes bitstreams to pictures of one size.
type DecodeWork struct {
	Decoder *driver.Decoder
	Codec   driver.Codec
	// The picture that comes out.
	Format        driver.Format
	Colour        driver.Colour
	Width, Height uint32
	// Meta is normal memory for the record about each frame, which the processor may read; nil for none.
	Meta *driver.Buffer
}

// Start is documented at Work.
func (w *DecodeWork) Start(out, cap *VBuffer) (*dmabuf.Fence, error) {
	dest := driver.Frame(w.Format, w.Colour, w.Width, w.Height, cap.Memory())
	j, err := w.Decoder.Submit(&driver.DecodeJob{
		Codec: w.Codec, Stream: out.filled(), Dest: &dest, Meta: w.Meta})
	if err != nil {
		return nil, err
	}
	return j.Fence(), nil
}

// Used is the size of a picture.
func (w *DecodeWork) Used() uint32 { return w.Format.Size(w.Width, w.Height) }

// ConvertWork scales and converts pictures.
type ConvertWork struct {
	Transform         *driver.Transform
	In, Out           driver.Format
	InColour          driver.Colour
	OutColour         driver.Colour
	InWidth, InHeight uint32
	Width, Height     uint32
	Bilinear          bool
	Rotate            uint32
}

// Start is documented at Work.
func (w *ConvertWork) Start(out, cap *VBuffer) (*dmabuf.Fence, error) {
	source := driver.Frame(w.In, w.InColour, w.InWidth, w.InHeight, out.Memory())
	j, err := w.Transform.Submit(&driver.TransformJob{
		Source: &source, Dest: driver.Frame(w.Out, w.OutColour, w.Width, w.Height, cap.Memory()), Bilinear: w.Bilinear, Rotate: w.Rotate})
	if err != nil {
		return nil, err
	}
	return j.Fence(), nil
}

// Used is the size of a picture.
func (w *ConvertWork) Used() uint32 { return w.Out.Size(w.Width, w.Height) }

// EncodeWork encodes pictures as JPEG.
type EncodeWork struct {
	Encoder       *driver.Encoder
	Format        driver.Format
	Colour        driver.Colour
	Width, Height uint32
	Quality       uint32

	job *driver.Job
}

// Start is documented at Work.
func (w *EncodeWork) Start(out, cap *VBuffer) (*dmabuf.Fence, error) {
	j, err := w.Encoder.Submit(&driver.EncodeJob{
		Source: driver.Frame(w.Format, w.Colour, w.Width, w.Height, out.Memory()), Stream: cap.Memory(), Quality: w.Quality})
	if err != nil {
		return nil, err
	}
	w.job = j
	return j.Fence(), nil
}

// Used is the length of the bitstream.
func (w *EncodeWork) Used() uint32 { return w.job.Length() }

// CipherWork encrypts or decrypts whole buffers; each buffer's cookie picks its initial counter block.
type CipherWork struct {
	Crypto *driver.Crypto
	Slot   uint32
	// IV gives the initial counter block for a buffer.
	IV func(cookie uint64) [16]byte

	used uint32
}

// Start is documented at Work.
func (w *CipherWork) Start(out, cap *VBuffer) (*dmabuf.Fence, error) {
	w.used = out.BytesUsed
	dest := cap.Memory()
	dest.Length = out.BytesUsed
	j, err := w.Crypto.Submit(&driver.CryptoJob{
		Counter64: true, Decrypt: true, Slot: w.Slot, Length: out.BytesUsed, IV: w.IV(out.Cookie),
		Source: out.filled(), Dest: dest})
	if err != nil {
		return nil, err
	}
	return j.Fence(), nil
}

// Used is as much as went in.
func (w *CipherWork) Used() uint32 { return w.used }
