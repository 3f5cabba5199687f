package tee

import (
	"fmt"
	"io"
)

// Describe writes sessions, calls and registered memory for a user. Nothing changes by it.
func (s *Service) Describe(w io.Writer) {
	calls := 0
	for i := range s.threads {
		if s.threads[i].phase != phaseIdle {
			calls++
		}
	}
	fmt.Fprintf(w, "OP-TEE: %d of %d threads have a call\n", calls, len(s.threads))
	for i := range s.sessions {
		x := &s.sessions[i]
		if x.state != sessionOpen {
			continue
		}
		fmt.Fprintf(w, "session %d: application %v", i+1, s.tas[x.app].UUID())
		if x.busy {
			fmt.Fprint(w, ", busy")
		}
		fmt.Fprintln(w)
	}
}

// Describe does the same for the transport: what is registered over OP-TEE's SMC ABI.
func (x *SMC) Describe(w io.Writer) {
	for i := range x.buffers {
		b := &x.buffers[i]
		if b.object == nil {
			continue
		}
		what := "buffer"
		if b.use != nil {
			what = "pool"
		}
		fmt.Fprintf(w, "%s %#x over the SMC ABI: %d bytes in", what, b.cookie, b.size)
		for _, r := range b.object.Ranges() {
			fmt.Fprintf(w, " %v", r)
		}
		fmt.Fprintln(w)
	}
}
