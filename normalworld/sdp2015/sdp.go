package sdp2015

import (
	"errors"
	"fmt"
	"slices"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/smaf"
)

// Errors of both ways.
var (
	// ErrSecure is a buffer that is secure already, or is not.
	ErrSecure = fmt.Errorf("the secure state of the buffer is another one: %w", normalworld.EINVAL)
	// ErrInUse is a change of the secure state while a device uses the buffer.
	ErrInUse = fmt.Errorf("the buffer is mapped: %w", normalworld.EBUSY)
)

// protect takes a buffer's memory from everybody. The memory is found as any importer finds it. A context beside an error may have some
// of the memory still: it must be destroyed before anybody frees the buffer, to which there is one more reference then.
func protect(fw smaf.Secure, b *dmabuf.Buffer) (smaf.Context, error) {
	for a := range b.Attachments() {
		if _, _, mapped := a.Mapped(); mapped {
			return nil, ErrInUse
		}
	}
	ctx, err := fw.CreateContext()
	if err != nil {
		return nil, err
	}
	if err := visit(b, ctx.Protect); err != nil {
		derr := ctx.Destroy()
		if derr == nil {
			return nil, err
		}
		return ctx, errors.Join(err, derr, b.Get())
	}
	return ctx, nil
}

// visit calls f with a buffer's memory.
func visit(b *dmabuf.Buffer, f func([]dmabuf.Segment) error) error {
	a, err := b.Attach(dmabuf.Device{Name: "sdp", DMAMask: 1<<64 - 1})
	if err != nil {
		return err
	}
	segs, err := a.Map(dmabuf.Bidirectional)
	if err == nil {
		err = errors.Join(f(slices.Clone(segs)), a.Unmap(dmabuf.Bidirectional))
	}
	return errors.Join(err, a.Detach())
}

// grant lets a device at all segments, or at none.
func grant(ctx smaf.Context, dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) error {
	for i, s := range segs {
		if err := ctx.Grant(dev, s, dir); err != nil {
			revoke(ctx, dev, segs[:i], dir)
			return err
		}
	}
	return nil
}

// revoke ends what grant began. Where the firewall refuses, access ends with the context.
func revoke(ctx smaf.Context, dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) {
	for _, s := range slices.Backward(segs) {
		_ = ctx.Revoke(dev, s, dir)
	}
}

// Patched is a dma-buf core with a field "secure" in each buffer: drivers call its MapAttachment and UnmapAttachment where they called
// the core's.
type Patched struct {
	fw     smaf.Secure
	secure map[*dmabuf.Buffer]smaf.Context // looked up, never ranged over
	lost   []lost
}

// lost is a buffer that could not be made secure, and some of whose memory the firewall keeps.
type lost struct {
	b   *dmabuf.Buffer // with a reference
	ctx smaf.Context
}

func (l lost) settle() error {
	if err := l.ctx.Destroy(); err != nil {
		return err
	}
	return l.b.Put()
}

// NewPatched makes a patched core that knows one platform's firewall.
func NewPatched(fw smaf.Secure) *Patched {
	return &Patched{fw: fw, secure: make(map[*dmabuf.Buffer]smaf.Context)}
}

// SetSecure sets the field: the memory is closed to everybody. ErrSecure, ErrInUse. Where the firewall refuses and then keeps some of the
// memory, the buffer lives on until Settle.
func (p *Patched) SetSecure(b *dmabuf.Buffer) error {
	if p.secure[b] != nil {
		return ErrSecure
	}
	ctx, err := protect(p.fw, b)
	if err != nil {
		if ctx != nil {
			p.lost = append(p.lost, lost{b, ctx})
		}
		return err
	}
	p.secure[b] = ctx
	return nil
}

// Settle asks the firewall again for what it has kept, and says of how many buffers it keeps something still.
func (p *Patched) Settle() (buffers int) {
	list := p.lost
	p.lost = nil
	for _, l := range list {
		if l.settle() != nil {
			p.lost = append(p.lost, l)
		}
	}
	return len(p.lost)
}

// Secure reads the field. A driver whose engine has an identity of its own for protected memory must ask for it, too.
func (p *Patched) Secure(b *dmabuf.Buffer) bool { return p.secure[b] != nil }

// ClearSecure gives the memory back, with nothing in it. It must come before the last reference to the buffer goes: the core has no place
// from which it could do so by itself, as the exporter frees the memory first.
func (p *Patched) ClearSecure(b *dmabuf.Buffer) error {
	ctx := p.secure[b]
	if ctx == nil {
		return ErrSecure
	}
	for a := range b.Attachments() {
		if _, _, mapped := a.Mapped(); mapped {
			return ErrInUse
		}
	}
	if err := ctx.Destroy(); err != nil {
		return err
	}
	delete(p.secure, b)
	return nil
}

