package driver

import (
	"fmt"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
)

// The HDLCD display controller (Arm DUI 0604, table B.1), with Linux's names for the fields.
const (
	displayBase = 0x0b14_0000
	displaySPI  = 133

	lcdVersion    = 0x000
	lcdIntClear   = 0x014
	lcdIntMask    = 0x018
	lcdIntStatus  = 0x01c
	lcdBase       = 0x100
	lcdLineLength = 0x104
	lcdLineCount  = 0x108
	lcdLinePitch  = 0x10c
	lcdTiming     = 0x200 // V_SYNC, V_BACK_PORCH, V_DATA, V_FRONT_PORCH, H_...
	lcdCommand    = 0x230
	lcdFormat     = 0x240 // PIXEL_FORMAT, RED_SELECT, GREEN_SELECT, BLUE_SELECT

	lcdProduct = 0x1cdc // VERSION[31:16]

	lcdDMAEnd   = 1 << 0
	lcdBusError = 1 << 1
	lcdVSync    = 1 << 2
	lcdUnderrun = 1 << 3
)

// Mode is a display mode: pixels and lines with their blanking.
type Mode struct {
	Width, HFront, HSync, HBack  uint32
	Height, VFront, VSync, VBack uint32
}

// ModeFor is a mode of the given size with short blanking.
func ModeFor(width, height uint32) Mode {
	return Mode{Width: width, HFront: 16, HSync: 16, HBack: 16, Height: height, VFront: 4, VSync: 2, VBack: 4}
}

// DisplayStats count what the controller reported.
type DisplayStats struct{ VSyncs, Frames, BusErrors, Underruns uint64 }

// FlipHandler hears of page flips.
type FlipHandler interface {
	// Flipped says that the display shows the buffer of the flip with this cookie from now on, and reads the one before no more.
	Flipped(cookie uint64)
}

// Display drives the display controller.
type Display struct {
	// Device is the controller as a dma-buf importer: contiguous memory within 32 bits.
	Device dmabuf.Device
	// Flips is told of page flips; nil for nobody.
	Flips FlipHandler

	k       *normalworld.Kernel
	on      bool
	pending bool
	cookie  uint64
	stats   DisplayStats
}

// NewDisplay finds the controller.
func NewDisplay(core *dmabuf.Core) (*Display, error) {
	d := &Display{Device: dmabuf.Device{Name: "hdlcd", NSAID: 2, DMAMask: 1<<32 - 1, MaxSegments: 1}, k: core.Kernel}
	v, err := d.k.Load(displayBase+lcdVersion, 4)
	if err != nil {
		return nil, err
	}
	if v>>16 != lcdProduct {
		return nil, fmt.Errorf("hdlcd: VERSION %#x: %w", v, normalworld.ENODEV)
	}
	return d, d.k.RequestIRQ(displaySPI+32, d)
}

// Close switches the display off and gives the interrupt back.
func (d *Display) Close() error {
	err := d.Disable()
	d.k.FreeIRQ(displaySPI + 32)
	return err
}

// Stats gives the counters.
func (d *Display) Stats() DisplayStats { return d.stats }

// base is the frame buffer's address for the controller.
func base(fb Buffer) (uint32, error) {
	if len(fb.Segs) != 1 || fb.Segs[0].Addr+uint64(fb.Offset) > 1<<32-1 || (fb.Segs[0].Addr+uint64(fb.Offset))%8 != 0 {
		return 0, normalworld.EINVAL
	}
	return uint32(fb.Segs[0].Addr + uint64(fb.Offset)), nil
}

