package bus

import "syscall"

// The memory comes from mmap and not from the Go heap: a guest's gigabytes would otherwise set the pace of the garbage
// collector, and a reset could not hand untouched pages back.

func allocate(size uint64) ([]byte, error) {
	return syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
}

func release(mem []byte) {
	if syscall.Madvise(mem, syscall.MADV_DONTNEED) != nil {
		clear(mem)
	}
}

func free(mem []byte) {
	// Nothing can be done about a failure, and nothing depends on it.
	_ = syscall.Munmap(mem)
}
