package optee

import (
	"strconv"

	"gatehouse/smc"
)

// Describe decodes an SMC of the OP-TEE ABI. name is empty when x0 is no call of the trusted OS, and
// "OPTEE_UNKNOWN" for an undefined one.
func Describe(regs *[18]uint64) (name string, fields []smc.Field) {
	r := (*smc.Registers)(regs)
	f := r.Function()
	if !IsCall(f) {
		return "", nil
	}
	if name = CallName(f); name == "" {
		return "OPTEE_UNKNOWN", []smc.Field{{Name: "function", Value: uint64(f), Text: hexString(uint64(f))}}
	}
	switch f {
	case CallWithArg, CallWithRPCArg:
		fields = []smc.Field{hexField("arg", Pair(r[1], r[2]))}
	case CallWithRegdArg:
		fields = []smc.Field{hexField("cookie", Pair(r[1], r[2])), hexField("offset", r.Arg(3))}
	case ReturnFromRPC:
		fields = []smc.Field{
			hexField("thread", r.Arg(3)), hexField("a1:a2", Pair(r[1], r[2])), hexField("a4:a5", Pair(r[4], r[5])),
		}
	case ExchangeCapabilities:
		fields = []smc.Field{hexField("normal", r.Arg(1))}
	case VMCreated, VMDestroyed:
		fields = []smc.Field{hexField("vm", r.Arg(1))}
	case LoadImage:
		fields = []smc.Field{hexField("size", Pair(r[1], r[2])), hexField("image", Pair(r[3], r[4]))}
	}
	return name, fields
}

// DescribeReply decodes a0-a3 of the reply to an OP-TEE SMC.
func DescribeReply(call smc.Function, regs *[18]uint64) (name string, fields []smc.Field) {
	call = call.WithoutHint()
	if name = CallName(call); name == "" {
		name = "OPTEE_UNKNOWN"
	}
	r := (*smc.Registers)(regs)
	switch call {
	case CallsUID, GetOSUUID:
		u := smc.UUIDFromSMCWords([4]uint32{r.W(0), r.W(1), r.W(2), r.W(3)})
		return name, []smc.Field{{Name: "uuid", Text: u.String()}}
	case CallsRevision, GetOSRevision:
		v := strconv.FormatUint(uint64(r.W(0)), 10) + "." + strconv.FormatUint(uint64(r.W(1)), 10)
		fields = []smc.Field{{Name: "revision", Value: Pair(r[0], r[1]), Text: v}}
		if call == GetOSRevision && r.W(2) != 0 {
			fields = append(fields, hexField("build", uint64(r.W(2))))
		}
		return name, fields
	case CallsCount:
		return name, []smc.Field{decField("count", uint64(r.W(0)))}
	}
	code := ReturnCode(r.W(0))
	fields = []smc.Field{{Value: uint64(code), Text: code.String()}}
	if rpc, ok := code.RPC(); ok {
		fields = append(fields, hexField("thread", uint64(r.W(3))))
		switch rpc {
		case RPCAlloc:
			fields = append(fields, decField("size", uint64(r.W(1))))
		case RPCFree, RPCCmd:
			fields = append(fields, hexField("cookie", Pair(r[1], r[2])))
		}
		return name, fields
	}
	if code != ReturnOK {
		return name, fields
	}
	switch call {
	case ExchangeCapabilities:
		c := Capabilities(r.W(1))
		fields = append(fields, smc.Field{Name: "caps", Value: uint64(c), Text: c.String()},
			decField("max-notif", uint64(r.W(2))), decField("rpc-params", uint64(r.W(3)&0xFF)))
	case GetSHMConfig:
		fields = append(fields, hexField("start", uint64(r.W(1))), hexField("size", uint64(r.W(2))),
			hexField("settings", uint64(r.W(3))))
	case GetProtmemConfig:
		fields = append(fields, hexField("start", r[1]), hexField("size", r[2]), decField("pa-width", r[3]))
	case GetThreadCount:
		fields = append(fields, decField("count", uint64(r.W(1))))
	case DisableSHMCache:
		fields = append(fields, hexField("cookie", Pair(r[1], r[2])))
	case GetAsyncNotifValue:
		fields = append(fields, decField("value", uint64(r.W(1))))
		if r.W(2)&AsyncNotifValid != 0 {
			fields = append(fields, smc.Field{Value: 1, Text: "valid"})
		}
		if r.W(2)&AsyncNotifPending != 0 {
			fields = append(fields, smc.Field{Value: 1, Text: "pending"})
		}
	}
	return name, fields
}

