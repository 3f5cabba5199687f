package ffa

import (
	"errors"
	"fmt"
	"testing"
)

// TestFunctionTable walks every identifier around the FF-A range and compares it with the list of the
// specification, written down here a second time as number, forms and version.
func TestFunctionTable(t *testing.T) {
	const b = "32+64"
	list := map[uint16]struct{ name, forms, since string }{
		0x60: {"ERROR", "32", "1.0"}, 0x61: {"SUCCESS", b, "1.0"}, 0x62: {"INTERRUPT", "32", "1.0"},
		0x63: {"VERSION", "32", "1.0"}, 0x64: {"FEATURES", "32", "1.0"}, 0x65: {"RX_RELEASE", "32", "1.0"},
		0x66: {"RXTX_MAP", b, "1.0"}, 0x67: {"RXTX_UNMAP", "32", "1.0"}, 0x68: {"PARTITION_INFO_GET", "32", "1.0"},
		0x69: {"ID_GET", "32", "1.0"}, 0x6A: {"MSG_POLL", "32", "1.0"}, 0x6B: {"MSG_WAIT", "32", "1.0"},
		0x6C: {"YIELD", "32", "1.0"}, 0x6D: {"RUN", "32", "1.0"}, 0x6E: {"MSG_SEND", "32", "1.0"},
		0x6F: {"MSG_SEND_DIRECT_REQ", b, "1.0"}, 0x70: {"MSG_SEND_DIRECT_RESP", b, "1.0"},
		0x71: {"MEM_DONATE", b, "1.0"}, 0x72: {"MEM_LEND", b, "1.0"}, 0x73: {"MEM_SHARE", b, "1.0"},
		0x74: {"MEM_RETRIEVE_REQ", b, "1.0"}, 0x75: {"MEM_RETRIEVE_RESP", "32", "1.0"},
		0x76: {"MEM_RELINQUISH", "32", "1.0"}, 0x77: {"MEM_RECLAIM", "32", "1.0"},
		0x78: {"MEM_OP_PAUSE", "32", "1.0"}, 0x79: {"MEM_OP_RESUME", "32", "1.0"},
		0x7A: {"MEM_FRAG_RX", "32", "1.0"}, 0x7B: {"MEM_FRAG_TX", "32", "1.0"},
		0x7C: {"NORMAL_WORLD_RESUME", "32", "1.0"}, 0x7D: {"NOTIFICATION_BITMAP_CREATE", "32", "1.1"},
		0x7E: {"NOTIFICATION_BITMAP_DESTROY", "32", "1.1"}, 0x7F: {"NOTIFICATION_BIND", "32", "1.1"},
		0x80: {"NOTIFICATION_UNBIND", "32", "1.1"}, 0x81: {"NOTIFICATION_SET", "32", "1.1"},
		0x82: {"NOTIFICATION_GET", "32", "1.1"}, 0x83: {"NOTIFICATION_INFO_GET", b, "1.1"},
		0x84: {"RX_ACQUIRE", "32", "1.1"}, 0x85: {"SPM_ID_GET", "32", "1.1"}, 0x86: {"MSG_SEND2", "32", "1.1"},
		0x87: {"SECONDARY_EP_REGISTER", b, "1.1"}, 0x88: {"MEM_PERM_GET", b, "1.1"}, 0x89: {"MEM_PERM_SET", b, "1.1"},
		0x8A: {"CONSOLE_LOG", b, "1.2"}, 0x8B: {"PARTITION_INFO_GET_REGS", "64", "1.2"},
		0x8C: {"EL3_INTR_HANDLE", "32", "1.2"}, 0x8D: {"MSG_SEND_DIRECT_REQ2", "64", "1.2"},
		0x8E: {"MSG_SEND_DIRECT_RESP2", "64", "1.2"}, 0x8F: {"NS_RES_INFO_GET", "64", "1.3"},
		0x90: {"ABORT", b, "1.3"}, 0x94: {"NOTIFICATION_BIND2", "64", "1.3"}, 0x95: {"NOTIFICATION_UNBIND2", "64", "1.3"},
		0x96: {"NOTIFICATION_SET2", "64", "1.3"}, 0x97: {"NOTIFICATION_GET2", "64", "1.3"},
	}
	for n := uint16(0x50); n < 0xA0; n++ {
		e, defined := list[n]
		for _, f := range []Function{0x84000000 + Function(n), 0xC4000000 + Function(n)} {
			exists := defined && (e.forms == b || (e.forms == "64") == f.SMC64())
			if f.Known() != exists {
				t.Errorf("%#x: Known() = %v, want %v", uint32(f), f.Known(), exists)
			}
			if want := n >= 0x60 && n <= 0x97; f.InRange() != want {
				t.Errorf("%#x: InRange() = %v, want %v", uint32(f), f.InRange(), want)
			}
			if !exists {
				if f.Name() != "" || f.Since() != 0 || f.String() != fmt.Sprintf("%#x", uint32(f)) {
					t.Errorf("%#x: undefined function has name %q, string %q", uint32(f), f.Name(), f)
				}
				continue
			}
			if f.Name() != "FFA_"+e.name || f.Since().String() != e.since || f.Number() != n {
				t.Errorf("%#x: %q since %v number %#x, want FFA_%s since %s",
					uint32(f), f.Name(), f.Since(), f.Number(), e.name, e.since)
			}
			want := "FFA_" + e.name
			if e.forms == b && f.SMC64() {
				want += "_64"
			}
			if f.String() != want {
				t.Errorf("%#x: String() = %q, want %q", uint32(f), f, want)
			}
		}
	}
}

