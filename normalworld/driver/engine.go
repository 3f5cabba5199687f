package driver

import (
	"encoding/binary"
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// Registers of all engines (package devices/engine, "Registers").
const (
	regID        = 0x000
	regControl   = 0x008
	regStatus    = 0x00c
	regIntRaw    = 0x010
	regIntMask   = 0x014
	regFaultAddr = 0x020 // two words
	regFaultInfo = 0x028
	regRead      = 0x030
	regWritten   = 0x034
	regElapsed   = 0x03c
	regResults   = 0x040

	controlStart = 1 << 0
	controlAbort = 1 << 1
	controlReset = 1 << 2

	intDone    = 1 << 0
	intError   = 1 << 1
	intAborted = 1 << 2

	resultOK = 1
)

// Registers of a buffer, and the flag of a list's last entry (package devices/engine, "Buffers").
const (
	bufAddr   = 0x00 // two words
	bufKind   = 0x08
	bufOffset = 0x0c
	bufStride = 0x10
	bufLength = 0x14

	kindMemory    = 0
	kindList      = 2
	kindProtected = 1 << 8

	entrySize = 16
	entryLast = 1 << 31
)

// Result is how a job ended, as the engine says.
type Result uint8

// The results (package devices/engine, "Results"; ResultKey is the crypto engine's).
const (
	ResultFault       Result = 2
	ResultParameter   Result = 3
	ResultList        Result = 4
	ResultOverlap     Result = 5
	ResultShort       Result = 6
	ResultCorrupt     Result = 7
	ResultUnsupported Result = 8
	ResultMismatch    Result = 9
	ResultAborted     Result = 10
	ResultKey         Result = 11
	ResultIdentity    Result = 12
)

var resultNames = [...]string{
	ResultFault: "an access was refused", ResultParameter: "a parameter is wrong", ResultList: "a list is malformed",
	ResultOverlap: "output overlaps", ResultShort: "a buffer is too short", ResultCorrupt: "the bitstream is corrupt",
	ResultUnsupported: "the bitstream has an unsupported feature", ResultMismatch: "the picture has another size",
	ResultAborted: "aborted", ResultKey: "the key slot does not allow it",
	ResultIdentity: "protected input would come out unprotected",
}

func (r Result) String() string {
	if int(r) < len(resultNames) && resultNames[r] != "" {
		return resultNames[r]
	}
	return fmt.Sprintf("result %d", uint8(r))
}

// JobError is a job that did not end well.
type JobError struct {
	Engine string
	Result Result
	// Addr, Write and Buffer say which access failed where Result is ResultFault. Buffers count as the engine's documentation
	// lists them; List says that it was one of the entries of the buffer's list.
	Addr   uint64
	Write  bool
	List   bool
	Buffer int
}

func (e *JobError) Error() string {
	if e.Result != ResultFault {
		return fmt.Sprintf("%s: %v", e.Engine, e.Result)
	}
	dir, list := "read", ""
	if e.Write {
		dir = "write"
	}
	if e.List {
		list = " (list)"
	}
	return fmt.Sprintf("%s: %s at %#x refused, buffer %d%s", e.Engine, dir, e.Addr, e.Buffer, list)
}

// Unwrap gives EIO, what a driver of Linux answers with.
func (e *JobError) Unwrap() error { return normalworld.EIO }

// Stats are counters of an engine.
type Stats struct {
	Jobs, Failed        uint64
	BytesRead           uint64
	BytesWritten        uint64
	Busy                uint64 // ns of virtual time in which a job ran
	Entries             uint64 // of lists
	Queued, LongestLine int    // jobs that wait, now and at most
}

// register is one write of a job's program.
type register struct {
	off uint64
	v   uint32
}

// Job is one piece of work of an engine.
type Job struct {
	program []register
	lists   []uint64 // pages of scatter lists: address, order
	orders  []int
	entries uint64
	results [16]uint32
	elapsed uint64
	fence   *dmabuf.Fence
	err     error
}

// Fence is signalled when the job has ended.
func (j *Job) Fence() *dmabuf.Fence { return j.fence }

// Elapsed is the virtual time in ns that the engine took.
func (j *Job) Elapsed() uint64 { return j.elapsed }

func (j *Job) set(off uint64, v uint32) { j.program = append(j.program, register{off, v}) }

// Engine drives one engine with the common register block.
type Engine struct {
	// Device is the engine as a dma-buf importer.
	Device dmabuf.Device

	k       *normalworld.Kernel
	pages   *mem.Allocator
	base    uint64
	intid   uint32
	line    *dmabuf.Timeline
	current *Job
	queue   []*Job
	stats   Stats
}

// probe finds an engine by its ID register and resets it.
func probe(core *dmabuf.Core, pages *mem.Allocator, dev dmabuf.Device, base uint64, spi, id uint32) (*Engine, error) {
	k := core.Kernel
	got, err := k.Load(base+regID, 4)
	if err != nil {
		return nil, err
	}
	if uint32(got) != id {
		return nil, fmt.Errorf("%s: ID %#x at %#x, want %#x: %w", dev.Name, got, base, id, normalworld.ENODEV)
	}
	e := &Engine{Device: dev, k: k, pages: pages, base: base, intid: spi + 32}
	e.line = core.NewTimeline(dev.Name, "jobs", nil)
	for _, r := range []register{{regControl, controlReset}, {regIntMask, intDone | intError | intAborted}} {
		if err := k.Store(base+r.off, 4, uint64(r.v)); err != nil {
			return nil, err
		}
	}
	return e, k.RequestIRQ(e.intid, e)
}

// Close aborts what runs or waits and gives the interrupt back.
func (e *Engine) Close() error {
	for e.current != nil || len(e.queue) > 0 {
		if err := e.Abort(); err != nil {
			return err
		}
	}
	e.k.FreeIRQ(e.intid)
	return nil
}

// Stats gives the counters.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Queued = len(e.queue)
	return s
}

