package conform

import (
	"bytes"
	"fmt"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// T is one run of one case. Everything that a case does to the target goes through it, so that a report can show what happened,
// and so that a case is a list of writes, calls and comparisons. The first thing that is not as it must be ends the case.
type T struct {
	Properties
	target Target
	cpu    int // that makes the calls
	steps  []step
	ram    Port       // with the identity of the processors
	next   *optee.Arg // the message that the next call carries, for reports

	// The state of the kernel that the case plays; see normal.go.
	kernel
}

// step is one thing that was done.
type step struct {
	cpu     int
	in, out Registers
	note    string // instead of a call
	// What the call carried in memory, to be shown with it.
	descriptor []byte     // FF-A memory transaction descriptor
	message    *optee.Arg // OP-TEE message, and what became of it
	answer     *optee.Arg
}

// Failure says what was not as it must be.
type Failure struct {
	// What was done or looked at, in words.
	What string
	// Call and Reply are decoded, "" where no call is to blame.
	Call, Reply string
	In, Out     Registers
	// Memory is what the call carried in memory, decoded.
	Memory []string
	Want   string
	// Details are the registers or bytes that differ.
	Details []string
	// Before are the steps that led there, decoded.
	Before []string
}

// stopped ends a case: its panic value. Skips have no failure.
type stopped struct {
	failure *Failure
	skip    string
}

// maxBefore is how many steps a report shows.
const maxBefore = 16

// last is the call that was made last.
func (t *T) last() *step { return &t.steps[len(t.steps)-1] }

func (t *T) fail(f *Failure) {
	steps := t.steps
	if f.Call != "" && len(steps) > 0 {
		steps = steps[:len(steps)-1]
	}
	if n := len(steps) - maxBefore; n > 0 {
		f.Before = append(f.Before, fmt.Sprintf("%d more", n))
		steps = steps[n:]
	}
	for i := range steps {
		text := steps[i].String()
		if m := steps[i].memory(t.version); m != "" {
			text += ": " + m
		}
		f.Before = append(f.Before, text)
	}
	panic(stopped{failure: f})
}

// failf ends the case because of something that is no single reply.
func (t *T) failf(want, format string, args ...any) {
	t.fail(&Failure{What: fmt.Sprintf(format, args...), Want: want})
}

// skip ends the case: the target does not have what it is about.
func (t *T) skip(format string, args ...any) { panic(stopped{skip: fmt.Sprintf(format, args...)}) }

// junk is what registers hold that a call does not define: a reply that leaves something else there shows.
func junk(i int) uint64 { return 0x5A5A_0000_C0DE_0000 + uint64(i) }

// call makes a call with x0 and the following as given. Registers up to x7 that are not given are zero; those above hold junk.
func (t *T) call(args ...uint64) Registers {
	var r Registers
	for i := 8; i < len(r); i++ {
		r[i] = junk(i)
	}
	copy(r[:], args)
	return t.smc(r)
}

// smc makes a call with exactly these registers.
func (t *T) smc(r Registers) Registers {
	in := r
	t.target.SMC(t.cpu, &r)
	t.steps = append(t.steps, step{cpu: t.cpu, in: in, out: r, message: t.next})
	t.next = nil
	return r
}

// note adds a remark to the steps.
func (t *T) note(format string, args ...any) {
	t.steps = append(t.steps, step{note: fmt.Sprintf(format, args...)})
}

// expect makes a call and compares the reply. what says in words what was tried.
func (t *T) expect(what string, w Want, args ...uint64) Registers {
	out := t.call(args...)
	t.check(what, w)
	return out
}

// expectRegs is expect for a call of which all registers count.
func (t *T) expectRegs(what string, w Want, r Registers) Registers {
	out := t.smc(r)
	t.check(what, w)
	return out
}

// check compares the reply of the call that was made last.
func (t *T) check(what string, w Want) {
	s := t.last()
	if d := w.match(&s.in, &s.out); d != nil {
		t.reject(what, w.text, d...)
	}
}

// reject ends the case because of the call that was made last.
func (t *T) reject(what, want string, details ...string) {
	s := t.last()
	f := &Failure{What: what, Call: describeCall(&s.in), Reply: describeReply(&s.in, &s.out), In: s.in, Out: s.out, Want: want, Details: details}
	if m := s.memory(t.version); m != "" {
		f.Memory = append(f.Memory, m)
	}
	t.fail(f)
}

// require ends the case because of the call that was made last unless ok.
func (t *T) require(ok bool, what, want string) {
	if !ok {
		t.reject(what, want)
	}
}

func (s *step) String() string {
	if s.note != "" {
		return s.note
	}
	text := describeCall(&s.in) + " -> " + describeReply(&s.in, &s.out)
	if s.cpu != 0 {
		text = fmt.Sprintf("cpu%d: ", s.cpu) + text
	}
	return text
}

// memory decodes what a call carried in memory, or gives "". Descriptors have the layout of a version.
func (s *step) memory(v ffa.Version) string {
	switch {
	case s.message != nil:
		text := smc.Format(s.message.Fields(ffa.FunctionOf(&s.in).InRange()))
		if s.answer != nil {
			text += smc.Format(" ->", s.answer.ResultFields())
		}
		return text
	case s.descriptor != nil:
		kind, _ := ffa.FunctionOf(&s.in).Transaction()
		d, err := ffa.ParseMemoryTransaction(s.descriptor, v, kind)
		if err != nil {
			return fmt.Sprintf("descriptor: %v: % x", err, s.descriptor[:min(len(s.descriptor), 160)])
		}
		return ffa.Format("descriptor:", d.Fields())
	}
	return ""
}

// describeCall decodes a call.
func describeCall(r *Registers) string {
	if name, fields := optee.Describe(r); name != "" {
		return smc.Format(name, fields)
	}
	if name, fields := ffa.Describe(r); name != "" {
		text := ffa.Format(name, fields)
		if q, fields := opteeRequest(r); q != "" {
			text += ": " + smc.Format(q, fields)
		}
		return text
	}
	return smc.Format(smc.Describe(r))
}

// opteeRequest decodes the payload of a 32-bit direct request as OP-TEE would.
func opteeRequest(r *Registers) (string, []smc.Field) {
	if ffa.FunctionOf(r) != ffa.MsgSendDirectReq32 || r[2] != 0 {
		return "", nil
	}
	return optee.DescribeRequest((*[5]uint64)(r[3:8]))
}

// describeReply decodes the reply to a call.
func describeReply(in, out *Registers) string {
	f := (*smc.Registers)(in).Function()
	if optee.IsCall(f) {
		return smc.Format(optee.DescribeReply(f, out))
	}
	if g := ffa.FunctionOf(in); g.InRange() {
		text := ffa.Format(ffa.DescribeReply(g, out))
		if q, _ := opteeRequest(in); q != "" && ffa.FunctionOf(out) == ffa.MsgSendDirectResp32 {
			_, fields := optee.DescribeResponse(optee.Service(in[3]), (*[5]uint64)(out[3:8]))
			text += smc.Format(":", fields)
		}
		return text
	}
	return smc.Format(smc.DescribeReply(f, out))
}

// write puts bytes into memory as a processor of the normal world. It must succeed.
func (t *T) write(addr uint64, p []byte) {
	if resp := t.ram.Write(addr, p); resp != bus.OKAY {
		t.failf("the processors write their own memory", "a write of %d bytes at %#x gives %v", len(p), addr, resp)
	}
}

// read gives n bytes of memory as a processor of the normal world sees them. It must succeed.
func (t *T) read(addr uint64, n int) []byte {
	p := make([]byte, n)
	if resp := t.ram.Read(addr, p); resp != bus.OKAY {
		t.failf("the processors read their own memory", "a read of %d bytes at %#x gives %v", n, addr, resp)
	}
	return p
}

// contains compares memory as a processor of the normal world sees it.
func (t *T) contains(what string, addr uint64, want []byte) {
	got := t.read(addr, len(want))
	if bytes.Equal(got, want) {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.fail(&Failure{What: what, Want: "memory as it must be", Details: []string{
				fmt.Sprintf("byte at %#x is %#x, want %#x", addr+uint64(i), got[i], want[i])}})
		}
	}
}

// zero says that memory holds zeros and that the processors can read it.
func (t *T) zero(what string, addr, size uint64) {
	var chunk [64 << 10]byte
	for off := uint64(0); off < size; off += uint64(len(chunk)) {
		t.contains(what, addr+off, chunk[:min(size-off, uint64(len(chunk)))])
	}
}
