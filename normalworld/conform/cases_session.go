package conform

import (
	"fmt"

	"gatehouse/smc"
	"gatehouse/smc/optee"
)

func msgRule(section string) Rule { return Rule{"optee_msg.h", section} }

// over runs a case with the service reachable over an ABI.
func over(a abi, f func(t *T)) func(*T) {
	return func(t *T) {
		t.start(a)
		f(t)
	}
}

// enumerate asks the device enumeration how long its list is.
func (t *T) enumerate(session uint32) uint64 {
	a := t.messageOneOf("GET_DEVICES without a buffer", []optee.Result{optee.Success, optee.ErrorShortBuffer},
		invokeArg(session, optee.DeviceCmdGetDevices, t.null(optee.AttrRMemOutput)))
	n := a.Params[0].Size()
	t.require(n%16 == 0 && n < page, "GET_DEVICES without a buffer", "a size that is a multiple of 16")
	t.require((a.Ret == optee.Success) == (n == 0), "GET_DEVICES without a buffer", "SHORT_BUFFER where there are devices, SUCCESS where there are none")
	return n
}

// badArgument is a message that the message layer refuses: no result is written, and the call fails.
func (t *T) badArgument(what string, offset uint64, b []byte) {
	t.write(t.arg+offset, b)
	if t.abi == overFFA {
		reply := t.withArg(what, t.argPage(), offset)
		t.require(reply[0] != 0 && optee.Result(reply[0]) != optee.ErrorBusy, what, "w3 other than 0 and BUSY")
	} else {
		code := t.withAddress(what, optee.CallWithRPCArg, t.arg+offset)
		_, rpc := code.RPC()
		t.require(code != optee.ReturnOK && code != optee.ReturnEThreadLimit && !rpc, what, "a0 other than OK, ETHREAD_LIMIT and RPC")
	}
	t.contains(what+": the argument afterwards", t.arg+offset, b)
}

