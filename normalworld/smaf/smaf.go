package smaf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
)

// NameLength is the room for an allocator's name with its zero byte (MAX_NAME_LENGTH).
const NameLength = 64

// Flags of a new buffer.
const (
	RDWR    = dmabuf.ORdWr
	CLOEXEC = dmabuf.OCloexec
)

// Secure is the platform's secure module (struct smaf_secure).
type Secure interface {
	// CreateContext begins the protection of one buffer.
	CreateContext() (Context, error)
}

// Context is the protection of one buffer.
type Context interface {
	// Protect takes the memory from every master that nothing is granted to. It is called once, when the memory is there. The
	// framework calls Grant, Revoke and Destroy afterwards only.
	Protect(segs []dmabuf.Segment) error
	// Grant gives a device access to one segment, as the direction says.
	Grant(dev *dmabuf.Device, seg dmabuf.Segment, dir dmabuf.Direction) error
	// Revoke takes back what Grant gave.
	Revoke(dev *dmabuf.Device, seg dmabuf.Segment, dir dmabuf.Direction) error
	// AllowCPU reports whether the processor may map or access the memory in a direction.
	AllowCPU(dir dmabuf.Direction) bool
	// Destroy ends the protection. The memory has nothing in it any more when everybody can reach it again. Where it fails, the
	// memory is still protected.
	Destroy() error
}

// Rules that a caller can break. Nothing has changed then.
var (
	// ErrAllocator is a module that lacks something, or whose name is taken.
	ErrAllocator = fmt.Errorf("an allocator needs a name of 1 to %d bytes that no other has: %w", NameLength-1, normalworld.EINVAL)
	// ErrNoAllocator is a name that nobody has, or devices that no allocator matches.
	ErrNoAllocator = fmt.Errorf("no allocator for the buffer: %w", normalworld.EINVAL)
	// ErrNoSecure is a secure flag without a secure module.
	ErrNoSecure = fmt.Errorf("no secure module is registered: %w", normalworld.EINVAL)
	// ErrSecureModule is a second secure module, or none.
	ErrSecureModule = fmt.Errorf("there is one secure module for a platform: %w", normalworld.EBUSY)
	// ErrInUse is a module that buffers depend on.
	ErrInUse = fmt.Errorf("buffers depend on the module: %w", normalworld.EBUSY)
	// ErrNotOurs is a dma-buf of another exporter.
	ErrNotOurs = fmt.Errorf("the buffer is not SMAF's: %w", normalworld.EINVAL)
	// ErrMapped is a change of the secure flag while a device or the processor uses the buffer.
	ErrMapped = fmt.Errorf("the secure flag of a buffer in use cannot change: %w", normalworld.EBUSY)
	// ErrCPU is an access of the processor that the secure module forbids.
	ErrCPU = fmt.Errorf("the secure module does not let the processor in: %w", normalworld.EINVAL)
	// ErrLost is a buffer whose memory the secure module does not give back. It is not used again.
	ErrLost = fmt.Errorf("the secure module keeps the buffer's memory: %w", normalworld.EIO)
)

// Device is /dev/smaf of one kernel.
type Device struct {
	core       *dmabuf.Core
	allocators []Allocator // best first
	secure     Secure
	contexts   int       // of buffers that are secure
	lost       []*handle // whose memory did not come back
}

// New makes the device; its buffers are c's.
func New(c *dmabuf.Core) *Device { return &Device{core: c} }

// RegisterAllocator adds an allocator (smaf_register_allocator): ErrAllocator.
func (d *Device) RegisterAllocator(a Allocator) error {
	if a == nil || a.Name() == "" || len(a.Name()) >= NameLength || strings.ContainsRune(a.Name(), 0) || d.find(a.Name()) != nil {
		return ErrAllocator
	}
	d.allocators = append(d.allocators, a)
	slices.SortFunc(d.allocators, func(a, b Allocator) int {
		return cmp.Or(cmp.Compare(b.Ranking(), a.Ranking()), strings.Compare(a.Name(), b.Name()))
	})
	return nil
}

// UnregisterAllocator takes an allocator away by its name. Memory that it gave stays; buffers that were to get theirs from it
// cannot be mapped any more.
func (d *Device) UnregisterAllocator(name string) error {
	i := slices.IndexFunc(d.allocators, func(a Allocator) bool { return a.Name() == name })
	if i < 0 {
		return ErrNoAllocator
	}
	d.allocators = slices.Delete(d.allocators, i, i+1)
	return nil
}

