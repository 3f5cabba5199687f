// Package probe is the application that makes the service do what tests of a client want to see: requests to the normal world,
// notifications, cancellation, a panic, results of all kinds. Its commands stand in package optee.
//
// It is a model of how an application waits for the normal world: Invoke is entered for each step, and what it knows stands in the
// call's state.
package probe

import (
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// TA is the application. It keeps nothing from call to call.
type TA struct{}

// New makes the application.
func New() TA { return TA{} }

var _ tee.PseudoTA = TA{}

// UUID is optee.ProbeUUID.
func (TA) UUID() smc.UUID { return optee.ProbeUUID() }

// Properties: clients pass it protected memory.
func (TA) Properties() tee.Properties { return tee.SecureDataPath }

// Open lets in whom p0 does not turn away.
func (TA) Open(c *tee.Call) optee.Result {
	p := &c.Params[0]
	if p.Type != optee.AttrValueInput {
		return optee.Success
	}
	if c.Step == 0 && p.B != 0 {
		c.Step = 1
		return c.Sleep(p.B)
	}
	return optee.Result(p.A)
}

// Close has nothing to do.
func (TA) Close(uint32) {}

// types are the parameters of each command; memory stands for a reference of any direction, or for none at all.
var types = [...][]optee.Attr{
	optee.ProbeCmdTime:         {optee.AttrValueOutput},
	optee.ProbeCmdSleep:        {optee.AttrValueInput},
	optee.ProbeCmdWait:         {optee.AttrValueInput},
	optee.ProbeCmdWake:         {optee.AttrValueInput},
	optee.ProbeCmdNotify:       {optee.AttrValueInput},
	optee.ProbeCmdAllocate:     {optee.AttrValueInput, optee.AttrValueInput, optee.AttrValueOutput},
	optee.ProbeCmdSupplicant:   {optee.AttrValueInput, optee.AttrValueInOut, memory},
	optee.ProbeCmdInterrupt:    {optee.AttrValueInput},
	optee.ProbeCmdPanic:        {},
	optee.ProbeCmdResult:       {optee.AttrValueInput},
	optee.ProbeCmdClient:       {optee.AttrValueOutput, optee.AttrRMemOutput},
	optee.ProbeCmdCopy:         {optee.AttrRMemInput, optee.AttrRMemOutput},
	optee.ProbeCmdMemory:       {memory, optee.AttrValueOutput},
	optee.ProbeCmdCancelled:    {optee.AttrValueInput, optee.AttrValueOutput},
	optee.ProbeCmdBottomHalves: {optee.AttrValueOutput},
}

const memory = optee.AttrTypeMask

// fits reports whether the parameters are those of the command.
func fits(p *tee.Params, want []optee.Attr) bool {
	for i := range p {
		w := optee.AttrNone
		if i < len(want) {
			w = want[i]
		}
		if got := p[i].Type; got != w && !(w == memory && (got.IsRMem() || got == optee.AttrNone)) {
			return false
		}
	}
	return true
}

// Invoke knows the commands optee.ProbeCmd....
func (TA) Invoke(c *tee.Call) optee.Result {
	if c.Command >= uint32(len(types)) {
		return optee.ErrorNotImplemented
	}
	p := &c.Params
	if !fits(p, types[c.Command]) {
		return optee.ErrorBadParameters
	}
	switch c.Command {
	case optee.ProbeCmdAllocate:
		return allocate(c)
	case optee.ProbeCmdSupplicant:
		return supplicant(c)
	case optee.ProbeCmdInterrupt:
		if p[0].A > optee.ProbeInterrupts {
			return optee.ErrorBadParameters
		}
		if c.Step < p[0].A {
			c.Step++
			return c.Interrupt()
		}
		return optee.Success
	case optee.ProbeCmdPanic:
		return c.Panic()
	case optee.ProbeCmdResult:
		return optee.Result(p[0].A)
	case optee.ProbeCmdNotify:
		if p[0].B == 0 {
			return c.Notify(p[0].A)
		}
		return c.NotifyAfter(p[0].A, uint64(p[0].B)*1000)
	case optee.ProbeCmdClient:
		p[0].A, p[0].B = uint32(c.Client.Login), c.Session
		return output(&p[1].Mem, c.Client.UUID[:])
	case optee.ProbeCmdCopy:
		return copyMemory(&p[0].Mem, &p[1].Mem)
	case optee.ProbeCmdMemory:
		m := &p[0].Mem
		p[1].A, p[1].B = 0, uint32(m.Size)
		if m.Protected() {
			p[1].A |= 1
		}
		if m.Null() {
			p[1].A |= 2
		}
		return optee.Success
	case optee.ProbeCmdBottomHalves:
		p[0].A, p[0].B = c.BottomHalves(), 0
		return optee.Success
	}
	// What is left makes one request.
	if c.Step == 0 {
		c.Step = 1
		switch c.Command {
		case optee.ProbeCmdTime:
			return c.Time()
		case optee.ProbeCmdWait:
			return c.Wait(p[0].A, p[0].B)
		case optee.ProbeCmdWake:
			return c.Wake(p[0].A)
		default:
			return c.Sleep(p[0].A)
		}
	}
	switch c.Command {
	case optee.ProbeCmdTime:
		p[0].A, p[0].B = uint32(c.Answer.Values[0].A), uint32(c.Answer.Values[0].B)
	case optee.ProbeCmdCancelled:
		p[1].A, p[1].B = 0, 0
		if c.Cancelled() {
			p[1].A = 1
		}
		return optee.Success
	}
	return c.Answer.Result
}

// maxBuffers is how many buffers a call can have.
const maxBuffers = 4

// allocate goes round once for each buffer: Step counts requests, Local[0] buffers, Local[1] is the sum.
func allocate(c *tee.Call) optee.Result {
	kind, size, count, keep := uint64(c.Params[0].A), uint64(c.Params[0].B), uint64(c.Params[1].A), c.Params[1].B != 0
	if count > maxBuffers {
		return optee.ErrorBadParameters
	}
	free := c.Step%2 == 1 && !keep // what was asked for last is a buffer, which goes back now
	if c.Step > 0 && (keep || free) {
		if c.Answer.Result != optee.Success {
			return c.Answer.Result
		}
		m := c.Buffer(c.Answer.Buffer)
		res := fill(c, m)
		if res != optee.Success {
			return res
		}
		c.Local[0]++
	}
	if free {
		c.Step++
		return c.Free(c.Answer.Buffer)
	}
	if c.Local[0] == count {
		c.Params[2].A, c.Params[2].B = uint32(c.Local[1]), 0
		return optee.Success
	}
	c.Step++
	return c.Allocate(kind, size)
}

// fill writes a pattern into all of a buffer and adds up what it reads back.
func fill(c *tee.Call, m *tee.Memref) optee.Result {
	next := byte(c.Local[0])
	if tee.Copy(m, m, m.Size, func(b []byte) {
		for i := range b {
			b[i] = next
			next += 7
		}
	}) != nil {
		return optee.ErrorBadParameters
	}
	if tee.Copy(m, m, m.Size, func(b []byte) {
		for _, v := range b {
			c.Local[1] += uint64(v)
		}
	}) != nil {
		return optee.ErrorBadParameters
	}
	return optee.Success
}

func supplicant(c *tee.Call) optee.Result {
	p := &c.Params
	if c.Step == 1 {
		p[1].A, p[1].B = uint32(c.Answer.Values[0].A), uint32(c.Answer.Values[0].B)
		if p[2].Type != optee.AttrNone {
			p[2].Mem.Size = c.Answer.Values[1].A
		}
		return c.Answer.Result
	}
	c.Step = 1
	value := optee.ValueParam(optee.AttrValueInOut, uint64(p[1].A), uint64(p[1].B), 0)
	if p[2].Type == optee.AttrNone {
		return c.Request(optee.RPCCommand(p[0].A), value)
	}
	m := &p[2].Mem
	ref, res := c.Reference(p[2].Type, m, 0, m.Size)
	if res != optee.Success {
		return res
	}
	return c.Request(optee.RPCCommand(p[0].A), value, ref)
}

// output copies b to m, or says how much room it needs.
func output(m *tee.Memref, b []byte) optee.Result {
	if m.Size < uint64(len(b)) {
		m.Size = uint64(len(b))
		return optee.ErrorShortBuffer
	}
	m.Size = uint64(len(b))
	if m.WriteAt(b, 0) != nil {
		return optee.ErrorBadParameters
	}
	return optee.Success
}

func copyMemory(in, out *tee.Memref) optee.Result {
	switch {
	case in.Protected() && !out.Protected():
		return optee.ErrorSecurity
	case out.Size < in.Size:
		out.Size = in.Size
		return optee.ErrorShortBuffer
	case tee.Copy(out, in, in.Size, nil) != nil:
		return optee.ErrorBadParameters
	}
	out.Size = in.Size
	return optee.Success
}
