package conform

import (
	"fmt"

	"gatehouse/ffa"
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// scrubRule is the board's own: FF-A leaves the clearing of memory that comes back to flags that Linux never sets.
var scrubRule = Rule{"Gatehouse", "memory that is handed back is scrubbed"}

// secret is what a master of the secure path writes into a pool.
var secret = []byte("decrypted picture, not for the normal world")

// plant writes the secret into a pool as one of its masters, and skips the case where none may write.
func (t *T) plant(addr uint64) {
	w, ok := t.Pools[poolUse].writer()
	if !ok {
		t.skip("no master may write to a pool")
	}
	if resp := t.target.Port(w).Write(addr, secret); resp != 0 {
		t.failf("a master of the secure path writes to its pool", "NSAID %d: %v at %#x", w, resp, addr)
	}
	t.note("NSAID %d writes %d bytes to the pool at %#x", w, len(secret), addr)
}

// inPool gives a pool's byte as a master of the secure path sees it.
func (t *T) inPool(addr uint64) byte {
	r, ok := t.Pools[poolUse].reader()
	if !ok {
		t.skip("no master may read a pool")
	}
	return t.readAs(r, addr)
}

// ready fills memory with the pattern, and the pages beside it.
func (t *T) ready(r Range) { t.fill(around(r).Base, around(r).Size) }

func isolationCases() []Case {
	var cases []Case
	for _, f := range []func() []Case{poolIsolationCases, refusalIsolationCases, frameCases, processorCases, dmaCases} {
		cases = append(cases, f()...)
	}
	return cases
}

func poolIsolationCases() []Case {
	regionRule := tzcRule("REGION_ID_ACCESS")
	var cases []Case
	for _, a := range []abi{overFFA, overSMC} {
		for _, use := range []optee.UseCase{optee.UseCaseSecureVideoPlay, optee.UseCaseTrustedUI, optee.UseCaseSecureVideoRecord} {
			cases = append(cases, Case{Name: fmt.Sprintf("%v-%v", a, use), Rule: regionRule, Needs: a.need() | NeedFirewall,
				Why: "While memory is lent for a use case, each of 16 masters can do what the use case needs and nothing else; the pages beside it stay open; then all comes back, empty.",
				Run: over(a, func(t *T) {
					access, ok := t.Pools[use]
					if !ok {
						t.skip("the target has no use case %v", use)
					}
					r := Range{t.pool, poolSize}
					t.ready(r)
					t.normal("before the lend", r)
					p := t.protect(r.Base, r.Size, uint64(use))
					t.isolated("lent", r, access)
					t.unprotect(p)
					t.returned("after the reclaim", r)
				})})
		}
		for _, s := range []struct {
			name string
			r    func(t *T) Range
		}{
			{"one-page", func(t *T) Range { return Range{t.pool, page} }},
			{"odd-pages", func(t *T) Range { return Range{t.pool + 3*page, 5 * page} }},
			{"four-megabytes", func(t *T) Range { return Range{t.pool, 4 << 20} }},
			{"last-pages", func(t *T) Range { return Range{t.RAM.End() - 4*page, 4 * page} }},
		} {
			cases = append(cases, Case{Name: fmt.Sprintf("%v-%s", a, s.name), Rule: tzcRule("REGION_BASE and REGION_TOP"), Needs: a.need() | NeedFirewall,
				Why: "Protection begins and ends at the page.", Run: over(a, func(t *T) {
					r := s.r(t)
					t.fill(r.Base-page, min(r.Size+2*page, t.End-(r.Base-page)))
					p := t.protect(r.Base, r.Size, useCase)
					t.isolated("lent", r, t.Pools[poolUse])
					t.unprotect(p)
					t.returned("after the reclaim", r)
				})})
		}
		cases = append(cases,
			Case{Name: fmt.Sprintf("%v-neighbour-pools", a), Rule: tzcRule("Region overlap"), Needs: a.need() | NeedFirewall,
				Why: "Of three pools side by side the one in the middle comes back alone, at no moment with the others open.", Run: over(a, func(t *T) {
					all := Range{t.pool, 12 * page}
					t.ready(all)
					var p [3]protected
					for i := range p {
						p[i] = t.protect(t.pool+uint64(i)*4*page, 4*page, useCase)
					}
					t.isolated("three pools", all, t.Pools[poolUse])
					t.unprotect(p[1])
					t.returned("the one in the middle", p[1].Range)
					t.isolated("the first", p[0].Range, t.Pools[poolUse])
					t.isolated("the third", p[2].Range, t.Pools[poolUse])
					t.unprotect(p[0])
					t.returned("the first", p[0].Range)
					t.isolated("the third", p[2].Range, t.Pools[poolUse])
					t.unprotect(p[2])
					t.returned("the third", p[2].Range)
					t.normal("all of them", all)
				})},
			Case{Name: fmt.Sprintf("%v-two-use-cases", a), Rule: regionRule, Needs: a.need() | NeedFirewall,
				Why: "Two pools side by side for two use cases admit different masters.", Run: over(a, func(t *T) {
					first, second := optee.UseCaseSecureVideoPlay, optee.UseCaseTrustedUI
					if _, ok := t.Pools[second]; !ok {
						t.skip("the target has one use case")
					}
					t.ready(Range{t.pool, 8 * page})
					p := t.protect(t.pool, 4*page, uint64(first))
					q := t.protect(t.pool+4*page, 4*page, uint64(second))
					t.access("the first", p.Range, t.Pools[first])
					t.access("the second", q.Range, t.Pools[second])
					t.unprotect(p)
					t.returned("the first", p.Range)
					t.access("the second", q.Range, t.Pools[second])
					t.unprotect(q)
					t.returned("the second", q.Range)
				})},
			Case{Name: fmt.Sprintf("%v-scrub", a), Rule: scrubRule, Needs: a.need() | NeedFirewall,
				Why: "Whatever masters of the secure path wrote, the normal world reads zeros after the reclaim, in each byte.", Run: over(a, func(t *T) {
					r := Range{t.pool, poolSize}
					t.ready(r)
					p := t.protect(r.Base, r.Size, useCase)
					for at := r.Base; at < r.End(); at += page {
						t.plant(at + page/2)
					}
					t.plant(r.End() - uint64(len(secret)))
					t.unprotect(p)
					t.zero("after the reclaim", r.Base, r.Size)
					t.filled("the page before", r.Base-page, page)
					t.filled("the page behind", r.End(), page)
				})},
			Case{Name: fmt.Sprintf("%v-reuse", a), Rule: regionRule, Needs: a.need() | NeedFirewall,
				Why: "A pool that was lent, returned and lent again is protected again.",
				Run: over(a, func(t *T) {
					r := Range{t.pool, 8 * page}
					for range 3 {
						t.ready(r)
						p := t.protect(r.Base, r.Size, useCase)
						t.isolated("lent", r, t.Pools[poolUse])
						t.unprotect(p)
						t.returned("after the reclaim", r)
					}
				})},
			Case{Name: fmt.Sprintf("%v-shared-stays-open", a), Rule: memRule("FFA_MEM_SHARE"), Needs: a.need() | NeedFirewall,
				Why: "Memory that is shared stays open to its owner's masters.", Run: over(a, func(t *T) {
					r := Range{t.buf, 4 * page}
					t.ready(r)
					b := t.shareBuffer(r.Base, 4)
					t.normal("shared", around(r))
					t.unshare(b)
					t.normal("not shared any more", around(r))
					t.filled("not shared any more", r.Base, r.Size)
				})},
			Case{Name: fmt.Sprintf("%v-system-reset", a), Rule: psciRule("SYSTEM_RESET"), Needs: a.need() | NeedFirewall | NeedRun,
				Why: "A reset opens what was lent, and leaves no secret there.", Run: over(a, func(t *T) {
					r := Range{t.pool, poolSize}
					t.ready(r)
					t.protect(r.Base, r.Size, useCase)
					t.plant(r.Base + page)
					t.systemReset()
					t.returned("after the reset", r)
				})},
		)
	}
	return append(cases,
		Case{Name: "ffa-lend-protects", Rule: memRule("FFA_MEM_LEND"), Needs: NeedFFA | NeedFirewall,
			Why: "Protection begins with the end of FFA_MEM_LEND, before anything is assigned.",
			Run: withOPTEE(func(t *T) {
				r := Range{t.pool, poolSize}
				t.ready(r)
				h := t.lend(r.Base, poolPages)
				t.isolated("lent, not assigned", r, t.Pools[poolUse])
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})},
		Case{Name: "ffa-release-keeps-protection", Rule: opteeFFARule("OPTEE_FFA_RELEASE_PROTMEM"), Needs: NeedFFA | NeedFirewall,
			Why: "RELEASE_PROTMEM does not open the pool, FFA_MEM_RECLAIM does.", Run: withOPTEE(func(t *T) {
				r := Range{t.pool, poolSize}
				t.ready(r)
				p := t.protect(r.Base, r.Size, useCase)
				t.release(p.handle)
				t.isolated("released", r, t.Pools[poolUse])
				t.reclaim(p.handle)
				t.returned("reclaimed", r)
			})},
		Case{Name: "ffa-denied-reclaim-keeps-protection", Rule: memRule("FFA_MEM_RECLAIM"), Needs: NeedFFA | NeedFirewall,
			Why: "A reclaim that is DENIED opens nothing and clears nothing: the borrower still uses the memory.", Run: withOPTEE(func(t *T) {
				r := Range{t.pool, poolSize}
				t.ready(r)
				p := t.protect(r.Base, r.Size, useCase)
				t.reclaimWith("reclaim before the release", failure(ffa.Denied), p.handle)
				t.isolated("after the refusal", r, t.Pools[poolUse])
				for _, a := range edges(r) {
					if got := t.inPool(a); got != patternByte(a) {
						t.failf("contents stay", "the pool holds %#x at %#x, want %#x", got, a, patternByte(a))
					}
				}
				t.unprotect(p)
				t.returned("after the release", r)
			})},
		Case{Name: "ffa-unregister-keeps-protection", Rule: opteeFFARule("OPTEE_FFA_UNREGISTER_SHM"), Needs: NeedFFA | NeedFirewall,
			Why: "UNREGISTER_SHM is for shared memory: it does not give up a pool.", Run: withOPTEE(func(t *T) {
				r := Range{t.pool, poolSize}
				t.ready(r)
				p := t.protect(r.Base, r.Size, useCase)
				t.request("UNREGISTER_SHM of a pool", t.response("", []uint64{}...), uint64(optee.FFAUnregisterSHM), uint64(uint32(p.handle)), uint64(p.handle)>>32)
				t.isolated("after UNREGISTER_SHM", r, t.Pools[poolUse])
			})},
		Case{Name: "ffa-retrieved-rx-cannot-be-aimed", Rule: ffaRule("FFA_RXTX_MAP"), Needs: NeedFFA | NeedFirewall,
			Why: "While RX is mapped it cannot be lent away: the SPMC would write records into a pool.", Run: withOPTEE(func(t *T) {
				t.send("FFA_MEM_LEND of RX", failure(ffa.Denied, ffa.InvalidParameters), ffa.Lend, t.transaction(ffa.Lend, region(t.rx, 1)))
				t.infoSizeIs("records in RX", 24)
			})},
		Case{Name: "carve-out", Rule: regionRule, Needs: NeedFirewall, Variant: StaticPool,
			Why: "The carve-out is protected from reset on, and nothing beside it.",
			Run: func(t *T) {
				// Nobody but the pool's own masters can fill it.
				w, ok := t.Pools[poolUse].writer()
				if !ok {
					t.skip("no master may write to a pool")
				}
				c := t.Carveout
				for _, a := range edges(c) {
					t.target.Port(w).Write(a, []byte{0x5A})
				}
				t.fill(c.Base-page, page)
				if c.End() < t.End {
					t.fill(c.End(), page)
				}
				t.isolated("the carve-out", c, t.Pools[poolUse])
			}},
		Case{Name: "carve-out-stays", Rule: regionRule, Needs: NeedFFA | NeedFirewall, Variant: StaticPool,
			Why: "Pools that come and go beside it do not open the carve-out.",
			Run: withOPTEE(func(t *T) {
				w, ok := t.Pools[poolUse].writer()
				if !ok {
					t.skip("no master may write to a pool")
				}
				c := t.Carveout
				for _, a := range edges(c) {
					t.target.Port(w).Write(a, []byte{0x5A})
				}
				t.fill(t.pool-page, poolSize+2*page)
				t.fill(c.Base-page, page)
				if c.End() < t.End {
					t.fill(c.End(), page)
				}
				p := t.protect(t.pool, poolSize, useCase)
				t.isolated("the carve-out beside a pool", c, t.Pools[poolUse])
				t.isolated("the pool", p.Range, t.Pools[poolUse])
				t.unprotect(p)
				t.isolated("the carve-out after the pool", c, t.Pools[poolUse])
			})},
		Case{Name: "carve-out-neighbour-pool", Rule: tzcRule("Region overlap"), Needs: NeedFFA | NeedFirewall, Variant: StaticPool,
			Why: "A pool that touches the carve-out comes back alone.", Run: withOPTEE(func(t *T) {
				w, ok := t.Pools[poolUse].writer()
				if !ok {
					t.skip("no master may write to a pool")
				}
				c := t.Carveout
				for _, a := range edges(c) {
					t.target.Port(w).Write(a, []byte{0x5A})
				}
				t.fill(c.Base-9*page, 9*page)
				p := t.protect(c.Base-8*page, 8*page, useCase)
				t.access("the pool", p.Range, t.Pools[poolUse])
				t.access("the carve-out", c, t.Pools[poolUse])
				t.unprotect(p)
				t.returned("the pool", p.Range)
				t.access("the carve-out afterwards", c, t.Pools[poolUse])
			})},
		Case{Name: "secure-ram", Rule: tzcRule("Security state of transactions"), Needs: NeedSecureRAM,
			Why: "No non-secure master reaches memory that never was the normal world's.",
			Run: func(t *T) {
				for _, a := range edges(t.SecureRAM) {
					t.reachable("secure RAM", a, Access{})
				}
			}},
	)
}

// refusalIsolationCases are calls that are refused while memory is lent: protection stays as it is.
func refusalIsolationCases() []Case {
	var cases []Case
	for _, x := range []struct {
		name, why string
		rule      Rule
		needs     Need
		call      func(t *T, p protected)
	}{
		{"lend-again", "Lending it again", memRule("FFA_MEM_LEND"), NeedFFA, func(t *T, p protected) {
			t.send("FFA_MEM_LEND of lent memory", failure(ffa.Denied, ffa.InvalidParameters), ffa.Lend, t.transaction(ffa.Lend, region(p.Base, poolPages)))
		}},
		{"share", "Sharing a part of it", memRule("FFA_MEM_SHARE"), NeedFFA, func(t *T, p protected) {
			t.send("FFA_MEM_SHARE of lent memory", failure(ffa.Denied, ffa.InvalidParameters), ffa.Share, t.transaction(ffa.Share, region(p.Base+page, 1)))
		}},
		{"lend-around", "Lending more around it", memRule("FFA_MEM_LEND"), NeedFFA, func(t *T, p protected) {
			t.send("FFA_MEM_LEND around lent memory", failure(ffa.Denied, ffa.InvalidParameters), ffa.Lend, t.transaction(ffa.Lend, region(p.Base-page, poolPages+2)))
		}},
		{"wrong-handle", "Reclaiming with other handles", memRule("FFA_MEM_RECLAIM"), NeedFFA, func(t *T, p protected) {
			t.reclaimWith("reclaim of another handle", failure(ffa.InvalidParameters), p.handle+1)
			t.reclaimWith("reclaim of another handle", failure(ffa.InvalidParameters), p.handle^1<<40)
		}},
		{"reclaim-with-flags", "Reclaiming with flags", memRule("FFA_MEM_RECLAIM"), NeedFFA, func(t *T, p protected) {
			t.expect("reclaim with flags", failure(ffa.InvalidParameters, ffa.Denied), append(reclaimCall(p.handle), 1)...)
		}},
		{"rxtx-map", "Mapping it as RX", ffaRule("FFA_RXTX_MAP"), NeedFFA, func(t *T, p protected) {
			t.expect("FFA_RXTX_UNMAP", success(), uint64(ffa.RXTXUnmap32))
			t.expect("FFA_RXTX_MAP of lent memory", failure(ffa.Denied, ffa.InvalidParameters), uint64(ffa.RXTXMap64), t.tx, p.Base, 1)
		}},
		{"register", "Registering it over the other ABI", msgRule("OPTEE_MSG_CMD_REGISTER_SHM"), NeedFFA | NeedSMC, func(t *T, p protected) {
			t.abi = overSMC
			t.register("REGISTER_SHM of lent memory", optee.ErrorBadParameters, t.newCookie(), 0, page, p.Base)
			t.abi = overFFA
		}},
		{"message-in-it", "Placing a message there", opteeSMCRule("OPTEE_SMC_CALL_WITH_ARG"), NeedFFA | NeedSMC, func(t *T, p protected) {
			t.refusedAddress("a message in lent memory", p.Base)
		}},
		{"page-list-in-it", "Placing a page list there", msgRule("OPTEE_MSG_ATTR_NONCONTIG"), NeedFFA | NeedSMC, func(t *T, p protected) {
			t.abi = overSMC
			a := t.registerArg(t.newCookie(), 0, page)
			m := a.Params[0].TMem()
			m.BufPtr = p.Base
			a.Params[0].SetTMem(m)
			t.message("REGISTER_SHM with a list in lent memory", optee.ErrorBadParameters, a)
			t.abi = overFFA
		}},
		{"entry-point", "Starting a processor there", psciRule("CPU_ON"), NeedFFA | NeedCPUs, func(t *T, p protected) {
			t.cpuOn("CPU_ON in lent memory", result(smc.PSCIInvalidAddress), t.MPIDR[1], p.Base, 0)
		}},
		{"no-regions", "Running out of regions", ffaRule("FFA_ERROR, NO_MEMORY"), NeedFFA, func(t *T, _ protected) {
			for i := range uint64(32) {
				out := t.send("FFA_MEM_LEND", handleReply().or(failure(ffa.NoMemory)), ffa.Lend, t.transaction(ffa.Lend, region(t.buf+4*i*page, 1)))
				if ffa.FunctionOf(&out) == ffa.Error32 {
					return
				}
			}
		}},
	} {
		cases = append(cases, Case{Name: "refused-" + x.name, Rule: x.rule, Needs: x.needs | NeedFirewall,
			Why: x.why + " is refused; the pool stays protected, its contents stay, and it comes back as it should.", Run: withOPTEE(func(t *T) {
				r := Range{t.pool, poolSize}
				t.ready(r)
				h := t.lend(r.Base, poolPages)
				x.call(t, protected{Range: r, handle: h})
				t.isolated("after the refusal", r, t.Pools[poolUse])
				for _, a := range edges(r) {
					if got := t.inPool(a); got != patternByte(a) {
						t.failf("contents stay", "the pool holds %#x at %#x, want %#x", got, a, patternByte(a))
					}
				}
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})})
	}
	return cases
}

// frameCases are about the controller's own registers.
func frameCases() []Case {
	var cases []Case
	for _, x := range []struct {
		name string
		off  uint64
		v    uint32
	}{
		{"action", 0x004, 0}, {"gate-keeper", 0x008, 0}, {"region-0-access", 0x114, 0xFFFF_FFFF}, {"region-1-attributes", 0x130, 0},
		{"region-1-access", 0x134, 0xFFFF_FFFF}, {"region-1-top", 0x128, 0},
	} {
		cases = append(cases, Case{Name: "frame-" + x.name, Rule: tzcRule("Register summary, secure access"), Needs: NeedFFA | NeedFrame,
			Why: "Non-secure masters neither read nor write the controller's registers: a pool stays protected whatever they try.", Run: withOPTEE(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				h := t.lend(r.Base, 4)
				for n := range uint8(numNSAIDs) {
					var b [4]byte
					port := t.target.Port(n)
					if resp := port.Read(t.Frame+x.off, b[:]); resp == 0 && b != [4]byte{} {
						t.failf("registers cannot be read", "NSAID %d reads % x at offset %#x", n, b, x.off)
					}
					port.Write(t.Frame+x.off, []byte{byte(x.v), byte(x.v >> 8), byte(x.v >> 16), byte(x.v >> 24)})
				}
				t.isolated("after the writes", r, t.Pools[poolUse])
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})})
	}
	return append(cases, Case{Name: "frame-identification", Rule: tzcRule("Register summary, secure access"), Needs: NeedFrame,
		Why: "Not even the identification registers can be read from the normal world.", Run: func(t *T) {
			for n := range uint8(numNSAIDs) {
				for _, off := range []uint64{0, 0x10, 0x20, 0xFE0, 0xFF0} {
					var b [4]byte
					if resp := t.target.Port(n).Read(t.Frame+off, b[:]); resp == 0 && b != [4]byte{} {
						t.failf("registers cannot be read", "NSAID %d reads % x at offset %#x", n, b, off)
					}
				}
			}
		}})
}

