package conform

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

// poolUse and poolPages are the use case and the size of pools where a case does not care.
const (
	poolUse   = optee.UseCaseSecureVideoPlay
	poolPages = 256
)

const poolSize = poolPages * page

// versionReply is a version in x0 and nothing above it. Other registers are undefined.
func isVersion(out Registers) bool {
	v := ffa.Version(out[0])
	return out[0]>>32 == 0 && v.Valid() && v.Major() == 1
}

// notSupportedVersion is the refusal of FFA_VERSION: NOT_SUPPORTED in w0 itself.
func notSupportedVersion() Want {
	none := ffa.NotSupported
	zero, sign := returns("", uint64(uint32(none))), returns("", uint64(int64(none)))
	for _, p := range [][]pattern{zero.any, sign.any} {
		p[0].kept = 0
		p[0].loose = extended
	}
	return Want{"x0 = NOT_SUPPORTED", append(zero.any, sign.any...)}
}

// expectVersion asks for a version and wants one.
func (t *T) expectVersion(what string, asked uint64) ffa.Version {
	out := t.call(uint64(ffa.Version32), asked)
	t.require(isVersion(out), what, "x0 = 1.x without an FF-A status")
	return ffa.Version(out[0])
}

// infoSizeIs says which descriptor size PARTITION_INFO_GET works with, as the sign of which version is in force.
func (t *T) infoSizeIs(what string, size uint64) {
	out := t.expect(what, successWith(2, "count and size"), uint64(ffa.PartitionInfoGet32))
	t.require(out[3] == size, what, fmt.Sprintf("w3 = %d", size))
	t.expect("releasing RX", success(), uint64(ffa.RXRelease32))
}

// features asks about a function or feature.
func (t *T) features(what string, w Want, id uint64, properties ...uint64) Registers {
	return t.expect(what, w, append([]uint64{uint64(ffa.Features32), id}, properties...)...)
}

// has reports whether FFA_FEATURES knows a function or feature.
func (t *T) has(id uint64) bool {
	out := t.features("FFA_FEATURES", successWith(2, "properties").or(failure(ffa.NotSupported)), id)
	return ffa.FunctionOf(&out) != ffa.Error32
}

// negotiated runs a case at version 1.2 without buffers.
func negotiated(f func(t *T)) func(*T) {
	return func(t *T) {
		t.negotiate(ffa.Version1_2)
		f(t)
	}
}

// mapped runs a case at version 1.2 with buffers of one page.
func mapped(f func(t *T)) func(*T) {
	return func(t *T) {
		t.negotiate(ffa.Version1_2)
		t.mapBuffers(1)
		f(t)
	}
}

func setupCases() []Case {
	var cases []Case
	for _, f := range []func() []Case{versionCases, identityCases, featureCases, unknownFunctionCases, bufferCases} {
		cases = append(cases, f()...)
	}
	return cases
}

