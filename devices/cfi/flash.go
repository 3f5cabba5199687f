package cfi

import (
	"bytes"
	"encoding/binary"
	"io"

	"gatehouse/platform/bus"
)

// Flash is one bank. Its commands are a bus.Device.
type Flash struct {
	// ReadOnly makes programming and erasing fail.
	ReadOnly bool

	cells *bus.Array
	store io.WriterAt
	ones  []byte // an erased sector, once one was erased

	reads  mode    // what reads give
	await  command // the command whose next cycle is awaited
	status uint8
	locked [sectors]bool
	buffer buffer
}

// mode is what reads give.
type mode uint8

const (
	array mode = iota
	status
	identifiers
	queryData
)

// command is a command of several cycles, by the cycle that comes next.
type command uint8

const (
	none command = iota
	program
	eraseConfirm
	lockCode
	bufferCount
	bufferData
	bufferConfirm
)

// buffer collects what a buffered write programs.
type buffer struct {
	left     uint32 // cycles of data still to come
	started  bool   // the first has come
	stray    bool   // one was outside the block
	block    uint64 // offset of the block
	from, to uint32 // the bytes of the block that have been written lie in [from, to)
	data     [BufferSize]byte
}

// New makes a bank of the given cells, which must have Size bytes. What changes is written to store, which may be nil; where
// that fails, so do erase and programming.
func New(cells *bus.Array, store io.WriterAt) *Flash {
	if cells.Size() != Size {
		panic("BUG: flash bank of another size")
	}
	f := &Flash{cells: cells, store: store}
	f.Reset()
	return f
}

// Reset is a power-up: read array mode, no errors, no sector locked. The contents stay.
func (f *Flash) Reset() {
	f.status = StatusReady
	f.locked = [sectors]bool{}
	f.buffer = buffer{}
	f.enter(array, none)
}

// Contents gives a copy of the cells.
func (f *Flash) Contents() []byte {
	p := make([]byte, Size)
	f.cells.Read(0, p)
	return p
}

// enter sets what reads give and what the next write is.
func (f *Flash) enter(m mode, c command) {
	f.reads, f.await = m, c
	f.cells.Show(m == array)
}

// Read answers reads outside of read array mode.
func (f *Flash) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	var b [2 * bankWidth]byte
	word := off &^ (bankWidth - 1)
	binary.LittleEndian.PutUint32(b[:], f.read(word))
	if size > bankWidth {
		binary.LittleEndian.PutUint32(b[bankWidth:], f.read(word+bankWidth))
	}
	v := binary.LittleEndian.Uint64(b[:]) >> (8 * (off - word))
	return v & (1<<(8*size) - 1), bus.OKAY
}

// read gives the word of the bus at off, a multiple of its width.
func (f *Flash) read(off uint64) uint32 {
	if f.reads == array {
		var b [bankWidth]byte
		f.cells.Read(off, b[:])
		return binary.LittleEndian.Uint32(b[:])
	}
	var v uint8
	switch f.reads {
	case status:
		v = f.status
	case identifiers:
		switch off / bankWidth & idMask {
		case idManufacturer:
			v = manufacturer
		case idDevice:
			v = device
		case idLock:
			if f.locked[off/SectorSize] {
				v = 1
			}
		}
	case queryData:
		if n := off / bankWidth; n < uint64(len(query)) {
			v = query[n]
		}
	}
	return uint32(v) | uint32(v)<<16
}

// Write is one cycle of a command, or two where it is wider than the bus.
func (f *Flash) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if size > bankWidth {
		f.cycle(off, bankWidth, uint32(v))
		off, size, v = off+bankWidth, bankWidth, v>>32
	}
	f.cycle(off, size, uint32(v))
	return bus.OKAY
}

