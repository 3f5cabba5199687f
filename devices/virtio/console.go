package virtio

import (
	"encoding/binary"
	"io"

	"gatehouse/platform/bus"
)

// Queues of a console with one port (VIRTIO 5.3.2).
const (
	ConsoleReceive  = 0
	ConsoleTransmit = 1
)

// ConsoleFeatureEmergWrite is the emergency write of a character through the configuration space (VIRTIO 5.3.3).
const ConsoleFeatureEmergWrite = 1 << 2

// Configuration space (VIRTIO 5.3.4): columns, rows, ports, emergency write.
const (
	consoleEmergWrite  = 0x08 // u32
	consoleConfigBytes = 0x0C
)

// consoleInput is how many received characters wait for a buffer at most.
const consoleInput = 4096

// Console is a console device with one port (VIRTIO 5.3).
type Console struct {
	t     *Transport
	out   io.Writer
	input []byte // received, and not given to the driver yet
	off   uint64 // byte of the request that is under way
	buf   [Chunk]byte
}

// NewConsole makes a console that transmits to out, whose errors are ignored: a guest cannot be told of them.
func NewConsole(out io.Writer) *Console { return &Console{out: out} }

func (c *Console) attach(t *Transport) { c.t = t }

// ID is the type of the device.
func (c *Console) ID() uint32 { return 3 }

// Features is the emergency write.
func (c *Console) Features() uint64 { return ConsoleFeatureEmergWrite }

// Queues is 2.
func (c *Console) Queues() int { return 2 }

// Config says that there is one port.
func (c *Console) Config() []byte {
	p := make([]byte, consoleConfigBytes)
	binary.LittleEndian.PutUint32(p[4:], 1)
	return p
}

// SetConfig transmits a character that is written to the emergency register, whether or not a driver has started the device.
func (c *Console) SetConfig(off uint64, _ int, v uint32) {
	if off == consoleEmergWrite {
		_, _ = c.out.Write([]byte{byte(v)})
	}
}

// Reset forgets what was received.
func (c *Console) Reset() { c.input, c.off = nil, 0 }

// Wants says whether there is something to receive; transmitting is always possible.
func (c *Console) Wants(queue int) bool { return queue != ConsoleReceive || len(c.input) > 0 }

// Begin takes a request.
func (c *Console) Begin(*Request) error {
	c.off = 0
	return nil
}

// Step transmits a chunk, or hands over what was received.
func (c *Console) Step(r *Request) (n int, done bool) {
	if r.Queue == ConsoleReceive {
		n = int(min(r.Writable(), uint64(len(c.input))))
		if r.Write(0, c.input[:n]) == bus.OKAY {
			c.input = c.input[n:]
		}
		return n, true
	}
	n = int(min(r.Readable()-c.off, Chunk))
	p := c.buf[:n]
	if r.Read(c.off, p) != bus.OKAY {
		return 0, true // nothing of it is known
	}
	_, _ = c.out.Write(p)
	c.off += uint64(n)
	return n, c.off == r.Readable()
}

// CanReceive reports whether Receive would take a character now: a driver runs, and not too many characters wait for it.
func (c *Console) CanReceive() bool {
	return c.t != nil && c.t.running() && c.t.queues[ConsoleReceive].ready && len(c.input) < consoleInput
}

// Receive hands in characters from outside and gives the number that were taken. What does not fit is left to the caller.
func (c *Console) Receive(p []byte) int {
	if !c.CanReceive() {
		return 0
	}
	n := min(len(p), consoleInput-len(c.input))
	c.input = append(c.input, p[:n]...)
	if n > 0 {
		c.t.kick()
	}
	return n
}
