package heap

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// tee is a driver's device that counts its references.
type tee struct {
	refs int
	gone bool
}

func (d *tee) Get() bool {
	if d.gone {
		return false
	}
	d.refs++
	return true
}
func (d *tee) Put() { d.refs-- }

// fakePool hands out a carve-out, as a static pool of the TEE subsystem does.
type fakePool struct {
	pool      *mem.Pool
	fail      error
	destroyed int
	parent    any
}

func (p *fakePool) Alloc(n uint64) ([]dmabuf.Segment, uint64, error) {
	if p.fail != nil {
		return nil, 0, p.fail
	}
	pa, err := p.pool.Alloc(n)
	if err != nil {
		return nil, 0, err
	}
	return []dmabuf.Segment{{Addr: pa, Len: n}}, pa - p.pool.Range().Base, nil
}

func (p *fakePool) Free(segs []dmabuf.Segment) {
	if err := p.pool.Free(segs[0].Addr, segs[0].Len); err != nil {
		panic(err)
	}
}

func (p *fakePool) UpdateSHM(segs []dmabuf.Segment, offset uint64) (Reference, error) {
	if p.fail != nil {
		return Reference{}, p.fail
	}
	if p.parent != nil {
		return Reference{Parent: p.parent}, nil
	}
	return Reference{PA: segs[0].Addr}, nil
}

func (p *fakePool) Destroy() { p.destroyed++ }

func newPool(tb testing.TB) *fakePool {
	pool, err := mem.NewPool(mem.Range{Base: video, Size: size})
	if err != nil {
		tb.Fatal(err)
	}
	return &fakePool{pool: pool}
}

// The heap outlives its driver; the driver's pool and device are held by its buffers (drivers/tee/tee_heap.c).
func TestProtectedLife(t *testing.T) {
	r := newRig(t)
	d, p := new(tee), newPool(t)
	_, err := r.reg.Open("protected,secure-video")
	want(t, "before", err, normalworld.ENOENT)
	r.ok(r.reg.RegisterProtected(d, SecureVideoPlay, p))
	h := r.open("protected,secure-video")
	if r.open("restricted,secure-video") != h || d.refs != 1 {
		t.Errorf("the alias is another heap, or %d references", d.refs)
	}
	want(t, "a second pool", r.reg.RegisterProtected(new(tee), SecureVideoPlay, newPool(t)), normalworld.EBUSY)
	b := r.alloc("protected,secure-video", 5*page-1)
	if !b.Restricted() || b.Size() != 5*page {
		t.Errorf("restricted %v, %d bytes", b.Restricted(), b.Size())
	}
	_, err = b.MMap(0, page, dmabuf.ProtRead)
	want(t, "mmap", err, normalworld.EINVAL)
	_, err = b.VMap()
	want(t, "vmap", err, normalworld.EINVAL)
	want(t, "begin", b.BeginCPUAccess(dmabuf.FromDevice), normalworld.EPERM)
	if segs := r.segments(b); len(segs) != 1 || segs[0] != (dmabuf.Segment{Addr: video, Len: 5 * page}) {
		t.Errorf("segments %x", segs)
	}

	r.reg.UnregisterProtected(new(tee)) // another's
	r.reg.UnregisterProtected(d)
	r.reg.UnregisterProtected(d) // has no second effect
	if p.destroyed != 0 || d.refs != 1 {
		t.Errorf("destroyed %d times with a buffer left, %d references", p.destroyed, d.refs)
	}
	want(t, "the next driver, too early", r.reg.RegisterProtected(new(tee), SecureVideoPlay, newPool(t)), normalworld.EBUSY)
	// The reference to the device ends with the last buffer.
	r.ok(b.Put())
	if p.destroyed != 1 || d.refs != 0 || p.pool.FreePages() != size/page {
		t.Errorf("destroyed %d times, %d references, %d pages free", p.destroyed, d.refs, p.pool.FreePages())
	}
	_, err = h.Alloc(r.files, page, 0, 0)
	want(t, "without a driver", err, normalworld.EINVAL)
	if r.open("protected,secure-video") != h {
		t.Error("the heap has gone")
	}
	// The next driver, behind the same heap.
	d2, p2 := new(tee), newPool(t)
	r.ok(r.reg.RegisterProtected(d2, SecureVideoPlay, p2))
	b, err = h.Buffer(page, 0)
	r.ok(err)
	r.ok(b.Put())
	r.reg.UnregisterProtected(d2)
	if p2.destroyed != 1 || d2.refs != 0 || p.destroyed != 1 {
		t.Errorf("destroyed %d times, %d references", p2.destroyed, d2.refs)
	}
}

