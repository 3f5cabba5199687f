package optee

import (
	"encoding/binary"
	"slices"
	"strconv"

	"gatehouse/smc"
)

// Command is the cmd field of a message argument (optee_msg.h, OPTEE_MSG_CMD_*).
type Command uint32

// Commands. Numbers 8 to 11 were called ..._RSTMEM in the 2024 proposal.
const (
	CmdOpenSession      Command = 0
	CmdInvokeCommand    Command = 1
	CmdCloseSession     Command = 2
	CmdCancel           Command = 3
	CmdRegisterSHM      Command = 4
	CmdUnregisterSHM    Command = 5
	CmdDoBottomHalf     Command = 6
	CmdStopAsyncNotif   Command = 7
	CmdLendProtmem      Command = 8
	CmdReclaimProtmem   Command = 9
	CmdGetProtmemConfig Command = 10
	CmdAssignProtmem    Command = 11
)

var commandNames = [...]string{
	"OPEN_SESSION", "INVOKE_COMMAND", "CLOSE_SESSION", "CANCEL", "REGISTER_SHM", "UNREGISTER_SHM",
	"DO_BOTTOM_HALF", "STOP_ASYNC_NOTIF", "LEND_PROTMEM", "RECLAIM_PROTMEM", "GET_PROTMEM_CONFIG",
	"ASSIGN_PROTMEM",
}

func (c Command) String() string {
	if int64(c) < int64(len(commandNames)) {
		return commandNames[c]
	}
	return hexString(uint64(c))
}

// UseCase is what a protected memory pool is for.
type UseCase uint32

// Use cases. From UseCaseImplementation on their numbers are this platform's own: optee_msg.h has none there.
const (
	UseCaseReserved          UseCase = 0
	UseCaseSecureVideoPlay   UseCase = 1
	UseCaseTrustedUI         UseCase = 2
	UseCaseSecureVideoRecord UseCase = 3

	UseCaseImplementation UseCase = 0x8000_0000
	// UseCaseOnDemand: the pool admits no master by itself; clients grant them access by the grant application.
	UseCaseOnDemand UseCase = UseCaseImplementation + 1
	// UseCaseOnDemandUI is the same for a trusted user interface: only the display can be granted anything, and only reading.
	UseCaseOnDemandUI UseCase = UseCaseImplementation + 2
)

func (u UseCase) String() string {
	switch u {
	case UseCaseReserved:
		return "reserved"
	case UseCaseSecureVideoPlay:
		return "secure-video"
	case UseCaseTrustedUI:
		return "trusted-ui"
	case UseCaseSecureVideoRecord:
		return "secure-video-record"
	case UseCaseOnDemand:
		return "on-demand"
	case UseCaseOnDemandUI:
		return "on-demand-ui"
	}
	return hexString(uint64(u))
}

// Sizes of struct optee_msg_arg in bytes.
const (
	ArgHeaderSize = 32
	ParamSize     = 32
	// MaxParams is what fits in a page: (4096 - 32) / 32.
	MaxParams = 127
)

// ArgSize is the bytes of an argument with n parameters. The RPC argument, when there is one, starts at this
// offset from the start of the main argument, n being the parameters of the current message.
func ArgSize(n uint32) uint64 { return ArgHeaderSize + ParamSize*uint64(n) }

// ArgError says which field of a message argument or page list is wrong, and which TEE result to answer. It
// unwraps to that result.
type ArgError struct {
	Field string
	Value uint64
	Code  Result
	Rule  string
}

func (e *ArgError) Error() string {
	return "optee: " + e.Field + " = " + hexString(e.Value) + ": " + e.Rule + " (" + e.Code.String() + ")"
}

// Unwrap returns the result code.
func (e *ArgError) Unwrap() error { return e.Code }

func bad(field string, value uint64, rule string) error {
	return &ArgError{Field: field, Value: value, Code: ErrorBadParameters, Rule: rule}
}

// Arg is struct optee_msg_arg. The zero value is ready for Parse; parsing again reuses Params.
type Arg struct {
	Cmd       Command // an RPCCommand in an RPC argument
	Func      uint32
	Session   uint32
	CancelID  uint32
	Ret       Result
	RetOrigin Origin
	Params    []Param
}

// ParseParamCount returns num_params of the argument that starts at b, so that the caller knows how much to
// copy: ArgSize of it. b needs only ArgHeaderSize bytes.
func ParseParamCount(b []byte) (uint32, error) {
	if len(b) < ArgHeaderSize {
		return 0, bad("argument", uint64(len(b)), "shorter than its header")
	}
	n := binary.LittleEndian.Uint32(b[28:])
	if n > MaxParams {
		return 0, bad("num_params", uint64(n), "count is too large")
	}
	return n, nil
}

