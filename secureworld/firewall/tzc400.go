package firewall

import (
	"errors"
	"fmt"

	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
)

// Registers of the TZC-400 (DDI 0504, 3.2).
const (
	regBuildConfig = 0x000
	regAction      = 0x004
	regGateKeeper  = 0x008
	regIntClear    = 0x014
	regPID0        = 0xFE0
	regPID1        = 0xFE4

	regRegion    = 0x100 // region n stands at regRegion + n*regionStride
	regionStride = 0x20
	regBaseLow   = 0x00
	regBaseHigh  = 0x04
	regTopLow    = 0x08
	regTopHigh   = 0x0C
	regAttribute = 0x10
	regIDAccess  = 0x14
)

// Fields (DDI 0504, 3.3).
const (
	gateStatusShift = 16      // GATE_KEEPER: open status above the requests
	attrSecureRW    = 3 << 30 // REGION_ATTRIBUTES: secure writes and reads
	idWriteShift    = 16      // REGION_ID_ACCESS: write enables above the read enables
	partNumber      = 0x460   // PID1[3:0]:PID0[7:0]
	maxRegions      = 9       // with region 0
	gatePolls       = 1000    // reads of GATE_KEEPER before the controller counts as broken
)

// Action is the answer to an access without permission (DDI 0504, 3.3.2): ACTION[1:0].
type Action uint32

// The actions.
const (
	// ActionRAZ answers OKAY: reads see zeros, writes are dropped.
	ActionRAZ Action = 0
	// ActionAbort answers DECERR, which a processor takes as an external abort.
	ActionAbort Action = 1
	// ActionInterrupt, added to one of the others, raises TZCINT.
	ActionInterrupt Action = 2
)

// ErrController wraps errors about a controller that does not answer as a TZC-400 does.
var ErrController = errors.New("TZC-400")

// Config is the policy of one controller.
type Config struct {
	Base   uint64
	Action Action
	// Background is what non-secure masters may do outside all protected ranges.
	Background memory.Access
	// Pinned ranges are protected from the moment the gates open until the next reset.
	Pinned []Pin
	// Port reaches the registers: secure and privileged.
	Port *bus.Port
}

// Pin is a range that is never released.
type Pin struct {
	memory.Range
	Access memory.Access // of non-secure masters
}

// slot is the driver's copy of the registers of one region above 0.
type slot struct {
	region
	enabled bool
	stale   bool // REGION_ID_ACCESS holds something else until the next change
}

// TZC400 drives one controller. It implements memory.Firewall.
type TZC400 struct {
	cfg     Config
	filters uint32 // one bit for each filter unit
	n       int    // regions, with region 0
	slots   [maxRegions]slot
	layout  layout
}

var _ memory.Firewall = (*TZC400)(nil)

// NewTZC400 takes the controller over after a reset: all gates are closed, all regions but the background disabled, the
// background programmed, the pinned ranges protected, and then the gates opened.
func NewTZC400(cfg Config) (*TZC400, error) {
	t := &TZC400{cfg: cfg}
	build, resp := cfg.Port.Load(cfg.Base+regBuildConfig, 4)
	pid0, _ := cfg.Port.Load(cfg.Base+regPID0, 4)
	pid1, _ := cfg.Port.Load(cfg.Base+regPID1, 4)
	if part := pid0&0xFF | pid1&0xF<<8; resp != bus.OKAY || part != partNumber {
		return nil, fmt.Errorf("%w at %#x: response %v, part number %#x, want %#x", ErrController, cfg.Base, resp, part, partNumber)
	}
	t.filters = 1<<(build>>24&3+1) - 1
	t.n = min(int(build&0x1F)+1, maxRegions)
	if err := t.gates(0); err != nil {
		return nil, err
	}
	for i := 1; i < t.n; i++ {
		t.region(i, regAttribute, 0)
		t.region(i, regIDAccess, 0)
	}
	t.region(0, regIDAccess, idAccess(cfg.Background))
	t.region(0, regAttribute, attrSecureRW)
	t.write(regAction, uint32(cfg.Action))
	t.write(regIntClear, t.filters)
	var l layout
	for _, p := range cfg.Pinned {
		l = l.protect([]memory.Range{p.Range}, p.Access)
	}
	if err := t.fits(l); err != nil {
		return nil, err
	}
	t.program(l)
	return t, t.gates(t.filters)
}

// Protect is documented at memory.Firewall.
func (t *TZC400) Protect(ranges []memory.Range, access memory.Access) error {
	return t.change(t.layout.protect(ranges, access))
}

// Grant is documented at memory.Firewall.
func (t *TZC400) Grant(ranges []memory.Range, access memory.Access) error {
	return t.change(t.layout.grant(ranges, access))
}

// Withdraw is documented at memory.Firewall.
func (t *TZC400) Withdraw(ranges []memory.Range, access memory.Access) {
	l, ok := t.layout.withdraw(ranges, access)
	if !ok {
		panic("BUG: firewall: a grant is withdrawn that was not made")
	}
	t.program(l)
}

// change goes over to another layout if the controller has the regions for it.
func (t *TZC400) change(l layout) error {
	if err := t.fits(l); err != nil {
		return err
	}
	t.program(l)
	return nil
}

