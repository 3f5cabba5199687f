package virtio

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

// Storage is what a block device keeps its sectors in. Reading beyond its end gives zeros. Where it also has a method
// Sync() error, as a file has, that is what a flush calls.
type Storage interface {
	io.ReaderAt
	io.WriterAt
}

// SectorSize is the unit, in bytes, of addresses and sizes (VIRTIO 5.2.4).
const SectorSize = 512

// Features of block devices (VIRTIO 5.2.3).
const (
	BlockFeatureSegMax  = 1 << 2
	BlockFeatureRO      = 1 << 5
	BlockFeatureBlkSize = 1 << 6
	BlockFeatureFlush   = 1 << 9
)

// Requests (VIRTIO 5.2.6): a header of type, a reserved word and sector; data; a status byte.
const (
	BlockIn    = 0
	BlockOut   = 1
	BlockFlush = 4
	BlockGetID = 8

	blockHeaderBytes = 16
	blockIDBytes     = 20
)

// Status of a request.
const (
	BlockOK     = 0
	BlockIOErr  = 1
	BlockUnsupp = 2
)

// Configuration space (VIRTIO 5.2.4), up to the block size.
const (
	configCapacity = 0x00 // u64, in sectors
	configSegMax   = 0x0C // u32
	configBlkSize  = 0x14 // u32
	configBytes    = 0x18

	// segMax leaves room for header and status in the shortest queue of QEMU's driver settings, 128 descriptors.
	segMax = 126
)

// Block is a block device (VIRTIO 5.2).
type Block struct {
	t        *Transport
	storage  Storage
	sectors  uint64
	readOnly bool
	id       string

	job job
	buf [Chunk]byte
}

// job is the request that is under way.
type job struct {
	kind   uint32
	at     uint64 // byte of the storage
	off    uint64 // byte of the request's data
	left   uint64
	status uint8
	cause  string // of the status, for the event
}

// NewBlock makes a block device of size bytes, up to MaxSize, rounded up to sectors, on storage. What a readOnly one is asked to write fails. id is what
// drivers read as its serial number; 20 bytes of it count.
func NewBlock(storage Storage, size uint64, readOnly bool, id string) *Block {
	return &Block{storage: storage, sectors: size/SectorSize + (size%SectorSize+SectorSize-1)/SectorSize, readOnly: readOnly, id: id}
}

func (b *Block) attach(t *Transport) { b.t = t }

// ID is the type of the device.
func (b *Block) ID() uint32 { return 2 }

// Features are flush, the limits that are in the configuration space, and whether it is read-only.
func (b *Block) Features() uint64 {
	f := uint64(BlockFeatureSegMax | BlockFeatureBlkSize | BlockFeatureFlush)
	if b.readOnly {
		f |= BlockFeatureRO
	}
	return f
}

// Queues is 1.
func (b *Block) Queues() int { return 1 }

// Config has the capacity and the limits.
func (b *Block) Config() []byte {
	c := make([]byte, configBytes)
	binary.LittleEndian.PutUint64(c[configCapacity:], b.sectors)
	binary.LittleEndian.PutUint32(c[configSegMax:], segMax)
	binary.LittleEndian.PutUint32(c[configBlkSize:], SectorSize)
	return c
}

// SetConfig does nothing: the cache mode cannot be changed.
func (b *Block) SetConfig(uint64, int, uint32) {}

// Reset forgets the request that is under way.
func (b *Block) Reset() { b.job = job{} }

// Wants is always true.
func (b *Block) Wants(int) bool { return true }

