package virtio

import (
	"encoding/binary"

	"gatehouse/devices"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// Device is what a transport carries. Its methods are called by the transport only.
type Device interface {
	// ID is the type of the device (VIRTIO 5).
	ID() uint32
	// Features are the bits that the device offers for itself.
	Features() uint64
	// Queues is how many virtqueues there are.
	Queues() int
	// Config gives the device's configuration space. What is beyond its end reads as zero.
	Config() []byte
	// SetConfig is a write to the configuration space, of 1, 2 or 4 bytes.
	SetConfig(off uint64, size int, v uint32)
	// Reset forgets the request that it had begun.
	Reset()
	// Wants says whether the device has use for a buffer of a queue now.
	Wants(queue int) bool
	// Begin takes a request. An error means that the driver broke the rules, and that the device must be reset.
	Begin(r *Request) error
	// Step moves at most Chunk bytes of the request, gives their number, and says whether the request is done.
	Step(r *Request) (n int, done bool)

	attach(t *Transport)
}

// Transport is one slot. Its registers are a bus.Device.
type Transport struct {
	// IRQ is the slot's interrupt. It may be nil.
	IRQ devices.Line

	name   string
	device Device // nil where the slot is empty
	port   *bus.Port
	clock  *vtime.Clock
	events *event.Stream
	timer  *vtime.Timer

	deviceFeaturesSel uint32
	driverFeaturesSel uint32
	features          uint64 // that the driver accepts
	queueSel          uint32
	queues            []queue
	status            uint32
	interrupts        uint32

	phase   phase
	turn    int // queue that is looked at first
	request Request
	begun   bool // an event has told that the request began, and none that it ended
	onBus   bool // the transport itself is on the bus now
}

// NewTransport makes a slot with a device, or an empty one where device is nil. Transactions go through port; name is the source of
// its events.
func NewTransport(name string, device Device, port *bus.Port, clock *vtime.Clock, events *event.Stream) *Transport {
	t := &Transport{name: name, device: device, port: port, clock: clock, events: events}
	if device != nil {
		t.timer = clock.NewTimer(name, t)
		t.queues = make([]queue, device.Queues())
		device.attach(t)
	}
	t.Reset()
	return t
}

// Reset is the state after a cold reset, and after one by the driver (VIRTIO 2.4). What the slot was doing has no effect any more.
func (t *Transport) Reset() {
	t.deviceFeaturesSel, t.driverFeaturesSel, t.features, t.queueSel = 0, 0, 0, 0
	clear(t.queues)
	t.status, t.interrupts = 0, 0
	t.turn = 0
	t.begun = false
	t.cancel()
	t.drive()
}

// drive sets the interrupt line.
func (t *Transport) drive() {
	if t.IRQ != nil {
		t.IRQ.Set(t.interrupts != 0)
	}
}

func (t *Transport) raise(bit uint32) {
	t.interrupts |= bit
	t.drive()
}

// offered is what the driver may accept.
func (t *Transport) offered() uint64 {
	return FeatureVersion1 | FeatureEventIdx | FeatureIndirectDesc | t.device.Features()
}

func (t *Transport) has(feature uint64) bool { return t.features&feature != 0 }

// running says whether the driver lets the device work.
func (t *Transport) running() bool {
	return t.status&(StatusFeaturesOK|StatusDriverOK|StatusNeedsReset|StatusFailed) == StatusFeaturesOK|StatusDriverOK
}

// half gives 32 of 64 bits.
func half(v uint64, sel uint32) uint32 {
	switch sel {
	case 0:
		return uint32(v)
	case 1:
		return uint32(v >> 32)
	}
	return 0
}

// setHalf replaces 32 of 64 bits.
func setHalf(v *uint64, sel uint32, w uint32) {
	switch sel {
	case 0:
		*v = *v>>32<<32 | uint64(w)
	case 1:
		*v = *v&0xFFFF_FFFF | uint64(w)<<32
	}
}

// selected is the queue that QueueSel names, or nil.
func (t *Transport) selected() *queue {
	if uint64(t.queueSel) < uint64(len(t.queues)) {
		return &t.queues[t.queueSel]
	}
	return nil
}

// Read gives a register.
func (t *Transport) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	if size > 4 {
		return 0, bus.SLVERR
	}
	if off >= Config {
		return t.config(off-Config, size), bus.OKAY
	}
	v := uint64(t.read(off&^3)) >> (8 * (off & 3))
	return v & (1<<(8*size) - 1), bus.OKAY
}

