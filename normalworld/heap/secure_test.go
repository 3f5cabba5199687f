package heap

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
	"gatehouse/platform/bus"
)

func node(name string, base, size uint64) mem.Reserved {
	return mem.Reserved{Name: name, Range: mem.Range{Base: base, Size: size}, Compatible: []string{SecureCompatible}, NoMap: true}
}

// What the reviewers of "Add dma-buf secure-heap" (August 2022, dri-devel and linux-media) found or asked, and what became of it here.
func TestReview(t *testing.T) {
	// "Mapping must go through the DMA API: a device may have limits, or sit behind an IOMMU."
	t.Run("map looks at the device", func(t *testing.T) {
		r := newRig(t)
		b := r.alloc("sdp", 2*page)
		for name, v := range map[string]struct {
			dev dmabuf.Device
			n   int
			err error
		}{
			"contiguous only": {dmabuf.Device{MaxSegments: 1}, 1, nil},
			"short segments":  {dmabuf.Device{MaxSegmentSize: page}, 2, nil},
			"short and few":   {dmabuf.Device{MaxSegmentSize: page, MaxSegments: 1}, 0, dmabuf.ErrNotContiguous},
			"28 bits":         {dmabuf.Device{DMAMask: 1<<28 - 1}, 0, dmabuf.ErrBounceRestricted},
		} {
			a, err := b.Attach(v.dev)
			r.ok(err)
			segs, err := a.Map(dmabuf.ToDevice)
			want(t, name, err, v.err)
			if len(segs) != v.n {
				t.Errorf("%s: segments %x", name, segs)
			}
		}
	})
	// "An attachment's copy of the list: pass on the error that made it fail." There is no copy to fail; each device's own list is its own.
	t.Run("one device's list is not another's", func(t *testing.T) {
		r := newRig(t)
		b := r.alloc("sdp", 2*page)
		lists := make([][]dmabuf.Segment, 2)
		for i, dev := range []dmabuf.Device{{Name: "a"}, {Name: "b", MaxSegmentSize: page}} {
			a, err := b.Attach(dev)
			r.ok(err)
			lists[i], err = a.Map(dmabuf.Bidirectional)
			r.ok(err)
		}
		if len(lists[0]) != 1 || len(lists[1]) != 2 {
			t.Errorf("lists %x", lists)
		}
	})
	// "The labels of the error path are wrong, and the order of undoing is not the reverse": a failure half-way leaves nothing.
	t.Run("failures leave nothing", func(t *testing.T) {
		r := newRig(t)
		h, pool := r.open("sdp"), r.sec[0].Pool()
		_, err := h.Buffer(size+page, 0)
		want(t, "too much", err, normalworld.ENOMEM)
		r.files.SetLimit(0)
		_, err = h.Alloc(r.files, page, 0, 0)
		want(t, "no descriptor", err, normalworld.EMFILE)
		if _, err := r.sec[0].Allocate(page+1, 0); !errors.Is(err, dmabuf.ErrExport) { // the export itself fails
			t.Errorf("half a page: %v", err)
		}
		if pool.FreePages() != size/page || r.core.Stats().Buffers != 0 {
			t.Errorf("%d pages free, %+v", pool.FreePages(), r.core.Stats())
		}
	})
	// "What are the reserved_mem operations for? Setting the driver data of some device could cause problems": pools belong to no device.
	t.Run("any device may attach", func(t *testing.T) {
		r := newRig(t)
		b := r.alloc("sdp", page)
		private := &struct{}{}
		a, err := b.Attach(dmabuf.Device{Name: "no part of the path"})
		r.ok(err)
		a.Importer = private
		if _, err := a.Map(dmabuf.ToDevice); err != nil || a.Importer != private {
			t.Errorf("%v, importer's data %v", err, a.Importer)
		}
	})
	// "End the copied name explicitly": the name is the node's without its unit address, whole, or the node is refused.
	t.Run("names", func(t *testing.T) {
		r := newRig(t)
		long := strings.Repeat("n", MaxSecureName)
		for _, v := range []struct {
			node, name string
			err        error
		}{
			{"pool@50000000", "pool", nil}, {"bare", "bare", nil}, {long + "@1", long, nil}, {long + "n@1", "", normalworld.EINVAL},
			{"two@1@2", "two", nil}, {"pool@60000000", "", normalworld.EINVAL}, {"@1", "", normalworld.EINVAL}, {"system@1", "", normalworld.EINVAL},
		} {
			heaps, err := r.reg.AddSecure([]mem.Reserved{node(v.node, 0x5000_0000, page)})
			want(t, v.node, err, v.err)
			if v.err == nil && (len(heaps) != 1 || heaps[0].Name() != v.name || r.open(v.name).Name() != v.name) {
				t.Errorf("%s: heaps %v", v.node, heaps)
			}
			if err != nil && !strings.Contains(err.Error(), v.node) {
				t.Errorf("%q does not name the node", err)
			}
		}
	})
	// "The message divides the size by 1 MiB: what if it is less, or no multiple?"
	t.Run("sizes below a MiB are told exactly", func(t *testing.T) {
		r := newRig(t)
		heaps, err := r.reg.AddSecure([]mem.Reserved{node("small@50000000", 0x5000_0000, 12<<10), node("odd@51000000", 0x5100_0000, 1<<20+4096)})
		r.ok(err)
		if got := heaps[0].String() + "; " + heaps[1].String(); got != "secure pool small: 12 KiB at 0x50000000; secure pool odd: 1028 KiB at 0x51000000" {
			t.Errorf("%s", got)
		}
	})
	// The same question for pages: of a pool that does not start or end at a page, only whole pages are given out.
	t.Run("pools that are not whole pages", func(t *testing.T) {
		r := newRig(t)
		heaps, err := r.reg.AddSecure([]mem.Reserved{node("x@50000800", 0x5000_0800, 3*page)})
		r.ok(err)
		if got := heaps[0].Pool().Range(); got != (mem.Range{Base: 0x5000_1000, Size: 2 * page}) {
			t.Errorf("pool %x", got)
		}
		for _, bad := range []mem.Range{{Base: 0x5000_0000, Size: 0}, {Base: 0x5000_0000, Size: page - 1}, {Base: 0x5000_0001, Size: 2*page - 2}, {Base: 0x5000_0fff, Size: page},
			{Base: 1<<64 - page, Size: 2 * page}, {Base: 1<<64 - 1, Size: 1}} {
			heaps, err := r.reg.AddSecure([]mem.Reserved{node("y", bad.Base, bad.Size)})
			want(t, "no page", err, normalworld.EINVAL)
			if heaps != nil {
				t.Errorf("%x: %v", bad, heaps[0])
			}
		}
	})
	// Allocations are rounded up to pages; none is lost or shared.
	t.Run("allocations below a page", func(t *testing.T) {
		r := newRig(t)
		seen := make(map[uint64]bool)
		for _, n := range []uint64{1, page - 1, page, page + 1, 3*page - 1} {
			b := r.alloc("sdp", n)
			if b.Size() != (n+page-1)/page*page {
				t.Errorf("%d bytes: size %d", n, b.Size())
			}
			for _, s := range r.segments(b) {
				for o := uint64(0); o < s.Len; o += page {
					if seen[s.Addr+o] {
						t.Errorf("page %#x is given twice", s.Addr+o)
					}
					seen[s.Addr+o] = true
				}
			}
		}
	})
	// "Cannot handle more than 2 secure heaps": there may be any number, and one that is wrong does not keep the others out.
	t.Run("more than two pools", func(t *testing.T) {
		r := newRig(t)
		mapped := node("mapped", 0x5200_0000, page)
		mapped.NoMap = false
		heaps, err := r.reg.AddSecure([]mem.Reserved{node("p3", 0x5000_0000, page), node("bad", 0x5100_0000, 1), node("p4", 0x5100_0000, page), mapped, node("p5", 0x5300_0000, page)})
		want(t, "bad", err, normalworld.EINVAL)
		if len(heaps) != 3 || !strings.Contains(err.Error(), "bad") || !strings.Contains(err.Error(), "no-map") {
			t.Errorf("heaps %v, %v", heaps, err)
		}
		if got, want := r.reg.Names()[2:], []string{"sdp", "screen", "p3", "p4", "p5"}; !slices.Equal(got, want) {
			t.Errorf("heaps %q, want %q", got, want)
		}
	})
	// "The memory should never be mapped or accessed from the host processor."
	t.Run("no access by the processor", func(t *testing.T) {
		r := newRig(t)
		fd, err := r.open("sdp").Alloc(r.files, page, dmabuf.ORdWr, 0)
		r.ok(err)
		b, err := r.files.Get(fd)
		r.ok(err)
		_, err = r.files.MMap(fd, 0, page, dmabuf.ProtRead)
		want(t, "mmap", err, dmabuf.ErrNoMMap)
		_, err = b.VMap()
		want(t, "vmap", err, dmabuf.ErrNoVMap)
		arg := binary.LittleEndian.AppendUint64(nil, dmabuf.SyncRead)
		want(t, "sync", r.files.Ioctl(fd, dmabuf.IoctlSync, arg), dmabuf.ErrRestricted)
	})
	// "One output of a stateless decoder must be normal memory, for the processor to read": one device uses both kinds at a time, with an
	// identity for each.
	t.Run("normal and secure memory at one device", func(t *testing.T) {
		r := newRig(t)
		dev := dmabuf.Device{Name: "decoder", NSAID: bus.NSAIDDecoder}
		for name, restricted := range map[string]bool{"sdp": true, "system": false} {
			b := r.alloc(name, page)
			a, err := b.Attach(dev)
			r.ok(err)
			segs, err := a.Map(dmabuf.FromDevice)
			r.ok(err)
			for id, reaches := range map[uint8]bool{dev.NSAID: restricted, bus.NSAIDDefault: !restricted} {
				if resp := r.m.Port(bus.Attr{NSAID: id}).Write(segs[0].Addr, []byte("feedback")); (resp == bus.OKAY) != reaches {
					t.Errorf("the decoder's write to %s as %d: %v", name, id, resp)
				}
			}
			r.ok(a.Unmap(dmabuf.FromDevice))
			m, err := b.MMap(0, page, dmabuf.ProtRead)
			if restricted {
				want(t, "mmap", err, dmabuf.ErrNoMMap)
				continue
			}
			r.ok(err)
			p := make([]byte, 8)
			if err := m.Read(0, p); err != nil || string(p) != "feedback" {
				t.Errorf("read back %q, %v", p, err)
			}
		}
	})
}

