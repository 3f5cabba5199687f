package optee_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/bus"
	wire "gatehouse/smc/optee"
)

// modelBuffer is what the reference model knows of a protected buffer: how many references there are, and what its bytes are.
type modelBuffer struct {
	size  uint64
	fds   []int32 // descriptors of the dma-buf
	shms  []*shm
	fill  byte // of all bytes, once filled
	known bool
	pa    uint64
}

func (m *modelBuffer) alive() bool { return len(m.fds)+len(m.shms) > 0 }

// model holds the kernel against what it should do: which buffers are alive, that their memory is apart, what is protected when.
type model struct {
	r        *rig
	c        *client
	rnd      *rand.Rand
	session  uint32
	buffers  []*modelBuffer
	outcomes map[string]int
}

func (m *model) fatalf(format string, args ...any) {
	m.r.tb.Helper()
	m.r.tb.Fatalf(format, args...)
}

func (m *model) pick() *modelBuffer {
	if len(m.buffers) == 0 {
		return nil
	}
	return m.buffers[m.rnd.IntN(len(m.buffers))]
}

// step does one thing at random.
func (m *model) step() {
	b := m.pick()
	if m.rnd.IntN(100) == 0 {
		// Now and then everything goes, so that pools come back.
		for len(m.buffers) > 0 {
			m.drop(m.buffers[0])
		}
		m.outcomes["all freed"]++
		return
	}
	switch op := m.rnd.IntN(10); {
	case op < 3 || b == nil:
		m.allocate()
	case op == 3:
		if s, err := m.imported(b); err == nil {
			b.shms = append(b.shms, s)
		}
	case op == 4:
		if len(b.fds) > 0 {
			fd, err := m.c.proc.Files.Dup(b.fds[0])
			if err != nil {
				m.fatalf("dup: %v", err)
			}
			b.fds = append(b.fds, fd)
		}
	case op == 5 || op == 6:
		m.drop(b)
	case op == 7:
		m.fill(b)
	case op == 8:
		m.verify(b)
	case op == 9:
		m.attach(b)
	}
}

func (m *model) allocate() {
	size := uint64(1+m.rnd.IntN(24)) * page
	fd, err := m.c.dmaHeap("protected,secure-video", size)
	if err != nil {
		if !errors.Is(err, normalworld.ENOMEM) {
			m.fatalf("allocation: %v", err)
		}
		m.outcomes["no room"]++
		return
	}
	b := &modelBuffer{size: size, fds: []int32{fd}}
	buf, err := m.c.proc.Files.Get(fd)
	if err != nil {
		m.fatalf("%v", err)
	}
	a, err := buf.Attach(dmabuf.Device{Name: "dma", NSAID: bus.NSAIDDMA})
	if err != nil {
		m.fatalf("%v", err)
	}
	if !m.r.v.onDemand {
		segs, err := a.Map(dmabuf.ToDevice)
		if err != nil || len(segs) != 1 || segs[0].Len != size {
			m.fatalf("map: %v, %v", segs, err)
		}
		b.pa = segs[0].Addr
		if err := a.Unmap(dmabuf.ToDevice); err != nil {
			m.fatalf("%v", err)
		}
		for _, o := range m.buffers {
			if o.pa < b.pa+b.size && b.pa < o.pa+o.size {
				m.fatalf("buffers at %#x and %#x overlap", o.pa, b.pa)
			}
		}
	}
	if err := errors.Join(a.Detach(), buf.Put()); err != nil {
		m.fatalf("%v", err)
	}
	m.buffers = append(m.buffers, b)
	m.outcomes["allocated"]++
}

func (m *model) imported(b *modelBuffer) (*shm, error) {
	if len(b.fds) == 0 {
		return nil, normalworld.EBADF
	}
	s, err := m.c.registerFD(b.fds[m.rnd.IntN(len(b.fds))])
	if err != nil {
		m.fatalf("import: %v", err)
	}
	if s.size != b.size {
		m.fatalf("a buffer of %#x bytes is imported with %#x", b.size, s.size)
	}
	return s, nil
}

// drop gives one reference up.
func (m *model) drop(b *modelBuffer) {
	if n := len(b.fds); n > 0 && (len(b.shms) == 0 || m.rnd.IntN(2) == 0) {
		if err := m.c.proc.Files.Close(b.fds[n-1]); err != nil {
			m.fatalf("close: %v", err)
		}
		b.fds = b.fds[:n-1]
	} else if n := len(b.shms); n > 0 {
		b.shms[n-1].release()
		b.shms = b.shms[:n-1]
	}
	if b.alive() {
		return
	}
	for i, o := range m.buffers {
		if o == b {
			m.buffers = append(m.buffers[:i], m.buffers[i+1:]...)
			break
		}
	}
	m.outcomes["freed"]++
	// A pool stays until its last buffer goes; what is lent by itself comes back at once.
	open := m.r.v.policy != nil && !m.r.v.static || len(m.buffers) == 0 && !m.r.v.static
	if open && b.pa != 0 {
		var got [8]byte
		if err := m.r.k.Read(b.pa, got[:]); err != nil || got != [8]byte{} {
			m.fatalf("memory that came back reads %x, %v", got, err)
		}
	}
}

// with gives shared memory of a buffer for one call.
func (m *model) with(b *modelBuffer, f func(s *shm)) {
	if len(b.shms) > 0 {
		f(b.shms[m.rnd.IntN(len(b.shms))])
		return
	}
	s, err := m.imported(b)
	if err != nil {
		return
	}
	f(s)
	s.release()
}

