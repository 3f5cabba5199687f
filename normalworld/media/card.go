package media

import (
	"fmt"
	"slices"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/mem"
)

// Card is the display as a DRM device: buffer objects by handle, frame buffers, one pipe.
type Card struct {
	Display *driver.Display

	core    *dmabuf.Core
	pages   *mem.Allocator
	objects []*object // by handle - 1; nil where it was closed
	frames  []*frame  // by id - 1
	current *frame    // what the display reads
	next    *frame    // what it will read when the flip is done
	on      bool
	flipped []uint64 // cookies of flips that nobody has taken
}

// object is a buffer object (struct drm_gem_object).
type object struct {
	own  []dmabuf.Segment // of a dumb buffer
	buf  *dmabuf.Buffer   // exported or imported
	att  *dmabuf.Attachment
	size uint64
	uses int // frame buffers
	pins int // frame buffers that the display reads or will read
	segs []dmabuf.Segment
}

// frame is a frame buffer (struct drm_framebuffer).
type frame struct {
	obj           *object
	format        driver.Format
	width, height uint32
	stride        uint32
	offset        uint32
}

// NewCard makes the device.
func NewCard(core *dmabuf.Core, pages *mem.Allocator, d *driver.Display) *Card {
	c := &Card{Display: d, core: core, pages: pages}
	d.Flips = c
	return c
}

func (c *Card) handle(o *object) uint32 {
	for i, old := range c.objects {
		if old == nil {
			c.objects[i] = o
			return uint32(i + 1)
		}
	}
	c.objects = append(c.objects, o)
	return uint32(len(c.objects))
}

func (c *Card) object(handle uint32) (*object, error) {
	if handle == 0 || int64(handle) > int64(len(c.objects)) || c.objects[handle-1] == nil {
		return nil, normalworld.ENOENT
	}
	return c.objects[handle-1], nil
}

// CreateDumb makes a buffer object of contiguous memory (DRM_IOCTL_MODE_CREATE_DUMB).
func (c *Card) CreateDumb(width, height, bytesPerPixel uint32) (handle uint32, stride uint32, size uint64, err error) {
	if width == 0 || height == 0 || bytesPerPixel == 0 || bytesPerPixel > 4 || width > 1<<14 || height > 1<<14 {
		return 0, 0, 0, normalworld.EINVAL
	}
	stride = (width*bytesPerPixel + 7) &^ 7
	size = (uint64(stride)*uint64(height) + mem.PageSize - 1) &^ (mem.PageSize - 1)
	pa, err := c.pages.AllocContig(size, mem.Flags{Mask: c.Display.Device.DMAMask, Zero: true})
	if err != nil {
		return 0, 0, 0, err
	}
	return c.handle(&object{own: []dmabuf.Segment{{Addr: pa, Len: size}}, size: size}), stride, size, nil
}

// Import gives a handle for a dma-buf (DRM_IOCTL_PRIME_FD_TO_HANDLE): the same one again for a buffer that is known, be it imported or
// the card's own.
func (c *Card) Import(b *dmabuf.Buffer) (uint32, error) {
	for i, o := range c.objects {
		if o != nil && o.buf == b {
			return uint32(i + 1), nil
		}
	}
	if err := b.Get(); err != nil {
		return 0, err
	}
	att, err := b.Attach(c.Display.Device)
	if err != nil {
		if perr := b.Put(); perr != nil {
			return 0, fmt.Errorf("%w; %w", err, perr)
		}
		return 0, err
	}
	return c.handle(&object{buf: b, att: att, size: b.Size()}), nil
}

// Export gives a dma-buf for an object (DRM_IOCTL_PRIME_HANDLE_TO_FD), with a reference of the caller's.
func (c *Card) Export(handle uint32) (*dmabuf.Buffer, error) {
	o, err := c.object(handle)
	if err != nil {
		return nil, err
	}
	if o.buf != nil && !o.buf.Released() {
		return o.buf, o.buf.Get()
	}
	o.buf, err = c.core.Export(dmabuf.ExportInfo{Name: "drm", Exporter: c, Size: o.size, Flags: dmabuf.ORdWr, Private: o})
	return o.buf, err
}

