package lab_test

import (
	"errors"
	"fmt"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/internal/labtest"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/tee/optee"
)

// The tutorial of docs/secure-video-path.md, between the two marks.

// tutorial: begin

// sealedPool is the policy "sealed": as map, but a buffer is written by one device only. Who has mapped it for writing once is the only one
// that may do so again, until the buffer is freed.
type sealedPool struct {
	*optee.MapPool
	writer map[uint64]string // by the buffer's address
}

func newSealedPool(d *optee.Driver, c optee.ProtmemConfig) heap.ProtectedPool {
	pool, ok := optee.NewMapPool(d, c).(*optee.MapPool)
	if !ok {
		return nil
	}
	return &sealedPool{pool, map[uint64]string{}}
}

// Admit is asked at each dma_buf_map_attachment. What it answers is the error of the mapping.
func (p *sealedPool) Admit(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) error {
	writer, written := p.writer[segs[0].Addr]
	if dir.DeviceWrites() && written && writer != dev.Name {
		return fmt.Errorf("%s has written the buffer: %w", writer, normalworld.EACCES)
	}
	if err := p.MapPool.Admit(dev, segs, dir); err != nil {
		return err
	}
	if dir.DeviceWrites() {
		p.writer[segs[0].Addr] = dev.Name
	}
	return nil
}

// Free forgets the writer with the buffer.
func (p *sealedPool) Free(segs []dmabuf.Segment) {
	delete(p.writer, segs[0].Addr)
	p.MapPool.Free(segs)
}

// tutorial: end

func TestSealed(t *testing.T) {
	for _, abi := range lab.ABIs {
		m := labtest.Machine(t, lab.Map)
		l, err := lab.New(m, lab.Options{ABI: abi, Policy: lab.Map, Pool: newSealedPool})
		if err != nil {
			t.Fatal(err)
		}
		h, err := l.Heap(heap.SecureVideoPlay)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second buffer has the first one's memory
			b, err := h.Buffer(64<<10, dmabuf.ORdWr)
			if err != nil {
				t.Fatal(err)
			}
			try := func(dev dmabuf.Device, dir dmabuf.Direction, want access, refused bool) {
				t.Helper()
				a, err := b.Attach(dev)
				if err != nil {
					t.Fatal(err)
				}
				segs, err := a.Map(dir)
				if errors.Is(err, normalworld.EACCES) != refused {
					t.Errorf("%s maps %v: %v", dev.Name, dir, err)
				}
				if err == nil {
					if got := probe(m, segs[0].Addr); got != want {
						t.Errorf("%s has mapped %v: %v, want %v", dev.Name, dir, got, want)
					}
					if err := a.Unmap(dir); err != nil {
						t.Fatal(err)
					}
				}
				if err := a.Detach(); err != nil {
					t.Fatal(err)
				}
			}
			try(l.Decoder.Device, dmabuf.FromDevice, access{0, decoder}, false)
			try(l.Transform.Device, dmabuf.FromDevice, access{}, true)
			try(l.Transform.Device, dmabuf.ToDevice, access{transform, 0}, false)
			try(l.Decoder.Device, dmabuf.FromDevice, access{0, decoder}, false)
			if err := b.Put(); err != nil {
				t.Fatal(err)
			}
			// The next writer is another one.
			b, err = h.Buffer(64<<10, dmabuf.ORdWr)
			if err != nil {
				t.Fatal(err)
			}
			try(l.Transform.Device, dmabuf.FromDevice, access{0, transform}, false)
			if err := b.Put(); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The pools of a policy are the only thing that it has to bring.
func TestSealedOption(t *testing.T) {
	m := labtest.Machine(t, lab.Pool)
	l, err := lab.New(m, lab.Options{ABI: lab.FFA, Policy: lab.Pool, Pool: newSealedPool})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
