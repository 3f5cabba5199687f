package ffa

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

var optee = UUID{0x48, 0x61, 0x78, 0xe0, 0xe7, 0xf8, 0x11, 0xe3, 0xbc, 0x5e, 0x00, 0x02, 0xa5, 0xd5, 0xc5, 0x1b}

// call wraps a Parse function and the Registers method of its result.
type call func(r *Registers) (parsed any, again Registers, err error)

func wrap[T interface{ Registers() Registers }](parse func(*Registers) (T, error)) call {
	return func(r *Registers) (any, Registers, error) {
		c, err := parse(r)
		return c, c.Registers(), err
	}
}

func wrapPtr[T any, P interface {
	*T
	Registers() Registers
}](parse func(*Registers) (T, error)) call {
	return func(r *Registers) (any, Registers, error) {
		c, err := parse(r)
		return c, P(&c).Registers(), err
	}
}

var (
	callVersion   = wrap(ParseVersion)
	callFeatures  = wrap(ParseFeatures)
	callRXTXMap   = wrap(ParseRXTXMap)
	callRXTXUnmap = wrap(ParseRXTXUnmap)
	callRXRelease = wrap(ParseRXRelease)
	callInfoGet   = wrap(ParsePartitionInfoGet)
	callInfoRegs  = wrap(ParsePartitionInfoGetRegs)
	callRun       = wrap(ParseRun)
	callDirect    = wrapPtr(ParseDirectMessage)
	callDirect2   = wrapPtr(ParseDirectMessage2)
	callSend2     = wrap(ParseMsgSend2)
	callBitmap    = wrap(ParseNotificationBitmapCreate)
	callBind      = wrap(ParseNotificationBind)
	callSet       = wrap(ParseNotificationSet)
	callGet       = wrap(ParseNotificationGet)
	callPending   = wrap(ParsePendingNotifications)
	callInfo      = wrapPtr(ParseNotificationInfo)
	callMemSend   = wrap(ParseMemSend)
	callRetrieved = wrap(ParseMemRetrieveResp)
	callFragRX    = wrap(ParseMemFragRX)
	callFragTX    = wrap(ParseMemFragTX)
	callReclaim   = wrap(ParseMemReclaim)
	callMemOp     = wrap(ParseMemOp)
	callMemPerm   = wrap(ParseMemPerm)
	callConsole   = wrap(ParseConsoleLog)
	callSecondary = wrap(ParseSecondaryEPRegister)
	callResources = wrap(ParseNSResInfoGet)
	everyCall     = []call{
		callVersion, callFeatures, callRXTXMap, callRXTXUnmap, callRXRelease, callInfoGet, callInfoRegs, callRun,
		callDirect, callDirect2, callSend2, callBitmap, callBind, callSet, callGet, callPending, callInfo,
		callMemSend, callRetrieved, callFragRX, callFragTX, callReclaim, callMemOp, callMemPerm, callConsole,
		callSecondary, callResources,
	}
)

