package armffa

import (
	"gatehouse/ffa"
	"gatehouse/normalworld"
)

// Handler is told of a notification.
type Handler interface{ Notified(id uint32) }

// startNotifications prepares them, where the SPMC has them and names an interrupt by which it tells of them.
func (b *Bus) startNotifications() {
	if _, err := b.feature(uint32(ffa.NotificationBitmapCreate32)); err != nil {
		return
	}
	r := ffa.NotificationBitmapCreate{VM: b.id, VCPUs: 1}.Registers()
	b.call(&r)
	b.bitmap = true
	if success32(&r) == nil {
		// An SGI that Linux leaves to firmware: 8 to 15.
		if sgi, err := b.feature(uint32(ffa.FeatureSRI)); err == nil && sgi >= 8 && sgi <= 15 {
			b.sri = sgi
			return
		}
	}
	r = ffa.NotificationBitmapCreate{Destroy: true, VM: b.id}.Registers()
	b.call(&r)
	b.bitmap = false
}

// Notifications reports whether there are any.
func (b *Bus) Notifications() bool { return b.sri != 0 }

// Interrupt is the SGI that tells of pending notifications, or 0.
func (b *Bus) Interrupt() uint32 { return b.sri }

// Bind gives a partition the lowest notification that can be had, and handler what happens when it is pending.
func (b *Bus) Bind(from ffa.EndpointID, handler Handler) (uint32, error) {
	if b.sri == 0 {
		return 0, normalworld.EOPNOTSUPP
	}
	for id := range uint32(len(b.handlers)) {
		if b.handlers[id] != nil {
			continue
		}
		r := ffa.NotificationBind{Sender: from, Receiver: b.id, Bitmap: 1 << id}.Registers()
		b.call(&r)
		err := success32(&r)
		switch err {
		case nil:
			b.handlers[id], b.bound[id] = handler, from
			return id, nil
		case ffa.Denied: // somebody else's
		default:
			return 0, err
		}
	}
	return 0, normalworld.ENOMEM
}

// Unbind ends a notification. It ends for the kernel even if the secure world refuses.
func (b *Bus) Unbind(id uint32) error {
	if id >= uint32(len(b.handlers)) || b.handlers[id] == nil {
		return normalworld.EINVAL
	}
	r := ffa.NotificationBind{Unbind: true, Sender: b.bound[id], Receiver: b.id, Bitmap: 1 << id}.Registers()
	b.call(&r)
	b.handlers[id] = nil
	return success32(&r)
}

// Poll takes the schedule receiver interrupt, if it is pending: it asks who has notifications, gets the kernel's, and runs their
// handlers in the order of their numbers. It reports whether there was any.
func (b *Bus) Poll() (any bool) {
	if b.sri == 0 {
		return false
	}
	if pending, err := b.k.Pending(b.sri); err != nil || !pending {
		return false
	}
	if b.k.Acknowledge(b.sri) != nil {
		return false
	}
	for range maxInfoCalls {
		r := ffa.Registers{0: uint64(ffa.NotificationInfoGet64)}
		b.call(&r)
		info, err := ffa.ParseNotificationInfo(&r)
		if err != nil {
			return any
		}
		mine := false
		for i := range info.Len() {
			if id, _ := info.List(i); id == b.id {
				mine = true
			}
		}
		if mine && b.get() {
			any = true
		}
		if !info.More {
			break
		}
	}
	return any
}

// get clears what is pending and runs the handlers.
func (b *Bus) get() (any bool) {
	r := ffa.NotificationGet{Receiver: b.id, Flags: ffa.NotificationsFromSP | ffa.NotificationsFromSPM}.Registers()
	b.call(&r)
	p, err := ffa.ParsePendingNotifications(&r)
	if err != nil {
		return false
	}
	for id, h := range b.handlers {
		if p.SP>>id&1 != 0 && h != nil {
			h.Notified(uint32(id))
			any = true
		}
	}
	return any
}
