package optee_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/tee"
	"gatehouse/smc"
	wire "gatehouse/smc/optee"
)

// client is a program of user space. It knows ioctl numbers, byte layouts and its own memory; what it does is what OP-TEE's client
// library does (libteec, TEEC_...).
type client struct {
	t    testing.TB
	r    *rig
	proc *tee.Process
	file *tee.File
	arg  uint64 // a page for ioctl arguments
	buf  uint64 // a page for the structs that they point to
}

var le = binary.LittleEndian

// newClient starts a process and opens a device (TEEC_InitializeContext).
func (r *rig) newClient(name string) *client {
	r.tb.Helper()
	c := &client{t: r.tb, r: r, proc: r.sub.NewProcess()}
	c.arg, c.buf = c.mmap(page), c.mmap(page)
	var err error
	if c.file, err = r.sub.OpenFile(c.proc, name); err != nil {
		r.tb.Fatal(err)
	}
	return c
}

// exit ends the process.
func (c *client) exit() {
	c.t.Helper()
	if err := c.file.Close(); err != nil {
		c.t.Error(err)
	}
	c.proc.Exit()
}

func (c *client) mmap(size uint64) uint64 {
	c.t.Helper()
	va, err := c.proc.Memory.Map(size)
	if err != nil {
		c.t.Fatal(err)
	}
	return va
}

func (c *client) write(va uint64, b []byte) {
	c.t.Helper()
	if err := c.proc.Memory.Write(va, b); err != nil {
		c.t.Fatalf("write to %#x: %v", va, err)
	}
}

func (c *client) read(va uint64, n int) []byte {
	c.t.Helper()
	b := make([]byte, n)
	if err := c.proc.Memory.Read(va, b); err != nil {
		c.t.Fatalf("read of %#x: %v", va, err)
	}
	return b
}

func words(v ...uint64) []byte {
	var b []byte
	for _, w := range v {
		b = le.AppendUint64(b, w)
	}
	return b
}

func words32(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = le.AppendUint32(b, w)
	}
	return b
}

// param is struct tee_ioctl_param.
type param struct{ attr, a, b, c uint64 }

func (p param) bytes() []byte { return words(p.attr, p.a, p.b, p.c) }

func value(attr, a, b uint64) param { return param{attr, a, b, 0} }

// memref refers to a part of shared memory.
func (s *shm) memref(attr, off, size uint64) param { return param{attr, off, size, uint64(s.id)} }

// call makes OPEN_SESSION or INVOKE with the struct head, whose last word is the number of parameters, and gives back the bytes.
func (c *client) call(cmd uint32, head []byte, params []param) ([]byte, error) {
	b := append([]byte(nil), head...)
	for _, p := range params {
		b = append(b, p.bytes()...)
	}
	c.write(c.buf, b)
	c.write(c.arg, words(c.buf, uint64(len(b))))
	_, err := c.file.Ioctl(cmd, c.arg)
	b = c.read(c.buf, len(b))
	for i := range params {
		q := b[len(head)+32*i:]
		params[i] = param{le.Uint64(q), le.Uint64(q[8:]), le.Uint64(q[16:]), le.Uint64(q[24:])}
	}
	return b, err
}

// open is TEEC_OpenSession.
func (c *client) open(u smc.UUID, params ...param) (session uint32, ret wire.Result, origin wire.Origin) {
	c.t.Helper()
	head := append(append(append([]byte(nil), u[:]...), make([]byte, 16)...), words32(uint32(wire.LoginPublic), 0, 0, 0, 0, uint32(len(params)))...)
	b, err := c.call(tee.IOCOpenSession, head, params)
	if err != nil {
		// libteec: an ioctl that fails is an error of the communication, or of the parameters.
		return 0, ioctlResult(err), wire.OriginComms
	}
	return le.Uint32(b[40:]), wire.Result(le.Uint32(b[44:])), wire.Origin(le.Uint32(b[48:]))
}

// must is open for a session that opens.
func (c *client) must(u smc.UUID) uint32 {
	c.t.Helper()
	s, ret, origin := c.open(u)
	if ret != wire.Success {
		c.t.Fatalf("session with %v: %v from %v", u, ret, origin)
	}
	return s
}

// invoke is TEEC_InvokeCommand.
func (c *client) invoke(session, cmd uint32, params ...param) (wire.Result, wire.Origin) {
	c.t.Helper()
	b, err := c.call(tee.IOCInvoke, words32(cmd, session, 0, 0, 0, uint32(len(params))), params)
	if err != nil {
		return ioctlResult(err), wire.OriginComms
	}
	return wire.Result(le.Uint32(b[12:])), wire.Origin(le.Uint32(b[16:]))
}

