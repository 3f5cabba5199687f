package tee

import (
	"strconv"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Subsystem is what the devices of one kernel share.
type Subsystem struct {
	k       *normalworld.Kernel
	pages   Pages
	buffers *dmabuf.Core
	heaps   *heap.Registry
	devices []*Device
	lost    uint64 // pages that the secure world did not give back
}

// New makes a subsystem without devices. Protected heaps are put into heaps, which export buffers of that core; nil leaves them out.
func New(k *normalworld.Kernel, pages Pages, buffers *dmabuf.Core, heaps *heap.Registry) *Subsystem {
	return &Subsystem{k: k, pages: pages, buffers: buffers, heaps: heaps}
}

// Pages is where memory comes from; *mem.Allocator is one.
type Pages interface {
	// AllocContig gives n bytes, in whole contiguous pages.
	AllocContig(n uint64, f mem.Flags) (pa uint64, err error)
	// FreeContig takes back what AllocContig gave for n bytes.
	FreeContig(pa, n uint64) error
}

// AllocPages gives n contiguous pages, zeroed: ENOMEM.
func (s *Subsystem) AllocPages(n uint64) (uint64, error) {
	return s.pages.AllocContig(n*page, mem.Flags{Zero: true})
}

// FreePages takes them back.
func (s *Subsystem) FreePages(pa, n uint64) {
	if err := s.pages.FreeContig(pa, n*page); err != nil {
		panic("BUG: tee: " + err.Error())
	}
}

// Kernel, Pages and Buffers are what New was given.
func (s *Subsystem) Kernel() *normalworld.Kernel { return s.k }

// Pages is described at Kernel.
func (s *Subsystem) Pages() Pages { return s.pages }

// Buffers is described at Kernel.
func (s *Subsystem) Buffers() *dmabuf.Core { return s.buffers }

// Lost is how many pages of processes the secure world did not give back.
func (s *Subsystem) Lost() uint64 { return s.lost }

// Driver is what stands behind a device (struct tee_driver_ops). Its methods are called for contexts of its own devices.
type Driver interface {
	Version() Version
	// Open begins a context, Release ends it with its sessions.
	Open(*Context) error
	Release(*Context)
	// Start begins a request. After an error nothing has begun.
	Start(*Request) error
	// Step goes on with a request until it is done or has to wait, and reports whether it is done. Steps of different requests
	// may alternate in any way.
	Step(*Request) (done bool)
	// Wait steps a request until it is done, letting time pass and other things happen.
	Wait(*Request)
	// Register makes memory known to the secure world, Unregister ends that. After an error of Unregister, and after one of
	// Register that called SHM.Hold, the secure world may use the memory still; the driver calls SHM.Settle when that is over.
	Register(*SHM) error
	Unregister(*SHM) error
	// PoolAlloc finds memory for a piece with flag SHMPool, and registers it where that is needed; PoolFree takes it back.
	PoolAlloc(s *SHM, size, align uint64) error
	PoolFree(*SHM)
	// Send is the supplicant's reply to a request (SUPPL_SEND).
	Send(c *Context, ret optee.Result, params []Param) error
	// Poll takes interrupts that are pending.
	Poll()
}

// Kind says what a Request is for.
type Kind uint8

// The kinds.
const (
	OpenSession Kind = iota + 1
	Invoke
	CloseSession
	Cancel
	// Receive waits for a request to the supplicant (SUPPL_RECV): Func, and Params, which on the call are as many as there is
	// room for, of attribute 0 or META.
	Receive
)

// Request is a call of a client on its way. What belongs to its kind is filled in before Start.
type Request struct {
	Context  *Context
	Kind     Kind
	UUID     smc.UUID // of the application: OpenSession
	Client   smc.UUID
	Login    optee.Login
	Session  uint32 // on return of OpenSession: what was opened
	Func     uint32
	CancelID uint32
	Params   []Param

	// Ret and Origin are the result of a request that reached the driver without Err.
	Ret    optee.Result
	Origin optee.Origin
	Err    error
	Done   bool
	// State is the driver's.
	State any
}

// Device is one device file.
type Device struct {
	sub        *Subsystem
	driver     Driver
	name       string
	privileged bool
	ids        []*SHM // by identifier
	contexts   int
	shms       int
	heaps      int             // protected heaps with the device behind them
	weak       map[uint64]*SHM // one with a buffer, by address; looked up, never ranged over
	gone       bool
}

// NewDevice registers a device: teeN, or teeprivN for a supplicant.
func (s *Subsystem) NewDevice(d Driver, privileged bool) *Device {
	base := "tee"
	if privileged {
		base = "teepriv"
	}
	n := 0
	for _, other := range s.devices {
		if other.privileged == privileged && !other.gone {
			n++
		}
	}
	dev := &Device{sub: s, driver: d, name: base + strconv.Itoa(n), privileged: privileged}
	s.devices = append(s.devices, dev)
	return dev
}

// Device finds a device by name: "tee0".
func (s *Subsystem) Device(name string) *Device {
	for _, d := range s.devices {
		if d.name == name && !d.gone {
			return d
		}
	}
	return nil
}

// Name is the name under /dev.
func (d *Device) Name() string { return d.name }

// Subsystem is where the device was made.
func (d *Device) Subsystem() *Subsystem { return d.sub }

// Busy reports whether contexts, or buffers of heaps, hold the device.
func (d *Device) Busy() bool { return d.contexts > 0 || d.heaps > 0 }

// Contexts is how many there are, those of the driver itself included; Heaps how many heaps have the device behind them.
func (d *Device) Contexts() int { return d.contexts }

// Heaps is described at Contexts.
func (d *Device) Heaps() int { return d.heaps }

// Remove takes the device away: EBUSY while it is used, where Linux waits.
func (d *Device) Remove() error {
	if d.Busy() {
		return normalworld.EBUSY
	}
	d.gone = true
	return nil
}

// Context is one opening of a device (struct tee_context). It lives until it was closed and nothing refers to it any more.
type Context struct {
	dev    *Device
	refs   int
	closed bool
	// Kernel says that a driver opened it, which does not wait for a supplicant.
	Kernel bool
	// Data is the driver's.
	Data any
}

// Open opens the device.
func (d *Device) Open() (*Context, error) {
	if d.gone {
		return nil, normalworld.ENODEV
	}
	c := &Context{dev: d, refs: 1}
	if err := d.driver.Open(c); err != nil {
		return nil, err
	}
	d.contexts++
	return c, nil
}

// OpenKernel opens it for a client in the kernel (tee_client_open_context).
func (d *Device) OpenKernel() (*Context, error) {
	c, err := d.Open()
	if err == nil {
		c.Kernel = true
	}
	return c, err
}

// Device is what was opened.
func (c *Context) Device() *Device { return c.dev }

// Close ends the context, at once or when the last piece of its shared memory goes.
func (c *Context) Close() {
	if c.closed {
		panic("BUG: tee: a context is closed twice")
	}
	c.closed = true
	c.put()
}

func (c *Context) get() { c.refs++ }

func (c *Context) put() {
	if c.refs--; c.refs > 0 {
		return
	}
	c.dev.driver.Release(c)
	c.dev.contexts--
}

// do runs a request of a client in the kernel.
func (c *Context) do(r *Request) error {
	r.Context = c
	if err := c.dev.driver.Start(r); err != nil {
		return err
	}
	c.dev.driver.Wait(r)
	return r.Err
}

// OpenSession opens a session for a client in the kernel; the result is in r.
func (c *Context) OpenSession(r *Request) error { r.Kind = OpenSession; return c.do(r) }

// Invoke calls a function of a session.
func (c *Context) Invoke(r *Request) error { r.Kind = Invoke; return c.do(r) }

// CloseSession ends a session.
func (c *Context) CloseSession(session uint32) error {
	return c.do(&Request{Kind: CloseSession, Session: session})
}
