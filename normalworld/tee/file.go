package tee

import (
	"errors"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Process is who makes ioctls: memory, and descriptors of buffers.
type Process struct {
	Memory *AddressSpace
	Files  *dmabuf.Files
}

// NewProcess makes a process without memory and descriptors.
func (s *Subsystem) NewProcess() *Process {
	return &Process{Memory: s.NewAddressSpace(), Files: dmabuf.NewFiles(0)}
}

// Exit closes what the process has open. Files of devices are closed before.
func (p *Process) Exit() {
	p.Memory.Close()
	p.Files.CloseAll()
}

// shmFile is the descriptor of shared memory.
type shmFile struct{ shm *SHM }

func (f shmFile) Get() error { f.shm.get(); return nil }
func (f shmFile) Put() error { f.shm.Put(); return nil }

// installSHM makes a reference the descriptor's.
func (p *Process) installSHM(s *SHM) (int32, error) {
	fd, err := p.Files.Install(shmFile{s}, dmabuf.OCloexec)
	if err != nil {
		s.Put()
	}
	return fd, err
}

// MMap maps the whole of the shared memory behind a descriptor: EBADF where that is free, EINVAL for memory that is a process's own
// already, or restricted, and for any other file (tee_shm_fop_mmap).
func (p *Process) MMap(fd int32) (va uint64, err error) {
	f, err := p.Files.Lookup(fd)
	if err != nil {
		return 0, err
	}
	s, ok := f.(shmFile)
	if !ok || s.shm.flags&(SHMUserMapped|SHMDMABuf) != 0 {
		return 0, normalworld.EINVAL
	}
	return p.Memory.mapSHM(s.shm), nil
}

// File is an open device file of a process.
type File struct {
	ctx  *Context
	proc *Process
}

// OpenFile opens /dev/name for a process: ENOENT where there is no such device.
func (s *Subsystem) OpenFile(p *Process, name string) (*File, error) {
	d := s.Device(name)
	if d == nil {
		return nil, normalworld.ENOENT
	}
	c, err := d.Open()
	if err != nil {
		return nil, err
	}
	return &File{ctx: c, proc: p}, nil
}

// Close closes the file. Calls that are under way keep what they use.
func (f *File) Close() error {
	if f.ctx.closed {
		return normalworld.EBADF
	}
	f.ctx.Close()
	return nil
}

// Context is what the driver knows the file by.
func (f *File) Context() *Context { return f.ctx }

// Ioctl is the system call: ret is what it returns on success, a descriptor for the calls that make one, and an error wraps an
// Errno. arg is an address in the process.
func (f *File) Ioctl(cmd uint32, arg uint64) (ret int64, err error) {
	op, err := f.Start(cmd, arg)
	if err != nil {
		return 0, err
	}
	if !op.done {
		f.ctx.dev.driver.Wait(&op.req)
	}
	ret, err = op.Finish()
	f.ctx.dev.driver.Poll()
	return ret, err
}

// Op is an ioctl on its way, for a scheduler that lets several make progress in turns.
type Op struct {
	file   *File
	req    Request
	done   bool
	ret    int64
	err    error
	user   uint64 // address of the struct behind the buffer
	inline [4]Param
	buf    [openSessionSize + 4*paramSize]byte
}

// Start begins an ioctl. Those that do not go to the driver are done when it returns. The file may be closed meanwhile.
func (f *File) Start(cmd uint32, arg uint64) (*Op, error) {
	if f.ctx.closed {
		return nil, normalworld.EBADF
	}
	op := &Op{file: f}
	op.req.Context = f.ctx
	var err error
	switch cmd {
	case IOCOpenSession, IOCInvoke:
		err = op.startCall(cmd, arg)
	case IOCCancel, IOCCloseSession:
		err = op.startSession(cmd, arg)
	case IOCSupplRecv:
		err = op.startReceive(arg)
	default:
		op.done = true
		op.ret, err = f.immediate(cmd, arg)
	}
	if err != nil {
		return nil, err
	}
	if !op.done {
		f.ctx.get()
	}
	return op, nil
}

// Step goes on and reports whether the ioctl is done, so that Finish can be called.
func (o *Op) Step() bool { return o.done || o.file.ctx.dev.driver.Step(&o.req) }

// Finish ends an ioctl that is done: results go to the process.
func (o *Op) Finish() (int64, error) {
	if o.done {
		return o.ret, o.err
	}
	if !o.req.Done {
		return 0, normalworld.EAGAIN
	}
	o.done = true
	o.err = o.req.Err
	if o.err == nil {
		o.err = o.results()
	}
	o.putParams()
	o.file.ctx.put()
	return 0, o.err
}

func (f *File) immediate(cmd uint32, arg uint64) (int64, error) {
	switch cmd {
	case IOCVersion:
		v := f.ctx.dev.driver.Version()
		if f.ctx.dev.privileged {
			v.GenCaps |= GenCapPrivileged
		}
		var b [12]byte
		le.PutUint32(b[:], v.ImplID)
		le.PutUint32(b[4:], v.ImplCaps)
		le.PutUint32(b[8:], v.GenCaps)
		return 0, f.proc.Memory.Write(arg, b[:])
	case IOCSHMAlloc:
		return f.shmAlloc(arg)
	case IOCSHMRegister:
		return f.shmRegister(arg)
	case IOCSHMRegisterFD:
		return f.shmRegisterFD(arg)
	case IOCRSTMEMAlloc:
		return f.rstmemAlloc(arg)
	case IOCSupplSend:
		return 0, f.send(arg)
	}
	return 0, normalworld.EINVAL
}

// shmAlloc is TEE_IOC_SHM_ALLOC: {size, flags, id}.
func (f *File) shmAlloc(arg uint64) (int64, error) {
	var b [16]byte
	if err := f.proc.Memory.Read(arg, b[:]); err != nil {
		return 0, err
	}
	if le.Uint32(b[8:]) != 0 {
		return 0, normalworld.EINVAL
	}
	s, err := f.ctx.AllocUser(le.Uint64(b[:]))
	if err != nil {
		return 0, err
	}
	le.PutUint64(b[:], s.size)
	le.PutUint32(b[8:], uint32(s.flags))
	le.PutUint32(b[12:], uint32(s.id))
	return f.give(s, arg, b[:])
}

// shmRegister is TEE_IOC_SHM_REGISTER: {addr, length, flags, id}.
func (f *File) shmRegister(arg uint64) (int64, error) {
	var b [24]byte
	if err := f.proc.Memory.Read(arg, b[:]); err != nil {
		return 0, err
	}
	if le.Uint32(b[16:]) != 0 {
		return 0, normalworld.EINVAL
	}
	s, err := f.ctx.RegisterUser(f.proc.Memory, le.Uint64(b[:]), le.Uint64(b[8:]))
	if err != nil {
		return 0, err
	}
	le.PutUint64(b[8:], s.size)
	le.PutUint32(b[16:], uint32(s.flags))
	le.PutUint32(b[20:], uint32(s.id))
	return f.give(s, arg, b[:])
}

// shmRegisterFD is TEE_IOC_SHM_REGISTER_FD: {fd, size, flags, id}.
func (f *File) shmRegisterFD(arg uint64) (int64, error) {
	var b [24]byte
	if err := f.proc.Memory.Read(arg, b[:]); err != nil {
		return 0, err
	}
	if le.Uint32(b[16:]) != 0 {
		return 0, normalworld.EINVAL
	}
	fd := int64(le.Uint64(b[:]))
	if fd < 0 || fd > 1<<31-1 {
		return 0, normalworld.EINVAL
	}
	buf, err := f.proc.Files.Get(int32(fd))
	if err != nil {
		return 0, normalworld.EINVAL
	}
	s, err := f.ctx.RegisterBuffer(buf)
	buf.Put()
	if err != nil {
		return 0, normalworld.EINVAL
	}
	le.PutUint64(b[8:], s.size)
	le.PutUint32(b[16:], uint32(s.flags))
	le.PutUint32(b[20:], uint32(s.id))
	return f.give(s, arg, b[:])
}

// give hands shared memory to the process: the descriptor holds the reference.
func (f *File) give(s *SHM, arg uint64, b []byte) (int64, error) {
	if err := f.proc.Memory.Write(arg, b); err != nil {
		s.Put()
		return 0, err
	}
	fd, err := f.proc.installSHM(s)
	if err != nil {
		return 0, err
	}
	return int64(fd), nil
}

// bufData reads struct tee_ioctl_buf_data and checks the length of what it points to.
func (o *Op) bufData(arg uint64, size uint64) (length uint64, err error) {
	var b [16]byte
	if err := o.file.proc.Memory.Read(arg, b[:]); err != nil {
		return 0, err
	}
	o.user, length = le.Uint64(b[:]), le.Uint64(b[8:])
	if length > MaxArgSize || length < size {
		return 0, normalworld.EINVAL
	}
	return length, nil
}

// startCall is TEE_IOC_OPEN_SESSION and TEE_IOC_INVOKE.
func (o *Op) startCall(cmd uint32, arg uint64) error {
	size := uint64(invokeSize)
	if cmd == IOCOpenSession {
		size = openSessionSize
	}
	length, err := o.bufData(arg, size)
	if err != nil {
		return err
	}
	b := o.buf[:size]
	if err := o.file.proc.Memory.Read(o.user, b); err != nil {
		return err
	}
	n := uint64(le.Uint32(b[size-4:]))
	if size+n*paramSize != length {
		return normalworld.EINVAL
	}
	r := &o.req
	if cmd == IOCOpenSession {
		r.Kind = OpenSession
		r.UUID, r.Client = smc.UUID(b[:16]), smc.UUID(b[16:32])
		r.Login, r.CancelID = optee.Login(le.Uint32(b[32:])), le.Uint32(b[36:])
		if r.Login >= optee.LoginREEKernel && r.Login <= optee.LoginREEKernelLast {
			// Such a login is the kernel's (tee_ioctl_open_session).
			return normalworld.EPERM
		}
	} else {
		r.Kind = Invoke
		r.Func, r.Session, r.CancelID = le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])
	}
	if err := o.params(o.user+size, int(n)); err != nil {
		o.putParams()
		return err
	}
	if err := o.file.ctx.dev.driver.Start(r); err != nil {
		o.putParams()
		return err
	}
	return nil
}

