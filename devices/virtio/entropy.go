package virtio

import (
	"math/rand/v2"

	"gatehouse/platform/bus"
)

// Entropy is an entropy device (VIRTIO 5.4). Its bytes come from a generator with a seed, so that runs are the same. Nothing that is
// made of them is a secret.
type Entropy struct {
	seed   [32]byte
	stream *rand.ChaCha8
	off    uint64 // byte of the request that is under way
	buf    [Chunk]byte
}

// NewEntropy makes a device that gives the bytes of ChaCha8 with the given seed, as Go's math/rand/v2 defines them.
func NewEntropy(seed [32]byte) *Entropy { return &Entropy{seed: seed, stream: rand.NewChaCha8(seed)} }

func (e *Entropy) attach(*Transport) {}

// ID is the type of the device.
func (e *Entropy) ID() uint32 { return 4 }

// Features is none.
func (e *Entropy) Features() uint64 { return 0 }

// Queues is 1.
func (e *Entropy) Queues() int { return 1 }

// Config is empty.
func (e *Entropy) Config() []byte { return nil }

// SetConfig does nothing.
func (e *Entropy) SetConfig(uint64, int, uint32) {}

// Reset forgets the request that is under way. The bytes go on: a driver that resets the device must not get the same ones again.
func (e *Entropy) Reset() { e.off = 0 }

// Restart begins with the first byte of the seed again: what a cold reset of the machine does.
func (e *Entropy) Restart() { e.stream = rand.NewChaCha8(e.seed) }

// Wants is always true.
func (e *Entropy) Wants(int) bool { return true }

// Begin takes a request.
func (e *Entropy) Begin(*Request) error {
	e.off = 0
	return nil
}

// Step fills a chunk.
func (e *Entropy) Step(r *Request) (n int, done bool) {
	n = int(min(r.Writable()-e.off, Chunk))
	p := e.buf[:n]
	_, _ = e.stream.Read(p) // never fails
	if r.Write(e.off, p) != bus.OKAY {
		return n, true
	}
	e.off += uint64(n)
	return n, e.off == r.Writable()
}
