package platform_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gatehouse/devices/camera"
	"gatehouse/devices/decoder"
	"gatehouse/devices/encoder"
	"gatehouse/devices/engine"
	"gatehouse/devices/hdlcd"
	"gatehouse/devices/transform"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

var (
	leakOps  = flag.Int("leak.ops", 6000, "operations of TestMediaRandomLeaks")
	leakSeed = flag.Uint64("leak.seed", 1, "seed of TestMediaRandomLeaks")
)

// The hostile normal world's memory, and the protected memory that it is after.
const (
	openBase   = platform.RAMBase + 8<<20 // ordinary
	openSize   = 0x2_0000
	playBase   = platform.RAMBase + 16<<20 // for playback: decoder and transform
	recordBase = platform.RAMBase + 20<<20 // for recording: transform, encoder and camera
	hiddenBase = 0x0E00_0000               // the secure world's
	leakRAM    = 24 << 20
)

// Within each of the three.
const (
	atPixels = 0x0000
	atJPEG   = 0x4000
	atVP8    = 0x5000
	atList   = 0x6000 // a good list, whose addresses are secret too
	atOut    = 0x8000
	atMeta   = 0xA000
	atLists  = 0x1_0000 // ordinary memory only: lists that the kernel writes
	bitmap   = 16       // the side of all pictures
	stream   = 0x1000   // the length of all bitstreams
)

// twins are two machines that differ in what protected memory holds and in nothing else. A normal world that can tell them apart knows
// something of it: nothing of what the processors can read, and no event, may ever differ. What may, and is documented, is how a
// decoder's or encoder's job on protected memory ends, and how long an encoder's bitstream is.
type twins struct {
	testing.TB
	m       [2]*platform.Machine
	p, s    [2]*bus.Port // processor and secure world
	log     [2]bytes.Buffer
	before  []byte          // ordinary memory when it was looked at last
	lists   uint64          // the next free byte for lists
	fuzzy   map[uint64]bool // engines whose job reads protected memory, and may say how it ended
	size    uint32          // of the decoder's picture, as its last job has it
	leaks   []string
	diverse int // jobs that ended differently
}

var mediaEngines = []uint64{platform.DecoderBase, platform.TransformBase, platform.CameraBase, platform.EncoderBase}

func newTwins(t testing.TB, change func(*secureworld.Config)) *twins {
	w := &twins{TB: t, fuzzy: map[uint64]bool{}}
	for i := range w.m {
		world := secureworld.DefaultConfig()
		world.Carveout, world.CarveoutUse = memory.Range{Base: playBase, Size: 1 << 20}, optee.UseCaseSecureVideoPlay
		for k := range world.OPTEE.UseCases {
			if u := &world.OPTEE.UseCases[k]; u.ID == optee.UseCaseSecureVideoRecord {
				u.Carveout = memory.Range{Base: recordBase, Size: 1 << 20}
			}
		}
		if change != nil {
			change(&world)
		}
		events := new(event.Stream)
		m, err := platform.New(platform.Config{TZASC: true, RAM: leakRAM, Firmware: secureworld.New(world), Events: events})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		events.Attach(^event.Category(0), event.NewText(&w.log[i]))
		w.m[i], w.p[i], w.s[i] = m, m.Port(apAttr), m.Port(secureAttr)
	}
	w.before = make([]byte, openSize)
	w.fill()
	w.plant()
	// The display scans a secret.
	for off, v := range map[uint64]uint64{hdlcd.FBBase: playBase, hdlcd.FBLineLength: 4 * bitmap, hdlcd.FBLinePitch: 4 * bitmap, hdlcd.FBLineCount: bitmap - 1,
		hdlcd.HData: bitmap - 1, hdlcd.VData: bitmap - 1, hdlcd.PixelFormat: 3 << 3, hdlcd.IntMask: hdlcd.IntDMAEnd, hdlcd.Command: hdlcd.Enable} {
		w.set(platform.HDLCDBase+off, uint32(v))
	}
	w.elapse(200_000)
	for i := range w.m {
		if _, n := w.m[i].Frame(); n == 0 {
			t.Fatal("the display shows nothing")
		}
		if r := w.p[i].Read(playBase, make([]byte, 4)); r == bus.OKAY {
			t.Fatal("the processor reads a secret")
		}
	}
	return w
}