// params reads parameters (params_from_user). Those that have been read hold references, also after an error.
func (o *Op) params(at uint64, n int) error {
	o.req.Params = o.inline[:0]
	var b [paramSize]byte
	for range n {
		if err := o.file.proc.Memory.Read(at, b[:]); err != nil {
			return err
		}
		at += paramSize
		u := parseUserParam(b[:])
		if u.attr&^attrMask != 0 {
			return normalworld.EINVAL
		}
		p := Param{Attr: u.attr}
		switch u.attr {
		case AttrNone, AttrValueOutput:
		case AttrValueInput, AttrValueInOut:
			p.A, p.B, p.C = u.a, u.b, u.c
		case AttrMemrefInput, AttrMemrefOutput, AttrMemrefInOut:
			p.Offset, p.Size = u.a, u.b
			if u.c == MemrefNull && o.file.ctx.dev.driver.Version().GenCaps&GenCapMemrefNull != 0 {
				break
			}
			s, err := o.file.ctx.lookup(u.c)
			if err != nil {
				return err
			}
			if !s.Contains(p.Offset, p.Size) {
				s.Put()
				return normalworld.EINVAL
			}
			p.SHM = s
		default:
			return normalworld.EINVAL
		}
		o.req.Params = append(o.req.Params, p)
	}
	return nil
}