func (f *Flash) cycle(off uint64, size int, v uint32) {
	switch f.await {
	case none:
		f.start(uint8(v))
	case program:
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], v)
		f.program(off, b[:size])
		f.enter(status, none)
	case eraseConfirm:
		if uint8(v) != Confirm {
			f.abort(uint8(v))
			return
		}
		f.erase(off / SectorSize)
		f.enter(status, none)
	case lockCode:
		switch uint8(v) {
		case LockSector:
			f.locked[off/SectorSize] = true
		case Confirm:
			f.locked[off/SectorSize] = false
		default:
			f.abort(uint8(v))
			return
		}
		f.enter(status, none)
	case bufferCount:
		// Each chip gets the count of its words less 1; a cycle of data carries a word for each.
		n := v & 0xFFFF
		if n >= bufferWords {
			f.abort(uint8(v))
			return
		}
		f.buffer.fill(n + 1)
		f.enter(status, bufferData)
	case bufferData:
		f.buffer.put(off, size, v)
		if f.buffer.left == 0 {
			f.enter(status, bufferConfirm)
		}
	case bufferConfirm:
		if uint8(v) != Confirm {
			f.abort(uint8(v))
			return
		}
		b := &f.buffer
		if b.stray {
			f.status |= StatusProgramError
		} else {
			f.program(b.block+uint64(b.from), b.data[b.from:b.to])
		}
		f.enter(status, none)
	}
}

// start is the first cycle of a command.
func (f *Flash) start(code uint8) {
	switch code {
	case ReadStatus:
		f.enter(status, none)
	case ReadID:
		f.enter(identifiers, none)
	case ReadQuery:
		f.enter(queryData, none)
	case Program, ProgramOther:
		f.enter(status, program)
	case Erase:
		f.enter(status, eraseConfirm)
	case Lock:
		f.enter(status, lockCode)
	case WriteBuffer:
		f.enter(status, bufferCount)
	case ClearStatus:
		f.status = StatusReady
		f.enter(array, none)
	default: // ReadArray, and what is no command
		f.enter(array, none)
	}
}

// abort ends a command in the cycle that should have confirmed it. Asking for the array is a way to do that on purpose.
func (f *Flash) abort(code uint8) {
	if code != ReadArray {
		f.status |= sequenceError
	}
	f.enter(array, none)
}

// writable says whether a sector can be changed now. Where it cannot, the given error is in the status.
func (f *Flash) writable(sector uint64, failure uint8) bool {
	switch {
	case f.locked[sector]:
		f.status |= failure | StatusLocked
	case f.ReadOnly:
		f.status |= failure
	default:
		return true
	}
	return false
}

// change writes the cells and what is behind them.
func (f *Flash) change(off uint64, p []byte, failure uint8) {
	f.cells.Write(off, p)
	if f.store != nil {
		if _, err := f.store.WriteAt(p, int64(off)); err != nil {
			f.status |= failure
		}
	}
}

// program clears the bits that are clear in p, within one sector.
func (f *Flash) program(off uint64, p []byte) {
	if !f.writable(off/SectorSize, StatusProgramError) {
		return
	}
	var old [BufferSize]byte
	f.cells.Read(off, old[:len(p)])
	for i, b := range p {
		old[i] &= b
	}
	f.change(off, old[:len(p)], StatusProgramError)
}

// erase sets all bits of a sector.
func (f *Flash) erase(sector uint64) {
	if !f.writable(sector, StatusEraseError) {
		return
	}
	if f.ones == nil {
		f.ones = bytes.Repeat([]byte{0xFF}, SectorSize)
	}
	f.change(sector*SectorSize, f.ones, StatusEraseError)
}

// fill makes the buffer ready for n cycles of data.
func (b *buffer) fill(n uint32) {
	*b = buffer{left: n, from: BufferSize}
	for i := range b.data {
		b.data[i] = 0xFF
	}
}

// put takes a cycle of data. The first one chooses the block.
func (b *buffer) put(off uint64, size int, v uint32) {
	b.left--
	block, at := off&^(BufferSize-1), uint32(off&(BufferSize-1))
	if !b.started {
		b.started, b.block = true, block
	}
	if block != b.block {
		b.stray = true
		return
	}
	for i := range uint32(size) {
		b.data[at+i] = byte(v >> (8 * i))
	}
	b.from, b.to = min(b.from, at), max(b.to, at+uint32(size))
}
