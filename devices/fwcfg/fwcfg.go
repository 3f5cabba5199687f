package fwcfg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// FWCfg is one device. Its registers are a bus.Device.
type FWCfg struct {
	port   *bus.Port
	clock  *vtime.Clock
	events *event.Stream
	timer  *vtime.Timer

	items map[uint16][]byte
	files []file // by name

	key     uint16
	off     int    // of the next byte of the item
	addr    uint64 // of the DMA descriptor, as far as it was written
	command command
	busy    bool // a command is under way
	onBus   bool // the device itself is on the bus now
}

type file struct {
	name string
	data []byte
}

// New makes a device with the items that every one has. Its transactions go through port.
func New(port *bus.Port, clock *vtime.Clock, events *event.Stream) *FWCfg {
	f := &FWCfg{port: port, clock: clock, events: events, items: map[uint16][]byte{}}
	f.timer = clock.NewTimer("fw_cfg", f)
	f.Add(KeySignature, []byte(signature))
	f.AddUint32(KeyID, idTraditional|idDMA)
	f.list()
	f.Reset()
	return f
}

// Reset selects the signature and ends a DMA command. The items stay.
func (f *FWCfg) Reset() {
	f.key, f.off, f.addr = KeySignature, 0, 0
	f.command, f.busy, f.onBus = command{}, false, false
	f.timer.Stop()
}

// Add gives an item its data, which must not change afterwards.
func (f *FWCfg) Add(key uint16, data []byte) { f.items[key] = data }

// AddUint16 adds a number of 2 bytes.
func (f *FWCfg) AddUint16(key, v uint16) { f.Add(key, binary.LittleEndian.AppendUint16(nil, v)) }

// AddUint32 adds a number of 4 bytes.
func (f *FWCfg) AddUint32(key uint16, v uint32) { f.Add(key, binary.LittleEndian.AppendUint32(nil, v)) }

// AddUint64 adds a number of 8 bytes.
func (f *FWCfg) AddUint64(key uint16, v uint64) { f.Add(key, binary.LittleEndian.AppendUint64(nil, v)) }

// ErrFile is wrapped by the errors of AddFile.
var ErrFile = errors.New("fw_cfg file")

// AddFile adds a file, or replaces the one of that name. The name is 1 to 55 bytes long. Keys of files follow the order of their names,
// so that they are settled when all files are there.
func (f *FWCfg) AddFile(name string, data []byte) error {
	i, found := slices.BinarySearchFunc(f.files, name, func(f file, name string) int { return strings.Compare(f.name, name) })
	switch {
	case name == "" || len(name) >= nameBytes || strings.ContainsRune(name, 0):
		return fmt.Errorf("%w: name %q: want 1 to %d bytes, none of them zero", ErrFile, name, nameBytes-1)
	case uint64(len(data)) > math.MaxUint32:
		return fmt.Errorf("%w: %s: %d bytes: want less than 4 GiB", ErrFile, name, len(data))
	case found:
		f.files[i].data = data
	case len(f.files) == FileSlots:
		return fmt.Errorf("%w: %s: there are %d files already", ErrFile, name, FileSlots)
	default:
		f.files = slices.Insert(f.files, i, file{name, data})
	}
	f.list()
	return nil
}

// list makes the directory, and the items behind it. Its unused entries are zero.
func (f *FWCfg) list() {
	dir := make([]byte, 4+FileSlots*fileBytes)
	binary.BigEndian.PutUint32(dir, uint32(len(f.files)))
	for i, file := range f.files {
		e := dir[4+i*fileBytes:]
		key := KeyFileFirst + uint16(i)
		binary.BigEndian.PutUint32(e, uint32(len(file.data)))
		binary.BigEndian.PutUint16(e[4:], key)
		copy(e[8:8+nameBytes-1], file.name)
		f.items[key] = file.data
	}
	f.items[KeyFileDir] = dir
}

// choose selects an item. One that does not exist is empty.
func (f *FWCfg) choose(key uint16) { f.key, f.off = key&^KeyWrite, 0 }

// rest gives what is left of the selected item.
func (f *FWCfg) rest() []byte { return f.items[f.key][f.off:] }

// Read gives a register. Reading Data moves on in the item.
func (f *FWCfg) Read(off uint64, size int, _ bus.Attr) (uint64, bus.Response) {
	var b [8]byte
	switch {
	case off >= Size:
		return 0, bus.DECERR
	case off == Data:
		f.off += copy(b[:size], f.rest())
	case off >= DMA:
		copy(b[:size], dmaSignature[off-DMA:])
	default:
		return 0, bus.SLVERR
	}
	return binary.LittleEndian.Uint64(b[:]), bus.OKAY
}

// Write sets a register.
func (f *FWCfg) Write(off uint64, size int, v uint64, _ bus.Attr) bus.Response {
	if f.onBus {
		// A command whose data goes to the registers: on hardware such a master would wait for itself.
		return bus.SLVERR
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	switch {
	case off >= Size:
		return bus.DECERR
	case off == Data:
	case off == Selector && size == 2:
		f.choose(binary.BigEndian.Uint16(b[:]))
	case off == DMA && size == 8:
		f.addr = binary.BigEndian.Uint64(b[:])
		f.start()
	case off == DMA && size == 4:
		f.addr = uint64(binary.BigEndian.Uint32(b[:])) << 32
	case off == DMA+4 && size == 4:
		f.addr |= uint64(binary.BigEndian.Uint32(b[:]))
		f.start()
	default:
		return bus.SLVERR
	}
	return bus.OKAY
}
