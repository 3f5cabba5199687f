package virtio

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// modes runs a test with every way to describe and to notify.
func modes(t *testing.T, test func(t *testing.T, features uint64, indirect bool)) {
	for _, features := range []uint64{FeatureVersion1, FeatureVersion1 | FeatureEventIdx} {
		for _, indirect := range []bool{false, true} {
			f := features
			if indirect {
				f |= FeatureIndirectDesc
			}
			t.Run(fmt.Sprintf("event=%v,indirect=%v", features&FeatureEventIdx != 0, indirect), func(t *testing.T) {
				test(t, f|BlockFeatureFlush|BlockFeatureSegMax|BlockFeatureBlkSize, indirect)
			})
		}
	}
}

func TestBlock(t *testing.T) {
	modes(t, func(t *testing.T, features uint64, indirect bool) {
		b, d, disk := newDisk(t, 600)
		d.start(features, 16)
		expect := func(r blockRequest, status uint8, written uint32) {
			t.Helper()
			if s, w := d.request(indirect, r); s != status || w != written {
				t.Errorf("%+v: status %d, %d bytes written, want %d, %d", r, s, w, status, written)
			}
			if features&FeatureEventIdx == 0 && d.acknowledge() != IntUsedBuffer {
				t.Error("no interrupt")
			}
		}
		expect(blockRequest{BlockIn, 2, []buf{{dataAt, 1024, true}}}, BlockOK, 1025)
		if !bytes.Equal(b.memory(dataAt, 1024), disk.data[1024:2048]) {
			t.Error("wrong data")
		}
		// Buffers of any size, at any place; more than a chunk.
		n := 2*Chunk + 5*SectorSize
		expect(blockRequest{BlockIn, 7, []buf{{dataAt + 3, 1, true}, {dataAt + 0x10_0001, uint32(n - 1), true}}}, BlockOK, uint32(n+1))
		got := append(b.memory(dataAt+3, 1), b.memory(dataAt+0x10_0001, n-1)...)
		if !bytes.Equal(got, disk.data[7*512:7*512+n]) {
			t.Error("wrong data")
		}
		want := bytes.Clone(disk.data)
		data := pattern(n, 99)
		copy(want[100*512:], data)
		b.fill(dataAt+9, data)
		expect(blockRequest{BlockOut, 100, []buf{{dataAt + 9, 511, false}, {dataAt + 9 + 511, uint32(n - 511), false}}}, BlockOK, 1)
		expect(blockRequest{BlockFlush, 0, nil}, BlockOK, 1)
		if !bytes.Equal(disk.data, want) || disk.syncs != 1 {
			t.Errorf("the disk is wrong, %d flushes", disk.syncs)
		}
		expect(blockRequest{BlockGetID, 0, []buf{{dataAt, 20, true}}}, BlockOK, 21)
		if s := string(b.memory(dataAt, 20)); strings.TrimRight(s, "\x00") != "serial" {
			t.Errorf("serial number %q", s)
		}
		expect(blockRequest{BlockGetID, 0, []buf{{dataAt, 3, true}}}, BlockOK, 4)
		// The last sector, and what is behind it.
		expect(blockRequest{BlockIn, 599, []buf{{dataAt, 512, true}}}, BlockOK, 513)
		for _, r := range []blockRequest{
			{BlockIn, 600, []buf{{dataAt, 512, true}}}, {BlockIn, 599, []buf{{dataAt, 1024, true}}},
			{BlockIn, 1<<64 - 1, []buf{{dataAt, 1024, true}}}, {BlockIn, 1 << 55, []buf{{dataAt, 512, true}}},
			{BlockIn, 601, nil}, {BlockIn, 0, []buf{{dataAt, 511, true}}}, {BlockOut, 600, []buf{{dataAt, 512, false}}},
			{BlockOut, 0, []buf{{dataAt, 513, false}}},
		} {
			written := uint32(1) // the status, where no data should have come before it
			if r.kind == BlockIn && r.data != nil {
				written = 0
			}
			expect(r, BlockIOErr, written)
		}
		for _, kind := range []uint32{2, 3, 5, 11, 13, 0xFFFF_FFFF} {
			expect(blockRequest{kind, 0, []buf{{dataAt, 512, false}}}, BlockUnsupp, 1)
		}
		if !bytes.Equal(disk.data, want) {
			t.Error("a failed request changes the disk")
		}
		disk.broken = errors.New("worn out")
		expect(blockRequest{BlockOut, 0, []buf{{dataAt, 512, false}}}, BlockIOErr, 1)
		expect(blockRequest{BlockFlush, 0, nil}, BlockIOErr, 1)
		b.fill(dataAt, make([]byte, 512))
		expect(blockRequest{BlockIn, 0, []buf{{dataAt, 512, true}}}, BlockIOErr, 0)
		if !bytes.Equal(b.memory(dataAt, 512), make([]byte, 512)) {
			t.Error("a failed read writes")
		}
	})
}

