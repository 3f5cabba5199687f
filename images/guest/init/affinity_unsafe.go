//go:build linux

package main

import (
	"syscall"
	"unsafe" // the system call takes the address of a mask
)

// setAffinity says on which processors the calling thread may run.
func setAffinity(mask uint64) error {
	_, _, errno := syscall.Syscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return errno
	}
	return nil
}
