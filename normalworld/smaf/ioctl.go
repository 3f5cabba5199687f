package smaf

import (
	"bytes"
	"encoding/binary"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
)

// The ioctls of /dev/smaf: _IOWR('S', nr, struct).
const (
	IoctlCreate        = 0xc080_5300 // struct smaf_create_data
	IoctlGetSecureFlag = 0xc040_5301 // struct smaf_secure_flag
	IoctlSetSecureFlag = 0xc040_5302 // struct smaf_secure_flag
	IoctlGetInfo       = 0xc080_5303 // struct smaf_info
)

// Sizes of the structures in bytes.
const (
	createSize = 128
	flagSize   = 64
	infoSize   = 128
)

// Fields of the structures, little endian. Each starts with a version of 64 bits, which is 0.
const (
	createLength = 8  // u64
	createFlags  = 16 // u32
	createFD     = 24 // s32
	createName   = 32 // 64 bytes

	flagFD     = 8  // s32
	flagSecure = 16 // u32

	infoIndex = 8  // u32
	infoCount = 16 // u32
	infoName  = 24 // 64 bytes
)

// Ioctl is an ioctl on the open device by a process with table t. arg is the process's memory at the argument: EFAULT where it ends too
// early. EINVAL for a version that is not 0, ENOTTY for a number that is not one of these. Nothing of arg has changed after an
// error.
func (d *Device) Ioctl(t *dmabuf.Files, cmd uint32, arg []byte) error {
	size := int(cmd >> 16 & (1<<14 - 1))
	switch cmd {
	case IoctlCreate, IoctlGetSecureFlag, IoctlSetSecureFlag, IoctlGetInfo:
	default:
		return normalworld.ENOTTY
	}
	if len(arg) < size {
		return normalworld.EFAULT
	}
	var buf [createSize]byte
	data := buf[:size]
	copy(data, arg)
	if binary.LittleEndian.Uint64(data) != 0 {
		return normalworld.EINVAL
	}
	var err error
	switch cmd {
	case IoctlCreate:
		err = d.ioctlCreate(t, data)
	case IoctlGetInfo:
		err = d.ioctlInfo(data)
	default:
		err = d.ioctlFlag(t, data, cmd == IoctlSetSecureFlag)
	}
	if err == nil {
		copy(arg, data)
	}
	return err
}

func (d *Device) ioctlCreate(t *dmabuf.Files, data []byte) error {
	le := binary.LittleEndian
	flags := le.Uint32(data[createFlags:])
	name, _, _ := bytes.Cut(data[createName:createName+NameLength-1], []byte{0})
	b, err := d.Create(le.Uint64(data[createLength:]), flags, string(name))
	if err != nil {
		return err
	}
	fd, err := t.Install(b, flags)
	if err != nil {
		if perr := b.Put(); perr != nil {
			panic("BUG: a buffer that nobody has seen cannot be put: " + perr.Error())
		}
		return err
	}
	le.PutUint32(data[createFD:], uint32(fd))
	return nil
}

func (d *Device) ioctlFlag(t *dmabuf.Files, data []byte, set bool) error {
	le := binary.LittleEndian
	b, err := t.Get(int32(le.Uint32(data[flagFD:])))
	if err != nil {
		return err
	}
	if set {
		err = d.SetSecure(b, le.Uint32(data[flagSecure:]) != 0)
	} else {
		var secure bool
		if secure, err = d.IsSecure(b); err == nil {
			le.PutUint32(data[flagSecure:], 0)
			if secure {
				le.PutUint32(data[flagSecure:], 1)
			}
		}
	}
	if perr := b.Put(); err == nil {
		err = perr
	}
	return err
}

func (d *Device) ioctlInfo(data []byte) error {
	le := binary.LittleEndian
	index := le.Uint32(data[infoIndex:])
	names := d.Allocators()
	if uint64(index) >= uint64(len(names)) {
		return normalworld.EINVAL
	}
	le.PutUint32(data[infoCount:], uint32(len(names)))
	clear(data[infoName : infoName+NameLength])
	copy(data[infoName:infoName+NameLength-1], names[index])
	return nil
}
