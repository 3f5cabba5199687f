package media

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// Memory says whose buffers a queue has (enum v4l2_memory).
type Memory uint8

// The kinds.
const (
	MMAP   Memory = 1 // the device's own
	DMABUF Memory = 4 // imported
)

// MaxFrame is the most buffers of a queue (VIDEO_MAX_FRAME).
const MaxFrame = 32

// State is where a buffer of a queue is (enum vb2_buffer_state).
type State uint8

// The states.
const (
	Dequeued State = iota // with user space
	Queued                // waits for the device
	Active                // the device works on it
	Done                  // waits for user space
	Failed                // likewise, and what is in it does not count
)

func (s State) String() string {
	return [...]string{"dequeued", "queued", "active", "done", "failed"}[s]
}

// VBuffer is one buffer of a queue.
type VBuffer struct {
	Index int
	State State
	// BytesUsed is how much of it counts; for a CAPTURE buffer the device says so.
	BytesUsed uint32
	// Cookie goes from an OUTPUT buffer to the CAPTURE buffer that is made of it (the timestamp).
	Cookie uint64
	// Err is why it has failed.
	Err error

	buf    *dmabuf.Buffer     // imported; or exported, while user space has it
	att    *dmabuf.Attachment // nil for the device's own memory
	mapped bool
	segs   []dmabuf.Segment
	own    []dmabuf.Segment // of MMAP
}

// Queue is one of a device's two queues (struct vb2_queue).
type Queue struct {
	Name string
	// Direction is what the device does with the buffers: ToDevice or FromDevice.
	Direction dmabuf.Direction
	// Dev is who uses them.
	Dev dmabuf.Device
	// Size is the bytes that a buffer must have; it can change while there are no buffers.
	Size uint64

	core      *dmabuf.Core
	pages     *mem.Allocator
	memory    Memory
	bufs      []*VBuffer
	line      []*VBuffer // queued, the oldest first
	done      []*VBuffer
	streaming bool
	kick      func() // tells the device that something was queued
}

// Rules of queues. Nothing has changed after such an error.
var (
	ErrBusy      = fmt.Errorf("the queue's buffers are in use: %w", normalworld.EBUSY)
	ErrMemory    = fmt.Errorf("the queue has buffers of the other kind, or none: %w", normalworld.EINVAL)
	ErrIndex     = fmt.Errorf("there is no buffer of that index: %w", normalworld.EINVAL)
	ErrState     = fmt.Errorf("the buffer is not with user space: %w", normalworld.EINVAL)
	ErrSmall     = fmt.Errorf("the buffer is too small: %w", normalworld.EINVAL)
	ErrStreaming = fmt.Errorf("the queue is not streaming: %w", normalworld.EINVAL)
	ErrNone      = fmt.Errorf("no buffer is done: %w", normalworld.EAGAIN)
)

// Request makes n buffers in the place of those that there were (VIDIOC_REQBUFS); 0 frees them. ErrBusy while the queue streams, or
// a buffer that was exported is still used by somebody.
func (q *Queue) Request(n int, m Memory) (int, error) {
	switch {
	case m != MMAP && m != DMABUF:
		return 0, normalworld.EINVAL
	case q.streaming:
		return 0, ErrBusy
	}
	for _, b := range q.bufs {
		if b.own != nil && b.buf != nil && !b.buf.Released() {
			return 0, ErrBusy
		}
	}
	for _, b := range q.bufs {
		if err := q.free(b); err != nil {
			return 0, err
		}
	}
	q.bufs, q.line, q.done, q.memory = nil, nil, nil, m
	for i := range min(n, MaxFrame) {
		b := &VBuffer{Index: i}
		if m == MMAP {
			size := (q.Size + mem.PageSize - 1) &^ (mem.PageSize - 1)
			pa, err := q.pages.AllocContig(size, mem.Flags{Mask: q.Dev.DMAMask, Zero: true})
			if err != nil {
				if i == 0 {
					return 0, err
				}
				break // fewer than were asked for, as in Linux
			}
			b.own = []dmabuf.Segment{{Addr: pa, Len: size}}
			b.segs = b.own
		}
		q.bufs = append(q.bufs, b)
	}
	return len(q.bufs), nil
}

// free gives up what a buffer has.
func (q *Queue) free(b *VBuffer) error {
	if b.own != nil {
		q.freeOwn(b.own)
		b.own = nil
		return nil
	}
	return q.letGo(b)
}

func (q *Queue) freeOwn(segs []dmabuf.Segment) {
	if err := q.pages.FreeContig(segs[0].Addr, segs[0].Len); err != nil {
		panic("BUG: media: " + err.Error())
	}
}

// letGo ends the use of an imported buffer.
func (q *Queue) letGo(b *VBuffer) error {
	if b.buf == nil {
		return nil
	}
	if err := q.unmap(b); err != nil {
		return err
	}
	if b.att != nil {
		if err := b.att.Detach(); err != nil {
			return err
		}
	}
	err := b.buf.Put()
	b.buf, b.att, b.segs = nil, nil, nil
	return err
}

func (q *Queue) unmap(b *VBuffer) error {
	if !b.mapped {
		return nil
	}
	b.mapped = false
	return b.att.Unmap(q.Direction)
}

// Buffers is how many buffers the queue has.
func (q *Queue) Buffers() int { return len(q.bufs) }

// Buffer gives one of them.
func (q *Queue) Buffer(i int) (*VBuffer, error) {
	if i < 0 || i >= len(q.bufs) {
		return nil, ErrIndex
	}
	return q.bufs[i], nil
}

