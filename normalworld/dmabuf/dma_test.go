package dmabuf

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/normalworld"
)

const page = PageSize

func TestMapSG(t *testing.T) {
	c := newCore(t)
	for name, v := range map[string]struct {
		dev  Device
		phys []Segment
		want []Segment
		err  error
	}{
		"as it is":                 {Device{}, []Segment{{ram, page}, {ram + 4*page, page}}, []Segment{{ram, page}, {ram + 4*page, page}}, nil},
		"neighbours are joined":    {Device{}, []Segment{{ram, page}, {ram + page, page}}, []Segment{{ram, 2 * page}}, nil},
		"but not backwards":        {Device{}, []Segment{{ram + page, page}, {ram, page}}, []Segment{{ram + page, page}, {ram, page}}, nil},
		"joined for one segment":   {Device{MaxSegments: 1}, []Segment{{ram, page}, {ram + page, page}, {ram + 2*page, 4 * page}}, []Segment{{ram, 6 * page}}, nil},
		"not contiguous":           {Device{MaxSegments: 1}, []Segment{{ram, page}, {ram + 2*page, page}}, nil, ErrNotContiguous},
		"split":                    {Device{MaxSegmentSize: 2 * page}, []Segment{{ram, 5 * page}}, []Segment{{ram, 2 * page}, {ram + 2*page, 2 * page}, {ram + 4*page, page}}, nil},
		"joined, then split":       {Device{MaxSegmentSize: 2 * page}, []Segment{{ram, page}, {ram + page, 2 * page}}, []Segment{{ram, 2 * page}, {ram + 2*page, page}}, nil},
		"split in pages":           {Device{MaxSegmentSize: 2*page + 100}, []Segment{{ram, 3 * page}}, []Segment{{ram, 2 * page}, {ram + 2*page, page}}, nil},
		"split into too many":      {Device{MaxSegmentSize: page, MaxSegments: 2}, []Segment{{ram, 3 * page}}, nil, ErrNotContiguous},
		"segments below a page":    {Device{MaxSegmentSize: 100}, []Segment{{ram, page}}, nil, ErrNotContiguous},
		"the mask's last byte":     {Device{DMAMask: ram + page - 1}, []Segment{{ram, page}}, []Segment{{ram, page}}, nil},
		"a byte behind the mask":   {Device{DMAMask: ram + page - 2}, []Segment{{ram, page}}, nil, ErrDMAMask},
		"32 bits where none given": {Device{}, []Segment{{1 << 32, page}}, nil, ErrDMAMask},
		"64 bits":                  {Device{DMAMask: 1<<64 - 1}, []Segment{{1 << 40, page}}, []Segment{{1 << 40, page}}, nil},
		"that wraps":               {Device{DMAMask: 1<<64 - 1}, []Segment{{1<<64 - page, 2 * page}}, nil, ErrSegments},
		"empty":                    {Device{}, []Segment{{ram, 0}}, nil, ErrSegments},
	} {
		b, err := c.Export(ExportInfo{Exporter: &exporter{}, Size: page})
		ok(t, err)
		got, err := attach(t, b, v.dev).MapSG(v.phys)
		want(t, name, err, v.err)
		if err == nil && !slices.Equal(got, v.want) {
			t.Errorf("%s: %x, want %x", name, got, v.want)
		}
	}
}

// A list that fits is not copied.
func TestMapSGInPlace(t *testing.T) {
	c := newCore(t)
	b, _ := export(t, c, Segment{ram, 2 * page})
	phys := []Segment{{ram, page}, {ram + 8*page, page}}
	for _, d := range []Device{{}, {MaxSegments: 2, MaxSegmentSize: page, DMAMask: ram + 9*page - 1}} {
		got, err := attach(t, b, d).MapSG(phys)
		ok(t, err)
		if &got[0] != &phys[0] {
			t.Errorf("%+v: the list was copied", d)
		}
	}
}

// Random lists on random devices: the pages are the same ones in the same order, the device's limits hold, and a list is refused only
// where its shortest form is too long.
func TestMapSGProperty(t *testing.T) {
	c := newCore(t)
	rnd := rand.New(rand.NewPCG(5, 1))
	b, err := c.Export(ExportInfo{Exporter: &exporter{}, Size: page})
	ok(t, err)
	pages := func(segs []Segment) (out []uint64) {
		for _, s := range segs {
			for o := uint64(0); o < s.Len; o += page {
				out = append(out, s.Addr+o)
			}
		}
		return
	}
	var refused int
	for range 20_000 {
		var phys []Segment
		at := uint64(ram)
		for range 1 + rnd.IntN(8) {
			if rnd.IntN(2) == 0 {
				at = ram + uint64(rnd.IntN(64))*page
			}
			s := Segment{at, uint64(1+rnd.IntN(6)) * page}
			phys, at = append(phys, s), at+s.Len
		}
		dev := Device{MaxSegments: rnd.IntN(6), MaxSegmentSize: uint64(rnd.IntN(5)) * page}
		was := slices.Clone(phys)
		got, err := attach(t, b, dev).MapSG(phys)
		if !slices.Equal(phys, was) {
			t.Fatalf("the physical list was changed from %x to %x", was, phys)
		}
		// The shortest form: runs of neighbours, each cut into the longest pieces.
		shortest, all := 0, pages(phys)
		for i := 0; i < len(all); {
			j := i + 1
			for j < len(all) && all[j] == all[j-1]+page && (dev.MaxSegmentSize == 0 || uint64(j-i) < dev.MaxSegmentSize/page) {
				j++
			}
			shortest++
			i = j
		}
		if dev.MaxSegments != 0 && shortest > dev.MaxSegments {
			want(t, "too long", err, ErrNotContiguous)
			refused++
			continue
		}
		if err != nil || len(got) != shortest || !slices.Equal(pages(got), all) {
			t.Fatalf("%x for %+v: %x, %v, want %d segments", phys, dev, got, err, shortest)
		}
		for _, s := range got {
			if dev.MaxSegmentSize != 0 && s.Len > dev.MaxSegmentSize {
				t.Fatalf("%x for %+v: %x", phys, dev, got)
			}
		}
	}
	if refused < 1000 {
		t.Errorf("only %d lists were too long", refused)
	}
}

