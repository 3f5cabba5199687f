package secureworld

import (
	"encoding/binary"
	"fmt"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/testsp"
)

// The memory management calls and which error answers which mistake. source is who decides: DEN0140 where it names the code, else the
// reference implementation whose answer this one gives: Hafnium (src/ffa_memory.c), OP-TEE (core/arch/arm/kernel/thread_spmc.c
// and mm/mobj_ffa.c) or TF-A (services/std_svc/spm/el3_spmc/spmc_shared_mem.c). Where they differ the strictest has been taken.
func TestMemoryErrors(t *testing.T) {
	const n = uint64(112)
	carve := memory.Range{Base: ramBase + 0x80_0000, Size: 0x10_0000}
	secure := memory.Range{Base: ramBase + 0xA0_0000, Size: 0x10_0000}
	// put writes a descriptor of one range and gives the call that sends it.
	put := func(r *rig, kind ffa.TransactionKind, edit func(x *ffa.MemoryTransaction)) []uint64 {
		x := to(kind, firstRW)
		x.Constituents = x.Constituents[:1]
		if kind == ffa.Donate {
			x.Receivers[0].Permissions = 0
		}
		edit(x)
		b := x.AppendTo(nil, ffa.Version1_2)
		r.write(txAddr, b)
		return []uint64{sendCall(kind), uint64(len(b)), uint64(len(b))}
	}
	as := func(kind ffa.TransactionKind, edit func(x *ffa.MemoryTransaction)) func(*rig) []uint64 {
		return func(r *rig) []uint64 { return put(r, kind, edit) }
	}
	// patched does so and then changes bytes of the descriptor.
	patched := func(off int, v ...byte) func(*rig) []uint64 {
		return func(r *rig) []uint64 {
			c := put(r, ffa.Lend, func(*ffa.MemoryTransaction) {})
			r.write(txAddr+uint64(off), v)
			return c
		}
	}
	// with gives a call with other registers for a good descriptor.
	with := func(args ...uint64) func(*rig) []uint64 {
		return func(r *rig) []uint64 {
			put(r, ffa.Lend, func(*ffa.MemoryTransaction) {})
			return append([]uint64{0xC400_0072}, args...)
		}
	}
	at := func(addr uint64) func(x *ffa.MemoryTransaction) {
		return func(x *ffa.MemoryTransaction) { x.Constituents[0].Address = addr }
	}
	same := func(*ffa.MemoryTransaction) {}
	reading := func(x *ffa.MemoryTransaction) {
		x.Receivers[0].Permissions, x.Flags = ffa.DataRO, ffa.FlagZero
	}
	lent := func(r *rig) uint64 { return r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, firstRW)) }
	// begun sends all but the last range of a descriptor.
	begun := func(r *rig) []uint64 {
		b := to(ffa.Lend, firstRW).AppendTo(nil, ffa.Version1_2)
		r.write(txAddr, b)
		got := r.call(0xC400_0072, uint64(len(b)), uint64(len(b)-16))
		if got[0] != fragRX {
			r.Fatalf("%x", got[:8])
		}
		return got[1:3]
	}
	for _, tc := range []struct {
		rule, source string
		code         uint64
		call         func(r *rig) []uint64
	}{
		{"RX/TX not mapped", "Hafnium, TF-A", invalid, func(r *rig) []uint64 {
			r.call(0x8400_0067)
			return []uint64{0xC400_0072, n, n}
		}},
		{"buffer of the caller's", "Hafnium, TF-A", invalid, with(n, n, bufAddr+0x20_0000, 1)},
		{"fragment longer than the whole", "DEN0140", invalid, with(n, n+16)},
		{"fragment shorter than the header", "DEN0140", invalid, with(n, 32)},
		{"fragment no multiple of 16", "Hafnium", invalid, with(n, 100)},
		{"fragment longer than TX", "Hafnium, TF-A", invalid, with(8192, 8192)},
		{"w5 to w7", "OP-TEE", invalid, with(n, n, 0, 0, 1)},
		{"page count without address", "OP-TEE", invalid, with(n, n, 0, 1)},
		{"TX cannot be read", "Hafnium", aborted, func(r *rig) []uint64 {
			c := put(r, ffa.Lend, same)
			r.spy.broken = func(addr uint64, write bool, a bus.Attr) bool { return addr == txAddr && !a.Secure && !write }
			return c
		}},
		{"no handle left", "DEN0140", noMemory, func(r *rig) []uint64 {
			for i := range uint64(8) {
				r.share(ramBase+0x100_0000+i*page, 1)
			}
			return put(r, ffa.Lend, same)
		}},
		{"no room for the ranges", "DEN0140", noMemory, as(ffa.Share, func(x *ffa.MemoryTransaction) {
			x.Constituents = nil
			for i := range uint64(31) {
				x.Constituents = append(x.Constituents, ffa.Constituent{Address: bufAddr + 2*i*page, Pages: 1})
			}
		})},
		{"descriptor longer than any", "DEN0140", noMemory, with(0x10_0000, 4096)},
		{"sender is a VM that is not there", "DEN0140", denied, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Sender = 5 })},
		{"sender is a partition", "Hafnium, TF-A", denied, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Sender = second })},
		{"receiver unknown", "DEN0140", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 0x8765 })},
		{"receiver is the sender", "DEN0140", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 0 })},
		{"receiver twice", "Hafnium, OP-TEE, TF-A", invalid, as(ffa.Share, func(x *ffa.MemoryTransaction) { x.Receivers = append(x.Receivers, x.Receivers[0]) })},
		{"no receiver", "Hafnium, OP-TEE, TF-A", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers = nil })},
		{"too many receivers", "Hafnium, OP-TEE, TF-A", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) {
			for i := range ffa.EndpointID(64) {
				x.Receivers = append(x.Receivers, ffa.EMAD{Receiver: 0x9000 + i, Permissions: ffa.DataRW})
			}
		})},
		{"donation to two", "DEN0140", invalid, as(ffa.Donate, func(x *ffa.MemoryTransaction) { x.Receivers = append(x.Receivers, ffa.EMAD{Receiver: second}) })},
		{"lend to a VM", "Hafnium", denied, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 5 })},
		{"donation to a VM", "Hafnium", denied, as(ffa.Donate, func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 5 })},
		{"share with a VM", "DEN0140", invalid, as(ffa.Share, func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 5 })},
		{"reserved word", "DEN0140", invalid, patched(36, 1)},
		{"EMAD size", "DEN0140", invalid, patched(24, 24)},
		{"EMAD offset", "DEN0140", invalid, patched(32, 40)},
		{"composite misaligned", "Hafnium", invalid, patched(52, 88)},
		{"composite in the EMADs", "Hafnium, TF-A", invalid, patched(52, 64)},
		{"total pages are not the sum", "DEN0140", invalid, patched(80, 9)},
		{"a range without pages", "Hafnium, OP-TEE", invalid, patched(104, 0)},
		{"ranges overlap", "Hafnium, OP-TEE", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Constituents = append(x.Constituents, x.Constituents[0]) })},
		{"address not aligned", "DEN0140", invalid, as(ffa.Lend, at(bufAddr+0x800))},
		{"data permission open in a share", "DEN0140", invalid, as(ffa.Share, func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = 0 })},
		{"data permission open in a lend", "DEN0140", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = 0 })},
		{"data permission in a donation", "DEN0140", invalid, as(ffa.Donate, func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = ffa.DataRW })},
		{"instruction permission", "DEN0140", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions |= ffa.InstrNX })},
		{"reserved permission", "DEN0140", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = 3 })},
		{"type in a lend to one", "Hafnium", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Attributes = 0x2F })},
		{"type in a donation", "Hafnium", invalid, as(ffa.Donate, func(x *ffa.MemoryTransaction) { x.Attributes = 0x2F })},
		{"share of other than normal write-back memory", "Hafnium", denied, as(ffa.Share, func(x *ffa.MemoryTransaction) { x.Attributes = 0x27 })},
		{"lend to two without type", "Hafnium", denied, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Receivers = append(x.Receivers, secondRW) })},
		{"NS bit", "DEN0140", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Attributes = 0x40 })},
		{"zeroing shared memory", "DEN0140", invalid, as(ffa.Share, func(x *ffa.MemoryTransaction) { x.Flags = ffa.FlagZero })},
		{"unknown flag", "Hafnium", invalid, as(ffa.Lend, func(x *ffa.MemoryTransaction) { x.Flags = 4 })},
		{"zeroing for a reader", "Hafnium", denied, as(ffa.Lend, reading)},
		{"page of nobody", "Hafnium", denied, as(ffa.Lend, at(0x1000))},
		{"page of a device", "Hafnium", denied, as(ffa.Lend, at(tzcBase))},
		{"page that is shared", "DEN0140", denied, func(r *rig) []uint64 {
			r.share(bufAddr+9*page, 1)
			return put(r, ffa.Lend, same)
		}},
		{"page that is lent", "DEN0140", denied, func(r *rig) []uint64 {
			lent(r)
			return put(r, ffa.Share, same)
		}},
		{"page of RX", "Hafnium", denied, as(ffa.Lend, at(rxAddr-page))},
		{"secure memory", "Hafnium", denied, as(ffa.Lend, at(secure.Base))},
		{"carve-out", "Hafnium", denied, as(ffa.Lend, at(carve.Base))},
		{"zeroing fails", "DEN0077A", aborted, func(r *rig) []uint64 {
			c := put(r, ffa.Lend, func(x *ffa.MemoryTransaction) { x.Flags = ffa.FlagZero })
			r.spy.broken = func(_ uint64, write bool, a bus.Attr) bool { return write && a.Secure }
			return c
		}},
		{"FRAG_TX of an unknown handle", "DEN0140", invalid, func(r *rig) []uint64 {
			h := begun(r)
			return []uint64{fragTX, h[0] + 1, h[1], 16}
		}},
		{"FRAG_TX of a complete one", "DEN0140", invalid, func(r *rig) []uint64 {
			h := lent(r)
			return []uint64{fragTX, h & 0xFFFF_FFFF, h >> 32, 16}
		}},
		{"FRAG_TX with more than is missing", "Hafnium", invalid, func(r *rig) []uint64 {
			h := begun(r)
			return []uint64{fragTX, h[0], h[1], 32}
		}},
		{"RETRIEVE_REQ of one that is not complete", "Hafnium", invalid, func(r *rig) []uint64 {
			h := begun(r)
			var b [48]byte
			binary.LittleEndian.PutUint64(b[8:], h[0]|h[1]<<32)
			r.write(txAddr, b[:])
			return []uint64{retrieveReq, 48, 48}
		}},
		{"RETRIEVE_REQ while RX is full", "Hafnium", busy, func(r *rig) []uint64 {
			h := lent(r)
			r.call(0x8400_0068)
			var b [48]byte
			binary.LittleEndian.PutUint64(b[8:], h)
			r.write(txAddr, b[:])
			return []uint64{retrieveReq, 48, 48}
		}},
		{"RETRIEVE_REQ whose answer cannot be written", "Hafnium", aborted, func(r *rig) []uint64 {
			h := lent(r)
			var b [48]byte
			binary.LittleEndian.PutUint64(b[8:], h)
			r.write(txAddr, b[:])
			r.spy.broken = func(addr uint64, write bool, a bus.Attr) bool { return addr == rxAddr && !a.Secure && write }
			return []uint64{retrieveReq, 48, 48}
		}},
		{"RECLAIM of an unknown handle", "DEN0140", invalid, func(r *rig) []uint64 { return reclaimCall(lent(r) + 1) }},
		{"RECLAIM of one that is not complete", "Hafnium", invalid, func(r *rig) []uint64 {
			h := begun(r)
			return reclaimCall(h[0] | h[1]<<32)
		}},
		{"RECLAIM while a borrower has it", "DEN0140", denied, func(r *rig) []uint64 {
			h := lent(r)
			r.does(first, testsp.Retrieve, on(h)...)
			return reclaimCall(h)
		}},
		{"RECLAIM with a flag", "OP-TEE, TF-A", invalid, func(r *rig) []uint64 { return append(reclaimCall(lent(r))[:3], 1) }},
		{"RECLAIM with reserved registers", "OP-TEE", invalid, func(r *rig) []uint64 { return append(reclaimCall(lent(r)), 0, 1) }},
		{"RECLAIM whose scrubbing fails", "DEN0077A", aborted, func(r *rig) []uint64 {
			h := lent(r)
			r.spy.broken = func(_ uint64, write bool, a bus.Attr) bool { return write && a.Secure }
			return reclaimCall(h)
		}},
		{"more regions than a partition borrows", "DEN0140", noMemory, func(r *rig) []uint64 {
			for i := range uint64(4) {
				x := to(ffa.Share, secondRW)
				x.Constituents = []ffa.Constituent{{Address: ramBase + 0x100_0000 + i*page, Pages: 1}}
				r.sent(ffa.Share, ffa.Version1_2, x)
			}
			return put(r, ffa.Share, func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = second })
		}},
		{"more pages than a partition borrows", "DEN0140", noMemory, as(ffa.Lend, func(x *ffa.MemoryTransaction) {
			x.Receivers[0].Receiver, x.Constituents[0].Pages = second, 1025
		})},
		{"a receiver that refuses", "DEN0140", denied, func(r *rig) []uint64 {
			r.does(first, testsp.Policy, denied)
			return put(r, ffa.Lend, same)
		}},
	} {
		r := newRig(t, withTestPartitions, func(c *Config) {
			c.Carveout, c.SecureRAM = carve, secure
			c.Limits.Transactions, c.Limits.Ranges = 8, 32
		}).negotiate(0x1_0002)
		call := tc.call(r)
		// When scrubbing fails the controller has been programmed already: a region that was open again is off, with other
		// addresses; memory that cannot be scrubbed stays closed for all masters.
		reclaim := tc.rule == "RECLAIM whose scrubbing fails"
		programmed := reclaim || tc.rule == "zeroing fails"
		before := r.state()
		r.want(fmt.Sprintf("%s (%s)", tc.rule, tc.source), call, []uint64{ffaError, 0, tc.code})
		if r.state() != before && !programmed {
			t.Errorf("%s is refused but changes the state", tc.rule)
		}
		r.consistent()
		if reclaim {
			r.wantRights(tc.rule, bufAddr, rightsNobody)
			r.spy.broken = nil
			r.want("RECLAIM again", call, []uint64{ffaSuccess})
			r.wantRights("reclaimed", bufAddr, rightsNormal)
		}
	}
}
