package tee

import (
	"gatehouse/normalworld"
)

const page = 4096

// userPage is a page of a process. It lives while it is mapped or pinned.
type userPage struct {
	pa    uint64
	refs  int
	owner *SHM // that the page belongs to, nil for anonymous memory
}

// AddressSpace is a process's memory: a page table over pages on the bus, through which the kernel copies ioctl arguments.
type AddressSpace struct {
	sub   *Subsystem
	table map[uint64]*userPage // by virtual page number; looked up, never ranged over
	next  uint64               // virtual page that no mapping has used yet
	areas []userArea
}

type userArea struct {
	va, n uint64
	owner *SHM
}

// taskSize ends the addresses of user space: 48 bits of them (arm64, CONFIG_ARM64_VA_BITS_48).
const taskSize = 1 << 48

// NewAddressSpace makes an empty one.
func (s *Subsystem) NewAddressSpace() *AddressSpace {
	return &AddressSpace{sub: s, table: make(map[uint64]*userPage), next: 0x10}
}

// Map maps size bytes of anonymous memory, in whole pages that are not contiguous as a rule, and zero. Between mappings there is at
// least a page of nothing.
func (a *AddressSpace) Map(size uint64) (va uint64, err error) {
	if size == 0 || size > taskSize {
		return 0, normalworld.EINVAL
	}
	n := (size + page - 1) / page
	area := userArea{va: a.next * page, n: n}
	for i := range n {
		pa, err := a.sub.AllocPages(1)
		if err != nil {
			for k := range i {
				a.drop(area.va/page + k)
			}
			return 0, err
		}
		a.table[area.va/page+i] = &userPage{pa: pa, refs: 1}
	}
	a.next += n + 1
	a.areas = append(a.areas, area)
	return area.va, nil
}

// mapSHM maps shared memory, which lives at least as long as its mapping.
func (a *AddressSpace) mapSHM(s *SHM) (va uint64) {
	n := uint64(len(s.pages))
	area := userArea{va: a.next * page, n: n, owner: s}
	for i, pa := range s.pages {
		a.table[area.va/page+uint64(i)] = &userPage{pa: pa, refs: 1, owner: s}
	}
	a.next += n + 1
	a.areas = append(a.areas, area)
	s.get()
	return area.va
}

// Unmap ends the mapping that Map, or mmap, gave at va: EINVAL where there is none. Pages that the kernel still uses stay.
func (a *AddressSpace) Unmap(va uint64) error {
	for i, area := range a.areas {
		if area.va != va {
			continue
		}
		a.areas = append(a.areas[:i], a.areas[i+1:]...)
		for k := range area.n {
			a.drop(va/page + k)
		}
		if area.owner != nil {
			area.owner.Put()
		}
		return nil
	}
	return normalworld.EINVAL
}

// Close unmaps everything.
func (a *AddressSpace) Close() {
	for len(a.areas) > 0 {
		a.Unmap(a.areas[len(a.areas)-1].va)
	}
}

func (a *AddressSpace) drop(vpn uint64) {
	p := a.table[vpn]
	delete(a.table, vpn)
	a.unpin(p)
}

func (a *AddressSpace) unpin(p *userPage) {
	if p.refs--; p.refs == 0 && p.owner == nil {
		a.sub.FreePages(p.pa, 1)
	}
}

// pin takes the pages of a range for the kernel (pin_user_pages): EFAULT where one is not mapped. Pages of shared memory keep that
// alive.
func (a *AddressSpace) pin(va, size uint64) ([]*userPage, error) {
	first, n := va/page, (va%page+size+page-1)/page
	list := make([]*userPage, 0, n)
	for i := range n {
		p := a.table[first+i]
		if p == nil {
			a.unpinAll(list)
			return nil, normalworld.EFAULT
		}
		p.refs++
		if p.owner != nil {
			p.owner.get()
		}
		list = append(list, p)
	}
	return list, nil
}

func (a *AddressSpace) unpinAll(list []*userPage) {
	for _, p := range list {
		owner := p.owner
		a.unpin(p)
		if owner != nil {
			owner.Put()
		}
	}
}

// access goes over a range page by page.
func (a *AddressSpace) access(va uint64, b []byte, f func(pa uint64, b []byte) error) error {
	if va >= taskSize || uint64(len(b)) > taskSize-va {
		return normalworld.EFAULT
	}
	for len(b) > 0 {
		p := a.table[va/page]
		if p == nil {
			return normalworld.EFAULT
		}
		n := min(uint64(len(b)), page-va%page)
		if f(p.pa+va%page, b[:n]) != nil {
			return normalworld.EFAULT
		}
		va, b = va+n, b[n:]
	}
	return nil
}

// Read is copy_from_user: EFAULT where nothing is mapped, or where the bus refuses.
func (a *AddressSpace) Read(va uint64, b []byte) error { return a.access(va, b, a.sub.k.Read) }

// Write is copy_to_user.
func (a *AddressSpace) Write(va uint64, b []byte) error { return a.access(va, b, a.sub.k.Write) }
