package platform

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"gatehouse/platform/cpu"
)

// Operations ("Semihosting for AArch32 and AArch64", release 2.0, chapter 6). The others answer -1, as a host does that
// refuses them: the guest gets no files, no command line and no heap from here.
const (
	sysOpen         = 0x01
	sysClose        = 0x02
	sysWriteC       = 0x03
	sysWrite0       = 0x04
	sysWrite        = 0x05
	sysRead         = 0x06
	sysIsError      = 0x08
	sysIsTTY        = 0x09
	sysClock        = 0x10
	sysTime         = 0x11
	sysExit         = 0x18
	sysExitExtended = 0x20
	sysTickFreq     = 0x31
)

// stoppedApplicationExit is ADP_Stopped_ApplicationExit, the reason of SYS_EXIT whose subcode is an exit status (6.6).
const stoppedApplicationExit = 0x20026

// Handles of ":tt", the console, by the mode that it was opened with (6.12): reading, writing, appending. They need no table.
const (
	handleIn  = 1
	handleOut = 2
	handleErr = 3
)

const (
	semihostFailed = ^uint64(0)
	// semihostMax bounds, in bytes, what one call writes. The rest is reported as not written.
	semihostMax = 1 << 20
)

// Semihost serves HLT #0xF000: the operation in w0, its parameter or the address of its parameter block in x1, the result in
// x0. It returns false when the instruction is UNDEFINED: semihosting is off, or asked for at EL0, as on QEMU. Whatever the
// parameters point to, the worst result is -1.
func (e *env) Semihost(c *cpu.CPU) bool {
	m := (*Machine)(e)
	if !m.cfg.Semihosting || c.EL() == 0 {
		return false
	}
	c.X[0] = m.semihost(c, uint32(c.X[0]), c.X[1])
	return true
}

func (m *Machine) semihost(c *cpu.CPU, op uint32, param uint64) uint64 {
	switch op {
	case sysExit, sysExitExtended:
		block, ok := parameters(c, param, 2)
		if !ok {
			return semihostFailed
		}
		m.exited(block[0], block[1])
		return 0
	case sysWriteC:
		return m.semihostString(c, param, 1, false)
	case sysWrite0:
		return m.semihostString(c, param, semihostMax, true)
	case sysOpen:
		return open(c, param)
	case sysClose, sysIsTTY:
		block, ok := parameters(c, param, 1)
		switch {
		case !ok || block[0] < handleIn || block[0] > handleErr:
			return semihostFailed
		case op == sysIsTTY:
			return 1
		}
		return 0
	case sysWrite:
		block, ok := parameters(c, param, 3)
		if !ok {
			return semihostFailed
		}
		handle, addr, size := block[0], block[1], block[2]
		if handle != handleOut && handle != handleErr {
			return size
		}
		return size - m.semihostString(c, addr, min(size, semihostMax), false)
	case sysRead: // the console never has input here: the result is what was not read, all of it at the end of a file
		block, ok := parameters(c, param, 3)
		if !ok {
			return semihostFailed
		}
		return block[2]
	case sysIsError:
		block, ok := parameters(c, param, 1)
		if !ok || int64(block[0]) < 0 {
			return 1
		}
		return 0
	case sysClock:
		return m.clock.Now() / 1e7 // centiseconds
	case sysTime:
		return uint64(m.cfg.Epoch) + m.clock.Now()/1e9
	case sysTickFreq:
		return 1e9
	}
	return semihostFailed
}

// exited ends the machine as SYS_EXIT asks.
func (m *Machine) exited(reason, subcode uint64) {
	if reason != stoppedApplicationExit {
		m.stop(Exit{Reason: Exited, Code: 1, Message: fmt.Sprintf("semihosting exit with reason %#x", reason)})
		return
	}
	m.stop(Exit{Reason: Exited, Code: int(int32(subcode))})
}

// parameters reads a parameter block of n 64-bit words.
func parameters(c *cpu.CPU, addr uint64, n int) (block [3]uint64, ok bool) {
	var b [3 * 8]byte
	if c.Peek(addr, b[:8*n]) != 8*n {
		return block, false
	}
	for i := range n {
		block[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return block, true
}

// open gives the handle of ":tt". Nothing else can be opened.
func open(c *cpu.CPU, param uint64) uint64 {
	block, ok := parameters(c, param, 3)
	var name [4]byte
	switch {
	case !ok || block[2] != 3 || c.Peek(block[0], name[:]) != 4 || string(name[:]) != ":tt\x00" || block[1] > 11:
		return semihostFailed
	case block[1] < 4:
		return handleIn
	case block[1] < 8:
		return handleOut
	}
	return handleErr
}

// semihostString writes up to size bytes at addr to the first UART's output, up to a zero byte where the string ends with one,
// and gives the number of bytes. It stops where memory cannot be read.
func (m *Machine) semihostString(c *cpu.CPU, addr, size uint64, zero bool) uint64 {
	var b [512]byte
	written := uint64(0)
	for written < size {
		p := b[:min(size-written, uint64(len(b)))]
		n := c.Peek(addr+written, p)
		end := n < len(p)
		p = p[:n]
		if i := bytes.IndexByte(p, 0); zero && i >= 0 {
			p, end = p[:i], true
		}
		// A console that cannot be written must not stop the machine.
		_, _ = m.cfg.Serial[0].Write(p)
		written += uint64(len(p))
		if end {
			break
		}
	}
	return written
}
