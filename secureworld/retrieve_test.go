package secureworld

import (
	"bytes"
	"encoding/binary"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/testsp"
)

const (
	retrieveReq  = 0x8400_0074
	retrieveResp = 0x8400_0075
	relinquish   = 0x8400_0076
	fragTX       = 0x8400_007B
)

// to is a descriptor for test partitions, of ranges that are in no order.
func to(kind ffa.TransactionKind, receivers ...ffa.EMAD) *ffa.MemoryTransaction {
	x := &ffa.MemoryTransaction{Tag: 0x1122_3344_5566_7788, Receivers: receivers, EMADSize: 32, Constituents: []ffa.Constituent{
		{Address: bufAddr + 8*page, Pages: 2}, {Address: bufAddr, Pages: 3}}}
	if kind == ffa.Share || len(receivers) > 1 {
		x.Attributes = 0x2F
	}
	return x
}

var (
	firstRW  = ffa.EMAD{Receiver: first, Permissions: ffa.DataRW, ImpDef: [2]uint64{7, 8}}
	firstRO  = ffa.EMAD{Receiver: first, Permissions: ffa.DataRO}
	secondRW = ffa.EMAD{Receiver: second, Permissions: ffa.DataRW}
	secondRO = ffa.EMAD{Receiver: second, Permissions: ffa.DataRO}
)

const (
	rw = uint64(ffa.DataRW)
	ro = uint64(ffa.DataRO)
	nx = uint64(ffa.InstrNX)
	ex = uint64(ffa.InstrX)
)

