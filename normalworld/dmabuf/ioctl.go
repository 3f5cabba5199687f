package dmabuf

import (
	"bytes"
	"encoding/binary"
	"errors"

	"gatehouse/normalworld"
)

// The ioctls of a dma-buf's descriptor (include/uapi/linux/dma-buf.h), type 'b'.
const (
	IoctlSync           = 0x4008_6200 // _IOW 0: u64 flags
	IoctlSetNameA       = 0x4004_6201 // _IOW 1, as 32-bit programs have it
	IoctlSetNameB       = 0x4008_6201 // _IOW 1: the name, ended by a zero byte
	IoctlExportSyncFile = 0xc008_6202 // _IOWR 2: u32 flags, s32 fd
	IoctlImportSyncFile = 0x4008_6203 // _IOW 3: u32 flags, s32 fd
)

// Ioctl is an ioctl of the process with table t on descriptor fd. arg is the process's memory at the argument, for the two that set a
// name at the name itself: EFAULT where it ends too early, ENOTTY for other numbers and other files, else as the operation.
func (t *Files) Ioctl(fd int32, cmd uint32, arg []byte) error {
	f, err := t.Lookup(fd)
	if err != nil {
		return err
	}
	b, ok := f.(*Buffer)
	if !ok {
		return normalworld.ENOTTY
	}
	le := binary.LittleEndian
	switch cmd {
	case IoctlSync:
		if len(arg) < 8 {
			return normalworld.EFAULT
		}
		return b.Sync(le.Uint64(arg))
	case IoctlSetNameA, IoctlSetNameB:
		end := bytes.IndexByte(arg[:min(len(arg), MaxName)], 0)
		switch {
		case end < 0 && len(arg) < MaxName:
			return normalworld.EFAULT
		case end < 0:
			return normalworld.EINVAL
		}
		return b.SetName(string(arg[:end]))
	case IoctlExportSyncFile, IoctlImportSyncFile:
		if len(arg) < 8 {
			return normalworld.EFAULT
		}
		flags := le.Uint32(arg)
		if flags&^(SyncRead|SyncWrite) != 0 || flags == 0 {
			return normalworld.EINVAL
		}
		if cmd == IoctlImportSyncFile {
			return t.importSyncFile(b, int32(le.Uint32(arg[4:])), flags)
		}
		n, err := t.Install(&SyncFile{fences: b.resv.Fences(UsageRW(flags&SyncWrite != 0)), refs: 1}, OCloexec)
		if err != nil {
			return err
		}
		le.PutUint32(arg[4:], uint32(n))
		return nil
	}
	return normalworld.ENOTTY
}

func (t *Files) importSyncFile(b *Buffer, fd int32, flags uint32) error {
	f, err := t.Lookup(fd)
	s, ok := f.(*SyncFile)
	if err != nil || !ok {
		return normalworld.EINVAL
	}
	u := ReadUsage
	if flags&SyncWrite != 0 {
		u = WriteUsage
	}
	for _, fence := range s.fences {
		if err := b.resv.Add(fence, u); err != nil {
			return err
		}
	}
	return nil
}

// SyncFile is a set of fences behind a descriptor (drivers/dma-buf/sync_file.c).
type SyncFile struct {
	fences []*Fence
	refs   int
}

// NewSyncFile makes a file of fences, with one reference.
func NewSyncFile(fences ...*Fence) *SyncFile { return &SyncFile{fences: fences, refs: 1} }

// Get takes a reference.
func (s *SyncFile) Get() error {
	if s.refs == 0 {
		return normalworld.EBADF
	}
	s.refs++
	return nil
}

// Put gives it back.
func (s *SyncFile) Put() error {
	if s.refs == 0 {
		return normalworld.EBADF
	}
	s.refs--
	return nil
}

// Fences are what the file stands for.
func (s *SyncFile) Fences() []*Fence { return s.fences }

// Poll is PollIn when all fences are signalled.
func (s *SyncFile) Poll() uint32 {
	for _, f := range s.fences {
		if !f.Signalled() {
			return 0
		}
	}
	return PollIn
}

// Wait waits for all fences, as Fence.Wait does for one, and gives the errors that they were signalled with.
func (s *SyncFile) Wait(limit uint64) error {
	var errs []error
	for _, f := range s.fences {
		start := f.line.core.Kernel.Now()
		if err := f.Wait(limit); err != nil {
			return err
		}
		limit -= min(limit, f.line.core.Kernel.Now()-start)
		errs = append(errs, f.Err())
	}
	return errors.Join(errs...)
}
