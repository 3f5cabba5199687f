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

// What the controller cannot prevent. It knows of addresses and identities, not of where data comes from: a master that reads protected
// memory and writes ordinary memory under one identity copies the one to the other for whom programs it, and that is the normal world.
// Only the crypto engine has an identity against that, by the policy of a key.
//
// The rows name who does so: without any mapping where the use case admits the master for good, only while the master has the buffer
// mapped for reading with the policy map.
func TestCopies(t *testing.T) {
	always := map[heap.ID][]string{
		heap.SecureVideoPlay:   {"transform", "decoder"},
		heap.TrustedUI:         nil,
		heap.SecureVideoRecord: {"transform", "encoder", "crypto, a key that wraps"},
	}
	whileMapped := map[heap.ID][]string{
		heap.SecureVideoPlay:   {"transform", "decoder", "encoder", "crypto, a key that wraps"},
		heap.TrustedUI:         nil,
		heap.SecureVideoRecord: {"transform", "decoder", "encoder", "crypto, a key that wraps"},
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
	run  func(src, dst []dmabuf.Segment) error
}

func (w *world) engines() []copier {
	crypto := func(k slot) func(src, dst []dmabuf.Segment) error {
		return func(src, dst []dmabuf.Segment) error {
			return w.l.Crypto.Run(&driver.CryptoJob{CBC: k.cbc, Decrypt: !k.cbc, Slot: k.n, Length: 64,
				Source: driver.Buffer{Segs: src, Length: 64}, Dest: driver.Buffer{Segs: dst, Length: 64}})
		}
	}
	picture := func(segs []dmabuf.Segment) driver.Picture {
		return driver.Frame(driver.RGB565, driver.BT601Full, 32, 16, segs, 0)
	}
	return []copier{
		{"transform", w.l.Transform.Device, func(src, dst []dmabuf.Segment) error {
			from := picture(src)
			return w.l.Transform.Run(&driver.TransformJob{Source: &from, Dest: picture(dst)})
		}},
		{"decoder", w.l.Decoder.Device, func(src, dst []dmabuf.Segment) error {
			to := driver.Frame(driver.NV12, driver.BT601Full, 64, 32, dst, 0)
			_, err := w.l.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: driver.Buffer{Segs: src, Length: uint32(len(w.stream))}, Dest: &to})
			return err
		}},
		{"encoder", w.l.Encoder.Device, func(src, dst []dmabuf.Segment) error {
			_, err := w.l.Encoder.Run(&driver.EncodeJob{Source: driver.Frame(driver.NV12, driver.BT601Full, 32, 16, src, 0),
				Stream: driver.Buffer{Segs: dst}, Quality: 90})
			return err
		}},
		{"crypto, a key for protected content", w.l.Crypto.Device, crypto(w.slots[0])},
		{"crypto, a key of the normal world", w.l.Crypto.Device, crypto(w.slots[1])},
		{"crypto, a key that wraps", w.l.Crypto.Device, crypto(w.slots[2])}, // what comes out is encrypted
		{"pl080", w.l.DMA.Device, func(src, dst []dmabuf.Segment) error { return w.l.DMA.Copy(dst[0].Addr, src[0].Addr, 64) }},
	}
}

// copies reports whether a master writes anything to ordinary memory that depends on the source. A refused job writes nothing.
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
	err = e.run(src, dst)
	var p [2 * page]byte
	if resp := w.ports[bus.NSAIDAP].Read(dst[0].Addr, p[:]); resp != bus.OKAY {
		t.Fatal(resp)
	}
	must(t, b.Put())
	var j *driver.JobError
	switch {
	case err == nil && p == [2 * page]byte{}:
		t.Errorf("%s: nothing was written", e.name)
	case err != nil && !errors.As(err, &j):
		t.Error(fmt.Errorf("%s: %w", e.name, err))
	case err != nil && p != [2 * page]byte{}:
		t.Errorf("%s: a refused job writes %x", e.name, p[:16])
	}
	return err == nil
}
