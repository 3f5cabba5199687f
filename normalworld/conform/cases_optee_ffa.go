package conform

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

func opteeFFARule(section string) Rule { return Rule{"optee_ffa.h", section} }

func opteeFFACases() []Case {
	version, caps := opteeFFARule("OPTEE_FFA_GET_API_VERSION"), opteeFFARule("OPTEE_FFA_EXCHANGE_CAPABILITIES")
	withArg, unregister := opteeFFARule("OPTEE_FFA_YIELDING_CALL_WITH_ARG"), opteeFFARule("OPTEE_FFA_UNREGISTER_SHM")
	release, resume := opteeFFARule("OPTEE_FFA_RELEASE_PROTMEM"), opteeFFARule("OPTEE_FFA_YIELDING_CALL_RESUME")
	code := func(r optee.Result) uint64 { return uint64(r) }
	open := func() *optee.Arg { return openArg(optee.DeviceUUID(), optee.LoginPublic) }
	cases := []Case{
		{Name: "api-version", Rule: version,
			Why: "Linux wants version 1.0 exactly, in 64-bit comparisons.",
			Run: withOPTEE((*T).alive)},
		{Name: "os-version", Rule: opteeFFARule("OPTEE_FFA_GET_OS_VERSION"),
			Why: "Major, minor and build are words.",
			Run: withOPTEE(func(t *T) {
				t.request("GET_OS_VERSION", t.response("", []uint64{}...), uint64(optee.FFAGetOSVersion))
			})},
		{Name: "capabilities", Rule: caps,
			Why: "w3 is 0, w4[7:0] the parameters of an RPC, at least one, w5 known capabilities; w6 is a maximum or 0.",
			Run: withOPTEE(func(t *T) {
				got := t.request("EXCHANGE_CAPABILITIES", t.response("w3=0", 0), uint64(optee.FFAExchangeCapabilities))
				known := optee.FFACapArgOffset | optee.FFACapAsyncNotif | optee.FFACapRPMBProbe | optee.FFACapProtmem
				t.require(got[1] >= 1 && got[1] <= 0xFF && optee.FFACapabilities(got[2])&^known == 0, "EXCHANGE_CAPABILITIES", "w4 from 1 to 255, w5 with bits 3:0 only")
			})},
		{Name: "capabilities-protmem", Rule: caps, Why: "Dynamic protected memory is announced.", Run: withOPTEE(func(t *T) {
			got := t.request("EXCHANGE_CAPABILITIES", t.response("w3=0", 0), uint64(optee.FFAExchangeCapabilities))
			t.require(optee.FFACapabilities(got[2])&optee.FFACapProtmem != 0, "EXCHANGE_CAPABILITIES", "bit 3 of w5")
		})},
		{Name: "unknown-service", Rule: opteeFFARule("service identifiers"),
			Why: "A service that does not exist is BAD_PARAMETERS in w3.",
			Run: withOPTEE(func(t *T) {
				for _, s := range []uint64{4, 6, 7, 9, 0x7FFF_FFFF} {
					t.request("an unknown service", t.response("w3=BAD_PARAMETERS", code(optee.ErrorBadParameters)), s)
				}
				t.alive()
			})},
		{Name: "unregister-unknown", Rule: unregister,
			Why: "A handle that OP-TEE never saw is no error: clients cannot know.",
			Run: withOPTEE(func(t *T) {
				for _, h := range []ffa.Handle{0, 1, 0x7777_0001, ffa.InvalidHandle} {
					t.unregister(h)
				}
			})},
		{Name: "unregister-unused", Rule: unregister,
			Why: "A share that OP-TEE never used is no error, and comes back.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 1)
				t.unregister(h)
				t.reclaim(h)
			})},
		{Name: "unregister-twice", Rule: unregister, Why: "The second time there is nothing to drop.", Run: withOPTEE(func(t *T) {
			t.open()
			t.unregister(t.shm)
			t.unregister(t.shm)
			t.reclaim(t.shm)
		})},
		{Name: "unregister-then-use", Rule: unregister,
			Why: "While it is shared memory may be used again after it was unregistered, which retrieves it again.",
			Run: withOPTEE(func(t *T) {
				t.open()
				t.unregister(t.shm)
				t.open()
				t.reclaimWith("reclaim", failure(ffa.Denied), t.shm)
				t.unregister(t.shm)
				t.reclaim(t.shm)
			})},
		{Name: "unregister-words-swapped", Rule: unregister,
			Why: "w4 is the lower half of the handle: swapped it names nothing, and the share stays in use.",
			Run: withOPTEE(func(t *T) {
				t.open()
				h := uint64(t.shm)
				t.request("UNREGISTER_SHM with the halves swapped", t.response("", []uint64{}...), uint64(optee.FFAUnregisterSHM), h>>32, uint64(uint32(h)))
				t.reclaimWith("reclaim", failure(ffa.Denied), t.shm)
			})},
		{Name: "release-unknown", Rule: release, Why: "A handle that OP-TEE never saw is no error.", Run: withOPTEE(func(t *T) {
			for _, h := range []ffa.Handle{0, 1, 0x7777_0001, ffa.InvalidHandle} {
				t.release(h)
			}
		})},
		{Name: "with-arg-unknown-handle", Rule: withArg, Why: "Nobody shared that memory.", Run: withOPTEE(func(t *T) {
			for _, h := range []ffa.Handle{0, 1, 0x7777_0001, ffa.InvalidHandle} {
				reply := t.withArg("a message in nothing", h, 0)
				t.require(reply[0] != 0 && reply[0] != code(optee.ErrorBusy), "a message in nothing", "w3 other than 0 and BUSY")
			}
			t.alive()
		})},
		{Name: "with-arg-words-swapped", Rule: withArg, Why: "w4 is the lower half of the handle.", Run: withOPTEE(func(t *T) {
			h := t.argPage()
			t.write(t.arg, open().AppendTo(nil))
			reply := t.withArg("a message with the halves of the handle swapped", h>>32|h<<32, 0)
			t.require(reply[0] != 0 || h>>32|h<<32 == h, "a message with the halves of the handle swapped", "w3 other than 0")
		})},
		{Name: "with-arg-second-in-page", Rule: caps,
			Why: "With ARG_OFFSET several arguments share a page.",
			Run: withOPTEE(func(t *T) {
				got := t.request("EXCHANGE_CAPABILITIES", t.response("w3=0", 0), uint64(optee.FFAExchangeCapabilities))
				if optee.FFACapabilities(got[2])&optee.FFACapArgOffset == 0 {
					t.skip("arguments stand at the start of a page")
				}
				slot := optee.ArgSize(6) + optee.ArgSize(uint32(got[1]))
				for offset := uint64(0); offset+slot <= page; offset += slot {
					a := t.messageAt(fmt.Sprintf("OPEN_SESSION at offset %d", offset), offset, open())
					t.ret("OPEN_SESSION", a, optee.Success)
				}
			})},
		{Name: "with-arg-misaligned", Rule: withArg, Why: "An argument is aligned to 8 bytes.", Run: withOPTEE(func(t *T) {
			t.badArgument("an argument at offset 4", 4, open().AppendTo(nil))
			t.badArgument("an argument at offset 1", 1, open().AppendTo(nil))
			t.open()
		})},
		{Name: "with-arg-beyond-end", Rule: withArg,
			Why: "The argument lies within the shared memory.",
			Run: withOPTEE(func(t *T) {
				h := t.argPage()
				for _, offset := range []uint64{page, page - 8, page - 32 + 8, page * 2, 0x7FFF_FFF8, 0xFFFF_FFF8} {
					reply := t.withArg(fmt.Sprintf("an argument at offset %#x", offset), h, offset)
					t.require(reply[0] != 0, "an argument beyond the end", "w3 other than 0")
				}
				t.open()
			})},
		{Name: "with-arg-parameters-beyond-end", Rule: withArg,
			Why: "The parameters lie within the shared memory, too.",
			Run: withOPTEE(func(t *T) {
				a := open().AppendTo(nil)
				t.badArgument("an argument whose parameters end behind the page", page-64, a[:64])
				t.open()
			})},
		{Name: "with-arg-rpc-beyond-end", Rule: withArg,
			Why: "The RPC argument stands behind the parameters of this message, and needs its room.",
			Run: withOPTEE(func(t *T) {
				a := open()
				offset := uint64(page) - a.Size()
				b := a.AppendTo(nil)
				t.badArgument("an argument with no room for the RPC argument", offset, b)
				t.open()
			})},
		{Name: "with-arg-in-lent-memory", Rule: withArg,
			Why: "Memory that was lent is no shared memory: nothing is read or written there.",
			Run: withOPTEE(func(t *T) {
				t.write(t.pool, open().AppendTo(nil))
				h := t.lend(t.pool, poolPages)
				reply := t.withArg("a message in lent memory", h, 0)
				t.require(reply[0] != 0, "a message in lent memory", "w3 other than 0")
				t.reclaim(h)
			})},
		{Name: "with-arg-in-assigned-memory", Rule: withArg,
			Why: "A pool is no shared memory either: OP-TEE would write results into protected memory.",
			Run: withOPTEE(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				reply := t.withArg("a message in a pool", p.handle, 0)
				t.require(reply[0] != 0, "a message in a pool", "w3 other than 0")
				t.unprotect(p)
			})},
		{Name: "resume-nothing", Rule: resume, Why: "No call is suspended: BAD_PARAMETERS.", Run: withOPTEE(func(t *T) {
			for _, info := range []uint64{0, 1, 7, 0xFFFF_FFFF} {
				t.request("RESUME of nothing", t.response("w3=BAD_PARAMETERS", code(optee.ErrorBadParameters)), uint64(optee.FFAYieldingCallResume), 0, 0, 0, info)
			}
			t.alive()
		})},
		{Name: "async-notification-number", Rule: opteeFFARule("OPTEE_FFA_ENABLE_ASYNC_NOTIF"),
			Why: "A bottom half has a number below 64; without the capability nothing can be enabled.",
			Run: withOPTEE(func(t *T) {
				for _, n := range []uint64{64, 0xFFFF_FFFF} {
					got := t.request("ENABLE_ASYNC_NOTIF", t.response("", []uint64{}...), uint64(optee.FFAEnableAsyncNotif), n)
					t.require(got[0] != 0, "ENABLE_ASYNC_NOTIF of a number that is none", "w3 other than 0")
				}
			})},
		{Name: "async-notification", Rule: opteeFFARule("OPTEE_FFA_ENABLE_ASYNC_NOTIF"),
			Why: "Where the capability is announced, a notification that was bound can be enabled.",
			Run: withOPTEE(func(t *T) {
				got := t.request("EXCHANGE_CAPABILITIES", t.response("w3=0", 0), uint64(optee.FFAExchangeCapabilities))
				if optee.FFACapabilities(got[2])&optee.FFACapAsyncNotif == 0 {
					t.skip("OP-TEE has no asynchronous notifications")
				}
				t.expect("FFA_NOTIFICATION_BITMAP_CREATE", success(), uint64(ffa.NotificationBitmapCreate32), 0, uint64(t.CPUs))
				t.expect("FFA_NOTIFICATION_BIND", success(), uint64(ffa.NotificationBind32), uint64(t.optee)<<16, 0, 1)
				t.request("ENABLE_ASYNC_NOTIF", t.response("w3=0", 0), uint64(optee.FFAEnableAsyncNotif), 0)
				t.messageAt("DO_BOTTOM_HALF", 0, &optee.Arg{Cmd: optee.CmdDoBottomHalf})
			})},
		{Name: "register-is-not-ffa", Rule: msgRule("OPTEE_MSG_CMD_REGISTER_SHM"),
			Why: "Over FF-A memory is shared with FFA_MEM_SHARE: the message is refused.",
			Run: withOPTEE(func(t *T) {
				t.argPage()
				for _, a := range []*optee.Arg{t.registerArg(0x1000, 0, page), unregisterArg(0x1000), lendArg(useCase, t.pool, poolSize, 0x2000), reclaimArg(0x2000)} {
					t.write(t.arg, a.AppendTo(nil))
					reply := t.withArg("a message of the SMC ABI", t.shm, 0)
					refused := reply[0] != 0 || t.answer(t.arg, a).Ret != optee.Success
					t.require(refused, "a message of the SMC ABI", "w3 or ret other than 0")
				}
				t.free("memory that was not lent", t.pool, poolPages)
			})},
		{Name: "memref-null", Rule: msgRule("OPTEE_MSG_FMEM_INVALID_GLOBAL_ID"),
			Why: "A reference to global id -1 is NULL.",
			Run: withOPTEE(func(t *T) { t.enumerate(t.open()) })},
		{Name: "memref-internal-offset", Rule: msgRule("struct optee_msg_param_fmem"),
			Why: "The internal offset lies in the first page.",
			Run: withOPTEE(func(t *T) {
				s := t.open()
				b := t.shareBuffer(t.buf, 2)
				t.messageOneOf("an internal offset of 4096", []optee.Result{optee.ErrorBadParameters, optee.ErrorSecurity}, invokeArg(s, optee.DeviceCmdGetDevices,
					optee.FMemParam(optee.AttrFMemOutput, optee.FMem{InternalOffset: page, Size: 16, GlobalID: uint64(b.handle)})))
				t.unshare(b)
			})},
		{Name: "memref-unassigned-pool", Rule: msgRule("struct optee_msg_param_fmem"),
			Why: "A pool that was not assigned to a use case is no memory of OP-TEE.",
			Run: withOPTEE(func(t *T) {
				s := t.open()
				h := t.lend(t.pool, poolPages)
				t.message("a reference into a pool that was not assigned", optee.ErrorBadParameters,
					invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, shared{handle: h}, 0, 16)))
				t.reclaim(h)
			})},
		{Name: "multi-page-message-buffer", Rule: withArg,
			Why: "A share of several pages holds messages in any of them.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 4)
				a := open()
				t.write(t.buf+3*page, a.AppendTo(nil))
				reply := t.withArg("OPEN_SESSION in the fourth page", h, 3*page)
				t.require(reply[0] == 0, "OPEN_SESSION in the fourth page", "w3 = 0")
				t.ret("OPEN_SESSION", t.answer(t.buf+3*page, a), optee.Success)
			})},
		{Name: "scattered-message-buffer", Rule: withArg,
			Why: "A share of pages that lie apart is contiguous for OP-TEE: a message may stand across two of them.",
			Run: withOPTEE(func(t *T) {
				h := t.sent(ffa.Share, t.transaction(ffa.Share, region(t.buf+8*page, 1), region(t.buf, 1)))
				a := open()
				b := a.AppendTo(nil)
				t.write(t.buf+9*page-32, b[:32])
				t.write(t.buf, b[32:])
				reply := t.withArg("OPEN_SESSION across two pages", h, page-32)
				t.require(reply[0] == 0, "OPEN_SESSION across two pages", "w3 = 0")
				if le32(t.read(t.buf+9*page-32+20, 4)) != 0 || le32(t.read(t.buf+9*page-32+8, 4)) == 0 {
					t.failf("ret = SUCCESS and a session", "the header of the message holds % x", t.read(t.buf+9*page-32, 32))
				}
			})},
	}
	cases = append(cases, linuxOPTEEFFA())
	return append(cases, sessionCases(overFFA)...)
}
