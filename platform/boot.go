package platform

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"gatehouse/devices/tzc400"
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/loader"
)

// Reset is a cold reset: devices, memory and processors start anew, firmware programs the firewall, images are loaded.
func (m *Machine) Reset() error {
	m.resets++
	m.exit = nil
	m.next = 0
	m.control.cut = nil
	m.halt()
	if m.resets > 1 && m.cfg.Events.On(event.Int) {
		m.cfg.Events.Emit(&event.Event{Time: m.clock.Now(), Category: event.Int, Phase: event.Restart, Source: "machine", Name: "RESET"})
	}
	m.clock.Reset()
	m.code.Reset()
	m.ram.Reset()
	if m.sram != nil {
		m.sram.Reset()
	}
	m.gic.Reset()
	for _, u := range m.uart {
		u.Reset()
	}
	m.rtc.Reset()
	m.dma.Reset()
	m.aes.Reset()
	m.media.reset()
	if m.tzc != nil {
		m.tzc.Reset()
	}
	for _, f := range m.flash {
		f.Reset()
	}
	m.fwcfg.Reset()
	m.power.Reset()
	m.gpio.Reset()
	m.slots.Reset()
	if m.entropy != nil {
		m.entropy.Restart()
	}
	if m.cfg.Firmware != nil {
		if m.cfg.SecureWorld == SecureGo {
			m.gic.BootNonSecure()
		}
		if err := m.cfg.Firmware.Reset((*host)(m)); err != nil {
			return fmt.Errorf("firmware: %w", err)
		}
	}
	return m.load()
}

// Range gives the machine's RAM for the loader.
func (c *Config) Range() loader.Range {
	size := c.RAM
	if size == 0 {
		size = 128 << 20
	}
	return loader.Range{Base: RAMBase, Size: size}
}

// firmwareTree is the size, in bytes, that a device tree for firmware has with the room at its end, which is for what firmware adds.
// It is that of QEMU's virt.
const firmwareTree = 1 << 20

// load copies the images into memory, as the normal world's loader, and starts the boot processor.
func (m *Machine) load() error {
	port := bus.NewPort(m.bus, bus.Attr{NSAID: bus.NSAIDAP, Privileged: true, Secure: m.cfg.SecureWorld == SecureGuest, ID: masterLoader})
	if m.tzc != nil && m.cfg.SecureWorld == SecureGuest {
		// The images are there before the firmware that opens the gates: loaded through a controller that is reset afterwards.
		if resp := port.Store(TZCBase+tzc400.GateKeeper, 4, 1); resp != bus.OKAY {
			panic("BUG: the TZC-400 refuses a secure master")
		}
		defer m.tzc.Reset()
	}
	put := func(name string, addr uint64, data []byte) error {
		if resp := port.Write(addr, data); resp != bus.OKAY {
			return fmt.Errorf("%w: %s: cannot be loaded at %#x: the bus answers %v", ErrConfig, name, addr, resp)
		}
		return nil
	}
	images := append([]*loader.Image{}, m.cfg.Blobs...)
	entry, el, x0 := uint64(Flash0Base), 0, uint64(0)
	linux := false
	ram := m.cfg.Range()
	k := m.cfg.Kernel
	if k == nil || m.cfg.firmware() != nil {
		// Firmware finds the device tree where QEMU leaves it: at the start of RAM.
		k = nil
	} else {
		images = append([]*loader.Image{k}, images...)
		entry, linux = k.Entry, k.Linux
		el = 1
		if m.cfg.EL2 {
			el = 2
		}
	}
	if err := m.makeDTB(k, ram); err != nil {
		return err
	}
	if m.dtbAddr != 0 {
		tree := m.dtb
		if k == nil && len(tree) >= 8 && len(tree) < firmwareTree && ram.Size >= 2*firmwareTree {
			tree = bytes.Clone(tree)
			binary.BigEndian.PutUint32(tree[4:], firmwareTree) // totalsize
		}
		if err := put("device tree", m.dtbAddr, tree); err != nil {
			return err
		}
	}
	if k != nil && m.initrd.Size != 0 {
		if err := put("initrd", m.initrd.Base, m.cfg.Initrd); err != nil {
			return err
		}
	}
	for _, img := range images {
		for _, s := range img.Segments {
			if err := put(img.Name, s.Addr, s.Data); err != nil {
				return err
			}
		}
	}
	if linux {
		x0 = m.dtbAddr
	}
	if el == 0 && m.cfg.SecureWorld != SecureGuest {
		el = 1
		if m.cfg.EL2 {
			el = 2
		}
	}
	m.cpus[0].Reset(entry, x0, el)
	if m.cfg.SecureWorld == SecureGuest {
		// Firmware that owns EL3 sorts its processors out itself: all of them start, as on QEMU.
		for _, c := range m.cpus[1:] {
			c.Reset(entry, 0, el)
		}
	}
	return nil
}
