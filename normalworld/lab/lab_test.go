package lab_test

import (
	"errors"
	"fmt"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/internal/labtest"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/mem"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	wire "gatehouse/smc/optee"
)

// access says who may read and write a page, one bit for each NSAID.
type access struct{ read, write uint16 }

func probe(m *platform.Machine, pa uint64) (a access) {
	for id := range uint8(bus.NSAIDs) {
		// Identities without a master have access to nothing.
		read, write := labtest.Probe(m, id, pa)
		if read {
			a.read |= 1 << id
		}
		if write {
			a.write |= 1 << id
		}
	}
	return a
}

func (a access) String() string {
	return fmt.Sprintf("read %s, write %s", bus.NSAIDSet(a.read), bus.NSAIDSet(a.write))
}

const (
	hdlcd     = 1 << bus.NSAIDHDLCD
	crypto    = 1<<bus.NSAIDCrypto | 1<<bus.NSAIDCryptoProtected
	decoder   = 1 << bus.NSAIDDecoder
	transform = 1 << bus.NSAIDTransform
)

// What each policy lets whom do, at each stage of a buffer's life, over both ABIs. The rules are those of the package's documentation;
// every master is asked by an access of its own.
func TestPolicies(t *testing.T) {
	useCase := access{hdlcd | decoder | transform, crypto | decoder | transform}
	for _, abi := range lab.ABIs {
		for _, policy := range lab.Policies {
			t.Run(string(abi)+"-"+string(policy), func(t *testing.T) {
				m := labtest.Machine(t, policy)
				normal := probe(m, platform.RAMBase)
				l, err := lab.New(m, lab.Options{ABI: abi, Policy: policy})
				if err != nil {
					t.Fatal(err)
				}
				h, err := l.Heap(heap.SecureVideoPlay)
				if err != nil {
					t.Fatal(err)
				}
				b, err := h.Buffer(100_000, dmabuf.ORdWr)
				if err != nil {
					t.Fatal(err)
				}
				a, err := b.Attach(l.Decoder.Device)
				if err != nil {
					t.Fatal(err)
				}
				segs, err := a.Map(dmabuf.FromDevice)
				if err != nil {
					t.Fatal(err)
				}
				first, last := segs[0].Addr, segs[len(segs)-1].Addr+segs[len(segs)-1].Len-1
				expect := func(stage string, want access) {
					t.Helper()
					for _, pa := range []uint64{first, last} {
						if got := probe(m, pa); got != want {
							t.Errorf("%s, at %#x: %v; want %v", stage, pa, got, want)
						}
					}
				}
				if policy == lab.Map {
					expect("mapped for writing", access{0, decoder})
				} else {
					expect("mapped for writing", useCase)
				}
				again, err := b.Attach(l.Display.Device)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := again.Map(dmabuf.ToDevice); err != nil {
					t.Fatal(err)
				}
				if policy == lab.Map {
					expect("mapped twice", access{hdlcd, decoder})
				} else {
					expect("mapped twice", useCase)
				}
				// The processor and a copy engine never get in, whatever they ask for.
				if _, err := b.MMap(0, 4096, dmabuf.ProtRead); err == nil {
					t.Error("a process could map protected memory")
				}
				if err := l.Kernel.Read(first, make([]byte, 8)); !errors.Is(err, normalworld.EFAULT) {
					t.Errorf("the processor's read: %v", err)
				}
				if policy == lab.Map {
					copier, err := b.Attach(l.DMA.Device)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := copier.Map(dmabuf.ToDevice); !errors.Is(err, normalworld.EACCES) {
						t.Errorf("a map for the copy engine: %v, want EACCES", err)
					}
					if err := copier.Detach(); err != nil {
						t.Fatal(err)
					}
				}
				if err := l.DMA.Copy(uint64(platform.RAMBase)+8<<20, first, 64); !errors.Is(err, normalworld.EIO) {
					t.Errorf("a copy by the PL080: %v, want a refusal", err)
				}
				for _, x := range []struct {
					a   *dmabuf.Attachment
					dir dmabuf.Direction
				}{{again, dmabuf.ToDevice}, {a, dmabuf.FromDevice}} {
					if err := x.a.Unmap(x.dir); err != nil {
						t.Fatal(err)
					}
					if err := x.a.Detach(); err != nil {
						t.Fatal(err)
					}
				}
				if policy == lab.Map {
					expect("unmapped", access{})
				} else {
					expect("unmapped", useCase)
				}
				if err := b.Put(); err != nil {
					t.Fatal(err)
				}
				if policy == lab.Static {
					expect("freed", useCase)
				} else {
					expect("freed", normal)
					p := make([]byte, 4096)
					if err := l.Kernel.Read(first, p); err != nil || p[0] != 0 {
						t.Errorf("memory that came back: %v, %d", err, p[0])
					}
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestOptions(t *testing.T) {
	m := labtest.Machine(t, lab.Pool)
	for _, o := range []lab.Options{{ABI: "hvc", Policy: lab.Pool}, {ABI: lab.FFA, Policy: "none"}, {}} {
		if _, err := lab.New(m, o); !errors.Is(err, lab.ErrOption) {
			t.Errorf("%+v: %v, want an error about the options", o, err)
		}
	}
}

// What is still in use is named.
func TestLeft(t *testing.T) {
	m := labtest.Machine(t, lab.Pool)
	l, err := lab.New(m, lab.Options{ABI: lab.FFA, Policy: lab.Pool})
	if err != nil {
		t.Fatal(err)
	}
	h, err := l.Heap(heap.SecureVideoPlay)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Buffer(4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, lab.ErrLeft) {
		t.Errorf("%v, want what is left over", err)
	}
	if err := b.Put(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("after the buffer has gone: %v", err)
	}
}

// mute is a secure world that refuses all calls while it is on.
type mute struct {
	next firmware.Conduit
	on   bool
}

func (c *mute) SMC(r *firmware.Registers) {
	switch {
	case !c.on:
		c.next.SMC(r)
	case ffa.FunctionOf(r).InRange():
		*r = ffa.ErrorReply(ffa.Denied)
	default:
		r[0] = wire.ReturnEThreadLimit.X0()
	}
}

// What the secure world does not give back is asked for again, by who lent it and by Close, until it answers.
func TestCloseAgain(t *testing.T) {
	for _, abi := range lab.ABIs {
		m := labtest.Machine(t, lab.Buffer)
		c := &mute{}
		l, err := lab.New(m, lab.Options{ABI: abi, Policy: lab.Buffer, Conduit: func(next firmware.Conduit) firmware.Conduit {
			c.next = next
			return c
		}})
		if err != nil {
			t.Fatal(err)
		}
		h, err := l.Heap(heap.SecureVideoPlay)
		if err != nil {
			t.Fatal(err)
		}
		b, err := h.Buffer(8192, dmabuf.ORdWr)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := l.OPTEE.Protmem(wire.UseCaseOnDemand)
		if err != nil {
			t.Fatal(err)
		}
		pa, err := l.Pages.AllocContig(4096, mem.Flags{})
		if err != nil {
			t.Fatal(err)
		}
		shm, err := l.OPTEE.LendPages(pa, 1, cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.on = true
		for range 3 {
			if err := l.OPTEE.TakeBack(shm); !errors.Is(err, normalworld.EIO) {
				t.Fatalf("%s: taken back from a secure world that does not answer: %v", abi, err)
			}
		}
		if err := b.Put(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := l.Close(); !errors.Is(err, lab.ErrLeft) {
				t.Fatalf("%s: %v, want what is left over", abi, err)
			}
		}
		c.on = false
		if err := l.OPTEE.TakeBack(shm); err != nil {
			t.Errorf("%s: %v", abi, err)
		}
		if err := l.Pages.FreeContig(pa, 4096); err != nil {
			t.Errorf("%s: %v", abi, err)
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Errorf("%s: %v", abi, err)
			}
		}
		for at := uint64(platform.RAMBase); at < platform.RAMBase+labtest.RAM; at += 4096 {
			if _, err := l.Kernel.Load(at, 8); err != nil {
				t.Fatalf("%s: %v", abi, err)
			}
		}
	}
}
