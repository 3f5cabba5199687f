package virtio

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"gatehouse/platform/vtime"
)

// TestBrokenRules has what a driver can do wrong with a queue. Each ends in DEVICE_NEEDS_RESET, with the configuration interrupt
// (VIRTIO 2.1.2), and a reset is the way out.
func TestBrokenRules(t *testing.T) {
	const wall = heap + 0x20_0000
	header, data, status := buf{headerAt, 16, false}, buf{dataAt, 512, true}, buf{statusAt, 1, true}
	for _, c := range []struct {
		name  string
		cause string
		do    func(b *board, d *driver, q *vring)
	}{
		{"available index beyond the queue", "available index goes from 0 to 17", func(b *board, d *driver, q *vring) {
			d.write(q.avail+2, 2, 17)
		}},
		{"available index goes back", "available index goes from 1 to 0", func(b *board, d *driver, q *vring) {
			d.add(q, 0, header, data, status)
			d.notify(q)
			d.used(q)
			d.write(q.avail+2, 2, 0)
			d.set(QueueNotify, 0)
		}},
		{"head out of range", "descriptor 16 of 16", func(b *board, d *driver, q *vring) { d.publish(q, 16) }},
		{"head far out of range", "descriptor 65535 of 16", func(b *board, d *driver, q *vring) { d.publish(q, 0xFFFF) }},
		{"next out of range", "descriptor 16 of 16", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, header, descNext, 16)
			d.publish(q, 0)
		}},
		{"a loop", "a loop of descriptors", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, header, descNext, 1)
			d.describe(q.desc+16, header, descNext, 0)
			d.publish(q, 0)
		}},
		{"a descriptor that is its own next one", "a loop of descriptors", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, data, descNext, 0)
			d.publish(q, 0)
		}},
		{"a loop in a table", "a loop of descriptors", func(b *board, d *driver, q *vring) {
			d.add(q, tableAt, header, data, status)
			d.describe(tableAt+32, status, descNext, 0)
			d.describe(tableAt, data, descNext, 1)
		}},
		{"next beyond a table", "descriptor 3 of 3", func(b *board, d *driver, q *vring) {
			d.add(q, tableAt, header, data, status)
			d.describe(tableAt+32, status, descNext, 3)
		}},
		{"a table in a table", "an indirect descriptor in an indirect table", func(b *board, d *driver, q *vring) {
			d.add(q, tableAt, header, data, status)
			d.describe(tableAt+16, buf{tableAt, 48, false}, descIndirect, 0)
		}},
		{"a table with a next one", "an indirect descriptor with a next one", func(b *board, d *driver, q *vring) {
			d.add(q, tableAt, header, data, status)
			d.describe(q.desc, buf{tableAt, 48, false}, descIndirect|descNext, 1)
		}},
		{"an empty table", "an indirect table of 0 bytes", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, buf{tableAt, 0, false}, descIndirect, 0)
			d.publish(q, 0)
		}},
		{"a table of odd size", "an indirect table of 40 bytes", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, buf{tableAt, 40, false}, descIndirect, 0)
			d.publish(q, 0)
		}},
		{"a table that is too long", "an indirect table of 16400 bytes", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, buf{tableAt, 16 * 1025, false}, descIndirect, 0)
			d.publish(q, 0)
		}},
		{"a table out of reach", "descriptor at 0x40300000: DECERR", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, buf{wall, 48, false}, descIndirect, 0)
			d.publish(q, 0)
		}},
		{"a table at the end of the address space", "descriptor at 0xfffffffffffffff0: DECERR", func(b *board, d *driver, q *vring) {
			d.describe(q.desc, buf{1<<64 - 16, 48, false}, descIndirect, 0)
			d.publish(q, 0)
		}},
		{"to read behind to write", "a buffer to read behind one to write", func(b *board, d *driver, q *vring) {
			d.add(q, 0, header, data, buf{dataAt, 1, false}, status)
		}},
		{"more than 4 GiB", "a chain of more than 4 GiB", func(b *board, d *driver, q *vring) {
			d.add(q, 0, header, buf{0, 0xFFFF_FFFF, true}, status)
		}},
		{"no status", "a block request with 16 bytes to read and 0 to write", func(b *board, d *driver, q *vring) { d.add(q, 0, header) }},
		{"no header", "a block request with 15 bytes to read and 1 to write", func(b *board, d *driver, q *vring) {
			d.add(q, 0, buf{headerAt, 15, false}, status)
		}},
		{"descriptors out of reach", "descriptor at 0x40000000: DECERR", func(b *board, d *driver, q *vring) {
			d.add(q, 0, header, data, status)
			b.protect(q.desc, 0x1000)
		}},
		{"driver area out of reach", "available index at 0x40004002: DECERR", func(b *board, d *driver, q *vring) {
			d.add(q, 0, header, data, status)
			b.protect(q.avail, 0x1000)
		}},
		{"device area out of reach", "used ring at 0x40008004: DECERR", func(b *board, d *driver, q *vring) {
			d.add(q, 0, header, data, status)
			b.protect(q.used, 0x1000)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, d, _ := newDisk(t, 64)
			features := uint64(FeatureVersion1 | FeatureIndirectDesc)
			d.start(features, 16)
			b.protect(wall, 0x1000)
			d.write(headerAt, 8, BlockIn)
			b.irq.edges = 0
			c.do(b, d, &d.queues[0])
			d.set(QueueNotify, 0)
			b.finish()
			if s := d.get(Status); s != 0xF|StatusNeedsReset {
				t.Errorf("status %#x", s)
			}
			if !strings.Contains(b.log.String(), "guest virtio: DEVICE_NEEDS_RESET cause="+c.cause) {
				t.Errorf("events:\n%s\nwant %q", b.log.String(), c.cause)
			}
			if v := d.acknowledge(); v&IntConfig == 0 || b.irq.level {
				t.Errorf("interrupt status %#x", v)
			}
			// It stays dead, and cannot be talked out of it, until it is reset.
			d.set(Status, 0xF)
			d.set(QueueNotify, 0)
			if s := d.get(Status); s != 0xF|StatusNeedsReset || b.clock.Next() != vtime.Never {
				t.Errorf("status %#x", s)
			}
			b.protect(wall, 0x1000)
			d.start(features, 16)
			if s, _ := d.request(false, blockRequest{BlockIn, 0, []buf{data}}); s != BlockOK {
				t.Errorf("status %d after the reset", s)
			}
		})
	}
}

