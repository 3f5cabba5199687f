package fpsimd

import (
	"bytes"
	"crypto/aes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"gatehouse/platform/a64"
)

// run executes words one after the other.
func run(t *testing.T, r *a64.Regs, words ...uint32) {
	t.Helper()
	for _, w := range words {
		in := a64.Decode(w, a64.AllFeatures)
		if in.Op < a64.FirstSIMD {
			t.Fatalf("%08x is not allocated", w)
		}
		Exec(r, &in)
	}
}

func load(b []byte) vector {
	return vector{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

func store(v vector) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, v[0]), v[1])
}

// TestAES encrypts and decrypts blocks as software for the extension does, and compares with the standard library.
func TestAES(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 0))
	for range 100 {
		key, block := make([]byte, 16), make([]byte, 16)
		for i := range key {
			key[i], block[i] = byte(rng.Uint32()), byte(rng.Uint32())
		}
		keys := expandKey(key)
		cipher, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, 16)
		cipher.Encrypt(want, block)

		var r a64.Regs
		r.V[0] = load(block)
		for i := range 9 {
			r.V[1] = keys[i]
			run(t, &r, 0x4e284820, 0x4e286800) // AESE V0, V1; AESMC V0, V0
		}
		r.V[1] = keys[9]
		run(t, &r, 0x4e284820)
		r.V[2] = keys[10]
		run(t, &r, 0x6e221c00) // EOR V0, V0, V2
		if got := store(r.V[0]); !bytes.Equal(got, want) {
			t.Fatalf("%x encrypted with %x is %x, want %x", block, key, got, want)
		}

		// The equivalent inverse cipher: the inner keys go through InvMixColumns.
		for i := 10; i > 1; i-- {
			r.V[1] = keys[i]
			if i < 10 {
				run(t, &r, 0x4e287821) // AESIMC V1, V1
			}
			run(t, &r, 0x4e285820, 0x4e287800) // AESD V0, V1; AESIMC V0, V0
		}
		r.V[1] = keys[1]
		run(t, &r, 0x4e287821, 0x4e285820)
		r.V[2] = keys[0]
		run(t, &r, 0x6e221c00)
		if got := store(r.V[0]); !bytes.Equal(got, block) {
			t.Fatalf("%x decrypted with %x is %x, want %x", want, key, got, block)
		}
	}
}

// expandKey is the key schedule of FIPS 197 for 128 bits; the substitution comes from AESE with a key of zero.
func expandKey(key []byte) (keys [11]vector) {
	subWord := func(w uint32) uint32 {
		var r a64.Regs
		r.V[0] = vector{uint64(w) | uint64(w)<<32, uint64(w) | uint64(w)<<32} // equal columns: the rows' rotation has no effect
		in := a64.Decode(0x4e284820, a64.AllFeatures)
		Exec(&r, &in)
		return uint32(r.V[0][0])
	}
	var w [44]uint32
	rcon := uint32(1)
	for i := range w {
		if i < 4 {
			w[i] = binary.LittleEndian.Uint32(key[4*i:])
			continue
		}
		x := w[i-1]
		if i%4 == 0 {
			x = subWord(bits.RotateLeft32(x, -8)) ^ rcon
			rcon = rcon<<1 ^ rcon>>7*0x11b
		}
		w[i] = w[i-4] ^ x
	}
	for i := range keys {
		keys[i] = words(w[4*i : 4*i+4]).pack()
	}
	return keys
}

// padded is a message of one block: its end mark and its length in bits, as FIPS 180-4 has it.
func padded(message []byte, size int) []byte {
	b := make([]byte, size)
	copy(b, message)
	b[len(message)] = 0x80
	binary.BigEndian.PutUint64(b[size-8:], uint64(len(message))*8)
	return b
}

// schedule reads the words of a block.
func schedule(block []byte) (m [4]vector) {
	for i := range m {
		var w words
		for j := range w {
			w[j] = binary.BigEndian.Uint32(block[16*i+4*j:])
		}
		m[i] = w.pack()
	}
	return m
}

// roundConstants are the first 64 bits of the fractional parts of the cube roots of the first n primes (FIPS 180-4, 4.2.2 and
// 4.2.3), found bit by bit.
func roundConstants(n int) (k []uint64) {
	for p := uint64(2); len(k) < n; p++ {
		prime := true
		for q := uint64(2); q*q <= p; q++ {
			prime = prime && p%q != 0
		}
		if !prime {
			continue
		}
		integer := uint64(math.Cbrt(float64(p)) + 1e-9)
		fraction := uint64(0)
		for bit := uint64(1) << 63; bit != 0; bit >>= 1 {
			if !cubeExceeds(integer, fraction|bit, p) {
				fraction |= bit
			}
		}
		k = append(k, fraction)
	}
	return k
}

// cubeExceeds tells whether (integer + fraction/2^64)^3 is above p.
func cubeExceeds(integer, fraction, p uint64) bool {
	// The number is integer*2^64 + fraction; limbs of 64 bits, lowest first.
	x := []uint64{fraction, integer}
	cube := product64(product64(x, x), x)
	limit := []uint64{0, 0, 0, p}
	for i := len(cube) - 1; i >= 0; i-- {
		l := uint64(0)
		if i < len(limit) {
			l = limit[i]
		}
		if cube[i] != l {
			return cube[i] > l
		}
	}
	return false
}

func product64(a, b []uint64) []uint64 {
	out := make([]uint64, len(a)+len(b))
	for i, x := range a {
		var carry uint64
		for j, y := range b {
			hi, lo := bits.Mul64(x, y)
			var c uint64
			lo, c = bits.Add64(lo, out[i+j], 0)
			hi += c
			lo, c = bits.Add64(lo, carry, 0)
			out[i+j], carry = lo, hi+c
		}
		out[i+len(b)] += carry
	}
	return out
}