// What a partition may ask for when it retrieves, and what it gets (DEN0140, FFA_MEM_RETRIEVE_REQ).
func TestRetrieve(t *testing.T) {
	const (
		zero, zeroAfter  = uint64(ffa.FlagZero), uint64(ffa.FlagZeroAfterRelinquish)
		bypass           = uint64(ffa.FlagBypassBorrowerCheck)
		share, lend, don = uint64(ffa.TransactionTypeShare), uint64(ffa.TransactionTypeLend), uint64(ffa.TransactionTypeDonate)
	)
	donee := ffa.EMAD{Receiver: first}
	for _, tc := range []struct {
		what       string
		kind       ffa.TransactionKind
		sendFlags  ffa.MemoryFlags
		receivers  []ffa.EMAD
		flags, how uint64
		code       uint64 // 0 for success
		want       uint64 // permissions
	}{
		{"as offered", ffa.Share, 0, []ffa.EMAD{firstRW}, 0, 0, 0, rw | nx},
		{"as offered, for reading", ffa.Share, 0, []ffa.EMAD{firstRO}, 0, 0, 0, ro | nx},
		{"a lend as offered", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, 0, 0, rw | nx},
		{"a donation as offered", ffa.Donate, 0, []ffa.EMAD{donee}, 0, 0, 0, rw | nx},
		{"a share, naming the type", ffa.Share, 0, []ffa.EMAD{firstRW}, share, rw, 0, rw | nx},
		{"a share, leaving the access open", ffa.Share, 0, []ffa.EMAD{firstRO}, share, 0, 0, ro | nx},
		{"a share, less than offered", ffa.Share, 0, []ffa.EMAD{firstRW}, 0, ro, 0, ro | nx},
		{"a share, more than offered", ffa.Share, 0, []ffa.EMAD{firstRO}, 0, rw, denied, 0},
		{"a share, with instruction permission", ffa.Share, 0, []ffa.EMAD{firstRW}, 0, rw | nx, invalid, 0},
		{"a share, executable", ffa.Share, 0, []ffa.EMAD{firstRW}, 0, rw | ex, invalid, 0},
		{"a share, zeroed", ffa.Share, 0, []ffa.EMAD{firstRW}, zero, rw, invalid, 0},
		{"a share, zeroed afterwards", ffa.Share, 0, []ffa.EMAD{firstRW}, zeroAfter, rw, invalid, 0},
		{"a share as a lend", ffa.Share, 0, []ffa.EMAD{firstRW}, lend, rw, invalid, 0},
		{"a lend", ffa.Lend, 0, []ffa.EMAD{firstRW}, lend, rw | nx, 0, rw | nx},
		{"a lend, executable", ffa.Lend, 0, []ffa.EMAD{firstRW}, lend, rw | ex, 0, rw | ex},
		{"a lend without instruction permission", ffa.Lend, 0, []ffa.EMAD{firstRW}, lend, rw, invalid, 0},
		{"a lend, more than offered", ffa.Lend, 0, []ffa.EMAD{firstRO}, lend, rw | nx, denied, 0},
		{"a lend as a donation", ffa.Lend, 0, []ffa.EMAD{firstRW}, don, rw | nx, invalid, 0},
		{"a lend, zeroed as the sender says", ffa.Lend, ffa.FlagZero, []ffa.EMAD{firstRW}, zero, rw | nx, 0, rw | nx},
		{"a lend, zeroed though the sender does not say so", ffa.Lend, 0, []ffa.EMAD{firstRW}, zero, rw | nx, denied, 0},
		{"a lend, for reading, zeroed afterwards", ffa.Lend, 0, []ffa.EMAD{firstRW}, zeroAfter, ro | nx, denied, 0},
		{"a donation", ffa.Donate, 0, []ffa.EMAD{donee}, don, rw | nx, 0, rw | nx},
		{"a donation, executable", ffa.Donate, 0, []ffa.EMAD{donee}, 0, ro | ex, 0, ro | ex},
		{"a donation without instruction permission", ffa.Donate, 0, []ffa.EMAD{donee}, 0, rw, invalid, 0},
		{"another tag", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | testsp.OtherTag, invalid, 0},
		{"another sender", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | testsp.OtherSender, denied, 0},
		{"addresses", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | testsp.WithRange, invalid, 0},
		{"another implementation defined value", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | testsp.OtherImpDef, invalid, 0},
		{"attributes that it has", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | 0x2F<<16, 0, rw | nx},
		{"as device memory", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | 0x10<<16, denied, 0},
		{"as non-cacheable memory", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | 0x27<<16, denied, 0},
		{"as non-secure memory", ffa.Lend, 0, []ffa.EMAD{firstRW}, 0, rw | nx | 0x40<<16, invalid, 0},
		{"an alignment hint", ffa.Lend, 0, []ffa.EMAD{firstRW}, 1 << 9, rw | nx, invalid, 0},
		{"an alignment hint that is not valid", ffa.Lend, 0, []ffa.EMAD{firstRW}, 1 << 5, rw | nx, invalid, 0},
		{"one borrower, not naming the others", ffa.Lend, 0, []ffa.EMAD{firstRW}, bypass, rw | nx, invalid, 0},
		{"one of two", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, lend, rw, 0, rw | nx},
		{"one of two, for reading", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, lend, ro, 0, ro | nx},
		{"one of two, with instruction permission", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, lend, rw | nx, invalid, 0},
		{"one of two, naming itself only", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, 0, rw | testsp.Alone, 0, rw | nx},
		{"one of two, naming itself only without the flag", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, 0, rw | testsp.AloneUnasked, invalid, 0},
		{"one of two, naming both with the flag", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, bypass, rw, invalid, 0},
		{"one of two, with more for the other", ffa.Lend, 0, []ffa.EMAD{secondRO, firstRW}, 0, rw | testsp.OthersWriting, denied, 0},
		{"a share of two", ffa.Share, 0, []ffa.EMAD{firstRO, secondRW}, share, ro, 0, ro | nx},
		{"reserved bits of the command", ffa.Share, 0, []ffa.EMAD{firstRW}, 0, rw | 1<<11, invalid, 0},
	} {
		r := newRig(t, withTestPartitions).negotiate(0x1_0002)
		x := to(tc.kind, tc.receivers...)
		x.Flags = tc.sendFlags
		h := r.sent(tc.kind, ffa.Version1_2, x)
		args := on(h, tc.flags, tc.how)
		r.fails("another handle", invalid, first, testsp.Retrieve, on(h+1, tc.flags, tc.how)...)
		if tc.code != 0 {
			r.fails(tc.what, tc.code, first, testsp.Retrieve, args...)
			r.fails(tc.what+": access all the same", denied, first, testsp.Read, on(h, 0)...)
			r.reclaim(h)
			continue
		}
		if w := r.does(first, testsp.Retrieve, args...); w != [4]uint64{5 * page, 0, tc.want, 2} {
			t.Errorf("%s: %x, want 5 pages with %#x", tc.what, w, tc.want)
		}
		again := uint64(denied)
		if tc.kind == ffa.Donate {
			again = invalid // the handle is gone
		}
		r.fails(tc.what+": again", again, first, testsp.Retrieve, args...)
		if len(tc.receivers) == 1 {
			code := uint64(denied)
			if tc.kind == ffa.Donate {
				code = invalid
			}
			r.fails(tc.what+": by a partition that is no receiver", code, second, testsp.Retrieve, args...)
		}
		// Permission to write is what it says, whatever the request named.
		if tc.want&3 == ro && tc.kind != ffa.Donate {
			r.fails(tc.what+": writing", denied, first, testsp.Write, on(h, 0, 1)...)
		} else {
			r.does(first, testsp.Write, on(h, 4, 0x55AA)...)
			if w := r.does(first, testsp.Read, on(h, 0)...); w[1] != 0x55AA {
				t.Errorf("%s: read %x", tc.what, w)
			}
		}
		r.refused(tc.what+": RECLAIM", again, reclaimCall(h)...)
		if tc.kind != ffa.Donate {
			r.does(first, testsp.Relinquish, on(h)...)
			r.fails(tc.what+": access afterwards", denied, first, testsp.Read, on(h, 0)...)
			r.reclaim(h)
		}
		r.consistent()
	}
}

