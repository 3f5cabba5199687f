// Package aes drives the secure bank of the board's crypto engine: its key slots, the lock, and jobs of the secure world's own.
//
// What enters is keys and jobs; what leaves is register writes through a secure bus port. A job takes virtual time, in which the
// normal world has to run: the driver never waits. The registers are documented in devices/crypto.
package aes

import (
	"encoding/binary"
	"errors"

	"gatehouse/platform/bus"
)

// Slots is how many key slots the engine has.
const Slots = 16

// Registers, from the base of the engine on (devices/crypto, Banks).
const (
	bank        = 0x1000
	regID       = bank + 0x000
	regControl  = bank + 0x008
	regStatus   = bank + 0x00C
	regRaw      = bank + 0x010
	regMode     = bank + 0x080
	regSlot     = bank + 0x084
	regLength   = bank + 0x088
	regIdentity = bank + 0x08C
	regIV       = bank + 0x090
	regSource   = bank + 0x0C0
	regDest     = bank + 0x0E0
	regLock     = bank + 0x200
	regKeySlot  = bank + 0x204
	regKeyAttr  = bank + 0x208
	regCommand  = bank + 0x20C
	regResult   = bank + 0x210
	regKey      = bank + 0x220

	id          = 0x4145_5300
	start       = 1 << 0
	abort       = 1 << 1
	reset       = 1 << 2
	busy        = 1 << 0
	resultShift = 8
	resultOK    = 1
	load        = 1
	clearSlot   = 2
	clearAll    = 3
	list64      = 2
)

// Attr is what a key may be used for by the normal bank (devices/crypto, Key slots). The size of the key is added by Load.
type Attr uint32

// Attributes.
const (
	Normal   Attr = 1 << 4
	Encrypt  Attr = 1 << 5
	Decrypt  Attr = 1 << 6
	Counter  Attr = 1 << 7
	Chaining Attr = 1 << 8
	Copy     Attr = 1 << 9
)

// Identity is whom the engine reads or writes as (devices/crypto, Identities).
type Identity uint32

// Identities.
const (
	AsNormal Identity = iota
	AsProtected
	AsOrdinary
	AsSecure
)

// Source and Destination place an identity into attributes.
func (i Identity) Source() Attr      { return Attr(i) << 16 }
func (i Identity) Destination() Attr { return Attr(i) << 20 }

// Errors.
var (
	// ErrAbsent: there is no engine.
	ErrAbsent = errors.New("no crypto engine")
	// ErrRefused: the engine refuses a command, or a job has failed.
	ErrRefused = errors.New("refused by the crypto engine")
)

// MaxEntries is how many entries a list may have; MaxLength is the most bytes of a job.
const (
	MaxEntries = 4096
	MaxLength  = 1 << 30
)

// Modes of jobs (devices/crypto, MODE).
const (
	ModeCTR       = 0
	ModeDecrypt   = 1 << 4
	ModeCounter64 = 1 << 9
)

// Piece is an entry of a list. Copied bytes are neither encrypted nor decrypted.
type Piece struct {
	Addr   uint64
	Size   uint32
	Copied bool
}

// entrySize is the bytes of an entry.
const entrySize = 16

// WriteList writes a list of at most MaxEntries pieces to memory, and reports whether that is there.
func (d *Driver) WriteList(at uint64, pieces []Piece) bool {
	b := make([]byte, 0, entrySize*len(pieces))
	for i, p := range pieces {
		flags := uint32(0)
		if p.Copied {
			flags |= 1 << 29
		}
		if i == len(pieces)-1 {
			flags |= 1 << 31
		}
		b = binary.LittleEndian.AppendUint64(b, p.Addr)
		b = binary.LittleEndian.AppendUint32(b, p.Size)
		b = binary.LittleEndian.AppendUint32(b, flags)
	}
	return d.port.Write(at, b) == bus.OKAY
}

