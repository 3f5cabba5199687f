package stress_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/smaf"
	"gatehouse/normalworld/tee"
	"gatehouse/normalworld/tee/optee"
	"gatehouse/platform/bus"
	"gatehouse/secureworld"
	"gatehouse/smc"
	wire "gatehouse/smc/optee"
)

// slot is a key of the crypto engine, with the identities that its policy gives the engine's accesses.
type slot struct {
	n            uint32
	source, dest uint8
	cbc          bool
}

var slotKey = [16]byte([]byte("a key of 16 byte"))

// world is a normal world beside its reference model.
type world struct {
	*rig
	t       *testing.T
	l       *lab.Lab
	rnd     *rand.Rand
	files   [2]*dmabuf.Files
	heaps   []string
	devs    []*dmabuf.Device
	things  []*thing
	secrets []*secret
	ctx     *tee.Context
	sdp     uint32
	keys    uint32
	slots   []slot
	grants  *optee.Grants
	stream  []byte // a JPEG of 64 x 32
	picture []byte // what it decodes to, NV12
	count   map[string]int
	step    int
	what    string
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, step %d, %s: "+format, append([]any{*seed, w.step, w.what}, args...)...)
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.fatalf("%v", err)
	}
}

// one checks an error that is one of those that the state of the machine explains: no region, no room.
func (w *world) room(err error) bool {
	w.t.Helper()
	if err != nil && !errors.Is(err, normalworld.ENOSPC) && !errors.Is(err, normalworld.ENOMEM) {
		w.fatalf("%v", err)
	}
	if err != nil {
		w.count["no room"]++
	}
	return err == nil
}

func (w *world) open(uuid smc.UUID) uint32 {
	w.t.Helper()
	q := tee.Request{UUID: uuid, Login: wire.LoginREEKernel}
	if err := w.ctx.OpenSession(&q); err != nil || q.Ret != wire.Success {
		w.fatalf("session: %v, %v", err, q.Ret)
	}
	return q.Session
}

func (w *world) invoke(s, cmd uint32, p ...tee.Param) (wire.Result, []tee.Param) {
	w.t.Helper()
	for len(p) < 4 {
		p = append(p, tee.Param{})
	}
	q := tee.Request{Session: s, Func: cmd, Params: p}
	w.ok(w.ctx.Invoke(&q))
	return q.Ret, q.Params
}

func newWorld(t *testing.T, r *rig) *world {
	l, err := r.boot()
	must(t, err)
	w := &world{rig: r, t: t, l: l, rnd: rand.New(rand.NewPCG(*seed, uint64(len(r.abi))<<8|uint64(len(r.policy)))), count: map[string]int{}}
	w.files = [2]*dmabuf.Files{dmabuf.NewFiles(64), dmabuf.NewFiles(64)}
	for _, name := range l.Heaps.Names() {
		h, err := l.Heaps.Open(name)
		must(t, err)
		b, err := h.Buffer(page, dmabuf.ORdWr)
		if errors.Is(err, normalworld.EOPNOTSUPP) {
			continue // the carve-out is for another use case
		}
		must(t, err)
		must(t, b.Put())
		w.heaps = append(w.heaps, name)
	}
	for _, d := range []dmabuf.Device{l.Decoder.Device, l.Transform.Device, l.Display.Device, l.Crypto.Device, l.Encoder.Device, l.Camera.Device, l.DMA.Device} {
		d.MaxSegments = 0
		w.devs = append(w.devs, &d)
	}
	w.ctx, err = l.OPTEE.Device().OpenKernel()
	must(t, err)
	w.sdp = w.open(wire.SDPUUID())
	w.keys = w.open(wire.KeysUUID())
	key := secureworld.DefaultConfig().DeviceKey
	for _, s := range []struct {
		policy wire.KeysPolicy
		slot
	}{
		{wire.KeysDecrypt | wire.KeysCounter | wire.KeysDestinationProtected, slot{source: bus.NSAIDCrypto, dest: bus.NSAIDCryptoProtected}},
		{wire.KeysDecrypt | wire.KeysCounter | wire.KeysSourceOrdinary, slot{source: bus.NSAIDDefault, dest: bus.NSAIDCrypto}},
		{wire.KeysEncrypt | wire.KeysChaining | wire.KeysDestinationOrdinary, slot{source: bus.NSAIDCrypto, dest: bus.NSAIDDefault, cbc: true}},
	} {
		blob, err := wire.WrapKey(key[:], s.policy, slotKey[:])
		must(t, err)
		shm, err := w.ctx.AllocKernel(uint64(len(blob)))
		must(t, err)
		must(t, shm.Write(0, blob))
		ret, out := w.invoke(w.keys, wire.KeysCmdLoadWrapped, tee.Memref(tee.AttrMemrefInput, shm, 0, uint64(len(blob))), tee.Value(tee.AttrValueOutput, 0, 0, 0))
		if ret != wire.Success {
			t.Fatalf("key: %v", ret)
		}
		shm.Put()
		s.n = uint32(out[1].A)
		w.slots = append(w.slots, s.slot)
	}
	w.grants, err = l.OPTEE.OpenGrants()
	must(t, err)

	img := image.NewYCbCr(image.Rect(0, 0, 64, 32), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = uint8(w.rnd.Uint32())
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = uint8(60+i%40), uint8(100+i%50)
	}
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, img, nil))
	w.stream = b.Bytes()
	dec, err := jpeg.Decode(bytes.NewReader(w.stream))
	must(t, err)
	img = dec.(*image.YCbCr)
	for y := range 32 {
		w.picture = append(w.picture, img.Y[y*img.YStride:][:64]...)
	}
	for y := range 16 {
		for x := range 32 {
			w.picture = append(w.picture, img.Cb[y*img.CStride+x], img.Cr[y*img.CStride+x])
		}
	}
	return w
}