// The states of memory that has two borrowers: the order in which they come and go does not matter to the owner, who gets it back
// when nobody has access.
func TestTwoBorrowers(t *testing.T) {
	for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend} {
		for _, order := range [][2]uint64{{first, second}, {second, first}} {
			a, b := order[0], order[1]
			r := newRig(t, withTestPartitions).negotiate(0x1_0002)
			h := r.sent(kind, ffa.Version1_2, to(kind, secondRO, firstRW))
			want := rightsNobody
			if kind == ffa.Share {
				want = rightsNormal
			}
			r.wantRights("sent", bufAddr, want)
			r.fails("relinquish before retrieve", denied, a, testsp.Relinquish, on(h)...)
			r.does(a, testsp.Retrieve, on(h)...)
			r.refused("one has it", denied, reclaimCall(h)...)
			r.does(b, testsp.Retrieve, on(h)...)
			r.refused("both have it", denied, reclaimCall(h)...)
			// The second range stands first in the buffer.
			r.does(first, testsp.Fill, on(h, 0, 0x5A)...)
			r.does(first, testsp.Write, on(h, 2*page, 0xDEAD_BEEF)...)
			r.fails("writing without permission", denied, second, testsp.Fill, on(h, 0, 0x77)...)
			if w := r.does(second, testsp.Check, on(h, 0, 0x5A)...); w != [4]uint64{4, 2 * page} {
				t.Errorf("the other borrower sees %x", w)
			}
			if w := r.does(second, testsp.Read, on(h, 2*page)...); w[0] != 0xDEAD_BEEF {
				t.Errorf("read: %x", w)
			}
			s := make([]byte, 4)
			r.s.Read(bufAddr, s)
			if binary.LittleEndian.Uint32(s) != 0xDEAD_BEEF {
				t.Errorf("memory at the second range: %x", s)
			}
			sum := r.does(first, testsp.Checksum, on(h, page, page)...)
			if other := r.does(second, testsp.Checksum, on(h, page, page)...); other != sum || sum[0] == 0 {
				t.Errorf("checksums %x and %x", sum, other)
			}
			r.does(a, testsp.Relinquish, on(h)...)
			r.fails("access of the one that left", denied, a, testsp.Read, on(h, 0)...)
			r.refused("the other has it still", denied, reclaimCall(h)...)
			if w := r.does(b, testsp.Read, on(h, 2*page)...); w[0] != 0xDEAD_BEEF {
				t.Errorf("read after the other left: %x", w)
			}
			r.does(a, testsp.Retrieve, on(h)...)
			r.does(b, testsp.Relinquish, on(h)...)
			r.refused("the first has it again", denied, reclaimCall(h)...)
			r.does(a, testsp.Relinquish, on(h)...)
			r.reclaim(h)
			r.fails("the handle is gone", invalid, a, testsp.Retrieve, on(h)...)
			r.fails("the handle is gone", invalid, a, testsp.Relinquish, on(h)...)
			if b := r.read(bufAddr, 3*page); zeros(b) == (kind == ffa.Share) {
				t.Errorf("%v: memory is zero: %v", kind, zeros(b))
			}
			r.consistent()
		}
	}
}

// FFA_MEM_RELINQUISH with the flag to zero (DEN0140): not for shared memory, not by a reader, and not while another has access.
func TestZeroOnRelinquish(t *testing.T) {
	r := newRig(t, withTestPartitions).negotiate(0x1_0002)
	zero := uint64(ffa.FlagZero)
	h := r.sent(ffa.Share, ffa.Version1_2, to(ffa.Share, firstRW))
	r.does(first, testsp.Retrieve, on(h)...)
	r.fails("shared memory", invalid, first, testsp.Relinquish, on(h, zero)...)
	r.fails("reserved flag", invalid, first, testsp.Relinquish, on(h, 4)...)
	r.does(first, testsp.Relinquish, on(h, uint64(ffa.FlagTimeSlice))...)
	r.reclaim(h)

	h = r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, firstRW, secondRO))
	r.does(first, testsp.Retrieve, on(h)...)
	r.does(second, testsp.Retrieve, on(h)...)
	r.fails("memory that it may only read", denied, second, testsp.Relinquish, on(h, zero)...)
	r.does(first, testsp.Fill, on(h, 0, 1)...)
	r.does(first, testsp.Relinquish, on(h, zero)...)
	if w := r.does(second, testsp.Check, on(h, 0, 1)...); w[0] != 0 {
		t.Errorf("memory changes under the other borrower: %x", w)
	}
	r.does(first, testsp.Retrieve, on(h)...)
	r.does(second, testsp.Relinquish, on(h)...)
	r.does(first, testsp.Relinquish, on(h, zero)...)
	r.does(second, testsp.Retrieve, on(h)...)
	if w := r.does(second, testsp.Check, on(h)...); w[0] != 0 {
		t.Errorf("memory is not zero: %x", w)
	}
	r.does(second, testsp.Relinquish, on(h)...)
	// The wish of a retrieve request outlives its borrower: the last one to leave has the memory zeroed.
	r.does(first, testsp.Retrieve, on(h, uint64(ffa.FlagZeroAfterRelinquish), rw)...)
	r.does(second, testsp.Retrieve, on(h)...)
	r.does(first, testsp.Fill, on(h, 0, 9)...)
	r.does(first, testsp.Relinquish, on(h)...)
	if w := r.does(second, testsp.Check, on(h, 0, 9)...); w[0] != 0 {
		t.Errorf("memory changes under the other borrower: %x", w)
	}
	r.does(second, testsp.Relinquish, on(h)...)
	r.does(second, testsp.Retrieve, on(h)...)
	if w := r.does(second, testsp.Check, on(h)...); w[0] != 0 {
		t.Errorf("memory is not zero: %x", w)
	}
}

