package dmabuf

import (
	"fmt"

	"gatehouse/normalworld"
)

// hungTask is how long the package waits for fences of others before it calls that a deadlock, in ns of virtual time: after this
// time Linux reports a hung task (kernel.hung_task_timeout_secs).
const hungTask = 120_000_000_000

// Poller is the driver behind a timeline.
type Poller interface {
	// Poll looks whether the work behind f is done, and signals f if so: what the driver's interrupt handler does.
	Poll(f *Fence)
}

// Timeline is a line of work whose fences are signalled in order: a fence context (dma_fence_context_alloc).
type Timeline struct {
	Driver, Name string
	// Poller is asked while somebody waits; nil where fences are signalled unasked.
	Poller Poller

	core    *Core
	context uint64
	seqno   uint64
}

// NewTimeline makes a timeline for a driver.
func (c *Core) NewTimeline(driver, name string, p Poller) *Timeline {
	c.contexts++
	return &Timeline{Driver: driver, Name: name, Poller: p, core: c, context: c.contexts}
}

// Fence says when work on a buffer will have ended (struct dma_fence).
type Fence struct {
	// Private is the driver's own.
	Private any

	line      *Timeline
	seqno     uint64
	due       uint64 // time at which it signals by itself, or 0
	at        uint64 // time at which it was signalled
	err       error
	signalled bool
	callbacks []FenceCallback
}

// FenceCallback is told when a fence is signalled.
type FenceCallback interface{ FenceSignalled(f *Fence) }

// NewFence makes the timeline's next fence.
func (t *Timeline) NewFence() *Fence {
	t.seqno++
	return &Fence{line: t, seqno: t.seqno}
}

// NewTimedFence makes the timeline's next fence, which is signalled at the given virtual time.
func (t *Timeline) NewTimedFence(at uint64) *Fence {
	f := t.NewFence()
	f.due = max(at, 1)
	return f
}

// Context and Seqno number the fence: fences of one context are signalled in the order of their numbers.
func (f *Fence) Context() uint64 { return f.line.context }

// Seqno is the fence's number on its timeline, from 1 on.
func (f *Fence) Seqno() uint64 { return f.seqno }

// Timeline is where the fence is from.
func (f *Fence) Timeline() *Timeline { return f.line }

func (f *Fence) String() string {
	return fmt.Sprintf("fence %d:%d (%s %s)", f.line.context, f.seqno, f.line.Driver, f.line.Name)
}

// SetError says that the work failed, before the fence is signalled (dma_fence_set_error).
func (f *Fence) SetError(err error) error {
	if f.signalled {
		return fmt.Errorf("%v: %w", f, ErrSignalled)
	}
	f.err = err
	return nil
}

// Signal says that the work has ended (dma_fence_signal), and calls the callbacks in the order in which they were added.
func (f *Fence) Signal() error {
	if f.signalled {
		return fmt.Errorf("%v: %w", f, ErrSignalled)
	}
	f.signalled = true
	f.at = f.line.core.Kernel.Now()
	cbs := f.callbacks
	f.callbacks = nil
	for _, cb := range cbs {
		cb.FenceSignalled(f)
	}
	return nil
}

// Signalled reports whether the work has ended, after a look at the clock and a question to the driver.
func (f *Fence) Signalled() bool {
	if f.signalled {
		return true
	}
	if f.due != 0 && f.line.core.Kernel.Now() >= f.due {
		// It cannot have been signalled before: that was just looked at.
		_ = f.Signal()
	} else if f.line.Poller != nil {
		f.line.Poller.Poll(f)
	}
	return f.signalled
}

// Err is what the work failed with (dma_fence_get_status); nil while it is under way or when it went well.
func (f *Fence) Err() error {
	if !f.signalled {
		return nil
	}
	return f.err
}

// At is the virtual time at which the fence was signalled.
func (f *Fence) At() uint64 { return f.at }

// OnSignal adds a callback (dma_fence_add_callback): ENOENT where the fence is signalled already.
func (f *Fence) OnSignal(cb FenceCallback) error {
	if f.Signalled() {
		return normalworld.ENOENT
	}
	f.callbacks = append(f.callbacks, cb)
	return nil
}

// Wait lets time pass until the fence is signalled: ETIMEDOUT after limit nanoseconds, EDEADLK where nothing that is under way in the
// machine signals it within the time of a hung task. A fence that is signalled with an error is waited for like any other; Err has
// the error.
func (f *Fence) Wait(limit uint64) error {
	k := f.line.core.Kernel
	start := k.Now()
	for !f.Signalled() {
		passed := k.Now() - start
		switch {
		case passed >= limit:
			return normalworld.ETIMEDOUT
		case passed >= hungTask:
			return fmt.Errorf("%v is never signalled: %w", f, normalworld.EDEADLK)
		}
		step := min(limit, hungTask) - passed
		if f.due != 0 {
			step = min(step, f.due-k.Now())
		}
		k.Sleep(step)
	}
	return nil
}

