package conform

import (
	"fmt"

	"gatehouse/platform/bus"
)

// numNSAIDs is how many non-secure access identities there are (DDI 0504, NSAID).
const numNSAIDs = 16

// apID is the identity of the processors.
const apID = bus.NSAIDAP

// patternByte is what a case fills a page with: each page holds its own, and none is zero.
func patternByte(addr uint64) byte { return byte(addr/page)*31 | 1 }

// fill writes the pattern of each page.
func (t *T) fill(addr, size uint64) {
	var b [page]byte
	for a := addr; a < addr+size; a += page {
		for i := range b {
			b[i] = patternByte(a)
		}
		t.write(a, b[:])
	}
}

// filled says that memory still holds its pattern.
func (t *T) filled(what string, addr, size uint64) {
	b := make([]byte, page)
	for a := addr; a < addr+size; a += page {
		for i := range b {
			b[i] = patternByte(a)
		}
		t.contains(what, a, b)
	}
}

// reach finds out which masters can read and write the byte at addr. Where a denied access completes silently, only contents
// can tell: the byte must not be zero beforehand, and one of the masters has to be able to read it for writes to be seen. The byte
// has its value again afterwards as far as any master can restore it.
func (t *T) reach(addr uint64) (a Access) {
	var b [1]byte
	var old byte
	witness := -1
	for n := range uint8(numNSAIDs) {
		b[0] = 0xEE
		resp := t.target.Port(n).Read(addr, b[:])
		switch {
		case resp == bus.OKAY && (b[0] != 0 || !t.Silent):
			a.Read |= 1 << n
			old = b[0]
			if witness < 0 {
				witness = int(n)
			}
		case b[0] != 0:
			t.failf("a denied read gives zeros (DDI 0504, ACTION)", "NSAID %d reads %#x at %#x with response %v", n, b[0], addr, resp)
		}
	}
	for n := range uint8(numNSAIDs) {
		mark := 0xA0 | n
		if mark == old {
			mark ^= 0x40
		}
		resp := t.target.Port(n).Write(addr, []byte{mark})
		can := resp == bus.OKAY && !t.Silent
		if witness >= 0 && resp == bus.OKAY {
			t.target.Port(uint8(witness)).Read(addr, b[:])
			can = b[0] == mark
			if can {
				t.target.Port(n).Write(addr, []byte{old})
			}
		}
		if can {
			a.Write |= 1 << n
		}
	}
	return a
}

// reachable says who reaches the byte at addr.
func (t *T) reachable(what string, addr uint64, want Access) {
	got := t.reach(addr)
	if got == want {
		return
	}
	f := &Failure{What: fmt.Sprintf("%s: access to %#x", what, addr), Want: "the masters that the board's policy names"}
	for n := range numNSAIDs {
		for _, x := range []struct {
			verb      string
			got, want uint16
		}{{"read", got.Read, want.Read}, {"write", got.Write, want.Write}} {
			switch g, w := x.got>>n&1, x.want>>n&1; {
			case g > w:
				f.Details = append(f.Details, fmt.Sprintf("NSAID %d can %s, which it must not", n, x.verb))
			case g < w:
				f.Details = append(f.Details, fmt.Sprintf("NSAID %d cannot %s, which it must", n, x.verb))
			}
		}
	}
	t.fail(f)
}

// edges are the places at which memory is probed: first and last byte of the first, second and last page.
func edges(r Range) []uint64 {
	list := []uint64{r.Base, r.Base + page - 1}
	if r.Size > page {
		list = append(list, r.Base+page, r.End()-page, r.End()-1)
	}
	return list
}

// access probes a range at its edges.
func (t *T) access(what string, r Range, want Access) {
	for _, a := range edges(r) {
		t.reachable(what, a, want)
	}
}

// normal says that a range is like memory that nobody ever lent.
func (t *T) normal(what string, r Range) { t.access(what, r, t.Normal) }

// neighbours says that the bytes before and behind a range are not protected with it.
func (t *T) neighbours(what string, r Range) {
	if r.Base > t.RAM.Base {
		t.reachable(what+", the byte before", r.Base-1, t.Normal)
	}
	if r.End() < t.End {
		t.reachable(what+", the byte behind", r.End(), t.Normal)
	}
}

// around is a range with a page on each side.
func around(r Range) Range { return Range{r.Base - page, r.Size + 2*page} }

// isolated says that a range that was lent is reachable for the masters of want only, and that its neighbours are as before. With
// silent denials the range and its neighbours have to be filled.
func (t *T) isolated(what string, r Range, want Access) {
	t.access(what, r, want)
	t.neighbours(what, r)
}

// returned says that a range came back: reachable for all, and without contents. Silent denials look like zeros, so the
// contents are looked at first and then replaced.
func (t *T) returned(what string, r Range) {
	t.zero(what+": scrubbed", r.Base, r.Size)
	t.fill(r.Base, r.Size)
	t.normal(what, r)
}

// readAs reads a byte as some master, 0 where it is denied.
func (t *T) readAs(nsaid uint8, addr uint64) byte {
	var b [1]byte
	t.target.Port(nsaid).Read(addr, b[:])
	return b[0]
}

// lowest is the first master of a mask; ok is false for none.
func lowest(mask uint16) (n uint8, ok bool) {
	for n := range uint8(numNSAIDs) {
		if mask>>n&1 != 0 {
			return n, true
		}
	}
	return 0, false
}

// writer gives a master that may write to a pool, reader one that may read it.
func (a Access) writer() (uint8, bool) { return lowest(a.Write) }
func (a Access) reader() (uint8, bool) { return lowest(a.Read) }
