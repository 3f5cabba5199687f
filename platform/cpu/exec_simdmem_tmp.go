package cpu

import "gatehouse/platform/a64"

func (c *CPU) execSIMDMemory(in *a64.Inst) bool { c.undefined(); return false }
