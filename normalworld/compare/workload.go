package compare

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/usecase"
)

// Kind is a kind of workload.
type Kind string

// The kinds.
const (
	// Buffers is a player that allocates protected buffers for each frame when the frame is due, and frees them some frames later: in its
	// first frame the decoder writes a buffer, then the display reads it, and then it is kept, as a reference picture is.
	Buffers Kind = "buffers"
	// Playback is the use case secure-video-playback: all buffers are allocated first, and then the bundled clip is decrypted, decoded,
	// converted and shown as fast as the masters go.
	Playback Kind = "playback"
)

// Kinds are all of them.
var Kinds = []Kind{Buffers, Playback}

// Workload is what every cell does.
type Workload struct {
	Kind   Kind `json:"workload"`
	Frames int  `json:"frames"`
	// Sizes are the sizes of a frame's buffers, in bytes: the n-th buffer has size n, and behind the last they begin again.
	Sizes []uint64 `json:"sizes,omitempty"`
	// Count is how many buffers a frame has.
	Count int `json:"buffers_per_frame,omitempty"`
	// Lifetime is how many frames a buffer lives.
	Lifetime int `json:"lifetime_frames,omitempty"`
	// InFlight is how many of these frames a master has the buffer mapped; for Playback, the buffers between two stages.
	InFlight int `json:"in_flight"`
	// Period is the time between two frames, in ns.
	Period uint64 `json:"period_ns,omitempty"`
	// Movable is which part of the contiguous area other pages of the kernel use when the workload begins, in percent: they have to be
	// moved out of the way.
	Movable int `json:"movable_percent"`
}

// DefaultWorkload is 1080p video in NV12 at 60 frames a second.
func DefaultWorkload() Workload {
	return Workload{Kind: Buffers, Frames: 120, Sizes: []uint64{1920 * 1080 * 3 / 2}, Count: 1, Lifetime: 4, InFlight: 2, Period: 16_666_667}
}

// ErrWorkload is wrapped by errors about a Workload. The text after it begins with the name of the field in the command line.
var ErrWorkload = errors.New("workload")

// Bounds of a workload.
const (
	maxFrames   = 100_000
	maxSize     = 256 << 20 // what a pool can have (tee.MaxSHMPages)
	maxHeld     = 1 << 30   // bytes at one time
	maxPeriod   = uint64(10 * time.Second)
	maxBuffers  = 64
	maxLifetime = 256
	maxInFlight = 16
)

// OptionError is what is wrong with one option.
type OptionError struct {
	Option string // its name in the command line
	Why    string
}

func (e *OptionError) Error() string { return "-" + e.Option + " " + e.Why }

// Unwrap gives ErrWorkload.
func (e *OptionError) Unwrap() error { return ErrWorkload }

// Check says what is wrong with a workload.
func (w *Workload) Check() error {
	bad := func(option, format string, args ...any) error {
		return &OptionError{option, fmt.Sprintf(format, args...)}
	}
	if !slices.Contains(Kinds, w.Kind) {
		return bad("workload", "%s: want one of %v", w.Kind, Kinds)
	}
	if w.Frames < 1 || w.Frames > maxFrames {
		return bad("frames", "%d: want 1 to %d", w.Frames, maxFrames)
	}
	if w.Movable < 0 || w.Movable > 90 {
		return bad("movable", "%d: want 0 to 90 percent", w.Movable)
	}
	if w.Kind == Playback {
		// The display has one picture on the screen, and takes another before it gives that back.
		if w.InFlight < 2 || w.InFlight > maxInFlight {
			return bad("inflight", "%d: want 2 to %d buffers between two stages", w.InFlight, maxInFlight)
		}
		return nil
	}
	if len(w.Sizes) == 0 || len(w.Sizes) > maxBuffers {
		return bad("size", "%d sizes: want 1 to %d", len(w.Sizes), maxBuffers)
	}
	for _, s := range w.Sizes {
		if s < 1 || s > maxSize {
			return bad("size", "%d: want 1 to %d bytes", s, maxSize)
		}
	}
	switch {
	case w.Count < 1 || w.Count > maxBuffers:
		return bad("buffers", "%d: want 1 to %d", w.Count, maxBuffers)
	case w.Lifetime < 1 || w.Lifetime > maxLifetime:
		return bad("lifetime", "%d: want 1 to %d frames", w.Lifetime, maxLifetime)
	case w.InFlight < 1 || w.InFlight > w.Lifetime:
		return bad("inflight", "%d: want 1 to -lifetime, %d", w.InFlight, w.Lifetime)
	case w.Period < 1 || w.Period > maxPeriod:
		return bad("period", "%v: want 1ns to %v", time.Duration(w.Period), time.Duration(maxPeriod))
	case w.held() > maxHeld:
		return bad("lifetime", "%d frames of %d bytes are held at one time: want up to %d bytes", w.Lifetime, w.held()/uint64(w.Lifetime), maxHeld)
	}
	return nil
}