func versionCases() []Case {
	version := ffaRule("FFA_VERSION")
	refusedVersion := func(name, why string, asked uint64) Case {
		return Case{Name: "version-" + name, Rule: version, Why: why, Run: func(t *T) {
			t.expect("FFA_VERSION", notSupportedVersion(), uint64(ffa.Version32), asked)
			t.expectVersion("FFA_VERSION(1.2) afterwards", uint64(ffa.Version1_2))
			t.expect("FFA_ID_GET", success(0), uint64(ffa.IDGet32))
		}}
	}
	cases := []Case{
		refusedVersion("bit-31", "Bit 31 of a version must be zero.", 1<<31|uint64(ffa.Version1_2)),
		refusedVersion("all-ones", "Bit 31 of a version must be zero.", 0xFFFF_FFFF),
		{Name: "version-answers-own", Rule: version,
			Why: "The answer is the callee's version, whatever 1.x was asked for, and the call can be repeated before any other.",
			Run: func(t *T) {
				own := t.expectVersion("FFA_VERSION(1.2)", uint64(ffa.Version1_2))
				for _, v := range []ffa.Version{ffa.Version1_0, ffa.Version1_1} {
					got := t.expectVersion("FFA_VERSION again", uint64(v))
					t.require(got == own || got == v, "FFA_VERSION again", fmt.Sprintf("%v or %v", own, v))
				}
			}},
		{Name: "version-newer-minor", Rule: version,
			Why: "A caller of a newer minor version is told the older one, and both work with that.",
			Run: func(t *T) {
				out := t.call(uint64(ffa.Version32), uint64(ffa.MakeVersion(1, 0x7FFF)))
				t.require(isVersion(out) || int32(out[0]) == int32(ffa.NotSupported), "FFA_VERSION(1.32767)", "x0 = 1.x or NOT_SUPPORTED")
				t.expectVersion("FFA_VERSION(1.2)", uint64(ffa.Version1_2))
				t.expect("FFA_ID_GET", success(0), uint64(ffa.IDGet32))
			}},
		{Name: "version-other-major", Rule: version,
			Why: "Another major version is not adopted: the answer is NOT_SUPPORTED or the callee's version.",
			Run: func(t *T) {
				for _, v := range []uint64{0, 0x0_0001, 0x2_0000, 0x7FFF_0000} {
					out := t.call(uint64(ffa.Version32), v)
					t.require(isVersion(out) || int32(out[0]) == int32(ffa.NotSupported), "FFA_VERSION of another major version", "x0 = 1.x or NOT_SUPPORTED")
				}
				t.version = ffa.Version1_2
				t.expectVersion("FFA_VERSION(1.2)", uint64(ffa.Version1_2))
				t.mapBuffers(1)
				t.infoSizeIs("records at version 1.2", 24)
			}},
		{Name: "version-upper-half", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The call is an SMC32 one.",
			Run: func(t *T) {
				t.expectVersion("FFA_VERSION with bits above w1", 0xDEAD_BEEF_0001_0002)
			}},
		{Name: "version-sve-hint", Rule: smcccRule("SVE, SME and SIMD hint bit"),
			Why: "The hint is no part of the identifier.",
			Run: func(t *T) {
				out := t.call(uint64(ffa.Version32)|1<<16, uint64(ffa.Version1_2))
				t.require(isVersion(out), "FFA_VERSION with the hint", "x0 = 1.x")
				t.expect("FFA_ID_GET with the hint", success(0), uint64(ffa.IDGet32)|1<<16)
			}},
		{Name: "version-locked", Rule: version, Why: "After another call the version cannot change any more.", Run: func(t *T) {
			t.negotiate(ffa.Version1_2)
			t.mapBuffers(1)
			t.call(uint64(ffa.Version32), uint64(ffa.Version1_0))
			t.infoSizeIs("records after FFA_VERSION(1.0) that came too late", 24)
		}},
		{Name: "version-last-one-counts", Rule: version,
			Why: "Before any other call the last version that was asked for counts.",
			Run: func(t *T) {
				t.expectVersion("FFA_VERSION(1.0)", uint64(ffa.Version1_0))
				t.negotiate(ffa.Version1_2)
				t.mapBuffers(1)
				t.infoSizeIs("records at version 1.2", 24)
			}},
		{Name: "version-absent", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_version_check"), Variant: WithoutFFA,
			Why: "Where there is no FF-A, FFA_VERSION is NOT_SUPPORTED.", Run: func(t *T) {
				t.expect("FFA_VERSION without FF-A", notSupportedVersion(), uint64(ffa.Version32), uint64(ffa.Version1_2))
			}},
		{Name: "absent-functions", Rule: linuxRule("drivers/firmware/arm_ffa/driver.c", "ffa_rxtx_map"), Variant: WithoutFFA,
			Why: "Calls of FF-A's range are refused with FFA_ERROR: Linux takes -1 for success.", Run: func(t *T) {
				for _, f := range []ffa.Function{ffa.IDGet32, ffa.RXTXMap64, ffa.Features32, ffa.RXRelease32, ffa.MemShare64} {
					t.expect("a call without FF-A", failure(ffa.NotSupported), uint64(f))
				}
			}},
	}
	for _, v := range []struct {
		version ffa.Version
		size    uint64
	}{{ffa.Version1_0, 0}, {ffa.Version1_1, 24}, {ffa.Version1_2, 24}} {
		cases = append(cases, Case{Name: fmt.Sprintf("version-1.%d", v.version.Minor()), Rule: version,
			Why: "The version that was asked for is in force: it selects the layout of records.", Run: func(t *T) {
				t.negotiate(v.version)
				t.mapBuffers(1)
				t.infoSizeIs("records", v.size)
			}})
	}
	return cases
}

