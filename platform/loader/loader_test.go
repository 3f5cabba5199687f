package loader

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

var testRAM = Range{0x40000000, 128 << 20}

// phdr is a program header for makeELF; data gives p_offset and p_filesz unless they are set.
type phdr struct {
	typ, flags   uint32
	vaddr, paddr uint64
	memsz        uint64
	data         []byte
	offset       uint64
	filesz       uint64
}

// makeELF writes a little-endian AArch64 ET_EXEC file by the gABI's layout.
func makeELF(entry uint64, ph ...phdr) []byte {
	le := binary.LittleEndian
	b := make([]byte, 64+56*len(ph))
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], 183)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], entry)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], uint16(len(ph)))
	for i, p := range ph {
		h := b[64+56*i:]
		off, filesz := uint64(len(b)), uint64(len(p.data))
		if p.offset != 0 {
			off = p.offset
		}
		if p.filesz != 0 {
			filesz = p.filesz
		}
		le.PutUint32(h[0:], p.typ)
		le.PutUint32(h[4:], p.flags)
		le.PutUint64(h[8:], off)
		le.PutUint64(h[16:], p.vaddr)
		le.PutUint64(h[24:], p.paddr)
		le.PutUint64(h[32:], filesz)
		le.PutUint64(h[40:], p.memsz)
		b = append(b, p.data...)
	}
	return b
}

func load(paddr, memsz uint64, data []byte) phdr {
	return phdr{typ: 1, flags: 5, vaddr: paddr, paddr: paddr, memsz: memsz, data: data}
}

// makeImage writes an arm64 Image of fileSize bytes.
func makeImage(textOffset, size uint64, fileSize int) []byte {
	b := make([]byte, fileSize)
	binary.LittleEndian.PutUint32(b, 0x14000010) // b #64
	binary.LittleEndian.PutUint64(b[8:], textOffset)
	binary.LittleEndian.PutUint64(b[16:], size)
	copy(b[56:], "ARM\x64")
	for i := 64; i < len(b); i++ {
		b[i] = byte(i * 7)
	}
	return b
}

func pack(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func makeZboot(kind string, payload []byte) []byte {
	b := make([]byte, 128)
	copy(b, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(b[8:], 128)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(payload)))
	copy(b[24:], kind)
	binary.LittleEndian.PutUint32(b[56:], 0x818223cd)
	return append(b, payload...)
}

func patch(b []byte, off int, v ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[off:], v)
	return b
}

func TestParseELF(t *testing.T) {
	code := []byte("0123456789abcdef")
	file := makeELF(0x40300004,
		phdr{typ: 4, paddr: 0xdead0000, memsz: 4, data: []byte("note")},
		load(0x40300000, 16, code),
		load(0x40200000, 0x1000, []byte("data")),
		load(0, 0, nil),
		load(0x40400000, 0x800000, nil))
	img, err := Parse("k.elf", file, testRAM)
	if err != nil {
		t.Fatal(err)
	}
	if img.Kind != ELF || img.Linux || img.Entry != 0x40300004 || img.Name != "k.elf" {
		t.Errorf("got %v, linux %v, entry %#x, name %q", img.Kind, img.Linux, img.Entry, img.Name)
	}
	want := []Segment{{0x40200000, []byte("data"), 0x1000}, {0x40300000, code, 16}, {0x40400000, nil, 0x800000}}
	if len(img.Segments) != len(want) {
		t.Fatalf("%d segments, want %d", len(img.Segments), len(want))
	}
	for i, w := range want {
		if g := img.Segments[i]; g.Addr != w.Addr || g.MemSize != w.MemSize || !bytes.Equal(g.Data, w.Data) {
			t.Errorf("segment %d: got %#x %q %#x, want %#x %q %#x", i, g.Addr, g.Data, g.MemSize, w.Addr, w.Data, w.MemSize)
		}
	}
}

