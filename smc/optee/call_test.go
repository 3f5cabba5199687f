package optee

import (
	"testing"

	"gatehouse/smc"
)

func TestCallNumbers(t *testing.T) {
	for f, want := range map[smc.Function]struct {
		number uint32
		name   string
		fast   bool
	}{
		CallsCount:           {0xBF00FF00, "CALLS_COUNT", true},
		CallsUID:             {0xBF00FF01, "CALLS_UID", true},
		CallsRevision:        {0xBF00FF03, "CALLS_REVISION", true},
		LoadImage:            {0xBF000002, "LOAD_IMAGE", true},
		GetOSUUID:            {0xB2000000, "GET_OS_UUID", true},
		GetOSRevision:        {0xB2000001, "GET_OS_REVISION", true},
		GetSHMConfig:         {0xB2000007, "GET_SHM_CONFIG", true},
		L2CCMutex:            {0xB2000008, "L2CC_MUTEX", true},
		ExchangeCapabilities: {0xB2000009, "EXCHANGE_CAPABILITIES", true},
		DisableSHMCache:      {0xB200000A, "DISABLE_SHM_CACHE", true},
		EnableSHMCache:       {0xB200000B, "ENABLE_SHM_CACHE", true},
		BootSecondary:        {0xB200000C, "BOOT_SECONDARY", true},
		VMCreated:            {0xB200000D, "VM_CREATED", true},
		VMDestroyed:          {0xB200000E, "VM_DESTROYED", true},
		GetThreadCount:       {0xB200000F, "GET_THREAD_COUNT", true},
		EnableAsyncNotif:     {0xB2000010, "ENABLE_ASYNC_NOTIF", true},
		GetAsyncNotifValue:   {0xB2000011, "GET_ASYNC_NOTIF_VALUE", true},
		GetProtmemConfig:     {0xB2000014, "GET_PROTMEM_CONFIG", true},
		GetDynSDPConfig:      {0xB2000015, "GET_DYN_SDP_CONFIG", true},
		ReturnFromRPC:        {0x32000003, "RETURN_FROM_RPC", false},
		CallWithArg:          {0x32000004, "CALL_WITH_ARG", false},
		CallWithRPCArg:       {0x32000012, "CALL_WITH_RPC_ARG", false},
		CallWithRegdArg:      {0x32000013, "CALL_WITH_REGD_ARG", false},
	} {
		if uint32(f) != want.number || CallName(f) != "OPTEE_"+want.name || f.Fast() != want.fast || !IsCall(f) {
			t.Errorf("%#x: %q fast %v, want %#x %q", uint32(f), CallName(f), f.Fast(), want.number, want.name)
		}
	}
	if CallName(CallWithArg|smc.SVEHint) != "OPTEE_CALL_WITH_ARG" {
		t.Error("the SVE hint hides the name")
	}
	for _, f := range []smc.Function{smc.PSCIVersion, 0x31000004, 0xF2000001, 0x80000000} {
		if IsCall(f) || CallName(f) != "" {
			t.Errorf("%v counts as a call of OP-TEE", f)
		}
	}
}

func TestUIDs(t *testing.T) {
	for _, c := range []struct {
		u     smc.UUID
		text  string
		words [4]uint32
	}{
		{CallsUUID(), "384fb3e0-e7f8-11e3-af63-0002a5d5c51b", [4]uint32{0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b}},
		{OSUUID(), "486178e0-e7f8-11e3-bc5e-0002a5d5c51b", [4]uint32{0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b}},
		{LoadImageUUID(), "a3fbeab1-1246-315d-c7c4-06b9c03cbea4", [4]uint32{0xa3fbeab1, 0x1246315d, 0xc7c406b9, 0xc03cbea4}},
	} {
		if c.u.String() != c.text || c.u.SMCWords() != c.words {
			t.Errorf("%v %#x, want %s", c.u, c.u.SMCWords(), c.text)
		}
	}
	if w := OSUUID().FFAWords(); w != [4]uint32{0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5} {
		t.Errorf("FF-A words of OP-TEE: %#x", w)
	}
	if DeviceUUID().String() != "7011a688-ddde-4053-a5a9-7b3c4ddf13b8" {
		t.Errorf("device enumeration: %v", DeviceUUID())
	}
}

func TestReturnCodes(t *testing.T) {
	for c, want := range map[ReturnCode]string{
		0: "OK", 1: "ETHREAD_LIMIT", 2: "EBUSY", 3: "ERESUME", 4: "EBADADDR", 5: "EBADCMD", 6: "ENOMEM", 7: "ENOTAVAIL",
		8: "0x8", 0xFFFFFFFF: "UNKNOWN_FUNCTION", 0xFFFF0000: "RPC_ALLOC", 0xFFFF0002: "RPC_FREE",
		0xFFFF0004: "RPC_FOREIGN_INTR", 0xFFFF0005: "RPC_CMD", 0xFFFF0009: "RPC_9", 0xFFFE0000: "0xfffe0000",
	} {
		if c.String() != want {
			t.Errorf("%#x is %q, want %q", uint32(c), c, want)
		}
	}
	if ReturnRPC(RPCCmd) != 0xFFFF0005 {
		t.Errorf("ReturnRPC(CMD) = %#x", uint32(ReturnRPC(RPCCmd)))
	}
	if _, ok := ReturnUnknownFunction.RPC(); ok {
		t.Error("unknown function counts as an RPC")
	}
	if ReturnUnknownFunction.X0() != smc.Unknown || ReturnENotAvail.X0() != 7 || ReturnRPC(RPCCmd).X0() != 0xFFFF0005 {
		t.Error("X0")
	}
}

