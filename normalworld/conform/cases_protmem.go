package conform

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

// configArg is GET_PROTMEM_CONFIG.
func configArg(use uint64, list optee.Param) *optee.Arg {
	return &optee.Arg{Cmd: optee.CmdGetProtmemConfig, Params: []optee.Param{optee.ValueParam(optee.AttrValueInOut, use, 0, 0), list}}
}

// soundConfig checks what GET_PROTMEM_CONFIG says about a pool: Linux allocates the size in whole pages, and fails on a width of 0.
func (t *T) soundConfig(a *optee.Arg) {
	v := a.Params[0].Value()
	t.require(v.A != 0 && v.A%page == 0 && v.A < 1<<40, "GET_PROTMEM_CONFIG", "a size in whole pages in a")
	t.require(v.B == 0 || v.B&(v.B-1) == 0, "GET_PROTMEM_CONFIG", "an alignment that is a power of two in b")
	t.require(v.C >= 32 && v.C <= 64, "GET_PROTMEM_CONFIG", "an address width from 32 to 64 in c")
}

func protmemCases() []Case {
	cases := ffaProtmemCases()
	for i := range cases {
		cases[i].Needs |= NeedFFA
	}
	smc := smcProtmemCases()
	for i := range smc {
		smc[i].Needs |= NeedSMC
	}
	cases = append(append(cases, smc...), linuxHeap(overFFA), linuxHeap(overSMC))
	return append(cases, staticCases()...)
}

