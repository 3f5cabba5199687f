package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Images are locked as QEMU locks them (block/file-posix.c), so that each of the two programs refuses what the other one is using:
// a shared lock on byte 100+n says that this process does n, one on byte 200+n that nobody else may.
const (
	lockDoes    = 100
	lockForbids = 200

	imageRead   = 0 // reads that want to see what was written last
	imageWrite  = 1
	imageResize = 3
)

// lockImage keeps others from writing to an image, and from reading it while it is written. Closing the file ends it.
func lockImage(f *os.File, write bool) error {
	does := []int64{imageRead}
	if write {
		does = append(does, imageWrite)
	}
	forbids := []int64{imageWrite, imageResize}
	lock := func(command int, kind int16, at int64) (unix.Flock_t, error) {
		l := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: at, Len: 1}
		err := unix.FcntlFlock(f.Fd(), command, &l)
		return l, err
	}
	take := func(at int64) error {
		_, err := lock(unix.F_OFD_SETLK, unix.F_RDLCK, at)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOTSUP) {
			return nil // a file system without locks
		}
		return err
	}
	free := func(at int64) error {
		l, err := lock(unix.F_OFD_GETLK, unix.F_WRLCK, at)
		if err == nil && l.Type != unix.F_UNLCK {
			return fmt.Errorf("is locked: another process is using it")
		}
		return nil
	}
	for _, n := range does {
		if err := take(lockDoes + n); err != nil {
			return fmt.Errorf("cannot be locked: %w", err)
		}
	}
	for _, n := range forbids {
		if err := take(lockForbids + n); err != nil {
			return fmt.Errorf("cannot be locked: %w", err)
		}
	}
	for _, n := range does {
		if err := free(lockForbids + n); err != nil {
			return err
		}
	}
	for _, n := range forbids {
		if err := free(lockDoes + n); err != nil {
			return err
		}
	}
	return nil
}
