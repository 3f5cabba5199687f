package conform

import (
	"fmt"
	"slices"

	"gatehouse/ffa"
	"gatehouse/smc/optee"
)

// scattered gives n ranges of one page, every second page from addr on, in descending order: nothing can be merged.
func scattered(addr uint64, n int) (list []ffa.Constituent) {
	for i := range n {
		list = append(list, region(addr+2*page*uint64(n-1-i), 1))
	}
	return list
}

// fragRX is the reply that asks for the next fragment. The sender in w4 is the caller, 0.
func fragRX(h ffa.Handle, offset uint64) Want {
	p := ffaReply(uint64(ffa.MemFragRX32), uint64(uint32(h)), uint64(h)>>32, offset, 0)
	return Want{fmt.Sprintf("FFA_MEM_FRAG_RX handle=%v offset=%d", h, offset), []pattern{p}}
}

// begin sends the first n bytes of a descriptor, and gives the handle under which the rest is wanted.
func (t *T) begin(kind ffa.TransactionKind, b []byte, n int) ffa.Handle {
	t.write(t.tx, b[:n])
	p := ffaReply(uint64(ffa.MemFragRX32), 0, 0, uint64(n), 0)
	p.mask[1], p.mask[2] = upper, upper
	out := t.expect("the first fragment", Want{fmt.Sprintf("FFA_MEM_FRAG_RX offset=%d", n), []pattern{p}}, send64(kind), uint64(len(b)), uint64(n))
	h := ffa.Handle(out[1] | out[2]<<32)
	t.require(h != 0 && h != ffa.InvalidHandle, "the handle", "neither 0 nor all ones")
	return h
}

func fragTX(h ffa.Handle, n int) []uint64 {
	return []uint64{uint64(ffa.MemFragTX32), uint64(uint32(h)), uint64(h) >> 32, uint64(n)}
}

// fragment sends bytes as the next fragment.
func (t *T) fragment(what string, w Want, h ffa.Handle, b []byte) {
	t.write(t.tx, b)
	t.expect(what, w, fragTX(h, len(b))...)
}

// completes is the reply to the last fragment: FFA_SUCCESS_32 with the handle.
func completes(h ffa.Handle) Want { return success(uint32(h), uint32(h>>32)) }

// fragments sends a descriptor in pieces of at most size bytes.
func (t *T) fragments(kind ffa.TransactionKind, b []byte, size int) ffa.Handle {
	h := t.begin(kind, b, min(size, len(b)))
	for off := size; off < len(b); off += size {
		part := b[off:min(off+size, len(b))]
		want := completes(h)
		if off+len(part) < len(b) {
			want = fragRX(h, uint64(off+len(part)))
		}
		t.fragment(fmt.Sprintf("the fragment at %d", off), want, h, part)
	}
	return h
}

// bytes gives the descriptor of ranges to OP-TEE.
func (t *T) bytes(kind ffa.TransactionKind, ranges ...ffa.Constituent) []byte {
	return t.transaction(kind, ranges...).AppendTo(nil, t.version)
}

// taken says that a page belongs to a transaction: nothing else can be done with it.
func (t *T) taken(what string, addr uint64) {
	t.sendBytes(what+": another share", failure(ffa.Denied, ffa.InvalidParameters), send64(ffa.Share), t.bytes(ffa.Share, region(addr, 1)))
}

// free says that pages belong to no transaction: they can be shared and come back.
func (t *T) free(what string, addr uint64, pages uint32) {
	t.note("%s: the pages at %#x are free", what, addr)
	t.reclaim(t.share(addr, pages))
}

// gone says that a handle names nothing.
func (t *T) gone(what string, h ffa.Handle) {
	t.reclaimWith(what+": the handle is gone", failure(ffa.InvalidParameters), h)
}

func memoryCases() []Case {
	var cases []Case
	for _, f := range []func() []Case{shareCases, lendCases, fragmentCases, reclaimCases, retrieveCases, borrowerCases} {
		cases = append(cases, f()...)
	}
	return cases
}