// Idle reports whether no job runs.
func (e *Engine) Idle() bool { return e.current == nil }

// buffer puts a buffer's registers at off into the job's program. Memory in one piece needs no list.
func (e *Engine) buffer(j *Job, off uint64, b Buffer) error {
	if len(b.Segs) == 0 {
		return normalworld.EINVAL
	}
	addr, kind := b.Segs[0].Addr, uint32(kindMemory)
	if len(b.Segs) > 1 {
		list, err := e.list(j, b.Segs)
		if err != nil {
			return err
		}
		addr, kind = list, kindList
	}
	length := b.Length
	if kind == kindMemory && length == 0 {
		if total := dmabuf.Total(b.Segs); total > uint64(b.Offset) {
			length = uint32(min(total-uint64(b.Offset), 1<<32-1))
		}
	}
	if b.Protected {
		kind |= kindProtected
	}
	j.set(off+bufAddr, uint32(addr))
	j.set(off+bufAddr+4, uint32(addr>>32))
	j.set(off+bufKind, kind)
	j.set(off+bufOffset, b.Offset)
	j.set(off+bufStride, b.Stride)
	j.set(off+bufLength, length)
	return nil
}

// list writes a scatter list to memory of its own, which goes when the job ends.
func (e *Engine) list(j *Job, segs []dmabuf.Segment) (uint64, error) { return e.flagged(j, segs, nil) }

// flagged is list with flags for each entry.
func (e *Engine) flagged(j *Job, segs []dmabuf.Segment, flags []uint32) (uint64, error) {
	p := make([]byte, len(segs)*entrySize)
	for i, s := range segs {
		if s.Len > 1<<32-1 {
			return 0, normalworld.EINVAL
		}
		binary.LittleEndian.PutUint64(p[i*entrySize:], s.Addr)
		binary.LittleEndian.PutUint32(p[i*entrySize+8:], uint32(s.Len))
		if flags != nil {
			binary.LittleEndian.PutUint32(p[i*entrySize+12:], flags[i])
		}
	}
	p[len(p)-1] |= entryLast >> 24
	order := mem.Order(uint64(len(p)))
	if order > mem.MaxOrder {
		return 0, normalworld.E2BIG
	}
	pa, err := e.pages.Alloc(order, mem.Flags{Mask: e.Device.DMAMask})
	if err != nil {
		return 0, err
	}
	j.lists, j.orders = append(j.lists, pa), append(j.orders, order)
	j.entries += uint64(len(segs))
	return pa, e.k.Write(pa, p)
}

