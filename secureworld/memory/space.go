package memory

import (
	"errors"
	"fmt"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
	"gatehouse/secureworld/trace"
)

// Errors of the operations of a Space. An operation that returns one has changed nothing.
var (
	// ErrNotNormal: an address that is no memory of the normal world: device, secure, reserved or nothing at all.
	ErrNotNormal = errors.New("not memory of the normal world")
	// ErrState: the ownership state machine has no such transition for one of the pages.
	ErrState = errors.New("page is not in the state that the operation needs")
	// ErrOverlap: ranges that have pages in common.
	ErrOverlap = errors.New("ranges overlap")
	// ErrNoRegion: the controller has no region left for the ranges.
	ErrNoRegion = errors.New("no region of the address space controller is free")
	// ErrTooMany: more ranges than the secure world keeps account of.
	ErrTooMany = errors.New("too many ranges")
	// ErrBus: the bus refused an access.
	ErrBus = errors.New("bus error")
	// ErrBounds: an offset or size beyond the end of an object.
	ErrBounds = errors.New("outside the object")
)

// Access says which non-secure masters may access protected memory: bit n stands for NSAID n.
type Access struct{ Read, Write uint16 }

// fields are for events; nil has none.
func (a *Access) fields() []event.Field {
	if a == nil {
		return nil
	}
	return []event.Field{{Key: "read", Num: uint64(a.Read), Text: bus.NSAIDSet(a.Read)},
		{Key: "write", Num: uint64(a.Write), Text: bus.NSAIDSet(a.Write)}}
}

// Firewall takes memory away from non-secure masters and gives it back. Ranges are normalised (see Normalise).
type Firewall interface {
	// Protect leaves non-secure access to ranges to the masters of access only. It returns ErrNoRegion and has changed
	// nothing when it cannot.
	Protect(ranges []Range, access Access) error
	// Grant adds the masters of access to those of ranges, each of which lies within one that is protected. It returns
	// ErrNoRegion and has changed nothing when it cannot.
	Grant(ranges []Range, access Access) error
	// Withdraw undoes Grants with the same ranges: of each master and direction one. What other grants allow stays.
	Withdraw(ranges []Range, access Access)
	// Revoke takes the access of the remaining masters away, before the memory is scrubbed.
	Revoke(ranges []Range)
	// Release gives ranges that were given to Protect in one call back to the normal world, and ends all grants within them.
	Release(ranges []Range)
}

// Config sizes a Space.
type Config struct {
	// Normal is the memory of the normal world, all of it RAM. Reserved parts of it are not the normal world's.
	Normal   Range
	Reserved []Range
	// MaxRanges bounds the ranges of all live objects together.
	MaxRanges int
	// NonSecure and Secure are ports with the identity of the application processors in the two security states.
	NonSecure, Secure *bus.Port
	Log               trace.Log
}

// Space is the normal world's memory as the secure world knows it.
type Space struct {
	cfg      Config
	firewall Firewall
	pages    pages
	ranges   int // of all live objects
	sorted   []Range
}

// NewSpace makes a space in which the normal world owns everything that is not reserved.
func NewSpace(cfg Config) (*Space, error) {
	if !cfg.Normal.Pages() {
		return nil, fmt.Errorf("normal-world memory %v: want whole pages", cfg.Normal)
	}
	for i, r := range cfg.Reserved {
		if !r.Pages() || !cfg.Normal.Contains(r) {
			return nil, fmt.Errorf("reserved memory %v: want whole pages within %v", r, cfg.Normal)
		}
		for _, o := range cfg.Reserved[:i] {
			if r.Overlaps(o) {
				return nil, fmt.Errorf("reserved memory %v overlaps %v", r, o)
			}
		}
	}
	s := &Space{cfg: cfg}
	s.pages.reset(cfg.Normal, cfg.Reserved)
	return s, nil
}

// SetFirewall tells what stands before the memory. It must be called once, before anything is lent.
func (s *Space) SetFirewall(f Firewall) { s.firewall = f }

// At gives the state of the page that holds addr. Addresses outside the normal world's memory are in state !Owner-NA.
func (s *Space) At(addr uint64) Page { return s.pages.at(addr) }

// Accessible reports whether the normal world may access all of r.
func (s *Space) Accessible(r Range) bool {
	return s.pages.all(r, func(p Page) bool { return p.State.Accessible() })
}