func identityCases() []Case {
	return []Case{
		{Name: "id-get", Rule: ffaRule("FFA_ID_GET"),
			Why: "The normal world's kernel without hypervisor is endpoint 0.",
			Run: negotiated(func(t *T) {
				t.expect("FFA_ID_GET", success(0), uint64(ffa.IDGet32))
			})},
		{Name: "id-get-on-second-processor", Rule: ffaRule("FFA_ID_GET"), Needs: NeedCPUs,
			Why: "An endpoint is the same on all processors.",
			Run: negotiated(func(t *T) {
				t.cpu = 1
				t.expect("FFA_ID_GET", success(0), uint64(ffa.IDGet32))
			})},
		{Name: "id-get-upper-halves", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "All results of an SMC32 call are zero-extended.",
			Run: negotiated(func(t *T) {
				args := []uint64{uint64(ffa.IDGet32)}
				for i := 1; i < 8; i++ {
					args = append(args, 0xDEAD_BEEF_0000_0000+uint64(i))
				}
				t.expect("FFA_ID_GET with values in all registers", success(0), args...)
			})},
		{Name: "spm-id-get", Rule: ffaRule("FFA_SPM_ID_GET"),
			Why: "The SPMC is an endpoint of the secure world, and none of the partitions.",
			Run: mapped(func(t *T) {
				out := t.expect("FFA_SPM_ID_GET", successWith(1, "an identifier in w2"), uint64(ffa.SPMIDGet32))
				t.require(out[2]>>15 == 1, "FFA_SPM_ID_GET", "16 bits, bit 15 set")
				for _, p := range t.partitions([4]uint64{}) {
					if uint64(p.ID) == out[2] {
						t.failf("an identifier of its own", "partition %v has the SPMC's identifier", p.ID)
					}
				}
			})},
		{Name: "spm-id-get-at-1.0", Rule: ffaRule("FFA_SPM_ID_GET"), Why: "The call is there from 1.1 on.", Run: func(t *T) {
			t.negotiate(ffa.Version1_0)
			t.expect("FFA_SPM_ID_GET at version 1.0", failure(ffa.NotSupported), uint64(ffa.SPMIDGet32))
		}},
	}
}

