package secureworld

import (
	"encoding/binary"
	"math/rand/v2"

	"gatehouse/platform/firmware"
)

// TRNG firmware interface (DEN0098, chapter 2).
const (
	trngVersion  = 0x8400_0050
	trngFeatures = 0x8400_0051
	trngGetUUID  = 0x8400_0052
	trngRnd32    = 0x8400_0053
	trngRnd64    = 0xC400_0053

	trngVersion10     = 0x1_0000
	trngInvalidParams = -2
	trngMaxBits32     = 96
	trngMaxBits64     = 192
)

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
func (w *World) trngCall(fid uint32, r *firmware.Registers) {
	if !w.cfg.TRNG {
		r[0] = unknownFunction
		return
	}
	switch fid {
	case trngVersion:
		r[0] = trngVersion10
	case trngFeatures:
		switch uint32(r[1]) &^ fidSVEHint {
		case trngVersion, trngFeatures, trngGetUUID, trngRnd32, trngRnd64:
			r[0] = smcccSuccess
		default:
			r[0] = unknownFunction
		}
	case trngGetUUID:
		for i, v := range trngUUID {
			r[i] = uint64(v)
		}
	case trngRnd32:
		w.trng.random(r, uint64(uint32(r[1])), 32, trngMaxBits32)
	case trngRnd64:
		w.trng.random(r, r[1], 64, trngMaxBits64)
	default:
		r[0] = unknownFunction
	}
}

// random fills x3, x2, x1, in this order from the least significant word on, with n bits; the bits above are zero
// (DEN0098, 2.5).
func (t *trng) random(r *firmware.Registers, n uint64, width uint, limit uint64) {
	if n == 0 || n > limit {
		if width == 32 {
			r[0] = word(trngInvalidParams)
		} else {
			v := int64(trngInvalidParams)
			r[0] = uint64(v)
		}
		return
	}
	r[0] = smcccSuccess
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
