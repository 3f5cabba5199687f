package optee

import (
	"errors"
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/armffa"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

const page = optee.PageSize

// Policy makes the pool behind a protected heap, when memory is to be lent by this driver. c is what the secure world asks for.
type Policy func(d *Driver, c ProtmemConfig) heap.ProtectedPool

// Supplicant serves requests for user space that nobody has received through /dev/teepriv0: loading of applications, file system
// and the like. It may change params' values and sizes.
type Supplicant interface {
	Serve(cmd optee.RPCCommand, params []tee.Param) optee.Result
}

// Config is what the board and the user choose.
type Config struct {
	// Bus is FF-A; nil stands for the SMC ABI.
	Bus *armffa.Bus
	// Interrupt is that of asynchronous notifications over the SMC ABI, from the device tree; 0 where there is none.
	Interrupt uint32
	// Reserved is memory that the kernel does not use (mem.Layout): carve-outs and reserved shared memory must lie in it. Nil believes
	// the secure world.
	Reserved []mem.Range
	// Policy is who lends protected memory; nil stands for NewDynamicPool, Linux's policy.
	Policy Policy
	// UseCases are those that get a heap. Nil stands for all three; Linux has only that of secure video.
	UseCases []heap.ID
	// RSTMEM makes the driver that of the 2024 proposal, version 4, where it differs.
	RSTMEM bool
	// Supplicant serves what no process does.
	Supplicant Supplicant
	// Idle is called while a request waits, and reports whether it did something: a scheduler's chance to run others.
	Idle func() bool
	// MaxRPCs bounds what the secure world asks for in one call; 0 stands for 65536.
	MaxRPCs int
}

// backend is what differs between the two ABIs.
type backend interface {
	// probe talks to the secure world until messages can be sent, and says what it can; stop is the reverse.
	probe() error
	ready() error
	stop()
	// begin prepares the call with the message at c.offset of c.page, resume the return with up to two results.
	begin(c *call)
	resume(c *call, v1, v2 uint64)
	// enter makes the SMC that was prepared.
	enter(c *call) event
	// toMessage and fromMessage convert a reference to memory. fromMessage finds what the secure world names.
	toMessage(p *tee.Param) optee.Param
	fromMessage(p *optee.Param) (shm *tee.SHM, offset uint64, err error)
	// register makes memory known to the secure world, unregister ends that. After errUnknown nobody knows.
	register(s *tee.SHM) error
	unregister(s *tee.SHM) error
	// lend gives memory away as protected memory, reclaim takes it back. After errUnknown nobody knows.
	lend(s *tee.SHM, c *ProtmemConfig) error
	reclaim(s *tee.SHM) error
	// settle finds out whether memory is the kernel's alone, after an error, and tries to make it so.
	settle(s *tee.SHM) bool
	// replyAlloc says in the RPC argument where memory is that the secure world asked for; freed forgets it.
	replyAlloc(c *call, p *optee.Param, s *tee.SHM) error
	// staticPool is the carve-out of a use case.
	staticPool(u optee.UseCase) (base, size uint64, err error)
	// poll takes interrupts.
	poll()
}

// errUnknown wraps errors after which it is not known what the secure world has done.
var errUnknown = errors.New("the secure world's answer got lost")

// Driver is one instance of OP-TEE (struct optee).
type Driver struct {
	k     *normalworld.Kernel
	sub   *tee.Subsystem
	cfg   Config
	be    backend
	dev   *tee.Device // tee0
	supp  *tee.Device // teepriv0
	ctx   *tee.Context
	stats Stats

	// What the secure world said.
	major, minor, build uint32
	rpcParams           uint32 // room for parameters in the RPC argument behind each message; 0: there is none
	reserved            bool   // messages go by address: the pool is reserved shared memory, or nothing of the driver's is registered
	shared              bool   // a page may hold several messages
	memrefNull          bool
	dynamic             bool // memory can be registered
	async               bool
	protmem             bool // pools can be lent
	static              bool // there is a carve-out

	pool     *mem.Pool // reserved shared memory
	args     []*argPage
	calls    []*call  // that are free
	private  []uint64 // pages that are free
	inside   int      // calls with a thread in the secure world
	waiting  []*call  // for a thread, oldest first
	notif    notifications
	suppl    supplicant
	byID     map[uint64]*tee.SHM // what the secure world knows, by handle or cookie
	allocs   []*tee.SHM          // that the secure world asked for
	limbo    []*tee.SHM
	orphans  []uint32 // sessions that could not be closed
	cookies  uint64
	devices  []Device
	buf, rpc []byte
}

// Stats counts what the driver does.
type Stats struct {
	Calls, RPCs, Waits, Registered, Lent, Reclaimed uint64
}

// Stats is what was counted since the probe.
func (d *Driver) Stats() Stats { return d.stats }

// Probe finds OP-TEE and registers tee0 and teepriv0, the protected heaps, and the devices that the secure world enumerates.
// ENODEV says that there is no OP-TEE. After an error nothing is left behind in the secure world that it gives back; where it has kept
// memory, the driver is given beside the error, removed, for Settle.
func Probe(sub *tee.Subsystem, cfg Config) (*Driver, error) {
	d := &Driver{k: sub.Kernel(), sub: sub, cfg: cfg, byID: make(map[uint64]*tee.SHM)}
	if d.cfg.MaxRPCs == 0 {
		d.cfg.MaxRPCs = 1 << 16
	}
	if d.cfg.UseCases == nil {
		d.cfg.UseCases = []heap.ID{heap.SecureVideoPlay, heap.TrustedUI, heap.SecureVideoRecord}
	}
	d.notif.max = defaultMaxKey
	d.suppl.id = noRequest
	if cfg.Bus != nil {
		d.be = &ffaABI{d: d, bus: cfg.Bus}
	} else {
		d.be = &smcABI{d: d}
	}
	if err := d.be.probe(); err != nil {
		return nil, fmt.Errorf("optee: %w", err)
	}
	d.dev = sub.NewDevice(d, false)
	d.supp = sub.NewDevice(d, true)
	err := d.start()
	if err != nil {
		if rerr := d.Remove(); rerr != nil {
			panic("BUG: optee: nobody uses a driver that was not there: " + rerr.Error())
		}
		if d.Lost() == 0 {
			d = nil
		}
		return d, fmt.Errorf("optee: %w", err)
	}
	return d, nil
}

func (d *Driver) start() (err error) {
	if d.ctx, err = d.dev.OpenKernel(); err != nil {
		return err
	}
	d.addHeaps()
	if err := d.be.ready(); err != nil {
		return err
	}
	if err := d.enumerate(optee.DeviceCmdGetDevices); err != nil {
		return err
	}
	return nil
}

// Device is /dev/tee0, Supplicant /dev/teepriv0.
func (d *Driver) Device() *tee.Device { return d.dev }

// SupplicantDevice is described at Device.
func (d *Driver) SupplicantDevice() *tee.Device { return d.supp }

// Version is documented at tee.Driver (optee_get_version).
func (d *Driver) Version() tee.Version {
	v := tee.Version{ImplID: tee.ImplOPTEE, ImplCaps: tee.OPTEECapTZ, GenCaps: tee.GenCapGP}
	if d.dynamic {
		v.GenCaps |= tee.GenCapRegMem
	}
	if d.memrefNull {
		v.GenCaps |= tee.GenCapMemrefNull
	}
	if d.cfg.RSTMEM && (d.static || d.protmem) {
		v.GenCaps |= tee.GenCapRSTMEM
	}
	return v
}

// OS is the version that the trusted OS calls itself.
func (d *Driver) OS() (major, minor, build uint32) { return d.major, d.minor, d.build }

// Remove unloads the driver: EBUSY while files, shared memory or buffers hold its devices, where Linux waits. Protected heaps end
// with their last buffer. Memory that the secure world does not give back stays lost; Lost says how much, and Settle tries again.
func (d *Driver) Remove() error {
	if d.dev == nil {
		return normalworld.ENODEV
	}
	own := 0
	if d.ctx != nil {
		own = 1
	}
	if d.supp.Busy() || d.dev.Contexts() > own {
		return normalworld.EBUSY
	}
	if d.dev.PutHeaps(); d.dev.Heaps() > 0 {
		return normalworld.EBUSY
	}
	d.freeAllocs()
	if d.ctx != nil {
		d.settle()
	}
	d.be.stop()
	d.freeArgs()
	d.freeAllocs() // what was asked for meanwhile
	d.settleMemory()
	if d.ctx != nil {
		d.ctx.Close()
		d.ctx = nil
	}
	d.supp.Remove()
	d.dev.Remove()
	d.freePrivate()
	d.dev, d.supp = nil, nil
	return nil
}

// Lost is how many pages the secure world has not given back.
func (d *Driver) Lost() (pages uint64) {
	for _, s := range d.limbo {
		pages += uint64(len(s.Pages()))
	}
	return pages
}

// takePage gives a page of the driver's own that the secure world is not told of.
func (d *Driver) takePage() (uint64, error) {
	if n := len(d.private); n > 0 {
		pa := d.private[n-1]
		d.private = d.private[:n-1]
		return pa, nil
	}
	return d.sub.AllocPages(1)
}

func (d *Driver) putPage(pa uint64) { d.private = append(d.private, pa) }

// cookie is a number that names memory towards the secure world: in Linux the address of struct tee_shm.
func (d *Driver) cookie() uint64 {
	d.cookies++
	return 0xFFFF_0000_8000_0000 + d.cookies<<7
}

// Register is documented at tee.Driver.
func (d *Driver) Register(s *tee.SHM) error {
	if !d.dynamic {
		return normalworld.EOPNOTSUPP
	}
	if err := d.be.register(s); err != nil {
		if errors.Is(err, errUnknown) {
			d.hold(s)
		}
		return toErrno(err)
	}
	d.byID[s.SecWorldID] = s
	d.stats.Registered++
	return nil
}

// Unregister is documented at tee.Driver.
func (d *Driver) Unregister(s *tee.SHM) error {
	if err := d.be.unregister(s); err != nil {
		d.hold(s)
		return toErrno(err)
	}
	d.forget(s)
	return nil
}

func (d *Driver) forget(s *tee.SHM) {
	if s.SecWorldID != 0 {
		delete(d.byID, s.SecWorldID)
		s.SecWorldID = 0
	}
}

// PoolAlloc is documented at tee.Driver: pages that are registered unless the driver keeps them to itself, or reserved shared memory.
func (d *Driver) PoolAlloc(s *tee.SHM, size, _ uint64) error {
	n := (size + page - 1) / page
	if d.pool != nil {
		pa, err := d.pool.Alloc(n * page)
		if err != nil {
			return err
		}
		s.SetContiguous(pa, n)
		s.SetFlags(s.Flags() &^ tee.SHMDynamic)
		if err := d.k.Zero(pa, n*page); err != nil {
			d.pool.Free(pa, n*page)
			return toErrno(err)
		}
		return nil
	}
	pa, err := d.sub.AllocPages(n)
	if err != nil {
		return err
	}
	s.SetContiguous(pa, n)
	if d.isFFA() || s.Flags()&tee.SHMPrivate == 0 {
		if err := d.Register(s); err != nil {
			if !s.Held() {
				d.sub.FreePages(pa, n)
			}
			return err
		}
	}
	return nil
}

// PoolFree is documented at tee.Driver.
func (d *Driver) PoolFree(s *tee.SHM) {
	if s.SecWorldID != 0 && s.Flags()&tee.SHMDMAMem == 0 && d.byID[s.SecWorldID] == s && d.registered(s) {
		if d.Unregister(s) != nil {
			return
		}
	}
	if s.Held() {
		return
	}
	d.forget(s)
	d.freePages(s)
}

// registered reports whether the secure world holds memory, rather than only having a name for it.
func (d *Driver) registered(s *tee.SHM) bool {
	return d.isFFA() || s.Flags()&tee.SHMDynamic != 0
}

func (d *Driver) freePages(s *tee.SHM) {
	pages := s.Pages()
	n := uint64(len(pages))
	switch {
	case n == 0 || s.Flags()&(tee.SHMUserMapped|tee.SHMBorrowed) != 0:
	case d.pool != nil && s.Flags()&tee.SHMDMAMem == 0:
		d.pool.Free(pages[0], n*page)
	default:
		d.sub.FreePages(pages[0], n)
	}
}

// mayReserve reports whether memory that the secure world names can be its own, or shared from the start.
func (d *Driver) mayReserve(base, size uint64) bool {
	for _, r := range d.cfg.Reserved {
		if base >= r.Base && size <= r.Size && base-r.Base <= r.Size-size {
			return true
		}
	}
	return d.cfg.Reserved == nil
}

func (d *Driver) isFFA() bool { return d.cfg.Bus != nil }

// toErrno is what Linux makes of an error towards its callers.
func toErrno(err error) error {
	var e normalworld.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return err
	case errors.Is(err, errUnknown):
		return fmt.Errorf("%w: %w", normalworld.EIO, err)
	}
	return fmt.Errorf("%w: %w", normalworld.EINVAL, err)
}
