package conform

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

// Calls for notifications.
func bitmapCreate(vm, vcpus uint64) []uint64 {
	return []uint64{uint64(ffa.NotificationBitmapCreate32), vm, vcpus}
}

func bitmapDestroy(vm uint64) []uint64 { return []uint64{uint64(ffa.NotificationBitmapDestroy32), vm} }

func bind(sender, receiver ffa.EndpointID, flags, bitmap uint64) []uint64 {
	return []uint64{uint64(ffa.NotificationBind32), uint64(sender)<<16 | uint64(receiver), flags, uint64(uint32(bitmap)), bitmap >> 32}
}

func unbind(sender, receiver ffa.EndpointID, flags, bitmap uint64) []uint64 {
	c := bind(sender, receiver, flags, bitmap)
	c[0] = uint64(ffa.NotificationUnbind32)
	return c
}

func setCall(sender, receiver ffa.EndpointID, flags, bitmap uint64) []uint64 {
	c := bind(sender, receiver, flags, bitmap)
	c[0] = uint64(ffa.NotificationSet32)
	return c
}

func getCall(vcpu, receiver, flags uint64) []uint64 {
	return []uint64{uint64(ffa.NotificationGet32), vcpu<<16 | receiver, flags}
}

// notifying runs a case as Linux does after it created its bitmap.
func notifying(f func(t *T)) func(*T) {
	return withOPTEE(func(t *T) {
		t.expect("FFA_NOTIFICATION_BITMAP_CREATE", success(), bitmapCreate(0, uint64(t.CPUs))...)
		f(t)
	})
}

