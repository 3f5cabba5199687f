package virtio

import (
	"strings"
	"testing"

	"gatehouse/platform/bus"
	"gatehouse/platform/vtime"
)

const common = FeatureVersion1 | FeatureEventIdx | FeatureIndirectDesc

func newDriver(t testing.TB, device Device) (*board, *driver) {
	b := newBoard(t, device)
	return b, &driver{machine: b, t: t}
}

func newDisk(t testing.TB, sectors int) (*board, *driver, *disk) {
	d := &disk{data: pattern(sectors*SectorSize, 1)}
	b, dr := newDriver(t, NewBlock(d, uint64(len(d.data)), false, "serial"))
	return b, dr, d
}

// An empty slot is one that Linux's virtio_mmio_probe leaves alone without an error: magic, version, no device.
func TestEmptySlot(t *testing.T) {
	b := newBoard(t, NewEntropy([32]byte{}))
	for n := range uint64(NumSlots) {
		if n == slot {
			continue
		}
		for off := uint64(0); off < SlotSize; off += 4 {
			at := base + n*SlotSize + off
			b.write(at, 4, 0xFFFF_FFFF)
			want := map[uint64]uint64{MagicValue: 0x74726976, Version: 2, VendorID: 0x554D4551}[off]
			if got := b.read(at, 4); got != want {
				t.Errorf("slot %d, register %#x = %#x, want %#x", n, off, got, want)
			}
		}
	}
	if b.clock.Next() != vtime.Never {
		t.Error("an empty slot does something")
	}
}

func TestIdentification(t *testing.T) {
	for _, c := range []struct {
		device   Device
		id       uint32
		features uint64
		config   []uint32
	}{
		{NewBlock(&disk{}, 3*SectorSize-1, false, ""), 2, common | 1<<2 | 1<<6 | 1<<9, []uint32{3, 0, 0, 126, 0, 512, 0}},
		{NewBlock(&disk{}, 1<<41, true, ""), 2, common | 1<<2 | 1<<5 | 1<<6 | 1<<9, []uint32{0, 1, 0, 126, 0, 512, 0}},
		{NewConsole(&strings.Builder{}), 3, common | 1<<2, []uint32{0, 1, 0, 0}},
		{NewEntropy([32]byte{}), 4, common, []uint32{0}},
	} {
		_, d := newDriver(t, c.device)
		if m, v, id := d.get(MagicValue), d.get(Version), d.get(DeviceID); m != magic || v != 2 || id != c.id {
			t.Errorf("magic %#x, version %d, device %d", m, v, id)
		}
		if f := d.offered(); f != c.features {
			t.Errorf("device %d offers %#x, want %#x", c.id, f, c.features)
		}
		if f := d.half(2); f != 0 {
			t.Errorf("features above 64: %#x", f)
		}
		for i, want := range c.config {
			if got := d.config(4 * uint64(i)); got != want {
				t.Errorf("device %d: configuration word %d = %#x, want %#x", c.id, i, got, want)
			}
		}
		for off, want := range map[uint64]uint32{SHMLenLow: 0xFFFF_FFFF, SHMLenHigh: 0xFFFF_FFFF, ConfigGeneration: 0, 0x1F8: 0, 0x1FC: 0} {
			if got := d.get(off); got != want {
				t.Errorf("register %#x = %#x", off, got)
			}
		}
	}
}

func TestAccessSizes(t *testing.T) {
	b, d, _ := newDisk(t, 0x1234)
	at := uint64(base + slot*SlotSize)
	for _, c := range []struct {
		off  uint64
		size int
		want uint64
	}{{MagicValue, 1, 'v'}, {MagicValue + 2, 2, 0x7472}, {Config, 1, 0x34}, {Config + 1, 1, 0x12}, {Config, 2, 0x1234}, {Config + 0x14, 2, 512},
		{Config + 0x17, 1, 0}, {Config + 0xFF, 1, 0}} {
		if got := b.read(at+c.off, c.size); got != c.want {
			t.Errorf("%d bytes at %#x = %#x, want %#x", c.size, c.off, got, c.want)
		}
	}
	for _, size := range []int{1, 2, 8} {
		if r := b.bus.Store(at+Status, size, 1, cpu); r != bus.SLVERR {
			t.Errorf("write of %d bytes: %v", size, r)
		}
	}
	if _, r := b.bus.Load(at+Config, 8, cpu); r != bus.SLVERR {
		t.Errorf("read of 8 bytes: %v", r)
	}
	if _, r := b.bus.Load(base+Size, 4, cpu); r != bus.DECERR {
		t.Errorf("behind the slots: %v", r)
	}
	for _, size := range []int{1, 2, 4} { // the capacity cannot be changed
		b.write(at+Config, size, 0)
	}
	if d.config(0) != 0x1234 || d.get(Status) != 0 {
		t.Error("a refused write has an effect")
	}
}

// TestFeatures: FEATURES_OK stays clear where the driver accepts what is not offered (VIRTIO 2.2.2), or is a legacy driver.
func TestFeatures(t *testing.T) {
	_, d, _ := newDisk(t, 1)
	for _, c := range []struct {
		features uint64
		ok       bool
	}{{FeatureVersion1, true}, {0, false}, {common, true}, {FeatureVersion1 | BlockFeatureFlush, true}, {BlockFeatureFlush, false},
		{FeatureVersion1 | BlockFeatureRO, false}, {FeatureVersion1 | 1<<33, false}, {FeatureVersion1 | 1<<63, false}} {
		if ok := d.negotiate(c.features); ok != c.ok {
			t.Errorf("features %#x: %v", c.features, ok)
		}
		if want := uint32(StatusAcknowledge | StatusDriver); d.get(Status)&^StatusFeaturesOK != want {
			t.Errorf("status %#x", d.get(Status))
		}
	}
	// After FEATURES_OK they are settled.
	d.negotiate(FeatureVersion1)
	d.accept(0, 0xFFFF_FFFF)
	d.set(Status, d.get(Status)|StatusDriverOK)
	if d.get(Status) != 0xF {
		t.Errorf("status %#x", d.get(Status))
	}
	d.set(Status, 0)
	if d.get(Status) != 0 {
		t.Error("no reset")
	}
}