// Registers on the left are written by hand from the specification's tables.
func TestRegisterLayouts(t *testing.T) {
	for _, c := range []struct {
		regs Registers
		call call
		want any
	}{
		{Registers{0x84000063, 0x10002}, callVersion, VersionCall{Version1_2}},
		{Registers{0x84000064, 0xC4000066}, callFeatures, Features{ID: 0xC4000066}},
		{Registers{0x84000064, 0xC4000074, 2}, callFeatures, Features{0xC4000074, RetrieveInputNSBit}},
		{Registers{0xC4000066, 0x40100000, 0x40101000, 1}, callRXTXMap,
			RXTXMap{SMC64: true, TX: 0x40100000, RX: 0x40101000, Pages: 1}},
		{Registers{0x84000066, 0x40110000, 0x40100000, 16}, callRXTXMap,
			RXTXMap{TX: 0x40110000, RX: 0x40100000, Pages: 16}},
		{Registers{0x84000067}, callRXTXUnmap, RXTXUnmap{}},
		{Registers{0x84000067, 0x00030000}, callRXTXUnmap, RXTXUnmap{3}},
		{Registers{0x84000065}, callRXRelease, RXRelease{}},
		{Registers{0x84000084, 2}, callRXRelease, RXRelease{Acquire: true, ID: 2}},
		{Registers{0x84000068, 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5, 1}, callInfoGet,
			PartitionInfoGet{optee, true}},
		{Registers{0x84000068}, callInfoGet, PartitionInfoGet{}},
		{Registers{0xC400008B, 0xe311f8e7e0786148, 0x1bc5d5a502005ebc, 0x00070005}, callInfoRegs,
			PartitionInfoGetRegs{UUID: optee, Start: 5, Tag: 7}},
		{Registers{0x8400006D, 0x80010002}, callRun, Run{Run32, 0x8001, 2}},
		{Registers{0x84000062, 0x80010000}, callRun, Run{Interrupt32, 0x8001, 0}},
		{Registers{0x8400006C, 0x80010001}, callRun, Run{Yield32, 0x8001, 1}},
		{Registers{0x8400006F, 0x00008001, 0, 0x80000000, 0x11, 0x22, 0x33, 0x44}, callDirect,
			DirectMessage{Destination: 0x8001, Payload: [5]uint64{0x80000000, 0x11, 0x22, 0x33, 0x44}}},
		{Registers{0xC4000070, 0x80010000, 0, 1 << 40, 0, 0, 0, 5}, callDirect,
			DirectMessage{SMC64: true, Response: true, Source: 0x8001, Payload: [5]uint64{1 << 40, 0, 0, 0, 5}}},
		{Registers{0x8400006F, 0xFFFF8000, 0x80000008, 0x10002}, callDirect,
			DirectMessage{Source: 0xFFFF, Destination: 0x8000, Framework: true, Message: FrameworkVersionReq,
				Payload: [5]uint64{0x10002}}},
		{Registers{0xC400008D, 0x8001, 0xe311f8e7e0786148, 0x1bc5d5a502005ebc, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
			14, 15, 16, 17}, callDirect2,
			DirectMessage2{Destination: 0x8001, UUID: optee,
				Payload: [14]uint64{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}}},
		{Registers{0xC400008E, 0x80010000, 0, 0, 1}, callDirect2,
			DirectMessage2{Response: true, Source: 0x8001, Payload: [14]uint64{1}}},
		{Registers{0x84000086, 0x00020000, 2}, callSend2, MsgSend2{Sender: 2, DelaySRI: true}},
		{Registers{0x8400007D, 0, 8}, callBitmap, NotificationBitmapCreate{VCPUs: 8}},
		{Registers{0x8400007E, 3}, callBitmap, NotificationBitmapCreate{Destroy: true, VM: 3}},
		// High half: the sender of the notifications; bitmap low word first.
		{Registers{0x8400007F, 0x80010000, 0, 0x1, 0}, callBind, NotificationBind{Sender: 0x8001, Bitmap: 1}},
		{Registers{0x8400007F, 0x80010002, 1, 0x89ABCDEF, 0x01234567}, callBind,
			NotificationBind{Sender: 0x8001, Receiver: 2, PerVCPU: true, Bitmap: 0x0123456789ABCDEF}},
		{Registers{0x84000080, 0x80010000, 0, 0, 0x80000000}, callBind,
			NotificationBind{Unbind: true, Sender: 0x8001, Bitmap: 1 << 63}},
		{Registers{0x84000081, 0x80010000, 0x00050003, 1, 2}, callSet,
			NotificationSet{Sender: 0x8001, PerVCPU: true, DelaySRI: true, VCPU: 5, Bitmap: 2<<32 | 1}},
		{Registers{0x84000082, 0x00030000, 5}, callGet,
			NotificationGet{VCPU: 3, Flags: NotificationsFromSP | NotificationsFromSPM}},
		{Registers{0x84000061, 0, 1, 2, 3, 4, 1, 0}, callPending,
			PendingNotifications{SP: 2<<32 | 1, VM: 4<<32 | 3, SPM: RXFull}},
		{Registers{0xC4000072, 112, 112}, callMemSend, MemSend{Function: MemLend64, Total: 112, Fragment: 112}},
		{Registers{0x84000073, 8192, 4096, 0x80000000, 1}, callMemSend,
			MemSend{MemShare32, 8192, 4096, 0x80000000, 1}},
		{Registers{0x84000075, 112, 96}, callRetrieved, MemRetrieveResp{112, 96}},
		// Handle order of FRAG_RX, FRAG_TX and RECLAIM: w1 low, w2 high.
		{Registers{0x8400007A, 0x55667788, 0x11223344, 4096, 0x00010000}, callFragRX,
			MemFragRX{Handle: 0x1122334455667788, Offset: 4096, Sender: 1}},
		{Registers{0x8400007B, 0x55667788, 0x11223344, 64}, callFragTX,
			MemFragTX{Handle: 0x1122334455667788, Length: 64}},
		{Registers{0x84000077, 0x55667788, 0x11223344, 1}, callReclaim,
			MemReclaim{Handle: 0x1122334455667788, Flags: FlagZero}},
		{Registers{0x84000078, 1, 2}, callMemOp, MemOp{Handle: 2<<32 | 1}},
		{Registers{0x84000079, 1, 2}, callMemOp, MemOp{Resume: true, Handle: 2<<32 | 1}},
		{Registers{0x84000088, 0x1000}, callMemPerm, MemPerm{Base: 0x1000}},
		{Registers{0xC4000089, 0x7_0000_0000, 3, 5}, callMemPerm,
			MemPerm{SMC64: true, Set: true, Base: 0x7_0000_0000, Pages: 3, Perms: MemPermRW}},
		{Registers{0x8400008A, 5, 0x6C6C6568, 0x6F}, callConsole, ConsoleLog{Text: "hello"}},
		{Registers{0xC400008A, 9, 0x6766656463626120, 0x68}, callConsole, ConsoleLog{SMC64: true, Text: " abcdefgh"}},
		{Registers{0xC4000087, 0x80000000}, callSecondary, SecondaryEPRegister{true, 0x80000000}},
		{Registers{0xC400008F, 0x8001, 0x15}, callResources,
			NSResInfoGet{Target: 0x8001, TargetValid: true, Type: 1, Continue: true}},
	} {
		got, again, err := c.call(&c.regs)
		if err != nil {
			t.Errorf("%x: %v", c.regs, err)
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%x:\n got %+v\nwant %+v", c.regs, got, c.want)
		}
		if again != c.regs {
			t.Errorf("%+v:\n got %x\nwant %x", got, again, c.regs)
		}
	}
}