func (w *world) bytes(n uint64) []byte {
	p := make([]byte, n)
	for i := 0; i < len(p); i += 8 {
		v := w.rnd.Uint64()
		for j := i; j < min(i+8, len(p)); j++ {
			p[j], v = byte(v), v>>8
		}
	}
	return p
}

// hide makes content of which no copy may come to ordinary memory unless the model says so.
func (w *world) hide(n uint64) []byte {
	p := w.bytes(n)
	if w.rnd.IntN(4) == 0 {
		copy(p, w.stream)
		return p
	}
	if len(w.secrets) == 48 {
		w.secrets = w.secrets[1:]
	}
	w.secrets = append(w.secrets, &secret{mark: p[:24:24]})
	return p
}

func (w *world) pick() *thing {
	if len(w.things) == 0 {
		return nil
	}
	return w.things[w.rnd.IntN(len(w.things))]
}

// placed picks a buffer that has memory.
func (w *world) placed() *thing {
	for range 4 {
		if x := w.pick(); x != nil && x.segs != nil {
			return x
		}
	}
	return nil
}

var ids = map[string]heap.ID{
	heap.SecureVideoPlay.String(): heap.SecureVideoPlay, heap.TrustedUI.String(): heap.TrustedUI, heap.SecureVideoRecord.String(): heap.SecureVideoRecord,
}

func (w *world) add(x *thing) {
	t := w.rnd.IntN(2)
	fd, err := w.files[t].Install(x.buf, 0)
	if errors.Is(err, normalworld.EMFILE) {
		w.ok(x.buf.Put())
		return
	}
	w.ok(err)
	x.fds = []ref{{t, fd}}
	x.data = make([]byte, x.size)
	if x.segs != nil {
		for _, o := range w.things {
			for _, a := range o.segs {
				for _, b := range x.segs {
					if a.Addr < b.Addr+b.Len && b.Addr < a.Addr+a.Len {
						w.fatalf("%v and %v overlap", o.buf, x.buf)
					}
				}
			}
		}
	}
	w.things = append(w.things, x)
}

