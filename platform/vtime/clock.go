package vtime

import "math"

// Never is the deadline of a timer that is not set.
const Never = math.MaxUint64

// Expirer is what a timer calls when its deadline has passed.
type Expirer interface {
	Expire(t *Timer, now uint64)
}

// Clock is virtual time. The zero value stands at 0 with no timers. It is used from one goroutine.
type Clock struct {
	end    uint64 // time at which the running slice ends
	left   int64  // instructions that the running slice has left; now = end - left
	timers []*Timer
}

// Timer is one deadline of one device.
type Timer struct {
	clock    *Clock
	deadline uint64
	who      Expirer
	name     string
}

// NewTimer makes a timer, not set. Timers are made when the machine is wired, in a fixed order: among timers with the same
// deadline the one made first expires first.
func (c *Clock) NewTimer(name string, who Expirer) *Timer {
	t := &Timer{clock: c, deadline: Never, who: who, name: name}
	c.timers = append(c.timers, t)
	return t
}

// Now is the time in nanoseconds since reset.
func (c *Clock) Now() uint64 { return c.end - uint64(c.left) }

// Next is the earliest deadline, or Never.
func (c *Clock) Next() uint64 {
	next := uint64(Never)
	for _, t := range c.timers {
		next = min(next, t.deadline)
	}
	return next
}

// Begin starts a slice of at most n instructions that ends no later than the next deadline, and gives its length. It is 0
// when a timer is due.
func (c *Clock) Begin(n int64) int64 {
	now := c.Now()
	if next := c.Next(); next <= now {
		n = 0
	} else if d := next - now; d < uint64(n) {
		n = int64(d)
	}
	c.end, c.left = now+uint64(n), n
	return n
}

// Sync is called by the CPU that runs the slice, with the number of instructions that are left of it, before anything that can
// look at the time.
func (c *Clock) Sync(left int64) { c.left = left }

// Left is how many instructions the slice still has. A timer that was set meanwhile may have made it shorter.
func (c *Clock) Left() int64 { return c.left }

// Yield ends the slice now.
func (c *Clock) Yield() { c.end, c.left = c.Now(), 0 }

// Advance moves an idle machine's time forward to t. Going back is refused.
func (c *Clock) Advance(t uint64) {
	if t > c.Now() {
		c.end, c.left = t, 0
	}
}

// Expire runs the timers that are due, earliest first.
func (c *Clock) Expire() {
	now := c.Now()
	for {
		var due *Timer
		for _, t := range c.timers {
			if t.deadline <= now && (due == nil || t.deadline < due.deadline) {
				due = t
			}
		}
		if due == nil {
			return
		}
		due.deadline = Never
		due.who.Expire(due, now)
	}
}

// Reset sets the time to 0 and stops all timers.
func (c *Clock) Reset() {
	c.end, c.left = 0, 0
	for _, t := range c.timers {
		t.deadline = Never
	}
}

// Name is the name that the timer was made with.
func (t *Timer) Name() string { return t.name }

// Deadline is the time at which the timer expires, or Never.
func (t *Timer) Deadline() uint64 { return t.deadline }

// Set makes the timer expire at the given time, at the end of the current instruction at the earliest.
func (t *Timer) Set(deadline uint64) {
	t.deadline = deadline
	c := t.clock
	if deadline < c.end {
		now := c.Now()
		c.end = max(deadline, now)
		c.left = int64(c.end - now)
	}
}

// Stop unsets the timer.
func (t *Timer) Stop() { t.deadline = Never }
