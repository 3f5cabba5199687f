package driver

import (
	"encoding/binary"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// The crypto engine (package devices/crypto), its normal bank.
const (
	cryptoBase = 0x0b11_0000
	cryptoSPI  = 130
	cryptoID   = 0x4145_5300 // AES

	aesMode   = 0x080
	aesSlot   = 0x084
	aesLength = 0x088
	aesIV     = 0x090 // four words
	aesSource = 0x0c0
	aesDest   = 0x0e0

	aesModeCBC       = 1 << 0
	aesModeDecrypt   = 1 << 4
	aesModeContinue  = 1 << 8
	aesModeCounter64 = 1 << 9
)

// CryptoJob encrypts or decrypts Length bytes. The key is in a slot that the secure world loads.
type CryptoJob struct {
	CBC, Decrypt bool
	// Counter64 counts with the last 8 octets of the counter block, as Common Encryption does; Continue goes on where the last job ended.
	Counter64, Continue bool
	Slot                uint32
	Length              uint32
	IV                  [16]byte
	Source, Dest        Buffer
	// Parts divides the source, from its beginning on, into runs that are encrypted and runs that are copied as they are. Nil stands for one
	// run of Length that is encrypted.
	Parts []CryptoPart
}

// CryptoPart is a run of bytes of a source.
type CryptoPart struct {
	Length uint32
	Copy   bool
}

// entryCopy is the flag of a list's entry that is copied (package devices/crypto, "A job").
const entryCopy = 1 << 29

// Crypto drives the crypto engine.
type Crypto struct{ *Engine }

// NewCrypto finds the engine.
func NewCrypto(core *dmabuf.Core, pages *mem.Allocator) (*Crypto, error) {
	e, err := probe(core, pages, dmabuf.Device{Name: "crypto", NSAID: 3, DMAMask: 1<<48 - 1}, cryptoBase, cryptoSPI, cryptoID)
	return &Crypto{e}, err
}

// Submit queues a job.
func (c *Crypto) Submit(cj *CryptoJob) (*Job, error) {
	j := &Job{}
	return c.start(j, c.program(j, cj))
}

func (c *Crypto) program(j *Job, cj *CryptoJob) error {
	var mode uint32
	for _, f := range []struct {
		on  bool
		bit uint32
	}{{cj.CBC, aesModeCBC}, {cj.Decrypt, aesModeDecrypt}, {cj.Continue, aesModeContinue}, {cj.Counter64, aesModeCounter64}} {
		if f.on {
			mode |= f.bit
		}
	}
	j.set(aesMode, mode)
	j.set(aesSlot, cj.Slot)
	j.set(aesLength, cj.Length)
	for i := range 4 {
		j.set(aesIV+4*uint64(i), binary.LittleEndian.Uint32(cj.IV[4*i:]))
	}
	if len(cj.Parts) > 0 {
		if err := c.parts(j, cj); err != nil {
			return err
		}
	} else if err := c.memory(j, aesSource, cj.Source); err != nil {
		return err
	}
	return c.memory(j, aesDest, cj.Dest)
}

// memory is buffer for this engine, whose identities are those of the key slot.
func (c *Crypto) memory(j *Job, off uint64, b Buffer) error {
	b.Protected = false
	return c.buffer(j, off, b)
}

// parts makes the source's list with an entry for each piece of each part.
func (c *Crypto) parts(j *Job, cj *CryptoJob) error {
	var segs []dmabuf.Segment
	var flags []uint32
	at := uint64(cj.Source.Offset) // in the source's memory
	for _, p := range cj.Parts {
		flag := uint32(0)
		if p.Copy {
			flag = entryCopy
		}
		for left := uint64(p.Length); left > 0; {
			pos, found := uint64(0), false
			for _, s := range cj.Source.Segs {
				if at < pos+s.Len {
					n := min(left, pos+s.Len-at)
					segs, flags = append(segs, dmabuf.Segment{Addr: s.Addr + at - pos, Len: n}), append(flags, flag)
					at, left, found = at+n, left-n, true
					break
				}
				pos += s.Len
			}
			if !found {
				return normalworld.EINVAL
			}
		}
	}
	if len(segs) == 0 {
		return normalworld.EINVAL
	}
	addr, err := c.flagged(j, segs, flags)
	if err != nil {
		return err
	}
	for i, v := range []uint32{uint32(addr), uint32(addr >> 32), kindList, 0, 0, 0} {
		j.set(aesSource+4*uint64(i), v)
	}
	return nil
}

// Run does a job and waits for it.
func (c *Crypto) Run(cj *CryptoJob) error {
	j, err := c.Submit(cj)
	if err != nil {
		return err
	}
	return j.wait()
}
