package optee

import (
	"gatehouse/normalworld"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// noRequest is supplicant.id while the process answers requests in any order.
const noRequest = -1

// supplicant is the process behind /dev/teepriv0 and what it has been asked (struct optee_supp).
type supplicant struct {
	ctx   *tee.Context
	queue []*request // not received yet
	taken []*request // by number, from 1 on; nil where it was answered
	id    int32      // the one request of a process that does not number them, or noRequest
}

// request is one thing that the supplicant is to do (struct optee_supp_req).
type request struct {
	cmd    optee.RPCCommand
	params []tee.Param
	ret    optee.Result
	done   bool
}

// ask queues a request.
func (s *supplicant) ask(_ *call, cmd optee.RPCCommand, params []tee.Param) *request {
	q := &request{cmd: cmd, params: params}
	s.queue = append(s.queue, q)
	return q
}

// fail ends a request without the supplicant.
func (q *request) fail(d *Driver, ret optee.Result) {
	s := &d.suppl
	for i, w := range s.queue {
		if w == q {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			break
		}
	}
	for i := range s.taken {
		if s.taken[i] == q {
			s.taken[i] = nil
		}
	}
	q.ret, q.done = ret, true
}

// release is the end of the process: what it was asked is not done.
func (s *supplicant) release(d *Driver) {
	for _, q := range s.taken {
		if q != nil {
			q.fail(d, optee.ErrorCommunication)
		}
	}
	for len(s.queue) > 0 {
		s.queue[0].fail(d, optee.ErrorCommunication)
	}
	s.ctx, s.taken, s.id = nil, nil, noRequest
}

// serveRequest lets the Go supplicant do what no process does.
func (d *Driver) serveRequest() bool {
	s := &d.suppl
	if d.cfg.Supplicant == nil || s.ctx != nil || len(s.queue) == 0 {
		return false
	}
	q := s.queue[0]
	s.queue = s.queue[1:]
	q.ret = d.cfg.Supplicant.Serve(q.cmd, q.params)
	q.done = true
	return true
}

// start begins SUPPL_RECV: the first parameter may be of attribute META, which has requests numbered.
func (s *supplicant) start(r *tee.Request) error {
	for i := range r.Params {
		if a := r.Params[i].Attr; a != tee.AttrNone && (a != tee.AttrMeta || i > 0) {
			return normalworld.EINVAL
		}
	}
	if len(r.Params) == 0 {
		return normalworld.EINVAL
	}
	return nil
}

// receive takes the oldest request, if there is one (optee_supp_recv).
func (s *supplicant) receive(r *tee.Request) bool {
	meta := 0
	if r.Params[0].Attr == tee.AttrMeta {
		meta = 1
	}
	switch {
	case s.id > 0:
		// The process has not answered the request before, and does not number them.
		r.Err, r.Done = normalworld.EBUSY, true
		return true
	case len(s.queue) == 0:
		return false
	}
	q := s.queue[0]
	if len(r.Params)-meta < len(q.params) {
		r.Err, r.Done = normalworld.EINVAL, true
		return true
	}
	s.queue = s.queue[1:]
	id := int32(0)
	for i := 1; i < len(s.taken) && id == 0; i++ {
		if s.taken[i] == nil {
			id = int32(i)
		}
	}
	if id == 0 {
		if len(s.taken) == 0 {
			s.taken = append(s.taken, nil)
		}
		id = int32(len(s.taken))
		s.taken = append(s.taken, nil)
	}
	s.taken[id] = q
	params := make([]tee.Param, 0, meta+len(q.params))
	if meta == 1 {
		params = append(params, tee.Value(tee.AttrValueInOut|tee.AttrMeta, uint64(id), 0, 0))
	} else {
		s.id = id
	}
	r.Func, r.Params, r.Done = uint32(q.cmd), append(params, q.params...), true
	return true
}

// waitReceive waits for a request: EINTR where none can come.
func (d *Driver) waitReceive(r *tee.Request) {
	for !d.suppl.receive(r) {
		d.be.poll()
		if d.cfg.Idle != nil && d.cfg.Idle() || len(d.suppl.queue) > 0 {
			continue
		}
		if !d.k.Sleep(patience) {
			r.Err, r.Done = normalworld.EINTR, true
			return
		}
	}
}

// Send is documented at tee.Driver (optee_supp_send).
func (d *Driver) Send(ctx *tee.Context, ret optee.Result, params []tee.Param) error {
	s := &d.suppl
	if s.ctx != ctx {
		return normalworld.EINVAL
	}
	id, meta := s.id, 0
	if id == noRequest {
		if len(params) == 0 || params[0].Attr != tee.AttrValueInOut|tee.AttrMeta {
			return normalworld.EINVAL
		}
		id, meta = int32(uint32(params[0].A)), 1
	}
	if id <= 0 || int(id) >= len(s.taken) || s.taken[id] == nil {
		return normalworld.ENOENT
	}
	q := s.taken[id]
	params = params[meta:]
	if len(params) != len(q.params) {
		return normalworld.EINVAL
	}
	s.taken[id], s.id = nil, noRequest
	for i := range params {
		in, out := &params[i], &q.params[i]
		switch {
		case !out.Output():
		case out.IsValue():
			out.A, out.B, out.C = in.A, in.B, in.C
		default:
			out.Size = in.Size
		}
	}
	q.ret, q.done = ret, true
	return nil
}
