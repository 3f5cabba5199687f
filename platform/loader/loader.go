package loader

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Range is a range of physical addresses. Base+Size must not exceed 2^64-1.
type Range struct {
	Base, Size uint64
}

// Contains says whether the size bytes at addr lie in r. An empty range lies nowhere.
func (r Range) Contains(addr, size uint64) bool {
	return size != 0 && addr >= r.Base && addr-r.Base < r.Size && size <= r.Size-(addr-r.Base)
}

// String gives the first and the last address.
func (r Range) String() string {
	if r.Size == 0 {
		return "empty"
	}
	return fmt.Sprintf("%#x-%#x", r.Base, r.Base+(r.Size-1))
}

// Kind is the format that a file was found to have.
type Kind uint8

const (
	// ELF is an ELF64 file. It is entered as it is, without the Linux boot protocol.
	ELF Kind = iota
	// LinuxImage is an arm64 Image, plain or unpacked from gzip or EFI zboot.
	LinuxImage
	// Raw is code without a header.
	Raw
)

func (k Kind) String() string {
	switch k {
	case ELF:
		return "ELF"
	case LinuxImage:
		return "arm64 Image"
	case Raw:
		return "raw"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Segment is one block of memory that an image fills.
type Segment struct {
	Addr uint64
	// Data is the start of the block. It may share memory with the file that was parsed.
	Data []byte
	// MemSize is the size of the block in bytes, at least len(Data). What Data does not fill is zero.
	MemSize uint64
}

// Image is a parsed file. Its segments lie in RAM, do not overlap and are sorted by address.
type Image struct {
	// Name is the file's name, for messages.
	Name string
	Kind Kind
	// Entry is the physical address of the first instruction, a multiple of 4 in RAM.
	Entry uint64
	// Linux says that the Linux boot protocol applies: x0 is the device tree's address, x1 to x3 are zero. Otherwise all
	// registers are zero.
	Linux    bool
	Segments []Segment
}

// Error says what is wrong with a file. Its text is one line.
type Error struct {
	File string
	What string
}

func (e *Error) Error() string { return printable(e.File) + ": " + e.What }

// printable quotes a name that would not stay on one line.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

func (img *Image) errorf(format string, args ...any) error {
	return &Error{File: img.Name, What: fmt.Sprintf(format, args...)}
}

// Parse reads a kernel. It tries the formats in QEMU's order: ELF, then gzip or EFI zboot (which must hold an arm64 Image or
// raw code), then the arm64 Image, and takes anything else for raw code. Every error is an *Error.
func Parse(name string, data []byte, ram Range) (*Image, error) {
	img := &Image{Name: name}
	var err error
	switch {
	case len(data) == 0:
		err = img.errorf("empty file")
	case isELF(data):
		err = img.parseELF(data)
	default:
		err = img.parseLinux(data, ram)
	}
	if err != nil {
		return nil, err
	}
	if err := img.check(ram); err != nil {
		return nil, err
	}
	switch {
	case !ram.Contains(img.Entry, 4):
		return nil, img.errorf("entry %#x: outside RAM %v", img.Entry, ram)
	case img.Entry%4 != 0:
		return nil, img.errorf("entry %#x: not a multiple of 4", img.Entry)
	}
	return img, nil
}

// ParseBlob reads a file for QEMU's -device loader,file=F,addr=A: an ELF file goes to its own addresses and addr is ignored,
// anything else goes to addr as it is. mem lists the memories (RAM, flash, secure RAM) that may be filled; each segment
// must lie in one of them. The entry of the result means nothing for a file that is not ELF.
func ParseBlob(name string, data []byte, addr uint64, mem ...Range) (*Image, error) {
	img := &Image{Name: name, Kind: Raw, Entry: addr}
	switch {
	case len(data) == 0:
		return nil, img.errorf("empty file")
	case isELF(data):
		if err := img.parseELF(data); err != nil {
			return nil, err
		}
	default:
		img.Segments = []Segment{{Addr: addr, Data: data, MemSize: uint64(len(data))}}
	}
	if err := img.check(mem...); err != nil {
		return nil, err
	}
	return img, nil
}

// check sorts the segments and refuses those that leave memory or overlap.
func (img *Image) check(mem ...Range) error {
	order := make([]int, len(img.Segments))
	for i, s := range img.Segments {
		order[i] = i
		if s.MemSize-1 > ^uint64(0)-s.Addr {
			return img.errorf("%s at %#x: size %#x wraps around the address space", img.part(i), s.Addr, s.MemSize)
		}
		if !slices.ContainsFunc(mem, func(r Range) bool { return r.Contains(s.Addr, s.MemSize) }) {
			return img.errorf("%s at %v: outside RAM %s", img.part(i), Range{s.Addr, s.MemSize}, list(mem))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(img.Segments[a].Addr, img.Segments[b].Addr) })
	sorted := make([]Segment, len(order))
	for k, i := range order {
		sorted[k] = img.Segments[i]
		if k == 0 {
			continue
		}
		if p := sorted[k-1]; sorted[k].Addr-p.Addr < p.MemSize {
			return img.errorf("%s at %v: overlaps %s at %v", img.part(i), Range{sorted[k].Addr, sorted[k].MemSize},
				img.part(order[k-1]), Range{p.Addr, p.MemSize})
		}
	}
	img.Segments = sorted
	return nil
}

// part names the segment with index i among those that load.
func (img *Image) part(i int) string {
	if img.Kind == ELF {
		return fmt.Sprintf("segment %d", i)
	}
	return "image"
}

func list(mem []Range) string {
	s := make([]string, len(mem))
	for i, r := range mem {
		s[i] = r.String()
	}
	return strings.Join(s, ", ")
}