// drop frees what a job has beside the caller's buffers.
func (e *Engine) drop(j *Job) {
	for i, pa := range j.lists {
		if err := e.pages.Free(pa, j.orders[i]); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	j.lists, j.orders = nil, nil
}

// submit queues a job, and starts it when nothing else is under way.
func (e *Engine) submit(j *Job) error {
	j.fence = e.line.NewFence()
	e.queue = append(e.queue, j)
	e.stats.LongestLine = max(e.stats.LongestLine, len(e.queue))
	if e.current == nil {
		e.next()
	}
	return nil
}

// next starts the first job that waits. A job whose registers cannot be written fails, and the one behind it is tried.
func (e *Engine) next() {
	for e.current == nil && len(e.queue) > 0 {
		j := e.queue[0]
		e.queue = e.queue[1:]
		e.current = j
		for _, r := range append(j.program, register{regControl, controlStart}) {
			if err := e.k.Store(e.base+r.off, 4, uint64(r.v)); err != nil {
				e.finish(err)
				break
			}
		}
	}
}

// finish ends the current job.
func (e *Engine) finish(err error) {
	j := e.current
	e.current = nil
	e.stats.Jobs++
	e.stats.Entries += j.entries
	e.drop(j)
	j.err = err
	if err != nil {
		e.stats.Failed++
		_ = j.fence.SetError(err) // it is not signalled yet
	}
	if err := j.fence.Signal(); err != nil {
		panic("BUG: " + err.Error())
	}
}

func (e *Engine) load(off uint64) uint32 {
	v, err := e.k.Load(e.base+off, 4)
	if err != nil {
		panic("BUG: a device that was probed has no registers any more: " + err.Error())
	}
	return uint32(v)
}

// Interrupt looks how the job ended, and starts the next one. See normalworld.InterruptHandler.
func (e *Engine) Interrupt(uint32) {
	raw := e.load(regIntRaw)
	if err := e.k.Store(e.base+regIntRaw, 4, uint64(raw)); err != nil || raw&(intDone|intError|intAborted) == 0 || e.current == nil {
		return
	}
	j := e.current
	for i := range j.results {
		j.results[i] = e.load(regResults + 4*uint64(i))
	}
	j.elapsed = uint64(e.load(regElapsed))
	e.stats.Busy += j.elapsed
	e.stats.BytesRead += uint64(e.load(regRead))
	e.stats.BytesWritten += uint64(e.load(regWritten))
	e.finish(e.status())
	e.next()
}

// status is what the registers say about the job that has ended.
func (e *Engine) status() error {
	result := Result(e.load(regStatus) >> 8)
	if result == resultOK {
		return nil
	}
	info := e.load(regFaultInfo)
	return &JobError{
		Engine: e.Device.Name, Result: result,
		Addr:  uint64(e.load(regFaultAddr)) | uint64(e.load(regFaultAddr+4))<<32,
		Write: info&2 != 0, List: info&4 != 0, Buffer: int(info >> 8 & 0xff),
	}
}

// Abort ends the job that runs, with ResultAborted; without one it cancels the first that waits.
func (e *Engine) Abort() error {
	if e.current == nil {
		e.next()
		if e.current == nil {
			return nil
		}
	}
	j := e.current
	if err := e.k.Store(e.base+regControl, 4, controlAbort); err != nil {
		return err
	}
	e.Interrupt(e.intid)
	if e.current == j {
		return fmt.Errorf("%s: the job goes on after ABORT: %w", e.Device.Name, normalworld.EBUSY)
	}
	return nil
}

// wait lets time pass until the job has ended.
func (j *Job) wait() error {
	if err := j.fence.Wait(normalworld.Forever); err != nil {
		return err
	}
	return j.err
}

// Buffer is a run of bytes for a job: mapped memory of a device, and which part of it counts.
type Buffer struct {
	Segs []dmabuf.Segment
	// Offset is where the buffer begins in the segments; Length is its most bytes, 0 for all that follow; Stride is the distance of
	// the rows of a picture, 0 for rows without gaps. All in bytes.
	Offset, Length, Stride uint32
	// Protected has a media engine use the identity that it has for protected memory, which reaches no other. See
	// dmabuf.Buffer.Protected. The crypto engine's identities belong to its key slots, and the display has one only.
	Protected bool
}

// Format is a layout of pixels.
type Format uint32

// The formats of pictures (package devices/engine, "A picture").
const (
	NV12 Format = iota + 1
	I420
	RGB565
	XRGB8888
	ARGB8888
)

func (f Format) String() string {
	if f >= NV12 && f <= ARGB8888 {
		return [...]string{"NV12", "I420", "RGB565", "XRGB8888", "ARGB8888"}[f-NV12]
	}
	return fmt.Sprintf("format %d", uint32(f))
}

// Colour is the matrix and range of NV12 and I420.
type Colour uint32

// The colours.
const (
	BT601 Colour = iota
	BT709
	BT601Full
	BT709Full
)

// Planes gives the size in bytes of each plane of a picture without gaps, in memory one after the other. Chroma of odd sizes is
// rounded up.
func (f Format) Planes(width, height uint32) []uint32 {
	w2, h2 := (width+1)/2, (height+1)/2
	switch f {
	case NV12:
		return []uint32{width * height, 2 * w2 * h2}
	case I420:
		return []uint32{width * height, w2 * h2, w2 * h2}
	case RGB565:
		return []uint32{2 * width * height}
	case XRGB8888, ARGB8888:
		return []uint32{4 * width * height}
	}
	return nil
}

// Size is the bytes of a whole picture without gaps.
func (f Format) Size(width, height uint32) (n uint32) {
	for _, p := range f.Planes(width, height) {
		n += p
	}
	return n
}

// Picture is a picture in memory.
type Picture struct {
	Format        Format
	Colour        Colour
	Width, Height uint32
	Planes        []Buffer
}

// Mapped is the memory of an attachment that is mapped.
func Mapped(a *dmabuf.Attachment) Buffer {
	segs, _, _ := a.Mapped()
	return Buffer{Segs: segs, Protected: a.Buffer().Protected()}
}

// Frame is a picture that lies in a buffer without gaps, plane after plane, from its offset on.
func Frame(f Format, c Colour, width, height uint32, b Buffer) Picture {
	p := Picture{Format: f, Colour: c, Width: width, Height: height}
	b.Stride = 0
	for _, n := range f.Planes(width, height) {
		b.Length = n
		p.Planes = append(p.Planes, b)
		b.Offset += n
	}
	return p
}

// picture puts a picture's registers at off into the job's program.
func (e *Engine) picture(j *Job, off uint64, p Picture) error {
	if len(p.Planes) != len(p.Format.Planes(1, 1)) || p.Width > 0xffff || p.Height > 0xffff {
		return normalworld.EINVAL
	}
	j.set(off, uint32(p.Format)|uint32(p.Colour)<<8)
	j.set(off+4, p.Width|p.Height<<16)
	for i, b := range p.Planes {
		if err := e.buffer(j, off+0x20*uint64(i+1), b); err != nil {
			return err
		}
	}
	return nil
}

// start submits a job that was programmed without an error.
func (e *Engine) start(j *Job, err error) (*Job, error) {
	if err == nil {
		err = e.submit(j)
	}
	if err != nil {
		e.drop(j)
		return nil, err
	}
	return j, nil
}
