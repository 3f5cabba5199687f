package stress_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/sdp2015"
	"gatehouse/normalworld/smaf"
	"gatehouse/normalworld/usecase"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld"
	wire "gatehouse/smc/optee"
)

// fault is what a call is answered with. Where it is lost the secure world has done what was asked, and its answer is replaced.
type fault struct {
	name   string
	lost   bool
	answer func(asked, r *firmware.Registers, rnd *rand.Rand)
}

func isFFA(r *firmware.Registers) bool { return ffa.FunctionOf(r).InRange() }

func refuse(code ffa.Error, ret wire.ReturnCode) func(asked, r *firmware.Registers, _ *rand.Rand) {
	return func(asked, r *firmware.Registers, _ *rand.Rand) {
		if isFFA(asked) {
			*r = ffa.ErrorReply(code)
		} else {
			r[0] = ret.X0()
		}
	}
}

func interrupted(asked, r *firmware.Registers, _ *rand.Rand) {
	if isFFA(asked) {
		r[0], r[1] = uint64(ffa.Interrupt32), asked[1]<<16&0xffff_0000
	} else {
		r[0] = uint64(wire.ReturnRPC(wire.RPCForeignIntr))
	}
}

func zeros(_, r *firmware.Registers, _ *rand.Rand) { *r = firmware.Registers{} }

func ones(_, r *firmware.Registers, _ *rand.Rand) {
	for i := range r {
		r[i] = ^uint64(0)
	}
}

func random(_, r *firmware.Registers, rnd *rand.Rand) {
	for i := range r {
		r[i] = rnd.Uint64()
	}
}

func unchanged(asked, r *firmware.Registers, _ *rand.Rand) { *r = *asked }

// named reports whether the answer is the only one that ever says by what memory is known: without its handle memory that is shared or
// lent over FF-A cannot be asked for again. Over the SMC ABI the normal world chooses the name.
func named(asked *firmware.Registers) bool {
	switch ffa.FunctionOf(asked) {
	case ffa.MemShare32, ffa.MemShare64, ffa.MemLend32, ffa.MemLend64:
		return true
	}
	return false
}

var faults = []fault{
	{"not supported", false, refuse(ffa.NotSupported, wire.ReturnUnknownFunction)},
	{"busy", false, refuse(ffa.Busy, wire.ReturnEThreadLimit)},
	{"no memory", false, refuse(ffa.NoMemory, wire.ReturnENoMem)},
	{"denied", false, refuse(ffa.Denied, wire.ReturnEBadAddr)},
	{"retry", false, refuse(ffa.Retry, wire.ReturnEBusy)},
	{"interrupted", false, interrupted},
	{"zeros", false, zeros},
	{"ones", false, ones},
	{"random", false, random},
	{"unchanged", false, unchanged},
	{"ones, though done", true, ones},
	{"random, though done", true, random},
}

// run is one way to use the normal world. mark says whether what is in protected memory must be nowhere else.
type run struct {
	name string
	use  wire.UseCase
	mark bool
	// lends says that it needs memory that can be lent.
	lends bool
	do    func(r *rig, l *lab.Lab) error
}

var runs = []run{
	{"playback", wire.UseCaseSecureVideoPlay, true, false, useCase(usecase.Options{UseCase: usecase.Playback, Frames: 3})},
	{"playback by the engine", wire.UseCaseSecureVideoPlay, true, false, useCase(usecase.Options{UseCase: usecase.Playback, Frames: 2, Engine: true})},
	{"trusted user interface", wire.UseCaseTrustedUI, true, false, useCase(usecase.Options{UseCase: usecase.TrustedUI})},
	{"recording", wire.UseCaseSecureVideoRecord, true, false, useCase(usecase.Options{UseCase: usecase.Recording, Frames: 2})},
	// The keys come from the normal world here.
	{"keys", wire.UseCaseSecureVideoRecord, false, false, useCase(usecase.Options{UseCase: usecase.CryptoKeys})},
	{"smaf", wire.UseCaseSecureVideoPlay, true, true, doSMAF},
	{"sdp2015 patched", wire.UseCaseSecureVideoPlay, true, true, doPatched},
	{"sdp2015 overwritten", wire.UseCaseSecureVideoPlay, true, true, doOverwritten},
}

// watcher collects content where masters that take part see it.
type watcher struct {
	marks  marks
	public []byte
}

func (w *watcher) Saw(stage, buffer string, frame int, master uint8, data []byte) {
	for _, id := range ordinary {
		if master == id {
			return
		}
	}
	switch buffer {
	case "record", "recorded", "wrapped":
		return
	}
	if len(w.marks) < 24 && stage != "allocated" && data != nil {
		w.marks.add(data, w.public)
	}
}