// The identifiers that Linux issues, as its trace shows them.
func TestFunctionNumbers(t *testing.T) {
	for f, want := range map[Function]uint32{
		Error32: 0x84000060, Success32: 0x84000061, Success64: 0xC4000061, Version32: 0x84000063,
		RXTXMap64: 0xC4000066, MsgSendDirectReq32: 0x8400006F, MsgSendDirectResp32: 0x84000070,
		MemLend64: 0xC4000072, MemShare64: 0xC4000073, MemReclaim32: 0x84000077, MemFragRX32: 0x8400007A,
		NotificationBitmapCreate32: 0x8400007D, PartitionInfoGetRegs64: 0xC400008B,
		MsgSendDirectReq2_64: 0xC400008D, MsgSend2_32: 0x84000086, NotificationGet2_64: 0xC4000097,
	} {
		if uint32(f) != want {
			t.Errorf("%v = %#x, want %#x", f, uint32(f), want)
		}
	}
}

func TestFunctionRangeNeedsOwnerAndType(t *testing.T) {
	for _, f := range []Function{0x04000063, 0x44000063, 0x85000063, 0x80000063, 0x86000063, 0x84010063, 0x8400005F} {
		if f.InRange() || f.Known() {
			t.Errorf("%#x counts as FF-A", uint32(f))
		}
	}
}

func TestFunctionOfMasksSVEHint(t *testing.T) {
	r := Registers{0: 0xDEAD_BEEF_C401_0072}
	if f := FunctionOf(&r); f != MemLend64 {
		t.Errorf("FunctionOf = %v, want FFA_MEM_LEND_64", f)
	}
}

func TestErrorCodes(t *testing.T) {
	for code, name := range map[Error]string{
		-1: "NOT_SUPPORTED", -2: "INVALID_PARAMETERS", -3: "NO_MEMORY", -4: "BUSY", -5: "INTERRUPTED", -6: "DENIED",
		-7: "RETRY", -8: "ABORTED", -9: "NO_DATA", -10: "NOT_READY", 0: "error 0", -11: "error -11", 1: "error 1",
		-2147483648: "error -2147483648",
	} {
		if code.String() != name {
			t.Errorf("Error(%d) = %q, want %q", int32(code), code, name)
		}
	}
}

func TestErrorReplyLayout(t *testing.T) {
	r := ErrorReply(Denied)
	if want := (Registers{0x84000060, 0, 0xFFFFFFFA}); r != want {
		t.Errorf("ErrorReply(Denied) = %x", r)
	}
	if err := ErrorOf(&r); !errors.Is(err, Denied) {
		t.Errorf("ErrorOf = %v, want DENIED", err)
	}
	// Linux casts a2 to int: the upper half does not matter.
	r[2] = 0x1234_5678_FFFF_FFF7
	if err := ErrorOf(&r); !errors.Is(err, NoData) {
		t.Errorf("ErrorOf = %v, want NO_DATA", err)
	}
	ok := SuccessReply(1)
	if err := ErrorOf(&ok); err != nil {
		t.Errorf("ErrorOf(SUCCESS) = %v", err)
	}
	wrapped := fmt.Errorf("lend: %w", invalid("flags", 4, RuleMustBeZero))
	if r := ErrorReplyFor(wrapped); r != (Registers{0x84000060, 0, 0xFFFFFFFE}) {
		t.Errorf("ErrorReplyFor = %x", r)
	}
}