// DescribeRequest decodes the payload x3-x7 of a direct request to the OP-TEE partition.
func DescribeRequest(payload *[5]uint64) (name string, fields []smc.Field) {
	q := ParseRequest(payload)
	switch q.Service {
	case FFAUnregisterSHM, FFAReleaseProtmem:
		fields = []smc.Field{hexField("handle", q.Handle)}
	case FFAYieldingCallWithArg:
		fields = []smc.Field{hexField("handle", q.Handle), hexField("offset", uint64(q.Offset))}
	case FFAYieldingCallResume:
		fields = []smc.Field{hexField("resume", uint64(q.Resume))}
	case FFAEnableAsyncNotif:
		fields = []smc.Field{decField("notification", uint64(q.Notif))}
	}
	return "OPTEE_FFA_" + q.Service.String(), fields
}

// DescribeResponse decodes the payload x3-x7 of the direct response to a request for service s.
func DescribeResponse(s Service, payload *[5]uint64) (name string, fields []smc.Field) {
	w := func(i int) uint64 { return uint64(uint32(payload[i])) }
	name = "OPTEE_FFA_" + s.String()
	switch s {
	case FFAGetAPIVersion, FFAGetOSVersion:
		v := strconv.FormatUint(w(0), 10) + "." + strconv.FormatUint(w(1), 10)
		fields = []smc.Field{{Name: "version", Value: Pair(w(0), w(1)), Text: v}}
		if s == FFAGetOSVersion && w(2) != 0 {
			fields = append(fields, hexField("build", w(2)))
		}
		return name, fields
	case FFAExchangeCapabilities:
		c := FFACapabilities(w(2))
		fields = []smc.Field{resultField(w(0))}
		if w(0) == 0 {
			fields = append(fields, smc.Field{Name: "caps", Value: uint64(c), Text: c.String()},
				decField("rpc-params", w(1)&0xFF), decField("max-notif", w(3)))
		}
		return name, fields
	}
	fields = []smc.Field{resultField(w(0))}
	if s.Yielding() && w(0) == 0 {
		k := YieldKind(w(1))
		fields = append(fields, smc.Field{Name: "yield", Value: uint64(k), Text: k.String()})
		if k != YieldDone {
			fields = append(fields, hexField("resume", w(4)))
		}
	}
	return name, fields
}

// Fields decodes a message argument for a trace. over FF-A, memory references are FMem.
func (a *Arg) Fields(ffa bool) (name string, fields []smc.Field) {
	name = "OPTEE_MSG_" + a.Cmd.String()
	switch a.Cmd {
	case CmdOpenSession:
		if o, err := a.OpenSession(); err == nil {
			fields = append(fields, smc.Field{Name: "ta", Text: o.TA.String()},
				smc.Field{Name: "login", Value: uint64(o.Login), Text: o.Login.String()})
		}
	case CmdInvokeCommand:
		fields = append(fields, hexField("session", uint64(a.Session)), hexField("func", uint64(a.Func)))
	case CmdCloseSession:
		fields = append(fields, hexField("session", uint64(a.Session)))
	case CmdCancel:
		fields = append(fields, hexField("session", uint64(a.Session)), hexField("cancel", uint64(a.CancelID)))
	}
	known := a.known(ffa)
	fields = append(fields, known...)
	for i := range a.Params {
		if i == 0 && known != nil {
			continue
		}
		if p := &a.Params[i]; p.Attr&AttrMeta == 0 && p.Attr.Type() != AttrNone {
			fields = append(fields, smc.Field{
				Name: "p" + strconv.Itoa(i), Value: uint64(p.Attr), Text: p.text(ffa),
			})
		}
	}
	return name, fields
}