func (w *Workload) size(i int) uint64 { return w.Sizes[i%len(w.Sizes)] }

// held is how many bytes of protected memory there are at one time, in whole pages.
func (w *Workload) held() (n uint64) {
	if w.Kind == Playback {
		return 16 << 20
	}
	for i := range w.Count {
		n += (w.size(i) + pageSize - 1) &^ (pageSize - 1)
	}
	return n * uint64(w.Lifetime)
}

// Failures are frames that came to nothing, by reason.
type Failures struct {
	Regions int `json:"regions_exhausted"` // the secure world found no room in the controller
	Memory  int `json:"out_of_memory"`     // the kernel, or the carve-out, had no room
	Other   int `json:"other"`
}

// Sum is all of them.
func (f Failures) Sum() int { return f.Regions + f.Memory + f.Other }

// outcome is what a workload came to.
type outcome struct {
	shown   int // frames that came through in time or late
	late    int // of these, not ready when the next one was due
	dropped int // not begun, because the player was a whole frame behind
	fails   Failures
	first   error    // the first failure
	maps    []uint64 // ns of each mapping
	busy    []uint64 // ns of each frame that the player was at work, or between two pictures on the screen
}

// fail counts a frame that was given up.
func (o *outcome) fail(err error, noRegion bool) {
	switch {
	case noRegion:
		o.fails.Regions++
	case errors.Is(err, normalworld.ENOMEM):
		o.fails.Memory++
	default:
		o.fails.Other++
	}
	if o.first == nil {
		o.first = err
	}
}

// player runs the workload Buffers.
type player struct {
	*lab.Lab
	w    Workload
	rec  *recorder
	heap *heap.Heap
	sets []*set // of the frames whose buffers live, oldest first
	out  outcome
}

// set is the buffers of a frame.
type set struct {
	frame int
	bufs  []*part
}

// part is one buffer, and who has it mapped.
type part struct {
	*dmabuf.Buffer
	att *dmabuf.Attachment
	dir dmabuf.Direction
}

// buffers plays. A frame that cannot have its buffers is dropped, and what it has got goes back; a frame that would begin a whole period
// late is not begun. An error is something that should not happen.
func buffers(l *lab.Lab, w Workload, rec *recorder) (*outcome, error) {
	h, err := l.Heap(heap.SecureVideoPlay)
	if err != nil {
		return nil, err
	}
	p := &player{Lab: l, w: w, rec: rec, heap: h}
	start := l.Kernel.Now()
	for f := range w.Frames {
		due := start + uint64(f)*w.Period
		for now := l.Kernel.Now(); now < due; now = l.Kernel.Now() {
			l.Kernel.Sleep(due - now)
		}
		if err := p.frame(f, due); err != nil {
			return &p.out, errors.Join(err, p.end(w.Frames+w.Lifetime))
		}
	}
	return &p.out, p.end(w.Frames + w.Lifetime)
}

func (p *player) frame(f int, due uint64) error {
	began := p.Kernel.Now()
	late := began >= due+p.w.Period
	if err := p.age(f); err != nil {
		return err
	}
	if err := p.end(f); err != nil {
		return err
	}
	if late {
		p.out.dropped++
	} else {
		refused := p.rec.NoRegion
		s := &set{frame: f}
		p.sets = append(p.sets, s)
		if err := p.begin(s); err != nil {
			p.out.fail(err, p.rec.NoRegion > refused)
			p.sets = p.sets[:len(p.sets)-1]
			if err := s.drop(); err != nil {
				return err
			}
		} else {
			p.out.shown++
			if p.Kernel.Now() >= due+p.w.Period {
				p.out.late++
			}
		}
	}
	p.out.busy = append(p.out.busy, p.Kernel.Now()-began)
	return nil
}