// Allocators gives the names, best first.
func (d *Device) Allocators() []string {
	var names []string
	for _, a := range d.allocators {
		names = append(names, a.Name())
	}
	return names
}

// RegisterSecure sets the secure module (smaf_register_secure): ErrSecureModule where there is one.
func (d *Device) RegisterSecure(s Secure) error {
	if s == nil || d.secure != nil {
		return ErrSecureModule
	}
	d.secure = s
	return nil
}

// UnregisterSecure takes the secure module away: ErrInUse while buffers are secure.
func (d *Device) UnregisterSecure() error {
	switch {
	case d.contexts != 0:
		return ErrInUse
	case d.secure == nil:
		return ErrNoSecure
	}
	d.secure = nil
	return nil
}

// Lost gives the memory that secure modules did not give back.
func (d *Device) Lost() []*dmabuf.Buffer {
	var all []*dmabuf.Buffer
	for _, h := range d.lost {
		all = append(all, h.memory)
	}
	return all
}

// Settle asks the secure modules again for the memory of buffers that have gone, and says how many they keep still.
func (d *Device) Settle() (buffers int) {
	list := d.lost
	d.lost = nil
	for _, h := range list {
		d.release(h)
	}
	return len(d.lost)
}

func (d *Device) find(name string) Allocator {
	for _, a := range d.allocators {
		if a.Name() == name {
			return a
		}
	}
	return nil
}

// handle is what a buffer of this device is made of (struct smaf_handle).
type handle struct {
	dev     *Device
	name    string         // of the allocator, where the creator chose one or memory is there
	memory  *dmabuf.Buffer // nil before it is needed
	ctx     Context        // nil unless the buffer is secure
	guarded bool           // ctx.Protect was called
	users   int            // mapped attachments, kernel mappings and processor accesses
}

// Create makes a buffer of length bytes, rounded up to pages, without memory (SMAF_IOC_CREATE). With a name that allocator will be used
// whatever devices there are: ErrNoAllocator where there is none. Flags are RDWR and CLOEXEC: EINVAL for others.
func (d *Device) Create(length uint64, flags uint32, name string) (*dmabuf.Buffer, error) {
	size := (length + dmabuf.PageSize - 1) &^ (dmabuf.PageSize - 1)
	switch {
	case flags&^uint32(RDWR|CLOEXEC) != 0 || size == 0:
		return nil, normalworld.EINVAL
	case name != "" && d.find(name) == nil:
		return nil, ErrNoAllocator
	}
	return d.core.Export(dmabuf.ExportInfo{Name: "smaf", Exporter: d, Size: size, Flags: flags, Private: &handle{dev: d, name: name}})
}

// handleOf finds the handle of a buffer that must be d's and alive.
func (d *Device) handleOf(b *dmabuf.Buffer) (*handle, error) {
	if b.Exporter() != d || b.Released() {
		return nil, ErrNotOurs
	}
	return b.Private.(*handle), nil
}

// IsSecure reports the secure flag (SMAF_IOC_GET_SECURE_FLAG).
func (d *Device) IsSecure(b *dmabuf.Buffer) (bool, error) {
	h, err := d.handleOf(b)
	return err == nil && h.ctx != nil, err
}

// Protected reports whether the buffer is secure, or has memory that is protected anyway. See dmabuf.Protector.
func (d *Device) Protected(b *dmabuf.Buffer) bool {
	h := b.Private.(*handle)
	return h.ctx != nil || h.memory != nil && h.memory.Protected()
}

// SetSecure changes the secure flag (SMAF_IOC_SET_SECURE_FLAG). Memory that is there already is protected at once; when the flag goes,
// memory comes back with nothing in it, as it does where it could be protected in part only. Mappings of the processor stay, and what
// they touch is denied by the bus.
func (d *Device) SetSecure(b *dmabuf.Buffer, secure bool) error {
	h, err := d.handleOf(b)
	switch {
	case err != nil:
		return err
	case secure == (h.ctx != nil):
		return nil
	case h.users != 0:
		return ErrMapped
	case !secure:
		return h.unsecure()
	case d.secure == nil:
		return ErrNoSecure
	}
	ctx, err := d.secure.CreateContext()
	if err != nil {
		return err
	}
	h.ctx = ctx
	d.contexts++
	if h.memory == nil {
		return nil
	}
	if err := h.guard(); err != nil {
		if uerr := h.unsecure(); uerr != nil {
			return fmt.Errorf("%w; %w", err, uerr)
		}
		return err
	}
	return nil
}