// dmaShort is the size of a transfer, in bytes, where a case does not care.
const dmaShort = 256

// dmaCases use a DMA controller that is no master of a pool.
func dmaCases() []Case {
	rule := tzcRule("REGION_ID_ACCESS")
	needs := NeedFFA | NeedFirewall | NeedDMA
	// half of a transfer of 8 KiB has moved after this many ns (devices: 2 × 5 ns for each of 2048 words).
	const size, half = 8192, 10_000
	outside := func(f func(t *T)) func(*T) {
		return withOPTEE(func(t *T) {
			t.dmaOutside()
			f(t)
		})
	}
	// leaked looks for the secret in memory of the normal world.
	leaked := func(t *T, r Range) {
		b := t.read(r.Base, int(r.Size))
		for i := range b {
			if i+8 <= len(b) && string(b[i:i+8]) == string(secret[:8]) {
				t.failf("no secret in memory of the normal world", "the secret stands at %#x", r.Base+uint64(i))
			}
		}
	}
	return []Case{
		{Name: "dma-works", Rule: Rule{"DDI 0196", "Memory-to-memory transfer"}, Needs: NeedDMA,
			Why: "The probe of the other cases: a transfer within the normal world's memory arrives.",
			Run: func(t *T) {
				t.fill(t.buf, page)
				if !t.transfers(t.buf, t.buf+4*page, page) {
					t.failf("a transfer", "the PL080 reports an error")
				}
				t.contains("the destination", t.buf+4*page, t.read(t.buf, page))
			}},
		{Name: "dma-into-pool", Rule: rule, Needs: needs,
			Why: "A master outside the use case cannot write to a pool.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				h := t.lend(r.Base, 4)
				if t.transfers(t.buf, r.Base, dmaShort) && !t.Silent {
					t.failf("a bus error", "a transfer into the pool ends without error")
				}
				for _, a := range edges(r) {
					if got := t.inPool(a); got != patternByte(a) {
						t.failf("contents stay", "the pool holds %#x at %#x, want %#x", got, a, patternByte(a))
					}
				}
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})},
		{Name: "dma-out-of-pool", Rule: rule, Needs: needs,
			Why: "A master outside the use case cannot copy from a pool.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				h := t.lend(r.Base, 4)
				t.plant(r.Base)
				if t.transfers(r.Base, t.buf, dmaShort) && !t.Silent {
					t.failf("a bus error", "a transfer out of the pool ends without error")
				}
				leaked(t, Range{t.buf, page})
				t.reclaim(h)
			})},
		{Name: "dma-across-boundary", Rule: rule, Needs: needs,
			Why: "A transfer that runs from open memory into a pool ends at the boundary.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				t.fill(t.buf, 2*page)
				h := t.lend(r.Base, 4)
				t.transfers(t.buf, r.Base-page, 2*page)
				for _, a := range edges(r) {
					if got := t.inPool(a); got != patternByte(a) {
						t.failf("contents stay", "the pool holds %#x at %#x, want %#x", got, a, patternByte(a))
					}
				}
				t.contains("open memory before the pool", r.Base-page, t.read(t.buf, page))
				t.reclaim(h)
			})},
		{Name: "dma-in-flight-at-lend", Rule: rule, Needs: needs,
			Why: "A transfer into memory that is lent meanwhile loses the rest.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				t.write(t.buf, make([]byte, size))
				t.dmaStart(t.side, copyItem{t.buf, r.Base, size})
				t.target.Advance(half)
				if !t.dmaBusy() {
					t.skip("the transfer was over before the lend")
				}
				h := t.lend(r.Base, 4)
				var at [4 * page]byte
				for i := range at {
					if i%64 == 0 {
						at[i] = t.inPool(r.Base + uint64(i))
					}
				}
				if t.dmaFinish() && !t.Silent {
					t.failf("a bus error", "the transfer ends without error although its memory was lent")
				}
				for i := range at {
					if i%64 == 0 && t.inPool(r.Base+uint64(i)) != at[i] {
						t.failf("nothing arrives after the lend", "the byte at %#x changed after the lend", r.Base+uint64(i))
					}
				}
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})},
		{Name: "dma-in-flight-reads-nothing", Rule: rule, Needs: needs,
			Why: "A transfer out of memory that is lent meanwhile does not see what is written there afterwards.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				t.dmaStart(t.side, copyItem{r.Base, t.buf, size})
				t.target.Advance(half)
				if !t.dmaBusy() {
					t.skip("the transfer was over before the lend")
				}
				h := t.lend(r.Base, 4)
				t.plant(r.Base)
				t.plant(r.Base + page + page/2)
				t.plant(r.Base + 2*page - uint64(len(secret)))
				t.dmaFinish()
				leaked(t, Range{t.buf, size})
				t.reclaim(h)
			})},
		{Name: "dma-in-flight-at-reclaim", Rule: scrubRule, Needs: needs,
			Why: "A transfer that is on its way while its memory comes back sees the memory scrubbed, never the secret.", Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				h := t.lend(r.Base, 4)
				t.plant(r.Base)
				t.plant(r.Base + 2*page)
				// The first item keeps the controller busy in open memory; the second reads what was lent.
				t.dmaStart(t.side, copyItem{t.buf + 64*page, t.buf + 80*page, size}, copyItem{r.Base, t.buf, size})
				t.target.Advance(half)
				t.reclaim(h)
				busy := t.dmaBusy()
				ok := t.dmaFinish()
				leaked(t, Range{t.buf, size})
				if busy && !ok {
					t.failf("a transfer after the reclaim", "the memory came back, but the PL080 cannot read it")
				}
				t.zero("after the reclaim", r.Base, r.Size)
			})},
		{Name: "dma-after-reclaim", Rule: rule, Needs: needs,
			Why: "After the reclaim the memory is the DMA controller's as before.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				t.reclaim(t.lend(r.Base, 4))
				t.fill(t.buf, page)
				if !t.transfers(t.buf, r.Base, page) {
					t.failf("a transfer", "the PL080 cannot write to memory that came back")
				}
				t.contains("memory that came back", r.Base, t.read(t.buf, page))
			})},
		{Name: "dma-registers-of-frame", Rule: tzcRule("Register summary, secure access"), Needs: needs | NeedFrame,
			Why: "A DMA controller cannot program the firewall.",
			Run: outside(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.ready(r)
				h := t.lend(r.Base, 4)
				ones := make([]byte, 64)
				for i := range ones {
					ones[i] = 0xFF
				}
				t.write(t.buf, ones)
				t.transfers(t.buf, t.Frame+0x110, 16)
				t.transfers(t.buf, t.Frame+0x130, 16)
				t.isolated("after the transfers", r, t.Pools[poolUse])
				t.reclaim(h)
			})},
		{Name: "dma-secure-ram", Rule: tzcRule("Security state of transactions"), Needs: NeedDMA | NeedSecureRAM,
			Why: "A DMA controller of the normal world does not reach secure RAM.",
			Run: func(t *T) {
				t.fill(t.buf, page)
				if t.transfers(t.SecureRAM.Base, t.buf, dmaShort) {
					t.zero("what was read from secure RAM", t.buf, dmaShort)
				}
			}},
	}
}