// The header and the status may share buffers with the data (VIRTIO 2.7.4.1: framing is the driver's).
func TestBlockFraming(t *testing.T) {
	b, d, disk := newDisk(t, 8)
	d.start(FeatureVersion1, 64)
	q := &d.queues[0]
	b.fill(headerAt, append([]byte{BlockOut, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0}, pattern(512, 5)...))
	d.add(q, 0, buf{headerAt, 16 + 512, false}, buf{statusAt, 1, true})
	d.notify(q)
	d.used(q)
	if !bytes.Equal(disk.data[3*512:4*512], pattern(512, 5)) {
		t.Error("the disk is wrong")
	}
	b.fill(headerAt, []byte{BlockIn})
	var chain []buf
	for i := range uint64(16) {
		chain = append(chain, buf{headerAt + i, 1, false})
	}
	d.add(q, 0, append(chain, buf{dataAt, 0, true}, buf{dataAt, 513, true})...)
	d.notify(q)
	if _, n := d.used(q); n != 513 {
		t.Errorf("%d bytes written", n)
	}
	if !bytes.Equal(b.memory(dataAt, 513), append(pattern(512, 5), BlockOK)) {
		t.Error("wrong data")
	}
}

func TestBlockReadOnly(t *testing.T) {
	disk := &disk{data: pattern(512*4, 7)}
	_, d := newDriver(t, NewBlock(disk, 512*4, true, ""))
	d.start(FeatureVersion1|BlockFeatureRO, 8)
	want := bytes.Clone(disk.data)
	if s, _ := d.request(false, blockRequest{BlockOut, 1, []buf{{dataAt, 512, false}}}); s != BlockIOErr {
		t.Errorf("status %d", s)
	}
	if s, _ := d.request(false, blockRequest{BlockIn, 1, []buf{{dataAt, 512, true}}}); s != BlockOK {
		t.Errorf("status %d", s)
	}
	if !bytes.Equal(disk.data, want) {
		t.Error("the disk was written")
	}
}

// The end of an image that is no whole number of sectors reads as zeros.
func TestBlockOddSize(t *testing.T) {
	disk := &disk{data: pattern(700, 7)}
	b, d := newDriver(t, NewBlock(disk, 700, false, ""))
	d.start(FeatureVersion1, 8)
	b.fill(dataAt, pattern(1024, 3))
	if s, _ := d.request(false, blockRequest{BlockIn, 0, []buf{{dataAt, 1024, true}}}); s != BlockOK {
		t.Errorf("status %d", s)
	}
	if !bytes.Equal(b.memory(dataAt, 1024), append(pattern(700, 7), make([]byte, 324)...)) {
		t.Error("wrong data")
	}
}

// What the firewall protects is neither read nor written, and the driver learns of it by the status.
func TestBlockProtected(t *testing.T) {
	modes(t, func(t *testing.T, features uint64, indirect bool) {
		b, d, disk := newDisk(t, 1000)
		d.start(features, 16)
		const wall, size = heap + 0x20_0000, 0x1_0000
		b.protect(wall, size)
		secret := pattern(size, 0x55)
		b.fill(wall, secret)
		want := bytes.Clone(disk.data)
		expect := func(r blockRequest, status uint8, written uint32) {
			t.Helper()
			if s, w := d.request(indirect, r); s != status || w != written {
				t.Errorf("%+v: status %d, %d bytes written, want %d, %d", r, s, w, status, written)
			}
		}
		for _, at := range []uint64{wall, wall + size - 512, wall - 256, wall + size - 256} {
			expect(blockRequest{BlockOut, 0, []buf{{at, 512, false}}}, BlockIOErr, 1)
		}
		expect(blockRequest{BlockOut, 0, []buf{{dataAt, 511, false}, {wall, 513, false}}}, BlockIOErr, 1)
		if !bytes.Equal(disk.data, want) {
			t.Error("protected memory is on the disk")
		}
		// A long write stops at the chunk in which it is refused.
		b.fill(wall-Chunk-512, make([]byte, Chunk+512))
		expect(blockRequest{BlockOut, 0, []buf{{wall - Chunk - 512, 2 * Chunk, false}}}, BlockIOErr, 1)
		clear(want[:Chunk])
		if !bytes.Equal(disk.data, want) {
			t.Error("the disk is wrong")
		}
		expect(blockRequest{BlockIn, 0, []buf{{wall, 512, true}}}, BlockIOErr, 0)
		expect(blockRequest{BlockIn, 0, []buf{{dataAt, 512, true}, {wall, 512, true}}}, BlockIOErr, 512)
		expect(blockRequest{BlockGetID, 0, []buf{{wall, 20, true}}}, BlockIOErr, 0)
		if !bytes.Equal(b.memory(wall, size), secret) {
			t.Error("protected memory was written")
		}
		// A request whose header or status is out of reach.
		q := &d.queues[0]
		d.add(q, 0, buf{wall, 16, false}, buf{dataAt, 512, true}, buf{statusAt, 1, true})
		d.notify(q)
		d.used(q)
		if s := d.read(statusAt, 1); s != BlockIOErr {
			t.Errorf("status %d", s)
		}
		d.write(headerAt, 8, BlockIn)
		d.add(q, 0, buf{headerAt, 16, false}, buf{dataAt, 512, true}, buf{wall, 1, true})
		d.notify(q)
		if _, n := d.used(q); n != 512 {
			t.Errorf("%d bytes written", n)
		}
		if !bytes.Equal(b.memory(wall, size), secret) {
			t.Error("protected memory was written")
		}
		if !strings.Contains(b.log.String(), "ERROR status=1 cause=DECERR nsaid=8\n") {
			t.Errorf("events:\n%s", b.log.String())
		}
		expect(blockRequest{BlockIn, 0, []buf{{dataAt, 512, true}}}, BlockOK, 513) // it works on
	})
}

