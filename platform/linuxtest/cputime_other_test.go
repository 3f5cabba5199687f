//go:build !unix

package linuxtest

import "time"

// cpuTime is unknown here.
func cpuTime() time.Duration { return 0 }