func shareCases() []Case {
	share := memRule("FFA_MEM_SHARE")
	cases := []Case{
		{Name: "share", Rule: share,
			Why: "The reply is FFA_SUCCESS_32 also to the SMC64 form, with the handle in w2 (low) and w3: Linux knows nothing else.",
			Run: withOPTEE(func(t *T) { t.reclaim(t.share(t.buf, 1)) })},
		{Name: "share-smc32", Rule: share, Why: "The SMC32 form takes lower halves only.", Run: withOPTEE(func(t *T) {
			b := t.bytes(ffa.Share, region(t.buf, 1))
			t.write(t.tx, b)
			n := uint64(len(b))
			out := t.expect("FFA_MEM_SHARE, SMC32, with bits above", handleReply(), send32(ffa.Share), 0xDEAD<<48|n, 0xBEEF<<48|n, 0xF00D<<48, 0xF00D<<48, 1<<40, 1<<40, 1<<40)
			t.reclaim(t.handleOf(out))
		})},
		{Name: "share-keeps-contents", Rule: share,
			Why: "Shared memory stays the owner's to read and write, and comes back as it is.",
			Run: withOPTEE(func(t *T) {
				t.fill(t.buf, 2*page)
				h := t.share(t.buf, 2)
				t.filled("while it is shared", t.buf, 2*page)
				t.write(t.buf, []byte("written while it is shared"))
				t.reclaim(h)
				t.contains("after the reclaim", t.buf, []byte("written while it is shared"))
			})},
		{Name: "share-takes-pages", Rule: memRule("Memory region state machine, FFA_MEM_SHARE"),
			Why: "A page that is shared is not exclusive: it cannot be sent again.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 2)
				t.taken("the first page", t.buf)
				t.taken("the last page", t.buf+page)
				t.reclaim(h)
				t.free("after the reclaim", t.buf, 2)
			})},
		{Name: "share-ranges", Rule: share, Why: "Ranges need be neither adjacent nor in order.", Run: withOPTEE(func(t *T) {
			h := t.sent(ffa.Share, t.transaction(ffa.Share, region(t.buf+8*page, 2), region(t.buf, 1), region(t.buf+4*page, 3)))
			for _, i := range []uint64{0, 4, 6, 8, 9} {
				t.taken(fmt.Sprintf("page %d", i), t.buf+i*page)
			}
			for _, i := range []uint64{1, 3, 7, 10} {
				t.free(fmt.Sprintf("page %d between the ranges", i), t.buf+i*page, 1)
			}
			t.reclaim(h)
			t.free("after the reclaim", t.buf, 12)
		})},
		{Name: "share-adjacent-ranges", Rule: share, Why: "Ranges that touch do not overlap.", Run: withOPTEE(func(t *T) {
			t.reclaim(t.sent(ffa.Share, t.transaction(ffa.Share, region(t.buf, 1), region(t.buf+page, 2), region(t.buf+3*page, 1))))
			t.free("after the reclaim", t.buf, 4)
		})},
		{Name: "share-full-page-of-ranges", Rule: share,
			Why: "250 ranges are what fits the first page of Linux.",
			Run: withOPTEE(func(t *T) {
				d := t.transaction(ffa.Share, scattered(t.buf, 250)...)
				if n := d.Length(t.version); n != page {
					t.failf("a descriptor of one page", "%d bytes", n)
				}
				t.reclaim(t.sent(ffa.Share, d))
			})},
		{Name: "share-last-page", Rule: share, Why: "The last page of memory is memory.", Run: withOPTEE(func(t *T) {
			t.reclaim(t.share(t.End-page, 1))
		})},
		{Name: "share-64-times", Rule: memRule("Memory region handle"),
			Why: "OP-TEE keeps 64 transactions at least; their handles are distinct.",
			Run: withOPTEE(func(t *T) {
				var handles []ffa.Handle
				for i := range uint64(63) {
					h := t.share(t.buf+2*i*page, 1)
					if slices.Contains(handles, h) {
						t.failf("handles of live transactions are distinct", "handle %v was given twice", h)
					}
					handles = append(handles, h)
				}
				for i := range handles {
					t.reclaim(handles[(i*37)%len(handles)])
				}
				t.free("after the reclaims", t.buf, 126)
			})},
		{Name: "share-until-refused", Rule: ffaRule("FFA_ERROR, NO_MEMORY"),
			Why: "Transactions are bounded: then NO_MEMORY, nothing changes, and one that comes back makes room.",
			Run: withOPTEE(func(t *T) {
				var handles []ffa.Handle
				const most = 1500
				for i := range uint64(most) {
					out := t.send("FFA_MEM_SHARE", handleReply().or(failure(ffa.NoMemory)), ffa.Share, t.transaction(ffa.Share, region(t.buf+i*page, 1)))
					if ffa.FunctionOf(&out) == ffa.Error32 {
						break
					}
					handles = append(handles, t.handleOf(out))
				}
				if len(handles) == most {
					t.skip("the target keeps %d transactions", most)
				}
				for range 3 {
					h := handles[len(handles)/2]
					t.reclaim(h)
					t.gone("the one that came back", h)
					handles[len(handles)/2] = t.share(t.side, 1)
				}
				for _, h := range handles {
					t.reclaim(h)
				}
				t.free("after the reclaims", t.buf, most)
			})},
		{Name: "share-other-processor", Rule: share, Needs: NeedCPUs,
			Why: "A transaction of one processor can be ended by another.",
			Run: withOPTEE(func(t *T) {
				t.cpu = 1
				h := t.share(t.buf, 1)
				t.cpu = 0
				t.reclaim(h)
			})},
		{Name: "share-many-page-buffers", Rule: share,
			Why: "With buffers of four pages a descriptor of 600 ranges comes in one piece.",
			Run: func(t *T) {
				t.negotiate(ffa.Version1_2)
				t.mapBuffers(4)
				t.findOPTEE()
				t.reclaim(t.sent(ffa.Share, t.transaction(ffa.Share, scattered(t.buf, 600)...)))
				t.free("after the reclaim", t.buf, 1200)
			}},
		{Name: "share-gap-behind-header", Rule: memRule("Memory transaction descriptor"),
			Why: "The offset of the access descriptors is a field: they need not follow the header.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, region(t.buf, 1))
				gap := append(slices.Clone(b[:48]), make([]byte, 16)...)
				gap = append(gap, b[48:]...)
				gap[32] = 64        // offset of the access descriptors
				gap[64+4] = 80 + 16 // offset of the composite descriptor
				t.reclaim(t.handleOf(t.sendBytes("FFA_MEM_SHARE", handleReply(), send64(ffa.Share), gap)))
			})},
		{Name: "share-gap-before-composite", Rule: memRule("Endpoint memory access descriptor"),
			Why: "The offset of the composite descriptor is a field: it need not follow the access descriptors.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, region(t.buf, 1))
				gap := append(slices.Clone(b[:80]), make([]byte, 16)...)
				gap = append(gap, b[80:]...)
				gap[48+4] = 96
				t.reclaim(t.handleOf(t.sendBytes("FFA_MEM_SHARE", handleReply(), send64(ffa.Share), gap)))
			})},
		{Name: "share-implementation-defined", Rule: memRule("Endpoint memory access descriptor"),
			Why: "From 1.2 on sixteen bytes of the access descriptor are the endpoints' own.",
			Run: withOPTEE(func(t *T) {
				d := t.transaction(ffa.Share, region(t.buf, 1))
				d.Receivers[0].ImpDef = [2]uint64{0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210}
				t.reclaim(t.sent(ffa.Share, d))
			})},
		{Name: "share-leaves-tx", Rule: ffaRule("RX and TX buffers"),
			Why: "TX is the caller's again when the call returns, and nobody wrote to it.",
			Run: withOPTEE(func(t *T) {
				t.fill(t.tx, page)
				b := t.bytes(ffa.Share, region(t.buf, 1))
				h := t.share(t.buf, 1)
				t.contains("TX", t.tx, b)
				t.reclaim(h)
			})},
	}
	for _, v := range []struct {
		version ffa.Version
		size    uint32 // of an access descriptor
		length  int
	}{{ffa.Version1_0, 16, 80}, {ffa.Version1_1, 16, 96}, {ffa.Version1_2, 16, 96}, {ffa.Version1_2, 32, 112}} {
		for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend} {
			cases = append(cases, Case{Name: fmt.Sprintf("%v-layout-1.%d-%d", kind, v.version.Minor(), v.size), Rule: memRule("Memory transaction descriptor"),
				Why: fmt.Sprintf("At version %v a descriptor with access descriptors of %d bytes is accepted.", v.version, v.size), Run: func(t *T) {
					t.startVersion(v.version)
					d := t.transaction(kind, region(t.buf, 1))
					d.EMADSize = v.size
					if n := d.Length(v.version); n != v.length {
						t.failf("the layout of this version", "%d bytes, want %d", n, v.length)
					}
					t.reclaim(t.sent(kind, d))
				}})
		}
	}
	return cases
}

