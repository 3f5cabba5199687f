package secureworld

import (
	"errors"
	"slices"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/spmc"
	"gatehouse/secureworld/testsp"
)

// Functions of notifications (DEN0077A, chapter 16).
const (
	bitmapCreate  = 0x8400_007D
	bitmapDestroy = 0x8400_007E
	bindCall      = 0x8400_007F
	unbindCall    = 0x8400_0080
	setCall       = 0x8400_0081
	getCall       = 0x8400_0082
	infoGet32     = 0x8400_0083
	infoGet64     = 0xC400_0083

	fromSP, fromVM, fromSPM, fromHyp = 1, 2, 4, 8
)

// notified is a rig with the test partitions whose normal world takes notifications.
func notified(t *testing.T, v uint64) *rig {
	t.Helper()
	r := newRig(t, withTestPartitions).negotiate(v)
	r.want("BITMAP_CREATE", []uint64{bitmapCreate, 0, 4}, []uint64{ffaSuccess})
	return r
}

// raised compares the interrupts since the last time.
func (r *rig) raised(what string, want ...sgi) {
	r.Helper()
	if !slices.Equal(r.h.sgis, want) {
		r.Errorf("%s: interrupts %v, want %v", what, r.h.sgis, want)
	}
	r.h.sgis = nil
}

// get makes FFA_NOTIFICATION_GET for the caller's own notifications and compares w2 to w7.
func (r *rig) get(what string, vcpu, flags uint64, want ...uint64) {
	r.Helper()
	r.want(what, []uint64{getCall, vcpu << 16, flags}, append([]uint64{ffaSuccess, 0}, want...))
}

func TestNotificationBitmap(t *testing.T) {
	for _, v := range []uint64{0x1_0001, 0x1_0002} {
		r := newRig(t, withTestPartitions).negotiate(v)
		// Nothing is there yet.
		r.refused("BIND without bitmap", notSupported, bindCall, first<<16, 0, 1)
		r.refused("UNBIND without bitmap", notSupported, unbindCall, first<<16, 0, 1)
		r.refused("GET without bitmap", notSupported, getCall, 0, fromSP)
		r.refused("DESTROY without bitmap", denied, bitmapDestroy, 0)
		r.refused("INFO_GET without bitmap", noData, infoGet64)
		r.fails("a partition notifies a receiver without bitmap", denied, first, testsp.Notify, 0, 0, 1)
		// An operating system has one identifier and as many vCPUs as there are processors.
		r.refused("for a VM", invalid, bitmapCreate, 5, 1)
		r.refused("for a partition", invalid, bitmapCreate, first, 1)
		r.refused("reserved bits", invalid, bitmapCreate, 1<<16, 1)
		r.refused("no vCPU", invalid, bitmapCreate, 0, 0)
		r.refused("more vCPUs than processors", invalid, bitmapCreate, 0, 5)
		r.refused("wild vCPU count", invalid, bitmapCreate, 0, 0xFFFF_FFFF)
		r.want("CREATE", []uint64{bitmapCreate, 0xAAAA_0000_0000_0000, 0xBBBB_0000_0000_0004}, []uint64{ffaSuccess, 0, 0})
		r.refused("CREATE again", denied, bitmapCreate, 0, 4)
		r.refused("DESTROY for a VM", invalid, bitmapDestroy, 5)
		r.refused("DESTROY for a partition", invalid, bitmapDestroy, first)
		r.want("BIND", []uint64{bindCall, first << 16, 0, 1 << 5}, []uint64{ffaSuccess})
		r.refused("DESTROY while one is bound", denied, bitmapDestroy, 0)
		r.does(first, testsp.Notify, 0, 0, 1<<5)
		r.refused("DESTROY while one is pending", denied, bitmapDestroy, 0)
		r.get("GET", 0, fromSP, 1<<5, 0, 0, 0, 0, 0)
		r.want("UNBIND", []uint64{unbindCall, first << 16, 0, 1 << 5}, []uint64{ffaSuccess})
		r.want("DESTROY", []uint64{bitmapDestroy, 0}, []uint64{ffaSuccess})
		r.refused("DESTROY again", denied, bitmapDestroy, 0)
		r.want("CREATE after DESTROY", []uint64{bitmapCreate, 0, 2}, []uint64{ffaSuccess})
	}
}

