package usecase

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/media"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/event"
	"gatehouse/smc/optee"
)

// The decoder's record about a frame (package devices/decoder, "The record").
const (
	metaSize  = 64
	metaMagic = 0x5445_4d47 // "GMET"
)

// player is secure-video-playback.
type player struct {
	*run
	clip  *Clip
	dec   *media.Video
	conv  *media.Video
	card  *media.Card
	keys  *session // of the application that decrypts, or of the one that loads keys
	key   uint64   // the key's number, or the slot
	meta  *buffer
	es    []*buffer // elementary stream: what was decrypted
	esSHM []*tee.SHM
	yuv   []*buffer
	rgb   []*buffer
	fb    []uint32
	in    []*buffer // encrypted samples, for the engine

	freeES, freeYUV, freeRGB []int
	ready                    []shown // pictures that wait for the display
	onScreen, flipping       *shown
	records                  int // good records about frames
}

// shown is a picture and its frame.
type shown struct{ rgb, frame int }

func (r *run) playback() (err error) {
	p := &player{run: r, clip: r.o.Clip}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.prepare(); err != nil {
		return err
	}
	if err := p.play(); err != nil {
		if refused(err) {
			r.note(false, "every master reaches the buffers of its stage", "%v", err)
			return nil
		}
		return err
	}
	r.note(p.records == r.result.Frames, "the decoder's record of each frame is readable in normal memory", "%d of %d records", p.records, r.result.Frames)
	p.cpu()
	return nil
}

// prepare allocates everything and opens the devices.
func (p *player) prepare() error {
	c := p.clip
	p.conv = media.NewVideo("transform", p.Core, p.Pages, p.Transform.Device, &media.ConvertWork{
		Transform: p.Transform, In: driver.NV12, InColour: driver.BT601Full, Out: driver.XRGB8888,
		InWidth: c.Width, InHeight: c.Height, Width: c.Width, Height: c.Height})
	p.conv.Output.Size, p.conv.Capture.Size = uint64(driver.NV12.Size(c.Width, c.Height)), uint64(driver.XRGB8888.Size(c.Width, c.Height))
	p.card = media.NewCard(p.Core, p.Pages, p.Display)

	system, err := p.Heaps.Open(heap.System)
	if err != nil {
		return err
	}
	if p.meta, err = p.alloc("record", metaSize, system); err != nil {
		return err
	}
	if err := p.decoder(); err != nil {
		return err
	}
	n := p.o.InFlight
	for i := range n {
		es, err := p.alloc(fmt.Sprintf("stream%d", i), p.dec.Output.Size, nil)
		if err != nil {
			return err
		}
		yuv, err := p.alloc(fmt.Sprintf("decoded%d", i), p.dec.Capture.Size, nil)
		if err != nil {
			return err
		}
		rgb, err := p.alloc(fmt.Sprintf("picture%d", i), p.conv.Capture.Size, nil)
		if err != nil {
			return err
		}
		p.es, p.yuv, p.rgb = append(p.es, es), append(p.yuv, yuv), append(p.rgb, rgb)
		p.freeES, p.freeYUV, p.freeRGB = append(p.freeES, i), append(p.freeYUV, i), append(p.freeRGB, i)
		for _, b := range []*buffer{es, yuv, rgb} {
			if err := p.look("allocated", 0, b); err != nil {
				return err
			}
		}
		h, err := p.card.Import(rgb.Buffer)
		if err != nil {
			return err
		}
		fb, err := p.card.AddFB(h, driver.XRGB8888, c.Width, c.Height, 4*c.Width, 0)
		if err != nil {
			return err
		}
		p.fb = append(p.fb, fb)
		if p.o.Engine {
			in, err := p.alloc(fmt.Sprintf("encrypted%d", i), p.dec.Output.Size, system)
			if err != nil {
				return err
			}
			p.in = append(p.in, in)
			continue
		}
		shm, err := p.register(es)
		if err != nil {
			return err
		}
		p.esSHM = append(p.esSHM, shm)
	}
	for _, q := range []*media.Queue{p.dec.Output, p.dec.Capture, p.conv.Output, p.conv.Capture} {
		if _, err := q.Request(n, media.DMABUF); err != nil {
			return err
		}
	}
	if err := p.loadKey(); err != nil {
		return err
	}
	return errors.Join(p.dec.StreamOn(), p.conv.StreamOn())
}

