package dmabuf

import (
	"errors"

	"gatehouse/normalworld"
)

// Flags of open files and descriptors, for arm64 (include/uapi/asm-generic/fcntl.h).
const (
	ORdOnly   = 0
	OWrOnly   = 1
	ORdWr     = 2
	OAccMode  = 3
	ONonblock = 0o4000
	OCloexec  = 0o2000000
)

// Limits of descriptors.
const (
	// DefaultLimit is RLIMIT_NOFILE of a process that has not changed it.
	DefaultLimit = 1024
	// MaxLimit is fs.nr_open.
	MaxLimit = 1 << 20
	// MaxRights is how many descriptors one message carries (SCM_MAX_FD).
	MaxRights = 253
)

// File is what a descriptor stands for: a Buffer, or another kind of open file with references.
type File interface {
	// Get takes a reference.
	Get() error
	// Put gives it back.
	Put() error
}

type descriptor struct {
	file    File
	cloexec bool
	closing bool // the file is being put; the number is taken until that is done
}

// Files is a process's table of descriptors.
type Files struct {
	table []descriptor
	free  int // no descriptor below is free
	limit int
	open  int
}

// NewFiles makes an empty table with room for limit descriptors; 0 stands for DefaultLimit.
func NewFiles(limit int) *Files {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Files{limit: min(limit, MaxLimit)}
}

// SetLimit changes the limit (RLIMIT_NOFILE). Descriptors above a new limit stay open.
func (t *Files) SetLimit(limit int) { t.limit = max(0, min(limit, MaxLimit)) }

// Open is the number of descriptors in use.
func (t *Files) Open() int { return t.open }

// lowest finds the lowest free descriptor from min on, or -1.
func (t *Files) lowest(min int) int32 {
	fd := max(min, t.free)
	for fd < len(t.table) && (t.table[fd].file != nil || t.table[fd].closing) {
		fd++
	}
	if fd >= t.limit {
		return -1
	}
	return int32(fd)
}

func (t *Files) set(fd int32, f File, cloexec bool) {
	for int(fd) >= len(t.table) {
		t.table = append(t.table, descriptor{})
	}
	t.table[fd] = descriptor{file: f, cloexec: cloexec}
	t.open++
	if int(fd) == t.free {
		t.free++
	}
}

// put takes a descriptor that is in use out of the table and puts its reference. What the file does then may use the table: it does
// not find the descriptor, and does not get its number. After an error it is there again.
func (t *Files) put(fd int32) error {
	d := t.table[fd]
	t.table[fd] = descriptor{closing: true}
	t.open--
	if err := d.file.Put(); err != nil {
		t.table[fd] = d
		t.open++
		return err
	}
	t.table[fd] = descriptor{}
	t.free = min(t.free, int(fd))
	return nil
}

func (t *Files) at(fd int32) *descriptor {
	if fd < 0 || int(fd) >= len(t.table) || t.table[fd].file == nil {
		return nil
	}
	return &t.table[fd]
}

// Install gives f the lowest free descriptor (dma_buf_fd). The caller's reference becomes the descriptor's, unless there is an error:
// EMFILE where the table is full. Of flags, OCloexec counts.
func (t *Files) Install(f File, flags uint32) (int32, error) {
	fd := t.lowest(0)
	if fd < 0 {
		return -1, normalworld.EMFILE
	}
	t.set(fd, f, flags&OCloexec != 0)
	return fd, nil
}

// Get gives the buffer behind a descriptor with a new reference (dma_buf_get): EBADF where it is free, EINVAL where it is not a
// buffer.
func (t *Files) Get(fd int32) (*Buffer, error) {
	f, err := t.Lookup(fd)
	if err != nil {
		return nil, err
	}
	b, ok := f.(*Buffer)
	if !ok {
		return nil, normalworld.EINVAL
	}
	return b, b.Get()
}

// Lookup gives the file behind a descriptor, without a reference: EBADF where it is free.
func (t *Files) Lookup(fd int32) (File, error) {
	d := t.at(fd)
	if d == nil {
		return nil, normalworld.EBADF
	}
	return d.file, nil
}

// Close frees a descriptor and puts its reference. Where a rule forbids that, the descriptor stays.
func (t *Files) Close(fd int32) error {
	if t.at(fd) == nil {
		return normalworld.EBADF
	}
	return t.put(fd)
}

// CloseAll is the end of a process: it closes every descriptor, and gives the first error; descriptors with an error stay.
func (t *Files) CloseAll() error { return t.closeIf(false) }

// CloseOnExec closes the descriptors with OCloexec, as execve does.
func (t *Files) CloseOnExec() error { return t.closeIf(true) }