func lendCases() []Case {
	lend := memRule("FFA_MEM_LEND")
	return []Case{
		{Name: "lend", Rule: lend,
			Why: "Memory that was lent and never retrieved can be reclaimed at once: Linux does so where ASSIGN_PROTMEM fails.",
			Run: withOPTEE(func(t *T) { t.reclaim(t.lend(t.pool, poolPages)) })},
		{Name: "lend-smc32", Rule: lend, Why: "The SMC32 form does the same.", Run: withOPTEE(func(t *T) {
			out := t.sendBytes("FFA_MEM_LEND, SMC32", handleReply(), send32(ffa.Lend), t.bytes(ffa.Lend, region(t.pool, poolPages)))
			t.reclaim(t.handleOf(out))
		})},
		{Name: "lend-one-page", Rule: lend,
			Why: "A lend may be as small as a page.",
			Run: withOPTEE(func(t *T) { t.reclaim(t.lend(t.pool, 1)) })},
		{Name: "lend-takes-pages", Rule: memRule("Memory region state machine, FFA_MEM_LEND"),
			Why: "A page that is lent is the owner's without access: it cannot be sent again.",
			Run: withOPTEE(func(t *T) {
				h := t.lend(t.pool, 4)
				t.taken("the first page", t.pool)
				t.taken("the last page", t.pool+3*page)
				t.free("the page behind", t.pool+4*page, 1)
				t.reclaim(h)
				t.free("after the reclaim", t.pool, 4)
			})},
		{Name: "lend-zero-flag", Rule: memRule("Flags usage, zero memory"), Needs: NeedFirewall,
			Why: "With the flag the borrower gets zeros; without it, what the lender left.", Run: withOPTEE(func(t *T) {
				reader, ok := t.Pools[poolUse].reader()
				if !ok {
					t.skip("no master can look into a pool")
				}
				for _, zero := range []bool{false, true} {
					t.fill(t.pool, 2*page)
					d := t.transaction(ffa.Lend, region(t.pool, 2))
					if zero {
						d.Flags = ffa.FlagZero
					}
					h := t.sent(ffa.Lend, d)
					for _, a := range edges(Range{t.pool, 2 * page}) {
						want := patternByte(a)
						if zero {
							want = 0
						}
						if got := t.readAs(reader, a); got != want {
							t.failf(fmt.Sprintf("%#x", want), "zero flag %v: NSAID %d reads %#x at %#x", zero, reader, got, a)
						}
					}
					t.reclaim(h)
				}
			})},
		{Name: "lend-other-order", Rule: lend, Why: "Transactions end in any order.", Run: withOPTEE(func(t *T) {
			a, b, c := t.lend(t.pool, 2), t.share(t.buf, 2), t.lend(t.pool+16*page, 2)
			t.reclaim(b)
			t.reclaim(a)
			t.taken("the third", t.pool+16*page)
			t.reclaim(c)
			t.free("after the reclaims", t.pool, 18)
		})},
		{Name: "lend-then-share-then-lend", Rule: memRule("Memory region state machine"),
			Why: "A page that came back is exclusive again.",
			Run: withOPTEE(func(t *T) {
				for range 3 {
					t.reclaim(t.lend(t.pool, 4))
					t.reclaim(t.share(t.pool, 4))
				}
			})},
		{Name: "lend-until-refused", Rule: ffaRule("FFA_ERROR, NO_MEMORY"),
			Why: "Pools that lie apart use up the firewall: the answer is NO_MEMORY, nothing changes, and what was lent before comes back.",
			Run: withOPTEE(func(t *T) {
				var handles []ffa.Handle
				for i := range uint64(16) {
					at := t.pool + 4*i*page
					t.fill(at, page)
					out := t.send("FFA_MEM_LEND", handleReply().or(failure(ffa.NoMemory)), ffa.Lend, t.transaction(ffa.Lend, region(at, 1)))
					if ffa.FunctionOf(&out) == ffa.Error32 {
						t.filled("memory that was not lent", at, page)
						t.reachable("memory that was not lent", at, t.Normal)
						t.free("memory that was not lent", at, 1)
						break
					}
					handles = append(handles, t.handleOf(out))
				}
				for _, h := range handles {
					t.reclaim(h)
				}
				t.free("after the reclaims", t.pool, 64)
			})},
		{Name: "lend-after-refusal-for-regions", Rule: ffaRule("FFA_ERROR, NO_MEMORY"), Needs: NeedFirewall,
			Why: "When a pool comes back, another one fits.",
			Run: withOPTEE(func(t *T) {
				var handles []ffa.Handle
				at := t.pool
				for range 32 {
					out := t.send("FFA_MEM_LEND", handleReply().or(failure(ffa.NoMemory)), ffa.Lend, t.transaction(ffa.Lend, region(at, 1)))
					if ffa.FunctionOf(&out) == ffa.Error32 {
						break
					}
					handles = append(handles, t.handleOf(out))
					at += 4 * page
				}
				t.reclaim(handles[len(handles)/2])
				t.fill(at, page)
				t.lend(at, 1)
				t.access("the pool that fits now", Range{at, page}, t.Pools[poolUse])
			})},
		{Name: "lend-time-slice", Rule: memRule("Time slicing of memory management operations"),
			Why: "A sender that allows time slices may be paused, and resumes; the memory is zeroed when the lend is complete.",
			Run: withOPTEE(func(t *T) {
				t.fill(t.pool, poolSize)
				d := t.transaction(ffa.Lend, region(t.pool, poolPages))
				d.Flags = ffa.FlagZero | ffa.FlagTimeSlice
				pause := ffaReply(uint64(ffa.MemOpPause32))
				pause.mask[1], pause.mask[2] = upper, upper
				paused := Want{"FFA_MEM_OP_PAUSE", []pattern{pause}}
				out := t.send("FFA_MEM_LEND", handleReply().or(paused).or(failure(ffa.InvalidParameters)), ffa.Lend, d)
				for range maxResume {
					if ffa.FunctionOf(&out) != ffa.MemOpPause32 {
						break
					}
					out = t.expect("FFA_MEM_OP_RESUME", handleReply().or(paused), uint64(ffa.MemOpResume32), out[1], out[2])
				}
				if ffa.FunctionOf(&out) == ffa.Error32 {
					t.skip("the target does not slice operations")
				}
				h := t.handleOf(out)
				if reader, ok := t.Pools[poolUse].reader(); ok && t.Firewall {
					for _, a := range edges(Range{t.pool, poolSize}) {
						if got := t.readAs(reader, a); got != 0 {
							t.failf("zeros", "NSAID %d reads %#x at %#x", reader, got, a)
						}
					}
				}
				t.reclaim(h)
			})},
		{Name: "mem-op-of-nothing", Rule: memRule("FFA_MEM_OP_RESUME"),
			Why: "No operation is paused.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 1)
				for _, f := range []ffa.Function{ffa.MemOpPause32, ffa.MemOpResume32} {
					for _, x := range []ffa.Handle{h, 0, ffa.InvalidHandle} {
						t.expect("an operation that is not under way", failure(ffa.InvalidParameters, ffa.NotSupported, ffa.Denied), uint64(f), uint64(uint32(x)), uint64(x)>>32)
					}
				}
				t.reclaim(h)
			})},
		{Name: "donate", Rule: memRule("FFA_MEM_DONATE"),
			Why: "OP-TEE takes no donations: the call is refused, and the memory stays the normal world's.",
			Run: withOPTEE(func(t *T) {
				t.fill(t.buf, page)
				d := t.transaction(ffa.Donate, region(t.buf, 1))
				t.send("FFA_MEM_DONATE", failure(ffa.Denied, ffa.InvalidParameters, ffa.NotSupported), ffa.Donate, d)
				t.filled("after the refusal", t.buf, page)
				t.free("after the refusal", t.buf, 1)
			})},
	}
}

