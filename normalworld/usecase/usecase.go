package usecase

import (
	"errors"
	"fmt"
	"slices"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Name is a use case.
type Name string

// The use cases.
const (
	Playback   Name = "secure-video-playback"
	TrustedUI  Name = "trusted-ui"
	Recording  Name = "secure-video-recording"
	CryptoKeys Name = "crypto-keys"
)

// Names are all of them.
var Names = []Name{Playback, TrustedUI, Recording, CryptoKeys}

// Masters are those that a spy asks: all that the board has. NSAIDDefault is what the engines are to normal memory.
var Masters = []uint8{bus.NSAIDAP, bus.NSAIDDMA, bus.NSAIDVirtio, bus.NSAIDPCI, bus.NSAIDDefault, bus.NSAIDCrypto, bus.NSAIDCryptoProtected, bus.NSAIDDecoder,
	bus.NSAIDTransform, bus.NSAIDHDLCD, bus.NSAIDCamera, bus.NSAIDEncoder}

// Spy accesses memory as a master does, through the bus.
type Spy interface {
	// Read reads from pa on as the master with the given NSAID, and reports whether the bus let it.
	Read(master uint8, pa uint64, p []byte) bool
	// Write writes, likewise.
	Write(master uint8, pa uint64, p []byte) bool
}

// Watcher is told what the spy sees of a buffer, for a record of it. data is nil for a master that sees nothing.
type Watcher interface {
	Saw(stage, buffer string, frame int, master uint8, data []byte)
}

// Options choose how a use case is run.
type Options struct {
	UseCase Name
	// Frames is how many frames are processed (those of the clip, or 24).
	Frames int
	// InFlight is how many buffers there are between two stages, 1 to 16 (2); playback needs 2. Under the policies buffer and map each of them may take one of
	// the controller's eight regions.
	InFlight int
	// Heap is the dma-heap that the buffers come from (that of the use case).
	Heap string
	// Engine decrypts with the crypto engine and a wrapped key, not in a trusted application. DeviceKey is what wraps it here.
	Engine    bool
	DeviceKey []byte
	// Clip is what is played (the bundled one).
	Clip *Clip
	// Spy probes every buffer at every stage; nil does not.
	Spy   Spy
	Watch Watcher
	// Progress is told of each frame that has come through.
	Progress func(done, total int)
	// Key presses or releases a key of the input device (Linux, input-event-codes.h), and PIN is what is typed, for trusted-ui.
	Key func(code uint16, pressed bool)
	PIN string
}

// Row says what one master could do with one buffer at one stage, over all frames.
type Row struct {
	Stage, Buffer string
	Master        uint8
	// ExpectRead and ExpectWrite are what the rules say, Read and Write what was found. Where frames differ, one that is not as expected
	// counts.
	ExpectRead, ExpectWrite, Read, Write bool
	Probes                               int
}

// OK reports whether the master could do what it should, and nothing else.
func (r *Row) OK() bool { return r.ExpectRead == r.Read && r.ExpectWrite == r.Write }

// Result is what came of a use case.
type Result struct {
	UseCase Name
	ABI     lab.ABI
	Policy  lab.Policy
	Heap    string
	Frames  int
	// Rows are what the spy found, in the order of the stages.
	Rows []Row
	// Notes are other things that were checked, with what came of them.
	Notes []Note
	// Time is the virtual time in ns that it took.
	Time uint64
	// Record is what comes out of secure-video-recording: encrypted bitstreams.
	Record [][]byte
}

// Note is one check beside the rows.
type Note struct {
	What string
	OK   bool
	Why  string // where it is not
}

// OK reports whether everything is as it should be.
func (r *Result) OK() bool {
	return !slices.ContainsFunc(r.Rows, func(x Row) bool { return !x.OK() }) && !slices.ContainsFunc(r.Notes, func(n Note) bool { return !n.OK })
}

// Probes is how many accesses the spy has made.
func (r *Result) Probes() (n int) {
	for i := range r.Rows {
		n += r.Rows[i].Probes
	}
	return n
}

// ErrOption is wrapped by errors about Options.
var ErrOption = errors.New("use case")

// access says who may read and write, one bit for each NSAID.
type access struct{ read, write uint16 }

func set(ids ...uint8) (m uint16) {
	for _, id := range ids {
		m |= 1 << id
	}
	return m
}

// useCases says who takes part in which use case, as the secure world's documentation of its use cases has it.
var useCases = map[heap.ID]access{
	heap.SecureVideoPlay: {
		set(bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDHDLCD),
		set(bus.NSAIDCrypto, bus.NSAIDCryptoProtected, bus.NSAIDDecoder, bus.NSAIDTransform),
	},
	heap.TrustedUI: {set(bus.NSAIDHDLCD), 0},
	heap.SecureVideoRecord: {
		set(bus.NSAIDTransform, bus.NSAIDEncoder, bus.NSAIDCrypto, bus.NSAIDCryptoProtected),
		set(bus.NSAIDCamera, bus.NSAIDTransform, bus.NSAIDEncoder),
	},
}

// run is a use case under way.
type run struct {
	*lab.Lab
	o      Options
	heap   *heap.Heap
	id     heap.ID // of the heap, 0 where it is not a protected one
	ctx    *tee.Context
	result *Result
	bufs   []*buffer
}

// buffer is a buffer of a use case. Behind what is used of it there is one more page for the spy to write to.
type buffer struct {
	name string
	*dmabuf.Buffer
	used uint64
	// admitted is who may reach it where that does not follow from the heap: normal memory is open to everybody.
	normal bool
}

// Run runs a use case. Errors are about what could not be done; what was done and went wrong is in the result.
func Run(l *lab.Lab, o Options) (*Result, error) {
	r := &run{Lab: l, o: o}
	ids := map[Name]heap.ID{Playback: heap.SecureVideoPlay, TrustedUI: heap.TrustedUI, Recording: heap.SecureVideoRecord, CryptoKeys: heap.SecureVideoRecord}
	id, ok := ids[o.UseCase]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w %q: want one of %v", ErrOption, o.UseCase, Names)
	case o.InFlight < 0 || o.InFlight > 16:
		return nil, fmt.Errorf("%w: %d buffers in flight: want 1 to 16", ErrOption, o.InFlight)
	case o.UseCase == Playback && o.InFlight == 1:
		return nil, fmt.Errorf("%w: 1 buffer in flight: the display shows one picture while it waits for the next, which takes 2", ErrOption)
	case o.Frames < 0 || o.Frames > 1_000_000:
		return nil, fmt.Errorf("%w: %d frames: want 1 to 1000000", ErrOption, o.Frames)
	}
	if r.o.InFlight == 0 {
		r.o.InFlight = 2
	}
	if r.o.Heap == "" {
		r.o.Heap = id.String()
	}
	if r.o.Clip == nil {
		r.o.Clip = BundledClip()
	}
	if r.o.Frames == 0 {
		r.o.Frames = len(r.o.Clip.Samples)
	}
	var err error
	if r.heap, err = l.Heaps.Open(r.o.Heap); err != nil {
		return nil, fmt.Errorf("%w: heap %q: want one of %v", ErrOption, r.o.Heap, l.Heaps.Names())
	}
	r.id = id // a carve-out's pool is for the use case that it was made for
	for _, p := range []heap.ID{heap.SecureVideoPlay, heap.TrustedUI, heap.SecureVideoRecord} {
		if r.heap.Name() == p.String() {
			r.id = p
		}
	}
	r.result = &Result{UseCase: o.UseCase, ABI: l.Options.ABI, Policy: l.Options.Policy, Heap: r.heap.Name()}
	if r.ctx, err = l.OPTEE.Device().OpenKernel(); err != nil {
		return nil, err
	}
	start := l.Kernel.Now()
	switch o.UseCase {
	case Playback:
		err = r.playback()
	case TrustedUI:
		err = r.trustedUI()
	case Recording:
		err = r.recording()
	case CryptoKeys:
		err = r.cryptoKeys()
	}
	for _, b := range r.bufs {
		if perr := b.Put(); perr != nil {
			err = errors.Join(err, perr)
		}
	}
	r.ctx.Close()
	r.result.Time = l.Kernel.Now() - start
	return r.result, err
}