// Enable shows an XRGB8888 or RGB565 frame buffer in a mode. Stride 0 stands for lines without gaps.
func (d *Display) Enable(m Mode, f Format, fb Buffer) error {
	at, err := base(fb)
	if err != nil {
		return err
	}
	var bytes uint32
	var format [4]uint32
	switch f {
	case XRGB8888:
		bytes, format = 4, [4]uint32{3 << 3, 8<<8 | 16, 8<<8 | 8, 8 << 8}
	case RGB565:
		bytes, format = 2, [4]uint32{1 << 3, 5<<8 | 11, 6<<8 | 5, 5 << 8}
	default:
		return normalworld.EINVAL
	}
	stride := fb.Stride
	if stride == 0 {
		stride = m.Width * bytes
	}
	if err := d.Disable(); err != nil {
		return err
	}
	regs := []register{
		{lcdBase, at}, {lcdLineLength, m.Width * bytes}, {lcdLineCount, m.Height - 1}, {lcdLinePitch, stride},
		{lcdTiming, m.VSync - 1}, {lcdTiming + 4, m.VBack - 1}, {lcdTiming + 8, m.Height - 1}, {lcdTiming + 12, m.VFront - 1},
		{lcdTiming + 16, m.HSync - 1}, {lcdTiming + 20, m.HBack - 1}, {lcdTiming + 24, m.Width - 1}, {lcdTiming + 28, m.HFront - 1},
		{lcdFormat, format[0]}, {lcdFormat + 4, format[1]}, {lcdFormat + 8, format[2]}, {lcdFormat + 12, format[3]},
		{lcdIntClear, 0xf}, {lcdIntMask, lcdDMAEnd | lcdBusError | lcdVSync | lcdUnderrun}, {lcdCommand, 1},
	}
	for _, r := range regs {
		if err := d.k.Store(displayBase+r.off, 4, uint64(r.v)); err != nil {
			return err
		}
	}
	d.on = true
	return nil
}

// Disable switches the display off at once. A flip under way is given up.
func (d *Display) Disable() error {
	d.on, d.pending = false, false
	for _, r := range []register{{lcdIntMask, 0}, {lcdCommand, 0}, {lcdIntClear, 0xf}} {
		if err := d.k.Store(displayBase+r.off, 4, uint64(r.v)); err != nil {
			return err
		}
	}
	return nil
}

// Flip shows another frame buffer of the same layout from the next frame on: EBUSY while a flip is under way.
func (d *Display) Flip(fb Buffer, cookie uint64) error {
	at, err := base(fb)
	switch {
	case err != nil:
		return err
	case !d.on:
		return normalworld.EINVAL
	case d.pending:
		return normalworld.EBUSY
	}
	d.Interrupt(displaySPI + 32) // a vertical sync from before does not end this flip
	if err := d.k.Store(displayBase+lcdBase, 4, uint64(at)); err != nil {
		return err
	}
	d.pending, d.cookie = true, cookie
	return nil
}

// Interrupt counts, and ends a flip at the vertical sync that has taken its address over. See normalworld.InterruptHandler.
func (d *Display) Interrupt(uint32) {
	v, err := d.k.Load(displayBase+lcdIntStatus, 4)
	if err != nil || d.k.Store(displayBase+lcdIntClear, 4, v) != nil {
		return
	}
	count := func(bit uint64, n *uint64) {
		if v&bit != 0 {
			*n++
		}
	}
	count(lcdDMAEnd, &d.stats.Frames)
	count(lcdBusError, &d.stats.BusErrors)
	count(lcdUnderrun, &d.stats.Underruns)
	count(lcdVSync, &d.stats.VSyncs)
	if v&lcdVSync != 0 && d.pending {
		d.pending = false
		if d.Flips != nil {
			d.Flips.Flipped(d.cookie)
		}
	}
}

// WaitFrame waits until a whole frame was read since now, or could not be: the error then is a JobError with the frame buffer's address.
func (d *Display) WaitFrame() error {
	if !d.on {
		return normalworld.EINVAL
	}
	// The frame that is being shown may have begun before.
	for frame := 0; frame < 2; frame++ {
		before := d.stats
		for d.stats.Frames == before.Frames && d.stats.BusErrors == before.BusErrors {
			if !d.k.Sleep(normalworld.Forever) {
				return normalworld.EDEADLK
			}
		}
		if frame == 1 && d.stats.BusErrors != before.BusErrors {
			at, _ := d.k.Load(displayBase+lcdBase, 4)
			return &JobError{Engine: d.Device.Name, Result: ResultFault, Addr: at}
		}
	}
	return nil
}
