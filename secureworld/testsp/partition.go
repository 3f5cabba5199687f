package testsp

import (
	"encoding/binary"
	"hash/crc32"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/spmc"
)

// Command is the number of a command; see the package's documentation.
type Command uint32

// The commands.
const (
	Echo Command = iota
	Identify
	Retrieve
	Relinquish
	Read
	Write
	Fill
	Check
	Checksum
	Compare
	Bind
	Notify
	Get
	Send
	Message
	Release
	Suspend
	Fail
	Log
	Policy
	Seen
)

// Bits of w7 of Retrieve, beside permissions and attributes.
const (
	Alone         = 1 << 4
	AloneUnasked  = 1 << 5
	OtherTag      = 1 << 6
	OtherSender   = 1 << 7
	WithRange     = 1 << 8
	OtherImpDef   = 1 << 9
	OthersWriting = 1 << 10

	retrieveReserved = 0xF800
)

// Bits of w7 of Send.
const (
	SendUUID  = 1 << 0
	SendDelay = 1 << 1
)

// Identification is what Identify gives in w5: "GHTP".
const Identification = 'G' | 'H'<<8 | 'T'<<16 | 'P'<<24

// What Seen counts.
const (
	SeenFromSPs = iota
	SeenFromVMs
	SeenFramework
	SeenRuns
	SeenMessages
	SeenReply
	SeenCreated
	SeenDestroyed
	SeenVM
	seenCount
)

// maxDonations is how many donated regions a partition keeps.
const maxDonations = 8

// maxMessage bounds the length of Send, in bytes.
const maxMessage = 8 * ffa.PageSize

// donation is memory that the partition owns now.
type donation struct {
	handle ffa.Handle
	object *memory.Object
}

// suspension is a request that an execution context left unfinished.
type suspension struct {
	yields, interrupts uint32 // still to come
	response           [4]uint32
}

// Partition is one instance. The zero value is ready for Start.
type Partition struct {
	spmc.Services
	uuid      ffa.UUID
	donations []donation
	suspended []suspension // one for each execution context that ever was
	refusal   ffa.Error    // of offers
	access    memory.Access
	seen      [seenCount]uint64
}

var (
	_ spmc.Partition  = (*Partition)(nil)
	_ spmc.Runner     = (*Partition)(nil)
	_ spmc.VMObserver = (*Partition)(nil)
)

// New makes a partition that sends indirect messages for protocol u.
func New(u ffa.UUID) *Partition { return &Partition{uuid: u} }

// Start is documented at spmc.Partition.
func (p *Partition) Start(s spmc.Services) { *p = Partition{Services: s, uuid: p.uuid} }

// Offer takes everything, unless Policy says otherwise.
func (p *Partition) Offer(*spmc.Offer) (memory.Access, error) {
	if p.refusal != 0 {
		return memory.Access{}, p.refusal
	}
	return p.access, nil
}

// VMCreated and VMDestroyed count; they are documented at spmc.VMObserver.
func (p *Partition) VMCreated(vm ffa.EndpointID, _ ffa.Handle) ffa.Error {
	p.seen[SeenCreated]++
	p.seen[SeenVM] = uint64(vm)
	return 0
}

// VMDestroyed is documented at VMCreated.
func (p *Partition) VMDestroyed(vm ffa.EndpointID, _ ffa.Handle) ffa.Error {
	p.seen[SeenDestroyed]++
	p.seen[SeenVM] = uint64(vm)
	return 0
}

// Direct answers a command in w3.
func (p *Partition) Direct(_ ffa.EndpointID, w [5]uint64) ([5]uint64, error) {
	results, err := p.command(w)
	return response(results, err)
}

// Direct2 answers a command in x4.
func (p *Partition) Direct2(_ ffa.EndpointID, _ ffa.UUID, x [14]uint64) ([14]uint64, error) {
	results, err := p.command([5]uint64(x[:]))
	r, err := response(results, err)
	copy(x[:], r[:])
	return x, err
}

// failure is an error that becomes FFA_ERROR instead of a status.
type failure struct{ code ffa.Error }

func (f failure) Error() string { return f.code.Error() }
func (f failure) Unwrap() error { return f.code }

