package optee

import "gatehouse/normalworld/tee"

// hold keeps memory from use that the secure world may still have.
func (d *Driver) hold(s *tee.SHM) {
	if !s.Held() {
		s.Hold()
		d.limbo = append(d.limbo, s)
	}
}

// settle asks again for what is in limbo: memory, and sessions that could not be closed.
func (d *Driver) settle() {
	d.settleMemory()
	orphans := d.orphans
	d.orphans = nil
	for _, id := range orphans {
		d.closeSession(d.ctx, id)
	}
}

func (d *Driver) settleMemory() {
	kept := d.limbo[:0]
	for _, s := range d.limbo {
		if !d.be.settle(s) {
			kept = append(kept, s)
			continue
		}
		d.forget(s)
		s.Settle()
		d.freePages(s)
	}
	clear(d.limbo[len(kept):])
	d.limbo = kept
}
