package spmc

import (
	"fmt"
	"io"
	"strings"

	"gatehouse/ffa"
)

// Describe writes partitions and memory transactions for a user. Nothing changes by it.
func (s *SPMC) Describe(w io.Writer) {
	if s.version == 0 {
		fmt.Fprintln(w, "FF-A: no version is agreed on yet")
	} else {
		fmt.Fprintf(w, "FF-A: version %v\n", s.version)
	}
	for i := range s.partitions {
		p := &s.partitions[i]
		fmt.Fprintf(w, "partition %v: %d contexts\n", p.ID, len(p.contexts))
		for _, x := range p.Services {
			fmt.Fprintf(w, "  service %v\n", x.UUID)
		}
	}
	none := true
	for i := range s.slots {
		t := &s.slots[i]
		if t.handle == 0 {
			continue
		}
		none = false
		t.describe(w)
	}
	if none {
		fmt.Fprintln(w, "no memory transactions")
	}
}

func (t *transaction) describe(w io.Writer) {
	fmt.Fprintf(w, "handle %#x: %v", uint64(t.handle), t.kind)
	switch {
	case t.object == nil:
		fmt.Fprintf(w, ", %d bytes of its descriptor have arrived\n", len(t.asm.Data))
		return
	case t.paused:
		fmt.Fprintf(w, ", %#x bytes of it are zeroed", t.zeroed)
	}
	fmt.Fprintf(w, ", owner %v %v, tag %#x\n", t.sender, t.ownerState(), t.tag)
	var ranges []string
	for _, r := range t.object.Ranges() {
		ranges = append(ranges, r.String())
	}
	fmt.Fprintf(w, "  %d bytes: %s\n", t.object.Size(), strings.Join(ranges, " "))
	for _, b := range t.borrowers {
		fmt.Fprintf(w, "  borrower %v %v", b.Receiver, b.state)
		switch b.granted & ffa.DataAccessMask {
		case ffa.DataRO:
			fmt.Fprint(w, ", read-only")
		case ffa.DataRW:
			fmt.Fprint(w, ", read and write")
		}
		fmt.Fprintln(w)
	}
}
