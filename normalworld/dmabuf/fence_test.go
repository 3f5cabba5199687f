package dmabuf

import (
	"errors"
	"slices"
	"testing"

	"gatehouse/normalworld"
)

// A usage includes the ones before it (Documentation/driver-api/dma-buf.rst, "Reservation Objects").
func TestUsages(t *testing.T) {
	c := newCore(t)
	for _, have := range []Usage{KernelUsage, WriteUsage, ReadUsage, BookkeepUsage} {
		b, _ := export(t, c, Segment{ram, page})
		f := c.NewTimeline("gpu", "ring", nil).NewFence()
		ok(t, b.Reservation().Add(f, have))
		for _, ask := range []Usage{KernelUsage, WriteUsage, ReadUsage, BookkeepUsage} {
			if got, wait := b.Reservation().Test(ask), have <= ask; got == wait {
				t.Errorf("a %v fence: Test(%v) is %v", have, ask, got)
			}
			if got := len(b.Reservation().Fences(ask)) == 1; got != (have <= ask) {
				t.Errorf("a %v fence: in Fences(%v) %v", have, ask, got)
			}
		}
		// A reader waits for writers, a writer for both; nobody waits implicitly for bookkeeping.
		in, out := have > WriteUsage, have > ReadUsage
		got := b.Poll(PollIn | PollOut)
		if got&PollIn != 0 != in || got&PollOut != 0 != out {
			t.Errorf("a %v fence: poll %#x, want in %v, out %v", have, got, in, out)
		}
		if b.Poll(PollIn)&PollOut != 0 || b.Poll(PollErr) != 0 {
			t.Error("poll answers what it was not asked")
		}
		for dir, waits := range map[Direction]bool{FromDevice: have <= WriteUsage, ToDevice: have <= ReadUsage, Bidirectional: have <= ReadUsage} {
			err := b.BeginCPUAccess(dir)
			if waits {
				want(t, "begin", err, normalworld.EDEADLK)
			} else {
				ok(t, err)
				ok(t, b.EndCPUAccess(dir))
			}
		}
		a := attach(t, b, Device{})
		_, err := a.Map(ToDevice)
		if have == KernelUsage {
			want(t, "map", err, normalworld.EDEADLK)
		} else {
			ok(t, err)
			ok(t, a.Unmap(ToDevice))
		}
		ok(t, a.Detach())
		want(t, "put", b.Put(), ErrPutFence)
		ok(t, f.Signal())
		if b.Poll(PollIn|PollOut) != PollIn|PollOut {
			t.Error("signalled, and poll still waits")
		}
		ok(t, b.Put())
		if b.Poll(PollIn) != PollErr {
			t.Error("poll of a released buffer")
		}
	}
	if UsageRW(true) != ReadUsage || UsageRW(false) != WriteUsage {
		t.Error("UsageRW")
	}
}

func TestWait(t *testing.T) {
	c := newCore(t)
	line := c.NewTimeline("decoder", "frames", nil)
	k := c.Kernel

	start := k.Now()
	f := line.NewTimedFence(start + 5000)
	want(t, "too short", f.Wait(1000), normalworld.ETIMEDOUT)
	if k.Now() != start+1000 {
		t.Errorf("timed out after %d ns, want 1000", k.Now()-start)
	}
	ok(t, f.Wait(normalworld.Forever))
	if k.Now() != start+5000 || f.At() != start+5000 {
		t.Errorf("waited until %d, signalled at %d, want %d", k.Now(), f.At(), start+5000)
	}
	ok(t, f.Wait(0))

	f = line.NewFence()
	want(t, "no time", f.Wait(0), normalworld.ETIMEDOUT)
	start = k.Now()
	want(t, "nobody signals", f.Wait(normalworld.Forever), normalworld.EDEADLK)
	if k.Now() != start+hungTask {
		t.Errorf("a deadlock after %d ns, want %d", k.Now()-start, uint64(hungTask))
	}

	// An error is no reason to wait, nor an error of the wait.
	want(t, "set", f.SetError(normalworld.EIO), nil)
	if f.Err() != nil {
		t.Error("an error before the end")
	}
	ok(t, f.Signal())
	ok(t, f.Wait(0))
	want(t, "status", f.Err(), normalworld.EIO)
	want(t, "second signal", f.Signal(), ErrSignalled)
	want(t, "late error", f.SetError(normalworld.EIO), ErrSignalled)

	// The two fences of a reservation are waited for within one limit.
	b, _ := export(t, c, Segment{ram, page})
	start = k.Now()
	ok(t, b.Reservation().Add(line.NewTimedFence(start+300), ReadUsage))
	ok(t, b.Reservation().Add(c.NewTimeline("x", "y", nil).NewTimedFence(start+700), ReadUsage))
	want(t, "within 500 ns", b.Reservation().Wait(ReadUsage, 500), normalworld.ETIMEDOUT)
	if k.Now() != start+500 {
		t.Errorf("timed out after %d ns", k.Now()-start)
	}
	ok(t, b.BeginCPUAccess(ToDevice))
	if k.Now() != start+700 {
		t.Errorf("access began after %d ns, want 700", k.Now()-start)
	}
	ok(t, b.EndCPUAccess(ToDevice))
	ok(t, b.Put())
}

