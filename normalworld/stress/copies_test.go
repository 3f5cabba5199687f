package stress_test

import (
	"errors"
	"fmt"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/platform/bus"
	wire "gatehouse/smc/optee"
)

// The controller knows of addresses and identities, not of where data comes from: a master that reads protected memory and writes ordinary
// memory under one identity would copy the one to the other for whom programs it, and that is the normal world. So no master does, but
// one: the engines have an identity for each, and what is read with the one for protected memory is not written with the other. The
// exception is a key of the crypto engine whose policy says so, and then what comes out is encrypted.
//
// The rows name who does so: without any mapping where the use case admits the master for good, only while the master has the buffer
// mapped for reading with the policy map.
func TestCopies(t *testing.T) {
	always := map[heap.ID][]string{
		heap.SecureVideoPlay:   nil,
		heap.TrustedUI:         nil,
		heap.SecureVideoRecord: {"crypto, a key that wraps"},
	}
	whileMapped := map[heap.ID][]string{
		heap.SecureVideoPlay:   {"crypto, a key that wraps"},
		heap.TrustedUI:         nil,
		heap.SecureVideoRecord: {"crypto, a key that wraps"},
	}
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		r := newRig(t, abi, policy, wire.UseCaseSecureVideoPlay, 1<<20)
		w := newWorld(t, r)
		seen := 0
		for id := heap.SecureVideoPlay; id <= heap.SecureVideoRecord; id++ {
			h, err := w.l.Heap(id)
			if errors.Is(err, normalworld.ENOENT) {
				continue // there is no carve-out for it
			}
			must(t, err)
			b, err := h.Buffer(2*page, dmabuf.ORdWr)
			if errors.Is(err, normalworld.EOPNOTSUPP) {
				continue
			}
			must(t, err)
			seen++
			shm, err := w.ctx.RegisterBuffer(b)
			must(t, err)
			src := []dmabuf.Segment{{Addr: shm.Pages()[0], Len: 2 * page}}
			shm.Put()
			r.secure.Write(src[0].Addr, w.stream) // as a trusted application would
			engines := w.engines()
			for i := range engines {
				e := &engines[i]
				for _, mapped := range []bool{false, true} {
					want := false
					if policy != lab.Map {
						want = contains(always[id], e.name)
					} else if mapped {
						want = contains(whileMapped[id], e.name)
					}
					got := false
					try := func([]dmabuf.Segment) error {
						got = w.copies(t, e, src)
						return nil
					}
					if mapped {
						if err := visit(b, e.dev, dmabuf.ToDevice, try); err != nil && !errors.Is(err, normalworld.EACCES) {
							t.Error(err)
						}
					} else {
						must(t, try(nil))
					}
					if got != want {
						t.Errorf("%v, %s, mapped %v: copies to ordinary memory: %v, want %v", id, e.name, mapped, got, want)
					}
				}
			}
			must(t, b.Put())
		}
		if seen == 0 {
			t.Error("there is no protected heap")
		}
		must(t, w.grants.Close())
		w.ctx.Close()
		must(t, r.down(w.l))
		must(t, r.open())
	})
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// copier is a master that the normal world programs to read one buffer and write another.
type copier struct {
	name string
	dev  dmabuf.Device
	run  func(src, dst driver.Buffer) error
}

func (w *world) engines() []copier {
	crypto := func(k slot) func(src, dst driver.Buffer) error {
		return func(src, dst driver.Buffer) error {
			src.Length, dst.Length = 64, 64
			return w.l.Crypto.Run(&driver.CryptoJob{CBC: k.cbc, Decrypt: !k.cbc, Slot: k.n, Length: 64,
				Source: src, Dest: dst})
		}
	}
	picture := func(b driver.Buffer) driver.Picture {
		return driver.Frame(driver.RGB565, driver.BT601Full, 32, 16, b)
	}
	return []copier{
		{"transform", w.l.Transform.Device, func(src, dst driver.Buffer) error {
			from := picture(src)
			return w.l.Transform.Run(&driver.TransformJob{Source: &from, Dest: picture(dst)})
		}},
		{"decoder", w.l.Decoder.Device, func(src, dst driver.Buffer) error {
			to := driver.Frame(driver.NV12, driver.BT601Full, 64, 32, dst)
			src.Length = uint32(len(w.stream))
			_, err := w.l.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: src, Dest: &to})
			return err
		}},
		{"encoder", w.l.Encoder.Device, func(src, dst driver.Buffer) error {
			_, err := w.l.Encoder.Run(&driver.EncodeJob{Source: driver.Frame(driver.NV12, driver.BT601Full, 32, 16, src),
				Stream: dst, Quality: 90})
			return err
		}},
		{"crypto, a key for protected content", w.l.Crypto.Device, crypto(w.slots[0])},
		{"crypto, a key of the normal world", w.l.Crypto.Device, crypto(w.slots[1])},
		{"crypto, a key that wraps", w.l.Crypto.Device, crypto(w.slots[2])}, // what comes out is encrypted
		{"pl080", w.l.DMA.Device, func(src, dst driver.Buffer) error { return w.l.DMA.Copy(dst.Segs[0].Addr, src.Segs[0].Addr, 64) }},
	}
}

// copies reports whether a master writes anything to ordinary memory that depends on the source, whatever identities it is told to use.
// A refused job writes nothing.
func (w *world) copies(t *testing.T, e *copier, src []dmabuf.Segment) bool {
	t.Helper()
	h, err := w.l.Heaps.Open(heap.DefaultCMA)
	must(t, err)
	b, err := h.Buffer(2*page, dmabuf.ORdWr)
	must(t, err)
	var dst []dmabuf.Segment
	must(t, visit(b, dmabuf.Device{Name: "test", DMAMask: 1<<64 - 1}, dmabuf.FromDevice, func(segs []dmabuf.Segment) error {
		dst = append(dst, segs...)
		return nil
	}))
	for i := range 4 {
		err = e.run(driver.Buffer{Segs: src, Protected: i&1 != 0}, driver.Buffer{Segs: dst, Protected: i&2 != 0})
		var p [2 * page]byte
		if resp := w.ports[bus.NSAIDAP].Read(dst[0].Addr, p[:]); resp != bus.OKAY {
			t.Fatal(resp)
		}
		var j *driver.JobError
		switch {
		case err == nil && p == [2 * page]byte{}:
			t.Errorf("%s: nothing was written", e.name)
		case err != nil && !errors.As(err, &j):
			t.Error(fmt.Errorf("%s: %w", e.name, err))
		case err != nil && p != [2 * page]byte{}:
			t.Errorf("%s: a refused job writes %x", e.name, p[:16])
		}
		if err == nil {
			break
		}
	}
	must(t, b.Put())
	return err == nil
}