// High halves of the argument registers of a 32-bit call are garbage by convention.
func TestHighHalvesOfSMC32AreIgnored(t *testing.T) {
	const g = 0xA5A5A5A5_00000000
	for _, c := range []struct {
		clean Registers
		call  call
	}{
		{Registers{0x84000066, 0x40110000, 0x40100000, 16}, callRXTXMap},
		{Registers{0x84000068, 1, 2, 3, 4, 1}, callInfoGet},
		{Registers{0x8400006F, 0x8001, 0, 1, 2, 3, 4, 5}, callDirect},
		{Registers{0x84000073, 8192, 4096, 0x80000000, 1, 0, 0, 0}, callMemSend},
		{Registers{0x84000077, 1, 2, 1, 0, 0, 0, 0}, callReclaim},
		{Registers{0x8400007A, 1, 2, 3, 0x10000}, callFragRX},
		{Registers{0x8400007F, 0x80010000, 0, 1, 1}, callBind},
		{Registers{0x84000082, 0x00030000, 5}, callGet},
		{Registers{0x84000086, 0x00020000, 2}, callSend2},
		{Registers{0x84000061, 0, 1, 2, 3, 4, 1, 0}, callPending},
		{Registers{0x84000089, 0x1000, 1, 7}, callMemPerm},
	} {
		dirty := c.clean
		for i := range 8 {
			dirty[i] |= g
		}
		want, _, err := c.call(&c.clean)
		if err != nil {
			t.Fatalf("%x: %v", c.clean, err)
		}
		got, again, err := c.call(&dirty)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%x: got %+v, %v; want %+v", dirty, got, err, want)
		}
		if again != c.clean {
			t.Errorf("%+v: written back as %x, want zero-extended %x", got, again, c.clean)
		}
	}
}

