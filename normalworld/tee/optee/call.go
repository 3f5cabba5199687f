package optee

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"strconv"

	"gatehouse/normalworld"
	"gatehouse/normalworld/tee"
	"gatehouse/platform/firmware"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// maxParams is how many parameters a message has room for: two of OPEN_SESSION, and the four of the client.
const maxParams = 6

// argPage is a page of messages (struct optee_shm_arg_entry).
type argPage struct {
	shm  *tee.SHM
	used uint64 // slots, one bit each
}

// slotSize is the room for a message with the RPC argument behind it.
func (d *Driver) slotSize() uint64 {
	n := optee.ArgSize(maxParams)
	if d.rpcParams != 0 {
		n += optee.ArgSize(d.rpcParams)
	}
	return n
}

// takeSlot finds room for a message.
func (d *Driver) takeSlot() (*argPage, uint64, error) {
	slots := uint64(1)
	if d.shared {
		slots = min(64, page/d.slotSize())
	}
	for _, p := range d.args {
		for i := range slots {
			if p.used>>i&1 == 0 {
				p.used |= 1 << i
				return p, i * d.slotSize(), nil
			}
		}
	}
	var shm *tee.SHM
	var err error
	if d.reserved {
		shm, err = d.ctx.AllocPrivate(page)
	} else {
		shm, err = d.ctx.AllocKernel(page)
	}
	if err != nil {
		return nil, 0, err
	}
	p := &argPage{shm: shm, used: 1}
	d.args = append(d.args, p)
	return p, 0, nil
}

func (d *Driver) putSlot(p *argPage, offset uint64) { p.used &^= 1 << (offset / d.slotSize()) }

// freeArgs gives the pages of messages back.
func (d *Driver) freeArgs() {
	for _, p := range d.args {
		p.shm.Put()
	}
	d.args = nil
}

// event is what an entry into the secure world ended with.
type event struct {
	kind   eventKind
	value  uint64 // size or cookie
	ticket uint64
	err    error
}

type eventKind uint8

const (
	evFailed eventKind = iota // err; errUnknown where the answer makes no sense
	evDone
	evBusy  // there is no thread
	evRPC   // a command in the RPC argument
	evAlloc // function ALLOC of the SMC ABI: value bytes
	evFree  // function FREE: value is a cookie
	evInterrupt
)

// callState is what a call waits for.
type callState uint8

const (
	runs callState = iota
	waitsThread
	waitsKey
	waitsTime
	waitsSupplicant
	ended
)

// call is one message on its way (struct optee_call_ctx, and the loop of do_call_with_arg).
type call struct {
	d       *Driver
	ctx     *tee.Context
	page    *argPage // where the message is; nil for one at pa
	offset  uint64
	pa      uint64
	arg     optee.Arg // as sent, then as answered
	params  [maxParams]optee.Param
	regs    [6]uint64 // what the back end prepared
	out     firmware.Registers
	ticket  uint64
	before  uint64 // the ticket before that, or 0
	resumed bool
	tries   int
	rpcs    int
	state   callState
	err     error
	nowait  bool // the client does not wait for a supplicant

	key       uint32 // waitsKey
	woken     bool
	deadline  uint64 // waitsKey, waitsTime; 0 for none
	rpcAt     *tee.SHM
	rpcOffset uint64 // of the RPC argument in rpcAt
	rpcShared bool   // the RPC argument stands behind the message
	rpc       optee.Arg
	request   *request  // waitsSupplicant
	lists     []pageRun // of page lists
}

// newCall makes a call with room for a message.
func (d *Driver) newCall(ctx *tee.Context, cmd optee.Command) (*call, error) {
	at, offset, err := d.takeSlot()
	if err != nil {
		return nil, err
	}
	c := d.blankCall(ctx, cmd)
	c.page, c.offset = at, offset
	return c, nil
}

// blankCall makes a call that has no room for its message.
func (d *Driver) blankCall(ctx *tee.Context, cmd optee.Command) *call {
	var c *call
	if n := len(d.calls); n > 0 {
		c = d.calls[n-1]
		d.calls = d.calls[:n-1]
		*c = call{}
	} else {
		c = new(call)
	}
	c.d, c.ctx = d, ctx
	c.arg = optee.Arg{Cmd: cmd, Ret: optee.ErrorCommunication, RetOrigin: optee.OriginComms, Params: c.params[:0]}
	return c
}

