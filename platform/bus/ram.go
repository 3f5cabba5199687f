package bus

import (
	"encoding/binary"
	"fmt"
)

// RAM is a block of memory. Its bytes are reached through a Bus only.
type RAM struct {
	mem     []byte
	watched []uint64 // one bit a page
}

// NewRAM makes a block of size bytes, all zero. Host memory is taken page by page as it is touched.
func NewRAM(size uint64) (*RAM, error) {
	if size == 0 || size&pageMask != 0 || size > 1<<40 {
		return nil, fmt.Errorf("%w: RAM size %#x: want a multiple of %#x up to 1 TiB", ErrMap, size, PageSize)
	}
	mem, err := allocate(size)
	if err != nil {
		return nil, fmt.Errorf("RAM of %d MiB: %w", size>>20, err)
	}
	return &RAM{mem: mem, watched: make([]uint64, (size/PageSize+63)/64)}, nil
}

// Size is the block's size in bytes.
func (r *RAM) Size() uint64 { return uint64(len(r.mem)) }

// Reset makes all bytes zero again and gives the host's memory back. No page is watched afterwards.
func (r *RAM) Reset() {
	release(r.mem)
	clear(r.watched)
}

// Close frees the host's memory. The RAM must not be mapped on a bus that is still used.
func (r *RAM) Close() {
	free(r.mem)
	r.mem = nil
}

func (r *RAM) isWatched(off uint64) bool {
	pg := off / PageSize
	return r.watched[pg>>6]>>(pg&63)&1 != 0
}

func (r *RAM) watch(off uint64, on bool) {
	pg := off / PageSize
	if on {
		r.watched[pg>>6] |= 1 << (pg & 63)
	} else {
		r.watched[pg>>6] &^= 1 << (pg & 63)
	}
}

func (r *RAM) load(off uint64, size int) uint64 {
	p := r.mem[off:]
	switch size {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	case 8:
		return binary.LittleEndian.Uint64(p)
	}
	panic("BUG: bus access of a size that is not 1, 2, 4 or 8")
}

func (r *RAM) store(off uint64, size int, v uint64) {
	p := r.mem[off:]
	switch size {
	case 1:
		p[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(p, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(p, uint32(v))
	case 8:
		binary.LittleEndian.PutUint64(p, v)
	default:
		panic("BUG: bus access of a size that is not 1, 2, 4 or 8")
	}
}

// Fill sets the first bytes of a block that no bus master can write, such as flash: what it was programmed with.
func (r *RAM) Fill(data []byte) error {
	if len(data) > len(r.mem) {
		return fmt.Errorf("%w: %d bytes for a block of %d", ErrMap, len(data), len(r.mem))
	}
	copy(r.mem, data)
	return nil
}
