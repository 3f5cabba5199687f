package ffa

// NotificationBitmapCreate is FFA_NOTIFICATION_BITMAP_CREATE or, with Destroy, ..._DESTROY (DEN0077A).
type NotificationBitmapCreate struct {
	Destroy bool
	VM      EndpointID
	VCPUs   uint32 // not used by Destroy
}

// ParseNotificationBitmapCreate reads FFA_NOTIFICATION_BITMAP_CREATE and DESTROY.
func ParseNotificationBitmapCreate(r *Registers) (NotificationBitmapCreate, error) {
	c := NotificationBitmapCreate{Destroy: FunctionOf(r) == NotificationBitmapDestroy32, VM: EndpointID(r[1])}
	if !c.Destroy {
		c.VCPUs = word(r, 2)
	}
	switch err := expect(r, NotificationBitmapCreate32, NotificationBitmapDestroy32); {
	case err != nil:
		return c, err
	case word(r, 1)>>16 != 0:
		return c, invalid("VM id", uint64(word(r, 1)), RuleMustBeZero)
	case !c.Destroy && c.VCPUs == 0:
		return c, invalid("vCPU count", 0, RuleCountZero)
	}
	return c, nil
}

// Registers returns the call.
func (c NotificationBitmapCreate) Registers() Registers {
	if c.Destroy {
		return Registers{0: uint64(NotificationBitmapDestroy32), 1: uint64(c.VM)}
	}
	return Registers{0: uint64(NotificationBitmapCreate32), 1: uint64(c.VM), 2: uint64(c.VCPUs)}
}

// NotificationBind is FFA_NOTIFICATION_BIND or, with Unbind, FFA_NOTIFICATION_UNBIND (DEN0077A).
type NotificationBind struct {
	Unbind   bool
	Sender   EndpointID // w1[31:16]: who may set the notifications
	Receiver EndpointID // w1[15:0]
	PerVCPU  bool       // w2 bit 0, BIND only
	Bitmap   uint64
}

// ParseNotificationBind reads FFA_NOTIFICATION_BIND and UNBIND. It refuses unknown flags and an empty
// bitmap.
func ParseNotificationBind(r *Registers) (NotificationBind, error) {
	c := NotificationBind{
		Unbind:   FunctionOf(r) == NotificationUnbind32,
		Sender:   EndpointID(high16(r[1])),
		Receiver: EndpointID(r[1]),
		Bitmap:   pair(r, 3),
	}
	flags, known := word(r, 2), uint32(1)
	if c.Unbind {
		known = 0
	}
	c.PerVCPU = flags&known != 0
	switch err := expect(r, NotificationBind32, NotificationUnbind32); {
	case err != nil:
		return c, err
	case flags&^known != 0:
		return c, invalid("flags", uint64(flags), RuleMustBeZero)
	case c.Bitmap == 0:
		return c, invalid("notification bitmap", 0, RuleRequired)
	case c.Sender == c.Receiver:
		return c, invalid("receiver", uint64(c.Receiver), RuleSameEndpoint)
	}
	return c, nil
}

// Registers returns the call.
func (c NotificationBind) Registers() Registers {
	r := Registers{0: uint64(NotificationBind32), 1: endpoints(c.Sender, c.Receiver)}
	if c.Unbind {
		r[0] = uint64(NotificationUnbind32)
	} else if c.PerVCPU {
		r[2] = 1
	}
	putPair(&r, 3, c.Bitmap)
	return r
}

// NotificationSet is FFA_NOTIFICATION_SET (DEN0077A).
type NotificationSet struct {
	Sender   EndpointID
	Receiver EndpointID
	PerVCPU  bool   // w2 bit 0
	DelaySRI bool   // w2 bit 1
	VCPU     uint16 // w2[31:16]; zero for global notifications
	Bitmap   uint64
}

