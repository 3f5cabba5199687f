package cpu

import "gatehouse/platform/vtime"

// CounterHz is the frequency of the system counter, that of QEMU's virt board: one tick is 16 ns of virtual time.
const CounterHz = 62_500_000

const nsPerTick = 1_000_000_000 / CounterHz

// Generic timers (DDI 0487, D11).
const (
	timerPhys = iota
	timerVirt
	timerHyp
	timerSec
	timers
)

var timerPPI = [timers]uint32{ppiPhysTimer, ppiVirtTimer, ppiHypTimer, ppiSecTimer}

const (
	ctlEnable = 1 << 0
	ctlMask   = 1 << 1
	ctlStatus = 1 << 2
)

type timerState struct {
	ctl     [timers]uint64
	cval    [timers]uint64
	level   [timers]bool
	cntfrq  uint64
	voff    uint64
	cntkctl uint64
	cnthctl uint64
	wake    *vtime.Timer
}

func (c *CPU) resetTimers() {
	wake := c.tim.wake
	for i, l := range c.tim.level {
		if l && c.cfg.GIC != nil {
			c.cfg.GIC.SetPPI(timerPPI[i], false)
		}
	}
	c.tim = timerState{wake: wake, cntfrq: CounterHz, cnthctl: 3}
	if wake != nil {
		wake.Stop()
	}
}

// count is CNTPCT_EL0.
func (c *CPU) count() uint64 { return c.clock.Now() / nsPerTick }

// timerCount is the counter that timer t compares with.
func (c *CPU) timerCount(t int) uint64 {
	if t == timerVirt {
		return c.count() - c.tim.voff
	}
	return c.count()
}

// updateTimers recomputes the timers' outputs and sets the wake-up for the next change.
func (c *CPU) updateTimers() {
	next := uint64(vtime.Never)
	for t := range timers {
		ctl := c.tim.ctl[t]
		level := false
		if ctl&ctlEnable != 0 {
			now := c.timerCount(t)
			if now >= c.tim.cval[t] {
				level = ctl&ctlMask == 0
			} else if d := c.tim.cval[t] - now; ctl&ctlMask == 0 && d < 1<<58 {
				next = min(next, (c.count()+d)*nsPerTick)
			}
		}
		if level != c.tim.level[t] {
			c.tim.level[t] = level
			if c.cfg.GIC != nil {
				c.cfg.GIC.SetPPI(timerPPI[t], level)
			}
		}
	}
	if next == vtime.Never {
		c.tim.wake.Stop()
	} else {
		c.tim.wake.Set(next)
	}
}

// Expire is called by the clock when a timer's condition may be met.
func (c *CPU) Expire(*vtime.Timer, uint64) { c.updateTimers() }

// timerRegister gives timer and register (0 TVAL, 1 CTL, 2 CVAL) that key names.
func timerRegister(key uint16) (t, reg int, ok bool) {
	crm, op2 := key>>3&15, int(key&7)
	if op2 > 2 {
		return 0, 0, false
	}
	switch {
	case key>>11&7 == 3 && crm == 2:
		return timerPhys, op2, true
	case key>>11&7 == 3 && crm == 3:
		return timerVirt, op2, true
	case key>>11&7 == 4 && crm == 2:
		return timerHyp, op2, true
	case key>>11&7 == 7 && crm == 2:
		return timerSec, op2, true
	}
	return 0, 0, false
}

// timerAccess applies CNTKCTL_EL1, CNTHCTL_EL2 and SCR_EL3.ST to an access to timer t.
func (c *CPU) timerAccess(t int) access {
	switch t {
	case timerPhys:
		if c.el == 0 && c.tim.cntkctl>>9&1 == 0 {
			return accessTrap1
		}
		if c.el < 2 && c.el2() && c.tim.cnthctl>>1&1 == 0 { // EL1PCEN
			return accessTrap2
		}
	case timerVirt:
		if c.el == 0 && c.tim.cntkctl>>8&1 == 0 {
			return accessTrap1
		}
	case timerSec:
		if c.el == 3 {
			return accessOK
		}
		if !c.cfg.EL3 || !c.secure || c.el != 1 {
			return accessUndef
		}
		if c.sys.scr&scrST == 0 {
			return accessTrap3
		}
	}
	return accessOK
}

func (c *CPU) readTimer(key uint16) (uint64, access) {
	switch key {
	case sysCNTFRQEL0:
		if c.el == 0 && c.tim.cntkctl&3 == 0 {
			return 0, accessTrap1
		}
		return c.tim.cntfrq, accessOK
	case sysCNTPCTEL0:
		if c.el == 0 && c.tim.cntkctl&1 == 0 {
			return 0, accessTrap1
		}
		if c.el < 2 && c.el2() && c.tim.cnthctl&1 == 0 { // EL1PCTEN
			return 0, accessTrap2
		}
		return c.count(), accessOK
	case sysCNTVCTEL0:
		if c.el == 0 && c.tim.cntkctl&2 == 0 {
			return 0, accessTrap1
		}
		return c.timerCount(timerVirt), accessOK
	case sysCNTKCTLEL1:
		return c.tim.cntkctl, accessOK
	case sysCNTHCTLEL2:
		return c.tim.cnthctl, accessOK
	case sysCNTVOFFEL2:
		return c.tim.voff, accessOK
	}
	t, reg, ok := timerRegister(key)
	if !ok {
		return 0, accessUndef
	}
	if a := c.timerAccess(t); a != accessOK {
		return 0, a
	}
	switch reg {
	case 0:
		return (c.tim.cval[t] - c.timerCount(t)) & 0xffffffff, accessOK
	case 1:
		ctl := c.tim.ctl[t]
		if ctl&ctlEnable != 0 && c.timerCount(t) >= c.tim.cval[t] {
			ctl |= ctlStatus
		}
		return ctl, accessOK
	}
	return c.tim.cval[t], accessOK
}

func (c *CPU) writeTimer(key uint16, v uint64) access {
	switch key {
	case sysCNTFRQEL0:
		highest := uint8(1)
		if c.cfg.EL2 {
			highest = 2
		}
		if c.cfg.EL3 {
			highest = 3
		}
		if c.el != highest {
			return accessUndef
		}
		c.tim.cntfrq = v & 0xffffffff
		return accessOK
	case sysCNTKCTLEL1:
		c.tim.cntkctl = v & 0x3ff
		return accessOK
	case sysCNTHCTLEL2:
		c.tim.cnthctl = v & 0xff
		return accessOK
	case sysCNTVOFFEL2:
		c.tim.voff = v
		c.updateTimers()
		return accessOK
	}
	t, reg, ok := timerRegister(key)
	if !ok {
		return accessUndef
	}
	if a := c.timerAccess(t); a != accessOK {
		return a
	}
	switch reg {
	case 0:
		c.tim.cval[t] = c.timerCount(t) + uint64(int64(int32(v)))
	case 1:
		c.tim.ctl[t] = v & 3
	case 2:
		c.tim.cval[t] = v
	}
	c.updateTimers()
	c.check = true
	return accessOK
}
