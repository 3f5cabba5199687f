package optee

import (
	"encoding/binary"

	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// maxAllocs bounds the pieces of memory that the secure world may have from the driver at one time.
const maxAllocs = 256

// pageRun is contiguous pages.
type pageRun struct{ pa, n uint64 }

// freeLists gives the pages of page lists back (optee_rpc_finalize_call): the secure world has copied them.
func (c *call) freeLists() {
	for _, r := range c.lists {
		c.d.sub.FreePages(r.pa, r.n)
	}
	c.lists = c.lists[:0]
}

// serve does the command in the RPC argument, which it copies once. cookie names its memory where the argument does not stand
// behind the message.
func (c *call) serve(cookie uint64) {
	d := c.d
	limit := uint64(d.rpcParams)
	if !c.rpcShared {
		s := d.alloc(cookie)
		if s == nil || s.Size() < optee.ArgHeaderSize {
			d.be.resume(c, 0, 0)
			return
		}
		c.rpcAt, c.rpcOffset = s, 0
		limit = min((s.Size()-optee.ArgHeaderSize)/optee.ParamSize, optee.MaxParams)
	}
	d.rpc = append(d.rpc[:0], make([]byte, optee.ArgSize(uint32(limit)))...)
	if c.readRPC(d.rpc) != nil {
		d.be.resume(c, 0, 0)
		return
	}
	c.rpc = optee.Arg{Params: c.rpc.Params}
	if c.rpc.Parse(d.rpc) != nil {
		// Without its parameters the request can only be refused.
		c.rpc = optee.Arg{}
		c.answer(optee.ErrorBadParameters)
		return
	}
	p := c.rpc.Params
	one := len(p) > 0
	for i := 1; i < len(p); i++ {
		one = one && p[i].Attr == optee.AttrNone
	}
	switch optee.RPCCommand(c.rpc.Cmd) {
	case optee.RPCGetTime:
		if !one || p[0].Attr != optee.AttrValueOutput {
			c.answer(optee.ErrorBadParameters)
			return
		}
		now := d.k.Now()
		p[0].SetValue(optee.Value{A: now / 1e9, B: now % 1e9})
		c.answer(optee.Success)
	case optee.RPCNotification:
		if !one || p[0].Attr != optee.AttrValueInput {
			c.answer(optee.ErrorBadParameters)
			return
		}
		c.notification(p[0].Value())
	case optee.RPCSuspend:
		if !one || p[0].Attr != optee.AttrValueInput {
			c.answer(optee.ErrorBadParameters)
			return
		}
		c.state, c.deadline = waitsTime, d.k.Now()+uint64(uint32(p[0].U[0]))*1e6
	case optee.RPCSHMAlloc:
		if !one || p[0].Attr != optee.AttrValueInput {
			c.answer(optee.ErrorBadParameters)
			return
		}
		c.shmAlloc(p[0].Value())
	case optee.RPCSHMFree:
		if !one || p[0].Attr != optee.AttrValueInput {
			c.answer(optee.ErrorBadParameters)
			return
		}
		c.shmFree(p[0].Value())
	case optee.RPCI2CTransfer:
		c.answer(optee.ErrorNotSupported)
	case optee.RPCRPMBProbeReset, optee.RPCRPMBProbeNext, optee.RPCRPMBFrames:
		// There is no RPMB device.
		c.answer(optee.ErrorItemNotFound)
	default:
		c.forward()
	}
}

func (c *call) readRPC(b []byte) error {
	if c.rpcAt == nil {
		return c.d.k.Read(c.pa+c.rpcOffset, b)
	}
	return c.rpcAt.Read(c.rpcOffset, b)
}

func (c *call) writeRPC(b []byte) error {
	if c.rpcAt == nil {
		return c.d.k.Write(c.pa+c.rpcOffset, b)
	}
	return c.rpcAt.Write(c.rpcOffset, b)
}

// answer writes the result of the command and prepares the return to the secure world.
func (c *call) answer(res optee.Result) {
	d := c.d
	c.state, c.deadline = runs, 0
	c.rpc.Ret = res
	if c.rpc.Params == nil {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], uint32(res))
		c.rpcOffset += 20
		c.writeRPC(b[:])
		c.rpcOffset -= 20
	} else {
		d.rpc = c.rpc.AppendTo(d.rpc[:0])
		// Where the argument cannot be written the secure world finds its own words there.
		c.writeRPC(d.rpc)
	}
	d.be.resume(c, 0, 0)
}

// alloc finds memory that the secure world asked for.
func (d *Driver) alloc(cookie uint64) *tee.SHM {
	for _, s := range d.allocs {
		if s.SecWorldID == cookie && cookie != 0 {
			return s
		}
	}
	return nil
}

// keep adds memory to what the secure world asked for.
func (d *Driver) keep(s *tee.SHM) {
	if s.SecWorldID == 0 {
		s.SecWorldID = d.cookie()
		d.byID[s.SecWorldID] = s
	}
	d.allocs = append(d.allocs, s)
}

// allocPrivate is function ALLOC of the SMC ABI: contiguous memory that is not registered. Zeros say that there is none.
func (c *call) allocPrivate(size uint64) (pa, cookie uint64) {
	d := c.d
	if len(d.allocs) >= maxAllocs {
		return 0, 0
	}
	s, err := d.ctx.AllocPrivate(size)
	if err != nil {
		return 0, 0
	}
	d.keep(s)
	return s.Pages()[0], s.SecWorldID
}