func TestNotificationBind(t *testing.T) {
	r := notified(t, 0x1_0002)
	for _, f := range []uint64{bindCall, unbindCall} {
		r.refused("unknown sender", invalid, f, 0x8765<<16, 0, 1)
		r.refused("the SPMC as sender", invalid, f, 0x8000<<16, 0, 1)
		r.refused("a VM as sender", invalid, f, 5<<16, 0, 1)
		r.refused("sender is the receiver", invalid, f, 0, 0, 1)
		r.refused("receiver is a VM", invalid, f, first<<16|5, 0, 1)
		r.refused("receiver is a partition", invalid, f, first<<16|second, 0, 1)
		r.refused("sender and receiver exchanged", invalid, f, first, 0, 1)
		r.refused("no notification", invalid, f, first<<16, 0)
		for _, flags := range []uint64{2, 1 << 16, 1 << 31} {
			r.refused("reserved flag", invalid, f, first<<16, flags, 1)
		}
	}
	r.refused("UNBIND with the flag of BIND", invalid, unbindCall, first<<16, 1, 1)
	r.refused("UNBIND of what is not bound", denied, unbindCall, first<<16, 0, 1)
	r.want("BIND", []uint64{bindCall, first << 16, 0, 0b0110, 1 << 31}, []uint64{ffaSuccess, 0, 0, 0, 0})
	r.want("BIND for each vCPU", []uint64{bindCall, first << 16, 1, 0b1000}, []uint64{ffaSuccess, 0, 0, 0})
	r.want("BIND of OP-TEE, which need not receive any", []uint64{bindCall, opteeID << 16, 0, 0b1_0000}, []uint64{ffaSuccess})
	for what, set := range map[string][2]uint64{"one": {0b0010, 0}, "the highest": {0, 1 << 31}, "one of two": {0b0001_0000_0100, 0}, "one of each vCPU": {0b1000, 0}} {
		r.refused("BIND of what is bound to another: "+what, denied, bindCall, second<<16, 0, set[0], set[1])
		r.refused("BIND of what is bound to the same: "+what, denied, bindCall, first<<16, 0, set[0], set[1])
		r.refused("UNBIND by another sender: "+what, denied, unbindCall, second<<16, 0, set[0], set[1])
	}
	r.refused("UNBIND of what is bound to two senders", denied, unbindCall, first<<16, 0, 0b1_0010)
	r.does(first, testsp.Notify, 0, 0, 0b0010)
	r.refused("UNBIND of what is pending", denied, unbindCall, first<<16, 0, 0b0010)
	r.refused("UNBIND of what is pending in part", denied, unbindCall, first<<16, 0, 0b0110)
	r.want("UNBIND of another", []uint64{unbindCall, first << 16, 0, 0b0100}, []uint64{ffaSuccess})
	r.get("GET", 0, fromSP, 0b0010, 0, 0, 0, 0, 0)
	r.want("UNBIND", []uint64{unbindCall, first << 16, 0, 0b1010, 1 << 31}, []uint64{ffaSuccess})
	r.fails("a notification that was unbound", denied, first, testsp.Notify, 0, 0, 0b0010)
	// All of them, and then none is left.
	r.want("UNBIND of OP-TEE", []uint64{unbindCall, opteeID << 16, 0, 0b1_0000}, []uint64{ffaSuccess})
	r.want("BIND of 64", []uint64{bindCall, second << 16, 0, 0xFFFF_FFFF, 0xFFFF_FFFF}, []uint64{ffaSuccess, 0, 0, 0, 0})
	for i := range uint64(64) {
		lo, hi := pair(1 << i)
		r.refused("BIND with none left", denied, bindCall, first<<16, 0, lo, hi)
	}
	r.does(second, testsp.Notify, 0, 0, 0xFFFF_FFFF, 0xFFFF_FFFF)
	r.get("GET of 64", 0, fromSP, 0xFFFF_FFFF, 0xFFFF_FFFF, 0, 0, 0, 0)
}

