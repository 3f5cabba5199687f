package memory

import "sort"

// kind is how an object's memory came to the secure world.
type kind uint8

const (
	ended       kind = iota
	shared           // both worlds access it
	registered       // the same, through OP-TEE's SMC ABI
	lent             // protected
	donated          // protected, not retrieved yet
	surrendered      // protected for good
	carveout         // protected since reset
)

// Object is memory that the secure world was given: ranges in the order in which they form a buffer.
type Object struct {
	space  *Space
	kind   kind
	ranges []Range
	starts []uint64 // offset of each range in the buffer
	size   uint64
	access Access // of non-secure masters, by itself: of lent memory
	// uncounted objects are outside the account of ranges.
	uncounted bool
}

func (s *Space) object(ranges []Range, k kind) *Object {
	o := &Object{space: s, kind: k, ranges: append([]Range(nil), ranges...), starts: make([]uint64, len(ranges))}
	for i, r := range ranges {
		o.starts[i] = o.size
		o.size += r.Size
	}
	s.ranges += len(ranges)
	return o
}

// Carveout makes an object of reserved memory, which the board's configuration protects.
func (s *Space) Carveout(r Range) *Object {
	o := s.object([]Range{r}, carveout)
	s.ranges--
	o.uncounted = true
	return o
}

// Size is the length of the buffer in bytes.
func (o *Object) Size() uint64 { return o.size }

// Access gives the masters that lent memory was protected for.
func (o *Object) Access() Access { return o.access }

// Ranges gives the ranges in the order of the buffer. They must not be changed.
func (o *Object) Ranges() []Range { return o.ranges }

// Protected reports whether the normal world has lost access to the memory.
func (o *Object) Protected() bool { return o.kind >= lent }

func (o *Object) normalised() []Range {
	sorted, ok := Normalise(append(o.space.sorted[:0], o.ranges...))
	if !ok {
		panic("BUG: memory: an object with overlapping ranges")
	}
	o.space.sorted = sorted[:0]
	return sorted
}

// Part gives the memory behind n bytes from offset off of the buffer, in the order of the buffer.
func (o *Object) Part(off, n uint64) (ranges []Range, err error) {
	err = o.each(off, n, func(addr, n uint64) error {
		ranges = append(ranges, Range{addr, n})
		return nil
	})
	return ranges, err
}

// part gives the memory behind whole pages of a protected buffer that can have grants, normalised.
func (o *Object) part(off, n uint64) ([]Range, error) {
	switch {
	case o.kind != lent && o.kind != carveout:
		return nil, ErrState
	case n == 0 || off%PageSize != 0 || n%PageSize != 0:
		return nil, ErrBounds
	}
	ranges, err := o.Part(off, n)
	if err != nil {
		return nil, err
	}
	ranges, ok := Normalise(ranges)
	if !ok {
		panic("BUG: memory: an object with overlapping ranges")
	}
	return ranges, nil
}

// each calls f for the pieces of memory behind [off, off+n) of the buffer, in order.
func (o *Object) each(off, n uint64, f func(addr, n uint64) error) error {
	if o.kind == ended {
		return ErrState
	}
	if off > o.size || n > o.size-off {
		return ErrBounds
	}
	for i := sort.Search(len(o.starts), func(i int) bool { return o.starts[i] > off }) - 1; n > 0; i++ {
		r, in := o.ranges[i], off-o.starts[i]
		k := min(n, r.Size-in)
		if err := f(r.Base+in, k); err != nil {
			return err
		}
		off += k
		n -= k
	}
	return nil
}

// ReadAt copies len(p) bytes from offset off of the buffer: shared memory as the normal world would read it, protected
// memory with the secure identity.
func (o *Object) ReadAt(p []byte, off uint64) error {
	port := o.space.cfg.NonSecure
	if o.Protected() {
		port = o.space.cfg.Secure
	}
	return o.each(off, uint64(len(p)), func(addr, n uint64) error {
		err := check(port.Read(addr, p[:n]))
		p = p[n:]
		return err
	})
}

// WriteAt is the other direction.
func (o *Object) WriteAt(p []byte, off uint64) error {
	port := o.space.cfg.NonSecure
	if o.Protected() {
		port = o.space.cfg.Secure
	}
	return o.each(off, uint64(len(p)), func(addr, n uint64) error {
		err := check(port.Write(addr, p[:n]))
		p = p[n:]
		return err
	})
}

// Zero zeroes n bytes from offset off of the buffer, with the identity that WriteAt uses.
func (o *Object) Zero(off, n uint64) error {
	port := o.space.cfg.NonSecure
	if o.Protected() {
		port = o.space.cfg.Secure
	}
	return o.each(off, n, func(addr, n uint64) error { return check(port.Zero(addr, n)) })
}
