package normalworld

import "slices"

// The interrupt controller of the board as a kernel finds it (Arm GIC Architecture Specification, IHI 0069, 12.9 and 12.11).
const (
	gicd        = 0x0800_0000
	gicdISPENDR = gicd + 0x0200
	gicdICPENDR = gicd + 0x0280
	gicdICFGR   = gicd + 0x0c00
	gicr        = 0x080a_0000
	gicrSGI     = gicr + 0x1_0000 // of the boot processor
	gicrISPENDR = gicrSGI + 0x0200
	gicrICPENDR = gicrSGI + 0x0280

	firstSPI = 32
	lastSPI  = 1019
)

// Forever is a limit of Wait that is never reached while something in the machine can still happen.
const Forever = 1 << 62

// pendingRegister gives the registers that read and clear the pending state of an interrupt, and its bit.
func pendingRegister(intid uint32) (set, reset uint64, bit uint32) {
	if intid < firstSPI {
		return gicrISPENDR, gicrICPENDR, intid
	}
	word := uint64(intid / 32 * 4)
	return gicdISPENDR + word, gicdICPENDR + word, intid % 32
}

// SetEdge makes an SPI edge-triggered, or level-sensitive (ICFGR).
func (k *Kernel) SetEdge(intid uint32, edge bool) error {
	if intid < firstSPI || intid > lastSPI {
		return EINVAL
	}
	reg := gicdICFGR + uint64(intid/16*4)
	v, err := k.Load(reg, 4)
	if err != nil {
		return err
	}
	bit := uint64(2) << (intid % 16 * 2)
	v &^= bit
	if edge {
		v |= bit
	}
	return k.Store(reg, 4, v)
}

// Pending reports whether an interrupt is pending, as the interrupt controller shows it. Interrupts have its numbers: SGIs from 0
// on, PPIs from 16, SPIs from 32.
func (k *Kernel) Pending(intid uint32) (bool, error) {
	if intid > lastSPI {
		return false, EINVAL
	}
	reg, _, bit := pendingRegister(intid)
	v, err := k.Load(reg, 4)
	return v>>bit&1 != 0, err
}

// Acknowledge clears the pending state of an edge-triggered interrupt. A level stays until its device is quiet.
func (k *Kernel) Acknowledge(intid uint32) error {
	if intid > lastSPI {
		return EINVAL
	}
	_, reg, bit := pendingRegister(intid)
	return k.Store(reg, 4, 1<<bit)
}

// WaitInterrupt lets time pass until an interrupt is pending: ETIMEDOUT after limit nanoseconds, EDEADLK where nothing that is
// under way in the machine can raise it any more.
func (k *Kernel) WaitInterrupt(intid uint32, limit uint64) error {
	end := k.Now() + min(limit, Forever)
	for {
		pending, err := k.Pending(intid)
		switch {
		case err != nil || pending:
			return err
		case k.Now() >= end:
			return ETIMEDOUT
		}
		if !k.Sleep(end-k.Now()) && limit >= Forever {
			return EDEADLK
		}
	}
}

// InterruptHandler is a driver that is called while its interrupt is pending.
type InterruptHandler interface {
	// Interrupt looks what the device has to say and makes it quiet.
	Interrupt(intid uint32)
}

type handler struct {
	intid uint32
	InterruptHandler
}

// RequestIRQ makes h the handler of an interrupt: EBUSY where it has one, EINVAL where there is no such interrupt. Handlers run while
// the kernel sleeps, and in Dispatch.
func (k *Kernel) RequestIRQ(intid uint32, h InterruptHandler) error {
	if intid > lastSPI {
		return EINVAL
	}
	for i := range k.handlers {
		if k.handlers[i].intid == intid {
			return EBUSY
		}
	}
	k.handlers = append(k.handlers, handler{intid, h})
	return nil
}

// FreeIRQ takes the handler of an interrupt away.
func (k *Kernel) FreeIRQ(intid uint32) {
	k.handlers = slices.DeleteFunc(k.handlers, func(h handler) bool { return h.intid == intid })
}

// Dispatch calls the handlers of the interrupts that are pending, each once, in the order in which they were requested, and reports
// whether there was one. A handler that sleeps does not call others.
func (k *Kernel) Dispatch() bool {
	if k.dispatching {
		return false
	}
	k.dispatching = true
	defer func() { k.dispatching = false }()
	any := false
	for i := 0; i < len(k.handlers); i++ {
		h := k.handlers[i]
		if pending, err := k.Pending(h.intid); err == nil && pending {
			any = true
			h.Interrupt(h.intid)
		}
	}
	return any
}
