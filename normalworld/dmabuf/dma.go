package dmabuf

// Segment is one entry of a scatter list: Len bytes from the physical address Addr on. There is no IOMMU; a device addresses memory
// as the bus does.
type Segment struct{ Addr, Len uint64 }

// Device is a master on the bus, with what it can reach (struct device's dma_mask and dma_parms).
type Device struct {
	Name string
	// NSAID is the identity that its transactions carry.
	NSAID uint8
	// DMAMask is the highest address that it can drive, 2^n-1. 0 stands for 32 bits, the mask that Linux gives a platform device.
	DMAMask uint64
	// MaxSegments is how long a scatter list may be: 1 for a device that needs contiguous memory, 0 for any length.
	MaxSegments int
	// MaxSegmentSize is how long a segment may be in bytes, at least PageSize; 0 for any.
	MaxSegmentSize uint64
}

const mask32 = 1<<32 - 1

func (d *Device) mask() uint64 {
	if d.DMAMask == 0 {
		return mask32
	}
	return d.DMAMask
}

// BouncePool is memory that devices with a narrow mask reach (swiotlb).
type BouncePool interface {
	// AllocBounce gives size contiguous bytes, page aligned, below mask.
	AllocBounce(size, mask uint64) (pa uint64, err error)
	FreeBounce(pa, size uint64)
}

// bounce is memory that stands for a segment that the device cannot reach.
type bounce struct{ orig, at, len uint64 }

// MapSG fits physical memory to the attachment's device (dma_map_sgtable): neighbours are joined, long segments are split, and what
// is out of reach is bounced, that is copied to memory from Core.Bounce. Restricted memory is not bounced. Exporters call it from
// Map, and UnmapSG from Unmap. The result is phys itself where nothing had to be done.
func (a *Attachment) MapSG(phys []Segment) ([]Segment, error) {
	d := &a.dev
	if d.fits(phys) {
		return phys, nil
	}
	limit := d.MaxSegmentSize &^ (PageSize - 1)
	if d.MaxSegmentSize != 0 && limit == 0 {
		return nil, a.broke(ErrNotContiguous)
	}
	mask := d.mask()
	var out []Segment
	for _, s := range phys {
		if s.Len == 0 || s.Addr+s.Len-1 < s.Addr {
			a.unbounce()
			return nil, a.broke(ErrSegments)
		}
		if s.Addr+s.Len-1 > mask {
			var err error
			if s, err = a.bounce(s, mask); err != nil {
				a.unbounce()
				return nil, err
			}
		}
		if n := len(out); n > 0 && out[n-1].Addr+out[n-1].Len == s.Addr {
			out[n-1].Len += s.Len
		} else {
			out = append(out, s)
		}
	}
	if limit != 0 {
		out = split(out, limit)
	}
	if d.MaxSegments != 0 && len(out) > d.MaxSegments {
		a.unbounce()
		return nil, a.broke(ErrNotContiguous)
	}
	return out, nil
}

// fits reports whether a list can be used as it is.
func (d *Device) fits(phys []Segment) bool {
	mask := d.mask()
	for i := range phys {
		s := &phys[i]
		switch {
		case s.Len == 0, s.Addr+s.Len-1 < s.Addr, s.Addr+s.Len-1 > mask,
			d.MaxSegmentSize != 0 && s.Len > d.MaxSegmentSize,
			i > 0 && phys[i-1].Addr+phys[i-1].Len == s.Addr:
			return false
		}
	}
	return d.MaxSegments == 0 || len(phys) <= d.MaxSegments
}

func split(in []Segment, limit uint64) []Segment {
	var out []Segment
	for _, s := range in {
		for s.Len > limit {
			out = append(out, Segment{s.Addr, limit})
			s.Addr, s.Len = s.Addr+limit, s.Len-limit
		}
		out = append(out, s)
	}
	return out
}

// bounce gives memory for s and fills it. It is filled for every direction, as swiotlb does, so that a device which writes less than
// it should does not leave a stranger's bytes in the buffer.
func (a *Attachment) bounce(s Segment, mask uint64) (Segment, error) {
	c := a.buf.core
	switch {
	case a.buf.restricted:
		return s, a.broke(ErrBounceRestricted)
	case c.Bounce == nil:
		return s, a.broke(ErrDMAMask)
	}
	at, err := c.Bounce.AllocBounce(s.Len, mask)
	if err != nil {
		return s, err
	}
	if err := c.copy(at, s.Addr, s.Len); err != nil {
		c.Bounce.FreeBounce(at, s.Len)
		return s, err
	}
	a.bounced = append(a.bounced, bounce{s.Addr, at, s.Len})
	return Segment{at, s.Len}, nil
}

// UnmapSG undoes MapSG. What the device wrote to bounced memory reaches the buffer now.
func (a *Attachment) UnmapSG(dir Direction) error {
	if a.bounced == nil {
		return nil
	}
	var err error
	if dir.DeviceWrites() {
		err = a.fromBounce()
	}
	a.unbounce()
	return err
}

func (a *Attachment) fromBounce() error {
	for _, b := range a.bounced {
		if err := a.buf.core.copy(b.orig, b.at, b.len); err != nil {
			return err
		}
	}
	return nil
}

func (a *Attachment) toBounce() error {
	for _, b := range a.bounced {
		if err := a.buf.core.copy(b.at, b.orig, b.len); err != nil {
			return err
		}
	}
	return nil
}

func (a *Attachment) unbounce() {
	for _, b := range a.bounced {
		a.buf.core.Bounce.FreeBounce(b.at, b.len)
	}
	a.bounced = nil
}

// copy moves n bytes with the processor.
func (c *Core) copy(dst, src, n uint64) error {
	var page [PageSize]byte
	c.stats.BouncedBytes += n
	for n > 0 {
		p := page[:min(n, PageSize)]
		if err := c.Kernel.Read(src, p); err != nil {
			return err
		}
		if err := c.Kernel.Write(dst, p); err != nil {
			return err
		}
		l := uint64(len(p))
		dst, src, n = dst+l, src+l, n-l
	}
	return nil
}

// Total is the number of bytes in a scatter list.
func Total(segs []Segment) uint64 {
	var n uint64
	for i := range segs {
		n += segs[i].Len
	}
	return n
}
