//go:build unix

package linuxtest

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has taken: what a loop costs, however busy the host is.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
