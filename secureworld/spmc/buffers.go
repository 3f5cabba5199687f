package spmc

import (
	"errors"

	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
)

// mapBuffers is FFA_RXTX_MAP (DEN0077A, 13.6). The buffers become shared memory, so that neither can be lent or shared again
// while they are mapped.
func (s *SPMC) mapBuffers(r *ffa.Registers) error {
	c, err := ffa.ParseRXTXMap(r)
	if err != nil {
		return err
	}
	if s.vm.rxtx != nil {
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
	s.vm.rxtx, s.vm.tx, s.vm.rx, s.vm.rxFull = o, tx, rx, false
	return nil
}

// unmapBuffers is FFA_RXTX_UNMAP. An identifier is for hypervisors, which have VMs.
func (s *SPMC) unmapBuffers(r *ffa.Registers) error {
	c, err := ffa.ParseRXTXUnmap(r)
	if err != nil {
		return err
	}
	if c.ID != ffa.NonSecurePhysical || s.vm.rxtx == nil {
		return ffa.InvalidParameters
	}
	if err := s.space.Reclaim(s.vm.rxtx); err != nil {
		return err
	}
	s.vm.rxtx, s.vm.tx, s.vm.rx, s.vm.rxFull = nil, memory.Range{}, memory.Range{}, false
	return nil
}

// releaseRX is FFA_RX_RELEASE.
func (s *SPMC) releaseRX(r *ffa.Registers) error {
	c, err := ffa.ParseRXRelease(r)
	switch {
	case err != nil:
		return err
	case c.ID != ffa.NonSecurePhysical:
		return ffa.InvalidParameters
	case !s.vm.rxFull:
		return ffa.Denied
	}
	s.vm.rxFull = false
	return nil
}

// readTX gives a private copy of the first n bytes of the TX buffer. It is valid until the next call.
func (s *SPMC) readTX(n uint32) ([]byte, error) {
	if s.vm.rxtx == nil || uint64(n) > s.vm.tx.Size {
		return nil, ffa.InvalidParameters
	}
	s.fragment = append(s.fragment[:0], make([]byte, n)...)
	if err := s.space.ReadNormal(s.vm.tx.Base, s.fragment); err != nil {
		return nil, ffa.Aborted
	}
	return s.fragment, nil
}