func notifyCases() []Case {
	create, destroy := ffaRule("FFA_NOTIFICATION_BITMAP_CREATE"), ffaRule("FFA_NOTIFICATION_BITMAP_DESTROY")
	binding, unbinding := ffaRule("FFA_NOTIFICATION_BIND"), ffaRule("FFA_NOTIFICATION_UNBIND")
	set, get, info := ffaRule("FFA_NOTIFICATION_SET"), ffaRule("FFA_NOTIFICATION_GET"), ffaRule("FFA_NOTIFICATION_INFO_GET")
	features := ffaRule("FFA_FEATURES")
	invalid, denied := failure(ffa.InvalidParameters), failure(ffa.Denied)
	const self = ffa.NonSecurePhysical
	// nothing is the reply to FFA_NOTIFICATION_GET without pending notifications.
	nothing := success(0, 0, 0, 0, 0, 0)
	// A donated interrupt: Linux can map SGIs 8 to 15 only.
	sgi := func(t *T, id ffa.FeatureID, absent Want) {
		want := successWith(1, "an INTID in w2").or(absent)
		out := t.features("FFA_FEATURES", want, uint64(id))
		if ffa.FunctionOf(&out) != ffa.Error32 {
			t.require(out[2] >= 8 && out[2] <= 15, "FFA_FEATURES", "an SGI from 8 to 15")
		}
	}
	cases := []Case{
		{Name: "announced", Rule: features, Why: "If one call of the interface is there, all are.", Run: negotiated(func(t *T) {
			for _, f := range []ffa.Function{
				ffa.NotificationBitmapCreate32, ffa.NotificationBitmapDestroy32, ffa.NotificationBind32, ffa.NotificationUnbind32,
				ffa.NotificationSet32, ffa.NotificationGet32, ffa.NotificationInfoGet64,
			} {
				t.features(f.String(), successWith(2, "properties"), uint64(f))
			}
		})},
		{Name: "schedule-receiver-interrupt", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_irq_map"),
			Why: "The schedule receiver interrupt is an SGI that Linux can map.",
			Run: negotiated(func(t *T) { sgi(t, ffa.FeatureSRI, failure()) })},
		{Name: "notification-pending-interrupt", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_irq_map"),
			Why: "The notification pending interrupt is for virtual machines: absent, or an SGI that Linux can map.",
			Run: negotiated(func(t *T) { sgi(t, ffa.FeatureNPI, failure(ffa.NotSupported)) })},
		{Name: "at-1.0", Rule: create, Why: "Notifications are there from 1.1 on.", Run: func(t *T) {
			t.negotiate(ffa.Version1_0)
			for _, c := range [][]uint64{bitmapCreate(0, 1), bitmapDestroy(0), bind(0x8001, 0, 0, 1), getCall(0, 0, 5), {uint64(ffa.NotificationInfoGet64)}} {
				t.expect("a call for notifications at version 1.0", failure(ffa.NotSupported), c...)
			}
		}},
		{Name: "create", Rule: create,
			Why: "A bitmap for the normal world's kernel and its processors.",
			Run: notifying(func(*T) {})},
		{Name: "create-twice", Rule: create, Why: "It exists already.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BITMAP_CREATE again", denied, bitmapCreate(0, 1)...)
		})},
		{Name: "create-for-partition", Rule: create,
			Why: "Bitmaps of secure partitions are the SPMC's.",
			Run: withOPTEE(func(t *T) {
				t.expect("FFA_NOTIFICATION_BITMAP_CREATE for OP-TEE", invalid, bitmapCreate(uint64(t.optee), 1)...)
			})},
		{Name: "create-reserved", Rule: create, Why: "w1[31:16] must be zero.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_NOTIFICATION_BITMAP_CREATE with bits above the identifier", invalid, bitmapCreate(1<<16, 1)...)
		})},
		{Name: "create-no-vcpus", Rule: create, Why: "The receiver has a vCPU.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_NOTIFICATION_BITMAP_CREATE for 0 vCPUs", invalid, bitmapCreate(0, 0)...)
		})},
		{Name: "create-huge", Rule: create,
			Why: "The number of vCPUs is hostile: refused or bounded, and nothing breaks.",
			Run: withOPTEE(func(t *T) {
				t.expect("FFA_NOTIFICATION_BITMAP_CREATE for 2^32-1 vCPUs", failure(ffa.InvalidParameters, ffa.NoMemory).or(success()), bitmapCreate(0, 0xFFFF_FFFF)...)
				t.alive()
			})},
		{Name: "destroy", Rule: destroy, Why: "A bitmap that was destroyed can be created again.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BITMAP_DESTROY", success(), bitmapDestroy(0)...)
			t.expect("FFA_NOTIFICATION_BITMAP_CREATE again", success(), bitmapCreate(0, 1)...)
		})},
		{Name: "destroy-nothing", Rule: destroy, Why: "There is no bitmap.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_NOTIFICATION_BITMAP_DESTROY", failure(ffa.Denied, ffa.InvalidParameters), bitmapDestroy(0)...)
		})},
		{Name: "destroy-bound", Rule: destroy, Why: "A notification is still bound.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
			t.expect("FFA_NOTIFICATION_BITMAP_DESTROY", denied, bitmapDestroy(0)...)
			t.expect("FFA_NOTIFICATION_UNBIND", success(), unbind(t.optee, self, 0, 1)...)
			t.expect("FFA_NOTIFICATION_BITMAP_DESTROY", success(), bitmapDestroy(0)...)
		})},
		{Name: "bind", Rule: binding,
			Why: "The sender stands in the upper half of w1; the reply is FFA_SUCCESS_32, as Linux wants it.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
			})},
		{Name: "bind-high-word", Rule: binding, Why: "w4 holds notifications 63 to 32.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND of 63", success(), bind(t.optee, self, 0, 1<<63)...)
			t.expect("FFA_NOTIFICATION_BIND of 31", success(), bind(t.optee, self, 0, 1<<31)...)
			t.expect("FFA_NOTIFICATION_UNBIND of both", success(), unbind(t.optee, self, 0, 1<<63|1<<31)...)
		})},
		{Name: "bind-all", Rule: binding, Why: "There are 64 notifications.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND of all", success(), bind(t.optee, self, 0, ^uint64(0))...)
		})},
		{Name: "bind-without-bitmap", Rule: binding,
			Why: "Notifications of the receiver are not enabled.",
			Run: withOPTEE(func(t *T) {
				t.expect("FFA_NOTIFICATION_BIND without a bitmap", failure(ffa.NotSupported, ffa.Denied), bind(t.optee, self, 0, 1)...)
			})},
		{Name: "bind-nothing", Rule: binding, Why: "At least one notification is bound.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND of nothing", invalid, bind(t.optee, self, 0, 0)...)
		})},
		{Name: "bind-reserved-flags", Rule: binding,
			Why: "w2[31:1] must be zero; OP-TEE says DENIED.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_BIND with a reserved flag", failure(ffa.InvalidParameters, ffa.Denied), bind(t.optee, self, 2, 1)...)
			})},
		{Name: "bind-identifiers-swapped", Rule: binding, Why: "The receiver is the caller.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND with the identifiers swapped", failure(ffa.InvalidParameters, ffa.Denied), bind(self, t.optee, 0, 1)...)
		})},
		{Name: "bind-itself", Rule: binding, Why: "Nobody notifies itself.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND of itself", invalid, bind(self, self, 0, 1)...)
		})},
		{Name: "bind-unknown-sender", Rule: binding, Why: "No partition has this identifier.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND of an unknown sender", invalid, bind(t.freeID(), self, 0, 1)...)
		})},
		{Name: "bind-for-vm", Rule: binding, Why: "The receiver is the caller; there are no VMs.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND for VM 5", failure(ffa.InvalidParameters, ffa.Denied, ffa.NotSupported), bind(t.optee, 5, 0, 1)...)
		})},
		{Name: "bind-bound-to-another", Rule: linuxRule("drivers/tee/optee/ffa_abi.c", "optee_ffa_async_notif_init"),
			Why: "A notification of another sender is DENIED: on this code alone Linux tries the next number.", Run: notifying(func(t *T) {
				p := t.partner(0)
				t.expect("FFA_NOTIFICATION_BIND to another partition", success(), bind(p.ID, self, 0, 3)...)
				t.expect("FFA_NOTIFICATION_BIND", denied, bind(t.optee, self, 0, 2|4)...)
				t.expect("FFA_NOTIFICATION_BIND of the free one", success(), bind(t.optee, self, 0, 4)...)
			})},
		{Name: "unbind", Rule: unbinding, Why: "A notification that was unbound can be bound again.", Run: notifying(func(t *T) {
			for range 2 {
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 6)...)
				t.expect("FFA_NOTIFICATION_UNBIND", success(), unbind(t.optee, self, 0, 6)...)
			}
		})},
		{Name: "unbind-part", Rule: unbinding, Why: "The rest stays bound.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 6)...)
			t.expect("FFA_NOTIFICATION_UNBIND of one", success(), unbind(t.optee, self, 0, 2)...)
			t.expect("FFA_NOTIFICATION_UNBIND of the one that is not bound", denied, unbind(t.optee, self, 0, 2)...)
			t.expect("FFA_NOTIFICATION_UNBIND of the other", success(), unbind(t.optee, self, 0, 4)...)
		})},
		{Name: "unbind-not-bound", Rule: unbinding, Why: "It is not bound to that sender.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_UNBIND", denied, unbind(t.optee, self, 0, 1)...)
		})},
		{Name: "unbind-nothing", Rule: unbinding, Why: "At least one notification is unbound.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_UNBIND of nothing", invalid, unbind(t.optee, self, 0, 0)...)
		})},
		{Name: "unbind-flags", Rule: unbinding, Why: "w2 must be zero.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
			t.expect("FFA_NOTIFICATION_UNBIND with a flag", failure(ffa.InvalidParameters, ffa.Denied), unbind(t.optee, self, 2, 1)...)
		})},
		{Name: "get-nothing", Rule: get, Why: "Nothing is pending: all bitmaps are zero.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_GET as Linux calls it", nothing, getCall(0, 0, 5)...)
			t.expect("FFA_NOTIFICATION_GET from partitions", nothing, getCall(0, 0, 1)...)
		})},
		{Name: "get-bound", Rule: get, Why: "A notification that is bound is not pending.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
			t.expect("FFA_NOTIFICATION_GET", nothing, getCall(0, 0, 5)...)
		})},
		{Name: "get-other-vcpu", Rule: get, Needs: NeedCPUs,
			Why: "Each vCPU of the receiver may ask.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_GET for vCPU 1", nothing, getCall(1, 0, 5)...)
			})},
		{Name: "get-no-such-vcpu", Rule: get, Why: "The receiver has no such vCPU.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_GET for a vCPU beyond the last", invalid, getCall(uint64(t.CPUs), 0, 5)...)
			t.expect("FFA_NOTIFICATION_GET for vCPU 65535", invalid, getCall(0xFFFF, 0, 5)...)
		})},
		{Name: "get-for-partition", Rule: get,
			Why: "The normal world gets nobody else's notifications.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_GET for OP-TEE", failure(ffa.InvalidParameters, ffa.Denied), getCall(0, uint64(t.optee), 5)...)
			})},
		{Name: "get-reserved-flags", Rule: get, Why: "w2[31:4] must be zero.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_GET with a reserved flag", invalid, getCall(0, 0, 1<<4|1)...)
		})},
		{Name: "get-without-bitmap", Rule: get, Why: "Notifications of the receiver are not enabled.", Run: withOPTEE(func(t *T) {
			t.expect("FFA_NOTIFICATION_GET without a bitmap", failure(ffa.NotSupported, ffa.Denied, ffa.InvalidParameters), getCall(0, 0, 5)...)
		})},
		{Name: "info-nothing", Rule: info, Why: "Nothing is pending: NO_DATA.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_INFO_GET", failure(ffa.NoData), uint64(ffa.NotificationInfoGet64))
		})},
		{Name: "info-nothing-smc32", Rule: info, Why: "The SMC32 form says the same.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_INFO_GET, SMC32", failure(ffa.NoData), uint64(ffa.NotificationInfoGet32))
		})},
		{Name: "set-not-bound", Rule: set,
			Why: "OP-TEE has not bound that notification to the normal world.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_SET", denied, setCall(self, t.optee, 0, 1)...)
			})},
		{Name: "set-nothing", Rule: set, Why: "At least one notification is set.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_SET of nothing", invalid, setCall(self, t.optee, 0, 0)...)
		})},
		{Name: "set-spoofed-sender", Rule: set,
			Why: "The sender is the caller: a partition's identifier is refused.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
				t.expect("FFA_NOTIFICATION_SET in the name of OP-TEE", failure(ffa.InvalidParameters, ffa.Denied), setCall(t.optee, self, 0, 1)...)
				t.expect("FFA_NOTIFICATION_GET", nothing, getCall(0, 0, 5)...)
			})},
		{Name: "set-itself", Rule: set, Why: "Nobody notifies itself.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_SET to itself", invalid, setCall(self, self, 0, 1)...)
		})},
		{Name: "set-reserved-flags", Rule: set, Why: "w2[15:2] must be zero.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_SET with a reserved flag", invalid, setCall(self, t.optee, 1<<2, 1)...)
		})},
		{Name: "set-delayed", Rule: set,
			Why: "Only secure partitions delay the schedule receiver interrupt.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_SET with delay", failure(ffa.InvalidParameters, ffa.Denied), setCall(self, t.optee, 2, 1)...)
			})},
		{Name: "set-global-with-vcpu", Rule: set, Why: "A global notification has no vCPU.", Run: notifying(func(t *T) {
			t.expect("FFA_NOTIFICATION_SET of vCPU 1, not per vCPU", invalid, setCall(self, t.optee, 1<<16, 1)...)
		})},
		{Name: "signal", Rule: set,
			Why: "A notification that a partition sets is reported once, got once, and then gone.",
			Run: notifying(func(t *T) {
				p := t.partner(0)
				const bits = 1<<63 | 1<<32 | 1<<5
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(p.ID, self, 0, bits)...)
				t.tell("notify", p.ID, PartnerNotify, bits, 0, 0)
				// One list of one identifier: endpoint 0.
				one := ffaReply(uint64(ffa.Success64), 0, 1<<7)
				t.expect("FFA_NOTIFICATION_INFO_GET", Want{"FFA_SUCCESS_64 with endpoint 0", []pattern{one}}, uint64(ffa.NotificationInfoGet64))
				t.expect("FFA_NOTIFICATION_INFO_GET again", failure(ffa.NoData), uint64(ffa.NotificationInfoGet64))
				t.expect("FFA_NOTIFICATION_UNBIND of what is pending", denied, unbind(p.ID, self, 0, 1<<5)...)
				t.expect("FFA_NOTIFICATION_BITMAP_DESTROY with something pending", denied, bitmapDestroy(0)...)
				t.expect("FFA_NOTIFICATION_GET from the SPM only", nothing, getCall(0, 0, 4)...)
				t.expect("FFA_NOTIFICATION_GET", success(1<<5, 1<<31|1, 0, 0, 0, 0), getCall(0, 0, 5)...)
				t.expect("FFA_NOTIFICATION_GET again", nothing, getCall(0, 0, 5)...)
				t.expect("FFA_NOTIFICATION_UNBIND", success(), unbind(p.ID, self, 0, bits)...)
			})},
		{Name: "signal-smc32", Rule: info, Why: "The SMC32 form has 16-bit identifiers in w3 to w7.", Run: notifying(func(t *T) {
			p := t.partner(0)
			t.expect("FFA_NOTIFICATION_BIND", success(), bind(p.ID, self, 0, 1)...)
			t.tell("notify", p.ID, PartnerNotify, 1, 0, 0)
			t.expect("FFA_NOTIFICATION_INFO_GET, SMC32", success(1<<7), uint64(ffa.NotificationInfoGet32))
		})},
		{Name: "signal-not-bound", Rule: set, Why: "A partition sets only what is bound to it.", Run: notifying(func(t *T) {
			p := t.partner(0)
			t.expect("FFA_NOTIFICATION_BIND", success(), bind(p.ID, self, 0, 1)...)
			t.tell("notify", p.ID, PartnerNotify, 3, 0, 0, ffa.Denied)
			t.expect("FFA_NOTIFICATION_BIND to OP-TEE", success(), bind(t.optee, self, 0, 2)...)
			t.tell("notify", p.ID, PartnerNotify, 2, 0, 0, ffa.Denied)
			t.expect("FFA_NOTIFICATION_GET", nothing, getCall(0, 0, 5)...)
		})},
		{Name: "signal-without-bitmap", Rule: set, Why: "The receiver has not enabled notifications.", Run: withOPTEE(func(t *T) {
			t.tell("notify", t.partner(0).ID, PartnerNotify, 1, 0, 0, ffa.Denied, ffa.NotSupported)
		})},
		{Name: "signal-twice", Rule: info,
			Why: "What is set again after it was reported is reported again.",
			Run: notifying(func(t *T) {
				p := t.partner(0)
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(p.ID, self, 0, 3)...)
				for range 2 {
					t.tell("notify", p.ID, PartnerNotify, 2, 0, 0)
					one := ffaReply(uint64(ffa.Success64), 0, 1<<7)
					t.expect("FFA_NOTIFICATION_INFO_GET", Want{"FFA_SUCCESS_64 with endpoint 0", []pattern{one}}, uint64(ffa.NotificationInfoGet64))
				}
				t.expect("FFA_NOTIFICATION_GET", success(2, 0, 0, 0, 0, 0), getCall(0, 0, 5)...)
			})},
		{Name: "system-reset", Rule: psciRule("SYSTEM_RESET"), Needs: NeedRun,
			Why: "Linux leaves its bitmap behind when it reboots; the next kernel creates its own.",
			Run: notifying(func(t *T) {
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
				t.systemReset()
				t.startFFA()
				t.expect("FFA_NOTIFICATION_BITMAP_CREATE after a reset", success(), bitmapCreate(0, 1)...)
				t.expect("FFA_NOTIFICATION_BIND after a reset", success(), bind(t.optee, self, 0, 1)...)
			})},
		{Name: "linux-probe", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_notifications_setup"),
			Why: "What Linux does at probe and at removal, in its order.",
			Run: withOPTEE(func(t *T) {
				if !t.has(uint64(ffa.NotificationBitmapCreate32)) {
					t.failf("notifications", "FFA_FEATURES does not know FFA_NOTIFICATION_BITMAP_CREATE")
				}
				t.expect("FFA_NOTIFICATION_BITMAP_CREATE", success(), bitmapCreate(0, uint64(t.CPUs))...)
				t.expect("FFA_NOTIFICATION_BIND", success(), bind(t.optee, self, 0, 1)...)
				t.request("ENABLE_ASYNC_NOTIF, announced or not", t.response("", []uint64{}...), uint64(optee.FFAEnableAsyncNotif), 0)
				t.expect("FFA_NOTIFICATION_UNBIND", success(), unbind(t.optee, self, 0, 1)...)
				t.expect("FFA_NOTIFICATION_BITMAP_DESTROY", success(), bitmapDestroy(0)...)
				t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			})},
	}
	for _, f := range []ffa.Function{ffa.NotificationBitmapCreate32, ffa.NotificationBind32, ffa.NotificationGet32} {
		cases = append(cases, Case{Name: fmt.Sprintf("no-smc64-%#x", uint32(f)), Rule: ffaRule("FFA_ERROR, NOT_SUPPORTED"),
			Why: f.String() + " has no 64-bit form.",
			Run: negotiated(func(t *T) {
				t.expect("a call in the wrong convention", failure(ffa.NotSupported), uint64(f)|1<<30, 0, 1)
			})})
	}
	return cases
}