// A kernel linked at a virtual address starts at the physical address of its entry.
func TestEntryIsPhysical(t *testing.T) {
	text := phdr{typ: 1, flags: 5, vaddr: 0xffff000000080000, paddr: 0x40080000, memsz: 0x100, data: make([]byte, 0x40)}
	for _, tc := range []struct {
		entry, want uint64
		flags       uint32
		bad         bool
	}{
		{entry: 0xffff000000080010, flags: 5, want: 0x40080010},
		{entry: 0xffff00000008003c, flags: 1, want: 0x4008003c},
		{entry: 0xffff000000080010, flags: 6, bad: true}, // not executable: the address stands as it is
		{entry: 0xffff000000080040, flags: 5, bad: true}, // behind the file's bytes
		{entry: 0x40080020, flags: 5, want: 0x40080020},
	} {
		text.flags = tc.flags
		img, err := Parse("k", makeELF(tc.entry, text), testRAM)
		if tc.bad {
			if err == nil || !strings.Contains(err.Error(), "entry") {
				t.Errorf("entry %#x flags %d: error %v, want one about the entry", tc.entry, tc.flags, err)
			}
			continue
		}
		if err != nil || img.Entry != tc.want {
			t.Errorf("entry %#x flags %d: got %+v, %v, want %#x", tc.entry, tc.flags, img, err, tc.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	good := makeELF(0x40080000, load(0x40080000, 16, make([]byte, 16)))
	one := func(p phdr) []byte { return makeELF(0x40080000, load(0x40080000, 16, make([]byte, 16)), p) }
	image := makeImage(0x80000, 0x10000, 256)
	for _, tc := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "empty file"},
		{"header cut", good[:40], "ELF header: file ends after 40 of 64 bytes"},
		{"magic only", good[:4], "ELF header: file ends after 4 of 64 bytes"},
		{"32 bit", patch(good, 4, 1), "ELF class 1: want 2 (64-bit)"},
		{"class 9", patch(good, 4, 9), "ELF class 9: want 2 (64-bit)"},
		{"big endian", patch(good, 5, 2), "ELF data encoding 2: want 1 (little-endian)"},
		{"x86-64", patch(good, 18, 62, 0), "ELF machine EM_X86_64: want EM_AARCH64"},
		{"arm", patch(good, 18, 40, 0), "ELF machine EM_ARM: want EM_AARCH64"},
		{"object file", patch(good, 16, 1, 0), "ELF type ET_REL: want ET_EXEC or ET_DYN"},
		{"core", patch(good, 16, 4, 0), "ELF type ET_CORE: want ET_EXEC or ET_DYN"},
		{"no program headers", patch(good, 56, 0, 0), "ELF has no program headers"},
		{"PN_XNUM", patch(good, 56, 0xff, 0xff), "ELF has too many program headers"},
		{"phentsize", patch(good, 54, 32, 0), "ELF program header size 32: want 56"},
		{"phnum too large", patch(good, 56, 9, 0), "9 program headers at offset 0x40: outside the file of 0x88 bytes"},
		{"phoff outside", patch(good, 32, 0, 0, 1), "1 program headers at offset 0x10000: outside the file of 0x88 bytes"},
		{"phoff wraps", patch(good, 32, 0xc8, 255, 255, 255, 255, 255, 255, 255),
			"1 program headers at offset 0xffffffffffffffc8: outside the file of 0x88 bytes"},
		{"body cut", good[:len(good)-1], "segment 0 at 0x40080000..: 0x10 bytes at offset 0x78 are outside the file of 0x87 bytes"},
		{"offset wraps", one(phdr{typ: 1, paddr: 0x40090000, offset: ^uint64(0), filesz: 8, memsz: 8}),
			"segment 1 at 0x40090000..: 0x8 bytes at offset 0xffffffffffffffff are outside the file of 0xc0 bytes"},
		{"filesz > memsz", one(load(0x40090000, 3, []byte("four"))), "segment 1 at 0x40090000..: file size 0x4 exceeds memory size 0x3"},
		{"outside RAM", one(load(0x80000000, 0x1000, nil)), "segment 1 at 0x80000000-0x80000fff: outside RAM 0x40000000-0x47ffffff"},
		{"below RAM", one(load(0x3ffffff8, 0x10, nil)), "segment 1 at 0x3ffffff8-0x40000007: outside RAM 0x40000000-0x47ffffff"},
		{"one byte too long", one(load(0x47fffff0, 0x11, nil)), "segment 1 at 0x47fffff0-0x48000000: outside RAM 0x40000000-0x47ffffff"},
		{"huge memsz", one(load(0x40090000, 1<<62, nil)),
			"segment 1 at 0x40090000-0x400000004008ffff: outside RAM 0x40000000-0x47ffffff"},
		{"wraps", one(load(0x40090000, ^uint64(0), nil)), "segment 1 at 0x40090000: size 0xffffffffffffffff wraps around the address space"},
		{"overlap", one(load(0x4008000f, 4, nil)),
			"segment 1 at 0x4008000f-0x40080012: overlaps segment 0 at 0x40080000-0x4008000f"},
		{"overlap from below", one(load(0x4007fff0, 0x11, nil)),
			"segment 0 at 0x40080000-0x4008000f: overlaps segment 1 at 0x4007fff0-0x40080000"},
		{"same place", one(load(0x40080000, 16, nil)),
			"segment 1 at 0x40080000-0x4008000f: overlaps segment 0 at 0x40080000-0x4008000f"},
		{"nothing to load", makeELF(0x40080000, phdr{typ: 6, memsz: 8}), "ELF has nothing to load"},
		{"entry outside", makeELF(0, load(0x40080000, 16, nil)), "entry 0x0: outside RAM 0x40000000-0x47ffffff"},
		{"entry at the end", makeELF(0x47fffffe, load(0x40080000, 16, nil)), "entry 0x47fffffe: outside RAM 0x40000000-0x47ffffff"},
		{"entry odd", makeELF(0x40080002, load(0x40080000, 16, nil)), "entry 0x40080002: not a multiple of 4"},

		{"Image too large", makeImage(0x80000, 1<<40, 256), "image at 0x40080000-0x1004007ffff: outside RAM 0x40000000-0x47ffffff"},
		{"Image size wraps", makeImage(0x80000, ^uint64(0), 256), "image at 0x40080000: size 0xffffffffffffffff wraps around the address space"},
		{"text_offset outside", makeImage(1<<63, 0x1000, 256), "image at offset 0x8000000000000000: outside RAM 0x40000000-0x47ffffff"},
		{"text_offset wraps", makeImage(^uint64(0)-0xff, 0x1000, 256), "image at offset 0xffffffffffffff00: outside RAM 0x40000000-0x47ffffff"},
		{"text_offset odd", makeImage(0x80002, 0x1000, 256), "entry 0x40080002: not a multiple of 4"},
		{"gzip cut", pack(image)[:40], "gzip: unexpected EOF"},
		{"gzip header cut", pack(image)[:6], "gzip: unexpected EOF"},
		{"gzip checksum", patch(pack(image), len(pack(image))-8, 1, 2, 3, 4), "gzip: gzip: invalid checksum"},
		{"gzip bomb", pack(make([]byte, 128<<20+1)), "gzip: inflates to more than 0x8000000 bytes"},
		{"gzip of nothing", pack(nil), "gzip: inflates to nothing"},
		{"gzip of ELF", pack(good), "gzip: holds an ELF file, which must be unpacked first"},
		{"zboot zstd", makeZboot("zstd22", image), `EFI zboot payload is compressed with "zstd22": want gzip`},
		{"zboot payload outside", makeZboot("gzip", pack(image))[:140],
			"EFI zboot payload of 0x"},
	} {
		img, err := Parse("dir/k", tc.file, testRAM)
		if err == nil {
			t.Errorf("%s: parsed as %+v", tc.name, img)
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.File != "dir/k" {
			t.Errorf("%s: error %v is no *Error for the file", tc.name, err)
		}
		if !strings.HasPrefix(err.Error(), "dir/k: "+tc.want) {
			t.Errorf("%s:\n got %v\nwant dir/k: %s", tc.name, err, tc.want)
		}
	}
}

func TestErrorIsOneLine(t *testing.T) {
	_, err := Parse("a\nb", nil, testRAM)
	if got, want := err.Error(), `"a\nb": empty file`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseLinux(t *testing.T) {
	image := makeImage(0x80000, 0x10000, 256)
	var trailing = append(pack(image), 0, 0, 0)
	for _, tc := range []struct {
		name  string
		file  []byte
		kind  Kind
		entry uint64
		size  uint64
	}{
		{"Image", image, LinuxImage, 0x40080000, 0x10000},
		{"Image since 5.8", makeImage(0, 0x10000, 256), LinuxImage, 0x40200000, 0x10000},
		{"text_offset below 4 KiB", makeImage(0xffc, 0x10000, 256), LinuxImage, 0x40200ffc, 0x10000},
		{"text_offset of 4 KiB", makeImage(0x1000, 0x10000, 256), LinuxImage, 0x40001000, 0x10000},
		{"size not stated", makeImage(0x12340, 0, 256), LinuxImage, 0x40080000, 256},
		{"size below the file's", makeImage(0x80000, 16, 256), LinuxImage, 0x40080000, 256},
		{"gzip", pack(image), LinuxImage, 0x40080000, 0x10000},
		{"gzip with padding", trailing, LinuxImage, 0x40080000, 0x10000},
		{"zboot", makeZboot("gzip", pack(image)), LinuxImage, 0x40080000, 0x10000},
		{"raw", []byte{1, 2, 3}, Raw, 0x40080000, 3},
		{"gzip of raw", pack([]byte("code")), Raw, 0x40080000, 4},
		{"Image header cut", image[:60], Raw, 0x40080000, 60},
	} {
		img, err := Parse("k", tc.file, testRAM)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		s := img.Segments[0]
		if img.Kind != tc.kind || !img.Linux || img.Entry != tc.entry || len(img.Segments) != 1 || s.Addr != tc.entry || s.MemSize != tc.size {
			t.Errorf("%s: got %v, linux %v, entry %#x, segments %d, first %#x+%#x; want %v at %#x+%#x", tc.name, img.Kind, img.Linux,
				img.Entry, len(img.Segments), s.Addr, s.MemSize, tc.kind, tc.entry, tc.size)
		}
		if tc.kind == LinuxImage && !bytes.Equal(s.Data, tc.file) && !bytes.Equal(s.Data, image) {
			t.Errorf("%s: contents changed", tc.name)
		}
	}
}

func TestParseBlob(t *testing.T) {
	flash := Range{0, 64 << 20}
	img, err := ParseBlob("b", []byte("blob"), 0x1001, testRAM, flash)
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Segments[0]; img.Linux || s.Addr != 0x1001 || s.MemSize != 4 || string(s.Data) != "blob" {
		t.Errorf("got %+v", img)
	}
	img, err = ParseBlob("e", makeELF(0, load(0x41000000, 16, nil)), 0x1000, testRAM)
	if err != nil || img.Kind != ELF || img.Segments[0].Addr != 0x41000000 {
		t.Errorf("ELF: got %+v, %v", img, err)
	}
	for _, tc := range []struct {
		file []byte
		addr uint64
		want string
	}{
		{nil, 0, "b: empty file"},
		{[]byte("blob"), 0x3fffffe, "b: image at 0x3fffffe-0x4000001: outside RAM 0x40000000-0x47ffffff, 0x0-0x3ffffff"},
		{[]byte("blob"), ^uint64(0) - 1, "b: image at 0xfffffffffffffffe: size 0x4 wraps around the address space"},
		{makeELF(0, load(0x90000000, 16, nil)), 0, "b: segment 0 at 0x90000000-0x9000000f: outside RAM 0x40000000-0x47ffffff, 0x0-0x3ffffff"},
	} {
		if _, err := ParseBlob("b", tc.file, tc.addr, testRAM, flash); err == nil || err.Error() != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

func TestPlace(t *testing.T) {
	const mib = 1 << 20
	image := func(size uint64) []byte { return makeImage(0x80000, size, 256) }
	elfAt := func(addr, size uint64) []byte { return makeELF(addr, load(addr, size, nil)) }
	for _, tc := range []struct {
		name        string
		file        []byte
		ram         uint64
		initrd, dtb uint64
		want        Placement
		err         string
	}{
		{"half of a small RAM", image(0x1000), 64 * mib, 0x1234, 0x1000, Placement{Range{0x42000000, 0x1234}, Range{0x42200000, 0x1000}}, ""},
		{"128 MiB into a large one", image(0x1000), 1024 * mib, 2 * mib, 0x1000,
			Placement{Range{0x48000000, 2 * mib}, Range{0x48200000, 0x1000}}, ""},
		{"no initrd", image(0x1000), 256 * mib, 0, 0x1000, Placement{DTB: Range{0x48000000, 0x1000}}, ""},
		{"nothing", image(0x1000), 256 * mib, 0, 0, Placement{}, ""},
		{"behind a large kernel", image(80*mib + 1), 128 * mib, 1, 1,
			Placement{Range{0x40080000 + 80*mib + 0x1000, 1}, Range{0x40000000 + 82*mib, 1}}, ""},
		{"initrd fills RAM", image(0x1000), 64 * mib, 32 * mib, 0, Placement{Initrd: Range{0x42000000, 32 * mib}}, ""},
		{"initrd too large", image(0x1000), 64 * mib, 32*mib + 1, 0, Placement{},
			"k: initrd of 0x2000001 bytes: does not fit at 0x42000000 into RAM 0x40000000-0x43ffffff"},
		{"initrd wraps", image(0x1000), 64 * mib, ^uint64(0), 0, Placement{},
			"k: initrd of 0xffffffffffffffff bytes: does not fit at 0x42000000 into RAM 0x40000000-0x43ffffff"},
		{"no room for the tree", image(0x1000), 64 * mib, 31 * mib, 1, Placement{},
			"k: device tree of 0x1 bytes: does not fit behind kernel and initrd at 0x44000000 into RAM 0x40000000-0x43ffffff"},
		{"ELF", elfAt(0x40080000, 4), 64 * mib, 5, 0x80000, Placement{DTB: Range{0x40000000, 0x80000}}, ""},
		{"ELF too near", elfAt(0x40080000, 4), 64 * mib, 0, 0x80001, Placement{}, ""},
		{"ELF at the start", elfAt(0x40000000, 4), 64 * mib, 0, 1, Placement{}, ""},
		{"ELF without a tree", elfAt(0x40080000, 4), 64 * mib, 0, 0, Placement{}, ""},
	} {
		ram := Range{0x40000000, tc.ram}
		img, err := Parse("k", tc.file, ram)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got, err := img.Place(ram, tc.initrd, tc.dtb)
		switch {
		case tc.err != "":
			if err == nil || err.Error() != tc.err {
				t.Errorf("%s: got error %v, want %s", tc.name, err, tc.err)
			}
		case err != nil || got != tc.want:
			t.Errorf("%s: got %v, %v, want %v", tc.name, got, err, tc.want)
		}
	}
}

func TestRange(t *testing.T) {
	for _, tc := range []struct {
		r          Range
		addr, size uint64
		want       bool
	}{
		{testRAM, 0x40000000, 128 << 20, true},
		{testRAM, 0x40000000, 128<<20 + 1, false},
		{testRAM, 0x3fffffff, 1, false},
		{testRAM, 0x47ffffff, 1, true},
		{testRAM, 0x48000000, 1, false},
		{testRAM, 0x40000000, 0, false},
		{testRAM, 0x40000001, ^uint64(0), false},
		{Range{}, 0, 1, false},
	} {
		if got := tc.r.Contains(tc.addr, tc.size); got != tc.want {
			t.Errorf("%v contains %#x+%#x: %v", tc.r, tc.addr, tc.size, got)
		}
	}
	if s := (Range{}).String(); s != "empty" {
		t.Errorf("empty range prints as %q", s)
	}
}

// checkImage states what Parse promises about every image.
func checkImage(t *testing.T, img *Image, ram Range) {
	t.Helper()
	if len(img.Segments) == 0 {
		t.Fatal("no segments")
	}
	if !ram.Contains(img.Entry, 4) || img.Entry%4 != 0 {
		t.Errorf("entry %#x", img.Entry)
	}
	if img.Linux == (img.Kind == ELF) {
		t.Errorf("%v with linux %v", img.Kind, img.Linux)
	}
	next := ram.Base
	for i, s := range img.Segments {
		if s.Addr < next || !ram.Contains(s.Addr, s.MemSize) || uint64(len(s.Data)) > s.MemSize {
			t.Errorf("segment %d: %#x, %d of %#x bytes", i, s.Addr, len(s.Data), s.MemSize)
		}
		next = s.Addr + s.MemSize
	}
	p, err := img.Place(ram, 0x10001, 0x8000)
	if err != nil {
		return
	}
	for _, r := range []Range{p.Initrd, p.DTB} {
		if r.Size == 0 {
			continue
		}
		if !ram.Contains(r.Base, r.Size) {
			t.Errorf("%v placed outside RAM", r)
		}
		for i, s := range img.Segments {
			if r.Base < s.Addr+s.MemSize && s.Addr < r.Base+r.Size {
				t.Errorf("%v placed over segment %d", r, i)
			}
		}
	}
	if p.Initrd.Size != 0 && p.DTB.Size != 0 && p.DTB.Base < p.Initrd.Base+p.Initrd.Size {
		t.Errorf("device tree %v over initrd %v", p.DTB, p.Initrd)
	}
}

func FuzzParse(f *testing.F) {
	small := Range{0x40000000, 8 << 20}
	image := makeImage(0, 0x1000, 128)
	elf := makeELF(0x40300004, load(0x40300000, 16, make([]byte, 16)), load(0x40200000, 0x1000, []byte("data")))
	for _, b := range [][]byte{nil, elf, elf[:100], image, pack(image), makeZboot("gzip", pack(image)), []byte("raw"), pack(elf)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := Parse("k", b, small)
		if err != nil {
			if s := err.Error(); !strings.HasPrefix(s, "k: ") || strings.ContainsAny(s, "\r\n") {
				t.Errorf("error %q", s)
			}
			return
		}
		checkImage(t, img, small)
		if img2, err := ParseBlob("k", b, 0x40001000, small); err == nil && img2.Kind == ELF && img2.Entry != img.Entry {
			t.Errorf("blob entry %#x, kernel entry %#x", img2.Entry, img.Entry)
		}
	})
}