func fragmentCases() []Case {
	rule := memRule("FFA_MEM_FRAG_TX")
	rx := memRule("FFA_MEM_FRAG_RX")
	return []Case{
		{Name: "fragments", Rule: rule,
			Why: "A descriptor of 600 ranges comes in three pages; w3 of FFA_MEM_FRAG_RX is the offset of the next byte, and the handle stays the same.",
			Run: withOPTEE(func(t *T) {
				h := t.fragments(ffa.Share, t.bytes(ffa.Share, scattered(t.buf, 600)...), page)
				t.taken("a page of the first fragment", t.buf+2*page*599)
				t.taken("a page of the last fragment", t.buf)
				t.free("a page in between", t.buf+page, 1)
				t.reclaim(h)
				t.free("after the reclaim", t.buf, 1200)
			})},
		{Name: "fragments-of-one-range", Rule: rule,
			Why: "The first fragment may end behind the composite descriptor, and each of the others may hold one range.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 5)...)
				h := t.begin(ffa.Share, b, 96)
				for off := 96; off < len(b); off += 16 {
					want := fragRX(h, uint64(off+16))
					if off+16 == len(b) {
						want = completes(h)
					}
					t.fragment("one range", want, h, b[off:off+16])
				}
				t.reclaim(h)
				t.free("after the reclaim", t.buf, 10)
			})},
		{Name: "fragments-lend", Rule: rule, Needs: NeedFirewall,
			Why: "A lend in fragments protects its memory with the last one, and not before.",
			Run: withOPTEE(func(t *T) {
				r := Range{t.pool, 8 * page}
				t.fill(r.Base-page, r.Size+2*page)
				var ranges []ffa.Constituent
				for i := range uint64(8) {
					ranges = append(ranges, region(t.pool+i*page, 1))
				}
				b := t.bytes(ffa.Lend, ranges...)
				h := t.begin(ffa.Lend, b, 112)
				t.normal("before the last fragment", r)
				t.fragment("the rest", completes(h), h, b[112:])
				t.isolated("lent in fragments", r, t.Pools[poolUse])
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})},
		{Name: "fragments-many-page-buffers", Rule: rule,
			Why: "Fragments may be as long as TX: two pages here.",
			Run: func(t *T) {
				t.negotiate(ffa.Version1_2)
				t.mapBuffers(2)
				t.findOPTEE()
				t.reclaim(t.fragments(ffa.Share, t.bytes(ffa.Share, scattered(t.buf, 1200)...), 2*page))
				t.free("after the reclaim", t.buf, 1)
			}},
		{Name: "fragments-sender-in-w4", Rule: rule,
			Why: "The specification wants the sender in w4, Linux leaves it zero: for endpoint 0 these are the same, so both pass.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				h := t.begin(ffa.Share, b, 112)
				t.write(t.tx, b[112:])
				t.expect("FFA_MEM_FRAG_TX", completes(h), append(fragTX(h, len(b)-112), 0)...)
				t.reclaim(h)
			})},
		{Name: "fragments-upper-halves", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "FFA_MEM_FRAG_TX is an SMC32 call.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				h := t.begin(ffa.Share, b, 112)
				t.write(t.tx, b[112:])
				args := append(fragTX(h, len(b)-112), 0)
				for i := 1; i < len(args); i++ {
					args[i] |= 0xDEAD << 48
				}
				t.expect("FFA_MEM_FRAG_TX with bits above", completes(h), args...)
				t.reclaim(h)
			})},
		{Name: "fragments-interleaved", Rule: rule,
			Why: "The handle says to which transaction a fragment belongs.",
			Run: withOPTEE(func(t *T) {
				a, b := t.bytes(ffa.Share, scattered(t.buf, 3)...), t.bytes(ffa.Share, scattered(t.buf+64*page, 3)...)
				ha := t.begin(ffa.Share, a, 112)
				hb := t.begin(ffa.Share, b, 112)
				t.require(ha != hb, "a second transaction", "another handle")
				t.fragment("the rest of the first", completes(ha), ha, a[112:])
				t.fragment("the rest of the second", completes(hb), hb, b[112:])
				t.reclaim(ha)
				t.taken("the second", t.buf+64*page)
				t.reclaim(hb)
				t.free("after the reclaims", t.buf, 80)
			})},
		{Name: "fragments-other-processor", Rule: rule, Needs: NeedCPUs,
			Why: "The kernel may have moved to another processor between two fragments.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				h := t.begin(ffa.Share, b, 112)
				t.cpu = 1
				t.fragment("the rest", completes(h), h, b[112:])
				t.reclaim(h)
			})},
		{Name: "fragments-calls-between", Rule: rx,
			Why: "Other calls may come between two fragments.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				h := t.begin(ffa.Share, b, 112)
				t.infoSizeIs("records", 24)
				t.reclaim(t.share(t.buf+64*page, 1))
				t.alive()
				t.fragment("the rest", completes(h), h, b[112:])
				t.reclaim(h)
			})},
		{Name: "fragments-abandoned", Rule: rx,
			Why: "Linux gives up in the middle without a word: that must not use the secure world up, and the pages stay free.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				for range 300 {
					t.begin(ffa.Share, b, 112)
				}
				t.free("pages of transactions that were given up", t.buf, 6)
				h := t.begin(ffa.Share, b, 112)
				t.fragment("the rest", completes(h), h, b[112:])
				t.reclaim(h)
			})},
		{Name: "fragments-incomplete-reclaim", Rule: memRule("FFA_MEM_RECLAIM"),
			Why: "A transaction whose descriptor has not arrived cannot be reclaimed.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				h := t.begin(ffa.Share, b, 112)
				t.gone("an incomplete transaction", h)
			})},
		{Name: "fragments-incomplete-use", Rule: Rule{"optee_ffa.h", "OPTEE_FFA_YIELDING_CALL_WITH_ARG"},
			Why: "A transaction whose descriptor has not arrived is no shared memory yet.",
			Run: withOPTEE(func(t *T) {
				b := t.bytes(ffa.Share, scattered(t.buf, 3)...)
				h := t.begin(ffa.Share, b, 112)
				reply := t.withArg("a message in an incomplete share", h, 0)
				t.require(reply[0] != 0, "a message in an incomplete share", "w3 other than 0")
				t.fragment("the rest", completes(h), h, b[112:])
				t.reclaim(h)
			})},
		{Name: "fragments-last-one-bad", Rule: rule,
			Why: "A page that may not be shared, in the last fragment, ends the whole transaction: nothing was shared, and the handle is gone.",
			Run: withOPTEE(func(t *T) {
				ranges := scattered(t.buf, 600)
				ranges[599].Address = t.tx
				b := t.bytes(ffa.Share, ranges...)
				h := t.begin(ffa.Share, b, page)
				t.fragment("the second fragment", fragRX(h, 2*page), h, b[page:2*page])
				t.fragment("the last fragment", failure(ffa.Denied, ffa.InvalidParameters), h, b[2*page:])
				t.fragment("after it", failure(ffa.InvalidParameters), h, b[2*page:])
				t.gone("after it", h)
				t.free("after it", t.buf, 1200)
			})},
		{Name: "fragments-changed-before-last", Rule: memRule("FFA_MEM_FRAG_TX"), Needs: NeedFirewall,
			Why: "The descriptor is what arrived: what happens to TX afterwards does not matter.", Run: withOPTEE(func(t *T) {
				lent, other := Range{t.pool, 2 * page}, Range{t.pool + 16*page, 2 * page}
				t.fill(lent.Base-page, lent.Size+2*page)
				t.fill(other.Base-page, other.Size+2*page)
				b := t.bytes(ffa.Lend, region(lent.Base, 1), region(lent.Base+page, 1))
				h := t.begin(ffa.Lend, b, 112)
				// Another processor writes a different first range into TX, and the last fragment behind it.
				changed := t.bytes(ffa.Lend, region(other.Base, 1), region(lent.Base+page, 1))
				t.write(t.tx, changed)
				t.fragment("the last range", completes(h), h, b[112:])
				t.isolated("what the first fragment named", lent, t.Pools[poolUse])
				t.normal("what TX named later", other)
				t.reclaim(h)
				t.returned("after the reclaim", lent)
			})},
	}
}

