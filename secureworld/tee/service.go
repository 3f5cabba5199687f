package tee

import (
	"fmt"

	"gatehouse/platform/event"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/trace"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// rpcParams is the number of parameters for which clients keep room in the RPC argument behind each message. No RPC is ever
// made.
const rpcParams = 4

// UseCase is what a protected memory pool is for and who may touch it.
type UseCase struct {
	ID     optee.UseCase
	Access memory.Access // of non-secure masters
	// MinSize is the size of pool, in bytes, that clients are told to allocate; smaller ones are accepted.
	MinSize uint64
	// Align is what base and size of a pool must be multiples of, in bytes: a power of two, at least a page.
	Align uint64
	// PAWidth is the width of a physical address in bits, as masters of the use case have it.
	PAWidth uint32
}

// Config is what the board chooses about the service.
type Config struct {
	UUID smc.UUID
	// Major, Minor and Build are the version that GET_OS_VERSION answers.
	Major, Minor, Build uint32
	// Threads is how many calls clients may make at one time.
	Threads uint32
	// MaxSessions bounds the open sessions, MaxBuffers the buffers and pools registered over the SMC ABI.
	MaxSessions, MaxBuffers int
	UseCases                []UseCase
	// DynamicPools lets clients lend protected memory. Static is memory that has been protected since reset, for use case
	// StaticUse: the SMC ABI offers it instead of dynamic pools.
	DynamicPools bool
	Static       *memory.Object
	StaticUse    optee.UseCase
	TAs          []PseudoTA
}

// transport is what differs between the two ABIs.
type transport interface {
	// memref gives the memory behind a parameter.
	memref(p *optee.Param) (Memref, optee.Result)
	// command executes a message that only this ABI has; ok is false when it has none of that kind.
	command(a *optee.Arg) (res optee.Result, ok bool)
	// borrowers appends the list that GET_PROTMEM_CONFIG returns.
	borrowers(list []byte) []byte
	// dynamicPools reports whether clients may lend protected memory through this ABI.
	dynamicPools() bool
	// overFFA says how memory references are to be described.
	overFFA() bool
}

// Service is the part that both transports share.
type Service struct {
	cfg      Config
	space    *memory.Space
	log      trace.Log
	tas      []PseudoTA
	sessions []session
	arg      optee.Arg // of the call at hand
	buf      []byte
}

// New makes a service without sessions.
func New(cfg Config, space *memory.Space, log trace.Log) *Service {
	s := &Service{cfg: cfg, space: space, log: log, sessions: make([]session, cfg.MaxSessions)}
	enumeration := new(devices)
	s.tas = append([]PseudoTA{enumeration}, cfg.TAs...)
	for _, ta := range cfg.TAs {
		if ta.Device() {
			enumeration.list = append(enumeration.list, ta.UUID())
		}
	}
	return s
}

func (s *Service) useCase(id uint64) *UseCase {
	for i := range s.cfg.UseCases {
		if u := &s.cfg.UseCases[i]; uint64(u.ID) == id {
			return u
		}
	}
	return nil
}

// status says what became of a message before or instead of its result.
type status uint8

const (
	done       status = iota // the message holds its result
	badAddress               // it cannot be read, or is malformed
	badCommand               // its command does not exist
)

// call runs the message at offset off of o. It must end before offset end, with room behind it for an RPC argument where withRPC
// says so. The message is read once, into a private copy that its results are written back from.
func (s *Service) call(t transport, o *memory.Object, off, end uint64, withRPC bool) status {
	if off%8 != 0 || off > end || end-off < optee.ArgHeaderSize {
		return badAddress
	}
	s.buf = append(s.buf[:0], make([]byte, optee.ArgHeaderSize)...)
	if o.ReadAt(s.buf, off) != nil {
		return badAddress
	}
	n, err := optee.ParseParamCount(s.buf)
	if err != nil {
		return badAddress
	}
	size := optee.ArgSize(n)
	room := size
	if withRPC {
		room += optee.ArgSize(rpcParams)
	}
	if room > end-off {
		return badAddress
	}
	s.buf = append(s.buf, make([]byte, size-optee.ArgHeaderSize)...)
	if o.ReadAt(s.buf[optee.ArgHeaderSize:], off+optee.ArgHeaderSize) != nil || s.arg.Parse(s.buf) != nil {
		return badAddress
	}
	a := &s.arg
	var name string
	var fields []smc.Field
	tracing := s.log.On(event.OPTEE)
	if tracing {
		name, fields = a.Fields(t.overFFA())
		s.log.Begin(event.OPTEE, "optee", name)
	}
	ok := s.execute(t, a)
	if tracing {
		if !ok {
			a.Ret, a.RetOrigin = optee.ErrorNotImplemented, optee.OriginTEE
		}
		s.log.End(event.OPTEE, "optee", name, trace.Reply(trace.Call(nil, fields), "", a.ResultFields())...)
	}
	if !ok {
		return badCommand
	}
	if a.PutReply(s.buf) != nil || o.WriteAt(s.buf, off) != nil {
		return badAddress
	}
	return done
}

// execute runs the message and leaves its results in it. It reports false for a command that does not exist.
func (s *Service) execute(t transport, a *optee.Arg) bool {
	a.RetOrigin = optee.OriginTEE
	switch a.Cmd {
	case optee.CmdOpenSession:
		s.open(t, a)
	case optee.CmdInvokeCommand:
		s.invoke(t, a)
	case optee.CmdCloseSession:
		a.Ret = s.close(a)
	case optee.CmdCancel:
		a.Ret = s.cancel(a)
	case optee.CmdGetProtmemConfig:
		if !t.dynamicPools() {
			return false
		}
		a.Ret = s.protmemConfig(t, a)
	default:
		res, ok := t.command(a)
		a.Ret = res
		return ok
	}
	return true
}

// open is OPEN_SESSION. A session that is refused has number 0.
func (s *Service) open(t transport, a *optee.Arg) {
	a.Session = 0
	meta, err := a.OpenSession()
	if err != nil {
		a.Ret = optee.ErrorBadParameters
		return
	}
	client := Client{Login: meta.Login}
	switch meta.Login {
	case optee.LoginPublic, optee.LoginREEKernel:
	case optee.LoginUser, optee.LoginGroup, optee.LoginApplication, optee.LoginUserApplication, optee.LoginGroupApplication:
		client.UUID = meta.Client
	default:
		a.Ret = optee.ErrorBadParameters
		return
	}
	var p Params
	if a.Ret = copyIn(t, a.Params[2:], &p); a.Ret != optee.Success {
		return
	}
	var ta PseudoTA
	for _, x := range s.tas {
		if x.UUID() == meta.TA {
			ta = x
		}
	}
	if ta == nil {
		a.Ret = optee.ErrorItemNotFound
		return
	}
	for i := range s.sessions {
		if s.sessions[i].ta != nil {
			continue
		}
		number := uint32(i) + 1
		if a.Ret = ta.Open(number, client, &p); a.Ret == optee.Success {
			s.sessions[i].ta = ta
			a.Session = number
		} else {
			a.RetOrigin = optee.OriginTrustedApp
		}
		copyOut(&p, a.Params[2:])
		return
	}
	a.Ret = optee.ErrorOutOfMemory
}

// find gives the open session of a number.
func (s *Service) find(number uint32) *session {
	if i := uint64(number) - 1; i < uint64(len(s.sessions)) && s.sessions[i].ta != nil {
		return &s.sessions[i]
	}
	return nil
}

// invoke is INVOKE_COMMAND.
func (s *Service) invoke(t transport, a *optee.Arg) {
	var p Params
	if a.Ret = copyIn(t, a.Params, &p); a.Ret != optee.Success {
		return
	}
	x := s.find(a.Session)
	if x == nil {
		a.Ret = optee.ErrorBadParameters
		return
	}
	if a.Ret = x.ta.Invoke(a.Session, a.Func, &p); a.Ret != optee.Success {
		a.RetOrigin = optee.OriginTrustedApp
	}
	copyOut(&p, a.Params)
}

// close is CLOSE_SESSION.
func (s *Service) close(a *optee.Arg) optee.Result {
	x := s.find(a.Session)
	if len(a.Params) != 0 || x == nil {
		return optee.ErrorBadParameters
	}
	x.ta.Close(a.Session)
	*x = session{}
	return optee.Success
}

// cancel is CANCEL. Calls complete at once, so there is never one to cancel.
func (s *Service) cancel(a *optee.Arg) optee.Result {
	if len(a.Params) != 0 || s.find(a.Session) == nil {
		return optee.ErrorBadParameters
	}
	return optee.Success
}

// protmemConfig is GET_PROTMEM_CONFIG: value a is the use case, and on return a the pool size, b its alignment and c the width
// of an address. The memory reference takes the list of those that the pool is to be lent to. A list that does not fit is
// SHORT_BUFFER with its size; clients over FF-A rely on being told so first.
func (s *Service) protmemConfig(t transport, a *optee.Arg) optee.Result {
	if len(a.Params) != 2 {
		return optee.ErrorBadParameters
	}
	id := a.Params[0].U[0]
	var p Params
	if res := copyIn(t, a.Params, &p); res != optee.Success {
		return res
	}
	u := s.useCase(id)
	if !p.Are(optee.AttrValueInOut, optee.AttrRMemOutput) || u == nil {
		return optee.ErrorBadParameters
	}
	var room [8]byte
	list := t.borrowers(room[:0])
	m := &p[1].Mem
	res := optee.Success
	switch {
	case m.Size < uint64(len(list)):
		res = optee.ErrorShortBuffer
	case m.WriteAt(list, 0) != nil:
		return optee.ErrorBadParameters
	}
	a.Params[0].SetValue(optee.Value{A: u.MinSize, B: u.Align, C: uint64(u.PAWidth)})
	a.Params[1].SetSize(uint64(len(list)))
	return res
}

// pool says whether a range may become a pool of use case id.
func (s *Service) pool(id uint64, r memory.Range) (*UseCase, error) {
	u := s.useCase(id)
	switch {
	case u == nil:
		return nil, fmt.Errorf("use case %#x does not exist", id)
	case !r.Pages() || r.Base%u.Align != 0 || r.Size%u.Align != 0:
		return nil, fmt.Errorf("%v is not aligned to %#x", r, u.Align)
	case u.PAWidth < 64 && (r.End()-1)>>u.PAWidth != 0:
		return nil, fmt.Errorf("%v is beyond %d address bits", r, u.PAWidth)
	}
	return u, nil
}