// decoder opens the decoder, and has it write its record to normal memory.
func (p *player) decoder() error {
	a, err := p.meta.Attach(p.Decoder.Device)
	if err != nil {
		return err
	}
	if _, err := a.Map(dmabuf.FromDevice); err != nil {
		return errors.Join(err, a.Detach())
	}
	record := driver.Mapped(a)
	record.Length = metaSize
	p.dec = media.NewVideo("decoder", p.Core, p.Pages, p.Decoder.Device, &media.DecodeWork{
		Decoder: p.Decoder, Codec: p.clip.Codec, Format: driver.NV12, Colour: driver.BT601Full, Width: p.clip.Width, Height: p.clip.Height,
		Meta: &record})
	p.dec.Output.Size = uint64(p.clip.LargestSample())
	p.dec.Capture.Size = uint64(driver.NV12.Size(p.clip.Width, p.clip.Height))
	return nil
}

// loadKey gives the content key to who decrypts.
func (p *player) loadKey() (err error) {
	if p.o.Engine {
		policy := optee.KeysDecrypt | optee.KeysCounter | optee.KeysCopy | optee.KeysDestinationProtected
		blob, err := optee.WrapKey(p.o.DeviceKey, policy, ContentKey[:])
		if err != nil {
			return fmt.Errorf("%w: device key: %w", ErrOption, err)
		}
		if p.keys, err = p.open("key application", optee.KeysUUID()); err != nil {
			return err
		}
		return p.load("loading a wrapped key", optee.KeysCmdLoadWrapped, blob)
	}
	if p.keys, err = p.open("decryption application", optee.DecryptUUID()); err != nil {
		return err
	}
	return p.load("loading a key", optee.DecryptCmdLoadKey, ContentKey[:])
}

func (p *player) load(what string, cmd uint32, key []byte) error {
	shm, err := p.share(key)
	if err != nil {
		return err
	}
	defer shm.Put()
	out, err := p.keys.invoke(what, cmd, tee.Memref(tee.AttrMemrefInput, shm, 0, uint64(len(key))), tee.Value(tee.AttrValueOutput, 0, 0, 0))
	if err == nil {
		p.key = out[1].A
	}
	return err
}

// play runs all frames through the path: each turn does what can be done, and then waits.
func (p *player) play() error {
	next, done := 0, 0
	for done < p.o.Frames {
		progress := false
		if next < p.o.Frames && len(p.freeES) > 0 {
			if err := p.decrypt(next); err != nil {
				return err
			}
			next, progress = next+1, true
		}
		moved, err := p.move()
		if err != nil {
			return err
		}
		n, err := p.display()
		if err != nil {
			return err
		}
		if done += n; n > 0 {
			p.progress(done, p.o.Frames)
		}
		if !progress && !moved && n == 0 {
			if err := p.sleep(); err != nil {
				return err
			}
		}
	}
	return nil
}

// decrypt fills a stream buffer and queues it for the decoder.
func (p *player) decrypt(frame int) error {
	i := p.freeES[0]
	p.freeES = p.freeES[1:]
	s := &p.clip.Samples[frame%len(p.clip.Samples)]
	p.emit("DECRYPT", event.Dec("frame", uint64(frame)), event.Dec("buffer", p.es[i].Serial()))
	if p.o.Engine {
		if err := p.byEngine(i, frame, s); err != nil {
			return err
		}
	} else if err := p.byApplication(i, s); err != nil {
		return err
	}
	if err := p.look("decrypted", frame, p.es[i]); err != nil {
		return err
	}
	if err := p.dec.Output.Queue(i, p.es[i].Buffer, uint32(len(s.Data)), uint64(frame)); err != nil {
		return err
	}
	if len(p.freeYUV) > 0 {
		y := p.freeYUV[0]
		p.freeYUV = p.freeYUV[1:]
		return p.dec.Capture.Queue(y, p.yuv[y].Buffer, 0, 0)
	}
	return nil
}

func (p *player) byApplication(i int, s *Sample) error {
	data, err := p.share(s.Data)
	if err != nil {
		return err
	}
	defer data.Put()
	info, err := p.share(s.Info)
	if err != nil {
		return err
	}
	defer info.Put()
	_, err = p.keys.invoke("decryption", optee.DecryptCmdDecrypt,
		tee.Memref(tee.AttrMemrefInput, data, 0, uint64(len(s.Data))),
		tee.Memref(tee.AttrMemrefOutput, p.esSHM[i], 0, uint64(len(s.Data))),
		tee.Memref(tee.AttrMemrefInput, info, 0, uint64(len(s.Info))),
		tee.Value(tee.AttrValueInput, p.key, ivSize, 0))
	return err
}