func (w *world) alloc() {
	if len(w.things) >= 24 {
		return
	}
	size := uint64(1+w.rnd.IntN(6)) * page
	if w.rnd.IntN(4) == 0 {
		name := ""
		if w.rnd.IntN(2) == 0 {
			name = "smaf-system"
		}
		b, err := w.l.SMAF.Create(size, smaf.RDWR, name)
		w.ok(err)
		w.count["smaf"]++
		w.add(&thing{buf: b, size: size, smaf: true, known: true})
		return
	}
	name := w.heaps[w.rnd.IntN(len(w.heaps))]
	h, err := w.l.Heaps.Open(name)
	w.ok(err)
	b, err := h.Buffer(size, dmabuf.ORdWr)
	if !w.room(err) {
		return
	}
	x := &thing{buf: b, size: b.Size(), id: ids[name]}
	if b.Restricted() != (x.id != 0) {
		w.fatalf("restricted: %v", b.Restricted())
	}
	if x.id != 0 {
		shm, err := w.ctx.RegisterBuffer(b)
		w.ok(err)
		x.segs = []dmabuf.Segment{{Addr: shm.Pages()[0], Len: size}}
		shm.Put()
	} else {
		x.known = true // zeros
		a, err := b.Attach(dmabuf.Device{Name: "wide", DMAMask: 1<<64 - 1})
		w.ok(err)
		segs, err := a.Map(dmabuf.ToDevice)
		w.ok(err)
		x.segs = slices.Clone(segs)
		w.ok(a.Unmap(dmabuf.ToDevice))
		w.ok(a.Detach())
	}
	w.count["allocated"]++
	w.add(x)
}

// descriptors does something to the descriptors of a buffer.
func (w *world) descriptors(x *thing) {
	i := w.rnd.IntN(len(x.fds))
	f := x.fds[i]
	other := 1 - f.table
	fits := func(err error) bool {
		if errors.Is(err, normalworld.EMFILE) {
			return false
		}
		w.ok(err)
		return true
	}
	switch w.rnd.IntN(6) {
	case 0:
		if fd, err := w.files[f.table].Dup(f.fd); fits(err) {
			x.fds = append(x.fds, ref{f.table, fd})
		}
	case 1:
		m, err := w.files[f.table].Send(f.fd)
		w.ok(err)
		if w.rnd.IntN(4) == 0 {
			w.ok(m.Discard())
			break
		}
		fds, cut := w.files[other].Receive(m, 0)
		if !cut {
			x.fds = append(x.fds, ref{other, fds[0]})
		}
	case 2:
		if fd, err := w.files[other].Fetch(w.files[f.table], f.fd); fits(err) {
			x.fds = append(x.fds, ref{other, fd})
		}
	default:
		x.fds = slices.Delete(x.fds, i, i+1)
		w.ok(w.files[f.table].Close(f.fd))
		w.gone(x)
	}
}

// gone looks whether the last reference to a buffer has gone, and what its memory is then.
func (w *world) gone(x *thing) {
	if len(x.fds) > 0 || len(x.maps) > 0 {
		if x.buf.Released() {
			w.fatalf("%v was released with %d descriptors and %d attachments", x.buf, len(x.fds), len(x.maps))
		}
		if len(x.fds) == 0 {
			// Only attachments hold it: it is not found by a descriptor any more.
			w.count["held by attachments"]++
		}
		return
	}
	if !x.buf.Released() {
		w.fatalf("%v lives on", x.buf)
	}
	w.things = slices.DeleteFunc(w.things, func(o *thing) bool { return o == x })
	w.count["freed"]++
	if !x.protected() || x.segs == nil {
		return
	}
	back := x.closest(w.policy) || w.policy == lab.Buffer
	if w.policy == lab.Pool && x.id != 0 {
		back = !slices.ContainsFunc(w.things, func(o *thing) bool { return o.id == x.id })
	}
	for _, s := range x.segs {
		p := make([]byte, s.Len)
		err := w.l.Kernel.Read(s.Addr, p)
		if back && (err != nil || !bytes.Equal(p, make([]byte, s.Len))) {
			w.fatalf("memory that came back: %v, %x", err, p[:16])
		}
		if !back && err == nil {
			w.fatalf("the processor reads a pool at %#x", s.Addr)
		}
	}
}

func (w *world) attach(x *thing) {
	if len(x.maps) >= 5 || len(x.fds) == 0 {
		return
	}
	f := x.fds[w.rnd.IntN(len(x.fds))]
	b, err := w.files[f.table].Get(f.fd)
	w.ok(err)
	d := w.devs[w.rnd.IntN(len(w.devs))]
	a, err := b.Attach(*d)
	w.ok(err)
	x.maps = append(x.maps, &mapping{dev: d, att: a})
}