// MapAttachment is dma_buf_map_attachment with the firewall behind it.
func (p *Patched) MapAttachment(a *dmabuf.Attachment, dir dmabuf.Direction) ([]dmabuf.Segment, error) {
	segs, err := a.Map(dir)
	ctx := p.secure[a.Buffer()]
	if err != nil || ctx == nil {
		return segs, err
	}
	if err := grant(ctx, a.Device(), segs, dir); err != nil {
		return nil, errors.Join(err, a.Unmap(dir))
	}
	return segs, nil
}

// UnmapAttachment is dma_buf_unmap_attachment with the firewall before it.
func (p *Patched) UnmapAttachment(a *dmabuf.Attachment, dir dmabuf.Direction) error {
	segs, mapped, ok := a.Mapped()
	if ctx := p.secure[a.Buffer()]; ctx != nil && ok && mapped == dir {
		revoke(ctx, a.Device(), segs, dir)
	}
	return a.Unmap(dir)
}

// Overwritten is an exporter in the place of another one.
type Overwritten struct {
	orig dmabuf.Exporter
	ctx  smaf.Context
	gone *dmabuf.Buffer // released, and its memory has not come back
	lost []lost
}

// Overwrite makes a buffer secure by exchanging its exporter. The memory comes back when the buffer is released. ErrSecure where that
// was done before. Where the firewall refuses and then keeps some of the memory, the buffer lives on, and what is given beside the error
// is for Settle alone.
func Overwrite(fw smaf.Secure, b *dmabuf.Buffer) (*Overwritten, error) {
	if _, ok := b.Exporter().(*Overwritten); ok {
		return nil, ErrSecure
	}
	ctx, err := protect(fw, b)
	if err != nil {
		if ctx != nil {
			return &Overwritten{lost: []lost{{b, ctx}}}, err
		}
		return nil, err
	}
	o := &Overwritten{ctx: ctx}
	if o.orig, err = b.OverwriteExporter(o); err != nil {
		return nil, errors.Join(err, ctx.Destroy())
	}
	return o, nil
}

// Attach is the original's. See dmabuf.Exporter.
func (o *Overwritten) Attach(a *dmabuf.Attachment) error { return o.orig.Attach(a) }

// Detach is the original's.
func (o *Overwritten) Detach(a *dmabuf.Attachment) { o.orig.Detach(a) }

// Map is the original's, and then the firewall.
func (o *Overwritten) Map(a *dmabuf.Attachment, dir dmabuf.Direction) ([]dmabuf.Segment, error) {
	segs, err := o.orig.Map(a, dir)
	if err != nil {
		return nil, err
	}
	if err := grant(o.ctx, a.Device(), segs, dir); err != nil {
		o.orig.Unmap(a, segs, dir)
		return nil, err
	}
	return segs, nil
}

// Unmap is the firewall, and then the original's.
func (o *Overwritten) Unmap(a *dmabuf.Attachment, segs []dmabuf.Segment, dir dmabuf.Direction) {
	revoke(o.ctx, a.Device(), segs, dir)
	o.orig.Unmap(a, segs, dir)
}

// Protected is why drivers need no change here either. See dmabuf.Protector.
func (o *Overwritten) Protected(*dmabuf.Buffer) bool { return true }

// Release gives the memory back to the original when the firewall has; if it does not, nobody gets it before Settle.
func (o *Overwritten) Release(b *dmabuf.Buffer) {
	o.gone = b
	_ = o.Settle() // there is nobody to tell
}

// Settle asks the firewall again for what it has kept of a buffer.
func (o *Overwritten) Settle() error {
	for len(o.lost) > 0 {
		if err := o.lost[0].settle(); err != nil {
			return err
		}
		o.lost = o.lost[1:]
	}
	if o.gone == nil {
		return nil
	}
	if err := o.ctx.Destroy(); err != nil {
		return err
	}
	b := o.gone
	o.gone = nil
	o.orig.Release(b)
	return nil
}

// SelfAttach is what an exporter that uses its own buffers by DMA would have to do for either way: attach to them like anybody else,
// and map for as long as its device works.
func SelfAttach(b *dmabuf.Buffer, dev dmabuf.Device) (*dmabuf.Attachment, error) {
	return b.Attach(dev)
}
