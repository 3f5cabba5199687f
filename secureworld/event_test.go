package secureworld

import (
	"strings"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/event"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/testsp"
	"gatehouse/smc/optee"
)

// lines is a sink that keeps the text of events, without the time.
type lines struct{ got []string }

func (l *lines) Emit(e *event.Event) {
	s := string(e.Append(nil))
	l.got = append(l.got, s[strings.Index(s, "] ")+2:])
}

// One lend over each ABI, as the event stream tells of it.
func TestEvents(t *testing.T) {
	r := newRig(t)
	var l lines
	r.h.events.Attach(event.SMC|event.FFA|event.OPTEE|event.Protmem, &l)
	want := func(what string, want ...string) {
		t.Helper()
		if got := strings.Join(l.got, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", what, got, strings.Join(want, "\n"))
		}
		l.got = nil
	}
	r.call(0x8400_0000)
	want("PSCI_VERSION", "smc cpu0: PSCI_VERSION ret.version=1.1")
	r.call(0xC400_0003, 1, 0x10, 0)
	want("CPU_ON", "smc cpu0: PSCI_CPU_ON target=0x1 entry=0x10 smc64=1 ret=INVALID_ADDRESS")
	r.call(0x8400_0008)
	want("SYSTEM_OFF", "smc cpu0: PSCI_SYSTEM_OFF")
	r.call(0x8300_0001)
	want("unknown", "smc cpu0: SMC function=0x83000001 owner=oem ret=UNKNOWN_FUNCTION")
	r.negotiate(0x1_0002)
	want("begin",
		"ffa cpu0: FFA_VERSION version=1.2 ret=FFA_VERSION ret.version=1.2",
		"ffa cpu0: FFA_RXTX_MAP tx=0x40010000 rx=0x40011000 pages=1 smc64=1 ret=FFA_SUCCESS")
	r.shm = r.share(argAddr, 1)
	want("share",
		"ffa spmc: TRANSACTION kind=share sender=0x0 attributes=normal-wb-ish handle=0x10000 receiver=0x8001/RW range=0x40020000+1p",
		"ffa cpu0: FFA_MEM_SHARE total=112 fragment=112 smc64=1 ret=FFA_SUCCESS ret.handle=0x10000")
	h := r.lend(bufAddr, 2, 1)
	want("lend",
		"protmem secure: PROTECT base=0x40100000 size=0x2000 read=hdlcd|decoder|transform write=crypto|decoder|transform|crypto-protected",
		"ffa spmc: TRANSACTION kind=lend sender=0x0 attributes=unspecified handle=0x20001 tag=0x1 receiver=0x8001/RW range=0x40100000+2p",
		"ffa cpu0: FFA_MEM_LEND total=112 fragment=112 smc64=1 ret=FFA_SUCCESS ret.handle=0x20001")
	r.message(0, assignArg(h, 1))
	want("assign",
		"optee optee: OPTEE_MSG_ASSIGN_PROTMEM handle=0x20001 use-case=secure-video size=64 ret=SUCCESS",
		"optee optee: OPTEE_FFA_YIELDING_CALL_WITH_ARG handle=0x10000 offset=0x0 ret=SUCCESS ret.yield=DONE",
		"ffa cpu0: FFA_MSG_SEND_DIRECT_REQ src=0x0 dst=0x8001 w3=0x80000000 w4=0x10000 ret=FFA_MSG_SEND_DIRECT_RESP ret.src=0x8001 ret.dst=0x0 ret.w3=0x0")
	r.call(reclaimCall(h)...)
	want("reclaim", "ffa cpu0: FFA_MEM_RECLAIM handle=0x20001 ret=FFA_ERROR ret.error=DENIED")
	r.service(8, h&0xFFFF_FFFF, h>>32)
	l.got = nil
	r.reclaim(h)
	want("reclaim",
		"protmem secure: SCRUB base=0x40100000 size=0x2000",
		"protmem secure: RELEASE base=0x40100000 size=0x2000",
		"ffa cpu0: FFA_MEM_RECLAIM handle=0x20001 ret=FFA_SUCCESS")
	unknown := optee.Arg{Cmd: 99}
	r.write(bufAddr, unknown.AppendTo(nil))
	r.call(0x3200_0004, 0, bufAddr)
	want("unknown message",
		"optee optee: OPTEE_MSG_0x63 size=32 ret=NOT_IMPLEMENTED ret.origin=TEE",
		"smc cpu0: OPTEE_CALL_WITH_ARG arg=0x40100000 ret=EBADCMD")
}