// Lending with the flag to zero: the borrower finds nothing of what was there.
func TestZeroOnSend(t *testing.T) {
	for _, kind := range []ffa.TransactionKind{ffa.Lend, ffa.Donate} {
		r := newRig(t, withTestPartitions).negotiate(0x1_0002)
		r.write(bufAddr, bytes.Repeat([]byte{0xEE}, 3*page))
		r.write(bufAddr+3*page, []byte("stays"))
		e := firstRW
		if kind == ffa.Donate {
			e.Permissions = 0
		}
		x := to(kind, e)
		x.Flags = ffa.FlagZero
		h := r.sent(kind, ffa.Version1_2, x)
		r.does(first, testsp.Retrieve, on(h)...)
		if w := r.does(first, testsp.Check, on(h)...); w[0] != 0 {
			t.Errorf("%v: %d bytes are not zero", kind, w[0])
		}
		if string(r.read(bufAddr+3*page, 5)) != "stays" {
			t.Error("memory behind it is zeroed")
		}
	}
}

// Memory that was donated belongs to the partition for good.
func TestDonation(t *testing.T) {
	r := newRig(t, withTestPartitions).negotiate(0x1_0002)
	h := r.sent(ffa.Donate, ffa.Version1_2, to(ffa.Donate, ffa.EMAD{Receiver: second}))
	r.reclaim(h) // nobody has retrieved it
	h = r.sent(ffa.Donate, ffa.Version1_2, to(ffa.Donate, ffa.EMAD{Receiver: second}))
	r.does(second, testsp.Retrieve, on(h)...)
	r.fails("relinquishing what is its own", invalid, second, testsp.Relinquish, on(h)...)
	r.refused("RECLAIM", invalid, reclaimCall(h)...)
	r.does(second, testsp.Fill, on(h, 0, 'd')...)
	r.wantRights("donated", bufAddr, rightsNobody)
	if got := r.w.space.At(bufAddr).State; got != memory.NotOwnerNA {
		t.Errorf("donated page is %v", got)
	}
	for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend} {
		b := to(kind, firstRW).AppendTo(nil, ffa.Version1_2)
		r.write(txAddr, b)
		r.refused("sending what is another's", denied, sendCall(kind), uint64(len(b)), uint64(len(b)))
	}
	x := to(ffa.Lend, secondRW)
	x.Constituents = []ffa.Constituent{{Address: bufAddr + 0x10_0000, Pages: 5}}
	l := r.sent(ffa.Lend, ffa.Version1_2, x)
	r.does(second, testsp.Retrieve, on(l)...)
	lo, hi := pair(l)
	if w := r.does(second, testsp.Compare, on(h, lo, hi)...); w != [4]uint64{5 * page, 0} {
		t.Errorf("Compare: %x", w)
	}
	r.does(second, testsp.Fill, on(l, 0, 'd')...)
	r.does(second, testsp.Fill, on(l, page+1, 3<<8|'x')...)
	if w := r.does(second, testsp.Compare, on(h, lo, hi)...); w != [4]uint64{3, page + 1} {
		t.Errorf("Compare: %x", w)
	}
	r.fails("the rest is too short", invalid, second, testsp.Fill, on(l, 5*page, 1<<8)...)
	r.fails("behind the end", invalid, second, testsp.Check, on(l, 5*page+1, 0)...)
	r.fails("behind the end", invalid, second, testsp.Read, on(l, 5*page-7)...)
	r.fails("behind the end", invalid, second, testsp.Write, on(l, 5*page-3)...)
	r.consistent()
}