func featureCases() []Case {
	rule := ffaRule("FFA_FEATURES")
	var cases []Case
	for _, f := range []ffa.Function{
		ffa.Version32, ffa.Features32, ffa.RXRelease32, ffa.RXTXMap32, ffa.RXTXMap64, ffa.RXTXUnmap32, ffa.PartitionInfoGet32, ffa.IDGet32,
		ffa.SPMIDGet32, ffa.MsgSendDirectReq32, ffa.MemShare32, ffa.MemShare64, ffa.MemLend32, ffa.MemLend64, ffa.MemReclaim32,
	} {
		cases = append(cases, Case{Name: fmt.Sprintf("features-%#x", uint32(f)), Rule: rule,
			Why: f.String() + " is there for the normal world.",
			Run: negotiated(func(t *T) { t.features("FFA_FEATURES", successWith(2, "properties"), uint64(f)) })})
	}
	for _, u := range []struct {
		name, why string
		id        uint64
	}{
		{"unassigned", "No function has this number.", 0x8400_0092},
		{"wrong-convention", "FFA_VERSION has no 64-bit form.", 0xC400_0063},
		{"psci", "PSCI is no part of FF-A.", 0x8400_0000},
		{"mem-perm-get", "FFA_MEM_PERM_GET is for S-EL0 partitions.", uint64(ffa.MemPermGet32)},
		{"secondary-ep-register", "FFA_SECONDARY_EP_REGISTER is for partitions.", uint64(ffa.SecondaryEPRegister64)},
		{"feature-0", "There is no feature 0.", 0},
		{"feature-reserved", "There is no such feature.", 0x7FFF_FFFF},
		{"feature-of-1.3", "The properties of notifications are a feature from 1.3 on.", uint64(ffa.FeatureNotification)},
		{"managed-exit", "The managed exit interrupt is for partitions.", uint64(ffa.FeatureMEI)},
	} {
		cases = append(cases, Case{Name: "features-no-" + u.name, Rule: rule, Why: u.why + " The answer is NOT_SUPPORTED.",
			Run: negotiated(func(t *T) { t.features("FFA_FEATURES", failure(ffa.NotSupported), u.id) })})
	}
	return append(cases,
		Case{Name: "features-rxtx-granule", Rule: rule,
			Why: "w2[1:0] is a granule of 4K, 64K or 16K, w2[15:2] is zero; Linux maps 4 KiB buffers where it says 4K.",
			Run: negotiated(func(t *T) {
				out := t.features("FFA_FEATURES(FFA_RXTX_MAP)", successWith(1, "granule and limit in w2"), uint64(ffa.RXTXMap64))
				t.require(out[2]&3 != 3 && out[2]&0xFFFC == 0, "FFA_FEATURES(FFA_RXTX_MAP)", "granule 0, 1 or 2, bits 15:2 zero")
			})},
		Case{Name: "features-upper-half", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The call is an SMC32 one.",
			Run: negotiated(func(t *T) {
				t.features("FFA_FEATURES with bits above w1", successWith(2, "properties"), 0xDEAD<<48|uint64(ffa.RXTXMap64))
			})},
		Case{Name: "features-of-later-version", Rule: rule,
			Why: "What a later version brought does not exist for a caller of version 1.0, neither in answers nor in calls.",
			Run: func(t *T) {
				t.negotiate(ffa.Version1_0)
				for _, f := range []ffa.Function{ffa.SPMIDGet32, ffa.MsgSend2_32, ffa.PartitionInfoGetRegs64, ffa.MsgSendDirectReq2_64, ffa.NotificationBitmapCreate32} {
					t.features("FFA_FEATURES at version 1.0", failure(ffa.NotSupported), uint64(f))
					t.expect("a later function at version 1.0", failure(ffa.NotSupported), uint64(f))
				}
			}},
	)
}

func unknownFunctionCases() []Case {
	rule := ffaRule("FFA_ERROR, NOT_SUPPORTED")
	var cases []Case
	for _, u := range []struct {
		name, why string
		function  uint64
	}{
		{"unassigned", "The number belongs to FF-A, but to no function.", 0x8400_0092},
		{"unassigned-smc64", "The number belongs to FF-A, but to no function.", 0xC400_0093},
		{"smc64-of-id-get", "FFA_ID_GET has no 64-bit form.", 0xC400_0069},
		{"smc32-of-info-get-regs", "FFA_PARTITION_INFO_GET_REGS has no 32-bit form.", 0x8400_008B},
		{"error", "FFA_ERROR answers calls; nothing is under way.", uint64(ffa.Error32)},
		{"success", "FFA_SUCCESS answers calls; nothing is under way.", uint64(ffa.Success32)},
		{"msg-wait", "Only secure partitions wait for messages.", uint64(ffa.MsgWait32)},
		{"yield", "Only secure partitions yield.", uint64(ffa.Yield32)},
		{"mem-perm-get", "Only S-EL0 partitions ask for permissions.", uint64(ffa.MemPermGet32)},
		{"mem-perm-set", "Only S-EL0 partitions set permissions.", uint64(ffa.MemPermSet64)},
		{"secondary-ep-register", "Only partitions have secondary entry points.", uint64(ffa.SecondaryEPRegister64)},
		{"normal-world-resume", "The SPMC says that to the SPMD.", uint64(ffa.NormalWorldResume32)},
		{"el3-intr-handle", "The SPMC says that to the SPMD.", uint64(ffa.EL3IntrHandle32)},
		{"retrieve-resp", "FFA_MEM_RETRIEVE_RESP is an answer.", uint64(ffa.MemRetrieveResp32)},
		{"ns-res-info-get", "The call is there from 1.3 on.", uint64(ffa.NSResInfoGet64)},
		{"abort", "The call is there from 1.3 on, for partitions.", uint64(ffa.Abort32)},
		{"notification-bind2", "The call is there from 1.3 on.", uint64(ffa.NotificationBind2_64)},
	} {
		cases = append(cases, Case{Name: "unknown-" + u.name, Rule: rule,
			Why: u.why + " The answer is FFA_ERROR with NOT_SUPPORTED, not -1, which Linux would take for success.",
			Run: negotiated(func(t *T) {
				t.expect("a call that the normal world does not have", failure(ffa.NotSupported), u.function, 1, 2, 3)
			})})
	}
	return cases
}