// driver signals its fence when it is asked for the n-th time: an interrupt that somebody waits for.
type driver struct{ polls, n int }

func (d *driver) Poll(f *Fence) {
	if d.polls++; d.polls == d.n {
		_ = f.SetError(normalworld.EIO)
		_ = f.Signal()
	}
}

type record struct{ got []uint64 }

func (r *record) FenceSignalled(f *Fence) { r.got = append(r.got, f.Seqno()) }

func TestDriver(t *testing.T) {
	c := newCore(t)
	d := &driver{n: 2}
	line := c.NewTimeline("gpu", "ring", d)
	f := line.NewFence()
	r := new(record)
	ok(t, f.OnSignal(r)) // asks once
	ok(t, f.Wait(normalworld.Forever))
	if d.polls != 2 || !slices.Equal(r.got, []uint64{1}) || !errors.Is(f.Err(), normalworld.EIO) {
		t.Errorf("%d polls, callbacks %v, error %v", d.polls, r.got, f.Err())
	}
	want(t, "callback of a signalled fence", f.OnSignal(r), normalworld.ENOENT)
	if g := line.NewFence(); g.Seqno() != 2 || g.Context() != f.Context() || c.NewTimeline("gpu", "ring", nil).NewFence().Context() == f.Context() {
		t.Error("numbers of fences")
	}
}

// A later fence of a context takes the place of an earlier one with the same usage or one that includes it, not of another.
func TestReplace(t *testing.T) {
	c := newCore(t)
	for _, v := range []struct {
		old, new Usage
		left     int
	}{{WriteUsage, WriteUsage, 1}, {ReadUsage, WriteUsage, 1}, {WriteUsage, ReadUsage, 2}, {BookkeepUsage, KernelUsage, 1}, {KernelUsage, BookkeepUsage, 2}} {
		r := c.NewReservation()
		line := c.NewTimeline("d", "t", nil)
		ok(t, r.Add(line.NewFence(), v.old))
		second := line.NewFence()
		ok(t, r.Add(second, v.new))
		if got := r.Fences(BookkeepUsage); len(got) != v.left || got[len(got)-1] != second {
			t.Errorf("%v, then %v: %d fences, want %d", v.old, v.new, len(got), v.left)
		}
	}
	r := c.NewReservation()
	line := c.NewTimeline("d", "t", nil)
	first, second := line.NewFence(), line.NewFence()
	ok(t, r.Add(second, ReadUsage))
	ok(t, r.Add(first, ReadUsage)) // not later
	if got := len(r.Fences(BookkeepUsage)); got != 2 {
		t.Errorf("%d fences, want 2", got)
	}
	ok(t, second.Signal())
	ok(t, first.Signal())
	ok(t, r.Add(c.NewTimeline("e", "t", nil).NewFence(), ReadUsage))
	if len(r.fences) != 2 {
		t.Errorf("%d entries, want one signalled fence replaced", len(r.fences))
	}
}

// Buffers that share a reservation share its fences; it outlives them.
func TestSharedReservation(t *testing.T) {
	c := newCore(t)
	r := c.NewReservation()
	var bufs []*Buffer
	for range 2 {
		b, err := c.Export(ExportInfo{Exporter: &exporter{}, Size: page, Reservation: r})
		ok(t, err)
		bufs = append(bufs, b)
	}
	f := c.NewTimeline("d", "t", nil).NewFence()
	ok(t, bufs[0].Reservation().Add(f, WriteUsage))
	if bufs[1].Poll(PollIn) != 0 {
		t.Error("the other buffer does not wait")
	}
	ok(t, bufs[0].Put())
	ok(t, f.Signal())
	if bufs[1].Poll(PollIn) == 0 {
		t.Error("the other buffer still waits")
	}
}

// selfish puts the last reference from within the question of another put.
type selfish struct {
	b   *Buffer
	err error
}

func (s *selfish) Poll(f *Fence) {
	s.err = s.b.Put()
	_ = f.Signal()
}

func TestPutInPoll(t *testing.T) {
	c := newCore(t)
	b, e := export(t, c, Segment{ram, page})
	s := &selfish{b: b}
	ok(t, b.Reservation().Add(c.NewTimeline("d", "t", s).NewFence(), WriteUsage))
	ok(t, b.Put())
	want(t, "put within put", s.err, ErrInCallback)
	if e.calls["release"] != 1 {
		t.Errorf("released %d times", e.calls["release"])
	}
}