func TestCapabilities(t *testing.T) {
	// The recommended sets: dynamic 0x254, static 0x154.
	dynamic := CapDynamicSHM | CapMemrefNull | CapRPCArg | CapDynamicProtmem
	static := CapDynamicSHM | CapMemrefNull | CapRPCArg | CapProtmem
	if dynamic != 0x254 || static != 0x154 || CapAsyncNotif != 0x20 {
		t.Errorf("capabilities %#x, %#x", uint32(dynamic), uint32(static))
	}
	for c, want := range map[Capabilities]string{
		0: "0x0", 0x254: "dynamic-shm|memref-null|rpc-arg|dynamic-protmem", 0x401: "reserved-shm|0x400", 0x8000: "0x8000",
	} {
		if c.String() != want {
			t.Errorf("%#x is %q, want %q", uint32(c), c, want)
		}
	}
	if s := (FFACapArgOffset | FFACapAsyncNotif | FFACapRPMBProbe | FFACapProtmem).String(); s != "arg-offset|async-notif|rpmb-probe|protmem" {
		t.Errorf("FF-A capabilities %q", s)
	}
	if FFACapProtmem != 8 || FFACapAsyncNotif != 2 {
		t.Error("FF-A capability bits moved")
	}
}

func TestPair(t *testing.T) {
	if Pair(0x11223344, 0xFFFFFFFF_55667788) != 0x1122334455667788 {
		t.Errorf("Pair = %#x", Pair(0x11223344, 0x55667788))
	}
	if hi, lo := Split(0x1122334455667788); hi != 0x11223344 || lo != 0x55667788 {
		t.Errorf("Split = %#x, %#x", hi, lo)
	}
}

func TestServiceNumbers(t *testing.T) {
	for s, want := range map[Service]string{
		0: "GET_API_VERSION", 1: "GET_OS_VERSION", 2: "EXCHANGE_CAPABILITIES", 3: "UNREGISTER_SHM", 5: "ENABLE_ASYNC_NOTIF",
		8: "RELEASE_PROTMEM", 0x80000000: "YIELDING_CALL_WITH_ARG", 0x80000001: "YIELDING_CALL_RESUME", 4: "0x4",
	} {
		if s.String() != want || s.Yielding() != (s >= 0x80000000) {
			t.Errorf("service %#x is %q, want %q", uint32(s), s, want)
		}
	}
	for k, want := range map[YieldKind]string{0: "DONE", 1: "RPC_CMD", 2: "INTERRUPT", 3: "0x3"} {
		if k.String() != want {
			t.Errorf("yield kind %d is %q, want %q", uint32(k), k, want)
		}
	}
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		payload [5]uint64
		want    Request
	}{
		{[5]uint64{0}, Request{}},
		{[5]uint64{2}, Request{Service: FFAExchangeCapabilities}},
		{[5]uint64{3, 0x55667788, 0x11223344}, Request{Service: FFAUnregisterSHM, Handle: 0x1122334455667788}},
		{[5]uint64{8, 1, 2}, Request{Service: FFAReleaseProtmem, Handle: 2<<32 | 1}},
		{[5]uint64{5, 7}, Request{Service: FFAEnableAsyncNotif, Notif: 7}},
		{[5]uint64{0x80000000, 1, 2, 384}, Request{Service: FFAYieldingCallWithArg, Handle: 2<<32 | 1, Offset: 384}},
		{[5]uint64{0x80000001, 0, 0, 0, 9}, Request{Service: FFAYieldingCallResume, Resume: 9}},
	} {
		if got := ParseRequest(&c.payload); got != c.want {
			t.Errorf("%x: %+v, want %+v", c.payload, got, c.want)
		}
		if got := c.want.Payload(); got != c.payload {
			t.Errorf("%+v: %x, want %x", c.want, got, c.payload)
		}
		dirty := c.payload
		for i := range dirty {
			dirty[i] |= 0xA5A5A5A5 << 32
		}
		if got := ParseRequest(&dirty); got != c.want {
			t.Errorf("high halves count: %+v, want %+v", got, c.want)
		}
	}
	if p := YieldReply(0, YieldRPCCmd, 5); p != [5]uint64{0, 1, 0, 0, 5} {
		t.Errorf("YieldReply = %x", p)
	}
	if p := YieldReply(ErrorBusy, 0, 0); p != [5]uint64{0xFFFF000D} {
		t.Errorf("busy = %x", p)
	}
}