// An indirect descriptor that was not agreed on.
func TestIndirectNotAgreedOn(t *testing.T) {
	b, d, _ := newDisk(t, 64)
	d.start(FeatureVersion1, 16)
	d.add(&d.queues[0], tableAt, buf{headerAt, 16, false}, buf{statusAt, 1, true})
	d.set(QueueNotify, 0)
	b.finish()
	if d.get(Status)&StatusNeedsReset == 0 {
		t.Error("it is served")
	}
}

// The longest chain there may be is served: as descriptors with a table behind them.
func TestLongestChain(t *testing.T) {
	b, d, disk := newDisk(t, 64)
	d.start(FeatureVersion1|FeatureIndirectDesc, MaxQueueSize)
	q := &d.queues[0]
	d.write(headerAt, 8, BlockIn)
	d.write(headerAt+8, 8, 0)
	const n = 1023 // descriptors of the table
	d.describe(q.desc, buf{headerAt, 16, false}, descNext, 1)
	d.describe(q.desc+16, buf{tableAt, 16 * n, false}, descIndirect, 0)
	for i := range uint64(n) {
		switch data := dataAt + 32*i; i {
		case n - 1:
			d.describe(tableAt+16*i, buf{statusAt, 1, true}, 0, 0)
		case n - 2:
			d.describe(tableAt+16*i, buf{data, 24, true}, descNext, n-1)
		default:
			d.describe(tableAt+16*i, buf{data, 8, true}, descNext, uint16(i+1))
		}
	}
	d.publish(q, 0)
	d.notify(q)
	if _, w := d.used(q); w != 16*SectorSize+1 {
		t.Errorf("%d bytes written", w)
	}
	if s := d.read(statusAt, 1); s != BlockOK {
		t.Fatalf("status %d", s)
	}
	for i := range n - 2 {
		if !bytes.Equal(b.memory(dataAt+32*uint64(i), 8), disk.data[8*i:8*i+8]) {
			t.Fatalf("buffer %d is wrong", i)
		}
	}
	// One more is refused.
	d.describe(q.desc, buf{headerAt, 8, false}, descNext, 1)
	d.describe(q.desc+16, buf{headerAt + 8, 8, false}, descNext, 2)
	d.describe(q.desc+32, buf{tableAt, 16 * n, false}, descIndirect, 0)
	d.publish(q, 0)
	d.notify(q)
	b.finish()
	if d.get(Status)&StatusNeedsReset == 0 {
		t.Error("a chain of 1025 descriptors is served")
	}
}