func ffaProtmemCases() []Case {
	config, assign := msgRule("OPTEE_MSG_CMD_GET_PROTMEM_CONFIG"), msgRule("OPTEE_MSG_CMD_ASSIGN_PROTMEM")
	linux := linuxRule("drivers/tee/optee/protmem.c", "get_protmem_config")
	release, lend := opteeFFARule("OPTEE_FFA_RELEASE_PROTMEM"), memRule("FFA_MEM_LEND")
	bad := optee.ErrorBadParameters
	// size asks for the list without a buffer.
	size := func(t *T) *optee.Arg {
		return t.message("GET_PROTMEM_CONFIG without a buffer", optee.ErrorShortBuffer, configArg(useCase, t.null(optee.AttrFMemOutput)))
	}
	refusedLend := func(name, why string, edit func(t *T, d *ffa.MemoryTransaction), codes ...ffa.Error) Case {
		return Case{Name: "ffa-lend-" + name, Rule: lend, Why: why + " The lend is refused.", Run: withOPTEE(func(t *T) {
			t.fill(t.pool-page, 6*page)
			d := t.transaction(ffa.Lend, region(t.pool, 4))
			edit(t, d)
			t.send("FFA_MEM_LEND", failure(codes...), ffa.Lend, d)
			t.filled("memory that was not lent", t.pool-page, 6*page)
			t.free("memory that was not lent", t.pool-page, 6)
		})}
	}
	tag := func(v uint64) func(*T, *ffa.MemoryTransaction) {
		return func(_ *T, d *ffa.MemoryTransaction) { d.Tag = v }
	}
	return []Case{
		{Name: "ffa-config-size", Rule: linux,
			Why: "Without a buffer the answer is SHORT_BUFFER with the size of the list: on SUCCESS Linux dereferences NULL.",
			Run: withOPTEE(func(t *T) {
				a := size(t)
				t.soundConfig(a)
				n := a.Params[1].Size()
				t.require(n > 0 && n%4 == 0 && n <= page, "GET_PROTMEM_CONFIG without a buffer", "a size that is a multiple of 4 in p1")
			})},
		{Name: "ffa-config-list", Rule: linux,
			Why: "The list names who is to be lent to, and with which permissions: OP-TEE itself, reading and writing.",
			Run: withOPTEE(func(t *T) {
				n := size(t).Params[1].Size()
				b := t.shareBuffer(t.buf, 1)
				a := t.message("GET_PROTMEM_CONFIG", optee.Success, configArg(useCase, t.ref(optee.AttrFMemOutput, b, 0, n)))
				t.soundConfig(a)
				t.require(a.Params[1].Size() == n, "GET_PROTMEM_CONFIG", fmt.Sprintf("size %d", n))
				found := false
				list := t.read(t.buf, int(n))
				for i := 0; i < len(list); i += 4 {
					e, ok := optee.ParseProtmemConfigEntry(le32(list[i:]))
					if !ok || !ffa.EndpointID(e.Endpoint).Secure() || ffa.Permissions(e.Permissions).Data() == 0 {
						t.failf("secure endpoints with permissions", "entry %d is %#x", i/4, le32(list[i:]))
					}
					found = found || ffa.EndpointID(e.Endpoint) == t.optee && e.Permissions == uint8(ffa.DataRW)
				}
				if !found {
					t.failf("OP-TEE with read and write permission", "the list is % x", list)
				}
				t.unshare(b)
			})},
		{Name: "ffa-config-one-borrower", Rule: linuxRule("drivers/tee/optee/ffa_abi.c", "optee_ffa_lend_protmem"),
			Why: "Linux lends with attributes 0 to all of the list, which is allowed for a single borrower only.", Run: withOPTEE(func(t *T) {
				n := size(t).Params[1].Size()
				t.require(n == 4, "GET_PROTMEM_CONFIG without a buffer", "one entry")
			})},
		{Name: "ffa-config-bounds", Rule: config,
			Why: "The list arrives in the buffer and nowhere else; a larger buffer is fine.",
			Run: withOPTEE(func(t *T) {
				t.fill(t.buf, 2*page)
				b := t.shareBuffer(t.buf, 2)
				a := t.message("GET_PROTMEM_CONFIG", optee.Success, configArg(useCase, t.ref(optee.AttrFMemOutput, b, page-32, 64)))
				n := a.Params[1].Size()
				t.require(n <= 64, "GET_PROTMEM_CONFIG", "a size within the buffer")
				for i, x := range t.read(t.buf, 2*page) {
					at := uint64(i)
					if (at < page-32 || at >= page-32+n) && x != patternByte(t.buf+at) {
						t.failf("nothing is written outside the list", "the byte at offset %#x is %#x", at, x)
					}
				}
				t.unshare(b)
			})},
		{Name: "ffa-config-short", Rule: config,
			Why: "A buffer that is too small is SHORT_BUFFER with the size, and nothing is written.",
			Run: withOPTEE(func(t *T) {
				t.fill(t.buf, page)
				b := t.shareBuffer(t.buf, 1)
				a := t.message("GET_PROTMEM_CONFIG with 3 bytes", optee.ErrorShortBuffer, configArg(useCase, t.ref(optee.AttrFMemOutput, b, 0, 3)))
				t.require(a.Params[1].Size() >= 4, "GET_PROTMEM_CONFIG with 3 bytes", "the size of the list")
				t.filled("the buffer", t.buf, page)
				t.unshare(b)
			})},
		{Name: "ffa-config-unknown-use-case", Rule: config, Why: "There is no such use case.", Run: withOPTEE(func(t *T) {
			for _, use := range []uint64{0, 77, 1 << 32, 1<<32 | useCase, ^uint64(0)} {
				t.messageOneOf(fmt.Sprintf("GET_PROTMEM_CONFIG for use case %#x", use), []optee.Result{bad, optee.ErrorNotSupported, optee.ErrorItemNotFound},
					configArg(use, t.null(optee.AttrFMemOutput)))
			}
		})},
		{Name: "ffa-config-parameters", Rule: config,
			Why: "The message has a value and an output reference.",
			Run: withOPTEE(func(t *T) {
				full := configArg(useCase, t.null(optee.AttrFMemOutput))
				t.message("GET_PROTMEM_CONFIG with one parameter", bad, &optee.Arg{Cmd: full.Cmd, Params: full.Params[:1]})
				a := configArg(useCase, t.null(optee.AttrFMemInput))
				t.message("GET_PROTMEM_CONFIG with an input reference", bad, a)
				a = configArg(useCase, t.null(optee.AttrFMemOutput))
				a.Params[0].Attr = optee.AttrValueInput
				t.message("GET_PROTMEM_CONFIG with an input value", bad, a)
			})},
		{Name: "ffa-cycle", Rule: assign,
			Why: "Lend, assign, release, reclaim: what Linux does for the first and the last buffer of a pool, again and again.",
			Run: withOPTEE(func(t *T) {
				for range 3 {
					t.unprotect(t.protect(t.pool, poolSize, useCase))
				}
				t.free("after the cycles", t.pool, poolPages)
			})},
		{Name: "ffa-announced-size", Rule: config,
			Why: "A pool of the size that is announced can be lent.",
			Run: withOPTEE(func(t *T) {
				n := size(t).Params[0].Value().A
				if n > t.RAM.End()-t.pool {
					t.skip("a pool has %d bytes", n)
				}
				t.unprotect(t.protect(t.pool, n, useCase))
			})},
		{Name: "ffa-reclaim-before-release", Rule: memRule("FFA_MEM_RECLAIM"),
			Why: "A pool that OP-TEE uses is DENIED, however often Linux asks; after the release it comes back.",
			Run: withOPTEE(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				for range 3 {
					t.reclaimWith("reclaim before the release", failure(ffa.Denied), p.handle)
				}
				t.unprotect(p)
				t.free("after the reclaim", t.pool, poolPages)
			})},
		{Name: "ffa-release-of-another", Rule: release,
			Why: "Releasing one pool does not release another.",
			Run: withOPTEE(func(t *T) {
				p := t.protect(t.pool, 64*page, useCase)
				q := t.protect(t.pool+128*page, 64*page, useCase)
				t.release(q.handle)
				t.reclaimWith("reclaim of the pool that is in use", failure(ffa.Denied), p.handle)
				t.reclaim(q.handle)
				t.unprotect(p)
			})},
		{Name: "ffa-release-unassigned", Rule: release,
			Why: "A pool that was not assigned holds no reference: RELEASE_PROTMEM is 0, and the pool comes back.",
			Run: withOPTEE(func(t *T) {
				h := t.lend(t.pool, poolPages)
				t.release(h)
				t.reclaim(h)
			})},
		{Name: "ffa-release-twice", Rule: release, Why: "The second time there is nothing to drop.", Run: withOPTEE(func(t *T) {
			p := t.protect(t.pool, poolSize, useCase)
			t.release(p.handle)
			t.release(p.handle)
			t.reclaim(p.handle)
		})},
		{Name: "ffa-release-then-use", Rule: release,
			Why: "After the release OP-TEE does not use the pool any more.",
			Run: withOPTEE(func(t *T) {
				s := t.open()
				p := t.protect(t.pool, poolSize, useCase)
				t.release(p.handle)
				t.message("a reference into a pool that was released", bad, invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, shared{handle: p.handle}, 0, 16)))
				t.reclaim(p.handle)
			})},
		{Name: "ffa-assign-twice", Rule: assign, Why: "A pool that is assigned is BUSY.", Run: withOPTEE(func(t *T) {
			p := t.protect(t.pool, poolSize, useCase)
			t.message("ASSIGN_PROTMEM again", optee.ErrorBusy, assignArg(p.handle, useCase))
			t.unprotect(p)
		})},
		{Name: "ffa-assign-unknown", Rule: assign, Why: "No lend has this handle.", Run: withOPTEE(func(t *T) {
			for _, h := range []ffa.Handle{0, 1, 0x7777_0001, ffa.InvalidHandle} {
				t.messageOneOf("ASSIGN_PROTMEM of nothing", []optee.Result{bad, optee.ErrorItemNotFound}, assignArg(h, useCase))
			}
		})},
		{Name: "ffa-assign-share", Rule: assign, Why: "Memory that is shared is not protected.", Run: withOPTEE(func(t *T) {
			h := t.share(t.buf, 1)
			t.messageOneOf("ASSIGN_PROTMEM of a share", []optee.Result{bad, optee.ErrorItemNotFound}, assignArg(h, useCase))
			t.reclaim(h)
		})},
		{Name: "ffa-assign-other-use-case", Rule: assign,
			Why: "The use case is the one that the memory was lent for.",
			Run: withOPTEE(func(t *T) {
				h := t.lend(t.pool, poolPages)
				for _, use := range []uint64{0, uint64(optee.UseCaseTrustedUI), 77, 1<<32 | useCase} {
					t.message("ASSIGN_PROTMEM to another use case", bad, assignArg(h, use))
				}
				t.message("ASSIGN_PROTMEM to its use case", optee.Success, assignArg(h, useCase))
				t.release(h)
				t.reclaim(h)
			})},
		{Name: "ffa-assign-parameters", Rule: assign, Why: "The message has one input value.", Run: withOPTEE(func(t *T) {
			h := t.lend(t.pool, poolPages)
			a := assignArg(h, useCase)
			a.Params[0].Attr = optee.AttrValueInOut
			t.message("ASSIGN_PROTMEM with an in-out value", bad, a)
			a = assignArg(h, useCase)
			a.Params = append(a.Params, a.Params[0])
			t.message("ASSIGN_PROTMEM with two parameters", bad, a)
			t.reclaim(h)
		})},
		{Name: "ffa-assign-reclaimed", Rule: assign, Why: "The lend is gone.", Run: withOPTEE(func(t *T) {
			h := t.lend(t.pool, poolPages)
			t.reclaim(h)
			t.messageOneOf("ASSIGN_PROTMEM of a lend that was reclaimed", []optee.Result{bad, optee.ErrorItemNotFound}, assignArg(h, useCase))
		})},
		refusedLend("without-use-case", "The tag is the use case; 0 is reserved.", tag(0), ffa.InvalidParameters, ffa.NoMemory),
		refusedLend("unknown-use-case", "There is no such use case.", tag(77), ffa.InvalidParameters, ffa.NoMemory),
		refusedLend("wide-use-case", "All 64 bits of the tag count.", tag(1<<32|useCase), ffa.InvalidParameters, ffa.NoMemory),
		refusedLend("scattered", "A pool is contiguous.", func(t *T, d *ffa.MemoryTransaction) {
			d.Constituents = []ffa.Constituent{region(t.pool, 1), region(t.pool+2*page, 1)}
		}, ffa.InvalidParameters),
		refusedLend("backwards", "A pool is contiguous, in order.", func(t *T, d *ffa.MemoryTransaction) {
			d.Constituents = []ffa.Constituent{region(t.pool+2*page, 1), region(t.pool, 1)}
		}, ffa.InvalidParameters),
		{Name: "ffa-memref-in-pool", Rule: msgRule("struct optee_msg_param_fmem"),
			Why: "A reference into a pool lies within it.",
			Run: withOPTEE(func(t *T) {
				s := t.open()
				p := t.protect(t.pool, 4*page, useCase)
				for _, x := range [][2]uint64{{4 * page, 16}, {4*page - 8, 16}, {0, 4*page + 1}, {1 << 40, 16}} {
					t.messageOneOf("a reference that leaves the pool", []optee.Result{optee.ErrorSecurity, bad},
						invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, shared{handle: p.handle}, x[0], x[1])))
				}
				t.unprotect(p)
			})},
	}
}