// A sender reads its own descriptor again: by the handle alone, as Linux's hypervisor asks, or with the sizes of its version.
func TestReadDescriptorAgain(t *testing.T) {
	for _, v := range []ffa.Version{ffa.Version1_0, ffa.Version1_1, ffa.Version1_2} {
		r := newRig(t, withTestPartitions).negotiate(uint64(v))
		for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend, ffa.Donate} {
			sent := to(kind, firstRW, secondRO)
			switch kind {
			case ffa.Lend:
				sent.Flags = ffa.FlagZero | ffa.FlagTimeSlice
				sent.Receivers[1].Permissions = ffa.DataRW
			case ffa.Donate:
				sent = to(kind, ffa.EMAD{Receiver: first})
			}
			h := r.sent(kind, v, sent)
			want := *sent
			want.Handle, want.Flags = ffa.Handle(h), sent.Flags&ffa.FlagZero|kind.Flag()
			if v < ffa.Version1_2 {
				for i := range want.Receivers {
					want.Receivers[i].ImpDef = [2]uint64{}
				}
			}
			b := want.AppendTo(nil, v)
			request := make([]byte, 48)
			if v == ffa.Version1_0 {
				request = request[:32]
			}
			binary.LittleEndian.PutUint64(request[8:], h)
			n := uint64(len(request))
			for _, f := range []uint64{retrieveReq, 0xC400_0074} {
				r.write(txAddr, request)
				r.want("RETRIEVE_REQ", []uint64{f, n, n}, []uint64{retrieveResp, uint64(len(b)), uint64(len(b))})
				if got := r.read(rxAddr, len(b)); !bytes.Equal(got, b) {
					t.Errorf("version %v, %v:\n% x, want\n% x", v, kind, got, b)
				}
				r.refused("RX is full", busy, f, n, n)
				r.want("RX_RELEASE", []uint64{0x8400_0065}, []uint64{ffaSuccess})
			}
			r.refused("FRAG_RX: there is no more", invalid, fragRX, h&0xFFFF_FFFF, h>>32, uint64(len(b)))
			if v > ffa.Version1_0 {
				binary.LittleEndian.PutUint32(request[24:], 16)
				binary.LittleEndian.PutUint32(request[32:], 48)
				r.write(txAddr, request)
				r.want("with sizes", []uint64{retrieveReq, n, n}, []uint64{retrieveResp, uint64(len(b)), uint64(len(b))})
				r.call(0x8400_0065)
			}
			r.does(first, testsp.Retrieve, on(h)...)
			if kind == ffa.Donate {
				r.write(txAddr, request)
				r.refused("the handle is gone", invalid, retrieveReq, n, n)
				break
			}
			r.want("while a borrower has it", []uint64{retrieveReq, n, n}, []uint64{retrieveResp, uint64(len(b)), uint64(len(b))})
			r.call(0x8400_0065)
			r.does(first, testsp.Relinquish, on(h)...)
			r.reclaim(h)
			r.refused("the handle is gone", invalid, retrieveReq, n, n)
		}
	}
}

// A descriptor that does not fit RX comes in fragments, each of which is asked for by its offset.
func TestReadDescriptorInFragments(t *testing.T) {
	for _, v := range []ffa.Version{ffa.Version1_0, ffa.Version1_1, ffa.Version1_2} {
		r := newRig(t, withTestPartitions).negotiate(uint64(v))
		sent := to(ffa.Share, firstRW)
		sent.Constituents = nil
		for i := range uint64(600) {
			sent.Constituents = append(sent.Constituents, ffa.Constituent{Address: bufAddr + 2*page*(599-i), Pages: 1})
		}
		d := sent.AppendTo(nil, v)
		total := uint64(len(d))
		r.write(txAddr, d[:page])
		got := r.call(0xC400_0073, total, page)
		lo, hi := got[1], got[2]
		request := make([]byte, 48)
		if v == ffa.Version1_0 {
			request = request[:32]
		}
		binary.LittleEndian.PutUint64(request[8:], lo|hi<<32)
		r.write(txAddr, request)
		r.refused("a descriptor that is not complete", invalid, retrieveReq, uint64(len(request)), uint64(len(request)))
		for off := uint64(page); off < total; off += page {
			n := min(page, total-off)
			r.write(txAddr, d[off:off+n])
			got = r.call(fragTX, lo, hi, n)
		}
		if got[0] != ffaSuccess {
			t.Fatalf("version %v: %x", v, got[:4])
		}
		want := *sent
		want.Handle, want.Flags = ffa.Handle(lo|hi<<32), ffa.TransactionTypeShare
		if v < ffa.Version1_2 {
			want.Receivers[0].ImpDef = [2]uint64{}
		}
		b := want.AppendTo(nil, v)
		r.write(txAddr, request)
		n := uint64(len(request))
		r.refused("FRAG_RX before RETRIEVE_REQ", invalid, fragRX, lo, hi, page)
		for range 2 { // begun again in the middle
			r.want("RETRIEVE_REQ", []uint64{retrieveReq, n, n}, []uint64{retrieveResp, total, page})
			if got := r.read(rxAddr, page); !bytes.Equal(got, b[:page]) {
				t.Errorf("version %v: first fragment % x", v, got[:128])
			}
			r.refused("FRAG_RX while RX is full", busy, fragRX, lo, hi, page)
			r.call(0x8400_0065)
			for _, c := range [][]uint64{{lo ^ 1<<16, hi, page}, {lo, hi, 0}, {lo, hi, page - 16}, {lo, hi, page + 16}, {lo, hi, total}, {lo, hi, page, 5 << 16}} {
				r.refused("FRAG_RX", invalid, append([]uint64{fragRX}, c...)...)
			}
			r.want("FRAG_RX", []uint64{fragRX, lo, hi, page, 0}, []uint64{fragTX, lo, hi, page, 0})
			if got := r.read(rxAddr, page); !bytes.Equal(got, b[page:2*page]) {
				t.Errorf("version %v: second fragment % x", v, got[:128])
			}
			r.call(0x8400_0065)
		}
		rest := total - 2*page
		r.want("FRAG_RX", []uint64{fragRX, lo, hi, 2 * page, 0}, []uint64{fragTX, lo, hi, rest, 0})
		if got := r.read(rxAddr, int(rest)); !bytes.Equal(got, b[2*page:]) {
			t.Errorf("version %v: last fragment % x", v, got[:128])
		}
		r.call(0x8400_0065)
		r.refused("FRAG_RX at the end", invalid, fragRX, lo, hi, total)
		r.want("RETRIEVE_REQ", []uint64{retrieveReq, n, n}, []uint64{retrieveResp, total, page})
		r.call(0x8400_0065)
		r.reclaim(lo | hi<<32)
		r.refused("FRAG_RX of a handle that is gone", invalid, fragRX, lo, hi, page)
	}
}