// done gives a call back whose answer is not needed any more.
func (c *call) done() {
	c.release()
	c.d.calls = append(c.d.calls, c)
}

// put writes the message. Its result says that nobody has answered.
func (c *call) put() error {
	d := c.d
	d.buf = c.arg.AppendTo(d.buf[:0])
	n := len(d.buf)
	if d.rpcParams != 0 {
		d.buf = append(d.buf, make([]byte, optee.ArgSize(d.rpcParams))...)
		c.rpcShared, c.rpcOffset = true, c.offset+uint64(n)
	}
	if c.page == nil {
		return d.k.Write(c.pa, d.buf)
	}
	c.rpcAt = c.page.shm
	return c.page.shm.Write(c.offset, d.buf)
}

// get reads the answer: once, because it stands in shared memory. What the message was keeps what was sent.
func (c *call) get() error {
	d := c.d
	n := int(c.arg.Size())
	d.buf = append(d.buf[:0], make([]byte, n)...)
	var err error
	if c.page == nil {
		err = d.k.Read(c.pa, d.buf)
	} else {
		err = c.page.shm.Read(c.offset, d.buf)
	}
	if err != nil {
		return err
	}
	b := d.buf
	c.arg.Session = binary.LittleEndian.Uint32(b[8:])
	c.arg.Ret = optee.Result(binary.LittleEndian.Uint32(b[20:]))
	c.arg.RetOrigin = optee.Origin(binary.LittleEndian.Uint32(b[24:]))
	for i := range c.arg.Params {
		p := b[optee.ArgHeaderSize+i*optee.ParamSize+8:]
		for k := range 3 {
			c.arg.Params[i].U[k] = binary.LittleEndian.Uint64(p[8*k:])
		}
	}
	return nil
}

// start makes the call ready to run.
func (c *call) start() error {
	if err := c.put(); err != nil {
		return err
	}
	c.d.stats.Calls++
	c.d.be.begin(c)
	return nil
}

// release gives the message's room back, and what the call leaves.
func (c *call) release() {
	d := c.d
	c.freeLists()
	if c.page != nil {
		// A thread that was lost may write to its message for ever: that room is not used again.
		if !errors.Is(c.err, errThreadLost) {
			d.putSlot(c.page, c.offset)
		}
		c.page = nil
	} else if c.pa != 0 {
		d.putPage(c.pa)
		c.pa = 0
	}
}

var (
	// errThreadLost is a call that the secure world was to go on with, and nobody knows whether it did.
	errThreadLost = errors.New("a thread of the secure world is lost")
	// errTicket is a return to the secure world that waits for none.
	errTicket = errors.New("no thread of the secure world waits for this")
	// errHung is a wait that nothing can end.
	errHung = errors.New("nothing can end the wait")
	// errRPCs is a call that asks for too much.
	errRPCs = errors.New("too many requests of the secure world")
)

// resumeTries is how often a return to the secure world is made that gets no answer. A ticket is good once, so that a second try
// of one that did arrive is refused.
const resumeTries = 3

// step goes on until the call has ended or waits. It reports whether it has ended.
func (c *call) step() bool {
	d := c.d
	for c.state != ended {
		switch c.state {
		case waitsThread:
			if !c.woken {
				return false
			}
			c.woken, c.state = false, runs
		case waitsKey:
			timeout := c.deadline != 0 && d.k.Now() >= c.deadline
			if !c.woken && !timeout {
				return false
			}
			res := optee.Success
			if !c.woken {
				d.notif.leave(c)
				res = optee.ErrorTimeout
			}
			c.woken = false
			c.answer(res)
			continue
		case waitsTime:
			if d.k.Now() < c.deadline {
				return false
			}
			c.answer(optee.Success)
			continue
		case waitsSupplicant:
			if !c.request.done {
				return false
			}
			c.supplied()
			continue
		}
		c.entered(d.be.enter(c))
	}
	return true
}

