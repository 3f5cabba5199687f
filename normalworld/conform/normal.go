package conform

import (
	"encoding/binary"
	"fmt"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

const page = bus.PageSize

// Where the kernel keeps its things, from the start of Properties.RAM on.
const (
	offTX   = 0x01_0000 // up to 16 pages each
	offRX   = 0x02_0000
	offArg  = 0x04_0000 // the page of message arguments
	offList = 0x05_0000 // page lists, up to 64 pages
	offBuf  = 0x10_0000 // 7 MiB of buffers
	offPool = 0x80_0000 // 4 MiB of pools
	offSide = 0xD0_0000 // 1 MiB for what must stay as it is
)

// abi is an interface to OP-TEE.
type abi uint8

const (
	overFFA abi = iota
	overSMC
)

func (a abi) String() string { return [...]string{"ffa", "smc"}[a] }

func (a abi) need() Need { return [...]Need{NeedFFA, NeedSMC}[a] }

// kernel is the state of the kernel that a case plays.
type kernel struct {
	tx, rx, arg, list, buf, pool, side uint64 // addresses

	abi     abi // through which messages go
	version ffa.Version
	optee   ffa.EndpointID // 0 until it was found
	shm     ffa.Handle     // of the argument page, 0 until it was shared
	cookies uint64         // given away
}

func (k *kernel) place(ram Range) {
	at := func(off uint64) uint64 { return ram.Base + off }
	*k = kernel{tx: at(offTX), rx: at(offRX), arg: at(offArg), list: at(offList), buf: at(offBuf), pool: at(offPool), side: at(offSide)}
}

// negotiate agrees on an FF-A version.
func (t *T) negotiate(v ffa.Version) {
	out := t.call(uint64(ffa.Version32), uint64(v))
	got := ffa.Version(out[0])
	t.require(got.Valid() && got.Major() == 1 && out[0]>>32 == 0, "agreeing on a version", "x0 = 1.x")
	t.version = min(v, got)
	if got < v {
		t.skip("the target has FF-A %v, the case needs %v", got, v)
	}
}

// mapBuffers maps RX and TX of so many pages.
func (t *T) mapBuffers(pages uint64) {
	t.expect("mapping RX and TX", success(), uint64(ffa.RXTXMap64), t.tx, t.rx, pages)
}

// opteeWords is OP-TEE's UUID as FF-A registers carry it (DEN0028, UUIDs; octets in the order of RFC 4122).
func opteeWords() [4]uint64 {
	w := optee.OSUUID().FFAWords()
	return [4]uint64{uint64(w[0]), uint64(w[1]), uint64(w[2]), uint64(w[3])}
}

// infoSize is the bytes of a partition information descriptor in RX.
func (t *T) infoSize() int { return int(ffa.PartitionInfoSize(t.version)) }

// partitions asks for the records of a UUID, nil for all, through RX.
func (t *T) partitions(u [4]uint64) []ffa.PartitionInfo {
	out := t.expect("asking for partitions", successWith(2, "count and size"), uint64(ffa.PartitionInfoGet32), u[0], u[1], u[2], u[3])
	count := out[2]
	t.require(count >= 1 && count <= page/8, "asking for partitions", "a count of 1 or more that fits RX")
	return t.readRX(count)
}

// readRX takes records out of RX and releases it.
func (t *T) readRX(count uint64) (list []ffa.PartitionInfo) {
	size := t.infoSize()
	b := t.read(t.rx, int(count)*size)
	for i := range int(count) {
		p, err := ffa.ParsePartitionInfo(b[i*size:], uint32(size))
		if err != nil {
			t.failf("records of the negotiated version", "record %d: %v", i, err)
		}
		list = append(list, p)
	}
	t.expect("releasing RX", success(), uint64(ffa.RXRelease32))
	return list
}

// findOPTEE finds OP-TEE's partition by its UUID: the identifier may be any.
func (t *T) findOPTEE() {
	list := t.partitions(opteeWords())
	t.optee = list[0].ID
}

// startFFA is what Linux's FF-A driver does when it is loaded: version 1.2, buffers of one page, discovery.
func (t *T) startFFA() { t.startVersion(ffa.Version1_2) }

func (t *T) startVersion(v ffa.Version) {
	t.abi = overFFA
	t.negotiate(v)
	t.mapBuffers(1)
	t.findOPTEE()
}

// start makes the service reachable over an ABI. Over OP-TEE's own one its UUID is all that Linux looks for before.
func (t *T) start(a abi) {
	t.abi = a
	if a == overFFA {
		t.startFFA()
		return
	}
	t.expect("CALLS_UID", returns("OP-TEE's SMC ABI", smcWords(optee.CallsUUID())...), uint64(optee.CallsUID))
}

// there precedes each case of cases with a check that what it is about is there: a dead target shall pass nothing.
func there(check func(t *T), cases []Case) []Case {
	for i := range cases {
		run := cases[i].Run
		cases[i].Run = func(t *T) {
			check(t)
			run(t)
		}
	}
	return cases
}

// region is one range of a transaction.
func region(addr uint64, pages uint32) ffa.Constituent {
	return ffa.Constituent{Address: addr, Pages: pages}
}

// useCase is the tag of lends that do not care for which.
const useCase = uint64(optee.UseCaseSecureVideoPlay)

// transaction gives a descriptor as Linux would send it to OP-TEE.
func (t *T) transaction(kind ffa.TransactionKind, ranges ...ffa.Constituent) *ffa.MemoryTransaction {
	d := &ffa.MemoryTransaction{Receivers: []ffa.EMAD{{Receiver: t.optee, Permissions: ffa.DataRW}}, Constituents: ranges}
	switch kind {
	case ffa.Share:
		d.Attributes = ffa.NormalWriteBackInner
	case ffa.Lend:
		d.Tag = useCase
	case ffa.Donate:
		d.Receivers[0].Permissions = 0
	}
	return d
}

// functions of a send.
func send64(kind ffa.TransactionKind) uint64 {
	return uint64([...]ffa.Function{ffa.Share: ffa.MemShare64, ffa.Lend: ffa.MemLend64, ffa.Donate: ffa.MemDonate64}[kind])
}

func send32(kind ffa.TransactionKind) uint64 { return send64(kind) &^ (1 << 30) }

// handleReply is FFA_SUCCESS_32 with a handle.
func handleReply() Want { return successWith(2, "a handle in w2 and w3") }

// handleOf takes the handle out of the reply to the call that was made last.
func (t *T) handleOf(out Registers) ffa.Handle {
	h := ffa.Handle(out[2] | out[3]<<32)
	t.require(h != 0 && h != ffa.InvalidHandle && !h.ByHypervisor(), "the handle", "neither 0 nor all ones, bit 63 clear")
	return h
}

// sendBytes puts a descriptor into TX and sends it in one call.
func (t *T) sendBytes(what string, w Want, function uint64, b []byte) Registers {
	t.write(t.tx, b)
	out := t.call(function, uint64(len(b)), uint64(len(b)))
	t.last().descriptor = b
	t.check(what, w)
	return out
}

// send sends a descriptor in one call.
func (t *T) send(what string, w Want, kind ffa.TransactionKind, d *ffa.MemoryTransaction) Registers {
	return t.sendBytes(what, w, send64(kind), d.AppendTo(nil, t.version))
}

// sent sends a descriptor that must be accepted.
func (t *T) sent(kind ffa.TransactionKind, d *ffa.MemoryTransaction) ffa.Handle {
	return t.handleOf(t.send(kind.String(), handleReply(), kind, d))
}

// share and lend send one range to OP-TEE.
func (t *T) share(addr uint64, pages uint32) ffa.Handle {
	return t.sent(ffa.Share, t.transaction(ffa.Share, region(addr, pages)))
}

func (t *T) lend(addr uint64, pages uint32) ffa.Handle {
	return t.sent(ffa.Lend, t.transaction(ffa.Lend, region(addr, pages)))
}

// reclaimCall is FFA_MEM_RECLAIM of a handle.
func reclaimCall(h ffa.Handle) []uint64 {
	return []uint64{uint64(ffa.MemReclaim32), uint64(uint32(h)), uint64(h) >> 32}
}

func (t *T) reclaim(h ffa.Handle) { t.reclaimWith("reclaim", success(), h) }

func (t *T) reclaimWith(what string, w Want, h ffa.Handle) { t.expect(what, w, reclaimCall(h)...) }

// requestCall is a direct request to OP-TEE with w3 and the following.
func (t *T) requestCall(payload ...uint64) []uint64 {
	return append([]uint64{uint64(ffa.MsgSendDirectReq32), uint64(t.optee), 0}, payload...)
}

// response is a direct response of OP-TEE with w3 and the following; those that are not given may be anything of 32 bits.
func (t *T) response(text string, payload ...uint64) Want {
	p := ffaReply(uint64(ffa.MsgSendDirectResp32), uint64(t.optee)<<16, 0)
	for i := range 5 {
		if i < len(payload) {
			p.value[3+i] = payload[i]
		} else {
			p.mask[3+i] = upper
		}
	}
	return Want{"FFA_MSG_SEND_DIRECT_RESP_32 " + text, []pattern{p}}
}

// request makes a service call of OP-TEE over FF-A.
func (t *T) request(what string, w Want, payload ...uint64) [5]uint64 {
	out := t.expect(what, w, t.requestCall(payload...)...)
	return [5]uint64(out[3:8])
}

// unregister and release drop OP-TEE's reference to a handle.
func (t *T) unregister(h ffa.Handle) {
	t.request("UNREGISTER_SHM", t.response("w3=0", 0), uint64(optee.FFAUnregisterSHM), uint64(uint32(h)), uint64(h)>>32)
}

func (t *T) release(h ffa.Handle) {
	t.request("RELEASE_PROTMEM", t.response("w3=0", 0), uint64(optee.FFAReleaseProtmem), uint64(uint32(h)), uint64(h)>>32)
}

// argPage shares the argument page, as Linux does with the first message.
func (t *T) argPage() ffa.Handle {
	if t.shm == 0 {
		t.shm = t.share(t.arg, 1)
	}
	return t.shm
}

// withArg calls OP-TEE over FF-A with the message at an offset of a handle, and lets it take its interrupts.
func (t *T) withArg(what string, h ffa.Handle, offset uint64) [5]uint64 {
	reply := t.request(what, t.response("", []uint64{}...), uint64(optee.FFAYieldingCallWithArg), uint64(uint32(h)), uint64(h)>>32, offset)
	for range maxResume {
		if reply[0] != 0 || optee.YieldKind(reply[1]) != optee.YieldInterrupt {
			break
		}
		reply = t.request(what+", resumed", t.response("", []uint64{}...), uint64(optee.FFAYieldingCallResume), 0, 0, 0, reply[4])
	}
	return reply
}

// maxResume bounds how often a call is resumed: a secure world that asks more often never ends it.
const maxResume = 1000

// withAddress calls OP-TEE over SMC with the message at a physical address.
func (t *T) withAddress(what string, function smc.Function, pa uint64) optee.ReturnCode {
	hi, lo := optee.Split(pa)
	return t.yield(what, uint64(function), hi, lo)
}

// withCookie calls OP-TEE over SMC with the message at an offset of registered memory.
func (t *T) withCookie(what string, cookie, offset uint64) optee.ReturnCode {
	hi, lo := optee.Split(cookie)
	return t.yield(what, uint64(optee.CallWithRegdArg), hi, lo, offset)
}

// yield makes a yielding call of OP-TEE's SMC ABI.
func (t *T) yield(what string, args ...uint64) optee.ReturnCode {
	out := t.expect(what, returns("a return code in a0"), args...)
	for range maxResume {
		if optee.ReturnCode(out[0]) != optee.ReturnRPC(optee.RPCForeignIntr) {
			break
		}
		out = t.expect(what+", resumed", returns("a return code in a0"), uint64(optee.ReturnFromRPC), 0, 0, out[3])
	}
	t.require(out[0]>>32 == 0 || out[0] == smc.Unknown, what, "a0 zero-extended")
	return optee.ReturnCode(out[0])
}

// messageAt runs a message from an address of the argument page, and gives what became of it. The message layer must accept it.
func (t *T) messageAt(what string, offset uint64, a *optee.Arg) *optee.Arg {
	t.write(t.arg+offset, a.AppendTo(nil))
	if t.abi == overFFA {
		h := t.argPage()
		t.next = a
		reply := t.withArg(what, h, offset)
		t.require(reply[0] == 0 && reply[1] == uint64(optee.YieldDone), what, "w3 = 0, w4 = 0: done without RPC")
	} else {
		t.next = a
		code := t.withAddress(what, optee.CallWithRPCArg, t.arg+offset)
		t.require(code == optee.ReturnOK, what, "a0 = OK")
	}
	return t.answer(t.arg+offset, a)
}

// answer reads back a message, of which the secure world may have changed results only.
func (t *T) answer(addr uint64, sent *optee.Arg) *optee.Arg {
	b := t.read(addr, int(sent.Size()))
	got, err := optee.ParseArg(b)
	if err != nil {
		t.failf("a message that still is one", "the answer: %v", err)
	}
	t.last().message, t.last().answer = sent, got
	// Linux converts the parameters of the answer again: what the client chose must still be there.
	same := *sent
	same.Session, same.Ret, same.RetOrigin = got.Session, got.Ret, got.RetOrigin
	same.Params = append([]optee.Param{}, sent.Params...)
	for i := range same.Params {
		p := &same.Params[i]
		switch {
		case !p.Attr.Output() || i >= len(got.Params):
		case p.Attr.IsValue():
			p.U = got.Params[i].U
		default:
			p.SetSize(got.Params[i].Size())
		}
	}
	if want := same.AppendTo(nil); string(want) != string(b) {
		for i := range b {
			if b[i] != want[i] {
				t.reject("the message afterwards", "only results were written into it",
					fmt.Sprintf("byte %d of the message is %#x, was %#x", i, b[i], want[i]))
			}
		}
	}
	return got
}

// message runs a message and compares its result.
func (t *T) message(what string, want optee.Result, a *optee.Arg) *optee.Arg {
	return t.messageOneOf(what, []optee.Result{want}, a)
}

func (t *T) messageOneOf(what string, want []optee.Result, a *optee.Arg) *optee.Arg {
	got := t.messageAt(what, 0, a)
	t.ret(what, got, want...)
	return got
}

// ret compares the result of the message that was run last.
func (t *T) ret(what string, a *optee.Arg, want ...optee.Result) {
	text := "ret = "
	for i, w := range want {
		if a.Ret == w {
			return
		}
		if i > 0 {
			text += " or "
		}
		text += w.String()
	}
	t.reject(what, text, fmt.Sprintf("ret = %v, origin %v", a.Ret, a.RetOrigin))
}

// open opens a session with the device enumeration.
func (t *T) open() uint32 {
	a := t.message("OPEN_SESSION of the device enumeration", optee.Success, openArg(optee.DeviceUUID(), optee.LoginPublic))
	t.require(a.Session != 0, "OPEN_SESSION", "a session number that is not 0")
	return a.Session
}

func openArg(ta smc.UUID, login optee.Login, params ...optee.Param) *optee.Arg {
	meta := optee.OpenSession{TA: ta, Login: login}.Params()
	return &optee.Arg{Cmd: optee.CmdOpenSession, Params: append(meta[:], params...)}
}

func invokeArg(session, function uint32, params ...optee.Param) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdInvokeCommand, Session: session, Func: function, Params: params}
}