// unsecure ends the protection.
func (h *handle) unsecure() error {
	if err := h.ctx.Destroy(); err != nil {
		return err
	}
	h.ctx, h.guarded = nil, false
	h.dev.contexts--
	return nil
}

// guard protects the memory of a secure buffer. The secure module is told of the memory itself, as no device in particular has it.
func (h *handle) guard() error {
	if h.ctx == nil || h.guarded {
		return nil
	}
	a, err := h.memory.Attach(dmabuf.Device{Name: "smaf", DMAMask: 1<<64 - 1})
	if err != nil {
		return err
	}
	segs, err := a.Map(dmabuf.Bidirectional)
	if err == nil {
		// A context that failed half-way has taken its steps back.
		if err = h.ctx.Protect(slices.Clone(segs)); err == nil {
			h.guarded = true
		}
		if uerr := a.Unmap(dmabuf.Bidirectional); err == nil {
			err = uerr
		}
	}
	if derr := a.Detach(); err == nil {
		err = derr
	}
	return err
}

// allocate gets the memory when it is needed first (smaf_allocate).
func (h *handle) allocate(b *dmabuf.Buffer) error {
	if h.memory == nil {
		alloc, err := h.choose(b)
		if err != nil {
			return err
		}
		m, err := alloc.Allocate(b, b.Size())
		switch {
		case err != nil:
			return err
		case m == nil || m.Size() < b.Size():
			return ErrNoAllocator
		}
		h.name, h.memory = alloc.Name(), m
	}
	return h.guard()
}

func (h *handle) choose(b *dmabuf.Buffer) (Allocator, error) {
	if h.name != "" {
		if a := h.dev.find(h.name); a != nil {
			return a, nil
		}
		return nil, ErrNoAllocator
	}
	attached := false
	for range b.Attachments() {
		attached = true
		break
	}
	for _, a := range h.dev.allocators {
		if !attached || a.Match(b) {
			return a, nil
		}
	}
	return nil, ErrNoAllocator
}

// Allocator is the name of the allocator that gave the buffer's memory, or was chosen for it; empty while that is open.
func (d *Device) Allocator(b *dmabuf.Buffer) (string, error) {
	h, err := d.handleOf(b)
	if err != nil {
		return "", err
	}
	return h.name, nil
}

// Attach makes a device known to the memory, if that is there already. See dmabuf.Exporter.
func (d *Device) Attach(a *dmabuf.Attachment) error {
	h := a.Buffer().Private.(*handle)
	if h.memory == nil {
		return nil
	}
	return attach(h, a)
}

func attach(h *handle, a *dmabuf.Attachment) error {
	inner, err := h.memory.Attach(*a.Device())
	if err == nil {
		a.Private = inner
	}
	return err
}

// Detach undoes Attach.
func (d *Device) Detach(a *dmabuf.Attachment) {
	if inner, ok := a.Private.(*dmabuf.Attachment); ok {
		if err := inner.Detach(); err != nil {
			panic("BUG: an attachment that is not mapped cannot be detached: " + err.Error())
		}
		a.Private = nil
	}
}

// Map maps the memory, which is allocated now if it was not before, and grants the device its access.
func (d *Device) Map(a *dmabuf.Attachment, dir dmabuf.Direction) ([]dmabuf.Segment, error) {
	h := a.Buffer().Private.(*handle)
	h.users++ // the secure flag stays as it is meanwhile
	segs, err := h.mapFor(a, dir)
	if err != nil {
		h.users--
	}
	return segs, err
}

func (h *handle) mapFor(a *dmabuf.Attachment, dir dmabuf.Direction) ([]dmabuf.Segment, error) {
	if err := h.allocate(a.Buffer()); err != nil {
		return nil, err
	}
	if a.Private == nil {
		if err := attach(h, a); err != nil {
			return nil, err
		}
	}
	inner := a.Private.(*dmabuf.Attachment)
	segs, err := inner.Map(dir)
	if err != nil {
		return nil, err
	}
	if h.ctx == nil {
		return segs, nil
	}
	for i, s := range segs {
		if err := h.ctx.Grant(a.Device(), s, dir); err != nil {
			h.revoke(a.Device(), segs[:i], dir)
			if uerr := inner.Unmap(dir); uerr != nil {
				err = fmt.Errorf("%w; %w", err, uerr)
			}
			return nil, err
		}
	}
	return segs, nil
}

