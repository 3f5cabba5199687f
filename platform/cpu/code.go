package cpu

import (
	"encoding/binary"

	"gatehouse/platform/a64"
	"gatehouse/platform/bus"
)

const (
	pageSize    = bus.PageSize
	pageMask    = pageSize - 1
	instPerPage = pageSize / 4
	// maxCodePages bounds the decode cache: 4,096 pages hold 16 MiB of code in 64 MiB. When it is full it starts anew.
	maxCodePages = 4096
)

// codePage holds the decoded instructions of one 4 KiB page of memory. The entry behind the last is always PageEnd.
type codePage struct {
	inst [instPerPage + 1]a64.Inst
	pa   uint64
	src  *bus.Page
}

// Code is the decode cache of a machine, by physical address. It watches the pages it holds, so that instructions that are
// written over are decoded again.
type Code struct {
	bus      *bus.Bus
	features a64.Features
	pages    map[uint64]*codePage
	cpus     []*CPU
}

// NewCode makes the decode cache for the processors on b.
func NewCode(b *bus.Bus, f a64.Features) *Code {
	k := &Code{bus: b, features: f, pages: map[uint64]*codePage{}}
	b.Observe(k)
	return k
}

// page gives the decoded page at pa, whose bytes are src.
func (k *Code) page(pa uint64, src *bus.Page) *codePage {
	if p := k.pages[pa]; p != nil {
		p.src = src
		return p
	}
	if len(k.pages) >= maxCodePages {
		k.Reset()
	}
	k.bus.Watch(pa)
	p := &codePage{pa: pa, src: src}
	p.inst[instPerPage].Op = a64.PageEnd
	k.pages[pa] = p
	return p
}

// decode fills slot i of the page.
func (k *Code) decode(p *codePage, i uint64) {
	w := binary.LittleEndian.Uint32(p.src[i*4:])
	p.inst[i] = a64.Decode(w, k.features)
}

// Reset forgets all decoded pages.
func (k *Code) Reset() {
	for pa := range k.pages {
		k.bus.Unwatch(pa)
	}
	clear(k.pages)
	for _, c := range k.cpus {
		// Programming a region takes several writes to the controller.
		if !c.cold {
			c.flushTLB()
		}
	}
}

// FilterChanged drops every cached access decision.
func (k *Code) FilterChanged() {
	for _, c := range k.cpus {
		c.flushTLB()
	}
}

// PageWatched drops the direct pointers for writing that page.
func (k *Code) PageWatched(page *bus.Page) {
	for _, c := range k.cpus {
		c.dropWrites(page)
	}
}

// WatchedWrite forgets the decoded instructions that n bytes at pa touch.
func (k *Code) WatchedWrite(pa uint64, n int) {
	p := k.pages[pa&^pageMask]
	if p == nil {
		return
	}
	off := pa & pageMask
	last := min((off+uint64(n)-1)/4, instPerPage-1)
	for i := off / 4; i <= last; i++ {
		p.inst[i].Op = a64.Undecoded
	}
}
