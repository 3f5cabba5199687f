//go:build linux

package main

import (
	"runtime"
	"unsafe" // the system call takes addresses

	"golang.org/x/sys/unix"
)

// kexecLoad is kexec_load(2).
func kexecLoad(entry uint64, segments []segment) error {
	type kexecSegment struct {
		buf     unsafe.Pointer
		bufsz   uint64
		mem     uint64
		memsize uint64
	}
	var list []kexecSegment
	for _, s := range segments {
		n := uint64(len(s.data))
		list = append(list, kexecSegment{unsafe.Pointer(&s.data[0]), n, s.at, (n + page - 1) &^ (page - 1)})
	}
	_, _, errno := unix.Syscall6(unix.SYS_KEXEC_LOAD, uintptr(entry), uintptr(len(list)), uintptr(unsafe.Pointer(&list[0])), kexecArchAArch64, 0, 0)
	runtime.KeepAlive(segments)
	if errno != 0 {
		return errno
	}
	return nil
}
