package tee

import "encoding/binary"

// The ioctls (include/uapi/linux/tee.h). Open, Invoke and others that return data through a buffer are _IOR of struct
// tee_ioctl_buf_data.
const (
	IOCVersion       uint32 = 2<<30 | 12<<16 | 0xa4<<8 | 0
	IOCSHMAlloc      uint32 = 3<<30 | 16<<16 | 0xa4<<8 | 1
	IOCOpenSession   uint32 = 2<<30 | 16<<16 | 0xa4<<8 | 2
	IOCInvoke        uint32 = 2<<30 | 16<<16 | 0xa4<<8 | 3
	IOCCancel        uint32 = 2<<30 | 8<<16 | 0xa4<<8 | 4
	IOCCloseSession  uint32 = 2<<30 | 4<<16 | 0xa4<<8 | 5
	IOCSupplRecv     uint32 = 2<<30 | 16<<16 | 0xa4<<8 | 6
	IOCSupplSend     uint32 = 2<<30 | 16<<16 | 0xa4<<8 | 7
	IOCSHMRegisterFD uint32 = 3<<30 | 24<<16 | 0xa4<<8 | 8
	IOCSHMRegister   uint32 = 3<<30 | 24<<16 | 0xa4<<8 | 9
	// IOCRSTMEMAlloc is of the 2024 proposal, version 4. Its number is that of OBJECT_INVOKE today.
	IOCRSTMEMAlloc uint32 = 3<<30 | 24<<16 | 0xa4<<8 | 10
)

// Implementation and capabilities that TEE_IOC_VERSION answers.
const (
	ImplOPTEE uint32 = 1

	OPTEECapTZ uint32 = 1 << 0

	GenCapGP         uint32 = 1 << 0
	GenCapPrivileged uint32 = 1 << 1
	GenCapRegMem     uint32 = 1 << 2
	GenCapMemrefNull uint32 = 1 << 3
	// GenCapRSTMEM is of the 2024 proposal; OBJREF today.
	GenCapRSTMEM uint32 = 1 << 4
)

// MaxArgSize bounds the buffer of an ioctl, in bytes (TEE_MAX_ARG_SIZE).
const MaxArgSize = 4096

// Sizes of the structs behind a buffer, in bytes, without parameters.
const (
	openSessionSize = 56
	invokeSize      = 24
	supplArgSize    = 8 // struct tee_iocl_supp_recv_arg, and ..._send_arg
	paramSize       = 32
)

// Attributes of a parameter (TEE_IOCTL_PARAM_ATTR_...).
const (
	AttrNone         uint64 = 0
	AttrValueInput   uint64 = 1
	AttrValueOutput  uint64 = 2
	AttrValueInOut   uint64 = 3
	AttrMemrefInput  uint64 = 5
	AttrMemrefOutput uint64 = 6
	AttrMemrefInOut  uint64 = 7

	AttrTypeMask uint64 = 0xff
	AttrMeta     uint64 = 0x100
	attrMask            = AttrTypeMask | AttrMeta
)

// MemrefNull in place of an identifier is a reference to nothing (TEE_MEMREF_NULL).
const MemrefNull = ^uint64(0)

// Param is one parameter (struct tee_param): a value, or a reference to shared memory.
type Param struct {
	Attr    uint64
	A, B, C uint64 // of a value
	SHM     *SHM   // nil is NULL
	Offset  uint64 // bytes
	Size    uint64 // bytes; on return what was written, or needed
}

// IsMemref and IsValue tell the two apart; Input and Output who writes and reads it.
func (p *Param) IsMemref() bool {
	t := p.Attr & AttrTypeMask
	return t >= AttrMemrefInput && t <= AttrMemrefInOut
}

// IsValue is described at IsMemref.
func (p *Param) IsValue() bool {
	t := p.Attr & AttrTypeMask
	return t >= AttrValueInput && t <= AttrValueInOut
}

// Input is described at IsMemref.
func (p *Param) Input() bool { return (p.IsMemref() || p.IsValue()) && p.Attr&1 != 0 }

// Output is described at IsMemref.
func (p *Param) Output() bool { return (p.IsMemref() || p.IsValue()) && p.Attr&2 != 0 }

// Value makes a value, Memref a reference to a part of shared memory.
func Value(attr, a, b, c uint64) Param { return Param{Attr: attr, A: a, B: b, C: c} }

// Memref is described at Value.
func Memref(attr uint64, shm *SHM, offset, size uint64) Param {
	return Param{Attr: attr, SHM: shm, Offset: offset, Size: size}
}

// Version is struct tee_ioctl_version_data.
type Version struct{ ImplID, ImplCaps, GenCaps uint32 }

var le = binary.LittleEndian

// userParam is struct tee_ioctl_param.
type userParam struct{ attr, a, b, c uint64 }

func parseUserParam(b []byte) userParam {
	return userParam{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])}
}

func (p userParam) put(b []byte) {
	le.PutUint64(b, p.attr)
	le.PutUint64(b[8:], p.a)
	le.PutUint64(b[16:], p.b)
	le.PutUint64(b[24:], p.c)
}
