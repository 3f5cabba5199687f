package spmc

import (
	"errors"

	"gatehouse/ffa"
)

// A partition that implements [Runner] leaves a request unfinished with one of these errors. The caller sees FFA_YIELD or
// FFA_INTERRUPT and gives the execution context cycles again by FFA_RUN.
var (
	// ErrYielded: the context waits for something and gives its cycles back, as with FFA_YIELD.
	ErrYielded = errors.New("the partition yields")
	// ErrPreempted: an interrupt of the normal world came first.
	ErrPreempted = errors.New("the partition is preempted")
)

// contextState is the state of an execution context while the normal world runs (DEN0077A, 4.9).
type contextState uint8

const (
	waiting   contextState = iota // for a message
	blocked                       // after FFA_YIELD
	preempted                     // after FFA_INTERRUPT
)

// context is an execution context of a partition.
type context struct {
	state contextState
	// request is the function that gave it cycles, while it is not waiting, and source who called that.
	request ffa.Function
	source  ffa.EndpointID
}

// context gives the execution context that serves the processor of the call at hand.
func (s *SPMC) context(p *partition) uint16 {
	if s.caller.cpu < int(p.Contexts) {
		return uint16(s.caller.cpu)
	}
	return 0
}

// enter prepares a request to a partition: BUSY where the execution context has not finished the one before.
func (s *SPMC) enter(p *partition, request ffa.Function, source ffa.EndpointID) (*context, error) {
	s.vcpu = s.context(p)
	x := &p.contexts[s.vcpu]
	if x.state != waiting {
		return nil, ffa.Busy
	}
	x.request, x.source = request, source
	return x, nil
}

// leave looks at how a partition ended its turn. Where that leaves the request unfinished it gives the reply.
func (s *SPMC) leave(p *partition, x *context, err error) (suspended bool, reply ffa.Registers) {
	_, resumable := p.Partition.(Runner)
	f := ffa.Function(0)
	switch {
	case err == ErrYielded && resumable:
		x.state, f = blocked, ffa.Yield32
	case err == ErrPreempted && resumable:
		x.state, f = preempted, ffa.Interrupt32
	default:
		*x = context{}
		return false, ffa.Registers{}
	}
	return true, ffa.Run{Function: f, Target: p.ID, VCPU: s.vcpu}.Registers()
}

// busy reports whether a waiting execution context has something to look at.
func (p *partition) busy(vcpu uint16) bool {
	n := &p.notifications
	if p.mailbox.full || n.framework.pending != 0 {
		return true
	}
	for _, b := range [2]*bitmap{&n.fromSPs, &n.fromVMs} {
		if b.global.pending != 0 || int(vcpu) < len(b.vcpus) && b.vcpus[vcpu].pending != 0 {
			return true
		}
	}
	return false
}

// run is FFA_RUN (DEN0077A, 14.3): INVALID_PARAMETERS for an execution context that does not exist, DENIED for one that waits
// and has nothing to do. Any processor may resume a context, since clients migrate between FFA_INTERRUPT and FFA_RUN.
func (s *SPMC) run(r *ffa.Registers) {
	c, err := ffa.ParseRun(r)
	if err != nil {
		fail(r, err)
		return
	}
	p := s.find(c.Target)
	if p == nil || c.VCPU >= p.Contexts {
		fail(r, ffa.InvalidParameters)
		return
	}
	runner, ok := p.Partition.(Runner)
	x := &p.contexts[c.VCPU]
	if !ok || x.state == waiting && !p.busy(c.VCPU) {
		fail(r, ffa.Denied)
		return
	}
	if x.state == waiting {
		x.request = ffa.Run32
	}
	s.vcpu = c.VCPU
	request, source := x.request, x.source
	payload, err := runner.Run(c.VCPU)
	if suspended, reply := s.leave(p, x, err); suspended {
		put(r, reply)
		return
	}
	switch {
	case err != nil:
		fail(r, err)
	case request == ffa.Run32:
		put(r, ffa.Registers{0: uint64(ffa.MsgWait32)})
	case request == ffa.MsgSendDirectReq2_64:
		m := ffa.DirectMessage2{Response: true, Source: p.ID, Destination: source, Payload: payload}
		*r = m.Registers()
	default:
		m := ffa.DirectMessage{SMC64: request.SMC64(), Response: true, Source: p.ID, Destination: source, Payload: [5]uint64(payload[:])}
		put(r, m.Registers())
	}
}
