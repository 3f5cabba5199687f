package modeltest

import (
	"fmt"
	"slices"

	"gatehouse/secureworld"
	"gatehouse/secureworld/tee"
)

// TEE results (GlobalPlatform TEE Internal Core API) as sets.
const (
	badParameters codes = 1 << 0x06
	itemNotFound  codes = 1 << 0x08
	unsupported   codes = 1 << 0x0A
	outOfMemory   codes = 1 << 0x0C
	teeBusy       codes = 1 << 0x0D
	security      codes = 1 << 0x0F
	excessData    codes = 1 << 0x04
	shortBuffer   codes = 1 << 0x10
	anyResult     codes = 1<<0x12 - 1
)

// resultCode is n of the TEE result 0xFFFF_00nn.
func resultCode(ret uint32) int {
	if ret>>8 == 0xFFFF00 {
		return int(ret & 0xFF)
	}
	return 0xFF
}

// Services of OP-TEE over FF-A (optee_ffa.h).
const (
	serviceVersion    = 0
	serviceOS         = 1
	serviceCaps       = 2
	serviceUnregister = 3
	serviceAsync      = 5
	serviceRelease    = 8
	serviceWithArg    = 0x8000_0000
	serviceResume     = 0x8000_0001
)

// Calls of OP-TEE's SMC ABI (optee_smc.h).
const (
	smcUID        = 0xBF00_FF01
	smcRevision   = 0xBF00_FF03
	smcOSUUID     = 0xB200_0000
	smcOSRevision = 0xB200_0001
	smcSHM        = 0xB200_0007
	smcCaps       = 0xB200_0009
	smcNoCache    = 0xB200_000A
	smcCache      = 0xB200_000B
	smcThreads    = 0xB200_000F
	smcProtmem    = 0xB200_0014
	smcFromRPC    = 0x3200_0003
	smcWithArg    = 0x3200_0004
	smcWithRPCArg = 0x3200_0012
	smcWithRegd   = 0x3200_0013
)

// Commands of messages (optee_msg.h).
const (
	cmdOpen = iota
	cmdInvoke
	cmdClose
	cmdCancel
	cmdRegister
	cmdUnregister
	cmdBottomHalf
	cmdStopAsync
	cmdLend
	cmdReclaim
	cmdConfig
	cmdAssign
)

// Attributes of parameters (optee_msg.h).
const (
	attrNone     = 0
	attrValueIn  = 1
	attrValueOut = 2
	attrValueIO  = 3
	attrMemIn    = 5 // RMEM over SMC, FMEM over FF-A
	attrMemOut   = 6
	attrMemIO    = 7
	attrTMemIn   = 9
	attrTMemOut  = 0xA
	attrTMemIO   = 0xB
	attrMeta     = 1 << 8
	attrList     = 1 << 9 // TMEM: buf_ptr is a list of pages
)

// rpcInterrupt is the return code by which a call lets the normal world take its interrupts.
const rpcInterrupt = 0xFFFF_0004

const (
	rpcRoom   = 32 + 4*32 // of the RPC argument behind a message
	maxParams = 127
)

// param is one parameter of a message.
type param struct {
	attr uint64
	u    [3]uint64
}

// message is an argument that the service is called with.
type message struct {
	verdict // on its result
	m       *model
	smc     bool // over the SMC ABI
	at      buffered
	off     uint64
	raw     []byte
	params  []param

	absent  bool           // the transport may refuse the command
	waits   bool           // it is suspended until it is resumed
	closing []extent       // that it gives back
	unclear bool           // it meets another call in its session
	private span           // the page of an argument that is not registered
	looked  []*transaction // shares that it names
	listed  []span         // pages of lists that it names
	uses    []any          // transactions and buffers that hold it, or that it names
	results []result       // of a message that is accepted
	short   []result       // with SHORT_BUFFER
	data    []datum        // written to memory by a message that is accepted
	done    func(reply []byte) string
}

// result is a word of a parameter's union that the service writes.
type result struct {
	param, word int
	value       uint64
}

type datum struct {
	at   buffered
	off  uint64
	data []byte
}

// suspended is a call that waits for the normal world.
type suspended struct {
	*message
	ticket uint32
}

// hold keeps the memory of a suspended call what it is, or no longer does so.
func (g *message) hold(d int) {
	for _, s := range g.listed {
		g.m.at(s.base).regs += d
	}
	if g.private.size != 0 {
		g.m.at(g.private.base).regs += d
	}
}

// suspend takes over a call that waits.
func (g *message) suspend(ticket uint32) string {
	m := g.m
	switch {
	case !g.waits || g.must != 0:
		return fmt.Sprintf("the call waits, although %q", g.why)
	case m.resumable(g.smc, ticket) != nil:
		return fmt.Sprintf("two calls are resumed with %#x", ticket)
	}
	for _, t := range g.looked {
		t.receiver(opteeID).retrieved = yes
	}
	g.hold(+1)
	m.suspended = append(m.suspended, &suspended{g, ticket})
	m.result, m.event = uint64(ticket), "suspend"
	return ""
}

// resume ends a suspended call.
func (x *suspended) resume() (accepted bool, wrong string) {
	m := x.m
	m.suspended = slices.DeleteFunc(m.suspended, func(o *suspended) bool { return o == x })
	x.hold(-1)
	x.waits = false
	accepted, wrong = x.finish()
	m.event = "resume a call"
	return accepted, wrong
}

// resumable gives the suspended call that a ticket is for.
func (m *model) resumable(smc bool, ticket uint32) *suspended {
	for _, x := range m.suspended {
		if x.smc == smc && x.ticket == ticket {
			return x
		}
	}
	return nil
}

