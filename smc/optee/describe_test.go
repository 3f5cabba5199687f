package optee

import (
	"testing"

	"gatehouse/smc"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		regs [18]uint64
		want string
	}{
		{[18]uint64{0xBF00FF01}, "OPTEE_CALLS_UID"},
		{[18]uint64{0xB2000009, 1}, "OPTEE_EXCHANGE_CAPABILITIES normal=0x1"},
		{[18]uint64{0x32000004, 1, 0x40001000}, "OPTEE_CALL_WITH_ARG arg=0x140001000"},
		{[18]uint64{0x32000012, 0, 0x40001000}, "OPTEE_CALL_WITH_RPC_ARG arg=0x40001000"},
		{[18]uint64{0x32000013, 0xFFFF0000, 0x12345678, 384}, "OPTEE_CALL_WITH_REGD_ARG cookie=0xffff000012345678 offset=0x180"},
		{[18]uint64{0x32000003, 1, 2, 3, 4, 5}, "OPTEE_RETURN_FROM_RPC thread=0x3 a1:a2=0x100000002 a4:a5=0x400000005"},
		{[18]uint64{0xB200000D, 2}, "OPTEE_VM_CREATED vm=0x2"},
		{[18]uint64{0xBF000002, 0, 0x1000, 1, 0}, "OPTEE_LOAD_IMAGE size=0x1000 image=0x100000000"},
		{[18]uint64{0xB2000077}, "OPTEE_UNKNOWN function=0xb2000077"},
		{[18]uint64{0x84000000}, ""},
	} {
		name, fields := Describe(&c.regs)
		if got := smc.Format(name, fields); got != c.want {
			t.Errorf("%x: got %q, want %q", c.regs, got, c.want)
		}
	}
}

func TestDescribeReply(t *testing.T) {
	for _, c := range []struct {
		call smc.Function
		regs [18]uint64
		want string
	}{
		{CallsUID, [18]uint64{0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b},
			"OPTEE_CALLS_UID uuid=384fb3e0-e7f8-11e3-af63-0002a5d5c51b"},
		{CallsRevision, [18]uint64{2, 0, 9}, "OPTEE_CALLS_REVISION revision=2.0"},
		{GetOSRevision, [18]uint64{4, 5, 0xabc}, "OPTEE_GET_OS_REVISION revision=4.5 build=0xabc"},
		{CallsCount, [18]uint64{12}, "OPTEE_CALLS_COUNT count=12"},
		{ExchangeCapabilities, [18]uint64{0, 0x254, 255, 4},
			"OPTEE_EXCHANGE_CAPABILITIES OK caps=dynamic-shm|memref-null|rpc-arg|dynamic-protmem max-notif=255 rpc-params=4"},
		{ExchangeCapabilities, [18]uint64{7}, "OPTEE_EXCHANGE_CAPABILITIES ENOTAVAIL"},
		{GetSHMConfig, [18]uint64{0, 0x1000, 0x2000, 1}, "OPTEE_GET_SHM_CONFIG OK start=0x1000 size=0x2000 settings=0x1"},
		{GetProtmemConfig, [18]uint64{0, 0x9000_0000, 0x100000, 40},
			"OPTEE_GET_PROTMEM_CONFIG OK start=0x90000000 size=0x100000 pa-width=40"},
		{GetThreadCount, [18]uint64{0, 2}, "OPTEE_GET_THREAD_COUNT OK count=2"},
		{DisableSHMCache, [18]uint64{0, 1, 2}, "OPTEE_DISABLE_SHM_CACHE OK cookie=0x100000002"},
		{DisableSHMCache, [18]uint64{7}, "OPTEE_DISABLE_SHM_CACHE ENOTAVAIL"},
		{GetAsyncNotifValue, [18]uint64{0, 5, 3}, "OPTEE_GET_ASYNC_NOTIF_VALUE OK value=5 valid pending"},
		{CallWithRegdArg, [18]uint64{0}, "OPTEE_CALL_WITH_REGD_ARG OK"},
		{CallWithRegdArg, [18]uint64{0xFFFF0005, 1, 2, 3}, "OPTEE_CALL_WITH_REGD_ARG RPC_CMD thread=0x3 cookie=0x100000002"},
		{ReturnFromRPC, [18]uint64{0xFFFF0000, 4096, 0, 3}, "OPTEE_RETURN_FROM_RPC RPC_ALLOC thread=0x3 size=4096"},
		{CallWithArg, [18]uint64{0xFFFF0004, 0, 0, 1}, "OPTEE_CALL_WITH_ARG RPC_FOREIGN_INTR thread=0x1"},
		{0xB2000077, [18]uint64{0xFFFFFFFF}, "OPTEE_UNKNOWN UNKNOWN_FUNCTION"},
	} {
		name, fields := DescribeReply(c.call, &c.regs)
		if got := smc.Format(name, fields); got != c.want {
			t.Errorf("reply to %s: got %q, want %q", CallName(c.call), got, c.want)
		}
	}
}

