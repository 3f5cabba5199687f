package driver

import (
	"encoding/binary"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/mem"
)

// The PL080 DMA controller (DDI 0196, 3.4), channel 0.
const (
	dmaBase = 0x0b10_0000
	dmaSPI  = 129

	dmaTCStatus   = 0x004
	dmaTCClear    = 0x008
	dmaErrStatus  = 0x00c
	dmaErrClear   = 0x010
	dmaConfig     = 0x030
	dmaSource     = 0x100
	dmaControl    = 0x10c
	dmaChannel    = 0x110
	dmaItemSize   = 16 // of a linked list
	dmaMaxLength  = 0xfff
	dmaWidth32    = 2<<18 | 2<<21
	dmaIncrement  = 1<<26 | 1<<27
	dmaTCEnable   = 1 << 31
	dmaChannelOn  = 1<<0 | 1<<14 | 1<<15 // enable, error and terminal count interrupts unmasked
	dmaController = 1
)

// DMA drives the PL080 as a copy engine.
type DMA struct {
	// Device is the controller as a dma-buf importer.
	Device dmabuf.Device

	k     *normalworld.Kernel
	pages *mem.Allocator
	done  bool
	err   error
}

// NewDMA finds the controller.
func NewDMA(core *dmabuf.Core, pages *mem.Allocator) (*DMA, error) {
	d := &DMA{Device: dmabuf.Device{Name: "pl080", NSAID: 6, DMAMask: 1<<32 - 1}, k: core.Kernel, pages: pages}
	var part uint64
	for i := range uint64(4) {
		v, err := d.k.Load(dmaBase+0xfe0+4*i, 4)
		if err != nil {
			return nil, err
		}
		part |= v & 0xff << (8 * i)
	}
	if part&0xfffff != 0x41080 {
		return nil, normalworld.ENODEV
	}
	if err := d.k.Store(dmaBase+dmaConfig, 4, dmaController); err != nil {
		return nil, err
	}
	return d, d.k.RequestIRQ(dmaSPI+32, d)
}

// Close gives the interrupt back.
func (d *DMA) Close() error {
	d.k.FreeIRQ(dmaSPI + 32)
	return nil
}

// Interrupt ends the copy. See normalworld.InterruptHandler.
func (d *DMA) Interrupt(uint32) {
	tc, _ := d.k.Load(dmaBase+dmaTCStatus, 4)
	bad, _ := d.k.Load(dmaBase+dmaErrStatus, 4)
	_ = d.k.Store(dmaBase+dmaTCClear, 4, tc)
	_ = d.k.Store(dmaBase+dmaErrClear, 4, bad)
	if bad&1 != 0 {
		at, _ := d.k.Load(dmaBase+dmaSource, 4)
		d.done, d.err = true, &JobError{Engine: d.Device.Name, Result: ResultFault, Addr: at}
	} else if tc&1 != 0 {
		d.done = true
	}
}

// Copy copies n bytes, a multiple of 4, from one place to another, and waits. A refusal is a JobError; the controller does not say which
// of the two accesses it was: the address is that of the source.
func (d *DMA) Copy(dst, src uint64, n uint32) error {
	if n == 0 || n%4 != 0 || (dst|src)%4 != 0 || src+uint64(n) > 1<<32 || dst+uint64(n) > 1<<32 {
		return normalworld.EINVAL
	}
	// All pieces but the first are items of a linked list.
	var items []byte
	pieces := (n/4 + dmaMaxLength - 1) / dmaMaxLength
	order := mem.Order(uint64(max(pieces, 2)-1) * dmaItemSize)
	list, err := d.pages.Alloc(order, mem.Flags{Mask: d.Device.DMAMask})
	if err != nil {
		return err
	}
	defer func() {
		if err := d.pages.Free(list, order); err != nil {
			panic("BUG: " + err.Error())
		}
	}()
	var first [4]uint32
	for i := range pieces {
		off := i * dmaMaxLength * 4
		words := min((n-off)/4, dmaMaxLength)
		item := [4]uint32{uint32(src) + off, uint32(dst) + off, uint32(list) + i*dmaItemSize, words | dmaWidth32 | dmaIncrement}
		if i == pieces-1 {
			item[2], item[3] = 0, item[3]|dmaTCEnable
		}
		if i == 0 {
			first = item
			continue
		}
		for _, w := range item {
			items = binary.LittleEndian.AppendUint32(items, w)
		}
	}
	if err := d.k.Write(list, items); err != nil {
		return err
	}
	d.done, d.err = false, nil
	for i, w := range first {
		if err := d.k.Store(dmaBase+dmaSource+4*uint64(i), 4, uint64(w)); err != nil {
			return err
		}
	}
	if err := d.k.Store(dmaBase+dmaChannel, 4, dmaChannelOn); err != nil {
		return err
	}
	for !d.done {
		if !d.k.Sleep(normalworld.Forever) {
			return normalworld.EDEADLK
		}
	}
	return d.err
}
