package conform

import (
	"encoding/binary"
	"fmt"

	"gatehouse/smc"
	"gatehouse/smc/optee"
)

func opteeSMCRule(section string) Rule { return Rule{"optee_smc.h", section} }

// smcCase runs a case over OP-TEE's SMC ABI.
func smcCase(f func(t *T)) func(*T) { return over(overSMC, f) }

// capabilities asks OP-TEE for its capabilities.
func (t *T) capabilities() optee.Capabilities {
	out := t.expect("EXCHANGE_CAPABILITIES", returns("a0 = OK", uint64(optee.ReturnOK)), uint64(optee.ExchangeCapabilities), 0)
	t.require(out[1]>>32 == 0, "EXCHANGE_CAPABILITIES", "a1 zero-extended")
	return optee.Capabilities(out[1])
}

// refusedAddress says that a message at an address is refused.
func (t *T) refusedAddress(what string, pa uint64) {
	for _, f := range []smc.Function{optee.CallWithArg, optee.CallWithRPCArg} {
		code := t.withAddress(what, f, pa)
		t.require(code == optee.ReturnEBadAddr || code == optee.ReturnEBadCmd, what, "a0 = EBADADDR")
	}
}

func opteeSMCCases() []Case {
	uid := smcWords(optee.CallsUUID())
	call, regd := opteeSMCRule("OPTEE_SMC_CALL_WITH_ARG"), opteeSMCRule("OPTEE_SMC_CALL_WITH_REGD_ARG")
	fast := func(f smc.Function) uint64 { return uint64(f) }
	open := func() *optee.Arg { return openArg(optee.DeviceUUID(), optee.LoginPublic) }
	cases := []Case{
		{Name: "uid", Rule: opteeSMCRule("OPTEE_SMC_CALLS_UID"),
			Why: "The UUID of the interface, as Linux compares it: four words, each 64 bits wide.",
			Run: smcCase(func(t *T) {
				t.expect("CALLS_UID", returns("384fb3e0-e7f8-11e3-af63-0002a5d5c51b", uid...), fast(optee.CallsUID))
			})},
		{Name: "uid-keeps-registers", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "Only a0 to a3 are results.",
			Run: smcCase(func(t *T) {
				args := []uint64{fast(optee.CallsUID)}
				for i := 1; i < numRegisters; i++ {
					args = append(args, 0xA5A5_0000_0000_0000+uint64(i))
				}
				t.expect("CALLS_UID with values in all registers", returns("the UUID", uid...), args...)
			})},
		{Name: "sve-hint", Rule: smcccRule("SVE, SME and SIMD hint bit"),
			Why: "The hint is no part of the identifier.",
			Run: smcCase(func(t *T) {
				t.expect("CALLS_UID with the hint", returns("the UUID", uid...), fast(optee.CallsUID|smc.SVEHint))
			})},
		{Name: "revision", Rule: opteeSMCRule("OPTEE_SMC_CALLS_REVISION"),
			Why: "Linux wants revision 2.0.",
			Run: smcCase(func(t *T) {
				t.expect("CALLS_REVISION", returns("2.0", optee.RevisionMajor, optee.RevisionMinor), fast(optee.CallsRevision))
			})},
		{Name: "count", Rule: opteeSMCRule("OPTEE_SMC_CALLS_COUNT"), Why: "There are calls.", Run: smcCase(func(t *T) {
			out := t.expect("CALLS_COUNT", anything(), fast(optee.CallsCount))
			t.require(out[0] >= 1 && out[0] < 1<<16, "CALLS_COUNT", "a count")
		})},
		{Name: "os-uuid", Rule: opteeSMCRule("OPTEE_SMC_CALL_GET_OS_UUID"),
			Why: "The trusted OS is OP-TEE.",
			Run: smcCase(func(t *T) {
				t.expect("GET_OS_UUID", returns("486178e0-e7f8-11e3-bc5e-0002a5d5c51b", smcWords(optee.OSUUID())...), fast(optee.GetOSUUID))
			})},
		{Name: "os-revision", Rule: opteeSMCRule("OPTEE_SMC_CALL_GET_OS_REVISION"),
			Why: "Major and minor are words; a0 is no status.",
			Run: smcCase(func(t *T) {
				out := t.expect("GET_OS_REVISION", anything(), fast(optee.GetOSRevision))
				t.require(out[0] < 1<<16 && out[1] < 1<<16 && out[2]>>32 == 0, "GET_OS_REVISION", "major, minor, build")
			})},
		{Name: "os-revision-as-over-ffa", Rule: opteeSMCRule("OPTEE_SMC_CALL_GET_OS_REVISION"), Needs: NeedFFA,
			Why: "One trusted OS has one version.",
			Run: func(t *T) {
				t.startFFA()
				v := t.request("GET_OS_VERSION", t.response("", []uint64{}...), uint64(optee.FFAGetOSVersion))
				t.expect("GET_OS_REVISION", returns("the version over FF-A", v[0], v[1], v[2]), fast(optee.GetOSRevision))
			}},
		{Name: "capabilities", Rule: opteeSMCRule("OPTEE_SMC_EXCHANGE_CAPABILITIES"),
			Why: "Known bits only; static or dynamic protected memory, not both; an RPC argument has parameters.",
			Run: smcCase(func(t *T) {
				c := t.capabilities()
				known := optee.CapDynamicProtmem<<1 - 1
				t.require(c&^known == 0, "EXCHANGE_CAPABILITIES", "bits 9:0 only")
				t.require(c&optee.CapProtmem == 0 || c&optee.CapDynamicProtmem == 0, "EXCHANGE_CAPABILITIES", "one kind of protected memory")
				t.require(c&(optee.CapReservedSHM|optee.CapDynamicSHM) != 0, "EXCHANGE_CAPABILITIES", "shared memory of some kind")
				out := t.call(fast(optee.ExchangeCapabilities), 0)
				t.require(c&optee.CapRPCArg == 0 || out[3]&0xFF != 0, "EXCHANGE_CAPABILITIES", "a3[7:0] at least 1 with RPC_ARG")
			})},
		{Name: "capabilities-uniprocessor", Rule: opteeSMCRule("OPTEE_SMC_NSEC_CAP_UNIPROCESSOR"),
			Why: "A kernel without SMP says so.",
			Run: smcCase(func(t *T) {
				t.expect("EXCHANGE_CAPABILITIES of a uniprocessor", returns("a0 = OK", 0), fast(optee.ExchangeCapabilities), uint64(optee.NormalCapUniprocessor))
			})},
		{Name: "capabilities-unknown", Rule: opteeSMCRule("OPTEE_SMC_EXCHANGE_CAPABILITIES"),
			Why: "Unknown capabilities of the normal world are ENOTAVAIL.",
			Run: smcCase(func(t *T) {
				t.expect("EXCHANGE_CAPABILITIES with bit 7", returns("a0 = ENOTAVAIL", uint64(optee.ReturnENotAvail)), fast(optee.ExchangeCapabilities), 1<<7)
			})},
		{Name: "capabilities-upper-half", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The call is an SMC32 one.",
			Run: smcCase(func(t *T) {
				t.expect("EXCHANGE_CAPABILITIES with bits above w1", returns("a0 = OK", 0), fast(optee.ExchangeCapabilities), 0xDEAD<<48)
			})},
		{Name: "thread-count", Rule: opteeSMCRule("OPTEE_SMC_GET_THREAD_COUNT"),
			Why: "At least one call at a time.",
			Run: smcCase(func(t *T) {
				out := t.expect("GET_THREAD_COUNT", returns("a0 = OK", 0), fast(optee.GetThreadCount))
				t.require(out[1] >= 1 && out[1] < 1<<16, "GET_THREAD_COUNT", "a1 at least 1")
			})},
		{Name: "disable-shm-cache", Rule: linuxRule("drivers/tee/optee/smc_abi.c", "__optee_disable_shm_cache"),
			Why: "Linux repeats the call at probe until ENOTAVAIL says that nothing is cached.",
			Run: smcCase(func(t *T) {
				for range 100 {
					out := t.expect("DISABLE_SHM_CACHE", returns("a0 = OK", 0).or(returns("ENOTAVAIL", uint64(optee.ReturnENotAvail))), fast(optee.DisableSHMCache))
					if out[0] != 0 {
						return
					}
				}
				t.reject("DISABLE_SHM_CACHE a hundred times", "ENOTAVAIL in the end")
			})},
		{Name: "enable-shm-cache", Rule: opteeSMCRule("OPTEE_SMC_ENABLE_SHM_CACHE"),
			Why: "OK, or EBUSY while calls are under way; none is.",
			Run: smcCase(func(t *T) {
				t.expect("ENABLE_SHM_CACHE", returns("a0 = OK", 0), fast(optee.EnableSHMCache))
			})},
		{Name: "shm-config", Rule: opteeSMCRule("OPTEE_SMC_GET_SHM_CONFIG"),
			Why: "Without reserved shared memory there is none to describe.",
			Run: smcCase(func(t *T) {
				if t.capabilities()&optee.CapReservedSHM != 0 {
					t.expect("GET_SHM_CONFIG", returns("a0 = OK", 0), fast(optee.GetSHMConfig))
					return
				}
				t.expect("GET_SHM_CONFIG", returns("ENOTAVAIL", uint64(optee.ReturnENotAvail)).or(unknown()), fast(optee.GetSHMConfig))
			})},
		{Name: "virtualization", Rule: opteeSMCRule("OPTEE_SMC_VM_CREATED"),
			Why: "Without the capability there are no VMs.",
			Run: smcCase(func(t *T) {
				if t.capabilities()&optee.CapVirtualization != 0 {
					t.skip("OP-TEE has VMs")
				}
				for _, f := range []smc.Function{optee.VMCreated, optee.VMDestroyed} {
					t.expect("a call for VMs", returns("ENOTAVAIL", uint64(optee.ReturnENotAvail)).or(unknown()), fast(f), 1)
				}
			})},
		{Name: "async-notifications", Rule: opteeSMCRule("OPTEE_SMC_GET_ASYNC_NOTIF_VALUE"),
			Why: "Without the capability the calls do not exist; with it, a value that is not valid is none.",
			Run: smcCase(func(t *T) {
				if t.capabilities()&optee.CapAsyncNotif == 0 {
					for _, f := range []smc.Function{optee.EnableAsyncNotif, optee.GetAsyncNotifValue} {
						t.expect("a call for notifications", unknown().or(returns("ENOTAVAIL", uint64(optee.ReturnENotAvail))), fast(f))
					}
					return
				}
				t.expect("ENABLE_ASYNC_NOTIF", returns("a0 = OK", 0), fast(optee.EnableAsyncNotif))
				for range 100 {
					out := t.expect("GET_ASYNC_NOTIF_VALUE", returns("a0 = OK", 0), fast(optee.GetAsyncNotifValue))
					if uint32(out[2])&optee.AsyncNotifPending == 0 {
						return
					}
				}
				t.reject("GET_ASYNC_NOTIF_VALUE a hundred times", "nothing pending in the end")
			})},
		{Name: "image-loader", Rule: opteeSMCRule("OPTEE_SMC_CALL_LOAD_IMAGE"),
			Why: "OP-TEE is there; nobody can load another one.",
			Run: smcCase(func(t *T) {
				t.expect("LOAD_IMAGE", unknown().or(returns("ENOTAVAIL", uint64(optee.ReturnENotAvail))), fast(optee.LoadImage), 0, page, 0, t.buf)
				t.expect("CALLS_UID afterwards", returns("the UUID", uid...), fast(optee.CallsUID))
			})},
		{Name: "unknown-fast", Rule: smcccRule("Unknown Function Identifier"),
			Why: "A fast call that does not exist is -1 in 64 bits.",
			Run: smcCase(func(t *T) {
				for _, f := range []uint64{0xB200_7FFF, 0xB200_0015, 0xBF00_FF02} {
					t.expect("a fast call that does not exist", unknown(), f)
				}
			})},
		{Name: "unknown-smc64", Rule: smcccRule("Unknown Function Identifier"),
			Why: "OP-TEE's calls have no 64-bit form.",
			Run: smcCase(func(t *T) {
				t.expect("EXCHANGE_CAPABILITIES as SMC64", unknown(), fast(optee.ExchangeCapabilities)|1<<30)
			})},
		{Name: "unknown-yielding", Rule: call, Why: "A yielding call that does not exist fails.", Run: smcCase(func(t *T) {
			code := t.yield("a yielding call that does not exist", 0x3200_7FFF)
			t.require(code == optee.ReturnEBadCmd || code == optee.ReturnUnknownFunction, "a yielding call that does not exist", "a0 = EBADCMD or -1")
		})},
		{Name: "absent", Rule: smcccRule("Unknown Function Identifier"), Variant: WithoutSMC,
			Why: "Without the ABI its calls are -1 in 64 bits: Linux's probe looks for the UUID.",
			Run: func(t *T) {
				for _, f := range []smc.Function{optee.CallsUID, optee.CallsRevision, optee.ExchangeCapabilities, optee.GetProtmemConfig, optee.CallWithArg} {
					t.expect("a call without OP-TEE's SMC ABI", unknown(), fast(f), 0, t.arg)
				}
			}},
		{Name: "return-from-nothing", Rule: opteeSMCRule("OPTEE_SMC_CALL_RETURN_FROM_RPC"),
			Why: "No thread waits: ERESUME.",
			Run: smcCase(func(t *T) {
				for _, thread := range []uint64{0, 1, 7, 0xFFFF_FFFF} {
					t.expect("RETURN_FROM_RPC", returns("ERESUME", uint64(optee.ReturnEResume)), fast(optee.ReturnFromRPC), 0, 0, thread)
				}
				t.open()
			})},
		{Name: "with-arg", Rule: call,
			Why: "A message in a page at a physical address; a1 is the upper half.",
			Run: smcCase(func(t *T) {
				a := open()
				t.write(t.arg, a.AppendTo(nil))
				code := t.withAddress("OPEN_SESSION", optee.CallWithArg, t.arg)
				t.require(code == optee.ReturnOK, "OPEN_SESSION", "a0 = OK")
				t.ret("OPEN_SESSION", t.answer(t.arg, a), optee.Success)
			})},
		{Name: "with-arg-full-page", Rule: call,
			Why: "127 parameters fill a page; the message is judged, not its neighbour.",
			Run: smcCase(func(t *T) {
				t.fill(t.arg+page, page)
				a := &optee.Arg{Cmd: optee.CmdInvokeCommand, Session: 77, Params: make([]optee.Param, optee.MaxParams)}
				t.write(t.arg, a.AppendTo(nil))
				code := t.withAddress("a message of 127 parameters", optee.CallWithArg, t.arg)
				t.require(code == optee.ReturnOK, "a message of 127 parameters", "a0 = OK")
				t.ret("a message of 127 parameters", t.answer(t.arg, a), optee.ErrorBadParameters)
				code = t.withAddress("the same with an RPC argument", optee.CallWithRPCArg, t.arg)
				t.require(code == optee.ReturnEBadAddr, "the same with an RPC argument, for which there is no room", "a0 = EBADADDR")
				t.filled("the page behind", t.arg+page, page)
			})},
		{Name: "with-arg-upper-halves", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "Yielding calls are SMC32 ones.",
			Run: smcCase(func(t *T) {
				a := open()
				t.write(t.arg, a.AppendTo(nil))
				hi, lo := optee.Split(t.arg)
				code := t.yield("OPEN_SESSION with bits above", fast(optee.CallWithRPCArg), 0xDEAD<<48|hi, 0xBEEF<<48|lo)
				t.require(code == optee.ReturnOK, "OPEN_SESSION with bits above", "a0 = OK")
			})},
		{Name: "with-arg-words-swapped", Rule: call, Why: "a1 is the upper half of the address.", Run: smcCase(func(t *T) {
			t.write(t.arg, open().AppendTo(nil))
			hi, lo := optee.Split(t.arg)
			code := t.yield("a message with the halves of its address swapped", fast(optee.CallWithRPCArg), lo, hi)
			t.require(code != optee.ReturnOK, "a message with the halves of its address swapped", "a0 other than OK")
		})},
		{Name: "with-arg-misaligned", Rule: call,
			Why: "Outside reserved shared memory an argument begins at a page.",
			Run: smcCase(func(t *T) {
				t.write(t.arg+8, open().AppendTo(nil))
				t.refusedAddress("a message at offset 8", t.arg+8)
				t.refusedAddress("a message at offset 1", t.arg+1)
				t.open()
			})},
		{Name: "with-regd-arg", Rule: regd,
			Why: "A message in registered memory; the RPC argument follows it.",
			Run: smcCase(func(t *T) {
				b := t.shareBuffer(t.buf, 2)
				for _, offset := range []uint64{0, 384, page, 2*page - 384} {
					a := open()
					t.write(t.buf+offset, a.AppendTo(nil))
					code := t.withCookie(fmt.Sprintf("OPEN_SESSION at offset %d", offset), b.cookie, offset)
					t.require(code == optee.ReturnOK, "OPEN_SESSION", "a0 = OK")
					t.ret("OPEN_SESSION", t.answer(t.buf+offset, a), optee.Success)
				}
			})},
		{Name: "with-regd-arg-unknown", Rule: regd, Why: "Nobody registered that cookie.", Run: smcCase(func(t *T) {
			for _, cookie := range []uint64{0, 0x1234, ^uint64(0)} {
				code := t.withCookie("a message in nothing", cookie, 0)
				t.require(code == optee.ReturnEBadAddr, "a message in nothing", "a0 = EBADADDR")
			}
		})},
		{Name: "with-regd-arg-beyond-end", Rule: regd,
			Why: "The argument, with its RPC argument, lies within the registered memory.",
			Run: smcCase(func(t *T) {
				b := t.shareBuffer(t.buf, 1)
				a := open()
				t.write(t.buf+page-a.Size(), a.AppendTo(nil))
				for _, offset := range []uint64{page - a.Size(), page - 8, page, page + 8, 0xFFFF_FFF8, 4, 1} {
					code := t.withCookie(fmt.Sprintf("a message at offset %#x", offset), b.cookie, offset)
					t.require(code == optee.ReturnEBadAddr, "a message beyond the end", "a0 = EBADADDR")
				}
				t.unshare(b)
			})},
		{Name: "with-regd-arg-unregistered", Rule: regd,
			Why: "Memory that was unregistered is not touched.",
			Run: smcCase(func(t *T) {
				b := t.shareBuffer(t.buf, 1)
				t.unshare(b)
				t.write(t.buf, open().AppendTo(nil))
				before := t.read(t.buf, page)
				code := t.withCookie("a message in memory that was unregistered", b.cookie, 0)
				t.require(code == optee.ReturnEBadAddr, "a message in memory that was unregistered", "a0 = EBADADDR")
				t.contains("memory that was unregistered", t.buf, before)
			})},
		{Name: "with-regd-arg-in-pool", Rule: regd,
			Why: "A pool holds no messages: OP-TEE would write results into protected memory.",
			Run: smcCase(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				code := t.withCookie("a message in a pool", p.cookie, 0)
				t.require(code != optee.ReturnOK, "a message in a pool", "a0 other than OK")
				t.unprotect(p)
			})},
	}
	for _, b := range []struct {
		name, why string
		needs     Need
		pa        func(t *T) uint64
	}{
		{"device", "A device is no memory.", 0, func(t *T) uint64 { return t.Device }},
		{"beyond-memory", "Nothing is there.", 0, func(t *T) uint64 { return t.End }},
		{"zero", "The normal world has no memory there.", 0, func(*T) uint64 { return 0 }},
		{"wild", "Nothing is there.", 0, func(*T) uint64 { return 0xFFFF_FFFF_FFFF_F000 }},
		{"secure-memory", "The message would be the secure world's own memory.", NeedSecureRAM, func(t *T) uint64 { return t.SecureRAM.Base }},
		{"frame", "The registers of the firewall are no memory.", NeedFrame, func(t *T) uint64 { return t.Frame }},
		{"pool", "A pool is not the normal world's: results must not be written there.", 0, func(t *T) uint64 {
			t.write(t.pool, openArg(optee.DeviceUUID(), optee.LoginPublic).AppendTo(nil))
			t.protect(t.pool, poolSize, useCase)
			return t.pool
		}},
	} {
		cases = append(cases, Case{Name: "with-arg-" + b.name, Rule: call, Needs: b.needs,
			Why: b.why + " The call is EBADADDR.", Run: smcCase(func(t *T) {
				t.refusedAddress("a message at a bad address", b.pa(t))
				t.open()
			})})
	}
	cases = append(cases, registerCases()...)
	cases = append(cases, linuxOPTEESMC())
	return append(cases, sessionCases(overSMC)...)
}

