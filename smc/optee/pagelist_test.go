package optee

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

var errFault = errors.New("bus fault")

// memory is a sparse physical memory of page list blocks that counts reads.
type memory struct {
	blocks map[uint64][]byte
	reads  int
}

func (m *memory) read(pa uint64, b []byte) error {
	m.reads++
	block, ok := m.blocks[pa]
	if !ok {
		return errFault
	}
	copy(b, block)
	return nil
}

// listOf stores the list of n pages at base and returns the pages.
func listOf(base uint64, n int) (*memory, []uint64) {
	var pages []uint64
	for i := range n {
		pages = append(pages, 0x8000_0000+uint64(i)*0x3000)
	}
	m := &memory{blocks: map[uint64][]byte{}}
	for b := AppendPageList(nil, base, pages); len(b) > 0; b = b[4096:] {
		m.blocks[base] = b[:4096]
		base += 4096
	}
	return m, pages
}

func TestPageListLayout(t *testing.T) {
	b := AppendPageList(nil, 0x4000_0000, []uint64{0x1000, 0x5000})
	if len(b) != 4096 {
		t.Fatalf("%d bytes", len(b))
	}
	le := binary.LittleEndian
	if le.Uint64(b) != 0x1000 || le.Uint64(b[8:]) != 0x5000 || le.Uint64(b[16:]) != 0 {
		t.Errorf("entries %x", b[:24])
	}
	// 511 entries, then the address of the next block.
	if le.Uint64(b[4088:]) != 0x4000_1000 {
		t.Errorf("link %x", b[4088:])
	}
	if len(AppendPageList(nil, 0, make([]uint64, 511))) != 4096 || len(AppendPageList(nil, 0, make([]uint64, 512))) != 8192 {
		t.Error("511 entries are one block, 512 two")
	}
}

func TestReadPageList(t *testing.T) {
	for _, c := range []struct {
		offset, size uint64
		pages, reads int
	}{
		{0, 1, 1, 1}, {0, 4096, 1, 1}, {0, 4097, 2, 1}, {4095, 1, 1, 1}, {4095, 2, 2, 1}, {0x10, 4096, 2, 1},
		{0, 511 * 4096, 511, 1}, {1, 511 * 4096, 512, 2}, {0, 512 * 4096, 512, 2},
		{0, 1022 * 4096, 1022, 2}, {0, 1500 * 4096, 1500, 3},
	} {
		// The list of exactly this many pages: what lies behind the last link does not exist.
		m, want := listOf(0x4000_0000, c.pages)
		got, err := ReadPageList(nil, m.read, 0x4000_0000|c.offset, c.size, 1500)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: %d pages, %v; want %d", c, len(got), err, len(want))
		}
		if m.reads != c.reads {
			t.Errorf("%+v: %d blocks read", c, m.reads)
		}
	}
	m, want := listOf(0x4000_0000, 2)
	got, err := ReadPageList([]uint64{7}, m.read, 0x4000_0000, 8192, 2)
	if err != nil || !slices.Equal(got, append([]uint64{7}, want...)) {
		t.Errorf("appending: %x, %v", got, err)
	}
}

func TestReadPageListRefused(t *testing.T) {
	broken := func(at int, v uint64) *memory {
		m, _ := listOf(0x4000_0000, 600)
		binary.LittleEndian.PutUint64(m.blocks[0x4000_0000][at:], v)
		return m
	}
	whole := uint64(600 * 4096)
	for _, c := range []struct {
		name   string
		m      *memory
		bufPtr uint64
		size   uint64
		want   error
		reads  int
	}{
		{"no size", broken(0, 0), 0x4000_0000, 0, ErrorBadParameters, 0},
		{"size wraps", broken(0, 0), 0x4000_0FFF, 1<<64 - 1, ErrorBadParameters, 0},
		{"size above 2^63", broken(0, 0), 0x4000_0000, 1<<63 + 1, ErrorBadParameters, 0},
		{"above the limit", broken(0, 0), 0x4000_0000, 601 * 4096, ErrorOutOfMemory, 0},
		{"above the limit by the offset", broken(0, 0), 0x4000_0001, whole, ErrorOutOfMemory, 0},
		{"2^63 bytes", broken(0, 0), 0x4000_0000, 1 << 63, ErrorOutOfMemory, 0},
		{"entry misaligned", broken(8, 0x8000_0010), 0x4000_0000, whole, ErrorBadParameters, 1},
		{"link misaligned", broken(4088, 0x4000_1008), 0x4000_0000, whole, ErrorBadParameters, 1},
		{"link to nowhere", broken(4088, 0x7000_0000), 0x4000_0000, whole, errFault, 2},
		{"list nowhere", broken(0, 0), 0x5000_0000, 4096, errFault, 1},
	} {
		_, err := ReadPageList(nil, c.m.read, c.bufPtr, c.size, 600)
		if !errors.Is(err, c.want) || c.m.reads != c.reads {
			t.Errorf("%s: %v after %d reads, want %v after %d", c.name, err, c.m.reads, c.want, c.reads)
		}
	}
}

// A list that links to itself ends with the count that the size announces.
func TestReadPageListLoop(t *testing.T) {
	m, _ := listOf(0x4000_0000, 511)
	binary.LittleEndian.PutUint64(m.blocks[0x4000_0000][4088:], 0x4000_0000)
	got, err := ReadPageList(nil, m.read, 0x4000_0000, 5110*4096, 10000)
	if err != nil || len(got) != 5110 || m.reads != 10 {
		t.Errorf("%d pages in %d reads, %v", len(got), m.reads, err)
	}
}

func FuzzReadPageList(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint64(0x4000_0000), uint64(4096*513))
	f.Add(AppendPageList(nil, 0x4000_0000, []uint64{0x1000}), uint64(0x4000_0010), uint64(4096))
	f.Fuzz(func(t *testing.T, content []byte, bufPtr, size uint64) {
		const limit = 2000
		reads := 0
		read := func(pa uint64, b []byte) error {
			if pa%PageSize != 0 || len(b) == 0 || len(b) > PageSize {
				t.Fatalf("read of %d bytes at %#x", len(b), pa)
			}
			reads++
			for i := range b {
				if len(content) > 0 {
					b[i] = content[i%len(content)]
				}
			}
			return nil
		}
		pages, err := ReadPageList(nil, read, bufPtr, size, limit)
		if len(pages) > limit || reads > limit/PageListEntries+1 {
			t.Fatalf("%d pages in %d reads", len(pages), reads)
		}
		if err != nil {
			return
		}
		if n, ok := PageCount(bufPtr%PageSize, size); !ok || uint64(len(pages)) != n {
			t.Fatalf("%d pages, want %d", len(pages), n)
		}
		for _, pa := range pages {
			if pa%PageSize != 0 {
				t.Fatalf("page %#x", pa)
			}
		}
	})
}