// entered deals with the end of an entry into the secure world.
func (c *call) entered(e event) {
	d := c.d
	if e.kind != evFailed && e.kind != evDone && e.kind != evBusy {
		if !c.resumed {
			c.resumed = true
			d.inside++
		}
		c.before, c.ticket, c.tries = c.ticket, e.ticket, 0
		if c.rpcs++; c.rpcs > d.cfg.MaxRPCs {
			c.end(errors.Join(errThreadLost, errRPCs))
			return
		}
		d.stats.RPCs++
	}
	switch e.kind {
	case evDone:
		if c.resumed && c.get() == nil && c.unanswered() {
			c.again(errUnknown)
			return
		}
		c.end(nil)
	case evBusy:
		if c.resumed {
			c.again(normalworld.EBUSY)
			return
		}
		if d.inside == 0 {
			// With no call under way none can end, and the wait would not either.
			c.end(normalworld.EBUSY)
			return
		}
		d.stats.Waits++
		c.state = waitsThread
		d.waiting = append(d.waiting, c)
	case evInterrupt:
		d.be.poll()
		d.be.resume(c, 0, 0)
	case evAlloc:
		pa, cookie := c.allocPrivate(e.value)
		d.be.resume(c, pa, cookie)
	case evFree:
		d.freeAlloc(e.value)
		d.be.resume(c, 0, 0)
	case evRPC:
		c.serve(e.value)
	case evFailed:
		switch {
		case !c.resumed:
		case !errors.Is(e.err, errTicket):
			c.again(e.err)
			return
		case c.before != 0 && c.before != c.ticket:
			// What asked for something last may not have been the secure world. A ticket that is used up is refused.
			c.ticket, c.before = c.before, 0
			d.be.resume(c, 0, 0)
			return
		}
		c.end(e.err)
	}
}

// again makes a return to the secure world once more that was not answered, or refused: its thread still waits for it, or the
// ticket is not good any more, which makes no difference.
func (c *call) again(err error) {
	if c.tries++; c.tries >= resumeTries {
		c.end(errors.Join(errThreadLost, err))
	}
}

// end ends the call, and lets one go on that waits for a thread.
func (c *call) end(err error) {
	c.state, c.err = ended, err
	if c.resumed {
		c.d.inside--
	}
	if len(c.d.waiting) > 0 {
		c.d.waiting[0].woken = true
		c.d.waiting = c.d.waiting[1:]
	}
}

// patience is how long nothing may happen in the machine, in nanoseconds, before a wait without a deadline is given up.
const patience = 3600e9

// wait steps a call until it has ended. Where nothing in the machine, and nobody, can end a wait, the call is given up.
func (d *Driver) wait(c *call) {
	for !c.step() {
		d.be.poll()
		if d.serveRequest() || c.ready() || d.cfg.Idle != nil && d.cfg.Idle() {
			continue
		}
		limit := uint64(patience)
		if c.deadline != 0 {
			limit = c.deadline - min(c.deadline, d.k.Now())
		}
		if !d.k.Sleep(limit) && c.deadline == 0 {
			c.hang()
		}
	}
}

// ready reports whether a step makes progress.
func (c *call) ready() bool {
	switch c.state {
	case waitsThread, waitsKey:
		return c.woken
	case waitsSupplicant:
		return c.request.done
	}
	return c.state != waitsTime
}

// hang ends a wait as a fatal signal to the client would.
func (c *call) hang() {
	d := c.d
	switch c.state {
	case waitsThread:
		for i, w := range d.waiting {
			if w == c {
				d.waiting = append(d.waiting[:i], d.waiting[i+1:]...)
				break
			}
		}
		c.state, c.err = ended, errors.Join(normalworld.EDEADLK, errHung)
	case waitsKey:
		d.notif.leave(c)
		c.answer(optee.ErrorCommunication)
	case waitsSupplicant:
		c.request.fail(d, optee.ErrorCommunication)
	}
}

// run runs a message of the driver's own and reads the answer. An error says that there is none; errUnknown that the message may
// have had its effect.
func (d *Driver) run(c *call) error {
	if err := c.start(); err != nil {
		return err
	}
	d.wait(c)
	return c.finish()
}

// finish reads the answer of a call that has ended.
func (c *call) finish() error {
	if c.err != nil {
		return c.err
	}
	if err := c.get(); err != nil {
		return errors.Join(errUnknown, err)
	}
	if c.unanswered() {
		return errUnknown
	}
	return nil
}