func TestCallsRefused(t *testing.T) {
	const i = InvalidParameters
	for _, c := range []struct {
		regs  Registers
		call  call
		field string
		rule  Rule
		code  Error
	}{
		{Registers{0x84000066, 0x1000, 0x2000, 0}, callRXTXMap, "page count", RuleCountZero, i},
		{Registers{0x84000066, 0x1000, 0x2000, 0x41}, callRXTXMap, "w3[31:6]", RuleMustBeZero, i},
		{Registers{0x84000066, 0x1800, 0x2000, 1}, callRXTXMap, "TX address", RuleMisaligned, i},
		{Registers{0x84000066, 0x1000, 0x2001, 1}, callRXTXMap, "RX address", RuleMisaligned, i},
		{Registers{0xC4000066, 0xFFFFFFFFFFFFF000, 0x2000, 1}, callRXTXMap, "TX address", RuleWraps, i},
		{Registers{0xC4000066, 0x2000, 0xFFFFFFFFFFFFF000, 2}, callRXTXMap, "RX address", RuleWraps, i},
		{Registers{0xC4000066, 0x2000, 0x2000, 1}, callRXTXMap, "RX address", RuleOverlap, i},
		{Registers{0xC4000066, 0x2000, 0x3000, 2}, callRXTXMap, "RX address", RuleOverlap, i},
		{Registers{0xC4000066, 0x3000, 0x2000, 2}, callRXTXMap, "RX address", RuleOverlap, i},
		{Registers{0x84000068, 0, 0, 0, 0, 2}, callInfoGet, "flags", RuleMustBeZero, i},
		{Registers{0xC400008B, 0, 0, 0x10000}, callInfoRegs, "information tag", RuleMustBeZero, i},
		{Registers{0x8400006F, 0x8001, 1}, callDirect, "message flags", RuleMustBeZero, i},
		{Registers{0x8400006F, 0x8001, 0x100}, callDirect, "message flags", RuleMustBeZero, i},
		{Registers{0x8400006F, 0x8001, 0x80000100}, callDirect, "message flags", RuleMustBeZero, i},
		{Registers{0x8400006F, 0x80018001}, callDirect, "destination", RuleSameEndpoint, i},
		{Registers{0xC400008D, 0x80018001}, callDirect2, "destination", RuleSameEndpoint, i},
		{Registers{0x84000086, 0, 1}, callSend2, "flags", RuleMustBeZero, i},
		{Registers{0x8400007D, 0, 0}, callBitmap, "vCPU count", RuleCountZero, i},
		{Registers{0x8400007D, 0x10000, 1}, callBitmap, "VM id", RuleMustBeZero, i},
		{Registers{0x8400007F, 0x80010000, 2, 1}, callBind, "flags", RuleMustBeZero, i},
		{Registers{0x84000080, 0x80010000, 1, 1}, callBind, "flags", RuleMustBeZero, i},
		{Registers{0x8400007F, 0x80010000, 0, 0}, callBind, "notification bitmap", RuleRequired, i},
		{Registers{0x8400007F, 0x80018001, 0, 1}, callBind, "receiver", RuleSameEndpoint, i},
		{Registers{0x84000081, 0x80010000, 4, 1}, callSet, "flags", RuleMustBeZero, i},
		{Registers{0x84000081, 0x80010000, 0x10000, 1}, callSet, "vCPU id", RuleMustBeZero, i},
		{Registers{0x84000081, 0x80010000, 0, 0}, callSet, "notification bitmap", RuleRequired, i},
		{Registers{0x84000082, 0, 0x10}, callGet, "flags", RuleMustBeZero, i},
		{Registers{0xC4000072, 96, 112}, callMemSend, "fragment length", RuleLength, i},
		{Registers{0xC4000072, 96, 0}, callMemSend, "fragment length", RuleCountZero, i},
		{Registers{0xC4000072, 96, 96, 0, 1}, callMemSend, "page count", RuleNoBufferAddress, i},
		{Registers{0xC4000072, 96, 96, 0x1000, 0}, callMemSend, "page count", RuleCountZero, i},
		{Registers{0xC4000072, 96, 96, 0x1010, 1}, callMemSend, "buffer address", RuleMisaligned, i},
		{Registers{0xC4000072, 96, 96, 0xFFFFFFFFFFFFF000, 1}, callMemSend, "buffer address", RuleWraps, i},
		{Registers{0xC4000072, 8192, 8192, 0x1000, 1}, callMemSend, "fragment length", RuleTooLong, i},
		{Registers{0xC4000072, 96, 96, 0, 0, 1}, callMemSend, "w5", RuleMustBeZero, i},
		{Registers{0xC4000072, 96, 96, 0, 0, 0, 1}, callMemSend, "w6", RuleMustBeZero, i},
		{Registers{0xC4000072, 96, 96, 0, 0, 0, 0, 1 << 32}, callMemSend, "w7", RuleMustBeZero, i},
		{Registers{0x84000075, 96, 112}, callRetrieved, "fragment length", RuleLength, i},
		{Registers{0x8400007B, 1, 0, 0}, callFragTX, "fragment length", RuleCountZero, i},
		{Registers{0x84000077, 1, 0, 4}, callReclaim, "flags", RuleMustBeZero, i},
		{Registers{0x84000077, 1, 0, 0, 1}, callReclaim, "w4", RuleMustBeZero, i},
		{Registers{0x84000077, 1, 0, 0, 0, 1}, callReclaim, "w5", RuleMustBeZero, i},
		{Registers{0x84000077, 1, 0, 0, 0, 0, 1}, callReclaim, "w6", RuleMustBeZero, i},
		{Registers{0x84000077, 1, 0, 0, 0, 0, 0, 1}, callReclaim, "w7", RuleMustBeZero, i},
		{Registers{0x84000088, 0x1001}, callMemPerm, "base address", RuleMisaligned, i},
		{Registers{0x84000089, 0x1000, 0, 5}, callMemPerm, "page count", RuleCountZero, i},
		{Registers{0x84000089, 0x1000, 1, 8}, callMemPerm, "permissions", RuleMustBeZero, i},
		{Registers{0x8400008A, 0}, callConsole, "character count", RuleCountZero, i},
		{Registers{0x8400008A, 25}, callConsole, "character count", RuleCountTooLarge, i},
		{Registers{0xC400008A, 129}, callConsole, "character count", RuleCountTooLarge, i},
		{Registers{0xC400008F, 0, 2}, callResources, "flags", RuleMustBeZero, i},
		{Registers{0xC4000061, 0, 21 << 7}, callInfo, "list count", RuleCountTooLarge, i},
		{Registers{0x84000061, 0, 11 << 7}, callInfo, "list count", RuleCountTooLarge, i},
		{Registers{0xC4000061, 0, 6<<7 | 0xFFF<<12}, callInfo, "list sizes", RuleCountTooLarge, i},
		{Registers{0xC4000061, 0, 1<<7 | 2}, callInfo, "w2[6:1]", RuleMustBeZero, i},
	} {
		_, _, err := c.call(&c.regs)
		checkFieldError(t, c.regs, err, c.field, c.rule, c.code)
	}
}