func content(r *rand.Rand) []byte {
	p := make([]byte, atOut)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	picture := image.NewYCbCr(image.Rect(0, 0, bitmap, bitmap), image.YCbCrSubsampleRatio420)
	for _, plane := range [][]byte{picture.Y, picture.Cb, picture.Cr} {
		for i := range plane {
			plane[i] = byte(r.Uint32())
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 40}); err != nil || b.Len() > stream {
		panic(fmt.Sprint(err, b.Len()))
	}
	clear(p[atJPEG : atJPEG+stream])
	copy(p[atJPEG:], b.Bytes())
	copy(p[atVP8:], []byte{0x10, 0x08, 0, 0x9D, 0x01, 0x2A, bitmap, 0, bitmap, 0}) // RFC 6386, 9.1; its data are noise
	list := p[atList : atList : atList+16]
	list = binary.LittleEndian.AppendUint64(list, openBase+uint64(r.IntN(0x1000))*16)
	list = binary.LittleEndian.AppendUint32(list, uint32(0x1000+r.IntN(0x1000)))
	binary.LittleEndian.AppendUint32(list, engine.Last)
	return p
}

// plant writes the secrets.
func (w *twins) plant() {
	for i := range w.s {
		for k, base := range []uint64{playBase, recordBase, hiddenBase} {
			if r := w.s[i].Write(base, content(rand.New(rand.NewPCG(uint64(i), uint64(k))))); r != bus.OKAY {
				w.Fatal(r)
			}
		}
	}
}

// fill gives ordinary memory what it has at the beginning.
func (w *twins) fill() {
	p := make([]byte, openSize)
	copy(p, content(rand.New(rand.NewPCG(7, 7))))
	w.store(openBase, p)
	w.lists = openBase + atLists
	copy(w.before, p)
}

func (w *twins) store(at uint64, p []byte) {
	for i := range w.p {
		if r := w.p[i].Write(at, p); r != bus.OKAY {
			w.Fatalf("the processor's write to %#x: %v", at, r)
		}
	}
}

func (w *twins) set(at uint64, v uint32) {
	for i := range w.p {
		if r := w.p[i].Store(at, 4, uint64(v)); r != bus.OKAY {
			w.Fatalf("the processor's write to %#x: %v", at, r)
		}
	}
}

func (w *twins) elapse(ns uint64) {
	for _, m := range w.m {
		m.Elapse(ns)
	}
}

// parameter gives an engine's register, which is the same on both.
func (w *twins) parameter(base, off uint64) uint32 {
	v, _ := w.p[0].Load(base+off, 4)
	return uint32(v)
}

// start starts a job.
func (w *twins) start(base uint64) {
	protected := false
	for _, off := range map[uint64][]uint64{platform.DecoderBase: {decoder.Stream},
		platform.EncoderBase: {encoder.A + 0x20, encoder.A + 0x40, encoder.A + 0x60}}[base] {
		protected = protected || w.parameter(base, off+engine.BufferKind)&engine.Protected != 0
	}
	busy := w.parameter(base, engine.Status)&engine.Busy != 0
	w.fuzzy[base] = protected || busy && w.fuzzy[base]
	if base == platform.DecoderBase && !busy {
		w.size = w.parameter(base, decoder.D+engine.PictureSize)
	}
	w.set(base+engine.Control, engine.Start)
}

func (w *twins) leak(format string, args ...any) {
	w.leaks = append(w.leaks, fmt.Sprintf(format, args...))
}

func (w *twins) registers(i int, base, size uint64) []uint32 {
	var all []uint32
	for off := uint64(0); off < size; off += 4 {
		v, _ := w.p[i].Load(base+off, 4)
		all = append(all, uint32(v))
	}
	return all
}

// sameRegisters compares the registers of a device, but for some.
func (w *twins) sameRegisters(what string, base, size uint64, except ...uint64) {
	a, b := w.registers(0, base, size), w.registers(1, base, size)
	for i := range a {
		if off := uint64(4 * i); a[i] != b[i] && !slices.Contains(except, off) {
			w.leak("%s: register %#x+%#x is %#x and %#x", what, base, off, a[i], b[i])
		}
	}
}