func TestProtectedErrors(t *testing.T) {
	r := newRig(t)
	d, p := new(tee), newPool(t)
	for _, id := range []ID{0, 4, 1 << 31} {
		want(t, "heap", r.reg.RegisterProtected(d, id, p), normalworld.EINVAL)
	}
	want(t, "no device", r.reg.RegisterProtected(nil, TrustedUI, p), normalworld.EINVAL)
	want(t, "no pool", r.reg.RegisterProtected(d, TrustedUI, nil), normalworld.EINVAL)
	want(t, "a device that goes away", r.reg.RegisterProtected(&tee{gone: true}, TrustedUI, p), normalworld.EINVAL)
	if _, err := r.reg.Add("protected,secure-video-record", new(refuse)); err != nil {
		t.Fatal(err)
	}
	want(t, "a name that is taken", r.reg.RegisterProtected(d, SecureVideoRecord, p), normalworld.EINVAL)
	if d.refs != 0 {
		t.Errorf("%d references are left", d.refs)
	}
	r.ok(r.reg.RegisterProtected(d, TrustedUI, p))
	for _, err := range []error{normalworld.ENOMEM, normalworld.EIO, normalworld.EINVAL} {
		p.fail = err
		_, got := r.open("protected,trusted-ui").Buffer(page, 0)
		want(t, "the pool's error", got, err)
	}
	p.fail = nil
	r.files.SetLimit(0)
	_, err := r.open("restricted,trusted-ui").Alloc(r.files, page, 0, 0)
	want(t, "no descriptor", err, normalworld.EMFILE)
	r.reg.UnregisterProtected(d)
	if p.destroyed != 1 || d.refs != 0 || p.pool.FreePages() != size/page || r.core.Stats().Buffers != 0 {
		t.Errorf("after refusals: destroyed %d times, %d references, %d pages free", p.destroyed, d.refs, p.pool.FreePages())
	}
}

// How messages name a buffer: by address for a static pool, by the pool's object and an offset for a dynamic one; strangers' buffers not at all.
func TestReference(t *testing.T) {
	r := newRig(t)
	d, p := new(tee), newPool(t)
	r.ok(r.reg.RegisterProtected(d, SecureVideoPlay, p))
	r.alloc("protected,secure-video", page)
	b := r.alloc("protected,secure-video", 2*page)
	got, err := ReferenceTo(d, b)
	r.ok(err)
	if got != (Reference{PA: video + page, Size: 2 * page}) {
		t.Errorf("static: %+v", got)
	}
	p.parent = "the pool"
	got, err = ReferenceTo(d, b)
	r.ok(err)
	if got != (Reference{Parent: "the pool", Offset: page, Size: 2 * page}) {
		t.Errorf("dynamic: %+v", got)
	}
	p.fail = normalworld.EIO
	_, err = ReferenceTo(d, b)
	want(t, "the pool's error", err, normalworld.EIO)
	_, err = ReferenceTo(new(tee), b)
	want(t, "another device", err, normalworld.EINVAL)
	_, err = ReferenceTo(nil, b)
	want(t, "no device", err, normalworld.EINVAL)
	for _, name := range []string{"system", "sdp"} {
		_, err = ReferenceTo(d, r.alloc(name, page))
		want(t, name, err, normalworld.EINVAL)
	}
	r.ok(b.Put())
	_, err = ReferenceTo(d, b)
	want(t, "a released buffer", err, normalworld.EINVAL)
}