// Memory that is protected while a request is under way is lost to the rest of it.
func TestBlockProtectedMeanwhile(t *testing.T) {
	b, d, disk := newDisk(t, 1000)
	d.start(FeatureVersion1, 16)
	q := &d.queues[0]
	d.write(headerAt, 8, BlockIn)
	d.write(headerAt+8, 8, 0)
	d.add(q, 0, buf{headerAt, 16, false}, buf{dataAt, 4 * Chunk, true}, buf{statusAt, 1, true})
	d.notify(q)
	for range 3 {
		b.step()
	}
	b.protect(dataAt, 4*Chunk)
	_, n := d.used(q)
	if s := d.read(statusAt, 1); s != BlockIOErr || n%Chunk != 0 || n == 0 || n >= 4*Chunk {
		t.Fatalf("status %d, %d bytes", s, n)
	}
	if !bytes.Equal(b.memory(dataAt, 4*Chunk), append(bytes.Clone(disk.data[:n]), make([]byte, 4*Chunk-n)...)) {
		t.Error("wrong data")
	}
}

// The time of a request is its latency and that of its bytes.
func TestBlockTime(t *testing.T) {
	b, d, _ := newDisk(t, 1000)
	d.start(FeatureVersion1, 16)
	b.finish()
	for _, n := range []uint32{512, 4096, Chunk, Chunk + 512, 5 * Chunk} {
		b.clock.Advance(b.clock.Now() + 12345)
		start := b.clock.Now()
		d.request(false, blockRequest{BlockIn, 0, []buf{{dataAt, n, true}}})
		if took := b.clock.Now() - start; took != Latency+uint64(n)*ByteTime {
			t.Errorf("%d bytes took %d ns", n, took)
		}
		b.finish()
	}
}

