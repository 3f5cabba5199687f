package optee

import (
	"encoding/binary"
	"fmt"
)

// Page list of non-contiguous shared memory (optee_msg.h, OPTEE_MSG_ATTR_NONCONTIG): blocks of 4096 bytes
// with 511 page addresses and the address of the next block. Pages are 4 KiB whatever the kernel's granule.
const (
	PageSize        = 4096
	PageListEntries = 511

	pageListBlock = PageSize
)

// PageReader copies len(b) bytes at physical address pa into b, or fails when the address is not readable
// non-secure memory.
type PageReader func(pa uint64, b []byte) error

// PageCount is the number of pages that size bytes cover when they begin offset bytes into a page; ok is
// false when offset is not within a page, size is zero or the sum wraps.
func PageCount(offset, size uint64) (n uint64, ok bool) {
	if offset >= PageSize || size == 0 || size > 1<<63 {
		return 0, false
	}
	return (offset + size + PageSize - 1) / PageSize, true
}

// ReadPageList follows the list that a TMem with AttrNonContig describes: bufPtr is the address of the first
// block plus the offset of the buffer in its first page. It appends the page addresses to dst.
//
// Only what the size needs is read: each block once, never the link after the last page, so that a list that
// links to itself ends as well. More than maxPages pages are OUT_OF_MEMORY, refused before anything is read;
// an entry or link that is not page aligned is BAD_PARAMETERS. An error of read is wrapped.
func ReadPageList(dst []uint64, read PageReader, bufPtr, size, maxPages uint64) ([]uint64, error) {
	offset := bufPtr % PageSize
	n, ok := PageCount(offset, size)
	if !ok {
		return dst, bad("page list size", size, "out of range")
	}
	if n > maxPages {
		return dst, &ArgError{"page list size", size, ErrorOutOfMemory, "more pages than the limit"}
	}
	var block [pageListBlock]byte
	for pa := bufPtr - offset; ; {
		entries := min(n, PageListEntries)
		b := block[:8*entries]
		if n > PageListEntries {
			b = block[:]
		}
		if err := read(pa, b); err != nil {
			return dst, fmt.Errorf("optee: page list block at %#x: %w", pa, err)
		}
		for i := range entries {
			page := binary.LittleEndian.Uint64(b[8*i:])
			if page%PageSize != 0 {
				return dst, bad("page list entry", page, "misaligned")
			}
			dst = append(dst, page)
		}
		n -= entries
		if n == 0 {
			return dst, nil
		}
		pa = binary.LittleEndian.Uint64(b[8*PageListEntries:])
		if pa%PageSize != 0 {
			return dst, bad("page list link", pa, "misaligned")
		}
	}
}

// AppendPageList appends the list of pages in consecutive blocks, the first of which will stand at address
// base. The links of all blocks are filled in, as Linux does: that of the last block points after the list.
// The result is a whole number of blocks.
func AppendPageList(b []byte, base uint64, pages []uint64) []byte {
	le := binary.LittleEndian
	for len(pages) > 0 {
		n := min(len(pages), PageListEntries)
		for _, pa := range pages[:n] {
			b = le.AppendUint64(b, pa)
		}
		for range PageListEntries - n {
			b = le.AppendUint64(b, 0)
		}
		base += pageListBlock
		b = le.AppendUint64(b, base)
		pages = pages[n:]
	}
	return b
}