// unanswered reports whether the result is what the driver wrote there itself.
func (c *call) unanswered() bool {
	return c.arg.Ret == optee.ErrorCommunication && c.arg.RetOrigin == optee.OriginComms
}

// session is one that a context has open.
type session struct{ id uint32 }

// contextData is what the driver knows of a context.
type contextData struct {
	sessions []session
	supp     bool
}

func dataOf(ctx *tee.Context) *contextData { return ctx.Data.(*contextData) }

func (x *contextData) find(id uint32) int {
	for i := range x.sessions {
		if x.sessions[i].id == id {
			return i
		}
	}
	return -1
}

// Open is documented at tee.Driver. One process can be the supplicant at a time.
func (d *Driver) Open(ctx *tee.Context) error {
	x := &contextData{}
	ctx.Data = x
	if d.supp != nil && ctx.Device() == d.supp {
		if d.suppl.ctx != nil {
			return normalworld.EBUSY
		}
		x.supp = true
		d.suppl.ctx = ctx
	}
	return nil
}

// Release is documented at tee.Driver.
func (d *Driver) Release(ctx *tee.Context) {
	x := dataOf(ctx)
	for len(x.sessions) > 0 {
		d.closeSession(ctx, x.sessions[0].id)
	}
	if x.supp {
		d.suppl.release(d)
	}
}

// closeSession closes a session in the secure world. It is not the context's any more, whatever that says; one that may be open
// still is tried again later.
func (d *Driver) closeSession(ctx *tee.Context, id uint32) {
	x := dataOf(ctx)
	if i := x.find(id); i >= 0 {
		x.sessions = append(x.sessions[:i], x.sessions[i+1:]...)
	}
	c, err := d.newCall(ctx, optee.CmdCloseSession)
	if err == nil {
		c.arg.Session = id
		err = d.run(c)
		c.done()
	}
	if err != nil {
		d.orphans = append(d.orphans, id)
	}
}

// Start is documented at tee.Driver.
func (d *Driver) Start(r *tee.Request) error {
	x := dataOf(r.Context)
	if x.supp && r.Kind != tee.Receive || !x.supp && r.Kind == tee.Receive {
		return normalworld.EINVAL
	}
	var cmd optee.Command
	switch r.Kind {
	case tee.Receive:
		return d.suppl.start(r)
	case tee.OpenSession:
		cmd = optee.CmdOpenSession
	case tee.Invoke:
		cmd = optee.CmdInvokeCommand
	case tee.CloseSession:
		cmd = optee.CmdCloseSession
	case tee.Cancel:
		cmd = optee.CmdCancel
	default:
		return normalworld.EINVAL
	}
	if r.Kind != tee.OpenSession && x.find(r.Session) < 0 || len(r.Params) > maxParams-2 {
		return normalworld.EINVAL
	}
	var client smc.UUID
	if r.Kind == tee.OpenSession {
		var err error
		if client, err = clientUUID(r); err != nil {
			return err
		}
	}
	c, err := d.newCall(r.Context, cmd)
	if err != nil {
		return err
	}
	c.nowait = r.Context.Kernel
	a := &c.arg
	a.Session, a.CancelID, a.Func = r.Session, r.CancelID, r.Func
	if r.Kind == tee.OpenSession {
		meta := optee.OpenSession{TA: r.UUID, Client: client, Login: r.Login}.Params()
		a.Params = append(a.Params, meta[:]...)
		a.Session = 0
	}
	for i := range r.Params {
		a.Params = append(a.Params, d.toMessage(&r.Params[i]))
	}
	if err = c.start(); err != nil {
		c.done()
		return err
	}
	if r.Kind == tee.CloseSession {
		i := x.find(r.Session)
		x.sessions = append(x.sessions[:i], x.sessions[i+1:]...)
	}
	r.State = c
	return nil
}

// Step is documented at tee.Driver.
func (d *Driver) Step(r *tee.Request) bool {
	if r.Done {
		return true
	}
	if r.Kind == tee.Receive {
		return d.suppl.receive(r)
	}
	c := r.State.(*call)
	if c.step() {
		d.finish(r, c)
	}
	return r.Done
}