// inUse reports whether a suspended call needs a transaction or buffer.
func (m *model) inUse(what any) bool {
	for _, x := range m.suspended {
		if slices.Contains(x.uses, what) {
			return true
		}
	}
	return false
}

// crowded notes that no more calls can be under way.
func (m *model) crowded(v *verdict) bool {
	full := len(m.suspended) >= int(m.cfg.OPTEE.Threads)
	v.unless(!full, anyResult, "too many calls wait")
	return full
}

func (g *message) cmd() uint32     { return le.Uint32(g.raw) }
func (g *message) session() uint32 { return le.Uint32(g.raw[8:]) }

// message reads the argument at offset off of b, which must end before end. The transport refuses it without an answer in the
// argument where the verdict says so. holder is the transaction or the registered buffer that b is, or nil.
func (m *model) message(smc bool, b buffered, off, end uint64, private span, withRPC bool, holder any) (*message, verdict) {
	var v verdict
	g := &message{m: m, smc: smc, at: b, off: off, private: private, uses: []any{holder}}
	if off%8 != 0 {
		v.perhaps(anyResult, "misaligned argument")
	}
	if off > end || end-off < 32 {
		v.broken(anyResult, "the argument is beyond the end")
		return g, v
	}
	g.raw = m.read(b, off, 32)
	n := uint64(le.Uint32(g.raw[28:]))
	if n > maxParams || 32+32*n > end-off {
		v.broken(anyResult, "too many parameters")
		return g, v
	}
	if withRPC && 32+32*n+rpcRoom > end-off {
		v.perhaps(anyResult, "no room for an RPC argument")
	}
	g.raw = m.read(b, off, 32+32*n)
	b.each(off, 32+32*n, m.touch)
	for p := g.raw[32:]; len(p) > 0; p = p[32:] {
		g.params = append(g.params, param{le.Uint64(p), [3]uint64{le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])}})
	}
	has := g.rules()
	if !has || g.absent {
		v.perhaps(anyResult, "a command that this ABI need not have")
	}
	if !has {
		g.broken(anyResult, "a command that this ABI does not have")
	}
	return g, v
}

// pools reports whether clients may lend protected memory through the ABI. A static pool takes their place over SMC.
func (m *model) pools(smc bool) bool {
	return m.cfg.OPTEE.DynamicPools && !(smc && len(m.carveouts()) > 0)
}

// rules notes what is wrong with the message and what it does. It reports false for a command that this ABI does not have.
func (g *message) rules() bool {
	m := g.m
	if c := g.cmd(); c == cmdInvoke || c == cmdClose {
		for _, x := range m.suspended {
			g.unclear = g.unclear || x.session() == g.session()
		}
	}
	switch g.cmd() {
	case cmdOpen:
		g.open()
	case cmdInvoke:
		g.invoke()
	case cmdClose:
		i := m.session(g.session())
		g.unless(len(g.params) == 0, badParameters, "CLOSE_SESSION with parameters")
		g.unless(i >= 0, anyResult, "unknown session")
		g.done = func([]byte) string { m.sessions = slices.Delete(m.sessions, i, i+1); return "" }
	case cmdCancel:
		g.perhaps(anyResult, "nothing to cancel")
	case cmdBottomHalf, cmdStopAsync:
		g.perhaps(anyResult, "the result is not looked at")
		g.absent = true
	case cmdRegister:
		if !g.smc || m.cfg.OPTEE.NoDynamicSHM {
			return false
		}
		g.register()
	case cmdUnregister:
		if !g.smc || m.cfg.OPTEE.NoDynamicSHM {
			return false
		}
		g.forget(false)
	case cmdLend:
		if !g.smc || !m.pools(true) {
			return false
		}
		g.lend()
	case cmdReclaim:
		if !g.smc || !m.pools(true) {
			return false
		}
		g.forget(true)
	case cmdConfig:
		if !m.pools(g.smc) {
			return false
		}
		g.config()
	case cmdAssign:
		if g.smc || !m.pools(false) {
			return false
		}
		g.assign()
	default:
		return false
	}
	return true
}

func (m *model) session(number uint32) int {
	return slices.IndexFunc(m.sessions, func(s session) bool { return s.number == number })
}

func (g *message) open() {
	m := g.m
	if len(g.params) < 2 || g.params[0].attr != attrMeta|attrValueIn || g.params[1].attr != attrMeta|attrValueIn {
		g.broken(badParameters, "the parameters of OPEN_SESSION")
		return
	}
	var uuid [16]byte
	le.PutUint64(uuid[:], g.params[0].u[0])
	le.PutUint64(uuid[8:], g.params[0].u[1])
	is := uuid == [16]byte(copierUUID)
	g.unless(is || uuid == devicesUUID, itemNotFound, "unknown application")
	switch login := uint32(g.params[1].u[2]); login {
	case 0, 1, 2, 4, 5, 6, 0x8000_0000:
	default:
		g.perhaps(anyResult, "unknown login")
	}
	g.unless(len(g.params) <= 6, badParameters, "too many parameters")
	for _, p := range g.params[2:] {
		if r := g.resolve(p); !is {
			g.guarded(r)
		}
	}
	g.unless(len(m.sessions) < m.cfg.Limits.Sessions, outOfMemory|teeBusy, "too many sessions")
	g.done = func(reply []byte) string {
		n := le.Uint32(reply[8:])
		if m.session(n) >= 0 {
			return fmt.Sprintf("session %d is open already", n)
		}
		m.sessions = append(m.sessions, session{n, is})
		m.result, m.event = uint64(n), "open"
		return ""
	}
}