// begin allocates the buffers of a frame, and hands them to the decoder.
func (p *player) begin(s *set) error {
	for i := range p.w.Count {
		b, err := p.heap.Buffer(p.w.size(i), dmabuf.ORdWr)
		if err != nil {
			return err
		}
		x := &part{Buffer: b}
		s.bufs = append(s.bufs, x)
		if err := p.mapTo(x, p.Decoder.Device, dmabuf.FromDevice); err != nil {
			return err
		}
	}
	return nil
}

// mapTo maps a buffer for a master, and takes the time.
func (p *player) mapTo(x *part, dev dmabuf.Device, dir dmabuf.Direction) error {
	began := p.Kernel.Now()
	a, err := x.Attach(dev)
	if err != nil {
		return err
	}
	if _, err := a.Map(dir); err != nil {
		return errors.Join(err, a.Detach())
	}
	x.att, x.dir = a, dir
	p.out.maps = append(p.out.maps, p.Kernel.Now()-began)
	return nil
}

// unmap ends what mapTo began.
func (x *part) unmap() error {
	a := x.att
	if a == nil {
		return nil
	}
	x.att = nil
	return errors.Join(a.Unmap(x.dir), a.Detach())
}

// age hands buffers on: after their first frame from the decoder to the display, and from there to nobody.
func (p *player) age(f int) error {
	for i := 0; i < len(p.sets); i++ {
		s := p.sets[i]
		age := f - s.frame
		if age != 1 && age < p.w.InFlight {
			continue
		}
		for _, x := range s.bufs {
			if age >= p.w.InFlight {
				if err := x.unmap(); err != nil {
					return err
				}
				continue
			}
			if err := x.unmap(); err != nil {
				return err
			}
			refused := p.rec.NoRegion
			if err := p.mapTo(x, p.Display.Device, dmabuf.ToDevice); err != nil {
				// The picture cannot be shown: its frame has failed after all.
				p.out.shown--
				p.out.fail(err, p.rec.NoRegion > refused)
				p.sets = slices.Delete(p.sets, i, i+1)
				i--
				if err := s.drop(); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// end frees the buffers that have lived their time at frame f.
func (p *player) end(f int) error {
	for len(p.sets) > 0 && f-p.sets[0].frame >= p.w.Lifetime {
		s := p.sets[0]
		p.sets = p.sets[1:]
		if err := s.drop(); err != nil {
			return err
		}
	}
	return nil
}

// drop frees the buffers of a frame.
func (s *set) drop() error {
	var errs []error
	for _, x := range s.bufs {
		errs = append(errs, x.unmap(), x.Put())
	}
	s.bufs = nil
	return errors.Join(errs...)
}

// playback runs the use case. A refusal ends it, as it would end a player whose pipeline cannot be set up.
func playback(l *lab.Lab, w Workload, rec *recorder) (*outcome, error) {
	out := &outcome{}
	last := uint64(0)
	refused := rec.NoRegion
	r, err := usecase.Run(l, usecase.Options{UseCase: usecase.Playback, Frames: w.Frames, InFlight: w.InFlight,
		Progress: func(done, _ int) {
			now := l.Kernel.Now()
			if done > 1 {
				out.busy = append(out.busy, now-last)
			}
			out.shown, last = done, now
		}})
	switch {
	case errors.Is(err, usecase.ErrOption):
		return nil, err
	case err != nil:
		out.fail(err, rec.NoRegion > refused)
	case !r.OK():
		for _, n := range r.Notes {
			if !n.OK {
				out.fail(fmt.Errorf("%s: %s", n.What, n.Why), false)
			}
		}
	}
	return out, nil
}

// crowd fills a part of the contiguous area with pages that move. Pages from elsewhere, which the allocator gives first while the area
// holds less than half of what is free, go back at once.
func crowd(l *lab.Lab, percent int) (pages []*mem.Page, err error) {
	area := l.Pages.DefaultArea()
	if area == nil || percent == 0 {
		return nil, nil
	}
	total := area.Range().Size / pageSize
	var others []*mem.Page
	for area.FreePages() > total*uint64(100-percent)/100 {
		p, err := l.Pages.AllocMovable(0, mem.Flags{})
		if err != nil {
			break // everything else is in use: the area is as crowded as can be
		}
		if area.Range().Contains(p.PA(), pageSize) {
			pages = append(pages, p)
		} else {
			others = append(others, p)
		}
	}
	for _, p := range others {
		err = errors.Join(err, p.Free())
	}
	return pages, err
}
