package smaf

import (
	"errors"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/tee"
	"gatehouse/normalworld/tee/optee"
	wire "gatehouse/smc/optee"
)

// OPTEE is the secure module of platforms with OP-TEE, over either ABI: memory is lent for the use case that admits no master by
// itself, and masters are let in by the grant application. The processor never is.
type OPTEE struct{ Driver *optee.Driver }

// CreateContext is documented at Secure.
func (o OPTEE) CreateContext() (Context, error) {
	cfg, err := o.Driver.Protmem(wire.UseCaseOnDemand)
	if err != nil {
		return nil, err
	}
	grants, err := o.Driver.OpenGrants()
	if err != nil {
		return nil, err
	}
	return &opteeContext{d: o.Driver, cfg: cfg, grants: grants}, nil
}

// opteeContext is the protection of one buffer.
type opteeContext struct {
	d      *optee.Driver
	cfg    *optee.ProtmemConfig
	grants *optee.Grants
	lent   []lent
}

// lent is a segment in the secure world's care.
type lent struct {
	dmabuf.Segment
	shm *tee.SHM
}

// Protect is documented at Context.
func (c *opteeContext) Protect(segs []dmabuf.Segment) error {
	for _, s := range segs {
		shm, err := c.d.LendPages(s.Addr, s.Len/dmabuf.PageSize, c.cfg)
		if err != nil {
			return errors.Join(err, c.takeBack())
		}
		c.lent = append(c.lent, lent{s, shm})
	}
	return nil
}

// takeBack gives the memory back, the last piece first. What is left after an error can be tried again.
func (c *opteeContext) takeBack() error {
	for n := len(c.lent); n > 0; n-- {
		if err := c.d.TakeBack(c.lent[n-1].shm); err != nil {
			return err
		}
		c.lent = c.lent[:n-1]
	}
	return nil
}

// Grant is documented at Context.
func (c *opteeContext) Grant(dev *dmabuf.Device, seg dmabuf.Segment, dir dmabuf.Direction) error {
	done := uint64(0)
	for _, p := range c.parts(seg) {
		if err := c.grants.Grant(p.shm, p.Addr, p.Len, dev.NSAID, dir); err != nil {
			if done > 0 {
				err = errors.Join(err, c.Revoke(dev, dmabuf.Segment{Addr: seg.Addr, Len: done}, dir))
			}
			return err
		}
		done += p.Len
	}
	return nil
}

// Revoke is documented at Context.
func (c *opteeContext) Revoke(dev *dmabuf.Device, seg dmabuf.Segment, dir dmabuf.Direction) error {
	var errs []error
	for _, p := range c.parts(seg) {
		if err := c.grants.Revoke(p.shm, p.Addr, p.Len, dev.NSAID, dir); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// parts finds what of a device's segment lies in which piece that was lent: neighbours were joined for the device, or long pieces
// split. Their addresses are offsets in the piece.
func (c *opteeContext) parts(seg dmabuf.Segment) (parts []lent) {
	for _, l := range c.lent {
		from, to := max(seg.Addr, l.Addr), min(seg.Addr+seg.Len, l.Addr+l.Len)
		if from < to {
			parts = append(parts, lent{dmabuf.Segment{Addr: from - l.Addr, Len: to - from}, l.shm})
		}
	}
	return parts
}

// AllowCPU is documented at Context.
func (c *opteeContext) AllowCPU(dmabuf.Direction) bool { return false }

// Destroy is documented at Context.
func (c *opteeContext) Destroy() error {
	if c.grants != nil {
		if err := c.grants.Close(); err != nil {
			return err
		}
		c.grants = nil
	}
	return c.takeBack()
}
