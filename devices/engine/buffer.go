package engine

import (
	"cmp"
	"encoding/binary"
	"slices"

	"gatehouse/platform/bus"
)

// Buffer is one buffer of a job: where it is, and its bytes inside of the engine.
type Buffer struct {
	// Data are the bytes that are used, without what lies between the rows: all of an input when the engine computes; what Run
	// makes of an output, at most as many as Rows x Row.
	Data []byte
	// Protected says that the memory is accessed with the engine's own identity.
	Protected bool
	// Public is an output whose bytes follow from the job's parameters alone: it may be ordinary memory where an input is not.
	Public bool

	addr           uint64
	kind           uint32
	offset, length uint64
	row, stride    uint64
	rows           uint64
	stream         bool // as long as the memory is, where it is an input

	pieces []piece
	tables []piece // where the list stands
}

// piece is a run of bytes in memory.
type piece struct{ addr, n uint64 }

// end is the address behind it.
func (p piece) end() uint64 { return p.addr + p.n }

// describe takes a buffer from its registers.
func (j *Job) describe(off int) (b Buffer, ok bool) {
	b = Buffer{
		addr: uint64(j.Get(off+BufferAddrLo)) | uint64(j.Get(off+BufferAddrHi))<<32,
		kind: j.Get(off+BufferKind) & kindMask, Protected: j.Get(off+BufferKind)&Protected != 0, offset: uint64(j.Get(off + BufferOffset)),
		stride: uint64(j.Get(off + BufferStride)), length: uint64(j.Get(off + BufferLength)),
	}
	if j.Get(off+BufferKind)&^(kindMask|Protected) != 0 {
		return b, false
	}
	switch b.kind {
	case Memory:
		ok = b.addr < 1<<AddressBits
	case List32, List64:
		ok = b.addr < 1<<AddressBits && b.addr%8 == 0
	}
	return b, ok
}

// Stream takes the buffer of a bitstream from the registers at off. As an input it is as long as its LENGTH, or as its list, and
// at most limit bytes; an output has room for as many bytes.
func (j *Job) Stream(off int, limit uint64) (Buffer, Result) {
	b, ok := j.describe(off)
	if !ok || b.kind == Memory && b.length == 0 {
		return Buffer{}, Parameter
	}
	b.rows, b.row, b.stream = 1, limit, true
	return b, OK
}

// Plane takes the buffer of rows bytes, each of row bytes, from the registers at off. Offset and stride are multiples of unit.
func (j *Job) Plane(off int, row, rows, unit int) (Buffer, Result) {
	b, ok := j.describe(off)
	b.row, b.rows = uint64(row), uint64(rows)
	if b.stride == 0 {
		b.stride = b.row
	}
	if !ok || row <= 0 || rows <= 0 || b.stride < b.row || b.stride > MaxStride || (b.offset|b.stride)%uint64(unit) != 0 {
		return Buffer{}, Parameter
	}
	return b, OK
}

// Size is how many bytes the buffer holds between the rows' gaps. That of a bitstream is known when the engine computes.
func (b *Buffer) Size() uint64 { return b.row * b.rows }

// extent is how many bytes of memory there are from the first row to the end of the last one.
func (b *Buffer) extent() uint64 { return b.stride*(b.rows-1) + b.row }

// resolve finds the memory that a buffer's registers name. It gives how many entries of a list it read.
func (e *Engine) resolve(b *Buffer) (entries int, _ Result) {
	if b.kind == Memory {
		b.pieces = []piece{{b.addr, 1<<AddressBits - b.addr}}
		return 0, OK
	}
	size, space := uint64(8), uint64(1)<<32
	if b.kind == List64 {
		size, space = 16, 1<<AddressBits
	}
	for at := b.addr; ; {
		if entries == MaxEntries {
			return entries, List
		}
		entries++
		var entry [16]byte
		resp := bus.DECERR
		if e.ports.Ordinary.IsRAM(at) {
			resp = e.ports.Ordinary.Read(at, entry[:size])
		}
		if resp != bus.OKAY {
			e.recordFault(at, FaultList, resp)
			return entries, Fault
		}
		e.read += uint32(size)
		b.tables = add(b.tables, piece{at, size})
		at += size
		word := func(i int) uint32 { return binary.LittleEndian.Uint32(entry[4*i:]) }
		p := piece{uint64(word(0)), uint64(word(1) &^ (Last | Link))}
		flags := word(1)
		if b.kind == List64 {
			p = piece{uint64(word(0)) | uint64(word(1))<<32, uint64(word(2))}
			flags = word(3)
		}
		switch {
		case flags&(Last|Link) == Last|Link || p.addr >= space:
			return entries, List
		case flags&Link != 0:
			if p.addr%8 != 0 {
				return entries, List
			}
			at = p.addr
			continue
		case p.n == 0 || p.n > space-p.addr:
			return entries, List
		}
		b.pieces = append(b.pieces, p)
		if flags&Last != 0 {
			return entries, OK
		}
	}
}

// add appends a piece, as part of the last one where it goes on there.
func add(all []piece, p piece) []piece {
	if n := len(all); n > 0 && all[n-1].end() == p.addr {
		all[n-1].n += p.n
		return all
	}
	return append(all, p)
}

// fit leaves of the memory what the buffer uses.
func (b *Buffer) fit(input bool) Result {
	var avail uint64
	for _, p := range b.pieces {
		avail += p.n
	}
	avail -= min(avail, b.offset)
	if b.length != 0 {
		avail = min(avail, b.length)
	}
	switch {
	case avail == 0:
		return Short
	case b.stream && input && avail > b.row:
		return Parameter
	case b.stream:
		b.row = min(avail, b.row)
		b.stride = b.row
	case avail < b.extent():
		return Short
	}
	skip, left := b.offset, b.extent()
	var used []piece
	for _, p := range b.pieces {
		n := min(skip, p.n)
		skip -= n
		p = piece{p.addr + n, min(p.n-n, left)}
		if p.n > 0 {
			used = append(used, p)
			left -= p.n
		}
	}
	b.pieces = used
	return OK
}

// overlap reports whether a byte of an output is used twice.
func overlap(buffers []Buffer, inputs int) bool {
	type span struct {
		piece
		output bool
	}
	var all []span
	for i := range buffers {
		for _, p := range buffers[i].pieces {
			all = append(all, span{p, i >= inputs})
		}
		for _, p := range buffers[i].tables {
			all = append(all, span{p, false})
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.addr, b.addr) })
	var in, out uint64 // the ends of what came before
	for _, s := range all {
		if s.addr < out || s.output && s.addr < in {
			return true
		}
		if s.output {
			out = max(out, s.end())
		} else {
			in = max(in, s.end())
		}
	}
	return false
}

// cursor is a place in a buffer.
type cursor struct {
	done  uint64 // bytes before it, without gaps
	piece int
	base  uint64 // bytes of memory before that piece
}

// next gives the address of the cursor's byte, and how many bytes follow there.
func (b *Buffer) next(c *cursor) (addr, n uint64) {
	row, col := c.done/b.row, c.done%b.row
	at := row*b.stride + col
	for at-c.base >= b.pieces[c.piece].n {
		c.base += b.pieces[c.piece].n
		c.piece++
	}
	p := b.pieces[c.piece]
	return p.addr + at - c.base, min(b.row-col, p.n-(at-c.base))
}

// grow makes Data n bytes longer. Memory that cannot be read costs the host nothing.
func (b *Buffer) grow(n uint64) { b.Data = append(b.Data, make([]byte, n)...) }
