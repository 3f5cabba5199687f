package lab

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/smaf"
	"gatehouse/normalworld/tee"
	"gatehouse/normalworld/tee/optee"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
)

// ABI is how the normal world speaks to OP-TEE.
type ABI string

// The interfaces.
const (
	FFA ABI = "ffa"
	SMC ABI = "smc"
)

// ABIs are all of them.
var ABIs = []ABI{FFA, SMC}

// Policy is a grant policy.
type Policy string

// The policies, see the package's documentation.
const (
	Static Policy = "static"
	Pool   Policy = "pool"
	Buffer Policy = "buffer"
	Map    Policy = "map"
)

// Policies are all of them, in the order of how closely they follow the use of a buffer.
var Policies = []Policy{Static, Pool, Buffer, Map}

// Options choose what is put together.
type Options struct {
	ABI    ABI
	Policy Policy
	// Pool makes the pools of a policy of one's own, in the place of Policy's.
	Pool optee.Policy
	// CMA is the size of the contiguous area in bytes (32 MiB).
	CMA uint64
	// Costs are what work on pages takes.
	Costs mem.Costs
	// RSTMEM speaks the interface of the 2024 proposal, version 4.
	RSTMEM bool
	// Interrupt is that of OP-TEE's asynchronous notifications over the SMC ABI (166, the board's SPI 134).
	Interrupt uint32
	// Events takes what the normal world reports.
	Events *event.Stream
	// Conduit stands between the kernel and the SMC instruction, to make calls fail or to count them (nothing).
	Conduit func(firmware.Conduit) firmware.Conduit
	// Idle is called while a request to OP-TEE waits (see optee.Config).
	Idle func() bool
}

// Lab is a normal world.
type Lab struct {
	Options Options
	Kernel  *normalworld.Kernel
	Layout  *mem.Layout
	Pages   *mem.Allocator
	Core    *dmabuf.Core
	Heaps   *heap.Registry
	TEE     *tee.Subsystem
	OPTEE   *optee.Driver
	SMAF    *smaf.Device

	// The masters.
	Crypto    *driver.Crypto
	Decoder   *driver.Decoder
	Transform *driver.Transform
	Display   *driver.Display
	Encoder   *driver.Encoder
	Camera    *driver.Camera
	Input     *driver.Input
	DMA       *driver.DMA

	found []io.Closer // drivers of masters, in the order in which they were loaded
	bus   *armffa.Bus // nil over the SMC ABI
	rxtx  uint64      // its buffers
	free  uint64      // pages, before anything was taken
	gone  bool        // OP-TEE's driver was removed
}

// ErrOption is wrapped by errors about Options.
var ErrOption = errors.New("normal world")

// check fills in defaults.
func (o *Options) check() error {
	if !slices.Contains(ABIs, o.ABI) {
		return fmt.Errorf("%w: ABI %q: want one of %v", ErrOption, o.ABI, ABIs)
	}
	if !slices.Contains(Policies, o.Policy) {
		return fmt.Errorf("%w: policy %q: want one of %v", ErrOption, o.Policy, Policies)
	}
	if o.CMA == 0 {
		o.CMA = 32 << 20
	}
	if o.Interrupt == 0 {
		o.Interrupt = 32 + 134
	}
	return nil
}

// pool is the policy as OP-TEE's driver takes it. Over the SMC ABI it finds a carve-out by itself.
func (o *Options) pool() optee.Policy {
	if o.Pool != nil {
		return o.Pool
	}
	switch o.Policy {
	case Static:
		if o.ABI == FFA {
			return optee.NewCarveoutPool
		}
	case Buffer:
		return optee.NewBufferPool
	case Map:
		return optee.NewMapPool
	}
	return optee.NewDynamicPool
}

// New boots a normal world on m. After an error nothing is left behind that the secure world gives back; where it does not, the lab is
// given beside the error, for Close.
func New(m normalworld.Machine, o Options) (*Lab, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	l := &Lab{Options: o, Kernel: normalworld.New(m, o.Events)}
	if o.Conduit != nil {
		l.Kernel.Conduit = o.Conduit(l.Kernel.Conduit)
	}
	if err := l.boot(); err != nil {
		if cerr := l.Close(); cerr != nil {
			return l, errors.Join(err, cerr)
		}
		return nil, err
	}
	return l, nil
}