// sessionCases are those of the message layer, which is the same over both ABIs.
func sessionCases(a abi) []Case {
	open, invoke, closing := msgRule("OPTEE_MSG_CMD_OPEN_SESSION"), msgRule("OPTEE_MSG_CMD_INVOKE_COMMAND"), msgRule("OPTEE_MSG_CMD_CLOSE_SESSION")
	arg := msgRule("struct optee_msg_arg")
	bad := optee.ErrorBadParameters
	enumeration := linuxRule("drivers/tee/optee/device.c", "get_devices")
	publicOpen := func() *optee.Arg { return openArg(optee.DeviceUUID(), optee.LoginPublic) }
	cases := []Case{
		{Name: "open", Rule: enumeration,
			Why: "The device enumeration can be opened; its session has a number that is not 0.",
			Run: over(a, func(t *T) { t.open() })},
		{Name: "open-unknown", Rule: open,
			Why: "No trusted application has this UUID: ITEM_NOT_FOUND, and no session.",
			Run: over(a, func(t *T) {
				got := t.message("OPEN_SESSION of nothing", optee.ErrorItemNotFound, openArg(smc.UUID{1, 2, 3}, optee.LoginPublic))
				t.require(got.Session == 0, "OPEN_SESSION of nothing", "session 0")
			})},
		{Name: "open-uuid-octets", Rule: open,
			Why: "The UUID stands in the message as octets in the order of RFC 4122.",
			Run: over(a, func(t *T) {
				u := optee.DeviceUUID()
				var swapped smc.UUID
				for i, w := range u.FFAWords() {
					swapped[4*i], swapped[4*i+1], swapped[4*i+2], swapped[4*i+3] = byte(w>>24), byte(w>>16), byte(w>>8), byte(w)
				}
				t.message("OPEN_SESSION with the octets of each word reversed", optee.ErrorItemNotFound, openArg(swapped, optee.LoginPublic))
			})},
		{Name: "open-twice", Rule: open, Why: "Two sessions have two numbers.", Run: over(a, func(t *T) {
			x, y := t.open(), t.open()
			t.require(x != y, "a second OPEN_SESSION", "another session number")
		})},
		{Name: "open-kernel-login", Rule: open,
			Why: "The kernel itself opens sessions with the login for the REE kernel.",
			Run: over(a, func(t *T) {
				t.message("OPEN_SESSION as the kernel", optee.Success, openArg(optee.DeviceUUID(), optee.LoginREEKernel))
			})},
		{Name: "open-unknown-login", Rule: open, Why: "There is no such login.", Run: over(a, func(t *T) {
			got := t.message("OPEN_SESSION with login 77", bad, openArg(optee.DeviceUUID(), 77))
			t.require(got.Session == 0, "OPEN_SESSION with login 77", "session 0")
		})},
		{Name: "open-secure-login", Rule: open,
			Why: "The normal world cannot log in as a trusted application.",
			Run: over(a, func(t *T) {
				t.message("OPEN_SESSION as a trusted application", bad, openArg(optee.DeviceUUID(), optee.LoginTrustedApp))
			})},
		{Name: "open-without-meta", Rule: open,
			Why: "The first two parameters name the application and the client.",
			Run: over(a, func(t *T) {
				full := publicOpen()
				for n := range 2 {
					t.message("OPEN_SESSION without meta parameters", bad, &optee.Arg{Cmd: optee.CmdOpenSession, Params: full.Params[:n]})
				}
				for i := range 2 {
					x := publicOpen()
					x.Params[i].Attr &^= optee.AttrMeta
					t.message("OPEN_SESSION with a parameter that is not meta", bad, x)
				}
			})},
		{Name: "open-too-many-parameters", Rule: open, Why: "An application has four parameters.", Run: over(a, func(t *T) {
			x := publicOpen()
			for range 5 {
				x.Params = append(x.Params, optee.ValueParam(optee.AttrValueInput, 0, 0, 0))
			}
			t.message("OPEN_SESSION with seven parameters", bad, x)
		})},
		{Name: "open-until-refused", Rule: open,
			Why: "Sessions are bounded: then OUT_OF_MEMORY, and a session that is closed makes room.",
			Run: over(a, func(t *T) {
				var last uint32
				for range 10_000 {
					got := t.messageOneOf("OPEN_SESSION", []optee.Result{optee.Success, optee.ErrorOutOfMemory, optee.ErrorBusy}, publicOpen())
					if got.Ret != optee.Success {
						t.message("CLOSE_SESSION", optee.Success, &optee.Arg{Cmd: optee.CmdCloseSession, Session: last})
						t.open()
						return
					}
					last = got.Session
				}
				t.skip("10000 sessions are open")
			})},
		{Name: "close", Rule: closing, Why: "A session that was closed does not exist.", Run: over(a, func(t *T) {
			s := t.open()
			t.message("CLOSE_SESSION", optee.Success, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
			t.message("CLOSE_SESSION again", bad, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
			t.message("INVOKE_COMMAND in a closed session", bad, invokeArg(s, optee.DeviceCmdGetDevices, t.null(optee.AttrRMemOutput)))
		})},
		{Name: "close-unknown", Rule: closing, Why: "There is no such session.", Run: over(a, func(t *T) {
			for _, s := range []uint32{0, 1, 77, 0xFFFF_FFFF} {
				t.message("CLOSE_SESSION of nothing", bad, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
			}
		})},
		{Name: "close-with-parameters", Rule: closing,
			Why: "CLOSE_SESSION has no parameters; the session stays open.",
			Run: over(a, func(t *T) {
				s := t.open()
				t.message("CLOSE_SESSION with a parameter", bad, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s, Params: []optee.Param{optee.ValueParam(optee.AttrValueInput, 0, 0, 0)}})
				t.enumerate(s)
			})},
		{Name: "cancel-unknown", Rule: msgRule("OPTEE_MSG_CMD_CANCEL"),
			Why: "There is no such session.",
			Run: over(a, func(t *T) {
				t.message("CANCEL of nothing", bad, &optee.Arg{Cmd: optee.CmdCancel, Session: 77})
			})},
		{Name: "invoke-unknown-session", Rule: invoke, Why: "There is no such session.", Run: over(a, func(t *T) {
			for _, s := range []uint32{0, 77, 0xFFFF_FFFF} {
				t.message("INVOKE_COMMAND without session", bad, invokeArg(s, optee.DeviceCmdGetDevices, t.null(optee.AttrRMemOutput)))
			}
		})},
		{Name: "invoke-unknown-command", Rule: enumeration,
			Why: "The device enumeration has no such command: an error from the application.",
			Run: over(a, func(t *T) {
				got := t.messageOneOf("command 4711", []optee.Result{optee.ErrorNotImplemented, optee.ErrorNotSupported, bad}, invokeArg(t.open(), 4711))
				t.require(got.RetOrigin == optee.OriginTrustedApp || got.RetOrigin == optee.OriginTEE, "command 4711", "origin TRUSTED_APP")
			})},
		{Name: "devices-size", Rule: enumeration,
			Why: "Without a buffer Linux is told how long the list is: a multiple of 16, or nothing.",
			Run: over(a, func(t *T) { t.enumerate(t.open()) })},
		{Name: "devices-list", Rule: enumeration,
			Why: "With a buffer of that size the list arrives there and nowhere else.",
			Run: over(a, func(t *T) {
				s := t.open()
				n := t.enumerate(s)
				t.fill(t.buf, 2*page)
				b := t.shareBuffer(t.buf, 2)
				got := t.message("GET_DEVICES", optee.Success, invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, b, 64, n)))
				t.require(got.Params[0].Size() == n, "GET_DEVICES", fmt.Sprintf("size %d", n))
				before, behind := t.read(t.buf, 64), t.read(t.buf+64+n, int(page-64-n))
				for _, x := range append(before, behind...) {
					if x != patternByte(t.buf) {
						t.failf("nothing is written outside the reference", "a byte beside the list is %#x", x)
					}
				}
				t.filled("the second page", t.buf+page, page)
				t.unshare(b)
			})},
		{Name: "memref-beyond-end", Rule: invoke, Why: "Offset and size lie within the shared memory.", Run: over(a, func(t *T) {
			s := t.open()
			b := t.shareBuffer(t.buf, 1)
			t.fill(t.buf, 2*page)
			for _, x := range [][2]uint64{{0, page + 1}, {1, page}, {page, 1}, {page + 1, 0}, {1 << 32, 1}, {0, 1 << 63}, {16, ^uint64(15)}} {
				t.messageOneOf(fmt.Sprintf("a reference at %#x of %#x bytes", x[0], x[1]), []optee.Result{optee.ErrorSecurity, bad},
					invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, b, x[0], x[1])))
			}
			t.filled("the memory", t.buf, 2*page)
			t.unshare(b)
		})},
		{Name: "memref-unknown", Rule: invoke, Why: "Nobody shared that memory.", Run: over(a, func(t *T) {
			t.message("a reference to nothing", bad,
				invokeArg(t.open(), optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, shared{handle: 0x7777_0001, cookie: 0x7777_0001}, 0, 16)))
		})},
		{Name: "memref-unshared", Rule: invoke, Why: "What was shared once is not shared any more.", Run: over(a, func(t *T) {
			s := t.open()
			b := t.shareBuffer(t.buf, 1)
			t.unshare(b)
			t.fill(t.buf, page)
			t.message("a reference to memory that was unshared", bad, invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, b, 0, 16)))
			t.filled("memory that was unshared", t.buf, page)
		})},
		{Name: "parameter-type-unknown", Rule: msgRule("OPTEE_MSG_ATTR_TYPE"),
			Why: "There is no parameter type 4.",
			Run: over(a, func(t *T) {
				s := t.open()
				for _, attr := range []optee.Attr{4, 8, 0xFF} {
					t.message("a parameter of an unknown type", bad, invokeArg(s, optee.DeviceCmdGetDevices, optee.Param{Attr: attr}))
				}
			})},
		{Name: "parameter-meta", Rule: msgRule("OPTEE_MSG_ATTR_META"),
			Why: "INVOKE_COMMAND has no meta parameters.",
			Run: over(a, func(t *T) {
				t.message("a meta parameter", bad, invokeArg(t.open(), optee.DeviceCmdGetDevices, optee.Param{Attr: optee.AttrValueInput | optee.AttrMeta}))
			})},
		{Name: "five-parameters", Rule: invoke, Why: "An application has four parameters.", Run: over(a, func(t *T) {
			t.message("five parameters", bad, invokeArg(t.open(), optee.DeviceCmdGetDevices, make([]optee.Param, 5)...))
		})},
		{Name: "message-unknown", Rule: arg,
			Why: "There is no such command; the call fails, or the message does.",
			Run: over(a, func(t *T) {
				b := (&optee.Arg{Cmd: 4711}).AppendTo(nil)
				t.badArgument("message 4711", 0, b)
			})},
		{Name: "message-too-many-parameters", Rule: arg,
			Why: "num_params is hostile: 128 parameters do not fit a page.",
			Run: over(a, func(t *T) {
				for _, n := range []uint32{128, 1 << 16, 1 << 27, 1<<27 - 1, 0xFFFF_FFFF} {
					b := invokeArg(1, 0).AppendTo(nil)
					b[28], b[29], b[30], b[31] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
					t.badArgument(fmt.Sprintf("%d parameters", n), 0, b)
				}
				t.open()
			})},
		{Name: "output-over-message", Rule: arg,
			Why: "An output that lies over the message itself does not confuse the service: the message was read once.",
			Run: over(a, func(t *T) {
				s := t.open()
				page := t.ownMemory()
				x := invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, page, 0, 4096))
				t.write(t.arg, x.AppendTo(nil))
				if t.abi == overFFA {
					t.withArg("GET_DEVICES into its own message", page.handle, 0)
				} else {
					t.withCookie("GET_DEVICES into its own message", page.cookie, 0)
				}
				t.enumerate(s)
			})},
		{Name: "on-second-processor", Rule: arg, Needs: NeedCPUs,
			Why: "A session belongs to the client, not to a processor.",
			Run: over(a, func(t *T) {
				s := t.open()
				t.cpu = 1
				t.enumerate(s)
				t.message("CLOSE_SESSION", optee.Success, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
			})},
		{Name: "reset-closes-sessions", Rule: psciRule("SYSTEM_RESET"), Needs: NeedRun,
			Why: "After a reset there are no sessions.",
			Run: over(a, func(t *T) {
				s := t.open()
				t.systemReset()
				t.start(a)
				t.message("INVOKE_COMMAND in a session from before", bad, invokeArg(s, optee.DeviceCmdGetDevices, t.null(optee.AttrRMemOutput)))
			})},
	}
	for i := range cases {
		cases[i].Needs |= a.need()
	}
	return cases
}

// ownMemory makes the argument page known to OP-TEE under a name that references can use.
func (t *T) ownMemory() shared {
	if t.abi == overFFA {
		return shared{addr: t.arg, handle: t.argPage()}
	}
	return t.shareBuffer(t.arg, 1)
}