// response is the payload of an answer, or an error where there is none yet.
func response(results [4]uint32, err error) ([5]uint64, error) {
	if _, failed := err.(failure); failed || err == spmc.ErrYielded || err == spmc.ErrPreempted {
		return [5]uint64{}, err
	}
	r := [5]uint64{uint64(uint32(spmc.CodeOf(err)))}
	if err == nil {
		for i, v := range results {
			r[1+i] = uint64(v)
		}
	}
	return r, nil
}

// Run goes on with a suspended request, or looks at what is pending.
func (p *Partition) Run(vcpu uint16) ([14]uint64, error) {
	var x [14]uint64
	if s := p.suspension(vcpu); *s != (suspension{}) {
		results, err := p.resume(s)
		r, err := response(results, err)
		copy(x[:], r[:])
		return x, err
	}
	p.seen[SeenRuns]++
	const all = ffa.NotificationsFromSP | ffa.NotificationsFromVM | ffa.NotificationsFromSPM | ffa.NotificationsFromHyp
	if n, err := p.Notifications(vcpu, all); err == nil {
		p.seen[SeenFromSPs] |= n.SP
		p.seen[SeenFromVMs] |= n.VM
		p.seen[SeenFramework] |= uint64(n.SPM) | uint64(n.Hyp)<<32
	}
	if m, ok := p.Message(); ok {
		p.seen[SeenMessages]++
		if err := p.Release(); err != nil {
			return x, err
		}
		if len(m.Payload) > 0 && m.Payload[0] == 'E' {
			p.seen[SeenReply] = uint64(uint32(spmc.CodeOf(p.Services.Send(m.Sender, ffa.UUID{}, m.Payload, false))))
		}
	}
	return x, nil
}

// suspension gives the state of an execution context.
func (p *Partition) suspension(vcpu uint16) *suspension {
	for int(vcpu) >= len(p.suspended) {
		p.suspended = append(p.suspended, suspension{})
	}
	return &p.suspended[vcpu]
}

// resume goes on with Suspend.
func (p *Partition) resume(s *suspension) ([4]uint32, error) {
	switch {
	case s.yields > 0:
		s.yields--
		return [4]uint32{}, spmc.ErrYielded
	case s.interrupts > 0:
		s.interrupts--
		return [4]uint32{}, spmc.ErrPreempted
	}
	r := s.response
	*s = suspension{}
	return r, nil
}

func pair(lo, hi uint32) uint64 { return uint64(lo) | uint64(hi)<<32 }

func words(v uint64) (lo, hi uint32) { return uint32(v), uint32(v >> 32) }