func (r *run) note(ok bool, what, why string, args ...any) {
	n := Note{What: what, OK: ok}
	if !ok {
		n.Why = fmt.Sprintf(why, args...)
	}
	r.result.Notes = append(r.result.Notes, n)
}

func (r *run) progress(done, total int) {
	r.result.Frames = done
	if r.o.Progress != nil {
		r.o.Progress(done, total)
	}
}

// alloc gets a buffer of size bytes from the run's heap, or from another one.
func (r *run) alloc(name string, size uint64, from *heap.Heap) (*buffer, error) {
	if from == nil {
		from = r.heap
	}
	used := (size + dmabuf.PageSize - 1) &^ (dmabuf.PageSize - 1)
	b, err := from.Buffer(used+dmabuf.PageSize, dmabuf.ORdWr)
	if err != nil {
		return nil, fmt.Errorf("%s: %d bytes from %s: %w", name, size, from.Name(), err)
	}
	x := &buffer{name: name, Buffer: b, used: size, normal: !b.Restricted()}
	r.bufs = append(r.bufs, x)
	return x, nil
}

// expected is who should reach a buffer now.
func (r *run) expected(b *buffer) access {
	switch {
	case b.normal:
		// Open to all, but for identities that are for protected memory only: engines reach normal memory as NSAID 0.
		all := set(Masters...) &^ set(bus.NSAIDCryptoProtected, bus.NSAIDDecoder, bus.NSAIDTransform, bus.NSAIDCamera, bus.NSAIDEncoder)
		return access{all, all}
	case r.Options.Policy != lab.Map:
		return useCases[r.id]
	}
	var a access
	for att := range b.Attachments() {
		if _, dir, mapped := att.Mapped(); mapped {
			bit := set(att.Device().NSAID)
			if att.Device().NSAID == bus.NSAIDCrypto {
				bit |= set(bus.NSAIDCryptoProtected) // the engine's other identity
			}
			if dir.DeviceReads() {
				a.read |= bit
			}
			if dir.DeviceWrites() {
				a.write |= bit
			}
		}
	}
	return a
}