func (t *Transport) config(off uint64, size int) uint64 {
	var b [8]byte
	if t.device != nil {
		if c := t.device.Config(); off < uint64(len(c)) {
			copy(b[:size], c[off:])
		}
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (t *Transport) read(off uint64) uint32 {
	switch off {
	case MagicValue:
		return magic
	case Version:
		return version
	case VendorID:
		return vendor
	}
	if t.device == nil {
		return 0
	}
	switch off {
	case DeviceID:
		return t.device.ID()
	case DeviceFeatures:
		return half(t.offered(), t.deviceFeaturesSel)
	case QueueNumMax:
		if t.selected() != nil {
			return MaxQueueSize
		}
	case QueueReady:
		if q := t.selected(); q != nil && q.ready {
			return 1
		}
	case InterruptStatus:
		return t.interrupts
	case Status:
		return t.status
	case SHMLenLow, SHMLenHigh, SHMBaseLow, SHMBaseHigh:
		return 0xFFFF_FFFF // no such region (VIRTIO 4.2.2.1)
	}
	return 0
}

// Write sets a register.
func (t *Transport) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	switch {
	case size > 4 || off < Config && size != 4:
		return bus.SLVERR
	case t.onBus:
		// A buffer that lies in the slot's own registers.
		return bus.SLVERR
	case t.device == nil:
	case off >= Config:
		t.device.SetConfig(off-Config, size, uint32(v))
	default:
		t.write(off, uint32(v))
	}
	return bus.OKAY
}

func (t *Transport) write(off uint64, w uint32) {
	switch off {
	case DeviceFeaturesSel:
		t.deviceFeaturesSel = w
	case DriverFeaturesSel:
		t.driverFeaturesSel = w
	case DriverFeatures:
		if t.status&StatusFeaturesOK == 0 {
			setHalf(&t.features, t.driverFeaturesSel, w)
		}
	case QueueSel:
		t.queueSel = w
	case QueueNotify:
		if uint64(w) < uint64(len(t.queues)) {
			t.kick()
		}
	case InterruptACK:
		t.interrupts &^= w
		t.drive()
	case Status:
		t.setStatus(w & 0xFF)
	default:
		if q := t.selected(); q != nil {
			t.writeQueue(q, off, w)
		}
	}
}

// setStatus follows VIRTIO 3.1.1. FEATURES_OK stays clear where the driver accepts what is not offered, or not version 1.
func (t *Transport) setStatus(w uint32) {
	if w == 0 {
		t.cancel()
		t.Reset()
		return
	}
	if t.status&StatusFeaturesOK == 0 && (t.features&^t.offered() != 0 || !t.has(FeatureVersion1)) {
		w &^= StatusFeaturesOK
	}
	t.status = w | t.status&StatusNeedsReset
	t.kick()
}

// writeQueue sets a register of a queue. While the queue is ready only QueueReady can be written.
func (t *Transport) writeQueue(q *queue, off uint64, w uint32) {
	switch {
	case off == QueueReady && w&1 == 0:
		q.stop()
		if t.phase != idle && t.request.queue == q {
			t.cancel()
			t.kick()
		}
	case q.ready:
	case off == QueueReady:
		if cause := q.check(); cause != "" {
			t.complain("QUEUE", cause)
			return
		}
		q.ready = true
	case off == QueueNum:
		q.num = w
	case off == QueueDescLow || off == QueueDescHigh:
		setHalf(&q.desc, uint32(off-QueueDescLow)/4, w)
	case off == QueueDriverLow || off == QueueDriverHigh:
		setHalf(&q.driver, uint32(off-QueueDriverLow)/4, w)
	case off == QueueDeviceLow || off == QueueDeviceHigh:
		setHalf(&q.device, uint32(off-QueueDeviceLow)/4, w)
	}
}

// needReset is the end of what a driver can be served that breaks the rules (VIRTIO 2.1.2).
func (t *Transport) needReset(cause string) {
	t.cancel()
	t.complain("DEVICE_NEEDS_RESET", cause)
	t.status |= StatusNeedsReset
	t.raise(IntConfig)
}

// complain reports what the driver did wrong.
func (t *Transport) complain(name, cause string) {
	if t.events.On(event.Guest) {
		t.events.Emit(&event.Event{Time: t.clock.Now(), Category: event.Guest, Source: t.name, Name: name,
			Fields: []event.Field{event.Str("cause", cause)}})
	}
}

// report tells of the begin or the end of a request.
func (t *Transport) report(p event.Phase, name string, fields ...event.Field) {
	t.begun = p == event.Begin
	if t.events.On(event.DMA) {
		t.events.Emit(&event.Event{Time: t.clock.Now(), Category: event.DMA, Phase: p, Secure: t.port.Attr().Secure, Source: t.name, Name: name,
			Fields: append(fields, event.Dec("nsaid", uint64(t.port.Attr().NSAID)))})
	}
}