// Notifications that a partition sets: the interrupt, what is pending, and what GET clears.
func TestNotificationsFromPartitions(t *testing.T) {
	r := notified(t, 0x1_0002)
	r.want("BIND", []uint64{bindCall, first << 16, 0, 0b0011}, []uint64{ffaSuccess})
	r.want("BIND for each vCPU", []uint64{bindCall, first << 16, 1, 0b1100}, []uint64{ffaSuccess})
	r.raised("binding")
	for _, tc := range []struct {
		what string
		code uint64
		args []uint64
	}{
		{"not bound", denied, []uint64{0, 0, 1 << 5}},
		{"not all bound", denied, []uint64{0, 0, 1<<5 | 1}},
		{"for each vCPU, set as global", denied, []uint64{0, 0, 0b0100}},
		{"global, set for a vCPU", denied, []uint64{0, 1, 0b0001}},
		{"both kinds", denied, []uint64{0, 1, 0b0110}},
		{"a vCPU for global ones", invalid, []uint64{1 << 16, 0, 0b0001}},
		{"no such vCPU", invalid, []uint64{4 << 16, 1, 0b0100}},
		{"none", invalid, []uint64{0, 0, 0}},
		{"an unknown VM", invalid, []uint64{5, 0, 1}},
		{"itself", invalid, []uint64{first, 0, 1}},
		{"an unknown partition", invalid, []uint64{0x8765, 0, 1}},
		{"a partition without notifications", denied, []uint64{opteeID, 0, 1}},
		{"a partition that has bound none", denied, []uint64{second, 0, 1}},
	} {
		r.fails("Notify: "+tc.what, tc.code, first, testsp.Notify, tc.args...)
	}
	r.fails("another partition", denied, second, testsp.Notify, 0, 0, 1)
	r.raised("refused ones")

	r.from.CPU = 2
	r.does(first, testsp.Notify, 0, 0, 0b0001)
	r.raised("a global one", sgi{2, 8})
	r.does(first, testsp.Notify, 3<<16, 1, 0b1100)
	r.raised("two of vCPU 3", sgi{2, 8})
	r.does(first, testsp.Notify, 0, 2, 0b0010)
	r.raised("a delayed one, when the call has returned", sgi{2, 8})
	r.from.CPU = 0
	for _, tc := range []struct {
		what string
		args []uint64
	}{
		{"of VMs, which a hypervisor keeps", []uint64{0, fromSP | fromVM}}, {"of the hypervisor", []uint64{0, fromHyp}},
		{"reserved flag", []uint64{0, 1 << 4}}, {"no such vCPU", []uint64{4 << 16, fromSP}},
		{"of a VM", []uint64{5, fromSP}}, {"of a partition", []uint64{first, fromSP}},
	} {
		r.refused("GET: "+tc.what, invalid, append([]uint64{getCall}, tc.args...)...)
	}
	r.get("GET of nothing", 0, 0, 0, 0, 0, 0, 0, 0)
	r.get("GET of the framework's", 0, fromSPM, 0, 0, 0, 0, 0, 0)
	r.get("GET of vCPU 1: the global ones", 1, fromSP, 0b0011, 0, 0, 0, 0, 0)
	r.get("GET again", 1, fromSP, 0, 0, 0, 0, 0, 0)
	r.get("GET of vCPU 3, as Linux asks", 3, fromSP|fromSPM, 0b1100, 0, 0, 0, 0, 0)
	r.get("GET of vCPU 3 again", 3, fromSP|fromSPM, 0, 0, 0, 0, 0, 0)
}