// command runs one command.
func (p *Partition) command(x [5]uint64) (r [4]uint32, err error) {
	var w [5]uint32
	for i, v := range x {
		w[i] = uint32(v)
	}
	a := [4]uint32(w[1:])
	h := ffa.Handle(pair(a[0], a[1]))
	switch Command(w[0]) {
	case Echo:
		return a, nil
	case Identify:
		return [4]uint32{uint32(p.ID())<<16 | uint32(p.VCPU()), Identification, 1}, nil
	case Retrieve:
		return p.retrieve(h, ffa.MemoryFlags(a[2]), a[3])
	case Relinquish:
		return r, p.Services.Relinquish(h, ffa.MemoryFlags(a[2]))
	case Read, Write, Fill, Check, Checksum, Compare:
		return p.memory(Command(w[0]), h, a[2], a[3])
	case Bind:
		if a[0]&0xFFFC != 0 || a[1] != 0 {
			return r, ffa.InvalidParameters
		}
		return r, p.Services.Bind(ffa.NotificationBind{
			Sender: ffa.EndpointID(a[0] >> 16), PerVCPU: a[0]&1 != 0, Unbind: a[0]&2 != 0, Bitmap: pair(a[2], a[3]),
		})
	case Notify:
		if a[1]&^3 != 0 {
			return r, ffa.InvalidParameters
		}
		return r, p.Set(ffa.NotificationSet{
			Receiver: ffa.EndpointID(a[0]), VCPU: uint16(a[0] >> 16), PerVCPU: a[1]&1 != 0, DelaySRI: a[1]&2 != 0, Bitmap: pair(a[2], a[3]),
		})
	case Get:
		return p.get(a[0], ffa.NotificationGetFlags(a[1]))
	case Send:
		return r, p.send(a)
	case Message:
		m, ok := p.Message()
		if !ok {
			return r, ffa.NoData
		}
		var first [4]byte
		copy(first[:], m.Payload)
		return [4]uint32{uint32(m.Sender), uint32(len(m.Payload)), crc32.ChecksumIEEE(m.Payload), binary.LittleEndian.Uint32(first[:])}, nil
	case Release:
		return r, p.Release()
	case Suspend:
		s := p.suspension(p.VCPU())
		*s = suspension{a[0], a[1], [4]uint32{a[2], a[3]}}
		return p.resume(s)
	case Fail:
		if code := ffa.Error(int32(a[0])); code < 0 && code >= ffa.NotReady {
			return r, failure{code}
		}
	case Log:
		var b [16]byte
		for i, v := range a {
			binary.LittleEndian.PutUint32(b[4*i:], v)
		}
		text := string(b[:])
		for i := range b {
			if b[i] == 0 {
				text = string(b[:i])
				break
			}
		}
		p.Services.Log(text + "\n")
		return r, nil
	case Policy:
		const processors = 1<<bus.NSAIDAP | 1<<(16+bus.NSAIDAP)
		if code := ffa.Error(int32(a[0])); code <= 0 && code >= ffa.NotReady && a[1]&processors == 0 {
			p.refusal, p.access = code, memory.Access{Read: uint16(a[1]), Write: uint16(a[1] >> 16)}
			return r, nil
		}
	case Seen:
		if a[0] < seenCount {
			r[0], r[1] = words(p.seen[a[0]])
			return r, nil
		}
	}
	return r, ffa.InvalidParameters
}

// retrieve is the command of that name.
func (p *Partition) retrieve(h ffa.Handle, flags ffa.MemoryFlags, how uint32) (r [4]uint32, err error) {
	if how&retrieveReserved != 0 {
		return r, ffa.InvalidParameters
	}
	offered, err := p.Peek(h)
	if err != nil {
		return r, err
	}
	if offered.Kind == ffa.Donate && len(p.donations) == maxDonations {
		return r, ffa.NoMemory
	}
	var got spmc.Region
	if how == 0 && flags == 0 {
		got, err = p.Services.Retrieve(h)
	} else {
		got, err = p.RetrieveAs(p.request(&offered, flags, how))
	}
	if err != nil {
		return r, err
	}
	if got.Kind == ffa.Donate {
		p.donations = append(p.donations, donation{h, got.Object})
	}
	r[0], r[1] = words(got.Size())
	r[2], r[3] = uint32(got.Permissions), uint32(len(got.Ranges()))
	return r, nil
}

// request is the retrieve request that w7 of Retrieve describes.
func (p *Partition) request(offered *spmc.Region, flags ffa.MemoryFlags, how uint32) *ffa.MemoryTransaction {
	q := &ffa.MemoryTransaction{
		Sender: offered.Sender, Attributes: ffa.MemoryAttributes(how >> 16), Flags: flags, Handle: offered.Handle, Tag: offered.Tag,
	}
	if how&Alone != 0 {
		q.Flags |= ffa.FlagBypassBorrowerCheck
	}
	if how&OtherTag != 0 {
		q.Tag++
	}
	if how&OtherSender != 0 {
		q.Sender++
	}
	if how&WithRange != 0 {
		q.Constituents = []ffa.Constituent{{Pages: 1}}
	}
	borrowers, _ := p.Borrowers(offered.Handle) // Peek found the transaction
	for _, e := range borrowers {
		if e.Receiver == p.ID() {
			e.Permissions = ffa.Permissions(how & 0xF)
			if how&OtherImpDef != 0 {
				e.ImpDef[0]++
			}
		} else {
			if how&(Alone|AloneUnasked) != 0 {
				continue
			}
			if how&OthersWriting != 0 {
				e.Permissions = ffa.DataRW
			}
			e.Flags = ffa.NonRetrievalBorrower
		}
		q.Receivers = append(q.Receivers, e)
	}
	return q
}