// portSpy accesses memory by the machine's ports. Its writes are to pages that nobody uses.
type portSpy struct{ r *rig }

func (s portSpy) Read(master uint8, pa uint64, p []byte) bool {
	return s.r.ports[master].Read(pa, p) == bus.OKAY
}

func (s portSpy) Write(master uint8, pa uint64, p []byte) bool {
	return s.r.ports[master].Write(pa, p) == bus.OKAY
}

func (r *rig) options(o usecase.Options) usecase.Options {
	key := secureworld.DefaultConfig().DeviceKey
	o.DeviceKey, o.Key, o.PIN = key[:], r.m.Key, secureworld.DefaultConfig().UIPIN
	return o
}

func useCase(o usecase.Options) func(*rig, *lab.Lab) error {
	return func(r *rig, l *lab.Lab) error {
		res, err := usecase.Run(l, r.options(o))
		if err == nil && !res.OK() {
			err = errors.New("something is not as it should be")
		}
		return err
	}
}

// golden runs a use case without faults, and gives marks of what was in its protected buffers.
func (r *rig) golden(w *run) (marks, error) {
	l, err := r.boot()
	if err != nil {
		return nil, err
	}
	var k marks
	if len(w.name) >= 3 && (w.name[:3] == "sdp" || w.name[:3] == "sma") {
		err = w.do(r, l)
		k = marks{[]byte(secretLine)}
	} else {
		o := map[string]usecase.Options{
			"playback":               {UseCase: usecase.Playback, Frames: 3},
			"playback by the engine": {UseCase: usecase.Playback, Frames: 2, Engine: true},
			"trusted user interface": {UseCase: usecase.TrustedUI},
			"recording":              {UseCase: usecase.Recording, Frames: 2},
			"keys":                   {UseCase: usecase.CryptoKeys},
		}[w.name]
		see := &watcher{}
		for i := range usecase.BundledClip().Samples {
			see.public = append(see.public, usecase.BundledClip().Samples[i].Data...)
		}
		o = r.options(o)
		o.Spy, o.Watch = portSpy{r}, see
		var res *usecase.Result
		if res, err = usecase.Run(l, o); err == nil && !res.OK() {
			for _, x := range res.Rows {
				if !x.OK() {
					err = errors.Join(err, fmt.Errorf("%+v", x))
				}
			}
			for _, n := range res.Notes {
				if !n.OK {
					err = errors.Join(err, fmt.Errorf("%+v", n))
				}
			}
		}
		k = see.marks
	}
	if err != nil {
		return nil, err
	}
	if w.mark && len(k) == 0 {
		return nil, errors.New("no content was found")
	}
	if w.mark {
		err = r.search(k, ordinary...)
	}
	return k, errors.Join(err, l.Close())
}

// secretLine is what the runs of package smaf and sdp2015 have in protected memory.
const secretLine = "what only the masters of a path may read. "

// inject fills protected memory as a master does that may write it: through its own port, as no register of a decoder does that.
func (r *rig) inject(master uint8, segs []dmabuf.Segment) error {
	for _, s := range segs {
		for at := uint64(0); at+uint64(len(secretLine)) <= s.Len; at += 512 {
			if resp := r.ports[master].Write(s.Addr+at, []byte(secretLine)); resp != bus.OKAY {
				return fmt.Errorf("the master cannot write: %v", resp)
			}
		}
	}
	return nil
}

// visit maps a buffer around f.
func visit(b *dmabuf.Buffer, dev dmabuf.Device, dir dmabuf.Direction, f func(segs []dmabuf.Segment) error) error {
	a, err := b.Attach(dev)
	if err != nil {
		return err
	}
	segs, err := a.Map(dir)
	if err == nil {
		err = errors.Join(f(segs), a.Unmap(dir))
	}
	return errors.Join(err, a.Detach())
}

// visits has the decoder write content, the display read it, and the processor try.
func (r *rig) visits(l *lab.Lab, b *dmabuf.Buffer) error {
	if err := visit(b, l.Decoder.Device, dmabuf.FromDevice, func(segs []dmabuf.Segment) error {
		return r.inject(bus.NSAIDDecoder, segs)
	}); err != nil {
		return err
	}
	dev := l.Display.Device
	dev.MaxSegments = 0
	return visit(b, dev, dmabuf.ToDevice, func(segs []dmabuf.Segment) error {
		var p [8]byte
		if resp := r.ports[bus.NSAIDHDLCD].Read(segs[0].Addr, p[:]); resp != bus.OKAY || string(p[:]) != secretLine[:8] {
			return fmt.Errorf("the display reads %q, %v", p, resp)
		}
		return r.search(marks{[]byte(secretLine)}, bus.NSAIDAP)
	})
}