func (l *Lab) boot() (err error) {
	o := &l.Options
	if l.Layout, err = mem.Discover(l.Kernel.DTB()); err != nil {
		return err
	}
	if err := l.Layout.ReserveArea(o.CMA); err != nil {
		return err
	}
	if l.Pages, err = mem.New(l.Kernel, l.Layout.Config(o.Costs)); err != nil {
		return err
	}
	l.free = l.Pages.FreePages()
	l.Core = dmabuf.New(l.Kernel)
	l.Heaps = heap.NewRegistry(l.Core)
	system, err := l.Heaps.AddSystem(l.Pages)
	if err != nil {
		return err
	}
	if err := l.Heaps.AddCMA(l.Pages); err != nil {
		return err
	}
	// A node for a secure heap is that heap's: OP-TEE's driver takes no pool from it.
	secure, err := l.Heaps.AddSecure(l.Layout.Compatible(heap.SecureCompatible))
	if err != nil {
		return err
	}
	for _, h := range secure[:min(len(secure), 1)] {
		if err := l.Heaps.Alias(heap.SecureCompatible, h.Name()); err != nil {
			return err
		}
	}
	l.TEE = tee.New(l.Kernel, l.Pages, l.Core, l.Heaps)
	if err := l.probe(); err != nil {
		return err
	}
	if err := l.masters(); err != nil {
		return err
	}
	cma, err := l.Heaps.Open(heap.DefaultCMA)
	if err != nil {
		return err
	}
	l.SMAF = smaf.New(l.Core)
	for _, a := range []smaf.Allocator{smaf.CMA{Heap: cma}, smaf.Scattered{Heap: system}} {
		if err := l.SMAF.RegisterAllocator(a); err != nil {
			return err
		}
	}
	return l.SMAF.RegisterSecure(smaf.OPTEE{Driver: l.OPTEE})
}

// probe loads the drivers of the secure world.
func (l *Lab) probe() (err error) {
	cfg := optee.Config{
		Interrupt: l.Options.Interrupt, Policy: l.Options.pool(), RSTMEM: l.Options.RSTMEM, Idle: l.Options.Idle, Reserved: []mem.Range{},
	}
	for _, n := range l.Layout.Reserved {
		if n.NoMap && !n.Is(heap.SecureCompatible) {
			cfg.Reserved = append(cfg.Reserved, n.Range)
		}
	}
	if l.Options.ABI == FFA {
		if l.rxtx, err = l.TEE.AllocPages(2); err != nil {
			return err
		}
		if l.bus, err = armffa.Probe(l.Kernel, l.rxtx, l.rxtx+mem.PageSize); err != nil {
			return err
		}
		cfg.Bus = l.bus
	}
	l.OPTEE, err = optee.Probe(l.TEE, cfg)
	l.gone = err != nil
	return err
}

// masters loads the drivers of the masters.
func (l *Lab) masters() (err error) {
	if l.Crypto, err = driver.NewCrypto(l.Core, l.Pages); err != nil {
		return err
	}
	l.found = append(l.found, l.Crypto)
	if l.Decoder, err = driver.NewDecoder(l.Core, l.Pages); err != nil {
		return err
	}
	l.found = append(l.found, l.Decoder)
	if l.Transform, err = driver.NewTransform(l.Core, l.Pages); err != nil {
		return err
	}
	l.found = append(l.found, l.Transform)
	if l.Display, err = driver.NewDisplay(l.Core); err != nil {
		return err
	}
	l.found = append(l.found, l.Display)
	if l.Encoder, err = driver.NewEncoder(l.Core, l.Pages); err != nil {
		return err
	}
	l.found = append(l.found, l.Encoder)
	if l.Camera, err = driver.NewCamera(l.Core, l.Pages); err != nil {
		return err
	}
	l.found = append(l.found, l.Camera)
	if l.Input, err = driver.NewInput(l.Kernel); err != nil {
		return err
	}
	l.found = append(l.found, l.Input)
	if l.DMA, err = driver.NewDMA(l.Core, l.Pages); err != nil {
		return err
	}
	l.found = append(l.found, l.DMA)
	return nil
}

// Heap opens the protected heap of a use case.
func (l *Lab) Heap(id heap.ID) (*heap.Heap, error) { return l.Heaps.Open(id.String()) }

// ErrLeft is wrapped by errors of Close about what is left over.
var ErrLeft = errors.New("left over")

// Close takes the normal world down: masters are stopped, drivers removed. What is still in use stays, and is an error that
// wraps ErrLeft, as is memory that the secure world has kept: Close can be called again then.
func (l *Lab) Close() error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, m := range slices.Backward(l.found) {
		add(m.Close())
	}
	l.found = nil
	if l.SMAF != nil {
		l.SMAF.Settle() // what it does not get back is among the buffers
	}
	if l.Core != nil {
		if left := l.Core.Buffers(); len(left) > 0 {
			var names []string
			for _, b := range left {
				names = append(names, b.String())
			}
			add(fmt.Errorf("%w: %d buffers: %s", ErrLeft, len(left), strings.Join(names, ", ")))
		}
	}
	if l.OPTEE != nil {
		if !l.gone {
			err := l.OPTEE.Remove()
			l.gone = err == nil
			add(err)
		}
		if n := l.OPTEE.Settle(); n > 0 {
			add(fmt.Errorf("%w: %d pages with the secure world", ErrLeft, n))
		}
		if len(errs) > 0 {
			return errors.Join(errs...) // FF-A is still needed
		}
	}
	if l.bus != nil {
		if err := l.bus.Remove(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		l.bus = nil
	}
	if l.rxtx != 0 {
		l.TEE.FreePages(l.rxtx, 2)
		l.rxtx = 0
	}
	if l.Pages != nil {
		if n := l.Pages.FreePages(); n != l.free && len(errs) == 0 {
			add(fmt.Errorf("%w: %d pages", ErrLeft, int64(l.free-n)))
		}
	}
	return errors.Join(errs...)
}