// null is a memory reference without memory.
func (t *T) null(attr optee.Attr) optee.Param {
	if t.abi == overFFA {
		return optee.FMemParam(attr, optee.FMem{GlobalID: optee.NullGlobalID})
	}
	return optee.TMemParam(attr-optee.AttrRMemInput+optee.AttrTMemInput, optee.TMem{})
}

// shared is memory that OP-TEE may use.
type shared struct {
	addr   uint64
	handle ffa.Handle // over FF-A
	cookie uint64     // over SMC
}

// shareBuffer makes pages known to OP-TEE: by FFA_MEM_SHARE, or by REGISTER_SHM with a new cookie.
func (t *T) shareBuffer(addr uint64, pages uint32) shared {
	if t.abi == overFFA {
		return shared{addr: addr, handle: t.share(addr, pages)}
	}
	cookie := t.newCookie()
	t.register("REGISTER_SHM", optee.Success, cookie, 0, uint64(pages)*page, consecutive(addr, int(pages))...)
	return shared{addr: addr, cookie: cookie}
}

// unshare is the inverse of shareBuffer.
func (t *T) unshare(s shared) {
	if t.abi == overFFA {
		t.unregister(s.handle)
		t.reclaim(s.handle)
		return
	}
	t.message("UNREGISTER_SHM", optee.Success, unregisterArg(s.cookie))
}