// Who may access a secure heap's memory: probes by every master, before and after buffers come and go. No SMC was made.
func TestSecureProbes(t *testing.T) {
	r := newRig(t)
	type rights struct{ read, write uint16 }
	bits := func(ids ...uint8) (m uint16) {
		for _, id := range ids {
			m |= 1 << id
		}
		return
	}
	engine := []uint8{bus.NSAIDCrypto, bus.NSAIDCryptoProtected}
	expected := map[string]rights{
		// secureworld.DefaultConfig: the crypto engine writes what it decrypts, decoder and transform read and write, the display reads.
		"sdp": {bits(bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDHDLCD), bits(append(engine, bus.NSAIDDecoder, bus.NSAIDTransform)...)},
		// The display reads what trusted applications draw.
		"screen": {bits(bus.NSAIDHDLCD), 0},
	}
	probe := func(when string) {
		t.Helper()
		for _, h := range r.sec {
			pool := h.Pool().Range()
			for _, at := range []uint64{pool.Base, pool.Base + pool.Size/2, pool.End() - 8} {
				for id := range uint8(bus.NSAIDs) {
					port := r.m.Port(bus.Attr{NSAID: id})
					var p [8]byte
					read, write := port.Read(at, p[:]) == bus.OKAY, port.Write(at, []byte("12345678")) == bus.OKAY
					want := expected[h.Name()]
					if read != (want.read>>id&1 != 0) || write != (want.write>>id&1 != 0) {
						t.Errorf("%s, %s at %#x: %s reads %v, writes %v", when, h.Name(), at, bus.NSAIDName(id), read, write)
					}
				}
				var e *normalworld.BusError
				if err := r.k.Read(at, make([]byte, 1)); !errors.As(err, &e) || e.Addr != at || e.Write {
					t.Errorf("%s, %s: the processor's read: %v", when, h.Name(), err)
				}
				if err := r.k.Zero(at, 8); !errors.As(err, &e) || e.Addr != at || !e.Write {
					t.Errorf("%s, %s: the processor's write: %v", when, h.Name(), err)
				}
			}
		}
	}
	probe("before any allocation")
	b, c := r.alloc("sdp", size), r.alloc("screen", size)
	probe("allocated")
	for _, x := range []*dmabuf.Buffer{b, c} {
		a, err := x.Attach(dmabuf.Device{Name: "decoder", NSAID: bus.NSAIDDecoder})
		r.ok(err)
		_, err = a.Map(dmabuf.Bidirectional)
		r.ok(err)
		defer func() { r.ok(errors.Join(a.Unmap(dmabuf.Bidirectional), a.Detach(), x.Put())) }()
	}
	probe("mapped")
	// One pool's memory is not the other's: isolation between uses is the firewall's, by pool.
	for _, s := range r.segments(c) {
		if resp := r.m.Port(bus.Attr{NSAID: bus.NSAIDDecoder}).Write(s.Addr, []byte{1}); resp == bus.OKAY {
			t.Error("the decoder writes to the screen's pool")
		}
	}
}
