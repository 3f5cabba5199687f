package optee

import (
	"gatehouse/normalworld"
	"gatehouse/smc/optee"
)

// defaultMaxKey is the largest key of a notification where the secure world names none (OPTEE_DEFAULT_MAX_NOTIF_VALUE).
const defaultMaxKey = 255

// notifications are the keys that calls wait for, and those that were sent before anybody waited (struct optee_notif).
type notifications struct {
	max     uint32
	sent    map[uint32]bool // looked up, never ranged over
	waiters []*call
}

// notification is RPC NOTIFICATION: value a waits (0) or sends (1), b is the key, c a timeout in milliseconds or 0.
func (c *call) notification(v optee.Value) {
	d := c.d
	key := uint32(v.B)
	switch {
	case key > d.notif.max:
		c.answer(optee.ErrorBadParameters)
	case v.A == optee.NotificationSend:
		d.notif.send(key)
		c.answer(optee.Success)
	case v.A != optee.NotificationWait:
		c.answer(optee.ErrorBadParameters)
	case d.notif.sent[key]:
		delete(d.notif.sent, key)
		c.answer(optee.Success)
	case d.notif.waits(key):
		// Two calls cannot wait for one key.
		c.answer(optee.ErrorBadParameters)
	default:
		c.key, c.woken, c.state = key, false, waitsKey
		if t := uint64(uint32(v.C)); t != 0 {
			c.deadline = d.k.Now() + t*1e6
		}
		d.notif.waiters = append(d.notif.waiters, c)
	}
}

func (n *notifications) waits(key uint32) bool {
	for _, w := range n.waiters {
		if w.key == key {
			return true
		}
	}
	return false
}

// send wakes the call that waits for a key, or the next one that will.
func (n *notifications) send(key uint32) {
	if key > n.max {
		return
	}
	for _, w := range n.waiters {
		if w.key == key {
			w.woken = true
			n.leave(w)
			return
		}
	}
	if n.sent == nil {
		n.sent = make(map[uint32]bool)
	}
	n.sent[key] = true
}

func (n *notifications) leave(c *call) {
	for i, w := range n.waiters {
		if w == c {
			n.waiters = append(n.waiters[:i], n.waiters[i+1:]...)
			return
		}
	}
}

// bottomHalf tells the secure world that it can do what it could not in its interrupt (optee_do_bottom_half). Its result does not
// matter.
func (d *Driver) bottomHalf() { d.simple(optee.CmdDoBottomHalf) }

func (d *Driver) simple(cmd optee.Command) {
	if d.ctx == nil {
		return
	}
	c, err := d.newCall(d.ctx, cmd)
	if err == nil {
		d.run(c)
		c.done()
	}
}

// Notify is a notification by its key, for what tells the driver of one by other ways than an interrupt. EINVAL beyond the
// largest key.
func (d *Driver) Notify(key uint32) error {
	if key > d.notif.max {
		return normalworld.EINVAL
	}
	d.notif.send(key)
	return nil
}