// look compares all that the normal world sees.
func (w *twins) look(what string, bases ...uint64) {
	var diverged []uint64
	for _, base := range bases {
		var except []uint64
		if w.fuzzy[base] {
			if base == platform.EncoderBase {
				except = []uint64{encoder.Length, engine.BytesWritten, engine.Elapsed}
			}
			var status [2]uint64
			for i := range status {
				status[i], _ = w.p[i].Load(base+engine.Status, 4)
			}
			if status[0] != status[1] {
				diverged = append(diverged, base)
				w.diverse++
				except = append(except, engine.Status, engine.IntRaw, engine.IntStatus, engine.FaultAddrLo, engine.FaultAddrHi, engine.FaultInfo,
					engine.BytesWritten, engine.Elapsed, decoder.Size)
			}
		}
		w.sameRegisters(what, base, 0x400, except...)
	}
	var now [2][]byte
	for i := range now {
		now[i] = make([]byte, openSize)
		if r := w.p[i].Read(openBase, now[i]); r != bus.OKAY {
			w.Fatal(r)
		}
	}
	if !bytes.Equal(now[0], now[1]) {
		w.differs(what, slices.Contains(diverged, platform.DecoderBase), now)
	}
	copy(w.before, now[0])
	w.sameEvents(what)
	for _, base := range diverged {
		w.set(base+engine.Control, engine.Reset)
		w.fuzzy[base] = false
		w.sameRegisters(what+", reset", base, 0x400)
		w.store(openBase, w.before)
		w.sameEvents(what)
	}
}

// differs judges ordinary memory that is not the same. One case is allowed: the record of a frame that only one of the decoders
// accepted.
func (w *twins) differs(what string, decoded bool, now [2][]byte) {
	known := binary.LittleEndian.AppendUint32([]byte("GMET\x00\x01\x02"), w.size)
	changed := 0
	for i := range now[0] {
		if now[0][i] == now[1][i] {
			continue
		}
		changed++
		other := now[0][i]
		if other == w.before[i] {
			other = now[1][i]
		}
		if !decoded || changed > decoder.MetaBytes || now[0][i] != w.before[i] && now[1][i] != w.before[i] || !bytes.Contains(known, []byte{other}) {
			w.leak("%s: ordinary memory at %#x is %#x and %#x", what, openBase+i, now[0][i], now[1][i])
			return
		}
	}
}

// sameEvents compares what was reported since the last time, but for the lines of engines whose jobs end differently.
func (w *twins) sameEvents(what string) {
	var lines [2][]string
	for i := range lines {
		for _, line := range strings.Split(w.log[i].String(), "\n") {
			if w.fuzzy[platform.EncoderBase] && strings.Contains(line, "encoder") || w.fuzzy[platform.DecoderBase] && strings.Contains(line, "decoder") {
				continue
			}
			lines[i] = append(lines[i], line)
		}
		w.log[i].Reset()
	}
	if !slices.Equal(lines[0], lines[1]) {
		w.leak("%s: events:\n%s\nand\n%s", what, strings.Join(lines[0], "\n"), strings.Join(lines[1], "\n"))
	}
}

// everything compares what look leaves out: the other devices, and all of ordinary memory.
func (w *twins) everything(what string) {
	w.look(what, mediaEngines...)
	w.sameRegisters(what, platform.HDLCDBase, 0x400)
	w.sameRegisters(what, platform.CryptoBase, 0x200)
	w.sameRegisters(what, platform.GICDBase, 0x400)
	var p [2][1 << 16]byte
	for at := uint64(platform.RAMBase); at < platform.RAMBase+leakRAM; at += 1 << 16 {
		if at >= playBase && at < playBase+1<<20 || at >= recordBase && at < recordBase+1<<20 {
			continue
		}
		for i := range p {
			w.p[i].Read(at, p[i][:])
		}
		if p[0] != p[1] {
			w.leak("%s: ordinary memory from %#x on differs", what, at)
		}
	}
}

func (w *twins) verdict() {
	w.Helper()
	for i, l := range w.leaks {
		if i == 5 {
			w.Fatalf("and %d more", len(w.leaks)-5)
		}
		w.Error(l)
	}
}

// entry is an entry of a list.
type entry struct {
	addr, n uint64
	flags   uint32
}