// ref is a reference to size bytes at an offset of shared memory.
func (t *T) ref(attr optee.Attr, s shared, offset, size uint64) optee.Param {
	if t.abi == overFFA {
		return optee.FMemParam(attr, optee.FMem{Offset: offset, Size: size, GlobalID: uint64(s.handle)})
	}
	return optee.RMemParam(attr, optee.RMem{Offset: offset, Size: size, SHMRef: s.cookie})
}

// newCookie gives a cookie as Linux does: the address of a structure in the kernel, with bit 63 set.
func (t *T) newCookie() uint64 {
	t.cookies++
	return 0xFFFF_8000_1234_0000 + t.cookies*0x40
}

func consecutive(addr uint64, pages int) (list []uint64) {
	for i := range uint64(pages) {
		list = append(list, addr+i*page)
	}
	return list
}

// registerArg is REGISTER_SHM of a buffer whose first byte stands start bytes into the first page of the list.
func (t *T) registerArg(cookie, start, size uint64) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdRegisterSHM, Params: []optee.Param{
		optee.TMemParam(optee.AttrSHMPageList, optee.TMem{BufPtr: t.list + start, Size: size, SHMRef: cookie})}}
}

// register writes a page list and registers it.
func (t *T) register(what string, want optee.Result, cookie, start, size uint64, pages ...uint64) {
	t.write(t.list, optee.AppendPageList(nil, t.list, pages))
	t.message(what, want, t.registerArg(cookie, start, size))
}