// What the normal world may not retrieve or relinquish.
func TestRefusedRetrieveRequests(t *testing.T) {
	r := newRig(t, withTestPartitions)
	r.call(0x8400_0063, 0x1_0002)
	r.call(0x8400_0069) // the version is final from here on
	r.refused("RETRIEVE_REQ without buffers", invalid, retrieveReq, 48, 48)
	r.refused("RELINQUISH without buffers", invalid, relinquish)
	r.refused("FRAG_RX without buffers", invalid, fragRX, 1, 0, 48)
	r.negotiate(0x1_0002)
	h := r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, firstRW))
	header := func(edit func(b []byte)) func() []byte {
		return func() []byte {
			b := make([]byte, 64)
			binary.LittleEndian.PutUint64(b[8:], h)
			edit(b)
			return b
		}
	}
	request := func(edit func(q *ffa.MemoryTransaction)) func() []byte {
		return func() []byte {
			q := &ffa.MemoryTransaction{Handle: ffa.Handle(h), Tag: 0x1122_3344_5566_7788, Receivers: []ffa.EMAD{firstRW}}
			q.Receivers[0].Permissions |= ffa.InstrNX
			edit(q)
			return q.AppendTo(nil, ffa.Version1_2)
		}
	}
	for _, tc := range []struct {
		what string
		code uint64
		n    uint64
		b    func() []byte
	}{
		{"no bytes of a header", invalid, 16, header(func([]byte) {})},
		{"a short header", invalid, 32, header(func([]byte) {})},
		{"bytes behind the header", invalid, 64, header(func([]byte) {})},
		{"another handle", invalid, 48, header(func(b []byte) { b[10]++ })},
		{"a handle of the hypervisor's", invalid, 48, header(func(b []byte) { b[15] = 0x80 })},
		{"a sender", invalid, 48, header(func(b []byte) { b[0] = 1 })},
		{"attributes", invalid, 48, header(func(b []byte) { b[2] = 0x2F })},
		{"flags", invalid, 48, header(func(b []byte) { b[4] = 0x10 })},
		{"a tag", invalid, 48, header(func(b []byte) { b[16] = 1 })},
		{"EMAD size", invalid, 48, header(func(b []byte) { b[24] = 24 })},
		{"EMAD offset", invalid, 48, header(func(b []byte) { b[32] = 64 })},
		{"reserved word", invalid, 48, header(func(b []byte) { b[36] = 1 })},
		{"in the name of a partition", denied, 80, request(func(*ffa.MemoryTransaction) {})},
		{"by itself", denied, 80, request(func(q *ffa.MemoryTransaction) { q.Sender = 5; q.Receivers[0].Receiver = 0 })},
		{"of another handle", invalid, 80, request(func(q *ffa.MemoryTransaction) { q.Handle++ })},
		{"malformed", invalid, 80, request(func(q *ffa.MemoryTransaction) { q.Flags = 1 << 20 })},
	} {
		b := tc.b()
		r.write(txAddr, b)
		r.refused("RETRIEVE_REQ: "+tc.what, tc.code, retrieveReq, tc.n, tc.n)
	}
	r.write(txAddr, header(func([]byte) {})())
	for what, c := range map[string][]uint64{
		"in fragments": {48, 32}, "a buffer of the caller's": {48, 48, bufAddr + 0x20_0000, 1}, "pages without buffer": {48, 48, 0, 1},
		"longer than TX": {8192, 8192}, "nothing": {0, 0}, "w5": {48, 48, 0, 0, 1}, "w7": {48, 48, 0, 0, 0, 0, 1},
	} {
		r.refused("RETRIEVE_REQ: "+what, invalid, append([]uint64{retrieveReq}, c...)...)
	}

	for _, tc := range []struct {
		what string
		code uint64
		d    ffa.Relinquish
	}{
		{"by the lender", denied, ffa.Relinquish{Handle: ffa.Handle(h), Endpoints: []ffa.EndpointID{0}}},
		{"in the name of a partition", invalid, ffa.Relinquish{Handle: ffa.Handle(h), Endpoints: []ffa.EndpointID{first}}},
		{"for a VM", invalid, ffa.Relinquish{Handle: ffa.Handle(h), Endpoints: []ffa.EndpointID{5}}},
		{"of another handle", invalid, ffa.Relinquish{Handle: ffa.Handle(h + 1), Endpoints: []ffa.EndpointID{0}}},
		{"by nobody", invalid, ffa.Relinquish{Handle: ffa.Handle(h)}},
		{"by two", invalid, ffa.Relinquish{Handle: ffa.Handle(h), Endpoints: []ffa.EndpointID{0, 5}}},
		{"reserved flag", invalid, ffa.Relinquish{Handle: ffa.Handle(h), Flags: 4, Endpoints: []ffa.EndpointID{0}}},
	} {
		r.write(txAddr, append(tc.d.AppendTo(nil), 0, 0))
		r.refused("RELINQUISH: "+tc.what, tc.code, relinquish)
	}
	r.does(first, testsp.Retrieve, on(h)...)
	r.write(txAddr, (&ffa.Relinquish{Handle: ffa.Handle(h), Endpoints: []ffa.EndpointID{0}}).AppendTo(nil))
	r.refused("RELINQUISH of what a partition has", denied, relinquish)
	r.refused("RECLAIM of what a partition has", denied, reclaimCall(h)...)
}