// known gives the first parameter's values by their names, or nil where the command, or what it came with, does not say what
// they are (optee_msg.h, OPTEE_MSG_CMD_*).
func (a *Arg) known(ffa bool) []smc.Field {
	if len(a.Params) == 0 {
		return nil
	}
	p := &a.Params[0]
	v := p.Value()
	use := func(u uint64) []smc.Field {
		return []smc.Field{{Name: "use-case", Value: u, Text: UseCase(u).String()}}
	}
	switch a.Cmd {
	case CmdLendProtmem, CmdGetProtmemConfig:
		attr := AttrValueInput
		if a.Cmd == CmdGetProtmemConfig {
			attr = AttrValueInOut
		}
		if p.Attr == attr && v.A>>32 == 0 && v.B == 0 && v.C == 0 {
			return use(v.A)
		}
	case CmdAssignProtmem:
		if p.Attr == AttrValueInput && v.B>>32 == 0 && v.C == 0 {
			return append([]smc.Field{hexField("handle", v.A)}, use(v.B)...)
		}
	case CmdReclaimProtmem, CmdUnregisterSHM:
		if m := p.RMem(); p.Attr == AttrRMemInput && !ffa && m.Offset == 0 && m.Size == 0 {
			return []smc.Field{hexField("cookie", m.SHMRef)}
		}
	}
	return nil
}

// ResultFields decodes ret and ret_origin of a message argument that was answered, and what else its command says.
func (a *Arg) ResultFields() []smc.Field {
	fields := []smc.Field{resultField(uint64(a.Ret))}
	if a.Ret != Success {
		fields = append(fields,
			smc.Field{Name: "origin", Value: uint64(a.RetOrigin), Text: a.RetOrigin.String()})
	}
	if a.Cmd == CmdOpenSession && a.Ret == Success {
		fields = append(fields, hexField("session", uint64(a.Session)))
	}
	if a.Cmd == CmdGetProtmemConfig && (a.Ret == Success || a.Ret == ErrorShortBuffer) && len(a.Params) == 2 {
		v := a.Params[0].Value()
		fields = append(fields, hexField("min-size", v.A), hexField("align", v.B), decField("pa-width", v.C), decField("list", a.Params[1].Size()))
	}
	return fields
}

// RPCFields decodes an RPC argument as the secure world sends it, and RPCResultFields the one that comes back: of its parameters
// those that count as results of the request.
func (a *Arg) RPCFields(ffa bool) (name string, fields []smc.Field) {
	for i := range a.Params {
		p := &a.Params[i]
		fields = append(fields, smc.Field{Name: "p" + strconv.Itoa(i), Value: uint64(p.Attr), Text: p.text(ffa)})
	}
	return "OPTEE_RPC_" + RPCCommand(a.Cmd).String(), fields
}

// RPCResultFields is described at RPCFields; sent is the request.
func (a *Arg) RPCResultFields(sent *Arg, ffa bool) []smc.Field {
	fields := []smc.Field{resultField(uint64(a.Ret))}
	for i := range a.Params {
		p := &a.Params[i]
		if i < len(sent.Params) && (sent.Params[i].Attr.Output() || RPCCommand(sent.Cmd) == RPCSHMAlloc && a.Ret == Success) {
			fields = append(fields, smc.Field{Name: "p" + strconv.Itoa(i), Value: uint64(p.Attr), Text: p.text(ffa)})
		}
	}
	return fields
}

func (p *Param) text(ffa bool) string {
	s := p.Attr.String()
	switch {
	case p.Attr.IsValue():
		return s + "{" + hexString(p.U[0]) + "," + hexString(p.U[1]) + "," + hexString(p.U[2]) + "}"
	case p.Attr.IsTMem():
		m := p.TMem()
		return s + "{" + hexString(m.BufPtr) + "+" + hexString(m.Size) + "@" + hexString(m.SHMRef) + "}"
	case p.Attr.IsFMem() && ffa:
		m := p.FMem()
		if m.GlobalID == NullGlobalID {
			return s + "{null+" + hexString(m.Size) + "}"
		}
		return s + "{" + hexString(m.Offset) + "+" + hexString(m.Size) + "@" + hexString(m.GlobalID) + "}"
	case p.Attr.IsRMem():
		m := p.RMem()
		return s + "{" + hexString(m.Offset) + "+" + hexString(m.Size) + "@" + hexString(m.SHMRef) + "}"
	}
	return s
}

func hexField(name string, v uint64) smc.Field {
	return smc.Field{Name: name, Value: v, Text: hexString(v)}
}

func decField(name string, v uint64) smc.Field {
	return smc.Field{Name: name, Value: v, Text: strconv.FormatUint(v, 10)}
}

func resultField(v uint64) smc.Field { return smc.Field{Value: v, Text: Result(v).String()} }
