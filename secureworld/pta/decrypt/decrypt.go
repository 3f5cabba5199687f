// Package decrypt is the application that decrypts video: Common Encryption (ISO/IEC 23001-7), scheme 'cenc', from normal memory
// into protected memory.
//
// Keys are loaded once in a session and never come out again; what they decrypt goes to memory that the normal world cannot reach,
// or nowhere. Output that is not protected, and input that is, are ACCESS_DENIED: the application copies in one direction only.
package decrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"slices"

	driver "gatehouse/secureworld/aes"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

const keySize = 16

// key is one key of one session.
type key struct {
	session uint32
	number  uint32
	octets  [keySize]byte
}

// TA is the application.
type TA struct {
	keys   []key
	number uint32 // of the key loaded last

	engine *driver.Driver
	lists  memory.Range // secure memory for the lists of the engine's jobs; Size 0 stands for none
	user   uint32       // the session whose job the engine works at, 0 for none
}

// New makes the application, without keys. lists is secure memory for lists of the engine's jobs, of ListsSize bytes; size 0 stands
// for none, and then the engine is not used.
func New(engine *driver.Driver, lists memory.Range) *TA { return &TA{engine: engine, lists: lists} }

var _ tee.PseudoTA = (*TA)(nil)

// UUID is optee.DecryptUUID.
func (*TA) UUID() smc.UUID { return optee.DecryptUUID() }

// Properties: clients pass it protected memory.
func (*TA) Properties() tee.Properties { return tee.SecureDataPath }

// Open lets anybody in.
func (*TA) Open(*tee.Call) optee.Result { return optee.Success }

// Close forgets the keys of the session.
func (x *TA) Close(session uint32) {
	if x.user == session {
		x.finish()
	}
	x.keys = slices.DeleteFunc(x.keys, func(k key) bool { return k.session == session })
}

// Invoke knows the commands optee.DecryptCmd....
func (x *TA) Invoke(c *tee.Call) optee.Result {
	switch c.Command {
	case optee.DecryptCmdLoadKey:
		return x.load(c)
	case optee.DecryptCmdDecrypt:
		return x.decrypt(c)
	case optee.DecryptCmdDecryptEngine:
		return x.byEngine(c)
	case optee.DecryptCmdUnloadKey:
		return x.unload(c)
	}
	return optee.ErrorNotImplemented
}

func (x *TA) find(session, number uint32) int {
	return slices.IndexFunc(x.keys, func(k key) bool { return k.session == session && k.number == number })
}

func (x *TA) load(c *tee.Call) optee.Result {
	p := &c.Params
	if !p.Are(optee.AttrRMemInput, optee.AttrValueOutput) || p[0].Mem.Size != keySize {
		return optee.ErrorBadParameters
	}
	n := 0
	for i := range x.keys {
		if x.keys[i].session == c.Session {
			n++
		}
	}
	if n == optee.DecryptKeys {
		return optee.ErrorOutOfMemory
	}
	k := key{session: c.Session}
	if p[0].Mem.ReadAt(k.octets[:], 0) != nil {
		return optee.ErrorBadParameters
	}
	for k.number == 0 || x.find(c.Session, k.number) >= 0 {
		x.number++
		k.number = x.number
	}
	x.keys = append(x.keys, k)
	p[1].A, p[1].B = k.number, 0
	return optee.Success
}

func (x *TA) unload(c *tee.Call) optee.Result {
	if !c.Params.Are(optee.AttrValueInput) {
		return optee.ErrorBadParameters
	}
	i := x.find(c.Session, c.Params[0].A)
	if i < 0 {
		return optee.ErrorItemNotFound
	}
	x.keys = slices.Delete(x.keys, i, i+1)
	return optee.Success
}

// infoLimit bounds the octets of a sample's auxiliary information: an IV and 65535 subsamples.
const infoLimit = 16 + 2 + 6*0xFFFF

// sample is what a command to decrypt says, judged.
type sample struct {
	in, out *tee.Memref
	key     *key
	info    optee.SampleInfo
}

// judge reads the parameters of a command to decrypt.
func (x *TA) judge(c *tee.Call) (s sample, _ optee.Result) {
	p := &c.Params
	if !p.Are(optee.AttrRMemInput, optee.AttrRMemOutput, optee.AttrRMemInput, optee.AttrValueInput) {
		return s, optee.ErrorBadParameters
	}
	in, out, info := &p[0].Mem, &p[1].Mem, &p[2].Mem
	i := x.find(c.Session, p[3].A)
	switch {
	case in.Protected() || info.Protected() || !out.Protected():
		return s, optee.ErrorAccessDenied
	case i < 0:
		return s, optee.ErrorItemNotFound
	case info.Size > infoLimit:
		return s, optee.ErrorExcessData
	case out.Size < in.Size:
		out.Size = in.Size
		return s, optee.ErrorShortBuffer
	}
	b := make([]byte, info.Size)
	if info.ReadAt(b, 0) != nil {
		return s, optee.ErrorBadParameters
	}
	parsed, err := optee.ParseSampleInfo(b, p[3].B)
	switch {
	case err != nil:
		return s, optee.ErrorBadParameters
	case parsed.Subsamples != nil && parsed.Size() != in.Size:
		return s, optee.ErrorBadFormat
	}
	return sample{in, out, &x.keys[i], parsed}, optee.Success
}

func (x *TA) decrypt(c *tee.Call) optee.Result {
	s, res := x.judge(c)
	if res != optee.Success {
		return res
	}
	block, err := aes.NewCipher(s.key.octets[:])
	if err != nil {
		panic("BUG: decrypt: a key of another size")
	}
	d := decrypter{block: block, subsamples: s.info.Subsamples}
	copy(d.counter[:], s.info.IV)
	if len(s.info.Subsamples) == 0 {
		d.encrypted = s.in.Size
	}
	if tee.Copy(s.out, s.in, s.in.Size, d.run) != nil {
		return optee.ErrorBadParameters
	}
	s.out.Size = s.in.Size
	return optee.Success
}

// decrypter works through a sample in pieces.
type decrypter struct {
	block      cipher.Block
	counter    [aes.BlockSize]byte // of the next block of the key stream
	stream     [aes.BlockSize]byte
	left       int // octets of stream that have not been used
	clear      uint64
	encrypted  uint64 // octets of the subsample at hand that are left
	subsamples []optee.Subsample
}

// run decrypts b. The key stream goes on from subsample to subsample; octets in the clear use none of it.
func (d *decrypter) run(b []byte) {
	for len(b) > 0 {
		if d.clear == 0 && d.encrypted == 0 {
			d.clear, d.encrypted = uint64(d.subsamples[0].Clear), uint64(d.subsamples[0].Encrypted)
			d.subsamples = d.subsamples[1:]
			continue
		}
		if n := min(d.clear, uint64(len(b))); n > 0 {
			d.clear -= n
			b = b[n:]
			continue
		}
		n := min(d.encrypted, uint64(len(b)))
		d.encrypted -= n
		d.xor(b[:n])
		b = b[n:]
	}
}

func (d *decrypter) xor(b []byte) {
	for i := range b {
		if d.left == 0 {
			d.block.Encrypt(d.stream[:], d.counter[:])
			d.left = len(d.stream)
			// The counter is the last eight octets; it wraps without a carry into the others (ISO/IEC 23001-7, counter blocks).
			low := d.counter[8:]
			binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)+1)
		}
		b[i] ^= d.stream[len(d.stream)-d.left]
		d.left--
	}
}