// ReadNormal copies memory that the normal world may access.
func (s *Space) ReadNormal(addr uint64, p []byte) error {
	if !s.Accessible(Range{addr, uint64(len(p))}) {
		return fmt.Errorf("%w: %#x", ErrNotNormal, addr)
	}
	return check(s.cfg.NonSecure.Read(addr, p))
}

// WriteNormal writes memory that the normal world may access.
func (s *Space) WriteNormal(addr uint64, p []byte) error {
	if !s.Accessible(Range{addr, uint64(len(p))}) {
		return fmt.Errorf("%w: %#x", ErrNotNormal, addr)
	}
	return check(s.cfg.NonSecure.Write(addr, p))
}

func check(r bus.Response) error {
	if r != bus.OKAY {
		return fmt.Errorf("%w: %v", ErrBus, r)
	}
	return nil
}

// normalised gives a sorted copy of ranges, valid until the next call, after checking that all are pages of the normal world.
func (s *Space) normalised(ranges []Range) ([]Range, error) {
	if len(ranges) == 0 {
		return nil, ErrBounds
	}
	if len(ranges) > s.cfg.MaxRanges-s.ranges {
		return nil, ErrTooMany
	}
	for _, r := range ranges {
		if !r.Pages() || !s.cfg.Normal.Contains(r) {
			return nil, fmt.Errorf("%w: %v", ErrNotNormal, r)
		}
	}
	s.sorted = append(s.sorted[:0], ranges...)
	sorted, ok := Normalise(s.sorted)
	if !ok {
		return nil, ErrOverlap
	}
	return sorted, nil
}

// allowed reports whether every page of ranges can take event e with a borrower that has no access yet.
func (s *Space) allowed(ranges []Range, e Event) error {
	for _, r := range ranges {
		if !s.pages.all(r, func(p Page) bool {
			_, _, ok := Next(e, p.State, NotOwnerNA)
			return ok && p.Registrations == 0
		}) {
			return fmt.Errorf("%w: %v", ErrState, r)
		}
	}
	return nil
}

// commit makes event e happen to every page of ranges, which allowed has agreed to.
func (s *Space) commit(ranges []Range, e Event) {
	s.pages.update(ranges, func(p Page) Page {
		p.State, _, _ = Next(e, p.State, NotOwnerNA)
		return p
	})
}

// Share makes ranges an object that both worlds access. Every page must be Owner-EA.
func (s *Space) Share(ranges []Range) (*Object, error) {
	sorted, err := s.normalised(ranges)
	if err != nil {
		return nil, err
	}
	if err := s.allowed(sorted, Share); err != nil {
		return nil, err
	}
	s.commit(sorted, Share)
	return s.object(ranges, shared), nil
}

// Register does the same for OP-TEE's SMC ABI, where buffers may have pages in common with each other: the pages must be
// Owner-EA or registered already. A page may stand in ranges once only.
func (s *Space) Register(ranges []Range) (*Object, error) {
	sorted, err := s.normalised(ranges)
	if err != nil {
		return nil, err
	}
	for _, r := range sorted {
		if !s.pages.all(r, registrable) {
			return nil, fmt.Errorf("%w: %v", ErrState, r)
		}
	}
	s.pages.update(sorted, register)
	return s.object(ranges, registered), nil
}

// Borrow is Register for the time of one call: the page that holds r stays what it is until Reclaim. It is outside the account
// of ranges, so that a call that gives memory back always finds its argument.
func (s *Space) Borrow(r Range) (*Object, error) {
	if !r.Pages() || !s.pages.all(r, registrable) {
		return nil, fmt.Errorf("%w: %v", ErrNotNormal, r)
	}
	one := [1]Range{r}
	s.pages.update(one[:], register)
	o := s.object(one[:], registered)
	s.ranges--
	o.uncounted = true
	return o, nil
}

// registrable reports whether a page may be registered, and register does so.
func registrable(p Page) bool { return p.State == OwnerEA || p.Registrations > 0 }

func register(p Page) Page { return Page{OwnerSA, p.Registrations + 1} }

// Lend takes ranges away from the normal world: only the masters of access reach them from there on. Every page must be
// Owner-EA. With zero the memory is scrubbed before anybody can see it as protected memory.
func (s *Space) Lend(ranges []Range, access Access, zero bool) (*Object, error) {
	return s.take(ranges, access, zero, Lend, lent)
}

// Donate is Lend for a new owner: no master of the normal world keeps access. Until Surrender it can be reclaimed.
func (s *Space) Donate(ranges []Range, zero bool) (*Object, error) {
	return s.take(ranges, Access{}, zero, Donate, donated)
}