func (p *player) byEngine(i, frame int, s *Sample) (err error) {
	m, err := p.in[i].MMap(0, p.in[i].Size(), dmabuf.ProtRead|dmabuf.ProtWrite)
	if err != nil {
		return err
	}
	if err := errors.Join(m.Write(0, s.Data), m.Unmap()); err != nil {
		return err
	}
	var parts []driver.CryptoPart
	for _, sub := range s.Protection.Subsamples {
		if sub.Clear > 0 {
			parts = append(parts, driver.CryptoPart{Length: uint32(sub.Clear), Copy: true})
		}
		if sub.Encrypted > 0 {
			parts = append(parts, driver.CryptoPart{Length: sub.Encrypted})
		}
	}
	job := &driver.CryptoJob{Decrypt: true, Counter64: true, Slot: uint32(p.key), Length: uint32(len(s.Data)), Parts: parts}
	copy(job.IV[:], s.Protection.IV)
	return p.through(p.Crypto.Device, p.in[i], p.es[i], func(src, dst driver.Buffer) error {
		job.Source, job.Dest = src, dst
		job.Source.Length, job.Dest.Length = job.Length, job.Length
		if err := p.Crypto.Run(job); err != nil {
			return err
		}
		return p.look("decrypting", frame, p.es[i])
	})
}

// through maps two buffers for a device around f.
func (r *run) through(dev dmabuf.Device, from, to *buffer, f func(src, dst driver.Buffer) error) error {
	a, err := from.Attach(dev)
	if err != nil {
		return err
	}
	if _, err := a.Map(dmabuf.ToDevice); err != nil {
		return errors.Join(err, a.Detach())
	}
	b, err := to.Attach(dev)
	if err == nil {
		if _, err = b.Map(dmabuf.FromDevice); err == nil {
			err = errors.Join(f(driver.Mapped(a), driver.Mapped(b)), b.Unmap(dmabuf.FromDevice))
		}
		err = errors.Join(err, b.Detach())
	}
	return errors.Join(err, a.Unmap(dmabuf.ToDevice), a.Detach())
}

// move hands buffers from device to device.
func (p *player) move() (moved bool, err error) {
	for p.dec.Capture.Ready() && p.dec.Output.Ready() {
		moved = true
		if err := p.decoded(); err != nil {
			return true, err
		}
	}
	for p.conv.Capture.Ready() && p.conv.Output.Ready() {
		moved = true
		if err := p.converted(); err != nil {
			return true, err
		}
	}
	for len(p.freeYUV) > 0 && p.waiting(p.dec.Output) > p.waiting(p.dec.Capture) {
		y := p.freeYUV[0]
		p.freeYUV = p.freeYUV[1:]
		moved = true
		if err := p.dec.Capture.Queue(y, p.yuv[y].Buffer, 0, 0); err != nil {
			return true, err
		}
	}
	for len(p.freeRGB) > 0 && p.waiting(p.conv.Output) > p.waiting(p.conv.Capture) {
		i := p.freeRGB[0]
		p.freeRGB = p.freeRGB[1:]
		moved = true
		if err := p.conv.Capture.Queue(i, p.rgb[i].Buffer, 0, 0); err != nil {
			return true, err
		}
	}
	return moved, nil
}

// waiting counts the buffers of a queue that are with the device.
func (p *player) waiting(q *media.Queue) (n int) {
	for i := range q.Buffers() {
		if b, err := q.Buffer(i); err == nil && (b.State == media.Queued || b.State == media.Active) {
			n++
		}
	}
	return n
}

// done finds the buffers of a job that has ended, which are mapped still.
func done(q *media.Queue) *media.VBuffer {
	b, _ := q.Peek()
	return b
}

// decoded hands a decoded frame to the transform.
func (p *player) decoded() error {
	out, cap := done(p.dec.Output), done(p.dec.Capture)
	frame := int(cap.Cookie)
	if cap.Err != nil {
		return fmt.Errorf("frame %d: %w", frame, cap.Err)
	}
	for _, b := range []*buffer{p.es[out.Index], p.yuv[cap.Index]} {
		if err := p.look("decoding", frame, b); err != nil {
			return err
		}
	}
	p.record()
	if _, err := p.dec.Output.Dequeue(); err != nil {
		return err
	}
	if _, err := p.dec.Capture.Dequeue(); err != nil {
		return err
	}
	for _, b := range []*buffer{p.es[out.Index], p.yuv[cap.Index]} {
		if err := p.look("decoded", frame, b); err != nil {
			return err
		}
	}
	p.freeES = append(p.freeES, out.Index)
	return p.conv.Output.Queue(cap.Index, p.yuv[cap.Index].Buffer, 0, cap.Cookie)
}

