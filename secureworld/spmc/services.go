package spmc

import (
	"strconv"

	"gatehouse/ffa"
	"gatehouse/platform/event"
	"gatehouse/secureworld/memory"
)

// Services is what the SPMC does for one of its partitions.
type Services struct {
	spmc *SPMC
	id   ffa.EndpointID
}

// ID is the partition's identifier.
func (v Services) ID() ffa.EndpointID { return v.id }

// VCPU is the execution context that the partition was entered in.
func (v Services) VCPU() uint16 { return v.spmc.vcpu }

// Region is the memory of a transaction as one of its receivers sees it.
type Region struct {
	*memory.Object
	Handle ffa.Handle
	Kind   ffa.TransactionKind
	Sender ffa.EndpointID
	Tag    uint64
	// Permissions are those that the partition has, or those that are offered before it retrieves the memory.
	Permissions ffa.Permissions
	// Retrieved says that the partition has access to the memory now.
	Retrieved bool
	// Held says that it always will: see Hold.
	Held bool
}

func (t *transaction) region(b *borrower) Region {
	p := b.Permissions
	if b.state.Accessible() {
		p = b.granted
	}
	return Region{t.object, t.handle, t.kind, t.sender, t.tag, p, b.state.Accessible(), t.held}
}

// Hold gives a handle to memory that has been the partition's since reset: from there on it is like memory that the normal world's
// kernel lent to this partition alone, for reading and writing and with that tag, and that the partition has retrieved. It never
// relinquishes it, so reclaiming it is DENIED. It does not count among the transactions of the normal world. It is for Start.
func (v Services) Hold(o *memory.Object, tag uint64) ffa.Handle {
	s := v.spmc
	s.slots = append(s.slots, transaction{})
	t := s.name(len(s.slots) - 1)
	permissions := ffa.DataRW | ffa.InstrNX
	t.kind, t.object, t.sender, t.tag, t.held = ffa.Lend, o, ffa.NonSecurePhysical, tag, true
	t.borrowers = []borrower{{EMAD: ffa.EMAD{Receiver: v.id, Permissions: permissions}, granted: permissions, state: memory.NotOwnerEA}}
	return t.handle
}

// WriteAt copies p to offset off of the region: DENIED where the partition may only read it.
func (r Region) WriteAt(p []byte, off uint64) error {
	if r.Permissions.Data() == ffa.DataRO {
		return ffa.Denied
	}
	return r.Object.WriteAt(p, off)
}

// Peek gives a transaction without retrieving it. Its memory must not be touched unless it is Retrieved.
func (v Services) Peek(h ffa.Handle) (Region, error) {
	t, b, err := v.borrower(h)
	if err != nil {
		return Region{}, err
	}
	return t.region(b), nil
}

// Borrowers gives what the sender offers to each receiver of a transaction. A request that names them all needs it; elsewhere the
// sender tells its borrowers by a message.
func (v Services) Borrowers(h ffa.Handle) ([]ffa.EMAD, error) {
	t, _, err := v.borrower(h)
	if err != nil {
		return nil, err
	}
	list := make([]ffa.EMAD, len(t.borrowers))
	for i := range list {
		list[i] = t.borrowers[i].EMAD
	}
	return list, nil
}

// Access is Peek for memory that the partition has retrieved: DENIED where it has not.
func (v Services) Access(h ffa.Handle) (Region, error) {
	r, err := v.Peek(h)
	if err == nil && !r.Retrieved {
		return Region{}, ffa.Denied
	}
	return r, err
}

// Retrieve gives the partition access to the memory of a transaction as it is offered (DEN0140, FFA_MEM_RETRIEVE_REQ):
// INVALID_PARAMETERS for an unknown handle, DENIED where it is no receiver or has retrieved the memory already. Until Relinquish
// the owner cannot reclaim it. A donation makes the partition the owner, and the handle is gone.
func (v Services) Retrieve(h ffa.Handle) (Region, error) {
	t, b, err := v.borrower(h)
	if err != nil {
		return Region{}, err
	}
	p := b.Permissions.Data()
	if p == ffa.DataUnspecified {
		p = ffa.DataRW
	}
	return v.spmc.grant(t, b, p|ffa.InstrNX, false)
}

// RetrieveAs is Retrieve with a request of the partition's own, by the rules of DEN0140: it names the sender, the tag, all
// borrowers with permissions that are not more than those offered, and flags. Beside Retrieve's there is INVALID_PARAMETERS
// for a type or tag that is not the transaction's, hints, addresses, zeroing of shared memory, another list of borrowers, and
// instruction permissions where none may be named or one has to; DENIED for another sender, zeroing that the sender did not
// offer or that needs write access, other attributes than normal write-back memory, and more than the offered permissions.
func (v Services) RetrieveAs(q *ffa.MemoryTransaction) (Region, error) {
	t, b, err := v.borrower(q.Handle)
	if err != nil {
		return Region{}, err
	}
	p, err := t.admit(b, q)
	if err != nil {
		return Region{}, err
	}
	return v.spmc.grant(t, b, p, q.Flags&ffa.FlagZeroAfterRelinquish != 0)
}

