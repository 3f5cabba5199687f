package platform

import (
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/platform/vtime"
)

// host is what the machine does for its firmware.
type host Machine

var _ firmware.Host = (*host)(nil)

func (h *host) NumCPUs() int { return len(h.cpus) }

func (h *host) MPIDR(i int) uint64 { return mpidr(i) }

func (h *host) CPUState(i int) firmware.CPUState {
	if h.cpus[i].Powered() {
		return firmware.CPUOn
	}
	return firmware.CPUOff
}

func (h *host) StartCPU(i int, entry, context uint64, el int) {
	h.gic.CPU(i).Reset()
	if h.cfg.SecureWorld == SecureGo {
		h.gic.CPU(i).BootNonSecure()
	}
	if h.cfg.EL2 {
		// The highest exception level of the normal world, whoever calls: Linux leaves EL2 to a small part of itself before it starts
		// the other processors, and expects them there (arch/arm64/kernel/smp.c, hyp_mode_check). QEMU and TF-A do so, too.
		el = 2
	}
	h.cpus[i].Reset(entry, context, el)
}

func (h *host) StopCPU(i int) { h.cpus[i].PowerOff() }

func (h *host) PowerOff() { (*Machine)(h).stop(Exit{Reason: PoweredOff}) }

func (h *host) Reboot() {
	if h.cfg.NoReboot {
		(*Machine)(h).stop(Exit{Reason: Rebooted})
		return
	}
	h.reboot = true
	(*Machine)(h).halt()
}

func (h *host) Port(a bus.Attr) *bus.Port {
	a.ID = masterFirmware
	return bus.NewPort(h.bus, a)
}

func (h *host) RAM() (base, size uint64) { return RAMBase, h.cfg.RAM }

func (h *host) Clock() *vtime.Clock { return &h.clock }

func (h *host) Events() *event.Stream { return h.cfg.Events }

func (h *host) RaiseSGI(cpu int, intid uint32) { h.gic.RaiseSGI(cpu, intid) }

func (h *host) SetSPI(intid uint32, level bool) { h.gic.SPI(intid).Set(level) }