func TestQueueSettings(t *testing.T) {
	_, d, _ := newDisk(t, 1)
	d.negotiate(FeatureVersion1)
	for _, c := range []struct {
		num              uint32
		desc, avail, use uint32
		ok               bool
	}{{8, 0x1000, 0x2002, 0x3004, true}, {1, 0, 0, 0, true}, {1024, 0, 0, 0, true}, {0, 0, 0, 0, false}, {3, 0, 0, 0, false}, {2048, 0, 0, 0, false},
		{1 << 31, 0, 0, 0, false}, {8, 8, 0, 0, false}, {8, 0, 1, 0, false}, {8, 0, 0, 2, false}} {
		d.set(QueueSel, 0)
		d.set(QueueNum, c.num)
		d.set(QueueDescLow, c.desc)
		d.set(QueueDriverLow, c.avail)
		d.set(QueueDeviceLow, c.use)
		d.set(QueueReady, 1)
		if got := d.get(QueueReady) == 1; got != c.ok {
			t.Errorf("%+v: ready %v", c, got)
		}
		if d.get(QueueNumMax) != MaxQueueSize {
			t.Errorf("at most %d", d.get(QueueNumMax))
		}
		d.set(QueueSel, 1) // there is none
		d.set(QueueReady, 1)
		if d.get(QueueNumMax) != 0 || d.get(QueueReady) != 0 {
			t.Error("a queue that does not exist")
		}
		d.set(QueueSel, 0)
		d.set(QueueReady, 0)
		if d.get(QueueReady) != 0 {
			t.Error("still ready")
		}
	}
	d.set(QueueSel, 0xFFFF_FFFF)
	if d.get(QueueNumMax) != 0 {
		t.Error("a queue that does not exist")
	}
}

// A device does nothing before DRIVER_OK, and nothing after a reset.
func TestLifeCycle(t *testing.T) {
	b, d, _ := newDisk(t, 8)
	d.negotiate(FeatureVersion1)
	d.setup(8)
	q := &d.queues[0]
	request := func() {
		d.write(headerAt, 8, BlockIn)
		d.write(headerAt+8, 8, 0)
		d.add(q, 0, buf{headerAt, 16, false}, buf{dataAt, 512, true}, buf{statusAt, 1, true})
		d.set(QueueNotify, 0)
	}
	request()
	b.finish()
	if v := d.read(q.used+2, 2); v != 0 {
		t.Fatal("it works before DRIVER_OK")
	}
	d.set(Status, d.get(Status)|StatusDriverOK)
	b.finish()
	if v := d.read(q.used+2, 2); v != 1 {
		t.Fatal("it does not work after DRIVER_OK")
	}
	if !b.irq.level || d.acknowledge() != IntUsedBuffer || b.irq.level {
		t.Error("interrupt")
	}
	for _, stop := range []func(){
		func() { d.set(Status, 0) },
		func() { b.slots.Reset() },
		func() { d.set(QueueSel, 0); d.set(QueueReady, 0) },
		func() { d.set(Status, StatusAcknowledge|StatusDriver|StatusFeaturesOK) },
		func() { d.set(Status, StatusFailed|d.get(Status)) },
	} {
		for steps := range 4 {
			d.start(FeatureVersion1, 8)
			q = &d.queues[0]
			request()
			for range steps {
				if b.clock.Next() != vtime.Never {
					b.step()
				}
			}
			done := d.read(q.used+2, 2)
			stop()
			b.finish()
			if v := d.read(q.used+2, 2); v != done {
				t.Errorf("it goes on after it was stopped at step %d", steps)
			}
		}
	}
	d.start(FeatureVersion1, 8)
	if s, _ := d.request(false, blockRequest{BlockIn, 0, []buf{{dataAt, 512, true}}}); s != BlockOK {
		t.Errorf("status %d", s)
	}
}

// A driver may have buffers in the slot's own registers; the device then cannot reset itself in the middle of its work.
func TestOwnRegisters(t *testing.T) {
	b, d, _ := newDisk(t, 8)
	d.start(FeatureVersion1, 8)
	at := uint64(base + slot*SlotSize)
	if s, _ := d.request(false, blockRequest{BlockIn, 0, []buf{{at, 512, true}}}); s != BlockIOErr {
		t.Errorf("status %d", s)
	}
	if s, _ := d.request(false, blockRequest{BlockIn, 0, []buf{{at + Status, 4, true}, {dataAt, 508, true}}}); s != BlockIOErr {
		t.Errorf("status %d", s)
	}
	if d.get(Status) != 0xF {
		t.Errorf("status %#x", d.get(Status))
	}
	// Another slot's are like any other device's.
	if s, _ := d.request(false, blockRequest{BlockIn, 0, []buf{{base, 4, true}, {dataAt, 508, true}}}); s != BlockOK {
		t.Errorf("status %d", s)
	}
	b.finish()
}
