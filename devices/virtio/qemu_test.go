package virtio

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/devices/internal/qtest"
)

// qemu is a driver's machine in QEMU.
type qemu struct {
	t *testing.T
	*qtest.Machine
}

func (q qemu) read(addr uint64, size int) uint64     { return q.Read(addr, size) }
func (q qemu) write(addr uint64, size int, v uint64) { q.Write(addr, size, v) }

// wait asks until QEMU's own threads have done their work.
func (q qemu) wait(done func() bool) {
	q.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			q.t.Fatal("QEMU's device does not get on")
		}
	}
}

func startQEMU(t *testing.T, image []byte, args ...string) *driver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	q := qtest.Start(t, append([]string{"-M", "virt", "-m", "64", "-global", "virtio-mmio.force-legacy=false",
		"-drive", "if=none,id=d,format=raw,file=" + path}, args...)...)
	return &driver{machine: qemu{t, q}, t: t}
}

// TestRegistersAgainstQEMU compares the slots of the board, and a slot with a block device through its life.
func TestRegistersAgainstQEMU(t *testing.T) {
	q := startQEMU(t, make([]byte, 4096), "-device", "virtio-blk-device,drive=d,serial=abc")
	b, d := newDriver(t, NewBlock(&disk{data: make([]byte, 4096)}, 4096, false, "abc"))
	for n := range uint64(NumSlots) {
		for off := uint64(0); off < SlotSize; off += 4 {
			if n == slot && (off == DeviceFeatures || off == SHMBaseLow || off == SHMBaseHigh || off >= Config) {
				continue // QEMU's address of a region that does not exist is 0
			}
			at := base + n*SlotSize + off
			if got, want := d.read(at, 4), q.read(at, 4); got != want {
				t.Errorf("slot %d, register %#x = %#x, QEMU %#x", n, off, got, want)
			}
		}
	}
	// QEMU offers more, and nothing less.
	for _, sel := range []uint32{0, 1} {
		if f, more := d.half(sel), q.half(sel); f&^more != 0 {
			t.Errorf("features %#x, QEMU %#x", f, more)
		}
	}
	for _, off := range []uint64{configCapacity, configCapacity + 4, configBlkSize} {
		if got, want := d.config(off), q.config(off); got != want {
			t.Errorf("configuration %#x = %#x, QEMU %#x", off, got, want)
		}
	}
	compare := func(what string) {
		t.Helper()
		for off := uint64(0); off < Config; off += 4 {
			got, want := d.get(off), q.get(off)
			switch off {
			case DeviceFeatures, SHMBaseLow, SHMBaseHigh:
				continue
			case ConfigGeneration:
				want = 0 // QEMU counts changes of the device's state
			case InterruptStatus:
				if want&IntConfig != 0 {
					want &^= IntUsedBuffer // of which there is none: QEMU sets both
				}
			}
			if got != want {
				t.Errorf("%s: register %#x = %#x, QEMU %#x", what, off, got, want)
			}
		}
	}
	both := func(what string, do func(d *driver)) {
		t.Helper()
		do(d)
		do(q)
		compare(what)
	}
	both("selectors", func(d *driver) { d.set(DeviceFeaturesSel, 1); d.set(DriverFeaturesSel, 1) })
	both("another queue", func(d *driver) { d.set(QueueSel, 1) })
	both("negotiation", func(d *driver) { d.negotiate(FeatureVersion1 | BlockFeatureFlush) })
	both("queue", func(d *driver) { d.set(QueueSel, 0); d.setup(16) })
	both("driver", func(d *driver) { d.set(Status, 0xF) })
	both("a request", func(d *driver) {
		if s, n := d.request(false, blockRequest{BlockIn, 1, []buf{{dataAt, 512, true}}}); s != BlockOK || n != 513 {
			t.Errorf("status %d, %d bytes", s, n)
		}
	})
	both("no acknowledgement", func(d *driver) { d.set(InterruptACK, 2) })
	both("acknowledgement", func(d *driver) { d.set(InterruptACK, 1) })
	both("a queue that stops", func(d *driver) { d.set(QueueReady, 0) })
	both("reset", func(d *driver) { d.set(Status, 0) })
	b.finish()
	// A driver that broke a rule.
	for _, break_ := range []func(d *driver){
		func(d *driver) { d.publish(&d.queues[0], 99) },
		func(d *driver) {
			d.describe(d.queues[0].desc, buf{headerAt, 16, false}, descNext, 0)
			d.publish(&d.queues[0], 0)
		},
		func(d *driver) { d.add(&d.queues[0], 0, buf{headerAt, 16, false}) },
		func(d *driver) { d.write(d.queues[0].avail+2, 2, 17) },
	} {
		both("a broken rule", func(d *driver) {
			d.start(FeatureVersion1, 16)
			break_(d)
			d.set(QueueNotify, 0)
			d.wait(func() bool { return d.get(Status)&StatusNeedsReset != 0 })
		})
	}
}