func smcWords(u smc.UUID) []uint64 {
	w := u.SMCWords()
	return []uint64{uint64(w[0]), uint64(w[1]), uint64(w[2]), uint64(w[3])}
}

func registerCases() []Case {
	register, unregister := msgRule("OPTEE_MSG_CMD_REGISTER_SHM"), msgRule("OPTEE_MSG_CMD_UNREGISTER_SHM")
	list := msgRule("OPTEE_MSG_ATTR_NONCONTIG")
	bad := optee.ErrorBadParameters
	memory := optee.ErrorOutOfMemory
	// everywhere reads and writes through all pages of registered memory: GET_DEVICES with the reference at each page.
	use := func(t *T, cookie, size uint64) {
		s := t.open()
		for _, off := range []uint64{0, size / 2 &^ 7, size - 16} {
			t.messageOneOf("GET_DEVICES into the buffer", []optee.Result{optee.Success, optee.ErrorShortBuffer},
				invokeArg(s, optee.DeviceCmdGetDevices, optee.RMemParam(optee.AttrRMemOutput, optee.RMem{Offset: off, Size: 16, SHMRef: cookie})))
		}
	}
	scatteredPages := func(t *T, n int) (pages []uint64) {
		for i := range n {
			pages = append(pages, t.buf+2*page*uint64(n-1-i))
		}
		return pages
	}
	cases := []Case{
		{Name: "register", Rule: register,
			Why: "One page, with a cookie whose bit 63 is set as that of a kernel address.",
			Run: smcCase(func(t *T) {
				b := t.shareBuffer(t.buf, 1)
				use(t, b.cookie, page)
				t.unshare(b)
			})},
		{Name: "register-scattered", Rule: list,
			Why: "600 pages that lie apart take two blocks of the list.",
			Run: smcCase(func(t *T) {
				cookie := t.newCookie()
				t.register("REGISTER_SHM of 600 pages", optee.Success, cookie, 0, 600*page, scatteredPages(t, 600)...)
				use(t, cookie, 600*page)
				t.message("UNREGISTER_SHM", optee.Success, unregisterArg(cookie))
			})},
		{Name: "register-full-blocks", Rule: linuxRule("drivers/tee/optee/smc_abi.c", "optee_fill_pages_list"),
			Why: "With a multiple of 511 pages the last link points behind the list; it must not be followed.",
			Run: smcCase(func(t *T) {
				for _, n := range []int{511, 1022} {
					cookie := t.newCookie()
					b := optee.AppendPageList(nil, t.list, scatteredPages(t, n)[:n])
					binary.LittleEndian.PutUint64(b[len(b)-8:], t.End) // nothing is there
					t.write(t.list, b)
					t.message(fmt.Sprintf("REGISTER_SHM of %d pages", n), optee.Success, t.registerArg(cookie, 0, uint64(n)*page))
					t.message("UNREGISTER_SHM", optee.Success, unregisterArg(cookie))
				}
			})},
		{Name: "register-offset", Rule: register, Why: "The buffer may begin and end within a page.", Run: smcCase(func(t *T) {
			cookie := t.newCookie()
			t.fill(t.buf, 2*page)
			t.register("REGISTER_SHM of 4096 bytes from offset 256", optee.Success, cookie, 256, page, t.buf, t.buf+page)
			use(t, cookie, page)
			t.messageOneOf("a reference behind the buffer, in its last page", []optee.Result{optee.ErrorSecurity, bad}, invokeArg(t.open(), optee.DeviceCmdGetDevices,
				optee.RMemParam(optee.AttrRMemOutput, optee.RMem{Offset: page - 8, Size: 16, SHMRef: cookie})))
		})},
		{Name: "register-twice", Rule: register, Why: "A cookie names one buffer.", Run: smcCase(func(t *T) {
			b := t.shareBuffer(t.buf, 1)
			t.register("REGISTER_SHM with a cookie in use", bad, b.cookie, 0, page, t.buf+8*page)
			t.unshare(b)
		})},
		{Name: "register-page-twice", Rule: register,
			Why: "Two buffers of user space may lie in one page.",
			Run: smcCase(func(t *T) {
				a, b := t.newCookie(), t.newCookie()
				t.register("REGISTER_SHM of the first half", optee.Success, a, 0, 1024, t.buf)
				t.register("REGISTER_SHM of the second half", optee.Success, b, 2048, 1024, t.buf)
				t.message("UNREGISTER_SHM of the first", optee.Success, unregisterArg(a))
				use(t, b, 1024)
				t.message("UNREGISTER_SHM of the second", optee.Success, unregisterArg(b))
			})},
		{Name: "register-until-refused", Rule: register,
			Why: "Buffers are bounded: then OUT_OF_MEMORY, and one that is unregistered makes room.",
			Run: smcCase(func(t *T) {
				t.write(t.list, optee.AppendPageList(nil, t.list, []uint64{t.buf}))
				var first uint64
				for range 20_000 {
					cookie := t.newCookie()
					if first == 0 {
						first = cookie
					}
					got := t.messageOneOf("REGISTER_SHM", []optee.Result{optee.Success, memory, bad}, t.registerArg(cookie, 0, page))
					if got.Ret != optee.Success {
						t.message("UNREGISTER_SHM", optee.Success, unregisterArg(first))
						t.message("REGISTER_SHM after that", optee.Success, t.registerArg(cookie, 0, page))
						return
					}
				}
				t.skip("20000 buffers are registered")
			})},
		{Name: "register-copies-list", Rule: linuxRule("drivers/tee/optee/smc_abi.c", "optee_shm_register"),
			Why: "Linux frees the list when the call returns: it is not looked at again.",
			Run: smcCase(func(t *T) {
				b := t.shareBuffer(t.buf, 2)
				t.fill(t.side, 2*page)
				t.write(t.list, optee.AppendPageList(nil, t.list, consecutive(t.side, 2)))
				use(t, b.cookie, 2*page)
				t.filled("pages that the list names now", t.side, 2*page)
				t.unshare(b)
			})},
		{Name: "register-attributes", Rule: linuxRule("drivers/tee/optee/smc_abi.c", "optee_shm_register"),
			Why: "OP-TEE takes the attribute 0x20A and no other.",
			Run: smcCase(func(t *T) {
				t.write(t.list, optee.AppendPageList(nil, t.list, []uint64{t.buf}))
				for _, attr := range []optee.Attr{optee.AttrTMemOutput, optee.AttrTMemInput | optee.AttrNonContig, optee.AttrTMemInOut | optee.AttrNonContig, optee.AttrRMemOutput, optee.AttrValueInput} {
					a := t.registerArg(t.newCookie(), 0, page)
					a.Params[0].Attr = attr
					t.message(fmt.Sprintf("REGISTER_SHM with attribute %v", attr), bad, a)
				}
			})},
		{Name: "register-parameters", Rule: register, Why: "The message has one parameter.", Run: smcCase(func(t *T) {
			t.write(t.list, optee.AppendPageList(nil, t.list, []uint64{t.buf}))
			a := t.registerArg(t.newCookie(), 0, page)
			a.Params = append(a.Params, a.Params[0])
			t.message("REGISTER_SHM with two parameters", bad, a)
			t.message("REGISTER_SHM without parameters", bad, &optee.Arg{Cmd: optee.CmdRegisterSHM})
		})},
		{Name: "register-empty", Rule: register, Why: "A buffer has bytes.", Run: smcCase(func(t *T) {
			t.register("REGISTER_SHM of nothing", bad, t.newCookie(), 0, 0, t.buf)
		})},
		{Name: "register-huge", Rule: register,
			Why: "Size and offset are hostile: sums that wrap are no pages.",
			Run: smcCase(func(t *T) {
				t.write(t.list, optee.AppendPageList(nil, t.list, []uint64{t.buf}))
				for _, size := range []uint64{^uint64(0), ^uint64(0) - 4095, 1 << 63, 1 << 52} {
					t.messageOneOf(fmt.Sprintf("REGISTER_SHM of %#x bytes", size), []optee.Result{bad, memory}, t.registerArg(t.newCookie(), 8, size))
				}
			})},
		{Name: "register-lent-page", Rule: register,
			Why: "A page that was lent is not the normal world's.",
			Run: smcCase(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				t.register("REGISTER_SHM of a page of a pool", bad, t.newCookie(), 0, page, t.pool+page)
				t.unprotect(p)
			})},
		{Name: "register-page-lent-over-ffa", Rule: register, Needs: NeedFFA,
			Why: "A page that was lent over FF-A is not the normal world's.",
			Run: func(t *T) {
				t.startFFA()
				h := t.lend(t.pool, poolPages)
				t.abi = overSMC
				t.register("REGISTER_SHM of a page that was lent", bad, t.newCookie(), 0, page, t.pool+page)
				t.reclaim(h)
			}},
		{Name: "unregister-unknown", Rule: unregister, Why: "Nobody registered that cookie.", Run: smcCase(func(t *T) {
			for _, cookie := range []uint64{0, 0x1234, ^uint64(0)} {
				t.messageOneOf("UNREGISTER_SHM of nothing", []optee.Result{bad, optee.ErrorItemNotFound}, unregisterArg(cookie))
			}
		})},
		{Name: "unregister-twice", Rule: unregister, Why: "The cookie is gone.", Run: smcCase(func(t *T) {
			b := t.shareBuffer(t.buf, 1)
			t.unshare(b)
			t.messageOneOf("UNREGISTER_SHM again", []optee.Result{bad, optee.ErrorItemNotFound}, unregisterArg(b.cookie))
			t.register("REGISTER_SHM with the cookie again", optee.Success, b.cookie, 0, page, t.buf)
		})},
		{Name: "unregister-pool", Rule: unregister,
			Why: "A pool is given back with RECLAIM_PROTMEM: UNREGISTER_SHM must not open it.",
			Run: smcCase(func(t *T) {
				r := Range{t.pool, poolSize}
				t.fill(around(r).Base, around(r).Size)
				p := t.protect(r.Base, r.Size, useCase)
				t.messageOneOf("UNREGISTER_SHM of a pool", []optee.Result{bad, optee.ErrorItemNotFound}, unregisterArg(p.cookie))
				if t.Firewall {
					t.isolated("the pool", r, t.Pools[poolUse])
				}
				t.unprotect(p)
			})},
		{Name: "memref-null", Rule: msgRule("OPTEE_SMC_SEC_CAP_MEMREF_NULL"),
			Why: "A temporary reference to address 0 is NULL.",
			Run: smcCase(func(t *T) { t.enumerate(t.open()) })},
		{Name: "memref-page-list", Rule: list,
			Why: "A reference may bring its own page list, for the time of the call.",
			Run: smcCase(func(t *T) {
				s := t.open()
				t.write(t.list, optee.AppendPageList(nil, t.list, []uint64{t.buf}))
				t.messageOneOf("GET_DEVICES with a page list", []optee.Result{optee.Success, optee.ErrorShortBuffer}, invokeArg(s, optee.DeviceCmdGetDevices,
					optee.TMemParam(optee.AttrTMemOutput|optee.AttrNonContig, optee.TMem{BufPtr: t.list, Size: page, SHMRef: t.newCookie()})))
				b := t.shareBuffer(t.buf, 1)
				t.unshare(b)
			})},
		{Name: "memref-address", Rule: msgRule("struct optee_msg_param_tmem"),
			Why: "A physical address outside reserved and protected memory is no reference.",
			Run: smcCase(func(t *T) {
				s := t.open()
				t.fill(t.buf, page)
				for _, pa := range []uint64{t.buf, t.Device, t.End, ^uint64(4095)} {
					t.messageOneOf("a reference by address", []optee.Result{bad, optee.ErrorSecurity}, invokeArg(s, optee.DeviceCmdGetDevices,
						optee.TMemParam(optee.AttrTMemOutput, optee.TMem{BufPtr: pa, Size: 16})))
				}
				t.filled("memory that was not registered", t.buf, page)
			})},
	}
	for _, e := range []struct {
		name, why string
		needs     Need
		page      func(t *T) uint64
	}{
		{"misaligned", "An entry of the list is the address of a page.", 0, func(t *T) uint64 { return t.buf + 8 }},
		{"device", "A device is no memory.", 0, func(t *T) uint64 { return t.Device }},
		{"beyond-memory", "Nothing is there.", 0, func(t *T) uint64 { return t.End }},
		{"zero", "The normal world has no memory there.", 0, func(*T) uint64 { return 0 }},
		{"wild", "Nothing is there.", 0, func(*T) uint64 { return 0xFFFF_FFFF_FFFF_F000 }},
		{"secure-memory", "Secure memory is not the normal world's to share.", NeedSecureRAM, func(t *T) uint64 { return t.SecureRAM.Base }},
		{"frame", "The registers of the firewall are no memory.", NeedFrame, func(t *T) uint64 { return t.Frame }},
	} {
		cases = append(cases, Case{Name: "register-entry-" + e.name, Rule: list, Needs: e.needs,
			Why: e.why + " Nothing is registered.", Run: smcCase(func(t *T) {
				cookie := t.newCookie()
				t.register("REGISTER_SHM with a bad entry", bad, cookie, 0, 3*page, t.buf, e.page(t), t.buf+page)
				t.messageOneOf("UNREGISTER_SHM of what was refused", []optee.Result{bad, optee.ErrorItemNotFound}, unregisterArg(cookie))
				t.register("REGISTER_SHM of good pages", optee.Success, cookie, 0, 2*page, t.buf, t.buf+page)
			})}, Case{Name: "register-list-" + e.name, Rule: list, Needs: e.needs,
			Why: e.why + " A list that stands there is refused.", Run: smcCase(func(t *T) {
				at := e.page(t)
				if at%page != 0 {
					// The offset of the buffer in its first page: the list itself stands at the page, and names the pages as it should.
					at = t.End - page
					t.write(at, optee.AppendPageList(nil, at, []uint64{t.buf + 1}))
				}
				a := t.registerArg(t.newCookie(), 0, page)
				a.Params[0].SetTMem(optee.TMem{BufPtr: at, Size: page, SHMRef: t.newCookie()})
				t.message("REGISTER_SHM with a bad list", bad, a)
				t.shareBuffer(t.buf, 1)
			})}, Case{Name: "register-link-" + e.name, Rule: list, Needs: e.needs,
			Why: e.why + " A block that is linked there is refused.", Run: smcCase(func(t *T) {
				b := optee.AppendPageList(nil, t.list, scatteredPages(t, 600))
				binary.LittleEndian.PutUint64(b[page-8:], e.page(t))
				t.write(t.list, b)
				t.message("REGISTER_SHM with a bad link", bad, t.registerArg(t.newCookie(), 0, 600*page))
				t.shareBuffer(t.buf, 1)
			})})
	}
	return append(cases, Case{Name: "register-list-loop", Rule: list, Why: "A list that links to itself ends where the size ends.", Run: smcCase(func(t *T) {
		// The same 511 pages twice: the pages overlap, which two buffers may, but one buffer need not.
		b := optee.AppendPageList(nil, t.list, scatteredPages(t, 600))
		binary.LittleEndian.PutUint64(b[page-8:], t.list)
		t.write(t.list, b)
		t.messageOneOf("REGISTER_SHM with a list that links to itself", []optee.Result{bad, optee.Success}, t.registerArg(t.newCookie(), 0, 600*page))
		t.shareBuffer(t.side, 1)
	})})
}