// useAttachment maps, unmaps or detaches one.
func (w *world) useAttachment(x *thing) {
	if len(x.maps) == 0 {
		return
	}
	i := w.rnd.IntN(len(x.maps))
	m := x.maps[i]
	switch {
	case m.mapped && w.rnd.IntN(3) > 0:
		if err := m.att.Detach(); err == nil {
			w.fatalf("a mapped attachment was detached")
		}
		w.ok(m.att.Unmap(m.dir))
		m.mapped = false
	case m.mapped:
		if _, err := m.att.Map(m.dir); err == nil {
			w.fatalf("mapped twice")
		}
	case w.rnd.IntN(4) == 0:
		w.ok(m.att.Detach())
		x.maps = slices.Delete(x.maps, i, i+1)
		w.ok(x.buf.Put())
		w.gone(x)
	default:
		dir := dmabuf.Direction(w.rnd.IntN(3))
		segs, err := m.att.Map(dir)
		if x.protected() && x.closest(w.policy) && !wants(m.dev.NSAID, dir).within(x.grantable(w.policy)) {
			if !errors.Is(err, normalworld.EACCES) && !errors.Is(err, normalworld.ENOSPC) && !errors.Is(err, normalworld.ENOMEM) {
				w.fatalf("%s maps %v, which is nobody's right: %v", m.dev.Name, dir, err)
			}
			w.count["not grantable"]++
			return
		}
		if !w.room(err) {
			return
		}
		if dmabuf.Total(segs) != x.size {
			w.fatalf("%d bytes were mapped of %d", dmabuf.Total(segs), x.size)
		}
		if x.segs == nil {
			x.segs = slices.Clone(segs)
			x.known = true
			clear(x.data)
			if x.protected() {
				w.count["smaf lent at the first map"]++
			}
		}
		m.mapped, m.dir = true, dir
		w.count["mapped"]++
	}
}

// change sets or clears SMAF's secure flag.
func (w *world) change(x *thing) {
	if !x.smaf {
		return
	}
	err := w.l.SMAF.SetSecure(x.buf, !x.secure)
	switch {
	case w.abi == lab.SMC && w.policy == lab.Static:
		if !errors.Is(err, normalworld.EOPNOTSUPP) && !errors.Is(err, normalworld.EBUSY) {
			w.fatalf("nothing can be lent beside a carve-out over the SMC ABI: %v", err)
		}
	case x.mapped() > 0:
		if !errors.Is(err, normalworld.EBUSY) {
			w.fatalf("the flag of a mapped buffer: %v", err)
		}
	case err != nil:
		w.room(err)
		x.known = false // what was lent meanwhile came back scrubbed
	default:
		x.secure = !x.secure
		if x.segs == nil {
			break
		}
		x.known = !x.secure
		if x.known {
			clear(x.data)
		}
		w.count["flag"]++
	}
}

// grant gives or takes a master's access by a session of its own.
func (w *world) grant(x *thing) {
	if x.id == 0 {
		return
	}
	shm, err := w.ctx.RegisterBuffer(x.buf)
	w.ok(err)
	defer shm.Put()
	if len(x.grants) > 0 && w.rnd.IntN(2) == 0 {
		i := w.rnd.IntN(len(x.grants))
		g := x.grants[i]
		w.ok(w.grants.Revoke(shm, 0, x.size, g.master, g.dir))
		x.grants = slices.Delete(x.grants, i, i+1)
		return
	}
	g := grant{uint8(w.rnd.IntN(13)), dmabuf.Direction(w.rnd.IntN(3))}
	err = w.grants.Grant(shm, 0, x.size, g.master, g.dir)
	switch {
	case !wants(g.master, g.dir).within(x.grantable(w.policy)):
		if err == nil {
			w.fatalf("master %d was granted %v, which is nobody's right", g.master, g.dir)
		}
		w.count["refused grant"]++
	case errors.Is(err, normalworld.EACCES) || errors.Is(err, normalworld.EINVAL):
		w.fatalf("%v", err)
	case w.room(err):
		x.grants = append(x.grants, g)
		w.count["grant"]++
	}
}

