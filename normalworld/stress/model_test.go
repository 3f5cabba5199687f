package stress_test

import (
	"bytes"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/platform/bus"
)

// access says who may read and who may write, one bit for each NSAID.
type access struct{ read, write uint16 }

func set(ids ...uint8) (m uint16) {
	for _, id := range ids {
		m |= 1 << id
	}
	return m
}

// The reference model. It follows the documentation of the use cases (secureworld.DefaultConfig) and of the policies (package lab), and
// knows nothing of how they are made.
var (
	// everybody reaches memory that is not protected: all identities that the board gives to masters, but not those that engines have
	// for protected memory.
	everybody = set(bus.NSAIDDefault, bus.NSAIDPCI, bus.NSAIDHDLCD, bus.NSAIDCrypto, bus.NSAIDDMA, bus.NSAIDCLCD, bus.NSAIDVirtio, bus.NSAIDAP,
		bus.NSAIDInput)
	engine = set(bus.NSAIDCrypto, bus.NSAIDCryptoProtected)

	byUseCase = map[heap.ID]access{
		heap.SecureVideoPlay: {
			set(bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDHDLCD),
			engine | set(bus.NSAIDDecoder, bus.NSAIDTransform),
		},
		heap.TrustedUI: {set(bus.NSAIDHDLCD), 0},
		heap.SecureVideoRecord: {
			engine | set(bus.NSAIDTransform, bus.NSAIDEncoder),
			set(bus.NSAIDTransform, bus.NSAIDCamera, bus.NSAIDEncoder),
		},
	}
	// grantable is who can be let at memory that is lent for nobody.
	grantable = access{
		engine | set(bus.NSAIDHDLCD, bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDEncoder),
		engine | set(bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDCamera, bus.NSAIDEncoder),
	}
	grantableUI = access{read: set(bus.NSAIDHDLCD)}
)

// grant is access of one master beside its mappings.
type grant struct {
	master uint8
	dir    dmabuf.Direction
}

// wants is what a master does in a direction. The crypto engine has two identities.
func wants(master uint8, dir dmabuf.Direction) (a access) {
	m := set(master)
	if master == bus.NSAIDCrypto {
		m = engine
	}
	if dir.DeviceReads() {
		a.read = m
	}
	if dir.DeviceWrites() {
		a.write = m
	}
	return a
}

// within reports whether all of a is in b.
func (a access) within(b access) bool { return a.read&^b.read == 0 && a.write&^b.write == 0 }

// ref is one descriptor.
type ref struct {
	table int
	fd    int32
}

// mapping is one device's attachment, perhaps mapped.
type mapping struct {
	dev    *dmabuf.Device
	att    *dmabuf.Attachment
	dir    dmabuf.Direction
	mapped bool
}

// thing is what the model knows of one buffer.
type thing struct {
	buf    *dmabuf.Buffer
	size   uint64
	id     heap.ID // of its protected heap, or 0
	smaf   bool
	secure bool // SMAF's flag
	segs   []dmabuf.Segment
	fds    []ref
	maps   []*mapping
	grants []grant
	// data is what is in it, while that is known.
	data  []byte
	known bool
}

func (x *thing) protected() bool { return x.id != 0 || x.smaf && x.secure }

// closest reports whether only mappings and grants let anybody in.
func (x *thing) closest(p lab.Policy) bool { return x.smaf || p == lab.Map }

// allowed is who may access a buffer now.
func (x *thing) allowed(p lab.Policy) (a access) {
	switch {
	case !x.protected():
		return access{everybody, everybody}
	case !x.closest(p):
		return byUseCase[x.id]
	}
	add := func(b access) { a.read, a.write = a.read|b.read, a.write|b.write }
	for _, m := range x.maps {
		if m.mapped {
			add(wants(m.dev.NSAID, m.dir))
		}
	}
	for _, g := range x.grants {
		add(wants(g.master, g.dir))
	}
	return a
}

// grantable is who can be let at a buffer.
func (x *thing) grantable(p lab.Policy) access {
	switch {
	case !x.protected():
		return access{}
	case !x.closest(p):
		return byUseCase[x.id] // who is in already
	case x.id == heap.TrustedUI:
		return grantableUI
	}
	return grantable
}

func (x *thing) mapped() (n int) {
	for _, m := range x.maps {
		if m.mapped {
			n++
		}
	}
	return n
}

// fill is a write of the whole or the beginning of a buffer. Bytes of nil are not known.
func (x *thing) fill(p []byte, known bool) {
	if !known {
		x.known = false
		return
	}
	if uint64(len(p)) == x.size {
		x.known = true
		copy(x.data, p)
	} else if x.known {
		copy(x.data, p)
	}
}

// secret is content by which copies are found; public is that of which the model says that a copy was made to ordinary memory.
type secret struct {
	mark   []byte
	public bool
}

// publish looks what of the secrets comes to ordinary memory with p.
func publish(secrets []*secret, p []byte) {
	for _, s := range secrets {
		if !s.public && bytes.Contains(p, s.mark) {
			s.public = true
		}
	}
}