// CloseHandle frees an object (DRM_IOCTL_GEM_CLOSE): EBUSY while it has frame buffers, or others use what was exported of it.
func (c *Card) CloseHandle(handle uint32) error {
	o, err := c.object(handle)
	switch {
	case err != nil:
		return err
	case o.uses > 0, o.own != nil && o.buf != nil && !o.buf.Released():
		return normalworld.EBUSY
	}
	if o.own != nil {
		if err := c.pages.FreeContig(o.own[0].Addr, o.own[0].Len); err != nil {
			panic("BUG: media: " + err.Error())
		}
	} else {
		if err := o.att.Detach(); err != nil {
			return err
		}
		if err := o.buf.Put(); err != nil {
			return err
		}
	}
	c.objects[handle-1] = nil
	return nil
}

// AddFB makes a frame buffer of an object (DRM_IOCTL_MODE_ADDFB2).
func (c *Card) AddFB(handle uint32, f driver.Format, width, height, stride, offset uint32) (id uint32, err error) {
	o, err := c.object(handle)
	if err != nil {
		return 0, err
	}
	bytes := map[driver.Format]uint32{driver.XRGB8888: 4, driver.RGB565: 2}[f]
	if bytes == 0 || width == 0 || height == 0 || width > 4096 || height > 4096 || stride < width*bytes ||
		uint64(offset)+uint64(stride)*uint64(height-1)+uint64(width*bytes) > o.size {
		return 0, normalworld.EINVAL
	}
	o.uses++
	fb := &frame{obj: o, format: f, width: width, height: height, stride: stride, offset: offset}
	if i := slices.Index(c.frames, nil); i >= 0 {
		c.frames[i] = fb
		return uint32(i + 1), nil
	}
	c.frames = append(c.frames, fb)
	return uint32(len(c.frames)), nil
}

func (c *Card) frame(id uint32) (*frame, error) {
	if id == 0 || int64(id) > int64(len(c.frames)) || c.frames[id-1] == nil {
		return nil, normalworld.ENOENT
	}
	return c.frames[id-1], nil
}

// RemoveFB ends a frame buffer (DRM_IOCTL_MODE_RMFB). The display is switched off if it shows it.
func (c *Card) RemoveFB(id uint32) error {
	f, err := c.frame(id)
	if err != nil {
		return err
	}
	if f == c.current || f == c.next {
		if err := c.Off(); err != nil {
			return err
		}
	}
	f.obj.uses--
	c.frames[id-1] = nil
	return nil
}

// prepare maps what the display is to read, and waits for its writers (drm_gem_plane_helper_prepare_fb).
func (c *Card) prepare(f *frame) error {
	if b := f.obj.buf; b != nil && !b.Released() {
		if err := b.Reservation().Wait(dmabuf.WriteUsage, normalworld.Forever); err != nil {
			return err
		}
	}
	o := f.obj
	if o.pins == 0 {
		o.segs = o.own
		if o.own == nil {
			segs, err := o.att.Map(dmabuf.ToDevice)
			if err != nil {
				return err
			}
			o.segs = segs
		}
	}
	o.pins++
	return nil
}

// cleanup ends that.
func (c *Card) cleanup(f *frame) error {
	if f == nil {
		return nil
	}
	if f.obj.pins--; f.obj.pins > 0 || f.obj.own != nil {
		return nil
	}
	return f.obj.att.Unmap(dmabuf.ToDevice)
}

func (f *frame) memory() driver.Buffer {
	return driver.Buffer{Segs: f.obj.segs, Offset: f.offset, Stride: f.stride}
}