func unregisterArg(cookie uint64) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdUnregisterSHM, Params: []optee.Param{optee.RMemParam(optee.AttrRMemInput, optee.RMem{SHMRef: cookie})}}
}

// pool is protected memory.
type protected struct {
	Range
	handle ffa.Handle // over FF-A
	cookie uint64     // over SMC
}

func lendArg(use, addr, size, cookie uint64) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdLendProtmem, Params: []optee.Param{
		optee.ValueParam(optee.AttrValueInput, use, 0, 0),
		optee.TMemParam(optee.AttrTMemInput, optee.TMem{BufPtr: addr, Size: size, SHMRef: cookie}),
	}}
}

func reclaimArg(cookie uint64) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdReclaimProtmem, Params: []optee.Param{optee.RMemParam(optee.AttrRMemInput, optee.RMem{SHMRef: cookie})}}
}

func assignArg(h ffa.Handle, use uint64) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdAssignProtmem, Params: []optee.Param{optee.ValueParam(optee.AttrValueInput, uint64(h), use, 0)}}
}

// protect makes a pool: FFA_MEM_LEND and ASSIGN_PROTMEM, or LEND_PROTMEM.
func (t *T) protect(addr, size, use uint64) protected {
	p := protected{Range: Range{addr, size}}
	if t.abi == overFFA {
		d := t.transaction(ffa.Lend, region(addr, uint32(size/page)))
		d.Tag = use
		t.argPage()
		p.handle = t.sent(ffa.Lend, d)
		t.message("ASSIGN_PROTMEM", optee.Success, assignArg(p.handle, use))
		return p
	}
	p.cookie = t.newCookie()
	t.message("LEND_PROTMEM", optee.Success, lendArg(use, addr, size, p.cookie))
	return p
}

// unprotect gives a pool back: RELEASE_PROTMEM and FFA_MEM_RECLAIM, or RECLAIM_PROTMEM.
func (t *T) unprotect(p protected) {
	if t.abi == overFFA {
		t.release(p.handle)
		t.reclaim(p.handle)
		return
	}
	t.message("RECLAIM_PROTMEM", optee.Success, reclaimArg(p.cookie))
}

// le32 reads a word.
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