// devicesUUID is the device enumeration pseudo-TA, 7011a688-ddde-4053-a5a9-7b3c4ddf13b8 (pta_device.h).
var devicesUUID = [16]byte{0x70, 0x11, 0xA6, 0x88, 0xDD, 0xDE, 0x40, 0x53, 0xA5, 0xA9, 0x7B, 0x3C, 0x4D, 0xDF, 0x13, 0xB8}

func (g *message) invoke() {
	if len(g.params) > 4 {
		g.broken(badParameters, "too many parameters")
		return
	}
	refs := make([]ref, 4)
	for i, p := range g.params {
		refs[i] = g.resolve(p)
	}
	i := g.m.session(g.session())
	if i < 0 {
		g.broken(anyResult, "unknown session")
		return
	}
	if g.must != 0 {
		return
	}
	if g.m.sessions[i].copier && le.Uint32(g.raw[4:]) == copierPause {
		g.waits = true
		return
	}
	if g.sized(refs...) {
		return
	}
	if !g.m.sessions[i].copier {
		for _, r := range refs {
			g.guarded(r)
		}
		g.devices(refs)
		return
	}
	switch cmd := le.Uint32(g.raw[4:]); cmd {
	case copierCopy:
		g.copy(refs)
	case copierFill:
		g.fill(refs)
	case copierSwap:
		if len(g.params) < 1 || g.params[0].attr&0xFF != attrValueIO {
			g.broken(badParameters, "types")
			return
		}
		u := g.params[0].u
		g.results = []result{{0, 0, uint64(uint32(u[1]))}, {0, 1, uint64(uint32(u[0]))}}
	default:
		g.broken(unsupported, "unknown command of the copier")
	}
}

func (g *message) copy(r []ref) {
	in, out := r[0], r[1]
	switch {
	case !in.mem || !out.mem:
		g.broken(badParameters, "types")
	case in.size > copierLimit:
		g.broken(excessData, "too much")
	case in.protected && !out.protected:
		g.broken(security, "a copy of protected memory")
	case out.size < in.size:
		g.broken(shortBuffer, "no room")
		g.short = []result{{1, 1, in.size}}
	case in.size > 0 && (!in.input || !out.output):
		g.broken(badParameters, "direction")
	default:
		g.data = append(g.data, datum{out.at, out.off, g.m.read(in.at, in.off, in.size)})
		g.results = []result{{1, 1, in.size}}
		g.m.event = "copy"
		if in.protected {
			g.m.event = "copy between protected memory"
		} else if out.protected {
			g.m.event = "copy to protected memory"
		}
	}
}

func (g *message) fill(r []ref) {
	out := r[0]
	switch {
	case !out.mem || len(g.params) < 2 || g.params[1].attr&0xFF != attrValueIn:
		g.broken(badParameters, "types")
	case out.size > copierLimit:
		g.broken(excessData, "too much")
	case out.size > 0 && !out.output:
		g.broken(badParameters, "direction")
	default:
		b := make([]byte, out.size)
		for i := range b {
			b[i] = byte(g.params[1].u[0])
		}
		g.data = append(g.data, datum{out.at, out.off, b})
		g.results = []result{{0, 1, out.size}}
		g.m.event = "fill"
		if out.protected {
			g.m.event = "fill protected memory"
		}
	}
}

// devices is the device enumeration: the copier is the only device.
func (g *message) devices(r []ref) {
	var list []byte
	switch le.Uint32(g.raw[4:]) {
	case 0:
		list = copierUUID[:]
	case 1, 2:
	default:
		g.broken(anyResult, "unknown command")
		return
	}
	out, need := r[0], uint64(len(list))
	for _, p := range g.params[min(1, len(g.params)):] {
		if p.attr&0xFF != attrNone {
			g.perhaps(anyResult, "more parameters than the enumeration has")
		}
	}
	switch {
	case !out.mem || !out.output:
		g.broken(anyResult, "the enumeration needs an output")
	case out.size < need:
		g.broken(shortBuffer, "no room")
		g.short = []result{{0, 1, need}}
	default:
		if out.input {
			g.perhaps(anyResult, "not only an output")
		}
		if need > 0 {
			g.data = append(g.data, datum{out.at, out.off, list})
		}
		g.results = []result{{0, 1, need}}
	}
	if out.input && g.must == shortBuffer {
		g.perhaps(anyResult, "not only an output")
	}
}

// ref is a parameter after its memory has been found.
type ref struct {
	mem           bool // any memory reference
	null          bool
	input, output bool
	at            buffered
	off, size     uint64
	protected     bool
}

// resolve finds the memory of a parameter and notes what is wrong with it.
func (g *message) resolve(p param) ref {
	r := ref{input: p.attr&1 != 0, output: p.attr&2 != 0, size: p.u[1]}
	if p.attr&attrMeta != 0 {
		g.broken(anyResult, "a meta parameter of a user")
	}
	if p.attr&^(0xFF|attrMeta) != 0 && p.attr&^0xFF != attrList {
		g.perhaps(anyResult, "odd attributes")
	}
	switch t := p.attr & 0xFF; {
	case t == attrNone || t >= attrValueIn && t <= attrValueIO:
		if p.attr&attrList != 0 {
			g.perhaps(anyResult, "a list that is no memory")
		}
		return r
	case t >= attrMemIn && t <= attrMemIO && g.smc:
		g.resolveCookie(p, &r)
	case t >= attrMemIn && t <= attrMemIO:
		g.resolveHandle(p, &r)
	case t >= attrTMemIn && t <= attrTMemIO && g.smc:
		g.resolveAddress(p, &r)
	default:
		g.broken(anyResult, "unknown type of parameter")
		return r
	}
	r.mem = true
	if g.must != 0 {
		return r
	}
	if !r.null {
		r.protected = r.at.protected
		r.at.each(r.off, min(r.size, 16*pageSize), g.m.touch)
	}
	return r
}