func TestDescribeRPC(t *testing.T) {
	for _, c := range []struct {
		sent, back Arg
		want       string
	}{
		{Arg{Cmd: 3, Params: []Param{ValueParam(AttrValueOutput, 0, 0, 0)}}, Arg{Params: []Param{ValueParam(AttrValueOutput, 5, 6, 0)}},
			"OPTEE_RPC_GET_TIME p0=VALUE_OUTPUT{0x0,0x0,0x0} SUCCESS p0=VALUE_OUTPUT{0x5,0x6,0x0}"},
		{Arg{Cmd: 4, Params: []Param{ValueParam(AttrValueInput, 1, 9, 0)}}, Arg{Ret: ErrorCommunication, Params: []Param{ValueParam(AttrValueInput, 5, 6, 0)}},
			"OPTEE_RPC_NOTIFICATION p0=VALUE_INPUT{0x1,0x9,0x0} COMMUNICATION"},
		{Arg{Cmd: 6, Params: []Param{ValueParam(AttrValueInput, 1, 600, 8)}}, Arg{Params: []Param{FMemParam(AttrFMemOutput, FMem{Size: 600, GlobalID: 0x70001})}},
			"OPTEE_RPC_SHM_ALLOC p0=VALUE_INPUT{0x1,0x258,0x8} SUCCESS p0=MEM_OUTPUT{0x0+0x258@0x70001}"},
		{Arg{Cmd: 99}, Arg{Ret: ErrorNotSupported, Params: make([]Param, 1)}, "OPTEE_RPC_0x63 NOT_SUPPORTED"},
	} {
		name, fields := c.sent.RPCFields(true)
		got := smc.Format(name, append(fields, c.back.RPCResultFields(&c.sent, true)...))
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestDescribeServices(t *testing.T) {
	for _, c := range []struct {
		payload [5]uint64
		want    string
	}{
		{[5]uint64{0}, "OPTEE_FFA_GET_API_VERSION"},
		{[5]uint64{3, 1, 2}, "OPTEE_FFA_UNREGISTER_SHM handle=0x200000001"},
		{[5]uint64{8, 1, 2}, "OPTEE_FFA_RELEASE_PROTMEM handle=0x200000001"},
		{[5]uint64{5, 7}, "OPTEE_FFA_ENABLE_ASYNC_NOTIF notification=7"},
		{[5]uint64{0x80000000, 1, 2, 384}, "OPTEE_FFA_YIELDING_CALL_WITH_ARG handle=0x200000001 offset=0x180"},
		{[5]uint64{0x80000001, 0, 0, 0, 9}, "OPTEE_FFA_YIELDING_CALL_RESUME resume=0x9"},
		{[5]uint64{4}, "OPTEE_FFA_0x4"},
	} {
		name, fields := DescribeRequest(&c.payload)
		if got := smc.Format(name, fields); got != c.want {
			t.Errorf("%x: got %q, want %q", c.payload, got, c.want)
		}
	}
	for _, c := range []struct {
		s       Service
		payload [5]uint64
		want    string
	}{
		{FFAGetAPIVersion, [5]uint64{1, 0}, "OPTEE_FFA_GET_API_VERSION version=1.0"},
		{FFAGetOSVersion, [5]uint64{4, 5, 0xabc}, "OPTEE_FFA_GET_OS_VERSION version=4.5 build=0xabc"},
		{FFAExchangeCapabilities, [5]uint64{0, 4, 9, 255},
			"OPTEE_FFA_EXCHANGE_CAPABILITIES SUCCESS caps=arg-offset|protmem rpc-params=4 max-notif=255"},
		{FFAExchangeCapabilities, [5]uint64{0xFFFF0006}, "OPTEE_FFA_EXCHANGE_CAPABILITIES BAD_PARAMETERS"},
		{FFAUnregisterSHM, [5]uint64{0}, "OPTEE_FFA_UNREGISTER_SHM SUCCESS"},
		{FFAYieldingCallWithArg, [5]uint64{0, 0}, "OPTEE_FFA_YIELDING_CALL_WITH_ARG SUCCESS yield=DONE"},
		{FFAYieldingCallWithArg, [5]uint64{0, 1, 0, 0, 6}, "OPTEE_FFA_YIELDING_CALL_WITH_ARG SUCCESS yield=RPC_CMD resume=0x6"},
		{FFAYieldingCallWithArg, [5]uint64{0xFFFF000D}, "OPTEE_FFA_YIELDING_CALL_WITH_ARG BUSY"},
	} {
		name, fields := DescribeResponse(c.s, &c.payload)
		if got := smc.Format(name, fields); got != c.want {
			t.Errorf("%v: got %q, want %q", c.s, got, c.want)
		}
	}
}

func TestArgFields(t *testing.T) {
	for _, c := range []struct {
		arg  Arg
		ffa  bool
		want string
	}{
		{openSessionArg, true, "OPTEE_MSG_OPEN_SESSION ta=7011a688-ddde-4053-a5a9-7b3c4ddf13b8 login=REE_KERNEL " +
			"p2=MEM_OUTPUT{0x556611223344+0x1000@0x8000000000000001}"},
		{Arg{Cmd: CmdInvokeCommand, Session: 3, Func: 1, Params: []Param{
			{}, ValueParam(AttrValueInOut, 1, 2, 3), TMemParam(AttrTMemInput, TMem{0x1000, 16, 9}),
			RMemParam(AttrRMemInput, RMem{16, 32, 5}), {Attr: 0x44},
		}}, false, "OPTEE_MSG_INVOKE_COMMAND session=0x3 func=0x1 p1=VALUE_INOUT{0x1,0x2,0x3} p2=TMEM_INPUT{0x1000+0x10@0x9} " +
			"p3=MEM_INPUT{0x10+0x20@0x5} p4=0x44"},
		{Arg{Cmd: CmdGetProtmemConfig, Params: []Param{
			ValueParam(AttrValueInOut, 1, 0, 0), FMemParam(AttrFMemOutput, FMem{Size: 4, GlobalID: NullGlobalID}),
		}}, true, "OPTEE_MSG_GET_PROTMEM_CONFIG use-case=secure-video p1=MEM_OUTPUT{null+0x4}"},
		{Arg{Cmd: CmdLendProtmem, Params: []Param{
			ValueParam(AttrValueInput, 2, 0, 0), TMemParam(AttrTMemInput, TMem{0x4000_0000, 0x100000, 9}),
		}}, false, "OPTEE_MSG_LEND_PROTMEM use-case=trusted-ui p1=TMEM_INPUT{0x40000000+0x100000@0x9}"},
		{Arg{Cmd: CmdLendProtmem, Params: []Param{ValueParam(AttrValueInput, 0x77, 0, 0)}}, false, "OPTEE_MSG_LEND_PROTMEM use-case=0x77"},
		{Arg{Cmd: CmdAssignProtmem, Params: []Param{ValueParam(AttrValueInput, 1<<63|5, 3, 0)}}, true,
			"OPTEE_MSG_ASSIGN_PROTMEM handle=0x8000000000000005 use-case=secure-video-record"},
		{Arg{Cmd: CmdReclaimProtmem, Params: []Param{RMemParam(AttrRMemInput, RMem{0, 0, 9})}}, false, "OPTEE_MSG_RECLAIM_PROTMEM cookie=0x9"},
		{Arg{Cmd: CmdUnregisterSHM, Params: []Param{RMemParam(AttrRMemInput, RMem{0, 0, 9})}}, false, "OPTEE_MSG_UNREGISTER_SHM cookie=0x9"},
		// What is not as the command wants it is shown as it is.
		{Arg{Cmd: CmdLendProtmem}, false, "OPTEE_MSG_LEND_PROTMEM"},
		{Arg{Cmd: CmdLendProtmem, Params: []Param{ValueParam(AttrValueInOut, 1, 0, 0)}}, false, "OPTEE_MSG_LEND_PROTMEM p0=VALUE_INOUT{0x1,0x0,0x0}"},
		{Arg{Cmd: CmdLendProtmem, Params: []Param{ValueParam(AttrValueInput, 1<<32|1, 0, 0)}}, false,
			"OPTEE_MSG_LEND_PROTMEM p0=VALUE_INPUT{0x100000001,0x0,0x0}"},
		{Arg{Cmd: CmdAssignProtmem, Params: []Param{ValueParam(AttrValueInput, 5, 1, 7)}}, true, "OPTEE_MSG_ASSIGN_PROTMEM p0=VALUE_INPUT{0x5,0x1,0x7}"},
		{Arg{Cmd: CmdReclaimProtmem, Params: []Param{RMemParam(AttrRMemInput, RMem{0, 1, 9})}}, false, "OPTEE_MSG_RECLAIM_PROTMEM p0=MEM_INPUT{0x0+0x1@0x9}"},
		{Arg{Cmd: CmdCloseSession, Session: 3}, true, "OPTEE_MSG_CLOSE_SESSION session=0x3"},
		{Arg{Cmd: CmdCancel, Session: 3, CancelID: 4}, true, "OPTEE_MSG_CANCEL session=0x3 cancel=0x4"},
	} {
		name, fields := c.arg.Fields(c.ffa)
		if got := smc.Format(name, fields); got != c.want {
			t.Errorf("got %q\nwant %q", got, c.want)
		}
	}
	for _, c := range []struct {
		arg  Arg
		want string
	}{
		{Arg{Cmd: CmdOpenSession, Session: 5}, "reply SUCCESS session=0x5"},
		{Arg{Cmd: CmdInvokeCommand, Ret: ErrorShortBuffer, RetOrigin: OriginTEE}, "reply SHORT_BUFFER origin=TEE"},
		{Arg{Cmd: CmdGetProtmemConfig, Params: []Param{ValueParam(AttrValueInOut, 0x100000, 0x1000, 48), FMemParam(AttrFMemOutput, FMem{Size: 4})}},
			"reply SUCCESS min-size=0x100000 align=0x1000 pa-width=48 list=4"},
		{Arg{Cmd: CmdGetProtmemConfig, Ret: ErrorBadParameters, Params: []Param{{}, {}}}, "reply BAD_PARAMETERS origin=0x0"},
	} {
		if got := smc.Format("reply", c.arg.ResultFields()); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add(uint64(CallWithRegdArg), uint64(1), uint64(2), uint64(3))
	f.Add(uint64(0x80000000), uint64(0xFFFF0005), uint64(2), uint64(3))
	f.Fuzz(func(t *testing.T, a, b, c, d uint64) {
		regs := [18]uint64{a, b, c, d}
		if name, _ := Describe(&regs); (name != "") != IsCall(smc.Function(uint32(a))) {
			t.Errorf("%x described as %q", a, name)
		}
		DescribeReply(smc.Function(uint32(b)), &regs)
		payload := [5]uint64{a, b, c, d, a}
		if got := ParseRequest(&payload); ParseRequest((*[5]uint64)(ptr(got.Payload()))) != got {
			t.Errorf("request %+v does not survive", got)
		}
		DescribeRequest(&payload)
		DescribeResponse(Service(uint32(d)), &payload)
	})
}

func ptr[T any](v T) *T { return &v }
