package mem

import "math/bits"

// bitset is a set of small numbers that finds its lowest member at once: each level above the first says which words below it are
// not zero.
type bitset struct{ levels [][]uint64 }

func newBitset(n uint64) bitset {
	var b bitset
	for {
		words := (n + 63) / 64
		b.levels = append(b.levels, make([]uint64, max(words, 1)))
		if words <= 1 {
			return b
		}
		n = words
	}
}

func (b *bitset) has(i uint64) bool {
	l := b.levels[0]
	return i/64 < uint64(len(l)) && l[i/64]>>(i%64)&1 != 0
}

func (b *bitset) set(i uint64) {
	for _, l := range b.levels {
		old := l[i/64]
		l[i/64] = old | 1<<(i%64)
		if old != 0 {
			return
		}
		i /= 64
	}
}

func (b *bitset) clear(i uint64) {
	for _, l := range b.levels {
		l[i/64] &^= 1 << (i % 64)
		if l[i/64] != 0 {
			return
		}
		i /= 64
	}
}

// first is the lowest member, or false.
func (b *bitset) first() (uint64, bool) {
	top := len(b.levels) - 1
	if b.levels[top][0] == 0 {
		return 0, false
	}
	i := uint64(0)
	for l := top; l >= 0; l-- {
		i = i*64 + uint64(bits.TrailingZeros64(b.levels[l][i]))
	}
	return i, true
}
