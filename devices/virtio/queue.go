package virtio

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gatehouse/platform/bus"
)

// queue is one split virtqueue.
type queue struct {
	num                  uint32 // descriptors
	desc, driver, device uint64 // addresses of the three areas
	ready                bool
	avail                uint16 // index of the next available entry
	used                 uint16 // index of the next used entry
}

// stop is QueueReady 0.
func (q *queue) stop() { q.ready, q.avail, q.used = false, 0, 0 }

// check says what is wrong with the settings of a queue that is to be ready (VIRTIO 2.7), or nothing.
func (q *queue) check() string {
	switch {
	case q.num == 0 || q.num > MaxQueueSize || q.num&(q.num-1) != 0:
		return fmt.Sprintf("queue size %d", q.num)
	case q.desc%descAlign != 0:
		return fmt.Sprintf("descriptors at %#x", q.desc)
	case q.driver%driverAlign != 0:
		return fmt.Sprintf("driver area at %#x", q.driver)
	case q.device%deviceAlign != 0:
		return fmt.Sprintf("device area at %#x", q.device)
	}
	return ""
}

func unreachable(what string, addr uint64, resp bus.Response) error {
	return fmt.Errorf("%s at %#x: %v", what, addr, resp)
}

// next takes the head of the next available chain; ok is false where there is none.
func (t *Transport) next(q *queue) (head uint16, ok bool, err error) {
	index, resp := t.port.Load(q.driver+ringIndex, 2)
	if resp != bus.OKAY {
		return 0, false, unreachable("available index", q.driver+ringIndex, resp)
	}
	pending := uint16(index) - q.avail
	switch {
	case pending == 0:
		return 0, false, nil
	case uint32(pending) > q.num:
		return 0, false, fmt.Errorf("available index goes from %d to %d in a queue of %d", q.avail, uint16(index), q.num)
	}
	at := q.driver + ringEntries + availBytes*(uint64(q.avail)%uint64(q.num))
	v, resp := t.port.Load(at, availBytes)
	if resp != bus.OKAY {
		return 0, false, unreachable("available ring", at, resp)
	}
	q.avail++
	if t.has(FeatureEventIdx) {
		// The driver notifies when it makes the entry available that the device waits for (VIRTIO 2.7.10).
		at := q.device + ringEntries + usedBytes*uint64(q.num)
		if resp := t.port.Store(at, 2, uint64(q.avail)); resp != bus.OKAY {
			return 0, false, unreachable("available event", at, resp)
		}
	}
	return uint16(v), true, nil
}

// chain reads the descriptors of a request (VIRTIO 2.7.5): those for the device to read come first.
func (t *Transport) chain(q *queue, r *Request) error {
	table, size, index := q.desc, q.num, uint32(r.head)
	indirect := false
	left := size // of the table, so that a loop ends
	for {
		switch {
		case index >= size:
			return fmt.Errorf("descriptor %d of %d", index, size)
		case left == 0:
			return errors.New("a loop of descriptors")
		case len(r.out.segments)+len(r.in.segments) == MaxChain:
			return fmt.Errorf("more than %d descriptors in a chain", MaxChain)
		}
		left--
		var d [descBytes]byte
		at := table + descBytes*uint64(index)
		if resp := t.port.Read(at, d[:]); resp != bus.OKAY {
			return unreachable("descriptor", at, resp)
		}
		addr, length := binary.LittleEndian.Uint64(d[0:]), binary.LittleEndian.Uint32(d[8:])
		flags, next := binary.LittleEndian.Uint16(d[12:]), binary.LittleEndian.Uint16(d[14:])
		if flags&descIndirect != 0 {
			switch {
			case !t.has(FeatureIndirectDesc):
				return errors.New("an indirect descriptor that was not agreed on")
			case indirect:
				return errors.New("an indirect descriptor in an indirect table")
			case flags&descNext != 0:
				return errors.New("an indirect descriptor with a next one")
			case length == 0 || length%descBytes != 0 || length > MaxChain*descBytes:
				return fmt.Errorf("an indirect table of %d bytes", length)
			}
			indirect = true
			table, size, index, left = addr, length/descBytes, 0, length/descBytes
			continue
		}
		if err := r.add(segment{addr, length}, flags&descWrite != 0); err != nil {
			return err
		}
		if flags&descNext == 0 {
			return nil
		}
		index = uint32(next)
	}
}

// give puts a used chain into the device area, and says whether the driver wants an interrupt for it.
func (t *Transport) give(q *queue, head uint16, written uint32) (notify bool, err error) {
	var e [usedBytes]byte
	binary.LittleEndian.PutUint32(e[0:], uint32(head))
	binary.LittleEndian.PutUint32(e[4:], written)
	at := q.device + ringEntries + usedBytes*(uint64(q.used)%uint64(q.num))
	if resp := t.port.Write(at, e[:]); resp != bus.OKAY {
		return false, unreachable("used ring", at, resp)
	}
	old := q.used
	q.used++
	if resp := t.port.Store(q.device+ringIndex, 2, uint64(q.used)); resp != bus.OKAY {
		return false, unreachable("used index", q.device+ringIndex, resp)
	}
	at = q.driver + ringFlags
	if t.has(FeatureEventIdx) {
		at = q.driver + ringEntries + availBytes*uint64(q.num)
	}
	v, resp := t.port.Load(at, 2)
	switch {
	case resp != bus.OKAY:
		return false, unreachable("driver area", at, resp)
	case t.has(FeatureEventIdx):
		return uint16(v) == old, nil // VIRTIO 2.7.7: the entry that the driver waits for
	}
	return v&noInterrupt == 0, nil
}
