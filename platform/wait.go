package platform

import "gatehouse/platform/vtime"

// Wait is WFI for a normal world written in Go, whose processors execute no instructions: it moves time to the next timer, or by
// limit nanoseconds where that is earlier, and runs the timers that are due. It reports whether a timer was due.
func (m *Machine) Wait(limit uint64) bool {
	now := m.clock.Now()
	end := now + limit
	if end < now {
		end = vtime.Never - 1
	}
	next := m.clock.Next()
	m.clock.Advance(min(max(next, now), end))
	m.clock.Expire()
	return next <= end
}

// Elapse moves time by ns nanoseconds, the time that something done in Go is said to take. What timers start on the way happens
// at its own time.
func (m *Machine) Elapse(ns uint64) {
	end := m.clock.Now() + ns
	for m.clock.Now() < end {
		m.Wait(end - m.clock.Now())
	}
}

// Tick runs the timers that are due now, for callers that have started something without a duration.
func (m *Machine) Tick() { m.clock.Expire() }
