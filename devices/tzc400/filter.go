package tzc400

import (
	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

// plan is what a filter unit decides by: its gate and the regions that are enabled in it. It is a function of the registers,
// and comparable, so that a register write tells whether it changed any decision.
type plan struct {
	open       bool
	background rights
	n          int
	spans      [Regions - 1]span
}

type span struct {
	base   uint64
	length uint64 // in bytes, less one
	region int
	rights rights
}

type rights struct {
	secure uint32 // bit 0 reading, bit 1 writing
	ids    uint32 // as in REGION_ID_ACCESS
}

func (r *region) rights() rights { return rights{r.attributes >> 30, r.idAccess} }

// permit is the permission check (DDI 0504, 2.2.2). Rights of one security state never imply rights of the other.
func (r rights) permit(write bool, a bus.Attr) bool {
	var w uint
	if write {
		w = 1
	}
	if a.Secure {
		return r.secure>>w&1 != 0
	}
	return a.NSAID < NSAIDs && r.ids>>(NSAIDs*w+uint(a.NSAID))&1 != 0
}

// compile makes the plans of all filter units and reports whether one differs from before.
func (t *TZC400) compile() bool {
	old := t.plans
	for f := range t.plans {
		p := plan{open: t.open>>f&1 != 0, background: t.regions[0].rights()}
		for i := 1; i < Regions; i++ {
			r := &t.regions[i]
			if r.attributes>>f&1 == 0 || r.base > r.top {
				continue
			}
			p.spans[p.n] = span{r.base, r.top - r.base, i, r.rights()}
			p.n++
		}
		t.plans[f] = p
	}
	return t.plans != old
}

// cause is why a transaction is refused.
type cause uint8

const (
	none       cause = iota // it is not refused
	permission              // the region that holds the address does not permit it
	overlap                 // more than one region from 1 to 8 holds the address
	closed                  // the gate is closed
)

var causes = [...]string{none: "none", permission: "permission", overlap: "overlap", closed: "gate"}

// decide gives the decision on one transaction and the region that it was made by (DDI 0504, 2.2.1).
func (p *plan) decide(addr uint64, write bool, a bus.Attr) (region int, c cause) {
	if !p.open {
		return 0, closed
	}
	r := p.background
	for i := 0; i < p.n; i++ {
		s := &p.spans[i]
		if addr-s.base > s.length {
			continue
		}
		if region != 0 {
			return s.region, overlap
		}
		region, r = s.region, s.rights
	}
	if addr > lastByte || !r.permit(write, a) {
		return region, permission
	}
	return region, none
}

// unit is one filter unit.
type unit struct {
	t     *TZC400
	index int
}

// Unit gives filter unit i, 0 to Filters-1, for the bus.
func (t *TZC400) Unit(i int) bus.Filter { return &t.units[i] }

// Check decides one transaction.
func (u *unit) Check(addr uint64, write bool, a bus.Attr) bus.Verdict {
	region, c := u.t.plans[u.index].decide(addr, write, a)
	if c == none {
		return bus.Allow
	}
	return u.t.refuse(u.index, addr, write, a, region, c)
}

// Allows gives the decision without a trace. Regions consist of whole pages, so it holds for all of addr's page.
func (u *unit) Allows(addr uint64, write bool, a bus.Attr) bool {
	_, c := u.t.plans[u.index].decide(addr, write, a)
	return c == none
}

// refuse records a refused transaction (DDI 0504, 3.3.5 to 3.3.10) and gives the verdict.
func (t *TZC400) refuse(filter int, addr uint64, write bool, a bus.Attr, region int, c cause) bus.Verdict {
	verdict := bus.DenyDECERR
	if c == permission && t.action&ActionDECERR == 0 {
		verdict = bus.DenyOKAY
	}
	if c != closed {
		t.latch(filter, addr, write, a, c)
	}
	if t.events.On(event.TZC) {
		access, state, response := "read", "non-secure", bus.DECERR
		if write {
			access = "write"
		}
		if a.Secure {
			state = "secure"
		}
		if verdict == bus.DenyOKAY {
			response = bus.OKAY
		}
		t.events.Emit(&event.Event{Time: t.clock.Now(), Category: event.TZC, Secure: true, Source: t.name, Name: "DENIED",
			Fields: []event.Field{
				event.Hex("addr", addr), event.Str("access", access), event.Str("state", state),
				event.Dec("nsaid", uint64(a.NSAID)), event.Str("master", bus.NSAIDName(a.NSAID)), event.Dec("filter", uint64(filter)),
				event.Dec("region", uint64(region)), event.Str("cause", causes[c]), event.Str("response", response.String()),
			}})
	}
	return verdict
}

func (t *TZC400) latch(filter int, addr uint64, write bool, a bus.Attr, c cause) {
	bit := uint32(1) << filter
	if c == overlap {
		t.overlap |= bit
	}
	if t.status&bit != 0 {
		t.overrun |= bit
		return
	}
	t.status |= bit
	f := failure{addr: addr & lastByte, id: uint32(a.ID)}
	if write {
		f.control |= FailWrite
	}
	if !a.Secure {
		f.control |= FailNonSecure
	}
	if a.Privileged {
		f.control |= FailPrivileged
	}
	t.fail[filter] = f
	t.interrupt()
}