// ParseNotificationSet reads FFA_NOTIFICATION_SET. It refuses unknown flags, a vCPU for global
// notifications and an empty bitmap.
func ParseNotificationSet(r *Registers) (NotificationSet, error) {
	flags := word(r, 2)
	c := NotificationSet{
		Sender:   EndpointID(high16(r[1])),
		Receiver: EndpointID(r[1]),
		PerVCPU:  flags&1 != 0,
		DelaySRI: flags&2 != 0,
		VCPU:     uint16(flags >> 16),
		Bitmap:   pair(r, 3),
	}
	switch err := expect(r, NotificationSet32); {
	case err != nil:
		return c, err
	case flags&0xFFFC != 0:
		return c, invalid("flags", uint64(flags), RuleMustBeZero)
	case !c.PerVCPU && c.VCPU != 0:
		return c, invalid("vCPU id", uint64(c.VCPU), RuleMustBeZero)
	case c.Bitmap == 0:
		return c, invalid("notification bitmap", 0, RuleRequired)
	}
	return c, nil
}

// Registers returns the call.
func (c NotificationSet) Registers() Registers {
	r := Registers{0: uint64(NotificationSet32), 1: endpoints(c.Sender, c.Receiver), 2: uint64(c.VCPU) << 16}
	if c.PerVCPU {
		r[2] |= 1
	}
	if c.DelaySRI {
		r[2] |= 2
	}
	putPair(&r, 3, c.Bitmap)
	return r
}

// NotificationGetFlags selects the bitmaps that FFA_NOTIFICATION_GET returns and clears.
type NotificationGetFlags uint32

// Flags of FFA_NOTIFICATION_GET.
const (
	NotificationsFromSP  NotificationGetFlags = 1 << 0
	NotificationsFromVM  NotificationGetFlags = 1 << 1
	NotificationsFromSPM NotificationGetFlags = 1 << 2
	NotificationsFromHyp NotificationGetFlags = 1 << 3
)

// NotificationGet is FFA_NOTIFICATION_GET (DEN0077A).
type NotificationGet struct {
	VCPU     uint16
	Receiver EndpointID
	Flags    NotificationGetFlags
}

// ParseNotificationGet reads FFA_NOTIFICATION_GET. Unknown flags are refused.
func ParseNotificationGet(r *Registers) (NotificationGet, error) {
	c := NotificationGet{high16(r[1]), EndpointID(r[1]), NotificationGetFlags(word(r, 2))}
	if err := expect(r, NotificationGet32); err != nil {
		return c, err
	}
	if c.Flags&^0xF != 0 {
		return c, invalid("flags", uint64(c.Flags), RuleMustBeZero)
	}
	return c, nil
}

// Registers returns the call.
func (c NotificationGet) Registers() Registers {
	return Registers{uint64(NotificationGet32), uint64(c.VCPU)<<16 | uint64(c.Receiver), uint64(c.Flags)}
}

// PendingNotifications is the FFA_SUCCESS_32 that answers FFA_NOTIFICATION_GET.
type PendingNotifications struct {
	SP, VM   uint64 // w2/w3 and w4/w5
	SPM, Hyp uint32 // framework notifications: w6 and w7
}

// RXFull is the framework notification that a message waits in the RX buffer.
const RXFull uint32 = 1 << 0

// ParsePendingNotifications reads the reply.
func ParsePendingNotifications(r *Registers) (PendingNotifications, error) {
	if err := ErrorOf(r); err != nil {
		return PendingNotifications{}, err
	}
	return PendingNotifications{pair(r, 2), pair(r, 4), word(r, 6), word(r, 7)}, expect(r, Success32)
}

// Registers returns the reply.
func (p PendingNotifications) Registers() Registers {
	r := Registers{0: uint64(Success32), 6: uint64(p.SPM), 7: uint64(p.Hyp)}
	putPair(&r, 2, p.SP)
	putPair(&r, 4, p.VM)
	return r
}

// Layout of the reply to FFA_NOTIFICATION_INFO_GET (DEN0077A 1.1 BET0, section 17.7.1).
const (
	infoMorePending = 1 << 0
	infoCountShift  = 7
	infoCountMask   = 0x1F
	infoSizeShift   = 12
	// MaxNotificationIDs is how many 16-bit ids x3-x7 hold; w3-w7 hold MaxNotificationIDs32.
	MaxNotificationIDs   = 20
	MaxNotificationIDs32 = 10
	// MaxNotificationListVCPUs is how many vCPU ids follow the endpoint id in one list.
	MaxNotificationListVCPUs = 3
)