// revoke takes access back. Where the secure module fails, access lasts until the context is destroyed: it has no device to tell.
func (h *handle) revoke(dev *dmabuf.Device, segs []dmabuf.Segment, dir dmabuf.Direction) {
	for _, s := range slices.Backward(segs) {
		_ = h.ctx.Revoke(dev, s, dir)
	}
}

// Unmap revokes the device's access and unmaps the memory.
func (d *Device) Unmap(a *dmabuf.Attachment, segs []dmabuf.Segment, dir dmabuf.Direction) {
	h := a.Buffer().Private.(*handle)
	if h.ctx != nil {
		h.revoke(a.Device(), segs, dir)
	}
	if err := a.Private.(*dmabuf.Attachment).Unmap(dir); err != nil {
		panic("BUG: memory that was mapped cannot be unmapped: " + err.Error())
	}
	h.users--
}

// Release gives the memory back, after it has left the secure module's care.
func (d *Device) Release(b *dmabuf.Buffer) {
	h := b.Private.(*handle)
	if h.ctx != nil {
		d.contexts-- // the buffer has gone, whatever its memory does
	}
	d.release(h)
}

func (d *Device) release(h *handle) {
	if h.ctx != nil {
		if err := h.ctx.Destroy(); err != nil {
			// Nobody may use memory again that may still be closed, and open to some masters. Without memory there is nothing to lose.
			if h.memory != nil {
				d.lost = append(d.lost, h)
			}
			return
		}
		h.ctx = nil
	}
	if h.memory != nil {
		if err := h.memory.Put(); err != nil {
			d.lost = append(d.lost, h)
		}
	}
}

// allowCPU readies the memory for the processor, if the secure module lets it in.
func (h *handle) allowCPU(b *dmabuf.Buffer, dir dmabuf.Direction) error {
	if h.ctx != nil && !h.ctx.AllowCPU(dir) {
		return ErrCPU
	}
	return h.allocate(b)
}

// MMap checks a process's mapping with the secure module. See dmabuf.MMapper.
func (d *Device) MMap(b *dmabuf.Buffer, offset, length uint64) error {
	h := b.Private.(*handle)
	if err := h.allowCPU(b, dmabuf.Bidirectional); err != nil {
		return err
	}
	m, ok := h.memory.Exporter().(dmabuf.MMapper)
	if !ok {
		return dmabuf.ErrNoMMap
	}
	return m.MMap(h.memory, offset, length)
}

// Fault gives the page behind a mapping. The secure flag may have come since.
func (d *Device) Fault(b *dmabuf.Buffer, offset uint64) (uint64, error) {
	h := b.Private.(*handle)
	if err := h.allowCPU(b, dmabuf.Bidirectional); err != nil {
		return 0, err
	}
	m, ok := h.memory.Exporter().(dmabuf.MMapper)
	if !ok {
		return 0, dmabuf.ErrNoMMap
	}
	return m.Fault(h.memory, offset)
}

// VMap checks the kernel's mapping with the secure module. See dmabuf.VMapper.
func (d *Device) VMap(b *dmabuf.Buffer) ([]dmabuf.Segment, error) {
	h := b.Private.(*handle)
	if err := h.allowCPU(b, dmabuf.Bidirectional); err != nil {
		return nil, err
	}
	m, ok := h.memory.Exporter().(dmabuf.VMapper)
	if !ok {
		return nil, dmabuf.ErrNoVMap
	}
	segs, err := m.VMap(h.memory)
	if err == nil {
		h.users++
	}
	return segs, err
}

// VUnmap undoes VMap.
func (d *Device) VUnmap(b *dmabuf.Buffer) {
	h := b.Private.(*handle)
	h.memory.Exporter().(dmabuf.VMapper).VUnmap(h.memory)
	h.users--
}

// BeginCPUAccess checks the processor's access with the secure module. See dmabuf.CPUAccessor.
func (d *Device) BeginCPUAccess(b *dmabuf.Buffer, dir dmabuf.Direction) error {
	h := b.Private.(*handle)
	if err := h.allowCPU(b, dir); err != nil {
		return err
	}
	if err := h.memory.BeginCPUAccess(dir); err != nil {
		return err
	}
	h.users++
	return nil
}

// EndCPUAccess undoes BeginCPUAccess.
func (d *Device) EndCPUAccess(b *dmabuf.Buffer, dir dmabuf.Direction) error {
	h := b.Private.(*handle)
	if err := h.memory.EndCPUAccess(dir); err != nil {
		return err
	}
	h.users--
	return nil
}