// FFA_NOTIFICATION_INFO_GET (DEN0077A, 16.7.1): x2 holds the number of lists in bits 11:7 and two bits for each from bit 12 on; the ids
// stand in x3 to x7, four in each, or two in w3 to w7.
func TestNotificationInfo(t *testing.T) {
	r := notified(t, 0x1_0002)
	r.want("BIND", []uint64{bindCall, first << 16, 0, 0b0011}, []uint64{ffaSuccess})
	r.want("BIND for each vCPU", []uint64{bindCall, first << 16, 1, 0b1100}, []uint64{ffaSuccess})
	r.refused("nothing is pending", noData, infoGet64)
	r.refused("nothing is pending", noData, infoGet32)
	r.does(first, testsp.Notify, 0, 0, 0b0001)
	r.want("one global", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 1 << 7, 0})
	r.refused("told already", noData, infoGet64)
	r.does(first, testsp.Notify, 0, 0, 0b0001)
	r.want("set once more", []uint64{infoGet32}, []uint64{ffaSuccess, 0, 1 << 7, 0})
	r.does(first, testsp.Notify, 0, 0, 0b0010)
	r.want("another one", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 1 << 7, 0})
	for vcpu := range uint64(4) {
		r.does(first, testsp.Notify, vcpu<<16, 1, 0b0100)
	}
	// Two lists of the same endpoint: three vCPUs, then the fourth.
	r.want("four vCPUs", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 2<<7 | 3<<12 | 1<<14, 0 | 0<<16 | 1<<32 | 2<<48, 0 | 3<<16})
	r.does(first, testsp.Notify, 2<<16, 1, 0b1000)
	r.does(first, testsp.Notify, 0, 0, 0b0001)
	r.want("a global one and one of vCPU 2", []uint64{infoGet32}, []uint64{ffaSuccess, 0, 2<<7 | 1<<14, 0 | 0<<16, 2})
	// What was taken is no news.
	r.does(first, testsp.Notify, 1<<16, 1, 0b1000)
	r.get("GET", 1, fromSP, 0b1111, 0, 0, 0, 0, 0)
	r.refused("taken before it was told", noData, infoGet64)
	r.get("GET", 0, fromSP, 0b0100, 0, 0, 0, 0, 0)
	r.get("GET", 2, fromSP, 0b1100, 0, 0, 0, 0, 0)
	r.get("GET", 3, fromSP, 0b0100, 0, 0, 0, 0, 0)
}

// Notifications that the normal world sets: the partition binds them, and takes them when FFA_RUN gives it cycles.
func TestNotificationsToPartitions(t *testing.T) {
	for _, v := range []uint64{0x1_0001, 0x1_0002} {
		r := newRig(t, withTestPartitions).negotiate(v)
		for _, tc := range []struct {
			what string
			code uint64
			args []uint64
		}{
			{"unknown receiver", invalid, []uint64{0x8765, 0, 1}}, {"to a VM", invalid, []uint64{5, 0, 1}}, {"to itself", invalid, []uint64{0, 0, 1}},
			{"from a partition", invalid, []uint64{second<<16 | first, 0, 1}}, {"from a VM", invalid, []uint64{5<<16 | first, 0, 1}},
			{"delayed interrupt", invalid, []uint64{first, 2, 1}}, {"reserved flag", invalid, []uint64{first, 4, 1}}, {"none", invalid, []uint64{first, 0, 0}},
			{"vCPU of a global one", invalid, []uint64{first, 1 << 16, 1}},
			{"not bound", denied, []uint64{first, 0, 1}}, {"OP-TEE takes none", denied, []uint64{opteeID, 0, 1}},
		} {
			r.refused("SET: "+tc.what, tc.code, append([]uint64{setCall}, tc.args...)...)
		}
		r.does(first, testsp.Bind, 0, 0, 0b0011, 1)    // from id 0, global
		r.does(first, testsp.Bind, 0|1, 0, 0b1100)     // for each vCPU
		r.does(second, testsp.Bind, first<<16, 0, 0b1) // from a partition
		for _, tc := range []struct {
			what string
			code uint64
			args []uint64
		}{
			{"bound already", denied, []uint64{0, 0, 1}}, {"none", invalid, []uint64{0, 0, 0}}, {"itself", invalid, []uint64{first << 16, 0, 1}},
			{"unknown partition", invalid, []uint64{0x8765 << 16, 0, 1 << 9}}, {"unbind for each vCPU", invalid, []uint64{3, 0, 1}},
			{"unbind of a VM that did not bind", denied, []uint64{5<<16 | 2, 0, 1}},
		} {
			r.fails("Bind: "+tc.what, tc.code, first, testsp.Bind, tc.args...)
		}
		r.raised("so far")
		r.want("SET", []uint64{setCall, first, 0, 1, 1}, []uint64{ffaSuccess})
		r.raised("SET", sgi{0, 8})
		r.refused("SET of a vCPU that is not there", invalid, setCall, first, 4<<16|1, 0b0100)
		r.refused("SET of one kind as the other", denied, setCall, first, 1<<16|1, 0b0001)
		r.want("SET of vCPU 2", []uint64{setCall, first, 2<<16 | 1, 0b0100}, []uint64{ffaSuccess})
		r.does(first, testsp.Notify, second, 0, 1)
		r.raised("two more", sgi{0, 8}, sgi{0, 8})
		// The scheduler of all partitions is the normal world.
		r.want("INFO_GET", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 3<<7 | 1<<14, first | first<<16 | 2<<32 | second<<48})
		r.want("RUN of context 0", []uint64{0x8400_006D, first << 16}, []uint64{0x8400_006B, 0})
		r.want("RUN of context 2", []uint64{0x8400_006D, first<<16 | 2}, []uint64{0x8400_006B, 0})
		r.refused("RUN of context 2 again", denied, 0x8400_006D, first<<16|2)
		r.want("RUN of the other", []uint64{0x8400_006D, second << 16}, []uint64{0x8400_006B, 0})
		if w := r.does(first, testsp.Seen, testsp.SeenFromVMs); w[0] != 0b0101 || w[1] != 1 {
			t.Errorf("the partition saw %x", w)
		}
		if w := r.does(second, testsp.Seen, testsp.SeenFromSPs); w[0] != 1 || w[1] != 0 {
			t.Errorf("the other partition saw %x", w)
		}
		// The partition may as well ask itself.
		r.want("SET again", []uint64{setCall, first, 0, 0b0010}, []uint64{ffaSuccess})
		r.fails("unbind while it is pending", denied, first, testsp.Bind, 2, 0, 0b0010)
		for _, args := range [][]uint64{{4, fromVM}, {1 << 16, fromVM}, {0, fromVM | fromSP}, {0, 0}, {0, 16}} {
			r.fails("Get", invalid, first, testsp.Get, args...)
		}
		if w := r.does(first, testsp.Get, 1, fromVM); w != [4]uint64{0b0010} {
			t.Errorf("Get: %x", w)
		}
		if w := r.does(first, testsp.Get, 1, fromVM); w != [4]uint64{} {
			t.Errorf("Get again: %x", w)
		}
		r.does(first, testsp.Bind, 2, 0, 0b0010)
		r.refused("SET of what was unbound", denied, setCall, first, 0, 0b0010)
	}
}

