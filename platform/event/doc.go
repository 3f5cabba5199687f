// Package event is the one stream of what happens in a machine: calls, transactions, denials, interrupts, DMA jobs.
//
// Parts of the machine call [Stream.Emit] where [Stream.On] says that somebody listens to the category; sinks turn events into
// text or anything else. An event carries the virtual time and named fields, never formatted text alone, so that counters and
// traces can be derived from the same stream. Read event.go.
package event
