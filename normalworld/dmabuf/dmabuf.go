package dmabuf

import (
	"fmt"
	"iter"

	"gatehouse/normalworld"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

// PageSize is the unit of sizes, in bytes.
const PageSize = bus.PageSize

// Direction says who moves data where. The numbers are those of enum dma_data_direction (include/linux/dma-direction.h).
type Direction uint8

// The directions.
const (
	Bidirectional Direction = iota
	ToDevice
	FromDevice
	None
)

func (d Direction) String() string {
	switch d {
	case Bidirectional:
		return "bidirectional"
	case ToDevice:
		return "to-device"
	case FromDevice:
		return "from-device"
	case None:
		return "none"
	}
	return fmt.Sprintf("Direction(%d)", uint8(d))
}

// Valid reports whether d is a direction of a transfer.
func (d Direction) Valid() bool { return d < None }

// DeviceReads reports whether the device may read memory.
func (d Direction) DeviceReads() bool { return d == ToDevice || d == Bidirectional }

// DeviceWrites reports whether the device may write memory.
func (d Direction) DeviceWrites() bool { return d == FromDevice || d == Bidirectional }

// Exporter owns the memory of buffers (struct dma_buf_ops). Its methods may call back into the package; what a rule forbids then is
// refused, as always.
type Exporter interface {
	// Attach decides whether the attachment's device can use the buffer: EBUSY where it cannot reach the memory.
	Attach(*Attachment) error
	// Detach undoes Attach. The attachment is not on the buffer's list any more.
	Detach(*Attachment)
	// Map gives the whole buffer as segments that the device can reach, page aligned. The list belongs to the exporter and stays
	// as it is until Unmap. Attachment.MapSG makes one from physical memory.
	Map(*Attachment, Direction) ([]Segment, error)
	// Unmap undoes Map, which had given these segments.
	Unmap(*Attachment, []Segment, Direction)
	// Release frees the memory: the last reference has gone.
	Release(*Buffer)
}

// CPUAccessor is an Exporter that does something around processor access.
type CPUAccessor interface {
	BeginCPUAccess(*Buffer, Direction) error
	EndCPUAccess(*Buffer, Direction) error
}

// MMapper is an Exporter whose buffers processes can map.
type MMapper interface {
	// MMap permits or refuses a mapping of length bytes from offset on.
	MMap(b *Buffer, offset, length uint64) error
	// Fault gives the physical address of the page at offset, when it is touched first.
	Fault(b *Buffer, offset uint64) (pa uint64, err error)
}

// VMapper is an Exporter whose buffers the kernel can map. It is called for the first VMap and the last VUnmap.
type VMapper interface {
	VMap(*Buffer) ([]Segment, error)
	VUnmap(*Buffer)
}

// Protector is an Exporter that can say of a buffer that is not restricted that a firewall closes its memory.
type Protector interface {
	Protected(*Buffer) bool
}

// Core holds the buffers of one kernel. It is used from one goroutine.
type Core struct {
	// Kernel is how the processor reaches memory and time.
	Kernel *normalworld.Kernel
	// Bounce is memory for devices that cannot reach a buffer; nil bounces nothing.
	Bounce BouncePool

	first, last *Buffer // all that are not released, in the order of their export
	serial      uint64  // of the last buffer
	contexts    uint64  // of fences, given out
	stats       Stats
}

// New makes a core for k.
func New(k *normalworld.Kernel) *Core { return &Core{Kernel: k} }

// ExportInfo is what an exporter knows of a buffer (struct dma_buf_export_info).
type ExportInfo struct {
	// Name is the exporter's.
	Name     string
	Exporter Exporter
	// Size in bytes, a multiple of PageSize.
	Size uint64
	// Flags are those of the open file: an access mode, O_RDONLY by default. Others are ignored.
	Flags uint32
	// Private is the exporter's own.
	Private any
	// Restricted says that the processor must not access the memory.
	Restricted bool
	// Reservation holds the fences, for exporters that share one among buffers; nil gives the buffer its own.
	Reservation *Reservation
}

// Buffer is a dma-buf: memory, and the file that stands for it. It lives as long as there are references to it.
type Buffer struct {
	// Private is the exporter's own.
	Private any

	core     *Core
	exporter Exporter
	cpu      CPUAccessor // nil where the exporter has none, as the next two
	mmapper  MMapper
	vmapper  VMapper
	expName  string
	name     string
	size     uint64
	serial   uint64
	flags    uint32

	restricted bool
	released   bool
	refs       int32
	calls      int32     // callbacks of the exporter that are under way
	begun      [3]uint32 // processor accesses, by direction

	firstAtt, lastAtt *Attachment
	attachments       int
	vmaps             int
	vsegs             []Segment
	vbusy             bool // the exporter's VMap or VUnmap is under way
	mmaps             int
	resv              *Reservation
	ownResv           Reservation

	prev, next *Buffer
}

// Export makes a buffer with one reference, the caller's. ErrExport says what is missing.
func (c *Core) Export(info ExportInfo) (*Buffer, error) {
	if info.Exporter == nil || info.Size == 0 || info.Size%PageSize != 0 {
		return nil, ErrExport
	}
	c.serial++
	b := &Buffer{
		Private: info.Private, core: c, exporter: info.Exporter, expName: info.Name, size: info.Size, serial: c.serial,
		flags: info.Flags & (OAccMode | ONonblock), restricted: info.Restricted, refs: 1, resv: info.Reservation,
	}
	b.cpu, _ = info.Exporter.(CPUAccessor)
	b.mmapper, _ = info.Exporter.(MMapper)
	b.vmapper, _ = info.Exporter.(VMapper)
	if b.resv == nil {
		b.resv = &b.ownResv
		b.ownResv.core = c
	}
	if b.prev = c.last; b.prev == nil {
		c.first = b
	} else {
		b.prev.next = b
	}
	c.last = b
	c.stats.Buffers++
	c.stats.Bytes += b.size
	c.stats.Exports++
	c.stats.PeakBytes = max(c.stats.PeakBytes, c.stats.Bytes)
	if c.on() {
		b.emit("EXPORT", event.Hex("size", b.size), event.Str("exporter", b.expName))
	}
	return b, nil
}

// Size is the buffer's size in bytes.
func (b *Buffer) Size() uint64 { return b.size }

// Serial is the buffer's number, from 1 on (its inode number); no two buffers of a core share one.
func (b *Buffer) Serial() uint64 { return b.serial }

// Exporter is who exported the buffer. An exporter recognises its own buffers by it.
func (b *Buffer) Exporter() Exporter { return b.exporter }

// ExporterName is ExportInfo.Name.
func (b *Buffer) ExporterName() string { return b.expName }

// Restricted reports whether the processor must not access the memory.
func (b *Buffer) Restricted() bool { return b.restricted }

// Protected reports whether a firewall closes the memory to all masters but some: then engines must use the identity that they have for
// such memory. Restricted buffers are; of others the exporter knows.
func (b *Buffer) Protected() bool {
	if b.restricted || b.released {
		return b.restricted
	}
	p, ok := b.exporter.(Protector)
	return ok && p.Protected(b)
}

// Released reports whether the last reference has gone.
func (b *Buffer) Released() bool { return b.released }

// Refs is the number of references to the buffer.
func (b *Buffer) Refs() int { return int(b.refs) }

// FileFlags are the status flags of the open file (F_GETFL).
func (b *Buffer) FileFlags() uint32 { return b.flags }

// Core is where the buffer was exported.
func (b *Buffer) Core() *Core { return b.core }

// Name is what SetName gave, or empty.
func (b *Buffer) Name() string { return b.name }

func (b *Buffer) String() string { return fmt.Sprintf("dma-buf %d (%s)", b.serial, b.expName) }

// Attachments gives the buffer's attachments, oldest first. The list must not change meanwhile.
func (b *Buffer) Attachments() iter.Seq[*Attachment] {
	return func(yield func(*Attachment) bool) {
		for a := b.firstAtt; a != nil; a = a.next {
			if !yield(a) {
				return
			}
		}
	}
}

func (b *Buffer) broke(r *Rule) error { return fmt.Errorf("%v: %w", b, r) }

// Get takes a reference (get_dma_buf).
func (b *Buffer) Get() error {
	if b.released {
		return b.broke(ErrReleased)
	}
	b.refs++
	return nil
}

// Put gives a reference back. The last one releases the buffer, which nothing may use then: no attachment, no kernel mapping, no
// fence that is not signalled, no processor access, no callback. Otherwise Put says which rule is broken, and the reference stays.
func (b *Buffer) Put() error {
	if b.released {
		return b.broke(ErrReleased)
	}
	if b.refs > 1 {
		b.refs--
		return nil
	}
	switch {
	case b.attachments > 0:
		return b.broke(ErrPutAttached)
	case b.vmaps > 0:
		return b.broke(ErrPutVMapped)
	case b.calls > 0:
		return b.broke(ErrInCallback)
	case b.begun != [3]uint32{}:
		return b.broke(ErrPutAccess)
	}
	if b.resv == &b.ownResv && len(b.ownResv.fences) > 0 {
		// Drivers are asked here, and may call into the buffer.
		b.calls++
		done := b.ownResv.Test(BookkeepUsage)
		b.calls--
		switch {
		case !done:
			return b.broke(ErrPutFence)
		case b.refs > 1 || b.attachments > 0 || b.vmaps > 0 || b.begun != [3]uint32{}:
			return b.broke(ErrInCallback)
		}
	}
	c := b.core
	b.refs = 0
	b.released = true
	if b.prev == nil {
		c.first = b.next
	} else {
		b.prev.next = b.next
	}
	if b.next == nil {
		c.last = b.prev
	} else {
		b.next.prev = b.prev
	}
	b.prev, b.next = nil, nil
	c.stats.Buffers--
	c.stats.Bytes -= b.size
	c.stats.Releases++
	if c.on() {
		b.emit("RELEASE")
	}
	b.exporter.Release(b)
	return nil
}

// MaxName is the room for a name with the zero byte behind it (DMA_BUF_NAME_LEN).
const MaxName = 32

// SetName names the buffer for Describe: EINVAL where the name is too long (DMA_BUF_SET_NAME).
func (b *Buffer) SetName(name string) error {
	switch {
	case b.released:
		return b.broke(ErrReleased)
	case len(name) >= MaxName:
		return normalworld.EINVAL
	}
	b.name = name
	return nil
}

// Seek finds out the size, as lseek does: only offset 0, from the start (0) or the end (2).
func (b *Buffer) Seek(offset int64, whence int) (int64, error) {
	switch {
	case offset == 0 && whence == 0:
		return 0, nil
	case offset == 0 && whence == 2:
		return int64(b.size), nil
	}
	return 0, normalworld.EINVAL
}

func (c *Core) on() bool { return c.Kernel.Events.On(event.DMABuf) }

// emit reports what happened to b. Callers ask on first, since the fields cost something.
func (b *Buffer) emit(name string, f ...event.Field) {
	b.core.Kernel.Events.Emit(&event.Event{Time: b.core.Kernel.Now(), Category: event.DMABuf, Source: "dmabuf", Name: name,
		Fields: append([]event.Field{event.Dec("buffer", b.serial)}, f...)})
}