// Driver is the driver of one engine. The zero value is one without engine.
type Driver struct {
	port    *bus.Port
	base    uint64
	present bool
}

// New looks for an engine at base, and empties its slots.
func New(port *bus.Port, base uint64) *Driver {
	d := &Driver{port: port, base: base}
	if base == 0 {
		return d
	}
	v, resp := port.Load(base+regID, 4)
	if d.present = resp == bus.OKAY && v == id; d.present {
		d.set(regControl, reset)
		d.set(regCommand, clearAll)
		d.set(regLock, 0)
	}
	return d
}

// Present reports whether there is an engine.
func (d *Driver) Present() bool { return d.present }

func (d *Driver) set(reg uint64, v uint32) {
	if d.port.Store(d.base+reg, 4, uint64(v)) != bus.OKAY {
		panic("BUG: aes: an engine that answered at reset refuses a register")
	}
}

func (d *Driver) get(reg uint64) uint32 {
	v, _ := d.port.Load(d.base+reg, 4)
	return uint32(v)
}

// Load puts a key of 16, 24 or 32 octets into a slot.
func (d *Driver) Load(slot int, key []byte, a Attr) error {
	if !d.present {
		return ErrAbsent
	}
	d.set(regKeySlot, uint32(slot))
	d.set(regKeyAttr, uint32(a)|uint32(len(key)-16)/8)
	for i := 0; i < len(key); i += 4 {
		d.set(regKey+uint64(i), binary.LittleEndian.Uint32(key[i:]))
	}
	return d.command(load)
}

// Clear empties a slot.
func (d *Driver) Clear(slot int) error {
	if !d.present {
		return ErrAbsent
	}
	d.set(regKeySlot, uint32(slot))
	return d.command(clearSlot)
}

func (d *Driver) command(c uint32) error {
	d.set(regCommand, c)
	if d.get(regResult) != 0 {
		return ErrRefused
	}
	return nil
}

// Lock keeps the normal bank from working, or lets it work again. Its job is aborted.
func (d *Driver) Lock(on bool) error {
	if !d.present {
		return ErrAbsent
	}
	v := uint32(0)
	if on {
		v = 1
	}
	d.set(regLock, v)
	return nil
}

// Job is a job of the secure world's: Source and Destination are addresses of lists of 16-byte entries.
type Job struct {
	Mode                uint32 // devices/crypto, MODE
	Slot                int
	Length              uint32
	IV                  [16]byte
	Source, Destination uint64
	// Who reads the source, writes the destination and reads the lists.
	From, To, Lists Identity
}

// Start starts a job; it is ErrRefused while another one is under way.
func (d *Driver) Start(j *Job) error {
	switch {
	case !d.present:
		return ErrAbsent
	case d.get(regStatus)&busy != 0:
		return ErrRefused
	}
	d.set(regMode, j.Mode)
	d.set(regSlot, uint32(j.Slot))
	d.set(regLength, j.Length)
	d.set(regIdentity, uint32(j.From)|uint32(j.To)<<4|uint32(j.Lists)<<8)
	for i := range 4 {
		d.set(regIV+4*uint64(i), binary.LittleEndian.Uint32(j.IV[4*i:]))
	}
	for _, b := range []struct{ reg, addr uint64 }{{regSource, j.Source}, {regDest, j.Destination}} {
		for i, v := range [...]uint32{uint32(b.addr), uint32(b.addr >> 32), list64, 0, 0, 0} {
			d.set(b.reg+4*uint64(i), v)
		}
	}
	d.set(regRaw, ^uint32(0))
	d.set(regControl, start)
	return nil
}

// Abort ends the job where it is.
func (d *Driver) Abort() { d.set(regControl, abort) }

// Poll reports whether the job has ended, and ErrRefused where it failed.
func (d *Driver) Poll() (done bool, err error) {
	s := d.get(regStatus)
	if s&busy != 0 {
		return false, nil
	}
	if s>>resultShift != resultOK {
		err = ErrRefused
	}
	return true, err
}
