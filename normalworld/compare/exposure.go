package compare

import (
	"cmp"
	"math/bits"
	"slices"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

const pageSize = 4096

// access says which non-secure masters may read and write, one bit for each NSAID.
type access struct{ read, write uint16 }

// folded counts the two identities of the crypto engine as one master.
func (a access) folded() access {
	fold := func(m uint16) uint16 {
		if m>>bus.NSAIDCryptoProtected&1 != 0 {
			m = m&^(1<<bus.NSAIDCryptoProtected) | 1<<bus.NSAIDCrypto
		}
		return m
	}
	return access{fold(a.read), fold(a.write)}
}

// mirrored is one region of the controller as its events tell.
type mirrored struct {
	enabled   bool
	base, top uint64 // the first and the last byte
	access    access
}

// maxRegions is how many regions a TZC-400 has (DDI 0504, 2.2.1), with region 0.
const maxRegions = 9

// mirror is the controller, put together from the events of its register writes. All filter units are programmed alike; what
// stands for them is unit 0, which is the one in front of RAM.
type mirror struct {
	open  bool
	slots [maxRegions]mirrored
}

func (m *mirror) region(n uint64) mirrored {
	if n < maxRegions {
		return m.slots[n]
	}
	return mirrored{}
}

// write takes over what a register write has changed.
func (m *mirror) write(e *event.Event) {
	switch {
	case e.Name == "GATE_KEEPER":
		m.open = field(e, "filters").Num&1 != 0
	case field(e, "region").Key != "":
		n := field(e, "region").Num
		if n >= maxRegions {
			return
		}
		m.slots[n] = mirrored{
			enabled: n == 0 || field(e, "filters").Num&1 != 0,
			base:    field(e, "base").Num, top: field(e, "top").Num,
			access: access{uint16(field(e, "read").Num), uint16(field(e, "write").Num)},
		}
	}
}

// regions counts the regions above 0 that are enabled.
func (m *mirror) regions() (n int) {
	for i := range m.slots[1:] {
		if m.slots[1+i].enabled {
			n++
		}
	}
	return n
}

// at says who may access the page at pa (DDI 0504, 2.2.1): nobody where regions overlap or the gate is closed.
func (m *mirror) at(pa uint64) access {
	if !m.open {
		return access{}
	}
	a, found := m.slots[0].access, false
	for i := range m.slots[1:] {
		if r := &m.slots[1+i]; r.enabled && pa >= r.base && pa <= r.top {
			if found {
				return access{}
			}
			a, found = r.access, true
		}
	}
	return a
}

// Exposure is an integral over virtual time, in pages x ns x masters.
type Exposure struct {
	// Any counts a master that could read or write a buffer without having it mapped in that direction; Read and Write count each direction
	// for itself.
	Any, Read, Write uint64
	// Stale counts the masters that could read what buffers held that have been freed, until it was scrubbed or allocated again.
	Stale uint64
	life  uint64 // pages x ns that buffers lived
}

func (x Exposure) minus(old Exposure) Exposure {
	return Exposure{x.Any - old.Any, x.Read - old.Read, x.Write - old.Write, x.Stale - old.Stale, x.life - old.life}
}

// times gives x for a duration.
func (x Exposure) times(ns uint64) Exposure {
	return Exposure{x.Any * ns, x.Read * ns, x.Write * ns, x.Stale * ns, x.life * ns}
}

func (x Exposure) plus(y Exposure) Exposure {
	return Exposure{x.Any + y.Any, x.Read + y.Read, x.Write + y.Write, x.Stale + y.Stale, x.life + y.life}
}

// span is a range of memory, and what it adds to the rate at which exposure grows, in pages x masters.
type span struct {
	base, size uint64
	rate       Exposure
}

func (s *span) end() uint64 { return s.base + s.size }

// held is a buffer that exists.
type held struct {
	span
	serial        uint64
	reads, writes [bus.NSAIDs]int // mappings of each master
}

// needs is who has the buffer mapped. A device is attached with the first identity of its master.
func (h *held) needs() (a access) {
	for id := range bus.NSAIDs {
		if h.reads[id] > 0 {
			a.read |= 1 << id
		}
		if h.writes[id] > 0 {
			a.write |= 1 << id
		}
	}
	return a
}

// integrator adds up exposure. Between two events nothing changes.
type integrator struct {
	mirror *mirror
	total  Exposure
	rate   Exposure // of all buffers and stale spans together
	last   uint64   // time up to which total counts
	bufs   []*held  // in the order of their serial numbers
	stale  []span   // memory that held buffers, disjoint
	spare  []span
}

// until counts up to now.
func (x *integrator) until(now uint64) {
	if now > x.last {
		x.total = x.total.plus(x.rate.times(now - x.last))
		x.last = now
	}
}

// reprogrammed works all rates out anew.
func (x *integrator) reprogrammed() {
	x.rate = Exposure{}
	for _, h := range x.bufs {
		h.rate = x.of(h)
		x.rate = x.rate.plus(h.rate)
	}
	for i := range x.stale {
		s := &x.stale[i]
		s.rate = x.left(s)
		x.rate = x.rate.plus(s.rate)
	}
}

// of is the rate of a buffer.
func (x *integrator) of(h *held) (r Exposure) {
	need := h.needs()
	r.life = h.size / pageSize
	x.mirror.pieces(h.base, h.end(), func(pages uint64, a access) {
		a = a.folded()
		read, write := a.read&^need.read, a.write&^need.write
		r.Any += pages * uint64(bits.OnesCount16(read|write))
		r.Read += pages * uint64(bits.OnesCount16(read))
		r.Write += pages * uint64(bits.OnesCount16(write))
	})
	return r
}

// left is the rate of memory that held a buffer.
func (x *integrator) left(s *span) (r Exposure) {
	x.mirror.pieces(s.base, s.end(), func(pages uint64, a access) { r.Stale += pages * uint64(bits.OnesCount16(a.folded().read)) })
	return r
}

// pieces divides memory at the ends of regions, so that access is the same within each piece.
func (m *mirror) pieces(base, end uint64, f func(pages uint64, a access)) {
	for at := base; at < end; {
		next := end
		for i := range m.slots[1:] {
			r := &m.slots[1+i]
			if !r.enabled {
				continue
			}
			for _, cut := range [...]uint64{r.base, r.top + 1} {
				if cut > at && cut < next {
					next = cut
				}
			}
		}
		f((next-at)/pageSize, m.at(at))
		at = next
	}
}

// add begins the life of a buffer: what its memory held before is not there any more for anybody to whom it did not belong.
func (x *integrator) add(serial, base, size uint64) {
	x.forget(base, size)
	h := &held{span: span{base: base, size: size}, serial: serial}
	h.rate = x.of(h)
	x.rate = x.rate.plus(h.rate)
	x.bufs = append(x.bufs, h)
}

// find gives the place of a buffer, or -1 for one that is not protected memory.
func (x *integrator) find(serial uint64) int {
	i, ok := slices.BinarySearchFunc(x.bufs, serial, func(h *held, n uint64) int { return cmp.Compare(h.serial, n) })
	if !ok {
		return -1
	}
	return i
}

// remove ends it. What it held stays until it is scrubbed.
func (x *integrator) remove(serial uint64) {
	i := x.find(serial)
	if i < 0 {
		return
	}
	s := x.bufs[i].span
	x.bufs = slices.Delete(x.bufs, i, i+1)
	x.rate = x.rate.minus(s.rate)
	s.rate = x.left(&s)
	x.rate = x.rate.plus(s.rate)
	x.stale = append(x.stale, s)
}

// need counts the mappings of a master.
func (x *integrator) need(serial uint64, nsaid uint8, read, write bool, by int) {
	i := x.find(serial)
	if i < 0 || nsaid >= bus.NSAIDs {
		return
	}
	h := x.bufs[i]
	if read {
		h.reads[nsaid] += by
	}
	if write {
		h.writes[nsaid] += by
	}
	x.rate = x.rate.minus(h.rate)
	h.rate = x.of(h)
	x.rate = x.rate.plus(h.rate)
}

// forget ends what was left in memory.
func (x *integrator) forget(base, size uint64) {
	x.spare = x.spare[:0]
	for _, s := range x.stale {
		if base >= s.end() || base+size <= s.base {
			x.spare = append(x.spare, s)
			continue
		}
		x.rate = x.rate.minus(s.rate)
		for _, rest := range [...]span{{base: s.base, size: base - s.base}, {base: base + size, size: s.end() - base - size}} {
			// A side of which nothing is left has a size below 0, and wraps.
			if rest.size == 0 || rest.size > s.size {
				continue
			}
			rest.rate = x.left(&rest)
			x.rate = x.rate.plus(rest.rate)
			x.spare = append(x.spare, rest)
		}
	}
	x.stale, x.spare = x.spare, x.stale
}