func TestCodeOf(t *testing.T) {
	fe := &FieldError{"total length", 1 << 20, NoMemory, RuleTooLong}
	for _, c := range []struct {
		err  error
		want Error
	}{
		{nil, 0}, {Busy, Busy}, {fe, NoMemory}, {fmt.Errorf("a: %w", fmt.Errorf("b: %w", fe)), NoMemory},
		{errors.New("bus fault"), Aborted},
	} {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
	if want := "ffa: total length = 0x100000: longer than the limit (NO_MEMORY)"; fe.Error() != want {
		t.Errorf("FieldError = %q, want %q", fe, want)
	}
}

func TestVersion(t *testing.T) {
	v := MakeVersion(1, 2)
	if v != 0x10002 || v.Major() != 1 || v.Minor() != 2 || v.String() != "1.2" || !v.Valid() {
		t.Errorf("version 1.2 is %#x %v", uint32(v), v)
	}
	if bad := Version(0xFFFFFFFF); bad.Valid() || bad.String() != "0xffffffff" {
		t.Errorf("0xffffffff is %v", bad)
	}
	for _, c := range []struct {
		own, asked, want Version
		fails            bool
	}{
		{Version1_2, Version1_2, Version1_2, false},
		{Version1_2, Version1_0, Version1_0, false},
		{Version1_2, Version1_1, Version1_1, false},
		{Version1_2, Version1_3, Version1_2, false},
		{Version1_0, Version1_2, Version1_0, false},
		{Version1_2, 0x20000, 0, true},
		{Version1_2, 0x00009, 0, true},
		{Version1_2, 0x80010002, 0, true},
	} {
		got, err := Negotiate(c.own, c.asked)
		if got != c.want || (err != nil) != c.fails || c.fails && !errors.Is(err, NotSupported) {
			t.Errorf("Negotiate(%v, %v) = %v, %v; want %v", c.own, c.asked, got, err, c.want)
		}
	}
}

func TestEndpointWorld(t *testing.T) {
	for id, secure := range map[EndpointID]bool{0: false, 1: false, 0x7FFF: false, 0x8000: true, 0x8001: true, 0xFFFF: true} {
		if id.Secure() != secure {
			t.Errorf("%v.Secure() = %v", id, id.Secure())
		}
	}
	if SPMC.String() != "0x8000" {
		t.Errorf("SPMC prints as %q", SPMC)
	}
}

const opteeUUID = "486178e0-e7f8-11e3-bc5e-0002a5d5c51b"

func TestUUIDWords(t *testing.T) {
	u, err := ParseUUID(opteeUUID)
	if err != nil {
		t.Fatal(err)
	}
	words := [4]uint32{0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5}
	if u.Words() != words {
		t.Errorf("Words() = %#x, want %#x", u.Words(), words)
	}
	if UUIDFromWords(words) != u {
		t.Errorf("UUIDFromWords = %v", UUIDFromWords(words))
	}
	lo, hi := u.Pair()
	if lo != 0xe311f8e7_e0786148 || hi != 0x1bc5d5a5_02005ebc {
		t.Errorf("Pair() = %#x, %#x", lo, hi)
	}
	if UUIDFromPair(lo, hi) != u || u.String() != opteeUUID || u.IsNil() || !(UUID{}).IsNil() {
		t.Errorf("UUID does not survive: %v", UUIDFromPair(lo, hi))
	}
}

func TestParseUUIDRefuses(t *testing.T) {
	for _, s := range []string{
		"", opteeUUID[:35], opteeUUID + "0", "486178e0xe7f8-11e3-bc5e-0002a5d5c51b",
		"486178e0-e7f8-11e3-bc5e-0002a5d5c51g", "486178e0e-7f8-11e3-bc5e-0002a5d5c51b",
		"{86178e0-e7f8-11e3-bc5e-0002a5d5c51}",
	} {
		if u, err := ParseUUID(s); err == nil {
			t.Errorf("ParseUUID(%q) = %v", s, u)
		}
	}
}