// ioctlResult is ioctl_errno of libteec.
func ioctlResult(err error) wire.Result {
	switch tee.Errno(err) {
	case normalworld.ENOMEM:
		return wire.ErrorOutOfMemory
	case normalworld.EINVAL:
		return wire.ErrorBadParameters
	}
	return wire.ErrorGeneric
}

// closeSession is TEEC_CloseSession.
func (c *client) closeSession(s uint32) error {
	c.write(c.arg, words32(s))
	_, err := c.file.Ioctl(tee.IOCCloseSession, c.arg)
	return err
}

// shm is a piece of shared memory, TEEC_SharedMemory.
type shm struct {
	c    *client
	id   uint32
	fd   int32
	size uint64
	va   uint64
	mine bool // va was mapped before
}

// allocate is TEEC_AllocateSharedMemory.
func (c *client) allocate(size uint64) (*shm, error) {
	c.write(c.arg, append(words(size), words32(0, 0)...))
	fd, err := c.file.Ioctl(tee.IOCSHMAlloc, c.arg)
	if err != nil {
		return nil, err
	}
	b := c.read(c.arg, 16)
	s := &shm{c: c, id: le.Uint32(b[12:]), fd: int32(fd), size: le.Uint64(b)}
	s.va, err = c.proc.MMap(s.fd)
	return s, err
}

// register is TEEC_RegisterSharedMemory, for memory that the process has.
func (c *client) register(va, size uint64) (*shm, error) {
	c.write(c.arg, append(words(va, size), words32(0, 0)...))
	fd, err := c.file.Ioctl(tee.IOCSHMRegister, c.arg)
	if err != nil {
		return nil, err
	}
	b := c.read(c.arg, 24)
	return &shm{c: c, id: le.Uint32(b[20:]), fd: int32(fd), size: le.Uint64(b[8:]), va: va, mine: true}, nil
}

// registerFD is TEEC_RegisterSharedMemoryFileDescriptor, for a dma-buf.
func (c *client) registerFD(fd int32) (*shm, error) {
	c.write(c.arg, append(words(uint64(int64(fd)), 0), words32(0, 0)...))
	got, err := c.file.Ioctl(tee.IOCSHMRegisterFD, c.arg)
	if err != nil {
		return nil, err
	}
	b := c.read(c.arg, 24)
	return &shm{c: c, id: le.Uint32(b[20:]), fd: int32(got), size: le.Uint64(b[8:])}, nil
}

// rstmem is the allocation of the 2024 proposal.
func (c *client) rstmem(size uint64, flags, useCase uint32) (*shm, error) {
	c.write(c.arg, append(words(size), words32(flags, useCase, 0, 0)...))
	fd, err := c.file.Ioctl(tee.IOCRSTMEMAlloc, c.arg)
	if err != nil {
		return nil, err
	}
	b := c.read(c.arg, 24)
	return &shm{c: c, id: le.Uint32(b[16:]), fd: int32(fd), size: le.Uint64(b)}, nil
}

// release is TEEC_ReleaseSharedMemory.
func (s *shm) release() {
	s.c.t.Helper()
	if s.va != 0 && !s.mine {
		if err := s.c.proc.Memory.Unmap(s.va); err != nil {
			s.c.t.Error(err)
		}
	}
	if err := s.c.proc.Files.Close(s.fd); err != nil {
		s.c.t.Error(err)
	}
}

// temp gives memory with some bytes for one call: shared memory where the TEE takes that, else allocated.
func (c *client) temp(b []byte) (*shm, error) {
	s, err := c.allocate(uint64(len(b)))
	if err == nil {
		c.write(s.va, b)
	}
	return s, err
}

// dmaHeap is DMA_HEAP_IOCTL_ALLOC on /dev/dma_heap/name.
func (c *client) dmaHeap(name string, size uint64) (int32, error) {
	h, err := c.r.heaps.Open(name)
	if err != nil {
		return 0, err
	}
	arg := append(words(size), words32(0, 2|0o2000000)...)
	arg = append(arg, words(0)...)
	if err := h.Ioctl(c.proc.Files, heap.IoctlAlloc, arg); err != nil {
		return 0, err
	}
	return int32(le.Uint32(arg[8:])), nil
}

// protected gives protected memory that the TEE knows, by the interface of the variant.
func (c *client) protected(size uint64, useCase uint32) (*shm, error) {
	if c.r.v.rstmem {
		return c.rstmem(size, 0, useCase)
	}
	fd, err := c.dmaHeap(heap.ID(useCase).String(), size)
	if err != nil {
		return nil, err
	}
	s, err := c.registerFD(fd)
	// The TEE keeps its reference.
	return s, errors.Join(err, c.proc.Files.Close(fd))
}
