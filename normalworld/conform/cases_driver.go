package conform

import (
	"gatehouse/ffa"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// What Linux 7.2 calls, in its order, and what it does with the answers. Each is one case of the group that it is about.

// linuxBoot is what the kernel calls before it looks for a secure world.
func linuxBoot() Case {
	return Case{Name: "linux-boot", Rule: linuxRule("drivers/firmware/psci/psci.c", "psci_probe"),
		Why: "The kernel boots: each answer is one that it can work with.",
		Run: func(t *T) {
			optional := returns("0", 0).or(unknown()).or(result(smc.PSCINotSupported))
			t.expect("PSCI_VERSION", anything(), uint64(smc.PSCIVersion))
			t.expect("MIGRATE_INFO_TYPE", returns("2", 2).or(result(smc.PSCINotSupported)), uint64(smc.PSCIMigrateInfoType))
			t.expect("PSCI_FEATURES(SMCCC_VERSION)", result(smc.PSCISuccess), uint64(smc.PSCIFeatures), uint64(smc.SMCCCVersion))
			t.expect("SMCCC_VERSION", anything(), uint64(smc.SMCCCVersion))
			t.expect("TRNG_VERSION", anything(), uint64(smc.TRNGVersion))
			out := t.expect("ARCH_FEATURES(SOC_ID)", anything(), uint64(smc.ArchFeatures), uint64(smc.ArchSOCID))
			if int32(out[0]) >= 0 {
				t.expect("SOC_ID", anything(), uint64(smc.ArchSOCID), 0)
				t.expect("SOC_ID", anything(), uint64(smc.ArchSOCID), 1)
			}
			out = t.expect("PSCI_FEATURES(CPU_SUSPEND)", anything(), uint64(smc.PSCIFeatures), uint64(smc.PSCICPUSuspend64))
			t.require(int32(out[0]) == -1 || out[0] <= 3, "PSCI_FEATURES(CPU_SUSPEND)", "flags or -1")
			suspend := out[0]
			for _, f := range []smc.Function{smc.PSCISystemSuspend64, smc.PSCISystemReset2_64, smc.PSCISystemOff2_64} {
				t.expect("PSCI_FEATURES", optional.or(returns("1", 1)), uint64(smc.PSCIFeatures), uint64(f))
			}
			t.expect("vendor hypervisor UID", unknown(), uint64(smc.VendorHypUID))
			if int32(suspend) >= 0 && uint32(suspend)&smc.SuspendOSInitiated != 0 {
				t.expect("SET_SUSPEND_MODE", result(smc.PSCISuccess), uint64(smc.PSCISetSuspendMode), 0)
			}
			t.expect("RSI version", unknown(), uint64(smc.RSIABIVersion), 0x1_0000)
			t.expect("ARCH_FEATURES(PV_TIME_FEATURES)", unknown(), uint64(smc.ArchFeatures), uint64(smc.PVTimeFeatures))
			t.programAt(t.buf)
			for _, m := range t.MPIDR[1:] {
				t.cpuOn("CPU_ON", result(smc.PSCISuccess), m, t.buf, 0)
			}
		}}
}

// linuxTransport is arm_ffa's module initialisation and its removal.
func linuxTransport() Case {
	return Case{Name: "linux-probe", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_init"),
		Why: "The FF-A driver finds partitions, and leaves nothing behind when it is removed.",
		Run: func(t *T) {
			for range 2 {
				out := t.call(uint64(ffa.Version32), uint64(ffa.Version1_2))
				t.require(isVersion(out), "FFA_VERSION", "1.x")
				t.version = ffa.Version1_2
				t.expect("FFA_ID_GET", success(0), uint64(ffa.IDGet32))
				t.features("FFA_FEATURES(FFA_RXTX_MAP)", successWith(1, "the granule"), uint64(ffa.RXTXMap64))
				t.mapBuffers(1)
				t.require(t.has(uint64(ffa.MemLend64)) || t.has(uint64(ffa.MemShare64)), "FFA_FEATURES", "64-bit calls for memory")
				t.has(uint64(ffa.MsgSendDirectReq2_64))
				notifications := t.has(uint64(ffa.NotificationBitmapCreate32))
				if notifications {
					t.expect("FFA_NOTIFICATION_BITMAP_CREATE", success(), bitmapCreate(0, uint64(t.CPUs))...)
					t.has(uint64(ffa.FeatureSRI))
					t.has(uint64(ffa.FeatureNPI))
				}
				if t.has(uint64(ffa.PartitionInfoGetRegs64)) {
					t.regs([4]uint64{}) // once to count
					if len(t.regs([4]uint64{})) == 0 {
						t.failf("partitions", "none")
					}
				}
				t.partitions([4]uint64{})
				if notifications {
					t.expect("FFA_NOTIFICATION_BITMAP_DESTROY", success(), bitmapDestroy(0)...)
				}
				t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			}
		}}
}

// linuxOPTEEFFA is optee's probe over FF-A, and its removal.
func linuxOPTEEFFA() Case {
	return Case{Name: "linux-probe", Rule: linuxRule("drivers/tee/optee/ffa_abi.c", "optee_ffa_probe"),
		Why: "The OP-TEE driver probes over FF-A, and gives everything back when it is removed.",
		Run: withOPTEE(func(t *T) {
			t.alive()
			caps := t.request("EXCHANGE_CAPABILITIES", t.response("w3=0", 0), uint64(optee.FFAExchangeCapabilities))
			t.request("GET_OS_VERSION", t.response("", []uint64{}...), uint64(optee.FFAGetOSVersion))
			if optee.FFACapabilities(caps[2])&optee.FFACapProtmem != 0 {
				a := t.message("GET_PROTMEM_CONFIG", optee.ErrorShortBuffer, configArg(useCase, t.null(optee.AttrFMemOutput)))
				b := t.shareBuffer(t.buf, 1)
				t.message("GET_PROTMEM_CONFIG with a buffer", optee.Success, configArg(useCase, t.ref(optee.AttrFMemOutput, b, 0, a.Params[1].Size())))
				t.unshare(b)
			}
			t.linuxEnumerate()
			t.unregister(t.shm)
			t.reclaim(t.shm)
			t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
		})}
}

// linuxEnumerate is optee_enumerate_devices.
func (t *T) linuxEnumerate() {
	s := t.open()
	if n := t.enumerate(s); n > 0 {
		b := t.shareBuffer(t.buf, 1)
		a := t.message("GET_DEVICES", optee.Success, invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, b, 0, n)))
		t.require(a.Params[0].Size() == n, "GET_DEVICES", "the size that was announced")
		t.unshare(b)
	}
	t.message("CLOSE_SESSION", optee.Success, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
}