// Begin reads a request's header and checks what it asks for.
func (b *Block) Begin(r *Request) error {
	if r.Readable() < blockHeaderBytes || r.Writable() < 1 {
		return fmt.Errorf("a block request with %d bytes to read and %d to write", r.Readable(), r.Writable())
	}
	b.job = job{}
	j := &b.job
	var h [blockHeaderBytes]byte
	resp := r.Read(0, h[:])
	j.kind = binary.LittleEndian.Uint32(h[0:])
	sector := binary.LittleEndian.Uint64(h[8:])
	name := fmt.Sprintf("BLK_T_%d", j.kind)
	var data uint64 // bytes on the storage
	switch {
	case resp != bus.OKAY:
		name = "BLK_T"
		j.fail(BlockIOErr, "header: "+resp.String())
	case j.kind == BlockIn:
		name = "BLK_T_IN"
		data = r.Writable() - 1
		j.left = data
	case j.kind == BlockOut:
		name = "BLK_T_OUT"
		data = r.Readable() - blockHeaderBytes
		j.left, j.off = data, blockHeaderBytes
		if b.readOnly {
			j.fail(BlockIOErr, "read-only")
		}
	case j.kind == BlockFlush:
		name = "BLK_T_FLUSH"
	case j.kind == BlockGetID:
		name = "BLK_T_GET_ID"
		j.left = min(r.Writable()-1, blockIDBytes)
	default:
		j.fail(BlockUnsupp, "type")
	}
	if j.status == BlockOK && (j.kind == BlockIn || j.kind == BlockOut) {
		if data%SectorSize != 0 || data/SectorSize > b.sectors || sector > b.sectors-data/SectorSize {
			j.fail(BlockIOErr, "range")
		} else {
			j.at = sector * SectorSize
		}
	}
	if b.t.events.On(event.DMA) {
		b.t.report(event.Begin, name, event.Dec("sector", sector), event.Dec("bytes", data))
	}
	return nil
}

// fail ends the data of a job.
func (j *job) fail(status uint8, cause string) { j.status, j.cause, j.left = status, cause, 0 }

// Step moves a chunk of data; behind the last one it writes the status.
func (b *Block) Step(r *Request) (n int, done bool) {
	j := &b.job
	if j.left > 0 {
		n = int(min(j.left, Chunk))
		p := b.buf[:n]
		switch j.kind {
		case BlockIn:
			if err := b.load(p, j.at); err != nil {
				j.fail(BlockIOErr, err.Error())
			} else if resp := r.Write(j.off, p); resp != bus.OKAY {
				j.fail(BlockIOErr, resp.String())
			}
		case BlockOut:
			if resp := r.Read(j.off, p); resp != bus.OKAY {
				j.fail(BlockIOErr, resp.String())
			} else if _, err := b.storage.WriteAt(p, int64(j.at)); err != nil {
				j.fail(BlockIOErr, err.Error())
			}
		case BlockGetID:
			clear(p)
			copy(p, b.id)
			if resp := r.Write(0, p); resp != bus.OKAY {
				j.fail(BlockIOErr, resp.String())
			}
		}
		if j.left > 0 {
			j.at, j.off, j.left = j.at+uint64(n), j.off+uint64(n), j.left-uint64(n)
			if j.left > 0 {
				return n, false
			}
		}
	}
	if s, ok := b.storage.(interface{ Sync() error }); ok && j.kind == BlockFlush && j.status == BlockOK {
		if err := s.Sync(); err != nil {
			j.fail(BlockIOErr, err.Error())
		}
	}
	// A driver that keeps the status where the device may not write learns nothing.
	r.Write(r.Writable()-1, []byte{j.status})
	if b.t.events.On(event.DMA) {
		name, fields := "DONE", []event.Field{event.Dec("status", uint64(j.status))}
		if j.status != BlockOK {
			name, fields = "ERROR", append(fields, event.Str("cause", j.cause))
		}
		r.end, r.fields = name, fields
	}
	b.job = job{}
	return n, true
}

// load reads from the storage; what is beyond its end is zero.
func (b *Block) load(p []byte, at uint64) error {
	n, err := b.storage.ReadAt(p, int64(at))
	if n < len(p) && err != io.EOF {
		return err
	}
	clear(p[n:])
	return nil
}

// MaxSize is the largest size, in bytes, of a block device: addresses of storage are signed.
const MaxSize = math.MaxInt64 &^ (SectorSize - 1)