// application has a trusted application copy into a buffer, or out of it.
func (w *world) application(x *thing) {
	if x.id == 0 {
		return
	}
	shm, err := w.ctx.RegisterBuffer(x.buf)
	w.ok(err)
	defer shm.Put()
	side, err := w.ctx.AllocKernel(x.size)
	w.ok(err)
	defer side.Put()
	if w.rnd.IntN(3) == 0 {
		if ret, _ := w.invoke(w.sdp, wire.SDPCmdDump, tee.Memref(tee.AttrMemrefInput, shm, 0, x.size), tee.Memref(tee.AttrMemrefOutput, side, 0, x.size)); ret != wire.Success {
			w.fatalf("dump: %v", ret)
		}
		p := make([]byte, x.size)
		w.ok(side.Read(0, p))
		if x.known && !bytes.Equal(p, x.data) {
			w.fatalf("an application finds other content: %x, want %x", p[:16], x.data[:16])
		}
		x.fill(p, true)
		w.ok(side.Write(0, make([]byte, x.size))) // it was in ordinary memory only for a moment
		w.count["dump"]++
		return
	}
	p := w.hide(x.size)
	w.ok(side.Write(0, p))
	if ret, _ := w.invoke(w.sdp, wire.SDPCmdInject, tee.Memref(tee.AttrMemrefInput, side, 0, x.size), tee.Memref(tee.AttrMemrefOutput, shm, 0, x.size)); ret != wire.Success {
		w.fatalf("inject: %v", ret)
	}
	w.ok(side.Write(0, make([]byte, x.size)))
	x.fill(p, true)
	w.count["inject"]++
}

// processor tries to read and write as a process or the kernel does.
func (w *world) processor(x *thing) {
	m, err := x.buf.MMap(0, x.size, dmabuf.ProtRead|dmabuf.ProtWrite)
	if x.protected() {
		if err == nil {
			w.fatalf("a process has mapped %v", x.buf)
		}
		if v, err := x.buf.VMap(); err == nil {
			w.fatalf("the kernel has mapped it: %v", v)
		}
		if x.buf.BeginCPUAccess(dmabuf.FromDevice) == nil {
			w.fatalf("the processor may access it")
		}
		return
	}
	w.ok(err)
	if x.segs != nil {
		p := make([]byte, x.size)
		w.ok(m.Read(0, p))
		if x.known && !bytes.Equal(p, x.data) {
			w.fatalf("the processor finds %x, want %x", p[:16], x.data[:16])
		}
		p = w.bytes(x.size)
		if w.rnd.IntN(3) == 0 {
			copy(p, w.stream)
		}
		w.ok(m.Write(0, p))
		x.fill(p, true)
		w.count["processor"]++
	}
	w.ok(m.Unmap())
}

// put is what a master has written to a buffer.
func (w *world) put(x *thing, p []byte, known bool) {
	if !x.protected() {
		if !known {
			// What an earlier buffer has left in a pool.
			p, known = make([]byte, x.size), true
			at := uint64(0)
			for _, s := range x.segs {
				w.secure.Read(s.Addr, p[at:at+s.Len])
				at += s.Len
			}
		}
		publish(w.secrets, p)
	}
	x.fill(p, known)
}

// job programs a master with two buffers, mapped or not: what comes of it is for the firewall to say.
func (w *world) job(a, b *thing) {
	if a == b {
		return
	}
	from, to := a.allowed(w.policy), b.allowed(w.policy)
	n := uint32(min(a.size, b.size))
	src, dst := a.first(int(n)), b.first(int(n))
	if src.Protected != a.protected() || dst.Protected != b.protected() {
		w.fatalf("%v is protected: %v; %v is protected: %v", a.buf, src.Protected, b.buf, dst.Protected)
	}
	if w.rnd.IntN(4) == 0 { // a kernel that programs engines as it likes
		src.Protected, dst.Protected = w.rnd.IntN(2) == 0, w.rnd.IntN(2) == 0
	}
	as := func(own uint8, protected bool) uint8 {
		if protected {
			return own
		}
		return bus.NSAIDDefault
	}
	verdict := func(err error, reader, writer uint8) bool {
		w.t.Helper()
		may := from.read>>reader&1 != 0 && to.write>>writer&1 != 0
		var j *driver.JobError
		switch {
		case may && err != nil:
			w.fatalf("refused: %v; %v to %v", err, a.buf, b.buf)
		case !may && !errors.As(err, &j):
			w.fatalf("from %v (read by %s) to %v (written by %s): %v, want a refusal", a.buf, bus.NSAIDSet(from.read), b.buf, bus.NSAIDSet(to.write), err)
		}
		if !may {
			w.count["refused job"]++
			// A write that failed may have come after reads, but changes nothing: the whole buffer is closed.
		}
		return may
	}
	// engine judges a job of an engine whose own identity is for protected memory.
	engine := func(err error, own uint8) bool {
		w.t.Helper()
		if src.Protected && !dst.Protected {
			var j *driver.JobError
			if !errors.As(err, &j) || j.Result != driver.ResultIdentity {
				w.fatalf("from %v as protected to %v as ordinary: %v, want a refusal", a.buf, b.buf, err)
			}
			w.count["refused copy"]++
			return false
		}
		return verdict(err, as(own, src.Protected), as(own, dst.Protected))
	}
	switch w.rnd.IntN(4) {
	case 0:
		w.what = "pl080"
		s, d := a.segs[0], b.segs[0]
		n := min(s.Len, d.Len)
		if verdict(w.l.DMA.Copy(d.Addr, s.Addr, uint32(n)), bus.NSAIDDMA, bus.NSAIDDMA) {
			w.part(a, b, n)
		}
	case 1:
		w.what = "transform"
		rows := n / 64
		p := driver.Frame(driver.RGB565, driver.BT601Full, 32, rows, src)
		err := w.l.Transform.Run(&driver.TransformJob{Source: &p, Dest: driver.Frame(driver.RGB565, driver.BT601Full, 32, rows, dst)})
		if engine(err, bus.NSAIDTransform) {
			w.part(a, b, uint64(n))
		}
	case 2:
		w.what = "decoder"
		if !a.known {
			return
		}
		src.Length = uint32(len(w.stream))
		dest := driver.Frame(driver.NV12, driver.BT601Full, 64, 32, dst)
		_, err := w.l.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: src, Dest: &dest})
		if !bytes.HasPrefix(a.data, w.stream) {
			if err == nil {
				w.fatalf("something was decoded that is no JPEG")
			}
			return
		}
		if engine(err, bus.NSAIDDecoder) {
			w.put(b, w.picture, true)
			w.count["decoded"]++
		}
	case 3:
		w.what = "crypto"
		k := w.slots[w.rnd.IntN(len(w.slots))]
		job := &driver.CryptoJob{CBC: k.cbc, Decrypt: !k.cbc, Slot: k.n, Length: n, Source: src, Dest: dst}
		copy(job.IV[:], w.bytes(16))
		if verdict(w.l.Crypto.Run(job), k.source, k.dest) {
			out := bytes.Clone(a.data[:n])
			c, err := aes.NewCipher(slotKey[:])
			w.ok(err)
			if k.cbc {
				cipher.NewCBCEncrypter(c, job.IV[:]).CryptBlocks(out, out)
			} else {
				cipher.NewCTR(c, job.IV[:]).XORKeyStream(out, out)
			}
			w.put(b, out, a.known)
			w.count["crypto"]++
		}
	}
}

// part is a copy of the beginning of a to b.
func (w *world) part(a, b *thing, n uint64) {
	w.put(b, a.data[:n], a.known)
	w.count[w.what]++
	if a.protected() && !b.protected() {
		w.fatalf("%v was copied to ordinary memory, %v", a.buf, b.buf)
	}
}

// master writes as one that may does.
func (w *world) master(x *thing) {
	may := x.allowed(w.policy).write
	id := uint8(w.rnd.IntN(bus.NSAIDs))
	if may>>id&1 == 0 {
		return
	}
	p := w.bytes(x.size)
	if x.protected() {
		p = w.hide(x.size)
	}
	at := uint64(0)
	for _, s := range x.segs {
		if resp := w.ports[id].Write(s.Addr, p[at:at+s.Len]); resp != bus.OKAY {
			w.fatalf("%s may write %v: %v", bus.NSAIDName(id), x.buf, resp)
		}
		at += s.Len
	}
	x.fill(p, true)
}