// SetCrtc shows a frame buffer in a mode of its size (DRM_IOCTL_MODE_SETCRTC).
func (c *Card) SetCrtc(id uint32) error {
	f, err := c.frame(id)
	if err != nil {
		return err
	}
	if err := c.Off(); err != nil {
		return err
	}
	if err := c.prepare(f); err != nil {
		return err
	}
	if err := c.Display.Enable(driver.ModeFor(f.width, f.height), f.format, f.memory()); err != nil {
		if cerr := c.cleanup(f); cerr != nil {
			return fmt.Errorf("%w; %w", err, cerr)
		}
		return err
	}
	c.current, c.on = f, true
	return nil
}

// PageFlip shows another frame buffer of the same layout from the next frame on (DRM_IOCTL_MODE_PAGE_FLIP): EBUSY while a flip is under
// way. Events gives the cookie when it is done.
func (c *Card) PageFlip(id uint32, cookie uint64) error {
	f, err := c.frame(id)
	switch {
	case err != nil:
		return err
	case !c.on:
		return normalworld.EINVAL
	case c.next != nil:
		return normalworld.EBUSY
	case f.width != c.current.width || f.height != c.current.height || f.stride != c.current.stride || f.format != c.current.format:
		return normalworld.EINVAL
	}
	if err := c.prepare(f); err != nil {
		return err
	}
	if err := c.Display.Flip(f.memory(), cookie); err != nil {
		if cerr := c.cleanup(f); cerr != nil {
			return fmt.Errorf("%w; %w", err, cerr)
		}
		return err
	}
	c.next = f
	return nil
}

// Flipped ends a flip: what was shown before is not read any more. See driver.FlipHandler.
func (c *Card) Flipped(cookie uint64) {
	old := c.current
	c.current, c.next = c.next, nil
	if err := c.cleanup(old); err != nil {
		panic("BUG: media: a frame buffer that was mapped cannot be unmapped: " + err.Error())
	}
	c.flipped = append(c.flipped, cookie)
}

// Events takes the cookies of the flips that are done.
func (c *Card) Events() []uint64 {
	all := c.flipped
	c.flipped = nil
	return all
}

// Off switches the display off; nothing is mapped any more.
func (c *Card) Off() error {
	if err := c.Display.Disable(); err != nil {
		return err
	}
	c.on = false
	for _, f := range []*frame{c.current, c.next} {
		if err := c.cleanup(f); err != nil {
			return err
		}
	}
	c.current, c.next = nil, nil
	return nil
}

// Close frees everything that nobody else uses: EBUSY where somebody does.
func (c *Card) Close() error {
	if err := c.Off(); err != nil {
		return err
	}
	for i, f := range c.frames {
		if f != nil {
			f.obj.uses--
			c.frames[i] = nil
		}
	}
	for i, o := range c.objects {
		if o != nil {
			if err := c.CloseHandle(uint32(i + 1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Attach lets a device at one of the card's own objects. See dmabuf.Exporter.
func (c *Card) Attach(*dmabuf.Attachment) error { return nil }

// Detach has nothing to undo.
func (c *Card) Detach(*dmabuf.Attachment) {}

// Map gives the memory as the importer reaches it.
func (c *Card) Map(a *dmabuf.Attachment, _ dmabuf.Direction) ([]dmabuf.Segment, error) {
	return a.MapSG(a.Buffer().Private.(*object).own)
}

// Unmap undoes Map.
func (c *Card) Unmap(a *dmabuf.Attachment, _ []dmabuf.Segment, dir dmabuf.Direction) {
	_ = a.UnmapSG(dir) // memory within reach cannot fail
}

// Release has nothing to free: the memory is the object's.
func (c *Card) Release(*dmabuf.Buffer) {}

// MMap permits mappings of processes. See dmabuf.MMapper.
func (c *Card) MMap(*dmabuf.Buffer, uint64, uint64) error { return nil }

// Fault gives the page at an offset.
func (c *Card) Fault(b *dmabuf.Buffer, offset uint64) (uint64, error) {
	return b.Private.(*object).own[0].Addr + offset, nil
}