func checkFieldError(t *testing.T, what any, err error, field string, rule Rule, code Error) {
	t.Helper()
	var fe *FieldError
	if !errors.As(err, &fe) {
		t.Errorf("%x: error %v, want %s: %s", what, err, field, rule)
		return
	}
	if fe.Field != field || fe.Rule != rule || fe.Code != code {
		t.Errorf("%x: %v, want %s: %s (%v)", what, err, field, rule, code)
	}
	if !errors.Is(err, code) || CodeOf(err) != code {
		t.Errorf("%x: %v does not unwrap to %v", what, err, code)
	}
}

// Every parser refuses the registers of another function.
func TestWrongFunction(t *testing.T) {
	for i, c := range everyCall {
		r := Registers{0: uint64(IDGet32)}
		if _, _, err := c(&r); !errors.Is(err, NotSupported) {
			t.Errorf("parser %d takes FFA_ID_GET: %v", i, err)
		}
	}
}

func TestErrorRepliesPassThrough(t *testing.T) {
	r := ErrorReply(NoData)
	if _, err := ParseNotificationInfo(&r); !errors.Is(err, NoData) {
		t.Errorf("ParseNotificationInfo = %v", err)
	}
	if _, err := ParsePendingNotifications(&r); !errors.Is(err, NoData) {
		t.Errorf("ParsePendingNotifications = %v", err)
	}
	if _, err := ParsePartitionInfoRegs(&r, 0); !errors.Is(err, NoData) {
		t.Errorf("ParsePartitionInfoRegs = %v", err)
	}
}