func (o *Op) putParams() {
	if o.req.Kind != OpenSession && o.req.Kind != Invoke {
		return
	}
	for i := range o.req.Params {
		if p := &o.req.Params[i]; p.IsMemref() && p.SHM != nil {
			p.SHM.Put()
			p.SHM = nil
		}
	}
}

// results writes what came of a request. A session that the process cannot be told of is closed again.
func (o *Op) results() error {
	r, mem := &o.req, o.file.proc.Memory
	var b [12]byte
	switch r.Kind {
	case OpenSession:
		le.PutUint32(b[:], r.Session)
		le.PutUint32(b[4:], uint32(r.Ret))
		le.PutUint32(b[8:], uint32(r.Origin))
		err := mem.Write(o.user+40, b[:])
		if err == nil {
			err = o.putResults(o.user + openSessionSize)
		}
		if err != nil && r.Ret == optee.Success {
			r.Context.CloseSession(r.Session)
		}
		return err
	case Invoke:
		le.PutUint32(b[:], uint32(r.Ret))
		le.PutUint32(b[4:], uint32(r.Origin))
		if err := mem.Write(o.user+12, b[:8]); err != nil {
			return err
		}
		return o.putResults(o.user + invokeSize)
	case Receive:
		return o.received()
	}
	return nil
}

func (o *Op) putResults(at uint64) error {
	var b [24]byte
	for i := range o.req.Params {
		p := &o.req.Params[i]
		var err error
		switch {
		case !p.Output():
		case p.IsValue():
			le.PutUint64(b[:], p.A)
			le.PutUint64(b[8:], p.B)
			le.PutUint64(b[16:], p.C)
			err = o.file.proc.Memory.Write(at+8, b[:])
		default:
			le.PutUint64(b[:], p.Size)
			err = o.file.proc.Memory.Write(at+16, b[:8])
		}
		if err != nil {
			return err
		}
		at += paramSize
	}
	return nil
}