// Relinquish ends the partition's access (DEN0140, FFA_MEM_RELINQUISH): INVALID_PARAMETERS for an unknown handle, DENIED where
// it has not retrieved the memory. flags may have FlagZero, which zeroes the memory when nobody else has access; that is
// INVALID_PARAMETERS for shared memory and DENIED for memory that the partition may only read.
func (v Services) Relinquish(h ffa.Handle, flags ...ffa.MemoryFlags) error {
	t, b, err := v.borrower(h)
	if err != nil {
		return err
	}
	var all ffa.MemoryFlags
	for _, f := range flags {
		all |= f
	}
	return v.spmc.relinquish(t, b, all)
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

// Set is FFA_NOTIFICATION_SET with all that it can say; c.Sender is this partition whatever it holds. With DelaySRI the schedule
// receiver interrupt is raised once, when the call at hand returns to the normal world.
func (v Services) Set(c ffa.NotificationSet) error {
	c.Sender = v.id
	if !c.PerVCPU && c.VCPU != 0 {
		return ffa.InvalidParameters
	}
	return v.spmc.notify(c)
}

// Bind is FFA_NOTIFICATION_BIND, or UNBIND, for this partition as the receiver: DENIED where it takes no notifications, and for those that are bound
// to another sender or pending; INVALID_PARAMETERS for an empty bitmap and a partition that does not exist as the sender.
func (v Services) Bind(c ffa.NotificationBind) error {
	p := v.spmc.find(v.id)
	switch {
	case c.Bitmap == 0 || c.Sender == v.id || c.Unbind && c.PerVCPU, c.Sender.Secure() && v.spmc.find(c.Sender) == nil:
		return ffa.InvalidParameters
	case !p.notifications.enabled:
		return ffa.Denied
	}
	return p.notifications.update(&c)
}

// Notifications is FFA_NOTIFICATION_GET for an execution context of this partition: it gives the bitmaps and clears them.
// NOT_SUPPORTED stands for a partition that takes no notifications, INVALID_PARAMETERS for a context that it does not have.
func (v Services) Notifications(vcpu uint16, flags ffa.NotificationGetFlags) (ffa.PendingNotifications, error) {
	p := v.spmc.find(v.id)
	if !p.notifications.enabled {
		return ffa.PendingNotifications{}, ffa.NotSupported
	}
	return p.notifications.take(vcpu, flags)
}

// Send is FFA_MSG_SEND2 (DEN0077A, 15.1): an indirect message to a partition, or to an endpoint of the normal world, which is told by
// the framework notification that its RX buffer is full. INVALID_PARAMETERS stands for an unknown receiver, a protocol that it
// does not speak and a message longer than a partition's buffer; DENIED for a sender or receiver that has no indirect messages or,
// in the normal world, no buffers or notifications; NO_MEMORY for a message longer than the normal world's buffer; BUSY while
// the buffer is full.
func (v Services) Send(receiver ffa.EndpointID, u ffa.UUID, payload []byte, delaySRI bool) error {
	if receiver == v.id {
		return ffa.InvalidParameters
	}
	if _, has := v.spmc.find(v.id).service(ffa.UUID{}, ffa.PropIndirectMessages); !has {
		return ffa.Denied
	}
	return v.spmc.deliver(receiver, Message{v.id, u, payload}, delaySRI)
}

// Message gives the indirect message in the partition's RX buffer; ok is false when there is none. It stays until Release.
func (v Services) Message() (m Message, ok bool) {
	p := v.spmc.find(v.id)
	return p.mailbox.message, p.mailbox.full
}

// Release is FFA_RX_RELEASE: DENIED where the RX buffer is empty.
func (v Services) Release() error {
	p := v.spmc.find(v.id)
	if !p.mailbox.full {
		return ffa.Denied
	}
	p.mailbox = mailbox{}
	return nil
}

// logLine bounds a line of Log, in bytes. Longer ones are broken.
const logLine = 256

// Log is FFA_CONSOLE_LOG (DEN0077A, 13.10): characters of a line that ends with a line feed or NUL. Each line is an event.
func (v Services) Log(text string) {
	p := v.spmc.find(v.id)
	for i := range len(text) {
		c := text[i]
		if end := c == '\n' || c == 0; !end {
			p.line = append(p.line, c)
			if len(p.line) < logLine {
				continue
			}
		}
		if v.spmc.log.On(event.FFA) {
			v.spmc.log.Emit(event.FFA, v.id.String(), "CONSOLE", event.Str("text", strconv.Quote(string(p.line))))
		}
		p.line = p.line[:0]
	}
}