func reclaimCases() []Case {
	rule := memRule("FFA_MEM_RECLAIM")
	invalid := failure(ffa.InvalidParameters)
	cases := []Case{
		{Name: "reclaim-twice", Rule: rule, Why: "The handle is gone.", Run: withOPTEE(func(t *T) {
			h := t.share(t.buf, 1)
			t.reclaim(h)
			t.gone("a second reclaim", h)
			l := t.lend(t.pool, 1)
			t.reclaim(l)
			t.gone("a second reclaim", l)
		})},
		{Name: "reclaim-old-handle", Rule: memRule("Memory region handle"),
			Why: "A handle that is gone does not name a later transaction.",
			Run: withOPTEE(func(t *T) {
				old := t.share(t.buf, 1)
				t.reclaim(old)
				h := t.share(t.buf, 1)
				if old == h {
					t.skip("the target gives handles again")
				}
				t.gone("the first handle", old)
				t.taken("the second transaction", t.buf)
				t.reclaim(h)
			})},
		{Name: "reclaim-unknown", Rule: rule, Why: "No transaction has such a handle.", Run: withOPTEE(func(t *T) {
			h := t.share(t.buf, 1)
			for _, x := range []ffa.Handle{0, 1, h + 1, h ^ 1<<40, h | 1<<63, h | 1<<32<<16, ffa.InvalidHandle, ffa.InvalidHandle - 1} {
				if x != h {
					t.reclaimWith(fmt.Sprintf("reclaim of %v", x), invalid, x)
				}
			}
			t.taken("the transaction", t.buf)
			t.reclaim(h)
		})},
		{Name: "reclaim-words-swapped", Rule: rule, Why: "w1 is the lower half of the handle.", Run: withOPTEE(func(t *T) {
			h := t.share(t.buf, 1)
			if swapped := h>>32 | h<<32; swapped != h {
				t.reclaimWith("reclaim with the halves swapped", invalid, swapped)
			}
			t.reclaim(h)
		})},
		{Name: "reclaim-upper-halves", Rule: smcccRule("Register use in AArch64 SMC and HVC calls"),
			Why: "The call is an SMC32 one.",
			Run: withOPTEE(func(t *T) {
				args := append(reclaimCall(t.share(t.buf, 1)), 0, 0, 0, 0, 0)
				for i := 1; i < len(args); i++ {
					args[i] |= 0xDEAD << 48
				}
				t.expect("FFA_MEM_RECLAIM with bits above", success(), args...)
			})},
		{Name: "reclaim-flags", Rule: rule,
			Why: "Flags that the secure world does not offer are INVALID_PARAMETERS: OP-TEE and TF-A refuse all of them.",
			Run: withOPTEE(func(t *T) {
				h := t.share(t.buf, 1)
				for _, flags := range []uint64{1, 2, 3, 4, 1 << 31} {
					t.expect("FFA_MEM_RECLAIM with flags", invalid, append(reclaimCall(h), flags)...)
				}
				t.taken("the transaction", t.buf)
				t.reclaim(h)
			})},
		{Name: "reclaim-reserved-registers", Rule: rule, Why: "w4 to w7 must be zero.", Run: withOPTEE(func(t *T) {
			h := t.share(t.buf, 1)
			for i := 4; i < 8; i++ {
				args := append(reclaimCall(h), 0, 0, 0, 0, 0)
				args[i] = 1
				t.expect(fmt.Sprintf("FFA_MEM_RECLAIM with w%d", i), invalid, args...)
			}
			t.reclaim(h)
		})},
		{Name: "reclaim-while-used", Rule: rule,
			Why: "A share that OP-TEE has used is retrieved: DENIED until it is unregistered, then it comes back.",
			Run: withOPTEE(func(t *T) {
				t.message("OPEN_SESSION", optee.Success, openArg(optee.DeviceUUID(), optee.LoginPublic))
				t.reclaimWith("reclaim of the page with the arguments", failure(ffa.Denied), t.shm)
				t.message("OPEN_SESSION after the refusal", optee.Success, openArg(optee.DeviceUUID(), optee.LoginPublic))
				t.unregister(t.shm)
				t.reclaim(t.shm)
				t.free("after the reclaim", t.arg, 1)
			})},
		{Name: "reclaim-again-while-used", Rule: rule,
			Why: "However often it is tried, a retrieved share is DENIED: Linux frees the pages after the first refusal.",
			Run: withOPTEE(func(t *T) {
				t.message("OPEN_SESSION", optee.Success, openArg(optee.DeviceUUID(), optee.LoginPublic))
				for range 5 {
					t.reclaimWith("reclaim", failure(ffa.Denied), t.shm)
				}
				t.taken("the page", t.arg)
			})},
		{Name: "reclaim-after-partial-release", Rule: rule,
			Why: "Unregistering one share does not release another.",
			Run: withOPTEE(func(t *T) {
				s := t.open()
				b := t.shareBuffer(t.buf, 1)
				t.messageOneOf("GET_DEVICES into another share", []optee.Result{optee.Success, optee.ErrorShortBuffer},
					invokeArg(s, optee.DeviceCmdGetDevices, t.ref(optee.AttrRMemOutput, b, 0, page)))
				t.unregister(b.handle)
				t.reclaimWith("reclaim of the page with the arguments", failure(ffa.Denied), t.shm)
				t.reclaim(b.handle)
				t.unregister(t.shm)
				t.reclaim(t.shm)
			})},
		{Name: "use-after-reclaim", Rule: Rule{"optee_ffa.h", "OPTEE_FFA_YIELDING_CALL_WITH_ARG"},
			Why: "OP-TEE does not touch memory that went back to its owner.",
			Run: withOPTEE(func(t *T) {
				t.open()
				h := t.shm
				t.unregister(h)
				t.reclaim(h)
				t.write(t.arg, openArg(optee.DeviceUUID(), optee.LoginPublic).AppendTo(nil))
				before := t.read(t.arg, page)
				reply := t.withArg("a message in memory that was reclaimed", h, 0)
				t.require(reply[0] != 0, "a message in memory that was reclaimed", "w3 other than 0")
				t.contains("memory that was reclaimed", t.arg, before)
			})},
		{Name: "reset-forgets", Rule: psciRule("SYSTEM_RESET"), Needs: NeedRun,
			Why: "After a reset there are no transactions, no buffers and no agreed version.",
			Run: withOPTEE(func(t *T) {
				h, l := t.share(t.buf, 1), t.lend(t.pool, poolPages)
				t.systemReset()
				t.startFFA()
				t.gone("a share from before", h)
				t.gone("a lend from before", l)
				t.free("what was shared before", t.buf, 1)
				t.free("what was lent before", t.pool, poolPages)
			})},
	}
	return cases
}

