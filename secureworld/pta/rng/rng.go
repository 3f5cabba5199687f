// Package rng is the random number pseudo-TA, which Linux's optee-rng driver makes a /dev/hwrng of (pta_rng.h).
//
// The numbers are SHA-256 of a seed and a counter. They depend on the machine's seed alone, so that two runs of a machine are the
// same: they look random, and are no secret to whoever knows the seed.
package rng

import (
	"crypto/sha256"
	"encoding/binary"

	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// What RNGCmdGetInfo answers: bytes a second, and bits of entropy in 1024 bits.
const (
	dataRate = 1 << 20
	quality  = 1024
)

// TA is the application.
type TA struct {
	seed   uint64
	blocks uint64 // of 32 bytes, so far
}

// New makes the application. Its numbers depend on seed alone.
func New(seed uint64) *TA { return &TA{seed: seed} }

var _ tee.PseudoTA = (*TA)(nil)

// UUID is optee.RNGUUID.
func (*TA) UUID() smc.UUID { return optee.RNGUUID() }

// Properties: Linux binds a driver to it.
func (*TA) Properties() tee.Properties { return tee.Device }

// Open lets anybody in.
func (*TA) Open(*tee.Call) optee.Result { return optee.Success }

// Close has nothing to do.
func (*TA) Close(uint32) {}

// Invoke knows the commands optee.RNGCmd....
func (x *TA) Invoke(c *tee.Call) optee.Result {
	switch p := &c.Params; c.Command {
	case optee.RNGCmdGetEntropy:
		m := &p[0].Mem
		switch {
		case !p.Are(optee.AttrRMemInOut) || m.Null():
			return optee.ErrorBadParameters
		case m.Size > optee.RNGPool:
			return optee.ErrorNotSupported
		}
		var b [optee.RNGPool]byte
		if x.read(b[:m.Size]); m.WriteAt(b[:m.Size], 0) != nil {
			return optee.ErrorBadParameters
		}
		return optee.Success
	case optee.RNGCmdGetInfo:
		if !p.Are(optee.AttrValueOutput) {
			return optee.ErrorBadParameters
		}
		p[0].A, p[0].B = dataRate, quality
		return optee.Success
	}
	return optee.ErrorNotImplemented
}

// read fills b with numbers that nobody has got yet.
func (x *TA) read(b []byte) {
	in := append(make([]byte, 0, 64), "gatehouse rng pseudo-TA "...)
	in = binary.LittleEndian.AppendUint64(in, x.seed)
	for len(b) > 0 {
		x.blocks++
		block := sha256.Sum256(binary.LittleEndian.AppendUint64(in, x.blocks))
		b = b[copy(b, block[:]):]
	}
}
