package virtio

import (
	"bytes"
	"testing"
)

func TestEntropy(t *testing.T) {
	seed := [32]byte{1, 2, 3}
	var all [][]byte
	for range 2 {
		e := NewEntropy(seed)
		b, d := newDriver(t, e)
		d.start(FeatureVersion1, 8)
		q := &d.queues[0]
		fill := func(n uint32) []byte {
			d.add(q, 0, buf{dataAt, n / 2, true}, buf{dataAt + uint64(n/2), n - n/2, true})
			d.notify(q)
			if _, w := d.used(q); w != n {
				t.Fatalf("%d bytes of %d", w, n)
			}
			return b.memory(dataAt, int(n))
		}
		first := fill(64)
		d.start(FeatureVersion1, 8) // a new driver gets new bytes
		q = &d.queues[0]
		second := fill(64)
		if bytes.Equal(first, second) || bytes.Equal(first[:32], first[32:]) {
			t.Error("bytes repeat")
		}
		long := fill(3*Chunk + 1)
		ones := 0
		for _, v := range long {
			for ; v != 0; v &= v - 1 {
				ones++
			}
		}
		if bits := 8 * len(long); ones < bits*49/100 || ones > bits*51/100 {
			t.Errorf("%d ones in %d bits", ones, bits)
		}
		all = append(all, append(append(first, second...), long...))
		e.Restart()
		if !bytes.Equal(fill(64), first) {
			t.Error("other bytes after a restart")
		}
		b.protect(dataAt, 0x1000)
		d.add(q, 0, buf{dataAt - 8, 16, true})
		d.notify(q)
		if _, w := d.used(q); w > 8 {
			t.Errorf("%d bytes written", w)
		}
	}
	if !bytes.Equal(all[0], all[1]) {
		t.Error("two devices with one seed differ")
	}
}
