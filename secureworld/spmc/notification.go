package spmc

import (
	"math/bits"

	"gatehouse/ffa"
	"gatehouse/platform/event"
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

// set makes some of them pending. What is set once more is news once more.
func (s *signals) set(x uint64) {
	s.pending |= x
	s.told &^= x
}

// take gives what is pending and clears it.
func (s *signals) take() uint64 { return s.takeOf(^uint64(0)) }

// takeOf does so for some of them.
func (s *signals) takeOf(mask uint64) uint64 {
	p := s.pending & mask
	s.pending &^= mask
	s.told &^= mask
	return p
}

// bitmap holds the 64 notifications that one kind of sender, SPs or VMs, has for a receiver.
type bitmap struct {
	bound   uint64           // those that a sender may set
	perVCPU uint64           // those of them that are bound for each vCPU
	sender  []ffa.EndpointID // of each that is bound; 64 where the receiver takes notifications
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
	s.set(set)
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
	for _, b := range [2]*bitmap{&n.fromSPs, &n.fromVMs} {
		b.sender, b.vcpus = make([]ffa.EndpointID, 64), make([]signals, vcpus)
	}
}

// inUse reports whether one is bound or pending.
func (n *notifications) inUse() bool {
	for _, b := range [2]*bitmap{&n.fromSPs, &n.fromVMs} {
		if b.bound != 0 || b.pending() != 0 {
			return true
		}
	}
	return n.framework.pending != 0
}

// update is FFA_NOTIFICATION_BIND and FFA_NOTIFICATION_UNBIND.
func (n *notifications) update(c *ffa.NotificationBind) error {
	b := n.from(c.Sender)
	if c.Unbind {
		return b.unbind(c.Sender, c.Bitmap)
	}
	return b.bind(c.Sender, c.PerVCPU, c.Bitmap)
}

// take gives the bitmaps that flags ask for and clears them: INVALID_PARAMETERS for a vCPU that the receiver does not have.
func (n *notifications) take(vcpu uint16, flags ffa.NotificationGetFlags) (p ffa.PendingNotifications, err error) {
	if int(vcpu) >= len(n.fromSPs.vcpus) {
		return p, ffa.InvalidParameters
	}
	if flags&ffa.NotificationsFromSP != 0 {
		p.SP = n.fromSPs.take(vcpu)
	}
	if flags&ffa.NotificationsFromVM != 0 {
		p.VM = n.fromVMs.take(vcpu)
	}
	if flags&ffa.NotificationsFromSPM != 0 {
		p.SPM = uint32(n.framework.takeOf(0xFFFF_FFFF))
	}
	if flags&ffa.NotificationsFromHyp != 0 {
		p.Hyp = uint32(n.framework.takeOf(^uint64(0xFFFF_FFFF)) >> 32)
	}
	return p, nil
}

// tell appends what is pending to info, as far as it fits: a list of the endpoint alone for global notifications, and lists with
// up to three vCPUs for the others.
func (n *notifications) tell(id ffa.EndpointID, info *ffa.NotificationInfo) {
	global := [3]*signals{&n.framework, &n.fromSPs.global, &n.fromVMs.global}
	if global[0].fresh() || global[1].fresh() || global[2].fresh() {
		if !info.Add(id) {
			return
		}
		for _, g := range global {
			g.told = g.pending
		}
	}
	var list [ffa.MaxNotificationListVCPUs]uint16
	for i := 0; i < len(n.fromSPs.vcpus); {
		k := 0
		for ; i < len(n.fromSPs.vcpus) && k < len(list); i++ {
			if n.fromSPs.vcpus[i].fresh() || n.fromVMs.vcpus[i].fresh() {
				list[k] = uint16(i)
				k++
			}
		}
		if k == 0 || !info.Add(id, list[:k]...) {
			return
		}
		for _, v := range list[:k] {
			for _, b := range [2]*bitmap{&n.fromSPs, &n.fromVMs} {
				b.vcpus[v].told = b.vcpus[v].pending
			}
		}
	}
}

// from is the bitmap for a kind of sender.
func (n *notifications) from(sender ffa.EndpointID) *bitmap {
	if sender.Secure() {
		return &n.fromSPs
	}
	return &n.fromVMs
}

// receiverOf gives the notifications of an endpoint, or nil for an endpoint that is not known.
func (s *SPMC) receiverOf(id ffa.EndpointID) *notifications {
	if v := s.lookVM(id); v != nil {
		return &v.notifications
	}
	if p := s.find(id); p != nil {
		return &p.notifications
	}
	return nil
}

// ofCaller gives the notifications of a receiver in the normal world: INVALID_PARAMETERS where the caller does not speak for it,
// NOT_SUPPORTED where it has none.
func (s *SPMC) ofCaller(id ffa.EndpointID) (*notifications, error) {
	if !s.represents(id) {
		return nil, ffa.InvalidParameters
	}
	v := s.lookVM(id)
	if v == nil || !v.notifications.enabled {
		return nil, ffa.NotSupported
	}
	return &v.notifications, nil
}

// maxVCPUs bounds the vCPUs of a VM under a hypervisor.
const maxVCPUs = 512

// createBitmap is FFA_NOTIFICATION_BITMAP_CREATE (DEN0077A, 16.1). Without a hypervisor there are no more vCPUs than processors.
func (s *SPMC) createBitmap(r *ffa.Registers) error {
	c, err := ffa.ParseNotificationBitmapCreate(r)
	switch {
	case err != nil:
		return err
	case !s.represents(c.VM), !s.caller.hypervisor && uint64(c.VCPUs) > uint64(s.host.NumCPUs()):
		return ffa.InvalidParameters
	case c.VCPUs > maxVCPUs:
		return ffa.NoMemory
	}
	v, err := s.makeVM(c.VM)
	if err != nil {
		return err
	}
	if v.notifications.enabled {
		return ffa.Denied
	}
	v.notifications.enable(int(c.VCPUs))
	return nil
}

// destroyBitmap is FFA_NOTIFICATION_BITMAP_DESTROY (DEN0077A, 16.2): DENIED where there is none, or one of the notifications is
// bound or pending.
func (s *SPMC) destroyBitmap(r *ffa.Registers) error {
	c, err := ffa.ParseNotificationBitmapCreate(r)
	if err != nil {
		return err
	}
	if !s.represents(c.VM) {
		return ffa.InvalidParameters
	}
	v := s.lookVM(c.VM)
	if v == nil || !v.notifications.enabled || v.notifications.inUse() {
		return ffa.Denied
	}
	v.notifications = notifications{}
	s.forget(v)
	return nil
}

// bindNotifications is FFA_NOTIFICATION_BIND and FFA_NOTIFICATION_UNBIND (DEN0077A, 16.3 and 16.4) of a receiver in the normal
// world. What VMs set is between them and their hypervisor, so the sender is a partition.
func (s *SPMC) bindNotifications(r *ffa.Registers) error {
	c, err := ffa.ParseNotificationBind(r)
	if err != nil {
		return err
	}
	if s.find(c.Sender) == nil {
		return ffa.InvalidParameters
	}
	n, err := s.ofCaller(c.Receiver)
	if err != nil {
		return err
	}
	return n.update(&c)
}

// setNotifications is FFA_NOTIFICATION_SET (DEN0077A, 16.5) of a sender in the normal world. Delaying the schedule receiver
// interrupt is for partitions.
func (s *SPMC) setNotifications(r *ffa.Registers) error {
	c, err := ffa.ParseNotificationSet(r)
	if err != nil {
		return err
	}
	if !s.represents(c.Sender) || !c.Receiver.Secure() || c.DelaySRI {
		return ffa.InvalidParameters
	}
	return s.notify(c)
}

// notify sets notifications once the sender has proved to be who it says: INVALID_PARAMETERS for an unknown receiver, DENIED where
// it takes no notifications or has not bound these to the sender. Then the receiver's scheduler, in the normal world, is told.
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

// getNotifications is FFA_NOTIFICATION_GET (DEN0077A, 16.6) of a receiver in the normal world. The bitmaps that a hypervisor
// keeps are not here.
func (s *SPMC) getNotifications(r *ffa.Registers) (ffa.Registers, error) {
	c, err := ffa.ParseNotificationGet(r)
	if err != nil {
		return ffa.Registers{}, err
	}
	if c.Flags&(ffa.NotificationsFromVM|ffa.NotificationsFromHyp) != 0 {
		return ffa.Registers{}, ffa.InvalidParameters
	}
	n, err := s.ofCaller(c.Receiver)
	if err != nil {
		return ffa.Registers{}, err
	}
	p, err := n.take(c.VCPU, c.Flags)
	return p.Registers(), err
}

// notificationInfo is FFA_NOTIFICATION_INFO_GET (DEN0077A, 16.7): which endpoints of either world have notifications pending that
// it has not reported yet. NO_DATA stands for none.
func (s *SPMC) notificationInfo(smc64 bool) (ffa.Registers, error) {
	info := ffa.NotificationInfo{SMC64: smc64}
	for i := range s.vms {
		if v := &s.vms[i]; v.known {
			v.notifications.tell(v.id, &info)
		}
	}
	for i := range s.partitions {
		p := &s.partitions[i]
		p.notifications.tell(p.ID, &info)
	}
	if info.Len() == 0 {
		return ffa.Registers{}, ffa.NoData
	}
	return info.Registers(), nil
}

// schedule raises the schedule receiver interrupt, or leaves that to the return to the normal world.
func (s *SPMC) schedule(delay bool) {
	if delay && s.caller.calling {
		s.delayed = true
		return
	}
	s.delayed = false
	cpu := s.processor()
	if s.log.On(event.FFA) {
		s.log.Emit(event.FFA, "spmc", "SCHEDULE_RECEIVER", event.Dec("cpu", uint64(cpu)), event.Dec("intid", uint64(s.cfg.SRI)))
	}
	s.host.RaiseSGI(cpu, s.cfg.SRI)
}

// processor is the one that the interrupt goes to: the caller's while there is a call, else the first that is on.
func (s *SPMC) processor() int {
	if s.caller.calling {
		return s.caller.cpu
	}
	for i := range s.host.NumCPUs() {
		if s.host.CPUState(i) == firmware.CPUOn {
			return i
		}
	}
	return 0
}
