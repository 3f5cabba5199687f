package stress_test

import (
	"testing"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	wire "gatehouse/smc/optee"
)

// buffers allocates 64 KiB, maps and unmaps them for the decoder, and frees them, once an iteration.
func buffers(b *testing.B, abi lab.ABI, p lab.Policy, hold bool) {
	r := newRig(b, abi, p, wire.UseCaseSecureVideoPlay, 1<<20)
	l, err := r.boot()
	must(b, err)
	h, err := l.Heap(heap.SecureVideoPlay)
	must(b, err)
	if hold {
		_, err := h.Buffer(64<<10, dmabuf.ORdWr)
		must(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		buf, err := h.Buffer(64<<10, dmabuf.ORdWr)
		must(b, err)
		a, err := buf.Attach(l.Decoder.Device)
		must(b, err)
		_, err = a.Map(dmabuf.FromDevice)
		must(b, err)
		must(b, a.Unmap(dmabuf.FromDevice))
		must(b, a.Detach())
		must(b, buf.Put())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "buffers/s")
}

// From a pool that is held, or a carve-out: at least 500,000 a second. No call to the secure world is made.
func BenchmarkHeldPool(b *testing.B) {
	for _, abi := range lab.ABIs {
		for _, p := range []lab.Policy{lab.Pool, lab.Static} {
			b.Run(string(abi)+"-"+string(p), func(b *testing.B) { buffers(b, abi, p, true) })
		}
	}
}

// With a lend and a reclaim of each buffer: at least 50,000 a second.
func BenchmarkLendEachBuffer(b *testing.B) {
	for _, abi := range lab.ABIs {
		b.Run(string(abi), func(b *testing.B) { buffers(b, abi, lab.Buffer, false) })
	}
}

// With a lend, a grant, its revocation and a reclaim of each buffer.
func BenchmarkGrantEachMap(b *testing.B) {
	for _, abi := range lab.ABIs {
		b.Run(string(abi), func(b *testing.B) { buffers(b, abi, lab.Map, false) })
	}
}
