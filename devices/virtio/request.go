package virtio

import (
	"errors"

	"gatehouse/platform/bus"
	"gatehouse/platform/event"
)

// segment is one buffer of a driver.
type segment struct {
	addr uint64
	len  uint32
}

// Request is a chain of buffers: a stream of bytes for the device to read, and room for it to write.
type Request struct {
	// Queue is the number of the virtqueue that it came from.
	Queue int

	port    *bus.Port
	queue   *queue
	head    uint16
	out, in stream
	end     string // name and fields of the event that ends it
	fields  []event.Field
	written uint64 // bytes that were written from the first one on, without a gap
}

// stream is the buffers of one direction, one behind the other.
type stream struct {
	segments []segment
	len      uint64
}

// add appends a buffer. Those that the device reads must come first (VIRTIO 2.7.4.2).
func (r *Request) add(s segment, write bool) error {
	d := &r.out
	if write {
		d = &r.in
	} else if len(r.in.segments) > 0 {
		return errors.New("a buffer to read behind one to write")
	}
	d.segments = append(d.segments, s)
	d.len += uint64(s.len)
	if r.out.len+r.in.len > maxChainBytes {
		return errors.New("a chain of more than 4 GiB")
	}
	return nil
}

// each calls do for the buffers, as far as they hold n bytes from off on, until it fails. It gives the number of bytes that went well.
func (s *stream) each(off uint64, n int, do func(addr uint64, from, to int) bus.Response) (int, bus.Response) {
	done := 0
	for _, g := range s.segments {
		if done == n {
			break
		}
		if off >= uint64(g.len) {
			off -= uint64(g.len)
			continue
		}
		k := int(min(uint64(g.len)-off, uint64(n-done)))
		if g.addr+off < g.addr {
			return done, bus.DECERR
		}
		if resp := do(g.addr+off, done, done+k); resp != bus.OKAY {
			return done, resp
		}
		done += k
		off = 0
	}
	return done, bus.OKAY
}

// Readable is how many bytes the device may read.
func (r *Request) Readable() uint64 { return r.out.len }

// Writable is how many bytes the device may write.
func (r *Request) Writable() uint64 { return r.in.len }

// Read fills p with what the driver sent from byte off on; p must not reach beyond Readable. Where the bus refuses a part, p is zero.
func (r *Request) Read(off uint64, p []byte) bus.Response {
	_, resp := r.out.each(off, len(p), func(addr uint64, from, to int) bus.Response { return r.port.Read(addr, p[from:to]) })
	if resp != bus.OKAY {
		clear(p)
	}
	return resp
}

// Write puts p at byte off of the driver's room; p must not reach beyond Writable. The first part that the bus refuses ends it.
func (r *Request) Write(off uint64, p []byte) bus.Response {
	n, resp := r.in.each(off, len(p), func(addr uint64, from, to int) bus.Response { return r.port.Write(addr, p[from:to]) })
	if off == r.written {
		r.written += uint64(n)
	}
	return resp
}