// guarded notes that protected memory need not be taken by what has no business with it: services and applications that are not
// part of a secure data path.
func (g *message) guarded(r ref) {
	if r.mem && !r.null && r.protected {
		g.perhaps(anyResult, "protected memory for ordinary data")
	}
}

// sized reports whether a NULL reference has a size. Whether an application is told that size differs between implementations, so
// the result may be anything that touches no memory.
func (g *message) sized(refs ...ref) bool {
	for _, r := range refs {
		if r.null && r.size != 0 {
			g.perhaps(anyResult, "a NULL reference with a size")
			return true
		}
	}
	return false
}

// within places the reference in a buffer that begins at start.
func (g *message) within(r *ref, b buffered, start, off uint64) {
	r.at, r.off = b, start+off
	if start > b.size || off > b.size-start || r.size > b.size-start-off {
		g.broken(anyResult, "a reference beyond the memory")
	}
}

func (g *message) resolveHandle(p param, r *ref) {
	off, internal, handle := p.u[0]&(1<<48-1), p.u[0]>>48, p.u[2]
	if p.attr&attrList != 0 {
		g.perhaps(anyResult, "a list over FF-A")
	}
	if handle == ^uint64(0) {
		r.null = true
		return
	}
	g.unless(internal < pageSize, anyResult, "offset in the first page")
	t := g.m.live(handle)
	if t == nil || !t.ready() || t.receiver(opteeID) == nil {
		g.broken(anyResult, "unknown handle")
		return
	}
	x := t.receiver(opteeID)
	g.uses = append(g.uses, t)
	if t.kind == share {
		g.looked = append(g.looked, t)
	} else {
		g.unless(x.retrieved == yes, anyResult, "a pool that is not assigned")
		if internal != 0 {
			g.perhaps(anyResult, "a pool that begins within a page")
		}
	}
	g.within(r, memoryOf(t.ranges, t.kind != share), internal, off)
}

func (m *model) buffer(cookie uint64) *buffer {
	for _, b := range m.buffers {
		if b.cookie == cookie {
			return b
		}
	}
	return nil
}

func (g *message) resolveCookie(p param, r *ref) {
	b := g.m.buffer(p.u[2])
	if p.attr&attrList != 0 {
		g.perhaps(anyResult, "a list of registered memory")
	}
	if b == nil {
		g.broken(anyResult, "unknown cookie")
		return
	}
	g.uses = append(g.uses, b)
	g.unless(p.u[0] <= b.size && r.size <= b.size-min(p.u[0], b.size), anyResult, "a reference beyond the buffer")
	g.within(r, memoryOf(b.ranges, b.protected), b.start, p.u[0])
}

func (g *message) resolveAddress(p param, r *ref) {
	m := g.m
	pa := p.u[0]
	switch {
	case pa == 0:
		r.null = true
		if p.attr&attrList != 0 {
			g.perhaps(anyResult, "a list nowhere")
		}
		return
	case p.attr&attrList != 0:
		var v verdict
		v.unless(!m.cfg.OPTEE.NoDynamicSHM, anyResult, "no dynamic shared memory")
		pages, start := m.list(&v, pa, r.size)
		g.listed = append(g.listed, pages...)
		m.accountFor(&v, g.listed, anyResult)
		g.join(v)
		if v.must == 0 {
			g.within(r, memoryOf(pages, false), start, 0)
		}
		return
	}
	s := span{pa, r.size}
	if shm := m.reserved(); shm.size != 0 && contains(shm, s) {
		g.within(r, memoryOf([]span{shm}, false), 0, pa-shm.base)
		return
	}
	for _, c := range m.carveouts() {
		if contains(c.span, s) {
			g.within(r, memoryOf([]span{c.span}, true), 0, pa-c.base)
			return
		}
	}
	for _, b := range m.buffers {
		if b.protected && contains(b.ranges[0], s) {
			g.uses = append(g.uses, b)
			g.perhaps(anyResult, "the address of a dynamic pool")
			g.within(r, memoryOf(b.ranges, true), 0, pa-b.ranges[0].base)
			return
		}
	}
	g.broken(anyResult, "the address of unregistered memory")
}

func contains(a, b span) bool {
	return b.base >= a.base && b.base-a.base <= a.size && b.size <= a.size-(b.base-a.base)
}

// list reads a list of pages (optee_msg.h, OPTEE_MSG_ATTR_NONCONTIG): blocks of 511 addresses and the address of the next
// block. The pages are to be registered.
func (m *model) list(v *verdict, ptr, size uint64) (pages []span, start uint64) {
	start = ptr % pageSize
	if size == 0 || size > m.size {
		v.broken(anyResult, "size of the buffer")
		return nil, start
	}
	at := ptr - start
	for n := (start + size + pageSize - 1) / pageSize; n > 0; {
		k := min(n, 511)
		need := 8 * k
		if n > 511 {
			need = pageSize
		}
		block := span{at, need}
		if !m.open(block) {
			v.broken(anyResult, "a list out of reach")
			return nil, start
		}
		b := m.bytes(block)
		for i := range k {
			s := span{le.Uint64(b[8*i:]), pageSize}
			if s.base%pageSize != 0 {
				v.broken(anyResult, "a misaligned page")
				return nil, start
			}
			pages = append(pages, s)
			m.touch(s)
		}
		if n -= k; n > 0 {
			if at = le.Uint64(b[8*511:]); at%pageSize != 0 {
				v.broken(anyResult, "a misaligned block")
				return nil, start
			}
		}
	}
	seen := map[uint64]bool{}
	for _, s := range pages {
		switch {
		case !m.inRAM(s) || m.at(s.base).protected():
			v.broken(anyResult, "a page is not the normal world's")
		case m.at(s.base).shares > 0:
			v.perhaps(anyResult, "a page is shared over FF-A")
		case seen[s.base]:
			v.perhaps(anyResult, "a page stands twice")
		}
		seen[s.base] = true
	}
	return pages, start
}

