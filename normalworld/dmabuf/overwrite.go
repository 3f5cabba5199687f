package dmabuf

import "gatehouse/normalworld"

// ErrOverwrite is an exporter that is exchanged while its callbacks are owed: something is mapped, or a callback runs.
var ErrOverwrite = &Rule{normalworld.EBUSY, "an exporter must see the end of what it saw the begin of"}

// OverwriteExporter puts e in the place of the buffer's exporter, and gives the one before. Buffers have one exporter for life: this
// breaks the rule, and with it everybody who asks a buffer who has exported it. It is here since a proposal of 2015 did it
// (package sdp2015), and for nothing else.
func (b *Buffer) OverwriteExporter(e Exporter) (Exporter, error) {
	if b.released {
		return nil, b.broke(ErrReleased)
	}
	if b.calls > 0 || b.mmaps > 0 || b.vmaps > 0 || b.begun != [3]uint32{} {
		return nil, b.broke(ErrOverwrite)
	}
	for a := b.firstAtt; a != nil; a = a.next {
		if a.mapped {
			return nil, b.broke(ErrOverwrite)
		}
	}
	old := b.exporter
	b.exporter = e
	b.cpu, _ = e.(CPUAccessor)
	b.mmapper, _ = e.(MMapper)
	b.vmapper, _ = e.(VMapper)
	return old, nil
}