func TestSHA256(t *testing.T) {
	message := []byte("an attached TZASC denies")
	k := roundConstants(64)
	m := schedule(padded(message, 64))
	initial := [2]words{
		{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a}, {0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, // FIPS 180-4, 5.3.3
	}
	var r a64.Regs
	r.V[0], r.V[1] = initial[0].pack(), initial[1].pack()
	copy(r.V[4:], m[:])
	for i := range 16 {
		var c words
		for j := range c {
			c[j] = uint32(k[4*i+j] >> 32)
		}
		r.V[2], r.V[3] = c.pack(), r.V[0]
		run(t, &r,
			0x4ea48442, // ADD V2.4S, V2.4S, V4.4S
			0x5e024020, // SHA256H Q0, Q1, V2.4S
			0x5e025061, // SHA256H2 Q1, Q3, V2.4S
			0x5e2828a4, // SHA256SU0 V4.4S, V5.4S
			0x5e0760c4) // SHA256SU1 V4.4S, V6.4S, V7.4S
		r.V[4], r.V[5], r.V[6], r.V[7] = r.V[5], r.V[6], r.V[7], r.V[4]
	}
	want := sha256.Sum256(message)
	x, y := unpackWords(r.V[0]), unpackWords(r.V[1])
	for i := range x {
		x[i], y[i] = x[i]+initial[0][i], y[i]+initial[1][i]
		if x[i] != binary.BigEndian.Uint32(want[4*i:]) || y[i] != binary.BigEndian.Uint32(want[16+4*i:]) {
			t.Fatalf("%x %x, want %x", x, y, want)
		}
	}
}

func TestSHA1(t *testing.T) {
	message := []byte("reclaimed memory is scrubbed")
	m := schedule(padded(message, 64))
	initial, e := words{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, uint32(0xc3d2e1f0) // FIPS 180-4, 5.3.1
	constants := [4]uint32{0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6}
	hash := [4]uint32{0x5e020020, 0x5e021020, 0x5e022020, 0x5e021020} // SHA1C, SHA1P, SHA1M, SHA1P Q0, S1, V2.4S
	var r a64.Regs
	r.V[0], r.V[1] = initial.pack(), vector{uint64(e)}
	copy(r.V[4:], m[:])
	for i := range 20 {
		c := constants[i/5]
		r.V[2] = words{c, c, c, c}.pack()
		run(t, &r,
			0x4ea48442, // ADD V2.4S, V2.4S, V4.4S
			0x5e280803, // SHA1H S3, S0
			hash[i/5],
			0x1e604061, // FMOV D1, D3
			0x5e0630a4, // SHA1SU0 V4.4S, V5.4S, V6.4S
			0x5e2818e4) // SHA1SU1 V4.4S, V7.4S
		r.V[4], r.V[5], r.V[6], r.V[7] = r.V[5], r.V[6], r.V[7], r.V[4]
	}
	want := sha1.Sum(message)
	x := unpackWords(r.V[0])
	for i := range x {
		if x[i]+initial[i] != binary.BigEndian.Uint32(want[4*i:]) {
			t.Fatalf("%x, want %x", x, want)
		}
	}
	if uint32(r.V[1][0])+e != binary.BigEndian.Uint32(want[16:]) {
		t.Fatalf("last word %x, want %x", uint32(r.V[1][0])+e, want)
	}
}

func TestSHA512(t *testing.T) {
	message := []byte("a lent buffer has one reader")
	k := roundConstants(80)
	block := padded(message, 128)
	initial := [8]uint64{ // FIPS 180-4, 5.3.5
		0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
		0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
	}
	var r a64.Regs
	for i := range 4 {
		r.V[i] = vector{initial[2*i], initial[2*i+1]} // ab, cd, ef, gh
	}
	for i := range 8 {
		r.V[16+i] = vector{binary.BigEndian.Uint64(block[16*i:]), binary.BigEndian.Uint64(block[16*i+8:])}
	}
	for i := range 40 {
		// Two rounds. The sum of schedule and constant is exchanged, and gh added.
		w := vector{r.V[16][0] + k[2*i], r.V[16][1] + k[2*i+1]}
		r.V[4] = vector{w[1] + r.V[3][0], w[0] + r.V[3][1]}
		r.V[5] = vector{r.V[2][1], r.V[3][0]} // fg
		r.V[6] = vector{r.V[1][1], r.V[2][0]} // de
		run(t, &r, 0xce6680a4)                // SHA512H Q4, Q5, V6.2D
		efNew := vector{r.V[1][0] + r.V[4][0], r.V[1][1] + r.V[4][1]}
		run(t, &r, 0xce608424) // SHA512H2 Q4, Q1, V0.2D
		r.V[0], r.V[1], r.V[2], r.V[3] = r.V[4], r.V[0], efNew, r.V[2]

		r.V[24] = vector{r.V[20][1], r.V[21][0]}
		run(t, &r, 0xcec08230, 0xce788af0) // SHA512SU0 V16.2D, V17.2D; SHA512SU1 V16.2D, V23.2D, V24.2D
		first := r.V[16]
		copy(r.V[16:23], r.V[17:24])
		r.V[23] = first
	}
	want := sha512.Sum512(message)
	for i := range 4 {
		for j := range 2 {
			if got := r.V[i][j] + initial[2*i+j]; got != binary.BigEndian.Uint64(want[16*i+8*j:]) {
				t.Fatalf("word %d is %x, want %x", 2*i+j, got, want)
			}
		}
	}
}
