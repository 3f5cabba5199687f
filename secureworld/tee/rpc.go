package tee

import (
	"encoding/binary"

	"gatehouse/platform/event"
	"gatehouse/secureworld/trace"
	"gatehouse/smc/optee"
)

// rpcParams is the number of parameters for which clients keep room in the RPC argument behind each message.
const rpcParams = 4

// maxBuffers is how many buffers a call can have from the client at one time.
const maxBuffers = 4

// waitKeys is the first key of notifications by which the service makes a thread wait; each thread has its own. Keys below
// are for applications and asynchronous notifications.
const waitKeys = 64

// requestKind is how the normal world is asked.
type requestKind uint8

const (
	requestNothing requestKind = iota
	requestCommand
	requestInterrupt
)

// request is what a thread asks of the normal world.
type request struct {
	kind   requestKind
	cmd    optee.RPCCommand
	n      int
	params [rpcParams]optee.Param
}

func command(cmd optee.RPCCommand, params ...optee.Param) request {
	q := request{kind: requestCommand, cmd: cmd, n: len(params)}
	copy(q.params[:], params)
	return q
}

func notification(what uint64, key, timeout uint32) request {
	return command(optee.RPCNotification, optee.ValueParam(optee.AttrValueInput, what, uint64(key), uint64(timeout)))
}

// waits reports a wait for a notification, and cancellable one that ends when its call is cancelled.
func (q *request) waits() bool {
	return q.kind == requestCommand && q.cmd == optee.RPCNotification && q.params[0].U[0] == optee.NotificationWait
}

func (q *request) cancellable() bool {
	return q.waits() || q.kind == requestCommand && q.cmd == optee.RPCSuspend
}

// waitsFor gives the key of the notification that the thread waits for.
func (t *thread) waitsFor() (key uint32, ok bool) {
	if t.await == awaitNothing || !t.request.waits() {
		return 0, false
	}
	return uint32(t.request.params[0].U[1]), true
}

// asks names what the thread waits for.
func (t *thread) asks() string {
	switch t.await {
	case awaitArgument:
		return optee.RPCAlloc.String()
	case awaitFree:
		return optee.RPCFree.String()
	case awaitInterrupt:
		return optee.RPCForeignIntr.String()
	}
	return t.request.cmd.String()
}

// buffer is memory that the client allocated for a call.
type buffer struct {
	kind uint64 // APPL or KERNEL
	ref  uint64 // handle or cookie
	mem  Memref // without an object where the client's memory was no good, and must only be given back
	live bool
	own  bool // the object ends with it
}

// ask makes a request. It reports false when the answer is there at once, without the normal world.
func (s *Service) ask(t *thread, q request) bool {
	t.request = q
	t.state.Answer = Answer{}
	switch {
	case t.state.cancelled && q.cancellable():
		t.state.Answer.Result = optee.ErrorCancel
		return false
	case q.kind == requestInterrupt:
		t.await = awaitInterrupt
		return true
	case t.rpc.object != nil:
		return s.put(t)
	case t.rpc.lent:
		// What the client allocated could not be used.
		t.state.Answer.Result = optee.ErrorOutOfMemory
		return false
	}
	t.await = awaitArgument
	return true
}

// put writes the request into the RPC argument.
func (s *Service) put(t *thread) bool {
	q := &t.request
	a := optee.Arg{Cmd: optee.Command(q.cmd), Ret: optee.ErrorGeneric, Params: q.params[:q.n]}
	s.buf = a.AppendTo(s.buf[:0])
	s.buf = append(s.buf, make([]byte, optee.ArgSize(rpcParams)-a.Size())...)
	if t.rpc.object.WriteAt(s.buf, t.rpc.offset) != nil {
		t.state.Answer.Result = optee.ErrorCommunication
		return false
	}
	t.await = awaitCommand
	return true
}

