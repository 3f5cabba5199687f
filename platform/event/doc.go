// Package event is the one stream of what happens in a machine: calls, transactions, denials, interrupts, DMA jobs.
//
// Parts of the machine call [Stream.Emit] where [Stream.On] says that somebody listens to the category; sinks turn events into
// text ([Text]), JSON lines ([JSON]) or anything else (package perfetto). An event carries the virtual time and named fields, never
// formatted text alone, so that counters and traces can be derived from the same stream. What lasts has two ends: a call is opened
// with [Stream.Open] and emitted when it returns; a job is emitted when it begins and when it ends. Read event.go.
package event
