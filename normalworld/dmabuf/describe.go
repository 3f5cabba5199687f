package dmabuf

import "fmt"

// Stats counts what happened in a core.
type Stats struct {
	// What there is now.
	Buffers, Attachments, Mapped, MMaps, VMaps int
	// Bytes is the size of all buffers now, PeakBytes the most that it has been.
	Bytes, PeakBytes uint64
	// What was done since the start.
	Exports, Releases, Maps, Unmaps, CPUAccesses uint64
	// Faults are pages that processes touched first.
	Faults uint64
	// Unbracketed are accesses of the processor outside of BeginCPUAccess and EndCPUAccess, which caches may spoil.
	Unbracketed uint64
	// Denied are accesses of the processor that the bus refused.
	Denied uint64
	// BouncedBytes were copied because a device cannot reach a buffer.
	BouncedBytes uint64
}

// Stats gives the counters.
func (c *Core) Stats() Stats { return c.stats }

// Buffers gives the buffers that are not released, oldest first.
func (c *Core) Buffers() []*Buffer {
	var out []*Buffer
	for b := c.first; b != nil; b = b.next {
		out = append(out, b)
	}
	return out
}

// Describe lists the buffers with their fences and devices, as /sys/kernel/debug/dma_buf/bufinfo does.
func (c *Core) Describe() string {
	out := []byte("\nDma-buf Objects:\n")
	out = fmt.Appendf(out, "%-8s\t%-8s\t%-8s\t%-8s\texp_name\t%-8s\tname\n", "size", "flags", "mode", "count", "ino")
	n, size := 0, uint64(0)
	for b := c.first; b != nil; b = b.next {
		name := b.name
		if name == "" {
			name = "<none>"
		}
		out = fmt.Appendf(out, "%08d\t%08x\t%08x\t%08d\t%s\t%08d\t%s\n", b.size, b.flags, b.mode(), b.refs, b.expName, b.serial, name)
		for _, e := range b.resv.fences {
			state := "unsignalled"
			if e.f.signalled {
				state = "signalled"
			}
			out = fmt.Appendf(out, "\t%s fence:%s %s seq %d %s\n", e.usage, e.f.line.Driver, e.f.line.Name, e.f.seqno, state)
		}
		out = append(out, "\tAttached Devices:\n"...)
		for a := b.firstAtt; a != nil; a = a.next {
			out = fmt.Appendf(out, "\t%s\n", a.dev.Name)
		}
		out = fmt.Appendf(out, "Total %d devices attached\n\n", b.attachments)
		n++
		size += b.size
	}
	return string(fmt.Appendf(out, "\nTotal %d objects, %d bytes\n", n, size))
}

// mode is f_mode of the file: FMODE_READ and FMODE_WRITE (include/linux/fs.h).
func (b *Buffer) mode() uint32 { return (b.flags + 1) & OAccMode }
