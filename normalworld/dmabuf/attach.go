package dmabuf

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/platform/event"
)

// Attachment is one device's use of a buffer (struct dma_buf_attachment). The importer that made it must hold a reference to the
// buffer until it has detached.
type Attachment struct {
	// Private is the exporter's own.
	Private any
	// Importer is the importer's own.
	Importer any

	buf      *Buffer
	dev      Device
	segs     []Segment // while mapped
	bounced  []bounce
	dir      Direction
	mapped   bool
	busy     bool // a callback of the exporter is under way
	detached bool

	prev, next *Attachment
}

// Attach makes the buffer known to a device (dma_buf_attach). The exporter may refuse.
func (b *Buffer) Attach(dev Device) (*Attachment, error) {
	if b.released {
		return nil, b.broke(ErrReleased)
	}
	a := &Attachment{buf: b, dev: dev, busy: true}
	b.calls++
	err := b.exporter.Attach(a)
	b.calls--
	a.busy = false
	if err != nil {
		a.detached = true
		return nil, err
	}
	if a.prev = b.lastAtt; a.prev == nil {
		b.firstAtt = a
	} else {
		a.prev.next = a
	}
	b.lastAtt = a
	b.attachments++
	b.core.stats.Attachments++
	if b.core.on() {
		b.emit("ATTACH", event.Str("device", dev.Name))
	}
	return a, nil
}

// Buffer is what the attachment is for.
func (a *Attachment) Buffer() *Buffer { return a.buf }

// Device is who it is for.
func (a *Attachment) Device() *Device { return &a.dev }

// Mapped gives the segments and the direction while the attachment is mapped.
func (a *Attachment) Mapped() ([]Segment, Direction, bool) { return a.segs, a.dir, a.mapped }

// Detached reports whether the attachment has gone.
func (a *Attachment) Detached() bool { return a.detached }

func (a *Attachment) broke(r *Rule) error { return fmt.Errorf("%v at %s: %w", a.buf, a.dev.Name, r) }

// Map gives the buffer's memory as the device reaches it (dma_buf_map_attachment). It waits for fences of usage Kernel: until they
// are signalled the memory is not the buffer's. The list must not be changed; it is good until Unmap.
func (a *Attachment) Map(dir Direction) ([]Segment, error) {
	b := a.buf
	switch {
	case a.detached:
		return nil, a.broke(ErrDetached)
	case !dir.Valid():
		return nil, a.broke(ErrDirection)
	case a.mapped:
		return nil, a.broke(ErrMapTwice)
	case a.busy:
		return nil, a.broke(ErrAttachmentBusy)
	}
	a.busy = true
	b.calls++
	segs, err := b.exporter.Map(a, dir)
	if err == nil {
		if err = a.check(segs); err == nil && b.resv.pending(KernelUsage) {
			err = b.resv.Wait(KernelUsage, normalworld.Forever)
		}
		if err != nil {
			b.exporter.Unmap(a, segs, dir)
		}
	}
	b.calls--
	a.busy = false
	if err != nil {
		return nil, err
	}
	a.mapped, a.segs, a.dir = true, segs, dir
	b.core.stats.Mapped++
	b.core.stats.Maps++
	if b.core.on() {
		b.emit("MAP", event.Str("device", a.dev.Name), event.Dec("nsaid", uint64(a.dev.NSAID)), event.Str("direction", dir.String()),
			event.Dec("segments", uint64(len(segs))))
	}
	return segs, nil
}

// check is what the core asks of an exporter's list: CONFIG_DMA_API_DEBUG's check of alignment, and the device's constraints.
func (a *Attachment) check(segs []Segment) error {
	var total uint64
	mask := a.dev.mask()
	for i := range segs {
		s := &segs[i]
		if (s.Addr|s.Len)%PageSize != 0 || s.Len == 0 || s.Addr+s.Len-1 < s.Addr {
			return a.broke(ErrSegments)
		}
		if s.Addr+s.Len-1 > mask {
			return a.broke(ErrDMAMask)
		}
		if a.dev.MaxSegmentSize != 0 && s.Len > a.dev.MaxSegmentSize {
			return a.broke(ErrNotContiguous)
		}
		total += s.Len
	}
	switch {
	case total != a.buf.size:
		return a.broke(ErrSegments)
	case a.dev.MaxSegments != 0 && len(segs) > a.dev.MaxSegments:
		return a.broke(ErrNotContiguous)
	}
	return nil
}

// Unmap ends a mapping (dma_buf_unmap_attachment). dir is the direction that it was mapped with.
func (a *Attachment) Unmap(dir Direction) error {
	b := a.buf
	switch {
	case a.detached:
		return a.broke(ErrDetached)
	case a.busy:
		return a.broke(ErrAttachmentBusy)
	case !a.mapped:
		return a.broke(ErrNotMapped)
	case dir != a.dir:
		return a.broke(ErrUnmapDirection)
	}
	segs := a.segs
	a.busy = true
	b.calls++
	b.exporter.Unmap(a, segs, dir)
	b.calls--
	a.busy, a.mapped, a.segs = false, false, nil
	b.core.stats.Mapped--
	b.core.stats.Unmaps++
	if b.core.on() {
		b.emit("UNMAP", event.Str("device", a.dev.Name), event.Dec("nsaid", uint64(a.dev.NSAID)), event.Str("direction", dir.String()))
	}
	return nil
}

// Detach ends the device's use of the buffer (dma_buf_detach). The attachment is dead afterwards.
func (a *Attachment) Detach() error {
	b := a.buf
	switch {
	case a.detached:
		return a.broke(ErrDetached)
	case a.busy:
		return a.broke(ErrAttachmentBusy)
	case a.mapped:
		return a.broke(ErrDetachMapped)
	}
	a.detached = true
	if a.prev == nil {
		b.firstAtt = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		b.lastAtt = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.prev, a.next = nil, nil
	b.attachments--
	b.core.stats.Attachments--
	b.calls++
	b.exporter.Detach(a)
	b.calls--
	if b.core.on() {
		b.emit("DETACH", event.Str("device", a.dev.Name))
	}
	return nil
}