// list writes a list and gives its place.
func (w *twins) list(kind uint32, entries ...entry) uint64 {
	var p []byte
	for _, e := range entries {
		if kind == engine.List32 {
			p = binary.LittleEndian.AppendUint32(p, uint32(e.addr))
			p = binary.LittleEndian.AppendUint32(p, uint32(e.n)|e.flags)
			continue
		}
		p = binary.LittleEndian.AppendUint64(p, e.addr)
		p = binary.LittleEndian.AppendUint32(p, uint32(e.n))
		p = binary.LittleEndian.AppendUint32(p, e.flags)
	}
	at := w.lists
	if at+uint64(len(p)) > openBase+openSize {
		at = openBase + atLists
	}
	w.lists = at + (uint64(len(p))+7)&^7
	w.store(at, p)
	return at
}

// place is a buffer as registers describe it.
type place struct {
	name string
	addr uint64
	kind uint32
}

// places are all the ways to have a buffer of n bytes at an offset of the three memories, with both identities.
func (w *twins) places(off, n uint64) (all []place) {
	const split = 384
	half := func(base uint64, first bool, flags uint32) entry {
		if first {
			return entry{base + off, split, flags}
		}
		return entry{base + off + split, n - split, flags}
	}
	two := func(kind uint32, a, b uint64) uint64 {
		return w.list(kind, half(a, true, 0), half(b, false, engine.Last))
	}
	for _, p := range []place{
		{"ordinary", openBase + off, engine.Memory},
		{"playback", playBase + off, engine.Memory},
		{"recording", recordBase + off, engine.Memory},
		{"secure", hiddenBase + off, engine.Memory},
		{"list of ordinary", two(engine.List64, openBase, openBase), engine.List64},
		{"list of playback", two(engine.List64, playBase, playBase), engine.List64},
		{"list of recording", two(engine.List32, recordBase, recordBase), engine.List32},
		{"list of ordinary and playback", two(engine.List64, openBase, playBase), engine.List64},
		{"list of playback and ordinary", two(engine.List32, playBase, openBase), engine.List32},
		{"list in playback", playBase + atList, engine.List64},
		{"list of 32 bits in recording", recordBase + atList, engine.List32},
		{"link to playback", w.list(engine.List64, entry{playBase + atList, 0, engine.Link}), engine.List64},
		{"ordinary and a link to recording", w.list(engine.List64, half(openBase, true, 0), entry{recordBase + atList, 0, engine.Link}), engine.List64},
	} {
		for _, kind := range []uint32{0, engine.Protected} {
			q := p
			q.kind |= kind
			if kind != 0 {
				q.name += "*"
			}
			all = append(all, q)
		}
	}
	return all
}

func (w *twins) buffer(base, off uint64, p place, length uint32) {
	for i, v := range []uint32{uint32(p.addr), uint32(p.addr >> 32), p.kind, 0, 0, length} {
		w.set(base+off+4*uint64(i), v)
	}
}

func (w *twins) picture(base, off uint64, p place) {
	w.set(base+off+engine.PictureFormat, 4)
	w.set(base+off+engine.PictureSize, bitmap|bitmap<<16)
	w.buffer(base, off+engine.PicturePlane, p, 0)
}

// run does a job and looks at what came of it.
func (w *twins) run(base uint64, what string) {
	w.start(base)
	w.elapse(60_000)
	w.look(what, base)
}

// censusTransform has every place for each of the pictures, in every combination.
func (w *twins) censusTransform() (jobs int) {
	const base = platform.TransformBase
	ins, outs := w.places(atPixels, 4*bitmap*bitmap), w.places(atOut, 4*bitmap*bitmap)
	w.set(base+transform.Alpha, 128)
	for mode := range uint32(1 << 8) {
		w.set(base+transform.Mode, mode)
		few := mode != transform.UseA|transform.UseB|transform.GlobalAlpha
		for i, a := range ins {
			if i > 0 && mode&transform.UseA == 0 || few && i > 3 {
				break
			}
			w.picture(base, transform.A, a)
			for k, b := range ins {
				if k > 0 && mode&transform.UseB == 0 || few && k > 3 {
					break
				}
				w.picture(base, transform.B, b)
				for n, d := range outs {
					if few && n > 3 && (i+k+n)%8 != 0 {
						continue
					}
					w.picture(base, transform.D, d)
					w.run(base, fmt.Sprintf("transform, mode %#x, %s and %s to %s", mode, a.name, b.name, d.name))
					jobs++
				}
			}
		}
	}
	return jobs
}

