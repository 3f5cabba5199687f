//go:build linux

package tee

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// Numbers of the ioctls (tee.h).
const (
	kindTEE = 0xa4

	nrVersion      = 0
	nrAlloc        = 1
	nrOpenSession  = 2
	nrInvoke       = 3
	nrCancel       = 4
	nrCloseSession = 5
	nrSupplRecv    = 6
	nrSupplSend    = 7
	nrRegisterFD   = 8
	nrRegister     = 9
)

// Version is struct tee_ioctl_version_data.
type Version struct {
	ImplID, ImplCaps, GenCaps uint32
}

// What Version says.
const (
	ImplOPTEE     = 1
	ImplCapTZ     = 1 << 0
	CapGP         = 1 << 0
	CapPrivileged = 1 << 1 // the supplicant's device
	CapRegMem     = 1 << 2
	CapMemrefNull = 1 << 3
)

// Types of parameters (TEE_IOCTL_PARAM_ATTR_TYPE_...).
const (
	None        = 0
	ValueInput  = 1
	ValueOutput = 2
	ValueInOut  = 3
	MemInput    = 5
	MemOutput   = 6
	MemInOut    = 7

	Meta = 1 << 8 // a parameter of the protocol itself
)

// NullID is the id of a NULL memory reference.
const NullID = ^uint64(0)

// Param is struct tee_ioctl_param. A is a value or an offset, B a value or a size, C a value or the id of memory.
type Param struct {
	Attr, A, B, C uint64
}

// Value makes a value parameter.
func Value(attr uint64, a, b uint64) Param { return Param{Attr: attr, A: a, B: b} }

// Ref makes a reference to n bytes of memory from off on.
func Ref(attr uint64, m *Memory, off, n uint64) Param {
	return Param{Attr: attr, A: off, B: n, C: uint64(uint32(m.ID))}
}

// Null makes a NULL memory reference.
func Null(attr uint64) Param { return Param{Attr: attr, C: NullID} }

// Failure is an answer that is not SUCCESS.
type Failure struct {
	Result optee.Result
	Origin optee.Origin
}

func (f *Failure) Error() string { return fmt.Sprintf("%v from %v", f.Result, f.Origin) }

// Device is an open TEE device.
type Device struct{ fd int }

// Open opens /dev/tee0 or /dev/teepriv0.
func Open(path string) (*Device, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Device{fd}, nil
}

// Close closes the device, and with it its sessions.
func (d *Device) Close() error { return syscall.Close(d.fd) }

// Version asks who is there.
func (d *Device) Version() (v Version, err error) {
	_, err = ioctl(d.fd, iocRead, kindTEE, nrVersion, &v)
	return v, err
}

// Memory is shared memory of a device.
type Memory struct {
	ID   int32
	Size uint64
	// Data is the memory itself, where the program may have it.
	Data []byte

	fd     int
	mapped bool
}

// sharedMemory is struct tee_ioctl_shm_alloc_data.
type sharedMemory struct {
	size uint64
	_    uint32 // flags
	id   int32
}