// probe accesses a buffer as a master, and holds the outcome against the model.
func (w *world) probe(x *thing, id uint8) {
	a := x.allowed(w.policy)
	off := uint64(w.rnd.Uint32()) % x.size &^ 15
	pa, at := uint64(0), uint64(0)
	for _, s := range x.segs {
		if off < at+s.Len {
			pa = s.Addr + off - at
			break
		}
		at += s.Len
	}
	var p [16]byte
	may := a.read>>id&1 != 0
	switch resp := w.ports[id].Read(pa, p[:]); {
	case (resp == bus.OKAY) != may:
		w.fatalf("%s reads %v at %#x: %v, want %v (secure %v, %d mapped)", bus.NSAIDName(id), x.buf, pa, resp, may, x.secure, x.mapped())
	case !may && p != [16]byte{}:
		w.fatalf("a refused read gives %x", p)
	case may && x.known && !bytes.Equal(p[:], x.data[off:off+16]):
		w.fatalf("%s reads %x in %v at %#x, want %x", bus.NSAIDName(id), p, x.buf, off, x.data[off:off+16])
	}
	if x.known {
		copy(p[:], x.data[off:])
	} else {
		w.secure.Read(pa, p[:])
	}
	if resp := w.ports[id].Write(pa, p[:]); (resp == bus.OKAY) != (a.write>>id&1 != 0) {
		w.fatalf("%s writes %v at %#x: %v, want %v", bus.NSAIDName(id), x.buf, pa, resp, a.write>>id&1 != 0)
	}
	w.count["probes"]++
}

// search looks for content in ordinary memory that has no business there.
func (w *world) search() {
	var k marks
	for _, s := range w.secrets {
		if !s.public {
			k = append(k, s.mark)
		}
	}
	if err := w.rig.search(k, bus.NSAIDAP); err != nil {
		w.fatalf("%v", err)
	}
	w.count["searches"]++
}

// next does one thing at random.
func (w *world) next() {
	if w.rnd.IntN(400) == 0 {
		w.what = "everything goes"
		w.clear()
		return
	}
	op := w.rnd.IntN(100)
	do := func(what string, f func(*thing), x *thing) {
		if w.what = what; x != nil {
			f(x)
		}
	}
	switch {
	case op < 14:
		w.what = "alloc"
		w.alloc()
	case op < 32:
		if x := w.pick(); x != nil && len(x.fds) > 0 {
			do("descriptors", w.descriptors, x)
		}
	case op < 42:
		do("attach", w.attach, w.pick())
	case op < 62:
		do("attachment", w.useAttachment, w.pick())
	case op < 67:
		do("secure flag", w.change, w.pick())
	case op < 72:
		do("grant", w.grant, w.pick())
	case op < 79:
		do("application", w.application, w.pick())
	case op < 84:
		do("processor", w.processor, w.pick())
	case op < 88:
		do("master", w.master, w.placed())
	default:
		if a, b := w.placed(), w.placed(); a != nil && b != nil {
			w.job(a, b)
		}
	}
}

// clear gives everything up.
func (w *world) clear() {
	for len(w.things) > 0 {
		x := w.things[0]
		for _, m := range x.maps {
			if m.mapped {
				w.ok(m.att.Unmap(m.dir))
			}
			w.ok(m.att.Detach())
			w.ok(x.buf.Put())
		}
		x.maps = nil
		for len(x.fds) > 0 {
			f := x.fds[0]
			x.fds = x.fds[1:]
			w.ok(w.files[f.table].Close(f.fd))
		}
		w.gone(x)
	}
}

// Random operations against the model: at each moment who may read and write a buffer, and what is in it.
func TestRandom(t *testing.T) {
	// 100,000 at least.
	steps := 40_000
	if long {
		steps *= 10
	}
	total := map[string]int{}
	each(t, func(t *testing.T, abi lab.ABI, p lab.Policy) {
		r := newRig(t, abi, p, wire.UseCaseSecureVideoPlay, 1<<20)
		w := newWorld(t, r)
		for w.step = range steps {
			w.next()
			if x := w.placed(); x != nil {
				what := w.what
				w.what = "after " + what
				w.probe(x, uint8(w.rnd.IntN(bus.NSAIDs)))
			}
			if w.step%2500 == 2499 {
				w.search()
			}
		}
		w.clear()
		w.search()
		w.ok(w.grants.Close())
		w.ctx.Close()
		must(t, r.down(w.l))
		must(t, r.open())
		for k, n := range w.count {
			total[k] += n
		}
		t.Log(w.count)
		for _, k := range []string{"allocated", "freed", "mapped", "inject", "dump", "refused job", "pl080", "transform", "decoded", "crypto", "processor", "probes"} {
			if w.count[k] < 10 {
				t.Errorf("%q happened %d times only", k, w.count[k])
			}
		}
	})
}