// Usage says what a fence in a reservation is about. The numbers are those of enum dma_resv_usage; asking for one includes all
// smaller ones.
type Usage uint8

// The usages.
const (
	// KernelUsage is the kernel's own work: clearing or moving the memory. Nobody may use the memory before.
	KernelUsage Usage = iota
	// WriteUsage is implicit synchronisation of a writer.
	WriteUsage
	// ReadUsage is implicit synchronisation of a reader.
	ReadUsage
	// BookkeepUsage is work without implicit synchronisation, which the memory must outlive.
	BookkeepUsage
)

func (u Usage) String() string {
	if int(u) < len(usageNames) {
		return usageNames[u]
	}
	return fmt.Sprintf("Usage(%d)", uint8(u))
}

var usageNames = [...]string{"kernel", "write", "read", "bookkeep"}

// UsageRW is what an access has to wait for (dma_resv_usage_rw): a writer for readers and writers, a reader for writers.
func UsageRW(write bool) Usage {
	if write {
		return ReadUsage
	}
	return WriteUsage
}

// Reservation is the set of fences of a buffer (struct dma_resv).
type Reservation struct {
	core   *Core
	fences []resvFence
}

type resvFence struct {
	f     *Fence
	usage Usage
}

// NewReservation makes a reservation that several buffers share.
func (c *Core) NewReservation() *Reservation { return &Reservation{core: c} }

// Reservation holds the buffer's fences.
func (b *Buffer) Reservation() *Reservation { return b.resv }

// Add puts a fence into the reservation (dma_resv_add_fence). It takes the place of one that is signalled, or of an older one of
// the same context with the same usage or one that includes it.
func (r *Reservation) Add(f *Fence, u Usage) error {
	if u > BookkeepUsage {
		return ErrUsage
	}
	for i := range r.fences {
		old := &r.fences[i]
		if old.f.signalled || old.f.line == f.line && old.usage >= u && old.f.seqno <= f.seqno {
			*old = resvFence{f, u}
			return nil
		}
	}
	r.fences = append(r.fences, resvFence{f, u})
	return nil
}

// pending reports whether there may be fences of usage u that are not signalled, without asking anybody.
func (r *Reservation) pending(u Usage) bool {
	for i := range r.fences {
		if r.fences[i].usage <= u && !r.fences[i].f.signalled {
			return true
		}
	}
	return false
}

// Test reports whether all fences of usage u, and of those that it includes, are signalled (dma_resv_test_signaled).
func (r *Reservation) Test(u Usage) bool {
	for i := 0; i < len(r.fences); i++ {
		if e := r.fences[i]; e.usage <= u && !e.f.Signalled() {
			return false
		}
	}
	return true
}

// Wait waits for all fences of usage u, and of those that it includes (dma_resv_wait_timeout), with the errors of Fence.Wait.
func (r *Reservation) Wait(u Usage, limit uint64) error {
	if len(r.fences) == 0 {
		return nil
	}
	start := r.core.Kernel.Now()
	for i := 0; i < len(r.fences); i++ {
		e := r.fences[i]
		if e.usage > u {
			continue
		}
		passed := r.core.Kernel.Now() - start
		if err := e.f.Wait(limit - min(limit, passed)); err != nil {
			return err
		}
	}
	return nil
}

// Fences gives the fences of usage u, and of those that it includes, that are not signalled.
func (r *Reservation) Fences(u Usage) []*Fence {
	var out []*Fence
	for i := 0; i < len(r.fences); i++ {
		if e := r.fences[i]; e.usage <= u && !e.f.Signalled() {
			out = append(out, e.f)
		}
	}
	return out
}

// Events of Poll (include/uapi/asm-generic/poll.h).
const (
	PollIn  = 1
	PollOut = 4
	PollErr = 8
)

// Poll tells which of the asked events are there ("Implicit Fence Poll Support"): PollIn when a reader, PollOut when a writer has
// nothing to wait for.
func (b *Buffer) Poll(events uint32) uint32 {
	if b.released {
		return PollErr
	}
	var ready uint32
	if events&PollIn != 0 && b.resv.Test(WriteUsage) {
		ready |= PollIn
	}
	if events&PollOut != 0 && b.resv.Test(ReadUsage) {
		ready |= PollOut
	}
	return ready
}
