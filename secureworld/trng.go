package secureworld

import (
	"encoding/binary"
	"math/rand/v2"

	"gatehouse/platform/firmware"
	"gatehouse/smc"
)

// trngVersion is the version of the TRNG firmware interface (DEN0098, 2.1): 1.0.
const trngVersion = 0x1_0000

// trngUUID are the four words that TRNG_GET_UUID gives. The number was drawn at random for this back end.
var trngUUID = [4]uint32{0x5f1d3a86, 0x4c70b2e9, 0x9a4e17c3, 0x7b58d206}

// trng is a random bit generator that depends on the configured seed alone, so that two runs of a machine are the same.
type trng struct {
	chacha rand.ChaCha8
}

func (t *trng) reset(seed uint64) {
	var key [32]byte
	copy(key[:], "gatehouse trng")
	binary.LittleEndian.PutUint64(key[24:], seed)
	t.chacha.Seed(key)
}

// trngCall answers the calls of the TRNG range.
func (w *World) trngCall(f smc.Function, r *firmware.Registers) {
	if !w.cfg.TRNG {
		r[0] = smc.Unknown
		return
	}
	switch f {
	case smc.TRNGVersion:
		r[0] = trngVersion
	case smc.TRNGFeatures:
		switch smc.Function(r[1]).WithoutHint() {
		case smc.TRNGVersion, smc.TRNGFeatures, smc.TRNGGetUUID, smc.TRNGRnd32, smc.TRNGRnd64:
			r[0] = smc.TRNGSuccess.X0()
		default:
			r[0] = smc.TRNGNotSupported.X0()
		}
	case smc.TRNGGetUUID:
		for i, v := range trngUUID {
			r[i] = uint64(v)
		}
	case smc.TRNGRnd32:
		w.trng.random(r, uint64(uint32(r[1])), 32, smc.TRNGMaxBits32)
	case smc.TRNGRnd64:
		w.trng.random(r, r[1], 64, smc.TRNGMaxBits64)
	default:
		r[0] = smc.Unknown
	}
}

// random fills x3, x2, x1, in this order from the least significant word on, with n bits; the bits above are zero
// (DEN0098, 2.5).
func (t *trng) random(r *firmware.Registers, n uint64, width uint, limit uint64) {
	if n == 0 || n > limit {
		if r[0] = smc.TRNGInvalidParameters.X0(); width == 32 {
			r[0] = result32(smc.TRNGInvalidParameters)
		}
		return
	}
	r[0] = smc.TRNGSuccess.X0()
	for i := range 3 {
		v := t.chacha.Uint64()
		if width == 32 {
			v = uint64(uint32(v))
		}
		low := uint64(i) * uint64(width)
		switch {
		case n <= low:
			v = 0
		case n-low < uint64(width):
			v &= 1<<(n-low) - 1
		}
		r[3-i] = v
	}
}