// record reads what the decoder says about a frame, with the processor.
func (p *player) record() {
	m, err := p.meta.MMap(0, dmabuf.PageSize, dmabuf.ProtRead)
	if err != nil {
		return
	}
	var b [metaSize]byte
	err = errors.Join(m.Read(0, b[:]), m.Unmap())
	if err == nil && binary.LittleEndian.Uint32(b[:]) == metaMagic && binary.LittleEndian.Uint32(b[8:]) == p.clip.Width|p.clip.Height<<16 {
		p.records++
	}
}

// converted hands a picture to the display.
func (p *player) converted() error {
	out, cap := done(p.conv.Output), done(p.conv.Capture)
	frame := int(cap.Cookie)
	if cap.Err != nil {
		return fmt.Errorf("frame %d: %w", frame, cap.Err)
	}
	for _, b := range []*buffer{p.yuv[out.Index], p.rgb[cap.Index]} {
		if err := p.look("transforming", frame, b); err != nil {
			return err
		}
	}
	if _, err := p.conv.Output.Dequeue(); err != nil {
		return err
	}
	if _, err := p.conv.Capture.Dequeue(); err != nil {
		return err
	}
	p.freeYUV = append(p.freeYUV, out.Index)
	p.ready = append(p.ready, shown{cap.Index, frame})
	return nil
}

// display shows the next picture, and gives back the one that is not shown any more. It says how many frames have come on the
// screen.
func (p *player) display() (n int, err error) {
	if p.flipping != nil && len(p.card.Events()) > 0 {
		if old := p.onScreen; old != nil {
			if err := p.look("shown", old.frame, p.rgb[old.rgb]); err != nil {
				return 0, err
			}
			p.freeRGB = append(p.freeRGB, old.rgb)
		}
		p.onScreen, p.flipping = p.flipping, nil
		n = 1
		if err := p.look("displaying", p.onScreen.frame, p.rgb[p.onScreen.rgb]); err != nil {
			return 0, err
		}
	}
	if p.flipping != nil || len(p.ready) == 0 {
		return n, nil
	}
	s := p.ready[0]
	p.ready = p.ready[1:]
	p.emit("SHOW", event.Dec("frame", uint64(s.frame)), event.Dec("buffer", p.rgb[s.rgb].Serial()))
	if p.onScreen == nil {
		if err := p.card.SetCrtc(p.fb[s.rgb]); err != nil {
			return n, err
		}
		if err := p.Display.WaitFrame(); err != nil {
			return n, err
		}
		p.onScreen = &s
		return n + 1, p.look("displaying", s.frame, p.rgb[s.rgb])
	}
	p.flipping = &s
	return n, p.card.PageFlip(p.fb[s.rgb], uint64(s.frame)+1)
}

// cpu checks that processes cannot map what is protected, and that the last frame stands on the screen.
func (p *player) cpu() {
	for _, b := range slices.Concat(p.es, p.yuv, p.rgb) {
		if _, err := b.MMap(0, dmabuf.PageSize, dmabuf.ProtRead); err == nil {
			p.note(false, "no process can map a buffer", "%s was mapped", b.name)
			return
		}
	}
	p.note(true, "no process can map a buffer", "")
	if err := p.Display.WaitFrame(); err != nil {
		p.note(false, "the display reads its picture to the end", "%v", err)
		return
	}
	p.note(true, "the display reads its picture to the end", "")
}

// close takes everything down; buffers go afterwards.
func (p *player) close() error {
	var errs []error
	if p.card != nil {
		errs = append(errs, p.card.Close())
	}
	for _, v := range []*media.Video{p.dec, p.conv} {
		if v != nil {
			errs = append(errs, v.Close())
		}
	}
	if p.meta != nil {
		for a := range p.meta.Attachments() {
			errs = append(errs, a.Unmap(dmabuf.FromDevice), a.Detach())
			break
		}
	}
	for _, s := range p.esSHM {
		s.Put()
	}
	if p.keys != nil {
		errs = append(errs, p.keys.close())
	}
	err := errors.Join(errs...)
	if errors.Is(err, normalworld.EBUSY) {
		return fmt.Errorf("still in use: %w", err)
	}
	return err
}
