package secureworld

import (
	"fmt"
	"io"

	"gatehouse/secureworld/memory"
)

// Describe writes the state of the secure world for a user: partitions, memory transactions, OP-TEE's sessions, and who owns the normal world's
// memory. Nothing changes by it.
func (w *World) Describe(out io.Writer) {
	if w.space == nil {
		fmt.Fprintln(out, "the secure world has not been reset yet")
		return
	}
	if w.spmc != nil {
		w.spmc.Describe(out)
	} else {
		fmt.Fprintln(out, "FF-A: not served")
	}
	if w.service != nil {
		w.service.Describe(out)
	}
	if w.optee != nil {
		w.optee.Describe(out)
	}
	fmt.Fprintln(out, "memory of the normal world:")
	w.space.Walk(func(r memory.Range, p memory.Page) {
		fmt.Fprintf(out, "  %v %v", r, p.State)
		if p.Registrations > 0 {
			fmt.Fprintf(out, ", registered %d times", p.Registrations)
		}
		fmt.Fprintln(out)
	})
}
