package driver

import (
	"encoding/binary"

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
}

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
	if err := c.buffer(j, aesSource, cj.Source); err != nil {
		return err
	}
	return c.buffer(j, aesDest, cj.Dest)
}

// Run does a job and waits for it.
func (c *Crypto) Run(cj *CryptoJob) error {
	j, err := c.Submit(cj)
	if err != nil {
		return err
	}
	return j.wait()
}
