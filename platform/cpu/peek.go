package cpu

import (
	"gatehouse/platform/bus"
	"gatehouse/platform/mmu"
)

// Peek reads from va on what the processor could load at its current exception level, and gives the number of bytes that it
// could. Nothing happens to the processor: no exception, no access flag, no entry in the TLB. Only RAM is read, and only pages
// that the firewall lets it read as a whole, so that no device and no failure register sees the read.
func (c *CPU) Peek(va uint64, p []byte) int {
	var g mmu.Regime
	c.regime(c.el, c.secure, &g)
	done := 0
	for done < len(p) {
		at := va + uint64(done)
		if at < va {
			break
		}
		t, _, ok := mmu.Walk(c, &g, at, c.el == 0, mmu.Read, c.pan && c.el != 0)
		if !ok {
			break
		}
		a := c.attr
		a.Secure = !t.NS
		page, _ := c.bus.Direct(t.PA, a)
		if page == nil {
			break
		}
		done += copy(p[done:], page[t.PA%bus.PageSize:])
	}
	return done
}
