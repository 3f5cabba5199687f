//go:build linux

package tee

import (
	"runtime"
	"syscall"
	"unsafe" // ioctls take the addresses of structures
)

// Numbers of ioctls (asm-generic/ioctl.h).
const (
	iocWrite = 1
	iocRead  = 2
)

func ioc(dir, kind, nr, size uintptr) uintptr { return dir<<30 | size<<16 | kind<<8 | nr }

// ioctl passes a structure to a driver, which may change it.
func ioctl[T any](fd int, dir, kind, nr uintptr, arg *T) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), ioc(dir, kind, nr, unsafe.Sizeof(*arg)), uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return int(n), errno
	}
	return int(n), nil
}

// bufData is struct tee_ioctl_buf_data: where an argument of varying size lies.
type bufData struct{ ptr, len uint64 }

// ioctlBuf passes an argument of varying size, which is of octets.
func ioctlBuf(fd int, nr uintptr, arg []byte) error {
	var pin runtime.Pinner
	pin.Pin(&arg[0])
	defer pin.Unpin()
	_, err := ioctl(fd, iocRead, kindTEE, nr, &bufData{uint64(uintptr(unsafe.Pointer(&arg[0]))), uint64(len(arg))})
	return err
}

// address gives where memory lies that the driver is to register.
func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }
