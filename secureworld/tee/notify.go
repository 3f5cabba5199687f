package tee

import (
	"math/bits"

	"gatehouse/platform/vtime"
	"gatehouse/smc/optee"
)

// maxAlarms is how many notifications can be due later.
const maxAlarms = 16

// notifications are the asynchronous ones of one client.
type notifications struct {
	started      bool
	pending      uint64 // bit 0 asks for the bottom half, bit n wakes who waits for key n
	bottomHalves uint32 // that the client has run
}

// alarm is a notification that is sent later.
type alarm struct {
	due uint64 // ns of virtual time
	abi abi
	key uint32
}

// startNotifications is ENABLE_ASYNC_NOTIF.
func (s *Service) startNotifications(by abi) { s.notif[by] = notifications{started: true} }

// notify makes a notification pending and tells the client.
func (s *Service) notify(to abi, key uint32) optee.Result {
	n := &s.notif[to]
	switch {
	case key >= waitKeys:
		return optee.ErrorBadParameters
	case !n.started:
		return optee.ErrorBadState
	}
	before := n.pending
	n.pending |= 1 << key
	if !s.transports[to].signal() {
		n.pending = before
		return optee.ErrorBadState
	}
	return optee.Success
}

// next takes the lowest pending key; more says that there are others.
func (n *notifications) next() (key uint32, ok, more bool) {
	if n.pending == 0 {
		return 0, false, false
	}
	key = uint32(bits.TrailingZeros64(n.pending))
	n.pending &= n.pending - 1
	return key, true, n.pending != 0
}

// notified is DO_BOTTOM_HALF and STOP_ASYNC_NOTIF. Over FF-A, where a notification carries no key, the bottom half wakes who waits.
func (s *Service) notified(t *thread) optee.Result {
	if len(t.arg.Params) != 0 {
		return optee.ErrorBadParameters
	}
	n := &s.notif[t.abi]
	switch {
	case !n.started:
	case t.arg.Cmd == optee.CmdStopAsyncNotif:
		*n = notifications{}
		s.forget(t.abi)
	default:
		n.bottomHalves++
		if t.abi == abiFFA {
			t.wake[0] |= n.pending &^ 1
			n.pending = 0
		}
	}
	return optee.Success
}

// notifyAfter makes an alarm.
func (s *Service) notifyAfter(to abi, key uint32, delay uint64) optee.Result {
	switch {
	case key >= waitKeys:
		return optee.ErrorBadParameters
	case s.cfg.Timer == nil:
		return optee.ErrorNotSupported
	case !s.notif[to].started:
		return optee.ErrorBadState
	case len(s.alarms) == maxAlarms:
		return optee.ErrorBusy
	}
	now := s.log.Clock.Now()
	due := now + delay
	if due < now {
		due = vtime.Never
	}
	s.alarms = append(s.alarms, alarm{due, to, key})
	s.setTimer()
	return optee.Success
}

// forget drops the alarms of a client that wants to hear no more.
func (s *Service) forget(by abi) {
	kept := s.alarms[:0]
	for _, a := range s.alarms {
		if a.abi != by {
			kept = append(kept, a)
		}
	}
	s.alarms = kept
	s.setTimer()
}

func (s *Service) setTimer() {
	if s.cfg.Timer == nil {
		return
	}
	next := uint64(vtime.Never)
	for _, a := range s.alarms {
		next = min(next, a.due)
	}
	if next == vtime.Never {
		s.cfg.Timer.Stop()
	} else {
		s.cfg.Timer.Set(next)
	}
}

// Expire sends the notifications that are due. The owner of the timer calls it when that expires.
func (s *Service) Expire(now uint64) {
	kept := s.alarms[:0]
	for _, a := range s.alarms {
		if a.due > now {
			kept = append(kept, a)
		} else if s.notif[a.abi].started {
			s.notify(a.abi, a.key)
		}
	}
	s.alarms = kept
	s.setTimer()
}