func doSMAF(r *rig, l *lab.Lab) (err error) {
	for _, name := range []string{"", "smaf-system"} {
		b, err := l.SMAF.Create(20_000, smaf.RDWR, name)
		if err != nil {
			return err
		}
		err = l.SMAF.SetSecure(b, true)
		if err == nil {
			err = r.visits(l, b)
		}
		if err == nil {
			err = l.SMAF.SetSecure(b, false)
		}
		if perr := b.Put(); err == nil {
			err = perr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func doPatched(r *rig, l *lab.Lab) (err error) {
	cma, err := l.Heaps.Open("linux,cma")
	if err != nil {
		cma, err = l.Heaps.Open("default_cma_region")
	}
	if err != nil {
		return err
	}
	b, err := cma.Buffer(20_000, dmabuf.ORdWr)
	if err != nil {
		return err
	}
	p := sdp2015.NewPatched(smaf.OPTEE{Driver: l.OPTEE})
	r.settle = append(r.settle, func() error {
		if p.Settle() > 0 {
			return normalworld.EIO
		}
		return nil
	})
	err = p.SetSecure(b)
	if err == nil {
		err = r.patched(l, p, b)
		// The core has no place for this: a user must do it, as often as it takes.
		if cerr := p.ClearSecure(b); cerr != nil {
			r.settle = append(r.settle, func() error {
				err := p.ClearSecure(b)
				if err == nil {
					err = b.Put()
				}
				return err
			})
			return errors.Join(err, cerr)
		}
	}
	return errors.Join(err, b.Put())
}

func (r *rig) patched(l *lab.Lab, p *sdp2015.Patched, b *dmabuf.Buffer) error {
	a, err := b.Attach(l.Decoder.Device)
	if err != nil {
		return err
	}
	segs, err := p.MapAttachment(a, dmabuf.FromDevice)
	if err == nil {
		err = r.inject(bus.NSAIDDecoder, segs)
		err = errors.Join(err, p.UnmapAttachment(a, dmabuf.FromDevice))
	}
	return errors.Join(err, a.Detach())
}

func doOverwritten(r *rig, l *lab.Lab) (err error) {
	system, err := l.Heaps.Open("system")
	if err != nil {
		return err
	}
	b, err := system.Buffer(20_000, dmabuf.ORdWr)
	if err != nil {
		return err
	}
	o, err := sdp2015.Overwrite(smaf.OPTEE{Driver: l.OPTEE}, b)
	if err == nil {
		err = r.visits(l, b)
	}
	err = errors.Join(err, b.Put()) // gives the memory back, if that works
	if o != nil {
		if serr := o.Settle(); serr != nil {
			r.settle = append(r.settle, o.Settle)
			err = errors.Join(err, serr)
		}
	}
	return err
}

// A fault at each call, once or from then on, in each run, over both ABIs and under each policy: the run ends, nothing of what was
// protected comes before a master that has no part in it, and once the secure world answers again everything is given back.
func TestFaultAtEachCall(t *testing.T) {
	each(t, func(t *testing.T, abi lab.ABI, p lab.Policy) {
		rnd := rand.New(rand.NewPCG(*seed, uint64(len(abi)+len(p))))
		allTried, allNoticed := 0, 0
		defer func() {
			if allNoticed*4 < allTried {
				t.Errorf("%d of %d faults were noticed", allNoticed, allTried)
			}
		}()
		for i := range runs {
			w := &runs[i]
			t.Run(w.name, func(t *testing.T) {
				if w.lends && abi == lab.SMC && p == lab.Static {
					t.Skip("where there is a carve-out over the SMC ABI nothing is lent")
				}
				r := newRig(t, abi, p, w.use, 4<<20)
				k, err := r.golden(w)
				if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				must(t, r.open())
				r.tap.calls = 0
				l, err := r.boot()
				must(t, err)
				must(t, w.do(r, l))
				total := r.tap.calls
				must(t, r.down(l))
				tried, noticed := 0, 0
				shift := rnd.IntN(len(faults))
				for n := range total {
					which := []int{(n + shift) % len(faults)}
					if !long && n%4 != shift%4 {
						continue
					}
					if long {
						which = rnd.Perm(len(faults))
					}
					for _, f := range which {
						tried++
						if r.faulty(t, w, k, n, &faults[f], rnd) {
							noticed++
						}
						if t.Failed() {
							return
						}
					}
				}
				allTried, allNoticed = allTried+tried, allNoticed+noticed
				t.Logf("%d calls, %d faults, %d noticed", total, tried, noticed)
			})
		}
	})
}

var errBoot = errors.New("boot")

// faulty does a run with one fault, and reports whether it was noticed.
func (r *rig) faulty(t *testing.T, w *run, k marks, n int, f *fault, rnd *rand.Rand) bool {
	t.Helper()
	forever := rnd.IntN(3) == 0
	what := fmt.Sprintf("%q at call %d (from then on: %v)", f.name, n, forever)
	hit := func(call int) bool { return call == n || forever && call > n }
	var asked firmware.Registers
	r.tap.calls = 0
	if f.lost {
		r.tap.after = func(call int, a, x *firmware.Registers) {
			if hit(call) && !named(a) {
				asked = *a
				f.answer(a, x, rnd)
			}
		}
	} else {
		r.tap.before = func(call int, x *firmware.Registers) bool {
			if hit(call) {
				asked = *x
				f.answer(&asked, x, rnd)
			}
			return hit(call)
		}
	}
	start := r.m.Now()
	l, err := r.boot()
	if err != nil {
		err = fmt.Errorf("%w: %w", errBoot, err)
	} else {
		err = w.do(r, l)
		if w.mark {
			if serr := r.search(k, bus.NSAIDAP, bus.NSAIDDMA); serr != nil {
				t.Errorf("%s: after the run: %v", what, serr)
			}
		}
	}
	limit := uint64(600_000_000_000)
	if took := r.m.Now() - start; took > limit {
		t.Errorf("%s: the run took %d s", what, took/1_000_000_000)
	}
	cerr := error(nil)
	if l != nil && (err == nil || !errors.Is(err, errBoot)) {
		cerr = l.Close()
	} else if l != nil {
		cerr = err
	}
	if w.mark {
		if serr := r.search(k, ordinary[rnd.IntN(len(ordinary))]); serr != nil {
			t.Errorf("%s: after an attempt to close: %v", what, serr)
		}
	}
	r.tap.before, r.tap.after = nil, nil
	if l != nil && cerr != nil {
		if cerr := r.down(l); cerr != nil {
			t.Errorf("%s, asked %x: closed: %v; the run: %v", what, asked[:6], cerr, err)
		}
	}
	if oerr := r.open(); oerr != nil {
		t.Errorf("%s, asked %x: %v; the run: %v; closed: %v", what, asked[:6], oerr, err, cerr)
	}
	if w.mark {
		if serr := r.search(k, ordinary[rnd.IntN(len(ordinary))]); serr != nil {
			t.Errorf("%s: %v", what, serr)
		}
	}
	return err != nil || cerr != nil
}

// Over FF-A the handle is the only name of memory that was lent. Where the answer with it gets lost nobody can ask for the memory again: it
// stays out of use for as long as the machine runs, and all that is handed out later the processor reaches.
func TestLostHandle(t *testing.T) {
	for _, f := range []ffa.Function{ffa.MemLend64, ffa.MemShare64} {
		r := newRig(t, lab.FFA, lab.Buffer, wire.UseCaseSecureVideoPlay, 1<<20)
		l, err := r.boot()
		must(t, err)
		h, err := l.Heap(heap.SecureVideoPlay)
		must(t, err)
		ctx, err := l.OPTEE.Device().OpenKernel()
		must(t, err)
		lost := 0
		r.tap.after = func(_ int, asked, x *firmware.Registers) {
			if ffa.FunctionOf(asked) == f {
				lost++
				*x = firmware.Registers{}
			}
		}
		if f == ffa.MemLend64 {
			_, err = h.Buffer(5*page, dmabuf.ORdWr)
		} else {
			_, err = ctx.AllocKernel(5 * page)
		}
		if err == nil || lost == 0 {
			t.Fatalf("%v: %v; %d answers were lost", f, err, lost)
		}
		r.tap.after = nil
		if n := l.OPTEE.Lost(); n < 5 {
			t.Errorf("%v: %d pages are out of use, want 5 at least", f, n)
		}
		system, err := l.Heaps.Open(heap.System)
		must(t, err)
		for size := uint64(8 << 20); size >= page; {
			b, err := system.Buffer(size, dmabuf.ORdWr)
			if errors.Is(err, normalworld.ENOMEM) {
				size /= 2
				continue
			}
			must(t, err)
			must(t, visit(b, dmabuf.Device{Name: "test", DMAMask: 1<<64 - 1}, dmabuf.ToDevice, func(segs []dmabuf.Segment) error {
				for _, s := range segs {
					if err := l.Kernel.Write(s.Addr, make([]byte, s.Len)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		ctx.Close()
		if err := r.down(l); !errors.Is(err, lab.ErrLeft) {
			t.Errorf("%v: %v, want what is left over", f, err)
		}
	}
}