// censusDecoder has every place for bitstream, picture and record.
func (w *twins) censusDecoder() (jobs int) {
	const base = platform.DecoderBase
	outs, metas := w.places(atOut, 4*bitmap*bitmap), w.places(atMeta, 512)
	for codec, off := range map[uint32]uint64{decoder.JPEG: atJPEG, decoder.VP8: atVP8} {
		w.set(base+decoder.Codec, codec)
		ins := w.places(off, stream)
		for mode := range uint32(4) {
			w.set(base+decoder.Mode, mode)
			for _, s := range ins {
				w.buffer(base, decoder.Stream, s, stream)
				for i, d := range outs {
					if i > 0 && mode&decoder.Probe != 0 {
						break
					}
					w.picture(base, decoder.D, d)
					for k, m := range metas {
						if k > 0 && mode&decoder.WriteMeta == 0 || codec == decoder.VP8 && i > 3 && k > 3 {
							break
						}
						w.buffer(base, decoder.Meta, m, 512)
						w.run(base, fmt.Sprintf("decoder, codec %d, mode %d, %s to %s, record %s", codec, mode, s.name, d.name, m.name))
						jobs++
					}
				}
			}
		}
	}
	return jobs
}

// censusOthers has every place for the encoder's and the camera's buffers, and every bit of KIND.
func (w *twins) censusOthers() (jobs int) {
	ins, outs := w.places(atPixels, 4*bitmap*bitmap), w.places(atOut, 4*bitmap*bitmap)
	streams := w.places(atOut, 2*stream)
	for _, quality := range []uint32{1, 50, 100} {
		w.set(platform.EncoderBase+encoder.Quality, quality)
		for _, a := range ins {
			w.picture(platform.EncoderBase, encoder.A, a)
			for _, s := range streams {
				w.buffer(platform.EncoderBase, encoder.Stream, s, 2*stream)
				w.run(platform.EncoderBase, fmt.Sprintf("encoder, quality %d, %s to %s", quality, a.name, s.name))
				jobs++
			}
		}
	}
	for _, d := range outs {
		w.picture(platform.CameraBase, camera.D, d)
		w.run(platform.CameraBase, "camera to "+d.name)
		w.set(platform.CameraBase+camera.Queue, 5)
		w.set(platform.CameraBase+camera.Stream, camera.On)
		w.elapse(100_000)
		w.look("camera, streaming to "+d.name, platform.CameraBase)
		w.set(platform.CameraBase+camera.Stream, 0)
		w.look("camera off", platform.CameraBase)
		jobs += 2
	}
	w.set(platform.TransformBase+transform.Mode, transform.UseA)
	for bit := range 32 {
		for _, from := range []uint64{openBase, playBase} {
			for _, other := range []uint32{0, engine.Protected} {
				w.picture(platform.TransformBase, transform.A, place{addr: from, kind: 1 << bit})
				w.picture(platform.TransformBase, transform.D, place{addr: openBase + atOut, kind: other})
				w.run(platform.TransformBase, fmt.Sprintf("transform, from %#x with KIND bit %d", from, bit))
				w.picture(platform.TransformBase, transform.A, place{addr: from, kind: other})
				w.picture(platform.TransformBase, transform.D, place{addr: openBase + atOut, kind: 1 << bit})
				w.run(platform.TransformBase, fmt.Sprintf("transform, from %#x to KIND bit %d", from, bit))
				jobs += 2
			}
		}
	}
	return jobs
}

// TestMediaLeaks tries, as a hostile kernel would, every placement of inputs, outputs, lists and records in ordinary, protected and
// secure memory, with each of the engines, its modes and identities, job after job, and finds nothing out.
func TestMediaLeaks(t *testing.T) {
	for _, c := range []struct {
		name   string
		census func(*twins) int
		least  int
	}{
		{"transform", (*twins).censusTransform, 10_000},
		{"decoder", (*twins).censusDecoder, 5000},
		{"others", (*twins).censusOthers, 2000},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTwins(t, nil)
			jobs := c.census(w)
			if t.Logf("%d jobs", jobs); jobs < c.least {
				t.Errorf("%d jobs, want %d", jobs, c.least)
			}
			w.everything("at the end")
			w.verdict()
		})
	}
}

