package optee

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Device is a pseudo-device that the secure world enumerates; on Linux's tee bus it is called optee-ta-UUID.
type Device struct{ UUID smc.UUID }

// maxDevices bounds what the secure world enumerates.
const maxDevices = 256

// Devices are what the secure world has enumerated.
func (d *Driver) Devices() []Device { return d.devices }

// EnumerateSupplicant asks for devices that need a supplicant: Linux does it when one has opened /dev/teepriv0.
func (d *Driver) EnumerateSupplicant() error { return d.enumerate(optee.DeviceCmdGetDevicesSupp) }

// enumerate asks the enumeration pseudo-TA for devices (optee_enumerate_devices). A secure world without one has none.
func (d *Driver) enumerate(cmd uint32) error {
	ctx, err := d.dev.OpenKernel()
	if err != nil {
		return err
	}
	defer ctx.Close()
	r := tee.Request{UUID: optee.DeviceUUID(), Login: optee.LoginPublic}
	if err := ctx.OpenSession(&r); err != nil || r.Ret != optee.Success {
		return nil
	}
	defer ctx.CloseSession(r.Session)
	size, err := d.getDevices(ctx, r.Session, cmd, nil)
	if err != nil || size == 0 {
		return err
	}
	shm, err := ctx.AllocKernel(size)
	if err != nil {
		return err
	}
	defer shm.Put()
	n, err := d.getDevices(ctx, r.Session, cmd, shm)
	if err != nil {
		return err
	}
	b := make([]byte, n)
	if err := shm.Read(0, b); err != nil {
		return err
	}
	for ; len(b) >= 16; b = b[16:] {
		d.devices = append(d.devices, Device{smc.UUID(b[:16])})
	}
	return nil
}

// getDevices gives the size of the list, or fills shm.
func (d *Driver) getDevices(ctx *tee.Context, session, cmd uint32, shm *tee.SHM) (uint64, error) {
	p := tee.Memref(tee.AttrMemrefOutput, shm, 0, 0)
	if shm != nil {
		p.Size = shm.Size()
	}
	room := p.Size
	r := tee.Request{Session: session, Func: cmd, Params: []tee.Param{p, {}, {}, {}}}
	if err := ctx.Invoke(&r); err != nil {
		return 0, err
	}
	size := r.Params[0].Size
	switch {
	case r.Ret == optee.ErrorStorageNotAvailable:
		return 0, normalworld.ENODEV
	case r.Ret == optee.Success, r.Ret == optee.ErrorShortBuffer && shm == nil:
	default:
		return 0, fmt.Errorf("devices: %v: %w", r.Ret, normalworld.EINVAL)
	}
	if size > maxDevices*16 || size%16 != 0 || shm != nil && size > room {
		return 0, fmt.Errorf("a list of devices of %d bytes: %w", size, normalworld.EINVAL)
	}
	return size, nil
}

// RNG is the random number generator of the secure world as a hwrng (drivers/char/hw_random/optee-rng.c).
type RNG struct {
	ctx     *tee.Context
	session uint32
	pool    *tee.SHM
	// Rate is bytes a second, Quality bits of entropy in 1024 bits.
	Rate, Quality uint32
}

// OpenRNG opens it: ENODEV where the secure world has not enumerated one.
func (d *Driver) OpenRNG() (*RNG, error) {
	found := false
	for _, dev := range d.devices {
		found = found || dev.UUID == optee.RNGUUID()
	}
	if !found {
		return nil, normalworld.ENODEV
	}
	ctx, err := d.dev.OpenKernel()
	if err != nil {
		return nil, err
	}
	g := &RNG{ctx: ctx}
	if err := g.open(); err != nil {
		ctx.Close()
		return nil, err
	}
	return g, nil
}

func (g *RNG) open() error {
	r := tee.Request{UUID: optee.RNGUUID(), Login: optee.LoginREEKernel}
	if err := g.ctx.OpenSession(&r); err != nil {
		return err
	}
	if r.Ret != optee.Success {
		return fmt.Errorf("random number generator: %v: %w", r.Ret, normalworld.EINVAL)
	}
	g.session = r.Session
	r = tee.Request{Session: g.session, Func: optee.RNGCmdGetInfo, Params: []tee.Param{tee.Value(tee.AttrValueOutput, 0, 0, 0), {}, {}, {}}}
	if err := g.ctx.Invoke(&r); err != nil || r.Ret != optee.Success {
		return fmt.Errorf("random number generator: %v: %w", r.Ret, normalworld.EINVAL)
	}
	g.Rate, g.Quality = uint32(r.Params[0].A), uint32(r.Params[0].B)
	var err error
	g.pool, err = g.ctx.AllocKernel(optee.RNGPool)
	return err
}

// Read fills b with random bytes, and says how many there are: fewer where the generator has no more at present.
func (g *RNG) Read(b []byte) (n int, err error) {
	for n < len(b) {
		want := uint64(min(len(b)-n, optee.RNGPool))
		r := tee.Request{Session: g.session, Func: optee.RNGCmdGetEntropy,
			Params: []tee.Param{tee.Memref(tee.AttrMemrefInOut, g.pool, 0, want), {}, {}, {}}}
		if err := g.ctx.Invoke(&r); err != nil {
			return n, err
		}
		if r.Ret != optee.Success {
			return n, fmt.Errorf("random number generator: %v: %w", r.Ret, normalworld.EIO)
		}
		got := min(r.Params[0].Size, want)
		if got == 0 {
			return n, nil
		}
		if err := g.pool.Read(0, b[n:n+int(got)]); err != nil {
			return n, err
		}
		n += int(got)
	}
	return n, nil
}

// Close ends it.
func (g *RNG) Close() {
	g.pool.Put()
	g.ctx.Close()
}