func TestReplies(t *testing.T) {
	for _, c := range []struct{ got, want Registers }{
		{HandleReply(0x1122334455667788), Registers{0x84000061, 0, 0x55667788, 0x11223344}},
		{VersionReply(Version1_2), Registers{0x10002}},
		{VersionNotSupported(), Registers{0xFFFFFFFF}},
		{IDGetReply(0x8001), Registers{0x84000061, 0, 0x8001}},
		{PartitionInfoReply(2, 24), Registers{0x84000061, 0, 2, 24}},
		{FeaturesReply(8, 0), Registers{0x84000061, 0, 8}},
		{SuccessReply(1, 2, 3, 4, 5, 6, 7, 8), Registers{0x84000061, 0, 1, 2, 3, 4, 5, 6}},
	} {
		if c.got != c.want {
			t.Errorf("got %x, want %x", c.got, c.want)
		}
	}
}

func TestDirectReplyKeepsWidth(t *testing.T) {
	req := Registers{0x8400006F, 0x00008001, 0, 3}
	m, err := ParseDirectMessage(&req)
	if err != nil {
		t.Fatal(err)
	}
	// The high half of a payload word must not reach a 32-bit response.
	got := m.Reply([5]uint64{1, 0xFFFFFFFF_00000002})
	if want := (Registers{0x84000070, 0x80010000, 0, 1, 2}); got != want {
		t.Errorf("reply = %x, want %x", got, want)
	}
	req[0] = 0xC400006F
	m, err = ParseDirectMessage(&req)
	if err != nil {
		t.Fatal(err)
	}
	got = m.Reply([5]uint64{1 << 40})
	if want := (Registers{0xC4000070, 0x80010000, 0, 1 << 40}); got != want {
		t.Errorf("reply = %x, want %x", got, want)
	}
	req2 := Registers{0xC400008D, 0x8001, 1, 2, 3}
	m2, err := ParseDirectMessage2(&req2)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m2.Reply([14]uint64{9}), (Registers{0xC400008E, 0x80010000, 0, 0, 9}); got != want {
		t.Errorf("reply = %x, want %x", got, want)
	}
}

func TestConsoleLogCutsLongText(t *testing.T) {
	for _, smc64 := range []bool{false, true} {
		limit := map[bool]int{false: 24, true: 128}[smc64]
		r := ConsoleLog{smc64, strings.Repeat("x", 200)}.Registers()
		c, err := ParseConsoleLog(&r)
		if err != nil || c.Text != strings.Repeat("x", limit) {
			t.Errorf("smc64=%v: %d characters, %v; want %d", smc64, len(c.Text), err, limit)
		}
	}
}

