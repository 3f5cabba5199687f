package loader

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
)

// The arm64 Image header (Linux, Documentation/arch/arm64/booting.rst, section 4).
const (
	imageTextOffset = 8  // u64
	imageSize       = 16 // u64, the memory that the kernel needs; 0 before Linux 3.17, then text_offset is not valid
	imageMagic      = 56 // "ARM\x64"
	imageHeaderSize = 64
)

// The EFI zboot header (Linux, zboot-header.S of the EFI boot code).
const (
	zbootMagic      = 4  // "zimg"
	zbootOffset     = 8  // u32, of the payload
	zbootSize       = 12 // u32, of the payload
	zbootType       = 24 // NUL-terminated name of the compression
	zbootHeaderSize = 64
)

const (
	// rawOffset is where code without a header goes, and an Image that does not state its size (KERNEL64_LOAD_ADDR).
	rawOffset = 0x80000
	// bootloaderMax is what QEMU keeps free at the start of RAM for its first instructions (BOOTLOADER_MAX_SIZE).
	bootloaderMax = 0x1000
	imageAlign    = 2 << 20
	// inflateMax limits what a compressed kernel may unpack to (LOAD_IMAGE_MAX_GUNZIP_BYTES).
	inflateMax = 256 << 20
)

// parseLinux reads an arm64 Image or raw code, both of which QEMU starts with the Linux boot protocol.
func (img *Image) parseLinux(data []byte, ram Range) error {
	data, err := img.unpack(data, ram)
	if err != nil {
		return err
	}
	img.Linux = true
	img.Kind = Raw
	offset, size := uint64(rawOffset), uint64(len(data))
	if len(data) >= imageHeaderSize && string(data[imageMagic:imageMagic+4]) == "ARM\x64" {
		img.Kind = LinuxImage
		if n := binary.LittleEndian.Uint64(data[imageSize:]); n != 0 {
			offset = binary.LittleEndian.Uint64(data[imageTextOffset:])
			if offset < bootloaderMax {
				offset += imageAlign
			}
			size = max(size, n)
		}
	}
	if offset >= ram.Size {
		return img.errorf("image at offset %#x: outside RAM %v", offset, ram)
	}
	img.Entry = ram.Base + offset
	img.Segments = []Segment{{Addr: img.Entry, Data: data, MemSize: size}}
	return nil
}

// unpack inflates a gzip file or the payload of an EFI zboot file. Other files it returns as they are.
func (img *Image) unpack(data []byte, ram Range) ([]byte, error) {
	if len(data) >= zbootHeaderSize && string(data[:2]) == "MZ" && string(data[zbootMagic:zbootMagic+4]) == "zimg" {
		name, _, _ := bytes.Cut(data[zbootType:imageMagic], []byte{0})
		if string(name) != "gzip" {
			return nil, img.errorf("EFI zboot payload is compressed with %q: want gzip", name)
		}
		off := uint64(binary.LittleEndian.Uint32(data[zbootOffset:]))
		n := uint64(binary.LittleEndian.Uint32(data[zbootSize:]))
		if off > uint64(len(data)) || n > uint64(len(data))-off {
			return nil, img.errorf("EFI zboot payload of %#x bytes at offset %#x: outside the file of %#x bytes", n, off, len(data))
		}
		return img.inflate(data[off:off+n], ram)
	}
	if len(data) >= 3 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8 {
		return img.inflate(data, ram)
	}
	return data, nil
}

func (img *Image) inflate(packed []byte, ram Range) ([]byte, error) {
	limit := min(inflateMax, ram.Size)
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, img.errorf("gzip: %v", err)
	}
	// QEMU reads the first member only; anything behind it is padding.
	zr.Multistream(false)
	var out bytes.Buffer
	switch _, err := io.CopyN(&out, zr, int64(limit)+1); {
	case err == nil:
		return nil, img.errorf("gzip: inflates to more than %#x bytes", limit)
	case err != io.EOF:
		return nil, img.errorf("gzip: %v", err)
	case out.Len() == 0:
		return nil, img.errorf("gzip: inflates to nothing")
	case isELF(out.Bytes()):
		return nil, img.errorf("gzip: holds an ELF file, which must be unpacked first")
	}
	return out.Bytes(), nil
}
