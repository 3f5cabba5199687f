package compare

import (
	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
)

// Machine is what a cell runs on.
type Machine interface {
	normalworld.Machine
	Close()
}

// Times is where virtual time went, in ns.
type Times struct {
	Total  uint64 `json:"total_ns"`
	Normal uint64 `json:"normal_world_ns"` // the kernel at work
	Secure uint64 `json:"secure_world_ns"` // from an SMC to its return
	Idle   uint64 `json:"idle_ns"`         // waiting: for the next frame, or for a master
}

func (t Times) minus(old Times) Times {
	return Times{t.Total - old.Total, t.Normal - old.Normal, t.Secure - old.Secure, t.Idle - old.Idle}
}

// clock is a machine on which work takes time, in front of the machine's own conduit.
type clock struct {
	Machine
	rec      *recorder
	costs    *Costs
	conduit  firmware.Conduit
	times    Times
	switches uint64 // that were paid for
}

// elapse lets ns pass on one of the accounts.
func (c *clock) elapse(ns uint64, account *uint64) {
	before := c.Machine.Now()
	c.Machine.Elapse(ns)
	n := c.Machine.Now() - before
	*account += n
	c.times.Total += n
}

// settle lets the time pass that the kernel has worked.
func (c *clock) settle() {
	if n := c.rec.takeNormal(); n > 0 {
		c.elapse(n, &c.times.Normal)
	}
}

// Now is documented at normalworld.Machine.
func (c *clock) Now() uint64 {
	c.settle()
	return c.Machine.Now()
}

// Elapse is documented at normalworld.Machine.
func (c *clock) Elapse(ns uint64) {
	c.settle()
	c.elapse(ns, &c.times.Normal)
}

// Wait is documented at normalworld.Machine.
func (c *clock) Wait(limit uint64) bool {
	c.settle()
	before := c.Machine.Now()
	due := c.Machine.Wait(limit)
	n := c.Machine.Now() - before
	c.times.Idle += n
	c.times.Total += n
	return due
}

// Conduit is documented at normalworld.Machine.
func (c *clock) Conduit() firmware.Conduit {
	if c.conduit == nil {
		c.conduit = c.Machine.Conduit()
	}
	return c
}

// SMC pays for a call: the way there before it, what the secure world did and the way back after it.
func (c *clock) SMC(r *firmware.Registers) {
	c.settle()
	way := c.costs.SMC / 2
	if switchesWorld(r) {
		way += c.costs.Switch
		c.switches += 2
	}
	c.elapse(way, &c.times.Secure)
	c.conduit.SMC(r)
	c.elapse(c.rec.takeSecure()+way+c.costs.SMC%2, &c.times.Secure)
}

// switchesWorld reports whether EL3 hands a call on to the secure world. The SPMD answers two calls of FF-A itself (TF-A's
// services/std_svc/spmd), and EL3 those of SMCCC, PSCI and the TRNG; all of OP-TEE's calls go to OP-TEE (services/spd/opteed). The SPMC
// is taken to be at S-EL1, with OP-TEE.
func switchesWorld(r *firmware.Registers) bool {
	if f := ffa.FunctionOf(r); f.InRange() {
		switch f.SMC32Form() {
		case ffa.IDGet32, ffa.SPMIDGet32:
			return false
		}
		return true
	}
	owner := (*smc.Registers)(r).Function().Owner()
	return owner >= smc.OwnerTrustedOSFirst && owner <= smc.OwnerTrustedOSLast
}