// FuzzQueue gives each device queues in memory that the fuzzer wrote.
func FuzzQueue(f *testing.F) {
	words := func(v ...uint64) (p []byte) {
		for _, w := range v {
			p = binary.LittleEndian.AppendUint64(p, w)
		}
		return p
	}
	// Each program is the first bytes of memory: descriptors, then at 0x100 the driver area, then at 0x200 the device area.
	seed := append(words(ramBase+0x300, 16|1<<32|1<<48, ramBase+0x400, 512|3<<32|2<<48, ramBase+0x300, 1|2<<32), make([]byte, 0x300)...)
	copy(seed[0x100:], words(1<<16))
	f.Add(uint8(0), seed)
	f.Add(uint8(1), seed)
	f.Add(uint8(2), append(words(ramBase+0x10, 0x20|4<<32), words(ramBase+0x300, 16|1<<32, ramBase+0x300, 9|2<<32)...))
	f.Add(uint8(7), seed)
	boards := map[uint8]*driver{}
	for kind := range uint8(4) {
		devices := []Device{NewBlock(NewOverlay(&disk{data: pattern(1<<16, 3)}), 1<<40, false, "id"),
			NewConsole(new(strings.Builder)), NewEntropy([32]byte{1}), NewBlock(&disk{}, 512, true, "")}
		b, d := newDriver(f, devices[kind])
		b.slots[slot].events = nil
		if kind == 0 {
			devices[0].(*Block).storage = NewOverlay(&disk{data: pattern(1<<16, 3)})
		}
		boards[kind] = d
	}
	f.Fuzz(func(t *testing.T, options uint8, memory []byte) {
		d := boards[options&3]
		b := d.machine.(*board)
		b.t, d.t = t, t
		features := uint64(FeatureVersion1)
		if options&4 != 0 {
			features |= FeatureEventIdx
		}
		if options&8 != 0 {
			features |= FeatureIndirectDesc
		}
		if !d.negotiate(features) {
			t.Fatal("refused")
		}
		for n := range b.slots[slot].queues {
			d.set(QueueSel, uint32(n))
			d.set(QueueNum, 16)
			d.set(QueueDescLow, ramBase)
			d.set(QueueDriverLow, ramBase+0x100)
			d.set(QueueDeviceLow, ramBase+0x200)
			d.set(QueueReady, 1)
		}
		b.bus.Zero(ramBase, 0x2000, secure)
		b.fill(ramBase, memory[:min(len(memory), 0x2000)])
		d.set(Status, 0xF)
		if c, ok := b.slots[slot].device.(*Console); ok {
			c.Receive([]byte("typed"))
		}
		d.set(QueueNotify, 0)
		// Whatever is in memory, each step is short, time goes on, and the slot is in order. It need not come to an end: chains may
		// be long, and the device's own writes may make new ones.
		same := 0
		for n := 0; n < 60 && b.clock.Next() != vtime.Never; n++ {
			before := b.clock.Now()
			b.step()
			if same++; b.clock.Now() != before {
				same = 0
			}
			if same > 3 {
				t.Fatal("time stands still")
			}
			s := b.slots[slot]
			if (s.phase == idle) != (b.clock.Next() == vtime.Never) || s.onBus || b.irq.level != (s.interrupts != 0) {
				t.Fatalf("phase %d, next step at %d, on the bus %v, line %v", s.phase, b.clock.Next(), s.onBus, b.irq.level)
			}
		}
		d.set(Status, 0)
		if b.clock.Next() != vtime.Never || b.irq.level {
			t.Fatal("it goes on after a reset")
		}
	})
}

// FuzzRegisters runs a program of register accesses and pauses.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0x70, 2, 1, 0x70, 2, 0xB, 0x38, 2, 8, 0x44, 2, 1, 0x70, 2, 0xF, 0x50, 2, 0, 0, 0x80, 0})
	devices := []Device{NewBlock(&disk{data: pattern(4096, 1)}, 4096, false, ""), NewConsole(new(strings.Builder)), NewEntropy([32]byte{})}
	var boards []*board
	for _, d := range devices {
		b := newBoard(f, d)
		b.slots[slot].events = nil
		boards = append(boards, b)
	}
	f.Fuzz(func(t *testing.T, prog []byte) {
		for _, b := range boards {
			b.t = t
			b.slots.Reset()
			for p := prog; len(p) >= 3; p = p[3:] {
				off, op, v := uint64(p[0])*2, p[1], uint64(p[2])|uint64(p[1]>>4)<<28
				size := 1 << (op & 3)
				off &^= uint64(size - 1)
				if op&0x80 != 0 && b.clock.Next() != vtime.Never {
					b.step()
				}
				if op&4 != 0 {
					b.bus.Load(base+slot*SlotSize+off, size, cpu)
				} else {
					b.bus.Store(base+slot*SlotSize+off, size, v, cpu)
				}
				s := b.slots[slot]
				if (s.phase == idle) != (b.clock.Next() == vtime.Never) || b.irq.level != (s.interrupts != 0) {
					t.Fatalf("phase %d, next step at %d, line %v", s.phase, b.clock.Next(), b.irq.level)
				}
				if s.running() && (!s.has(FeatureVersion1) || s.features&^s.offered() != 0) {
					t.Fatalf("it runs with features %#x", s.features)
				}
			}
		}
	})
}
