package tee

import (
	"fmt"

	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/trace"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// MaxThreads bounds Config.Threads: a thread's number is one octet of what clients resume it with, and its wait key lies below
// the largest that clients know by default.
const MaxThreads = 128

// Config is what the board chooses about the service.
type Config struct {
	UUID smc.UUID
	// Major, Minor and Build are the version that GET_OS_VERSION answers.
	Major, Minor, Build uint32
	// Threads is how many calls may be under way at one time, 1 to MaxThreads.
	Threads uint32
	// MaxSessions bounds the open sessions, MaxBuffers the buffers and pools registered over the SMC ABI.
	MaxSessions, MaxBuffers int
	UseCases                []UseCase
	// DynamicPools lets clients lend protected memory. Over the SMC ABI carve-outs, where there are any, take their place.
	DynamicPools bool
	// RSTMEM makes the interface to protected memory that of the 2024 proposal, version 4, where it differs.
	RSTMEM bool
	// NotifyINTID is the edge-triggered SPI of asynchronous notifications over the SMC ABI. With 0 there are none, over
	// neither ABI.
	NotifyINTID uint32
	// SHM is memory of the normal world that the SMC ABI offers as reserved shared memory. Size 0 stands for none.
	SHM memory.Range
	// NoDynamicSHM leaves reserved shared memory as the only one over the SMC ABI.
	NoDynamicSHM bool
	// NoRPCArg makes the SMC ABI ask for the memory of RPC arguments, as before it had the capability RPC_ARG.
	NoRPCArg bool
	// TAs are the applications beside the device enumeration.
	TAs []PseudoTA
	// Timer dates notifications that are sent later. It is the service's own; without one there are no such notifications.
	Timer *vtime.Timer
}

// Host is what the service needs from the board.
type Host interface {
	SetSPI(intid uint32, level bool)
}

// transport is what differs between the two ABIs.
type transport interface {
	// memref gives the memory behind a parameter. What it registers for the time of the call goes to t.temp.
	memref(t *thread, p *optee.Param) (Memref, optee.Result)
	// command executes a message that only this ABI has; ok is false when it has none of that kind.
	command(t *thread) (res optee.Result, ok bool)
	// dynamicPools reports whether clients may lend protected memory through this ABI.
	dynamicPools() bool
	// endpoints appends the receivers that a pool must be lent to.
	endpoints(list []optee.ProtmemConfigEntry, u *UseCase) []optee.ProtmemConfigEntry
	// adopt takes the memory of a reply to SHM_ALLOC, of which size bytes are needed. b.ref is set wherever the reply says
	// how to give the memory back.
	adopt(t *thread, p *optee.Param, size uint64, b *buffer) optee.Result
	// dismiss gives up what adopt took, before the client hears of it.
	dismiss(t *thread, b *buffer)
	// carveoutHandle is what clients name the carve-out of use case number i by, or 0 where that is its address.
	carveoutHandle(i int) uint64
	// signal tells the client that asynchronous notifications are pending. It reports false when the client cannot be told.
	signal() bool
}

// Service is the part that both transports share.
type Service struct {
	cfg   Config
	host  Host
	space *memory.Space
	log   trace.Log

	tas       []application
	carveouts []*memory.Object // of the use cases, nil where there is none
	sessions  []session
	opened    uint32 // sessions so far
	threads   []thread
	tickets   uint32 // given out so far
	caching   bool   // RPC arguments of the SMC ABI are kept from call to call
	notif     [abis]notifications
	alarms    []alarm
	grants    []grant

	transports [abis]transport
	buf        []byte // scratch
}

// New makes a service without sessions. It fails when the configuration does not fit the machine.
func New(cfg Config, host Host, space *memory.Space, log trace.Log) (*Service, error) {
	s := &Service{
		cfg: cfg, host: host, space: space, log: log,
		sessions: make([]session, cfg.MaxSessions), threads: make([]thread, cfg.Threads),
		carveouts: make([]*memory.Object, len(cfg.UseCases)),
	}
	for i := range s.threads {
		s.threads[i].id = uint32(i)
	}
	for i := range cfg.UseCases {
		if r := cfg.UseCases[i].Carveout; r.Size != 0 {
			s.carveouts[i] = space.Carveout(r)
		}
	}
	enumeration := new(devices)
	for _, ta := range append([]PseudoTA{enumeration}, cfg.TAs...) {
		if s.application(ta.UUID()) >= 0 {
			return nil, fmt.Errorf("two applications have the UUID %v", ta.UUID())
		}
		s.tas = append(s.tas, application{PseudoTA: ta})
		if ta.Properties()&Device != 0 {
			enumeration.list = append(enumeration.list, ta.UUID())
		}
	}
	return s, nil
}

// fetch copies the message of t: it must end before offset end of its object, with room behind it for an RPC argument where
// withRPC says so. The message is read once, into the private copy that its results are written back from.
func (s *Service) fetch(t *thread, end uint64, withRPC bool) bool {
	if t.offset%8 != 0 || t.offset > end || end-t.offset < optee.ArgHeaderSize {
		return false
	}
	t.raw = append(t.raw[:0], make([]byte, optee.ArgHeaderSize)...)
	if t.object.ReadAt(t.raw, t.offset) != nil {
		return false
	}
	n, err := optee.ParseParamCount(t.raw)
	if err != nil {
		return false
	}
	size := optee.ArgSize(n)
	room := size
	if withRPC {
		room += optee.ArgSize(rpcParams)
	}
	if room > end-t.offset {
		return false
	}
	t.raw = append(t.raw, make([]byte, size-optee.ArgHeaderSize)...)
	return t.object.ReadAt(t.raw[optee.ArgHeaderSize:], t.offset+optee.ArgHeaderSize) == nil && t.arg.Parse(t.raw) == nil
}

// execute begins with the message of t. What needs neither an application nor the normal world is done when it returns. It
// reports false for a command that does not exist.
func (s *Service) execute(t *thread) bool {
	a := &t.arg
	a.RetOrigin = optee.OriginTEE
	t.phase = phaseWake
	switch a.Cmd {
	case optee.CmdOpenSession:
		s.open(t)
	case optee.CmdInvokeCommand:
		s.invoke(t)
	case optee.CmdCloseSession:
		s.close(t)
	case optee.CmdCancel:
		a.Ret = s.cancel(t)
	case optee.CmdDoBottomHalf, optee.CmdStopAsyncNotif:
		if s.cfg.NotifyINTID == 0 {
			return false
		}
		a.Ret = s.notified(t)
	case optee.CmdGetProtmemConfig:
		if !s.transport(t).dynamicPools() {
			return false
		}
		a.Ret = s.protmemConfig(t)
	default:
		res, ok := s.transport(t).command(t)
		a.Ret = res
		return ok
	}
	return true
}

// finish writes the results of t into its message.
func (s *Service) finish(t *thread) status {
	if t.arg.PutReply(t.raw) != nil || t.object.WriteAt(t.raw, t.offset) != nil {
		return badAddress
	}
	return done
}

// begins tells that the message of t is being worked at, and ends why it no longer is.
func (s *Service) begins(t *thread) {
	if s.log.On(event.OPTEE) {
		name, _ := t.arg.Fields(t.abi == abiFFA)
		s.log.Begin(event.OPTEE, "optee", name)
	}
}

func (s *Service) ends(t *thread, st status) {
	if !s.log.On(event.OPTEE) {
		return
	}
	// The copy still is what the client sent.
	var sent optee.Arg
	if sent.Parse(t.raw) != nil {
		panic("BUG: tee: the copy of a message is malformed")
	}
	name, fields := sent.Fields(t.abi == abiFFA)
	e := append(trace.Call(nil, fields), event.Dec("size", uint64(len(t.raw))))
	switch st {
	case suspended:
		e = append(e, event.Str("rpc", t.asks()))
	case badCommand:
		t.arg.Ret, t.arg.RetOrigin = optee.ErrorNotImplemented, optee.OriginTEE
		fallthrough
	default:
		e = trace.Reply(e, "", t.arg.ResultFields())
	}
	s.log.End(event.OPTEE, "optee", name, e...)
}