func (t *Files) closeIf(cloexec bool) error {
	var first error
	for fd := range t.table {
		if t.table[fd].file == nil || cloexec && !t.table[fd].cloexec {
			continue
		}
		if err := t.Close(int32(fd)); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Dup gives the file the lowest free descriptor as a second one, without OCloexec.
func (t *Files) Dup(fd int32) (int32, error) { return t.DupFrom(fd, 0, 0) }

// DupFrom is fcntl's F_DUPFD and, with OCloexec in flags, F_DUPFD_CLOEXEC: the lowest free descriptor from min on. EINVAL where min
// is not below the limit.
func (t *Files) DupFrom(fd, min int32, flags uint32) (int32, error) {
	d := t.at(fd)
	switch {
	case d == nil:
		return -1, normalworld.EBADF
	case min < 0 || int(min) >= t.limit:
		return -1, normalworld.EINVAL
	}
	n := t.lowest(int(min))
	if n < 0 {
		return -1, normalworld.EMFILE
	}
	f := d.file
	if err := f.Get(); err != nil {
		return -1, err
	}
	t.set(n, f, flags&OCloexec != 0)
	return n, nil
}

// Dup2 makes to a second descriptor of fd's file, and closes what to was. With fd and to the same it does nothing. EBUSY where to is
// just being closed.
func (t *Files) Dup2(fd, to int32) error {
	if fd == to && t.at(fd) != nil {
		return nil
	}
	return t.dup3(fd, to, false)
}

// Dup3 is Dup2 with flags: OCloexec or 0. EINVAL where fd and to are the same.
func (t *Files) Dup3(fd, to int32, flags uint32) error {
	if flags&^OCloexec != 0 || fd == to {
		return normalworld.EINVAL
	}
	return t.dup3(fd, to, flags&OCloexec != 0)
}

func (t *Files) dup3(fd, to int32, cloexec bool) error {
	d := t.at(fd)
	if d == nil || to < 0 || int(to) >= t.limit {
		return normalworld.EBADF
	}
	f := d.file
	if err := f.Get(); err != nil {
		return err
	}
	if t.at(to) != nil {
		if err := t.put(to); err != nil {
			return errors.Join(err, f.Put())
		}
	} else if int(to) < len(t.table) && t.table[to].closing {
		return errors.Join(normalworld.EBUSY, f.Put())
	}
	t.set(to, f, cloexec)
	return nil
}

// Cloexec is fcntl's F_GETFD.
func (t *Files) Cloexec(fd int32) (bool, error) {
	d := t.at(fd)
	if d == nil {
		return false, normalworld.EBADF
	}
	return d.cloexec, nil
}

// SetCloexec is fcntl's F_SETFD.
func (t *Files) SetCloexec(fd int32, on bool) error {
	d := t.at(fd)
	if d == nil {
		return normalworld.EBADF
	}
	d.cloexec = on
	return nil
}

// Clone is fork: a table with the same descriptors, and references of its own.
func (t *Files) Clone() (*Files, error) {
	n := &Files{limit: t.limit}
	for fd, d := range t.table {
		if d.file == nil {
			continue
		}
		if err := d.file.Get(); err != nil {
			_ = n.CloseAll()
			return nil, err
		}
		n.set(int32(fd), d.file, d.cloexec)
	}
	n.free = 0
	return n, nil
}

// MMap maps a buffer by its descriptor: EBADF, ENODEV for another kind of file, EACCES where the file's access mode forbids it, else
// as Buffer.MMap.
func (t *Files) MMap(fd int32, offset, length uint64, prot Prot) (*Mapping, error) {
	f, err := t.Lookup(fd)
	if err != nil {
		return nil, err
	}
	b, ok := f.(*Buffer)
	if !ok {
		return nil, normalworld.ENODEV
	}
	if mode := b.flags & OAccMode; mode == OWrOnly || prot&ProtWrite != 0 && mode != ORdWr {
		return nil, normalworld.EACCES
	}
	return b.MMap(offset, length, prot)
}

// Rights are descriptors on their way from one process to another (SCM_RIGHTS). They hold references.
type Rights struct{ files []File }

// Send takes references to the files behind fds (sendmsg): EBADF, or EINVAL for more than MaxRights.
func (t *Files) Send(fds ...int32) (*Rights, error) {
	if len(fds) > MaxRights {
		return nil, normalworld.EINVAL
	}
	r := new(Rights)
	for _, fd := range fds {
		f, err := t.Lookup(fd)
		if err == nil {
			err = f.Get()
		}
		if err != nil {
			_ = r.Discard()
			return nil, err
		}
		r.files = append(r.files, f)
	}
	return r, nil
}

// Receive installs what r carries (recvmsg; OCloexec in flags is MSG_CMSG_CLOEXEC), and empties r. What does not fit into the table is
// discarded, and truncated is true (MSG_CTRUNC).
func (t *Files) Receive(r *Rights, flags uint32) (fds []int32, truncated bool) {
	for len(r.files) > 0 {
		fd, err := t.Install(r.files[0], flags)
		if err != nil {
			_ = r.Discard()
			return fds, true
		}
		fds = append(fds, fd)
		r.files = r.files[1:]
	}
	return fds, false
}

// Discard is a message that nobody receives. It gives the first error of a Put; what has an error stays in r.
func (r *Rights) Discard() error {
	var first error
	kept := r.files[:0]
	for _, f := range r.files {
		if err := f.Put(); err != nil {
			kept = append(kept, f)
			if first == nil {
				first = err
			}
		}
	}
	r.files = kept
	return first
}

// Len is the number of files that r carries.
func (r *Rights) Len() int { return len(r.files) }

// Fetch takes a descriptor out of another process's table (pidfd_getfd). The new one has OCloexec.
func (t *Files) Fetch(from *Files, fd int32) (int32, error) {
	f, err := from.Lookup(fd)
	if err != nil {
		return -1, err
	}
	if err := f.Get(); err != nil {
		return -1, err
	}
	n, err := t.Install(f, OCloexec)
	if err != nil {
		_ = f.Put()
		return -1, err
	}
	return n, nil
}
