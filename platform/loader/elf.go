package loader

import (
	"debug/elf"
	"encoding/binary"
)

// Sizes and offsets of the ELF64 headers (System V gABI, chapter 4 "ELF Header" and chapter 5 "Program Header").
const (
	ehdrSize = 64
	phdrSize = 56

	ehType      = 16
	ehMachine   = 18
	ehEntry     = 24
	ehPhoff     = 32
	ehPhentsize = 54
	ehPhnum     = 56

	phType   = 0
	phFlags  = 4
	phOffset = 8
	phVaddr  = 16
	phPaddr  = 24
	phFilesz = 32
	phMemsz  = 40

	// pnXnum in e_phnum says that the count stands elsewhere, for files with more program headers than 16 bits count.
	pnXnum = 0xffff
)

func isELF(data []byte) bool { return len(data) >= 4 && string(data[:4]) == elf.ELFMAG }

// parseELF collects the PT_LOAD segments at their physical addresses. debug/elf is not used for it: that package also insists
// on well-formed sections, which loading does not need, and stripped firmware often lacks.
func (img *Image) parseELF(data []byte) error {
	img.Kind = ELF
	if len(data) < ehdrSize {
		return img.errorf("ELF header: file ends after %d of %d bytes", len(data), ehdrSize)
	}
	if c := elf.Class(data[elf.EI_CLASS]); c != elf.ELFCLASS64 {
		return img.errorf("ELF class %d: want 2 (64-bit)", c)
	}
	if d := elf.Data(data[elf.EI_DATA]); d != elf.ELFDATA2LSB {
		return img.errorf("ELF data encoding %d: want 1 (little-endian)", d)
	}
	le := binary.LittleEndian
	if m := elf.Machine(le.Uint16(data[ehMachine:])); m != elf.EM_AARCH64 {
		return img.errorf("ELF machine %v: want EM_AARCH64", m)
	}
	if t := elf.Type(le.Uint16(data[ehType:])); t != elf.ET_EXEC && t != elf.ET_DYN {
		return img.errorf("ELF type %v: want ET_EXEC or ET_DYN", t)
	}
	num := uint64(le.Uint16(data[ehPhnum:]))
	switch {
	case num == 0:
		return img.errorf("ELF has no program headers")
	case num == pnXnum:
		return img.errorf("ELF has too many program headers")
	}
	if n := le.Uint16(data[ehPhentsize:]); n != phdrSize {
		return img.errorf("ELF program header size %d: want %d", n, phdrSize)
	}
	size := uint64(len(data))
	off := le.Uint64(data[ehPhoff:])
	if off > size || num*phdrSize > size-off {
		return img.errorf("%d program headers at offset %#x: outside the file of %#x bytes", num, off, size)
	}

	entry := le.Uint64(data[ehEntry:])
	img.Entry = entry
	for i := range num {
		ph := data[off+i*phdrSize:]
		if elf.ProgType(le.Uint32(ph[phType:])) != elf.PT_LOAD {
			continue
		}
		fileOff, filesz, memsz := le.Uint64(ph[phOffset:]), le.Uint64(ph[phFilesz:]), le.Uint64(ph[phMemsz:])
		vaddr, paddr := le.Uint64(ph[phVaddr:]), le.Uint64(ph[phPaddr:])
		if filesz > memsz {
			return img.errorf("segment %d at %#x..: file size %#x exceeds memory size %#x", len(img.Segments), paddr, filesz, memsz)
		}
		if memsz == 0 {
			continue
		}
		if filesz > 0 && (fileOff > size || filesz > size-fileOff) {
			return img.errorf("segment %d at %#x..: %#x bytes at offset %#x are outside the file of %#x bytes",
				len(img.Segments), paddr, filesz, fileOff, size)
		}
		s := Segment{Addr: paddr, MemSize: memsz}
		if filesz > 0 {
			s.Data = data[fileOff : fileOff+filesz : fileOff+filesz]
		}
		img.Segments = append(img.Segments, s)
		// e_entry is a virtual address. Where the segment that holds it is loaded elsewhere, execution starts at the load
		// address, because the MMU is off.
		if elf.ProgFlag(le.Uint32(ph[phFlags:]))&elf.PF_X != 0 && entry-vaddr < filesz {
			img.Entry = entry - vaddr + paddr
		}
	}
	if len(img.Segments) == 0 {
		return img.errorf("ELF has nothing to load")
	}
	return nil
}