// region gives the memory behind a handle: borrowed, or donated earlier.
func (p *Partition) region(h ffa.Handle) (spmc.Region, error) {
	for _, d := range p.donations {
		if d.handle == h {
			return spmc.Region{Object: d.object, Permissions: ffa.DataRW}, nil
		}
	}
	return p.Access(h)
}

// memory are the commands that touch memory.
func (p *Partition) memory(c Command, h ffa.Handle, w6, w7 uint32) (r [4]uint32, err error) {
	m, err := p.region(h)
	if err != nil {
		return r, err
	}
	off, length, pattern := uint64(w6), uint64(w7), byte(0)
	var b [8]byte
	switch c {
	case Read:
		err := m.ReadAt(b[:], off)
		r[0], r[1] = words(binary.LittleEndian.Uint64(b[:]))
		return r, err
	case Write:
		binary.LittleEndian.PutUint32(b[:], w7)
		return r, m.WriteAt(b[:4], off)
	case Compare:
		other, err := p.region(ffa.Handle(pair(w6, w7)))
		if err != nil {
			return r, err
		}
		if other.Size() != m.Size() {
			return r, ffa.InvalidParameters
		}
		return difference(m, 0, m.Size(), func(b []byte, at uint64) error { return other.ReadAt(b, at) })
	case Fill, Check:
		length, pattern = uint64(w7>>8), byte(w7)
	}
	switch {
	case off > m.Size() || length > m.Size()-off:
		return r, ffa.InvalidParameters
	case length == 0:
		length = m.Size() - off
	}
	same := func(b []byte, _ uint64) error {
		for i := range b {
			b[i] = pattern
		}
		return nil
	}
	switch c {
	case Check:
		return difference(m, off, length, same)
	case Checksum:
		sum := uint32(0)
		err := pieces(off, length, func(b []byte, at uint64) error {
			err := m.ReadAt(b, at)
			sum = crc32.Update(sum, crc32.IEEETable, b)
			return err
		})
		return [4]uint32{sum}, err
	default:
		return r, pieces(off, length, func(b []byte, at uint64) error {
			if err := same(b, at); err != nil {
				return err
			}
			return m.WriteAt(b, at)
		})
	}
}

// pieces calls f for pieces of at most a page of [off, off+n), with room for each.
func pieces(off, n uint64, f func(b []byte, at uint64) error) error {
	b := make([]byte, min(n, memory.PageSize))
	for n > 0 {
		k := min(n, uint64(len(b)))
		if err := f(b[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// difference counts the bytes of [off, off+n) that are not what want puts into its buffer.
func difference(m spmc.Region, off, n uint64, want func(b []byte, at uint64) error) (r [4]uint32, err error) {
	expected := make([]byte, min(n, memory.PageSize))
	err = pieces(off, n, func(b []byte, at uint64) error {
		e := expected[:len(b)]
		if err := want(e, at); err != nil {
			return err
		}
		if err := m.ReadAt(b, at); err != nil {
			return err
		}
		for i := range b {
			if b[i] != e[i] {
				if r[0] == 0 {
					r[1] = uint32(at) + uint32(i)
				}
				r[0]++
			}
		}
		return nil
	})
	return r, err
}

// get is the command of that name.
func (p *Partition) get(vcpu uint32, flags ffa.NotificationGetFlags) (r [4]uint32, err error) {
	if vcpu>>16 != 0 || flags&^0xF != 0 || flags&(flags-1) != 0 || flags == 0 {
		return r, ffa.InvalidParameters
	}
	n, err := p.Notifications(uint16(vcpu), flags)
	r[0], r[1] = words(n.SP | n.VM | uint64(n.SPM) | uint64(n.Hyp))
	return r, err
}

// send is the command of that name.
func (p *Partition) send(a [4]uint32) error {
	if a[0]>>16 != 0 || a[1] > maxMessage || a[2]>>8 != 0 || a[3]&^(SendUUID|SendDelay) != 0 {
		return ffa.InvalidParameters
	}
	payload := make([]byte, a[1])
	for i := range payload {
		payload[i] = byte(a[2]) + byte(i)
	}
	var u ffa.UUID
	if a[3]&SendUUID != 0 {
		u = p.uuid
	}
	return p.Services.Send(ffa.EndpointID(a[0]), u, payload, a[3]&SendDelay != 0)
}