// Alloc allocates shared memory and maps it.
func (d *Device) Alloc(size uint64) (*Memory, error) {
	a := sharedMemory{size: size}
	fd, err := ioctl(d.fd, iocRead|iocWrite, kindTEE, nrAlloc, &a)
	if err != nil {
		return nil, err
	}
	data, err := syscall.Mmap(fd, 0, int(a.size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return &Memory{ID: a.id, Size: a.size, Data: data, fd: fd, mapped: true}, nil
}

// fdMemory is struct tee_ioctl_shm_register_fd_data.
type fdMemory struct {
	fd    int64
	size  uint64
	flags uint32
	id    int32
}

// RegisterFD registers a DMA buffer.
func (d *Device) RegisterFD(buf int) (*Memory, error) { return d.RegisterFDFlags(buf, 0) }

// RegisterFDFlags registers a DMA buffer with flags, of which the kernel knows none.
func (d *Device) RegisterFDFlags(buf int, flags uint32) (*Memory, error) {
	a := fdMemory{fd: int64(buf), flags: flags}
	fd, err := ioctl(d.fd, iocRead|iocWrite, kindTEE, nrRegisterFD, &a)
	if err != nil {
		return nil, err
	}
	return &Memory{ID: a.id, Size: a.size, fd: fd}, nil
}

// userMemory is struct tee_ioctl_shm_register_data.
type userMemory struct {
	addr, length uint64
	_            uint32 // flags
	id           int32
}

// Register registers memory of the program's own, which must stay where it is.
func (d *Device) Register(p []byte) (*Memory, error) {
	a := userMemory{addr: address(p), length: uint64(len(p))}
	fd, err := ioctl(d.fd, iocRead|iocWrite, kindTEE, nrRegister, &a)
	if err != nil {
		return nil, err
	}
	return &Memory{ID: a.id, Size: a.length, Data: p, fd: fd}, nil
}

// FD is the memory's file descriptor.
func (m *Memory) FD() int { return m.fd }

// Close gives the memory back, once the kernel does not use it any longer.
func (m *Memory) Close() error {
	if m.mapped {
		if err := syscall.Munmap(m.Data); err != nil {
			return err
		}
	}
	return syscall.Close(m.fd)
}

// Session is an open session with a trusted application.
type Session struct {
	dev *Device
	ID  uint32
}

const (
	openSize   = 56 // struct tee_ioctl_open_session_arg
	invokeSize = 24 // struct tee_ioctl_invoke_arg
	paramSize  = 32
)

func putParams(b []byte, params []Param) {
	for i, p := range params {
		for j, v := range [4]uint64{p.Attr, p.A, p.B, p.C} {
			binary.LittleEndian.PutUint64(b[i*paramSize+j*8:], v)
		}
	}
}

func getParams(b []byte, params []Param) {
	for i := range params {
		q := b[i*paramSize:]
		params[i] = Param{binary.LittleEndian.Uint64(q), binary.LittleEndian.Uint64(q[8:]),
			binary.LittleEndian.Uint64(q[16:]), binary.LittleEndian.Uint64(q[24:])}
	}
}

func answer(b []byte) error {
	r, o := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if r != 0 {
		return &Failure{optee.Result(r), optee.Origin(o)}
	}
	return nil
}

// Open opens a session as a login. The cancel id is what Cancel names the call with; params take the results.
func (d *Device) Open(ta smc.UUID, login optee.Login, cancel uint32, params ...Param) (*Session, error) {
	arg := make([]byte, openSize+len(params)*paramSize)
	copy(arg, ta[:])
	binary.LittleEndian.PutUint32(arg[32:], uint32(login))
	binary.LittleEndian.PutUint32(arg[36:], cancel)
	binary.LittleEndian.PutUint32(arg[52:], uint32(len(params)))
	putParams(arg[openSize:], params)
	if err := ioctlBuf(d.fd, nrOpenSession, arg); err != nil {
		return nil, err
	}
	getParams(arg[openSize:], params)
	if err := answer(arg[44:]); err != nil {
		return nil, err
	}
	return &Session{d, binary.LittleEndian.Uint32(arg[40:])}, nil
}

// OpenPublic opens a session as anybody, without parameters.
func (d *Device) OpenPublic(ta smc.UUID) (*Session, error) { return d.Open(ta, optee.LoginPublic, 0) }

// Invoke invokes a command. params take the results.
func (s *Session) Invoke(cmd uint32, params ...Param) error {
	return s.InvokeCancel(cmd, 0, params)
}

// InvokeCancel invokes a command that Cancel can name. params take the results.
func (s *Session) InvokeCancel(cmd, cancel uint32, params []Param) error {
	arg := make([]byte, invokeSize+len(params)*paramSize)
	binary.LittleEndian.PutUint32(arg, cmd)
	binary.LittleEndian.PutUint32(arg[4:], s.ID)
	binary.LittleEndian.PutUint32(arg[8:], cancel)
	binary.LittleEndian.PutUint32(arg[20:], uint32(len(params)))
	putParams(arg[invokeSize:], params)
	if err := ioctlBuf(s.dev.fd, nrInvoke, arg); err != nil {
		return err
	}
	getParams(arg[invokeSize:], params)
	return answer(arg[12:])
}

// Cancel asks for the end of the call with that cancel id in the session.
func (s *Session) Cancel(cancel uint32) error {
	_, err := ioctl(s.dev.fd, iocRead, kindTEE, nrCancel, &struct{ cancel, session uint32 }{cancel, s.ID})
	return err
}

// Close ends the session.
func (s *Session) Close() error {
	_, err := ioctl(s.dev.fd, iocRead, kindTEE, nrCloseSession, &struct{ session uint32 }{s.ID})
	return err
}
