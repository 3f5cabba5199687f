package virtio

import (
	"math"

	"gatehouse/platform/event"
	"gatehouse/platform/vtime"
)

// phase is what a slot does when its timer expires.
type phase uint8

const (
	idle     phase = iota
	take           // take the next request
	move           // move data of the request
	complete       // give the request's buffers back
)

// kick makes an idle device look for requests.
func (t *Transport) kick() {
	if t.phase == idle && t.running() {
		t.after(take, Latency)
	}
}

func (t *Transport) after(p phase, ns uint64) {
	t.phase = p
	t.timer.Set(t.clock.Now() + ns)
}

// cancel forgets what the slot was doing.
func (t *Transport) cancel() {
	t.phase = idle
	t.request = Request{}
	if t.device == nil {
		return
	}
	t.timer.Stop()
	t.device.Reset()
	if t.begun {
		t.report(event.End, "CANCELLED")
	}
}

// Expire is called by the timer.
func (t *Transport) Expire(*vtime.Timer, uint64) {
	p := t.phase
	t.phase = idle
	if !t.running() {
		// The driver has withdrawn DRIVER_OK or FEATURES_OK; it will reset the device.
		t.cancel()
		return
	}
	t.onBus = true
	cause := error(nil)
	switch p {
	case take:
		cause = t.take()
	case move:
		t.move()
	case complete:
		cause = t.complete()
	default:
		panic("BUG: the timer of a virtio slot runs while it is idle")
	}
	t.onBus = false
	if cause != nil {
		t.needReset(cause.Error())
	}
}

// take begins the next request, if there is one. Queues take turns.
func (t *Transport) take() error {
	for i := range t.queues {
		n := (t.turn + i) % len(t.queues)
		q := &t.queues[n]
		if !q.ready || !t.device.Wants(n) {
			continue
		}
		head, ok, err := t.next(q)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		t.turn = (n + 1) % len(t.queues)
		t.request = Request{Queue: n, port: t.port, queue: q, head: head}
		if err := t.chain(q, &t.request); err != nil {
			return err
		}
		if err := t.device.Begin(&t.request); err != nil {
			return err
		}
		t.after(move, 0)
		return nil
	}
	return nil
}

// move lets the device move a chunk. The time of the last one passes before the request is complete.
func (t *Transport) move() {
	n, done := t.device.Step(&t.request)
	if done {
		t.after(complete, uint64(n)*ByteTime)
	} else {
		t.after(move, max(uint64(n)*ByteTime, 1))
	}
}

// complete gives the buffers back, and goes on to the next request.
func (t *Transport) complete() error {
	r := t.request
	t.request = Request{}
	if t.begun {
		t.report(event.End, r.end, r.fields...)
	}
	notify, err := t.give(r.queue, r.head, uint32(min(r.written, math.MaxUint32)))
	if err != nil {
		return err
	}
	if notify {
		t.raise(IntUsedBuffer)
	}
	t.after(take, Latency)
	return nil
}