// startSession is TEE_IOC_CANCEL {cancel_id, session} and TEE_IOC_CLOSE_SESSION {session}.
func (o *Op) startSession(cmd uint32, arg uint64) error {
	b := o.buf[:4]
	o.req.Kind = CloseSession
	if cmd == IOCCancel {
		b = o.buf[:8]
		o.req.Kind = Cancel
	}
	if err := o.file.proc.Memory.Read(arg, b); err != nil {
		return err
	}
	if cmd == IOCCancel {
		o.req.CancelID = le.Uint32(b)
		b = b[4:]
	}
	o.req.Session = le.Uint32(b)
	return o.file.ctx.dev.driver.Start(&o.req)
}

// startReceive is TEE_IOC_SUPPL_RECV: {func, num_params, params}.
func (o *Op) startReceive(arg uint64) error {
	length, err := o.bufData(arg, supplArgSize)
	if err != nil {
		return err
	}
	mem := o.file.proc.Memory
	b := o.buf[:supplArgSize]
	if err := mem.Read(o.user, b); err != nil {
		return err
	}
	n := uint64(le.Uint32(b[4:]))
	if supplArgSize+n*paramSize != length {
		return normalworld.EINVAL
	}
	o.req.Kind = Receive
	for i := range n {
		var p [paramSize]byte
		if err := mem.Read(o.user+supplArgSize+i*paramSize, p[:]); err != nil {
			return err
		}
		u := parseUserParam(p[:])
		// Only the attributes count on the way in, and of these only that one takes what belongs to the driver.
		if u.attr&^attrMask != 0 || u.attr != AttrNone && u.attr != AttrMeta {
			return normalworld.EINVAL
		}
		o.req.Params = append(o.req.Params, Param{Attr: u.attr})
	}
	return o.file.ctx.dev.driver.Start(&o.req)
}

// received is the way back of TEE_IOC_SUPPL_RECV (params_to_supp).
func (o *Op) received() error {
	mem := o.file.proc.Memory
	var h [supplArgSize]byte
	le.PutUint32(h[:], o.req.Func)
	le.PutUint32(h[4:], uint32(len(o.req.Params)))
	if err := mem.Write(o.user, h[:]); err != nil {
		return err
	}
	for i := range o.req.Params {
		p := &o.req.Params[i]
		u := userParam{attr: p.Attr & attrMask}
		switch {
		case p.IsValue() && p.Input():
			u.a, u.b, u.c = p.A, p.B, p.C
		case p.IsMemref():
			u.b, u.c = p.Size, MemrefNull
			if p.SHM != nil {
				u.a, u.c = p.Offset, uint64(int64(p.SHM.id))
			}
		}
		var b [paramSize]byte
		u.put(b[:])
		if err := mem.Write(o.user+supplArgSize+uint64(i)*paramSize, b[:]); err != nil {
			return err
		}
	}
	return nil
}

// send is TEE_IOC_SUPPL_SEND: {ret, num_params, params}.
func (f *File) send(arg uint64) error {
	o := Op{file: f}
	length, err := o.bufData(arg, supplArgSize)
	if err != nil {
		return err
	}
	b := o.buf[:supplArgSize]
	if err := f.proc.Memory.Read(o.user, b); err != nil {
		return err
	}
	n := uint64(le.Uint32(b[4:]))
	if supplArgSize+n*paramSize > length {
		return normalworld.EINVAL
	}
	params := make([]Param, n)
	for i := range params {
		var raw [paramSize]byte
		if err := f.proc.Memory.Read(o.user+supplArgSize+uint64(i)*paramSize, raw[:]); err != nil {
			return err
		}
		u := parseUserParam(raw[:])
		if u.attr&^attrMask != 0 {
			return normalworld.EINVAL
		}
		p := &params[i]
		p.Attr = u.attr
		switch {
		case p.IsValue() && p.Output():
			p.A, p.B, p.C = u.a, u.b, u.c
		case p.IsMemref() && p.Output():
			p.Size = u.b
		}
	}
	return f.ctx.dev.driver.Send(f.ctx, optee.Result(le.Uint32(b)), params)
}

// Errno gives the error number that a process sees, 0 for none.
func Errno(err error) normalworld.Errno {
	var e normalworld.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e
	}
	return normalworld.EIO
}