// FFA_FEATURES about FFA_MEM_RETRIEVE_REQ (DEN0140 1.2, table 3.1): from 1.1 on a caller must understand the NS bit, and 1.2 says
// that descriptors can be read again.
func TestRetrieveFeatures(t *testing.T) {
	for _, tc := range []struct{ version, in, out uint64 }{
		{0x1_0000, 0, 0}, {0x1_0000, 2, 2}, {0x1_0001, 2, 2}, {0x1_0002, 2, 6},
	} {
		r := newRig(t).negotiate(tc.version)
		for _, f := range []uint64{0x8400_0074, 0xC400_0074} {
			r.want("FEATURES(MEM_RETRIEVE_REQ)", []uint64{0x8400_0064, f, tc.in}, []uint64{ffaSuccess, 0, tc.out})
			if tc.version > 0x1_0000 {
				r.refused("a caller without the NS bit", notSupported, 0x8400_0064, f, 0)
			}
			for _, in := range []uint64{1, 3, 4, 1 << 31} {
				r.refused("reserved properties", notSupported, 0x8400_0064, f, in)
			}
		}
	}
}

// Zeroing in slices for a sender that allows time slicing (DEN0140, FFA_MEM_OP_PAUSE and FFA_MEM_OP_RESUME).
func TestTimeSlices(t *testing.T) {
	const pause, resume = 0x8400_0078, 0x8400_0079
	r := newRig(t, withTestPartitions, func(c *Config) { c.Limits.Slice = 4 }).negotiate(0x1_0002)
	r.write(bufAddr, bytes.Repeat([]byte{0xEE}, 11*page))
	x := to(ffa.Lend, firstRW)
	x.Constituents = []ffa.Constituent{{Address: bufAddr + 3*page, Pages: 8}, {Address: bufAddr, Pages: 3}}
	x.Flags = ffa.FlagZero | ffa.FlagTimeSlice
	got := r.send(ffa.Lend, ffa.Version1_2, x)
	if got[0] != pause || got[3] != 0 {
		t.Fatalf("lend of 11 pages: %x", got[:8])
	}
	lo, hi := got[1], got[2]
	h := lo | hi<<32
	secureByte := func(addr uint64) byte {
		b := make([]byte, 1)
		if resp := r.s.Read(addr, b); resp != bus.OKAY {
			t.Fatal(resp)
		}
		return b[0]
	}
	// The memory is closed at once, and nobody can do anything with the handle but go on.
	r.wantRights("in the middle", bufAddr, rightsNobody)
	r.wantRights("in the middle", bufAddr+10*page, rightsNobody)
	if a, b := secureByte(bufAddr+7*page-1), secureByte(bufAddr+7*page); a != 0 || b != 0xEE {
		t.Errorf("after a slice of four pages: %#x, %#x", a, b)
	}
	r.refused("RECLAIM", invalid, reclaimCall(h)...)
	r.fails("Retrieve", invalid, first, testsp.Retrieve, on(h)...)
	r.refused("RESUME of another handle", invalid, resume, lo+1, hi)
	r.refused("PAUSE is an answer", notSupported, pause, lo, hi)
	r.want("RESUME", []uint64{resume, lo, hi}, []uint64{pause, lo, hi})
	if a, b := secureByte(bufAddr+11*page-1), secureByte(bufAddr); a != 0 || b != 0xEE {
		t.Errorf("after two slices: %#x, %#x", a, b)
	}
	r.want("RESUME", []uint64{resume, lo, hi}, []uint64{ffaSuccess, 0, lo, hi})
	r.refused("RESUME of what is complete", denied, resume, lo, hi)
	r.does(first, testsp.Retrieve, on(h)...)
	if w := r.does(first, testsp.Check, on(h)...); w[0] != 0 {
		t.Errorf("%d bytes are not zero", w[0])
	}
	r.does(first, testsp.Relinquish, on(h)...)
	r.reclaim(h)
	// A slice that fails: the first one takes everything back, a later one can be tried again.
	x.Constituents = []ffa.Constituent{{Address: bufAddr + 3*page, Pages: 8}, {Address: bufAddr, Pages: 3}}
	r.spy.broken = func(_ uint64, write bool, a bus.Attr) bool { return write && a.Secure }
	if got := r.send(ffa.Lend, ffa.Version1_2, x); got[0] != ffaError || got[2] != aborted {
		t.Errorf("lend whose zeroing fails: %x", got[:4])
	}
	r.wantRights("after a failure", bufAddr, rightsNormal)
	r.consistent()
	r.spy.broken = nil
	got = r.send(ffa.Lend, ffa.Version1_2, x)
	r.spy.broken = func(_ uint64, write bool, a bus.Attr) bool { return write && a.Secure }
	r.refused("RESUME that fails", aborted, resume, got[1], got[2])
	r.spy.broken = nil
	r.want("RESUME", []uint64{resume, got[1], got[2]}, []uint64{pause, got[1], got[2]})
	r.want("RESUME", []uint64{resume, got[1], got[2]}, []uint64{ffaSuccess, 0, got[1], got[2]})
	r.reclaim(got[1] | got[2]<<32)
	// A sender that does not allow it, memory that is not zeroed, and memory that fits one slice.
	for _, c := range []struct {
		flags ffa.MemoryFlags
		pages uint32
	}{{ffa.FlagZero, 8}, {ffa.FlagTimeSlice, 8}, {ffa.FlagZero | ffa.FlagTimeSlice, 4}} {
		x.Flags, x.Constituents = c.flags, []ffa.Constituent{{Address: bufAddr, Pages: c.pages}}
		r.reclaim(r.sent(ffa.Lend, ffa.Version1_2, x))
	}
	r.consistent()
}