func TestFeatureNames(t *testing.T) {
	for id, want := range map[FeatureID]string{1: "NPI", 2: "SRI", 3: "MEI", 4: "NOTIFICATION", 5: "0x5"} {
		if id.String() != want {
			t.Errorf("feature %d is %q, want %q", uint32(id), id, want)
		}
	}
	if f, ok := (Features{ID: 0xC4000066}).Function(); f != RXTXMap64 || !ok {
		t.Errorf("Function() = %v, %v", f, ok)
	}
	if _, ok := (Features{ID: 2}).Function(); ok {
		t.Error("feature 2 counts as a function")
	}
}

func TestRXTXMapProperties(t *testing.T) {
	for _, c := range []struct {
		w2    uint32
		g     BufferGranule
		pages uint16
		rule  Rule
	}{
		{0, BufferGranule4K, 0, ""}, {1, BufferGranule64K, 0, ""}, {2, BufferGranule16K, 0, ""},
		{0x0010_0000, BufferGranule4K, 16, ""}, {3, 0, 0, RuleReservedValue}, {4, 0, 0, RuleMustBeZero},
		{0x8000, 0, 0, RuleMustBeZero},
	} {
		g, pages, err := ParseRXTXMapProperties(c.w2)
		if c.rule != "" {
			var fe *FieldError
			if !errors.As(err, &fe) || fe.Rule != c.rule {
				t.Errorf("%#x: %v, want %s", c.w2, err, c.rule)
			}
			continue
		}
		if err != nil || g != c.g || pages != c.pages || RXTXMapProperties(g, pages) != c.w2 {
			t.Errorf("%#x: %v %d %v", c.w2, g, pages, err)
		}
	}
}

// seedCalls adds one call of each kind to a fuzz corpus of registers.
func seedCalls(add func(x0, x1, x2, x3, x4 uint64)) {
	for n := uint64(FirstNumber); n <= LastNumber; n++ {
		add(0x84000000+n, 0x80010000, 1<<7, 0x1000, 1)
		add(0xC4000000+n, 0x1000, 0x1000, 1, 0)
	}
}

// FuzzRegisters: no register content makes a parser or decoder panic, and what a parser accepts survives
// being written and read again.
func FuzzRegisters(f *testing.F) {
	seedCalls(func(x0, x1, x2, x3, x4 uint64) { f.Add(x0, x1, x2, x3, x4, uint64(0), uint64(0), uint64(7)) })
	f.Fuzz(func(t *testing.T, x0, x1, x2, x3, x4, x5, x7, rest uint64) {
		r := Registers{x0, x1, x2, x3, x4, x5, 0, x7}
		for i := 8; i < len(r); i++ {
			r[i] = rest * uint64(i)
		}
		for i, c := range everyCall {
			got, again, err := c(&r)
			if err != nil {
				continue
			}
			got2, again2, err := c(&again)
			if err != nil || !reflect.DeepEqual(got, got2) || again != again2 {
				t.Errorf("parser %d of %x: %+v becomes %+v, %v", i, r, got, got2, err)
			}
		}
		if p, err := ParsePartitionInfoRegs(&r, uint16(rest)); err == nil && (p.Count < 1 || p.Count > 5) {
			t.Errorf("%x: %d records", r, p.Count)
		}
		name, fields := Describe(&r)
		if (name != "") != FunctionOf(&r).InRange() {
			t.Errorf("%x: described as %q", r, name)
		}
		for _, field := range fields {
			if field.Text == "" {
				t.Errorf("%x: field %q has no text", r, field.Name)
			}
		}
		DescribeReply(Function(uint32(rest)), &r)
		DescribeReply(Function(0xC4000000+FirstNumber+uint32(rest%0x38)), &r)
	})
}
