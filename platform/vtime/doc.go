// Package vtime is the machine's virtual time.
//
// Time is counted in nanoseconds since reset. A CPU that executes one instruction moves it by one; while no CPU has anything to
// do it jumps to the next timer. It never moves by itself, so that two runs of the same machine see the same times. Devices
// take a [Timer] each for the things they finish later; the board's run loop hands the processor a slice of time that
// ends before the next timer, and runs the timers that are due between slices.
//
// Read clock.go.
package vtime