// Parse reads the argument at the start of b, a private copy. It refuses more than MaxParams parameters and
// parameters beyond b. The attributes are not judged: which ones are allowed depends on the command; see
// Attr.Valid.
func (a *Arg) Parse(b []byte) error {
	n, err := ParseParamCount(b)
	if err != nil {
		return err
	}
	if ArgSize(n) > uint64(len(b)) {
		return bad("num_params", uint64(n), "parameters beyond the buffer")
	}
	le := binary.LittleEndian
	a.Cmd = Command(le.Uint32(b))
	a.Func = le.Uint32(b[4:])
	a.Session = le.Uint32(b[8:])
	a.CancelID = le.Uint32(b[12:])
	a.Ret = Result(le.Uint32(b[20:]))
	a.RetOrigin = Origin(le.Uint32(b[24:]))
	a.Params = slices.Grow(a.Params[:0], int(n))[:n]
	for i := range a.Params {
		d := b[ArgHeaderSize+i*ParamSize:][:ParamSize]
		a.Params[i] = Param{
			Attr: Attr(le.Uint64(d)),
			U:    [3]uint64{le.Uint64(d[8:]), le.Uint64(d[16:]), le.Uint64(d[24:])},
		}
	}
	return nil
}

// ParseArg reads the argument at the start of b; see Parse.
func ParseArg(b []byte) (*Arg, error) {
	a := new(Arg)
	if err := a.Parse(b); err != nil {
		return nil, err
	}
	return a, nil
}

// Size is the bytes that AppendTo appends.
func (a *Arg) Size() uint64 { return ArgSize(uint32(len(a.Params))) }

// AppendTo appends the whole argument.
func (a *Arg) AppendTo(b []byte) []byte {
	le := binary.LittleEndian
	for _, w := range [...]uint32{
		uint32(a.Cmd), a.Func, a.Session, a.CancelID, 0, uint32(a.Ret), uint32(a.RetOrigin), uint32(len(a.Params)),
	} {
		b = le.AppendUint32(b, w)
	}
	for i := range a.Params {
		b = le.AppendUint64(b, uint64(a.Params[i].Attr))
		for _, u := range a.Params[i].U {
			b = le.AppendUint64(b, u)
		}
	}
	return b
}

// PutReply writes the results into b, the bytes that a was parsed from: session, ret, ret_origin, and of each
// output parameter the value, or the size of the memory reference. Everything else, attributes included,
// keeps what the client wrote. b must be at least a.Size() bytes.
func (a *Arg) PutReply(b []byte) error {
	if uint64(len(b)) < a.Size() {
		return bad("argument", uint64(len(b)), "parameters beyond the buffer")
	}
	le := binary.LittleEndian
	le.PutUint32(b[8:], a.Session)
	le.PutUint32(b[20:], uint32(a.Ret))
	le.PutUint32(b[24:], uint32(a.RetOrigin))
	for i := range a.Params {
		p := &a.Params[i]
		if !p.Attr.Output() {
			continue
		}
		d := b[ArgHeaderSize+i*ParamSize:][:ParamSize]
		if p.Attr.IsValue() {
			for j, u := range p.U {
				le.PutUint64(d[8+8*j:], u)
			}
		} else {
			le.PutUint64(d[16:], p.Size())
		}
	}
	return nil
}

// OpenSession is what the two meta parameters of CmdOpenSession say.
type OpenSession struct {
	TA     smc.UUID
	Client smc.UUID
	Login  Login
}

// OpenSession reads the meta parameters of CmdOpenSession; the user's parameters are a.Params[2:].
func (a *Arg) OpenSession() (OpenSession, error) {
	if len(a.Params) < 2 {
		return OpenSession{}, bad("num_params", uint64(len(a.Params)), "meta parameters are missing")
	}
	for i := range 2 {
		if attr := a.Params[i].Attr; attr != AttrValueInput|AttrMeta {
			return OpenSession{}, bad("params["+strconv.Itoa(i)+"].attr", uint64(attr), "must be a meta value input")
		}
	}
	return OpenSession{a.Params[0].UUID(), a.Params[1].UUID(), Login(a.Params[1].U[2])}, nil
}

// Params returns the meta parameters of CmdOpenSession.
func (o OpenSession) Params() [2]Param {
	ta, client := UUIDParam(o.TA), UUIDParam(o.Client)
	ta.Attr |= AttrMeta
	client.Attr |= AttrMeta
	client.U[2] = uint64(o.Login)
	return [2]Param{ta, client}
}
