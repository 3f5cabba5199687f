package tee

import (
	"gatehouse/ffa"
	"gatehouse/secureworld/memory"
	"gatehouse/smc/optee"
)

// abi is the interface that a call came through.
type abi uint8

const (
	abiFFA abi = iota
	abiSMC
	abis
)

// status says what became of a call.
type status uint8

const (
	done       status = iota // the message holds its result
	badAddress               // it cannot be read, or is malformed
	badCommand               // its command does not exist
	suspended                // the normal world has to do something first
)

// phase is where a thread stands in the work for its message.
type phase uint8

const (
	phaseIdle phase = iota
	// phaseEnter: wants to be the only one in its session.
	phaseEnter
	// phaseStep: the application works at its call.
	phaseStep
	// phaseFree: buffers that the application has not given back go back.
	phaseFree
	// phaseWake: those who wait for something that has happened are woken.
	phaseWake
	// phaseEnd: the RPC argument goes back, and the message gets its result.
	phaseEnd
)

// await is what the normal world has been asked for.
type await uint8

const (
	awaitNothing   await = iota
	awaitArgument        // memory for an RPC argument: RPC function ALLOC of the SMC ABI
	awaitCommand         // the command in the RPC argument
	awaitFree            // to take the memory of the RPC argument back: RPC function FREE
	awaitInterrupt       // to take its interrupts
)

// thread is a yielding call on its way. All of its state is here: between two entries of the normal world nothing else knows
// of the call.
type thread struct {
	id     uint32 // its place in the table
	phase  phase
	await  await
	abi    abi
	client ffa.EndpointID // who calls; over the SMC ABI this is the normal world itself
	ticket uint32         // what the client has to resume it with, while something is awaited

	object   *memory.Object // that holds the message
	offset   uint64
	borrowed bool      // object ends with the call
	raw      []byte    // private copy of the message
	arg      optee.Arg // what it says

	rpc     rpcArg
	cache   rpcArg // of the calls before, where clients have these kept
	request request
	state   State  // of the application's call
	serial  uint32 // of the session that it wants
	panics  bool   // the application has panicked
	buffers [maxBuffers]buffer
	temp    []*memory.Object // registered for the time of the call
	wake    keys
}

// rpcArg is where the argument of RPCs stands.
type rpcArg struct {
	object *memory.Object // nil: there is none
	offset uint64
	cookie uint64 // of memory that the client allocated for it
	lent   bool   // there is such memory, whether it could be used or not
	own    bool   // object ends with it
}

func (s *Service) transport(t *thread) transport { return s.transports[t.abi] }

// vacant gives a thread without a call, or nil.
func (s *Service) vacant() *thread {
	for i := range s.threads {
		if t := &s.threads[i]; t.phase == phaseIdle {
			return t
		}
	}
	return nil
}

// start runs the message at offset off of object o, which must end before offset end. withRPC says that the RPC argument stands
// behind it, borrowed that o ends with the call. Unless the call is suspended, the thread is free again afterwards.
func (s *Service) start(by abi, client ffa.EndpointID, t *thread, o *memory.Object, off, end uint64, withRPC, borrowed bool) status {
	t.abi, t.client = by, client
	t.object, t.offset, t.borrowed = o, off, borrowed
	t.phase = phaseEnd
	if !s.fetch(t, end, withRPC) {
		s.release(t)
		return badAddress
	}
	if withRPC {
		t.rpc = rpcArg{object: o, offset: off + t.arg.Size()}
	} else {
		t.rpc, t.cache = t.cache, rpcArg{}
	}
	s.begins(t)
	st := badCommand
	if s.execute(t) {
		st = s.advance(t)
	}
	return s.leave(t, st)
}

// resumable gives the thread that a client may resume with a ticket, or nil.
func (s *Service) resumable(by abi, client ffa.EndpointID, ticket uint32) *thread {
	if i := ticket & 0xFF; i < uint32(len(s.threads)) {
		if t := &s.threads[i]; t.await != awaitNothing && t.ticket == ticket && t.abi == by && t.client == client {
			return t
		}
	}
	return nil
}

// resume goes on with a call once the normal world has done its part. address and cookie are its answer to ALLOC.
func (s *Service) resume(t *thread, address, cookie uint64) status {
	s.begins(t)
	awaited := t.await
	t.await, t.ticket = awaitNothing, 0
	switch awaited {
	case awaitArgument:
		if s.takeArgument(t, address, cookie) && s.put(t) {
			return s.leave(t, suspended)
		}
	case awaitCommand:
		s.collect(t)
	}
	return s.leave(t, s.advance(t))
}

// leave ends an entry into the service.
func (s *Service) leave(t *thread, st status) status {
	s.ends(t, st)
	if st == suspended {
		s.tickets = s.tickets%0xFF_FFFF + 1
		t.ticket = s.tickets<<8 | t.id
		return st
	}
	if st == done {
		st = s.finish(t)
	}
	s.release(t)
	return st
}

// advance works at a message until it has its result or needs the normal world.
func (s *Service) advance(t *thread) status {
	for {
		waits := false
		switch t.phase {
		case phaseEnter:
			waits = s.enter(t)
		case phaseStep:
			waits = s.step(t)
		case phaseFree:
			waits = s.freeNext(t)
		case phaseWake:
			waits = s.wakeNext(t)
		default:
			if !s.returnArgument(t) {
				return done
			}
			waits = true
		}
		if waits {
			return suspended
		}
	}
}

// release makes a thread free for the next call.
func (s *Service) release(t *thread) {
	for _, o := range t.temp {
		s.end(o)
	}
	if t.borrowed {
		s.end(t.object)
	}
	if t.rpc.lent {
		t.cache = t.rpc
	}
	clear(t.temp)
	*t = thread{id: t.id, cache: t.cache, raw: t.raw[:0], temp: t.temp[:0], arg: optee.Arg{Params: t.arg.Params[:0]}}
}

// end gives up memory that only the service has a reference to.
func (s *Service) end(o *memory.Object) {
	if s.space.Reclaim(o) != nil {
		panic("BUG: tee: a temporary object cannot be given up")
	}
}

// uses reports whether a call under way needs an object to stay what it is.
func (s *Service) uses(o *memory.Object) bool {
	for i := range s.threads {
		t := &s.threads[i]
		if t.phase == phaseIdle {
			continue
		}
		if t.object == o || t.rpc.object == o {
			return true
		}
		for k := range t.state.Params {
			if t.state.Params[k].Mem.object == o {
				return true
			}
		}
		for k := range t.buffers {
			if t.buffers[k].mem.object == o {
				return true
			}
		}
	}
	return false
}

// idle reports whether no call is under way.
func (s *Service) idle() bool {
	for i := range s.threads {
		if s.threads[i].phase != phaseIdle {
			return false
		}
	}
	return true
}