// Donations beyond those that a test partition keeps are refused, and can be reclaimed.
func TestManyDonations(t *testing.T) {
	r := newRig(t, withTestPartitions, func(c *Config) { c.TZASC.Enabled = false })
	for _, w := range [][2]uint64{{0x114, 0xFFFF_FFFF}, {8, 0xF}} { // nobody else opens the gates
		r.s.Store(tzcBase+w[0], 4, w[1])
	}
	r.negotiate(0x1_0002)
	donate := func(i uint64) uint64 {
		x := to(ffa.Donate, ffa.EMAD{Receiver: first})
		x.Constituents = []ffa.Constituent{{Address: bufAddr + 2*i*page, Pages: 1}}
		return r.sent(ffa.Donate, ffa.Version1_2, x)
	}
	var h []uint64
	for i := range uint64(8) {
		h = append(h, donate(i))
		r.does(first, testsp.Retrieve, on(h[i])...)
		r.does(first, testsp.Fill, on(h[i], 0, i)...)
	}
	ninth := donate(8)
	r.fails("a ninth donation", noMemory, first, testsp.Retrieve, on(ninth)...)
	r.reclaim(ninth)
	for i := range uint64(8) {
		if w := r.does(first, testsp.Check, on(h[i], 0, i)...); w[0] != 0 {
			t.Errorf("donation %d: %x", i, w)
		}
	}
	lo, hi := pair(r.share(ramBase+0x100_0000, 2))
	r.fails("Compare with what is another's", denied, first, testsp.Compare, on(h[0], lo, hi)...)
	r.fails("Compare with nothing", invalid, first, testsp.Compare, on(h[0], lo+1, hi)...)
	two := to(ffa.Share, firstRW)
	two.Constituents = []ffa.Constituent{{Address: ramBase + 0x110_0000, Pages: 2}}
	lo, hi = pair(r.sent(ffa.Share, ffa.Version1_2, two))
	r.does(first, testsp.Retrieve, lo, hi)
	r.fails("Compare with something longer", invalid, first, testsp.Compare, on(h[0], lo, hi)...)
}
