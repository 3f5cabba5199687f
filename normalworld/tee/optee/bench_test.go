package optee_test

import (
	"testing"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/bus"
	wire "gatehouse/smc/optee"
)

func benchVariants(b *testing.B, f func(b *testing.B, r *rig)) {
	for _, v := range variants {
		if v.rstmem || v.noRPCArg {
			continue
		}
		b.Run(v.name, func(b *testing.B) { f(b, boot(b, v)) })
	}
}

// An invoke of a function that does nothing, from the ioctl to its return.
func BenchmarkInvoke(b *testing.B) {
	benchVariants(b, func(b *testing.B, r *rig) {
		c := r.newClient("tee0")
		s := c.must(wire.InvokeTestsUUID())
		c.write(c.buf, words32(wire.InvokeTestsCmdTrace, s, 0, 0, 0, 0))
		c.write(c.arg, words(c.buf, 24))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.file.Ioctl(tee.IOCInvoke, c.arg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Allocation of 64 KiB, a map and unmap for the decoder, and the end of the buffer.
func benchBuffers(b *testing.B, r *rig, hold bool) {
	h, err := r.heaps.Open("protected,secure-video")
	if err != nil {
		b.Fatal(err)
	}
	if hold {
		if _, err := h.Buffer(64<<10, dmabuf.ORdWr); err != nil {
			b.Fatal(err)
		}
	}
	dev := dmabuf.Device{Name: "decoder", NSAID: bus.NSAIDDecoder}
	b.ReportAllocs()
	for b.Loop() {
		buf, err := h.Buffer(64<<10, dmabuf.ORdWr)
		if err != nil {
			b.Fatal(err)
		}
		a, err := buf.Attach(dev)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Map(dmabuf.FromDevice); err != nil {
			b.Fatal(err)
		}
		if err := a.Unmap(dmabuf.FromDevice); err != nil {
			b.Fatal(err)
		}
		if err := a.Detach(); err != nil {
			b.Fatal(err)
		}
		if err := buf.Put(); err != nil {
			b.Fatal(err)
		}
	}
}

// From a pool that is held, or a carve-out: no call to the secure world.
func BenchmarkHeldPool(b *testing.B) {
	for _, v := range []variant{{name: "ffa", ffa: true}, {name: "smc"}, {name: "static", static: true}} {
		b.Run(v.name, func(b *testing.B) { benchBuffers(b, boot(b, v), true) })
	}
}

// With a lend and a reclaim for each buffer.
func BenchmarkLendEachBuffer(b *testing.B) {
	for _, v := range variants {
		if v.policy != nil {
			b.Run(v.name, func(b *testing.B) { benchBuffers(b, boot(b, v), false) })
		}
	}
}