// collect reads what came of the request: once, since the client may change it at any time. Types and the number of parameters
// are those that were sent; results count for output parameters only.
func (s *Service) collect(t *thread) {
	q, answer := &t.request, &t.state.Answer
	var b [optee.ArgHeaderSize + rpcParams*optee.ParamSize]byte
	if t.rpc.object.ReadAt(b[:], t.rpc.offset) != nil {
		answer.Result = optee.ErrorCommunication
		return
	}
	var a optee.Arg
	answer.Result = optee.Result(binary.LittleEndian.Uint32(b[20:]))
	s.answered(t, b[:])
	if q.cmd == optee.RPCSHMAlloc {
		answer.Buffer = -1
		if answer.Result == optee.Success {
			answer.Result = optee.ErrorOutOfMemory
			if a.Parse(b[:]) == nil && len(a.Params) == 1 {
				s.adopt(t, &a.Params[0])
			}
		}
		return
	}
	// The number of parameters is what was asked for, whatever stands there now.
	binary.LittleEndian.PutUint32(b[28:], uint32(q.n))
	if a.Parse(b[:]) != nil {
		panic("BUG: tee: an RPC argument of its own size is malformed")
	}
	for i := range q.n {
		switch p := &q.params[i]; {
		case !p.Attr.Output():
		case p.Attr.IsValue():
			answer.Values[i] = a.Params[i].Value()
		default:
			answer.Values[i].A = a.Params[i].Size()
		}
	}
	if t.state.cancelled && q.cancellable() {
		answer.Result = optee.ErrorCancel
	}
}

// answered tells of a request that the client has dealt with, in its words.
func (s *Service) answered(t *thread, b []byte) {
	if !s.log.On(event.OPTEE) {
		return
	}
	q := &t.request
	sent := optee.Arg{Cmd: optee.Command(q.cmd), Params: q.params[:q.n]}
	back := optee.Arg{Ret: optee.Result(binary.LittleEndian.Uint32(b[20:]))}
	if n, err := optee.ParseParamCount(b); err == nil && n <= rpcParams {
		back.Parse(b)
	}
	name, fields := sent.RPCFields(t.abi == abiFFA)
	s.log.Emit(event.OPTEE, "optee", name, trace.Reply(trace.Call(nil, fields), "", back.RPCResultFields(&sent, t.abi == abiFFA))...)
}

// adopt takes the memory that SHM_ALLOC brought.
func (s *Service) adopt(t *thread, p *optee.Param) {
	for i := range t.buffers {
		b := &t.buffers[i]
		if b.live {
			continue
		}
		*b = buffer{kind: t.request.params[0].U[0]}
		res := s.transport(t).adopt(t, p, t.request.params[0].U[1], b)
		// Memory that is no good goes back at the end of the call.
		b.live = b.mem.object != nil || b.ref != 0
		if res == optee.Success {
			t.state.Answer = Answer{Buffer: i}
		}
		return
	}
	panic("BUG: tee: a buffer more than a call can have")
}

// giveBack makes the request by which a buffer goes back to the client. The service has given it up before.
func (s *Service) giveBack(t *thread, b *buffer) request {
	old := *b
	*b = buffer{}
	s.transport(t).dismiss(t, &old)
	return command(optee.RPCSHMFree, optee.ValueParam(optee.AttrValueInput, old.kind, old.ref, 0))
}

// freeNext is phaseFree.
func (s *Service) freeNext(t *thread) bool {
	for i := range t.buffers {
		if b := &t.buffers[i]; b.live && s.ask(t, s.giveBack(t, b)) {
			return true
		}
	}
	t.phase = phaseWake
	return false
}

// wakeNext is phaseWake.
func (s *Service) wakeNext(t *thread) bool {
	if key, ok := t.wake.next(); ok {
		t.wake.clear(key)
		return s.ask(t, notification(optee.NotificationSend, key, 0))
	}
	t.phase = phaseEnd
	return false
}

// takeArgument is the client's answer to ALLOC.
func (s *Service) takeArgument(t *thread, address, cookie uint64) bool {
	smc := s.transports[abiSMC].(*SMC)
	if t.rpc = smc.argument(address, cookie); t.rpc.object != nil {
		return true
	}
	t.state.Answer.Result = optee.ErrorOutOfMemory
	return false
}

// returnArgument is phaseEnd: memory of an RPC argument goes back to the client, or is kept for the next call. It reports that
// the client has to be told.
func (s *Service) returnArgument(t *thread) bool {
	if !t.rpc.lent || s.caching && t.rpc.object != nil {
		return false
	}
	if t.rpc.own {
		s.end(t.rpc.object)
	}
	t.rpc = rpcArg{cookie: t.rpc.cookie}
	t.await = awaitFree
	return true
}

// keys is a set of notification keys, as many as clients know by default.
type keys [256 / 64]uint64

func (k *keys) set(key uint32) {
	if int(key/64) < len(k) {
		k[key/64] |= 1 << (key % 64)
	}
}

func (k *keys) clear(key uint32) { k[key/64] &^= 1 << (key % 64) }

func (k *keys) next() (uint32, bool) {
	for key := range uint32(len(k) * 64) {
		if k[key/64]>>(key%64)&1 != 0 {
			return key, true
		}
	}
	return 0, false
}