// guardedPool lets devices in by mapping, and keeps a list of who is in.
type guardedPool struct {
	*fakePool
	refuse error
	in     []string
}

func entry(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) string {
	return fmt.Sprintf("%s %v %x", dev.Name, dir, segs)
}

func (g *guardedPool) Admit(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) error {
	if g.refuse == nil {
		g.in = append(g.in, entry(dev, segs, dir))
	}
	return g.refuse
}

func (g *guardedPool) Dismiss(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) {
	i := slices.Index(g.in, entry(dev, segs, dir))
	g.in = slices.Delete(g.in, i, i+1) // who is not in makes this panic
}

// A pool that guards its memory admits a device for as long as a mapping lasts: neither a refusal nor a failure leaves anybody in.
func TestGuard(t *testing.T) {
	r := newRig(t)
	g := &guardedPool{fakePool: newPool(t)}
	r.ok(r.reg.RegisterProtected(new(tee), SecureVideoPlay, g))
	b := r.alloc("protected,secure-video", page)
	decoder, err := b.Attach(dmabuf.Device{Name: "decoder"})
	r.ok(err)
	display, err := b.Attach(dmabuf.Device{Name: "display"})
	r.ok(err)
	_, err = decoder.Map(dmabuf.FromDevice)
	r.ok(err)
	_, err = display.Map(dmabuf.ToDevice)
	r.ok(err)
	at := []dmabuf.Segment{{Addr: video, Len: page}}
	if want := []string{fmt.Sprintf("decoder from-device %x", at), fmt.Sprintf("display to-device %x", at)}; !slices.Equal(g.in, want) {
		t.Errorf("admitted %q, want %q", g.in, want)
	}
	_, err = display.Map(dmabuf.FromDevice)
	want(t, "a second mapping", err, dmabuf.ErrMapTwice)
	want(t, "another direction", display.Unmap(dmabuf.FromDevice), dmabuf.ErrUnmapDirection)
	if len(g.in) != 2 {
		t.Errorf("admitted %q after misuse", g.in)
	}
	r.ok(decoder.Unmap(dmabuf.FromDevice))
	if len(g.in) != 1 || g.in[0] != fmt.Sprintf("display to-device %x", at) {
		t.Errorf("admitted %q", g.in)
	}
	r.ok(display.Unmap(dmabuf.ToDevice))

	g.refuse = normalworld.EACCES
	_, err = decoder.Map(dmabuf.FromDevice)
	want(t, "refused", err, normalworld.EACCES)
	if _, _, mapped := decoder.Mapped(); mapped {
		t.Error("mapped all the same")
	}
	g.refuse = nil
	// A mapping that fails after the device was admitted, since the memory never becomes ready.
	fence := r.core.NewTimeline("tee", "clear", nil).NewFence()
	r.ok(b.Reservation().Add(fence, dmabuf.KernelUsage))
	_, err = decoder.Map(dmabuf.FromDevice)
	want(t, "never ready", err, normalworld.EDEADLK)
	// One that the device cannot use.
	narrow, err := b.Attach(dmabuf.Device{Name: "narrow", DMAMask: 1<<20 - 1})
	r.ok(err)
	_, err = narrow.Map(dmabuf.ToDevice)
	want(t, "out of reach", err, dmabuf.ErrBounceRestricted)
	if len(g.in) != 0 {
		t.Errorf("still admitted: %q", g.in)
	}
	r.ok(fence.Signal())
	r.ok(errors.Join(decoder.Detach(), display.Detach(), narrow.Detach(), b.Put()))
}