// cookie notes whether memory can be kept under a cookie.
func (g *message) cookie(cookie uint64) {
	g.unless(g.m.buffer(cookie) == nil, anyResult, "the cookie is in use")
	if cookie == 0 {
		g.perhaps(anyResult, "the cookie of NULL references")
	}
	g.unless(len(g.m.buffers) < g.m.cfg.Limits.Buffers, outOfMemory, "too many buffers")
}

func (g *message) register() {
	m := g.m
	if len(g.params) != 1 || g.params[0].attr != attrTMemOut|attrList {
		g.broken(anyResult, "parameters of REGISTER_SHM")
		return
	}
	u := g.params[0].u
	g.cookie(u[2])
	pages, start := m.list(&g.verdict, u[0], u[1])
	m.accountFor(&g.verdict, pages, outOfMemory)
	g.done = func([]byte) string {
		m.buffers = append(m.buffers, &buffer{cookie: u[2], ranges: pages, start: start, size: u[1]})
		for _, s := range pages {
			m.at(s.base).regs++
		}
		m.event = "register"
		return ""
	}
}

func (g *message) lend() {
	m := g.m
	if len(g.params) != 2 || g.params[0].attr != attrValueIn || g.params[1].attr != attrTMemIn {
		g.broken(anyResult, "parameters of LEND_PROTMEM")
		return
	}
	use, ok := m.useCase(g.params[0].u[0])
	u := g.params[1].u
	s := span{u[0], u[1]}
	m.touch(s)
	g.cookie(u[2])
	g.unless(ok, badParameters, "unknown use case")
	switch {
	case s.size == 0 || s.base%pageSize != 0 || s.size%pageSize != 0:
		g.broken(badParameters, "not whole pages")
	case !m.plain(s):
		g.broken(badParameters, "not memory that the normal world owns alone")
	}
	if !ok || g.must&^outOfMemory != 0 {
		return
	}
	g.unless(s.base%use.align == 0 && s.size%use.align == 0, badParameters, "alignment of the pool")
	g.unless(use.paBits >= 64 || (s.end()-1)>>use.paBits == 0, badParameters, "beyond the masters' addresses")
	if g.private.size != 0 && s.base <= g.private.base && g.private.base < s.end() {
		g.broken(badParameters, "the pool holds its own message")
	}
	m.accountFor(&g.verdict, []span{s}, outOfMemory)
	extents := extentsOf([]span{s}, use.who)
	m.roomFor(&g.verdict, extents, outOfMemory)
	g.done = func([]byte) string {
		m.buffers = append(m.buffers, &buffer{cookie: u[2], ranges: []span{s}, size: s.size, protected: true, extents: extents})
		m.protect(extents)
		m.event = "lend over SMC"
		return ""
	}
	if g.must == outOfMemory {
		m.event = "lend over SMC refused: " + g.why[len(g.why)-1]
	}
}

// forget is UNREGISTER_SHM and RECLAIM_PROTMEM.
func (g *message) forget(protected bool) {
	m := g.m
	if len(g.params) != 1 || g.params[0].attr != attrMemIn {
		g.broken(anyResult, "parameters of UNREGISTER_SHM or RECLAIM_PROTMEM")
		return
	}
	b := m.buffer(g.params[0].u[2])
	if b == nil || b.protected != protected {
		g.broken(badParameters, "unknown cookie")
		return
	}
	for _, s := range b.ranges {
		m.touch(s)
	}
	if slices.Contains(g.uses, any(b)) {
		g.perhaps(anyResult, "the buffer holds its own message")
	}
	g.unless(!m.inUse(b), anyResult, "a call under way uses the memory")
	g.closing = b.extents
	g.done = func([]byte) string {
		m.buffers = slices.DeleteFunc(m.buffers, func(o *buffer) bool { return o == b })
		m.event = "unregister"
		if protected {
			m.giveBack(b.extents)
			m.event = "reclaim over SMC"
			return ""
		}
		for _, s := range b.ranges {
			m.at(s.base).regs--
		}
		return ""
	}
}

// endpoints is the list of those that a pool must be lent to over FF-A: the configured ones, or OP-TEE with read and write
// permission.
func (m *model) endpoints(use uint64) (b []byte) {
	for _, u := range m.cfg.OPTEE.UseCases {
		for _, e := range u.Endpoints {
			if uint64(u.ID) == use {
				b = le.AppendUint32(b, uint32(e.Endpoint)|uint32(e.Permissions)<<16)
			}
		}
	}
	if b == nil {
		b = le.AppendUint32(b, opteeID|2<<16)
	}
	return b
}