// NotificationInfo is the FFA_SUCCESS that answers FFA_NOTIFICATION_INFO_GET: lists of an endpoint id,
// followed by the ids of its vCPUs that have notifications of their own. The zero value is an empty reply
// in the 32-bit layout. It is comparable.
type NotificationInfo struct {
	SMC64 bool
	More  bool // pending notifications did not all fit
	lists int
	ids   int
	sizes [MaxNotificationIDs]uint8 // ids in each list, 1 to 4
	id    [MaxNotificationIDs]uint16
}

func (n *NotificationInfo) capacity() int {
	if n.SMC64 {
		return MaxNotificationIDs
	}
	return MaxNotificationIDs32
}

// Add appends a list. It returns false, and sets More, when the list does not fit any more. It panics when
// more than three vCPUs are given: the caller starts another list for the same endpoint.
func (n *NotificationInfo) Add(endpoint EndpointID, vcpus ...uint16) bool {
	if len(vcpus) > MaxNotificationListVCPUs {
		panic("BUG: ffa: notification list with more than three vCPUs")
	}
	if n.ids+1+len(vcpus) > n.capacity() {
		n.More = true
		return false
	}
	n.sizes[n.lists] = uint8(1 + len(vcpus))
	n.lists++
	n.id[n.ids] = uint16(endpoint)
	n.ids += 1 + copy(n.id[n.ids+1:], vcpus)
	return true
}

// Len is the number of lists.
func (n *NotificationInfo) Len() int { return n.lists }

// List returns list i, 0 <= i < Len. vcpus aliases n.
func (n *NotificationInfo) List(i int) (endpoint EndpointID, vcpus []uint16) {
	at := 0
	for _, s := range n.sizes[:i] {
		at += int(s)
	}
	end := at + int(n.sizes[i])
	return EndpointID(n.id[at]), n.id[at+1 : end : end]
}

// Registers returns the reply.
func (n *NotificationInfo) Registers() Registers {
	r := Registers{0: form(Success32, n.SMC64), 2: uint64(n.lists) << infoCountShift}
	if n.More {
		r[2] |= infoMorePending
	}
	for i, s := range n.sizes[:n.lists] {
		r[2] |= uint64(s-1) << (infoSizeShift + 2*i)
	}
	perReg := n.capacity() / 5
	for i, id := range n.id[:n.ids] {
		r[3+i/perReg] |= uint64(id) << (16 * (i % perReg))
	}
	return r
}

// ParseNotificationInfo reads the reply. It refuses more lists or ids than fit.
func ParseNotificationInfo(r *Registers) (NotificationInfo, error) {
	if err := ErrorOf(r); err != nil {
		return NotificationInfo{}, err
	}
	if err := expect(r, Success32, Success64); err != nil {
		return NotificationInfo{}, err
	}
	x2 := arg(r, 2)
	n := NotificationInfo{SMC64: FunctionOf(r).SMC64(), More: x2&infoMorePending != 0}
	n.lists = int(x2>>infoCountShift) & infoCountMask
	switch {
	case n.lists > n.capacity():
		return NotificationInfo{}, invalid("list count", uint64(n.lists), RuleCountTooLarge)
	case x2&(1<<infoCountShift-1)&^infoMorePending != 0:
		return NotificationInfo{}, invalid("w2[6:1]", x2, RuleMustBeZero)
	}
	for i := range n.lists {
		n.sizes[i] = uint8(x2>>(infoSizeShift+2*i))&3 + 1
		n.ids += int(n.sizes[i])
	}
	if n.ids > n.capacity() {
		return NotificationInfo{}, invalid("list sizes", x2, RuleCountTooLarge)
	}
	perReg := n.capacity() / 5
	for i := range n.ids {
		n.id[i] = uint16(r[3+i/perReg] >> (16 * (i % perReg)))
	}
	return n, nil
}