func (t *TZC400) fits(l layout) error {
	if n := l.worst(); n > t.n-1 {
		return fmt.Errorf("%w: %d are needed, %d exist", memory.ErrNoRegion, n, t.n-1)
	}
	return nil
}

// Revoke is documented at memory.Firewall. Where a range shares its region with others, their masters lose access too, until
// Release.
func (t *TZC400) Revoke(ranges []memory.Range) {
	for i := 1; i < t.n; i++ {
		s := &t.slots[i]
		if !s.enabled || s.stale || s.access == (memory.Access{}) {
			continue
		}
		for _, r := range ranges {
			if s.Overlaps(r) {
				t.region(i, regIDAccess, 0)
				s.stale = true
				break
			}
		}
	}
}

// Release is documented at memory.Firewall.
func (t *TZC400) Release(ranges []memory.Range) { t.program(t.layout.release(ranges)) }

// program brings the controller from one layout to another. A region goes live or dead with one write, of REGION_ATTRIBUTES, and
// changes its masters with one, of REGION_ID_ACCESS, so none of these leaves a moment in which more masters reach memory than
// did before or do afterwards. A region that grows or shrinks takes several writes: they are made while all gates are closed.
func (t *TZC400) program(l layout) {
	want := l.regions()
	var keep [maxRegions]bool
	var fresh []region
	for _, w := range want {
		if i := t.slotOf(w.Range); i != 0 {
			keep[i] = true
			if t.slots[i].access != w.access {
				t.slots[i].access, t.slots[i].stale = w.access, true
			}
		} else {
			fresh = append(fresh, w)
		}
	}
	moves := false
	for i := 1; i < t.n; i++ {
		if s := &t.slots[i]; s.enabled && !keep[i] {
			for _, w := range fresh {
				moves = moves || s.Overlaps(w.Range)
			}
		}
	}
	if moves {
		t.mustGates(0)
	}
	for i := 1; i < t.n; i++ {
		switch s := &t.slots[i]; {
		case s.enabled && !keep[i]:
			t.region(i, regAttribute, 0)
			*s = slot{}
		case s.stale:
			t.region(i, regIDAccess, idAccess(s.access))
			s.stale = false
		}
	}
	for _, w := range fresh {
		t.enable(t.free(), w)
	}
	if moves {
		t.mustGates(t.filters)
	}
	t.layout = l
}

// slotOf is the number of the enabled region with exactly this range, or 0.
func (t *TZC400) slotOf(r memory.Range) int {
	for i := 1; i < t.n; i++ {
		if t.slots[i].enabled && t.slots[i].Range == r {
			return i
		}
	}
	return 0
}

func (t *TZC400) free() int {
	for i := 1; i < t.n; i++ {
		if !t.slots[i].enabled {
			return i
		}
	}
	panic("BUG: firewall: a plan with more regions than the controller has")
}

// enable programs a disabled region. It goes live with the last write.
func (t *TZC400) enable(i int, r region) {
	top := r.End() - 1
	t.region(i, regBaseLow, uint32(r.Base))
	t.region(i, regBaseHigh, uint32(r.Base>>32))
	t.region(i, regTopLow, uint32(top))
	t.region(i, regTopHigh, uint32(top>>32))
	t.region(i, regIDAccess, idAccess(r.access))
	t.region(i, regAttribute, attrSecureRW|t.filters)
	t.slots[i] = slot{region: r, enabled: true}
}

// Extents is the number of ranges that are protected now.
func (t *TZC400) Extents() int { return len(t.layout.extents) }

// Regions is the number of regions that are in use now, and how many there are beside region 0.
func (t *TZC400) Regions() (used, all int) { return len(t.layout.regions()), t.n - 1 }

func idAccess(a memory.Access) uint32 { return uint32(a.Write)<<idWriteShift | uint32(a.Read) }

// gates closes or opens the filter units and waits until the controller has done so.
func (t *TZC400) gates(open uint32) error {
	t.write(regGateKeeper, open)
	for range gatePolls {
		if v, _ := t.cfg.Port.Load(t.cfg.Base+regGateKeeper, 4); uint32(v)>>gateStatusShift&t.filters == open {
			return nil
		}
	}
	return fmt.Errorf("%w at %#x: the gates do not reach %#x", ErrController, t.cfg.Base, open)
}

func (t *TZC400) mustGates(open uint32) {
	if t.gates(open) != nil {
		panic("BUG: firewall: a controller that worked at reset does not move its gates")
	}
}

func (t *TZC400) region(i int, reg uint64, v uint32) {
	t.write(regRegion+uint64(i)*regionStride+reg, v)
}

func (t *TZC400) write(reg uint64, v uint32) {
	if t.cfg.Port.Store(t.cfg.Base+reg, 4, uint64(v)) != bus.OKAY {
		panic("BUG: firewall: a controller that worked at reset refuses a register")
	}
}

// Off is the firewall of a machine without controller: everything stays open.
type Off struct{}

// Protect does nothing.
func (Off) Protect([]memory.Range, memory.Access) error { return nil }

// Revoke does nothing.
func (Off) Revoke([]memory.Range) {}

// Grant does nothing.
func (Off) Grant([]memory.Range, memory.Access) error { return nil }

// Withdraw does nothing.
func (Off) Withdraw([]memory.Range, memory.Access) {}

// Release does nothing.
func (Off) Release([]memory.Range) {}
