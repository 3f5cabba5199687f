package linuxtest

import (
	"bytes"
	"fmt"
	"testing"

	"gatehouse/devices/pl080"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/secureworld"
)

// Masters as the board has them. A processor's AXI identity is its number.
var (
	apAttr     = bus.Attr{NSAID: bus.NSAIDAP, Privileged: true}
	dmaAttr    = bus.Attr{NSAID: bus.NSAIDDMA, ID: 0x50}
	virtioAttr = bus.Attr{NSAID: bus.NSAIDVirtio, ID: 0x60}
)

func zeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// held is what the guest program's test "hold" leaves in a buffer of n bytes.
func held(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = -byte(i%255 + 1)
	}
	return b
}

// copied ends the run when a DMA job ends.
type copied struct{ g *guest }

func (c copied) Emit(e *event.Event) {
	if e.Phase == event.End {
		c.g.stop()
	}
}

// dma programs the PL080 as a driver on a processor does, to copy n bytes, and lets the machine run until it is done. It reports
// whether the controller says that all is well.
func (g *guest) dma(from, to uint64, n int) bool {
	g.t.Helper()
	p := g.m.Port(apAttr)
	set := func(off uint64, v uint32) {
		if resp := p.Store(platform.DMABase+off, 4, uint64(v)); resp != bus.OKAY {
			g.t.Fatalf("PL080 register %#x: %v", off, resp)
		}
	}
	get := func(off uint64) uint64 {
		v, resp := p.Load(platform.DMABase+off, 4)
		if resp != bus.OKAY {
			g.t.Fatalf("PL080 register %#x: %v", off, resp)
		}
		return v
	}
	// Words at both ends, both addresses count up, terminal count (DDI 0196, 3.4.18).
	const wordCopy = 2<<pl080.SrcWidthShift | 2<<pl080.DstWidthShift | pl080.SrcIncrement | pl080.DstIncrement | 1<<31
	set(pl080.Configuration, pl080.Enable)
	set(pl080.IntTCClear, 1)
	set(pl080.IntErrClr, 1)
	set(pl080.SrcAddr, uint32(from))
	set(pl080.DestAddr, uint32(to))
	set(pl080.LLI, 0)
	set(pl080.Control, wordCopy|uint32(n/4))
	set(pl080.ChannelConfig, pl080.ChannelEnable)
	g.run()
	done, failed := get(pl080.RawIntTCStatus)&1 != 0, get(pl080.RawIntErrorStatus)&1 != 0
	if done == failed {
		g.t.Fatalf("PL080: done %v, failed %v", done, failed)
	}
	set(pl080.ChannelConfig, 0)
	return done
}