// Wait is documented at tee.Driver.
func (d *Driver) Wait(r *tee.Request) {
	switch {
	case r.Done:
	case r.Kind == tee.Receive:
		d.waitReceive(r)
	default:
		c := r.State.(*call)
		d.wait(c)
		d.finish(r, c)
	}
}

// Poll is documented at tee.Driver.
func (d *Driver) Poll() { d.be.poll() }

// finish hands the answer of a call to its client.
func (d *Driver) finish(r *tee.Request, c *call) {
	err := c.finish()
	a := &c.arg
	if err != nil {
		a.Ret, a.RetOrigin = optee.ErrorCommunication, optee.OriginComms
	}
	c.release()
	defer c.done()
	r.State, r.Done = nil, true
	x := dataOf(r.Context)
	switch r.Kind {
	case tee.CloseSession:
		if err != nil {
			d.orphans = append(d.orphans, r.Session)
		}
	case tee.Cancel:
	case tee.Invoke:
		if err == nil && d.fromMessages(r.Params, a.Params, a.Ret) != nil {
			a.Ret, a.RetOrigin = optee.ErrorCommunication, optee.OriginComms
		}
	case tee.OpenSession:
		opened := err == nil && a.Ret == optee.Success
		if opened && x.find(a.Session) >= 0 {
			// A session cannot have the number of one that is open.
			opened, a.Ret, a.RetOrigin = false, optee.ErrorCommunication, optee.OriginComms
		}
		if opened {
			x.sessions = append(x.sessions, session{a.Session})
		}
		if err == nil && d.fromMessages(r.Params, a.Params[2:], a.Ret) != nil {
			if opened {
				d.closeSession(r.Context, a.Session)
			}
			a.Ret, a.RetOrigin = optee.ErrorCommunication, optee.OriginComms
		}
		if a.Ret == optee.Success {
			r.Session = a.Session
		} else {
			r.Session = 0
		}
	}
	r.Ret, r.Origin = a.Ret, a.RetOrigin
	if r.Kind == tee.CloseSession {
		// Linux does not look at the result of closing.
		r.Ret, r.Origin = optee.Success, optee.OriginTEE
	}
}

// toMessage converts a parameter.
func (d *Driver) toMessage(p *tee.Param) optee.Param {
	switch {
	case p.IsValue():
		return optee.ValueParam(optee.Attr(p.Attr), p.A, p.B, p.C)
	case p.IsMemref():
		return d.be.toMessage(p)
	}
	return optee.Param{}
}

var errAnswer = errors.New("the answer does not fit the message")

// fromMessages takes over results. Of memory only the size counts, which may be more than was offered only to say that it was not
// enough.
func (d *Driver) fromMessages(out []tee.Param, in []optee.Param, ret optee.Result) error {
	for i := range out {
		p := &out[i]
		switch {
		case !p.Output():
		case p.IsValue():
			v := in[i].Value()
			p.A, p.B, p.C = v.A, v.B, v.C
		default:
			size := in[i].Size()
			if size > p.Size && ret != optee.ErrorShortBuffer {
				return errAnswer
			}
			p.Size = size
		}
	}
	return nil
}

// clientNamespace is that of the UUIDs by which users and groups are known (TEE_CLIENT_UUID_NS of drivers/tee/tee_core.c).
var clientNamespace = smc.UUID{0x58, 0xac, 0x9c, 0xa0, 0x20, 0x86, 0x46, 0x83, 0xa1, 0xb8, 0xec, 0x4b, 0xc0, 0x8e, 0x01, 0xb6}

// clientUUID is who the client is (tee_session_calc_client_uuid). All processes of this kernel are user 0, in every group.
func clientUUID(r *tee.Request) (smc.UUID, error) {
	var name string
	switch {
	case r.Login == optee.LoginPublic || r.Context.Kernel && r.Login == optee.LoginREEKernel:
		return smc.UUID{}, nil
	case r.Login == optee.LoginUser:
		name = "uid=0"
	case r.Login == optee.LoginGroup:
		name = "gid=" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(r.Client[:])), 16)
	default:
		return smc.UUID{}, normalworld.EINVAL
	}
	sum := sha1.Sum(append(append([]byte(nil), clientNamespace[:]...), name...))
	u := smc.UUID(sum[:16])
	u[6], u[8] = u[6]&0x0F|0x50, u[8]&0x3F|0x80
	return u, nil
}