func (s *Space) take(ranges []Range, access Access, zero bool, e Event, k kind) (*Object, error) {
	sorted, err := s.normalised(ranges)
	if err != nil {
		return nil, err
	}
	if err := s.allowed(sorted, e); err != nil {
		return nil, err
	}
	if err := s.firewall.Protect(sorted, access); err != nil {
		return nil, err
	}
	if zero {
		if err := s.scrub(sorted); err != nil {
			s.firewall.Release(sorted)
			return nil, err
		}
	}
	s.commit(sorted, e)
	s.tell("PROTECT", sorted, &access)
	o := s.object(ranges, k)
	o.access = access
	return o, nil
}

// tell emits an event about protected memory for each range.
func (s *Space) tell(name string, ranges []Range, access *Access) {
	if !s.cfg.Log.On(event.Protmem) {
		return
	}
	for _, r := range ranges {
		s.cfg.Log.Emit(event.Protmem, "secure", name,
			append([]event.Field{event.Hex("base", r.Base), event.Hex("size", r.Size)}, access.fields()...)...)
	}
}

// Grant lets the masters of access reach n bytes from offset off of protected memory, beside those that do so anyway, until
// Withdraw or Reclaim. Both numbers are whole pages. It returns ErrBounds, ErrState for memory that is not protected, or
// ErrNoRegion.
func (s *Space) Grant(o *Object, off, n uint64, access Access) error {
	ranges, err := o.part(off, n)
	if err != nil {
		return err
	}
	if err := s.firewall.Grant(ranges, access); err != nil {
		return err
	}
	s.tell("GRANT", ranges, &access)
	return nil
}

// Withdraw undoes Grants of the same part: of each master and direction one.
func (s *Space) Withdraw(o *Object, off, n uint64, access Access) {
	ranges, err := o.part(off, n)
	if err != nil {
		panic("BUG: memory: a grant of no part of its object")
	}
	s.firewall.Withdraw(ranges, access)
	s.tell("WITHDRAW", ranges, &access)
}

// Surrender completes a donation: the normal world never gets the memory back.
func (s *Space) Surrender(o *Object) {
	sorted := o.normalised()
	s.pages.update(sorted, func(p Page) Page {
		p.State, _, _ = Next(RetrieveDonated, p.State, NotOwnerNA)
		return p
	})
	o.kind = surrendered
}

// Reclaim gives all pages of an object back to the normal world and ends the object. What was protected is scrubbed before any
// master of the normal world can reach it.
func (s *Space) Reclaim(o *Object) error {
	sorted := o.normalised()
	switch o.kind {
	case shared:
		s.commit(sorted, Reclaim)
	case registered:
		s.pages.update(sorted, func(p Page) Page {
			if p.Registrations--; p.Registrations == 0 {
				p.State = OwnerEA
			}
			return p
		})
	case lent, donated:
		s.firewall.Revoke(sorted)
		if err := s.scrub(sorted); err != nil {
			return err
		}
		s.tell("SCRUB", sorted, nil)
		s.firewall.Release(sorted)
		s.tell("RELEASE", sorted, nil)
		s.commit(sorted, Reclaim)
	default:
		return ErrState
	}
	if !o.uncounted {
		s.ranges -= len(o.ranges)
	}
	o.kind = ended
	return nil
}

// Cancel undoes Lend or Donate, as if it had not been. Nobody can have had access meanwhile, so nothing is scrubbed.
func (s *Space) Cancel(o *Object) {
	sorted := o.normalised()
	s.firewall.Release(sorted)
	s.tell("RELEASE", sorted, nil)
	s.commit(sorted, Reclaim)
	s.ranges -= len(o.ranges)
	o.kind = ended
}

// scrub zeroes memory over the bus with the secure identity.
func (s *Space) scrub(ranges []Range) error {
	for _, r := range ranges {
		if err := check(s.cfg.Secure.Zero(r.Base, r.Size)); err != nil {
			return err
		}
	}
	return nil
}

// Pages is the number of pages of the normal world's memory.
func (s *Space) Pages() uint64 { return s.cfg.Normal.Size / PageSize }

// Walk calls f for each run of pages in one state, in the order of addresses.
func (s *Space) Walk(f func(Range, Page)) {
	for i, x := range s.pages.spans {
		f(Range{x.base, s.pages.end(i) - x.base}, x.page)
	}
}