func TestProtmemConfigEntry(t *testing.T) {
	e := ProtmemConfigEntry{Endpoint: 0x8001, Permissions: 2}
	if e.Word() != 0x00028001 {
		t.Errorf("word %#x", e.Word())
	}
	if got, ok := ParseProtmemConfigEntry(0x00028001); got != e || !ok {
		t.Errorf("parsed %+v, %v", got, ok)
	}
	if _, ok := ParseProtmemConfigEntry(0x01028001); ok {
		t.Error("reserved bits accepted")
	}
}

func TestResultNames(t *testing.T) {
	for r, want := range map[Result]string{
		0: "SUCCESS", 0xFFFF0000: "GENERIC", 0xFFFF0001: "ACCESS_DENIED", 0xFFFF0002: "CANCEL", 0xFFFF0003: "ACCESS_CONFLICT",
		0xFFFF0004: "EXCESS_DATA", 0xFFFF0005: "BAD_FORMAT", 0xFFFF0006: "BAD_PARAMETERS", 0xFFFF0007: "BAD_STATE",
		0xFFFF0008: "ITEM_NOT_FOUND", 0xFFFF0009: "NOT_IMPLEMENTED", 0xFFFF000A: "NOT_SUPPORTED", 0xFFFF000B: "NO_DATA",
		0xFFFF000C: "OUT_OF_MEMORY", 0xFFFF000D: "BUSY", 0xFFFF000E: "COMMUNICATION", 0xFFFF000F: "SECURITY",
		0xFFFF0010: "SHORT_BUFFER", 0xFFFF0011: "EXTERNAL_CANCEL", 0xFFFF0012: "0xffff0012", 0xFFFF3001: "TIMEOUT",
		0xFFFF300F: "OVERFLOW", 0xFFFF3024: "TARGET_DEAD", 0xFFFF3041: "STORAGE_NO_SPACE", 0xFFFF3071: "MAC_INVALID",
		0xFFFF3072: "SIGNATURE_INVALID", 0xFFFF5000: "TIME_NOT_SET", 0xFFFF5001: "TIME_NEEDS_RESET",
		0xF0100001: "CORRUPT_OBJECT", 0xF0100002: "CORRUPT_OBJECT_2", 0xF0100003: "STORAGE_NOT_AVAILABLE",
		0xF0100004: "STORAGE_NOT_AVAILABLE_2", 0xF0100005: "UNSUPPORTED_VERSION", 0xF0100006: "CIPHERTEXT_INVALID",
		1: "0x1", 0xFFFFFFFF: "0xffffffff",
	} {
		if r.String() != want || r.Error() != "tee: "+want {
			t.Errorf("%#x is %q, want %q", uint32(r), r.String(), want)
		}
	}
	for o, want := range map[Origin]string{1: "API", 2: "COMMS", 3: "TEE", 4: "TRUSTED_APP", 0: "0x0"} {
		if o.String() != want {
			t.Errorf("origin %d is %q", uint32(o), o)
		}
	}
	for l, want := range map[Login]string{
		0: "PUBLIC", 1: "USER", 2: "GROUP", 4: "APPLICATION", 5: "USER_APPLICATION", 6: "GROUP_APPLICATION",
		0x80000000: "REE_KERNEL", 0xF0000000: "TRUSTED_APP", 3: "0x3",
	} {
		if l.String() != want {
			t.Errorf("login %#x is %q", uint32(l), l)
		}
	}
	for u, want := range map[UseCase]string{0: "reserved", 1: "secure-video", 2: "trusted-ui", 3: "secure-video-record", 4: "0x4"} {
		if u.String() != want {
			t.Errorf("use case %d is %q", uint32(u), u)
		}
	}
}

func TestCommandNames(t *testing.T) {
	for i, want := range []string{
		"OPEN_SESSION", "INVOKE_COMMAND", "CLOSE_SESSION", "CANCEL", "REGISTER_SHM", "UNREGISTER_SHM", "DO_BOTTOM_HALF",
		"STOP_ASYNC_NOTIF", "LEND_PROTMEM", "RECLAIM_PROTMEM", "GET_PROTMEM_CONFIG", "ASSIGN_PROTMEM", "0xc",
	} {
		if got := Command(i).String(); got != want {
			t.Errorf("command %d is %q, want %q", i, got, want)
		}
	}
	if Command(0xFFFFFFFF).String() != "0xffffffff" {
		t.Error("command -1")
	}
	for c, want := range map[RPCCommand]string{
		0: "LOAD_TA", 1: "RPMB", 2: "FS", 3: "GET_TIME", 4: "NOTIFICATION", 5: "SUSPEND", 6: "SHM_ALLOC", 7: "SHM_FREE",
		8: "0x8", 9: "GPROF", 10: "SOCKET", 11: "FTRACE", 12: "SUPP_PLUGIN", 20: "BENCH_REG", 21: "I2C_TRANSFER",
		22: "RPMB_PROBE_RESET", 23: "RPMB_PROBE_NEXT", 24: "RPMB_FRAMES",
	} {
		if c.String() != want {
			t.Errorf("RPC command %d is %q, want %q", uint32(c), c, want)
		}
	}
}