// config is GET_PROTMEM_CONFIG: over FF-A it has a list of receivers; over SMC that is empty.
func (g *message) config() {
	m := g.m
	if len(g.params) != 2 || g.params[0].attr&0xFF != attrValueIO {
		g.broken(anyResult, "parameters of GET_PROTMEM_CONFIG")
		return
	}
	if g.params[0].attr != attrValueIO {
		g.perhaps(anyResult, "odd attributes")
	}
	use, ok := m.useCase(g.params[0].u[0])
	g.unless(ok, anyResult, "unknown use case")
	out := g.resolve(g.params[1])
	if !out.mem || !out.output || out.input {
		g.broken(anyResult, "parameters of GET_PROTMEM_CONFIG")
		return
	}
	results := []result{{0, 0, use.minimum}, {0, 2, use.paBits}, {1, 1, 0}}
	if g.smc {
		g.guarded(out)
		if !out.null {
			g.perhaps(anyResult|shortBuffer, "a list that is not asked for")
		}
		g.results = results
		return
	}
	list := m.endpoints(g.params[0].u[0])
	results[2].value = uint64(len(list))
	g.guarded(out)
	if g.must != 0 || g.sized(out) {
		return
	}
	switch {
	case out.size < uint64(len(list)):
		g.broken(shortBuffer, "no room")
		g.short = results
	default:
		g.data = append(g.data, datum{out.at, out.off, list})
		g.results = results
		m.event = "list of receivers"
	}
}

func (g *message) assign() {
	m := g.m
	if len(g.params) != 1 || g.params[0].attr != attrValueIn {
		g.broken(anyResult, "parameters of ASSIGN_PROTMEM")
		return
	}
	u := g.params[0].u
	t := m.live(u[0])
	if t == nil || !t.ready() || t.kind == share || t.receiver(opteeID) == nil {
		g.broken(anyResult, "unknown handle")
		return
	}
	r := t.receiver(opteeID)
	g.unless(t.tag == u[1], badParameters, "another use case than lent for")
	g.unless(r.retrieved != yes, teeBusy, "assigned already")
	for _, s := range t.ranges {
		m.touch(s)
	}
	g.done = func([]byte) string {
		r.retrieved = yes
		m.event = "assign"
		return ""
	}
}

// finish compares the argument after the call with what the model expects and takes over what it says.
func (g *message) finish() (accepted bool, wrong string) {
	m := g.m
	n := uint64(len(g.raw))
	now := make([]byte, 0, n)
	g.at.each(g.off, n, func(s span) {
		b := make([]byte, s.size)
		m.look(s.base, b)
		now = append(now, b...)
	})
	ret := le.Uint32(now[20:])
	if g.waits && ret == 0 {
		return true, "the call does not wait"
	}
	results, done := g.results, g.done
	switch code := resultCode(ret); {
	case ret == 0:
		wrong = g.accepted()
	default:
		wrong = g.refused(code)
		results, done = nil, nil
		if g.short != nil && code == 0x10 {
			results = g.short
		}
	}
	if wrong != "" {
		return ret == 0, fmt.Sprintf("result %#x: %s", ret, wrong)
	}
	over := false
	if ret != 0 {
		g.perhapsLooked()
	} else {
		for _, t := range g.looked {
			t.receiver(opteeID).retrieved = yes
		}
		for _, d := range g.data {
			m.write(d.at, d.off, d.data)
			d.at.each(d.off, uint64(len(d.data)), func(s span) {
				g.at.each(g.off, n, func(o span) { over = over || s.base < o.end() && o.base < s.end() })
			})
		}
	}
	if !over {
		wrong = g.differs(now, results)
	}
	m.write(g.at, g.off, now)
	if wrong == "" && done != nil {
		wrong = done(now)
	}
	return ret == 0, wrong
}

// perhapsLooked notes that a message which is refused may have made the service look up, and so retrieve, the shares that it names.
func (g *message) perhapsLooked() {
	for _, p := range g.params {
		if t := g.m.live(p.u[2]); !g.smc && t != nil && !t.pending && t.kind == share {
			if x := t.receiver(opteeID); x != nil && x.retrieved == no {
				x.retrieved = unknown
			}
		}
	}
}

// differs compares the argument byte by byte with what the client wrote, except for what the service may write: the result and
// its origin, the session of OPEN_SESSION, the union of value outputs, the size of memory outputs.
func (g *message) differs(now []byte, results []result) string {
	want, before := slices.Clone(g.raw), g.m.read(g.at, g.off, uint64(len(g.raw)))
	copy(want[20:28], now[20:28])
	if g.cmd() == cmdOpen {
		copy(want[8:12], now[8:12])
	}
	for i, p := range g.params {
		at := 32 + 32*i
		switch t := p.attr & 0xFF; {
		case p.attr&2 == 0:
		case t <= attrValueIO:
			copy(want[at+8:at+32], now[at+8:at+32])
		case t <= attrTMemIO:
			copy(want[at+16:at+24], now[at+16:at+24])
		}
	}
	for _, r := range results {
		// An input keeps what the client wrote, whatever the result is.
		if g.params[r.param].attr&2 != 0 {
			le.PutUint64(want[32+32*r.param+8+8*r.word:], r.value)
		}
	}
	for i := range want {
		if want[i] != now[i] && now[i] != before[i] {
			return fmt.Sprintf("byte %d of the argument is %#x, want %#x", i, now[i], want[i])
		}
	}
	if o := le.Uint32(now[24:]); o < 1 || o > 4 {
		return fmt.Sprintf("the result comes from %d", o)
	}
	return ""
}