// freeAlloc gives memory back that the secure world does not need any more. It reports whether there was such.
func (d *Driver) freeAlloc(cookie uint64) bool {
	for i, s := range d.allocs {
		if s.SecWorldID == cookie && cookie != 0 {
			d.allocs = append(d.allocs[:i], d.allocs[i+1:]...)
			s.Put()
			return true
		}
	}
	return false
}

// freeAllocs takes back all that the secure world asked for.
func (d *Driver) freeAllocs() {
	for len(d.allocs) > 0 {
		s := d.allocs[len(d.allocs)-1]
		d.allocs = d.allocs[:len(d.allocs)-1]
		s.Put()
	}
}

// shmAlloc is SHM_ALLOC: value a is the type, b the size in bytes, c the alignment, which pages satisfy.
func (c *call) shmAlloc(v optee.Value) {
	d := c.d
	c.freeLists()
	switch {
	case len(d.allocs) >= maxAllocs:
		c.answer(optee.ErrorOutOfMemory)
	case v.A == optee.SHMTypeApplication:
		c.request = d.suppl.ask(c, optee.RPCSHMAlloc, []tee.Param{tee.Value(tee.AttrValueInOut, v.A, v.B, v.C)})
		c.ask()
	case v.A == optee.SHMTypeKernel:
		s, err := d.ctx.AllocPrivate(v.B)
		if err != nil {
			c.answer(optee.ErrorOutOfMemory)
			return
		}
		c.given(s)
	default:
		c.answer(optee.ErrorBadParameters)
	}
}

// given answers SHM_ALLOC with memory.
func (c *call) given(s *tee.SHM) {
	d := c.d
	d.keep(s)
	if err := d.be.replyAlloc(c, &c.rpc.Params[0], s); err != nil {
		d.freeAlloc(s.SecWorldID)
		c.answer(optee.ErrorOutOfMemory)
		return
	}
	c.answer(optee.Success)
}

// shmFree is SHM_FREE: value a is the type, b by what the secure world knows the memory. Memory of the supplicant goes back to it.
func (c *call) shmFree(v optee.Value) {
	d := c.d
	s := d.alloc(v.B)
	switch {
	case s == nil:
		c.answer(optee.ErrorBadParameters)
	case v.A == optee.SHMTypeApplication:
		id := s.ID()
		d.freeAlloc(v.B)
		c.request = d.suppl.ask(c, optee.RPCSHMFree, []tee.Param{tee.Value(tee.AttrValueInOut, v.A, uint64(int64(id)), 0)})
		c.ask()
	case v.A == optee.SHMTypeKernel:
		d.freeAlloc(v.B)
		c.answer(optee.Success)
	default:
		c.answer(optee.ErrorBadParameters)
	}
}

// forward passes a command to the supplicant as it is.
func (c *call) forward() {
	d := c.d
	params := make([]tee.Param, len(c.rpc.Params))
	for i := range params {
		m := &c.rpc.Params[i]
		p := &params[i]
		switch {
		case m.Attr == optee.AttrNone:
		case m.Attr.IsValue():
			v := m.Value()
			*p = tee.Value(uint64(m.Attr), v.A, v.B, v.C)
		case m.Attr.IsMem():
			shm, off, err := d.be.fromMessage(m)
			if err != nil || shm != nil && !shm.Contains(off, m.Size()) {
				c.answer(optee.ErrorBadParameters)
				return
			}
			*p = tee.Memref(tee.AttrMemrefInput&^3|uint64(m.Attr&3), shm, off, m.Size())
		default:
			c.answer(optee.ErrorBadParameters)
			return
		}
	}
	c.request = d.suppl.ask(c, optee.RPCCommand(c.rpc.Cmd), params)
	c.ask()
}

// ask waits for the supplicant.
func (c *call) ask() {
	c.state = waitsSupplicant
	if c.nowait && c.d.suppl.ctx == nil && c.d.cfg.Supplicant == nil {
		c.request.fail(c.d, optee.ErrorCommunication)
	}
}

// supplied takes the supplicant's answer.
func (c *call) supplied() {
	d, q := c.d, c.request
	c.request, c.state = nil, runs
	switch {
	case q.cmd == optee.RPCSHMAlloc && optee.RPCCommand(c.rpc.Cmd) == optee.RPCSHMAlloc:
		if q.ret != optee.Success || d.suppl.ctx == nil {
			c.answer(optee.ErrorOutOfMemory)
			return
		}
		s, err := d.suppl.ctx.Lookup(q.params[0].C)
		if err != nil || d.listed(s) || s.Size() < c.rpc.Params[0].U[1] {
			if err == nil {
				s.Put()
			}
			c.answer(optee.ErrorOutOfMemory)
			return
		}
		c.given(s)
		return
	case optee.RPCCommand(c.rpc.Cmd) == optee.RPCSHMFree:
		c.answer(optee.Success)
		return
	}
	for i := range q.params {
		p, m := &q.params[i], &c.rpc.Params[i]
		switch {
		case !p.Output():
		case p.IsValue():
			m.SetValue(optee.Value{A: p.A, B: p.B, C: p.C})
		default:
			m.SetSize(p.Size)
		}
	}
	c.answer(q.ret)
}

// listed reports whether memory is among what the secure world asked for.
func (d *Driver) listed(s *tee.SHM) bool {
	for _, a := range d.allocs {
		if a == s {
			return true
		}
	}
	return false
}
