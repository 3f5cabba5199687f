package normalworld

import "strconv"

// Errno is an error number of Linux for arm64, positive as user space sees it (include/uapi/asm-generic/errno-base.h, errno.h).
type Errno int32

// The numbers that the layers of this package's folder answer with.
const (
	EPERM        Errno = 1
	ENOENT       Errno = 2
	EINTR        Errno = 4
	EIO          Errno = 5
	ENXIO        Errno = 6
	E2BIG        Errno = 7
	EBADF        Errno = 9
	EAGAIN       Errno = 11
	ENOMEM       Errno = 12
	EACCES       Errno = 13
	EFAULT       Errno = 14
	EBUSY        Errno = 16
	EEXIST       Errno = 17
	ENODEV       Errno = 19
	EINVAL       Errno = 22
	ENFILE       Errno = 23
	EMFILE       Errno = 24
	ENOTTY       Errno = 25
	EFBIG        Errno = 27
	ENOSPC       Errno = 28
	ESPIPE       Errno = 29
	EROFS        Errno = 30
	EPIPE        Errno = 32
	ERANGE       Errno = 34
	EDEADLK      Errno = 35
	ENAMETOOLONG Errno = 36
	ENOSYS       Errno = 38
	ENODATA      Errno = 61
	ECOMM        Errno = 70
	EPROTO       Errno = 71
	EBADMSG      Errno = 74
	EOVERFLOW    Errno = 75
	EOPNOTSUPP   Errno = 95
	ENOBUFS      Errno = 105
	ETIMEDOUT    Errno = 110
	EINPROGRESS  Errno = 115
	ECANCELED    Errno = 125
	ENOKEY       Errno = 126
	EKEYREJECTED Errno = 129
	EPROBE_DEFER Errno = 517 // include/linux/errno.h: within the kernel only
	ENOTSUPP     Errno = 524 // likewise
)

var errnoText = map[Errno]string{
	EPERM: "EPERM: operation not permitted", ENOENT: "ENOENT: no such file or directory", EINTR: "EINTR: interrupted",
	EIO: "EIO: input/output error", ENXIO: "ENXIO: no such device or address", E2BIG: "E2BIG: argument list too long",
	EBADF: "EBADF: bad file descriptor", EAGAIN: "EAGAIN: try again", ENOMEM: "ENOMEM: out of memory", EACCES: "EACCES: permission denied",
	EFAULT: "EFAULT: bad address", EBUSY: "EBUSY: device or resource busy", EEXIST: "EEXIST: exists", ENODEV: "ENODEV: no such device",
	EINVAL: "EINVAL: invalid argument", ENFILE: "ENFILE: too many open files in the system", EMFILE: "EMFILE: too many open files",
	ENOTTY: "ENOTTY: inappropriate ioctl for the device", EFBIG: "EFBIG: too large", ENOSPC: "ENOSPC: no space left", ESPIPE: "ESPIPE: illegal seek",
	EROFS: "EROFS: read-only", EPIPE: "EPIPE: broken pipe", ERANGE: "ERANGE: result out of range", EDEADLK: "EDEADLK: would deadlock",
	ENAMETOOLONG: "ENAMETOOLONG: name too long", ENOSYS: "ENOSYS: function not implemented", ENODATA: "ENODATA: no data available",
	ECOMM: "ECOMM: communication error on send", EPROTO: "EPROTO: protocol error", EBADMSG: "EBADMSG: bad message",
	EOVERFLOW: "EOVERFLOW: value too large", EOPNOTSUPP: "EOPNOTSUPP: operation not supported", ENOBUFS: "ENOBUFS: no buffer space",
	ETIMEDOUT: "ETIMEDOUT: timed out", EINPROGRESS: "EINPROGRESS: in progress", ECANCELED: "ECANCELED: cancelled",
	ENOKEY: "ENOKEY: no such key", EKEYREJECTED: "EKEYREJECTED: key rejected", EPROBE_DEFER: "EPROBE_DEFER: probe again later",
	ENOTSUPP: "ENOTSUPP: not supported",
}

func (e Errno) Error() string {
	if s := errnoText[e]; s != "" {
		return s
	}
	return "errno " + strconv.Itoa(int(e))
}