// service predicts the answer to a direct request to OP-TEE.
func (c *call) service(a *answer) {
	m := c.m
	if c.f&wide != 0 {
		a.perhaps(anyError, "a request of 64 bits")
	}
	h := uint64(c.w(4)) | uint64(c.w(5))<<32
	exact := func(words ...uint64) {
		copy(a.reply[3:], words)
		a.free = 0
	}
	var rest func(out *regs) string
	switch c.w(3) {
	case serviceVersion:
		exact(1, 0)
	case serviceOS:
		exact(uint64(m.cfg.OPTEE.Major), uint64(m.cfg.OPTEE.Minor), uint64(m.cfg.OPTEE.Build))
	case serviceCaps:
		rest = func(out *regs) string {
			if out[3] != 0 || out[4] == 0 || out[5]&1 == 0 || out[5]>>3&1 != 0 != m.pools(false) {
				return "capabilities"
			}
			return ""
		}
	case serviceUnregister, serviceRelease:
		rest = c.relinquish(h, c.w(3) == serviceRelease)
	case serviceWithArg:
		rest = c.withHandle(a, h)
	case serviceResume:
		rest = c.resumeFFA()
	case serviceAsync:
	default:
		rest = func(out *regs) string {
			if out[3] == 0 {
				return "a service that does not exist succeeds"
			}
			return ""
		}
	}
	a.done = func(out *regs) string {
		for i := 3; i < 8; i++ {
			if out[i]>>32 != 0 {
				return fmt.Sprintf("x%d = %#x of a service", i, out[i])
			}
		}
		if rest != nil {
			return rest(out)
		}
		return ""
	}
}

// relinquish is UNREGISTER_SHM and RELEASE_PROTMEM: unknown handles are no error, memory of the other kind is.
func (c *call) relinquish(h uint64, protected bool) func(*regs) string {
	m := c.m
	t := m.live(h)
	if t != nil {
		for _, s := range t.ranges {
			m.touch(s)
		}
	}
	return func(out *regs) string {
		var x *receiver
		if t != nil && t.ready() {
			x = t.receiver(opteeID)
		}
		switch {
		case t == nil && out[3] != 0:
			return "an unknown handle is an error"
		case x == nil:
		case (t.kind == share) == protected:
			if out[3] == 0 {
				return "memory of another kind is released"
			}
		case m.inUse(t):
			if out[3] == 0 {
				return "memory in use is released"
			}
		case out[3] != 0:
			return "memory is not released"
		default:
			if x.retrieved == yes {
				m.event = "relinquish to OP-TEE"
			}
			x.retrieved = no
			if protected {
				m.scrubbed(t.ranges)
			}
		}
		return ""
	}
}

// scrubbed takes over what a pool holds after its release: it may be cleared now or when it is reclaimed.
func (m *model) scrubbed(ranges []span) {
	var now [pageSize]byte
	for _, s := range ranges {
		for a := s.base; a < s.end(); a += pageSize {
			m.look(a, now[:])
			if now == ([pageSize]byte{}) {
				clear(m.bytes(span{a, pageSize}))
			}
		}
	}
}

// withHandle is YIELDING_CALL_WITH_ARG.
func (c *call) withHandle(a *answer, h uint64) func(*regs) string {
	m := c.m
	v := verdict{}
	var g *message
	t := m.live(h)
	full := m.crowded(&v)
	if t == nil || !t.ready() || t.kind != share || t.receiver(opteeID) == nil {
		v.broken(anyResult, "not memory that is shared with OP-TEE")
	} else {
		b := memoryOf(t.ranges, false)
		var more verdict
		g, more = m.message(false, b, uint64(c.w(6)), b.size, span{}, true, t)
		a.skip = g.unclear
		v.join(more)
		if c.w(7) != 0 {
			v.perhaps(anyResult, "w7 is not zero")
		}
	}
	return func(out *regs) string {
		if out[3] != 0 {
			if t != nil && t.receiver(opteeID) != nil && t.receiver(opteeID).retrieved == no {
				t.receiver(opteeID).retrieved = unknown
			}
			if g != nil {
				g.perhapsLooked()
			}
			m.event = ""
			if out[3] == 0xFFFF_000D != full {
				return "BUSY is for when too many calls are under way"
			}
			return v.refused(resultCode(uint32(out[3])))
		}
		switch {
		case v.must != 0:
			return v.accepted()
		case out[4] == 2:
			t.receiver(opteeID).retrieved = yes
			return g.suspend(uint32(out[7]))
		case out[4] != 0:
			return "the call asks for something"
		}
		t.receiver(opteeID).retrieved = yes
		_, wrong := g.finish()
		return wrong
	}
}

// resumeFFA is YIELDING_CALL_RESUME.
func (c *call) resumeFFA() func(*regs) string {
	x := c.m.resumable(false, c.w(7))
	return func(out *regs) string {
		switch {
		case x == nil && out[3] == 0:
			return "a call that does not wait is resumed"
		case x == nil:
			return ""
		case out[3] != 0 || out[4] != 0:
			return "the call does not end"
		}
		_, wrong := x.resume()
		return wrong
	}
}

// other predicts calls outside FF-A's range.
func (c *call) other() *answer {
	m := c.m
	owner := c.f >> 24 & 0x3F
	switch {
	case owner >= 50:
		if m.cfg.ABI&secureworld.ABISMC == 0 {
			return &answer{keep: 4, check: func(out *regs) (bool, string) {
				if out[0] != ^uint64(0) {
					return true, fmt.Sprintf("x0 = %#x, but there is no OP-TEE here", out[0])
				}
				return false, ""
			}}
		}
		if c.f>>31 != 0 {
			return c.fast()
		}
		return c.yielding()
	case c.f&^wide == 0x8400_0003: // PSCI_CPU_ON
		return &answer{keep: 4, check: func(out *regs) (bool, string) {
			if entry := c.arg(2); int32(out[0]) == 0 && !m.open(span{entry, 4}) {
				return true, "a processor starts in memory that the normal world does not have"
			}
			return true, ""
		}}
	}
	// SMCCC 1.1: x4 to x17 are preserved by calls that do not define them as results.
	return unmodelled(4)
}