// look has the spy probe a buffer for every master.
func (r *run) look(stage string, frame int, b *buffer) error {
	if r.o.Spy == nil {
		return nil
	}
	// The spy knows where the memory is as any importer would; it maps nothing for that.
	segs, err := r.where(b)
	if err != nil {
		return err
	}
	want := r.expected(b)
	for _, m := range Masters {
		var data []byte
		read := true
		for _, s := range segs {
			p := make([]byte, s.Len)
			if !r.o.Spy.Read(m, s.Addr, p) {
				read = false
				break
			}
			data = append(data, p...)
		}
		// The last page of the last segment is nobody's.
		last := segs[len(segs)-1]
		write := r.o.Spy.Write(m, last.Addr+last.Len-dmabuf.PageSize, []byte{0x5a})
		if r.o.Watch != nil {
			var seen []byte
			if read {
				seen = data[:min(uint64(len(data)), b.used)]
			}
			r.o.Watch.Saw(stage, b.name, frame, m, seen)
		}
		r.row(Row{Stage: stage, Buffer: b.name, Master: m, ExpectRead: want.read>>m&1 != 0, ExpectWrite: want.write>>m&1 != 0, Read: read, Write: write, Probes: 2})
	}
	return nil
}

// where finds a buffer's memory. Under the policy map the mapping is for nobody in particular, and gives nobody access.
func (r *run) where(b *buffer) ([]dmabuf.Segment, error) {
	for a := range b.Attachments() {
		if segs, _, mapped := a.Mapped(); mapped {
			return segs, nil
		}
	}
	return r.address(b)
}