// linuxOPTEESMC is optee's probe over its SMC ABI, and its removal.
func linuxOPTEESMC() Case {
	return Case{Name: "linux-probe", Rule: linuxRule("drivers/tee/optee/smc_abi.c", "optee_probe"),
		Why: "The OP-TEE driver probes over SMC, and gives everything back when it is removed.",
		Run: smcCase(func(t *T) {
			t.expect("CALLS_UID", returns("the UUID", smcWords(optee.CallsUUID())...), uint64(optee.CallsUID))
			t.expect("CALLS_REVISION", returns("2.0", 2, 0), uint64(optee.CallsRevision))
			t.expect("GET_THREAD_COUNT", anything(), uint64(optee.GetThreadCount))
			caps := t.capabilities()
			if caps&optee.CapDynamicSHM == 0 {
				t.skip("the target has no dynamic shared memory")
			}
			t.expect("GET_OS_REVISION", anything(), uint64(optee.GetOSRevision))
			page0 := t.shareBuffer(t.arg, 1) // as the driver registers each page of arguments
			if caps&optee.CapDynamicProtmem != 0 {
				a := configArg(useCase, t.null(optee.AttrRMemOutput))
				t.write(t.arg, a.AppendTo(nil))
				code := t.withCookie("GET_PROTMEM_CONFIG", page0.cookie, 0)
				t.require(code == optee.ReturnOK, "GET_PROTMEM_CONFIG", "a0 = OK")
				t.ret("GET_PROTMEM_CONFIG", t.answer(t.arg, a), optee.Success)
			}
			for range 100 {
				if out := t.call(uint64(optee.DisableSHMCache)); out[0] != 0 {
					t.require(out[0] == uint64(optee.ReturnENotAvail), "DISABLE_SHM_CACHE", "ENOTAVAIL in the end")
					break
				}
			}
			t.linuxEnumerate()
			t.unshare(page0)
		})}
}

// linuxHeap is the life of a protected heap: the first buffer lends the pool, the last one gives it back.
func linuxHeap(a abi) Case {
	return Case{Name: a.String() + "-linux-heap", Rule: linuxRule("drivers/tee/optee/protmem.c", "protmem_pool_op_dyn_alloc"), Needs: a.need(),
		Why: "A pool is lent with the first buffer and comes back with the last; another life follows.", Run: over(a, func(t *T) {
			for range 2 {
				p := t.protect(t.pool, poolSize, useCase)
				// Buffers within the pool cost no call; a trusted application is given one by reference.
				s := t.open()
				where := shared{addr: t.pool, handle: p.handle, cookie: p.cookie}
				t.messageOneOf("a buffer of the pool as an output", []optee.Result{optee.Success, optee.ErrorShortBuffer, optee.ErrorBadParameters, optee.ErrorAccessDenied, optee.ErrorSecurity},
					invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, where, 64<<10, 4096)))
				t.message("CLOSE_SESSION", optee.Success, &optee.Arg{Cmd: optee.CmdCloseSession, Session: s})
				t.unprotect(p)
				t.zero("the pool", t.pool, poolSize)
			}
		})}
}
