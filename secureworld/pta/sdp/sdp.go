// Package sdp has the two applications by which OP-TEE's test suite tries protected memory: the trusted application "SDP basic"
// (ta_sdp_basic.h) and the pseudo-TA for tests (pta_invoke_tests.h), of which there is what concerns parameters and memory.
//
// Both copy into protected memory, change it in place, and copy out of it again; a buffer on the wrong side of the border is
// ACCESS_DENIED to the trusted application and BAD_PARAMETERS to the pseudo-TA, as there. References to protected memory get to the
// pseudo-TA from the trusted application only.
package sdp

import (
	"gatehouse/secureworld/tee"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// New makes both applications.
func New() []tee.PseudoTA { return []tee.PseudoTA{Basic{}, InvokeTests{}} }

// Basic is the trusted application "SDP basic". It keeps nothing.
type Basic struct{}

// UUID is optee.SDPUUID.
func (Basic) UUID() smc.UUID { return optee.SDPUUID() }

// Properties: clients pass it protected memory.
func (Basic) Properties() tee.Properties { return tee.SecureDataPath }

// Open lets anybody in.
func (Basic) Open(*tee.Call) optee.Result { return optee.Success }

// Close has nothing to do.
func (Basic) Close(uint32) {}

// Invoke knows the commands optee.SDPCmd.... Another instance of the application does the same as this one.
func (Basic) Invoke(c *tee.Call) optee.Result {
	switch c.Command {
	case optee.SDPCmdInject, optee.SDPCmdInvokeInject:
		return inject(&c.Params, optee.ErrorAccessDenied)
	case optee.SDPCmdTransform, optee.SDPCmdInvokeTransform:
		return transform(&c.Params, optee.ErrorAccessDenied)
	case optee.SDPCmdDump, optee.SDPCmdInvokeDump:
		return dump(&c.Params, optee.ErrorAccessDenied)
	case optee.SDPCmdPTAInject:
		return inject(&c.Params, optee.ErrorBadParameters)
	case optee.SDPCmdPTATransform:
		return transform(&c.Params, optee.ErrorBadParameters)
	case optee.SDPCmdPTADump:
		return dump(&c.Params, optee.ErrorBadParameters)
	}
	return optee.ErrorBadParameters
}

// InvokeTests is the pseudo-TA for tests. It keeps nothing.
type InvokeTests struct{}

// UUID is optee.InvokeTestsUUID.
func (InvokeTests) UUID() smc.UUID { return optee.InvokeTestsUUID() }

// Properties: a client cannot pass it protected memory.
func (InvokeTests) Properties() tee.Properties { return 0 }

// Open lets anybody in.
func (InvokeTests) Open(*tee.Call) optee.Result { return optee.Success }

// Close has nothing to do.
func (InvokeTests) Close(uint32) {}

// Invoke knows the commands optee.InvokeTestsCmd....
func (InvokeTests) Invoke(c *tee.Call) optee.Result {
	p := &c.Params
	switch c.Command {
	case optee.InvokeTestsCmdTrace:
		return optee.Success
	case optee.InvokeTestsCmdParams:
		return params(p)
	case optee.InvokeTestsCmdMemrefNull:
		if !p.Are(optee.AttrRMemInOut) || !p[0].Mem.Null() || p[0].Mem.Size != 0 {
			return optee.ErrorBadParameters
		}
		return optee.Success
	case optee.InvokeTestsCmdInject:
		return inject(p, optee.ErrorBadParameters)
	case optee.InvokeTestsCmdTransform:
		return transform(p, optee.ErrorBadParameters)
	case optee.InvokeTestsCmdDump:
		return dump(p, optee.ErrorBadParameters)
	}
	return optee.ErrorBadParameters
}

// open and closed report whether all of a reference is on that side of the border. One without bytes is on either.
func open(m *tee.Memref) bool   { return m.Size == 0 || !m.Null() && !m.Protected() }
func closed(m *tee.Memref) bool { return m.Size == 0 || m.Protected() }

// inject copies p0, normal memory, to p1, protected memory. Memory on the wrong side is wrong.
func inject(p *tee.Params, wrong optee.Result) optee.Result {
	return move(p, open, closed, wrong)
}

// dump copies p0, protected memory, to p1, normal memory.
func dump(p *tee.Params, wrong optee.Result) optee.Result {
	return move(p, closed, open, wrong)
}

func move(p *tee.Params, from, to func(*tee.Memref) bool, wrong optee.Result) optee.Result {
	if !p.Are(optee.AttrRMemInput, optee.AttrRMemOutput) {
		return optee.ErrorBadParameters
	}
	in, out := &p[0].Mem, &p[1].Mem
	switch {
	case out.Size < in.Size:
		out.Size = in.Size
		return optee.ErrorShortBuffer
	case !from(in) || !to(out):
		return wrong
	case tee.Copy(out, in, in.Size, nil) != nil:
		return optee.ErrorBadParameters
	}
	out.Size = in.Size
	return optee.Success
}

// transform negates every byte of p0, protected memory.
func transform(p *tee.Params, wrong optee.Result) optee.Result {
	if !p.Are(optee.AttrRMemInOut) {
		return optee.ErrorBadParameters
	}
	m := &p[0].Mem
	if !closed(m) {
		return wrong
	}
	if tee.Copy(m, m, m.Size, negate) != nil {
		return optee.ErrorBadParameters
	}
	return optee.Success
}

func negate(b []byte) {
	for i := range b {
		b[i] = -b[i]
	}
}

// params calculates with parameters: one in-out value becomes the sum of its halves, one output value the sum of three input
// values, and the first byte of in-out memory the sum of all its bytes.
func params(p *tee.Params) optee.Result {
	inputs, output, inout, memory := 0, -1, -1, -1
	var a, b uint32
	for i := range p {
		switch p[i].Type {
		case optee.AttrNone:
		case optee.AttrValueInput:
			inputs++
			a += p[i].A
			b += p[i].B
		case optee.AttrValueOutput:
			output = i
		case optee.AttrValueInOut:
			inout = i
		case optee.AttrRMemInOut:
			memory = i
		default:
			return optee.ErrorBadParameters
		}
	}
	only := func(i int) bool {
		for k := range p {
			if (p[k].Type != optee.AttrNone) != (k == i) {
				return false
			}
		}
		return i >= 0
	}
	switch {
	case inputs == 3 && output >= 0:
		p[output].A, p[output].B = a, b
	case only(inout):
		p[inout].A += p[inout].B
	case only(memory):
		return sum(&p[memory].Mem)
	default:
		return optee.ErrorBadParameters
	}
	return optee.Success
}

func sum(m *tee.Memref) optee.Result {
	if m.Size == 0 {
		return optee.ErrorBadParameters
	}
	total := byte(0)
	if tee.Copy(m, m, m.Size, func(b []byte) {
		for _, v := range b {
			total += v
		}
	}) != nil || m.WriteAt([]byte{total}, 0) != nil {
		return optee.ErrorBadParameters
	}
	return optee.Success
}
