package virtio

import (
	"bytes"
	"encoding/binary"
	"testing"

	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

type line struct {
	level bool
	edges int // to high
}

func (l *line) Set(level bool) {
	if level && !l.level {
		l.edges++
	}
	l.level = level
}

const (
	base    = 0x0A00_0000
	ramBase = 0x4000_0000
	ramSize = 4 << 20
	slot    = 31 // of the device
)

var (
	cpu    = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	secure = bus.Attr{Secure: true, Privileged: true}
)

// machine is what a driver runs on: this package's slots, or QEMU.
type machine interface {
	read(addr uint64, size int) uint64
	write(addr uint64, size int, v uint64)
	// wait lets the device work until done says so.
	wait(done func() bool)
}

// board is slots of which one has a device, and RAM behind a memory firewall that lets everybody through. The test is the CPU.
type board struct {
	t     testing.TB
	clock vtime.Clock
	bus   bus.Bus
	slots Slots
	tzc   *tzc400.TZC400
	irq   line
	log   bytes.Buffer
}

func newBoard(t testing.TB, device Device) *board {
	t.Helper()
	b := &board{t: t}
	events := new(event.Stream)
	events.Attach(event.DMA|event.Guest, event.NewText(&b.log))
	b.tzc = tzc400.New("tzc400", nil, &b.clock)
	b.tzc.Changed = b.bus.FilterChanged
	port := bus.NewPort(&b.bus, bus.Attr{NSAID: bus.NSAIDVirtio})
	for i := range b.slots {
		var d Device
		if i == slot {
			d = device
		}
		b.slots[i] = NewTransport("virtio", d, port, &b.clock, events)
	}
	b.slots[slot].IRQ = &b.irq
	ram, err := bus.NewRAM(ramSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	for _, r := range []bus.Region{
		{Name: "virtio", Base: base, Size: Size, Dev: &b.slots},
		{Name: "ram", Base: ramBase, Size: ramSize, RAM: ram, Filter: b.tzc.Unit(0)},
	} {
		if err := b.bus.Map(r); err != nil {
			t.Fatal(err)
		}
	}
	b.firewall(tzc400.RegionIDAccess, 0xFFFF_FFFF)
	b.firewall(tzc400.Action, tzc400.ActionDECERR)
	b.firewall(tzc400.GateKeeper, 0xF)
	return b
}

func (b *board) firewall(off uint64, v uint32) {
	b.t.Helper()
	if r := b.tzc.Write(off, 4, uint64(v), secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
}

// protect takes memory from all non-secure masters but the processors.
func (b *board) protect(addr, size uint64) {
	b.firewall(tzc400.RegionBaseLow+tzc400.RegionStride, uint32(addr))
	b.firewall(tzc400.RegionTopLow+tzc400.RegionStride, uint32(addr+size-1))
	b.firewall(tzc400.RegionIDAccess+tzc400.RegionStride, 1<<bus.NSAIDAP|1<<(16+bus.NSAIDAP))
	b.firewall(tzc400.RegionAttributes+tzc400.RegionStride, tzc400.AttrSecureRead|tzc400.AttrSecureWrite|0xF)
}

func (b *board) read(addr uint64, size int) uint64 {
	b.t.Helper()
	v, r := b.bus.Load(addr, size, cpu)
	if r != bus.OKAY {
		b.t.Fatalf("read of %#x: %v", addr, r)
	}
	return v
}

func (b *board) write(addr uint64, size int, v uint64) {
	b.t.Helper()
	if r := b.bus.Store(addr, size, v, cpu); r != bus.OKAY {
		b.t.Fatalf("write of %#x: %v", addr, r)
	}
}

func (b *board) wait(done func() bool) {
	b.t.Helper()
	for n := 0; !done(); n++ {
		if b.clock.Next() == vtime.Never || n > 1_000_000 {
			b.t.Fatalf("the device does not get on\n%s", b.log.String())
		}
		b.step()
	}
}

// step moves time to the next timer.
func (b *board) step() {
	b.clock.Advance(b.clock.Next())
	b.clock.Expire()
}

// finish lets time pass until nothing is left to do.
func (b *board) finish() {
	b.t.Helper()
	for n := 0; b.clock.Next() != vtime.Never; n++ {
		if n > 1_000_000 {
			b.t.Fatal("the device does not end")
		}
		b.step()
	}
}

func (b *board) fill(addr uint64, p []byte) {
	b.t.Helper()
	if r := b.bus.Write(addr, p, secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
}

func (b *board) memory(addr uint64, n int) []byte {
	b.t.Helper()
	p := make([]byte, n)
	if r := b.bus.Read(addr, p, secure); r != bus.OKAY {
		b.t.Fatal(r)
	}
	return p
}

// driver drives one slot as Linux's virtio_mmio and virtio_ring do.
type driver struct {
	machine
	t        testing.TB
	features uint64
	queues   []vring
}

// vring is a split virtqueue as the driver sees it.
type vring struct {
	n                    int // of the queue
	num                  uint16
	desc, avail, used    uint64
	availIndex, lastUsed uint16
	free                 uint16 // the next descriptor that is used
}

// areas are where queue n of a driver has its three parts.
func areas(n int) (desc, avail, used uint64) {
	at := uint64(ramBase + 0x1_0000*n)
	return at, at + 0x4000, at + 0x8000
}

const (
	heap    = ramBase + 0x10_0000 // where drivers have their buffers
	heapEnd = ramBase + ramSize
)

func (d *driver) get(off uint64) uint32    { return uint32(d.read(base+slot*SlotSize+off, 4)) }
func (d *driver) set(off uint64, v uint32) { d.write(base+slot*SlotSize+off, 4, uint64(v)) }
func (d *driver) config(off uint64) uint32 { return d.get(Config + off) }
func (d *driver) offered() uint64          { return uint64(d.half(1))<<32 | uint64(d.half(0)) }
func (d *driver) half(sel uint32) uint32   { d.set(DeviceFeaturesSel, sel); return d.get(DeviceFeatures) }
func (d *driver) accept(sel uint32, v uint32) {
	d.set(DriverFeaturesSel, sel)
	d.set(DriverFeatures, v)
}

// negotiate goes up to FEATURES_OK (VIRTIO 3.1.1, steps 1 to 6).
func (d *driver) negotiate(features uint64) bool {
	d.set(Status, 0)
	d.set(Status, StatusAcknowledge)
	d.set(Status, StatusAcknowledge|StatusDriver)
	d.features = features
	d.accept(0, uint32(features))
	d.accept(1, uint32(features>>32))
	d.set(Status, StatusAcknowledge|StatusDriver|StatusFeaturesOK)
	return d.get(Status)&StatusFeaturesOK != 0
}

// setup follows vm_setup_vq for each queue.
func (d *driver) setup(num ...uint16) {
	d.t.Helper()
	d.queues = nil
	for n, size := range num {
		q := vring{n: n, num: size}
		q.desc, q.avail, q.used = areas(n)
		for at := q.avail; at < q.avail+4+2*uint64(size)+4; at += 2 {
			d.write(at, 2, 0)
		}
		for at := q.used; at < q.used+4+8*uint64(size)+4; at += 2 {
			d.write(at, 2, 0)
		}
		d.set(QueueSel, uint32(n))
		if d.get(QueueReady) != 0 || d.get(QueueNumMax) < uint32(size) {
			d.t.Fatalf("queue %d: ready %d, at most %d", n, d.get(QueueReady), d.get(QueueNumMax))
		}
		d.set(QueueNum, uint32(size))
		for _, a := range []struct{ off, addr uint64 }{{QueueDescLow, q.desc}, {QueueDriverLow, q.avail}, {QueueDeviceLow, q.used}} {
			d.set(a.off, uint32(a.addr))
			d.set(a.off+4, uint32(a.addr>>32))
		}
		d.set(QueueReady, 1)
		if d.get(QueueReady) != 1 {
			d.t.Fatalf("queue %d does not become ready", n)
		}
		d.queues = append(d.queues, q)
	}
}

// start brings a device up.
func (d *driver) start(features uint64, num ...uint16) {
	d.t.Helper()
	if !d.negotiate(features) {
		d.t.Fatalf("features %#x are refused of %#x", features, d.offered())
	}
	d.setup(num...)
	d.set(Status, d.get(Status)|StatusDriverOK)
}

// buf is one buffer of a chain.
type buf struct {
	addr  uint64
	len   uint32
	write bool
}

// describe writes one descriptor.
func (d *driver) describe(at uint64, b buf, flags, next uint16) {
	if b.write {
		flags |= descWrite
	}
	d.write(at, 8, b.addr)
	d.write(at+8, 8, uint64(b.len)|uint64(flags)<<32|uint64(next)<<48)
}

// add makes a chain available, as descriptors or behind an indirect one, and gives its head.
func (d *driver) add(q *vring, indirect uint64, chain ...buf) uint16 {
	d.t.Helper()
	head := q.free % q.num
	if indirect != 0 {
		for i, b := range chain {
			flags := uint16(descNext)
			if i == len(chain)-1 {
				flags = 0
			}
			d.describe(indirect+16*uint64(i), b, flags, uint16(i+1))
		}
		d.describe(q.desc+16*uint64(head), buf{indirect, uint32(16 * len(chain)), false}, descIndirect, 0)
		q.free++
	} else {
		for i, b := range chain {
			flags, at := uint16(descNext), q.free%q.num
			if i == len(chain)-1 {
				flags = 0
			}
			q.free++
			d.describe(q.desc+16*uint64(at), b, flags, q.free%q.num)
		}
	}
	d.publish(q, head)
	return head
}

// publish puts a head into the available ring.
func (d *driver) publish(q *vring, head uint16) {
	d.write(q.avail+4+2*uint64(q.availIndex%q.num), 2, uint64(head))
	q.availIndex++
	d.write(q.avail+2, 2, uint64(q.availIndex))
}

// notify kicks the device where it wants that (virtqueue_kick_prepare).
func (d *driver) notify(q *vring) {
	if d.features&FeatureEventIdx != 0 {
		if event := uint16(d.read(q.used+4+8*uint64(q.num), 2)); event != q.availIndex-1 {
			return
		}
	} else if d.read(q.used, 2)&1 != 0 {
		return
	}
	d.set(QueueNotify, uint32(q.n))
}

// used gives the next used chain: its head and how many bytes the device says it wrote.
func (d *driver) used(q *vring) (head, written uint32) {
	d.t.Helper()
	d.wait(func() bool { return uint16(d.read(q.used+2, 2)) != q.lastUsed })
	v := d.read(q.used+4+8*uint64(q.lastUsed%q.num), 8)
	q.lastUsed++
	if d.features&FeatureEventIdx != 0 {
		d.write(q.avail+4+2*uint64(q.num), 2, uint64(q.lastUsed)) // used event
	}
	return uint32(v), uint32(v >> 32)
}

// acknowledge is the interrupt handler's first part; it gives the reasons.
func (d *driver) acknowledge() uint32 {
	v := d.get(InterruptStatus)
	d.set(InterruptACK, v)
	return v
}

// blockRequest is a request of Linux's virtio_blk: header, data, status, each at a place of its own.
type blockRequest struct {
	kind   uint32
	sector uint64
	data   []buf
}

const (
	headerAt = heap
	statusAt = heap + 0x100
	tableAt  = heap + 0x1000
	dataAt   = heap + 0x1_0000
)

// request runs a block request to its end and gives its status and how many bytes the device says it wrote.
func (d *driver) request(indirect bool, r blockRequest) (status uint8, written uint32) {
	d.t.Helper()
	q := &d.queues[0]
	d.write(headerAt, 8, uint64(r.kind))
	d.write(headerAt+8, 8, r.sector)
	d.write(statusAt, 1, 0xEE)
	chain := append(append([]buf{{headerAt, 16, false}}, r.data...), buf{statusAt, 1, true})
	table := uint64(0)
	if indirect {
		table = tableAt
	}
	head := d.add(q, table, chain...)
	d.notify(q)
	id, written := d.used(q)
	if id != uint32(head) {
		d.t.Fatalf("used chain %d, want %d", id, head)
	}
	return uint8(d.read(statusAt, 1)), written
}

func pattern(n int, seed byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7+i>>8*13) + seed
	}
	return p
}

// disk is storage in memory.
type disk struct {
	data   []byte
	syncs  int
	broken error // what every access gives
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	if d.broken != nil {
		return 0, d.broken
	}
	return bytes.NewReader(d.data).ReadAt(p, off)
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if d.broken != nil {
		return 0, d.broken
	}
	if end := int(off) + len(p); end > len(d.data) {
		d.data = append(d.data, make([]byte, end-len(d.data))...)
	}
	return copy(d.data[off:], p), nil
}

func (d *disk) Sync() error {
	d.syncs++
	return d.broken
}

func little16(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }
