package tee_test

import (
	"bytes"
	"errors"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/tee"
	"gatehouse/platform"
	"gatehouse/secureworld"
	"gatehouse/smc/optee"
)

const page = 4096

// fake is a driver that keeps account, and refuses what a test says.
type fake struct {
	sub        *tee.Subsystem
	registered map[*tee.SHM]bool
	serial     uint64
	refuse     error // of Register
	keep       bool  // Unregister leaves the memory with the secure world
	requests   []tee.Request
	released   int
	answer     func(r *tee.Request)
}

func (f *fake) Version() tee.Version {
	return tee.Version{ImplID: 1, GenCaps: tee.GenCapGP | tee.GenCapMemrefNull}
}
func (f *fake) Open(*tee.Context) error { return nil }
func (f *fake) Release(*tee.Context)    { f.released++ }
func (f *fake) Start(r *tee.Request) error {
	f.requests = append(f.requests, *r)
	return nil
}
func (f *fake) Step(r *tee.Request) bool {
	if f.answer != nil {
		f.answer(r)
	}
	r.Done = true
	return true
}
func (f *fake) Wait(r *tee.Request) { f.Step(r) }
func (f *fake) Register(s *tee.SHM) error {
	if f.refuse != nil {
		return f.refuse
	}
	f.serial++
	f.registered[s], s.SecWorldID = true, f.serial
	return nil
}
func (f *fake) Unregister(s *tee.SHM) error {
	if f.keep {
		return normalworld.EBUSY
	}
	delete(f.registered, s)
	return nil
}
func (f *fake) PoolAlloc(s *tee.SHM, size, _ uint64) error {
	pa, err := f.sub.AllocPages((size + page - 1) / page)
	if err == nil {
		s.SetContiguous(pa, (size+page-1)/page)
	}
	return err
}
func (f *fake) PoolFree(s *tee.SHM)                                { f.sub.FreePages(s.Pages()[0], uint64(len(s.Pages()))) }
func (f *fake) Send(*tee.Context, optee.Result, []tee.Param) error { return nil }
func (f *fake) Poll()                                              {}

type kernel struct {
	sub   *tee.Subsystem
	pages *mem.Allocator
	f     *fake
	dev   *tee.Device
	free  uint64
}

func boot(t *testing.T) *kernel {
	t.Helper()
	m, err := platform.New(platform.Config{TZASC: true, RAM: 16 << 20, Firmware: secureworld.New(secureworld.DefaultConfig())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	k := normalworld.New(m, nil)
	layout, err := mem.Discover(m.DTB())
	if err != nil {
		t.Fatal(err)
	}
	pages, err := mem.New(k, layout.Config(mem.Costs{}))
	if err != nil {
		t.Fatal(err)
	}
	core := dmabuf.New(k)
	sub := tee.New(k, pages, core, heap.NewRegistry(core))
	f := &fake{sub: sub, registered: map[*tee.SHM]bool{}}
	return &kernel{sub, pages, f, sub.NewDevice(f, false), pages.FreePages()}
}

func (k *kernel) check(t *testing.T) {
	t.Helper()
	if got := k.pages.FreePages(); got != k.free || len(k.f.registered) != 0 || k.dev.Busy() {
		t.Errorf("%d pages are free, %d were; %d registered; device busy: %v", got, k.free, len(k.f.registered), k.dev.Busy())
	}
}

// A process's memory: pages, holes between mappings, and what ends when.
func TestAddressSpace(t *testing.T) {
	k := boot(t)
	a := k.sub.NewAddressSpace()
	va, err := a.Map(3*page - 1)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789"), 1000)
	if err := a.Write(va+100, data); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	if err := a.Read(va+100, got); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("other bytes, %v", err)
	}
	other, err := a.Map(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"behind a mapping":  a.Write(va+3*page-1, []byte{1, 2}),
		"between mappings":  a.Read(va+3*page, got[:1]),
		"zero":              a.Read(0, got[:1]),
		"the kernel's half": a.Read(1<<63, got[:1]),
		"around the end":    a.Read(^uint64(0), got[:2]),
		"end of user space": a.Read(1<<48-1, got[:2]),
		"far too much":      a.Read(other, make([]byte, 2*page)),
		"nothing at no place": func() error {
			if a.Read(1<<40, nil) != nil {
				return nil
			}
			return normalworld.EFAULT // nothing was read, which is no error
		}(),
	} {
		if !errors.Is(err, normalworld.EFAULT) {
			t.Errorf("%s: %v, want EFAULT", name, err)
		}
	}
	if err := a.Unmap(va + page); !errors.Is(err, normalworld.EINVAL) {
		t.Errorf("unmap in the middle: %v", err)
	}
	if err := a.Unmap(va); err != nil {
		t.Fatal(err)
	}
	if err := a.Read(va, got[:1]); !errors.Is(err, normalworld.EFAULT) {
		t.Errorf("after unmap: %v", err)
	}
	for _, size := range []uint64{0, 1 << 49} {
		if _, err := a.Map(size); err == nil {
			t.Errorf("a mapping of %#x bytes", size)
		}
	}
	if _, err := a.Map(64 << 20); !errors.Is(err, normalworld.ENOMEM) {
		t.Errorf("more than there is: %v", err)
	}
	a.Close()
	k.check(t)
}

// Shared memory lives as long as its descriptor, its mappings and the calls that use it; its context as long as any of it.
func TestSharedMemoryLives(t *testing.T) {
	k := boot(t)
	p := k.sub.NewProcess()
	f, err := k.sub.OpenFile(p, "tee0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Context().AllocUser(2 * page)
	if err != nil {
		t.Fatal(err)
	}
	if s.ID() != 1 || s.Flags() != tee.SHMDynamic|tee.SHMPool || s.Size() != 2*page {
		t.Errorf("id %d, flags %#x, size %#x", s.ID(), s.Flags(), s.Size())
	}
	call := s.Get()
	s.Put()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if k.f.released != 0 || !k.dev.Busy() {
		t.Error("the context has ended under its memory")
	}
	if err := call.Write(page-2, []byte("abcd")); err != nil {
		t.Error(err)
	}
	b := make([]byte, 4)
	if err := call.Read(page-2, b); err != nil || string(b) != "abcd" {
		t.Errorf("%q, %v", b, err)
	}
	for _, off := range []uint64{2*page - 3, 2 * page, ^uint64(0) - 1} {
		if err := call.Read(off, b); !errors.Is(err, normalworld.EINVAL) {
			t.Errorf("at %#x: %v, want EINVAL", off, err)
		}
	}
	call.Put()
	if k.f.released != 1 {
		t.Error("the context lives on")
	}
	p.Exit()
	k.check(t)
	if err := k.dev.Remove(); err != nil {
		t.Error(err)
	}
	if k.sub.Device("tee0") != nil {
		t.Error("a device that was removed is found")
	}
	if _, err := k.dev.Open(); !errors.Is(err, normalworld.ENODEV) {
		t.Errorf("it opens: %v", err)
	}
}

// Identifiers are the lowest that are free, and each context has its own memory only.
func TestIdentifiers(t *testing.T) {
	k := boot(t)
	c, err := k.dev.Open()
	if err != nil {
		t.Fatal(err)
	}
	other, err := k.dev.Open()
	if err != nil {
		t.Fatal(err)
	}
	var list []*tee.SHM
	for i := range 5 {
		s, err := c.AllocUser(1)
		if err != nil || s.ID() != int32(i+1) {
			t.Fatalf("memory %d has id %d, %v", i, s.ID(), err)
		}
		list = append(list, s)
	}
	list[1].Put()
	list[3].Put()
	for _, want := range []int32{2, 4, 6} {
		s, err := c.AllocUser(1)
		if err != nil || s.ID() != want {
			t.Errorf("id %d, want %d, %v", s.ID(), want, err)
		}
		list = append(list, s)
	}
	for _, id := range []uint64{0, 7, 1 << 31, 1<<32 - 1} {
		if _, err := c.Lookup(id); !errors.Is(err, normalworld.EINVAL) {
			t.Errorf("id %#x: %v, want EINVAL", id, err)
		}
	}
	if _, err := other.Lookup(1); !errors.Is(err, normalworld.EINVAL) {
		t.Errorf("another context's memory: %v, want EINVAL", err)
	}
	for i, s := range list {
		if i != 1 && i != 3 {
			s.Put()
		}
	}
	c.Close()
	other.Close()
	k.check(t)
}

// Memory of a process that the secure world does not give back is not used again until it does.
func TestHeldMemory(t *testing.T) {
	k := boot(t)
	a := k.sub.NewAddressSpace()
	va, err := a.Map(4 * page)
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.dev.Open()
	if err != nil {
		t.Fatal(err)
	}
	k.f.refuse = normalworld.ENOMEM
	if _, err := c.RegisterUser(a, va+1, 2*page); !errors.Is(err, normalworld.ENOMEM) {
		t.Errorf("a refused registration: %v", err)
	}
	k.f.refuse = nil
	s, err := c.RegisterUser(a, va+1, 2*page)
	if err != nil || len(s.Pages()) != 3 || s.Offset() != 1 {
		t.Fatalf("%d pages, offset %d, %v", len(s.Pages()), s.Offset(), err)
	}
	a.Close()
	if got := k.pages.FreePages(); got != k.free-3 {
		t.Errorf("%d pages are in use, want the three that are registered", k.free-got)
	}
	k.f.keep = true
	s.Put()
	if k.sub.Lost() != 3 || !s.Held() || k.pages.FreePages() != k.free-3 {
		t.Errorf("%d pages are known to be lost, want 3", k.sub.Lost())
	}
	delete(k.f.registered, s)
	s.Settle()
	if k.sub.Lost() != 0 {
		t.Errorf("%d pages stay lost", k.sub.Lost())
	}
	c.Close()
	k.check(t)
}

// Results reach the process, or a session that it cannot be told of is closed.
func TestSessionThatNobodyHearsOf(t *testing.T) {
	k := boot(t)
	p := k.sub.NewProcess()
	f, err := k.sub.OpenFile(p, "tee0")
	if err != nil {
		t.Fatal(err)
	}
	va, err := p.Memory.Map(page)
	if err != nil {
		t.Fatal(err)
	}
	arg := make([]byte, 16)
	arg[0], arg[1], arg[2], arg[3] = byte(va+page-56), byte((va+page-56)>>8), byte((va+page-56)>>16), byte((va+page-56)>>24)
	arg[8] = 56
	if err := p.Memory.Write(va, arg); err != nil {
		t.Fatal(err)
	}
	k.f.answer = func(r *tee.Request) {
		if r.Kind == tee.OpenSession {
			r.Session = 77
			p.Memory.Unmap(va) // another thread of the process
		}
	}
	if _, err := f.Ioctl(tee.IOCOpenSession, va); tee.Errno(err) != normalworld.EFAULT {
		t.Errorf("%v, want EFAULT", err)
	}
	if n := len(k.f.requests); n != 2 || k.f.requests[1].Kind != tee.CloseSession || k.f.requests[1].Session != 77 {
		t.Errorf("requests %+v", k.f.requests)
	}
	f.Close()
	p.Exit()
	k.check(t)
}

// mmap gives the memory behind a descriptor, and nothing else.
func TestMMap(t *testing.T) {
	k := boot(t)
	p := k.sub.NewProcess()
	f, err := k.sub.OpenFile(p, "tee0")
	if err != nil {
		t.Fatal(err)
	}
	arg, err := p.Memory.Map(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Memory.Write(arg, append([]byte{1, 0x20}, make([]byte, 14)...)); err != nil { // 0x2001 bytes
		t.Fatal(err)
	}
	fd, err := f.Ioctl(tee.IOCSHMAlloc, arg)
	if err != nil {
		t.Fatal(err)
	}
	va, err := p.MMap(int32(fd))
	if err != nil {
		t.Fatal(err)
	}
	// The mapping holds the memory.
	if err := p.Files.Close(int32(fd)); err != nil {
		t.Fatal(err)
	}
	if err := p.Memory.Write(va+3*page-4, []byte("last")); err != nil {
		t.Error(err)
	}
	if _, err := p.MMap(int32(fd)); !errors.Is(err, normalworld.EBADF) {
		t.Errorf("a closed descriptor: %v", err)
	}
	if err := p.Memory.Unmap(va); err != nil {
		t.Error(err)
	}
	f.Close()
	p.Exit()
	k.check(t)
}