// TestBlockAgainstModel keeps many requests in the queue, of all kinds, and compares disk and memory with what they ask for.
func TestBlockAgainstModel(t *testing.T) {
	modes(t, func(t *testing.T, features uint64, indirect bool) {
		const sectors = 512
		b, d, disk := newDisk(t, sectors)
		d.start(features, 128)
		q := &d.queues[0]
		want := bytes.Clone(disk.data)
		r := rand.New(rand.NewPCG(features, 12))
		type pending struct {
			status uint64
			in     []buf
			data   []byte
		}
		for range 30 {
			jobs := map[uint32]pending{}
			at := uint64(heap)
			take := func(n uint64) uint64 { at += n + uint64(r.IntN(9)); return at - n }
			for range 1 + r.IntN(6) {
				n := r.IntN(40)
				sector := r.IntN(sectors - n)
				h, s := take(16), take(1)
				kind := uint64(r.IntN(2))
				b.fill(h, append([]byte{byte(kind), 0, 0, 0, 0, 0, 0, 0}, append(little16(uint16(sector)), make([]byte, 6)...)...))
				chain := []buf{{h, 16, false}}
				var data []buf
				for left := uint32(n * SectorSize); left > 0; {
					k := min(left, 1+uint32(r.IntN(8192)))
					data = append(data, buf{take(uint64(k)), k, kind == BlockIn})
					left -= k
				}
				part := want[sector*SectorSize : (sector+n)*SectorSize]
				if kind == BlockOut {
					off := 0
					for _, d := range data {
						p := pattern(int(d.len), byte(r.Uint32()))
						b.fill(d.addr, p)
						off += copy(part[off:], p)
					}
				}
				chain = append(append(chain, data...), buf{s, 1, true})
				table := uint64(0)
				if indirect {
					at += -at & 15
					table = take(uint64(16 * len(chain)))
					table -= table % 16
					at += 16
				}
				head := d.add(q, table, chain...)
				p := pending{status: s}
				if kind == BlockIn {
					p.in, p.data = data, bytes.Clone(part)
				}
				jobs[uint32(head)] = p
				if r.IntN(2) == 0 {
					d.notify(q)
				}
			}
			d.set(QueueNotify, 0)
			for range len(jobs) {
				head, _ := d.used(q)
				p, ok := jobs[head]
				if !ok {
					t.Fatalf("chain %d is used and was not available", head)
				}
				delete(jobs, head)
				if s := d.read(p.status, 1); s != BlockOK {
					t.Fatalf("status %d", s)
				}
				var got []byte
				for _, i := range p.in {
					got = append(got, b.memory(i.addr, int(i.len))...)
				}
				if !bytes.Equal(got, p.data) {
					t.Fatal("wrong data")
				}
			}
			if !bytes.Equal(disk.data, want) {
				t.Fatal("the disk is wrong")
			}
		}
	})
}

// TestInterrupts: with EVENT_IDX one comes for the entry that the driver waits for, else for each that does not forbid it.
func TestInterrupts(t *testing.T) {
	b, d, _ := newDisk(t, 8)
	d.start(FeatureVersion1, 8)
	read := blockRequest{BlockIn, 0, []buf{{dataAt, 512, true}}}
	d.request(false, read)
	if b.irq.edges != 1 || d.acknowledge() != IntUsedBuffer {
		t.Error("no interrupt")
	}
	d.write(d.queues[0].avail, 2, noInterrupt)
	d.request(false, read)
	if b.irq.edges != 1 || d.get(InterruptStatus) != 0 {
		t.Error("an interrupt that the driver forbids")
	}
	d.start(FeatureVersion1|FeatureEventIdx, 8)
	q := &d.queues[0]
	b.irq.edges = 0
	d.request(false, read) // event 0, which is the first one
	if b.irq.edges != 1 || d.acknowledge() != IntUsedBuffer {
		t.Error("no interrupt")
	}
	for range 3 {
		d.request(false, read) // the driver waits for the next one each time
		d.acknowledge()
	}
	if b.irq.edges != 4 {
		t.Errorf("%d interrupts", b.irq.edges)
	}
	d.write(q.avail+4+2*8, 2, uint64(q.lastUsed+1)) // for the one behind the next
	for want := range 2 {
		d.write(headerAt, 8, BlockIn)
		d.add(q, 0, buf{headerAt, 16, false}, buf{dataAt, 512, true}, buf{statusAt, 1, true})
		d.notify(q)
		b.finish()
		if got := b.irq.edges - 4; got != want {
			t.Errorf("%d interrupts, want %d", got, want)
		}
	}
}

func TestOverlay(t *testing.T) {
	base := pattern(3*overlayBlock+100, 9)
	o := NewOverlay(bytes.NewReader(base))
	want := append(bytes.Clone(base), make([]byte, 5*overlayBlock)...)
	r := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		off := r.IntN(len(want))
		n := r.IntN(min(len(want)-off, 3*overlayBlock) + 1)
		p := make([]byte, n)
		if r.IntN(2) == 0 {
			p = pattern(n, byte(r.Uint32()))
			copy(want[off:], p)
			if k, err := o.WriteAt(p, int64(off)); k != n || err != nil {
				t.Fatal(k, err)
			}
		} else if k, err := o.ReadAt(p, int64(off)); k != n || err != nil || !bytes.Equal(p, want[off:off+n]) {
			t.Fatal("wrong data", k, err)
		}
	}
	if !bytes.Equal(base, pattern(len(base), 9)) {
		t.Error("the base was written")
	}
	bad := NewOverlay(&disk{broken: errors.New("gone")})
	if _, err := bad.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("no error from the base")
	}
	if _, err := bad.WriteAt(make([]byte, 1), 0); err == nil {
		t.Error("no error from the base")
	}
	if _, err := bad.WriteAt(make([]byte, overlayBlock), 0); err != nil {
		t.Error("a whole block needs no base")
	}
}