func bufferCases() []Case {
	rule, unmap, release := ffaRule("FFA_RXTX_MAP"), ffaRule("FFA_RXTX_UNMAP"), ffaRule("FFA_RX_RELEASE")
	mapCall := func(tx, rx, pages uint64) []uint64 { return []uint64{uint64(ffa.RXTXMap64), tx, rx, pages} }
	cases := []Case{
		{Name: "rxtx-map-smc32", Rule: rule,
			Why: "The SMC32 form takes the lower halves of its arguments.",
			Run: negotiated(func(t *T) {
				t.expect("FFA_RXTX_MAP, SMC32, with bits above", success(), uint64(ffa.RXTXMap32), 0xDEAD<<48|t.tx, 0xBEEF<<48|t.rx, 0xF00D<<48|1)
				t.infoSizeIs("records in RX", 24)
			})},
		{Name: "rxtx-map-smc64", Rule: rule,
			Why: "x1 is the caller's TX, x2 its RX: what the callee sends arrives in RX, and TX stays as it is.",
			Run: negotiated(func(t *T) {
				t.fill(t.tx-page, 3*page)
				t.fill(t.rx-page, 3*page)
				t.expect("FFA_RXTX_MAP", success(), mapCall(t.tx, t.rx, 1)...)
				t.expect("asking for partitions", successWith(2, "count and size"), uint64(ffa.PartitionInfoGet32))
				if b := t.read(t.rx, 2); uint16(b[0])|uint16(b[1])<<8 < 1<<15 {
					t.failf("a record in RX", "RX begins with % x", b)
				}
				t.filled("TX and its neighbours", t.tx-page, 3*page)
				t.filled("the page before RX", t.rx-page, page)
				t.filled("the page behind RX", t.rx+page, page)
			})},
		{Name: "rxtx-map-two-pages", Rule: rule,
			Why: "Buffers may have more than one page; a page is 4 KiB.",
			Run: negotiated(func(t *T) {
				t.expect("FFA_RXTX_MAP of two pages", success(), mapCall(t.tx, t.rx, 2)...)
				t.infoSizeIs("records in RX", 24)
			})},
		{Name: "rxtx-map-sixteen-pages", Rule: rule,
			Why: "A kernel with 64 KiB pages maps 16 pages.",
			Run: negotiated(func(t *T) {
				t.expect("FFA_RXTX_MAP of 16 pages", success(), mapCall(t.tx, t.rx, 16)...)
				t.infoSizeIs("records in RX", 24)
			})},
		{Name: "rxtx-map-twice", Rule: rule, Why: "Buffers that are mapped are DENIED, and stay mapped.", Run: mapped(func(t *T) {
			t.expect("FFA_RXTX_MAP again", failure(ffa.Denied), mapCall(t.buf, t.buf+page, 1)...)
			t.infoSizeIs("records in the first RX", 24)
			t.filledAfterRX(t.buf)
		})},
		{Name: "rxtx-unmap", Rule: unmap, Why: "After unmapping other buffers can be mapped.", Run: mapped(func(t *T) {
			t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			t.tx, t.rx = t.buf, t.buf+page
			t.mapBuffers(1)
			t.infoSizeIs("records in the new RX", 24)
		})},
		{Name: "rxtx-unmap-twice", Rule: unmap, Why: "There is nothing to unmap.", Run: mapped(func(t *T) {
			t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			t.expect("FFA_RXTX_UNMAP again", failure(ffa.InvalidParameters), uint64(ffa.RXTXUnmap32))
		})},
		{Name: "rxtx-unmap-nothing", Rule: unmap, Why: "There is nothing to unmap.", Run: negotiated(func(t *T) {
			t.expect("FFA_RXTX_UNMAP of nothing", failure(ffa.InvalidParameters), uint64(ffa.RXTXUnmap32))
		})},
		{Name: "rxtx-unmap-of-vm", Rule: unmap, Why: "There is no VM with this identifier.", Run: mapped(func(t *T) {
			t.expect("FFA_RXTX_UNMAP for VM 5", failure(ffa.InvalidParameters), uint64(ffa.RXTXUnmap32), 5<<16)
			t.infoSizeIs("records in RX", 24)
		})},
		{Name: "rxtx-unmap-gives-memory-back", Rule: unmap,
			Why: "Buffers that are not mapped any more are ordinary memory, and can be lent.",
			Run: mapped(func(t *T) {
				t.findOPTEE()
				old := t.tx
				t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
				t.tx, t.rx = t.buf, t.buf+page
				t.mapBuffers(1)
				t.reclaim(t.lend(old, 1))
			})},
		{Name: "rxtx-unmapped-tx", Rule: memRule("FFA_MEM_SHARE"),
			Why: "Without TX there is no descriptor: Hafnium and TF-A say INVALID_PARAMETERS, OP-TEE says DENIED.",
			Run: mapped(func(t *T) {
				t.findOPTEE()
				b := t.transaction(ffa.Share, region(t.buf, 1)).AppendTo(nil, t.version)
				t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
				t.sendBytes("FFA_MEM_SHARE without TX", failure(ffa.InvalidParameters, ffa.Denied), send64(ffa.Share), b)
			})},
		{Name: "rx-release-not-held", Rule: release, Why: "The caller does not own RX.", Run: mapped(func(t *T) {
			t.expect("FFA_RX_RELEASE", failure(ffa.Denied), uint64(ffa.RXRelease32))
		})},
		{Name: "rx-release-twice", Rule: release, Why: "RX was given back already.", Run: mapped(func(t *T) {
			t.infoSizeIs("records in RX", 24)
			t.expect("FFA_RX_RELEASE again", failure(ffa.Denied), uint64(ffa.RXRelease32))
		})},
		{Name: "rx-release-without-buffers", Rule: release, Why: "There is no RX.", Run: negotiated(func(t *T) {
			t.expect("FFA_RX_RELEASE without buffers", failure(ffa.Denied, ffa.InvalidParameters), uint64(ffa.RXRelease32))
		})},
		{Name: "rx-release-of-vm", Rule: release,
			Why: "There is no VM with this identifier, and RX stays owned.",
			Run: mapped(func(t *T) {
				t.expect("asking for partitions", successWith(2, "count and size"), uint64(ffa.PartitionInfoGet32))
				t.expect("FFA_RX_RELEASE for VM 5", failure(ffa.InvalidParameters, ffa.Denied), uint64(ffa.RXRelease32), 5)
				t.expect("FFA_RX_RELEASE", success(), uint64(ffa.RXRelease32))
			})},
		{Name: "rx-acquire", Rule: ffaRule("FFA_RX_ACQUIRE"),
			Why: "Only a hypervisor acquires the RX buffers of its VMs; an operating system's own RX stays where it is.",
			Run: mapped(func(t *T) {
				t.expect("FFA_RX_ACQUIRE by an operating system", failure(ffa.NotSupported, ffa.InvalidParameters, ffa.Denied), uint64(ffa.RXAcquire32), 0)
				t.infoSizeIs("records in RX", 24)
			})},
		{Name: "system-reset-unmaps", Rule: psciRule("SYSTEM_RESET"), Needs: NeedRun,
			Why: "Linux leaves its buffers mapped over a reboot, and the next kernel maps its own.", Run: mapped(func(t *T) {
				t.systemReset()
				t.negotiate(ffa.Version1_1)
				t.mapBuffers(1)
				t.infoSizeIs("records in RX", 24)
			})},
	}
	for _, b := range []struct {
		name, why string
		needs     Need
		want      Want
		args      func(t *T) (tx, rx, pages uint64)
	}{
		{"no-pages", "A buffer has at least one page.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx, t.rx, 0 }},
		{"reserved-bits", "w3[31:6] must be zero.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx, t.rx, 1 | 1<<6 }},
		{"reserved-high-bits", "w3[31:6] must be zero.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx, t.rx, 1 | 1<<31 }},
		{"misaligned-tx", "TX must be aligned.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx + 0x800, t.rx, 1 }},
		{"misaligned-rx", "RX must be aligned.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx, t.rx + 1, 1 }},
		{"same-page", "RX and TX must not overlap.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx, t.tx, 1 }},
		{"overlap", "RX and TX must not overlap.", 0, failure(ffa.InvalidParameters), func(t *T) (uint64, uint64, uint64) { return t.tx, t.tx + page, 2 }},
		{"device-tx", "A device is no memory.", 0, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return t.Device, t.rx, 1 }},
		{"device-rx", "A device is no memory: the callee would write to its registers.", 0, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return t.tx, t.Device, 1 }},
		{"beyond-memory", "Nothing is there.", 0, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return t.tx, t.End, 1 }},
		{"across-end", "The second page is not there.", 0, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return t.tx, t.End - page, 2 }},
		{"wraps", "The address range wraps.", 0, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return t.tx, ^uint64(page - 1), 2 }},
		{"wild", "Nothing is there.", 0, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return 1 << 63, t.rx, 1 }},
		{"secure-rx", "The callee would write into the secure world's memory.", NeedSecureRAM, failure(ffa.InvalidParameters, ffa.Denied),
			func(t *T) (uint64, uint64, uint64) { return t.tx, t.SecureRAM.Base, 1 }},
		{"secure-tx", "The callee would read the secure world's memory as a descriptor.", NeedSecureRAM, failure(ffa.InvalidParameters, ffa.Denied),
			func(t *T) (uint64, uint64, uint64) { return t.SecureRAM.Base, t.rx, 1 }},
		{"frame", "The registers of the firewall are no memory.", NeedFrame, failure(ffa.InvalidParameters, ffa.Denied), func(t *T) (uint64, uint64, uint64) { return t.tx, t.Frame, 1 }},
	} {
		cases = append(cases, Case{Name: "rxtx-map-" + b.name, Rule: rule, Needs: b.needs,
			Why: b.why + " After the refusal good buffers can be mapped.",
			Run: negotiated(func(t *T) {
				tx, rx, pages := b.args(t)
				t.expect("FFA_RXTX_MAP", b.want, mapCall(tx, rx, pages)...)
				t.mapBuffers(1)
				t.infoSizeIs("records in RX", 24)
			})})
	}
	for _, b := range []struct {
		name string
		take func(t *T)
	}{
		{"lent", func(t *T) { t.lend(t.buf, 1) }},
		{"shared", func(t *T) { t.share(t.buf, 1) }},
	} {
		cases = append(cases, Case{Name: "rxtx-map-" + b.name, Rule: rule,
			Why: "Memory that is " + b.name + " is not the caller's alone: it cannot become RX.",
			Run: func(t *T) {
				t.startFFA()
				b.take(t)
				t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
				t.expect("FFA_RXTX_MAP", failure(ffa.InvalidParameters, ffa.Denied), mapCall(t.tx, t.buf, 1)...)
				t.expect("FFA_RXTX_MAP the other way", failure(ffa.InvalidParameters, ffa.Denied), mapCall(t.buf, t.rx, 1)...)
				t.mapBuffers(1)
			}})
	}
	return cases
}

// filledAfterRX says that a refused mapping is no buffer: what arrives in RX does not arrive there.
func (t *T) filledAfterRX(addr uint64) {
	t.fill(addr, 2*page)
	t.infoSizeIs("records in RX", 24)
	t.filled("buffers that were refused", addr, 2*page)
}