func smcProtmemCases() []Case {
	lend, reclaim := msgRule("OPTEE_MSG_CMD_LEND_PROTMEM"), msgRule("OPTEE_MSG_CMD_RECLAIM_PROTMEM")
	config := msgRule("OPTEE_MSG_CMD_GET_PROTMEM_CONFIG")
	bad := optee.ErrorBadParameters
	// dynamic skips the case without dynamic pools.
	dynamic := func(f func(t *T)) func(*T) {
		return smcCase(func(t *T) {
			if t.capabilities()&optee.CapDynamicProtmem == 0 {
				t.skip("the target has no dynamic protected memory over this ABI")
			}
			f(t)
		})
	}
	refused := func(name, why string, needs Need, arg func(t *T) *optee.Arg) Case {
		return Case{Name: "smc-lend-" + name, Rule: lend, Needs: needs,
			Why: why + " The lend is BAD_PARAMETERS and changes nothing.", Run: dynamic(func(t *T) {
				r := Range{t.pool, 16 * page}
				t.fill(around(r).Base, around(r).Size)
				t.message("LEND_PROTMEM", bad, arg(t))
				t.filled("memory that was not lent", around(r).Base, around(r).Size)
				if t.Firewall {
					t.normal("memory that was not lent", r)
				}
				t.unprotect(t.protect(r.Base, r.Size, useCase))
			})}
	}
	return []Case{
		{Name: "smc-capability", Rule: opteeSMCRule("OPTEE_SMC_SEC_CAP_DYNAMIC_PROTMEM"),
			Why: "Dynamic protected memory is announced, and no static pool with it.",
			Run: smcCase(func(t *T) {
				c := t.capabilities()
				t.require(c&optee.CapDynamicProtmem != 0 && c&optee.CapProtmem == 0, "EXCHANGE_CAPABILITIES", "bit 9, not bit 8")
				t.require(c&optee.CapRPCArg != 0 && c&optee.CapDynamicSHM != 0, "EXCHANGE_CAPABILITIES", "bits 2 and 6, so that messages have a place")
			})},
		{Name: "smc-no-static-pool", Rule: opteeSMCRule("OPTEE_SMC_GET_PROTMEM_CONFIG"),
			Why: "Without a static pool there is none to describe.",
			Run: smcCase(func(t *T) {
				if t.capabilities()&optee.CapProtmem != 0 {
					t.skip("there is a static pool")
				}
				t.expect("GET_PROTMEM_CONFIG", returns("ENOTAVAIL", uint64(optee.ReturnENotAvail)).or(unknown()), uint64(optee.GetProtmemConfig))
			})},
		{Name: "smc-config", Rule: config,
			Why: "Size, alignment and address width; the list is empty over this ABI, so that SUCCESS is right.",
			Run: dynamic(func(t *T) {
				a := t.message("GET_PROTMEM_CONFIG", optee.Success, configArg(useCase, t.null(optee.AttrRMemOutput)))
				t.soundConfig(a)
				t.require(a.Params[1].Size() == 0, "GET_PROTMEM_CONFIG", "an empty list")
			})},
		{Name: "smc-config-unknown-use-case", Rule: config, Why: "There is no such use case.", Run: dynamic(func(t *T) {
			for _, use := range []uint64{0, 77, 1<<32 | useCase} {
				t.messageOneOf("GET_PROTMEM_CONFIG for an unknown use case", []optee.Result{bad, optee.ErrorNotSupported, optee.ErrorItemNotFound},
					configArg(use, t.null(optee.AttrRMemOutput)))
			}
		})},
		{Name: "smc-cycle", Rule: lend,
			Why: "Lend and reclaim: what Linux does for the first and the last buffer of a pool, again and again.",
			Run: dynamic(func(t *T) {
				for range 3 {
					t.unprotect(t.protect(t.pool, poolSize, useCase))
				}
				b := t.shareBuffer(t.pool, poolPages)
				t.unshare(b)
			})},
		{Name: "smc-announced-size", Rule: config,
			Why: "A pool of the size that is announced can be lent.",
			Run: dynamic(func(t *T) {
				n := t.message("GET_PROTMEM_CONFIG", optee.Success, configArg(useCase, t.null(optee.AttrRMemOutput))).Params[0].Value().A
				if n > t.RAM.End()-t.pool {
					t.skip("a pool has %d bytes", n)
				}
				t.unprotect(t.protect(t.pool, n, useCase))
			})},
		refused("use-case-0", "Use case 0 is reserved.", 0, func(t *T) *optee.Arg { return lendArg(0, t.pool, 16*page, t.newCookie()) }),
		refused("unknown-use-case", "There is no such use case.", 0, func(t *T) *optee.Arg { return lendArg(77, t.pool, 16*page, t.newCookie()) }),
		refused("wide-use-case", "All 64 bits of the use case count.", 0, func(t *T) *optee.Arg { return lendArg(1<<32|useCase, t.pool, 16*page, t.newCookie()) }),
		refused("misaligned", "A pool begins at a page.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.pool+0x800, 16*page, t.newCookie()) }),
		refused("odd-size", "A pool has whole pages.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.pool, 16*page-1, t.newCookie()) }),
		refused("empty", "A pool has pages.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.pool, 0, t.newCookie()) }),
		refused("wraps", "Address and size wrap in 64 bits.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.pool, -t.pool, t.newCookie()) }),
		refused("device", "A device is no memory.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.Device, page, t.newCookie()) }),
		refused("beyond-memory", "Nothing is there.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.End, page, t.newCookie()) }),
		refused("across-end", "The last page is not there.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.End-page, 2*page, t.newCookie()) }),
		refused("secure-memory", "Secure memory is not the normal world's to give.", NeedSecureRAM, func(t *T) *optee.Arg {
			return lendArg(useCase, t.SecureRAM.Base, page, t.newCookie())
		}),
		refused("its-own-message", "The page with the message cannot become protected under it.", 0, func(t *T) *optee.Arg { return lendArg(useCase, t.arg, page, t.newCookie()) }),
		refused("registered-page", "A registered page cannot become protected under its user.", 0, func(t *T) *optee.Arg {
			t.shareBuffer(t.side, 1)
			return lendArg(useCase, t.side-page, 2*page, t.newCookie())
		}),
		refused("cookie-in-use", "A cookie names one pool.", 0, func(t *T) *optee.Arg {
			p := t.protect(t.side, 16*page, useCase)
			return lendArg(useCase, t.pool, 16*page, p.cookie)
		}),
		refused("overlap", "Memory is in one pool.", 0, func(t *T) *optee.Arg {
			t.protect(t.side, 16*page, useCase)
			return lendArg(useCase, t.side+15*page, 16*page, t.newCookie())
		}),
		refused("attributes", "The pool is an input reference by address.", 0, func(t *T) *optee.Arg {
			a := lendArg(useCase, t.pool, 16*page, t.newCookie())
			a.Params[1].Attr = optee.AttrTMemInOut
			return a
		}),
		refused("non-contiguous", "A page list is no pool.", 0, func(t *T) *optee.Arg {
			t.write(t.list, optee.AppendPageList(nil, t.list, consecutive(t.pool, 16)))
			a := lendArg(useCase, t.list, 16*page, t.newCookie())
			a.Params[1].Attr = optee.AttrTMemInput | optee.AttrNonContig
			return a
		}),
		refused("parameters", "The message has two parameters.", 0, func(t *T) *optee.Arg {
			a := lendArg(useCase, t.pool, 16*page, t.newCookie())
			a.Params = a.Params[:1]
			return a
		}),
		{Name: "smc-lend-page-shared-over-ffa", Rule: lend, Needs: NeedFFA,
			Why: "A page that is shared over FF-A cannot become protected under its user.",
			Run: func(t *T) {
				t.startFFA()
				h := t.share(t.pool, 1)
				t.abi = overSMC
				t.message("LEND_PROTMEM of a shared page", bad, lendArg(useCase, t.pool, page, t.newCookie()))
				t.reclaim(h)
			}},
		{Name: "smc-lend-pool-of-ffa", Rule: lend, Needs: NeedFFA,
			Why: "Memory that was lent over FF-A is not the normal world's to lend again.",
			Run: func(t *T) {
				t.startFFA()
				h := t.lend(t.pool, poolPages)
				t.abi = overSMC
				t.message("LEND_PROTMEM of memory that was lent", bad, lendArg(useCase, t.pool, poolSize, t.newCookie()))
				t.reclaim(h)
			}},
		{Name: "smc-lend-rx-buffer", Rule: lend, Needs: NeedFFA,
			Why: "RX belongs to the SPMC as well while it is mapped.",
			Run: func(t *T) {
				t.startFFA()
				t.abi = overSMC
				t.message("LEND_PROTMEM of RX", bad, lendArg(useCase, t.rx, page, t.newCookie()))
				t.abi = overFFA
				t.infoSizeIs("records in RX", 24)
			}},
		{Name: "smc-reclaim-unknown", Rule: reclaim, Why: "No pool has this cookie.", Run: dynamic(func(t *T) {
			for _, c := range []uint64{0, 1, ^uint64(0)} {
				t.messageOneOf("RECLAIM_PROTMEM of nothing", []optee.Result{bad, optee.ErrorItemNotFound}, reclaimArg(c))
			}
		})},
		{Name: "smc-reclaim-twice", Rule: reclaim, Why: "The pool is gone.", Run: dynamic(func(t *T) {
			p := t.protect(t.pool, poolSize, useCase)
			t.unprotect(p)
			t.messageOneOf("RECLAIM_PROTMEM again", []optee.Result{bad, optee.ErrorItemNotFound}, reclaimArg(p.cookie))
		})},
		{Name: "smc-reclaim-attributes", Rule: reclaim,
			Why: "The parameter is an input reference; the pool stays protected.",
			Run: dynamic(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				for _, attr := range []optee.Attr{optee.AttrRMemOutput, optee.AttrRMemInOut, optee.AttrTMemInput, optee.AttrValueInput} {
					a := reclaimArg(p.cookie)
					a.Params[0].Attr = attr
					t.message(fmt.Sprintf("RECLAIM_PROTMEM with attribute %v", attr), bad, a)
				}
				t.unprotect(p)
			})},
		{Name: "smc-reclaim-buffer", Rule: reclaim,
			Why: "A registered buffer is no pool, and stays registered.",
			Run: dynamic(func(t *T) {
				b := t.shareBuffer(t.buf, 1)
				t.messageOneOf("RECLAIM_PROTMEM of a buffer", []optee.Result{bad, optee.ErrorItemNotFound}, reclaimArg(b.cookie))
				t.unshare(b)
			})},
		{Name: "smc-reclaim-over-ffa", Rule: memRule("FFA_MEM_RECLAIM"), Needs: NeedFFA,
			Why: "A cookie is no handle.",
			Run: func(t *T) {
				t.startFFA()
				t.abi = overSMC
				p := t.protect(t.pool, poolSize, useCase)
				t.reclaimWith("FFA_MEM_RECLAIM of a cookie", failure(ffa.InvalidParameters), ffa.Handle(p.cookie))
				t.unprotect(p)
			}},
		{Name: "smc-assign", Rule: msgRule("OPTEE_MSG_CMD_ASSIGN_PROTMEM"),
			Why: "Over this ABI nothing is assigned: the message is refused.",
			Run: dynamic(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				a := assignArg(ffa.Handle(p.cookie), useCase)
				t.badArgument("ASSIGN_PROTMEM over the SMC ABI", 0, a.AppendTo(nil))
				t.unprotect(p)
			})},
		{Name: "smc-memref-in-pool", Rule: msgRule("struct optee_msg_param_rmem"),
			Why: "A reference into a pool lies within it.",
			Run: dynamic(func(t *T) {
				s := t.open()
				p := t.protect(t.pool, 4*page, useCase)
				for _, x := range [][2]uint64{{4 * page, 16}, {4*page - 8, 16}, {0, 4*page + 1}, {1 << 40, 16}} {
					t.messageOneOf("a reference that leaves the pool", []optee.Result{optee.ErrorSecurity, bad},
						invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, shared{cookie: p.cookie}, x[0], x[1])))
				}
				t.unprotect(p)
			})},
		{Name: "smc-memref-after-reclaim", Rule: msgRule("struct optee_msg_param_rmem"),
			Why: "OP-TEE does not touch a pool that went back to its owner.",
			Run: dynamic(func(t *T) {
				s := t.open()
				p := t.protect(t.pool, 4*page, useCase)
				t.unprotect(p)
				t.message("a reference into a pool that was reclaimed", bad, invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, shared{cookie: p.cookie}, 0, 16)))
				t.zero("a pool that was reclaimed", t.pool, 4*page)
			})},
	}
}

func staticCases() []Case {
	return []Case{
		{Name: "static-capability", Rule: opteeSMCRule("OPTEE_SMC_SEC_CAP_PROTMEM"), Needs: NeedSMC, Variant: StaticPool,
			Why: "The static pool is announced, and no dynamic ones with it.", Run: smcCase(func(t *T) {
				c := t.capabilities()
				t.require(c&optee.CapProtmem != 0 && c&optee.CapDynamicProtmem == 0, "EXCHANGE_CAPABILITIES", "bit 8, not bit 9")
			})},
		{Name: "static-config", Rule: linuxRule("drivers/tee/optee/smc_abi.c", "static_protmem_pool_init"), Needs: NeedSMC, Variant: StaticPool,
			Why: "Address and size of the carve-out in whole pages, and an address width that is not 0.", Run: smcCase(func(t *T) {
				t.expect("GET_PROTMEM_CONFIG", returns("the carve-out", 0, t.Carveout.Base, t.Carveout.Size), uint64(optee.GetProtmemConfig))
				out := t.call(uint64(optee.GetProtmemConfig))
				t.require(out[3] >= 32 && out[3] <= 64, "GET_PROTMEM_CONFIG", "a width from 32 to 64")
			})},
		{Name: "static-no-dynamic-pools", Rule: msgRule("OPTEE_MSG_CMD_LEND_PROTMEM"), Needs: NeedSMC, Variant: StaticPool,
			Why: "What is not announced is refused: the memory stays the normal world's.", Run: smcCase(func(t *T) {
				t.fill(t.pool, poolSize)
				t.badArgument("LEND_PROTMEM with a static pool", 0, lendArg(useCase, t.pool, poolSize, t.newCookie()).AppendTo(nil))
				t.filled("memory that was not lent", t.pool, poolSize)
			})},
		{Name: "static-memref", Rule: msgRule("struct optee_msg_param_tmem"), Needs: NeedSMC, Variant: StaticPool,
			Why: "A reference by address into the pool is accepted within it only.", Run: smcCase(func(t *T) {
				s := t.open()
				ref := func(pa, size uint64) *optee.Arg {
					return invokeArg(s, optee.DeviceCmdGetDevices, optee.TMemParam(optee.AttrTMemOutput, optee.TMem{BufPtr: pa, Size: size}))
				}
				c := t.Carveout
				t.messageOneOf("a reference into the pool", []optee.Result{optee.Success, optee.ErrorShortBuffer}, ref(c.Base+page, 64))
				for _, x := range []Range{{c.Base - 8, 16}, {c.End() - 8, 16}, {c.End(), 16}, {c.Base, c.Size + 1}, {c.Base, ^uint64(0)}} {
					t.messageOneOf("a reference that leaves the pool", []optee.Result{optee.ErrorBadParameters, optee.ErrorSecurity}, ref(x.Base, x.Size))
				}
			})},
		{Name: "static-beside-ffa-pools", Rule: memRule("FFA_MEM_LEND"), Needs: NeedFFA, Variant: StaticPool,
			Why: "Pools that are lent over FF-A come and go beside the static one.", Run: withOPTEE(func(t *T) {
				t.unprotect(t.protect(t.pool, poolSize, useCase))
			})},
	}
}
