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

// Settle asks the secure world again for memory that it has not given back, and says how many pages it keeps still. It may be called
// after Remove, as long as FF-A is there.
func (d *Driver) Settle() (pages uint64) {
	d.settleMemory()
	if d.dev == nil {
		d.freePrivate()
	}
	return d.Lost()
}

// freePrivate gives back the pages that the driver keeps for its messages.
func (d *Driver) freePrivate() {
	for _, pa := range d.private {
		d.sub.FreePages(pa, 1)
	}
	d.private = nil
}

func (d *Driver) settleMemory() {
	list := d.limbo
	d.limbo = nil
	for _, s := range list {
		if !d.be.settle(s) || !d.reaches(s) {
			d.limbo = append(d.limbo, s)
			continue
		}
		d.forget(s)
		s.Settle()
		d.freePages(s)
	}
}