func retrieveCases() []Case {
	retrieve := memRule("FFA_MEM_RETRIEVE_REQ")
	refused := failure(ffa.NotSupported, ffa.InvalidParameters, ffa.Denied)
	// request writes a retrieve request for a handle into TX.
	request := func(t *T, h ffa.Handle, receiver ffa.EndpointID) uint64 {
		d := &ffa.MemoryTransaction{Handle: h, Tag: useCase, Receivers: []ffa.EMAD{{Receiver: receiver, Permissions: ffa.DataRW}}}
		b := d.AppendTo(nil, t.version)
		t.write(t.tx, b)
		return uint64(len(b))
	}
	return []Case{
		{Name: "retrieve-by-lender", Rule: retrieve,
			Why: "The normal world is not among the receivers: it gets neither access nor a descriptor.",
			Run: withOPTEE(func(t *T) {
				h := t.lend(t.pool, 4)
				t.fill(t.rx, page)
				n := request(t, h, ffa.NonSecurePhysical)
				for _, f := range []ffa.Function{ffa.MemRetrieveReq32, ffa.MemRetrieveReq64} {
					t.expect("FFA_MEM_RETRIEVE_REQ by the lender", refused, uint64(f), n, n)
				}
				t.filled("RX after the refusal", t.rx, page)
				t.reclaim(h)
			})},
		{Name: "retrieve-for-partition", Rule: retrieve,
			Why: "The normal world cannot retrieve in the name of a partition.",
			Run: withOPTEE(func(t *T) {
				h := t.lend(t.pool, 4)
				n := request(t, h, t.optee)
				t.expect("FFA_MEM_RETRIEVE_REQ for OP-TEE", refused, uint64(ffa.MemRetrieveReq64), n, n)
				t.message("ASSIGN_PROTMEM: nobody retrieved it", optee.Success, assignArg(h, useCase))
			})},
		{Name: "retrieve-into-lent-memory", Rule: retrieve, Needs: NeedFirewall,
			Why: "A buffer named in the call is refused; nothing is ever written into memory that was lent.",
			Run: withOPTEE(func(t *T) {
				r := Range{t.pool, 4 * page}
				t.fill(around(r).Base, around(r).Size)
				h := t.lend(r.Base, 4)
				n := request(t, h, ffa.NonSecurePhysical)
				for _, buffer := range []uint64{r.Base, t.buf, t.Device, t.End} {
					t.expect("FFA_MEM_RETRIEVE_REQ with a buffer", refused, uint64(ffa.MemRetrieveReq64), n, n, buffer, 1)
				}
				if reader, ok := t.Pools[poolUse].reader(); ok {
					for _, a := range edges(r) {
						if got := t.readAs(reader, a); got != patternByte(a) {
							t.failf("memory as it was lent", "NSAID %d reads %#x at %#x, want %#x", reader, got, a, patternByte(a))
						}
					}
				}
				t.isolated("after the refusals", r, t.Pools[poolUse])
				t.reclaim(h)
			})},
		{Name: "relinquish-by-lender", Rule: memRule("FFA_MEM_RELINQUISH"),
			Why: "Only a borrower relinquishes: OP-TEE's reference stays.",
			Run: withOPTEE(func(t *T) {
				p := t.protect(t.pool, poolSize, useCase)
				for _, id := range []ffa.EndpointID{ffa.NonSecurePhysical, t.optee} {
					d := ffa.Relinquish{Handle: p.handle, Endpoints: []ffa.EndpointID{id}}
					t.write(t.tx, d.AppendTo(nil))
					t.expect("FFA_MEM_RELINQUISH by the lender", refused, uint64(ffa.MemRelinquish32))
				}
				t.reclaimWith("reclaim of a pool that is in use", failure(ffa.Denied), p.handle)
				t.unprotect(p)
			})},
	}
}