// Export gives one of the device's own buffers as a dma-buf (VIDIOC_EXPBUF), with a reference of the caller's. The device goes on to use
// the memory without attaching to it.
func (q *Queue) Export(i int) (*dmabuf.Buffer, error) {
	b, err := q.Buffer(i)
	switch {
	case err != nil:
		return nil, err
	case b.own == nil:
		return nil, ErrMemory
	}
	if b.buf != nil && !b.buf.Released() {
		return b.buf, b.buf.Get()
	}
	b.buf, err = q.core.Export(dmabuf.ExportInfo{Name: q.Name, Exporter: q, Size: b.own[0].Len, Flags: dmabuf.ORdWr, Private: b})
	return b.buf, err
}

// Queue puts a buffer in the line (VIDIOC_QBUF). from is the dma-buf for a queue of DMABUF, else nil; used the bytes that count in it, for an
// OUTPUT buffer.
func (q *Queue) Queue(i int, from *dmabuf.Buffer, used uint32, cookie uint64) error {
	b, err := q.Buffer(i)
	switch {
	case err != nil:
		return err
	case b.State != Dequeued:
		return ErrState
	case (from != nil) != (q.memory == DMABUF):
		return ErrMemory
	case from != nil && from.Size() < q.Size:
		return ErrSmall
	}
	if from != nil {
		if err := q.prepare(b, from); err != nil {
			return err
		}
	}
	if used == 0 {
		used = uint32(min(dmabuf.Total(b.segs), 1<<32-1))
	}
	b.State, b.BytesUsed, b.Cookie, b.Err = Queued, used, cookie, nil
	q.line = append(q.line, b)
	if q.streaming {
		q.kick()
	}
	return nil
}

// prepare attaches and maps an imported buffer (__prepare_dmabuf). The one that had this index before goes, if it is another one.
func (q *Queue) prepare(b *VBuffer, from *dmabuf.Buffer) error {
	if b.buf != from {
		if err := q.letGo(b); err != nil {
			return err
		}
		if err := from.Get(); err != nil {
			return err
		}
		b.buf = from
		if other, ok := from.Exporter().(*Queue); ok && other.Dev.Name == q.Dev.Name {
			// The device's own buffer comes back: there is nobody to attach to.
			b.segs = from.Private.(*VBuffer).own
			return nil
		}
		att, err := from.Attach(q.Dev)
		if err != nil {
			b.buf = nil
			if perr := from.Put(); perr != nil {
				return fmt.Errorf("%w; %w", err, perr)
			}
			return err
		}
		b.att = att
	}
	if b.att == nil {
		return nil
	}
	segs, err := b.att.Map(q.Direction)
	if err != nil {
		return err
	}
	b.segs, b.mapped = segs, true
	return nil
}

// Dequeue takes the buffer that was done first (VIDIOC_DQBUF): ErrNone where none is. An imported buffer is unmapped: the device has no
// business with it any more.
func (q *Queue) Dequeue() (*VBuffer, error) {
	if len(q.done) == 0 {
		if !q.streaming {
			return nil, ErrStreaming
		}
		return nil, ErrNone
	}
	b := q.done[0]
	if err := q.unmap(b); err != nil {
		return nil, err
	}
	q.done = q.done[1:]
	b.State = Dequeued
	return b, nil
}

// Peek is the buffer that Dequeue would take: it is mapped still.
func (q *Queue) Peek() (*VBuffer, error) {
	if len(q.done) == 0 {
		return nil, ErrNone
	}
	return q.done[0], nil
}

// Ready reports whether a buffer can be dequeued (poll).
func (q *Queue) Ready() bool { return len(q.done) > 0 }

// complete hands a buffer on to user space.
func (q *Queue) complete(b *VBuffer, err error) {
	b.State, b.Err = Done, err
	if err != nil {
		b.State = Failed
	}
	q.done = append(q.done, b)
}

// stop ends streaming: all buffers are user space's again, and none is mapped (VIDIOC_STREAMOFF).
func (q *Queue) stop() error {
	q.streaming = false
	q.line, q.done = nil, nil
	for _, b := range q.bufs {
		b.State = Dequeued
		if err := q.unmap(b); err != nil {
			return err
		}
	}
	return nil
}

// Attach lets a device at one of the queue's own buffers. See dmabuf.Exporter.
func (q *Queue) Attach(*dmabuf.Attachment) error { return nil }

// Detach has nothing to undo.
func (q *Queue) Detach(*dmabuf.Attachment) {}

// Map gives the memory as the importer reaches it.
func (q *Queue) Map(a *dmabuf.Attachment, _ dmabuf.Direction) ([]dmabuf.Segment, error) {
	return a.MapSG(a.Buffer().Private.(*VBuffer).own)
}

// Unmap undoes Map.
func (q *Queue) Unmap(a *dmabuf.Attachment, _ []dmabuf.Segment, dir dmabuf.Direction) {
	// What was bounced goes back; memory within reach cannot fail.
	_ = a.UnmapSG(dir)
}

// Release has nothing to free: the memory is the queue's as long as it has its buffers, and Request waits for this.
func (q *Queue) Release(*dmabuf.Buffer) {}

// MMap permits mappings of processes. See dmabuf.MMapper.
func (q *Queue) MMap(*dmabuf.Buffer, uint64, uint64) error { return nil }

// Fault gives the page at an offset.
func (q *Queue) Fault(b *dmabuf.Buffer, offset uint64) (uint64, error) {
	return b.Private.(*VBuffer).own[0].Addr + offset, nil
}