// A partition notifies while the normal world runs: the interrupt goes to the first processor that is on.
func TestNotifyWithoutCall(t *testing.T) {
	e := new(echo)
	r := newRig(t, partitions(1, func() spmc.Partition { return e }), func(c *Config) { c.SRI = 15 }).negotiate(0x1_0002)
	r.want("SRI", []uint64{0x8400_0064, 2}, []uint64{ffaSuccess, 0, 15})
	r.want("CREATE", []uint64{bitmapCreate, 0, 4}, []uint64{ffaSuccess})
	r.want("BIND", []uint64{bindCall, 0x8100 << 16, 0, 3}, []uint64{ffaSuccess})
	r.want("BIND for each vCPU", []uint64{bindCall, 0x8100 << 16, 1, 4}, []uint64{ffaSuccess})
	must(t, e.services.Notify(0, 1))
	r.raised("processor 0 is on", sgi{0, 15})
	r.h.state[0], r.h.state[2] = firmware.CPUOff, firmware.CPUOn
	must(t, e.services.Set(ffa.NotificationSet{Bitmap: 2, DelaySRI: true})) // there is nothing to wait for
	must(t, e.services.NotifyVCPU(0, 3, 4))
	r.raised("processor 2 is on", sgi{2, 15}, sgi{2, 15})
	if err := e.services.NotifyVCPU(0, 4, 4); ffa.CodeOf(err) != ffa.InvalidParameters {
		t.Errorf("no such vCPU: %v", err)
	}
	if err := e.services.Set(ffa.NotificationSet{Bitmap: 1, VCPU: 1}); ffa.CodeOf(err) != ffa.InvalidParameters {
		t.Errorf("vCPU of a global one: %v", err)
	}
	r.raised("refused ones")
	r.get("GET", 3, fromSP, 7, 0, 0, 0, 0, 0)
}

func TestSRIConfiguration(t *testing.T) {
	for _, id := range []uint32{0, 7, 16, 1 << 31} {
		cfg := DefaultConfig()
		cfg.SRI = id
		if err := New(cfg).Reset(newHost(t, ramSize)); !errors.Is(err, ErrConfig) {
			t.Errorf("SRI %d: %v", id, err)
		}
	}
}
