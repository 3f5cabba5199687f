package heap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

const (
	page  = mem.PageSize
	video = platform.RAMBase + 64<<20 // carve-out of secure video playback
	ui    = platform.RAMBase + 80<<20 // carve-out of the trusted user interface
	size  = 2 << 20                   // of each
)

// rig is a kernel with all heaps of its own, on a board with two carve-outs that are closed from reset on.
type rig struct {
	tb    testing.TB
	m     *platform.Machine
	k     *normalworld.Kernel
	core  *dmabuf.Core
	pages *mem.Allocator
	reg   *Registry
	files *dmabuf.Files
	sec   []*SecureHeap
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	cfg := secureworld.DefaultConfig()
	cfg.Carveout = memory.Range{Base: video, Size: size}
	cfg.OPTEE.UseCases[1].Carveout = memory.Range{Base: ui, Size: size}
	m, err := platform.New(platform.Config{Firmware: secureworld.New(cfg), TZASC: true, Reserved: []platform.Reserved{
		{Name: "sdp", Base: video, Size: size, NoMap: true, Compatible: SecureCompatible},
		{Name: "screen", Base: ui, Size: size, NoMap: true, Compatible: SecureCompatible},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	r := &rig{tb: tb, m: m, k: normalworld.New(m, nil), files: dmabuf.NewFiles(0)}
	r.core = dmabuf.New(r.k)
	l, err := mem.Discover(r.k.DTB())
	r.ok(err)
	r.ok(l.ReserveArea(8 << 20))
	r.pages, err = mem.New(r.k, l.Config(mem.Costs{}))
	r.ok(err)
	r.reg = NewRegistry(r.core)
	_, err = r.reg.AddSystem(r.pages)
	r.ok(err)
	r.ok(r.reg.AddCMA(r.pages))
	r.sec, err = r.reg.AddSecure(l.Compatible(SecureCompatible))
	r.ok(err)
	return r
}

func (r *rig) ok(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Fatal(err)
	}
}

func want(tb testing.TB, what string, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (r *rig) open(name string) *Heap {
	r.tb.Helper()
	h, err := r.reg.Open(name)
	r.ok(err)
	return h
}

// alloc gives a buffer of a heap, with its descriptor closed, so that there is one reference.
func (r *rig) alloc(name string, n uint64) *dmabuf.Buffer {
	r.tb.Helper()
	b, err := r.open(name).Buffer(n, dmabuf.ORdWr)
	r.ok(err)
	return b
}

// segments maps a buffer for a device without limits and unmaps it.
func (r *rig) segments(b *dmabuf.Buffer) []dmabuf.Segment {
	r.tb.Helper()
	a, err := b.Attach(dmabuf.Device{Name: "any", DMAMask: 1<<64 - 1})
	r.ok(err)
	segs, err := a.Map(dmabuf.Bidirectional)
	r.ok(err)
	segs = append([]dmabuf.Segment(nil), segs...)
	r.ok(a.Unmap(dmabuf.Bidirectional))
	r.ok(a.Detach())
	return segs
}

func (r *rig) isZero(b *dmabuf.Buffer) bool {
	r.tb.Helper()
	m, err := b.MMap(0, b.Size(), dmabuf.ProtRead)
	r.ok(err)
	p := make([]byte, b.Size())
	r.ok(m.Read(0, p))
	r.ok(m.Unmap())
	return bytes.Equal(p, make([]byte, len(p)))
}

func (r *rig) dirty(b *dmabuf.Buffer) {
	r.tb.Helper()
	v, err := b.VMap()
	r.ok(err)
	r.ok(v.Write(0, bytes.Repeat([]byte{0xa5}, int(b.Size()))))
	r.ok(v.Unmap())
}

// pattern writes numbers through a process's mapping, and finds them in the kernel's mapping and in physical memory.
func (r *rig) pattern(b *dmabuf.Buffer) {
	r.tb.Helper()
	m, err := b.MMap(0, b.Size(), dmabuf.ProtRead|dmabuf.ProtWrite)
	r.ok(err)
	var p []byte
	for i := uint64(0); i < b.Size(); i += 8 {
		p = binary.LittleEndian.AppendUint64(p, i)
	}
	r.ok(m.Write(0, p))
	r.ok(m.Unmap())
	v, err := b.VMap()
	r.ok(err)
	got := make([]byte, len(p))
	r.ok(v.Read(0, got))
	r.ok(v.Unmap())
	phys := make([]byte, 0, len(p))
	for _, s := range r.segments(b) {
		q := make([]byte, s.Len)
		r.ok(r.k.Read(s.Addr, q))
		phys = append(phys, q...)
	}
	if !bytes.Equal(got, p) || !bytes.Equal(phys, p) {
		r.tb.Errorf("%v: the two mappings and memory differ", b)
	}
}