// What partitions do of their own accord: lines of the console, and the schedule receiver interrupt.
func TestEventsOfPartitions(t *testing.T) {
	r := notified(t, 0x1_0002)
	r.want("BIND", []uint64{bindCall, first << 16, 0, 1}, []uint64{ffaSuccess})
	var l lines
	r.h.events.Attach(event.FFA, &l)
	word := func(s string) uint64 { return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 }
	r.does(first, testsp.Log, word("hell"), word("o\nwo"), word("rld\x00"), word("gone"))
	r.from.CPU = 3
	r.does(first, testsp.Notify, 0, 0, 1)
	want := []string{
		"ffa 0x8002: CONSOLE text=\"hello\"",
		"ffa 0x8002: CONSOLE text=\"world\"",
		"ffa cpu0: FFA_MSG_SEND_DIRECT_REQ src=0x0 dst=0x8002 w3=0x12 w4=0x6c6c6568 w5=0x6f770a6f w6=0x646c72 w7=0x656e6f67 ret=FFA_MSG_SEND_DIRECT_RESP ret.src=0x8002 ret.dst=0x0 ret.w3=0x0",
		"ffa spmc: SCHEDULE_RECEIVER cpu=3 intid=8",
		"ffa cpu3: FFA_MSG_SEND_DIRECT_REQ src=0x0 dst=0x8002 w3=0xb w4=0x0 w5=0x0 w6=0x1 ret=FFA_MSG_SEND_DIRECT_RESP ret.src=0x8002 ret.dst=0x0 ret.w3=0x0",
	}
	if got := strings.Join(l.got, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// Lines that never end are broken, so that nothing grows.
func TestLongConsoleLine(t *testing.T) {
	e := new(echo)
	r := newRig(t, partitions(1, func() spmc.Partition { return e }))
	var l lines
	r.h.events.Attach(event.FFA, &l)
	e.services.Log(strings.Repeat("x", 600))
	e.services.Log("y\n\n")
	var want []string
	for _, text := range []string{strings.Repeat("x", 256), strings.Repeat("x", 256), strings.Repeat("x", 88) + "y", ""} {
		want = append(want, `ffa 0x8100: CONSOLE text="`+text+`"`)
	}
	if got := strings.Join(l.got, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// While nobody listens the calls that clients repeat most cost no allocation.
func TestFastCallsDoNotAllocate(t *testing.T) {
	r := notified(t, 0x1_0002)
	r.want("BIND", []uint64{bindCall, first << 16, 0, 1}, []uint64{ffaSuccess})
	r.does(first, testsp.Notify, 0, 0, 1)
	for _, args := range [][]uint64{{getCall, 0, 5}, {infoGet64}, {runCall, first << 16}, {0xC400_006F, first}, {0xC400_008D, first}, {0x8400_0064, 2}, {0x8400_0069}, {0x8400_0063, 0x1_0002}, {0x8400_0000}, {0x8000_0000}, {0x8400_0064, 0xC400_0072}, {0xB200_0009},
		{0x8400_006F, opteeID, 0, 2}, {0xC400_008B}, {0xC400_0053, 192}} {
		regs := new(firmware.Registers)
		if n := testing.AllocsPerRun(100, func() {
			clear(regs[:])
			copy(regs[:], args)
			r.w.SMC(firmware.Call{EL: 1}, regs)
		}); n != 0 {
			t.Errorf("call %#x allocates %v times", args[0], n)
		}
	}
}

// Nothing that the secure world keeps grows with the number of calls.
func TestNothingGrows(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	round := func() {
		h := r.share(bufAddr, 3)
		l := r.lend(bufAddr+8*page, 2, 1)
		x := transaction(ffa.Share, 0, ffa.Constituent{Address: bufAddr + 0x1_0000, Pages: 1}, ffa.Constituent{Address: bufAddr + 0x1_2000, Pages: 1})
		b := x.AppendTo(nil, ffa.Version1_2)
		r.write(txAddr, b)
		r.call(0xC400_0073, uint64(len(b)), uint64(len(b)-16)) // and then gives up
		a := r.message(0, openArg(optee.DeviceUUID(), 0))
		r.message(0, optee.Arg{Cmd: optee.CmdCloseSession, Session: a.Session})
		r.reclaim(l)
		r.reclaim(h)
	}
	for range 10 {
		round()
	}
	before := testing.AllocsPerRun(50, round)
	for range 2000 {
		round()
	}
	if after := testing.AllocsPerRun(50, round); after > before {
		t.Errorf("%v allocations a round after 2000 rounds, %v before", after, before)
	}
	r.consistent()
}