// fill has a trusted application write all bytes; verify has it read them.
func (m *model) fill(b *modelBuffer) {
	b.fill = byte(m.rnd.Uint32())
	data := make([]byte, b.size)
	for i := range data {
		data[i] = b.fill
	}
	in, err := m.c.temp(data)
	if err != nil {
		m.fatalf("%v", err)
	}
	m.with(b, func(s *shm) {
		if ret, origin := m.c.invoke(m.session, wire.SDPCmdInject, in.memref(tee.AttrMemrefInput, 0, b.size), s.memref(tee.AttrMemrefOutput, 0, b.size)); ret != wire.Success {
			m.fatalf("inject: %v from %v", ret, origin)
		}
		b.known = true
	})
	in.release()
}

func (m *model) verify(b *modelBuffer) {
	if !b.known {
		return
	}
	out, err := m.c.allocate(b.size)
	if err != nil {
		m.fatalf("%v", err)
	}
	m.with(b, func(s *shm) {
		if ret, origin := m.c.invoke(m.session, wire.SDPCmdDump, s.memref(tee.AttrMemrefInput, 0, b.size), out.memref(tee.AttrMemrefOutput, 0, b.size)); ret != wire.Success {
			m.fatalf("dump: %v from %v", ret, origin)
		}
		for i, v := range m.c.read(out.va, int(b.size)) {
			if v != b.fill {
				m.fatalf("byte %d is %#x, want %#x", i, v, b.fill)
			}
		}
		m.outcomes["verified"]++
	})
	out.release()
}

// attach has the decoder look at the buffer through a mapping.
func (m *model) attach(b *modelBuffer) {
	if len(b.fds) == 0 {
		return
	}
	buf, err := m.c.proc.Files.Get(b.fds[0])
	if err != nil {
		m.fatalf("%v", err)
	}
	a, err := buf.Attach(dmabuf.Device{Name: "decoder", NSAID: bus.NSAIDDecoder})
	if err != nil {
		m.fatalf("%v", err)
	}
	segs, err := a.Map(dmabuf.ToDevice)
	switch {
	case err == nil:
		var got [1]byte
		p := m.r.m.Port(bus.Attr{NSAID: bus.NSAIDDecoder})
		if resp := p.Read(segs[0].Addr, got[:]); resp != bus.OKAY || b.known && got[0] != b.fill {
			m.fatalf("the decoder reads %#x, %v, want %#x", got[0], resp, b.fill)
		}
		if m.r.k.Read(segs[0].Addr, got[:]) == nil {
			m.fatalf("the processor reads a buffer")
		}
		if err := a.Unmap(dmabuf.ToDevice); err != nil {
			m.fatalf("%v", err)
		}
		m.outcomes["mapped"]++
	case !m.r.v.onDemand || !errors.Is(err, normalworld.ENOSPC):
		m.fatalf("map: %v", err)
	default:
		m.outcomes["no region"]++
	}
	if err := errors.Join(a.Detach(), buf.Put()); err != nil {
		m.fatalf("%v", err)
	}
}

// Random operations on many buffers agree with the model, and leave nothing behind. GATEHOUSE_OPERATIONS=all makes them many.
func TestRandomOperations(t *testing.T) {
	n := 2000
	if os.Getenv("GATEHOUSE_OPERATIONS") == "all" {
		n = 20_000
	}
	for i, v := range variants {
		if v.rstmem {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			m := &model{r: r, c: r.newClient("tee0"), rnd: rand.New(rand.NewPCG(uint64(i), 2026)), outcomes: map[string]int{}}
			m.session = m.c.must(wire.SDPUUID())
			for range n {
				m.step()
			}
			for _, want := range []string{"allocated", "freed", "verified", "mapped", "all freed"} {
				if m.outcomes[want] == 0 {
					t.Errorf("nothing was %s: %v", want, m.outcomes)
				}
			}
			t.Log(m.outcomes)
			m.c.exit()
			r.down()
		})
	}
}

// The controller has eight regions: a lend of each buffer ends where they do, and goes on when one is free again.
func TestRegionsRunOut(t *testing.T) {
	for _, v := range variants {
		if v.policy == nil || v.static {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			r := boot(t, v)
			h, err := r.heaps.Open("protected,secure-video")
			if err != nil {
				t.Fatal(err)
			}
			var held []*dmabuf.Buffer
			var gaps []uint64 // pages between buffers, so that these do not become one region
			for len(held) < 100 {
				b, err := h.Buffer(2*page, dmabuf.ORdWr)
				if err != nil {
					if !errors.Is(err, normalworld.ENOMEM) {
						t.Errorf("buffer %d: %v, want ENOMEM", len(held), err)
					}
					break
				}
				held = append(held, b)
				pa, err := r.pages.AllocContig(2*page, memFlags)
				if err != nil {
					t.Fatal(err)
				}
				gaps = append(gaps, pa)
			}
			if len(held) < 3 || len(held) > 8 {
				t.Errorf("%d buffers with eight regions", len(held))
			}
			free := r.pages.FreePages()
			for range 10 {
				if _, err := h.Buffer(2*page, dmabuf.ORdWr); err == nil {
					t.Fatal("a buffer without a region")
				}
			}
			if got := r.pages.FreePages(); got != free {
				t.Errorf("what failed has cost %d pages", free-got)
			}
			if err := held[0].Put(); err != nil {
				t.Fatal(err)
			}
			b, err := h.Buffer(2*page, dmabuf.ORdWr)
			if err != nil {
				t.Fatalf("with a free region: %v", err)
			}
			held[0] = b
			for _, b := range held {
				if err := b.Put(); err != nil {
					t.Error(err)
				}
			}
			for _, pa := range gaps {
				r.pages.FreeContig(pa, 2*page)
			}
			r.down()
		})
	}
}
