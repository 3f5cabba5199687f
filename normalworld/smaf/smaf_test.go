package smaf_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/smaf"
	"gatehouse/platform"
	"gatehouse/secureworld"
)

// kernel is a device with the two example allocators and a secure module that keeps account.
type kernel struct {
	t     *testing.T
	dev   *smaf.Device
	core  *dmabuf.Core
	pages *mem.Allocator
	free  uint64 // pages, with nothing allocated
	mod   *module
}

func boot(t *testing.T) *kernel {
	t.Helper()
	m, err := platform.New(platform.Config{Firmware: secureworld.New(secureworld.DefaultConfig()), TZASC: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	k := normalworld.New(m, nil)
	layout, err := mem.Discover(m.DTB())
	if err != nil {
		t.Fatal(err)
	}
	if err := layout.ReserveArea(16 << 20); err != nil {
		t.Fatal(err)
	}
	pages, err := mem.New(k, layout.Config(mem.DefaultCosts))
	if err != nil {
		t.Fatal(err)
	}
	core := dmabuf.New(k)
	heaps := heap.NewRegistry(core)
	if err := heaps.AddCMA(pages); err != nil {
		t.Fatal(err)
	}
	system, err := heaps.AddSystem(pages)
	if err != nil {
		t.Fatal(err)
	}
	cma, err := heaps.Open(heap.DefaultCMA)
	if err != nil {
		t.Fatal(err)
	}
	s := &kernel{t: t, dev: smaf.New(core), core: core, pages: pages, free: pages.FreePages(), mod: &module{}}
	for _, a := range []smaf.Allocator{smaf.Scattered{Heap: system}, smaf.CMA{Heap: cma}} {
		if err := s.dev.RegisterAllocator(a); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (k *kernel) create(size uint64, name string) *dmabuf.Buffer {
	k.t.Helper()
	b, err := k.dev.Create(size, smaf.RDWR, name)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k *kernel) secure(b *dmabuf.Buffer) *dmabuf.Buffer {
	k.t.Helper()
	if err := k.dev.SetSecure(b, true); err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k *kernel) attach(b *dmabuf.Buffer, d dmabuf.Device) *dmabuf.Attachment {
	k.t.Helper()
	a, err := b.Attach(d)
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

func (k *kernel) put(b *dmabuf.Buffer) {
	k.t.Helper()
	if err := b.Put(); err != nil {
		k.t.Fatal(err)
	}
	if got := k.pages.FreePages(); got != k.free && len(k.dev.Lost()) == 0 {
		k.t.Errorf("%d pages are free after the last buffer, %d were before", got, k.free)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, got, err error) {
	t.Helper()
	if !errors.Is(got, err) {
		t.Errorf("got %v, want %v", got, err)
	}
}

// module is a secure module that writes down what it is asked for and can be made to fail.
type module struct {
	log     []string
	fail    string // the call that fails, once
	cpu     bool
	granted map[string]int
	closed  uint64 // bytes that are protected now
}

func (m *module) say(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	m.log = append(m.log, s)
	if m.fail != "" && strings.HasPrefix(s, m.fail) {
		m.fail = ""
		return normalworld.EPERM
	}
	return nil
}

func (m *module) take() string {
	s := strings.Join(m.log, "; ")
	m.log = nil
	return s
}

func (m *module) CreateContext() (smaf.Context, error) {
	if err := m.say("create"); err != nil {
		return nil, err
	}
	if m.granted == nil {
		m.granted = map[string]int{}
	}
	return &scope{m: m}, nil
}

type scope struct {
	m     *module
	bytes uint64
}

func (c *scope) Protect(segs []dmabuf.Segment) error {
	if err := c.m.say("protect %#x", dmabuf.Total(segs)); err != nil {
		return err
	}
	c.bytes = dmabuf.Total(segs)
	c.m.closed += c.bytes
	return nil
}

func (c *scope) Grant(d *dmabuf.Device, s dmabuf.Segment, dir dmabuf.Direction) error {
	if err := c.m.say("grant %s %v", d.Name, dir); err != nil {
		return err
	}
	c.m.granted[fmt.Sprint(d.Name, s, dir)]++
	return nil
}

func (c *scope) Revoke(d *dmabuf.Device, s dmabuf.Segment, dir dmabuf.Direction) error {
	c.m.granted[fmt.Sprint(d.Name, s, dir)]--
	return c.m.say("revoke %s %v", d.Name, dir)
}

func (c *scope) AllowCPU(dir dmabuf.Direction) bool { return c.m.cpu }

func (c *scope) Destroy() error {
	if err := c.m.say("destroy"); err != nil {
		return err
	}
	c.m.closed -= c.bytes
	return nil
}

var (
	narrow    = dmabuf.Device{Name: "narrow"} // 32 bits
	wide      = dmabuf.Device{Name: "wide", DMAMask: 1<<64 - 1}
	onePiece  = dmabuf.Device{Name: "one-piece", DMAMask: 1<<40 - 1, MaxSegments: 1}
	firstPart = "create; protect 0x8000"
)

// Allocation waits for the first device that maps, and the allocator suits all that are attached by then.
func TestDeferred(t *testing.T) {
	for _, tc := range []struct {
		devices []dmabuf.Device
		want    string
	}{
		{[]dmabuf.Device{wide}, "smaf-system"},
		{[]dmabuf.Device{narrow}, "smaf-cma"},
		{[]dmabuf.Device{wide, wide, narrow}, "smaf-cma"},
		{[]dmabuf.Device{wide, onePiece}, "smaf-cma"},
	} {
		k := boot(t)
		b := k.create(100_000, "")
		var as []*dmabuf.Attachment
		for _, d := range tc.devices {
			as = append(as, k.attach(b, d))
		}
		if k.pages.FreePages() != k.free {
			t.Error("memory was allocated before anybody mapped it")
		}
		segs, err := as[0].Map(dmabuf.FromDevice)
		must(t, err)
		if dmabuf.Total(segs) != b.Size() || b.Size() != 25*4096 {
			t.Errorf("%v: %d bytes of a buffer of %d", tc.devices, dmabuf.Total(segs), b.Size())
		}
		if got, err := k.dev.Allocator(b); err != nil || got != tc.want {
			t.Errorf("%v: allocator %q, %v, want %q", tc.devices, got, err, tc.want)
		}
		// One that comes later gets the same memory.
		late := k.attach(b, narrow)
		again, err := late.Map(dmabuf.ToDevice)
		must(t, err)
		if again[0].Addr != segs[0].Addr {
			t.Error("a second device got other memory")
		}
		must(t, late.Unmap(dmabuf.ToDevice))
		must(t, late.Detach())
		must(t, as[0].Unmap(dmabuf.FromDevice))
		for _, a := range as {
			must(t, a.Detach())
		}
		k.put(b)
	}
}

// Where software comes first there is nobody to match: the best allocator is taken, or the one that was asked for.
func TestSoftwareFirst(t *testing.T) {
	for name, want := range map[string]string{"": "smaf-cma", "smaf-system": "smaf-system"} {
		k := boot(t)
		b := k.create(8192, name)
		m, err := b.MMap(0, 8192, dmabuf.ProtRead|dmabuf.ProtWrite)
		must(t, err)
		must(t, m.Write(100, []byte("written by a process")))
		if got, _ := k.dev.Allocator(b); got != want {
			t.Errorf("asked for %q: allocator %q, want %q", name, got, want)
		}
		a := k.attach(b, wide)
		segs, err := a.Map(dmabuf.ToDevice)
		must(t, err)
		p := make([]byte, 7)
		must(t, k.core.Kernel.Read(segs[0].Addr+100, p))
		if string(p) != "written" {
			t.Errorf("the device sees %q", p)
		}
		must(t, a.Unmap(dmabuf.ToDevice))
		must(t, a.Detach())
		must(t, m.Unmap())
		k.put(b)
	}
}

// The secure module sees each step in its order, and all that was granted is revoked.
func TestGrants(t *testing.T) {
	k := boot(t)
	must(t, k.dev.RegisterSecure(k.mod))
	b := k.secure(k.create(32768, "smaf-cma"))
	if got := k.mod.take(); got != "create" {
		t.Errorf("memory that does not exist: %s", got)
	}
	writer, reader := k.attach(b, narrow), k.attach(b, wide)
	_, err := writer.Map(dmabuf.FromDevice)
	must(t, err)
	_, err = reader.Map(dmabuf.ToDevice)
	must(t, err)
	must(t, writer.Unmap(dmabuf.FromDevice))
	want(t, k.dev.SetSecure(b, false), smaf.ErrMapped)
	must(t, reader.Unmap(dmabuf.ToDevice))
	if got, want := k.mod.take(), fmt.Sprintf("protect 0x8000; grant narrow %v; grant wide %v; revoke narrow %[1]v; revoke wide %[2]v",
		dmabuf.FromDevice, dmabuf.ToDevice); got != want {
		t.Errorf("calls: %s\nwant:  %s", got, want)
	}
	for what, n := range k.mod.granted {
		if n != 0 {
			t.Errorf("%s is granted %d times", what, n)
		}
	}
	must(t, writer.Detach())
	must(t, reader.Detach())
	want(t, k.dev.UnregisterSecure(), smaf.ErrInUse)
	k.put(b)
	if got := k.mod.take(); got != "destroy" || k.mod.closed != 0 {
		t.Errorf("at the end: %s, %d bytes protected", got, k.mod.closed)
	}
	must(t, k.dev.UnregisterSecure())
}

// A refusal at any step leaves nothing granted, mapped or allocated.
func TestRefusals(t *testing.T) {
	for _, step := range []string{"create", "protect", "grant", "destroy"} {
		k := boot(t)
		must(t, k.dev.RegisterSecure(k.mod))
		k.mod.fail = step
		b := k.create(32768, "smaf-system")
		err := k.dev.SetSecure(b, true)
		if step == "create" {
			want(t, err, normalworld.EPERM)
			if secure, _ := k.dev.IsSecure(b); secure {
				t.Error("the flag is set after a refusal")
			}
			must(t, k.dev.SetSecure(b, true))
		} else {
			must(t, err)
		}
		a := k.attach(b, wide)
		_, err = a.Map(dmabuf.Bidirectional)
		if step == "protect" || step == "grant" {
			want(t, err, normalworld.EPERM)
			if _, _, mapped := a.Mapped(); mapped {
				t.Errorf("%s: mapped after a refusal", step)
			}
			for what, n := range k.mod.granted {
				if n != 0 {
					t.Errorf("%s: %s is granted %d times", step, what, n)
				}
			}
			_, err = a.Map(dmabuf.Bidirectional) // asked again
		}
		must(t, err)
		if k.mod.closed != 32768 {
			t.Errorf("%s: %d bytes are protected, want all", step, k.mod.closed)
		}
		must(t, a.Unmap(dmabuf.Bidirectional))
		must(t, a.Detach())
		k.put(b)
		lost := len(k.dev.Lost())
		if (lost == 1) != (step == "destroy") {
			t.Errorf("%s: %d buffers lost", step, lost)
		}
		// What is still protected is not handed out again.
		if lost == 1 && k.pages.FreePages() != k.free-8 {
			t.Errorf("%d pages are free of %d, want all but those that are still protected", k.pages.FreePages(), k.free)
		}
		// It comes back when the module is asked again.
		if n := k.dev.Settle(); n != 0 || k.mod.closed != 0 || k.pages.FreePages() != k.free {
			t.Errorf("%s: %d buffers are lost, %d bytes protected, %d of %d pages free", step, n, k.mod.closed, k.pages.FreePages(), k.free)
		}
	}
}

// The processor is let in by the secure module only.
func TestCPU(t *testing.T) {
	k := boot(t)
	must(t, k.dev.RegisterSecure(k.mod))
	b := k.secure(k.create(4096, ""))
	_, err := b.MMap(0, 4096, dmabuf.ProtRead)
	want(t, err, smaf.ErrCPU)
	_, err = b.VMap()
	want(t, err, smaf.ErrCPU)
	want(t, b.BeginCPUAccess(dmabuf.FromDevice), smaf.ErrCPU)
	k.mod.cpu = true
	m, err := b.MMap(0, 4096, dmabuf.ProtRead|dmabuf.ProtWrite)
	must(t, err)
	must(t, b.BeginCPUAccess(dmabuf.ToDevice))
	want(t, k.dev.SetSecure(b, false), smaf.ErrMapped)
	must(t, b.EndCPUAccess(dmabuf.ToDevice))
	v, err := b.VMap()
	must(t, err)
	want(t, k.dev.SetSecure(b, false), smaf.ErrMapped)
	must(t, v.Unmap())
	// A mapping from before does not help once the flag is there and the module says no.
	if !b.Protected() {
		t.Error("a secure buffer does not say that it is protected")
	}
	must(t, k.dev.SetSecure(b, false))
	if b.Protected() {
		t.Error("a buffer whose flag has gone says that it is protected")
	}
	k.mod.cpu = false
	must(t, k.dev.SetSecure(b, true))
	want(t, m.Read(0, make([]byte, 4)), smaf.ErrCPU)
	must(t, m.Unmap())
	k.put(b)
}

// Memory that is there before the flag is protected with it.
func TestSecureLater(t *testing.T) {
	k := boot(t)
	must(t, k.dev.RegisterSecure(k.mod))
	b := k.create(32768, "")
	a := k.attach(b, narrow)
	_, err := a.Map(dmabuf.ToDevice)
	must(t, err)
	want(t, k.dev.SetSecure(b, true), smaf.ErrMapped)
	must(t, a.Unmap(dmabuf.ToDevice))
	k.mod.fail = "protect"
	want(t, k.dev.SetSecure(b, true), normalworld.EPERM)
	if secure, _ := k.dev.IsSecure(b); secure {
		t.Error("the flag is set after a refusal")
	}
	k.mod.take()
	must(t, k.dev.SetSecure(b, true))
	must(t, k.dev.SetSecure(b, true)) // is already
	if got := k.mod.take(); got != firstPart {
		t.Errorf("calls: %s, want %s", got, firstPart)
	}
	must(t, a.Detach())
	k.put(b)
}

func TestModules(t *testing.T) {
	k := boot(t)
	if got := k.dev.Allocators(); !slices.Equal(got, []string{"smaf-cma", "smaf-system"}) {
		t.Errorf("allocators: %v", got)
	}
	want(t, k.dev.RegisterAllocator(smaf.CMA{}), smaf.ErrAllocator)
	want(t, k.dev.RegisterAllocator(nil), smaf.ErrAllocator)
	want(t, k.dev.RegisterSecure(nil), smaf.ErrSecureModule)
	want(t, k.dev.UnregisterSecure(), smaf.ErrNoSecure)
	must(t, k.dev.RegisterSecure(k.mod))
	want(t, k.dev.RegisterSecure(&module{}), smaf.ErrSecureModule)
	_, err := k.dev.Create(4096, 0, "nobody")
	want(t, err, smaf.ErrNoAllocator)
	_, err = k.dev.Create(0, 0, "")
	want(t, err, normalworld.EINVAL)
	_, err = k.dev.Create(1<<64-1, 0, "")
	want(t, err, normalworld.EINVAL)
	_, err = k.dev.Create(4096, 1, "")
	want(t, err, normalworld.EINVAL)
	// An allocator that goes before it is needed.
	b := k.create(4096, "smaf-system")
	must(t, k.dev.UnregisterAllocator("smaf-system"))
	want(t, k.dev.UnregisterAllocator("smaf-system"), smaf.ErrNoAllocator)
	a := k.attach(b, wide)
	_, err = a.Map(dmabuf.ToDevice)
	want(t, err, smaf.ErrNoAllocator)
	must(t, a.Detach())
	k.put(b)
	// No allocator matches a wide device alone now.
	b = k.create(4096, "")
	a = k.attach(b, wide)
	_, err = a.Map(dmabuf.ToDevice)
	want(t, err, smaf.ErrNoAllocator)
	must(t, a.Detach())
	k.put(b)
	other, err := k.core.Export(dmabuf.ExportInfo{Name: "other", Exporter: foreign{}, Size: 4096})
	must(t, err)
	want(t, k.dev.SetSecure(other, true), smaf.ErrNotOurs)
	_, err = k.dev.IsSecure(other)
	want(t, err, smaf.ErrNotOurs)
}

type foreign struct{}

func (foreign) Attach(*dmabuf.Attachment) error { return nil }
func (foreign) Detach(*dmabuf.Attachment)       {}
func (foreign) Map(*dmabuf.Attachment, dmabuf.Direction) ([]dmabuf.Segment, error) {
	return nil, normalworld.ENOMEM
}
func (foreign) Unmap(*dmabuf.Attachment, []dmabuf.Segment, dmabuf.Direction) {}
func (foreign) Release(*dmabuf.Buffer)                                       {}

// The structures are those of include/uapi/linux/smaf.h of version 8.
func TestIoctl(t *testing.T) {
	k := boot(t)
	must(t, k.dev.RegisterSecure(k.mod))
	le := binary.LittleEndian
	files := dmabuf.NewFiles(2)
	arg := make([]byte, 128)
	le.PutUint64(arg[8:], 5000)
	le.PutUint32(arg[16:], smaf.RDWR|smaf.CLOEXEC)
	copy(arg[32:], "smaf-cma")
	must(t, k.dev.Ioctl(files, 0xc0805300, arg))
	fd := int32(le.Uint32(arg[24:]))
	b, err := files.Get(fd)
	must(t, err)
	if b.Size() != 8192 {
		t.Errorf("size %d, want 5000 in pages", b.Size())
	}
	flag := make([]byte, 64)
	le.PutUint32(flag[8:], uint32(fd))
	le.PutUint32(flag[16:], 1)
	must(t, k.dev.Ioctl(files, 0xc0405302, flag))
	le.PutUint32(flag[16:], 7)
	must(t, k.dev.Ioctl(files, 0xc0405301, flag))
	if le.Uint32(flag[16:]) != 1 {
		t.Errorf("flag %d, want 1", le.Uint32(flag[16:]))
	}
	info := make([]byte, 128)
	le.PutUint32(info[8:], 1)
	must(t, k.dev.Ioctl(files, 0xc0805303, info))
	if name := strings.TrimRight(string(info[24:88]), "\x00"); name != "smaf-system" || le.Uint32(info[16:]) != 2 {
		t.Errorf("allocator 1 of %d is %q", le.Uint32(info[16:]), name)
	}
	le.PutUint32(info[8:], 2)
	want(t, k.dev.Ioctl(files, 0xc0805303, info), normalworld.EINVAL)
	want(t, k.dev.Ioctl(files, 0xc0805303, info[:127]), normalworld.EFAULT)
	want(t, k.dev.Ioctl(files, 0xc0805304, info), normalworld.ENOTTY)
	arg[0] = 1
	want(t, k.dev.Ioctl(files, 0xc0805300, arg), normalworld.EINVAL)
	arg[0] = 0
	must(t, k.dev.Ioctl(files, 0xc0805300, arg))
	before := slices.Clone(arg)
	want(t, k.dev.Ioctl(files, 0xc0805300, arg), normalworld.EMFILE)
	if !slices.Equal(arg, before) {
		t.Error("a call that failed has changed its argument")
	}
	le.PutUint32(flag[8:], 9)
	want(t, k.dev.Ioctl(files, 0xc0405301, flag), normalworld.EBADF)
	must(t, b.Put())
	must(t, files.CloseAll())
	if n := len(k.core.Buffers()); n != 0 || k.pages.FreePages() != k.free {
		t.Errorf("%d buffers are left, %d pages free of %d", n, k.pages.FreePages(), k.free)
	}
}

func FuzzIoctl(f *testing.F) {
	f.Add(uint32(smaf.IoctlCreate), make([]byte, 128))
	f.Add(uint32(smaf.IoctlSetSecureFlag), make([]byte, 64))
	f.Add(uint32(smaf.IoctlGetInfo), make([]byte, 128))
	f.Fuzz(func(t *testing.T, cmd uint32, arg []byte) {
		d := smaf.New(dmabuf.New(&normalworld.Kernel{}))
		if err := d.RegisterAllocator(smaf.CMA{}); err != nil {
			t.Fatal(err)
		}
		files := dmabuf.NewFiles(4)
		before := slices.Clone(arg)
		if err := d.Ioctl(files, cmd, arg); err != nil && !slices.Equal(arg, before) {
			t.Errorf("an error, %v, with the argument changed", err)
		}
		if err := files.CloseAll(); err != nil {
			t.Error(err)
		}
	})
}