// address maps a buffer for the display, which every use case admits, and ends that at once.
func (r *run) address(b *buffer) (segs []dmabuf.Segment, err error) {
	dev := r.Display.Device
	dev.MaxSegments, dev.DMAMask = 0, 1<<64-1
	a, err := b.Attach(dev)
	if err != nil {
		return nil, err
	}
	got, err := a.Map(dmabuf.ToDevice)
	if err == nil {
		segs = slices.Clone(got)
		err = a.Unmap(dmabuf.ToDevice)
	}
	return segs, errors.Join(err, a.Detach())
}

func (r *run) row(x Row) {
	for i := range r.result.Rows {
		old := &r.result.Rows[i]
		if old.Stage == x.Stage && old.Buffer == x.Buffer && old.Master == x.Master {
			probes := old.Probes + x.Probes
			if old.OK() {
				*old = x
			}
			old.Probes = probes
			return
		}
	}
	r.result.Rows = append(r.result.Rows, x)
}

// session is a session with a trusted application.
type session struct {
	r  *run
	id uint32
}

// TAError is what a trusted application answered.
type TAError struct {
	What   string
	Result optee.Result
}

func (e *TAError) Error() string { return fmt.Sprintf("%s: %v", e.What, e.Result) }

// Unwrap gives EIO.
func (e *TAError) Unwrap() error { return normalworld.EIO }

func (r *run) open(what string, uuid smc.UUID) (*session, error) {
	q := tee.Request{UUID: uuid, Login: optee.LoginREEKernel}
	if err := r.ctx.OpenSession(&q); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if q.Ret != optee.Success {
		return nil, &TAError{what, q.Ret}
	}
	return &session{r, q.Session}, nil
}

func (s *session) invoke(what string, cmd uint32, params ...tee.Param) ([]tee.Param, error) {
	for len(params) < 4 {
		params = append(params, tee.Param{})
	}
	q := tee.Request{Session: s.id, Func: cmd, Params: params}
	if err := s.r.ctx.Invoke(&q); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if q.Ret != optee.Success {
		return nil, &TAError{what, q.Ret}
	}
	return q.Params, nil
}

func (s *session) close() error { return s.r.ctx.CloseSession(s.id) }

// share makes shared memory with p in it, at least one byte long.
func (r *run) share(p []byte) (*tee.SHM, error) {
	s, err := r.ctx.AllocKernel(uint64(max(len(p), 1)))
	if err != nil {
		return nil, err
	}
	if err := s.Write(0, p); err != nil {
		s.Put()
		return nil, err
	}
	return s, nil
}

// register names a protected buffer for trusted applications. The caller puts what comes.
func (r *run) register(b *buffer) (*tee.SHM, error) {
	s, err := r.ctx.RegisterBuffer(b.Buffer)
	if err != nil {
		return nil, fmt.Errorf("%s, for a trusted application: %w", b.name, err)
	}
	return s, nil
}

// sleep waits for the next thing to happen.
func (r *run) sleep() error {
	if !r.Kernel.Sleep(normalworld.Forever) {
		return fmt.Errorf("nothing happens any more: %w", normalworld.EDEADLK)
	}
	return nil
}

func (r *run) emit(name string, fields ...event.Field) {
	if r.Kernel.Events.On(event.DMABuf) {
		r.Kernel.Events.Emit(&event.Event{Time: r.Kernel.Now(), Category: event.DMABuf, Source: string(r.o.UseCase), Name: name, Fields: fields})
	}
}

// refused reports whether an error is a master's access that the firewall refused.
func refused(err error) bool {
	var j *driver.JobError
	return errors.As(err, &j) && j.Result == driver.ResultFault
}
