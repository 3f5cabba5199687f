package spmc

import (
	"errors"

	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
)

// vm is an endpoint of the normal world (DEN0077A, chapter 6). The first is whoever calls at the non-secure physical instance,
// an operating system or a hypervisor; the others are VMs for which a hypervisor called FFA_NOTIFICATION_BITMAP_CREATE or
// FFA_RXTX_MAP.
type vm struct {
	id    ffa.EndpointID
	known bool

	rxtx   *memory.Object
	tx, rx memory.Range
	rxUser rxUser

	notifications notifications
}

// rxUser is who may use an RX buffer (DEN0077A, 7.2.2.4).
type rxUser uint8

const (
	rxSPMC       rxUser = iota // it is empty: the SPMC may fill it
	rxEndpoint                 // it is full: the endpoint has it until it releases it
	rxHypervisor               // the hypervisor has acquired it for the VM
)

// own is the endpoint at the non-secure physical instance.
func (s *SPMC) own() *vm { return &s.vms[0] }

// lookVM gives an endpoint of the normal world, or nil for one that is not known.
func (s *SPMC) lookVM(id ffa.EndpointID) *vm {
	for i := range s.vms {
		if v := &s.vms[i]; v.known && v.id == id {
			return v
		}
	}
	return nil
}

// makeVM is lookVM for an endpoint that may be new: NO_MEMORY where there is no room for it.
func (s *SPMC) makeVM(id ffa.EndpointID) (*vm, error) {
	if v := s.lookVM(id); v != nil {
		return v, nil
	}
	for i := range s.vms {
		if v := &s.vms[i]; !v.known {
			v.id, v.known = id, true
			return v, nil
		}
	}
	return nil, ffa.NoMemory
}

// forget makes room where nothing is left of a VM.
func (s *SPMC) forget(v *vm) {
	if v != s.own() && v.rxtx == nil && !v.notifications.enabled {
		*v = vm{}
	}
}

// represents reports whether the caller may speak for an endpoint: itself, or a VM where it is a hypervisor.
func (s *SPMC) represents(id ffa.EndpointID) bool {
	return id == ffa.NonSecurePhysical || s.caller.hypervisor && !id.Secure()
}

// mapBuffers is FFA_RXTX_MAP (DEN0077A, 13.6). The buffers become shared memory, so that neither can be lent or shared again
// while they are mapped.
func (s *SPMC) mapBuffers(r *ffa.Registers) error {
	c, err := ffa.ParseRXTXMap(r)
	if s.caller.hypervisor && c.TX == 0 && c.RX == 0 && c.Pages == 0 {
		return s.mapBuffersOfVM()
	}
	if err != nil {
		return err
	}
	return s.mapFor(s.own(), c)
}

// mapBuffersOfVM is FFA_RXTX_MAP for a VM, which a descriptor in the hypervisor's TX buffer describes.
func (s *SPMC) mapBuffersOfVM() error {
	b, err := s.readTX(s.own(), uint32(min(s.own().tx.Size, ffa.PageSize)))
	if err != nil {
		return err
	}
	d, err := ffa.ParseRXTXDescriptor(b)
	switch {
	case err != nil:
		return err
	case d.Endpoint.Secure() || d.Endpoint == ffa.NonSecurePhysical, d.RX.Pages != d.TX.Pages:
		return ffa.InvalidParameters
	}
	// The rules for the addresses are those of the registers.
	call := ffa.RXTXMap{SMC64: true, TX: d.TX.Address, RX: d.RX.Address, Pages: d.RX.Pages}.Registers()
	c, err := ffa.ParseRXTXMap(&call)
	if err != nil {
		return err
	}
	v, err := s.makeVM(d.Endpoint)
	if err != nil {
		return err
	}
	defer s.forget(v)
	return s.mapFor(v, c)
}

func (s *SPMC) mapFor(v *vm, c ffa.RXTXMap) error {
	if v.rxtx != nil {
		return ffa.Denied
	}
	size := uint64(c.Pages) * ffa.PageSize
	tx, rx := memory.Range{Base: c.TX, Size: size}, memory.Range{Base: c.RX, Size: size}
	o, err := s.space.Share([]memory.Range{tx, rx})
	switch {
	case errors.Is(err, memory.ErrNotNormal):
		return ffa.InvalidParameters
	case err != nil:
		return err
	}
	v.rxtx, v.tx, v.rx, v.rxUser = o, tx, rx, rxSPMC
	return nil
}

// unmapBuffers is FFA_RXTX_UNMAP (DEN0077A, 13.7). An identifier is for hypervisors, which have VMs.
func (s *SPMC) unmapBuffers(r *ffa.Registers) error {
	c, err := ffa.ParseRXTXUnmap(r)
	if err != nil {
		return err
	}
	v := s.lookVM(c.ID)
	if !s.represents(c.ID) || v == nil || v.rxtx == nil {
		return ffa.InvalidParameters
	}
	if err := s.space.Reclaim(v.rxtx); err != nil {
		return err
	}
	v.rxtx, v.tx, v.rx, v.rxUser = nil, memory.Range{}, memory.Range{}, rxSPMC
	s.forget(v)
	return nil
}

// releaseRX is FFA_RX_RELEASE (DEN0077A, 13.4).
func (s *SPMC) releaseRX(r *ffa.Registers) error {
	c, err := ffa.ParseRXRelease(r)
	if err != nil {
		return err
	}
	v := s.lookVM(c.ID)
	switch {
	case !s.represents(c.ID) || v == nil:
		return ffa.InvalidParameters
	case v.rxUser == rxSPMC:
		return ffa.Denied
	}
	v.rxUser = rxSPMC
	return nil
}

// acquireRX is FFA_RX_ACQUIRE (DEN0077A, 13.5): a hypervisor wants to fill a VM's RX buffer itself. Its own needs no permission.
func (s *SPMC) acquireRX(r *ffa.Registers) error {
	c, err := ffa.ParseRXRelease(r)
	if err != nil {
		return err
	}
	v := s.lookVM(c.ID)
	switch {
	case v == nil || v == s.own() || v.rxtx == nil:
		return ffa.InvalidParameters
	case v.rxUser != rxSPMC:
		return ffa.Denied
	}
	v.rxUser = rxHypervisor
	return nil
}

// readTX gives a private copy of the first n bytes of a TX buffer. It is valid until the next call.
func (s *SPMC) readTX(v *vm, n uint32) ([]byte, error) {
	if v.rxtx == nil || uint64(n) > v.tx.Size {
		return nil, ffa.InvalidParameters
	}
	s.fragment = append(s.fragment[:0], make([]byte, n)...)
	if err := s.space.ReadNormal(v.tx.Base, s.fragment); err != nil {
		return nil, ffa.Aborted
	}
	return s.fragment, nil
}

// fillRX writes b into an RX buffer and hands it to its owner.
func (s *SPMC) fillRX(v *vm, b []byte) error {
	if err := s.space.WriteNormal(v.rx.Base, b); err != nil {
		return ffa.Aborted
	}
	v.rxUser = rxEndpoint
	return nil
}