// lowPool is bounce memory: a bump allocator that counts what is out.
type lowPool struct {
	next uint64
	out  map[uint64]uint64
	full bool
}

func (p *lowPool) AllocBounce(size, mask uint64) (uint64, error) {
	if p.full || p.next+size-1 > mask {
		return 0, normalworld.ENOMEM
	}
	at := p.next
	p.next += size
	p.out[at] = size
	return at, nil
}

func (p *lowPool) FreeBounce(pa, size uint64) {
	if p.out[pa] != size {
		panic("bounce memory is freed that was not given out")
	}
	delete(p.out, pa)
}

// A device that cannot reach a buffer works on a copy, which is made and brought back when the direction says so.
func TestBounce(t *testing.T) {
	c := newCore(t)
	pool := &lowPool{next: ram + 0x10_0000, out: make(map[uint64]uint64)}
	c.Bounce = pool
	high := uint64(ram + 0x80_0000)
	dev := Device{Name: "narrow", DMAMask: ram + 0x7f_ffff}
	b, _ := export(t, c, Segment{ram, page}, Segment{high, 2 * page})
	a := attach(t, b, dev)
	peek := func(pa uint64) byte {
		var p [1]byte
		ok(t, c.Kernel.Read(pa, p[:]))
		return p[0]
	}
	poke := func(pa uint64, v byte) { ok(t, c.Kernel.Write(pa, []byte{v})) }

	for _, v := range []struct {
		dir  Direction
		back bool
	}{{ToDevice, false}, {FromDevice, true}, {Bidirectional, true}} {
		poke(high, 1)
		segs, err := a.Map(v.dir)
		ok(t, err)
		if len(segs) != 2 || segs[0] != (Segment{ram, page}) || segs[1].Addr+segs[1].Len-1 > dev.DMAMask || segs[1].Len != 2*page || len(pool.out) != 1 {
			t.Fatalf("%v: segments %x, %d bounces", v.dir, segs, len(pool.out))
		}
		if peek(segs[1].Addr) != 1 {
			t.Errorf("%v: the device does not see what is in the buffer", v.dir)
		}
		poke(segs[1].Addr, 2) // the device writes
		// The processor looks in between.
		ok(t, b.BeginCPUAccess(Bidirectional))
		if got := peek(high); got == 2 != v.back {
			t.Errorf("%v: within processor access the buffer has %d", v.dir, got)
		}
		poke(high, 3)
		ok(t, b.EndCPUAccess(Bidirectional))
		if got := peek(segs[1].Addr); got == 3 != v.dir.DeviceReads() {
			t.Errorf("%v: after processor access the device sees %d", v.dir, got)
		}
		poke(segs[1].Addr, 4)
		ok(t, a.Unmap(v.dir))
		if got := peek(high); got == 4 != v.back {
			t.Errorf("%v: after unmap the buffer has %d", v.dir, got)
		}
		if len(pool.out) != 0 {
			t.Errorf("%v: %d bounces left", v.dir, len(pool.out))
		}
	}
	pool.full = true
	_, err := a.Map(ToDevice)
	want(t, "no bounce memory", err, normalworld.ENOMEM)
	pool.full = false
	ok(t, a.Detach())
	ok(t, b.Put())
	// Too many segments, found out after something was bounced.
	b, _ = export(t, c, Segment{ram, page}, Segment{high, page})
	dev.MaxSegments = 1
	_, err = attach(t, b, dev).Map(ToDevice)
	want(t, "too many segments", err, ErrNotContiguous)
	if len(pool.out) != 0 {
		t.Errorf("%d bounces left after refusals", len(pool.out))
	}
}

func TestBounceRestricted(t *testing.T) {
	c := newCore(t)
	pool := &lowPool{next: ram, out: make(map[uint64]uint64)}
	c.Bounce = pool
	e := &exporter{segs: []Segment{{carveout, page}}}
	b, err := c.Export(ExportInfo{Exporter: e, Size: page, Restricted: true})
	ok(t, err)
	_, err = attach(t, b, Device{DMAMask: carveout - 1}).Map(ToDevice)
	want(t, "restricted", err, ErrBounceRestricted)
	want(t, "restricted", err, normalworld.EIO)
	// The same memory, whose exporter does not know that it is closed: the copy is refused by the bus.
	b, err = c.Export(ExportInfo{Exporter: e, Size: page})
	ok(t, err)
	_, err = attach(t, b, Device{DMAMask: carveout - 1}).Map(ToDevice)
	var be *normalworld.BusError
	if !errors.As(err, &be) || be.Addr != carveout || be.Write {
		t.Errorf("copy out of closed memory: %v", err)
	}
	if len(pool.out) != 0 || pool.next == ram {
		t.Errorf("%d bounces left; next %#x", len(pool.out), pool.next)
	}
	var p [page]byte
	ok(t, c.Kernel.Read(ram, p[:]))
	if !bytes.Equal(p[:], make([]byte, page)) {
		t.Error("something was copied")
	}
}