// fast predicts OP-TEE's fast calls.
func (c *call) fast() *answer {
	m := c.m
	exact := func(words ...uint64) *answer {
		return &answer{keep: 4, check: func(out *regs) (bool, string) {
			if !slices.Equal(out[:len(words)], words) {
				return true, fmt.Sprintf("%x, want %x", out[:4], words)
			}
			return true, ""
		}}
	}
	switch c.f {
	case smcUID:
		return exact(0x384F_B3E0, 0xE7F8_11E3, 0xAF63_0002, 0xA5D5_C51B)
	case smcOSUUID:
		return exact(0x4861_78E0, 0xE7F8_11E3, 0xBC5E_0002, 0xA5D5_C51B)
	case smcRevision:
		return exact(2, 0)
	case smcOSRevision:
		return exact(uint64(m.cfg.OPTEE.Major), uint64(m.cfg.OPTEE.Minor), uint64(m.cfg.OPTEE.Build))
	case smcNoCache, smcCache:
		if len(m.suspended) > 0 {
			return exact(2)
		}
		if c.f == smcCache {
			return exact(0)
		}
		return exact(7)
	case smcSHM:
		if s := m.reserved(); s.size != 0 {
			return exact(0, s.base, s.size, 1)
		}
	case smcThreads:
		return exact(0, uint64(m.cfg.OPTEE.Threads))
	case smcProtmem:
		return &answer{keep: 4, check: func(out *regs) (bool, string) {
			pools := m.carveouts()
			// A client that names a use case gets no other's pool.
			if id := uint64(c.w(1)); slices.ContainsFunc(m.cfg.OPTEE.UseCases, func(u tee.UseCase) bool { return uint64(u.ID) == id }) {
				pools = m.carveouts(id)
			}
			for _, p := range pools {
				if out[0] == 0 && p.span == (span{out[1], out[2]}) && out[3] >= 32 && out[3] <= 64 {
					return true, ""
				}
			}
			if out[0] == 0 || len(pools) > 0 {
				return true, fmt.Sprintf("the static pool is %x", out[:4])
			}
			return false, ""
		}}
	case smcCaps:
		if c.w(1)&^1 != 0 {
			return exact(7)
		}
		return &answer{keep: 4, check: func(out *regs) (bool, string) {
			static, dynamic := out[1]>>8&1 != 0, out[1]>>9&1 != 0
			shm, registered := out[1]&1 != 0, out[1]>>2&1 != 0
			if out[0] != 0 || shm != (m.reserved().size != 0) || registered == m.cfg.OPTEE.NoDynamicSHM ||
				static != (len(m.carveouts()) > 0) || dynamic != m.pools(true) {
				return true, fmt.Sprintf("capabilities %x", out[:4])
			}
			return true, ""
		}}
	}
	return unmodelled(4)
}

// yielding predicts OP-TEE's yielding calls.
func (c *call) yielding() *answer {
	m := c.m
	var v verdict
	var g *message
	ref := uint64(c.w(1))<<32 | uint64(c.w(2))
	switch c.f {
	case smcWithArg, smcWithRPCArg:
		m.crowded(&v)
		s := span{ref, pageSize}
		shm := m.reserved()
		switch {
		case shm.size != 0 && contains(shm, span{ref, 32}):
			var more verdict
			g, more = m.message(true, memoryOf([]span{shm}, false), ref-shm.base, shm.size, span{}, c.f == smcWithRPCArg, nil)
			v.join(more)
		case m.cfg.OPTEE.NoDynamicSHM:
			v.broken(anyResult, "not in reserved shared memory")
		case ref%pageSize != 0 || !m.open(s):
			v.broken(anyResult, "the argument is not in a page of the normal world")
		default:
			if m.at(ref).shares > 0 {
				v.perhaps(anyResult, "the argument is in a page that is shared over FF-A")
			}
			var more verdict
			g, more = m.message(true, memoryOf([]span{s}, false), 0, pageSize, s, c.f == smcWithRPCArg, nil)
			v.join(more)
		}
	case smcWithRegd:
		m.crowded(&v)
		b, off := m.buffer(ref), uint64(c.w(3))
		if b == nil || b.protected || off > b.size {
			v.broken(anyResult, "unknown cookie or offset")
			break
		}
		var more verdict
		g, more = m.message(true, memoryOf(b.ranges, false), b.start+off, b.start+b.size, span{}, true, b)
		v.join(more)
	case smcFromRPC:
		if x := m.resumable(true, c.w(3)); x != nil {
			return &answer{keep: 4, check: func(out *regs) (bool, string) {
				if out[0] != 0 {
					return true, "the call does not end"
				}
				return x.resume()
			}}
		}
		v.broken(anyResult, "no such call is waiting")
	default:
		v.broken(anyResult, "no such call")
	}
	a := &answer{keep: 4}
	if g != nil {
		a.skip, a.closing = g.unclear, g.closing
	}
	a.check = func(out *regs) (bool, string) {
		if out[0] == rpcInterrupt && g != nil && v.must == 0 {
			return true, g.suspend(uint32(out[3]))
		}
		if out[0] != 0 {
			m.event = ""
			if out[0] > 9 && out[0] != ^uint64(0) {
				return false, fmt.Sprintf("return code %#x", out[0])
			}
			if v.must|v.may == 0 {
				return false, "refused, but no rule is broken"
			}
			return false, ""
		}
		if v.must != 0 {
			return true, v.accepted()
		}
		return g.finish()
	}
	return a
}