// TestDenied holds protected memory in the guest while masters other than the permitted ones try to read and write it: they are
// denied, each of them, on all of it. The permitted ones see what the trusted application wrote: the denial is of something. After the
// release everybody reads zeros.
func TestDenied(t *testing.T) {
	images(t)
	for _, tc := range []struct {
		name  string
		board board
	}{
		{"ffa", board{abi: ffaABI, cpus: 2}},
		{"ffa raz", board{abi: ffaABI, cpus: 1, raz: true}},
		{"smc", board{abi: smcABI, cpus: 1}},
		{"smc static", board{abi: smcABI, cpus: 2, carveout: 2 << 20}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.board.scratch = true
			g := boot(t, tc.board, "", nil)
			l := &lent{ranges: map[[2]uint64]bool{}}
			g.events.Attach(event.Protmem|event.Int, l)
			g.events.Attach(event.DMA, copied{g})
			ap, virtio := g.m.Port(apAttr), g.m.Port(virtioAttr)
			display := g.m.Port(bus.Attr{NSAID: bus.NSAIDHDLCD})

			const scratch, size = scratchBase, 256 << 10
			marked := bytes.Repeat([]byte{0xa5}, pageSize)
			mark := func() { must(t, ap.Write(scratch, marked)) }
			scratched := func() []byte {
				b := make([]byte, pageSize)
				must(t, ap.Read(scratch, b))
				return b
			}
			// denied checks the answer to an access that the controller refuses: nothing of the memory shows.
			denied := func(who string, resp bus.Response, data []byte) {
				t.Helper()
				if resp == bus.OKAY != tc.board.raz || !zeros(data) {
					t.Errorf("%s: %v, reads zeros %v", who, resp, zeros(data))
				}
			}

			// Whom the use case admits; never those that the normal world can point anywhere.
			permitted := secureworld.DefaultConfig().OPTEE.UseCases[0].Access
			if general := uint16(1<<bus.NSAIDAP | 1<<bus.NSAIDDMA | 1<<bus.NSAIDVirtio | 1<<bus.NSAIDDefault); (permitted.Read|permitted.Write)&general != 0 {
				t.Fatalf("secure video admits %#x, %#x", permitted.Read, permitted.Write)
			}

			g.until("READY")
			for round := range 2 {
				g.say("hold")
				g.until("HOLD held")
				var base, length uint64
				if tc.board.carveout != 0 {
					base, length = ramEnd-tc.board.carveout, tc.board.carveout
				} else {
					base, length = l.only(t)
				}
				// Positive control: a permitted master reads what the application left, at one place in the pool.
				pool := make([]byte, length)
				must(t, display.Read(base, pool))
				at := bytes.Index(pool, held(size))
				if at < 0 {
					t.Fatalf("round %d: the display does not see the buffer's contents in %#x+%#x", round, base, length)
				}
				// Everybody else is denied, on every page.
				for off := uint64(0); off < length; off += pageSize {
					b := make([]byte, 64)
					denied("processor", ap.Read(base+off, b), b)
					denied("virtio", virtio.Read(base+off, b), b)
				}
				for id := range uint8(bus.NSAIDs) {
					p := g.m.Port(bus.Attr{NSAID: id})
					b := make([]byte, 64)
					read, write := permitted.Read>>id&1 != 0, permitted.Write>>id&1 != 0
					resp := p.Read(base+uint64(at), b)
					if !read {
						denied(fmt.Sprintf("NSAID %d", id), resp, b)
					} else if resp != bus.OKAY || !bytes.Equal(b, held(64)) {
						t.Errorf("NSAID %d is permitted: %v, other bytes %x", id, resp, b[:4])
					}
					if !write {
						denied(fmt.Sprintf("NSAID %d writes", id), p.Write(base+uint64(at), marked[:64]), nil)
					}
				}
				// The real DMA controller. That it copies at all shows on normal memory.
				mark()
				must(t, ap.Write(scratch+pageSize, held(pageSize)))
				if !g.dma(scratch+pageSize, scratch, pageSize) || !bytes.Equal(scratched(), held(pageSize)) {
					t.Error("the PL080 does not copy normal memory")
				}
				mark()
				ok := g.dma(base+uint64(at), scratch, pageSize)
				if got := scratched(); ok != tc.board.raz || bytes.Contains(got, held(16)) || !tc.board.raz && !bytes.Equal(got, marked) {
					t.Errorf("PL080 reads protected memory: done %v, the destination begins with %x", ok, got[:8])
				}
				mark()
				if ok := g.dma(scratch, base+uint64(at), pageSize); ok != tc.board.raz {
					t.Errorf("PL080 writes protected memory: done %v", ok)
				}
				again := make([]byte, size)
				must(t, display.Read(base+uint64(at), again))
				if !bytes.Equal(again, held(size)) {
					t.Error("the contents have changed")
				}
				// The guest finds its contents, gives the buffer back, and waits again.
				g.say("")
				g.until("PASS hold contents")
				g.until("HOLD released")
				if tc.board.carveout != 0 {
					b := make([]byte, 64)
					denied("processor, of the carve-out", ap.Read(base, b), b)
				} else {
					if len(l.ranges) != 0 {
						t.Errorf("still protected: %v", l.ranges)
					}
					for off := uint64(0); off < length; off += pageSize {
						for _, p := range []*bus.Port{ap, virtio, display} {
							b := bytes.Clone(marked)
							if resp := p.Read(base+off, b); resp != bus.OKAY || !zeros(b) {
								t.Fatalf("NSAID %d reads %#x after the release: %v, %x", p.Attr().NSAID, base+off, resp, b[:8])
							}
						}
					}
					mark()
					if !g.dma(base+uint64(at), scratch, pageSize) || !zeros(scratched()) {
						t.Error("PL080 does not read zeros after the release")
					}
				}
				g.say("")
				g.until("DONE passed=2 failed=0")
			}
			g.do("heap,sdp")
			g.off()
		})
	}
}

const pageSize = bus.PageSize

func must(t testing.TB, resp bus.Response) {
	t.Helper()
	if resp != bus.OKAY {
		t.Fatalf("the bus answers %v", resp)
	}
}