// TestBlockAgainstQEMU runs the same requests on both disks, good ones and bad ones, and compares statuses, sizes and memory.
func TestBlockAgainstQEMU(t *testing.T) {
	const sectors, window = 64, 0x1000
	const serial = "0123456789abcdefghij" // QEMU does not pad shorter ones
	image := pattern(sectors*SectorSize, 1)
	for _, f := range []uint64{FeatureVersion1, FeatureVersion1 | FeatureEventIdx | FeatureIndirectDesc} {
		q := startQEMU(t, image, "-device", "virtio-blk-device,drive=d,serial="+serial)
		_, d := newDriver(t, NewBlock(&disk{data: bytes.Clone(image)}, uint64(len(image)), false, serial))
		for _, d := range []*driver{d, q} {
			d.start(f|BlockFeatureFlush, 16)
			for at := uint64(dataAt); at < dataAt+window; at += 8 {
				d.write(at, 8, 0)
			}
		}
		r := rand.New(rand.NewPCG(f, 5))
		for i := range 60 {
			req := blockRequest{kind: []uint32{BlockIn, BlockOut, BlockFlush, BlockGetID, BlockIn, BlockOut, 77}[r.IntN(7)]}
			n := uint32(r.IntN(4)) * SectorSize
			req.sector = uint64(r.IntN(sectors - int(n/SectorSize) + 1))
			switch {
			case req.kind == BlockFlush:
				n, req.sector = 0, 0
			case req.kind == BlockGetID:
				n, req.sector = 20, 0
			case r.IntN(10) == 0:
				req.sector = sectors - uint64(r.IntN(2))
			case r.IntN(20) == 0:
				req.sector = r.Uint64()
			}
			for off := uint64(r.IntN(64)); n > 0; {
				k := min(n, 1+uint32(r.IntN(1024)))
				req.data = append(req.data, buf{dataAt + off, k, req.kind != BlockOut})
				off += uint64(k)
				n -= k
			}
			indirect := f&FeatureIndirectDesc != 0 && r.IntN(2) == 0
			got, size := d.request(indirect, req)
			want, wantSize := q.request(indirect, req)
			// What a device says it wrote counts for requests that went well.
			if got != want || got == BlockOK && size != wantSize {
				t.Fatalf("%+v: status %d, %d bytes, QEMU %d, %d", req, got, size, want, wantSize)
			}
			if got == BlockOK {
				if a, b := d.acknowledge(), q.acknowledge(); a != b {
					t.Fatalf("interrupt status %#x, QEMU %#x", a, b)
				}
			}
			if i%8 == 0 {
				for at := uint64(dataAt); at < dataAt+window; at += 8 {
					v := r.Uint64()
					d.write(at, 8, v)
					q.write(at, 8, v)
				}
			} else {
				for at := uint64(dataAt); at < dataAt+window; at += 8 {
					if got, want := d.read(at, 8), q.read(at, 8); got != want {
						t.Fatalf("%+v: memory at %#x = %#x, QEMU %#x", req, at, got, want)
					}
				}
			}
		}
	}
}