// borrowerCases are about the partner: a borrower that retrieves and relinquishes when it is told to.
func borrowerCases() []Case {
	lend, share := memRule("FFA_MEM_LEND"), memRule("FFA_MEM_SHARE")
	retrieve, relinquish, reclaim := memRule("FFA_MEM_RETRIEVE_REQ"), memRule("FFA_MEM_RELINQUISH"), memRule("FFA_MEM_RECLAIM")
	// to gives a descriptor for other receivers than OP-TEE.
	to := func(t *T, kind ffa.TransactionKind, ids ...ffa.EndpointID) *ffa.MemoryTransaction {
		d := t.transaction(kind, region(t.pool, 2), region(t.pool+4*page, 2))
		d.Receivers, d.Tag = nil, 0
		for _, id := range ids {
			d.Receivers = append(d.Receivers, ffa.EMAD{Receiver: id, Permissions: ffa.DataRW})
		}
		if len(ids) > 1 {
			d.Attributes = ffa.NormalWriteBackInner
		}
		return d
	}
	// both is for OP-TEE, which wants a contiguous pool for a use case, and the partner.
	both := func(t *T, kind ffa.TransactionKind, partner ffa.EndpointID) *ffa.MemoryTransaction {
		d := t.transaction(kind, region(t.pool, 4))
		d.Attributes = ffa.NormalWriteBackInner
		d.Receivers = append(d.Receivers, ffa.EMAD{Receiver: partner, Permissions: ffa.DataRW})
		return d
	}
	nobody := Access{}
	each := func(t *T, f func(r Range)) {
		f(Range{t.pool, 2 * page})
		f(Range{t.pool + 4*page, 2 * page})
	}
	return []Case{
		{Name: "partner-share", Rule: retrieve,
			Why: "The borrower sees what the owner writes and the owner what the borrower writes, range after range.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				each(t, func(r Range) { t.fill(r.Base, r.Size) })
				h := t.sent(ffa.Share, to(t, ffa.Share, p.ID))
				t.tell("read before the retrieve", p.ID, PartnerRead, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				for _, x := range []struct{ off, at uint64 }{
					{0, t.pool}, {2*page - 1, t.pool + 2*page - 1}, {2 * page, t.pool + 4*page}, {4*page - 1, t.pool + 6*page - 1},
				} {
					if got := t.tell("read", p.ID, PartnerRead, uint64(h), x.off, 0); byte(got) != patternByte(x.at) {
						t.failf("what the owner wrote", "the partner reads %#x at offset %#x, want %#x", got, x.off, patternByte(x.at))
					}
				}
				t.tell("write", p.ID, PartnerWrite, uint64(h), 2*page, 0x77)
				t.contains("what the partner wrote", t.pool+4*page, []byte{0x77})
				t.tell("read beyond the end", p.ID, PartnerRead, uint64(h), 4*page, 0, ffa.InvalidParameters, ffa.Denied)
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.reclaim(h)
			})},
		{Name: "partner-lend", Rule: lend, Needs: NeedFirewall,
			Why: "Memory that was lent is the borrower's alone; what lies between its ranges is not.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				t.fill(t.pool-page, 8*page)
				h := t.sent(ffa.Lend, to(t, ffa.Lend, p.ID))
				each(t, func(r Range) { t.access("lent", r, nobody) })
				t.normal("between the ranges", Range{t.pool + 2*page, 2 * page})
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				if got := t.tell("read", p.ID, PartnerRead, uint64(h), 2*page, 0); byte(got) != patternByte(t.pool+4*page) {
					t.failf("what the owner left", "the partner reads %#x", got)
				}
				t.tell("write", p.ID, PartnerWrite, uint64(h), 2*page, 0x77)
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				each(t, func(r Range) { t.access("relinquished, not reclaimed", r, nobody) })
				t.reclaim(h)
				each(t, func(r Range) { t.returned("after the reclaim", r) })
			})},
		{Name: "partner-reclaim-before-relinquish", Rule: reclaim,
			Why: "Memory that is retrieved is DENIED, until it is relinquished.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Lend, to(t, ffa.Lend, p.ID))
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				for range 3 {
					t.reclaimWith("reclaim of memory that is retrieved", failure(ffa.Denied), h)
				}
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.reclaim(h)
			})},
		{Name: "partner-incomplete-relinquish", Rule: reclaim,
			Why: "All borrowers have to relinquish: the owner is DENIED while one has not.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Lend, both(t, ffa.Lend, p.ID))
				t.message("ASSIGN_PROTMEM", optee.Success, assignArg(h, useCase))
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				t.reclaimWith("reclaim with two borrowers", failure(ffa.Denied), h)
				t.release(h)
				t.reclaimWith("reclaim while the partner has it", failure(ffa.Denied), h)
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.reclaim(h)
				t.free("after the reclaim", t.pool, 4)
			})},
		{Name: "partner-incomplete-relinquish-of-share", Rule: reclaim,
			Why: "The same in the other order, for a share.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Share, both(t, ffa.Share, p.ID))
				t.write(t.pool, openArg(optee.DeviceUUID(), optee.LoginPublic).AppendTo(nil))
				reply := t.withArg("a message in the share", h, 0)
				t.require(reply[0] == 0, "a message in the share", "w3 = 0")
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.reclaimWith("reclaim while OP-TEE has it", failure(ffa.Denied), h)
				t.unregister(h)
				t.reclaim(h)
			})},
		{Name: "partner-retrieve-twice", Rule: retrieve,
			Why: "A borrower retrieves once; it is counted once.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Lend, to(t, ffa.Lend, p.ID))
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				t.tell("retrieve again", p.ID, PartnerRetrieve, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.reclaim(h)
			})},
		{Name: "partner-relinquish-twice", Rule: relinquish,
			Why: "What was relinquished is not the borrower's to relinquish.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Lend, to(t, ffa.Lend, p.ID))
				t.tell("relinquish before the retrieve", p.ID, PartnerRelinquish, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.tell("relinquish again", p.ID, PartnerRelinquish, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.tell("read after the relinquish", p.ID, PartnerRead, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.reclaim(h)
			})},
		{Name: "partner-retrieve-of-others", Rule: retrieve,
			Why: "Only receivers of a transaction retrieve it.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.lend(t.pool, 4)
				t.tell("retrieve of a lend to OP-TEE", p.ID, PartnerRetrieve, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.tell("relinquish of a lend to OP-TEE", p.ID, PartnerRelinquish, uint64(h), 0, 0, ffa.Denied, ffa.InvalidParameters)
				t.tell("retrieve of nothing", p.ID, PartnerRetrieve, 0x7777_0001, 0, 0, ffa.InvalidParameters)
				t.reclaim(h)
			})},
		{Name: "partner-retrieve-incomplete", Rule: retrieve,
			Why: "A transaction whose descriptor has not arrived cannot be retrieved.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				b := to(t, ffa.Share, p.ID).AppendTo(nil, t.version)
				h := t.begin(ffa.Share, b, len(b)-16)
				t.tell("retrieve of an incomplete share", p.ID, PartnerRetrieve, uint64(h), 0, 0, ffa.InvalidParameters)
				t.fragment("the rest", completes(h), h, b[len(b)-16:])
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
			})},
		{Name: "partner-retrieve-reclaimed", Rule: retrieve,
			Why: "What was reclaimed cannot be retrieved.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Lend, to(t, ffa.Lend, p.ID))
				t.reclaim(h)
				t.tell("retrieve after the reclaim", p.ID, PartnerRetrieve, uint64(h), 0, 0, ffa.InvalidParameters)
			})},
		{Name: "partner-share-with-two", Rule: share,
			Why: "Memory may be shared with several partitions.",
			Run: withOPTEE(func(t *T) {
				t.reclaim(t.sent(ffa.Share, both(t, ffa.Share, t.partner(0).ID)))
			})},
		{Name: "partner-lend-to-two", Rule: lend, Needs: NeedFirewall,
			Why: "A master needs the consent of all borrowers: the partner gives none.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				r := Range{t.pool, 4 * page}
				t.ready(r)
				h := t.sent(ffa.Lend, both(t, ffa.Lend, p.ID))
				t.isolated("lent to two", r, nobody)
				t.reclaim(h)
				t.returned("after the reclaim", r)
			})},
		{Name: "partner-lend-to-two-attributes", Rule: lend,
			Why: "Several borrowers need one memory type: without attributes the lend is refused.",
			Run: withOPTEE(func(t *T) {
				d := both(t, ffa.Lend, t.partner(0).ID)
				d.Attributes = 0
				t.send("FFA_MEM_LEND to two receivers without attributes", failure(ffa.Denied, ffa.InvalidParameters), ffa.Lend, d)
				t.free("after the refusal", t.pool, 4)
			})},
		{Name: "partner-read-only", Rule: memRule("Memory access permissions descriptor"),
			Why: "A borrower that was given read permission cannot write, and nothing is cleared for it.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				each(t, func(r Range) { t.fill(r.Base, r.Size) })
				d := to(t, ffa.Lend, p.ID)
				d.Receivers[0].Permissions = ffa.DataRO
				d.Flags = ffa.FlagZero
				t.send("FFA_MEM_LEND, read only and cleared", failure(ffa.Denied, ffa.InvalidParameters), ffa.Lend, d)
				each(t, func(r Range) { t.filled("after the refusal", r.Base, r.Size) })
				d.Flags = 0
				h := t.sent(ffa.Lend, d)
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				t.tell("write", p.ID, PartnerWrite, uint64(h), 0, 0x77, ffa.Denied, ffa.InvalidParameters)
				if got := t.tell("read", p.ID, PartnerRead, uint64(h), 0, 0); byte(got) != patternByte(t.pool) {
					t.failf("what the owner left", "the partner reads %#x", got)
				}
				t.tell("relinquish", p.ID, PartnerRelinquish, uint64(h), 0, 0)
				t.reclaim(h)
			})},
		{Name: "partner-memory-is-not-optees", Rule: Rule{"optee_ffa.h", "OPTEE_FFA_YIELDING_CALL_WITH_ARG"},
			Why: "OP-TEE cannot be given what was shared with another partition.",
			Run: withOPTEE(func(t *T) {
				p := t.partner(0)
				h := t.sent(ffa.Share, to(t, ffa.Share, p.ID))
				reply := t.withArg("a message in memory of another partition", h, 0)
				t.require(reply[0] != 0, "a message in memory of another partition", "w3 other than 0")
				t.tell("retrieve", p.ID, PartnerRetrieve, uint64(h), 0, 0)
				t.unregister(h)
				t.reclaimWith("reclaim after OP-TEE dropped what it never had", failure(ffa.Denied), h)
			})},
	}
}
