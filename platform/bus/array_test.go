package bus

import (
	"bytes"
	"testing"
)

// cells is a device before an array: it answers reads with its own value and keeps the last write.
type cells struct {
	*Array
	off   uint64
	size  int
	value uint64
}

func (c *cells) Read(uint64, int, Attr) (uint64, Response) { return 0x80, OKAY }

func (c *cells) Write(off uint64, size int, v uint64, _ Attr) Response {
	c.off, c.size, c.value = off, size, v
	return OKAY
}

// watcher counts what an observer is told.
type watcher struct {
	changes int
	writes  []uint64
}

func (w *watcher) FilterChanged()                   { w.changes++ }
func (w *watcher) PageWatched(*Page)                {}
func (w *watcher) WatchedWrite(pa uint64, n int)    { w.writes = append(w.writes, pa, uint64(n)) }
func (w *watcher) expect(t *testing.T, changes int) { t.Helper(); check(t, w.changes, changes) }

func check[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

const arrayBase, arraySize = 0x4000, 4 * PageSize

func arrayBus(t *testing.T) (*Bus, *cells, *watcher) {
	t.Helper()
	ram, err := NewRAM(arraySize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	b, c, w := &Bus{}, &cells{Array: NewArray(ram)}, &watcher{}
	b.Observe(w)
	if err := b.Map(Region{Name: "flash", Base: arrayBase, Size: arraySize, Dev: c, Array: c.Array}); err != nil {
		t.Fatal(err)
	}
	return b, c, w
}

func TestArrayShown(t *testing.T) {
	b, c, w := arrayBus(t)
	c.Array.Write(8, []byte("contents"))
	for _, shown := range []bool{true, false, true} {
		c.Show(shown)
		check(t, c.Shown(), shown)
		check(t, b.IsRAM(arrayBase), shown)
		want := uint64(0x80)
		if shown {
			want = 'c'
		}
		v, resp := b.Load(arrayBase+8, 1, Attr{})
		check(t, v, want)
		check(t, resp, OKAY)
		p := make([]byte, 8)
		check(t, b.Read(arrayBase+8, p, Attr{}), OKAY)
		check(t, string(p) == "contents", shown)
		read, write := b.Direct(arrayBase+8, Attr{})
		check(t, read != nil, shown)
		check(t, write, nil)
		if read != nil {
			check(t, string(read[8:16]), "contents")
		}
	}
	// Only changes are reported.
	c.Show(true)
	w.expect(t, 2)
}

// Writes never reach the cells by themselves.
func TestArrayWrites(t *testing.T) {
	b, c, _ := arrayBus(t)
	for _, shown := range []bool{true, false} {
		c.Show(shown)
		check(t, b.Store(arrayBase+4, 4, 0x1234, Attr{}), OKAY)
		check(t, *c, cells{c.Array, 4, 4, 0x1234})
		check(t, b.Write(arrayBase+PageSize-1, []byte{1, 2}, Attr{}), OKAY)
		check(t, *c, cells{c.Array, PageSize, 1, 2})
		check(t, b.Zero(arrayBase+16, 8, Attr{}), OKAY)
		check(t, *c, cells{c.Array, 16, 8, 0})
	}
	p := make([]byte, arraySize)
	c.Array.Read(0, p)
	if !bytes.Equal(p, make([]byte, arraySize)) {
		t.Error("cells were written")
	}
}

// Whoever watches a page, such as a decode cache, learns of changed cells, page by page.
func TestArrayWatched(t *testing.T) {
	b, c, w := arrayBus(t)
	c.Array.Write(0, []byte("unwatched"))
	check(t, b.Watch(arrayBase), true)
	check(t, b.Watch(arrayBase+2*PageSize), true)
	c.Array.Write(PageSize-2, make([]byte, 2+PageSize+3))
	want := []uint64{arrayBase + PageSize - 2, 2, arrayBase + 2*PageSize, 3}
	check(t, len(w.writes), len(want))
	for i := range min(len(want), len(w.writes)) {
		check(t, w.writes[i], want[i])
	}
}

func TestArraySecureOnly(t *testing.T) {
	ram, err := NewRAM(PageSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	b, c := &Bus{}, &cells{Array: NewArray(ram)}
	if err := b.Map(Region{Size: PageSize, Dev: c, Array: c.Array, SecureOnly: true}); err != nil {
		t.Fatal(err)
	}
	for _, shown := range []bool{true, false} {
		c.Show(shown)
		_, resp := b.Load(0, 4, Attr{})
		check(t, resp, DECERR)
		check(t, b.Store(0, 4, 0xff, Attr{}), DECERR)
		read, _ := b.Direct(0, Attr{})
		check(t, read, nil)
		_, resp = b.Load(0, 4, Attr{Secure: true})
		check(t, resp, OKAY)
	}
	check(t, *c, cells{Array: c.Array})
}

func TestArrayMap(t *testing.T) {
	ram, err := NewRAM(PageSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ram.Close)
	c := &cells{Array: NewArray(ram)}
	var b Bus
	for _, r := range []Region{
		{Size: PageSize, Array: c.Array},
		{Size: PageSize, Array: c.Array, RAM: ram},
		{Size: PageSize, Array: c.Array, RAM: ram, Dev: c},
		{Size: 2 * PageSize, Array: c.Array, Dev: c},
	} {
		if b.Map(r) == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
	if err := b.Map(Region{Size: PageSize, Array: c.Array, Dev: c}); err != nil {
		t.Error(err)
	}
	if b.Map(Region{Base: PageSize, Size: PageSize, Array: c.Array, Dev: c}) == nil {
		t.Error("an array is mapped twice")
	}
}
