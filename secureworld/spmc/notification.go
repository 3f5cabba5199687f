package spmc

import (
	"math/bits"

	"gatehouse/ffa"
	"gatehouse/platform/firmware"
)

// signals are 64 notifications, or one vCPU's share of them (DEN0077A, chapter 10).
type signals struct {
	pending uint64
	// told are those that FFA_NOTIFICATION_INFO_GET has reported since they were set.
	told uint64
}

// fresh reports whether something is pending that INFO_GET has not reported.
func (s *signals) fresh() bool { return s.pending&^s.told != 0 }

// take gives what is pending and clears it.
func (s *signals) take() uint64 {
	p := s.pending
	*s = signals{}
	return p
}

// bitmap holds the 64 notifications that one kind of sender, SPs or VMs, has for a receiver.
type bitmap struct {
	bound   uint64             // those that a sender may set
	perVCPU uint64             // those of them that are bound for each vCPU
	sender  [64]ffa.EndpointID // of each that is bound
	global  signals
	vcpus   []signals // one for each vCPU of the receiver
}

func (b *bitmap) pending() uint64 {
	p := b.global.pending
	for i := range b.vcpus {
		p |= b.vcpus[i].pending
	}
	return p
}

// owned reports whether all of set is bound to a sender.
func (b *bitmap) owned(sender ffa.EndpointID, set uint64) bool {
	if set&^b.bound != 0 {
		return false
	}
	for ; set != 0; set &= set - 1 {
		if b.sender[bits.TrailingZeros64(set)] != sender {
			return false
		}
	}
	return true
}

// bind lets sender set notifications: DENIED where one is bound already, to whomever, or pending.
func (b *bitmap) bind(sender ffa.EndpointID, perVCPU bool, set uint64) error {
	if set&(b.bound|b.pending()) != 0 {
		return ffa.Denied
	}
	b.bound |= set
	if perVCPU {
		b.perVCPU |= set
	}
	for ; set != 0; set &= set - 1 {
		b.sender[bits.TrailingZeros64(set)] = sender
	}
	return nil
}

// unbind takes that back: DENIED where one is not bound to sender, or pending.
func (b *bitmap) unbind(sender ffa.EndpointID, set uint64) error {
	if !b.owned(sender, set) || set&b.pending() != 0 {
		return ffa.Denied
	}
	b.bound &^= set
	b.perVCPU &^= set
	for ; set != 0; set &= set - 1 {
		b.sender[bits.TrailingZeros64(set)] = 0
	}
	return nil
}

// set makes notifications pending: DENIED where one is not bound to sender in this way, INVALID_PARAMETERS for a vCPU that
// the receiver does not have.
func (b *bitmap) set(sender ffa.EndpointID, perVCPU bool, vcpu uint16, set uint64) error {
	way := set & b.perVCPU
	switch {
	case !b.owned(sender, set), perVCPU && way != set, !perVCPU && way != 0:
		return ffa.Denied
	case perVCPU && int(vcpu) >= len(b.vcpus):
		return ffa.InvalidParameters
	}
	s := &b.global
	if perVCPU {
		s = &b.vcpus[vcpu]
	}
	s.pending |= set
	// What is set once more is news once more.
	s.told &^= set
	return nil
}

// take gives the global notifications and those of one vCPU, and clears them.
func (b *bitmap) take(vcpu uint16) uint64 { return b.global.take() | b.vcpus[vcpu].take() }

// notifications are what a receiver keeps. The zero value is a receiver without any.
type notifications struct {
	enabled   bool
	fromSPs   bitmap
	fromVMs   bitmap
	framework signals // of the SPM; see [ffa.RXFull]
}

// enable gives a receiver with so many vCPUs empty bitmaps.
func (n *notifications) enable(vcpus int) {
	*n = notifications{enabled: true}
	n.fromSPs.vcpus, n.fromVMs.vcpus = make([]signals, vcpus), make([]signals, vcpus)
}

// from is the bitmap for a kind of sender.
func (n *notifications) from(sender ffa.EndpointID) *bitmap {
	if sender.Secure() {
		return &n.fromSPs
	}
	return &n.fromVMs
}

// receiverOf gives the notifications of an endpoint, or nil for an endpoint that does not exist.
func (s *SPMC) receiverOf(id ffa.EndpointID) *notifications {
	if id == ffa.NonSecurePhysical {
		return &s.vm.notifications
	}
	if p := s.find(id); p != nil {
		return &p.notifications
	}
	return nil
}

// notify is FFA_NOTIFICATION_SET (DEN0077A, 16.5) once the sender has proved to be who it says: INVALID_PARAMETERS for an unknown
// receiver, DENIED where it takes no notifications or has not bound these to the sender. Then the receiver's scheduler, in the
// normal world, has to be told.
func (s *SPMC) notify(c ffa.NotificationSet) error {
	n := s.receiverOf(c.Receiver)
	switch {
	case n == nil || c.Bitmap == 0 || c.Sender == c.Receiver:
		return ffa.InvalidParameters
	case !n.enabled:
		return ffa.Denied
	}
	if err := n.from(c.Sender).set(c.Sender, c.PerVCPU, c.VCPU, c.Bitmap); err != nil {
		return err
	}
	s.schedule(c.DelaySRI)
	return nil
}

// schedule raises the schedule receiver interrupt, or leaves that to the return to the normal world.
func (s *SPMC) schedule(delay bool) {
	if delay {
		s.delayed = true
		return
	}
	s.delayed = false
	s.host.RaiseSGI(s.processor(), s.cfg.SRI)
}

// processor is the one that the interrupt goes to: the caller's while there is a call, else the first that is on.
func (s *SPMC) processor() int {
	if s.calling {
		return s.cpu
	}
	for i := range s.host.NumCPUs() {
		if s.host.CPUState(i) == firmware.CPUOn {
			return i
		}
	}
	return 0
}

// Notify makes global notifications pending at a receiver (DEN0077A, FFA_NOTIFICATION_SET) and raises the schedule receiver
// interrupt: INVALID_PARAMETERS for an unknown receiver or an empty bitmap, DENIED where the receiver has not bound all of them
// to this partition. It may be called at any time, also while the normal world runs.
func (v Services) Notify(receiver ffa.EndpointID, bitmap uint64) error {
	return v.spmc.notify(ffa.NotificationSet{Sender: v.id, Receiver: receiver, Bitmap: bitmap})
}

// NotifyVCPU is Notify for notifications that are bound for each vCPU. INVALID_PARAMETERS also stands for a vCPU that the
// receiver does not have.
func (v Services) NotifyVCPU(receiver ffa.EndpointID, vcpu uint16, bitmap uint64) error {
	return v.spmc.notify(ffa.NotificationSet{Sender: v.id, Receiver: receiver, PerVCPU: true, VCPU: vcpu, Bitmap: bitmap})
}