// TestMediaLeaksAreFound is the control: where the engines' own identities have access to ordinary memory, and where there is no
// firewall for protected memory, the same search finds secrets there.
func TestMediaLeaksAreFound(t *testing.T) {
	own := uint16(1<<bus.NSAIDDecoder | 1<<bus.NSAIDTransform | 1<<bus.NSAIDCamera | 1<<bus.NSAIDEncoder)
	for name, change := range map[string]func(*secureworld.Config){
		"own identities in the background": func(c *secureworld.Config) {
			c.TZASC.Normal.Read |= own
			c.TZASC.Normal.Write |= own
		},
		"protected memory that all masters reach": func(c *secureworld.Config) {
			for i := range c.OPTEE.UseCases {
				c.OPTEE.UseCases[i].Access = memory.Access{Read: 1 | own | 1<<bus.NSAIDHDLCD, Write: 1 | own}
			}
		},
	} {
		for _, census := range []func(*twins) int{(*twins).censusDecoder, (*twins).censusOthers} {
			w := newTwins(t, change)
			if census(w); len(w.leaks) == 0 {
				t.Errorf("%s: nothing was found", name)
			}
		}
	}
}

// TestMediaRandomLeaks is the same with random programs: jobs of several engines at a time that are aborted, reset and programmed anew
// while they run, with lists that put headers together of single secret bytes.
func TestMediaRandomLeaks(t *testing.T) {
	w := newTwins(t, nil)
	r := rand.New(rand.NewPCG(*leakSeed, 0x6C65616B))
	pick := func(v ...uint64) uint64 { return v[r.IntN(len(v))] }
	anywhere := func() uint64 {
		return pick(openBase, playBase, recordBase, playBase, recordBase, hiddenBase) + pick(atPixels, atJPEG, atVP8, atList, atOut, atOut, atMeta, uint64(r.IntN(atMeta)))
	}
	hostile := func() uint64 { // a list of a few bytes here and a few there, the bitstream's among them
		base := pick(playBase, recordBase, openBase)
		at, left := base+pick(atJPEG, atVP8, atPixels), uint64(2*stream)
		var all []entry
		for left > 0 && len(all) < 40 {
			n := min(uint64(1+r.IntN(400)), left)
			if r.IntN(4) == 0 { // in place of what stands there
				n = min(uint64(1+r.IntN(4)), left)
				from := base + uint64(r.IntN(atOut))
				if r.IntN(16) == 0 {
					from = anywhere()
				}
				all = append(all, entry{from, n, 0})
			} else {
				all = append(all, entry{at, n, 0})
			}
			at += n
			left -= n
		}
		all = append(all, entry{at, left + 1, engine.Last})
		if r.IntN(8) == 0 {
			all[r.IntN(len(all))] = entry{anywhere() &^ 7, 0, engine.Link}
		}
		return w.list(engine.List64, all...)
	}
	buffer := func(base, off uint64) {
		p := place{addr: anywhere(), kind: uint32(pick(0, 0, engine.Protected))}
		if r.IntN(3) == 0 {
			p.addr = hostile()
			p.kind |= engine.List64
		}
		w.buffer(base, off, p, uint32(pick(0, stream, 2*stream, 512, uint64(r.IntN(4096)))))
	}
	picture := func(base, off uint64) {
		w.set(base+off, uint32(pick(1, 2, 3, 4, 4, 5, 0x102, uint64(r.Uint32()))))
		w.set(base+off+4, uint32(pick(bitmap|bitmap<<16, bitmap|bitmap<<16, 1|1<<16, uint64(1+r.IntN(32))|uint64(1+r.IntN(32))<<16)))
		for i := range uint64(3) {
			buffer(base, off+0x20*(i+1))
		}
	}
	program := map[uint64]func(){
		platform.DecoderBase: func() {
			w.set(platform.DecoderBase+decoder.Codec, uint32(pick(1, 1, 1, 2, 3)))
			w.set(platform.DecoderBase+decoder.Mode, uint32(pick(0, 1, 2, 2, 3)))
			buffer(platform.DecoderBase, decoder.Stream)
			buffer(platform.DecoderBase, decoder.Meta)
			picture(platform.DecoderBase, decoder.D)
			if r.IntN(2) == 0 { // what may succeed
				w.set(platform.DecoderBase+decoder.Codec, decoder.JPEG)
				s := place{addr: playBase + atJPEG, kind: engine.Protected}
				if r.IntN(4) > 0 {
					n, k := uint64(2+r.IntN(800)), uint64(1+r.IntN(3))
					s = place{kind: engine.List64 | engine.Protected, addr: w.list(engine.List64, entry{playBase + atJPEG, n, 0},
						entry{playBase + uint64(r.IntN(0x4000)), k, 0}, entry{playBase + atJPEG + n + k, stream, engine.Last})}
				}
				w.buffer(platform.DecoderBase, decoder.Stream, s, stream)
				w.buffer(platform.DecoderBase, decoder.Meta, place{addr: openBase + atMeta}, 64)
				w.picture(platform.DecoderBase, decoder.D, place{addr: playBase + atOut, kind: engine.Protected})
			}
		},
		platform.TransformBase: func() {
			w.set(platform.TransformBase+transform.Mode, r.Uint32()&uint32(pick(0xF7, 0x3, 0xFF)))
			w.set(platform.TransformBase+transform.Alpha, uint32(r.IntN(256)))
			w.set(platform.TransformBase+transform.CropSize, uint32(pick(0, 0, 1|1<<16, 4|4<<16)))
			for _, off := range []uint64{transform.A, transform.B, transform.D} {
				picture(platform.TransformBase, off)
			}
		},
		platform.EncoderBase: func() {
			w.set(platform.EncoderBase+encoder.Quality, uint32(1+r.IntN(100)))
			picture(platform.EncoderBase, encoder.A)
			buffer(platform.EncoderBase, encoder.Stream)
			if r.IntN(2) == 0 {
				w.picture(platform.EncoderBase, encoder.A, place{addr: recordBase + uint64(r.IntN(atOut)), kind: engine.Protected})
				w.buffer(platform.EncoderBase, encoder.Stream, place{addr: recordBase + atOut, kind: engine.Protected}, uint32(600+r.IntN(900)))
			}
		},
		platform.CameraBase: func() {
			picture(platform.CameraBase, camera.D)
			w.set(platform.CameraBase+camera.Queue, r.Uint32())
			w.set(platform.CameraBase+camera.Stream, uint32(r.IntN(2)))
		},
	}
	ended := map[engine.Result]int{}
	for op := range *leakOps {
		base := mediaEngines[r.IntN(len(mediaEngines))]
		what := fmt.Sprintf("seed %d, operation %d at %#x", *leakSeed, op, base)
		switch n := r.IntN(40); {
		case n < 24:
			program[base]()
			for r.IntN(4) == 0 {
				w.set(base+0x80+4*uint64(r.IntN(0x340/4)), uint32(pick(0, 1, engine.Protected, 1<<r.IntN(32), anywhere(), uint64(r.Uint32()))))
			}
			w.start(base)
		case n < 28:
			w.start(base)
		case n < 31:
			w.set(base+engine.Control, engine.Abort)
		case n == 31:
			w.set(base+engine.Control, engine.Reset)
		case n == 32:
			w.plant()
		case n == 33:
			w.fill()
		case n == 34:
			w.set(base+engine.IntRaw, 0xFFFF_FFFF)
			w.set(base+engine.IntMask, r.Uint32())
		default:
			w.set(base+0x80+4*uint64(r.IntN(0x380/4)), r.Uint32())
		}
		w.elapse(pick(0, 100, uint64(r.IntN(4000)), 60_000, 60_000))
		ended[engine.Result(w.parameter(base, engine.Status)>>engine.ResultShift)]++
		w.look(what, mediaEngines...)
		if len(w.leaks) > 0 {
			break
		}
	}
	w.everything("at the end")
	w.verdict()
	if *leakOps >= 6000 && w.diverse == 0 {
		t.Error("no job ended differently: the bitstreams do not put headers together")
	}
	t.Logf("%d jobs ended differently; results %v", w.diverse, ended)
	for _, want := range []engine.Result{engine.OK, engine.Fault, engine.Identity, engine.Corrupt, engine.List, engine.WasAborted} {
		if *leakOps >= 6000 && ended[want] == 0 {
			t.Errorf("no job ended with %v", want)
		}
	}
}
