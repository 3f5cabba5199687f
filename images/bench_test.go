package images

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// benchModel is the workload of src/bench in Go: where the image has its own sort, sieve, CRC and copying, the model has the
// standard library's or the mathematical definition.
type benchModel struct {
	state, sum uint64
}

func (m *benchModel) next() uint64 {
	m.state ^= m.state << 13
	m.state ^= m.state >> 7
	m.state ^= m.state << 17
	return m.state
}

func (m *benchModel) mix(v uint64) { m.sum = bits.RotateLeft64(m.sum, 13) + v*0x9e3779b97f4a7c15 }

func (m *benchModel) small() float64 { return (float64(m.next()&0xffff) - 32768) / 256 }

func (m *benchModel) round() {
	for i := uint64(1); i <= 20000; i++ {
		v := m.next()
		m.mix(v/i + v%1000003)
		m.mix(uint64(int64(v)>>5) ^ v&0xffffffff*(v>>32))
	}

	// There are 1028 primes below 8192, the largest is 8191, a Mersenne prime.
	m.mix(1028<<32 | 8191)

	values := make([]uint32, 1024)
	for i := range values {
		values[i] = uint32(m.next())
	}
	slices.Sort(values)
	for _, v := range values {
		m.mix(uint64(v))
	}

	const dim = 24
	var a, b, c [dim][dim]float64
	for i := range dim {
		for k := range dim {
			a[i][k] = m.small()
			b[i][k] = m.small()
		}
	}
	trace := 0.0
	for i := range dim {
		for k := range dim {
			s := 0.0
			for j := range dim {
				s += float64(a[i][j] * b[j][k]) // the conversion forbids fusing
			}
			c[i][k] = s / 3
		}
		trace += float64(math.Sqrt(math.Abs(c[i][i])) * 0.1)
	}
	m.mix(math.Float64bits(trace))
	for i := range dim {
		m.mix(math.Float64bits(c[i][dim-1-i]))
	}

	from := make([]uint64, 2048)
	to := make([]uint64, 2048)
	for i := range from {
		from[i] = m.next()
	}
	for i := range 8 {
		copy(to, from)
		copy(from, to[i:])
	}
	raw, _ := binary.Append(nil, binary.LittleEndian, to)
	m.mix(uint64(crc32.ChecksumIEEE(raw)))
}

func benchChecksum(rounds int) string {
	m := benchModel{state: 0x2545f4914f6cdd1d}
	for range rounds {
		m.round()
	}
	return fmt.Sprintf("%016x", m.sum)
}

func TestBenchChecksum(t *testing.T) {
	img, err := Get("bench")
	if err != nil {
		t.Fatal(err)
	}
	sum := benchChecksum(167)
	if want := fmt.Sprintf("step bench checksum expect=%s saw=%[1]s rounds=167 ok\n", sum); !strings.Contains(img.Expect, want) {
		t.Errorf("the model gives %s, the catalogue says\n%s", sum, img.Expect)
	}
}
